"""Bundles: only the bytes that a decision names leave, and all of them can be checked."""

import json
import shutil
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from aiops.commands.release import COMMANDS
from aiops.errors import DataError, GateError, LedgerError
from aiops.files import read_json, write_json, write_text
from aiops.governance import ledger, usecase
from aiops.governance.bundle import MANIFEST, digests_of
from aiops.governance.bundle_check import check_bundle
from aiops.governance.decision import propose, record_decision
from aiops.governance.documents import bytes_path
from aiops.governance.policy import evaluate_gate, read_policy
from aiops.governance.record import BY_GRADE
from aiops.governance.release import release
from aiops.provenance import content_hash
from aiops.served_model import load, predict
from models import architectures
from models.baselines import fit_table, save_table
from models.inference import save_model, saved_digest
from models.preprocessing import Preprocessing
from models.recipe import Recipe

SLUG = "chest-effusion"
PEOPLE_IN_IT = ["case-7781", "case-7782", "patient-4405", "patient-4406"]
TABLE = pd.DataFrame({"age": np.arange(100.0), "ward": ["a", "b"] * 50})
LEARNT = {
    "reasons": ["R13"],
    "lessons": ["Look by scanner first."],
    "revisit_if": ["n_positive>=900"],
}


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    folder = tmp_path_factory.mktemp("network")
    recipe = Recipe("segmentation", "unet", 2, 1, 3, (16, 16), 1)
    preprocessing = Preprocessing("mri", "volume", 2, spacing_mm=(1.0, 1.0))
    weights = architectures.build(recipe).state_dict()
    save_model(folder, weights, recipe, preprocessing, {"anterior": 1, "posterior": 2})
    return folder


@pytest.fixture
def run(make_run, network):
    """A run as its stages leave it, with weights and with rows of people."""
    usecase.submit(SLUG, "Effusion on chest films", owner="Radiology")

    def make(name="2026-11-22-0a1b2c3d", **changes):
        folder = make_run(name, **changes)
        shutil.copytree(network, folder / "model" / "fold0")
        table = fit_table(TABLE, TABLE.age.to_numpy() > 50, numeric=["age"], name="logistic")
        (folder / "model" / "fold1").mkdir()
        save_table(folder / "model" / "fold1" / "effusion.skops", table)
        write_json(folder / "plan.json", {"recipe": {"steps": 10}})
        write_text(folder / "report.html", "<html>the shareable report</html>")
        write_text(folder / "report_internal.html", f"<html>{PEOPLE_IN_IT}</html>")
        write_json(folder / "split.json", {"assignments": {key: {} for key in PEOPLE_IN_IT}})
        rows = pd.DataFrame({"case_id": PEOPLE_IN_IT[:2], "patient_id": PEOPLE_IN_IT[2:]})
        rows.to_parquet(folder / "cases.parquet")
        rows.assign(y_score=[0.1, 0.9]).to_parquet(folder / "predictions.parquet")
        write_json(folder / "gates.json", evaluate_gate(read_policy("gate_basic"), folder))
        return folder

    return make


MET = {
    "author": "Ana", "attested_by": "The secretary", "minutes": Path(__file__),
    "attendees": ("Dr Cho: cso", "Dr Lee: clinical lead", "Dr May: fairness reviewer"),
}  # fmt: skip


def decided(outcome, keys=(), **said):
    met = MET if outcome.startswith("approve") and not keys else {}
    said = {"rationale": "As the figures say.", "by": "Imaging AI board", **met, **said}
    return record_decision(propose(outcome, SLUG, **said), keys)


@pytest.fixture
def approved(run):
    folder = run()
    return folder, decided("approve", run_dir=folder)


@pytest.fixture
def signed(run, ring):
    folder = run()
    keys = [ring[role] for role in ("cso", "clinical lead", "fairness reviewer")]
    return folder, decided("approve", keys, run_dir=folder, author="A. Engineer")


def refused(out, error=GateError, **more):
    """Nothing is written, in the folder or in the ledger, when a release is refused."""
    before = ledger.read_all("releases")
    with pytest.raises(error) as caught:
        release(SLUG, out, **more)
    assert not out.exists()
    assert not [path for path in out.parent.iterdir() if path.name.startswith(f".{out.name}")]
    assert ledger.read_all("releases") == before
    return str(caught.value)


def test_a_decision_names_the_bytes(approved):
    folder, record = approved
    digests = record.subject[0].digests
    assert digests.keys() == {"weights", "plan", "config", "data", "evaluation"}
    assert digests == digests_of(folder)
    assert digests["plan"] == content_hash(folder / "plan.json")
    assert digests["data"] == content_hash(folder / "cases.parquet")


