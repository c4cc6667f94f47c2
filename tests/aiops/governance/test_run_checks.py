"""Checks of the basic gate that ask the evaluation itself."""

import json

import pandas as pd
import pytest
import yaml

from aiops.governance.checks import answer
from aiops.governance.evidence import read_evidence


def asked(folder, check, **asks):
    return answer(check, asks, read_evidence(folder), None)


def seal(folder, **changes):
    told = json.loads((folder / "evaluation.json").read_text())
    told["seal"]["shared"] = {**told["seal"]["shared"], **changes} if changes else None
    (folder / "evaluation.json").write_text(json.dumps(told))
    return asked(folder, "seal_read_once")


@pytest.mark.parametrize(
    ("shared", "value", "words"),
    [
        ({"known": 190}, "50 % tested before", "50 % of its patients were tested before"),
        ({"known": 377}, "all but a few tested before", "the version may have been chosen"),
        ({"known": 2}, "a few tested before", "a few of its patients were tested before"),
        ({"untold": 1}, "cannot be told", "were hashed with another key"),
        ({}, "not counted", "was not counted"),
    ],
)
def test_patients_tested_before_on_another_list_are_no_first_reading(
    make_run, shared, value, words
):
    found = seal(make_run(), **shared)
    assert (found.outcome, found.value) == ("undecided", value)
    assert words in found.reason
    assert found.would_decide


def test_a_list_read_once_by_patients_never_tested_passes(make_run):
    assert asked(make_run(), "seal_read_once").outcome == "pass"
    assert asked(make_run("b", reading=0), "seal_read_once").outcome == "undecided"


@pytest.mark.parametrize(
    ("margin", "words"),
    [(0.05, "; by the margin is not ruled out"), (0.03, "surely by the margin")],
)
def test_a_concern_says_how_the_margin_lies(make_run, margin, words):
    fairness = {"attributes": ["sex"], "margin": margin}
    run = make_run(verdicts=("concern", "adequate"), fairness=fairness)
    found = asked(run, "no_concern")
    assert found.outcome == "fail"
    assert "worse than the rest by " in found.reason
    assert found.reason.endswith(words)


def test_an_attribute_without_a_gap_for_one_target_is_undecided(make_run):
    folder = make_run()
    config = yaml.safe_load((folder / "resolved.yaml").read_text())
    config["primary"]["target"] = ["effusion", "hernia"]
    config["targets"]["hernia"] = {"label": "label_Hernia", "positive": [1]}
    (folder / "resolved.yaml").write_text(yaml.safe_dump(config))
    found = asked(folder, "no_concern")
    assert found.outcome == "undecided"
    assert "sex, hernia: no group could be compared" in found.reason


def add_gap(folder, **changes):
    """Add a gap that is a concern: that of women, with changes."""
    gaps = pd.read_parquet(folder / "gaps.parquet")
    more = gaps.iloc[[0]].assign(verdict="concern", value=-0.1, **changes)
    pd.concat([gaps, more]).to_parquet(folder / "gaps.parquet")


def test_only_the_target_that_is_asked_about_is_answered(make_run):
    folder = make_run()
    add_gap(folder, target="hernia")
    assert asked(folder, "no_concern").outcome == "fail"
    assert asked(folder, "no_concern", target="effusion").outcome == "pass"
    found = asked(folder, "no_concern", target="hernia")
    assert (found.outcome, found.value) == (
        "fail", "1 groups: 0 adequate, 1 concern, 0 insufficient evidence",
    )  # fmt: skip


def test_only_the_attribute_that_is_asked_about_is_answered(make_run):
    folder = make_run()
    add_gap(folder, attribute="age", group="60+")
    assert asked(folder, "no_concern", attribute="sex").outcome == "pass"
    found = asked(folder, "no_concern", attribute="age")
    assert found.reason.startswith("age=60+, effusion: worse than the rest by 0.1")
    found = asked(folder, "no_concern", attribute="scanner")
    assert (found.outcome, found.reason) == ("undecided", "scanner: no group could be compared")


def test_a_group_nobody_named_in_advance_fails_no_gate(make_run):
    folder = make_run()
    add_gap(folder, attribute="age", group="60+", prespecified=False)
    assert asked(folder, "no_concern").outcome == "pass"


def test_a_list_without_a_seal_is_not_read_once(make_run):
    folder = make_run()
    told = json.loads((folder / "evaluation.json").read_text())
    (folder / "evaluation.json").write_text(json.dumps({**told, "seal": {"reading": 1}}))
    found = asked(folder, "seal_read_once")
    assert (found.outcome, found.value) == ("undecided", "not sealed")


@pytest.mark.parametrize("state", ["accepted", "excluded"])
def test_a_fault_that_was_let_through_without_a_reason_fails(make_run, state):
    found = asked(make_run(audit_state=state), "audit_clean")
    assert (found.outcome, found.reason) == (
        "fail", "CONSTANT_IMAGE was let through without a reason",
    )  # fmt: skip


def test_each_primary_target_must_clear_its_bound(make_run):
    folder = make_run()
    path = folder / "resolved.yaml"
    told = yaml.safe_load(path.read_text())
    targets = {n: {"label": n, "positive": [1]} for n in ("effusion", "hernia")}
    primary = {**told["primary"], "target": ["effusion", "hernia"]}
    path.write_text(yaml.safe_dump({**told, "targets": targets, "primary": primary}))
    evaluation = json.loads((folder / "evaluation.json").read_text())
    worse = {**evaluation["primary"][0], "target": "hernia", "low": 0.6, "high": 0.7}
    evaluation["primary"].append(worse)
    (folder / "evaluation.json").write_text(json.dumps(evaluation))
    found = asked(folder, "primary_bound")
    assert (found.outcome, found.reason) == ("fail", "hernia: the whole interval misses 0.8")
