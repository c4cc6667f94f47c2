"""The register of use cases as a table in MLflow: state, owner and reason as columns.

MLflow lists experiments with their tags in one narrow column. So each use case is also a run of
``governance/use-cases``, whose saved views give every tag a column.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from aiops.board import (
    NOT_OURS,
    Client,
    create_run,
    end_run,
    experiment,
    runs_of,
    set_experiment_tags,
    tags_of_case,
)
from aiops.governance.lifecycle import read_lifecycle
from aiops.governance.usecase import UseCase
from aiops.governance.views import (
    SHOWN_ON,
    differences,
    loose_tags,
    register_tags,
)

REGISTER = "governance/use-cases"
KIND = "use case"
_IN_USE = ("silent_prospective", "live_limited", "live")


def show_register(client: Client, cases: Iterable[UseCase]) -> None:
    """Show every use case as a run, and put right what differs."""
    experiment_id = experiment(client, REGISTER)
    set_experiment_tags(client, experiment_id, register_tags())
    there = _by_case(runs_of(client, experiment_id))
    for case in cases:
        tags, run = _tags(case), there.get(case.id)
        if run is None:
            said = {key: value for key, value in tags.items() if value}
            run_id = create_run(client, experiment_id, _name(case), said, case.submitted_at)
            end_run(client, run_id, _status(case))
            continue
        run_id = run.info.run_id
        if run.info.lifecycle_stage == "deleted":
            client.restore_run(run_id)
        changed = {key: value for key, value in tags.items() if run.data.tags.get(key, "") != value}
        changed.pop(SHOWN_ON, None)
        for key, value in changed.items():
            client.set_tag(run_id, key, value)
        if changed:
            client.set_tag(run_id, SHOWN_ON, tags[SHOWN_ON])
        if run.info.run_name != _name(case):
            client.update_run(run_id, name=_name(case))
        if run.info.status != _status(case):
            end_run(client, run_id, _status(case))


def register_faults(client: Client, cases: Iterable[UseCase], today: date) -> Iterator[str]:
    """Tell in what the table differs from the register; change nothing."""
    known = list(cases)
    found = client.get_experiment_by_name(REGISTER)
    if found is None or found.lifecycle_stage == "deleted":
        if known:
            yield f"the experiment {REGISTER} is not there in MLflow"
        return
    yield from differences(register_tags(), found.tags, name=REGISTER)
    runs = [r for r in runs_of(client, found.experiment_id) if r.info.lifecycle_stage == "active"]
    there = _by_case(runs)
    for case in known:
        name = f"{case.id} {case.slug} in {REGISTER}"
        run = there.get(case.id)
        if run is None:
            yield f"{name}: no run shows it, or it was deleted"
            continue
        tags = run.data.tags
        loose = loose_tags(case, tags, today)
        told: Mapping[str, str] = {k: v for k, v in _tags(case).items() if k not in loose}
        yield from differences(told, tags, name=name)
        if "aiops.state" not in loose and run.info.run_name != _name(case):
            yield f"{name}: its run was renamed to '{run.info.run_name}'"
    for run in _strangers(runs, known):
        yield f"{run.info.run_name} in {REGISTER}: this run is no use case of the register"


def mark_strange_rows(client: Client, cases: Iterable[UseCase]) -> None:
    """Mark runs of the table that no use case of the register stands for; delete nothing."""
    for run in _strangers(runs_of(client, experiment(client, REGISTER)), cases):
        client.set_tag(run.info.run_id, "aiops.kind", NOT_OURS)
        client.set_tag(run.info.run_id, "aiops.state", NOT_OURS)
        end_run(client, run.info.run_id, "FAILED")


def _by_case(runs: Iterable[Any]) -> dict[str, Any]:
    """Return the run of each case: an active one before a deleted one, then the oldest."""
    found: dict[str, Any] = {}
    for run in sorted(runs, key=lambda run: run.info.lifecycle_stage == "deleted"):
        if run.data.tags.get("aiops.kind") == KIND:
            found.setdefault(run.data.tags.get("aiops.use_case", ""), run)
    return found


def _strangers(runs: Iterable[Any], cases: Iterable[UseCase]) -> list[Any]:
    active = [run for run in runs if run.info.lifecycle_stage == "active"]
    there = _by_case(active)
    ours = {there[case.id].info.run_id for case in cases if case.id in there}
    return [
        run
        for run in active
        if run.info.run_id not in ours and run.data.tags.get("aiops.kind") != NOT_OURS
    ]


def _name(case: UseCase) -> str:
    return f"{case.slug}: {case.state.replace('_', ' ')}"


def _status(case: UseCase) -> str:
    if case.state in read_lifecycle().terminal:
        return "KILLED"
    return "FINISHED" if case.state in _IN_USE else "SCHEDULED"


def _tags(case: UseCase) -> dict[str, str]:
    return {
        "aiops.kind": KIND,
        "aiops.use_case": case.id,
        "aiops.title": case.title,
        **tags_of_case(case),
        "aiops.since": case.since[:10],
        "aiops.decisions": ", ".join(case.decisions),
        "mlflow.user": case.submitted_by or "not said",
        "mlflow.source.name": "aiops usecase",
        SHOWN_ON: date.today().isoformat(),
    }
