import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from aiops.cli import cli
from aiops.errors import ConfigError
from aiops.governance.hazards import read_hazards
from aiops.governance.trace import tests_by_requirement as found_tests
from aiops.governance.trace import trace
from aiops.home import configs_dir

DEMO = configs_dir() / "hazards" / "demo_wrist.yaml"
TESTS = Path(__file__).parents[2]

MARKED = """
import pytest

@pytest.mark.requirement("REQ-001", "REQ-002")
def test_one(): ...

@pytest.mark.requirement("REQ-003")
class TestMore:
    @pytest.mark.requirement("REQ-001")
    def test_two(self): ...

@pytest.mark.requirement("REQ-009")
def no_test(): ...
"""


def test_marks_are_read_without_running_anything(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "test_a.py").write_text("raise SystemExit\n" + MARKED)
    assert found_tests(tmp_path) == {
        "REQ-001": ["deep/test_a.py::test_one", "deep/test_a.py::TestMore::test_two"],
        "REQ-002": ["deep/test_a.py::test_one"],
        "REQ-003": ["deep/test_a.py::TestMore::test_two"],
    }
    (tmp_path / "test_b.py").write_text("def test(:")
    with pytest.raises(ConfigError, match="not Python that can be read"):
        found_tests(tmp_path)


def test_every_control_of_the_demo_is_held_up_by_a_test_of_this_suite():
    links = trace(read_hazards(DEMO), found_tests(TESTS))
    assert [link.gap for link in links] == ["", "", ""]


def test_a_chain_with_a_gap_says_which():
    links = trace(read_hazards(DEMO), {"REQ-001": ["test_a.py::test"]})
    assert [link.gap for link in links] == ["", *["no test shows the requirement"] * 2]


def test_the_command_ends_with_3_while_a_risk_is_left(tmp_path):
    ran = CliRunner().invoke(cli, ["hazards", "check", str(DEMO), "--json"])
    assert ran.exit_code == 0
    assert json.loads(ran.output)["open_by_level"] == {"1": 0, "2": 3, "3": 0, "4": 0, "5": 0}
    text = DEMO.read_text().replace("residual_likelihood: low\n", "comment: not rated\n")
    (tmp_path / "h.yaml").write_text(text.replace("severity: considerable", "severity: major", 1))
    ran = CliRunner().invoke(cli, ["hazards", "check", str(tmp_path / "h.yaml")])
    assert ran.exit_code == 3
    assert "HZ-001 risk 4 → 4 (unacceptable)" in ran.output
    assert "1 hazards are left at a risk that may not be" in ran.output
