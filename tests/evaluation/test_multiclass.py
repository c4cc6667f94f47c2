"""Several classes, several findings."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    balanced_accuracy_score,
    confusion_matrix,
    precision_score,
    recall_score,
    roc_auc_score,
)

from evaluation import (
    balanced_accuracy,
    macro_roc_auc,
    multiclass_confusion,
    multilabel_roc_auc,
    roc_auc,
    sensitivity,
    specificity,
)

KINDS = np.array(["ct", "mr", "us"])


def scored(n=300, seed=0, n_patients=None):
    """Return classes, one score a class, and whose case it is."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, n)
    raw = rng.normal(size=(n, 3)) + 1.2 * np.eye(3)[kind]
    score = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    who = np.arange(n) if n_patients is None else rng.integers(0, n_patients, n)
    return KINDS[kind], score, who


def test_macro_auc_is_scikit_learns():
    kind, score, who = scored()
    got = macro_roc_auc(kind, score, classes=KINDS, patient_id=who)
    peer = roc_auc_score(kind, score, multi_class="ovr", average="macro", labels=KINDS)
    assert got.value == pytest.approx(peer, abs=1e-12)
    assert got.low < got.value < got.high
    assert got.state == "ok"
    # The columns may stand in any order.
    turned = macro_roc_auc(kind, score[:, ::-1], classes=KINDS[::-1], patient_id=who)
    assert turned.value == pytest.approx(got.value)


def test_multilabel_auc_is_scikit_learns():
    rng = np.random.default_rng(1)
    y = rng.random((400, 4)) < 0.3
    score = rng.normal(size=(400, 4)) + y
    got = multilabel_roc_auc(y, score, patient_id=np.arange(400))
    assert got.value == pytest.approx(roc_auc_score(y, score, average="macro"), abs=1e-12)


def test_one_finding_is_its_auc():
    rng = np.random.default_rng(2)
    y, who = rng.random(200) < 0.4, rng.integers(0, 90, 200)
    score = rng.normal(size=200) + y
    alone = roc_auc(y, score, patient_id=who)
    got = multilabel_roc_auc(y[:, None], score[:, None], patient_id=who)
    assert got.value == pytest.approx(alone.value)
    assert (got.low, got.high) == pytest.approx((alone.low, alone.high), abs=1e-9)
    # The same finding twice is no more known than once.
    twice = multilabel_roc_auc(np.tile(y[:, None], 2), np.tile(score[:, None], 2), patient_id=who)
    assert (twice.low, twice.high) == pytest.approx((alone.low, alone.high), abs=1e-9)


