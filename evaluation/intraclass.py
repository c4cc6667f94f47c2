"""Do readers measure the same: the share of variance that lies between patients (ICC)."""

import numpy as np
from numpy.typing import NDArray
from scipy import special

from evaluation.estimates import NOT_ESTIMABLE, OK, SMALL, SMALL_N, Estimate, FloatArray
from evaluation.reliability import none_missing

IdArray = NDArray[np.generic]

ICC_KINDS = ("agreement", "consistency")


def icc(
    ratings: FloatArray,
    *,
    kind: str = "agreement",
    patient_id: IdArray | None = None,
    level: float = 0.95,
) -> Estimate:
    """Share of the variance of a measurement that lies between patients, not readers [1]_ [2]_.

    Parameters
    ----------
    ratings : ndarray of float, shape (n_patients, n_readers)
        A measurement of each patient by each reader.
    kind : {"agreement", "consistency"}, default="agreement"
        agreement: two-way random, absolute, ICC(2,1) = ICC(A,1): a reader who always measures
        more counts against it. consistency: ICC(3,1) = ICC(C,1): it does not.
    patient_id : ndarray, shape (n_patients,), optional
        Whose row it is; a patient in two rows is an error, for the interval takes the rows to
        be independent.
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    Estimate
        At most 1, with McGraw and Wong's interval. Not estimable with fewer than 2 patients, or
        when no two measurements, or no two of the same reader, differ. Without any difference
        between readers there is no interval, and the reason says so.

    Raises
    ------
    ValueError
        If there are fewer than 2 readers, a measurement is missing, a patient stands in two
        rows, or the kind is unknown.

    References
    ----------
    .. [1] Shrout PE, Fleiss JL. Psychol Bull 1979;86:420-428. doi:10.1037/0033-2909.86.2.420
    .. [2] McGraw KO, Wong SP. Psychol Methods 1996;1:30-46. doi:10.1037/1082-989X.1.1.30

    Examples
    --------
    >>> four = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9],
    ...                  [6, 2, 4, 7]])
    >>> round(icc(four).value, 2), round(icc(four, kind="consistency").value, 2)
    (0.29, 0.71)
    """
    table = _measurements(ratings, kind, patient_id)
    n, k = table.shape
    name = "ICC(2,1), absolute agreement" if kind == "agreement" else "ICC(3,1), consistency"
    if n < 2:
        return _icc_estimate(name, n, k, reason="fewer than 2 patients")
    centred = table - table.mean()
    rows = k * float(np.square(centred.mean(axis=1)).sum()) / (n - 1)
    columns = n * float(np.square(centred.mean(axis=0)).sum()) / (k - 1)
    left = centred - centred.mean(axis=1, keepdims=True) - centred.mean(axis=0)
    error = float(np.square(left).sum()) / ((n - 1) * (k - 1))
    rounding = 1e-12 * max(float(np.square(table).mean()), 1e-300)
    if rows + columns + error <= rounding:
        return _icc_estimate(name, n, k, reason="no two measurements differ")
    if rows + error <= rounding:
        # The readers differ and each gives all patients the same: nothing was there to measure.
        return _icc_estimate(name, n, k, reason="each reader measured the same in all patients")
    limits = _agreement_limits if kind == "agreement" else _consistency_limits
    value = (rows - error) / (rows + (k - 1) * error)
    if kind == "agreement":
        value = (rows - error) / (rows + (k - 1) * error + k * (columns - error) / n)
    low, high = limits(rows, columns, error, n, k, level)
    return _icc_estimate(name, n, k, value, low, high)


def _measurements(ratings: FloatArray, kind: str, patient_id: IdArray | None) -> FloatArray:
    table = np.asarray(ratings, float)
    if kind not in ICC_KINDS:
        raise ValueError(f"kind '{kind}' is none of {ICC_KINDS}")
    if table.ndim != 2 or table.shape[1] < 2:
        raise ValueError(f"ratings {table.shape} must be patients × 2 readers or more")
    none_missing(table, "ratings")
    if patient_id is not None:
        n_twice = table.shape[0] - np.unique(np.asarray(patient_id)).size
        if np.shape(patient_id) != table.shape[:1] or n_twice:
            raise ValueError(
                f"patient_id {np.shape(patient_id)} must name each of {table.shape[0]} rows once; "
                f"{n_twice} rows are of a patient who is there already"
            )
    return table


def _consistency_limits(
    rows: float, columns: float, error: float, n: int, k: int, level: float
) -> tuple[float, float]:
    if error <= 0:
        return float("nan"), float("nan")
    tail, ratio = (1 - level) / 2, rows / error
    df1, df2 = n - 1, (n - 1) * (k - 1)
    below = ratio / special.fdtri(df1, df2, 1 - tail)
    above = ratio * special.fdtri(df2, df1, 1 - tail)
    return float((below - 1) / (below + k - 1)), float((above - 1) / (above + k - 1))


def _agreement_limits(
    rows: float, columns: float, error: float, n: int, k: int, level: float
) -> tuple[float, float]:
    """Return McGraw and Wong's limits of ICC(A,1), by Satterthwaite's degrees of freedom."""
    if columns <= 0 and error <= 0:
        return float("nan"), float("nan")
    value = (rows - error) / (rows + (k - 1) * error + k * (columns - error) / n)
    if value >= 1:
        return float("nan"), float("nan")
    a = k * value / (n * (1 - value))
    b = 1 + k * value * (n - 1) / (n * (1 - value))
    df = (a * columns + b * error) ** 2 / (
        (a * columns) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1))
    )
    tail = (1 - level) / 2
    f_low = special.fdtri(n - 1, df, 1 - tail)
    f_high = special.fdtri(df, n - 1, 1 - tail)
    mixed = k * columns + (k * n - k - n) * error
    low = n * (rows - f_low * error) / (f_low * mixed + n * rows)
    high = n * (f_high * rows - error) / (mixed + n * f_high * rows)
    return float(low), float(high)


def _icc_estimate(
    definition: str, n: int, k: int, value: float = np.nan, low: float = np.nan,
    high: float = np.nan, *, reason: str = "",
) -> Estimate:  # fmt: skip
    few = n < SMALL
    state = NOT_ESTIMABLE if reason else SMALL_N if few else OK
    wide = "" if np.isfinite(low) else "no interval: no difference between readers"
    return Estimate(
        value=value,
        low=low,
        high=high,
        n_cases=n,
        n_patients=n,
        n_positive=None,
        n_failed=0,
        method="F, McGraw and Wong" if np.isfinite(low) else "",
        state=state,
        definition=f"{definition}, {k} readers",
        reason=reason or (f"{n} patients; {SMALL} are needed" if few else wide),
    )
