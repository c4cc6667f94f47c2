import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation import EvaluationPlan, evaluate_classification, evaluate_segmentation
from evaluation.disparities import COLUMNS, equity_scaled


def classified(y, called, groups, *, name="group", score=None, patients=None, **plan):
    n = len(y)
    table = pd.DataFrame({
        "case_id": [f"c{i:04}" for i in range(n)],
        "patient_id": [f"p{i:04}" for i in range(n)] if patients is None else patients,
        "split": "test", "target": "a", "y_true": np.array(y, float),
        "y_score": np.array(called, float) if score is None else score,
        "y_pred": np.array(called, float), "status": "ok", name: groups,
    })  # fmt: skip
    given = {"prespecified": (name,), **plan}
    plan = EvaluationPlan("classification", ("a",), ("a",), "sensitivity", (name,), n_boot=100,
                          **given)  # fmt: skip
    return evaluate_classification(table, plan).tables["disparities"].set_index("metric")


def segmented(values, groups, **plan):
    rows = [
        {"case_id": f"c{i:03}", "patient_id": f"p{i:03}", "split": "test", "structure": "liver",
         "metric": m, "value": v, "unit": "", "outcome": "missed" if lost else "found", "site": g}
        for i, (dice, g) in enumerate(zip(values, groups, strict=True))
        for lost in [dice == 0]
        for m, v in (("dice", dice), ("hd95_mm", 110.0 if lost else 20 * (1 - dice)))
    ]  # fmt: skip
    plan = EvaluationPlan("segmentation", ("liver",), ("liver",), "dice", ("site",), n_boot=100,
                          **plan)  # fmt: skip
    return evaluate_segmentation(pd.DataFrame(rows), plan).tables["disparities"].set_index("metric")


def test_case_24_a_group_without_positives_has_no_opportunity_to_compare():
    metrics = pytest.importorskip("fairlearn.metrics")
    y, called = np.array([1, 1, 0, 0, 0, 0, 0, 0]), np.array([1, 1, 0, 0, 0, 0, 0, 1])
    groups = np.array(list("aaaabbbb"))
    found = classified(y, called, groups)
    row = found.loc["equal_opportunity"]
    assert np.isnan([row["gap"], row["chance_gap"], row["p_homogeneity"]]).all()
    assert (row["state"], row["reason"]) == ("not_estimable", "not estimable: b: 0 positives")
    # fairlearn takes the sensitivity of a group without disease for 0 and reports the worst gap.
    assert metrics.equal_opportunity_difference(y, called, sensitive_features=groups) == 1.0
    assert found.loc["specificity", "gap"] == pytest.approx(0.25)
    rate = metrics.MetricFrame(
        metrics=metrics.false_positive_rate, y_true=y, y_pred=called, sensitive_features=groups
    )
    assert rate.difference() == 0.25
    odds = found.loc["equalized_odds"]
    assert np.isnan(odds["gap"])
    assert odds["reason"] == ("not estimable: b: 0 positives; the gap in specificity alone is 0.25")


def test_case_25_fairlearns_frame():
    metrics = pytest.importorskip("fairlearn.metrics")
    y = np.array([1, 1, 1, 1, 1, 0, 0, 1, 1, 0])
    called = np.array([0, 1, 1, 1, 1, 0, 0, 0, 1, 1])
    sex = np.repeat(["F", "M"], 5)
    table = classified(y, called, sex, name="sex")
    assert tuple(table.loc["accuracy", ["best", "worst"]]) == pytest.approx((0.8, 0.6))
    found = table.loc["demographic_parity"]
    assert (found["best"], found["worst"]) == pytest.approx((0.8, 0.4))
    assert (found["best_group"], found["worst_group"]) == ("F", "M")
    given = {"sensitive_features": sex}
    assert found["gap"] == pytest.approx(0.4)
    assert found["gap"] == pytest.approx(metrics.demographic_parity_difference(y, called, **given))
    assert found["ratio"] == pytest.approx(0.5)
    assert found["ratio"] == pytest.approx(metrics.demographic_parity_ratio(y, called, **given))


