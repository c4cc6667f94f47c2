from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label
from sklearn.metrics import precision_score, recall_score
from statsmodels.stats.proportion import proportion_confint

from evaluation import (
    EvaluationPlan,
    case_rows,
    evaluate_segmentation,
    lesion_f1,
    lesion_precision,
    lesion_sensitivity,
    match_lesions,
)
from evaluation.segmentation import case_metrics_of


def mask(shape, *boxes):
    out = np.zeros(shape, bool)
    for box in boxes:
        out[tuple(slice(*part) for part in box)] = True
    return out


def test_touching_by_a_corner_is_one_lesion_unless_asked_otherwise():
    corner = mask((6, 6, 6), ((0, 2),) * 3, ((2, 4),) * 3)
    none = np.zeros_like(corner)
    assert match_lesions(corner, none, iou=0.1).n_reference == 1
    assert match_lesions(corner, none, iou=0.1, connectivity="face").n_reference == 2
    flat = np.eye(4, dtype=bool)
    assert match_lesions(flat, ~flat & False, iou=0.1).n_missed == 1


def test_a_lesion_in_two_parts_is_found_once():
    reference = mask((20, 20), ((2, 6), (2, 12)))
    predicted = mask((20, 20), ((2, 6), (2, 6)), ((2, 6), (7, 12)))
    found = match_lesions(reference, predicted, iou=0.3)
    assert (found.n_found, found.n_missed, found.n_false) == (1, 0, 1)
    assert found.iou.tolist() == [20 / 40]
    assert found.f1 == 2 / 3


def test_at_a_threshold_counts():
    reference, predicted = mask((9, 9), ((0, 4), (0, 2))), mask((9, 9), ((0, 2), (0, 2)))
    assert match_lesions(reference, predicted, iou=0.5).n_found == 1
    assert match_lesions(reference, predicted, iou=0.51).n_found == 0
    assert match_lesions(reference, predicted, iou=0.0).n_found == 1


def test_most_pairs_go_before_the_largest_overlap():
    # The middle prediction overlaps both; taking its better side would leave one lesion unpaired.
    reference = mask((1, 40), ((0, 1), (0, 10)), ((0, 1), (12, 30)))
    predicted = mask((1, 40), ((0, 1), (6, 29)), ((0, 1), (30, 31)))
    predicted[0, 11] = True
    alone = match_lesions(reference, predicted, iou=0.1)
    assert alone.pairs.tolist() == [[2, 1]]
    # A second prediction on the second lesion frees the first to take the middle one.
    reference = mask((1, 40), ((0, 1), (0, 10)), ((0, 1), (11, 21)))
    predicted = mask((1, 40), ((0, 1), (5, 18)), ((0, 1), (19, 21)))
    assert match_lesions(reference, predicted, iou=0.1).pairs.tolist() == [[1, 1], [2, 2]]


def brute_force(reference, predicted, iou):
    """Return the most pairs and their largest overlap, trying every assignment."""
    eight = np.ones((3, 3))
    (ours, n), (theirs, m) = label(reference, eight), label(predicted, eight)
    worth = np.zeros((n, m))
    for i in range(n):
        for j in range(m):
            one, other = ours == i + 1, theirs == j + 1
            worth[i, j] = (one & other).sum() / (one | other).sum()
    worth = np.where((worth > 0) & (worth >= iou), worth, 0)
    if n > m:
        worth = worth.T
    best = (0, 0.0)
    for chosen in permutations(range(worth.shape[1]), worth.shape[0]):
        values = worth[range(worth.shape[0]), chosen]
        best = max(best, (int((values > 0).sum()), round(float(values.sum()), 9)))
    return n, m, best


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.1, 0.3, 0.5]))
def test_pairs_are_those_of_trying_everything(seed, iou):
    rng = np.random.default_rng(seed)
    pair = [np.zeros((12, 12), bool) for _ in range(2)]
    for m in pair:
        for _ in range(rng.integers(0, 6)):
            x, y = rng.integers(0, 10, 2)
            m[x : x + rng.integers(1, 4), y : y + rng.integers(1, 5)] = True
    n, m, (n_found, overlap) = brute_force(*pair, iou)
    got = match_lesions(*pair, iou=iou)
    assert (got.n_reference, got.n_predicted, got.n_found) == (n, m, n_found)
    assert got.iou.sum() == pytest.approx(overlap, abs=1e-6)
    back = match_lesions(pair[1], pair[0], iou=iou)
    assert (back.n_found, back.n_false, back.n_missed) == (n_found, got.n_missed, got.n_false)
    assert got.f1 == pytest.approx(back.f1, nan_ok=True)


def test_thousands_of_specks_are_matched_in_no_time():
    rng = np.random.default_rng(0)
    specks = rng.random((160, 160, 60)) < 0.01
    found = match_lesions(specks, specks, iou=1.0)
    assert found.n_found == found.n_reference > 8000
    assert found.n_false == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"iou": 1.5}, r"iou 1.5 must lie in \[0, 1\]"),
        ({"connectivity": "26"}, "connectivity '26' is none of full, face"),
        ({"predicted": np.zeros((2, 3), bool)}, "must match"),
    ],
)
def test_odd_choices_are_named(change, message):
    given = {"reference": np.zeros((2, 2), bool), "predicted": np.zeros((2, 2), bool), "iou": 0.1}
    with pytest.raises(ValueError, match=message):
        match_lesions(**given | change)


