import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation import EvaluationPlan, evaluate_classification
from evaluation.disclosure import Disclosure, suppress, suppress_counts

SMALL, OTHER = "hidden (<8)", "hidden"


def metrics(rows, attribute="sex") -> pd.DataFrame:
    """Rows of (target, group, patients, positives)."""
    table = pd.DataFrame(rows, columns=["target", "group", "n_patients", "n_positive"])
    return table.assign(
        attribute=np.where(table["group"] == "all", "all", attribute),
        metric="roc_auc",
        n_cases=table["n_patients"],
        n_failed=0,
        value=0.81234,
        low=0.7,
        high=0.9,
        state="ok",
        reason="",
    )


def crossed(cells, **columns):
    """Cells of {"female, young": (patients, positives)}."""
    rows = [
        {"group": group, "n_patients": n, "n_cases": n, "n_positive": positive}
        for group, (n, positive) in cells.items()
    ]
    told = {"attributes": "sex × age", "target": "t", "metric": "roc_auc", "value": 0.8}
    return pd.DataFrame(rows).assign(**{**told, "state": "ok", "reason": "", **columns})


def test_case_34_small_counts_are_hidden_and_the_rest_rounded():
    found = suppress_counts([3, 0, 12, 8, 7])
    np.testing.assert_array_equal(found.values, [np.nan, 0, 10, 10, np.nan])
    assert list(found.is_suppressed) == [True, False, False, False, True]
    assert list(found.why) == ["primary", "", "", "", "primary"]


def test_case_34_one_hidden_count_under_a_published_total_takes_a_second_with_it():
    found = suppress_counts([3, 0, 12, 8, 20])
    assert list(found.why) == ["primary", "", "", "complementary", ""]
    alone = suppress_counts([3, 0, 12, 8, 20], total_published=False)
    np.testing.assert_array_equal(alone.values, [np.nan, 0, 10, 10, 20])


def test_a_second_that_is_just_large_enough_protects_nothing_so_a_third_follows():
    # 1 + 8 is 9: knowing that one is 8 or more and the other 1 to 7, both were known.
    assert list(suppress_counts([1, 8, 20]).is_suppressed) == [True, True, True]


def test_where_all_are_hidden_and_still_known_it_is_not_told_which_is_small():
    assert list(suppress_counts([1, 8]).why) == ["suppressed", "suppressed"]


@given(st.lists(st.integers(0, 60), min_size=1, max_size=8), st.sampled_from([2, 3, 5, 8, 20]))
def test_no_small_count_is_shown_nor_had_by_subtraction(counts, below):
    found = suppress_counts(counts, Disclosure(below, 1))
    shown = found.values[~found.is_suppressed]
    assert not ((shown >= 1) & (shown < below)).any()
    rest = sum(counts) - shown.sum()
    if shown.size and found.is_suppressed.any():
        assert found.is_suppressed.sum() >= 2
        assert rest >= below


@given(st.lists(st.integers(0, 60), min_size=1, max_size=8))
def test_a_zero_is_not_hidden_while_others_can_protect_and_is_never_made(counts):
    found = suppress_counts(counts, Disclosure(complementary=False))
    np.testing.assert_array_equal(found.values == 0, np.array(counts) == 0)
    np.testing.assert_array_equal(np.isnan(found.values), found.is_suppressed)


def test_a_cell_of_a_table_takes_three_others_with_it_to_hold_both_margins():
    found = suppress_counts([[3, 20, 30], [40, 50, 60], [70, 80, 90]], Disclosure(round_to=1))
    np.testing.assert_array_equal(
        found.is_suppressed, [[True, True, False], [True, True, False], [False, False, False]]
    )


def test_a_missing_count_stays_missing_and_is_not_called_hidden():
    found = suppress_counts([np.nan, 3, 20, 30])
    assert list(found.is_suppressed) == [False, True, True, False]
    assert np.isnan(found.values[0])


@pytest.mark.parametrize("counts", [[-1, 3], [2.5], [[[1]]]])
def test_what_is_no_count_is_refused(counts):
    with pytest.raises(ValueError, match=r"counts"):
        suppress_counts(counts)


