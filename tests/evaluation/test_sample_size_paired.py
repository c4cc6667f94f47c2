import math

import numpy as np
import pytest
from statsmodels.stats.power import TTestPower

from evaluation.noninferiority import non_inferiority
from evaluation.sample_size import power_of
from evaluation.sample_size_paired import (
    size_non_inferiority,
    size_paired_mean,
    size_paired_proportions,
)


@pytest.mark.parametrize(("difference", "sd"), [(0.01, 0.04), (-0.02, 0.03), (0.5, 1.0)])
def test_a_paired_mean_agrees_with_statsmodels(difference, sd):
    found = size_paired_mean(difference, sd, power=0.9)
    peer = TTestPower().solve_power(effect_size=abs(difference) / sd, alpha=0.05, power=0.9)
    assert found.exact == pytest.approx(peer, rel=1e-6)
    assert power_of(size_paired_mean, found.exact, difference, sd) == pytest.approx(0.9, abs=1e-4)


def test_non_inferiority_agrees_with_statsmodels():
    peer = TTestPower().solve_power(
        effect_size=0.02 / 0.05, alpha=0.025, power=0.8, alternative="larger"
    )
    assert size_non_inferiority(0.02, 0.05).exact == pytest.approx(peer, rel=1e-6)
    assert size_non_inferiority(0.03, 0.05, difference=-0.01).exact == pytest.approx(peer, rel=1e-6)


@pytest.mark.slow
def test_as_many_patients_show_non_inferiority_in_four_of_five_studies():
    n = size_non_inferiority(0.02, 0.05).n
    rng = np.random.default_rng(36)
    shown = [non_inferiority(rng.normal(0, 0.05, n), 0.02).is_non_inferior for _ in range(2000)]
    assert np.mean(shown) == pytest.approx(0.8, abs=0.03)


def test_mcnemar_takes_connors_number():
    found = size_paired_proportions(0.9, 0.8, discordant=0.2)
    z_alpha, z_power = 1.959964, 0.841621
    by_hand = (z_alpha * math.sqrt(0.2) + z_power * math.sqrt(0.2 - 0.01)) ** 2 / 0.01
    assert found.exact == pytest.approx(by_hand, rel=1e-5)
    assert power_of(
        size_paired_proportions, found.exact, 0.9, 0.8, discordant=0.2
    ) == pytest.approx(0.8, abs=1e-4)


def test_what_cannot_be_is_said():
    with pytest.raises(ValueError, match=r"discordant 0\.05 must lie between 0\.1 and 0\.3"):
        size_paired_proportions(0.9, 0.8, discordant=0.05)
    with pytest.raises(ValueError, match=r"difference -0\.03 must be above −margin, -0\.02"):
        size_non_inferiority(0.02, 0.05, difference=-0.03)
    with pytest.raises(ValueError, match="difference, without its sign, 0 must be above 0"):
        size_paired_mean(0, 0.1)
    with pytest.raises(ValueError, match="sd 0 must be above 0"):
        size_paired_mean(0.1, 0)
