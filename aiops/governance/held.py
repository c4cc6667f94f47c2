"""Whether an approval that was recorded is what its rules let it be: whose names, which step.

A record is held to the lifecycle whose SHA-256 it names, never to its own list of signers: who can
write a record can write a list.
"""

from collections.abc import Mapping
from typing import Any

from aiops.errors import AiopsError
from aiops.governance.keyring import Keyring
from aiops.governance.lifecycle import Lifecycle, kept_lifecycle
from aiops.governance.record import statement_of
from aiops.governance.signatures import vouch


def rules_of(record: Mapping[str, Any]) -> Lifecycle | None:
    """Return the rules that a decision was made under, if they are kept here."""
    return kept_lifecycle(str(record.get("lifecycle_sha256") or ""))


def approval_faults(
    record: Mapping[str, Any],
    attached: Mapping[str, Any],
    cycle: Lifecycle | None,
    ring: Keyring | None = None,
) -> list[str]:
    """Return where an approval is not what its rules ask.

    Parameters
    ----------
    record, attached : mapping
        The record, and what stands beside it: its envelope and dissents.
    cycle : Lifecycle, optional
        The rules it was made under, as `rules_of` returns them; none is a fault.
    ring : Keyring, optional
        Keys it is checked by; the ring of the ledger here when not given.
    """
    number = str(record["id"])
    if cycle is None:
        return [f"nobody kept the rules that {number} was made under"]
    found: list[str] = []
    try:
        found += _step_faults(record, cycle)
        found += _name_faults(record, attached, cycle, ring)
    except AiopsError as fault:
        found.append(fault.what)
    except (KeyError, TypeError, ValueError, AttributeError):
        found.append("its envelope does not read as one")
    return [f"{number}: {what}" for what in found]


def _step_faults(record: Mapping[str, Any], cycle: Lifecycle) -> list[str]:
    """Say where step, state, effect and grade are not those of the gate that was passed."""
    state, outcome, gate = (str(record[name]) for name in ("from_state", "outcome", "gate"))
    needed = cycle.needed(state, outcome, gate)
    roles = list(needed.roles)
    if needed.signatures < len(roles):
        roles = [f"{needed.signatures} of: {', '.join(roles)}"]
    asked = {
        "gate_step": cycle.step(gate).name,
        "to_state": cycle.next_state(state, outcome, gate),
        "effect": cycle.effect(outcome, gate),
        "grade_required": needed.grade,
        "signatures_required": roles,
    }
    return [
        f"it says {name} {_word(record.get(name))}, and its rules say {_word(rule)}"
        for name, rule in asked.items()
        if record.get(name) != rule
    ]


def _name_faults(
    record: Mapping[str, Any],
    attached: Mapping[str, Any],
    cycle: Lifecycle,
    ring: Keyring | None,
) -> list[str]:
    vouched = vouch(
        statement_of(record),
        attached.get("envelope"),
        attached.get("dissents", ()),
        cycle.needed(str(record["from_state"]), str(record["outcome"]), str(record["gate"])),
        at=str(record["created_at"]),
        ring=ring,
    )
    faults = []
    if vouched.grade != record["grade"]:
        faults.append(f"it says that it is {record['grade']}, and is {vouched.grade}")
    if [one.model_dump() for one in vouched.signed_by] != list(record["signed_by"]):
        faults.append("it names others than those who signed it")
    if [one.model_dump() for one in vouched.dissent] != list(record["signed_dissent"]):
        faults.append("it names others than those who signed a dissent")
    return faults


def _word(told: Any) -> str:
    if isinstance(told, list | tuple):
        return ", ".join(map(str, told)) or "nobody"
    return str(told or "nothing")
