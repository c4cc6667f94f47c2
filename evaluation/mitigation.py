"""What a mitigation changed, for each group: before, after, and who pays for it.

A mean that rises can hide a group that falls. So every group of every attribute is told, also of
those that were not mitigated, and one that is served worse than before is marked.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evaluation.compare import Comparison
from evaluation.estimates import NOT_ESTIMABLE, OK
from evaluation.groups import ALL, UNSURE
from evaluation.metrics import METRICS

MITIGATION_COLUMNS = [
    "target", "metric", "attribute", "group", "before", "before_low", "before_high", "after",
    "after_low", "after_high", "change", "change_low", "change_high", "n_patients", "n_cases",
    "levelled_down", "state", "reason",
]  # fmt: skip

WORST, GAP = "(worst group)", "(gap)"
"""Group names of an attribute's worst group, and of the distance from its best to its worst."""

_RENAMED = {
    "a": "before", "a_low": "before_low", "a_high": "before_high",
    "b": "after", "b_low": "after_low", "b_high": "after_high",
    "difference": "change", "low": "change_low", "high": "change_high",
}  # fmt: skip


def mitigation_table(comparison: Comparison, metrics: Iterable[str]) -> pd.DataFrame:
    """Return each group's figures before and after, and its attribute's worst group and gap.

    Parameters
    ----------
    comparison : Comparison
        Of the tool without the mitigation (a) and with it (b), on the same cases.
    metrics : iterable of str
        Names in ``METRICS``; those the comparison does not have are left out.

    Returns
    -------
    DataFrame
        One row per target, metric and group, the overall ones under ``all``: ``before`` and
        ``after`` with their intervals, and ``change`` with its paired interval by patient, above 0
        better (the plain difference of a metric that has no direction). ``levelled_down`` is a
        group whose change lies below 0 with its whole interval. Under `WORST` an attribute's
        smallest figure before and after, named in ``reason``; under `GAP` the distance from best
        to worst. Both look at known groups of 10 patients or more (with, or without, the finding)
        and have no counts. A gap has no interval, nor has the change of the worst group where it
        is another one after: which group is worst was itself read from these data.

    Examples
    --------
    >>> from evaluation import EvaluationPlan
    >>> from evaluation.compare import compare_classification
    >>> n = 80
    >>> before = pd.DataFrame({
    ...     "case_id": [f"c{i:02}" for i in range(n)], "patient_id": [f"p{i:02}" for i in range(n)],
    ...     "split": "test", "target": "sepsis", "y_true": [i % 2 for i in range(n)],
    ...     "sex": ["f" if i < 40 else "m" for i in range(n)], "status": "ok",
    ...     "y_score": [0.4 + 0.1 * (i % 3) if i < 40 else 0.1 + 0.8 * (i % 2) for i in range(n)]})
    >>> after = before.assign(y_score=[0.1 + 0.8 * (i % 2) for i in range(n)])
    >>> plan = EvaluationPlan("classification", ("sepsis",), ("sepsis",), "roc_auc", ("sex",))
    >>> found = mitigation_table(compare_classification(before, after, plan), ["roc_auc"])
    >>> found.set_index("group").loc["(gap)", ["before", "after", "change"]].round(2).tolist()
    [0.52, 0.0, 0.52]
    """
    wanted = list(dict.fromkeys(metrics))
    table = comparison.table
    rows = table[table["metric"].isin(wanted)].rename(columns=_RENAMED)
    directed = rows["metric"].map(lambda name: METRICS[name].higher_is_better is not None)
    below = rows["change_high"].to_numpy(dtype=float) < 0
    own_group = (rows["attribute"] != ALL).to_numpy(dtype=bool)
    rows = rows.assign(levelled_down=directed.to_numpy(dtype=bool) & own_group & below)
    rows = rows[MITIGATION_COLUMNS]
    grouped = rows[rows["attribute"] != ALL].groupby(["target", "metric", "attribute"], sort=False)
    spans = [row for _, group in grouped for row in _spans(group)]
    parts = [rows, pd.DataFrame(spans, columns=MITIGATION_COLUMNS)] if spans else [rows]
    out = pd.concat(parts, ignore_index=True)
    # The two have no count of their own: a sum of groups would tell the size of a hidden one.
    out = out.astype({"n_patients": "Int64", "n_cases": "Int64", "levelled_down": bool})
    # Overall first, then attribute by attribute, its worst group and gap after its groups.
    order = {name: i for i, name in enumerate(dict.fromkeys(rows["attribute"]))}
    keys = [out["target"].map(_places(out["target"])), out["metric"].map(_places(wanted))]
    place = pd.concat([*keys, out["attribute"].map(order)], axis=1)
    return out.iloc[np.lexsort(place.to_numpy(dtype=float).T[::-1])].reset_index(drop=True)


