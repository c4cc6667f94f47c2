"""Who is in the data, beside who is served."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from evaluation.estimates import NOT_ESTIMABLE, OK, SMALL, SMALL_N, two_sided_z, wilson_limits
from evaluation.groups import NOT_RECORDED, UNSURE, group_order

if TYPE_CHECKING:
    from evaluation.further import Evaluated

COLUMNS = [
    "attribute", "group", "n_patients", "share", "low", "high", "population_share", "ratio",
    "ratio_low", "ratio_high", "source", "state", "reason",
]  # fmt: skip


def representation_table(evaluated: "Evaluated") -> pd.DataFrame:
    """Return each group's share of the patients, beside its share of those who are served.

    Shares are of the patients whose group is known, with Wilson's interval; a patient whose films
    fall in two groups is in both. How many are not known has a row of its own, a share of all
    patients. ``ratio`` is the share over that of the population, which is taken as exact: below 1
    the group is rarer here than among those served. A group of the population that nobody here
    belongs to has a row with 0 patients.
    """
    plan = evaluated.plan
    rows = []
    for attribute in plan.attributes:
        population = dict(plan.population.get(attribute, {}))
        patients = _patients_of(evaluated, attribute)
        known = [patients[g] for g in patients if g not in UNSURE]
        n_known = np.unique(np.concatenate(known)).size if known else 0
        for group in group_order([*patients, *population, NOT_RECORDED]):
            n = patients[group].size if group in patients else 0
            unsure = group in UNSURE
            if group == NOT_RECORDED or not unsure or n:
                total = evaluated.n_patients if unsure else n_known
                rows.append(
                    {
                        "attribute": attribute,
                        "group": group,
                        "n_patients": n,
                        "source": plan.population_source if group in population else "",
                        **_shares(n, total, population.get(group), plan.level, unsure=unsure),
                    }
                )
    return pd.DataFrame(rows, columns=COLUMNS)


def _patients_of(evaluated: "Evaluated", attribute: str) -> dict[str, np.ndarray]:
    """Return the patients of each group, whichever target their cases are of."""
    parts: dict[str, list[np.ndarray]] = {}
    for case in evaluated.targets:
        labels = case.groups[attribute]
        for group in pd.unique(labels):
            parts.setdefault(str(group), []).append(case.sample.patient[labels == group])
    return {group: np.unique(np.concatenate(p)) for group, p in parts.items()}


def _shares(
    n: int, total: int, population: float | None, level: float, *, unsure: bool
) -> dict[str, object]:
    share = low = high = float("nan")
    if total:
        share = n / total
        lows, highs = wilson_limits(share, total, two_sided_z(level))
        low, high = float(lows), float(highs)
    served = float("nan") if population is None else population
    state, reason = OK, "of all patients; the other shares are of those known" if unsure else ""
    if not total:
        state, reason = NOT_ESTIMABLE, "of no patient is it known"
    elif total < SMALL:
        state, reason = SMALL_N, f"{total} patients; {SMALL} are needed"
    elif n == 0 and not unsure:
        reason = "not in the data"
    elif population == 0:
        reason = "nobody of this group is served, by the population table"
    over = served if served > 0 else float("nan")
    return {
        "share": share,
        "low": low,
        "high": high,
        "population_share": served,
        "ratio": share / over,
        "ratio_low": low / over,
        "ratio_high": high / over,
        "state": state,
        "reason": reason,
    }
