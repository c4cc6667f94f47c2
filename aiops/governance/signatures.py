"""Whether the signatures on a decision count: whose they are, in which roles, who is missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiops.errors import GateError
from aiops.governance.dissents import kept_at
from aiops.governance.keyring import DEMO_KEYS, KEYS, Keyring, Member, book_of, read_keyring
from aiops.governance.keys import PublicKey
from aiops.governance.lifecycle import APPROVALS, Grade, Needed, suffices
from aiops.governance.people import is_same, named_twice
from aiops.governance.record import SignedBy, SignedDissent
from aiops.governance.signing import DECISION_TYPE, Envelope, check
from aiops.provenance import json_hash

DISSENT_TYPE = "application/vnd.aiops.dissent+json"


@dataclass(frozen=True)
class Vouched:
    """How a decision is vouched for."""

    grade: Grade
    signed_by: tuple[SignedBy, ...] = ()
    dissent: tuple[SignedDissent, ...] = ()


def vouch(
    statement: Mapping[str, Any],
    envelope: Envelope | None,
    dissents: Sequence[Envelope],
    needed: Needed,
    *,
    at: str,
    ring: Keyring | None = None,
) -> Vouched:
    """Return the grade of a decision, and who signed it in which role.

    Parameters
    ----------
    statement : mapping
        What is decided.
    envelope : dict, optional
        The statement as it was signed; none when nobody signed.
    dissents : sequence of dict
        Signed dissents.
    needed : Needed
        Roles, how many of them, and the grade that suffices.
    at : str
        The moment, in UTC, at which the keys must be in force.
    ring : Keyring, optional
        Keys that are known from elsewhere; the ring of the ledger here when not given.

    Raises
    ------
    GateError
        If a signature does not count, somebody signs who may not, or somebody is missing.
    """
    where = f"decide {statement['outcome']} {statement['use_case']}"
    book = book_of(str(statement["use_case"]))
    keys = read_keyring(book) if ring is None else ring
    against = _dissents(statement, dissents, keys, at, where, is_here=ring is None)
    members = _signers(statement, envelope, keys, at, where) if envelope else []
    _require_apart(statement, members, against, needed, where)
    roles = assign([m.roles for m in members], needed.roles)
    filled = [role for role in roles if role]
    signed_by = tuple(
        SignedBy(person=m.key.person, role=role or m.roles[0], key_id=m.key.key_id)
        for m, role in zip(members, roles, strict=True)
    )
    grade: Grade = "recorded"
    if members and len(filled) >= needed.signatures:
        grade = "signed"
    elif statement["minutes_sha256"] or statement["attested_by"]:
        _require_minutes(statement, needed, where)
        grade = "attested"
    elif members:
        raise _missing(statement, needed, filled, where)
    if grade == "recorded" and _is_own_approval(statement):
        raise GateError(
            f"{statement['author']} wrote this proposal and cannot approve it",
            where=where,
            fix="let somebody else decide: --by NAME",
        )
    if not suffices(grade, needed.grade):
        raise _too_weak(statement, needed, grade, where)
    return Vouched(grade, signed_by, against)


def assign(held: Sequence[Sequence[str]], wanted: Sequence[str]) -> list[str]:
    """Give as many wanted roles as can be to people, one each; an empty text is none.

    Parameters
    ----------
    held : sequence of sequence of str
        Roles of each person.
    wanted : sequence of str
        Roles to be filled.

    Examples
    --------
    >>> assign([["chair", "cso"], ["chair"]], ["chair", "cso"])
    ['cso', 'chair']
    """
    owner: dict[str, int] = {}

    def find(person: int, tried: set[str]) -> bool:
        for role in wanted:
            if role in held[person] and role not in tried:
                tried.add(role)
                if role not in owner or find(owner[role], tried):
                    owner[role] = person
                    return True
        return False

    for person in range(len(held)):
        find(person, set())
    return [next((r for r, p in owner.items() if p == person), "") for person in range(len(held))]


def dissent_statement(statement: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return what somebody signs who does not agree."""
    return {"dissent_from": json_hash(dict(statement)), "text": text.strip()}


