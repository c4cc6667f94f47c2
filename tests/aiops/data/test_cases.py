import numpy as np
import pandas as pd
import pytest

from aiops.data.cases import CONFLICTING, band_names, read_cases
from aiops.errors import DataError


def test_a_table_becomes_cases(make):
    rows = make.rows(6)
    cases = make.cases(
        rows,
        data={
            "attributes": {
                "sex": {"column": "sex", "values": {"F": "female", "M": "male"}},
                "age": {"column": "age", "bands": [0, 40, 60], "per": "case"},
            },
            "features": {"numeric": ["age"], "categorical": ["sex"]},
        },
    )
    assert len(cases) == 6
    assert cases.n_patients == 3
    assert cases.patients_known
    assert cases.attributes == ("sex", "age")
    assert cases.frame["y:ill"].tolist() == [1, 1, 0, 0, 0, 0]
    assert set(cases.frame["sex"]) == {"female", "male"}
    assert set(cases.frame["age"]) <= {"0-39", "40-59", "60+"}
    # A feature and an attribute of one column do not hide each other.
    features = cases.features()
    assert features["sex"].tolist() == rows["sex"].tolist()
    assert features["age"].tolist() == rows["age"].tolist()
    assert cases.files() == [make.folder / "cases.csv"]
    assert len(cases.without(["c0000"])) == 5


def test_ids_are_text_and_none_is_a_word(make):
    rows = pd.DataFrame(
        {"case_id": ["01", "02"], "patient": ["007", "7"], "ill": [1, 0], "test": ["None", "Norm"]}
    )
    cases = make.cases(rows, data={"attributes": {"test": {"column": "test"}}})
    assert cases.frame["patient_id"].tolist() == ["007", "7"]
    assert cases.frame["test"].tolist() == ["None", "Norm"]


def test_missing_values_are_those_of_the_config(make):
    rows = make.rows(4).astype(object)
    rows["race"] = ["?", "A", "", "-9"]
    rows["ill"] = [1, "-9.0", "?", 0]
    data = {"missing": ["?", -9], "attributes": {"race": {"column": "race", "per": "case"}}}
    cases = make.cases(rows, data=data)
    assert cases.frame["race"].isna().tolist() == [True, False, True, True]
    assert cases.frame["y:ill"].isna().tolist() == [False, True, True, False]


def test_an_outcome_that_can_only_mean_not_recorded_is_not_absent(make):
    rows = make.rows(4).astype(object)
    rows["ill"] = ["1", "unknown", "0", "?"]
    y = make.cases(rows).frame["y:ill"]
    assert y.isna().tolist() == [False, True, False, True]
    named = {"ill": {"label": "ill", "positive": ["unknown"]}}
    assert make.cases(rows, targets=named).frame["y:ill"].tolist()[:3] == [0, 1, 0]


def test_a_patient_in_conflict_and_a_missing_attribute(make):
    rows = make.rows(6)
    rows["sex"] = ["F", "M", "F", None, "M", "M"]
    sex = {"column": "sex", "values": {"F": "female", "M": "male"}}
    group = make.cases(rows, data={"attributes": {"sex": sex}}).frame["sex"].tolist()
    assert group == [CONFLICTING, CONFLICTING, "female", None, "male", "male"]
    per_case = make.cases(rows, data={"attributes": {"sex": {**sex, "per": "case"}}}).frame["sex"]
    assert per_case.tolist()[:2] == ["female", "male"]


def test_exclusions_are_counted_by_column_in_rows_and_patients(make):
    rows = make.rows(10)
    rows["disposition"] = ["11", "1", "13", "13", "1", "11", "1", "1", "1", "?"]
    rows["ward"] = ["x"] * 5 + ["y"] * 5
    cases = make.cases(
        rows, data={"missing": ["?"], "exclude": {"disposition": [11, 13], "ward": ["y"]}}
    )
    first, second = cases.excluded
    assert (first["n_rows"], first["n_patients"], first["n_patients_lost"]) == (4, 3, 1)
    assert (second["n_rows"], second["n_patients_lost"]) == (4, 2)
    assert (cases.n_rows_table, cases.n_patients_table, len(cases)) == (10, 5, 2)
    # A value may be missing elsewhere and still be a reason to leave a row out.
    one = make.cases(rows, data={"missing": ["?"], "exclude": {"disposition": ["?"]}})
    assert one.excluded[0]["n_rows"] == 1
    with pytest.raises(DataError, match=r"data\.exclude leaves no row"):
        make.cases(rows, data={"exclude": {"ward": ["x", "y"]}})


def test_patients_not_recorded(make):
    cases = make.cases(make.rows(4), data={"patient": "not_recorded"})
    assert not cases.patients_known
    assert cases.frame["patient_id"].tolist() == cases.frame["case_id"].tolist()


