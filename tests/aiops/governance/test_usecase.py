from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest

from aiops.errors import ConfigError
from aiops.governance import ledger, usecase
from aiops.governance.record import DecisionRecord
from aiops.governance.verify import verify_ledger

pytestmark = pytest.mark.usefixtures("home")


def test_numbers_are_given_in_order_and_once():
    with ThreadPoolExecutor(4) as pool:
        cases = list(pool.map(lambda i: usecase.submit(f"case-{i}", f"Case {i}"), range(8)))
    assert sorted(case.id for case in cases) == [f"UC-{i:04d}" for i in range(1, 9)]
    assert ledger.verify(ledger.USE_CASES) == []


def test_a_number_that_a_decision_used_is_not_given_again():
    ledger.append(lambda earlier: {"id": "DEC-2026-0001", "case_id": "UC-0007"})
    assert usecase.submit("new-idea", "A new idea").id == "UC-0008"


def test_a_case_is_found_by_slug_and_by_number():
    made = usecase.submit("ct-triage", "CT triage", owner="Radiology", modality="ct")
    assert made.state == "submitted"
    assert usecase.find("ct-triage") == usecase.find("UC-0001") == made
    assert usecase.list_use_cases() == [made]
    assert usecase.registered("mr-triage") is None


def test_a_case_that_is_not_there_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="no use case is registered yet"):
        usecase.find("ct-triage")
    usecase.submit("ct-triage", "CT triage")
    with pytest.raises(ConfigError) as caught:
        usecase.find("ct-triag")
    assert "did you mean 'ct-triage'?" in caught.value.fix


def test_a_slug_is_taken_once():
    usecase.submit("ct-triage", "CT triage")
    with pytest.raises(ConfigError, match="'ct-triage' is registered already, as UC-0001"):
        usecase.submit("ct-triage", "CT triage again")


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"slug": "CT Triage", "title": "CT triage"}, "slug: String should match"),
        ({"slug": "ct-triage", "title": "CT triage", "onwer": "x"}, "onwer: Extra inputs"),
        ({"slug": "ct-triage", "title": "CT triage", "revisits": "UC-0099"}, "UC-0099"),
    ],
)
def test_an_intake_that_is_wrong_says_where(fields, what):
    with pytest.raises(ConfigError, match=what):
        usecase.submit(**fields)
    assert usecase.list_use_cases() == []


def test_a_run_makes_it_development_and_its_evaluation_more(make_run):
    usecase.submit("chest-effusion", "Effusion on chest films")
    folder = make_run()
    assert usecase.find("chest-effusion").state == "retrospective_eval"
    (folder / "evaluation.json").unlink()
    case = usecase.find("chest-effusion")
    assert (case.state, case.since) == ("development", "2026-11-22T10:00:00+00:00")


FULL = {
    "problem": "Missed at night.", "pathway": "ED to reporting.", "population": "Adults.",
    "intervention": "A flag.", "comparator": "Usual reading order.", "outcome": "Hours to report.",
    "users": "ED doctors.", "specialty": "Radiology", "modality": "xray",
    "task": "classification", "owner": "ED", "clinical_lead": "Dr Lee",
    "data_sources": "PACS", "labels_planned": 500, "market_scan": "none found",
    "market_scan_on": "2026-11-01", "epr_scan": "not on the road map",
    "epr_scan_on": "2026-11-01", "expected_benefit": "2 h",
    "downstream_services": "Fracture clinic",
}  # fmt: skip


def test_what_is_blank_at_intake_is_said():
    assert usecase.submit("full", "A full intake", **FULL).blank == []
    case = usecase.submit("half", "Half an intake", **{**FULL, "clinical_lead": "TBC",
                                                       "market_scan": ""})  # fmt: skip
    assert case.blank == ["clinical_lead", "market_scan"]
    assert usecase.submit("empty", "An empty intake").blank == [
        name for name in usecase.Intake.model_fields if name in FULL
    ]


def test_an_edit_adds_a_word_and_overwrites_none():
    usecase.submit("ct-triage", "CT triage", owner="TBC", labels_planned=100)
    case = usecase.edit("ct-triage", by="Ana", owner="Radiology", labels_done="40")
    assert (case.owner, case.labels_done, case.labels_planned) == ("Radiology", 40, 100)
    case = usecase.edit("UC-0001", by="Ben", labels_done=60, last_clinical_sign_in="2026-11-20")
    assert (case.labels_done, str(case.last_clinical_sign_in)) == (60, "2026-11-20")
    assert [text[11:] for text in case.edited] == [
        "Ana: labels_done, owner", "Ben: labels_done, last_clinical_sign_in",
    ]  # fmt: skip
    first, *edits = ledger.read_all(ledger.USE_CASES)
    assert (first["owner"], first["labels_done"]) == ("TBC", None)
    assert [edit["by"] for edit in edits] == ["Ana", "Ben"]
    assert usecase.submit("mr-triage", "MR triage").id == "UC-0002"


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"by": "Ana", "slug": "other"}, "slug cannot be changed"),
        ({"by": "Ana", "revisits": "UC-0009"}, "revisits cannot be changed"),
        ({"by": " ", "owner": "x"}, "an edit names who makes it"),
        ({"by": "Ana", "owner": ""}, "nothing changes"),
        ({"by": "Ana", "labels_done": -1}, "labels_done: Input should be greater"),
        ({"by": "Ana", "onwer": "x"}, "onwer: Extra inputs"),
    ],
)
def test_an_edit_that_is_wrong_says_so(changes, what):
    usecase.submit("ct-triage", "CT triage")
    with pytest.raises(ConfigError, match=what):
        usecase.edit("ct-triage", **changes)
    assert len(ledger.read_all(ledger.USE_CASES)) == 1


