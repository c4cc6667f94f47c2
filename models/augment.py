"""Augmentation of a whole batch at once, on the device it lies on.

What is random comes from a generator that is handed in, so that a step can be repeated bit by
bit. Space is one affine map per case, which ``patches`` follows while it cuts; intensity works on
the cut batch. Ranges follow nnU-Net's where it has them.
"""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Augment:
    """What may happen to a case. Ranges are symmetric or drawn as said; 0 is off.

    Parameters
    ----------
    rotate_deg, scale, shift : float
        Largest rotation about each axis, relative change of size, and shift as share of the patch.
    mirror_axes : tuple of int
        Axes (0 is X) along which a case may be mirrored. None by default: left and right differ.
    share : float
        Probability with which each of the things below happens to a case.
    noise : float
        Largest standard deviation of added noise, in standard deviations of the image.
    blur_vox : float
        Largest standard deviation of a Gaussian blur.
    brightness, contrast, gamma : float
        Largest addition, relative change of contrast, and change of the exponent.
    bias_field : float
        Strength of a smooth multiplicative field, as coils of an MR scanner make it.
    """

    rotate_deg: float = 0.0
    scale: float = 0.0
    shift: float = 0.0
    mirror_axes: tuple[int, ...] = ()
    share: float = 0.3
    noise: float = 0.0
    blur_vox: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    gamma: float = 0.0
    bias_field: float = 0.0

    @property
    def moves(self) -> bool:
        """Whether anything happens in space."""
        return bool(self.rotate_deg or self.scale or self.shift or self.mirror_axes)


AUGMENTS: dict[str, Augment] = {
    "none": Augment(),
    "mri": Augment(
        rotate_deg=15,
        scale=0.15,
        shift=0.04,
        share=0.25,
        noise=0.1,
        blur_vox=0.6,
        brightness=0.2,
        contrast=0.25,
        gamma=0.3,
        bias_field=0.25,
    ),
    # Hounsfield units mean something: little change of brightness, no gamma.
    "ct": Augment(
        rotate_deg=15,
        scale=0.15,
        shift=0.05,
        noise=0.15,
        blur_vox=0.7,
        brightness=0.1,
        contrast=0.1,
    ),
    "xray": Augment(
        rotate_deg=10,
        scale=0.12,
        shift=0.06,
        noise=0.15,
        blur_vox=0.7,
        brightness=0.2,
        contrast=0.2,
        gamma=0.3,
    ),
    "photo": Augment(
        rotate_deg=20,
        scale=0.2,
        shift=0.08,
        mirror_axes=(0,),
        noise=0.1,
        blur_vox=0.7,
        brightness=0.2,
        contrast=0.2,
        gamma=0.2,
    ),
}
"""Every preset by its name; the planner takes the one of the modality."""
AUGMENTS["xray_mirror"] = Augment(
    **{**AUGMENTS["xray"].__dict__, "mirror_axes": (0,)}  # limbs: left and right look alike
)


def pick(name: str) -> Augment:
    """Return the preset of that name.

    Examples
    --------
    >>> pick("none").moves
    False
    """
    if name not in AUGMENTS:
        raise ValueError(f"augment {name!r} must be one of {sorted(AUGMENTS)}")
    return AUGMENTS[name]


def _uniform(n: int, reach: float, generator: Generator) -> Tensor:
    """Return `n` numbers in [-reach, reach]."""
    draw = torch.rand(n, generator=generator, device=generator.device)
    return (2 * draw - 1) * reach


def affine(augment: Augment, n: int, spacing_mm: tuple[float, ...], generator: Generator) -> Tensor:
    """Return `n` matrices (n, n_dims, n_dims) from output to input offsets, in voxels.

    Rotations are rigid in mm: on thick slices a rotation in voxels would shear the patient.

    Examples
    --------
    >>> generator = torch.Generator().manual_seed(0)
    >>> affine(Augment(), 2, (1.0, 1.0, 3.0), generator)[0]
    tensor([[1., 0., 0.],
            [0., 1., 0.],
            [0., 0., 1.]])
    """
    n_dims, device = len(spacing_mm), generator.device
    matrix = torch.eye(n_dims, device=device).expand(n, n_dims, n_dims).clone()
    planes = [(0, 1)] if n_dims == 2 else [(0, 1), (0, 2), (1, 2)]
    for i, j in planes:
        angle = _uniform(n, math.radians(augment.rotate_deg), generator)
        turn = torch.eye(n_dims, device=device).expand(n, n_dims, n_dims).clone()
        turn[:, i, i] = turn[:, j, j] = torch.cos(angle)
        turn[:, i, j], turn[:, j, i] = -torch.sin(angle), torch.sin(angle)
        matrix = matrix @ turn
    matrix = matrix * torch.exp(_uniform(n, math.log1p(augment.scale), generator))[:, None, None]
    for axis in augment.mirror_axes:
        flip = torch.rand(n, generator=generator, device=device) < 0.5
        matrix[:, :, axis] *= torch.where(flip, -1.0, 1.0)[:, None]
    spacing = torch.tensor(spacing_mm, device=device)
    return matrix * spacing[None, None, :] / spacing[None, :, None]


