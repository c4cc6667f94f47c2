from concurrent.futures import ThreadPoolExecutor

import pytest

from aiops.errors import ConfigError
from aiops.governance import ledger, usecase

pytestmark = pytest.mark.usefixtures("home")


def test_numbers_are_given_in_order_and_once():
    with ThreadPoolExecutor(4) as pool:
        cases = list(pool.map(lambda i: usecase.submit(f"case-{i}", f"Case {i}"), range(8)))
    assert sorted(case.id for case in cases) == [f"UC-{i:04d}" for i in range(1, 9)]
    assert ledger.verify(ledger.USE_CASES) == []


def test_a_number_that_a_decision_used_is_not_given_again():
    ledger.append(lambda earlier: {"id": "DEC-2026-0001", "case_id": "UC-0007"})
    assert usecase.submit("new-idea", "A new idea").id == "UC-0008"


def test_a_case_is_found_by_slug_and_by_number():
    made = usecase.submit("ct-triage", "CT triage", owner="Radiology", modality="ct")
    assert made.state == "submitted"
    assert usecase.find("ct-triage") == usecase.find("UC-0001") == made
    assert usecase.list_use_cases() == [made]
    assert usecase.registered("mr-triage") is None


def test_a_case_that_is_not_there_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="no use case is registered yet"):
        usecase.find("ct-triage")
    usecase.submit("ct-triage", "CT triage")
    with pytest.raises(ConfigError) as caught:
        usecase.find("ct-triag")
    assert "did you mean 'ct-triage'?" in caught.value.fix


def test_a_slug_is_taken_once():
    usecase.submit("ct-triage", "CT triage")
    with pytest.raises(ConfigError, match="'ct-triage' is registered already, as UC-0001"):
        usecase.submit("ct-triage", "CT triage again")


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"slug": "CT Triage", "title": "CT triage"}, "slug: String should match"),
        ({"slug": "ct-triage", "title": "CT triage", "onwer": "x"}, "onwer: Extra inputs"),
        ({"slug": "ct-triage", "title": "CT triage", "revisits": "UC-0099"}, "UC-0099"),
    ],
)
def test_an_intake_that_is_wrong_says_where(fields, what):
    with pytest.raises(ConfigError, match=what):
        usecase.submit(**fields)
    assert usecase.list_use_cases() == []


def test_a_run_makes_it_development_and_its_evaluation_more(make_run):
    usecase.submit("chest-effusion", "Effusion on chest films")
    folder = make_run()
    assert usecase.find("chest-effusion").state == "retrospective_eval"
    (folder / "evaluation.json").unlink()
    case = usecase.find("chest-effusion")
    assert (case.state, case.since) == ("development", "2026-11-22T10:00:00+00:00")
