from datetime import date, timedelta

import pytest

from aiops.errors import ConfigError, DataError, GateError
from aiops.governance import ledger, usecase
from aiops.governance.conditions import close, standing_of
from aiops.governance.decision import propose, record_decision
from aiops.governance.documents import add_document, bytes_path

SOON = date.today() + timedelta(days=30)


@pytest.fixture
def approved(stand, answer_gates):
    """A case approved at G0 with two conditions."""
    answer_gates("dpia")
    stand("triage")
    return approve("G0")


def approve(gate, due=SOON):
    return record_decision(
        propose(
            "approve-with-conditions", "ct-triage", gate=gate, rationale="Go on.", by="Board",
            conditions=[f"dpia: bring it; Dr Okafor; {due}", f"general: train; Ana; {due}"],
        )
    )  # fmt: skip


@pytest.fixture
def paper(tmp_path):
    path = tmp_path / "dpia.pdf"
    path.write_bytes(b"assessed")
    return path


def on(monkeypatch, day):
    class Day(date):
        @classmethod
        def today(cls):
            return day

    monkeypatch.setattr("aiops.governance.conditions.date", Day)
    monkeypatch.setattr("aiops.governance.usecase.date", Day)


def test_a_condition_is_met_by_what_is_brought(approved, paper):
    assert approved.conditions[0].waived_by == "Board"
    assert approved.conditions[1].waived_by == ""
    case = usecase.find("ct-triage")
    assert [(c.id, c.status, c.owner) for c in case.conditions] == [
        ("C1", "open", "Dr Okafor"), ("C2", "open", "Ana"),
    ]  # fmt: skip
    case = close("met", "ct-triage", "C1", by="Dr Okafor", evidence=paper)
    assert [c.status for c in case.conditions] == ["met", "open"]
    assert case.conditions_open == 1
    assert case.conditions[0].closed_by == "Dr Okafor"
    [event] = ledger.read_all(ledger.CONDITIONS)
    assert event["evidence"] == "dpia.pdf"
    assert bytes_path(event["evidence_sha256"]).read_bytes() == b"assessed"
    # The decision itself is as it was recorded.
    assert [c["status"] for c in ledger.read_all()[-1]["conditions"]] == ["open", "open"]


def test_a_condition_is_met_once_and_with_something(approved, paper):
    with pytest.raises(GateError, match="C1 asks for something to be brought: bring it"):
        close("met", "ct-triage", "C1", by="Dr Okafor")
    close("met", "ct-triage", "C1", by="Dr Okafor", evidence=paper)
    with pytest.raises(GateError, match=f"C1 of {approved.id} is closed: met, .*, by Dr Okafor"):
        close("lapse", "ct-triage", "C1", by="Ana")
    assert len(ledger.read_all(ledger.CONDITIONS)) == 1


def test_a_condition_that_is_given_up_stays_so(approved, paper):
    case = close("lapse", "ct-triage", "C2", by="Ana")
    assert [c.id for c in case.overdue] == ["C2"]
    assert case.warnings == [f"given up: C2 train (Ana, {SOON})"]
    for event in ("lapse", "met"):
        with pytest.raises(GateError, match=r"is closed: given up, .*, by Ana") as caught:
            close(event, "ct-triage", "C2", by="Ana", evidence=paper)
        assert caught.value.fix == "nothing to do; a new approval asks anew"
    assert [c.id for c in usecase.find("ct-triage").overdue] == ["C2"]


def test_what_is_brought_says_something(approved, paper, tmp_path):
    paper.write_bytes(b" \n")
    for nothing in (paper, tmp_path, tmp_path / "none.pdf"):
        with pytest.raises(DataError, match="there is no paper in this file"):
            close("met", "ct-triage", "C1", by="Ana", evidence=nothing)
    assert ledger.read_all(ledger.CONDITIONS) == []


def test_the_check_of_the_item_is_asked_again(stand, paper, answer_gates):
    stand("feasibility")
    answer_gates("dpia-screening")
    said = {"gate": "G1", "rationale": "Go on.", "by": "Board"}
    asked = [f"dpia-screening: bring it; Dr Okafor; {SOON}"]
    record_decision(propose("approve-with-conditions", "ct-triage", conditions=asked, **said))
    what = "C1 is not met: G1 dpia-screening answers undecided: dpia screening: nobody has brought"
    with pytest.raises(GateError, match=what) as caught:
        close("met", "ct-triage", "C1", by="Ana", evidence=paper)
    assert "aiops document add --kind dpia_screening" in caught.value.fix
    add_document("ct-triage", "dpia_screening", paper, dated=date.today(), by="Ana")
    assert close("met", "ct-triage", "C1", by="Ana", evidence=paper).conditions_open == 0
    assert ledger.read_all(ledger.CONDITIONS)[0]["answered"] == "G1 dpia-screening pass"


def test_a_day_that_has_gone_by_makes_it_overdue(approved, monkeypatch):
    on(monkeypatch, SOON)
    assert usecase.find("ct-triage").overdue == ()
    on(monkeypatch, SOON + timedelta(days=1))
    assert [c.id for c in usecase.find("ct-triage").overdue] == ["C1", "C2"]


