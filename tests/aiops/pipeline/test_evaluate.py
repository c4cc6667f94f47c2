"""What a config hands over to the evaluation package."""

import pandas as pd

from aiops.config import Experiment
from aiops.pipeline.evaluate import _chosen_on, evaluation_plan


def experiment(**evaluation):
    return Experiment.model_validate({
        "kind": "experiment", "use_case": "tiny", "task": "classification",
        "data": {"table": "cases.csv", "patient": "patient_id", "modality": "table"},
        "targets": {
            name: {"label": name, "positive": [1], "score": f"p_{name}"} for name in "ab"
        },
        "primary": {"target": "a", "metric": "sensitivity"},
        "operating_point": {"threshold": 0.5}, "evaluation": evaluation,
    })  # fmt: skip


def test_a_prevalence_is_of_every_finding_or_of_those_named():
    told = {"prevalence_source": "reports of 2025"}
    every = evaluation_plan(experiment(prevalence=0.05, **told), True, {})
    assert every.prevalence == {"a": 0.05, "b": 0.05}
    assert every.prevalence_source == "reports of 2025"
    named = evaluation_plan(experiment(prevalence={"b": 0.02}, **told), True, {})
    assert named.prevalence == {"b": 0.02}
    assert evaluation_plan(experiment(), True, {}).prevalence == {}


def test_the_cases_a_threshold_was_chosen_on_are_those_of_tune():
    table = pd.DataFrame({"case_id": ["c1", "c2", "c3"], "split": ["tune", "test", "tune"]})
    assert _chosen_on(table, {"a": {"chosen_on": "tune"}}) == {"c1", "c3"}
    assert _chosen_on(table, {"a": {"chosen_on": "nothing: supplied"}}) == set()
    assert _chosen_on(table, {}) == set()
