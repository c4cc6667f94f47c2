"""All structures of a label map at once: one pass over the voxels, whatever their number."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.estimates import BoolArray, IntArray
from evaluation.missing import MissingStructure
from evaluation.overlap import check_spacing, voxel_ml
from evaluation.segmentation import (
    DEFAULT,
    CaseMetrics,
    failed_figures,
    figures_of,
    lesion_counts,
)
from evaluation.surface import border_distances

LabelMap = NDArray[np.integer[Any]]

SLAB_VOXELS = 4_000_000
"""Voxels looked at together: few enough for a small memory."""
TABLE = 65_536
"""Label values below this are looked up in a table, others searched for."""


def label_map_metrics(
    reference: LabelMap,
    predicted: LabelMap | None,
    labels: Mapping[str, int],
    *,
    spacing_mm: tuple[float, ...],
    tolerance_mm: float | Mapping[str, float] | None,
    missing: MissingStructure = DEFAULT,
    lesions: Mapping[str, float] | None = None,
) -> dict[str, CaseMetrics]:
    """Return the figures of every structure of a label map.

    Parameters
    ----------
    reference, predicted : ndarray of int, shape (X, Y) or (X, Y, Z)
        Label maps on one grid; a predicted None is a case the tool failed on.
    labels : mapping of str to int
        Structures and their label values, above 0.
    spacing_mm : tuple of float
        Distance between voxels along each axis.
    tolerance_mm : float, mapping of str to float, or None
        Tolerance of NSD, for all structures or each.
    missing : MissingStructure
        What stands for a structure that a map lacks.
    lesions : mapping of str to float
        Structures whose connected parts are matched as lesions, and at what IoU.

    Returns
    -------
    dict of str to dict
        What `case_metrics_of` says of each structure, or `failed_case_metrics`.

    Raises
    ------
    ValueError
        If the maps differ in shape or hold no whole numbers, a label is below 1 or above 2**63 - 1,
        or there are more than 65,535 labels.

    Examples
    --------
    >>> a = np.array([[0, 1, 1], [2, 2, 0]])
    >>> found = label_map_metrics(
    ...     a, np.where(a == 2, 0, a), {"left": 1, "right": 2},
    ...     spacing_mm=(1.0, 1.0), tolerance_mm=1.0)
    >>> found["left"]["dice"], found["right"]["outcome"]
    (1.0, 'missed')
    """
    check_spacing(spacing_mm, reference.ndim)
    maps = [reference] if predicted is None else [reference, predicted]
    _check(maps, labels)
    if not labels:
        return {}
    penalty = missing.distance_mm(reference.shape, spacing_mm)
    passed = _pass(maps, np.array(sorted(set(labels.values())), np.int64))
    found: dict[str, CaseMetrics] = {}
    for name, value in labels.items():
        mm = tolerance_mm.get(name) if isinstance(tolerance_mm, Mapping) else tolerance_mm
        sizes, borders = passed.of(value)
        if predicted is None:
            found[name] = failed_figures(sizes[0] * voxel_ml(spacing_mm), penalty, mm)
        else:
            distances = None
            if sizes[0] and sizes[1]:
                distances = border_distances(borders[0], borders[1], reference.shape, spacing_mm)
            found[name] = figures_of(
                sizes, distances, spacing_mm=spacing_mm, tolerance_mm=mm, missing=missing,
                penalty=penalty,
            )  # fmt: skip
        if name in (lesions or {}):
            truth = reference == value
            tool = np.zeros_like(truth) if predicted is None else predicted == value
            found[name] |= lesion_counts(truth, tool, (lesions or {})[name])
    return found


def _check(maps: list[LabelMap], labels: Mapping[str, int]) -> None:
    shapes = [m.shape for m in maps]
    if len(set(shapes)) > 1:
        raise ValueError(f"reference {shapes[0]} and predicted {shapes[1]} must match")
    if len(shapes[0]) not in (2, 3):
        raise ValueError(f"label maps have {len(shapes[0])} axes; 2 or 3 are known")
    for name, label_map in zip(("reference", "predicted"), maps, strict=False):
        if not np.issubdtype(label_map.dtype, np.integer):
            raise ValueError(f"{name} is {label_map.dtype}; a label map holds whole numbers")
    odd = {n: v for n, v in labels.items() if v < 1}
    if odd:
        raise ValueError(f"labels {odd} must be 1 or above: 0 is background")
    large = {n: v for n, v in labels.items() if v > np.iinfo(np.int64).max}
    if large:
        raise ValueError(f"labels {large} must be below 2**63")
    n_values = len(set(labels.values()))
    if n_values >= TABLE:
        raise ValueError(f"labels holds {n_values} values; {TABLE - 1} are the most")


@dataclass(frozen=True)
class _Passed:
    """What one pass over the maps keeps: sizes, and border voxels in order of their label."""

    wanted: IntArray
    sizes: IntArray
    borders: list[tuple[IntArray, IntArray]]
    """For each map flat indices, and where each label's begin."""

    def of(self, value: int) -> tuple[tuple[int, ...], list[IntArray]]:
        """Return the voxels of reference, prediction and both, and the borders, of a label."""
        code = int(np.searchsorted(self.wanted, value)) + 1
        borders = [at[starts[code] : starts[code + 1]] for at, starts in self.borders]
        return tuple(int(n) for n in self.sizes[:, code]), borders


