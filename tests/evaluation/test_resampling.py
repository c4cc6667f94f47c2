import numpy as np
import pytest
from scipy.special import ndtri

from evaluation import patient_weights, simultaneous_critical
from evaluation.resampling import Weights, percentile_interval


def test_weights_draw_patients_with_replacement():
    weights = patient_weights(50, 400, np.random.default_rng(0))
    assert weights.shape == (400, 50)
    assert (weights.sum(axis=1) == 50).all()
    # Multinomial: mean 1, variance 1 - 1/n.
    assert weights.mean(axis=0) == pytest.approx(np.ones(50), abs=0.25)
    assert weights.var() == pytest.approx(1 - 1 / 50, abs=0.03)


def test_weights_are_the_seeds_own():
    one, other = (patient_weights(9, 5, np.random.default_rng(3)) for _ in range(2))
    assert (one == other).all()


def test_blocks_are_one_matrix():
    weights = Weights.draw(7, 600, np.random.default_rng(1))
    assert weights.n_boot == 600
    assert len(weights.blocks) == 3
    sums = np.arange(14.0).reshape(7, 2)
    whole = np.concatenate([b.T for b in weights.blocks])
    assert weights.totals(sums) == pytest.approx(whole @ sums)
    some = np.array([0, 3])
    assert weights.take(some).totals(sums[some]) == pytest.approx(whole[:, some] @ sums[some])


def test_nobody_to_draw_from():
    assert patient_weights(0, 5, np.random.default_rng(0)).shape == (5, 0)
    with pytest.raises(ValueError, match="n_boot 0"):
        patient_weights(3, 0, np.random.default_rng(0))


def test_too_many_undefined_replicates_give_no_interval():
    draws = np.where(np.arange(100) < 6, np.nan, 0.5)
    assert np.isnan(percentile_interval(draws, 0.95)).all()
    assert percentile_interval(draws[5:], 0.95) == (0.5, 0.5)


def test_independent_estimates_reach_sidak():
    influence = np.eye(40)
    got = simultaneous_critical(influence, level=0.95, rng=np.random.default_rng(0))
    assert got == pytest.approx(ndtri(0.5 + 0.5 * 0.95 ** (1 / 40)), abs=0.03)


def test_mirrored_estimates_cost_nothing():
    one = np.random.default_rng(0).normal(size=(60, 1))
    mirrored = np.hstack([one, -one])
    got = simultaneous_critical(mirrored, level=0.95, rng=np.random.default_rng(0))
    assert got == pytest.approx(1.96, abs=0.03)


def test_one_estimate_needs_no_draw():
    got = simultaneous_critical(np.ones((5, 1)), level=0.95, rng=np.random.default_rng(0))
    assert got == pytest.approx(1.959964, abs=1e-6)


def test_an_estimate_without_spread_is_counted():
    influence = np.zeros((30, 2))
    influence[:, 0] = 1
    got = simultaneous_critical(influence, level=0.95, rng=np.random.default_rng(0))
    assert got == pytest.approx(2.236, abs=0.03)
