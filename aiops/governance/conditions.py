"""Conditions of approvals: what somebody must bring, and whether it was brought.

A decision is never rewritten. That a condition was met, or given up, is an event of its own in the
book ``conditions``, with the SHA-256 of what was brought, whose bytes are kept like a paper's. Both
are final: only a new approval asks anew.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from aiops.config import Config
from aiops.errors import ConfigError, GateError
from aiops.governance import ledger
from aiops.governance.closings import closing_fault, counted, needs_key, seal_closing
from aiops.governance.lifecycle import suffices
from aiops.lookup import pick

if TYPE_CHECKING:
    from aiops.governance.keys import KeyPair
    from aiops.governance.usecase import UseCase

Event = Literal["met", "lapse"]

GENERAL = "general"
"""A condition that belongs to no item of the gate."""
ITSELF = "conditions_kept"
"""The check that no condition is open: asked of one hung on it, that one would be open for ever."""
ANSWERED = re.compile(r"the check `(\w+)` answered again")
"""What a decision says of a condition that the gate itself can be asked about."""


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

    @property
    def word(self) -> str:
        """Where it stands, in a word: open, overdue, met or given up."""
        if self.status == "lapsed":
            return "given up"
        return "overdue" if self.is_overdue else self.status


def standing_of(
    approvals: Sequence[Mapping[str, Any]], events: Sequence[Mapping[str, Any]]
) -> tuple[Standing, ...]:
    """Return the conditions that stand: an approval anew does not make one go away.

    A condition ends with a later approval at the same step that answers its item: with a pass, or
    with a condition of its own. One that belongs to no item (``general``) stands until it is met
    or given up. What was given up ends with a later approval, of no weaker grade, whose proposal
    knew of it.

    Parameters
    ----------
    approvals : sequence of dict
        Approvals of a case, the oldest first.
    events : sequence of dict
        Events of the book ``conditions`` on the case, as `closings.counted` returns them.
    """
    closed: dict[tuple[str, str], Mapping[str, Any]] = {}
    for e in events:
        closed.setdefault((e["decision"], e["condition"]), e)  # a closing is final
    kept = [
        (record, told)
        for position, record in enumerate(approvals)
        for told in record["conditions"]
        if not _is_answered(told["item"], _step(record), approvals[position + 1 :])
        and not _is_known(closed.get((record["id"], told["id"])), record, approvals[position + 1 :])
    ]
    is_one = len({record["id"] for record, _ in kept}) <= 1
    found = []
    for record, told in kept:
        event = closed.get((record["id"], told["id"]), {})
        word = {"met": "met", "lapse": "lapsed"}.get(event.get("event", ""), told["status"])
        found.append(
            Standing.model_validate(
                {
                    **{key: told[key] for key in ("item", "text", "owner", "due")},
                    "id": told["id"] if is_one else f"{record['id']}/{told['id']}",
                    "decision": record["id"],
                    "status": word,
                    "closed_by": event.get("by", ""),
                    "closed_at": event.get("at", ""),
                    "evidence_sha256": event.get("evidence_sha256", ""),
                }
            )
        )
    return tuple(found)


def _step(record: Mapping[str, Any]) -> str:
    return str(record.get("gate_step") or record["gate"])


def _is_answered(item: str, step: str, later: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a later approval at the step answers an item anew."""
    return any(
        any(e["item_id"] == item and e["passed"] for e in record["evidence"])
        or (item != GENERAL and item in {c["item"] for c in record["conditions"]})
        for record in later
        if _step(record) == step
    )


def _is_known(
    event: Mapping[str, Any] | None, record: Mapping[str, Any], later: Sequence[Mapping[str, Any]]
) -> bool:
    """Return whether a later approval, no weaker in grade, knew that this was given up."""
    if event is None or event["event"] != "lapse":
        return False
    seen_by = event.get("seen_by", ())
    return any(r["id"] in seen_by and suffices(r["grade"], record["grade"]) for r in later)


