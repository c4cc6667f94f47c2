import json
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from aiops import board, shown, tracking
from aiops.errors import LedgerError
from aiops.files import read_json
from aiops.governance import ledger, usecase
from aiops.governance.decision import propose, record_decision
from aiops.governance.standing import DecisionStanding
from aiops.governance.verify import verify_ledger
from aiops.tracking import TrackingError

LEARNT = {"lessons": ["Ask who leads it first."], "revisit_if": ["clinical_lead!=null"]}
LATER = date.today() + timedelta(days=1)


@pytest.fixture
def rejected(client):
    """A case that was rejected at intake, and the run that shows it."""
    usecase.submit("ct-triage", "CT triage", owner="Stroke service")
    record_decision(
        propose("reject", "ct-triage", rationale="No owner.", by="Board", reasons=["R06"], **LEARNT)
    )
    [run_id] = tracking.project_all()
    assert tracking.projection_faults() == []
    return run_id


def repaired() -> list[str]:
    """Return what was wrong, after a repair that must have put it right."""
    told = tracking.projection_faults()
    tracking.project_all(repair=True)
    assert tracking.projection_faults() == []
    return told


def test_an_edited_tag_is_told_by_both_values(client, rejected):
    client.set_tag(rejected, "aiops.outcome", "approve")
    assert repaired() == [
        "DEC-2026-0001: tag aiops.outcome reads 'approve' in MLflow, 'reject' by the ledger"
    ]


def test_a_tag_taken_away_is_told(client, rejected):
    client.delete_tag(rejected, "aiops.reasons")
    assert repaired() == [
        "DEC-2026-0001: tag aiops.reasons reads nothing in MLflow, "
        "'R06 NO_CHAMPION_OR_OWNER' by the ledger"
    ]


def test_an_edited_description_is_told(client, rejected):
    client.set_tag(rejected, "mlflow.note.content", "**APPROVED**")
    assert repaired() == [
        "DEC-2026-0001: tag mlflow.note.content in MLflow is not what the ledger says"
    ]


def test_a_changed_status_and_a_changed_name_are_told(client, rejected):
    client.set_terminated(rejected, "FINISHED")
    client.update_run(rejected, name="ct-triage: approve")
    assert repaired() == [
        "DEC-2026-0001: its run was renamed to 'ct-triage: approve'",
        "DEC-2026-0001: its run is marked FINISHED, not KILLED",
    ]


@pytest.mark.parametrize("name", ["decision.html", "decision.json", "evidence.json"])
def test_a_changed_file_is_told(client, rejected, name):
    client.log_text(rejected, "another", name)
    assert repaired() == [f"DEC-2026-0001: {name} in MLflow is not what the ledger leads to"]


def test_a_missing_file_is_told(client, rejected):
    folder = Path(client.download_artifacts(rejected, ""))
    (folder / "decision.json").unlink()
    assert repaired() == ["DEC-2026-0001: decision.json in MLflow is not what the ledger leads to"]


def test_a_run_in_the_bin_is_brought_back(client, rejected):
    client.delete_run(rejected)
    assert repaired() == ["DEC-2026-0001: its run was deleted"]
    assert client.get_run(rejected).info.lifecycle_stage == "active"


def test_the_experiment_in_the_bin_is_brought_back(client, rejected):
    where = client.get_experiment_by_name(board.DECISIONS).experiment_id
    client.delete_experiment(where)
    assert "the experiment governance/decisions was deleted in MLflow" in repaired()


def test_a_run_that_no_decision_made_is_told_and_marked_but_kept(client, rejected):
    where = client.get_experiment_by_name(board.DECISIONS).experiment_id
    tags = {"aiops.kind": "decision", "aiops.decision": "DEC-2026-0099", "aiops.outcome": "approve"}
    forged = client.create_run(where, tags=tags, run_name="ct-triage: approve").info.run_id
    assert repaired() == [
        "ct-triage: approve: this run stands among the decisions and is not in the ledger"
    ]
    run = client.get_run(forged)
    assert run.info.status == "FAILED"
    assert run.data.tags["aiops.outcome"] == "not in the ledger"
    said = json.loads(run.data.tags["aiops.said"])
    assert (said["aiops.outcome"], said["name"]) == ("approve", "ct-triage: approve")
    assert run.data.tags["mlflow.note.content"].startswith("**NOT IN THE LEDGER**")


def test_a_second_run_of_one_decision_is_told(client, rejected):
    where = client.get_experiment_by_name(board.DECISIONS).experiment_id
    tags = {**client.get_run(rejected).data.tags, "mlflow.runName": "a copy"}
    client.create_run(where, tags=tags, run_name="a copy")
    assert repaired() == [
        "DEC-2026-0001: 2 runs in MLflow say that they show it",
        "a copy: this run stands among the decisions and is not in the ledger",
    ]


