import pytest
import yaml

from aiops.errors import ConfigError
from aiops.files import write_json
from aiops.governance.decision import propose, record_decision
from aiops.governance.effects import (
    Effect,
    Effects,
    aliases_after,
    apply,
    effects_of,
    endings,
    read_effects,
)
from aiops.governance.lifecycle import read_lifecycle
from aiops.governance.policy import evaluate_gate, read_policy
from aiops.governance.usecase import submit

A, B = "a" * 64, "b" * 64


OUTCOMES = {"remove_alias": ("suspend", "suspended"), "restore_alias": ("resume", "live"),
            "freeze_digest": ("approve", "retrospective_eval"),
            "alias silent": ("approve", "silent_prospective"),
            "alias limited": ("approve", "live_limited"), "alias live": ("approve", "live"),
            "": ("re-review", "development")}  # fmt: skip


def record(effect, digest=A, number=1, **changes):
    outcome, to_state = OUTCOMES.get(effect, ("approve", "live"))
    return {"id": f"DEC-2026-{number:04d}", "use_case": "wrist", "effect": effect,
            "outcome": outcome, "to_state": to_state,
            "subject": [{"digest": digest}] if digest else [], **changes}  # fmt: skip


def ended(*story):
    """Return which of a story's decisions ended, by number, and by which decision."""
    told = endings({**one, "id": str(i)} for i, one in enumerate(story, start=1))
    return {name: by["id"] for name, by in told.items()}


def done(effects):
    return [(e.verb, e.alias, e.digest) for e in effects]


def test_every_effect_of_the_lifecycle_is_told():
    cycle = read_lifecycle()
    named = {step.effect for step in cycle.gates.values()}
    named |= {outcome.effect for outcome in cycle.outcomes.values()}
    assert named - {""} == set(read_effects().effects)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("G0", []),
        ("G3", [("freeze", "", A)]),
        ("G4", [("set", "silent", A)]),
        ("G5", [("drop", "silent", ""), ("set", "limited", A)]),
        ("G6", [("drop", "silent", ""), ("drop", "limited", ""), ("set", "live", A)]),
    ],
)
def test_what_the_approval_of_a_step_does(step, expected):
    assert done(effects_of(record(read_lifecycle().effect("approve", step)))) == expected


@pytest.mark.parametrize("outcome", ["suspend", "defer", "reject", "discontinue", "retire"])
def test_what_takes_it_out_of_use_takes_every_alias(outcome):
    effect = read_lifecycle().effect(outcome)
    told = done(effects_of(record(effect, digest="")))
    assert told == [("drop", name, "") for name in ("silent", "limited", "live")]


def test_a_resumption_brings_back_the_last_alias():
    earlier = [record("alias silent"), record("alias limited", B, 2),
               record("remove_alias", "", 3)]  # fmt: skip
    told = effects_of(record("restore_alias", "", 4), earlier)
    assert done(told) == [("drop", "silent", ""), ("set", "limited", B)]
    assert {e.decision for e in told} == {"DEC-2026-0004"}
    assert effects_of(record("restore_alias", ""), []) == []


def test_bytes_frozen_anew_are_not_what_was_approved():
    earlier = [record("alias live"), record("freeze_digest", B, 2)]
    assert effects_of(record("restore_alias", "", 3), earlier) == []


def test_aliases_are_folded_from_the_decisions():
    story = [record("freeze_digest"), record("alias silent"), record("alias limited")]
    assert aliases_after(story) == {"limited": A}
    story.append(record("remove_alias", ""))
    assert aliases_after(story) == {}
    story.append(record("restore_alias", ""))
    assert aliases_after(story) == {"limited": A}


def test_a_case_that_began_anew_does_not_get_its_old_alias_back():
    story = [record("alias live"), record("remove_alias", ""), record(""),
             record("remove_alias", "", outcome="defer", to_state="deferred"),
             record("restore_alias", "", to_state="development")]  # fmt: skip
    assert aliases_after(story) == {}
    story[-1]["to_state"] = "live"  # as if it had been brought back by a lifecycle of their own
    assert aliases_after(story) == {}


