"""The real systems under configs/, on real data where AIOPS_DATA names them."""

import json
import os
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from aiops.data.audit import audit_folder
from aiops.home import configs_dir
from aiops.pipeline.run import run

DATA = Path(os.environ.get("AIOPS_DATA") or "../shared/data").resolve()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(not DATA.is_dir(), reason="no real data: set AIOPS_DATA to their folder"),
]


@contextmanager
def no_bar(title):
    yield lambda done, total: None


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    monkeypatch.setenv("AIOPS_HOME", str(tmp_path))
    monkeypatch.setenv("AIOPS_DATA", str(DATA))


def go(name: str, *overrides: str) -> tuple[dict, Path]:
    config = configs_dir() / f"{name}.yaml"
    done = run(config, overrides, say=lambda line: None, bar=no_bar, tracked=False)
    return done, Path(done["folder"])


def seconds(folder: Path, *stages: str) -> float:
    told = json.loads((folder / "run.json").read_text())["stages"]
    return sum(told[stage]["seconds"] for stage in stages)


def verdicts(done: dict, target: str, attribute: str) -> set[str]:
    groups = done["evaluation"]["verdict"]["groups"]
    return {
        g["verdict"]
        for g in groups
        if (g["target"], g["attribute"]) == (target, attribute)
        and g["group"] not in ("not recorded", "conflicting")
    }


def test_the_vendors_claims_for_14_findings():
    done, folder = go("chest_xray_vendor")
    table = pd.read_csv(DATA / "chest_xray_nih_predictions" / "predictions.csv.gz")
    metrics = pd.read_parquet(folder / "metrics.parquet")
    overall = metrics[(metrics["attribute"] == "all") & (metrics["metric"] == "roc_auc")]
    assert len(overall) == 14
    for row in overall.itertuples():
        name = "_".join(part.capitalize() for part in row.target.split("_"))
        peer = roc_auc_score(table[f"label_{name}"], table[f"prob_{name}"])
        assert row.value == pytest.approx(peer, abs=1e-12)
        assert (row.n_cases, row.n_patients) == (15621, 4363)
    assert verdicts(done, "effusion", "sex") == {"adequate"}
    assert "concern" in verdicts(done, "effusion", "view")
    assert verdicts(done, "hernia", "sex") == {"insufficient evidence"}
    assert set(metrics.loc[metrics["metric"] == "sensitivity", "state"]) == {"not_estimable"}


def test_hippocampus_reaches_its_bar():
    # Five minutes are some 1,300 steps on one machine here, and not elsewhere: so they are fixed.
    done, folder = go("hippocampus_mri", "train.steps=500")
    first = done["evaluation"]["primary"][0]
    assert first["target"] == "mean"
    assert first["value"] >= 0.86  # three seeds have a mean of at least 0.87; see the README
    split = json.loads((folder / "split.json").read_text())["assignments"]
    cases = pd.read_csv(DATA / "hippocampus_mri" / "cases.csv")
    parts = cases.assign(part=[split[c]["split"] for c in cases["case_id"]])
    assert (parts.groupby("subject_group")["part"].nunique() == 1).all()
    metrics = pd.read_parquet(folder / "metrics.parquet")
    assert set(metrics["group"]) >= {"uint8", "float_usual", "float_very_large"}


def test_pneumonia_reaches_its_bar_and_its_doubles_are_found():
    done, folder = go("pneumonia_28px")
    audit = json.loads((folder / "audit.json").read_text())["codes"]
    assert audit["DUPLICATE_IMAGE"]["n"] == 17
    assert audit["DUPLICATE_ACROSS_SUBSETS"]["n"] == 8
    first = done["evaluation"]["primary"][0]
    assert first["value"] >= 0.97
    assert first["n_cases"] == 524
    assert done["evaluation"]["seal"]["reading"] == 1
    assert any("not recorded" in note for note in done["evaluation"]["notes"])


def test_readmission_keeps_patients_together_and_shows_who_was_left_out():
    done, folder = go("diabetes_readmission")
    table = pd.read_csv(DATA / "diabetes_readmission" / "diabetic_data.csv.gz", dtype=str)
    gone = table["discharge_disposition_id"].isin(["11", "13", "14", "19", "20", "21"])
    steps = {step["step"]: step for step in done["evaluation"]["population_flow"]}
    assert steps["left out by the config"]["n_cases"] == int(gone.sum())
    split = json.loads((folder / "split.json").read_text())["assignments"]
    kept = table[~gone]
    part = np.array([split[c]["split"] for c in kept["encounter_id"]])
    assert (pd.Series(part).groupby(kept["patient_nbr"].to_numpy()).nunique() == 1).all()
    metrics = pd.read_parquet(folder / "metrics.parquet")
    race = metrics[(metrics["attribute"] == "race") & (metrics["metric"] == "roc_auc")]
    missing = race[race["group"] == "not recorded"].iloc[0]
    assert missing["n_cases"] > 100
    assert done["evaluation"]["primary"][0]["value"] > 0.62


def test_a_small_set_of_films_is_told_what_it_cannot_tell():
    done, folder = go("chest_xray", "train.steps=40")
    assert set(done["evaluation"]["verdict"]["by_attribute"]) == {"sex", "age", "view"}
    assert done["gate"]["outcome"] in ("fail", "undecided")
    for group in done["evaluation"]["verdict"]["groups"]:
        assert group["verdict"] in ("concern", "insufficient evidence", "adequate")
    assert (folder / "report_internal.html").exists()


def test_the_odd_files_are_named():
    found = audit_folder(DATA / "hippocampus_mri" / "odd").to_dict()
    named = {Path(f["file"]).name for f in found["findings"] if f["code"].startswith("UNPAIRED")}
    assert named == {
        "hippocampus_118_image.nii.gz",
        "hippocampus_010_label.nii.gz",
        "hippocampus_281_label.nii.gz",
    }


def test_each_of_three_hospitals_is_tested_by_a_model_that_never_saw_it():
    done, folder = go("heart_sites")
    assert done["evaluation"]["primary"][0]["n_patients"] == 720
    metrics = pd.read_parquet(folder / "metrics.parquet")
    auc = metrics[metrics["metric"] == "roc_auc"].set_index(["attribute", "group"])
    # Number formats and disguised gaps differ by site: a model that trips over them is at .5.
    assert auc.loc[("site", "cleveland"), "value"] > 0.85
    assert auc.loc[("site", "hungarian"), "value"] > 0.82
    assert auc.loc[("site", "switzerland"), "state"] == "small_n"
    cells = pd.read_parquet(folder / "tables" / "intersections.parquet")
    swiss = cells[cells["group"].isin(["female, switzerland", "switzerland, female"])]
    swiss = swiss[swiss["metric"] == "roc_auc"]
    assert list(swiss["state"]) == ["not_estimable"]
    assert list(swiss["reason"]) == ["0 negatives"]
