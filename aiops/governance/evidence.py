"""What a run's files say to a gate: read once, with their hashes, for the checks to answer from.

A check reads and answers; it decides nothing. Insufficient evidence never passes.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml

from aiops.config import Experiment
from aiops.errors import StageError
from aiops.files import read_json, read_table
from aiops.governance.dossier import Dossier
from aiops.provenance import content_hash

if TYPE_CHECKING:
    import pandas as pd

Outcome = Literal["pass", "fail", "undecided"]

REQUIRED = ("resolved.yaml", "evaluation.json", "gaps.parquet", "metrics.parquet")
"""Files without which no gate of a run can be answered."""

OPTIONAL = ("audit.json", "split.json", "plan.json", "training.json")
BYTES_ONLY = ("predictions.parquet", "masks.parquet", "case_metrics.parquet")
"""Files the figures were computed from: bound by their hash, so that no other can be put in."""

TABLES = "tables"
MOST_NAMED = 6
"""Entries of a list that an answer names; the tables hold them all."""

SMALL = 10
"""Groups of fewer patients are named, not counted."""

WORST_FIRST: tuple[Outcome, ...] = ("fail", "undecided", "pass")
Group = tuple[str, str, str]
"""Target, attribute and group."""


@dataclass(frozen=True)
class Answer:
    """What a check found.

    Parameters
    ----------
    outcome : {"pass", "fail", "undecided"}
        The answer.
    value, threshold : str
        What was found and what was asked for, in words and figures.
    reason : str
        Why the answer is what it is.
    would_decide : str
        What would settle it; empty where it is settled.
    file : str
        The file it was read from, by the name under which the gate binds it.
    figures : tuple of mapping
        The numbers, for those who compute with them.
    """

    outcome: Outcome
    value: str
    threshold: str
    reason: str
    would_decide: str = ""
    file: str = "evaluation.json"
    figures: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Evidence:
    """The files of a run, read once, with their hashes.

    `hidden` holds target, attribute and group of each gap whose figures may not leave the team,
    and why, `hidden_figures` those of metrics: an answer is shared more widely than the tables it
    is read from.
    """

    run_dir: Path
    experiment: Experiment
    evaluation: Mapping[str, Any]
    audit: Mapping[str, Any] | None
    gaps: "pd.DataFrame"
    metrics: "pd.DataFrame"
    run_id: str | None = None
    run_name: str = ""
    sha256: Mapping[str, str] = field(default_factory=dict)
    hidden: Mapping[Group, str] = field(default_factory=dict)
    hidden_figures: Mapping[Group, str] = field(default_factory=dict)
    dossier: Dossier | None = None

    def table(self, name: str) -> "pd.DataFrame | None":
        """Return a further table of the evaluation; None where the run has none of that name."""
        path = self.run_dir / TABLES / f"{name}.parquet"
        return read_table(path) if path.exists() else None

    def told(self, name: str) -> Any:
        """Return a JSON file of the run; None where it has none of that name."""
        path = self.run_dir / name
        return read_json(path) if path.exists() else None


def read_evidence(
    run_dir: Path,
    experiment: Experiment | None = None,
    *,
    dossier: Dossier | None = None,
    more: Iterable[str] = (),
) -> Evidence:
    """Read what a gate is answered from.

    Parameters
    ----------
    run_dir : Path
        The run's folder.
    experiment : Experiment, optional
        The config; read from ``resolved.yaml`` when not given.
    dossier : Dossier, optional
        What the register says of the case.
    more : iterable of str
        Further files of the run that the policy's checks read.

    Raises
    ------
    StageError
        If the run was not evaluated.
    """
    from aiops.report.disclosure import disclosed, policy_of

    for name in REQUIRED:
        if not (run_dir / name).exists():
            raise StageError(
                f"{name} is not there: this run was not evaluated",
                where=str(run_dir),
                fix="run `aiops evaluate` first",
            )
    if experiment is None:
        experiment = read_experiment(run_dir)
    metrics, gaps = read_table(run_dir / "metrics.parquet"), read_table(run_dir / "gaps.parquet")
    audit = run_dir / "audit.json"
    run = run_dir / "run.json"
    told = read_json(run) if run.exists() else {}
    word, shown = policy_of(experiment).hidden_word, disclosed(run_dir, experiment)
    return Evidence(
        run_dir=run_dir,
        experiment=experiment,
        evaluation=read_json(run_dir / "evaluation.json"),
        audit=read_json(audit) if audit.exists() else None,
        gaps=gaps,
        metrics=metrics,
        hidden=_hidden_in(gaps, shown.gaps, word),
        hidden_figures=_hidden_in(metrics, shown.metrics, word),
        run_id=told.get("mlflow_run_id"),
        run_name=told.get("run_name", run_dir.name),
        sha256=evidence_hashes(run_dir, more),
        dossier=dossier,
    )


def read_experiment(run_dir: Path) -> Experiment:
    """Read the config that a run was made with."""
    text = (run_dir / "resolved.yaml").read_text(encoding="utf-8")
    return Experiment.model_validate(yaml.safe_load(text))


def evidence_hashes(run_dir: Path, more: Iterable[str] = ()) -> dict[str, str]:
    """Return the SHA-256 of each file that a gate binds, of those that are there."""
    tables = [f"{TABLES}/{path.name}" for path in (run_dir / TABLES).glob("*.parquet")]
    names = {*REQUIRED, *OPTIONAL, *BYTES_ONLY, *tables, *more}
    there = [name for name in names if (run_dir / name).exists()]
    return {name: content_hash(run_dir / name) for name in sorted(there)}


def subject_digest(evaluation: Mapping[str, Any], training: Mapping[str, Any] | None) -> str:
    """Return the digest that stands for what was evaluated: the model's, or of what it predicted.

    Examples
    --------
    >>> subject_digest({"predictions_sha256": "ab"}, None)
    'ab'
    """
    members = (training or {}).get("members", {})
    # A vendor's tool has no bytes here: what it predicted stands for it.
    own = "+".join(str(member["digest"]) for member in members.values())
    return own or str(evaluation.get("predictions_sha256") or "")


def listed(entries: Sequence[str]) -> str:
    """Return a list in one line; a long one names the first and counts the rest.

    Examples
    --------
    >>> listed(list("abcdefgh"))
    'a; b; c; d; e; f; and 2 more'
    """
    more = len(entries) - MOST_NAMED
    return "; ".join(entries[:MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the worst of several outcomes.

    Examples
    --------
    >>> worst(["pass", "undecided"])
    'undecided'
    """
    found = set(outcomes)
    return next(outcome for outcome in WORST_FIRST if outcome in found)


