"""Evidence that is read from runs, held to what was written into them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import roc_auc_score

from aiops.governance.run_evidence import (
    below_target,
    external_drop,
    group_gaps,
    interval_width,
    net_benefit,
    simple_model,
    site_drop,
)


@pytest.mark.parametrize(
    ("facts", "supports", "words"),
    [
        ({"value": 0.7, "low": 0.65, "high": 0.75}, True, "the whole interval misses it"),
        ({"value": 0.9, "low": 0.85, "high": 0.94}, False, "the interval clears it"),
        ({"value": 0.82, "low": 0.76, "high": 0.87}, None, "it lies inside"),
    ],
)
def test_the_target_is_held_to_the_bound(make_run, facts, supports, words):
    found = below_target(run_dir=make_run(**facts))
    assert found["supports"] is supports
    assert found["threshold"] == 0.8
    assert found["sentence"].endswith(f"0.8 was set before the test: {words}.")
    assert (found["value"], found["low"], found["high"]) == tuple(facts.values())


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
    assert found["sentence"] == "roc_auc of effusion has no interval: small n."


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
    assert "figures hidden for" in found["sentence"]
    assert "female" not in found["sentence"]
    assert found["supports"] is not False


def test_an_external_run_is_compared_with_limits_of_both(make_run):
    inside = make_run("2026-11-22-0a1b2c3d", value=0.9, low=0.87, high=0.93)
    outside = make_run("2026-11-23-0a1b2c3e", value=0.75, low=0.71, high=0.79)
    found = external_drop(run_dir=inside, external=outside)
    half = np.hypot(0.03, 0.04)
    assert (found["value"], found["low"], found["high"]) == pytest.approx(
        (0.15, 0.15 - half, 0.15 + half)
    )
    assert found["supports"] is True
    assert "lost 0.150 (0.100 to 0.200), and 0.05 matters" in found["sentence"]
    assert external_drop(run_dir=inside) is None  # a split by patient tells nothing of elsewhere


def test_later_patients_are_compared_with_those_tuned_on(make_run):
    rng = np.random.default_rng(0)
    ill = rng.random(600) < 0.4
    run = make_run(value=0.6, low=0.55, high=0.65)
    config = yaml.safe_load((run / "resolved.yaml").read_text())
    config["split"] = {"by": "time", "column": "seen", "test": 0.3}
    (run / "resolved.yaml").write_text(yaml.safe_dump(config))
    pd.DataFrame({
        "case_id": np.arange(600).astype(str), "patient_id": np.arange(600).astype(str),
        "target": "effusion", "split": "tune", "y_true": ill.astype(float),
        "y_score": 1 / (1 + np.exp(-(ill * 2.5 + rng.normal(0, 1, 600)))), "status": "ok",
    }).to_parquet(run / "predictions.parquet")  # fmt: skip
    found = external_drop(run_dir=run)
    assert found["supports"] is True
    assert "on later patients; lost 0.3" in found["sentence"]


def curve(run, low, value):
    (run / "tables").mkdir()
    t = np.arange(1, 100) / 100
    pd.DataFrame({
        "target": "effusion", "threshold": t, "n_cases": 400, "n_patients": 380, "n_positive": 60,
        "net_benefit": value, "low": low, "high": value + 0.02, "treat_all": 0.0,
        "treat_none": 0.0, "standardised": value, "state": "ok", "reason": "",
    }).to_parquet(run / "tables" / "decision_curve.parquet")  # fmt: skip


@pytest.mark.parametrize(
    ("low", "value", "supports"), [(0.01, 0.05, False), (-0.01, 0.01, None), (-0.1, -0.05, True)]
)
def test_net_benefit(make_run, low, value, supports):
    run = make_run()
    curve(run, low, value)
    found = net_benefit(run_dir=run)
    assert found["supports"] is supports
    assert found["value"] == (1.0 if low > 0 else 0.0)
    assert f"the most it gains is {100 * value:.1f} true positives" in found["sentence"]


def test_without_its_tables_a_run_says_nothing(make_run, tmp_path):
    run = make_run()
    for one in (net_benefit, simple_model, site_drop):
        assert one(run_dir=run) is None
    for one in (
        interval_width,
        below_target,
        group_gaps,
        site_drop,
        external_drop,
        simple_model,
        net_benefit,
    ):
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
