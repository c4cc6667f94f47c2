import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, t

from evaluation import Estimate, clopper_pearson, clustered_proportion, wilson
from evaluation.estimates import critical, two_sided_z, wilson_limits


def test_case_15_wilson_and_clopper_pearson():
    assert wilson(4, 4) == pytest.approx((0.5102, 1.0), abs=2e-4)
    assert clopper_pearson(4, 4) == pytest.approx((0.3976, 1.0), abs=5e-5)
    assert clopper_pearson(0, 30) == pytest.approx((0.0, 0.1157), abs=5e-5)
    assert wilson(33, 40) == pytest.approx((0.6805, 0.9125), abs=5e-5)


def test_case_16_a_vendor_card():
    assert clopper_pearson(70, 78) == pytest.approx((0.808, 0.955), abs=5e-4)
    assert clopper_pearson(73, 81) == pytest.approx((0.815, 0.956), abs=5e-4)


@given(st.integers(0, 60), st.integers(0, 60), st.sampled_from([0.8, 0.95, 0.99]))
def test_shares_agree_with_scipy(hits, misses, level):
    n = hits + misses
    if n == 0:
        return
    peer = binomtest(hits, n)
    for method, ours in (("wilson", wilson), ("exact", clopper_pearson)):
        interval = peer.proportion_ci(confidence_level=level, method=method)
        assert ours(hits, n, level=level) == pytest.approx((interval.low, interval.high), abs=1e-9)


def test_shares_agree_with_statsmodels():
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    assert wilson(33, 40) == pytest.approx(proportion.proportion_confint(33, 40, method="wilson"))


def test_wilson_never_leaves_its_share():
    low, high = wilson_limits(np.array([0.0, 1.0, 1 / 3]), np.array([3.0, 3.0, 1e9]), 1.96)
    assert low[0] == 0
    assert high[1] == 1
    assert low[2] < 1 / 3 < high[2]


def test_critical_is_students_quantile():
    z = two_sided_z(0.95)
    assert critical(z, 9.0) == pytest.approx(t.ppf(0.975, 9))
    assert critical(z, np.inf) == pytest.approx(z)
    # Where the quantile runs out of numbers it must not turn its sign.
    assert critical(37.0, 3.0) > 1e9


def test_case_23_patients_not_rows():
    right = np.repeat([True] * 7 + [False] * 3, 10)
    by_patient = clustered_proportion(right, np.repeat(np.arange(10), 10))
    by_row = clustered_proportion(right, np.arange(100))
    assert by_patient.value == by_row.value == 0.7
    assert (by_row.low, by_row.high) == pytest.approx(wilson(70, 100))
    assert by_patient.high - by_patient.low > 2.8 * (by_row.high - by_row.low)
    assert (by_patient.n_cases, by_patient.n_patients) == (100, 10)


def test_all_right_in_few_patients_is_wide():
    got = clustered_proportion(np.ones(100, bool), np.repeat(np.arange(4), 25))
    assert got.state == "small_n"
    assert got.low < wilson(4, 4)[0]
    assert got.reason == "4 patients; 10 are needed"


def test_no_case_is_not_estimable():
    got = clustered_proportion(np.zeros(0, bool), np.zeros(0, int))
    assert np.isnan(got.value)
    assert (got.state, got.reason) == ("not_estimable", "no case")


def test_texts():
    assert str(Estimate(0.834, 0.8, 0.86, 123, 9, 4, 0, "", "ok", "")) == "0.83 (0.80–0.86), n=123"
    assert Estimate(1, 1, 1, 3, 3, 1, 0, "", "suppressed", "").text() == "suppressed"
    nothing = Estimate(0.0, np.nan, np.nan, 3, 3, None, 0, "", "ok", "")
    assert nothing.text() == "0.00 (no interval), n=3"


@pytest.mark.parametrize("counts", [(-1, 4), (5, 4), (0, 0)])
def test_odd_counts_are_named(counts):
    for function in (wilson, clopper_pearson):
        with pytest.raises(ValueError, match=f"successes {counts[0]}"):
            function(*counts)


def test_odd_levels_are_named():
    with pytest.raises(ValueError, match="level 95"):
        wilson(1, 2, level=95)


def test_shapes_must_match():
    with pytest.raises(ValueError, match=r"success \(2,\), patient_id \(3,\)"):
        clustered_proportion(np.ones(2, bool), np.arange(3))
