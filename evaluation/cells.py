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
from evaluation.resampling import Weights, count_totals, group_rng
from evaluation.samples import Sample
from evaluation.statistic import Statistic, analytic_limits, estimate_of, undefined

APART = 1.5
"""Bootstrap and linearised interval are said to disagree when one is wider by more than this."""


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


@dataclass(frozen=True)
class Side:
    """What a gap needs of a cell: the rest is large, and influence needs no more than 7 digits."""

    arms: dict[str, Arm]
    n_patients: int
    n_cases: int
    n_positive: int | None

    @classmethod
    def of(cls, cell: Cell) -> "Side":
        """Keep what a gap needs."""
        sample = cell.sample
        all_failed = bool(sample.failed.size and sample.failed.all())
        arms = {
            name: Arm(
                replace(
                    s,
                    influence=s.influence.astype(np.float32),
                    sums=None,
                    from_sums=None,
                    replicates=None,
                ),
                cell.patients,
                all_failed=all_failed,
            )
            for name, s in cell.statistics.items()
        }
        n_positive = int(sample.y_true.sum()) if sample.y_true.size else None
        return cls(arms, cell.patients.size, sample.patient.size, n_positive)


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
        sides: dict[frozenset[str], Side] = {}
        for chosen in _sets(names):
            cell = _cell(case, np.isin(labels, list(chosen)), n_patients, metrics)
            sides[chosen] = Side.of(cell)
            if len(chosen) > 1 or not chosen <= set(names):
                continue
            (name,) = chosen
            # Findings of one cohort share the patients of a group: their weights are cut once.
            if name not in kept or not np.array_equal(kept[name][0], cell.patients):
                kept[name] = cell.patients, weights.take(cell.patients)
            rows += _rows(case, cell, kept[name][1], plan, metrics, (attribute, name))
        for name in names:
            rest = sides.get(rest_of(name, names))
            gaps += _gaps(case.target, sides[frozenset([name])], rest, metrics, plan,
                          (attribute, name))  # fmt: skip
    return rows, gaps


def _sets(names: list[str]) -> list[frozenset[str]]:
    """Return every set of groups a figure is needed of: each alone, and each one's rest."""
    alone = [frozenset([n]) for n in names]
    rests = [rest_of(n, names) for n in names]
    return list(dict.fromkeys(s for s in (*alone, *rests) if s))


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


def replicates_of(
    statistics: Iterable[Statistic], weights: Weights, plan: EvaluationPlan, where: tuple[str, str]
) -> list[FloatArray | None]:
    """Return the bootstrap replicates of each statistic, None where there are too few for one.

    Counts are drawn by distinct rows; other sums all go through one product with the weights.

    Parameters
    ----------
    statistics : iterable of Statistic
        What is resampled, all of one cell.
    weights : Weights
        Those of its patients.
    plan : EvaluationPlan
        Seed and number of replicates.
    where : tuple of str
        Attribute and group.
    """
    known = list(statistics)
    totals: dict[int, FloatArray] = {}
    for i, s in enumerate(known):
        if s.sums is not None and not s.few:
            drawn = count_totals(s.sums, plan.n_boot, group_rng(plan.seed, *where))
            if drawn is not None:
                totals[i] = drawn
    rest = [i for i, s in enumerate(known) if s.sums is not None and not s.few and i not in totals]
    if rest:
        parts = [known[i].sums for i in rest]
        widths = np.cumsum([p.shape[1] for p in parts if p is not None])[:-1]
        together = weights.totals(np.column_stack([p for p in parts if p is not None]))
        totals |= dict(zip(rest, np.split(together, widths, axis=1), strict=True))
    out: list[FloatArray | None] = []
    for i, s in enumerate(known):
        if i in totals and s.from_sums is not None:
            out.append(s.from_sums(totals[i]))
        else:
            out.append(s.replicates(weights) if s.replicates and not s.few else None)
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
    statistics = [cell.statistics[m.name] for m in metrics]
    draws = replicates_of(statistics, weights, plan, where)
    low, high = analytic_limits(
        statistics, [m.low for m in metrics], [m.high for m in metrics], level=plan.level
    )
    for i, (metric, drawn) in enumerate(zip(metrics, draws, strict=True)):
        analytic = float(low[i]), float(high[i])
        found = estimate_of(
            statistics[i],
            cell.sample,
            level=plan.level,
            definition=metric.definition,
            analytic=analytic,
            draws=drawn,
        )
        rows.append(_row(case, metric, found, plan, where, analytic))
    return rows


def _row(
    case: TargetCases,
    metric: Metric,
    found: Estimate,
    plan: EvaluationPlan,
    where: tuple[str, str],
    linearised: tuple[float, float],
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
        "low_linearised": linearised[0],
        "high_linearised": linearised[1],
        "method": method,
        "state": found.state,
        "definition": found.definition,
        "reason": found.reason,
    }


def _gaps(
    target: str,
    side: Side,
    rest: Side | None,
    metrics: list[Metric],
    plan: EvaluationPlan,
    where: tuple[str, str],
) -> list[Gap]:
    attribute, group = where
    named = attribute in plan.prespecified
    family = target if plan.family == "target" else "claim"
    nobody = Arm(no_rest(), np.zeros(0, np.int64))
    return [
        Gap(
            target=target,
            metric=metric,
            attribute=attribute,
            group=group,
            group_arm=side.arms[metric.name],
            rest_arm=nobody if rest is None else rest.arms[metric.name],
            n_patients=side.n_patients,
            n_cases=side.n_cases,
            n_positive=side.n_positive,
            family=family
            if named and target in plan.primary_targets and metric.name == plan.primary_metric
            else "",
            prespecified=named,
        )
        for metric in metrics
    ]


def interval_notes(metrics: pd.DataFrame) -> tuple[str, ...]:
    """Return which figures have a bootstrap and a linearised interval of unlike width.

    Two ways to the same interval that differ say that neither is to be leant on: few patients
    carry the figure, or it is near the end of its range.

    Examples
    --------
    >>> row = {"metric": "ppv", "method": "bootstrap", "low": 0.4, "high": 0.6}
    >>> row |= {"low_linearised": 0.3, "high_linearised": 0.7}
    >>> interval_notes(pd.DataFrame([row]))[0][:62]
    'Bootstrap and linearised interval differ in width by more than'
    """
    both = metrics[metrics["method"].str.startswith("bootstrap")]
    width = both["high"] - both["low"]
    linearised = both["high_linearised"] - both["low_linearised"]
    apart = (width > APART * linearised) | (linearised > APART * width)
    if not apart.any():
        return ()
    names = ", ".join(sorted(set(both.loc[apart, "metric"])))
    return (
        f"Bootstrap and linearised interval differ in width by more than {APART:g} times in "
        f"{int(apart.sum())} of {len(both)} figures ({names}): take the wider.",
    )
