"""Whole runs on small made sets: a vendor's scores, a table model, networks, folds, failures."""

import json
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from aiops.errors import AuditStop, LeakageError, StageError
from aiops.files import read_json
from aiops.pipeline.run import run, run_stage
from aiops.pipeline.workspace import open_workspace

N_PATIENTS = 120


@contextmanager
def no_bar(title):
    yield lambda done, total: None


def silent(done, total):
    pass


def go(config: Path, *overrides: str) -> dict:
    said: list[str] = []
    return {**run(config, overrides, say=said.append, bar=no_bar, tracked=False), "said": said}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("AIOPS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def vendor_set(folder: Path, **changes) -> Path:
    """Write scores of 120 patients, two rows each, that are good for everyone."""
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(N_PATIENTS), 2)
    ill = np.repeat(rng.random(N_PATIENTS) < 0.4, 2)
    score = np.clip(rng.normal(0.3 + 0.4 * ill, 0.1), 0.01, 0.99)
    frame = pd.DataFrame(
        {
            "case_id": [f"c{i:03d}" for i in range(2 * N_PATIENTS)],
            "patient_id": [f"p{i:03d}" for i in patient],
            "sex": np.where(patient % 2, "F", "M"),
            "ill": ill.astype(int),
            "score": score.round(4),
        }
    )
    for column, values in changes.items():
        frame[column] = values(frame)
    folder.mkdir(exist_ok=True)
    frame.to_csv(folder / "cases.csv", index=False)
    config = folder / "vendor.yaml"
    config.write_text(
        "kind: experiment\nuse_case: tiny-vendor\ntask: classification\n"
        "data:\n  table: cases.csv\n  patient: patient_id\n  modality: xray\n"
        "  attributes: {sex: {column: sex}}\n"
        "targets: {ill: {label: ill, positive: [1], score: score}}\n"
        "primary: {target: ill, metric: roc_auc, acceptable: 0.9}\n"
        "operating_point: {sensitivity: 0.9, tune_share: 0.3}\n"
        "fairness: {attributes: [sex], margin: 0.2}\n"
    )
    return config


def test_a_vendor_run_goes_from_scores_to_a_passed_gate(tmp_path):
    done = go(vendor_set(tmp_path))
    assert list(done["stages"]) == ["audit", "split", "predict", "evaluate", "gate", "report"]
    assert done["gate"]["outcome"] == "pass"
    assert done["evaluation"]["verdict"]["overall"] == "adequate"
    folder = Path(done["folder"])
    metrics = pd.read_parquet(folder / "metrics.parquet")
    assert set(metrics["attribute"]) == {"all", "sex"}
    point = done["evaluation"]["operating_points"]["ill"]
    assert point["criterion"] == "sensitivity 0.9 on tune"
    assert point["reached"]["value"] >= 0.9
    for name in ("report.html", "report_internal.html"):
        assert (folder / name).stat().st_size > 10_000


def test_what_is_done_and_unchanged_is_skipped_and_a_change_is_a_new_folder(tmp_path):
    config = vendor_set(tmp_path)
    first = go(config)
    again = go(config)
    assert set(again["stages"].values()) == {"unchanged, skipped"}
    assert again["evaluation"]["seal"]["reading"] == 1
    (Path(first["folder"]) / "gaps.parquet").unlink()
    mended = go(config)
    assert mended["stages"]["evaluate"] != "unchanged, skipped"
    assert mended["stages"]["predict"] == "unchanged, skipped"
    other = go(config, "evaluation.seed=1")
    assert other["folder"] != first["folder"]
    table = tmp_path / "cases.csv"
    table.write_text(table.read_text().replace("c000", "d000"))
    assert go(config)["folder"] not in {first["folder"], other["folder"]}


def test_what_judges_is_done_again_when_the_program_has_changed(tmp_path, monkeypatch):
    config = vendor_set(tmp_path)
    go(config)
    monkeypatch.setattr("aiops.pipeline.workspace.code_version", lambda: "a later version")
    again = go(config)
    done = {stage for stage, said in again["stages"].items() if said != "unchanged, skipped"}
    assert done == {"audit", "evaluate", "gate", "report"}
    assert again["evaluation"]["seal"]["reading"] == 1


