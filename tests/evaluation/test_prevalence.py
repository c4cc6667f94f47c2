"""What calls mean at a stated prevalence."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation import EvaluationPlan, at_prevalence, evaluate_classification, ppv
from evaluation.prevalence import PREVALENCE_COLUMNS, Rate, _ratio


def counts(tp, n_ill, tn, n_well):
    """Return reference and calls of a table of counts."""
    ill = np.arange(n_ill + n_well) < n_ill
    return ill, np.concatenate([np.arange(n_ill) < tp, np.arange(n_well) >= tn])


def found_at(table, prevalence, **more):
    ill, called = counts(*table)
    return at_prevalence(
        ill, called, prevalence=prevalence, **({"patient_id": np.arange(ill.size)} | more)
    )


@pytest.mark.parametrize(
    ("prevalence", "expected"), [(0.013, 0.1066), (0.10, 0.5017), (0.50, 0.9006)]
)
def test_case_17_ppv_of_a_vendor_card(prevalence, expected):
    # The case reckons with the rates as the card prints them, 89.7 % and 90.1 %.
    printed = found_at((897, 1000, 901, 1000), prevalence)
    assert printed.ppv.value == pytest.approx(expected, abs=5e-5)
    found = found_at((70, 78, 73, 81), prevalence)
    assert found.ppv.value == pytest.approx(expected, abs=8e-4)
    assert found.ppv.low < expected < found.ppv.high
    assert found.flags_per_true.value == pytest.approx(1 / found.ppv.value)
    assert found.flags_per_true.low == pytest.approx(1 / found.ppv.high)
    alerts = 100 * (prevalence * 70 / 78 + (1 - prevalence) * 8 / 81)
    assert found.alerts_per_100.value == pytest.approx(alerts)


@settings(deadline=None)
@given(
    st.integers(1, 30), st.integers(1, 30), st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 0.99)
)
def test_figures_are_bayes_rule_and_lie_in_their_limits(n_ill, n_well, a, b, prevalence):
    tp, tn = round(a * n_ill), round(b * n_well)
    found = found_at((tp, n_ill, tn, n_well), prevalence)
    se, sp = tp / n_ill, tn / n_well
    joint = {"tp": prevalence * se, "fp": (1 - prevalence) * (1 - sp)}
    cleared = {"tn": (1 - prevalence) * sp, "fn": prevalence * (1 - se)}
    for one, top, bottom in (
        (found.ppv, joint["tp"], joint["tp"] + joint["fp"]),
        (found.npv, cleared["tn"], cleared["tn"] + cleared["fn"]),
        (found.alerts_per_100, 100 * (joint["tp"] + joint["fp"]), 1.0),
    ):
        if bottom == 0:
            assert one.state == "not_estimable"
            assert one.reason
            continue
        assert one.value == pytest.approx(top / bottom, abs=1e-12)
        assert 0 <= one.low <= one.value + 1e-9
        assert one.value <= one.high + 1e-9
        assert one.low < one.high
    if tp == 0:
        assert np.isnan(found.flags_per_true.value)
        assert "was called positive" in found.flags_per_true.reason


def test_at_its_own_prevalence_it_is_the_ppv_of_these_cases():
    ill, called = counts(70, 78, 73, 81)
    own = found_at((70, 78, 73, 81), 78 / 159)
    plain = ppv(ill, called, patient_id=np.arange(159))
    assert own.ppv.value == pytest.approx(plain.value)
    assert (own.ppv.low, own.ppv.high) == pytest.approx((plain.low, plain.high), abs=0.02)


def test_a_ratio_of_rates_agrees_with_statsmodels_where_there_are_many():
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    from statsmodels.stats.proportion import proportion_confint

    limits = [proportion_confint(x, n, method="wilson") for x, n in ((700, 1000), (150, 1000))]
    ours = _ratio(Rate(0.7, *limits[0]), Rate(0.15, *limits[1]), 0.0)
    peer = proportion.confint_proportions_2indep(700, 1000, 150, 1000, compare="ratio",
                                                 method="log")  # fmt: skip
    assert (ours.low, ours.high) == pytest.approx(peer, rel=0.01)


def test_no_false_alarm_in_few_is_not_certain():
    found = found_at((20, 20, 30, 30), 0.05)
    assert found.ppv.value == found.ppv.high == 1
    assert found.ppv.low < 0.5
    assert found.flags_per_true.high > 2


def test_copies_of_patients_say_nothing_new():
    ill, called = counts(70, 78, 73, 81)
    single = at_prevalence(ill, called, prevalence=0.1, patient_id=np.arange(159))
    who = np.tile(np.arange(159), 4)
    copied = at_prevalence(np.tile(ill, 4), np.tile(called, 4), prevalence=0.1, patient_id=who)
    naive = at_prevalence(
        np.tile(ill, 4), np.tile(called, 4), prevalence=0.1, patient_id=np.arange(636)
    )
    width = single.ppv.high - single.ppv.low
    assert copied.ppv.high - copied.ppv.low == pytest.approx(width, rel=0.1)
    assert naive.ppv.high - naive.ppv.low < 0.55 * width


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_ill", "n_well", "se", "sp"), [(30, 100, 0.85, 0.9), (60, 200, 0.9, 0.8), (20, 50, 0.9, 0.9)]
)
def test_limits_hold_what_they_say(n_ill, n_well, se, sp):
    rng = np.random.default_rng(0)
    prevalence, ill = 0.05, np.arange(n_ill + n_well) < n_ill
    alarm = prevalence * se + (1 - prevalence) * (1 - sp)
    truth = {
        "ppv": prevalence * se / alarm, "alerts_per_100": 100 * alarm,
        "npv": (1 - prevalence) * sp / (1 - alarm),
    }  # fmt: skip
    held = dict.fromkeys(truth, 0)
    for _ in range(1000):
        chance = rng.random(ill.size)
        called = np.where(ill, chance < se, chance > sp)
        found = at_prevalence(ill, called, prevalence=prevalence, patient_id=np.arange(ill.size))
        for name, value in truth.items():
            one = getattr(found, name)
            held[name] += one.low <= value <= one.high
    for name, n in held.items():
        assert 920 <= n <= 980, name


def test_without_a_kind_of_case_there_is_nothing():
    for table, reason in (((0, 0, 5, 9), "0 positives"), ((5, 9, 0, 0), "0 negatives")):
        found = found_at(table, 0.1)
        for one in (found.ppv, found.npv, found.alerts_per_100, found.flags_per_true):
            assert np.isnan([one.value, one.low, one.high]).all()
            assert (one.state, one.reason) == ("not_estimable", reason)


@pytest.mark.parametrize("prevalence", [0.0, 1.0, 5.0, np.nan])
def test_a_prevalence_is_a_share(prevalence):
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        found_at((3, 5, 4, 5), prevalence)
    with pytest.raises(ValueError, match="prevalence of a"):
        EvaluationPlan("classification", ("a",), ("a",), "roc_auc", prevalence={"a": prevalence})


def cases():
    ill, called = counts(70, 78, 73, 81)
    return pd.DataFrame({
        "case_id": np.arange(159), "patient_id": np.arange(159), "split": "test", "target": "a",
        "y_true": ill.astype(float), "y_score": called.astype(float), "status": "ok",
    })  # fmt: skip


def test_the_table_stands_where_a_prevalence_was_told():
    plan = EvaluationPlan(
        "classification", ("a",), ("a",), "roc_auc", n_boot=100, operating_points={"a": 0.5},
        prevalence={"a": 0.1}, prevalence_source="reports of 2025",
    )  # fmt: skip
    table = evaluate_classification(cases(), plan).tables["at_prevalence"]
    assert list(table.columns) == PREVALENCE_COLUMNS
    assert table["metric"].tolist() == ["ppv", "npv", "alerts_per_100", "flags_per_true"]
    assert table["value"].iloc[0] == pytest.approx(0.5017, abs=8e-4)
    assert set(table["source"]) == {"reports of 2025"}
    untold = EvaluationPlan("classification", ("a",), ("a",), "roc_auc", n_boot=100)
    assert evaluate_classification(cases(), untold).tables["at_prevalence"].empty


def test_without_an_operating_point_the_table_says_so():
    plan = EvaluationPlan(
        "classification", ("a",), ("a",), "roc_auc", n_boot=100, prevalence={"a": 0.1}
    )
    table = evaluate_classification(cases(), plan).tables["at_prevalence"]
    assert set(table["reason"]) == {"no operating point"}
    assert set(table["state"]) == {"not_estimable"}
