"""How a decision stands: what is red, what is due, what another approval took over."""

from datetime import date, timedelta

import pytest

from aiops.governance import ledger, usecase
from aiops.governance.record import DecisionRecord
from aiops.governance.standing import DecisionStanding, decision_standing

TODAY = date(2026, 11, 22)
LATE = {"id": "C1", "item": "general", "text": "train", "owner": "Ana", "due": "2020-01-01",
        "evidence_kind": "", "waived_by": "", "status": "open"}  # fmt: skip
ENDS = {"expires_at": "2999-01-01", "gate_step": "G6", "outcome": "approve"}


def standings():
    """Return how each decision on the case stands, by the order in which they were made."""
    case = usecase.find("ct-triage")
    records = [DecisionRecord.model_validate(r) for r in ledger.read_all()]
    return [decision_standing(record, case, TODAY) for record in records]


@pytest.mark.parametrize(
    ("shown", "is_red"),
    [
        (DecisionStanding("LAPSED"), True),
        (DecisionStanding("in force", "open: 2, OVERDUE: 1"), True),
        (DecisionStanding("in force", "open: 2"), False),
    ],
)
def test_what_lapsed_and_what_is_overdue_is_red(shown, is_red):
    assert shown.is_red is is_red


def test_the_last_approval_is_in_force_and_those_before_it_are_past(stand, moved):
    stand("live")
    moved("ct-triage", "live", **ENDS)
    moved("ct-triage", "live", **ENDS)
    assert [one.approval for one in standings()][-2:] == ["no longer in force", "in force"]


@pytest.mark.parametrize(
    ("state", "outcome", "approval"),
    [
        ("suspended", "suspend", "set aside"),
        ("change_review", "re-review", "set aside"),
        ("retired", "retire", "no longer in force"),
    ],
)
def test_an_approval_that_was_set_aside_or_ended_is_not_in_force(
    stand, moved, state, outcome, approval
):
    stand("live")
    moved("ct-triage", "live", **ENDS)
    moved("ct-triage", state, outcome=outcome, expires_at=None, gate_step="")
    assert standings()[-2].approval == approval


def test_an_approval_that_lapsed_says_since_when(stand, moved):
    stand("live")
    moved("ct-triage", "live", **{**ENDS, "expires_at": "2020-01-01"})
    told = standings()[-1]
    assert (told.approval, told.is_red) == ("LAPSED", True)
    assert told.warnings == ("LAPSED: the approval ended on 2020-01-01",)


def test_conditions_stand_with_the_decision_that_made_them(stand, moved):
    stand("live")
    moved("ct-triage", "live", **{**ENDS, "outcome": "approve-with-conditions"}, conditions=[LATE])
    told = standings()
    assert [one.conditions for one in told[:-1]] == ["none"] * (len(told) - 1)
    assert told[-1].conditions == "open: 1, OVERDUE: 1"
    assert told[-1].warnings == ("OVERDUE: train (Ana; was due on 2020-01-01)",)


@pytest.mark.parametrize(("days", "review"), [(0, "DUE"), (1, ""), (-1, "DUE")])
def test_a_review_is_due_on_its_day(stand, moved, days, review):
    stand("deferred")
    moved("ct-triage", "deferred", review_by=str(TODAY + timedelta(days=days)))
    assert standings()[-1].review == review


def test_only_the_last_decision_is_due_and_an_end_is_no_duty(stand, moved):
    stand("deferred")
    moved("ct-triage", "deferred", review_by="2020-01-01")
    moved("ct-triage", "rejected", outcome="reject", review_by="2020-01-01")
    *_, before, last = standings()
    assert (before.review, last.review, last.warnings) == ("", "DUE", ())
