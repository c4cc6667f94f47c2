import numpy as np
import pandas as pd
import pytest

from evaluation import EvaluationPlan, evaluate_classification
from evaluation.units import target_cases, units_of

PLAN = EvaluationPlan(
    "classification", ("a",), ("a",), "roc_auc", ("sex", "view"), per_case=("view",)
)


def table(**more):
    given = {
        "case_id": ["c1", "c2", "c3", "c4"], "study_id": ["s1", "s1", "s2", "s2"],
        "patient_id": ["p1", "p1", "p2", "p2"], "split": "test", "target": "a",
        "y_true": [0.0, 1.0, 0.0, 0.0], "y_score": [0.2, 0.6, 0.1, 0.3],
        "score_kind": "probability", "y_pred": np.nan, "status": "ok",
        "sex": ["F", "F", "M", "F"], "view": ["AP", "PA", "AP", "AP"],
    }  # fmt: skip
    return pd.DataFrame(given | more)


def with_plan(**more):
    from dataclasses import replace

    return replace(PLAN, **more)


def test_a_study_is_judged_once():
    for combine, first in (("mean", 0.4), ("max", 0.6)):
        units = units_of(table(), with_plan(unit="study", combine=combine))
        rows = units.tables["a"]
        assert rows["case_id"].tolist() == ["s1", "s2"]
        assert rows["y_score"].iloc[0] == pytest.approx(first)
        assert rows["y_true"].tolist() == [1, 0]
        assert rows["view"].tolist() == ["mixed", "AP"]
        assert rows["sex"].tolist() == ["F", "conflicting"]


def test_a_study_fails_when_all_of_it_failed():
    status = ["failed", "ok", "failed", "refused"]
    units = units_of(table(status=status), with_plan(unit="study"))
    rows = units.tables["a"]
    assert rows["failed"].tolist() == [False, True]
    assert rows["y_score"].iloc[0] == 0.6
    assert "1 of 2 studies failed or were refused" in " ".join(units.notes)
    said = ("a: in 1 of 2 studies, 1 cases failed or were refused; these studies are judged by "
            "their other cases and do not count as failed.")  # fmt: skip
    assert said in units.notes


def test_failed_films_are_said_where_no_study_failed():
    status = ["failed", "ok", "ok", "failed"]
    units = units_of(table(status=status, sex="F"), with_plan(unit="study"))
    assert not units.tables["a"]["failed"].any()
    assert units.notes == (
        "a: in 2 of 2 studies, 2 cases failed or were refused; these studies are judged by their "
        "other cases and do not count as failed.",
    )


def test_a_study_is_healthy_where_every_film_was_read():
    plan = with_plan(unit="study")
    units = units_of(table(y_true=[np.nan, 1.0, np.nan, 0.0]), plan)
    assert units.tables["a"]["case_id"].tolist() == ["s1"]
    assert units.tables["a"]["y_true"].tolist() == [1]
    assert "a: 1 of 2 studies have no reference and are not scored." in units.notes


def test_a_study_is_decided_where_every_answered_film_is():
    more = {"y_pred": [np.nan, 0, np.nan, 1], "status": ["ok", "ok", "ok", "ok"]}
    rows = units_of(table(**more), with_plan(unit="study")).tables["a"]
    assert rows["y_pred"].isna().tolist() == [True, False]
    rows = units_of(table(**more | {"status": ["failed", "ok", "ok", "ok"]}),
                    with_plan(unit="study")).tables["a"]  # fmt: skip
    assert rows["y_pred"].tolist() == [0, 1]


def test_a_study_of_two_patients_is_an_error():
    with pytest.raises(ValueError, match="1 study_id belong to more than one patient_id"):
        units_of(table(patient_id=["p1", "p2", "p3", "p3"]), with_plan(unit="study"))


def test_a_case_without_reference_is_counted_and_said():
    units = units_of(table(y_true=[0.0, 1.0, np.nan, 0.0]), PLAN)
    assert len(units.tables["a"]) == 3
    assert units.notes[0] == "a: 1 of 4 cases have no reference and are not scored."


def test_a_case_without_score_counts_as_failed():
    units = units_of(table(y_score=[0.2, np.nan, 0.1, 0.3]), PLAN)
    assert units.tables["a"]["failed"].tolist() == [False, True, False, False]
    assert "1 rows without a score were not marked as failed" in units.notes[0]


def test_only_the_named_split_is_read():
    units = units_of(table(split=["train", "test", "test", "tune"]), PLAN)
    assert units.tables["a"]["case_id"].tolist() == ["c2", "c3"]
    assert units.n_patients == 2
    none = units_of(table(split="train"), PLAN)
    assert none.tables["a"].empty
    assert none.notes == ("No row of split 'test' for: a.",)


