"""How use cases and decisions look in the MLflow UI: their tags, and views that show them.

Without a saved view the UI hides every column of tags. The form of a saved view is not documented
by MLflow. It is written anew each time a decision is shown; should MLflow change it, the decisions
stay where they are and the views are missing.
"""

import base64
import json
import zlib
from collections.abc import Mapping
from datetime import date
from typing import Any

from aiops.governance import ledger
from aiops.governance.letter import decision_markdown, gate_words, use_case_markdown
from aiops.governance.record import DecisionRecord
from aiops.governance.revisit_words import in_words
from aiops.governance.standing import DUE, LAPSED, DecisionStanding, decision_standing
from aiops.governance.usecase import UseCase

_FIXED = {"attributes.`Run Name`": 250, "runDateAndNestInfo": 135}
_WIDTHS = {"outcome": 150, "state": 110, "owner": 130, "revisit_if": 160, "reasons": 250}
_WIDTHS["conditions"] = 170
_WIDTHS |= dict.fromkeys(("learnt", "act_on", "title", "due_first"), 280)
_WIDTH = 110
"""Columns that MLflow always shows, and how wide each is: what matters needs no scrolling."""
_View = tuple[str, str, tuple[str, ...]]
_WHY = ("reasons", "outcome", "step", "grade")
_VIEWS: dict[str, _View] = {
    "all": ("All decisions", "", (*_WHY, "approval", "conditions", "review", "made_by")),
    "rejected": (
        "Rejected or stopped, and why",
        "attributes.status = 'KILLED'",
        ("reasons", "learnt", "revisit_if", "made_by", "outcome", "step", "grade"),
    ),
    "review": (
        "Due for review (empty: none is)",
        f"tags.`aiops.review` = '{DUE}'",
        ("review_by", "owner", *_WHY),
    ),
    "conditions": (
        "Conditions open or overdue",
        "tags.`aiops.conditions` LIKE 'open%'",
        ("due_first", "act_on", "conditions", "step", "owner"),
    ),
    "lapsed": (
        "Lapsed approvals (empty: none is)",
        f"tags.`aiops.approval` = '{LAPSED}'",
        ("expires_at", "owner", "approval", "outcome", "step", "grade"),
    ),
    "deferred": (
        "Put off",
        "attributes.status = 'SCHEDULED'",
        (*_WHY, "review_by", "revisit_if"),
    ),
}
_REGISTER_VIEWS: dict[str, _View] = {
    "all": (
        "All use cases",
        "",
        ("state", "owner", "reasons", "since", "act_on", "review_by", "title"),
    ),
    "ended": (
        "Rejected, discontinued or retired, and why",
        "attributes.status = 'KILLED'",
        ("reasons", "owner", "state", "since", "title"),
    ),
    "act": (
        "Lapsed or overdue",
        "tags.`aiops.act_on` LIKE '_%'",
        ("act_on", "owner", "state", "title"),
    ),
}
_MADE_AT_MS = 1_763_769_600_000  # the day the views were written, so that their bytes never change
_REGISTER_NOTE = (
    "Whether it ever became a model or not. Green tick: in use or in a silent "
    "trial. Red cross: rejected, discontinued or retired. Clock: an idea, in work, or on hold."
)
_NOTE = (
    "Rejected ones are included. Green tick: approved or resumed. Red "
    "cross: rejected, discontinued, suspended or retired. Clock: put off. The ledger file is the "
    "record; this page shows it, and `aiops ledger verify` compares the two."
)
_BY_RUNS = ("submitted", "development", "retrospective_eval")
"""States that a case comes to before the first decision on it."""
SHOWN_ON = "aiops.shown_on"
"""Day on which what the calendar changes was last written."""
LEDGER = "aiops.ledger"
"""Which ledger something is shown for: two may write to one server."""
_OURS = ("aiops.", "mlflow.sharedViewState.")


