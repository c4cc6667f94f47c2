from pathlib import Path

import pytest
import yaml

from aiops.errors import ConfigError
from aiops.governance.hazards import (
    HazardMatrix,
    open_by_level,
    read_hazards,
    read_matrix,
    unacceptable,
)
from aiops.home import configs_dir

# The scale as it is published, by rows of likelihood from very high to very low.
PUBLISHED = """
very high: 3 4 4 5 5
high:      2 3 3 4 5
medium:    2 2 3 3 4
low:       1 2 2 3 4
very low:  1 1 2 2 3
"""
SEVERITIES = ["minor", "significant", "considerable", "major", "catastrophic"]
CELLS = [
    (severity, row.split(":")[0], int(risk))
    for row in PUBLISHED.strip().splitlines()
    for severity, risk in zip(SEVERITIES, row.split(":")[1].split(), strict=True)
]


@pytest.mark.parametrize(("severity", "likelihood", "risk"), CELLS)
def test_all_25_cells_of_the_matrix(severity, likelihood, risk):
    assert len(CELLS) == 25
    assert read_matrix().risk_of(severity, likelihood) == risk


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"low": [3, 2, 2, 3, 4]}, "risk falls where severity or likelihood rises"),
        ({"low": [1, 2, 2, 3]}, "risk of 'low': one of 1 to 5 for each severity"),
        ({"low": [0, 2, 2, 3, 4]}, "risk of 'low': one of 1 to 5"),
        ({"never": [1, 1, 1, 1, 1]}, "risk needs a row for each of"),
    ],
)
def test_a_matrix_that_cannot_be_is_refused(change, words):
    plain = read_matrix().model_dump()
    with pytest.raises(ValueError, match=words):
        HazardMatrix.model_validate({**plain, "risk": {**plain["risk"], **change}})


def log(folder: Path, **change) -> Path:
    entry = {
        "id": "HZ-001", "hazard": "A nodule is missed", "causes": ["low dose"],
        "effect": "nothing is flagged", "harm": "a cancer found late", "severity": "major",
        "likelihood": "high",
    }  # fmt: skip
    path = folder / "hazards.yaml"
    entries = [{**entry, **change}, *([entry] if change.get("twice") else [])]
    for one in entries:
        one.pop("twice", None)
    path.write_text(yaml.safe_dump({"kind": "hazard_log", "use_case": "x", "hazards": entries}))
    return path


def test_a_hazard_nobody_rated_after_controls_stays_as_it_was(tmp_path):
    (only,) = read_hazards(log(tmp_path, controls=["a second reader"]))
    assert (only.initial, only.residual, only.is_controlled) == (4, 4, False)
    assert unacceptable([only]) == [only]
    (only,) = read_hazards(
        log(tmp_path, controls=["a second reader"], residual_likelihood="very low")
    )
    assert (only.initial, only.residual, only.is_controlled) == (4, 2, True)
    assert open_by_level([only]) == {"1": 0, "2": 1, "3": 0, "4": 0, "5": 0}
    assert unacceptable([only]) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"severity": "grave"}, "HZ-001 severity 'grave' is none of minor, significant"),
        ({"residual_likelihood": "low"}, "without a control that lowers it"),
        (
            {"controls": ["x"], "residual_likelihood": "very high"},
            "residual risk 5 is above the initial 4",
        ),
        ({"residual_severity": "minor"}, "residual severity without a control and a residual"),
        (
            {"controls": ["a second reader"], "residual_severity": "minor"},
            "residual severity without a control and a residual likelihood",
        ),
        ({"controls": [""], "residual_likelihood": "low"}, "HZ-001: a control that says nothing"),
        ({"twice": True}, "HZ-001 stands 2 times"),
        ({"causes": []}, "hazards.0.causes: List should have at least 1 item"),
        ({"risk": 1}, "hazards.0.risk: Extra inputs are not permitted"),
    ],
)
def test_a_log_that_is_wrong_says_where(tmp_path, change, words):
    with pytest.raises(ConfigError, match=words):
        read_hazards(log(tmp_path, **change))


def test_a_file_that_is_no_yaml_is_named(tmp_path):
    path = tmp_path / "hazards.yaml"
    path.write_text("kind: [")
    with pytest.raises(ConfigError) as caught:
        read_hazards(path)
    assert str(path) in str(caught.value)


def test_the_demos_log_leaves_nothing_unacceptable():
    rated = read_hazards(configs_dir() / "hazards" / "demo_wrist.yaml")
    assert unacceptable(rated) == []
    assert all(r.is_controlled for r in rated)


HAZARD = {"id": "HZ-001", "hazard": "A nodule is missed", "causes": ["low dose"],
          "effect": "nothing is flagged", "harm": "a cancer found late", "severity": "major",
          "likelihood": "high", "controls": ["a second reader"]}  # fmt: skip


def rated(folder, **change):
    path = folder / "hazards.yaml"
    hazards = [{**HAZARD, **change}]
    path.write_text(yaml.safe_dump({"kind": "hazard_log", "use_case": "x", "hazards": hazards}))
    return read_hazards(path)


def test_a_risk_does_not_fall_where_likelihood_rises():
    plain = read_matrix().model_dump()
    higher = {**plain["risk"], "low": (2, 3, 3, 4, 5)}  # above medium: 2 2 3 3 4
    with pytest.raises(ValueError, match="risk falls where severity or likelihood rises"):
        HazardMatrix.model_validate({**plain, "risk": higher})


def test_a_severity_that_controls_lower_lowers_the_risk(tmp_path):
    [only] = rated(tmp_path, residual_severity="minor", residual_likelihood="medium")
    assert (only.initial, only.residual) == (4, 2)


def test_a_residual_severity_that_is_none_is_named(tmp_path):
    with pytest.raises(ConfigError, match="HZ-001 residual_severity 'mild' is none of minor"):
        rated(tmp_path, residual_severity="mild", residual_likelihood="low")
