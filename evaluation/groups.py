"""Attributes become groups: nobody is left out because something was not written down."""

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

ALL = "all"
NOT_RECORDED = "not recorded"
CONFLICTING = "conflicting"
MIXED = "mixed"

UNSURE = (NOT_RECORDED, CONFLICTING)
"""Groups about which nothing is known; no other group's rest contains them."""

GroupArray = NDArray[np.object_]


def group_labels(
    values: "pd.Series[str]", patient_id: "pd.Series[str]", *, per_case: bool
) -> GroupArray:
    """Return the group of each case.

    Parameters
    ----------
    values : Series
        Group names as recorded, spaces around them ignored, numbers and flags as they are
        written (2.0 is ``2``); missing where they are not.
    patient_id : Series
        Whose case it is.
    per_case : bool
        Whether the attribute may differ between the cases of a patient (view, age). Where it may
        not (sex), a patient with two values is ``conflicting``, and a value recorded once holds
        for all cases of the patient.

    Returns
    -------
    ndarray of str
        Group names, ``not recorded`` and ``conflicting`` among them.

    Raises
    ------
    ValueError
        If a name begins with a bracket, as rows that sum up the groups do in shared tables:
        its counts would not be hidden where they are small.

    Examples
    --------
    >>> sex = pd.Series(["F", None, "F", "M", None])
    >>> group_labels(sex, pd.Series(["a", "a", "b", "b", "c"]), per_case=False).tolist()
    ['F', 'F', 'conflicting', 'conflicting', 'not recorded']
    """
    given = _trimmed(values)
    known = given.notna() & (given != "")
    recorded = given.where(known, None)
    if per_case:
        return np.asarray(recorded.where(known, NOT_RECORDED), dtype=object)
    who = pd.Series(np.asarray(patient_id), index=given.index)
    one = recorded[known].groupby(who[known], sort=False)
    label = one.first().where(one.nunique() == 1, CONFLICTING)
    return np.asarray(who.map(label).astype(object).fillna(NOT_RECORDED), dtype=object)


def _trimmed(values: "pd.Series[str]") -> "pd.Series[str]":
    """Return the names without spaces around them: " F" and "F" are one group."""
    codes, names = pd.factorize(values.astype(object))
    short = [_name(n) for n in names]
    for name in short:
        if name.startswith("("):
            raise ValueError(f"group '{name}' begins with a bracket, as summaries of groups do")
    out = np.array([*short, None], dtype=object)[codes]
    return pd.Series(out, index=values.index, dtype=object)


def _name(value: object) -> str:
    is_whole = isinstance(value, float | np.floating) and float(value).is_integer()
    return str(int(value)) if is_whole else str(value).strip()  # type: ignore[call-overload]


def group_order(names: Iterable[str]) -> list[str]:
    """Return group names in the order a person expects, the unsure ones last.

    Examples
    --------
    >>> group_order(["18-40", "not recorded", "5-18", "F"])
    ['5-18', '18-40', 'F', 'not recorded']
    """

    def key(name: str) -> tuple[int, float, str]:
        number = re.match(r"\D{0,2}(\d+(?:\.\d+)?)", name)
        last = 1 + UNSURE.index(name) if name in UNSURE else 0
        return last, float(number.group(1)) if number else float("inf"), name

    return sorted(dict.fromkeys(names), key=key)


def rest_of(group: str, names: Iterable[str]) -> frozenset[str]:
    """Return the groups that `group` is compared with: all others that were recorded.

    Examples
    --------
    >>> sorted(rest_of("F", ["F", "M", "not recorded"]))
    ['M']
    """
    return frozenset(n for n in names if n != group and n not in UNSURE)
