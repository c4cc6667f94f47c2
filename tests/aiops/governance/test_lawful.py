"""A decision is held to the lifecycle, not to what it says of itself."""

import base64
import json
from dataclasses import replace

import pytest
import rfc8785

from aiops.errors import AiopsError, GateError
from aiops.files import read_json, write_json
from aiops.governance import decision, ledger, usecase
from aiops.governance.decision import draft, propose, record_decision
from aiops.governance.draft import record_signed, sign_draft, write_draft
from aiops.governance.kept_policy import keep_policy
from aiops.governance.kept_rules import keep_lifecycle, kept_lifecycle, lifecycle_sha256
from aiops.governance.keyring import Keyring, read_keyring, revoke
from aiops.governance.lawful import came_from, needed_by, rule_faults, rules_of, steps_skipped
from aiops.governance.lifecycle import read_lifecycle
from aiops.governance.people import is_same
from aiops.governance.policy import policy_sha256, read_policy
from aiops.governance.recording import Drafted, record_draft
from aiops.governance.signatures import DISSENT_TYPE, dissent_statement
from aiops.governance.signing import DECISION_TYPE, seal
from aiops.governance.verify import verify_ledger
from aiops.provenance import json_hash

SAID = {"rationale": "As the figures say.", "by": "Imaging AI board", "author": "Ana"}
CYCLE = read_lifecycle()


@pytest.fixture(autouse=True)
def _no_store(open_gates, monkeypatch):
    monkeypatch.setattr(decision, "check_store", lambda outcome: None)
    monkeypatch.setattr("aiops.governance.draft.check_store", lambda outcome: None)
    monkeypatch.setattr("aiops.governance.draft.show", lambda record: record)


def edited(path, **changes):
    """Write a draft anew whose text and payload say something else."""
    told = read_json(path)
    statement = {**told["statement"], **changes}
    payload = base64.b64encode(rfc8785.dumps(statement)).decode()
    envelope = {**told["envelope"], "payload": payload}
    sha256 = ledger.record_sha256(statement)
    write_json(path, {**told, "statement": statement, "envelope": envelope, "sha256": sha256})


def test_an_unsigned_draft_is_worked_out_anew_whatever_it_says(home, tmp_path):
    usecase.submit("ct-triage", "CT triage")
    path = tmp_path / "draft.json"
    write_draft(propose("re-review", "ct-triage", **SAID), path)
    edited(path, to_state="live", effect="alias live", gate_step="G6", expires_at="2999-01-01")
    record = record_signed(path)
    assert (record.to_state, record.effect, record.gate_step) == ("triage", "", "")
    assert record.expires_at is None
    assert verify_ledger(projection=False).found == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"to_state": "live"}, "it leads to live, and by the lifecycle triage"),
        ({"effect": "alias live"}, "it does alias live, and by the lifecycle nothing more"),
        ({"gate_step": "G6"}, "it was decided at step G6, and by the lifecycle none"),
        ({"signatures_required": ["secretary"]}, "by the lifecycle nobody"),
        ({"grade_required": "signed"}, "it asks for the grade signed"),
        ({"from_state": "live"}, "the case was in live when this was proposed"),
        ({"lifecycle_sha256": "0" * 64}, "the lifecycle that it names is not kept"),
        ({"use_case": "demo-other"}, "UC-0001 is ct-triage"),
    ],
)
def test_a_statement_that_says_otherwise_is_not_recorded(home, changes, words):
    usecase.submit("ct-triage", "CT triage")
    statement = {**draft(propose("re-review", "ct-triage", **SAID)), **changes}
    with pytest.raises(AiopsError, match=words):
        record_draft(Drafted(statement))
    assert ledger.read_all() == []


def forged(book=ledger.DECISIONS, **changes):
    """Write the last line of a book anew, with sums that fit: what anybody can who has the disk."""
    path = ledger.book_path(book)
    *before, last = path.read_text().splitlines()
    entry = json.loads(last)
    entry["record"] = {**entry["record"], **changes}
    for name in [key for key in entry if key not in ("record", "sha256")]:
        if entry["record"].get("grade") != "signed":
            del entry[name]
    told = {key: value for key, value in entry.items() if key != "sha256"}
    entry["sha256"] = ledger.record_sha256(told if len(told) > 1 else told["record"])
    path.write_text("\n".join([*before, rfc8785.dumps(entry).decode(), ""]))
    write_json(
        path.with_suffix(".head.json"), {"lines": len(before) + 1, "sha256": entry["sha256"]}
    )


def whole(ring, gate, roles=None):
    return record_decision(
        propose("approve", "ct-triage", gate=gate, **SAID),
        [ring[role] for role in roles or CYCLE.step(gate).roles],
    )


