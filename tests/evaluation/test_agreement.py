import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp

from evaluation import (
    EvaluationPlan,
    bland_altman,
    case_rows,
    evaluate_classification,
    evaluate_segmentation,
)
from evaluation.agreement import AGREEMENT_COLUMNS


def test_case_14_bias_and_limits():
    a, b = np.array([10.0, 12, 14, 16, 18]), np.array([11.0, 12, 13, 17, 17])
    found = bland_altman(a, b, np.arange(5))
    assert found.bias.value == 0
    assert found.sd == pytest.approx(1)
    assert (found.lower.value, found.upper.value) == pytest.approx((-1.96, 1.96))


def test_bias_interval_is_students():
    rng = np.random.default_rng(0)
    a = rng.normal(50, 10, 40)
    b = a + rng.normal(1, 2, 40)
    found = bland_altman(a, b, np.arange(40))
    peer = ttest_1samp(b - a, 0).confidence_interval()
    assert (found.bias.low, found.bias.high) == pytest.approx((peer.low, peer.high))
    assert found.upper.low < found.upper.value < found.upper.high


def test_copies_of_a_patient_add_nothing():
    rng = np.random.default_rng(0)
    a, d = rng.normal(50, 10, 20), rng.normal(1, 2, 20)
    once = bland_altman(a, a + d, np.arange(20)).bias
    copied = bland_altman(np.tile(a, 6), np.tile(a + d, 6), np.tile(np.arange(20), 6)).bias
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high))


def test_nothing_and_one():
    none = bland_altman(np.zeros(0), np.zeros(0), np.zeros(0, int))
    assert none.bias.state == none.upper.state == "not_estimable"
    one = bland_altman(np.ones(1), np.ones(1), np.zeros(1, int))
    assert np.isnan([one.sd, one.upper.value]).all()
    assert one.upper.state == "not_estimable"


def test_odd_input_is_named():
    with pytest.raises(ValueError, match="must match"):
        bland_altman(np.ones(2), np.ones(3), np.arange(2))
    with pytest.raises(ValueError, match="1 differences are nan"):
        bland_altman(np.array([1.0, np.nan]), np.ones(2), np.arange(2))


def volumes(outcomes):
    """Return the rows of cases with two structures; the second is always there and 2 ml too big."""
    rng = np.random.default_rng(0)
    rows = []
    for i, outcome in enumerate(outcomes):
        truth = 0.0 if outcome in ("spurious", "absent") else 20 + rng.normal()
        tool = 0.0 if outcome in ("missed", "failed", "absent") else 21 + rng.normal()
        who = {"case_id": f"c{i:02}", "patient_id": f"p{i // 2:02}", "split": "test"}
        pairs = {"a": (truth, tool, outcome), "b": (30.0 + i, 32.0 + i, "found")}
        for name, (x, y, what) in pairs.items():
            dice = {"found": 0.5, "absent": np.nan}.get(what, 0.0)
            figures = {"dice": dice, "volume_reference_ml": x, "volume_predicted_ml": y}
            rows += case_rows(who, name, figures | {"volume_error_ml": y - x, "outcome": what})
    return pd.DataFrame(rows)


def table_of(rows):
    plan = EvaluationPlan("segmentation", ("a", "b"), ("a",), "dice", n_boot=100)
    return evaluate_segmentation(rows, plan).tables["agreement"]


def test_table_of_volumes_is_bland_altman_of_each_structure():
    rows = volumes(["found"] * 30 + ["missed", "failed", "spurious", "absent"])
    table = table_of(rows)
    assert table.columns.tolist() == AGREEMENT_COLUMNS
    assert table["structure"].tolist() == ["a", "b"]
    of_a = rows[rows["structure"] == "a"].pivot(index="case_id", columns="metric", values="value")
    # Missed and failed were measured as nothing, invented as something; the absent is left out.
    there = of_a.drop(index="c33")
    found = bland_altman(
        there["volume_reference_ml"].to_numpy(), there["volume_predicted_ml"].to_numpy(),
        np.arange(33) // 2,
    )  # fmt: skip
    row = table.iloc[0]
    assert (row["n_cases"], row["n_patients"], row["state"]) == (33, 17, "ok")
    assert row["bias"] == pytest.approx(found.bias.value)
    assert (row["lower_low"], row["upper_high"]) == pytest.approx(
        (found.lower.low, found.upper.high)
    )
    difference = there["volume_predicted_ml"] - there["volume_reference_ml"]
    assert row["sd"] == pytest.approx(difference.std(ddof=1))
    assert table.loc[1, "bias"] == pytest.approx(2.0)


def test_table_of_nothing_says_why():
    few = table_of(volumes(["absent"] * 4)).iloc[0]
    assert (few["n_cases"], few["n_patients"], few["state"]) == (0, 0, "not_estimable")
    assert few["reason"]
    assert np.isnan(few["bias"])
    small = table_of(volumes(["found"] * 4)).iloc[0]
    assert small["state"] == "small_n"


def test_findings_have_no_volume():
    n = 20
    table = pd.DataFrame({
        "case_id": range(n), "patient_id": range(n), "split": "test", "target": "a",
        "y_true": [i % 2 for i in range(n)], "y_score": [i / n for i in range(n)], "status": "ok",
    })  # fmt: skip
    plan = EvaluationPlan("classification", ("a",), ("a",), "roc_auc", n_boot=100)
    found = evaluate_classification(table, plan).tables["agreement"]
    assert found.columns.tolist() == AGREEMENT_COLUMNS
    assert found.empty


@pytest.mark.parametrize(
    ("reference", "measured", "words"),
    [
        ([1.0, np.inf, 3.0], [1.0, 2.0, 3.0], "reference is infinite in 1 cases"),
        ([1.0, np.inf, 3.0], [1.0, np.inf, 3.0], "reference is infinite in 1 cases"),
        ([1.0, 2.0, 3.0], [-np.inf, np.inf, 3.0], "measured is infinite in 2 cases"),
        ([1.0, np.nan, 3.0], [1.0, 2.0, 3.0], "1 differences are nan"),
    ],
)
def test_what_is_no_number_is_an_error(reference, measured, words):
    with pytest.raises(ValueError, match=words):
        bland_altman(np.array(reference), np.array(measured), np.arange(3))