@pytest.mark.parametrize("name", ["suppress_below", "round_to"])
def test_a_policy_below_one_is_refused(name):
    with pytest.raises(ValueError, match=rf"{name} 0 must be 1 or more"):
        Disclosure(**{name: 0})


def test_rounding_never_makes_a_zero():
    assert Disclosure(suppress_below=2).rounded([0, 2, 7, 8]).tolist() == [0, 5, 5, 10]


def test_a_policy_of_one_hides_and_rounds_nothing():
    table = metrics([("t", "all", 43, 20), ("t", "f", 41, 19), ("t", "m", 2, 1)])
    found = suppress(table, pd.DataFrame(), policy=Disclosure(suppress_below=1))
    pd.testing.assert_frame_equal(found.metrics, table)
    assert found.log.empty


def test_nothing_is_hidden_where_nothing_is_small():
    table = metrics([("t", "all", 100, 40), ("t", "f", 60, 22), ("t", "m", 40, 18)])
    found = suppress(table, pd.DataFrame())
    assert list(found.metrics["state"]) == ["ok"] * 3
    assert set(found.log["why"]) == {"rounding to 5"}


def test_counts_of_groups_are_rounded_and_totals_are_not():
    table = metrics([("t", "all", 101, 41), ("t", "f", 59, 22), ("t", "m", 42, 19)])
    shown = suppress(table, pd.DataFrame()).metrics
    assert list(shown["n_patients"]) == [101, 60, 40]
    assert list(shown["n_positive"]) == [41, 20, 20]
    assert list(shown["rounded_to"]) == [0, 5, 5]
    assert list(shown["value"]) == [0.81234, 0.812, 0.812]


def test_a_small_group_takes_the_next_smallest_with_it_and_says_which_is_which():
    table = metrics(
        [("t", "all", 150, 60), ("t", "f", 80, 30), ("t", "m", 65, 28), ("t", "x", 5, 2)]
    )
    hidden = suppress(table, pd.DataFrame()).metrics.set_index("group")
    assert hidden.loc["x", "reason"] == SMALL
    assert hidden.loc["m", "reason"] == OTHER
    lost = ["n_patients", "n_positive", "value", "low"]
    assert hidden.loc[["x", "m"], lost].isna().all(axis=None)
    assert hidden.loc["f", "n_patients"] == 80
    assert hidden.loc["all", "n_patients"] == 150


def test_a_group_of_few_is_hidden_with_the_same_others_in_every_target():
    groups = [("f", 80), ("m", 65), ("w", 90), ("x", 5)]
    rows = [(t, g, n, 20) for t in ("a", "b") for g, n in groups]
    rows[2] = ("a", "w", 90, 3)  # few positives in one target only
    rows[3], rows[7] = ("a", "x", 5, 1), ("b", "x", 5, 1)
    table = suppress(metrics(rows), pd.DataFrame()).metrics
    for target in ("a", "b"):
        lost = table[(table["target"] == target) & table["n_patients"].isna()]
        assert set(lost["group"]) == {"m", "x"}


def test_few_healthy_are_as_telling_as_few_diseased():
    table = metrics([("t", "f", 80, 76), ("t", "m", 60, 30), ("t", "w", 70, 40)])
    hidden = suppress(table, pd.DataFrame()).metrics.set_index("group")
    assert hidden.loc["f", "state"] == "suppressed"
    assert hidden.loc["f", "n_patients"] == 80
    assert np.isnan(hidden.loc["f", "n_positive"])