def told():
    """Return what is wrong with the last decision: those before it only set the scene."""
    last = ledger.read_all()[-1]["id"]
    found = verify_ledger(projection=False).found
    return [one.what for one in found if one.where in (last, "dissents.jsonl")]


def test_a_grade_that_was_lowered_is_found(ring, stand, monkeypatch):
    stand("development")
    for room in ("decision", "recording"):
        monkeypatch.setattr(f"aiops.governance.{room}.require_usable", lambda *told: None)
    monkeypatch.setattr("aiops.governance.lawful._approval_faults", lambda record: iter(()))
    whole(ring, "G3")
    assert told() == []
    forged(grade="recorded", signed_by=[], statement="recorded for those named in it; not signed")
    assert told() == [
        "it is only recorded; the lifecycle asks for attested by ai lead, quality manager"
    ]


def test_a_quorum_that_a_record_gives_itself_is_found(ring, stand):
    stand("planned")
    whole(ring, "G2")
    assert told() == []
    forged(signatures_required=["secretary"])
    assert (
        "it asks for the names of secretary, and by the lifecycle cso, clinical lead, quality "
        "manager" in told()
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"expires_at": "2999-01-01"}, "it stands until 2999-01-01, and its policy lets an"),
        ({"expires_at": None}, "it stands until nobody says when, and its policy lets an"),
        (
            {"policy_sha256": "1" * 64},
            "the policy gate_G0 that it says its gate was asked",
        ),
        ({"policy_version": "9.9.9"}, "it says version 9.9.9 of a policy"),
        ({"evidence": []}, "its gate asks for "),
    ],
)
def test_an_unsigned_approval_is_held_to_the_policy_of_its_gate(home, stand, changes, words):
    stand("triage")
    record_decision(propose("approve", "ct-triage", gate="G0", **SAID))
    assert told() == []
    forged(**changes)
    assert any(one.startswith(words) for one in told()), told()


def changed_policy(monkeypatch, *, former):
    """Let today's policy of G0 be another than the one that decided."""
    policy = read_policy("gate_G0")
    names = {policy_sha256(policy): "2026-12-31"} if former else {}
    later = policy.model_copy(update={"version": "99.0.0", "former": names})
    monkeypatch.setattr("aiops.governance.kept_policy.read_policy", lambda name: later)


def test_a_key_revoked_by_a_clock_that_is_ahead_signs_nothing_more(ring, stand, monkeypatch):
    stand("planned")
    revoke(ring["cso"].public.key_id, "lost", [ring["chair"], ring["ai lead"]])
    later = tuple(replace(m, until="2999") if m.until else m for m in read_keyring().members)
    for room in ("signatures", "recording"):
        monkeypatch.setattr(
            f"aiops.governance.{room}.read_keyring",
            lambda book: Keyring(later if book == "keys" else (), ()),
        )
    with pytest.raises(GateError, match="the key of Dr Cso is not in force: it was revoked"):
        whole(ring, "G2")


def test_a_policy_that_was_changed_since_is_kept_with_the_decision(home, stand, monkeypatch):
    stand("triage")
    record_decision(propose("approve", "ct-triage", gate="G0", **SAID))
    changed_policy(monkeypatch, former=False)
    fault = "is neither today's nor a kept one that the policy names as former"
    assert told()[0].endswith(fault)
    changed_policy(monkeypatch, former=True)
    assert told() == []
    [kept] = (home / "ledger" / "policies").iterdir()
    kept.write_text(kept.read_text().replace('"valid_months": ', '"valid_months": 9'))
    assert told()[0].endswith(fault)


def test_a_policy_is_found_in_the_answer_of_its_gate_too(home, stand, monkeypatch):
    stand("triage")
    record = record_decision(propose("approve", "ct-triage", gate="G0", **SAID))
    [kept] = (home / "ledger" / "policies").iterdir()
    answer = {"policy_sha256": record.policy_sha256, "policy_text": read_json(kept)}
    write_json(home / "gates" / "ct-triage" / "gate_G0-0a.json", answer)
    write_json(home / "gates" / "ct-triage" / "gate_G0.json", [])
    kept.unlink()
    changed_policy(monkeypatch, former=True)
    assert told() == []


def test_a_policy_of_ones_own_proves_nothing(home, stand):
    stand("triage")
    record_decision(propose("approve", "ct-triage", gate="G0", **SAID))
    policy = read_policy("gate_G0").model_dump(mode="json")
    sha256 = keep_policy({**policy, "valid_months": 1200})
    forged(policy_sha256=sha256, expires_at="2100-01-01")
    assert told()[0].endswith("nor a kept one that the policy names as former")


