import math
from datetime import date

import pytest
from pydantic import ValidationError

from aiops.errors import ConfigError
from aiops.governance.case_checks import Fact, months_after
from aiops.governance.checks import answer
from aiops.governance.dossier import Dossier

TODAY = date(2026, 11, 22)


def asked(check, dossier, **asks):
    return answer(check, asks, None, dossier)


def case(**fields):
    more = {name: fields.pop(name) for name in (
        "decisions", "documents", "like", "searched", "feasibility") if name in fields}  # fmt: skip
    stated = fields.pop("stated", {})
    return Dossier(TODAY, {"id": "UC-0001", **fields}, stated, **more)


@pytest.mark.parametrize(
    ("day", "months", "then"),
    [
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2027, 12, 5), 1, date(2028, 1, 5)),
        (date(2028, 1, 31), 1, date(2028, 2, 29)),
        (date(2026, 11, 22), 12, date(2027, 11, 22)),
    ],
)
def test_a_month_later_is_the_same_day_or_the_last(day, months, then):
    assert months_after(day, months) == then


@pytest.mark.parametrize(
    "name",
    ["", "TBC", "tbd", " none ", "?", "to be confirmed", "TBC (Dr ?)", "vacant", "-", None, 7],
)
def test_a_role_without_a_name_fails(name):
    found = asked("role_named", case(clinical_lead=name, owner="ED"),
                  fields=["clinical_lead", "owner"])  # fmt: skip
    assert (found.outcome, found.reason) == ("fail", "clinical lead: nobody is named")


def test_a_role_with_a_name_passes_and_what_is_stated_stands_above():
    lead = case(clinical_lead="Dr Okafor")
    assert asked("role_named", lead, fields=["clinical_lead"]).outcome == "pass"
    left = case(clinical_lead="Dr Okafor", stated={"clinical_lead": "TBC"})
    assert asked("role_named", left, fields=["clinical_lead"]).outcome == "fail"


def test_blank_words_are_undecided_and_named():
    found = asked("field_filled", case(problem="late reads"), fields=["problem", "pathway"])
    assert (found.outcome, found.reason) == ("undecided", "nothing is said of: pathway")
    assert asked("field_filled", case(problem="late"), fields=["problem"]).outcome == "pass"


@pytest.mark.parametrize("text", ["-", "?", "TBC (Dr S)", "???", ".", "x", "n/a"])
def test_a_mark_or_a_promise_fills_no_field(text):
    found = asked("field_filled", case(problem=text), fields=["problem"])
    assert (found.outcome, found.reason) == ("undecided", "nothing is said of: problem")


OLD = {"id": "UC-0003", "slug": "wrist-old", "state": "rejected"}
FAR = {"id": "UC-0004", "slug": "other", "state": "live", "is_weak": True}
MISSED = {"n_cases": 9, "unknown": ["navicular", "TB"]}
PAPER = {"id": "DOC-0001", "kind": "prior_search", "dated": "2026-10-01", "by": "A. Lead",
         "sha256": "d" * 64, "file": "there"}  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "outcome", "words"),
    [
        ({}, "undecided", "nobody looked for former cases"),
        ({"like": ()}, "undecided", "no case of the register is clearly like it"),
        ({"like": (), "searched": {"n_cases": 0}}, "undecided", "holds no earlier case"),
        (
            {"like": (), "searched": MISSED},
            "undecided",
            "of 9 earlier or ended cases is clearly like it; in none of them: navicular, TB",
        ),
        ({"like": (), "documents": (PAPER,)}, "pass", "DOC-0001 says what was looked through"),
        ({"like": (FAR,)}, "undecided", "no case of the register is clearly like it"),
        ({"like": (FAR, OLD), "revisits": "UC-0003"}, "pass", "it tries UC-0003 again"),
        ({"like": (OLD,)}, "undecided", "nobody has said in what it differs from UC-0003"),
        ({"like": (OLD,), "revisits": "UC-0003"}, "pass", "it says that it tries UC-0003 again"),
        ({"like": (OLD,), "documents": (PAPER,)}, "pass", "and in what it differs"),
        ({"like": (OLD,), "documents": ({**PAPER, "file": "changed"},)}, "undecided", "nobody has"),
    ],
)
def test_former_cases_are_looked_for_and_answered(facts, outcome, words):
    found = asked("prior_search", case(**facts))
    assert found.outcome == outcome
    assert words in found.reason


@pytest.mark.parametrize(
    ("done", "planned", "outcome", "value"),
    [
        (50, 100, "pass", "50% done"),
        (49, 100, "fail", "49% done"),
        (None, 100, "undecided", "unknown"),
        (5, None, "undecided", "unknown"),
        (0, 0, "undecided", "unknown"),
        (math.nan, 100, "undecided", "unknown"),
        (50, math.inf, "undecided", "unknown"),
        (500, 100, "undecided", "not possible"),
        (-1, 100, "undecided", "not possible"),
        (True, "soon", "undecided", "unknown"),
    ],
)
def test_labels_are_done_or_not_recorded(done, planned, outcome, value):
    found = asked("labels_done", case(labels_done=done, labels_planned=planned), at_least=0.5)
    assert (found.outcome, found.value) == (outcome, value)


