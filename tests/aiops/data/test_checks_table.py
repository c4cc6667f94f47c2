import numpy as np
import pandas as pd
import pytest

from aiops.data.audit import audit

AGE = {"column": "age", "bands": [18, 40, 60]}
SEX = {"column": "sex", "values": {"F": "female", "M": "male"}}


def of(report, code):
    return [f for f in report.findings if f.code == code]


def codes(report):
    return sorted({f.code for f in report.findings})


def test_a_sound_table_gives_no_finding(make):
    data = {"attributes": {"sex": SEX, "age": {**AGE, "per": "case"}}}
    report = audit(make.cases(make.rows(), data=data))
    assert codes(report) == []
    assert (report.n_cases, report.n_patients) == (60, 30)


def test_attributes_without_a_group_are_named_by_case(make):
    rows = make.rows().astype(object)
    rows["patient"] = rows["case_id"]
    rows.loc[3, "sex"] = "X"
    rows.loc[4, "sex"] = "unknown"
    rows.loc[5, "age"] = 17
    rows.loc[6, "age"] = 140
    rows.loc[7, "age"] = "060Y"
    report = audit(make.cases(rows, data={"attributes": {"sex": SEX, "age": AGE}}))
    said = {(f.code, f.case_id, f.file): f.detail for f in report.findings}
    assert said == {
        ("ATTRIBUTE_VALUE_UNKNOWN", "c0003", "sex"): "sex is 'X'",
        ("ATTRIBUTE_VALUE_UNKNOWN", "c0007", "age"): "age is '060Y'",
        ("ATTRIBUTE_OUT_OF_RANGE", "c0005", "age"): "age is 17, outside 18 to 120",
        ("ATTRIBUTE_OUT_OF_RANGE", "c0006", "age"): "age is 140, outside 18 to 120",
        ("MISSING_DISGUISED", "c0004", "sex"): "sex is 'unknown'",
    }
    assert report.clean


def test_a_text_that_could_be_a_name_is_not_repeated(make):
    rows = make.rows().astype(object)
    rows.loc[0, "sex"] = "Ada Lovelace"
    (found,) = of(
        audit(make.cases(rows, data={"attributes": {"sex": SEX}})), "ATTRIBUTE_VALUE_UNKNOWN"
    )
    assert found.detail == "sex is a text of 12 characters"


def test_a_value_that_several_patients_have_is_named(make):
    rows = make.rows().astype(object)
    rows.loc[[0, 2, 4], "sex"] = "divers"
    report = audit(make.cases(rows, data={"attributes": {"sex": {**SEX, "per": "case"}}}))
    found = of(report, "ATTRIBUTE_VALUE_UNKNOWN")
    assert [f.detail for f in found] == ["sex is 'divers'"] * 3


def test_a_range_holds_without_bands(make):
    rows = make.rows()
    rows.loc[2, "age"] = 400
    age = {"column": "age", "range": [0, 110], "per": "case"}
    (found,) = of(
        audit(make.cases(rows, data={"attributes": {"years": age}})), "ATTRIBUTE_OUT_OF_RANGE"
    )
    assert (found.case_id, found.detail) == ("c0002", "years is 400, outside 0 to 110")


def test_a_patient_in_conflict_is_named_once_with_both_cases(make):
    rows = make.rows()
    rows.loc[[8, 9], "sex"] = ["F", "M"]
    (found,) = of(audit(make.cases(rows, data={"attributes": {"sex": SEX}})), "ATTRIBUTE_CONFLICT")
    assert (found.case_id, found.other) == ("c0008", "c0009")
    assert found.detail == "sex has 2 groups in 2 rows of a patient"
    assert "per: case" in found.remedy


def test_a_patient_who_is_not_named_stops(make):
    rows = make.rows()
    rows.loc[[4, 5], "patient"] = ""
    report = audit(make.cases(rows))
    found = of(report, "PATIENT_MISSING")
    assert [f.case_id for f in found] == ["c0004", "c0005"]
    assert not report.clean


