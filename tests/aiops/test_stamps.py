"""The pages of runs follow the ledger: on the disk, in their noted sums, and in MLflow."""

import logging
from datetime import date
from pathlib import Path

import pytest

from aiops import stamps, tracking
from aiops.config import Experiment
from aiops.files import read_json, write_json
from aiops.governance import usecase
from aiops.governance.decision import decide
from aiops.governance.policy import evaluate_gate, read_policy
from aiops.provenance import content_hash
from aiops.reading import read_config
from aiops.report.stamp import no_stamp, words

SLUG = "chest-effusion"
SAID = {"rationale": "As the figures say.", "by": "Imaging AI board"}


@pytest.fixture
def run(make_run):
    """A registered run with its three pages, as the report stage left them."""
    usecase.submit(SLUG, "Effusion on chest films")
    folder = make_run()
    write_json(folder / "gates.json", evaluate_gate(read_policy("gate_basic"), folder))
    for name in stamps.PAGES:
        (folder / name).write_text(f"<html>{no_stamp()}<p>{name}</p></html>")
    note(folder)
    return folder


def note(folder):
    told = read_json(folder / "run.json")
    sums = {name: content_hash(folder / name) for name in stamps.PAGES}
    stages = {**told["stages"], "report": {"outputs": sums, "inputs": {}}}
    write_json(folder / "run.json", {**told, "stages": stages})


def noted(folder):
    return read_json(folder / "run.json")["stages"]["report"]["outputs"]


def test_pages_say_how_the_run_stands_and_their_sums_follow(run):
    (run / "report.pdf").write_bytes(b"of the page before")
    assert stamps.stamp_run(run)
    for name in stamps.PAGES:
        assert "No decision rests on this run" in (run / name).read_text()
        assert noted(run)[name] == content_hash(run / name)
    assert not (run / "report.pdf").exists()
    before = (run / "report.html").read_bytes()
    assert not stamps.stamp_run(run)
    assert (run / "report.html").read_bytes() == before


def test_the_day_alone_rewrites_nothing(run, monkeypatch):
    stamps.stamp_run(run)
    before = (run / "report.html").read_bytes()

    class Tomorrow(date):
        @classmethod
        def today(cls):
            return date(2999, 1, 1)

    monkeypatch.setattr("aiops.governance.run_standing.date", Tomorrow)
    assert not stamps.stamp_run(run)
    assert (run / "report.html").read_bytes() == before


def test_a_page_changed_by_hand_is_left_alone_and_told(run, caplog):
    page = run / "report.html"
    page.write_text(page.read_text() + "<p>AUC 1.00</p>")
    edited = page.read_bytes()
    with caplog.at_level(logging.WARNING):
        assert stamps.stamp_run(run)
    assert page.read_bytes() == edited
    assert noted(run)["report.html"] != content_hash(page)
    assert "is not as `aiops report` wrote it" in caplog.text


def test_a_page_without_a_place_for_it_is_passed_over(run):
    for name in stamps.PAGES:
        (run / name).write_text("<html>of an earlier version</html>")
    note(run)
    assert not stamps.stamp_run(run)


def test_each_decision_brings_the_pages_and_mlflow_up_to_date(client, run, attested):
    experiment: Experiment = read_config(run / "resolved.yaml").experiment
    run_id = tracking.log_run(run, experiment)
    decide("approve", SLUG, run_dir=run, **SAID, **attested)
    shown = client.get_run(run_id).data.tags
    assert shown[stamps.STANDING].startswith("APPROVED for silent prospective by DEC-")
    local = Path(client.download_artifacts(run_id, "report.html", str(run.parent)))
    assert words(local.read_text()) == words((run / "report.html").read_text())
    assert 'class="stamp good"' in local.read_text()
    decide("suspend", SLUG, reasons=["R24"], **SAID, **attested)
    assert 'class="stamp bad"' in (run / "sheet.html").read_text()
    assert "SUSPENDED" in client.get_run(run_id).data.tags[stamps.STANDING]


def test_a_suspension_is_red_on_the_pages_though_mlflow_is_away(client, run, attested, monkeypatch):
    decide("approve", SLUG, run_dir=run, **SAID, **attested)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(tracking.TrackingError, match="is recorded in the ledger and stands"):
        decide("suspend", SLUG, reasons=["R24"], **SAID, **attested)
    assert 'class="stamp bad"' in (run / "report.html").read_text()