def _pass(maps: list[LabelMap], wanted: IntArray) -> _Passed:
    """Go over the maps once, in slabs, so that memory does not grow with the volume."""
    shape = maps[0].shape
    n_codes, row = wanted.size + 1, max(1, math.prod(shape[1:]))
    sizes = np.zeros((3, n_codes), np.int64)
    parts: list[list[tuple[IntArray, NDArray[np.uint16]]]] = [[] for _ in maps]
    step = max(1, SLAB_VOXELS // row)
    for start in range(0, shape[0], step):
        stop = min(start + step, shape[0])
        codes = []
        for i, label_map in enumerate(maps):
            # One row more on either side says which voxels of the slab are on a border.
            low, high = max(start - 1, 0), min(stop + 1, shape[0])
            around = np.pad(
                _codes(label_map[low:high], wanted),
                [(1 - (start - low), 1 - (high - stop)), *[(1, 1)] * (len(shape) - 1)],
            )
            inner = around[(slice(1, -1),) * len(shape)]
            sizes[i] += np.bincount(inner.ravel(), minlength=n_codes)
            at = np.flatnonzero(_is_border(around)).astype(np.int64)
            parts[i].append((at + start * row, inner.ravel()[at]))
            codes.append(inner)
        if len(codes) == 2:
            same = codes[0][codes[0] == codes[1]]
            sizes[2] += np.bincount(same, minlength=n_codes)
    return _Passed(wanted, sizes, [_by_code(p, n_codes) for p in parts])


def _codes(part: LabelMap, wanted: IntArray) -> NDArray[np.uint16]:
    """Return 1, 2, … for the wanted labels in order, and 0 for all else."""
    if part.size and part.min() >= 0 and part.max() < TABLE:
        table = np.zeros(TABLE, np.uint16)
        known = wanted[wanted < TABLE]
        table[known] = np.arange(1, known.size + 1)
        return table[part]
    if part.dtype == np.uint64:
        # Beside int64 numpy would compare as float64, where neighbours above 2**53 are one. What
        # is 2**63 or more becomes negative, and no label is.
        part = part.astype(np.int64)
    at = np.minimum(np.searchsorted(wanted, part), wanted.size - 1)
    return np.where(wanted[at] == part, at + 1, 0).astype(np.uint16)


def _is_border(around: NDArray[np.uint16]) -> BoolArray:
    """Return which inner voxels have a label and a face to another, or to none."""
    core = (slice(1, -1),) * around.ndim
    inner = around[core]
    out = np.zeros(inner.shape, bool)
    for axis in range(around.ndim):
        for side in (slice(0, -2), slice(2, None)):
            view = (*core[:axis], side, *core[axis + 1 :])
            out |= around[view] != inner
    out &= inner > 0
    return out


def _by_code(
    parts: list[tuple[IntArray, NDArray[np.uint16]]], n_codes: int
) -> tuple[IntArray, IntArray]:
    if not parts:
        return np.zeros(0, np.int64), np.zeros(n_codes + 1, np.int64)
    at = np.concatenate([part[0] for part in parts])
    code = np.concatenate([part[1] for part in parts])
    order = np.argsort(code, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(code, minlength=n_codes))])
    return at[order], starts
