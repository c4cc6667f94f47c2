"""The operating point: where a score becomes a decision, chosen on tuning cases."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.confusion import sensitivity as sensitivity_at
from evaluation.confusion import specificity as specificity_at
from evaluation.estimates import BoolArray, Estimate, FloatArray
from evaluation.samples import as_flags


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and what it was chosen for; ``y_score >= threshold`` is positive.

    Parameters
    ----------
    threshold : float
        The operating point.
    criterion : str
        What it was to reach.
    reached : Estimate
        What it reaches on the cases it was chosen on.
    n_cases, n_patients, n_positive : int
        Those cases.
    chosen_on : frozenset of str
        Their ids, where they were given: none of them may be scored at this threshold.

    Examples
    --------
    >>> point = choose_threshold(np.array([0, 1, 1]), np.array([0.1, 0.4, 0.9]), sensitivity=0.9,
    ...                          case_id=np.array(["a", "b", "c"]))
    >>> point.decide(np.array([0.3, 0.7]), case_id=np.array(["d", "e"])).tolist()
    [False, True]
    """

    threshold: float
    criterion: str
    reached: Estimate
    n_cases: int
    n_patients: int
    n_positive: int
    chosen_on: frozenset[str] = frozenset()

    def decide(self, y_score: FloatArray, *, case_id: NDArray[np.generic]) -> BoolArray:
        """Return the decisions of other cases than those it was chosen on, or raise."""
        score = np.asarray(y_score, float)
        if score.shape != np.shape(case_id):
            raise ValueError(f"y_score {score.shape}, case_id {np.shape(case_id)} must match")
        require_apart(self.chosen_on, case_id)
        return score >= self.threshold


def require_apart(
    chosen_on: Iterable[object] | NDArray[np.generic],
    scored: Iterable[object] | NDArray[np.generic],
) -> None:
    """Raise where a threshold would be scored on cases it was chosen on.

    There it reaches what it was chosen to reach, whatever the tool is worth.

    Parameters
    ----------
    chosen_on, scored : iterable
        Ids of the cases; compared as text.

    Raises
    ------
    ValueError
        With the number of cases on both sides.

    Examples
    --------
    >>> require_apart(["a", "b"], ["c"])
    >>> require_apart(["a", "b"], ["b", "c"])
    Traceback (most recent call last):
    ...
    ValueError: 1 of 2 scored cases are among the 2 the threshold was chosen on
    """
    ours, theirs = {str(c) for c in chosen_on}, {str(c) for c in scored}
    both = ours & theirs
    if both:
        raise ValueError(
            f"{len(both)} of {len(theirs)} scored cases are among the {len(ours)} the threshold "
            "was chosen on"
        )


def choose_threshold(
    y_true: BoolArray,
    y_score: FloatArray,
    *,
    sensitivity: float | None = None,
    specificity: float | None = None,
    patient_id: NDArray[np.generic] | None = None,
    case_id: NDArray[np.generic] | None = None,
    level: float = 0.95,
) -> OperatingPoint:
    """Return the threshold that reaches a sensitivity, or a specificity, and costs least else.

    Parameters
    ----------
    y_true : ndarray of bool, shape (n_cases,)
        Reference standard of the tuning cases, which must not be the ones scored later.
    y_score : ndarray of float, shape (n_cases,)
        Score; higher is more suspicious. ``-inf`` is a case the tool failed on.
    sensitivity, specificity : float, optional
        What to reach, in (0, 1); exactly one of the two.
    patient_id : ndarray, shape (n_cases,), optional
        Whose case it is; without it each case is its own patient.
    case_id : ndarray, shape (n_cases,), optional
        Their ids, which the point keeps: it refuses to decide on them.
    level : float, default=0.95
        Confidence level of what is reached.

    Returns
    -------
    OperatingPoint

    Raises
    ------
    ValueError
        If neither or both are given, a score is nan, or no case can tell.

    Examples
    --------
    >>> ill = np.array([False, False, True, True, True])
    >>> point = choose_threshold(ill, np.array([0.1, 0.6, 0.4, 0.7, 0.9]), sensitivity=0.6)
    >>> point.threshold, round(point.reached.value, 3)
    (0.7, 0.667)
    """
    if (sensitivity is None) == (specificity is None):
        raise ValueError(
            f"sensitivity {sensitivity} and specificity {specificity}: exactly one must be given"
        )
    target = sensitivity if sensitivity is not None else specificity
    if target is None or not 0 < target < 1:
        raise ValueError(f"the operating point {target} must lie between 0 and 1")
    ill, score = as_flags(y_true, "y_true"), np.asarray(y_score, float)
    if ill.shape != score.shape:
        raise ValueError(f"y_true {ill.shape}, y_score {score.shape} must match")
    if case_id is not None and np.shape(case_id) != ill.shape:
        raise ValueError(f"y_true {ill.shape}, case_id {np.shape(case_id)} must match")
    if np.isnan(score).any():
        raise ValueError(f"y_score is nan in {int(np.isnan(score).sum())} of {score.size} cases")
    who = np.arange(ill.size) if patient_id is None else np.asarray(patient_id)
    kind = "sensitivity" if sensitivity is not None else "specificity"
    decide = ill if sensitivity is not None else ~ill
    if not decide.any():
        missing = "positives" if sensitivity is not None else "negatives"
        raise ValueError(f"0 {missing} among {ill.size} cases: no threshold for {kind} {target:g}")
    threshold = _highest(score[ill], target) if decide is ill else _lowest(score[~ill], target)
    if np.isinf(threshold):
        n_lost = int(np.isinf(score[decide]).sum())
        raise ValueError(
            f"{kind} {target:g} cannot be reached: {n_lost} of {int(decide.sum())} cases it is "
            "counted on have no score"
        )
    rate = sensitivity_at if decide is ill else specificity_at
    return OperatingPoint(
        threshold=threshold,
        criterion=f"{kind} {target:g}",
        reached=rate(ill, score >= threshold, patient_id=who, level=level),
        n_cases=ill.size,
        n_patients=int(np.unique(who).size),
        n_positive=int(ill.sum()),
        chosen_on=frozenset() if case_id is None else frozenset(str(c) for c in case_id),
    )


def _needed(n: int, target: float) -> int:
    # 0.9 of 10 is 9, whatever binary floats say.
    return max(1, int(np.ceil(n * target - 1e-9)))


def _highest(positives: FloatArray, target: float) -> float:
    """Return the highest score that still calls enough of the positives."""
    return float(np.sort(positives)[::-1][_needed(positives.size, target) - 1])


def _lowest(negatives: FloatArray, target: float) -> float:
    """Return the lowest threshold that leaves enough of the negatives below it."""
    return float(np.nextafter(np.sort(negatives)[_needed(negatives.size, target) - 1], np.inf))
