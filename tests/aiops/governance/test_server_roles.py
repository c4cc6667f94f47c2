"""Roles on a shared server: what is asked of it, and (slow) what a real one then allows."""

import contextlib
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from urllib.request import urlopen

import pytest

from aiops.errors import ConfigError
from aiops.governance.server_roles import DECISIONS, Admin, ServerError, set_roles

FIRST = "a first pass phrase 1"
ADMIN = "a strong pass phrase 1"
no_auth = importlib.util.find_spec("flask_wtf") is None


def test_an_account_is_one_of_the_two():
    admin = Admin("http://127.0.0.1:9", "admin", ADMIN)
    with pytest.raises(ConfigError, match="cannot be signer and registrar"):
        set_roles(admin, signers=["ana"], registrar="ana", password=lambda name: FIRST)


def test_a_server_that_does_not_answer_is_named_without_a_password():
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))  # bound, and nobody listens
        address = f"http://who:{FIRST.split()[0]}secret@127.0.0.1:{port.getsockname()[1]}"
        with pytest.raises(ServerError, match="does not answer") as fault:
            Admin(address.replace("who:asecret@", ""), "admin", ADMIN).call("GET", "2.0/x")
    assert ADMIN not in str(fault.value)
    assert "fix:   see that it runs" in str(fault.value)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if no_auth:
        pytest.skip("Flask-WTF is not installed: pip install 'mlflow[auth]'")
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    (folder / "auth.ini").write_text(
        "[mlflow]\ndefault_permission = READ\n"
        f"database_uri = sqlite:///{folder}/auth.db\nadmin_username = admin\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")},
        "MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"),
        "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "for this test alone",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    command = [
        sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth",
        "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
        "--serve-artifacts", "--artifacts-destination", str(folder / "artifacts"),
    ]  # fmt: skip
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait_for(f"{address}/health", process, folder / "log.txt")
            yield address
        finally:
            with contextlib.suppress(ProcessLookupError):  # it never started
                os.killpg(process.pid, 15)
            process.wait(timeout=30)


