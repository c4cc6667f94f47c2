"""Checks of what the register says of a case: people, words, dates, labels, former cases."""

import calendar
import math
from collections.abc import Mapping
from datetime import date
from typing import Any

from pydantic import Field, field_validator

from aiops.config import Config
from aiops.governance.blanks import names_nobody
from aiops.governance.dossier import REGISTER, Dossier
from aiops.governance.evidence import Answer, Outcome, listed, worst
from aiops.governance.revisit import FAILS, HOLDS, answer, parse
from aiops.governance.run_checks import Nothing

APPROVALS = ("approve", "approve-with-conditions")
EDIT = "`aiops usecase edit`"
FACTS = "or a line `CASE: {FACT: VALUE}` in facts.yaml of AIOPS_HOME"
ASK_DATA = "`aiops feasibility CONFIG` on the data there are"
SETTLES = {
    "R02": "figures of each source by a run (G3, G4); a table cannot show it",
    "R04": "`aiops feasibility CONFIG --readers TABLE:COLUMN_A:COLUMN_B`, read by two",
    "R12": "figures on other sources by a run (G3, G4); a table cannot show it",
}
"""What decides a reason that the table alone leaves open."""


class Fields(Config):
    """Fields of the register."""

    fields: tuple[str, ...] = Field(min_length=1)


class Fresh(Config):
    """A day, and how long ago it may be."""

    field: str
    at_most_months: int = Field(ge=1)


class Labelled(Config):
    """Share of the planned labels that must be done."""

    at_least: float = Field(gt=0, le=1)


class Fact(Config):
    """What must hold of something people state, as in ``kappa>=0.7``."""

    holds: str

    @field_validator("holds")
    @classmethod
    def _can_be_checked(cls, holds: str) -> str:
        return parse(holds).text


class Feasible(Config):
    """Reasons for a no that feasibility must not support, and how old its figures may be."""

    against: tuple[str, ...] = Field(min_length=1, description="Codes of reasons.yaml.")
    at_most_months: int = Field(default=12, ge=1)


class Step(Config):
    """An earlier step."""

    step: str = Field(pattern=r"^G[0-6]$")


def months_after(day: date, months: int) -> date:
    """Return the same day of a later month, or its last day where that month is shorter.

    Examples
    --------
    >>> months_after(date(2026, 8, 31), 6)
    datetime.date(2027, 2, 28)
    """
    years, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + years, month + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def role_named(dossier: Dossier, asked: Fields) -> Answer:
    """Answer whether each role has somebody's name, and not "TBC"."""
    threshold = f"a person each for: {_names(asked)}"
    said = {name: dossier.fact(name) for name in asked.fields}
    nobody = [n for n, one in said.items() if not isinstance(one, str) or names_nobody(one)]
    if nobody:
        reason = "; ".join(f"{_words(name)}: nobody is named" for name in nobody)
        settles = f"name them with {EDIT}"
        return Answer("fail", "not named", threshold, reason, settles, REGISTER)
    return Answer("pass", "named", threshold, "each has a name", "", REGISTER)


def field_filled(dossier: Dossier, asked: Fields) -> Answer:
    """Answer whether the register says something in each of these fields."""
    threshold = f"said: {_names(asked)}"
    blank = [name for name in asked.fields if dossier.fact(name) is None]
    if blank:
        reason = f"nothing is said of: {listed([_words(name) for name in blank])}"
        return Answer("undecided", "blank", threshold, reason, f"{EDIT} {FACTS}", REGISTER)
    return Answer("pass", "said", threshold, "the register says it", "", REGISTER)


