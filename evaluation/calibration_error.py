"""Expected calibration error and its bins, beside what a perfectly calibrated model would show."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from evaluation.estimates import NOT_ESTIMABLE, BoolArray, Estimate, FloatArray, two_sided_z
from evaluation.groups import ALL, group_order
from evaluation.samples import Sample
from evaluation.statistic import (
    Statistic,
    effective_count,
    estimate_of,
    few_correction,
    limits_of,
    share_of,
    undefined,
)

if TYPE_CHECKING:
    from evaluation.cells import TargetCases
    from evaluation.further import Evaluated

IdArray = NDArray[np.generic]

N_BINS = 10
"""Bins of equal width between 0 and 1, the same for every group: an edge belongs to the upper."""

DEFINITION = "mean over cases of |observed rate − mean probability| of their bin, fixed bins on 0–1"

NO_INTERVAL = "no interval: chance alone makes an error; see what a perfect tool would show"

CALIBRATION_COLUMNS = [
    "target", "attribute", "group", "n_cases", "n_positive", "n_patients", "ece", "low", "high",
    "expected", "expected_high", "state", "reason",
]  # fmt: skip
BIN_COLUMNS = [
    "target", "attribute", "group", "bin", "edge_low", "edge_high", "n_cases", "n_positive",
    "predicted", "observed", "low", "high", "state",
]  # fmt: skip


@dataclass(frozen=True)
class CalibrationError:
    """Expected calibration error, and what chance alone makes of it.

    Parameters
    ----------
    found : Estimate
        The error of these cases, without an interval: chance only ever adds to it, so that limits
        around it leave out the truth of a well calibrated tool.
    expected, expected_high : float
        Mean and 95th percentile of the error of a perfectly calibrated model with these
        probabilities, in as many cases: what lies below is no sign of miscalibration.

    Examples
    --------
    >>> p = np.repeat([0.1, 0.9], [4, 2])
    >>> got = expected_calibration_error(np.array([0, 0, 0, 1, 1, 1]), p, patient_id=np.arange(6))
    >>> f"{got.found.value:.4f}, by chance {got.expected:.4f}, seldom over {got.expected_high:.4f}"
    '0.1333, by chance 0.1415, seldom over 0.2657'
    """

    found: Estimate
    expected: float
    expected_high: float


def bin_of(y_score: FloatArray, n_bins: int = N_BINS) -> NDArray[np.int64]:
    """Return the bin of each probability: equal widths on [0, 1], an edge belongs to the upper.

    Examples
    --------
    >>> bin_of(np.array([0.0, 0.3, 0.99, 1.0])).tolist()
    [0, 3, 9, 9]
    """
    edges = np.arange(1, n_bins) / n_bins
    return np.searchsorted(edges, y_score, "right").astype(np.int64)


def calibration_error_of(sample: Sample, n_bins: int = N_BINS) -> tuple[Statistic, float, float]:
    """Return the error as a `Statistic`, its expectation and 95th percentile under calibration."""
    scored = ~sample.failed
    p, y = sample.y_score[scored], sample.y_true[scored]
    n = p.size
    if n == 0:
        return undefined("no case has a probability"), float("nan"), float("nan")
    at = bin_of(p, n_bins)
    counts = np.bincount(at, minlength=n_bins)
    residual = y - p
    off = np.bincount(at, residual, minlength=n_bins)
    value = float(np.abs(off).sum()) / n
    patient = sample.patient[scored]
    seen = np.bincount(patient, minlength=sample.n_patients).astype(float)
    n_patients, worth = int((seen > 0).sum()), effective_count(seen)
    turned = np.sign(off)[at] * residual - value
    influence = np.bincount(patient, turned, minlength=sample.n_patients) / n
    centred = residual - (off / np.maximum(counts, 1))[at]
    design = _design_effect(sample, patient, at, centred, n_bins)
    expected, high = _under_calibration(p, at, counts, design)
    has_spread = bool(np.abs(influence).max() > 1e-12)
    statistic = Statistic(
        value=value,
        influence=influence * np.sqrt(few_correction(n_patients)),
        n_effective=float("nan") if has_spread else worth,
        df=max(worth - 1, 1.0),
        n_least=n_patients,
        method=NO_INTERVAL,
    )
    return statistic, expected, high


def _found(statistic: Statistic, sample: Sample, level: float) -> Estimate:
    """Return the error without limits.

    Those of linearisation held the truth of a calibrated tool in 3 of 10 samples of 100: the
    error is biased upwards, and by how much depends on the truth.
    """
    found = estimate_of(statistic, sample, level=level, definition=DEFINITION)
    if found.state == NOT_ESTIMABLE:
        return found
    return replace(found, low=float("nan"), high=float("nan"), method=NO_INTERVAL)


def _design_effect(
    sample: Sample, patient: NDArray[np.int64], at: NDArray[np.int64], centred: FloatArray, k: int
) -> float:
    """Return by how much cases of one patient widen the spread of a bin's residual."""
    if np.bincount(patient, minlength=1).max() < 2:
        return 1.0
    _, cell = np.unique(patient * k + at, return_inverse=True)
    together = np.square(np.bincount(cell, centred)).sum()
    apart = float(np.square(centred).sum())
    return max(float(together) / apart, 1.0) if apart > 0 else 1.0


