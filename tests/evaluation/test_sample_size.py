import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import (
    samplesize_confint_proportion,
    samplesize_proportions_2indep_onetail,
)

from evaluation.estimates import wilson
from evaluation.sample_size import (
    power_of,
    size_auc_half_width,
    size_half_width,
    size_two_aucs,
    size_two_proportions,
)


def test_case_35_ninety_against_eighty_takes_199_in_each_group():
    found = size_two_proportions(0.9, 0.8, alpha=0.05, power=0.8)
    assert found.exact == pytest.approx(198.96, abs=0.005)
    assert (found.n, found.n_other) == (199, 199)


def test_case_35_five_points_at_ninety_take_139_positives():
    found = size_half_width(0.9, 0.05)
    assert found.n == 139
    assert found.exact == pytest.approx(samplesize_confint_proportion(0.9, 0.05))
    low, high = wilson(0.9 * 139, 139)
    assert (high - low) / 2 == pytest.approx(0.05, abs=0.003)


@pytest.mark.parametrize("ratio", [1.0, 2.0, 0.5])
@pytest.mark.parametrize(("first", "second"), [(0.9, 0.8), (0.3, 0.45), (0.95, 0.99)])
def test_two_proportions_agree_with_statsmodels(first, second, ratio):
    found = size_two_proportions(first, second, ratio=ratio, power=0.9)
    peer = samplesize_proportions_2indep_onetail(first - second, second, 0.9, ratio=ratio)
    assert found.exact == pytest.approx(peer)
    assert found.n_other == math.ceil(round(found.exact * ratio, 6))


def test_power_is_the_inverse_of_size():
    for n in (20, 199, 800):
        power = power_of(size_two_proportions, n, 0.9, 0.8)
        if power < 0.999:
            assert size_two_proportions(0.9, 0.8, power=power).exact == pytest.approx(n, rel=1e-4)
    assert power_of(size_two_proportions, 1, 0.9, 0.8) < 0.06
    assert power_of(size_two_proportions, 10_000, 0.9, 0.8) == pytest.approx(0.9999, abs=1e-6)
    with pytest.raises(ValueError, match="size_half_width must take a power"):
        power_of(size_half_width, 100, 0.9, 0.05)


@pytest.mark.slow
def test_199_in_each_group_find_the_difference_in_four_of_five_studies():
    rng = np.random.default_rng(35)
    a, b = rng.binomial(199, 0.9, 20_000) / 199, rng.binomial(199, 0.8, 20_000) / 199
    pooled = (a + b) / 2
    z = (a - b) / np.sqrt(2 * pooled * (1 - pooled) / 199)
    assert (np.abs(z) > stats.norm.ppf(0.975)).mean() == pytest.approx(0.8, abs=0.02)


def exponential_aucs(rng, auc, n_ill, n_well, rounds):
    """Return AUCs of Hanley and McNeil's own model, in which their variance is exact."""
    ill = rng.exponential(auc / (1 - auc), (rounds, n_ill))
    ranks = stats.rankdata(np.hstack([ill, rng.exponential(size=(rounds, n_well))]), axis=1)
    return (ranks[:, :n_ill].sum(axis=1) - n_ill * (n_ill + 1) / 2) / (n_ill * n_well)


@pytest.mark.slow
def test_an_auc_of_as_many_cases_has_the_half_width_that_was_wanted():
    n = size_auc_half_width(0.85, 0.05, prevalence=0.2).n
    n_ill = round(0.2 * n)
    found = exponential_aucs(np.random.default_rng(1), 0.85, n_ill, n - n_ill, 4000)
    assert found.mean() == pytest.approx(0.85, abs=0.003)
    assert 1.96 * found.std() == pytest.approx(0.05, rel=0.05)


@pytest.mark.slow
def test_two_aucs_of_as_many_cases_are_told_apart_in_four_of_five_studies():
    n_each = size_two_aucs(0.8, 0.9, prevalence=0.5).n // 2
    rng = np.random.default_rng(2)
    a, b = (exponential_aucs(rng, auc, n_each, n_each, 4000) for auc in (0.8, 0.9))
    equal = [exponential_aucs(rng, 0.85, n_each, n_each, 4000) for _ in range(2)]
    assert (b - a > 1.96 * np.std(equal[0] - equal[1])).mean() == pytest.approx(0.8, abs=0.03)


def test_pairs_and_more_ill_cases_take_fewer():
    alone = size_two_aucs(0.8, 0.85, prevalence=0.1).n
    assert size_two_aucs(0.8, 0.85, prevalence=0.1, correlation=0.5).n == pytest.approx(
        alone / 2, rel=0.01
    )
    assert size_two_aucs(0.8, 0.85, prevalence=0.3).n < alone
    assert size_auc_half_width(0.9, 0.02, prevalence=0.1).n > 2 * (
        size_auc_half_width(0.9, 0.04, prevalence=0.1).n
    )


def test_numbers_out_of_range_are_named():
    for call, words in (
        (lambda: size_two_proportions(0.9, 0.9), "first 0.9 and second 0.9 must differ"),
        (lambda: size_two_proportions(1.0, 0.9), "first 1.0 must lie between 0 and 1"),
        (lambda: size_two_proportions(0.8, 0.9, power=1.5), "power 1.5 must lie between"),
        (lambda: size_two_proportions(0.8, 0.9, ratio=0), "ratio 0 must be above 0"),
        (lambda: size_half_width(0.9, 0.0), "half_width 0.0 must lie"),
        (lambda: size_two_aucs(0.8, 0.9, prevalence=0.2, correlation=1.0), "correlation 1.0 must"),
        (lambda: power_of(size_two_proportions, 0, 0.9, 0.8), "n 0 must be above 0"),
    ):
        with pytest.raises(ValueError, match=words.replace(".", r"\.")):
            call()
