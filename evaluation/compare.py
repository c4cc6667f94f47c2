"""Two tools, or two versions of one, on the same cases: which is better, for whom, by how much.

Nothing is compared that was not measured on the same cases with the same reference standard.
Failed and refused cases count as wrong in both.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from evaluation.cells import TargetCases
from evaluation.detection import LESION_METRICS
from evaluation.estimates import OK, SMALL_N, BoolArray, two_sided_z
from evaluation.fairness import holm
from evaluation.groups import ALL, group_order
from evaluation.metrics import METRICS, metrics_of
from evaluation.pairing import Pair, pair_of, side_limits
from evaluation.plan import EvaluationPlan
from evaluation.samples import Sample
from evaluation.scoring_masks import case_frame, checked_case_metrics, structure_cases
from evaluation.segmentation import MEAN
from evaluation.units import target_cases, units_of

BETTER, WORSE, CHANGED = "better", "worse", "changed"
NO_DIFFERENCE, ALIKE, UNKNOWN = "no difference shown", "alike", "not estimable"

COMPARISON_COLUMNS = [
    "target", "metric", "attribute", "group", "unit", "primary", "a", "a_low", "a_high", "b",
    "b_low", "b_high", "difference", "low", "high", "se", "p", "p_adjusted", "outcome",
    "levelled_down", "n_patients", "n_cases", "n_positive", "n_failed_a", "n_failed_b",
    "operating_point_a", "operating_point_b", "method", "state", "reason",
]  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """What was found between two tools.

    Parameters
    ----------
    table : DataFrame
        One row per target, metric and group, overall rows under attribute and group ``all``:
        ``target, metric, attribute, group, unit, primary, a, a_low, a_high, b, b_low, b_high,
        difference, low, high, se, p, p_adjusted, outcome, levelled_down, n_patients, n_cases,
        n_positive, n_failed_a, n_failed_b, operating_point_a, operating_point_b, method, state,
        reason``.
        ``difference`` is b minus a, above 0 better for b (the plain difference of a metric
        without a direction). ``p_adjusted`` is Holm's: over the primary overall rows, and over
        the groups of an attribute within a target and metric. ``outcome`` is better, worse,
        changed, no difference shown, alike or not estimable; of a ``small_n`` no difference is
        shown whatever the limits, and p is nan; ``levelled_down`` marks a group
        that b serves worse than a did, by more than chance among the groups of that attribute.
    notes : tuple of str
        What a reader must know.

    Examples
    --------
    >>> found = Comparison(pd.DataFrame(columns=COMPARISON_COLUMNS), ("b: 2 of 40 cases failed.",))
    >>> len(found.table), found.notes[0]
    (0, 'b: 2 of 40 cases failed.')
    """

    table: pd.DataFrame
    notes: tuple[str, ...]


def compare_classification(
    a: pd.DataFrame,
    b: pd.DataFrame,
    plan: EvaluationPlan,
    *,
    plan_b: EvaluationPlan | None = None,
) -> Comparison:
    """Compare two predictions tables on the same cases, overall and by group.

    Parameters
    ----------
    a, b : DataFrame
        Predictions as `evaluate_classification` takes them. Groups are read from `a`.
    plan : EvaluationPlan
        Targets, groups, operating points and level; its primary metric is the one that counts.
    plan_b : EvaluationPlan, optional
        That of `b`, where its operating points or kinds of score differ.

    Returns
    -------
    Comparison
        Failed and refused cases count as wrong in both; what is not defined is nan with a reason.

    Raises
    ------
    ValueError
        If the two differ in cases, patients or reference standard.

    Examples
    --------
    >>> n = 80
    >>> table = pd.DataFrame({
    ...     "case_id": [f"c{i:02}" for i in range(n)], "patient_id": [f"p{i:02}" for i in range(n)],
    ...     "split": "test", "target": "effusion", "y_true": [i % 2 for i in range(n)],
    ...     "y_score": [0.3 + 0.4 * (i % 2) + 0.002 * i for i in range(n)], "status": "ok"})
    >>> noisy = table.assign(y_score=[0.5 + 0.3 * (-1) ** (i // 2 % 3) for i in range(n)])
    >>> plan = EvaluationPlan("classification", ("effusion",), ("effusion",), "roc_auc")
    >>> compare_classification(noisy, table, plan).table.loc[0, "outcome"]
    'better'
    """
    if plan.task != "classification":
        raise ValueError(f"plan.task is '{plan.task}', not classification")
    other = _without_groups(plan_b or plan, plan)
    units_a, units_b = units_of(a, plan), units_of(b, other)
    for target in plan.targets:
        _same_cases(units_a.tables[target], units_b.tables[target], target)
    sides = [
        (target_cases(units_a, target, plan), target_cases(units_b, target, other))
        for target in plan.targets
    ]
    return Comparison(_table(sides, plan), _notes(units_a.notes, units_b.notes))


def compare_segmentation(
    a: pd.DataFrame, b: pd.DataFrame, plan: EvaluationPlan, *, plan_b: EvaluationPlan | None = None
) -> Comparison:
    """Compare two tables of case metrics on the same cases, overall and by group.

    Parameters
    ----------
    a, b : DataFrame
        Case metrics as `evaluate_segmentation` takes them. Groups are read from `a`.
    plan : EvaluationPlan
        Structures, groups, tolerances and level; its primary metric is the one that counts.
    plan_b : EvaluationPlan, optional
        That of `b`, where its tolerances differ.

    Returns
    -------
    Comparison
        Missed, invented and failed structures stay in with their penalty in both.

    Raises
    ------
    ValueError
        If the two differ in cases, patients or in which structures the reference has, or were
        scored with different tolerances.

    Examples
    --------
    >>> rows = [{"case_id": f"c{i}", "patient_id": f"p{i}", "split": "test", "structure": "liver",
    ...          "metric": "dice", "value": 0.85 + 0.01 * (i % 3), "unit": "", "outcome": "found"}
    ...         for i in range(12)]
    >>> a = pd.DataFrame(rows)
    >>> b = a.assign(value=a["value"] + 0.01 + 0.001 * np.arange(12))
    >>> plan = EvaluationPlan("segmentation", ("liver",), ("liver",), "dice")
    >>> comparison_sentence(compare_segmentation(a, b, plan).table.iloc[0])
    'better by 0.016; could be +0.013 to +0.018'
    """
    if plan.task != "segmentation":
        raise ValueError(f"plan.task is '{plan.task}', not segmentation")
    other = _without_groups(plan_b or plan, plan)
    _same_rules(plan, other)
    tables = checked_case_metrics(a, plan), checked_case_metrics(b, other)
    structures = [s for s in plan.targets if s != MEAN]
    for structure in structures:
        _same_cases(_once(tables[0], structure), _once(tables[1], structure), structure)
    cases_a, notes_a = case_frame(tables[0], plan)
    cases_b, notes_b = case_frame(tables[1], other)
    sides = [
        (
            structure_cases(tables[0], cases_a, structure, plan),
            structure_cases(tables[1], cases_b, structure, other),
        )
        for structure in (*structures, *([MEAN] if len(structures) > 1 else []))
    ]
    return Comparison(_table(sides, plan), _notes(notes_a, notes_b))


def _same_rules(a: EvaluationPlan, b: EvaluationPlan) -> None:
    """Refuse figures of masks that were made by different rules."""
    if a.missing != b.missing:
        raise ValueError(f"missing is {a.missing} in a, {b.missing} in b")
    for structure in a.targets:
        for name, one, two in (
            ("tolerance_mm", a.tolerance_mm, b.tolerance_mm),
            ("lesions", a.lesions, b.lesions),
        ):
            if one.get(structure) != two.get(structure):
                raise ValueError(
                    f"structure '{structure}': {name} is {one.get(structure)} in a, "
                    f"{two.get(structure)} in b"
                )


def _once(table: pd.DataFrame, structure: str) -> pd.DataFrame:
    """Return one row per case; y_true is whether the reference has the structure, where known."""
    rows = table[table["structure"] == structure].drop_duplicates("case_id")
    there = rows["outcome"].map({"found": 1.0, "missed": 1.0, "spurious": 0.0, "absent": 0.0})
    return rows.assign(y_true=there)


def _notes(a: tuple[str, ...], b: tuple[str, ...]) -> tuple[str, ...]:
    """Return the notes of both sides, each with its side, those that both have once."""
    both = [n for n in a if n in b]
    alone = [f"{side}: {n}" for side, notes in (("a", a), ("b", b)) for n in notes if n not in both]
    return (*both, *alone)


def _without_groups(other: EvaluationPlan, plan: EvaluationPlan) -> EvaluationPlan:
    """Return the plan of b: the targets of a, and no groups, for a case has those of a."""
    return replace(
        other, targets=plan.targets, primary_targets=plan.primary_targets, attributes=(),
        prespecified=(), per_case=(),
    )  # fmt: skip


def _same_cases(a: pd.DataFrame, b: pd.DataFrame, target: str) -> None:
    """Refuse two tables that are not about the same cases, patients and reference standard."""
    one, two = set(a["case_id"]), set(b["case_id"])
    if one != two:
        raise ValueError(
            f"target '{target}': a has {len(one)} cases with a reference, b {len(two)}; "
            f"{len(one - two)} are in a alone and {len(two - one)} in b alone"
        )
    left, right = (t.set_index("case_id").sort_index() for t in (a, b))
    for column in ("patient_id", "y_true"):
        known = left[column].notna() & right[column].notna()  # a failed mask tells no reference
        n = int(((left[column] != right[column]) & known).sum())
        if n:
            raise ValueError(
                f"target '{target}': {column} differs between a and b in {n} of {len(one)} cases"
            )


def _table(sides: list[tuple[TargetCases, TargetCases]], plan: EvaluationPlan) -> pd.DataFrame:
    """Return every row: each target, attribute, group and metric."""
    rows: list[dict[str, object]] = []
    for a, b in sides:
        for attribute in (ALL, *plan.attributes):
            labels = a.groups.get(attribute)
            names = [ALL] if labels is None else group_order(pd.unique(labels))
            for name in names:
                inside = np.ones(a.sample.patient.size, bool) if labels is None else labels == name
                rows += _cell_rows(a, b, inside, (attribute, name), plan)
    table = pd.DataFrame(rows, columns=COMPARISON_COLUMNS)
    table["n_positive"] = table["n_positive"].astype("Int64")
    return _judged(table, plan)


def _cell_rows(
    a: TargetCases,
    b: TargetCases,
    inside: BoolArray,
    where: tuple[str, str],
    plan: EvaluationPlan,
) -> list[dict[str, object]]:
    patients = np.unique(a.sample.patient[inside])
    codes = np.zeros(a.sample.n_patients, np.int64)
    codes[patients] = np.arange(patients.size)
    one, two = (s.take(inside, codes, patients.size) for s in (a.sample, b.sample))
    rows = []
    for metric in metrics_of(plan.task):
        if metric.name in LESION_METRICS and a.target not in plan.lesions:
            continue
        why = (a.blocked.get(metric.name, ""), b.blocked.get(metric.name, ""))
        pair = pair_of(metric, one, two, why)
        rows.append(
            {
                "target": a.target,
                "attribute": where[0],
                "group": where[1],
                "primary": a.target in plan.primary_targets and metric.name == plan.primary_metric,
                **_figures(pair, one, two, plan.level),
                "operating_point_a": a.operating_point if metric.needs == "decision" else "",
                "operating_point_b": b.operating_point if metric.needs == "decision" else "",
            }
        )
    return rows


def _figures(pair: Pair, a: Sample, b: Sample, level: float) -> dict[str, object]:
    low, high = pair.limits(two_sided_z(level))
    lows, highs = side_limits(pair, level)
    return {
        "metric": pair.metric.name,
        "unit": pair.metric.unit,
        "a": pair.a.value,
        "a_low": lows[0],
        "a_high": highs[0],
        "b": pair.b.value,
        "b_low": lows[1],
        "b_high": highs[1],
        "difference": 0.0 if pair.is_same and not pair.why_not else pair.value,
        "low": low,
        "high": high,
        "se": float("nan") if pair.why_not else pair.se,
        "p": float("nan") if pair.state == SMALL_N else pair.p_value(),
        "p_adjusted": float("nan"),
        "outcome": _outcome(pair, low, high),
        "levelled_down": False,
        "n_patients": a.n_patients,
        "n_cases": int(a.patient.size),
        "n_positive": int(a.y_true.sum()) if a.y_true.size else None,
        "n_failed_a": int(a.failed.sum()),
        "n_failed_b": int(b.failed.sum()),
        "method": pair.method,
        "state": pair.state,
        "reason": pair.why,
    }


def _outcome(pair: Pair, low: float, high: float) -> str:
    if pair.why_not:
        return UNKNOWN
    if pair.is_same:
        return ALIKE
    # Limits of a handful of patients are too narrow to show anything by.
    if low <= 0 <= high or pair.state == SMALL_N:
        return NO_DIFFERENCE
    if pair.metric.higher_is_better is None:
        return CHANGED
    return BETTER if low > 0 else WORSE


def _judged(table: pd.DataFrame, plan: EvaluationPlan) -> pd.DataFrame:
    """Write adjusted p values, and which groups were levelled down."""
    adjusted = np.full(len(table), np.nan)
    p = table["p"].to_numpy(dtype=float)
    overall = (table["attribute"] == ALL).to_numpy(dtype=bool)
    first = overall & table["primary"].to_numpy(dtype=bool)
    adjusted[first] = holm(p[first])
    # Of a group that is too small no question is asked: it takes no part in the multiplicity.
    asked = ~overall & (table["state"] == OK).to_numpy(dtype=bool)
    keys = table.loc[asked].groupby(["target", "metric", "attribute"], sort=False).indices
    places = np.flatnonzero(asked)
    for inside in keys.values():
        mine = places[inside]
        adjusted[mine] = holm(p[mine])
    known = np.array([METRICS[m].higher_is_better is not None for m in table["metric"]], bool)
    worse = (table["difference"] < 0).to_numpy(dtype=bool)
    with np.errstate(invalid="ignore"):
        chance = adjusted < 1 - plan.level
    return table.assign(p_adjusted=adjusted, levelled_down=asked & known & worse & chance)


def comparison_sentence(row: Mapping[str, object], *, digits: int | None = None) -> str:
    """Say a row of a comparison: the word, and what the difference could be.

    Parameters
    ----------
    row : mapping
        A row of ``Comparison.table``.
    digits : int, optional
        Decimals; when not given three, or as many more as a small difference takes.

    Examples
    --------
    >>> row = {"outcome": "no difference shown", "difference": 0.004, "low": -0.02, "high": 0.031,
    ...        "reason": ""}
    >>> comparison_sentence(row, digits=2)
    'no difference shown; could be −0.02 to +0.03'
    >>> comparison_sentence(row | {"outcome": "better", "difference": 0.04, "low": 0.01})
    'better by 0.040; could be +0.010 to +0.031'
    """
    outcome = str(row["outcome"])
    if outcome == UNKNOWN:
        return str(row["reason"])
    if outcome == ALIKE:
        return "the two gave the same answer in every case"
    if row.get("state", OK) == SMALL_N:
        return f"{NO_DIFFERENCE}, too few to tell: {row['reason']}"
    difference, low, high = (float(str(row[c])) for c in ("difference", "low", "high"))
    if digits is None:
        reach = max(abs(low), abs(high))
        digits = max(3, 1 - math.floor(math.log10(reach))) if 0 < reach < 1 else 3
    said = outcome
    if outcome in (BETTER, WORSE):
        said = f"{outcome} by {abs(difference):.{digits}f}"
    elif outcome == CHANGED:
        said = f"changed by {_signed(difference, digits)}"
    return f"{said}; could be {_signed(low, digits)} to {_signed(high, digits)}"


def _signed(number: float, digits: int) -> str:
    text = f"{abs(number):.{digits}f}"
    if float(text) == 0:
        return text
    return f"{'−' if number < 0 else '+'}{text}"