def is_number(value: object) -> bool:
    """Return whether a value is a number and not nan."""
    return isinstance(value, int | float) and math.isfinite(value)


def clears(
    name: str, row: Mapping[str, Any] | None, value: float, better: bool | None
) -> tuple[Outcome, str]:
    """Hold an interval to a value, and say in words how it lies.

    Parameters
    ----------
    name : str
        What the figure is of.
    row : mapping or None
        Its ``state``, ``low`` and ``high``; None where there is no such figure.
    value : float
        What it must reach.
    better : bool or None
        Whether higher is better; None where neither is.

    Examples
    --------
    >>> clears("effusion", {"state": "ok", "low": 0.79, "high": 0.9}, 0.8, True)
    ('undecided', 'effusion: 0.8 lies inside the interval')
    """
    if row is None:
        return "undecided", f"{name}: not in the evaluation"
    if row["state"] != "ok" or not (is_number(row["low"]) and is_number(row["high"])):
        state = str(row["state"]).replace("_", " ")
        return "undecided", f"{name}: {state if row['state'] != 'ok' else 'no interval'}"
    if better is None:
        return "undecided", f"{name}: the metric has no better and worse to set a bound for"
    low, high = float(row["low"]), float(row["high"])
    if (low >= value) if better else (high <= value):
        return "pass", f"{name}: the whole interval clears {value:g}"
    if (high < value) if better else (low > value):
        return "fail", f"{name}: the whole interval misses {value:g}"
    return "undecided", f"{name}: {value:g} lies inside the interval"


def with_interval(name: str, row: Mapping[str, Any]) -> str:
    """Return a figure with its interval, as a person reads it."""
    if not is_number(row["value"]):
        return f"{name} not estimable"
    interval = ""
    if is_number(row["low"]) and is_number(row["high"]):
        interval = f" ({row['low']:.3g} to {row['high']:.3g})"
    return f"{name} {row['value']:.3g}{interval}"


def _hidden_in(given: "pd.DataFrame", shown: "pd.DataFrame", word: str) -> dict[Group, str]:
    """Return target, attribute and group of what may not be shown, and why."""
    from aiops.report.disclosure import is_hidden

    if given.empty:
        return {}
    names = ["target", "attribute", "group"]
    said = {tuple(row[n] for n in names): row["reason"] for row in shown.to_dict("records")}
    hidden = {}
    for target, attribute, group in given[names].drop_duplicates().itertuples(index=False):
        # What had to be left out altogether is hidden too.
        reason = said.get((target, attribute, group), word)
        if is_hidden(reason):
            why = "too few patients" if reason == word else "figures hidden"
            hidden[target, attribute, group] = why
    return hidden
