"""`aiops gate STEP` and `aiops document`, as a person types them."""

import json

import pytest
from click.testing import CliRunner

from aiops.cli import cli
from aiops.errors import GateError
from aiops.files import write_json
from aiops.governance.decision import propose, record_decision
from aiops.governance.policy import evaluate_gate, read_policy
from aiops.governance.usecase import submit

SLUG = "chest-effusion"


@pytest.fixture
def case(home):
    return submit(SLUG, "Effusion on chest films", clinical_lead="Dr Okafor", owner="Radiology")


def run(*arguments):
    return CliRunner().invoke(cli, [str(a) for a in arguments])


def test_a_step_is_printed_as_a_table_and_says_no_with_3(case, make_run):
    make_run()
    done = run("gate", "G4", "--use-case", SLUG)
    assert done.exit_code == 3
    assert "pass       fairness     computed  no group of sex is worse off by 0.05" in done.stdout
    assert "G4: undecided (" in done.stdout
    assert "kept: " in done.stderr


def test_as_json_it_is_what_is_kept(case, home):
    done = run("gate", "G0", "--use-case", "UC-0001", "--json")
    told = json.loads(done.stdout)
    assert (told["step"], told["outcome"], done.exit_code) == ("G0", "undecided", 3)
    assert json.loads((home / "gates" / SLUG / "gate_G0.json").read_text()) == told


def test_a_step_that_passes_ends_with_0(case, monkeypatch):
    monkeypatch.setattr("aiops.governance.gates.ask",
                        lambda *said: {"step": "G0", "use_case": SLUG, "run": "", "items": [
                            {"id": "a", "outcome": "pass", "reason": "said"}], "policy": "gate_G0",
                            "policy_version": "1", "outcome": "pass"})  # fmt: skip
    done = run("gate", "G0", "--use-case", SLUG)
    assert done.exit_code == 0
    assert "G0: pass (1 pass)" in done.stdout


def test_a_decision_is_asked_again_by_its_number(case, make_run, attested):
    folder = make_run()
    gates = evaluate_gate(read_policy("gate_basic"), folder)
    write_json(folder / "gates.json", gates)
    said = {"rationale": "As the figures say.", "by": "Imaging AI board", "run_dir": folder}
    record = record_decision(propose("approve", SLUG, **said, **attested))
    done = run("gate", record.id)
    assert done.exit_code == 0
    assert f"{record.id} rests on this: the same bytes answer the same" in done.stdout
    write_json(folder / "gates.json", {**gates, "outcome": "fail"})
    done = run("gate", record.id)
    assert isinstance(done.exception, GateError)
    assert "the same files answer the gate otherwise: pass" in str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("G4",), "ask a step of a case: aiops gate G4 --use-case SLUG"),
        (("G4", "train.steps=1", "--use-case", SLUG), "ask a step of a case"),
        (("none.yaml",), "'none.yaml' is no config file and no step from G0 to G6"),
        (("none.yaml", "--use-case", SLUG), "--use-case and --run go with a STEP"),
    ],
)
def test_what_makes_no_sense_is_said(home, arguments, what):
    done = run("gate", *arguments)
    assert done.exit_code == 2
    assert what in done.stderr


def test_a_paper_is_added_listed_and_told_when_it_is_gone(case, home, tmp_path):
    paper = tmp_path / "dpia.pdf"
    paper.write_bytes(b"assessed")
    said = ("--kind", "dpia", "--date", "2026-11-01", "--by", "I. Governance")
    assert run("document", "list", "--use-case", SLUG).stdout == "no paper was brought\n"
    done = run("document", "add", "--use-case", SLUG, *said, paper)
    assert done.stdout.startswith("DOC-0001 dpia 2026-11-01 dpia.pdf (by I. Governance, ")
    line = run("document", "list").stdout
    assert line.startswith("chest-effusion DOC-0001 dpia")
    assert run("document", "list", "--use-case", "UC-0001").stdout == line
    listed = json.loads(run("document", "list", "--use-case", SLUG, "--json").stdout)
    assert [d["file"] for d in listed["documents"]] == ["there"]
    next((home / "documents").iterdir()).unlink()
    assert "its file is missing" in run("document", "list", "--use-case", SLUG).stdout
