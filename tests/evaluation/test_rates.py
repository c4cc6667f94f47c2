import numpy as np
import pandas as pd
import pytest

from evaluation import EvaluationPlan, evaluate_classification, group_rates
from evaluation.plan import METRIC_COLUMNS
from evaluation.rates import COLUMNS, RATES

KEYS = ["attribute", "group", "metric"]


def cohort(n_patients=2500, each=2, seed=0):
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(n_patients), each)
    n = who.size
    y = rng.random(n) < 0.3
    tilt = rng.normal(0, 0.15, n_patients)[who]
    called = rng.random(n) < np.where(y, 0.8, 0.15) + tilt
    sex = rng.choice(["F", "M"], n_patients)[who].astype(object)
    sex[who < 4] = None
    view = rng.choice(["AP", "PA", "lateral"], n, p=[0.6, 0.395, 0.005])
    return pd.DataFrame(
        {
            "case_id": [f"c{i:05}" for i in range(n)], "patient_id": [f"p{w:05}" for w in who],
            "split": "test", "target": "a", "y_true": y.astype(float), "y_score": 0.5,
            "y_pred": called.astype(float), "status": "ok", "sex": sex, "view": view,
        }
    )  # fmt: skip


def engine(table, **more):
    plan = EvaluationPlan(
        "classification", ("a",), ("a",), "sensitivity", ("sex", "view"), per_case=("sex", "view"),
        **more,
    )  # fmt: skip
    found = evaluate_classification(table, plan).metrics
    return found[found["metric"].isin(RATES)].set_index(KEYS)


def rates(table, by_patient=True, **more):
    return group_rates(
        table["y_true"], table["y_pred"], table[["sex", "view"]],
        patient_id=table["patient_id"] if by_patient else None, **more,
    ).set_index(KEYS)  # fmt: skip


def test_it_says_what_the_whole_evaluation_says():
    table = cohort()
    one, other = rates(table), engine(table)
    assert set(one.index) == set(other.index)
    other = other.loc[one.index]
    for column in (
        "n_patients",
        "n_cases",
        "n_positive",
        "state",
        "reason",
        "method",
        "definition",
    ):
        assert one[column].tolist() == other[column].tolist(), column
    assert {"bootstrap by patient, percentile, 1000 replicates", "Wilson on effective n"} == set(
        one["method"]
    )
    for column in ("value", "low_linearised", "high_linearised"):
        assert one[column].to_numpy() == pytest.approx(other[column].to_numpy(), abs=1e-12), column
    # The engine weighs patients where that is quicker, so the draws are not always the same.
    width = (other["high"] - other["low"]).to_numpy()
    for column in ("low", "high"):
        apart = np.abs(one[column].to_numpy() - other[column].to_numpy()) / width
        assert apart.max() < 0.12, column
        assert (apart[one["method"].str.startswith("Wilson")] < 1e-9).all()


def test_where_rows_are_few_even_the_draws_are_the_engines():
    table = cohort(6000, each=1)
    one, other = rates(table), engine(table)
    some = one["method"].str.startswith("bootstrap") & (one["n_patients"] > 2000)
    assert some.sum() > 20
    pd.testing.assert_frame_equal(
        one.loc[some, ["low", "high"]], other.loc[one.index[some], ["low", "high"]]
    )


def test_case_25_a_small_frame():
    ill = np.array([1, 1, 1, 1, 1, 0, 0, 1, 1, 0])
    called = np.array([0, 1, 1, 1, 1, 0, 0, 0, 1, 1])
    found = group_rates(ill, called, np.repeat(["F", "M"], 5)).set_index(["group", "metric"])
    values = found["value"]
    assert [values[g, "selection_rate"] for g in "FM"] == [0.8, 0.4]
    assert [values[g, "accuracy"] for g in "FM"] == [0.8, 0.6]
    known = found.dropna(subset="value")
    assert known["method"].str.endswith("patients unknown").all()
    assert set(found.loc[["F", "M"], "state"]) == {"small_n", "not_estimable"}


def test_case_24_a_group_without_positives_has_no_sensitivity():
    found = group_rates(
        np.array([1, 1, 0, 0, 0, 0, 0, 0]), np.array([1, 1, 0, 0, 0, 0, 0, 1]),
        np.repeat(["a", "b"], 4),
    ).set_index(["group", "metric"])  # fmt: skip
    row = found.loc[("b", "sensitivity")]
    assert np.isnan([row["value"], row["low"], row["high"], row["low_linearised"]]).all()
    assert (row["state"], row["reason"], row["method"]) == ("not_estimable", "0 positives", "")
    rate = found["value"].xs("false_positive_rate", level="metric")
    assert rate["b"] - rate["a"] == 0.25


