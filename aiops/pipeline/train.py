"""Training: each member of a run, to its planned steps; stopped at any moment, it goes on."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from aiops.config import MitigationConfig
from aiops.data.cases import Cases
from aiops.errors import DataError
from aiops.files import read_json, write_json, write_text
from aiops.pipeline.arrays import Arrays, load_arrays, member_parts
from aiops.pipeline.mitigation import (
    UNMITIGATED,
    case_weights,
    choose_candidate,
    emphasis_of,
    lacking,
    told_of,
    training_groups,
)
from aiops.pipeline.prepare import audited, part_of
from aiops.pipeline.workspace import Workspace
from aiops.provenance import content_hash, json_hash
from evaluation.groups import UNSURE

if TYPE_CHECKING:
    from models.baselines import TableModel

Progress = Callable[[int, int], None]

OVERTIME = 1.25
"""The clock stops a member at so many times its budget, and the run says that it did."""


@dataclass(frozen=True)
class Job:
    """One model to train: whose, on which cases, and what is done against unfairness."""

    workspace: Workspace
    plan: dict[str, Any]
    member: str
    cases: Cases
    train_ids: list[str]
    tune_ids: list[str]
    progress: Progress
    fresh: bool
    cache: dict[str, Any]
    room: str = ""
    remedy: MitigationConfig | None = None


Trained = tuple[dict[str, Any], list[dict[str, Any]]]


def train_members(
    workspace: Workspace, progress: Progress, *, fresh: bool = False
) -> dict[str, Any]:
    """Train every member as planned, and write training.json and history.jsonl.

    Where something is done against unfairness in training, each member is also trained without it,
    on the same cases, steps and seed: what a mitigation costs is measured, not assumed.

    Parameters
    ----------
    fresh : bool
        Begin again instead of going on from the last checkpoint.
    """
    plan = read_json(workspace.need("plan.json", "plan"))
    cases = audited(workspace)
    parts = part_of(workspace)
    train = workspace.experiment.train
    assert train is not None  # nothing is trained for a vendor's scores
    rooms = {"": train.remedy, **({UNMITIGATED: None} if train.remedy else {})}
    trains = _train_table if plan["kind"] == "table" else _train_network
    trained: dict[str, dict[str, Any]] = {room: {} for room in rooms}
    history: list[dict[str, Any]] = []
    cache: dict[str, Any] = {}
    for member in workspace.members:
        train_ids, tune_ids = member_parts(parts, member, cases.frame)
        if not tune_ids and not workspace.experiment.split.leave_one_out:
            raise DataError(
                "the tune part is empty, so the best model cannot be chosen",
                where="split.json",
                fix="raise split.tune",
            )
        for room, remedy in rooms.items():
            job = Job(workspace, plan, member, cases, train_ids, tune_ids, progress, fresh, cache,
                      room, remedy)  # fmt: skip
            trained[room][member], rows = trains(job)
            if not room:
                history += [{"member": member, **row} for row in rows]
    write_text(workspace.path("history.jsonl"), "".join(json.dumps(r) + "\n" for r in history))
    result = {"members": trained[""], "kind": plan["kind"]}
    if UNMITIGATED in trained:
        result["unmitigated"] = trained[UNMITIGATED]
    write_json(workspace.path("training.json"), result)
    return result


def _train_network(job: Job) -> Trained:
    from models.inference import save_model
    from models.preprocessing import Preprocessing
    from models.training import Recipe, train

    workspace, plan, cases, cache = job.workspace, job.plan, job.cases, job.cache
    train_ids, tune_ids = job.train_ids, job.tune_ids
    experiment = workspace.experiment
    preprocessing = Preprocessing.from_json(plan["preprocessing"])
    recipe = Recipe.from_json(plan["recipe"])
    if "arrays" not in cache:
        cache["arrays"] = load_arrays(cases, [*train_ids, *tune_ids], preprocessing, job.progress)
    emphasis, done = None, {}
    if job.remedy:
        rows = cases.frame.set_index("case_id").loc[train_ids]
        truth = rows[[f"y:{name}" for name in experiment.findings]].to_numpy(float)
        groups = training_groups(cases.frame, experiment, job.remedy)[train_ids].to_numpy()
        emphasis, told = emphasis_of(job.remedy, groups, truth)
        done = {"mitigation": told}
    arrays, tune = cache["arrays"].of(train_ids), cache["arrays"].of(tune_ids)
    trained = train(
        recipe,
        arrays.images,
        arrays.targets,
        validate=validation(tune, cases),
        folder=workspace.path(f"{job.room}checkpoint") / job.member,
        device=plan["device"],
        emphasis=emphasis,
        time_limit_s=OVERTIME * 60 * plan["budget_minutes"] / len(workspace.members),
        on_step=lambda step, row: job.progress(step, recipe.steps),
        fresh=job.fresh,
    )
    targets = experiment.structures or list(experiment.findings)
    folder = workspace.path(f"{job.room}model") / job.member
    digest = save_model(folder, trained.weights, recipe, preprocessing, targets)
    facts = {
        "digest": digest,
        "best_step": trained.best_step,
        "best_score": trained.best_score,
        "steps": recipe.steps,
        "steps_done": trained.steps_done,
        "seconds": round(trained.seconds, 1),
        "cut_by_clock": trained.cut_by_clock,
        "n_train": len(train_ids),
        "n_tune": len(tune_ids),
        **done,
    }
    return facts, trained.history


def validation(tune: Arrays, cases: Cases) -> Callable[[Any], float]:
    """Return the function that scores a network on the whole tune part; higher is better.

    Segmentation: mean Dice over cases and structures, on whole volumes. Classification: mean AUC
    over findings, by study where the config names studies; minus the log loss where a finding has
    one class only.
    """
    structures = cases.experiment.structures
    if structures:
        return lambda predict: mean_dice(predict, tune, len(structures))
    frame = cases.frame.set_index("case_id").loc[list(tune.case_ids)]
    study = cases.experiment.data.study
    combine = study.combine if study else "mean"
    return lambda predict: mean_auc(predict, tune, frame["study_id"].to_numpy(str), combine)


def mean_dice(predict: Any, tune: Arrays, n_structures: int) -> float:
    """Return the mean Dice over tune cases and structures; absent in both is left out."""
    scores = []
    for image, target in zip(tune.images, tune.targets, strict=True):
        found = predict(image).argmax(0)
        for channel in range(1, n_structures + 1):
            a, b = found == channel, target == channel
            total = int(a.sum()) + int(b.sum())
            if total:
                scores.append(2 * int((a & b).sum()) / total)
    return float(np.mean(scores)) if scores else 0.0


def mean_auc(predict: Any, tune: Arrays, study_id: np.ndarray, combine: str) -> float:
    """Return the mean AUC over findings on the tune part, by study."""
    import torch
    from sklearn.metrics import log_loss, roc_auc_score

    scores = predict(torch.stack(tune.images)).numpy()
    truth = torch.stack(tune.targets).numpy()
    by_finding = []
    for k in range(truth.shape[1]):
        frame = pd.DataFrame({"study": study_id, "y": truth[:, k], "s": scores[:, k]}).dropna()
        studies = frame.groupby("study").agg(y=("y", "max"), s=("s", combine))
        if studies["y"].nunique() == 2:
            by_finding.append(float(roc_auc_score(studies["y"], studies["s"])))
        elif len(studies):
            by_finding.append(-float(log_loss(studies["y"], studies["s"], labels=[0, 1])))
    return float(np.mean(by_finding)) if by_finding else 0.0


def _train_table(job: Job) -> Trained:
    import time

    from sklearn.metrics import roc_auc_score

    from models.baselines import save_table

    workspace, plan, cases = job.workspace, job.plan, job.cases
    experiment = workspace.experiment
    frame = cases.features().set_axis(cases.frame["case_id"])
    truth = cases.frame.set_index("case_id")
    done: dict[str, Any] = {}
    digests, scores, began = {}, [], time.monotonic()
    for i, name in enumerate(experiment.findings, start=1):
        model, told = _fit_finding(job, frame, truth, name)
        done |= {name: told} if told else {}
        path = workspace.path(f"{job.room}model") / job.member / f"{name}.skops"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_table(path, model)
        digests[name] = content_hash(path)
        y = truth[f"y:{name}"]
        tune = [c for c in job.tune_ids if not np.isnan(y[c])]
        if tune:
            scores.append(roc_auc_score(y[tune], model.predict_proba(frame.loc[tune])))
        job.progress(i, len(experiment.findings))
    facts = {
        "digest": json_hash(digests),
        "best_step": plan["rounds"],
        "best_score": float(np.mean(scores)) if scores else None,
        "steps": plan["rounds"],
        "steps_done": plan["rounds"],
        "seconds": round(time.monotonic() - began, 1),
        "cut_by_clock": False,
        "n_train": len(job.train_ids),
        "n_tune": len(job.tune_ids),
        **({"mitigation": done} if done else {}),
    }
    return facts, []


def _fit_finding(
    job: Job, frame: pd.DataFrame, truth: pd.DataFrame, name: str
) -> "tuple[TableModel, dict[str, Any]]":
    """Return the table model of one finding, and what was done against unfairness."""
    from models.baselines import fit_table
    from models.reductions import fit_grid

    experiment, remedy, y = job.workspace.experiment, job.remedy, truth[f"y:{name}"]
    features = experiment.data.features
    assert features is not None  # config_rules: a table model names its features
    columns: dict[str, Any] = {"numeric": features.numeric, "categorical": features.categorical}
    columns |= {"name": job.plan["model"], "seed": job.plan["seed"], "rounds": job.plan["rounds"]}
    learn = [c for c in job.train_ids if not np.isnan(y[c])]
    seen, outcome = frame.loc[learn], y[learn].to_numpy(bool)
    if remedy is None:
        return fit_table(seen, outcome, **columns), {}
    by_case = training_groups(job.cases.frame, experiment, remedy)
    groups = by_case[learn].to_numpy()
    if remedy.method != "grid_search":
        weights = case_weights(remedy, groups, outcome)
        one_sided = lacking(groups, y[learn].to_numpy()) if remedy.method == "reweigh" else []
        told = told_of(remedy, groups, weights, lacking=one_sided)
        return fit_table(seen, outcome, weights=weights, **columns), told
    pressed = sorted({str(g) for g in groups} - set(UNSURE))
    candidates = fit_grid(
        seen, outcome, groups, constraint=remedy.constraint, pressed=pressed,
        grid_size=remedy.grid_size, **columns,
    )  # fmt: skip
    tune = [c for c in job.tune_ids if not np.isnan(y[c])]
    facts = {
        "y_true": y[tune].to_numpy(bool),
        "group": by_case[tune].to_numpy(),
        "patient_id": truth.loc[tune, "patient_id"].to_numpy(str),
    }
    point = experiment.operating_point
    assert point is not None  # config_rules: a grid search has an operating point
    scores = [one.model.predict_proba(frame.loc[tune]) for one in candidates]
    chosen, why = choose_candidate(candidates, scores, facts, point, remedy)
    return candidates[chosen].model, told_of(remedy, groups, np.ones(len(learn)), **why)
