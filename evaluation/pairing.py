"""One figure of two tools on the same cases, and the difference between them.

A difference of two figures of the same patients is narrower than the two intervals suggest: what
makes a patient hard is hard for both. The influences of the two are therefore subtracted patient
by patient, which for an AUC is the paired test of DeLong, clustered [1]_ [2]_. Shares take the
limits of their sides (MOVER [3]_), so that two tools without a single miss keep a width.

References
----------
.. [1] DeLong ER et al. Biometrics 1988;44:837-845. doi:10.2307/2531595
.. [2] Obuchowski NA. Biometrics 1997;53:567-578. doi:10.2307/2533958
.. [3] Zou GY, Donner A. Stat Med 2008;27:1693-1702. doi:10.1002/sim.3095
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special

from evaluation.estimates import (
    NOT_ESTIMABLE,
    OK,
    SMALL_N,
    FloatArray,
    critical,
    two_sided_z,
)
from evaluation.metrics import Metric
from evaluation.samples import Sample
from evaluation.statistic import Statistic, limits_of, undefined

DELONG = "paired DeLong, clustered by patient"
LINEAR = "t, paired by patient"
MOVER = "MOVER, paired by patient"
WIDENED = "t, paired by patient, widened for few"
SAME = "the same in every case"
NO_SPREAD = "not estimable: the difference is the same in every patient"


@dataclass(frozen=True)
class Pair:
    """A metric of two tools on the same cases; influences share their patient codes.

    ``is_same`` says that the two gave the same answer in every case.
    """

    metric: Metric
    a: Statistic
    b: Statistic
    is_same: bool = False

    @property
    def sign(self) -> float:
        """1, or -1 where lower is better: above 0 is then better for b either way."""
        return -1.0 if self.metric.higher_is_better is False else 1.0

    @property
    def value(self) -> float:
        """B minus a, above 0 better for b; plain for a metric without a direction."""
        return self.sign * (self.b.value - self.a.value)

    @cached_property
    def se(self) -> float:
        """Standard error of the difference, from the paired influences."""
        return float(np.sqrt(np.square(self.b.influence - self.a.influence).sum()))

    @property
    def df(self) -> float:
        """Degrees of freedom: those of the side that has fewer; DeLong's test is a normal one."""
        return float("inf") if self.method == DELONG else min(self.a.df, self.b.df)

    @cached_property
    def method(self) -> str:
        """How the interval is made."""
        if self.is_same or self.why_not:
            return ""
        if not np.isfinite([self.a.n_effective, self.b.n_effective]).any():
            return LINEAR
        if self.metric.needs != "score" or self.a.se == 0 or self.b.se == 0:
            return MOVER
        if self.a.few or self.b.few:
            return WIDENED
        return DELONG if self.metric.name == "roc_auc" else LINEAR

    @cached_property
    def why_not(self) -> str:
        """Why there is no interval, or an empty string."""
        for name, side in (("a", self.a), ("b", self.b)):
            if side.state == NOT_ESTIMABLE:
                return f"not estimable: {side.why} in {name}"
        is_share = np.isfinite([self.a.n_effective, self.b.n_effective]).any()
        if not (self.is_same or is_share or self.se > 0):
            return NO_SPREAD
        return ""

    @property
    def state(self) -> str:
        """Whether the difference may be read."""
        if self.why_not:
            return NOT_ESTIMABLE
        return SMALL_N if SMALL_N in (self.a.state, self.b.state) else OK

    @property
    def why(self) -> str:
        """Why the state is not ok, or what else must be known."""
        if self.why_not:
            return self.why_not
        return self.a.why or self.b.why or (SAME if self.is_same else "")

    def limits(self, z: float) -> tuple[float, float]:
        """Return the limits of the difference at a normal quantile; nan where there are none."""
        if self.why_not:
            return float("nan"), float("nan")
        if self.is_same:
            return 0.0, 0.0
        if self.method == MOVER:
            return self._joined_limits(z)
        half = float(critical(z, self.df)) * self.se
        if self.method == WIDENED:
            # Of few cases the measured variance may be a lucky one; that of each side is not.
            down, up = self._arms(z)
            one, other = (down + up) / 2
            half = max(half, _joined(one, other, self._correlation))
        reach = self.metric.high - self.metric.low
        return max(self.value - half, -reach), min(self.value + half, reach)

    def _arms(self, z: float) -> tuple[FloatArray, FloatArray]:
        """Return how far the limits of a and of b lie below and above them."""
        lows, highs = limits_of([self.a, self.b], (self.metric.low, self.metric.high), z)
        values = np.array([self.a.value, self.b.value])
        return values - lows, highs - values

    def _joined_limits(self, z: float) -> tuple[float, float]:
        down, up = self._arms(z)
        r = self._newcombe(self._correlation)
        low = _joined(down[1], up[0], r)
        high = _joined(up[1], down[0], r)
        plain = self.b.value - self.a.value
        if self.sign < 0:
            return -(plain + high), -(plain - low)
        return plain - low, plain + high

    @cached_property
    def _correlation(self) -> float:
        """Return the correlation of the two over the patients."""
        scale = self.a.se * self.b.se
        if scale == 0:
            return 0.0
        return float(np.clip(self.a.influence @ self.b.influence / scale, -1, 1))

    def _newcombe(self, r: float) -> float:
        """Return the correlation brought towards 0, as Newcombe does for a table of counts.

        Without it two tools that differ in no case of a few would be sure to differ in none of
        all.
        """
        spread = np.sqrt(_spread(self.a) * _spread(self.b))
        if r > 0 and np.isfinite(spread) and spread > 0:
            n = min(self.a.n_effective, self.b.n_effective)
            return float(max(r - 1 / (2 * n * spread), 0.0))
        return r

    def p_value(self) -> float:
        """Return the two-sided p value: the level at which the limits reach 0."""
        if self.why_not:
            return float("nan")
        if self.is_same or self.value == 0:
            return 1.0
        if self.method in (DELONG, LINEAR):
            t = abs(self.value) / self.se
            tail = special.stdtr(self.df, -t) if np.isfinite(self.df) else special.ndtr(-t)
            return float(2 * tail)
        lower, upper = 0.0, 20.0
        for _ in range(50):
            z = (lower + upper) / 2
            low, high = self.limits(z)
            apart = low > 0 or high < 0
            lower, upper = (z, upper) if apart else (lower, z)
        return float(2 * special.ndtr(-(lower + upper) / 2))


