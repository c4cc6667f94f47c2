import math
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.errors import ConfigError
from aiops.files import write_json
from aiops.governance import ledger, usecase
from aiops.governance.decision import propose, record_decision
from aiops.governance.revisit import (
    FAILS,
    HOLDS,
    UNKNOWN,
    Revisit,
    answer,
    facts_of,
    parse,
    problem_with,
    revisit,
)

pytestmark = pytest.mark.usefixtures("home")


@pytest.mark.parametrize(
    ("text", "fact", "op", "value"),
    [
        ("n_positive>=480", "n_positive", ">=", 480.0),
        ("kappa >= 0.7", "kappa", ">=", 0.7),
        ("vendor_contract_ends<2027-04", "vendor_contract_ends", "<", "2027-04"),
        ("clinical_lead!=null", "clinical_lead", "!=", None),
        ("verdict == 'insufficient evidence'", "verdict", "==", "insufficient evidence"),
        ("vendor_feature==false", "vendor_feature", "==", False),
    ],
)
def test_a_condition_is_taken_apart(text, fact, op, value):
    found = parse(text)
    assert (found.fact, found.op, found.value) == (fact, op, value)
    assert type(found.value) is type(value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("when there are more patients", "cannot be checked by a machine"),
        ("kappa=0.7", "cannot be checked"),
        ("kappa>=", "cannot be checked"),
        ("clinical_lead>null", "null has no more or less"),
        ("verdict>adequate", "adequate has no more or less"),
        ("n>=nan", "nan is no number to compare with"),
        ("n<=inf", "inf is no number to compare with"),
        ("today>=2027-13", "2027-13 is no day of the calendar"),
        ("ends<2027-02-30", "2027-02-30 is no day of the calendar"),
        ("owner==A and n>=400", "holds more than one condition"),
    ],
)
def test_what_a_machine_cannot_check_is_refused(text, words):
    with pytest.raises(ConfigError, match=words):
        parse(text)
    usecase.submit("ct-triage", "CT triage")
    with pytest.raises(ConfigError, match=words):
        record_decision(
            propose("reject", "ct-triage", rationale="No.", by="A board", reasons=["R01"],
                    revisit_if=[text])
        )  # fmt: skip
    assert ledger.read_all() == []


@pytest.mark.parametrize(
    ("text", "facts", "said"),
    [
        ("kappa>=0.7", {"kappa": 0.7}, HOLDS),
        ("kappa>=0.7", {"kappa": 0.69}, FAILS),
        ("kappa>=0.7", {}, UNKNOWN),
        ("kappa>=0.7", {"kappa": "high"}, UNKNOWN),
        ("kappa>=0.7", {"kappa": None}, UNKNOWN),
        ("clinical_lead!=null", {"clinical_lead": None}, FAILS),
        ("clinical_lead!=null", {"clinical_lead": "Dr Lee"}, HOLDS),
        ("ends<2027-04", {"ends": "2027-03-31"}, HOLDS),
        ("ends<2027-04", {"ends": "2027-04-01"}, FAILS),
        ("ends<=2027-04", {"ends": "2027-04-30"}, HOLDS),
        ("bought==true", {"bought": False}, FAILS),
        ("bought==no", {"bought": False}, HOLDS),
        ("bought!=false", {"bought": "no"}, UNKNOWN),
        ("labels_done!=0", {"labels_done": None}, UNKNOWN),
        ("sign_in!=2027-01", {"sign_in": None}, UNKNOWN),
        ("owner!=Radiology", {"owner": None}, UNKNOWN),
        ("kappa!=0.7", {"kappa": math.nan}, UNKNOWN),
        ("kappa!=null", {"kappa": math.nan}, UNKNOWN),
        ("kappa==null", {"kappa": None}, HOLDS),
        ("modality!=CT", {"modality": "ct"}, FAILS),
        ("modality==ct", {"modality": " CT"}, HOLDS),
        ("ends>2027-04", {"ends": "soon"}, UNKNOWN),
        ("ends<2027-04", {"ends": "01/05/2028"}, UNKNOWN),
        ("ends<2027-04", {"ends": "2027"}, UNKNOWN),
        ("ends<=2027-04-30", {"ends": "2027-04"}, UNKNOWN),
        ("once more patients came", {}, UNKNOWN),
    ],
)
def test_an_unknown_fact_is_no_yes(text, facts, said):
    assert answer(text, {k: (v, "test") for k, v in facts.items()}).answer == said


@given(a=st.floats(-1e6, 1e6), b=st.integers(-1000, 1000))
def test_numbers_are_compared_as_numbers(a, b):
    facts = {"x": (a, "test")}
    assert (answer(f"x>={b}", facts).answer == HOLDS) == (a >= b)
    assert (answer(f"x<{b}", facts).answer == HOLDS) == (a < b)


def rejected(slug, *revisit_if, **more):
    usecase.submit(slug, f"Case {slug}", clinical_lead=more.pop("lead", "TBC"))
    record_decision(
        propose("defer" if more else "reject", slug, rationale="Too few.", by="A board",
                reasons=["R01"], revisit_if=revisit_if, lessons=["Count first."], **more)
    )  # fmt: skip


