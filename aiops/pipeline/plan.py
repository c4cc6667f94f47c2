"""The plan: what is trained, on which grid, for how many steps; measured once, then frozen.

It looks at cases that are learnt from and tuned on. The sealed test list does not inform it.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from aiops.config import Experiment
from aiops.data.cases import Cases
from aiops.data.fingerprint import fingerprint
from aiops.errors import ConfigError
from aiops.files import write_json
from aiops.pipeline.arrays import Arrays, load_arrays, member_parts
from aiops.pipeline.prepare import audited, part_of
from aiops.pipeline.workspace import Workspace

Progress = Callable[[int, int], None]

PROBE_CASES = 8
"""Cases on which steps are timed."""

TABLE_ROUNDS = 200


def plan_run(workspace: Workspace, progress: Progress) -> dict[str, Any]:
    """Look at the data, choose, time a few steps, and write fingerprint.json and plan.json."""
    cases = audited(workspace)
    parts = part_of(workspace)
    test = [case_id for case_id, a in parts.items() if a["split"] == "test"]
    # Where each site is left out once, all are learnt from; a table's plan reads none of it.
    each = workspace.experiment.split.leave_one_out
    found = fingerprint(cases if each else cases.without(test))
    write_json(workspace.path("fingerprint.json"), found)
    experiment = workspace.experiment
    if experiment.data.modality == "table":
        plan = _table_plan(experiment, workspace.members)
    else:
        plan = _network_plan(workspace, cases, parts, found, progress)
    write_json(workspace.path("plan.json"), plan)
    return plan


def _table_plan(experiment: Experiment, members: tuple[str, ...]) -> dict[str, Any]:
    from models.baselines import TABLE_MODELS

    train = experiment.train
    assert train is not None  # a vendor's scores are not planned
    name = train.architecture or "hist_gradient_boosting"
    if name not in TABLE_MODELS:
        _refuse("train.architecture", name, list(TABLE_MODELS))
    rounds = train.steps or TABLE_ROUNDS
    return {
        "schema": 1,
        "kind": "table",
        "model": name,
        "rounds": rounds,
        "seed": train.seed,
        "members": list(members),
        "budget_minutes": train.budget_minutes,
        "steps": rounds,
        "summary": {
            "model": name,
            "rounds": rounds,
            "members": len(members),
            **_mitigation_summary(experiment),
        },
    }


def _mitigation_summary(experiment: Experiment) -> dict[str, str]:
    """Return what is done against unfairness, and what it takes, for the person who plans."""
    from aiops.pipeline.mitigation import title_of
    from aiops.pipeline.operating import WARNING

    train = experiment.train
    if train is None or train.mitigation is None:
        return {}
    told = title_of(train.mitigation)
    if not train.mitigation.is_learnt:
        return {
            "mitigation": f"{told}. {WARNING.format(by=' and '.join(train.mitigation.attributes))}"
        }
    twice = "" if experiment.data.modality == "table" else "; it takes twice the time"
    return {"mitigation": f"{told}; the model without it is trained too, for comparison{twice}"}


def _refuse(key: str, name: str, known: list[str]) -> None:
    from aiops.lookup import pick

    pick(dict.fromkeys(known, None), name, where=key)


def device() -> str:
    """Return the device that is trained on: CUDA where there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _network_plan(
    workspace: Workspace,
    cases: Cases,
    parts: dict[str, dict[str, Any]],
    found: dict[str, Any],
    progress: Progress,
) -> dict[str, Any]:
    import torch

    from models.inference import time_prediction
    from models.presets import fit
    from models.training import time_steps

    experiment = workspace.experiment
    train = experiment.train
    assert train is not None
    train_ids, tune_ids = member_parts(parts, workspace.members[0], cases.frame)
    preprocessing = plan_grid(experiment, found)
    recipe = plan_recipe(experiment, found, preprocessing, len(train_ids))
    probe = load_arrays(cases, train_ids[:PROBE_CASES], preprocessing, progress)
    where = device()
    step_s = time_steps(recipe, *_filled(probe, recipe.batch), device=where)
    predict_s = time_prediction(recipe, probe.images, device=where)
    n_members = len(workspace.members)
    recipe = fit(
        recipe,
        budget_s=60 * train.budget_minutes / n_members,
        step_s=step_s,
        predict_s=predict_s,
        n_tune=len(tune_ids),
        steps=train.steps,
    )
    validations = recipe.steps // recipe.validate_every
    # A mitigation learns twice, with and without it: what it costs is measured.
    n_trained = n_members * (2 if train.remedy else 1)
    seconds = recipe.steps * step_s + validations * predict_s * len(tune_ids)
    voxels = float(np.mean([image.numel() for image in probe.images]))
    plan = {
        "schema": 1,
        "kind": "network",
        "recipe": recipe.to_json(),
        "preprocessing": preprocessing.to_json(),
        "members": list(workspace.members),
        "budget_minutes": train.budget_minutes,
        "steps": recipe.steps,
        "seconds_per_step": step_s,
        "seconds_per_prediction": predict_s,
        "expected_minutes": n_trained * seconds / 60,
        # Float images and their augmented copies, byte labels.
        "memory_gb": 5 * voxels * (len(train_ids) + len(tune_ids)) / 2**30,
        "device": where,
        "threads": torch.get_num_threads(),
    }
    return {**plan, "summary": _summary(plan) | _mitigation_summary(experiment)}


