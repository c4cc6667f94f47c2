"""Properties that hold for every metric there is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation import METRICS, metrics_of
from evaluation.estimates import two_sided_z
from evaluation.resampling import Weights
from evaluation.samples import Sample
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


def sample_of(cases, task):
    """Return cases as a sample; the same draws serve both tasks."""
    y, s, d, who, failed = (np.array(c) for c in (zip(*cases, strict=True) if cases else [[]] * 5))
    patient = who.astype(np.int64)
    failed = failed.astype(bool)
    if task == "classification":
        return Sample(
            patient=patient, n_patients=8, failed=failed, y_true=y.astype(bool),
            y_score=s.astype(float), y_pred=d.astype(bool),
        )  # fmt: skip
    # Here y says whether the structure is in the reference, d whether it was returned.
    there = (y.astype(bool) | d.astype(bool) | failed).astype(float)
    dice = np.where(failed | (y != d), 0.0, s)
    distance = np.where(failed | (y != d), 110.0, 10 * s)
    return Sample(
        patient=patient, n_patients=8, failed=failed,
        values={
            "dice": dice, "nsd": dice, "hd95_mm": distance, "assd_mm": distance,
            "volume_error_ml": 5 - 10 * s.astype(float), "present": there,
            "missed": (y.astype(bool) & (~d.astype(bool) | failed)).astype(float),
            "expected": y.astype(float),
        },
    )  # fmt: skip


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
    if metric.name == "missed":
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


def test_the_table_says_what_a_reader_needs():
    for name, metric in METRICS.items():
        assert name == metric.name
        assert metric.definition
        assert metric.label
        assert metric.needs in ("score", "probability", "decision", "mask")
        assert metric.higher_is_better is None or np.isnan(metric.ideal)
        assert metric.is_directionless == (name == "selection_rate")


def test_an_unknown_task_is_named():
    with pytest.raises(ValueError, match="task 'detection' is none of"):
        metrics_of("detection")