def test_gaps_lose_their_figures_but_keep_their_verdict():
    table = metrics([("t", "f", 80, 30), ("t", "m", 65, 28), ("t", "x", 5, 2)])
    gaps = table[["target", "attribute", "group", "n_patients", "value", "reason"]].assign(
        low_simultaneous=-0.2, verdict="insufficient evidence", n_needed=300
    )
    gaps.loc[gaps["group"] == "x", "reason"] = "only 2 positives"
    hidden = suppress(table, gaps).gaps.set_index("group")
    assert hidden.loc[["m", "x"], ["value", "low_simultaneous", "n_needed"]].isna().all(axis=None)
    assert hidden.loc["x", "reason"] == SMALL
    assert list(hidden["verdict"]) == ["insufficient evidence"] * 3
    # The rest of f is m and x, both hidden: its gap and its figure would give theirs.
    assert np.isnan(hidden.loc["f", "value"])
    shown = suppress(table[table["group"] != "x"], gaps[gaps["group"] != "x"]).gaps
    assert list(shown["value"]) == [0.812, 0.812]


def test_the_words_of_a_group_that_is_shown_carry_no_small_count():
    table = metrics([("t", "f", 80, 30), ("t", "m", 65, 28)])
    table["reason"] = ["3 of 80 cases failed", "fewer than 8 effective cases in 18-39"]
    shown = suppress(table, pd.DataFrame()).metrics
    assert list(shown["reason"]) == [
        "few of 80 cases failed",
        "fewer than 8 effective cases in 18-39",
    ]


def test_failures_of_few_are_hidden_and_protected():
    table = metrics([("t", "f", 80, 30), ("t", "m", 65, 28), ("t", "w", 60, 20)])
    table["n_failed"] = [2, 9, 12]
    shown = suppress(table, pd.DataFrame()).metrics.set_index("group")
    assert shown["n_failed"].isna().to_dict() == {"f": True, "m": True, "w": False}
    assert list(shown["state"]) == ["ok"] * 3


def test_the_worst_group_is_not_named_nor_its_figure_where_it_is_hidden():
    table = metrics([("t", "f", 80, 30), ("t", "m", 65, 28), ("t", "w", 90, 31), ("t", "x", 5, 2)])
    told = {"target": "t", "metric": "roc_auc", "attribute": "sex", "n_groups": 4, "worst": 0.5}
    told |= {"best_group": "f", "best": 0.8, "gap": 0.3, "equity_scaled": 0.6, "state": "ok"}
    some = [{**told, "worst_group": "x", "reason": ""}, {**told, "worst_group": "w", "reason": ""}]
    shown = suppress(table, pd.DataFrame(), {"disparities": pd.DataFrame(some)})
    first, second = shown.tables["disparities"].to_dict("records")
    assert (first["worst_group"], first["state"], first["n_groups"]) == ("", "suppressed", 4)
    assert np.isnan([first["worst"], first["best"], first["gap"]]).all()
    assert (second["worst_group"], second["gap"]) == ("w", 0.3)
    assert np.isnan(second["equity_scaled"])


def test_a_reason_that_names_a_hidden_group_is_not_told():
    table = metrics([("t", "f", 80, 30), ("t", "m", 65, 28), ("t", "w", 90, 31), ("t", "x", 5, 5)])
    told = {"target": "t", "metric": "roc_auc", "attribute": "sex", "worst_group": "", "gap": 0.3}
    rows = pd.DataFrame([{**told, "state": "ok", "reason": "x: 0 negatives"},
                         {**told, "state": "ok", "reason": "w: 0 negatives"}])  # fmt: skip
    shown = suppress(table, pd.DataFrame(), {"disparities": rows}).tables["disparities"]
    assert list(shown["reason"]) == ["hidden", "w: 0 negatives"]


def test_crossings_with_a_hidden_group_are_left_out_and_small_cells_are_protected():
    groups = metrics([("t", "all", 300, 150), ("t", "f", 150, 70), ("t", "m", 145, 78),
                      ("t", "x", 5, 2), ("t", "w", 0, 0)]).iloc[:4]  # fmt: skip
    ages = metrics([("t", "old", 100, 50), ("t", "mid", 100, 50), ("t", "young", 100, 50)], "age")
    cells = {
        "f, old": (60, 30), "f, mid": (50, 25), "f, young": (40, 15),
        "m, old": (39, 19), "m, mid": (48, 24), "m, young": (58, 35), "x, mid": (2, 1),
    }  # fmt: skip
    table = pd.concat([groups, ages])
    found = suppress(table, pd.DataFrame(), {"intersections": crossed(cells)})
    shown = found.tables["intersections"]
    assert not shown["group"].str.startswith("x").any()
    assert "rows of hidden groups left out" in set(found.log["why"])
    # x is hidden, and another sex with it: then no cell may be subtracted from its age.
    assert len(set(shown["group"].str.split(", ").str[0])) <= 1


