"""Closings of conditions: which of them count.

What several people signed is not loosened by a name that somebody types: a condition of a signed
approval is met when one who fills a role of that approval signs so, and not the one who owed it.
That it was given up needs no signature: nothing is released then.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from aiops.errors import AiopsError
from aiops.governance import ledger
from aiops.governance.keyring import book_of, read_keyring
from aiops.governance.keys import KeyPair
from aiops.governance.lawful import needed_by, rules_of
from aiops.governance.people import is_same

CLOSING_TYPE = "application/vnd.aiops.closing+json"

Record = Mapping[str, Any]


def counted(decisions: Iterable[Record]) -> list[ledger.Record]:
    """Return the closings in the ledger that count.

    Parameters
    ----------
    decisions : iterable of mapping
        Every decision.
    """
    known = {record["id"]: record for record in decisions}
    return [
        line.record
        for line in ledger.read_lines(ledger.CONDITIONS)
        if not signature_fault(known.get(line.record["decision"], {}), line)
    ]


def needs_key(decision: Record, event: str) -> bool:
    """Return whether a closing of a decision's condition must be signed."""
    return event == "met" and decision.get("grade") == "signed"


def seal_closing(event: Record, pair: KeyPair) -> ledger.Record:
    """Return what is attached to a closing that somebody signed."""
    from aiops.governance.signing import seal

    return {"envelope": seal(_said(event), CLOSING_TYPE, [pair])}


def signature_fault(decision: Record, line: ledger.Line) -> str:
    """Return why a closing does not count; an empty text where it does.

    Parameters
    ----------
    decision : mapping
        The approval whose condition it closes.
    line : Line
        The closing, with the envelope that is attached to it.
    """
    event = line.record
    if not needs_key(decision, event["event"]):
        return ""
    if "envelope" not in line.attached:
        return f"{decision['id']} was signed, and nobody signed that {event['condition']} is met"
    try:
        return _envelope_fault(decision, event, line.attached["envelope"])
    except AiopsError as fault:
        return fault.what


def _envelope_fault(decision: Record, event: Record, envelope: dict[str, Any]) -> str:
    from aiops.governance.signing import check

    ring = read_keyring(book_of(str(decision["use_case"])))
    told = check(envelope, CLOSING_TYPE, ring.public_keys())
    if told.faults or not told.signed_by:
        return "; ".join(told.faults) or "nobody signed it"
    if told.statement != _said(event):
        return "what was signed is not what the line says"
    [owner] = [c["owner"] for c in decision["conditions"] if c["id"] == event["condition"]] or [""]
    cycle = rules_of(decision)
    roles = needed_by(decision, cycle).roles if cycle is not None else ()
    for key in told.signed_by:
        mine = [m for m in ring.in_force(event["at"]) if m.key.key_id == key.key_id]
        if not mine:
            return f"the key of {key.person} was not in force"
        if not any(role in roles for role in mine[0].roles):
            return f"{key.person} is none of: {', '.join(roles)}"
        if is_same(key.person, str(owner)):
            return f"{key.person} owed it, and cannot say alone that it is met"
        if not is_same(key.person, event["by"]):
            return f"it names {event['by']}, and {key.person} signed it"
    return ""


def _said(event: Record) -> ledger.Record:
    return {name: value for name, value in event.items() if name != "prev_sha256"}
