"""Prediction: batched sliding windows, and the saved form of a model."""

import hashlib
import itertools
import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models import architectures, checkpoint
from models.preprocessing import Preprocessing
from models.probabilities import channel_order, labels_from_channels, probabilities_of
from models.recipe import Precision, Recipe
from models.resample import labels_on_grid

WEIGHTS, CARD = "weights.safetensors", "model.json"
IMAGES_AT_ONCE = 64


def _context(device: torch.device, precision: Precision) -> torch.autocast:
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def window_starts(size: int, patch: int, overlap: float) -> list[int]:
    """Return where windows begin along an axis: evenly stepped, the last flush with the end.

    Examples
    --------
    >>> window_starts(10, 4, 0.5)
    [0, 2, 4, 6]
    """
    step = max(1, int(patch * (1 - overlap)))
    starts = list(range(0, size - patch, step))
    return [*starts, max(size - patch, 0)]


def window_weight(patch_vox: tuple[int, ...], device: torch.device) -> Tensor:
    """Return the weight of a window's voxels: a Gaussian, for borders are seen half."""
    weight = torch.ones(patch_vox, device=device)
    for axis, side in enumerate(patch_vox):
        offsets = torch.arange(side, device=device) - (side - 1) / 2
        line = torch.exp(-0.5 * (offsets / (0.125 * side)) ** 2)
        weight = weight * line.reshape([-1 if a == axis else 1 for a in range(len(patch_vox))])
    return weight.clamp(min=max(float(weight.min()), 1e-3))


