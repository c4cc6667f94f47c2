"""Signed dissents: each is a line of the ledger from the moment it is signed.

A draft goes from hand to hand and can be lost, cut or edited. A no that somebody signed is not: it
is attached to the decision when that is recorded, whatever the draft still says.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from aiops.errors import GateError
from aiops.governance import ledger
from aiops.governance.signing import Envelope
from aiops.provenance import json_hash

BOOK = "dissents"


def keep(statement: Mapping[str, Any], envelope: Envelope) -> None:
    """Write a signed dissent from a statement into the ledger.

    Parameters
    ----------
    statement : mapping
        What is not agreed with.
    envelope : dict
        The dissent as it was signed.

    Raises
    ------
    GateError
        If it was recorded already.
    """
    entry = {
        "proposal_id": str(statement["proposal_id"]),
        "use_case": str(statement["use_case"]),
        "dissent_from": json_hash(dict(statement)),
        "envelope": envelope,
        "at": datetime.now(UTC).isoformat(timespec="microseconds"),
    }
    with ledger.held(ledger.DECISIONS):
        require_unrecorded(statement)
        ledger.append(lambda earlier: entry, BOOK)


def require_unrecorded(statement: Mapping[str, Any]) -> None:
    """Refuse to add to a proposal that the ledger has.

    Raises
    ------
    GateError
        If it was recorded already.
    """
    for record in ledger.read_all():
        if record.get("proposal_id") == statement["proposal_id"]:
            raise GateError(
                f"this draft was recorded already, as {record['id']}: nobody can add to it",
                where=f"sign {statement['use_case']}",
                fix="another decision is another draft: aiops decide … --draft FILE",
            )


def of_statement(statement: Mapping[str, Any]) -> list[Envelope]:
    """Return the dissents that were signed from just this statement, the oldest first."""
    digest = json_hash(dict(statement))
    return [e["envelope"] for e in ledger.read_all(BOOK) if e["dissent_from"] == digest]


def kept_at(envelope: Envelope) -> str:
    """Return when a dissent came into the ledger, in UTC; empty where it is not there."""
    times = (entry["at"] for entry in ledger.read_all(BOOK) if entry["envelope"] == envelope)
    return str(next(times, ""))


def require_same_words(statement: Mapping[str, Any]) -> None:
    """Refuse to record a proposal in other words than those that somebody dissented from.

    Raises
    ------
    GateError
        If a dissent from this proposal is of another statement.
    """
    digest = json_hash(dict(statement))
    for entry in ledger.read_all(BOOK):
        if entry["proposal_id"] == statement["proposal_id"] and entry["dissent_from"] != digest:
            raise GateError(
                "somebody signed that they do not agree with this proposal in other words",
                where=f"decide {statement['outcome']} {statement['use_case']}",
                fix="record the draft as it was when they signed, or draft it anew for all to sign",
            )


def lost(lines: list[ledger.Line]) -> list[str]:
    """Return a sentence for each signed dissent that a recorded decision does not carry.

    Parameters
    ----------
    lines : list of Line
        The decisions.
    """
    by_proposal = {str(line.record.get("proposal_id", "")): line for line in lines}
    told = []
    for entry in ledger.read_all(BOOK):
        line = by_proposal.get(str(entry["proposal_id"]))
        if line is not None and entry["envelope"] not in line.attached.get("dissents", []):
            told.append(f"{line.record['id']} leaves out a dissent that was signed {entry['at']}")
    return told