def test_each_reading_of_a_sealed_list_by_new_predictions_is_counted(tmp_path):
    config = vendor_set(tmp_path)
    assert go(config)["evaluation"]["seal"]["reading"] == 1
    vendor_set(tmp_path, score=lambda f: (f["score"] ** 2).round(4))
    second = go(config)
    assert second["evaluation"]["seal"]["reading"] == 2
    items = {item["id"]: item["outcome"] for item in second["gate"]["items"]}
    assert items["test-list"] != "pass"


def test_a_test_list_that_leaves_one_patient_out_is_not_read_for_the_first_time(tmp_path):
    config = vendor_set(tmp_path)
    first, second = go(config), go(config, "data.exclude={patient_id: [p001]}")
    seals = [done["evaluation"]["seal"] for done in (first, second)]
    assert seals[0]["hash"] != seals[1]["hash"]
    assert [one["reading"] for one in seals] == [1, 1]
    assert seals[0]["shared"]["known"] == 0
    assert seals[1]["shared"]["share"] > 0.5  # those set aside for the threshold are drawn anew
    items = {item["id"]: item for item in second["gate"]["items"]}
    assert items["test-list"]["outcome"] == "undecided"
    assert items["test-list"]["value"].endswith(" % tested before")


def test_a_vendors_missing_score_is_a_failed_row_that_counts(tmp_path):
    config = vendor_set(tmp_path, score=lambda f: f["score"].where(f.index % 10 != 0))
    done = go(config)
    predictions = pd.read_parquet(Path(done["folder"]) / "predictions.parquet")
    failed = predictions[predictions["status"] == "failed"]
    assert len(failed) == 24
    assert set(failed["reason"]) == {"no score was given"}
    assert done["evaluation"]["primary"][0]["n_failed"] > 0


def test_an_unanswered_stop_holds_the_run_with_the_lines_to_write(tmp_path):
    config = vendor_set(tmp_path, score=lambda f: f["score"] * 100)
    with pytest.raises(AuditStop) as caught:
        go(config)
    assert "SCORE_OUT_OF_RANGE" in str(caught.value)
    assert "accept" in caught.value.fix


def test_a_stage_before_its_time_names_the_one_to_run(tmp_path):
    workspace = open_workspace(vendor_set(tmp_path))
    with pytest.raises(StageError, match=r"split.json is not there yet"):
        run_stage("evaluate", workspace, silent)


@pytest.mark.requirement("REQ-003")
def test_a_threshold_is_never_scored_on_the_patients_it_was_chosen_on(tmp_path):
    workspace = open_workspace(vendor_set(tmp_path))
    for stage in ("audit", "split", "predict"):
        run_stage(stage, workspace, silent)
    path = workspace.path("predictions.parquet")
    frame = pd.read_parquet(path)
    frame.loc[frame["patient_id"] == frame["patient_id"].iloc[0], "split"] = ["tune", "test"]
    frame.to_parquet(path)
    with pytest.raises(LeakageError, match="1 patients are both in tune and in test"):
        run_stage("evaluate", workspace, silent)


def test_a_folder_whose_making_was_interrupted_is_furnished_again(tmp_path):
    config = vendor_set(tmp_path)
    folder = open_workspace(config).folder
    (folder / "run.json").unlink()
    assert open_workspace(config).record()["stages"] == {}


def table_set(folder: Path) -> Path:
    rng = np.random.default_rng(1)
    n = 600
    x = rng.normal(size=n)
    pd.DataFrame(
        {
            "stay": np.arange(n),
            "who": np.arange(n) // 2,
            "x": x.round(4),
            "kind": rng.choice(["a", "b"], n),
            "left": rng.choice([1, 11], n, p=[0.95, 0.05]),
            "back": np.where(x + rng.normal(size=n) > 0.5, "<30", "NO"),
        }
    ).to_csv(folder / "stays.csv", index=False)
    config = folder / "table.yaml"
    config.write_text(
        "kind: experiment\nuse_case: tiny-table\ntask: classification\n"
        "data:\n  table: stays.csv\n  case: stay\n  patient: who\n  modality: table\n"
        "  exclude: {left: [11]}\n"
        "  features: {numeric: [x], categorical: [kind]}\n"
        "targets: {back: {label: back, positive: ['<30']}}\n"
        "primary: {target: back, metric: roc_auc, acceptable: 0.6}\n"
        "operating_point: {specificity: 0.8}\n"
        "split: {test: 0.3, tune: 0.2}\ntrain: {steps: 40}\n"
    )
    return config


