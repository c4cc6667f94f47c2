"""Runs that MLflow has not got yet: noted on disk, sent when it answers again.

Only runs wait. A decision that MLflow cannot show is not made (see ``governance.decision``).
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml
from filelock import FileLock

from aiops import home
from aiops.config import Experiment
from aiops.errors import AiopsError
from aiops.files import read_json, write_json


@dataclass(frozen=True)
class Waiting:
    """A run that waits: its note, its folder, since when and why."""

    note: Path
    folder: Path
    since: str
    why: str


@dataclass(frozen=True)
class Sent:
    """What became of the runs that waited.

    Parameters
    ----------
    sent : tuple of str
        Runs that MLflow has got now.
    waiting : tuple of str
        Runs that still wait, each with the reason.
    gone : tuple of str
        Runs whose folder is no longer there: nothing is left to send.
    """

    sent: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return it as a person reads it."""
        told = [f"sent to MLflow: {name}" for name in self.sent]
        told += [f"still waiting: {name}" for name in self.waiting]
        return told + [f"nothing left to send, its folder is gone: {name}" for name in self.gone]


def spool_dir() -> Path:
    """Return the folder of notes, one JSON file for each run that waits."""
    return home.home() / "spool"


def keep(run_dir: Path, why: str) -> Path:
    """Note that a run is to be sent, and return the note.

    Parameters
    ----------
    run_dir : Path
        The run's folder, ``AIOPS_HOME/runs/<use case>/<run>``.
    why : str
        What MLflow answered, without a password.
    """
    note = spool_dir() / f"{run_dir.parent.name}--{run_dir.name}.json"
    since = read_json(note)["since"] if note.exists() else None
    told = {
        "use_case": run_dir.parent.name,
        "run": run_dir.name,
        "since": since or datetime.now(UTC).isoformat(timespec="seconds"),
        "why": why,
    }
    write_json(note, told)
    return note


def waiting() -> list[Waiting]:
    """Return the runs that wait, the oldest first."""
    notes = [(path, read_json(path)) for path in sorted(spool_dir().glob("*.json"))]
    found = [
        Waiting(path, home.runs_dir(told["use_case"]) / told["run"], told["since"], told["why"])
        for path, told in notes
    ]
    return sorted(found, key=lambda one: one.since)


def send() -> Sent:
    """Send every run that waits; the first that MLflow does not take ends it.

    Two programs do not send at once: the second finds nothing left.
    """
    from aiops import tracking

    if not waiting():
        return Sent()
    sent: list[str] = []
    gone: list[str] = []
    with FileLock(spool_dir() / "send.lock"):
        left = waiting()
        while left:
            one = left[0]
            name = f"{one.folder.parent.name}/{one.folder.name}"
            if not (one.folder / "run.json").exists():
                gone.append(name)
            else:
                written = yaml.safe_load((one.folder / "resolved.yaml").read_text("utf-8"))
                try:
                    tracking.log_run(one.folder, Experiment.model_validate(written))
                except AiopsError as fault:
                    keep(one.folder, fault.what)
                    break
                sent.append(name)
            one.note.unlink()
            left.pop(0)
    still = [f"{one.folder.parent.name}/{one.folder.name}: {one.why}" for one in waiting()]
    return Sent(tuple(sent), tuple(still), tuple(gone))