def test_case_23_patients_widen_the_interval():
    right = np.repeat(np.arange(40) < 28, 10)
    who = np.repeat(np.arange(40), 10)
    one, other = (
        group_rates(np.ones(400), right, np.full(400, "x"), patient_id=w)
        .set_index(["group", "metric"])
        .loc[("x", "sensitivity")]
        for w in (who, None)
    )
    widths = [r["high_linearised"] - r["low_linearised"] for r in (one, other)]
    assert widths[0] / widths[1] == pytest.approx(np.sqrt(10), rel=0.06)
    assert one["high"] - one["low"] > 2.5 * (other["high"] - other["low"])


def test_case_27_missing_groups_are_a_group():
    groups = pd.Series(["a", None, "b", " a", np.nan, " "], name="sex")
    found = group_rates(np.ones(6), np.ones(6), groups).query("metric == 'accuracy'")
    assert found.set_index("group")["n_cases"].to_dict() == {
        "all": 6, "a": 2, "b": 1, "not recorded": 3,
    }  # fmt: skip


def test_the_order_of_rows_is_nothing():
    table = cohort(800)
    one, other = rates(table), rates(table.sample(frac=1, random_state=5))
    pd.testing.assert_frame_equal(one, other)


def test_the_seed_is_all_there_is_of_chance():
    table = cohort(800)
    one, again, other = rates(table), rates(table), rates(table, seed=1)
    pd.testing.assert_frame_equal(one, again)
    assert not one["low"].equals(other["low"])
    assert one["value"].equals(other["value"])


def test_many_different_patients_are_weighted():
    rng = np.random.default_rng(0)
    who = rng.integers(0, 60, 6000)
    y = rng.random(6000) < 0.5
    called = rng.random(6000) < rng.beta(2, 2, 60)[who]
    row = group_rates(y, called, np.full(6000, "x"), patient_id=who).set_index(["group", "metric"])
    row = row.loc[("x", "selection_rate")]
    assert row["method"].startswith("bootstrap")
    ratio = (row["high"] - row["low"]) / (row["high_linearised"] - row["low_linearised"])
    assert 0.8 < ratio < 1.2


def test_the_columns_are_those_of_the_metrics_table():
    assert set(COLUMNS) <= set(METRIC_COLUMNS)
    assert group_rates(np.ones(2), np.ones(2), np.array([1, 2])).columns.tolist() == COLUMNS


def test_nobody_is_not_a_crash():
    found = group_rates(np.zeros(0), np.zeros(0), np.zeros(0))
    assert found["group"].unique().tolist() == ["all"]
    assert set(found["state"]) == {"not_estimable"}
    assert found["reason"].ne("").all()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"y_true": [0, 1, 2]}, "y_true must hold 0 and 1 alone"),
        ({"y_pred": [0, 1, np.nan]}, "y_pred must hold 0 and 1 alone"),
        ({"groups": np.array(["a"])}, r"groups \(1,\).* must match"),
        ({"patient_id": np.array([1.0, np.nan, 2.0])}, "patient_id is missing in 1 of 3 cases"),
        ({"n_boot": 20}, "n_boot 20 must be 100 or more"),
        ({"level": 1.0}, "level 1.0 must lie between 0 and 1"),
    ],
)
def test_what_is_odd_is_named(more, words):
    given = {"y_true": [0, 1, 1], "y_pred": [0, 1, 0], "groups": np.array(["a", "b", "a"])}
    with pytest.raises(ValueError, match=words):
        group_rates(**(given | more))


@pytest.mark.parametrize(
    "films",
    [np.r_[np.full(3, 100), np.full(97, 2)], np.full(12, 200), np.full(15, 50), np.full(20, 50)],
    ids=["three patients with most films", "12 × 200", "15 × 50", "20 × 50"],
)
def test_shares_of_few_or_uneven_patients_are_covered(films):
    rng = np.random.default_rng(5)
    who = np.repeat(np.arange(films.size), films)
    held, n_times = 0, 250
    for i in range(n_times):
        hit = rng.random(who.size) < rng.beta(4, 1, films.size)[who]
        table = group_rates(
            np.ones(who.size, bool), hit, np.full(who.size, "a"), patient_id=who, n_boot=100,
            seed=i,
        )  # fmt: skip
        row = table[table["metric"] == "sensitivity"].iloc[0]
        # A bootstrap of so few patients is too narrow.
        assert row["method"] == "Wilson on effective n"
        held += row["low"] <= 0.8 <= row["high"]
    assert held / n_times >= 0.93


def test_thirty_patients_are_drawn_again():
    rng = np.random.default_rng(6)
    who = np.repeat(np.arange(40), 10)
    hit = rng.random(400) < rng.beta(4, 1, 40)[who]
    table = group_rates(np.ones(400, bool), hit, np.full(400, "a"), patient_id=who)
    assert table.loc[table["metric"] == "sensitivity", "method"].iloc[0].startswith("bootstrap")
