"""Gaps between a group and the rest, and what may be said about them.

A gap is the group's figure minus that of all other recorded groups, signed so that below 0 is
worse for the group. Its limits join the limits of its two sides (Zou and Donner's MOVER [1]_, for
two shares Newcombe's interval), so that a perfect group keeps a width, and they know the
covariance of sides that share patients. The family, primary targets × primary metric × attributes
named in advance, is covered at once by max-|t| over the patients' influence.

References
----------
.. [1] Zou GY, Donner A. Stat Med 2008;27:1693-1702. doi:10.1002/sim.3095
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import special

from evaluation.estimates import (
    NOT_ESTIMABLE,
    SMALL,
    SMALL_N,
    BoolArray,
    FloatArray,
    IntArray,
    critical,
    two_sided_z,
)
from evaluation.metrics import Metric
from evaluation.resampling import simultaneous_critical
from evaluation.samples import Statistic, arm_limits, undefined

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


@dataclass(frozen=True)
class Arm:
    """One side of a gap: a statistic, and which patients its influence belongs to."""

    statistic: Statistic
    patients: IntArray


@dataclass(frozen=True)
class Gap:
    """A group and its rest, before anything is computed between them.

    ``family`` names the questions that are answered together; empty is exploratory.
    """

    target: str
    metric: Metric
    attribute: str
    group: str
    group_arm: Arm
    rest_arm: Arm
    n_patients: int
    n_cases: int
    n_positive: int | None
    family: str
    prespecified: bool


@dataclass(frozen=True)
class Side:
    """The numbers of one side of many gaps, one entry a gap."""

    value: FloatArray
    se: FloatArray
    n_effective: FloatArray
    df: FloatArray
    low: FloatArray
    high: FloatArray
    ideal: FloatArray

    @classmethod
    def of(cls, gaps: list[Gap], arms: list[Statistic]) -> "Side":
        """Collect the statistics of one side."""

        def column(values: Iterable[float]) -> FloatArray:
            return np.array(list(values), dtype=float)

        return cls(
            value=column(s.value for s in arms),
            se=column(s.se for s in arms),
            n_effective=column(s.n_effective for s in arms),
            df=column(s.df for s in arms),
            low=column(g.metric.low for g in gaps),
            high=column(g.metric.high for g in gaps),
            ideal=column(g.metric.ideal for g in gaps),
        )

    def limits(self, z: float | FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return value and limits at a normal quantile, as distances from an ideal if there is one."""
        low, high = arm_limits(
            self.value, self.se, self.n_effective, critical(z, self.df), (self.low, self.high)
        )
        has_ideal = np.isfinite(self.ideal)
        if not has_ideal.any():
            return self.value, low, high
        a, b = low - self.ideal, high - self.ideal
        nearest = np.where((a < 0) & (b > 0), 0.0, np.minimum(np.abs(a), np.abs(b)))
        return (
            np.where(has_ideal, np.abs(self.value - self.ideal), self.value),
            np.where(has_ideal, nearest, low),
            np.where(has_ideal, np.maximum(np.abs(a), np.abs(b)), high),
        )


