"""Whether a decision keeps the rules: held to the lifecycle it names, when recorded and ever after.

What a record says of itself proves nothing. Where it leads, what it does, whose names it needs and
in which grade are computed here from the lifecycle and from the decisions before it on the case.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from aiops.errors import AiopsError
from aiops.governance.kept_rules import kept_lifecycle
from aiops.governance.lifecycle import (
    APPROVALS,
    FIRST,
    GateStep,
    Lifecycle,
    Needed,
    State,
    suffices,
)

Record = Mapping[str, Any]

BY_RUNS: tuple[State, ...] = (FIRST, "development", "retrospective_eval")
"""States that a case comes to before the first decision on it: an idea, a run, an evaluation."""

STEPS = ("G0", "G1", "G2", "G3", "G4", "G5", "G6")
OLDER = {"approved": "silent_prospective"}
"""States that records of the first version name, and what they are called now."""


def rules_of(record: Record) -> Lifecycle | None:
    """Return the lifecycle that a decision was made under; None where nobody kept it."""
    return kept_lifecycle(str(record.get("lifecycle_sha256", "")))


def step_of(record: Record, cycle: Lifecycle) -> GateStep | None:
    """Return the step that an approval passed; None for other outcomes.

    Raises
    ------
    ConfigError
        If the lifecycle knows neither outcome nor gate.
    """
    return cycle.step(str(record["gate"])) if cycle.outcome(record["outcome"]).gated else None


def needed_by(record: Record, cycle: Lifecycle) -> Needed:
    """Return whose names a decision needs, in which grade, by the lifecycle.

    Raises
    ------
    AiopsError
        If the lifecycle knows no such outcome, gate or way from the state.
    """
    step = step_of(record, cycle)
    state, outcome = str(record["from_state"]), str(record["outcome"])
    cycle.next_state(state, outcome, step.policy if step else None, previous=state)
    return cycle.needed(state, outcome, step.policy if step else None)


def roles_words(needed: Needed) -> tuple[str, ...]:
    """Return the roles as a record names them: each, or ``2 of: a, b, c``."""
    if needed.signatures == len(needed.roles):
        return needed.roles
    return (f"{needed.signatures} of: {', '.join(needed.roles)}",)


def state_before(earlier: Sequence[Record]) -> tuple[State, ...]:
    """Return the states that a case can stand in after some decisions on it."""
    if not earlier:
        return BY_RUNS
    return (now_called(earlier[-1]["to_state"]),)


def came_from(earlier: Sequence[Record], state: str) -> State | None:
    """Return the state that led to `state`; going back to a state is no coming from anywhere."""
    for record in reversed(earlier):
        is_move = record["to_state"] == state and record["from_state"] != state
        if is_move and record["outcome"] != "resume":
            return now_called(record["from_state"])
    return None


def steps_skipped(earlier: Sequence[Record], step: str) -> tuple[str, ...]:
    """Return the steps before one that nobody approved."""
    passed = {r.get("gate_step", "G4") for r in earlier if r["outcome"] in APPROVALS}
    before = STEPS[: STEPS.index(step)] if step in STEPS else ()
    return tuple(name for name in before if name not in passed)


def rule_faults(record: Record, earlier: Sequence[Record], cycle: Lifecycle) -> Iterator[str]:
    """Say where a decision does not keep the rules of a lifecycle.

    Parameters
    ----------
    record : mapping
        The decision, or the statement of one that nobody has recorded yet.
    earlier : sequence of mapping
        The decisions on the same case before it, the oldest first.
    cycle : Lifecycle
        The rules that it names.

    Yields
    ------
    str
        A sentence for each rule that is not kept.
    """
    last = str(earlier[-1]["id"]) if earlier else ""
    if record["follows"] != last:
        yield (
            f"it follows {record['follows'] or 'nothing'}, and {last or 'nothing'} stands before "
            "it: a decision was taken out, put in or moved"
        )
    elif record["from_state"] not in state_before(earlier):
        led = " or ".join(state_before(earlier))
        yield f"it starts from {record['from_state']}, and {last or 'an idea'} leads to {led}"
    if record["from_state"] in cycle.terminal:
        yield f"it reopens a case that is {record['from_state']}"
        return
    try:
        yield from _way_faults(record, earlier, cycle)
    except AiopsError as fault:
        yield fault.what
    yield from _said_faults(record, cycle)
    if record["outcome"] in APPROVALS:
        yield from _approval_faults(record)


def grade_faults(record: Record, cycle: Lifecycle) -> Iterator[str]:
    """Say whether a decision has the grade that the lifecycle asks for."""
    try:
        needed = needed_by(record, cycle)
    except AiopsError:
        return  # told by `rule_faults`
    if not suffices(record["grade"], needed.grade):
        roles = ", ".join(roles_words(needed))
        yield f"it is only {record['grade']}; the lifecycle asks for {needed.grade} by {roles}"


def _way_faults(record: Record, earlier: Sequence[Record], cycle: Lifecycle) -> Iterator[str]:
    """Hold what a decision does to what the lifecycle lets it do."""
    step = step_of(record, cycle)
    gate = step.policy if step else None
    state, outcome = str(record["from_state"]), str(record["outcome"])
    to_state = cycle.next_state(state, outcome, gate, came_from(earlier, state))
    needed = cycle.needed(state, outcome, gate)
    wanted: list[tuple[str, Any, Any]] = [
        ("leads to", now_called(record["to_state"]), to_state),
        ("does", record["effect"] or "nothing more", cycle.effect(outcome, gate, state)
         or "nothing more"),
        ("was decided at step", record["gate_step"] or "none", step.name if step else "none"),
        ("asks for the names of", tuple(record["signatures_required"]), roles_words(needed)),
        ("asks for the grade", record["grade_required"], needed.grade),
    ]  # fmt: skip
    if step is not None:
        skipped = steps_skipped(earlier, step.name)
        wanted.append(("left out", tuple(record["gates_skipped"]), skipped))
        yield from _renewal_faults(record, earlier, step, cycle.gates[step.name].policy)
    for verb, said, true in wanted:
        if said != true:
            yield f"it {verb} {_words(said)}, and by the lifecycle {_words(true)}"


def _renewal_faults(
    record: Record, earlier: Sequence[Record], step: GateStep, own: str
) -> Iterator[str]:
    """Refuse to renew by a gate that asks for less what the step's own gate let pass."""
    before = [r for r in earlier if r["outcome"] in APPROVALS and r.get("gate_step") == step.name]
    if before and before[-1]["gate"] == own and record["gate"] != own:
        yield f"{before[-1]['id']} passed {own}, and {record['gate']} asks for less"