@torch.inference_mode()
def sliding_window(
    network: Callable[[Tensor], Tensor],
    image: Tensor,
    *,
    patch_vox: tuple[int, ...],
    overlap: float = 0.5,
    batch: int = 4,
    precision: Precision = "fp32",
) -> Tensor:
    """Return probabilities (K, X, Y[, Z]) of a whole image, background first.

    Parameters
    ----------
    network : callable
        Takes (B, C, *patch) to logits (B, K, *patch).
    image : Tensor, shape (C, X, Y[, Z])
        Preprocessed. Where it is smaller than the patch it is padded with 0 on both sides.
    overlap : float, default=0.5
        Share by which neighbouring windows overlap, in [0, 1).
    batch : int, default=4
        Windows at once.

    Examples
    --------
    >>> image = torch.zeros(1, 5, 6)
    >>> sliding_window(lambda x: torch.cat([x, x], 1), image, patch_vox=(4, 4))[:, 0, 0]
    tensor([0.5000, 0.5000])
    """
    if not 0 <= overlap < 1 or batch < 1:
        raise ValueError(f"overlap {overlap} must be in [0, 1), batch {batch} at least 1")
    shape = image.shape[1:]
    if len(shape) != len(patch_vox):
        raise ValueError(f"image {tuple(image.shape)} and patch_vox {patch_vox} do not fit")
    short = [max(p - n, 0) for n, p in zip(shape, patch_vox, strict=True)]
    margins = [(s // 2, s - s // 2) for s in short]
    padded = F.pad(image.float(), [m for pair in reversed(margins) for m in pair])
    weight = window_weight(patch_vox, image.device)
    axes = [window_starts(n, p, overlap) for n, p in zip(padded.shape[1:], patch_vox, strict=True)]
    windows = [
        (slice(None), *(slice(a, a + p) for a, p in zip(start, patch_vox, strict=True)))
        for start in itertools.product(*axes)
    ]
    total = torch.zeros(0)  # grows to the number of channels with the first window
    weights = torch.zeros(padded.shape[1:], device=image.device)
    for first in range(0, len(windows), batch):
        some = windows[first : first + batch]
        with _context(image.device, precision):
            logits = network(torch.stack([padded[w] for w in some]))
        for window, values in zip(some, probabilities_of(logits, "segmentation"), strict=True):
            if not len(total):
                total = values.new_zeros((values.shape[0], *padded.shape[1:]))
            total[window] += values * weight
            weights[window[1:]] += weight
    inner = tuple(slice(m[0], m[0] + n) for m, n in zip(margins, shape, strict=True))
    return (total / weights)[(slice(None), *inner)]


def predictor(
    network: nn.Module, recipe: Recipe, device: torch.device | str = "cpu", *, overlap: float = 0.5
) -> Callable[[Tensor], Tensor]:
    """Return the ``Predict`` of a network: preprocessed image or images to probabilities.

    Segmentation takes one image (C, X, Y[, Z]) to (K, X, Y[, Z]); classification takes images
    (N, C, X, Y[, Z]) to (N, K). What comes back lies on the CPU.
    """
    place, layout = torch.device(device), architectures.memory_format(recipe)
    network.eval()

    def predict_map(image: Tensor) -> Tensor:
        return sliding_window(
            lambda windows: network(windows.contiguous(memory_format=layout)),
            image.to(place),
            patch_vox=recipe.patch_vox,
            overlap=overlap,
            batch=recipe.batch,
            precision=recipe.precision,
        ).cpu()

    @torch.inference_mode()
    def predict_scores(images: Tensor) -> Tensor:
        scores = []
        for first in range(0, len(images), IMAGES_AT_ONCE):
            some = images[first : first + IMAGES_AT_ONCE]
            with _context(place, recipe.precision):
                logits = network(some.float().to(place).contiguous(memory_format=layout))
            scores.append(probabilities_of(logits, recipe.task).cpu())
        return torch.cat(scores)

    return predict_map if recipe.task == "segmentation" else predict_scores


@dataclass(frozen=True)
class Model:
    """A trained network with all that a prediction needs.

    `targets` are structures and their label values, or findings in the order of the outputs.
    """

    network: nn.Module
    recipe: Recipe
    preprocessing: Preprocessing
    targets: dict[str, int] | list[str]
    digest: str
    device: str = "cpu"

    def predict_labels(
        self, array: np.ndarray, spacing_mm: Sequence[float] | None = None
    ) -> np.ndarray:
        """Return the label image of an image (C, X, Y[, Z]), on the image's own grid."""
        if not isinstance(self.targets, dict):
            raise ValueError("a classification model gives scores: use predict_scores")
        image = self.preprocessing.apply(array, spacing_mm)
        found = predictor(self.network, self.recipe, self.device)(image)
        channels = labels_on_grid(found, tuple(array.shape[1:]))
        return labels_from_channels(channels.numpy(), self.targets)

    def predict_scores(
        self, arrays: Sequence[np.ndarray], spacing_mm: Sequence[float] | None = None
    ) -> np.ndarray:
        """Return the probabilities (N, K) of images (C, X, Y[, Z])."""
        if isinstance(self.targets, dict):
            raise ValueError("a segmentation model gives label images: use predict_labels")
        images = torch.stack([self.preprocessing.apply(array, spacing_mm) for array in arrays])
        scores: np.ndarray = predictor(self.network, self.recipe, self.device)(images).numpy()
        return scores


def _digest(folder: Path, parts: Mapping[str, Any]) -> str:
    digest = hashlib.sha256((folder / WEIGHTS).read_bytes())
    digest.update(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode())
    return digest.hexdigest()


def save_model(
    folder: Path,
    weights: Mapping[str, Tensor],
    recipe: Recipe,
    preprocessing: Preprocessing,
    targets: dict[str, int] | list[str],
) -> str:
    """Write ``weights.safetensors`` and ``model.json`` and return the model's digest.

    The digest covers weights, recipe, preprocessing and targets: it names what predicts.
    """
    import monai

    if isinstance(targets, dict):
        targets = {name: targets[name] for name in channel_order(targets)}
    n_targets = len(targets) + (recipe.task == "segmentation")
    if n_targets != recipe.n_outputs:
        raise ValueError(f"targets {list(targets)} do not fit {recipe.n_outputs} outputs")
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint.write_tensors(folder / WEIGHTS, weights)
    parts = {
        "recipe": recipe.to_json(),
        "preprocessing": preprocessing.to_json(),
        "targets": targets,
    }
    digest = _digest(folder, parts)
    versions = {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "monai": str(monai.__version__),
    }
    checkpoint.write_json(folder / CARD, parts | {"digest": digest, "versions": versions})
    return digest


def saved_digest(folder: Path) -> str:
    """Return the digest of a saved model, computed from its files as they are now."""
    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    return _digest(folder, {name: card[name] for name in ("recipe", "preprocessing", "targets")})


def load_model(folder: Path, device: str = "cpu") -> Model:
    """Return the saved model, ready to predict.

    Raises
    ------
    ValueError
        If the files are not those that were saved: the digest differs.
    """
    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    if (digest := saved_digest(folder)) != card["digest"]:
        raise ValueError(f"model in {folder.name!r} has digest {digest}, not {card['digest']}")
    recipe = Recipe.from_json(card["recipe"])
    network = architectures.build_on(recipe, device).eval()
    checkpoint.restore_network(network, checkpoint.read_tensors(folder / WEIGHTS))
    preprocessing = Preprocessing.from_json(card["preprocessing"])
    return Model(network, recipe, preprocessing, card["targets"], digest, device)


def load_network(folder: Path, device: str = "cpu") -> tuple[nn.Module, Recipe]:
    """Return the network and the recipe of a saved model."""
    model = load_model(folder, device)
    return model.network, model.recipe


def time_prediction(
    recipe: Recipe, images: Sequence[Tensor] | Tensor, *, device: str = "cpu", n_cases: int = 4
) -> float:
    """Return the seconds that one preprocessed case takes to predict here."""
    predict = predictor(architectures.build_on(recipe, device), recipe, device)
    if recipe.task == "classification":
        some = torch.stack([images[i % len(images)] for i in range(IMAGES_AT_ONCE)])
        predict(some[:2])
        started = time.monotonic()
        predict(some)
        return (time.monotonic() - started) / IMAGES_AT_ONCE
    predict(images[0])
    count = min(n_cases, len(images))
    started = time.monotonic()
    for i in range(count):
        predict(images[i])
    return (time.monotonic() - started) / count
