"""Rates of a decision: sensitivity, specificity, PPV, NPV, accuracy, and who is called positive."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from evaluation.estimates import (
    NOT_ESTIMABLE,
    BoolArray,
    Estimate,
    clopper_pearson,
)
from evaluation.samples import Sample
from evaluation.statistic import Statistic, estimate_of, share_of

IdArray = NDArray[np.generic]

ILL, WELL = "patients with the finding", "patients without the finding"
INTERVALS = ("wilson", "clopper-pearson")


def _share(sample: Sample, hit: BoolArray, counted: BoolArray, none: str, least: str) -> Statistic:
    return share_of(sample, hit.astype(float), counted.astype(float), none=none, least=least)


def sensitivity_of(sample: Sample) -> Statistic:
    """Return the share of diseased cases called positive, as a `Statistic`."""
    ill = sample.y_true
    return _share(sample, ill & sample.worst_decisions, ill, "0 positives", ILL)


def specificity_of(sample: Sample) -> Statistic:
    """Return the share of healthy cases called negative, as a `Statistic`."""
    well = ~sample.y_true
    return _share(sample, well & ~sample.worst_decisions, well, "0 negatives", WELL)


def false_negative_rate_of(sample: Sample) -> Statistic:
    """Return the share of diseased cases not called, as a `Statistic`."""
    ill = sample.y_true
    return _share(sample, ill & ~sample.worst_decisions, ill, "0 positives", ILL)


def false_positive_rate_of(sample: Sample) -> Statistic:
    """Return the share of healthy cases called positive, as a `Statistic`."""
    well = ~sample.y_true
    return _share(sample, well & sample.worst_decisions, well, "0 negatives", WELL)


def ppv_of(sample: Sample) -> Statistic:
    """Return the share of positive calls that are diseased, as a `Statistic`."""
    called = sample.worst_decisions
    return _share(
        sample, called & sample.y_true, called, "no case was called positive",
        "patients called positive",
    )  # fmt: skip


def npv_of(sample: Sample) -> Statistic:
    """Return the share of negative calls that are healthy, as a `Statistic`."""
    cleared = ~sample.worst_decisions
    return _share(
        sample,
        cleared & ~sample.y_true,
        cleared,
        "no case was called negative",
        "patients called negative",
    )


def accuracy_of(sample: Sample) -> Statistic:
    """Return the share of cases decided rightly, as a `Statistic`."""
    right = sample.worst_decisions == sample.y_true
    return _share(sample, right, np.ones_like(right), "no case", "patients")


def selection_rate_of(sample: Sample) -> Statistic:
    """Return the share of cases called positive, as a `Statistic`."""
    called = sample.worst_decisions
    return _share(sample, called, np.ones_like(called), "no case", "patients")


def _estimate(
    function: str,
    y_true: BoolArray,
    y_pred: BoolArray,
    patient_id: IdArray,
    level: float,
    interval: str = "wilson",
) -> Estimate:
    """Return one of the rates above, with the interval asked for."""
    if interval not in INTERVALS:
        raise ValueError(f"interval '{interval}' is none of {', '.join(INTERVALS)}")
    sample = Sample.of_patients(patient_id, y_true=y_true, y_pred=y_pred)
    of, definition = RATES[function]
    statistic = of(sample)
    found = estimate_of(statistic, sample, level=level, definition=definition)
    if interval == "wilson" or found.state == NOT_ESTIMABLE:
        return found
    n = statistic.n_effective
    low, high = clopper_pearson(statistic.value * n, n, level=level)
    return replace(found, low=low, high=high, method="Clopper–Pearson on effective n")


def sensitivity(
    y_true: BoolArray,
    y_pred: BoolArray,
    *,
    patient_id: IdArray,
    level: float = 0.95,
    interval: str = "wilson",
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
    interval : {"wilson", "clopper-pearson"}
        Wilson's interval [1]_, or the exact one [2]_, which never falls short and is often wide.

    Returns
    -------
    Estimate
        In [0, 1], its interval on the effective number of diseased cases;
        ``state="not_estimable"`` and nan when no case is diseased.

    Raises
    ------
    ValueError
        If the arrays differ in shape, hold anything but 0 and 1, or the interval is unknown.

    References
    ----------
    .. [1] Wilson EB. J Am Stat Assoc 1927;22:209-212. doi:10.1080/01621459.1927.10502953
    .. [2] Clopper CJ, Pearson ES. Biometrika 1934;26:404-413. doi:10.1093/biomet/26.4.404

    Examples
    --------
    >>> ill = np.array([True, True, False])
    >>> sensitivity(ill, np.array([True, False, False]), patient_id=np.arange(3)).value
    0.5
    """
    return _estimate("sensitivity", y_true, y_pred, patient_id, level, interval)


