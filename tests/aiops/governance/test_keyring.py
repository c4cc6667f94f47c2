import itertools
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from aiops.errors import ConfigError, GateError, LedgerError
from aiops.governance import keyring, ledger
from aiops.governance.keyring import (
    DEMO_KEYS,
    KEYS,
    Keyring,
    book_of,
    enrol,
    found,
    read_keyring,
    revoke,
)
from aiops.governance.keys import KeyPair, new_key, open_key
from aiops.governance.signing import KEYRING_TYPE, seal

pytestmark = pytest.mark.usefixtures("home")

PASSPHRASE = "three odd herons"


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    numbers = itertools.count()

    def pair(person, **more):
        folder = tmp_path_factory.mktemp(f"key{next(numbers)}")
        return open_key(new_key(person, folder, PASSPHRASE, **more)[0], PASSPHRASE)

    return pair


@pytest.fixture
def ring(make):
    lee, cho = make("Dr Lee"), make("Dr Cho")
    found([(lee, ["chair"]), (cho, ["cso"])])
    return lee, cho


def people():
    return {m.key.person: m.roles for m in read_keyring().in_force("9999")}


def test_two_found_a_ring_and_two_take_a_third_in(ring, make):
    lee, cho = ring
    ana = make("Ana")
    enrol(ana.public, ["ai lead"], [lee, cho])
    assert people() == {
        "Dr Lee": ("chair",), "Dr Cho": ("cso",), "Ana": ("ai lead",)
    }  # fmt: skip
    assert read_keyring().faults == ()
    assert ledger.verify(KEYS) == []


def test_a_ring_is_founded_once_and_not_by_one(ring, make):
    with pytest.raises(GateError, match="founded already"):
        found([(make("Ana"), ["chair"]), (make("Ben"), ["cso"])])
    with pytest.raises(GateError, match="2 different people"):
        found(
            [(make("Ana", is_demo=True), ["chair"]), (make("Ana", is_demo=True), ["cso"])],
            DEMO_KEYS,
        )


@pytest.mark.parametrize("who", ["one", "one twice", "one and the owner", "a stranger"])
def test_too_few_signers_take_nobody_in(ring, make, who):
    lee, _ = ring
    ana, again = make("Ana"), make("Dr Lee")
    signers = {
        "one": [lee],
        "one twice": [lee, lee],
        "one and the owner": [lee, ana],
        "a stranger": [lee, again],  # the name alone opens nothing
    }[who]
    with pytest.raises(GateError, match=r"are needed|nobody enrolled"):
        enrol(ana.public, ["ai lead"], signers)
    assert set(people()) == {"Dr Lee", "Dr Cho"}


def test_a_second_key_of_one_person_is_no_second_person(ring, make):
    lee, cho = ring
    again, ana = make("Dr Lee"), make("Ana")
    enrol(make("Ben").public, ["quality manager"], [lee, cho])
    with pytest.raises(GateError, match="1 in force other than its owner"):
        enrol(again.public, ["chair"], [lee, cho])
    with pytest.raises(GateError, match="nobody enrolled"):
        enrol(ana.public, ["quality manager"], [lee, again])


def test_a_revoked_key_signs_no_more_and_does_not_come_back(ring, make):
    lee, cho = ring
    ana, ben = make("Ana"), make("Ben")
    enrol(ana.public, ["ai lead"], [lee, cho])
    revoke(ana.public.key_id, "left the trust", [lee, cho])
    assert set(people()) == {"Dr Lee", "Dr Cho"}
    with pytest.raises(GateError, match="signed by 1 in force"):
        enrol(ben.public, ["quality manager"], [lee, ana])
    with pytest.raises(GateError, match="no key in force has this id"):
        revoke(ana.public.key_id, "again", [lee, cho])
    with pytest.raises(GateError, match="is or was in the ring"):
        enrol(ana.public, ["ai lead"], [lee, cho])
    member = next(m for m in read_keyring().members if m.key.person == "Ana")
    assert member.in_force(member.since)
    assert not member.in_force(member.until)


