"""Reads the files of a run folder that a report is made from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from aiops.errors import StageError
from aiops.files import read_json, read_table
from aiops.report.disclosure import disclosure_log, policy_in, shown_evaluation
from evaluation.disclosure import Disclosure, suppress

Json = dict[str, Any]


@dataclass(frozen=True)
class RunFiles:
    """The files of one run; what a run does not have is an empty table or an empty mapping."""

    folder: Path
    evaluation: Json
    metrics: pd.DataFrame
    gaps: pd.DataFrame
    case_metrics: pd.DataFrame
    predictions: pd.DataFrame
    masks: pd.DataFrame
    cases: pd.DataFrame
    audit: Json
    fingerprint: Json
    plan: Json
    split: Json
    training: Json
    run: Json
    gates: Json
    history: tuple[Json, ...]
    resolved: str
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    is_shareable: bool = False
    disclosure: Disclosure = field(default_factory=Disclosure)
    disclosure_log: Json = field(default_factory=dict)

    def table(self, name: str) -> pd.DataFrame:
        """Return a further table of the evaluation; empty where the run has none."""
        return self.tables.get(name, pd.DataFrame())

    @property
    def name(self) -> str:
        """The name of the run."""
        return str(self.run.get("run_name") or self.folder.name)


def read_run(folder: Path) -> RunFiles:
    """Return the files of the run in `folder`.

    Raises
    ------
    StageError
        If the run has not been evaluated.
    """
    if not (folder / "evaluation.json").exists() or not (folder / "metrics.parquet").exists():
        raise StageError(
            "this run has not been evaluated",
            where=folder.name,
            fix="run `aiops evaluate` first, then `aiops report`",
        )
    return RunFiles(
        folder=folder,
        evaluation=read_json(folder / "evaluation.json"),
        metrics=_table(folder / "metrics.parquet"),
        gaps=_table(folder / "gaps.parquet"),
        case_metrics=_table(folder / "case_metrics.parquet"),
        predictions=_table(folder / "predictions.parquet"),
        masks=_table(folder / "masks.parquet"),
        cases=_table(folder / "cases.parquet"),
        audit=_mapping(folder / "audit.json"),
        fingerprint=_mapping(folder / "fingerprint.json"),
        plan=_mapping(folder / "plan.json"),
        split=_mapping(folder / "split.json"),
        training=_mapping(folder / "training.json"),
        run=_mapping(folder / "run.json"),
        gates=_mapping(folder / "gates.json"),
        history=_lines(folder / "history.jsonl"),
        resolved=_text(folder / "resolved.yaml"),
        tables={p.stem: read_table(p) for p in sorted((folder / "tables").glob("*.parquet"))},
        disclosure=policy_in(_text(folder / "resolved.yaml")),
    )


def shareable(files: RunFiles) -> RunFiles:
    """Return `files` as they may leave the team: small counts hidden, others of groups rounded."""
    policy = files.disclosure
    found = suppress(files.metrics, files.gaps, files.tables, policy)
    return replace(
        files,
        metrics=found.metrics,
        gaps=found.gaps,
        tables=found.tables,
        evaluation=shown_evaluation(files.evaluation, found.gaps, policy),
        disclosure_log=disclosure_log(found, policy),
        is_shareable=True,
    )


def _table(path: Path) -> pd.DataFrame:
    return read_table(path) if path.exists() else pd.DataFrame()


def _mapping(path: Path) -> Json:
    return dict(read_json(path)) if path.exists() else {}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _lines(path: Path) -> tuple[Json, ...]:
    # A line cut short by a kill is not a step that was taken.
    rows = []
    for line in _text(path).splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return tuple(rows)
