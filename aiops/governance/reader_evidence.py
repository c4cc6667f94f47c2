"""How well two readers agree, and how well two tables can be joined: evidence for R04 and R03."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aiops.errors import ConfigError
from aiops.governance.reason_evidence import (
    Evidence,
    below,
    count,
    evidence,
    share,
    threshold_of,
)
from aiops.governance.shares import share_by_patient

if TYPE_CHECKING:
    import pandas as pd

    from aiops.data.cases import Cases

MANY = 10
"""A column of numbers with more different values than this is a measurement, not a category."""
LEAST = {"kappa": 10, "icc": 30, "dice": 30}
"""Patients from whom on agreement is held to its bound; of fewer it is shown and decides nothing.

Intervals of a mean Dice and of an intraclass correlation lean on many patients where their values
crowd at the upper end.
"""
N_BOOT = 500
MASKS = (".nii", ".nii.gz", ".png", ".npy", ".mha", ".nrrd")
_WHOLE = re.compile(r"([+-]?\d+)\.0+")


@dataclass(frozen=True)
class Read:
    """What two readers wrote of the same cases, and whose they are."""

    first: "pd.Series[Any]"
    second: "pd.Series[Any]"
    patient: "np.ndarray[Any, Any]"
    is_by_patient: bool
    left_out: str
    table: Path

    @property
    def n_patients(self) -> int:
        """How many patients they are of."""
        return len(set(self.patient.tolist()))

    def counted(self, rows: "np.ndarray[Any, Any] | None" = None) -> str:
        """Return how many cases and patients some rows are, all when none are named."""
        who = self.patient if rows is None else self.patient[rows]
        patients = f" of {count(len(set(who.tolist())))} patients" if self.is_by_patient else ""
        return f"{count(len(who))} cases{patients}"


def reader_agreement(table: Path, first: str, second: str, *, patient: str = "") -> Evidence:
    """Return how well two readers agree (R04): kappa of categories, ICC of measures, Dice of masks.

    Each is held to the bound of its interval by patient, from `LEAST` patients on.

    Parameters
    ----------
    table : Path
        One row a case that both have read; rows that one of them left blank are counted.
    first, second : str
        Columns of the two readers; files of masks where they name files.
    patient : str, optional
        Column that says whose case it is; each row its own patient when not given. A row in
        which it is blank is left out, and that is said.

    Raises
    ------
    DataError
        If the table or a column is not there.
    """
    from aiops.data.table import read_frame, require_columns

    frame = read_frame(table)
    named = {first: "--readers", second: "--readers", **({patient: "--readers"} if patient else {})}
    require_columns(frame, named, where=str(table))
    both = frame[frame[first].notna() & frame[second].notna()]
    by_whom = both[both[patient].notna()] if patient else both
    if by_whom.empty:
        raise ConfigError(
            f"no case was read by both '{first}' and '{second}'",
            where=f"{table.name}",
            fix="give a table in which both columns are filled in",
        )
    lost = {
        "not read by both": len(frame) - len(both),
        "without a patient": len(both) - len(by_whom),
    }
    left_out = ", ".join(f"{count(n)} {why}" for why, n in lost.items() if n)
    who = by_whom[patient].map(as_whole) if patient else by_whom.index.to_series().astype(str)
    read = Read(
        by_whom[first],
        by_whom[second],
        who.to_numpy(str),
        bool(patient),
        left_out and f"; {left_out}",
        table,
    )
    if all(str(cell).lower().endswith(MASKS) for cell in read.first):
        return _dice(read)
    return _ratings(read)


def as_whole(cell: object) -> str:
    """Return a cell without the .0 that a table's export gives a whole number.

    Examples
    --------
    >>> as_whole("1.0"), as_whole("007"), as_whole("1.5")
    ('1', '007', '1.5')
    """
    text = str(cell).strip()
    whole = _WHOLE.fullmatch(text)
    return whole.group(1) if whole else text


def _ratings(read: Read) -> Evidence:
    from aiops.data.table import numbers
    from evaluation import cohen_kappa

    one, two = numbers(read.first), numbers(read.second)
    measured = bool(np.isfinite(one).all() and np.isfinite(two).all())
    if measured and len(np.unique(np.concatenate([one, two]))) > MANY:
        value, low, high, reason = _icc_by_patient(np.column_stack([one, two]), read.patient)
        return _agreement(read, "icc", "ICC", (value, low, high), reason)
    a, b = (reader.map(as_whole).to_numpy(str) for reader in (read.first, read.second))
    found = cohen_kappa(a, b, patient_id=read.patient)
    return _agreement(read, "kappa", "kappa", (found.value, found.low, found.high), found.reason)


def _icc_by_patient(
    table: "np.ndarray[Any, Any]", patient: "np.ndarray[Any, Any]"
) -> tuple[float, float, float, str]:
    """Return the ICC with an interval by patient.

    Where each patient has one row it is McGraw and Wong's. Where some have several, patients are
    drawn with all their rows, and the limits are t's on Fisher's scale.
    """
    from scipy.stats import t

    from evaluation import icc

    found = icc(table)
    _, place = np.unique(patient, return_inverse=True)
    n = int(place.max()) + 1
    if n == len(table) or found.state == "not_estimable" or n < 3:
        is_by_row = n < len(table)
        low, high = (np.nan, np.nan) if is_by_row else (found.low, found.high)
        return found.value, low, high, found.reason or "fewer than 3 patients" * is_by_row
    rows = [np.flatnonzero(place == i) for i in range(n)]
    rng = np.random.default_rng(0)
    drawn = [
        icc(table[np.concatenate([rows[i] for i in rng.integers(0, n, n)])]).value
        for _ in range(N_BOOT)
    ]
    known = np.array([value for value in drawn if np.isfinite(value)])
    if known.size < N_BOOT or abs(found.value) >= 1:
        return found.value, np.nan, np.nan, "no interval: no difference between readers"
    scale = np.arctanh(np.clip(known, -1 + 1e-12, 1 - 1e-12))
    half = float(t.ppf(0.975, n - 1) * scale.std(ddof=1))
    centre = float(np.arctanh(found.value))
    return found.value, float(np.tanh(centre - half)), float(np.tanh(centre + half)), ""


def _agreement(
    read: Read, key: str, name: str, figure: tuple[float, float, float], reason: str
) -> Evidence:
    bound, (value, low, high) = threshold_of("R04", key), figure
    told, few, decides = _told(figure, reason), *_few(read.n_patients, key)
    return evidence(
        "R04",
        f"Two readers of {read.counted()} agree by {name} {told}; {bound:g} is asked{few}"
        f"{read.left_out}.",
        supports=below(low, high, bound) if decides else None, value=value, low=low, high=high,
        n=read.n_patients, threshold=bound, source=read.table.name,
    )  # fmt: skip


def _told(figure: tuple[float, float, float], reason: str) -> str:
    value, low, high = figure
    if not np.isfinite(value):
        return f"not estimable ({reason})"
    if not np.isfinite(low + high):
        return f"{value:.2f} ({reason or 'no interval'})"
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


def _few(n_patients: int, key: str) -> tuple[str, bool]:
    """Return the words for too few patients, and whether there are enough."""
    if n_patients >= LEAST[key]:
        return "", True
    return f", and it takes {LEAST[key]} patients to decide", False


def _dice(read: Read) -> Evidence:
    from aiops.data.images import read_label
    from evaluation import dice

    values = np.array(
        [
            dice(*(read_label(str(read.table.parent / ref)).array > 0 for ref in pair))
            for pair in zip(read.first, read.second, strict=True)
        ]
    )
    seen = np.isfinite(values)
    empty = int((~seen).sum())
    if not seen.any():
        return evidence("R04", "Both readers drew nothing in every case.", source=read.table.name)
    n = len(set(read.patient[seen].tolist()))
    bound = threshold_of("R04", "dice")
    value, *limits = mean_by_patient(values[seen], read.patient[seen])
    low, high = np.clip(limits, 0, 1)
    few, decides = _few(n, "dice")
    more = f"; in {count(empty)} more both drew nothing" if empty else ""
    told = _told((value, low, high), "no interval: one patient")
    return evidence(
        "R04",
        f"Two readers drew {read.counted(seen)} with a mean Dice of {told}; {bound:g} is asked"
        f"{few}{more}{read.left_out}.",
        supports=below(low, high, bound) if decides else None, value=value, low=low, high=high,
        n=n, threshold=bound, source=read.table.name,
    )  # fmt: skip


def mean_by_patient(
    values: "np.ndarray[Any, Any]", patient: "np.ndarray[Any, Any]"
) -> tuple[float, float, float]:
    """Return the mean of values in 0 to 1 with its t interval by patient, the variance linearised.

    Where no two values differ, the limits are those that as many patients as could be otherwise,
    unseen among so many, would make of it.

    Examples
    --------
    >>> value, low, high = mean_by_patient(np.array([0.7, 0.8, 0.9]), np.array(["a", "b", "c"]))
    >>> f"{value:.2f} {low:.2f} {high:.2f}"
    '0.80 0.55 1.05'
    """
    from scipy.stats import t

    value = float(values.mean())
    _, place = np.unique(patient, return_inverse=True)
    n = int(place.max()) + 1
    if n < 2:
        return value, np.nan, np.nan
    influence = np.bincount(place, values - value) / values.size
    half = float(t.ppf(0.975, n - 1) * np.sqrt(n / (n - 1) * np.square(influence).sum()))
    if half == 0:
        unseen = 1 - 0.025 ** (1 / n)
        return value, value * (1 - unseen), value + (1 - value) * unseen
    return value, value - half, value + half


def linkage(cases: "Cases", other: Path, column: str) -> Evidence:
    """Return the share of patients that stand in another table (R03).

    Where none does, the two tables may write them differently: that decides nothing.
    """
    from aiops.data.table import read_frame, require_columns

    frame = read_frame(other)
    require_columns(frame, {column: "--link"}, where=str(other))
    there = set(frame[column].dropna().map(as_whole))
    patients = cases.frame["patient_id"].map(as_whole).drop_duplicates()
    hit = patients.isin(there).to_numpy(bool)
    value, low, high = share_by_patient(hit, patients.to_numpy(str))
    bound = threshold_of("R03", "linked")
    unit = "patients" if cases.patients_known else "cases"
    said = f"{share(value, low, high)} of the {unit} are found in {other.name} by '{column}'"
    if not hit.any():
        said = f"None of the {unit} is found in {other.name} by '{column}': are they written alike?"
    return evidence(
        "R03", f"{said}; {share(bound)} is asked." if hit.any() else said,
        supports=below(low, high, bound) if hit.any() else None, value=value, low=low, high=high,
        n=hit.size, threshold=bound, source=other.name,
    )  # fmt: skip
