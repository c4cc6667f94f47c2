import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from evaluation import average_precision, roc_auc
from evaluation.discrimination import Ranked, average_precision_of, roc_auc_of
from evaluation.resampling import Weights
from evaluation.samples import Sample

CASE_21 = np.array([1, 1, 1, 0, 0, 0], bool), np.array([0.9, 0.8, 0.35, 0.7, 0.3, 0.2])

mixed = st.lists(
    st.tuples(st.booleans(), st.integers(0, 6), st.integers(0, 8)), min_size=2, max_size=60
).filter(lambda rows: 0 < sum(r[0] for r in rows) < len(rows))


def sample_of(rows):
    y, s, p = (np.array(c) for c in zip(*rows, strict=True))
    return Sample.of_patients(p, y_true=y.astype(bool), y_score=s.astype(float))


@given(mixed)
def test_values_agree_with_scikit_learn_ties_and_all(rows):
    sample = sample_of(rows)
    y, s = sample.y_true, sample.y_score
    assert roc_auc_of(sample).value == pytest.approx(roc_auc_score(y, s), abs=1e-12)
    peer = average_precision_score(y, s)
    assert average_precision_of(sample).value == pytest.approx(peer, abs=1e-12)


@given(mixed, st.integers(0, 99))
def test_replicates_are_the_weighted_figures(rows, seed):
    sample = sample_of(rows)
    weights = Weights.draw(sample.n_patients, 4, np.random.default_rng(seed))
    auc = roc_auc_of(sample).replicates(weights)
    precision = average_precision_of(sample).replicates(weights)
    for i, w in enumerate(weights.blocks[0].T):
        rows_w = w[sample.patient]
        if rows_w[sample.y_true].sum() == 0 or rows_w[~sample.y_true].sum() == 0:
            assert np.isnan(auc[i])
            continue
        peer = roc_auc_score(sample.y_true, sample.y_score, sample_weight=rows_w)
        assert auc[i] == pytest.approx(peer, abs=1e-5)
        peer = average_precision_score(sample.y_true, sample.y_score, sample_weight=rows_w)
        assert precision[i] == pytest.approx(peer, abs=1e-5)


@pytest.mark.parametrize("of", [roc_auc_of, average_precision_of])
def test_influence_is_the_derivative_by_a_patients_weight(of):
    rng = np.random.default_rng(5)
    n = 300
    who = rng.integers(0, 80, n)
    y = rng.random(n) < 0.3
    score = np.round(rng.normal(size=n) + y, 1)
    sample = Sample.of_patients(who, y_true=y, y_score=score)
    statistic = of(sample)
    step = 1e-4
    peer = roc_auc_score if of is roc_auc_of else average_precision_score
    for patient in range(0, 80, 9):
        moved = [
            peer(y, score, sample_weight=np.where(sample.patient == patient, 1 + s, 1.0))
            for s in (step, -step)
        ]
        slope = (moved[0] - moved[1]) / (2 * step)
        # The influence carries n / (n - 1) of few patients.
        assert statistic.influence[patient] == pytest.approx(slope, rel=0.03, abs=1e-6)


def delong_variance(y, s):
    """DeLong's variance, term by term."""
    pos, neg = s[y][:, None], s[~y][None, :]
    psi = (pos > neg) + 0.5 * (pos == neg)
    return psi.mean(1).var(ddof=1) / len(pos) + psi.mean(0).var(ddof=1) / neg.size


def test_case_21_delong():
    y, s = CASE_21
    for score, auc in ((s, 8 / 9), (-s, 1 / 9)):
        statistic = roc_auc_of(Sample.of_patients(np.arange(6), y_true=y, y_score=score))
        assert statistic.value == pytest.approx(auc)
        assert statistic.se**2 == pytest.approx(2 / 81)


def test_case_21_ties_and_perfection_keep_an_interval():
    y = np.arange(40) < 20
    ties = roc_auc(y, np.zeros(40), patient_id=np.arange(40))
    assert ties.value == 0.5
    assert ties.low < 0.5 < ties.high
    assert ties.reason == "degenerate: every case has the same score"
    assert not roc_auc(y, np.arange(40) % 2.0, patient_id=np.arange(40)).reason
    perfect = roc_auc(y, y.astype(float), patient_id=np.arange(40))
    assert perfect.value == perfect.high == 1
    assert 0.7 < perfect.low < 0.98
    wrong = roc_auc(y, -y.astype(float), patient_id=np.arange(40))
    assert wrong.value == wrong.low == 0
    assert wrong.high == pytest.approx(1 - perfect.low)


