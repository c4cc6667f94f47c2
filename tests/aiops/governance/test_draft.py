"""A draft goes from hand to hand, and is recorded as it was signed or not at all."""

import json
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

from aiops import tracking
from aiops.errors import ConfigError, GateError
from aiops.files import read_json, write_json
from aiops.governance import decision, ledger, usecase
from aiops.governance.decision import propose, record_decision
from aiops.governance.draft import (
    lines_of,
    missing_roles,
    read_draft,
    record_signed,
    sign_draft,
    signers_of,
    write_draft,
)
from aiops.governance.keyring import enrol, read_keyring, revoke
from aiops.governance.lawful import needed_by
from aiops.governance.lifecycle import read_lifecycle
from aiops.governance.members import member_digest
from aiops.governance.policy import evaluate_gate, read_policy
from aiops.governance.record import statement_of
from aiops.governance.redraft import require_unchanged
from aiops.governance.signatures import vouch
from aiops.governance.verify import verify_ledger

SAID = {"rationale": "As the figures say.", "by": "Imaging AI board", "author": "Ana"}
G2 = ("cso", "clinical lead", "quality manager")


@pytest.fixture(autouse=True)
def _no_store(open_gates, monkeypatch):
    monkeypatch.setattr(tracking, "check_connection", lambda: None)
    monkeypatch.setattr(decision, "show", lambda record: record)
    monkeypatch.setattr("aiops.governance.draft.show", lambda record: record)


@pytest.fixture
def drafted(ring, stand, tmp_path):
    """A draft of G2 that nobody has signed."""
    stand("planned")
    path = tmp_path / "draft.json"
    write_draft(propose("approve", "ct-triage", gate="G2", **SAID), path)
    return path


def refused(path, error=GateError):
    before = ledger.read_all()
    with pytest.raises(error) as caught:
        record_signed(path)
    assert ledger.read_all() == before
    return caught.value


def test_a_draft_is_signed_by_one_after_the_other_and_recorded(drafted, ring):
    assert not ledger.read_all()[-1]["signed_by"]
    for role in G2:
        sign_draft(drafted, ring[role])
    names = [ring[role].public.person for role in G2]
    assert signers_of(read_draft(drafted)) == (names, [])
    record = record_signed(drafted)
    assert (record.grade, record.to_state) == ("signed", "development")
    assert [s.role for s in record.signed_by] == list(G2)
    assert ledger.verify() == []
    line = ledger.read_lines()[-1]
    assert line.attached["envelope"] == read_json(drafted)["envelope"]
    assert refused(drafted).what == f"this proposal was recorded already, as {record.id}"


def test_a_draft_says_in_plain_words_what_it_is(drafted):
    told = read_json(drafted)
    assert told["kind"] == "decision_draft"
    assert told["statement"]["outcome"] == "approve"
    assert told["statement"]["from_state"] == "planned"
    assert told["sha256"] == ledger.record_sha256(told["statement"])
    assert not set(told["statement"]) & {"id", "created_at", "prev_sha256", "signed_by", "grade"}


def test_a_draft_that_lacks_a_signature_is_refused(drafted, ring):
    sign_draft(drafted, ring["cso"])
    fault = refused(drafted)
    assert fault.what == "approve is not signed by: clinical lead, quality manager"


def test_what_was_edited_in_a_draft_is_found(drafted, ring):
    for role in G2:
        sign_draft(drafted, ring[role])
    told = read_json(drafted)
    write_json(drafted, {**told, "statement": {**told["statement"], "to_state": "live"}})
    assert (
        "the text of the draft is not what its envelope holds" in refused(drafted, ConfigError).what
    )
    write_json(drafted, {"kind": "decision_draft"})
    assert refused(drafted, ConfigError).what == "this is no draft of a decision"


def test_a_payload_that_was_put_in_later_carries_nobody_s_signature(drafted, ring, tmp_path):
    for role in G2:
        sign_draft(drafted, ring[role])
    other = tmp_path / "other.json"
    write_draft(propose("approve", "ct-triage", gate="G2", **{**SAID, "by": "Other"}), other)
    told = read_json(other)
    told["envelope"]["signatures"] = read_json(drafted)["envelope"]["signatures"]
    write_json(other, told)
    assert "the signature of Dr Cso does not hold" in refused(other).what


