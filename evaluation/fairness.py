"""Gaps between a group and the rest, and what may be said about them.

A gap is the group's figure minus that of all other recorded groups, signed so that below 0 is
worse for the group; of a figure that has no better or worse (how many are called positive) it is
the plain difference and carries no verdict. The family, primary targets × primary metric ×
attributes named in advance, is covered at once by max-|t| over the patients' influence.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy import special

from evaluation.contrasts import Gap, contrast_of, some_of
from evaluation.estimates import NOT_ESTIMABLE, SMALL, SMALL_N, BoolArray, FloatArray, two_sided_z
from evaluation.resampling import simultaneous_critical
from evaluation.statistic import Statistic, undefined

ADEQUATE, CONCERN, INSUFFICIENT = "adequate", "concern", "insufficient evidence"
NOT_ASSESSED = "not assessed"
ONE_GROUP = "not estimable: one group only"
POWER = 0.8

GAP_COLUMNS = [
    "target", "metric", "attribute", "group", "versus", "value", "low", "high",
    "low_simultaneous", "high_simultaneous", "p_adjusted", "chance_gap", "minimum_detectable",
    "margin", "verdict", "prespecified", "n_patients", "n_cases", "n_positive", "n_needed",
    "reason",
]  # fmt: skip


def verdict(low: float, high: float, margin: float) -> str:
    """Return what simultaneous limits of a gap say, given the gap that would matter.

    Parameters
    ----------
    low, high : float
        Simultaneous limits; below 0 is worse for the group, nan is not estimable.
    margin : float
        The gap that would matter, above 0.

    Examples
    --------
    >>> verdict(-0.03, 0.04, 0.05), verdict(-0.09, -0.02, 0.05), verdict(-0.09, 0.02, 0.05)
    ('adequate', 'concern', 'insufficient evidence')
    """
    if not margin > 0:
        raise ValueError(f"margin {margin} must be above 0")
    if not np.isfinite(low + high):
        return INSUFFICIENT
    if low > -margin:
        return ADEQUATE
    return CONCERN if high < 0 else INSUFFICIENT


def combined_verdict(verdicts: Iterable[str]) -> str:
    """Return the verdict over several groups: the worst, and doubt is worse than adequate.

    Examples
    --------
    >>> combined_verdict(["adequate", "insufficient evidence"])
    'insufficient evidence'
    """
    seen = set(verdicts) - {""}
    for name in (CONCERN, INSUFFICIENT, ADEQUATE):
        if name in seen:
            return name
    return NOT_ASSESSED


def holm(p: FloatArray) -> FloatArray:
    """Return Holm's adjusted p values; nan stays nan and is not counted.

    Examples
    --------
    >>> holm(np.array([0.01, 0.02, 0.03, 0.04])).round(6).tolist()
    [0.04, 0.06, 0.06, 0.06]
    """
    out = np.full(p.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    factors = np.arange(order.size, 0, -1)
    out[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1.0)
    return out


def gap_table(
    gaps: list[Gap],
    *,
    n_patients: int,
    level: float,
    margin: float | None,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Return the table of gaps with limits, chance gap, and verdicts of the family.

    Parameters
    ----------
    gaps : list of Gap
        Groups and their rests.
    n_patients : int
        Patients of the whole evaluation; the influences of all gaps are joined over them.
    level : float
        Confidence level, of each gap and of the family together.
    margin : float or None
        The gap that would matter; None gives no verdict.
    rng : numpy.random.Generator
        The only source of chance.
    """
    if not gaps:
        return pd.DataFrame(columns=GAP_COLUMNS)
    contrast, joint = contrast_of(gaps, n_patients)
    z = two_sided_z(level)
    value, low, high = contrast.limits(z)
    known = np.isfinite(low + high)
    is_family = np.array([g.family != "" for g in gaps])
    family = is_family & known
    reasons = [_reason(g) for g in gaps]
    # Of a group that is too small no question is asked: it takes no part in the multiplicity.
    asked = family & np.array([not r for r in reasons])
    z_all = np.full(len(gaps), z)
    p = np.full(len(gaps), np.nan)
    for name in dict.fromkeys(g.family for g in gaps if g.family):
        mine = np.array([g.family == name for g in gaps])
        z_all[mine] = simultaneous_critical(joint(mine & asked), level=level, rng=rng)
        p[mine & asked] = holm(some_of(contrast, mine & asked).p_values())
    _, low_all, high_all = contrast.limits(z_all)
    se = (high - low) / (2 * z)
    reach = (high_all - low_all) / 2 * (1 + special.ndtri(POWER) / z_all)
    table = pd.DataFrame(
        {
            "target": [g.target for g in gaps],
            "metric": [g.metric.name for g in gaps],
            "attribute": [g.attribute for g in gaps],
            "group": [g.group for g in gaps],
            "versus": "rest",
            "value": value,
            "low": np.where(known, low, np.nan),
            "high": np.where(known, high, np.nan),
            "low_simultaneous": np.where(family, low_all, np.nan),
            "high_simultaneous": np.where(family, high_all, np.nan),
            "p_adjusted": p,
            "chance_gap": np.where(known, se * np.sqrt(2 / np.pi), np.nan),
            "minimum_detectable": np.where(known, reach, np.nan),
            "margin": np.where(is_family, np.nan if margin is None else margin, np.nan),
            "verdict": "",
            "prespecified": [g.prespecified for g in gaps],
            "n_patients": [g.n_patients for g in gaps],
            "n_cases": [g.n_cases for g in gaps],
            "n_positive": pd.array([g.n_positive for g in gaps], dtype="Int64"),
            "n_needed": np.nan,
            "reason": reasons,
        }
    )
    if margin is not None:
        _judge(table, gaps, is_family, contrast.halves(z_all), contrast.correlation, margin)
    return table[GAP_COLUMNS]


