"""Clinical time, named people and residual risk, held to what was said at intake."""

from datetime import date, timedelta
from pathlib import Path

import pytest

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
    assert found["supports"] is True
    assert found["sentence"] == (
        "40 of 1,000 labels were done in 10 weeks, 4.0 a week: 240 weeks to the last "
        "(asked: 10 a week, 26 weeks)."
    )


@pytest.mark.parametrize(
    ("said", "supports", "words"),
    [
        ({"labels_planned": 100, "labels_done": 100}, False, "All 100 labels are done."),
        ({"labels_planned": 100, "labels_done": 95}, False, "1 weeks to the last"),
        ({"labels_planned": 100, "labels_done": 0}, True, "0.0 a week: no end to the last"),
        ({"last_clinical_sign_in": date(2026, 11, 2)}, False, "20 days ago (asked: 60)"),
        ({"last_clinical_sign_in": date(2026, 8, 1)}, True, "113 days ago (asked: 60)"),
    ],
)
def test_pace_and_sign_in(said, supports, words):
    found = clinical_time(case=case(**said), today=TODAY)
    assert found["supports"] is supports
    assert words in found["sentence"]


def test_nothing_said_is_nothing_computed():
    assert clinical_time(case=case(), today=TODAY) is None
    assert clinical_time(case=None) is None


@pytest.mark.parametrize("name", ["", "TBC", "nobody"])
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
    assert found["supports"] is (found["value"] >= 4)
    assert sum(found["details"][0]["open_by_level"].values()) > 0
    assert residual_risk(case=None) is None
