"""Fingerprint: what the data are like, in figures that a person can read and a plan can use."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aiops.data.cases import CONFLICTING, Cases
from aiops.data.survey import PERCENTILES, CaseFacts, ImageFacts, Progress, survey
from aiops.provenance import content_hash, json_hash

_QUARTILES = (0, 5, 25, 50, 75, 95, 100)


def fingerprint(
    cases: Cases,
    *,
    facts: Mapping[str, CaseFacts] | None = None,
    excluded: Collection[str] = (),
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Describe the cases.

    Parameters
    ----------
    cases : Cases
        The cases.
    facts : mapping, optional
        Of `audit`; without it every file is read again.
    excluded : collection of str
        Case ids that the audit leaves out.
    progress : callable, optional
        Called with the cases read and their number.

    Returns
    -------
    dict
        Ready for fingerprint.json: n_cases, n_patients, images, intensities, labels, targets,
        attributes, features, content_hash. What cannot be said is None.
    """
    left = cases.without(excluded)
    if facts is None:
        has_files = bool(left.image_columns) or "label" in left.frame.columns
        facts = survey(left, progress=progress) if has_files else {}
    known = {c: facts[c] for c in left.frame["case_id"] if c in facts}
    counts = left.frame["patient_id"].value_counts()
    return {
        "n_cases": len(left),
        "n_patients": left.n_patients,
        "patients_known": left.patients_known,
        "n_excluded": len(cases) - len(left),
        "cases_per_patient": _spread(counts.to_numpy()),
        "modality": left.experiment.data.modality,
        "images": _images(known),
        "intensities": _intensities(known),
        "labels": _labels(known, left.experiment.structures),
        "targets": _targets(left),
        "attributes": _attributes(left),
        "features": _features(left),
        "content_hash": _content(left, known),
    }


def _spread(values: NDArray[Any]) -> dict[str, float] | None:
    """Return percentiles of some numbers."""
    if len(values) == 0:
        return None
    found = np.percentile(np.asarray(values, dtype=np.float64), _QUARTILES)
    return {f"p{q}": round(float(v), 6) for q, v in zip(_QUARTILES, found, strict=True)}


def _images(facts: Mapping[str, CaseFacts]) -> dict[str, Any] | None:
    first: list[ImageFacts] = [next(iter(f.images.values())) for f in facts.values() if f.images]
    if not first:
        return None
    n_dims = max({len(i.shape) for i in first}, key=[len(i.shape) for i in first].count)
    alike = [i for i in first if len(i.shape) == n_dims]
    shapes = np.array([i.shape for i in alike])
    spacings = np.array([i.spacing_mm for i in alike])
    axes = ("x", "y", "z") if n_dims == 3 else ("rows", "columns")
    is_placed = any(i.original.kind == "nifti" for i in alike)
    files = [list(f.images) for f in facts.values() if f.images]
    n_channels = [sum(i.n_channels for i in f.images.values()) for f in facts.values() if f.images]
    return {
        "n": len(first),
        "n_dims": n_dims,
        "channels": max(files, key=len),
        "n_channels": int(np.bincount(n_channels).argmax()),
        "shape_vox": {a: _spread(shapes[:, k]) for k, a in enumerate(axes)},
        "spacing_mm": {a: _spread(spacings[:, k]) for k, a in enumerate(axes)}
        if is_placed
        else None,
        "extent_mm": {a: _spread((shapes * spacings)[:, k]) for k, a in enumerate(axes)}
        if is_placed
        else None,
        "orientation": _shares([i.original.orientation for i in alike]) if is_placed else None,
        "dtype": _shares([i.original.dtype for i in alike]),
    }


def _shares(values: list[str]) -> dict[str, int]:
    return {str(k): int(n) for k, n in pd.Series(values).value_counts().items()}


def _intensities(facts: Mapping[str, CaseFacts]) -> dict[str, Any] | None:
    """Return statistics of each channel: over all voxels, and over labelled ones."""
    columns = list(dict.fromkeys(column for f in facts.values() for column in f.images))
    found: dict[str, Any] = {}
    for column in columns:
        images = [f.images[column] for f in facts.values() if column in f.images]
        n_channels = int(np.bincount([i.n_channels for i in images]).argmax())
        images = [i for i in images if i.n_channels == n_channels]
        for k in range(n_channels):
            name = column.removeprefix("image:") + (f"[{k}]" if n_channels > 1 else "")
            marked = np.concatenate([i.foreground[k] for i in images])
            found[name] = {
                "overall": _statistics(np.concatenate([i.sample[k] for i in images])),
                "foreground": _statistics(marked),
                "minimum": min(i.minimum for i in images),
                "maximum": max(i.maximum for i in images),
                "range_per_case": _spread(
                    np.array([i.percentiles[-1] - i.percentiles[0] for i in images])
                ),
            }
    return found or None


