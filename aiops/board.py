"""What a board sees in MLflow: use cases, decisions, models in use. Written, compared, repaired.

The ledger is the truth. Each function takes a client that ``tracking`` has opened; called again,
it changes only what differs from the ledger.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from aiops import home
from aiops.files import write_text
from aiops.governance import ledger, usecase
from aiops.governance.letter import decision_html, evidence_table
from aiops.governance.record import DecisionRecord
from aiops.governance.standing import DecisionStanding, decision_standing
from aiops.governance.usecase import UseCase
from aiops.governance.views import (
    SHOWN_ON,
    decision_tags,
    decisions_tags,
    differences,
    is_older,
    loose_tags,
    use_case_tags,
)

Client = Any
"""An MlflowClient that ``tracking`` has opened."""

DECISIONS = "governance/decisions"
LONGEST_TAG = 5000
ANY_STAGE = 3
"""MLflow's number for runs and experiments that are active or deleted."""

STATUS = {
    "approve": "FINISHED",
    "approve-with-conditions": "FINISHED",
    "resume": "FINISHED",
    "reject": "KILLED",
    "discontinue": "KILLED",
    "suspend": "KILLED",
    "retire": "KILLED",
    "defer": "SCHEDULED",
    "re-review": "SCHEDULED",
}
"""How a decision's run looks in the list: a green tick, a red cross, a clock."""

NOT_OURS = "not in the ledger"
_CALENDAR = frozenset({*DecisionStanding().tags(), "aiops.files_sha256", SHOWN_ON})


@dataclass(frozen=True)
class Told:
    """A decision as the ledger has it, and its case as it stands."""

    line: ledger.Line
    record: DecisionRecord
    case: UseCase

    @property
    def name(self) -> str:
        """Name of its run: the list cuts it, so what a board looks for comes first."""
        return f"{self.case.slug}: {self.record.outcome} · {self.record.id} {self.case.id}"

    def files(self, standing: DecisionStanding) -> dict[str, str]:
        """Return the dossier: the page, the record, the evidence as a table, the signatures."""
        written = {
            "decision.json": self.record.to_json(),
            "evidence.json": evidence_table(self.record),
        }
        if self.line.attached:
            written["signatures.json"] = dict(self.line.attached)
        told = {name: json.dumps(value, indent=2) + "\n" for name, value in written.items()}
        return {"decision.html": decision_html(self.record, self.case, standing), **told}

    def tags(self, standing: DecisionStanding, folder: Path | None = None) -> dict[str, str]:
        """Return the tags of its run; what is too long for MLflow goes to `folder`."""
        tags = decision_tags(self.record, self.case, standing=standing)
        tags["aiops.record_sha256"] = self.line.sha256
        tags["aiops.files_sha256"] = _sha256("".join(self.files(standing).values()))
        return fitted(tags, LONGEST_TAG, folder)


def read_ledger() -> list[Told]:
    """Return every decision with its case, the oldest first."""
    cases = {case.id: case for case in usecase.list_use_cases()}
    lines = ledger.read_lines()
    records = [DecisionRecord.model_validate(line.record) for line in lines]
    return [Told(*pair, cases[pair[1].case_id]) for pair in zip(lines, records, strict=True)]


def show_use_case(client: Client, case: UseCase) -> str:
    """Show a use case as an experiment, its state in tags, its card as description."""
    name = f"usecase/{case.id} {case.slug}"
    before = client.get_experiment_by_name(f"usecase/{case.slug}")
    if before is not None and client.get_experiment_by_name(name) is None:
        client.rename_experiment(before.experiment_id, name)
    experiment_id = experiment(client, name)
    set_experiment_tags(client, experiment_id, tags_of_case(case), is_dated=bool(case.warnings))
    return experiment_id


def tags_of_case(case: UseCase) -> dict[str, str]:
    """Return the tags of a use case, none longer than MLflow holds."""
    return fitted(use_case_tags(case), LONGEST_TAG, None)


def show_decisions(
    client: Client, told: Iterable[Told], *, compare_files: bool = False
) -> list[str]:
    """Show decisions as runs, put right what differs, and return the ids of their runs.

    Parameters
    ----------
    client : MlflowClient
        An open store.
    told : iterable of Told
        The decisions.
    compare_files : bool
        Whether to read every file that is there, instead of the tag that names their sums.
    """
    experiment_id = experiment(client, DECISIONS)
    set_experiment_tags(client, experiment_id, decisions_tags())
    there = _by_decision(runs_of(client, experiment_id))
    return [
        _show_decision(client, experiment_id, one, there.get(one.record.id, []), compare_files)
        for one in told
    ]


