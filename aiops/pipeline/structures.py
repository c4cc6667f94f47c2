"""From pairs of masks to one row per case, structure and metric; cases in parallel."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, cpu_count, delayed

from aiops.config import Experiment
from aiops.data.images import grid_difference, read_label
from aiops.errors import DataError
from evaluation import MissingStructure, case_rows, label_map_metrics

_OWN = ("case_id", "patient_id", "split", "structure", "reference", "predicted", "status", "reason")
MOST_JOBS = 8
"""Cases read at once at most: each holds two label maps in memory."""


@dataclass(frozen=True)
class _Job:
    """What is the same for every case."""

    structures: dict[str, int]
    tolerance_mm: float | dict[str, float] | None
    missing: MissingStructure
    lesions: dict[str, float]
    attributes: list[str]


def missing_policy(experiment: Experiment) -> MissingStructure:
    """Return what the config says of structures that a mask lacks."""
    said = experiment.evaluation.missing
    return MissingStructure(both_empty=said.both_empty, penalty_mm=said.penalty_mm)


def case_metrics_of_masks(
    masks: pd.DataFrame,
    experiment: Experiment,
    progress: Callable[[int, int], None],
    *,
    n_jobs: int | None = None,
) -> pd.DataFrame:
    """Return the case_metrics table of a masks table.

    A case whose prediction failed, or cannot be read, counts as missed, with its reason. Cases
    are worked on by `n_jobs` threads, one for each processor and 8 at most unless said; the order
    of rows does not depend on it.
    """
    job = _Job(
        experiment.structures,
        experiment.evaluation.tolerance_mm,
        missing_policy(experiment),
        experiment.evaluation.lesions,
        [c for c in masks.columns if c not in _OWN],
    )
    groups = [case.to_dict("records") for _, case in masks.groupby("case_id", sort=True)]
    jobs = (delayed(_case_rows)(rows, job) for rows in groups)
    done: list[dict[str, Any]] = []
    n = n_jobs or min(MOST_JOBS, cpu_count())
    results = Parallel(n_jobs=n, prefer="threads", return_as="generator")(jobs)
    for i, rows in enumerate(results, start=1):
        done += rows
        progress(i, len(groups))
    return pd.DataFrame(done)


def _case_rows(rows: list[dict[str, Any]], job: _Job) -> list[dict[str, Any]]:
    first = rows[0]
    reference = read_label(first["reference"], case_id=first["case_id"])
    predicted, fault = _predicted(first, reference)
    shared = {name: first[name] for name in ("case_id", "patient_id", "split", *job.attributes)}
    shared |= {"study_id": first["case_id"], "reason": fault}
    figures = label_map_metrics(
        reference.array,
        predicted,
        {row["structure"]: job.structures[row["structure"]] for row in rows},
        spacing_mm=reference.spacing_mm,
        tolerance_mm=job.tolerance_mm,
        missing=job.missing,
        lesions=job.lesions,
    )
    found: list[dict[str, Any]] = []
    for name, values in figures.items():
        found += case_rows(shared, name, values)
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