def _statistics(values: NDArray[np.float32]) -> dict[str, Any] | None:
    """Return percentiles, mean and standard deviation of the finite values."""
    finite = values[np.isfinite(values)].astype(np.float64)
    if finite.size == 0:
        return None
    found = np.percentile(finite, PERCENTILES)
    named = {f"p{q:g}": float(v) for q, v in zip(PERCENTILES, found, strict=True)}
    return {
        **named,
        "mean": float(finite.mean()),
        "sd": float(finite.std()),
        "n_sampled": int(finite.size),
    }


def _labels(facts: Mapping[str, CaseFacts], structures: Mapping[str, int]) -> dict[str, Any] | None:
    labelled = [f.label for f in facts.values() if f.label is not None]
    if not labelled:
        return None
    found = {}
    for name, value in structures.items():
        n_voxels = np.array([label.n_voxels.get(value, 0) for label in labelled])
        voxel_ml = np.array([float(np.prod(label.spacing_mm)) / 1000 for label in labelled])
        here = n_voxels > 0
        found[name] = {
            "value": value,
            "n_present": int(here.sum()),
            "n_absent": int((~here).sum()),
            "voxels": _spread(n_voxels[here]),
            "volume_ml": _spread((n_voxels * voxel_ml)[here]),
            "share_of_image": float(
                n_voxels.sum() / sum(int(np.prod(label.shape)) for label in labelled)
            ),
        }
    return {"n": len(labelled), "structures": found}


def _targets(cases: Cases) -> dict[str, Any] | None:
    found = {}
    for name in cases.experiment.findings:
        y = cases.frame[f"y:{name}"]
        positive = cases.frame.loc[y.eq(1), "patient_id"].nunique()
        found[name] = {
            "n_positive": int(y.eq(1).sum()),
            "n_negative": int(y.eq(0).sum()),
            "n_missing": int(y.isna().sum()),
            "n_patients_positive": int(positive),
            "prevalence": float(y.mean()) if y.notna().any() else None,
        }
    return found or None


def _attributes(cases: Cases) -> dict[str, Any]:
    found = {}
    for name in cases.attributes:
        group = cases.frame[name]
        patients = cases.frame["patient_id"].groupby(group).nunique().to_dict()
        found[name] = {
            "missing_share": float(group.isna().mean()),
            "conflicting_share": float(group.eq(CONFLICTING).mean()),
            "groups": {
                str(level): {"n_cases": int(n), "n_patients": int(patients[level])}
                for level, n in group.value_counts().sort_index().items()
            },
        }
    return found


def _features(cases: Cases) -> dict[str, Any] | None:
    features = cases.experiment.data.features
    if features is None:
        return None
    table = cases.features()
    found: dict[str, Any] = {}
    for column in features.numeric:
        values = table[column].to_numpy(dtype=np.float64)
        found[column] = {
            "kind": "numeric",
            "missing_share": float(np.isnan(values).mean()),
            "spread": _spread(values[np.isfinite(values)]),
        }
    for column in features.categorical:
        found[column] = {
            "kind": "categorical",
            "missing_share": float(table[column].isna().mean()),
            "n_levels": int(table[column].nunique()),
        }
    return found


def _content(cases: Cases, facts: Mapping[str, CaseFacts]) -> str:
    """Return one hash of decoded images, labels and table, whatever the order of rows and files.

    A file that was compressed again, or moved, leaves it as it was.
    """
    if not facts:
        return json_hash([content_hash(cases.table_path), sorted(cases.frame["case_id"])])
    told = [c for c in cases.frame.columns if c.startswith(("y:", "raw:", "x:", "score:"))]
    frame = cases.frame.sort_values("case_id")
    rows = frame[["case_id", "patient_id", *told]].astype(object)
    cells = rows.where(rows.notna(), None).to_numpy().tolist()
    files = [
        [
            *(image.content for image in facts[c].images.values()),
            facts[c].label.content if facts[c].label else "",  # type: ignore[union-attr]
        ]
        if c in facts
        else []
        for c in frame["case_id"]
    ]
    return json_hash([cells, files])
