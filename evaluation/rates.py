"""Rates of a decision in every group at once, with intervals: for a notebook, in milliseconds.

What `evaluate_classification` says of decisions, for those who have two arrays and a column. The
cases are counted once; patients with the same counts are one row, and the bootstrap draws rows.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evaluation.confusion import ILL, WELL
from evaluation.estimates import BoolArray, FloatArray, IntArray
from evaluation.groups import ALL, group_labels, group_order
from evaluation.metrics import METRICS
from evaluation.resampling import Weights, count_totals, distinct_rows, group_rng
from evaluation.samples import as_flags
from evaluation.statistic import Statistic, analytic_limits, interval_of, share_of_counts

TP, FN, FP, TN = 0, 1, 2, 3

RATES = {
    "sensitivity": ((TP,), (TP, FN), "0 positives", ILL),
    "specificity": ((TN,), (FP, TN), "0 negatives", WELL),
    "ppv": ((TP,), (TP, FP), "no case was called positive", "patients called positive"),
    "npv": ((TN,), (FN, TN), "no case was called negative", "patients called negative"),
    "accuracy": ((TP, TN), (TP, FN, FP, TN), "no case", "patients"),
    "selection_rate": ((TP, FP), (TP, FN, FP, TN), "no case", "patients"),
    "false_negative_rate": ((FN,), (TP, FN), "0 positives", ILL),
    "false_positive_rate": ((FP,), (FP, TN), "0 negatives", WELL),
}
"""Of which cells of the confusion matrix each rate is made: hits, counted, and its words."""

COLUMNS = [
    "metric", "attribute", "group", "n_patients", "n_cases", "n_positive", "value", "low", "high",
    "low_linearised", "high_linearised", "method", "state", "definition", "reason",
]  # fmt: skip

ROW_COST = 10
"""Weights must be drawn here before they weigh, so that rows pay far longer than in the engine."""


def group_rates(
    y_true: BoolArray,
    y_pred: BoolArray,
    groups: "NDArray[np.generic] | pd.Series[str] | pd.DataFrame",
    *,
    patient_id: NDArray[np.generic] | None = None,
    n_boot: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Return eight rates of a decision, overall and in each group, with intervals by patient.

    Parameters
    ----------
    y_true, y_pred : ndarray of bool, shape (n_cases,)
        Reference standard and decision; 0 and 1 will do, nan will not.
    groups : ndarray, Series or DataFrame, n_cases long
        Group of each case; a column each of several attributes. A missing one is
        ``not recorded``. An attribute may differ between the cases of a patient.
    patient_id : ndarray, shape (n_cases,), optional
        Whose case it is. Without it each case is its own patient, and the method says so.
    n_boot : int, default=1000
        Bootstrap replicates, drawn exactly: by distinct counts of a patient [1]_.
    level : float, default=0.95
        Confidence level, in (0, 1).
    seed : int, default=0
        The only source of chance.

    Returns
    -------
    DataFrame
        One row per attribute, group and rate: counts, value in [0, 1], interval, the linearised
        interval, method, state and reason. A rate without cases is nan with a reason. Too few for
        a bootstrap have Wilson's interval on the effective n, as the whole evaluation has.

    Raises
    ------
    ValueError
        If lengths differ, or labels or decisions hold anything but 0 and 1.

    References
    ----------
    .. [1] Davison AC, Hinkley DV. Bootstrap methods and their application. 1997, ch. 2.
       doi:10.1017/CBO9780511802843

    Examples
    --------
    >>> ill = np.array([1, 1, 1, 1, 0, 0, 0, 0, 1, 1])
    >>> called = np.array([0, 1, 1, 1, 1, 0, 0, 0, 1, 1])
    >>> sex = np.repeat(["F", "M"], 5)
    >>> rates = group_rates(ill, called, sex).query("metric == 'selection_rate'")
    >>> dict(zip(rates["group"], rates["value"].tolist()))
    {'all': 0.6, 'F': 0.8, 'M': 0.4}
    """
    ill, called = as_flags(y_true, "y_true"), as_flags(y_pred, "y_pred")
    table = _attributes(groups)
    who = np.arange(ill.size) if patient_id is None else np.asarray(patient_id)
    if not ill.shape == called.shape == who.shape == (len(table),):
        raise ValueError(
            f"y_true {ill.shape}, y_pred {called.shape}, groups ({len(table)},), patient_id "
            f"{who.shape} must match and have one axis"
        )
    if n_boot < 100:
        raise ValueError(f"n_boot {n_boot} must be 100 or more")
    if pd.isna(who).any():
        raise ValueError(f"patient_id is missing in {int(pd.isna(who).sum())} of {who.size} cases")
    outcome = np.where(ill, np.where(called, TP, FN), np.where(called, FP, TN))
    patient = pd.factorize(who)[0].astype(np.int64)
    rows: list[dict[str, object]] = []
    for attribute, names, code in _codes(table):
        for i, (counts, times) in enumerate(_counted(patient, outcome, code, len(names))):
            cell = _rows(counts, times, (attribute, names[i]), n_boot, level, seed)
            rows += cell if patient_id is not None else _by_case(cell)
    return pd.DataFrame(rows, columns=COLUMNS)


