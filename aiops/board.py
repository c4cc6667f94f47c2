"""What a board sees in MLflow: use cases and decisions. Written, and put right where they differ.

The ledger is the truth. Each function takes a client that ``tracking`` has opened; called again,
it changes only what differs from the ledger. A run that names another record of a decision than
the ledger is a witness: it is overwritten by a repair and by nothing else.
"""

import hashlib
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from aiops import home
from aiops.errors import AiopsError
from aiops.governance.usecase import UseCase
from aiops.governance.views import SHOWN_ON, decisions_tags, extra_tags, shown_day
from aiops.provenance import content_hash
from aiops.shown import RECORD, Told, foreign_words, is_foreign, milliseconds, tags_of_case

Client = Any
"""An MlflowClient that ``tracking`` has opened."""

DECISIONS = "governance/decisions"
ANY_STAGE = 3
"""MLflow's number for runs and experiments that are active or deleted."""


class Refused(AiopsError):
    """What stands in MLflow is another ledger's, or another record than the ledger's: it stays."""


@dataclass(frozen=True)
class Shown:
    """What was shown.

    Parameters
    ----------
    run_ids : list of str
        Runs of the decisions.
    refused : list of str
        What was left as it is, a sentence for each.
    """

    run_ids: list[str]
    refused: list[str]


def refuse(told: list[str]) -> None:
    """Say what was left as it is.

    Raises
    ------
    Refused
        If anything was.
    """
    if told:
        raise Refused(
            "; ".join(told),
            where="MLflow",
            fix="everything else was shown; see what differs: aiops ledger verify",
        )


def show_use_cases(client: Client, cases: Iterable[UseCase]) -> list[str]:
    """Show use cases, and return what was left as it is."""
    refused = []
    for case in cases:
        try:
            show_use_case(client, case)
        except Refused as fault:
            refused.append(fault.what)
    return refused


def show_use_case(client: Client, case: UseCase) -> str:
    """Show a use case as an experiment, its state in tags, its card as description.

    Raises
    ------
    Refused
        If another ledger shows a use case under this name.
    """
    name = f"usecase/{case.id} {case.slug}"
    before = client.get_experiment_by_name(f"usecase/{case.slug}")
    if before is not None and client.get_experiment_by_name(name) is None:
        client.rename_experiment(before.experiment_id, name)
    found = client.get_experiment_by_name(name)
    if found is not None and is_foreign(found.tags):
        refuse([foreign_words(f"experiment {name}")])
    experiment_id = experiment(client, name)
    set_experiment_tags(client, experiment_id, tags_of_case(case), is_dated=True)
    return experiment_id


def show_decisions(client: Client, told: Iterable[Told], *, repair: bool = False) -> Shown:
    """Show decisions as runs, and put right what differs.

    Parameters
    ----------
    client : MlflowClient
        An open store.
    told : iterable of Told
        The decisions.
    repair : bool
        Whether to read every file that is there, and to overwrite another record of a decision.
    """
    known, shown = list(told), Shown([], [])
    experiment_id = experiment(client, DECISIONS)
    set_experiment_tags(client, experiment_id, decisions_tags(), is_whole=repair)
    runs = runs_of(client, experiment_id)
    there = by_decision(runs, known)
    others = {run.data.tags.get("aiops.decision") for run in foreign_runs(runs, known)}
    for one in known:
        mine = there[one.record.id]
        if not mine and one.record.id in others:
            shown.refused.append(foreign_words(one.record.id))
        elif mine and not repair and mine[0].data.tags.get(RECORD) != one.line.sha256:
            shown.refused.append(
                f"MLflow holds another record of {one.record.id} than the ledger, and keeps it: "
                "run `aiops ledger verify`"
            )
        else:
            shown.run_ids.append(_show_decision(client, experiment_id, one, mine, repair))
    return shown


def by_decision(runs: Iterable[Any], told: Iterable[Told]) -> dict[str, list[Any]]:
    """Return the runs that show each decision, the one to go on with first.

    That is an active one before a deleted one, then one that names the record of the ledger, then
    the oldest. A run that another ledger made for a decision of the same number is not among them.
    """
    sums = {one.line.sha256: one.record.id for one in told}

    def rank(run: Any) -> tuple[bool, bool]:
        return run.info.lifecycle_stage == "deleted", run.data.tags.get(RECORD) not in sums

    found: dict[str, list[Any]] = {name: [] for name in sums.values()}
    for run in sorted(runs, key=rank):
        tags = run.data.tags
        name = tags.get("aiops.decision", "")
        is_it = tags.get("aiops.kind") == "decision" and name in found
        if is_it and (tags.get(RECORD) in sums or not is_foreign(tags)):
            found[name].append(run)
    return found


def foreign_runs(runs: Iterable[Any], told: Iterable[Told]) -> list[Any]:
    """Return the active runs that another ledger shows in this store."""
    sums = {one.line.sha256 for one in told}
    return [
        run
        for run in runs
        if run.info.lifecycle_stage == "active"
        and is_foreign(run.data.tags)
        and run.data.tags.get(RECORD) not in sums
    ]


