"""What a table shows before anything is built: patients, files, labels, gaps, groups and sources.

Each check answers one question with one piece of evidence. Patients are counted, not films, and no
small count of people is told.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from aiops.data.cases import CONFLICTING
from aiops.governance.reason_evidence import (
    BELOW,
    Evidence,
    above,
    below,
    count,
    evidence,
    share,
    threshold_of,
    worst,
)
from aiops.governance.shares import TABLE, primary_findings, share_of_cases
from aiops.governance.source_evidence import groups, sources
from evaluation import clustered_proportion

if TYPE_CHECKING:
    import pandas as pd

    from aiops.data.cases import Cases


def patients(cases: "Cases", *, per_year: float | None = None) -> Evidence:
    """Return how many patients have the finding, and whether a test could settle the claim (R01).

    Parameters
    ----------
    cases : Cases
        The cases.
    per_year : float, optional
        New patients with the finding a year.
    """
    wanted = threshold_of("R01", "patients_with_finding")
    found = []
    for name in primary_findings(cases):
        y = cases.frame[f"y:{name}"]
        who = cases.frame["patient_id"]
        n, n_without = int(who[y.eq(1)].nunique()), int(who[y.eq(0)].nunique())
        unit = "patients" if cases.patients_known else "cases (patients are not recorded)"
        n_known = int(who[y.notna()].nunique())
        told = count(n)
        if 0 < n_known - n < BELOW:
            told = f"All but {count(n_known - n)} of {n_known:,}"
        said = f"{told} {unit} have {name}; {wanted:g} are asked for"
        is_open = len(cases.outcome_values[name]) == 1 and bool(y.isna().any())
        if is_open:
            said += ". Who is without it cannot be told: a blank may mean 'no'"
        elif n_without < wanted:
            # A test without the others has no specificity to show.
            said += f". {count(n_without)} have cases without it; as many are asked for"
        # What follows from a small number would tell it.
        is_few = 0 < n < BELOW or 0 < n_known - n < BELOW
        needed = None if is_few or not n_known else _needed_to_test(cases, n, n_known)
        if needed is not None:
            said += f". {needed[1]}"
        if n < wanted and per_year and not is_few:
            years = (wanted - n) / per_year
            said += f". At {per_year:g} with it a year the rest takes {years:.1f} years"
        elif n < wanted and not per_year:
            said += ". How many come in a year is not said"
        is_short = n < wanted or (n_without < wanted and not is_open)
        is_open = is_open or bool(needed and needed[0])
        found.append(
            evidence(
                "R01", f"{said}.", supports=is_short or (None if is_open else False),
                n=n_known, threshold=wanted, source=TABLE,
                value=None if is_few else n,
            )
        )  # fmt: skip
    return _one(found)


def _needed_to_test(cases: "Cases", n: int, n_known: int) -> tuple[bool, str] | None:
    """Return whether the test would be too small for the primary AUC, and that in words.

    A patient whose label is not known tests nothing: the split counts those that have one.
    """
    from evaluation import size_auc_half_width

    experiment = cases.experiment
    expected, part = experiment.primary.acceptable, experiment.split.test
    if experiment.split.leave_one_out or experiment.is_vendor:
        part = 1.0  # every patient is tested
    known = isinstance(part, float) and expected is not None and 0.5 < expected < 1
    if experiment.primary.metric != "roc_auc" or not known or not 0 < n < n_known:
        return None
    half = threshold_of("R01", "half_width")
    wanted = size_auc_half_width(float(expected or 0), half, prevalence=n / n_known).n
    there = round(n_known * float(part))  # type: ignore[arg-type]
    said = f"An AUC of {expected:g} known to ±{half:g} takes {wanted:,} test patients"
    return wanted > there, f"{said}; the split would give {there:,} with a label"


def images(cases: "Cases") -> Evidence | None:
    """Return whether the files that a model would learn from are there (R01)."""
    from aiops.data.images import file_of

    if cases.experiment.data.modality == "table" or cases.experiment.is_vendor:
        return None  # nothing is learnt from images
    bound = threshold_of("R01", "files_missing")
    columns = cases.image_columns
    if not columns:
        said = "No column of the config names an image: there is nothing to train on."
        return evidence(
            "R01", said, supports=True, value=1.0, n=len(cases), threshold=bound, source="config"
        )
    refs = cases.frame[list(columns)]
    known = {ref: file_of(ref).is_file() for ref in _texts(refs)}
    there = refs.apply(lambda column: column.map(known).eq(True)).all(axis=1).to_numpy(bool)
    value, low, high = share_of_cases(~there, cases)
    n = int(there.sum())
    # Files tell of no person; their number is kept from being told where it is small all the same.
    return evidence(
        "R01",
        f"The images of {count(n)} of {len(cases):,} cases are there.",
        supports=above(low, high, bound), value=value, low=low, high=high, n=len(cases),
        threshold=bound, source="files that the table names",
    )  # fmt: skip


def labels(cases: "Cases") -> Evidence:
    """Return the share of cases without a reference standard (R03).

    Where one value only is ever written a blank may be a "no": it shows nothing that is missing.
    """
    bound = threshold_of("R03", "missing")
    found = []
    for name in cases.experiment.findings:
        value, low, high = share_of_cases(cases.frame[f"y:{name}"].isna().to_numpy(), cases)
        column = cases.experiment.findings[name].label
        said = f"{share(value, low, high)} of the cases have nothing written in '{column}' ({name})"
        sign = above(low, high, bound)
        if sign and len(cases.outcome_values[name]) == 1:
            sign, said = None, f"{said}, where a blank may mean 'no'"
        found.append(
            evidence(
                "R03", f"{said}; at most {share(bound)} is asked for.", value=value, low=low,
                high=high, n=len(cases), threshold=bound, source=TABLE, supports=sign,
            )
        )  # fmt: skip
    return _one(found)


def blanks(cases: "Cases") -> Evidence | None:
    """Return whether a blank label can be told from a no (R04).

    In a column in which one value only is ever written, a blank means "no" and "not recorded"
    alike. A finding that implies this one (`implied_by` of the config) and stands where this one
    is blank shows how often it is not "no"; any other label shows nothing of it.
    """
    bound = threshold_of("R04", "contradicted")
    found = []
    for name, target in cases.experiment.findings.items():
        blank = cases.frame[f"y:{name}"].isna()
        written = cases.outcome_values[name]
        if len(written) != 1 or not blank.any():
            continue
        often = share(*share_of_cases(blank.to_numpy(), cases))
        said = (
            f"In '{target.label}' only '{next(iter(written))}' is ever written: a blank, {often} "
            "of the cases, means 'no' and 'not recorded' alike"
        )
        if not target.implied_by:
            said += f", and no finding is named that would imply it (targets.{name}.implied_by)"
            found.append(evidence("R04", f"{said}.", n=len(cases), threshold=bound, source=TABLE))
            continue
        value, low, high = _contradicted(cases, name, blank)
        others = " or ".join(
            f"'{cases.experiment.findings[other].label}'" for other in target.implied_by
        )
        said += f". Where it is blank, {others} implies it {share(value, low, high)} of the time"
        found.append(
            evidence(
                "R04", f"{said}.", supports=above(low, high, bound) or None, value=value, low=low,
                high=high, n=int(blank.sum()), threshold=bound, source=TABLE,
            )
        )  # fmt: skip
    return worst(found)


def _contradicted(
    cases: "Cases", name: str, blank: "pd.Series[bool]"
) -> tuple[float, float, float]:
    """Return how often a finding that implies this one stands where this one is blank."""
    implied = np.zeros(int(blank.sum()), bool)
    for other, how in cases.experiment.findings[name].implied_by.items():
        y = cases.frame.loc[blank, f"y:{other}"]
        implied |= (y.notna() if how == "written" else y.eq(1)).to_numpy(bool)
    return share_of_cases(implied, cases, blank.to_numpy())


def missingness(cases: "Cases") -> Evidence | None:
    """Return the field that is missing most, by group too, and how many cases lack none (R03)."""
    fields = {f"raw:{n}": n for n in cases.attributes}
    features = [c for c in cases.frame.columns if c.startswith("x:")]
    fields |= {c: n for c in features if (n := c.removeprefix("x:")) not in cases.attributes}
    if not fields:
        return None
    bound, enough = threshold_of("R03", "missing"), threshold_of("R03", "complete")
    lost = cases.frame[list(fields)].isna()
    shares = {fields[str(c)]: share_of_cases(lost[c].to_numpy(bool), cases) for c in lost}
    name = max(shares, key=lambda one: shares[one][2])
    value, low, high = shares[name]
    whole = share_of_cases(~lost.any(axis=1).to_numpy(bool), cases)
    signs = (above(low, high, bound), below(whole[1], whole[2], enough))
    said = (
        f"Of {len(fields)} fields '{name}' is missing most: {share(value, low, high)} of the cases "
        f"(at most {share(bound)} is asked for). {share(*whole)} of the cases lack no field"
    )
    uneven = list(_uneven(cases, lost.rename(columns=fields)))
    if uneven:
        said += f". Missing unevenly: {'; '.join(uneven[:3])}"
    return evidence(
        "R03", f"{said}.", supports=True if True in signs else None if None in signs else False,
        value=value, low=low, high=high, n=len(cases), threshold=bound, source=TABLE,
        details=[
            {"field": field, "missing": None if np.isnan(v) else v, "low": a, "high": b}
            for field, (v, a, b) in shares.items()
        ],
    )  # fmt: skip


def _uneven(cases: "Cases", lost: "pd.DataFrame") -> Iterator[str]:
    """Say in which groups a field is surely missing more often than in others, by the gap.

    Two groups are compared by the limit of their difference [1]_, at a level for all the pairs
    and fields of an attribute together: among many groups two always lie apart by chance.

    References
    ----------
    .. [1] Newcombe RG. Stat Med 1998;17:873-890.
    """
    gap = threshold_of("R03", "gap")
    for attribute in cases.attributes:
        group, who = cases.frame[attribute], cases.frame["patient_id"]
        people = who.groupby(group).nunique()
        large = [g for g in people.index[people >= max(BELOW, 30)] if g != CONFLICTING]
        fields = lost.columns.difference([attribute])
        n_compared = max(len(fields) * len(large) * (len(large) - 1) // 2, 1)
        for field in fields if len(large) > 1 else []:
            rates = lost[field].groupby(group).mean()[large]
            ends = str(rates.idxmax()), str(rates.idxmin())
            rows = [group.eq(end).to_numpy(bool) for end in ends]
            missing = lost[field].to_numpy(bool)
            if not gap < rates.max() - rates.min() or missing[rows[0]].sum() < BELOW:
                continue
            high, low = (
                clustered_proportion(
                    missing[row], who.to_numpy(str)[row], level=1 - 0.05 / n_compared
                )
                for row in rows
            )
            apart = high.value - low.value
            least = apart - float(np.hypot(high.value - high.low, low.high - low.value))
            if least > gap:
                n = " and ".join(f"{people[end]:,}" for end in ends)
                yield (
                    f"'{field}' in {attribute} {ends[0]} more often than in {ends[1]}, by "
                    f"{100 * least:.0f} % at least (of {n} patients)"
                )


CHECKS: dict[str, tuple[str, Callable[..., Evidence | None]]] = {
    "patients": ("Are there enough patients with the finding, to learn and to test?", patients),
    "images": ("Are the images there?", images),
    "labels": ("Is the reference standard written down?", labels),
    "blanks": ("Can a blank label be told from a no?", blanks),
    "missingness": ("Are the fields filled in, and evenly?", missingness),
    "groups": ("Are there patients of every group it would be used on?", groups),
    "sources": ("Do the cases come from more than one site, scanner, protocol?", sources),
}
"""Every check of a table: what it asks, and the function that answers."""


def _one(found: list[Evidence]) -> Evidence:
    first = worst(found)
    assert first is not None  # a config has a target
    return first


def _texts(frame: "pd.DataFrame") -> list[str]:
    return [ref for ref in dict.fromkeys(frame.to_numpy(object).ravel()) if isinstance(ref, str)]
