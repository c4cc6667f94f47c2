"""Properties that hold for every figure of a pair of masks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation import case_metrics_of
from evaluation.segmentation import CASE_METRICS, DISTANCES, OVERLAPS

SYMMETRIC = (*OVERLAPS, *DISTANCES)


@st.composite
def pairs(draw, least=1):
    """Return two masks of boxes and specks in 2-D or 3-D, and a spacing."""
    shape = draw(st.sampled_from([(9, 7), (12, 5), (6, 7, 5), (8, 4, 3)]))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    masks = []
    for _ in range(2):
        m = np.zeros(shape, bool)
        for _ in range(draw(st.integers(least, 3))):
            at = [rng.integers(0, n) for n in shape]
            m[tuple(slice(a, a + rng.integers(1, 5)) for a in at)] = True
        masks.append(m)
    spacing = draw(st.tuples(*[st.sampled_from([0.3, 0.8, 1.0, 2.5])] * len(shape)))
    return masks[0], masks[1], spacing


def of(a, b, spacing, tolerance=1.0):
    return case_metrics_of(a, b, spacing_mm=spacing, tolerance_mm=tolerance)


def figures(found, *names):
    return [found[n] for n in names or CASE_METRICS if n in found]


@settings(max_examples=60, deadline=None)
@given(pairs(least=0))
def test_reference_and_prediction_may_be_exchanged(case):
    a, b, spacing = case
    one, other = of(a, b, spacing), of(b, a, spacing)
    assert figures(one, *SYMMETRIC) == pytest.approx(figures(other, *SYMMETRIC), nan_ok=True)
    assert one["volume_error_ml"] == pytest.approx(-other["volume_error_ml"], nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(pairs(), st.integers(0, 4), st.integers(0, 4))
def test_where_it_lies_is_nothing(case, before, after):
    a, b, spacing = case
    more = [(before, after)] * a.ndim
    moved = of(np.pad(a, more), np.pad(b, more), spacing)
    assert figures(of(a, b, spacing)) == pytest.approx(figures(moved))


@settings(max_examples=60, deadline=None)
@given(pairs(), st.sampled_from([0.5, 2.0, 3.0]))
def test_distances_grow_with_the_spacing_and_overlap_does_not(case, times):
    a, b, spacing = case
    one = of(a, b, spacing)
    other = of(a, b, tuple(times * s for s in spacing), tolerance=times)
    assert figures(other, *DISTANCES) == pytest.approx(
        [times * d for d in figures(one, *DISTANCES)]
    )
    assert figures(other, *OVERLAPS) == pytest.approx(figures(one, *OVERLAPS))
    volume = one["volume_reference_ml"] * times**a.ndim
    assert other["volume_reference_ml"] == pytest.approx(volume)


@settings(max_examples=60, deadline=None)
@given(pairs(), st.randoms(use_true_random=False))
def test_axes_may_be_exchanged_with_their_spacing(case, random):
    a, b, spacing = case
    order = list(range(a.ndim))
    random.shuffle(order)
    turned = of(a.transpose(order), b.transpose(order), tuple(spacing[i] for i in order))
    assert figures(of(a, b, spacing)) == pytest.approx(figures(turned))


@settings(max_examples=60, deadline=None)
@given(pairs())
def test_the_same_is_perfect(case):
    a, _, spacing = case
    found = of(a, a.copy(), spacing, tolerance=0.0)
    assert figures(found, *OVERLAPS) == [1, 1, 1]
    assert figures(found, *DISTANCES) == [0, 0, 0, 0]
    assert (found["volume_error_ml"], found["relative_volume_error"]) == (0, 0)


@settings(max_examples=80, deadline=None)
@given(pairs(least=0))
def test_figures_are_in_their_ranges_and_in_their_order(case):
    a, b, spacing = case
    found = of(a, b, spacing)
    if found["outcome"] == "absent":
        assert np.isnan(figures(found, *SYMMETRIC)).all()
        return
    assert all(0 <= v <= 1 for v in figures(found, *OVERLAPS))
    assert found["iou"] == pytest.approx(found["dice"] / (2 - found["dice"]))
    assert 0 <= found["hd95_mm"] <= found["hd_mm"] + 1e-12
    assert max(found["assd_mm"], found["masd_mm"]) <= found["hd_mm"] + 1e-12
    assert found["relative_volume_error"] >= -1 or found["outcome"] == "spurious"
    if found["outcome"] == "found":
        assert (found["hd_mm"] == 0) == (found["dice"] == 1)


@settings(max_examples=40, deadline=None)
@given(pairs(), st.floats(0, 5), st.floats(0, 5))
def test_a_wider_tolerance_never_lowers_nsd(case, one, other):
    low, high = sorted((one, other))
    a, b, spacing = case
    assert of(a, b, spacing, low)["nsd"] <= of(a, b, spacing, high)["nsd"]


@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 7)])
def test_single_voxels_are_as_far_as_their_centres(shape):
    spacing = (3.0, 4.0, 5.0)[: len(shape)]
    a, b = np.zeros(shape, bool), np.zeros(shape, bool)
    a[(1,) * len(shape)] = b[(2,) * len(shape)] = True
    far = np.linalg.norm(spacing)
    assert figures(of(a, b, spacing), *DISTANCES) == pytest.approx([far] * 4)
    assert figures(of(a, b, spacing), *OVERLAPS) == [0, 0, 0]
