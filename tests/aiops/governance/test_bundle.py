"""Checking a bundle: each way to change it is found, with its ledger at hand and without."""

import json
import shutil

import pytest

from aiops.errors import DataError
from aiops.files import read_json, write_json, write_text
from aiops.governance import ledger, usecase
from aiops.governance.bundle import DECISION, KEYRING, MANIFEST, check_bundle, write_manifest
from aiops.governance.decision import propose, record_decision
from aiops.governance.policy import evaluate_gate, read_policy
from aiops.governance.release import release

SLUG = "chest-effusion"


@pytest.fixture
def decided(make_run):
    """Approve a run of a case and release it; the bundle lies where nothing else does."""

    def make(to, keys=(), **said):
        usecase.submit(SLUG, "Effusion on chest films")
        folder = make_run()
        (folder / "model" / "model").mkdir(parents=True)
        (folder / "model" / "model" / "weights.safetensors").write_bytes(b"weights " * 100)
        write_json(folder / "plan.json", {"recipe": {"steps": 10}})
        write_text(folder / "report.html", "<html>report</html>")
        write_json(folder / "gates.json", evaluate_gate(read_policy("gate_basic"), folder))
        told = {"rationale": "As the figures say.", "by": "Imaging AI board", **said}
        record_decision(propose("approve", SLUG, run_dir=folder, **told), keys)
        return release(SLUG, to).folder

    return make


@pytest.fixture
def unsigned(decided, tmp_path):
    return decided(tmp_path / "bundle")


