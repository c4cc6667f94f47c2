"""Checks of the basic gate that ask the evaluation itself."""

import json

import pytest

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