def test_a_signature_that_would_not_count_is_refused_at_once(drafted, ring, demo_ring, new_key):
    sign_draft(drafted, ring["cso"])
    for pair, what in [
        (ring["cso"], "Dr Cso has signed this draft already"),
        (new_key("Dr Nobody"), "the key of Dr Nobody is not in force in the book 'keys'"),
        (demo_ring["chair"], "a demo's key signs nothing but the demo's use cases"),
    ]:
        with pytest.raises(GateError, match=what):
            sign_draft(drafted, pair)
    assert signers_of(read_draft(drafted)) == (["Dr Cso"], [])


def test_an_author_cannot_sign_a_draft(ring, stand, tmp_path):
    stand("planned")
    path = tmp_path / "draft.json"
    said = {**SAID, "author": "Dr Cso"}
    write_draft(propose("approve", "ct-triage", gate="G2", **said), path)
    with pytest.raises(GateError, match="Dr Cso wrote this proposal and cannot sign it"):
        sign_draft(path, ring["cso"])


def test_a_key_revoked_after_it_signed_does_not_count(drafted, ring):
    for role in G2:
        sign_draft(drafted, ring[role])
    revoke(ring["cso"].public.key_id, "lost", [ring["chair"], ring["ai lead"]])
    assert refused(drafted).what == "the key of Dr Cso is not in force"


def test_a_case_that_moved_on_needs_a_new_draft(drafted, ring):
    for role in G2:
        sign_draft(drafted, ring[role])
    told = propose("re-review", "ct-triage", rationale="Not yet.", by="Board")
    quick = record_decision(told)
    assert refused(drafted).what == (
        f"somebody was quicker: {quick.id} (re-review, Board) was recorded on this case since "
        "this was proposed"
    )


def test_a_dissent_is_signed_and_kept_and_does_not_count_for_it(drafted, ring):
    for role in G2:
        sign_draft(drafted, ring[role])
    with pytest.raises(GateError, match="has signed this draft already"):
        sign_draft(drafted, ring["cso"], dissent="I was hasty.")
    sign_draft(drafted, ring["chair"], dissent="Too few women were read.")
    record = record_signed(drafted)
    assert [(d.person, d.text) for d in record.signed_dissent] == [
        ("Dr Chair", "Too few women were read.")
    ]
    assert len(ledger.read_lines()[-1].attached["dissents"]) == 1


def test_a_dissent_from_what_nobody_signed_is_kept_with_its_signature(drafted, ring):
    sign_draft(drafted, ring["chair"], dissent="Too early.")
    record = record_signed(drafted)
    assert (record.grade, record.signed_dissent[0].text) == ("recorded", "Too early.")
    assert set(ledger.read_lines()[-1].attached) == {"dissents"}
    found = verify_ledger(projection=False).found
    assert [one for one in found if one.where == record.id] == []


def test_a_no_stands_though_the_key_is_revoked_before_it_is_recorded(drafted, ring):
    sign_draft(drafted, ring["chair"], dissent="Too few women were read.")
    revoke(ring["chair"].public.key_id, "left the trust", [ring["cso"], ring["ai lead"]])
    for role in G2:
        sign_draft(drafted, ring[role])
    record = record_signed(drafted)
    assert [d.person for d in record.signed_dissent] == ["Dr Chair"]
    found = verify_ledger(projection=False).found
    assert [one for one in found if one.where == record.id] == []


def test_nobody_dissents_from_what_was_recorded(drafted, ring, tmp_path):
    copy = tmp_path / "copy.json"
    for role in G2:
        sign_draft(drafted, ring[role])
    copy.write_bytes(drafted.read_bytes())
    record = record_signed(drafted)
    with pytest.raises(GateError, match=f"was recorded already, as {record.id}: nobody can add"):
        sign_draft(copy, ring["chair"], dissent="Too late.")
    found = verify_ledger(projection=False).found
    assert [one for one in found if one.where in (record.id, "dissents.jsonl")] == []


def test_a_no_stands_where_nobody_knows_when_the_ledger_took_it_in(drafted, ring):
    sign_draft(drafted, ring["chair"], dissent="Too few women were read.")
    revoke(ring["chair"].public.key_id, "left the trust", [ring["cso"], ring["ai lead"]])
    for role in G2:
        sign_draft(drafted, ring[role])
    record_signed(drafted)
    line = ledger.read_lines()[-1]
    cycle = read_lifecycle()
    vouched = vouch(
        statement_of(line.record), line.attached["envelope"], line.attached["dissents"],
        needed_by(line.record, cycle), at=line.record["created_at"], ring=read_keyring(),
    )  # fmt: skip
    assert [d.person for d in vouched.dissent] == ["Dr Chair"]


