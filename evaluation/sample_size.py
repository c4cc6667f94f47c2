"""How many patients a question takes: before the data are collected, overall and per group.

Sizes are of cases that count: diseased ones for a sensitivity, healthy ones for a specificity.
`sample_size_groups` turns them into patients of each group and of the whole cohort, and
`sample_size_paired` has the designs in which both tools see the same patients.
"""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass

from scipy import special

from evaluation.estimates import two_sided_z

MOST = 1e9


@dataclass(frozen=True)
class SampleSize:
    """How many, and of what.

    Parameters
    ----------
    n : int
        The number to collect: ``exact`` rounded up.
    exact : float
        What the formula says.
    n_other : int
        The number in the other group; 0 where there is none, or where the cases are the same.
    counts : str
        What is counted.
    method : str
        The formula.

    Examples
    --------
    >>> size_two_proportions(0.9, 0.8, ratio=2).n_other
    309
    """

    n: int
    exact: float
    n_other: int
    counts: str
    method: str


def sized(exact: float, counts: str, method: str, *, ratio: float = 0.0) -> SampleSize:
    """Return what a formula says as a number of cases."""
    # 400.0000000001 patients are 400: what rounding added is no patient.
    n = math.ceil(round(exact, 6))
    return SampleSize(n, exact, math.ceil(round(exact * ratio, 6)), counts, method)


def share_between(name: str, value: float) -> float:
    """Return a value that lies between 0 and 1, or say that it does not."""
    if not 0 < value < 1:
        raise ValueError(f"{name} {value} must lie between 0 and 1")
    return float(value)


def above_0(name: str, value: float) -> float:
    """Return a value above 0, or say that it is not."""
    if not value > 0 or not math.isfinite(value):
        raise ValueError(f"{name} {value} must be above 0")
    return float(value)


def quantiles(alpha: float, power: float) -> tuple[float, float]:
    """Return the normal quantiles of a two-sided level and of a power."""
    share_between("power", power)
    return two_sided_z(1 - share_between("alpha", alpha)), float(special.ndtri(power))


def normal_size(z_alpha: float, sd_null: float, z_power: float, sd: float, gap: float) -> float:
    """Return n of a normal test; 0 where chance alone has more power than is asked."""
    return max(z_alpha * sd_null + z_power * sd, 0.0) ** 2 / gap**2


def size_half_width(share: float, half_width: float, *, level: float = 0.95) -> SampleSize:
    """Cases for an interval of a share that reaches `half_width` to either side.

    Parameters
    ----------
    share : float
        The expected sensitivity, specificity or other share, in (0, 1).
    half_width : float
        Half the width wanted, in (0, 1).
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    SampleSize
        Cases that count (diseased ones for a sensitivity); the normal formula.

    Raises
    ------
    ValueError
        If a number lies outside its range.

    Examples
    --------
    >>> size_half_width(0.9, 0.05).n
    139
    """
    p, half, z = (
        share_between("share", share),
        share_between("half_width", half_width),
        two_sided_z(level),
    )
    return sized(z**2 * p * (1 - p) / half**2, "cases that count", "normal, interval of a share")


def size_two_proportions(
    first: float, second: float, *, alpha: float = 0.05, power: float = 0.8, ratio: float = 1.0
) -> SampleSize:
    """Cases in each of two groups to tell two shares apart [1]_.

    Parameters
    ----------
    first, second : float
        The two shares, in (0, 1), not equal.
    alpha : float, default=0.05
        Two-sided level of the test.
    power : float, default=0.8
        Chance to find the difference if it is there.
    ratio : float, default=1
        Cases of the second group for each of the first.

    Returns
    -------
    SampleSize
        ``n`` in the first group, ``n_other`` in the second; pooled normal formula, without
        continuity correction.

    Raises
    ------
    ValueError
        If a number lies outside its range or the shares are equal.

    References
    ----------
    .. [1] Fleiss JL, Tytun A, Ury HK. Biometrics 1980;36:343-346. doi:10.2307/2529990

    Examples
    --------
    >>> found = size_two_proportions(0.9, 0.8)
    >>> found.n, round(found.exact, 2)
    (199, 198.96)
    """
    p, q, k = (
        share_between("first", first),
        share_between("second", second),
        above_0("ratio", ratio),
    )
    z_alpha, z_power = quantiles(alpha, power)
    gap = gap_between(p, q)
    pooled = (p + k * q) / (1 + k)
    null = math.sqrt(pooled * (1 - pooled) * (1 + 1 / k))
    spread = math.sqrt(p * (1 - p) + q * (1 - q) / k)
    exact = normal_size(z_alpha, null, z_power, spread, gap)
    return sized(exact, "cases that count, in each group", "pooled normal", ratio=k)


def gap_between(first: float, second: float) -> float:
    """Return the distance of two figures, which must differ."""
    if first == second:
        raise ValueError(f"first {first} and second {second} must differ")
    return abs(first - second)


def _auc_variance(auc: float, n: float, prevalence: float) -> float:
    """Return Hanley and McNeil's variance of an AUC of n cases."""
    n_ill, n_well = n * prevalence, n * (1 - prevalence)
    of_ill, of_well = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (n_ill - 1) * (of_ill - auc**2) + (n_well - 1) * (of_well - auc**2)
    return spread / (n_ill * n_well)


