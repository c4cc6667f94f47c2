"""Batches from images in memory: where to look, and one interpolation from volume to patch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from models import augment as augmentation
from models.augment import Augment
from models.recipe import Recipe

Shape = tuple[int, ...]
Images = Sequence[Tensor] | Tensor

MOST_POINTS = 5000  # voxels remembered per case and structure to centre patches on
MOST_SMOOTH = 8  # up to so many channels labels are turned as one-hot maps, above as nearest


def seed_of(*numbers: int) -> int:
    """Return one well-mixed seed for a tuple of numbers (run, purpose, step).

    Randomness that is a function of the step needs no generator state in a checkpoint.

    Examples
    --------
    >>> seed_of(0, 1, 2) == seed_of(0, 1, 2), seed_of(0, 1, 2) == seed_of(0, 2, 1)
    (True, False)
    """
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint32)[0])


def order_of(n_cases: int, batch: int, step: int, seed: int) -> list[int]:
    """Return the cases of a step: every case once before any comes again, shuffled each round.

    Examples
    --------
    >>> sorted(order_of(4, 2, 0, seed=1) + order_of(4, 2, 1, seed=1))
    [0, 1, 2, 3]
    """
    chosen: list[int] = []
    position = step * batch
    while len(chosen) < batch:
        turn, offset = divmod(position + len(chosen), n_cases)
        rng = np.random.default_rng([seed, 7, turn])
        chosen += rng.permutation(n_cases)[offset : offset + batch - len(chosen)].tolist()
    return chosen


def foreground_points(target: Tensor, seed: int) -> list[Tensor]:
    """Return, per structure that is there, up to `MOST_POINTS` of its voxels (n, n_dims)."""
    found = []
    generator = torch.Generator().manual_seed(seed)
    for value in torch.unique(target).tolist():
        if value == 0:
            continue
        points = torch.nonzero(target == value)
        if len(points) > MOST_POINTS:
            points = points[torch.randperm(len(points), generator=generator)[:MOST_POINTS]]
        found.append(points)
    return found


def cut(
    volume: Tensor, centre: Tensor, matrix: Tensor | None, patch_vox: Shape, mode: str = "bilinear"
) -> Tensor:
    """Return the patch (C, *patch_vox) of `volume` (C, X, Y[, Z]) around `centre`.

    Parameters
    ----------
    centre : Tensor, shape (n_dims,)
        In voxels; without a matrix it is rounded so that voxels meet voxels.
    matrix : Tensor, shape (n_dims, n_dims), optional
        From offsets in the patch to offsets in the volume. Outside the volume is 0.

    Examples
    --------
    >>> cut(torch.arange(5.0)[None, None], torch.tensor([0.0, 4.0]), None, (1, 3))
    tensor([[[3., 4., 0.]]])
    """
    shape = volume.shape[1:]
    if matrix is None:
        start = [round(float(c) - (p - 1) / 2) for c, p in zip(centre, patch_vox, strict=True)]
        patch = volume.new_zeros((volume.shape[0], *patch_vox))
        source: list[slice] = [slice(None)]
        goal: list[slice] = [slice(None)]
        for a, p, n in zip(start, patch_vox, shape, strict=True):
            low, high = max(a, 0), max(min(a + p, n), max(a, 0))
            source.append(slice(low, high))
            goal.append(slice(low - a, high - a))
        patch[tuple(goal)] = volume[tuple(source)]
        return patch
    device = volume.device
    axes = [torch.arange(p, device=device, dtype=torch.float32) - (p - 1) / 2 for p in patch_vox]
    offsets = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    points = offsets @ matrix.T + centre
    size = torch.tensor(shape, device=device, dtype=torch.float32)
    grid = ((2 * points + 1) / size - 1).flip(-1)[None]
    return F.grid_sample(volume[None], grid, mode=mode, padding_mode="zeros", align_corners=False)[
        0
    ]


def _turn_labels(
    target: Tensor, centre: Tensor, matrix: Tensor | None, patch_vox: Shape, n_outputs: int
) -> Tensor:
    """Return the patch of a label map, (*patch_vox) int64."""
    if matrix is None:
        return cut(target[None], centre, None, patch_vox)[0].long()
    if n_outputs > MOST_SMOOTH:
        return cut(target[None].float(), centre, matrix, patch_vox, "nearest")[0].long()
    values = torch.arange(1, n_outputs, device=target.device)
    structures = (target[None] == values.reshape(-1, *[1] * target.ndim)).float()
    turned = cut(structures, centre, matrix, patch_vox)
    background = 1 - turned.sum(0, keepdim=True)
    return torch.cat([background, turned]).argmax(0)


@dataclass(frozen=True)
class PatchSource:
    """Images and label maps in memory, from which batches of patches are cut."""

    images: Sequence[Tensor]
    targets: Sequence[Tensor]
    points: Sequence[Sequence[Tensor]]
    patch_vox: Shape
    n_outputs: int
    foreground_share: float
    augment: Augment
    spacing_mm: tuple[float, ...]

    def _centre(self, case: int, generator: Generator) -> Tensor:
        """Return a centre: on a structure in the wanted share of cases, else anywhere."""
        shape = torch.tensor(self.targets[case].shape, dtype=torch.float32)
        patch = torch.tensor(self.patch_vox, dtype=torch.float32)
        draw = torch.rand(len(self.patch_vox) + 3, generator=generator)
        structures = self.points[case]
        if structures and draw[0] < self.foreground_share:
            points = structures[int(draw[1] * len(structures))]
            wanted = points[int(draw[2] * len(points))].float()
        else:
            wanted = draw[3:] * (shape - 1)
        # A patch does not reach over the edge where it need not; a short axis is centred.
        low = (patch - 1) / 2
        inside = torch.minimum(torch.maximum(wanted, low), shape - 1 - low)
        return torch.where(shape <= patch, (shape - 1) / 2, inside)

    def batch(self, cases: Sequence[int], generator: Generator) -> tuple[Tensor, Tensor]:
        """Return images (B, C, *patch) and label maps (B, *patch) of the cases.

        `generator` lives on the CPU: which patch is cut does not depend on the device.
        """
        n, device = len(cases), self.images[0].device
        matrices = augmentation.affine(self.augment, n, self.spacing_mm, generator).to(device)
        shifted = augmentation.shifts(self.augment, n, self.patch_vox, generator)
        images, labels = [], []
        for i, case in enumerate(cases):
            centre = (self._centre(case, generator) + shifted[i]).to(device)
            matrix = matrices[i] if self.augment.moves else None
            images.append(cut(self.images[case], centre, matrix, self.patch_vox))
            labels.append(
                _turn_labels(self.targets[case], centre, matrix, self.patch_vox, self.n_outputs)
            )
        return torch.stack(images), torch.stack(labels)


@dataclass(frozen=True)
class ImageSource:
    """Images of one size in memory, from which batches are taken whole."""

    images: Tensor
    targets: Tensor
    augment: Augment
    spacing_mm: tuple[float, ...]

    def batch(self, cases: Sequence[int], generator: Generator) -> tuple[Tensor, Tensor]:
        """Return images (B, C, X, Y[, Z]) and findings (B, K) of the cases."""
        index = torch.tensor(list(cases), device=self.images.device)
        images, targets = self.images[index], self.targets[index]
        if not self.augment.moves:
            return images, targets
        n, shape = len(cases), tuple(images.shape[2:])
        matrices = augmentation.affine(self.augment, n, self.spacing_mm, generator)
        shifted = augmentation.shifts(self.augment, n, shape, generator)
        # affine_grid counts axes from the last and in halves of the image.
        half = torch.tensor(shape, dtype=torch.float32) / 2
        theta = matrices * half[None, None, :] / half[None, :, None]
        theta = torch.cat([theta.flip(1, 2), (shifted / half).flip(1)[:, :, None]], dim=2)
        grid = F.affine_grid(theta.to(images.device), list(images.shape), align_corners=False)
        # Border, not 0: a black corner would tell the network that an image was turned.
        return F.grid_sample(images, grid, padding_mode="border", align_corners=False), targets


def make_source(
    recipe: Recipe, images: Images, targets: Images, device: torch.device
) -> PatchSource | ImageSource:
    """Return where batches come from; the whole set moves to the device once."""
    if len(images) != len(targets) or len(images) == 0:
        raise ValueError(f"images ({len(images)}) and targets ({len(targets)}) must match, not 0")
    spacing = recipe.spacing_mm or (1.0,) * recipe.n_dims
    chosen = augmentation.pick(recipe.augment)
    wanted = (recipe.n_channels, recipe.n_dims + 1)
    for i, image in enumerate(images):
        if (image.shape[0], image.ndim) != wanted:
            raise ValueError(
                f"images[{i}] has shape {tuple(image.shape)}; the recipe has {wanted[0]} channels "
                f"and {recipe.n_dims} dimensions"
            )
    if recipe.task == "classification":
        whole = images if isinstance(images, Tensor) else torch.stack(list(images))
        findings = targets if isinstance(targets, Tensor) else torch.stack(list(targets))
        if findings.shape != (len(whole), recipe.n_outputs):
            raise ValueError(
                f"targets {tuple(findings.shape)} must be {(len(whole), recipe.n_outputs)}"
            )
        return ImageSource(whole.to(device), findings.float().to(device), chosen, spacing)
    for i, (image, target) in enumerate(zip(images, targets, strict=True)):
        if image.shape[1:] != target.shape or int(target.max()) >= recipe.n_outputs:
            raise ValueError(
                f"targets[{i}] {tuple(target.shape)} with values up to {int(target.max())} must "
                f"fit images[{i}] {tuple(image.shape)} and {recipe.n_outputs} outputs"
            )
    return PatchSource(
        images=[image.float().to(device) for image in images],
        targets=[target.to(device) for target in targets],
        points=[foreground_points(t, seed_of(recipe.seed, 3, i)) for i, t in enumerate(targets)],
        patch_vox=recipe.patch_vox,
        n_outputs=recipe.n_outputs,
        foreground_share=recipe.foreground_share,
        augment=chosen,
        spacing_mm=spacing,
    )
