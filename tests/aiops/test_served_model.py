import numpy as np
import pandas as pd
import pytest

from aiops.served_model import load, predict
from models import architectures
from models.baselines import fit_table, save_table
from models.inference import save_model
from models.preprocessing import Preprocessing
from models.recipe import Recipe


@pytest.fixture(scope="module")
def outlines(tmp_path_factory):
    """A small 3D network that outlines two structures, untrained."""
    folder = tmp_path_factory.mktemp("model")
    recipe = Recipe("segmentation", "unet", 3, 1, 3, (16, 16, 16), 1)
    preprocessing = Preprocessing("mri", "volume", 3, spacing_mm=(1.0, 1.0, 1.0))
    weights = architectures.build(recipe).state_dict()
    save_model(folder, weights, recipe, preprocessing, {"anterior": 1, "posterior": 2})
    return load(folder)


def test_a_volume_is_outlined_on_its_own_grid(outlines, tmp_path):
    import nibabel

    array = np.random.default_rng(0).normal(size=(10, 12, 8)).astype(np.float32)
    found = predict(outlines, {"array": array[None], "spacing_mm": (1, 1, 2)})
    assert found.shape == array.shape
    assert set(np.unique(found)) <= {0, 1, 2}
    path = tmp_path / "volume.nii.gz"
    nibabel.save(nibabel.Nifti1Image(array, np.diag([1.0, 1.0, 2.0, 1.0])), path)
    [again] = predict(outlines, [str(path)])
    assert (again == found).all()


def test_what_is_no_image_is_refused(outlines):
    with pytest.raises(ValueError, match="an image is a file, an array or a dict, not int"):
        predict(outlines, [3])


def test_a_table_model_takes_a_table(tmp_path):
    frame = pd.DataFrame({"age": np.arange(100.0), "ward": ["a", "b"] * 50})
    model = fit_table(
        frame, frame.age.to_numpy() > 50, numeric=["age"], categorical=["ward"], name="logistic"
    )
    save_table(tmp_path / "readmitted.skops", model)
    served = load(tmp_path)
    found = predict(served, frame)
    assert list(found.columns) == ["readmitted"]
    assert found["readmitted"].to_numpy() == pytest.approx(model.predict_proba(frame))
    with pytest.raises(ValueError, match="a table model takes a DataFrame, not str"):
        predict(served, "cases.csv")
