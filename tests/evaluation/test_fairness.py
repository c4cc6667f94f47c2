import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation import METRICS, combined_verdict, holm, verdict
from evaluation.contrasts import Arm, Gap, contrast_of
from evaluation.fairness import gap_table, no_rest
from evaluation.samples import Sample

LEVEL = {"level": 0.95, "n_patients": 6000, "rng": np.random.default_rng(0)}


def arm(sample, metric, first=0):
    return Arm(METRICS[metric].function(sample), np.arange(first, first + sample.n_patients))


def shares(hits, n):
    """Return `n` diseased patients of whom `hits` were found."""
    return Sample.of_patients(np.arange(n), y_true=np.ones(n, bool), y_pred=np.arange(n) < hits)


def gap_of(one, other, metric="sensitivity", family="claim", first=500, group="g"):
    return Gap(
        target="t", metric=METRICS[metric], attribute="a", group=group,
        group_arm=arm(one, metric),
        rest_arm=Arm(no_rest(), np.zeros(0, np.int64)) if other is None
        else arm(other, metric, first),
        n_patients=one.n_patients, n_cases=one.patient.size, n_positive=None, family=family,
        prespecified=bool(family),
    )  # fmt: skip


def row_of(one, other, metric="sensitivity", margin=0.05, family="claim"):
    table = gap_table([gap_of(one, other, metric, family)], margin=margin, **LEVEL)
    return table.iloc[0]


def test_case_28_newcombe():
    row = row_of(shares(56, 70), shares(48, 80))
    assert row["value"] == pytest.approx(0.2)
    assert (row["low"], row["high"]) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    # A family of one is covered by its own interval.
    assert row["low_simultaneous"] == pytest.approx(row["low"])


def test_newcombe_agrees_with_statsmodels():
    peer = pytest.importorskip("statsmodels.stats.proportion").confint_proportions_2indep
    for a, m, b, n in ((56, 70, 48, 80), (12, 12, 30, 40), (20, 25, 25, 25)):
        row = row_of(shares(a, m), shares(b, n))
        expected = peer(a, m, b, n, method="newcomb", correction=False)
        assert (row["low"], row["high"]) == pytest.approx(expected, abs=1e-6)


def test_case_28_holm():
    assert holm(np.array([0.01, 0.02, 0.03, 0.04])) == pytest.approx([0.04, 0.06, 0.06, 0.06])
    got = holm(np.array([0.04, np.nan, 0.01]))
    assert got[[0, 2]] == pytest.approx([0.04, 0.02])
    assert np.isnan(got[1])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0.01, 0.3))
def test_holm_rejects_step_by_step(p, alpha):
    rejected = set()
    for step, i in enumerate(np.argsort(p, kind="stable")):
        if p[i] * (len(p) - step) > alpha:
            break
        rejected.add(int(i))
    assert set(np.flatnonzero(holm(np.array(p)) <= alpha)) == rejected


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0.01, 0.5))
def test_verdicts_are_exactly_one_thing(low, width, margin):
    got = verdict(low, low + width, margin)
    if low > -margin:
        assert got == "adequate"
    elif low + width < 0:
        assert got == "concern"
    else:
        assert got == "insufficient evidence"


def test_no_verdict_without_a_number_or_a_margin():
    assert verdict(np.nan, np.nan, 0.05) == "insufficient evidence"
    with pytest.raises(ValueError, match="margin 0 must be above 0"):
        verdict(-0.1, 0.1, 0)


def test_doubt_is_worse_than_adequate():
    assert combined_verdict(["adequate", "concern", "insufficient evidence"]) == "concern"
    assert combined_verdict(["adequate", "", "adequate"]) == "adequate"
    assert combined_verdict(["", ""]) == "not assessed"


def test_a_perfect_group_keeps_a_width():
    row = row_of(shares(30, 30), shares(40, 40))
    assert row["value"] == 0
    assert row["low"] < -0.05 < 0.05 < row["high"]
    assert row["verdict"] == "insufficient evidence"
    assert row["n_needed"] > 30


