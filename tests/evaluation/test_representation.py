import numpy as np
import pandas as pd
import pytest

from evaluation import EvaluationPlan, evaluate_classification, wilson
from evaluation.representation import COLUMNS


def represented(groups, patients=None, *, attribute="ethnicity", **plan):
    n = len(groups)
    table = pd.DataFrame({
        "case_id": np.arange(n), "patient_id": np.arange(n) if patients is None else patients,
        "split": "test", "target": "a", "y_true": np.arange(n) % 2, "y_score": 0.5,
        "status": "ok", attribute: groups,
    })  # fmt: skip
    plan = EvaluationPlan("classification", ("a",), ("a",), "roc_auc", (attribute,), n_boot=100,
                          **plan)  # fmt: skip
    found = evaluate_classification(table, plan).tables["representation"]
    assert list(found.columns) == COLUMNS
    return found.set_index("group")


POPULATION = {
    "population": {"ethnicity": {"black": 0.25, "white": 0.5, "asian": 0.2, "roma": 0.05}},
    "population_source": "census 2021",
}


def test_shares_stand_beside_those_of_the_population():
    found = represented(["black"] * 10 + ["white"] * 70 + ["asian"] * 20, **POPULATION)
    assert found.index.tolist() == ["asian", "black", "roma", "white", "not recorded"]
    row = found.loc["black"]
    low, high = wilson(10, 100)
    assert (row["share"], row["low"], row["high"]) == pytest.approx((0.1, low, high))
    assert row["ratio"] == pytest.approx(0.4)
    assert (row["ratio_low"], row["ratio_high"]) == pytest.approx((low / 0.25, high / 0.25))
    assert row["ratio_high"] < 1
    assert row["source"] == "census 2021"


def test_who_is_served_and_not_in_the_data_has_a_row():
    row = represented(["black"] * 50 + ["white"] * 50, **POPULATION).loc["roma"]
    assert (row["n_patients"], row["share"], row["ratio"]) == (0, 0, 0)
    assert row["high"] == pytest.approx(wilson(0, 100)[1])
    assert (row["state"], row["reason"]) == ("ok", "not in the data")


def test_case_27_who_is_not_recorded_is_counted_apart():
    found = represented(["a"] * 20 + ["b"] * 20 + [None] * 20)
    assert found.loc["not recorded", "n_patients"] == 20
    assert found.loc["not recorded", "share"] == pytest.approx(1 / 3)
    assert found.loc[["a", "b"], "share"].tolist() == [0.5, 0.5]
    assert found["n_patients"].sum() == 60
    assert found.loc["not recorded", "reason"].startswith("of all patients")
    assert represented(["a"] * 20).loc["not recorded", "share"] == 0


def test_patients_are_counted_and_not_films():
    found = represented(["a"] * 90 + ["b"] * 10, [0] * 80 + list(range(1, 21)))
    assert found["n_patients"].to_dict() == {"a": 11, "b": 10, "not recorded": 0}
    assert found.loc["a", "share"] == pytest.approx(11 / 21)


def test_a_patient_of_two_views_is_in_both():
    found = represented(
        ["AP", "PA"] * 15, np.repeat(np.arange(15), 2), attribute="view", per_case=("view",)
    )
    assert found.loc[["AP", "PA"], "n_patients"].tolist() == [15, 15]
    assert found.loc["AP", "share"] == 1


def test_where_nothing_is_recorded_nothing_is_said():
    found = represented([None] * 20, **POPULATION)
    assert np.isnan(found.loc["black", ["share", "ratio"]].astype(float)).all()
    assert found.loc["black", "state"] == "not_estimable"
    assert found.loc["not recorded", "share"] == 1


def test_few_patients_are_said_to_be_few():
    assert represented(["a"] * 4 + ["b"] * 2).loc["a", "state"] == "small_n"
