"""The policy that a decision's gate was asked by, kept by its SHA-256, and what it asks of it.

What a decision says of its gate proves nothing where nobody signed it. What was asked, and how long
an approval stands, is computed here from the policy itself.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aiops import home
from aiops.errors import AiopsError
from aiops.files import read_json, write_json
from aiops.governance.basis import expiry_of
from aiops.governance.kept_rules import is_kept
from aiops.governance.lifecycle import APPROVALS
from aiops.governance.policy import policy_sha256, read_policy
from aiops.provenance import json_hash

Record = Mapping[str, Any]


class Asked(BaseModel):
    """What must be known of a policy to hold an approval to it; its checks may have changed."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    class Item(BaseModel):
        """One thing that was asked."""

        id: str

    name: str
    version: str
    valid_months: int = Field(ge=1, le=1200)
    items: tuple[Item, ...]


def keep_policy(text: Mapping[str, Any]) -> str:
    """Keep a copy of a gate's policy in the ledger's folder, by its SHA-256, and return it.

    Parameters
    ----------
    text : mapping
        The policy as an answer of the gate holds it: ``policy_text``.
    """
    sha256 = json_hash(dict(text))
    path = _kept_path(sha256)
    if not is_kept(path, sha256):
        write_json(path, text)
    return sha256


def policy_of(record: Record) -> Asked | None:
    """Return the policy by which the gate of a decision was asked: today's, or a former one.

    Who can write the ledger's folder can keep policies of their own. So where ``configs/policy``
    has a policy of this name, it says which were in force before.

    Returns
    -------
    Asked or None
        None where it was never in force, is not kept, or the copy was changed.
    """
    sha256, name = str(record["policy_sha256"]), str(record["gate"])
    try:
        today = read_policy(name)
    except AiopsError:
        today = None  # one of the hospital's own, named by its file
    if today is not None and policy_sha256(today) == sha256:
        return Asked.model_validate(today.model_dump())
    if today is not None and sha256 not in today.former:
        return None
    for text in _texts(sha256, str(record["use_case"])):
        with suppress(ValidationError):
            if json_hash(text) == sha256:
                return Asked.model_validate(text)
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
        yield (
            f"the policy {record['gate']} that it says its gate was asked by is neither today's "
            "nor a kept one that the policy names as former"
        )
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


def _texts(sha256: str, use_case: str) -> Iterator[Any]:
    """Yield texts that may be the policy: the kept copy, and those in answers of gates."""
    answers = (home.home() / "gates" / use_case).glob("*.json")
    for path in (_kept_path(sha256), *sorted(answers)):
        try:
            told = read_json(path)
        except AiopsError:
            continue
        yield told.get("policy_text", told) if isinstance(told, dict) else told


def _kept_path(sha256: str) -> Path:
    name = sha256 if re.fullmatch("[0-9a-f]{64}", sha256) else "none"
    return home.ledger_dir() / "policies" / f"{name}.json"