@pytest.fixture
def signed(decided, ring, tmp_path):
    keys = [ring[role] for role in ("cso", "clinical lead", "fairness reviewer")]
    return decided(tmp_path / "bundle", keys, author="A. Engineer")


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Another machine: no ledger is there."""

    def move():
        monkeypatch.setenv("AIOPS_HOME", str(tmp_path / "elsewhere"))

    return move


def faults(folder):
    return list(check_bundle(folder).faults)


def remade(folder):
    """Write a manifest that fits the folder as it is now: what a forger would do."""
    told = read_json(folder / MANIFEST)
    (folder / MANIFEST).unlink()
    facts = {k: v for k, v in told.items() if k not in ("files", "bytes", "sha256")}
    write_manifest(folder, facts)


def changed_record(folder, **changes):
    """Change the decision in a bundle, its sum and the manifest that names it."""
    line = read_json(folder / DECISION)
    line["record"] |= changes
    told = {k: v for k, v in line.items() if k != "sha256"}
    line["sha256"] = ledger.record_sha256(told if len(told) > 1 else told["record"])
    write_json(folder / DECISION, line)
    manifest = read_json(folder / MANIFEST)
    write_json(folder / MANIFEST, {**manifest, "decision_sha256": line["sha256"]})
    remade(folder)


def test_a_sound_bundle_has_no_fault_with_its_ledger_at_hand(unsigned):
    found = check_bundle(unsigned)
    assert found.faults == ()
    assert found.notes == (f"the ledger here holds {found.manifest['decision']}",)


def test_a_signed_bundle_holds_where_there_is_no_ledger(signed, ring, elsewhere):
    elsewhere()
    found = check_bundle(signed)
    assert found.faults == ()
    assert found.notes == tuple(
        f"signed by Dr {role.title()} as {role}, key {ring[role].public.key_id[:16]} "
        "of the ring in here"
        for role in ("cso", "clinical lead", "fairness reviewer")
    )


def test_what_nobody_signed_holds_only_where_its_ledger_is(unsigned, elsewhere):
    elsewhere()
    told = read_json(unsigned / MANIFEST)["decision"]
    assert faults(unsigned) == [f"no ledger here holds {told}, and no signature vouches for it"]


def spoil_byte(folder):
    path = folder / "model/model/weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"X")


def spoil_size(folder):
    with (folder / "plan.json").open("a") as file:
        file.write(" ")


def take_out(folder):
    (folder / "card" / "card.html").unlink()


def put_in(folder):
    (folder / "predictions.parquet").write_bytes(b"PAR1")


def link(folder):
    target = folder.parent / "report.html"
    shutil.move(folder / "report.html", target)
    (folder / "report.html").symlink_to(target)


def edit_manifest(folder):
    write_json(folder / MANIFEST, {**read_json(folder / MANIFEST), "for": "live"})


def edit_decision(folder):
    line = read_json(folder / DECISION)
    line["record"]["rationale"] = "Because I say so."
    write_json(folder / DECISION, line)


def no_decision(folder):
    (folder / DECISION).unlink()
    remade(folder)


def not_a_decision(folder):
    write_json(folder / DECISION, {"record": [], "sha256": 3})
    remade(folder)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_byte, "model/model/weights.safetensors was changed: its SHA-256 is another"),
        (spoil_byte, "the weights are not those that DEC-"),
        (spoil_size, "plan.json was changed: "),
        (take_out, "card/card.html is missing"),
        (put_in, "predictions.parquet is extra: MANIFEST.json does not name it"),
        (link, "report.html is a link, not a file"),
        (edit_manifest, "MANIFEST.json was edited: it does not match its own SHA-256"),
        (edit_decision, "decision.json was edited: it does not match its own SHA-256"),
        (no_decision, "no decision: MANIFEST.json names no decision.json"),
        (not_a_decision, "decision.json does not read as a decision: "),
    ],
)
def test_each_change_is_told_in_words(signed, elsewhere, spoil, words):
    elsewhere()
    spoil(signed)
    assert any(told.startswith(words) for told in faults(signed)), faults(signed)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("model/model/weights.safetensors", "the weights are not those that DEC-"),
        ("plan.json", "plan.json is not the one that DEC-"),
        ("resolved.yaml", "resolved.yaml is not the one that DEC-"),
    ],
)
def test_a_manifest_made_anew_does_not_hide_other_bytes(signed, elsewhere, name, words):
    elsewhere()
    (signed / name).write_bytes((signed / name).read_bytes() + b" ")
    remade(signed)
    assert [told for told in faults(signed) if told.startswith(words)]


def test_a_report_put_in_is_found_by_the_ledger_that_released(unsigned):
    (unsigned / "report.html").write_text("<html>better</html>")
    remade(unsigned)
    assert faults(unsigned) == ["the ledger here knows of no release with this MANIFEST.json"]


def test_a_decision_made_to_name_other_bytes_is_no_longer_what_was_signed(signed, elsewhere):
    elsewhere()
    weights = signed / "model/model/weights.safetensors"
    weights.write_bytes(b"others")
    from aiops.governance.bundle import digests_of

    record = read_json(signed / DECISION)["record"]
    named = record["subject"][0]["digests"]
    subject = {**record["subject"][0], "digests": {**named, **digests_of(signed)}}
    changed_record(signed, subject=[subject])
    told = faults(signed)
    assert f"what was signed is not what {record['id']} says" in told
    assert f"no ledger here holds {record['id']}, and no signature vouches for it" in told


def test_an_approval_edited_in_a_bundle_is_another_than_in_the_ledger(unsigned):
    number = read_json(unsigned / DECISION)["record"]["id"]
    changed_record(unsigned, rationale="Because I say so.")
    assert f"the ledger here holds another {number}" in faults(unsigned)


def test_a_rejection_approves_nothing(unsigned):
    changed_record(unsigned, outcome="reject")
    assert [told for told in faults(unsigned) if "is no approval: reject" in told]


def test_signers_cannot_be_added_renamed_or_left_out(signed, elsewhere):
    elsewhere()
    record = read_json(signed / DECISION)["record"]
    first, second, third = record["signed_by"]
    number = record["id"]
    changed_record(signed, signed_by=[first, second])
    assert f"{number} is not signed by: fairness reviewer" in faults(signed)
    changed_record(signed, signed_by=[first, second, {**third, "role": "chair"}])
    assert "Dr Fairness Reviewer did not hold the role chair" in faults(signed)
    changed_record(signed, signed_by=[first, second, {**third, "key_id": "0" * 64}])
    assert "the signature of Dr Fairness Reviewer does not hold" in faults(signed)
    changed_record(signed, signed_by=[first, second, third, third])
    assert "one person signed twice" in faults(signed)
    changed_record(signed, signed_by=[])
    assert f"{number} says that it is signed, and names nobody" in faults(signed)


def test_an_envelope_taken_out_is_missed(signed, elsewhere):
    elsewhere()
    line = read_json(signed / DECISION)
    del line["envelope"]
    write_json(signed / DECISION, line)
    changed_record(signed)
    told = f"{line['record']['id']} says that it is signed, and has no envelope"
    assert told in faults(signed)


def test_a_ring_that_was_swapped_does_not_know_the_signers(signed, elsewhere):
    elsewhere()
    (signed / KEYRING).unlink()
    remade(signed)
    told = faults(signed)
    assert "the signature of Dr Cso does not hold" in told
    assert any("signed by a key that nobody enrolled" in one for one in told)


def test_a_ring_that_was_edited_says_so(signed, elsewhere):
    elsewhere()
    event = json.loads((signed / KEYRING).read_text())
    event["record"]["envelope"]["signatures"].pop()
    (signed / KEYRING).write_text(json.dumps(event) + "\n")
    remade(signed)
    assert "event 1: not everybody whom the founding names has signed it" in faults(signed)


def test_a_key_that_came_into_force_later_does_not_count(signed, elsewhere):
    elsewhere()
    event = json.loads((signed / KEYRING).read_text())
    event["record"]["at"] = "2999-01-01T00:00:00+00:00"
    (signed / KEYRING).write_text(json.dumps(event) + "\n")
    remade(signed)
    assert "the signature of Dr Cso does not hold" in faults(signed)


def test_a_folder_that_is_no_bundle_is_said_to_be_none(tmp_path):
    with pytest.raises(DataError, match=r"MANIFEST\.json is not there"):
        check_bundle(tmp_path)
    write_json(tmp_path / MANIFEST, {"kind": "bundle", "files": [{"path": "x"}]})
    with pytest.raises(DataError, match="is not that of a bundle"):
        check_bundle(tmp_path)
