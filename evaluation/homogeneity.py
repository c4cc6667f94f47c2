"""What chance alone makes of groups that are equal: the gap to expect, and a test of equality.

The largest of ten groups' figures lies above the smallest even where all are the same. How far
follows from the joint distribution of the figures under homogeneity, which knows that groups may
share patients.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special

from evaluation.estimates import SMALL, FloatArray
from evaluation.metrics import Metric
from evaluation.statistic import Statistic, share_of_error
from evaluation.subsets import Subset, common_share, covariance, variances

N_DRAWS = 4000
MANY = 10.0
"""With n·p·(1 − p) below this in some group, shares are drawn as counts and not as normals."""


@dataclass(frozen=True)
class Homogeneity:
    """What equal groups would show.

    Parameters
    ----------
    ranges : ndarray
        Draws of best minus worst; empty where no group has any spread.
    p : float
        p value of the test that all groups have one figure; nan where it cannot be made.
    """

    ranges: FloatArray
    p: float

    @property
    def mean(self) -> float:
        """The gap that chance makes on average."""
        return float(self.ranges.mean()) if self.ranges.size else float("nan")

    @property
    def high(self) -> float:
        """The gap that chance exceeds one time in twenty."""
        return float(np.quantile(self.ranges, 0.95)) if self.ranges.size else float("nan")


UNKNOWN = Homogeneity(np.zeros(0), float("nan"))
"""Nothing can be said of chance: no group has any spread."""


def merit(values: FloatArray, metric: Metric) -> FloatArray:
    """Return figures turned so that more is better; those of no direction stay as they are.

    Examples
    --------
    >>> from evaluation.metrics import METRICS
    >>> merit(np.array([0.8, 1.3]), METRICS["calibration_slope"]).round(1)
    array([-0.2, -0.3])
    """
    if metric.higher_is_better is None:
        return -np.abs(values - metric.ideal) if np.isfinite(metric.ideal) else values
    return values if metric.higher_is_better else -values


def homogeneity(
    statistics: list[Statistic],
    subsets: list[Subset],
    metric: Metric,
    *,
    n_patients: int,
    seed: tuple[int, ...],
) -> Homogeneity:
    """Return what two or more groups would show if they were equal.

    Shares are tested by Pearson's chi-square on the effective n, by its simulated distribution
    where counts are few; other figures by Welch's analysis of variance [1]_. Where groups share
    patients, what each patient adds to the differences is tested: a score statistic by patient,
    held against the beta distribution with the mean and variance it has when each patient might
    as well have pulled the other way [2]_.

    Parameters
    ----------
    statistics : list of Statistic
        Figures of one metric, all of them measured.
    subsets : list of Subset
        The groups.
    metric : Metric
        Tells which way is better.
    n_patients : int
        Patients of the whole evaluation.
    seed : tuple of int
        The only source of chance.

    References
    ----------
    .. [1] Welch BL. Biometrika 1951;38:330-336. doi:10.1093/biomet/38.3-4.330
    .. [2] Cameron AC, Gelbach JB, Miller DL. Rev Econ Stat 2008;90:414-427.
       doi:10.1162/rest.90.3.414
    """
    variance = variances(statistics, alike=True)
    value = np.array([s.value for s in statistics])
    if len(statistics) < 2 or not np.isfinite(variance).all():
        return UNKNOWN
    joint = covariance(statistics, subsets, variance, n_patients)
    worth = np.array([s.n_effective for s in statistics])
    apart = np.count_nonzero(joint - np.diag(variance)) == 0
    if np.isfinite(worth).all() and apart:
        share = common_share(statistics)
        if (worth * share * (1 - share)).min() < MANY:
            return _of_counts(value, worth, share, metric, np.random.default_rng(seed))
    normal = _normals(seed, len(statistics))
    centre = _centre(value, joint)
    drawn = merit(centre + normal @ _root(joint).T, metric)
    if not apart:
        p = _shared(statistics, subsets, variance, centre, n_patients)
        return Homogeneity(_range(drawn), p)
    df = np.array([np.inf if np.isfinite(s.n_effective) else s.df for s in statistics])
    return Homogeneity(_range(drawn), _welch(value, variance, df))


@lru_cache(maxsize=64)
def _normals(seed: tuple[int, ...], k: int) -> FloatArray:
    """Return standard normals; the same question of another finding takes the same ones."""
    return np.random.default_rng(seed).standard_normal((N_DRAWS, k))


def _of_counts(
    value: FloatArray, worth: FloatArray, share: float, metric: Metric, rng: np.random.Generator
) -> Homogeneity:
    """Return what equal shares of few cases show: counts, not normals."""
    n = np.maximum(np.round(worth), 1)
    drawn = rng.binomial(n.astype(np.int64), share, (N_DRAWS, n.size)) / n
    seen, chance = _pearson(value[None, :], worth)[0], _pearson(drawn, n)
    p = (1 + int((chance >= seen - 1e-9).sum())) / (1 + N_DRAWS)
    return Homogeneity(_range(merit(drawn, metric)), p)


def _pearson(shares: FloatArray, n: FloatArray) -> FloatArray:
    """Return Pearson's chi-square of rows of shares; 0 where all are 0 or all are 1."""
    common = (shares @ n / n.sum())[:, None]
    spread = (common * (1 - common))[:, 0]
    total = (n * (shares - common) ** 2).sum(axis=1)
    out: FloatArray = np.divide(total, spread, out=np.zeros_like(total), where=spread > 1e-12)
    return out


