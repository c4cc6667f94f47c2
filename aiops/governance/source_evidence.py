"""Of whom and from where the cases of a table are: groups, sites, scanners and protocols."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from aiops.data.cases import CONFLICTING, band_names
from aiops.governance.reason_evidence import (
    BELOW,
    Evidence,
    count,
    evidence,
    share,
    threshold_of,
    worst,
)
from aiops.governance.shares import TABLE, primary_findings, share_of_cases

if TYPE_CHECKING:
    import pandas as pd

    from aiops.data.cases import Cases

SOURCES = (
    "site", "hospital", "scanner", "manufacturer", "vendor", "device", "machine", "protocol",
    "sequence", "projection", "view",
)  # fmt: skip
"""Words in the name or column of an attribute that says where a case comes from, and how."""


def groups(cases: "Cases") -> Evidence | None:
    """Return the groups of which nothing could be said: few with the finding, or nobody (R13)."""
    least = threshold_of("R13", "patients_with_finding")
    fairness, data = cases.experiment.fairness, cases.experiment.data
    named = fairness.attributes if fairness else list(data.attributes)
    if not named:
        return None
    name = primary_findings(cases)[0]
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
    """Return how the cases are spread over sites, scanners and protocols (R02, R12).

    How cases are spread says where a model could be asked, not that it holds: this never speaks
    against a reason.
    """
    experiment = cases.experiment
    named = experiment.fairness.adjust_for if experiment.fairness else []
    found: list[Evidence] = []
    for attribute, told in experiment.data.attributes.items():
        words = f"{attribute} {told.column}".lower()
        if attribute not in named and not any(word in words for word in SOURCES):
            continue
        group = cases.frame[attribute]
        spread = group[group != CONFLICTING].value_counts()
        if not spread.empty:
            found += _spread(cases, attribute, spread)
    return worst(found)


def _spread(cases: "Cases", attribute: str, spread: "pd.Series[int]") -> Iterator[Evidence]:
    mostly, mixed = threshold_of("R02", "largest_share"), threshold_of("R02", "entropy")
    part = spread.to_numpy(float) / spread.sum()
    entropy = float(-(part * np.log(part)).sum() / np.log(len(part))) if len(part) > 1 else 0.0
    first = str(spread.index[0])
    group = cases.frame[attribute]
    mostly_one = share(*share_of_cases((group == first).to_numpy(bool), cases))
    others = group.notna() & ~group.isin([first, CONFLICTING])
    detail = [{"attribute": attribute, "sources": len(part), "entropy": round(entropy, 2)}]
    if part[0] < mostly:
        yield evidence(
            "R02",
            f"{attribute}: {len(part)} sources, the largest with {mostly_one} of the cases; they "
            f"are spread by {entropy:.2f} of 1. Whether a model holds steady over them takes a "
            "run.", value=round(entropy, 2), n=len(cases), threshold=mixed, source=TABLE,
            details=detail,
        )  # fmt: skip
    yield _elsewhere(cases, attribute, f"{mostly_one} of the cases come from '{first}'", others)


def _elsewhere(cases: "Cases", attribute: str, mostly: str, others: "pd.Series[bool]") -> Evidence:
    """Return whether patients of other sources are there, to ask whether it holds on them (R12)."""
    wanted, name = threshold_of("R12", "patients"), primary_findings(cases)[0]
    who = cases.frame["patient_id"]
    n = int(who[others].nunique())
    with_it = int(who[others & cases.frame[f"y:{name}"].eq(1)].nunique())
    rest = (
        f"all others together are {count(int(others.sum()))} cases of {count(n)} patients, "
        f"{count(with_it)} of them with {name}"
    )
    return evidence(
        "R12",
        f"{attribute}: {mostly}; {rest if others.any() else 'there is no other'}. Whether it "
        f"holds elsewhere can{'not' if n < wanted else ''} be asked ({wanted:g} patients are "
        "wanted).", value=None if 0 < n < BELOW else n, threshold=wanted, n=len(cases),
        source=TABLE, details=[{"attribute": attribute}],
    )  # fmt: skip
