import json
import shutil

import pytest

from aiops import spool, tracking
from aiops.commands.board import sync_command
from aiops.files import read_json, write_json
from aiops.pipeline.run import _track
from aiops.reading import read_config
from aiops.tracking import TrackingError

NOWHERE = "http://user:secret@127.0.0.1:9"


class Finished:
    """What `_track` reads of a workspace."""

    def __init__(self, folder):
        self.folder = folder
        self.experiment = read_config(folder / "resolved.yaml").experiment


@pytest.fixture
def waits(client, make_run, monkeypatch):
    """A run that MLflow could not take."""
    folder = make_run()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOWHERE)
    said = _track(Finished(folder))
    assert "the run is whole, but MLflow has not got it" in said
    assert "`aiops sync`" in said
    assert "secret" not in said
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    return folder


def test_a_run_that_mlflow_cannot_take_waits_on_disk_without_the_password(waits):
    [one] = spool.waiting()
    assert one.folder == waits
    assert "secret" not in one.note.read_text()
    assert read_json(one.note)["use_case"] == "chest-effusion"
    assert read_json(waits / "run.json")["mlflow_run_id"] is None


def test_sync_sends_what_waits_and_forgets_it(waits, client):
    told = spool.send()
    assert told.sent == (f"chest-effusion/{waits.name}",)
    assert spool.waiting() == []
    run = client.get_run(read_json(waits / "run.json")["mlflow_run_id"])
    assert run.data.metrics["test/effusion/roc_auc"] == 0.9
    assert spool.send() == spool.Sent()


def test_the_next_run_that_reaches_mlflow_sends_what_waits(waits, client, make_run):
    other = make_run("2026-11-22-bbbbbbbb")
    assert _track(Finished(other)) == f"sent to MLflow: chest-effusion/{waits.name}"
    names = {run["run"] for run in tracking.list_runs()}
    assert names == {waits.name, other.name}
    assert spool.waiting() == []


def test_what_is_not_taken_again_goes_on_waiting_since_the_first_day(waits, monkeypatch):
    before = spool.waiting()[0].since
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOWHERE)
    told = spool.send()
    assert told.sent == ()
    assert told.waiting[0].startswith(f"chest-effusion/{waits.name}: MLflow did not do")
    assert [one.since for one in spool.waiting()] == [before]


@pytest.mark.parametrize(
    ("written", "why"),
    [
        (b"kind: experiment\nuse_case: chest-effusion\n", "resolved.yaml is no config: task: "),
        (b"a: [", "resolved.yaml is not YAML in UTF-8"),
        (b"\xff\xfe", "resolved.yaml is not YAML in UTF-8"),
        (None, "resolved.yaml is not there"),
    ],
)
def test_a_run_that_cannot_be_read_is_told_and_does_not_keep_the_later_ones(
    waits, client, make_run, written, why
):
    later = make_run("2026-11-22-bbbbbbbb")
    spool.keep(later, "down")
    for name, since in ((waits.name, "2026-01-01"), (later.name, "2026-01-02")):
        note = spool.spool_dir() / f"chest-effusion--{name}.json"
        write_json(note, {**read_json(note), "since": since})
    if written is None:
        (waits / "resolved.yaml").unlink()
    else:
        (waits / "resolved.yaml").write_bytes(written)
    told = spool.send()
    assert told.sent == (f"chest-effusion/{later.name}",)
    assert told.waiting[0].startswith(f"chest-effusion/{waits.name}: {why}")
    assert [one.folder for one in spool.waiting()] == [waits]


@pytest.mark.parametrize("written", ["x", "[]", "{}"])
def test_a_note_that_cannot_be_read_still_names_its_run(waits, written):
    spool.waiting()[0].note.write_text(written)
    assert [(one.folder, one.why) for one in spool.waiting()] == [
        (waits, "its note cannot be read")
    ]
    assert spool.send().sent == (f"chest-effusion/{waits.name}",)


def test_a_run_whose_folder_is_gone_is_told_and_forgotten(waits):
    shutil.rmtree(waits)
    assert spool.send().gone == (f"chest-effusion/{waits.name}",)
    assert spool.waiting() == []


def test_the_command_fails_while_something_waits(waits, monkeypatch):
    from click.testing import CliRunner

    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOWHERE)
    refused = CliRunner().invoke(sync_command, [])
    assert isinstance(refused.exception, TrackingError)
    assert refused.exception.what.startswith("1 run still waits")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert CliRunner().invoke(sync_command, []).output.startswith("sent to MLflow: chest-eff")
    assert CliRunner().invoke(sync_command, []).output == "nothing waits\n"


def test_the_oldest_that_waits_goes_first(home):
    for run, since in (("a", "2026-11-23"), ("b", "2026-11-22")):
        note = {"use_case": "ct", "run": run, "since": since, "why": "no answer"}
        write_json(spool.spool_dir() / f"ct--{run}.json", note)
    assert [one.folder.name for one in spool.waiting()] == ["b", "a"]
    assert json.loads(spool.waiting()[0].note.read_text())["run"] == "b"
