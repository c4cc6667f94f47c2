import pandas as pd
import pytest

from aiops.report.disclosure import is_hidden, policy_in, shown_evaluation, shown_flow
from evaluation.disclosure import Disclosure


def flow(*left_out, total=100):
    rows = [{"step": "in the table", "n_cases": total, "n_patients": None}]
    rows += [{"step": "left out after the audit", "n_cases": n, "n_patients": n} for n in left_out]
    rest = total - sum(left_out)
    return [*rows, {"step": "test, sealed", "n_cases": rest, "n_patients": rest}]


def test_few_who_were_left_out_cannot_be_had_from_the_steps():
    assert [row["n_cases"] for row in shown_flow(flow(3, 20, 30), Disclosure())] == [
        100, None, None, 30, 47,
    ]  # fmt: skip


def test_the_start_is_hidden_where_it_would_give_the_left_out_away():
    assert [row["n_cases"] for row in shown_flow(flow(2), Disclosure())] == [None, None, 98]


def test_a_flow_without_small_steps_stays():
    assert [row["n_cases"] for row in shown_flow(flow(20, 30), Disclosure())] == [100, 20, 30, 50]


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