def test_a_crossing_without_a_patient_is_told_only_where_no_group_is_hidden():
    table = metrics([("t", "f", 80, 40), ("t", "m", 65, 30)])
    ages = metrics([("t", "old", 60, 30), ("t", "young", 85, 40)], "age")
    cells = {"f, young": (80, 40), "m, old": (60, 30), "m, young": (5, 0), "f, old": (0, 0)}
    cells["m, young"], cells["m, old"] = (20, 10), (45, 20)
    table = pd.concat([table, ages])
    shown = suppress(table, pd.DataFrame(), {"intersections": crossed(cells)})
    assert set(shown.tables["intersections"]["group"]) == set(cells)
    few = metrics([("t", "x", 4, 2)])
    shown = suppress(pd.concat([table, few]), pd.DataFrame(), {"intersections": crossed(cells)})
    assert "f, old" not in set(shown.tables["intersections"]["group"])


def test_rows_that_sum_up_an_attribute_and_counts_of_complete_cases_are_no_groups():
    table = metrics([("t", "f", 80, 40), ("t", "m", 65, 30), ("t", "w", 70, 30)])
    rows = metrics([("t", "f", 80, 40), ("t", "(worst group)", 4, 2)]).assign(before=0.7, after=0.8)
    adjusted = metrics([("t", "f", 78, 40), ("t", "m", 62, 30)]).assign(
        adjusted_for="scanner", n_dropped=[2, 30], crude=0.1
    )
    shown = suppress(table, pd.DataFrame(), {"mitigation": rows, "adjusted": adjusted})
    assert list(shown.metrics["state"]) == ["ok"] * 3
    assert list(shown.tables["mitigation"]["after"]) == [0.8, 0.8]
    told = shown.tables["adjusted"].set_index("group")
    # The difference to the 80 of the metrics would be the 2 that were dropped.
    assert told.loc["f", ["n_dropped", "n_patients", "n_cases"]].isna().all()
    assert told.loc["m", "n_patients"] == 60


def test_the_worst_group_of_a_mitigation_is_hidden_with_the_group_it_may_be():
    table = metrics([("t", "f", 80, 40), ("t", "m", 65, 30), ("t", "x", 4, 2)])
    rows = metrics([("t", "f", 80, 40), ("t", "(worst group)", 4, 2)]).assign(before=0.7, after=0.8)
    shown = suppress(table, pd.DataFrame(), {"mitigation": rows}).tables["mitigation"]
    assert list(shown["after"].isna()) == [False, True]


def test_a_crossing_whose_groups_cannot_be_told_apart_is_left_out():
    table = metrics([("t", "f", 80, 30), ("t", "m", 65, 28)])
    found = suppress(table, pd.DataFrame(), {"intersections": crossed({"f, old": (40, 20)})})
    assert found.tables["intersections"].empty
    assert "sex × age" in set(found.log["attribute"])


def test_bins_of_few_cases_are_hidden_with_what_protects_them():
    bins = pd.DataFrame({"target": "t", "attribute": "all", "group": "all", "bin": [0, 1, 2, 3],
                         "n_cases": [90, 60, 40, 5], "n_positive": [20, 25, 22, 4],
                         "observed": [0.2, 0.4, 0.55, 0.8], "state": "ok"})  # fmt: skip
    table = metrics([("t", "f", 80, 30), ("t", "m", 65, 28)])
    shown = suppress(table, pd.DataFrame(), {"calibration_bins": bins}).tables["calibration_bins"]
    assert list(shown["n_cases"].isna()) == list(shown["observed"].isna())
    assert shown["n_cases"].isna().sum() >= 2
    assert np.isnan(shown["observed"].iloc[3])


