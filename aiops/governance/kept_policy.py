"""The policy that a decision's gate was asked by, kept by its SHA-256, and what it asks of it.

What a decision says of its gate proves nothing where nobody signed it. What was asked, and how long
an approval stands, is computed here from the policy itself.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from aiops import home
from aiops.errors import AiopsError
from aiops.files import read_json, write_json
from aiops.governance.basis import expiry_of
from aiops.governance.lifecycle import APPROVALS
from aiops.governance.policy import GatePolicy, parse_policy, policy_sha256, read_policy
from aiops.provenance import json_hash

Record = Mapping[str, Any]


def keep_policy(text: Mapping[str, Any]) -> str:
    """Keep a copy of a gate's policy in the ledger's folder, by its SHA-256, and return it.

    Parameters
    ----------
    text : mapping
        The policy as an answer of the gate holds it: ``policy_text``.
    """
    sha256 = json_hash(dict(text))
    path = _kept_path(sha256)
    if not path.exists() or json_hash(read_json(path)) != sha256:
        write_json(path, text)
    return sha256


def policy_of(record: Record) -> GatePolicy | None:
    """Return the policy by which the gate of a decision was asked: today's, or a kept one.

    Returns
    -------
    GatePolicy or None
        None where it is not kept, or the copy was changed.
    """
    sha256 = str(record["policy_sha256"])
    for found in (_today(str(record["gate"])), _kept(sha256)):
        if found is not None and policy_sha256(found) == sha256:
            return found
    return None


def policy_faults(record: Record, day: date) -> Iterator[str]:
    """Say where an approval is not what the policy of its gate lets it be.

    Parameters
    ----------
    record : mapping
        The decision, or the statement of one that nobody has recorded yet.
    day : date
        When it was recorded, or today.
    """
    if record["outcome"] not in APPROVALS:
        return
    policy = policy_of(record)
    if policy is None:
        yield f"nobody kept the policy {record['gate']} that it says its gate was asked by"
        return
    if policy.name != record["gate"]:
        yield f"it says that its gate is {record['gate']}, and its policy is {policy.name}"
    if policy.version != record["policy_version"]:
        yield f"it says version {record['policy_version']} of a policy {policy.version}"
    asked = [item.id for item in policy.items]
    if left := [name for name in asked if name not in {e["item_id"] for e in record["evidence"]}]:
        yield f"its gate asks for {', '.join(left)}, and it names no answer"
    latest, ends = expiry_of(record["outcome"], day, policy.valid_months), record["expires_at"]
    if latest is not None and (not ends or str(ends) > latest.isoformat()):
        yield (
            f"it stands until {ends or 'nobody says when'}, and its policy lets an approval "
            f"stand for {policy.valid_months} months"
        )


def _today(name: str) -> GatePolicy | None:
    try:
        return read_policy(name)
    except AiopsError:
        return None  # no longer under `configs/policy`


def _kept(sha256: str) -> GatePolicy | None:
    path = _kept_path(sha256)
    try:
        return parse_policy(read_json(path), where=str(path))
    except AiopsError:
        return None  # not kept, or of a version of the program that had other checks


def _kept_path(sha256: str) -> Path:
    name = sha256 if re.fullmatch("[0-9a-f]{64}", sha256) else "none"
    return home.ledger_dir() / "policies" / f"{name}.json"
