"""Distances between the surfaces of two masks, in millimetres.

One definition, said here once. The border of a mask is the mask without its erosion by 4 (2-D) or
6 (3-D) neighbours; what lies outside the array is background. Distances run from the centre of
each border voxel to the nearest of the other border. HD95 is the larger of the two directed 95th
percentiles (linear interpolation); ASSD is the mean, NSD the share within a tolerance, of the
distances of both directions pooled. Other tools pool otherwise; figures of two tools are not one.
"""

import math

import numpy as np

from evaluation.estimates import BoolArray, FloatArray, IntArray
from evaluation.overlap import check_masks

TREE_POINTS = 100_000
"""With more border points than this a distance map is quicker than a tree."""

HD95_DEFINITION = (
    "larger of the two directed 95th percentiles of the distances between border voxels "
    "(mask minus its 6-neighbour erosion), in mm"
)
ASSD_DEFINITION = "mean of the distances between border voxels, both directions pooled, in mm"
NSD_DEFINITION = "share of border voxels of both masks within the tolerance of the other border"


def surface_distances(
    reference: BoolArray, predicted: BoolArray, spacing_mm: tuple[float, ...]
) -> tuple[FloatArray, FloatArray]:
    """Return the distances from each border to the other.

    Parameters
    ----------
    reference, predicted : ndarray of bool, shape (X, Y) or (X, Y, Z)
        Masks of one structure.
    spacing_mm : tuple of float
        Distance between voxels along each axis; never assumed.

    Returns
    -------
    d_reference, d_predicted : ndarray of float
        One distance per border voxel of the reference, and of the prediction; both empty when
        either mask is.

    Raises
    ------
    ValueError
        If shapes or number of axes do not fit.

    Examples
    --------
    >>> a, b = np.zeros((12, 12), bool), np.zeros((12, 12), bool)
    >>> a[2, 2] = b[2, 5] = True
    >>> surface_distances(a, b, (2.0, 0.5))
    (array([1.5]), array([1.5]))
    """
    check_masks(reference, predicted)
    if len(spacing_mm) != reference.ndim or min(spacing_mm) <= 0:
        raise ValueError(f"spacing_mm {spacing_mm} must have {reference.ndim} lengths above 0")
    if reference.ndim not in (2, 3):
        raise ValueError(f"masks have {reference.ndim} axes; 2 or 3 are known")
    boxes = [bounding_box(reference), bounding_box(predicted)]
    if boxes[0] is None or boxes[1] is None:
        return np.zeros(0), np.zeros(0)
    both = tuple(
        slice(min(a.start, b.start), max(a.stop, b.stop))
        for a, b in zip(boxes[0], boxes[1], strict=True)
    )
    borders = (border(reference[both]), border(predicted[both]))
    points = tuple(np.argwhere(b) for b in borders)
    if max(len(p) for p in points) < TREE_POINTS:
        return _by_tree(points[0], points[1], spacing_mm)
    return _by_map(borders[0], borders[1], spacing_mm)


def bounding_box(mask: BoolArray) -> tuple[slice, ...] | None:
    """Return the smallest box around a mask, or None when it is empty.

    Examples
    --------
    >>> bounding_box(np.array([[False, True], [False, True]]))
    (slice(0, 2, None), slice(1, 2, None))
    """
    box: list[slice] = []
    rest = mask
    for axis in range(mask.ndim):
        # What is outside the box on one axis need not be looked at on the next.
        others = tuple(i for i in range(mask.ndim) if i != axis)
        found = np.flatnonzero(rest.any(axis=others))
        if not found.size:
            return None
        part = slice(int(found[0]), int(found[-1]) + 1)
        box.append(part)
        rest = rest[(slice(None),) * axis + (part,)]
    return tuple(box)


