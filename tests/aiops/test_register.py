import pytest

from aiops import tracking
from aiops.governance import usecase
from aiops.governance.decision import decide
from aiops.register import REGISTER

LEARNT = {"lessons": ["Ask who leads it first."], "revisit_if": ["clinical_lead!=null"]}


@pytest.fixture
def shown(client):
    """Two cases in the table, one of them rejected; and the table's experiment."""
    usecase.submit("ct-triage", "CT triage", owner="Stroke service")
    usecase.submit("skin", "Skin lesions")
    decide("reject", "ct-triage", rationale="No.", by="Board", reasons=["R06"], **LEARNT)
    return client.get_experiment_by_name(REGISTER).experiment_id


def runs(client, experiment_id):
    found = client.search_runs([experiment_id], order_by=["attributes.start_time"])
    return {run.data.tags["aiops.use_case"]: run for run in found}


def test_state_owner_and_reason_are_columns_whether_or_not_anything_was_run(client, shown):
    found = runs(client, shown)
    assert {run.info.run_name: run.info.status for run in found.values()} == {
        "ct-triage: rejected": "KILLED",
        "skin: submitted": "SCHEDULED",
    }
    tags = found["UC-0001"].data.tags
    assert tags["aiops.state"] == "rejected"
    assert tags["aiops.owner"] == "Stroke service"
    assert tags["aiops.reasons"] == "R06 NO_CHAMPION_OR_OWNER"
    assert found["UC-0002"].data.tags["aiops.owner"] == "nobody named"
    views = client.get_experiment(shown).tags
    assert sum(key.startswith("mlflow.sharedViewState.") for key in views) == 3


def test_the_row_follows_the_decisions_and_the_edits(client, shown):
    before = runs(client, shown)["UC-0002"].info.run_id
    tracking.log_use_case(usecase.edit("skin", by="A. Lead", owner="Dermatology"))
    decide("defer", "skin", rationale="No.", by="Board", reasons=["R19"], **LEARNT)
    run = runs(client, shown)["UC-0002"]
    assert run.info.run_id == before
    assert run.info.run_name == "skin: deferred"
    assert run.data.tags["aiops.owner"] == "Dermatology"
    assert tracking.projection_faults() == []


def test_an_edited_renamed_deleted_or_added_row_is_told_and_put_right(client, shown):
    found = runs(client, shown)
    first, second = (found[number].info.run_id for number in ("UC-0001", "UC-0002"))
    client.set_tag(first, "aiops.state", "live")
    client.update_run(first, name="ct-triage: live")
    client.delete_run(second)
    extra = client.create_run(shown, tags={"aiops.use_case": "UC-0099"}, run_name="forged")
    assert tracking.projection_faults() == [
        f"UC-0001 ct-triage in {REGISTER}: tag aiops.state reads 'live' in MLflow, "
        "'rejected' by the ledger",
        f"UC-0001 ct-triage in {REGISTER}: its run was renamed to 'ct-triage: live'",
        f"UC-0002 skin in {REGISTER}: no run shows it, or it was deleted",
        f"forged in {REGISTER}: this run is no use case of the register",
    ]
    tracking.project_all(repair=True)
    assert tracking.projection_faults() == []
    assert client.get_run(second).info.lifecycle_stage == "active"
    forged = client.get_run(extra.info.run_id)
    assert (forged.info.status, forged.data.tags["aiops.state"]) == ("FAILED", "not in the ledger")
