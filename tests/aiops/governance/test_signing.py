import base64
import json

import pytest

from aiops.errors import LedgerError
from aiops.governance.keys import new_key, open_key
from aiops.governance.signing import DECISION_TYPE, KEYRING_TYPE, add_signature, check, seal

PASSPHRASE = "three odd herons"
STATEMENT = {"outcome": "reject", "reasons": ["R03"], "n": 112}


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    names = ("Dr Lee", "Dr Cho", "Eve")
    return [open_key(new_key(name, folder, PASSPHRASE)[0], PASSPHRASE) for name in names]


def test_a_statement_comes_back_with_those_who_signed_it(people):
    lee, cho, _ = people
    envelope = seal(STATEMENT, DECISION_TYPE, [lee])
    envelope = add_signature(envelope, cho)
    found = check(envelope, DECISION_TYPE, [lee.public, cho.public])
    assert found.statement == STATEMENT
    assert {key.person for key in found.signed_by} == {"Dr Lee", "Dr Cho"}
    assert found.faults == ()
    assert json.loads(json.dumps(envelope)) == envelope


def test_signing_twice_is_one_signature(people):
    lee, _, _ = people
    envelope = add_signature(seal(STATEMENT, DECISION_TYPE, [lee]), lee)
    assert len(envelope["signatures"]) == 1


def test_an_edited_payload_holds_for_nobody(people):
    lee, cho, _ = people
    envelope = seal(STATEMENT, DECISION_TYPE, [lee, cho])
    forged = json.dumps({"n": 113, "outcome": "reject", "reasons": ["R03"]}, separators=(",", ":"))
    envelope["payload"] = base64.b64encode(forged.encode()).decode()
    found = check(envelope, DECISION_TYPE, [lee.public, cho.public])
    assert found.signed_by == ()
    assert sorted(found.faults) == [
        "the signature of Dr Cho does not hold",
        "the signature of Dr Lee does not hold",
    ]


def test_a_signature_moved_to_another_name_does_not_hold(people):
    lee, cho, _ = people
    envelope = seal(STATEMENT, DECISION_TYPE, [lee])
    envelope["signatures"][0]["keyid"] = cho.public.key_id
    found = check(envelope, DECISION_TYPE, [lee.public, cho.public])
    assert (found.signed_by, found.faults) == ((), ("the signature of Dr Cho does not hold",))


def test_a_stranger_is_named_as_one(people):
    lee, _, eve = people
    found = check(seal(STATEMENT, DECISION_TYPE, [eve]), DECISION_TYPE, [lee.public])
    assert found.signed_by == ()
    assert found.faults[0].startswith("signed by a key that nobody enrolled")


def test_a_signature_on_one_kind_is_none_on_another(people):
    lee, _, _ = people
    envelope = seal(STATEMENT, KEYRING_TYPE, [lee])
    with pytest.raises(LedgerError, match=r"holds application/vnd.aiops.keyring\+json"):
        check(envelope, DECISION_TYPE, [lee.public])
    envelope["payloadType"] = DECISION_TYPE
    assert check(envelope, DECISION_TYPE, [lee.public]).signed_by == ()


@pytest.mark.parametrize("payload", [b"[1]", b'{"a": 1}', b'{"b":1,"a":2}', b"\xff"])
def test_what_is_not_canonical_is_refused(people, payload):
    envelope = seal(STATEMENT, DECISION_TYPE, people)
    envelope["payload"] = base64.b64encode(payload).decode()
    with pytest.raises(LedgerError, match=r"not canonical|no signed envelope"):
        check(envelope, DECISION_TYPE, [])


@pytest.mark.parametrize("envelope", [{}, {"payload": 1}, {"payload": "", "payloadType": "x"}])
def test_what_is_no_envelope_is_refused(envelope):
    with pytest.raises(LedgerError, match="no signed envelope"):
        check(envelope, DECISION_TYPE, [])
