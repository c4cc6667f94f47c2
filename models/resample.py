"""Resampling between grids: separable, exact, in bounded memory.

Grids share their outer faces, as in ``torch.nn.functional.interpolate(align_corners=False)``:
centre ``i`` of the new grid lies at ``(i + 0.5) * n_old / n_new - 0.5`` of the old one. Where the
new grid is coarser the kernel is widened, so that thin bright structures are not skipped over.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

SLAB = 8  # slices of the answer at once


def shape_at(
    shape: Sequence[int], from_mm: Sequence[float], to_mm: Sequence[float]
) -> tuple[int, ...]:
    """Return the shape that covers the same volume at another spacing.

    Examples
    --------
    >>> shape_at((10, 10, 5), (1, 1, 4), (1, 2, 1))
    (10, 5, 20)
    """
    if not len(shape) == len(from_mm) == len(to_mm) or min(*from_mm, *to_mm) <= 0:
        raise ValueError(f"from_mm {from_mm}, to_mm {to_mm} must be {len(shape)} lengths > 0")
    sides = zip(shape, from_mm, to_mm, strict=True)
    return tuple(max(1, round(n * a / b)) for n, a, b in sides)


def axis_weights(n_old: int, n_new: int) -> Tensor:
    """Return the matrix (n_new, n_old) of linear interpolation along one axis; rows sum to 1.

    Examples
    --------
    >>> axis_weights(2, 4)
    tensor([[1.0000, 0.0000],
            [0.7500, 0.2500],
            [0.2500, 0.7500],
            [0.0000, 1.0000]])
    """
    if min(n_old, n_new) < 1:
        raise ValueError(f"n_old {n_old}, n_new {n_new} must be at least 1")
    ratio = n_old / n_new
    centres = (torch.arange(n_new, dtype=torch.float64) + 0.5) * ratio - 0.5
    distance = (centres[:, None] - torch.arange(n_old, dtype=torch.float64)[None]).abs()
    weights = (1 - distance / max(ratio, 1.0)).clamp(min=0)
    return (weights / weights.sum(1, keepdim=True)).float()


def _along(array: Tensor, weights: Tensor, axis: int) -> Tensor:
    """Apply a matrix along one axis of (C, X, Y[, Z])."""
    return torch.movedim(torch.movedim(array, axis, -1) @ weights.T, -1, axis)


def resample_image(
    array: Tensor,
    *,
    shape: Sequence[int] | None = None,
    from_mm: Sequence[float] | None = None,
    to_mm: Sequence[float] | None = None,
) -> Tensor:
    """Return an image (C, X, Y[, Z]) on a grid of another shape or spacing, linearly.

    Examples
    --------
    >>> resample_image(torch.ones(1, 4, 4), from_mm=(1, 1), to_mm=(2, 0.5)).shape
    torch.Size([1, 2, 8])
    """
    goal = _goal(array.shape[1:], shape, from_mm, to_mm)
    out = array.float()
    for axis, n_new in enumerate(goal, start=1):
        if out.shape[axis] != n_new:
            out = _along(out, axis_weights(out.shape[axis], n_new).to(out.device), axis)
    return out.contiguous()


def resample_labels(
    labels: Tensor,
    *,
    shape: Sequence[int] | None = None,
    from_mm: Sequence[float] | None = None,
    to_mm: Sequence[float] | None = None,
) -> Tensor:
    """Return a label map (X, Y[, Z]) on another grid: the label with the largest share wins.

    Examples
    --------
    >>> resample_labels(torch.tensor([[0, 0, 3, 3]]), shape=(1, 2))
    tensor([[0, 3]])
    """
    goal = _goal(labels.shape, shape, from_mm, to_mm)
    if tuple(labels.shape) == goal:
        return labels
    values = torch.unique(labels)
    # Structures one after the other, against the best so far: memory does not grow with them.
    best = torch.full(goal, -1.0, device=labels.device)
    out = torch.zeros(goal, dtype=labels.dtype, device=labels.device)
    for value in values:
        share = resample_image((labels == value)[None].float(), shape=goal)[0]
        wins = share > best
        best[wins], out[wins] = share[wins], value
    return out


def labels_on_grid(probabilities: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the label map (uint8) that probabilities (K, X, Y[, Z]) give on a grid.

    The answer is that of resampling every channel and taking the largest, but it is made slab by
    slab: memory is one slab of channels, however large the grid [1]_.

    References
    ----------
    .. [1] nnU-Net issues 2540, 2795, 2912: export takes longer, and more memory, than the network.

    Examples
    --------
    >>> labels_on_grid(torch.tensor([[[0.9, 0.1]], [[0.1, 0.9]]]), (1, 4))
    tensor([[0, 0, 1, 1]], dtype=torch.uint8)
    """
    goal = tuple(shape)
    if len(goal) != probabilities.ndim - 1 or probabilities.shape[0] > 256:
        raise ValueError(
            f"probabilities {tuple(probabilities.shape)} do not fit shape {goal} and 256 channels"
        )
    if tuple(probabilities.shape[1:]) == goal:
        return probabilities.argmax(0).to(torch.uint8)
    rows = axis_weights(probabilities.shape[1], goal[0])
    out = torch.empty(goal, dtype=torch.uint8)
    for first in range(0, goal[0], SLAB):
        some = rows[first : first + SLAB]
        used = torch.nonzero(some.sum(0)).flatten()
        low, high = int(used[0]), int(used[-1]) + 1
        slab = _along(probabilities[:, low:high].float().cpu(), some[:, low:high], 1)
        slab = resample_image(slab, shape=slab.shape[1:2] + torch.Size(goal[1:]))
        out[first : first + SLAB] = slab.argmax(0).to(torch.uint8)
    return out


def _goal(
    old: Sequence[int],
    shape: Sequence[int] | None,
    from_mm: Sequence[float] | None,
    to_mm: Sequence[float] | None,
) -> tuple[int, ...]:
    if shape is not None and from_mm is None and to_mm is None:
        if len(shape) != len(old):
            raise ValueError(f"shape {tuple(shape)} must have {len(old)} sides")
        return tuple(int(n) for n in shape)
    if shape is None and from_mm is not None and to_mm is not None:
        return shape_at(old, from_mm, to_mm)
    raise ValueError("give either shape, or from_mm and to_mm")
