import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from aiops.data.audit import LISTED, audit, audit_folder
from aiops.data.cases import read_cases
from aiops.data.findings import CODES, finding
from aiops.errors import AuditStop, ConfigError
from aiops.files import write_json
from aiops.pipeline.prepare import stop_unless_clean

DATA = Path(os.environ.get("AIOPS_DATA", "../shared/data"))


def of(report, code):
    return [f for f in report.findings if f.code == code]


def films(make, *, blank=(), n=8):
    rng = np.random.default_rng(0)
    for i in range(n):
        array = rng.integers(0, 255, (12, 12), dtype=np.uint8)
        make.film(f"films/c{i:04d}.png", array * (0 if i in blank else 1))
    rows = make.rows(n)
    rows["patient"] = rows["case_id"]

    def read(**audit_rules):
        data = {"image": "films/{case_id}.png", "modality": "xray"}
        return make.cases(rows, data=data, audit=audit_rules)

    return read


def test_every_code_says_what_it_means_and_what_to_do():
    for name, code in CODES.items():
        assert code.code == name
        assert code.severity in {"stop", "note"}
        assert code.meaning.endswith(".") or code.meaning.endswith("?")
        assert len(code.remedy) > 10
    found = finding(
        "LABEL_EMPTY", case_id="c1", file="c1.nii.gz", detail="every voxel is background"
    )
    assert (found.severity, found.remedy) == ("stop", CODES["LABEL_EMPTY"].remedy)
    assert finding("LABEL_EMPTY", detail="", severity="note").severity == "note"


def test_a_stop_that_nobody_answered_for_says_what_to_write(make):
    report = audit(films(make, blank=(2, 5))())
    assert not report.clean
    with pytest.raises(AuditStop) as caught:
        stop_unless_clean(report.to_dict(), "configs/a.yaml")
    said = str(caught.value)
    assert "the audit found 2 faults that stop the run" in said
    assert "IMAGE_CONSTANT (2): c0002, c0005" in said
    assert "every value is 0" in said
    assert "where: configs/a.yaml" in said
    assert "audit:\n" in said
    assert "exclude:   # leaves these cases out" in said
    assert "IMAGE_CONSTANT: the reason, for report and decision" in said


def test_accepted_faults_stay_and_excluded_ones_go(make):
    read = films(make, blank=(2, 5))
    kept = audit(read(accept={"IMAGE_CONSTANT": "phantom scans"}))
    assert kept.clean
    assert kept.excluded_cases == {}
    stop_unless_clean(kept.to_dict(), "here")
    entry = kept.to_dict()["codes"]["IMAGE_CONSTANT"]
    assert (entry["state"], entry["reason"], entry["n"]) == ("accepted", "phantom scans", 2)
    gone = audit(read(exclude={"IMAGE_CONSTANT": "shutter stayed closed"}))
    assert gone.clean
    assert gone.excluded_cases == {"c0002": "IMAGE_CONSTANT", "c0005": "IMAGE_CONSTANT"}
    assert gone.to_dict()["codes"]["IMAGE_CONSTANT"]["state"] == "excluded"
    assert gone.flow[-1] == {
        "step": "not IMAGE_CONSTANT",
        "n_cases": 6,
        "n_patients": 6,
        "n_cases_out": 2,
        "n_patients_out": 2,
        "reason": "shutter stayed closed",
    }


def test_a_finding_about_the_whole_set_cannot_be_excluded(make):
    rows = make.rows()
    targets = {"ill": {"label": "ill", "positive": ["yes"]}}
    report = audit(make.cases(rows, targets=targets, audit={"exclude": {"OUTCOME_ONE_CLASS": "x"}}))
    assert not report.clean
    with pytest.raises(AuditStop, match="accept:   # goes on with them"):
        stop_unless_clean(report.to_dict(), "here")


def test_a_rule_that_finds_nothing_is_a_note(make):
    report = audit(films(make)(accept={"LABEL_EMPTY": "may be"}))
    (unused,) = of(report, "AUDIT_RULE_UNUSED")
    assert (unused.file, unused.detail) == ("audit.accept.LABEL_EMPTY", "LABEL_EMPTY finds nothing")
    assert report.clean


def test_a_code_that_does_not_exist_is_refused(make):
    with pytest.raises(ConfigError, match="'LABEL_EMTPY' is not known"):
        audit(films(make)(accept={"LABEL_EMTPY": "typo"}))


def test_the_report_can_be_written_and_lists_all_stops(make):
    rows = make.rows(LISTED * 2 + 10).astype(object)
    rows["patient"] = ""
    rows["sex"] = "X"
    sex = {"column": "sex", "values": {"F": "female"}}
    report = audit(make.cases(rows, data={"attributes": {"sex": sex}}))
    write_json(make.folder / "audit.json", report.to_dict())
    read = json.loads((make.folder / "audit.json").read_text())
    listed = [f["code"] for f in read["findings"]]
    assert read["codes"]["ATTRIBUTE_VALUE_UNKNOWN"]["n"] == len(rows)
    assert listed.count("ATTRIBUTE_VALUE_UNKNOWN") == LISTED
    assert listed.count("PATIENT_MISSING") == len(rows)
    assert set(read) == {
        "codes", "findings", "n_cases", "n_patients", "excluded_cases", "flow", "clean"
    }  # fmt: skip


