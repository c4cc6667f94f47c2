import copy
from datetime import date
from typing import get_args

import pytest
import yaml

from aiops import home as places
from aiops.errors import ConfigError, GateError
from aiops.governance.lifecycle import (
    OutcomeName,
    State,
    parse_lifecycle,
    read_lifecycle,
    suffices,
)
from aiops.home import configs_dir

CYCLE = read_lifecycle()
STATES, OUTCOMES = get_args(State), get_args(OutcomeName)
EARLY = ("submitted", "triage", "feasibility", "planned", "development", "retrospective_eval")

# Written by hand from the hospital's own words, not read from the file under test.
GATES = {
    "G0": ({"submitted", "triage"}, "feasibility"),
    "G1": ({"feasibility"}, "planned"),
    "G2": ({"planned"}, "development"),
    "G3": ({"development"}, "retrospective_eval"),
    "G4": ({"retrospective_eval", "silent_prospective"}, "silent_prospective"),
    "G5": ({"silent_prospective", "live_limited"}, "live_limited"),
    "G6": ({"live_limited", "live"}, "live"),
}
MOVES = {
    **{(state, "re-review"): state for state in (*EARLY, "silent_prospective")},
    ("submitted", "re-review"): "triage",
    ("live_limited", "re-review"): "change_review",
    ("live", "re-review"): "change_review",
    ("change_review", "re-review"): "development",
    ("suspended", "re-review"): "development",
    **{
        (state, outcome): to
        for state in (*EARLY, "silent_prospective")
        for outcome, to in (
            ("defer", "deferred"),
            ("reject", "rejected"),
            ("discontinue", "discontinued"),
        )
    },
    ("deferred", "reject"): "rejected",
    ("deferred", "discontinue"): "discontinued",
    **{
        (state, "suspend"): "suspended"
        for state in ("silent_prospective", "live_limited", "live", "change_review")
    },
    **{
        (state, "retire"): "retired"
        for state in (
            "development",
            "retrospective_eval",
            "silent_prospective",
            "live_limited",
            "live",
            "suspended",
            "change_review",
        )
    },
}
BACK = ("deferred", "suspended", "change_review")


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("outcome", ["approve", "approve-with-conditions"])
@pytest.mark.parametrize("gate", GATES)
def test_a_gate_is_passed_from_its_states_and_no_other(state, outcome, gate):
    starts, to_state = GATES[gate]
    if state in starts:
        assert CYCLE.next_state(state, outcome, gate) == to_state
        return
    with pytest.raises(GateError) as caught:
        CYCLE.next_state(state, outcome, gate)
    assert caught.value.what == f"{outcome} at {gate} is not possible from {state}"
    assert caught.value.exit_code == 3
    told = CYCLE.allowed_from(state)
    assert caught.value.fix.startswith(
        f"from {state}: {told[0]}" if told else "register a new case"
    )


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("outcome", [o for o in OUTCOMES if not o.startswith("approve")])
def test_an_outcome_leads_where_it_should_or_is_refused(state, outcome):
    if outcome == "resume" and state in BACK:
        assert CYCLE.next_state(state, outcome, previous="live") == "live"
        with pytest.raises(GateError, match="resume is not possible"):
            CYCLE.next_state(state, outcome)
    elif (state, outcome) in MOVES:
        assert CYCLE.next_state(state, outcome) == MOVES[state, outcome]
    else:
        with pytest.raises(GateError) as caught:
            CYCLE.next_state(state, outcome, previous="live")
        assert caught.value.what == f"{outcome} is not possible from {state}"


def test_an_approval_without_a_gate_goes_nowhere():
    with pytest.raises(GateError, match="approve without a gate is not possible from triage"):
        CYCLE.next_state("triage", "approve")


@pytest.mark.parametrize("state", ["rejected", "discontinued", "retired"])
def test_a_closed_state_has_no_way_out(state):
    assert CYCLE.allowed_from(state) == []
    with pytest.raises(GateError) as caught:
        CYCLE.next_state(state, "approve", "G0")
    assert "--revisits" in caught.value.fix


def test_grades_are_ordered_and_the_basic_gate_asks_for_no_fewer_people_than_its_step():
    assert [CYCLE.step(f"G{i}").grade for i in range(7)] == [
        "recorded", "recorded", "recorded", "attested", "attested", "signed", "signed",
    ]  # fmt: skip
    assert CYCLE.step("gate_basic").grade == "attested"
    assert CYCLE.step("gate_basic").name == CYCLE.step("gate_G4").name == "G4"
    assert suffices("attested", "attested")
    assert not suffices("attested", "signed")