def test_a_table_model_trains_and_what_was_left_out_is_counted(tmp_path):
    done = go(table_set(tmp_path))
    assert done["evaluation"]["primary"][0]["value"] > 0.6
    assert done["evaluation"]["verdict"]["overall"] == "not assessed"
    steps = {step["step"]: step for step in done["evaluation"]["population_flow"]}
    assert steps["left out by the config"]["n_cases"] > 0
    assert "left is one of 11" in steps["left out by the config"]["reason"]
    split = read_json(Path(done["folder"]) / "split.json")["assignments"]
    for patient in range(300):
        parts = {split[c]["split"] for c in (str(2 * patient), str(2 * patient + 1)) if c in split}
        assert len(parts) <= 1


def test_folds_predict_each_case_by_the_member_that_has_not_seen_it(tmp_path):
    done = go(table_set(tmp_path), "split.folds=3")
    folder = Path(done["folder"])
    trained = json.loads((folder / "training.json").read_text())["members"]
    assert list(trained) == ["fold0", "fold1", "fold2"]
    predictions = pd.read_parquet(folder / "predictions.parquet")
    assert predictions["case_id"].is_unique
    split = read_json(folder / "split.json")["assignments"]
    rest = [c for c, a in split.items() if a["split"] != "test"]
    assert set(rest) <= set(predictions["case_id"])


def test_each_site_is_predicted_by_the_model_that_never_saw_it(tmp_path):
    config = table_set(tmp_path)
    stays = pd.read_csv(tmp_path / "stays.csv")
    stays["site"] = np.where(stays["who"] % 3 == 0, "north", "south")
    # In the north x means the opposite: a model that had seen it would not fall for that.
    stays.loc[stays["site"] == "north", "x"] *= -1
    stays.to_csv(tmp_path / "stays.csv", index=False)
    config.write_text(
        config.read_text()
        .replace("split: {test: 0.3, tune: 0.2}", "split: {by: site, column: site, "
                 "leave_one_out: true}")
        .replace("{specificity: 0.8}", "{threshold: 0.5}")
        .replace("  features:", "  attributes: {site: {column: site}}\n  features:")
    )  # fmt: skip
    done = go(config)
    folder = Path(done["folder"])
    assert list(read_json(folder / "training.json")["members"]) == ["fold0", "fold1"]
    metrics = pd.read_parquet(folder / "metrics.parquet")
    auc = metrics[(metrics["metric"] == "roc_auc") & (metrics["attribute"] == "site")]
    assert (auc["value"] < 0.4).all()
    assert auc["n_cases"].sum() == len(pd.read_parquet(folder / "predictions.parquet"))
    assert any("never saw it" in note for note in done["evaluation"]["notes"])


def blob_set(folder: Path, n: int = 16) -> Path:
    """Write small volumes with a bright ball; anisotropic, turned, one patient per case."""
    rng = np.random.default_rng(2)
    grid = np.stack(np.meshgrid(*map(np.arange, (24, 24, 12)), indexing="ij"))
    rows = []
    for i in range(n):
        centre = rng.uniform([9, 9, 4], [15, 15, 8])[:, None, None, None]
        ball = (((grid - centre) / np.array([5, 5, 2.5])[:, None, None, None]) ** 2).sum(0) < 1
        image = (40 + 100 * ball + rng.normal(0, 10, ball.shape)).astype(np.int16)
        affine = np.diag([-1.0 if i % 2 else 1.0, 1.0, 2.0, 1.0])
        for name, array in (("images", image), ("labels", ball.astype(np.uint8))):
            (folder / name).mkdir(exist_ok=True)
            nib.save(nib.Nifti1Image(array, affine), folder / name / f"v{i:02d}.nii.gz")
        rows.append({"case_id": f"v{i:02d}", "patient_id": f"p{i}", "site": "AB"[i % 2]})
    pd.DataFrame(rows).to_csv(folder / "cases.csv", index=False)
    config = folder / "blobs.yaml"
    config.write_text(
        "kind: experiment\nuse_case: tiny-blobs\ntask: segmentation\n"
        "data:\n  table: cases.csv\n  patient: patient_id\n  image: 'images/{case_id}.nii.gz'\n"
        "  label: 'labels/{case_id}.nii.gz'\n  modality: mri\n"
        "  attributes: {site: {column: site}}\n"
        "targets: {ball: 1}\nprimary: {target: ball, metric: dice, acceptable: 0.5}\n"
        "split: {test: 0.3, tune: 0.15}\ntrain: {steps: 12, patch_vox: [16, 16, 8], batch: 2}\n"
        "evaluation: {tolerance_mm: 1.0}\nfairness: {attributes: [site], margin: 0.1}\n"
    )
    return config


