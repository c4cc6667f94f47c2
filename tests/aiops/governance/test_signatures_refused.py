"""What does not count although it is signed: both ways, by a stranger, out of force."""

from datetime import date, timedelta

import pytest

from aiops.errors import GateError
from aiops.governance import ledger
from aiops.governance.decision import draft, propose, record_decision
from aiops.governance.keyring import KEYS, revoke
from aiops.governance.recording import Drafted, record_draft
from aiops.governance.signatures import DISSENT_TYPE, dissent_statement
from aiops.governance.signing import DECISION_TYPE, KEYRING_TYPE, seal

SAID = {"rationale": "As the figures say.", "by": "Imaging AI board", "author": "Ana"}
G0 = ("ai lead", "clinical lead")
SOON = date.today() + timedelta(days=100)


@pytest.fixture
def signed(ring, stand, open_gates):
    """A statement of G0 that both roles signed, and somebody's dissent from it."""
    stand("submitted")
    statement = draft(propose("approve", "ct-triage", gate="G0", **SAID))
    envelope = seal(statement, DECISION_TYPE, [ring[role] for role in G0])

    def make(against):
        said = dissent_statement(statement, "Too early.")
        return Drafted(statement, envelope, [seal(said, DISSENT_TYPE, [against])])

    return make


def refused(drafted):
    before = ledger.read_all()
    with pytest.raises(GateError) as caught:
        record_draft(drafted)
    assert ledger.read_all() == before
    return caught.value.what


def test_nobody_signs_for_it_and_against_it(signed, ring):
    assert refused(signed(ring["ai lead"])) == "Dr Ai Lead signed for it and against it"


def test_a_dissent_by_a_stranger_is_refused(signed, new_key):
    assert refused(signed(new_key("Dr Nobody"))).startswith("signed by a key that nobody enrolled")


def test_a_dissent_by_a_key_out_of_force_is_refused(signed, ring):
    revoke(ring["chair"].public.key_id, "lost", [ring["cso"], ring["quality manager"]])
    assert refused(signed(ring["chair"])) == "the key of Dr Chair is not in force"


def test_a_ring_that_does_not_hold_vouches_for_nothing(ring, stand, open_gates):
    stand("submitted")
    event = {"event": "enrol", "members": [], "nonce": "1"}
    forged = seal(event, KEYRING_TYPE, [ring["chair"]])
    ledger.append(lambda earlier: {"at": "2026-11-22", "envelope": forged}, KEYS)
    told = propose("approve", "ct-triage", gate="G0", **SAID)
    with pytest.raises(GateError, match="event 2: signed by 0 in force other than its owner"):
        record_decision(told, [ring[role] for role in G0])


def test_nobody_approves_with_conditions_alone_what_they_wrote(stand, open_gates):
    stand("submitted")
    said = {**SAID, "by": "Ana", "conditions": [f"general: train; Ben; {SOON}"]}
    told = propose("approve-with-conditions", "ct-triage", gate="G0", **said)
    with pytest.raises(GateError, match="Ana wrote this proposal and cannot approve it"):
        record_decision(told)
