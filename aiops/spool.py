"""Runs that MLflow has not got yet: noted on disk, sent when it answers again.

Only runs wait. A decision that MLflow cannot show is not made (see ``governance.decision``).
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml
from filelock import FileLock
from pydantic import ValidationError

from aiops import home
from aiops.config import Experiment
from aiops.errors import AiopsError, DataError
from aiops.files import read_json, write_json

MEND = "restore the run's folder from a backup, or run it again"


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
    since = _waiting(note).since if note.exists() else None
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
    return sorted(map(_waiting, spool_dir().glob("*.json")), key=lambda one: (one.since, one.note))


def _waiting(note: Path) -> Waiting:
    """Read a note; the file's own name says which run waits, where the note cannot be read."""
    use_case, _, run = note.stem.rpartition("--")
    folder = home.runs_dir(use_case) / run
    try:
        told = read_json(note)
        return Waiting(note, folder, str(told["since"]), str(told["why"]))
    except (DataError, KeyError, TypeError):
        return Waiting(note, folder, "", "its note cannot be read")


def send() -> Sent:
    """Send every run that waits.

    A run that cannot be read is told with its reason and waits on; the later ones are sent. Where
    MLflow does not answer, nothing more is tried. Two programs do not send at once: the second
    finds nothing left.
    """
    from aiops import tracking

    if not waiting():
        return Sent()
    sent: list[str] = []
    gone: list[str] = []
    with FileLock(spool_dir() / "send.lock"):
        for one in waiting():
            name = f"{one.folder.parent.name}/{one.folder.name}"
            if not (one.folder / "run.json").exists():
                gone.append(name)
                one.note.unlink()
                continue
            try:
                tracking.log_run(one.folder, _experiment(one.folder))
            except AiopsError as fault:
                keep(one.folder, fault.what)
                if isinstance(fault, tracking.TrackingError):
                    break
                continue
            sent.append(name)
            one.note.unlink()
    still = [f"{one.folder.parent.name}/{one.folder.name}: {one.why}" for one in waiting()]
    return Sent(tuple(sent), tuple(still), tuple(gone))


def _experiment(folder: Path) -> Experiment:
    path = folder / "resolved.yaml"
    try:
        return Experiment.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except FileNotFoundError as fault:
        what = f"{path.name} is not there"
        raise DataError(what, where=str(path), fix=MEND) from fault
    except (UnicodeDecodeError, yaml.YAMLError) as fault:
        what = f"{path.name} is not YAML in UTF-8"
        raise DataError(what, where=str(path), fix=MEND) from fault
    except ValidationError as fault:
        told = fault.errors(include_input=False)[0]
        what = f"{path.name} is no config: {'.'.join(map(str, told['loc']))}: {told['msg']}"
        raise DataError(what, where=str(path), fix=MEND) from fault