def test_a_bundle_holds_what_was_approved_and_can_be_used(approved, tmp_path):
    folder, record = approved
    done = release(SLUG, tmp_path / "out" / "bundle")
    out = done.folder
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert names == {
        "MANIFEST.json", "decision.json", "lifecycle.json", "plan.json", "resolved.yaml",
        "report.html", "soup.json", "card/card.html", "card/README.md",
        "model/fold1/effusion.skops", "model/fold0/model.json", "model/fold0/weights.safetensors",
    }  # fmt: skip
    manifest = read_json(out / MANIFEST)
    assert manifest["decision"] == record.id
    assert manifest["bytes"] == sum((out / n).stat().st_size for n in names - {MANIFEST})
    assert manifest["for"].startswith("silent_prospective: ")
    assert check_bundle(out).faults == ()
    array = np.random.default_rng(0).normal(size=(1, 20, 24)).astype(np.float32)
    given = {"array": array, "spacing_mm": (1, 1)}
    ours, theirs = (load(place / "model" / "fold0") for place in (folder, out))
    assert np.array_equal(predict(ours, given), predict(theirs, given))
    ours, theirs = (load(place / "model" / "fold1") for place in (folder, out))
    assert predict(ours, TABLE).equals(predict(theirs, TABLE))
    assert f"{record.id}" in (out / "card" / "README.md").read_text()


def test_nothing_of_a_patient_leaves(approved, tmp_path):
    out = release(SLUG, tmp_path / "bundle").folder
    files = [path for path in out.rglob("*") if path.is_file()]
    assert {"decision.json", "report.html", "resolved.yaml"} <= {path.name for path in files}
    for path in files:
        content = path.read_bytes()
        assert not [name for name in PEOPLE_IN_IT if name.encode() in content], path.name
        assert path.suffix not in (".parquet", ".nii", ".gz", ".npz", ".pkl", ".pt")


def test_what_people_said_on_the_card_goes_with_it(approved, tmp_path):
    from aiops.governance.card import write_card
    from aiops.governance.evidence import read_experiment

    folder, _ = approved
    (tmp_path / "card.yaml").write_text("users: Radiologists on call\n")
    write_card(folder, read_experiment(folder), tmp_path / "card.yaml")
    out = release(SLUG, tmp_path / "bundle").folder
    assert "Radiologists on call" in (out / "card" / "README.md").read_text()


def test_a_threshold_goes_with_the_figures_that_it_gave(run, tmp_path):
    folder = run()
    told = read_json(folder / "evaluation.json")
    point = {"criterion": "sensitivity 0.9 on tune", "threshold": 0.38, "n": 190}
    write_json(folder / "evaluation.json", {**told, "operating_points": {"effusion": point}})
    write_json(folder / "gates.json", evaluate_gate(read_policy("gate_basic"), folder))
    decided("approve", run_dir=folder)
    out = release(SLUG, tmp_path / "bundle").folder
    assert read_json(out / "thresholds.json") == {
        "effusion": {"criterion": "sensitivity 0.9 on tune", "threshold": 0.38}
    }


@pytest.mark.usefixtures("open_gates")
def test_bytes_that_were_frozen_leave_without_a_report_and_may_be_evaluated(run, ring, tmp_path):
    folder = run()
    evaluation = read_json(folder / "evaluation.json")
    for name in ("evaluation.json", "predictions.parquet", "report.html", "gates.json"):
        (folder / name).unlink()
    trained = {"fold0": {"digest": saved_digest(folder / "model" / "fold0")}}
    write_json(folder / "training.json", {"members": trained})
    keys = [ring["ai lead"], ring["quality manager"]]
    record = decided("approve", keys, gate="G3", run_dir=folder, author="A. Engineer")
    assert record.subject[0].digests.keys() == {"weights", "plan", "config", "data"}
    write_json(folder / "evaluation.json", evaluation)  # that is what it was frozen for
    out = release(SLUG, tmp_path / "bundle").folder
    assert not (out / "card").exists()
    assert not (out / "report.html").exists()
    told = read_json(out / MANIFEST)["for"]
    assert told == "retrospective_eval: frozen for evaluation; not for use"
    assert check_bundle(out).faults == ()
    (folder / "plan.json").unlink()
    assert "was made: plan of the run" in refused(tmp_path / "again")


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("model/fold0/weights.safetensors", "weights"),
        ("plan.json", "plan"),
        ("resolved.yaml", "config"),
        ("cases.parquet", "data"),
        ("evaluation.json", "evaluation"),
    ],
)
def test_bytes_that_changed_after_the_decision_are_refused(approved, tmp_path, name, part):
    folder, record = approved
    with (folder / name).open("ab") as file:
        file.write(b" ")
    told = refused(tmp_path / "bundle")
    assert f"changed after {record.id} was made: {part} of the run {folder.name}" in told
    assert "have the run as it is now decided on" in told


