"""Closings of conditions: which of them count.

What several people signed is not loosened by a name that somebody types: a condition of a signed
approval is met when one who fills a role of that approval signs so, and not the one who owed it.
That it was given up is signed too, by anybody in the ring: nothing is released then.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from aiops.errors import AiopsError
from aiops.governance import ledger
from aiops.governance.keyring import Member, book_of, read_keyring
from aiops.governance.keys import KeyPair
from aiops.governance.lawful import needed_by, rules_of
from aiops.governance.people import is_same, may_be_named

CLOSING_TYPE = "application/vnd.aiops.closing+json"

Record = Mapping[str, Any]


def counted(decisions: Iterable[Record]) -> list[ledger.Record]:
    """Return the closings in the ledger that count, the oldest first.

    One that something was given up has ``seen_by``: the decisions whose proposal knew of it, by the
    last line of this book that it names under its signatures, and not by anybody's clock.

    Parameters
    ----------
    decisions : iterable of mapping
        Every decision.
    """
    known: dict[str, Record] = {}
    for record in decisions:
        known.setdefault(record["id"], record)  # a second one of a number is a forgery
    lines = ledger.read_lines(ledger.CONDITIONS)
    places = {line.sha256: position for position, line in enumerate(lines)}
    saw = {name: places.get(r.get("conditions_head", ""), -1) for name, r in known.items()}
    found = []
    for position, line in enumerate(lines):
        if closing_fault(known.get(line.record.get("decision", ""), {}), line, position):
            continue
        more = {}
        if line.record["event"] == "lapse":
            more = {"seen_by": [name for name, last in saw.items() if last >= position]}
        found.append({**line.record, **more})
    return found


def needs_key(decision: Record) -> bool:
    """Return whether a closing of a decision's condition must be signed."""
    return decision.get("grade") == "signed"


def seal_closing(event: Record, pair: KeyPair) -> ledger.Record:
    """Return what is attached to a closing that somebody signed."""
    from aiops.governance.signing import seal

    return {"envelope": seal(_said(event), CLOSING_TYPE, [pair])}


def closing_fault(decision: Record, line: ledger.Line, position: int) -> str:
    """Return why a closing does not count; an empty text where it does.

    Parameters
    ----------
    decision : mapping
        The approval whose condition it closes; empty where there is none.
    line : Line
        The closing, with the envelope that is attached to it.
    position : int
        How many closings stand before it in the book.
    """
    event = line.record
    if not decision:
        return ""  # told by who looks for the decision
    try:
        if event["case_id"] != decision["case_id"]:
            return f"{decision['id']} is of {decision['case_id']}, not of {event['case_id']}"
        if "envelope" in line.attached:
            return _envelope_fault(decision, event, line.attached["envelope"], position)
        word = {"met": "met", "lapse": "given up"}[event["event"]]
        if needs_key(decision):
            what = event["condition"]
            return f"{decision['id']} was signed, and nobody signed that {what} is {word}"
    except AiopsError as fault:
        return fault.what
    except (AttributeError, KeyError, TypeError, ValueError):
        return "it does not read as a closing"
    return ""


def _envelope_fault(
    decision: Record, event: Record, envelope: dict[str, Any], position: int
) -> str:
    from aiops.governance.signing import check

    ring = read_keyring(book_of(str(decision["use_case"])))
    told = check(envelope, CLOSING_TYPE, ring.public_keys())
    if told.faults or not told.signed_by:
        return "; ".join(told.faults) or "nobody signed it"
    if told.statement != _said(event):
        return "what was signed is not what the line says"
    if event.get("proposal_id", "") != decision.get("proposal_id", ""):
        return f"what was signed is about another {decision['id']}"
    for key in told.signed_by:
        mine = [m for m in ring.in_force(event["at"]) if m.key.key_id == key.key_id]
        if not mine or (mine[0].until is not None and position >= (mine[0].closings or 0)):
            return f"the key of {key.person} was not in force"
        if not is_same(key.person, event["by"]):
            return f"it names {event['by']}, and {key.person} signed it"
        is_asked = event["event"] == "met" and needs_key(decision)
        if is_asked and (fault := _may_not(decision, event, mine[0])):
            return fault
    return ""


def _may_not(decision: Record, event: Record, member: Member) -> str:
    """Return why somebody may not say that a condition is met."""
    cycle, person = rules_of(decision), member.key.person
    if cycle is None:
        return (
            f"the lifecycle that {decision['id']} names is neither today's nor a former one, so "
            "nobody can tell who may say that it is met"
        )
    roles = needed_by(decision, cycle).roles
    if not any(role in roles for role in member.roles):
        return f"{person} is none of: {', '.join(roles)}"
    owners = [str(c["owner"]) for c in decision["conditions"] if c["id"] == event["condition"]]
    if any(may_be_named(one, owner) for one in (person, *member.roles) for owner in owners):
        return f"{person} owed it, and cannot say alone that it is met"
    return ""


def _said(event: Record) -> ledger.Record:
    return {name: value for name, value in event.items() if name != "prev_sha256"}
