"""The gate's answer and the reports, as stages of a run."""

from collections.abc import Callable
from typing import Any

from aiops.files import write_json
from aiops.pipeline.workspace import Workspace

Progress = Callable[[int, int], None]


def judge_run(workspace: Workspace, progress: Progress) -> dict[str, Any]:
    """Hold the run to its gate's policy and write gates.json."""
    from aiops.governance.policy import evaluate_gate, read_policy

    policy = read_policy(workspace.experiment.gate)
    answer = evaluate_gate(policy, workspace.folder, workspace.experiment)
    write_json(workspace.path("gates.json"), answer)
    return answer


def report_run(workspace: Workspace, progress: Progress) -> dict[str, Any]:
    """Write report.html and report_internal.html."""
    from aiops.report.page import write_report

    shareable, internal = write_report(workspace.folder, workspace.experiment)
    return {"report": str(shareable), "report_internal": str(internal)}
