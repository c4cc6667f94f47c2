import numpy as np
import pytest
from scipy.special import ndtri

from evaluation import patient_weights, simultaneous_critical
from evaluation.resampling import (
    DrawnBlocks,
    Weights,
    count_totals,
    group_rng,
    percentile_interval,
)


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


def test_weights_are_drawn_when_asked_for_and_stay_the_same(monkeypatch):
    weights = Weights.draw(40, 300, np.random.default_rng(2))
    assert not weights.blocks._drawn._kept
    first = [b.copy() for b in weights.blocks]
    assert len(weights.blocks._drawn._kept) == 2
    monkeypatch.setattr("evaluation.resampling.KEPT_AS_BYTES", 0)
    monkeypatch.setattr("evaluation.resampling.KEPT_AS_FLOATS", 0)
    again = Weights.draw(40, 300, np.random.default_rng(2))
    for _ in range(2):
        assert all((a == b).all() for a, b in zip(first, again.blocks, strict=True))
    assert not again.blocks._drawn._kept
    assert not again.blocks._kept


def test_some_of_some_patients_are_those_patients():
    weights = Weights.draw(9, 20, np.random.default_rng(2))
    inner = weights.take(np.array([1, 4, 7])).take(np.array([0, 2]))
    assert (inner.blocks[0] == weights.blocks[0][[1, 7]]).all()


def test_many_patients_come_in_small_blocks():
    drawn = DrawnBlocks(100_000, 60, np.random.default_rng(0))
    assert drawn.sizes == [25, 25, 10]


def clustered_counts(n, seed=0):
    rng = np.random.default_rng(seed)
    cases = rng.integers(0, 4, n)
    return np.column_stack([rng.binomial(cases, 0.8), cases]).astype(float)


def test_counts_drawn_by_rows_are_the_bootstrap_by_patient():
    counts = clustered_counts(3000)
    rows = count_totals(counts, 4000, np.random.default_rng(0))
    weights = Weights.draw(3000, 4000, np.random.default_rng(1)).totals(counts)
    assert rows.shape == (4000, 2)
    assert rows.mean(axis=0) == pytest.approx(counts.sum(axis=0), rel=2e-3)
    # Var of a total over n draws is n times the population variance of a row, covariances too.
    exact = 3000 * np.cov(counts.T, ddof=0)
    assert np.cov(rows.T) == pytest.approx(exact, rel=0.12)
    assert np.cov(weights.T) == pytest.approx(exact, rel=0.12)


def test_the_order_of_patients_is_nothing_to_draws_by_rows():
    counts = clustered_counts(3000)
    one, other = (
        count_totals(c, 50, np.random.default_rng(0)) for c in (counts, counts[::-1].copy())
    )
    assert (one == other).all()


@pytest.mark.parametrize(
    "sums",
    [clustered_counts(3000) + 0.5, -clustered_counts(3000), clustered_counts(40),
     np.column_stack([np.arange(3000.0)] * 4), np.zeros((0, 2))],
    ids=["no counts", "below 0", "few patients", "all rows differ", "nobody"],
)  # fmt: skip
def test_what_cannot_be_drawn_by_rows_says_so(sums):
    assert count_totals(sums, 10, np.random.default_rng(0)) is None


def test_a_groups_chance_is_its_own():
    names = [("sex", "F"), ("sex", "M"), ("site", "F")]
    assert (
        len({group_rng(0, *n).random() for n in names} | {group_rng(1, "sex", "F").random()}) == 4
    )


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
