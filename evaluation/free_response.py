"""Free-response ROC: lesions found against false alarms per scan, from candidates with scores.

A candidate is a place the tool marks with a score. Of several that hit one lesion the highest
scored counts and the others are neither right nor wrong; one that hits no lesion is a false
alarm. At a wanted number of false alarms per scan the lowest threshold is taken that stays at or
below it: between two thresholds there is no operating point, so nothing is interpolated.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evaluation.estimates import BoolArray, Estimate, FloatArray, IntArray
from evaluation.resampling import Weights
from evaluation.samples import Sample
from evaluation.statistic import Statistic, estimate_of, share_of, undefined

RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""False alarms per scan at which lung nodule challenges read the curve."""

DEFINITION = (
    "share of lesions hit by a candidate above the threshold, at most so many false alarms per "
    "scan; the highest scored of several hits counts"
)


@dataclass(frozen=True)
class Froc:
    """What a detector finds at which price.

    Parameters
    ----------
    curve : DataFrame
        One row per threshold: ``threshold, false_per_scan, sensitivity``.
    at : DataFrame
        One row per wanted rate: ``false_per_scan, threshold, sensitivity, low, high, n_lesions,
        n_scans, n_patients, method, state, reason``.
    mean : Estimate
        Mean sensitivity over the wanted rates.
    """

    curve: pd.DataFrame
    at: pd.DataFrame
    mean: Estimate


@dataclass(frozen=True)
class _Events:
    """Candidates that count, highest score first."""

    patient: IntArray
    scan: IntArray
    score: FloatArray
    is_hit: BoolArray
    is_last: BoolArray
    """The last of those with one score: a threshold cannot part ties."""


def froc(
    score: FloatArray,
    scan: IntArray,
    lesion: IntArray,
    *,
    n_lesions: IntArray,
    patient_id: NDArray[np.generic],
    rng: np.random.Generator,
    rates: Sequence[float] = RATES,
    n_boot: int = 1000,
    level: float = 0.95,
) -> Froc:
    """Return the FROC curve [1]_ and its sensitivities at wanted rates, with intervals by patient.

    Parameters
    ----------
    score : ndarray of float, shape (n_candidates,)
        How sure the tool is; higher is surer.
    scan : ndarray of int, shape (n_candidates,)
        The scan each candidate is in, counted from 0.
    lesion : ndarray of int, shape (n_candidates,)
        The lesion of the scan it hits, counted from 0; -1 where it hits none.
    n_lesions : ndarray of int, shape (n_scans,)
        Lesions of each scan; a scan without candidates, or that failed, stays in.
    patient_id : ndarray, shape (n_scans,)
        Whose scan it is: patients are resampled, not candidates.
    rng : numpy.random.Generator
        The only source of chance.
    rates : sequence of float
        Wanted false alarms per scan.
    n_boot : int, default=1000
        Replicates; in each the threshold is chosen anew.
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    Froc
        Sensitivities are in [0, 1]; nan and ``not_estimable`` when no scan has a lesion. With few
        patients the interval is Wilson's on the effective number of lesions.

    Raises
    ------
    ValueError
        If arrays differ in shape, a score is nan, a scan or lesion does not exist, or a rate is
        negative.

    References
    ----------
    .. [1] Bandos AI et al. Biometrics 2009;65:247-256. doi:10.1111/j.1541-0420.2008.01049.x

    Examples
    --------
    >>> found = froc(
    ...     np.array([0.9, 0.8, 0.6, 0.4]), np.array([0, 1, 0, 1]), np.array([0, -1, 1, 0]),
    ...     n_lesions=np.array([2, 1]), patient_id=np.arange(2), rates=(0.0, 0.5),
    ...     rng=np.random.default_rng(0))
    >>> found.at["sensitivity"].round(2).tolist(), found.at["threshold"].tolist()
    ([0.33, 1.0], [0.9, 0.4])
    """
    score, scan, lesion = np.asarray(score, float), np.asarray(scan), np.asarray(lesion)
    n_lesions = np.asarray(n_lesions)
    _check(score, scan, lesion, n_lesions, np.asarray(patient_id), rates)
    sample = Sample.of_patients(
        np.asarray(patient_id), values={"n_lesions": n_lesions.astype(float)}
    )
    events = _events(score, scan, lesion, sample)
    per_patient = np.stack(
        [sample.by_patient(np.ones(n_lesions.size)), sample.by_patient(sample.values["n_lesions"])]
    )
    curve = _curve(events, per_patient)
    weights = Weights.draw(sample.n_patients, n_boot, rng)
    draws = _replicates(events, per_patient, rates, weights)
    statistics = [_at(sample, events, curve, rate) for rate in rates]
    rows = []
    for rate, (threshold, statistic), drawn in zip(rates, statistics, draws.T, strict=True):
        found = estimate_of(statistic, sample, level=level, definition=DEFINITION, draws=drawn)
        rows.append(_row(rate, threshold, found, int(n_lesions.sum())))
    mean = estimate_of(
        _mean([s for _, s in statistics]), sample, level=level, draws=draws.mean(axis=1),
        definition=f"mean over {', '.join(f'{r:g}' for r in rates)} false alarms per scan of the "
        + DEFINITION,
    )  # fmt: skip
    return Froc(curve, pd.DataFrame(rows), mean)


