"""Small cohorts, made on the spot: tables, volumes and films."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image as Picture

from aiops.config import Experiment
from aiops.data.cases import Cases, read_cases


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIOPS_HOME", str(tmp_path / "home"))


def _experiment(**changes: Any) -> Experiment:
    config: dict[str, Any] = {
        "kind": "experiment",
        "use_case": "a-test",
        "task": "classification",
        "data": {"table": "cases.csv", "patient": "patient", "modality": "table"},
        "targets": {"ill": {"label": "ill", "positive": [1]}},
        "primary": {"target": "ill", "metric": "roc_auc"},
        "train": {"budget_minutes": 1},
    }
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(config.get(key), dict) and key != "targets"
        config[key] = {**config[key], **value} if both else value
    return Experiment.model_validate(config)


def _rows(n: int = 60, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "case_id": [f"c{i:04d}" for i in range(n)],
            "patient": [f"p{i // 2:04d}" for i in range(n)],
            "ill": (np.arange(n) // 2 % 3 == 0).astype(int),
            "sex": np.where(np.arange(n) // 2 % 2 == 0, "F", "M"),
            "age": rng.integers(20, 90, n),
        }
    )


@pytest.fixture
def make(tmp_path: Path) -> SimpleNamespace:
    """Give the makers: experiment(**changes), rows(n), cases(rows, **changes), volume, film."""

    def cases(rows: pd.DataFrame, **changes: Any) -> Cases:
        rows.to_csv(tmp_path / "cases.csv", index=False)
        return read_cases(_experiment(**changes), config_path=tmp_path / "config.yaml")

    def volume(
        name: str,
        array: np.ndarray,
        *,
        affine: np.ndarray | None = None,
        codes: tuple[int, int] = (1, 1),
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        matrix = np.eye(4) if affine is None else affine
        nifti = nib.Nifti1Image(array, matrix)
        nifti.set_sform(matrix, codes[0])
        nifti.set_qform(matrix, codes[1])
        nib.save(nifti, path)
        return path

    def film(name: str, array: np.ndarray) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Picture.fromarray(array).save(path)
        return path

    return SimpleNamespace(
        experiment=_experiment, rows=_rows, cases=cases, volume=volume, film=film, folder=tmp_path
    )


@pytest.fixture
def segmentation(make: SimpleNamespace) -> Callable[..., Cases]:
    """Give a maker of segmentation cases from files written under images/ and labels/."""

    def read(ids: list[str], modality: str = "mri", **changes: Any) -> Cases:
        rows = pd.DataFrame({"case_id": ids, "patient": ids})
        data = {
            "image": "images/{case_id}.nii.gz",
            "label": "labels/{case_id}.nii.gz",
            "modality": modality,
        }
        base: dict[str, Any] = {
            "task": "segmentation",
            "targets": {"front": 1, "back": 2},
            "primary": {"target": "mean", "metric": "dice"},
        }
        cases: Cases = make.cases(rows, **{**base, **changes, "data": data})
        return cases

    return read
