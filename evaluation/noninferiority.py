"""Is the new one at most a little worse: non-inferiority by a margin said in advance."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from evaluation.estimates import NOT_ESTIMABLE, Estimate, FloatArray
from evaluation.samples import Sample
from evaluation.statistic import estimate_of, mean_of

INFERIOR, NON_INFERIOR, SUPERIOR = "inferior", "non-inferior", "superior"
NOT_SHOWN, NOT_ANSWERED = "not shown", "not estimable"


@dataclass(frozen=True)
class NonInferiority:
    """What a difference says about a margin; above 0 is better for the new one.

    Parameters
    ----------
    difference, lower, upper : float
        New minus old, and its one-sided limits at ``level``.
    margin : float
        The loss that would matter, above 0.
    level : float
        One-sided confidence level.
    p : float
        One-sided p value of "it is worse by the margin or more".
    outcome : {"superior", "non-inferior", "inferior", "not shown", "not estimable"}
        superior: the lower limit is above 0. non-inferior: above −margin. inferior: the upper
        limit is below −margin.
    n_patients : int
        Patients it rests on.
    state, reason : str
        Whether the difference may be read, and why not.

    Examples
    --------
    >>> found = non_inferiority(np.array([-0.01, 0.0, 0.01, 0.02]), 0.05)
    >>> found.sentence
    'The new one is not worse by 0.05 or more (difference +0.0050, 97.5% lower limit −0.0155, n=4).'
    """

    difference: float
    lower: float
    upper: float
    margin: float
    level: float
    p: float
    outcome: str
    n_patients: int
    state: str
    reason: str = ""

    @property
    def is_non_inferior(self) -> bool:
        """Whether a loss of the margin or more is ruled out."""
        return self.outcome in (NON_INFERIOR, SUPERIOR)

    @property
    def is_superior(self) -> bool:
        """Whether any loss is ruled out, and equality with it."""
        return self.outcome == SUPERIOR

    @property
    def sentence(self) -> str:
        """What was found, in words."""
        if self.outcome == NOT_ANSWERED:
            return f"It cannot be told whether the new one is worse: {self.reason}."
        limit = f"{self.level:.1%} lower limit {self.lower:+.4f}".replace("-", "−")
        seen = f"difference {self.difference:+.4f}, {limit}, n={self.n_patients}".replace("-", "−")
        said = {
            SUPERIOR: "The new one is better",
            NON_INFERIOR: f"The new one is not worse by {self.margin:g} or more",
            INFERIOR: f"The new one is worse by more than {self.margin:g}",
            NOT_SHOWN: f"It is not shown that the new one is less than {self.margin:g} worse",
        }
        return f"{said[self.outcome]} ({seen})."


def non_inferiority(
    difference: FloatArray | Estimate,
    margin: float,
    *,
    patient_id: NDArray[np.generic] | None = None,
    level: float = 0.975,
) -> NonInferiority:
    """Hold a difference to a margin: is the new one at most that much worse, or better [1]_.

    Both questions are answered by one interval, and the second costs nothing after the first.

    Parameters
    ----------
    difference : ndarray of float, shape (n_cases,), or Estimate
        Paired differences of cases, new minus old, above 0 better; or a difference with its
        two-sided interval at ``2 * level - 1`` (95 % for the default), as a comparison gives it.
    margin : float
        The loss that would matter, in units of the difference, above 0; said before the data
        were seen.
    patient_id : ndarray, shape (n_cases,), optional
        Whose case it is; each its own patient when not given.
    level : float, default=0.975
        One-sided confidence level, in (0.5, 1).

    Returns
    -------
    NonInferiority
        ``outcome="not estimable"`` and nan where the difference has no interval.

    Raises
    ------
    ValueError
        If the margin is not above 0, the level not in (0.5, 1), or a difference is nan or
        infinite.

    References
    ----------
    .. [1] Piaggio G et al. JAMA 2012;308:2594-2604. doi:10.1001/jama.2012.87802

    Examples
    --------
    >>> dice = np.array([-.01, 0, .01, -.02, .01, 0, -.01, .02, 0, -.01])
    >>> non_inferiority(dice, 0.02).outcome, non_inferiority(dice, 0.005).outcome
    ('non-inferior', 'not shown')
    """
    if not margin > 0:
        raise ValueError(f"margin {margin} must be above 0")
    if not 0.5 < level < 1:
        raise ValueError(f"level {level} must lie between 0.5 and 1, it is one-sided")
    if isinstance(difference, Estimate):
        found, p = difference, _p_of_limits(difference, margin, level)
    else:
        found, p = _mean(np.asarray(difference, float), margin, patient_id, level)
    known = found.state != NOT_ESTIMABLE and bool(np.isfinite(found.low + found.high))
    reason = found.reason or ("" if known else "no spread between patients")
    return NonInferiority(
        difference=found.value,
        lower=found.low,
        upper=found.high,
        margin=margin,
        level=level,
        p=p if known else float("nan"),
        outcome=_outcome(found.low, found.high, margin) if known else NOT_ANSWERED,
        n_patients=found.n_patients,
        state=found.state if known else NOT_ESTIMABLE,
        reason=reason,
    )


def _mean(
    difference: FloatArray, margin: float, patient_id: NDArray[np.generic] | None, level: float
) -> tuple[Estimate, float]:
    """Return the mean difference with its interval, and the p value of the margin."""
    if np.isnan(difference).any():
        raise ValueError(f"{int(np.isnan(difference).sum())} of {difference.size} differences are "
                         "nan; a case that failed is wrong, not missing")  # fmt: skip
    if np.isinf(difference).any():
        raise ValueError(f"{int(np.isinf(difference).sum())} of {difference.size} differences are "
                         "infinite; a case that was missed has a finite penalty")  # fmt: skip
    who = np.arange(difference.size) if patient_id is None else np.asarray(patient_id)
    sample = Sample.of_patients(who, values={"difference": difference})
    statistic = mean_of(sample, difference, none="no case", is_unit=False)
    found = estimate_of(
        statistic, sample, level=2 * level - 1, bounds=(-np.inf, np.inf),
        definition="mean of new − old",
    )  # fmt: skip
    p = float("nan")
    if statistic.se > 0:
        p = float(special.stdtr(statistic.df, -(statistic.value + margin) / statistic.se))
    return found, p


def _p_of_limits(found: Estimate, margin: float, level: float) -> float:
    """Return the p value that goes with the lower limit, normal on its side."""
    down = found.value - found.low
    if not down > 0:
        return float("nan")
    return float(special.ndtr(-special.ndtri(level) * (found.value + margin) / down))


def _outcome(lower: float, upper: float, margin: float) -> str:
    if lower > 0:
        return SUPERIOR
    if lower > -margin:
        return NON_INFERIOR
    return INFERIOR if upper < -margin else NOT_SHOWN
