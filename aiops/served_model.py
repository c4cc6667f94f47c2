"""A trained model as MLflow serves it: this file is the code that MLflow stores and runs.

No pickle is involved. MLflow copies this file beside the model's folder and executes it on
loading; the weights come from safetensors (networks) or skops (tables).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from models.baselines import TableModel
    from models.inference import Model

Served: TypeAlias = "Model | dict[str, TableModel]"


def load(folder: Path) -> Served:
    """Load the model of a folder: a network, or a table model for each finding.

    Parameters
    ----------
    folder : Path
        With ``model.json`` and ``weights.safetensors``, or with a ``.skops`` for each finding.
    """
    if (folder / "model.json").exists():
        from models.inference import load_model

        return load_model(folder)
    from models.baselines import load_table

    return {path.stem: load_table(path) for path in sorted(folder.glob("*.skops"))}


def predict(model: Served, given: Any) -> Any:
    """Predict from files or from arrays.

    Parameters
    ----------
    model : Model or dict of TableModel
        From `load`.
    given : str, ndarray, dict, list of these, or DataFrame
        A file; an array (C, X, Y[, Z]); ``{"array": …, "spacing_mm": …}``; a table with a column
        ``image`` of files; for a table model, the table with its columns.

    Returns
    -------
    DataFrame, ndarray or list of ndarray
        Classification: the probability of each finding, one row an image. Segmentation: label
        images on the grid of the image, in RAS+ order; a list where a list was given.

    Raises
    ------
    ValueError
        If what is given is none of these.
    """
    if isinstance(model, dict):
        if not isinstance(given, pd.DataFrame):
            raise ValueError(f"a table model takes a DataFrame, not {type(given).__name__}")
        return pd.DataFrame({name: one.predict_proba(given) for name, one in model.items()})
    if isinstance(given, pd.DataFrame):
        given = given["image"].tolist()
    many = list(given) if isinstance(given, list | tuple) else [given]
    images = [_image(one, model) for one in many]
    if isinstance(model.targets, dict):
        masks = [model.predict_labels(array, spacing) for array, spacing in images]
        return masks if isinstance(given, list | tuple) else masks[0]
    scores = [model.predict_scores([array], spacing)[0] for array, spacing in images]
    return pd.DataFrame(np.stack(scores), columns=list(model.targets))


def _image(given: Any, model: "Model") -> tuple[np.ndarray, Sequence[float] | None]:
    """Return the voxels, channels first, and their spacing where it is known."""
    if isinstance(given, np.ndarray):
        return given, None
    if isinstance(given, dict):
        return np.asarray(given["array"]), given.get("spacing_mm")
    if not isinstance(given, str | Path):
        raise ValueError(f"an image is a file, an array or a dict, not {type(given).__name__}")
    from aiops.data.images import read_image
    from aiops.pipeline.arrays import fitted

    image = read_image(str(given), colour=model.preprocessing.modality == "photo")
    return fitted(image, model.preprocessing), image.spacing_mm[: model.preprocessing.n_dims]


if __name__ != "aiops.served_model":  # MLflow runs this file under a name of its own
    from aiops.tracking import serve

    serve(load, predict)