def test_what_was_said_of_a_closed_case_stays(stand):
    stand("rejected")
    with pytest.raises(ConfigError, match="ct-triage is rejected: what was said of it stays"):
        usecase.edit("ct-triage", by="Ana", owner="x")


def test_a_case_says_since_when_it_stands_where_it_stands(stand, moved):
    case = stand("feasibility")
    assert case.since == ledger.read_all()[-1]["created_at"]
    assert case.days_in_state() == 0
    assert case.days_in_state(date.fromisoformat(case.since[:10]) + timedelta(days=3)) == 3
    moved("ct-triage", "feasibility", created_at="2999-01-01T00:00:00.000000+00:00")
    assert usecase.find("ct-triage").since == case.since  # a look that moved nothing


def test_a_case_knows_where_it_came_from_through_a_suspension(stand, moved):
    case = stand("change_review", "live_limited")
    assert case.came_from == "live_limited"
    moved("ct-triage", "suspended", outcome="suspend")
    assert usecase.find("ct-triage").came_from == "change_review"
    moved("ct-triage", "change_review", outcome="resume")
    assert usecase.find("ct-triage").came_from == "live_limited"


def test_a_record_of_the_first_version_is_read_as_it_stands(home):
    usecase.submit("old-case", "An old case")
    old = {
        "id": "DEC-2026-0001", "case_id": "UC-0001", "use_case": "old-case", "outcome": "approve",
        "schema_version": 1, "gate": "gate_basic", "gate_outcome": "pass",
        "from_state": "development", "to_state": "approved", "reasons": [], "rationale": "Good.",
        "lessons": [], "revisit_if": [], "review_by": None, "conditions": [],
        "scope": {"sites": [], "population": "", "users": "", "max_cases": None}, "evidence": [],
        "policy_version": "1", "policy_sha256": "", "subject": [], "hazards_open_by_level": None,
        "signatures_required": [], "attendees": [], "dissent": [], "conflicts_of_interest": [],
        "expires_at": "2999-01-01", "effort": {"staff_days": None, "compute_hours": None},
        "created_at": "2026-01-01T00:00:00.000+00:00", "made_by": "Board",
        "made_by_program": False, "statement": "recorded for those named in it; not signed",
    }  # fmt: skip
    ledger.append(lambda earlier: old)
    [written] = ledger.read_all()
    record = DecisionRecord.model_validate(written)
    assert record.to_json() == written
    assert record.grade == "recorded"
    assert usecase.find("old-case").state == "silent_prospective"
    assert verify_ledger(projection=False).found == ()


ENDS = {"gate_step": "G6", "outcome": "approve"}


LATE = {"id": "C1", "item": "general", "text": "train", "owner": "Ana", "due": "2020-01-01",
        "evidence_kind": "", "waived_by": "", "status": "open"}  # fmt: skip


def test_the_last_approval_says_when_it_ends(stand, moved):
    stand("live")
    moved("ct-triage", "live", **ENDS, expires_at="2020-01-01")
    moved("ct-triage", "live", **ENDS, expires_at="2999-01-01")
    case = usecase.find("ct-triage")
    assert (case.expires_at, case.is_lapsed) == ("2999-01-01", False)
    moved("ct-triage", "live", **ENDS, expires_at="2020-01-02")
    assert usecase.find("ct-triage").is_lapsed


def test_what_lapsed_and_what_is_overdue_are_both_told(stand, moved):
    stand("live")
    moved("ct-triage", "live", **ENDS, expires_at="2020-01-01", conditions=[LATE])
    assert [text.partition(":")[0] for text in usecase.find("ct-triage").warnings] == [
        "lapsed", "overdue",
    ]  # fmt: skip


def test_a_case_that_ended_does_not_lapse(stand, moved):
    stand("live")
    moved("ct-triage", "live", **ENDS, expires_at="2020-01-01")
    moved("ct-triage", "retired", outcome="retire", gate_step="", expires_at=None)
    case = usecase.find("ct-triage")
    assert (case.is_lapsed, case.warnings) == (False, [])