def test_the_log_names_what_was_hidden_and_holds_no_number_of_it():
    table = metrics(
        [("t", "all", 150, 60), ("t", "f", 80, 30), ("t", "m", 65, 28), ("t", "x", 5, 2)]
    )
    log = suppress(table, pd.DataFrame()).log
    assert list(log.columns) == ["table", "attribute", "group", "target", "columns", "why"]
    line = log[log["group"] == "x"].iloc[0].to_dict()
    assert line == {
        "table": "metrics", "attribute": "sex", "group": "x", "target": "t", "why": "primary",
        "columns": "value, low, high, n_positive, n_patients, n_cases, n_failed",
    }  # fmt: skip
    assert set(log["why"]) == {"primary", "complementary", "rounding to 5"}
    numbers = log.drop(columns="why").to_string(index=False, header=False)
    assert not any(n in numbers.split() for n in ("5", "2", "65", "28"))


def test_an_attribute_that_nothing_can_protect_is_left_out():
    table = metrics([("t", "all", 2, 1), ("t", "f", 1, 1), ("t", "m", 1, 0)])
    found = suppress(table, pd.DataFrame())
    assert list(found.metrics["group"]) == ["all"]


def test_the_order_of_rows_does_not_matter():
    rows = [("t", "all", 150, 60), ("t", "f", 80, 30), ("t", "m", 65, 28), ("t", "x", 5, 2)]
    one = suppress(metrics(rows), pd.DataFrame()).metrics.set_index("group").sort_index()
    two = suppress(metrics(rows[::-1]), pd.DataFrame()).metrics.set_index("group").sort_index()
    pd.testing.assert_frame_equal(one, two)


def test_the_tables_given_are_left_as_they_are():
    table = metrics([("t", "f", 80, 30), ("t", "x", 5, 2)])
    before = table.copy()
    suppress(table, pd.DataFrame())
    pd.testing.assert_frame_equal(table, before)


def few_not_recorded():
    """A cohort with two sexes and five patients whose sex nobody wrote down."""
    n = 181
    sex = np.array(["F"] * 83 + ["M"] * 93 + [None] * 5, dtype=object)
    ill = np.arange(n) % 3 == 0
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "case_id": [f"c{i:03}" for i in range(n)],
            "patient_id": [f"p{i:03}" for i in range(n)],
            "split": "test",
            "target": "x",
            "y_true": ill.astype(int),
            "y_score": np.clip(0.5 * ill + 0.25 + rng.normal(0, 0.2, n), 0, 1),
            "status": "ok",
            "sex": sex,
        }
    )
    plan = EvaluationPlan(
        "classification", ("x",), ("x",), "roc_auc", ("sex",), ("sex",), margin=0.05,
        operating_points={"x": 0.5},
    )  # fmt: skip
    return evaluate_classification(table, plan)


def test_a_share_of_those_recorded_tells_not_how_many_are_not():
    found = few_not_recorded()
    assert found.tables["representation"]["share"].notna().sum() == 3
    shown = suppress(found.metrics, found.gaps, found.tables)
    assert shown.tables["representation"][["share", "low", "high"]].isna().all(axis=None)


def test_a_gap_to_a_rest_of_hidden_groups_is_hidden_and_its_verdict_stays():
    found = few_not_recorded()
    shown = suppress(found.metrics, found.gaps, found.tables)
    hidden = set(shown.metrics.loc[shown.metrics["state"] == "suppressed", "group"])
    assert hidden == {"F", "not recorded"}
    men = shown.gaps[(shown.gaps["group"] == "M") & (shown.gaps["metric"] == "roc_auc")].iloc[0]
    assert np.isnan([men["value"], men["low"], men["high"], men["p_adjusted"]]).all()
    assert men["reason"] == "hidden"
    assert men["verdict"] != ""
    told = shown.log[(shown.log["table"] == "gaps") & (shown.log["group"] == "M")]
    assert (told["why"] == "complementary").any()
