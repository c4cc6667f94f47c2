import numpy as np
import pytest
from scipy.stats import chi2_contingency, studentized_range

from evaluation.homogeneity import homogeneity
from evaluation.metrics import METRICS
from evaluation.samples import Sample
from evaluation.subsets import Subset


def shares(counts):
    """Return a group of diseased patients for each (found, all)."""
    out, first = [], 0
    for found, n in counts:
        ill = np.ones(n, bool)
        sample = Sample.of_patients(np.arange(n), y_true=ill, y_pred=np.arange(n) < found)
        out.append(Subset(sample, np.arange(first, first + n)))
        first += n
    return out


def dices(values, name="dice"):
    """Return a group of patients for each array of Dice, or of another figure per case."""
    out, first = [], 0
    for v in values:
        sample = Sample.of_patients(np.arange(v.size), values={name: v, "present": np.ones(v.size)})
        out.append(Subset(sample, np.arange(first, first + v.size)))
        first += v.size
    return out


def compared(groups, metric="sensitivity", n_patients=20_000):
    statistics = [METRICS[metric].function(g.sample) for g in groups]
    return homogeneity(statistics, groups, METRICS[metric], n_patients=n_patients, seed=(0,))


def test_case_26_the_gap_of_ten_equal_groups():
    found = compared(shares([(80, 100)] * 10))
    assert found.mean == pytest.approx(0.1227, abs=0.002)
    assert found.high == pytest.approx(0.18, abs=0.004)
    assert found.high == pytest.approx(0.04 * studentized_range.ppf(0.95, 10, np.inf), abs=0.004)
    assert compared(shares([(80, 100)] * 2)).mean == pytest.approx(0.045, abs=0.002)
    assert found.p == pytest.approx(1)


def test_shares_are_tested_by_pearsons_chi_square():
    counts = [(70, 100), (160, 200), (120, 130)]
    table = np.array([[a, n - a] for a, n in counts])
    peer = chi2_contingency(table, correction=False).pvalue
    assert compared(shares(counts)).p == pytest.approx(peer, rel=1e-9)


def test_few_shares_are_tested_by_counts():
    counts = [(5, 5), (3, 6), (4, 4)]
    found = compared(shares(counts))
    rng = np.random.default_rng(1)
    n = np.array([5, 6, 4])
    x = rng.binomial(n, 12 / 15, (200_000, 3))
    assert found.mean == pytest.approx(np.ptp(x / n, axis=1).mean(), abs=0.02)
    common = x.sum(axis=1) / 15
    spread = common * (1 - common)
    off = (n * (x / n - common[:, None]) ** 2).sum(axis=1)
    chi = np.where(spread > 0, off / np.where(spread > 0, spread, 1), 0)
    seen = (n * (np.array([1, 0.5, 1]) - 0.8) ** 2).sum() / 0.16
    assert found.p == pytest.approx((chi >= seen - 1e-9).mean(), abs=0.02)


def test_means_are_tested_as_welch_does():
    peer = pytest.importorskip("statsmodels.stats.oneway").anova_oneway
    rng = np.random.default_rng(0)
    values = [
        rng.normal(m, s, n) for m, s, n in ((0.8, 0.05, 14), (0.83, 0.02, 60), (0.85, 0.1, 25))
    ]
    expected = peer(values, use_var="unequal", welch_correction=True).pvalue
    assert compared(dices(values), "dice").p == pytest.approx(expected, rel=1e-6)


def test_patients_in_two_groups_are_known_to_be_the_same():
    rng = np.random.default_rng(0)
    ability = rng.normal(size=300)
    values = [0.8 + 0.05 * ability + 0.005 * rng.normal(size=300) for _ in range(2)]
    apart = dices(values)
    together = [Subset(g.sample, np.arange(300)) for g in apart]
    # The same patients twice: their gap varies by what is not the patient.
    assert compared(together, "dice").mean < 0.25 * compared(apart, "dice").mean
    from scipy.stats import ttest_rel

    shifted = [values[0], values[1] + 0.0008]
    together = [Subset(g.sample, np.arange(300)) for g in dices(shifted)]
    assert compared(together, "dice").p == pytest.approx(ttest_rel(*shifted).pvalue, rel=0.05)


def test_one_patient_has_no_spread_of_their_own():
    rng = np.random.default_rng(0)
    many, one = rng.normal(0.85, 0.05, 80), np.array([0.6])
    found = compared(dices([many, one]), "dice")
    assert found.mean == pytest.approx(0.05 * np.sqrt(1 + 1 / 80) * np.sqrt(2 / np.pi), rel=0.15)
    assert found.p < 0.2


def test_perfect_groups_leave_chance_a_gap():
    found = compared(shares([(12, 12), (30, 30)]))
    assert 0 < found.mean < 0.1
    assert found.p == 1


def test_without_any_spread_nothing_is_said():
    found = compared(dices([np.array([3.0]), np.array([4.0])], "hd95_mm"), "hd95_mm")
    assert np.isnan([found.mean, found.high, found.p]).all()


@pytest.mark.parametrize("n", [8, 30, 150])
def test_equal_groups_are_called_different_one_time_in_twenty(n):
    rng = np.random.default_rng(n)
    sizes = [n, 2 * n, n, 3 * n]
    p = [compared(shares([(rng.binomial(m, 0.85), m) for m in sizes])).p for _ in range(300)]
    assert np.mean(np.array(p) < 0.05) <= 0.08


def test_equal_dice_is_called_different_one_time_in_twenty():
    rng = np.random.default_rng(5)
    p = [
        compared(dices([np.clip(0.95 - rng.gamma(1.5, 0.04, m), 0, 1) for m in (12, 25, 40, 15)]),
               "dice").p
        for _ in range(300)
    ]  # fmt: skip
    assert np.mean(np.array(p) < 0.05) <= 0.09


def test_the_observed_gap_lies_in_what_chance_makes():
    rng = np.random.default_rng(2)
    sizes = [40, 80, 40, 200, 60]
    draws = [[(rng.binomial(m, 0.8), m) for m in sizes] for _ in range(200)]
    beyond = [
        np.ptp([a / n for a, n in counts]) > compared(shares(counts)).high for counts in draws
    ]
    assert np.mean(beyond) == pytest.approx(0.05, abs=0.04)
