"""The threshold at which a score becomes a decision: as supplied, or chosen on the tune part."""

from typing import Any

import pandas as pd

from aiops.config import Experiment
from aiops.errors import LeakageError
from evaluation import choose_threshold, combine_studies


def choose_operating_points(
    predictions: pd.DataFrame, experiment: Experiment
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
        return {
            name: {
                "threshold": point.threshold,
                "criterion": f"threshold {point.threshold:g} as supplied",
                "chosen_on": "nothing: supplied",
                "reached": None,
                "n": None,
            }
            for name in experiment.findings
        }
    tune = predictions[predictions["split"] == "tune"]
    test = predictions[predictions["split"] == "test"]
    both = set(tune["patient_id"]) & set(test["patient_id"])
    if both:
        raise LeakageError(
            f"{len(both)} patients are both in tune and in test",
            where="predictions.parquet, column split",
            fix="use split: {by: patient}: a threshold must not be scored where it was chosen",
        )
    study = experiment.data.study
    if study:
        tune = combine_studies(tune, combine=study.combine)
    return {name: _chosen(tune[tune["target"] == name], point) for name in experiment.findings}


def _chosen(rows: pd.DataFrame, point: Any) -> dict[str, Any]:
    kind = "sensitivity" if point.sensitivity is not None else "specificity"
    aim = getattr(point, kind)
    scored = rows[(rows["status"] == "ok") & rows["y_true"].notna()]
    chosen = choose_threshold(
        scored["y_true"].to_numpy(bool),
        scored["y_score"].to_numpy(float),
        patient_id=scored["patient_id"].to_numpy(str),
        **{kind: aim},
    )
    reached = chosen.reached
    return {
        "threshold": chosen.threshold,
        "criterion": f"{kind} {aim:g} on tune",
        "chosen_on": "tune",
        "reached": {"value": reached.value, "low": reached.low, "high": reached.high},
        "n": len(scored),
    }
