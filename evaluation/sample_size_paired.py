"""How many patients it takes to compare two tools that both answer for the same patients."""

import math

from scipy import special

from evaluation.sample_size import (
    SampleSize,
    above_0,
    gap_between,
    least_enough,
    normal_size,
    quantiles,
    share_between,
    sized,
)


def size_paired_proportions(
    first: float, second: float, *, discordant: float, alpha: float = 0.05, power: float = 0.8
) -> SampleSize:
    """Cases that both tools answer, to tell their shares apart (McNemar's test) [1]_.

    Parameters
    ----------
    first, second : float
        The shares of the two tools on the same cases, in (0, 1), not equal.
    discordant : float
        Share of cases on which exactly one is right; at least the difference.
    alpha : float, default=0.05
        Two-sided level of the test.
    power : float, default=0.8
        Chance to find the difference if it is there.

    Returns
    -------
    SampleSize

    Raises
    ------
    ValueError
        If a number lies outside its range, or `discordant` cannot be.

    References
    ----------
    .. [1] Connor RJ. Biometrics 1987;43:207-211. doi:10.2307/2531961

    Examples
    --------
    >>> size_paired_proportions(0.9, 0.8, discordant=0.2).n
    155
    """
    p, q = share_between("first", first), share_between("second", second)
    gap = gap_between(p, q)
    most = min(p + q, 2 - p - q)
    if not gap - 1e-12 <= discordant <= most + 1e-12:
        raise ValueError(f"discordant {discordant} must lie between {gap:g} and {most:g}")
    z_alpha, z_power = quantiles(alpha, power)
    spread = math.sqrt(max(discordant - gap**2, 0.0))
    exact = normal_size(z_alpha, math.sqrt(discordant), z_power, spread, gap)
    return sized(exact, "cases that count, answered by both", "McNemar, normal")


def size_paired_mean(
    difference: float, sd: float, *, alpha: float = 0.05, power: float = 0.8
) -> SampleSize:
    """Patients to tell a mean paired difference, of Dice or volumes, from none.

    Parameters
    ----------
    difference : float
        The mean difference to be found, not 0.
    sd : float
        Standard deviation of the differences of patients.
    alpha : float, default=0.05
        Two-sided level of the t test.
    power : float, default=0.8
        Chance to find the difference if it is there.

    Returns
    -------
    SampleSize
        Exact, by the noncentral t distribution.

    Raises
    ------
    ValueError
        If a number lies outside its range.

    Examples
    --------
    >>> size_paired_mean(0.01, 0.04).n
    128
    """
    effect = above_0("difference, without its sign,", abs(difference)) / above_0("sd", sd)
    quantiles(alpha, power)
    exact = least_enough(lambda n: _t_power(effect, n, 1 - alpha / 2, both=True) >= power, 2.0)
    return sized(exact, "patients", "paired t, noncentral t")


def size_non_inferiority(
    margin: float,
    sd: float,
    *,
    difference: float = 0.0,
    level: float = 0.975,
    power: float = 0.8,
) -> SampleSize:
    """Patients to show that a new tool is at most `margin` worse on the same patients.

    Parameters
    ----------
    margin : float
        The loss that would matter, above 0.
    sd : float
        Standard deviation of the paired differences; for a share the root of (discordant share −
        difference²).
    difference : float, default=0
        The true difference, new minus old, above 0 better; above −margin.
    level : float, default=0.975
        One-sided confidence level, in (0.5, 1).
    power : float, default=0.8
        Chance to show it if it is so.

    Returns
    -------
    SampleSize
        Exact, by the noncentral t distribution.

    Raises
    ------
    ValueError
        If a number lies outside its range, or the difference is beyond the margin.

    Examples
    --------
    >>> size_non_inferiority(0.02, 0.05).n, size_non_inferiority(0.02, 0.05, difference=0.005).n
    (52, 34)
    """
    if not 0.5 < level < 1:
        raise ValueError(f"level {level} must lie between 0.5 and 1, it is one-sided")
    room = above_0("margin", margin) + difference
    if room <= 0:
        raise ValueError(f"difference {difference} must be above −margin, {-margin:g}")
    effect = room / above_0("sd", sd)
    share_between("power", power)
    exact = least_enough(lambda n: _t_power(effect, n, level, both=False) >= power, 2.0)
    return sized(exact, "patients", "paired t, one-sided, noncentral t")


def _t_power(effect: float, n: float, quantile: float, *, both: bool) -> float:
    """Return the power of a paired t test of n patients."""
    df, shift = n - 1, effect * math.sqrt(n)
    at = float(special.stdtrit(df, quantile))
    found = 1 - float(special.nctdtr(df, shift, at))
    return found + float(special.nctdtr(df, shift, -at)) if both else found
