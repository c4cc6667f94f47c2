"""From pairs of masks to one row per case, structure and metric; cases in parallel."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from aiops.config import Experiment
from aiops.data.images import grid_difference, read_label
from aiops.errors import DataError
from evaluation import case_metrics_of, case_rows, failed_case_metrics

_OWN = ("case_id", "patient_id", "split", "structure", "reference", "predicted", "status", "reason")
N_JOBS = 2


def case_metrics_of_masks(
    masks: pd.DataFrame, experiment: Experiment, progress: Callable[[int, int], None]
) -> pd.DataFrame:
    """Return the case_metrics table of a masks table.

    A case whose prediction failed, or cannot be read, counts as missed, with its reason.
    """
    tolerance = experiment.evaluation.tolerance_mm
    attributes = [c for c in masks.columns if c not in _OWN]
    groups = [case.to_dict("records") for _, case in masks.groupby("case_id", sort=True)]
    jobs = (
        delayed(_case_rows)(rows, experiment.structures, tolerance, attributes) for rows in groups
    )
    done: list[dict[str, Any]] = []
    results = Parallel(n_jobs=N_JOBS, prefer="threads", return_as="generator")(jobs)
    for i, rows in enumerate(results, start=1):
        done += rows
        progress(i, len(groups))
    return pd.DataFrame(done)


def _case_rows(
    rows: list[dict[str, Any]],
    structures: dict[str, int],
    tolerance: float | dict[str, float] | None,
    attributes: list[str],
) -> list[dict[str, Any]]:
    first = rows[0]
    reference = read_label(first["reference"], case_id=first["case_id"])
    predicted, fault = _predicted(first, reference)
    shared = {name: first[name] for name in ("case_id", "patient_id", "split", *attributes)}
    shared["study_id"] = first["case_id"]
    found: list[dict[str, Any]] = []
    for row in rows:
        name = row["structure"]
        mm = tolerance.get(name) if isinstance(tolerance, dict) else tolerance
        truth = reference.array == structures[name]
        if predicted is None:
            values = failed_case_metrics(truth, spacing_mm=reference.spacing_mm, tolerance_mm=mm)
        else:
            values = case_metrics_of(
                truth,
                predicted == structures[name],
                spacing_mm=reference.spacing_mm,
                tolerance_mm=mm,
            )
        found += case_rows({**shared, "reason": fault}, name, values)
    return found


def _predicted(row: dict[str, Any], reference: Any) -> tuple[np.ndarray | None, str]:
    """Return the predicted label map on the reference's grid, or why there is none."""
    if row["status"] != "ok":
        return None, str(row["reason"] or row["status"])
    try:
        mask = read_label(row["predicted"], case_id=row["case_id"])
    except DataError as fault:
        return None, fault.what
    apart = grid_difference(reference.array.shape, reference.affine, mask.array.shape, mask.affine)
    return (None, f"not on the reference's grid: {apart}") if apart else (mask.array, "")