def border(mask: BoolArray) -> BoolArray:
    """Return the voxels of a mask with a neighbour outside it; beyond the array is outside.

    Examples
    --------
    >>> border(np.ones((3, 3), bool)).sum()
    np.int64(8)
    """
    inner = np.pad(mask, 1)
    inside = mask.copy()
    core = (slice(1, -1),) * mask.ndim
    for axis in range(mask.ndim):
        for start, stop in ((0, -2), (2, None)):
            view = list(core)
            view[axis] = slice(start, stop)
            inside &= inner[tuple(view)]
    return mask & ~inside


def _by_tree(
    reference: IntArray, predicted: IntArray, spacing_mm: tuple[float, ...]
) -> tuple[FloatArray, FloatArray]:
    from scipy.spatial import cKDTree

    a, b = reference * np.asarray(spacing_mm), predicted * np.asarray(spacing_mm)
    return (
        np.asarray(cKDTree(b).query(a)[0], dtype=float),
        np.asarray(cKDTree(a).query(b)[0], dtype=float),
    )


def _by_map(
    reference: BoolArray, predicted: BoolArray, spacing_mm: tuple[float, ...]
) -> tuple[FloatArray, FloatArray]:
    from scipy.ndimage import distance_transform_edt

    def distances(from_: BoolArray, to: BoolArray) -> FloatArray:
        return np.asarray(distance_transform_edt(~to, sampling=spacing_mm)[from_], dtype=float)

    return distances(reference, predicted), distances(predicted, reference)


def hd95(d_reference: FloatArray, d_predicted: FloatArray) -> float:
    """Larger of the two directed 95th percentiles; nan when a border is missing.

    Parameters
    ----------
    d_reference, d_predicted : ndarray of float
        Distances of `surface_distances`.

    Examples
    --------
    >>> hd95(np.array([0.0]), np.array([0.0, 3.0, 4.0]))
    3.9
    """
    if not (d_reference.size and d_predicted.size):
        return float("nan")
    return float(max(np.percentile(d_reference, 95), np.percentile(d_predicted, 95)))


def assd(d_reference: FloatArray, d_predicted: FloatArray) -> float:
    """Mean distance over the border voxels of both masks; nan when a border is missing.

    Parameters
    ----------
    d_reference, d_predicted : ndarray of float
        Distances of `surface_distances`.

    Examples
    --------
    >>> assd(np.array([0.0]), np.array([0.0, 3.0, 4.0]))
    1.75
    """
    if not (d_reference.size and d_predicted.size):
        return float("nan")
    return float((d_reference.sum() + d_predicted.sum()) / (d_reference.size + d_predicted.size))


def nsd(d_reference: FloatArray, d_predicted: FloatArray, tolerance_mm: float) -> float:
    """Share of both borders within a tolerance of the other; nan when a border is missing.

    Parameters
    ----------
    d_reference, d_predicted : ndarray of float
        Distances of `surface_distances`.
    tolerance_mm : float
        What a clinician would not correct.

    Examples
    --------
    >>> nsd(np.array([0.0]), np.array([0.0, 3.0, 4.0]), 3.0)
    0.75
    """
    if not tolerance_mm >= 0:
        raise ValueError(f"tolerance_mm {tolerance_mm} must not be negative")
    if not (d_reference.size and d_predicted.size):
        return float("nan")
    # Spacings such as 0.1 have no exact binary form: three steps must still be within 0.3 mm.
    within = tolerance_mm + 1e-9
    close = np.count_nonzero(d_reference <= within) + np.count_nonzero(d_predicted <= within)
    return float(close / (d_reference.size + d_predicted.size))


def diagonal_mm(shape: tuple[int, ...], spacing_mm: tuple[float, ...]) -> float:
    """Diagonal of an image: the declared distance of a structure that was not found.

    Examples
    --------
    >>> round(diagonal_mm((64, 64, 64), (1.0, 1.0, 1.0)), 3)
    110.851
    """
    return math.hypot(*(n * step for n, step in zip(shape, spacing_mm, strict=True)))
