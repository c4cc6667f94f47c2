"""The saved views of the decisions in the MLflow UI: without them it hides every column of tags.

The form of a saved view is not documented by MLflow. It is written anew each time a decision is
shown; should MLflow change it, the decisions stay where they are and the views are missing.
"""

import base64
import json
import zlib

_COLUMNS = ("outcome", "use_case", "gate", "reasons", "made_by", "review_by", "conditions_open")
_VIEWS = {
    "all": ("All decisions", ""),
    "rejected": ("Rejected or discontinued, and why", "attributes.status = 'KILLED'"),
    "review": ("Put off: due for review", "attributes.status = 'SCHEDULED'"),
    "conditions": ("Approved with conditions still open", "tags.`aiops.conditions_open` != '0'"),
}
_MADE_AT_MS = 1_763_769_600_000  # the day the views were written, so that their bytes never change


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
