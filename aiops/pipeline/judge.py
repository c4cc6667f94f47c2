"""The gate's answer and the reports, as stages of a run."""

from collections.abc import Callable
from typing import Any

from aiops.files import write_json
from aiops.pipeline.workspace import Workspace

Progress = Callable[[int, int], None]


def judge_run(workspace: Workspace, progress: Progress) -> dict[str, Any]:
    """Hold the run to its gate's policy and write gates.json."""
    from aiops.governance.dossier import read_dossier
    from aiops.governance.policy import evaluate_gate, read_policy

    experiment = workspace.experiment
    policy = read_policy(experiment.gate)
    dossier = None
    if policy.asks_case:
        dossier = read_dossier(experiment.use_case, asked=policy.checks)
    answer = evaluate_gate(policy, workspace.folder, experiment, dossier)
    write_json(workspace.path("gates.json"), answer)
    return answer


def report_run(workspace: Workspace, progress: Progress, *, pdf: bool = False) -> dict[str, Any]:
    """Write the reports, the clinicians' sheet and the shareable tables; with `pdf`, as PDF too."""
    from aiops.report.page import write_report
    from aiops.report.pdf import write_pdf
    from aiops.stamps import stamp_of

    stamp = stamp_of(workspace.folder, workspace.experiment.use_case)
    written = write_report(workspace.folder, workspace.experiment, stamp)
    told = {
        "report": str(written.report),
        "report_internal": str(written.internal),
        "sheet": str(written.sheet),
        "export": str(written.export),
    }
    for page in (written.report, written.sheet):
        # A PDF of an earlier report would contradict this one.
        page.with_suffix(".pdf").unlink(missing_ok=True)
        if pdf:
            told[f"{page.stem}_pdf"] = str(write_pdf(page, page.with_suffix(".pdf")))
    return told