def _welch(value: FloatArray, variance: FloatArray, df: FloatArray) -> float:
    """Return the p value of Welch's analysis of variance; with many patients chi-square."""
    k = value.size
    weight = 1 / variance
    share = weight / weight.sum()
    total = float((weight * (value - share @ value) ** 2).sum())
    loss = float(((1 - share) ** 2 / df).sum())
    if loss == 0:
        return float(special.chdtrc(k - 1, total))
    ratio = total / (k - 1) / (1 + 2 * (k - 2) / (k**2 - 1) * loss)
    return float(special.fdtrc(k - 1, (k**2 - 1) / (3 * loss), ratio))


def _shared(
    statistics: list[Statistic],
    subsets: list[Subset],
    variance: FloatArray,
    centre: float,
    n_patients: int,
) -> float:
    """Return the p value of a test of groups that share patients; few patients make it larger.

    With several cases each, few patients may be seen in a way that tells groups apart, and how
    many that is shows in how unevenly they add to the statistic.
    """
    value = np.array([s.value for s in statistics])
    if np.ptp(value) == 0:
        return 1.0
    added = np.zeros((n_patients, value.size))
    for i, (statistic, subset) in enumerate(zip(statistics, subsets, strict=True)):
        added[subset.patients, i] = share_of_error(statistic, centre, subset.patients.size)
    added = added[added.any(axis=1)]
    seen = np.square(added).sum(axis=0)
    full = np.maximum(seen, _least_variance(statistics, variance))
    scale = np.where(full > 0, np.sqrt(full), 1.0)
    # Differences between groups: all that is orthogonal to their common figure.
    apart = np.linalg.svd(1 / scale[:, None])[0][:, 1:]
    differences = added / scale @ apart
    lent = apart * ((full - seen) / scale**2)[:, None]
    spread, axes = np.linalg.eigh(differences.T @ differences + apart.T @ lent)
    kept = spread > 1e-9 * spread.max(initial=0.0)
    unit = differences @ (axes[:, kept] / np.sqrt(spread[kept]))
    rank = int(kept.sum())
    leverage = np.square(unit).sum(axis=1)
    uneven = float(np.square(leverage).sum()) / rank if rank else 1.0
    n = (rank + 2) / uneven - 2
    if n <= rank + 1e-9:
        return float("nan")
    ratio = min(float(np.square(unit.sum(axis=0)).sum()) / n, 1.0)
    # No test says more than all patients of n pulling one way by chance.
    return max(float(special.betaincc(rank / 2, (n - rank) / 2, ratio)), float(2.0 ** (1 - n)))


def _least_variance(statistics: list[Statistic], variance: FloatArray) -> FloatArray:
    """Return below what the variance of a figure is never taken to be, whatever its patients show.

    Four cases of four found are all near a common share of .9 and seem to have no spread.
    """
    out = np.zeros(variance.size)
    share = common_share(statistics)
    for i, statistic in enumerate(statistics):
        spread = statistic.n_effective * share * (1 - share)
        if statistic.n_least < SMALL or (statistic.sums is None and spread < MANY):
            out[i] = variance[i]
        elif np.isfinite(spread) and statistic.sums is not None:
            out[i] = share * (1 - share) / statistic.sums[:, 1].sum()
    return out


def _centre(value: FloatArray, joint: FloatArray) -> float:
    """Return the common figure, by generalised least squares."""
    weight = np.linalg.pinv(joint, hermitian=True).sum(axis=0)
    total = float(weight.sum())
    return float(weight @ value / total) if total > 0 else float(value.mean())


def _range(draws: FloatArray) -> FloatArray:
    # By columns, of which there are few: ten times faster than along the rows.
    columns = list(draws.T)
    out: FloatArray = np.maximum.reduce(columns) - np.minimum.reduce(columns)
    return out


def _root(joint: FloatArray) -> FloatArray:
    values, vectors = np.linalg.eigh(joint)
    root: FloatArray = vectors * np.sqrt(np.maximum(values, 0))
    return root