def shifts(augment: Augment, n: int, patch_vox: tuple[int, ...], generator: Generator) -> Tensor:
    """Return `n` shifts (n, n_dims) of the centre, in voxels."""
    draws = [_uniform(n, augment.shift * side, generator) for side in patch_vox]
    return torch.stack(draws, dim=1)


def _chosen(augment: Augment, batch: Tensor, generator: Generator) -> Tensor:
    """Return 1.0 for cases that something happens to, shaped to multiply the batch."""
    draw = torch.rand(batch.shape[0], generator=generator, device=batch.device) < augment.share
    return draw.float().reshape(-1, *[1] * (batch.ndim - 1))


def _strength(batch: Tensor, reach: float, generator: Generator) -> Tensor:
    """Return one number in [-reach, reach] per case, shaped to multiply the batch."""
    return _uniform(batch.shape[0], reach, generator).reshape(-1, *[1] * (batch.ndim - 1))


def _blur(batch: Tensor, sigma: Tensor) -> Tensor:
    """Blur each case with its own Gaussian, axis by axis."""
    n, channels = batch.shape[:2]
    radius = 2
    offsets = torch.arange(-radius, radius + 1, device=batch.device, dtype=batch.dtype)
    kernel = torch.exp(-0.5 * (offsets[None, :] / sigma[:, None].clamp(min=0.05)) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(channels, 0)
    for axis in range(2, batch.ndim):
        length = batch.shape[axis]
        rows = batch.movedim(axis, -1)
        shape = rows.shape
        rows = rows.reshape(n * channels, -1, length)
        padded = F.pad(rows, (radius, radius), mode="replicate")
        out = torch.zeros_like(rows)
        for i in range(2 * radius + 1):
            out += kernel[:, i, None, None] * padded[..., i : i + length]
        batch = out.reshape(shape).movedim(-1, axis)
    return batch.contiguous()


def _gamma(batch: Tensor, exponent: Tensor) -> Tensor:
    """Bend the intensities and give mean and spread back."""
    axes = tuple(range(1, batch.ndim))
    low, high = batch.amin(axes, keepdim=True), batch.amax(axes, keepdim=True)
    bent = ((batch - low) / (high - low).clamp(min=1e-6)).clamp(min=0) ** exponent
    spread = batch.std(axes, keepdim=True) / bent.std(axes, keepdim=True).clamp(min=1e-6)
    return (bent - bent.mean(axes, keepdim=True)) * spread + batch.mean(axes, keepdim=True)


def _bias(batch: Tensor, strength: Tensor, generator: Generator) -> Tensor:
    """Multiply by a smooth field."""
    shape = (batch.shape[0], 1, *[3] * (batch.ndim - 2))
    coarse = torch.randn(shape, generator=generator, device=batch.device)
    mode = "trilinear" if batch.ndim == 5 else "bilinear"
    field = F.interpolate(coarse, size=batch.shape[2:], mode=mode, align_corners=True)
    return batch * torch.exp(strength * field)


def intensity(batch: Tensor, augment: Augment, generator: Generator) -> Tensor:
    """Return the batch (B, C, X, Y[, Z]), standardised images, with changed intensities.

    Examples
    --------
    >>> batch = torch.randn(2, 1, 8, 8)
    >>> bool((intensity(batch, Augment(), torch.Generator()) == batch).all())
    True
    """
    if augment.bias_field:
        chosen = _chosen(augment, batch, generator)
        batch = _bias(batch, chosen * augment.bias_field, generator)
    if augment.blur_vox:
        chosen = _chosen(augment, batch, generator).flatten()
        sigma = torch.rand(len(chosen), generator=generator, device=batch.device)
        if bool(chosen.any()):
            batch = _blur(batch, chosen * sigma * augment.blur_vox)
    if augment.contrast:
        factor = _chosen(augment, batch, generator) * _strength(batch, augment.contrast, generator)
        mean = batch.mean(tuple(range(1, batch.ndim)), keepdim=True)
        batch = (batch - mean) * (1 + factor) + mean
    if augment.brightness:
        chosen = _chosen(augment, batch, generator)
        batch = batch + chosen * _strength(batch, augment.brightness, generator)
    if augment.gamma:
        chosen = _chosen(augment, batch, generator)
        exponent = torch.exp(_strength(batch, math.log1p(augment.gamma), generator))
        if bool(chosen.any()):
            batch = torch.where(chosen > 0, _gamma(batch, exponent), batch)
    if augment.noise:
        chosen = _chosen(augment, batch, generator)
        sigma = chosen * _strength(batch, augment.noise, generator).abs()
        noise = torch.randn(batch.shape, generator=generator, device=batch.device)
        batch = batch + sigma * noise
    return batch
