"""Figures of many small groups borrow strength from one another: partial pooling.

Each group's figure is the sum of a common one, of what each of its attributes adds, and of its own
share. How much there is of each is learnt from all groups at once; few cases move little away from
what the attributes alone foretell, many move all the way to their own figure. The spreads are not
fixed at their likeliest value but averaged over, so that intervals hold their level [1]_.

References
----------
.. [1] Gelman A. Bayesian Anal 2006;1:515-534. doi:10.1214/06-BA117A
"""

from dataclasses import dataclass

import numpy as np

from evaluation.estimates import FloatArray, wilson_limits

N_GRID = 10
LEAST = 4
"""With fewer groups than this the spread between them cannot be learnt: nothing is pooled."""

MOST = 200
"""With more groups than this nothing is pooled: the work grows with the cube of their number."""

BLOCK = 500_000
LOGIT_REACH = 1.5
ROUNDS = 4
N_START = 4
"""Cases of the common share that each group's figure is joined with to start from."""


@dataclass(frozen=True)
class Pooled:
    """Pooled figures of groups.

    Parameters
    ----------
    value, low, high : ndarray
        The figures and their intervals; nan where too few groups were measured, or too many.
    shrinkage : ndarray
        Share of the way from the raw figure to what the attributes alone foretell, in [0, 1].
    reason : str
        Why nothing was pooled of so many groups; empty otherwise.
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray
    shrinkage: FloatArray
    reason: str = ""


@dataclass(frozen=True)
class _Fit:
    mean: FloatArray
    sd: FloatArray
    shrinkage: FloatArray


def pooled(value: FloatArray, covariance: FloatArray, levels: FloatArray, *, z: float) -> Pooled:
    """Pool figures that may take any value, on their own scale.

    Parameters
    ----------
    value : ndarray, shape (n_groups,)
        The raw figures.
    covariance : ndarray, shape (n_groups, n_groups)
        Of their errors; groups may share patients.
    levels : ndarray of int, shape (n_groups, n_attributes)
        Level of each group under each attribute.
    z : float
        Normal quantile of the intervals.

    Examples
    --------
    >>> levels = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> raw = np.array([0.80, 0.82, 0.78, 0.40])
    >>> found = pooled(raw, np.diag([0.01, 0.01, 0.01, 0.20]) ** 2, levels, z=1.96)
    >>> found.value.round(1), found.shrinkage.round(1)
    (array([0.8, 0.8, 0.8, 0.7]), array([0.1, 0.1, 0.1, 0.7]))
    """
    if not LEAST <= value.size <= MOST:
        return _nothing(value.size)
    weight = 1 / np.diag(covariance)
    off = value - weight @ value / weight.sum()
    reach = 2 * np.sqrt(np.average(off**2)) + 1e-9 + 1e-3 * np.sqrt(1 / weight.max())
    fit = _fit(value, covariance, levels, float(reach))
    return Pooled(fit.mean, fit.mean - z * fit.sd, fit.mean + z * fit.sd, fit.shrinkage)


def pooled_shares(
    share: FloatArray,
    n: FloatArray,
    levels: FloatArray,
    *,
    z: float,
    correlation: FloatArray | None = None,
) -> Pooled:
    """Pool shares on the logit scale, so that a share of 0 or 1 needs no correction.

    The binomial likelihood is replaced by a normal one around the pooled figures, which are found
    by repeating that (penalised quasi-likelihood [1]_), with half a hit and half a miss added to
    all groups together.

    Parameters
    ----------
    share, n : ndarray, shape (n_groups,)
        The raw shares and their effective counts.
    levels : ndarray of int, shape (n_groups, n_attributes)
        Level of each group under each attribute.
    z : float
        Normal quantile of the intervals.
    correlation : ndarray, shape (n_groups, n_groups), optional
        Of the errors, where groups share patients.

    References
    ----------
    .. [1] Breslow NE, Clayton DG. J Am Stat Assoc 1993;88:9-25.
       doi:10.1080/01621459.1993.10594284

    Examples
    --------
    >>> levels = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> found = pooled_shares(np.array([0.8, 0.8, 0.8, 0.0]), np.array([200, 200, 200, 2.0]),
    ...                       levels, z=1.96)
    >>> found.value.round(1)
    array([0.8, 0.8, 0.8, 0.6])
    """
    if not LEAST <= share.size <= MOST:
        return _nothing(share.size)
    # Half a hit and half a miss, shared out: where all are right the likelihood has no maximum.
    total = float(n.sum())
    seen, worth = (share + 0.5 / total) / (1 + 1 / total), n * (1 + 1 / total)
    # From the common share alone, a step would overshoot where that is near 0 or 1.
    at = (seen * worth + N_START * float(seen @ n) / total) / (worth + N_START)
    linked = np.eye(share.size) if correlation is None else correlation
    for _ in range(ROUNDS):
        spread = np.maximum(at * (1 - at), 1e-6)
        working = np.log(at / (1 - at)) + (seen - at) / spread
        sd = 1 / np.sqrt(worth * spread)
        fit = _fit(working, linked * np.outer(sd, sd), levels, LOGIT_REACH)
        at = np.clip(_share(fit.mean), 1e-4, 1 - 1e-4)
    value = _share(fit.mean)
    low, high = _share_limits(fit, value, z)
    return Pooled(value, low, high, fit.shrinkage)


def _share_limits(fit: _Fit, value: FloatArray, z: float) -> tuple[FloatArray, FloatArray]:
    """Return limits of shares: towards the middle Wilson's, towards the nearer end the logit's.

    Misses are never far more than were seen, which a normal on the logit scale does not know:
    its far limit of groups that are all right would lie below that of their raw figure.
    """
    near = [_share(fit.mean + side * z * fit.sd) for side in (-1, 1)]
    information = fit.sd**2 * value * (1 - value)
    known = information > 0
    n = 1 / np.where(known, information, 1.0)
    out = []
    for mine, wilson in zip(near, wilson_limits(value, n, z), strict=True):
        outer = np.where(value > 0.5, np.maximum(mine, wilson), np.minimum(mine, wilson))
        out.append(np.where(known, outer, mine))
    return out[0], out[1]


def _nothing(n: int) -> Pooled:
    gone = np.full(n, np.nan)
    many = f"{n} groups, more than {MOST}: not pooled" if n > MOST else ""
    return Pooled(gone, gone, gone, gone, many)


def _share(logit: FloatArray) -> FloatArray:
    out: FloatArray = 1 / (1 + np.exp(-logit))
    return out


def _fit(value: FloatArray, covariance: FloatArray, levels: FloatArray, reach: float) -> _Fit:
    """Return means and deviations, averaged over the spreads of attributes and of groups."""
    k = value.size
    alike = np.zeros((k, k))
    for column in levels.T:
        alike += column[:, None] == column[None, :]
    # Finer near 0, where a little spread makes a large difference; flat in the spread itself.
    u = (np.arange(N_GRID) + 0.5) / N_GRID
    sigma, tau = (a.ravel() for a in np.meshgrid(reach * u**2, reach * u**2))
    prior_weight = np.outer(u, u).ravel()
    parts = []
    # A few points of the grid at a time, so that memory does not grow with their number.
    step = max(1, BLOCK // k**2)
    for first in range(0, sigma.size, step):
        at = slice(first, first + step)
        parts.append(_given(sigma[at], tau[at], value, covariance, alike))
    log_density, mean, variance = (np.concatenate(x) for x in zip(*parts, strict=True))
    weight = prior_weight * np.exp(log_density - log_density.max())
    weight /= weight.sum()
    overall = weight @ mean
    sd = np.sqrt(weight @ (np.maximum(variance, 0) + (mean - overall) ** 2))
    noise = np.diag(covariance)
    shrinkage = weight @ (noise[None, :] / (noise[None, :] + tau[:, None] ** 2))
    return _Fit(overall, sd, shrinkage)


def _given(
    sigma: FloatArray, tau: FloatArray, value: FloatArray, covariance: FloatArray, alike: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return log density, means and variances at given spreads of attributes and of groups."""
    k = value.size
    prior = sigma[:, None, None] ** 2 * alike + tau[:, None, None] ** 2 * np.eye(k)
    inverse = np.linalg.inv(prior + covariance)
    of_one = inverse.sum(axis=2)
    total = of_one.sum(axis=1)
    centre = of_one @ value / total
    off = value[None, :] - centre[:, None]
    solved = (inverse @ off[:, :, None])[:, :, 0]
    log_density = 0.5 * (
        np.linalg.slogdet(inverse)[1] - np.log(total) - np.einsum("gi,gi->g", off, solved)
    )
    mean = centre[:, None] + (prior @ solved[:, :, None])[:, :, 0]
    gain = prior @ inverse
    kept = np.diagonal(prior, axis1=1, axis2=2) - np.einsum("gik,gik->gi", gain, prior)
    carried = (prior @ of_one[:, :, None])[:, :, 0]
    return log_density, mean, kept + (1 - carried) ** 2 / total[:, None]
