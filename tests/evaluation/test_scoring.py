from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from evaluation import (
    EvaluationPlan,
    evaluate_classification,
    metrics_of,
)
from evaluation.cells import interval_notes
from evaluation.fairness import GAP_COLUMNS
from evaluation.plan import METRIC_COLUMNS


def cohort(n=600, seed=0, harm=0.0):
    rng = np.random.default_rng(seed)
    patients = rng.integers(0, n // 2, n)
    sex = np.where(np.arange(n // 2) % 3 == 0, "F", "M")[patients]
    y = rng.random(n) < 0.4
    signal = np.where((sex == "F") & (rng.random(n) < harm), 0.0, 1.8)
    score = 1 / (1 + np.exp(-(rng.normal(size=n) + signal * (y - 0.5))))
    return pd.DataFrame(
        {
            "case_id": [f"c{i:04}" for i in range(n)],
            "study_id": [f"s{i // 2:04}" for i in range(n)],
            "patient_id": [f"p{p:04}" for p in patients],
            "split": "test",
            "fold": 0,
            "target": "effusion",
            "y_true": y.astype(float),
            "y_score": score,
            "score_kind": "probability",
            "y_pred": np.nan,
            "status": "ok",
            "sex": sex,
            "view": np.where(rng.random(n) < 0.5, "AP", "PA"),
        }
    )


PLAN = EvaluationPlan(
    "classification", ("effusion",), ("effusion",), "roc_auc", ("sex", "view"),
    prespecified=("sex",), per_case=("view",), margin=0.05, operating_points={"effusion": 0.5},
    n_boot=200,
)  # fmt: skip


def overall(found, metric, **where):
    rows = found.metrics[found.metrics["metric"] == metric]
    for key, value in ({"attribute": "all"} | where).items():
        rows = rows[rows[key] == value]
    assert len(rows) == 1
    return rows.iloc[0]


def test_tables_have_their_columns():
    found = evaluate_classification(cohort(), PLAN)
    assert found.metrics.columns.tolist() == METRIC_COLUMNS
    assert found.gaps.columns.tolist() == GAP_COLUMNS
    n_metrics = len(metrics_of("classification"))
    assert len(found.metrics) == n_metrics * 5
    assert len(found.gaps) == n_metrics * 4
    assert set(found.metrics["state"]) == {"ok"}
    assert found.notes == ()
    ok = found.metrics
    assert (ok["low"] < ok["value"]).all()
    assert (ok["value"] < ok["high"]).all()
    assert ok["definition"].ne("").all()
    assert ok["method"].ne("").all()


def test_groups_add_up():
    metrics = evaluate_classification(cohort(), PLAN).metrics
    auc = metrics[metrics["metric"] == "roc_auc"]
    sizes = auc.groupby("attribute")[["n_cases", "n_positive"]].sum()
    assert sizes["n_cases"].tolist() == [600] * 3
    assert sizes["n_positive"].nunique() == 1


def test_verdicts_stand_in_the_family_alone():
    gaps = evaluate_classification(cohort(), PLAN).gaps
    family = gaps[gaps["verdict"] != ""]
    assert set(family["metric"]) == {"roc_auc"}
    assert set(family["attribute"]) == {"sex"}
    assert gaps.groupby("attribute")["prespecified"].agg(["min", "max"]).to_dict("index") == {
        "sex": {"min": True, "max": True},
        "view": {"min": False, "max": False},
    }
    pairs = family.set_index("group")["value"]
    assert pairs["F"] == pytest.approx(-pairs["M"])


def test_a_planted_harm_is_a_concern():
    gaps = evaluate_classification(cohort(4000, harm=0.8), PLAN).gaps
    assert gaps[gaps["verdict"] != ""].set_index("group")["verdict"]["F"] == "concern"


def test_the_order_of_rows_is_nothing():
    table = cohort()
    one = evaluate_classification(table, PLAN)
    other = evaluate_classification(table.sample(frac=1, random_state=3), PLAN)
    pd.testing.assert_frame_equal(one.metrics, other.metrics)
    pd.testing.assert_frame_equal(one.gaps, other.gaps)
    pd.testing.assert_frame_equal(one.case_metrics, other.case_metrics)


def test_the_seed_is_all_there_is_of_chance():
    one, other = (evaluate_classification(cohort(), replace(PLAN, seed=s)) for s in (0, 1))
    assert not one.metrics["low"].equals(other.metrics["low"])
    assert one.metrics["value"].equals(other.metrics["value"])


@pytest.mark.requirement("REQ-002")
def test_failed_cases_stay_and_cost():
    table = cohort()
    broken = table.assign(status=np.where(np.arange(600) % 10 == 0, "refused", "ok"))
    good, bad = (evaluate_classification(t, PLAN) for t in (table, broken))
    for name in ("roc_auc", "average_precision", "sensitivity", "specificity", "ppv", "npv"):
        row = overall(bad, name)
        assert row["value"] < overall(good, name)["value"]
        assert (row["n_cases"], row["n_failed"]) == (600, 60)
    assert overall(bad, "brier")["value"] > overall(good, "brier")["value"]
    assert bad.notes == ("effusion: 60 of 600 cases failed or were refused; they count as wrong.",)
    assert (bad.case_metrics["outcome"] == "failed").sum() == 60


def test_what_is_not_defined_has_a_reason():
    table = cohort().assign(y_true=0.0)
    found = evaluate_classification(table, PLAN)
    row = overall(found, "roc_auc")
    assert np.isnan([row["value"], row["low"], row["high"]]).all()
    assert (row["state"], row["reason"]) == ("not_estimable", "0 positives")
    family = found.gaps[found.gaps["verdict"] != ""]
    assert set(family["verdict"]) == {"insufficient evidence"}
    without = evaluate_classification(cohort(), replace(PLAN, operating_points={}))
    assert overall(without, "ppv")["reason"] == "no operating point"


def test_nothing_to_evaluate_is_not_a_crash():
    found = evaluate_classification(cohort().assign(split="train"), PLAN)
    assert set(found.metrics["state"]) == {"not_estimable"}
    assert found.gaps.empty
    assert "No row of split 'test'" in found.notes[0]


def test_case_27_missing_attributes_are_a_group():
    table = cohort()
    lost = table["patient_id"] < "p0040"
    found = evaluate_classification(table.assign(sex=table["sex"].where(~lost)), PLAN)
    row = overall(found, "roc_auc", attribute="sex", group="not recorded")
    assert row["n_cases"] == lost.sum()
    gaps = found.gaps.query("attribute == 'sex' and metric == 'roc_auc'").set_index("group")
    # Who is not recorded is compared with all who are, and is nobody's rest.
    assert gaps.loc["F", "value"] == pytest.approx(-gaps.loc["M", "value"])


def test_one_group_only():
    gaps = evaluate_classification(cohort().assign(sex="F"), PLAN).gaps
    row = gaps[gaps["verdict"] != ""].iloc[0]
    assert row["reason"] == "not estimable: one group only"
    assert row["verdict"] == "insufficient evidence"


def test_unknown_patients_are_said_in_every_method():
    plan = replace(PLAN, patients_known=False)
    table = cohort().assign(patient_id=cohort()["case_id"])
    methods = evaluate_classification(table, plan).metrics["method"]
    assert methods.str.contains("patients unknown").all()
    assert not methods.str.contains("by patient").any()


def test_several_targets_may_have_several_cases():
    other = cohort(400, seed=2).assign(target="mass")
    for column in ("case_id", "patient_id"):  # of another hospital: an id is one case, one person
        other[column] = "b" + other[column]
    two = pd.concat([cohort(), other])
    plan = replace(PLAN, targets=("effusion", "mass"), primary_targets=("mass",))
    found = evaluate_classification(two, plan)
    assert overall(found, "roc_auc", target="mass")["n_cases"] == 400
    assert set(found.gaps[found.gaps["verdict"] != ""]["target"]) == {"mass"}


def test_the_worst_cases_are_ranked_on_the_wrong_side():
    found = evaluate_classification(cohort(), PLAN)
    cases = found.case_metrics
    assert len(cases) == 600
    by_kind = cases.groupby("y_true")["value"].mean()
    auc = overall(found, "roc_auc")["value"]
    assert by_kind.tolist() == pytest.approx([1 - auc, 1 - auc])
    assert set(cases["outcome"]) == {
        "true_positive", "false_positive", "true_negative", "false_negative",
    }  # fmt: skip


def test_no_table_is_changed():
    table = cohort()
    before = table.copy()
    evaluate_classification(table, PLAN)
    pd.testing.assert_frame_equal(table, before)


def test_a_plan_for_masks_is_named():
    plan = EvaluationPlan("segmentation", ("left",), ("left",), "dice")
    with pytest.raises(ValueError, match=r"plan\.task is 'segmentation'"):
        evaluate_classification(cohort(), plan)


def test_a_tool_that_answered_nobody_is_not_adequate_for_anybody():
    silent = cohort().assign(status="failed", y_score=np.nan)
    gaps = evaluate_classification(silent, PLAN).gaps
    family = gaps[gaps["verdict"] != ""]
    assert set(family["verdict"]) == {"insufficient evidence"}
    assert family["reason"].str.contains("no case of rest was answered").all()


def test_the_linearised_interval_stands_beside_the_bootstrap():
    metrics = evaluate_classification(cohort(2000), replace(PLAN, n_boot=1000)).metrics
    both = metrics[metrics["method"].str.startswith("bootstrap")]
    assert len(both) > 50
    width = both["high"] - both["low"]
    ratio = width / (both["high_linearised"] - both["low_linearised"])
    assert ratio.between(0.8, 1.2).all()
    # Where there is no bootstrap, the linearised interval is the interval.
    alone = metrics[~metrics["method"].str.startswith("bootstrap")]
    assert alone["low"].equals(alone["low_linearised"])


def test_intervals_that_disagree_are_noted():
    metrics = evaluate_classification(cohort(), PLAN).metrics
    assert interval_notes(metrics) == ()
    row = metrics.index[metrics["method"].str.startswith("bootstrap")][0]
    low, high = metrics.loc[row, ["low", "high"]]
    for spread in (0.7, -0.4):
        metrics.loc[row, "low_linearised"] = low - spread * (high - low)
        metrics.loc[row, "high_linearised"] = high + spread * (high - low)
        (note,) = interval_notes(metrics)
        assert "more than 1.5 times in 1 of " in note
        assert metrics.loc[row, "metric"] in note


def test_a_group_has_its_interval_whatever_else_is_evaluated():
    table = cohort(6000)
    one, other = (
        evaluate_classification(table, replace(PLAN, attributes=a, per_case=a[1:]))
        for a in (("sex", "view"), ("sex",))
    )
    keys = ["metric", "attribute", "group"]
    a, b = (f.metrics.query("attribute == 'sex'").set_index(keys) for f in (one, other))
    pd.testing.assert_frame_equal(a[["low", "high"]], b[["low", "high"]])
