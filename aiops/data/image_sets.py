"""Sets of images in one `.npz` file, as medical benchmarks are handed around: rows of a table."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from aiops.errors import DataError


def npz_rows(path: Path) -> pd.DataFrame:
    """Return one row per image of an `.npz` set.

    Arrays named ``train_images`` and ``train_labels`` give rows ``train-00000``, … with the
    columns case_id, subset, index, image, label; ``images`` and ``labels`` alone give the subset
    ``all``. Another one-dimensional array ``train_age`` of the same length gives a column ``age``.

    Raises
    ------
    DataError
        If the file cannot be read, or has no array of images.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names = list(arrays.files)
            tables = [_npz_subset(path, arrays, name) for name in names if _is_images(name)]
    except (OSError, ValueError, EOFError, KeyError, BadZipFile) as fault:
        raise DataError(
            f"the .npz set cannot be read: {(str(fault).splitlines() or ['cut short'])[0]}",
            where=str(path),
            fix="save it again with numpy.savez_compressed, with no array of objects",
        ) from fault
    if not tables:
        raise DataError(
            f"no array of images among: {', '.join(names) or 'nothing'}",
            where=str(path),
            fix="name the arrays images and labels, or train_images and train_labels",
        )
    return pd.concat(tables, ignore_index=True)


def _is_images(name: str) -> bool:
    return name == "images" or name.endswith("_images")


def _npz_subset(path: Path, arrays: Any, name: str) -> pd.DataFrame:
    prefix = name[: -len("images")]
    subset = prefix.rstrip("_") or "all"
    n_cases = len(arrays[name])
    columns: dict[str, Sequence[str | None]] = {
        "case_id": [f"{subset}-{i:05d}" for i in range(n_cases)],
        "subset": [subset] * n_cases,
        "index": [str(i) for i in range(n_cases)],
        "image": [f"{path.resolve()}#{name}[{i}]" for i in range(n_cases)],
    }
    for other in arrays.files:
        if other == name or not other.startswith(prefix) or (not prefix and "_" in other):
            continue
        column = {"labels": "label"}.get(other[len(prefix) :], other[len(prefix) :])
        values = arrays[other]
        if len(values) != n_cases:
            raise ValueError(f"{other} has {len(values)} rows, {name} has {n_cases}")
        flat = values.reshape(n_cases, -1) if values.ndim <= 2 else np.empty((n_cases, 0))
        for k in range(flat.shape[1]):
            key = column if flat.shape[1] == 1 else f"{column}_{k}"
            columns[key] = [str(cell) for cell in flat[:, k].tolist()]
    return pd.DataFrame(columns)
