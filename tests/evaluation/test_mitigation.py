import numpy as np
import pandas as pd
import pytest

from evaluation import EvaluationPlan
from evaluation.compare import compare_classification, compare_segmentation
from evaluation.mitigation import (
    GAP,
    MITIGATION_COLUMNS,
    WORST,
    mitigation_sentences,
    mitigation_table,
)

PLAN = EvaluationPlan(
    "classification", ("sepsis",), ("sepsis",), "roc_auc", ("sex", "age"),
    operating_points={"sepsis": 0.5}, per_case=("sex", "age"),
)  # fmt: skip
METRICS = ("roc_auc", "sensitivity", "specificity", "selection_rate", "brier")


def predictions(n: int = 600, *, hits: dict[str, float], seed: int = 0) -> pd.DataFrame:
    """Scores by which so large a share of the ill of each sex is called."""
    rng = np.random.default_rng(seed)
    sex = np.array(["f", "m", "not recorded"], dtype=object)[np.arange(n) % 20 // 8]
    ill = rng.random(n) < 0.5
    place = rng.random(n)
    called = np.where(ill, place < np.vectorize(hits.get)(sex), place < 0.2)
    return pd.DataFrame({
        "case_id": [f"c{i:04}" for i in range(n)],
        "patient_id": [f"p{i // 2:04}" for i in range(n)],
        "split": "test", "target": "sepsis", "y_true": ill.astype(float), "sex": sex,
        "age": np.where(np.arange(n) % 3, "18-64", "65+"), "status": "ok",
        "y_score": np.where(called, 0.6, 0.2) + 0.1 * rng.random(n),
    })  # fmt: skip


@pytest.fixture(scope="module")
def table():
    before = predictions(hits={"f": 0.5, "m": 0.9, "not recorded": 0.7})
    after = predictions(hits={"f": 0.8, "m": 0.75, "not recorded": 0.7})
    return before, after, mitigation_table(compare_classification(before, after, PLAN), METRICS)


def row(table: pd.DataFrame, metric: str, group: str, attribute: str = "sex") -> pd.Series:
    one = table[(table["metric"] == metric) & (table["attribute"] == attribute)]
    return one.set_index("group").loc[group]


def test_each_figure_is_that_of_its_side_counted_by_hand(table):
    before, after, found = table
    for group in ("f", "m", "not recorded"):
        ill = before[(before["sex"] == group) & (before["y_true"] == 1)].index
        told = row(found, "sensitivity", group)
        assert told["before"] == pytest.approx((before.loc[ill, "y_score"] >= 0.5).mean())
        assert told["after"] == pytest.approx((after.loc[ill, "y_score"] >= 0.5).mean())
        assert told["change"] == pytest.approx(told["after"] - told["before"])
        assert told["before_low"] < told["before"] < told["before_high"]
        if group in ("f", "m"):
            assert told["change_low"] < told["change"] < told["change_high"]
        else:
            assert told["change_low"] == told["change_high"] == 0, "the same answer in every case"
    assert row(found, "sensitivity", "all", "all")["n_cases"] == 600


def test_who_pays_is_flagged_also_where_the_mean_rises(table):
    _, _, found = table
    women, men = row(found, "sensitivity", "f"), row(found, "sensitivity", "m")
    overall = row(found, "sensitivity", "all", "all")
    assert overall["change"] > 0
    assert women["change_low"] > 0
    assert not women["levelled_down"]
    assert men["change_high"] < 0
    assert men["levelled_down"]
    flagged = found[found["levelled_down"]]
    assert (flagged["change_high"] < 0).all()
    assert not set(flagged["group"]) & {WORST, GAP, "all"}
    assert "selection_rate" not in set(flagged["metric"]), "no value of it is better"


def test_the_worst_group_and_the_gap_are_of_the_groups_that_are_known(table):
    _, _, found = table
    women, men = row(found, "sensitivity", "f"), row(found, "sensitivity", "m")
    worst, gap = row(found, "sensitivity", WORST), row(found, "sensitivity", GAP)
    assert worst["before"] == women["before"]
    assert worst["after"] == min(women["after"], men["after"])
    assert gap["before"] == pytest.approx(men["before"] - women["before"])
    assert gap["after"] == pytest.approx(abs(men["after"] - women["after"]))
    assert gap["change"] == pytest.approx(gap["before"] - gap["after"])
    assert np.isnan(gap["change_low"])
    assert pd.isna(gap["n_cases"]), "a sum of groups would tell the size of a hidden one"
    assert found["n_cases"].dtype == "Int64"
    brier = row(found, "brier", WORST)
    groups = [row(found, "brier", g) for g in ("f", "m")]
    assert brier["before"] == max(g["before"] for g in groups), "lower is better"
    assert row(found, "brier", GAP)["before"] == pytest.approx(
        abs(groups[0]["before"] - groups[1]["before"])
    )


def test_a_worst_group_that_stays_the_same_has_its_own_paired_interval():
    before = predictions(hits={"f": 0.3, "m": 0.9, "not recorded": 0.7})
    after = predictions(hits={"f": 0.5, "m": 0.9, "not recorded": 0.7})
    found = mitigation_table(compare_classification(before, after, PLAN), METRICS)
    worst, women = row(found, "sensitivity", WORST), row(found, "sensitivity", "f")
    for column in ("change", "change_low", "change_high", "before", "after"):
        assert worst[column] == women[column]
    assert worst["reason"] == "f before, f after: the same group"
    (effect, cost) = mitigation_sentences(
        found, title="reweighing by sex", attributes=["sex"], metrics=["sensitivity"], digits=2
    )
    assert effect.startswith(
        f"reweighing by sex, sepsis: the worst sex group's sensitivity went from "
        f"{women['before']:.2f} to {women['after']:.2f} (change +{women['change']:.2f}, +"
    )
    assert "no group is shown to be served worse than before" in cost


def test_the_gaps_are_those_of_fairlearn(table):
    """Peer: demographic parity and equal opportunity differences of fairlearn."""
    from fairlearn.metrics import demographic_parity_difference, equal_opportunity_difference

    *sides, found = table
    for frame, when in zip(sides, ("before", "after"), strict=True):
        known = frame[frame["sex"] != "not recorded"]
        given = known["y_true"], known["y_score"] >= 0.5
        for metric, peer in (
            ("selection_rate", demographic_parity_difference),
            ("sensitivity", equal_opportunity_difference),
        ):
            wanted = peer(*given, sensitive_features=known["sex"])
            assert row(found, metric, GAP)[when] == pytest.approx(wanted)


def test_a_small_group_that_pays_is_flagged_but_not_named():
    before = predictions(hits={"f": 0.5, "m": 0.9, "not recorded": 0.7})
    ill = before[before["y_true"] == 1].drop_duplicates("patient_id")
    few = before["case_id"].isin(ill["case_id"][:9])
    before = before.assign(
        sex=before["sex"].where(~few, "x"), y_score=before["y_score"].where(~few, 0.9)
    )
    after = before.assign(y_score=before["y_score"].where(~few, 0.1))
    found = mitigation_table(compare_classification(before, after, PLAN), ["sensitivity"])
    small = row(found, "sensitivity", "x")
    assert (small["before"], small["after"], small["state"]) == (1, 0, "small_n")
    assert small["levelled_down"]
    said = mitigation_sentences(found, title="x", attributes=["sex"], metrics=["sensitivity"])
    assert "some figures of groups that are small" in said[-1]
    assert "sex x" not in said[-1]


def test_a_cost_that_nobody_could_see_is_not_denied():
    frame = predictions(n=20, hits={"f": 0.3, "m": 0.9, "not recorded": 0.7})
    found = mitigation_table(compare_classification(frame, frame, PLAN), ["sensitivity"])
    said = mitigation_sentences(found, title="x", attributes=["sex"], metrics=["sensitivity"])
    assert said[-1] == "x, cost: not known, for no group has enough patients."


def test_one_group_alone_has_no_gap():
    frame = predictions(hits={"f": 0.3, "m": 0.9, "not recorded": 0.7}).assign(sex="f")
    found = mitigation_table(compare_classification(frame, frame, PLAN), ["sensitivity"])
    gap = row(found, "sensitivity", GAP)
    assert np.isnan(gap["before"])
    assert (gap["state"], gap["reason"]) == (
        "not_estimable",
        "1 of 1 groups measured; a gap needs two",
    )
    (effect, _) = mitigation_sentences(
        found, title="x", attributes=["sex"], metrics=["sensitivity"]
    )
    assert "sensitivity by sex cannot be compared (1 of 1 groups measured" in effect


def test_columns_and_order_do_not_depend_on_the_order_of_the_rows(table):
    before, after, found = table
    assert list(found.columns) == MITIGATION_COLUMNS
    assert list(found["metric"].unique()) == list(METRICS)
    assert found["group"].iloc[0] == "all"
    rng = np.random.default_rng(1)
    mixed = mitigation_table(
        compare_classification(
            before.iloc[rng.permutation(600)], after.iloc[rng.permutation(600)], PLAN
        ),
        METRICS,
    )
    pd.testing.assert_frame_equal(mixed, found)


def test_segmentation_is_told_the_same_way():
    rows = [
        {"case_id": f"c{i:02}", "patient_id": f"p{i:02}", "split": "test", "structure": "liver",
         "metric": "dice", "value": 0.6 + 0.01 * (i % 5) + 0.2 * (i % 2), "unit": "",
         "outcome": "found", "scanner": "ab"[i % 2]}
        for i in range(40)
    ]  # fmt: skip
    before = pd.DataFrame(rows)
    shift = np.where(before["scanner"] == "a", 0.1, -0.05) + 0.001 * (np.arange(40) % 7)
    plan = EvaluationPlan("segmentation", ("liver",), ("liver",), "dice", ("scanner",))
    comparison = compare_segmentation(before, before.assign(value=before["value"] + shift), plan)
    found = mitigation_table(comparison, ["dice", "missed"])
    assert row(found, "dice", "a", "scanner")["change"] > 0.09
    assert row(found, "dice", "b", "scanner")["levelled_down"]
    assert row(found, "dice", GAP, "scanner")["after"] == pytest.approx(0.05, abs=0.002)
