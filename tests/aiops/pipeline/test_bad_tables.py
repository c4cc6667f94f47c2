"""A vendor's odd tables from audit to evaluate: a clear stop, a counted failure, or a reason."""

import json

import numpy as np
import pandas as pd
import pytest

from aiops.errors import AuditStop, DataError
from aiops.pipeline.run import run_stage
from aiops.pipeline.workspace import open_workspace

N_PATIENTS = 120

CONFIG = """
kind: experiment
use_case: odd-vendor
task: classification
data:
  table: cases.csv
  patient: patient_id
  modality: xray
  attributes: {sex: {column: sex}}
targets: {ill: {label: ill, positive: [1], score: score}}
primary: {target: ill, metric: roc_auc, acceptable: 0.9}
operating_point: {threshold: 0.5}
fairness: {attributes: [sex], margin: 0.2}
"""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("AIOPS_HOME", str(tmp_path / "home"))


def scores():
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(N_PATIENTS), 2)
    ill = np.repeat(rng.random(N_PATIENTS) < 0.4, 2)
    return pd.DataFrame(
        {
            "case_id": [f"c{i:03d}" for i in range(2 * N_PATIENTS)],
            "patient_id": [f"p{i:03d}" for i in patient],
            "sex": np.where(patient % 2, "F", "M"),
            "ill": ill.astype(int).astype(str),
            "score": np.clip(rng.normal(0.3 + 0.4 * ill, 0.1), 0.01, 0.99).round(4).astype(str),
        }
    )


def put(column, row, value):
    """Return a change of one cell."""

    def change(table):
        table = table.copy()
        table.loc[row, column] = value
        return table

    return change


def silent(done, total):
    pass


def opened(folder, change, more=""):
    change(scores()).to_csv(folder / "cases.csv", index=False)
    config = folder / "vendor.yaml"
    config.write_text(CONFIG + more)
    return open_workspace(config)


def evaluated(folder, change, more=""):
    """Return metrics and evaluation.json of a table that was changed."""
    workspace = opened(folder, change, more)
    for stage in ("audit", "split", "predict", "evaluate"):
        run_stage(stage, workspace, silent)
    told = json.loads(workspace.path("evaluation.json").read_text())
    return pd.read_parquet(workspace.path("metrics.parquet")), told


def auc(metrics, group="all"):
    rows = metrics[(metrics["metric"] == "roc_auc") & (metrics["group"] == group)]
    return rows.iloc[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: pd.concat([t, t.iloc[:3]]), "3 case ids stand in more than one row"),
        (put("case_id", 4, None), "1 rows have no case id, the first is row 5"),
        (lambda t: t.iloc[:0], "the table has no rows"),
        (lambda t: t.drop(columns="score"), "a column is not in the table: 'score'"),
        (lambda t: pd.concat([t, t[["score"]]], axis=1), "names a column twice: 'score'"),
    ],
)
def test_what_is_no_table_of_cases_is_an_error(tmp_path, change, words):
    with pytest.raises(DataError, match=words) as caught:
        evaluated(tmp_path, change)
    assert "cases.csv" in str(caught.value)
    assert caught.value.fix


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (put("score", 4, "1.2"), "SCORE_OUT_OF_RANGE"),
        (put("score", 4, "-0.1"), "SCORE_OUT_OF_RANGE"),
        (put("score", 4, "high"), "SCORE_NOT_NUMERIC"),
        (put("score", 4, "inf"), "SCORE_NOT_NUMERIC"),
        (put("patient_id", 4, None), "PATIENT_MISSING"),
        (lambda t: t.assign(ill="0"), "OUTCOME_ONE_CLASS"),
        (lambda t: t.assign(ill="1"), "OUTCOME_ONE_CLASS"),
        (lambda t: t.assign(ill="2"), "OUTCOME_ONE_CLASS"),
    ],
)
def test_what_may_be_a_fault_stops_until_it_is_answered(tmp_path, change, code):
    with pytest.raises(AuditStop, match=code) as caught:
        evaluated(tmp_path, change)
    assert "accept" in caught.value.fix or "exclude" in caught.value.fix


@pytest.mark.parametrize(("label", "reason"), [("0", "0 positives"), ("1", "0 negatives")])
def test_one_class_that_was_accepted_is_not_estimable(tmp_path, label, reason):
    metrics, told = evaluated(
        tmp_path, lambda t: t.assign(ill=label), "audit: {accept: {OUTCOME_ONE_CLASS: screening}}\n"
    )
    assert auc(metrics)["reason"] == reason
    assert np.isnan(auc(metrics)["value"])
    assert told["verdict"]["overall"] == "insufficient evidence"
    named = metrics[(metrics["metric"] == "specificity") & (metrics["group"] == "all")].iloc[0]
    assert np.isfinite(named["value"]) == (label == "0")


def test_text_that_was_accepted_counts_as_failed(tmp_path):
    metrics, told = evaluated(
        tmp_path, put("score", range(0, 70, 7), "high"),
        "audit: {accept: {SCORE_NOT_NUMERIC: as the tool writes it}}\n",
    )  # fmt: skip
    assert auc(metrics)["n_failed"] == 10
    assert "ill: 10 of 240 cases failed or were refused; they count as wrong." in told["notes"]


def test_a_case_without_patient_can_be_left_out(tmp_path):
    metrics, _ = evaluated(
        tmp_path, put("patient_id", 4, None), "audit: {exclude: {PATIENT_MISSING: nobody's}}\n"
    )
    assert auc(metrics)["n_cases"] == 239


def test_fewer_rows_are_fewer_cases(tmp_path):
    metrics, _ = evaluated(tmp_path, lambda t: t.iloc[:-20])
    assert (auc(metrics)["n_cases"], auc(metrics)["n_failed"]) == (220, 0)


def test_a_case_without_reference_is_not_scored(tmp_path):
    metrics, _ = evaluated(tmp_path, put("ill", 4, None))
    assert auc(metrics)["n_cases"] == 239


def test_a_patient_with_two_sexes_is_a_group_and_a_note_and_no_stop(tmp_path):
    metrics, told = evaluated(tmp_path, put("sex", 4, "F"))
    assert auc(metrics, "conflicting")["n_patients"] == 1
    assert any("group 'conflicting'" in note for note in told["notes"])
    assert auc(metrics, "F")["n_patients"] == N_PATIENTS / 2


def test_spaces_around_a_group_are_no_group(tmp_path):
    metrics, told = evaluated(tmp_path, put("sex", range(0, 240, 4), " M "))
    assert set(metrics["group"]) == {"all", "F", "M"}
    assert told["verdict"]["overall"] == "adequate"


@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        (lambda t: pd.concat([t, t.head(1).assign(case_id="zzz")]), "1 of 241 predicted cases"),
        (lambda t: pd.concat([t, t.head(1)]), "1 rows repeat a case_id and target"),
        (lambda t: t.iloc[5:], "5 of 240 expected cases have no row"),
        (lambda t: t.assign(y_score=7.0), "a probability lies in"),
    ],
)
def test_predictions_that_are_not_those_of_the_cases_are_refused(tmp_path, tamper, words):
    workspace = opened(tmp_path, lambda t: t)
    for stage in ("audit", "split", "predict"):
        run_stage(stage, workspace, silent)
    path = workspace.path("predictions.parquet")
    tamper(pd.read_parquet(path)).to_parquet(path)
    with pytest.raises(DataError, match=words) as caught:
        run_stage("evaluate", workspace, silent)
    assert "predictions.parquet" in str(caught.value)
    assert "aiops predict" in caught.value.fix
    assert not workspace.path("metrics.parquet").exists()
