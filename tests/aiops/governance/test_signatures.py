"""Whose names a decision needs: every gate by every role, every outcome by its grade."""

import hashlib

import pytest

from aiops.errors import ConfigError, GateError
from aiops.governance import basis, ledger
from aiops.governance.decision import propose, record_decision
from aiops.governance.documents import bytes_path
from aiops.governance.keyring import DEMO_KEYS, enrol, found, revoke
from aiops.governance.lifecycle import read_lifecycle
from aiops.governance.signatures import assign
from aiops.governance.verify import verify_ledger

CYCLE = read_lifecycle()
ROLES = tuple(CYCLE.roles)
STATE_OF = {name: step.from_states[0] for name, step in CYCLE.gates.items()}
LIMITS = {"sites": ["Day unit"], "users": "radiologists", "max_cases": 500}
SAID = {"rationale": "As the figures say.", "by": "Imaging AI board", "author": "Ana",
        "scope": LIMITS}  # fmt: skip
LEARNT = {"reasons": ["R19"], "lessons": ["Ask early."], "revisit_if": ["n_positive>=480"]}


@pytest.fixture(autouse=True)
def _passed(open_gates, make_run, monkeypatch):
    # From G3 on an approval is about bytes. A run outside the home leaves the state as it is.
    told = make_run("2026-11-22-0a1b2c3d", use_case="ct-triage")
    told.parent.rename(told.parents[2] / "elsewhere")
    monkeypatch.setattr(basis, "_require_here", lambda run_dir, case: None)
    SAID["run_dir"] = told.parents[2] / "elsewhere" / told.name


def approve(gate, keys=(), **said):
    return record_decision(propose("approve", "ct-triage", gate=gate, **{**SAID, **said}), keys)


def refused(gate_or_outcome, keys=(), **said):
    before = ledger.read_all()
    gated = gate_or_outcome in CYCLE.gates
    outcome, gate = ("approve", gate_or_outcome) if gated else (gate_or_outcome, "")
    told = propose(outcome, "ct-triage", gate=gate, **{**SAID, **said})
    with pytest.raises(GateError) as caught:
        record_decision(told, keys)
    assert ledger.read_all() == before
    return caught.value


@pytest.mark.parametrize("gate", CYCLE.gates)
def test_all_the_roles_of_a_gate_sign_it(gate, ring, stand):
    stand(STATE_OF[gate])
    step = CYCLE.step(gate)
    record = approve(gate, [ring[role] for role in step.roles])
    assert (record.grade, record.gate_step, record.to_state) == ("signed", gate, step.to_state)
    assert {(s.person, s.role) for s in record.signed_by} == {
        (ring[role].public.person, role) for role in step.roles
    }
    assert record.signatures_required == step.roles
    assert record.effect == step.effect
    assert record.statement == "signed by those named in it, each with a key of their own"
    assert ledger.read_lines()[-1].attached["envelope"]["signatures"]


@pytest.mark.parametrize("gate", CYCLE.gates)
@pytest.mark.parametrize("role", ROLES)
def test_a_gate_that_one_role_has_not_signed_is_refused(gate, role, ring, stand):
    stand(STATE_OF[gate])
    step = CYCLE.step(gate)
    if role in step.roles:
        fault = refused(gate, [ring[r] for r in step.roles if r != role])
        assert fault.what == f"approve is not signed by: {role}"
        assert fault.exit_code == 3
    else:
        # One role more does no harm, and one role that is not asked for does not stand in.
        others = [ring[r] for r in step.roles[1:]]
        assert refused(gate, [*others, ring[role]]).what.endswith(f"by: {step.roles[0]}")
        assert approve(gate, [ring[step.roles[0]], *others, ring[role]]).grade == "signed"


