"""Points of the curves in a report, from the tables of predictions and cases.

Figures with an interval come from the metrics table and are not computed again here.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aiops.config import Experiment
from aiops.report.disclosure import BELOW
from aiops.report.files import Json
from evaluation.estimates import wilson_limits

FloatArray = NDArray[np.float64]

Z95 = 1.959963984540054


@dataclass(frozen=True)
class Scored:
    """Reference and score of the cases of one target that were scored."""

    y_true: FloatArray
    y_score: FloatArray
    is_probability: bool

    @property
    def n_positive(self) -> int:
        """How many cases are diseased."""
        return int(self.y_true.sum())


@dataclass(frozen=True)
class Bins:
    """Groups of cases with like probabilities."""

    predicted: FloatArray
    observed: FloatArray
    low: FloatArray
    high: FloatArray


def rows_of_target(predictions: pd.DataFrame, target: str, evaluation: Json) -> pd.DataFrame:
    """Return the rows of a target that the evaluation is about."""
    rows = predictions[predictions["target"] == target]
    if "split" in rows:
        rows = rows[rows["split"] == (evaluation.get("split") or "test")]
    return rows


def scored_cases(
    predictions: pd.DataFrame, target: str, evaluation: Json, experiment: Experiment
) -> Scored:
    """Return what was scored for `target`; films of one examination are combined as configured."""
    rows = rows_of_target(predictions, target, evaluation)
    rows = rows[(rows["status"] == "ok") & rows["y_true"].notna() & rows["y_score"].notna()]
    kinds = set(rows["score_kind"]) if "score_kind" in rows else {"probability"}
    study = experiment.data.study
    if study is not None and evaluation.get("unit") == "study":
        rows = rows.groupby("study_id").agg({"y_true": "max", "y_score": study.combine})
    return Scored(
        rows["y_true"].to_numpy(np.float64),
        rows["y_score"].to_numpy(np.float64),
        is_probability=kinds == {"probability"},
    )


def roc_curve(scored: Scored) -> tuple[FloatArray, FloatArray]:
    """Return shares of false alarms and of diseased found, from the strictest threshold on.

    Examples
    --------
    >>> x, y = roc_curve(Scored(np.array([0.0, 1, 1]), np.array([0.1, 0.4, 0.9]), True))
    >>> [float(v) for v in x], [float(v) for v in y]
    ([0.0, 0.0, 0.0, 1.0], [0.0, 0.5, 1.0, 1.0])
    """
    order = np.argsort(-scored.y_score, kind="stable")
    y_true, y_score = scored.y_true[order], scored.y_score[order]
    # Cases with one score are passed together: a tie has no order.
    last = np.r_[np.flatnonzero(np.diff(y_score)), len(y_score) - 1]
    found = np.cumsum(y_true)[last]
    alarms = np.cumsum(1 - y_true)[last]
    return np.r_[0.0, alarms / alarms[-1]], np.r_[0.0, found / found[-1]]


def thinned(x: FloatArray, y: FloatArray, n_points: int = 101) -> tuple[FloatArray, FloatArray]:
    """Return a curve at evenly spaced points, from which no single case can be read."""
    grid = np.linspace(0.0, 1.0, n_points)
    return grid, np.interp(grid, x, y)


def calibration_bins(scored: Scored, n_bins: int = 10, least: int = BELOW) -> Bins | None:
    """Return groups of equal size by probability, `least` cases at least; None for fewer than 2."""
    n_bins = min(n_bins, len(scored.y_true) // least)
    if n_bins < 2:
        return None
    order = np.argsort(scored.y_score, kind="stable")
    groups = np.array_split(order, n_bins)
    found = np.array([scored.y_true[g].sum() for g in groups])
    size = np.array([len(g) for g in groups], dtype=np.float64)
    low, high = wilson_limits(found / size, size, Z95)
    predicted = np.array([scored.y_score[g].mean() for g in groups])
    return Bins(predicted, found / size, low, high)


def volume_pairs(case_metrics: pd.DataFrame, structure: str) -> pd.DataFrame:
    """Return reference and predicted volume of each case that has the structure."""
    rows = case_metrics[case_metrics["structure"] == structure]
    rows = rows[rows["metric"].isin(["volume_reference_ml", "volume_predicted_ml"])]
    wide = rows.pivot_table(index="case_id", columns="metric", values="value")
    if wide.shape[1] < 2:
        return pd.DataFrame(columns=["reference", "predicted"])
    names = {"volume_reference_ml": "reference", "volume_predicted_ml": "predicted"}
    return wide.rename(columns=names).dropna()


def grouped(
    x: FloatArray, y: FloatArray, least: int = BELOW
) -> tuple[FloatArray, FloatArray, tuple[FloatArray, FloatArray]]:
    """Return means of groups of `least` cases at least by `x`, and the way to their 10th, 90th."""
    groups = np.array_split(np.argsort(x, kind="stable"), max(1, min(12, len(x) // least)))
    middle = np.array([y[g].mean() for g in groups])
    low = np.array([np.quantile(y[g], 0.1) for g in groups])
    high = np.array([np.quantile(y[g], 0.9) for g in groups])
    ways = (np.clip(middle - low, 0, None), np.clip(high - middle, 0, None))
    return np.array([x[g].mean() for g in groups]), middle, ways
