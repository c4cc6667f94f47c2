import warnings

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from evaluation import froc


def detector(n_patients=60, seed=0, per_patient=1):
    """Return candidates of a tool that finds most lesions and marks some places beside."""
    rng = np.random.default_rng(seed)
    n_scans = n_patients * per_patient
    n_lesions = rng.integers(0, 4, n_scans)
    score, scan, lesion = [], [], []
    for i in range(n_scans):
        for j in range(n_lesions[i]):
            for _ in range(rng.integers(0, 3)):
                score.append(rng.normal(1)), scan.append(i), lesion.append(j)
        for _ in range(rng.poisson(1.5)):
            score.append(rng.normal(0)), scan.append(i), lesion.append(-1)
    return {
        "score": np.round(score, 2), "scan": np.array(scan), "lesion": np.array(lesion),
        "n_lesions": n_lesions, "patient_id": np.arange(n_scans) // per_patient,
    }  # fmt: skip


def of(given, **more):
    return froc(**given, rng=np.random.default_rng(0), **more)


def test_curve_is_monais():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metrics = pytest.importorskip("monai.metrics")
    given = detector()
    best = {}
    for s, i, j in zip(given["score"], given["scan"], given["lesion"], strict=True):
        if j >= 0:
            best[i, j] = max(best.get((i, j), -np.inf), s)
    fps, sensitivity = metrics.compute_froc_curve_data(
        given["score"][given["lesion"] < 0], np.array(list(best.values())),
        int(given["n_lesions"].sum()), len(given["n_lesions"]),
    )  # fmt: skip
    curve = of(given).curve
    ours = dict(zip(curve["false_per_scan"].round(9), curve["sensitivity"], strict=True))
    theirs = {}
    for x, y in zip(np.round(fps, 9), sensitivity, strict=True):
        theirs[float(x)] = max(theirs.get(float(x), 0.0), float(y))
    shared = set(ours) & set(theirs)
    assert len(shared) > 20
    for x in shared:
        assert ours[x] == pytest.approx(theirs[x])


def test_sensitivity_at_a_rate_is_counted_by_hand():
    given = detector()
    found = of(given)
    for row in found.at.to_dict("records"):
        above = given["score"] >= row["threshold"]
        false = (above & (given["lesion"] < 0)).sum() / len(given["n_lesions"])
        assert false <= row["false_per_scan"]
        hit = given["lesion"] >= 0
        pairs = set(zip(given["scan"][above & hit], given["lesion"][above & hit], strict=True))
        assert row["sensitivity"] == pytest.approx(len(pairs) / given["n_lesions"].sum())
        assert row["low"] < row["sensitivity"] < row["high"]
        # The next score down would bring too many.
        lower = given["score"][given["score"] < row["threshold"]]
        if lower.size:
            more = (given["score"] >= lower.max()) & (given["lesion"] < 0)
            assert more.sum() / len(given["n_lesions"]) > row["false_per_scan"]
    assert found.at["sensitivity"].is_monotonic_increasing
    assert found.mean.value == pytest.approx(found.at["sensitivity"].mean())
    assert found.mean.low < found.mean.value < found.mean.high


def test_several_candidates_on_one_lesion_count_once_and_are_no_false_alarm():
    given = {
        "score": np.array([0.9, 0.8, 0.7, 0.6]), "scan": np.zeros(4, int),
        "lesion": np.array([0, 0, 0, -1]), "n_lesions": np.array([1]), "patient_id": np.arange(1),
    }  # fmt: skip
    at = of(given, rates=(0.0, 1.0)).at
    assert at["sensitivity"].tolist() == [1, 1]
    assert at["threshold"].tolist() == [0.9, 0.6]
    assert at["state"].tolist() == ["small_n"] * 2


def test_ties_are_not_parted():
    given = {
        "score": np.array([0.9, 0.9, 0.5]), "scan": np.array([0, 1, 1]),
        "lesion": np.array([0, -1, 0]), "n_lesions": np.array([1, 1]), "patient_id": np.arange(2),
    }  # fmt: skip
    at = of(given, rates=(0.4, 0.5)).at
    assert at["sensitivity"].tolist() == [0, 1]
    assert at["threshold"].tolist() == [np.inf, 0.5]


def test_order_of_candidates_is_nothing_and_seed_decides():
    given = detector()
    order = np.random.default_rng(5).permutation(given["score"].size)
    mixed = given | {k: given[k][order] for k in ("score", "scan", "lesion")}
    one, other = of(given), of(mixed)
    assert one.at.equals(other.at)
    assert one.mean == other.mean


def test_copies_of_a_patients_scans_add_nothing():
    once = detector(50)
    n = len(once["n_lesions"])
    copied = {
        "score": np.tile(once["score"], 4),
        "scan": np.concatenate([once["scan"] + k * n for k in range(4)]),
        "lesion": np.tile(once["lesion"], 4),
        "n_lesions": np.tile(once["n_lesions"], 4),
        "patient_id": np.tile(once["patient_id"], 4),
    }
    one, many = of(once).at, of(copied).at
    for name in ("sensitivity", "threshold", "low", "high"):
        assert many[name].tolist() == pytest.approx(one[name].tolist())


def test_few_patients_have_wilsons_interval():
    given = {
        "score": np.arange(8.0), "scan": np.arange(8), "lesion": np.zeros(8, int),
        "n_lesions": np.ones(8, int), "patient_id": np.arange(8),
    }  # fmt: skip
    row = of(given, rates=(1.0,)).at.iloc[0]
    peer = proportion_confint(8, 8, method="wilson")
    assert (row["low"], row["high"]) == pytest.approx(peer)


def test_interval_covers_the_truth_of_many_patients():
    truth = of(detector(20_000, seed=99), n_boot=100).at["sensitivity"].to_numpy()
    inside = [
        (of(d, n_boot=300).at["low"].to_numpy() <= truth)
        & (truth <= of(d, n_boot=300).at["high"].to_numpy())
        for d in (detector(80, seed=s, per_patient=2) for s in range(40))
    ]
    assert np.mean(inside) > 0.88


def test_no_candidates_and_no_lesions():
    none = np.zeros(0)
    nothing = {
        "score": none, "scan": none.astype(int), "lesion": none.astype(int),
        "n_lesions": np.array([2, 0, 1]), "patient_id": np.arange(3),
    }  # fmt: skip
    found = of(nothing)
    assert found.at["sensitivity"].tolist() == [0.0] * 7
    assert found.curve.empty
    healthy = of(nothing | {"n_lesions": np.zeros(3, int)})
    assert healthy.at["sensitivity"].isna().all()
    assert set(healthy.at["reason"]) == {"no lesion is in any scan"}
    assert healthy.mean.state == "not_estimable"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": np.array([np.nan, 1.0])}, "score is nan in 1 of 2 candidates"),
        ({"scan": np.array([0, 2])}, "scan runs from 0 to 2 of 2 scans"),
        ({"lesion": np.array([0, 1])}, "1 candidates hit a lesion that their scan does not have"),
        ({"lesion": np.array([0])}, "must match"),
        ({"patient_id": np.arange(3)}, "must match"),
        ({"n_lesions": np.array([1, -1])}, "n_lesions -1"),
        ({"rates": (-1.0,)}, "rates"),
    ],
)
def test_odd_input_is_named(change, message):
    given = {
        "score": np.array([0.5, 1.0]), "scan": np.array([0, 1]), "lesion": np.array([0, -1]),
        "n_lesions": np.array([1, 1]), "patient_id": np.arange(2),
    } | change  # fmt: skip
    with pytest.raises(ValueError, match=message):
        of(given)
