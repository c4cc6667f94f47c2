"""When is a closed project worth another try? Conditions that a machine can check, asked again.

A condition reads ``FACT OP VALUE``. Facts are computed where they can be (patients and figures of
the case's latest run, its newest feasibility, what was said at intake, today's date); all others
are stated by people in ``AIOPS_HOME/facts.yaml`` and are told as stated. A fact that nobody knows
is no yes.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from aiops.errors import ConfigError
from aiops.governance import ledger
from aiops.governance.blanks import is_blank
from aiops.governance.facts import Value, facts_of, kinds_of_facts, read_facts
from aiops.governance.usecase import UseCase, list_use_cases
from aiops.lookup import nearest

HOLDS, FAILS, UNKNOWN = "holds", "does not hold", "cannot tell"

_FORM = re.compile(r"\s*([a-z][a-z0-9_]*)\s*(==|!=|>=|<=|>|<)\s*([^\s=<>!].*?)\s*", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d{2}(-\d{2})?")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True)
class Condition:
    """One condition, taken apart."""

    text: str
    fact: str
    op: str
    value: Value


@dataclass(frozen=True)
class Answer:
    """What a condition says today: holds, does not hold, or cannot tell, and from what."""

    condition: str
    answer: str
    because: str


@dataclass(frozen=True)
class Revisit:
    """A case that was closed or put off, and what its conditions say today."""

    case: UseCase
    answers: tuple[Answer, ...]
    is_due: bool

    @property
    def could_be_reopened(self) -> bool:
        """Whether every condition holds, and there is one."""
        return bool(self.answers) and all(a.answer == HOLDS for a in self.answers)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "id": self.case.id,
            "slug": self.case.slug,
            "state": self.case.state,
            "could_be_reopened": self.could_be_reopened,
            "is_due": self.is_due,
            "answers": [vars(a) for a in self.answers],
        }

    def lines(self) -> list[str]:
        """Return it as a person reads it."""
        word = "could be tried again" if self.could_be_reopened else "stays as it is"
        due = ", due for review" if self.is_due else ""
        told = [f"{self.case.id} {self.case.slug} [{self.case.state}]: {word}{due}"]
        return told + [f"    {a.answer}: {a.condition} ({a.because})" for a in self.answers]


def parse(text: str) -> Condition:
    """Take a condition apart.

    Parameters
    ----------
    text : str
        ``FACT OP VALUE`` with OP one of ``== != >= <= > <``; the value is a number, a date
        (2027-04, 2027-04-30), ``null``, ``true``, ``false`` or a word.

    Raises
    ------
    ConfigError
        If it has another form, is more than one condition, orders what has no order, or names a
        number or a date that cannot be.

    Examples
    --------
    >>> parse("n_positive>=480").value
    480.0
    >>> parse("clinical_lead != null").value is None
    True
    """
    form = _FORM.fullmatch(text)
    if form is None:
        raise ConfigError(
            f"'{text}' cannot be checked by a machine",
            where="--revisit-if",
            fix="write FACT OP VALUE: n_positive>=480, kappa>=0.7, vendor_contract_ends<2027-04, "
            "clinical_lead!=null",
        )
    fact, op, written = form.groups()
    value = _value(written)
    _require_possible(text, written, value)
    if op not in ("==", "!=") and _kind(value) not in ("number", "date"):
        raise ConfigError(
            f"'{text}': {written} has no more or less",
            where="--revisit-if",
            fix="use == or !=, or a number or date",
        )
    return Condition(text.strip(), fact.lower(), op, value)


def revisit(*, today: date | None = None) -> list[Revisit]:
    """Ask the conditions of every case that was rejected, discontinued or put off again.

    Parameters
    ----------
    today : date, optional
        The day that is asked from.

    Returns
    -------
    list of Revisit
        Those that could be tried again first, then those that are due, then the others.
    """
    day = today or date.today()
    last = {record["case_id"]: record for record in ledger.read_all()}
    stated = read_facts()
    found = []
    for case in list_use_cases():
        if case.state not in ("rejected", "discontinued", "deferred"):
            continue
        known = facts_of(case, stated.get(case.slug, {}), day)
        answers = tuple(answer(text, known) for text in last[case.id]["revisit_if"])
        due = case.review_by is not None and date.fromisoformat(case.review_by) <= day
        found.append(Revisit(case, answers, due))
    return sorted(found, key=lambda r: (not r.could_be_reopened, not r.is_due, r.case.id))


def answer(text: str, facts: Mapping[str, tuple[Value, str]]) -> Answer:
    """Say whether a condition holds.

    Parameters
    ----------
    text : str
        The condition.
    facts : mapping of str to (value, source)
        What is known.
    """
    try:
        wanted = parse(text)
    except ConfigError:
        return Answer(text, UNKNOWN, "written in words: a person must judge")
    if wanted.fact not in facts:
        told = f"nobody has stated {wanted.fact}: add it under the case's name in facts.yaml"
        return Answer(text, UNKNOWN, f"{told} (CASE: {{{wanted.fact}: VALUE}}) of AIOPS_HOME")
    value, source = facts[wanted.fact]
    told = f"{wanted.fact} is {_told(value)}"
    hit = _compared(value, wanted)
    if hit is None:
        return Answer(text, UNKNOWN, f"{told} ({source}), not comparable")
    return Answer(text, HOLDS if hit else FAILS, f"{told}, {source}")


def problem_with(text: str, case: UseCase, *, today: date | None = None) -> str:
    """Say what is wrong with a condition that a decision on a case names; empty when nothing is.

    It must be of the form that `parse` takes, of a fact that can be computed or that somebody
    stated (``null`` where it is not known yet), comparable with it, not true already, and able to
    become true.

    Parameters
    ----------
    text : str
        The condition.
    case : UseCase
        The case that is decided on.
    today : date, optional
        The day of the decision.
    """
    try:
        wanted = parse(text)
    except ConfigError as fault:
        return fault.what
    day, stated = today or date.today(), read_facts()
    known = facts_of(case, stated.get(case.slug, {}), day)
    others = {str(name).lower() for facts in stated.values() for name in facts}
    names = sorted({*kinds_of_facts(), *known, *others})
    if wanted.fact not in names:
        # One that people will state is fine; one that is spelt like another would wait for ever.
        guess = nearest(wanted.fact, names)
        return f"'{text}': no fact is called so; did you mean '{guess}'?" if guess else ""
    if isinstance(wanted.value, str) and is_blank(wanted.value):
        return f"'{text}': {wanted.value} says nothing; for what is not said write null"
    kind, asked = _kind_of_fact(wanted.fact, known), _kind(wanted.value)
    if "null" not in (kind, asked) and kind != asked:
        return f"'{text}' can never be checked: {wanted.fact} is a {kind}, and this is a {asked}"
    said = answer(text, known)
    if said.answer == HOLDS:
        return f"'{text}' holds already: {said.because}"
    is_past = wanted.op in ("<", "<=") or str(wanted.value) < day.isoformat()
    if wanted.fact == "today" and said.answer == FAILS and is_past:
        return f"'{text}' can never hold: that day is past"
    return ""


def _value(written: str) -> Value:
    plain = written.strip("'\"")
    words: dict[str, Value] = {
        "null": None, "none": None, "true": True, "false": False, "yes": True, "no": False,
    }  # fmt: skip
    if plain.lower() in words:
        return words[plain.lower()]
    try:
        return float(plain)
    except ValueError:
        return plain


def _require_possible(text: str, written: str, value: Value) -> None:
    """Refuse a second condition in one, a number without end and a day of no calendar."""
    what = ""
    if re.search(r"[=<>]|&&|\|\|", written):
        what = f"'{text}' holds more than one condition"
    elif isinstance(value, float) and not math.isfinite(value):
        what = f"'{text}': {written} is no number to compare with"
    elif isinstance(value, str) and _DATE.fullmatch(value) and _kind(value) != "date":
        what = f"'{text}': {written} is no day of the calendar"
    if what:
        raise ConfigError(
            what,
            where="--revisit-if",
            fix="write one FACT OP VALUE for each condition, with a number, or a date such as "
            "2027-04 or 2027-04-30",
        )


def _kind(value: Value) -> str:
    """Return what a value is: number, date, word, yes or no, or null; nan and inf are null."""
    if isinstance(value, bool):
        return "yes or no"
    if isinstance(value, float):
        return "number" if math.isfinite(value) else "null"
    if isinstance(value, str):
        return "date" if _is_day(value) else "word"
    return "null"


def _kind_of_fact(fact: str, known: Mapping[str, tuple[Value, str]]) -> str:
    return kinds_of_facts().get(fact) or _kind(known[fact][0] if fact in known else None)


def _is_day(text: str) -> bool:
    if not _DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text if len(text) > len("2027-04") else f"{text}-01")
    except ValueError:
        return False
    return True


def _compared(value: Value, wanted: Condition) -> bool | None:
    """Return whether a known value is as wanted; None where the two cannot be compared.

    Nothing known compares with null alone, a number with numbers, a date with dates, a word with
    words, without regard to capitals: what is unknown or of another kind is never a yes.
    """
    asked: Value = wanted.value
    if asked is None and wanted.op in ("==", "!="):
        is_nan = isinstance(value, float) and not math.isfinite(value)
        return None if is_nan else _COMPARE[wanted.op](value is None, True)
    if _kind(value) == "null" or _kind(value) != _kind(asked):
        return None
    if isinstance(value, str) and isinstance(asked, str):
        if _kind(value) == "date" and len(value) < len(asked):
            return None  # a month lies neither before nor after a day of it
        # 2027-04-30 lies in 2027-04
        value = (
            value[: len(asked)] if _kind(value) == "date" else " ".join(value.casefold().split())
        )
        asked = " ".join(asked.casefold().split())
    return _COMPARE[wanted.op](value, asked)


def _told(value: Value) -> str:
    if value is None:
        return "not named"
    return f"{value:g}" if isinstance(value, float) else str(value)
