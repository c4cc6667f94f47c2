"""The sealed test list: each reading by new predictions is counted and can be read afterwards.

A test list that is read again and again is tuned to, whatever the intentions. So the readings are
counted over all runs and printed in the report. A list that leaves one patient out, or is drawn
with another seed, has another hash, so the patients of each reading are kept too, as keyed hashes.
"""

import hashlib
import hmac
import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from aiops.home import seals_dir

PATIENTS = "patients"
"""Folder of the hashed patients of each reading, a file for each use case."""


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
    return _lines(path)


def record_patients(
    patients: Iterable[str],
    *,
    seal: str,
    predictions_sha256: str,
    use_case: str,
    run_name: str,
) -> dict[str, Any]:
    """Keep whom a reading tested, hashed, and count those whom an earlier reading tested too.

    All patients of one reading belong together, so folds and sites that are left out in turn do
    not count against each other. Ids are hashed with the key of the pseudonyms (HMAC-SHA256), a
    use case apart from others; no id is kept.

    Parameters
    ----------
    patients : iterable of str
        Ids of the patients of the test list.
    seal : str
        Hash of the test list.
    predictions_sha256 : str
        Hash of the predictions on it; with the seal it names the reading.
    use_case, run_name : str
        Who read it.

    Returns
    -------
    dict
        ``patients`` of this list, ``known`` (those of an earlier reading), ``share`` of them,
        ``readings`` (how many earlier ones tested any of them) and ``untold`` (how many earlier
        readings were hashed with another key, so that nothing can be said).
    """
    from aiops.data.ingest import key_file

    key = key_file().read_bytes()
    mine = {_hashed(key, f"{use_case}:{patient}") for patient in patients}
    line = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "run": run_name,
        "seal": seal,
        "predictions_sha256": predictions_sha256,
        "key": _hashed(key, "the key itself"),
        "patients": sorted(mine),
    }
    path = seals_dir() / PATIENTS / f"{use_case}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        earlier: list[dict[str, Any]] = []
        for told in _lines(path):
            if (told["seal"], told["predictions_sha256"]) == (seal, predictions_sha256):
                break
            earlier.append(told)
        else:
            _append(path, json.dumps(line, sort_keys=True))
    same_key = [set(told["patients"]) for told in earlier if told["key"] == line["key"]]
    known = mine & set().union(*same_key)
    return {
        "patients": len(mine),
        "known": len(known),
        "share": len(known) / len(mine) if mine else None,
        "readings": sum(not mine.isdisjoint(one) for one in same_key),
        "untold": len(earlier) - len(same_key),
    }


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
        known: list[dict[str, str]] = _lines(path)
        if any({c["a"], c["b"]} == {a, b} for c in known):
            return known
        line = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "a": a, "b": b}
        _append(path, json.dumps(line, sort_keys=True))
        return [*known, line]


def _hashed(key: bytes, text: str) -> str:
    return hmac.digest(key, f"seal:{text}".encode(), hashlib.sha256).hex()[:16]


def _lines(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines() if line]


def _append(path: Path, line: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())
