"""The demo cohorts: the same bytes from the same seed, and an audit finds what was planted."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aiops.data import phantom
from aiops.data.audit import audit
from aiops.data.cases import read_cases
from aiops.data.images import read_image, read_label
from aiops.home import configs_dir
from aiops.reading import read_config

N_CT, N_WRIST = 18, 60


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with both cohorts, small and with faults."""
    folder = tmp_path_factory.mktemp("home")
    phantom.make_kidney_ct(folder / "demo" / "kidney_ct", seed=3, n_patients=N_CT)
    phantom.make_wrist(folder / "demo" / "wrist", seed=3, n_patients=N_WRIST)
    return folder


def contents(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def audited(name: str):
    path = configs_dir() / f"demo_{name}.yaml"
    cases = read_cases(read_config(path).experiment, config_path=path)
    return audit(cases)


@pytest.mark.parametrize("name", ["kidney_ct", "wrist"])
def test_audit_finds_what_was_planted_and_nothing_else(home, monkeypatch, name):
    monkeypatch.setenv("AIOPS_HOME", str(home))
    report = audited(name)
    truth = json.loads((home / "demo" / name / "faults.json").read_text())["faults"]
    planted = {(fault["code"], fault["case_id"], fault["other"]) for fault in truth}
    found = {(fault.code, fault.case_id, fault.other) for fault in report.findings}
    assert found == planted
    assert report.clean, "the demo's config goes on deliberately after each finding"
    excluded = {fault["case_id"] for fault in truth if fault["code"] in report.excluded}
    assert set(report.excluded_cases) == excluded


@pytest.mark.parametrize("name", ["kidney_ct", "wrist"])
def test_each_fault_has_its_reason_in_the_config(home, name):
    rules = read_config(configs_dir() / f"demo_{name}.yaml").experiment.audit
    truth = json.loads((home / "demo" / name / "faults.json").read_text())["faults"]
    assert {fault["code"] for fault in truth} == {*rules.accept, *rules.exclude}


@pytest.mark.parametrize(("make", "n"), [(phantom.make_kidney_ct, 12), (phantom.make_wrist, 40)])
def test_same_seed_same_bytes(tmp_path, make, n):
    for name, seed in (("one", 5), ("two", 5), ("other", 6)):
        make(tmp_path / name, seed=seed, n_patients=n)
    one, two, other = (contents(tmp_path / name) for name in ("one", "two", "other"))
    assert one == two
    assert one["cases.csv"] != other["cases.csv"]


@pytest.mark.parametrize("make", [phantom.make_kidney_ct, phantom.make_wrist])
def test_too_few_patients_are_refused(tmp_path, make):
    with pytest.raises(ValueError, match=r"n_patients=3 must be at least"):
        make(tmp_path, seed=0, n_patients=3)


@pytest.mark.parametrize(("make", "n"), [(phantom.make_kidney_ct, 12), (phantom.make_wrist, 40)])
def test_without_faults_nothing_is_planted(tmp_path, make, n):
    table = make(tmp_path, seed=0, n_patients=n, faults=False)
    assert json.loads((tmp_path / "faults.json").read_text())["faults"] == []
    cases = pd.read_csv(table)
    assert not cases.isna().any().any()
    assert cases["age"].between(17, 92).all()
    assert all((tmp_path / image).is_file() for image in cases["image"])


def test_ct_is_in_hounsfield_units_with_both_labels(tmp_path):
    table = phantom.make_kidney_ct(tmp_path, seed=1, n_patients=20, faults=False)
    cases = pd.read_csv(table)
    spacings, share_of_tumours = set(), 0.0
    for row in cases.itertuples():
        image = read_image(str(tmp_path / row.image))
        label = read_label(str(tmp_path / row.label)).array
        hu = image.array[0]
        assert image.array.shape[1:] == label.shape
        assert -1024 <= hu.min() < -950
        assert 250 < hu.max() < 3072
        assert 120 < np.median(hu[label == phantom.phantom_ct.KIDNEY]) < 215
        millilitres = np.prod(image.spacing_mm) * (label == phantom.phantom_ct.KIDNEY).sum() / 1000
        assert 90 < millilitres < 450
        spacings.add(tuple(round(mm, 3) for mm in image.spacing_mm))
        share_of_tumours += (label == phantom.phantom_ct.TUMOUR).any() / len(cases)
    assert share_of_tumours == pytest.approx(phantom.TUMOUR_SHARE, abs=0.101)
    assert len(spacings) > 10
    assert min(cases["ethnicity"].value_counts()) <= 2


def test_full_wrist_cohort_has_enough_diseased_patients_in_each_group():
    # Of 1,800 patients a test share of 0.4 must hold 50 with a fracture in each named group.
    people = phantom.draw_people(phantom.WRIST_POPULATION, 1800, np.random.default_rng(0))
    for attribute in ("sex", "ethnicity"):
        smallest = people[attribute].value_counts().min()
        assert smallest * 0.4 * phantom.FRACTURE_SHARE > 70
    worn = people["scanner"] == phantom.WORN_SCANNER
    share = worn.groupby(people["ethnicity"]).mean()
    assert share[phantom.HARMED] == pytest.approx(0.8, abs=0.01)
    assert share.drop(phantom.HARMED).max() < 0.1


def test_bias_changes_the_worn_scanner_and_nothing_else(tmp_path):
    for name, bias in (("on", True), ("off", False)):
        phantom.make_wrist(tmp_path / name, seed=2, n_patients=40, bias=bias, faults=False)
    on, off = contents(tmp_path / "on"), contents(tmp_path / "off")
    assert on["cases.csv"] == off["cases.csv"]
    cases = pd.read_csv(tmp_path / "on" / "cases.csv").set_index("image")
    differ = {name for name in on if on[name] != off[name]}
    assert differ == set(cases.index[cases["scanner"] == phantom.WORN_SCANNER])


def test_studies_have_two_or_three_views(tmp_path):
    cases = pd.read_csv(phantom.make_wrist(tmp_path, seed=4, n_patients=80, faults=False))
    films = cases.groupby("study_id")["view"].agg(list)
    assert {len(views) for views in films} == {2, 3}
    assert cases.groupby("study_id")["fracture"].nunique().eq(1).all()
    assert cases.groupby("patient_id")["study_id"].nunique().max() == 2
    ill = cases.groupby("patient_id")["fracture"].max()
    assert ill.mean() == pytest.approx(phantom.FRACTURE_SHARE, abs=0.03)
