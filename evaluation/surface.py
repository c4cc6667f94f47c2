"""Distances between the surfaces of two masks, in millimetres.

One definition, said here once. The border of a mask is the mask without its erosion by 4 (2-D) or
6 (3-D) neighbours; what lies outside the array is background. Distances run from the centre of
each border voxel to the nearest of the other border, and one pair of distance arrays feeds every
figure. HD is the largest; HD95 the larger of the two directed 95th percentiles (linear
interpolation); ASSD is the mean, NSD the share within a tolerance, of the distances of both
directions pooled; MASD is the mean of the two directed means. Other tools pool otherwise, or weigh
by area; figures of two tools are not one.
"""

import math

import numpy as np

from evaluation.estimates import BoolArray, FloatArray, IntArray
from evaluation.overlap import check_masks, check_spacing

MAP_S = 85e-9
"""Seconds a distance map takes for a voxel, and below those a tree takes for a point."""
POINT_S, TIE_S, EACH_S = 0.6e-6, 0.3e-6, 5e-9
PROBES, PROBE_S = 32, 5e-3

_BORDERS = "the distances between border voxels (mask minus its 6-neighbour erosion)"
HD_DEFINITION = f"largest of {_BORDERS}, in mm"
HD95_DEFINITION = f"larger of the two directed 95th percentiles of {_BORDERS}, in mm"
ASSD_DEFINITION = f"mean of {_BORDERS}, both directions pooled, in mm"
MASD_DEFINITION = f"mean of the two directed means of {_BORDERS}, in mm"
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
    check_spacing(spacing_mm, reference.ndim)
    if reference.ndim not in (2, 3):
        raise ValueError(f"masks have {reference.ndim} axes; 2 or 3 are known")
    box = union_box(bounding_box(reference), bounding_box(predicted))
    if box is None:
        return np.zeros(0), np.zeros(0)
    one, other = (np.flatnonzero(border(m[box])) for m in (reference, predicted))
    return border_distances(one, other, reference[box].shape, spacing_mm)


def border_distances(
    reference: IntArray, predicted: IntArray, shape: tuple[int, ...], spacing_mm: tuple[float, ...]
) -> tuple[FloatArray, FloatArray]:
    """Return the distances from each border to the other, given as flat indices.

    Parameters
    ----------
    reference, predicted : ndarray of int
        Border voxels as indices into the flattened array, ascending.
    shape : tuple of int
        Shape of that array.
    spacing_mm : tuple of float
        Distance between voxels along each axis.

    Examples
    --------
    >>> border_distances(np.array([0]), np.array([0, 3]), (2, 3), (1.0, 1.0))
    (array([0.]), array([0., 1.]))
    """
    return (
        _distances(reference, predicted, shape, spacing_mm),
        _distances(predicted, reference, shape, spacing_mm),
    )


def union_box(
    one: tuple[slice, ...] | None, other: tuple[slice, ...] | None
) -> tuple[slice, ...] | None:
    """Return the box around two boxes, or None when either is missing.

    Examples
    --------
    >>> union_box((slice(2, 4),), (slice(0, 3),))
    (slice(0, 4, None),)
    """
    if one is None or other is None:
        return None
    return tuple(
        slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(one, other, strict=True)
    )


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


def _distances(
    from_: IntArray, to: IntArray, shape: tuple[int, ...], spacing_mm: tuple[float, ...]
) -> FloatArray:
    """Return the distance of each voxel of a border to the nearest of the other."""
    out = np.zeros(from_.size)
    if not (from_.size and to.size):
        return out
    # Borders of a good segmentation share many voxels: these need no search.
    apart = to[np.minimum(np.searchsorted(to, from_), to.size - 1)] != from_
    if apart.any():
        here, there = (
            np.stack(np.unravel_index(flat, shape), axis=1) for flat in (from_[apart], to)
        )
        corner = np.minimum(here.min(axis=0), there.min(axis=0))
        here, there = here - corner, there - corner
        box = tuple(int(n) + 1 for n in np.maximum(here.max(axis=0), there.max(axis=0)))
        found = _by_tree(here, there, spacing_mm, most_s=MAP_S * math.prod(box))
        out[apart] = _by_map(here, there, box, spacing_mm) if found is None else found
    return out


def _by_tree(
    here: IntArray, there: IntArray, spacing_mm: tuple[float, ...], *, most_s: float
) -> FloatArray | None:
    """Return the distances by a search tree, or None where that would take longer than `most_s`.

    The estimate counts, it does not measure time: the same masks always go the same way.
    """
    from scipy.spatial import cKDTree

    if len(here) * POINT_S > most_s:
        return None
    a, b = here * np.asarray(spacing_mm), there * np.asarray(spacing_mm)
    tree = cKDTree(b, balanced_tree=False, compact_nodes=False)
    if len(a) * (POINT_S + EACH_S * len(b)) > most_s:
        # A point in the middle of a sphere is as near to one side as to the other, and the search
        # has to look at all of them.
        n_probes = int(np.clip(most_s / PROBE_S, PROBES, 16 * PROBES))
        some = a[np.linspace(0, len(a) - 1, n_probes).astype(np.int64)]
        reach = 1.02 * tree.query(some)[0] + 1e-9
        # A few specks far off have many ties and yet are found soon: they must not decide.
        ties = np.quantile(tree.query_ball_point(some, reach, return_length=True), 0.75)
        if len(a) * (POINT_S + TIE_S * ties) > most_s:
            return None
    return np.asarray(tree.query(a)[0], dtype=float)


def _by_map(
    here: IntArray, there: IntArray, box: tuple[int, ...], spacing_mm: tuple[float, ...]
) -> FloatArray:
    from scipy.ndimage import distance_transform_edt

    outside = np.ones(box, bool)
    outside[tuple(there.T)] = False
    # The nearest voxel is asked for, not the distance of every voxel: half the time and memory.
    nearest = distance_transform_edt(
        outside, sampling=spacing_mm, return_distances=False, return_indices=True
    )
    found = np.stack([axis[tuple(here.T)] for axis in nearest], axis=1)
    steps = (found - here) * np.asarray(spacing_mm)
    return np.asarray(np.sqrt(np.square(steps).sum(axis=1)), dtype=float)


def hd(d_reference: FloatArray, d_predicted: FloatArray) -> float:
    """Largest distance of either border to the other; nan when a border is missing.

    Parameters
    ----------
    d_reference, d_predicted : ndarray of float
        Distances of `surface_distances`.

    Examples
    --------
    >>> hd(np.array([0.0]), np.array([0.0, 3.0, 4.0]))
    4.0
    """
    if not (d_reference.size and d_predicted.size):
        return float("nan")
    return float(max(d_reference.max(), d_predicted.max()))


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


def masd(d_reference: FloatArray, d_predicted: FloatArray) -> float:
    """Mean of the two directed mean distances; nan when a border is missing.

    Unlike `assd` the smaller surface counts as much as the larger one.

    Parameters
    ----------
    d_reference, d_predicted : ndarray of float
        Distances of `surface_distances`.

    Examples
    --------
    >>> masd(np.array([0.0]), np.array([0.0, 3.0, 6.0]))
    1.5
    """
    if not (d_reference.size and d_predicted.size):
        return float("nan")
    return float((d_reference.mean() + d_predicted.mean()) / 2)


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