def _said_faults(record: Record, cycle: Lifecycle) -> Iterator[str]:
    """Hold a decision to what its outcome may not keep to itself."""
    told = cycle.outcomes.get(record["outcome"])
    if told is None:
        return
    if told.reasons and sum(bool(reason["primary"]) for reason in record["reasons"]) != 1:
        yield f"{record['outcome']} names one main reason"
    if told.lessons and not any(lesson["text"].strip() for lesson in record["lessons"]):
        yield f"{record['outcome']} says what was learnt"
    if told.revisit_if and not record["revisit_if"]:
        yield f"{record['outcome']} says what would make it worth another look"
    conditions = record["conditions"]
    if bool(conditions) != (record["outcome"] == "approve-with-conditions"):
        yield f"{record['outcome']} with {len(conditions)} conditions"
    if any(condition["status"] != "open" for condition in conditions):
        yield "a condition is closed before it was decided"


def _approval_faults(record: Record) -> Iterator[str]:
    """Hold an approval to its gate: nothing fails, and what is open has a condition."""
    answers = {item["item_id"]: item["passed"] for item in record["evidence"]}
    failing = [name for name, passed in answers.items() if passed is False]
    undecided = {name for name, passed in answers.items() if passed is None}
    if failing or record["gate_outcome"] in ("fail", "not asked"):
        told = ", ".join(failing) or f"its gate answered {record['gate_outcome']}"
        yield f"it approves what its gate does not let pass: {told}"
    left = undecided - {condition["item"] for condition in record["conditions"]}
    if left:
        yield f"nobody brings what is open: {', '.join(sorted(left))}"
    if record["gate_outcome"] == "pass" and undecided:
        yield f"its gate did not pass: {', '.join(sorted(undecided))} undecided"
    if record["effect"] and not any(subject["digest"] for subject in record["subject"]):
        yield "it fixes or uses bytes, and names none"


def now_called(state: str) -> State:
    """Return a state of a record as it is called now."""
    return cast("State", OLDER.get(state, state))


def _words(value: Any) -> str:
    return (", ".join(value) or "nobody") if isinstance(value, tuple) else str(value)
