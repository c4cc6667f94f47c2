import numpy as np
import pytest
import torch

from models.probabilities import (
    channel_order,
    channels_from_labels,
    labels_from_channels,
    probabilities_of,
)

STRUCTURES = {"tumour": 40, "kidney": 3, "cyst": 300}


def test_labels_go_there_and_back():
    label = np.random.default_rng(0).choice([0, 3, 40, 300], size=(4, 5, 6))
    channels = channels_from_labels(label.astype(np.float32), STRUCTURES)
    assert channels.dtype == torch.uint8
    assert channels.max() == 3
    assert np.array_equal(labels_from_channels(channels.numpy(), STRUCTURES), label)
    assert channel_order(STRUCTURES) == ["kidney", "tumour", "cyst"]


@pytest.mark.parametrize("structures", [{"a": 1, "b": 1}, {"a": 0}])
def test_values_that_clash_are_refused(structures):
    with pytest.raises(ValueError, match="label values >= 1, each once"):
        channel_order(structures)


def test_labels_between_whole_numbers_are_refused():
    with pytest.raises(ValueError, match="not whole numbers"):
        channels_from_labels(np.array([0.5]), {"a": 1})


def test_findings_are_independent_and_structures_are_not():
    logits = torch.tensor([[2.0, 2.0]], dtype=torch.bfloat16)
    assert probabilities_of(logits, "classification").sum() > 1.7
    assert probabilities_of(logits, "segmentation").sum() == 1
    assert probabilities_of(logits, "segmentation").dtype == torch.float32
