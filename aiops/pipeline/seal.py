"""The sealed test list: each reading by new predictions is counted and can be read afterwards.

A test list that is read again and again is tuned to, whatever the intentions. So the readings are
counted over all runs and printed in the report.
"""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from aiops.home import seals_dir


def record_reading(
    seal: str, *, predictions_sha256: str, use_case: str, run_name: str
) -> list[dict[str, str]]:
    """Add a reading of a test list unless these predictions were read on it before.

    Parameters
    ----------
    seal : str
        Hash of the test list, 64 hexadecimal digits.
    predictions_sha256 : str
        Hash of the predictions on it.
    use_case, run_name : str
        Who read it.

    Returns
    -------
    list of dict
        All readings so far, the first first.
    """
    path = seals_dir() / f"{seal}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        readings = read_readings(seal)
        if any(r["predictions_sha256"] == predictions_sha256 for r in readings):
            return readings
        line = {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "use_case": use_case,
            "run": run_name,
            "predictions_sha256": predictions_sha256,
        }
        _append(path, json.dumps(line, sort_keys=True))
        return [*readings, line]


def read_readings(seal: str) -> list[dict[str, str]]:
    """Return the readings of a test list so far."""
    path = seals_dir() / f"{seal}.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def record_comparison(seal: str, *, a: str, b: str) -> list[dict[str, str]]:
    """Note that two runs were compared on a test list, and return all such pairs so far.

    A comparison is no new reading, for both runs were read before; but who picks the better of
    two on a test list has tuned to it, so the pairs are counted too.

    Parameters
    ----------
    seal : str
        Hash of the test list.
    a, b : str
        Names of the runs.
    """
    path = seals_dir() / f"{seal}.comparisons.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        known: list[dict[str, str]] = [json.loads(line) for line in text.splitlines() if line]
        if any({c["a"], c["b"]} == {a, b} for c in known):
            return known
        line = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "a": a, "b": b}
        _append(path, json.dumps(line, sort_keys=True))
        return [*known, line]


def _append(path: Path, line: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())