def specificity(
    y_true: BoolArray,
    y_pred: BoolArray,
    *,
    patient_id: IdArray,
    level: float = 0.95,
    interval: str = "wilson",
) -> Estimate:
    """Share of healthy cases that the test calls negative (true negative rate).

    Parameters
    ----------
    y_true, y_pred : ndarray of bool, shape (n_cases,)
        Reference standard and the test's decision.
    patient_id : ndarray, shape (n_cases,)
        Whose case it is: the interval uses the effective n.
    level : float, default=0.95
        Confidence level, in (0, 1).
    interval : {"wilson", "clopper-pearson"}
        How the interval is made; see `sensitivity`.

    Returns
    -------
    Estimate
        In [0, 1]; not estimable when no case is healthy.

    Examples
    --------
    >>> ill = np.array([True, False, False])
    >>> specificity(ill, np.array([True, False, True]), patient_id=np.arange(3)).value
    0.5
    """
    return _estimate("specificity", y_true, y_pred, patient_id, level, interval)


def ppv(
    y_true: BoolArray,
    y_pred: BoolArray,
    *,
    patient_id: IdArray,
    level: float = 0.95,
    interval: str = "wilson",
) -> Estimate:
    """Share of positive calls that are diseased (precision), at the prevalence of these cases.

    Parameters
    ----------
    y_true, y_pred : ndarray of bool, shape (n_cases,)
        Reference standard and the test's decision.
    patient_id : ndarray, shape (n_cases,)
        Whose case it is: the interval uses the effective n.
    level : float, default=0.95
        Confidence level, in (0, 1).
    interval : {"wilson", "clopper-pearson"}
        How the interval is made; see `sensitivity`.

    Returns
    -------
    Estimate
        In [0, 1]; not estimable when none is called.

    Examples
    --------
    >>> ppv(np.array([True, False]), np.array([True, True]), patient_id=np.arange(2)).value
    0.5
    """
    return _estimate("ppv", y_true, y_pred, patient_id, level, interval)


def npv(
    y_true: BoolArray,
    y_pred: BoolArray,
    *,
    patient_id: IdArray,
    level: float = 0.95,
    interval: str = "wilson",
) -> Estimate:
    """Share of negative calls that are healthy, at the prevalence of these cases.

    Parameters
    ----------
    y_true, y_pred : ndarray of bool, shape (n_cases,)
        Reference standard and the test's decision.
    patient_id : ndarray, shape (n_cases,)
        Whose case it is: the interval uses the effective n.
    level : float, default=0.95
        Confidence level, in (0, 1).
    interval : {"wilson", "clopper-pearson"}
        How the interval is made; see `sensitivity`.

    Returns
    -------
    Estimate
        In [0, 1]; not estimable when all are called.

    Examples
    --------
    >>> npv(np.array([True, False]), np.array([False, False]), patient_id=np.arange(2)).value
    0.5
    """
    return _estimate("npv", y_true, y_pred, patient_id, level, interval)


def false_negative_rate(
    y_true: BoolArray,
    y_pred: BoolArray,
    *,
    patient_id: IdArray,
    level: float = 0.95,
    interval: str = "wilson",
) -> Estimate:
    """Share of diseased cases that the test does not call: the underdiagnosis rate.

    Parameters
    ----------
    y_true, y_pred : ndarray of bool, shape (n_cases,)
        Reference standard and the test's decision.
    patient_id : ndarray, shape (n_cases,)
        Whose case it is: the interval uses the effective n.
    level : float, default=0.95
        Confidence level, in (0, 1).
    interval : {"wilson", "clopper-pearson"}
        How the interval is made; see `sensitivity`.

    Returns
    -------
    Estimate
        In [0, 1], lower is better; not estimable when no case is diseased.

    Examples
    --------
    >>> ill = np.array([True, True, False])
    >>> called = np.array([True, False, False])
    >>> false_negative_rate(ill, called, patient_id=np.arange(3)).value
    0.5
    """
    return _estimate("false_negative_rate", y_true, y_pred, patient_id, level, interval)


