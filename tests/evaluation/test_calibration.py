import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from evaluation import brier, calibration_intercept, calibration_slope
from evaluation.calibration import calibration_intercept_of, calibration_slope_of
from evaluation.resampling import Weights
from evaluation.samples import Sample


def exact():
    """Outcomes that fit their probabilities exactly: 20 cases at each tenth."""
    p = np.repeat(np.arange(1, 10) / 10, 20)
    y = np.concatenate([np.arange(20) < round(20 * q) for q in np.arange(1, 10) / 10])
    return y, p


def logit(p):
    return np.log(p / (1 - p))


def back(x):
    return 1 / (1 + np.exp(-x))


def test_case_30_brier():
    y, p = np.array([0, 0, 0, 1, 1, 1]), np.array([0.1] * 4 + [0.9] * 2)
    got = brier(y, p, patient_id=np.arange(6))
    assert got.value == pytest.approx(0.143333, abs=1e-6)
    assert got.value == pytest.approx(brier_score_loss(y, p))


def test_case_30_slope_and_intercept():
    y, p = exact()
    who = np.arange(y.size)
    assert calibration_slope(y, p, patient_id=who).value == pytest.approx(1)
    assert calibration_intercept(y, p, patient_id=who).value == pytest.approx(0, abs=1e-9)
    doubled, shifted = back(2 * logit(p)), back(logit(p) + 1)
    assert calibration_slope(y, doubled, patient_id=who).value == pytest.approx(0.5)
    assert calibration_intercept(y, shifted, patient_id=who).value == pytest.approx(-1)


def noisy(n=4000, seed=0):
    rng = np.random.default_rng(seed)
    who = rng.integers(0, n // 3, n)
    true = rng.normal(size=n // 3)[who] + rng.normal(size=n) - 1
    y = rng.random(n) < back(true)
    return who, y, back(1.4 * true + 0.3 + 0.3 * rng.normal(size=n))


def test_slope_agrees_with_scikit_learn():
    who, y, p = noisy()
    x = logit(p)[:, None]
    peer = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(x, y)
    ours = calibration_slope(y, p, patient_id=who)
    assert ours.value == pytest.approx(peer.coef_[0, 0], abs=1e-5)


def test_fits_and_sandwich_agree_with_statsmodels():
    api = pytest.importorskip("statsmodels.api")
    who, y, p = noisy()
    sample = Sample.of_patients(who, y_true=y, y_score=p, score_kind="probability")
    n = sample.n_patients
    x = logit(p)
    cluster = {"cov_type": "cluster", "cov_kwds": {"groups": who, "use_correction": False}}
    models = (
        (calibration_slope_of, np.column_stack([np.ones_like(x), x]), np.zeros_like(x)),
        (calibration_intercept_of, np.ones((x.size, 1)), x),
    )
    for of, design, offset in models:
        model = api.GLM(y.astype(float), design, family=api.families.Binomial(), offset=offset)
        peer, ours = model.fit(**cluster), of(sample)
        assert ours.value == pytest.approx(peer.params[-1], abs=1e-8)
        assert ours.se * np.sqrt((n - 1) / n) == pytest.approx(peer.bse[-1], rel=1e-6)


def test_one_newton_step_is_as_good_as_refitting():
    who, y, p = noisy(2000)
    sample = Sample.of_patients(who, y_true=y, y_score=p, score_kind="probability")
    weights = Weights.draw(sample.n_patients, 25, np.random.default_rng(1))
    statistic = calibration_slope_of(sample)
    steps = statistic.from_sums(weights.totals(statistic.sums))
    refitted = []
    for w in weights.blocks[0].T:
        peer = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
        peer.fit(logit(p)[:, None], y, sample_weight=w[sample.patient])
        refitted.append(peer.coef_[0, 0])
    assert np.std(steps - refitted) < 0.1 * statistic.se
    assert abs(np.mean(steps - refitted)) < 0.1 * statistic.se


def test_probabilities_of_zero_and_one_are_clipped():
    y = np.array([0, 1, 0, 1, 1, 0] * 5, bool)
    p = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.0] * 5)
    got = calibration_slope(y, p, patient_id=np.arange(30))
    assert got.value == pytest.approx(np.log(2) / np.log((1 - 1e-6) / 1e-6))


@pytest.mark.parametrize(
    ("y", "p", "reason"),
    [
        ([0, 0, 0], [0.1, 0.2, 0.3], "0 positives"),
        ([1, 1, 1], [0.1, 0.2, 0.3], "0 negatives"),
        ([0, 1, 1], [0.4, 0.4, 0.4], "all scores are the same"),
        ([0, 1, 1], [0.1, 0.8, 0.9], "the scores part the cases completely, the slope has no end"),
    ],
)
def test_a_slope_that_does_not_exist_says_why(y, p, reason):
    got = calibration_slope(np.array(y), np.array(p), patient_id=np.arange(3))
    assert np.isnan(got.value)
    assert (got.state, got.reason) == ("not_estimable", reason)


def test_failed_cases_are_errors_of_one_and_have_no_logit():
    from evaluation.calibration import brier_of

    sample = Sample(
        patient=np.arange(4), n_patients=4, failed=np.array([False, False, False, True]),
        y_true=np.array([True, False, True, True]), y_score=np.array([1.0, 0.0, 1.0, np.nan]),
    )  # fmt: skip
    assert brier_of(sample).value == 0.25
    y, p = exact()
    with_failed = Sample(
        patient=np.arange(y.size + 1), n_patients=y.size + 1,
        failed=np.arange(y.size + 1) == y.size,
        y_true=np.append(y, True), y_score=np.append(p, np.nan),
    )  # fmt: skip
    assert calibration_slope_of(with_failed).value == pytest.approx(1)


def test_a_score_above_one_is_no_probability():
    with pytest.raises(ValueError, match="a probability lies in"):
        brier(np.array([True]), np.array([1.5]), patient_id=np.arange(1))
