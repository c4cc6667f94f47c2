import dataclasses
import subprocess
import sys

import pytest
import torch

from models.architectures import ARCHITECTURES, SEGMENTATION, build, patch_multiple, topology
from models.recipe import Recipe


def recipe_for(name, n_dims):
    if name in SEGMENTATION:
        size = (32, 32, 16)[:n_dims]
        return Recipe("segmentation", name, n_dims, 2, 3, size, 2)
    return Recipe("classification", name, n_dims, 2, 3, (32,) * n_dims, 2, loss="bce")


@pytest.mark.parametrize("n_dims", [2, 3])
@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_each_network_answers_in_the_shape_of_its_task(name, n_dims):
    recipe = recipe_for(name, n_dims)
    network = build(recipe).eval()
    with torch.inference_mode():
        logits = network(torch.zeros(2, 2, *recipe.patch_vox))
    maps = recipe.patch_vox if name in SEGMENTATION else ()
    assert logits.shape == (2, 3, *maps)


def test_the_seed_alone_decides_the_weights():
    recipe = recipe_for("dynunet", 2)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = [p.detach().clone() for p in build(recipe).parameters()]
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    same, other = build(recipe), build(dataclasses.replace(recipe, seed=1))
    assert all(torch.equal(a, b) for a, b in zip(first, same.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other.parameters(), strict=True))


def test_thick_slices_are_spared():
    kernels, strides = topology((64, 64, 16), (0.8, 0.8, 5.0))
    assert kernels[0] == (3, 3, 1)
    assert strides[1] == (2, 2, 1)
    recipe = Recipe("segmentation", "dynunet", 3, 1, 2, (64, 64, 16), 1, spacing_mm=(0.8, 0.8, 5.0))
    multiple = patch_multiple(recipe)
    assert multiple[:2] == (8, 8)
    assert multiple[2] < 8


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"architecture": "unett"}, "architecture 'unett' must be one of"),
        ({"architecture": "resnet18"}, "'resnet18' does not fit task 'segmentation'"),
        ({"options": {"depth": 3}}, "do not fit architecture 'dynunet'"),
        ({"patch_vox": (6, 6)}, "can be halved less than twice"),
    ],
)
def test_what_cannot_be_built_is_named(change, words):
    with pytest.raises(ValueError, match=words):
        build(dataclasses.replace(recipe_for("dynunet", 2), **change))


def test_importing_the_loop_leaves_monai_alone():
    code = "import sys, models.training, models.presets; print('monai' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