def test_a_patient_in_two_subsets_names_the_training_cases(make):
    rows = make.rows()
    rows["part"] = np.where(np.arange(60) < 11, "test", "train")
    rule = {"by": "column", "column": "part", "test": ["test"]}
    (found,) = of(audit(make.cases(rows, split=rule)), "PATIENT_ACROSS_SUBSETS")
    assert (found.case_id, found.other, found.severity) == ("c0011", "c0010", "stop")
    assert found.detail == "in train; c0010 of the same patient in test"


def test_a_code_for_missing_is_found_only_where_it_is_certain(make):
    rows = make.rows()
    rows["pressure"] = np.arange(90, 150)
    rows.loc[[3, 4], "pressure"] = -999
    rows["lab"] = np.arange(60)  # -9 lies too near to be certain
    rows.loc[5, "lab"] = -9
    rows["platelets"] = np.arange(60) * 20  # 999 is one of them
    rows.loc[6, "platelets"] = 999
    data = {"features": {"numeric": ["pressure", "lab", "platelets"]}}
    report = audit(make.cases(rows, data=data))
    (found,) = of(report, "MISSING_DISGUISED")
    assert (found.file, found.detail) == (
        "pressure",
        "-999 in 2 rows, far outside all other values",
    )


def test_an_ambiguous_zero_is_told_and_kept(make):
    rows = make.rows()
    rows["cholesterol"] = np.arange(150, 210)
    rows.loc[[1, 2, 3], "cholesterol"] = 0
    rows["visits"] = np.arange(60) % 12
    rows["grams"] = np.linspace(0, 5, 60)
    cases = make.cases(rows, data={"features": {"numeric": ["cholesterol", "visits", "grams"]}})
    (found,) = of(audit(cases), "AMBIGUOUS_ZERO")
    assert (found.file, found.detail) == ("cholesterol", "0 in 3 rows; the next value is 150")
    assert (cases.features()["cholesterol"] == 0).sum() == 3


def test_outcomes_that_are_missing_or_merged_are_told(make):
    rows = make.rows().astype(object)
    rows.loc[[0, 1], "ill"] = ["", "?"]
    rows.loc[[2, 3], "ill"] = [-1, -1]
    report = audit(make.cases(rows))
    assert [f.case_id for f in of(report, "OUTCOME_MISSING")] == ["c0000", "c0001"]
    (disguised,) = of(report, "MISSING_DISGUISED")
    assert disguised.detail == "ill is '?' in 1 rows"
    (other,) = of(report, "OUTCOME_OTHER_VALUES")
    assert other.detail == "ill is read as absent where the column says '0', '-1'"
    assert "uncertain" in other.remedy


def test_an_outcome_that_nobody_wrote_down_stops(make):
    rows = make.rows()
    rows["later"] = ""
    targets = {n: {"label": n, "positive": [1]} for n in ("ill", "later")}
    report = audit(make.cases(rows, targets=targets))
    (found,) = of(report, "OUTCOME_NEVER_KNOWN")
    assert (found.file, found.detail) == ("later", "later is recorded in none of the 60 cases")
    assert not report.clean
    rows.loc[0, "later"] = "1"
    assert not of(audit(make.cases(rows, targets=targets)), "OUTCOME_NEVER_KNOWN")


def test_an_outcome_that_nobody_wrote_down_in_the_test_part_stops(make):
    rows = make.rows().astype(object)
    rows["part"] = ["test" if i >= 40 else "train" for i in range(60)]
    rows.loc[rows["part"] == "test", "ill"] = ""
    rule = {"by": "column", "column": "part", "test": ["test"]}
    report = audit(make.cases(rows, split=rule))
    (found,) = of(report, "OUTCOME_NEVER_KNOWN")
    assert found.detail == "ill is recorded in none of the 20 cases of the test part"
    assert not report.clean
    assert not of(audit(make.cases(rows)), "OUTCOME_NEVER_KNOWN")


def test_an_outcome_of_one_class_stops_where_the_claim_is_about_it(make):
    rows = make.rows()
    rows["rare"] = 0
    targets = {
        "ill": {"label": "ill", "positive": ["yes"]},
        "rare": {"label": "rare", "positive": [1]},
    }
    first, second = of(audit(make.cases(rows, targets=targets)), "OUTCOME_ONE_CLASS")
    assert (first.file, first.severity, first.detail) == (
        "ill",
        "stop",
        "ill is absent in all 60 cases",
    )
    assert (second.file, second.severity) == ("rare", "note")


