import pytest
import torch

from models.augment import AUGMENTS, Augment, affine, intensity, pick, shifts


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", sorted(AUGMENTS))
@pytest.mark.parametrize("shape", [(3, 1, 16, 16), (2, 2, 8, 9, 10)])
def test_each_preset_keeps_shape_and_repeats_with_its_seed(name, shape):
    batch = torch.randn(shape, generator=gen(9))
    kept = batch.clone()
    first = intensity(batch, AUGMENTS[name], gen(1))
    assert first.shape == batch.shape
    assert torch.isfinite(first).all()
    assert torch.equal(first, intensity(batch, AUGMENTS[name], gen(1)))
    assert torch.equal(batch, kept)
    if name != "none":
        assert not torch.equal(first, intensity(batch, AUGMENTS[name], gen(2)))


@pytest.mark.parametrize(
    "augment",
    [
        Augment(noise=1.0, share=1),
        Augment(blur_vox=1.0, share=1),
        Augment(brightness=1.0, share=1),
        Augment(contrast=0.5, share=1),
        Augment(gamma=0.5, share=1),
        Augment(bias_field=0.5, share=1),
    ],
)
def test_each_change_happens_and_only_to_the_share_asked_for(augment):
    batch = torch.randn(40, 1, 12, 12, generator=gen(3))
    changed = (intensity(batch, augment, gen()) != batch).flatten(1).any(1)
    assert changed.sum() > 30  # a draw near 0 changes nothing
    half = Augment(**{**augment.__dict__, "share": 0.5})
    changed = (intensity(batch, half, gen()) - batch).abs().flatten(1).amax(1) > 1e-5
    assert 8 < changed.sum() < 30


def test_blur_keeps_the_mean_of_a_flat_image_and_smooths():
    flat = torch.full((1, 1, 9, 9, 9), 3.0)
    assert torch.allclose(intensity(flat, Augment(blur_vox=1, share=1), gen()), flat)
    noise = torch.randn(1, 1, 32, 32, generator=gen())
    assert intensity(noise, Augment(blur_vox=1, share=1), gen()).std() < noise.std()


def test_gamma_gives_mean_and_spread_back():
    batch = torch.randn(4, 1, 20, 20, generator=gen())
    bent = intensity(batch, Augment(gamma=0.5, share=1), gen())
    axes = (1, 2, 3)
    assert torch.allclose(bent.mean(axes), batch.mean(axes), atol=1e-5)
    assert torch.allclose(bent.std(axes), batch.std(axes), rtol=1e-4)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (1.0, 1.0, 1.0), (0.5, 0.8, 5.0)])
def test_a_rotation_is_rigid_in_mm(spacing):
    matrix = affine(Augment(rotate_deg=40), 6, spacing, gen())
    mm = torch.diag(torch.tensor(spacing))
    for m in matrix:
        rigid = mm @ m @ torch.linalg.inv(mm)
        assert torch.allclose(rigid @ rigid.T, torch.eye(len(spacing)), atol=1e-5)
        assert torch.linalg.det(rigid).item() == pytest.approx(1, abs=1e-5)


def test_only_named_axes_are_mirrored():
    mirrored = affine(Augment(mirror_axes=(1,)), 50, (1.0, 1.0, 1.0), gen())
    signs = mirrored.diagonal(dim1=1, dim2=2)
    assert set(signs[:, 1].tolist()) == {1.0, -1.0}
    assert (signs[:, [0, 2]] == 1).all()
    for name in ("ct", "mri", "xray"):
        assert AUGMENTS[name].mirror_axes == (), "left and right must stay apart"


def test_shifts_stay_within_their_share_of_the_patch():
    drawn = shifts(Augment(shift=0.1), 200, (10, 40), gen())
    assert drawn.abs().amax(0)[0] <= 1
    assert 2 < drawn.abs().amax(0)[1] <= 4


def test_a_typo_is_answered_with_the_list():
    with pytest.raises(ValueError, match="augment 'mr' must be one of"):
        pick("mr")
