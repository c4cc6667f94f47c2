"""Clinical time, named people and residual risk, held to what was said at intake."""

from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml
from scipy.stats import chi2

from aiops.governance.people_evidence import clinical_time, named_people, residual_risk
from aiops.governance.usecase import UseCase

ROOT = Path(__file__).resolve().parents[3]
TODAY = date(2026, 11, 22)


def case(**said):
    return UseCase(
        slug="a-case", title="A case", id="UC-0001",
        submitted_at=f"{TODAY - timedelta(days=70)}T09:00:00+00:00", **said,
    )  # fmt: skip


def test_slow_labels_support_no_clinical_time():
    found = clinical_time(case=case(labels_planned=1000, labels_done=40), today=TODAY)
    assert found["value"] == pytest.approx(4.0)  # 40 in ten weeks
    low, high = chi2.ppf(0.025, 80) / 20, chi2.ppf(0.975, 82) / 20
    assert (found["low"], found["high"], found["n"]) == (
        pytest.approx(low),
        pytest.approx(high),
        40,
    )
    assert found["supports"] is True
    assert found["sentence"] == (
        "40 of 1,000 labels are done, 10 weeks after intake: 4.0 a week (2.9 to 5.4), 176 to 336 "
        "weeks to the last (asked: 10 a week, or 26 weeks)."
    )


@pytest.mark.parametrize(
    ("said", "supports", "words"),
    [
        ({"labels_planned": 100, "labels_done": 100}, False, "All 100 labels are done."),
        ({"labels_planned": 100, "labels_done": 95}, False, "0 to 1 weeks to the last"),
        ({"labels_planned": 500, "labels_done": 0}, True, "no end of weeks to the last"),
        ({"labels_planned": 1000, "labels_done": 95}, None, "9.5 a week (7.7 to 11.6)"),
        ({"labels_planned": 100, "labels_done": 500}, None, "500 labels are said to be done of"),
        ({"last_clinical_sign_in": date(2026, 11, 2)}, False, "20 days ago (asked: 60)"),
        ({"last_clinical_sign_in": date(2026, 8, 1)}, True, "113 days ago (asked: 60)"),
        ({"last_clinical_sign_in": date(2027, 12, 24)}, None, "2027-12-24, is still to come."),
    ],
)
def test_pace_and_sign_in(said, supports, words):
    found = clinical_time(case=case(**said), today=TODAY)
    assert found["supports"] is supports
    assert words in found["sentence"]


@pytest.mark.parametrize(("days", "supports"), [(0, None), (27, None), (28, True)])
def test_a_pace_needs_weeks_of_data(days, supports):
    day = TODAY - timedelta(days=70 - days)
    found = clinical_time(case=case(labels_planned=500, labels_done=0), today=day)
    assert found["supports"] is supports


def test_nothing_said_is_nothing_computed():
    assert clinical_time(case=case(), today=TODAY) is None
    assert clinical_time(case=None) is None


@pytest.mark.parametrize(
    "name", ["", "TBC", "nobody", "TBC (awaiting rota)", "to be confirmed", "tbc.", "-", "vacant"]
)
def test_an_empty_role_supports_after_thirty_days(name):
    found = named_people(case=case(clinical_lead=name, owner="Emergency care"), today=TODAY)
    assert found["supports"] is True
    assert found["sentence"] == (
        "Nobody is named as clinical lead, 70 days after intake (asked: no longer than 30)."
    )
    early = named_people(case=case(clinical_lead=name), today=TODAY - timedelta(days=60))
    assert early["supports"] is None


def test_named_people_speak_against():
    found = named_people(case=case(clinical_lead="Dr A", owner="Emergency care"), today=TODAY)
    assert found["supports"] is False


def test_the_hazard_log_is_read_and_bound_by_its_hash():
    log = ROOT / "configs" / "hazards" / "demo_wrist.yaml"
    found = residual_risk(case=None, hazards=log)
    assert found["source"].startswith("demo_wrist.yaml sha256 ")
    assert (found["supports"], found["value"]) == (False, 2.0)
    levels = {"1": 0, "2": 3, "3": 0, "4": 0, "5": 0}
    assert found["details"] == [{"open_by_level": levels}]
    assert residual_risk(case=None) is None


def test_risk_that_nobody_rated_after_controls_does_not_speak_against(tmp_path):
    log = yaml.safe_load((ROOT / "configs" / "hazards" / "demo_wrist.yaml").read_text())
    first = log["hazards"][0] | {"severity": "minor", "likelihood": "low"}
    first = {k: v for k, v in first.items() if k not in ("residual_likelihood", "controls")}
    first.pop("residual_severity", None)
    path = tmp_path / "log.yaml"
    path.write_text(yaml.safe_dump({**log, "hazards": [first]}))
    found = residual_risk(case=None, hazards=path)
    assert found["supports"] is None
    assert f"not rated after controls: {first['id']}." in found["sentence"]


RATED = {"hazard": "A nodule is missed", "causes": ["low dose"], "effect": "nothing is flagged",
          "harm": "a cancer found late", "severity": "major",
         "likelihood": "very high", "controls": ["a second reader"]}  # fmt: skip


@pytest.mark.parametrize(
    ("levels", "supports", "worst", "named"),
    [
        (("high", "low"), True, 4.0, "1 of 2 hazards are left at risk 4 or more of 5 (HZ-000)"),
        (
            ("medium", "low"),
            False,
            3.0,
            "0 of 2 hazards are left at risk 4 or more of 5;",
        ),
        (("low", "very high"), True, 5.0, "(HZ-001)"),
    ],
)
def test_a_risk_that_is_left_supports_the_reason(tmp_path, levels, supports, worst, named):
    log = tmp_path / "log.yaml"
    hazards = [{**RATED, "id": f"HZ-00{i}", "residual_likelihood": n} for i, n in enumerate(levels)]
    log.write_text(yaml.safe_dump({"kind": "hazard_log", "use_case": "x", "hazards": hazards}))
    found = residual_risk(case=None, hazards=log)
    assert (found["supports"], found["value"]) == (supports, worst)
    assert named in found["sentence"]


@pytest.mark.parametrize(("days", "supports"), [(60, False), (61, True)])
def test_a_clinician_who_stays_away_for_two_months_supports_the_reason(days, supports):
    signed_in = case(last_clinical_sign_in=TODAY - timedelta(days=days))
    assert clinical_time(case=signed_in, today=TODAY)["supports"] is supports
