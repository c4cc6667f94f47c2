"""Whether the record can be believed: chain, signatures, rules, and what MLflow shows of it.

Each book is read line by line; each decision is held to its signatures and to the rules of the
lifecycle; MLflow, where it answers, is compared with the ledger.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from aiops.errors import AiopsError, LedgerError
from aiops.governance import ledger
from aiops.governance.dissents import lost
from aiops.governance.keyring import DEMO_KEYS, KEYS, book_of, read_keyring
from aiops.governance.lawful import grade_faults, needed_by, rule_faults, rules_of
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
    before: dict[str, list[ledger.Record]] = {}
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
            earlier = before.get(record.case_id, [])
            yield from (Found(name, what) for what in _rule_faults(record, earlier))
            yield from (Found(name, what) for what in _signature_faults(record, line))
            yield from (Found(name, what) for what in _late_signers(record, number - 1))
        before.setdefault(record.case_id, []).append(line.record)
    yield from (Found("decisions.jsonl", what) for what in lost(lines))


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


def _rule_faults(record: DecisionRecord, earlier: list[ledger.Record]) -> Iterator[str]:
    """Say where a decision does not keep the rules that it names."""
    told = record.to_json()
    cycle = rules_of(told)
    if cycle is None:
        yield "the lifecycle that it names is not kept: it cannot be held to any rules"
        return
    yield from rule_faults(told, earlier, cycle)
    yield from grade_faults(told, cycle)


def _signature_faults(record: DecisionRecord, line: ledger.Line) -> Iterator[str]:
    """Say where the grade of a decision is not what vouches for it."""
    envelope = line.attached.get("envelope")
    if (record.grade == "signed" or record.signed_by) and envelope is None:
        yield f"it says that it is {record.grade}, and nobody's signature is with it"
        return
    statement = statement_of(line.record)
    cycle = rules_of(line.record)
    if cycle is None:
        return  # told by `_rule_faults`
    try:
        # The grade has a sentence of its own; here it is asked who vouches.
        needed = needed_by(line.record, cycle).model_copy(update={"grade": "recorded"})
        vouched = vouch(
            statement,
            envelope,
            line.attached.get("dissents", []),
            needed,
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


def _late_signers(record: DecisionRecord, position: int) -> Iterator[str]:
    """Say whose key had been revoked, whatever moment the line bears.

    A revocation names, under two signatures, how many decisions there were.
    """
    ring = read_keyring(book_of(record.use_case))
    gone = {m.key.key_id: m for m in ring.members if m.decisions is not None}
    for signer in record.signed_by:
        member = gone.get(signer.key_id)
        if member is not None and member.decisions is not None and position >= member.decisions:
            yield f"the key of {signer.person} had been revoked when this was recorded"


def _projection(*, repair: bool) -> tuple[list[Found], str]:
    from aiops import tracking

    try:
        told = tracking.projection_faults()
        if repair:
            # Also where nothing differs: what only the calendar changed is shown too. What it
            # refuses is found again by the comparison.
            with suppress(tracking.TrackingError):
                tracking.project_all(repair=True)
            left = tracking.projection_faults()
            done = "repaired" if told else "as the ledger says"
            return [Found("MLflow", what) for what in left], "differs" if left else done
    except (tracking.TrackingError, LedgerError) as fault:
        return [], f"not compared: {fault.what}"
    return [Found("MLflow", what) for what in told], "differs" if told else "as the ledger says"