def prior_search(dossier: Dossier, asked: Nothing) -> Answer:
    """Answer whether former cases like it were looked for, and what was found was looked at.

    The register's silence is no answer: it knows the words it holds and no others. A paper that
    somebody brought says what was looked through, and in what this differs.
    """
    threshold = "each former case like it answered, or a paper that says what was looked through"
    settles = "`aiops document add --kind prior_search`: where it was looked, and what is other"
    if dossier.like is None:
        reason = "nobody looked for former cases"
        return Answer("undecided", "not searched", threshold, reason, "`aiops gate`", REGISTER)
    value = listed([_told_of_former(one) for one in dossier.like]) or "none found"
    paper = dossier.paper("prior_search")
    if paper is not None and paper["file"] == "there":
        reason = f"{paper['id']} says what was looked through, and in what it differs"
        return Answer("pass", value, threshold, reason, "", f"documents/{paper['sha256']}")
    named = str(dossier.fact("revisits") or "")
    near = [one for one in dossier.like if not one.get("is_weak")]
    open_ones = [one["id"] for one in near if named not in (one["id"], one["slug"])]
    if open_ones:
        reason = f"nobody has said in what it differs from {', '.join(open_ones)}"
        return Answer("undecided", value, threshold, reason, settles, REGISTER)
    if not named:
        return Answer("undecided", value, threshold, _silence(dossier), settles, REGISTER)
    return Answer("pass", value, threshold, f"it says that it tries {named} again", "", REGISTER)


def _told_of_former(one: Mapping[str, Any]) -> str:
    weak = ", weakly like it" if one.get("is_weak") else ""
    return f"{one['id']} {one['slug']} ({one['state']}{weak})"


def _silence(dossier: Dossier) -> str:
    """Say what the search was silent over, and the words that no former case has."""
    n = dossier.searched.get("n_cases")
    if n == 0:
        return "the register holds no earlier case"
    among = f"of {n} earlier or ended cases" if n else "of the register"
    unknown = dossier.searched.get("unknown", ())
    words = f"; in none of them: {', '.join(unknown[:12])}" if unknown else ""
    return f"no case {among} is clearly like it{words}"


def feasible(dossier: Dossier, asked: Feasible) -> Answer:
    """Answer whether the figures of `aiops feasibility` speak against a reason to say no."""
    threshold = f"figures that speak against {', '.join(asked.against)}"
    settles, told = ASK_DATA, dossier.feasibility
    if told is None:
        reason = "nobody asked `aiops feasibility` for this case"
        return Answer("undecided", "not asked", threshold, reason, settles, REGISTER)
    day = date.fromisoformat(str(told["created_at"])[:10])
    value = f"{told['file']} of {day}"
    if months_after(day, asked.at_most_months) < dossier.asked_on:
        reason = f"its figures are older than {asked.at_most_months} months"
        return Answer("undecided", value, threshold, reason, settles, REGISTER)
    outcomes: dict[Any, Outcome] = {True: "fail", False: "pass"}
    found: dict[str, Outcome] = {}
    said: dict[str, str] = {}
    for code in asked.against:
        one = told["reasons"].get(code) or {"supports": None, "sentence": "no figures"}
        found[code] = outcomes.get(one["supports"], "undecided")
        said[code] = f"{code}: {one['sentence']}"
    outcome = worst(found.values())
    these = [code for code in asked.against if found[code] == outcome]
    reasons = listed([said[code] for code in these])
    settles = {
        "pass": "",
        "fail": "other data, or another question",
        "undecided": "; ".join(dict.fromkeys(SETTLES.get(code, ASK_DATA) for code in these)),
    }[outcome]
    return Answer(outcome, value, threshold, reasons, settles, REGISTER)


def labels_done(dossier: Dossier, asked: Labelled) -> Answer:
    """Answer whether enough of the planned labels are done."""
    threshold = f"at least {asked.at_least:.0%} of the planned labels"
    done, planned = (_count(dossier.fact(f"labels_{name}")) for name in ("done", "planned"))
    if done is None or not planned:
        reason = "labels planned and done are not recorded"
        return Answer("undecided", "unknown", threshold, reason, f"{EDIT} {FACTS}", REGISTER)
    if not 0 <= done <= planned:
        reason = f"{done:g} labels done of {planned:g} planned cannot be"
        return Answer("undecided", "not possible", threshold, reason, f"{EDIT} {FACTS}", REGISTER)
    share = done / planned
    value = f"{share:.0%} done"
    if share < asked.at_least:
        reason = "fewer labels are done than were asked for"
        return Answer("fail", value, threshold, reason, "the labels that are missing", REGISTER)
    return Answer("pass", value, threshold, "the labels are done", "", REGISTER)


