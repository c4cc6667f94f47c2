"""What a board types: an idea put in, edited, decided, signed, checked and handed out."""

import json
from datetime import date, timedelta

import pytest
from click.testing import CliRunner

from aiops import tracking
from aiops.cli import cli
from aiops.errors import AiopsError
from aiops.governance import ledger
from aiops.governance.keyring import found
from aiops.governance.keys import new_key, open_key

PASSPHRASE = "three odd herons"
SOON = date.today() + timedelta(days=30)


@pytest.fixture
def aiops(home, monkeypatch, answer_gates):
    """Run a command without a store; what is shown is tested with the store itself."""
    monkeypatch.setenv("AIOPS_PASSPHRASE", PASSPHRASE)
    monkeypatch.setattr(tracking, "check_connection", lambda: None)
    monkeypatch.setattr(tracking, "log_use_case", lambda case: "")
    monkeypatch.setattr(tracking, "project_all", lambda **_: [])
    monkeypatch.setattr(tracking, "projection_faults", list)
    answer_gates()

    def run(*words, code=0):
        done = CliRunner().invoke(cli, [str(word) for word in words])
        if isinstance(done.exception, AiopsError):
            assert done.exception.exit_code == code, done.exception
            return str(done.exception)
        assert done.exit_code == code, done.output
        return done.output

    return run


@pytest.fixture
def keys(home, tmp_path):
    """Private key files of two people who founded the ring, by role."""
    files = {r: new_key(f"Dr {r}", tmp_path / "k", PASSPHRASE)[0] for r in ("ai lead", "chair")}
    found([(open_key(path, PASSPHRASE), [role]) for role, path in files.items()])
    return files


REJECT = (
    "--use-case", "ct-triage", "--reason", "R06", "--rationale", "No lead.", "--by", "Board",
    "--lesson", "Ask first.", "--revisit-if", "clinical_lead!=null", "--author", "Ana",
)  # fmt: skip


def test_an_idea_is_put_in_edited_shown_and_listed(aiops):
    said = aiops("usecase", "submit", "ct-triage", "--title", "CT triage of the head")
    assert said.startswith("UC-0001 ct-triage\n")
    assert "does a product or the record system here do it already? not said" in said
    assert "blank: problem, pathway, population" in said
    scans = ("--market-scan", "none", "--market-scan-on", "2026-11-01")
    scans += ("--epr-scan", "no", "--epr-scan-on", "2026-11-01")
    said = aiops("usecase", "edit", "ct-triage", "--labels-done", "40", *scans, "--by", "Ana")
    assert "not said" not in said
    aiops("usecase", "submit", "head-ct", "--title", "Triage of head CT", "--owner", "Radiology")
    said = aiops("usecase", "show", "head-ct")
    assert "state: submitted for 0 days" in said
    assert "has this been tried? like it are:\nUC-0001 ct-triage" in said
    assert "can be decided: approve at G0, re-review, defer, reject, discontinue" in said
    said = aiops("usecase", "show", "UC-0001")
    assert "labels done: 40" in said
    assert "Ana: " in said
    told = json.loads(aiops("usecase", "list", "--json"))["use_cases"]
    assert [case["slug"] for case in told] == ["ct-triage", "head-ct"]
    assert aiops("usecase", "list", "--state", "live") == "no use case is registered\n"
    assert "did you mean 'live'?" in aiops("usecase", "list", "--state", "lve", code=2)
    assert "name what changes" in aiops("usecase", "edit", "head-ct", "--by", "Ana", code=2)
    assert "stateDiagram-v2" in aiops("usecase", "diagram")


def test_a_decision_is_drafted_signed_recorded_checked_and_handed_out(aiops, keys, tmp_path):
    aiops("usecase", "submit", "ct-triage", "--title", "CT triage")
    draft = tmp_path / "draft.json"
    said = aiops("decide", "reject", *REJECT, "--draft", draft)
    assert "to be signed by: 2 of: ai lead, clinical lead, chair" in said
    assert ledger.read_all() == []
    said = aiops("sign", draft, "--key", keys["ai lead"])
    assert "Dr ai lead signed" in said
    assert "is not signed by: 1 of clinical lead, chair" in aiops(
        "decide", "--signed", draft, code=3
    )
    aiops("sign", draft, "--key", keys["chair"])
    said = aiops("decide", "--signed", draft)
    assert "reject UC-0001 (signed)\nsubmitted -> rejected" in said
    assert "signed: Dr chair (chair)" in said
    assert "was recorded already" in aiops("decide", "--signed", draft, code=3)
    said = aiops("ledger", "verify")
    assert "the ledger holds" in said
    assert "decisions: 1 signed" in said
    assert f"{ledger.head()}  decisions, 1 lines" in aiops("ledger", "head")
    assert "the ledger holds" in aiops("ledger", "verify", "--head", ledger.head())
    said = aiops("ledger", "verify", "--head", "f" * 64, code=1)
    assert "does not hold: ledger: no line has the head ffffffffffffffff" in said
    said = aiops("ledger", "export", "--out", tmp_path / "out", "--key", keys["chair"])
    assert "MANIFEST.dsse.json" in said


