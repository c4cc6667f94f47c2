import json
from datetime import date, timedelta

import pytest

from aiops import board, registry, tracking
from aiops.files import read_json, write_json
from aiops.governance import ledger, usecase
from aiops.governance.decision import decide
from aiops.governance.policy import evaluate_gate, read_policy
from aiops.reading import read_config
from aiops.tracking import TrackingError

LATER = date.today() + timedelta(days=100)
SAID = {"rationale": "So it is.", "by": "Board"}


@pytest.fixture(autouse=True)
def _as_trained(monkeypatch):
    # These runs name digests and hold no weights: what is asked is where an alias points.
    monkeypatch.setattr("aiops.governance.rules.changed_members", lambda run_dir: [])


@pytest.fixture
def approved(client, make_run, attested):
    """A case whose run was approved for a silent trial, and the run's folder."""

    def make(*, has_model: bool):
        usecase.submit("chest-effusion", "Effusion on chest films", owner="Radiology")
        folder = make_run()
        if has_model:
            write_json(folder / "training.json", {"members": {"model": {"digest": "d" * 64}}})
        write_json(folder / "gates.json", evaluate_gate(read_policy("gate_basic"), folder))
        tracking.log_run(folder, read_config(folder / "resolved.yaml").experiment)
        decide("approve", "chest-effusion", run_dir=folder, **SAID, **attested)
        return folder

    return make


def the_model(client):
    [model] = client.search_registered_models()
    return model


def test_an_approval_points_the_alias_to_the_version_with_the_approved_bytes(client, approved):
    folder = approved(has_model=True)
    assert the_model(client).name == "chest-effusion"
    assert the_model(client).tags["aiops.use_case"] == "UC-0001 chest-effusion"
    assert the_model(client).tags["aiops.state"] == "silent_prospective"
    version = client.get_model_version_by_alias("chest-effusion", "silent")
    assert version.tags["aiops.digest"] == "d" * 64
    assert version.run_id == read_json(folder / "run.json")["mlflow_run_id"]
    tracking.project_all()
    assert len(client.search_model_versions("name = 'chest-effusion'")) == 1
    assert tracking.projection_faults() == []


