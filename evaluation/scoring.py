"""The two entries: tables in, tables out. All that a report prints is made here."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from evaluation.cells import TargetCases, evaluate_targets, interval_notes
from evaluation.discrimination import Ranked
from evaluation.estimates import FloatArray
from evaluation.further import Evaluated, further_tables
from evaluation.groups import group_labels
from evaluation.plan import Evaluation, EvaluationPlan
from evaluation.samples import Sample
from evaluation.segmentation import ABSENT, FAILED, MEAN, MISSED, with_mean_rows
from evaluation.units import Units, target_cases, units_of

SEGMENTATION_COLUMNS = (
    "case_id", "patient_id", "split", "structure", "metric", "value", "unit", "outcome",
)  # fmt: skip


def evaluate_classification(predictions: pd.DataFrame, plan: EvaluationPlan) -> Evaluation:
    """Score predictions overall and by group, and judge the gaps.

    Parameters
    ----------
    predictions : DataFrame
        One row per case and target: ``case_id, study_id, patient_id, split, target, y_true,
        y_score, score_kind, y_pred, status`` and a column per attribute with group names.
    plan : EvaluationPlan
        What was said in advance.

    Returns
    -------
    Evaluation
        Failed and refused cases count as wrong; cases without a reference are counted in the
        notes; what is not defined is nan with a reason.

    Raises
    ------
    ValueError
        If columns are missing, rows repeat, or a probability lies outside [0, 1].

    Examples
    --------
    >>> n = 40
    >>> table = pd.DataFrame({
    ...     "case_id": [f"c{i:02}" for i in range(n)], "patient_id": [f"p{i:02}" for i in range(n)],
    ...     "split": "test", "target": "effusion", "y_true": [i % 2 for i in range(n)],
    ...     "y_score": [0.3 + 0.4 * (i % 2) + 0.002 * i for i in range(n)], "status": "ok"})
    >>> plan = EvaluationPlan("classification", ("effusion",), ("effusion",), "roc_auc")
    >>> evaluate_classification(table, plan).metrics.set_index("metric").loc["roc_auc", "state"]
    'ok'
    """
    if plan.task != "classification":
        raise ValueError(f"plan.task is '{plan.task}', not classification")
    units = units_of(predictions, plan)
    targets = [target_cases(units, t, plan) for t in plan.targets]
    metrics, gaps = evaluate_targets(targets, units.n_patients, plan)
    tables = further_tables(Evaluated(tuple(targets), units.n_patients, metrics, gaps, plan))
    notes = (*units.notes, *interval_notes(metrics))
    return Evaluation(metrics, gaps, _misranked(units, targets, plan), notes, tables)


def _misranked(units: Units, targets: list[TargetCases], plan: EvaluationPlan) -> pd.DataFrame:
    """Return for each case how many of the other kind are ranked on its wrong side."""
    parts = []
    for case in targets:
        part = units.tables[case.target]
        sample = case.sample
        outcome = np.full(len(part), "scored", dtype=object)
        if sample.y_pred.size:
            name = np.array([["true_negative", "false_positive"],
                             ["false_negative", "true_positive"]], dtype=object)  # fmt: skip
            outcome = name[sample.y_true.astype(int), sample.y_pred.astype(int)]
        outcome[sample.failed] = FAILED
        parts.append(
            part.assign(
                structure=case.target, metric="misranked", value=_wrong_side(sample), unit="",
                outcome=outcome,
            )
        )  # fmt: skip
    columns = [
        "case_id", "study_id", "patient_id", "split", "structure", "metric", "value", "unit",
        "outcome", "y_true", "y_score", *plan.attributes,
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)[columns]


def _wrong_side(sample: Sample) -> FloatArray:
    out = np.full(sample.y_true.size, np.nan)
    if sample.y_true.any() and not sample.y_true.all():
        ranked = Ranked(sample.y_true, sample.worst_scores, sample.patient, sample.n_patients)
        of_positive, of_negative = ranked.placements()
        out[sample.y_true], out[~sample.y_true] = 1 - of_positive, 1 - of_negative
    return out


def evaluate_segmentation(case_metrics: pd.DataFrame, plan: EvaluationPlan) -> Evaluation:
    """Average the figures of cases overall and by group, and judge the gaps.

    Parameters
    ----------
    case_metrics : DataFrame
        One row per case, structure and metric, as `case_rows` makes them, failed cases among
        them, and a column per attribute with group names.
    plan : EvaluationPlan
        What was said in advance.

    Returns
    -------
    Evaluation
        With two structures or more also their ``mean``. Absent structures are left out and
        counted in the notes; missed, invented and failed ones stay in with their penalty.

    Raises
    ------
    ValueError
        If columns are missing or rows repeat.

    Examples
    --------
    >>> rows = [{"case_id": f"c{i}", "patient_id": f"p{i}", "split": "test", "structure": "liver",
    ...          "metric": "dice", "value": 0.9 + 0.001 * i, "unit": "", "outcome": "found"}
    ...         for i in range(12)]
    >>> plan = EvaluationPlan("segmentation", ("liver",), ("liver",), "dice")
    >>> found = evaluate_segmentation(pd.DataFrame(rows), plan).metrics
    >>> round(float(found.loc[0, "value"]), 4)
    0.9055
    """
    if plan.task != "segmentation":
        raise ValueError(f"plan.task is '{plan.task}', not segmentation")
    table = _checked(case_metrics, plan)
    cases, notes = _case_frame(table, plan)
    structures = [t for t in plan.targets if t != MEAN]
    targets = [
        _structure_cases(table, cases, s, plan)
        for s in (*structures, *([MEAN] if len(structures) > 1 else []))
    ]
    n_patients = int(cases["patient"].nunique())
    metrics, gaps = evaluate_targets(targets, n_patients, plan)
    tables = further_tables(Evaluated(tuple(targets), n_patients, metrics, gaps, plan))
    return Evaluation(metrics, gaps, table, (*notes, *interval_notes(metrics)), tables)


def _checked(case_metrics: pd.DataFrame, plan: EvaluationPlan) -> pd.DataFrame:
    missing = [c for c in (*SEGMENTATION_COLUMNS, *plan.attributes) if c not in case_metrics]
    if missing:
        raise ValueError(f"case_metrics lack the columns {missing}")
    table = case_metrics.copy()
    for column in ("case_id", "patient_id"):
        if table[column].isna().any():
            raise ValueError(f"{column} is missing in {int(table[column].isna().sum())} rows")
        table[column] = table[column].astype(str)
    n_twice = int(table.duplicated(["case_id", "structure", "metric"]).sum())
    if n_twice:
        raise ValueError(f"{n_twice} rows repeat a case_id, structure and metric")
    for attribute in plan.attributes:
        table[attribute] = group_labels(
            table[attribute], table["patient_id"], per_case=attribute in plan.per_case
        )
    table = table[(table["split"] == plan.split) & table["structure"].isin([*plan.targets, MEAN])]
    return with_mean_rows(table.sort_values(["case_id", "structure", "metric"], ignore_index=True))


def _case_frame(table: pd.DataFrame, plan: EvaluationPlan) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return one row per case, and what a reader must know about the structures."""
    cases = table.drop_duplicates("case_id").set_index("case_id").sort_index()
    codes = np.unique(cases["patient_id"].to_numpy(dtype=str), return_inverse=True)[1]
    notes = []
    if not plan.patients_known:
        notes.append("The table does not say whose case it is: intervals are by case and may be "
                     "too narrow.")  # fmt: skip
    once = table.drop_duplicates(["case_id", "structure"])
    for structure in plan.targets:
        outcomes = once.loc[once["structure"] == structure, "outcome"].value_counts()
        for outcome in (FAILED, MISSED, "spurious", ABSENT):
            n = int(outcomes.get(outcome, 0))
            tail = "left out" if outcome == ABSENT else "counted with the penalty of a miss"
            if n:
                notes.append(f"{structure}: {outcome} in {n} of {outcomes.sum()} cases, {tail}.")
        if not outcomes.size:
            notes.append(f"No case of split '{plan.split}' for: {structure}.")
    return cases.assign(patient=codes), tuple(notes)


