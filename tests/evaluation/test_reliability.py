import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import aggregate_raters, cohens_kappa
from statsmodels.stats.inter_rater import fleiss_kappa as fleiss_of_statsmodels

from evaluation.estimates import wilson
from evaluation.reliability import cohen_kappa, fleiss_kappa, percent_agreement


def readers(n=200, seed=0, k=4):
    rng = np.random.default_rng(seed)
    one = rng.integers(0, k, n)
    two = np.clip(one + rng.choice([-1, 0, 0, 0, 1], n), 0, k - 1)
    return one, two


@pytest.mark.parametrize(("weights", "peer"), [("none", None), ("linear",) * 2, ("quadratic",) * 2])
def test_kappa_agrees_with_scikit_learn_and_its_variance_with_statsmodels(weights, peer):
    one, two = readers()
    found = cohen_kappa(one, two, patient_id=np.arange(200), weights=weights)
    assert found.value == pytest.approx(cohen_kappa_score(one, two, weights=peer))
    table = np.zeros((4, 4))
    np.add.at(table, (one, two), 1)
    wt = {"none": None, "linear": "linear", "quadratic": "quadratic"}[weights]
    variance = cohens_kappa(table, wt=wt).var_kappa
    half = stats.t.ppf(0.975, 199) * np.sqrt(variance * 200 / 199)
    assert found.high - found.value == pytest.approx(half, rel=1e-9)


def test_kappa_of_films_read_twice_is_no_surer_than_of_patients():
    one, two = readers(80)
    once = cohen_kappa(one, two, patient_id=np.arange(80))
    twice = cohen_kappa(
        np.repeat(one, 2), np.repeat(two, 2), patient_id=np.repeat(np.arange(80), 2)
    )
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high))
    assert twice.n_patients == 80


def test_perfect_agreement_keeps_an_interval():
    y = np.repeat([0, 1], 20)
    found = cohen_kappa(y, y, patient_id=np.arange(40))
    low = wilson(40, 40)[0]
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(1 - (1 - low) / 0.5)
    three = fleiss_kappa(np.column_stack([y, y, y]), patient_id=np.arange(40))
    assert three.value == pytest.approx(1)
    assert 0.7 < three.low < 1


@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
def test_one_category_only_has_no_kappa(weights):
    same = np.ones(30)
    found = cohen_kappa(same, same, patient_id=np.arange(30), weights=weights)
    assert found.state == "not_estimable"
    assert np.isnan([found.value, found.low, found.high]).all()
    assert "one category only" in found.reason
    several = fleiss_kappa(np.ones((30, 3)), patient_id=np.arange(30))
    assert (several.state, several.reason) == ("not_estimable", found.reason)
    assert percent_agreement(same, same, patient_id=np.arange(30)).value == 1


def test_chance_is_0_and_worse_than_chance_below():
    one = np.array([0, 0, 1, 1] * 20)
    two = np.array([0, 1, 0, 1] * 20)
    assert cohen_kappa(one, two, patient_id=np.arange(80)).value == pytest.approx(0)
    assert cohen_kappa(one, 1 - one, patient_id=np.arange(80)).value == pytest.approx(-1)


@pytest.mark.parametrize(("n", "n_same"), [(20, 19), (3, 2), (50, 25), (197, 31)])
def test_a_reader_with_one_category_leaves_no_kappa(n, n_same):
    one, two = np.zeros(n), np.arange(n) >= n_same
    for pair in ((one, two.astype(float)), (two.astype(float), one)):
        found = cohen_kappa(*pair, patient_id=np.arange(n))
        assert found.state == "not_estimable"
        assert np.isnan([found.value, found.low, found.high]).all()
        assert found.reason.startswith("one reader gave one category only")


def test_without_an_interval_the_reason_says_why():
    who, half = np.arange(50), np.arange(50) % 2
    opposite = cohen_kappa(half, 1 - half, patient_id=who)
    assert np.isnan(opposite.low)
    assert opposite.reason == "no interval: no spread between patients"
    # Perfect agreement has an interval, and nothing to explain.
    perfect = cohen_kappa(half, half, patient_id=who)
    assert (np.isfinite(perfect.low), perfect.reason) == (True, "")


def test_a_category_nobody_gave_counts_in_the_distance():
    one, two = np.array(["none", "severe", "none", "mild"]), np.array(["none", "mild"] * 2)
    order = ["none", "mild", "moderate", "severe"]
    who = np.arange(4)
    told = cohen_kappa(one, two, patient_id=who, weights="linear", categories=order)
    codes = {name: i for i, name in enumerate(order)}
    y1, y2 = ([codes[v] for v in x] for x in (one, two))
    peer = cohen_kappa_score(y1, y2, weights="linear", labels=[0, 1, 2, 3])
    assert told.value == pytest.approx(peer)
    with pytest.raises(ValueError, match=r"ratings \['severe'\] are none of the categories"):
        cohen_kappa(one, two, patient_id=who, categories=["none", "mild"])


def test_fleiss_kappa_agrees_with_statsmodels():
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 3, 150)
    ratings = np.where(rng.random((150, 4)) < 0.7, truth[:, None], rng.integers(0, 3, (150, 4)))
    found = fleiss_kappa(ratings, patient_id=np.arange(150))
    assert found.value == pytest.approx(fleiss_of_statsmodels(aggregate_raters(ratings)[0]))


def test_the_interval_of_fleiss_kappa_is_that_of_leaving_patients_out():
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 2, 120)
    ratings = np.where(rng.random((120, 3)) < 0.8, truth[:, None], 1 - truth[:, None])
    found = fleiss_kappa(ratings, patient_id=np.arange(120))
    left = [
        fleiss_kappa(np.delete(ratings, i, 0), patient_id=np.arange(119)).value for i in range(120)
    ]
    jackknife = np.sqrt(119 / 120 * np.square(np.array(left) - np.mean(left)).sum())
    assert (found.high - found.value) / stats.t.ppf(0.975, 119) == pytest.approx(
        jackknife, rel=0.02
    )


def test_what_is_missing_is_an_error_that_counts_it():
    with pytest.raises(ValueError, match="first lack 1 of 3 ratings"):
        cohen_kappa(np.array([1, np.nan, 0]), np.ones(3), patient_id=np.arange(3))
    with pytest.raises(ValueError, match="weights 'cubic' are none of"):
        cohen_kappa(np.ones(2), np.ones(2), patient_id=np.arange(2), weights="cubic")
    with pytest.raises(ValueError, match="must match"):
        percent_agreement(np.ones(2), np.ones(3), patient_id=np.arange(2))
    assert cohen_kappa(np.ones(0), np.ones(0), patient_id=np.ones(0)).reason == "no case"
