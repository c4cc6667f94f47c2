"""Two AUCs of the same cases."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from evaluation import paired_roc_auc

DATA = Path(os.environ.get("AIOPS_DATA", "../shared/data"))
FILMS = DATA / "chest_xray_nih_predictions" / "predictions.csv.gz"
EXPECTED = DATA / "metric_references" / "nih_expected_paired_delong.csv"
BY_GROUP = DATA / "metric_references" / "nih_expected_by_group.csv"

real = pytest.mark.skipif(
    not (FILMS.exists() and EXPECTED.exists() and BY_GROUP.exists()),
    reason="no real data: chest_xray_nih_predictions and metric_references under AIOPS_DATA",
)

rows = st.lists(
    st.tuples(st.booleans(), st.integers(0, 6), st.integers(0, 6), st.integers(0, 9)),
    min_size=2,
    max_size=50,
).filter(lambda r: 0 < sum(x[0] for x in r) < len(r))


def cohort(n=600, seed=0, n_patients=None):
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.35
    common = rng.normal(size=n)
    a = common + rng.normal(size=n) + 0.8 * y
    b = common + rng.normal(size=n) + 1.2 * y
    who = np.arange(n) if n_patients is None else rng.integers(0, n_patients, n)
    return y, a, b, who


def delong(y, a, b):
    """DeLong's difference and its standard error, pair by pair."""
    parts = []
    for s in (a, b):
        psi = (s[y][:, None] > s[~y][None, :]) + 0.5 * (s[y][:, None] == s[~y][None, :])
        parts.append((psi.mean(), psi.mean(1), psi.mean(0)))
    ill = np.cov([p[1] for p in parts]) / y.sum()
    well = np.cov([p[2] for p in parts]) / (~y).sum()
    contrast = np.array([-1, 1])
    return parts[1][0] - parts[0][0], float(np.sqrt(contrast @ (ill + well) @ contrast))


def test_case_21_identical_models_differ_by_nothing_and_p_is_1():
    y, s = np.array([1, 1, 1, 0, 0, 0], bool), np.array([0.9, 0.8, 0.35, 0.7, 0.3, 0.2])
    for truth, score in ((y, s), cohort()[:2], (y, y.astype(float)), (y, np.zeros(6))):
        found = paired_roc_auc(truth, score, score, patient_id=np.arange(truth.size))
        assert (found.difference.value, found.p) == (0, 1)
        assert (found.difference.low, found.difference.high) == (0, 0)
        assert "the same in every case" in found.difference.reason or truth.size < 30


def test_case_21_a_perfect_auc_keeps_an_interval():
    y = np.arange(60) < 25
    worse = np.where(np.arange(60) % 7 == 0, 0.5, y)
    found = paired_roc_auc(y, worse, y.astype(float), patient_id=np.arange(60))
    assert found.b.value == 1
    assert found.b.low < 1
    assert found.difference.low < found.difference.value < found.difference.high
    assert 0 < found.p < 1
    # Two that are perfect each in its own way are not known to be the same.
    both = paired_roc_auc(y, y.astype(float), y + np.arange(60) / 1e3, patient_id=np.arange(60))
    assert both.difference.value == 0
    assert both.p == 1
    assert both.difference.low < 0 < both.difference.high


def test_case_21_a_flat_score_is_flagged():
    y, a, _, who = cohort()
    found = paired_roc_auc(y, np.zeros(y.size), a, patient_id=who)
    assert found.a.value == 0.5
    assert found.a.reason == "degenerate: every case has the same score"
    assert found.difference.reason == found.a.reason
    assert found.p < 1e-3


def test_the_difference_is_delongs_pair_by_pair():
    y, a, b, who = cohort()
    found = paired_roc_auc(y, a, b, patient_id=who)
    value, se = delong(y, a, b)
    assert found.difference.value == pytest.approx(value, abs=1e-12)
    assert found.p == pytest.approx(2 * norm.sf(abs(value) / se), rel=1e-9)
    z = norm.ppf(0.975)
    assert found.difference.low == pytest.approx(value - z * se)
    assert found.difference.high == pytest.approx(value + z * se)


@settings(deadline=None)
@given(rows)
def test_any_two_scores_have_a_difference_within_its_interval(cases):
    y, a, b, who = (np.array(c) for c in zip(*cases, strict=True))
    found = paired_roc_auc(y, a.astype(float), b.astype(float), patient_id=who)
    assert found.a.value == pytest.approx(roc_auc_score(y, a), abs=1e-12)
    peer = roc_auc_score(y, b) - roc_auc_score(y, a)
    assert found.difference.value == pytest.approx(peer, abs=1e-12)
    assert found.difference.low <= found.difference.value + 1e-9
    assert found.difference.value - 1e-9 <= found.difference.high
    assert 0 <= found.p <= 1
    turned = paired_roc_auc(y, b.astype(float), a.astype(float), patient_id=who)
    assert turned.p == pytest.approx(found.p)
    assert turned.difference.low == pytest.approx(-found.difference.high)