def mark_strangers(client: Client, told: Iterable[Told]) -> list[str]:
    """Mark runs among the decisions that no decision of the ledger made; return their ids.

    Nothing is deleted: what somebody put there is kept, and says what it is.
    """
    experiment_id = experiment(client, DECISIONS)
    strangers = _strangers(runs_of(client, experiment_id), told)
    for run in strangers:
        run_id = run.info.run_id
        note = (
            f"**NOT IN THE LEDGER** · this run is no decision.\n\nIt was named {run.info.run_name}."
        )
        for key, value in (
            ("aiops.said_outcome", run.data.tags.get("aiops.outcome", "")),
            ("aiops.outcome", NOT_OURS),
            ("aiops.kind", NOT_OURS),
            ("mlflow.note.content", note),
        ):
            client.set_tag(run_id, key, value)
        end_run(client, run_id, "FAILED")
    return [run.info.run_id for run in strangers]


def faults(client: Client, today: date | None = None) -> Iterator[str]:
    """Tell in what MLflow differs from the ledger, a sentence for each place; change nothing.

    What only the calendar changed since it was last shown is no fault.
    """
    day = today or date.today()
    told = read_ledger()
    yield from _use_case_faults(client, day)
    found = client.get_experiment_by_name(DECISIONS)
    if found is None:
        yield from (f"{one.record.id}: no run in MLflow shows it" for one in told)
        return
    if found.lifecycle_stage == "deleted":
        yield f"the experiment {DECISIONS} was deleted in MLflow"
    else:
        yield from differences(decisions_tags(), found.tags, name=DECISIONS)
    runs = runs_of(client, found.experiment_id)
    there = _by_decision(runs)
    for one in told:
        yield from _decision_faults(client, one, there.get(one.record.id, []), day)
    for run in _strangers(runs, told):
        yield f"{run.info.run_name}: this run stands among the decisions and is not in the ledger"


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
    start = int(datetime.fromisoformat(began).timestamp() * 1000) if began else None
    run = client.create_run(experiment_id, start_time=start, tags=dict(tags), run_name=name)
    return str(run.info.run_id)


def end_run(client: Client, run_id: str, status: str) -> None:
    """Give a run its status, where it has another."""
    if status in {"RUNNING", "SCHEDULED"}:
        client.update_run(run_id, status)
    elif client.get_run(run_id).info.status != status:
        client.set_terminated(run_id, status)


def fitted(values: Mapping[str, str], longest: int, folder: Path | None) -> dict[str, str]:
    """Return values that MLflow can hold whole; a longer one goes to a file and names its hash."""
    short = {}
    for key, value in values.items():
        if len(value) > longest:
            if folder is not None:
                write_text(folder / "settings" / "long" / f"{key}.txt", value)
            sha256 = _sha256(value)
            short[key] = f"{value[: longest - 150]} … cut here; SHA-256 of the whole {sha256}"
        else:
            short[key] = value
    return short


def _show_decision(
    client: Client, experiment_id: str, one: Told, runs: list[Any], compare_files: bool
) -> str:
    """Show a decision; one that is there already is brought back to what the ledger says."""
    now = decision_standing(one.record, one.case)
    status = STATUS[one.record.outcome]
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent)
        tags = {**one.tags(now, folder), SHOWN_ON: date.today().isoformat()}
        files = one.files(now)
        if runs:
            info, there = runs[0].info, runs[0].data.tags
            run_id = str(info.run_id)
            if info.lifecycle_stage == "deleted":
                client.restore_run(run_id)
            changed = {k: v for k, v in tags.items() if there.get(k, "") != v and k != SHOWN_ON}
            if compare_files and _file_faults(client, run_id, files):
                changed["aiops.files_sha256"] = tags["aiops.files_sha256"]
            if not changed and (info.status, info.run_name) == (status, one.name):
                return run_id
            for key, value in {**changed, SHOWN_ON: tags[SHOWN_ON]}.items():
                client.set_tag(run_id, key, value)
            if info.run_name != one.name:
                client.update_run(run_id, name=one.name)
        else:
            # Whole in the one call: a signer's role may be allowed nothing after it.
            said = {key: value for key, value in tags.items() if value}
            run_id = create_run(client, experiment_id, one.name, said, one.record.created_at)
            _add_report(one.record, folder)
        for name, text in files.items():
            write_text(folder / name, text)
        client.log_artifacts(run_id, parent)
    end_run(client, run_id, status)
    return run_id


