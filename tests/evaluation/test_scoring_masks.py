from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from evaluation import EvaluationPlan, MissingStructure, case_rows, evaluate_segmentation
from evaluation.plan import METRIC_COLUMNS


def overall(found, metric, **where):
    rows = found.metrics[found.metrics["metric"] == metric]
    for key, value in ({"attribute": "all"} | where).items():
        rows = rows[rows[key] == value]
    assert len(rows) == 1
    return rows.iloc[0]


def masks(n=60, seed=0, harm=0.0):
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        group = "old" if i % 3 == 0 else "new"
        who = {
            "case_id": f"c{i:03}", "study_id": f"c{i:03}", "patient_id": f"p{i // 2:03}",
            "split": "test", "scanner": group,
        }  # fmt: skip
        for structure in ("left", "right"):
            dice = float(np.clip(0.9 - harm * (group == "old") + 0.03 * rng.normal(), 0, 1))
            figures = {
                "dice": dice, "nsd": dice, "hd95_mm": 5 - 4 * dice, "assd_mm": 2 - dice,
                "volume_reference_ml": 30.0, "volume_predicted_ml": 29.0, "volume_error_ml": -1.0,
                "outcome": "found",
            }  # fmt: skip
            rows += case_rows(who, structure, figures)
    return pd.DataFrame(rows)


SEG = EvaluationPlan(
    "segmentation", ("left", "right"), ("mean",), "dice", ("scanner",), ("scanner",),
    per_case=("scanner",), margin=0.05, tolerance_mm={"left": 2.0, "right": 2.0}, n_boot=200,
)  # fmt: skip


def test_segmentation_tables():
    found = evaluate_segmentation(masks(), SEG)
    assert found.metrics.columns.tolist() == METRIC_COLUMNS
    assert set(found.metrics["target"]) == {"left", "right", "mean"}
    row = overall(found, "dice", target="mean")
    assert row["value"] == pytest.approx(0.9, abs=0.01)
    assert (row["n_cases"], row["n_patients"], row["state"]) == (60, 30, "ok")
    assert row["n_positive"] is pd.NA
    assert overall(found, "nsd", target="left")["params"] == "tolerance_mm=2"
    assert overall(found, "volume_error_ml", target="mean")["state"] == "not_estimable"
    family = found.gaps[found.gaps["verdict"] != ""]
    assert set(family["target"]) == {"mean"}
    assert set(family["verdict"]) == {"adequate"}


def test_segmentation_harm_is_a_concern():
    found = evaluate_segmentation(masks(harm=0.2), SEG)
    family = found.gaps[found.gaps["verdict"] != ""].set_index("group")
    assert family["verdict"].to_dict() == {"old": "concern", "new": "adequate"}


def lost(table, case, outcome, distance):
    part = (table["case_id"] == case) & (table["structure"] == "left")
    value = {"dice": 0.0, "nsd": 0.0, "hd95_mm": distance, "assd_mm": distance}
    change = part & table["metric"].isin(list(value))
    table.loc[change, "value"] = table.loc[change, "metric"].map(value)
    table.loc[part, "outcome"] = outcome
    return table


def test_case_12_a_miss_stays_in_the_mean():
    table = masks(2)
    table = table[table["structure"] == "left"].assign(
        patient_id=table["case_id"],
        value=table["value"].where(table["metric"] != "hd95_mm", 2.0),
    )
    plan = replace(SEG, targets=("left",), primary_targets=("left",))
    found = evaluate_segmentation(lost(table, "c000", "missed", 110.851), plan)
    assert overall(found, "hd95_mm")["value"] == pytest.approx(56.426, abs=1e-3)
    assert overall(found, "missed")["value"] == 0.5
    assert found.notes == ("left: missed in 1 of 2 cases, counted with the penalty of a miss.",)
    alone = evaluate_segmentation(lost(table, "c000", "missed", 110.851).query(
        "case_id == 'c000'"), plan)  # fmt: skip
    assert overall(alone, "hd95_mm")["value"] == 110.851