@dataclass(frozen=True)
class Contrast:
    """Many gaps at once: two sides, the correlation between them, and the sign of better."""

    group: Side
    rest: Side
    correlation: FloatArray
    sign: FloatArray

    def limits(self, z: float | FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return value and limits of the gaps at a normal quantile."""
        (v, low, high), (w, w_low, w_high) = self.group.limits(z), self.rest.limits(z)
        up, down = self.sign > 0, self.sign < 0
        gap = self.sign * (v - w)
        # The gap is lowest where the side it adds is low and the side it takes away is high.
        worse = _joined(
            np.where(down, high - v, v - low), np.where(up, w_high - w, w - w_low), self.correlation
        )
        better = _joined(
            np.where(up, high - v, v - low), np.where(down, w_high - w, w - w_low), self.correlation
        )
        return gap, gap - worse, gap + better

    def halves(self, z: float | FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the half widths of the two sides."""
        (_, low, high), (_, w_low, w_high) = self.group.limits(z), self.rest.limits(z)
        return (high - low) / 2, (w_high - w_low) / 2

    def p_values(self) -> FloatArray:
        """Return two-sided p values: the level at which the limits reach 0."""
        lower = np.zeros(self.sign.shape)
        upper = np.full(self.sign.shape, 37.0)
        for _ in range(45):
            z = (lower + upper) / 2
            _, low, high = self.limits(z)
            apart = (low > 0) | (high < 0)
            lower, upper = np.where(apart, z, lower), np.where(apart, upper, z)
        known = np.isfinite(self.limits(1.0)[0])
        out: FloatArray = np.where(known, 2 * special.ndtr(-(lower + upper) / 2), np.nan)
        return out


def _joined(a: FloatArray, b: FloatArray, correlation: FloatArray) -> FloatArray:
    out: FloatArray = np.sqrt(np.maximum(a**2 + b**2 - 2 * correlation * a * b, 0))
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
    contrast, joint = _contrast(gaps, n_patients)
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
        p[mine & asked] = holm(_some(contrast, mine & asked).p_values())
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


def _contrast(gaps: list[Gap], n_patients: int) -> tuple[Contrast, "_Joint"]:
    group = Side.of(gaps, [g.group_arm.statistic for g in gaps])
    rest = Side.of(gaps, [g.rest_arm.statistic for g in gaps])
    joint = _Joint(gaps, n_patients)
    sign = np.array([1.0 if g.metric.higher_is_better else -1.0 for g in gaps])
    return Contrast(group, rest, joint.correlations(), sign), joint


class _Joint:
    """The influence of each patient on each gap, made when asked for: it can be large."""

    def __init__(self, gaps: list[Gap], n_patients: int) -> None:
        self.gaps, self.n_patients = gaps, n_patients

    def _sides(self, gap: Gap) -> tuple[FloatArray, FloatArray]:
        sides = []
        for arm in (gap.group_arm, gap.rest_arm):
            full = np.zeros(self.n_patients)
            statistic = arm.statistic
            if statistic.influence.size:
                turned = 1.0
                if gap.metric.higher_is_better is None:
                    turned = np.sign(statistic.value - gap.metric.ideal)
                full[arm.patients] = statistic.influence * turned
            sides.append(full)
        return sides[0], sides[1]

    def correlations(self) -> FloatArray:
        out = np.zeros(len(self.gaps))
        for i, gap in enumerate(self.gaps):
            a, b = gap.group_arm, gap.rest_arm
            scale = a.statistic.se * b.statistic.se
            if scale > 0 and np.intersect1d(a.patients, b.patients, assume_unique=True).size:
                one, other = self._sides(gap)
                out[i] = float(one @ other) / scale
        return np.clip(out, -1, 1)

    def __call__(self, chosen: BoolArray) -> FloatArray:
        columns = []
        for gap in (g for g, c in zip(self.gaps, chosen, strict=True) if c):
            one, other = self._sides(gap)
            columns.append(one - other)
        return np.column_stack(columns) if columns else np.zeros((self.n_patients, 0))


def _some(contrast: Contrast, chosen: BoolArray) -> Contrast:
    def cut(side: Side) -> Side:
        return Side(**{k: v[chosen] for k, v in vars(side).items()})

    return replace(
        contrast, group=cut(contrast.group), rest=cut(contrast.rest),
        correlation=contrast.correlation[chosen], sign=contrast.sign[chosen],
    )  # fmt: skip


def no_rest(reason: str = ONE_GROUP) -> Statistic:
    """Return the statistic of a rest that does not exist."""
    return undefined(reason)


def _reason(gap: Gap) -> str:
    group, rest = gap.group_arm.statistic, gap.rest_arm.statistic
    if rest.reason == ONE_GROUP:
        return ONE_GROUP
    parts = []
    for name, arm in ((gap.group, group), ("rest", rest)):
        if arm.state == NOT_ESTIMABLE:
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
