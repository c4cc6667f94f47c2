"""How a decision stands today: in force or lapsed, conditions overdue, due for review."""

import json
from dataclasses import dataclass
from datetime import date

from aiops.governance.conditions import Standing
from aiops.governance.lifecycle import APPROVALS
from aiops.governance.record import DecisionRecord
from aiops.governance.usecase import UseCase

IN_FORCE, LAPSED, ASIDE, PAST = "in force", "LAPSED", "set aside", "no longer in force"
DUE = "DUE"
SET_ASIDE = ("suspended", "deferred", "change_review")
NO_CONDITIONS = "none"
DONE = ("retired", "rejected", "discontinued")
"""States in which a day of review is a day to look back, not a duty that can be late."""


@dataclass(frozen=True)
class DecisionStanding:
    """How a decision stands on a day, in words that the MLflow UI can filter by.

    Parameters
    ----------
    approval : str
        ``in force``, ``LAPSED``, ``set aside`` or ``no longer in force``; empty where nothing was
        approved.
    conditions : str
        ``none``, or ``open: 2``, or ``open: 2, OVERDUE: 1``.
    review : str
        ``DUE`` or empty.
    warnings : tuple of str
        What somebody must act on, the worst first.
    due_first : str
        Day and words of each condition that is not met, the first due first.
    """

    approval: str = ""
    conditions: str = NO_CONDITIONS
    review: str = ""
    warnings: tuple[str, ...] = ()
    due_first: str = ""

    @property
    def is_red(self) -> bool:
        """Whether the approval lapsed or a condition is overdue."""
        return self.approval == LAPSED or "OVERDUE" in self.conditions

    def tags(self) -> dict[str, str]:
        """Return it as tags of the decision's run."""
        return {
            "aiops.approval": self.approval,
            "aiops.conditions": self.conditions,
            "aiops.due_first": self.due_first,
            "aiops.review": self.review,
            "aiops.act_on": json.dumps(list(self.warnings)) if self.warnings else "",
        }


class _OnDay(Standing):
    """A condition as it stands on a day that is not today."""

    day: date

    @property
    def is_overdue(self) -> bool:
        """Whether it was given up, or its day has gone by."""
        return self.status == "lapsed" or (self.status == "open" and self.due < self.day)


def case_on(case: UseCase, day: date) -> UseCase:
    """Return a case as the calendar leaves it on a day: what lapsed and what is overdue.

    What people decided or brought since that day is not taken back.

    Parameters
    ----------
    case : UseCase
        The case as it stands today.
    day : date
        Which day.
    """
    lapsed = not case.is_closed and case.expires_at is not None
    conditions = tuple(_OnDay(**vars(told) | {"day": day}) for told in case.conditions)
    return case.model_copy(
        update={
            "is_lapsed": lapsed and str(case.expires_at) <= day.isoformat(),
            "conditions": conditions,
        }
    )


def decision_standing(
    record: DecisionRecord, case: UseCase, today: date | None = None
) -> DecisionStanding:
    """Return how a decision stands.

    Parameters
    ----------
    record : DecisionRecord
        The decision.
    case : UseCase
        Its case as it stands today.
    today : date, optional
        The day that lapses, conditions and reviews are asked about.
    """
    day = today or date.today()
    case = case_on(case, day)
    told: list[str] = []
    approval = _approval(record, case)
    if approval == LAPSED:
        told.append(f"LAPSED: the approval ended on {record.expires_at}")
    waiting = [c for c in case.conditions if c.decision == record.id and c.status != "met"]
    late = [c for c in waiting if c.is_overdue]
    for c in late:
        word = "given up" if c.status == "lapsed" else f"was due on {c.due}"
        told.append(f"OVERDUE: {c.text} ({c.owner}; {word})")
    conditions = NO_CONDITIONS
    if waiting:
        conditions = f"open: {len(waiting)}" + (f", OVERDUE: {len(late)}" if late else "")
    is_last = case.decisions[-1:] == (record.id,)
    due = is_last and record.review_by is not None and record.review_by <= day
    if due and record.to_state not in DONE:
        told.append(f"DUE: the review was to be on {record.review_by}")
    by_day = [f"{c.due}: {c.text} ({c.owner})" for c in sorted(waiting, key=lambda c: c.due)]
    review = DUE if due else ""
    return DecisionStanding(approval, conditions, review, tuple(told), " / ".join(by_day))


def _approval(record: DecisionRecord, case: UseCase) -> str:
    if record.outcome not in APPROVALS:
        return ""
    if record.id != case.approved_by or case.is_closed:
        return PAST
    if case.state in SET_ASIDE:
        return ASIDE
    return LAPSED if case.is_lapsed else IN_FORCE