def test_effects_are_those_of_the_steps():
    assert [CYCLE.effect("approve", f"G{i}") for i in range(7)] == [
        "", "", "", "freeze_digest", "alias silent", "alias limited", "alias live",
    ]  # fmt: skip
    assert CYCLE.effect("suspend") == "remove_alias"
    assert CYCLE.effect("resume") == "restore_alias"


def test_a_name_that_is_not_known_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="'G7' is not known"):
        CYCLE.step("G7")
    with pytest.raises(ConfigError) as caught:
        CYCLE.next_state("live", "suspnd")
    assert "did you mean 'suspend'?" in caught.value.fix


def test_the_diagram_draws_every_state_and_step():
    drawn = CYCLE.mermaid()
    assert drawn.startswith("stateDiagram-v2\n    [*] --> submitted")
    assert all(state in drawn for state in STATES)
    assert "    silent_prospective --> live_limited: G5" in drawn
    assert "    suspended --> live: resume" in drawn
    assert "    rejected --> [*]" in drawn


def written():
    path = places.configs_dir() / "policy" / "lifecycle.yaml"
    return copy.deepcopy(yaml.safe_load(path.read_text(encoding="utf-8")))


def without_resume(told):
    told["outcomes"]["resume"]["moves"] = told["outcomes"]["resume"]["moves"][1:]
    for outcome in ("reject", "discontinue"):
        told["outcomes"][outcome]["moves"][0]["from"].remove("deferred")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda t: t["states"].pop("triage"), "the state 'triage' is missing"),
        (lambda t: t["outcomes"].pop("retire"), "the outcome 'retire' is missing"),
        (
            lambda t: t["outcomes"]["defer"]["moves"][0].update(to="defered"),
            r"defer leads to 'defered', which is no state \(did you mean 'deferred'\?\)",
        ),
        (
            lambda t: t["gates"]["G5"]["roles"].append("serivce owner"),
            r"G5 asks for the role 'serivce owner', which is not named "
            r"\(did you mean 'service owner'\?\)",
        ),
        (
            lambda t: t["outcomes"]["retire"]["moves"][0].update(signatures=4),
            "retire asks for 4 signatures of 3 roles",
        ),
        (
            lambda t: t["outcomes"]["re-review"]["moves"][0]["from"].append("rejected"),
            "'rejected' is terminal, yet re-review leads out of it",
        ),
        (without_resume, "nothing leads out of 'deferred', and it is not terminal"),
        (
            lambda t: t["gates"]["G1"].update({"from": ["triage"]}),
            None,
        ),
        (lambda t: t["gates"].pop("G6"), "nothing leads to the state 'live'"),
        (
            lambda t: t["policies"]["gate_basic"].update(step="G9"),
            "policy gate_basic answers 'G9', which is no gate",
        ),
        (
            lambda t: t["outcomes"]["suspend"]["moves"].append({"from": ["live"], "to": "retired"}),
            "suspend from 'live' stands twice",
        ),
        (
            lambda t: t["outcomes"]["suspend"].update(gated=True),
            "suspend is gated or has moves, one of the two",
        ),
        (lambda t: t["gates"]["G4"].update(grade="sworn"), "gates.G4.grade: Input should be"),
        (lambda t: t["gates"]["G4"].update(colour="red"), "colour: Extra inputs"),
    ],
)
def test_a_lifecycle_that_does_not_hold_together_says_where(change, what):
    told = written()
    change(told)
    if what is None:
        parse_lifecycle(told, where="lifecycle.yaml")  # odd, and whole
        return
    with pytest.raises(ConfigError, match=what) as caught:
        parse_lifecycle(told, where="lifecycle.yaml")
    assert caught.value.where == "lifecycle.yaml"


def test_a_former_one_names_a_day_as_yaml_reads_it():
    path = configs_dir() / "policy" / "lifecycle.yaml"
    told = yaml.safe_load(path.read_text(encoding="utf-8")) | {"former": {"0a": date(2026, 11, 30)}}
    assert parse_lifecycle(told, where="lifecycle.yaml").former == {"0a": "2026-11-30"}
