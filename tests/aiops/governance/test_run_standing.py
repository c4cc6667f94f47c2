"""How a run stands by the ledger: green only while an approval of it is in force, nothing open."""

from datetime import date, timedelta

import pytest

from aiops.files import read_json, write_json
from aiops.governance import conditions, ledger, usecase
from aiops.governance.decision import propose, record_decision
from aiops.governance.policy import evaluate_gate, read_policy
from aiops.governance.run_standing import BROKEN, NOT_REGISTERED, UNDECIDED, run_standing

SLUG = "chest-effusion"
NAME = "2026-11-22-0a1b2c3d"
SAID = {"rationale": "As the figures say.", "by": "Imaging AI board"}
SOON = date.today() + timedelta(days=9)


@pytest.fixture
def run(make_run):
    usecase.submit(SLUG, "Effusion on chest films")

    def make(name=NAME, **facts):
        folder = make_run(name, **facts)
        write_json(folder / "gates.json", evaluate_gate(read_policy("gate_basic"), folder))
        return folder

    return make


@pytest.fixture
def decided(attested):
    def make(outcome, **said):
        met = attested if outcome.startswith("approve") or outcome == "suspend" else {}
        return record_decision(propose(outcome, SLUG, **SAID, **met, **said))

    return make


def test_before_anybody_decides_it_is_open(run, decided):
    assert run_standing("nobody", NAME).headline == NOT_REGISTERED
    run()
    now = run_standing(SLUG, NAME)
    assert (now.tone, now.headline, now.decision) == ("open", UNDECIDED, "")
    assert now.lines == ("The case is at: retrospective eval. Evaluated on past patients.",)


def test_it_is_green_until_the_day_its_approval_ends(run, decided):
    record = decided("approve", run_dir=run())
    now = run_standing(SLUG, NAME)
    assert (now.tone, now.decision) == ("good", record.id)
    assert now.headline == (
        f"APPROVED for silent prospective by {record.id} (attested, minutes on file), "
        f"until {record.expires_at}"
    )
    assert run_standing(SLUG, NAME, record.expires_at - timedelta(days=1)).tone == "good"
    then = run_standing(SLUG, NAME, record.expires_at)
    assert (then.tone, then.headline) == ("bad", f"LAPSED on {record.expires_at}: not to be used")


def test_an_open_condition_is_not_green_and_an_overdue_one_is_red(run, decided, tmp_path):
    told = f"test-list: a new test list {'x' * 200}; Dr Okafor; {SOON}"
    record = decided("approve-with-conditions", run_dir=run(reading=2), conditions=[told])
    now = run_standing(SLUG, NAME)
    assert now.tone == "open"
    assert now.headline.endswith("; conditions open: 1")
    assert now.lines[0].startswith("Open C1: a new test list")
    assert now.lines[0].endswith(f"(Dr Okafor; due {SOON})")
    late = run_standing(SLUG, NAME, SOON + timedelta(days=1))
    assert late.tone == "bad"
    assert late.headline.startswith("CONDITION OVERDUE: APPROVED WITH CONDITIONS")
    conditions.close("lapse", SLUG, "C1", by="Dr Okafor")
    given_up = run_standing(SLUG, NAME)
    assert given_up.tone == "bad"
    assert given_up.lines[0].endswith("(Dr Okafor; given up)")
    assert given_up.decision == record.id


def test_what_was_suspended_or_ended_is_red_with_who_and_why(run, decided):
    first = decided("approve", run_dir=run())
    stop = decided("suspend", reasons=["R24"])
    now = run_standing(SLUG, NAME)
    assert (now.tone, now.headline) == ("bad", f"SUSPENDED by {stop.id}: not to be used")
    assert "reason safety or security event (R24)" in now.lines[0]
    assert now.lines[1] == f"{first.id} had approved this run; that is not in force."


def test_another_run_that_is_approved_takes_the_green_away(run, decided):
    decided("approve", run_dir=run())
    other = decided("approve", run_dir=run("2026-11-23-1b2c3d4e"))
    now = run_standing(SLUG, NAME)
    assert (now.tone, now.decision) == ("bad", other.id)
    assert now.headline == f"Not this run: {other.id} approved run 2026-11-23-1b2c3d4e"
    third = run("2026-11-24-2c3d4e5f")
    assert run_standing(SLUG, third.name).tone == "open"


def test_bytes_that_changed_after_the_approval_are_red(run, decided):
    folder = run()
    record = decided("approve", run_dir=folder)
    told = read_json(folder / "evaluation.json")
    write_json(folder / "evaluation.json", {**told, "unit": "study"})
    now = run_standing(SLUG, NAME)
    assert now.tone == "bad"
    assert now.headline == f"NOT WHAT WAS APPROVED: changed after {record.id} was made"
    assert "evaluation" in now.lines[0]


def test_a_frozen_model_is_not_green_before_it_may_run(run, decided, moved):
    decided("approve", run_dir=run())
    moved(SLUG, "retrospective_eval", gate_step="G3", gate="gate_G3")
    now = run_standing(SLUG, NAME)
    assert now.tone == "open"
    assert now.headline.endswith("not for use yet")


def test_a_ledger_that_does_not_hold_makes_nothing_green(run, decided):
    record = decided("approve", run_dir=run())
    path = ledger.book_path()
    path.write_text(path.read_text().replace(str(record.expires_at), "2999-01-01"))
    now = run_standing(SLUG, NAME)
    assert (now.tone, now.headline) == ("bad", BROKEN)
