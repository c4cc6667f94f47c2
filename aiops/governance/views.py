"""How use cases and decisions look in the MLflow UI: their tags, and views that show them.

Without a saved view the UI hides every column of tags. The form of a saved view is not documented
by MLflow. It is written anew each time a decision is shown; should MLflow change it, the decisions
stay where they are and the views are missing.
"""

import base64
import json
import zlib

from aiops.governance import ledger
from aiops.governance.letter import decision_markdown, use_case_markdown
from aiops.governance.record import DecisionRecord
from aiops.governance.usecase import UseCase

_COLUMNS = ("outcome", "use_case", "reasons", "gate", "made_by", "review_by", "conditions_open")
_VIEWS = {
    "all": ("All decisions", ""),
    "rejected": ("Rejected or discontinued, and why", "attributes.status = 'KILLED'"),
    "review": ("Put off: due for review", "attributes.status = 'SCHEDULED'"),
    "conditions": ("Approved with conditions still open", "tags.`aiops.conditions_open` != '0'"),
}
_MADE_AT_MS = 1_763_769_600_000  # the day the views were written, so that their bytes never change


_NOTE = (
    "Every decision on a use case, rejected ones included. Green tick: approved. Red cross: "
    "rejected or discontinued. Clock: put off. Open *Views* for the columns. The ledger file is "
    "the record; this page shows it."
)


def use_case_tags(case: UseCase) -> dict[str, str]:
    """Return the tags of a use case's experiment, its state first."""
    return {
        "aiops.state": case.state,
        "aiops.specialty": case.specialty,
        "aiops.modality": case.modality,
        "aiops.task": case.task,
        "aiops.owner": case.owner,
        "aiops.reasons": ", ".join(case.reasons),
        "aiops.review_by": case.review_by or "",
        "mlflow.note.content": use_case_markdown(case),
    }


def decision_tags(
    record: DecisionRecord, case: UseCase, run_id: str | None = None
) -> dict[str, str]:
    """Return the tags of a decision's run: what the list shows and the search finds."""
    reasons = ", ".join(f"{reason.code} {reason.name}" for reason in record.reasons)
    about = run_id or next((item.run_id for item in record.evidence if item.run_id), None)
    return {
        "aiops.kind": "decision",
        "aiops.decision": record.id,
        "aiops.outcome": record.outcome,
        "aiops.use_case": f"{case.id} {case.slug}",
        "aiops.gate": f"{record.gate}: {record.gate_outcome}",
        "aiops.reasons": reasons,
        "aiops.conditions_open": str(sum(c.status == "open" for c in record.conditions)),
        "aiops.review_by": str(record.review_by or ""),
        "aiops.expires_at": str(record.expires_at or ""),
        "aiops.made_by": record.made_by,
        "aiops.statement": record.statement,
        "aiops.run": about or "none",
        "aiops.record_sha256": ledger.record_sha256(record.to_json()),
        "aiops.prev_sha256": record.prev_sha256,
        "mlflow.user": record.made_by,
        "mlflow.source.name": "aiops decide",
        "mlflow.note.content": decision_markdown(record, case),
    }


def decisions_tags() -> dict[str, str]:
    """Return the tags of the experiment that holds the decisions."""
    return {**saved_views(), "mlflow.note.content": _NOTE}


def saved_views() -> dict[str, str]:
    """Return the saved views of the decisions as tags of their experiment.

    Examples
    --------
    >>> sorted(saved_views())[0]
    'mlflow.sharedViewState.aiops-all'
    """
    return {
        f"mlflow.sharedViewState.aiops-{key}": json.dumps(
            {
                "name": name,
                "createdAt": _MADE_AT_MS,
                "updatedAt": _MADE_AT_MS,
                "state": _packed(search),
            }
        )
        for key, (name, search) in _VIEWS.items()
    }


def _packed(search: str) -> str:
    state = {
        "searchFilter": search,
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [f"tags.`aiops.{column}`" for column in _COLUMNS],
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runListHidden": False,
        "groupBy": None,
        "groupsExpanded": {},
    }
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode("utf-8")))
    return f"deflate;{packed.decode('ascii')}"
