"""What a release must not take: bytes of an approval that ended, names of cases, links."""

import shutil

import pytest

from aiops.errors import DataError, GateError, LedgerError
from aiops.files import read_json
from aiops.governance import ledger, usecase
from aiops.governance.bundle import MANIFEST, write_manifest
from aiops.governance.bundle_check import check_bundle
from aiops.governance.decision import propose, record_decision
from aiops.governance.keyring import KEYS
from aiops.governance.release import approval_for, release
from aiops.governance.signing import KEYRING_TYPE, seal

SLUG = "chest-effusion"
SAID = {"rationale": "As the figures say.", "by": "Imaging AI board", "author": "Ana"}
ROLES = ("cso", "clinical lead", "fairness reviewer")


@pytest.fixture
def approve(attested):
    """Approve a run, attested or by keys."""

    def make(folder, keys=()):
        said = {**SAID, **({} if keys else attested)}
        return record_decision(propose("approve", SLUG, run_dir=folder, **said), keys)

    return make


def refused(out, error):
    before = ledger.read_all("releases")
    with pytest.raises(error) as caught:
        release(SLUG, out)
    assert not out.exists()
    assert ledger.read_all("releases") == before
    return str(caught.value)


def test_bytes_of_an_approval_that_lapsed_are_refused_though_a_later_one_stands(
    gated_run, approve, moved
):
    old, new = gated_run(), gated_run("2026-11-23-ffffffff")
    approve(old)
    moved(SLUG, "silent_prospective", expires_at="2020-01-01")
    lapsed = ledger.read_all()[-1]["id"]
    last = approve(new)
    case = usecase.find(SLUG)
    assert case.warnings == []
    with pytest.raises(GateError, match=f"{lapsed} lapsed on 2020-01-01"):
        approval_for(case, old)
    assert approval_for(case, new).record["id"] == last.id


def test_a_ring_that_does_not_hold_releases_nothing_that_was_signed(
    gated_run, approve, ring, tmp_path
):
    approve(gated_run(), [ring[role] for role in ROLES])
    event = {"event": "revoke", "key_id": "0" * 64, "reason": "lost", "nonce": "1"}
    forged = seal(event, KEYRING_TYPE, [ring["chair"]])
    ledger.append(lambda earlier: {"at": "2026-11-22", "envelope": forged}, KEYS)
    told = refused(tmp_path / "bundle", LedgerError)
    assert "event 2: no key in force has this id" in told


def test_a_config_that_names_single_films_does_not_travel(gated_run, approve, tmp_path):
    data = {"table": "t.csv", "patient": "patient_id", "case": "film", "image": "file",
            "modality": "xray", "attributes": {"sex": {"column": "sex"}},
            "exclude": {"film": ["film-7781"]}}  # fmt: skip
    approve(gated_run(data=data))
    told = refused(tmp_path / "bundle", DataError)
    assert "data.exclude names single film" in told
    assert "film-7781" not in told


def test_a_link_among_the_weights_is_refused(gated_run, approve, tmp_path):
    folder = gated_run()
    weights = folder / "model" / "model" / "weights.safetensors"
    shutil.move(weights, tmp_path / "elsewhere.safetensors")
    weights.symlink_to(tmp_path / "elsewhere.safetensors")
    approve(folder)
    told = refused(tmp_path / "bundle", DataError)
    assert "is no kind of file that a bundle takes" in told


def test_a_look_at_a_run_approves_none_of_its_bytes(gated_run, approve, moved):
    folder = gated_run()
    first = approve(folder)
    moved(SLUG, "silent_prospective", outcome="re-review", effect="")
    assert approval_for(usecase.find(SLUG), folder).record["id"] == first.id


def test_an_approval_of_an_idea_binds_no_bytes(gated_run, approve, moved):
    first = approve(gated_run())
    moved(SLUG, "silent_prospective", gate_step="G0", gate="gate_G0", subject=[], effect="")
    assert approval_for(usecase.find(SLUG)).record["id"] == first.id


def test_a_head_that_was_spoilt_vouches_for_no_bundle(gated_run, approve, tmp_path):
    approve(gated_run())
    bundle = release(SLUG, tmp_path / "bundle").folder
    ledger.book_path().with_suffix(".head.json").write_text("{}")
    assert "decisions.head.json is not a head" in check_bundle(bundle).faults


@pytest.mark.parametrize("facts", [{"decision": "DEC-2026-0099"}, {"decision_sha256": "0" * 64}])
def test_a_manifest_that_names_another_decision_is_told(gated_run, approve, tmp_path, facts):
    approve(gated_run())
    bundle = release(SLUG, tmp_path / "bundle").folder
    told = {**read_json(bundle / MANIFEST), **facts}
    (bundle / MANIFEST).unlink()
    made = ("files", "bytes", "sha256")
    write_manifest(bundle, {name: told[name] for name in told if name not in made})
    cause = "MANIFEST.json names another decision than decision.json holds"
    assert cause in check_bundle(bundle).faults
