"""Checking a bundle: each change is found, and what proves it is said, or that nothing does."""

import json
import os
import shutil

import pytest
from click.testing import CliRunner

from aiops.commands.release import COMMANDS
from aiops.errors import DataError
from aiops.files import read_json, write_json
from aiops.governance import decision, kept_rules, ledger, lifecycle, usecase
from aiops.governance.bundle import (
    DECISION,
    KEYRING,
    LIFECYCLE,
    MANIFEST,
    digests_of,
    write_manifest,
)
from aiops.governance.bundle_check import check_bundle
from aiops.governance.decision import propose, record_decision
from aiops.governance.lifecycle import parse_lifecycle, read_lifecycle
from aiops.governance.record import statement_of
from aiops.governance.release import release
from aiops.governance.signing import DECISION_TYPE, KEYRING_TYPE, seal

SLUG = "chest-effusion"


@pytest.fixture
def decided(gated_run, attested):
    """Approve a run of a case and release it; the bundle lies where nothing else does."""

    def make(to, keys=(), **said):
        said = said if keys else {**attested, **said}
        told = {"rationale": "As the figures say.", "by": "Imaging AI board", **said}
        record_decision(propose("approve", SLUG, run_dir=gated_run(), **told), keys)
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
    """Another machine: no ledger is there. Returns the ring that came another way."""

    def move():
        ring = tmp_path / "ring.jsonl"
        if ledger.book_path("keys").exists():
            shutil.copyfile(ledger.book_path("keys"), ring)
        monkeypatch.setenv("AIOPS_HOME", str(tmp_path / "elsewhere"))
        return ring

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


def test_a_sound_bundle_is_proven_by_its_ledger(unsigned):
    found = check_bundle(unsigned)
    number = found.manifest["decision"]
    assert (found.faults, found.result) == ((), "proven")
    assert found.proof == (f"the ledger here holds {number}, and its release of these files",)


def test_a_signed_bundle_is_proven_by_a_ring_that_came_another_way(signed, ring, elsewhere):
    found = check_bundle(signed, elsewhere())
    assert (found.faults, found.result) == ((), "proven")
    assert found.proof == tuple(
        f"signed by Dr {role.title()} as {role}, key {ring[role].public.key_id[:16]} "
        "of the ring you named"
        for role in ("cso", "clinical lead", "fairness reviewer")
    )
    loose = "card/README.md, card/card.html, keyring.jsonl, soup.json"
    assert f"so these keys do not vouch for it: {loose}" in found.notes[0]
    assert "whether it was stopped since" in found.notes[1]


def test_the_keys_in_a_bundle_prove_nothing_of_it(signed, elsewhere):
    elsewhere()
    found = check_bundle(signed)
    assert (found.faults, found.proof, found.result) == ((), (), "unproven")
    assert "the keys in a bundle prove nothing of the bundle" in found.unproven[0]
    told = CliRunner().invoke(COMMANDS["bundle"], ["verify", str(signed)])
    assert told.exit_code == 3
    assert "unproven: no ledger is here" in told.stdout


def test_what_nobody_signed_is_proven_only_where_its_ledger_is(unsigned, ring, elsewhere):
    found = check_bundle(unsigned, elsewhere())
    assert (found.faults, found.result) == ((), "unproven")
    assert "is attested, and nobody signed it: only the ledger" in found.unproven[0]


def test_a_decision_that_the_ledger_here_does_not_know_is_a_fault(signed, tmp_path, monkeypatch):
    monkeypatch.setenv("AIOPS_HOME", str(tmp_path / "other"))
    usecase.submit("other", "Another case")
    record_decision(propose("re-review", "other", rationale="Look again.", by="Board"))
    number = read_json(signed / MANIFEST)["decision"]
    assert [told for told in faults(signed) if f"ledger here does not know {number}" in told]


def other_keys(folder, new_key, roles, **changes):
    """Forge a bundle: keys of one's own, other weights, another decision."""
    (folder / "model/model/weights.safetensors").write_bytes(b"evil")
    pairs = [new_key(f"Dr {role.title()}") for role in roles]
    members = [
        {"key_id": p.public.key_id, "person": p.public.person, "public": p.public.public,
         "roles": [role]}
        for p, role in zip(pairs, roles, strict=True)
    ]  # fmt: skip
    envelope = seal({"event": "found", "members": members, "nonce": "1"}, KEYRING_TYPE, pairs)
    event = {"record": {"at": "2026-01-01T00:00:00.000000+00:00", "envelope": envelope}}
    (folder / KEYRING).write_text(json.dumps(event) + "\n")
    line = read_json(folder / DECISION)
    record = line["record"] | changes
    record["subject"][0]["digests"] |= digests_of(folder)
    record["signed_by"] = [
        {"person": m["person"], "role": m["roles"][0], "key_id": m["key_id"]} for m in members
    ]
    line["envelope"] = seal(statement_of(record), DECISION_TYPE, pairs)
    write_json(folder / DECISION, line)
    manifest = read_json(folder / MANIFEST)
    write_json(folder / MANIFEST, manifest | {"digests": record["subject"][0]["digests"]})
    changed_record(folder, **record)


