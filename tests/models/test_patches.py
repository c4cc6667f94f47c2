import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.augment import AUGMENTS, Augment
from models.patches import ImageSource, PatchSource, cut, foreground_points, order_of, seed_of


def source(images, targets, patch, *, share=0.5, augment=None, n_outputs=3):
    return PatchSource(
        images=images,
        targets=targets,
        points=[foreground_points(t, i) for i, t in enumerate(targets)],
        patch_vox=patch,
        n_outputs=n_outputs,
        foreground_share=share,
        augment=augment or Augment(),
        spacing_mm=(1.0,) * len(patch),
    )


@given(st.integers(1, 12), st.integers(1, 9), st.integers(0, 5))
def test_every_case_comes_once_before_any_comes_again(n_cases, batch, seed):
    steps = math.ceil(2 * n_cases / batch)
    seen = [c for step in range(steps) for c in order_of(n_cases, batch, step, seed)]
    assert len(seen) == steps * batch
    for turn in range(2):
        assert sorted(seen[turn * n_cases : (turn + 1) * n_cases]) == list(range(n_cases))


def test_seeds_of_neighbours_differ():
    seeds = {seed_of(a, b, c) for a in range(5) for b in range(5) for c in range(40)}
    assert len(seeds) == 1000


def test_an_identity_cut_equals_slicing():
    volume = torch.randn(2, 9, 10, 11)
    centre = torch.tensor([4.0, 4.5, 6.0])
    plain = cut(volume, centre, None, (3, 4, 5))
    assert torch.equal(plain, volume[:, 3:6, 3:7, 4:9])
    turned = cut(volume, centre, torch.eye(3), (3, 4, 5))
    assert torch.allclose(plain, turned, atol=1e-5)


def test_what_lies_outside_is_0():
    volume = torch.ones(1, 3, 3)
    patch = cut(volume, torch.tensor([1.0, 1.0]), None, (7, 5))
    assert patch.sum() == 9
    assert patch[0, 2:5, 1:4].sum() == 9
    far = cut(volume, torch.tensor([30.0, -30.0]), None, (2, 2))
    assert far.abs().sum() == 0


def test_a_quarter_turn_is_a_quarter_turn():
    volume = torch.randn(1, 5, 5)
    quarter = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    turned = cut(volume, torch.tensor([2.0, 2.0]), quarter, (5, 5))
    assert torch.allclose(turned[0], torch.rot90(volume[0], -1), atol=1e-5)


def test_labels_move_with_their_image():
    target = torch.zeros(24, 24, 24, dtype=torch.uint8)
    target[6:18, 8:16, 10:14] = 1
    target[9:15, 10:14, 11:13] = 2
    image = target[None].float()
    batches = source([image], [target], (24, 24, 24), augment=AUGMENTS["mri"])
    for seed in range(3):
        images, labels = batches.batch([0, 0], torch.Generator().manual_seed(seed))
        rounded = images[:, 0].round().long()
        apart = (rounded != labels).float().mean()
        assert apart < 0.02
        assert set(labels.unique().tolist()) == {0, 1, 2}


def test_the_wanted_share_of_patches_holds_a_structure():
    target = torch.zeros(64, 64, dtype=torch.uint8)
    target[60:63, 60:63] = 2
    batches = source([torch.zeros(1, 64, 64)], [target], (8, 8), share=0.7)
    _, labels = batches.batch([0] * 300, torch.Generator().manual_seed(0))
    share = (labels == 2).flatten(1).any(1).float().mean().item()
    assert 0.6 < share < 0.85
    assert (
        source([torch.zeros(1, 64, 64)], [target * 0], (8, 8), share=1.0)
        .batch([0], torch.Generator())[1]
        .sum()
        == 0
    )


def test_patches_lie_inside_where_the_volume_is_larger():
    image = torch.ones(1, 30, 6)
    batches = source([image], [torch.zeros(30, 6, dtype=torch.uint8)], (8, 8))
    images, _ = batches.batch([0] * 50, torch.Generator().manual_seed(0))
    assert (images.sum((1, 2, 3)) == 8 * 6).all()


def test_many_structures_go_the_frugal_way():
    target = torch.randint(0, 20, (16, 16), generator=torch.Generator().manual_seed(0))
    target = target.to(torch.uint8)
    batches = source(
        [target[None].float()], [target], (16, 16), augment=AUGMENTS["ct"], n_outputs=20
    )
    _, labels = batches.batch([0], torch.Generator().manual_seed(0))
    assert labels.shape == (1, 16, 16)
    assert labels.max() < 20


@pytest.mark.parametrize("shape", [(6, 1, 20, 16), (4, 2, 8, 10, 12)])
def test_images_move_by_the_same_rule_as_patches(shape):
    images = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    n_dims = len(shape) - 2
    targets = torch.arange(shape[0]).float()[:, None]
    for name in ("none", "photo"):
        batches = ImageSource(images, targets, AUGMENTS[name], (1.0,) * n_dims)
        got, found = batches.batch([2, 0], torch.Generator().manual_seed(0))
        assert found[:, 0].tolist() == [2, 0]
        assert torch.equal(got, images[[2, 0]]) == (name == "none")
    moved = Augment(rotate_deg=30, scale=0.2, shift=0.1)
    whole = ImageSource(images, targets, moved, (1.0,) * n_dims)
    labels = torch.zeros(shape[2:], dtype=torch.uint8)
    patches = source([images[0]], [labels], shape[2:], augment=moved)
    one, _ = whole.batch([0], torch.Generator().manual_seed(4))
    two, _ = patches.batch([0], torch.Generator().manual_seed(4))
    middle = (0, 0, *(slice(n // 2 - 2, n // 2 + 2) for n in shape[2:]))
    assert torch.allclose(one[middle], two[middle], atol=1e-4)
