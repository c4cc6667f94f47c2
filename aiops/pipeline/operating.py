"""The threshold at which a score becomes a decision: as supplied, or chosen on the tune part."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from aiops.config import Experiment, OperatingPointConfig
from aiops.errors import LeakageError
from evaluation import EvaluationPlan, choose_threshold
from evaluation.units import units_of


def choose_operating_points(
    predictions: pd.DataFrame, experiment: Experiment, plan: EvaluationPlan
) -> dict[str, dict[str, Any]]:
    """Return for each target its threshold, how it was chosen and what it reached there.

    Without an operating point in the config there is none, and threshold metrics are not
    estimable.

    Raises
    ------
    LeakageError
        If a patient is both among those it is chosen on and among those it is scored on.
    """
    point = experiment.operating_point
    if point is None:
        return {}
    if point.threshold is not None:
        supplied = {
            "threshold": point.threshold,
            "criterion": f"threshold {point.threshold:g} as supplied",
            "chosen_on": "nothing: supplied",
            "reached": None,
            "n": None,
        }
        return {name: dict(supplied) for name in experiment.findings}
    parts = predictions.groupby("split")["patient_id"].agg(set)
    both = parts.get("tune", set()) & parts.get("test", set())
    if both:
        raise LeakageError(
            f"{len(both)} patients are both in tune and in test",
            where="predictions.parquet, column split",
            fix="use split: {by: patient}: a threshold must not be scored where it was chosen",
        )
    units = units_of(predictions, replace(plan, split="tune"))
    return {name: _chosen(units.tables[name], point) for name in experiment.findings}


def _chosen(rows: pd.DataFrame, point: OperatingPointConfig) -> dict[str, Any]:
    kind = "sensitivity" if point.sensitivity is not None else "specificity"
    aim = getattr(point, kind)
    told = {"criterion": f"{kind} {aim:g} on tune", "chosen_on": "tune", "n": len(rows)}
    y_true = rows["y_true"].to_numpy(bool)
    # A case the tool failed on is called wrong at any threshold.
    worst = np.where(y_true, -np.inf, np.inf)
    try:
        chosen = choose_threshold(
            y_true,
            np.where(rows["failed"], worst, rows["y_score"].to_numpy(float)),
            patient_id=rows["patient_id"].to_numpy(str),
            **{kind: aim},
        )
    except ValueError as fault:
        criterion = f"{told['criterion']} cannot be chosen: {fault}"
        return {**told, "criterion": criterion, "threshold": None, "reached": None}
    reached = chosen.reached
    return {
        **told,
        "threshold": chosen.threshold,
        "reached": {"value": reached.value, "low": reached.low, "high": reached.high},
    }