def use_case_tags(case: UseCase) -> dict[str, str]:
    """Return the tags of a use case's experiment, its state first."""
    return {
        "aiops.state": case.state,
        "aiops.owner": case.owner or "nobody named",
        "aiops.reasons": ", ".join(case.reasons),
        "aiops.act_on": "; ".join(case.warnings),
        "aiops.specialty": case.specialty,
        "aiops.modality": case.modality,
        "aiops.task": case.task,
        "aiops.review_by": case.review_by or "",
        "mlflow.note.content": use_case_markdown(case),
    }


def decision_tags(
    record: DecisionRecord,
    case: UseCase,
    run_id: str | None = None,
    standing: DecisionStanding | None = None,
) -> dict[str, str]:
    """Return the tags of a decision's run: what the list shows and the search finds."""
    reasons = ", ".join(f"{reason.code} {reason.name}" for reason in record.reasons)
    about = run_id or next((item.run_id for item in record.evidence if item.run_id), None)
    now = standing or decision_standing(record, case)
    return {
        "aiops.kind": "decision",
        "aiops.decision": record.id,
        "aiops.outcome": record.outcome,
        "aiops.use_case": f"{case.id} {case.slug}",
        "aiops.step": gate_words(record),
        "aiops.gate": f"{record.gate}: {record.gate_outcome}",
        "aiops.grade": record.grade,
        "aiops.reasons": reasons,
        "aiops.learnt": " / ".join(lesson.text for lesson in record.lessons),
        "aiops.revisit_if": " and ".join(in_words(t, with_code=False) for t in record.revisit_if),
        "aiops.from_state": record.from_state,
        "aiops.to_state": record.to_state,
        "aiops.owner": case.owner or "nobody named",
        **now.tags(),
        "aiops.review_by": str(record.review_by or ""),
        "aiops.expires_at": str(record.expires_at or ""),
        "aiops.made_by": record.made_by,
        "aiops.signed_by": ", ".join(f"{s.person} ({s.role})" for s in record.signed_by),
        "aiops.statement": record.statement,
        "aiops.run": about or "none",
        "aiops.record_sha256": ledger.record_sha256(record.to_json()),
        "aiops.prev_sha256": record.prev_sha256,
        "mlflow.user": record.made_by,
        "mlflow.source.name": "aiops decide",
        "mlflow.loggedArtifacts": json.dumps([{"path": "evidence.json", "type": "table"}]),
        "mlflow.note.content": decision_markdown(record, case, now),
    }


def decisions_tags(experiment_id: str) -> dict[str, str]:
    """Return the tags of the experiment that holds the decisions."""
    note = f"Every decision. {_links(_VIEWS, experiment_id)}. {_NOTE}"
    return {**saved_views(), "mlflow.note.content": note}


def register_tags(experiment_id: str) -> dict[str, str]:
    """Return the tags of the experiment that lists the use cases."""
    note = f"Every use case. {_links(_REGISTER_VIEWS, experiment_id)}. {_REGISTER_NOTE}"
    return {**_saved(_REGISTER_VIEWS), "mlflow.note.content": note}


def view_address(experiment_id: str, key: str = "all") -> str:
    """Return where a saved view is, after the address of the UI.

    A browser that is new to MLflow opens it for language models, where no list of runs stands; the
    address asks for the other kind.

    Examples
    --------
    >>> view_address("3", "rejected")
    '#/experiments/3/runs?viewStateShareKey=aiops-rejected&workflowType=machine_learning'
    """
    asked = f"viewStateShareKey=aiops-{key}&workflowType=machine_learning"
    return f"#/experiments/{experiment_id}/runs?{asked}"


def _links(views: Mapping[str, _View], experiment_id: str) -> str:
    """Return the views as links, one click each from the description."""
    told = [f"[{name}]({view_address(experiment_id, key)})" for key, (name, _, _) in views.items()]
    return f"Open: {' · '.join(told)}"


def saved_views() -> dict[str, str]:
    """Return the saved views of the decisions as tags of their experiment.

    Examples
    --------
    >>> sorted(saved_views())[0]
    'mlflow.sharedViewState.aiops-all'
    """
    return _saved(_VIEWS)


def _saved(views: Mapping[str, _View]) -> dict[str, str]:
    return {
        f"mlflow.sharedViewState.aiops-{key}": json.dumps(
            {
                "name": name,
                "createdAt": _MADE_AT_MS,
                "updatedAt": _MADE_AT_MS,
                "state": _packed(search, columns),
            }
        )
        for key, (name, search, columns) in views.items()
    }