def _check(
    score: FloatArray,
    scan: IntArray,
    lesion: IntArray,
    n_lesions: IntArray,
    patient_id: NDArray[np.generic],
    rates: Sequence[float],
) -> None:
    if not (score.shape == scan.shape == lesion.shape and score.ndim == 1):
        raise ValueError(
            f"score {score.shape}, scan {scan.shape}, lesion {lesion.shape} must match"
        )
    if n_lesions.shape != patient_id.shape or n_lesions.ndim != 1:
        raise ValueError(f"n_lesions {n_lesions.shape}, patient_id {patient_id.shape} must match")
    if np.isnan(score).any():
        raise ValueError(f"score is nan in {int(np.isnan(score).sum())} of {score.size} candidates")
    if n_lesions.size and n_lesions.min() < 0:
        raise ValueError(f"n_lesions {n_lesions.min()} must not be negative")
    if scan.size and not (scan.min() >= 0 and scan.max() < n_lesions.size):
        raise ValueError(f"scan runs from {scan.min()} to {scan.max()} of {n_lesions.size} scans")
    odd = int(((lesion < -1) | (lesion >= n_lesions[scan])).sum()) if scan.size else 0
    if odd:
        raise ValueError(f"{odd} candidates hit a lesion that their scan does not have")
    if not rates or min(rates) < 0:
        raise ValueError(f"rates {tuple(rates)} must be some numbers of 0 or more")


def _events(score: FloatArray, scan: IntArray, lesion: IntArray, sample: Sample) -> _Events:
    order = np.lexsort((lesion, scan, -score))
    score, scan, lesion = score[order], scan[order], lesion[order]
    table = pd.DataFrame({"scan": scan, "lesion": lesion})
    is_hit = lesion >= 0
    counts = ~(table.duplicated().to_numpy() & is_hit)
    score, scan, is_hit = score[counts], scan[counts], is_hit[counts]
    is_last = np.append(score[1:] != score[:-1], True)[: score.size]
    return _Events(sample.patient[scan], scan, score, is_hit, is_last)


def _curve(events: _Events, per_patient: FloatArray) -> pd.DataFrame:
    n_scans, n_lesions = per_patient.sum(axis=1)
    last = events.is_last
    false = np.cumsum(~events.is_hit)[last] / max(n_scans, 1)
    hits = np.cumsum(events.is_hit)[last]
    found = hits / n_lesions if n_lesions else np.full(hits.size, np.nan)
    return pd.DataFrame(
        {"threshold": events.score[last], "false_per_scan": false, "sensitivity": found}
    )


def _threshold(curve: pd.DataFrame, rate: float) -> float:
    n = int(np.searchsorted(curve["false_per_scan"].to_numpy(), rate + 1e-12, side="right"))
    return float(curve["threshold"].iloc[n - 1]) if n else float("inf")


def _at(
    sample: Sample, events: _Events, curve: pd.DataFrame, rate: float
) -> tuple[float, Statistic]:
    threshold = _threshold(curve, rate)
    taken = events.is_hit & (events.score >= threshold)
    hits = np.bincount(events.scan[taken], minlength=sample.patient.size).astype(float)
    none = "no lesion is in any scan"
    return threshold, share_of(sample, hits, sample.values["n_lesions"], none=none)


def _mean(statistics: list[Statistic]) -> Statistic:
    first = statistics[0]
    if not np.isfinite(first.value):
        return undefined(first.reason)
    # The rates share patients and lesions, so influences are averaged, not variances.
    return Statistic(
        value=float(np.mean([s.value for s in statistics])),
        influence=np.mean([s.influence for s in statistics], axis=0),
        n_effective=min(s.n_effective for s in statistics),
        df=min(s.df for s in statistics),
        n_least=first.n_least,
        least=first.least,
        few=any(s.few for s in statistics),
        method=first.method,
    )


def _replicates(
    events: _Events, per_patient: FloatArray, rates: Sequence[float], weights: Weights
) -> FloatArray:
    """Return the sensitivity of each replicate at each rate, shape (n_boot, n_rates)."""
    wanted, rows = np.asarray(rates) + 1e-12, []
    last = np.flatnonzero(events.is_last)
    for block in weights.blocks:
        for drawn in block.T.astype(float):
            weight = drawn[events.patient]
            n_scans, n_lesions = per_patient @ drawn
            false = np.cumsum(weight * ~events.is_hit)[last]
            hits = np.append(0.0, np.cumsum(weight * events.is_hit)[last])
            n = np.searchsorted(false, wanted * n_scans, side="right")
            rows.append(hits[n] / n_lesions if n_lesions else np.full(wanted.size, np.nan))
    return np.array(rows)


def _row(rate: float, threshold: float, found: Estimate, n_lesions: int) -> dict[str, object]:
    return {
        "false_per_scan": float(rate),
        "threshold": threshold,
        "sensitivity": found.value,
        "low": found.low,
        "high": found.high,
        "n_lesions": n_lesions,
        "n_scans": found.n_cases,
        "n_patients": found.n_patients,
        "method": found.method,
        "state": found.state,
        "reason": found.reason,
    }
