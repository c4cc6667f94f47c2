from datetime import date

import pytest

from aiops.governance.checks import answer
from aiops.governance.dossier import Dossier

TODAY = date(2026, 11, 22)
PAPER = {"id": "DOC-0001", "kind": "dpia", "name": "dpia.pdf", "dated": "2026-05-22",
         "by": "I. Governance", "sha256": "d" * 64, "file": "there"}  # fmt: skip
LOG = {**PAPER, "kind": "hazard_log"}


REGISTER = {"slug": "wrist", "id": "UC-0001"}


def asked(check, papers, hazards=None, **asks):
    return answer(check, asks, None, Dossier(TODAY, REGISTER, documents=papers, hazards=hazards))


@pytest.mark.parametrize(
    ("papers", "outcome", "words"),
    [
        ((), "undecided", "dpia: nobody has brought it"),
        ((PAPER,), "pass", "DOC-0001 is there, as I. Governance brought it"),
        (({**PAPER, "file": "missing"},), "undecided", "its file is gone, only its hash is left"),
        (({**PAPER, "file": "changed"},), "undecided", "differs from the one that was hashed"),
        (({**PAPER, "dated": "2026-05-21"},), "undecided", "is older than 6 months"),
        (({**PAPER, "kind": "cyber"},), "undecided", "dpia: nobody has brought it"),
    ],
)
def test_a_paper_is_there_gone_changed_or_old(papers, outcome, words):
    found = asked("document", papers, document="dpia", at_most_months=6)
    assert found.outcome == outcome
    assert words in found.reason
    assert bool(found.would_decide) == (outcome == "undecided")


def test_the_newest_paper_counts_and_of_one_day_the_last():
    old = {**PAPER, "id": "DOC-0009", "dated": "2024-01-01"}
    twin = {**PAPER, "id": "DOC-0002", "sha256": "e" * 64}
    found = asked("document", (PAPER, twin, old), document="dpia")
    assert found.value == "DOC-0002 of 2026-05-22, eeeeeeeeeeee"
    assert found.file == f"documents/{'e' * 64}"


def test_one_file_for_several_papers_is_told_by_the_gate():
    twin = {**PAPER, "id": "DOC-0002", "kind": "cyber"}
    found = asked("document", (PAPER, twin), document="dpia")
    assert found.outcome == "pass"
    assert found.reason.endswith("; one file for several papers, also: DOC-0002 (cyber)")


def rated(*levels, controlled=True, **head):
    told = [{"id": f"HZ-00{i}", "residual": n, "is_controlled": controlled}
            for i, n in enumerate(levels)]  # fmt: skip
    named = {"use_case": "wrist", "safety_officer": "C. Safety"}
    return {"matrix": "1.0.0", "rated": told, **named, **head}


@pytest.mark.parametrize(
    ("papers", "hazards", "outcome", "words"),
    [
        ((), None, "undecided", "hazard log: nobody has brought it"),
        ((LOG,), rated(1, 3), "pass", "every hazard is held"),
        ((LOG,), rated(1, 4, 5), "fail", "left: HZ-001 at 4; HZ-002 at 5"),
        ((LOG,), rated(2, controlled=False), "undecided", "not rated after controls: HZ-000"),
        ((LOG,), rated(1, use_case="UC-0001"), "pass", "every hazard is held"),
        ((LOG,), rated(1, use_case="knee"), "undecided", "the use case 'knee', not of wrist"),
        ((LOG,), rated(5, safety_officer=" TBC"), "undecided", "the log names no safety officer"),
        ((LOG,), {"matrix": "1.0.0"}, "undecided", "DOC-0001 cannot be read as a hazard log"),
        (({**LOG, "file": "changed"},), None, "undecided", "differs from the one that was hashed"),
    ],
)
def test_the_hazard_log_leaves_nothing_at_four(papers, hazards, outcome, words):
    found = asked("hazards_held", papers, hazards, at_most=3)
    assert found.outcome == outcome
    assert words in found.reason


@pytest.mark.parametrize(
    ("dated", "outcome", "reason"),
    [
        ("2026-05-22", "pass", "every hazard is held"),
        ("2026-05-21", "undecided", "DOC-0001 of 2026-05-21 is older than 6 months"),
    ],
)
def test_a_hazard_log_grows_old(dated, outcome, reason):
    log = {**LOG, "dated": dated}
    found = asked("hazards_held", (log,), rated(1), at_most=3, at_most_months=6)
    assert (found.outcome, found.reason) == (outcome, reason)