def differences(told: Mapping[str, str], there: Mapping[str, str], *, name: str) -> list[str]:
    """Return what the tags in MLflow say otherwise than the ledger, one sentence for each.

    Parameters
    ----------
    told : mapping
        Tags that the ledger leads to.
    there : mapping
        Tags that were found.
    name : str
        What they stand on.

    Examples
    --------
    >>> differences({"aiops.outcome": "reject"}, {"aiops.outcome": "approve"}, name="DEC-2026-0001")
    ["DEC-2026-0001: tag aiops.outcome reads 'approve' in MLflow, 'reject' by the ledger"]
    """
    found = []
    for key, value in told.items():
        if there.get(key, "") == value:
            continue
        if len(value) > 60 or len(there.get(key, "")) > 60:
            found.append(f"{name}: tag {key} in MLflow is not what the ledger says")
        else:
            shown = f"'{there[key]}'" if key in there else "nothing"
            found.append(f"{name}: tag {key} reads {shown} in MLflow, '{value}' by the ledger")
    return found


def unknown_tags(told: Mapping[str, str], there: Mapping[str, str], *, name: str) -> list[str]:
    """Return the tags of ours that no entry of the ledger leads to, one sentence for each.

    Parameters
    ----------
    told : mapping
        Tags that the ledger leads to.
    there : mapping
        Tags that were found.
    name : str
        What they stand on.

    Examples
    --------
    >>> unknown_tags({}, {"aiops.approved_by": "Everybody", "team": "A"}, name="DEC-2026-0001")
    ['DEC-2026-0001: tag aiops.approved_by in MLflow comes from no entry of the ledger']
    """
    return [
        f"{name}: tag {key} in MLflow comes from no entry of the ledger"
        for key in extra_tags(told, there)
    ]


def extra_tags(told: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
    """Return the names of tags and saved views that only the ledger writes, and did not."""
    known = {*told, SHOWN_ON}
    return sorted(key for key in there if key.startswith(_OURS) and key not in known)


def loose_tags(case: UseCase, there: Mapping[str, str]) -> set[str]:
    """Return tags of a use case that may differ without anybody having changed them.

    A run on the disk brings a case to a state before any decision; the next look writes it.
    """
    if not case.decisions and there.get("aiops.state") in _BY_RUNS:
        return {"aiops.state", "aiops.since", "mlflow.note.content", SHOWN_ON}
    return {SHOWN_ON}


def shown_day(there: Mapping[str, str], today: date, *, name: str) -> tuple[date, list[str]]:
    """Return the day for which something was shown, and what is wrong with that day.

    What the calendar changes is compared for that day: a later one is no fault of the store.

    Parameters
    ----------
    there : mapping
        Tags that were found.
    today : date
        The day it is.
    name : str
        What they stand on.

    Examples
    --------
    >>> shown_day({"aiops.shown_on": "2026-11-29"}, date(2026, 11, 30), name="DEC-2026-0001")
    (datetime.date(2026, 11, 29), [])
    """
    try:
        day = date.fromisoformat(there.get(SHOWN_ON, ""))
    except ValueError:
        return today, [f"{name}: tag {SHOWN_ON} in MLflow is no day"]
    if day > today:
        return today, [f"{name}: tag {SHOWN_ON} in MLflow names {day}, a day still to come"]
    return day, []


def _packed(search: str, columns: tuple[str, ...]) -> str:
    shown = [f"tags.`aiops.{column}`" for column in columns]
    widths = {f"tags.`aiops.{c}`": _WIDTHS.get(c, _WIDTH) for c in columns}
    state: dict[str, Any] = {
        "searchFilter": search,
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": shown,
        "columnOrder": [*_FIXED, *shown],
        "columnWidths": {**_FIXED, **widths},
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runListHidden": False,
        "groupBy": None,
        "groupsExpanded": {},
    }
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode("utf-8")))
    return f"deflate;{packed.decode('ascii')}"
