"""Disclosure control: small counts hidden, others rounded, before tables leave the team.

What is protected: the numbers of patients, cases, positives, negatives and failures of a group, of
a crossing of two groups, and of a bin of a calibration curve, from 1 to ``suppress_below`` - 1. A
group with such a number is hidden with its figures, since an interval can be turned back into the
count it was made from. Further groups are hidden where totals, positives and negatives, other
targets, or a table of two attributes would give the number away (``protection``, ``crossed``). A
zero is shown, and a hidden number is never written as a zero: it is nan with the state
``suppressed``. What is left is rounded: counts of groups to ``round_to``, figures of groups to
three digits. That a group is small is told, since a board must know who is too few; how small is
not.

What is not protected. The whole test set is no group: its totals stay exact, for the headline, the
sealed list and the intervals rest on them, and the protection reckons with them. Numbers of errors
within a group that is shown, and in all hidden groups together. The order in which groups are
hidden: one that is hidden to protect another is among the smallest. The difference between two
runs on nearly the same patients, which rounding blurs but does not close. And a reader who knows
the patients.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from evaluation.crossed import Cells, hidden_cells
from evaluation.protection import Guard, Part, hidden_groups
from evaluation.publication import (
    LOG_COLUMNS,
    Release,
    hidden_word,
    suppressed_tables,
)

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Disclosure:
    """What is hidden and how the rest is rounded.

    Parameters
    ----------
    suppress_below : int, default=8
        Counts from 1 up to, not including, this one are hidden; 1 hides and rounds nothing.
    round_to : int, default=5
        Counts of groups are rounded to multiples of it; 1 rounds nothing.
    complementary : bool, default=True
        Whether further counts are hidden from which a hidden one could be computed. Without it,
        totals give small groups away.

    Raises
    ------
    ValueError
        If a number is below 1.

    Examples
    --------
    >>> Disclosure().hidden_word, Disclosure(suppress_below=1).is_on
    ('hidden (<8)', False)
    """

    suppress_below: int = 8
    round_to: int = 5
    complementary: bool = True

    def __post_init__(self) -> None:
        for name in ("suppress_below", "round_to"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)} must be 1 or more")

    @property
    def is_on(self) -> bool:
        """Whether anything is hidden at all."""
        return self.suppress_below > 1

    @property
    def hidden_word(self) -> str:
        """What stands where a group has a small count."""
        return hidden_word(self.suppress_below)

    def rounded(self, counts: ArrayLike) -> FloatArray:
        """Return counts to the nearest multiple of `round_to`; what is not zero never becomes 0.

        Examples
        --------
        >>> Disclosure().rounded([0, 8, 12, 13]).tolist()
        [0.0, 10.0, 10.0, 15.0]
        """
        exact = np.asarray(counts, dtype=float)
        if not self.is_on or self.round_to == 1:
            return exact
        near = np.floor(exact / self.round_to + 0.5) * self.round_to
        return np.where(exact > 0, np.maximum(near, self.round_to), near)


@dataclass(frozen=True)
class SuppressedCounts:
    """Counts as they may be shown.

    Parameters
    ----------
    values : ndarray of float
        Rounded counts; nan where a count is hidden.
    why : ndarray of str
        ``""`` where shown, else ``primary`` for a small count, ``complementary`` for one that
        would give a small one away, ``suppressed`` where it is not told which of both.
    """

    values: FloatArray
    why: NDArray[np.str_]

    @property
    def is_suppressed(self) -> NDArray[np.bool_]:
        """Which counts are hidden."""
        return np.asarray(self.why != "")

    def __str__(self) -> str:
        """Show the counts in one line.

        Examples
        --------
        >>> print(suppress_counts([3, 0, 12, 8, 7]))
        suppressed 0 10 10 suppressed
        """
        pairs = zip(self.values.ravel(), self.is_suppressed.ravel(), strict=True)
        return " ".join("suppressed" if hidden else f"{value:g}" for value, hidden in pairs)


def suppress_counts(
    counts: ArrayLike, policy: Disclosure | None = None, *, total_published: bool = True
) -> SuppressedCounts:
    """Return counts as they may be shown, small ones hidden and the others rounded.

    Parameters
    ----------
    counts : array of int, shape (n,) or (n_rows, n_columns)
        Whole numbers from 0; nan is a count that is not there, and stays.
    policy : Disclosure, optional
        What is hidden; the default policy when not given.
    total_published : bool, default=True
        Whether their total (of a table: those of its rows and columns) can be known.

    Returns
    -------
    SuppressedCounts
        In the shape of `counts`.

    Raises
    ------
    ValueError
        If a count is negative or no whole number, or `counts` has more than two dimensions.

    Examples
    --------
    >>> print(suppress_counts([3, 0, 12, 8, 20]))  # 3 alone would be the total minus the others
    suppressed 0 10 suppressed 20
    >>> print(suppress_counts([3, 0, 12, 8, 20], total_published=False))
    suppressed 0 10 10 20
    """
    policy = Disclosure() if policy is None else policy
    given = np.asarray(counts, dtype=float)
    known = ~np.isnan(given)
    exact = np.where(known, given, 0.0)
    if given.ndim not in (1, 2):
        raise ValueError(f"counts have {given.ndim} dimensions; 1 or 2 wanted")
    if (exact < 0).any() or (exact != np.floor(exact)).any():
        raise ValueError(f"counts {given[known & ((exact < 0) | (exact % 1 != 0))]} are no counts")
    why = np.full(given.shape, "", dtype=object)
    n = exact.astype(np.int64)
    guard = Guard(policy.suppress_below)
    small = guard.is_small(n)
    protects = policy.complementary and total_published
    if small.any() and given.ndim == 1:
        found = hidden_groups({"": Part(n, n)}, guard, complementary=protects)
        why[sorted(found.sizes)] = "suppressed" if found.untold else "complementary"
        why[small & (why != "suppressed")] = "primary"
    elif small.any():
        hidden = hidden_cells([Part(n, n)], Cells(small, known), guard) if protects else small
        why[np.ones_like(small) if hidden is None else hidden] = (
            "suppressed" if protects else "primary"
        )
    why[~known] = ""
    values = np.where(why == "", policy.rounded(given), np.nan)
    return SuppressedCounts(values, why.astype(str))


@dataclass(frozen=True)
class Disclosed:
    """Tables as they may leave, and the account of what was hidden.

    Parameters
    ----------
    metrics, gaps : DataFrame
        As given, with hidden counts and figures nan, ``state="suppressed"`` and a reason. The
        column ``rounded_to`` says to what the counts of a row are rounded; 0 is exact.
    tables : mapping of str to DataFrame
        The further tables, likewise. Rows of crossings that cannot be shown are left out.
    log : DataFrame
        What was hidden: ``table, attribute, group, target, columns, why``; never a hidden value.
    """

    metrics: pd.DataFrame
    gaps: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]
    log: pd.DataFrame


def suppress(
    metrics: pd.DataFrame,
    gaps: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame] | None = None,
    policy: Disclosure | None = None,
) -> Disclosed:
    """Return the tables of an evaluation as they may leave the team.

    Parameters
    ----------
    metrics, gaps : DataFrame
        As `evaluate_classification` and `evaluate_segmentation` make them.
    tables : mapping of str to DataFrame, optional
        The further tables. Columns ``n_*`` are counts; other numbers are figures.
    policy : Disclosure, optional
        What is hidden; the default policy when not given.

    Returns
    -------
    Disclosed
        Copies; what was given stays as it is. A verdict stays, in its word alone.

    Examples
    --------
    >>> table = pd.DataFrame({"target": "t", "metric": "dice", "attribute": ["all", "sex", "sex"],
    ...     "group": ["all", "f", "m"], "n_patients": [40, 36, 4], "n_cases": [40, 36, 4],
    ...     "value": [0.8, 0.81, 0.7], "state": "ok", "reason": ""})
    >>> shown = suppress(table, pd.DataFrame())
    >>> shown.metrics["state"].tolist()
    ['ok', 'suppressed', 'suppressed']
    >>> shown.log[["group", "why"]].values.tolist()
    [['f', 'complementary'], ['m', 'primary'], ['', 'rounding to 5']]
    """
    policy = Disclosure() if policy is None else policy
    tables = {} if tables is None else dict(tables)
    if not policy.is_on:
        return Disclosed(metrics.copy(), gaps.copy(), tables, pd.DataFrame(columns=LOG_COLUMNS))
    release = Release(policy.suppress_below, policy.complementary, policy.rounded)
    shown, log = suppressed_tables({"metrics": metrics, "gaps": gaps, **tables}, release)
    rest = {name: shown[name] for name in tables}
    return Disclosed(shown["metrics"], shown["gaps"], rest, log)
