import re

import numpy as np
import pytest

from aiops.report import figures
from aiops.report.drawing import Axis, Words
from aiops.report.figures import Agreement, ForestRow, Interval

WORDS = Words("A <title>", "what & why")
X = np.linspace(0, 1, 11)


def drawings() -> dict[str, str]:
    nan = float("nan")
    rows = (
        ForestRow("women $x$ (120)", -0.08, -0.15, -0.01, 0.01, "concern", "−0.080"),
        ForestRow("<b>men</b> (8)", 0.01, -0.9, 0.9, 0.3, "insufficient evidence", "+0.010"),
        ForestRow("other (hidden)", nan, nan, nan, nan, "insufficient evidence", "hidden"),
    )
    return {
        "forest": figures.forest(rows, margin=0.05, axis=Axis("gap"), words=WORDS),
        "no margin": figures.forest(rows[2:], margin=None, axis=Axis("gap"), words=WORDS),
        "strip": figures.strip(
            Interval(0.8, 0.7, 0.9), acceptable=0.75, axis=Axis("AUC"), span=(0.6, 1), words=WORDS
        ),
        "roc": figures.roc(X, np.sqrt(X), point=(0.2, 0.4), words=WORDS),
        "calibration": figures.calibration(X, X**2, X**2 - 0.05, X**2 + 0.05, words=WORDS),
        "points": figures.bland_altman(
            X, X - 0.5, Agreement(0, -1, 1, "ml"), spread=None, words=WORDS
        ),
        "groups": figures.bland_altman(
            X, X - 0.5, Agreement(0, -1, 1, "ml"), spread=(X, X), words=WORDS
        ),
        "learning": figures.learning(X, 1 - X, X, X, best_step=1.0, words=WORDS),
        "no tune": figures.learning(X, 1 - X, X[:0], X[:0], best_step=None, words=WORDS),
    }


@pytest.mark.parametrize("name", list(drawings()))
def test_a_drawing_is_told_to_those_who_cannot_see_it(name):
    svg = drawings()[name]
    assert svg.startswith("<svg")
    assert svg.rstrip().endswith("</svg>")
    assert "A &lt;title&gt;</title>" in svg
    assert "what &amp; why</desc>" in svg
    ids = re.findall(r'\bid="([^"]+)"', svg)
    assert len(ids) == len(set(ids))
    assert set(re.search(r'aria-labelledby="([^"]+)"', svg)[1].split()) <= set(ids)
    assert "http" not in svg


def test_names_are_text_escaped_and_never_formulas():
    svg = drawings()["forest"]
    assert "women $x$ (120)" in svg
    assert "&lt;b&gt;men" in svg
    assert "<b>" not in svg


def test_drawings_of_one_page_do_not_share_ids():
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in drawings().values()]
    assert sum(map(len, ids)) == len(set().union(*ids))


def test_the_same_figures_make_the_same_drawing():
    assert drawings() == drawings()
