"""What a line of each book must say, and how the books fit together.

A chain of sums shows that a line was edited by somebody without such pains. Whoever may write the
folder can write a whole book anew, sums and head. So each line is held to the form of its book and
to the other books: a decision names the last line that each of them had when it was recorded.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aiops.governance import dissents, documents, ledger
from aiops.governance.bundle import RELEASES
from aiops.governance.closings import closing_fault
from aiops.governance.documents import Document, file_state
from aiops.governance.keyring import DEMO_KEYS, KEYS
from aiops.governance.ledger import CONDITIONS, DECISIONS, USE_CASES, Line
from aiops.governance.record import DecisionRecord
from aiops.governance.usecase import FIXED, Intake

F = TypeVar("F", bound=BaseModel)
Lines = Mapping[str, Sequence[Line]]

SHA256 = r"^[0-9a-f]{64}$"
TIMES = ("at", "submitted_at", "added_at", "created_at")
"""Fields that say when a line was written."""

SLACK = timedelta(seconds=ledger.LOCK_SECONDS)
"""A line may be dated before it waits for the book, behind one that was quicker."""


AHEAD = timedelta(hours=1)
"""By how much the clock of another machine may be before this one."""


@dataclass(frozen=True)
class Found:
    """One thing that is wrong, and where."""

    where: str
    what: str

    def line(self) -> str:
        """Return it as a person reads it."""
        return f"{self.where}: {self.what}"


@dataclass(frozen=True)
class Decided:
    """A decision as the ledger holds it: its record, and the sum of its line."""

    record: DecisionRecord
    sha256: str


class Form(BaseModel):
    """What a line must say; more may stand in it."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Submitted(Intake):
    """A use case that was put into the register."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    id: str = Field(pattern=r"^UC-\d{4,}$")
    submitted_at: str


class Edited(Form):
    """A later word on a use case."""

    event: Literal["edit"]
    case_id: str
    changes: dict[str, Any]
    by: str = Field(min_length=1)
    at: str


class Closing(Form):
    """A condition that was met or given up."""

    event: Literal["met", "lapse"]
    case_id: str
    decision: str
    proposal_id: str = ""
    condition: str
    evidence: str
    evidence_sha256: str = Field(pattern=r"^([0-9a-f]{64})?$")
    by: str = Field(min_length=1)
    at: str


class Release(Form):
    """A bundle that left."""

    event: Literal["release"]
    case_id: str
    use_case: str
    run: str
    decision: str
    decision_sha256: str = Field(pattern=SHA256)
    manifest_sha256: str = Field(pattern=SHA256)
    at: str


class Signature(Form):
    """One signature of an envelope."""

    keyid: str
    sig: str


class Enveloped(Form):
    """What was signed, and by whom."""

    payload: str
    payloadType: str
    signatures: tuple[Signature, ...]


class KeyEvent(Form):
    """A key that was enrolled or revoked."""

    at: str
    envelope: Enveloped


class Dissent(Form):
    """A no that somebody signed."""

    proposal_id: str
    use_case: str
    dissent_from: str = Field(pattern=SHA256)
    envelope: Enveloped
    at: str


FORMS: dict[str, type[BaseModel]] = {
    USE_CASES: Submitted,
    CONDITIONS: Closing,
    documents.BOOK: Document,
    RELEASES: Release,
    dissents.BOOK: Dissent,
    KEYS: KeyEvent,
    DEMO_KEYS: KeyEvent,
}
"""What each line of a book is; an edit in the register is one of its own."""


def form_faults(lines: Lines) -> Iterator[Found]:
    """Say which lines are not what their book holds. An unreadable line is told by the chain."""
    for book in FORMS:
        for where, line in _named(book, lines):
            try:
                _form(book, line).model_validate(_said(line))
            except ValidationError as fault:
                yield Found(where, f"is no line of this book: {first_error(fault)}")
                continue
            if moment(line.record) is None:
                yield Found(where, "it does not say when it was written")


def first_error(fault: ValidationError) -> str:
    """Return the first of what pydantic found, without what stood there."""
    told = fault.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, told['loc']))}: {told['msg']}".removeprefix(": ")


def time_faults(lines: Lines) -> Iterator[Found]:
    """Say where a line is dated before the one above it."""
    for book in (*FORMS, DECISIONS):
        latest: datetime | None = None
        for where, line in _named(book, lines):
            at = moment(line.record)
            if at is None:
                continue
            if at > datetime.now(UTC) + AHEAD:
                yield Found(where, f"it is dated {at:%Y-%m-%d %H:%M}, which is still to come")
            if latest is not None and at < latest - SLACK:
                yield Found(where, f"it is dated {at:%Y-%m-%d %H:%M}, before the line above it")
            latest = at if latest is None else max(at, latest)


def register_faults(lines: Lines) -> Iterator[Found]:
    """Say where the register gives a number or name twice, or an edit changes what is fixed."""
    said: dict[str, dict[str, Any]] = {}
    slugs: set[str] = set()
    for where, line in _named(USE_CASES, lines):
        form = _form(USE_CASES, line)
        entry = _read(form, line)
        if isinstance(entry, Submitted):
            if entry.id in said:
                yield Found(where, f"the number {entry.id} stands twice")
            if entry.slug in slugs:
                yield Found(where, f"the name {entry.slug} stands twice")
            slugs.add(entry.slug)
            said[entry.id] = {name: getattr(entry, name) for name in Intake.model_fields}
        elif isinstance(entry, Edited):
            if entry.case_id not in said:
                yield Found(where, f"{entry.case_id} is not in the register")
                continue
            if fixed := sorted(entry.changes.keys() & set(FIXED)):
                yield Found(where, f"it changes what no edit changes: {', '.join(fixed)}")
            try:
                Intake.model_validate({**said[entry.case_id], **entry.changes})
            except ValidationError as fault:
                yield Found(where, f"it does not fit the register: {first_error(fault)}")
            else:
                said[entry.case_id] |= entry.changes


def slugs_of(lines: Lines) -> dict[str, str]:
    """Return the name of each registered use case by its number."""
    found = (_read(Submitted, line) for _, line in _named(USE_CASES, lines))
    return {entry.id: entry.slug for entry in found if entry is not None}


def closing_faults(lines: Lines, decided: Mapping[str, Decided]) -> Iterator[Found]:
    """Say which closings belong to no condition, are too early, or close what is closed."""
    closed: set[tuple[str, str]] = set()
    for position, (where, line) in enumerate(_named(CONDITIONS, lines)):
        event = _read(Closing, line)
        if event is None:
            continue
        if event.decision not in decided:
            yield Found(where, f"{event.decision} is not in the ledger")
            continue
        record = decided[event.decision].record
        if event.condition not in {condition.id for condition in record.conditions}:
            yield Found(where, f"{record.id} has no condition {event.condition}")
        at, made = moment(line.record), moment({"at": record.created_at})
        if at is not None and made is not None and at < made - SLACK:
            yield Found(where, f"it is dated before {record.id}, whose condition it closes")
        fault = closing_fault(record.to_json(), line, position)
        if fault:
            yield Found(where, fault)
        elif (event.decision, event.condition) in closed:
            yield Found(where, f"{event.condition} of {record.id} was closed before")
        else:
            closed.add((event.decision, event.condition))
        if event.event == "met" and not event.evidence_sha256:
            yield Found(where, "it names nothing that was brought")


def paper_faults(lines: Lines, decided: Mapping[str, Decided]) -> Iterator[Found]:
    """Say which papers belong to no case, and which bytes are lost or changed."""
    slugs = slugs_of(lines)
    before: set[str] = set()
    kept: list[tuple[str, str, str]] = []
    for number, (where, line) in enumerate(_named(documents.BOOK, lines), start=1):
        paper = _read(Document, line)
        if paper is None:
            continue
        if paper.id != f"DOC-{number:04d}":
            yield Found(where, f"{paper.id} is not the number of this line")
        if slugs.get(paper.case_id) != paper.use_case:
            yield Found(where, f"{paper.case_id} {paper.use_case} is not in the register")
        if paper.supersedes and paper.supersedes not in before:
            yield Found(where, f"it takes the place of {paper.supersedes}, which is not before it")
        before.add(paper.id)
        kept.append((where, f"the file of {paper.id}", paper.sha256))
    for where, line in _named(CONDITIONS, lines):
        event = _read(Closing, line)
        kept += [(where, "what was brought", event.evidence_sha256)] if event else []
    for record in (one.record for one in decided.values()):
        kept += [
            (record.id, "the report on the table", record.report_sha256),
            (record.id, "the file of the minutes", record.minutes_sha256),
            (record.id, "the hazard log", record.hazards_sha256),
        ]
    states = {sha256: file_state(sha256) for _, _, sha256 in kept if sha256}
    for where, name, sha256 in kept:
        if states.get(sha256, "there") != "there":
            yield Found(where, f"{name} is {states[sha256]}")


def release_faults(lines: Lines, decided: Mapping[str, Decided]) -> Iterator[Found]:
    """Say which releases rest on no decision that is there."""
    for where, line in _named(RELEASES, lines):
        event = _read(Release, line)
        if event is None:
            continue
        rests_on = decided.get(event.decision)
        if rests_on is None or rests_on.sha256 != event.decision_sha256:
            yield Found(where, f"the {event.decision} that it rests on is not in the ledger")
        elif (event.case_id, event.use_case) != (rests_on.record.case_id, rests_on.record.use_case):
            yield Found(where, f"{event.decision} is of another case than {event.case_id}")


def head_faults(lines: Lines, decided: Sequence[Decided]) -> Iterator[Found]:
    """Say which book is not the one a decision saw: its last line of that day is gone or moved."""
    sums = {
        book: {line.sha256: n for n, line in enumerate(told, start=1)}
        for book, told in lines.items()
    }
    last: dict[str, int] = {}
    for record in (one.record for one in decided):
        for book in sorted(last.keys() - record.heads.keys()):
            yield Found(record.id, f"it names no line of {book}.jsonl, and one before it did")
        for book, sha256 in sorted(record.heads.items()):
            at = sums.get(book, {}).get(sha256)
            if at is None:
                yield Found(
                    record.id,
                    f"{book}.jsonl has not the line that was its last when this was recorded: "
                    "the book was cut, or written anew",
                )
            elif at < last.get(book, 0):
                yield Found(record.id, f"it names an earlier line of {book}.jsonl than one before")
            last[book] = max(at or 0, last.get(book, 0))


def _named(book: str, lines: Lines) -> list[tuple[str, Line]]:
    """Return the lines of a book that can be read, each with its place."""
    return [
        (f"{book}.jsonl, line {number}", line)
        for number, line in enumerate(lines.get(book, ()), start=1)
        if line is not ledger.UNREAD
    ]


def _form(book: str, line: Line) -> type[BaseModel]:
    return Edited if book == USE_CASES and "event" in line.record else FORMS[book]


def _said(line: Line) -> dict[str, Any]:
    return {name: value for name, value in line.record.items() if name != "prev_sha256"}


def _read(form: type[F], line: Line) -> F | None:
    """Return what a line says; None where it is not of this form, which `form_faults` tells."""
    try:
        return form.model_validate(_said(line))
    except ValidationError:
        return None


def moment(record: Mapping[str, Any]) -> datetime | None:
    """Return when a line says that it was written; None where it says no time with a zone."""
    told = next((record[name] for name in TIMES if name in record), None)
    try:
        at = datetime.fromisoformat(told) if isinstance(told, str) else None
    except ValueError:
        return None
    return at if at is not None and at.tzinfo is not None else None
