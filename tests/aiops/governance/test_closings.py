"""A condition of a signed approval is met by a signature, and not by a name that somebody types."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from aiops.errors import GateError
from aiops.governance import ledger, usecase
from aiops.governance.closings import counted, seal_closing
from aiops.governance.conditions import close, standing_of
from aiops.governance.decision import draft, propose, record_decision
from aiops.governance.keyring import Keyring, enrol, read_keyring, revoke
from aiops.governance.lifecycle import read_lifecycle
from aiops.governance.recording import Drafted, record_draft
from aiops.governance.signing import DECISION_TYPE, seal
from aiops.governance.verify import verify_ledger

SOON = date.today() + timedelta(days=30)
ROLES = read_lifecycle().step("G2").roles


@pytest.fixture
def signed(ring, stand, answer_gates):
    """A case approved at G2 by signatures, with three conditions."""
    answer_gates("dpia")
    stand("planned")
    said = {"gate": "G2", "rationale": "Go on.", "by": "Board", "author": "Ana"}
    asked = [f"general: tell; Dr Cso; {SOON}", f"general: train; Ana; {SOON}"]
    asked += [f"dpia: bring it; Dr Cso; {SOON}"]
    return record_decision(
        propose("approve-with-conditions", "ct-triage", conditions=asked, **said),
        [ring[role] for role in ROLES],
    )


@pytest.fixture
def paper(tmp_path):
    path = tmp_path / "dpia.pdf"
    path.write_bytes(b"assessed")
    return path


def meet(paper, condition="C2", **said):
    return close("met", "ct-triage", condition, evidence=paper, **said)


def told():
    found = verify_ledger(projection=False).found
    return [one.line() for one in found if one.where.startswith("conditions")]


def standing():
    return [c.status for c in usecase.find("ct-triage").conditions][:2]


def test_a_role_of_the_approval_signs_that_it_is_met(signed, paper, ring):
    case = meet(paper, key=ring["cso"])
    assert (case.conditions[1].status, case.conditions[1].closed_by) == ("met", "Dr Cso")
    assert told() == []
    with pytest.raises(GateError, match=r"C2 of DEC-.* is closed: met, .*, by Dr Cso"):
        meet(paper, key=ring["clinical lead"])


def test_a_name_is_not_enough(signed, paper):
    with pytest.raises(GateError, match=f"{signed.id} was signed, so somebody must sign") as caught:
        meet(paper, by="Ana")
    assert "Ana, who owed it, does not count" in caught.value.fix
    assert ledger.read_all(ledger.CONDITIONS) == []


def test_anybody_in_the_ring_signs_that_it_is_given_up(signed, ring, new_key):
    with pytest.raises(GateError, match="somebody must sign that C2 is given up"):
        close("lapse", "ct-triage", "C2", by="passer-by")
    with pytest.raises(GateError, match="a key that nobody enrolled"):
        close("lapse", "ct-triage", "C2", key=new_key("Dr Cso"))
    case = close("lapse", "ct-triage", "C2", key=ring["chair"])
    assert (case.conditions[1].status, case.conditions[1].closed_by) == ("lapsed", "Dr Chair")
    assert told() == []


def test_who_may_not_sign_is_refused(signed, paper, ring, new_key):
    for condition, key, words in [
        ("C1", ring["cso"], "Dr Cso owed it, and cannot say alone that it is met"),
        ("C2", ring["chair"], "Dr Chair is none of: "),
        ("C2", new_key("Dr Cso"), "signed by a key that nobody enrolled"),
    ]:
        with pytest.raises(GateError, match=words):
            meet(paper, condition, key=key)
    with pytest.raises(GateError, match="it names Ana, and Dr Cso signed it"):
        meet(paper, by="Ana", key=ring["cso"])
    revoke(ring["cso"].public.key_id, "lost", [ring["chair"], ring["ai lead"]])
    with pytest.raises(GateError, match="the key of Dr Cso was not in force"):
        meet(paper, key=ring["cso"])
    assert ledger.read_all(ledger.CONDITIONS) == []


def event_of(case, at=""):
    return {
        "event": "met", "case_id": case.case_id, "decision": case.id, "condition": "C2",
        "evidence": "dpia.pdf", "evidence_sha256": "0" * 64, "answered": "", "by": "Dr Cso",
        "proposal_id": case.proposal_id,
        "at": at or datetime.now(UTC).isoformat(timespec="microseconds"),
    }  # fmt: skip


def forged(case, key=None, at="", **changes):
    """Write a closing into the book as somebody would who has the disk."""
    event = event_of(case, at)
    more = seal_closing(event, key) if key is not None else {}
    ledger.append(lambda earlier: ledger.Line({**event, **changes}, more), ledger.CONDITIONS)


def test_an_unsigned_line_closes_nothing_and_is_told(signed, paper, ring):
    forged(signed)
    assert standing() == ["open", "open"]
    assert any(f"{signed.id} was signed, and nobody signed that C2 is met" in s for s in told())
    assert meet(paper, key=ring["cso"]).conditions[1].status == "met"


def test_a_signature_on_another_line_closes_nothing_and_is_told(signed, ring):
    forged(signed, ring["cso"], by="Dr Chair")
    assert standing() == ["open", "open"]
    assert any("what was signed is not what the line says" in line for line in told())


def test_a_key_enrolled_later_closes_nothing_before(signed, ring, new_key):
    late = new_key("Dr Late")
    enrol(late.public, ["cso"], [ring["chair"], ring["ai lead"]])
    forged(signed, late, at="2020-01-01T00:00:00.000000+00:00")
    assert standing() == ["open", "open"]
    assert any("the key of Dr Late was not in force" in line for line in told())


def test_a_revoked_key_closes_nothing_whatever_day_it_bears(signed, ring):
    before = datetime.now(UTC).isoformat(timespec="microseconds")
    revoke(ring["cso"].public.key_id, "lost", [ring["chair"], ring["ai lead"]])
    forged(signed, ring["cso"], at=before)
    assert standing() == ["open", "open"]
    assert any("the key of Dr Cso was not in force" in line for line in told())


def test_a_closing_of_another_ledger_closes_nothing(signed, ring):
    forged(signed.model_copy(update={"proposal_id": "another"}), ring["cso"])
    assert standing() == ["open", "open"]
    assert any(f"what was signed is about another {signed.id}" in line for line in told())


@pytest.mark.parametrize("owner", ["Cso, Dr (clinical safety)", "C. Cso", "the CSO"])
def test_an_owner_is_known_by_name_or_role_whatever_else_is_written(
    ring, stand, answer_gates, paper, owner
):
    answer_gates("dpia")
    stand("planned")
    said = {"gate": "G2", "rationale": "Go on.", "by": "Board", "author": "Ana"}
    asked = [f"general: tell; {owner}; {SOON}", f"dpia: bring it; Ana; {SOON}"]
    proposal = propose("approve-with-conditions", "ct-triage", conditions=asked, **said)
    record_decision(proposal, [ring[role] for role in ROLES])
    with pytest.raises(GateError, match="Dr Cso owed it"):
        meet(paper, "C1", key=ring["cso"])
    assert meet(paper, "C1", key=ring["clinical lead"]).conditions[0].status == "met"


def test_rules_that_nobody_names_any_more_are_said(signed, paper, ring, monkeypatch):
    monkeypatch.setattr("aiops.governance.closings.rules_of", lambda record: None)
    with pytest.raises(GateError, match="is neither today's nor a former one, so nobody can tell"):
        meet(paper, key=ring["cso"])


def test_an_attested_approval_is_closed_by_a_name(stand, answer_gates, paper, tmp_path):
    answer_gates("dpia")
    stand("triage")
    said = {"gate": "G0", "rationale": "Go on.", "by": "Board"}
    asked = [f"general: train; Ana; {SOON}", f"dpia: bring it; Dr Okafor; {SOON}"]
    record_decision(propose("approve-with-conditions", "ct-triage", conditions=asked, **said))
    assert meet(paper, "C1", by="Ana").conditions[0].status == "met"
    assert told() == []


@pytest.mark.parametrize("before_ms", [-1, 1])
def test_no_clock_lets_an_approval_know_of_what_was_given_up_after_it(signed, ring, before_ms):
    made = datetime.fromisoformat(signed.created_at)
    at = (made - timedelta(milliseconds=before_ms)).isoformat(timespec="microseconds")
    forged(signed, ring["chair"], at=at, event="lapse", by="Dr Chair")
    assert standing() == ["open", "open"]  # what was signed was a met
    lapse = {"event": "lapse", "by": "Dr Chair"}
    event = dict(ledger.read_all(ledger.CONDITIONS)[-1]) | lapse
    event.pop("prev_sha256")
    line = ledger.Line(event, seal_closing(event, ring["chair"]))
    ledger.append(lambda earlier: line, ledger.CONDITIONS)
    assert standing() == ["open", "lapsed"]


def test_a_key_revoked_before_closings_were_counted_closes_nothing_after(signed, ring, monkeypatch):
    at = datetime.now(UTC).isoformat(timespec="microseconds")
    revoke(ring["cso"].public.key_id, "lost", [ring["chair"], ring["ai lead"]])
    forged(signed, ring["cso"], at=at)
    members = read_keyring().members
    old = tuple(replace(m, closings=None) for m in members)
    monkeypatch.setattr("aiops.governance.closings.read_keyring", lambda book: Keyring(old, ()))
    assert standing() == ["open", "open"]


def test_a_line_that_does_not_count_closes_nothing_before_one_that_does(signed, paper, ring):
    forged(signed)
    meet(paper, key=ring["cso"])
    assert not any("was closed before" in line for line in told())
    forged(signed, ring["cso"])
    assert any("C2 of DEC-2026-0003 was closed before" in line.replace(signed.id, "DEC-2026-0003")
               for line in told())  # fmt: skip


def renewed(ring, moved):
    """Approve at G2 anew."""
    moved("ct-triage", "planned", outcome="re-review", conditions=[])
    told = {"gate": "G2", "rationale": "Go on.", "by": "Board", "author": "Ana"}
    asked = [f"dpia: bring it; Ana; {SOON}"]
    proposal = propose("approve-with-conditions", "ct-triage", conditions=asked, **told)
    return proposal, [ring[role] for role in ROLES]


def test_signers_who_did_not_know_end_nothing_that_was_given_up(signed, ring, moved):
    proposal, keys = renewed(ring, moved)
    statement = draft(proposal)
    envelope = seal(statement, DECISION_TYPE, keys)
    close("lapse", "ct-triage", "C2", key=ring["chair"])
    later = record_draft(Drafted(statement, envelope))
    assert f"{signed.id}/C2" in [c.id for c in usecase.find("ct-triage").conditions]
    forged_head = ledger.head(ledger.CONDITIONS)
    assert later.conditions_head != forged_head
    assert later.heads["conditions"] == forged_head  # it was there, and nobody signed that


def test_signers_who_knew_end_it(signed, ring, moved):
    close("lapse", "ct-triage", "C2", key=ring["chair"])
    record_decision(*renewed(ring, moved))
    assert "given up" not in [c.word for c in usecase.find("ct-triage").conditions]


def test_a_weaker_approval_ends_nothing_that_was_signed(signed, ring):
    close("lapse", "ct-triage", "C2", key=ring["chair"])
    events = counted(ledger.read_all())
    one = signed.to_json()
    later = {**one, "id": "DEC-2026-0009", "conditions": []}
    for event in events:
        event["seen_by"] = [later["id"]]
    words = {
        grade: [c.word for c in standing_of([one, {**later, "grade": grade}], events)]
        for grade in ("recorded", "attested", "signed")
    }
    assert words["signed"] == ["open", "open"]
    assert words["attested"] == words["recorded"] == ["open", "given up", "open"]


def test_a_second_decision_of_one_number_loosens_nothing(signed):
    like = ledger.read_all()[-1]
    forgery = {**like, "grade": "recorded", "signed_by": [], "proposal_id": "another"}
    ledger.append(lambda earlier: forgery)
    forged(signed)
    assert counted(ledger.read_all()) == []


def test_a_closing_of_another_case_locks_nothing(signed, paper, ring):
    event = {"case_id": "UC-0009", "event": "lapse", "by": "Dr Chair"}
    entry = {**event_of(signed), **event}
    line = ledger.Line(entry, seal_closing(entry, ring["chair"]))
    ledger.append(lambda earlier: line, ledger.CONDITIONS)
    assert any(f"{signed.id} is of UC-0001, not of UC-0009" in line for line in told())
    assert meet(paper, key=ring["cso"]).conditions[1].status == "met"


@pytest.mark.parametrize("changes", [{"at": 5}, {"by": None}, {"event": "lost"}])
def test_what_does_not_read_as_a_closing_closes_nothing(signed, ring, changes):
    entry = {**event_of(signed), **changes}
    line = ledger.Line(entry, seal_closing(entry, ring["cso"]))
    ledger.append(lambda earlier: line, ledger.CONDITIONS)
    assert standing() == ["open", "open"]


def test_a_key_that_nobody_enrolled_proves_nothing_on_an_attested_approval_either(
    stand, answer_gates, paper, ring, new_key
):
    answer_gates("dpia")
    stand("triage")
    said = {"gate": "G0", "rationale": "Go on.", "by": "Board"}
    asked = [f"general: train; Ana; {SOON}", f"dpia: bring it; Dr Okafor; {SOON}"]
    record_decision(propose("approve-with-conditions", "ct-triage", conditions=asked, **said))
    with pytest.raises(GateError, match="a key that nobody enrolled"):
        meet(paper, "C1", by="Dr Cso", key=new_key("Nobody"))
    assert meet(paper, "C1", key=ring["secretary"]).conditions[0].closed_by == "Dr Secretary"


def test_a_clock_that_is_behind_closes_nothing(signed, paper, ring):
    ahead = (datetime.now(UTC) + timedelta(minutes=10)).isoformat(timespec="microseconds")
    forged(signed, ring["cso"], at=ahead, condition="C1", event="met")
    with pytest.raises(GateError, match="the last closing bears a later time"):
        meet(paper, key=ring["cso"])
