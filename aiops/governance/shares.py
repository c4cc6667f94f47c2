"""Shares of a table's cases, counted by patient; no small count of people can be told from one."""

from typing import TYPE_CHECKING, Any

import numpy as np

from aiops.governance.reason_evidence import BELOW
from evaluation import clustered_proportion

if TYPE_CHECKING:
    from aiops.data.cases import Cases

TABLE = "the table of the cases"


def primary_findings(cases: "Cases") -> list[str]:
    """Return the findings that the verdict is about, the headline first."""
    findings = cases.experiment.findings
    return [name for name in cases.experiment.primary_targets if name in findings]


def share_of_cases(
    hit: "np.ndarray[Any, Any]", cases: "Cases", rows: "np.ndarray[Any, Any] | None" = None
) -> tuple[float, float, float]:
    """Return a share with its interval; of a share of few cases its bound alone, and no value."""
    who = cases.frame["patient_id"].to_numpy(str)
    return share_by_patient(np.asarray(hit, bool), who if rows is None else who[rows])


def share_by_patient(
    hit: "np.ndarray[Any, Any]", who: "np.ndarray[Any, Any]"
) -> tuple[float, float, float]:
    """Return a share with its interval by patient; of a share of few its bound alone, no value.

    The bound of few is the widest that any of the counts that are not told would have, each with
    its cases in the same patients: it tells none of them, and never falls as faults are found.
    """
    n, n_hit = hit.size, int(hit.sum())
    if not 0 < n_hit < BELOW and not 0 < n - n_hit < BELOW:
        found = clustered_proportion(hit, who)
        return found.value, found.low, found.high
    _, place, counts = np.unique(who, return_inverse=True, return_counts=True)
    largest_first = np.argsort(-counts[place], kind="stable")
    limits = []
    for k in range(min(BELOW, n)):
        few = np.zeros(n, bool)
        few[largest_first[:k]] = True
        limits.append(clustered_proportion(few, who).high)
    bound = max(limits)
    return (np.nan, 0.0, bound) if n_hit < BELOW else (np.nan, 1 - bound, 1.0)
