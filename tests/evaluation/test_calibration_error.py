"""Calibration error with fixed bins, and what chance makes of it."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation import (
    EvaluationPlan,
    brier,
    calibration_bins,
    evaluate_classification,
    expected_calibration_error,
)
from evaluation.calibration_error import _mean_deviation, calibration_error_of
from evaluation.samples import Sample


def plain(y, p, n_bins=10):
    """ECE case by case, as its definition reads."""
    total = 0.0
    for j in range(n_bins):
        low, high = j / n_bins, (j + 1) / n_bins
        inside = (p >= low) & ((p < high) | (j == n_bins - 1))
        if inside.any():
            total += abs(y[inside].mean() - p[inside].mean()) * inside.mean()
    return total


CASE_30 = np.array([0, 0, 0, 1, 1, 1]), np.array([0.1] * 4 + [0.9] * 2)


def test_case_30_ece_beside_brier():
    y, p = CASE_30
    got = expected_calibration_error(y, p, patient_id=np.arange(6))
    assert got.found.value == pytest.approx(0.133333, abs=1e-6)
    assert brier(y, p, patient_id=np.arange(6)).value == pytest.approx(0.143333, abs=1e-6)


def test_case_31_bins_are_fixed_never_the_range_of_the_data():
    p, y = np.arange(41, 51) / 100, np.array([int(c) for c in "0101010101"])
    got = expected_calibration_error(y, p, patient_id=np.arange(10))
    assert got.found.value == pytest.approx(0.055)
    # What bins over the range of the data say of the same ten cases (a peer's way).
    stretched = (p - p.min()) / np.ptp(p)
    at = np.minimum((stretched * 10).astype(int), 9)
    peer = np.mean([abs(y[at == j].mean() - p[at == j].mean()) for j in range(10)])
    assert peer == pytest.approx(0.495, abs=0.001)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 100)), min_size=1, max_size=50),
    st.integers(1, 12),
)
def test_the_error_is_its_definition(rows, n_bins):
    y, p = (np.array(c) for c in zip(*rows, strict=True))
    p = p / 100
    who = np.arange(y.size)
    got = expected_calibration_error(y, p, patient_id=who, n_bins=n_bins)
    assert got.found.value == pytest.approx(plain(y, p, n_bins), abs=1e-12)
    assert 0 <= got.expected <= got.expected_high + 1e-12
    table = calibration_bins(y, p, patient_id=who, n_bins=n_bins)
    assert table["n_cases"].sum() == y.size
    assert table["n_positive"].sum() == y.sum()


def test_bins_agree_with_scikit_learn():
    from sklearn.calibration import calibration_curve

    rng = np.random.default_rng(0)
    p = rng.random(500)
    y = rng.random(500) < p**2
    observed, predicted = calibration_curve(y, p, n_bins=10)
    ours = calibration_bins(y, p, patient_id=np.arange(500))
    assert ours["observed"].to_numpy() == pytest.approx(observed)
    assert ours["predicted"].to_numpy() == pytest.approx(predicted)
    assert (ours["low"] <= ours["observed"]).all()
    assert (ours["observed"] < ours["high"]).all()


def test_the_mean_deviation_of_a_count_is_de_moivres():
    from scipy.stats import binom

    for n, p in ((1, 0.5), (7, 0.3), (10, 0.3), (200, 0.013), (50, 0.999)):
        k = np.arange(n + 1)
        summed = (np.abs(k - n * p) * binom.pmf(k, n, p)).sum()
        closed = _mean_deviation(np.array([float(n)]), np.array([p]))
        assert closed[0] == pytest.approx(summed, rel=1e-9)


@pytest.mark.parametrize(("n", "each"), [(50, 1), (1000, 1), (400, 4)])
def test_chance_is_told_as_simulated(n, each):
    rng = np.random.default_rng(1)
    errors, expected, beyond = [], [], []
    for _ in range(300):
        # The films of a patient are copies of one another: the worst that clusters do.
        p = np.repeat(rng.beta(1, 3, n // each), each)
        y = np.repeat(rng.random(n // each), each) < p
        got = expected_calibration_error(y, p, patient_id=np.repeat(np.arange(n // each), each))
        errors.append(got.found.value)
        expected.append(got.expected)
        beyond.append(got.found.value > got.expected_high)
    assert np.mean(expected) == pytest.approx(np.mean(errors), rel=0.06)
    assert 0.02 <= np.mean(beyond) <= 0.09


def test_there_is_no_interval_only_what_a_perfect_tool_would_show():
    # There was one: of a calibrated tool, whose error is 0, it held the truth in 3 of 10 samples.
    rng = np.random.default_rng(2)
    beyond = []
    for _ in range(300):
        p = rng.random(100)
        y = rng.random(100) < p
        got = expected_calibration_error(y, p, patient_id=np.arange(100))
        assert np.isnan([got.found.low, got.found.high]).all()
        assert got.found.method.startswith("no interval: chance alone makes an error")
        beyond.append(got.found.value > got.expected_high)
    assert np.mean(beyond) <= 0.08


def test_the_error_and_its_chance_are_by_patient():
    rng = np.random.default_rng(2)
    p = rng.random(300)
    y = rng.random(300) < p**3
    single = expected_calibration_error(y, p, patient_id=np.arange(300))
    who = np.tile(np.arange(300), 4)
    copied = expected_calibration_error(np.tile(y, 4), np.tile(p, 4), patient_id=who)
    assert copied.found.value == pytest.approx(single.found.value)
    # Copies say nothing new: chance makes as much of four times the cases.
    assert copied.expected == pytest.approx(single.expected, rel=0.05)


def test_influence_is_the_derivative_by_a_patients_weight():
    rng = np.random.default_rng(3)
    p, who = rng.random(400), rng.integers(0, 60, 400)
    y = rng.random(400) < p**2

    def weighted(weight):
        at = np.minimum((p * 10).astype(int), 9)
        return np.abs(np.bincount(at, weight * (y - p))).sum() / weight.sum()

    statistic, _, _ = calibration_error_of(
        Sample.of_patients(who, y_true=y, y_score=p, score_kind="probability")
    )
    step = 1e-5
    for patient in range(0, 60, 7):
        mine = who == patient
        slope = (weighted(1 + step * mine) - weighted(1 - step * mine)) / (2 * step)
        assert statistic.influence[patient] == pytest.approx(slope, rel=0.02, abs=1e-7)


def test_no_case_and_no_bin():
    got = expected_calibration_error(np.zeros(0, bool), np.zeros(0), patient_id=np.zeros(0, int))
    assert np.isnan([got.found.value, got.expected]).all()
    assert (got.found.state, got.found.reason) == ("not_estimable", "no case has a probability")
    with pytest.raises(ValueError, match="n_bins 0 must be at least 1"):
        expected_calibration_error(np.zeros(1), np.zeros(1), patient_id=np.zeros(1), n_bins=0)
    with pytest.raises(ValueError, match="a probability lies in"):
        expected_calibration_error(np.zeros(1), np.full(1, 2.0), patient_id=np.zeros(1))


def predictions():
    """Two findings of 200 cases; the tool failed on three of the first."""
    rng = np.random.default_rng(4)
    parts = []
    for target, n_failed in (("a", 3), ("b", 0)):
        p = rng.random(200)
        failed = np.arange(200) < n_failed
        parts.append(pd.DataFrame({
            "case_id": [f"c{i:03}" for i in range(200)],
            "patient_id": [f"p{i // 2:03}" for i in range(200)], "split": "test",
            "target": target, "y_true": (rng.random(200) < p).astype(float),
            "y_score": np.where(failed, np.nan, p), "score_kind": "probability",
            "status": np.where(failed, "failed", "ok"),
            "sex": np.where(np.arange(200) // 2 % 2, "F", "M"), "site": "A",
        }))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


PLAN = EvaluationPlan(
    "classification", ("a", "b"), ("a",), "roc_auc", ("sex", "site"), ("sex",), n_boot=100
)


def test_the_tables_hold_all_cases_and_named_groups_of_the_claim():
    tables = evaluate_classification(predictions(), PLAN).tables
    table = tables["calibration"]
    keys = list(zip(table["target"], table["attribute"], table["group"], strict=True))
    assert keys == [("a", "all", "all"), ("a", "sex", "F"), ("a", "sex", "M"), ("b", "all", "all")]
    assert (table["state"] == "ok").all()
    assert table[["low", "high"]].isna().all(axis=None)
    assert table[["ece", "expected", "expected_high"]].notna().all(axis=None)
    assert table.loc[0, "reason"] == "3 failed cases have no probability and are left out"
    assert table.loc[0, "n_cases"] == 197
    assert table.loc[0, "n_cases"] == table.loc[1:2, "n_cases"].sum()
    bins = tables["calibration_bins"]
    per_group = bins.groupby(["target", "attribute", "group"])["n_cases"].sum()
    assert per_group.to_dict() == dict(zip(keys, table["n_cases"], strict=True))
    observed = bins["observed"].notna()
    assert (observed == (bins["n_cases"] > 0)).all()


def test_a_score_has_no_calibration():
    table = predictions().assign(score_kind="score", y_score=lambda t: t["y_score"] * 9)
    tables = evaluate_classification(table, PLAN).tables
    assert set(tables["calibration"]["state"]) == {"not_estimable"}
    assert set(tables["calibration"]["reason"]) == {"the score is not a probability"}
    assert tables["calibration_bins"].empty
