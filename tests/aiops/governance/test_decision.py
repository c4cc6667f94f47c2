import json
import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest

from aiops.errors import ConfigError, GateError
from aiops.files import read_json, write_json
from aiops.governance import ledger, usecase
from aiops.governance.decision import propose, record_decision
from aiops.governance.documents import add_document
from aiops.governance.policy import evaluate_gate, read_policy
from aiops.governance.record import DecisionRecord, parse_condition
from aiops.provenance import content_hash

NEXT_YEAR = date.today() + timedelta(days=300)
FAIRNESS = f"fairness: 34 more men in the test; Dr Okafor; {NEXT_YEAR}"

REFERENCE_FIELDS = {
    "schema_version",
    "id",
    "case_id",
    "gate",
    "from_state",
    "to_state",
    "outcome",
    "reasons",
    "rationale",
    "lessons",
    "revisit_if",
    "review_by",
    "conditions",
    "scope",
    "evidence",
    "policy_version",
    "policy_sha256",
    "subject",
    "hazards_open_by_level",
    "signatures_required",
    "attendees",
    "dissent",
    "conflicts_of_interest",
    "expires_at",
    "effort",
    "prev_sha256",
    "created_at",
}


@pytest.fixture
def gated(make_run):
    """A registered use case, and a run of it with its gate answered."""
    usecase.submit("chest-effusion", "Effusion on chest films")

    def make(**changes):
        folder = make_run(**changes)
        write_json(folder / "gates.json", evaluate_gate(read_policy("gate_basic"), folder))
        return folder

    return make


LEARNT = {"lessons": ["Ask the archive's vendor first."], "revisit_if": ["n_positive>=480"]}


MET = {
    "author": "Ana", "attested_by": "The secretary", "minutes": Path(__file__),
    "attendees": ("Dr Cho: cso", "Dr Lee: clinical lead", "Dr May: fairness reviewer"),
}  # fmt: skip


def decided(outcome, **said):
    learnt = {} if outcome.startswith(("approve", "re")) and outcome != "reject" else LEARNT
    met = MET if outcome.startswith("approve") else {}
    said = {"rationale": "As the figures say.", "by": "Imaging AI board", **learnt, **met, **said}
    return record_decision(propose(outcome, "chest-effusion", **said))


def refused(outcome, error=GateError, **said):
    before = ledger.read_all()
    with pytest.raises(error) as caught:
        decided(outcome, **said)
    assert ledger.read_all() == before
    return caught.value


def test_a_pass_is_approved_and_the_record_is_whole(gated):
    record = decided("approve", run_dir=gated())
    assert record.id == f"DEC-{date.today().year}-0001"
    assert (record.case_id, record.from_state, record.to_state) == (
        "UC-0001", "retrospective_eval", "silent_prospective",
    )  # fmt: skip
    assert (record.gate, record.gate_outcome) == ("gate_basic", "pass")
    assert [e.passed for e in record.evidence] == [True] * 4
    assert record.evidence[0].ci == (0.85, 0.94)
    assert all(len(e.sha256) == 64 for e in record.evidence)
    assert record.subject[0].dataset_digests == ("5" * 64, "9" * 64)
    assert record.effort.compute_hours == 0.01
    assert record.expires_at is not None
    assert record.expires_at > date.today() + timedelta(days=360)
    assert record.statement == "attested by a secretary from signed minutes"
    assert usecase.find("chest-effusion").state == "silent_prospective"
    assert ledger.read_all() == [record.to_json()]


def test_every_field_of_the_reference_is_in_the_record(gated):
    written = decided("approve", run_dir=gated()).to_json()
    assert set(written) >= REFERENCE_FIELDS
    assert DecisionRecord.model_validate(json.loads(json.dumps(written))).to_json() == written


@pytest.mark.requirement("REQ-001")
@pytest.mark.parametrize("outcome", ["approve", "approve-with-conditions"])
def test_a_failed_gate_cannot_be_approved(gated, outcome):
    conditions = [FAIRNESS] if outcome != "approve" else []
    folder = gated(verdicts=("concern", "adequate"))
    fault = refused(outcome, run_dir=folder, conditions=conditions)
    assert f"the gate failed, so {outcome} is refused: fairness (sex=female" in fault.what
    assert fault.exit_code == 3