def _structure_cases(
    table: pd.DataFrame, cases: pd.DataFrame, structure: str, plan: EvaluationPlan
) -> TargetCases:
    part = table[table["structure"] == structure]
    wide = part.pivot(index="case_id", columns="metric", values="value").sort_index()
    mine = cases.loc[wide.index]
    outcome = part.drop_duplicates("case_id").set_index("case_id")["outcome"].reindex(wide.index)
    counts = _counts(table if structure == MEAN else part, structure)
    blocked = {}
    names = ["dice", "nsd", "hd95_mm", "assd_mm", "volume_error_ml"]
    if structure == MEAN:
        blocked["volume_error_ml"] = "volumes of several structures have no mean"
    for name in (n for n in names if n not in wide):
        blocked.setdefault(name, "not among the case metrics")
    untold = set(plan.targets if structure == MEAN else (structure,)) - set(plan.tolerance_mm)
    if untold and "nsd" in wide and wide["nsd"].isna().all():
        blocked["nsd"] = "no tolerance_mm was given"
    values = {n: wide[n].to_numpy(dtype=float) for n in names if n in wide}
    values |= {
        "present": (outcome != ABSENT).to_numpy(dtype=float),
        "missed": counts["missed"].reindex(wide.index).to_numpy(dtype=float),
        "expected": counts["expected"].reindex(wide.index).to_numpy(dtype=float),
    }
    sample = Sample(
        patient=mine["patient"].to_numpy(dtype=np.int64),
        n_patients=int(cases["patient"].nunique()),
        failed=(outcome == FAILED).to_numpy(dtype=bool),
        values=values,
    )
    groups = {a: mine[a].to_numpy(dtype=object) for a in plan.attributes}
    return TargetCases(structure, sample, groups, blocked, params=_params(structure, plan))


def _counts(part: pd.DataFrame, structure: str) -> pd.DataFrame:
    """Return for each case how many structures were to be found and how many were missed."""
    once = part[part["structure"] != MEAN].drop_duplicates(["case_id", "structure"])
    volume = part[part["metric"] == "volume_reference_ml"].set_index(["case_id", "structure"])
    keys = pd.MultiIndex.from_frame(once[["case_id", "structure"]])
    # A case the tool failed on expects the structure only where the reference has it.
    empty = (volume["value"].reindex(keys) == 0).to_numpy()
    failed = (once["outcome"] == FAILED).to_numpy() & ~empty
    missed = (once["outcome"] == MISSED).to_numpy() | failed
    expected = missed | (once["outcome"] == "found").to_numpy()
    counts = once.assign(missed=missed.astype(float), expected=expected.astype(float))
    return counts.groupby("case_id")[["missed", "expected"]].sum()


def _params(structure: str, plan: EvaluationPlan) -> Mapping[str, str]:
    if structure in plan.tolerance_mm:
        return {"nsd": f"tolerance_mm={plan.tolerance_mm[structure]:g}"}
    if structure == MEAN and plan.tolerance_mm:
        each = ", ".join(f"{s} {t:g}" for s, t in sorted(plan.tolerance_mm.items()))
        return {"nsd": f"tolerance_mm={each}"}
    return {}
