"""Whether a run holds elsewhere, held to what was written into runs."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from aiops.governance.transfer_evidence import external_drop, site_drop

AUC = {"primary": {"target": "effusion", "metric": "roc_auc", "acceptable": 0.8},
       "vendor": {"supplier": "Acme", "product": "Chest", "version": "2"}}  # fmt: skip


def other_run(make_run, name, who, **facts):
    run = make_run(name, **facts)
    config = yaml.safe_load((run / "resolved.yaml").read_text())
    config.pop("train")
    config["targets"]["effusion"]["score"] = "prob"
    config["vendor"] = {"supplier": "Acme", "product": "Chest", "version": "2"}
    (run / "resolved.yaml").write_text(yaml.safe_dump(config))
    rows = pd.DataFrame({"patient_id": [f"{who}{i}" for i in range(300)], "split": "test"})
    rows.to_parquet(run / "predictions.parquet")
    return run


@pytest.fixture
def two(make_run):
    def make(inside=None, outside=None, who="b"):
        first = {"value": 0.9, "low": 0.87, "high": 0.93, **(inside or {})}
        second = {"value": 0.75, "low": 0.71, "high": 0.79, **(outside or {})}
        return (
            other_run(make_run, "2026-11-22-0a1b2c3d", "a", **first),
            other_run(make_run, "2026-11-23-0a1b2c3e", who, **second),
        )

    return make


def edit(run, **changes):
    told = json.loads((run / "evaluation.json").read_text())
    told["primary"][0].update(changes)
    (run / "evaluation.json").write_text(json.dumps(told))


def test_an_external_run_is_compared_with_limits_of_both(two):
    inside, outside = two()
    found = external_drop(run_dir=inside, external=outside)
    half = np.hypot(0.03, 0.04)
    assert (found["value"], found["low"], found["high"]) == pytest.approx(
        (0.15, 0.15 - half, 0.15 + half)
    )
    assert found["supports"] is True
    assert "lost 0.150 (0.100 to 0.200), and 0.05 matters." in found["sentence"]
    assert external_drop(run_dir=inside) is None  # a split by patient tells nothing of elsewhere


@pytest.mark.parametrize(("inside", "outside", "supports"), [(0.1, 0.3, True), (0.3, 0.1, False)])
def test_where_lower_is_better_more_is_lost(two, inside, outside, supports):
    runs = two(*({"value": v, "low": v - 0.02, "high": v + 0.03} for v in (inside, outside)))
    for run in runs:
        edit(run, metric="brier")
    found = external_drop(run_dir=runs[0], external=runs[1])
    assert found["supports"] is supports
    assert found["value"] == pytest.approx(outside - inside)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"who": "a"}, "that settles nothing: the two share patients"),
        ({"outside": {"state": "small_n"}}, "What is lost cannot be told: small n"),
        ({"inside": {"low": float("nan"), "high": float("nan")}}, "it has no interval"),
        ({"outside": {"value": None, "low": None, "high": None, "state": "not_estimable"}},
         "not estimable on run"),
        ({"outside": {"n_patients": (50, 40)}}, "100 patients are asked for on both sides"),
    ],
)  # fmt: skip
def test_what_does_not_tell_of_other_patients_settles_nothing(two, facts, words):
    inside, outside = two(**facts)
    found = external_drop(run_dir=inside, external=outside)
    assert found["supports"] is None
    assert words in found["sentence"]


def test_another_model_settles_nothing_and_each_primary_target_is_asked(two):
    inside, outside = two()
    for run in (inside, outside):
        told = json.loads((run / "evaluation.json").read_text())
        other = {**told["primary"][0], "target": "hernia", "value": 0.9, "low": 0.89, "high": 0.91}
        told["primary"].append(other)
        (run / "evaluation.json").write_text(json.dumps(told))
    found = external_drop(run_dir=inside, external=outside)
    assert "of effusion" in found["sentence"]
    assert "of hernia" in found["details"][0]["sentence"]
    config = (outside / "resolved.yaml").read_text().replace("version: '2'", "version: '3'")
    (outside / "resolved.yaml").write_text(config)
    found = external_drop(run_dir=inside, external=outside)
    assert found["supports"] is None
    assert "not known to be a run of the same model" in found["sentence"]


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
    assert "on later patients, n=380; lost 0.3" in found["sentence"]


def sites(run, **gaps):
    config = yaml.safe_load((run / "resolved.yaml").read_text())
    config["data"]["attributes"]["site"] = {"column": "site"}
    config["split"] = {"by": "site", "column": "site", "leave_one_out": True}
    (run / "resolved.yaml").write_text(yaml.safe_dump(config))
    table = pd.read_parquet(run / "gaps.parquet")
    one = table.iloc[0].to_dict() | {"attribute": "site", "prespecified": False, "verdict": ""}
    rows = [one | {"group": site, "value": v, "low": low, "high": high, "reason": reason}
            for site, (v, low, high, reason) in gaps.items()]  # fmt: skip
    pd.concat([table, pd.DataFrame(rows)]).to_parquet(run / "gaps.parquet")
    return site_drop(run_dir=run)


@pytest.mark.parametrize(
    ("gaps", "supports", "named"),
    [
        ({"a": (-0.02, -0.03, -0.01, ""), "b": (0.0, -0.01, 0.01, "")}, False, "a, with"),
        # The worst by its point is known to be near; of the other nothing is known.
        ({"a": (-0.02, -0.03, -0.01, ""), "b": (-0.015, -0.25, 0.2, "")}, None, "b, with"),
        ({"a": (-0.02, -0.03, -0.01, ""), "b": (-0.4, -0.5, -0.1, "too few in b: 8")}, None,
         "of 1 too little is known"),
        ({"a": (-0.2, -0.25, -0.15, ""), "b": (0.1, 0.05, 0.15, "")}, True, "a, with"),
        # Alone it would be beyond 0.05; among ten sites, one may be so by chance.
        ({"a": (-0.1, -0.145, -0.055, ""),
          **{f"s{i}": (0.0, -0.01, 0.01, "") for i in range(9)}}, None, "a, with"),
    ],
)  # fmt: skip
def test_sites_are_held_all_at_once(make_run, gaps, supports, named):
    found = sites(make_run(), **gaps)
    assert found["supports"] is supports
    assert named in found["sentence"]
    assert "n=200" in found["sentence"]


def test_the_limits_of_a_loss_come_each_from_the_side_that_makes_it(two):
    inside = {"value": 0.9, "low": 0.84, "high": 0.92}
    outside = {"value": 0.8, "low": 0.79, "high": 0.88}
    first, second = two(inside, outside)
    found = external_drop(run_dir=first, external=second)
    low, high = 0.1 - np.hypot(0.06, 0.08), 0.1 + np.hypot(0.02, 0.01)
    assert (found["value"], found["low"], found["high"]) == pytest.approx((0.1, low, high))
    assert found["supports"] is None  # by the point, 0.1 would matter


def test_a_loss_is_not_told_between_two_findings(two):
    inside, outside = two()
    edit(outside, target="hernia")
    assert external_drop(run_dir=inside, external=outside) is None


def test_the_drop_of_the_worst_site_is_told_with_its_limits(make_run):
    found = sites(make_run(), north=(0.1, 0.05, 0.15, ""), south=(-0.2, -0.26, -0.16, ""))
    wider = stats.norm.ppf(0.025 / 2) / stats.norm.ppf(0.025)
    limits = (0.2, 0.2 - 0.04 * wider, 0.2 + 0.06 * wider)
    assert (found["value"], found["low"], found["high"]) == pytest.approx(limits)
    assert "south, with the least to say for it, is −0.200 (" in found["sentence"]
