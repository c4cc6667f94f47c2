"""Hides small counts in the tables of groups, so that nobody can be told from them.

A count of 1 to 7 is small. A group with one is hidden with its figures; then as many further
groups of that attribute as it takes that the hidden ones cannot be had by subtracting what is
shown from the total. A zero is not hidden, and a hidden count is never written as a zero.
"""

import pandas as pd

BELOW = 8
"""Counts from 1 up to, not including, this one are hidden."""

HIDDEN = f"hidden (<{BELOW})"

COUNTS = ("n_patients", "n_cases", "n_positive", "n_failed", "n_needed")
FIGURES = (
    "value",
    "low",
    "high",
    "low_simultaneous",
    "high_simultaneous",
    "p_adjusted",
    "chance_gap",
    "minimum_detectable",
)


def is_small(counts: "pd.Series[float]", below: int = BELOW) -> "pd.Series[bool]":
    """Return which counts are small; a missing count is not.

    Examples
    --------
    >>> list(is_small(pd.Series([0, 1, 7, 8, float("nan")])))
    [False, True, True, False, False]
    """
    return (counts >= 1) & (counts < below)


def hidden_groups(counts: pd.DataFrame, already: frozenset[str] = frozenset()) -> frozenset[str]:
    """Return the groups to hide so that no small count can be read or computed.

    Parameters
    ----------
    counts : DataFrame
        One row per group (the index), one column per count; the groups add up to a known total.
    already : frozenset of str
        Groups that are hidden in any case.

    Returns
    -------
    frozenset of str
        Groups with a small count and the groups hidden to protect them, with `already`.

    Examples
    --------
    >>> sorted(hidden_groups(pd.DataFrame({"n": [100, 40, 3]}, index=["a", "b", "c"])))
    ['b', 'c']
    >>> sorted(hidden_groups(pd.DataFrame({"n": [100, 40, 8]}, index=["a", "b", "c"])))
    []
    """
    small = counts.apply(is_small).any(axis=1)
    hidden = set(counts.index[small]) | set(already)
    # A zero protects nothing, so groups that count come first, the smallest of them first.
    order = counts.assign(_empty=counts.iloc[:, 0] == 0).sort_values(
        ["_empty", counts.columns[0]], kind="stable"
    )
    for group in order.index:
        if not hidden or _is_safe(counts, hidden):
            break
        hidden.add(group)
    return frozenset(hidden)


def suppress(metrics: pd.DataFrame, gaps: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables of metrics and gaps with small groups hidden.

    Parameters
    ----------
    metrics, gaps : DataFrame
        As the evaluation wrote them. Rows of the whole test set (attribute ``all``) are kept.

    Returns
    -------
    metrics, gaps : DataFrame
        Hidden rows have nan for their counts and figures and ``state="suppressed"``; a verdict
        stays, in its word alone.
    """
    metrics, gaps = _as_numbers(metrics), _as_numbers(gaps)
    if metrics.empty:
        return metrics, gaps
    for attribute, rows in metrics.loc[metrics["attribute"] != "all"].groupby("attribute"):
        whole = _hidden_everywhere(rows)
        for target, of_target in rows.groupby("target"):
            counts = of_target.groupby("group")[["n_positive", "n_cases"]].max()
            counts["n_negative"] = counts["n_cases"] - counts["n_positive"]
            known = counts[["n_positive", "n_negative"]].dropna()
            figures = hidden_groups(known, whole) if len(known) else whole
            failed = hidden_groups(of_target.groupby("group")[["n_failed"]].max(), whole)
            for frame in (metrics, gaps):
                if frame.empty:
                    continue
                here = (frame["attribute"] == attribute) & (frame["target"] == target)
                _blank(frame, here & frame["group"].isin(figures), _figure_columns(frame))
                _blank(frame, here & frame["group"].isin(whole), _present(frame, COUNTS))
                if "n_failed" in frame:
                    frame.loc[here & frame["group"].isin(failed), "n_failed"] = float("nan")
    return metrics, gaps


def _hidden_everywhere(rows: pd.DataFrame) -> frozenset[str]:
    # The same groups for every target: else one target's table would give another's away.
    wide = rows.pivot_table(
        index="group", columns="target", values=["n_patients", "n_cases"], aggfunc="max"
    )
    flat = wide.set_axis([" ".join(map(str, key)) for key in wide.columns], axis=1)
    return hidden_groups(flat.fillna(0.0))


def _is_safe(counts: pd.DataFrame, hidden: set[str]) -> bool:
    inside = counts.loc[counts.index.isin(hidden)]
    return len(inside) >= 2 and not is_small(inside.sum()).any()


def _figure_columns(frame: pd.DataFrame) -> list[str]:
    return _present(frame, (*FIGURES, "n_positive", "n_needed"))


def _present(frame: pd.DataFrame, columns: tuple[str, ...]) -> list[str]:
    return [name for name in columns if name in frame]


def _blank(frame: pd.DataFrame, rows: "pd.Series[bool]", columns: list[str]) -> None:
    frame.loc[rows, columns] = float("nan")
    if "state" in frame:
        frame.loc[rows, "state"] = "suppressed"
    if "reason" in frame:
        frame.loc[rows, "reason"] = HIDDEN


def _as_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    columns = _present(frame, (*COUNTS, *FIGURES))
    frame = frame.assign(**{name: frame[name].astype("float64") for name in columns})
    return frame.astype({n: "object" for n in ("state", "reason") if n in frame})
