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
    """Raise when the audit has findings that stop and that nobody answered for.

    Parameters
    ----------
    found : dict
        What stands in audit.json.
    config : str
        The config, for the error.

    Raises
    ------
    AuditStop
        With each code, its first cases, the remedy, and the lines to write to go on deliberately.
    """
    if found["clean"]:
        return
    open_codes = [code for code, entry in found["codes"].items() if entry["state"] == "stop"]
    stops = {
        code: [f for f in found["findings"] if f["code"] == code and f["severity"] == "stop"]
        for code in open_codes
    }
    said, ways = [], []
    for code, some in stops.items():
        names = [f["case_id"] or f["file"] for f in some[:3] if f["case_id"] or f["file"]]
        first = f": {', '.join(names)}{' …' if len(some) > 3 else ''}" if names else ""
        said.append(f"  {code} ({len(some)}){first}\n    {some[0]['detail']}. {some[0]['remedy']}")
        ways.append(("exclude" if all(f["case_id"] for f in some) else "accept", code))
    lines = ["audit:"]
    for way, does in (("exclude", "leaves these cases out"), ("accept", "goes on with them")):
        codes = [code for chosen, code in ways if chosen == way]
        if codes:
            lines.append(f"  {way}:   # {does}")
            lines += [f"    {code}: the reason, for report and decision" for code in codes]
    raise AuditStop(
        f"the audit found {sum(map(len, stops.values()))} faults that stop the run\n"
        + "\n".join(said),
        where=f"{config}; all findings are in audit.json",
        fix="correct the data; or write into the config (exclude leaves the cases out, accept "
        "keeps them)\n" + "\n".join(f"         {line}" for line in lines),
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
