import numpy as np
import pytest
from scipy.stats import chi2_contingency, studentized_range

from evaluation.homogeneity import homogeneity
from evaluation.metrics import METRICS
from evaluation.samples import Sample
from evaluation.subsets import Subset, is_measured


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


def shared(rng, n_patients, n_each, metric, *, probs=(0.25, 0.25, 0.25, 0.25), worse=0.0):
    """Return the p value of groups of films, of which every patient has some."""
    who = np.repeat(np.arange(n_patients), n_each)
    ill = (rng.random(n_patients) < 0.5)[who]
    view = rng.choice(len(probs), who.size, p=probs)
    logit = np.where(ill, 1.5, -1.5) + 1.5 * rng.normal(size=n_patients)[who]
    logit += 0.7 * rng.normal(size=who.size) - worse * ((view == 0) & ill)
    score = 1 / (1 + np.exp(-logit))
    groups = []
    for name in range(len(probs)):
        mine = view == name
        patients, codes = np.unique(who[mine], return_inverse=True)
        groups.append(Subset(Sample(
            patient=codes, n_patients=patients.size, failed=np.zeros(mine.sum(), bool),
            y_true=ill[mine], y_score=score[mine], y_pred=score[mine] >= 0.5,
            values={"dice": score[mine], "present": np.ones(mine.sum())},
        ), patients))  # fmt: skip
    groups = [g for g in groups if is_measured(METRICS[metric].function(g.sample))]
    statistics = [METRICS[metric].function(g.sample) for g in groups]
    return homogeneity(statistics, groups, METRICS[metric], n_patients=n_patients, seed=(0,)).p


@pytest.mark.parametrize("metric", ["sensitivity", "specificity", "dice"])
@pytest.mark.parametrize(("n", "each"), [(60, 10), (40, 20), (200, 4), (20, 20)])
def test_equal_groups_of_the_same_patients_are_called_different_one_time_in_twenty(n, each, metric):
    rng = np.random.default_rng(19)
    p = np.array([shared(rng, n, each, metric) for _ in range(250)])
    assert np.mean(p < 0.05) <= 0.08
    # Both tests of equalized odds, of which the smaller p is doubled.
    assert np.mean(p < 0.025) <= 0.05


@pytest.mark.parametrize("metric", ["sensitivity", "ppv", "roc_auc", "dice"])
@pytest.mark.parametrize(("n", "each"), [(60, 10), (200, 4), (1000, 2)])
def test_few_films_of_shared_patients_are_no_sign_of_a_difference(n, each, metric):
    rng = np.random.default_rng(3)
    p = np.array([shared(rng, n, each, metric, probs=(0.9, 0.06, 0.03, 0.01)) for _ in range(120)])
    assert np.nanmean(p < 0.05) <= 0.1


@pytest.mark.parametrize("metric", ["sensitivity", "roc_auc"])
def test_a_difference_within_the_same_patients_is_seen(metric):
    rng = np.random.default_rng(4)
    p = np.array([shared(rng, 100, 10, metric, worse=1.4) for _ in range(40)])
    assert np.mean(p < 0.05) >= 0.9


def test_groups_of_the_same_figure_are_equal():
    perfect = [Subset(g.sample, np.arange(30)) for g in shares([(30, 30)] * 3)]
    assert compared(perfect).p == 1