def test_case_24_no_positives_is_no_gap():
    none = Sample.of_patients(np.arange(20), y_true=np.zeros(20, bool), y_pred=np.zeros(20, bool))
    row = row_of(none, shares(40, 40))
    assert np.isnan(row[["value", "low", "high", "chance_gap", "n_needed"]].astype(float)).all()
    assert row["verdict"] == "insufficient evidence"
    assert row["reason"] == "not estimable: 0 positives in g"


def test_one_group_only():
    row = row_of(shares(30, 40), None)
    assert np.isnan(row["value"])
    assert row["reason"] == "not estimable: one group only"
    assert row["verdict"] == "insufficient evidence"


def test_a_small_group_has_a_gap_but_no_verdict_on_it():
    row = row_of(shares(0, 6), shares(400, 400))
    assert row["high"] < 0
    assert row["verdict"] == "insufficient evidence"
    assert row["reason"] == "too few in g: 6 patients with the finding; 10 are needed"
    assert row["n_needed"] >= 10


def test_a_harmed_group_is_a_concern():
    row = row_of(shares(60, 100), shares(380, 400))
    assert row["verdict"] == "concern"
    assert row["p_adjusted"] < 1e-6


def test_a_large_equal_group_is_adequate():
    row = row_of(shares(460, 480), shares(460, 480))
    assert row["verdict"] == "adequate"
    assert np.isnan(row["n_needed"])


def test_n_needed_brings_the_half_width_to_the_margin():
    few, rest = shares(54, 60), shares(4500, 5000)
    row = row_of(few, rest)
    n = int(row["n_needed"])
    enough = row_of(shares(round(0.9 * n), n), rest)
    half = (enough["high_simultaneous"] - enough["low_simultaneous"]) / 2
    assert half == pytest.approx(0.05, abs=0.005)


def test_a_rest_too_small_cannot_be_mended_by_the_group():
    row = row_of(shares(54, 60), shares(27, 30))
    assert np.isnan(row["n_needed"])
    assert "the rest is too few" in row["reason"]


def test_detectable_gap_and_chance_gap_follow_from_the_spread():
    row = row_of(shares(180, 200), shares(180, 200))
    se = np.sqrt(2 * 0.9 * 0.1 / 200)
    assert row["chance_gap"] == pytest.approx(se * np.sqrt(2 / np.pi), rel=0.05)
    assert row["minimum_detectable"] == pytest.approx((1.96 + 0.8416) * se, rel=0.05)


def test_case_26_the_gap_that_chance_makes():
    rng = np.random.default_rng(0)
    p = rng.binomial(100, 0.8, (4000, 2)) / 100
    row = row_of(shares(80, 100), shares(80, 100))
    assert row["chance_gap"] == pytest.approx(np.abs(p[:, 0] - p[:, 1]).mean(), rel=0.05)
    assert row["chance_gap"] == pytest.approx(0.045, abs=0.002)


def test_errors_are_turned_so_that_below_zero_is_worse():
    rng = np.random.default_rng(0)
    good, bad = (
        Sample.of_patients(
            np.arange(200), values={"hd95_mm": m + rng.random(200), "present": np.ones(200)}
        )
        for m in (2, 5)
    )
    worse, better = row_of(bad, good, "hd95_mm", 1.0), row_of(good, bad, "hd95_mm", 1.0)
    assert worse["value"] == pytest.approx(-3, abs=0.2)
    assert worse["verdict"] == "concern"
    assert (worse["low"], worse["high"]) == pytest.approx((-better["high"], -better["low"]))


def test_nearest_to_the_ideal_is_best():
    def errors(shift, seed):
        values = shift + np.random.default_rng(seed).normal(size=300)
        return Sample.of_patients(
            np.arange(300), values={"volume_error_ml": values, "present": np.ones(300)}
        )

    # Five too small is as far off as five too large.
    assert row_of(errors(-5, 1), errors(5, 2), "volume_error_ml", 1.0)["verdict"] == "adequate"
    worse = row_of(errors(-5, 1), errors(1, 2), "volume_error_ml", 1.0)
    assert worse["value"] == pytest.approx(-4, abs=0.2)
    assert worse["verdict"] == "concern"


