"""The learning curve as an inverse power law: where it leads, and how many patients a goal takes.

A score at n patients is a − b·n^(−c): a is what would be reached with patients without end [1]_.
Where lower is better the curve falls, and b is below 0. The fit is said not to hold where it does
not.

References
----------
.. [1] Figueroa RL et al. BMC Med Inform Decis Mak 2012;12:8. doi:10.1186/1472-6947-12-8
"""

import math
import warnings
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

FEWEST_SIZES = 4
"""Three parameters and one size to be wrong on."""
FARTHEST = 20.0
"""Times the largest size seen: beyond it no curve is believed."""
MOST_LOST = 0.2
"""Share of bootstrap replicates that may fail to be fitted."""


@dataclass(frozen=True)
class PowerLaw:
    """A fitted curve.

    Parameters
    ----------
    a, b, c : float
        Score at n patients: a − b·n^(−c); nan where nothing was fitted.
    a_low, a_high : float
        Interval of the plateau.
    replicates : ndarray, shape (n_fitted, 3)
        Parameters of the bootstrap replicates.
    state : {"ok", "no_fit"}
        Whether the curve may be read beyond what was measured.
    reason : str
        Why not.
    falls : bool
        Whether lower scores are better.
    n_lost : int
        Replicates that could not be fitted; the intervals are without them.
    """

    a: float = math.nan
    b: float = math.nan
    c: float = math.nan
    a_low: float = math.nan
    a_high: float = math.nan
    replicates: FloatArray = field(default_factory=lambda: np.empty((0, 3)))
    n_most: float = math.nan
    state: str = "ok"
    reason: str = ""
    falls: bool = False
    n_lost: int = 0

    def score(self, n: float) -> float:
        """Return the score that `n` patients would reach."""
        return float(self.a - self.b * n**-self.c)

    def band(self, n: float) -> tuple[float, float]:
        """Return the interval of the score at `n` patients."""
        if not len(self.replicates):
            return math.nan, math.nan
        a, b, c = self.replicates.T
        low, high = np.quantile(a - b * n**-c, [0.025, 0.975])
        return float(low), float(high)

    def needed(self, target: float) -> tuple[float, float, float]:
        """Return the patients a target takes, with an interval; inf where it is never reached."""
        if self.state != "ok":
            return math.nan, math.nan, math.nan
        sign = -1 if self.falls else 1
        replicates = [_needed(sign * a, sign * b, c, sign * target) for a, b, c in self.replicates]
        # inf is an answer here, so the quantiles are taken from the order and not interpolated.
        low, high = np.quantile(replicates, [0.025, 0.975], method="inverted_cdf")
        value = _needed(sign * self.a, sign * self.b, self.c, sign * target)
        return value, float(low), float(high)


def fit_power_law(
    n: FloatArray, score: FloatArray, replicates: FloatArray, *, falls: bool = False
) -> PowerLaw:
    """Fit a − b·n^(−c) to scores at growing numbers of patients.

    Parameters
    ----------
    n : ndarray, shape (n_sizes,)
        Patients learnt from, ascending.
    score : ndarray, shape (n_sizes,)
        Mean score at each size, in [0, 1].
    replicates : ndarray, shape (n_boot, n_sizes)
        The same scores in each bootstrap replicate.
    falls : bool, default=False
        Whether lower is better.

    Returns
    -------
    PowerLaw
        ``state="no_fit"`` with the reason where the sizes are too few, the scores do not get
        better, the curve misses them by more than their spread, or replicates cannot be fitted.

    Raises
    ------
    ValueError
        If the arrays do not match.

    Examples
    --------
    >>> n = np.array([50.0, 100, 200, 400, 800])
    >>> score = 0.9 - 2 * n**-0.6
    >>> law = fit_power_law(n, score, np.tile(score, (20, 1)))
    >>> round(law.a, 3), round(law.needed(0.88)[0])
    (0.9, 2154)
    """
    if n.shape != score.shape or replicates.ndim != 2 or replicates.shape[1] != n.size:
        raise ValueError(f"n {n.shape}, score {score.shape}, replicates {replicates.shape} differ")
    most = float(n.max()) if n.size else math.nan
    no_fit = PowerLaw(n_most=most, state="no_fit", falls=falls)
    if n.size < FEWEST_SIZES:
        why = f"{n.size} sizes; a curve of three parameters takes {FEWEST_SIZES}"
        return replace(no_fit, reason=why)
    if falls:
        score, replicates = 1 - score, 1 - replicates
    spread = np.maximum(replicates.std(axis=0), 1e-4)
    rise = replicates[:, -1] - replicates[:, 0]
    if np.quantile(rise, 0.025) <= 0:
        why = "the score does not surely get better from the smallest size to the largest"
        return replace(no_fit, reason=why)
    whole = _fit(n, score, spread)
    if whole is None:
        return replace(no_fit, reason="no curve could be fitted")
    fitted = [found for row in replicates if (found := _fit(n, row, spread, whole)) is not None]
    n_lost = len(replicates) - len(fitted)
    law = np.array(fitted).reshape(-1, 3)
    reason = ""
    if n_lost > MOST_LOST * len(replicates):
        reason = f"{n_lost} of {len(replicates)} replicates could not be fitted"
    miss = (score - (whole[0] - whole[1] * n ** -whole[2])) / spread
    if np.sqrt((miss**2).mean()) > 2:
        reason = "the curve misses the scores by more than twice their spread"
    if falls:
        whole, law = _turned(whole[None])[0], _turned(law)
    low, high = np.quantile(law[:, 0], [0.025, 0.975]) if len(law) else (math.nan, math.nan)
    a, b, c = map(float, whole)
    return replace(
        no_fit, a=a, b=b, c=c, a_low=float(low), a_high=float(high), replicates=law,
        state="no_fit" if reason else "ok", reason=reason, n_lost=n_lost,
    )  # fmt: skip


def _turned(law: FloatArray) -> FloatArray:
    """Return the parameters of 1 less the curve."""
    return law * [-1, -1, 1] + [1, 0, 0]


def _fit(
    n: FloatArray, score: FloatArray, spread: FloatArray, start: FloatArray | None = None
) -> FloatArray | None:
    from scipy.optimize import OptimizeWarning, curve_fit

    # In units of the smallest size the drop b is of the order of the scores.
    unit = float(n.min())
    first = [min(score.max() + 0.02, 1.0), max(score.max() - score.min(), 1e-3), 0.5]
    if start is not None:
        first = [start[0], start[1] * unit ** -start[2], start[2]]
    bounds = ([0.0, 0.0, 0.02], [1.0, 5.0, 3.0])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OptimizeWarning)
            found, _ = curve_fit(
                lambda x, a, b, c: a - b * x**-c, n / unit, score, sigma=spread, bounds=bounds,
                p0=np.clip(first, bounds[0], bounds[1]), max_nfev=2000,
            )  # fmt: skip
    except RuntimeError:
        return None
    a, b, c = found
    return np.array([a, b * unit**c, c])


def _needed(a: float, b: float, c: float, target: float) -> float:
    """Return where a curve that rises to a reaches the target."""
    if a <= target:
        return math.inf
    if b <= 0:
        return 0.0
    return float((b / (a - target)) ** (1 / c))
