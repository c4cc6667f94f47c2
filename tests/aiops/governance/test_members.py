import numpy as np
import pandas as pd
import pytest

from aiops.files import write_json
from aiops.governance.members import changed_members
from aiops.provenance import content_hash, json_hash
from models import architectures
from models.baselines import fit_table, save_table
from models.inference import save_model
from models.preprocessing import Preprocessing
from models.recipe import Recipe


@pytest.fixture
def trained(tmp_path):
    """A network and a table model, with what training wrote of each."""
    net, table = tmp_path / "model" / "net", tmp_path / "model" / "table"
    recipe = Recipe("segmentation", "unet", 2, 1, 2, (16, 16), 1)
    preprocessing = Preprocessing("mri", "volume", 2, spacing_mm=(1.0, 1.0))
    weights = architectures.build(recipe).state_dict()
    digest = save_model(net, weights, recipe, preprocessing, {"anterior": 1})
    table.mkdir()
    ages = pd.DataFrame({"age": np.arange(20.0)})
    model = fit_table(ages, ages.age.to_numpy() > 9, numeric=["age"], name="logistic")
    save_table(table / "effusion.skops", model)
    tables = json_hash({"effusion": content_hash(table / "effusion.skops")})
    members = {"net": {"digest": digest}, "table": {"digest": tables}}
    write_json(tmp_path / "training.json", {"members": members})
    return tmp_path


def test_what_was_trained_is_known_again(trained, tmp_path):
    assert changed_members(trained) == []
    assert changed_members(tmp_path / "no run") == []


@pytest.mark.parametrize(
    ("member", "name"),
    [("net", "weights.safetensors"), ("net", "model.json"), ("table", "effusion.skops")],
)
def test_a_member_that_was_changed_or_taken_out_is_named(trained, member, name):
    path = trained / "model" / member / name
    path.write_bytes(path.read_bytes().replace(b"1", b"2") + b" ")
    assert changed_members(trained) == [member]
    path.unlink()
    assert changed_members(trained) == [member]
