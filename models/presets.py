"""What to train, and with what, for data of a kind: measured on two CPU cores."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from models.architectures import patch_multiple
from models.recipe import Precision, Recipe, Task

MOST_VOXELS = {"cpu": 110_000, "cuda": 128**3}
"""Largest patch by device."""

AUGMENT = {"ct": "ct", "mri": "mri", "xray": "xray", "photo": "photo"}
VALIDATION_SHARE = 0.12
MOST_VALIDATIONS = 20


def fastest_precision(device: str = "cpu") -> Precision:
    """Return bf16 where the processor multiplies it in hardware, else fp32.

    Examples
    --------
    >>> fastest_precision() in ("bf16", "fp32")
    True
    """
    if torch.device(device).type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    names = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    has = [getattr(torch.cpu, name, lambda: False)() for name in names]
    return "bf16" if any(has) else "fp32"


def image_size(median_shape: Sequence[int], n_cases: int | None = None) -> tuple[int, ...]:
    """Return the size that a classifier's images are brought to: their own up to 224.

    Where there are fewer than 1,000 cases the limit is 128: on 233 chest films AUC was no worse
    (.68 and .63 for two splits, against .67 and .59), and a step took a third of the time.

    Examples
    --------
    >>> image_size((512, 480)), image_size((28, 28)), image_size((512, 480), n_cases=300)
    ((224, 224), (28, 28), (128, 128))
    """
    limit = 224 if len(median_shape) == 2 else 96
    if len(median_shape) == 2 and n_cases is not None and n_cases < 1000:
        limit = 128
    side = min(limit, max(int(n) for n in median_shape))
    return (side,) * len(median_shape)


def patch_size(
    median_shape: Sequence[int], spacing_mm: Sequence[float] | None, device: str = "cpu"
) -> tuple[int, ...]:
    """Return a patch: about the median volume, or as much of it as the device carries.

    Sides are multiples of 8 (of 4 for thin axes), so that a network can halve them, and rounded
    to the nearest: on hippocampi of 35 x 51 x 35 voxels, patches of 32 x 48 x 32 learnt as much in
    a step as the padded 40 x 56 x 40, and a step took half as long.

    Examples
    --------
    >>> patch_size((35, 51, 35), (1, 1, 1))
    (32, 48, 32)
    >>> patch_size((512, 512, 100), (0.8, 0.8, 2.5))
    (72, 72, 20)
    """
    limit = MOST_VOXELS["cuda" if torch.device(device).type == "cuda" else "cpu"]
    if len(median_shape) == 2:
        limit = min(limit, 512 * 512)
    spacing = spacing_mm or (1.0,) * len(median_shape)
    coarsest = max(spacing) / min(spacing)
    units = [4 if mm >= 2 * min(spacing) and coarsest >= 2 else 8 for mm in spacing]

    def rounded(sides: Sequence[float]) -> tuple[int, ...]:
        return tuple(max(u, round(n / u) * u) for n, u in zip(sides, units, strict=True))

    sides = [float(n) for n in median_shape]
    patch = rounded(sides)
    while math.prod(patch) > limit:
        # The side that is longest in mm is cut first: the patch becomes a cube of the body.
        longest = max(
            range(len(sides)), key=lambda a: patch[a] * spacing[a] if patch[a] > units[a] else 0
        )
        sides[longest] = patch[longest] - units[longest]
        patch = rounded(sides)
    return patch


def suggest(
    task: Task,
    *,
    n_dims: int,
    n_channels: int,
    n_outputs: int,
    median_shape: Sequence[int],
    n_cases: int,
    modality: str,
    spacing_mm: Sequence[float] | None = None,
    device: str = "cpu",
    seed: int = 0,
) -> Recipe:
    """Return a recipe without steps for data of this kind.

    Parameters
    ----------
    n_outputs : int
        Findings, or structures and one for background.
    median_shape : sequence of int
        Segmentation: median shape at the planned spacing. Classification: the size of the images
        after preprocessing (see `image_size`).
    n_cases : int
        Cases to train on.

    Examples
    --------
    >>> recipe = suggest("segmentation", n_dims=3, n_channels=1, n_outputs=3,
    ...                  median_shape=(35, 51, 35), n_cases=140, modality="mri")
    >>> recipe.architecture, recipe.patch_vox, recipe.steps
    ('dynunet', (32, 48, 32), 0)
    """
    if modality not in AUGMENT:
        raise ValueError(f"modality {modality!r} must be one of {sorted(AUGMENT)}")
    if n_cases < 1:
        raise ValueError(f"n_cases {n_cases} must be at least 1")
    shared: dict[str, Any] = {
        "task": task,
        "n_dims": n_dims,
        "n_channels": n_channels,
        "n_outputs": n_outputs,
        "augment": AUGMENT[modality],
        "precision": fastest_precision(device),
        "channels_last": True,
        "seed": seed,
        "spacing_mm": None if spacing_mm is None else tuple(spacing_mm),
    }
    if task == "segmentation":
        return _segmentation(shared, median_shape, device)
    return _classification(shared, median_shape, n_cases)


def _segmentation(shared: dict[str, Any], median_shape: Sequence[int], device: str) -> Recipe:
    patch = patch_size(median_shape, shared["spacing_mm"], device)
    n_dims = shared["n_dims"]
    recipe = Recipe(
        architecture="dynunet",
        patch_vox=patch,
        # Few patches and many steps learn faster than the reverse on a CPU.
        batch=max(2, min(4, round(200_000 / math.prod(patch)))) if n_dims == 3 else 8,
        learning_rate=3e-3,
        weight_decay=1e-2,
        loss="dice_ce",
        foreground_share=0.5,
        options={"width": 16 if n_dims == 3 else 24, "max_poolings": 3},
        **shared,
    )
    multiple = patch_multiple(recipe)
    sides = [math.ceil(p / m) * m for p, m in zip(patch, multiple, strict=True)]
    return replace(recipe, patch_vox=tuple(sides))


def _classification(shared: dict[str, Any], size: Sequence[int], n_cases: int) -> Recipe:
    side = max(size)
    small = side <= 96
    return Recipe(
        architecture="resnet_small" if small else "resnet18",
        patch_vox=tuple(int(n) for n in size),
        batch=max(4, min(64 if side <= 96 else 16, n_cases)),
        learning_rate=2e-3,
        weight_decay=2e-2,
        loss="bce",
        options={"width": 32} if small else {},
        **shared,
    )


def fit(
    recipe: Recipe,
    *,
    budget_s: float,
    step_s: float,
    predict_s: float,
    n_tune: int,
    steps: int | None = None,
) -> Recipe:
    """Return the recipe with steps, validations and checkpoints fitted to a budget.

    Parameters
    ----------
    step_s, predict_s : float
        Seconds of a step and of one tune case's prediction (``time_steps``, ``time_prediction``).
    n_tune : int
        Cases that one validation predicts.
    steps : int, optional
        Fixed number of steps; validations are then spread over them.

    Examples
    --------
    >>> recipe = suggest("segmentation", n_dims=3, n_channels=1, n_outputs=3,
    ...                  median_shape=(35, 51, 35), n_cases=140, modality="mri")
    >>> fitted = fit(recipe, budget_s=300, step_s=0.4, predict_s=0.1, n_tune=20)
    >>> fitted.steps, fitted.validate_every
    (660, 37)
    """
    if not min(budget_s, step_s) > 0 or predict_s < 0:
        raise ValueError(f"budget_s {budget_s}, step_s {step_s} must be > 0, predict_s >= 0")
    once_s = max(predict_s * n_tune, 1e-3)
    count = max(1, min(MOST_VALIDATIONS, int(VALIDATION_SHARE * budget_s / once_s)))
    if steps is None:
        steps = max(10, int((budget_s - count * once_s) / step_s))
    every = max(1, math.ceil(steps / count))
    # A checkpoint each 20 s or so: what a kill costs, against what writing costs.
    checkpoint_every = max(1, min(steps, round(20 / step_s)))
    return replace(recipe, steps=steps, validate_every=every, checkpoint_every=checkpoint_every)
