"""From predictions to figures: by group, with intervals, counts and verdicts.

It reads tables and masks alone, so a vendor's tool enters here.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd

from aiops.config import Experiment, FairnessConfig
from aiops.data.population import Shares, read_population
from aiops.errors import DataError
from aiops.files import read_json, read_table, write_json, write_table
from aiops.pipeline.mitigation_effect import check_decisions, mitigation_effect, mitigation_of
from aiops.pipeline.operating import choose_operating_points
from aiops.pipeline.seal import record_patients, record_reading
from aiops.pipeline.structures import case_metrics_of_masks, missing_policy
from aiops.pipeline.workspace import Workspace
from evaluation import (
    METRICS,
    Evaluation,
    EvaluationPlan,
    combined_verdict,
    evaluate_classification,
    evaluate_segmentation,
)

Progress = Callable[[int, int], None]


def evaluate_run(workspace: Workspace, progress: Progress) -> dict[str, Any]:
    """Score the predictions of a run.

    Writes case_metrics, metrics and gaps as parquet, and evaluation.json.
    """
    experiment = workspace.experiment
    split = read_json(workspace.path("split.json"))
    expected = frozenset(n for n, p in split["assignments"].items() if p["split"] == "test")
    points: dict[str, Any] = {}
    population = read_population(experiment, config_path=workspace.config.path)
    if experiment.task == "segmentation":
        masks = read_table(workspace.need("masks.parquet", "predict"))
        rows = case_metrics_of_masks(masks, experiment, progress)
        plan = replace(
            evaluation_plan(experiment, workspace.cases.patients_known, {}, population),
            expected_cases=expected,
        )
        scored, evaluation = rows, _evaluated(evaluate_segmentation, rows, plan, workspace)
        read = _sha256(masks.drop(columns=["reference", "predicted"]))
        digest = hashlib.sha256((read + _sha256(rows)).encode()).hexdigest()
    else:
        predictions = read_table(workspace.need("predictions.parquet", "predict"))
        plan = evaluation_plan(experiment, workspace.cases.patients_known, {})
        points = choose_operating_points(predictions, experiment, plan)
        plan = replace(
            evaluation_plan(experiment, workspace.cases.patients_known, points, population),
            expected_cases=expected,
            chosen_on=_chosen_on(predictions, points),
        )
        check_decisions(predictions, experiment, workspace.cases.patients_known)
        scored = predictions
        evaluation = _evaluated(evaluate_classification, predictions, plan, workspace)
        test = predictions[predictions["split"] == "test"]
        decided = ["y_pred"] if test["y_pred"].notna().any() else []
        digest = _sha256(test[["case_id", "target", "y_score", "status", *decided]])
    result = summarise(workspace, evaluation, points)
    result["seal"] = _read_seal(workspace, split["seal"], digest, expected)
    result["predictions_sha256"] = digest
    if mitigation_of(experiment):
        told, effect = mitigation_effect(workspace, scored, plan, points, evaluation_plan, progress)
        result["mitigation"] = told
        # Its sentences hold figures of groups: they stay out of the notes, which are shown whole.
        result["notes"] += [p["warning"] for p in points.values() if "warning" in p]
        write_table(workspace.path("tables/mitigation.parquet"), effect)
    write_table(workspace.path("case_metrics.parquet"), evaluation.case_metrics)
    write_table(workspace.path("metrics.parquet"), evaluation.metrics)
    write_table(workspace.path("gaps.parquet"), evaluation.gaps)
    for name, table in evaluation.tables.items():
        write_table(workspace.path(f"tables/{name}.parquet"), table)
    write_json(workspace.path("evaluation.json"), result)
    return result


def _read_seal(
    workspace: Workspace, seal: str, digest: str, expected: frozenset[str]
) -> dict[str, Any]:
    """Note that the test list was read, and return how often it and its patients were."""
    reader = {
        "predictions_sha256": digest,
        "use_case": workspace.experiment.use_case,
        "run_name": workspace.folder.name,
    }
    readings = record_reading(seal, **reader)
    cases = workspace.cases.frame
    tested = cases.loc[cases["case_id"].astype(str).isin(expected), "patient_id"]
    shared = record_patients(tested.astype(str).unique(), seal=seal, **reader)
    return {"hash": seal, "reading": len(readings), "readings": readings, "shared": shared}


def _evaluated(
    evaluate: Callable[[pd.DataFrame, EvaluationPlan], Evaluation],
    table: pd.DataFrame,
    plan: EvaluationPlan,
    workspace: Workspace,
) -> Evaluation:
    try:
        return evaluate(table, plan)
    except ValueError as error:
        name = "masks.parquet" if plan.task == "segmentation" else "predictions.parquet"
        raise DataError(
            f"the predictions cannot be evaluated: {error}",
            where=str(workspace.path(name)),
            fix=f"aiops predict {workspace.config.path}; if it says so again, correct "
            "the table of the cases",
        ) from error


def _chosen_on(predictions: pd.DataFrame, points: dict[str, Any]) -> frozenset[str]:
    """Return the cases on which a threshold was chosen."""
    if not any(p["chosen_on"] == "tune" for p in points.values()):
        return frozenset()
    return frozenset(predictions.loc[predictions["split"] == "tune", "case_id"].astype(str))


def evaluation_plan(
    experiment: Experiment,
    patients_known: bool,
    points: dict[str, Any],
    population: Shares | None = None,
) -> EvaluationPlan:
    """Return what the evaluation package has to know, and nothing of files."""
    attributes = experiment.data.attributes
    study = experiment.data.study
    fairness = experiment.fairness
    tolerance = experiment.evaluation.tolerance_mm
    findings = experiment.findings
    if not isinstance(tolerance, dict):
        known = {} if tolerance is None else dict.fromkeys(experiment.structures, tolerance)
        tolerance = known
    return EvaluationPlan(
        task=experiment.task,
        targets=tuple(experiment.targets),
        primary_targets=experiment.primary_targets,
        primary_metric=experiment.primary.metric,
        attributes=tuple(attributes),
        prespecified=tuple(fairness.attributes) if fairness else (),
        per_case=tuple(name for name, a in attributes.items() if a.per == "case"),
        margin=fairness.margin if fairness else None,
        family=fairness.family if fairness else "claim",
        # Where each group has its own threshold, the decisions stand in the predictions.
        operating_points={
            n: None if p.get("groups") else p["threshold"] for n, p in points.items()
        },
        operating_point_notes={n: p["criterion"] for n, p in points.items()},
        tolerance_mm=tolerance,
        missing=missing_policy(experiment),
        lesions=experiment.evaluation.lesions,
        unit="study" if study else "case",
        combine=study.combine if study else "mean",
        score_kind={
            n: t.score_kind if experiment.is_vendor else "probability" for n, t in findings.items()
        },
        n_boot=experiment.evaluation.n_boot,
        level=experiment.evaluation.level,
        seed=experiment.evaluation.seed,
        patients_known=patients_known,
        population=population or {},
        **_told_of_fairness(fairness),
        prevalence=_prevalence(experiment),
        prevalence_source=experiment.evaluation.prevalence_source,
    )


def _prevalence(experiment: Experiment) -> dict[str, float]:
    given = experiment.evaluation.prevalence
    if isinstance(given, dict):
        return given
    return {} if given is None else dict.fromkeys(experiment.findings, given)


def _told_of_fairness(fairness: FairnessConfig | None) -> dict[str, Any]:
    """Return what was said in advance of groups, besides their names and the margin."""
    if fairness is None:
        return {}
    pairs = fairness.intersections
    return {
        "reasons": fairness.reasons,
        "intersections": None if pairs is None else tuple(tuple(names) for names in pairs),
        "adjust_for": tuple(fairness.adjust_for),
        "population_source": fairness.population.source if fairness.population else "",
    }


def summarise(
    workspace: Workspace, evaluation: Evaluation, points: dict[str, Any]
) -> dict[str, Any]:
    """Return evaluation.json: verdict, primary figures, population flow, notes."""
    experiment = workspace.experiment
    fairness = experiment.fairness
    notes = list(evaluation.notes)
    if not workspace.cases.patients_known:
        notes.append("Intervals are by case: whose cases they are was not recorded.")
    if experiment.split.leave_one_out:
        notes.append("Each site was scored by a model that never saw it: a figure over all sites "
                     "compares the scores of several models, so read those by site.")  # fmt: skip
    if _is_demo(experiment):
        notes.append("Demo: made by a program, not a board; the patients do not exist.")
    return {
        "task": experiment.task,
        "use_case": experiment.use_case,
        "unit": "study" if experiment.data.study else "case",
        "verdict": verdict_of(evaluation.gaps, experiment),
        "primary": primary_of(evaluation.metrics, experiment),
        "operating_points": points,
        "population_flow": population_flow(workspace),
        "margin": fairness.margin if fairness else None,
        "higher_is_better": METRICS[experiment.primary.metric].higher_is_better,
        "notes": notes,
        "split": "test",
        "patients_known": workspace.cases.patients_known,
    }


def verdict_of(gaps: pd.DataFrame, experiment: Experiment) -> dict[str, Any]:
    """Return the verdict for each attribute named in advance, and the worst of them."""
    if experiment.fairness is None:
        return {
            "overall": "not assessed",
            "by_attribute": {},
            "groups": [],
            "sentence": "No group was named in advance, so nothing is known of fairness.",
        }
    family = gaps[gaps["verdict"] != ""]
    by_attribute = {
        name: combined_verdict(family.loc[family["attribute"] == name, "verdict"])
        for name in experiment.fairness.attributes
    }
    groups = [
        {
            "target": row["target"],
            "attribute": row["attribute"],
            "group": row["group"],
            "verdict": row["verdict"],
            "value": row["value"],
            "low": row["low_simultaneous"],
            "high": row["high_simultaneous"],
            "n_patients": row["n_patients"],
            "n_needed": row["n_needed"],
            "reason": row["reason"],
        }
        for row in family.to_dict("records")
    ]
    overall = combined_verdict(by_attribute.values())
    return {
        "overall": overall,
        "by_attribute": by_attribute,
        "groups": groups,
        "sentence": _sentence(overall, groups),
    }


def _sentence(overall: str, groups: list[dict[str, Any]]) -> str:
    named = [g for g in groups if g["verdict"] == overall]
    listed = ", ".join(dict.fromkeys(f"{g['attribute']} {g['group']}" for g in named))
    if overall == "concern":
        return f"It does worse, and the gap may reach the margin or more, for: {listed}."
    if overall == "adequate":
        return "No group named in advance does worse by more than the margin."
    return f"Too few patients to tell whether it works as well for: {listed or 'any group'}."


def primary_of(metrics: pd.DataFrame, experiment: Experiment) -> list[dict[str, Any]]:
    """Return the primary figures, one for each primary target."""
    columns = ["target", "metric", "value", "low", "high", "n_patients", "n_cases"]
    columns += ["n_positive", "n_failed", "state", "reason"]
    found = []
    overall = metrics[(metrics["attribute"] == "all")]
    for target in experiment.primary_targets:
        rows = overall[
            (overall["target"] == target) & (overall["metric"] == experiment.primary.metric)
        ]
        if rows.empty:
            raise DataError(
                f"no figure {experiment.primary.metric} of {target} came out",
                where="metrics.parquet",
                fix="see that primary.target and primary.metric fit what was predicted",
            )
        row = rows.iloc[0]
        found.append({**{c: row[c] for c in columns}, "acceptable": experiment.primary.acceptable})
    return found


def population_flow(workspace: Workspace) -> list[dict[str, Any]]:
    """Return, step by step, how many cases and patients are left and why the others went."""
    cases = workspace.cases
    audit = read_json(workspace.path("audit.json"))
    split = read_json(workspace.path("split.json"))
    out = [
        {
            "step": "left out by the config",
            "n_cases": e["n_rows"],
            "n_patients": e["n_patients"],
            "reason": f"{e['column']} is one of {', '.join(map(str, e['values']))}",
        }
        for e in cases.excluded
    ]
    n_all = len(cases.frame) + sum(e["n_rows"] for e in cases.excluded)
    flow = [{"step": "in the table", "n_cases": n_all, "n_patients": None, "reason": ""}, *out]
    left_out = pd.Series(audit["excluded_cases"], dtype=object)
    by_case = cases.frame.set_index("case_id")["patient_id"]
    for code, some in left_out.groupby(left_out):
        flow.append(
            {
                "step": "left out after the audit",
                "n_cases": len(some),
                "n_patients": int(by_case.reindex(some.index).nunique()),
                "reason": f"{code}: {audit['codes'][str(code)]['reason']}",
            }
        )
    for part in ("train", "tune", "test"):
        counts = split["counts"].get(part)
        if counts and counts["cases"]:
            words = {"train": "learnt from", "tune": "used to choose", "test": "test, sealed"}
            flow.append(
                {
                    "step": words[part],
                    "n_cases": counts["cases"],
                    "n_patients": counts["patients"],
                    "reason": "",
                }
            )
    return flow


def _is_demo(experiment: Experiment) -> bool:
    return experiment.use_case.startswith("demo-")


def _sha256(frame: pd.DataFrame) -> str:
    ordered = frame.sort_values(list(frame.columns[:2]), kind="stable")
    return hashlib.sha256(ordered.to_csv(index=False).encode()).hexdigest()