def test_unknown_patients_are_said():
    assert "intervals are by case" in units_of(table(), with_plan(patients_known=False)).notes[0]


def decisions(plan, **more):
    return target_cases(units_of(table(**more), plan), "a", plan)


def test_decisions_come_from_the_threshold_first():
    plan = with_plan(operating_points={"a": 0.25}, operating_point_notes={"a": "as supplied"})
    case = decisions(plan, y_pred=[1, 1, 1, 1])
    assert case.sample.y_pred.tolist() == [False, True, False, True]
    assert case.operating_point == "score >= 0.25 (as supplied)"


def test_decisions_may_be_supplied():
    case = decisions(PLAN, y_pred=[1, 0, 1, 1])
    assert case.sample.y_pred.tolist() == [True, False, True, True]
    with pytest.raises(ValueError, match="y_pred must hold 0 and 1 alone"):
        decisions(PLAN, y_pred=[1, 0, 1, 7])


def test_without_an_operating_point_there_are_no_decisions():
    reasons = {"no operating point": np.nan, "1 case without a decision": [1, np.nan, 0, 0],
               "2 cases without a decision": [1, np.nan, np.nan, 0]}  # fmt: skip
    for reason, pred in reasons.items():
        case = decisions(PLAN, y_pred=pred)
        assert case.blocked["sensitivity"] == reason
        assert case.operating_point == ""
    failed = decisions(PLAN, y_pred=[1, np.nan, 0, 0], status=["ok", "failed", "ok", "ok"])
    assert "sensitivity" not in failed.blocked


def test_decisions_that_a_threshold_overrules_are_said():
    plan = with_plan(operating_points={"a": 0.25})
    said = ("a: y_pred differs from score >= 0.25 in 2 of 4 cases; the threshold counts, "
            "y_pred does not.")  # fmt: skip
    assert said in units_of(table(y_pred=[1, 1, 1, 1]), plan).notes
    assert said.replace("of 4", "of 3") in units_of(table(y_pred=[1, np.nan, 1, 1]), plan).notes
    for pred in ([0, 1, 0, 1], np.nan):
        assert not [n for n in units_of(table(y_pred=pred), plan).notes if "y_pred" in n]


def test_a_score_is_no_probability():
    case = decisions(PLAN, score_kind="score", y_score=[3.0, 9.0, 1.0, 2.0])
    assert case.blocked["brier"] == "the score is not a probability"
    assert "roc_auc" not in case.blocked


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"case_id": "c1"}, "3 rows repeat a case_id and target"),
        ({"status": "lost"}, r"status \['lost'\] is none of"),
        ({"y_true": 2}, "y_true must hold 0, 1 or nan alone"),
        ({"patient_id": [None, "a", "b", "c"]}, "patient_id is missing in 1 rows"),
        ({"y_score": [0.1, 0.2, 0.3, 4.0]}, "a probability lies in"),
        ({"score_kind": ["score", "probability"] * 2}, "it must have one"),
        ({"score_kind": "logit"}, "score_kind 'logit' is none of"),
        ({"y_score": [-0.1, 0.2, 0.3, 1.4]}, "'a': y_score is outside 0 to 1 in 2 of 4 rows"),
        ({"y_score": [np.inf, 0.2, 0.3, 0.4]}, "y_score is infinite in 1 rows"),
        ({"y_score": ["?", 0.2, 0.3, "high"]}, "y_score is no number in 2 of 4 rows"),
        ({"y_true": ["yes", 0, 1, 0]}, "y_true is no number in 1 of 4 rows"),
        ({"split": ["test", None, "test", "test"]}, "split is missing in 1 rows"),
        ({"target": ["a", "a", np.nan, "a"]}, "target is missing in 1 rows"),
    ],
)
def test_odd_tables_are_named(more, words):
    with pytest.raises(ValueError, match=words):
        decisions(PLAN, **more)


def test_missing_columns_are_named():
    with pytest.raises(ValueError, match=r"predictions lack the columns \['status', 'view'\]"):
        units_of(table().drop(columns=["status", "view"]), PLAN)


def test_an_empty_table_is_not_a_crash():
    assert units_of(table().iloc[:0], PLAN).n_patients == 0


EXPECTED = frozenset({"c1", "c2", "c3", "c4"})