def test_weights_that_nobody_saw_are_refused(approved, tmp_path):
    folder, _ = approved
    shutil.copy(folder / "model/fold1/effusion.skops", folder / "model/fold1/other.skops")
    assert "was made: weights of" in refused(tmp_path / "bundle")


def test_a_run_that_no_decision_names_is_refused(approved, run, make_run, tmp_path):
    other = make_run("2026-11-23-ffffffff")
    write_json(other / "plan.json", {"recipe": {"steps": 11}})
    told = refused(tmp_path / "bundle", run_dir=other)
    assert "no decision names the bytes of the run 2026-11-23-ffffffff" in told
    assert f"{approved[1].id} names {approved[0].name}" in told


def test_without_an_approval_nothing_leaves(run, tmp_path):
    run()
    told = refused(tmp_path / "bundle")
    assert "no decision approves any bytes of UC-0001 chest-effusion" in told


def test_a_decision_of_before_names_no_bytes(approved, tmp_path, monkeypatch):
    lines = ledger.read_lines()
    lines[-1].record["subject"][0].pop("digests")
    read = ledger.read_lines
    monkeypatch.setattr(
        ledger, "read_lines", lambda b="decisions": lines if b == "decisions" else read(b)
    )
    assert "names no bytes: it was made before decisions did" in refused(tmp_path / "bundle")


@pytest.mark.parametrize("outcome", ["reject", "discontinue", "defer"])
def test_what_was_stopped_is_not_released_and_its_bundle_says_so(signed, ring, tmp_path, outcome):
    out = release(SLUG, tmp_path / "before").folder
    assert check_bundle(out).faults == ()
    keys = [ring["ai lead"], ring["chair"]]
    record = decided(outcome, keys, author="A. Engineer", **LEARNT)
    assert f"UC-0001 {SLUG} is {record.to_state}, so nothing of it is released" in refused(
        tmp_path / "bundle"
    )
    number = read_json(out / MANIFEST)["decision"]
    assert f"not to be used: {record.id} {outcome} came after {number}" in check_bundle(out).faults


def test_what_is_suspended_is_not_released(signed, ring, tmp_path):
    decided("suspend", [ring["cso"]], author="Dr Cso", reasons=["R14"])
    assert "is suspended, so nothing of it is released" in refused(tmp_path / "bundle")


def test_a_lapsed_approval_and_an_overdue_condition_are_refused(run, tmp_path, monkeypatch):
    folder = run(verdicts=("adequate", "insufficient evidence"))
    due = date.today() + timedelta(days=30)
    record = decided(
        "approve-with-conditions", run_dir=folder,
        conditions=[f"fairness: 34 more men in the test; Dr Okafor; {due}"],
    )  # fmt: skip
    done = release(SLUG, tmp_path / "now")
    assert done.notes == (f"still open: C1 34 more men in the test (Dr Okafor, {due})",)
    assert check_bundle(done.folder).faults == ()
    later(monkeypatch, due + timedelta(days=1))
    cause = f"not to be used: the condition C1 was due on {due}: 34 more men in the test"
    assert cause in refused(tmp_path / "late")
    assert check_bundle(done.folder).faults == (f"{cause} (Dr Okafor)",)
    later(monkeypatch, record.expires_at)  # its last day is no longer in it
    cause = f"not to be used: {record.id} lapsed on {record.expires_at}"
    assert cause in refused(tmp_path / "later")
    assert f"not to be used: {record.id} lapsed on {record.expires_at}" in (
        check_bundle(done.folder).faults
    )


@pytest.mark.usefixtures("open_gates")
def test_what_was_suspended_stays_so_when_another_run_is_approved(signed, ring, tmp_path):
    folder, first = signed
    out = release(SLUG, tmp_path / "before").folder
    stop = decided("suspend", [ring["cso"]], author="Dr Cso", reasons=["R14"])
    decided("re-review", [ring["cso"], ring["ai lead"]], author="Ana")
    other = folder.with_name("2026-11-23-ffffffff")
    shutil.copytree(folder, other)
    (other / "model" / "fold1" / "effusion.skops").write_bytes(b"new")
    keys = [ring["ai lead"], ring["quality manager"]]
    decided("approve", keys, gate="G3", run_dir=other, author="Ana")
    cause = f"not to be used: {stop.id} suspend came after {first.id}"
    assert cause in check_bundle(out).faults
    assert cause in refused(tmp_path / "again", run_dir=folder)
    keys = [ring[role] for role in ("cso", "clinical lead", "fairness reviewer")]
    decided("approve", keys, gate="G4", run_dir=other, author="Ana")
    assert cause in check_bundle(out).faults
    assert cause in refused(tmp_path / "again", run_dir=folder)
    assert release(SLUG, tmp_path / "new", other).manifest["grade"] == "signed"


