"""From the cases of each target to figures of each group: one engine for both tasks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from evaluation.contrasts import Arm, Gap
from evaluation.estimates import BoolArray, Estimate, FloatArray, IntArray
from evaluation.fairness import gap_table, no_rest
from evaluation.groups import ALL, GroupArray, group_order, rest_of
from evaluation.metrics import Metric, metrics_of
from evaluation.plan import METRIC_COLUMNS, EvaluationPlan
from evaluation.resampling import Weights
from evaluation.samples import Sample
from evaluation.statistic import Statistic, estimate_of, undefined


@dataclass(frozen=True)
class TargetCases:
    """The cases of one target, ready to be broken down.

    Parameters
    ----------
    target : str
        Finding or structure.
    sample : Sample
        Its cases, with patient codes of the whole evaluation.
    groups : dict of str to ndarray of str
        The group of each case under each attribute.
    blocked : mapping of str to str
        Metrics that cannot be computed, and why.
    operating_point : str
        Threshold of the decision and how it was come by.
    params : mapping of str to str
        Parameters of metrics, by metric.
    """

    target: str
    sample: Sample
    groups: dict[str, GroupArray]
    blocked: Mapping[str, str]
    operating_point: str = ""
    params: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Cell:
    """One target in one set of groups: its cases and a statistic for each metric."""

    sample: Sample
    patients: IntArray
    statistics: dict[str, Statistic]


def evaluate_targets(
    targets: list[TargetCases], n_patients: int, plan: EvaluationPlan
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables of metrics and of gaps.

    Parameters
    ----------
    targets : list of TargetCases
        What is evaluated.
    n_patients : int
        Number of patient codes.
    plan : EvaluationPlan
        What was said in advance.
    """
    boot_rng, family_rng = (
        np.random.default_rng(s) for s in np.random.SeedSequence(plan.seed).spawn(2)
    )
    weights = Weights.draw(n_patients, plan.n_boot, boot_rng)
    targets = [
        replace(t, groups=t.groups | {ALL: np.full(t.sample.patient.size, ALL, dtype=object)})
        for t in targets
    ]
    rows, _ = _break_down(targets, ALL, n_patients, weights, plan)
    gaps: list[Gap] = []
    for attribute in plan.attributes:
        found, more = _break_down(targets, attribute, n_patients, weights, plan)
        rows += found
        gaps += more
    table = pd.DataFrame(rows, columns=METRIC_COLUMNS)
    table["n_positive"] = table["n_positive"].astype("Int64")
    return table, gap_table(
        gaps, n_patients=n_patients, level=plan.level, margin=plan.margin, rng=family_rng
    )


def _break_down(
    targets: list[TargetCases],
    attribute: str,
    n_patients: int,
    weights: Weights,
    plan: EvaluationPlan,
) -> tuple[list[dict[str, object]], list[Gap]]:
    """Return the rows and the gaps of one attribute."""
    metrics = metrics_of(plan.task)
    rows: list[dict[str, object]] = []
    gaps: list[Gap] = []
    kept: dict[str, tuple[IntArray, Weights]] = {}
    for case in targets:
        labels = case.groups[attribute]
        # All cases are a row of the table even where there is none.
        names = [ALL] if attribute == ALL else group_order(pd.unique(labels))
        cells: dict[frozenset[str], Cell] = {}
        for chosen in _sets(names):
            inside = np.isin(labels, list(chosen))
            cells[chosen] = _cell(case, inside, n_patients, metrics)
        for name in names:
            cell = cells[frozenset([name])]
            # Findings of one cohort share the patients of a group: their weights are cut once.
            if name not in kept or not np.array_equal(kept[name][0], cell.patients):
                kept[name] = cell.patients, weights.take(cell.patients)
            rows += _rows(case, cell, kept[name][1], plan, metrics, (attribute, name))
            rest = cells.get(rest_of(name, names))
            gaps += _gaps(case.target, cell, rest, metrics, plan, (attribute, name))
    return rows, gaps


def _sets(names: list[str]) -> list[frozenset[str]]:
    """Return every set of groups a figure is needed of: each alone, and each one's rest."""
    alone = [frozenset([n]) for n in names]
    rests = [rest_of(n, names) for n in names]
    return list(dict.fromkeys(s for s in (*alone, *rests) if s))