def test_progress_is_told_case_by_case(make):
    told = []
    audit(films(make)(), progress=lambda done, total: told.append((done, total)))
    assert told == [(i, 8) for i in range(1, 9)]


def test_the_answer_does_not_depend_on_the_order_or_on_threads(make):
    read = films(make, blank=(3,))
    one = audit(read(), n_jobs=1).to_dict()
    two = audit(read(), n_jobs=2).to_dict()
    assert one == two


def test_a_folder_is_audited_without_a_config(make):
    rng = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        make.volume(f"images/{name}.nii.gz", rng.normal(size=(6, 6, 6)).astype(np.float32))
    make.volume("images/copy.nii.gz", np.ones((6, 6, 6), np.uint8))
    label = np.ones((6, 6, 6), np.uint8)
    make.volume("labels/a.nii.gz", label)
    make.volume("labels/b.nii.gz", label[:5])
    make.volume("labels/c.nii.gz", label * 0)
    make.volume("labels/d.nii.gz", label)
    report = audit_folder(make.folder)
    said = {(f.code, f.case_id) for f in report.findings}
    assert said == {
        ("UNPAIRED_IMAGE", "copy"),
        ("UNPAIRED_LABEL", "d"),
        ("GEOMETRY_MISMATCH", "b"),
        ("LABEL_EMPTY", "c"),
        ("IMAGE_CONSTANT", "copy"),
    }
    assert not report.clean


# Real data


def real(name):
    from aiops.reading import read_config

    path = Path("configs") / f"{name}.yaml"
    return read_cases(read_config(path).experiment, config_path=path)


def needs(folder):
    return pytest.mark.skipif(
        not (DATA / folder).is_dir(), reason=f"{folder} is not under AIOPS_DATA ({DATA})"
    )


@pytest.fixture
def _real_data(monkeypatch):
    monkeypatch.setenv("AIOPS_DATA", str(DATA.resolve()))


@needs("hippocampus_mri")
def test_the_odd_files_of_a_real_set_are_named():
    found = {(f.code, f.file) for f in audit_folder(DATA / "hippocampus_mri/odd").findings}
    assert found == {
        ("UNPAIRED_IMAGE", "hippocampus_118_image.nii.gz"),
        ("UNPAIRED_LABEL", "hippocampus_010_label.nii.gz"),
        ("UNPAIRED_LABEL", "hippocampus_281_label.nii.gz"),
        ("GEOMETRY_OUTLIER", "hippocampus_281_label.nii.gz"),
    }


@needs("hippocampus_mri")
@pytest.mark.usefixtures("_real_data")
def test_201_real_volumes_are_audited_in_seconds():
    began = time.monotonic()
    report = audit(real("hippocampus_mri"))
    assert time.monotonic() - began < 20
    assert {f.code: f.severity for f in report.findings} == {
        "MIXED_UNITS": "note",
        "LABEL_NOT_INTEGER": "note",
    }
    assert "3 scales: 43 cases" in of(report, "MIXED_UNITS")[0].detail
    assert of(report, "LABEL_NOT_INTEGER")[0].case_id == "hippocampus_243"


@needs("pneumonia_28px")
@pytest.mark.usefixtures("_real_data")
def test_the_doubled_images_of_a_real_set_are_named():
    report = audit(real("pneumonia_28px"))
    inside, across = of(report, "DUPLICATE_IMAGE"), of(report, "DUPLICATE_ACROSS_SUBSETS")
    assert (len(inside), len(across)) == (17, 8)
    assert all(f.case_id.startswith("train-") for f in [*inside, *across])
    assert all(f.other.startswith("val-") for f in across)
    assert report.clean
    assert report.flow[-1]["n_cases"] == 4406 - 25


@needs("chest_xray_nih")
@pytest.mark.usefixtures("_real_data")
def test_the_two_negatives_of_a_real_set_are_named():
    report = audit(real("chest_xray"))
    assert [(f.code, f.case_id) for f in report.findings] == [
        ("GREYS_INVERTED", "00017625_000.png"),
        ("GREYS_INVERTED", "00017999_000.png"),
    ]


@needs("diabetes_readmission")
@pytest.mark.usefixtures("_real_data")
def test_real_encounters_after_death_or_hospice_are_left_out_and_counted():
    cases = real("diabetes_readmission")
    report = audit(cases)
    assert report.flow[0]["n_cases"] == 71247
    assert (report.flow[1]["n_cases_out"], report.flow[1]["n_cases"]) == (1711, 69536)
    assert cases.frame["race"].isna().sum() == 1582
    assert len(of(report, "ATTRIBUTE_CONFLICT")) == 90
    assert report.clean
