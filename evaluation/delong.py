"""Two AUCs of the same cases: DeLong's paired test, clustered by patient."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.estimates import BoolArray, Estimate, FloatArray, IntArray, two_sided_z
from evaluation.metrics import METRICS
from evaluation.pairing import pair_of
from evaluation.samples import Sample, as_flags
from evaluation.statistic import estimate_of

IdArray = NDArray[np.generic]


@dataclass(frozen=True)
class PairedAuc:
    """Two AUCs and the difference between them.

    Parameters
    ----------
    a, b : Estimate
        AUC of each score.
    difference : Estimate
        B minus a, above 0 where b is better.
    p : float
        Two-sided p value of the difference; 1 where the scores are the same, nan where there is
        no AUC.

    Examples
    --------
    >>> ill = np.arange(60) % 3 == 0
    >>> a, b = np.sin(np.arange(60.0)), np.cos(np.arange(60.0))
    >>> found = paired_roc_auc(ill, a, b, patient_id=np.arange(60))
    >>> round(found.b.value - found.a.value - found.difference.value, 12)
    0.0
    """

    a: Estimate
    b: Estimate
    difference: Estimate
    p: float


def paired_roc_auc(
    y_true: BoolArray,
    score_a: FloatArray,
    score_b: FloatArray,
    *,
    patient_id: IdArray,
    level: float = 0.95,
) -> PairedAuc:
    """Difference of two AUCs of the same cases: DeLong's paired test [1]_, by patient [2]_.

    Parameters
    ----------
    y_true : ndarray of bool, shape (n_cases,)
        Reference standard; True is diseased.
    score_a, score_b : ndarray of float, shape (n_cases,)
        Two scores of the same cases; higher is more suspicious. A case that a tool failed on is
        ``-inf`` where it is diseased and ``inf`` where it is healthy: it counts as wrong.
    patient_id : ndarray, shape (n_cases,)
        Whose case it is: variances and their covariance are clustered by patient.
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    PairedAuc
        Differences lie in [-1, 1]. Scores that are the same differ by 0 with p = 1. An AUC that
        is perfect or rests on few cases takes limits made from those of both sides (MOVER
        [3]_), which keep a width where DeLong's variance is 0. Not estimable, with p nan, when
        one kind of case is missing.

    Raises
    ------
    ValueError
        If the arrays differ in shape or a score is nan.

    References
    ----------
    .. [1] DeLong ER et al. Biometrics 1988;44:837-845. doi:10.2307/2531595
    .. [2] Obuchowski NA. Biometrics 1997;53:567-578. doi:10.2307/2533958
    .. [3] Zou GY, Donner A. Stat Med 2008;27:1693-1702. doi:10.1002/sim.3095

    Examples
    --------
    >>> ill = np.array([True, True, True, False, False, False])
    >>> score = np.array([0.9, 0.8, 0.35, 0.7, 0.3, 0.2])
    >>> found = paired_roc_auc(ill, score, score, patient_id=np.arange(6))
    >>> found.difference.value, found.p
    (0.0, 1.0)
    """
    truth = as_flags(y_true, "y_true")
    given = {"score_a": score_a, "score_b": score_b, "patient_id": patient_id}
    shapes = {name: np.shape(values) for name, values in given.items()}
    if {truth.shape} != set(shapes.values()) or truth.ndim != 1:
        text = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"y_true {truth.shape}, {text} must match and have one axis")
    codes, n_patients = _codes(np.asarray(patient_id))
    a, b = (
        Sample(
            patient=codes, n_patients=n_patients, failed=np.zeros(truth.size, bool),
            y_true=truth, y_score=np.asarray(score, float), score_kind="score",
        )
        for score in (score_a, score_b)
    )  # fmt: skip
    metric = METRICS["roc_auc"]
    pair = pair_of(metric, a, b)
    first = estimate_of(pair.a, a, level=level, definition=metric.definition)
    second = estimate_of(pair.b, b, level=level, definition=metric.definition)
    low, high = pair.limits(two_sided_z(level))
    difference = Estimate(
        value=pair.value,
        low=low,
        high=high,
        n_cases=first.n_cases,
        n_patients=first.n_patients,
        n_positive=first.n_positive,
        n_failed=0,
        method=pair.method,
        state=pair.state,
        definition="AUC of b minus AUC of a, same cases",
        reason=pair.why,
    )
    return PairedAuc(first, second, difference, pair.p_value())


def _codes(patient_id: IdArray) -> tuple[IntArray, int]:
    """Return codes from 0 and how many there are; close whole numbers need no sorting."""
    if patient_id.size and np.issubdtype(patient_id.dtype, np.integer):
        least, most = int(patient_id.min()), int(patient_id.max())
        if most - least < 4 * patient_id.size:
            return (patient_id - least).astype(np.int64), most - least + 1
    names, codes = np.unique(patient_id, return_inverse=True)
    return codes.astype(np.int64), names.size
