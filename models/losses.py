"""Losses by name. Each takes logits and targets and returns one number."""

import warnings
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F


class Loss(Protocol):
    """One number from logits and targets; `weight` says what each case and finding counts."""

    def __call__(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss."""


def _dice_ce() -> Loss:
    """Dice over the batch, background aside, plus cross-entropy (MONAI)."""
    from monai.losses import DiceCELoss

    # Over the batch: a patch without the structure would otherwise pull Dice to 0 by itself.
    loss = DiceCELoss(
        to_onehot_y=True, softmax=True, include_background=False, batch=True, smooth_nr=1e-5
    )

    def over_maps(logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        if weight is not None:
            raise ValueError("weight: a loss of maps has no findings to weigh; draw cases instead")
        found: Tensor = loss(logits, target[:, None])
        return found

    return over_maps


def _known_mean(values: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    """Return the mean over findings that are known (not nan).

    Weighted values are divided by their number and not by their weights: over the batches of a
    round that is the weighted mean, which dividing batch by batch would pull back to the plain one.
    """
    known = torch.isfinite(target)
    if weight is not None:
        values = values * weight
    return (values * known).sum() / known.sum().clamp(min=1)


def _bce() -> Loss:
    """Cross-entropy per finding; an unknown one (nan) teaches nothing."""

    def loss(logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        filled = torch.nan_to_num(target)
        values = F.binary_cross_entropy_with_logits(logits, filled, reduction="none")
        return _known_mean(values, target, weight)

    return loss


def _focal() -> Loss:
    """Focal loss per finding (MONAI); an unknown one (nan) teaches nothing."""
    from monai.losses import FocalLoss

    focal = FocalLoss(gamma=2.0, reduction="none")

    def loss(logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        return _known_mean(focal(logits, torch.nan_to_num(target)), target, weight)

    return loss


LOSSES: dict[str, Callable[[], Loss]] = {
    "dice_ce": _dice_ce,
    "bce": _bce,
    "focal": _focal,
}
"""Every loss by its name. Dice losses are for maps, the others for findings."""


def build(name: str) -> Loss:
    """Return the loss of that name, ``loss(logits, target, weight=None)``.

    Segmentation targets are label maps (B, X, Y[, Z]) of channel numbers; classification targets
    are (B, K) of 0, 1 and nan, where nan is unknown, and so are their weights, at least 0.

    Examples
    --------
    >>> float(build("bce")(torch.zeros(1, 2), torch.tensor([[1.0, float("nan")]])))
    0.693...
    """
    if name not in LOSSES:
        raise ValueError(f"loss {name!r} must be one of {sorted(LOSSES)}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MONAI's import warns about parts that are not used here
        return LOSSES[name]()
