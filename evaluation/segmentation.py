"""The figures of one structure in one case, and the table they make.

Nothing is dropped from a mean because it went wrong: what stands for a structure that was missed,
invented, or never returned because the tool failed is said by `MissingStructure`, and counted.
"""

import math
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from evaluation.detection import LESION_COUNTS, match_lesions
from evaluation.estimates import BoolArray, FloatArray
from evaluation.missing import ABSENT, FAILED, FOUND, MISSED, SPURIOUS, MissingStructure
from evaluation.overlap import check_masks, check_spacing, volume_ml, voxel_ml
from evaluation.surface import (
    assd,
    bounding_box,
    hd,
    hd95,
    masd,
    nsd,
    surface_distances,
    union_box,
)

OVERLAPS = ("dice", "iou", "nsd")
DISTANCES = ("hd95_mm", "hd_mm", "assd_mm", "masd_mm")
VOLUMES = ("volume_reference_ml", "volume_predicted_ml", "volume_error_ml")

CASE_METRICS: dict[str, str] = {
    **dict.fromkeys(OVERLAPS, ""),
    **dict.fromkeys(DISTANCES, "mm"),
    **dict.fromkeys(VOLUMES, "ml"),
    "relative_volume_error": "",
    **dict.fromkeys(LESION_COUNTS, ""),
}
"""Figures of a case and their units; the counts of lesions only where they are asked for."""

MEAN = "mean"
"""The structure that stands for the mean over the structures of a case."""

OVER_STRUCTURES = (*OVERLAPS, *DISTANCES)

NAN = float("nan")
DEFAULT = MissingStructure()

CaseMetrics = dict[str, float | str]


def case_metrics_of(
    reference: BoolArray,
    predicted: BoolArray,
    *,
    spacing_mm: tuple[float, ...],
    tolerance_mm: float | None,
    missing: MissingStructure = DEFAULT,
    lesion_iou: float | None = None,
) -> CaseMetrics:
    """Return the figures of one structure in one case.

    Parameters
    ----------
    reference, predicted : ndarray of bool, shape (X, Y) or (X, Y, Z)
        Masks of the structure.
    spacing_mm : tuple of float
        Distance between voxels along each axis.
    tolerance_mm : float or None
        Tolerance of NSD; without it NSD is nan.
    missing : MissingStructure
        What stands for a structure that a mask lacks.
    lesion_iou : float or None
        With it the connected parts are matched as lesions at this IoU and counted.

    Returns
    -------
    dict
        The names of ``CASE_METRICS`` and ``outcome``: found, missed, spurious or absent.

    Raises
    ------
    ValueError
        If the masks are not bool, differ in shape, or do not fit ``spacing_mm``.

    Examples
    --------
    >>> a, b = np.zeros((40, 40), bool), np.zeros((40, 40), bool)
    >>> a[5, 10:20] = b[5, 10:20] = b[25, 10] = True
    >>> found = case_metrics_of(a, b, spacing_mm=(1.0, 1.0), tolerance_mm=1.0)
    >>> found["hd95_mm"], found["outcome"]
    (10.0, 'found')
    """
    check_masks(reference, predicted)
    check_spacing(spacing_mm, reference.ndim)
    boxes = bounding_box(reference), bounding_box(predicted)
    box = union_box(boxes[0] or boxes[1], boxes[1] or boxes[0]) or _nothing(reference.ndim)
    truth, tool = reference[box], predicted[box]
    sizes = tuple(int(np.count_nonzero(m)) for m in (truth, tool, truth & tool))
    distances = None
    if sizes[0] and sizes[1]:
        distances = surface_distances(truth, tool, spacing_mm)
    penalty = missing.distance_mm(reference.shape, spacing_mm)
    found = figures_of(
        sizes, distances, spacing_mm=spacing_mm, tolerance_mm=tolerance_mm, missing=missing,
        penalty=penalty,
    )  # fmt: skip
    return found | lesion_counts(truth, tool, lesion_iou)


def failed_case_metrics(
    reference: BoolArray,
    *,
    spacing_mm: tuple[float, ...],
    tolerance_mm: float | None,
    missing: MissingStructure = DEFAULT,
    lesion_iou: float | None = None,
) -> CaseMetrics:
    """Return the figures of a case the tool failed on or refused: the penalty of a miss.

    Parameters
    ----------
    reference : ndarray of bool
        Mask of the structure, empty or not.
    spacing_mm : tuple of float
        Distance between voxels along each axis.
    tolerance_mm : float or None
        Tolerance of NSD; without it NSD is nan.
    missing : MissingStructure
        How large the penalty is.
    lesion_iou : float or None
        With it the lesions of the reference are counted, all of them missed.

    Examples
    --------
    >>> cube = np.ones((4, 4, 4), bool)
    >>> failed_case_metrics(cube, spacing_mm=(1.0, 1.0, 1.0), tolerance_mm=1.0)["dice"]
    0.0
    """
    box = bounding_box(reference) or _nothing(reference.ndim)
    truth = reference[box]
    penalty = missing.distance_mm(reference.shape, spacing_mm)
    counts = lesion_counts(truth, np.zeros_like(truth), lesion_iou)
    return failed_figures(volume_ml(truth, spacing_mm), penalty, tolerance_mm) | counts


def _nothing(n_axes: int) -> tuple[slice, ...]:
    return (slice(0, 0),) * n_axes