def test_study_names_that_repeat_over_patients_are_made_unique(make):
    rows = make.rows(4)
    rows["study"] = ["s1", "s1", "s1", "s2"]
    cases = make.cases(rows, data={"study": {"column": "study"}})
    assert cases.frame["study_id"].tolist() == ["p0000/s1", "p0000/s1", "p0001/s1", "p0001/s2"]
    assert "study repeats over patients" in cases.notes[0]
    rows["study"] = ["a", "a", "b", None]
    alone = make.cases(rows, data={"study": {"column": "study"}})
    assert alone.frame["study_id"].tolist() == ["a", "a", "b", "case:c0003"]
    assert alone.notes == ()


def test_images_by_column_pattern_and_channel(make):
    rows = make.rows(2)
    rows["file"] = ["a.png", "/far/b.png"]
    by_column = make.cases(rows, data={"image": "file", "modality": "xray"}).frame["image"]
    assert by_column.tolist() == [str(make.folder / "a.png"), "/far/b.png"]
    rows = rows.rename(columns={"case_id": "accession"})
    data = {
        "case": "accession",
        "modality": "mri",
        "image": {"t1": "mr/{case_id}_t1.nii", "t2": "mr/{patient}_t2.nii"},
    }
    cases = make.cases(rows, data=data)
    assert cases.image_columns == ("image:t1", "image:t2")
    assert cases.frame["image:t1"].iloc[0] == str(make.folder / "mr/c0000_t1.nii")
    assert cases.frame["image:t2"].iloc[0] == str(make.folder / "mr/p0000_t2.nii")
    assert make.folder / "mr/c0001_t1.nii" in cases.files()


def test_an_npz_set_needs_no_image_key(make):
    np.savez(make.folder / "set.npz", images=np.zeros((2, 4, 4)), labels=np.array([0, 1]))
    experiment = make.experiment(
        data={"table": "set.npz", "patient": "not_recorded", "modality": "xray"},
        targets={"ill": {"label": "label", "positive": [1]}},
    )
    cases = read_cases(experiment, config_path=make.folder / "c.yaml")
    assert cases.frame["image"].iloc[1] == f"{make.folder / 'set.npz'}#images[1]"
    assert cases.files() == [make.folder / "set.npz"]


def test_a_vendors_scores(make):
    rows = make.rows(4).astype(object)
    rows["p"] = [0.1, "", "error", 0.9]
    targets = {"ill": {"label": "ill", "positive": [1], "score": "p"}}
    cases = make.cases(rows, targets=targets, train=None)
    assert cases.frame["score:ill"].isna().tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"case_id": ["a", "a", "b", "b"]}, "2 case ids stand in more than one row: a, b"),
        ({"case_id": ["a", "", "b", "c"]}, "1 rows have no case id, the first is row 2"),
    ],
)
def test_case_ids_must_name_one_row_each(make, change, words):
    with pytest.raises(DataError, match=words):
        make.cases(make.rows(4).assign(**change))


def test_case_ids_of_segmentation_must_be_able_to_name_a_file(segmentation):
    with pytest.raises(DataError, match=r"2 case ids cannot be a file's name: '\.\./x', '\.\.'"):
        segmentation(["../x", "..", "fine"])


@pytest.mark.parametrize(
    ("edges", "names"),
    [
        ([0, 18, 40, 60, 80], ["0-17", "18-39", "40-59", "60-79", "80+"]),
        ([0, 1, 18], ["0", "1-17", "18+"]),
        ([18.5, 25, 30], ["18.5 to <25", "25 to <30", "30+"]),
        ([65], ["65+"]),
    ],
)
def test_bands_are_named_by_what_is_in_them(edges, names):
    assert band_names(edges) == names


def test_a_number_outside_the_plausible_is_no_group(make):
    rows = make.rows(6)
    rows["age"] = [-1, 0, 17, 414, 120, 121]
    age = {"column": "age", "bands": [0, 18], "per": "case"}
    group = make.cases(rows, data={"attributes": {"age": age}}).frame["age"].tolist()
    assert group == [None, "0-17", "0-17", None, "18+", None]
    wide = {**age, "range": [0, 500]}
    assert make.cases(rows, data={"attributes": {"age": wide}}).frame["age"].iloc[3] == "18+"


def test_a_zero_that_is_no_measurement_is_missing_in_its_column_alone(make):
    rows = make.rows(6)
    rows["chol"], rows["pain"] = [0, 210, 0, 190, 250, 0], ["1.0", "2.0", "1", "2", "0", "0.0"]
    data = {"features": {"numeric": ["chol"], "categorical": ["pain"]}, "missing_in": {"chol": [0]}}
    found = make.cases(rows, data=data).features()
    assert found["chol"].isna().tolist() == [True, False, True, False, False, True]
    assert found["pain"].tolist() == ["1", "2", "1", "2", "0", "0"]
    with pytest.raises(DataError, match=r"chool|data.missing_in"):
        make.cases(rows, data={**data, "missing_in": {"chool": [0]}})