@pytest.mark.parametrize("gate", CYCLE.gates)
def test_a_gate_takes_the_grade_that_suffices_and_no_less(gate, ring, stand, tmp_path):
    stand(STATE_OF[gate])
    minutes = tmp_path / "minutes.pdf"
    minutes.write_bytes(b"signed by all")
    step = CYCLE.step(gate)
    attested = {
        "attested_by": "B. Clerk",
        "minutes": minutes,
        "attendees": [f"Dr {i}: {role}" for i, role in enumerate(step.roles)],
    }
    if step.grade == "recorded":
        assert approve(gate).grade == "recorded"
        return
    fault = refused(gate)
    assert fault.what == (
        f"approve at {gate} is only recorded; it must be {step.grade} by {', '.join(step.roles)}"
    )
    assert "aiops sign FILE --key KEY" in fault.fix
    if step.grade == "signed":
        assert "is only attested; it must be signed" in refused(gate, **attested).what
        return
    assert "--minutes FILE" in fault.fix
    record = approve(gate, **attested)
    assert (record.grade, record.attested_by) == ("attested", "B. Clerk")
    assert record.minutes_sha256 == hashlib.sha256(b"signed by all").hexdigest()
    assert record.statement == "attested by a secretary from signed minutes"


def test_minutes_must_name_each_role_and_the_author_does_not_count(ring, stand, tmp_path):
    stand("development")
    minutes = tmp_path / "minutes.pdf"
    minutes.write_bytes(b"signed by all")
    said = {"attested_by": "B. Clerk", "minutes": minutes}
    fault = refused("G3", attendees=["Dr Lee: ai lead", "Dr Cho"], **said)
    assert fault.what == "the minutes name nobody as quality manager"
    fault = refused("G3", attendees=["Dr Lee: ai lead, quality manager"], **said)
    assert fault.what == "the minutes name nobody as quality manager"
    both = ["Dr Lee: ai lead", "Ana: quality manager"]
    assert "quality manager" in refused("G3", attendees=both, **said).what
    assert approve("G3", attendees=both, **{**said, "author": "Ben"}).grade == "attested"
    stand("development", slug="mr-triage")
    fault = refused("G4", attested_by="B. Clerk")
    assert fault.what == "an attested decision needs the secretary's name and the signed minutes"


def test_an_author_does_not_sign_and_is_named(ring, stand):
    stand("submitted")
    keys = [ring["ai lead"], ring["clinical lead"]]
    fault = refused("G0", keys, author="Dr Ai Lead")
    assert fault.what == "Dr Ai Lead wrote this proposal and cannot sign it"
    fault = refused("G0", keys, author="")
    assert fault.what.startswith("a signed decision names who wrote it")


def test_a_suspension_takes_one_signature_even_of_who_wrote_it(ring, stand):
    stand("live")
    said = {"reasons": ["R24"], "author": "Dr Service Owner"}
    fault = refused("suspend", **said)
    assert fault.what == (
        "suspend is only recorded; it must be attested by 1 of cso, service owner, ai lead"
    )
    assert refused("suspend", [ring["chair"]], **said).what == (
        "suspend is not signed by: 1 of cso, service owner, ai lead"
    )
    told = propose("suspend", "ct-triage", **{**SAID, **said})
    record = record_decision(told, [ring["service owner"]])
    assert (record.grade, record.to_state, record.effect) == (
        "signed", "suspended", "remove_alias",
    )  # fmt: skip
    assert refused("resume", [ring["cso"]]).what == "resume is not signed by: chair"
    back = record_decision(propose("resume", "ct-triage", **SAID), [ring["cso"], ring["chair"]])
    assert (back.to_state, back.effect) == ("live", "restore_alias")


@pytest.mark.parametrize("outcome", ["reject", "discontinue", "retire"])
def test_an_end_needs_two_of_three(outcome, ring, stand):
    stand("live" if outcome == "retire" else "silent_prospective")
    fault = refused(outcome, [ring["chair"]], **LEARNT)
    assert fault.what == f"{outcome} is not signed by: 1 of ai lead, clinical lead"
    told = propose(outcome, "ct-triage", **SAID, **LEARNT)
    record = record_decision(told, [ring["chair"], ring["clinical lead"]])
    assert record.signatures_required == ("2 of: ai lead, clinical lead, chair",)
    assert record.grade == "signed"


def test_one_person_fills_one_role(ring, stand, new_key):
    both = new_key("Dr Both")
    enrol(both.public, ["ai lead", "clinical lead"], [ring["cso"], ring["chair"]])
    stand("submitted")
    assert refused("G0", [both]).what == "approve is not signed by: clinical lead"
    # Who could fill either fills the one that is left.
    assert approve("G0", [both, ring["ai lead"]]).signed_by[0].role == "clinical lead"


