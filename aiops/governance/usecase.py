"""The register of use cases: every idea gets a number, whether it ever becomes a model or not.

What was said at intake is one line of ``AIOPS_HOME/ledger/use_cases.jsonl``, and each later word on
it is another: nothing is overwritten. Where a case stands is not written anywhere: it is folded
from the decisions on it, each time it is asked for.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from pydantic import Field, ValidationError

from aiops import home
from aiops.config import Config
from aiops.errors import ConfigError
from aiops.files import read_json
from aiops.governance import ledger
from aiops.governance.blanks import is_blank, names_nobody
from aiops.governance.closings import counted
from aiops.governance.conditions import Standing, standing_of
from aiops.governance.lawful import came_from, now_called
from aiops.governance.lifecycle import APPROVALS, FIRST, State, read_lifecycle
from aiops.lookup import pick

FIXED = ("slug", "revisits", "submitted_by")
"""Fields of the intake that no edit changes."""


class Intake(Config):
    """What is said of an idea when it is put in."""

    slug: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$", description="Name in configs and URLs.")
    title: str = Field(min_length=3, max_length=200, description="One line for a board.")
    problem: str = Field(default="", description="What is wrong today, for whom.")
    pathway: str = Field(default="", description="Where in the pathway of care it would act.")
    population: str = Field(default="", description="PICO: on which patients.")
    intervention: str = Field(default="", description="PICO: what it would do.")
    comparator: str = Field(default="", description="PICO: what is done today.")
    outcome: str = Field(default="", description="PICO: what would be better, and how measured.")
    users: str = Field(default="", description="Who would work with it.")
    specialty: str = Field(default="", description="Clinical specialty.")
    modality: str = Field(default="", description="ct, mri, xray, photo, table, text.")
    task: str = Field(default="", description="segmentation, classification, or in words.")
    owner: str = Field(default="", description="Service that would own it.")
    clinical_lead: str = Field(default="", description="Clinician who leads it.")
    data_sources: str = Field(default="", description="Systems the data would come from.")
    labels_planned: int | None = Field(default=None, ge=0, description="Cases to be labelled.")
    labels_done: int | None = Field(default=None, ge=0, description="Cases labelled so far.")
    last_clinical_sign_in: date | None = Field(
        default=None, description="Day a clinician last worked on it."
    )
    alternatives: str = Field(default="", description="What else would mend the problem.")
    market_scan: str = Field(default="", description="Products on the market that do it.")
    market_scan_on: date | None = Field(default=None, description="Day of that scan.")
    epr_scan: str = Field(default="", description="What the record system here does, or will.")
    epr_scan_on: date | None = Field(default=None, description="Day of that scan.")
    expected_benefit: str = Field(default="", description="What is gained, in figures.")
    downstream_services: str = Field(default="", description="Services whose work it changes.")
    revisits: str = Field(default="", description="Number of the closed case this tries again.")
    submitted_by: str = Field(default="", description="Who put it in.")


DAYS = ("last_clinical_sign_in", "market_scan_on", "epr_scan_on")
"""Fields that say when something was done: none is still to come."""

OPTIONAL = ("labels_done", "alternatives", "revisits", "submitted_by", "last_clinical_sign_in")
"""Fields that may be blank at intake without a word about it."""


class UseCase(Intake):
    """A registered idea and where it stands."""

    id: str = Field(pattern=r"^UC-\d{4,}$")
    submitted_at: str
    state: State = FIRST
    since: str = Field(default="", description="When it came to this state.")
    came_from: State | None = Field(default=None, description="Where it goes back to.")
    reasons: tuple[str, ...] = ()
    review_by: str | None = None
    decisions: tuple[str, ...] = ()
    approved_by: str = Field(default="", description="The last approval.")
    expires_at: str | None = Field(default=None, description="When that approval lapses.")
    is_lapsed: bool = Field(default=False, description="Whether it lapsed.")
    conditions: tuple[Standing, ...] = ()
    conditions_open: int = 0
    edited: tuple[str, ...] = Field(default=(), description="Later words on the intake.")

    @property
    def is_closed(self) -> bool:
        """Whether no further decision can be made on it."""
        return self.state in read_lifecycle().terminal

    @property
    def overdue(self) -> tuple[Standing, ...]:
        """Conditions that were not met by their day."""
        return tuple(condition for condition in self.conditions if condition.is_overdue)

    @property
    def blank(self) -> list[str]:
        """Fields of the intake that nobody filled; TBC and a dash are blank."""
        said = {name: getattr(self, name) for name in Intake.model_fields if name not in OPTIONAL}
        told = {name: "" if value is None else str(value) for name, value in said.items()}
        people = ("owner", "clinical_lead")
        # A scan with its day that found "none" is an answer.
        found = {name for name in ("market_scan", "epr_scan") if told[f"{name}_on"] and told[name]}
        return [
            name
            for name, text in told.items()
            if name not in found and (names_nobody if name in people else is_blank)(text)
        ]

    @property
    def warnings(self) -> list[str]:
        """What forbids using it although it was approved; empty when nothing does."""
        told = [f"lapsed: {self.approved_by} ended on {self.expires_at}"] if self.is_lapsed else []
        return told + [f"{c.word}: {c.id} {c.text} ({c.owner}, {c.due})" for c in self.overdue]

    def days_in_state(self, today: date | None = None) -> int:
        """Return for how many days it has stood where it stands."""
        return ((today or date.today()) - date.fromisoformat(self.since[:10])).days


def submit(slug: str, title: str, **details: Any) -> UseCase:
    """Register an idea under the next number, which nobody else gets.

    Parameters
    ----------
    slug : str
        Its name in configs.
    title : str
        What it is, in a line.
    **details : Any
        Further fields of `Intake`: problem, specialty, modality, task, owner, clinical_lead,
        market_scan, revisits, submitted_by, ….

    Raises
    ------
    ConfigError
        If a field is wrong, the slug is taken, or `revisits` names no case.
    """
    intake = _intake({"slug": slug, "title": title, **details})
    if intake.revisits and not (former := find(intake.revisits)).is_closed:
        raise ConfigError(
            f"{former.id} {former.slug} is {former.state}, and only a closed case is tried again",
            where=f"intake of '{slug}': revisits",
            fix=f"go on with {former.slug}, or leave `revisits` out",
        )

    def next_entry(entries: list[ledger.Record]) -> ledger.Record:
        intakes = [entry for entry in entries if "slug" in entry]
        taken = [entry for entry in intakes if entry["slug"] == intake.slug]
        if taken:
            raise ConfigError(
                f"'{intake.slug}' is registered already, as {taken[0]['id']}",
                where=f"{ledger.book_path(ledger.USE_CASES)}: slug",
                fix="choose another slug; for a second try, name the first in `revisits`",
            )
        number = 1 + max(map(_number, [*intakes, *ledger.read_all()]), default=0)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return {**intake.model_dump(mode="json"), "id": f"UC-{number:04d}", "submitted_at": now}

    return find(str(ledger.append(next_entry, ledger.USE_CASES)["id"]))


def edit(slug_or_id: str, *, by: str, **changes: Any) -> UseCase:
    """Add a later word to an intake: what changed, who says so and when.

    Parameters
    ----------
    slug_or_id : str
        The case.
    by : str
        Who says so.
    **changes : Any
        Fields of `Intake` with their new values.

    Raises
    ------
    ConfigError
        If a field is wrong or fixed, nothing changes, nobody is named, or the case is closed.
    """
    case = find(slug_or_id)
    if case.is_closed:
        raise ConfigError(
            f"{case.id} {case.slug} is {case.state}: what was said of it stays as it was",
            where=f"usecase edit {case.slug}",
            fix=f"register another: aiops usecase submit SLUG --title TITLE --revisits {case.id}",
        )
    fixed = [name for name in changes if name in FIXED]
    if fixed or not by.strip():
        raise ConfigError(
            f"{', '.join(fixed)} cannot be changed" if fixed else "an edit names who makes it",
            where=f"usecase edit {case.slug}",
            fix="register another case" if fixed else "add --by NAME",
        )
    said = {name: getattr(case, name) for name in Intake.model_fields}
    changed = _intake({**said, **changes}).model_dump(mode="json")
    now = {name: changed[name] for name in changes}
    if now == {name: _plain(said[name]) for name in changes}:
        raise ConfigError(
            "nothing changes",
            where=f"usecase edit {case.slug}",
            fix=f"see what is there: aiops usecase show {case.slug}",
        )
    at = datetime.now(UTC).isoformat(timespec="seconds")
    event = {"event": "edit", "case_id": case.id, "changes": now, "by": by.strip(), "at": at}
    ledger.append(lambda earlier: event, ledger.USE_CASES)
    return find(case.id)


def list_use_cases() -> list[UseCase]:
    """Return every registered use case, the oldest first."""
    decisions = ledger.read_all()
    closings = counted(decisions)
    entries = ledger.read_all(ledger.USE_CASES)
    edits = [entry for entry in entries if entry.get("event") == "edit"]
    return [
        _use_case(
            entry,
            [edit for edit in edits if edit["case_id"] == entry["id"]],
            [record for record in decisions if record["case_id"] == entry["id"]],
            [event for event in closings if event["case_id"] == entry["id"]],
        )
        for entry in entries
        if "slug" in entry
    ]


def registered(slug_or_id: str) -> UseCase | None:
    """Return a use case by its slug or number, or None when it is not registered."""
    return _by_name().get(slug_or_id)


def find(slug_or_id: str) -> UseCase:
    """Return a use case by its slug or number.

    Raises
    ------
    ConfigError
        If it is not registered; with the nearest name.
    """
    known = _by_name()
    if not known:
        raise ConfigError(
            f"'{slug_or_id}' is not known: no use case is registered yet",
            where=str(ledger.book_path(ledger.USE_CASES)),
            fix=f"register it first: aiops usecase submit {slug_or_id} --title TITLE",
        )
    return pick(known, slug_or_id, where="register of use cases: slug or number")


def state_after(
    decisions: Sequence[ledger.Record], *, has_run: bool, is_evaluated: bool = False
) -> State:
    """Return where a case stands, from the decisions on it in their order.

    Parameters
    ----------
    decisions : sequence of dict
        Records of the ledger on this case, the oldest first.
    has_run : bool
        Whether anything was run for it.
    is_evaluated : bool
        Whether a run of it was evaluated.

    Examples
    --------
    >>> state_after([], has_run=False), state_after([], has_run=True, is_evaluated=True)
    ('submitted', 'retrospective_eval')
    >>> state_after([{"to_state": "deferred"}, {"to_state": "rejected"}], has_run=True)
    'rejected'
    """
    if decisions:
        return now_called(decisions[-1]["to_state"])
    if is_evaluated:
        return "retrospective_eval"
    return "development" if has_run else FIRST


def _intake(said: dict[str, Any]) -> Intake:
    where = f"intake of '{said['slug']}'"
    try:
        found = Intake.model_validate(said)
    except ValidationError as fault:
        told = "; ".join(f"{e['loc'][0]}: {e['msg']}" for e in fault.errors())
        raise ConfigError(told, where=where, fix=_fix_of(fault)) from fault
    days = {name: getattr(found, name) for name in DAYS}
    wrong = [
        f"{n}: {day} is still to come" for n, day in days.items() if day and day > date.today()
    ]
    done, planned = found.labels_done, found.labels_planned
    if done is not None and planned is not None and done > planned:
        wrong.append(f"labels_done: {done} are more than the {planned} that are planned")
    if wrong:
        raise ConfigError("; ".join(wrong), where=where, fix="write what is so today")
    return found


def _fix_of(fault: ValidationError) -> str:
    names = {str(e["loc"][0]) for e in fault.errors()}
    if names <= set(DAYS):
        return f"write days as YYYY-MM-DD, such as {date.today()}"
    if names <= set(Intake.model_fields):
        return "write these again; see: aiops usecase submit --help"
    return f"fields are: {', '.join(Intake.model_fields)}"


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def _by_name() -> dict[str, UseCase]:
    cases = list_use_cases()
    return {case.slug: case for case in cases} | {case.id: case for case in cases}


def _number(record: ledger.Record) -> int:
    """Return the number of a case as its entry or a decision on it names it."""
    name = record["id"] if "slug" in record else record["case_id"]
    return int(name.removeprefix("UC-"))


def _use_case(
    entry: ledger.Record,
    edits: list[ledger.Record],
    decisions: list[ledger.Record],
    closings: list[ledger.Record],
) -> UseCase:
    said: dict[str, Any] = {n: entry[n] for n in Intake.model_fields if n in entry}
    for event in edits:
        said |= event["changes"]
    folder = home.runs_dir(entry["slug"])
    runs = sorted(path for path in folder.iterdir()) if folder.is_dir() else []
    evaluated = [path for path in runs if (path / "evaluation.json").exists()]
    state = state_after(decisions, has_run=bool(runs), is_evaluated=bool(evaluated))
    last = decisions[-1] if decisions else {"reasons": [], "review_by": None}
    approvals = [record for record in decisions if record["outcome"] in APPROVALS]
    expires = approvals[-1]["expires_at"] if approvals else None
    ended = state in read_lifecycle().terminal
    conditions = () if ended else standing_of(approvals, closings)
    return UseCase(
        **said,
        id=entry["id"],
        submitted_at=entry["submitted_at"],
        state=state,
        since=_since(decisions) or _began(evaluated or runs) or entry["submitted_at"],
        came_from=came_from(decisions, state),
        reasons=tuple(f"{reason['code']} {reason['name']}" for reason in last["reasons"]),
        review_by=last["review_by"],
        decisions=tuple(record["id"] for record in decisions),
        approved_by=approvals[-1]["id"] if approvals else "",
        expires_at=expires,
        is_lapsed=not ended and expires is not None and expires <= date.today().isoformat(),
        conditions=conditions,
        conditions_open=sum(condition.status == "open" for condition in conditions),
        edited=tuple(f"{e['at'][:10]} {e['by']}: {', '.join(e['changes'])}" for e in edits),
    )


def _since(decisions: list[ledger.Record]) -> str:
    """Return when the last decision that moved the case was made."""
    moved = [r["created_at"] for r in decisions if r["from_state"] != r["to_state"]]
    return str(moved[-1]) if moved else ""


def _began(runs: list[Any]) -> str:
    """Return when the first of some runs began; a run without a date says nothing."""
    told = runs[0] / "run.json" if runs else None
    return str(read_json(told).get("created") or "") if told and told.exists() else ""
