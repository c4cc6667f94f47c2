"""Evidence that is read from runs, held to what was written into them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import roc_auc_score

from aiops.governance.run_evidence import (
    RUNS,
    below_target,
    group_gaps,
    interval_width,
    net_benefit,
    simple_model,
)


def edit_evaluation(run, **changes):
    told = json.loads((run / "evaluation.json").read_text())
    told["primary"][0].update(changes)
    (run / "evaluation.json").write_text(json.dumps(told))


@pytest.mark.parametrize(
    ("facts", "supports", "words"),
    [
        ({"value": 0.7, "low": 0.65, "high": 0.75}, True, "the whole interval misses it"),
        ({"value": 0.9, "low": 0.85, "high": 0.94}, False, "the interval clears it"),
        (
            {"value": 0.82, "low": 0.76, "high": 0.87},
            None,
            "it cannot be told (0.8 lies inside the interval)",
        ),
        (
            {"value": 0.55, "low": 0.4, "high": 0.7, "state": "small_n"},
            None,
            "it cannot be told (small n)",
        ),
    ],
)
def test_the_target_is_held_to_the_bound(make_run, facts, supports, words):
    found = below_target(run_dir=make_run(**facts))
    assert found["supports"] is supports
    assert found["threshold"] == 0.8
    assert found["sentence"].endswith(f"0.8 was set before the test: {words}.")
    assert (found["value"], found["low"], found["high"]) == tuple(facts.values())[:3]


@pytest.mark.parametrize(("low", "high", "supports"), [(0.7, 0.9, True), (0.78, 0.84, False)])
def test_a_wide_interval_supports_too_few_patients(make_run, low, high, supports):
    found = interval_width(run_dir=make_run(value=0.8, low=low, high=high))
    assert found["value"] == pytest.approx((high - low) / 2)
    assert found["supports"] is supports
    assert found["sentence"] == (
        f"380 test patients let roc_auc of effusion be known to ±{(high - low) / 2:.3f}; "
        "±0.05 is wanted."
    )


def test_a_figure_without_an_interval_settles_nothing(make_run):
    found = interval_width(run_dir=make_run(low=float("nan"), high=float("nan"), state="small_n"))
    assert found["supports"] is None
    told = "How well roc_auc of effusion is known cannot be told: small n."
    assert found["sentence"] == told


def test_a_width_in_millimetres_is_not_held_to_that_of_a_share(make_run):
    run = make_run(value=4.0, low=3.4, high=4.6)
    edit_evaluation(run, metric="hd95_mm")
    found = interval_width(run_dir=run)
    assert found["supports"] is None
    assert found["sentence"].endswith("known to ±0.600; no width was set for it.")


def test_without_a_value_set_before_nothing_is_supported(make_run):
    found = below_target(run_dir=make_run(primary={"target": "effusion", "metric": "roc_auc"}))
    assert found["supports"] is None
    assert "no value was set before the test" in found["sentence"]


@pytest.mark.parametrize(
    ("verdicts", "supports"),
    [
        (("adequate", "adequate"), False),
        (("concern", "adequate"), True),
        (("insufficient evidence", "adequate"), None),
    ],
)
def test_gaps_of_groups(make_run, verdicts, supports):
    found = group_gaps(run_dir=make_run(verdicts=verdicts))
    assert found["supports"] is supports
    assert found["threshold"] == 0.05


def test_figures_of_a_small_group_are_not_told(make_run):
    found = group_gaps(run_dir=make_run(verdicts=("concern", "concern"), n_patients=(5, 200)))
    assert "2 surely worse off than the rest with the margin not ruled out" in found["sentence"]
    assert "figures hidden for 2" in found["sentence"]
    assert "female" not in found["sentence"]
    assert found["supports"] is True


def test_an_attribute_that_was_not_compared_leaves_unfairness_open(make_run):
    run = make_run()
    config = yaml.safe_load((run / "resolved.yaml").read_text())
    config["data"]["attributes"]["age"] = {"column": "age"}
    config["fairness"]["attributes"] = ["sex", "age"]
    (run / "resolved.yaml").write_text(yaml.safe_dump(config))
    found = group_gaps(run_dir=run)
    assert found["supports"] is None
    assert "; not compared: age." in found["sentence"].replace("age. Lowest", "age.")


def curve(run, none, over_all, **changes):
    (run / "tables").mkdir()
    t = np.arange(1, 100) / 100
    pd.DataFrame({
        "target": "effusion", "threshold": t, "n_cases": 400, "n_patients": 380, "n_positive": 60,
        "net_benefit": none, "low": none - 0.02, "high": none + 0.02, "state": "ok", "reason": "",
        "over_all": over_all, "over_all_low": over_all - 0.02, "over_all_high": over_all + 0.02,
        "over_all_state": "ok", **changes,
    }).to_parquet(run / "tables" / "decision_curve.parquet")  # fmt: skip


@pytest.mark.parametrize(
    ("none", "over_all", "changes", "supports", "value"),
    [
        (0.05, 0.04, {}, False, 1.0),
        (0.05, 0.01, {}, None, 0.0),
        # By the point it gains nothing; the intervals leave it open, and so does the reason.
        (0.05, -0.001, {}, None, 0.0),
        (0.05, -0.03, {}, True, 0.0),
        (-0.05, 0.04, {}, True, 0.0),
        (0.05, 0.04, {"over_all_state": "small_n"}, None, 0.0),
        (0.05, -0.03, {"over_all_state": "small_n"}, None, 0.0),
        (-0.05, 0.04, {"state": "small_n"}, None, 0.0),
    ],
)
def test_net_benefit_is_judged_by_the_limits_of_both_gains(
    make_run, none, over_all, changes, supports, value
):
    run = make_run()
    curve(run, none, over_all, **changes)
    found = net_benefit(run_dir=run)
    assert (found["supports"], found["value"]) == (supports, value)
    assert found["sentence"].endswith("; n=380 patients.")
    if not changes:
        least = min(none, over_all)
        told = "{:.1f} ({:.1f} to {:.1f})".format(*(100 * (least + d) for d in (0, -0.02, 0.02)))
        assert f"the most it gains over them is {told} true".replace("-", "−") in found["sentence"]


def test_without_its_tables_a_run_says_nothing(make_run, tmp_path):
    run = make_run()
    for one in (net_benefit, simple_model, RUNS["R02"]):
        assert one(run_dir=run) is None
    for one in RUNS.values():
        assert one(run_dir=None) is None
        assert one(run_dir=tmp_path) is None


def table_run(folder: Path, *, curved: bool):
    """Write what `simple_model` reads: a model that is right, and a truth that may be curved."""
    rng = np.random.default_rng(0)
    n = 1200
    x = rng.normal(size=n)
    logit = 3 * (x**2 - 1) if curved else 2 * x
    ill = rng.random(n) < 1 / (1 + np.exp(-logit))
    case = np.arange(n).astype(str)
    pd.DataFrame({
        "case_id": case, "patient_id": case, "x:x": x, "y:ill": ill.astype(float), "x": "band",
    }).to_parquet(folder / "cases.parquet")  # fmt: skip
    part = np.where(np.arange(n) % 2, "train", "tune")
    split = {c: {"split": p, "fold": None} for c, p in zip(case, part, strict=True)}
    (folder / "split.json").write_text(json.dumps({"assignments": split}))
    score = 1 / (1 + np.exp(-logit))
    pd.DataFrame({"case_id": case, "patient_id": case, "target": "ill", "split": part,
                  "y_score": score}).to_parquet(folder / "predictions.parquet")  # fmt: skip
    config = {
        "kind": "experiment", "use_case": "a-table", "task": "classification",
        "data": {"table": "t.csv", "patient": "p", "modality": "table",
                 "features": {"numeric": ["x"]}},
        "targets": {"ill": {"label": "ill", "positive": [1]}},
        "primary": {"target": "ill", "metric": "roc_auc"}, "train": {"budget_minutes": 1},
    }  # fmt: skip
    (folder / "resolved.yaml").write_text(yaml.safe_dump(config))
    return ill[part == "tune"], score[part == "tune"]


@pytest.mark.parametrize("curved", [False, True])
def test_a_simple_model_is_as_good_where_the_truth_is_simple(tmp_path, curved):
    ill, score = table_run(tmp_path, curved=curved)
    found = simple_model(run_dir=tmp_path)
    assert found["supports"] is (not curved)
    assert f"the model {roc_auc_score(ill, score):.3f}, on 600 patients" in found["sentence"]
    assert found["low"] <= found["value"] <= found["high"]
    assert found["threshold"] == 0.02


@pytest.mark.parametrize(
    ("low", "high", "supports"), [(0.05, 0.09, False), (0.05, 0.12, None), (0.11, 0.2, True)]
)
def test_where_lower_is_better_a_target_is_missed_from_above(make_run, low, high, supports):
    brier = {"target": "effusion", "metric": "brier", "acceptable": 0.1}
    found = below_target(run_dir=make_run(primary=brier, value=0.1, low=low, high=high))
    assert found["supports"] is supports


def test_the_group_that_is_served_worst_is_told(make_run):
    found = group_gaps(run_dir=make_run(verdicts=("adequate", "concern")))
    told = "Lowest: sex male, −0.075 (−0.120 to −0.030) in roc_auc of effusion"
    assert told in found["sentence"]
    assert (found["value"], found["low"], found["high"]) == pytest.approx((-0.075, -0.12, -0.03))