def test_undecided_is_approved_only_with_a_condition_that_names_the_item(gated):
    folder = gated(
        verdicts=("adequate", "insufficient evidence"), n_needed=213.0, audit_state="note"
    )
    fault = refused("approve", run_dir=folder)
    assert fault.what.startswith("the gate is undecided, so approve is refused: fairness")
    assert "about 33 more patients of group sex=male" in fault.fix
    other = f"general: train the staff; Dr Okafor; {NEXT_YEAR}"
    fault = refused("approve-with-conditions", run_dir=folder, conditions=[other])
    assert fault.what == "no condition names fairness"
    fault = refused("approve-with-conditions", run_dir=folder)
    assert fault.what == "no condition names fairness"

    record = decided("approve-with-conditions", run_dir=folder, conditions=[FAIRNESS, other])
    assert [c.id for c in record.conditions] == ["C1", "C2"]
    assert record.conditions[0].evidence_kind == "the check `no_concern` answered again"
    told = {e.item_id: (e.passed, e.waived_by) for e in record.evidence}
    assert told["fairness"] == (None, "Imaging AI board")
    assert told["primary"] == (True, None)
    assert usecase.find("UC-0001").conditions_open == 2


def test_a_condition_on_an_item_that_is_not_there_is_answered_with_the_nearest(gated):
    folder = gated(reading=2)
    wrong = f"test-lits: a new list; Dr Okafor; {NEXT_YEAR}"
    fault = refused("approve-with-conditions", ConfigError, run_dir=folder, conditions=[wrong])
    assert "did you mean 'test-list'?" in fault.fix


def test_conditions_belong_to_one_outcome(gated):
    fault = refused("approve", ConfigError, run_dir=gated(), conditions=[FAIRNESS])
    assert fault.what == "approve carries no conditions"


def test_an_approval_needs_a_run(gated):
    gated()
    assert refused("approve").what == "approve needs the run it is about"


def test_an_approval_needs_a_gate_on_the_files_as_they_are(gated, make_run):
    folder = gated()
    evaluation = read_json(folder / "evaluation.json")
    write_json(folder / "evaluation.json", {**evaluation, "unit": "study"})
    fault = refused("approve", run_dir=folder)
    assert fault.what == "the evaluation changed after the gate: evaluation.json"
    fault = refused("approve", run_dir=make_run("2026-11-22-eeeeeeee"))
    assert fault.what == "no gate was answered for this run"


def test_a_run_of_another_use_case_is_refused(gated, make_run):
    gated()
    other = make_run(use_case="other-case")
    fault = refused("approve", ConfigError, run_dir=other)
    assert "this run belongs to 'other-case'" in fault.what


def test_a_run_that_lies_elsewhere_is_refused(gated, tmp_path):
    folder = gated()
    other = tmp_path / "copied" / folder.name
    shutil.copytree(folder, other)
    fault = refused("approve", ConfigError, run_dir=other)
    assert fault.what == "this run does not lie where the runs of its case lie"
    assert fault.fix == f"name a folder of {folder.parent}"


def test_an_unregistered_use_case_cannot_be_approved(make_run):
    fault = refused("approve", run_dir=make_run())
    assert "is not in the register of use cases, so nobody can approve it" in fault.what
    fault = refused("reject", ConfigError, reasons=["R01"])
    assert "no use case is registered yet" in fault.what


@pytest.mark.parametrize(
    ("outcome", "state"),
    [("reject", "rejected"), ("discontinue", "discontinued"), ("defer", "deferred")],
)
def test_an_idea_is_turned_down_without_any_run(home, outcome, state):
    usecase.submit("chest-effusion", "Effusion on chest films")
    record = decided(
        outcome,
        reasons=["VENDOR_DUPLICATE", "r06", "R08"],
        lessons=["Ask the archive's vendor first."],
        revisit_if=["vendor_contract_ends<2027-04"],
        review_by=NEXT_YEAR,
        by_program=True,
    )
    assert [(r.code, r.name, r.primary) for r in record.reasons] == [
        ("R08", "VENDOR_DUPLICATE", True),
        ("R06", "NO_CHAMPION_OR_OWNER", False),
    ]
    assert (record.gate, record.gate_outcome, record.evidence) == ("intake", "not asked", ())
    assert (record.from_state, record.to_state) == ("submitted", state)
    assert record.statement == "made by a program, not a board"
    assert record.expires_at is None
    assert usecase.find("UC-0001").reasons == ("R08 VENDOR_DUPLICATE", "R06 NO_CHAMPION_OR_OWNER")


@pytest.mark.parametrize("outcome", ["reject", "discontinue", "defer"])
def test_turning_down_needs_a_code_and_a_rationale(home, outcome):
    usecase.submit("chest-effusion", "Effusion on chest films")
    fault = refused(outcome, ConfigError)
    assert fault.what == f"{outcome} needs at least one reason code"
    assert "R13 UNFAIR" in fault.fix
    fault = refused(outcome, ConfigError, reasons=["R13"], rationale="  ")
    assert fault.what == "a decision needs --rationale"
    fault = refused(outcome, ConfigError, reasons=["R13"], by="")
    assert fault.what == "a decision needs --by"


