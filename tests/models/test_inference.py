import json
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from models.architectures import build
from models.checkpoint import network_tensors
from models.inference import (
    load_model,
    load_network,
    predictor,
    save_model,
    sliding_window,
    time_prediction,
)
from models.preprocessing import plan_preprocessing
from models.recipe import Recipe

MAPS = Recipe("segmentation", "dynunet", 3, 1, 3, (16, 16, 16), 3, options={"width": 4})
SCORES = Recipe("classification", "resnet_small", 2, 1, 2, (32, 32), 4, loss="bce")


@pytest.mark.parametrize("size", [(20, 33, 16), (16, 16, 16), (40, 17, 24)])
@pytest.mark.parametrize("overlap", [0.25, 0.5])
def test_windows_agree_with_monai(size, overlap):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from monai.inferers import sliding_window_inference

    network = nn.Conv3d(2, 3, 5, padding=2)
    torch.manual_seed(0)
    image = torch.randn(2, *size)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        peer = sliding_window_inference(
            image[None],
            (16, 16, 16),
            2,
            lambda x: network(x).softmax(1),
            overlap=overlap,
            mode="gaussian",
        )[0]
    got = sliding_window(network, image, patch_vox=(16, 16, 16), overlap=overlap, batch=3)
    assert (got - peer).abs().max() < 1e-5


@pytest.mark.parametrize("size", [(5, 7), (16, 30), (3, 40)])
def test_any_size_gets_probabilities_that_sum_to_1(size):
    network = nn.Conv2d(1, 4, 3, padding=1)
    found = sliding_window(network, torch.randn(1, *size), patch_vox=(8, 16), overlap=0.3)
    assert found.shape == (4, *size)
    assert torch.allclose(found.sum(0), torch.ones(size), atol=1e-5)


def test_the_batch_changes_nothing():
    network = nn.Conv2d(1, 2, 3, padding=1)
    image = torch.randn(1, 40, 40)
    one, many = (sliding_window(network, image, patch_vox=(16, 16), batch=b) for b in (1, 50))
    assert torch.allclose(one, many, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"overlap": 1.0}, "overlap 1.0 must be in"),
        ({"batch": 0}, "batch 0 at least 1"),
        ({"patch_vox": (8, 8, 8)}, "do not fit"),
    ],
)
def test_windows_that_cannot_be_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        sliding_window(lambda x: x, torch.zeros(1, 9, 9), **({"patch_vox": (8, 8)} | arguments))


def test_a_predictor_answers_by_task():
    assert predictor(build(MAPS), MAPS)(torch.zeros(1, 10, 20, 12)).shape == (3, 10, 20, 12)
    scores = predictor(build(SCORES), SCORES)(torch.randn(70, 1, 32, 32))
    assert scores.shape == (70, 2)
    assert scores.min() >= 0
    assert scores.max() <= 1


def test_a_saved_model_predicts_as_before(tmp_path):
    network = build(MAPS)
    preprocessing = plan_preprocessing("mri", n_dims=3, spacing_mm=(1, 1, 1))
    targets = {"posterior": 7, "anterior": 2}
    digest = save_model(tmp_path, network_tensors(network), MAPS, preprocessing, targets)
    model = load_model(tmp_path)
    assert model.digest == digest
    assert model.targets == {"anterior": 2, "posterior": 7}
    array = np.random.default_rng(0).normal(size=(1, 20, 18, 8)).astype(np.float32)
    labels = model.predict_labels(array, (1.0, 1.0, 2.0))
    assert labels.shape == (20, 18, 8)
    assert set(np.unique(labels)) <= {0, 2, 7}
    image = preprocessing.apply(array, (1.0, 1.0, 2.0))
    before = predictor(network, MAPS)(image)
    after = predictor(load_network(tmp_path)[0], MAPS)(image)
    assert torch.equal(before, after)
    with pytest.raises(ValueError, match="use predict_labels"):
        model.predict_scores([array])


def test_a_saved_classifier_gives_scores(tmp_path):
    network = build(SCORES)
    preprocessing = plan_preprocessing("xray", n_dims=2, image_size=(32, 32))
    save_model(tmp_path, network_tensors(network), SCORES, preprocessing, ["a", "b"])
    model = load_model(tmp_path)
    films = [np.random.default_rng(i).normal(size=(1, 40, 30)) for i in range(3)]
    assert model.predict_scores(films).shape == (3, 2)
    with pytest.raises(ValueError, match="use predict_scores"):
        model.predict_labels(films[0])


def test_a_model_that_was_changed_is_refused(tmp_path):
    preprocessing = plan_preprocessing("xray", n_dims=2, image_size=(32, 32))
    save_model(tmp_path, network_tensors(build(SCORES)), SCORES, preprocessing, ["a", "b"])
    card = json.loads((tmp_path / "model.json").read_text())
    card["targets"] = ["b", "a"]
    (tmp_path / "model.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match="has digest"):
        load_model(tmp_path)


def test_targets_must_fit_the_outputs(tmp_path):
    preprocessing = plan_preprocessing("mri", n_dims=3)
    with pytest.raises(ValueError, match=r"targets \['a'\] do not fit 3 outputs"):
        save_model(tmp_path, {}, MAPS, preprocessing, {"a": 1})


def test_a_prediction_takes_time():
    assert time_prediction(MAPS, [torch.zeros(1, 16, 16, 16)]) > 0
    assert time_prediction(SCORES, torch.zeros(3, 1, 32, 32)) > 0