def test_showing_again_leaves_a_stranger_as_it_is(client, rejected):
    where = client.get_experiment_by_name(board.DECISIONS).experiment_id
    tags = {"aiops.kind": "decision", "aiops.decision": "DEC-2026-0099"}
    other = client.create_run(where, tags=tags, run_name="another home's").info.run_id
    tracking.project_all()
    assert client.get_run(other).data.tags.get("aiops.outcome") is None


def test_two_who_show_the_ledger_at_once_make_one_run_of_each_decision(client, rejected):
    where = client.get_experiment_by_name(board.DECISIONS).experiment_id
    for number in range(3):
        usecase.submit(f"case-{number}", "Another case")
        said = {"rationale": "No.", "by": "Board", "reasons": ["R06"], **LEARNT}
        record_decision(propose("reject", f"case-{number}", **said))
    command = [sys.executable, "-c", "from aiops import tracking; tracking.project_all()"]
    both = [subprocess.Popen(command) for _ in range(2)]
    assert [one.wait(timeout=120) for one in both] == [0, 0]
    assert len(client.search_runs([where])) == 4
    assert tracking.projection_faults() == []


def test_an_edited_use_case_is_told(client, rejected):
    found = client.get_experiment_by_name("usecase/UC-0001 ct-triage")
    client.set_experiment_tag(found.experiment_id, "aiops.state", "live")
    assert repaired() == [
        "UC-0001 ct-triage: tag aiops.state reads 'live' in MLflow, 'rejected' by the ledger"
    ]
    client.delete_experiment(found.experiment_id)
    assert "UC-0001 ct-triage: was deleted in MLflow" in repaired()


def test_an_edited_view_is_told(client, rejected):
    found = client.get_experiment_by_name(board.DECISIONS)
    client.set_experiment_tag(found.experiment_id, "mlflow.sharedViewState.aiops-rejected", "{}")
    [told] = repaired()
    assert told.startswith("governance/decisions: tag mlflow.sharedViewState.aiops-rejected")


def test_a_use_case_that_nobody_registered_is_told(client, rejected):
    client.create_experiment("usecase/UC-0042 forged")
    assert tracking.projection_faults() == [
        "usecase/UC-0042 forged: this experiment is no use case of the register"
    ]


def test_a_ledger_that_was_never_shown_is_told_line_by_line(client):
    usecase.submit("ct-triage", "CT triage")
    record_decision(
        propose("reject", "ct-triage", rationale="No owner.", by="Board", reasons=["R06"], **LEARNT)
    )
    assert repaired() == [
        "UC-0001 ct-triage: no experiment in MLflow shows it",
        "DEC-2026-0001: no run in MLflow shows it",
        "the experiment governance/use-cases is not there in MLflow",
    ]


def test_what_the_calendar_changed_is_no_fault_and_is_shown_by_the_next_look(client):
    usecase.submit("ct-triage", "CT triage")
    said = {"rationale": "No hands.", "by": "Board", "reasons": ["R19"]}
    record_decision(propose("defer", "ct-triage", review_by=date.today(), **said, **LEARNT))
    [run_id] = tracking.project_all()
    tags = client.get_run(run_id).data.tags
    assert tags["aiops.review"] == "DUE"
    [told] = shown.read_ledger()
    before = told.tags(DecisionStanding())  # as it was shown on the day before
    for key, value in {**before, "aiops.shown_on": "2020-01-01"}.items():
        client.set_tag(run_id, key, value)
    client.log_text(run_id, told.files(DecisionStanding())["decision.html"], "decision.html")
    assert tracking.projection_faults() == []
    client.set_tag(run_id, "aiops.outcome", "approve")
    assert len(tracking.projection_faults()) == 1
    tracking.project_all()
    assert client.get_run(run_id).data.tags["aiops.review"] == "DUE"
    assert tracking.projection_faults() == []


def test_the_evidence_is_a_table_and_says_what_was_computed(client):
    usecase.submit("wrist", "Scaphoid fracture")
    figures = {"code": "R01", "kind": "computed", "value": 112.0, "threshold": 480,
               "sentence": "112 films, 480 needed.", "source": "learning curve"}  # fmt: skip
    record_decision(
        propose("reject", "wrist", rationale="Too few.", by="Board", reasons=["R01", "R08"],
                reason_evidence={"R01": figures}, **LEARNT)
    )  # fmt: skip
    [run_id] = tracking.project_all()
    table = read_json(Path(client.download_artifacts(run_id, "evidence.json")))
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    assert [(row["about"], row["answer"]) for row in rows] == [
        ("R01 INSUFFICIENT_DATA", "computed, and it cannot tell"),
        ("R08 VENDOR_DUPLICATE", "stated"),
    ]
    assert rows[0]["found"] == "112 films, 480 needed."
    assert client.get_run(run_id).data.tags["mlflow.loggedArtifacts"] == (
        '[{"path": "evidence.json", "type": "table"}]'
    )
    page = Path(client.download_artifacts(run_id, "decision.html")).read_text()
    assert "<strong>computed, and it cannot tell:</strong> 112 films, 480 needed." in page
    assert "<strong>stated:</strong>" in page


