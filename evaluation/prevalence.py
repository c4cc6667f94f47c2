"""PPV, NPV and alarms where the finding is as common as stated, not as in the test set."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evaluation.confusion import sensitivity_of, specificity_of
from evaluation.estimates import NOT_ESTIMABLE, BoolArray, Estimate, two_sided_z
from evaluation.samples import Sample
from evaluation.statistic import Statistic, limits_of, undefined

if TYPE_CHECKING:
    from evaluation.further import Evaluated

IdArray = NDArray[np.generic]

METHOD = "MOVER of sensitivity and specificity, by patient; the prevalence is taken as known"

DEFINITIONS = {
    "ppv": "share of positive calls that are diseased, at the stated prevalence",
    "npv": "share of negative calls that are healthy, at the stated prevalence",
    "alerts_per_100": "cases called positive of 100, at the stated prevalence",
    "flags_per_true": "positive calls for each true one, at the stated prevalence",
}

PREVALENCE_COLUMNS = [
    "target", "prevalence", "source", "metric", "value", "low", "high", "n_cases", "n_patients",
    "state", "reason",
]  # fmt: skip


@dataclass(frozen=True)
class AtPrevalence:
    """What a tool's calls mean where the finding has a stated prevalence.

    Parameters
    ----------
    ppv, npv : Estimate
        Share of positive calls that are diseased, of negative calls that are healthy.
    alerts_per_100 : Estimate
        Cases called positive of 100.
    flags_per_true : Estimate
        Positive calls for each true one: 1 / PPV; not estimable where nothing is found.

    Examples
    --------
    >>> ill, called = np.arange(100) < 50, (np.arange(100) >= 5) & (np.arange(100) < 55)
    >>> found = at_prevalence(ill, called, prevalence=0.1, patient_id=np.arange(100))
    >>> f"{found.alerts_per_100.value:.0f} alerts, {found.flags_per_true.value:.0f} for a true one"
    '18 alerts, 2 for a true one'
    """

    ppv: Estimate
    npv: Estimate
    alerts_per_100: Estimate
    flags_per_true: Estimate


@dataclass(frozen=True)
class Rate:
    """A rate with its limits."""

    value: float
    low: float
    high: float

    @property
    def complement(self) -> "Rate":
        """One minus the rate."""
        return Rate(1 - self.value, 1 - self.high, 1 - self.low)


def at_prevalence(
    y_true: BoolArray,
    y_pred: BoolArray,
    *,
    prevalence: float,
    patient_id: IdArray,
    level: float = 0.95,
) -> AtPrevalence:
    """PPV, NPV, alarms of 100 and calls per true one at a stated prevalence.

    Sensitivity and specificity are carried over from these cases; where patients are iller or
    healthier than here they may differ too. A test set with half its cases diseased tells a PPV
    that no clinic will see.

    Parameters
    ----------
    y_true, y_pred : ndarray of bool, shape (n_cases,)
        Reference standard and the test's decision.
    prevalence : float
        Share of cases with the finding where the tool is to be used, in (0, 1); taken as known.
    patient_id : ndarray, shape (n_cases,)
        Whose case it is: a patient may add to sensitivity and to specificity.
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    AtPrevalence
        Limits are made from those of sensitivity and specificity: of the ratio of two rates for
        PPV and NPV [1]_, of their sum for the alarms [2]_. They keep a width where one of them is
        0 or 1. Not estimable without a diseased or without a healthy case.

    Raises
    ------
    ValueError
        If the prevalence does not lie between 0 and 1.

    References
    ----------
    .. [1] Donner A, Zou GY. Stat Methods Med Res 2012;21:347-359. doi:10.1177/0962280210383082
    .. [2] Zou GY, Donner A. Stat Med 2008;27:1693-1702. doi:10.1002/sim.3095

    Examples
    --------
    >>> ill, called = np.arange(100) < 50, (np.arange(100) >= 5) & (np.arange(100) < 55)
    >>> round(at_prevalence(ill, called, prevalence=0.1, patient_id=np.arange(100)).ppv.value, 3)
    0.5
    """
    sample = Sample.of_patients(patient_id, y_true=y_true, y_pred=y_pred)
    return AtPrevalence(**rates_at(sample, prevalence, level))


def rates_at(
    sample: Sample, prevalence: float, level: float, blocked: str = ""
) -> dict[str, Estimate]:
    """Return the four figures of a sample; `blocked` says why there is no decision.

    Examples
    --------
    >>> part = Sample.of_patients(np.arange(2), y_true=np.array([1, 0]), y_pred=np.array([1, 0]))
    >>> rates_at(part, 0.2, 0.95)["ppv"].value
    1.0
    """
    if not 0 < prevalence < 1:
        raise ValueError(f"prevalence {prevalence} must lie between 0 and 1, 0.05 for 5 %")
    if blocked:
        se = sp = undefined(blocked)
    else:
        se, sp = sensitivity_of(sample), specificity_of(sample)
    if not np.isfinite(se.value + sp.value):
        why = se.reason or sp.reason
        nothing = Rate(np.nan, np.nan, np.nan)
        return {name: _estimate(name, nothing, sample, (se, sp), why) for name in DEFINITIONS}
    lows, highs = limits_of([se, sp], (0.0, 1.0), two_sided_z(level))
    found = Rate(se.value, float(lows[0]), float(highs[0]))
    cleared = Rate(sp.value, float(lows[1]), float(highs[1]))
    scale = se.se * sp.se
    # Between the rates of one decision: a patient called often is called in both.
    r = -float(se.influence @ sp.influence) / scale if scale > 0 else 0.0
    r = float(np.clip(r, -1, 1))
    odds = prevalence / (1 - prevalence)
    ppv = _share(_ratio(found, cleared.complement, r), odds)
    npv = _share(_ratio(cleared, found.complement, r), 1 / odds)
    flags = Rate(*(1 / v if v > 0 else np.inf for v in (ppv.value, ppv.high, ppv.low)))
    none = "no diseased case was called positive" if not np.isfinite(flags.value) else ""
    neither = "no case was called positive" if np.isnan(ppv.value) else ""
    return {
        "ppv": _estimate("ppv", ppv, sample, (se, sp), neither),
        "npv": _estimate(
            "npv", npv, sample, (se, sp),
            "no case was called negative" if np.isnan(npv.value) else "",
        ),
        "alerts_per_100": _estimate(
            "alerts_per_100", _alerts(found, cleared.complement, prevalence, r), sample, (se, sp)
        ),
        "flags_per_true": _estimate("flags_per_true", flags, sample, (se, sp), neither or none),
    }  # fmt: skip


def _ratio(top: Rate, bottom: Rate, r: float) -> Rate:
    """Return the ratio of two rates with limits made from theirs; inf over a rate of 0.

    Written so that neither a rate of 0 nor a limit past twice the rate divides by 0.
    """
    a, b = top, bottom
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.float64(a.value) / b.value
        middle = a.value * b.value - r * (a.value - a.low) * (b.high - b.value)
        part = a.low * (2 * a.value - a.low)
        root = max(middle**2 - part * b.high * (2 * b.value - b.high), 0.0)
        low = float(np.float64(part) / (middle + np.sqrt(root)))
        middle = a.value * b.value - r * (a.high - a.value) * (b.value - b.low)
        rest = b.low * (2 * b.value - b.low)
        root = max(middle**2 - a.high * (2 * a.value - a.high) * rest, 0.0)
        high = float(np.float64(middle + np.sqrt(root)) / rest)
    low = 0.0 if part == 0 else low
    high = np.inf if rest == 0 else high
    return Rate(float(value), min(low, float(value)), max(high, float(value)))


def _share(ratio: Rate, odds: float) -> Rate:
    """Return the share that a likelihood ratio makes of prior odds."""
    values = [1.0 if np.isinf(v) else v * odds / (1 + v * odds)
              for v in (ratio.value, ratio.low, ratio.high)]  # fmt: skip
    return Rate(*values)


def _alerts(found: Rate, alarms: Rate, prevalence: float, r: float) -> Rate:
    p, q = 100 * prevalence, 100 * (1 - prevalence)
    value = p * found.value + q * alarms.value
    down = p * (found.value - found.low), q * (alarms.value - alarms.low)
    up = p * (found.high - found.value), q * (alarms.high - alarms.value)
    low, high = (float(np.sqrt(max(a**2 + b**2 + 2 * r * a * b, 0))) for a, b in (down, up))
    return Rate(value, max(value - low, 0.0), min(value + high, 100.0))


def _estimate(
    name: str, rate: Rate, sample: Sample, parts: tuple[Statistic, Statistic], why: str = ""
) -> Estimate:
    state = next((p.state for p in parts if p.state != "ok"), "ok")
    reason = why or next((p.why for p in parts if p.why), "")
    known = bool(np.isfinite(rate.value))
    limits = (rate.low, rate.high) if known else (np.nan, np.nan)
    return Estimate(
        value=rate.value if known else float("nan"),
        low=limits[0],
        high=limits[1] if np.isfinite(limits[1]) else float("nan"),
        n_cases=int(sample.patient.size),
        n_patients=int((np.bincount(sample.patient, minlength=1) > 0).sum()),
        n_positive=int(sample.y_true.sum()),
        n_failed=int(sample.failed.sum()),
        method=METHOD if known else "",
        state=state if known else NOT_ESTIMABLE,
        definition=DEFINITIONS[name],
        reason=reason,
    )


def at_prevalence_table(evaluated: "Evaluated") -> pd.DataFrame:
    """Return the four figures of each target that has a stated prevalence."""
    plan = evaluated.plan
    rows = []
    for case in evaluated.targets if plan.task == "classification" else ():
        prevalence = plan.prevalence.get(case.target)
        if prevalence is None:
            continue
        found = rates_at(case.sample, prevalence, plan.level, case.blocked.get("sensitivity", ""))
        for name, one in found.items():
            rows.append({
                "target": case.target, "prevalence": prevalence, "source": plan.prevalence_source,
                "metric": name, "value": one.value, "low": one.low, "high": one.high,
                "n_cases": one.n_cases, "n_patients": one.n_patients, "state": one.state,
                "reason": one.reason,
            })  # fmt: skip
    return pd.DataFrame(rows, columns=PREVALENCE_COLUMNS)