def test_differences_and_ratios_agree_with_fairlearn_where_all_are_measured():
    metrics = pytest.importorskip("fairlearn.metrics")
    rng = np.random.default_rng(0)
    groups = rng.choice(list("abcd"), 600)
    y = rng.random(600) < 0.4
    called = rng.random(600) < np.where(y, 0.8, 0.2)
    found = classified(y, called, groups)
    given = {"sensitive_features": groups}
    for word, difference, ratio in (
        (
            "equal_opportunity",
            metrics.equal_opportunity_difference,
            metrics.equal_opportunity_ratio,
        ),
        ("equalized_odds", metrics.equalized_odds_difference, metrics.equalized_odds_ratio),
    ):
        assert found.loc[word, "gap"] == pytest.approx(difference(y, called, **given))
        assert found.loc[word, "ratio"] == pytest.approx(ratio(y, called, **given))


def test_case_29_equity_scaled():
    assert equity_scaled(0.80, [0.85, 0.70]) == pytest.approx(0.69565, abs=1e-5)
    assert equity_scaled(0.80, [0.80, 0.80, np.nan]) == 0.80
    assert np.isnan(equity_scaled(0.80, [0.80, np.nan]))


def test_case_29_in_the_table():
    y = np.ones(60, int)
    called = np.r_[np.arange(40) < 34, np.arange(20) < 14].astype(int)
    found = classified(y, called, ["a"] * 40 + ["b"] * 20).loc["sensitivity"]
    assert (found["best"], found["worst"]) == pytest.approx((0.85, 0.70))
    assert found["equity_scaled"] == pytest.approx(0.8 / 1.15)


def test_case_27_what_is_not_recorded_is_neither_worst_nor_best():
    y = np.ones(60, int)
    called = np.r_[np.ones(20), np.arange(20) < 15, np.zeros(20)].astype(int)
    found = classified(y, called, ["a"] * 20 + ["b"] * 20 + [None] * 20).loc["sensitivity"]
    assert (found["n_groups"], found["worst_group"], found["best_group"]) == (2, "b", "a")
    assert found["gap"] == pytest.approx(0.25)


def test_a_gap_needs_two_measured_groups():
    y, called = np.r_[np.ones(20), np.zeros(20)].astype(int), np.ones(40, int)
    found = classified(y, called, ["a"] * 20 + ["b"] * 20)
    assert found.loc["sensitivity", "n_measured"] == 1
    assert np.isnan(found.loc["sensitivity", "gap"])
    alone = classified(y, called, ["a"] * 40)
    assert alone.loc["sensitivity", "reason"] == "not estimable: one group only"


def test_a_group_that_cannot_be_measured_is_named():
    rng = np.random.default_rng(0)
    y = np.r_[np.tile([1, 0], 40), np.zeros(30)].astype(int)
    found = classified(y, rng.random(110) < 0.5, ["a"] * 40 + ["b"] * 40 + ["c"] * 30)
    row = found.loc["sensitivity"]
    assert (row["n_groups"], row["n_measured"], row["state"]) == (3, 2, "ok")
    assert row["reason"] == "without c: 0 positives"


def test_a_reason_that_all_groups_share_is_said_once():
    found = classified(np.tile([1, 0], 20), np.full(40, np.nan), ["a"] * 20 + ["b"] * 20,
                       score=np.linspace(0, 1, 40))  # fmt: skip
    reasons = found.loc[["sensitivity", "equalized_odds", "demographic_parity"], "reason"]
    assert set(reasons) == {"not estimable: no operating point"}


def test_a_small_group_is_worst_and_said_to_be_small():
    y = np.ones(64, int)
    called = np.r_[np.ones(57), np.zeros(3), np.zeros(4)].astype(int)
    row = classified(y, called, ["a"] * 60 + ["b"] * 4).loc["sensitivity"]
    assert (row["worst_group"], row["state"]) == ("b", "small_n")
    assert row["reason"] == "too few in b: 4 patients with the finding; 10 are needed"