def test_means_take_welchs_interval():
    rng = np.random.default_rng(1)
    a, b = rng.normal(0.8, 0.05, 15), rng.normal(0.85, 0.02, 60)
    one, other = (
        Sample.of_patients(np.arange(v.size), values={"dice": v, "present": np.ones(v.size)})
        for v in (a, b)
    )
    from scipy.stats import ttest_ind

    peer = ttest_ind(a, b, equal_var=False).confidence_interval()
    row = row_of(one, other, "dice")
    assert row["value"] == pytest.approx(a.mean() - b.mean())
    assert (row["low"], row["high"]) == pytest.approx((peer.low, peer.high), abs=0.002)


def test_a_patient_on_both_sides_is_joined():
    rng = np.random.default_rng(0)
    ability = rng.normal(size=200)
    values = [0.8 + 0.05 * ability + 0.01 * rng.normal(size=200) for _ in range(2)]
    one, other = (
        Sample.of_patients(np.arange(200), values={"dice": v, "present": np.ones(200)})
        for v in values
    )
    paired = gap_of(one, other, "dice", first=0)
    contrast, joint = contrast_of([paired], 6000)
    assert contrast.correlation[0] == pytest.approx(np.corrcoef(*values)[0, 1], abs=1e-9)
    from scipy.stats import ttest_rel

    row = gap_table([paired], margin=0.05, **LEVEL).iloc[0]
    peer = ttest_rel(*values).confidence_interval()
    assert (row["low"], row["high"]) == pytest.approx((peer.low, peer.high), rel=0.02)
    assert joint(np.array([True])).shape == (6000, 1)


def test_a_figure_without_spread_has_no_interval():
    same = Sample.of_patients(
        np.arange(40), values={"hd95_mm": np.zeros(40), "present": np.ones(40)}
    )
    row = row_of(same, same, "hd95_mm", 1.0)
    assert np.isnan([row["low"], row["high"]]).all()
    assert row["verdict"] == "insufficient evidence"
    assert "no spread between patients" in row["reason"]


def test_what_was_not_named_in_advance_has_no_verdict():
    row = row_of(shares(60, 100), shares(380, 400), family="")
    assert row["verdict"] == ""
    assert np.isnan(row[["low_simultaneous", "p_adjusted", "margin"]].astype(float)).all()
    assert row["high"] < 0


def test_without_a_margin_there_is_no_verdict():
    row = row_of(shares(60, 100), shares(380, 400), margin=None)
    assert row["verdict"] == ""
    assert np.isfinite(row["low_simultaneous"])


def test_a_family_widens_its_members():
    gaps = [
        gap_of(shares(80 + i, 100), shares(400, 480), group=f"g{i}", first=500) for i in range(8)
    ]
    table = gap_table(gaps, margin=0.05, **LEVEL)
    assert (table["low_simultaneous"] < table["low"]).all()
    apart = [Gap(**(vars(g) | {"family": g.group})) for g in gaps]
    alone = gap_table(apart, margin=0.05, **LEVEL)
    assert np.allclose(alone["low_simultaneous"], alone["low"])


def test_no_groups_no_gaps():
    assert gap_table([], margin=0.05, **LEVEL).empty


def called(hits, n):
    """Return `n` cases of whom `hits` are called positive, whether they are ill or not."""
    calls = np.arange(n) < hits
    return Sample.of_patients(np.arange(n), y_true=np.arange(n) % 2 == 0, y_pred=calls)


def test_a_figure_without_direction_has_a_plain_difference():
    row = row_of(called(60, 100), called(80, 200), "selection_rate", family="")
    assert row["value"] == pytest.approx(0.2)
    assert row["low"] < 0.2 < row["high"]
    other = row_of(called(80, 200), called(60, 100), "selection_rate", family="")
    assert (other["low"], other["high"]) == pytest.approx((-row["high"], -row["low"]))
    assert row["verdict"] == ""


