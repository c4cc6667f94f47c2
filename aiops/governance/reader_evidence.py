"""How well two readers agree, and how well two tables can be joined: evidence for R04 and R03."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiops.errors import ConfigError
from aiops.governance.reason_evidence import (
    Evidence,
    below,
    count,
    evidence,
    share,
    threshold_of,
)
from aiops.governance.table_evidence import share_of_cases

if TYPE_CHECKING:
    import pandas as pd

    from aiops.data.cases import Cases

MANY = 10
"""A column of numbers with more different values than this is a measurement, not a category."""
MASKS = (".nii", ".nii.gz", ".png", ".npy", ".mha", ".nrrd")


def reader_agreement(table: Path, first: str, second: str, *, patient: str = "") -> Evidence:
    """Return how well two readers agree (R04): kappa of categories, ICC of measures, Dice of masks.

    Parameters
    ----------
    table : Path
        One row a case that both have read.
    first, second : str
        Columns of the two readers; files of masks where they name files.
    patient : str, optional
        Column that says whose case it is; each row its own patient when not given.

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
    if both.empty:
        raise ConfigError(
            f"no case was read by both '{first}' and '{second}'",
            where=f"{table.name}",
            fix="give a table in which both columns are filled in",
        )
    who = both[patient].fillna("?") if patient else both.index.astype(str).to_series(both.index)
    if all(str(cell).lower().endswith(MASKS) for cell in both[first]):
        return _dice(table, both, first, second)
    return _ratings(table, both, first, second, who)


def _ratings(
    table: Path, both: "pd.DataFrame", first: str, second: str, who: "pd.Series[Any]"
) -> Evidence:
    import numpy as np

    from aiops.data.table import numbers
    from evaluation import cohen_kappa, icc

    one, two = numbers(both[first]), numbers(both[second])
    measured = bool(np.isfinite(one).all() and np.isfinite(two).all())
    if measured and len(np.unique(np.concatenate([one, two]))) > MANY:
        found, name, key = icc(np.column_stack([one, two])), "ICC", "icc"
    else:
        a, b = both[first].to_numpy(str), both[second].to_numpy(str)
        found = cohen_kappa(a, b, patient_id=who.to_numpy(str))
        name, key = "kappa", "kappa"
    bound = threshold_of("R04", key)
    told = f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"
    if found.state == "not_estimable":
        told = f"not estimable ({found.reason})"
    return evidence(
        "R04",
        f"Two readers of {count(found.n_cases)} cases agree by {name} {told}; {bound:g} is asked.",
        supports=below(found.low, found.high, bound), value=found.value, low=found.low,
        high=found.high, n=found.n_patients, threshold=bound, source=table.name,
    )  # fmt: skip


def _dice(table: Path, both: "pd.DataFrame", first: str, second: str) -> Evidence:
    import numpy as np

    from aiops.data.images import read_label
    from evaluation import dice, patient_weights

    values = []
    for a, b in zip(both[first], both[second], strict=True):
        one, two = (read_label(str(table.parent / ref)).array > 0 for ref in (a, b))
        values.append(dice(one, two))
    seen = np.array([v for v in values if np.isfinite(v)])
    bound = threshold_of("R04", "dice")
    if not seen.size:
        return evidence("R04", "Both readers drew nothing in every case.", source=table.name)
    weights = patient_weights(seen.size, 1000, np.random.default_rng(0))
    low, high = np.quantile(weights @ seen / seen.size, [0.025, 0.975])
    told = f"{seen.mean():.2f} ({low:.2f} to {high:.2f})"
    few = seen.size < MANY
    return evidence(
        "R04",
        f"Two readers drew {count(seen.size)} cases with a mean Dice of {told}; {bound:g} is asked"
        f"{', and so few cases show little' if few else ''}.",
        supports=None if few else below(float(low), float(high), bound), value=float(seen.mean()),
        low=float(low), high=float(high), n=seen.size, threshold=bound, source=table.name,
    )  # fmt: skip


def linkage(cases: "Cases", other: Path, column: str) -> Evidence:
    """Return the share of cases whose patient stands in another table (R03)."""
    from aiops.data.table import read_frame, require_columns

    frame = read_frame(other)
    require_columns(frame, {column: "--link"}, where=str(other))
    there = set(frame[column].dropna())
    patient = cases.frame["patient_id"]
    value, low, high = share_of_cases(patient.isin(there).to_numpy(bool), cases)
    bound = threshold_of("R03", "linked")
    told = share(value, low, high)
    return evidence(
        "R03",
        f"{told} of the cases are found in {other.name} by '{column}'; {share(bound)} is asked.",
        supports=below(low, high, bound), value=value, low=low, high=high, n=len(cases),
        threshold=bound, source=other.name,
    )  # fmt: skip
