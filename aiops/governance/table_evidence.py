"""What a table shows before anything is built: patients, files, labels, gaps, groups and sources.

Each check answers one question with one piece of evidence. Patients are counted, not films, and no
small count of people is told.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

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

if TYPE_CHECKING:
    import pandas as pd

    from aiops.data.cases import Cases

TABLE = "the table of the cases"
SOURCES = (
    "site", "hospital", "scanner", "manufacturer", "vendor", "device", "machine", "protocol",
    "sequence", "projection", "view",
)  # fmt: skip
"""Words in the name or column of an attribute that says where a case comes from, and how."""


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
    for name in _targets(cases):
        y = cases.frame[f"y:{name}"]
        who = cases.frame["patient_id"]
        n = int(who[y.eq(1)].nunique())
        unit = "patients" if cases.patients_known else "cases (patients are not recorded)"
        n_known = int(who[y.notna()].nunique())
        told = count(n)
        if 0 < n_known - n < BELOW:
            told = f"All but {count(n_known - n)} of {n_known:,}"
        said = f"{told} {unit} have {name}; {wanted:g} are asked for"
        # What follows from a small number would tell it.
        is_few = 0 < n < BELOW or 0 < n_known - n < BELOW
        needed = None if is_few or not n_known else _needed_to_test(cases, n / n_known)
        if needed is not None:
            said += f". {needed[1]}"
        if n < wanted and per_year and not is_few:
            said += f". At {per_year:g} a year the rest takes {(wanted - n) / per_year:.1f} years"
        elif n < wanted and not per_year:
            said += ". How many come in a year is not said"
        found.append(
            evidence(
                "R01", f"{said}.", supports=n < wanted or (None if needed and needed[0] else False),
                n=n_known, threshold=wanted, source=TABLE,
                value=None if is_few else n,
            )
        )  # fmt: skip
    return _one(found)


def _needed_to_test(cases: "Cases", prevalence: float) -> tuple[bool, str] | None:
    """Return whether the test would be too small for the primary AUC, and that in words."""
    from evaluation import size_auc_half_width

    experiment = cases.experiment
    expected, part = experiment.primary.acceptable, experiment.split.test
    if experiment.split.leave_one_out or experiment.is_vendor:
        part = 1.0  # every patient is tested
    known = isinstance(part, float) and expected is not None and 0.5 < expected < 1
    if experiment.primary.metric != "roc_auc" or not known or not 0 < prevalence < 1:
        return None
    half = threshold_of("R01", "half_width")
    n = size_auc_half_width(float(expected or 0), half, prevalence=prevalence).n
    there = round(cases.n_patients * float(part))  # type: ignore[arg-type]
    said = f"An AUC of {expected:g} known to ±{half:g} takes {n:,} test patients"
    return n > there, f"{said}; the split would give {there:,}"


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
    """Return the share of cases without a reference standard (R03)."""
    bound = threshold_of("R03", "missing")
    found = []
    for name in cases.experiment.findings:
        value, low, high = share_of_cases(cases.frame[f"y:{name}"].isna().to_numpy(), cases)
        column = cases.experiment.findings[name].label
        said = f"{share(value, low, high)} of the cases have nothing written in '{column}' ({name})"
        found.append(
            evidence(
                "R03", f"{said}; at most {share(bound)} is asked for.", value=value, low=low,
                high=high, n=len(cases), threshold=bound, source=TABLE,
                supports=above(low, high, bound),
            )
        )  # fmt: skip
    return _one(found)


def blanks(cases: "Cases") -> Evidence | None:
    """Return whether a blank label can be told from a no (R04).

    In a column in which one value only is ever written, a blank means "no" and "not recorded"
    alike. Another label that is filled in where this one is blank shows how often it is not "no".
    """
    bound = threshold_of("R04", "contradicted")
    findings = cases.experiment.findings
    found = []
    for name, target in findings.items():
        blank = cases.frame[f"y:{name}"].isna()
        written = cases.outcome_values[name]
        if len(written) != 1 or not blank.any():
            continue
        often = share(*share_of_cases(blank.to_numpy(), cases))
        said = (
            f"In '{target.label}' only '{next(iter(written))}' is ever written: a blank, {often} "
            "of the cases, means 'no' and 'not recorded' alike"
        )
        against = _contradictions(cases, name, blank)
        if not against:
            said += ", and nothing tells the two apart"
            found.append(evidence("R04", f"{said}.", n=len(cases), threshold=bound, source=TABLE))
            continue
        other, value, low, high = max(against, key=lambda one: one[2])
        said += f". Where it is blank, '{other}' is filled in {share(value, low, high)} of the time"
        found.append(
            evidence(
                "R04", f"{said}.", supports=above(low, high, bound) or None, value=value, low=low,
                high=high, n=int(blank.sum()), threshold=bound, source=TABLE,
            )
        )  # fmt: skip
    return worst(found)


def _contradictions(
    cases: "Cases", name: str, blank: "pd.Series[bool]"
) -> list[tuple[str, float, float, float]]:
    """Return for each other label column how often it is filled in where this one is blank."""
    findings = cases.experiment.findings
    told = []
    for other, target in findings.items():
        if target.label == findings[name].label:
            continue
        filled = cases.frame.loc[blank, f"y:{other}"].notna().to_numpy()
        told.append((target.label, *share_of_cases(filled, cases, blank.to_numpy())))
    return told


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
    """Say in which groups a field is missing more often than in others, by more than the gap."""
    gap = threshold_of("R03", "gap")
    for attribute in cases.attributes:
        groups = cases.frame[attribute]
        people = cases.frame["patient_id"].groupby(groups).nunique()
        large = people.index[people >= max(BELOW, 30)]
        by_group = lost[groups.isin(large)].groupby(groups[groups.isin(large)])
        for field in lost.columns.difference([attribute]):
            rates, n = by_group[field].mean(), by_group[field].sum()
            high, low = str(rates.idxmax()), str(rates.idxmin())
            if len(rates) > 1 and rates[high] - rates[low] > gap and n[high] >= BELOW:
                yield f"'{field}' more often in {attribute} {high} than in {low}"


def groups(cases: "Cases") -> Evidence | None:
    """Return the groups of which nothing could be said: few with the finding, or nobody (R13)."""
    least = threshold_of("R13", "patients_with_finding")
    fairness, data = cases.experiment.fairness, cases.experiment.data
    named = fairness.attributes if fairness else list(data.attributes)
    if not named:
        return None
    from aiops.data.cases import CONFLICTING, band_names

    name = _targets(cases)[0]
    ill = cases.frame[cases.frame[f"y:{name}"].eq(1)]
    nobody, few, n_groups = [], [], 0
    for attribute in named:
        told = data.attributes[attribute]
        asked = list(told.values.values()) or (band_names(told.bands) if told.bands else [])
        there = cases.frame[attribute].dropna()
        there = there[there != CONFLICTING]
        all_groups = list(dict.fromkeys([*asked, *sorted(map(str, there.unique()))]))
        n_groups += len(all_groups)
        with_it = ill["patient_id"].groupby(ill[attribute]).nunique()
        for group in all_groups:
            if not (there == group).any():
                nobody.append(f"{attribute} {group}")
            elif int(with_it.get(group, 0)) < least:
                few.append(f"{attribute} {group}")
    said = f"{n_groups - len(few) - len(nobody)} of {n_groups} groups have {least:g} patients or "
    said += f"more with {name}"
    said += f". Fewer: {', '.join(few)}" if few else ""
    said += f". No patient at all: {', '.join(nobody)}" if nobody else ""
    return evidence(
        "R13", f"{said}.", supports=None if few or nobody else False,
        value=float(n_groups - len(few) - len(nobody)), n=n_groups, threshold=least, source=TABLE,
        details=[{"few": few, "nobody": nobody}],
    )  # fmt: skip


def sources(cases: "Cases") -> Evidence | None:
    """Return how the cases are spread over sites, scanners and protocols (R02, R12)."""
    experiment = cases.experiment
    named = experiment.fairness.adjust_for if experiment.fairness else []
    found = []
    for attribute, told in experiment.data.attributes.items():
        words = f"{attribute} {told.column}".lower()
        if attribute not in named and not any(word in words for word in SOURCES):
            continue
        spread = cases.frame[attribute].value_counts()
        if spread.empty:
            continue
        found.append(_spread(cases, attribute, spread))
    return worst(found)


def _spread(cases: "Cases", attribute: str, spread: "pd.Series[int]") -> Evidence:
    mostly, mixed = threshold_of("R02", "largest_share"), threshold_of("R02", "entropy")
    wanted = threshold_of("R12", "patients")
    part = spread.to_numpy(float) / spread.sum()
    entropy = float(-(part * np.log(part)).sum() / np.log(len(part))) if len(part) > 1 else 0.0
    first = str(spread.index[0])
    mostly_one = share(*share_of_cases((cases.frame[attribute] == first).to_numpy(bool), cases))
    others = cases.frame[attribute].notna() & (cases.frame[attribute] != first)
    n = int(cases.frame.loc[others, "patient_id"].nunique())
    detail = [{"attribute": attribute, "sources": len(part), "entropy": round(entropy, 2)}]
    if part[0] >= mostly:
        ill = cases.frame[f"y:{_targets(cases)[0]}"].eq(1) & others
        with_it = int(cases.frame.loc[ill, "patient_id"].nunique())
        rest = f"all others together are {count(int(others.sum()))} cases of {count(n)} patients"
        rest += f", {count(with_it)} of them with {_targets(cases)[0]}"
        said = (
            f"{attribute}: {mostly_one} of the cases come from '{first}'; "
            f"{rest if others.any() else 'there is no other'}. Whether it holds elsewhere can"
            f"{'not' if n < wanted else ''} be asked ({wanted:g} patients are wanted)."
        )
        return evidence(
            "R12", said, supports=None, value=None if 0 < n < BELOW else n, threshold=wanted,
            n=len(cases), source=TABLE, details=detail,
        )  # fmt: skip
    said = f"{attribute}: {len(part)} sources, the largest with {mostly_one} of the cases; "
    said += f"they are spread by {entropy:.2f} of 1"
    said += " (evenly: whether a model holds steady over them takes a run)" * (entropy >= mixed)
    return evidence(
        "R02", f"{said}.", supports=None if entropy >= mixed and len(part) > 2 else False,
        value=round(entropy, 2), n=len(cases), threshold=mixed, source=TABLE, details=detail,
    )  # fmt: skip


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


def _targets(cases: "Cases") -> list[str]:
    findings = cases.experiment.findings
    return [name for name in cases.experiment.primary_targets if name in findings]


def share_of_cases(
    hit: "np.ndarray[Any, Any]", cases: "Cases", rows: "np.ndarray[Any, Any] | None" = None
) -> tuple[float, float, float]:
    """Return a share with its interval; of a share of few cases its bound alone, and no value."""
    from evaluation import clustered_proportion, wilson

    told = np.asarray(hit, bool)
    n, n_hit = told.size, int(told.sum())
    bound = wilson(min(BELOW - 1, n), n)[1] if n else np.nan
    if 0 < n_hit < BELOW:
        return np.nan, 0.0, bound
    if 0 < n - n_hit < BELOW:
        return np.nan, 1 - bound, 1.0
    who = cases.frame["patient_id"].to_numpy(str)
    found = clustered_proportion(told, who if rows is None else who[rows])
    return found.value, found.low, found.high


def _texts(frame: "pd.DataFrame") -> list[str]:
    return [ref for ref in dict.fromkeys(frame.to_numpy(object).ravel()) if isinstance(ref, str)]