def test_cases_that_had_to_be_predicted_are_there():
    plan = with_plan(expected_cases=EXPECTED)
    assert units_of(table(), plan).n_patients == 2
    with pytest.raises(ValueError, match="'a': 1 of 4 expected cases have no row; a case the tool"):
        units_of(table().iloc[1:], plan)
    with pytest.raises(ValueError, match="1 of 4 predicted cases of split 'test' are none of the"):
        units_of(table(), with_plan(expected_cases=EXPECTED - {"c2"}))
    # What is in another split was not asked for.
    elsewhere = table(split=["test", "test", "test", "train"])
    assert len(units_of(elsewhere, with_plan(expected_cases=EXPECTED - {"c4"})).tables["a"]) == 3


def test_zero_rows_are_an_error_where_cases_were_expected():
    with pytest.raises(ValueError, match="'a': 4 of 4 expected cases have no row"):
        units_of(table().iloc[:0], with_plan(expected_cases=EXPECTED))


def test_a_case_under_one_target_alone_is_said():
    both = pd.concat([table(), table(target="b").iloc[:3]], ignore_index=True)
    notes = units_of(both, with_plan(targets=("a", "b"))).notes
    assert "b: 1 of 4 cases stand under another target alone and are not counted here." in notes
    assert not [n for n in notes if n.startswith("a: ")]


def test_a_patient_with_two_sexes_is_said_and_stays():
    units = units_of(table(), PLAN)
    said = "sex: patients with more than one value are the group 'conflicting'."
    assert units.notes == (said,)
    assert units.tables["a"]["sex"].tolist() == ["F", "F", "conflicting", "conflicting"]


def test_a_threshold_is_never_scored_where_it_was_chosen():
    with pytest.raises(ValueError, match="1 of 4 scored cases are among the 2 the threshold was"):
        units_of(table(), with_plan(chosen_on=frozenset({"c3", "c9"})))
    assert units_of(table(), with_plan(chosen_on=frozenset({"c9"}))).n_patients == 2


@pytest.mark.parametrize(("label", "reason"), [(0.0, "0 positives"), (1.0, "0 negatives")])
def test_a_label_that_never_occurs_has_a_reason(label, reason):
    from evaluation import METRICS

    case = decisions(with_plan(operating_points={"a": 0.25}), y_true=label)
    for name in ("roc_auc", "average_precision", "calibration_slope", "balanced_accuracy"):
        found = METRICS[name].function(case.sample)
        assert np.isnan(found.value)
        assert found.why == reason


def test_no_row_of_a_target_has_a_reason():
    found = evaluate_classification(table(split="train"), with_plan(n_boot=100))
    assert set(found.metrics["state"]) == {"not_estimable"}
    assert (found.metrics["reason"] != "").all()
    assert found.notes == ("No row of split 'test' for: a.",)
    for name, rows in found.tables.items():
        if "state" in rows:
            assert not (rows["state"] == "ok").any(), name


def test_spaces_around_an_id_make_no_patient():
    units = units_of(table(patient_id=["p1", "p1 ", " p2", "p2"]), PLAN)
    assert units.n_patients == 2
    pd.testing.assert_frame_equal(units.tables["a"], units_of(table(), PLAN).tables["a"])


def test_a_case_of_two_patients_is_an_error():
    both = pd.concat([table(), table(target="b", patient_id=["p1", "p2", "p2", "p2"])])
    with pytest.raises(ValueError, match="1 case_id belong to more than one patient_id"):
        units_of(both, with_plan(targets=("a", "b")))


def test_groups_may_be_numbers_and_flags():
    # A table read from parquet has a flag as bool, a count with gaps as float.
    given = {"sex": [True, True, False, False], "view": [1.0, 2.0, np.nan, 2.0]}
    rows = units_of(table(**given), PLAN).tables["a"]
    assert rows["sex"].tolist() == ["True", "True", "False", "False"]
    assert rows["view"].tolist() == ["1", "2", "not recorded", "2"]
    found = evaluate_classification(table(**given), with_plan(n_boot=100)).metrics
    assert set(found["group"]) == {"all", "True", "False", "1", "2", "not recorded"}


def test_a_group_called_like_a_summary_is_an_error():
    with pytest.raises(ValueError, match=r"group '\(other\)' begins with a bracket"):
        units_of(table(sex=["(other)", "(other)", "M", "M"]), PLAN)


def test_no_reference_at_all_is_the_reason():
    found = evaluate_classification(table(y_true=np.nan), with_plan(n_boot=100))
    assert set(found.metrics["state"]) == {"not_estimable"}
    assert set(found.metrics["reason"]) == {"no case has a reference"}
    assert found.notes == ("a: 4 of 4 cases have no reference and are not scored.",
                           "sex: patients with more than one value are the group 'conflicting'.",
                           )  # fmt: skip