def _under_calibration(
    p: FloatArray, at: NDArray[np.int64], counts: NDArray[np.int64], design: float
) -> tuple[float, float]:
    """Return mean and 95th percentile of the error when each probability is true.

    A bin's count is then binomial, whose mean deviation is known in closed form; the sum over
    bins is given the gamma distribution of its mean and variance.
    """
    used = counts > 0
    n = counts[used].astype(float)
    share = np.bincount(at, p, minlength=counts.size)[used] / n
    share = np.clip(share, 0.0, 1.0)
    deviation = _mean_deviation(n, share)
    spread = np.maximum(n * share * (1 - share) - deviation**2, 0.0)
    mean, variance = float(deviation.sum()), float(spread.sum())
    if mean <= 0 or variance <= 0:
        return mean / p.size, mean / p.size
    high = float(special.gammaincinv(mean**2 / variance, 0.95)) * variance / mean
    scale = np.sqrt(design) / p.size
    return mean * scale, high * scale


def _mean_deviation(n: FloatArray, share: FloatArray) -> FloatArray:
    """Return E|X − n p| of a binomial X, by de Moivre's closed form."""
    inside = (share > 0) & (share < 1)
    p = np.where(inside, share, 0.5)
    least = np.floor(n * p) + 1
    log = (
        special.gammaln(n + 1) - special.gammaln(least) - special.gammaln(n - least + 1)
        + least * np.log(p) + (n - least + 1) * np.log1p(-p)
    )  # fmt: skip
    return np.where(inside, 2 * np.exp(log), 0.0)


def expected_calibration_error(
    y_true: BoolArray,
    y_score: FloatArray,
    *,
    patient_id: IdArray,
    n_bins: int = N_BINS,
    level: float = 0.95,
) -> CalibrationError:
    """Mean distance of observed rate and probability over fixed bins (ECE) [1]_.

    A perfectly calibrated model has an error too, for the rate of a bin is counted on few cases:
    0.14 among 50 cases, 0.03 among 1,000. So the error stands beside what this model would show
    if each of its probabilities were true [2]_, and groups of different size must not be compared
    by it. For that, see `calibration_intercept` and `calibration_slope`.

    Parameters
    ----------
    y_true : ndarray of bool, shape (n_cases,)
        Reference standard; True is diseased.
    y_score : ndarray of float, shape (n_cases,)
        Probability of disease.
    patient_id : ndarray, shape (n_cases,)
        Whose case it is; cases alike within a patient raise what chance makes.
    n_bins : int, default=10
        Bins of equal width on [0, 1], never on the range of the data; an edge belongs to the bin
        above.
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    CalibrationError
        ``found`` in [0, 1], lower is better; not estimable when there is no case. Its ``low`` and
        ``high`` are nan: what it is held against is ``expected`` to ``expected_high``.

    Raises
    ------
    ValueError
        If a score lies outside [0, 1], or there is not at least one bin.

    References
    ----------
    .. [1] Naeini MP et al. Proc AAAI 2015;29:2901-2907. doi:10.1609/aaai.v29i1.9602
    .. [2] Diaconis P, Zabell S. Stat Sci 1991;6:284-302. doi:10.1214/ss/1177011699

    Examples
    --------
    >>> p = np.arange(41, 51) / 100
    >>> ill = np.arange(10) % 2 == 1
    >>> round(expected_calibration_error(ill, p, patient_id=np.arange(10)).found.value, 3)
    0.055
    """
    if n_bins < 1:
        raise ValueError(f"n_bins {n_bins} must be at least 1")
    sample = Sample.of_patients(
        patient_id, y_true=y_true, y_score=y_score, score_kind="probability"
    )
    statistic, expected, high = calibration_error_of(sample, n_bins)
    found = _found(statistic, sample, level)
    return CalibrationError(found, expected, high)


