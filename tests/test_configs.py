"""Every YAML under configs/ says what it is and can be read."""

from pathlib import Path

import pytest
import yaml

from aiops.governance.policy import read_policy, read_reasons
from aiops.reading import read_config

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
EXPERIMENTS = [p for p in CONFIGS if p.parent.name == "configs"]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_a_config_opens_with_a_letter_and_says_its_kind(path):
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert yaml.safe_load(text)["kind"] in {
        "experiment",
        "gate_policy",
        "reasons",
        "synonyms",
        "hazard_matrix",
        "hazard_log",
        "lifecycle",
        "soup",
        "document_kinds",
        "effects",
    }


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda p: p.stem)
def test_an_experiment_is_sound_and_names_its_command(path, monkeypatch):
    monkeypatch.setenv("AIOPS_DATA", "/data")
    experiment = read_config(path).experiment
    assert "not for clinical use" in experiment.intended_use
    assert f"aiops run configs/{path.name}" in path.read_text(encoding="utf-8")


def test_policies_are_read():
    assert read_policy("gate_basic").items
    assert [f"R{i:02d}" for i in range(1, 25)] == sorted(read_reasons().codes)