def side_limits(pair: Pair, level: float) -> tuple[FloatArray, FloatArray]:
    """Return the limits of a and of b, each alone."""
    bounds = (pair.metric.low, pair.metric.high)
    return limits_of([pair.a, pair.b], bounds, two_sided_z(level))


def pair_of(metric: Metric, a: Sample, b: Sample, blocked: tuple[str, str] = ("", "")) -> Pair:
    """Return a metric of two samples of the same cases.

    Parameters
    ----------
    metric : Metric
        What is compared.
    a, b : Sample
        The same cases in the same order, with the same patient codes.
    blocked : tuple of str
        Why the metric cannot be computed for a, and for b; empty where it can.

    Raises
    ------
    ValueError
        If the two hold different cases, patients or reference standards.
    """
    if a.patient.shape != b.patient.shape or (a.patient != b.patient).any():
        raise ValueError(f"a has {a.patient.size} cases, b {b.patient.size}; they must be the same")
    if a.y_true.size and (a.y_true != b.y_true).any():
        n = int((a.y_true != b.y_true).sum())
        raise ValueError(f"y_true differs between a and b in {n} of {a.y_true.size} cases")
    sides = [
        undefined(why) if why else metric.function(sample)
        for sample, why in zip((a, b), blocked, strict=True)
    ]
    return Pair(metric, sides[0], sides[1], is_same=_alike(metric, a, b))


def _alike(metric: Metric, a: Sample, b: Sample) -> bool:
    """Return whether the two gave the same answers, not merely equally many right ones."""
    if not np.array_equal(a.failed, b.failed):
        return False
    answered = ~a.failed
    if metric.needs == "mask":
        return set(a.values) == set(b.values) and all(
            np.array_equal(a.values[name], b.values[name], equal_nan=True) for name in a.values
        )
    same = np.array_equal(a.y_score[answered], b.y_score[answered])
    if metric.needs == "score":  # the order of the cases is all that counts
        one, two = (np.unique(s.worst_scores, return_inverse=True)[1] for s in (a, b))
        return np.array_equal(one, two)
    if metric.needs == "decision" and a.y_pred.size and b.y_pred.size:
        same = same and np.array_equal(a.y_pred[answered], b.y_pred[answered])
    return bool(same)


def _spread(statistic: Statistic) -> float:
    if not np.isfinite(statistic.n_effective):
        return float("nan")
    return statistic.value * (1 - statistic.value)


def _joined(a: float, b: float, correlation: float) -> float:
    return float(np.sqrt(max(a**2 + b**2 - 2 * correlation * a * b, 0.0)))
