"""All projects on one page: where each stands, for how long, why it ended, and what is due."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from aiops import home
from aiops.files import read_json, write_text
from aiops.governance import ledger
from aiops.governance.letter import WORD, grade_words, reason_words, render
from aiops.governance.lifecycle import read_lifecycle
from aiops.governance.record import DecisionRecord
from aiops.governance.revisit import revisit
from aiops.governance.revisit_words import in_words
from aiops.governance.standing import DONE, SET_ASIDE
from aiops.governance.usecase import UseCase, list_use_cases

STAGES: dict[str, tuple[str, ...]] = {
    "Ideas": ("submitted", "triage"),
    "Feasibility and plan": ("feasibility", "planned"),
    "Building and testing": ("development", "retrospective_eval"),
    "Silent trial": ("silent_prospective",),
    "In use": ("live_limited", "live"),
    "On hold": ("deferred", "suspended", "change_review"),
    "Ended": ("rejected", "discontinued", "retired"),
}
"""Columns of the board and the states of the lifecycle in each, in their order."""

SOON_DAYS = 90
"""A date that lies further off is counted, and not listed as due."""


@dataclass(frozen=True)
class Project:
    """One use case on the board.

    Parameters
    ----------
    id, slug, title, state, owner, clinical_lead : str
        Who it is and where it stands.
    since, days : str, int
        When it came there, and for how many days it has stood there.
    outcome, decision, grade : str
        The last decision: in words, its number, how it is vouched for; empty where none was made.
    reasons, lessons, revisit_if : tuple of str
        Why it stands there, what was learnt, and what would make it worth another try.
    staff_days, compute_hours : float, optional
        Effort sunk; None: nobody recorded it.
    warnings : tuple of str
        What is red: a lapsed approval, overdue conditions.
    review_by : str
        The day by which it is looked at again, however far off; empty where none was set.
    approved_until : str
        The day from which its approval has lapsed; empty where none is in force.
    conditions_open, conditions_due : int, str
        Conditions that nobody has met yet, and the day of the first.
    """

    id: str
    slug: str
    title: str
    state: str
    owner: str
    clinical_lead: str
    since: str
    days: int
    outcome: str
    decision: str
    grade: str
    reasons: tuple[str, ...]
    lessons: tuple[str, ...]
    revisit_if: tuple[str, ...]
    staff_days: float | None
    compute_hours: float | None
    warnings: tuple[str, ...]
    review_by: str = ""
    approved_until: str = ""
    conditions_open: int = 0
    conditions_due: str = ""


@dataclass(frozen=True)
class Due:
    """Something that somebody must do by a day."""

    day: date
    what: str
    who: str
    case: str
    is_overdue: bool

    @property
    def word(self) -> str:
        """Say in a word how late it is."""
        return "OVERDUE" if self.is_overdue else "due"


@dataclass(frozen=True)
class Portfolio:
    """Every project, what is due soon and later, and how often each reason was given."""

    made_on: date
    head: str
    projects: tuple[Project, ...]
    due: tuple[Due, ...]
    later: tuple[Due, ...]
    reasons: tuple[tuple[str, tuple[str, ...]], ...]
    again: tuple[str, ...]

    def column(self, states: Sequence[str]) -> list[Project]:
        """Return the projects of a column, the longest there first."""
        return sorted((p for p in self.projects if p.state in states), key=lambda p: -p.days)

    @property
    def overdue(self) -> tuple[Due, ...]:
        """What is late."""
        return tuple(due for due in self.due if due.is_overdue)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "made_on": self.made_on.isoformat(),
            "ledger_head": self.head,
            "projects": [asdict(project) for project in self.projects],
            "due": [_due_dict(d) for d in self.due],
            "due_later": [_due_dict(d) for d in self.later],
            "reasons": {reason: list(cases) for reason, cases in self.reasons},
            "could_be_tried_again": list(self.again),
        }

    def lines(self) -> list[str]:
        """Return it in a few lines for the screen."""
        if not self.projects:
            return ["no use case is registered yet"]
        told = [
            f"{name}: {len(found)}" for name, states in STAGES.items()
            if (found := self.column(states))
        ]  # fmt: skip
        late = [f"OVERDUE since {d.day}: {d.case}: {d.what} ({d.who})" for d in self.overdue]
        return [", ".join(told), *late]


def read_portfolio(today: date | None = None) -> Portfolio:
    """Return the portfolio as the register and the ledger have it.

    Parameters
    ----------
    today : date, optional
        The day that ages and due dates are counted from.
    """
    day = today or date.today()
    cases = list_use_cases()
    records = [DecisionRecord.model_validate(record) for record in ledger.read_all()]
    again = [r for r in revisit(today=day) if r.could_be_reopened]
    due = sorted(_due(cases, day), key=lambda due: (due.day, due.case))
    soon = [d for d in due if d.is_overdue or (d.day - day).days <= SOON_DAYS]
    return Portfolio(
        made_on=day,
        head=ledger.head(),
        projects=tuple(_project(c, [r for r in records if r.case_id == c.id], day) for c in cases),
        due=tuple(soon),
        later=tuple(d for d in due if d not in soon),
        reasons=_reasons(cases),
        again=tuple(f"{r.case.id} {r.case.slug} ({r.case.state})" for r in again),
    )


def write_portfolio(portfolio: Portfolio, path: Path) -> Path:
    """Write the portfolio as one self-contained page, and return its path."""
    write_text(path, portfolio_html(portfolio))
    return path


def portfolio_html(portfolio: Portfolio) -> str:
    """Return the page: no script, nothing from elsewhere, everything escaped."""
    columns = [(name, portfolio.column(states)) for name, states in STAGES.items()]
    ended = STAGES["Ended"]
    staff = [p.staff_days for p in portfolio.projects if p.staff_days is not None]
    hours = [p.compute_hours for p in portfolio.projects if p.compute_hours is not None]
    return render(
        "portfolio.html.j2",
        p=portfolio,
        columns=columns,
        told=[project for project in portfolio.projects if project.lessons],
        ended=[project for project in portfolio.projects if project.state in ended],
        most=max((len(slugs) for _, slugs in portfolio.reasons), default=1),
        says=read_lifecycle().states,
        staff_days=round(sum(staff), 1),
        compute_hours=round(sum(hours), 1),
        silent=len(portfolio.projects) - len(staff),
        soon=SOON_DAYS,
        in_words=in_words,
        words=reason_words,
    )


def _project(case: UseCase, records: list[DecisionRecord], day: date) -> Project:
    last = records[-1] if records else None
    staff = [r.effort.staff_days for r in records if r.effort.staff_days is not None]
    lessons = dict.fromkeys(lesson.text for r in records for lesson in r.lessons)
    days = sorted(c.due.isoformat() for c in case.conditions if c.status == "open")
    in_use = not case.is_closed and case.state not in SET_ASIDE and not case.is_lapsed
    return Project(
        id=case.id,
        slug=case.slug,
        title=case.title,
        state=case.state,
        owner=case.owner,
        clinical_lead=case.clinical_lead,
        since=case.since[:10],
        days=case.days_in_state(day),
        outcome=WORD[last.outcome] if last else "",
        decision=last.id if last else "",
        grade=grade_words(last) if last else "",
        reasons=case.reasons,
        lessons=tuple(lessons),
        revisit_if=last.revisit_if if last else (),
        staff_days=sum(staff) if staff else None,
        compute_hours=_compute_hours(case, records),
        warnings=tuple(case.warnings),
        review_by=case.review_by or "",
        approved_until=(case.expires_at or "") if in_use else "",
        conditions_open=len(days),
        conditions_due=days[0] if days else "",
    )


def _compute_hours(case: UseCase, records: list[DecisionRecord]) -> float | None:
    """Return the hours of computing of all runs; those no longer on the disk as decisions say."""
    hours: dict[str, float] = {}
    for record in records:
        for subject in record.subject:
            name = subject.model_uri.partition("#")[0].rpartition("/")[2]
            if record.effort.compute_hours is not None:
                hours[name] = record.effort.compute_hours
    folder = home.runs_dir(case.slug)
    for told in sorted(folder.glob("*/run.json")) if folder.is_dir() else []:
        stages = read_json(told).get("stages", {}).values()
        hours[told.parent.name] = sum(float(s.get("seconds") or 0) for s in stages) / 3600
    return sum(hours.values()) if hours else None


def _due(cases: Iterable[UseCase], day: date) -> list[Due]:
    found = []
    for case in cases:
        name = f"{case.id} {case.slug}"
        owner = case.owner or "nobody named"
        if case.review_by and case.state not in DONE:
            when = date.fromisoformat(case.review_by)
            found.append(Due(when, "review", owner, name, when < day))
        for c in case.conditions:
            if c.status != "met":
                late = c.status == "lapsed" or c.due < day
                found.append(Due(c.due, f"condition {c.id}: {c.text}", c.owner, name, late))
        in_use = not case.is_closed and case.state not in SET_ASIDE
        if case.expires_at and in_use:
            when = date.fromisoformat(case.expires_at)
            has_lapsed = when <= day  # an approval holds until the day before its last
            what = f"approval {case.approved_by} {'lapsed' if has_lapsed else 'lapses'}"
            found.append(Due(when, what, owner, name, has_lapsed))
    return found


def _due_dict(due: Due) -> dict[str, Any]:
    return {**asdict(due), "day": due.day.isoformat()}


def _reasons(cases: Iterable[UseCase]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return each reason with the cases that stand where they stand for it, the commonest first."""
    found: dict[str, list[str]] = {}
    for case in cases:
        for reason in case.reasons:
            found.setdefault(reason, []).append(case.slug)
    ranked = sorted(found.items(), key=lambda entry: (-len(entry[1]), entry[0]))
    return tuple((reason, tuple(slugs)) for reason, slugs in ranked)
