import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiops.data.audit import audit
from aiops.data.cases import Cases, read_cases
from aiops.data.split import make_split
from aiops.errors import ConfigError, DataError, LeakageError

DATA = Path(os.environ.get("AIOPS_DATA", "../shared/data"))
PATIENT = st.tuples(st.integers(1, 9), st.booleans(), st.sampled_from("FMX"), st.booleans())
"""Cases, whether the finding is in one, sex, and whether the finding is in every case."""
SEX = {"column": "sex", "values": {"F": "female", "M": "male"}}


def cohort(make, rows, **split):
    return make.cases(rows, data={"attributes": {"sex": SEX}}, split=split)


def shares(split, variable, level):
    (row,) = [b for b in split.balance if (b["variable"], b["level"]) == (variable, level)]
    return row["train"], row["tune"], row["test"]


def parts_of(split, cases):
    part = pd.Series({c: a["split"] for c, a in split.assignments.items()})
    return cases.frame.set_index("case_id").assign(part=part)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    patients=st.lists(PATIENT, min_size=20, max_size=80),
    seed=st.integers(0, 5),
    test=st.sampled_from([0.1, 0.2, 0.35]),
    folds=st.sampled_from([None, 3, 5]),
)  # fmt: skip
def test_what_holds_for_every_split(make, patients, seed, test, folds):
    rows = pd.DataFrame(
        [
            {
                "case_id": f"c{p}-{k}",
                "patient": f"p{p}",
                "ill": int(ill and (k == 0 or often)),
                "sex": sex,
            }
            for p, (n, ill, sex, often) in enumerate(patients)
            for k in range(n)
        ]
    )
    cases = cohort(make, rows, test=test, tune=0.15, seed=seed, folds=folds)
    split = make_split(cases)
    told = parts_of(split, cases)
    # Everybody is somewhere, and nobody is in two places.
    assert set(split.assignments) == set(rows["case_id"])
    assert (told.groupby("patient_id")["part"].nunique() == 1).all()
    n_patients = told.groupby("part")["patient_id"].nunique()
    assert abs(n_patients["test"] - test * len(patients)) <= 1
    assert abs(n_patients["tune"] - 0.15 * len(patients)) <= 1
    # The finding is as frequent, to a patient, in the test as among all.
    with_finding = told[told["y:ill"] == 1].groupby("part")["patient_id"].nunique()
    expected = test * told.loc[told["y:ill"] == 1, "patient_id"].nunique()
    assert abs(with_finding.get("test", 0) - expected) <= 1.0001
    # Folds are of everything but the test list, and whole patients.
    fold = pd.Series({c: a["fold"] for c, a in split.assignments.items()}, dtype="object")
    if folds is None:
        assert fold.isna().all()
    else:
        assert fold[told["part"] == "test"].isna().all()
        assert set(fold[told["part"] != "test"]) == set(range(folds))
        dealt = pd.DataFrame({"p": told["patient_id"], "f": fold}).dropna()
        assert (dealt.groupby("p")["f"].nunique() == 1).all()
        assert dealt.groupby("f")["p"].nunique().agg(np.ptp) <= 1
        assert sorted(
            [*split.cases_in("train", fold=1), *split.cases_in("tune", fold=1)]
        ) == sorted(fold.dropna().index)
    # The order of the rows means nothing.
    again = make_split(cohort(make, rows.sample(frac=1, random_state=1), test=test, tune=0.15,
                              seed=seed, folds=folds))  # fmt: skip
    assert again.to_dict() == split.to_dict()


def test_another_seed_is_another_split_and_the_seal_follows_the_test_list(make):
    rows = make.rows(200)
    first = make_split(cohort(make, rows))
    other = make_split(cohort(make, rows, seed=1))
    assert first.cases_in("test") != other.cases_in("test")
    assert first.seal != other.seal
    assert len(first.seal) == 64
    # A corrected reference in the test list breaks the seal; one in train does not.
    tested, learnt = first.cases_in("test")[0], first.cases_in("train")[0]
    changed = rows.copy()
    changed.loc[changed["case_id"] == learnt, "age"] += 1
    assert make_split(cohort(make, changed)).seal == first.seal
    frame = cohort(make, rows).frame
    frame.loc[frame["case_id"] == tested, "y:ill"] = np.nan
    relabelled = Cases(frame, cohort(make, rows).experiment, make.folder / "cases.csv")
    assert make_split(relabelled).seal != first.seal


