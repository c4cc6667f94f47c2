"""Results as a person reads them on the screen."""

from typing import Any

Result = dict[str, Any]


def audit_lines(found: Result) -> list[str]:
    """Say what an audit found: each code, how often, what became of it, and the first cases."""
    lines = [f"{found['n_cases']} cases, {found['n_patients']} patients"]
    if not found["codes"]:
        return [*lines, "no finding"]
    for code, entry in found["codes"].items():
        state = entry["state"] + (f": {entry['reason']}" if entry["reason"] else "")
        lines.append(f"{code}  {entry['n']}  [{state}]")
        lines.append(f"    {entry['meaning']}")
        shown = [f for f in found["findings"] if f["code"] == code]
        for finding in shown[:5]:
            against = f" (kept: {finding['other']})" if finding["other"] else ""
            place = " ".join(x for x in (finding["case_id"], finding["file"]) if x)
            lines.append(f"    - {place}{against}: {finding['detail']}")
        if entry["n"] > 5:
            lines.append(f"    … {entry['n'] - 5} more, in audit.json")
        if shown:
            lines.append(f"    remedy: {shown[0]['remedy']}")
    lines.append("clean: one may go on" if found["clean"] else "not clean: one may not go on")
    return lines


def _figure(entry: Result) -> str:
    if entry["value"] is None or entry["value"] != entry["value"]:
        return f"not estimable ({entry['reason'] or entry['state']}), n={entry['n_cases']}"
    low, high = entry["low"], entry["high"]
    interval = "no interval" if low is None or low != low else f"{low:.3f} to {high:.3f}"
    failed = f", {entry['n_failed']} failed" if entry["n_failed"] else ""
    return f"{entry['value']:.3f} ({interval}), n={entry['n_cases']}{failed}"


def evaluation_lines(result: Result) -> list[str]:
    """Say the primary figures, the verdict and what the test list has been read."""
    lines = []
    for entry in result["primary"]:
        aim = entry["acceptable"]
        against = "no acceptable value was set" if aim is None else f"acceptable {aim:g}"
        lines.append(f"{entry['metric']} of {entry['target']}: {_figure(entry)}; {against}")
    verdict = result["verdict"]
    lines.append(f"fairness: {verdict['overall']}. {verdict['sentence']}")
    lines += [f"  {name}: {said}" for name, said in verdict["by_attribute"].items()]
    n = result["seal"]["reading"]
    lines.append(f"this sealed test list has been read {n} time{'s' if n != 1 else ''}")
    if n <= 1 and (result["seal"].get("shared") or {}).get("known"):
        lines.append("but patients of it were tested before in this use case, on another list")
    return [*lines, *result.get("mitigation", {}).get("sentences", []), *result["notes"]]


def gate_lines(result: Result) -> list[str]:
    """Say the gate's answer, item by item."""
    lines = [f"gate {result['policy']}: {result['outcome']}"]
    for item in result["items"]:
        lines.append(f"  {item['outcome']:<9} {item['id']}: {item['reason']}")
        if item["outcome"] == "undecided" and item.get("would_decide"):
            lines.append(f"            would decide: {item['would_decide']}")
    return lines


def run_lines(result: Result) -> list[str]:
    """Say what a whole run found and where it is."""
    return [
        "",
        *evaluation_lines(result["evaluation"]),
        *gate_lines(result["gate"]),
        f"report to share:    {result['report']}",
        f"sheet to share:     {result['sheet']}",
        f"report that stays:  {result['report_internal']}",
        "see it in MLflow:   aiops ui",
    ]


def list_records() -> Result:
    """Return the register of use cases, the decisions and the runs, and what is wrong with them.

    The ledger is read without MLflow: where that does not answer, the runs alone are missing.
    """
    from aiops.governance import ledger
    from aiops.governance.usecase import list_use_cases
    from aiops.tracking import TrackingError, list_runs

    faults = [
        f"{ledger.book_path(book).name}, line {fault.line}: {fault.what}"
        for book in (ledger.USE_CASES, ledger.DECISIONS)
        for fault in ledger.verify(book)
    ]
    runs: list[Result] = []
    try:
        runs = list_runs()
    except TrackingError as fault:
        faults.append(f"the runs are not shown: {fault.what}")
    return {
        "use_cases": [case.model_dump(mode="json") for case in list_use_cases()],
        "decisions": ledger.read_all(),
        "runs": runs,
        "faults": faults,
    }


def list_lines(records: Result) -> list[str]:
    """Say the register, the decisions and the runs, a line each."""
    lines = ["use cases:"]
    for case in records["use_cases"]:
        why = f" ({', '.join(case['reasons'])})" if case["reasons"] else ""
        lines.append(f"  {case['id']}  {case['slug']:<28} {case['state']}{why}")
    lines.append("decisions:")
    for record in records["decisions"]:
        by = "by a program" if record["made_by_program"] else f"by {record['made_by']}"
        grade = record.get("grade", "recorded")
        told = f"  {record['id']}  {record['case_id']}  {record['outcome']}, {by} ({grade})"
        lines.append(told)
    lines.append("runs:")
    for run in records["runs"]:
        lines.append(f"  {run['use_case']}  {run['run']}  {run['verdict']}  gate: {run['gate']}")
    if records["faults"]:
        lines += ["NOT SOUND:", *(f"  {fault}" for fault in records["faults"])]
    return lines