def test_what_was_set_aside_and_resumed_is_released_again(signed, ring, tmp_path):
    out = release(SLUG, tmp_path / "before").folder
    decided("suspend", [ring["cso"]], author="Dr Cso", reasons=["R14"])
    assert check_bundle(out).result == "fault"
    decided("resume", [ring["cso"], ring["chair"]], author="Ana")
    assert check_bundle(out).result == "proven"
    assert release(SLUG, tmp_path / "again").manifest["for"].startswith("silent_prospective: ")


def forged(monkeypatch, **changes):
    """The ledger holds together, and its last decision says something else."""
    lines = ledger.read_lines()
    attached = {} if changes.pop("unsigned", False) else lines[-1].attached
    lines[-1] = ledger.Line({**lines[-1].record, **changes}, attached, lines[-1].sha256)
    read, look = ledger.read_lines, ledger.look
    monkeypatch.setattr(
        ledger, "read_lines", lambda b="decisions": lines if b == "decisions" else read(b)
    )
    monkeypatch.setattr(
        ledger, "look", lambda b="decisions": (lines, []) if b == "decisions" else look(b)
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"grade": "recorded", "signed_by": [], "statement": BY_GRADE["recorded"],
             "unsigned": True},
            "it is only recorded; the lifecycle asks for attested",
        ),
        ({"gate_step": "G6", "to_state": "live"}, "it leads to live, and by the lifecycle silent"),
        ({"signatures_required": ["secretary"]}, "it asks for the names of secretary, and by"),
        ({"grade_required": "recorded"}, "it asks for the grade recorded, and by the lifecycle"),
        ({"lifecycle_sha256": "7" * 64}, "the lifecycle that it names is neither"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("open_gates")
def test_a_decision_is_held_to_the_rules_it_names(run, ring, tmp_path, monkeypatch, changes, words):
    keys = [ring[role] for role in ("cso", "clinical lead", "fairness reviewer")]
    decided("approve", keys, gate="G4", run_dir=run(), author="Ana")
    forged(monkeypatch, **changes)
    assert words in refused(tmp_path / "bundle", LedgerError)


def test_weights_put_in_between_evaluation_and_decision_are_refused(run, tmp_path):
    folder = run()
    write_json(folder / "training.json", {"members": {"fold0": {"digest": "ab" * 32}}})
    write_json(folder / "gates.json", evaluate_gate(read_policy("gate_basic"), folder))
    with pytest.raises(GateError, match="the weights of fold0 are not those that training left"):
        decided("approve", run_dir=folder)


def test_weights_that_training_did_not_leave_are_not_released(run, tmp_path, monkeypatch):
    folder = run()
    write_json(folder / "training.json", {"members": {"fold0": {"digest": "ab" * 32}}})
    write_json(folder / "gates.json", evaluate_gate(read_policy("gate_basic"), folder))
    with monkeypatch.context() as before_that_was_asked:
        before_that_was_asked.setattr("aiops.governance.rules.changed_members", lambda run: [])
        record = decided("approve", run_dir=folder)
    told = refused(tmp_path / "bundle")
    assert f"not the weights that were trained and evaluated: fold0 of {folder.name}" in told
    assert f"though {record.id} names them" in told


def test_what_changes_while_it_is_copied_is_not_released(approved, tmp_path, monkeypatch):
    from aiops.governance import release as module

    folder, _ = approved
    weights = folder / "model" / "fold1" / "effusion.skops"
    good, fill = weights.read_bytes(), module._fill

    def swapped(*said):
        weights.write_bytes(b"other")
        fill(*said)
        weights.write_bytes(good)

    monkeypatch.setattr(module, "_fill", swapped)
    told = refused(tmp_path / "bundle")
    assert f"changed while it was copied: weights of the run {folder.name}" in told


def later(monkeypatch, day):
    """Let the calendar show a day."""
    from aiops.governance import conditions, in_use

    class Then(date):
        @classmethod
        def today(cls):
            return day

    for place in (conditions, in_use, usecase):
        monkeypatch.setattr(place, "date", Then)


def test_a_broken_ledger_releases_nothing(approved, tmp_path):
    path = ledger.book_path()
    path.write_text(path.read_text().replace("As the figures say", "As the figures said"))
    assert "nothing is released from a broken ledger" in refused(tmp_path / "bundle", LedgerError)


def test_a_file_that_could_run_code_is_refused(run, tmp_path):
    folder = run()
    (folder / "model" / "fold0" / "weights.bin").write_bytes(b"\x80\x04")
    decided("approve", run_dir=folder)
    told = refused(tmp_path / "bundle", DataError)
    assert "weights.bin is no kind of file that a bundle takes" in told
    assert "a model file must not run code" in told


def test_a_config_that_names_single_cases_does_not_travel(run, tmp_path):
    import yaml

    folder = run()
    config = yaml.safe_load((folder / "resolved.yaml").read_text())
    config["data"]["exclude"] = {"patient_id": PEOPLE_IN_IT[2:]}
    (folder / "resolved.yaml").write_text(yaml.safe_dump(config))
    write_json(folder / "gates.json", evaluate_gate(read_policy("gate_basic"), folder))
    decided("approve", run_dir=folder)
    told = refused(tmp_path / "bundle", DataError)
    assert "data.exclude names single patient_id" in told
    assert PEOPLE_IN_IT[2] not in told


def test_the_report_that_was_on_the_table_leaves_and_no_later_page(approved, tmp_path):
    folder, record = approved
    (folder / "report.html").write_text("<html>as it reads now</html>")
    out = release(SLUG, tmp_path / "bundle").folder
    assert content_hash(out / "report.html") == record.report_sha256
    bytes_path(record.report_sha256).unlink()
    told = refused(tmp_path / "again", LedgerError)
    assert f"{record.id}: the report on the table is missing" in told


def test_a_folder_that_is_there_is_never_written_over(approved, tmp_path):
    (tmp_path / "bundle").mkdir()
    with pytest.raises(DataError, match="a bundle is never written over"):
        release(SLUG, tmp_path / "bundle")


def vendor(run, **vendor):
    import yaml

    folder = run()
    for name in ("model", "plan.json"):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    config = yaml.safe_load((folder / "resolved.yaml").read_text())
    del config["train"]
    config["targets"]["effusion"]["score"] = "score"
    config |= {"vendor": vendor} if vendor else {}
    (folder / "resolved.yaml").write_text(yaml.safe_dump(config))
    write_json(folder / "gates.json", evaluate_gate(read_policy("gate_basic"), folder))
    return folder, decided("approve", run_dir=folder)


def test_a_vendors_tool_is_named_and_leaves_no_weights(run, tmp_path):
    folder, record = vendor(run, product="ChestRead", version="2.1", supplier="Acme")
    assert record.subject[0].product == "Acme ChestRead 2.1"
    assert record.subject[0].digests["predictions"] == content_hash(folder / "predictions.parquet")
    out = release(SLUG, tmp_path / "bundle").folder
    manifest = read_json(out / MANIFEST)
    assert manifest["product"] == "Acme ChestRead 2.1"
    assert manifest["digests"]["predictions"] == record.subject[0].digests["predictions"]
    assert not (out / "model").exists()
    assert check_bundle(out).faults == ()


def test_a_vendors_tool_without_a_name_is_refused(run, tmp_path):
    vendor(run)
    told = refused(tmp_path / "bundle")
    assert "names no product, and there are no weights here" in told
    assert "vendor: {product: NAME, version: VERSION}" in told


def test_the_commands_say_what_they_did_and_end_with_their_codes(approved, tmp_path):
    out = tmp_path / "bundle"
    done = CliRunner().invoke(COMMANDS["release"], ["--use-case", SLUG, "--out", str(out)])
    assert done.exit_code == 0, done.exception
    assert f"{approved[1].id} approve (attested), for silent_prospective" in done.stdout
    found = CliRunner().invoke(COMMANDS["bundle"], ["verify", str(out)])
    assert found.exit_code == 0
    assert f"proven: the ledger here holds {approved[1].id}" in found.stdout
    (out / "plan.json").unlink()
    found = CliRunner().invoke(COMMANDS["bundle"], ["verify", str(out)])
    assert found.exit_code == 1
    assert "fault: plan.json is missing" in found.stdout
    told = CliRunner().invoke(COMMANDS["bundle"], ["verify", str(out), "--json"])
    assert "plan.json is missing" in json.loads(told.stdout)["faults"]