def test_case_22_clustered_delong():
    rng = np.random.default_rng(0)
    y = np.arange(150) < 60
    s = rng.normal(size=150) + y
    single = roc_auc_of(Sample.of_patients(np.arange(150), y_true=y, y_score=s)).se ** 2
    assert single == pytest.approx(delong_variance(y, s), rel=1e-12)
    y5, s5, who = np.tile(y, 5), np.tile(s, 5), np.tile(np.arange(150), 5)
    copied = roc_auc_of(Sample.of_patients(who, y_true=y5, y_score=s5)).se ** 2
    naive = roc_auc_of(Sample.of_patients(np.arange(750), y_true=y5, y_score=s5)).se ** 2
    assert copied == pytest.approx(single, rel=1e-12)
    assert naive < 0.22 * single


def test_obuchowski_term_by_term():
    rng = np.random.default_rng(2)
    who = np.repeat(np.arange(40), 5)
    y = rng.random(200) < 0.4
    s = rng.normal(size=40)[who] + rng.normal(size=200) + y
    sample = Sample.of_patients(who, y_true=y, y_score=s)
    statistic = roc_auc_of(sample)
    psi = (s[y][:, None] > s[~y][None, :]).astype(float)
    auc = psi.mean()
    a = np.array([(psi.mean(1) - auc)[who[y] == i].sum() for i in range(40)])
    b = np.array([(psi.mean(0) - auc)[who[~y] == i].sum() for i in range(40)])
    m, n = y.sum(), (~y).sum()
    n_ill, n_well = np.unique(who[y]).size, np.unique(who[~y]).size
    s10 = n_ill / ((n_ill - 1) * m) * (a**2).sum()
    s01 = n_well / ((n_well - 1) * n) * (b**2).sum()
    s11 = 40 / 39 * (a * b).sum()
    variance = s10 / m + s01 / n + 2 * s11 / (m * n)
    # Only the small-sample factor of the cross term differs.
    assert statistic.se**2 == pytest.approx(variance, rel=5e-3)


def test_bootstrap_and_delong_agree():
    rng = np.random.default_rng(4)
    who = rng.integers(0, 300, 900)
    y = (rng.normal(size=300)[who] + rng.normal(size=900)) > 1
    s = rng.normal(size=300)[who] + rng.normal(size=900) + y
    sample = Sample.of_patients(who, y_true=y, y_score=s)
    weights = Weights.draw(sample.n_patients, 1000, rng)
    for of in (roc_auc_of, average_precision_of):
        statistic = of(sample)
        assert statistic.replicates(weights).std() == pytest.approx(statistic.se, rel=0.08)


def test_failed_cases_are_ranked_last():
    sample = Sample(
        patient=np.arange(6), n_patients=6, failed=np.array([True] + [False] * 5),
        y_true=CASE_21[0], y_score=np.where(np.arange(6) == 0, np.nan, CASE_21[1]),
    )  # fmt: skip
    assert roc_auc_of(sample).value == pytest.approx(5 / 9)


@pytest.mark.parametrize(("y", "reason"), [(0, "0 positives"), (1, "0 negatives")])
@pytest.mark.parametrize("metric", [roc_auc, average_precision])
def test_one_class_is_not_estimable(metric, y, reason):
    got = metric(np.full(5, y, bool), np.arange(5.0), patient_id=np.arange(5))
    assert np.isnan([got.value, got.low, got.high]).all()
    assert (got.state, got.reason) == ("not_estimable", reason)


def test_placements_average_to_the_auc():
    y, s = CASE_21
    ranked = Ranked(y, s, np.arange(6), 6)
    for part in ranked.placements():
        assert part.mean() == pytest.approx(8 / 9)


def test_nan_scores_are_named():
    with pytest.raises(ValueError, match="y_score is nan in 1 of 2"):
        roc_auc(np.array([True, False]), np.array([0.1, np.nan]), patient_id=np.arange(2))
