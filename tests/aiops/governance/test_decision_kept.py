"""What a decision keeps as it was said, and what it does not take although a board says so."""

from datetime import date, timedelta

import pytest

from aiops.errors import GateError
from aiops.governance import ledger, usecase
from aiops.governance.basis import documents_of, expiry_of
from aiops.governance.decision import draft, propose, record_decision
from aiops.governance.documents import add_document
from aiops.governance.record import Scope
from aiops.governance.recording import Drafted, record_draft
from aiops.provenance import content_hash

SAID = {"rationale": "As the figures say.", "by": "Imaging AI board"}
LEARNT = {"lessons": ["Ask first."], "revisit_if": ["n_positive>=480"], "reasons": ["R19"]}
NEXT_YEAR = date.today() + timedelta(days=300)
HAZARDS = """
kind: hazard_log
use_case: chest-effusion
hazards:
  - {id: HZ-001, hazard: An effusion is missed, causes: [thin film], effect: No drain,
     harm: Breathless, severity: catastrophic, likelihood: medium}
"""


def refused(folder, **said):
    before = ledger.read_all()
    told = propose("approve-with-conditions", "chest-effusion", run_dir=folder, **SAID, **said)
    with pytest.raises(GateError) as caught:
        record_decision(told)
    assert ledger.read_all() == before
    return caught.value.what


def test_a_case_that_a_run_moved_on_needs_a_new_draft(home, make_run):
    usecase.submit("chest-effusion", "Effusion on chest films")
    statement = draft(propose("re-review", "chest-effusion", **SAID))
    make_run()
    with pytest.raises(GateError) as caught:
        record_draft(Drafted(statement))
    assert caught.value.what == (
        "the case was in submitted when this was proposed, and is in retrospective_eval"
    )
    assert ledger.read_all() == []


def test_a_decision_on_another_case_does_not_stand_in_the_way(home):
    for slug in ("ct-triage", "mr-triage"):
        usecase.submit(slug, "A case")
    statement = draft(propose("re-review", "ct-triage", **SAID))
    record_decision(propose("re-review", "mr-triage", **SAID))
    assert record_draft(Drafted(statement)).follows == ""


def test_what_was_said_beside_a_decision_is_kept_as_it_was_said(home):
    usecase.submit("chest-effusion", "Effusion on chest films")
    scope = {"sites": ["Ward 4"], "population": "Adults", "users": "ED doctors", "max_cases": 200}
    said = {
        "dissent": ("Dr Cho: too few women",),
        "conflicts_of_interest": ("Dr Lee owns shares of the vendor",),
        "attendees": ("Dr Lee: chair",),
        "review_by": NEXT_YEAR,
    }
    record = record_decision(
        propose("defer", "chest-effusion", scope=scope, **said, **SAID, **LEARNT)
    )
    assert {name: getattr(record, name) for name in said} == said
    assert record.scope == Scope.model_validate(scope)
    assert usecase.find("chest-effusion").review_by == str(NEXT_YEAR)


def test_an_approval_with_conditions_names_one(gated_run, attested):
    assert refused(gated_run(), **attested) == "no condition names anything"


def test_a_risk_that_may_not_be_left_is_not_left_with_conditions_either(
    gated_run, attested, tmp_path
):
    log = tmp_path / "hazards.yaml"
    log.write_text(HAZARDS)
    owed = [f"general: train the staff; Dr Okafor; {NEXT_YEAR}"]
    told = refused(gated_run(), hazards=log, conditions=owed, **attested)
    assert told.startswith("a risk is left that may not be left, so approve-with-conditions is")


def test_papers_of_another_case_and_older_ones_are_not_named(home, tmp_path):
    case = usecase.submit("ct-triage", "CT triage")
    usecase.submit("mr-triage", "MR triage")
    paper = tmp_path / "dpia.pdf"
    for slug, text in (("ct-triage", b"old"), ("ct-triage", b"new"), ("mr-triage", b"other")):
        paper.write_bytes(text)
        add_document(slug, "dpia", paper, dated=date.today(), by="Ana")
    paper.write_bytes(b"new")
    assert [document.sha256 for document in documents_of(case)] == [content_hash(paper)]


@pytest.mark.parametrize(
    ("outcome", "today", "months", "ends"),
    [
        ("approve", date(2026, 11, 29), 12, date(2027, 11, 29)),
        ("approve-with-conditions", date(2026, 12, 5), 1, date(2027, 1, 5)),
        ("approve", date(2026, 1, 31), 1, date(2026, 2, 28)),
        ("reject", date(2026, 1, 31), 12, None),
        ("approve", date(2026, 1, 31), 0, None),
    ],
)
def test_an_approval_ends_on_the_same_day_of_its_last_month(outcome, today, months, ends):
    assert expiry_of(outcome, today, months) == ends
