"""Whether bytes that were approved may be used today.

An approval ends with the next decision that leads out of use, with its last day, and waits while
something that the case owes is late.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from aiops.governance.effects import endings, read_effects, usable_states
from aiops.governance.lifecycle import APPROVALS, Lifecycle
from aiops.governance.usecase import UseCase

NOT_FOR_USE = "frozen for evaluation; not for use"
"""What is said of bytes that no alias points to."""


def use_faults(
    case: UseCase, record: Mapping[str, Any], decisions: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Return why the bytes of an approval are not to be used today; nothing when they are.

    Parameters
    ----------
    case : UseCase
        The case as it stands today.
    record : mapping
        The approval.
    decisions : sequence of mapping
        All decisions on the case, the oldest first.
    """
    told = []
    stop = endings(decisions).get(str(record["id"]))
    if stop is not None and stop["outcome"] in APPROVALS:
        told.append(f"{stop['id']} approved other bytes in place of those of {record['id']}")
    elif stop is not None:
        told.append(f"{stop['id']} {stop['outcome']} came after {record['id']}")
    elif case.state not in usable_states():
        told.append(f"{case.id} {case.slug} is {case.state}")
    ends = record["expires_at"]
    if ends and ends <= date.today().isoformat():
        told.append(f"{record['id']} lapsed on {ends}")
    elif case.is_lapsed:
        told.append(f"{case.approved_by} lapsed on {case.expires_at}")
    for one in case.overdue:
        late = "was given up" if one.status == "lapsed" else f"was due on {one.due}"
        told.append(f"the condition {one.id} {late}: {one.text} ({one.owner})")
    return told


def purpose_of(record: Mapping[str, Any], cycle: Lifecycle | None) -> str:
    """Return what an approval lets its bytes be used for, as a manifest says it.

    Parameters
    ----------
    record : mapping
        The approval.
    cycle : Lifecycle, optional
        The rules it was made under.
    """
    state = str(record["to_state"])
    deed = read_effects().effects.get(str(record["effect"]))
    if deed is None or not deed.set:
        return f"{state}: {NOT_FOR_USE}"
    known: dict[str, str] = dict(cycle.states.items()) if cycle is not None else {}
    return f"{state}: {known.get(state, '')}"
