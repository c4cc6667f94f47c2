"""Net benefit: is acting on the tool better than treating everyone, or no one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evaluation.estimates import (
    NOT_ESTIMABLE,
    OK,
    SMALL,
    SMALL_N,
    BoolArray,
    Estimate,
    FloatArray,
    critical,
    two_sided_z,
)
from evaluation.samples import Sample
from evaluation.statistic import effective_count, few_correction

if TYPE_CHECKING:
    from evaluation.further import Evaluated

IdArray = NDArray[np.generic]

THRESHOLDS: FloatArray = np.arange(1, 100) / 100
"""Threshold probabilities of the table of a run."""

DEFINITION = (
    "true positives per case minus false positives per case × the odds of the threshold; failed "
    "cases count as wrong: a diseased one as not flagged, a healthy one as flagged"
)

CURVE_COLUMNS = [
    "threshold", "n_cases", "n_patients", "n_positive", "net_benefit", "low", "high", "treat_all",
    "treat_none", "standardised", "state", "reason", "over_all", "over_all_low", "over_all_high",
    "over_all_state",
]  # fmt: skip


@dataclass(frozen=True)
class Curve:
    """True and false positives at each threshold, and the net benefit made of them.

    Parameters
    ----------
    odds : ndarray, shape (n_thresholds,)
        What a false positive costs in true positives.
    true_positive, false_positive : ndarray, shape (n_thresholds,)
        Cases called at each threshold.
    n_cases, n_positive : int
        Cases, and those with the finding.
    """

    odds: FloatArray
    true_positive: FloatArray
    false_positive: FloatArray
    n_cases: int
    n_positive: int

    @property
    def net_benefit(self) -> FloatArray:
        """Net benefit of acting on the tool."""
        with np.errstate(invalid="ignore", divide="ignore"):
            out: FloatArray = (self.true_positive - self.odds * self.false_positive) / np.float64(
                self.n_cases
            )
        return out

    @property
    def prevalence(self) -> float:
        """Share of cases with the finding."""
        return self.n_positive / self.n_cases if self.n_cases else float("nan")

    @property
    def treat_all(self) -> FloatArray:
        """Net benefit of treating everyone."""
        out: FloatArray = self.prevalence - (1 - self.prevalence) * self.odds
        return out


def curve_of(y_true: BoolArray, y_score: FloatArray, thresholds: FloatArray) -> Curve:
    """Return the counts at each threshold: each kind sorted once, the thresholds looked up.

    Examples
    --------
    >>> found = curve_of(np.array([True, False]), np.array([0.8, 0.3]), np.array([0.2, 0.5]))
    >>> found.net_benefit.tolist()
    [0.375, 0.5]
    """
    ill, well = np.sort(y_score[y_true]), np.sort(y_score[~y_true])
    return Curve(
        odds=thresholds / (1 - thresholds),
        true_positive=(ill.size - np.searchsorted(ill, thresholds, "left")).astype(float),
        false_positive=(well.size - np.searchsorted(well, thresholds, "left")).astype(float),
        n_cases=y_true.size,
        n_positive=ill.size,
    )


@dataclass(frozen=True)
class _Squares:
    """Sums over patients, at each threshold: of squares of what each patient adds to the counts.

    ``true``, ``false`` and ``cross`` are of true positives², false positives² and their product;
    ``true_n`` and ``false_n`` those of the counts times the patient's cases; ``called`` is the
    number of patients with a call.
    """

    true: FloatArray
    false: FloatArray
    cross: FloatArray
    true_n: FloatArray
    false_n: FloatArray
    called: FloatArray


def _squares(
    sample: Sample, reached: NDArray[np.intp], k: int, per_patient: FloatArray
) -> _Squares:
    """Return the sums of squares by one sort, whatever the number of thresholds, k.

    `reached` is the number of thresholds at which a case is counted, the first of them. Cases of
    a patient are added from the highest down: the r-th true positive raises the patient's square
    by 2 r - 1 from its own threshold on, and so each case has a fixed share.
    """
    order = np.argsort(sample.patient * (k + 1) + (k - reached))
    who, reached = sample.patient[order], reached[order]
    ill = sample.y_true[order]
    first = np.flatnonzero(np.diff(who, prepend=-1))
    start = np.repeat(first, np.diff(first, append=who.size))
    counted = np.concatenate([[0], np.cumsum(ill)])
    rank_ill = counted[1:] - counted[start]
    rank_well = np.arange(1, who.size + 1) - start - rank_ill
    together = per_patient[who]

    def above(weight: FloatArray) -> FloatArray:
        totals = np.bincount(reached, weight, minlength=k + 1)[::-1].cumsum()[::-1]
        return totals[1:].astype(float)

    return _Squares(
        true=above(np.where(ill, 2.0 * rank_ill - 1, 0.0)),
        false=above(np.where(ill, 0.0, 2.0 * rank_well - 1)),
        cross=above(np.where(ill, rank_well, rank_ill).astype(float)),
        true_n=above(np.where(ill, together, 0.0)),
        false_n=above(np.where(ill, 0.0, together)),
        called=np.bincount(reached[first], minlength=k + 1)[::-1].cumsum()[::-1][1:].astype(float),
    )


def _standard_errors(
    sample: Sample, curve: Curve, thresholds: FloatArray
) -> tuple[FloatArray, FloatArray, float]:
    """Return the standard error at each threshold, the patients called, degrees of freedom."""
    per_patient = sample.by_patient(np.ones(sample.patient.size))
    reached = np.searchsorted(thresholds, sample.worst_scores, "right")
    return _errors_of(sample, curve, reached, per_patient)


def _over_all(
    sample: Sample, curve: Curve, thresholds: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """Return net benefit less that of treating everyone, its standard error, those not called.

    Treating everyone calls those cases too that the tool does not: the difference is what is
    spared in false alarms, less what is missed. It is the net benefit of calling them, turned.
    """
    k = thresholds.size
    per_patient = sample.by_patient(np.ones(sample.patient.size))
    left = Curve(
        odds=curve.odds[::-1],
        true_positive=curve.n_positive - curve.true_positive[::-1],
        false_positive=curve.n_cases - curve.n_positive - curve.false_positive[::-1],
        n_cases=curve.n_cases,
        n_positive=curve.n_positive,
    )
    reached = k - np.searchsorted(thresholds, sample.worst_scores, "right")
    se, spared, df = _errors_of(sample, left, reached, per_patient)
    return -left.net_benefit[::-1], se[::-1], spared[::-1], df


def _errors_of(
    sample: Sample, curve: Curve, reached: NDArray[np.intp], per_patient: FloatArray
) -> tuple[FloatArray, FloatArray, float]:
    """Return standard errors, patients counted at each threshold, degrees of freedom."""
    n, worth = curve.n_cases, effective_count(per_patient)
    if per_patient.max(initial=0) <= 1:
        true, false = curve.true_positive, curve.false_positive
        s = _Squares(true, false, np.zeros_like(true), true, false, true + false)
    else:
        s = _squares(sample, reached, curve.odds.size, per_patient)
    value, odds = curve.net_benefit, curve.odds
    square = s.true - 2 * odds * s.cross + odds**2 * s.false
    rounding = 1e-12 * (s.true + odds**2 * s.false)
    square += -2 * value * (s.true_n - odds * s.false_n)
    square += value**2 * float(np.square(per_patient).sum())
    n_patients = int((per_patient > 0).sum())
    # What rounding leaves where every patient adds the same is no spread.
    variance = np.where(square > rounding, square, 0) / n**2 * few_correction(n_patients)
    return np.sqrt(variance), s.called, max(worth - 1, 1.0)


def _curve_rows(sample: Sample, thresholds: FloatArray, level: float) -> pd.DataFrame:
    """Return the curve of a sample with its limits."""
    curve = curve_of(sample.y_true, sample.worst_scores, thresholds)
    n_patients = int((np.bincount(sample.patient, minlength=1) > 0).sum())
    value = curve.net_benefit
    se, called, df = np.zeros_like(value), np.zeros_like(value), 1.0
    over, over_se, spared = np.full_like(value, np.nan), se, called
    if curve.n_cases:
        se, called, df = _standard_errors(sample, curve, thresholds)
        over, over_se, spared, _ = _over_all(sample, curve, thresholds)
    t = float(critical(two_sided_z(level), df))
    half = np.where(se > 0, t * se, np.nan)
    over_half = np.where(over_se > 0, t * over_se, np.nan)
    prevalence = curve.prevalence
    reasons = _reasons(sample, called)
    return pd.DataFrame(
        {
            "threshold": thresholds,
            "n_cases": curve.n_cases,
            "n_patients": n_patients,
            "n_positive": curve.n_positive,
            "net_benefit": value,
            # Another sample has another prevalence: only the ends of the scale hold for all.
            "low": np.maximum(value - half, -curve.odds),
            "high": np.minimum(value + half, 1.0),
            "treat_all": curve.treat_all,
            "treat_none": 0.0 if curve.n_cases else np.nan,
            "standardised": value / prevalence if curve.n_positive else np.nan,
            "state": [state for state, _ in reasons],
            "reason": [why for _, why in reasons],
            "over_all": over,
            # At best all false alarms are spared, at worst all with the finding are missed.
            "over_all_low": np.maximum(over - over_half, -1.0),
            "over_all_high": np.minimum(over + over_half, curve.odds),
            "over_all_state": [state for state, _ in _reasons(sample, spared)],
        },
        columns=CURVE_COLUMNS,
    )


def _reasons(sample: Sample, called: FloatArray) -> list[tuple[str, str]]:
    """Return for each threshold whether the figure may be read, and why not.

    `called` are the patients on whom the figure rests at each threshold.
    """
    if not sample.patient.size:
        return [(NOT_ESTIMABLE, "no case")] * called.size
    n_failed = int(sample.failed.sum())
    fine = f"{n_failed} failed cases count as wrong" if n_failed else ""
    ill = np.unique(sample.patient[sample.y_true]).size
    well = np.unique(sample.patient[~sample.y_true]).size
    out = []
    for count in called.astype(int):
        counts = {"with the finding": ill, "without the finding": well, "called positive": count}
        what = min(counts, key=lambda name: counts[name])
        if count == 0:
            out.append((SMALL_N, "no case is called positive: no interval"))
        elif counts[what] < SMALL:
            out.append((SMALL_N, f"{counts[what]} patients {what}; {SMALL} are needed"))
        else:
            out.append((OK, fine))
    return out


def _checked(thresholds: FloatArray) -> FloatArray:
    given = np.unique(np.asarray(thresholds, float))
    if given.size == 0 or not (given[0] >= 0 and given[-1] < 1):
        raise ValueError(
            f"thresholds {given[:1]} to {given[-1:]}: there must be one, and a threshold "
            "probability lies in [0, 1)"
        )
    return given


def decision_curve(
    y_true: BoolArray,
    y_score: FloatArray,
    thresholds: FloatArray = THRESHOLDS,
    *,
    patient_id: IdArray,
    level: float = 0.95,
) -> pd.DataFrame:
    """Net benefit over threshold probabilities (decision curve) [1]_, with intervals by patient.

    The threshold probability says how many false alarms a found case is worth: at 0.1, nine. Net
    benefit counts true positives per case, less false positives at that price, so that it may be
    held against treating everyone and treating no one (0).

    Parameters
    ----------
    y_true : ndarray of bool, shape (n_cases,)
        Reference standard; True is diseased.
    y_score : ndarray of float, shape (n_cases,)
        Probability of disease; at the threshold or above is called positive.
    thresholds : ndarray of float
        Threshold probabilities, in [0, 1); returned in order, each once.
    patient_id : ndarray, shape (n_cases,)
        Whose case it is.
    level : float, default=0.95
        Confidence level, in (0, 1), at each threshold by itself.

    Returns
    -------
    DataFrame
        A row per threshold: ``threshold, n_cases, n_patients, n_positive, net_benefit, low, high,
        treat_all, treat_none, standardised, state, reason, over_all, over_all_low, over_all_high,
        over_all_state``. ``standardised`` is net benefit over prevalence [2]_, 1 at best, nan
        without a diseased case. Limits are linearised by patient with a t quantile, nan where no
        case is called; they hold the chance in the prevalence too, and so may lie above the
        sample's. ``over_all`` is net benefit less that of treating everyone, in the same patients:
        its limits are those of the paired difference, nan where every case is called. Treating no
        one has a net benefit of 0, so that ``low`` and ``high`` are the limits of that difference.

    Raises
    ------
    ValueError
        If a score lies outside [0, 1] or a threshold outside [0, 1).

    References
    ----------
    .. [1] Vickers AJ, Elkin EB. Med Decis Making 2006;26:565-574. doi:10.1177/0272989X06295361
    .. [2] Kerr KF et al. J Clin Oncol 2016;34:2534-2540. doi:10.1200/JCO.2015.65.5654

    Examples
    --------
    >>> ill = np.arange(40) % 4 == 0
    >>> p = np.where(ill, 0.6, 0.05 * (np.arange(40) % 5))
    >>> found = decision_curve(ill, p, np.array([0.1, 0.3]), patient_id=np.arange(40))
    >>> found[["threshold", "net_benefit", "treat_all"]].round(4).values.tolist()
    [[0.1, 0.2, 0.1667], [0.3, 0.25, -0.0714]]
    """
    sample = Sample.of_patients(
        patient_id, y_true=y_true, y_score=y_score, score_kind="probability"
    )
    return _curve_rows(sample, _checked(thresholds), level)


def net_benefit(
    y_true: BoolArray,
    y_score: FloatArray,
    threshold: float,
    *,
    patient_id: IdArray,
    level: float = 0.95,
) -> Estimate:
    """Net benefit at one threshold probability; see `decision_curve`.

    Parameters
    ----------
    y_true : ndarray of bool, shape (n_cases,)
        Reference standard; True is diseased.
    y_score : ndarray of float, shape (n_cases,)
        Probability of disease.
    threshold : float
        Threshold probability, in [0, 1).
    patient_id : ndarray, shape (n_cases,)
        Whose case it is.
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    Estimate
        At most the sample's prevalence; below 0 the tool does more harm than treating no one.
        The interval may reach above that prevalence, which is an estimate itself.

    Examples
    --------
    >>> ill = np.arange(40) % 4 == 0
    >>> p = np.where(ill, 0.6, 0.05 * (np.arange(40) % 5))
    >>> round(net_benefit(ill, p, 0.3, patient_id=np.arange(40)).value, 4)
    0.25
    """
    row = decision_curve(
        y_true, y_score, np.array([threshold]), patient_id=patient_id, level=level
    ).iloc[0]
    return Estimate(
        value=float(row["net_benefit"]),
        low=float(row["low"]),
        high=float(row["high"]),
        n_cases=int(row["n_cases"]),
        n_patients=int(row["n_patients"]),
        n_positive=int(row["n_positive"]),
        n_failed=0,
        method="linearised by patient, t",
        state=str(row["state"]),
        definition=DEFINITION,
        reason=str(row["reason"]),
    )


def decision_curve_table(evaluated: "Evaluated") -> pd.DataFrame:
    """Return the decision curve of each target at the thresholds 1 % to 99 %."""
    parts = []
    for case in evaluated.targets if evaluated.plan.task == "classification" else ():
        blocked = case.blocked.get("brier", "")
        if blocked:
            row = dict.fromkeys(CURVE_COLUMNS, np.nan) | {
                "n_cases": case.sample.patient.size,
                "n_patients": np.unique(case.sample.patient).size,
                "n_positive": int(case.sample.y_true.sum()),
                "state": NOT_ESTIMABLE, "reason": blocked, "over_all_state": NOT_ESTIMABLE,
            }  # fmt: skip
            part = pd.DataFrame([row], columns=CURVE_COLUMNS)
        else:
            part = _curve_rows(case.sample, THRESHOLDS, evaluated.plan.level)
        part.insert(0, "target", case.target)
        parts.append(part)
    if not parts:
        return pd.DataFrame(columns=["target", *CURVE_COLUMNS])
    return pd.concat(parts, ignore_index=True)
