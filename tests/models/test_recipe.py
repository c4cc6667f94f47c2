import dataclasses

import pytest

from models.recipe import Recipe

BASE = Recipe("segmentation", "dynunet", 3, 1, 3, (16, 16, 16), 2, steps=4)


def test_a_recipe_survives_json():
    recipe = dataclasses.replace(BASE, options={"width": 8}, spacing_mm=(1, 1, 3))
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert Recipe.from_json(recipe.to_json()).digest == recipe.digest != BASE.digest


def test_an_unknown_key_is_named():
    with pytest.raises(ValueError, match=r"unknown keys \['learing_rate'\]"):
        Recipe.from_json(BASE.to_json() | {"learing_rate": 1})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"task": "detection"}, "task 'detection'"),
        ({"n_dims": 2}, "n_dims 2, patch_vox"),
        ({"n_outputs": 1}, "n_outputs 1: background"),
        ({"batch": 0}, "must be at least 1"),
        ({"precision": "fp8"}, "precision 'fp8'"),
        ({"learning_rate": 0.0}, "learning_rate 0.0"),
        ({"ema": 1.0}, "ema 1.0"),
        ({"foreground_share": 1.5}, "foreground_share 1.5"),
        ({"spacing_mm": (1.0, 1.0)}, "spacing_mm"),
        ({"checkpoint_every": 0}, "checkpoint_every 0"),
    ],
)
def test_what_cannot_be_trained_is_refused(change, words):
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        dataclasses.replace(BASE, **change)