@pytest.mark.parametrize("text", [{}, [], {"name": "own"}, {"valid_months": 10**9}])
def test_a_kept_text_that_is_no_policy_is_told(home, stand, text):
    stand("triage")
    record_decision(propose("approve", "ct-triage", gate="G0", **SAID))
    sha256 = json_hash(text)
    write_json(home / "ledger" / "policies" / f"{sha256}.json", text)
    forged(policy_sha256=sha256, gate="own")
    assert any(one.startswith("the policy own that it says") for one in told())


def test_a_copy_that_is_half_written_is_written_again(home):
    policy = read_policy("gate_G0").model_dump(mode="json")
    sha256 = keep_policy(policy)
    path = home / "ledger" / "policies" / f"{sha256}.json"
    path.write_text("{")
    assert keep_policy(policy) == sha256
    assert read_json(path) == policy
    rules = keep_lifecycle(CYCLE)
    path = home / "ledger" / "lifecycles" / f"{rules}.json"
    path.write_text("{")
    assert keep_lifecycle(CYCLE) == rules
    assert read_json(path)["version"] == CYCLE.version


@pytest.mark.parametrize("said", ["soon", "2026-12-01 morning", "2026-12-01T10:00:00", ""])
def test_a_decision_without_a_time_is_told_and_held_to_nothing_green(home, stand, said):
    stand("triage")
    record_decision(propose("approve", "ct-triage", gate="G0", **SAID))
    forged(created_at=said, evidence=[], expires_at=None, policy_sha256="0" * 64)
    assert told() == ["it does not say when it was recorded"]


def test_a_first_line_of_the_first_form_led_to_no_use(home):
    usecase.submit("ct-triage", "CT triage")
    record_decision(propose("re-review", "ct-triage", **SAID))
    forged(schema_version=1, to_state="live")
    assert "it is of the first form, which led to no live" in told()
    forged(schema_version=1, to_state="approved")
    assert told() == []


def test_a_key_that_was_revoked_signs_no_later_line_whatever_day_it_bears(ring, stand, people):
    stand("planned")
    revoke(ring["cso"].public.key_id, "lost", [ring["chair"], ring["ai lead"]])
    before = "2020-01-01T00:00:00.000000+00:00"
    statement = draft(propose("approve", "ct-triage", gate="G2", **SAID))
    roles = CYCLE.step("G2").roles
    envelope = seal(statement, DECISION_TYPE, [ring[role] for role in roles])
    signers = [{"person": ring[r].public.person, "role": r, "key_id": ring[r].public.key_id}
               for r in roles]  # fmt: skip
    record = {
        **statement, "id": f"DEC-{before[:4]}-0001", "created_at": before, "grade": "signed",
        "signed_by": signers, "signed_dissent": [], "heads": {},
        "statement": "signed by those named in it, each with a key of their own",
    }  # fmt: skip
    ledger.append(lambda earlier: ledger.Line(record, {"envelope": envelope}))
    assert "the key of Dr Cso had been revoked when this was recorded" in told()


def test_a_dissent_cannot_be_cut_from_the_record(ring, stand, tmp_path):
    stand("planned")
    path = tmp_path / "draft.json"
    write_draft(propose("approve", "ct-triage", gate="G2", **SAID), path)
    sign_draft(path, ring["chair"], dissent="Too few women were read.")
    for role in CYCLE.step("G2").roles:
        sign_draft(path, ring[role])
    write_json(path, {**read_json(path), "dissents": []})
    record = record_signed(path)
    assert [d.person for d in record.signed_dissent] == ["Dr Chair"]
    line = ledger.read_lines()[-1]
    forged(signed_dissent=[])
    assert "it names others than those who signed a dissent" in told()
    assert line.attached["dissents"]


def test_a_gate_of_fewer_items_does_not_renew_the_step_s_own(home):
    usecase.submit("ct-triage", "CT triage")
    before = {"id": "DEC-2026-0001", "outcome": "approve", "gate": "gate_G4", "gate_step": "G4",
              "from_state": "retrospective_eval", "to_state": "silent_prospective"}  # fmt: skip
    statement = draft(propose("re-review", "ct-triage", **SAID))
    again = {**statement, "outcome": "approve", "gate": "gate_basic", "gate_step": "G4",
             "from_state": "silent_prospective", "to_state": "silent_prospective",
             "follows": "DEC-2026-0001", "effect": "alias silent"}  # fmt: skip
    found = list(rule_faults(again, [before], CYCLE))
    assert "DEC-2026-0001 passed gate_G4, and gate_basic asks for less" in found
    found = list(rule_faults({**again, "gate": "gate_G4"}, [before], CYCLE))
    assert not any("asks for less" in what for what in found)


