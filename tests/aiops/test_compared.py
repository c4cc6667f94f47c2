"""What was added or bent in MLflow, the words in which it is told, and a repair of it."""

from datetime import date, timedelta

import pytest

from aiops import board, tracking
from aiops.files import write_json
from aiops.governance import ledger, usecase
from aiops.governance.decision import decide, propose, record_decision
from aiops.governance.policy import evaluate_gate, read_policy

LEARNT = {"lessons": ["Ask who leads it first."], "revisit_if": ["clinical_lead!=null"]}
YESTERDAY, LATER = (str(date.today() + timedelta(days=n)) for n in (-1, 2))


@pytest.fixture
def deferred(client):
    """A case that was put off until today, and the run that shows it."""
    usecase.submit("ct-triage", "CT triage", owner="Stroke service")
    said = {"rationale": "No hands.", "by": "Board", "reasons": ["R19"], **LEARNT}
    record_decision(propose("defer", "ct-triage", review_by=date.today(), **said))
    [run_id] = tracking.project_all()
    return run_id


def repaired() -> list[str]:
    """Return what was wrong, after a repair that must have put it right."""
    told = tracking.projection_faults()
    tracking.project_all(repair=True)
    assert tracking.projection_faults() == []
    return told


def decisions(client) -> str:
    return client.get_experiment_by_name(board.DECISIONS).experiment_id


ADDED = {
    "param sensitivity": lambda client, run: client.log_param(run, "sensitivity", "0.99"),
    "metric auc": lambda client, run: client.log_metric(run, "auc", 0.99),
    "file decision_final.html": lambda client, run: client.log_text(
        run, "approved for all sites", "decision_final.html"
    ),
    "file more/notes.txt": lambda client, run: client.log_text(run, "fine", "more/notes.txt"),
}


def test_what_was_added_to_a_decision_is_told_and_the_decision_is_shown_anew(client, deferred):
    for add in ADDED.values():
        add(client, deferred)
    assert repaired() == [
        f"DEC-2026-0001: {what} in MLflow comes from no entry of the ledger" for what in ADDED
    ]
    assert client.get_run(deferred).data.tags["aiops.kind"] == "not in the ledger"
    [run_id] = tracking.project_all()
    assert run_id != deferred


def test_tags_and_views_that_the_ledger_does_not_write_are_told_and_taken_away(client, deferred):
    client.set_tag(deferred, "aiops.approved_by", "Medical director")
    client.set_tag(deferred, "team", "A")
    client.set_experiment_tag(decisions(client), "mlflow.sharedViewState.evil", "{}")
    words = "in MLflow comes from no entry of the ledger"
    assert repaired() == [
        f"governance/decisions: tag mlflow.sharedViewState.evil {words}",
        f"DEC-2026-0001: tag aiops.approved_by {words}",
    ]
    assert client.get_run(deferred).data.tags["team"] == "A"  # people may add words of their own


@pytest.mark.parametrize(
    "bend",
    [
        lambda client, run: client.set_tag(run, "aiops.outcome", "approve"),
        lambda client, run: client.set_tag(run, "aiops.to_state", "live"),
        lambda client, run: client.set_tag(run, "mlflow.note.content", "APPROVED for live"),
        lambda client, run: client.set_terminated(run, "FINISHED"),
        lambda client, run: client.update_run(run, name="ct-triage: approve"),
    ],
)
def test_a_marked_stranger_that_says_more_than_the_marks_is_a_stranger_again(
    client, deferred, bend
):
    tags = {"aiops.kind": "not in the ledger", "aiops.outcome": "approve"}
    forged = client.create_run(decisions(client), tags=tags, run_name="forged").info.run_id
    assert len(repaired()) == 1  # one tag alone hides nothing
    bend(client, forged)
    assert len(repaired()) == 1
    assert client.get_run(forged).data.tags["aiops.outcome"] == "not in the ledger"


def test_what_the_calendar_changes_is_held_to_the_day_that_it_names(client, deferred):
    client.set_tag(deferred, "aiops.shown_on", YESTERDAY)
    client.set_tag(deferred, "aiops.approval", "in force until 2999")
    told = repaired()
    assert any("tag aiops.approval reads 'in force until 2999' in MLflow" in t for t in told)
    assert any("tag aiops.review reads 'DUE' in MLflow, '' by" in t for t in told)


@pytest.mark.parametrize(("day", "words"), [(LATER, "a day still to come"), ("soon", "is no day")])
def test_a_day_that_cannot_be_is_told(client, deferred, day, words):
    client.set_tag(deferred, "aiops.shown_on", day)
    case = client.get_experiment_by_name("usecase/UC-0001 ct-triage")
    client.set_experiment_tag(case.experiment_id, "aiops.shown_on", day)
    told = repaired()
    assert len(told) == 2
    assert all(words in line for line in told)


def test_the_report_beside_a_decision_is_the_copy_that_was_decided_on(client, make_run, attested):
    usecase.submit("chest-effusion", "Effusion on chest films")
    folder = make_run()
    (folder / "report.html").write_text("<html>as it was</html>")
    write_json(folder / "gates.json", evaluate_gate(read_policy("gate_basic"), folder))
    decide("approve", "chest-effusion", run_dir=folder, rationale="Good.", by="Board", **attested)
    assert ledger.read_all()[0]["report_sha256"]
    (folder / "report.html").write_text("<html>made anew</html>")
    assert repaired() == []
    [run_id] = tracking.project_all()
    client.log_text(run_id, "<html>AUC 0.99</html>", "report.html")
    assert repaired() == ["DEC-2026-0001: report.html in MLflow is not what the ledger leads to"]
    [same] = tracking.project_all()
    assert same == run_id