def test_an_attribute_that_differs_between_films_joins_the_patients():
    from evaluation import EvaluationPlan, evaluate_classification

    rng = np.random.default_rng(0)
    n = 300
    found = np.repeat(rng.random(n) < 0.7, 2)
    # Whoever is missed on one film is mostly missed on the other.
    found ^= rng.random(2 * n) < 0.05
    table = pd.DataFrame({
        "case_id": np.arange(2 * n), "patient_id": np.repeat(np.arange(n), 2), "split": "test",
        "target": "a", "y_true": 1.0, "y_score": 0.5, "y_pred": found.astype(float),
        "status": "ok", "view": np.tile(["AP", "PA"], n),
    })  # fmt: skip
    plan = EvaluationPlan(
        "classification", ("a",), ("a",), "sensitivity", ("view",), ("view",), ("view",),
        margin=0.05, n_boot=100,
    )  # fmt: skip
    gaps = evaluate_classification(table, plan).gaps.query("metric == 'sensitivity'")
    pairs = found.reshape(n, 2)
    difference = pairs[:, 0].astype(float) - pairs[:, 1]
    row = gaps.set_index("group").loc["AP"]
    assert row["value"] == pytest.approx(difference.mean())
    half = 1.96 * difference.std(ddof=1) / np.sqrt(n)
    assert (row["high"] - row["low"]) / 2 == pytest.approx(half, rel=0.1)
    apart = table.assign(patient_id=np.arange(2 * n))
    wider = evaluate_classification(apart, plan).gaps.query("metric == 'sensitivity'")
    wider = wider.set_index("group").loc["AP"]
    assert wider["high"] - wider["low"] > 1.5 * (row["high"] - row["low"])


SIX = ("sensitivity", "specificity", "ppv", "npv", "roc_auc", "brier")


def gaps_of_chance(rng, n=600):
    """Return the gaps of six metrics in twelve groups between which there is no difference."""
    y = rng.random(n) < 0.5
    score = np.clip(0.5 + 0.2 * (y - 0.5) + 0.2 * rng.normal(size=n), 0.01, 0.99)
    whole = Sample(
        patient=np.arange(n), n_patients=n, failed=np.zeros(n, bool), y_true=y, y_score=score,
        y_pred=score > 0.5,
    )  # fmt: skip
    attributes = [rng.integers(0, k, n) for k in (2, 5, 5)]
    gaps = []
    for a, labels in enumerate(attributes):
        for group in np.unique(labels):
            arms = []
            for inside in (labels == group, labels != group):
                patients = np.flatnonzero(inside)
                codes = np.zeros(n, np.int64)
                codes[patients] = np.arange(patients.size)
                arms.append((whole.take(inside, codes, patients.size), patients))
            gaps += [
                Gap(
                    target="t", metric=METRICS[name], attribute=str(a), group=str(group),
                    group_arm=Arm(METRICS[name].function(arms[0][0]), arms[0][1]),
                    rest_arm=Arm(METRICS[name].function(arms[1][0]), arms[1][1]),
                    n_patients=arms[0][1].size, n_cases=arms[0][1].size, n_positive=None,
                    family="claim", prespecified=True,
                )
                for name in SIX
            ]  # fmt: skip
    return gaps


@pytest.mark.slow
def test_case_38_twelve_groups_and_six_metrics_together():
    rng = np.random.default_rng(38)
    concerns, beyond = [], []
    for _ in range(300):
        table = gap_table(
            gaps_of_chance(rng), n_patients=600, level=0.95, margin=0.02,
            rng=np.random.default_rng(0),
        )  # fmt: skip
        assert len(table) == 72
        concerns.append((table["verdict"] == "concern").any())
        beyond.append(((table["low_simultaneous"] > 0) | (table["high_simultaneous"] < 0)).any())
    print("concern", np.mean(concerns), "either side", np.mean(beyond))
    assert np.mean(concerns) <= 0.06
    assert np.mean(beyond) <= 0.08