def _add_report(record: DecisionRecord, folder: Path) -> None:
    """Lay the run's report beside the decision, as it stood when the decision was first shown."""
    for subject in record.subject:
        _, _, path = subject.model_uri.partition("#")[0].partition("runs/")
        report = home.home() / "runs" / path / "report.html"
        if path and ".." not in path and report.is_file():
            write_text(folder / "report.html", report.read_text(encoding="utf-8"))


def _decision_faults(client: Client, one: Told, runs: list[Any], today: date) -> Iterator[str]:
    name = one.record.id
    active = [run for run in runs if run.info.lifecycle_stage == "active"]
    if not active:
        was = "its run was deleted" if runs else "no run in MLflow shows it"
        yield f"{name}: {was}"
        return
    if len(active) > 1:
        yield f"{name}: {len(active)} runs in MLflow say that they show it"
    run = active[0]
    there = run.data.tags
    now = decision_standing(one.record, one.case, today)
    told, shown = one.tags(now), now
    if is_older(there, today):
        # Since then only the calendar may have changed it: compare with what it was then.
        shown = DecisionStanding.of_tags(there)
        told = {k: v for k, v in one.tags(shown).items() if k not in _CALENDAR}
    yield from differences(told, there, name=name)
    if run.info.run_name != one.name:
        yield f"{name}: its run was renamed to '{run.info.run_name}'"
    if run.info.status != STATUS[one.record.outcome]:
        yield f"{name}: its run is marked {run.info.status}, not {STATUS[one.record.outcome]}"
    for file in _file_faults(client, run.info.run_id, one.files(shown)):
        yield f"{name}: {file} in MLflow is not what the ledger leads to"


def _file_faults(client: Client, run_id: str, files: Mapping[str, str]) -> list[str]:
    """Return the files of a run that are missing or were changed."""
    listed = {entry.path for entry in client.list_artifacts(run_id)}
    with tempfile.TemporaryDirectory() as folder:
        return [
            name
            for name, text in files.items()
            if name not in listed
            or Path(client.download_artifacts(run_id, name, folder)).read_text(encoding="utf-8")
            != text
        ]


def _use_case_faults(client: Client, today: date) -> Iterator[str]:
    numbers = set()
    for case in usecase.list_use_cases():
        numbers.add(case.id)
        found = client.get_experiment_by_name(f"usecase/{case.id} {case.slug}")
        if found is None or found.lifecycle_stage == "deleted":
            word = "no experiment in MLflow shows it" if found is None else "was deleted in MLflow"
            yield f"{case.id} {case.slug}: {word}"
            continue
        loose = loose_tags(case, found.tags, today)
        told = {key: value for key, value in tags_of_case(case).items() if key not in loose}
        yield from differences(told, found.tags, name=f"{case.id} {case.slug}")
    for other in client.search_experiments(filter_string="name LIKE 'usecase/UC-%'"):
        number = other.name.removeprefix("usecase/").partition(" ")[0]
        if number not in numbers:
            yield f"{other.name}: this experiment is no use case of the register"


def set_experiment_tags(
    client: Client, experiment_id: str, tags: Mapping[str, str], *, is_dated: bool = False
) -> None:
    """Give an experiment the tags that it has not got."""
    there = client.get_experiment(experiment_id).tags
    changed = {key: value for key, value in tags.items() if value != there.get(key, "")}
    if changed and is_dated:
        changed[SHOWN_ON] = date.today().isoformat()
    for key, value in changed.items():
        client.set_experiment_tag(experiment_id, key, value)


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


def _by_decision(runs: Iterable[Any]) -> dict[str, list[Any]]:
    """Return the runs that say they show a decision, by its number, active ones first."""
    found: dict[str, list[Any]] = {}
    for run in sorted(runs, key=lambda run: run.info.lifecycle_stage == "deleted"):
        if run.data.tags.get("aiops.kind") == "decision":
            found.setdefault(run.data.tags.get("aiops.decision", ""), []).append(run)
    return found


def _strangers(runs: Iterable[Any], told: Iterable[Told]) -> list[Any]:
    """Return active runs that show no decision of the ledger, or one that another run shows."""
    ours = _by_decision(runs)
    first = {ours[one.record.id][0].info.run_id for one in told if one.record.id in ours}
    return [
        run
        for run in runs
        if run.info.lifecycle_stage == "active"
        and run.info.run_id not in first
        and run.data.tags.get("aiops.kind") != NOT_OURS
    ]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