ALL = ("cso", "clinical lead", "fairness reviewer")


def test_a_bundle_forged_with_keys_of_ones_own_is_never_proven(signed, new_key, elsewhere):
    ring = elsewhere()
    other_keys(signed, new_key, ALL)
    assert check_bundle(signed).result == "unproven"
    found = check_bundle(signed, ring)
    assert found.proof == ()
    assert any("signed by a key that nobody enrolled" in told for told in found.faults)


def test_who_wrote_it_and_a_list_of_its_own_do_not_make_a_quorum(signed, new_key, elsewhere):
    elsewhere()
    other_keys(signed, new_key, ALL, author="Dr Cso")
    assert any("Dr Cso wrote this proposal and cannot sign it" in told for told in faults(signed))
    other_keys(signed, new_key, ("cso", "chair"), author="Ana", signatures_required=["cso"])
    told = faults(signed)
    assert any("its rules say cso, clinical lead, fairness reviewer" in one for one in told)


def test_the_rules_of_a_bundle_are_those_its_decision_names(signed, elsewhere):
    ring = elsewhere()
    cycle = read_json(signed / LIFECYCLE)
    cycle["gates"]["G4"]["roles"] = ["secretary"]
    write_json(signed / LIFECYCLE, cycle)
    remade(signed)
    number = read_json(signed / MANIFEST)["decision"]
    told = check_bundle(signed, ring).faults
    assert f"lifecycle.json is not the one that {number} was made under" in told
    (signed / LIFECYCLE).unlink()
    remade(signed)
    told = check_bundle(signed, ring).faults
    assert f"nobody kept the rules that {number} was made under" in told


def test_rules_that_nobody_here_knows_prove_nothing(
    decided, ring, elsewhere, tmp_path, monkeypatch
):
    told = read_lifecycle().model_dump(mode="json", by_alias=True)
    theirs = parse_lifecycle({**told, "version": "9.9.9"}, where="theirs")
    with monkeypatch.context() as patched:
        for place in (decision, lifecycle, kept_rules):
            patched.setattr(place, "read_lifecycle", lambda: theirs)
        bundle = decided(tmp_path / "bundle", [ring[role] for role in ALL], author="Ana")
    keys = elsewhere()
    found = check_bundle(bundle, keys)
    assert (found.faults, found.proof, found.result) == ((), (), "unproven")
    assert "are not known here" in found.unproven[0]
    write_json(tmp_path / "theirs.json", theirs.model_dump(mode="json", by_alias=True))
    assert check_bundle(bundle, keys, tmp_path / "theirs.json").result == "proven"


@pytest.mark.parametrize(
    ("name", "told"), [("for", "live: In use."), ("grade", "signed"), ("expires_at", "2999-01-01")]
)
def test_a_manifest_says_of_the_decision_what_the_decision_says(unsigned, name, told):
    write_json(unsigned / MANIFEST, {**read_json(unsigned / MANIFEST), name: told})
    remade(unsigned)
    number = read_json(unsigned / MANIFEST)["decision"]
    assert f"MANIFEST.json: '{name}' is not as {number} has it" in faults(unsigned)


def test_a_condition_given_up_is_said_to_be_the_cause(decided, tmp_path, monkeypatch):
    from aiops.governance import conditions

    bundle = decided(tmp_path / "bundle")
    owed = {"id": "C1", "item": "fairness", "text": "more men", "owner": "Dr Okafor",
            "due": "2999-01-01", "status": "open"}  # fmt: skip
    number = read_json(bundle / MANIFEST)["decision"]
    monkeypatch.setattr(usecase, "standing_of", lambda approvals, events: conditions.standing_of(
        [{**one, "conditions": [owed]} for one in approvals], events))  # fmt: skip
    assert faults(bundle) == []
    conditions.close("lapse", SLUG, "C1", by="Dr Okafor")
    cause = "not to be used: the condition C1 was given up: more men (Dr Okafor)"
    assert faults(bundle) == [cause]
    assert number


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


def pipe(folder):
    os.mkfifo(folder / "model" / "pipe")


def empty_folder(folder):
    (folder / "more").mkdir()


def edit_manifest(folder):
    write_json(folder / MANIFEST, {**read_json(folder / MANIFEST), "for": "live"})


