"""Two runs of a vendor's scores and two of masks, compared through their folders."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aiops.errors import ConfigError, DataError, StageError
from aiops.files import read_json, write_json
from aiops.pipeline.compare import compare_runs, find_run
from aiops.pipeline.comparison_view import comparison_lines, project_comparison, shared_tables
from aiops.pipeline.run import run_stage
from aiops.pipeline.workspace import open_workspace

N = 150


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("AIOPS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path / "home"


def vendor(folder: Path, name: str, gain: float, *, harm: float = 0.0, n: int = N) -> Path:
    """Write the config of a vendor's tool; `harm` takes from women, the cohort is the same."""
    rng = np.random.default_rng(0)
    ill = rng.random(n) < 0.4
    hard = rng.normal(size=n)
    women = np.arange(n) % 2 == 1
    rng = np.random.default_rng(len(name))
    seen = (gain - harm * women) * ill + hard + 0.4 * rng.normal(size=n)
    pd.DataFrame(
        {
            "case_id": [f"c{i:03d}" for i in range(n)],
            "patient_id": [f"p{i:03d}" for i in range(n)],
            "sex": np.where(women, "F", "M"),
            "rare": np.where(np.arange(n) < 4, "yes", "no"),
            "ill": ill.astype(int),
            "score": (1 / (1 + np.exp(-seen))).round(4),
        }
    ).to_csv(folder / f"{name}.csv", index=False)
    config = folder / f"{name}.yaml"
    config.write_text(
        "kind: experiment\nuse_case: tiny-vendor\ntask: classification\n"
        f"data:\n  table: {name}.csv\n  patient: patient_id\n  modality: xray\n"
        "  attributes: {sex: {column: sex}, rare: {column: rare}}\n"
        "targets: {ill: {label: ill, positive: [1], score: score}}\n"
        "primary: {target: ill, metric: roc_auc, acceptable: 0.7}\n"
        "operating_point: {threshold: 0.5}\n"
        "fairness: {attributes: [sex], margin: 0.2}\n"
        "evaluation: {n_boot: 100}\n"
    )
    return config


def done(config: Path, *overrides: str) -> Path:
    """Take a config as far as a comparison needs it."""
    workspace = open_workspace(config, overrides)
    for stage in ("audit", "split", "predict", "evaluate"):
        run_stage(stage, workspace, lambda done, total: None)
    return workspace.folder


@pytest.fixture
def two(tmp_path):
    return done(vendor(tmp_path, "old", 1.0)), done(vendor(tmp_path, "new", 2.5))


def test_two_runs_on_one_test_list_are_paired_and_written_down(two, home):
    a, b = two
    result, table = compare_runs(str(a), str(b), margin=0.05)
    first = result["primary"][0]
    assert (first["target"], first["metric"], first["outcome"]) == ("ill", "roc_auc", "better")
    for side, folder in (("a", a), ("b", b)):
        metrics = pd.read_parquet(folder / "metrics.parquet")
        auc = metrics[(metrics["metric"] == "roc_auc") & (metrics["attribute"] == "all")]
        assert first[side] == pytest.approx(auc["value"].iloc[0])
    assert result["non_inferiority"][0]["outcome"] == "superior"
    written = read_json(Path(result["files"]["json"]))
    assert written["primary"][0]["difference"] == pytest.approx(first["difference"])
    assert len(pd.read_parquet(result["files"]["table"])) == len(table)
    assert Path(result["files"]["json"]).parent == home / "comparisons" / "tiny-vendor"
    assert {"sex", "rare"} <= set(table["attribute"])


def test_a_comparison_is_noted_once_beside_the_seal_and_is_no_new_reading(two, home):
    a, b = two
    first, _ = compare_runs(str(a), str(b))
    again, _ = compare_runs(str(b), str(a))
    assert first["seal"]["comparisons"] == again["seal"]["comparisons"] == 1
    seal = first["seal"]["hash"]
    lines = (home / "seals" / f"{seal}.comparisons.jsonl").read_text().splitlines()
    assert [json.loads(line)["a"] for line in lines] == [a.name]
    assert len((home / "seals" / f"{seal}.jsonl").read_text().splitlines()) == 2
    assert "1 pair of runs has been compared on this sealed test list" in first["notes"][-1]


def test_a_run_is_found_by_folder_name_digits_and_config(two, tmp_path):
    a, _ = two
    for given in (str(a), a.name, a.name[-8:], str(tmp_path / "old.yaml")):
        assert find_run(given) == a
    with pytest.raises(StageError, match="there is no run 'nobody'"):
        find_run("nobody")