def _wait_for(address, process, log, seconds=180):
    for _ in range(seconds):
        if process.poll() is not None:
            break
        try:
            with urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(1)
    pytest.fail(f"the server did not start:\n{log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def roles(server):
    admin = Admin(server, "admin", ADMIN)
    told = {"signers": ["ana"], "registrar": "reg", "password": lambda name: f"{FIRST} {name}"}
    first = set_roles(admin, **told)
    assert "role aiops-signer" in first.made
    assert f"experiment {DECISIONS}" in first.made
    assert set_roles(admin, **told).made == ()  # a second time changes nothing
    return {
        "id": first.experiment_id,
        "admin": admin,
        "ana": Admin(server, "ana", f"{FIRST} ana"),
        "reg": Admin(server, "reg", f"{FIRST} reg"),
    }


def make_run(who, experiment_id):
    tags = [{"key": "aiops.outcome", "value": "reject"}, {"key": "mlflow.runName", "value": "DEC"}]
    told = {"experiment_id": experiment_id, "start_time": 1, "tags": tags}
    return who.call("POST", "2.0/mlflow/runs/create", told)["run"]["info"]["run_id"]


def changes(run_id):
    """Return every way to change a run: its name, the verb, the path and what is told."""
    metric = {"key": "n", "value": 1, "timestamp": 1, "step": 0}
    batch = {"run_id": run_id, "metrics": [metric], "params": [], "tags": []}
    return {
        "set_tag": ("POST", "runs/set-tag", {"run_id": run_id, "key": "k", "value": "v"}),
        "log_param": ("POST", "runs/log-parameter", {"run_id": run_id, "key": "p", "value": "v"}),
        "log_metric": ("POST", "runs/log-metric", {"run_id": run_id, **metric}),
        "log_batch": ("POST", "runs/log-batch", batch),
        "delete_tag": ("POST", "runs/delete-tag", {"run_id": run_id, "key": "aiops.outcome"}),
        "terminate": ("POST", "runs/update", {"run_id": run_id, "status": "KILLED", "end_time": 2}),
    }


def log_artifact(who, experiment_id, run_id):
    path = f"2.0/mlflow-artifacts/artifacts/{experiment_id}/{run_id}/artifacts/decision.json"
    who.call("PUT", path, {"decision": "reject"})


@pytest.mark.slow
def test_a_signer_adds_a_decision_and_changes_nothing(roles):
    ana, number = roles["ana"], roles["id"]
    run_id = make_run(ana, number)
    told = ana.call("GET", "2.0/mlflow/runs/get", {"run_id": run_id})["run"]["data"]["tags"]
    assert {"key": "aiops.outcome", "value": "reject"} in told  # complete in the one call
    for verb, path, content in changes(run_id).values():
        with pytest.raises(ServerError, match=f"{path}: 403"):
            ana.call(verb, f"2.0/mlflow/{path}", content)
    with pytest.raises(ServerError, match=": 403"):
        log_artifact(ana, number, run_id)
    with pytest.raises(ServerError, match=": 403"):
        ana.call("POST", "2.0/mlflow/runs/delete", {"run_id": run_id})
    again = ana.call("GET", "2.0/mlflow/runs/get", {"run_id": run_id})["run"]
    assert again["data"]["tags"] == told
    assert again["info"]["lifecycle_stage"] == "active"


@pytest.mark.slow
def test_the_registrar_attaches_and_ends_and_cannot_delete(roles):
    run_id = make_run(roles["ana"], roles["id"])
    reg = roles["reg"]
    for verb, path, content in changes(run_id).values():
        reg.call(verb, f"2.0/mlflow/{path}", content)
    log_artifact(reg, roles["id"], run_id)
    found = reg.call("GET", "2.0/mlflow/artifacts/list", {"run_id": run_id})
    assert [file["path"] for file in found["files"]] == ["decision.json"]
    run = reg.call("GET", "2.0/mlflow/runs/get", {"run_id": run_id})["run"]
    assert run["info"]["status"] == "KILLED"
    with pytest.raises(ServerError, match=": 403"):
        reg.call("POST", "2.0/mlflow/runs/delete", {"run_id": run_id})


@pytest.mark.slow
def test_who_manages_deletes_a_run_so_that_it_can_be_brought_back(roles):
    run_id = make_run(roles["ana"], roles["id"])
    admin = roles["admin"]
    admin.call("POST", "2.0/mlflow/users/create", {"username": "mia", "password": FIRST})
    told = {"username": "mia", "resource_type": "experiment", "resource_id": roles["id"],
            "permission": "MANAGE"}  # fmt: skip
    admin.call("POST", "3.0/mlflow/users/permissions/grant", told)
    mia = Admin(admin.uri, "mia", FIRST)
    mia.call("POST", "2.0/mlflow/runs/delete", {"run_id": run_id})
    info = mia.call("GET", "2.0/mlflow/runs/get", {"run_id": run_id})["run"]["info"]
    assert info["lifecycle_stage"] == "deleted"
    mia.call("POST", "2.0/mlflow/runs/restore", {"run_id": run_id})
    info = mia.call("GET", "2.0/mlflow/runs/get", {"run_id": run_id})["run"]["info"]
    assert info["lifecycle_stage"] == "active"


@pytest.mark.slow
def test_the_holes_that_are_left_are_known(roles):
    """Written down in configs/server/README.md: when MLflow closes one, this test says so."""
    told = {"experiment_id": roles["id"], "key": "hole", "value": "open"}
    roles["ana"].call("POST", "2.0/mlflow/experiments/set-experiment-tag", told)
    spoofed = {
        "experiment_id": roles["id"],
        "user_id": "somebody else",
        "tags": [{"key": "mlflow.user", "value": "somebody else"}],
    }
    run = roles["ana"].call("POST", "2.0/mlflow/runs/create", spoofed)["run"]
    assert run["info"]["user_id"] == "somebody else"


@pytest.mark.slow
def test_a_widened_role_is_narrowed_and_other_roles_are_told(roles):
    admin = roles["admin"]
    found = admin.call("GET", "3.0/mlflow/roles/list", {"workspace": "default"})["roles"]
    signer = next(role["id"] for role in found if role["name"] == "aiops-signer")
    wide = {"role_id": signer, "resource_type": "trace", "resource_pattern": "*",
            "permission": "MANAGE"}  # fmt: skip
    admin.call("POST", "3.0/mlflow/roles/permissions/add", wide)
    done = set_roles(admin, signers=["ana"], password=lambda name: FIRST)
    assert done.made == ("aiops-signer: took away trace * MANAGE",)
    with pytest.raises(ConfigError, match="may do what they allow: aiops-registrar"):
        set_roles(admin, signers=["reg"], password=lambda name: FIRST)
    with pytest.raises(ConfigError, match="is an administrator"):
        set_roles(admin, signers=["admin"], password=lambda name: FIRST)


@pytest.mark.slow
def test_the_command_says_what_it_made_and_then_that_nothing_is_left(roles, monkeypatch):
    from click.testing import CliRunner

    from aiops.commands.release import COMMANDS

    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", ADMIN)
    monkeypatch.setenv("AIOPS_NEW_PASSWORD", FIRST)
    asked = ["roles", "--uri", roles["admin"].uri, "--signer", "ben"]
    first = CliRunner().invoke(COMMANDS["server"], [*asked, "--json"])
    assert json.loads(first.stdout)["made"] == ["account ben", "ben is aiops-signer"]
    second = CliRunner().invoke(COMMANDS["server"], asked)
    assert second.stdout == "nothing to do: all of it is there\n"
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wrong")
    third = CliRunner().invoke(COMMANDS["server"], asked)
    assert isinstance(third.exception, ServerError)
    assert "401" in str(third.exception)