def test_a_code_that_is_not_known_is_answered_with_the_nearest(home):
    usecase.submit("chest-effusion", "Effusion on chest films")
    fault = refused("reject", ConfigError, reasons=["UNFIAR"])
    assert fault.what == "'UNFIAR' is not known"
    assert "R24" in fault.fix


def test_an_outcome_or_a_field_that_is_not_known_is_said(home):
    usecase.submit("chest-effusion", "Effusion on chest films")
    fault = refused("aprove", ConfigError)
    assert "did you mean 'approve'?" in fault.fix
    fault = refused("reject", ConfigError, reason=["R13"])
    assert fault.what == "reason: Extra inputs are not permitted"


def test_a_closed_case_does_not_reopen(gated):
    folder = gated()
    decided("reject", reasons=["R13"], run_dir=folder)
    fault = refused("approve", run_dir=folder)
    assert fault.what == "UC-0001 chest-effusion is rejected, and a closed case does not reopen"
    assert "--revisits UC-0001" in fault.fix


def test_a_deferred_case_is_decided_again_and_the_chain_holds(gated):
    folder = gated()
    first = decided("defer", reasons=["R19"], review_by=NEXT_YEAR)
    fault = refused("approve", run_dir=folder)
    assert fault.what == "approve at G4 is not possible from deferred"
    assert fault.fix == "from deferred: reject, discontinue, resume"
    second = decided("resume")
    assert (second.id[-4:], second.from_state) == ("0002", "deferred")
    assert second.to_state == "retrospective_eval"
    assert second.prev_sha256 == ledger.record_sha256(first.to_json())
    assert decided("approve", run_dir=folder).follows == second.id
    assert ledger.verify() == []


def test_a_rejection_carries_the_evidence_of_its_run(gated):
    record = decided("reject", reasons=["R13"], run_dir=gated(verdicts=("concern", "adequate")))
    told = {e.item_id: e.passed for e in record.evidence}
    assert told == {"primary": True, "fairness": False, "audit": True, "test-list": True}
    assert record.gate_outcome == "fail"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("fairness", "is not a condition"),
        ("fairness: more men; Dr Okafor", "is not a condition"),
        (": more men; Dr Okafor; 2999-01-01", "is not a condition"),
        ("fairness: more men; Dr Okafor; next spring", "'next spring' is not a day"),
        ("fairness: more men; Dr Okafor; 2020-01-01", "2020-01-01 has gone by"),
    ],
)
def test_a_condition_that_is_wrong_says_its_form(text, what):
    with pytest.raises(ConfigError, match=what):
        parse_condition(text)


def test_what_a_condition_says_may_hold_a_semicolon():
    told = parse_condition("primary: read twice; by two; Dr Okafor; 2999-01-01")
    assert (told.text, told.owner) == ("read twice; by two", "Dr Okafor")


def test_nobody_approves_by_a_policy_that_asks_less(gated):
    folder = gated(verdicts=("concern", "adequate"))
    less = read_policy("gate_basic")
    less = less.model_copy(update={"items": tuple(i for i in less.items if i.id == "audit")})
    write_json(folder / "gates.json", evaluate_gate(less, folder))
    assert read_json(folder / "gates.json")["outcome"] == "pass"
    fault = refused("approve", run_dir=folder)
    assert fault.what == (
        "the gate was asked by another policy than gate_basic 1.0.0, which the run's config names"
    )
    assert "run `aiops gate` again" in fault.fix


def test_a_gate_that_binds_fewer_files_or_is_no_gate_is_refused(gated):
    folder = gated()
    gates = read_json(folder / "gates.json")
    del gates["evaluated"]["metrics.parquet"]
    write_json(folder / "gates.json", gates)
    assert "metrics.parquet" in refused("approve", run_dir=folder).what
    write_json(folder / "gates.json", {"outcome": "pass"})
    assert refused("approve", run_dir=folder).what == "gates.json is not what a gate writes"


@pytest.mark.parametrize("outcome", ["reject", "discontinue", "defer"])
def test_turning_down_keeps_what_was_learnt_and_what_would_change_it(home, outcome):
    usecase.submit("chest-effusion", "Effusion on chest films")
    fault = refused(outcome, ConfigError, reasons=["R13"], lessons=[])
    assert fault.what == f"{outcome} needs a lesson: what the next team should know"
    fault = refused(outcome, ConfigError, reasons=["R13"], revisit_if=[])
    assert fault.what == f"{outcome} needs what would make it worth another look"
    fault = refused(outcome, ConfigError, reasons=["R13"], revisit_if=["when things are better"])
    assert "cannot be checked by a machine" in fault.what


