import pandas as pd
import pytest

from aiops.report.disclosure import is_hidden, policy_in, shown_evaluation, shown_flow
from evaluation.disclosure import Disclosure


def flow(step, n, reason=""):
    rows = [{"step": "in the table", "n_cases": 100, "n_patients": None, "reason": ""}]
    rows.append({"step": step, "n_cases": n, "n_patients": n, "reason": reason})
    rest = 100 - n
    return [*rows, {"step": "test, sealed", "n_cases": rest, "n_patients": rest, "reason": ""}]


def shown(*told):
    return [row["n_cases"] for row in shown_flow(flow(*told), Disclosure())]


def test_few_people_left_out_are_hidden_with_the_number_one_could_count_down_from():
    assert shown("left out by the config", 2, "ward is one of 3") == [None, None, 98]
    assert shown("left out after the audit", 3, "ATTRIBUTE_CONFLICT: sex") == [None, None, 97]


def test_files_that_cannot_be_read_and_large_numbers_are_told():
    assert shown("left out after the audit", 3, "FILE_MISSING: lost") == [100, 3, 97]
    assert shown("left out by the config", 20, "ward is one of 3") == [100, 20, 80]


def test_the_verdict_of_a_hidden_group_keeps_its_word_alone():
    group = {"target": "t", "attribute": "sex", "group": "x", "verdict": "concern"}
    group |= {"value": -0.4, "low": -0.9, "high": -0.1, "n_patients": 5, "n_needed": 60}
    gaps = pd.DataFrame([{**group, "low_simultaneous": None, "high_simultaneous": None,
                          "value": None, "n_patients": None, "n_needed": None,
                          "reason": "hidden (<8)"}])  # fmt: skip
    evaluation = {"verdict": {"overall": "concern", "groups": [{**group, "reason": ""}]}}
    told = shown_evaluation(evaluation, gaps, Disclosure())["verdict"]["groups"][0]
    assert told["verdict"] == "concern"
    assert told["reason"] == "hidden (<8)"
    assert [told[name] for name in ("value", "low", "high", "n_patients", "n_needed")] == [None] * 5


@pytest.mark.parametrize(
    ("text", "below"), [("", 8), ("a: 1", 8), ("disclosure: {suppress_below: 1}", 1)]
)
def test_the_policy_is_the_config_s(text, below):
    assert policy_in(text).suppress_below == below


def test_any_word_for_hidden_is_known():
    words = ("hidden", "hidden (<8)", "hidden (<20)", "hidden figures", "")
    assert [is_hidden(word) for word in words] == [True, True, True, False, False]