def test_the_rules_of_a_decision_are_kept_and_found_again(home, monkeypatch):
    sha256 = keep_lifecycle(CYCLE)
    assert rules_of({"lifecycle_sha256": sha256}) == CYCLE
    other = CYCLE.model_copy(update={"version": "0.9.0"})
    kept = keep_lifecycle(other)
    assert kept_lifecycle(kept) is None  # anybody could have laid it there
    today = CYCLE.model_copy(update={"former": {kept: "until 2026-11-30"}})
    monkeypatch.setattr("aiops.governance.kept_rules.read_lifecycle", lambda: today)
    assert kept_lifecycle(kept) == other
    assert lifecycle_sha256(today) == sha256
    path = home / "ledger" / "lifecycles" / f"{kept}.json"
    write_json(path, {**read_json(path), "version": "0.8.0"})
    assert kept_lifecycle(kept) is None
    assert kept_lifecycle("../../etc/passwd") is None


def test_the_people_a_decision_needs_are_of_its_state_and_gate():
    record = {"outcome": "approve", "gate": "gate_basic", "from_state": "retrospective_eval"}
    assert needed_by(record, CYCLE).grade == "attested"
    with pytest.raises(GateError, match="not possible from live"):
        needed_by({**record, "from_state": "live"}, CYCLE)


def test_where_a_case_came_from_and_what_nobody_passed():
    first = {"outcome": "approve", "gate_step": "G0", "from_state": "submitted",
             "to_state": "feasibility"}  # fmt: skip
    put_off = {"outcome": "defer", "from_state": "feasibility", "to_state": "deferred"}
    assert came_from([first, put_off], "deferred") == "feasibility"
    assert came_from([first], "live") is None
    assert steps_skipped([first], "G2") == ("G1",)


def unsigned_dissent(path):
    """Put a dissent that nobody signed into a draft, so that it is not worked out anew."""
    told = read_json(path)
    said = dissent_statement(told["statement"], "No.")
    write_json(path, {**told, "dissents": [seal(said, DISSENT_TYPE, [])]})


def test_a_dissent_that_nobody_signed_fixes_no_words(ring, stand, tmp_path):
    stand("triage")
    path = tmp_path / "draft.json"
    write_draft(propose("re-review", "ct-triage", **SAID), path)
    unsigned_dissent(path)
    with pytest.raises(GateError, match="nobody signed this dissent"):
        record_signed(path)
    edited(path, to_state="live")
    unsigned_dissent(path)
    with pytest.raises(GateError, match="worked out anew: to_state"):
        record_signed(path)


def test_one_signature_fixes_no_words_where_more_are_needed(ring, stand, tmp_path):
    stand("planned")
    path = tmp_path / "draft.json"
    write_draft(propose("approve", "ct-triage", gate="G2", **SAID), path)
    edited(path, to_state="live")
    sign_draft(path, ring["cso"])
    with pytest.raises(GateError, match="worked out anew: to_state"):
        record_signed(path)


def test_a_proposal_is_not_recorded_in_other_words_than_somebody_dissented_from(
    ring, stand, tmp_path
):
    stand("planned")
    path = tmp_path / "draft.json"
    write_draft(propose("approve", "ct-triage", gate="G2", **SAID), path)
    sign_draft(path, ring["chair"], dissent="Too early.")
    write_json(path, {**read_json(path), "dissents": []})
    edited(path, rationale="In other words.")
    with pytest.raises(GateError, match="do not agree with this proposal in other words"):
        record_signed(path)


def test_minutes_that_lie_nowhere_vouch_for_nothing(stand, attested):
    stand("feasibility")
    statement = draft(propose("approve", "ct-triage", gate="G1", **{**SAID, **attested}))
    with pytest.raises(GateError, match="the minutes is missing"):
        record_draft(Drafted({**statement, "minutes_sha256": "0" * 64}))


def test_a_line_of_the_first_form_is_told_after_the_first_that_has_rules(ring, stand):
    stand("planned")
    whole(ring, "G2")
    forged(schema_version=1, grade="recorded", signed_by=[],
           statement="recorded for those named in it; not signed")  # fmt: skip
    assert "it is of the first form, which holds to no rules, and is not the first" in told()


@pytest.mark.parametrize("name", ["Dr Cso\u3164", "D\u115fr Cso", "Dr Cs\u00f3"])
def test_an_unseen_sign_or_a_mark_makes_no_second_person(name):
    assert is_same("Dr Cso", name)


def test_vowels_of_other_scripts_tell_people_apart():
    assert not is_same("สุดา", "สีดา")
    assert not is_same("किरण", "करण")