def least_enough(is_enough: Callable[[float], bool], least: float) -> float:
    """Return the smallest n that is enough; more is enough too."""
    high = least
    while not is_enough(high):
        high *= 2
        if high > MOST:
            raise ValueError(f"more than {MOST:g} cases would be needed")
    low = least if high == least else high / 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high


def size_auc_half_width(
    auc: float, half_width: float, *, prevalence: float, level: float = 0.95
) -> SampleSize:
    """Cases, ill and well together, for an interval of an AUC of a given half width [1]_.

    Parameters
    ----------
    auc : float
        The expected AUC, in (0, 1).
    half_width : float
        Half the width wanted, in (0, 1).
    prevalence : float
        Share of cases with the finding, in (0, 1).
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    SampleSize
        On the safe side for scores that are normal in both kinds: about a fifth wider is assumed.

    Raises
    ------
    ValueError
        If a number lies outside its range.

    References
    ----------
    .. [1] Hanley JA, McNeil BJ. Radiology 1982;143:29-36. doi:10.1148/radiology.143.1.7063747

    Examples
    --------
    >>> size_auc_half_width(0.85, 0.05, prevalence=0.2).n
    484
    """
    a, half = share_between("auc", auc), share_between("half_width", half_width)
    share, z = share_between("prevalence", prevalence), two_sided_z(level)
    exact = least_enough(
        lambda n: z * math.sqrt(_auc_variance(a, n, share)) <= half, 1 / min(share, 1 - share)
    )
    return sized(exact, "cases, ill and well", "Hanley and McNeil, normal")


def size_two_aucs(
    first: float,
    second: float,
    *,
    prevalence: float,
    correlation: float = 0.0,
    alpha: float = 0.05,
    power: float = 0.8,
) -> SampleSize:
    """Cases, ill and well together, to tell two AUCs apart [1]_ [2]_.

    Parameters
    ----------
    first, second : float
        The two AUCs, in (0, 1), not equal.
    prevalence : float
        Share of cases with the finding, in (0, 1).
    correlation : float, default=0
        Correlation of the two estimates: 0 for two groups (then ``n`` is of each), about 0.3 to
        0.7 for two tools on the same cases.
    alpha : float, default=0.05
        Two-sided level of the test.
    power : float, default=0.8
        Chance to find the difference if it is there.

    Returns
    -------
    SampleSize
        In each group, or of the cases both tools answer.

    Raises
    ------
    ValueError
        If a number lies outside its range or the AUCs are equal.

    References
    ----------
    .. [1] Hanley JA, McNeil BJ. Radiology 1983;148:839-843. doi:10.1148/radiology.148.3.6878708
    .. [2] Obuchowski NA, McClish DK. Stat Med 1997;16:1529-1542.

    Examples
    --------
    >>> alone = size_two_aucs(0.8, 0.85, prevalence=0.3)
    >>> paired = size_two_aucs(0.8, 0.85, prevalence=0.3, correlation=0.6)
    >>> paired.n < alone.n / 2
    True
    """
    a, b = share_between("first", first), share_between("second", second)
    share = share_between("prevalence", prevalence)
    if not 0 <= correlation < 1:
        raise ValueError(f"correlation {correlation} must lie in [0, 1)")
    z_alpha, z_power = quantiles(alpha, power)
    gap, middle = gap_between(a, b), (a + b) / 2

    def is_enough(n: float) -> bool:
        va, vb, v = (_auc_variance(x, n, share) for x in (a, b, middle))
        null = math.sqrt(2 * v * (1 - correlation))
        spread = math.sqrt(va + vb - 2 * correlation * math.sqrt(va * vb))
        return z_alpha * null + z_power * spread <= gap

    exact = least_enough(is_enough, 1 / min(share, 1 - share))
    where = "answered by both" if correlation else "in each group"
    return sized(exact, f"cases, ill and well, {where}", "Hanley and McNeil, normal")


def power_of(size: Callable[..., SampleSize], n: float, *values: float, **named: float) -> float:
    """Return the power that n cases have: the power for which `size` would ask for n.

    Parameters
    ----------
    size : callable
        One of the functions here that take a power.
    n : float
        Cases, or patients, at hand: what `size` counts.
    *values, **named : float
        What `size` takes, without the power.

    Returns
    -------
    float
        In (0, 1); 0.9999 stands for as much and more.

    Raises
    ------
    ValueError
        If `size` knows no power, or n is not above 0.

    Examples
    --------
    >>> round(power_of(size_two_proportions, 199, 0.9, 0.8), 3)
    0.8
    """
    if "power" not in inspect.signature(size).parameters or "power" in named:
        raise ValueError(f"{size.__name__} must take a power, and it must not be given")
    above_0("n", n)
    low, high = 1e-6, 0.9999
    for _ in range(50):
        middle = (low + high) / 2
        enough = size(*values, power=middle, **named).exact <= n
        low, high = (middle, high) if enough else (low, middle)
    return (low + high) / 2
