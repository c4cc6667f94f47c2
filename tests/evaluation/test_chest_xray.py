"""15,621 published predictions on chest radiographs: figures as peers have them, in seconds."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from evaluation import EvaluationPlan, evaluate_classification
from evaluation.discrimination import roc_auc_of
from evaluation.samples import Sample

DATA = Path(os.environ.get("AIOPS_DATA", "../shared/data"))
FILE = DATA / "chest_xray_nih_predictions" / "predictions.csv.gz"
EXPECTED = DATA / "metric_references" / "nih_expected_by_group.csv"
BANDS = ["0-17", "18-39", "40-59", "60-79", "80+"]
NAMED = ("sex", "age", "view")

pytestmark = pytest.mark.skipif(
    not (FILE.exists() and EXPECTED.exists()),
    reason="no real data: chest_xray_nih_predictions and metric_references under AIOPS_DATA",
)


@pytest.fixture(scope="module")
def films():
    table = pd.read_csv(FILE)
    band = np.digitize(table["age"], [0, 18, 40, 60, 80]) - 1
    return table.assign(age=np.array(BANDS)[band])


@pytest.fixture(scope="module")
def findings(films):
    return tuple(c[5:] for c in films if c.startswith("prob_"))


@pytest.fixture(scope="module")
def predictions(films, findings):
    parts = [
        pd.DataFrame(
            {
                "case_id": films["image"], "study_id": films["image"],
                "patient_id": films["patient_id"], "split": "test", "target": name,
                "y_true": films[f"label_{name}"], "y_score": films[f"prob_{name}"],
                "score_kind": "probability", "status": "ok",
                **{a: films[a] for a in NAMED},
            }
        )
        for name in findings
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def plan(findings):
    return EvaluationPlan(
        "classification", findings, findings, "roc_auc", NAMED, NAMED, per_case=("age", "view"),
        margin=0.05, operating_points=dict.fromkeys(findings, 0.1), family="target",
    )  # fmt: skip


@pytest.fixture(scope="module")
def found(predictions, plan):
    return evaluate_classification(predictions, plan)


def overall(found, metric):
    rows = found.metrics[(found.metrics["metric"] == metric) & (found.metrics["group"] == "all")]
    return rows.set_index("target")["value"]


def test_every_auc_is_scikit_learns(films, findings, found):
    assert len(findings) == 14
    auc, precision = (overall(found, m) for m in ("roc_auc", "average_precision"))
    for name in findings:
        y, p = films[f"label_{name}"], films[f"prob_{name}"]
        assert auc[name] == pytest.approx(roc_auc_score(y, p), abs=1e-12)
        assert precision[name] == pytest.approx(average_precision_score(y, p), abs=1e-12)


def test_every_group_is_as_published_tools_have_it(found):
    expected = pd.read_csv(EXPECTED).query("group in ('all', 'sex', 'view')")
    shown = found.metrics.pivot_table(
        index=["target", "attribute", "group"], columns="metric", values="value", dropna=False
    )
    counts = found.metrics.drop_duplicates(["target", "attribute", "group"]).set_index(
        ["target", "attribute", "group"]
    )
    for _, row in expected.iterrows():
        key = row["finding"], row["group"], row["value"]
        ours, n = shown.loc[key], counts.loc[key]
        assert (n["n_cases"], n["n_positive"], n["n_patients"]) == (
            row["n"], row["n_pos"], row["n_patients"],
        )  # fmt: skip
        pairs = {"roc_auc": "auc", "average_precision": "average_precision", "brier": "brier"}
        for metric, column in pairs.items():
            assert ours[metric] == pytest.approx(row[column], abs=1e-9, nan_ok=True), key
        tp, fp, fn, tn = (row[f"{c}@0.1"] for c in ("tp", "fp", "fn", "tn"))
        assert ours["sensitivity"] == pytest.approx(tp / (tp + fn))
        assert ours["specificity"] == pytest.approx(tn / (tn + fp))
        if tp + fp:
            assert ours["ppv"] == pytest.approx(tp / (tp + fp))


def test_delong_is_a_published_tools_where_films_count_as_independent(films, findings):
    expected = pd.read_csv(EXPECTED).query("group == 'all'").set_index("finding")
    for name in findings[:5]:
        sample = Sample.of_patients(
            np.arange(len(films)), y_true=films[f"label_{name}"], y_score=films[f"prob_{name}"]
        )
        assert roc_auc_of(sample).se ** 2 == pytest.approx(
            expected.loc[name, "delong_variance"], rel=1e-9
        )


def verdicts(found, finding, attribute):
    rows = found.gaps[found.gaps["verdict"] != ""]
    rows = rows[(rows["target"] == finding) & (rows["attribute"] == attribute)]
    return rows.set_index("group")["verdict"].to_dict()


def test_the_verdicts_of_each_finding(found):
    assert verdicts(found, "Effusion", "sex") == {"F": "adequate", "M": "adequate"}
    assert verdicts(found, "Effusion", "view") == {"AP": "concern", "PA": "adequate"}
    assert set(verdicts(found, "Hernia", "sex").values()) == {"insufficient evidence"}


def test_fourteen_findings_judged_together_widen_the_limits(predictions, plan):
    together = replace(plan, family="claim", n_boot=100)
    gaps = evaluate_classification(predictions, together).gaps
    rows = gaps[(gaps["verdict"] != "") & (gaps["target"] == "Effusion")].set_index("group")
    # Over 126 gaps the men's interval reaches just below the margin: that is what it costs.
    assert rows.loc["M", "low_simultaneous"] == pytest.approx(-0.0512, abs=0.001)
    assert rows.loc["AP", "verdict"] == "concern"


def test_patients_widen_the_interval(films, found):
    gaps = found.metrics
    row = gaps[(gaps["target"] == "Effusion") & (gaps["metric"] == "roc_auc")].iloc[0]
    expected = pd.read_csv(EXPECTED).query("finding == 'Effusion' and group == 'all'").iloc[0]
    naive = expected["ci95_high_normal"] - expected["ci95_low_normal"]
    assert row["high"] - row["low"] > 1.3 * naive
