"""Two sides and the gap between them, many at once: limits that join the limits of the sides.

The limits of a gap are made from those of its sides (Zou and Donner's MOVER [1]_, for two shares
Newcombe's interval), so that a perfect group keeps a width, and they know the covariance of sides
that share patients.

References
----------
.. [1] Zou GY, Donner A. Stat Med 2008;27:1693-1702. doi:10.1002/sim.3095
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from evaluation.estimates import BoolArray, FloatArray, IntArray, critical
from evaluation.metrics import Metric
from evaluation.statistic import Statistic, arm_limits


@dataclass(frozen=True)
class Arm:
    """One side of a gap: a statistic, and which patients its influence belongs to.

    ``all_failed`` says that the tool gave no answer for any of its cases.
    """

    statistic: Statistic
    patients: IntArray
    all_failed: bool = False


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
        """Return value and limits at a normal quantile; distances from an ideal if it has one."""
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
    """Many gaps at once: two sides, the correlation between them, and the sign of better.

    The sign is 1 for a figure without better or worse: its gap is the group's minus the rest's.
    """

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
        upper = np.full(self.sign.shape, 20.0)
        for _ in range(40):
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


def contrast_of(gaps: list[Gap], n_patients: int) -> tuple[Contrast, "Joint"]:
    """Return the gaps as arrays, and the influence behind them."""
    group = Side.of(gaps, [g.group_arm.statistic for g in gaps])
    rest = Side.of(gaps, [g.rest_arm.statistic for g in gaps])
    joint = Joint(gaps, n_patients)
    sign = np.array(
        [1.0 if g.metric.higher_is_better or g.metric.is_directionless else -1.0 for g in gaps]
    )
    return Contrast(group, rest, joint.correlations(), sign), joint


class Joint:
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
                if np.isfinite(gap.metric.ideal):
                    turned = np.sign(statistic.value - gap.metric.ideal)
                full[arm.patients] = statistic.influence * turned
            sides.append(full)
        return sides[0], sides[1]

    def correlations(self) -> FloatArray:
        """Return the correlation of the two sides of each gap; 0 where no patient is in both."""
        out = np.zeros(len(self.gaps))
        for i, gap in enumerate(self.gaps):
            a, b = gap.group_arm, gap.rest_arm
            scale = a.statistic.se * b.statistic.se
            if scale > 0 and np.intersect1d(a.patients, b.patients, assume_unique=True).size:
                one, other = self._sides(gap)
                out[i] = float(one @ other) / scale
        return np.clip(out, -1, 1)

    def __call__(self, chosen: BoolArray) -> FloatArray:
        """Return the influence of each patient on the chosen gaps, (n_patients, n_chosen)."""
        columns = []
        for gap in (g for g, c in zip(self.gaps, chosen, strict=True) if c):
            one, other = self._sides(gap)
            columns.append(one - other)
        return np.column_stack(columns) if columns else np.zeros((self.n_patients, 0))


def some_of(contrast: Contrast, chosen: BoolArray) -> Contrast:
    """Return some of the gaps."""

    def cut(side: Side) -> Side:
        return Side(**{k: v[chosen] for k, v in vars(side).items()})

    return replace(
        contrast, group=cut(contrast.group), rest=cut(contrast.rest),
        correlation=contrast.correlation[chosen], sign=contrast.sign[chosen],
    )  # fmt: skip