def test_a_rare_level_gets_its_share(make):
    rows = make.rows(400)
    rows["patient"] = rows["case_id"]
    rows["ill"] = (np.arange(400) % 40 == 0).astype(int)  # ten in all
    rows["sex"] = np.where(np.arange(400) % 40 < 2, "X", "F")
    split = make_split(cohort(make, rows, stratify=["sex"], test=0.2, tune=0.1))
    counts = {b["level"]: b for b in split.balance if b["variable"] == "outcome: ill"}
    assert counts["present"]["n_test"] == 2
    assert counts["present"]["n_tune"] == 1
    assert split.strata == ("outcome: ill", "sex")
    assert split.counts["test"] == {"patients": 80, "cases": 80}


def test_cases_are_shared_out_as_evenly_as_patients(make):
    rng = np.random.default_rng(0)
    n_cases = rng.geometric(0.15, 300)
    rows = pd.DataFrame(
        {
            "case_id": [f"{p}-{k}" for p, n in enumerate(n_cases) for k in range(n)],
            "patient": [f"p{p}" for p, n in enumerate(n_cases) for _ in range(n)],
        }
    ).assign(ill=lambda d: d["patient"].str[-1].isin(list("123")).astype(int), sex="F")
    split = make_split(cohort(make, rows))
    assert split.counts["test"]["cases"] / len(rows) == pytest.approx(0.2, abs=0.02)


def test_excluded_cases_are_in_no_part(make):
    rows = make.rows(40)
    split = make_split(cohort(make, rows), excluded={"c0001", "c0002"})
    assert len(split.assignments) == 38
    with pytest.raises(DataError, match="no case is left to be split"):
        make_split(cohort(make, rows), excluded=set(rows["case_id"]))


def test_attributes_named_for_fairness_are_stratified_by_default(make):
    cases = make.cases(
        make.rows(400),
        data={
            "attributes": {"sex": SEX, "age": {"column": "age", "bands": [0, 50], "per": "case"}}
        },
        fairness={"attributes": ["sex", "age"], "margin": 0.05},
    )
    split = make_split(cases)
    assert split.strata == ("outcome: ill", "sex", "age")
    female = [shares(split, "sex", "female")[i] for i in (0, 2)]
    assert female[0] == pytest.approx(female[1], abs=0.1)
    crowded = cases.experiment.split.model_copy(update={"stratify": ["sex", "age", "sex"]})
    too_many = cases.experiment.model_copy(update={"split": crowded})
    with pytest.raises(ConfigError, match="3 attributes and the outcome are more than 3 variables"):
        make_split(Cases(cases.frame, too_many, cases.table_path))


# By column


def by_column(make, rows, **rule):
    return make.cases(rows, split={"by": "column", "column": "part", **rule})


def test_a_ready_split_is_followed_and_tune_is_taken_from_the_rest(make):
    rows = make.rows(100)
    rows["part"] = np.where(np.arange(100) < 20, "val", "train")
    split = make_split(by_column(make, rows, test=["val"], tune=0.25))
    assert split.cases_in("test") == sorted(rows["case_id"][:20])
    assert split.counts["tune"]["patients"] == 10
    listed = rows.assign(part=np.where(np.arange(100) % 100 < 20, "1", "2"))
    listed.loc[90:, "part"] = "3"
    split = make_split(by_column(make, listed, test=[1], tune=[3]))
    assert split.cases_in("tune") == sorted(rows["case_id"][90:])


def test_a_patient_on_both_sides_is_leakage(make):
    rows = make.rows(40)
    rows["part"] = ["test", "train"] * 3 + ["test"] * 4 + ["train"] * 30
    with pytest.raises(LeakageError) as caught:
        make_split(by_column(make, rows, test=["test"]))
    said = str(caught.value)
    assert said.startswith("3 patients are in 'train' and 'test'")
    assert "where: cases.csv: column part, patients in column patient" in said
    assert "use split: {by: patient}" in said
    assert "leave their 3 cases in train out" in said
    # The audit names the very cases, and leaving them out mends the split.
    cases = make.cases(
        rows,
        split={"by": "column", "column": "part", "test": ["test"]},
        audit={"exclude": {"PATIENT_ACROSS_SUBSETS": "seen in both"}},
    )
    report = audit(cases)
    assert report.clean
    assert make_split(cases, excluded=report.excluded_cases).counts["test"]["cases"] == 7


