"""Before anything is learnt: the audit, and who is in train, tune and test."""

from collections.abc import Callable
from typing import Any

from aiops.data.audit import AuditReport, audit
from aiops.data.cases import Cases
from aiops.data.split import make_split
from aiops.errors import AuditStop
from aiops.files import read_json, write_json
from aiops.pipeline.workspace import Workspace

Progress = Callable[[int, int], None]


def audit_cases(workspace: Workspace, progress: Progress) -> dict[str, Any]:
    """Audit the cases and write audit.json. Whether one may go on is asked by the next stage."""
    report: AuditReport = audit(workspace.cases, progress=progress)
    found = report.to_dict()
    write_json(workspace.path("audit.json"), found)
    return found


def split_cases(workspace: Workspace, progress: Progress) -> dict[str, Any]:
    """Share the audited cases out and write split.json.

    Raises
    ------
    AuditStop
        If the audit found a fault that nobody accepted or excluded.
    """
    found = read_json(workspace.path("audit.json"))
    stop_unless_clean(found, str(workspace.config.path))
    split = make_split(workspace.cases, excluded=found["excluded_cases"])
    result = split.to_dict()
    write_json(workspace.path("split.json"), result)
    return result


def stop_unless_clean(found: dict[str, Any], config: str) -> None:
    """Raise when the audit has findings that stop and that nobody answered for."""
    open_codes = {c: e for c, e in found["codes"].items() if e["state"] == "stop" and e["n"]}
    if found["clean"] or not open_codes:
        return
    said = []
    for code, entry in open_codes.items():
        cases = [f["case_id"] for f in found["findings"] if f["code"] == code and f["case_id"]]
        named = ", ".join(cases[:3]) + (" …" if len(cases) > 3 else "")
        said.append(f"{code} ({entry['n']}): {entry['meaning']} {named}".rstrip())
    first = next(iter(open_codes))
    raise AuditStop(
        "the audit found faults that stop:\n    " + "\n    ".join(said),
        where=f"{config}: data; all findings are in audit.json",
        fix="correct the data; or go on deliberately, the reason is kept:\n"
        f"         audit: {{exclude: {{{first}: why these cases are left out}}}}\n"
        f"         audit: {{accept: {{{first}: why it may stand}}}}",
    )


def audited(workspace: Workspace) -> Cases:
    """Return the cases that the audit did not leave out."""
    found = read_json(workspace.need("audit.json", "audit"))
    return workspace.cases.without(found["excluded_cases"])


def part_of(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """Return for each case id its part (train, tune, test) and its fold."""
    split = read_json(workspace.need("split.json", "split"))
    assignments: dict[str, dict[str, Any]] = split["assignments"]
    return assignments
