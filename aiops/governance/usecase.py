"""The register of use cases: every idea gets a number, whether it ever becomes a model or not.

What was said at intake is one line of ``AIOPS_HOME/ledger/use_cases.jsonl``. Where a case stands
is not written anywhere: it is folded from the decisions on it, each time it is asked for.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field, ValidationError

from aiops import home
from aiops.config import Config
from aiops.errors import ConfigError
from aiops.governance import ledger
from aiops.lookup import pick

State = Literal["submitted", "development", "approved", "rejected", "discontinued", "deferred"]

CLOSED: frozenset[State] = frozenset({"rejected", "discontinued"})
"""States that never reopen: a second try is a new case that names the old one."""


class Intake(Config):
    """What is said of an idea when it is put in."""

    slug: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$", description="Name in configs and URLs.")
    title: str = Field(min_length=3, max_length=200, description="One line for a board.")
    problem: str = Field(default="", description="What is wrong today, for whom.")
    specialty: str = Field(default="", description="Clinical specialty.")
    modality: str = Field(default="", description="ct, mri, xray, photo, table, text.")
    task: str = Field(default="", description="segmentation, classification, or in words.")
    owner: str = Field(default="", description="Service that would own it.")
    clinical_lead: str = Field(default="", description="Clinician who leads it.")
    revisits: str = Field(default="", description="Number of the closed case this tries again.")
    submitted_by: str = Field(default="", description="Who put it in.")


class UseCase(Intake):
    """A registered idea and where it stands."""

    id: str = Field(pattern=r"^UC-\d{4,}$")
    submitted_at: str
    state: State = "submitted"
    reasons: tuple[str, ...] = ()
    review_by: str | None = None
    decisions: tuple[str, ...] = ()
    conditions_open: int = 0

    @property
    def is_closed(self) -> bool:
        """Whether no further decision can be made on it."""
        return self.state in CLOSED


def submit(slug: str, title: str, **details: str) -> UseCase:
    """Register an idea under the next number, which nobody else gets.

    Parameters
    ----------
    slug : str
        Its name in configs.
    title : str
        What it is, in a line.
    **details : str
        Further fields of `Intake`: problem, specialty, modality, task, owner, clinical_lead,
        revisits, submitted_by.

    Raises
    ------
    ConfigError
        If a field is wrong, the slug is taken, or `revisits` names no case.
    """
    try:
        intake = Intake.model_validate({"slug": slug, "title": title, **details})
    except ValidationError as fault:
        told = "; ".join(f"{e['loc'][0]}: {e['msg']}" for e in fault.errors())
        raise ConfigError(
            told, where=f"intake of '{slug}'", fix=f"fields are: {', '.join(Intake.model_fields)}"
        ) from fault
    if intake.revisits:
        find(intake.revisits)

    def next_entry(entries: list[ledger.Record]) -> ledger.Record:
        taken = [entry for entry in entries if entry["slug"] == intake.slug]
        if taken:
            raise ConfigError(
                f"'{intake.slug}' is registered already, as {taken[0]['id']}",
                where=f"{ledger.book_path(ledger.USE_CASES)}: slug",
                fix="choose another slug; for a second try, name the first in `revisits`",
            )
        number = 1 + max(map(_number, [*entries, *ledger.read_all()]), default=0)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return {**intake.model_dump(), "id": f"UC-{number:04d}", "submitted_at": now}

    return _use_case(ledger.append(next_entry, ledger.USE_CASES), [])


def list_use_cases() -> list[UseCase]:
    """Return every registered use case, the oldest first."""
    decisions = ledger.read_all()
    return [_use_case(entry, decisions) for entry in ledger.read_all(ledger.USE_CASES)]


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
            fix=f"register it first: aiops usecase {slug_or_id} --title TITLE",
        )
    return pick(known, slug_or_id, where="register of use cases: slug or number")


def state_after(decisions: Iterable[ledger.Record], *, has_run: bool) -> State:
    """Return where a case stands, from the decisions on it in their order.

    Parameters
    ----------
    decisions : iterable of dict
        Records of the ledger on this case, the oldest first.
    has_run : bool
        Whether anything was run for it.

    Examples
    --------
    >>> state_after([], has_run=False)
    'submitted'
    >>> state_after([{"to_state": "deferred"}, {"to_state": "rejected"}], has_run=True)
    'rejected'
    """
    state: State = "development" if has_run else "submitted"
    for decision in decisions:
        state = decision["to_state"]
    return state


def _by_name() -> dict[str, UseCase]:
    cases = list_use_cases()
    return {case.slug: case for case in cases} | {case.id: case for case in cases}


def _number(record: ledger.Record) -> int:
    """Return the number of a case as its entry or a decision on it names it."""
    name = record["id"] if "slug" in record else record["case_id"]
    return int(name.removeprefix("UC-"))


def _use_case(entry: ledger.Record, decisions: list[ledger.Record]) -> UseCase:
    mine = [record for record in decisions if record["case_id"] == entry["id"]]
    runs = home.runs_dir(entry["slug"])
    said: dict[str, Any] = {name: entry[name] for name in Intake.model_fields}
    last = mine[-1] if mine else {"reasons": [], "review_by": None, "conditions": []}
    return UseCase(
        **said,
        id=entry["id"],
        submitted_at=entry["submitted_at"],
        state=state_after(mine, has_run=runs.is_dir() and any(runs.iterdir())),
        reasons=tuple(f"{reason['code']} {reason['name']}" for reason in last["reasons"]),
        review_by=last["review_by"],
        decisions=tuple(record["id"] for record in mine),
        conditions_open=sum(c["status"] == "open" for c in last["conditions"]),
    )