def close(
    event: Event,
    use_case: str,
    condition: str,
    *,
    by: str = "",
    evidence: Path | None = None,
    key: "KeyPair | None" = None,
) -> "UseCase":
    """Record that a condition was met, with what was brought, or that it was given up.

    Parameters
    ----------
    event : str
        met or lapse. Either is final.
    use_case : str
        Slug or number.
    condition : str
        Its number, C1; with its decision (DEC-2026-0001/C1) where two have one number.
    by : str
        Who says so.
    evidence : Path, optional
        The file that was brought; its bytes are kept by their SHA-256.
    key : KeyPair, optional
        Key of who says so. A condition of a signed approval is met by it alone.

    Raises
    ------
    GateError
        If it was closed before, what was brought is missing, the gate's own check of the item,
        asked again, does not pass, or a signature is missing or does not count.
    ConfigError
        If there is no such condition, or nobody is named.
    DataError
        If what was brought is not there or says nothing.
    """
    from aiops.governance.documents import keep_bytes
    from aiops.governance.usecase import find

    case = find(use_case)
    by = by.strip() or (key.public.person if key is not None else "")
    known = {c.id: c for c in case.conditions}
    known |= {f"{c.decision}/{c.id}": c for c in case.conditions if "/" not in c.id}
    if not known:
        raise ConfigError(
            f"{case.id} {case.slug} has no conditions",
            where=f"condition {event}",
            fix=f"see where it stands: aiops usecase show {case.slug}",
        )
    told = pick(known, condition, where=f"condition {event} {case.slug}")
    where = f"condition {event} {case.slug} {told.id}"
    record = next(r for r in ledger.read_all() if r["id"] == told.decision)
    _require_somebody(event, told, record, by, key, where)
    if event == "met" and evidence is None:
        raise GateError(
            f"{told.id} asks for something to be brought: {told.text}",
            where=where,
            fix="name the file: --evidence FILE",
        )
    _require_open(told, where)
    said = {
        "event": event,
        "case_id": case.id,
        "decision": told.decision,
        "proposal_id": record.get("proposal_id", ""),  # the first form of a record has none
        "condition": told.id.rpartition("/")[2],
        "evidence": evidence.name if evidence else "",
        "evidence_sha256": "",
        "answered": "",
        "by": by,
    }
    _closing(said, record, key, 0, where)  # who may not say so is told before what is lacking
    said["answered"] = _answered(told, record, case, where) if event == "met" else ""
    said["evidence_sha256"] = keep_bytes(evidence) if evidence is not None else ""

    def next_event(earlier: list[ledger.Record]) -> ledger.Line:
        _require_open(told, where)
        _require_clock(earlier, where)
        return _closing(said, record, key, len(earlier), where)

    ledger.append(next_event, ledger.CONDITIONS)
    return find(case.id)


def _require_clock(earlier: Sequence[Mapping[str, Any]], where: str) -> None:
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    if earlier and str(earlier[-1]["at"]) > now:
        raise GateError(
            f"the last closing bears a later time, {str(earlier[-1]['at'])[:16]}, than this clock",
            where=where,
            fix="set the clock right, or wait; then do it again",
        )


def _closing(
    said: Mapping[str, Any],
    record: Mapping[str, Any],
    key: "KeyPair | None",
    position: int,
    where: str,
) -> ledger.Line:
    """Return the line of a closing, signed where there is a key, or say why it does not count."""
    entry = {**said, "at": datetime.now(UTC).isoformat(timespec="microseconds")}
    line = ledger.Line(entry, seal_closing(entry, key) if key is not None else {})
    if fault := closing_fault(record, line, position):
        raise GateError(fault, where=where, fix="see who may sign: aiops keys list")
    return line


def _require_somebody(
    event: Event,
    told: Standing,
    record: Mapping[str, Any],
    by: str,
    key: "KeyPair | None",
    where: str,
) -> None:
    if not needs_key(record):
        if not by:
            raise ConfigError("somebody says so", where=where, fix="add --by NAME")
    elif key is None:
        word = "met" if event == "met" else "given up"
        who = (
            f"who fills a role of it; {told.owner}, who owed it, does not count"
            if event == "met"
            else "somebody in the ring"
        )
        raise GateError(
            f"{told.decision} was signed, so somebody must sign that {told.id} is {word}",
            where=where,
            fix=f"add --key KEY of {who}",
        )


def _require_open(told: Standing, where: str) -> None:
    mine = (told.decision, told.id.rpartition("/")[2])
    events = counted(ledger.read_all())
    same = [event for event in events if (event["decision"], event["condition"]) == mine]
    if same:
        word = {"met": "met", "lapse": "given up"}[same[-1]["event"]]
        raise GateError(
            f"{told.id} of {told.decision} is closed: {word}, "
            f"{same[-1]['at'][:10]}, by {same[-1]['by']}",
            where=where,
            fix="nothing to do; a new approval asks anew",
        )


def _answered(told: Standing, record: Mapping[str, Any], case: "UseCase", where: str) -> str:
    """Ask the gate's own check of the item again, where the decision names one it still asks.

    Returns
    -------
    str
        What it answered, with the run it was asked of; nothing where it cannot be asked.

    Raises
    ------
    GateError
        If it does not pass.
    """
    from aiops.governance.gates import ask

    kinds = {c["id"]: c["evidence_kind"] for c in record["conditions"]}
    named = ANSWERED.fullmatch(kinds[told.id.rpartition("/")[2]])
    if named is None or named[1] == ITSELF:
        return ""
    gate = ask(record["gate"], case.slug)
    asked = {item["id"]: item for item in gate["items"] if item["check"] == named[1]}
    if told.item not in asked:
        return ""
    item = asked[told.item]
    run = f", run {gate['run']}" if gate["run"] else ""
    if item["outcome"] != "pass":
        raise GateError(
            f"{told.id} is not met: {gate['step']} {told.item}{run} answers {item['outcome']}: "
            f"{item['reason']}",
            where=where,
            fix=f"bring {item['would_decide']}; then ask: aiops gate {gate['step']} "
            f"--use-case {case.slug}",
        )
    return f"{gate['step']} {told.item} pass{run}"
