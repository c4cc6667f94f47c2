"""Overlap and volume of two masks."""

import math

import numpy as np

from evaluation.estimates import BoolArray


def check_masks(reference: BoolArray, predicted: BoolArray) -> None:
    """Raise ValueError unless both are bool arrays of one shape."""
    if reference.shape != predicted.shape:
        raise ValueError(f"reference {reference.shape} and predicted {predicted.shape} must match")
    if reference.dtype != np.bool_ or predicted.dtype != np.bool_:
        raise ValueError(
            f"reference is {reference.dtype} and predicted {predicted.dtype}; masks are bool, "
            "one structure at a time"
        )


def check_spacing(spacing_mm: tuple[float, ...], n_axes: int) -> None:
    """Raise ValueError unless there is one finite length above 0 for each axis."""
    lengths = np.asarray(spacing_mm, float)
    if lengths.shape != (n_axes,) or not (np.isfinite(lengths) & (lengths > 0)).all():
        raise ValueError(f"spacing_mm {spacing_mm} must have {n_axes} lengths above 0")


def dice(reference: BoolArray, predicted: BoolArray) -> float:
    """Twice the overlap over the sum of both; nan when both are empty.

    Parameters
    ----------
    reference, predicted : ndarray of bool
        Masks of one structure.

    Examples
    --------
    >>> dice(np.array([True, True, False]), np.array([True, False, False]))
    0.6666666666666666
    """
    check_masks(reference, predicted)
    size = int(np.count_nonzero(reference)) + int(np.count_nonzero(predicted))
    if size == 0:
        return float("nan")
    return 2 * int(np.count_nonzero(reference & predicted)) / size


def iou(reference: BoolArray, predicted: BoolArray) -> float:
    """Overlap over union (Jaccard index); nan when both are empty.

    Parameters
    ----------
    reference, predicted : ndarray of bool
        Masks of one structure.

    Examples
    --------
    >>> iou(np.array([True, True, False]), np.array([True, False, False]))
    0.5
    """
    check_masks(reference, predicted)
    union = int(np.count_nonzero(reference | predicted))
    if union == 0:
        return float("nan")
    return int(np.count_nonzero(reference & predicted)) / union


def volume_ml(mask: BoolArray, spacing_mm: tuple[float, ...]) -> float:
    """Volume of a mask in millilitres; an area in 2-D counts as one slice of 1 mm.

    Parameters
    ----------
    mask : ndarray of bool
        The structure.
    spacing_mm : tuple of float
        Distance between voxels along each axis.

    Examples
    --------
    >>> volume_ml(np.ones((10, 10, 10), bool), (1.0, 1.0, 2.0))
    2.0
    """
    check_spacing(spacing_mm, mask.ndim)
    return int(np.count_nonzero(mask)) * voxel_ml(spacing_mm)


def voxel_ml(spacing_mm: tuple[float, ...]) -> float:
    """Return the volume of one voxel in millilitres."""
    return math.prod(float(step) for step in spacing_mm) / 1000


def volume_error_ml(
    reference: BoolArray, predicted: BoolArray, spacing_mm: tuple[float, ...]
) -> float:
    """Predicted minus reference volume in millilitres; below 0 is too small.

    Parameters
    ----------
    reference, predicted : ndarray of bool
        Masks of one structure.
    spacing_mm : tuple of float
        Distance between voxels along each axis.

    Examples
    --------
    >>> volume_error_ml(np.ones((10, 10, 10), bool), np.zeros((10, 10, 10), bool), (1.0, 1.0, 1.0))
    -1.0
    """
    check_masks(reference, predicted)
    return volume_ml(predicted, spacing_mm) - volume_ml(reference, spacing_mm)


def relative_volume_error(reference: BoolArray, predicted: BoolArray) -> float:
    """Volume error as a share of the reference volume; nan when the reference is empty.

    Parameters
    ----------
    reference, predicted : ndarray of bool
        Masks of one structure.

    Examples
    --------
    >>> relative_volume_error(np.array([True, True]), np.array([True, False]))
    -0.5
    """
    check_masks(reference, predicted)
    n_reference = int(np.count_nonzero(reference))
    if n_reference == 0:
        return float("nan")
    return (int(np.count_nonzero(predicted)) - n_reference) / n_reference