def test_who_dissents_is_missing_for_it(drafted, ring):
    sign_draft(drafted, ring["cso"], dissent="No.")
    for role in G2[1:]:
        sign_draft(drafted, ring[role])
    assert refused(drafted).what == "approve is not signed by: cso"


def test_a_dissent_from_another_draft_is_refused(drafted, ring, tmp_path):
    for role in G2:
        sign_draft(drafted, ring[role])
    other = tmp_path / "other.json"
    write_draft(propose("approve", "ct-triage", gate="G2", **{**SAID, "by": "Other"}), other)
    sign_draft(other, ring["chair"], dissent="No.")
    told = read_json(drafted)
    write_json(drafted, {**told, "dissents": read_json(other)["dissents"]})
    assert refused(drafted).what == "a dissent belongs to another decision"


def test_two_who_sign_at_once_are_both_on_it(drafted, ring):
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda role: sign_draft(drafted, ring[role]), G2))
    agreed, _ = signers_of(read_draft(drafted))
    assert sorted(agreed) == sorted(ring[r].public.person for r in G2)


def test_a_draft_is_not_written_over(drafted):
    told = propose("approve", "ct-triage", gate="G2", **SAID)
    with pytest.raises(ConfigError, match="there is a file of this name already"):
        write_draft(told, drafted)


def test_a_draft_nobody_signed_is_recorded_where_that_suffices(drafted):
    record = record_signed(drafted)
    assert (record.grade, record.signed_by) == ("recorded", ())
    assert ledger.read_lines()[-1].attached == {}


def test_a_run_that_changed_while_people_signed_is_found(make_run, ring, tmp_path):
    from aiops.governance.policy import evaluate_gate, read_policy

    usecase.submit("chest-effusion", "Effusion on chest films")
    folder = make_run()
    write_json(folder / "gates.json", evaluate_gate(read_policy("gate_basic"), folder))
    path = tmp_path / "draft.json"
    write_draft(propose("approve", "chest-effusion", run_dir=folder, **SAID), path)
    for role in ("cso", "clinical lead", "fairness reviewer"):
        sign_draft(path, ring[role])
    told = json.loads((folder / "evaluation.json").read_text())
    write_json(folder / "evaluation.json", {**told, "unit": "study"})
    assert refused(path).what == "changed since this was drafted: evaluation.json"
    write_json(folder / "evaluation.json", {**told, "predictions_sha256": "8" * 64})
    assert "changed since this was drafted" in refused(path).what
    (folder / "evaluation.json").write_text(json.dumps(told))
    assert record_signed(path).grade == "signed"


def test_who_is_still_to_sign_is_told(drafted, ring):
    assert missing_roles(read_draft(drafted)) == "cso, clinical lead, quality manager"
    sign_draft(drafted, ring["clinical lead"])
    assert missing_roles(read_draft(drafted)) == "cso, quality manager"
    sign_draft(drafted, ring["chair"], dissent="No.")
    assert signers_of(read_draft(drafted)) == (["Dr Clinical Lead"], ["Dr Chair"])
    assert missing_roles(read_draft(drafted)) == "cso, quality manager"


def test_what_is_signed_is_said_before_it_is_signed(drafted):
    told = lines_of(read_draft(drafted).statement)
    assert told[:2] == ["approve UC-0001 ct-triage", "  planned -> development"]
    assert "  As the figures say." in told


def test_a_draft_in_which_a_name_stands_twice_is_none(drafted):
    text = drafted.read_text()
    drafted.write_text(text.replace('"statement": {', '"statement": {}, "statement": {', 1))
    assert refused(drafted, ConfigError).what == "this is no draft of a decision"


def test_a_day_that_went_by_while_people_signed_is_found(drafted, ring, monkeypatch):
    for role in G2:
        sign_draft(drafted, ring[role])
    statement = read_draft(drafted).statement
    gone = {**statement, "review_by": "2020-01-01"}
    with pytest.raises(GateError, match="the review was to be on 2020-01-01"):
        require_unchanged(gone)
    with pytest.raises(GateError, match="since this was drafted: the policy gate_G2"):
        require_unchanged({**statement, "policy_sha256": "1" * 64})
    with pytest.raises(GateError, match="since this was drafted: the lifecycle"):
        require_unchanged({**statement, "lifecycle_sha256": "1" * 64})