def test_runs_that_cannot_be_paired_are_refused_with_a_way_out(two, tmp_path):
    a, b = two
    other = done(tmp_path / "new.yaml", "split.seed=5", "operating_point.threshold=0.4")
    split = read_json(other / "split.json")
    write_json(other / "split.json", split | {"seal": "0" * 64})
    with pytest.raises(DataError, match="sealed on different test lists") as told:
        compare_runs(str(a), str(other))
    assert "split.json of" in told.value.where
    assert told.value.exit_code == 2
    with pytest.raises(ConfigError, match="compared with itself"):
        compare_runs(str(a), str(a))
    with pytest.raises(ConfigError, match="the margin is -1"):
        compare_runs(str(a), str(b), margin=-1)
    predictions = pd.read_parquet(b / "predictions.parquet")
    test = predictions["split"] == "test"
    predictions[
        ~(test & (predictions["case_id"] == predictions[test]["case_id"].iloc[0]))
    ].to_parquet(b / "predictions.parquet")
    with pytest.raises(DataError, match="the runs cannot be paired: target 'ill': a has"):
        compare_runs(str(a), str(b))
    (b / "evaluation.json").unlink()
    with pytest.raises(StageError, match="has not been evaluated"):
        compare_runs(str(a), str(b))


def test_targets_that_only_one_run_has_are_said_and_left_out(two):
    a, b = two
    for folder, name in ((a, "old"), (b, "new")):
        resolved = folder / "resolved.yaml"
        text = resolved.read_text()
        assert "ill:" in text
        more = text.replace(
            "targets:\n", f"targets:\n  {name}: {{label: x, positive: [1], score: y}}\n"
        )
        resolved.write_text(more)
    result, table = compare_runs(str(a), str(b))
    assert set(table["target"]) == {"ill"}
    assert "Only in a, not compared: old." in result["notes"]
    assert "Only in b, not compared: new." in result["notes"]


def test_a_group_that_pays_for_the_new_version_is_named(tmp_path):
    a = done(vendor(tmp_path, "old", 2.0, n=900))
    b = done(vendor(tmp_path, "worse", 3.0, harm=2.8, n=900))
    result, _ = compare_runs(str(a), str(b))
    lost = {(r["attribute"], r["group"], r["metric"]) for r in result["levelled_down"]}
    assert ("sex", "F", "roc_auc") in lost
    assert not any(group == "M" for _, group, _ in lost)
    lines = "\n".join(comparison_lines(result, by_group=True))
    assert "levelled down, worse for a group by more than chance:" in lines
    assert "sex F (roc_auc of ill: worse by" in lines


def test_the_screen_says_each_difference_in_words(two):
    result, _ = compare_runs(str(two[0]), str(two[1]))
    lines = comparison_lines(result, by_group=False)
    assert any("roc_auc*" in line and "better by" in line for line in lines)
    assert not any("sex F" in line for line in lines)
    assert max(map(len, lines[3:8])) <= 118


def test_what_leaves_has_no_count_of_a_group_and_no_hidden_group(two):
    result, table = compare_runs(str(two[0]), str(two[1]))
    shared = shared_tables(result, table)
    groups = shared["tables/comparison_groups.json"]
    assert not [c for c in groups["columns"] if c.startswith("n_")]
    place = {name: groups["columns"].index(name) for name in ("attribute", "group")}
    shown = {(row[place["attribute"]], row[place["group"]]) for row in groups["data"]}
    assert ("sex", "F") in shown
    assert not any(attribute == "rare" for attribute, _ in shown)  # one of its groups is tiny
    overall = shared["tables/comparison.json"]
    assert "n_cases" in overall["columns"]
    projection = project_comparison(result, table)
    assert projection.tags["aiops.kind"] == "compare"
    assert len(projection.metrics) <= 40
    assert next(iter(projection.metrics)) == "difference/ill/roc_auc"
    assert not any("sex" in name for name in projection.metrics)


def test_the_comparison_is_a_run_in_mlflow_and_not_a_run_of_the_list(two):
    from aiops import tracking

    result, table = compare_runs(str(two[0]), str(two[1]))
    shown = project_comparison(result, table)
    run_id = tracking.log_comparison(shown, shared_tables(result, table))
    assert tracking.log_comparison(shown, shared_tables(result, table)) == run_id
    with tracking._store() as client:
        logged = client.get_run(run_id)
        assert client.get_experiment(logged.info.experiment_id).name == "usecase/tiny-vendor"
        assert logged.info.status == "FINISHED"
        assert logged.data.tags["aiops.kind"] == "compare"
        assert logged.data.metrics["difference/ill/roc_auc"] > 0
        found = Path(client.download_artifacts(run_id, "tables"))
        assert {p.name for p in found.iterdir()} == {"comparison.json", "comparison_groups.json"}
    assert tracking.list_runs() == []


def test_the_command_prints_json_and_ends_with_2_where_runs_differ(two, home):
    from click.testing import CliRunner

    from aiops.cli import cli

    told = CliRunner().invoke(cli, ["compare", *map(str, two), "--json", "--no-tracking"])
    assert told.exit_code == 0
    assert json.loads(told.stdout)["primary"][0]["outcome"] == "better"
    spoken = CliRunner().invoke(
        cli, ["compare", *map(str, two), "--no-tracking", "--margin", "0.05", "--by-group"]
    )
    assert "The new one is better (difference +" in spoken.stdout
    assert "sex F" in spoken.stdout
