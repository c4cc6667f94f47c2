"""Runs in MLflow that no entry of the ledger made: found, marked as such, and kept.

Nothing that somebody put there is deleted. A marked run carries exactly the marks and, in one tag,
what it said before; one that says anything else is a stranger again.
"""

import json
import tempfile
from collections.abc import Collection, Iterable
from datetime import date
from pathlib import Path
from typing import Any

from aiops.board import (
    DECISIONS,
    Client,
    by_decision,
    end_run,
    experiment,
    files_of,
    foreign_runs,
    runs_of,
)
from aiops.governance.views import extra_tags
from aiops.shown import LONGEST_TAG, Told, fitted

NOT_OURS = "not in the ledger"
NAME = "NOT IN THE LEDGER"
SAID = "aiops.said"
MARKS = {
    "aiops.kind": NOT_OURS,
    "aiops.outcome": NOT_OURS,
    "aiops.state": NOT_OURS,
    "mlflow.note.content": f"**{NAME}** · no entry of the ledger made this run. "
    f"What it said is in its tag {SAID}.",
}
"""What a run that nobody of the ledger made says of itself, and nothing else."""


def is_marked(run: Any) -> bool:
    """Return whether a run carries the marks of a stranger, and no other word of ours."""
    tags = run.data.tags
    return (
        all(tags.get(key) == value for key, value in MARKS.items())
        and not extra_tags({**MARKS, SAID: ""}, tags)
        and (run.info.run_name, run.info.status) == (NAME, "FAILED")
    )


def mark(client: Client, run: Any) -> None:
    """Mark a run as no entry of the ledger; what it said before is kept in one tag."""
    run_id, tags = run.info.run_id, run.data.tags
    extra = extra_tags({**MARKS, SAID: ""}, tags)
    told = {key: tags.get(key, "") for key in (*extra, *MARKS)}
    told["name"] = run.info.run_name if run.info.run_name != NAME else ""
    said = {key: value for key, value in told.items() if value and value != MARKS.get(key)}
    if said:
        before = {"before": tags[SAID]} if SAID in tags else {}
        words = json.dumps({**said, **before}, ensure_ascii=False)
        client.set_tag(run_id, SAID, fitted({SAID: words}, LONGEST_TAG, None)[SAID])
    for key, value in MARKS.items():
        client.set_tag(run_id, key, value)
    for key in extra:
        client.delete_tag(run_id, key)
    client.update_run(run_id, name=NAME)
    end_run(client, run_id, "FAILED")


def strangers(runs: Iterable[Any], ours: Collection[str]) -> list[Any]:
    """Return active runs that are neither ours nor marked.

    Parameters
    ----------
    runs : iterable of Run
        Runs that were found.
    ours : collection of str
        Ids of those that an entry of the ledger, or another ledger, stands for.
    """
    return [
        run
        for run in runs
        if run.info.lifecycle_stage == "active"
        and run.info.run_id not in ours
        and not is_marked(run)
    ]


def strange_decisions(runs: Iterable[Any], told: Iterable[Told]) -> list[Any]:
    """Return active runs that show no decision of the ledger, or one that another run shows."""
    found, known = list(runs), list(told)
    shown = by_decision(found, known)
    ours = {mine[0].info.run_id for mine in shown.values() if mine}
    return strangers(found, ours | {run.info.run_id for run in foreign_runs(found, known)})


def clear_decisions(client: Client, told: Iterable[Told]) -> None:
    """Make room for a repair: mark what is no decision, take away tags that no decision led to.

    A run of a decision that holds what cannot be taken away again (a file, a metric, another
    date) is marked too: the decision is then shown anew, in a run of its own.
    """
    known = list(told)
    runs = runs_of(client, experiment(client, DECISIONS))
    for run in strange_decisions(runs, known):
        mark(client, run)
    shown = by_decision(runs, known)
    for one in known:
        for run in shown[one.record.id][:1]:
            with tempfile.TemporaryDirectory() as folder:
                tags = one.write(Path(folder), date.today())
                is_spoilt = bool(spoilt(client, run, one, one.sums(Path(folder))))
            if is_spoilt:
                mark(client, run)
                continue
            for key in extra_tags(tags, run.data.tags):
                client.delete_tag(run.info.run_id, key)


def spoilt(client: Client, run: Any, one: Told, files: Collection[str]) -> list[str]:
    """Return what the run of a decision holds that no entry of the ledger led to, in words.

    Parameters
    ----------
    client : MlflowClient
        An open store.
    run : Run
        The run.
    one : Told
        The decision.
    files : collection of str
        Names of the files that it may hold.
    """
    found = [f"param {key}" for key in sorted(run.data.params)]
    found += [f"metric {key}" for key in sorted(run.data.metrics)]
    found += [f"file {name}" for name in files_of(client, run.info.run_id) if name not in files]
    told = [f"{name} in MLflow comes from no entry of the ledger" for name in found]
    if run.info.start_time != one.start_ms:
        told.append("the date of its run in MLflow is not when it was recorded")
    return told