def calibration_bins(
    y_true: BoolArray,
    y_score: FloatArray,
    *,
    patient_id: IdArray,
    n_bins: int = N_BINS,
    level: float = 0.95,
) -> pd.DataFrame:
    """Observed rate and mean probability of each bin: the points of a calibration plot.

    Parameters
    ----------
    y_true : ndarray of bool, shape (n_cases,)
        Reference standard; True is diseased.
    y_score : ndarray of float, shape (n_cases,)
        Probability of disease.
    patient_id : ndarray, shape (n_cases,)
        Whose case it is.
    n_bins : int, default=10
        Bins of equal width on [0, 1]; an edge belongs to the bin above.
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    DataFrame
        A row for each bin, empty ones with nan among them: ``bin, edge_low, edge_high, n_cases,
        n_positive, predicted, observed, low, high, state``; limits of the observed rate are
        Wilson's on the effective n.

    Examples
    --------
    >>> p = np.repeat([0.1, 0.9], [4, 2])
    >>> found = calibration_bins(np.array([0, 0, 0, 1, 1, 1]), p, patient_id=np.arange(6))
    >>> found.loc[found["n_cases"] > 0, ["bin", "predicted", "observed"]].values.tolist()
    [[1.0, 0.1, 0.25], [9.0, 0.9, 1.0]]
    """
    sample = Sample.of_patients(
        patient_id, y_true=y_true, y_score=y_score, score_kind="probability"
    )
    return pd.DataFrame(_bins(sample, n_bins, level), columns=BIN_COLUMNS[3:])


def _bins(sample: Sample, n_bins: int, level: float) -> list[dict[str, object]]:
    scored = ~sample.failed
    at = np.where(scored, bin_of(np.where(scored, sample.y_score, 0.0), n_bins), -1)
    z = two_sided_z(level)
    rows: list[dict[str, object]] = []
    for j in range(n_bins):
        inside = at == j
        hit = inside & sample.y_true
        share = share_of(sample, hit.astype(float), inside.astype(float), none="no case")
        low = high = np.array([np.nan])
        if np.isfinite(share.value):
            low, high = limits_of([share], (0.0, 1.0), z)
        rows.append({
            "bin": j, "edge_low": j / n_bins, "edge_high": (j + 1) / n_bins,
            "n_cases": int(inside.sum()), "n_positive": int(hit.sum()),
            "predicted": float(sample.y_score[inside].mean()) if inside.any() else np.nan,
            "observed": share.value, "low": float(low[0]), "high": float(high[0]),
            "state": share.state,
        })  # fmt: skip
    return rows


def calibration_table(evaluated: "Evaluated") -> pd.DataFrame:
    """Return the calibration error of each target, and of each named group of primary targets.

    ``low`` and ``high`` are nan: the error stands beside ``expected`` and ``expected_high``.
    """
    rows = []
    for case, attribute, group, sample in _parts(evaluated):
        where = {"target": case.target, "attribute": attribute, "group": group}
        blocked = case.blocked.get("brier", "")
        statistic, expected, high = undefined(blocked), np.nan, np.nan
        if not blocked:
            statistic, expected, high = calibration_error_of(sample)
        found = _found(statistic, sample, evaluated.plan.level)
        left = scored_only(sample)
        words = [found.reason] if found.reason else []
        if found.n_failed and not blocked:
            words.append(f"{found.n_failed} failed cases have no probability and are left out")
        rows.append({
            **where, "n_cases": left.patient.size, "n_positive": int(left.y_true.sum()),
            "n_patients": int(np.unique(left.patient).size), "ece": found.value, "low": found.low,
            "high": found.high, "expected": expected, "expected_high": high,
            "state": found.state, "reason": "; ".join(words),
        })  # fmt: skip
    return pd.DataFrame(rows, columns=CALIBRATION_COLUMNS)


def calibration_bins_table(evaluated: "Evaluated") -> pd.DataFrame:
    """Return the bins of each target, and of each named group of primary targets."""
    rows: list[dict[str, object]] = []
    for case, attribute, group, sample in _parts(evaluated):
        if "brier" in case.blocked or not (~sample.failed).any():
            continue
        where = {"target": case.target, "attribute": attribute, "group": group}
        rows += [where | row for row in _bins(sample, N_BINS, evaluated.plan.level)]
    return pd.DataFrame(rows, columns=BIN_COLUMNS)


def _parts(evaluated: "Evaluated") -> "list[tuple[TargetCases, str, str, Sample]]":
    """Return all cases of each target, and the named groups of primary targets."""
    plan = evaluated.plan
    if plan.task != "classification":
        return []
    codes = np.arange(evaluated.n_patients)
    out = []
    for case in evaluated.targets:
        out.append((case, ALL, ALL, case.sample))
        if case.target not in plan.primary_targets:
            continue
        for attribute in plan.prespecified:
            labels = case.groups[attribute]
            for group in group_order(dict.fromkeys(labels.tolist())):
                sample = case.sample.take(labels == group, codes, codes.size)
                out.append((case, attribute, group, sample))
    return out


def scored_only(sample: Sample) -> Sample:
    """Return the cases that have a score: a failed one has no probability to calibrate.

    Examples
    --------
    >>> part = Sample(patient=np.arange(2), n_patients=2, failed=np.array([True, False]),
    ...               y_true=np.array([True, False]), y_score=np.array([np.nan, 0.2]))
    >>> scored_only(part).patient.tolist()
    [1]
    """
    return sample.take(~sample.failed, np.arange(sample.n_patients), sample.n_patients)
