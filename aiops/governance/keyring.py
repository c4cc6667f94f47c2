"""Who may sign: enrolments and revocations of keys, each an event in the ledger signed by two.

The first event founds the ring: it names two people or more, and all of them sign it. Every later
one is signed by two others who are in force. Keys of the demo stand in a book of their own and
hold for the demo's use cases alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiops.errors import GateError, LedgerError
from aiops.governance import ledger
from aiops.governance.keys import KeyPair, PublicKey, key_id_of
from aiops.governance.lifecycle import read_lifecycle
from aiops.governance.people import require_name, same_person_key
from aiops.governance.signing import KEYRING_TYPE, Envelope, check, seal
from aiops.lookup import pick

KEYS, DEMO_KEYS = "keys", "demo_keys"
SIGNERS = 2
"""Different people whose signatures an event needs."""


@dataclass(frozen=True)
class Member:
    """A key in the ring: whose, in which roles, from when and until when."""

    key: PublicKey
    roles: tuple[str, ...]
    since: str
    until: str | None = None
    decisions: int | None = None
    """How many decisions there were when it was revoked; None while it is in force."""
    closings: int | None = None
    """How many closings of conditions there were then."""

    def in_force(self, at: str) -> bool:
        """Return whether the key held at a moment, given as ISO time in UTC."""
        return self.since <= at and (self.until is None or at < self.until)


@dataclass(frozen=True)
class Keyring:
    """All keys that were ever enrolled, and what is wrong with the events that say so."""

    members: tuple[Member, ...]
    faults: tuple[str, ...]

    def in_force(self, at: str) -> list[Member]:
        """Return the members that held at a moment."""
        return [member for member in self.members if member.in_force(at)]

    def warnings(self, at: str) -> list[str]:
        """Say what one lost key would do; nothing where no ring was founded."""
        n = _people(member.key.person for member in self.in_force(at))
        if not self.members or n > SIGNERS:
            return []
        return [
            f"{n} people are in force and each change takes {SIGNERS}: one lost key, and nobody "
            "can be enrolled or revoked; enrol a third"
        ]

    def public_keys(self) -> list[PublicKey]:
        """Return every key, in force or not."""
        return [member.key for member in self.members]


def book_of(use_case: str) -> str:
    """Return the book whose keys hold for a use case.

    Examples
    --------
    >>> book_of("demo-wrist-fracture"), book_of("wrist-fracture")
    ('demo_keys', 'keys')
    """
    return DEMO_KEYS if use_case.startswith("demo-") else KEYS


def found(people: Sequence[tuple[KeyPair, Sequence[str]]], book: str = KEYS) -> Keyring:
    """Found the ring with two people or more, who all sign.

    Parameters
    ----------
    people : sequence of (KeyPair, roles)
        Who they are and what they do.
    book : str
        ``keys``, or ``demo_keys``.

    Raises
    ------
    GateError
        If there is a ring already, or fewer than two different people.
    """
    entries = [_entry(pair.public, roles, book) for pair, roles in people]
    if _people(entry["person"] for entry in entries) < SIGNERS:
        raise GateError(
            f"a ring is founded by {SIGNERS} different people",
            where="keys found",
            fix="name a key for each of them",
        )
    statement = {"event": "found", "members": entries, "nonce": uuid4().hex}
    envelope = seal(statement, KEYRING_TYPE, [pair for pair, _ in people])
    return _record(envelope, book)


def enrol(
    key: PublicKey, roles: Sequence[str], signers: Sequence[KeyPair], book: str = KEYS
) -> Keyring:
    """Take a key into the ring; two members other than its owner sign.

    Raises
    ------
    GateError
        If too few different members sign, or the key is in the ring.
    """
    entry = _entry(key, roles, book)
    return _record(seal({"event": "enrol", "members": [entry], "nonce": uuid4().hex},
                        KEYRING_TYPE, signers), book)  # fmt: skip


def revoke(key_id: str, reason: str, signers: Sequence[KeyPair], book: str = KEYS) -> Keyring:
    """Take a key out of force from now on; two different members sign.

    Raises
    ------
    GateError
        If too few different members sign, or no key in force has this id.
    """
    if not reason.strip():
        raise GateError("a revocation needs a reason", where="keys revoke", fix="say why")
    _require_enough_left(key_id, book)
    with ledger.held(ledger.DECISIONS), ledger.held(ledger.CONDITIONS):
        # Signed with it: how many decisions and closings there were. What the key signs beyond
        # that does not hold, whatever day it bears.
        statement = {"event": "revoke", "key_id": key_id, "reason": reason, "nonce": uuid4().hex,
                     "decisions": len(ledger.read_all(ledger.DECISIONS)),
                     "closings": len(ledger.read_all(ledger.CONDITIONS))}  # fmt: skip
        return _record(seal(statement, KEYRING_TYPE, signers), book)


def _require_enough_left(key_id: str, book: str) -> None:
    force = read_keyring(book).in_force(datetime.now(UTC).isoformat(timespec="microseconds"))
    left = _people(m.key.person for m in force if m.key.key_id != key_id)
    if any(m.key.key_id == key_id for m in force) and left < SIGNERS:
        raise GateError(
            "nobody could be enrolled after it",
            where=f"{book}: revoke {key_id[:16]}",
            fix="enrol another person first: aiops keys enrol",
        )


def read_keyring(book: str = KEYS) -> Keyring:
    """Fold the events of a book; one that does not hold is left out and told as a fault."""
    lines, path = ledger.read_lines(book), ledger.book_path(book)
    state = tuple(line.sha256 for line in lines)
    known = _FOLDED.get(path)
    if known is None or known[0] != state:
        known = _FOLDED[path] = (state, _folded([line.record for line in lines], book))
    return known[1]


_FOLDED: dict[Path, tuple[tuple[str, ...], Keyring]] = {}
"""Each ring as it was read last: its signatures are checked again when its book has changed."""


def fold(events: Sequence[ledger.Record], book: str = KEYS) -> Keyring:
    """Fold events that were read elsewhere, such as from a bundle."""
    return _folded(events, book)


def _entry(key: PublicKey, roles: Sequence[str], book: str) -> dict[str, Any]:
    where = f"key {key.key_id[:16]}"
    person = require_name(key.person, where=where)
    if not roles or not all(role.strip() for role in roles):
        raise GateError(f"{person} has no role", where="keys", fix="name at least one role")
    for role in roles:
        pick(read_lifecycle().roles, role, where=f"{where}: role")
    other = KEYS if book == DEMO_KEYS else DEMO_KEYS
    if key.key_id in {known.key_id for known in read_keyring(other).public_keys()}:
        raise GateError(
            f"the key of {person} is in the ring '{other}'",
            where=where,
            fix="make a key: aiops keys new --person NAME",
        )
    if key.is_demo != (book == DEMO_KEYS):
        raise GateError(
            "a demo's key holds for the demo alone, and a person's key not for it",
            where=where,
            fix="make a key: aiops keys new --person NAME",
        )
    return {"key_id": key.key_id, "person": person, "public": key.public,
            "roles": sorted(set(roles))}  # fmt: skip


def _record(envelope: Envelope, book: str) -> Keyring:
    def next_event(earlier: list[ledger.Record]) -> ledger.Record:
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        event = {"at": now, "envelope": envelope}
        _, fault = _applied(
            _folded(earlier, book).members, event, book, {_nonce(e) for e in earlier}
        )
        if fault:
            raise GateError(
                fault,
                where=f"{book}: {len(earlier) + 1}. event",
                fix="see who may sign: aiops keys list; two of them sign each change",
            )
        return event

    ledger.append(next_event, book)
    return read_keyring(book)


def _folded(events: Sequence[ledger.Record], book: str) -> Keyring:
    members: tuple[Member, ...] = ()
    faults, seen = [], set[str]()
    for number, event in enumerate(events, start=1):
        try:
            after, fault = _applied(members, event, book, seen)
        except (AttributeError, KeyError, TypeError, ValueError):
            after, fault = members, "it does not read as an event"
        if fault:
            faults.append(f"event {number}: {fault}")
            continue
        members = after
        seen.add(_nonce(event))
    return Keyring(members, tuple(faults))


def _nonce(event: ledger.Record) -> str:
    """Return what makes an event the only one of its kind: the digest of its payload."""
    return str(event["envelope"]["payload"])


def _applied(
    members: tuple[Member, ...], event: ledger.Record, book: str, seen: set[str]
) -> tuple[tuple[Member, ...], str]:
    """Return the ring after an event, and why the event does not hold."""
    at = str(event["at"])
    try:
        told = check(event["envelope"], KEYRING_TYPE, _known(members, event))
    except LedgerError as fault:
        return members, fault.what
    if _nonce(event) in seen:
        return members, "this event was recorded before"
    statement = told.statement
    if statement["event"] == "found" and members:
        return members, "the ring is founded already"
    if told.faults:
        return members, "; ".join(told.faults)
    if statement["event"] == "found":
        return _founded(members, statement, told.signed_by, at, book)
    force = {m.key.key_id: m for m in members if m.in_force(at)}
    signers = [key.person for key in told.signed_by if key.key_id in force]
    if statement["event"] == "revoke":
        if statement["key_id"] not in force:
            return members, "no key in force has this id"
        if (n := _people(signers)) < SIGNERS:
            return members, f"signed by {n} of those in force; {SIGNERS} are needed"
        counts = statement.get("decisions"), statement.get("closings")
        return tuple(
            Member(m.key, m.roles, m.since, at, *counts)
            if m.key.key_id == statement["key_id"] and m.in_force(at)
            else m
            for m in members
        ), ""
    new = [_member(entry, at, book) for entry in statement["members"]]
    owners = {same_person_key(m.key.person) for m in new}
    n = _people(name for name in signers if same_person_key(name) not in owners)
    if n < SIGNERS:
        return members, f"signed by {n} in force other than its owner; {SIGNERS} are needed"
    if {m.key.key_id for m in new} & {m.key.key_id for m in members}:
        return members, "this key is or was in the ring"
    return (*members, *new), ""


def _founded(
    members: tuple[Member, ...],
    statement: dict[str, Any],
    signed_by: tuple[PublicKey, ...],
    at: str,
    book: str,
) -> tuple[tuple[Member, ...], str]:
    new = tuple(_member(entry, at, book) for entry in statement["members"])
    if {m.key.key_id for m in new} != {key.key_id for key in signed_by}:
        return members, "not everybody whom the founding names has signed it"
    if len({m.key.key_id for m in new}) < len(new):
        return members, "one key stands in the founding under two names"
    if _people(m.key.person for m in new) < SIGNERS:
        return members, f"founded by fewer than {SIGNERS} different people"
    return new, ""


def _people(names: Iterable[str]) -> int:
    """Return how many different people some names are of."""
    return len({same_person_key(name) for name in names})


def _member(entry: dict[str, Any], at: str, book: str) -> Member:
    public = PublicKey(entry["key_id"], entry["person"], entry["public"], book == DEMO_KEYS)
    return Member(public, tuple(entry["roles"]), at)


def _known(members: tuple[Member, ...], event: ledger.Record) -> list[PublicKey]:
    """Return the keys whose signatures an event can be checked by: the ring's, or its founders'."""
    if members:
        return [member.key for member in members]
    import base64
    import json

    try:
        entries = json.loads(base64.b64decode(event["envelope"]["payload"])).get("members", [])
        keys = [PublicKey(e["key_id"], e["person"], e["public"]) for e in entries]
        return [key for key in keys if key_id_of(key.public) == key.key_id]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []
