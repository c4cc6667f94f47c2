import numpy as np
import pytest
from scipy.stats import ttest_1samp

from evaluation import bland_altman


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
