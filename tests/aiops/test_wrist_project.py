"""A project turned down at intake: the commands in the letter of its config, one after another."""

import os
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from aiops.cli import cli
from aiops.governance import ledger

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "configs" / "wrist_feasibility.yaml"
REAL = Path(os.environ.get("AIOPS_DATA", "absent")) / "wrist_xray_metadata" / "radiographs.csv"


def commands():
    """Return the commands of the letter, each as its words."""
    letter = CONFIG.read_text(encoding="utf-8").partition("kind: experiment")[0]
    text = re.sub(r"\\\n#\s+", " ", letter)
    return [shlex.split(line) for line in re.findall(r"^#   (aiops .+)$", text, re.MULTILINE)]


def run_letter():
    """Run the letter; return what each command printed, by its first words."""
    told = {}
    for words in commands():
        arguments = [str(ROOT / w) if w.startswith("configs/") else w for w in words[1:]]
        done = CliRunner().invoke(cli, arguments)
        no = arguments[0] in ("feasibility", "gate")
        assert done.exit_code == (3 if no else 0), f"{words}\n{done.output}\n{done.exception}"
        told[" ".join(words[1:3]) + str(sum(k.startswith(words[1]) for k in told))] = done.output
    return told


def made_films(folder):
    """Write a small table with the columns and the traps of the real one."""
    rng = np.random.default_rng(0)
    n = 2400
    code = np.where(rng.random(n) < 0.7, "23r-M/3.1", "").astype(object)
    code[:40:2] = "72B(b)"
    seen = np.where((code != "") & (rng.random(n) < 0.9), "1.0", "")
    folder.mkdir(parents=True)
    pd.DataFrame({
        "filestem": [f"f{i:04d}" for i in range(n)], "patient_id": np.arange(n) // 2,
        "study_number": 1, "gender": np.where(np.arange(n) // 2 % 2, "F", "M"),
        "age": rng.uniform(2, 19, n).round(1), "projection": 1 + np.arange(n) % 2,
        "device_manufacturer": np.where(np.arange(n) < n - 30, "Siemens", "Agfa"),
        "ao_classification": code, "fracture_visible": seen,
    }).to_csv(folder / "radiographs.csv", index=False)  # fmt: skip


def test_the_letter_names_every_step():
    first = [" ".join(words[1:3]) for words in commands()]
    assert first == [
        "lessons search", "usecase submit", "feasibility configs/wrist_feasibility.yaml",
        "gate G1", "decide reject", "lessons search", "revisit",
    ]  # fmt: skip


def test_a_made_table_with_the_same_traps_is_turned_down(home, tmp_path, monkeypatch):
    made_films(tmp_path / "data" / "wrist_xray_metadata")
    monkeypatch.setenv("AIOPS_DATA", str(tmp_path / "data"))
    told = run_letter()
    assert "20 patients have scaphoid" in told["feasibility configs/wrist_feasibility.yaml0"]
    (record,) = ledger.read_all()
    assert (record["outcome"], record["to_state"]) == ("reject", "rejected")
    reasons = {r["code"]: r for r in record["reasons"]}
    assert [r["basis"] for r in record["reasons"]] == ["computed"] * 3
    assert all(r["evidence"]["supports"] for r in record["reasons"])
    assert "only '1.0' is ever written" in reasons["R04"]["evidence"]["sentence"]
    assert "Where one value only is ever written" in told["lessons search1"]


@pytest.mark.slow
@pytest.mark.skipif(not REAL.exists(), reason="AIOPS_DATA has no wrist_xray_metadata")
def test_the_real_table_is_turned_down_on_what_was_counted_by_hand(home):
    told = run_letter()
    frame = pd.read_csv(REAL, dtype=str)
    scaphoid = frame["ao_classification"].fillna("").str.contains("72B", regex=False)
    assert frame.loc[scaphoid, "patient_id"].nunique() == 43
    assert set(frame.loc[scaphoid, "device_manufacturer"]) == {"Siemens"}
    blank = frame["fracture_visible"].isna()
    contradicted = frame.loc[blank, "ao_classification"].notna().mean()
    found = told["feasibility configs/wrist_feasibility.yaml0"]
    assert "43 patients have scaphoid; 100 are asked for" in found
    assert f"'ao_classification' implies it {100 * contradicted:.1f} %" in found
    assert "all others together are 102 cases of 49 patients, 0 of them with scaphoid" in found
    assert "The images of fewer than 8 of 18,298 cases are there" in found
    assert "No patient at all: age 65+" in found
    assert re.search(r"fail +patients +computed +R01: 43 patients", told["gate G10"])
    (record,) = ledger.read_all()
    assert record["reasons"][0]["evidence"]["value"] == 43
    assert record["reasons"][1]["evidence"]["value"] == pytest.approx(contradicted)
    assert "wrist-scaphoid" in told["lessons search1"]
    assert (
        "does not hold: patients_with_finding>=100 (patients_with_finding is 43, computed"
        in (told["revisit0"])
    )
