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


def test_the_paired_dice_and_its_margin():
    words = ["sample-size", "--metric", "dice", "--sd", "0.05"]
    told = CliRunner().invoke(cli, [*words, "--margin", "0.02", "--group", "women=0.5"])
    assert "that it is not 0.02 worse is shown 80% of the time" in told.stdout
    assert "women (0.5 of the patients): 52 patients" in told.stdout
    assert "the cohort needs 103 patients" in told.stdout
    found = CliRunner().invoke(
        cli, [*words, "--difference", "0.0125", "--patients", "128", "--json"]
    )
    row = json.loads(found.stdout)["groups"][0]
    assert (row["group"], row["n_patients_all"]) == ("all", 128)
    assert row["power_at_hand"] == pytest.approx(0.8, abs=0.005)


def test_an_auc_known_well_enough_and_two_told_apart():
    words = ["sample-size", "--metric", "roc_auc", "--value", "0.85", "--prevalence", "0.2"]
    one = json.loads(CliRunner().invoke(cli, [*words, "--half-width", "0.05", "--json"]).stdout)
    assert one["n_patients_all"] == 484
    pair = ["--difference", "0.05", "--correlation", "0.5", "--json"]
    two = json.loads(CliRunner().invoke(cli, [*words, *pair]).stdout)
    alone = json.loads(CliRunner().invoke(cli, [*words, *pair[:2], "--json"]).stdout)
    assert two["n_patients_all"] == pytest.approx(alone["n_patients_all"] / 2, rel=0.01)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--group", "women"], "'women' names no share of a group"),
        (["--group", "women=half"], "'women=half' names no share of a group"),
        (["--group", "women=1.5"], "share of women 1.5 must lie between 0 and 1"),
        (["--power", "2"], "power 2.0 must lie between 0 and 1"),
        (["--metric", "dice"], "dice needs --sd"),
        (["--metric", "dice", "--sd", "1", "--group", "all=2"], "share of all 2.0 must lie"),
        (["--metric", "dice", "--sd", "0.1", "--difference", "0"], "difference, without its sign"),
    ],
)
def test_what_cannot_be_read_is_said_with_the_way_to_write_it(more, words):
    told = CliRunner().invoke(cli, [*WORDS[:9], *more])
    assert isinstance(told.exception, ConfigError)
    assert words in str(told.exception)
    assert told.exception.exit_code == 2
