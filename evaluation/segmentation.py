"""The figures of one structure in one case, and what a missing structure costs.

Nothing is dropped from a mean because it went wrong. A structure that was missed, invented, or
never returned because the tool failed has Dice 0, NSD 0, and the image's diagonal as its distance:
a declared penalty, counted and shown. Only a structure that is in neither mask has no figure.
"""

from collections.abc import Iterable, Mapping

import pandas as pd

from evaluation.estimates import BoolArray
from evaluation.overlap import check_masks, dice, volume_ml
from evaluation.surface import assd, diagonal_mm, hd95, nsd, surface_distances

FOUND, MISSED, SPURIOUS, ABSENT, FAILED = "found", "missed", "spurious", "absent", "failed"

CASE_METRICS = {
    "dice": "",
    "nsd": "",
    "hd95_mm": "mm",
    "assd_mm": "mm",
    "volume_reference_ml": "ml",
    "volume_predicted_ml": "ml",
    "volume_error_ml": "ml",
}
"""Figures of a case and their units."""

MEAN = "mean"
"""The structure that stands for the mean over the structures of a case."""

OVER_STRUCTURES = ("dice", "nsd", "hd95_mm", "assd_mm")

CaseMetrics = dict[str, float | str]


def case_metrics_of(
    reference: BoolArray,
    predicted: BoolArray,
    *,
    spacing_mm: tuple[float, ...],
    tolerance_mm: float | None,
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

    Returns
    -------
    dict
        The names of ``CASE_METRICS`` and ``outcome``: found, missed, spurious or absent.

    Examples
    --------
    >>> import numpy as np
    >>> a, b = np.zeros((40, 40), bool), np.zeros((40, 40), bool)
    >>> a[5, 10:20] = b[5, 10:20] = b[25, 10] = True
    >>> found = case_metrics_of(a, b, spacing_mm=(1.0, 1.0), tolerance_mm=1.0)
    >>> found["hd95_mm"], found["outcome"]
    (10.0, 'found')
    """
    check_masks(reference, predicted)
    volumes = volume_ml(reference, spacing_mm), volume_ml(predicted, spacing_mm)
    is_there, is_found = bool(reference.any()), bool(predicted.any())
    if not is_there and not is_found:
        nothing: CaseMetrics = dict.fromkeys(CASE_METRICS, float("nan"))
        nothing |= {"volume_reference_ml": 0.0, "volume_predicted_ml": 0.0, "outcome": ABSENT}
        return nothing
    if not (is_there and is_found):
        diagonal = diagonal_mm(reference.shape, spacing_mm)
        return _penalty(*volumes, diagonal, tolerance_mm, MISSED if is_there else SPURIOUS)
    d_reference, d_predicted = surface_distances(reference, predicted, spacing_mm)
    share = float("nan")
    if tolerance_mm is not None:
        share = nsd(d_reference, d_predicted, tolerance_mm)
    return {
        "dice": dice(reference, predicted),
        "nsd": share,
        "hd95_mm": hd95(d_reference, d_predicted),
        "assd_mm": assd(d_reference, d_predicted),
        "volume_reference_ml": volumes[0],
        "volume_predicted_ml": volumes[1],
        "volume_error_ml": volumes[1] - volumes[0],
        "outcome": FOUND,
    }


def failed_case_metrics(
    reference: BoolArray, *, spacing_mm: tuple[float, ...], tolerance_mm: float | None
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

    Examples
    --------
    >>> import numpy as np
    >>> cube = np.ones((4, 4, 4), bool)
    >>> failed_case_metrics(cube, spacing_mm=(1.0, 1.0, 1.0), tolerance_mm=1.0)["dice"]
    0.0
    """
    diagonal = diagonal_mm(reference.shape, spacing_mm)
    volume = volume_ml(reference, spacing_mm)
    return _penalty(volume, 0.0, diagonal, tolerance_mm, FAILED)


def _penalty(
    volume_reference: float,
    volume_predicted: float,
    diagonal: float,
    tolerance_mm: float | None,
    outcome: str,
) -> CaseMetrics:
    return {
        "dice": 0.0,
        "nsd": float("nan") if tolerance_mm is None else 0.0,
        "hd95_mm": diagonal,
        "assd_mm": diagonal,
        "volume_reference_ml": volume_reference,
        "volume_predicted_ml": volume_predicted,
        "volume_error_ml": volume_predicted - volume_reference,
        "outcome": outcome,
    }


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


def with_mean_rows(case_metrics: pd.DataFrame) -> pd.DataFrame:
    """Add rows for the mean over the structures of each case, absent ones left out.

    Parameters
    ----------
    case_metrics : DataFrame
        One row per case, structure and metric.

    Returns
    -------
    DataFrame
        The table and, where it has two structures or more and no such rows yet, the rows of
        structure ``mean`` for Dice, NSD, HD95 and ASSD. The outcome of a mean is the worst of
        its structures: failed, missed, spurious, found, absent.
    """
    structures = set(case_metrics["structure"])
    if MEAN in structures or len(structures) < 2:
        return case_metrics
    table = case_metrics[case_metrics["metric"].isin(OVER_STRUCTURES)]
    keys = ["case_id", "metric"]
    # A nan that is not an absence (no tolerance given) must make the mean nan, not shrink it.
    present = table[table["outcome"] != ABSENT]
    mean = present.groupby(keys, sort=False)["value"].agg(lambda v: v.mean(skipna=False))
    worst = table.groupby(keys, sort=False)["outcome"].agg(_worst)
    first = table.drop_duplicates(keys).set_index(keys)
    rows = first.assign(
        structure=MEAN, value=mean.reindex(first.index), outcome=worst.reindex(first.index)
    ).reset_index()
    return pd.concat([case_metrics, rows[case_metrics.columns]], ignore_index=True)


def _worst(outcomes: Iterable[str]) -> str:
    seen = set(outcomes)
    order = (FAILED, MISSED, SPURIOUS, FOUND, ABSENT)
    unknown = seen - set(order)
    if unknown:
        raise ValueError(f"outcome {sorted(unknown)} is none of {order}")
    return next(name for name in order if name in seen)
