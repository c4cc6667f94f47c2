"""The demo finds what was planted, decides by it, and decides otherwise where nothing was."""

import json
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from aiops import demo, demo_board
from aiops.errors import ConfigError, GateError
from aiops.files import write_json
from aiops.governance import decision, ledger, usecase
from aiops.governance.policy import evaluate_gate, read_policy
from aiops.governance.verify import verify_ledger
from aiops.home import configs_dir
from aiops.pipeline.run import run


@contextmanager
def no_bar(title):
    yield lambda done, total: None


def gate(*items):
    told = [
        {"id": name, "outcome": outcome, "reason": f"reason of {name}", "would_decide": "34 more"}
        for name, outcome in items
    ]
    return {"gate": {"items": told}}


def test_a_failing_gate_leads_to_a_rejection_for_what_failed():
    proposal = demo.proposal_for(gate(("primary", "pass"), ("fairness", "fail")))
    assert (proposal["outcome"], proposal["reasons"]) == ("reject", ("R13",))
    assert "Reason of fairness." in proposal["rationale"]


def test_an_open_item_leads_to_a_condition_that_names_it():
    proposal = demo.proposal_for(gate(("primary", "pass"), ("fairness", "undecided")))
    assert proposal["outcome"] == "approve-with-conditions"
    assert proposal["conditions"][0].startswith("fairness: 34 more; aiops demo; ")


def test_a_passed_gate_leads_to_an_approval():
    assert demo.proposal_for(gate(("primary", "pass")))["outcome"] == "approve"


def test_cohorts_that_decisions_rest_on_are_not_replaced(tmp_path, monkeypatch):
    monkeypatch.setenv("AIOPS_HOME", str(tmp_path))
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "cohorts.json").write_text(json.dumps({"seed": 0, "bias": True}))
    demo.make_cohorts(seed=0)
    with pytest.raises(ConfigError, match="decisions rest on it"):
        demo.make_cohorts(seed=1)


@pytest.fixture
def unshown(home, monkeypatch):
    """A home whose decisions are recorded and shown nowhere."""
    monkeypatch.setattr(decision, "check_store", lambda outcome: None)
    monkeypatch.setattr(decision, "show", lambda record: record)


def test_the_idea_is_rejected_at_intake_by_two_of_the_demo_s_board(unshown):
    usecase.submit("demo-endoscopy-letters", "Letters", clinical_lead="TBC")
    record = demo._decide(demo.intake_rejection())
    assert (record["grade"], record["statement"]) == ("signed", "made by a program, not a board")
    assert [s["person"] for s in record["signed_by"]] == ["Demo ai lead", "Demo clinical lead"]
    assert record["author"] == "aiops demo"
    assert verify_ledger(projection=False).found == ()


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        ({}, "approve"),
        ({"verdicts": ("adequate", "insufficient evidence")}, "approve-with-conditions"),
        ({"verdicts": ("concern", "adequate")}, "reject"),
    ],
)
def test_what_follows_from_the_gate_is_signed_by_those_it_needs(unshown, make_run, facts, outcome):
    usecase.submit("demo-wrist", "Wrist")
    folder = make_run(use_case="demo-wrist", **facts)
    answer = evaluate_gate(read_policy("gate_basic"), folder)
    write_json(folder / "gates.json", answer)
    proposal = demo.proposal_for({"gate": answer})
    said = {"use_case": "demo-wrist", "run_dir": folder, **demo.BY_PROGRAM, **proposal}
    record = demo._decide(said)
    assert (record["outcome"], record["grade"]) == (outcome, "signed")
    people = {signer["person"] for signer in record["signed_by"]}
    approved = {"Demo cso", "Demo clinical lead", "Demo fairness reviewer"}
    assert people == ({"Demo ai lead", "Demo clinical lead"} if outcome == "reject" else approved)
    found = verify_ledger(projection=False)
    assert (found.found, found.grades) == ((), {"signed": 1})
    words = demo._verified_words(found.to_dict())
    assert words[0] == "The ledger holds: decisions 1 signed; MLflow not asked."
    assert words[1].endswith("aiops ledger verify")


