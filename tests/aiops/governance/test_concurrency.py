"""Many who write at once lose nothing; two who decide on one case are told of each other."""

import multiprocessing
import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from threading import Barrier

import pytest

from aiops.errors import GateError
from aiops.governance import decision, ledger, usecase
from aiops.governance.decision import propose, record_decision
from aiops.governance.verify import verify_ledger

LEARNT = {"reasons": ["R19"], "lessons": ["Ask."], "revisit_if": ["kappa>=0.7"]}


def write(job):
    home, writer, each = job
    os.environ["AIOPS_HOME"] = home
    told = [
        propose("re-review", f"case-{writer}", rationale=f"Look {i}.", by=f"Board {writer}")
        for i in range(each)
    ]
    return [record_decision(proposal).id for proposal in told]


@pytest.mark.parametrize(
    ("writers", "each"), [(2, 10), pytest.param(8, 25, marks=pytest.mark.slow)]
)
def test_many_writers_lose_nothing(home, writers, each):
    for writer in range(writers):
        usecase.submit(f"case-{writer}", f"Case {writer}")
    spawn = multiprocessing.get_context("spawn")  # threads of numpy do not outlive a fork
    with ProcessPoolExecutor(writers, mp_context=spawn) as pool:
        jobs = [(str(home), writer, each) for writer in range(writers)]
        told = [name for names in pool.map(write, jobs) for name in names]
    records = ledger.read_all()
    assert len(records) == writers * each
    assert sorted(told) == sorted(record["id"] for record in records)
    numbers = [int(record["id"][-4:]) for record in records]
    assert numbers == list(range(1, writers * each + 1))
    assert Counter(r["made_by"] for r in records) == {f"Board {w}": each for w in range(writers)}
    assert verify_ledger(projection=False).found == ()


@pytest.mark.parametrize("repeat", range(5))
def test_of_two_who_decide_at_once_one_wins_and_the_other_is_told(home, repeat, monkeypatch):
    usecase.submit("ct-triage", "CT triage")
    real, both = decision.draft, Barrier(2)

    def drafted(proposal):
        statement = real(proposal)
        both.wait(30)  # neither is recorded before both are drafted
        return statement

    monkeypatch.setattr(decision, "draft", drafted)

    def decide(person, outcome="reject"):
        told = propose(outcome, "ct-triage", rationale="So.", by=person, **LEARNT)
        try:
            return record_decision(told)
        except GateError as fault:
            return fault

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(decide, ("Ana", "Ben")))
    [lost] = [f for f in found if isinstance(f, GateError)]
    [won] = [f for f in found if not isinstance(f, GateError)]
    assert won.made_by in ("Ana", "Ben")
    assert lost.what.startswith(f"somebody was quicker: {won.id} (reject, {won.made_by})")
    assert [r["id"] for r in ledger.read_all()] == [won.id]


def test_what_was_proposed_before_another_decided_is_told(home, monkeypatch):
    usecase.submit("ct-triage", "CT triage")
    real = decision.draft

    def slow(proposal):
        statement = real(proposal)
        monkeypatch.setattr(decision, "draft", real)
        record_decision(propose("re-review", "ct-triage", rationale="Look.", by="Ben"))
        return statement

    monkeypatch.setattr(decision, "draft", slow)
    with pytest.raises(GateError) as caught:
        record_decision(propose("re-review", "ct-triage", rationale="Look.", by="Ana"))
    assert caught.value.what == (
        f"somebody was quicker: {ledger.read_all()[0]['id']} (re-review, Ben) was recorded on "
        "this case since this was proposed"
    )
    assert caught.value.fix == "look at it, and propose again if it still stands"
    assert len(ledger.read_all()) == 1
