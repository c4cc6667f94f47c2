import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.report import wording
from aiops.report.sentences import SENTENCES, sentence
from evaluation import METRICS


def row(metric: str, value: float, low: float, high: float, **more) -> dict:
    return {"metric": metric, "target": "pleural_effusion", "value": value, "low": low,
            "high": high, "state": "ok", "n_cases": 100, "n_patients": 80, "n_positive": 30,
            **more}  # fmt: skip


def test_every_metric_is_explained_and_told():
    assert set(METRICS) == set(wording.GLOSSES) == set(SENTENCES)
    for name, metric in METRICS.items():
        if metric.higher_is_better is not None:
            assert wording.gloss(name).higher_is_better == metric.higher_is_better


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (row("sensitivity", 0.88, 0.74, 0.95),
         "Of every 100 cases with pleural effusion, 12 are missed (it could be 5 to 26)."),
        (row("sensitivity", 1.0, 0.9, 1.0, n_cases=80),
         "Of every 100 patients with pleural effusion, none is missed (it could be none to 10)."),
        (row("specificity", 0.91, 0.88, 0.93),
         "Of every 100 cases without pleural effusion, 9 give a false alarm (it could be 7 to "
         "12)."),
        (row("npv", 0.997, 0.99, 0.999),
         "Of every 100 all-clears, 0.3 are wrong (it could be 0.1 to 1), where disease is as "
         "common as here."),
        (row("missed", 0.06, 0.02, 0.15, target="mean"),
         "Of every 100 structures, 6 are missed altogether (it could be 2 to 15)."),
        (row("calibration_slope", 0.7, 0.6, 0.8), "The probabilities are too extreme."),
        (row("calibration_intercept", 0.1, -0.1, 0.3),
         "There is no sign that the probabilities are too high or too low over all."),
        (row("volume_error_ml", -1.5, -2.0, -1.0),
         "Volumes come out 1.5 ml too small on average (it could be −2.0 to −1.0 ml)."),
        (row("new_metric", 0.5, 0.4, 0.6), "new metric: 0.500 (0.400 to 0.600)."),
    ],
)  # fmt: skip
def test_what_a_figure_says(given, said):
    assert sentence(given) == said


@pytest.mark.parametrize("metric", list(SENTENCES))
def test_what_is_not_estimable_is_never_a_number(metric):
    said = sentence(row(metric, math.nan, math.nan, math.nan, reason="0 positives"))
    assert said == "This cannot be said: 0 positives."


@pytest.mark.parametrize("metric", list(SENTENCES))
def test_a_sentence_without_an_interval_does_not_invent_one(metric):
    said = sentence(row(metric, 0.5, math.nan, math.nan))
    assert "nan" not in said
    assert "could be" not in said


@given(st.floats(-1e6, 1e6), st.sampled_from([*wording.GLOSSES, "new"]))
def test_a_figure_is_short_and_has_no_hyphen_for_a_minus(value, metric):
    for text in (wording.figure(value, metric), wording.gap_figure(value, metric)):
        assert "-" not in text
        assert "e+" not in text


def test_nothing_is_ever_minus_zero():
    assert wording.gap_figure(-0.0001, "roc_auc") == "0.000"
    assert wording.figure(-0.00001, "dice") == "0.000"


def test_hidden_rows_print_no_figure():
    hidden = {"value": math.nan, "state": "suppressed", "reason": "hidden (<8)"}
    assert wording.with_interval(hidden, "dice") == "hidden (<8)"