def test_one_person_with_two_keys_is_one_person(ring, stand, new_key):
    second = new_key("Dr Ai Lead")
    enrol(second.public, ["clinical lead"], [ring["cso"], ring["chair"]])
    stand("submitted")
    fault = refused("G0", [ring["ai lead"], second])
    assert fault.what == "Dr Ai Lead signed twice: one person fills one role"


def test_a_key_that_is_not_in_force_does_not_count(ring, stand, new_key):
    stand("submitted")
    fault = refused("G0", [ring["ai lead"], new_key("Dr Clinical Lead")])
    assert fault.what.startswith("signed by a key that nobody enrolled")
    revoke(ring["ai lead"].public.key_id, "lost", [ring["cso"], ring["chair"]])
    fault = refused("G0", [ring["ai lead"], ring["clinical lead"]])
    assert fault.what == "the key of Dr Ai Lead is not in force"


def test_a_demo_key_signs_nothing_but_the_demo(ring, demo_ring, stand):
    stand("submitted")
    keys = [demo_ring["ai lead"], demo_ring["clinical lead"]]
    fault = refused("G0", keys)
    assert fault.what == (
        "a demo's key (Demo ai lead, Demo clinical lead) signs nothing but the demo's use cases"
    )
    stand("submitted", slug="demo-ct")
    said = {name: value for name, value in SAID.items() if name != "run_dir"}
    told = propose("approve", "demo-ct", gate="G0", **said)
    assert record_decision(told, keys).grade == "signed"
    stand("submitted", slug="demo-mr")
    told = propose("approve", "demo-mr", gate="G0", **said)
    with pytest.raises(GateError, match="take the demo's keys alone, not that of Dr Ai Lead"):
        record_decision(told, [ring["ai lead"], ring["clinical lead"]])


def test_a_demo_ring_is_not_founded_by_people(people):
    pairs = [(people["chair"], ["chair"]), (people["cso"], ["cso"])]
    with pytest.raises(GateError, match="holds for the demo alone"):
        found(pairs, DEMO_KEYS)


@pytest.mark.parametrize(
    ("held", "wanted", "filled"),
    [
        ([["a", "b"], ["a"]], ["a", "b"], 2),
        ([["a"], ["a"]], ["a", "b"], 1),
        ([["a", "b", "c"], ["a", "b"], ["a"]], ["a", "b", "c"], 3),
        ([["b"], ["c"]], ["a"], 0),
        ([], ["a"], 0),
    ],
)
def test_as_many_roles_are_filled_as_can_be(held, wanted, filled):
    given = assign(held, wanted)
    assert sum(bool(role) for role in given) == filled
    taken = [role for role in given if role]
    assert len(set(taken)) == len(taken)
    assert all(not role or role in held[i] for i, role in enumerate(given))


def test_nobody_approves_alone_what_they_wrote(stand):
    stand("submitted")
    fault = refused("G0", by="Ana")
    assert fault.what == "Ana wrote this proposal and cannot approve it"


@pytest.mark.parametrize("gate", ["G3", "G4", "G5", "G6"])
def test_an_approval_that_fixes_or_uses_bytes_names_them(gate, ring, stand):
    stand(STATE_OF[gate])
    fault = refused(gate, [ring[role] for role in CYCLE.step(gate).roles], run_dir=None)
    assert fault.what == (
        f"approve fixes or uses bytes ({CYCLE.step(gate).effect}), and names none"
    )


def test_what_has_lapsed_does_not_go_on_as_if_it_had_not(ring, stand, moved):
    stand("live")
    past = "2020-01-01"
    moved("ct-triage", "suspended", outcome="suspend", expires_at=past)
    moved("ct-triage", "live", outcome="approve", expires_at=past, gate_step="G6")
    number = ledger.read_all()[-1]["id"]
    moved("ct-triage", "suspended", outcome="suspend", expires_at=None)
    fault = refused("resume", [ring["cso"], ring["chair"]])
    assert fault.what == f"resume is refused: lapsed: {number} ended on 2020-01-01"
    assert fault.fix.endswith("approved anew: aiops decide re-review")
    told = propose("re-review", "ct-triage", **SAID)
    again = record_decision(told, [ring["cso"], ring["service owner"]])
    assert again.to_state == "development"


