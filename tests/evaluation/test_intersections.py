import numpy as np
import pandas as pd
import pytest

from evaluation import EvaluationPlan, evaluate_classification, evaluate_segmentation
from evaluation.intersections import COLUMNS


def people(n, rng):
    return pd.DataFrame({
        "case_id": [f"c{i:04}" for i in range(n)], "patient_id": [f"p{i:04}" for i in range(n)],
        "split": "test", "sex": rng.choice(["F", "M"], n),
        "age": rng.choice(["0-39", "40-69", "70+"], n, p=[0.3, 0.65, 0.05]),
        "site": rng.choice(["n", "s"], n),
    })  # fmt: skip


def predictions(n=600, seed=0):
    rng = np.random.default_rng(seed)
    table = people(n, rng)
    found = rng.random(n) < np.where((table["sex"] == "F") & (table["age"] == "40-69"), 0.5, 0.9)
    y = rng.random(n) < 0.6
    return table.assign(
        target="a", y_true=y.astype(float), y_score=rng.random(n), status="ok",
        y_pred=(y & found).astype(float),
    )  # fmt: skip


def plan_of(**given):
    given = {"attributes": ("sex", "age", "site"), "prespecified": ("sex", "age"), **given}
    return EvaluationPlan("classification", ("a",), ("a",), "sensitivity", n_boot=100, **given)


def table_of(table, **plan):
    return evaluate_classification(table, plan_of(**plan)).tables["intersections"]


def test_raw_figures_are_those_of_the_cases():
    table = predictions()
    found = table_of(table).query("metric == 'sensitivity'").set_index("group")
    assert list(found.reset_index().columns) == ["group", *[c for c in COLUMNS if c != "group"]]
    assert found.index.tolist() == [f"{s}, {a}" for s in "FM" for a in ("0-39", "40-69", "70+")]
    ill = table.query("sex == 'F' and age == '40-69' and y_true == 1")
    row = found.loc["F, 40-69"]
    assert row["value"] == pytest.approx(ill["y_pred"].mean())
    assert row["n_positive"] == len(ill)
    assert row["n_patients"] == len(table.query("sex == 'F' and age == '40-69'"))
    assert row["attributes"] == "sex × age"
    assert found["prespecified"].all()


def test_the_combination_that_is_harmed_shows_and_the_small_ones_lean_on_the_rest():
    found = table_of(predictions()).query("metric == 'sensitivity'").set_index("group")
    harmed = found.loc["F, 40-69"]
    others = found.drop(["F, 40-69"])
    assert harmed["pooled_high"] < others.loc[["F, 0-39", "M, 40-69"], "pooled"].min()
    assert harmed["shrinkage"] < found.loc["F, 70+", "shrinkage"]
    width = found["pooled_high"] - found["pooled_low"]
    assert width["M, 70+"] < found.loc["M, 70+", "high"] - found.loc["M, 70+", "low"]


def test_combinations_without_a_patient_are_listed():
    table = predictions()
    table = table[~((table["age"] == "70+") & (table["site"] == "n"))]
    found = table_of(table, intersections=(("sex", "age", "site"),))
    rows = found.query("metric == 'sensitivity' and n_patients == 0").set_index("group")
    assert rows.index.tolist() == ["F, 70+, n", "M, 70+, n"]
    assert set(rows["state"]) == {"not_estimable"}
    assert rows[["value", "pooled", "shrinkage"]].isna().all(axis=None)
    assert not found["prespecified"].any()


def test_without_positives_a_combination_has_no_sensitivity_and_none_is_invented():
    table = predictions()
    table.loc[(table["sex"] == "M") & (table["age"] == "70+"), "y_true"] = 0.0
    found = table_of(table).query("metric == 'sensitivity'").set_index("group")
    row = found.loc["M, 70+"]
    assert (row["state"], row["reason"]) == ("not_estimable", "0 positives")
    assert np.isnan([row["value"], row["pooled"], row["shrinkage"]]).all()
    assert found["pooled"].notna().sum() == 5


def test_who_is_not_recorded_is_in_no_combination():
    table = predictions()
    table.loc[:49, "sex"] = None
    found = table_of(table).query("metric == 'sensitivity'")
    assert int(found["n_cases"].sum()) == 550
    assert not found["group"].str.contains("not recorded").any()


def test_patients_of_two_combinations_are_known_to_be_the_same():
    table = predictions()
    table["patient_id"] = np.repeat(np.arange(150), 4).astype(str)
    table["sex"] = np.repeat(np.random.default_rng(0).choice(["F", "M"], 150), 4)
    table["view"] = np.tile(["AP", "PA"], 300)
    found = table_of(
        table, attributes=("sex", "view"), prespecified=("sex", "view"), per_case=("view",)
    )
    row = found.query("metric == 'roc_auc'")
    assert (row["pooled_low"] < row["pooled"]).all()
    assert row["n_patients"].sum() == 300


def test_the_means_of_a_segmentation_are_pooled():
    rng = np.random.default_rng(0)
    cases = people(200, rng)
    dice = np.clip(rng.normal(0.85, 0.05, 200), 0, 1)
    table = cases.assign(structure="liver", metric="dice", value=dice, unit="", outcome="found")
    plan = EvaluationPlan(
        "segmentation", ("liver",), ("liver",), "dice", ("sex", "age"), ("sex", "age"), n_boot=100
    )
    found = evaluate_segmentation(table, plan).tables["intersections"].query("metric == 'dice'")
    off = (found["pooled"] - 0.85).abs()
    assert off.max() < (found["value"] - 0.85).abs().max()
    assert ((found["pooled_low"] < 0.85) & (found["pooled_high"] > 0.85)).all()


def test_one_named_attribute_has_no_intersection():
    assert table_of(predictions(), prespecified=("sex",)).empty
    assert table_of(predictions(), intersections=()).empty


def test_the_order_of_rows_does_not_matter():
    table = predictions()
    shuffled = table.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(table_of(table), table_of(shuffled))


@pytest.mark.parametrize(
    "change",
    [{"y_true": 0.0}, {"status": "failed"}, {"sex": None}, {"split": "train"}],
)
def test_where_nothing_is_measured_nothing_is_pooled(change):
    found = table_of(predictions().assign(**change)).query("metric == 'sensitivity'")
    assert found["pooled"].isna().all()
    assert set(found["state"]) <= {"not_estimable"}
