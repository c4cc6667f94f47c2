"""A run's folder: which one it is, what stands in it, and which stages are done.

The folder's name holds a hash of the config and of the data's content. A changed input is a new
folder, never a changed one.
"""

import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from aiops.config import Experiment
from aiops.errors import StageError
from aiops.files import read_json, write_json, write_table, write_text
from aiops.home import runs_dir
from aiops.provenance import code_version, content_hash, content_hashes, environment, json_hash
from aiops.reading import ConfigFile, read_config

if TYPE_CHECKING:
    from aiops.data.cases import Cases


@dataclass(frozen=True)
class Workspace:
    """A config, its cases and the folder of its run."""

    config: ConfigFile
    folder: Path
    cases: "Cases"
    overrides: tuple[str, ...] = ()

    @property
    def experiment(self) -> Experiment:
        """The config as understood."""
        return self.config.experiment

    def path(self, name: str) -> Path:
        """Return the path of a file of the run."""
        return self.folder / name

    def need(self, name: str, stage: str) -> Path:
        """Return the path of a file that `stage` writes, or say that it has not run.

        Raises
        ------
        StageError
            If the file is not there.
        """
        path = self.path(name)
        if not path.exists():
            raise StageError(
                f"{name} is not there yet",
                where=str(self.folder),
                fix=f"{self._command(stage)}   (or `aiops run`, all in order)",
            )
        return path

    def _command(self, stage: str) -> str:
        """Return what to type for `stage` of this run: without its overrides it is another run."""
        return shlex.join(["aiops", stage, str(self.config.path), *self.overrides])

    @cached_property
    def members(self) -> tuple[str, ...]:
        """The models of this run: one, or one for each fold or site."""
        folds = self.experiment.split.folds
        if self.experiment.split.leave_one_out:
            told = read_json(self.need("split.json", "split"))["assignments"].values()
            folds = 1 + max(int(a["fold"]) for a in told)
        return tuple(f"fold{i}" for i in range(folds)) if folds else ("model",)

    def record(self) -> dict[str, Any]:
        """Return what run.json says of the run."""
        found: dict[str, Any] = read_json(self.path("run.json"))
        return found

    def note(self, **facts: Any) -> None:
        """Write facts into run.json."""
        write_json(self.path("run.json"), {**self.record(), **facts})

    def is_done(self, stage: str, inputs: Sequence[str], *, by_this_program: bool = False) -> bool:
        """Return whether `stage` ran on the inputs as they are now and its outputs still stand.

        Parameters
        ----------
        by_this_program : bool
            Whether it must have been this version that ran it: a corrected figure must not be
            kept from being seen by an old file.
        """
        told = self.record()["stages"].get(stage)
        if told is None or told["inputs"] != self._hashes(inputs):
            return False
        if by_this_program and told["code"] != code_version():
            return False
        return bool(told["outputs"] == self._hashes(told["outputs"]))

    @contextmanager
    def stage(self, name: str, inputs: Sequence[str], outputs: Sequence[str]) -> Iterator[None]:
        """Record, when the block ends well, that a stage ran: from what, to what, how long."""
        began = time.monotonic()
        read = self._hashes(inputs)
        yield
        told = {
            "inputs": read,
            "outputs": self._hashes(outputs),
            "seconds": round(time.monotonic() - began, 2),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "code": code_version(),
        }
        record = self.record()
        self.note(stages={**record["stages"], name: told})

    def _hashes(self, names: Sequence[str] | dict[str, str]) -> dict[str, str]:
        """Return the hash of each file of these names that is there; a name may be a pattern."""
        paths = (p for n in names for p in sorted(self.folder.glob(n)) if p.is_file())
        return {p.relative_to(self.folder).as_posix(): content_hash(p) for p in paths}


def open_workspace(config_path: Path, overrides: Sequence[str] = ()) -> Workspace:
    """Read the config and its cases, and find or make the run's folder.

    Parameters
    ----------
    config_path : Path
        The YAML file.
    overrides : sequence of str
        ``key=value`` pairs.
    """
    from aiops.data.cases import read_cases
    from aiops.data.population import population_path, read_population

    config = read_config(config_path, overrides)
    cases = read_cases(config.experiment, config_path=config_path)
    # Read here so that its mistakes are told before anything is trained.
    read_population(config.experiment, config_path=config_path)
    served = population_path(config.experiment, config_path=config_path)
    files = [cases.table_path, *cases.files(), *([served] if served else [])]
    digest = json_hash({"config": config.written, "data": _data_hash(files)})[:8]
    parent = runs_dir(config.experiment.use_case)
    found = sorted(parent.glob(f"*-{digest}")) if parent.is_dir() else []
    today = datetime.now(UTC).date().isoformat()
    folder = found[-1] if found else parent / f"{today}-{digest}"
    workspace = Workspace(config, folder, cases, tuple(overrides))
    if not workspace.path("run.json").exists():  # new, or its making was interrupted
        _furnish(workspace, digest)
    return workspace


def _furnish(workspace: Workspace, digest: str) -> None:
    """Write what a run folder begins with; run.json last, for it says that the rest is there."""
    config = workspace.config
    workspace.folder.mkdir(parents=True, exist_ok=True)
    write_table(workspace.path("cases.parquet"), workspace.cases.frame)
    resolved = yaml.safe_dump(config.written, sort_keys=False, allow_unicode=True, width=100)
    write_text(workspace.path("resolved.yaml"), resolved)
    write_json(
        workspace.path("run.json"),
        {
            "run_name": workspace.folder.name,
            "use_case": config.experiment.use_case,
            "hash": digest,
            "mlflow_run_id": None,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "environment": environment(),
            "stages": {},
        },
    )


def _data_hash(files: list[Path]) -> str:
    """Return one hash of the table and of every file it names."""
    hashes = content_hashes(files)
    by_name = sorted((path.name, digest) for path, digest in hashes.items())
    return json_hash(by_name)
