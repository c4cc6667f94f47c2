import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    precision_score,
    recall_score,
)

from evaluation import (
    METRICS,
    EvaluationPlan,
    accuracy,
    clopper_pearson,
    evaluate_classification,
    false_negative_rate,
    false_positive_rate,
    npv,
    ppv,
    selection_rate,
    sensitivity,
    specificity,
    wilson,
)
from evaluation.samples import Sample

rows = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40)


@given(rows)
def test_rates_agree_with_scikit_learn(pairs):
    y_true, y_pred = np.array(pairs).T
    who = np.arange(len(pairs))
    peers = {
        sensitivity: (recall_score, y_true, 1),
        specificity: (recall_score, ~y_true, 0),
        ppv: (precision_score, y_pred, 1),
        npv: (precision_score, ~y_pred, 0),
    }
    for ours, (peer, counted, label) in peers.items():
        got = ours(y_true, y_pred, patient_id=who)
        if not counted.any():
            assert np.isnan(got.value)
            assert got.state == "not_estimable"
            continue
        expected = peer(y_true, y_pred, pos_label=label, zero_division=0)
        assert got.value == pytest.approx(expected)
        n = int(counted.sum())
        assert (got.low, got.high) == pytest.approx(wilson(round(expected * n), n), abs=1e-12)


def test_case_24_a_group_without_positives_has_no_sensitivity():
    y_true, y_pred = np.zeros(4, bool), np.array([False, False, False, True])
    got = sensitivity(y_true, y_pred, patient_id=np.arange(4))
    assert np.isnan([got.value, got.low, got.high]).all()
    assert (got.state, got.reason, got.n_positive) == ("not_estimable", "0 positives", 0)
    assert specificity(y_true, y_pred, patient_id=np.arange(4)).value == 0.75


def test_case_25_fairlearn_docs_frame():
    y_true = np.array([int(c) for c in "1111100110"], bool)
    y_pred = np.array([int(c) for c in "0111100011"], bool)
    sex = np.array(["F"] * 5 + ["M"] * 5)
    fairlearn = pytest.importorskip("fairlearn.metrics")
    frame = fairlearn.MetricFrame(
        metrics={"selected": fairlearn.selection_rate, "correct": accuracy_score},
        y_true=y_true, y_pred=y_pred, sensitive_features=sex,
    )  # fmt: skip
    for rate, name, expected in (
        (selection_rate, "selected", {"F": 0.8, "M": 0.4}),
        (accuracy, "correct", {"F": 0.8, "M": 0.6}),
    ):
        ours = {
            s: rate(y_true[sex == s], y_pred[sex == s], patient_id=np.arange(5)).value for s in "FM"
        }
        assert ours == pytest.approx(expected)
        assert ours == pytest.approx(frame.by_group[name].to_dict())
    for s, ratio in (("F", 4 / 5), ("M", 1 / 2)):
        part = sex == s
        got = sensitivity(y_true[part], y_pred[part], patient_id=np.arange(5))
        assert got.value == pytest.approx(ratio)


def test_nan_is_named():
    with pytest.raises(ValueError, match="y_true must hold 0 and 1 alone"):
        sensitivity(np.array([1, np.nan]), np.array([True, True]), patient_id=np.arange(2))


def test_small_groups_say_so():
    got = sensitivity(np.ones(3, bool), np.ones(3, bool), patient_id=np.arange(3))
    assert got.state == "small_n"
    assert got.reason == "3 patients with the finding; 10 are needed"
    assert got.low < 0.5


@settings(deadline=None)
@given(rows)
def test_more_rates_agree_with_scikit_learn(pairs):
    y_true, y_pred = np.array(pairs).T
    who = np.arange(len(pairs))
    assert accuracy(y_true, y_pred, patient_id=who).value == accuracy_score(y_true, y_pred)
    assert selection_rate(y_true, y_pred, patient_id=who).value == y_pred.mean()
    for miss, hit in ((false_negative_rate, sensitivity), (false_positive_rate, specificity)):
        one, other = (f(y_true, y_pred, patient_id=who) for f in (miss, hit))
        assert one.value == pytest.approx(1 - other.value, nan_ok=True)
        assert (one.low, one.high) == pytest.approx((1 - other.high, 1 - other.low), nan_ok=True)
    sample = Sample.of_patients(who, y_true=y_true, y_pred=y_pred)
    balanced = METRICS["balanced_accuracy"].function(sample)
    if y_true.any() and not y_true.all():
        assert balanced.value == pytest.approx(balanced_accuracy_score(y_true, y_pred))
    else:
        assert np.isnan(balanced.value)


