import pytest

from aiops.report.findings import seal_sentence
from aiops.report.glance import at_a_glance

PRIMARY = {"metric": "roc_auc", "low": 0.82, "high": 0.9, "acceptable": 0.8}
CURVE = {"target": "effusion", "threshold": 0.4, "net_benefit": 0.2, "low": 0.15, "high": 0.25,
         "treat_all": 0.1, "treat_none": 0.0, "over_all": 0.1, "over_all_low": 0.05,
         "over_all_high": 0.15}  # fmt: skip
THERE = {"attribute": "sex", "group": "female", "population_share": 0.5, "ratio": 1.0,
         "ratio_low": 0.9, "ratio_high": 1.1}  # fmt: skip

SERVED = {"target": "effusion", "prevalence": 0.05, "metric": "alerts_per_100", "value": 24.0}


def words(questions) -> list[str]:
    return [q.chip.word for q in questions]


def test_no_data_is_never_green(run, chest):
    asked = at_a_glance(run(), chest())
    assert words(asked) == ["insufficient evidence"] * 5 + ["not asked yet"]
    assert {q.chip.tone for q in asked} == {"open"}


def test_what_is_shown_is_adequate(run, chest, table):
    files = run(
        evaluation={"primary": [PRIMARY], "verdict": {"overall": "adequate"},
                    "seal": {"reading": 1},
                    "operating_points": {"effusion": {"threshold": 0.41}}},
        gates={"outcome": "pass"},
        decision_curve=table("decision_curve", CURVE),
        representation=table("representation", THERE),
        at_prevalence=table("at_prevalence", SERVED),
    )  # fmt: skip
    assert words(at_a_glance(files, chest())) == ["adequate"] * 5 + ["pass"]


@pytest.mark.parametrize("lacking", ["prevalence", "threshold"])
def test_acting_is_not_adequate_without_a_prevalence_or_a_threshold_fixed_before(
    run, chest, table, lacking
):
    more = {} if lacking == "prevalence" else {"at_prevalence": table("at_prevalence", SERVED)}
    files = run(
        evaluation={"operating_points": {"effusion": {"threshold": 0.41}}},
        decision_curve=table("decision_curve", CURVE),
        **more,
    )
    config = chest(operating_point=None) if lacking == "threshold" else chest()
    assert words(at_a_glance(files, config))[3] == "insufficient evidence"


@pytest.mark.parametrize(
    ("place", "changed"),
    [
        (0, {"evaluation": {"primary": [{**PRIMARY, "low": 0.5, "high": 0.7}]}}),
        (1, {"evaluation": {"verdict": {"overall": "concern"}}}),
        (4, {"evaluation": {"seal": {"reading": 2}}}),
    ],
)
def test_what_is_shown_to_fail_is_a_concern(run, chest, place, changed):
    asked = at_a_glance(run(**changed), chest())
    assert asked[place].chip.word == "concern"


def test_a_first_reading_of_patients_tested_before_is_a_concern(run, chest):
    seal = {"hash": "ab12", "reading": 1, "shared": {"known": 190}}
    files = run(evaluation={"seal": seal})
    assert "concern" in words(at_a_glance(files, chest()))
    assert "patients of it were tested before in this use case" in seal_sentence({"seal": seal})
    assert "before" not in seal_sentence({"seal": {**seal, "shared": {"known": 0}}})


def test_people_who_lack_and_acting_that_harms_are_concerns(run, chest, table):
    lacking = table("representation", THERE, {**THERE, "ratio_low": 0.4, "ratio_high": 0.7})
    harmful = table("decision_curve", {**CURVE, "over_all_low": -0.2, "over_all_high": -0.05})
    files = run(
        evaluation={"operating_points": {"effusion": {"threshold": 0.4}}},
        representation=lacking,
        decision_curve=harmful,
    )
    asked = words(at_a_glance(files, chest()))
    assert asked[2] == asked[3] == "concern"
