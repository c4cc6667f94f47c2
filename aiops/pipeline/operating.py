"""The threshold at which a score becomes a decision: as supplied, or chosen on the tune part.

Where the config asks for it there is one for each group. No decision is ever drawn by lot.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from aiops.config import Experiment, MitigationConfig, OperatingPointConfig
from aiops.errors import LeakageError
from aiops.pipeline.mitigation import crossed, title_of
from evaluation import EvaluationPlan, choose_threshold, group_order, sensitivity, specificity
from evaluation.groups import UNSURE
from evaluation.units import units_of

Point = dict[str, Any]

WARNING = (
    "Thresholds differ between groups: two patients alike in all but {by} may get different "
    "answers. Whoever uses the tool must know the patient's {by}; where it is not recorded, the "
    "common threshold holds. In some countries and for some attributes this is not lawful: ask "
    "before use."
)


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
    chosen = {name: _chosen(units.tables[name], point) for name in experiment.findings}
    mitigation = experiment.train.mitigation if experiment.train else None
    if mitigation is None or mitigation.method != "group_thresholds":
        return chosen
    return {
        name: _by_group(units.tables[name], told, point, mitigation)
        for name, told in chosen.items()
    }


def _aim(point: OperatingPointConfig) -> tuple[str, Any]:
    """Return which rate is to be reached, and how much of it."""
    kind = "sensitivity" if point.sensitivity is not None else "specificity"
    return kind, getattr(point, kind)


def _worst(rows: pd.DataFrame) -> np.ndarray:
    """Return scores; a case the tool failed on is called wrong at any threshold."""
    worst = np.where(rows["y_true"].to_numpy(bool), -np.inf, np.inf)
    return np.where(rows["failed"], worst, rows["y_score"].to_numpy(float))


def _chosen(rows: pd.DataFrame, point: OperatingPointConfig) -> Point:
    kind, aim = _aim(point)
    told = {"criterion": f"{kind} {aim:g} on tune", "chosen_on": "tune", "n": len(rows)}
    try:
        chosen = choose_threshold(
            rows["y_true"].to_numpy(bool),
            _worst(rows),
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


def _by_group(
    rows: pd.DataFrame, common: Point, point: OperatingPointConfig, of: MitigationConfig
) -> Point:
    """Return the operating point with a threshold for each group that has enough patients."""
    kind, aim = _aim(point)
    groups: dict[str, Point] = {}
    labels = crossed(rows, of.attributes)
    for name in group_order(labels):
        if common["threshold"] is None:
            break
        some = rows[labels == name]
        decides = some["y_true"].to_numpy(bool) == (kind == "sensitivity")
        n_deciding = int(some.loc[decides, "patient_id"].nunique())
        why = ""
        if name in UNSURE:
            why = "the group is not known"
        elif n_deciding < of.least:
            who = "with" if kind == "sensitivity" else "without"
            why = f"fewer than {of.least} patients {who} the finding on tune"
        own = _chosen(some, point) if not why else common
        if own["threshold"] is None:
            why, own = own["criterion"], common
        groups[name] = {
            "threshold": own["threshold"],
            "own": not why,
            "reason": why,
            "n": len(some),
            "n_deciding_patients": n_deciding,
            "reached": _reached(some, own["threshold"], kind),
        }
    return {
        **common,
        "criterion": f"{kind} {aim:g} on tune, {title_of(of)}",
        "attributes": list(of.attributes),
        "groups": groups,
        "warning": WARNING.format(by=" and ".join(of.attributes)),
    }


def _reached(rows: pd.DataFrame, threshold: float, kind: str) -> Point:
    rate = sensitivity if kind == "sensitivity" else specificity
    found = rate(
        rows["y_true"].to_numpy(bool),
        _worst(rows) >= threshold,
        patient_id=rows["patient_id"].to_numpy(str),
    )
    told = {"value": found.value, "low": found.low, "high": found.high}
    return {name: v if np.isfinite(v) else None for name, v in told.items()}


def decisions_by_group(
    predictions: pd.DataFrame, experiment: Experiment, patients_known: bool
) -> np.ndarray:
    """Return the decision on each row: at the threshold of its group, else at the common one.

    Cases of one study share the study's decision. A case the tool failed on, or that has no
    reference, has none (nan).

    Parameters
    ----------
    predictions : DataFrame
        Of the run, tune and test part.
    """
    from aiops.pipeline.evaluate import evaluation_plan

    plan = evaluation_plan(experiment, patients_known, {})
    points = choose_operating_points(predictions, experiment, plan)
    keys = ["study_id" if plan.unit == "study" else "case_id", "target"]
    found: dict[tuple[str, str], float] = {}
    for part in predictions["split"].unique():
        units = units_of(predictions, replace(plan, split=part))
        for name, told in points.items():
            if told["threshold"] is None:
                continue
            rows = units.tables[name]
            own = {group: one["threshold"] for group, one in told["groups"].items()}
            labels = crossed(rows, told["attributes"])
            limit = np.array([own.get(group, told["threshold"]) for group in labels], float)
            called = np.where(rows["failed"], np.nan, rows["y_score"] >= limit)
            found |= {(c, name): p for c, p in zip(rows["case_id"], called, strict=True)}
    asked = zip(predictions[keys[0]].astype(str), predictions["target"], strict=True)
    decided = np.array([found.get(key, np.nan) for key in asked], dtype=float)
    return np.where(predictions["status"] == "ok", decided, np.nan)