def _signers(
    statement: Mapping[str, Any], envelope: Envelope, ring: Keyring, at: str, where: str
) -> list[Member]:
    """Return who signed, after a look at every signature."""
    told = check(envelope, DECISION_TYPE, ring.public_keys())
    if told.statement != statement:
        raise GateError(
            "what was signed is not what shall be recorded",
            where=where,
            fix="draft it again, and let each sign what it says now",
        )
    faults = [*told.faults, *ring.faults]
    _refuse_demo_keys(envelope, book_of(str(statement["use_case"])), where)
    if faults:
        raise GateError("; ".join(faults), where=where, fix="see who may sign: aiops keys list")
    return [_in_force(key, ring.in_force(at), where) for key in told.signed_by]


def _in_force(key: PublicKey, members: Sequence[Member], where: str) -> Member:
    for member in members:
        if member.key.key_id == key.key_id:
            return member
    raise GateError(
        f"the key of {key.person} is not in force",
        where=where,
        fix="sign with a key that is: aiops keys list",
    )


def _refuse_demo_keys(envelope: Envelope, book: str, where: str) -> None:
    if book == DEMO_KEYS:
        people = {key.key_id: key.person for key in read_keyring(KEYS).public_keys()}
        if used := [people[s["keyid"]] for s in envelope["signatures"] if s["keyid"] in people]:
            raise GateError(
                f"the demo's use cases take the demo's keys alone, not that of {', '.join(used)}",
                where=where,
                fix="practise on a case of your own: aiops usecase submit SLUG --title TITLE",
            )
        return
    demo = {key.key_id: key.person for key in read_keyring(DEMO_KEYS).public_keys()}
    used = [demo[s["keyid"]] for s in envelope.get("signatures", []) if s["keyid"] in demo]
    if used:
        raise GateError(
            f"a demo's key ({', '.join(used)}) signs nothing but the demo's use cases",
            where=where,
            fix="make a key of your own: aiops keys new --person NAME",
        )


def _require_apart(
    statement: Mapping[str, Any],
    members: Sequence[Member],
    against: Sequence[SignedDissent],
    needed: Needed,
    where: str,
) -> None:
    people = [member.key.person for member in members]
    if twice := named_twice(people):
        raise GateError(
            f"{', '.join(twice)} signed twice: one person fills one role",
            where=where,
            fix="let another person sign",
        )
    author = str(statement["author"])
    if members and not author and not needed.author_may_sign:
        raise GateError(
            "a signed decision names who wrote it: nobody approves what they wrote themselves",
            where=where,
            fix="add --author NAME",
        )
    if not needed.author_may_sign and any(is_same(author, person) for person in people):
        raise GateError(
            f"{author} wrote this proposal and cannot sign it",
            where=where,
            fix="let somebody else sign, or somebody else write it",
        )
    both = [d.person for d in against if any(is_same(d.person, person) for person in people)]
    if both:
        raise GateError(
            f"{', '.join(both)} signed for it and against it", where=where, fix="sign one of them"
        )


def _is_own_approval(statement: Mapping[str, Any]) -> bool:
    is_own = is_same(str(statement["author"]), str(statement["made_by"]))
    return is_own and not statement["made_by_program"] and statement["outcome"] in APPROVALS