def test_case_16_the_exact_interval_on_a_vendor_card():
    y_true = np.arange(159) < 78
    y_pred = np.concatenate([np.arange(78) < 70, np.arange(81) >= 73])
    who = np.arange(159)
    for rate, printed in (
        (sensitivity, (0.897, 0.808, 0.955)), (specificity, (0.901, 0.815, 0.956)),
    ):  # fmt: skip
        got = rate(y_true, y_pred, patient_id=who, interval="clopper-pearson")
        assert (got.value, got.low, got.high) == pytest.approx(printed, abs=5e-4)
        assert got.method == "Clopper–Pearson on effective n"
        narrower = rate(y_true, y_pred, patient_id=who)
        assert narrower.high - narrower.low < got.high - got.low


def test_case_15_four_of_four_either_way():
    all_right = np.ones(4, bool)
    for interval, low in (("wilson", 0.5102), ("clopper-pearson", 0.3976)):
        got = sensitivity(all_right, all_right, patient_id=np.arange(4), interval=interval)
        assert got.low == pytest.approx(low, abs=2e-4)
        assert got.high == 1
        assert got.state == "small_n"


def test_the_exact_interval_counts_patients():
    y = np.ones(40, bool)
    hit = np.repeat([True, True, True, False], 10)
    who = np.repeat(np.arange(4), 10)
    got = sensitivity(y, hit, patient_id=who, interval="clopper-pearson")
    assert (got.low, got.high) == pytest.approx(clopper_pearson(3, 4), abs=0.02)
    none = sensitivity(~y, hit, patient_id=who, interval="clopper-pearson")
    assert none.state == "not_estimable"


def test_an_unknown_interval_is_named():
    with pytest.raises(ValueError, match="interval 'wald' is none of wilson, clopper-pearson"):
        ppv(np.ones(1, bool), np.ones(1, bool), patient_id=np.arange(1), interval="wald")


@pytest.mark.parametrize("each", [1, 4])
def test_the_spread_of_balanced_accuracy_is_measured(each):
    rng = np.random.default_rng(0)
    function = METRICS["balanced_accuracy"].function
    found = []
    for _ in range(300):
        leaning = np.repeat(rng.normal(size=80 // each), each)
        y = rng.random(80) < 0.4
        called = leaning + rng.normal(size=80) + 1.5 * y > 1
        who = np.repeat(np.arange(80 // each), each)
        found.append(function(Sample.of_patients(who, y_true=y, y_pred=called)))
    simulated = np.std([f.value for f in found])
    assert np.mean([f.se for f in found]) == pytest.approx(simulated, rel=0.1)


def test_balanced_accuracy_of_few_is_not_certain():
    y = np.arange(300) < 5
    right = METRICS["balanced_accuracy"].function(
        Sample.of_patients(np.arange(300), y_true=y, y_pred=y)
    )
    assert right.value == 1
    # 295 healthy cases say nothing of the five diseased ones.
    assert right.n_effective < 20
    assert right.why == "5 patients with the finding; 10 are needed"


def test_who_is_called_is_neither_better_nor_worse():
    rng = np.random.default_rng(1)
    n = 400
    sex = np.where(np.arange(n) % 2 == 0, "F", "M")
    called = rng.random(n) < np.where(sex == "F", 0.6, 0.3)
    table = pd.DataFrame({
        "case_id": np.arange(n), "patient_id": np.arange(n), "split": "test", "target": "a",
        "y_true": (rng.random(n) < 0.5).astype(float), "y_score": 0.5, "status": "ok",
        "y_pred": called.astype(float), "sex": sex,
    })  # fmt: skip
    plan = EvaluationPlan("classification", ("a",), ("a",), "sensitivity", ("sex",), n_boot=100)
    gaps = evaluate_classification(table, plan).gaps.set_index(["metric", "group"])
    of_women, of_men = called[sex == "F"].mean(), called[sex == "M"].mean()
    row = gaps.loc["selection_rate", "F"]
    # Plainly group minus rest: called more often is above 0, without a word of better or worse.
    assert row["value"] == pytest.approx(of_women - of_men)
    assert row["low"] < row["value"] < row["high"]
    assert gaps.loc["selection_rate", "M"]["value"] == pytest.approx(of_men - of_women)
    # A miss is worse: its gap has the sign of sensitivity's.
    assert gaps.loc["false_negative_rate", "F"]["value"] == pytest.approx(
        gaps.loc["sensitivity", "F"]["value"]
    )


def test_a_verdict_needs_a_better_and_a_worse():
    with pytest.raises(ValueError, match="'selection_rate' has no better or worse, so no verdict"):
        EvaluationPlan("classification", ("a",), ("a",), "selection_rate")
