import numpy as np
import pandas as pd

from evaluation import group_labels, group_order
from evaluation.groups import rest_of


def test_case_27_a_missing_attribute_is_a_group():
    sex = pd.Series(["F", "M", None, "F", float("nan"), "M"])
    labels = group_labels(sex, pd.Series(list("abcdef")), per_case=False)
    names, sizes = np.unique(labels, return_counts=True)
    assert dict(zip(names, sizes, strict=True)) == {"F": 2, "M": 2, "not recorded": 2}


def test_blank_is_not_a_group():
    labels = group_labels(pd.Series(["", "  ", "F"]), pd.Series(list("abc")), per_case=True)
    assert labels.tolist() == ["not recorded", "not recorded", "F"]


def test_a_patient_may_be_seen_from_two_sides():
    view, who = pd.Series(["AP", "PA", None]), pd.Series(["a", "a", "a"])
    assert group_labels(view, who, per_case=True).tolist() == ["AP", "PA", "not recorded"]
    assert group_labels(view, who, per_case=False).tolist() == ["conflicting"] * 3


def test_nobody_has_a_sex_recorded():
    labels = group_labels(pd.Series([None, None]), pd.Series(["a", "b"]), per_case=False)
    assert labels.tolist() == ["not recorded"] * 2


def test_order_is_a_persons():
    given = ["conflicting", "80+", "5-17", "not recorded", "18-39", "<5", "F"]
    assert group_order(given) == ["5-17", "<5", "18-39", "80+", "F", "not recorded", "conflicting"]


def test_the_rest_of_a_group_is_known():
    names = ["F", "M", "X", "not recorded", "conflicting"]
    assert rest_of("F", names) == {"M", "X"}
    assert rest_of("not recorded", names) == {"F", "M", "X"}
    assert rest_of("F", ["F", "not recorded"]) == frozenset()