def _require_minutes(statement: Mapping[str, Any], needed: Needed, where: str) -> None:
    """Hold an attestation to its form: a secretary, the minutes, who was there in which role."""
    if not statement["minutes_sha256"] or not statement["attested_by"]:
        raise GateError(
            "an attested decision needs the secretary's name and the signed minutes",
            where=where,
            fix="add --attested-by NAME --minutes FILE",
        )
    secretary, author = str(statement["attested_by"]), str(statement["author"])
    if is_same(secretary, author):
        raise GateError(
            f"{author} wrote this proposal and cannot attest that others decided it",
            where=where,
            fix="let somebody else record it: --attested-by NAME",
        )
    if statement["outcome"] in APPROVALS and not author.strip():
        raise GateError(
            "an attested approval names who wrote it: nobody approves what they wrote themselves",
            where=where,
            fix="add --author NAME",
        )
    told = [pair for text in statement["attendees"] if (pair := _present(text))]
    if twice := named_twice(name for name, _ in told):
        raise GateError(
            f"{', '.join(twice)} stands twice among those present: one person fills one role",
            where=where,
            fix='name each once: --present "NAME: ROLE, ROLE"',
        )
    held = [roles for name, roles in told if not is_same(name, author) or needed.author_may_sign]
    filled = [role for role in assign(held, needed.roles) if role]
    if len(filled) < needed.signatures:
        lacking = [role for role in needed.roles if role not in filled]
        raise GateError(
            f"the minutes name nobody as {', '.join(lacking)}",
            where=where,
            fix='add --present "NAME: ROLE" for each who signed them; the author does not count',
        )


def _present(text: str) -> tuple[str, list[str]] | None:
    """Read ``NAME: role, role``; a name alone has no role."""
    name, colon, roles = text.partition(":")
    return (name.strip(), [r.strip() for r in roles.split(",")]) if colon else None


def _dissents(
    statement: Mapping[str, Any],
    dissents: Sequence[Envelope],
    ring: Keyring,
    at: str,
    where: str,
    *,
    is_here: bool,
) -> tuple[SignedDissent, ...]:
    """Return who signed that they do not agree.

    A key that is revoked later does not take back the no that the ledger has. Elsewhere nobody
    knows when the ledger took it in: a key counts there that was ever enrolled before.
    """
    found = []
    for envelope in dissents:
        told = check(envelope, DISSENT_TYPE, ring.public_keys())
        text = str(told.statement.get("text", ""))
        if told.faults or told.statement != dissent_statement(statement, text):
            fault = "; ".join(told.faults) or "a dissent belongs to another decision"
            raise GateError(fault, where=where, fix="sign the dissent again")
        if not told.signed_by:
            raise GateError(
                "nobody signed this dissent", where=where, fix="leave it out, or sign it"
            )
        for key in told.signed_by:
            held = [m for m in ring.members if m.since <= at]
            if is_here:
                held = ring.in_force(kept_at(envelope) or at)
            _in_force(key, held, where)
            found.append(SignedDissent(person=key.person, key_id=key.key_id, text=text))
    return tuple(found)


def _missing(
    statement: Mapping[str, Any], needed: Needed, filled: Sequence[str], where: str
) -> GateError:
    lacking = [role for role in needed.roles if role not in filled]
    count = needed.signatures - len(filled)
    told = ", ".join(lacking) if count == len(lacking) else f"{count} of {', '.join(lacking)}"
    return GateError(
        f"{statement['outcome']} is not signed by: {told}",
        where=where,
        fix="let them sign: aiops sign DRAFT --key KEY",
    )


def _too_weak(statement: Mapping[str, Any], needed: Needed, grade: Grade, where: str) -> GateError:
    step = f" at {statement['gate_step']}" if statement["gate_step"] else ""
    roles = ", ".join(needed.roles)
    count = f"{needed.signatures} of " if needed.signatures < len(needed.roles) else ""
    draft = "write a draft (--draft FILE), let each sign it (aiops sign FILE --key KEY), then "
    fix = draft + "aiops decide --signed FILE"
    if needed.grade == "attested":
        fix += '; or --attested-by NAME --minutes FILE --present "NAME: ROLE"'
    return GateError(
        f"{statement['outcome']}{step} is only {grade}; it must be {needed.grade} by "
        f"{count}{roles}",
        where=where,
        fix=fix,
    )
