"""The rules a decision was made under, kept in the ledger's folder by their SHA-256."""

import re
from pathlib import Path
from typing import Any

from aiops import home
from aiops.errors import AiopsError
from aiops.files import read_json, write_json
from aiops.governance.lifecycle import Lifecycle, parse_lifecycle, read_lifecycle
from aiops.provenance import json_hash


def lifecycle_sha256(cycle: Lifecycle) -> str:
    """Return the SHA-256 of what a lifecycle says; comments and former ones do not count."""
    return json_hash(_said(cycle))


def keep_lifecycle(cycle: Lifecycle) -> str:
    """Keep a copy of the rules in the ledger's folder, by their SHA-256, and return it.

    A decision names the rules it was made under, so that it can be held to them years later.
    """
    sha256 = lifecycle_sha256(cycle)
    path = _kept_path(sha256)
    if not is_kept(path, sha256):
        write_json(path, _said(cycle))
    return sha256


def is_kept(path: Path, sha256: str) -> bool:
    """Return whether a file holds the JSON with a SHA-256: half a file is none."""
    try:
        return bool(json_hash(read_json(path)) == sha256)
    except AiopsError:
        return False


def kept_lifecycle(sha256: str) -> Lifecycle | None:
    """Return the rules with a SHA-256: today's, or kept ones that the policy names as former.

    Returns
    -------
    Lifecycle or None
        None where they are not kept, were changed, or were never in force.
    """
    today = read_lifecycle()
    if lifecycle_sha256(today) == sha256:
        return today
    path = _kept_path(sha256)
    # Who can write the ledger's folder can keep rules of their own: the policy says which were.
    if sha256 not in today.former or not re.fullmatch("[0-9a-f]{64}", sha256):
        return None
    if not path.is_file():
        return None
    try:
        cycle = parse_lifecycle(read_json(path), where=str(path))
    except AiopsError:
        return None
    return cycle if lifecycle_sha256(cycle) == sha256 else None


def _said(cycle: Lifecycle) -> dict[str, Any]:
    return cycle.model_dump(mode="json", by_alias=True, exclude={"former"})


def _kept_path(sha256: str) -> Path:
    return home.ledger_dir() / "lifecycles" / f"{sha256}.json"