def artifacts_dir() -> Path:
    """Return the folder of artifacts of the store in AIOPS_HOME."""
    return home.home() / "artifacts"


def experiment(client: Client, name: str) -> str:
    """Return the id of an experiment, made where it is missing and brought back where deleted."""
    found = client.get_experiment_by_name(name)
    if found is None:
        is_server = str(client.tracking_uri).startswith("http")
        folder = artifacts_dir() / hashlib.sha256(name.encode()).hexdigest()[:16]
        location = None if is_server else str(folder)
        return str(client.create_experiment(name, artifact_location=location))
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def create_run(
    client: Client,
    experiment_id: str,
    name: str,
    tags: Mapping[str, str],
    began: str | None,
) -> str:
    """Make a run, whole in the one call, and return its id."""
    start = milliseconds(began) if began else None
    run = client.create_run(experiment_id, start_time=start, tags=dict(tags), run_name=name)
    return str(run.info.run_id)


def end_run(client: Client, run_id: str, status: str) -> None:
    """Give a run its status, where it has another."""
    if status in {"RUNNING", "SCHEDULED"}:
        client.update_run(run_id, status)
    elif client.get_run(run_id).info.status != status:
        client.set_terminated(run_id, status)


def _show_decision(
    client: Client, experiment_id: str, one: Told, runs: list[Any], repair: bool
) -> str:
    """Show a decision; one that is there already is brought back to what the ledger says."""
    with tempfile.TemporaryDirectory() as parent:
        tags = one.write(Path(parent), date.today())
        if runs:
            info, there = runs[0].info, runs[0].data.tags
            run_id = str(info.run_id)
            if info.lifecycle_stage == "deleted":
                client.restore_run(run_id)
            changed = {k: v for k, v in tags.items() if there.get(k, "") != v and k != SHOWN_ON}
            asks = repair and (
                is_misdated(there) or file_faults(client, run_id, one.sums(Path(parent)))
            )
            if not (changed or asks) and (info.status, info.run_name) == (one.status, one.name):
                return run_id
            for key, value in {**changed, SHOWN_ON: tags[SHOWN_ON]}.items():
                client.set_tag(run_id, key, value)
            if info.run_name != one.name:
                client.update_run(run_id, name=one.name)
        else:
            # Whole in the one call: a signer's role may be allowed nothing after it.
            said = {key: value for key, value in tags.items() if value}
            run_id = create_run(client, experiment_id, one.name, said, one.record.created_at)
        client.log_artifacts(run_id, parent)
    end_run(client, run_id, one.status)
    return run_id


def file_faults(client: Client, run_id: str, sums: Mapping[str, str]) -> list[str]:
    """Return the files of a run that are missing, or whose SHA-256 is not what it should be."""
    listed = set(files_of(client, run_id))
    with tempfile.TemporaryDirectory() as into:
        return [
            name
            for name, sha256 in sorted(sums.items())
            if name not in listed
            or content_hash(Path(client.download_artifacts(run_id, name, into))) != sha256
        ]


def files_of(client: Client, run_id: str, path: str | None = None) -> list[str]:
    """Return the files of a run, those in folders too."""
    found: list[str] = []
    for entry in client.list_artifacts(run_id, path):
        found += files_of(client, run_id, entry.path) if entry.is_dir else [entry.path]
    return found


def is_misdated(tags: Mapping[str, str]) -> bool:
    """Return whether the day for which something was shown is missing or still to come."""
    return bool(shown_day(tags, date.today(), name="")[1])


def set_experiment_tags(
    client: Client,
    experiment_id: str,
    tags: Mapping[str, str],
    *,
    is_dated: bool = False,
    is_whole: bool = False,
) -> None:
    """Give an experiment the tags that it has not got.

    Parameters
    ----------
    client : MlflowClient
        An open store.
    experiment_id : str
        Which experiment.
    tags : mapping
        What it shall have.
    is_dated : bool
        Whether the calendar changes them: the day is then written too.
    is_whole : bool
        Whether to take away tags of ours that nobody but the ledger writes.
    """
    there = client.get_experiment(experiment_id).tags
    changed = {key: value for key, value in tags.items() if value != there.get(key, "")}
    if is_dated and (changed or is_misdated(there)):
        changed[SHOWN_ON] = date.today().isoformat()
    for key, value in changed.items():
        client.set_experiment_tag(experiment_id, key, value)
    for key in extra_tags(tags, there) if is_whole else []:
        client.delete_experiment_tag(experiment_id, key)


def runs_of(client: Client, experiment_id: str) -> list[Any]:
    """Return every run of an experiment, deleted ones too, the oldest first."""
    found: list[Any] = []
    token: str | None = None
    while token != "":
        page = client.search_runs(
            [experiment_id], run_view_type=ANY_STAGE, max_results=1000,
            order_by=["attributes.start_time ASC"], page_token=token,
        )  # fmt: skip
        found += page
        token = page.token or ""
    return found