@pytest.mark.parametrize("far", [np.inf, -np.inf])
def test_an_infinite_distance_is_no_penalty(far):
    table = masks(20)
    where = (table["metric"] == "hd95_mm") & table["case_id"].isin(["c003", "c007"])
    table.loc[where, "value"] = far
    with pytest.raises(ValueError, match="value is infinite in 4 of 280 rows; a structure that"):
        evaluate_segmentation(table, SEG)


def test_absent_is_left_out_and_counted():
    table = masks(20)
    part = (table["case_id"] == "c000") & (table["structure"] == "left")
    table.loc[part, "value"] = np.nan
    table.loc[part, "outcome"] = "absent"
    found = evaluate_segmentation(table, SEG)
    assert overall(found, "dice", target="left")["state"] == "ok"
    assert overall(found, "missed", target="left")["value"] == 0
    assert "left: absent in 1 of 20 cases, left out." in found.notes


def test_failed_cases_are_counted():
    table = lost(masks(40), "c001", "failed", 200.0)
    found = evaluate_segmentation(table, SEG)
    row = overall(found, "dice", target="left")
    assert row["n_failed"] == 1
    assert row["value"] < 0.9
    assert overall(found, "missed", target="left")["value"] == pytest.approx(1 / 40)
    assert overall(found, "missed", target="mean")["value"] == pytest.approx(1 / 80)


def test_without_a_tolerance_nsd_says_so():
    table = masks()
    table.loc[table["metric"] == "nsd", "value"] = np.nan
    found = evaluate_segmentation(table, replace(SEG, tolerance_mm={}))
    for target in ("left", "mean"):
        row = overall(found, "nsd", target=target)
        assert (row["state"], row["reason"]) == ("not_estimable", "no tolerance_mm was given")


def test_segmentation_order_is_nothing():
    table = masks()
    one, other = (
        evaluate_segmentation(t, SEG) for t in (table, table.sample(frac=1, random_state=1))
    )
    pd.testing.assert_frame_equal(one.metrics, other.metrics)
    pd.testing.assert_frame_equal(one.gaps, other.gaps)


def test_no_masks_is_not_a_crash():
    found = evaluate_segmentation(masks().assign(split="train"), SEG)
    assert set(found.metrics["state"]) == {"not_estimable"}
    assert "No case of split 'test' for: left." in found.notes


def test_odd_tables_are_named():
    with pytest.raises(ValueError, match=r"lack the columns \['outcome'\]"):
        evaluate_segmentation(masks().drop(columns="outcome"), SEG)
    with pytest.raises(ValueError, match="rows repeat a case_id, structure and metric"):
        evaluate_segmentation(pd.concat([masks(2), masks(2)]), SEG)
    plan = EvaluationPlan("classification", ("mass",), ("mass",), "roc_auc")
    with pytest.raises(ValueError, match=r"plan\.task is 'classification'"):
        evaluate_segmentation(masks(), plan)


def test_cases_that_had_to_be_segmented_are_there():
    table = masks(40)
    plan = replace(SEG, expected_cases=frozenset(table["case_id"]))
    assert evaluate_segmentation(table, plan).notes == ()
    lacks = (table["structure"] == "right") & (table["case_id"] < "c020")
    words = "structure 'right': 20 of 40 expected cases have no row; .* with outcome 'failed'"
    with pytest.raises(ValueError, match=words):
        evaluate_segmentation(table[~lacks], plan)
    with pytest.raises(ValueError, match="'left': 1 of 40 expected cases have no row"):
        evaluate_segmentation(table[table["case_id"] != "c007"], plan)
    with pytest.raises(ValueError, match="1 of 40 predicted cases of split 'test' are none of the"):
        evaluate_segmentation(table, replace(plan, expected_cases=plan.expected_cases - {"c007"}))


def test_a_structure_that_lost_its_rows_is_said():
    table = masks(40)
    lacks = (table["structure"] == "right") & (table["case_id"] < "c020")
    found = evaluate_segmentation(table[~lacks], SEG)
    assert found.notes == ("right: 20 of 40 cases have no row for it and are not counted here.",)