@pytest.mark.parametrize(
    ("outcome", "to_state"),
    [
        ("suspend", "suspended"),
        ("defer", "deferred"),
        ("reject", "rejected"),
        ("discontinue", "discontinued"),
        ("retire", "retired"),
        ("re-review", "change_review"),
    ],
)
def test_what_leads_out_of_use_ends_every_approval_before_it(outcome, to_state):
    stop = record("", "", outcome=outcome, to_state=to_state)
    assert ended(record("freeze_digest"), record("alias silent"), stop) == {"1": "3", "2": "3"}
    # Bytes of another run that are approved later bring nothing back.
    assert ended(record("alias silent"), stop, record("alias silent", B)) == {"1": "2"}


def test_to_be_looked_at_again_where_it_stands_ends_nothing():
    again = record("", "", to_state="silent_prospective")
    assert ended(record("alias silent"), again) == {}


def test_a_resumption_brings_back_only_the_bytes_that_stood():
    stop, back = record("remove_alias", ""), record("restore_alias", "")
    assert ended(record("alias silent"), stop, back) == {}
    assert ended(record("alias live", B), record("alias live"), stop, back) == {"1": "2"}
    assert ended(record("alias live"), stop, record("restore_alias", B)) == {"1": "2"}
    anew = record("", "", to_state="development")
    assert ended(record("alias live"), stop, anew, record("freeze_digest", B), back) == {"1": "2"}
    frozen = record("restore_alias", "", to_state="retrospective_eval")
    assert ended(record("freeze_digest"), stop, frozen) == {}


def test_an_alias_on_other_bytes_ends_the_approval_of_those_before():
    assert ended(record("alias silent"), record("alias silent", B)) == {"1": "2"}
    assert ended(record("freeze_digest"), record("alias silent"), record("alias limited")) == {}
    tool = {"product": "Acme 2.1"}
    story = [record("alias silent", subject=[{"digest": d, **tool}]) for d in (A, B)]
    assert ended(*story) == {}  # one product, evaluated twice
    story[1]["subject"][0]["product"] = "Acme 3.0"
    assert ended(*story) == {"1": "2"}


def test_apply_does_each_and_says_so():
    seen = []
    told = apply(
        effects_of(record("alias limited")),
        set_alias=lambda *said: seen.append(said),
        drop_alias=lambda *said: seen.append(said),
    )
    assert seen == [("wrist", "silent"), ("wrist", "limited", A)]
    assert told == [
        "alias silent of wrist is taken away",
        f"alias limited of wrist points to {A[:12]}",
    ]


def test_freezing_calls_nobody_and_is_told():
    frozen = [Effect("freeze", "", "wrist", A, "DEC-2026-0001")]
    assert apply(frozen, set_alias=None, drop_alias=None) == [
        f"the digest {A[:12]} of wrist is frozen"
    ]


def test_an_approval_without_bytes_is_refused():
    with pytest.raises(ConfigError, match="names no bytes, so there is nothing to freeze"):
        effects_of(record("freeze_digest", ""))
    with pytest.raises(ConfigError, match="nothing to point to"):
        effects_of(record("alias live", ""))


def test_an_effect_nobody_described_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="'alias slient' is not known") as caught:
        effects_of(record("alias slient"))
    assert "alias silent" in caught.value.fix


def test_no_effect_is_no_deed():
    assert effects_of(record("")) == []
    assert effects_of({"id": "DEC-2026-0001", "use_case": "wrist", "subject": []}) == []


def test_an_alias_that_is_not_described_is_refused():
    told = yaml.safe_load(read_effects().model_dump_json())
    told["effects"]["alias live"]["set"] = "live2"
    with pytest.raises(ValueError, match="no such alias: live2"):
        Effects.model_validate(told)


def test_an_approval_of_a_run_points_the_alias_to_what_was_evaluated(make_run, attested):
    submit("chest-effusion", "Effusion on chest films")
    folder = make_run()
    write_json(folder / "gates.json", evaluate_gate(read_policy("gate_basic"), folder))
    said = {"rationale": "As the figures say.", "by": "Imaging AI board", **attested}
    told = record_decision(propose("approve", "chest-effusion", run_dir=folder, **said)).to_json()
    assert done(effects_of(told)) == [("set", "silent", "9" * 64)]
    assert aliases_after([told]) == {"silent": "9" * 64}