def test_scores_that_are_no_numbers_stop(make):
    rows = make.rows()
    rows["p"] = [f"0,{i:02d}" for i in range(60)]
    targets = {"ill": {"label": "ill", "positive": [1], "score": "p"}}
    report = audit(make.cases(rows, targets=targets, train=None))
    (found,) = of(report, "SCORE_NOT_NUMERIC")
    assert (found.file, found.severity) == ("p", "stop")
    assert found.detail == "60 rows hold text such as '0,00', '0,01', '0,02'"
    rows["p"] = ["n/a", *(i / 60 for i in range(59))]  # a word for no score is a missing score
    report = audit(make.cases(rows, targets=targets, train=None))
    assert of(report, "SCORE_NOT_NUMERIC") == []
    assert [f.severity for f in of(report, "SCORE_MISSING")] == ["note"]


def test_a_tool_without_any_score_stops(make):
    rows = make.rows()
    rows["p"] = ""
    targets = {"ill": {"label": "ill", "positive": [1], "score": "p"}}
    (found,) = of(audit(make.cases(rows, targets=targets, train=None)), "SCORE_MISSING")
    assert (found.severity, found.detail) == ("stop", "no case has a score for ill")


def test_scores_that_are_missing_or_no_probabilities(make):
    rows = make.rows()
    rows["p"] = np.linspace(0, 1, 60)
    rows.loc[3, "p"] = np.nan
    rows.loc[4, "p"] = 37.5
    targets = {"ill": {"label": "ill", "positive": [1], "score": "p"}}
    report = audit(make.cases(rows, targets=targets, train=None))
    assert [f.case_id for f in of(report, "SCORE_MISSING")] == ["c0003"]
    (found,) = of(report, "SCORE_OUT_OF_RANGE")
    assert (found.case_id, found.severity) == ("c0004", "stop")
    targets["ill"]["score_kind"] = "score"
    assert of(audit(make.cases(rows, targets=targets, train=None)), "SCORE_OUT_OF_RANGE") == []


def test_features_that_leak_or_are_no_numbers(make):
    rows = make.rows().astype(object)
    rows["ward"] = np.where(rows["ill"] == 1, "oncology", "surgery")
    rows["weight"] = [str(i) for i in range(60)]
    rows.loc[[1, 2], "weight"] = ["70kg", "Ada Lovelace"]
    features = {"numeric": ["weight"], "categorical": ["ward", "patient", "sex"]}
    report = audit(make.cases(rows, data={"features": features}))
    (text,) = of(report, "FEATURE_NOT_NUMERIC")
    assert (text.file, text.detail) == (
        "weight",
        "2 rows hold text such as '70kg', a text of 12 characters",
    )
    said = {f.file: f.detail for f in of(report, "FEATURE_LEAKS")}
    assert said == {
        "ward": "its values alone tell ill in every case",
        "patient": "the column is the patient id",
    }
    assert not report.clean


def test_the_outcome_as_a_feature_leaks(make):
    (found,) = of(
        audit(make.cases(make.rows(), data={"features": {"numeric": ["ill"]}})), "FEATURE_LEAKS"
    )
    assert found.detail == "the column is the outcome of ill"


def test_a_row_exported_twice_is_a_note(make):
    rows = make.rows()
    rows["stay"] = np.arange(60)
    rows.loc[7] = rows.loc[6].to_dict() | {"case_id": "again"}
    data = {"features": {"numeric": ["stay", "age"]}, "attributes": {"sex": SEX}}
    (found,) = of(audit(make.cases(rows, data=data)), "DUPLICATE_ROW")
    assert (found.case_id, found.other, found.severity) == ("again", "c0006", "note")


@pytest.mark.parametrize("n", [1, 2])
def test_a_tiny_table_is_no_special_case(make, n):
    report = audit(make.cases(make.rows(n)))
    assert report.n_cases == n
    assert isinstance(report.to_dict(), dict)
    assert pd.Series(codes(report)).isin(["OUTCOME_ONE_CLASS"]).all()
