"""The lifecycle of a use case: states, gates and outcomes, read from ``configs/policy``.

The state machine is data. It is looked through when it is read, so that a trust that changes it
learns at once of a state nobody can reach or leave.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Literal, get_args

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from aiops import home
from aiops.config import Config
from aiops.errors import ConfigError, GateError
from aiops.lookup import nearest, pick

State = Literal[
    "submitted", "triage", "feasibility", "planned", "development", "retrospective_eval",
    "silent_prospective", "live_limited", "live", "suspended", "change_review", "retired",
    "rejected", "discontinued", "deferred",
]  # fmt: skip
Grade = Literal["recorded", "attested", "signed"]
OutcomeName = Literal[
    "approve", "approve-with-conditions", "re-review", "defer", "reject", "discontinue",
    "suspend", "resume", "retire",
]  # fmt: skip

FIRST: State = "submitted"
GRADES: tuple[Grade, ...] = ("recorded", "attested", "signed")
"""How a decision is vouched for, the weakest first."""
SAME, PREVIOUS = "same", "previous"
APPROVALS = ("approve", "approve-with-conditions")


def suffices(grade: Grade, needed: Grade) -> bool:
    """Return whether a grade is at least the one that is asked for.

    Examples
    --------
    >>> suffices("signed", "attested"), suffices("recorded", "attested")
    (True, False)
    """
    return GRADES.index(grade) >= GRADES.index(needed)


class GateStep(Config):
    """What an approval at one step asks and does."""

    name: str = ""
    title: str
    from_states: tuple[State, ...] = Field(alias="from", min_length=1)
    to_state: State = Field(alias="to")
    roles: tuple[str, ...] = Field(min_length=1)
    signatures: int = Field(default=0, ge=0, description="Of the roles, how many; 0 is all.")
    grade: Grade
    effect: str = ""
    policy: str = Field(description="Name of the gate policy's file.")
    renews: bool = Field(default=False, description="Whether it may be passed again.")
    scope: tuple[Literal["sites", "population", "users", "max_cases"], ...] = Field(
        default=(), description="What an approval must say of where and on whom it may be used."
    )
    author_may_sign: bool = False

    @property
    def asks_from(self) -> tuple[State, ...]:
        """The states it can be passed from, its own among them where it can be renewed."""
        return (*self.from_states, self.to_state) if self.renews else self.from_states


class Move(Config):
    """Where an outcome leads from some states, and whose names it needs."""

    from_states: tuple[State, ...] = Field(alias="from", min_length=1)
    to: str
    roles: tuple[str, ...] = ()
    signatures: int = Field(default=0, ge=0, description="Of the roles, how many; 0 is all.")
    grade: Grade = "recorded"
    author_may_sign: bool = False
    effect: str = Field(default="", description="Of this way alone, beside the outcome's own.")


class Outcome(Config):
    """What can be decided: where it leads, and what must be said with it."""

    says: str
    gated: bool = False
    reasons: bool = False
    lessons: bool = False
    revisit_if: bool = False
    moves: tuple[Move, ...] = ()
    effect: str = ""


class PolicyStep(Config):
    """The step that a gate policy of a run answers."""

    step: str
    grade: Grade


class Needed(Config):
    """Whose names a decision needs, in which grade."""

    roles: tuple[str, ...]
    signatures: int
    grade: Grade
    author_may_sign: bool = False


class Lifecycle(Config):
    """States, gates and outcomes, in which version."""

    kind: Literal["lifecycle"]
    version: str
    date: str
    states: dict[State, str]
    terminal: tuple[State, ...]
    roles: dict[str, str]
    gates: dict[str, GateStep]
    policies: dict[str, PolicyStep] = Field(default_factory=dict)
    outcomes: dict[OutcomeName, Outcome]
    former: dict[str, str] = Field(
        default={}, description="SHA-256 of lifecycles that were in force, and until when."
    )

    @field_validator("date", mode="before")
    @classmethod
    def _date_as_text(cls, value: object) -> str:
        return str(value)

    @field_validator("former", mode="before")
    @classmethod
    def _days_as_text(cls, value: object) -> object:
        return {k: str(day) for k, day in value.items()} if isinstance(value, dict) else value

    @field_validator("gates", mode="after")
    @classmethod
    def _named(cls, gates: dict[str, GateStep]) -> dict[str, GateStep]:
        return {name: step.model_copy(update={"name": name}) for name, step in gates.items()}

    @model_validator(mode="after")
    def _holds_together(self) -> "Lifecycle":
        faults = list(_faults(self))
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def step(self, gate: str) -> GateStep:
        """Return a step by its name (G4), or by the policy that answers it (gate_basic).

        Raises
        ------
        ConfigError
            If there is none.

        Examples
        --------
        >>> read_lifecycle().step("G4").to_state
        'silent_prospective'
        >>> read_lifecycle().step("gate_basic").grade
        'attested'
        """
        by_policy = {step.policy: step for step in self.gates.values()}
        for policy, told in self.policies.items():
            by_policy[policy] = self.gates[told.step].model_copy(
                update={"grade": told.grade, "policy": policy}
            )
        return pick(self.gates | by_policy, gate, where="gate of the lifecycle")

    def outcome(self, name: str) -> Outcome:
        """Return an outcome by its name, or say which comes nearest."""
        known: dict[str, Outcome] = dict(self.outcomes.items())
        return pick(known, name, where="outcome")

    def next_state(
        self, state: str, outcome: str, gate: str | None = None, previous: str | None = None
    ) -> State:
        """Return the state that a decision leads to.

        Parameters
        ----------
        state : str
            Where the case stands.
        outcome : str
            What is decided.
        gate : str, optional
            Step or policy, for an approval.
        previous : str, optional
            Where the case stood before it was put off, suspended or put under review.

        Raises
        ------
        GateError
            If that is not possible from here; naming what is.
        """
        told = self.outcome(outcome)
        if told.gated and gate is not None:
            step = self.step(gate)
            if state in step.asks_from:
                return step.to_state
            raise self._refused(f"{outcome} at {step.name} is not possible", state)
        move = next((move for move in told.moves if state in move.from_states), None)
        if move is None or (move.to == PREVIOUS and previous is None):
            which = " without a gate" if told.gated else ""
            raise self._refused(f"{outcome}{which} is not possible", state)
        to = {SAME: state, PREVIOUS: previous}.get(move.to, move.to)
        return next(known for known in self.states if known == to)

    def needed(self, state: str, outcome: str, gate: str | None = None) -> Needed:
        """Return whose names a decision needs from a state, in which grade.

        Parameters
        ----------
        state, outcome, gate : str
            As in `next_state`, which says whether the decision is possible at all.
        """
        rule: GateStep | Move
        told = self.outcome(outcome)
        if told.gated and gate is not None:
            rule = self.step(gate)
        else:
            rule = next(move for move in told.moves if state in move.from_states)
        return Needed(
            roles=rule.roles,
            signatures=rule.signatures or len(rule.roles),
            grade=rule.grade,
            author_may_sign=rule.author_may_sign,
        )

    def effect(self, outcome: str, gate: str | None = None, state: str = "") -> str:
        """Return what a decision does beside moving the case, such as ``alias silent``.

        Parameters
        ----------
        outcome, gate : str
            As in `next_state`.
        state : str
            Where the case stands: some ways do more than others of the same outcome.
        """
        told = self.outcome(outcome)
        if told.gated and gate is not None:
            return self.step(gate).effect
        move = next((move for move in told.moves if state in move.from_states), None)
        return (move.effect if move else "") or told.effect

    def allowed_from(self, state: str) -> list[str]:
        """Return what can be decided from a state, an approval with its gate.

        Examples
        --------
        >>> read_lifecycle().allowed_from("suspended")
        ['re-review', 'resume', 'retire']
        """
        gates = [f"approve at {s.name}" for s in self.gates.values() if state in s.asks_from]
        others = [
            name
            for name, told in self.outcomes.items()
            if any(state in move.from_states for move in told.moves)
        ]
        return gates + list(others)

    def mermaid(self) -> str:
        """Return the machine as a Mermaid state diagram."""
        drawn = ["stateDiagram-v2", f"    [*] --> {FIRST}"]
        arrows: dict[tuple[str, str], list[str]] = {}
        for start, end, name in _arrows(self):
            arrows.setdefault((start, end), []).append(name)
        drawn += [f"    {a} --> {b}: {', '.join(names)}" for (a, b), names in arrows.items()]
        return "\n".join([*drawn, *(f"    {state} --> [*]" for state in self.terminal)])

    def _refused(self, what: str, state: str) -> GateError:
        allowed = self.allowed_from(state)
        reopen = "register a new case: aiops usecase submit SLUG --title TITLE --revisits UC-…"
        return GateError(
            f"{what} from {state}",
            where=f"lifecycle {self.version}: state {state}",
            fix=f"from {state}: {', '.join(allowed)}" if allowed else reopen,
        )


@cache
def read_lifecycle() -> Lifecycle:
    """Read ``configs/policy/lifecycle.yaml``.

    Raises
    ------
    ConfigError
        If it is not a lifecycle, or does not hold together.
    """
    path = home.configs_dir() / "policy" / "lifecycle.yaml"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as fault:
        raise ConfigError(f"not YAML: {fault}", where=str(path), fix="mend the file") from fault
    return parse_lifecycle(content, where=str(path))


def parse_lifecycle(content: Any, *, where: str) -> Lifecycle:
    """Return a lifecycle from plain data.

    Raises
    ------
    ConfigError
        With all that is wrong with it at once.
    """
    try:
        return Lifecycle.model_validate(content)
    except ValidationError as fault:
        told = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in fault.errors()]
        raise ConfigError(
            "; ".join(text.removeprefix(": Value error, ") for text in told),
            where=where,
            fix="mend each of these",
        ) from fault


def _arrows(cycle: Lifecycle) -> Iterator[tuple[str, str, str]]:
    """Give every way from one state to another, with its name."""
    for step in cycle.gates.values():
        yield from ((state, step.to_state, step.name) for state in step.asks_from)
    for name, told in cycle.outcomes.items():
        for move in told.moves:
            for state in move.from_states:
                if move.to == PREVIOUS:
                    yield from ((state, back, name) for back in _came_from(cycle, state))
                else:
                    yield state, state if move.to == SAME else move.to, name


def _came_from(cycle: Lifecycle, state: str) -> list[str]:
    """Return the states from which an outcome leads to `state`."""
    moves = [move for told in cycle.outcomes.values() for move in told.moves if move.to == state]
    return list(dict.fromkeys(start for move in moves for start in move.from_states))


def _faults(cycle: Lifecycle) -> Iterator[str]:
    yield from _unknown_names(cycle)
    arrows = list(_arrows(cycle))
    returns = [n for n, o in cycle.outcomes.items() if any(m.to == PREVIOUS for m in o.moves)]
    reached: set[str] = {FIRST}  # going back leads only to where one was
    ways = [(start, end) for start, end, name in arrows if name not in returns]
    while new := {end for start, end in ways if start in reached} - reached:
        reached |= new
    for state in cycle.states:
        exits = sorted({name for start, end, name in arrows if start == state and end != state})
        if state not in reached:
            yield f"nothing leads to the state '{state}'"
        if state in cycle.terminal and exits:
            yield f"'{state}' is terminal, yet {', '.join(exits)} leads out of it"
        if state not in cycle.terminal and not exits:
            yield f"nothing leads out of '{state}', and it is not terminal"
    twice = [
        f"{name} from '{state}' stands twice"
        for name, told in cycle.outcomes.items()
        for state in cycle.states
        if sum(state in move.from_states for move in told.moves) > 1
    ]
    yield from twice


def _unknown_names(cycle: Lifecycle) -> Iterator[str]:
    for name in get_args(State):
        if name not in cycle.states:
            yield f"the state '{name}' is missing"
    for name in get_args(OutcomeName):
        if name not in cycle.outcomes:
            yield f"the outcome '{name}' is missing"
        elif cycle.outcomes[name].gated == bool(cycle.outcomes[name].moves):
            yield f"{name} is gated or has moves, one of the two"
    rules: list[tuple[str, Sequence[str], int]] = [
        (step.name, step.roles, step.signatures) for step in cycle.gates.values()
    ]
    for name, told in cycle.outcomes.items():
        rules += [(name, move.roles, move.signatures) for move in told.moves]
        for to in (move.to for move in told.moves):
            if to not in cycle.states and to not in (SAME, PREVIOUS):
                yield f"{name} leads to '{to}', which is no state{_guess(to, list(cycle.states))}"
    for name, roles, signatures in rules:
        for role in roles:
            if role not in cycle.roles:
                guess = _guess(role, list(cycle.roles))
                yield f"{name} asks for the role '{role}', which is not named{guess}"
        if signatures > len(roles):
            yield f"{name} asks for {signatures} signatures of {len(roles)} roles"
    for policy, step in cycle.policies.items():
        if step.step not in cycle.gates:
            yield f"policy {policy} answers '{step.step}', which is no gate"


def _guess(name: str, known: list[str]) -> str:
    guess = nearest(name, known)
    return f" (did you mean '{guess}'?)" if guess else ""