@pytest.mark.parametrize("each", [1, 3])
def test_the_interval_of_the_mean_knows_what_findings_share(each):
    rng = np.random.default_rng(3)
    values, halves, held = [], [], []
    for _ in range(300):
        n = 180
        shared = np.repeat(rng.normal(size=n // each), each)[:, None]
        y = (shared + rng.normal(size=(n, 3))) > 0.5
        score = shared + rng.normal(size=(n, 3)) + y
        who = np.repeat(np.arange(n // each), each)
        got = multilabel_roc_auc(y, score, patient_id=who)
        values.append(got.value)
        halves.append((got.high - got.low) / 2)
    assert np.mean(halves) == pytest.approx(1.96 * np.std(values), rel=0.12)
    held = np.abs(np.array(values) - np.mean(values)) <= halves
    assert 0.91 <= held.mean() <= 0.99


def test_a_finding_without_reference_is_left_out_for_that_case_alone():
    rng = np.random.default_rng(4)
    y = (rng.random((100, 2)) < 0.5).astype(float)
    score = rng.normal(size=(100, 2)) + y
    y[:20, 1] = np.nan
    got = multilabel_roc_auc(y, score, patient_id=np.arange(100))
    parts = [roc_auc_score(y[:, 0], score[:, 0]), roc_auc_score(y[20:, 1], score[20:, 1])]
    assert got.value == pytest.approx(np.mean(parts))


def test_failed_cases_are_ranked_wrongly():
    kind, score, who = scored()
    whole = macro_roc_auc(kind, score, classes=KINDS, patient_id=who)
    score = score.copy()
    score[:15] = np.nan
    got = macro_roc_auc(kind, score, classes=KINDS, patient_id=who)
    assert got.value < whole.value - 0.02
    assert got.n_failed == 15
    score[20, 1] = np.nan
    with pytest.raises(ValueError, match="y_score is nan in 1 of 300"):
        macro_roc_auc(kind, score, classes=KINDS, patient_id=who)


def test_a_class_without_cases_is_named():
    kind, score, who = scored()
    got = macro_roc_auc(np.where(kind == "us", "ct", kind), score, classes=KINDS, patient_id=who)
    assert np.isnan(got.value)
    assert got.reason == "0 positives of us"
    never = multilabel_roc_auc(
        np.zeros((5, 1)), np.zeros((5, 1)), patient_id=np.arange(5), findings=("hernia",)
    )
    assert never.reason == "0 positives of hernia"


def test_what_does_not_fit_is_named():
    kind, score, who = scored(9)
    with pytest.raises(ValueError, match=r"y_true holds \['us'\], none of classes"):
        macro_roc_auc(np.full(9, "us"), score[:, :2], classes=KINDS[:2], patient_id=who)
    with pytest.raises(ValueError, match="name a class twice"):
        macro_roc_auc(kind, score, classes=KINDS[[0, 1, 1]], patient_id=who)
    with pytest.raises(ValueError, match=r"y_score \(9, 2\), patient_id \(9,\) must match"):
        macro_roc_auc(kind, score[:, :2], classes=KINDS, patient_id=who)
    with pytest.raises(ValueError, match="do not name 2 columns"):
        multilabel_roc_auc(np.zeros((3, 2)), np.zeros((3, 2)), patient_id=who[:3], findings=("a",))
    with pytest.raises(ValueError, match="must have two axes"):
        multilabel_roc_auc(np.zeros(3), np.zeros(3), patient_id=who[:3])
    with pytest.raises(ValueError, match="y_true is missing in 1 of 2 cases"):
        balanced_accuracy(np.array(["a", None]), np.array(["a", "a"]), patient_id=[0, 1])
    with pytest.raises(ValueError, match=r"y_pred \(3,\), patient_id \(2,\) must match"):
        multiclass_confusion(np.array(["a", "b"]), np.array(["a"] * 3), patient_id=[0, 1])


labels = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("abc"), st.integers(0, 6)),
    min_size=1,
    max_size=50,
)


@settings(deadline=None)
@given(labels)
def test_the_confusion_is_scikit_learns(cases):
    truth, called, who = (np.array(c) for c in zip(*cases, strict=True))
    found = multiclass_confusion(truth, called, patient_id=who)
    assert found["n_cases"].sum() == truth.size
    names = [*"abc"]
    peer = confusion_matrix(truth, called, labels=names)
    for row in found.to_dict("records"):
        i, j = names.index(row["truth"]), names.index(row["called"])
        assert row["n_cases"] == peer[i, j]
        assert row["of_truth"] == pytest.approx(peer[i, j] / row["n_truth"])
        assert row["of_truth_low"] <= row["of_truth"] + 1e-9
        assert row["of_truth"] - 1e-9 <= row["of_truth_high"]
        if row["n_called"] == 0:
            assert np.isnan([row["of_called"], row["of_called_low"]]).all()
        if i == j:
            recall = recall_score(truth, called, labels=[row["truth"]], average=None)
            assert row["of_truth"] == pytest.approx(recall[0])
        if i == j and row["n_called"]:
            precision = precision_score(truth, called, labels=[row["truth"]], average=None)
            assert row["of_called"] == pytest.approx(precision[0])
    if np.unique(truth).size > 1 and set(called) <= set(truth):
        got = balanced_accuracy(truth, called, patient_id=who)
        assert got.value == pytest.approx(balanced_accuracy_score(truth, called))
        assert got.low < got.high


def test_two_classes_are_sensitivity_and_specificity():
    rng = np.random.default_rng(5)
    y = rng.random(80) < 0.4
    called = np.where(rng.random(80) < 0.8, y, ~y)
    who = np.arange(80)
    parts = [f(y, called, patient_id=who).value for f in (sensitivity, specificity)]
    for kind in (bool, int, float):
        got = balanced_accuracy(y.astype(kind), called.astype(kind), patient_id=who)
        assert got.value == pytest.approx(np.mean(parts))


def test_no_answer_is_wrong_and_has_a_column():
    truth = np.array(["a", "a", "b", "b"])
    called = np.array(["a", None, "b", np.nan], dtype=object)
    found = multiclass_confusion(truth, called, patient_id=np.arange(4))
    lost = found[found["called"] == "failed"]
    assert lost["n_cases"].tolist() == [1, 1]
    assert balanced_accuracy(truth, called, patient_id=np.arange(4)).value == 0.5


def test_one_class_alone_is_not_estimable():
    got = balanced_accuracy(np.array(["a", "a"]), np.array(["a", "b"]), patient_id=[0, 1])
    assert (got.state, got.reason) == ("not_estimable", "1 classes; 2 are needed")