def test_a_case_is_taken_through_its_whole_life_and_the_record_holds(ring, stand):
    stand("triage")
    for gate, step in CYCLE.gates.items():
        record = approve(gate, [ring[role] for role in step.roles])
        assert (record.to_state, record.gates_skipped) == (step.to_state, ())
    ends = [
        ("suspend", "suspended", ["cso"], {"reasons": ["R24"]}),
        ("resume", "live", ["cso", "chair"], {}),
        ("re-review", "change_review", ["clinical lead"], {}),
        ("resume", "live", ["cso"], {}),
        ("retire", "retired", ["ai lead", "chair"], LEARNT),
    ]
    for outcome, state, roles, more in ends:
        told = propose(outcome, "ct-triage", **SAID, **more)
        assert record_decision(told, [ring[role] for role in roles]).to_state == state
    with pytest.raises(GateError, match="is retired, and a closed case does not reopen"):
        approve("G6", [ring[role] for role in CYCLE.step("G6").roles])
    found = verify_ledger(projection=False)
    assert found.found == ()
    assert found.grades == {"recorded": 1, "signed": 12}


@pytest.mark.parametrize("name", ["dr ai lead", "Dr  AI Lead", "Dr Ai Lead.", "Dr Ai\u200b Lead"])
def test_an_author_does_not_sign_under_another_spelling(name, ring, stand):
    stand("submitted")
    fault = refused("G0", [ring["ai lead"], ring["clinical lead"]], author=name)
    assert fault.what.endswith("wrote this proposal and cannot sign it")


def test_minutes_are_a_file_with_words_in_it_and_are_kept(ring, stand, attested, tmp_path):
    stand("retrospective_eval")
    empty = tmp_path / "empty.pdf"
    empty.write_bytes(b" \n")
    with pytest.raises(ConfigError, match="there is nothing in this file"):
        approve("G4", **{**attested, "minutes": empty})
    record = approve("G4", **attested)
    assert bytes_path(record.minutes_sha256).read_text() == "The board met and agreed."


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"attendees": ("Dr A: cso", "dr a: clinical lead", "DR A: fairness reviewer")}, "twice"),
        ({"attested_by": "ana"}, "wrote this proposal and cannot attest"),
        ({"author": ""}, "an attested approval names who wrote it"),
    ],
)
def test_an_attestation_is_of_different_people(changes, words, stand, attested):
    stand("retrospective_eval")
    assert words in refused("G4", **{**attested, **changes}).what


def test_limited_use_says_where_by_whom_and_for_how_many(ring, stand):
    stand("silent_prospective")
    keys = [ring[role] for role in CYCLE.step("G5").roles]
    with pytest.raises(ConfigError, match="approve at G5 does not say: users, max_cases"):
        approve("G5", keys, scope={"sites": ["Day unit"]})
    with pytest.raises(ConfigError, match="greater than or equal to 1"):
        approve("G5", keys, scope={**LIMITS, "max_cases": -5})


def test_what_was_in_use_is_retired_and_not_rejected(ring, stand, moved):
    stand("live")
    moved("ct-triage", "development", outcome="re-review")
    told = {"reasons": ["R22"], **LEARNT, "scope": {}}
    fault = refused("reject", [ring["chair"], ring["ai lead"]], **{**told, "reasons": ["R22"]})
    assert fault.what == "UC-0001 was in use, and what was in use is retired"
    done = propose("retire", "ct-triage", **{**SAID, **LEARNT})
    assert record_decision(done, [ring["chair"], ring["ai lead"]]).to_state == "retired"


def test_what_is_built_anew_is_in_use_no_longer(ring, stand, moved):
    stand("live")
    assert "must be attested by 1 of" in refused("re-review").what
    moved("ct-triage", "change_review", outcome="re-review")
    told = propose("re-review", "ct-triage", **SAID)
    record = record_decision(told, [ring["cso"], ring["ai lead"]])
    assert (record.to_state, record.effect) == ("development", "remove_alias")
