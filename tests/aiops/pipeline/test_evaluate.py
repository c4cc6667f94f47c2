"""The demo's own plan, on its own people with made scores: the scanner is told from the group."""

import numpy as np
import pandas as pd
import pytest

from aiops.data.phantom import HARMED, WORN_SCANNER, WRIST_POPULATION
from aiops.data.phantom_people import draw_people
from aiops.home import configs_dir
from aiops.pipeline.evaluate import evaluation_plan
from aiops.reading import read_config
from evaluation import evaluate_classification


@pytest.fixture
def plan():
    experiment = read_config(configs_dir() / "demo_wrist.yaml").experiment
    return evaluation_plan(experiment, True, {"fracture": {"threshold": 0.5, "criterion": ""}})


def predictions(seed, *, bias=True):
    """Return a test list like the demo's: films of the worn scanner tell little."""
    rng = np.random.default_rng(seed)
    people = draw_people(WRIST_POPULATION, 720, rng)
    films = people.loc[people.index.repeat(2)].reset_index(drop=True)
    y = np.repeat(rng.random(720) < 0.4, 2)
    strength = np.where(bias & (films["scanner"] == WORN_SCANNER), 0.8, 3.2)
    logit = -1.5 + strength * y + rng.normal(size=1440)
    age = pd.cut(films["age"], [0, 39, 59, 120], labels=["16-39", "40-59", "60+"]).astype(str)
    return films.assign(
        case_id=[f"f{i:05}" for i in range(1440)], study_id=films["patient_id"] + "a",
        split="test", target="fracture", y_true=y.astype(float), y_score=1 / (1 + np.exp(-logit)),
        score_kind="probability", y_pred=np.nan, status="ok", age=age,
        view=np.tile(["pa", "lateral"], 720),
    )  # fmt: skip


def rows_of(found):
    table = found.tables["adjusted"].query("metric == 'roc_auc'")
    return table.set_index(["attribute", "group", "adjusted_for"])


@pytest.mark.parametrize("seed", range(3))
def test_the_demo_lays_the_planted_bias_on_the_scanner(plan, seed):
    found = evaluate_classification(predictions(seed), plan)
    harmed = rows_of(found).loc[("ethnicity", HARMED, "scanner")]
    worn = rows_of(found).loc[("scanner", WORN_SCANNER, "ethnicity")]
    assert harmed["crude_high"] < -0.05
    assert harmed["adjusted_low"] < 0 < harmed["adjusted_high"]
    assert harmed["explained"] > 0.6
    assert worn["adjusted_high"] < -0.05
    assert abs(worn["explained"]) < 0.4


def test_without_the_bias_there_is_nothing_to_explain(plan):
    found = rows_of(evaluate_classification(predictions(0, bias=False), plan))
    assert np.isnan(found.loc[("ethnicity", HARMED, "scanner"), "explained"])


def test_the_scanner_is_in_no_family_of_verdicts(plan):
    gaps = evaluate_classification(predictions(0), plan).gaps
    assert set(gaps.loc[gaps["verdict"] != "", "attribute"]) == {"sex", "ethnicity"}
    assert not gaps.loc[gaps["attribute"] == "scanner", "prespecified"].any()
    assert plan.adjust_for == ("scanner",)
    assert set(plan.reasons) == {"sex", "ethnicity"}