def test_cases_that_could_be_tried_again_come_first(home, make_run):
    rejected("chest-effusion", "n_patients>=2", "kappa>=0.7")
    make_run()  # a run of chest-effusion since then: 380 patients or so
    rejected("ct-triage", "clinical_lead!=null")
    rejected("mr-triage", "today>=2999-01-01", review_by=date(2999, 1, 1))
    usecase.submit("open-case", "Still open")
    found = revisit(today=date(2026, 12, 1))
    assert [(r.case.slug, r.could_be_reopened, r.is_due) for r in found] == [
        ("chest-effusion", False, False),
        ("ct-triage", False, False),
        ("mr-triage", False, False),
    ]
    by_slug = {r.case.slug: r for r in found}
    assert [a.answer for a in by_slug["chest-effusion"].answers] == [HOLDS, UNKNOWN]
    assert "computed by run" in by_slug["chest-effusion"].answers[0].because
    assert by_slug["ct-triage"].answers[0].answer == FAILS  # TBC is nobody
    (home / "facts.yaml").write_text(
        "ct-triage: {clinical_lead: Dr Lee}\nchest-effusion: {kappa: 0.81}\n"
    )
    found = revisit(today=date(2999, 1, 1))
    assert [r.case.slug for r in found if r.could_be_reopened] == [
        "mr-triage", "chest-effusion", "ct-triage"
    ]  # fmt: skip
    assert found[0].is_due
    assert "due for review" in found[0].lines()[0]
    assert "stated in facts.yaml" in "\n".join(found[1].lines())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("n_positve>=480", "did you mean 'n_positive'?"),
        ("n_positive>=soon", "soon has no more or less"),
        ("n_positive==many", "can never be checked: n_positive is a number, and this is a word"),
        ("today>=2020-01-01", "holds already: today is 2026-11-22"),
        ("today<2026-01", "can never hold: that day is past"),
        ("today==2026-01-01", "can never hold: that day is past"),
        ("clinical_lead!=TBC", "TBC says nothing; for what is not said write null"),
        ("clinical_lead==null", "holds already: clinical_lead is not named"),
        ("kappa>=0.6", "holds already: kappa is 0.63, stated in facts.yaml"),
        ("kappa>=0.7 or n>=9", "holds more than one condition"),
        ("once more patients came", "cannot be checked by a machine"),
    ],
)
def test_a_condition_that_can_never_help_is_told_before_it_is_recorded(home, text, words):
    case = usecase.submit("ct-triage", "CT triage", clinical_lead="TBC")
    (home / "facts.yaml").write_text("ct-triage: {kappa: 0.63}\n")
    assert words in problem_with(text, case, today=date(2026, 11, 22))


@pytest.mark.parametrize(
    "text",
    ["n_positive>=480", "today>=2027-01", "clinical_lead!=null", "contract_ends<2027-04",
     "kappa>=0.7", "verdict==adequate", "blanks_told_apart==true", "readers_agree>=0.6",
     "signed_contract==yes"],
)  # fmt: skip
def test_a_condition_that_time_or_work_can_bring_about_is_no_problem(home, text):
    case = usecase.submit("ct-triage", "CT triage", clinical_lead="TBC")
    facts = "ct-triage: {kappa: 0.63}\nother-case: {contract_ends: null}\n"
    (home / "facts.yaml").write_text(facts)
    assert problem_with(text, case, today=date(2026, 11, 22)) == ""


SAID = {"rationale": "Too few.", "by": "A board", "reasons": ["R01"], "lessons": ["Count first."]}


def test_a_case_without_a_condition_could_not_be_reopened(home):
    case = usecase.submit("ct-triage", "CT triage")
    assert not Revisit(case, (), is_due=False).could_be_reopened


@pytest.mark.parametrize("outcome", ["reject", "discontinue", "defer"])
def test_every_kind_of_no_is_asked_again_by_its_last_condition(home, outcome):
    usecase.submit("ct-triage", "CT triage", clinical_lead="TBC")
    record_decision(propose("defer", "ct-triage", **SAID, revisit_if=["kappa>=0.7"]))
    record_decision(propose("resume", "ct-triage", rationale="Again.", by="A board"))
    told = propose(outcome, "ct-triage", **SAID, revisit_if=["clinical_lead!=null"])
    record_decision(told)
    (home / "facts.yaml").write_text("ct-triage: {clinical_lead: Dr Lee}\n")
    [found] = revisit(today=date(2026, 12, 1))
    assert [one.condition for one in found.answers] == ["clinical_lead!=null"]
    assert found.could_be_reopened


def test_facts_are_those_of_the_newest_run(make_run):
    case = usecase.submit("chest-effusion", "Effusion on chest films")
    for name, low in (("2026-11-22-aaaaaaaa", 0.7), ("2026-11-23-bbbbbbbb", 0.8)):
        make_run(name, low=low)
    value, source = facts_of(case, {}, date(2026, 12, 1))["primary_low"]
    assert (value, source) == (0.8, "computed by run 2026-11-23-bbbbbbbb")
    write_json(make_run("2026-11-24-cccccccc") / "evaluation.json", {
        "primary": [{"value": None, "low": None}], "verdict": {"overall": "adequate"}})  # fmt: skip
    assert "primary_low" not in facts_of(case, {}, date(2026, 12, 1))
