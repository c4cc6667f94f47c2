"""When is a closed project worth another try? Conditions that a machine can check, asked again.

A condition reads ``FACT OP VALUE``. Facts are computed where they can be (patients and figures of
the case's latest run, its newest feasibility, what was said at intake, today's date); all others
are stated by people in ``AIOPS_HOME/facts.yaml`` and are told as stated. A fact that nobody knows
is no yes.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from aiops import home
from aiops.errors import ConfigError
from aiops.files import read_json
from aiops.governance import ledger
from aiops.governance.usecase import UseCase, list_use_cases

HOLDS, FAILS, UNKNOWN = "holds", "does not hold", "cannot tell"
NOBODY = frozenset({"", "tbc", "tbd", "n/a", "none", "nobody", "unknown"})
"""What stands in a field of a person that names nobody."""

Value = float | str | bool | None
_FORM = re.compile(r"\s*([a-z][a-z0-9_]*)\s*(==|!=|>=|<=|>|<)\s*([^\s=<>!].*?)\s*", re.IGNORECASE)
_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")
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
        If it has another form, or orders what has no order.

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
    if op not in ("==", "!=") and (
        value is None or isinstance(value, bool) or not (_is_number(value) or _is_date(value))
    ):
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
        return Answer(
            text, UNKNOWN, f"nobody has stated {wanted.fact}: add it to {home.facts_file().name}"
        )
    value, source = facts[wanted.fact]
    if wanted.op not in ("==", "!=") and type(value) is not type(wanted.value):
        return Answer(text, UNKNOWN, f"{wanted.fact} is {_told(value)} ({source}), not comparable")
    if isinstance(value, str) and isinstance(wanted.value, str) and _is_date(wanted.value):
        value = value[: len(wanted.value)]  # 2027-04-30 lies in 2027-04
    hit = _COMPARE[wanted.op](value, wanted.value)
    return Answer(text, HOLDS if hit else FAILS, f"{wanted.fact} is {_told(value)}, {source}")


def facts_of(case: UseCase, stated: Mapping[str, Any], today: date) -> dict[str, tuple[Value, str]]:
    """Return what is known of a case; what people state stands above what intake said."""
    from aiops.governance.feasibility import facts_of_feasibility

    facts: dict[str, tuple[Value, str]] = {"today": (today.isoformat(), "the calendar")}
    for name in ("problem", "specialty", "modality", "task", "owner", "clinical_lead"):
        text = str(getattr(case, name))
        facts[name] = (None if text.strip().lower() in NOBODY else text, "said at intake")
    for name in ("labels_planned", "labels_done"):
        count = getattr(case, name)
        facts[name] = (None if count is None else float(count), "said in the register")
    signed_in = case.last_clinical_sign_in
    facts["last_clinical_sign_in"] = (
        signed_in.isoformat() if signed_in else None, "said in the register",
    )  # fmt: skip
    facts |= facts_of_feasibility(case.slug)
    facts |= _of_latest_run(home.runs_dir(case.slug))
    for name, value in stated.items():
        said = value.isoformat() if isinstance(value, date) else value
        is_number = isinstance(said, int | float) and not isinstance(said, bool)
        facts[name.lower()] = (float(said) if is_number else said, "stated in facts.yaml")
    return facts


def read_facts() -> dict[str, dict[str, Any]]:
    """Return what people state, by slug of the use case.

    Raises
    ------
    ConfigError
        If the file is not a mapping of slugs to mappings of facts.
    """
    path = home.facts_file()
    if not path.exists():
        return {}
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as fault:
        raise ConfigError("this is no YAML", where=str(path), fix=str(fault)) from fault
    is_sound = isinstance(found, dict) and all(isinstance(v, dict) for v in found.values())
    if not is_sound:
        raise ConfigError(
            "facts stand under the slug of their use case",
            where=str(path),
            fix="write: SLUG: {kappa: 0.72, vendor_contract_ends: 2027-03}",
        )
    return found


def _of_latest_run(folder: Path) -> dict[str, tuple[Value, str]]:
    runs = sorted(folder.glob("*/evaluation.json")) if folder.is_dir() else []
    if not runs:
        return {}
    told, name = read_json(runs[-1]), f"computed by run {runs[-1].parent.name}"
    first = told["primary"][0]
    found: dict[str, tuple[Value, str]] = {"verdict": (str(told["verdict"]["overall"]), name)}
    for fact, key in (
        ("n_patients", "n_patients"),
        ("n_cases", "n_cases"),
        ("n_positive", "n_positive"),
        ("primary_value", "value"),
        ("primary_low", "low"),
        ("primary_high", "high"),
    ):
        if isinstance(first.get(key), int | float):
            found[fact] = (float(first[key]), name)
    return found


def _value(written: str) -> Value:
    plain = written.strip("'\"")
    words: dict[str, Value] = {"null": None, "none": None, "true": True, "false": False}
    if plain.lower() in words:
        return words[plain.lower()]
    if _DATE.fullmatch(plain) and "-" in plain:
        return plain
    try:
        return float(plain)
    except ValueError:
        return plain


def _is_number(value: Value) -> bool:
    return isinstance(value, float)


def _is_date(value: Value) -> bool:
    return isinstance(value, str) and bool(_DATE.fullmatch(value))


def _told(value: Value) -> str:
    if value is None:
        return "not named"
    return f"{value:g}" if isinstance(value, float) else str(value)
