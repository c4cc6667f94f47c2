"""A figure with its interval, its n and its state: no figure leaves this package alone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

OK = "ok"
NOT_ESTIMABLE = "not_estimable"
SMALL_N = "small_n"
SUPPRESSED = "suppressed"

SMALL = 10
"""Fewer patients than this (or patients with, or without, the finding) is ``small_n``."""

FEW = 30
"""Fewer effective cases than this: no bootstrap, an interval made for few."""


@dataclass(frozen=True)
class Estimate:
    """One figure: value, interval, how many it rests on, and whether it may be read.

    Parameters
    ----------
    value, low, high : float
        The figure and its interval; nan where ``state`` is ``not_estimable``, never 0.
    n_cases, n_patients : int
        Cases and patients that were scored, the failed ones among them.
    n_positive : int or None
        Cases with the finding; None where there is no such thing.
    n_failed : int
        Cases the tool failed on or refused; they count as wrong.
    method : str
        How the interval was made.
    state : {"ok", "not_estimable", "small_n", "suppressed"}
        Whether the figure may be read.
    definition : str
        What was computed, in one sentence.
    reason : str
        Why the state is not ``ok``.

    Examples
    --------
    >>> print(Estimate(0.834, 0.8, 0.86, 123, 120, 40, 0, "Wilson", "ok", "share"))
    0.83 (0.80–0.86), n=123
    """

    value: float
    low: float
    high: float
    n_cases: int
    n_patients: int
    n_positive: int | None
    n_failed: int
    method: str
    state: str
    definition: str
    reason: str = ""

    def text(self, digits: int = 2) -> str:
        """Return the figure as a person reads it.

        Examples
        --------
        >>> Estimate(np.nan, np.nan, np.nan, 4, 4, 0, 0, "", "not_estimable", "", "no case").text()
        'not estimable (no case), n=4'
        """
        if self.state == SUPPRESSED:
            return "suppressed"
        if self.state == NOT_ESTIMABLE:
            return f"not estimable ({self.reason}), n={self.n_cases}"
        spread = f"{self.low:.{digits}f}–{self.high:.{digits}f}"
        if not np.isfinite(self.low + self.high):
            spread = "no interval"
        return f"{self.value:.{digits}f} ({spread}), n={self.n_cases}"

    def __str__(self) -> str:
        return self.text()


def two_sided_z(level: float) -> float:
    """Return the normal quantile of a two-sided interval.

    Examples
    --------
    >>> round(two_sided_z(0.95), 3)
    1.96
    """
    if not 0 < level < 1:
        raise ValueError(f"level {level} must lie between 0 and 1")
    return float(special.ndtri(0.5 + level / 2))


def critical(z: ArrayLike, df: ArrayLike) -> FloatArray:
    """Return the t quantile with `df` degrees that has the tail of the normal quantile `z`.

    Parameters
    ----------
    z : array_like
        Normal quantile, not negative.
    df : array_like
        Degrees of freedom; inf gives `z` back.

    Examples
    --------
    >>> critical(1.959964, np.array([9.0, np.inf])).round(3)
    array([2.262, 1.96 ])
    """
    z_, df_ = np.broadcast_arrays(np.asarray(z, float), np.asarray(df, float))
    out = z_.astype(float, copy=True)
    finite = np.isfinite(df_)
    # The upper tail by its lower twin: ndtr(-z) keeps its digits where 1 - ndtr(z) has none.
    # Past about z = 30 it runs out of numbers and answers with the wrong sign.
    out[finite] = np.abs(special.stdtrit(df_[finite], special.ndtr(-z_[finite])))
    return out


def wilson_limits(share: ArrayLike, n: ArrayLike, z: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return Wilson's limits of shares on (effective) counts, arrays in, arrays out.

    Examples
    --------
    >>> low, high = wilson_limits([1.0, 0.825], [4, 40], 1.959964)
    >>> low.round(4), high.round(4)
    (array([0.5101, 0.6805]), array([1.    , 0.9125]))
    """
    p, m, c = (np.asarray(a, float) for a in (share, n, z))
    centre = (p + c**2 / (2 * m)) / (1 + c**2 / m)
    half = c / (1 + c**2 / m) * np.sqrt(np.maximum(p * (1 - p), 0) / m + c**2 / (4 * m**2))
    # At a share of 0 or 1 the limit is exactly that; rounding must not step over it.
    low = np.where(p <= 0, 0.0, np.maximum(centre - half, 0.0))
    high = np.where(p >= 1, 1.0, np.minimum(centre + half, 1.0))
    return low, high


def _check_counts(successes: float, n: float) -> None:
    if not (n > 0 and 0 <= successes <= n):
        raise ValueError(f"successes {successes} must lie between 0 and n {n}, and n above 0")


def wilson(successes: float, n: float, *, level: float = 0.95) -> tuple[float, float]:
    """Return Wilson's interval of a share [1]_; counts may be effective ones.

    Parameters
    ----------
    successes, n : float
        Count and total; a total that is not whole is an effective n.
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    low, high : float

    References
    ----------
    .. [1] Wilson EB. J Am Stat Assoc 1927;22:209-212. doi:10.1080/01621459.1927.10502953

    Examples
    --------
    >>> low, high = wilson(33, 40)
    >>> f"{low:.4f} {high:.4f}"
    '0.6805 0.9125'
    """
    _check_counts(successes, n)
    low, high = wilson_limits(successes / n, n, two_sided_z(level))
    return float(low), float(high)


def clopper_pearson(successes: float, n: float, *, level: float = 0.95) -> tuple[float, float]:
    """Return the exact binomial interval of a share; never short of its level, often wide.

    Parameters
    ----------
    successes, n : float
        Count and total.
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    low, high : float

    Examples
    --------
    >>> low, high = clopper_pearson(0, 30)
    >>> f"{low:.4f} {high:.4f}"
    '0.0000 0.1157'
    """
    _check_counts(successes, n)
    two_sided_z(level)
    tail = (1 - level) / 2
    low = 0.0 if successes == 0 else float(special.betaincinv(successes, n - successes + 1, tail))
    high = (
        1.0 if successes == n else float(special.betaincinv(successes + 1, n - successes, 1 - tail))
    )
    return low, high


def clustered_proportion(
    success: BoolArray, patient_id: NDArray[np.generic], *, level: float = 0.95
) -> Estimate:
    """Return a share with Wilson's interval on the effective number of cases.

    Cases of one patient resemble each other, so that a hundred films of ten patients know less
    than a hundred films of a hundred. The effective n divides by that design effect.

    Parameters
    ----------
    success : ndarray of bool, shape (n_cases,)
        What is counted.
    patient_id : ndarray, shape (n_cases,)
        Whose case it is.
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    Estimate
        ``state="not_estimable"`` and nan when there is no case.

    Examples
    --------
    >>> right = np.repeat([True] * 7 + [False] * 3, 10)
    >>> print(clustered_proportion(right, np.repeat(np.arange(10), 10)).text())
    0.70 (0.36–0.91), n=100
    """
    from evaluation.samples import Sample
    from evaluation.statistic import estimate_of, share_of

    hit = np.asarray(success)
    if hit.shape != np.shape(patient_id):
        raise ValueError(f"success {hit.shape}, patient_id {np.shape(patient_id)} must match")
    sample = Sample.of_patients(patient_id, values={"hit": hit.astype(float)})
    statistic = share_of(sample, hit.astype(float), np.ones(hit.size), none="no case")
    return estimate_of(statistic, sample, level=level, definition="share of cases")
