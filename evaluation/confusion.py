"""Sensitivity, specificity, PPV and NPV: how often the decision is right."""

import numpy as np
from numpy.typing import NDArray

from evaluation.estimates import BoolArray, Estimate
from evaluation.samples import Sample
from evaluation.statistic import Statistic, estimate_of, share_of

IdArray = NDArray[np.generic]


def sensitivity_of(sample: Sample) -> Statistic:
    """Return the share of diseased cases called positive, as a `Statistic`."""
    ill = sample.y_true
    hit = ill & sample.worst_decisions
    return share_of(
        sample, hit.astype(float), ill.astype(float), none="0 positives",
        least="patients with the finding",
    )  # fmt: skip


def specificity_of(sample: Sample) -> Statistic:
    """Return the share of healthy cases called negative, as a `Statistic`."""
    well = ~sample.y_true
    hit = well & ~sample.worst_decisions
    return share_of(
        sample, hit.astype(float), well.astype(float), none="0 negatives",
        least="patients without the finding",
    )  # fmt: skip


def ppv_of(sample: Sample) -> Statistic:
    """Return the share of positive calls that are diseased, as a `Statistic`."""
    called = sample.worst_decisions
    hit = called & sample.y_true
    return share_of(
        sample, hit.astype(float), called.astype(float), none="no case was called positive",
        least="patients called positive",
    )  # fmt: skip


def npv_of(sample: Sample) -> Statistic:
    """Return the share of negative calls that are healthy, as a `Statistic`."""
    cleared = ~sample.worst_decisions
    hit = cleared & ~sample.y_true
    return share_of(
        sample, hit.astype(float), cleared.astype(float), none="no case was called negative",
        least="patients called negative",
    )  # fmt: skip


def sensitivity(
    y_true: BoolArray, y_pred: BoolArray, *, patient_id: IdArray, level: float = 0.95
) -> Estimate:
    """Share of diseased cases that the test calls positive (recall, true positive rate).

    Parameters
    ----------
    y_true : ndarray of bool, shape (n_cases,)
        Reference standard; True is diseased.
    y_pred : ndarray of bool, shape (n_cases,)
        The test's decision at its operating point.
    patient_id : ndarray, shape (n_cases,)
        Cases of one patient are not independent: the interval uses the effective n.
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    Estimate
        In [0, 1], with a Wilson interval [1]_ on the effective number of diseased cases;
        ``state="not_estimable"`` and nan when no case is diseased.

    Raises
    ------
    ValueError
        If the arrays differ in shape.

    References
    ----------
    .. [1] Wilson EB. J Am Stat Assoc 1927;22:209-212. doi:10.1080/01621459.1927.10502953

    Examples
    --------
    >>> ill = np.array([True, True, False])
    >>> sensitivity(ill, np.array([True, False, False]), patient_id=np.arange(3)).value
    0.5
    """
    sample = Sample.of_patients(patient_id, y_true=y_true, y_pred=y_pred)
    return estimate_of(
        sensitivity_of(sample), sample, level=level, definition="share of diseased called positive"
    )


def specificity(
    y_true: BoolArray, y_pred: BoolArray, *, patient_id: IdArray, level: float = 0.95
) -> Estimate:
    """Share of healthy cases that the test calls negative (true negative rate).

    Parameters
    ----------
    y_true, y_pred : ndarray of bool, shape (n_cases,)
        Reference standard and the test's decision.
    patient_id : ndarray, shape (n_cases,)
        Whose case it is.
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    Estimate
        In [0, 1], with Wilson's interval on effective n; not estimable when no case is healthy.

    Examples
    --------
    >>> ill = np.array([True, False, False])
    >>> specificity(ill, np.array([True, False, True]), patient_id=np.arange(3)).value
    0.5
    """
    sample = Sample.of_patients(patient_id, y_true=y_true, y_pred=y_pred)
    return estimate_of(
        specificity_of(sample), sample, level=level, definition="share of healthy called negative"
    )


def ppv(
    y_true: BoolArray, y_pred: BoolArray, *, patient_id: IdArray, level: float = 0.95
) -> Estimate:
    """Share of positive calls that are diseased (precision), at the prevalence of these cases.

    Parameters
    ----------
    y_true, y_pred : ndarray of bool, shape (n_cases,)
        Reference standard and the test's decision.
    patient_id : ndarray, shape (n_cases,)
        Whose case it is.
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    Estimate
        In [0, 1], with Wilson's interval on effective n; not estimable when none is called.

    Examples
    --------
    >>> ppv(np.array([True, False]), np.array([True, True]), patient_id=np.arange(2)).value
    0.5
    """
    sample = Sample.of_patients(patient_id, y_true=y_true, y_pred=y_pred)
    return estimate_of(
        ppv_of(sample), sample, level=level, definition="share of positive calls that are diseased"
    )


def npv(
    y_true: BoolArray, y_pred: BoolArray, *, patient_id: IdArray, level: float = 0.95
) -> Estimate:
    """Share of negative calls that are healthy, at the prevalence of these cases.

    Parameters
    ----------
    y_true, y_pred : ndarray of bool, shape (n_cases,)
        Reference standard and the test's decision.
    patient_id : ndarray, shape (n_cases,)
        Whose case it is.
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    Estimate
        In [0, 1], with Wilson's interval on effective n; not estimable when all are called.

    Examples
    --------
    >>> npv(np.array([True, False]), np.array([False, False]), patient_id=np.arange(2)).value
    0.5
    """
    sample = Sample.of_patients(patient_id, y_true=y_true, y_pred=y_pred)
    return estimate_of(
        npv_of(sample), sample, level=level, definition="share of negative calls that are healthy"
    )
