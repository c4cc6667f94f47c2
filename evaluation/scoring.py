"""The entry for classification: a table of predictions in, tables out."""

import numpy as np
import pandas as pd

from evaluation.cells import TargetCases, evaluate_targets, interval_notes
from evaluation.discrimination import Ranked
from evaluation.estimates import FloatArray
from evaluation.further import Evaluated, further_tables
from evaluation.missing import FAILED
from evaluation.plan import Evaluation, EvaluationPlan
from evaluation.samples import Sample
from evaluation.units import Units, target_cases, units_of


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
