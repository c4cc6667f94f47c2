import json

import pytest
from click.testing import CliRunner

from aiops.cli import cli
from aiops.errors import ConfigError

WORDS = ["sample-size", "--metric", "sensitivity", "--value", "0.9", "--difference", "0.1"]
WORDS += ["--prevalence", "0.05", "--group", "women=0.5", "--group", "black=0.05"]


def test_case_35_at_the_command_line():
    told = CliRunner().invoke(cli, [*WORDS, "--json"])
    found = json.loads(told.stdout)
    women = next(row for row in found["groups"] if row["group"] == "women")
    assert (women["n_counted"], women["n_patients_all"]) == (199, 7960)
    assert found["n_patients_all"] == 36_800


def test_it_is_said_in_words_with_the_power_of_what_is_at_hand():
    told = CliRunner().invoke(cli, [*WORDS, "--patients", "7960"])
    assert told.exit_code == 0
    assert "sensitivity 0.9: 0.1 less in a group is found 80% of the time" in told.stdout
    assert "women (0.5 of the patients): 199 diseased cases" in told.stdout
    assert "with 7960 patients: ±0.042, power 80%" in told.stdout
    assert "the cohort needs 36800 patients, for every group" in told.stdout


def test_specificity_and_a_prevalence_of_a_group():
    words = ["sample-size", "--metric", "specificity", "--value", "0.9", "--half-width", "0.05"]
    told = CliRunner().invoke(cli, [*words, "--prevalence", "0.2", "--group", "old=0.5:0.3"])
    assert "139 healthy cases, that is 199 patients of the group" in told.stdout


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--group", "women"], "'women' names no share of a group"),
        (["--group", "women=half"], "'women=half' names no share of a group"),
        (["--group", "women=1.5"], "share of women 1.5 must lie between 0 and 1"),
        (["--power", "2"], "power 2.0 must lie between 0 and 1"),
    ],
)
def test_what_cannot_be_read_is_said_with_the_way_to_write_it(more, words):
    told = CliRunner().invoke(cli, [*WORDS[:9], *more])
    assert isinstance(told.exception, ConfigError)
    assert words in str(told.exception)
    assert told.exception.exit_code == 2