def test_a_proposal_is_recorded_once(home):
    usecase.submit("chest-effusion", "Effusion on chest films")
    told = propose("re-review", "chest-effusion", rationale="Look again.", by="Board")
    first = record_decision(told)
    with pytest.raises(GateError) as caught:
        record_decision(told)
    assert caught.value.what == f"this proposal was recorded already, as {first.id}"
    assert len(ledger.read_all()) == 1


def test_steps_that_nobody_approved_are_told(gated):
    record = decided("approve", run_dir=gated())
    assert (record.gate_step, record.gates_skipped) == ("G4", ("G0", "G1", "G2", "G3"))
    assert (record.grade, record.effect) == ("attested", "alias silent")
    assert record.signatures_required == ("cso", "clinical lead", "fairness reviewer")


def test_an_approval_at_silent_running_can_be_renewed(gated):
    folder = gated()
    first = decided("approve", run_dir=folder)
    second = decided("approve", run_dir=folder)
    assert (second.follows, second.from_state, second.to_state) == (
        first.id, "silent_prospective", "silent_prospective",
    )  # fmt: skip


def test_a_gate_step_is_not_passed_from_elsewhere(home, open_gates):
    usecase.submit("chest-effusion", "Effusion on chest films")
    fault = refused("approve", gate="G5")
    assert fault.what == "approve at G5 is not possible from submitted"
    assert fault.fix.startswith("from submitted: approve at G0, re-review, defer")


HAZARDS = """
kind: hazard_log
use_case: chest-effusion
hazards:
  - {id: HZ-001, hazard: An effusion is missed, causes: [thin film], effect: No drain,
     harm: Breathless, severity: major, likelihood: medium, controls: [second reader],
     residual_likelihood: LIKELIHOOD}
"""


def test_a_risk_that_may_not_be_left_refuses_an_approval(gated, tmp_path):
    folder = gated()
    log = tmp_path / "hazards.yaml"
    log.write_text(HAZARDS.replace("LIKELIHOOD", "medium").replace("major", "catastrophic"))
    fault = refused("approve", run_dir=folder, hazards=log)
    assert fault.what == ("a risk is left that may not be left, so approve is refused: HZ-001 at 4")
    assert fault.fix == "control it and rate it again, or reject with reason R14"
    rejected = decided("reject", reasons=["R14"], hazards=log)
    assert rejected.hazards_open_by_level == {"1": 0, "2": 0, "3": 0, "4": 1, "5": 0}


def test_a_controlled_hazard_is_counted_with_the_log_s_hash(gated, tmp_path):
    log = tmp_path / "hazards.yaml"
    log.write_text(HAZARDS.replace("LIKELIHOOD", "low"))
    record = decided("approve", run_dir=gated(), hazards=log)
    assert record.hazards_open_by_level == {"1": 0, "2": 0, "3": 1, "4": 0, "5": 0}
    assert record.hazards_sha256 == content_hash(log)


def test_papers_of_the_case_are_named_by_their_bytes(gated, tmp_path):
    folder = gated()
    paper = tmp_path / "dpia.pdf"
    paper.write_bytes(b"assessed")
    add_document("chest-effusion", "dpia", paper, dated=date.today(), by="Ana")
    record = decided("approve", run_dir=folder)
    assert [(d.kind, d.name, d.sha256) for d in record.documents] == [
        ("dpia", "dpia.pdf", content_hash(paper))
    ]


def test_reasons_say_what_is_computed_and_what_is_stated(home):
    usecase.submit("chest-effusion", "Effusion on chest films", clinical_lead="TBC")
    record = decided("reject", reasons=["R06", "R17"])
    assert [r.basis for r in record.reasons] == ["computed", "stated"]
    assert all(r.evidence["sentence"] for r in record.reasons)


def test_evidence_says_whether_it_was_computed_brought_or_stated(home):
    from aiops.governance.basis import evidence_of

    item = {"id": "a", "file": "register", "value": "", "figures": [], "threshold": "",
            "outcome": "pass", "reason": ""}  # fmt: skip
    items = [{**item, "kind": kind} for kind in ("document", "stated", "computed")]
    proposal = propose("defer", "any-case", rationale="No.", by="A board")
    found = evidence_of(
        {"items": [*items, item], "evaluated": {}}, (), proposal.run_dir, proposal.by
    )
    assert [one.kind for one in found] == ["document", "stated", "computed", "computed"]