def test_case_22_copies_of_every_image_say_nothing_new():
    y, a, b, who = cohort(300)
    single = paired_roc_auc(y, a, b, patient_id=who)
    five = [np.tile(part, 5) for part in (y, a, b, who)]
    copied = paired_roc_auc(*five[:3], patient_id=five[3])
    naive = paired_roc_auc(*five[:3], patient_id=np.arange(1500))
    assert copied.p == pytest.approx(single.p, rel=1e-9)
    assert copied.difference.high == pytest.approx(single.difference.high)
    assert naive.p < single.p / 10


def test_patients_may_be_names():
    y, a, b, who = cohort(n_patients=90)
    numbers = paired_roc_auc(y, a, b, patient_id=who)
    far = paired_roc_auc(y, a, b, patient_id=who * 10**9)
    named = paired_roc_auc(y, a, b, patient_id=np.array([f"p{i}" for i in who]))
    assert named.difference == far.difference
    assert named.p == pytest.approx(numbers.p)
    assert named.difference.n_patients == numbers.difference.n_patients == np.unique(who).size


def test_failed_cases_are_infinitely_wrong():
    y, a, b, who = cohort(200)
    lost = np.arange(200) % 10 == 0
    found = paired_roc_auc(y, a, np.where(lost, np.where(y, -np.inf, np.inf), b), patient_id=who)
    assert found.b.value < paired_roc_auc(y, a, b, patient_id=who).b.value


def test_one_kind_alone_is_not_estimable():
    found = paired_roc_auc(np.ones(5, bool), np.arange(5.0), np.ones(5), patient_id=np.arange(5))
    assert found.difference.state == "not_estimable"
    assert found.difference.reason == "not estimable: 0 negatives in a"
    assert np.isnan([found.p, found.difference.value, found.difference.low]).all()


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"score_b \(3,\), patient_id \(2,\) must match"):
        paired_roc_auc(np.array([1, 0]), np.zeros(2), np.zeros(3), patient_id=np.arange(2))
    with pytest.raises(ValueError, match="y_score is nan in 1 of 2"):
        paired_roc_auc(np.array([1, 0]), np.zeros(2), np.array([0, np.nan]), patient_id=[0, 1])


@real
def test_differences_are_a_published_tools_where_films_count_as_independent():
    films = pd.read_csv(FILMS)
    for _, row in pd.read_csv(EXPECTED).iterrows():
        y = films[f"label_{row['target']}"].to_numpy()
        a, b = (films[row[c]].to_numpy() for c in ("score_1", "score_2"))
        found = paired_roc_auc(y, a, b, patient_id=np.arange(len(films)))
        assert found.a.value == pytest.approx(row["auc_1"], abs=1e-12)
        assert found.b.value == pytest.approx(row["auc_2"], abs=1e-12)
        assert np.log10(found.p) == pytest.approx(row["log10_p_delong"], rel=1e-6)
        by_patient = paired_roc_auc(y, a, b, patient_id=films["patient_id"].to_numpy())
        assert by_patient.p > found.p


@real
def test_every_groups_variance_is_a_published_tools():
    from evaluation.discrimination import roc_auc_of
    from evaluation.samples import Sample

    films = pd.read_csv(FILMS)
    checked = 0
    for _, row in pd.read_csv(BY_GROUP).query("group in ('all', 'sex', 'view')").iterrows():
        if not row["delong_variance"] > 0:
            continue
        part = films if row["group"] == "all" else films[films[row["group"]] == row["value"]]
        sample = Sample.of_patients(
            np.arange(len(part)), y_true=part[f"label_{row['finding']}"],
            y_score=part[f"prob_{row['finding']}"],
        )  # fmt: skip
        found = roc_auc_of(sample)
        assert found.value == pytest.approx(row["auc"], abs=1e-12)
        assert found.se**2 == pytest.approx(row["delong_variance"], rel=1e-9)
        checked += 1
    assert checked >= 60


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_ill", "n_well", "shift", "each"),
    [(20, 60, (0.8, 1.0), 1), (20, 200, (2.0, 2.4), 1), (100, 300, (1.0, 1.2), 1),
     (120, 360, (1.0, 1.4), 3)],
)  # fmt: skip
def test_differences_are_covered(n_ill, n_well, shift, each):
    rng = np.random.default_rng(0)
    n = n_ill + n_well
    y = np.arange(n) < n_ill
    # Two normal scores that share half of what makes a case hard.
    truth = np.diff([norm.cdf(s / np.sqrt(2)) for s in shift])[0]
    who = np.concatenate([np.arange(n_ill) // each, np.arange(n_well) // each + 10**6])
    held = []
    for _ in range(700):
        patients = rng.normal(size=n)[np.unique(who, return_inverse=True)[1]]
        shared = patients if each > 1 else rng.normal(size=n)
        a, b = (np.sqrt(0.5) * shared + np.sqrt(0.5) * rng.normal(size=n) + s * y for s in shift)
        found = paired_roc_auc(y, a, b, patient_id=who).difference
        held.append(found.low <= truth <= found.high)
    assert 0.93 <= np.mean(held) <= 0.985
