"""Hides small counts in the tables of groups, so that nobody can be told from them.

A count of 1 to 7 is small. A group with one is hidden with its figures; then as many further
groups of that attribute as it takes that the hidden ones cannot be had by subtracting what is
shown from the total. A zero is not hidden, and a hidden count is never written as a zero.
"""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

BELOW = 8
"""Counts from 1 up to, not including, this one are hidden."""

HIDDEN = f"hidden (<{BELOW})"
"""What stands where a group has a small count."""

WITHHELD = "hidden"
"""What stands where a group is hidden to protect another."""

Key = tuple[str, str, str]

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


def is_telling(code: str, n: int, below: int = BELOW) -> bool:
    """Return whether a count of audit findings could name the size of a hidden group.

    Examples
    --------
    >>> is_telling("ATTRIBUTE_OUT_OF_RANGE", 7), is_telling("FILE_MISSING", 2)
    (True, False)
    """
    of_people = code.startswith(("ATTRIBUTE_", "MISSING_", "OUTCOME_", "PATIENT_"))
    return of_people and 0 < n < below


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
    first = counts.iloc[:, 0]
    order = sorted(counts.index, key=lambda group: (first[group] == 0, first[group]))
    for group in order:
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
        Hidden rows have nan for their counts and figures, ``state="suppressed"`` and the reason
        ``hidden (<8)`` or, where they only protect such a group, ``hidden``. A verdict stays, in
        its word alone.
    """
    metrics, gaps = _as_numbers(metrics), _as_numbers(gaps)
    hidden = _hidden(metrics)
    return _blanked(metrics, hidden), _blanked(gaps, hidden)


@dataclass
class _Hidden:
    """Keys (attribute, target, group): small ones; those with figures, counts, failures hidden."""

    small: set[Key] = field(default_factory=set)
    figures: set[Key] = field(default_factory=set)
    counts: set[Key] = field(default_factory=set)
    failed: set[Key] = field(default_factory=set)


def _hidden(metrics: pd.DataFrame) -> _Hidden:
    hidden = _Hidden()
    rows = metrics.loc[metrics["attribute"] != "all"] if len(metrics) else metrics
    if rows.empty:
        return hidden
    columns = ["n_patients", "n_cases", "n_positive", "n_failed"]
    counts = rows.groupby(["attribute", "target", "group"], sort=False)[columns].max()
    counts["n_negative"] = counts["n_cases"] - counts["n_positive"]
    for attribute, of_attribute in counts.groupby(level="attribute", sort=False):
        # The same groups for every target: else one target's table would give another's away.
        wide = of_attribute[["n_patients", "n_cases"]].droplevel("attribute").unstack("target")
        whole = hidden_groups(pd.DataFrame(wide.fillna(0.0)))
        for target, of_target in of_attribute.groupby(level="target", sort=False):
            by_group = of_target.droplevel(["attribute", "target"])
            known = by_group[["n_positive", "n_negative"]].dropna()
            figures = hidden_groups(known, whole) if len(known) else whole
            failed = hidden_groups(by_group[["n_failed"]], whole)
            here = (str(attribute), str(target))
            few = by_group.drop(columns="n_failed").apply(is_small).any(axis=1)
            hidden.small |= {(*here, group) for group in by_group.index[few]}
            hidden.counts |= {(*here, group) for group in whole}
            hidden.figures |= {(*here, group) for group in figures}
            hidden.failed |= {(*here, group) for group in failed}
    return hidden


def _blanked(frame: pd.DataFrame, hidden: _Hidden) -> pd.DataFrame:
    if frame.empty:
        return frame
    keys = list(zip(frame["attribute"], frame["target"], frame["group"], strict=True))
    figures = np.array([key in hidden.figures for key in keys])
    counts = np.array([key in hidden.counts for key in keys])
    failed = np.array([key in hidden.failed for key in keys])
    frame.loc[figures, _present(frame, (*FIGURES, "n_positive", "n_needed"))] = np.nan
    frame.loc[counts, _present(frame, COUNTS)] = np.nan
    frame.loc[failed, _present(frame, ("n_failed",))] = np.nan
    frame.loc[figures, _present(frame, ("state",))] = "suppressed"
    if "reason" in frame:
        small = np.array([key in hidden.small for key in keys])
        frame.loc[figures, "reason"] = np.where(small[figures], HIDDEN, WITHHELD)
    return frame


def _is_safe(counts: pd.DataFrame, hidden: set[str]) -> bool:
    inside = counts.loc[counts.index.isin(hidden)]
    return len(inside) >= 2 and not is_small(inside.sum()).any()


def _present(frame: pd.DataFrame, columns: tuple[str, ...]) -> list[str]:
    return [name for name in columns if name in frame]


def _as_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    columns = _present(frame, (*COUNTS, *FIGURES))
    frame = frame.assign(**{name: frame[name].astype("float64") for name in columns})
    return frame.astype({n: "object" for n in ("state", "reason") if n in frame})
