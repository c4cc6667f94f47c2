"""Each file of a set is read once; what audit, fingerprint and split need to know is kept."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from aiops.data.cases import Cases
from aiops.data.images import (
    FileMissingError,
    FractionalLabelError,
    Image,
    Label,
    Original,
    file_of,
    read_image,
    read_label,
)
from aiops.errors import DataError

Progress = Callable[[int, int], None]
T = TypeVar("T")

PERCENTILES = (0.5, 5.0, 50.0, 95.0, 99.5)
THUMBNAIL = 16
SAMPLE_CASE = 10_000
SAMPLE_ALL = 20_000_000
"""Voxels kept for the statistics of intensities, of a case and in all."""


@dataclass(frozen=True, eq=False)
class ImageFacts:
    """What is known of one image file, without its voxels."""

    ref: str
    shape: tuple[int, ...]
    n_channels: int
    spacing_mm: tuple[float, ...]
    affine: NDArray[np.float64]
    original: Original
    n_not_finite: int
    minimum: float
    maximum: float
    percentiles: tuple[float, ...]
    """At `PERCENTILES`, of all finite voxels."""
    content: str
    """SHA-256 of the decoded voxels and their shape."""
    sample: NDArray[np.float32]
    """Voxels spread evenly over the image, shape (n_channels, n)."""
    foreground: NDArray[np.float32]
    """Voxels spread evenly over the labelled structures, shape (n_channels, n)."""
    thumbnail: NDArray[np.float32] | None
    """Of a picture: a few pixels along each side, with mean 0 and standard deviation 1."""


@dataclass(frozen=True, eq=False)
class LabelFacts:
    """What is known of one label file, without its voxels."""

    ref: str
    shape: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    affine: NDArray[np.float64]
    original: Original
    is_stored_whole: bool
    n_voxels: dict[int, int]
    """Voxels of each value but 0."""
    content: str


@dataclass(frozen=True, eq=False)
class CaseFacts:
    """What is known of one case: its files, and what kept them from being read."""

    case_id: str
    images: dict[str, ImageFacts] = field(default_factory=dict)
    """By column: ``image``, or ``image:<channel>``."""
    label: LabelFacts | None = None
    faults: tuple[tuple[str, str, str], ...] = ()
    """Code, file and detail."""


def survey(
    cases: Cases,
    *,
    labels_only: bool = False,
    progress: Progress | None = None,
    n_jobs: int = 2,
) -> dict[str, CaseFacts]:
    """Read every file of the cases once.

    Parameters
    ----------
    cases : Cases
        The cases.
    labels_only : bool, default=False
        Read the labels and leave the images alone.
    progress : callable, optional
        Called with the cases done and their number.
    n_jobs : int, default=2
        Threads; the memory needed is that of so many cases.

    Returns
    -------
    dict
        `CaseFacts` by case id. What cannot be read is a fault in it, not an error.
    """
    columns = () if labels_only else cases.image_columns
    has_label = "label" in cases.frame.columns
    refs = cases.frame[["case_id", *columns, *(["label"] if has_label else [])]]
    jobs = refs.to_dict("records")
    n_sample = max(100, min(SAMPLE_CASE, SAMPLE_ALL // max(len(jobs), 1)))
    colour = cases.experiment.data.modality == "photo"
    return survey_files(
        [{str(k): (v if isinstance(v, str) else None) for k, v in job.items()} for job in jobs],
        n_sample=n_sample,
        colour=colour,
        progress=progress,
        n_jobs=n_jobs,
    )


def survey_files(
    jobs: list[dict[str, str | None]],
    *,
    n_sample: int = 1000,
    colour: bool = False,
    progress: Progress | None = None,
    n_jobs: int = 2,
) -> dict[str, CaseFacts]:
    """Read the files of rows with case_id, image (or ``image:<channel>``) and label."""
    if not jobs:
        return {}
    calls = (delayed(_facts_of)(job, n_sample, colour) for job in jobs)
    batch = 1 if len(jobs) < 500 else 16
    found: Iterable[CaseFacts] = Parallel(
        n_jobs=n_jobs, backend="threading", batch_size=batch, return_as="generator"
    )(calls)
    facts: dict[str, CaseFacts] = {}
    for done, fact in enumerate(found, start=1):
        facts[fact.case_id] = fact
        if progress is not None:
            progress(done, len(jobs))
    return facts


def _facts_of(job: dict[str, str | None], n_sample: int, colour: bool) -> CaseFacts:
    case_id = job["case_id"] or ""
    faults: list[tuple[str, str, str]] = []
    label: Label | None = None
    label_facts = None
    if ref := job.get("label"):
        label = _attempt(faults, ref, partial(read_label, ref, case_id=case_id))
        label_facts = _label_facts(ref, label) if label else None
    images = {}
    for column, image_ref in job.items():
        if (column != "image" and not column.startswith("image:")) or image_ref is None:
            continue
        read = partial(read_image, image_ref, case_id=case_id, colour=colour)
        image = _attempt(faults, image_ref, read)
        if image is not None:
            mask = label.array > 0 if label is not None else None
            images[column] = _image_facts(image_ref, image, mask, n_sample)
    return CaseFacts(case_id, images, label_facts, tuple(faults))


def _attempt(faults: list[tuple[str, str, str]], ref: str, read: Callable[[], T]) -> T | None:
    """Read a file; what goes wrong becomes a fault of the case."""
    try:
        return read()
    except FileMissingError as fault:
        faults.append(("FILE_MISSING", file_of(ref).name, fault.what))
    except FractionalLabelError as fault:
        faults.append(("LABEL_FRACTIONAL", file_of(ref).name, fault.what))
    except DataError as fault:
        faults.append(("FILE_UNREADABLE", file_of(ref).name, fault.what))
    return None


def _image_facts(
    ref: str, image: Image, mask: NDArray[np.bool_] | None, n_sample: int
) -> ImageFacts:
    array = image.array
    flat = array.reshape(len(array), -1)
    finite = np.isfinite(flat)
    n_not_finite = int(flat.size - np.count_nonzero(finite))
    values = flat.ravel() if n_not_finite == 0 else flat[finite]
    # A million voxels give a percentile to a thousandth of its rank; sorting all takes seconds.
    thinned = values[:: max(1, values.size // 1_000_000)]
    seen = thinned.size > 0
    marked = np.empty((len(array), 0), dtype=np.float32)
    if mask is not None and mask.shape == array.shape[1:]:
        inside = np.flatnonzero(mask)
        marked = flat[:, inside[_spread(inside.size, n_sample)]]
    return ImageFacts(
        ref=ref,
        shape=array.shape[1:],
        n_channels=len(array),
        spacing_mm=image.spacing_mm,
        affine=image.affine,
        original=replace(image.original, header=None),
        n_not_finite=n_not_finite,
        minimum=float(values.min()) if seen else float("nan"),
        maximum=float(values.max()) if seen else float("nan"),
        percentiles=tuple(
            float(p) for p in (np.percentile(thinned, PERCENTILES) if seen else [np.nan] * 5)
        ),
        content=_digest(array),
        sample=flat[:, _spread(flat.shape[1], n_sample)],
        foreground=marked,
        thumbnail=_thumbnail(array[0]) if array.ndim == 3 and n_not_finite == 0 else None,
    )


def _thumbnail(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    from PIL import Image as Picture

    small = Picture.fromarray(pixels).resize((THUMBNAIL, THUMBNAIL), Picture.Resampling.BOX)
    values = np.asarray(small, dtype=np.float32)
    spread = values.std()
    return np.asarray((values - values.mean()) / (spread if spread > 0 else 1))


def _spread(n_places: int, n: int) -> NDArray[np.intp]:
    """Return at most `n` of the places, evenly spread: the same each time, with no dice."""
    return np.linspace(0, n_places - 1, min(n, n_places)).astype(np.intp)


def _label_facts(ref: str, label: Label) -> LabelFacts:
    return LabelFacts(
        ref=ref,
        shape=label.array.shape,
        spacing_mm=label.spacing_mm,
        affine=label.affine,
        original=replace(label.original, header=None),
        is_stored_whole=label.is_stored_whole,
        n_voxels=count_values(label.array),
        content=_digest(label.array),
    )


def count_values(array: NDArray[np.integer[Any]]) -> dict[int, int]:
    """Return how many voxels have each value other than 0.

    Examples
    --------
    >>> count_values(np.array([0, 2, 2, 1]))
    {1: 1, 2: 2}
    """
    if array.dtype == np.uint8:
        counts = np.zeros(256, dtype=np.int64)
        flat = array.reshape(-1)
        for start in range(0, flat.size, 1 << 22):  # bincount makes 8 bytes of each voxel
            counts += np.bincount(flat[start : start + (1 << 22)], minlength=256)
        values = np.flatnonzero(counts)
        return {int(v): int(counts[v]) for v in values if v}
    found, n = np.unique(array, return_counts=True)
    return {int(v): int(k) for v, k in zip(found, n, strict=True) if v}


def _digest(array: NDArray[Any]) -> str:
    whole = np.ascontiguousarray(array)
    head = f"{whole.dtype.str}{whole.shape}".encode()
    digest = hashlib.sha256(head)
    digest.update(whole.data)
    return digest.hexdigest()