def _summary(plan: dict[str, Any]) -> dict[str, Any]:
    """Return the plan as a person reads it."""
    recipe, grid = plan["recipe"], plan["preprocessing"]
    told = {
        "network": recipe["architecture"],
        "spacing in mm": grid["spacing_mm"],
        "image size": grid["image_size"],
        "normalisation": grid["scheme"],
        "patch": recipe["patch_vox"],
        "batch": recipe["batch"],
        "steps": f"{plan['steps']}, frozen",
        "precision": recipe["precision"],
        "models": len(plan["members"]),
        "expected minutes": round(plan["expected_minutes"], 1),
        "memory for the images": f"{plan['memory_gb']:.2f} GB",
        "device": plan["device"],
    }
    return {name: value for name, value in told.items() if value is not None}


def _filled(probe: Arrays, batch: int) -> tuple[Any, Any]:
    """Return the probe's arrays, repeated until a batch of different cases can be drawn."""
    import math

    times = math.ceil(batch / len(probe.images))
    return probe.images * times, probe.targets * times


def plan_grid(experiment: Experiment, found: dict[str, Any]) -> Any:
    """Return the preprocessing: the median spacing, or the size that a classifier sees."""
    from models.preprocessing import plan_preprocessing
    from models.presets import image_size

    train = experiment.train
    assert train is not None
    n_dims = int(found["images"]["n_dims"])
    spacing, size = None, None
    if experiment.task == "classification":
        side = train.image_size
        size = (side,) * n_dims if side else image_size(median_shape(found), found["n_cases"])
    elif found["images"]["spacing_mm"] or train.spacing_mm:
        spacing = tuple(train.spacing_mm or median_spacing(found))
        if len(spacing) != n_dims:
            raise ConfigError(
                f"{len(spacing)} spacings for images of {n_dims} dimensions",
                where="train.spacing_mm",
                fix=f"write {n_dims} numbers in mm",
            )
    return plan_preprocessing(
        experiment.data.modality,
        n_dims=n_dims,
        spacing_mm=spacing,
        image_size=size,
        **training_intensities(found),
    )


def median_shape(found: dict[str, Any]) -> tuple[int, ...]:
    """Return the median number of voxels along each axis, of a fingerprint."""
    return tuple(round(axis["p50"]) for axis in found["images"]["shape_vox"].values())


def median_spacing(found: dict[str, Any]) -> tuple[float, ...]:
    """Return the median spacing along each axis, of a fingerprint."""
    return tuple(float(axis["p50"]) for axis in found["images"]["spacing_mm"].values())


def training_intensities(found: dict[str, Any]) -> dict[str, Any]:
    """Return range, mean and spread of each channel: of labelled voxels where there are any."""
    channels = [c["foreground"] or c["overall"] for c in found["intensities"].values()]
    return {
        "clip": [(c["p0.5"], c["p99.5"]) for c in channels],
        "mean": [c["mean"] for c in channels],
        "std": [max(c["sd"], 1e-6) for c in channels],
    }


def plan_recipe(
    experiment: Experiment, found: dict[str, Any], preprocessing: Any, n_cases: int
) -> Any:
    """Return the recipe the presets suggest, with what the config says put in its place."""
    from models.architectures import ARCHITECTURES
    from models.augment import AUGMENTS
    from models.presets import suggest

    train = experiment.train
    assert train is not None
    images = found["images"]
    shape = preprocessing.image_size or median_shape(found)
    if preprocessing.spacing_mm is not None and images["spacing_mm"]:
        sides = zip(shape, median_spacing(found), preprocessing.spacing_mm, strict=True)
        shape = tuple(max(1, round(n * was / now)) for n, was, now in sides)
    recipe = suggest(
        experiment.task,
        n_dims=preprocessing.n_dims,
        n_channels=int(images["n_channels"]),
        n_outputs=len(experiment.targets) + (experiment.task == "segmentation"),
        median_shape=shape,
        n_cases=n_cases,
        modality=experiment.data.modality,
        spacing_mm=preprocessing.spacing_mm,
        device=device(),
        seed=train.seed,
    )
    if train.architecture and train.architecture not in ARCHITECTURES:
        _refuse("train.architecture", train.architecture, list(ARCHITECTURES))
    if train.augment and train.augment not in AUGMENTS:
        _refuse("train.augment", train.augment, list(AUGMENTS))
    said: dict[str, Any] = {
        "architecture": train.architecture,
        "learning_rate": train.learning_rate,
        "batch": train.batch,
        "patch_vox": tuple(train.patch_vox) if train.patch_vox else None,
        "augment": train.augment,
    }
    if train.architecture and train.architecture != recipe.architecture:
        recipe = replace(recipe, options={})
    return replace(recipe, **{key: value for key, value in said.items() if value is not None})