def date_fresh(dossier: Dossier, asked: Fresh) -> Answer:
    """Answer whether a day of the register is not too long ago."""
    threshold = f"{_words(asked.field)} not older than {asked.at_most_months} months"
    settles = f"do it again, and say when with {EDIT} {FACTS}"
    said = dossier.fact(asked.field)
    try:
        day = date.fromisoformat(str(said))
    except ValueError:
        reason = f"{_words(asked.field)}: no day is recorded"
        return Answer("undecided", "unknown", threshold, reason, settles, REGISTER)
    if day > dossier.asked_on:
        reason = f"{_words(asked.field)}: {day} is still to come"
        return Answer("undecided", str(day), threshold, reason, settles, REGISTER)
    if months_after(day, asked.at_most_months) < dossier.asked_on:
        reason = f"{_words(asked.field)}: {day} is longer ago"
        return Answer("undecided", str(day), threshold, reason, settles, REGISTER)
    return Answer("pass", str(day), threshold, "it is recent", "", REGISTER)


def fact_holds(dossier: Dossier, asked: Fact) -> Answer:
    """Answer whether something that people state holds; what nobody states is undecided."""
    wanted = parse(asked.holds)
    value = dossier.fact(wanted.fact)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    source = "stated in facts.yaml" if wanted.fact in dossier.stated else "said in the register"
    known = {} if value is None else {wanted.fact: (float(value) if number else value, source)}
    told = answer(asked.holds, known)
    outcome: Any = {HOLDS: "pass", FAILS: "fail"}.get(told.answer, "undecided")
    settles = "" if outcome == "pass" else f"{_words(wanted.fact)}, stated anew in facts.yaml"
    shown = "unknown" if value is None else str(value)
    return Answer(outcome, shown, asked.holds, told.because, settles, REGISTER)


def step_approved(dossier: Dossier, asked: Step) -> Answer:
    """Answer whether an earlier step was approved, and the approval still stands."""
    threshold = f"an approval at {asked.step} that stands"
    mine = [
        one
        for one in dossier.decisions
        if one["gate_step"] == asked.step and one["outcome"] in APPROVALS
    ]
    settles = f"an approval at {asked.step}"
    if not mine:
        reason = f"nobody approved {asked.step}"
        return Answer("undecided", "none", threshold, reason, settles, REGISTER)
    last = mine[-1]
    until = last["expires_at"]
    if until and date.fromisoformat(str(until)) <= dossier.asked_on:  # as in the register
        reason = f"{last['id']} lapsed on {until}"
        return Answer("fail", str(last["id"]), threshold, reason, settles, REGISTER)
    return Answer("pass", str(last["id"]), threshold, f"{last['id']} stands", "", REGISTER)


def conditions_kept(dossier: Dossier, asked: Nothing) -> Answer:
    """Answer whether no condition of an earlier approval is overdue or still open."""
    threshold = "every earlier condition met"
    late: list[str] = []
    given_up: list[str] = []
    waiting: list[str] = []
    for one in dossier.register.get("conditions", ()):
        if one["status"] == "met":
            continue
        told = f"{one['decision']} {one['id']} ({one['item']}), {one['owner']}, due {one['due']}"
        overdue = date.fromisoformat(str(one["due"])) < dossier.asked_on
        where = late if overdue else waiting
        (given_up if one["status"] == "lapsed" else where).append(told)
    if late:
        reason = f"overdue: {listed(late)}"
        return Answer("fail", "overdue", threshold, reason, "what was promised", REGISTER)
    if given_up:
        # Final, so nobody can bring it any more: those who approve say what stands in its place.
        reason = f"given up: {listed(given_up)}"
        settles = "a condition of this approval in its place"
        return Answer("undecided", "given up", threshold, reason, settles, REGISTER)
    if waiting:
        reason = f"open: {listed(waiting)}"
        return Answer("undecided", "open", threshold, reason, "what was promised", REGISTER)
    return Answer("pass", "none open", threshold, "no condition is open", "", REGISTER)


def _count(value: Any) -> float | None:
    """Return a count, and None for what is no number or has no end."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def _words(name: str) -> str:
    return name.replace("_", " ")


def _names(asked: Fields) -> str:
    return ", ".join(_words(name) for name in asked.fields)