def _attributes(
    groups: "NDArray[np.generic] | pd.Series[str] | pd.DataFrame",
) -> pd.DataFrame:
    if isinstance(groups, pd.DataFrame):
        return groups
    if isinstance(groups, pd.Series):
        return groups.to_frame(groups.name if groups.name is not None else "group")
    return pd.DataFrame({"group": np.asarray(groups)})


def _codes(table: pd.DataFrame) -> Iterator[tuple[str, list[str], IntArray]]:
    """Return each attribute with its groups in order, and the group of each case as a number."""
    yield ALL, [ALL], np.zeros(len(table), np.int64)
    for attribute in table:
        codes, found = pd.factorize(table[attribute])
        # Names are read once each, not once a case; the last stands for a missing one.
        written = pd.Series([*found, None], dtype=object)
        labels = [str(n) for n in group_labels(written, written, per_case=True)]
        order = group_order(labels[i] for i in np.unique(codes))
        place = {name: i for i, name in enumerate(order)}
        yield str(attribute), order, np.array([place.get(n, -1) for n in labels], np.int64)[codes]


def _counted(
    patient: IntArray, outcome: IntArray, code: IntArray, n_groups: int
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Return per group the distinct counts of a patient's outcomes, and how many have them."""
    pair, cells = pd.factorize(patient * n_groups + code)
    counts = np.bincount(pair * 4 + outcome, minlength=4 * cells.size).reshape(-1, 4)
    of_group = cells % n_groups
    for group in range(n_groups):
        mine = counts[of_group == group]
        first, share, n = distinct_rows(mine)
        yield mine[first].astype(float), np.rint(share * n)


def _rows(
    counts: FloatArray,
    times: FloatArray,
    where: tuple[str, str],
    n_boot: int,
    level: float,
    seed: int,
) -> list[dict[str, object]]:
    statistics = []
    for hit, counted, none, least in RATES.values():
        hits, among = counts[:, hit].sum(axis=1), counts[:, counted].sum(axis=1)
        statistics.append(share_of_counts(hits, among, times, none=none, least=least))
    low, high = analytic_limits(statistics, [0.0] * 8, [1.0] * 8, level=level)
    n = {
        "n_patients": int(times.sum()),
        "n_cases": int(counts.sum(axis=1) @ times),
        "n_positive": int(counts[:, (TP, FN)].sum(axis=1) @ times),
    }
    out = []
    for i, (name, statistic) in enumerate(zip(RATES, statistics, strict=True)):
        draws = None if statistic.few else _draws(statistic, times, n_boot, group_rng(seed, *where))
        linearised = float(low[i]), float(high[i])
        limits, method = interval_of(statistic, draws, linearised, level=level)
        figures = (statistic.value, *limits, *linearised)
        out.append(
            {"metric": name, "attribute": where[0], "group": where[1], **n}
            | dict(zip(COLUMNS[6:11], figures, strict=True))
            | {
                "method": method,
                "state": statistic.state,
                "definition": METRICS[name].definition,
                "reason": statistic.why,
            }
        )
    return out


def _draws(
    statistic: Statistic, times: FloatArray, n_boot: int, rng: np.random.Generator
) -> FloatArray | None:
    if statistic.sums is None or statistic.from_sums is None:
        return None
    totals = count_totals(statistic.sums, n_boot, rng, times=times, row_cost=ROW_COST)
    if totals is None:
        each = np.repeat(statistic.sums, times.astype(np.int64), axis=0)
        totals = Weights.draw(len(each), n_boot, rng).totals(each)
    return statistic.from_sums(totals)


def _by_case(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Return the rows with what must be said where patients are not known."""
    for row in rows:
        if row["method"]:
            words = str(row["method"]).replace("by patient", "by case")
            row["method"] = words + "; patients unknown"
    return rows