def _places(names: Iterable[str]) -> dict[str, int]:
    return {name: i for i, name in enumerate(dict.fromkeys(names))}


@dataclass(frozen=True)
class _Ends:
    """The best and the worst group of an attribute, at one time."""

    worst: pd.Series
    best: pd.Series

    @classmethod
    def of(cls, rows: pd.DataFrame, column: str) -> "_Ends":
        metric = METRICS[str(rows["metric"].iloc[0])]
        figure = rows[column].astype(float)
        if metric.higher_is_better is None and np.isfinite(metric.ideal):
            good = -(figure - metric.ideal).abs()
        else:
            good = -figure if metric.higher_is_better is False else figure
        at = good.to_numpy(dtype=float)
        return cls(rows.iloc[int(at.argmin())], rows.iloc[int(at.argmax())])

    def gap(self, column: str) -> float:
        ideal = METRICS[str(self.worst["metric"])].ideal
        best, worst = float(self.best[column]), float(self.worst[column])
        if np.isfinite(ideal):
            return abs(worst - ideal) - abs(best - ideal)
        return abs(best - worst)


def _spans(rows: pd.DataFrame) -> list[dict[str, object]]:
    """Return the rows of the worst group and of the gap of one attribute."""
    measured = rows[(rows["state"] == OK) & ~rows["group"].isin(UNSURE)]
    nothing = dict.fromkeys(MITIGATION_COLUMNS, np.nan) | {
        "target": rows["target"].iloc[0],
        "metric": rows["metric"].iloc[0],
        "attribute": rows["attribute"].iloc[0],
        "levelled_down": False,
    }
    if len(measured) < 2:
        reason = f"{len(measured)} of {len(rows)} groups measured; a gap needs two"
        told = {"state": NOT_ESTIMABLE, "reason": reason}
        return [nothing | told | {"group": name} for name in (WORST, GAP)]
    before, after = _Ends.of(measured, "before"), _Ends.of(measured, "after")
    same = before.worst["group"] == after.worst["group"]
    change = "the same group" if same else "another group after"
    gaps = before.gap("before"), after.gap("after")
    directed = METRICS[str(nothing["metric"])].higher_is_better
    sign = -1.0 if directed is False else 1.0
    shift = sign * (float(after.worst["after"]) - float(before.worst["before"]))
    worst = {c: before.worst[c] for c in ("before", "before_low", "before_high")}
    worst |= {c: after.worst[c] for c in ("after", "after_low", "after_high")}
    worst |= {c: before.worst[c] for c in ("change", "change_low", "change_high")} if same else {
        "change": shift
    }  # fmt: skip
    named = f"{before.worst['group']} before, {after.worst['group']} after: {change}"
    ends = f"{before.best['group']} to {before.worst['group']} before, "
    ends += f"{after.best['group']} to {after.worst['group']} after"
    gap = {"before": gaps[0], "after": gaps[1], "change": gaps[0] - gaps[1]}
    return [
        nothing | worst | {"group": WORST, "state": OK, "reason": named},
        nothing | gap | {"group": GAP, "state": OK, "reason": f"{ends}; no interval"},
    ]


