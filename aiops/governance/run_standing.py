"""How a run stands by the ledger: what a board must know before it reads the run's report."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from aiops import home
from aiops.governance import ledger
from aiops.governance.bundle import digests_of
from aiops.governance.conditions import Standing
from aiops.governance.lawful import now_called
from aiops.governance.letter import WORD, grade_words, headline
from aiops.governance.lifecycle import APPROVALS, read_lifecycle
from aiops.governance.record import DecisionRecord
from aiops.governance.rules import IN_USE
from aiops.governance.standing import IN_FORCE, LAPSED, SET_ASIDE, decision_standing
from aiops.governance.usecase import UseCase, registered

NOT_REGISTERED = "No decision: the use case is not in the register"
BROKEN = "The ledger does not hold: what it says of this run cannot be relied on"
UNDECIDED = "No decision rests on this run"
MOST_CONDITIONS = 2
"""Conditions told in full: the page they stand on is to stay one page."""
LONGEST_LINE = 150
MOST_LINES = 4


@dataclass(frozen=True)
class RunStanding:
    """How a run stands on a day.

    Parameters
    ----------
    tone : str
        ``good`` only where an approval of this run is in force and nothing is open; ``bad`` where
        it may not be used; else ``open``.
    headline : str
        The one thing to know.
    lines : tuple of str
        What stands behind it.
    as_of : date
        The day.
    decision : str
        The decision it rests on; empty where there is none.
    """

    tone: Literal["good", "bad", "open"]
    headline: str
    lines: tuple[str, ...]
    as_of: date
    decision: str = ""


def run_standing(use_case: str | UseCase, run_name: str, today: date | None = None) -> RunStanding:
    """Return how a run stands by the ledger.

    Parameters
    ----------
    use_case : str or UseCase
        Slug or number, or the case as it stands today.
    run_name : str
        Name of the run's folder.
    today : date, optional
        The day that is asked about; no earlier than today.
    """
    day = today or date.today()
    if any(ledger.verify(book) for book in (ledger.DECISIONS, ledger.CONDITIONS)):
        return RunStanding("bad", BROKEN, ("See what is wrong: aiops ledger verify",), day)
    case = use_case if isinstance(use_case, UseCase) else registered(use_case)
    if case is None:
        return RunStanding("open", NOT_REGISTERED, (), day)
    records = [
        DecisionRecord.model_validate(record)
        for record in ledger.read_all()
        if record["case_id"] == case.id
    ]
    about = [record for record in records if run_name in _runs_of(record)]
    approvals = [record for record in about if record.outcome in APPROVALS]
    if case.is_closed:
        return _stopped(case, records, approvals, day)
    if case.state in SET_ASIDE and (about or case.state == "suspended"):
        return _stopped(case, records, approvals, day)
    last = next((record for record in records if record.id == case.approved_by), None)
    if approvals and last is not None and approvals[-1].id != last.id:
        return _not_this_run(last, approvals[-1], day)
    if approvals:
        return _approved(approvals[-1], case, records, run_name, day)
    return _undecided(case, records, last, day)


def _runs_of(record: DecisionRecord) -> list[str]:
    """Return the names of the runs that a decision is about."""
    return [Path(subject.model_uri.partition("#")[0]).name for subject in record.subject]


def _stopped(
    case: UseCase, records: list[DecisionRecord], approvals: list[DecisionRecord], day: date
) -> RunStanding:
    """Return how a run of a case stands that was ended or set aside: by whom, when and why."""
    found = next((r for r in reversed(records) if r.to_state == case.state), records[-1])
    lines = [_told(found)]
    if approvals:
        lines.append(f"{approvals[-1].id} had approved this run; that is not in force.")
    word = WORD[found.outcome] if found.outcome != "re-review" else "UNDER CHANGE REVIEW"
    return RunStanding("bad", f"{word} by {found.id}: not to be used", tuple(lines), day, found.id)


def _not_this_run(last: DecisionRecord, mine: DecisionRecord, day: date) -> RunStanding:
    names = ", ".join(f"run {name}" for name in _runs_of(last)) or "without a run"
    return RunStanding(
        "bad",
        f"Not this run: {last.id} approved {names}",
        (_told(last), f"{mine.id} had approved this run; that is not in force."),
        day,
        last.id,
    )


def _undecided(
    case: UseCase, records: list[DecisionRecord], last: DecisionRecord | None, day: date
) -> RunStanding:
    lines = [_state_words(case)]
    if records:
        lines.append(f"Last decision on the case: {_told(records[-1])}")
    said = UNDECIDED
    if last is not None and _runs_of(last):
        said = f"Not this run: {last.id} approved run {', '.join(_runs_of(last))}"
    return RunStanding("open", said, tuple(lines), day)


def _approved(
    record: DecisionRecord,
    case: UseCase,
    records: list[DecisionRecord],
    run_name: str,
    day: date,
) -> RunStanding:
    """Return how the run of the last approval stands; green is what passes every question."""
    now = decision_standing(record, case, day)
    ends = record.expires_at
    aim = now_called(record.to_state).replace("_", " ")
    by = f"{WORD[record.outcome]} for {aim} by {record.id} ({grade_words(record)})"
    waiting = sorted((c for c in case.conditions if c.status != "met"), key=lambda c: c.due)
    late = [c for c in waiting if _is_late(c, day)]
    changed = _changed(record, case.slug, run_name)
    first = [_told(record), _state_words(case)]
    tone: Literal["good", "bad", "open"] = "bad"
    if now.approval == LAPSED or (ends is not None and ends <= day):
        said = f"LAPSED on {ends}: not to be used"
    elif changed:
        said = f"NOT WHAT WAS APPROVED: changed after {record.id} was made"
        first.insert(0, f"Changed: {', '.join(changed)}. Have this run decided on again.")
    elif now.approval != IN_FORCE or now_called(record.to_state) != case.state:
        said = f"{record.id} is no longer in force: not to be used"
        first.insert(0, f"Last decision on the case: {_told(records[-1])}")
    elif late:
        said = f"CONDITION OVERDUE: {by}, and {len(late)} of its conditions not kept"
    else:
        until = f", until {ends}" if ends else ""
        later = records[-1] if records[-1].id != record.id else None
        is_doubted = later is not None and later.outcome not in ("resume", *APPROVALS)
        if is_doubted:
            first.insert(0, f"Decided since: {_told(records[-1])}")
        is_used = case.state in IN_USE
        tone = "open" if waiting or now.review or is_doubted or not is_used else "good"
        said = f"{by}{until}" + (f"; conditions open: {len(waiting)}" if waiting else "")
        said += "" if is_used else "; not for use yet"
    told = [text for text in now.warnings if not text.startswith(("OVERDUE", "LAPSED"))]
    lines = _condition_lines(waiting, late) + told + first
    return RunStanding(tone, said, tuple(lines[:MOST_LINES]), day, record.id)


def _is_late(condition: Standing, day: date) -> bool:
    return condition.is_overdue or (condition.status == "open" and condition.due < day)


def _changed(record: DecisionRecord, slug: str, run_name: str) -> list[str]:
    """Return which of the bytes that a decision names are others in the run's folder now."""
    folder = home.runs_dir(slug) / run_name
    named = {k: v for subject in record.subject for k, v in subject.digests.items()}
    if not named or not folder.is_dir():
        return []
    there = digests_of(folder)
    return sorted(name for name, digest in named.items() if there.get(name) != digest)