def test_a_ready_split_that_does_not_fit_says_so(make):
    rows = make.rows(20)
    rows["part"] = np.where(np.arange(20) < 6, "val", "train")
    with pytest.raises(ConfigError, match=r"(?s)needs the values that are test.*holds: train, val"):
        make_split(by_column(make, rows, test=0.2))
    with pytest.raises(DataError, match=r"(?s)no case has 'test'.*the column holds: train, val"):
        make_split(by_column(make, rows, test=["test"]))
    rows.loc[3, "part"] = ""
    with pytest.raises(DataError, match="1 cases have no value, the first is c0003"):
        make_split(by_column(make, rows, test=["val"]))


# By site and by time


def test_whole_sites_are_held_out(make):
    rows = make.rows(200)
    rows["site"] = np.array(list("ABCDE"))[np.arange(200) // 2 % 5]
    cases = make.cases(rows, split={"by": "site", "column": "site", "test": 0.2})
    split = make_split(cases)
    told = parts_of(split, cases)
    assert (told.groupby("split_column")["part"].agg(lambda p: (p == "test").mean()) % 1 == 0).all()
    assert split.counts["test"]["cases"] == 40
    assert split.counts["tune"]["cases"] == pytest.approx(20, abs=2)
    assert split.notes[0].startswith("test sites: ")
    named = make.cases(rows, split={"by": "site", "column": "site", "test": ["B", "D"]})
    assert make_split(named).counts["test"]["cases"] == 80


def test_sites_that_cannot_be_held_out(make):
    rows = make.rows(20)
    rows["site"] = "A"
    with pytest.raises(DataError, match="there is one site only"):
        make_split(make.cases(rows, split={"by": "site", "column": "site"}))
    rows["site"] = ["A", "B"] * 10  # each patient was at both
    with pytest.raises(LeakageError, match="10 patients are in 'train' and 'test'"):
        make_split(make.cases(rows, split={"by": "site", "column": "site"}))


def test_each_site_is_left_out_once_and_everyone_is_tested(make):
    rows = make.rows(90)
    rows["site"] = np.array(list("CAB"))[np.arange(90) // 2 % 3]
    rule = {"by": "site", "column": "site", "leave_one_out": True}
    cases = make.cases(rows, split=rule)
    split = make_split(cases)
    assert {a["split"] for a in split.assignments.values()} == {"test"}
    site = cases.frame.set_index("case_id")["split_column"]
    assert {(site[c], a["fold"]) for c, a in split.assignments.items()} == {
        ("A", 0), ("B", 1), ("C", 2)
    }  # fmt: skip
    assert split.notes == (
        "each site is tested unseen: fold0 without A; fold1 without B; fold2 without C",
    )
    rows["site"] = ["A", "B"] * 45
    with pytest.raises(LeakageError, match="45 patients were seen at two sites or more"):
        make_split(make.cases(rows, split=rule))
    rows["site"] = "A"
    with pytest.raises(DataError, match="there is one site only"):
        make_split(make.cases(rows, split=rule))


def test_the_latest_patients_are_tested_and_training_never_sees_the_future(make):
    rows = make.rows(100)
    rows["when"] = pd.date_range("2020-01-01", periods=100).strftime("%Y-%m-%d")
    rows.loc[0, "when"] = "2020-04-08"  # the first patient came again at the end
    cases = make.cases(rows, split={"by": "time", "column": "when", "test": 0.2})
    split = make_split(cases)
    told = parts_of(split, cases)
    tested, learnt = told[told["part"] == "test"], told[told["part"] != "test"]
    last = tested.groupby("patient_id")["split_column"].max()
    assert learnt["split_column"].max() < last.min()
    assert "c0001" in tested.index
    assert split.counts["test"]["patients"] == 10
    assert "2 of their cases are from before the cut" in split.notes[0]
    cut = make.cases(rows, split={"by": "time", "column": "when", "test": ["2020-04"]})
    assert make_split(cut).counts["test"]["patients"] == 6
    years = make.cases(
        rows.assign(when=2000 + np.arange(100)), split={"by": "time", "column": "when"}
    )
    assert make_split(years).counts["test"]["patients"] == 10


def test_times_that_cannot_be_read(make):
    rows = make.rows(20).assign(when="31.12.2020")
    with pytest.raises(DataError, match="neither numbers nor dates such as 2024-01-31"):
        make_split(make.cases(rows, split={"by": "time", "column": "when"}))
    rule = {"by": "time", "column": "when", "test": ["2020", "2021"]}
    with pytest.raises(ConfigError, match="2 cuts in time"):
        make_split(make.cases(rows.assign(when=2020), split=rule))


# A vendor's scores, and what cannot be


def test_all_patients_of_a_vendor_are_tested_but_those_set_aside(make):
    rows = make.rows(200)
    rows["p"] = 0.5
    targets = {"ill": {"label": "ill", "positive": [1], "score": "p"}}
    split = make_split(make.cases(rows, targets=targets, train=None))
    assert split.counts["test"]["cases"] == 200
    assert "every patient is tested" in split.notes[0]
    aside = make_split(
        make.cases(
            rows,
            targets=targets,
            train=None,
            operating_point={"sensitivity": 0.9, "tune_share": 0.3},
        )
    )
    assert aside.counts["tune"]["patients"] == 30
    assert aside.counts["train"] == {"patients": 0, "cases": 0}
    assert "30% set aside" in aside.notes[0]


def test_a_part_without_cases_is_an_error(make):
    with pytest.raises(DataError, match="no case is left for t"):
        make_split(cohort(make, make.rows(2)))
    with pytest.raises(DataError, match="2 patients cannot make 5 folds"):
        make_split(cohort(make, make.rows(6), test=0.4, tune=0.3, folds=5))
    with pytest.raises(ConfigError, match=r"test 0\.6 and tune 0\.5 leave nothing to learn from"):
        make_split(cohort(make, make.rows(20), test=0.6, tune=0.5))
    with pytest.raises(ConfigError, match="a list of values needs a column"):
        make_split(cohort(make, make.rows(20), test=["val"]))


def test_structures_present_are_balanced_and_labels_are_sealed(make, segmentation):
    ids = [f"c{i:02d}" for i in range(40)]
    for i, name in enumerate(ids):
        label = np.zeros((6, 6, 6), np.uint8)
        label[1:3] = 1
        label[4:] = 2 if i % 4 == 0 else 0
        make.volume(f"images/{name}.nii.gz", np.random.default_rng(i).random((6, 6, 6)))
        make.volume(f"labels/{name}.nii.gz", label)
    cases = segmentation(ids)
    split = make_split(cases)
    both = {b["level"]: b["n_test"] for b in split.balance}
    assert both == {"front": 6, "front + back": 2}
    assert make_split(cases, facts=audit(cases).facts).to_dict() == split.to_dict()
    tested = split.cases_in("test")[0]
    make.volume(f"labels/{tested}.nii.gz", np.ones((6, 6, 6), np.uint8))
    assert make_split(cases).seal != split.seal


# Real data


def real(name, **changes):
    from aiops.reading import read_config

    path = Path("configs") / f"{name}.yaml"
    return read_cases(read_config(path).experiment, config_path=path)


@pytest.mark.parametrize("name", ["diabetes_readmission", "chest_xray", "hippocampus_mri"])
def test_real_sets_are_balanced(name, monkeypatch):
    if not DATA.is_dir():
        pytest.skip(f"AIOPS_DATA ({DATA}) is not there")
    monkeypatch.setenv("AIOPS_DATA", str(DATA.resolve()))
    cases = real(name)
    split = make_split(cases)
    told = parts_of(split, cases)
    assert (told.groupby("patient_id")["part"].nunique() == 1).all()
    for row in split.balance:
        if row["variable"] in split.strata:
            n = row["n_train"] + row["n_tune"] + row["n_test"]
            sd = np.sqrt(
                max(row["train"] * (1 - row["train"]), 0.0) / split.counts["test"]["cases"]
            )
            assert abs(row["test"] - row["train"]) <= max(
                2 * sd, 2 / split.counts["test"]["cases"]
            ), n