def test_the_demo_s_keys_are_made_once_and_refused_elsewhere(unshown, home):
    first = demo_board.board()
    assert demo_board.board()["cso"].public == first["cso"].public
    assert (home / "keys" / "demo" / "demo-cso.key.pem").stat().st_mode & 0o777 == 0o600
    usecase.submit("wrist-fracture", "Wrist")
    said = {**demo.intake_rejection(), "use_case": "wrist-fracture"}
    with pytest.raises(GateError, match="signs nothing but the demo's use cases"):
        demo._decide(said)
    assert len(ledger.read_all()) == 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_demo_ends_with_three_decisions_and_again_decides_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("AIOPS_HOME", str(tmp_path))
    said: list[str] = []
    found = demo.demo(seed=0, say=said.append, bar=no_bar)
    outcomes = {s: p["decision"]["outcome"] for s, p in found["projects"].items()}
    assert outcomes == {
        "demo-wrist-fracture": "reject",
        "demo-kidney-ct": "approve-with-conditions",
        "demo-endoscopy-letters": "reject",
    }
    wrist, kidney, letters = (p["decision"] for p in found["projects"].values())
    assert wrist["reasons"][0]["code"] == "R13"
    assert "more patients of group ethnicity=asian" in kidney["conditions"][0]["text"]
    assert letters["subject"] == []
    for record in (wrist, kidney, letters):
        assert record["made_by_program"]
        assert record["statement"] == "made by a program, not a board"
        assert record["grade"] == "signed"
        assert all(signer["person"].startswith("Demo ") for signer in record["signed_by"])
    for slug, cohort in (("demo-wrist-fracture", "wrist"), ("demo-kidney-ct", "kidney_ct")):
        audit = json.loads(
            (Path(found["projects"][slug]["run"]["folder"]) / "audit.json").read_text()
        )
        named = {(f["code"], f["case_id"]) for f in audit["findings"]}
        for fault in found["planted"][cohort]:
            assert (fault["code"], fault["case_id"]) in named
    lines = "\n".join(demo.demo_lines(found))
    assert "Made by a program, not a board" in lines
    assert "The ledger holds: decisions 3 signed; MLflow as the ledger says." in lines
    assert Path(found["portfolio"]).read_text().startswith("<!doctype html>")
    again = demo.demo(seed=0, say=said.append, bar=no_bar)
    assert [p["decision"]["id"] for p in again["projects"].values()] == [
        p["decision"]["id"] for p in found["projects"].values()
    ]


def assert_it_is_the_scanner(folder: Path) -> None:
    """With scanners alike the group is no worse; with people alike the scanner still is."""
    table = pd.read_parquet(folder / "tables" / "adjusted.parquet")
    table = table[table["metric"] == "roc_auc"]

    def row(attribute, group, given):
        rows = table[(table["attribute"] == attribute) & (table["group"] == group)]
        return rows[rows["adjusted_for"] == given].iloc[0]

    person, scanner = row("ethnicity", "black", "scanner"), row("scanner", "south_1", "ethnicity")
    assert person["crude_high"] < 0
    assert person["adjusted_low"] < 0 < person["adjusted_high"]
    assert scanner["adjusted_high"] < 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_the_gate_answers_by_the_planted_bias_over_seeds(tmp_path, monkeypatch, seed, bias):
    from aiops.data.phantom import make_wrist

    monkeypatch.setenv("AIOPS_HOME", str(tmp_path))
    make_wrist(tmp_path / "demo" / "wrist", seed=seed, bias=bias)
    done = run(configs_dir() / "demo_wrist.yaml", say=lambda line: None, bar=no_bar, tracked=False)
    harmed = [g for g in done["evaluation"]["verdict"]["groups"] if g["verdict"] == "concern"]
    proposal = demo.proposal_for(done)
    if bias:
        assert [(g["attribute"], g["group"]) for g in harmed] == [("ethnicity", "black")]
        assert (proposal["outcome"], proposal["reasons"][0]) == ("reject", "R13")
        assert_it_is_the_scanner(Path(done["folder"]))
    else:
        assert harmed == []
        assert proposal["outcome"] in ("approve", "approve-with-conditions")