def mitigation_sentences(
    table: pd.DataFrame,
    *,
    title: str,
    attributes: Iterable[str],
    metrics: Iterable[str],
    digits: int = 3,
) -> list[str]:
    """Say what a mitigation did: its worst group, its gap, and each group that pays.

    Parameters
    ----------
    table : DataFrame
        Of `mitigation_table`.
    title : str
        What was done, such as ``reweighing by race``.
    attributes : iterable of str
        Attributes that were mitigated; of them the worst group and the gap are said.
    metrics : iterable of str
        The metrics that are spoken of; a group that pays is named for every metric of the table.
    digits : int, default=3
        Decimals.

    Returns
    -------
    list of str
        One sentence a metric, attribute and target, then the cost: every group levelled down, or
        that none was shown to be.

    Examples
    --------
    >>> row = dict.fromkeys(MITIGATION_COLUMNS, np.nan) | {
    ...     "target": "sepsis", "metric": "roc_auc", "attribute": "sex", "levelled_down": True,
    ...     "state": "ok", "group": "m", "change": -0.02, "change_low": -0.03, "change_high": -0.01}
    >>> mitigation_sentences(pd.DataFrame([row]), title="reweighing", attributes=["age"],
    ...                      metrics=["roc_auc"], digits=2)
    ['reweighing, cost: served worse than before: AUC of sepsis in sex m −0.02 (−0.03 to −0.01).']
    """
    said = []
    keys = itertools.product(attributes, metrics)
    for attribute, metric in keys:
        rows = table[(table["attribute"] == attribute) & (table["metric"] == metric)]
        for target, mine in rows.groupby("target", sort=False):
            one = mine.set_index("group")
            said.append(f"{title}, {target}: {_effect(one, attribute, metric, digits)}")
    paid = table[table["levelled_down"].astype(bool)]
    measured = (table["state"] == OK) & (table["attribute"] != ALL)
    if paid.empty and not measured.any():
        return [*said, f"{title}, cost: not known, for no group has enough patients."]
    if paid.empty:
        told = ", ".join(_spoken(m) for m in table["metric"].unique())
        return [*said, f"{title}, cost: no group is shown to be served worse than before ({told}); "
                       "what chance could hide may remain."]  # fmt: skip
    return [*said, f"{title}, cost: served worse than before: {_cost(paid, digits)}."]


def _cost(paid: pd.DataFrame, digits: int) -> str:
    """Return the groups that pay, metric by metric; small ones without a name."""
    parts = []
    named = paid[paid["state"] == OK]
    n_small = len(paid) - len(named)
    for (target, metric), rows in named.groupby(["target", "metric"], sort=False):
        found: list[dict[str, Any]] = rows.to_dict("records")  # type: ignore[assignment]
        groups = ", ".join(
            f"{row['attribute']} {row['group']} {_signed(row['change'], digits)} "
            f"({_signed(row['change_low'], digits)} to {_signed(row['change_high'], digits)})"
            for row in found
        )
        parts.append(f"{_spoken(str(metric))} of {target} in {groups}")
    if n_small:
        parts.append("some figures of groups that are small")
    return "; ".join(parts)


def _spoken(metric: str) -> str:
    """Return what a metric is called within a sentence."""
    label = METRICS[metric].label
    keeps = label[:2].isupper() or label.startswith(("Dice", "Brier"))
    return label if keeps else label[0].lower() + label[1:]


def _effect(rows: pd.DataFrame, attribute: str, metric: str, digits: int) -> str:
    worst: Any
    gap: Any
    worst, gap = (rows.loc[name] for name in (WORST, GAP))
    label = _spoken(metric)
    if worst["state"] != OK:
        return f"{label} by {attribute} cannot be compared ({worst['reason']})."
    could = ""
    if np.isfinite(worst["change_low"]):
        ends = (_signed(worst[c], digits) for c in ("change_low", "change_high"))
        could = f", {' to '.join(ends)}"
    return (
        f"the worst {attribute} group's {label} went from {worst['before']:.{digits}f} to "
        f"{worst['after']:.{digits}f} (change {_signed(worst['change'], digits)}{could}; "
        f"{worst['reason']}); the gap from best to worst went from {gap['before']:.{digits}f} to "
        f"{gap['after']:.{digits}f}."
    )


def _signed(number: float, digits: int) -> str:
    text = f"{abs(number):.{digits}f}"
    if float(text) == 0:
        return text
    return f"{'−' if number < 0 else '+'}{text}"
