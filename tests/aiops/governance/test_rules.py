"""What no decision does: skip a step unsaid, resume what lapsed, approve bytes without a name."""

from datetime import date, timedelta

import pytest

from aiops.errors import ConfigError, GateError
from aiops.governance import ledger
from aiops.governance.decision import draft, propose, record_decision

SAID = {"rationale": "As the figures say.", "by": "Imaging AI board", "author": "Ana"}
SOON = date.today() + timedelta(days=100)
LATE = {"id": "C1", "item": "general", "text": "train", "owner": "Ana", "due": "2020-01-01",
        "evidence_kind": "", "waived_by": "", "status": "open"}  # fmt: skip


def test_a_step_that_another_case_passed_is_skipped_here(stand, open_gates):
    stand("submitted", slug="mr-triage")
    record_decision(propose("approve", "mr-triage", gate="G0", **SAID))
    stand("feasibility")
    told = draft(propose("approve", "ct-triage", gate="G1", **SAID))
    assert told["gates_skipped"] == ["G0"]


def no_resumption(ring):
    told = propose("resume", "ct-triage", **SAID)
    with pytest.raises(GateError) as caught:
        record_decision(told, [ring["cso"], ring["chair"]])
    return caught.value.what


@pytest.mark.parametrize("state", ["silent_prospective", "live_limited", "live"])
def test_no_use_that_lapsed_is_resumed(state, ring, stand, moved):
    stand(state)
    moved("ct-triage", state, outcome="approve", expires_at="2020-01-01", gate_step="G6")
    number = ledger.read_all()[-1]["id"]
    moved("ct-triage", "suspended", outcome="suspend", expires_at=None)
    assert no_resumption(ring) == f"resume is refused: lapsed: {number} ended on 2020-01-01"


def test_no_use_with_an_overdue_condition_is_resumed(ring, stand, moved):
    stand("live")
    moved("ct-triage", "live", outcome="approve-with-conditions", conditions=[LATE],
          expires_at="2999-01-01", gate_step="G6")  # fmt: skip
    moved("ct-triage", "suspended", outcome="suspend", conditions=[], expires_at=None)
    assert no_resumption(ring).startswith("resume is refused: overdue: C1 train")


def test_an_approval_with_conditions_that_fixes_bytes_names_them(stand, open_gates):
    stand("development")
    conditions = [f"general: train the staff; Dr Okafor; {SOON}"]
    told = propose("approve-with-conditions", "ct-triage", gate="G3", conditions=conditions, **SAID)
    with pytest.raises(GateError, match=r"fixes or uses bytes \(freeze_digest\), and names none"):
        record_decision(told)


def test_a_blank_lesson_is_none(stand):
    stand("submitted")
    said = {**SAID, "reasons": ["R19"], "lessons": ["  "], "revisit_if": ["kappa>=0.7"]}
    with pytest.raises(ConfigError, match="reject needs a lesson"):
        record_decision(propose("reject", "ct-triage", **said))
