"""Mitigation in training: what each case counts, and which model of a grid is released."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from aiops.config import Experiment, MitigationConfig, OperatingPointConfig
from evaluation import choose_threshold, group_labels
from evaluation.estimates import SMALL
from evaluation.groups import NOT_RECORDED, UNSURE

if TYPE_CHECKING:
    from models.reductions import Candidate
    from models.weighting import Emphasis

UNMITIGATED = "unmitigated/"
"""Folder within a run of the model that was made for comparison and is never released."""

CROSS = " × "

_TITLES = {
    "reweigh": "reweighing",
    "balanced_sampling": "balanced sampling",
    "grid_search": "grid search",
    "group_thresholds": "a threshold for each group",
}


def title_of(mitigation: MitigationConfig) -> str:
    """Return what was done, as a person says it.

    Examples
    --------
    >>> title_of(MitigationConfig(method="reweigh", attribute=["sex", "age"]))
    'reweighing by sex × age'
    """
    towards = ""
    if mitigation.method == "grid_search":
        towards = f" towards {mitigation.constraint.replace('_', ' ')}"
    return f"{_TITLES[mitigation.method]}{towards} by {CROSS.join(mitigation.attributes)}"


def without_mitigation(experiment: Experiment) -> Experiment:
    """Return the experiment as it would be had nothing been done against unfairness."""
    if experiment.train is None:
        return experiment
    train = experiment.train.model_copy(update={"mitigation": None})
    return experiment.model_copy(update={"train": train})


def crossed(labels: pd.DataFrame, attributes: Sequence[str]) -> np.ndarray:
    """Return one group per row from the groups of each attribute; unsure if one of them is.

    Examples
    --------
    >>> table = pd.DataFrame({"sex": ["f", "f"], "age": ["80+", "not recorded"]})
    >>> crossed(table, ["sex", "age"]).tolist()
    ['f × 80+', 'not recorded']
    """
    if len(attributes) == 1:
        return labels[attributes[0]].to_numpy(dtype=object)
    parts = [labels[name].to_numpy(dtype=str) for name in attributes]
    unsure = np.any([np.isin(part, UNSURE) for part in parts], axis=0)
    names = np.array([CROSS.join(row) for row in zip(*parts, strict=True)], dtype=object)
    return np.where(unsure, NOT_RECORDED, names)


def training_groups(frame: pd.DataFrame, experiment: Experiment, of: MitigationConfig) -> pd.Series:
    """Return the group of each case by case id, as figures by group have it."""
    attributes = experiment.data.attributes
    labels = pd.DataFrame(
        {
            name: group_labels(
                frame[name], frame["patient_id"], per_case=attributes[name].per == "case"
            )
            for name in of.attributes
        }
    )
    return pd.Series(crossed(labels, of.attributes), index=frame["case_id"].to_numpy())


def group_codes(groups: np.ndarray) -> np.ndarray:
    """Return a code for each group; the one for unknown where nothing is known of the group."""
    from models.weighting import UNKNOWN

    codes = np.unique(groups.astype(str), return_inverse=True)[1].astype(np.int64)
    return np.where(np.isin(groups, UNSURE), UNKNOWN, codes)


def emphasis_of(
    remedy: MitigationConfig, groups: np.ndarray, truth: np.ndarray
) -> "tuple[Emphasis, dict[str, Any]]":
    """Return what each case of an image model counts, and what a reader must know of it.

    Parameters
    ----------
    groups : ndarray of str, shape (n_cases,)
        Group of each training case.
    truth : ndarray of float, shape (n_cases, n_findings)
        Reference standard; nan is unknown. No column for a segmentation.
    """
    from models.weighting import Emphasis

    if remedy.method == "balanced_sampling":
        codes = group_codes(groups)
        return Emphasis(groups=codes), told_of(remedy, groups, case_weights(remedy, groups, None))
    weights = np.zeros(truth.shape)
    for k in range(truth.shape[1]):
        known = np.isfinite(truth[:, k])
        weights[known, k] = case_weights(remedy, groups[known], truth[known, k])
    lost = [g for k in range(truth.shape[1]) for g in lacking(groups, truth[:, k])]
    return Emphasis(weights=weights), told_of(remedy, groups, weights[weights > 0], lacking=lost)


def lacking(groups: np.ndarray, truth: np.ndarray) -> list[str]:
    """Return the groups whose cases have one outcome alone: no weight can even that out.

    Examples
    --------
    >>> lacking(np.array(["a", "a", "b"]), np.array([0.0, 1.0, 0.0]))
    ['b']
    """
    known = np.isfinite(truth)
    return [
        str(name)
        for name in np.unique(groups[known].astype(str))
        if np.unique(truth[known][groups[known] == name]).size < 2
    ]


def case_weights(
    remedy: MitigationConfig, groups: np.ndarray, truth: np.ndarray | None
) -> np.ndarray:
    """Return what each case counts under reweighing or balanced sampling."""
    from models.weighting import balancing, reweighing

    if remedy.method == "balanced_sampling":
        return balancing(group_codes(groups))
    assert truth is not None  # reweighing is of an outcome
    return reweighing(groups, truth)


def told_of(
    remedy: MitigationConfig, groups: np.ndarray, weights: np.ndarray, **more: Any
) -> dict[str, Any]:
    """Return what training.json keeps of a mitigation: groups, and how unevenly cases count."""
    names, counts = np.unique(groups.astype(str), return_counts=True)
    effective = float(weights.sum()) ** 2 / float(np.square(weights).sum())
    return {
        "title": title_of(remedy),
        "groups": dict(zip(names.tolist(), counts.tolist(), strict=True)),
        "smallest_weight": float(weights.min()),
        "largest_weight": float(weights.max()),
        # Cases that count unevenly know less than as many that count alike (Kish).
        "effective_share": effective / weights.size,
        **more,
    }


def choose_candidate(
    candidates: "Sequence[Candidate]",
    scores: Sequence[np.ndarray],
    tune: Mapping[str, np.ndarray],
    point: OperatingPointConfig,
    remedy: MitigationConfig,
) -> tuple[int, dict[str, Any]]:
    """Return which model of the grid is released, and the figures on tune that it was chosen by.

    The rule: of the models whose AUC on tune is at most ``allowed_loss`` below that of the model
    without pressure, the one with the smallest gap in the constraint's rates at its own operating
    point; of equals the one with the highest AUC, then the first.

    Parameters
    ----------
    candidates : sequence of Candidate
        The model without pressure first.
    scores : sequence of ndarray, shape (n_tune,)
        Score of each tune case by each model.
    tune : mapping
        ``y_true``, ``group`` and ``patient_id`` of the tune cases.
    """
    from sklearn.metrics import roc_auc_score

    counted = _counted(tune, remedy.constraint)
    rows: list[dict[str, Any]] = []
    for one, score in zip(candidates, scores, strict=True):
        called = score >= _threshold(tune, score, point)
        gaps = [_spread(called, groups) for groups in counted.values()]
        rows.append(
            {
                "group": one.group,
                "cases": one.event,
                "strength": one.strength,
                "auc": float(roc_auc_score(tune["y_true"], score)),
                "gap": max(gaps) if gaps else None,
            }
        )
    floor = rows[0]["auc"] - remedy.allowed_loss
    able = [i for i, row in enumerate(rows) if row["auc"] >= floor and row["gap"] is not None]
    chosen = min(able, key=lambda i: (round(rows[i]["gap"], 12), -rows[i]["auc"], i), default=0)
    rule = (
        f"smallest gap in {remedy.constraint.replace('_', ' ')} on tune, at the operating point, "
        f"among models that lose at most {remedy.allowed_loss:g} of AUC"
    )
    if not counted:
        rule = f"fewer than two groups have {SMALL} patients to count on tune: no pressure"
    return chosen, {"rule": rule, "chosen": rows[chosen], "candidates": rows}


def _threshold(
    tune: Mapping[str, np.ndarray], score: np.ndarray, point: OperatingPointConfig
) -> float:
    if point.threshold is not None:
        return point.threshold
    kind = "sensitivity" if point.sensitivity is not None else "specificity"
    chosen = choose_threshold(
        tune["y_true"], score, patient_id=tune["patient_id"], **{kind: getattr(point, kind)}
    )
    return chosen.threshold


_EVENTS = {
    "demographic_parity": ("all",),
    "equalized_odds": ("ill", "well"),
    "true_positive_rate_parity": ("ill",),
}


def _counted(tune: Mapping[str, np.ndarray], constraint: str) -> dict[str, list[np.ndarray]]:
    """Return, for each rate of the constraint, the cases of each group that it is counted on.

    Nothing where one of its rates cannot be measured in two groups.
    """
    ill = np.asarray(tune["y_true"], bool)
    inside = {"all": np.ones(ill.size, bool), "ill": ill, "well": ~ill}
    known = sorted({str(name) for name in tune["group"]} - set(UNSURE))
    out = {}
    for event in _EVENTS[constraint]:
        groups = [inside[event] & (tune["group"] == name) for name in known]
        enough = [g for g in groups if np.unique(tune["patient_id"][g]).size >= SMALL]
        if len(enough) < 2:
            return {}
        out[event] = enough
    return out


def _spread(called: np.ndarray, groups: Sequence[np.ndarray]) -> float:
    rates = [float(called[group].mean()) for group in groups]
    return max(rates) - min(rates)
