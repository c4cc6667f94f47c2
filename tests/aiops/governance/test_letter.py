from datetime import date, timedelta

import pytest

from aiops.governance import ledger, usecase
from aiops.governance.conditions import Standing
from aiops.governance.decision import propose, record_decision
from aiops.governance.letter import (
    GRADE,
    WORD,
    basis_words,
    decision_html,
    decision_markdown,
    headline,
    use_case_markdown,
)
from aiops.governance.lifecycle import GRADES, read_lifecycle
from aiops.governance.record import Condition, DecisionRecord, Reason, SignedBy, SignedDissent
from aiops.governance.standing import decision_standing

TODAY = date.today()
YESTERDAY = TODAY - timedelta(days=1)
LEARNT = {"lessons": ["Ask first."], "revisit_if": ["n_positive>=480"]}


@pytest.fixture
def rejected(home) -> tuple[DecisionRecord, usecase.UseCase]:
    usecase.submit("wrist", "Scaphoid <i>fracture</i>", owner="Emergency department")
    said = {"rationale": "Too few.", "by": "Board", "reasons": ["R01", "R08"]}
    return record_decision(propose("reject", "wrist", **said, **LEARNT)), usecase.find("wrist")


@pytest.fixture
def approved(rejected) -> tuple[DecisionRecord, usecase.UseCase]:
    """An approval with a condition, and its case in a silent trial."""
    record, case = rejected
    condition = Condition(id="C1", item="fairness", text="34 more men", owner="Dr Bell",
                          due=YESTERDAY, waived_by="Dr Chair")  # fmt: skip
    record = record.model_copy(update={
        "outcome": "approve-with-conditions", "gate": "gate_G4", "gate_step": "G4",
        "gate_outcome": "undecided", "to_state": "silent_prospective", "reasons": (),
        "conditions": (condition,), "expires_at": TODAY + timedelta(days=99),
        "gates_skipped": ("G0", "G1"), "effect": "alias silent",
    })  # fmt: skip
    told = {**condition.model_dump(include={"id", "item", "text", "owner", "due", "status"}),
            "decision": record.id}  # fmt: skip
    case = case.model_copy(update={
        "state": "silent_prospective", "approved_by": record.id, "decisions": (record.id,),
        "conditions": (Standing(**told),), "conditions_open": 1, "reasons": (),
    })  # fmt: skip
    return record, case


def test_every_outcome_and_every_grade_has_words():
    assert set(WORD) == set(read_lifecycle().outcomes)
    assert set(GRADE) == set(GRADES)


def test_the_first_line_says_outcome_gate_reason_and_grade(rejected):
    record, case = rejected
    told = headline(record.model_copy(update={"gate_step": "G1", "gate_outcome": "fail"}))
    assert told == (
        "REJECTED · G1 (fail) · reason insufficient data (R01), vendor duplicate (R08) · "
        "recorded, nobody signed"
    )
    first = decision_markdown(record, case).splitlines()[0].replace("\\", "")
    assert first == f"**{headline(record)}**"


def test_a_lapsed_approval_says_so_first_and_is_red(approved):
    record, case = approved
    record = record.model_copy(update={"expires_at": YESTERDAY})
    case = case.model_copy(update={"is_lapsed": True, "expires_at": str(YESTERDAY)})
    now = decision_standing(record, case)
    assert (now.approval, now.is_red) == ("LAPSED", True)
    assert headline(record, now).startswith(f"LAPSED on {YESTERDAY} · APPROVED WITH CONDITIONS")
    page = decision_html(record, case, now)
    assert '<p class="outcome bad">LAPSED on' in page
    assert f"LAPSED: the approval ended on {YESTERDAY}" in page
    assert f'<dd class="red">{YESTERDAY}: it has lapsed</dd>' in page
    card = use_case_markdown(case).splitlines()[0]
    assert card.startswith(f"SILENT PROSPECTIVE · approval LAPSED on {YESTERDAY}")


def test_an_overdue_condition_is_named_with_its_owner_and_is_red(approved):
    record, case = approved
    now = decision_standing(record, case)
    assert now.conditions == "open: 1, OVERDUE: 1"
    assert now.warnings == (f"OVERDUE: 34 more men (Dr Bell; was due on {YESTERDAY})",)
    page = decision_html(record, case, now)
    assert '<p class="outcome bad">' in page
    assert '<span class="red">open: 1, OVERDUE: 1</span>' in page
    assert "<td>Dr Chair</td>" in page
    assert "conditions OVERDUE: 1" in use_case_markdown(case).splitlines()[0]


def test_a_condition_that_was_met_is_no_longer_open(approved):
    record, case = approved
    met = tuple(c.model_copy(update={"status": "met"}) for c in case.conditions)
    now = decision_standing(record, case.model_copy(update={"conditions": met}))
    assert (now.approval, now.conditions, now.is_red) == ("in force", "none", False)
    assert "None of them is open today" in decision_html(record, case, now)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"state": "suspended"}, "set aside"),
        ({"state": "retired"}, "no longer in force"),
        ({"approved_by": "DEC-2026-0099"}, "no longer in force"),
    ],
)
def test_an_approval_is_in_force_only_where_the_case_rests_on_it(approved, changes, told):
    record, case = approved
    assert decision_standing(record, case.model_copy(update=changes)).approval == told


def test_a_review_is_due_from_its_day_on_and_only_for_the_last_decision(rejected):
    record, case = rejected
    record = record.model_copy(update={"review_by": TODAY})
    assert decision_standing(record, case).review == "DUE"
    assert decision_standing(record, case, YESTERDAY).review == ""
    later = case.model_copy(update={"decisions": (record.id, "DEC-2026-0099")})
    assert decision_standing(record, later).review == ""


