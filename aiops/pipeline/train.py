"""Training: each member of a run, to its planned steps; stopped at any moment, it goes on."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from aiops.data.cases import Cases
from aiops.errors import DataError
from aiops.files import read_json, write_json, write_text
from aiops.pipeline.arrays import Arrays, load_arrays, member_parts
from aiops.pipeline.prepare import audited, part_of
from aiops.pipeline.workspace import Workspace
from aiops.provenance import content_hash, json_hash

Progress = Callable[[int, int], None]

OVERTIME = 1.25
"""The clock stops a member at so many times its budget, and the run says that it did."""


def train_members(
    workspace: Workspace, progress: Progress, *, fresh: bool = False
) -> dict[str, Any]:
    """Train every member as planned, and write training.json and history.jsonl.

    Parameters
    ----------
    fresh : bool
        Begin again instead of going on from the last checkpoint.
    """
    plan = read_json(workspace.need("plan.json", "plan"))
    cases = audited(workspace)
    parts = part_of(workspace)
    trains = _train_table if plan["kind"] == "table" else _train_network
    members: dict[str, Any] = {}
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
        told, rows = trains(
            workspace,
            plan,
            member,
            (cases, train_ids, tune_ids),
            progress,
            fresh=fresh,
            cache=cache,
        )
        members[member] = told
        history += [{"member": member, **row} for row in rows]
    write_text(workspace.path("history.jsonl"), "".join(json.dumps(r) + "\n" for r in history))
    result = {"members": members, "kind": plan["kind"]}
    write_json(workspace.path("training.json"), result)
    return result


def _train_network(
    workspace: Workspace,
    plan: dict[str, Any],
    member: str,
    who: tuple[Cases, list[str], list[str]],
    progress: Progress,
    *,
    fresh: bool,
    cache: dict[str, Any],
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    from models.inference import save_model
    from models.preprocessing import Preprocessing
    from models.training import Recipe, train

    cases, train_ids, tune_ids = who
    experiment = workspace.experiment
    preprocessing = Preprocessing.from_json(plan["preprocessing"])
    recipe = Recipe.from_json(plan["recipe"])
    if "arrays" not in cache:
        cache["arrays"] = load_arrays(cases, [*train_ids, *tune_ids], preprocessing, progress)
    arrays, tune = cache["arrays"].of(train_ids), cache["arrays"].of(tune_ids)
    trained = train(
        recipe,
        arrays.images,
        arrays.targets,
        validate=validation(tune, cases),
        folder=workspace.path("checkpoint") / member,
        device=plan["device"],
        time_limit_s=OVERTIME * 60 * plan["budget_minutes"] / len(workspace.members),
        on_step=lambda step, row: progress(step, recipe.steps),
        fresh=fresh,
    )
    targets = experiment.structures or list(experiment.findings)
    folder = workspace.path("model") / member
    digest = save_model(folder, trained.weights, recipe, preprocessing, targets)
    told = {
        "digest": digest,
        "best_step": trained.best_step,
        "best_score": trained.best_score,
        "steps": recipe.steps,
        "steps_done": trained.steps_done,
        "seconds": round(trained.seconds, 1),
        "cut_by_clock": trained.cut_by_clock,
        "n_train": len(train_ids),
        "n_tune": len(tune_ids),
    }
    return told, trained.history


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
    import pandas as pd
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


def _train_table(
    workspace: Workspace,
    plan: dict[str, Any],
    member: str,
    who: tuple[Cases, list[str], list[str]],
    progress: Progress,
    *,
    fresh: bool,
    cache: dict[str, Any],
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    import time

    from sklearn.metrics import roc_auc_score

    from models.baselines import fit_table, save_table

    cases, train_ids, tune_ids = who
    experiment = workspace.experiment
    features = experiment.data.features
    assert features is not None  # config_rules: a table model names its features
    frame = cases.features().set_axis(cases.frame["case_id"])
    truth = cases.frame.set_index("case_id")
    digests, scores, began = {}, [], time.monotonic()
    for i, name in enumerate(experiment.findings, start=1):
        y = truth[f"y:{name}"]
        learn = [c for c in train_ids if not np.isnan(y[c])]
        model = fit_table(
            frame.loc[learn],
            y[learn].to_numpy(bool),
            numeric=features.numeric,
            categorical=features.categorical,
            name=plan["model"],
            seed=plan["seed"],
            rounds=plan["rounds"],
        )
        path = workspace.path("model") / member / f"{name}.skops"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_table(path, model)
        digests[name] = content_hash(path)
        tune = [c for c in tune_ids if not np.isnan(y[c])]
        if tune:
            scores.append(roc_auc_score(y[tune], model.predict_proba(frame.loc[tune])))
        progress(i, len(experiment.findings))
    told = {
        "digest": json_hash(digests),
        "best_step": plan["rounds"],
        "best_score": float(np.mean(scores)) if scores else None,
        "steps": plan["rounds"],
        "steps_done": plan["rounds"],
        "seconds": round(time.monotonic() - began, 1),
        "cut_by_clock": False,
        "n_train": len(train_ids),
        "n_tune": len(tune_ids),
    }
    return told, []
