import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from models.resample import axis_weights, labels_on_grid, resample_image, resample_labels, shape_at

sides = st.integers(1, 12)


def numpy_twin(array, shape):
    """Linear interpolation written out, axis by axis, in float64."""
    out = array.astype(float)
    for axis, n_new in enumerate(shape, start=1):
        n_old = out.shape[axis]
        ratio = n_old / n_new
        slices = []
        for i in range(n_new):
            centre = (i + 0.5) * ratio - 0.5
            share = np.maximum(0, 1 - np.abs(np.arange(n_old) - centre) / max(ratio, 1))
            slices.append(np.tensordot(out, share / share.sum(), axes=(axis, 0)))
        out = np.stack(slices, axis=axis)
    return out


@settings(deadline=None, max_examples=40)
@given(st.tuples(sides, sides, sides), st.tuples(sides, sides, sides))
def test_resampling_agrees_with_its_numpy_twin(old, new):
    array = torch.randn(2, *old, generator=torch.Generator().manual_seed(0))
    got = resample_image(array, shape=new).numpy()
    assert np.allclose(got, numpy_twin(array.numpy(), new), atol=1e-5)


@pytest.mark.parametrize("shape", [(20, 14), (7, 30), (10, 10), (4, 3)])
def test_resampling_agrees_with_torch(shape):
    array = torch.randn(3, 10, 10)
    peer = F.interpolate(array[None], size=shape, mode="bilinear", antialias=True)[0]
    assert torch.allclose(resample_image(array, shape=shape), peer, atol=1e-5)


@given(st.integers(1, 60), st.integers(1, 60))
def test_weights_are_means(n_old, n_new):
    weights = axis_weights(n_old, n_new)
    assert torch.allclose(weights.sum(1), torch.ones(n_new), atol=1e-5)
    assert weights.min() >= 0


@settings(deadline=None, max_examples=40)
@given(st.tuples(sides, sides, sides), st.tuples(st.integers(1, 30), sides, sides))
def test_slab_by_slab_equals_all_at_once(old, new):
    generator = torch.Generator().manual_seed(1)
    probabilities = torch.randn(4, *old, generator=generator).softmax(0)
    whole = resample_image(probabilities, shape=new)
    labels = labels_on_grid(probabilities, new)
    assert labels.dtype == torch.uint8
    # Where two structures tie to the last bit either may win.
    top = whole.topk(2, dim=0).values
    clear = top[0] - top[1] > 1e-5
    assert torch.equal(labels[clear], whole.argmax(0).to(torch.uint8)[clear])


def test_two_dimensions_and_equal_grids():
    probabilities = torch.rand(3, 5, 6)
    assert torch.equal(labels_on_grid(probabilities, (5, 6)).long(), probabilities.argmax(0))
    assert labels_on_grid(probabilities, (9, 3)).shape == (9, 3)


def test_labels_survive_going_finer_and_back():
    labels = torch.zeros(10, 10, 10, dtype=torch.uint8)
    labels[2:8, 3:7, 2:9] = 3
    labels[4:6, 4:6, 4:6] = 7
    finer = resample_labels(labels, from_mm=(1, 1, 1), to_mm=(0.5, 0.5, 0.5))
    assert finer.shape == (20, 20, 20)
    assert set(finer.unique().tolist()) == {0, 3, 7}
    assert torch.equal(resample_labels(finer, shape=(10, 10, 10)), labels)


def test_a_volume_keeps_its_size_in_mm():
    assert shape_at((100, 80, 20), (0.8, 0.8, 5.0), (1.0, 1.0, 2.5)) == (80, 64, 40)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "give either shape, or from_mm and to_mm"),
        ({"shape": (3,)}, "shape .* must have 2 sides"),
        ({"from_mm": (1, 0), "to_mm": (1, 1)}, "must be 2 lengths > 0"),
    ],
)
def test_what_is_not_said_is_asked_for(arguments, words):
    with pytest.raises(ValueError, match=words):
        resample_image(torch.zeros(1, 4, 4), **arguments)


def test_a_grid_of_other_dimensions_is_refused():
    with pytest.raises(ValueError, match="do not fit shape"):
        labels_on_grid(torch.zeros(2, 4, 4), (4, 4, 4))