def key_twice(folder):
    text = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(text.replace('"for":', '"for": "live: In use.", "for":', 1))


def no_ring(folder):
    (folder / KEYRING).write_text("x\n")
    remade(folder)


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
        (pipe, "model/pipe is no plain file: a pipe, a device or a socket"),
        (empty_folder, "more is an empty folder: MANIFEST.json names nothing in it"),
        (edit_manifest, "MANIFEST.json was edited: it does not match its own SHA-256"),
        (key_twice, "MANIFEST.json was edited: it does not match its own SHA-256"),
        (no_ring, "keyring.jsonl: this is no ring of keys"),
        (edit_decision, "decision.json was edited: it does not match its own SHA-256"),
        (no_decision, "decision.json is not in it: MANIFEST.json names none"),
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
    number = read_json(unsigned / DECISION)["record"]["id"]
    assert faults(unsigned) == [
        f"report.html is not the one that was on the table for {number}",
        "the ledger here knows of no release with this MANIFEST.json",
    ]


def test_a_decision_made_to_name_other_bytes_is_no_longer_what_was_signed(signed, elsewhere):
    elsewhere()
    weights = signed / "model/model/weights.safetensors"
    weights.write_bytes(b"others")
    record = read_json(signed / DECISION)["record"]
    named = record["subject"][0]["digests"]
    subject = {**record["subject"][0], "digests": {**named, **digests_of(signed)}}
    changed_record(signed, subject=[subject])
    assert f"{record['id']}: what was signed is not what shall be recorded" in faults(signed)


def test_an_approval_edited_in_a_bundle_is_another_than_in_the_ledger(unsigned):
    number = read_json(unsigned / DECISION)["record"]["id"]
    changed_record(unsigned, rationale="Because I say so.")
    assert f"the ledger here holds another {number}" in faults(unsigned)


def test_a_rejection_approves_nothing(unsigned):
    changed_record(unsigned, outcome="reject")
    assert [told for told in faults(unsigned) if "is no approval: reject" in told]


def test_signers_cannot_be_added_renamed_or_left_out(signed, elsewhere, ring):
    elsewhere()
    record = read_json(signed / DECISION)["record"]
    first, second, third = record["signed_by"]
    chair = {"person": "Dr Chair", "role": "chair", "key_id": ring["chair"].public.key_id}
    for said in (
        [first, second],
        [first, second, {**third, "role": "chair"}],
        [first, second, {**third, "key_id": "0" * 64}],
        [first, second, {**third, "person": "Dr Other"}],
        [first, second, third, chair],
        [first, second, third, third],
        [],
    ):
        changed_record(signed, signed_by=said)
        assert f"{record['id']}: it names others than those who signed it" in faults(signed)


def test_an_envelope_taken_out_is_missed(signed, elsewhere):
    elsewhere()
    line = read_json(signed / DECISION)
    del line["envelope"]
    write_json(signed / DECISION, line)
    changed_record(signed)
    number = line["record"]["id"]
    assert any(f"{number}: approve at G4 is only recorded" in told for told in faults(signed))


def test_a_ring_that_was_swapped_does_not_know_the_signers(signed, elsewhere):
    elsewhere()
    (signed / KEYRING).unlink()
    remade(signed)
    told = faults(signed)
    assert any("signed by a key that nobody enrolled" in one for one in told)


def test_a_ring_that_was_edited_says_so(signed, elsewhere):
    elsewhere()
    event = json.loads((signed / KEYRING).read_text())
    event["record"]["envelope"]["signatures"].pop()
    (signed / KEYRING).write_text(json.dumps(event) + "\n")
    remade(signed)
    cause = "event 1: not everybody whom the founding names has signed it"
    assert any(cause in told for told in faults(signed))


def test_a_key_that_came_into_force_later_does_not_count(signed, elsewhere):
    elsewhere()
    event = json.loads((signed / KEYRING).read_text())
    event["record"]["at"] = "2999-01-01T00:00:00+00:00"
    (signed / KEYRING).write_text(json.dumps(event) + "\n")
    remade(signed)
    assert any("the key of Dr Cso is not in force" in told for told in faults(signed))


def test_a_folder_that_is_no_bundle_is_said_to_be_none(tmp_path):
    with pytest.raises(DataError, match=r"MANIFEST\.json is not there"):
        check_bundle(tmp_path)
    (tmp_path / MANIFEST).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is not UTF-8 text"):
        check_bundle(tmp_path)
    write_json(tmp_path / MANIFEST, {"kind": "bundle", "files": [{"path": "x"}]})
    with pytest.raises(DataError, match="is not that of a bundle"):
        check_bundle(tmp_path)