def _arm(cell: Cell, metric: str) -> Arm:
    # A gap needs no bootstrap, and what a bootstrap holds on to is large.
    light = replace(cell.statistics[metric], sums=None, from_sums=None, replicates=None)
    failed = cell.sample.failed
    return Arm(light, cell.patients, all_failed=bool(failed.size and failed.all()))


def _cell(case: TargetCases, inside: BoolArray, n_patients: int, metrics: list[Metric]) -> Cell:
    patients = np.unique(case.sample.patient[inside])
    codes = np.zeros(n_patients, np.int64)
    codes[patients] = np.arange(patients.size)
    sample = case.sample.take(inside, codes, patients.size)
    statistics = {
        m.name: undefined(case.blocked[m.name]) if m.name in case.blocked else m.function(sample)
        for m in metrics
    }
    return Cell(sample, patients, statistics)


def _draws(statistics: Iterable[Statistic], weights: Weights) -> list[FloatArray | None]:
    """Return the replicates of each statistic; all sums go through one matrix product."""
    known = list(statistics)
    parts = [s.sums for s in known if s.sums is not None and not s.few]
    totals = weights.totals(np.column_stack(parts)) if parts else np.zeros((0, 0))
    out: list[FloatArray | None] = []
    at = 0
    for s in known:
        if s.few:
            out.append(None)
        elif s.sums is not None and s.from_sums is not None:
            out.append(s.from_sums(totals[:, at : at + s.sums.shape[1]]))
            at += s.sums.shape[1]
        else:
            out.append(s.replicates(weights) if s.replicates else None)
    return out


def _rows(
    case: TargetCases,
    cell: Cell,
    weights: Weights,
    plan: EvaluationPlan,
    metrics: list[Metric],
    where: tuple[str, str],
) -> list[dict[str, object]]:
    rows = []
    draws = _draws((cell.statistics[m.name] for m in metrics), weights)
    for metric, drawn in zip(metrics, draws, strict=True):
        found = estimate_of(
            cell.statistics[metric.name],
            cell.sample,
            level=plan.level,
            definition=metric.definition,
            bounds=(metric.low, metric.high),
            draws=drawn,
        )
        rows.append(_row(case, metric, found, plan, where))
    return rows


def _row(
    case: TargetCases,
    metric: Metric,
    found: Estimate,
    plan: EvaluationPlan,
    where: tuple[str, str],
) -> dict[str, object]:
    method = found.method
    if not plan.patients_known and method:
        method = method.replace("by patient", "by case") + "; patients unknown"
    return {
        "task": plan.task,
        "target": case.target,
        "metric": metric.name,
        "split": plan.split,
        "attribute": where[0],
        "group": where[1],
        "operating_point": case.operating_point if metric.needs == "decision" else "",
        "params": (case.params or {}).get(metric.name, ""),
        "unit": metric.unit,
        "n_patients": found.n_patients,
        "n_cases": found.n_cases,
        "n_positive": found.n_positive,
        "n_failed": found.n_failed,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "method": method,
        "state": found.state,
        "definition": found.definition,
        "reason": found.reason,
    }


def _gaps(
    target: str,
    cell: Cell,
    rest: Cell | None,
    metrics: list[Metric],
    plan: EvaluationPlan,
    where: tuple[str, str],
) -> list[Gap]:
    attribute, group = where
    named = attribute in plan.prespecified
    family = target if plan.family == "target" else "claim"
    out = []
    for metric in metrics:
        other = Arm(no_rest(), np.zeros(0, np.int64))
        if rest is not None:
            other = _arm(rest, metric.name)
        out.append(
            Gap(
                target=target,
                metric=metric,
                attribute=attribute,
                group=group,
                group_arm=_arm(cell, metric.name),
                rest_arm=other,
                n_patients=cell.patients.size,
                n_cases=cell.sample.patient.size,
                n_positive=int(cell.sample.y_true.sum()) if cell.sample.y_true.size else None,
                family=family
                if named and target in plan.primary_targets and metric.name == plan.primary_metric
                else "",
                prespecified=named,
            )
        )
    return out