def test_pooled_figures_agree_with_peers():
    rng = np.random.default_rng(0)
    reference = rng.integers(0, 2, 200)
    found, false = reference * (rng.random(200) < 0.8), rng.integers(0, 2, 200)
    # One lesion a patient at most: a lesion is a patient, and the interval Wilson's.
    counts = (reference, found, false * (1 - reference))
    got = lesion_sensitivity(*counts, patient_id=np.arange(200))
    peer = proportion_confint(found.sum(), reference.sum(), method="wilson")
    assert (got.low, got.high) == pytest.approx(peer)
    y_true = np.concatenate([np.ones(reference.sum()), np.zeros(counts[2].sum())])
    y_pred = np.concatenate([np.arange(reference.sum()) < found.sum(), np.ones(counts[2].sum())])
    assert got.value == pytest.approx(recall_score(y_true, y_pred))
    precision = lesion_precision(*counts, patient_id=np.arange(200))
    assert precision.value == pytest.approx(precision_score(y_true, y_pred))
    f1 = lesion_f1(*counts, patient_id=np.arange(200)).value
    assert 1 / f1 == pytest.approx((1 / got.value + 1 / precision.value) / 2)


def test_lesions_of_a_patient_are_not_independent():
    rng = np.random.default_rng(1)
    reference = np.full(40, 10)
    found = np.where(rng.random(40) < 0.7, 10, 0)
    counts = (reference, found, np.zeros(40, int))
    got = lesion_sensitivity(*counts, patient_id=np.arange(40))
    peer = proportion_confint(found.sum() / 10, 40, method="wilson")
    assert got.high - got.low == pytest.approx(peer[1] - peer[0], rel=0.1)
    assert (got.n_cases, got.n_patients) == (40, 40)


def test_no_lesions_and_odd_counts():
    none = np.zeros(3, int)
    for function, why in (
        (lesion_sensitivity, "no lesion is in any reference"),
        (lesion_precision, "no lesion was predicted"),
        (lesion_f1, "no lesion is in reference or prediction"),
    ):
        got = function(none, none, none, patient_id=np.arange(3))
        assert np.isnan(got.value)
        assert (got.state, got.reason) == ("not_estimable", why)
    with pytest.raises(ValueError, match="1 cases have counts"):
        lesion_f1(np.array([1, 2]), np.array([1, 3]), np.zeros(2), patient_id=np.arange(2))
    with pytest.raises(ValueError, match="must match"):
        lesion_f1(np.array([1, 2]), np.array([1]), np.zeros(2), patient_id=np.arange(2))


def lesion_rows():
    """Return a run's rows: two lesions in each of 30 patients, one found in even, two in odd."""
    rows = []
    reference = mask((30, 30), ((2, 6), (2, 6)), ((12, 16), (12, 16)))
    for i in range(30):
        predicted = mask((30, 30), ((2, 6), (2, 6)), *([((12, 16), (12, 16))] if i % 2 else []))
        predicted |= mask((30, 30), ((25, 28), (25, 28))) if i % 3 == 0 else False
        who = {"case_id": f"c{i:02}", "patient_id": f"p{i:02}", "split": "test"}
        for name, iou in (("lesion", 0.1), ("organ", None)):
            figures = case_metrics_of(
                reference, predicted, spacing_mm=(1.0, 1.0), tolerance_mm=1.0, lesion_iou=iou
            )
            rows += case_rows(who, name, figures)
    return pd.DataFrame(rows)


def test_lesions_in_a_run_are_of_those_structures_that_were_named():
    plan = EvaluationPlan(
        "segmentation", ("lesion", "organ"), ("lesion",), "lesion_f1", lesions={"lesion": 0.1},
        tolerance_mm={"lesion": 1.0, "organ": 1.0}, n_boot=200,
    )  # fmt: skip
    found = evaluate_segmentation(lesion_rows(), plan).metrics
    of = found[found["target"] == "lesion"].set_index("metric")
    assert of.loc["lesion_sensitivity", "value"] == 45 / 60
    assert of.loc["lesion_precision", "value"] == 45 / 55
    assert of.loc["lesion_f1", "value"] == pytest.approx(90 / 115)
    assert of.loc["false_lesions", "value"] == pytest.approx(10 / 30)
    assert of.loc["lesion_f1", "params"] == "iou=0.1"
    assert "26-connected" in of.loc["lesion_f1", "definition"]
    assert of.loc["lesion_f1", "low"] < 90 / 115 < of.loc["lesion_f1", "high"]
    others = found[found["target"] != "lesion"]
    assert not others["metric"].str.contains("lesion").any()


def test_a_plan_about_lesions_names_the_structures():
    with pytest.raises(ValueError, match=r"primary_targets \['organ'\] are none of \['lesion'\]"):
        EvaluationPlan("segmentation", ("lesion", "organ"), ("organ",), "lesion_f1",
                       lesions={"lesion": 0.1})  # fmt: skip
    with pytest.raises(ValueError, match=r"the iou of lesion 2 must lie in \[0, 1\]"):
        EvaluationPlan("segmentation", ("lesion",), ("lesion",), "dice", lesions={"lesion": 2})
