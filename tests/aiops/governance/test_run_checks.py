"""Checks of the basic gate that ask the evaluation itself."""

import json

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
