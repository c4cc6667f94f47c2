"""Whether an approval is what its rules let it be, where its ledger is and where it is not.

A record is held to the lifecycle whose SHA-256 it names, never to its own list of signers: who can
write a record can write a list.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from aiops.errors import AiopsError
from aiops.governance.keyring import Keyring
from aiops.governance.lawful import grade_faults, needed_by, roles_words, step_of
from aiops.governance.lifecycle import Lifecycle
from aiops.governance.record import statement_of
from aiops.governance.signatures import vouch
from aiops.governance.verify import verify_ledger


def recorded_faults(number: str) -> list[str]:
    """Return what `aiops ledger verify` finds wrong with a decision of the ledger here."""
    found = verify_ledger(projection=False).found
    return [one.line() for one in found if one.where == number]


def approval_faults(
    record: Mapping[str, Any], attached: Mapping[str, Any], cycle: Lifecycle | None, ring: Keyring
) -> list[str]:
    """Return where an approval is not what its rules ask, as far as that shows without its ledger.

    Parameters
    ----------
    record, attached : mapping
        The record, and what stands beside it: its envelope and dissents.
    cycle : Lifecycle, optional
        The rules it names; none is a fault.
    ring : Keyring
        Keys it is checked by.
    """
    number = str(record["id"])
    if cycle is None:
        return [f"nobody kept the rules that {number} was made under"]
    found: list[str] = []
    try:
        found += [*_step_faults(record, cycle), *grade_faults(record, cycle)]
        found += _name_faults(record, attached, cycle, ring)
    except AiopsError as fault:
        found.append(fault.what)
    except (KeyError, TypeError, ValueError, AttributeError):
        found.append("its envelope does not read as one")
    return [f"{number}: {what}" for what in found]


def _step_faults(record: Mapping[str, Any], cycle: Lifecycle) -> Iterator[str]:
    """Say where step, state, effect and grade are not those of the gate that was passed."""
    needed, step = needed_by(record, cycle), step_of(record, cycle)
    state, outcome = str(record["from_state"]), str(record["outcome"])
    if step is None:
        return  # no approval: told by who asks
    asked = {
        "gate_step": step.name,
        "to_state": cycle.next_state(state, outcome, step.policy),
        "effect": cycle.effect(outcome, step.policy, state),
        "grade_required": needed.grade,
        "signatures_required": list(roles_words(needed)),
    }
    for name, rule in asked.items():
        if (said := record.get(name)) != rule:
            yield f"it says {name} {_word(said)}, and its rules say {_word(rule)}"


def _name_faults(
    record: Mapping[str, Any], attached: Mapping[str, Any], cycle: Lifecycle, ring: Keyring
) -> Iterator[str]:
    vouched = vouch(
        statement_of(record),
        attached.get("envelope"),
        attached.get("dissents", ()),
        needed_by(record, cycle),
        at=str(record["created_at"]),
        ring=ring,
    )
    if vouched.grade != record["grade"]:
        yield f"it says that it is {record['grade']}, and is {vouched.grade}"
    if [one.model_dump() for one in vouched.signed_by] != list(record["signed_by"]):
        yield "it names others than those who signed it"
    if [one.model_dump() for one in vouched.dissent] != list(record["signed_dissent"]):
        yield "it names others than those who signed a dissent"


def _word(told: Any) -> str:
    if isinstance(told, list | tuple):
        return ", ".join(map(str, told)) or "nobody"
    return str(told or "nothing")