def test_a_key_at_once_signs_at_once_and_a_dissent_is_shown(aiops, keys, tmp_path):
    aiops("usecase", "submit", "ct-triage", "--title", "CT triage")
    pairs = ("--key", keys["ai lead"], "--key", keys["chair"])
    told = json.loads(aiops("decide", "reject", *REJECT, *pairs, "--json"))
    assert [s["role"] for s in told["signed_by"]] == ["ai lead", "chair"]
    aiops("usecase", "submit", "mr-triage", "--title", "MR triage")
    draft = tmp_path / "draft.json"
    words = [w if w != "ct-triage" else "mr-triage" for w in REJECT]
    aiops("decide", "defer", *words, "--draft", draft)
    said = aiops("sign", draft, "--key", keys["chair"], "--dissent", "It is ready.")
    assert "Dr chair does not agree" in said
    wrong = aiops("decide", "reject", "--signed", draft, "--use-case", "mr-triage", code=2)
    assert "leave out: reject, --use-case" in wrong
    alone = aiops("decide", "--signed", draft, code=3)
    assert alone.startswith("nobody has signed this draft")
    assert f"aiops decide --signed {draft} --unsigned" in alone
    assert "goes with --signed" in aiops("decide", "reject", *REJECT, "--unsigned", code=2)
    said = aiops("decide", "--signed", draft, "--unsigned")
    assert "does not agree: Dr chair: It is ready." in said
    late = aiops("sign", draft, "--key", keys["ai lead"], code=3)
    assert late.startswith("this draft was recorded already, as DEC-")


def test_a_case_shows_what_was_learnt_what_lies_with_it_and_what_it_tries_again(aiops, tmp_path):
    aiops("usecase", "submit", "ct-triage", "--title", "CT triage")
    aiops("decide", "reject", *REJECT)
    said = aiops("usecase", "show", "ct-triage")
    assert "  learnt: " in said
    assert "  look again if " in said
    aiops("usecase", "submit", "ct-again", "--title", "CT triage again", "--revisits", "UC-0001")
    paper = tmp_path / "search.txt"
    paper.write_text("looked everywhere")
    aiops("document", "add", str(paper), "--use-case", "ct-again", "--kind", "prior_search",
          "--date", str(date.today()), "--by", "Ana")  # fmt: skip
    said = aiops("usecase", "show", "ct-again")
    assert "tries again: UC-0001" in said
    assert "paper DOC-0001 prior_search" in said


def test_a_condition_is_closed_by_name(aiops, tmp_path):
    aiops("usecase", "submit", "ct-triage", "--title", "CT triage")
    aiops(
        "decide", "approve-with-conditions", "--use-case", "ct-triage", "--gate", "G0",
        "--rationale", "Go.", "--by", "Board", "--condition", f"general: train; Ana; {SOON}",
        "--condition", f"general: tell; Ana; {SOON}",
    )  # fmt: skip
    assert f"condition C1 [open] general: train (Ana, by {SOON})" in aiops(
        "usecase", "show", "ct-triage"
    )
    paper = tmp_path / "trained.txt"
    paper.write_text("all of them")
    said = aiops("condition", "met", "ct-triage", "C1", "--evidence", paper, "--by", "Ana")
    assert said.startswith("C1 [met] general: train\nC2 [open] general: tell")
    said = aiops("condition", "lapse", "ct-triage", "C2", "--by", "Ana")
    assert "C2 [given up] general: tell" in said
    assert f"given up: C2 tell (Ana, {SOON})" in said
    assert "given up: C2 tell" in aiops("usecase", "list")
    met = ("condition", "met", "ct-triage", "C2", "--evidence", paper, "--by", "Ana")
    assert "is closed: given up" in aiops(*met, code=3)


def test_what_a_decision_lacks_is_said_before_anything_is_read(aiops):
    said = aiops("decide", "reject", "--use-case", "x", code=2)
    assert "a decision needs --rationale, --by" in said
