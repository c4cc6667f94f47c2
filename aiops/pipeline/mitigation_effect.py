"""A mitigation before and after: what it changed for each group, and who pays for it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from aiops.config import Experiment, MitigationConfig
from aiops.errors import DataError
from aiops.files import read_json, read_table
from aiops.pipeline.mitigation import title_of, without_mitigation
from aiops.pipeline.operating import choose_operating_points, decisions_by_group
from aiops.pipeline.structures import case_metrics_of_masks
from aiops.pipeline.workspace import Workspace
from evaluation import EvaluationPlan
from evaluation.compare import Comparison, compare_classification, compare_segmentation
from evaluation.mitigation import mitigation_sentences, mitigation_table

Progress = Callable[[int, int], None]
PlanOf = Callable[[Experiment, bool, dict[str, Any]], EvaluationPlan]

SHOWN = {
    "classification": ("sensitivity", "specificity", "selection_rate", "calibration_intercept"),
    "segmentation": ("missed",),
}
"""Metrics that a mitigation is measured in, besides the primary one."""


def mitigation_of(experiment: Experiment) -> MitigationConfig | None:
    """Return what is done against unfairness, or None."""
    return experiment.train.mitigation if experiment.train else None


def mitigation_effect(
    workspace: Workspace,
    after: pd.DataFrame,
    plan: EvaluationPlan,
    released: dict[str, Any],
    plan_of: PlanOf,
    progress: Progress,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Return what evaluation.json says of a mitigation, and the table of its effect by group.

    Parameters
    ----------
    after : DataFrame
        Predictions, or case metrics of the masks, of the released model.
    plan : EvaluationPlan
        That it is evaluated by, with its operating points.
    released : dict
        Those operating points, by target.
    plan_of : callable
        Makes the plan of the model without the mitigation.
    """
    experiment = workspace.experiment
    mitigation = mitigation_of(experiment)
    assert mitigation is not None  # asked only where there is one
    points: dict[str, Any] = {}
    if experiment.task == "segmentation":
        masks = read_table(workspace.need("masks_unmitigated.parquet", "predict"))
        before = case_metrics_of_masks(masks, experiment, progress)
        comparison: Comparison = compare_segmentation(before, after, plan)
    else:
        before = read_table(workspace.need("predictions_unmitigated.parquet", "predict"))
        plain = without_mitigation(experiment)
        known = workspace.cases.patients_known
        points = choose_operating_points(before, plain, plan_of(plain, known, {}))
        first = plan_of(plain, known, points)
        comparison = compare_classification(before, after, first, plan_b=plan)
    shown = (plan.primary_metric, *SHOWN[experiment.task])
    table = mitigation_table(comparison, shown)
    title = title_of(mitigation)
    said = mitigation_sentences(
        table,
        title=title,
        attributes=mitigation.attributes,
        metrics=_spoken(experiment, mitigation),
    )
    paid = table[table["levelled_down"].astype(bool)]
    columns = ["target", "metric", "attribute", "group", "change", "change_low", "change_high"]
    told = {
        "method": mitigation.method,
        "attributes": list(mitigation.attributes),
        "title": title,
        "sentences": said,
        "notes": _notes(workspace, mitigation, released),
        "levelled_down": paid[columns].to_dict("records"),
        "operating_points_unmitigated": points,
        "trained": _trained(workspace),
    }
    return told, table


def _spoken(experiment: Experiment, mitigation: MitigationConfig) -> list[str]:
    """Return the metrics that a sentence is said about: the primary, and what is decided."""
    point = experiment.operating_point
    # Another threshold does not change how cases are ranked.
    named = [experiment.primary.metric] if mitigation.is_learnt else []
    if point is not None:
        named.append("specificity" if point.specificity is not None else "sensitivity")
    return list(dict.fromkeys(named))


def _trained(workspace: Workspace) -> dict[str, Any]:
    """Return what training.json keeps of the mitigation, by member."""
    members = read_json(workspace.path("training.json"))["members"]
    return {name: told["mitigation"] for name, told in members.items() if "mitigation" in told}


def _notes(
    workspace: Workspace, mitigation: MitigationConfig, released: dict[str, Any]
) -> list[str]:
    """Return what a reader must know of the comparison."""
    if not mitigation.is_learnt:
        same = "Scores are the same before and after; the decisions alone differ."
        return [same, *(_thresholds(name, told) for name, told in released.items())]
    notes = [
        "The model without the mitigation was read on the same test list, for this comparison; "
        "nothing was chosen by it, and it is never released.",
        "The released model learnt from cases that count unevenly: before its probabilities are "
        "used as risks, see the calibration intercepts.",
    ]
    if workspace.experiment.task == "segmentation":
        notes = notes[:1]
    lacking = sorted({g for told in _flat(_trained(workspace)) for g in told.get("lacking", [])})
    if lacking:
        notes.append(
            f"Not evened out, for the training cases have one outcome alone: {', '.join(lacking)}."
        )
    for told in _flat(_trained(workspace)):
        if "rule" in told:
            one = told["chosen"]
            what = f"{one['group']} at strength {one['strength']:+g}" if one["group"] else "none"
            notes.append(f"Pressure of the released model: {what}. Rule: {told['rule']}.")
    return list(dict.fromkeys(notes))


def _thresholds(target: str, told: dict[str, Any]) -> str:
    """Say which groups of a target have a threshold of their own, and why others have not."""
    if told["threshold"] is None:
        return f"{target}: {told['criterion']}."
    groups = told["groups"].items()
    own = [f"{name} {one['threshold']:.4g}" for name, one in groups if one["own"]]
    common = [f"{name} ({one['reason']})" for name, one in groups if not one["own"]]
    return (
        f"{target}: own thresholds for {', '.join(own) or 'no group'}; the common one, "
        f"{told['threshold']:.4g}, for {', '.join(common) or 'no group'} and any group that the "
        "tune part does not have."
    )


def _flat(trained: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the facts of each member and, for tables, of each finding."""
    out = []
    for told in trained.values():
        out += [told] if "title" in told else list(told.values())
    return out


def check_decisions(predictions: pd.DataFrame, experiment: Experiment, known: bool) -> None:
    """Refuse predictions whose decisions are not those of the thresholds that are reported.

    Raises
    ------
    DataError
        If a decision differs: the file was changed, or another version of the program wrote it.
    """
    mitigation = mitigation_of(experiment)
    if mitigation is None or mitigation.is_learnt:
        return
    wanted = decisions_by_group(predictions, experiment, known)
    given = predictions["y_pred"].to_numpy(dtype=float)
    n = int((~((wanted == given) | (np.isnan(wanted) & np.isnan(given)))).sum())
    if n:
        raise DataError(
            f"{n} decisions are not those of the thresholds of their groups",
            where="predictions.parquet, column y_pred",
            fix="predict again: aiops predict CONFIG",
        )