def test_a_long_intake_is_shown_as_far_as_mlflow_holds_it(client):
    usecase.submit("ct-triage", "CT triage", problem="A word. " * 4000)
    tracking.project_all()
    assert tracking.projection_faults() == []
    found = client.get_experiment_by_name("usecase/UC-0001 ct-triage")
    assert "cut here; SHA-256 of the whole" in found.tags["mlflow.note.content"]


def test_a_run_names_the_line_of_the_ledger(client, rejected):
    tags = client.get_run(rejected).data.tags
    assert tags["aiops.record_sha256"] == ledger.head()


FORGED = {"aiops.record_sha256": "0" * 64, "aiops.outcome": "approve"}


def test_another_record_of_a_decision_stays_and_is_told_until_somebody_repairs(client, rejected):
    for key, value in FORGED.items():
        client.set_tag(rejected, key, value)
    usecase.submit("skin", "Skin lesions")
    said = {"rationale": "No.", "by": "Board", "reasons": ["R06"], **LEARNT}
    second = record_decision(propose("reject", "skin", **said))
    with pytest.raises(TrackingError, match="another record of DEC-2026-0001 than the") as caught:
        tracking.project_all()
    assert "aiops ledger verify" in str(caught.value)
    assert FORGED.items() <= client.get_run(rejected).data.tags.items()
    where = client.get_experiment_by_name(board.DECISIONS).experiment_id
    found = client.search_runs([where], f"tags.`aiops.decision` = '{second.id}'")
    assert len(found) == 1  # the others were shown
    with pytest.raises(TrackingError, match="another record"):
        tracking.log_use_case(usecase.find("ct-triage"))
    assert "MLflow holds another record of it (sum 000000000000)" in repaired()[0]
    assert client.get_run(rejected).data.tags["aiops.outcome"] == "reject"


def test_a_record_whose_sum_was_taken_away_is_another_record(client, rejected):
    client.delete_tag(rejected, "aiops.record_sha256")
    with pytest.raises(TrackingError, match="another record"):
        tracking.project_all()


def test_two_ledgers_on_one_server_do_not_overwrite_each_other(
    client, rejected, home, monkeypatch, tmp_path
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{home / 'mlflow.db'}")
    monkeypatch.setenv("AIOPS_HOME", str(tmp_path / "second"))
    before = client.get_run(rejected).data.tags
    usecase.submit("ct-triage", "CT triage of another hospital")
    record_decision(propose("re-review", "ct-triage", rationale="Look again.", by="Other board"))
    for repair in (False, True):
        with pytest.raises(TrackingError, match="DEC-2026-0001 is shown in MLflow for another"):
            tracking.project_all(repair=repair)
    assert client.get_run(rejected).data.tags == before
    told = tracking.projection_faults()
    assert "DEC-2026-0001: no run in MLflow shows it" in told
    words = "is shown in MLflow for another ledger"
    assert sum(words in line for line in told) == 3  # use case, its row, the decision
    found = client.get_experiment_by_name("usecase/UC-0001 ct-triage")
    assert found.tags["aiops.state"] == "rejected"
    with pytest.raises(TrackingError, match=words):
        tracking.log_use_case(usecase.find("ct-triage"))


def test_a_ledger_that_does_not_read_is_not_shown(client, rejected):
    ledger.append(lambda earlier: {"id": "DEC-2026-0002", "case_id": "UC-0001"})
    with pytest.raises(LedgerError, match="does not read as a decision"):
        tracking.project_all()


def test_a_ledger_that_does_not_hold_together_is_not_shown(client, rejected):
    path = ledger.book_path(ledger.USE_CASES)
    path.write_text(path.read_text().replace("Stroke service", "Nobody"))
    client.delete_run(rejected)
    with pytest.raises(LedgerError, match="line 1: the line was edited") as caught:
        tracking.project_all()
    assert "is not shown in MLflow" in caught.value.what
    assert client.get_run(rejected).info.lifecycle_stage == "deleted"


def test_half_a_last_line_keeps_nothing_from_being_shown_and_a_repair_sets_it_aside(
    client, rejected
):
    path = ledger.book_path("dissents")
    path.write_bytes(b'{"record":{"prop')
    client.delete_run(rejected)
    assert tracking.project_all() == [rejected]
    assert [one.what for one in verify_ledger().found] == ["the line is cut short"]
    assert verify_ledger(repair=True).found == ()
    assert path.read_bytes() == b""
    assert path.with_suffix(".torn.txt").read_bytes() == b'{"record":{"prop\n'
