"""Notebooks run from top to bottom, and carry no outputs."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_outputs_are_stripped(path):
    for cell in nbformat.read(path, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


SHOWN = {
    "01_first_model": ("did you mean 'xray'?", "gate gate_basic:"),
    "02_reading_a_fairness_report": ("of every 100 films with effusion", "surely better"),
    "03_a_rejected_project": (
        "the data support: R01 INSUFFICIENT_DATA, R03 DATA_FRAGMENTED, R04 LABEL_UNRELIABLE",
        "no number of patients reaches it",
        "DEC-",
        "learnt: Where one value only is ever written",
    ),
}
"""What a notebook must have printed when it has run."""


def printed(path, folder) -> str:
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}})
    client.execute()
    return "".join(o.get("text", "") for c in notebook.cells for o in c.get("outputs", []))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_runs(path, tmp_path):
    shown = printed(path, tmp_path)
    for words in SHOWN[path.stem]:
        assert words in shown


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("02_reading_a_fairness_report", "AIOPS_DATA is not there: made-up numbers"),
        ("03_a_rejected_project", "AIOPS_DATA is not there: made-up films"),
    ],
)
def test_without_the_data_a_notebook_says_so_and_goes_on(tmp_path, monkeypatch, name, words):
    monkeypatch.delenv("AIOPS_DATA", raising=False)
    path = next(p for p in NOTEBOOKS if p.stem == name)
    assert words in printed(path, tmp_path)


def test_the_ten_questions_name_sections_that_are_there():
    from aiops.report.page import VERBS

    text = (NOTEBOOKS[0].parent / "TEN_QUESTIONS.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| .+ \| .+ \|$", text, re.MULTILINE)
    assert rows == [str(n) for n in range(1, 11)]
    named = {int(n) for n in re.findall(r"section (\d+)", text)}
    assert named <= set(range(1, len(VERBS) + 2))
