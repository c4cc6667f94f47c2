"""What a board member sees who opens the MLflow UI with nothing to read first."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path

import pytest

from aiops import board, register, tracking
from aiops.files import write_json
from aiops.governance import usecase
from aiops.governance.decision import decide
from aiops.governance.policy import evaluate_gate, read_policy

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
UI = Path(find_spec("mlflow").origin).parent / "server" / "js" / "build" / "index.html"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--virtual-time-budget=15000", "--window-size=1400,1000",
)  # fmt: skip
LEARNT = {"lessons": ["Ask for the reporting convention first."], "revisit_if": ["n_positive>=480"]}
SAID = {"by": "Imaging AI board"}
FIGURES = {"code": "R01", "kind": "computed", "supports": True, "value": 112.0, "threshold": 480,
           "sentence": "112 films of the second manufacturer; 480 are needed."}  # fmt: skip

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed"),
    pytest.mark.skipif(not UI.exists(), reason="this MLflow came without its web pages"),
]


def seed(make_run, attested) -> None:
    """Put in five cases: rejected without a run, approved with a condition, put off, two ideas."""
    usecase.submit("wrist-scaphoid", "Scaphoid fracture on wrist radiographs",
                   owner="Emergency department", modality="xray")  # fmt: skip
    usecase.submit("chest-effusion", "Effusion on chest films", owner="Radiology")
    usecase.submit("bowel-polyps", "Bowel polyps on colonoscopy <script>alert(1)</script>")
    usecase.submit("skin-lesion", "Skin lesions on photographs", owner="Dermatology")
    usecase.submit("ct-triage", "CT head triage", owner="Stroke service")
    decide("reject", "wrist-scaphoid", rationale="Blank means no or not recorded alike.",
           reasons=["R01", "R03"], reason_evidence={"R01": FIGURES}, **SAID, **LEARNT)  # fmt: skip
    folder = make_run(reading=2)
    write_json(folder / "gates.json", evaluate_gate(read_policy("gate_basic"), folder))
    late = date.today() + timedelta(days=9)
    decide("approve-with-conditions", "chest-effusion", rationale="It held.", run_dir=folder,
           conditions=[f"test-list: a new test list; Dr Okafor; {late}"],
           **SAID, **attested)  # fmt: skip
    decide("defer", "bowel-polyps", rationale="No hands.", reasons=["R19"],
           review_by=date.today(), **SAID, **LEARNT)  # fmt: skip


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for(address: str, server: subprocess.Popen) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"the MLflow server did not start: exit code {server.poll()}")


@pytest.fixture
def server(client, make_run, attested, tmp_path):
    """A real MLflow server on this machine over a home with decisions in it."""
    seed(make_run, attested)
    port = free_port()
    command, environment = tracking.ui_command(port)
    with (tmp_path / "server.log").open("wb") as log:
        running = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            wait_for(f"http://127.0.0.1:{port}", running)
            yield f"http://127.0.0.1:{port}/#"
        finally:
            os.killpg(running.pid, signal.SIGTERM)
            running.wait(timeout=30)


def seen(address: str, name: str, folder: Path) -> str:
    """Open a page in a new browser, keep a picture of it, and return its words."""
    picture = folder / f"{name}.png"
    for flags in ([f"--screenshot={picture}"], ["--dump-dom"]):
        done = subprocess.run(
            [CHROMIUM, *FLAGS, f"--user-data-dir={folder / name}-{flags[0][2:6]}", *flags, address],
            capture_output=True, timeout=180, check=True,
        )  # fmt: skip
    assert picture.stat().st_size > 10_000
    dom = done.stdout.decode("utf-8")
    bare = re.sub(r"<(style|script)[^>]*>.*?</\1>", " ", dom, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", bare))


def test_a_board_member_finds_state_reason_and_evidence_of_a_rejected_project(
    server, client, tmp_path
):
    decisions = client.get_experiment_by_name(board.DECISIONS).experiment_id

    listed = seen(f"{server}/experiments", "experiments", tmp_path)
    assert "usecase/UC-0001 wrist-scaphoid" in listed
    first = (
        "REJECTED · insufficient data (R01): 112 films of the second manufacturer; 480 are needed "
        "· data fragmented (R03) · Emergency department"
    )
    assert first in listed
    assert "DEFERRED · no capacity or funds (R19) · no owner named" in listed
    assert "aiops.state : rejected" in listed
    assert "governance/decisions" in listed

    cases = client.get_experiment_by_name(register.REGISTER).experiment_id
    table = seen(
        f"{server}/experiments/{cases}/runs?viewStateShareKey=aiops-all", "use-cases", tmp_path
    )
    assert "wrist-scaphoid: rejected" in table
    assert "aiops.state aiops.owner" in table
    assert "rejected Emergency department" in table
    assert "5 matching runs" in table

    view = f"{server}/experiments/{decisions}/runs?viewStateShareKey=aiops"
    rejected = seen(f"{view}-rejected", "rejected", tmp_path)
    assert "Rejected or stopped, and why" in rejected
    assert "wrist-scaphoid: reject · DEC-" in rejected
    assert "R01 INSUFFICIENT_DATA" in rejected
    assert "aiops.reasons" in rejected
    assert "1 matching run" in rejected
    assert "chest-effusion" not in rejected

    assert "bowel-polyps: defer" in seen(f"{view}-review", "review", tmp_path)
    conditions = seen(f"{view}-conditions", "conditions", tmp_path)
    assert "chest-effusion: approve-with-conditions" in conditions
    assert f"{date.today() + timedelta(days=9)}: a new test list (Dr Okafor)" in conditions
    assert "1 matching run" in conditions
    assert "0 matching runs" in seen(f"{view}-lapsed", "lapsed", tmp_path)

    [run] = client.search_runs([decisions], "tags.`aiops.use_case` LIKE '%wrist%'")
    page = f"{server}/experiments/{decisions}/runs/{run.info.run_id}"
    decision = seen(page, "decision", tmp_path)
    assert (
        "REJECTED · no gate · reason insufficient data (R01), data fragmented (R03) · "
        "recorded, nobody signed" in decision
    )
    assert "aiops.to_state : rejected" in decision
    assert "112 films of the second manufacturer; 480 are needed." in decision

    files = seen(f"{page}/artifacts", "artifacts", tmp_path)
    assert all(name in files for name in ("decision.html", "decision.json", "evidence.json"))


def test_a_server_is_written_to_and_compared_without_a_word_on_stdout(server, monkeypatch, capfd):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.removesuffix("/#"))
    usecase.submit("late", "A case after the server began")
    decide("reject", "late", rationale="No.", reasons=["R06"], **SAID, **LEARNT)
    assert tracking.projection_faults() == []
    assert capfd.readouterr().out == ""
