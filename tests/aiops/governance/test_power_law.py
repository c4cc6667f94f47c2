"""The inverse power law: exact on its own curve, honest where there is none."""

import math

import numpy as np
import pytest

from aiops.governance.power_law import fit_power_law

N = np.array([50.0, 100, 200, 400, 800, 1600])


def noisy(rng, a=0.9, b=2.0, c=0.6, spread=0.004, n_boot=80):
    """Return scores of a curve with noise, and replicates around them."""
    score = a - b * N**-c + rng.normal(0, spread, N.size)
    return score, score + rng.normal(0, spread, (n_boot, N.size))


@pytest.mark.parametrize(("a", "b", "c"), [(0.9, 2.0, 0.6), (0.75, 0.8, 0.3), (0.98, 5.0, 1.0)])
def test_a_curve_without_noise_is_found_again(a, b, c):
    score = a - b * N**-c
    law = fit_power_law(N, score, np.tile(score, (30, 1)))
    assert (law.a, law.b, law.c) == pytest.approx((a, b, c), rel=1e-3)
    target = a - b * 5000.0**-c
    assert law.needed(target) == pytest.approx((5000, 5000, 5000), rel=1e-2)
    assert law.score(5000) == pytest.approx(target)
    assert law.band(5000) == pytest.approx((target, target), abs=1e-4)


def test_where_lower_is_better_the_curve_falls():
    score = 0.1 + 2 * N**-0.6
    law = fit_power_law(N, score, np.tile(score, (30, 1)), falls=True)
    assert (law.a, law.b, law.c) == pytest.approx((0.1, -2, 0.6), rel=1e-3)
    target = 0.1 + 2 * 5000.0**-0.6
    assert law.needed(target) == pytest.approx((5000, 5000, 5000), rel=1e-2)
    assert law.score(5000) == pytest.approx(target)
    assert law.needed(0.05) == (math.inf, math.inf, math.inf)
    rising = fit_power_law(N, 1 - score, np.tile(1 - score, (30, 1)), falls=True)
    assert rising.reason.startswith("the score does not surely get better")


def test_a_target_above_the_plateau_takes_patients_without_end():
    score = 0.9 - 2 * N**-0.6
    law = fit_power_law(N, score, np.tile(score, (30, 1)))
    assert law.needed(0.95) == (math.inf, math.inf, math.inf)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    truth, target, held, fitted = 0.9, 0.88, 0, 0
    needed = (2.0 / (truth - target)) ** (1 / 0.6)
    for _ in range(40):
        law = fit_power_law(N, *noisy(rng))
        fitted += law.state == "ok"
        if law.state == "ok":
            _, low, high = law.needed(target)
            held += low <= needed <= high
    assert fitted >= 36
    assert held / fitted >= 0.85


@pytest.mark.parametrize(
    ("n", "score", "reason"),
    [
        (N[:3], 0.9 - 2 * N[:3] ** -0.6, "3 sizes; a curve of three parameters takes 4"),
        (N, np.full(N.size, 0.7), "the score does not surely get better"),
        (N, 0.9 - 0.02 * np.arange(N.size), "the score does not surely get better"),
        (N, np.array([0.6, 0.61, 0.60, 0.61, 0.60, 0.9]), "the curve misses the scores by more"),
    ],
    ids=["few", "flat", "falling", "a step"],
)
def test_where_there_is_no_curve_it_says_so(n, score, reason):
    rng = np.random.default_rng(0)
    law = fit_power_law(n, score, score + rng.normal(0, 0.003, (50, n.size)))
    assert law.state == "no_fit"
    assert law.reason.startswith(reason)
    assert all(math.isnan(x) for x in law.needed(0.8))


def test_arrays_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"n \(6,\), score \(5,\), replicates \(2, 6\) differ"):
        fit_power_law(N, N[:5], np.ones((2, 6)))


def replicated(score, spread, n_boot=200):
    return score + np.random.default_rng(0).normal(0, spread, (n_boot, N.size))


def test_the_band_and_the_plateau_hold_nineteen_replicates_of_twenty():
    score = 0.9 - 2 * N**-0.6
    law = fit_power_law(N, score, replicated(score, 0.005))
    a, b, c = law.replicates.T
    for low, high, values in [
        (*law.band(5000), a - b * 5000.0**-c),
        (law.a_low, law.a_high, a),
    ]:
        assert np.mean((low <= values) & (values <= high)) == pytest.approx(0.95, abs=0.01)


def test_a_score_that_rises_in_most_replicates_only_does_not_surely_rise():
    score = 0.7 + np.linspace(0, 0.004, N.size)
    rows = replicated(score, 0.004)
    assert 0.025 < np.mean(rows[:, -1] <= rows[:, 0]) < 0.5
    law = fit_power_law(N, score, rows)
    assert law.state == "no_fit"
    assert law.reason.startswith("the score does not surely get better")


def test_a_curve_that_misses_by_three_spreads_is_none():
    score = 0.9 - 2 * N**-0.6 + 0.01 * np.array([1, -1, 1, -1, 1, -1])
    law = fit_power_law(N, score, replicated(score, 0.003))
    assert law.reason == "the curve misses the scores by more than twice their spread"


def test_replicates_that_cannot_be_fitted_are_told(monkeypatch):
    from aiops.governance import power_law

    score, fits = 0.9 - 2 * N**-0.6, []

    def sometimes(n, row, spread, start=None):
        fits.append(row)
        return np.array([0.9, 2.0, 0.6]) if start is None or len(fits) % 2 else None

    monkeypatch.setattr(power_law, "_fit", sometimes)
    law = fit_power_law(N, score, replicated(score, 0.003, 20))
    assert (law.state, law.reason) == ("no_fit", "10 of 20 replicates could not be fitted")
