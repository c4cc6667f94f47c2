import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_score, recall_score

from evaluation import npv, ppv, sensitivity, specificity, wilson

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
    selected = {s: y_pred[sex == s].mean() for s in "FM"}
    correct = {s: (y_pred == y_true)[sex == s].mean() for s in "FM"}
    assert selected == {"F": 0.8, "M": 0.4}
    assert correct == {"F": 0.8, "M": 0.6}
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
