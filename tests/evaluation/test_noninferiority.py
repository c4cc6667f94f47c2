import numpy as np
import pytest
from scipy import stats

from evaluation.estimates import Estimate
from evaluation.noninferiority import non_inferiority

DICE = np.array([-0.01, 0, 0.01, -0.02, 0.01, 0, -0.01, 0.02, 0, -0.01])


def estimate(value, low, high, state="ok"):
    return Estimate(value, low, high, 50, 40, None, 0, "", state, "", "too few" * (state != "ok"))


def test_case_36_paired_dice_passes_a_margin_of_two_points_and_fails_half_a_point():
    wide, narrow = non_inferiority(DICE, 0.02), non_inferiority(DICE, 0.005)
    assert wide.difference == pytest.approx(-0.001)
    assert wide.lower == pytest.approx(-0.00956, abs=5e-6)
    assert wide.is_non_inferior
    assert not wide.is_superior
    assert not narrow.is_non_inferior
    assert narrow.outcome == "not shown"
    assert "not worse by 0.02 or more" in wide.sentence
    assert "97.5% lower limit −0.0096" in wide.sentence


@pytest.mark.parametrize("margin", [0.002, 0.005, 0.01, 0.05])
def test_the_p_value_is_that_of_a_one_sided_t_test(margin):
    peer = stats.ttest_1samp(DICE, -margin, alternative="greater")
    found = non_inferiority(DICE, margin)
    assert found.p == pytest.approx(peer.pvalue)
    assert found.is_non_inferior == (peer.pvalue < 0.025)


def test_a_tool_may_be_superior_or_inferior_too():
    assert non_inferiority(DICE + 0.05, 0.02).outcome == "superior"
    assert non_inferiority(DICE + 0.05, 0.02).is_non_inferior
    worse = non_inferiority(DICE - 0.05, 0.02)
    assert worse.outcome == "inferior"
    assert "worse by more than 0.02" in worse.sentence


def test_a_difference_with_its_interval_will_do():
    found = non_inferiority(estimate(-0.01, -0.03, 0.02), 0.04)
    assert (found.lower, found.outcome, found.n_patients) == (-0.03, "non-inferior", 40)
    assert found.p < 0.025
    at_limit = non_inferiority(estimate(-0.01, -0.03, 0.02), 0.03)
    assert at_limit.p == pytest.approx(0.025)
    assert at_limit.outcome == "not shown"


def test_repeated_scans_of_a_patient_are_not_new_patients():
    twice = np.repeat(DICE, 2)
    clustered = non_inferiority(twice, 0.02, patient_id=np.repeat(np.arange(10), 2))
    assert clustered.lower == pytest.approx(non_inferiority(DICE, 0.02).lower)
    assert non_inferiority(twice, 0.02).lower > clustered.lower


def test_what_has_no_interval_answers_nothing():
    lost = estimate(np.nan, np.nan, np.nan, "not_estimable")
    for found in (non_inferiority(np.zeros(5), 0.02), non_inferiority(lost, 0.02)):
        assert found.outcome == "not estimable"
        assert not found.is_non_inferior
        assert np.isnan(found.p)
        assert "cannot be told" in found.sentence


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match=r"margin -0\.1 must be above 0"):
        non_inferiority(DICE, -0.1)
    with pytest.raises(ValueError, match=r"level 0\.05 must lie between"):
        non_inferiority(DICE, 0.1, level=0.05)
    with pytest.raises(ValueError, match="1 of 2 differences are nan"):
        non_inferiority(np.array([0.1, np.nan]), 0.1)
    with pytest.raises(ValueError, match="5 of 44 differences are infinite"):
        non_inferiority(np.r_[[-np.inf] * 5, np.tile([0.0, 0.01, 0.02], 13)], 0.02)
