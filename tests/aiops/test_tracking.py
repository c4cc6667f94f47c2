import json
import socket
import subprocess
import time
import warnings
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

from aiops import tracking
from aiops.cli import cli
from aiops.config import Experiment
from aiops.files import read_json, write_json
from aiops.governance import ledger, usecase
from aiops.governance.decision import decide
from aiops.governance.policy import evaluate_gate, read_policy
from aiops.tracking import TrackingError

LEARNT = {"lessons": ["Ask who leads it first."], "revisit_if": ["clinical_lead!=null"]}
LATER = date.today() + timedelta(days=100)


def experiment_of(folder: Path) -> Experiment:
    return Experiment.model_validate(yaml.safe_load((folder / "resolved.yaml").read_text()))


def log(folder: Path) -> str:
    return tracking.log_run(folder, experiment_of(folder))


def artifacts(client, run_id: str) -> set[str]:
    folder = Path(client.download_artifacts(run_id, ""))
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def trained(folder: Path, steps: int = 6) -> Path:
    """Add what training leaves behind."""
    rows = [{"member": "model", "step": s, "loss": 1 / s, "seconds": s} for s in range(1, steps)]
    rows[-1]["tune_score"] = 0.9
    (folder / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = {"architecture": "resnet_small", "steps": 6, "learning_rate": 0.003, "batch": 8}
    write_json(folder / "plan.json", {"kind": "network", "recipe": recipe, "preprocessing": {}})
    return folder


def gate(folder: Path) -> Path:
    write_json(folder / "gates.json", evaluate_gate(read_policy("gate_basic"), folder))
    return folder


def test_a_run_can_be_compared_by_metric_setting_and_curve(client, make_run):
    folder = gate(trained(make_run()))
    (folder / "report.html").write_text("<html>report</html>")
    (folder / "sheet.html").write_text("<html>sheet</html>")
    run_id = log(folder)
    assert {"report.html", "sheet.html"} <= artifacts(client, run_id)
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert client.get_experiment(run.info.experiment_id).name == "usecase/chest-effusion"
    assert run.data.metrics["test/effusion/roc_auc"] == 0.9
    assert run.data.metrics["test/effusion/roc_auc.low"] == 0.85
    assert run.data.metrics["test/effusion/roc_auc.n"] == 380
    assert run.data.metrics["test/effusion/brier"] == 0.1
    assert run.data.metrics["test/worst_gap"] == pytest.approx(0.005)
    assert {"arch": "resnet_small", "lr": "0.003"}.items() <= run.data.params.items()
    assert run.data.params["primary"] == "roc_auc of effusion"
    assert run.data.tags["aiops.kind"] == "train"
    assert run.data.tags["aiops.verdict"] == "adequate"
    assert run.data.tags["aiops.gate"] == "pass"
    assert run.data.tags["aiops.demo"] == "false"
    points = client.get_metric_history(run_id, "train/loss")
    assert [(p.step, p.value) for p in points] == [(s, 1 / s) for s in range(1, 6)]
    assert len(client.get_metric_history(run_id, "tune/score")) == 1
    assert run.inputs.dataset_inputs[0].dataset.name == "chest-effusion (xray)"
    assert read_json(folder / "run.json")["mlflow_run_id"] == run_id


def test_what_leaves_holds_no_case_and_no_small_count(client, make_run):
    folder = gate(trained(make_run(n_patients=(200, 5))))
    (folder / "report_internal.html").write_text("<html>case-7</html>")
    frame = pd.DataFrame({"case_id": ["case-7"], "y_score": [0.5]})
    frame.to_parquet(folder / "predictions.parquet")
    run_id = log(folder)
    assert artifacts(client, run_id) == {
        "settings/resolved.yaml",
        "settings/environment.json",
        "settings/plan.json",
        "settings/gates.json",
        "tables/metrics.json",
        "tables/gaps.json",
        "tables/disclosure_log.json",
        "tables/audit.json",
    }
    folder = Path(client.download_artifacts(run_id, ""))
    assert not any("case-7" in p.read_text() for p in folder.rglob("*.*") if p.is_file())
    table = read_json(folder / "tables" / "metrics.json")
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    hidden = [row for row in rows if row["attribute"] == "sex"]
    assert [row["state"] for row in hidden] == ["suppressed"] * 2
    assert all(row["value"] is None and row["n_patients"] is None for row in hidden)
    told = client.get_run(run_id).data
    assert len(told.metrics) <= 40
    assert not {"test/worst_gap", "test/worst_group"} & told.metrics.keys()
    assert not [key for key, value in told.tags.items() if "male" in value]


def test_cases_go_under_pseudonyms_where_the_store_is_the_teams_own(client, make_run):
    folder = make_run(tracking={"share": "cases"})
    (folder / "report_internal.html").write_text("<html>case-7</html>")
    frame = pd.DataFrame(
        {"case_id": ["case-7", "case-8"], "patient_id": ["A", "A"], "y_score": [0.5, 0.1]}
    )
    frame.to_parquet(folder / "predictions.parquet")
    run_id = log(folder)
    names = artifacts(client, run_id)
    assert "cases/predictions.parquet" in names
    assert "cases/report_internal.html" not in names
    stored = pd.read_parquet(client.download_artifacts(run_id, "cases/predictions.parquet"))
    assert stored["case_id"].str.fullmatch(r"c-[0-9a-f]{16}").all()
    assert stored["patient_id"].str.fullmatch(r"p-[0-9a-f]{16}").all()
    assert stored["patient_id"].nunique() == 1
    stored.to_parquet(folder / "predictions.parquet")
    log(folder)
    assert "cases/report_internal.html" in artifacts(client, run_id)


def test_a_run_logged_again_stays_one_run_and_holds_nothing_twice(client, make_run):
    folder = trained(make_run(), steps=4)
    run_id = log(folder)
    assert log(trained(folder, steps=6)) == run_id
    gate(folder)
    assert log(folder) == run_id
    points = client.get_metric_history(run_id, "train/loss")
    assert [p.step for p in points] == [1, 2, 3, 4, 5]
    assert client.get_run(run_id).data.tags["aiops.gate"] == "pass"
    found = client.search_runs([client.get_run(run_id).info.experiment_id])
    assert len(found) == 1
    assert len(client.get_metric_history(run_id, "test/effusion/roc_auc")) == 1


def test_a_run_planned_anew_takes_over_from_the_old_one(client, make_run):
    folder = trained(make_run())
    old = log(folder)
    plan = read_json(folder / "plan.json")
    write_json(folder / "plan.json", {**plan, "recipe": {**plan["recipe"], "steps": 99}})
    new = log(folder)
    assert new != old
    assert client.get_run(old).data.tags["aiops.superseded_by"] == new
    assert client.get_run(old).info.status == "KILLED"
    assert [run["run_id"] for run in tracking.list_runs()] == [new]


def test_a_run_that_is_not_evaluated_yet_is_running(client, make_run):
    folder = trained(make_run())
    for name in ("evaluation.json", "metrics.parquet", "gaps.parquet"):
        (folder / name).unlink()
    assert client.get_run(log(folder)).info.status == "RUNNING"


def test_folds_are_runs_below_the_run(client, make_run):
    folder = trained(make_run())
    rows = [{"member": f"fold{i}", "step": s, "loss": i + s} for i in (0, 1) for s in (1, 2)]
    (folder / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    members = {f"fold{i}": {"digest": str(i) * 64} for i in (0, 1)}
    write_json(folder / "training.json", {"members": members})
    run_id = log(folder)
    assert log(folder) == run_id
    where = [client.get_run(run_id).info.experiment_id]
    below = client.search_runs(where, f"tags.`mlflow.parentRunId` = '{run_id}'")
    assert sorted(run.info.run_name for run in below) == ["fold0", "fold1"]
    assert [run["run_id"] for run in tracking.list_runs()] == [run_id]


def test_a_value_too_long_for_mlflow_is_kept_whole_beside_it(client, make_run):
    targets = {f"finding_{i}": {"label": f"l{i}", "positive": [1]} for i in range(700)}
    folder = make_run(targets={**targets, "effusion": {"label": "e", "positive": [1]}})
    run = client.get_run(log(folder))
    assert "SHA-256" in run.data.params["targets"]
    kept = client.download_artifacts(run.info.run_id, "settings/long/targets.txt")
    assert Path(kept).read_text().count("finding_") == 700


def test_readings_of_the_test_list_are_counted_on_the_experiment(client, make_run):
    run_id = log(make_run(reading=3))
    log(make_run("2026-11-22-bbbbbbbb", reading=2))
    experiment = client.get_experiment(client.get_run(run_id).info.experiment_id)
    assert experiment.tags["aiops.seal"] == "555555555555, reading 3"
    folder = make_run("2026-11-22-cccccccc")
    told = read_json(folder / "evaluation.json")
    other = {**told["seal"], "hash": "6" * 64, "reading": 1}
    write_json(folder / "evaluation.json", {**told, "seal": other})
    log(folder)
    experiment = client.get_experiment(experiment.experiment_id)
    assert experiment.tags["aiops.seal"] == "666666666666, reading 1"


def test_a_registered_use_case_is_found_by_number_state_and_reason(client, make_run):
    run_id = log(make_run())
    usecase.submit("chest-effusion", "Effusion on chest films", owner="Radiology")
    said = {"rationale": "Worse for women.", "by": "Board", "reasons": ["R13"]}
    decide("reject", "chest-effusion", **said, **LEARNT)
    experiment = client.get_experiment(client.get_run(run_id).info.experiment_id)
    assert experiment.name == "usecase/UC-0001 chest-effusion"
    assert experiment.tags["aiops.state"] == "rejected"
    assert experiment.tags["aiops.owner"] == "Radiology"
    assert experiment.tags["aiops.reasons"] == "R13 UNFAIR"
    note = experiment.tags["mlflow.note.content"]
    assert note.startswith("REJECTED · unfair (R13) · Radiology\n")
    assert "Not said at intake: problem, pathway" in note


def test_a_decision_without_a_run_is_a_run_of_its_own(client, home):
    usecase.submit("ct-triage", "CT triage <b>now</b>")
    record = decide(
        "reject",
        "ct-triage",
        rationale="The archive's vendor sells it. <script>alert(1)</script>",
        by="Board of 3 June",
        reasons=["R08", "R06"],
        by_program=True,
        **LEARNT,
    )
    run = client.search_runs([client.get_experiment_by_name(tracking.DECISIONS).experiment_id])[0]
    assert run.info.run_name == f"ct-triage: reject · {record.id} UC-0001"
    assert run.info.status == "KILLED"
    tags = run.data.tags
    assert tags["aiops.outcome"] == "reject"
    assert tags["aiops.use_case"] == "UC-0001 ct-triage"
    assert tags["aiops.reasons"] == "R08 VENDOR_DUPLICATE, R06 NO_CHAMPION_OR_OWNER"
    assert tags["aiops.record_sha256"] == ledger.head()
    assert tags["aiops.prev_sha256"] == ledger.GENESIS
    first = tags["mlflow.note.content"].splitlines()[0].replace("\\", "")
    assert first == (
        "**REJECTED · no gate · reason vendor duplicate (R08), no champion or owner (R06) · "
        "made by a program, recorded, nobody signed**"
    )
    assert artifacts(client, run.info.run_id) == {
        "decision.html",
        "decision.json",
        "evidence.json",
    }
    folder = Path(client.download_artifacts(run.info.run_id, ""))
    assert read_json(folder / "decision.json") == ledger.read_all()[0]
    page = (folder / "decision.html").read_text()
    assert "<script>" not in page
    assert "<b>now" not in page
    assert "made by a program, not a board" in page


def test_outcomes_look_different_in_the_list(client, make_run, attested):
    usecase.submit("chest-effusion", "Effusion on chest films")
    folder = gate(make_run(reading=2))
    log(folder)
    said = {"rationale": "So it is.", "by": "Board"}
    usecase.submit("ct-triage", "CT triage")
    decide("defer", "ct-triage", reasons=["R19"], review_by=LATER, **said, **LEARNT)
    condition = f"test-list: a new test list; Dr Okafor; {LATER}"
    decide(
        "approve-with-conditions",
        "UC-0001",
        run_dir=folder,
        conditions=[condition],
        **said,
        **attested,
    )
    where = client.get_experiment_by_name(tracking.DECISIONS)
    runs = client.search_runs([where.experiment_id], order_by=["attributes.start_time"])
    assert [run.info.status for run in runs] == ["SCHEDULED", "FINISHED"]
    assert runs[1].data.tags["aiops.conditions"] == "open: 1"
    assert runs[1].data.tags["aiops.approval"] == "in force"
    assert runs[1].data.tags["aiops.run"] == read_json(folder / "run.json")["mlflow_run_id"]
    views = [key for key in where.tags if key.startswith("mlflow.sharedViewState.")]
    assert len(views) == 6


def test_what_was_changed_in_mlflow_is_put_right_from_the_ledger(client, home):
    usecase.submit("ct-triage", "CT triage")
    decide("reject", "ct-triage", rationale="No owner.", by="Board", reasons=["R06"], **LEARNT)
    [run_id] = tracking.project_all()
    client.set_tag(run_id, "aiops.outcome", "approve")
    assert tracking.project_all() == [run_id]
    assert client.get_run(run_id).data.tags["aiops.outcome"] == "reject"
    client.delete_run(run_id)
    assert tracking.project_all() == [run_id]
    assert client.get_run(run_id).info.lifecycle_stage == "active"


def test_a_decision_is_not_half_made_when_mlflow_does_not_answer(home, monkeypatch):
    usecase.submit("ct-triage", "CT triage")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    began = time.monotonic()
    with pytest.raises(TrackingError) as caught:
        decide("reject", "ct-triage", rationale="No owner.", by="Board", reasons=["R06"], **LEARNT)
    assert time.monotonic() - began < 8
    assert "secret" not in str(caught.value)
    assert caught.value.where == "http://127.0.0.1:9"
    assert ledger.read_all() == []


def test_a_decision_that_mlflow_missed_says_so_and_is_shown_by_the_next(client, monkeypatch):
    usecase.submit("ct-triage", "CT triage")
    said = {"rationale": "No owner.", "by": "Board", "reasons": ["R06"], **LEARNT}

    def fails():
        raise TrackingError("the server went away", where="here", fix="wait")

    with monkeypatch.context() as patch:
        patch.setattr(tracking, "project_all", fails)
        with pytest.raises(TrackingError, match="stands, but MLflow does not show it") as caught:
            decide("defer", "ct-triage", **said)
    assert "do not decide again" in caught.value.fix
    assert len(ledger.read_all()) == 1
    decide("reject", "ct-triage", **said)
    where = client.get_experiment_by_name(tracking.DECISIONS).experiment_id
    assert len(client.search_runs([where])) == 2


def test_a_store_that_is_broken_is_named_in_our_words(home):
    home.mkdir()
    (home / "mlflow.db").write_text("this is not a database")
    with pytest.raises(TrackingError, match="file is not a database") as caught:
        tracking.check_connection()
    assert caught.value.where == f"sqlite:///{home / 'mlflow.db'}"


def test_training_goes_on_when_mlflow_does_not_answer(make_run, monkeypatch):
    folder = make_run()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(TrackingError, match="MLflow did not do what was asked"):
        log(folder)
    assert read_json(folder / "run.json")["mlflow_run_id"] is None


def test_the_store_is_made_without_noise(home, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tracking.check_connection()
    assert capfd.readouterr() == ("", "")
    assert (home / "mlflow.db").exists()


def test_the_ui_is_bound_to_this_machine(home):
    command, environment = tracking.ui_command(5001)
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert f"sqlite:///{home / 'mlflow.db'}" in command
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"


def no_server(command, *more, run=subprocess.run, **settings):
    """Stand for the server; whatever else a library runs is run."""
    is_server = "mlflow" in command
    return SimpleNamespace(returncode=0) if is_server else run(command, *more, **settings)


@pytest.fixture
def port():
    """A port on which nothing answers."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


def test_a_port_that_another_program_has_is_refused_before_any_address_is_told(home):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        number = other.getsockname()[1]
        done = CliRunner().invoke(cli, ["ui", "--port", str(number)])
    assert done.exception.what == f"the port {number} cannot be used: Address already in use"
    assert done.exception.fix == f"choose another: aiops ui --port {number + 1}"
    assert "http" not in done.output


def test_the_ui_and_the_portfolio_show_today(home, port, monkeypatch, tmp_path):
    days = []
    monkeypatch.setattr(tracking, "project_all", lambda: days.append("shown"))
    monkeypatch.setattr("subprocess.run", no_server)
    assert CliRunner().invoke(cli, ["ui", "--port", port]).exit_code == 0
    page = tmp_path / "portfolio.html"
    page.write_text("<html></html>")
    tracking.log_portfolio(page, ledger.head())
    assert days == ["shown", "shown"]


def test_the_ui_opens_all_the_same_where_mlflow_cannot_be_brought_to_today(home, port, monkeypatch):
    def fails():
        raise TrackingError("the server went away", where="here", fix="wait")

    monkeypatch.setattr(tracking, "project_all", fails)
    monkeypatch.setattr("subprocess.run", no_server)
    done = CliRunner().invoke(cli, ["ui", "--port", port])
    assert done.exit_code == 0
    assert "may show an earlier day than today" in done.stderr
    assert f"MLflow at http://127.0.0.1:{port}" in done.stderr


def test_a_trained_network_is_served_from_file_and_from_array(client, make_run, tmp_path, capfd):
    torch = pytest.importorskip("torch")
    from PIL import Image

    from models import architectures
    from models.inference import load_model, save_model
    from models.preprocessing import Preprocessing
    from models.recipe import Recipe

    folder = trained(make_run())
    recipe = Recipe("classification", "resnet_small", 2, 1, 1, (32, 32), 4, loss="bce")
    preprocessing = Preprocessing("xray", "film", 2, image_size=(32, 32))
    torch.manual_seed(0)
    weights = architectures.build(recipe).state_dict()
    digest = save_model(folder / "model" / "model", weights, recipe, preprocessing, ["effusion"])
    write_json(folder / "training.json", {"members": {"model": {"digest": digest}}})
    capfd.readouterr()
    run_id = log(folder)
    assert capfd.readouterr() == ("", "")
    uri = client.get_run(run_id).data.tags["aiops.model_uri"]
    assert log(folder) == run_id
    assert client.get_run(run_id).data.tags["aiops.model_uri"] == uri

    picture = (np.random.default_rng(0).random((40, 40)) * 255).astype(np.uint8)
    path = tmp_path / "film.png"
    Image.fromarray(picture).save(path)
    served = tracking.load_model(uri)
    found = served.predict(str(path))
    assert list(found.columns) == ["effusion"]
    assert 0 <= found.iloc[0, 0] <= 1
    pd.testing.assert_frame_equal(served.predict(pd.DataFrame({"image": [str(path)]})), found)
    array = picture[None].astype(np.float32)
    model = load_model(folder / "model" / "model")
    assert served.predict(array).iloc[0, 0] == pytest.approx(model.predict_scores([array])[0, 0])
    stored = Path(client.get_logged_model(uri.removeprefix("models:/")).artifact_location)
    names = {p.name for p in stored.rglob("*") if p.is_file()}
    assert {"weights.safetensors", "model.json", "served_model.py"} <= names
    assert not [name for name in names if "pkl" in name]