def test_a_model_that_the_store_holds_is_found_there_and_no_other_store_is_made(
    client, make_run, attested, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    usecase.submit("chest-effusion", "Effusion on chest films")
    folder = make_run()
    write_json(folder / "training.json", {"members": {"model": {"digest": "d" * 64}}})
    write_json(folder / "gates.json", evaluate_gate(read_policy("gate_basic"), folder))
    run_id = tracking.log_run(folder, read_config(folder / "resolved.yaml").experiment)
    experiment_id = client.get_run(run_id).info.experiment_id
    model = client.create_logged_model(experiment_id, name="model", source_run_id=run_id)
    client.finalize_logged_model(model.model_id, "READY")
    client.set_tag(run_id, "aiops.model_uri", f"models:/{model.model_id}")
    decide("approve", "chest-effusion", run_dir=folder, **SAID, **attested)
    version = client.get_model_version_by_alias("chest-effusion", "silent")
    assert version.source == model.artifact_location
    assert not (tmp_path / "mlflow.db").exists()


def test_the_version_is_the_model_that_the_run_logged(client, make_run, attested):
    usecase.submit("chest-effusion", "Effusion on chest films")
    folder = make_run()
    write_json(folder / "training.json", {"members": {"model": {"digest": "d" * 64}}})
    write_json(folder / "gates.json", evaluate_gate(read_policy("gate_basic"), folder))
    run_id = tracking.log_run(folder, read_config(folder / "resolved.yaml").experiment)
    where = client.get_run(run_id).info.experiment_id
    model = client.create_logged_model(where, name="model", source_run_id=run_id)
    client.set_tag(run_id, "aiops.model_uri", f"models:/{model.model_id}")
    decide("approve", "chest-effusion", run_dir=folder, **SAID, **attested)
    version = client.get_model_version_by_alias("chest-effusion", "silent")
    assert model.model_id in version.source
    assert version.tags["aiops.digest"] == "d" * 64
    assert tracking.projection_faults() == []


def test_bytes_that_the_store_does_not_hold_get_a_tag_in_place_of_a_version(client, approved):
    approved(has_model=False)
    assert client.search_model_versions("name = 'chest-effusion'") == []
    assert the_model(client).tags["aiops.alias.silent"].endswith(f"digest {'9' * 64}")
    assert tracking.projection_faults() == []


@pytest.mark.parametrize("has_model", [True, False])
def test_a_suspension_takes_the_alias_away_at_once(client, approved, tmp_path, has_model):
    approved(has_model=has_model)
    minutes = tmp_path / "minutes.pdf"
    minutes.write_bytes(b"minutes")
    decide("suspend", "chest-effusion", reasons=["R24"], attested_by="A. Clerk", minutes=minutes,
           attendees=["Dr Bell: cso"], **SAID)  # fmt: skip
    assert the_model(client).aliases == {}
    assert not [key for key in the_model(client).tags if key.startswith("aiops.alias.")]
    assert tracking.projection_faults() == []


@pytest.mark.parametrize("has_model", [True, False])
def test_an_alias_that_somebody_moved_is_told_and_put_back(client, approved, has_model):
    approved(has_model=has_model)
    tracking.drop_alias("chest-effusion", "silent")
    tracking.set_alias("UC-0001", "live", "9" * 64)
    digest = ("d" if has_model else "9") * 12
    assert tracking.projection_faults() == [
        f"UC-0001 chest-effusion: alias live points to {'9' * 12} in MLflow, "
        "to nothing by the ledger",
        "UC-0001 chest-effusion: alias silent points to nothing in MLflow, "
        f"to {digest} by the ledger",
    ]
    tracking.project_all(repair=True)
    assert tracking.projection_faults() == []


def test_an_alias_that_is_not_ours_is_left_alone(client, approved):
    approved(has_model=True)
    client.set_registered_model_alias("chest-effusion", "champion", "1")
    tracking.project_all()
    assert set(the_model(client).aliases) == {"silent", "champion"}
    assert tracking.projection_faults() == []


def test_taking_away_what_is_not_there_is_no_fault(client):
    usecase.submit("ct-triage", "CT triage")
    tracking.drop_alias("ct-triage", "silent")
    assert client.search_registered_models() == []


def test_a_decision_without_bytes_points_nowhere(client):
    case = usecase.submit("ct-triage", "CT triage")
    record = {"id": "DEC-2026-0001", "case_id": case.id, "use_case": case.slug, "subject": [],
              "effect": "alias silent", "outcome": "approve"}  # fmt: skip
    assert registry.wanted(case, [record]) == {}
    assert json.dumps(ledger.read_all()) == "[]"


def test_a_version_with_a_copied_digest_is_told_and_the_true_one_is_put_back(client, approved):
    approved(has_model=True)
    tags = {"aiops.digest": "d" * 64}
    evil = client.create_model_version("chest-effusion", "/somewhere/else", None, tags=tags)
    client.set_registered_model_alias("chest-effusion", "silent", evil.version)
    assert tracking.projection_faults() == [
        "UC-0001 chest-effusion: alias silent points to bytes that no decision names in MLflow, "
        f"to {'d' * 12} by the ledger"
    ]
    tracking.project_all(repair=True)
    assert tracking.projection_faults() == []
    version = client.get_model_version_by_alias("chest-effusion", "silent")
    assert version.version != evil.version


def test_the_page_of_a_model_follows_the_case_and_an_edit_of_it_is_told(client, approved, tmp_path):
    approved(has_model=True)
    assert the_model(client).description.startswith("SILENT PROSPECTIVE")
    client.update_registered_model("chest-effusion", "Approved for everybody")
    client.set_registered_model_tag("chest-effusion", "aiops.state", "live")
    told = tracking.projection_faults()
    assert len(told) == 2
    assert any("tag aiops.state reads 'live' in MLflow" in line for line in told)
    minutes = tmp_path / "minutes.pdf"
    minutes.write_bytes(b"minutes")
    decide("suspend", "chest-effusion", reasons=["R24"], attested_by="A. Clerk", minutes=minutes,
           attendees=["Dr Bell: cso"], **SAID)  # fmt: skip
    assert the_model(client).description.startswith("SUSPENDED")
    assert tracking.projection_faults() == []


def test_an_alias_of_ours_on_another_model_is_told(client, approved):
    approved(has_model=True)
    client.create_registered_model("chest-effusion-live")
    client.create_model_version("chest-effusion-live", "/somewhere/else", None)
    client.set_registered_model_alias("chest-effusion-live", "live", "1")
    [told] = tracking.projection_faults()
    assert told.startswith("registered model chest-effusion-live: alias live is set")


def test_a_model_of_another_ledger_is_left_alone(client, approved):
    approved(has_model=True)
    client.set_registered_model_tag("chest-effusion", "aiops.ledger", "0" * 64)
    client.set_registered_model_alias("chest-effusion", "live", "1")
    with pytest.raises(tracking.TrackingError, match="model chest-effusion is shown in MLflow for"):
        tracking.project_all(repair=True)
    assert set(the_model(client).aliases) == {"silent", "live"}


@pytest.fixture
def approve(client, make_run, attested):
    """Approve a run for a silent trial, with a model of some digest or with none."""
    usecase.submit("chest-effusion", "Effusion on chest films", owner="Radiology")

    def make(name, digest=""):
        folder = make_run(name)
        if digest:
            write_json(folder / "training.json", {"members": {"model": {"digest": digest}}})
        write_json(folder / "gates.json", evaluate_gate(read_policy("gate_basic"), folder))
        tracking.log_run(folder, read_config(folder / "resolved.yaml").experiment)
        decide("approve", "chest-effusion", run_dir=folder, **SAID, **attested)
        return read_json(folder / "run.json")["mlflow_run_id"]

    return make


def silent(client):
    return client.get_model_version_by_alias("chest-effusion", "silent")


def test_a_later_approval_takes_the_alias_to_its_own_bytes(client, approve):
    runs = {"d" * 64: approve("a", "d" * 64), "e" * 64: approve("b", "e" * 64)}
    assert silent(client).tags["aiops.digest"] == "e" * 64
    assert silent(client).run_id == runs["e" * 64]
    assert tracking.projection_faults() == []


@pytest.mark.parametrize("digests", [("d" * 64, ""), ("", "d" * 64)])
def test_an_alias_is_a_version_or_a_tag_and_never_both(client, approve, digests):
    for name, digest in zip("ab", digests, strict=True):
        approve(name, digest)
    [model] = client.search_registered_models()
    tags = [key for key in model.tags if key.startswith("aiops.alias.")]
    assert (list(model.aliases), tags) == (
        (["silent"], []) if digests[1] else ([], ["aiops.alias.silent"])
    )
    assert tracking.projection_faults() == []


def test_an_alias_goes_although_its_decision_cannot_be_shown(
    client, approve, monkeypatch, tmp_path
):
    def fails(*_, **__):
        raise TrackingError("the server went away", where="here", fix="wait")

    approve("a", "d" * 64)
    minutes = tmp_path / "minutes.pdf"
    minutes.write_bytes(b"minutes")
    monkeypatch.setattr(board, "show_decisions", fails)
    with pytest.raises(TrackingError, match="stands, but MLflow does not show it"):
        decide("suspend", "chest-effusion", reasons=["R24"], attested_by="A. Clerk",
               minutes=minutes, attendees=["Dr Bell: cso"], **SAID)  # fmt: skip
    [model] = client.search_registered_models()
    assert model.aliases == {}


def test_an_approval_of_another_case_points_no_alias_here(home):
    mine, other = (usecase.submit(slug, "A case") for slug in ("ct-triage", "mr-triage"))
    record = {"id": "DEC-2026-0001", "case_id": other.id, "use_case": other.slug,
              "subject": [{"digest": "d" * 64}], "effect": "alias live"}  # fmt: skip
    assert registry.wanted(other, [record]) == {"live": "d" * 64}
    assert registry.wanted(mine, [record]) == {}
