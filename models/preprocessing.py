"""What happens to an image before a network sees it: the same code in training and in use."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from models.resample import resample_image, resample_labels

Scheme = Literal["dataset", "volume", "film", "eight_bit"]

SCHEMES: dict[str, Scheme] = {
    "ct": "dataset",
    "mri": "volume",
    "xray": "film",
    "photo": "eight_bit",
}
"""How intensities of a modality are standardised.

``dataset``: clipped and scaled by figures of the training set, for Hounsfield units mean the same
everywhere. ``volume``: each volume by its own percentiles, for MR units mean nothing across
scanners. ``film``: each film stretched between its percentiles, then standardised. ``eight_bit``:
0 to 255 becomes -1 to 1.
"""


@dataclass(frozen=True)
class Preprocessing:
    """Spacing, size and intensities that a network was trained on.

    Parameters
    ----------
    modality : str
        ct, mri, xray or photo. No default: CT scaled as MR fails silently.
    scheme : str
        One of `SCHEMES`' values.
    n_dims : int
        2 or 3.
    spacing_mm : tuple of float, optional
        Spacing that images are resampled to.
    image_size : tuple of int, optional
        Size that images are resampled to, longer sides first and padded to keep proportions.
    clip, mean, std : tuple, optional
        Scheme ``dataset``: per channel, range and statistics of the training set's foreground.

    Examples
    --------
    >>> p = Preprocessing("photo", "eight_bit", 2, image_size=(2, 2))
    >>> p.apply(np.full((1, 4, 4), 255.0))
    tensor([[[1., 1.],
             [1., 1.]]])
    """

    modality: str
    scheme: Scheme
    n_dims: int
    spacing_mm: tuple[float, ...] | None = None
    image_size: tuple[int, ...] | None = None
    clip: tuple[tuple[float, float], ...] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be applied."""
        if self.scheme not in SCHEMES.values():
            raise ValueError(f"scheme {self.scheme!r} must be one of {sorted(SCHEMES.values())}")
        for name in ("spacing_mm", "image_size", "mean", "std"):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, tuple(value))
        if self.clip is not None:
            object.__setattr__(self, "clip", tuple((float(a), float(b)) for a, b in self.clip))
        if self.scheme == "dataset":
            if self.clip is None or self.mean is None or self.std is None:
                raise ValueError("scheme 'dataset' needs clip, mean and std of the training set")
            if min(self.std) <= 0 or any(low >= high for low, high in self.clip):
                raise ValueError(f"std {self.std} must be > 0 and clip {self.clip} ascending")
        for name in ("spacing_mm", "image_size"):
            value = getattr(self, name)
            if value is not None and (len(value) != self.n_dims or min(value) <= 0):
                raise ValueError(f"{name} {value} must be {self.n_dims} numbers > 0")
        if self.spacing_mm is not None and self.image_size is not None:
            raise ValueError("give spacing_mm or image_size, not both")

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Preprocessing":
        """Return what `data` describes; a key that is not known is an error."""
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(data) - known):
            raise ValueError(f"preprocessing has unknown keys {unknown}; known are {sorted(known)}")
        return cls(**data)

    def apply(self, array: np.ndarray, spacing_mm: Sequence[float] | None = None) -> Tensor:
        """Return an image (C, X, Y[, Z]) as the network wants it, float32.

        Raises
        ------
        ValueError
            If it has other dimensions, holds nan, is constant, or its spacing is needed and
            not said.
        """
        if array.ndim != self.n_dims + 1:
            raise ValueError(f"array {array.shape} must have a channel and {self.n_dims} axes")
        if not np.isfinite(array).all():
            raise ValueError("array holds nan or infinite values")
        image = torch.from_numpy(np.array(array, np.float32))
        # Before resampling: its kernel mixes values, and clipped metal should not bleed.
        image = self._standardise(image)
        return self._regrid(image, spacing_mm)

    def apply_labels(self, labels: Tensor, spacing_mm: Sequence[float] | None = None) -> Tensor:
        """Return a map of channel numbers (X, Y[, Z]) on the grid that `apply` gives its image."""
        if self.image_size is not None:
            raise ValueError("labels go with spacing_mm, not with image_size")
        if self.spacing_mm is None:
            return labels
        return resample_labels(labels, from_mm=self._known(spacing_mm), to_mm=self.spacing_mm)

    def _known(self, spacing_mm: Sequence[float] | None) -> tuple[float, ...]:
        if spacing_mm is None:
            raise ValueError("spacing_mm of the image must be given: the model has one of its own")
        return tuple(float(mm) for mm in spacing_mm)

    def _regrid(self, image: Tensor, spacing_mm: Sequence[float] | None) -> Tensor:
        if self.spacing_mm is not None:
            return resample_image(image, from_mm=self._known(spacing_mm), to_mm=self.spacing_mm)
        if self.image_size is None or tuple(image.shape[1:]) == self.image_size:
            return image
        sides = list(zip(image.shape[1:], self.image_size, strict=True))
        ratio = min(goal / side for side, goal in sides)
        inner = [min(goal, max(1, round(side * ratio))) for side, goal in sides]
        small = resample_image(image, shape=inner)
        out = image.new_zeros((image.shape[0], *self.image_size))
        starts = [(goal - n) // 2 for n, goal in zip(inner, self.image_size, strict=True)]
        window = tuple(slice(a, a + n) for a, n in zip(starts, inner, strict=True))
        out[(slice(None), *window)] = small
        return out

    def _standardise(self, image: Tensor) -> Tensor:
        if self.scheme == "eight_bit":
            return image / 127.5 - 1
        if self.scheme == "dataset":
            assert self.clip is not None  # held by __post_init__
            assert self.mean is not None
            assert self.std is not None
            if len(self.clip) != image.shape[0]:
                raise ValueError(f"image has {image.shape[0]} channels, clip has {len(self.clip)}")
            figures = zip(image, self.clip, self.mean, self.std, strict=True)
            return torch.stack([(c.clamp(*clip) - m) / s for c, clip, m, s in figures])
        return torch.stack([_by_itself(channel, self.scheme) for channel in image])


def _by_itself(channel: Tensor, scheme: Scheme) -> Tensor:
    """Standardise a channel by its own figures, extremes aside."""
    values = channel.numpy()
    low, high = np.percentile(values, [0.5, 99.5])
    if not high > low:
        raise ValueError("a channel is constant: there is nothing to see")
    clipped = channel.clamp(float(low), float(high))
    if scheme == "volume" and float((values == values.min()).mean()) > 0.2:
        # Much empty background (a stripped or padded head): the figures are those of the rest.
        inside = clipped[channel > float(values.min())]
        return (clipped - inside.mean()) / inside.std().clamp(min=1e-6)
    return (clipped - clipped.mean()) / clipped.std().clamp(min=1e-6)


def plan_preprocessing(
    modality: str,
    *,
    n_dims: int,
    spacing_mm: Sequence[float] | None = None,
    image_size: Sequence[int] | None = None,
    clip: Sequence[tuple[float, float]] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Preprocessing:
    """Return the preprocessing of a modality; CT needs figures of its training set.

    Examples
    --------
    >>> plan_preprocessing("mri", n_dims=3, spacing_mm=(1, 1, 1)).scheme
    'volume'
    """
    if modality not in SCHEMES:
        raise ValueError(f"modality {modality!r} must be one of {sorted(SCHEMES)}")
    scheme = SCHEMES[modality]
    if scheme != "dataset":
        clip = mean = std = None
    return Preprocessing(
        modality=modality,
        scheme=scheme,
        n_dims=n_dims,
        spacing_mm=None if spacing_mm is None else tuple(spacing_mm),
        image_size=None if image_size is None else tuple(image_size),
        clip=None if clip is None else tuple(clip),
        mean=None if mean is None else tuple(mean),
        std=None if std is None else tuple(std),
    )
