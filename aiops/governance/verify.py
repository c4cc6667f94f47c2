"""Whether the record can be believed: chain, signatures, rules, and what MLflow shows of it.

Each book is read line by line; each decision is held to its signatures and to the rules of the
lifecycle; MLflow, where it answers, is compared with the ledger.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from aiops.errors import AiopsError
from aiops.governance import ledger
from aiops.governance.keyring import DEMO_KEYS, KEYS, read_keyring
from aiops.governance.lifecycle import Needed, read_lifecycle
from aiops.governance.record import DecisionRecord, statement_of
from aiops.governance.signatures import vouch

BOOKS = (ledger.USE_CASES, ledger.DECISIONS, ledger.CONDITIONS, "documents", KEYS, DEMO_KEYS)
"""Books that are there from the first line on; others may lie beside them."""


@dataclass(frozen=True)
class Found:
    """One thing that is wrong, and where."""

    where: str
    what: str

    def line(self) -> str:
        """Return it as a person reads it."""
        return f"{self.where}: {self.what}"


@dataclass(frozen=True)
class Verified:
    """What was looked at, and what is wrong.

    Parameters
    ----------
    lines : dict of str to int
        How many lines each book has.
    head : str
        Sum of the last decision's line.
    found : tuple of Found
        What is wrong; empty when all holds.
    grades : dict of str to int
        How many decisions have which grade.
    projection : str
        ``as the ledger says``, ``differs``, ``repaired``, or why it was not compared.
    """

    lines: dict[str, int]
    head: str
    found: tuple[Found, ...]
    grades: dict[str, int]
    projection: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {**vars(self), "found": [vars(one) for one in self.found]}


def verify_ledger(*, head: str = "", repair: bool = False, projection: bool = True) -> Verified:
    """Look through every book of the ledger, and through what MLflow shows of it.

    Parameters
    ----------
    head : str
        A head that was noted elsewhere (`aiops ledger head`), of any book: the line must still
        be there, which shows a log that was cut or written anew.
    repair : bool
        Bring MLflow back to what the ledger says, if the ledger itself holds.
    projection : bool
        Whether to ask MLflow at all.
    """
    books = sorted({*BOOKS, *ledger.books()})
    found = [
        Found(f"{ledger.book_path(book).name}, line {fault.line}", fault.what)
        for book in books
        for fault in ledger.verify(book)
    ]
    lines = {book: ledger.read_lines(book) for book in books}
    if head and not any(line.sha256 == head for told in lines.values() for line in told):
        found.append(
            Found("ledger", f"no line has the head {head[:16]}…: it was cut, or written anew")
        )
    for book in (KEYS, DEMO_KEYS):
        found += [Found(f"{book}.jsonl", fault) for fault in _ring_faults(book)]
    decisions = lines[ledger.DECISIONS]
    found += _decision_faults(decisions)
    found += _orphans(lines)
    state = "not asked"
    if projection:
        more, state = _projection(repair=repair and not found)
        found += more
    grades = Counter(str(line.record.get("grade", "recorded")) for line in decisions)
    return Verified(
        lines={book: len(told) for book, told in lines.items() if told},
        head=ledger.head(),
        found=tuple(found),
        grades=dict(sorted(grades.items())),
        projection=state,
    )


def _ring_faults(book: str) -> tuple[str, ...]:
    try:
        return read_keyring(book).faults
    except (KeyError, TypeError, ValueError):
        return ("an event does not read as one",)


def _decision_faults(lines: list[ledger.Line]) -> Iterator[Found]:
    before: dict[str, DecisionRecord] = {}
    ids: Counter[str] = Counter()
    proposals: Counter[str] = Counter()
    for number, line in enumerate(lines, start=1):
        name = str(line.record.get("id") or f"line {number}")
        try:
            record = DecisionRecord.model_validate(line.record)
        except ValidationError as fault:
            told = fault.errors()[0]
            yield Found(name, f"is no decision: {'.'.join(map(str, told['loc']))}: {told['msg']}")
            continue
        ids[record.id] += 1
        proposals[record.proposal_id] += 1
        if ids[record.id] > 1:
            yield Found(name, "its number stands twice")
        if record.proposal_id and proposals[record.proposal_id] > 1:
            yield Found(name, "its proposal was recorded twice")
        if record.schema_version > 1:
            yield from (Found(name, what) for what in _rule_faults(record, before))
            yield from (Found(name, what) for what in _signature_faults(record, line))
        before[record.case_id] = record


def _orphans(lines: dict[str, list[ledger.Line]]) -> Iterator[Found]:
    """Say which conditions and decisions belong to nothing that is there."""
    decisions = {line.record.get("id") for line in lines[ledger.DECISIONS]}
    cases = {line.record.get("id") for line in lines[ledger.USE_CASES]}
    for number, line in enumerate(lines[ledger.CONDITIONS], start=1):
        if line.record.get("decision") not in decisions:
            name = line.record.get("decision")
            yield Found(f"conditions.jsonl, line {number}", f"{name} is not in the ledger")
    for line in lines[ledger.DECISIONS]:
        if line.record.get("case_id") not in cases:
            name = line.record.get("case_id")
            yield Found(str(line.record.get("id")), f"{name} is not in the register")


def _rule_faults(record: DecisionRecord, before: dict[str, DecisionRecord]) -> Iterator[str]:
    """Say where a decision does not follow the one before it on its case."""
    last = before.get(record.case_id)
    if record.follows != (last.id if last else ""):
        yield f"it follows {record.follows or 'nothing'}, and {last.id if last else 'nothing'} " \
              "stands before it: a decision was taken out, put in or moved"  # fmt: skip
    elif last is not None:
        stood = {"approved": "silent_prospective"}.get(last.to_state, last.to_state)
        if stood != record.from_state:
            yield f"it starts from {record.from_state}, and {last.id} led to {stood}"
    if record.from_state in read_lifecycle().terminal:
        yield f"it reopens a case that is {record.from_state}"


def _signature_faults(record: DecisionRecord, line: ledger.Line) -> Iterator[str]:
    """Say where the grade of a decision is not what vouches for it."""
    envelope = line.attached.get("envelope")
    if (record.grade == "signed" or record.signed_by) and envelope is None:
        yield f"it says that it is {record.grade}, and nobody's signature is with it"
        return
    statement = statement_of(line.record)
    try:
        vouched = vouch(
            statement,
            envelope,
            line.attached.get("dissents", []),
            _needed(record),
            at=record.created_at,
        )
    except AiopsError as fault:
        yield fault.what
        return
    except (KeyError, TypeError, ValueError):
        yield "its envelope does not read as one"
        return
    if vouched.grade != record.grade:
        yield f"it says that it is {record.grade}, and is {vouched.grade}"
    if vouched.signed_by != record.signed_by:
        yield "it names others than those who signed it"
    if vouched.dissent != record.signed_dissent:
        yield "it names others than those who signed a dissent"


def _needed(record: DecisionRecord) -> Needed:
    """Return whose names a decision asked for, by what it says itself.

    The lifecycle may have changed since: a decision is held to the roles it names. What the grade
    had to be is a rule of that day, and is not asked again.
    """
    roles, signatures = record.signatures_required, len(record.signatures_required)
    if len(roles) == 1 and " of: " in roles[0]:
        count, _, told = roles[0].partition(" of: ")
        roles, signatures = tuple(told.split(", ")), int(count)
    return Needed(
        roles=roles,
        signatures=signatures,
        grade="recorded",
        author_may_sign=record.outcome == "suspend",
    )


def _projection(*, repair: bool) -> tuple[list[Found], str]:
    from aiops import tracking

    try:
        told = tracking.projection_faults()
        if told and repair:
            tracking.project_all(repair=True)
            left = tracking.projection_faults()
            return [Found("MLflow", what) for what in left], "differs" if left else "repaired"
    except tracking.TrackingError as fault:
        return [], f"not compared: {fault.what}"
    return [Found("MLflow", what) for what in told], "differs" if told else "as the ledger says"