def _condition_lines(waiting: list[Standing], late: list[Standing]) -> list[str]:
    """Return the conditions that wait, the overdue ones first, as many as a page has room for."""
    lines = []
    for c in [*late, *(c for c in waiting if c not in late)]:
        word = "OVERDUE" if c in late else "Open"
        due = "given up" if c.status == "lapsed" else f"due {c.due}"
        # Who and by when stand last, and are never cut.
        room = LONGEST_LINE - len(f"{word} {c.id}:  ({c.owner}; {due})")
        lines.append(f"{word} {c.id}: {_short(c.text, max(room, 20))} ({c.owner}; {due})")
    more = len(lines) - MOST_CONDITIONS
    if more > 0:
        lines = [*lines[:MOST_CONDITIONS], f"{more} more: see the record of the decision."]
    return lines


def _told(record: DecisionRecord) -> str:
    """Return a decision in a line: number, day, who, outcome, gate, reason and grade."""
    return _short(
        f"{record.id} on {record.created_at[:10]} by {record.made_by}: {headline(record)}"
    )


def _state_words(case: UseCase) -> str:
    meaning = read_lifecycle().states.get(case.state, "")
    return f"The case is at: {case.state.replace('_', ' ')}. {meaning}".strip()


def _short(text: str, longest: int = LONGEST_LINE) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= longest else flat[: longest - 1].rstrip() + "…"