def test_a_group_the_tool_answers_none_of_is_not_measured():
    n = 60
    table = pd.DataFrame({
        "case_id": np.arange(n), "patient_id": np.arange(n), "split": "test", "target": "a",
        "y_true": np.tile([1.0, 0.0], n // 2), "y_score": 0.5, "y_pred": 1.0,
        "status": np.where(np.arange(n) < 20, "failed", "ok"),
        "site": np.repeat(["x", "y", "z"], 20),
    })  # fmt: skip
    plan = EvaluationPlan("classification", ("a",), ("a",), "sensitivity", ("site",), n_boot=100)
    found = evaluate_classification(table, plan).tables["disparities"].set_index("metric")
    assert found.loc["sensitivity", "reason"] == "without x: no case was answered"
    assert found.loc["sensitivity", "worst_group"] != "x"


def test_the_worst_of_errors_is_the_largest_and_of_ideals_the_farthest():
    rng = np.random.default_rng(0)
    found = segmented(np.r_[rng.normal(0.9, 0.02, 30), rng.normal(0.7, 0.02, 30)],
                      ["a"] * 30 + ["b"] * 30)  # fmt: skip
    assert (found.loc["dice", "worst_group"], found.loc["hd95_mm", "worst_group"]) == ("b", "b")
    assert found.loc["hd95_mm", "gap"] == pytest.approx(4, abs=0.3)
    assert np.isnan(found.loc["hd95_mm", "equity_scaled"])
    assert found.loc["dice", "p_homogeneity"] < 1e-6


def test_missed_structures_are_a_gap_of_their_own():
    rng = np.random.default_rng(0)
    values = np.r_[rng.normal(0.9, 0.02, 40), rng.normal(0.9, 0.02, 40)]
    values[:12] = 0
    row = segmented(values, ["a"] * 40 + ["b"] * 40).loc["missed"]
    assert (row["worst_group"], row["worst"], row["best"]) == ("a", 0.3, 0.0)
    assert row["gap"] == pytest.approx(0.3)


def test_the_interval_of_the_worst_group_is_that_of_the_metrics_table():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({
        "case_id": np.arange(200), "patient_id": np.arange(200), "split": "test", "target": "a",
        "y_true": 1.0, "y_score": 0.5, "y_pred": (rng.random(200) < 0.8).astype(float),
        "status": "ok", "sex": rng.choice(["F", "M"], 200),
    })  # fmt: skip
    plan = EvaluationPlan("classification", ("a",), ("a",), "sensitivity", ("sex",), n_boot=100)
    found = evaluate_classification(table, plan)
    row = found.tables["disparities"].set_index("metric").loc["sensitivity"]
    metrics = found.metrics.set_index(["metric", "attribute", "group"])
    same = metrics.loc[("sensitivity", "sex", row["worst_group"])]
    assert (row["worst"], row["worst_low"], row["worst_high"]) == pytest.approx(
        (same["value"], same["low"], same["high"])
    )


def test_the_order_of_rows_and_the_seed():
    rng = np.random.default_rng(0)
    y = rng.random(300) < 0.5
    called, view = rng.random(300) < 0.6, rng.choice(["AP", "PA"], 300)
    who = rng.integers(0, 120, 300).astype(str)
    plan = {"per_case": ("view",), "prespecified": ()}
    first = classified(y, called, view, name="view", patients=who, **plan)
    assert list(first.reset_index().columns) == ["metric", *[c for c in COLUMNS if c != "metric"]]
    again = classified(y, called, view, name="view", patients=who, **plan)
    pd.testing.assert_frame_equal(first, again)
    other = classified(y, called, view, name="view", patients=who, seed=3, **plan)
    assert other.loc["sensitivity", "chance_gap"] != first.loc["sensitivity", "chance_gap"]
    assert other.loc["sensitivity", "gap"] == first.loc["sensitivity", "gap"]
    assert not first["prespecified"].any()


cases = st.lists(
    st.tuples(st.booleans(), st.booleans(), st.sampled_from("abc"), st.integers(0, 9)),
    min_size=1,
    max_size=40,
)


@settings(max_examples=40, deadline=None)
@given(cases)
def test_what_holds_for_any_cases(rows):
    y, called, groups, who = (np.array(part) for part in zip(*rows, strict=True))
    patients = [f"p{p}" for p in who]
    found = classified(y, called, groups, patients=patients, per_case=("group",))
    known = found[found["state"] != "not_estimable"]
    assert (found["n_measured"] <= found["n_groups"]).all()
    assert (known["gap"] >= 0).all()
    assert known.loc[known["ratio"].notna(), "ratio"].between(0, 1).all()
    assert known.loc[known["p_homogeneity"].notna(), "p_homogeneity"].between(0, 1).all()
    drawn = known[known["chance_gap"].notna()]
    assert (drawn["chance_gap_high"] >= 0.5 * drawn["chance_gap"]).all()
    blank = found[found["state"] == "not_estimable"]
    assert (blank["reason"] != "").all()
    assert blank[["gap", "worst", "best", "ratio", "equity_scaled"]].isna().all(axis=None)
    turned = classified(y, called, np.array(list("cab"))[["abc".index(g) for g in groups]],
                        patients=patients, per_case=("group",))  # fmt: skip
    assert turned["gap"].to_numpy() == pytest.approx(found["gap"].to_numpy(), nan_ok=True)