def test_nothing_is_decided_between_the_count_and_the_revocation(ring, make, monkeypatch):
    lee, cho = ring
    enrol(make("Ana").public, ["ai lead"], [lee, cho])
    monkeypatch.setattr(ledger, "LOCK_SECONDS", 0.1)
    told, seal = [], keyring.seal

    def meanwhile(*said):
        for book in (ledger.DECISIONS, ledger.CONDITIONS):
            with pytest.raises(LedgerError) as caught:
                ledger.append(lambda earlier: {"id": "DEC-2026-0001"}, book)
            told.append(caught.value.what)
        return seal(*said)

    monkeypatch.setattr(keyring, "seal", meanwhile)
    revoke(cho.public.key_id, "lost", [lee, cho])
    assert told == ["another program has held the ledger for 0 s"] * 2
    assert ledger.read_all() == []
    assert set(people()) == {"Dr Lee", "Ana"}


def test_a_ring_that_one_lost_key_would_end_says_so(ring, make):
    lee, cho = ring
    at = read_keyring().members[0].since
    assert read_keyring().warnings(at) == [
        "2 people are in force and each change takes 2: one lost key, and nobody can be enrolled "
        "or revoked; enrol a third"
    ]
    with pytest.raises(GateError, match="nobody could be enrolled after it"):
        revoke(cho.public.key_id, "lost", [lee, cho])
    enrol(make("Ana").public, ["ai lead"], [lee, cho])
    assert read_keyring().warnings("9999") == []
    assert Keyring((), ()).warnings(at) == []


def test_a_revocation_of_an_older_program_that_left_one_person_stands(ring):
    lee, cho = ring
    statement = {"event": "revoke", "key_id": cho.public.key_id, "reason": "lost", "nonce": "1",
                 "decisions": 0}  # fmt: skip
    envelope = seal(statement, KEYRING_TYPE, [lee, cho])
    at = datetime.now(UTC).isoformat(timespec="microseconds")
    ledger.append(lambda earlier: {"at": at, "envelope": envelope}, KEYS)
    assert read_keyring().faults == ()
    assert set(people()) == {"Dr Lee"}


@pytest.mark.parametrize("payload", [{}, {"event": "enrol"}, {"event": "revoke"}])
def test_a_line_that_is_no_event_is_told(ring, payload):
    lee, cho = ring
    envelope = seal(payload, KEYRING_TYPE, [lee, cho])
    at = datetime.now(UTC).isoformat(timespec="microseconds")
    ledger.append(lambda earlier: {"at": at, "envelope": envelope}, KEYS)
    assert read_keyring().faults == ("event 2: it does not read as an event",)
    assert len(people()) == 2


def test_a_ring_is_read_anew_when_any_line_of_its_book_has_changed(ring, make):
    lee, cho = ring
    for name in ("Ana", "Ben"):
        enrol(make(name).public, ["ai lead"], [lee, cho])
    assert len(read_keyring().members) == 4
    path = ledger.book_path(KEYS)
    first, second, last = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second.replace(b'"sig":"', b'"sig":"00') + last)
    assert len(read_keyring().members) == 3
    assert len(read_keyring().faults) == 1


def test_a_revocation_needs_two_and_a_reason(ring, make):
    lee, cho = ring
    enrol(make("Ana").public, ["ai lead"], [lee, cho])
    with pytest.raises(GateError, match="2 are needed"):
        revoke(cho.public.key_id, "lost", [lee])
    with pytest.raises(GateError, match="needs a reason"):
        revoke(cho.public.key_id, " ", [lee, cho])


def test_an_event_cannot_be_played_again(ring, make):
    lee, cho = ring
    ana = make("Ana")
    enrol(ana.public, ["ai lead"], [lee, cho])
    revoke(ana.public.key_id, "left", [lee, cho])
    old = ledger.read_all(KEYS)[2]
    ledger.append(lambda earlier: {"at": old["at"], "envelope": old["envelope"]}, KEYS)
    ring_now = read_keyring()
    assert ring_now.faults == ("event 4: this event was recorded before",)


def test_a_forged_event_is_left_out_and_told(ring, make):
    lee, cho = ring
    eve = make("Eve")
    enrol(make("Ana").public, ["ai lead"], [lee, cho])
    entry = {"key_id": eve.public.key_id, "person": "Eve", "public": eve.public.public,
             "roles": ["chair"]}  # fmt: skip
    forged = seal({"event": "enrol", "members": [entry], "nonce": "1"}, KEYRING_TYPE, [lee])
    ledger.append(lambda earlier: {"at": "2027", "envelope": forged}, KEYS)
    (fault,) = read_keyring().faults
    assert "signed by 1 in force other than its owner; 2 are needed" in fault
    assert "Eve" not in people()
    assert eve.public.key_id not in {k.key_id for k in read_keyring().public_keys()}


