import numpy as np
import pytest

import evaluation.labelmaps
from evaluation import MissingStructure, case_metrics_of, failed_case_metrics, label_map_metrics

LABELS = {"a": 1, "b": 7, "none": 5, "missed": 3, "invented": 4}


def maps(shape, dtype=np.uint8, seed=0):
    """Return two maps: blocks that touch each other and the edge of the array, with specks."""
    rng = np.random.default_rng(seed)
    reference = np.zeros(shape, dtype)
    half = shape[0] // 2
    reference[:half], reference[half : half + 5, 2:9], reference[-3:, -4:] = 1, 7, 3
    predicted = np.roll(reference, 1, axis=1)
    predicted[predicted == 3] = 0
    predicted[rng.random(shape) < 0.02] = 7
    predicted[-2:, :3] = 4
    return reference, predicted


@pytest.mark.parametrize("slab", [50, 4_000_000])
@pytest.mark.parametrize(("shape", "spacing"), [((24, 18), (0.7, 2.0)), ((24, 18, 9), (1, 0.5, 3))])
def test_each_structure_is_as_by_itself(shape, spacing, slab, monkeypatch):
    monkeypatch.setattr(evaluation.labelmaps, "SLAB_VOXELS", slab)
    reference, predicted = maps(shape)
    missing = MissingStructure(penalty_mm=33.0)
    found = label_map_metrics(
        reference, predicted, LABELS, spacing_mm=spacing, tolerance_mm={"a": 1.0, "b": 2.0},
        missing=missing, lesions={"b": 0.2},
    )  # fmt: skip
    assert list(found) == list(LABELS)
    for name, value in LABELS.items():
        alone = case_metrics_of(
            reference == value, predicted == value, spacing_mm=spacing,
            tolerance_mm={"a": 1.0, "b": 2.0}.get(name), missing=missing,
            lesion_iou=0.2 if name == "b" else None,
        )  # fmt: skip
        assert found[name].pop("outcome") == alone.pop("outcome")
        assert found[name] == pytest.approx(alone, nan_ok=True, rel=1e-9)
    assert found["b"]["n_false_lesions"] > 0


def test_outcomes_and_a_failed_case():
    reference, predicted = maps((24, 18, 9))
    more = {"spacing_mm": (1.0, 1.0, 2.0), "tolerance_mm": 1.0}
    found = label_map_metrics(reference, predicted, LABELS, **more)
    assert [f["outcome"] for f in found.values()] == [
        "found", "found", "absent", "missed", "spurious",
    ]  # fmt: skip
    failed = label_map_metrics(reference, None, LABELS, **more, lesions={"a": 0.5})
    for name, value in LABELS.items():
        iou = 0.5 if name == "a" else None
        alone = failed_case_metrics(reference == value, **more, lesion_iou=iou)
        assert failed[name] == pytest.approx(alone, nan_ok=True)
    assert failed["a"]["n_lesions_found"] == 0
    assert failed["a"]["n_lesions_reference"] == 1


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64, np.uint16])
def test_kind_of_integer_and_large_values_are_nothing(dtype):
    reference, predicted = maps((20, 16, 8))
    more = {"spacing_mm": (1.0, 1.0, 1.0), "tolerance_mm": 1.0}
    small = label_map_metrics(reference, predicted, LABELS, **more)
    large = {1: 1, 7: 20_007, 5: 5, 3: 3, 4: 4}
    if dtype in (np.int32, np.int64):
        large = {1: 1, 7: 2_000_000_007, 5: 70_000, 3: 3, 4: 4}
    lookup = np.zeros(8, dtype)
    for old, new in large.items():
        lookup[old] = new
    if dtype != np.uint16:
        lookup[0] = -1
    found = label_map_metrics(
        lookup[reference], lookup[predicted], {n: large[v] for n, v in LABELS.items()}, **more
    )
    for name in LABELS:
        assert found[name] == pytest.approx(small[name], nan_ok=True), name


def test_neighbours_above_the_whole_floats_are_two_labels():
    large = 2**53
    reference = np.zeros((8, 8), np.uint64)
    reference[:3], reference[3:6], reference[7, 7] = large, large + 1, 2**64 - 1
    found = label_map_metrics(
        reference, reference, {"a": large, "b": large + 1}, spacing_mm=(1.0, 1.0), tolerance_mm=1.0
    )
    for figures in found.values():
        assert (figures["dice"], figures["outcome"]) == (1.0, "found")
        assert figures["volume_reference_ml"] == pytest.approx(24 / 1000)


def test_as_many_labels_as_codes_can_count():
    reference = np.arange(1, 66_049, dtype=np.int32).reshape(256, 258)
    most = {str(v): int(v) for v in (1, 2, 65_535)} | {f"x{i}": 100_000 + i for i in range(65_532)}
    more = {"spacing_mm": (1.0, 1.0), "tolerance_mm": None}
    passed = evaluation.labelmaps._pass([reference], np.array(sorted(most.values()), np.int64))
    assert passed.of(65_535)[0][0] == 1
    with pytest.raises(ValueError, match="labels holds 65536 values; 65535 are the most"):
        label_map_metrics(reference, reference, most | {"one": 99_999}, **more)


def test_nothing_asked_is_nothing():
    assert label_map_metrics(*maps((9, 9)), {}, spacing_mm=(1, 1), tolerance_mm=None) == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"predicted": np.zeros((4, 5), int)}, r"reference \(4, 4\) and predicted \(4, 5\)"),
        ({"predicted": np.zeros((4, 4))}, "predicted is float64; a label map holds whole numbers"),
        ({"labels": {"a": 0}}, r"labels \{'a': 0\} must be 1 or above"),
        ({"labels": {"a": 2**63}}, r"must be below 2\*\*63"),
        ({"spacing_mm": (1.0, 0.0)}, "spacing_mm"),
    ],
)
def test_odd_input_is_named(change, message):
    given = {
        "reference": np.ones((4, 4), int), "predicted": np.ones((4, 4), int),
        "labels": {"a": 1}, "spacing_mm": (1.0, 1.0), "tolerance_mm": 1.0,
    } | change  # fmt: skip
    with pytest.raises(ValueError, match=message):
        label_map_metrics(**given)