def test_an_approval_lapses(approved, monkeypatch):
    ends = approved.expires_at
    assert usecase.find("ct-triage").expires_at == str(ends)
    on(monkeypatch, ends - timedelta(days=1))
    assert not usecase.find("ct-triage").is_lapsed
    on(monkeypatch, ends)
    case = usecase.find("ct-triage")
    assert case.is_lapsed
    assert case.warnings[0] == f"lapsed: {approved.id} ended on {ends}"


def test_conditions_of_two_steps_stand_side_by_side_and_are_named_apart(approved, paper):
    second = approve("G1")
    case = usecase.find("ct-triage")
    assert [c.id for c in case.conditions] == [
        f"{record.id}/{number}" for record in (approved, second) for number in ("C1", "C2")
    ]
    case = close("met", "ct-triage", f"{approved.id}/C1", by="Ana", evidence=paper)
    assert [c.status for c in case.conditions] == ["met", "open", "open", "open"]


def test_a_closed_case_has_no_conditions_left(approved):
    learnt = {"reasons": ["R19"], "lessons": ["Ask."], "revisit_if": ["kappa>=0.7"]}
    record_decision(propose("reject", "ct-triage", rationale="No funds.", by="Board", **learnt))
    assert usecase.find("ct-triage").conditions == ()
    assert usecase.find("ct-triage").warnings == []


def test_what_is_not_there_is_said(approved, paper, stand):
    with pytest.raises(ConfigError, match="'C3' is not known"):
        close("met", "ct-triage", "C3", by="Ana", evidence=paper)
    with pytest.raises(ConfigError, match="somebody says so"):
        close("met", "ct-triage", "C1", by=" ", evidence=paper)
    stand("triage", slug="mr-triage")
    with pytest.raises(ConfigError, match="mr-triage has no conditions"):
        close("met", "mr-triage", "C1", by="Ana", evidence=paper)


def test_an_approval_anew_does_not_make_a_condition_go_away():
    first = approval("DEC-2026-0001", conditions=[("fairness", "C1"), ("general", "C2")])
    again = approval("DEC-2026-0002", evidence=[("fairness", None)])
    assert [c.id for c in standing_of([first, again], [])] == ["C1", "C2"]
    passed = approval("DEC-2026-0002", evidence=[("fairness", True)])
    assert [c.id for c in standing_of([first, passed], [])] == ["C2"]
    taken = approval("DEC-2026-0002", conditions=[("fairness", "C1")])
    assert [c.id for c in standing_of([first, taken], [])] == [
        "DEC-2026-0001/C2", "DEC-2026-0002/C1",
    ]  # fmt: skip
    other = {**passed, "gate_step": "G5"}
    assert [c.id for c in standing_of([first, other], [])] == ["C1", "C2"]


def approval(number, conditions=(), evidence=()):
    return {
        "id": number, "gate": "gate_G4", "gate_step": "G4",
        "conditions": [
            {"id": name, "item": item, "text": "bring it", "owner": "Ana", "due": "2999-01-01",
             "status": "open"} for item, name in conditions
        ],
        "evidence": [{"item_id": item, "passed": passed} for item, passed in evidence],
    }  # fmt: skip


def test_what_was_given_up_ends_with_the_next_approval_that_knew(approved, moved):
    close("lapse", "ct-triage", "C2", by="Ana")
    assert [c.word for c in usecase.find("ct-triage").conditions] == ["open", "given up"]
    moved("ct-triage", "triage", outcome="re-review", conditions=[])
    anew = approve("G0")
    case = usecase.find("ct-triage")
    assert [(c.decision, c.word) for c in case.conditions] == [(anew.id, "open")] * 2
    assert case.warnings == []


def test_what_was_given_up_ends_with_an_approval_at_another_step_too(approved):
    close("lapse", "ct-triage", "C2", by="Ana")
    later = approve("G1")
    case = usecase.find("ct-triage")
    assert [(c.decision, c.word) for c in case.conditions] == [
        (approved.id, "open"), (later.id, "open"), (later.id, "open"),
    ]  # fmt: skip


def test_an_approval_before_it_was_given_up_ends_nothing(approved):
    approve("G1")
    close("lapse", "ct-triage", f"{approved.id}/C2", by="Ana")
    assert [c.word for c in usecase.find("ct-triage").conditions] == [
        "open", "given up", "open", "open",
    ]  # fmt: skip


def test_a_condition_on_the_conditions_themselves_can_be_met(approved, answer_gates, paper):
    answer_gates("dpia", "conditions")
    asked = [f"dpia: bring it; Dr Okafor; {SOON}", f"conditions: bring both; Ana; {SOON}"]
    said = {"gate": "G1", "rationale": "Go on.", "by": "Board"}
    later = record_decision(
        propose("approve-with-conditions", "ct-triage", conditions=asked, **said)
    )
    case = close("met", "ct-triage", f"{later.id}/C2", by="Ana", evidence=paper)
    assert [c.status for c in case.conditions if c.decision == later.id] == ["open", "met"]
