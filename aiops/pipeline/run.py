"""All stages in order; what is done and unchanged is skipped."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from aiops.errors import AiopsError
from aiops.pipeline.workspace import Workspace, open_workspace

Progress = Callable[[int, int], None]
Bar = Callable[[str], AbstractContextManager[Progress]]


@dataclass(frozen=True)
class Stage:
    """A stage: the verb that does it, the files it reads and the files it writes."""

    verb: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]

    def function(self) -> Callable[..., dict[str, Any]]:
        """Import the verb; torch is not loaded before a stage needs it."""
        module, name = self.verb.rsplit(".", 1)
        found: Callable[..., dict[str, Any]] = getattr(import_module(module), name)
        return found


_ROOM = "aiops.pipeline"
_COMPARED = ("predictions_unmitigated.parquet", "masks_unmitigated.parquet")
"""Of the model without mitigation, which is never released."""

STAGES: dict[str, Stage] = {
    "audit": Stage(f"{_ROOM}.prepare.audit_cases", ("cases.parquet",), ("audit.json",)),
    "split": Stage(
        f"{_ROOM}.prepare.split_cases", ("cases.parquet", "audit.json"), ("split.json",)
    ),
    "plan": Stage(
        f"{_ROOM}.plan.plan_run",
        ("cases.parquet", "audit.json", "split.json"),
        ("fingerprint.json", "plan.json"),
    ),
    "train": Stage(f"{_ROOM}.train.train_members", ("plan.json", "split.json"), ("training.json",)),
    "predict": Stage(
        f"{_ROOM}.predict.predict_cases",
        ("plan.json", "split.json", "training.json"),
        ("predictions.parquet", "masks.parquet", *_COMPARED),
    ),
    "evaluate": Stage(
        f"{_ROOM}.evaluate.evaluate_run",
        ("predictions.parquet", "masks.parquet", *_COMPARED, "split.json", "audit.json"),
        (
            "case_metrics.parquet",
            "metrics.parquet",
            "gaps.parquet",
            "tables/*.parquet",
            "evaluation.json",
        ),
    ),
    "gate": Stage(
        f"{_ROOM}.judge.judge_run",
        ("evaluation.json", "metrics.parquet", "gaps.parquet", "audit.json"),
        ("gates.json",),
    ),
    "report": Stage(
        f"{_ROOM}.judge.report_run",
        (
            "evaluation.json",
            "metrics.parquet",
            "gaps.parquet",
            "case_metrics.parquet",
            "tables/*.parquet",
            "audit.json",
            "gates.json",
        ),
        (
            "report.html",
            "report_internal.html",
            "sheet.html",
            "disclosure_log.json",
            "export/*",
            "*.pdf",
        ),
    ),
}
"""The gate comes before the report, so that the report carries the gate's answer."""

JUDGING = ("audit", "evaluate", "gate", "report")
"""Stages that are done again when the program has changed: they are quick, and they judge."""

OPTIONAL = (
    "cases.parquet",
    "plan.json",
    "training.json",
    "predictions.parquet",
    "masks.parquet",
    *_COMPARED,
    "tables/*.parquet",
)
"""Files that stand from the beginning, or that only some kinds of run have."""


def run_stage(
    name: str, workspace: Workspace, progress: Progress, **options: Any
) -> dict[str, Any]:
    """Do one stage, and record what it read and wrote.

    Returns
    -------
    dict
        What the stage found, for the screen and for ``--json``.
    """
    stage = STAGES[name]
    for needed in stage.reads:
        if needed not in OPTIONAL:
            workspace.need(needed, _writer(needed))
    function = stage.function()
    with workspace.stage(name, stage.reads, stage.writes):
        return function(workspace, progress, **options)


def run(
    config_path: Path,
    overrides: Sequence[str] = (),
    *,
    say: Callable[[str], None],
    bar: Bar,
    tracked: bool = True,
) -> dict[str, Any]:
    """Take a config through all stages, and show the run in MLflow.

    Parameters
    ----------
    config_path : Path
        The YAML file.
    overrides : sequence of str
        ``key=value`` pairs.
    say : callable
        Takes a line for the person.
    bar : callable
        Gives a progress function for a title.
    tracked : bool
        Whether to write to MLflow.
    """
    from aiops.stamps import stamp_run

    workspace = open_workspace(config_path, overrides)
    say(f"run folder: {workspace.folder}")
    done: dict[str, str] = {}
    for name in stages_of(workspace):
        judges = name in JUDGING
        if workspace.is_done(name, STAGES[name].reads, by_this_program=judges):
            done[name] = "unchanged, skipped"
            if name == "report" and stamp_run(workspace.folder):
                done[name] += "; how the run stands by the ledger has changed, and is told in it"
        else:
            with bar(name) as moved:
                run_stage(name, workspace, moved)
            done[name] = f"{workspace.record()['stages'][name]['seconds']:.0f} s"
        say(f"{name:<9} {done[name]}")
    warning = _track(workspace) if tracked else "not written to MLflow, as asked"
    if warning:
        say(warning)
    return {
        "use_case": workspace.experiment.use_case,
        "folder": str(workspace.folder),
        "stages": done,
        "evaluation": _read(workspace, "evaluation.json"),
        "gate": _read(workspace, "gates.json"),
        "report": str(workspace.path("report.html")),
        "report_internal": str(workspace.path("report_internal.html")),
        "sheet": str(workspace.path("sheet.html")),
        "mlflow_run_id": workspace.record().get("mlflow_run_id"),
    }


def stages_of(workspace: Workspace) -> list[str]:
    """Return the stages of a run; nothing is planned or trained for a vendor's scores."""
    vendor = workspace.experiment.is_vendor
    return [name for name in STAGES if not (vendor and name in ("plan", "train"))]


def _writer(file: str) -> str:
    return next(name for name, stage in STAGES.items() if file in stage.writes)


def _read(workspace: Workspace, name: str) -> Any:
    from aiops.files import read_json

    return read_json(workspace.path(name))


def _track(workspace: Workspace) -> str | None:
    """Write the run to MLflow; where it cannot be reached, the run waits on disk."""
    from aiops import spool
    from aiops.tracking import TrackingError, log_run

    try:
        log_run(workspace.folder, workspace.experiment)
    except TrackingError as fault:
        spool.keep(workspace.folder, fault.what)
        return (
            f"the run is whole, but MLflow has not got it:\n{fault}\n"
            "it waits in the spool: the next run that reaches MLflow sends it, or `aiops sync`"
        )
    except AiopsError as fault:
        return f"the run is whole, but MLflow has not got it:\n{fault}"
    return "\n".join(spool.send().lines()) or None
