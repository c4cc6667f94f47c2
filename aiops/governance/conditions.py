"""Conditions of approvals: what somebody must bring, and whether it was brought.

A decision is never rewritten. That a condition was met, or given up, is an event of its own in the
book ``conditions``, with the SHA-256 of what was brought.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from aiops.config import Config
from aiops.errors import ConfigError, GateError
from aiops.governance import ledger
from aiops.lookup import pick
from aiops.provenance import content_hash

if TYPE_CHECKING:
    from aiops.governance.usecase import UseCase

Event = Literal["met", "lapse"]


class Standing(Config):
    """A condition of an approval in force, and where it stands today."""

    id: str
    decision: str
    item: str
    text: str
    owner: str
    due: date
    status: Literal["open", "met", "lapsed"]
    closed_by: str = ""
    closed_at: str = ""
    evidence_sha256: str = ""

    @property
    def is_overdue(self) -> bool:
        """Whether it was given up, or its day has gone by."""
        return self.status == "lapsed" or (self.status == "open" and self.due < date.today())


def standing_of(
    approvals: Sequence[Mapping[str, Any]], events: Sequence[Mapping[str, Any]]
) -> tuple[Standing, ...]:
    """Return the conditions that stand: those of the last approval at each step.

    Parameters
    ----------
    approvals : sequence of dict
        Approvals of a case, the oldest first.
    events : sequence of dict
        Events of the book ``conditions`` on the case.
    """
    # A later approval of the same step answers the items of the earlier one anew.
    last = {record.get("gate_step") or record["gate"]: record for record in approvals}
    closed = {(e["decision"], e["condition"]): e for e in events}
    found = []
    for record in last.values():
        for told in record["conditions"]:
            event = closed.get((record["id"], told["id"]), {})
            word = {"met": "met", "lapse": "lapsed"}.get(event.get("event", ""), told["status"])
            found.append(
                Standing.model_validate(
                    {
                        **{key: told[key] for key in ("item", "text", "owner", "due")},
                        "id": told["id"] if len(last) == 1 else f"{record['id']}/{told['id']}",
                        "decision": record["id"],
                        "status": word,
                        "closed_by": event.get("by", ""),
                        "closed_at": event.get("at", ""),
                        "evidence_sha256": event.get("evidence_sha256", ""),
                    }
                )
            )
    return tuple(found)


def close(
    event: Event, use_case: str, condition: str, *, by: str, evidence: Path | None = None
) -> "UseCase":
    """Record that a condition was met, with what was brought, or that it was given up.

    Parameters
    ----------
    event : str
        met or lapse.
    use_case : str
        Slug or number.
    condition : str
        Its number, C1; with its decision (DEC-2026-0001/C1) where two have one number.
    by : str
        Who says so.
    evidence : Path, optional
        The file that was brought; its SHA-256 and name are kept.

    Raises
    ------
    GateError
        If it was closed before, or what was brought is missing.
    ConfigError
        If there is no such condition, or nobody is named.
    """
    from aiops.governance.usecase import find

    case = find(use_case)
    if not by.strip():
        raise ConfigError("somebody says so", where=f"condition {event}", fix="add --by NAME")
    known = {c.id: c for c in case.conditions}
    known |= {f"{c.decision}/{c.id}": c for c in case.conditions if "/" not in c.id}
    if not known:
        raise ConfigError(
            f"{case.id} {case.slug} has no conditions",
            where=f"condition {event}",
            fix=f"see where it stands: aiops usecase show {case.slug}",
        )
    told = pick(known, condition, where=f"condition {event} {case.slug}")
    if event == "met" and evidence is None:
        raise GateError(
            f"{told.id} asks for something to be brought: {told.text}",
            where=f"condition met {case.slug} {told.id}",
            fix="name the file: --evidence FILE",
        )
    entry = {
        "event": event,
        "case_id": case.id,
        "decision": told.decision,
        "condition": told.id.rpartition("/")[2],
        "evidence": evidence.name if evidence else "",
        "evidence_sha256": content_hash(evidence) if evidence else "",
        "by": by.strip(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }

    def next_event(earlier: list[ledger.Record]) -> ledger.Record:
        same = [e for e in earlier if all(e[k] == entry[k] for k in ("decision", "condition"))]
        if any(e["event"] == "met" for e in same) or (same and event == "lapse"):
            raise GateError(
                f"{told.id} of {told.decision} is closed: {same[-1]['event']}, "
                f"{same[-1]['at'][:10]}, by {same[-1]['by']}",
                where=f"condition {event} {case.slug} {told.id}",
                fix="nothing to do; a new approval asks anew",
            )
        return entry

    ledger.append(next_event, ledger.CONDITIONS)
    return find(case.id)