def false_positive_rate(
    y_true: BoolArray,
    y_pred: BoolArray,
    *,
    patient_id: IdArray,
    level: float = 0.95,
    interval: str = "wilson",
) -> Estimate:
    """Share of healthy cases that the test calls positive: false alarms.

    Parameters
    ----------
    y_true, y_pred : ndarray of bool, shape (n_cases,)
        Reference standard and the test's decision.
    patient_id : ndarray, shape (n_cases,)
        Whose case it is: the interval uses the effective n.
    level : float, default=0.95
        Confidence level, in (0, 1).
    interval : {"wilson", "clopper-pearson"}
        How the interval is made; see `sensitivity`.

    Returns
    -------
    Estimate
        In [0, 1], lower is better; not estimable when no case is healthy.

    Examples
    --------
    >>> ill = np.array([True, False, False])
    >>> called = np.array([True, False, True])
    >>> false_positive_rate(ill, called, patient_id=np.arange(3)).value
    0.5
    """
    return _estimate("false_positive_rate", y_true, y_pred, patient_id, level, interval)


def accuracy(
    y_true: BoolArray,
    y_pred: BoolArray,
    *,
    patient_id: IdArray,
    level: float = 0.95,
    interval: str = "wilson",
) -> Estimate:
    """Share of cases decided rightly; with a rare finding, high for a test that finds none.

    Parameters
    ----------
    y_true, y_pred : ndarray of bool, shape (n_cases,)
        Reference standard and the test's decision.
    patient_id : ndarray, shape (n_cases,)
        Whose case it is: the interval uses the effective n.
    level : float, default=0.95
        Confidence level, in (0, 1).
    interval : {"wilson", "clopper-pearson"}
        How the interval is made; see `sensitivity`.

    Returns
    -------
    Estimate
        In [0, 1]; not estimable when there is no case.

    Examples
    --------
    >>> ill = np.array([True, False, False, False])
    >>> accuracy(ill, np.zeros(4, bool), patient_id=np.arange(4)).value
    0.75
    """
    return _estimate("accuracy", y_true, y_pred, patient_id, level, interval)


def selection_rate(
    y_true: BoolArray,
    y_pred: BoolArray,
    *,
    patient_id: IdArray,
    level: float = 0.95,
    interval: str = "wilson",
) -> Estimate:
    """Share of cases called positive, sick or not; neither high nor low is better.

    Parameters
    ----------
    y_true, y_pred : ndarray of bool, shape (n_cases,)
        Reference standard and the test's decision.
    patient_id : ndarray, shape (n_cases,)
        Whose case it is: the interval uses the effective n.
    level : float, default=0.95
        Confidence level, in (0, 1).
    interval : {"wilson", "clopper-pearson"}
        How the interval is made; see `sensitivity`.

    Returns
    -------
    Estimate
        In [0, 1]; not estimable when there is no case.

    Examples
    --------
    >>> ill = np.array([True, False, False, False])
    >>> selection_rate(ill, ~ill, patient_id=np.arange(4)).value
    0.75
    """
    return _estimate("selection_rate", y_true, y_pred, patient_id, level, interval)


RATES = {
    "sensitivity": (sensitivity_of, "share of diseased called positive"),
    "specificity": (specificity_of, "share of healthy called negative"),
    "ppv": (ppv_of, "share of positive calls that are diseased"),
    "npv": (npv_of, "share of negative calls that are healthy"),
    "false_negative_rate": (false_negative_rate_of, "share of diseased not called"),
    "false_positive_rate": (false_positive_rate_of, "share of healthy called positive"),
    "accuracy": (accuracy_of, "share of cases decided rightly"),
    "selection_rate": (selection_rate_of, "share of cases called positive"),
}
