"""Groups by two attributes at once: what their cases say, and what all of them say together.

Young women of one site may be few. Their raw figure stands beside a pooled one that leans on what
sex, age and site foretell by themselves, the more the fewer they are, and the shrinkage says how
much. Combinations that nobody belongs to are counted, not hidden.
"""

from collections.abc import Iterator
from itertools import combinations, product
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from evaluation.cells import TargetCases
from evaluation.estimates import NOT_ESTIMABLE, FloatArray, two_sided_z
from evaluation.groups import UNSURE, group_order
from evaluation.metrics import Metric
from evaluation.plan import EvaluationPlan
from evaluation.pooling import Pooled, pooled, pooled_shares
from evaluation.statistic import Statistic, estimate_of
from evaluation.subsets import (
    Subset,
    covariance,
    is_measured,
    looked_at,
    statistic_in,
    subset_of,
    variances,
)

if TYPE_CHECKING:
    from evaluation.further import Evaluated

COLUMNS = [
    "target", "metric", "attributes", "group", "n_patients", "n_cases", "n_positive", "value",
    "low", "high", "pooled", "pooled_low", "pooled_high", "shrinkage", "state", "reason",
    "prespecified",
]  # fmt: skip

Cells = list[tuple[str, tuple[int, ...], Subset]]


def intersections_table(evaluated: "Evaluated") -> pd.DataFrame:
    """Return one row per primary target, looked-at metric and combination of groups.

    The metrics are the primary one and those of ``evaluation.subsets.HEADLINES``. ``shrinkage``
    is the share of the way from the raw figure to what the attributes alone foretell. Pooled
    figures are nan with fewer than four measured groups, and with more than
    ``evaluation.pooling.MOST``, as the reason says then. A combination that no patient belongs to
    has a row with 0 patients, and none is made up for it.
    """
    plan = evaluated.plan
    rows: list[dict[str, object]] = []
    for case in evaluated.targets:
        if case.target not in plan.primary_targets:
            continue
        for names in attribute_sets(plan):
            cells, empty = _cells(case, names, evaluated.n_patients)
            for metric in looked_at(plan):
                if metric.name not in case.blocked:
                    rows += _rows(case, metric, names, cells, empty, evaluated)
    table = pd.DataFrame(rows, columns=COLUMNS)
    for column in ("n_patients", "n_cases", "n_positive"):
        table[column] = table[column].astype("Int64")
    return table


def attribute_sets(plan: EvaluationPlan) -> list[tuple[str, ...]]:
    """Return the attributes that are combined: those of the plan, or all pairs of the named.

    Examples
    --------
    >>> named = ("sex", "age", "site")
    >>> plan = EvaluationPlan("segmentation", ("liver",), ("liver",), "dice", named, named)
    >>> attribute_sets(plan)
    [('sex', 'age'), ('sex', 'site'), ('age', 'site')]
    """
    if plan.intersections is not None:
        return list(plan.intersections)
    return list(combinations(plan.prespecified, 2))


def _cells(case: TargetCases, names: tuple[str, ...], n_patients: int) -> tuple[Cells, list[str]]:
    """Return each combination with a case in it, and the names of those without."""
    labels = [case.groups[name] for name in names]
    known = [[g for g in group_order(pd.unique(part)) if g not in UNSURE] for part in labels]
    cells: Cells = []
    empty: list[str] = []
    for levels in product(*(range(len(groups)) for groups in known)):
        chosen = [groups[i] for groups, i in zip(known, levels, strict=True)]
        inside = np.logical_and.reduce(
            [part == group for part, group in zip(labels, chosen, strict=True)]
        )
        name = ", ".join(chosen)
        if inside.any():
            cells.append((name, levels, subset_of(case, inside, n_patients)))
        else:
            empty.append(name)
    return cells, empty


def _rows(
    case: TargetCases,
    metric: Metric,
    names: tuple[str, ...],
    cells: Cells,
    empty: list[str],
    evaluated: "Evaluated",
) -> Iterator[dict[str, object]]:
    plan = evaluated.plan
    statistics = [statistic_in(case, metric, subset) for _, _, subset in cells]
    found = _pooled(metric, cells, statistics, evaluated.n_patients, two_sided_z(plan.level))
    shared: dict[str, object] = {
        "target": case.target,
        "metric": metric.name,
        "attributes": " × ".join(names),
        "prespecified": set(names) <= set(plan.prespecified),
    }
    for i, ((group, _, subset), statistic) in enumerate(zip(cells, statistics, strict=True)):
        raw = estimate_of(
            statistic, subset.sample, level=plan.level, definition=metric.definition,
            bounds=(metric.low, metric.high),
        )  # fmt: skip
        yield shared | {
            "group": group,
            "n_patients": raw.n_patients,
            "n_cases": raw.n_cases,
            "n_positive": raw.n_positive,
            "value": raw.value,
            "low": raw.low,
            "high": raw.high,
            "pooled": found.value[i],
            "pooled_low": found.low[i],
            "pooled_high": found.high[i],
            "shrinkage": found.shrinkage[i],
            "state": raw.state,
            "reason": "; ".join(filter(None, (raw.reason, found.reason))),
        }
    for group in empty:
        yield shared | {
            "group": group, "n_patients": 0, "n_cases": 0, "state": NOT_ESTIMABLE,
            "reason": "no case",
        }  # fmt: skip


def _pooled(
    metric: Metric, cells: Cells, statistics: list[Statistic], n_patients: int, z: float
) -> Pooled:
    """Return pooled figures of all cells; nan for those that were not measured."""
    out = np.full((4, len(cells)), np.nan)
    at = [i for i, s in enumerate(statistics) if is_measured(s)]
    if not at:
        return Pooled(out[0], out[1], out[2], out[3])
    some = [statistics[i] for i in at]
    value = np.array([s.value for s in some])
    levels = np.array([cells[i][1] for i in at])
    variance = variances(some, alike=False)
    if not np.isfinite(variance).all():
        return Pooled(out[0], out[1], out[2], out[3])
    worth = np.array([s.n_effective for s in some])
    joint = covariance(some, [cells[i][2] for i in at], variance, n_patients)
    if np.isfinite(worth).all():
        found = pooled_shares(value, worth, levels, z=z, correlation=_correlation(joint))
    else:
        found = pooled(value, joint, levels, z=z)
    parts = (found.value, found.low, found.high, found.shrinkage)
    for whole, part in zip(out, parts, strict=True):
        whole[at] = part
    limited = np.clip(out[:3], metric.low, metric.high)
    return Pooled(limited[0], limited[1], limited[2], out[3], found.reason)


def _correlation(joint: FloatArray) -> FloatArray:
    sd = np.sqrt(np.diag(joint))
    out: FloatArray = joint / np.outer(sd, sd)
    return out