def figures_of(
    sizes: tuple[int, ...],
    distances: tuple[FloatArray, FloatArray] | None,
    *,
    spacing_mm: tuple[float, ...],
    tolerance_mm: float | None,
    missing: MissingStructure,
    penalty: float,
) -> CaseMetrics:
    """Return the figures from voxels of the reference, the prediction and both, and distances."""
    reference, predicted, both = sizes
    volumes = reference * voxel_ml(spacing_mm), predicted * voxel_ml(spacing_mm)
    if not reference and not predicted:
        return _absent(missing, tolerance_mm)
    if distances is None:
        return _penalty(*volumes, penalty, tolerance_mm, MISSED if reference else SPURIOUS)
    return {
        "dice": 2 * both / (reference + predicted),
        "iou": both / (reference + predicted - both),
        "nsd": NAN if tolerance_mm is None else nsd(*distances, tolerance_mm),
        "hd95_mm": hd95(*distances),
        "hd_mm": hd(*distances),
        "assd_mm": assd(*distances),
        "masd_mm": masd(*distances),
        **_volumes(*volumes),
        "outcome": FOUND,
    }


def failed_figures(
    volume_reference: float, penalty: float, tolerance_mm: float | None
) -> CaseMetrics:
    """Return the figures of a structure of a case the tool failed on."""
    return _penalty(volume_reference, 0.0, penalty, tolerance_mm, FAILED)


def _absent(missing: MissingStructure, tolerance_mm: float | None) -> CaseMetrics:
    perfect = missing.counts_absent
    found: CaseMetrics = dict.fromkeys(OVERLAPS, 1.0 if perfect else NAN)
    found |= dict.fromkeys(DISTANCES, 0.0 if perfect else NAN)
    if tolerance_mm is None:
        found["nsd"] = NAN
    found |= _volumes(0.0, 0.0)
    if not perfect:
        found["volume_error_ml"] = NAN
    return found | {"outcome": ABSENT}


def _penalty(
    volume_reference: float,
    volume_predicted: float,
    distance: float,
    tolerance_mm: float | None,
    outcome: str,
) -> CaseMetrics:
    found: CaseMetrics = dict.fromkeys(OVERLAPS, 0.0)
    if tolerance_mm is None:
        found["nsd"] = NAN
    found |= dict.fromkeys(DISTANCES, distance)
    found |= _volumes(volume_reference, volume_predicted)
    return found | {"outcome": outcome}


def _volumes(reference: float, predicted: float) -> CaseMetrics:
    error = predicted - reference
    found: CaseMetrics = dict(zip(VOLUMES, (reference, predicted, error), strict=True))
    # A share of nothing is no number: an invented structure stands under volume_error_ml alone.
    return found | {"relative_volume_error": error / reference if reference else NAN}


def lesion_counts(reference: BoolArray, predicted: BoolArray, at: float | None) -> CaseMetrics:
    """Return how many lesions there are, were found and are false, if they are asked for."""
    if at is None:
        return {}
    match = match_lesions(reference, predicted, iou=at)
    numbers = (match.n_reference, match.n_found, match.n_false)
    return dict(zip(LESION_COUNTS, map(float, numbers), strict=True))


def case_rows(
    identity: Mapping[str, object], structure: str, figures: CaseMetrics
) -> list[dict[str, object]]:
    """Return the rows of the case_metrics table for one structure of one case.

    Parameters
    ----------
    identity : mapping
        The columns that say which case it is: ``case_id, study_id, patient_id, split`` and the
        attributes.
    structure : str
        Name of the structure.
    figures : dict
        What `case_metrics_of` or `failed_case_metrics` returned.

    Examples
    --------
    >>> rows = case_rows({"case_id": "a"}, "liver", {"dice": 0.9, "outcome": "found"})
    >>> rows[0]["metric"], rows[0]["value"]
    ('dice', 0.9)
    """
    return [
        {
            **identity,
            "structure": structure,
            "metric": name,
            "value": figures[name],
            "unit": unit,
            "outcome": figures["outcome"],
        }
        for name, unit in CASE_METRICS.items()
        if name in figures
    ]


def with_mean_rows(case_metrics: pd.DataFrame, missing: MissingStructure = DEFAULT) -> pd.DataFrame:
    """Add rows for the mean over the structures of each case.

    Parameters
    ----------
    case_metrics : DataFrame
        One row per case, structure and metric.
    missing : MissingStructure
        Whether absent structures are left out or count as perfect.

    Returns
    -------
    DataFrame
        The table and, where it has two structures or more and no such rows yet, the rows of
        structure ``mean`` for the metrics of ``OVER_STRUCTURES``. The outcome of a mean is the
        worst of its structures: failed, missed, spurious, found, absent.
    """
    structures = set(case_metrics["structure"])
    if MEAN in structures or len(structures) < 2:
        return case_metrics
    table = case_metrics[case_metrics["metric"].isin(OVER_STRUCTURES)]
    keys = ["case_id", "metric"]
    # A nan that is not an absence (no tolerance given) must make the mean nan, not shrink it.
    present = table if missing.counts_absent else table[table["outcome"] != ABSENT]
    mean = present.groupby(keys, sort=False)["value"].agg(_mean)
    worst = table.groupby(keys, sort=False)["outcome"].agg(_worst)
    first = table.drop_duplicates(keys).set_index(keys)
    rows = first.assign(
        structure=MEAN, value=mean.reindex(first.index), outcome=worst.reindex(first.index)
    ).reset_index()
    return pd.concat([case_metrics, rows[case_metrics.columns]], ignore_index=True)


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return math.fsum(known) / len(known)


def _worst(outcomes: Iterable[str]) -> str:
    seen = set(outcomes)
    order = (FAILED, MISSED, SPURIOUS, FOUND, ABSENT)
    unknown = seen - set(order)
    if unknown:
        raise ValueError(f"outcome {sorted(unknown)} is none of {order}")
    return next(name for name in order if name in seen)