def test_demo_keys_hold_for_the_demo_alone(make):
    demo = [(make(f"Demo {x}", is_demo=True), ["chair"]) for x in "AB"]
    with pytest.raises(GateError, match="holds for the demo alone"):
        found(demo)
    found(demo, DEMO_KEYS)
    with pytest.raises(GateError, match="holds for the demo alone"):
        enrol(make("Dr Lee").public, ["chair"], [p for p, _ in demo], DEMO_KEYS)
    assert read_keyring(KEYS).members == ()
    assert len(read_keyring(DEMO_KEYS).members) == 2


def test_a_key_without_a_role_is_refused(make):
    with pytest.raises(GateError, match="Ana has no role"):
        found([(make("Ana"), []), (make("Ben"), ["quality manager"])])


@pytest.mark.parametrize(
    "name", ["dr lee", "Dr  Lee", "Dr Lee.", "Dr\u00a0Lee", "Dr L\u0435\u0435", "Ｄｒ Lee"]
)
def test_one_person_under_two_spellings_founds_no_ring(home, make, name):
    with pytest.raises(GateError, match="2 different people"):
        found([(make("Dr Lee"), ["chair"]), (make(name), ["cso"])])


def test_one_key_under_two_names_founds_no_ring(home, make):
    lee = make("Dr Lee")
    other = KeyPair(replace(lee.public, person="Dr Somebody"), lee.signer)
    with pytest.raises(GateError, match="one key stands in the founding under two names"):
        found([(lee, ["chair"]), (other, ["cso"])])


def test_a_role_that_the_lifecycle_does_not_know_is_told_with_the_nearest(home, make):
    with pytest.raises(ConfigError, match="did you mean 'chair'"):
        found([(make("Dr Lee"), ["chiar"]), (make("Dr Cho"), ["cso"])])


def test_a_key_of_the_demo_joins_no_other_ring_though_its_file_says_so(demo_ring, ring):
    key = replace(demo_ring["chair"].public, is_demo=False)
    with pytest.raises(GateError, match="is in the ring 'demo_keys'"):
        enrol(key, ["chair"], list(ring[:2]))


def test_a_revocation_names_under_its_signatures_how_many_decisions_there_were(ring, make):
    pair = make("Ana")
    enrol(pair.public, ["ai lead"], list(ring))
    after = revoke(pair.public.key_id, "lost", list(ring[:2]))
    [gone] = [m for m in after.members if m.key.key_id == pair.public.key_id]
    assert gone.decisions == 0


def founded(*entries, signers, key_ids=()):
    """Write a founding into the book as somebody would who does not ask `found`."""
    envelope = seal({"event": "found", "members": entries, "nonce": "1"}, KEYRING_TYPE, signers)
    for signature, key_id in zip(envelope["signatures"], key_ids, strict=False):
        signature["keyid"] = key_id
    ledger.append(lambda earlier: {"at": "2026-11-22", "envelope": envelope}, KEYS)
    return read_keyring()


def entry(pair, **changes):
    told = {"key_id": pair.public.key_id, "person": pair.public.person,
            "public": pair.public.public, "roles": ["chair"]}  # fmt: skip
    return {**told, **changes}


def test_a_ring_that_one_person_wrote_into_the_book_is_none(new_key):
    pairs = [new_key("Eve"), new_key("Eve")]
    ring = founded(*map(entry, pairs), signers=pairs)
    assert ring.members == ()
    assert ring.faults == ("event 1: founded by fewer than 2 different people",)


def test_a_founder_whose_id_is_not_that_of_the_key_is_none(new_key):
    pairs = [new_key("Eve"), new_key("Mallory")]
    named = ["0" * 64, "1" * 64]
    entries = [entry(pair, key_id=name) for pair, name in zip(pairs, named, strict=True)]
    ring = founded(*entries, signers=pairs, key_ids=named)
    assert ring.members == ()
    assert ring.faults


@pytest.mark.parametrize("slug", ["demography-mri", "demo", "demonstrator"])
def test_keys_of_the_demo_hold_for_no_case_that_only_sounds_like_it(slug):
    assert book_of(slug) == KEYS
