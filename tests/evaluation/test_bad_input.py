"""Odd tables through the whole entries: a clear error, or a reason that is said."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from evaluation import EvaluationPlan, case_rows, evaluate_classification, evaluate_segmentation

N = 200
PLAN = EvaluationPlan(
    "classification", ("effusion",), ("effusion",), "roc_auc", ("sex",), ("sex",), margin=0.05,
    operating_points={"effusion": 0.5}, n_boot=100,
)  # fmt: skip
SEG = EvaluationPlan(
    "segmentation", ("left",), ("left",), "dice", ("sex",), ("sex",), margin=0.05,
    tolerance_mm={"left": 2.0}, n_boot=100,
)  # fmt: skip


def predictions(**columns):
    rng = np.random.default_rng(0)
    y = np.arange(N) % 2
    table = pd.DataFrame(
        {
            "case_id": [f"c{i:03}" for i in range(N)],
            "patient_id": [f"p{i // 2:03}" for i in range(N)], "split": "test",
            "target": "effusion", "y_true": y.astype(float),
            "y_score": np.clip(0.35 + 0.3 * y + rng.normal(0, 0.2, N), 0, 1), "status": "ok",
            "sex": np.where(np.arange(N) // 2 % 2, "F", "M"),
        }
    )  # fmt: skip
    return table.assign(**columns)


def masks(n=40):
    rng = np.random.default_rng(0)
    rows = []
    for i in range(n):
        who = {"case_id": f"c{i:03}", "study_id": f"c{i:03}", "patient_id": f"p{i // 2:03}",
               "split": "test", "sex": "FM"[i // 2 % 2]}  # fmt: skip
        figures = {"dice": 0.8 + 0.1 * rng.random(), "nsd": 0.9, "hd95_mm": 3 * rng.random(),
                   "assd_mm": rng.random(), "volume_reference_ml": 30.0,
                   "volume_predicted_ml": 29.0, "volume_error_ml": -1.0,
                   "outcome": "found"}  # fmt: skip
        rows += case_rows(who, "left", figures)
    return pd.DataFrame(rows)


def at(values, row, value):
    """Return a column with one value changed."""
    out = values.astype(object).copy()
    out.iloc[row] = value
    return out


def figure(found, metric="roc_auc", group="all"):
    rows = found.metrics[(found.metrics["metric"] == metric) & (found.metrics["group"] == group)]
    assert len(rows) == 1
    return rows.iloc[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: pd.concat([t, t.iloc[:3]]), "3 rows repeat a case_id and target"),
        (lambda t: t.assign(y_score=at(t["y_score"], 4, 1.2)), r"outside 0 to 1 in 1 of 200"),
        (lambda t: t.assign(y_score=at(t["y_score"], 4, -0.1)), r"outside 0 to 1 in 1 of 200"),
        (lambda t: t.assign(y_score=at(t["y_score"], 4, np.inf)), "y_score is infinite in 1 rows"),
        (lambda t: t.assign(y_score=at(t["y_score"], 4, "high")), "y_score is no number in 1 of"),
        (lambda t: t.assign(y_true=at(t["y_true"], 4, "yes")), "y_true is no number in 1 of"),
        (lambda t: t.assign(y_true=at(t["y_true"], 4, 3)), "y_true must hold 0, 1 or nan alone"),
        (lambda t: t.assign(patient_id=at(t["patient_id"], 4, None)), "patient_id is missing in 1"),
        (lambda t: t.assign(case_id=at(t["case_id"], 4, np.nan)), "case_id is missing in 1 rows"),
        (lambda t: t.assign(status=at(t["status"], 4, "lost")), r"status \['lost'\] is none of"),
        (lambda t: t.assign(status=at(t["status"], 4, None)), r"status \[None\] is none of"),
        (lambda t: t.drop(columns="sex"), r"lack the columns \['sex'\]"),
        (lambda t: pd.concat([t, t[["y_score"]]], axis=1), r"stand twice: \['y_score'\]"),
        (lambda t: pd.concat([t, t[["sex"]]], axis=1), r"stand twice: \['sex'\]"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_an_error(change, words):
    with pytest.raises(ValueError, match=words):
        evaluate_classification(change(predictions()), PLAN)


def test_missing_rows_are_fewer_cases_and_lost_scores_are_failures():
    table = predictions()
    fewer = evaluate_classification(table.iloc[10:], PLAN)
    assert figure(fewer)["n_cases"] == N - 10
    assert figure(fewer)["n_failed"] == 0
    blank = table.assign(y_score=table["y_score"].where(table.index >= 10))
    lost = evaluate_classification(blank, PLAN)
    assert (figure(lost)["n_cases"], figure(lost)["n_failed"]) == (N, 10)
    assert figure(lost)["value"] < figure(fewer)["value"]
    assert "10 rows without a score were not marked as failed" in lost.notes[0]


def test_a_target_nobody_knows_is_left_alone_and_one_without_rows_is_said():
    table = predictions()
    more = pd.concat([table, table.assign(target="unheard of")])
    pd.testing.assert_frame_equal(
        evaluate_classification(more, PLAN).metrics, evaluate_classification(table, PLAN).metrics
    )
    plan = replace(PLAN, targets=("effusion", "mass"))
    found = evaluate_classification(table, plan)
    rows = found.metrics[found.metrics["target"] == "mass"]
    assert set(rows["state"]) == {"not_estimable"}
    assert (rows["reason"] != "").all()
    assert "No row of split 'test' for: mass." in found.notes


@pytest.mark.parametrize(("label", "reason"), [(0.0, "0 positives"), (1.0, "0 negatives")])
def test_one_class_only_gives_reasons_and_no_verdict(label, reason):
    found = evaluate_classification(predictions(y_true=label), PLAN)
    assert figure(found)["reason"] == reason
    assert np.isnan(figure(found)["low_linearised"])
    family = found.gaps[found.gaps["verdict"] != ""]
    assert set(family["verdict"]) == {"insufficient evidence"}
    assert family["reason"].str.contains(reason).all()


def test_one_class_in_one_group_leaves_the_other_group_its_figure():
    table = predictions()
    table.loc[table["sex"] == "F", "y_true"] = 0.0
    found = evaluate_classification(table, PLAN)
    assert figure(found, group="F")["reason"] == "0 positives"
    assert np.isfinite(figure(found, group="M")["value"])
    gap = found.gaps.query("metric == 'roc_auc' and group == 'M'").iloc[0]
    assert np.isnan(gap["value"])
    assert gap["reason"] == "not estimable: 0 positives in rest"


@pytest.mark.parametrize("table", [predictions().iloc[:0], predictions(split="train"),
                                   predictions(y_true=np.nan)])  # fmt: skip
def test_zero_rows_are_reasons_and_notes(table):
    found = evaluate_classification(table, PLAN)
    assert set(found.metrics["state"]) == {"not_estimable"}
    assert (found.metrics["n_cases"] == 0).all()
    assert (found.metrics["reason"] != "").all()
    assert found.notes


def test_a_patient_with_two_sexes_is_a_group_and_a_note():
    table = predictions()
    table.loc[[0, 4], "sex"] = "F"
    found = evaluate_classification(table, PLAN)
    assert figure(found, group="conflicting")["n_patients"] == 2
    assert "sex: patients with more than one value are the group 'conflicting'." in (found.notes)
    rest = found.gaps.query("metric == 'roc_auc' and group == 'F'").iloc[0]
    assert np.isfinite(rest["value"])


def test_spaces_around_a_group_name_are_the_same_group():
    table = predictions()
    spaced = table.assign(
        sex=np.where(table["patient_id"] < "p050", table["sex"], " " + table["sex"])
    )
    pd.testing.assert_frame_equal(
        evaluate_classification(spaced, PLAN).metrics, evaluate_classification(table, PLAN).metrics
    )


def test_infinite_scores_are_an_error_whatever_the_score_is():
    table = predictions(score_kind="score")
    table["y_score"] = at(table["y_score"], 1, -np.inf).astype(float)
    with pytest.raises(ValueError, match="y_score is infinite in 1 rows"):
        evaluate_classification(table, PLAN)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: pd.concat([t, t.iloc[:2]]), "2 rows repeat a case_id, structure and metric"),
        (lambda t: t.assign(patient_id=at(t["patient_id"], 3, None)), "patient_id is missing in 1"),
        (lambda t: t.drop(columns="value"), r"lack the columns \['value'\]"),
        (lambda t: pd.concat([t, t[["sex"]]], axis=1), r"stand twice: \['sex'\]"),
        (lambda t: t.assign(value=at(t["value"], 0, "good")), "value is no number in 1 of"),
        (lambda t: t.assign(outcome=at(t["outcome"], 0, "lost")), r"outcome .'lost'. is none of"),
    ],
)  # fmt: skip
def test_figures_that_cannot_be_read_are_an_error(change, words):
    with pytest.raises(ValueError, match=words):
        evaluate_segmentation(change(masks()), SEG)


@pytest.mark.parametrize("table", [masks().iloc[:0], masks().assign(split="train"),
                                   masks().assign(structure="right")])  # fmt: skip
def test_no_figures_are_reasons_and_notes(table):
    found = evaluate_segmentation(table, SEG)
    assert set(found.metrics["state"]) == {"not_estimable"}
    assert (found.metrics["reason"] != "").all()
    assert found.notes == ("No case of split 'test' for: left.",)


def test_a_figure_that_was_lost_is_no_mean_over_the_others():
    table = masks()
    lost = table.index[table["metric"] == "dice"][5]
    table.loc[lost, "value"] = np.nan
    found = evaluate_segmentation(table, SEG)
    assert figure(found, "dice")["reason"] == "1 of 40 cases have no figure"
    assert figure(found, "assd_mm")["state"] == "ok"


def test_a_structure_absent_everywhere_is_not_estimable():
    table = masks().assign(outcome="absent", value=np.nan)
    found = evaluate_segmentation(table, SEG)
    assert figure(found, "dice")["reason"] == "the structure is in no case"
    assert figure(found, "missed")["reason"] == "the structure is in no reference"


def test_a_patient_with_two_sexes_is_a_group_in_segmentation_too():
    table = masks()
    table.loc[table["case_id"] == "c000", "sex"] = "M"
    found = evaluate_segmentation(table, SEG)
    assert figure(found, "dice", "conflicting")["n_patients"] == 1
    assert any("group 'conflicting'" in note for note in found.notes)
