"""The register of use cases as a table in MLflow: state, owner and reason as columns.

MLflow lists experiments with their tags in one narrow column. So each use case is also a run of
``governance/use-cases``, whose saved views give every tag a column.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from aiops.board import (
    DECISIONS,
    Client,
    create_run,
    end_run,
    experiment,
    is_misdated,
    runs_of,
    set_experiment_tags,
)
from aiops.governance.lifecycle import read_lifecycle
from aiops.governance.usecase import UseCase
from aiops.governance.views import (
    SHOWN_ON,
    differences,
    extra_tags,
    loose_tags,
    register_tags,
    shown_day,
    unknown_tags,
    view_address,
)
from aiops.shown import foreign_words, is_foreign, tags_of_case
from aiops.strangers import mark, strangers

REGISTER = "governance/use-cases"
KIND = "use case"
_IN_USE = ("silent_prospective", "live_limited", "live")


def show_register(client: Client, cases: Iterable[UseCase], *, repair: bool = False) -> list[str]:
    """Show every use case as a run, put right what differs, and return what was left as it is.

    Parameters
    ----------
    client : MlflowClient
        An open store.
    cases : iterable of UseCase
        The use cases.
    repair : bool
        Whether to take away tags and views that no entry of the ledger led to.
    """
    experiment_id = experiment(client, REGISTER)
    set_experiment_tags(client, experiment_id, register_tags(experiment_id), is_whole=repair)
    runs = runs_of(client, experiment_id)
    there, others = _by_case(runs), _foreign(runs)
    refused = []
    for case in cases:
        run = there.get(case.id)
        if run is not None:
            _show_row(client, case, run, repair=repair)
        elif case.id in others:
            refused.append(foreign_words(f"{case.id} in {REGISTER}"))
        else:
            said = {key: value for key, value in _tags(case).items() if value}
            run_id = create_run(client, experiment_id, _name(case), said, case.submitted_at)
            end_run(client, run_id, _status(case))
    return refused


def addresses(client: Client) -> dict[str, str]:
    """Return where a board begins, by its title, after the address of the UI."""
    decisions = experiment(client, DECISIONS)
    return {
        "use cases": view_address(experiment(client, REGISTER)),
        "decisions": view_address(decisions),
        "rejected or stopped, and why": view_address(decisions, "rejected"),
        "conditions open or overdue": view_address(decisions, "conditions"),
    }


def front_door(client: Client) -> dict[str, str]:
    """Return the places where a board begins as links, as the description of another page."""
    told = " · ".join(f"[{name}]({address})" for name, address in addresses(client).items())
    note = f"All projects on a page, one run a day. Open: {told}."
    return {"mlflow.note.content": note}


def register_faults(client: Client, cases: Iterable[UseCase], today: date) -> Iterator[str]:
    """Tell in what the table differs from the register; change nothing."""
    known = list(cases)
    found = client.get_experiment_by_name(REGISTER)
    if found is None or found.lifecycle_stage == "deleted":
        if known:
            yield f"the experiment {REGISTER} is not there in MLflow"
        return
    yield from differences(register_tags(found.experiment_id), found.tags, name=REGISTER)
    yield from unknown_tags(register_tags(found.experiment_id), found.tags, name=REGISTER)
    runs = [r for r in runs_of(client, found.experiment_id) if r.info.lifecycle_stage == "active"]
    there, others = _by_case(runs), _foreign(runs)
    for case in known:
        run = there.get(case.id)
        if run is not None:
            yield from _row_faults(case, run, today)
        elif case.id not in others:
            yield f"{case.id} {case.slug} in {REGISTER}: no run shows it, or it was deleted"
    for run in _strange_rows(runs, known):
        yield f"{run.info.run_name} in {REGISTER}: this run is no use case of the register"
    for run in others.values():
        yield foreign_words(f"{run.info.run_name} in {REGISTER}")


def mark_strange_rows(client: Client, cases: Iterable[UseCase]) -> None:
    """Mark runs of the table that no use case of the register stands for; delete nothing."""
    for run in _strange_rows(runs_of(client, experiment(client, REGISTER)), cases):
        mark(client, run)


def _show_row(client: Client, case: UseCase, run: Any, *, repair: bool) -> None:
    """Bring the run of a use case to what the register says."""
    run_id, tags, there = run.info.run_id, _tags(case), run.data.tags
    if run.info.lifecycle_stage == "deleted":
        client.restore_run(run_id)
    changed = {key: value for key, value in tags.items() if there.get(key, "") != value}
    changed.pop(SHOWN_ON, None)
    if changed or (repair and is_misdated(there)):
        changed[SHOWN_ON] = tags[SHOWN_ON]
    for key, value in changed.items():
        client.set_tag(run_id, key, value)
    for key in extra_tags(tags, there) if repair else []:
        client.delete_tag(run_id, key)
    if run.info.run_name != _name(case):
        client.update_run(run_id, name=_name(case))
    if run.info.status != _status(case):
        end_run(client, run_id, _status(case))


def _row_faults(case: UseCase, run: Any, today: date) -> Iterator[str]:
    name, there = f"{case.id} {case.slug} in {REGISTER}", run.data.tags
    day, faults = shown_day(there, today, name=name)
    yield from faults
    loose, tags = loose_tags(case, there), _tags(case, day)
    told: Mapping[str, str] = {key: value for key, value in tags.items() if key not in loose}
    yield from differences(told, there, name=name)
    yield from unknown_tags(tags, there, name=name)
    if "aiops.state" in loose:
        return
    if run.info.run_name != _name(case):
        yield f"{name}: its run was renamed to '{run.info.run_name}'"
    if run.info.status != _status(case):
        yield f"{name}: its run is marked {run.info.status}, not {_status(case)}"


def _by_case(runs: Iterable[Any]) -> dict[str, Any]:
    """Return the run of each case: an active one before a deleted one, then the oldest."""
    found: dict[str, Any] = {}
    for run in sorted(runs, key=lambda run: run.info.lifecycle_stage == "deleted"):
        tags = run.data.tags
        if tags.get("aiops.kind") == KIND and not is_foreign(tags):
            found.setdefault(tags.get("aiops.use_case", ""), run)
    return found


def _foreign(runs: Iterable[Any]) -> dict[str, Any]:
    """Return active runs that another ledger shows here, by the case they are about."""
    return {
        run.data.tags.get("aiops.use_case", ""): run
        for run in runs
        if run.info.lifecycle_stage == "active" and is_foreign(run.data.tags)
    }


def _strange_rows(runs: Iterable[Any], cases: Iterable[UseCase]) -> list[Any]:
    found = list(runs)
    there = _by_case(run for run in found if run.info.lifecycle_stage == "active")
    ours = {there[case.id].info.run_id for case in cases if case.id in there}
    others = {run.info.run_id for run in found if is_foreign(run.data.tags)}
    return strangers(found, ours | others)


def _name(case: UseCase) -> str:
    return f"{case.slug}: {case.state.replace('_', ' ')}"


def _status(case: UseCase) -> str:
    if case.state in read_lifecycle().terminal:
        return "KILLED"
    return "FINISHED" if case.state in _IN_USE else "SCHEDULED"


def _tags(case: UseCase, day: date | None = None) -> dict[str, str]:
    return {
        "aiops.kind": KIND,
        "aiops.use_case": case.id,
        "aiops.title": case.title,
        **tags_of_case(case, day),
        "aiops.since": case.since[:10],
        "aiops.decisions": ", ".join(case.decisions),
        "mlflow.user": case.submitted_by or "not said",
        "mlflow.source.name": "aiops usecase",
        SHOWN_ON: (day or date.today()).isoformat(),
    }
