import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation import choose_threshold, require_apart

cases = st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=2, max_size=50).filter(
    lambda rows: 0 < sum(r[0] for r in rows) < len(rows)
)


@given(cases, st.floats(0.05, 0.95))
def test_the_highest_threshold_that_is_sensitive_enough(rows, target):
    y, s = (np.array(c) for c in zip(*rows, strict=True))
    point = choose_threshold(y, s, sensitivity=target)
    assert point.reached.value >= target - 1e-9
    higher = s[s > point.threshold]
    if higher.size:
        assert (s[y] >= higher.min()).mean() < target


@given(cases, st.floats(0.05, 0.95))
def test_the_lowest_threshold_that_is_specific_enough(rows, target):
    y, s = (np.array(c) for c in zip(*rows, strict=True))
    point = choose_threshold(y, s, specificity=target)
    assert point.reached.value >= target - 1e-9
    below = s[s < point.threshold]
    assert (s[~y] < below.max()).mean() < target


def test_nine_of_ten_is_enough_for_nine_tenths():
    point = choose_threshold(np.arange(20) < 10, -np.arange(20.0), sensitivity=0.9)
    assert point.threshold == -8
    assert point.reached.value == 0.9
    assert point.criterion == "sensitivity 0.9"
    assert (point.n_cases, point.n_patients, point.n_positive) == (20, 20, 10)


def test_reached_is_by_patient():
    y, s = np.ones(40, bool), np.repeat(np.arange(4.0), 10)
    by_case = choose_threshold(y, s, sensitivity=0.75)
    by_patient = choose_threshold(y, s, sensitivity=0.75, patient_id=np.repeat(np.arange(4), 10))
    assert by_patient.reached.low < by_case.reached.low


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "exactly one must be given"),
        ({"sensitivity": 0.9, "specificity": 0.9}, "exactly one must be given"),
        ({"sensitivity": 1.0}, "1.0 must lie between 0 and 1"),
    ],
)
def test_what_is_asked_must_be_clear(more, words):
    with pytest.raises(ValueError, match=words):
        choose_threshold(np.array([True, False]), np.array([0.1, 0.2]), **more)


def test_no_positive_no_threshold():
    with pytest.raises(ValueError, match="0 positives among 2 cases"):
        choose_threshold(np.zeros(2, bool), np.array([0.1, 0.2]), sensitivity=0.9)


def test_nan_scores_are_named():
    with pytest.raises(ValueError, match="y_score is nan in 1 of 2"):
        choose_threshold(np.array([True, False]), np.array([0.1, np.nan]), sensitivity=0.9)


def test_failures_can_make_it_unreachable():
    scores = np.array([-np.inf, -np.inf, 0.5, 0.1])
    with pytest.raises(ValueError, match="cannot be reached: 2 of 3 cases"):
        choose_threshold(np.array([1, 1, 1, 0]), scores, sensitivity=0.9)


def test_a_threshold_decides_other_cases_alone():
    y, s = np.arange(10) < 4, -np.arange(10.0)
    ids = np.array([f"c{i}" for i in range(10)])
    point = choose_threshold(y, s, sensitivity=0.9, case_id=ids)
    assert point.chosen_on == frozenset(ids)
    assert point.decide(np.array([-1.0, -9.0]), case_id=np.array(["d1", "d2"])).tolist() == [
        True, False,
    ]  # fmt: skip
    with pytest.raises(ValueError, match="2 of 3 scored cases are among the 10 the threshold"):
        point.decide(np.zeros(3), case_id=np.array(["c1", "d1", "c2"]))
    with pytest.raises(ValueError, match=r"y_score \(3,\), case_id \(2,\) must match"):
        point.decide(np.zeros(3), case_id=np.array(["d1", "d2"]))
    with pytest.raises(ValueError, match=r"y_true \(10,\), case_id \(2,\) must match"):
        choose_threshold(y, s, sensitivity=0.9, case_id=ids[:2])


def test_ids_are_compared_as_what_they_say():
    require_apart([1, 2], np.array(["3"]))
    with pytest.raises(ValueError, match="1 of 2 scored cases"):
        require_apart([1, 2], np.array(["2", "3"]))


def test_nobody_offers_youden():
    # The index weighs a miss and a false alarm alike and is chosen where it looks best.
    with pytest.raises(TypeError, match="youden"):
        choose_threshold(np.array([0, 1]), np.array([0.1, 0.9]), youden=True)