def no_rest(reason: str = ONE_GROUP) -> Statistic:
    """Return the statistic of a rest that does not exist."""
    return undefined(reason)


def _reason(gap: Gap) -> str:
    group, rest = gap.group_arm.statistic, gap.rest_arm.statistic
    if rest.reason == ONE_GROUP:
        return ONE_GROUP
    parts = []
    lost = (gap.group_arm.all_failed, gap.rest_arm.all_failed)
    for name, arm, is_lost in ((gap.group, group, lost[0]), ("rest", rest, lost[1])):
        if is_lost:
            # Two groups that the tool fails alike are equal, and nothing is known of either.
            parts.append(f"not estimable: no case of {name} was answered")
        elif arm.state == NOT_ESTIMABLE:
            parts.append(f"not estimable: {arm.why} in {name}")
        elif arm.state == SMALL_N:
            parts.append(f"too few in {name}: {arm.why}")
        elif not (arm.se > 0 or np.isfinite(arm.n_effective)):
            parts.append(f"not estimable: no spread between patients in {name}")
    return "; ".join(parts)


def _judge(
    table: pd.DataFrame,
    gaps: list[Gap],
    is_family: BoolArray,
    halves: tuple[FloatArray, FloatArray],
    correlation: FloatArray,
    margin: float,
) -> None:
    """Write verdicts and the patients needed into the rows of the family."""
    words, needed, reasons = list(table["verdict"]), list(table["n_needed"]), list(table["reason"])
    for i in np.flatnonzero(is_family):
        gap, row = gaps[i], table.iloc[i]
        low, high = row["low_simultaneous"], row["high_simultaneous"]
        readable = not reasons[i]
        words[i] = verdict(low, high, margin) if readable else INSUFFICIENT
        if words[i] != INSUFFICIENT or not np.isfinite(low + high):
            continue
        aim = margin
        if (high - low) / 2 <= margin:
            # Narrow enough for no gap at all; not for the gap that was seen.
            aim = max(row["value"] + margin, -row["value"])
        own, other = halves[0][i], halves[1][i]
        needed[i] = _needed(gap, own, other, float(correlation[i]), aim)
        if np.isnan(needed[i]) and not reasons[i]:
            reasons[i] = "more patients of this group alone cannot narrow it: the rest is too few"
    table["verdict"], table["n_needed"], table["reason"] = words, needed, reasons


def _needed(gap: Gap, own: float, other: float, correlation: float, aim: float) -> float:
    """Return the patients of the group with which the half width comes down to `aim`."""
    statistic = gap.group_arm.statistic
    least = statistic.n_least
    floor = gap.n_patients * max(1.0, SMALL / least) if least else np.nan
    # own² s² − 2 r own other s + other² = aim², with s² the old n over the new.
    a, b, c = own**2, -2 * correlation * own * other, other**2 - aim**2
    if c >= 0 or a <= 0 or gap.rest_arm.statistic.state != "ok":
        return float("nan")
    scale = (-b + np.sqrt(b**2 - 4 * a * c)) / (2 * a)
    return float(np.ceil(max(gap.n_patients / min(scale, 1.0) ** 2, floor)))