@pytest.mark.parametrize(
    ("day", "outcome", "words"),
    [
        ("2025-11-22", "pass", "it is recent"),
        ("2025-11-21", "undecided", "market scan on: 2025-11-21 is longer ago"),
        ("2026-11-23", "undecided", "2026-11-23 is still to come"),
        (None, "undecided", "market scan on: no day is recorded"),
        ("last spring", "undecided", "no day is recorded"),
    ],
)
def test_a_day_is_recent_old_or_not_said(day, outcome, words):
    found = asked("date_fresh", case(market_scan_on=day), field="market_scan_on", at_most_months=12)
    assert found.outcome == outcome
    assert words in found.reason


@pytest.mark.parametrize(
    ("kappa", "outcome"),
    [(0.7, "pass"), (0.5, "fail"), ("good", "undecided"), (None, "undecided"),
     (math.nan, "undecided")],
)  # fmt: skip
def test_a_stated_fact_holds_fails_or_is_unknown(kappa, outcome):
    stated = {} if kappa is None else {"kappa": kappa}
    found = asked("fact_holds", case(stated=stated), holds="kappa>=0.6")
    assert found.outcome == outcome
    assert "stated" in found.reason


def test_a_fact_that_no_machine_can_check_is_refused():
    with pytest.raises(ConfigError, match="cannot be checked by a machine"):
        Fact(holds="the readers agree")


def decision(**changes):
    return {"id": "DEC-2026-0001", "outcome": "approve", "gate_step": "G1", "digests": [],
            "to_state": "planned", "expires_at": "2026-11-23", **changes}  # fmt: skip


@pytest.mark.parametrize(
    ("decisions", "outcome", "words"),
    [
        ((), "undecided", "nobody approved G1"),
        ((decision(),), "pass", "DEC-2026-0001 stands"),
        ((decision(expires_at="2026-11-22"),), "fail", "DEC-2026-0001 lapsed on 2026-11-22"),
        ((decision(expires_at=None),), "pass", "DEC-2026-0001 stands"),
        ((decision(outcome="reject"),), "undecided", "nobody approved G1"),
        ((decision(gate_step="G0"),), "undecided", "nobody approved G1"),
    ],
)
def test_an_earlier_step_was_approved_and_stands(decisions, outcome, words):
    found = asked("step_approved", case(decisions=decisions), step="G1")
    assert (found.outcome, found.reason) == (outcome, words)


def condition(**changes):
    return {"id": "C1", "decision": "DEC-2026-0001", "item": "fairness", "owner": "Dr Okafor",
            "due": "2026-11-22", "status": "open", **changes}  # fmt: skip


@pytest.mark.parametrize(
    ("conditions", "outcome", "words"),
    [
        ((), "pass", "no condition is open"),
        ((condition(status="met", due="2020-01-01"),), "pass", "no condition is open"),
        ((condition(),), "undecided", "open: DEC-2026-0001 C1 (fairness), Dr Okafor"),
        ((condition(due="2026-11-21"),), "fail", "overdue: DEC-2026-0001 C1"),
        ((condition(status="lapsed"),), "undecided", "given up: DEC-2026-0001 C1"),
    ],
)
def test_conditions_are_met_open_or_overdue(conditions, outcome, words):
    found = asked("conditions_kept", case(conditions=conditions))
    assert found.outcome == outcome
    assert words in found.reason


def figures(supports, day="2026-11-01"):
    told = {"supports": supports, "sentence": "480 patients are wanted."}
    return {"file": "f.json", "sha256": "a" * 64, "created_at": day, "reasons": {"R01": told}}


@pytest.mark.parametrize(
    ("found", "outcome", "words"),
    [
        (None, "undecided", "nobody asked `aiops feasibility` for this case"),
        (figures(False), "pass", "R01: 480 patients are wanted."),
        (figures(True), "fail", "R01: 480 patients are wanted."),
        (figures(None), "undecided", "R01: 480 patients are wanted."),
        (figures(False, "2025-11-01"), "undecided", "its figures are older than 12 months"),
    ],
)
def test_feasibility_speaks_against_a_reason_or_for_it(found, outcome, words):
    told = asked("feasible", case(feasibility=found), against=["R01"])
    assert (told.outcome, told.reason) == (outcome, words)


def test_a_reason_without_figures_is_undecided():
    told = asked("feasible", case(feasibility=figures(False)), against=["R01", "R04"])
    assert (told.outcome, told.reason) == ("undecided", "R04: no figures")


@pytest.mark.parametrize(
    ("code", "words"),
    [("R12", "figures on other sources by a run"), ("R04", "--readers"), ("R03", "CONFIG` on the")],
)
def test_what_would_decide_a_reason_is_not_what_was_done_already(code, words):
    told = asked("feasible", case(feasibility=figures(False)), against=[code])
    assert words in told.would_decide


def test_a_policy_that_asks_for_nothing_is_refused():
    with pytest.raises(ValidationError, match="fields"):
        asked("role_named", case(), fields=[])


LAPSED = {"expires_at": "2026-11-22"}


@pytest.mark.parametrize(
    ("decisions", "outcome", "words"),
    [
        ((decision(**LAPSED), decision(id="DEC-2026-0002")), "pass", "DEC-2026-0002 stands"),
        (
            (decision(), decision(id="DEC-2026-0002", **LAPSED)),
            "fail",
            "DEC-2026-0002 lapsed on 2026-11-22",
        ),
        ((decision(outcome="approve-with-conditions"),), "pass", "DEC-2026-0001 stands"),
    ],
)
def test_the_last_approval_of_a_step_counts_with_conditions_or_without(decisions, outcome, words):
    dossier = Dossier(TODAY, {}, decisions=decisions)
    found = asked("step_approved", dossier, step="G1")
    assert (found.outcome, found.reason) == (outcome, words)
