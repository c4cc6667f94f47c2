import dataclasses

import numpy as np
import pytest
import torch

from models.preprocessing import SCHEMES, Preprocessing, plan_preprocessing

rng = np.random.default_rng(0)


def ct(**more):
    return plan_preprocessing(
        "ct", n_dims=3, clip=[(-100.0, 300.0)], mean=[50.0], std=[80.0], **more
    )


def test_hounsfield_units_mean_the_same_in_every_volume():
    array = np.array([-1000.0, -100.0, 50.0, 130.0, 3000.0]).reshape(1, 5, 1, 1)
    got = ct().apply(array).flatten().tolist()
    assert got == pytest.approx([-150 / 80, -150 / 80, 0.0, 1.0, 250 / 80])


def test_ct_without_figures_of_its_training_set_is_refused():
    with pytest.raises(ValueError, match="needs clip, mean and std"):
        plan_preprocessing("ct", n_dims=3)


def test_an_unknown_modality_is_answered_with_the_list():
    with pytest.raises(ValueError, match=r"modality 'mr' must be one of \['ct', 'mri'"):
        plan_preprocessing("mr", n_dims=3)


@pytest.mark.parametrize("modality", ["mri", "xray"])
def test_scanner_units_do_not_matter(modality):
    n_dims = 3 if modality == "mri" else 2
    array = rng.gamma(2.0, size=(1, *(12, 14, 10)[:n_dims]))
    preprocessing = plan_preprocessing(modality, n_dims=n_dims)
    plain, other = preprocessing.apply(array), preprocessing.apply(4000 * array + 17)
    assert torch.allclose(plain, other, atol=1e-3)
    assert abs(plain.mean()) < 1e-5
    assert plain.std().item() == pytest.approx(1, abs=1e-3)


def test_one_hot_voxel_does_not_set_the_scale():
    array = rng.normal(100, 10, size=(1, 12, 12, 12))
    spoiled = array.copy()
    spoiled[0, 0, 0, 0] = 1e6
    preprocessing = plan_preprocessing("mri", n_dims=3)
    apart = (preprocessing.apply(array) - preprocessing.apply(spoiled))[0, 1:].abs()
    assert apart.median() < 0.01
    assert apart.max() < 0.3


def test_empty_background_does_not_set_the_scale():
    head = np.zeros((1, 30, 30, 30))
    head[:, 10:20, 10:20, 10:20] = rng.normal(500, 50, size=(1, 10, 10, 10))
    image = plan_preprocessing("mri", n_dims=3).apply(head)
    inside = image[0, 10:20, 10:20, 10:20]
    assert abs(inside.mean()) < 0.1
    assert inside.std().item() == pytest.approx(1, abs=0.1)


def test_channels_are_standardised_one_by_one():
    array = np.stack([rng.normal(0, 1, (8, 8)), rng.normal(500, 90, (8, 8))])
    image = plan_preprocessing("xray", n_dims=2).apply(array)
    assert image.mean((1, 2)).abs().max() < 1e-5


def test_spacing_and_labels_follow_the_image():
    preprocessing = ct(spacing_mm=(1, 1, 2))
    array = rng.normal(size=(1, 10, 10, 10))
    image = preprocessing.apply(array, (2.0, 1.0, 1.0))
    assert image.shape == (1, 20, 10, 5)
    labels = torch.zeros(10, 10, 10, dtype=torch.uint8)
    assert preprocessing.apply_labels(labels, (2.0, 1.0, 1.0)).shape == (20, 10, 5)
    assert ct().apply_labels(labels) is labels
    with pytest.raises(ValueError, match="spacing_mm of the image must be given"):
        preprocessing.apply(array)


def test_a_film_keeps_its_proportions():
    film = rng.normal(size=(1, 60, 30))
    film[0, :, :] += np.arange(60)[:, None]
    image = plan_preprocessing("xray", n_dims=2, image_size=(20, 20)).apply(film)
    assert image.shape == (1, 20, 20)
    assert (image[:, :, :5] == 0).all()
    assert (image[:, :, 15:] == 0).all()
    assert (image[:, :, 5:15] != 0).all()
    with pytest.raises(ValueError, match="labels go with spacing_mm"):
        plan_preprocessing("xray", n_dims=2, image_size=(20, 20)).apply_labels(torch.zeros(2, 2))


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 4)), r"array \(4, 4\) must have a channel and 2 axes"),
        (np.array([[[0.0, np.nan], [1, 2]]]), "nan or infinite"),
        (np.ones((1, 4, 4)), "a channel is constant"),
    ],
)
def test_what_cannot_be_seen_is_refused(array, words):
    with pytest.raises(ValueError, match=words):
        plan_preprocessing("xray", n_dims=2).apply(array)


def test_channels_must_be_those_of_the_training_set():
    with pytest.raises(ValueError, match="image has 2 channels, clip has 1"):
        ct().apply(np.zeros((2, 3, 3, 3)))


def test_it_survives_json():
    for modality in SCHEMES:
        plan = (
            ct(spacing_mm=(1, 1, 3))
            if modality == "ct"
            else plan_preprocessing(modality, n_dims=2, image_size=(8, 8))
        )
        assert Preprocessing.from_json(plan.to_json()) == plan
    with pytest.raises(ValueError, match=r"unknown keys \['spacing'\]"):
        Preprocessing.from_json(ct().to_json() | {"spacing": 1})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scheme": "z"}, "scheme 'z'"),
        ({"std": (0.0,)}, "std .* must be > 0"),
        ({"clip": ((3, 1),)}, "clip .* ascending"),
        ({"spacing_mm": (1, 1)}, r"spacing_mm \(1, 1\) must be 3 numbers"),
        ({"spacing_mm": (1, 1, 1), "image_size": (4, 4, 4)}, "not both"),
    ],
)
def test_what_cannot_be_applied_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(ct(), **change)
