"""Properties that hold for every metric there is."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation import (
    METRICS,
    EvaluationPlan,
    evaluate_classification,
    evaluate_segmentation,
    metrics_of,
)
from evaluation.detection import LESION_COUNTS, LESION_METRICS
from evaluation.estimates import two_sided_z
from evaluation.resampling import Weights
from evaluation.samples import Sample
from evaluation.segmentation import CASE_METRICS
from evaluation.statistic import estimate_of, limits_of

rows = st.lists(
    st.tuples(
        st.booleans(),
        st.integers(1, 99).map(lambda v: v / 100),
        st.booleans(),
        st.integers(0, 7),
        st.sampled_from([False] * 5 + [True]),
    ),
    max_size=40,
)
every = pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)


COUNTED = {
    # Shares of counts: what is counted, and among what, beside the figures per case.
    "missed": "expected",
    **dict.fromkeys(LESION_METRICS, "n_lesions_reference"),
}


def sample_of(cases, task, n_patients=8):
    """Return cases as a sample; the same draws serve both tasks."""
    y, s, d, who, failed = (np.array(c) for c in (zip(*cases, strict=True) if cases else [[]] * 5))
    patient = who.astype(np.int64)
    y, d, failed, s = y.astype(bool), d.astype(bool), failed.astype(bool), s.astype(float)
    if task == "classification":
        return Sample(
            patient=patient, n_patients=n_patients, failed=failed, y_true=y, y_score=s, y_pred=d
        )
    # Here y says whether the structure is in the reference, d whether it was returned.
    values = {
        "present": (y | d | failed).astype(float),
        "missed": (y & (~d | failed)).astype(float),
        "expected": y.astype(float),
        "n_lesions_reference": 3.0 * y,
        "n_lesions_found": 3.0 * (y & d & ~failed),
        "n_false_lesions": 2.0 * (d & ~y & ~failed),
    }
    lost = failed | (y != d)
    for metric in metrics_of("segmentation"):
        if np.isfinite(metric.ideal):
            figure = np.maximum(5 - 10 * s, metric.low)
        elif metric.high == 1:
            figure = np.where(lost, 0.0 if metric.higher_is_better else 1.0, s)
        else:
            figure = np.where(lost, 110.0, 10 * s)
        if metric.name not in COUNTED:
            values[metric.name] = figure
    return Sample(patient=patient, n_patients=n_patients, failed=failed, values=values)


def cohort(n_patients=60, seed=0, failed=False):
    """Return cases of patients, a few each, whose cases are alike."""
    rng = np.random.default_rng(seed)
    out = []
    for who in range(n_patients):
        kind, ease = rng.random() < 0.45, rng.normal(0, 0.5)
        for _ in range(rng.integers(1, 5)):
            y = bool(kind if rng.random() < 0.9 else not kind)
            score = 1 / (1 + np.exp(-(1.5 * (2 * y - 1) + ease + rng.normal())))
            out.append((y, float(np.clip(score, 0.01, 0.99)), bool(score > 0.5), who, failed))
    return out


def interval(metric, statistic):
    low, high = limits_of([statistic], (metric.low, metric.high), two_sided_z(0.95))
    return float(low[0]), float(high[0])


@every
@settings(max_examples=40, deadline=None)
@given(rows)
def test_a_figure_lies_in_its_range_and_its_interval(metric, cases):
    statistic = metric.function(sample_of(cases, metric.task))
    if statistic.state == "not_estimable":
        assert np.isnan(statistic.value)
        assert statistic.why
        return
    assert metric.low <= statistic.value <= metric.high
    low, high = interval(metric, statistic)
    if np.isfinite(low):
        assert low <= statistic.value + 1e-9
        assert statistic.value - 1e-9 <= high
        assert high > low, "no interval has zero width"
    assert statistic.influence.shape == (8,)


@every
@settings(max_examples=25, deadline=None)
@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_cases_is_nothing(metric, cases, random):
    shuffled = list(cases)
    random.shuffle(shuffled)
    one, other = (metric.function(sample_of(c, metric.task)) for c in (cases, shuffled))
    assert one.value == pytest.approx(other.value, abs=1e-6, nan_ok=True)
    assert one.se == pytest.approx(other.se, abs=1e-6)
    assert one.state == other.state


@every
@settings(max_examples=25, deadline=None)
@given(rows)
def test_weights_of_one_give_the_figure_back(metric, cases):
    statistic = metric.function(sample_of(cases, metric.task))
    if statistic.state == "not_estimable":
        return
    ones = Weights((np.ones((8, 3), np.float32),))
    if statistic.sums is not None:
        got = statistic.from_sums(ones.totals(statistic.sums))
    else:
        got = statistic.replicates(ones)
    assert got == pytest.approx(np.full(3, statistic.value), rel=1e-4, abs=1e-5)


@every
def test_nothing_is_not_estimable(metric):
    statistic = metric.function(sample_of([], metric.task))
    assert np.isnan(statistic.value)
    assert statistic.state == "not_estimable"
    assert statistic.why


@every
@pytest.mark.parametrize("case", [(True, 0.7, True, 0, False), (False, 0.7, False, 0, False)])
def test_a_group_of_one_is_never_ok(metric, case):
    statistic = metric.function(sample_of([case], metric.task))
    assert statistic.state in ("small_n", "not_estimable")
    found = estimate_of(
        statistic, sample_of([case], metric.task), level=0.95, definition="",
        bounds=(metric.low, metric.high),
    )  # fmt: skip
    assert found.reason
    assert found.low != found.high


@pytest.mark.parametrize("kind", [True, False])
@pytest.mark.parametrize("metric", metrics_of("classification"), ids=lambda m: m.name)
def test_one_class_gives_a_figure_only_where_one_class_has_one(metric, kind):
    cases = [(kind, (i + 1) / 100, i % 2 == 0, i % 8, False) for i in range(40)]
    statistic = metric.function(sample_of(cases, "classification"))
    lone = dict.fromkeys(("brier", "ppv", "npv", "accuracy", "selection_rate"), True)
    lone |= dict.fromkeys(("sensitivity", "false_negative_rate"), kind)
    lone |= dict.fromkeys(("specificity", "false_positive_rate"), not kind)
    assert np.isfinite(statistic.value) == lone.get(metric.name, False)
    if not np.isfinite(statistic.value):
        assert statistic.why == ("0 negatives" if kind else "0 positives")


@every
def test_nan_in_is_never_a_figure_over_fewer(metric):
    cases = [(True, 0.5, True, i % 8, False) for i in range(20)]
    cases += [(False, 0.4, False, i % 8, False) for i in range(20)]
    sample = sample_of(cases, metric.task)
    if metric.task == "classification":
        broken = sample.y_score.copy()
        broken[3] = np.nan
        with pytest.raises(ValueError, match="y_score is nan in 1 of 40"):
            Sample(patient=sample.patient, n_patients=8, failed=sample.failed,
                   y_true=sample.y_true, y_score=broken)  # fmt: skip
        return
    if metric.name in COUNTED:
        return
    values = {k: v.copy() for k, v in sample.values.items()}
    values[metric.name][3] = np.nan
    broken = Sample(patient=sample.patient, n_patients=8, failed=sample.failed, values=values)
    statistic = metric.function(broken)
    assert np.isnan(statistic.value)
    assert "1 of 20 cases have no figure" in statistic.why


@pytest.mark.parametrize("metric", metrics_of("classification"), ids=lambda m: m.name)
def test_failing_never_makes_a_figure_better(metric):
    if metric.name.startswith("calibration") or metric.is_directionless:
        return
    rng = np.random.default_rng(0)
    cases = [
        (
            bool(y),
            float(np.clip(0.3 * y + rng.random() * 0.6, 0.01, 0.99)),
            rng.random() < 0.5,
            i % 8,
        )
        for i, y in enumerate(rng.integers(0, 2, 60))
    ]
    for i in range(0, 60, 7):
        whole = metric.function(sample_of([(*c, False) for c in cases], metric.task)).value
        failed = metric.function(
            sample_of([(*c, j == i) for j, c in enumerate(cases)], metric.task)
        ).value
        worse = failed <= whole + 1e-12 if metric.higher_is_better else failed >= whole - 1e-12
        assert worse


@every
def test_an_answer_for_nobody_is_the_worst_there_is(metric):
    sample = sample_of(cohort(failed=True), metric.task, 60)
    statistic = metric.function(sample)
    if metric.name.startswith("calibration"):
        assert statistic.why == "0 positives"
        return
    if metric.name in ("lesion_precision", "false_lesions"):
        # Whoever returns nothing returns nothing false: the lesions not found stand elsewhere.
        assert statistic.why in ("no lesion was predicted", "no case was answered")
        return
    assert np.isfinite(statistic.value)
    if metric.name == "average_precision":
        # All are called before the first diseased case is: the prevalence is left.
        assert statistic.value == pytest.approx(sample.y_true.mean())
    elif metric.higher_is_better:
        assert statistic.value == metric.low
    elif metric.higher_is_better is False:
        assert statistic.value == (metric.high if np.isfinite(metric.high) else 110)


def width(metric, statistic):
    low, high = interval(metric, statistic)
    return high - low


def copied(cases, times):
    return [case for case in cases for _ in range(times)]


@every
@settings(max_examples=25, deadline=None)
@given(rows)
def test_copies_of_a_patients_cases_tell_nothing_new(metric, cases):
    one, other = (metric.function(sample_of(copied(cases, k), metric.task)) for k in (2, 6))
    assert one.value == pytest.approx(other.value, abs=1e-6, nan_ok=True)
    assert one.se == pytest.approx(other.se, rel=1e-5, abs=1e-9)
    assert one.n_least == other.n_least
    assert one.reason == other.reason


@every
def test_copies_of_a_patients_cases_leave_the_clustered_interval(metric):
    cases = cohort()
    one, two, many = (
        metric.function(sample_of(copied(cases, k), metric.task, 60)) for k in (1, 2, 10)
    )
    assert interval(metric, two) == pytest.approx(interval(metric, many), rel=1e-6)
    # From one case a patient to two there is a correction for few patients, and no more.
    assert width(metric, one) == pytest.approx(width(metric, many), rel=0.03)
    draws = [
        estimate_of(
            s, sample_of(copied(cases, k), metric.task, 60), level=0.95, definition="",
            bounds=(metric.low, metric.high), draws=drawn(s),
        )
        for k, s in ((1, one), (10, many))
    ]  # fmt: skip
    assert draws[0].high - draws[0].low == pytest.approx(draws[1].high - draws[1].low, rel=0.03)
    assert draws[1].n_cases == 10 * draws[0].n_cases


def drawn(statistic):
    weights = Weights.draw(60, 400, np.random.default_rng(0))
    if statistic.sums is not None:
        return statistic.from_sums(weights.totals(statistic.sums))
    return statistic.replicates(weights)


@every
def test_copies_as_new_patients_narrow_the_interval(metric):
    cases = cohort()
    more = cases + [(*c[:3], c[3] + 60, c[4]) for c in cases]
    one = metric.function(sample_of(cases, metric.task, 60))
    two = metric.function(sample_of(more, metric.task, 120))
    assert two.value == pytest.approx(one.value, abs=1e-9)
    assert two.se == pytest.approx(one.se / np.sqrt(2), rel=0.03)
    assert width(metric, two) < 0.8 * width(metric, one)
    assert two.n_least == 2 * one.n_least


@pytest.mark.parametrize("task", ["classification", "segmentation"])
def test_of_one_group_there_is_no_gap_in_any_metric(task):
    gaps = evaluated(task, sex="F").gaps
    assert set(gaps["metric"]) == {m.name for m in metrics_of(task)}
    assert set(gaps["reason"]) == {"not estimable: one group only"}
    assert gaps[["value", "low", "high"]].isna().all(axis=None)


@pytest.mark.parametrize("task", ["classification", "segmentation"])
def test_the_whole_entry_gives_every_metric_or_a_reason(task):
    metrics = evaluated(task).metrics
    assert set(metrics["metric"]) == {m.name for m in metrics_of(task)}
    known = metrics["value"].notna()
    assert (metrics.loc[~known, "reason"] != "").all()
    assert (metrics.loc[~known, "state"] == "not_estimable").all()
    assert metrics.loc[known, ["low", "high", "low_linearised", "high_linearised"]].notna().all(
        axis=None
    )  # fmt: skip
    assert known.mean() > 0.9


def evaluated(task, **columns):
    """Return the evaluation of a cohort with one target and one attribute."""
    cases = cohort()
    sample = sample_of(cases, task, 60)
    n = len(cases)
    table = pd.DataFrame({
        "case_id": [f"c{i:03}" for i in range(n)], "patient_id": [c[3] for c in cases],
        "split": "test", "status": "ok", "sex": ["FM"[c[3] % 2] for c in cases],
    })  # fmt: skip
    table = table.assign(**columns)
    plan = EvaluationPlan(
        task, ("a",), ("a",), "dice" if task == "segmentation" else "roc_auc", ("sex",),
        operating_points={"a": 0.5}, tolerance_mm={"a": 1.0}, lesions={"a": 0.1}, n_boot=100,
    )  # fmt: skip
    if task == "classification":
        table = table.assign(target="a", y_true=sample.y_true.astype(float), y_score=sample.y_score)
        return evaluate_classification(table, plan)
    outcome = np.where(
        sample.values["missed"] > 0, "missed",
        np.where(sample.values["present"] == 0, "absent",
                 np.where(sample.values["expected"] > 0, "found", "spurious")),
    )  # fmt: skip
    names = [name for name in CASE_METRICS if name in sample.values]
    parts = [
        table.assign(
            structure="a", metric=name, unit="", outcome=outcome,
            value=np.where(
                (outcome == "absent") & (name not in LESION_COUNTS), np.nan, sample.values[name]
            ),
        )
        for name in names
    ]  # fmt: skip
    return evaluate_segmentation(pd.concat(parts), plan)


def test_the_table_says_what_a_reader_needs():
    for name, metric in METRICS.items():
        assert name == metric.name
        assert metric.definition
        assert metric.label
        assert metric.needs in ("score", "probability", "decision", "mask")
        # One thing says what is better: a direction, an ideal, or neither and no verdict.
        assert metric.higher_is_better is None or np.isnan(metric.ideal)
        assert metric.low < metric.high
        if np.isfinite(metric.ideal):
            assert metric.low <= metric.ideal <= metric.high
    assert [m.name for m in METRICS.values() if m.is_directionless] == ["selection_rate"]


def test_an_unknown_task_is_named():
    with pytest.raises(ValueError, match="task 'detection' is none of"):
        metrics_of("detection")
