"""Whether the record can be believed: chain, signatures, rules, and what MLflow shows of it.

Each book is read line by line, and each line held to its form and to the other books; each decision
is held to its signatures and to the rules of the lifecycle; MLflow, where it answers, is compared
with the ledger.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from aiops import home
from aiops.errors import AiopsError, ConfigError, LedgerError
from aiops.governance import ledger
from aiops.governance.books import (
    Decided,
    Found,
    closing_faults,
    first_error,
    form_faults,
    head_faults,
    moment,
    paper_faults,
    register_faults,
    release_faults,
    slugs_of,
    time_faults,
)
from aiops.governance.dissents import lost
from aiops.governance.kept_policy import policy_faults
from aiops.governance.keyring import DEMO_KEYS, KEYS, book_of, read_keyring
from aiops.governance.lawful import grade_faults, needed_by, now_called, rule_faults, rules_of
from aiops.governance.record import DecisionRecord, statement_of
from aiops.governance.signatures import vouch

BOOKS = (ledger.USE_CASES, ledger.DECISIONS, ledger.CONDITIONS, "documents", "dissents", KEYS,
         DEMO_KEYS)  # fmt: skip
"""Books that are there from the first line on; others may lie beside them."""

IN_CLINIC = ("live_limited", "live", "suspended", "change_review", "retired")
"""States to which no decision of the first form led."""

NOT_COMPARED = "not compared"
"""How the word on MLflow begins where nobody could look."""


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

    @property
    def is_compared(self) -> bool:
        """Whether MLflow was looked at, or nobody asked for it."""
        return not self.projection.startswith(NOT_COMPARED)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {**vars(self), "found": [vars(one) for one in self.found]}


def verify_ledger(
    *, heads: Sequence[str] = (), repair: bool = False, projection: bool = True
) -> Verified:
    """Look through every book of the ledger, and through what MLflow shows of it.

    Where a book cannot be read, MLflow is not compared: there is nothing to compare it with.

    Parameters
    ----------
    heads : sequence of str
        Heads that were noted elsewhere (`aiops ledger head`), of any book: each line must still
        be there, which shows a log that was cut or written anew.
    repair : bool
        Set half a last line aside, which a crash left, and bring MLflow back to what the ledger
        says, if the ledger itself holds.
    projection : bool
        Whether to ask MLflow at all.

    Raises
    ------
    ConfigError
        If there is no ledger.
    """
    there = {*ledger.books(), *ledger.headed()}
    if not there:
        raise ConfigError(
            "there is no ledger here, so nothing was looked at",
            where=str(home.ledger_dir()),
            fix="name the folder that holds it: AIOPS_HOME=FOLDER aiops ledger verify",
        )
    if repair:
        for book in ledger.books():
            ledger.set_aside_torn(book)
    lines: dict[str, list[ledger.Line]] = {}
    found: list[Found] = []
    for book in sorted({*BOOKS, *there}):
        lines[book], faults = ledger.look(book)
        found += [Found(f"{ledger.book_path(book).name}, line {f.line}", f.what) for f in faults]
    decided, unread = _decisions(lines[ledger.DECISIONS])
    found += [*form_faults(lines), *unread, *register_faults(lines), *_orphans(lines, decided)]
    is_broken = bool(found)
    found += _heads_kept(heads, lines)
    for book in (KEYS, DEMO_KEYS):
        found += [Found(f"{book}.jsonl", fault) for fault in _ring_faults(book)]
    found += _decision_faults(lines[ledger.DECISIONS])
    if not is_broken:
        found += [Found("dissents.jsonl", what) for what in lost(lines[ledger.DECISIONS])]
    found += time_faults(lines)
    by_name = {one.record.id: one for one in decided}
    for rule in (closing_faults, paper_faults, release_faults):
        found += rule(lines, by_name)
    found += head_faults(lines, decided)
    state = "not asked"
    if projection and is_broken:
        state = f"{NOT_COMPARED}: the ledger itself cannot be read whole"
    elif projection:
        more, state = _projection(repair=repair and not found)
        found += more
    grades = Counter(one.record.grade for one in decided)
    last = lines[ledger.DECISIONS][-1:]
    return Verified(
        lines={book: len(told) for book, told in lines.items() if told},
        head=last[0].sha256 if last else ledger.GENESIS,
        found=tuple(found),
        grades=dict(sorted(grades.items())),
        projection=state,
    )


def unreadable() -> LedgerError | None:
    """Return what keeps the ledger from being read as it should, if anything does."""
    lines: dict[str, list[ledger.Line]] = {}
    found: list[Found] = []
    for book in sorted({*BOOKS, *ledger.books()}):
        lines[book], faults = ledger.look(book)
        found += [Found(f"{ledger.book_path(book).name}, line {f.line}", f.what) for f in faults]
    found += [*form_faults(lines), *_decisions(lines[ledger.DECISIONS])[1]]
    found += register_faults(lines)
    if not found:
        return None
    return LedgerError(
        f"{found[0].what}; the ledger cannot be read",
        where=found[0].where,
        fix="see all that is wrong: aiops ledger verify; then restore the file from a backup",
    )


def _heads_kept(heads: Sequence[str], lines: dict[str, list[ledger.Line]]) -> Iterator[Found]:
    sums = {line.sha256 for told in lines.values() for line in told}
    for head in heads:
        if head not in sums:
            yield Found("ledger", f"no line has the head {head[:16]}…: it was cut, or written anew")


def _decisions(lines: list[ledger.Line]) -> tuple[list[Decided], list[Found]]:
    """Return the decisions that read as such, and which lines do not."""
    decided, unread = [], []
    for number, line in enumerate(lines, start=1):
        if line is ledger.UNREAD:
            continue
        name = str(line.record.get("id") or f"{ledger.DECISIONS}.jsonl, line {number}")
        try:
            record = DecisionRecord.model_validate(line.record)
        except ValidationError as fault:
            unread.append(Found(name, f"is no decision: {first_error(fault)}"))
            continue
        if moment({"at": record.created_at}) is None:
            unread.append(Found(name, "it does not say when it was recorded"))
            continue
        decided.append(Decided(record, line.sha256))
    return decided, unread


def _ring_faults(book: str) -> tuple[str, ...]:
    try:
        return read_keyring(book).faults
    except AiopsError:
        return ()  # a line that is no record is told as such
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        return ("an event does not read as one",)


def _decision_faults(lines: list[ledger.Line]) -> Iterator[Found]:
    before: dict[str, list[ledger.Record]] = {}
    ids: Counter[str] = Counter()
    proposals: Counter[str] = Counter()
    before_rules = False
    for position, line in enumerate(lines):
        try:
            record = DecisionRecord.model_validate(line.record)
        except ValidationError:
            continue
        if moment({"at": record.created_at}) is None:
            continue  # told by `_decisions`
        name = record.id
        ids[record.id] += 1
        proposals[record.proposal_id] += 1
        if ids[record.id] > 1:
            yield Found(name, "its number stands twice")
        if record.proposal_id and proposals[record.proposal_id] > 1:
            yield Found(name, "its proposal was recorded twice")
        if record.schema_version == 1 and (
            before_rules or record.signed_by or record.grade != "recorded"
        ):
            yield Found(
                name, "it is of the first form, which holds to no rules, and is not the first"
            )
        if record.schema_version == 1 and now_called(record.to_state) in IN_CLINIC:
            yield Found(name, f"it is of the first form, which led to no {record.to_state}")
        before_rules = before_rules or record.schema_version > 1
        if record.schema_version > 1:
            earlier = before.get(record.case_id, [])
            yield from (Found(name, what) for what in _rule_faults(record, earlier))
            yield from _vouched(name, _signature_faults(record, line))
            yield from (Found(name, what) for what in _late_signers(record, position))
        before.setdefault(record.case_id, []).append(line.record)


def _vouched(name: str, faults: Iterator[str]) -> Iterator[Found]:
    try:
        yield from (Found(name, what) for what in faults)
    except (AttributeError, RecursionError):
        yield Found(name, "its envelope does not read as one")


def _orphans(lines: dict[str, list[ledger.Line]], decided: list[Decided]) -> Iterator[Found]:
    """Say which decisions belong to no use case that is there, or name another's."""
    slugs = slugs_of(lines)
    for record in (one.record for one in decided):
        if record.case_id not in slugs:
            yield Found(record.id, f"{record.case_id} is not in the register")
        elif slugs[record.case_id] != record.use_case:
            told = slugs[record.case_id]
            yield Found(record.id, f"{record.case_id} is {told}, and it names {record.use_case}")


def _rule_faults(record: DecisionRecord, earlier: list[ledger.Record]) -> Iterator[str]:
    """Say where a decision does not keep the rules that it names."""
    told = record.to_json()
    cycle = rules_of(told)
    if cycle is None:
        yield (
            "the lifecycle that it names is neither today's nor a kept one that lifecycle.yaml "
            "names as former: it cannot be held to any rules"
        )
        return
    yield from rule_faults(told, earlier, cycle)
    yield from grade_faults(told, cycle)
    # Months are counted by the calendar of the place where it was decided: a day of slack.
    day = datetime.fromisoformat(record.created_at).date() + timedelta(days=1)
    yield from policy_faults(told, day)


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
    try:
        ring = read_keyring(book_of(record.use_case))
    except (AiopsError, AttributeError, KeyError, RecursionError, TypeError, ValueError):
        return  # what cannot be read is told of the book
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
        return [], f"{NOT_COMPARED}: {fault.what}"
    return [Found("MLflow", what) for what in told], "differs" if told else "as the ledger says"
