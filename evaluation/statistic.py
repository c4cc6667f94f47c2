"""What a metric says about a sample: its value, each patient's influence, small-n safety.

A metric turns a `Sample` into a `Statistic`: the value, the share each patient has in its error
(the influence), and what a bootstrap needs. Everything else, intervals, gaps, simultaneous limits,
is made from statistics and is the same for all metrics.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from evaluation.estimates import (
    FEW,
    NOT_ESTIMABLE,
    OK,
    SMALL,
    SMALL_N,
    Estimate,
    FloatArray,
    critical,
    two_sided_z,
    wilson_limits,
)
from evaluation.resampling import Weights, percentile_interval
from evaluation.samples import NO_NUMBERS, Sample

NO_SPREAD = "no interval: no spread between patients"


@dataclass(frozen=True)
class Statistic:
    """What a metric says about a sample, and all that an interval or a gap needs to know.

    Parameters
    ----------
    value : float
        The figure; nan with a ``reason`` where it is not defined.
    influence : ndarray, shape (n_patients,)
        Share of each patient in the error of ``value``, corrected for few patients: the squares
        add up to the variance.
    n_effective : float
        Cases Wilson's formula counts; nan for a figure that is no share and takes a t interval.
    df : float
        Degrees of freedom of the variance.
    n_least : int
        Patients in the smaller part (with, or without, the finding); decides ``small_n``.
    least : str
        What ``n_least`` counts.
    few : bool
        Too few for a percentile bootstrap.
    method : str
        Name of the analytic interval.
    sums : ndarray, shape (n_patients, k)
        Sums per patient; a replicate is ``from_sums`` of their weighted totals.
    from_sums, replicates : callable
        How a bootstrap replicate is made, from totals or from the weights themselves.
    """

    value: float
    influence: FloatArray = field(default_factory=lambda: NO_NUMBERS)
    n_effective: float = float("nan")
    df: float = float("inf")
    n_least: int = 0
    least: str = "patients"
    few: bool = True
    method: str = ""
    sums: FloatArray | None = None
    from_sums: Callable[[FloatArray], FloatArray] | None = None
    replicates: Callable[[Weights], FloatArray] | None = None
    reason: str = ""

    @property
    def se(self) -> float:
        """Standard error."""
        return float(np.sqrt(np.square(self.influence, dtype=float).sum()))

    @property
    def state(self) -> str:
        """Whether the figure may be read."""
        if not np.isfinite(self.value):
            return NOT_ESTIMABLE
        return SMALL_N if self.n_least < SMALL else OK

    @property
    def why(self) -> str:
        """Why the state is not ok, or an empty string."""
        if self.state == SMALL_N:
            return f"{self.n_least} {self.least}; {SMALL} are needed"
        return self.reason


def undefined(reason: str) -> Statistic:
    """Return the statistic of what cannot be estimated: nan and the reason, never 0."""
    return Statistic(value=float("nan"), reason=reason)


def effective_count(counts: FloatArray, times: FloatArray | None = None) -> float:
    """Return how many equal patients the patients with these counts are worth (Kish).

    Examples
    --------
    >>> effective_count(np.array([1.0, 1.0, 2.0]))
    2.6666666666666665
    >>> effective_count(np.array([1.0, 2.0]), np.array([2.0, 1.0]))
    2.6666666666666665
    """
    each = np.ones_like(counts) if times is None else times
    square = float(np.square(counts) @ each)
    return float(counts @ each) ** 2 / square if square else 0.0


def few_correction(n: float) -> float:
    """Return n / (n - 1), the correction of a variance taken around an estimated mean."""
    return n / (n - 1) if n > 1 else 1.0


def _ratio(totals: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        out: FloatArray = totals[:, 0] / totals[:, 1]
    return out


def _effective_cases(
    share: float, hits: FloatArray, counts: FloatArray, deviation: FloatArray, times: FloatArray
) -> float:
    """Return cases divided by the design effect of several cases per patient.

    The design effect is measured where patients of both kinds were seen; the fewer they are, the
    more it leans on its worst, that the cases of a patient are copies of one another.
    """
    total = float(counts @ times)
    worst = total / effective_count(counts, times)
    if worst <= 1 or counts.max() <= 1:
        return total
    measured = 1.0
    if 0 < share < 1:
        measured = float(np.square(deviation) @ times) / (share * (1 - share) * total)
    n_minor = min(int(times[hits > 0].sum()), int(times[hits < counts].sum()))
    design = (n_minor * max(measured, 1.0) + worst) / (n_minor + 1)
    return total / design


def share_of_error(statistic: Statistic, truth: float, n_patients: int) -> FloatArray:
    """Return what each patient adds to the distance between a figure and its supposed truth.

    Parameters
    ----------
    statistic : Statistic
        The figure; a ratio of sums is taken apart exactly, of others the distance is shared out
        evenly and the influence added.
    truth : float
        What the figure would be.
    n_patients : int
        Patients of the sample.

    Returns
    -------
    ndarray, shape (n_patients,)
        They add up to ``statistic.value - truth``.

    Examples
    --------
    >>> who = np.array([0, 0, 1])
    >>> one = share_of(Sample.of_patients(who), np.array([1.0, 0, 1]), np.ones(3), none="")
    >>> share_of_error(one, 0.5, 2).round(3)
    array([0.   , 0.167])
    """
    if statistic.from_sums is _ratio and statistic.sums is not None:
        hits, counts = statistic.sums.T
        out: FloatArray = (hits - truth * counts) / counts.sum()
        return out
    each = np.full(n_patients, (statistic.value - truth) / n_patients)
    return each + statistic.influence if statistic.influence.size else each


def share_of(
    sample: Sample, hit: FloatArray, counted: FloatArray, *, none: str, least: str = "patients"
) -> Statistic:
    """Return the share of `hit` among `counted`, for Wilson's interval on the effective n.

    Parameters
    ----------
    sample : Sample
        Whose cases they are.
    hit, counted : ndarray, shape (n_cases,)
        What is counted, and among what.
    none : str
        The reason when nothing is counted.
    least : str
        What the patients are called who are counted.
    """
    hits, counts = sample.by_patient(hit), sample.by_patient(counted)
    return share_of_counts(hits, counts, np.ones_like(counts), none=none, least=least)


def share_of_counts(
    hits: FloatArray, counts: FloatArray, times: FloatArray, *, none: str, least: str = "patients"
) -> Statistic:
    """Return the share of hits among counts per patient, for Wilson's interval on effective n.

    Parameters
    ----------
    hits, counts : ndarray, shape (n_rows,)
        Cases of a patient that are hits, and that are counted.
    times : ndarray, shape (n_rows,)
        How many patients have these counts; the influence is that of all of them together.
    none, least : str
        As `share_of` has them.
    """
    total = float(counts @ times)
    if total == 0:
        return undefined(none)
    share = float(hits @ times) / total
    deviation = hits - share * counts
    n_patients = int(times[counts > 0].sum())
    n_effective = _effective_cases(share, hits, counts, deviation, times)
    repeated = bool(counts.max() > 1)
    correction = few_correction(n_patients) if repeated else 1.0
    # Many cases of few patients, or of few that have most of them, are few to draw from.
    worth = effective_count(counts, times)
    few = min(worth, n_effective) < FEW or n_effective * min(share, 1 - share) < SMALL
    return Statistic(
        value=share,
        influence=deviation / total * np.sqrt(times * correction),
        n_effective=n_effective,
        df=max(worth - 1, 1.0) if repeated else float("inf"),
        n_least=n_patients,
        least=least,
        few=few,
        method="Wilson on effective n",
        sums=np.column_stack([hits, counts]),
        from_sums=_ratio,
    )


def mean_of(
    sample: Sample, values: FloatArray, *, none: str, is_unit: bool, least: str = "patients"
) -> Statistic:
    """Return the mean over cases of a figure per case, clustered by patient; nan is left out.

    Parameters
    ----------
    sample : Sample
        Whose cases they are.
    values : ndarray, shape (n_cases,)
        The figure; nan where it does not exist (an absent structure), never where a tool failed.
    none : str
        The reason when there is none.
    is_unit : bool
        Whether the figure lies in [0, 1]: then a group whose cases are all alike still has an
        interval, that of a share on its patients.
    least : str
        What the patients are called who are counted.
    """
    known = np.isfinite(values)
    counts = sample.by_patient(known.astype(float))
    sums = sample.by_patient(np.where(known, values, 0.0))
    total = float(counts.sum())
    if total == 0:
        return undefined(none)
    mean = float(sums.sum()) / total
    n_patients = int((counts > 0).sum())
    worth = effective_count(counts)
    influence = (sums - mean * counts) / total * np.sqrt(few_correction(n_patients))
    alike = n_patients < 2 or float(np.abs(influence).max()) * total <= 1e-12 * max(abs(mean), 1)
    few = alike or n_patients < FEW
    return Statistic(
        value=mean,
        influence=np.zeros_like(influence) if alike else influence,
        n_effective=worth if alike and is_unit else float("nan"),
        df=max(worth - 1, 1.0),
        n_least=n_patients,
        least=least,
        few=few,
        method="Wilson on patients, all alike" if alike and is_unit else "t, clustered by patient",
        sums=np.column_stack([sums, counts]),
        from_sums=_ratio,
    )


def limits_of(
    statistics: list[Statistic], bounds: tuple[float, float], z: float
) -> tuple[FloatArray, FloatArray]:
    """Return the analytic limits of several statistics at the normal quantile `z`."""
    return _limits(statistics, bounds, z)


def _limits(
    statistics: list[Statistic], bounds: tuple[float | FloatArray, float | FloatArray], z: float
) -> tuple[FloatArray, FloatArray]:
    value = np.array([s.value for s in statistics])
    se = np.array([s.se for s in statistics])
    n_effective = np.array([s.n_effective for s in statistics])
    df = np.array([s.df for s in statistics])
    return arm_limits(value, se, n_effective, critical(z, df), bounds)


def analytic_limits(
    statistics: list[Statistic], low: list[float], high: list[float], *, level: float
) -> tuple[FloatArray, FloatArray]:
    """Return the linearised limits of statistics that may be read, each in its own range.

    Parameters
    ----------
    statistics : list of Statistic
        Of one sample.
    low, high : list of float
        Range of each figure.
    level : float
        Confidence level, in (0, 1).
    """
    bounds = np.array(low, float), np.array(high, float)
    lows, highs = _limits(statistics, bounds, two_sided_z(level))
    known = np.array([s.state != NOT_ESTIMABLE for s in statistics], bool)
    known &= np.isfinite(lows + highs)
    return np.where(known, lows, np.nan), np.where(known, highs, np.nan)


def arm_limits(
    value: FloatArray,
    se: FloatArray,
    n_effective: FloatArray,
    quantile: FloatArray,
    bounds: tuple[float | FloatArray, float | FloatArray],
) -> tuple[FloatArray, FloatArray]:
    """Return Wilson's limits where there is an effective n, else value ± quantile × se.

    A figure without any spread has no interval: nan, not zero width.
    """
    is_share = np.isfinite(n_effective)
    spread = np.where(se > 0, quantile * se, np.nan)
    low = np.maximum(value - spread, bounds[0])
    high = np.minimum(value + spread, bounds[1])
    w_low, w_high = wilson_limits(value, np.where(is_share, n_effective, 1.0), quantile)
    return np.where(is_share, w_low, low), np.where(is_share, w_high, high)


def estimate_of(
    statistic: Statistic,
    sample: Sample,
    *,
    level: float,
    definition: str,
    bounds: tuple[float, float] = (0.0, 1.0),
    draws: FloatArray | None = None,
    analytic: tuple[float, float] | None = None,
) -> Estimate:
    """Return a statistic as an `Estimate`, by bootstrap replicates where it has `draws`.

    ``analytic`` are the linearised limits where they are known already.
    """
    if analytic is None:
        low, high = analytic_limits([statistic], [bounds[0]], [bounds[1]], level=level)
        analytic = float(low[0]), float(high[0])
    limits, method = interval_of(statistic, draws, analytic, level=level)
    bare = statistic.state == OK and not np.isfinite(sum(limits))
    return Estimate(
        value=statistic.value,
        low=limits[0],
        high=limits[1],
        n_cases=int(sample.patient.size),
        n_patients=sample.n_seen,
        n_positive=int(sample.y_true.sum()) if sample.y_true.size else None,
        n_failed=int(sample.failed.sum()),
        method=method,
        state=statistic.state,
        definition=definition,
        reason=statistic.why or (NO_SPREAD if bare else ""),
    )


def interval_of(
    statistic: Statistic,
    draws: FloatArray | None,
    analytic: tuple[float, float],
    *,
    level: float,
) -> tuple[tuple[float, float], str]:
    """Return the interval of a statistic and its name: the bootstrap's where it may have one.

    Parameters
    ----------
    statistic : Statistic
        What was measured.
    draws : ndarray or None
        Bootstrap replicates.
    analytic : tuple of float
        Linearised limits.
    level : float
        Confidence level, in (0, 1).
    """
    if statistic.state == NOT_ESTIMABLE:
        return (float("nan"), float("nan")), statistic.method
    if draws is not None and not statistic.few:
        low, high = percentile_interval(draws, level)
        if np.isfinite(low + high):
            return (low, high), f"bootstrap by patient, percentile, {draws.size} replicates"
    return analytic, statistic.method