@pytest.mark.parametrize(
    ("metric", "value", "outcome", "rule"),
    [
        ("dice", 1.5, "found", r"dice of 'left' is 1.5 .* lies in \[0, 1\]"),
        ("dice", -1.0, "found", r"an overlap lies in \[0, 1\]"),
        ("hd95_mm", -5.0, "found", "hd95_mm of 'left' is -5 .* it is 0 or more"),
        ("volume_predicted_ml", -1.0, "found", "it is 0 or more"),
        ("dice", 0.9, "failed", r"'failed' \(one of 2 such rows\); what was missed, .* by 0"),
        ("dice", 0.9, "missed", "overlaps by 0"),
        ("hd95_mm", 0.0, "missed", "what was missed, invented or failed has the penalty"),
        ("dice", 1.0, "absent", "a structure in neither mask has no overlap and no distance: nan"),
    ],
)
def test_a_figure_and_its_outcome_do_not_contradict(metric, value, outcome, rule):
    table = masks(20)
    part = (table["case_id"] == "c003") & (table["structure"] == "left")
    if outcome != "found":
        lost(table, "c003", outcome, 200.0)
    if outcome == "failed":
        table.loc[part & (table["metric"] == "nsd"), "value"] = value
    table.loc[part & (table["metric"] == metric), "value"] = value
    with pytest.raises(ValueError, match=rule):
        evaluate_segmentation(table, SEG)


def test_an_absent_structure_counts_as_the_plan_says():
    table = lost(masks(20), "c003", "absent", np.nan)
    part = (table["case_id"] == "c003") & (table["structure"] == "left")
    table.loc[part & table["metric"].isin(["dice", "nsd"]), "value"] = 1.0
    table.loc[part & table["metric"].isin(["hd95_mm", "assd_mm"]), "value"] = 0.0
    perfect = replace(SEG, missing=MissingStructure(both_empty="perfect"))
    assert overall(evaluate_segmentation(table, perfect), "dice", target="left")["n_cases"] == 20
    with pytest.raises(ValueError, match="has no overlap and no distance"):
        evaluate_segmentation(table, SEG)
    table.loc[part & (table["metric"] == "dice"), "value"] = np.nan
    with pytest.raises(ValueError, match="counts as overlap 1 and distance 0"):
        evaluate_segmentation(table, perfect)


def test_a_case_has_one_patient_and_an_id_no_spaces():
    table = masks(20)
    right = table["structure"] == "right"
    spaced = table.assign(patient_id=table["patient_id"].where(right, table["patient_id"] + " "))
    found = evaluate_segmentation(spaced, SEG)
    pd.testing.assert_frame_equal(found.metrics, evaluate_segmentation(table, SEG).metrics)
    other = table.assign(
        patient_id=table["patient_id"].mask(right & (table["case_id"] == "c003"), "p999")
    )
    with pytest.raises(ValueError, match="1 case_id belong to more than one patient_id"):
        evaluate_segmentation(other, SEG)


def test_a_penalty_below_what_was_found_is_said_and_stays():
    table = lost(masks(20), "c001", "missed", 20.0)
    far = (table["structure"] == "left") & table["case_id"].isin(["c004", "c005"])
    table.loc[far & (table["metric"] == "hd95_mm"), "value"] = [35.0, 89.0]
    plan = replace(SEG, missing=MissingStructure(penalty_mm=20.0))
    found = evaluate_segmentation(table, plan)
    said = (
        "left: in 2 of 19 cases what was found lies further off (hd95_mm, 89 mm at most) than the "
        "penalty of 20 mm for a miss: finding nothing would have cost less. Declare a larger "
        "penalty."
    )
    assert [n for n in found.notes if "further off" in n] == [said]
    part = (table["structure"] == "left") & (table["metric"] == "hd95_mm")
    expected = table.loc[part, "value"].mean()
    assert overall(found, "hd95_mm", target="left")["value"] == pytest.approx(expected)
    wide = replace(SEG, missing=MissingStructure(penalty_mm=89.0))
    for enough in (wide, SEG):
        notes = evaluate_segmentation(table, enough).notes
        assert not [n for n in notes if "further off" in n]