@pytest.mark.slow
def test_a_segmentation_restores_geometry_and_counts_a_failed_case(tmp_path):
    config = blob_set(tmp_path)
    workspace = open_workspace(config)
    for stage in ("audit", "split", "plan", "train"):
        run_stage(stage, workspace, silent)
    test = [c for c, a in read_json(workspace.path("split.json"))["assignments"].items()
            if a["split"] == "test"]  # fmt: skip
    (tmp_path / "images" / f"{test[0]}.nii.gz").write_bytes(b"cut short")
    told = run_stage("predict", workspace, silent)
    assert told["n_failed"] == 1
    masks = pd.read_parquet(workspace.path("masks.parquet")).set_index("case_id")
    assert masks.loc[test[0], "status"] == "failed"
    for case_id in test[1:]:
        mask = nib.load(masks.loc[case_id, "predicted"])
        image = nib.load(tmp_path / "images" / f"{case_id}.nii.gz")
        assert mask.shape == image.shape
        np.testing.assert_allclose(mask.affine, image.affine)
    found = run_stage("evaluate", workspace, silent)
    rows = pd.read_parquet(workspace.path("case_metrics.parquet"))
    lost = rows[(rows["case_id"] == test[0]) & (rows["metric"] == "dice")]
    assert lost["value"].tolist() == [0.0]
    assert lost["outcome"].tolist() == ["failed"]
    assert found["primary"][0]["n_failed"] == 1
    assert found["verdict"]["overall"] == "insufficient evidence"


def film_set(folder: Path, n: int = 60) -> Path:
    rng = np.random.default_rng(3)
    (folder / "films").mkdir()
    rows = []
    for i in range(n):
        ill = i % 2
        film = rng.normal(100, 20, (32, 32))
        film[12:20, 12:20] += 60 * ill
        Image.fromarray(film.clip(0, 255).astype(np.uint8)).save(folder / "films" / f"f{i}.png")
        rows.append(
            {"case_id": f"f{i}", "patient_id": f"p{i}", "film": f"films/f{i}.png", "ill": ill}
        )
    pd.DataFrame(rows).to_csv(folder / "cases.csv", index=False)
    config = folder / "films.yaml"
    config.write_text(
        "kind: experiment\nuse_case: tiny-films\ntask: classification\n"
        "data: {table: cases.csv, patient: patient_id, image: film, modality: xray}\n"
        "targets: {ill: {label: ill, positive: [1]}}\n"
        "primary: {target: ill, metric: roc_auc}\n"
        "split: {test: 0.3, tune: 0.2}\ntrain: {steps: 12, batch: 8}\n"
    )
    return config


@pytest.mark.slow
def test_a_classifier_of_films_trains_and_without_an_aim_the_gate_is_undecided(tmp_path):
    done = go(film_set(tmp_path))
    assert done["evaluation"]["primary"][0]["value"] > 0.8
    assert done["gate"]["outcome"] == "undecided"
    metrics = pd.read_parquet(Path(done["folder"]) / "metrics.parquet").set_index("metric")
    assert metrics.loc["sensitivity", "state"] == "not_estimable"
    assert done["evaluation"]["operating_points"] == {}