def test_the_page_names_who_signed_who_disagreed_and_what_was_skipped(approved):
    record, case = approved
    record = record.model_copy(update={
        "grade": "signed",
        "signed_by": (SignedBy(person="Dr <Bell>", role="cso", key_id="ab" * 32),),
        "signed_dissent": (SignedDissent(person="Dr No", key_id="cd" * 32, text="Too soon."),),
    })  # fmt: skip
    page = decision_html(record, case)
    assert "Grade: <strong>signed</strong>" in page
    assert f"<td>Dr &lt;Bell&gt;</td><td>cso</td><td>{'ab' * 8}</td>" in page
    assert "Dr No (signed): Too soon." in page
    assert '<dt>Gates nobody passed</dt><dd class="red">G0, G1</dd>' in page
    assert "<dd>alias silent</dd>" in page
    text = decision_markdown(record, case)
    assert "Nobody approved before it: G0, G1" in text
    assert "left open by Dr Chair" in text


def test_an_attested_decision_names_the_secretary_and_the_minutes(rejected):
    record, case = rejected
    told = {"grade": "attested", "attested_by": "J. Clerk", "minutes_sha256": "a" * 64}
    page = decision_html(record.model_copy(update=told), case)
    assert "attested, minutes on file" in page
    assert f"Attested by J. Clerk from minutes with SHA-256 {'a' * 64}." in page


def test_the_page_is_whole_in_itself_and_escapes_what_people_wrote(rejected):
    page = decision_html(*rejected)
    assert "Scaphoid &lt;i&gt;fracture&lt;/i&gt;" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_record_of_the_first_version_still_has_a_page(rejected):
    _, case = rejected
    old = {k: v for k, v in ledger.read_all()[0].items() if k != "prev_sha256"}
    known = DecisionRecord.model_validate({**old, "schema_version": 1})
    assert "REJECTED" in decision_html(known, case)


def test_the_card_of_a_case_says_why_it_ended_in_words(home):
    usecase.submit("wrist", "Scaphoid fracture", owner="Radiology")
    record = record_decision(
        propose("reject", "wrist", reasons=["R01"], rationale="43 of <100> patients.", by="Board",
                lessons=["Ask what a blank means."], revisit_if=["n_positive>=480"])
    )  # fmt: skip
    card = use_case_markdown(usecase.find("wrist"))
    assert card.startswith("REJECTED · insufficient data (R01) · Radiology")
    assert f"**Rejected by Board on {record.created_at[:10]}**, recorded, nobody signed." in card
    assert r"43 of \<100\> patients." in card
    assert "- Why: insufficient data (R01). There are not enough patients" in card
    assert "- Learnt: Ask what a blank means." in card
    assert (
        "- Worth another try if all of these hold: the cases with the finding: at least 480" in card
    )
    assert f"- The whole decision: {record.id}" in card


@pytest.mark.parametrize(
    ("told", "first"),
    [
        ({}, "insufficient data (R01): 43 patients have it; 100 are asked for · unfair (R13)"),
        ({"supports": False}, "insufficient data (R01) · unfair (R13)"),
        ({"supports": None}, "insufficient data (R01) · unfair (R13)"),
        ({"sentence": "x" * 121 + "."}, "insufficient data (R01) · unfair (R13)"),
        ({"sentence": ""}, "insufficient data (R01) · unfair (R13)"),
        ({"kind": "stated"}, "insufficient data (R01) · unfair (R13)"),
    ],
)
def test_the_first_line_of_a_card_has_the_figure_that_speaks_for_it(home, told, first):
    usecase.submit("wrist", "Scaphoid fracture", owner="Radiology")
    figure = {"kind": "computed", "supports": True,
              "sentence": "43 patients have it; 100 are asked for. Nobody knows more."}  # fmt: skip
    record_decision(
        propose("reject", "wrist", reasons=["R01", "R13"], rationale="Too few.", by="Board",
                reason_evidence={"R01": {**figure, **told}}, **LEARNT)
    )  # fmt: skip
    card = use_case_markdown(usecase.find("wrist"))
    assert card.startswith(f"REJECTED · {first} · Radiology\n")


def test_every_finding_behind_a_reason_is_told_not_the_first_alone(home):
    usecase.submit("wrist", "Scaphoid fracture", owner="Radiology")
    details = [{"sentence": "The images of few are there."}, {"field": "sex"}]
    told = {"kind": "computed", "sentence": "43 patients have it.", "details": details}
    record = record_decision(
        propose("reject", "wrist", reasons=["R01"], rationale="Too few.", by="Board",
                reason_evidence={"R01": told}, **LEARNT)
    )  # fmt: skip
    page = decision_html(record, usecase.find("wrist"))
    assert "43 patients have it. The images of few are there." in page
    assert "43 patients have it. The images of few are there." in decision_markdown(
        record, usecase.find("wrist")
    )


@pytest.mark.parametrize(
    ("supports", "words"),
    [(True, "supports this"), (False, "speaks against this"), (None, "cannot tell")],
)
def test_a_computed_reason_says_which_way_its_figures_point(supports, words):
    reason = Reason(code="R06", name="NO_CHAMPION_OR_OWNER", primary=True, severity="stop",
                    fixable_by="the service", basis="computed",
                    evidence={"supports": supports, "sentence": "Both are named."})  # fmt: skip
    assert basis_words(reason) == f"computed, and it {words}"
