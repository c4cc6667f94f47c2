"""Lesions found, missed and invented: connected parts of two masks, matched one to one.

One definition, said here once. Voxels that touch by face, edge or corner are one lesion (26
neighbours in 3-D, 8 in 2-D) unless asked otherwise. A lesion of the reference is found when it is
paired with a predicted one whose overlap over union reaches the threshold; of all ways to pair
them, that with most pairs is taken, and among those the one with the largest overlaps. A lesion
predicted as two is found once and adds one false lesion.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.estimates import BoolArray, Estimate, FloatArray, IntArray
from evaluation.overlap import check_masks
from evaluation.samples import Sample
from evaluation.statistic import Statistic, estimate_of, mean_of, share_of
from evaluation.surface import bounding_box, union_box

LESION_COUNTS = ("n_lesions_reference", "n_lesions_found", "n_false_lesions")
"""What a case says of its lesions; figures are made from the sums of these."""

LESION_METRICS = ("lesion_sensitivity", "lesion_precision", "lesion_f1", "false_lesions")

CONNECTIVITIES = ("full", "face")
PAIRING = "paired one to one at the overlap over union in params, 26-connected"


@dataclass(frozen=True)
class LesionMatch:
    """Which lesions of a case were found.

    Parameters
    ----------
    n_reference, n_predicted : int
        Lesions of each mask.
    pairs : ndarray of int, shape (n_found, 2)
        Paired lesions, numbered from 1 in the order in which their first voxels stand.
    iou : ndarray of float, shape (n_found,)
        Overlap over union of each pair.
    """

    n_reference: int
    n_predicted: int
    pairs: IntArray
    iou: FloatArray

    @property
    def n_found(self) -> int:
        """Lesions of the reference that were found."""
        return len(self.pairs)

    @property
    def n_missed(self) -> int:
        """Lesions of the reference that were not."""
        return self.n_reference - self.n_found

    @property
    def n_false(self) -> int:
        """Predicted lesions that are none, or one found already."""
        return self.n_predicted - self.n_found

    @property
    def f1(self) -> float:
        """Twice the pairs over the lesions of both masks; nan when there are none."""
        total = self.n_reference + self.n_predicted
        return 2 * self.n_found / total if total else float("nan")


def match_lesions(
    reference: BoolArray, predicted: BoolArray, *, iou: float, connectivity: str = "full"
) -> LesionMatch:
    """Pair the lesions of two masks.

    Parameters
    ----------
    reference, predicted : ndarray of bool, shape (X, Y) or (X, Y, Z)
        Masks of one structure.
    iou : float
        Overlap over union at which a pair counts, in [0, 1]; at 0 any shared voxel does.
    connectivity : {"full", "face"}
        Whether voxels that touch by an edge or corner are one lesion, or by a face alone.

    Returns
    -------
    LesionMatch

    Raises
    ------
    ValueError
        If the masks are not bool or differ in shape, or a choice is out of range.

    Examples
    --------
    >>> a, b = np.zeros((8, 8), bool), np.zeros((8, 8), bool)
    >>> a[0, 0:4] = a[6, 6] = b[0, 1:4] = b[3, 0] = True
    >>> found = match_lesions(a, b, iou=0.5)
    >>> found.n_found, found.n_missed, found.n_false, found.iou.tolist()
    (1, 1, 1, [0.75])
    """
    check_masks(reference, predicted)
    if not 0 <= iou <= 1:
        raise ValueError(f"iou {iou} must lie in [0, 1]")
    if connectivity not in CONNECTIVITIES:
        raise ValueError(f"connectivity '{connectivity}' is none of {', '.join(CONNECTIVITIES)}")
    boxes = bounding_box(reference), bounding_box(predicted)
    box = union_box(boxes[0] or boxes[1], boxes[1] or boxes[0])
    if box is None:
        return LesionMatch(0, 0, np.zeros((0, 2), np.int64), np.zeros(0))
    ours, n_ours = _components(reference[box], connectivity)
    theirs, n_theirs = _components(predicted[box], connectivity)
    edges, overlap = _overlaps(ours, theirs, n_theirs)
    fits = overlap >= iou - 1e-12
    edges, overlap = edges[fits], overlap[fits]
    chosen = _best_pairs(edges, overlap, n_ours)
    return LesionMatch(n_ours, n_theirs, edges[chosen], overlap[chosen])


def _components(mask: BoolArray, connectivity: str) -> tuple[IntArray, int]:
    from scipy.ndimage import generate_binary_structure, label

    reach = mask.ndim if connectivity == "full" else 1
    found, n = label(mask, generate_binary_structure(mask.ndim, reach))
    return found.astype(np.int64), int(n)


def _overlaps(ours: IntArray, theirs: IntArray, n_theirs: int) -> tuple[IntArray, FloatArray]:
    """Return the pairs that share a voxel, in order, and their overlap over union."""
    both = (ours > 0) & (theirs > 0)
    keys, shared = np.unique(
        ours[both].astype(np.int64) * (n_theirs + 1) + theirs[both], return_counts=True
    )
    edges = np.stack([keys // (n_theirs + 1), keys % (n_theirs + 1)], axis=1)
    sizes = np.bincount(ours.ravel()), np.bincount(theirs.ravel())
    union = sizes[0][edges[:, 0]] + sizes[1][edges[:, 1]] - shared
    return edges, shared / union


def _best_pairs(edges: IntArray, overlap: FloatArray, n_ours: int) -> IntArray:
    """Return which pairs are taken: as many as can be, then those that overlap most."""
    from scipy.optimize import linear_sum_assignment
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(edges):
        return np.zeros(0, np.int64)
    # Lesions that share no candidate do not compete: each knot of them is solved by itself, or a
    # scan with thousands of specks would need a matrix of millions.
    size = n_ours + int(edges[:, 1].max()) + 1
    graph = coo_array((np.ones(len(edges)), (edges[:, 0] - 1, n_ours + edges[:, 1])), (size, size))
    knot = connected_components(graph, directed=False)[1][edges[:, 0] - 1]
    order = np.argsort(knot, kind="stable")
    chosen: list[int] = []
    for rows in np.split(order, np.flatnonzero(np.diff(knot[order])) + 1):
        ours, i = np.unique(edges[rows, 0], return_inverse=True)
        theirs, j = np.unique(edges[rows, 1], return_inverse=True)
        worth = np.zeros((ours.size, theirs.size))
        # One more pair is worth more than all overlaps together.
        worth[i, j] = 1 + overlap[rows] / (min(worth.shape) + 1)
        which = np.full(worth.shape, -1)
        which[i, j] = rows
        picked = which[linear_sum_assignment(worth, maximize=True)]
        chosen += picked[picked >= 0].tolist()
    return np.sort(np.asarray(chosen, np.int64))


def _counts(sample: Sample) -> tuple[FloatArray, FloatArray, FloatArray]:
    found = [sample.values[name] for name in LESION_COUNTS]
    n_nan = int(np.isnan(np.stack(found)).any(axis=0).sum())
    if n_nan:
        raise ValueError(f"{n_nan} of {sample.patient.size} cases have no count of their lesions")
    return found[0], found[1], found[2]


def lesion_sensitivity_of(sample: Sample) -> Statistic:
    """Share of the lesions of all references that were found."""
    n_reference, n_found, _ = _counts(sample)
    return share_of(sample, n_found, n_reference, none="no lesion is in any reference")


def lesion_precision_of(sample: Sample) -> Statistic:
    """Share of the predicted lesions that are one."""
    _, n_found, n_false = _counts(sample)
    return share_of(sample, n_found, n_found + n_false, none="no lesion was predicted")


def lesion_f1_of(sample: Sample) -> Statistic:
    """Twice the pairs over the lesions of both, summed over all cases."""
    n_reference, n_found, n_false = _counts(sample)
    both = n_reference + n_found + n_false
    return share_of(sample, 2 * n_found, both, none="no lesion is in reference or prediction")


def false_lesions_of(sample: Sample) -> Statistic:
    """Mean number of false lesions of the cases that were answered."""
    # A failed case has no false lesion; counted as 0 it would make a tool look better.
    n_false = np.where(sample.failed, np.nan, _counts(sample)[2])
    return mean_of(sample, n_false, none="no case was answered", is_unit=False)


def lesion_sensitivity(
    n_reference: IntArray,
    n_found: IntArray,
    n_false: IntArray,
    *,
    patient_id: NDArray[np.generic],
    level: float = 0.95,
) -> Estimate:
    """Share of the lesions of all references that were found (lesion-wise recall).

    Parameters
    ----------
    n_reference, n_found, n_false : ndarray of int, shape (n_cases,)
        Lesions of the reference, those found, and false lesions of each case; a failed case has
        found none.
    patient_id : ndarray, shape (n_cases,)
        Lesions of one patient are not independent: the interval uses the effective n.
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    Estimate
        In [0, 1]; ``not_estimable`` and nan when no reference has a lesion. ``n_cases`` counts
        cases, not lesions.

    Examples
    --------
    >>> n = np.array([2, 3, 0]), np.array([2, 1, 0]), np.array([0, 1, 1])
    >>> lesion_sensitivity(*n, patient_id=np.arange(3)).value
    0.6
    """
    return _pooled(lesion_sensitivity_of, (n_reference, n_found, n_false), patient_id, level)


def lesion_precision(
    n_reference: IntArray,
    n_found: IntArray,
    n_false: IntArray,
    *,
    patient_id: NDArray[np.generic],
    level: float = 0.95,
) -> Estimate:
    """Share of the predicted lesions that are one (lesion-wise PPV).

    Parameters
    ----------
    n_reference, n_found, n_false : ndarray of int, shape (n_cases,)
        As for `lesion_sensitivity`.
    patient_id : ndarray, shape (n_cases,)
        Whose case it is.
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    Estimate
        In [0, 1]; ``not_estimable`` and nan when nothing was predicted.

    Examples
    --------
    >>> n = np.array([2, 3, 0]), np.array([2, 1, 0]), np.array([0, 1, 1])
    >>> lesion_precision(*n, patient_id=np.arange(3)).value
    0.6
    """
    return _pooled(lesion_precision_of, (n_reference, n_found, n_false), patient_id, level)


def lesion_f1(
    n_reference: IntArray,
    n_found: IntArray,
    n_false: IntArray,
    *,
    patient_id: NDArray[np.generic],
    level: float = 0.95,
) -> Estimate:
    """Twice the pairs over the lesions of both masks, summed over all cases.

    Parameters
    ----------
    n_reference, n_found, n_false : ndarray of int, shape (n_cases,)
        As for `lesion_sensitivity`.
    patient_id : ndarray, shape (n_cases,)
        Whose case it is.
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    Estimate
        In [0, 1]; ``not_estimable`` and nan when there is no lesion at all.

    Examples
    --------
    >>> n = np.array([2, 3, 0]), np.array([2, 1, 0]), np.array([0, 1, 1])
    >>> lesion_f1(*n, patient_id=np.arange(3)).value
    0.6
    """
    return _pooled(lesion_f1_of, (n_reference, n_found, n_false), patient_id, level)


def _pooled(
    function: Callable[[Sample], Statistic],
    counts: tuple[IntArray, IntArray, IntArray],
    patient_id: NDArray[np.generic],
    level: float,
) -> Estimate:
    given = dict(zip(LESION_COUNTS, (np.asarray(c, float) for c in counts), strict=True))
    shapes = {name: c.shape for name, c in given.items()} | {"patient_id": np.shape(patient_id)}
    if len(set(shapes.values())) > 1:
        raise ValueError(", ".join(f"{n} {s}" for n, s in shapes.items()) + " must match")
    n_reference, n_found, n_false = given.values()
    odd = ~(np.isfinite(n_reference + n_false) & (n_false >= 0))
    odd |= ~((n_found >= 0) & (n_found <= n_reference))
    if odd.any():
        raise ValueError(
            f"{int(odd.sum())} cases have counts that are nan or below 0, or more lesions found "
            "than the reference has"
        )
    sample = Sample.of_patients(patient_id, values=given)
    return estimate_of(function(sample), sample, level=level, definition=f"lesions {PAIRING}")
