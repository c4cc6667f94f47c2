"""In what MLflow differs from the ledger: told a sentence for each place; nothing is changed.

What only the calendar changed since something was shown is no fault: it is compared with what the
ledger led to on the day that it names. Compared are use cases and decisions: their tags and
descriptions, and of a decision also name, status, date and files. Not compared are runs of
training and evaluation, portfolio pages, and words that people add under tags of their own.
"""

import tempfile
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

from aiops.board import DECISIONS, Client, by_decision, file_faults, foreign_runs, runs_of
from aiops.governance.usecase import UseCase
from aiops.governance.views import (
    SHOWN_ON,
    decisions_tags,
    differences,
    loose_tags,
    shown_day,
    unknown_tags,
)
from aiops.shown import RECORD, Told, foreign_words, is_foreign, tags_of_case
from aiops.strangers import spoilt, strange_decisions


def decisions_faults(client: Client, decisions: Iterable[Told], today: date) -> Iterator[str]:
    """Tell in what the runs of the decisions differ from the ledger."""
    told = list(decisions)
    found = client.get_experiment_by_name(DECISIONS)
    if found is None:
        yield from (f"{one.record.id}: no run in MLflow shows it" for one in told)
        return
    if found.lifecycle_stage == "deleted":
        yield f"the experiment {DECISIONS} was deleted in MLflow"
    else:
        yield from differences(decisions_tags(), found.tags, name=DECISIONS)
        yield from unknown_tags(decisions_tags(), found.tags, name=DECISIONS)
    runs = runs_of(client, found.experiment_id)
    there = by_decision(runs, told)
    for one in told:
        yield from _decision_faults(client, one, there[one.record.id], today)
    for run in strange_decisions(runs, told):
        yield f"{run.info.run_name}: this run stands among the decisions and is not in the ledger"
    for run in foreign_runs(runs, told):
        yield foreign_words(f"{run.info.run_name} in {DECISIONS}")


def use_case_faults(client: Client, cases: Iterable[UseCase], today: date) -> Iterator[str]:
    """Tell in what the experiments of the use cases differ from the register."""
    numbers = set()
    for case in cases:
        numbers.add(case.id)
        name = f"{case.id} {case.slug}"
        found = client.get_experiment_by_name(f"usecase/{name}")
        if found is None or found.lifecycle_stage == "deleted":
            word = "no experiment in MLflow shows it" if found is None else "was deleted in MLflow"
            yield f"{name}: {word}"
            continue
        if is_foreign(found.tags):
            yield foreign_words(f"experiment {found.name}")
            continue
        day, faults = shown_day(found.tags, today, name=name)
        yield from faults
        loose = loose_tags(case, found.tags)
        told = {key: v for key, v in tags_of_case(case, day).items() if key not in loose}
        yield from differences(told, found.tags, name=name)
    for other in client.search_experiments(filter_string="name LIKE 'usecase/UC-%'"):
        number = other.name.removeprefix("usecase/").partition(" ")[0]
        if number not in numbers:
            yield f"{other.name}: this experiment is no use case of the register"


def _decision_faults(client: Client, one: Told, runs: list[Any], today: date) -> Iterator[str]:
    name = one.record.id
    active = [run for run in runs if run.info.lifecycle_stage == "active"]
    if not active:
        was = "its run was deleted" if runs else "no run in MLflow shows it"
        yield f"{name}: {was}"
        return
    if len(active) > 1:
        yield f"{name}: {len(active)} runs in MLflow say that they show it"
    run, there = active[0], active[0].data.tags
    day, faults = shown_day(there, today, name=name)
    yield from faults
    if there.get(RECORD) != one.line.sha256:
        yield (
            f"{name}: MLflow holds another record of it (sum {there.get(RECORD, 'none')[:12]}) "
            f"than the ledger ({one.line.sha256[:12]}): find out which is true; `--repair` would "
            "overwrite the one in MLflow"
        )
    if run.info.run_name != one.name:
        yield f"{name}: its run was renamed to '{run.info.run_name}'"
    if run.info.status != one.status:
        yield f"{name}: its run is marked {run.info.status}, not {one.status}"
    with tempfile.TemporaryDirectory() as folder:
        tags = one.write(Path(folder), day)
        sums = one.sums(Path(folder))
    told = {key: value for key, value in tags.items() if key not in (SHOWN_ON, RECORD)}
    yield from differences(told, there, name=name)
    yield from unknown_tags(tags, there, name=name)
    for file in file_faults(client, run.info.run_id, sums):
        yield f"{name}: {file} in MLflow is not what the ledger leads to"
    yield from (f"{name}: {what}" for what in spoilt(client, run, one, sums))