def test_people_sign_on_machines_of_their_own_and_one_records(drafted, ring, monkeypatch, tmp_path):
    registrar = tmp_path / "home"
    monkeypatch.setenv("AIOPS_HOME", str(tmp_path / "a signer's"))
    for role in G2:
        sign_draft(drafted, ring[role])
    with pytest.raises(GateError, match="has signed this draft already"):
        sign_draft(drafted, ring["cso"])
    sign_draft(drafted, ring["chair"], dissent="Too early.")
    assert ledger.books() == []
    monkeypatch.setenv("AIOPS_HOME", str(registrar))
    record = record_signed(drafted)
    assert record.grade == "signed"
    assert [d.person for d in record.signed_dissent] == ["Dr Chair"]


@pytest.fixture
def write(ring, stand, tmp_path):
    """Write a draft of G2."""
    stand("planned")

    def make(keys=(), **said):
        path = tmp_path / "draft.json"
        write_draft(propose("approve", "ct-triage", gate="G2", **{**SAID, **said}), path, keys)
        return path

    return make


def test_who_may_not_sign_does_not_sign_at_once_either(write, ring, new_key, tmp_path):
    with pytest.raises(GateError, match="Dr Cso wrote this proposal and cannot sign it"):
        write([ring["cso"]], author="Dr Cso")
    with pytest.raises(GateError, match="the key of Dr Nobody is not in force"):
        write([new_key("Dr Nobody")])
    assert not (tmp_path / "draft.json").exists()


@pytest.mark.parametrize("dissent", ["", "Too early."])
def test_one_person_written_in_two_ways_signs_once(write, ring, new_key, dissent):
    second = new_key("DR CSO")
    enrol(second.public, ["quality manager"], [ring["chair"], ring["ai lead"]])
    path = write()
    sign_draft(path, ring["cso"], dissent=dissent)
    with pytest.raises(GateError, match="DR CSO has signed this draft already"):
        sign_draft(path, second)


def test_who_dissented_does_not_sign_for_it(write, ring):
    path = write()
    sign_draft(path, ring["cso"], dissent="Too early.")
    with pytest.raises(GateError, match="Dr Cso has signed this draft already"):
        sign_draft(path, ring["cso"])


def test_an_author_may_dissent_from_what_they_wrote(write, ring):
    path = write(author="Dr Cso")
    assert len(sign_draft(path, ring["cso"], dissent="I was outvoted.").dissents) == 1


def test_a_signed_draft_is_not_recorded_when_mlflow_does_not_answer(write, ring, monkeypatch):
    def fails():
        raise tracking.TrackingError("the server went away", where="here", fix="wait")

    path = write([ring[role] for role in G2])
    before = ledger.read_all()
    monkeypatch.setattr(tracking, "check_connection", fails)
    with pytest.raises(tracking.TrackingError):
        record_signed(path)
    assert ledger.read_all() == before


@pytest.fixture
def of_a_run(gated_run, ring, tmp_path):
    """A signed draft about a run, and the run's folder."""
    folder = gated_run()
    member = folder / "model" / "model"
    write_json(member / "model.json", {"recipe": {}, "preprocessing": {}, "targets": []})
    trained = {"members": {"model": {"digest": member_digest(member)}}}
    write_json(folder / "training.json", trained)
    for name in ("cases", "predictions"):
        pd.DataFrame({"case_id": ["c1"]}).to_parquet(folder / f"{name}.parquet")
    write_json(folder / "gates.json", evaluate_gate(read_policy("gate_basic"), folder))
    path = tmp_path / "draft.json"
    write_draft(propose("approve", "chest-effusion", run_dir=folder, **SAID), path)
    for role in ("cso", "clinical lead", "fairness reviewer"):
        sign_draft(path, ring[role])
    return path, folder


@pytest.mark.parametrize(
    "name",
    ["gaps.parquet", "metrics.parquet", "cases.parquet", "predictions.parquet", "training.json",
     "plan.json", "resolved.yaml", "model/model/weights.safetensors"],
)  # fmt: skip
def test_each_file_that_changed_while_people_signed_is_found(of_a_run, name):
    path, folder = of_a_run
    with (folder / name).open("ab") as file:
        file.write(b" ")
    told = refused(path).what
    # What the gate was asked of is held to the gate, the other bytes to the draft.
    assert told.startswith(("changed since this was drafted: ", "the evaluation changed after the"))


def test_a_run_that_is_gone_when_its_signed_draft_comes_is_told(of_a_run):
    path, folder = of_a_run
    (folder / "run.json").unlink()
    told = "changed since this was drafted: the run 2026-11-22-0a1b2c3d is not there any more"
    assert refused(path).what == told


def test_a_run_left_as_it_was_is_recorded_as_signed(of_a_run):
    assert record_signed(of_a_run[0]).grade == "signed"
