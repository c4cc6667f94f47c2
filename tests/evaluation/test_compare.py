import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from evaluation import EvaluationPlan, evaluate_classification
from evaluation.compare import (
    COMPARISON_COLUMNS,
    compare_classification,
    compare_segmentation,
    comparison_sentence,
)
from evaluation.delong import paired_roc_auc
from evaluation.estimates import two_sided_z, wilson
from evaluation.fairness import holm
from evaluation.metrics import METRICS
from evaluation.pairing import DELONG, pair_of
from evaluation.samples import Sample

Z = two_sided_z(0.95)


def predictions(y, score, *, patient=None, **more):
    n = len(y)
    return pd.DataFrame(
        {
            "case_id": [f"c{i:04}" for i in range(n)],
            "patient_id": [f"p{i:04}" for i in (range(n) if patient is None else patient)],
            "split": "test",
            "target": "ill",
            "y_true": np.asarray(y, float),
            "y_score": np.asarray(score, float),
            "status": "ok",
            **more,
        }
    )


def plan(**changes):
    points = {"operating_points": {"ill": 0.5}}
    return EvaluationPlan("classification", ("ill",), ("ill",), "roc_auc", **(points | changes))


def cohort(seed=0, n=400, gain=0.6):
    """Return two tables of one cohort: b sees the disease better by `gain`."""
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.4
    shared = rng.normal(size=n)
    a = special.expit(1.2 * y - 0.6 + 0.8 * shared + 0.5 * rng.normal(size=n))
    b = special.expit((1.2 + gain) * y - 0.6 + 0.8 * shared + 0.5 * rng.normal(size=n))
    sex = np.where(rng.random(n) < 0.5, "female", "male")
    return predictions(y, a, sex=sex), predictions(y, b, sex=sex)


def row(found, metric, attribute="all", group="all"):
    table = found.table
    keys = (table["metric"] == metric) & (table["attribute"] == attribute)
    return table[keys & (table["group"] == group)].iloc[0]


def delong(y, one, two):
    """Return difference, variance and p of DeLong's paired test, pair by pair."""
    auc, at_ill, at_well = [], [], []
    for score in (one, two):
        s, t = score[y][:, None], score[~y][None]
        wins = (s > t) + 0.5 * (s == t)
        auc.append(wins.mean())
        at_ill.append(wins.mean(axis=1))
        at_well.append(wins.mean(axis=0))
    s10, s01 = np.cov(at_ill), np.cov(at_well)
    s = s10 / y.sum() + s01 / (~y).sum()
    variance = s[0, 0] + s[1, 1] - 2 * s[0, 1]
    difference = auc[1] - auc[0]
    return difference, variance, 2 * stats.norm.sf(abs(difference) / np.sqrt(variance))


def test_two_aucs_are_compared_by_delongs_paired_test():
    a, b = cohort()
    found = row(compare_classification(a, b, plan()), "roc_auc")
    y = a["y_true"].to_numpy() == 1
    difference, variance, p = delong(y, a["y_score"].to_numpy(), b["y_score"].to_numpy())
    assert found["method"] == DELONG
    assert found["difference"] == pytest.approx(difference, abs=1e-12)
    assert found["se"] == pytest.approx(np.sqrt(variance), abs=1e-12)
    assert found["p"] == pytest.approx(p, rel=1e-9)
    assert found["low"] == pytest.approx(difference - Z * np.sqrt(variance), abs=1e-9)
    assert found["outcome"] == "better"


def test_the_pair_of_aucs_is_that_of_the_function_for_arrays():
    a, b = cohort()
    found = row(compare_classification(a, b, plan()), "roc_auc")
    alone = paired_roc_auc(
        a["y_true"].to_numpy() == 1, a["y_score"].to_numpy(), b["y_score"].to_numpy(),
        patient_id=a["patient_id"].to_numpy(),
    )  # fmt: skip
    assert found["p"] == pytest.approx(alone.p, rel=1e-6)
    limits = (alone.difference.low, alone.difference.high)
    assert (found["low"], found["high"]) == pytest.approx(limits, abs=1e-6)


def test_case_22_every_film_five_times_leaves_the_paired_variance_as_it_is():
    a, b = cohort(n=200)
    five = [
        t.loc[t.index.repeat(5)].assign(case_id=[f"c{i:04}" for i in range(1000)]) for t in (a, b)
    ]
    once = row(compare_classification(a, b, plan()), "roc_auc")
    again = row(compare_classification(*five, plan()), "roc_auc")
    assert again["se"] == pytest.approx(once["se"], abs=1e-12)


def test_case_21_identical_tools_differ_by_nothing_with_p_1():
    a, _ = cohort(n=100)
    table = compare_classification(a, a, plan(attributes=("sex",))).table
    measured = table[table["state"] != "not_estimable"]
    assert len(measured) > 20
    assert (measured["difference"] == 0).all()
    assert (measured["p"] == 1).all()
    assert set(measured["outcome"]) == {"alike"}
    assert not measured["levelled_down"].any()


def newcombe(e, f, g, h):
    """Return Newcombe's square-and-add limits (his method 10) of (e + f − e − g) / n."""
    n = e + f + g + h
    cov = e * h - f * g
    if cov > 0:
        cov = max(cov - n / 2, 0)
    margins = (e + f) * (g + h) * (e + g) * (f + h)
    phi = cov / np.sqrt(margins) if margins else 0.0
    p1, p2 = (e + f) / n, (e + g) / n
    (l1, u1), (l2, u2) = wilson(e + f, n), wilson(e + g, n)
    down = np.sqrt((p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2)
    up = np.sqrt((u1 - p1) ** 2 - 2 * phi * (u1 - p1) * (p2 - l2) + (p2 - l2) ** 2)
    return p1 - p2 - down, p1 - p2 + up


@pytest.mark.parametrize("counts", [(36, 12, 2, 0), (40, 5, 3, 12), (20, 0, 0, 20), (30, 0, 0, 0)])
def test_two_sensitivities_take_newcombes_limits_for_pairs(counts):
    e, f, g, h = counts
    found_by_b = np.repeat([1, 1, 0, 0], counts)
    found_by_a = np.repeat([1, 0, 1, 0], counts)
    noise = np.linspace(0, 0.1, e + f + g + h)
    y = np.ones(e + f + g + h)
    a = predictions(y, 0.2 + 0.6 * found_by_a)
    b = predictions(y, 0.2 + 0.6 * found_by_b + noise)
    found = row(compare_classification(a, b, plan()), "sensitivity")
    assert found["difference"] == pytest.approx((f - g) / len(y))
    assert (found["low"], found["high"]) == pytest.approx(newcombe(*counts), abs=1e-9)


def test_newcombes_published_example_of_pairs():
    # Newcombe RG. Stat Med 1998;17:2635-2650: counts 36, 12, 2, 0.
    assert newcombe(36, 12, 2, 0) == pytest.approx((0.0569, 0.3404), abs=5e-5)


def test_scores_on_another_scale_are_alike_in_rank_and_not_in_calibration():
    a, _ = cohort(n=100)
    found = compare_classification(a, a.assign(y_score=a["y_score"] ** 3), plan())
    auc = row(found, "roc_auc")
    assert (auc["outcome"], auc["difference"], auc["p"]) == ("alike", 0, 1)
    assert row(found, "brier")["outcome"] != "alike"


def test_of_few_positives_what_the_two_share_still_narrows_the_difference():
    rng = np.random.default_rng(5)
    y = np.arange(110) < 10
    one = rng.normal(size=110) + 2.5 * y
    two = one + 0.05 * rng.normal(size=110)
    a, b = (predictions(y, special.expit(s)) for s in (one, two))
    found = row(compare_classification(a, b, plan()), "roc_auc")
    assert found["method"] == "t, paired by patient, widened for few"
    assert found["high"] - found["low"] < 0.1 < found["a_high"] - found["a_low"]
    low, high = found["low"], found["high"]
    assert (low <= 0 <= high) == (found["p"] >= 0.05)


def test_two_tools_without_a_miss_keep_a_width():
    y = np.repeat([1, 0], 20)
    one = predictions(y, np.where(y, 0.9, 0.1))
    two = predictions(y, np.where(y, 0.8, 0.2) + np.linspace(0, 0.1, 40))
    for metric in ("roc_auc", "sensitivity"):
        found = row(compare_classification(one, two, plan()), metric)
        assert found["difference"] == 0
        assert found["low"] < -0.05 < 0.05 < found["high"]
        assert found["p"] == 1
        assert found["outcome"] == "no difference shown"


def test_lower_is_better_is_turned_so_that_above_0_is_better_for_b():
    a, b = cohort(gain=1.5)
    found = compare_classification(a, b, plan())
    brier = row(found, "brier")
    assert brier["b"] < brier["a"]
    assert brier["difference"] == pytest.approx(brier["a"] - brier["b"])
    assert brier["low"] > 0
    back = row(compare_classification(b, a, plan()), "brier")
    assert back["difference"] == pytest.approx(-brier["difference"])
    assert (back["low"], back["high"]) == pytest.approx((-brier["high"], -brier["low"]))
    slope = row(found, "calibration_slope")  # no direction: the plain difference
    assert slope["difference"] == pytest.approx(slope["b"] - slope["a"])


@pytest.mark.parametrize("metric", ["brier", "sensitivity", "roc_auc", "average_precision"])
def test_swapping_the_two_turns_the_sign_and_nothing_else(metric):
    a, b = cohort(n=150)
    there = row(compare_classification(a, b, plan()), metric)
    back = row(compare_classification(b, a, plan()), metric)
    assert back["difference"] == pytest.approx(-there["difference"])
    assert (back["low"], back["high"]) == pytest.approx((-there["high"], -there["low"]))
    assert back["p"] == pytest.approx(there["p"])


def test_values_are_those_of_each_evaluation_alone():
    a, b = cohort(n=150)
    groups = plan(attributes=("sex",))
    table = compare_classification(a, b, groups).table
    keys = ["metric", "attribute", "group"]
    for side, given in (("a", a), ("b", b)):
        alone = evaluate_classification(given, groups).metrics.set_index(keys)["value"]
        together = table.set_index(keys)[side]
        pd.testing.assert_series_equal(
            together.sort_index(), alone.sort_index(), check_names=False, rtol=1e-12
        )


def test_neither_order_of_rows_matters():
    a, b = cohort(n=120)
    once = compare_classification(a, b, plan(attributes=("sex",))).table
    mixed = compare_classification(
        a.sample(frac=1, random_state=1),
        b.sample(frac=1, random_state=2),
        plan(attributes=("sex",)),
    ).table
    pd.testing.assert_frame_equal(once, mixed)
    assert list(once) == COMPARISON_COLUMNS


def test_failed_cases_count_as_wrong_in_both():
    a, b = cohort(n=200)
    broken = b.copy()
    broken.loc[broken.index[:40], ["y_score", "status"]] = [np.nan, "failed"]
    whole, lost = (row(compare_classification(a, t, plan()), "roc_auc") for t in (b, broken))
    assert lost["n_cases"] == whole["n_cases"] == 200
    assert (lost["n_failed_a"], lost["n_failed_b"]) == (0, 40)
    assert lost["b"] < whole["b"] - 0.05
    assert lost["a"] == whole["a"]


def test_tables_of_other_cases_are_refused_with_counts():
    a, b = cohort(n=50)
    with pytest.raises(ValueError, match="a has 50 cases with a reference, b 47; 3 are in a alone"):
        compare_classification(a, b.iloc[3:], plan())
    other = b.assign(y_true=np.where(np.arange(50) < 2, 1 - b["y_true"], b["y_true"]))
    with pytest.raises(ValueError, match="y_true differs between a and b in 2 of 50 cases"):
        compare_classification(a, other, plan())
    moved = b.assign(patient_id=["p9999", *b["patient_id"][1:]])
    with pytest.raises(ValueError, match="patient_id differs between a and b in 1 of 50 cases"):
        compare_classification(a, moved, plan())
    with pytest.raises(ValueError, match=r"plan\.task is 'classification', not segmentation"):
        compare_segmentation(a, b, plan())


def test_a_metric_that_one_of_them_does_not_have_is_not_estimable():
    a, b = cohort(n=60)
    other = plan(operating_points={})
    found = row(compare_classification(a, b, plan(), plan_b=other), "sensitivity")
    assert found["state"] == "not_estimable"
    assert found["reason"] == "not estimable: no operating point in b"
    assert np.isnan([found["difference"], found["low"], found["p"]]).all()
    assert comparison_sentence(found) == "not estimable: no operating point in b"


def test_each_tool_is_judged_at_its_own_operating_point():
    a, b = cohort(n=200)
    found = row(
        compare_classification(a, b, plan(), plan_b=plan(operating_points={"ill": 0.2})),
        "sensitivity",
    )
    ill = b["y_true"] == 1
    assert found["b"] == pytest.approx((b.loc[ill, "y_score"] >= 0.2).mean())
    assert (found["operating_point_a"], found["operating_point_b"]) == (
        "score >= 0.5", "score >= 0.2",
    )  # fmt: skip


def test_a_group_that_the_new_version_costs_is_levelled_down():
    a, b = cohort(seed=3, n=1200, gain=0.8)
    women = (b["sex"] == "female").to_numpy()
    rng = np.random.default_rng(0)
    b.loc[women, "y_score"] = np.clip(b.loc[women, "y_score"] * 0.3 + 0.5 * rng.random(women.sum()),
                                      0, 1)  # fmt: skip
    found = compare_classification(a, b, plan(attributes=("sex",)))
    female, male = (row(found, "roc_auc", "sex", g) for g in ("female", "male"))
    assert bool(female["levelled_down"])
    assert female["outcome"] == "worse"
    assert not male["levelled_down"]
    assert male["outcome"] == "better"
    both = np.array([female["p"], male["p"]])
    assert [female["p_adjusted"], male["p_adjusted"]] == pytest.approx(holm(both).tolist())


def test_a_group_too_small_is_not_levelled_down_on_chance():
    a, b = cohort(n=300)
    few = np.arange(300) < 8
    tables = [t.assign(sex=np.where(few, "other", t["sex"])) for t in (a, b)]
    tables[1].loc[few, "y_score"] = 1 - tables[1].loc[few, "y_true"]
    found = compare_classification(*tables, plan(attributes=("sex",)))
    other = row(found, "specificity", "sex", "other")
    assert other["state"] in ("small_n", "not_estimable")
    assert not other["levelled_down"]


def test_two_patients_a_side_show_no_difference():
    y = np.array([0, 0, 1, 1])
    found = compare_classification(predictions(y, 1.0 - y), predictions(y, y), plan())
    for name in ("sensitivity", "specificity", "accuracy", "roc_auc"):
        figure = row(found, name)
        assert (figure["difference"], figure["state"]) == (1.0, "small_n")
        # McNemar's exact p is 0.5 of two pairs and 0.125 of four: none of it is to be read.
        assert figure["outcome"] == "no difference shown"
        assert np.isnan(figure["p"])
        assert comparison_sentence(figure).startswith("no difference shown, too few to tell: ")
    assert found.table["outcome"].isin(["no difference shown", "alike", "not estimable"]).all()


def test_holm_is_over_the_primary_figures_alone():
    a, b = cohort(n=300, gain=0.3)
    two = [pd.concat([t, t.assign(target="old", y_score=t["y_score"] ** 2)]) for t in (a, b)]
    both = EvaluationPlan("classification", ("ill", "old"), ("ill", "old"), "roc_auc")
    table = compare_classification(*two, both).table
    first = table[table["primary"]]
    assert len(first) == 2
    assert first["p_adjusted"].tolist() == pytest.approx((2 * first["p"]).clip(upper=1).tolist())
    assert table.loc[~table["primary"], "p_adjusted"].isna().all()


def masks(rng, n, shift=0.0, structures=("liver", "spleen")):
    rows = [
        {
            "case_id": f"c{i:03}", "patient_id": f"p{i // 2:03}", "split": "test", "structure": s,
            "metric": m, "value": float(np.clip(v, 0, 1)), "unit": "", "outcome": "found",
            "sex": "F" if i // 2 % 2 else "M",
        }
        for i in range(n)
        for s in structures
        for m, v in (("dice", rng.normal(0.85, 0.05) + shift), ("nsd", rng.normal(0.8, 0.05)))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def mask_plan(**changes):
    return EvaluationPlan("segmentation", ("liver", "spleen"), ("mean",), "dice", **changes)


def test_two_dice_are_compared_by_the_paired_t_of_patients():
    rng = np.random.default_rng(0)
    a, b = masks(rng, 60), masks(rng, 60, 0.03)
    found = compare_segmentation(a, b, mask_plan(attributes=("sex",)))
    table = found.table
    liver = table[(table["target"] == "liver") & (table["metric"] == "dice")].iloc[0]
    mine = [t[(t["structure"] == "liver") & (t["metric"] == "dice")] for t in (a, b)]
    per_case = mine[1]["value"].to_numpy() - mine[0]["value"].to_numpy()
    per_patient = pd.Series(per_case).groupby(mine[0]["patient_id"].to_numpy()).mean()
    peer = stats.ttest_1samp(per_patient, 0)
    assert liver["p"] == pytest.approx(peer.pvalue, rel=1e-9)
    interval = peer.confidence_interval()
    assert (liver["low"], liver["high"]) == pytest.approx((interval.low, interval.high))
    assert set(table["target"]) == {"liver", "spleen", "mean"}
    assert table.loc[table["primary"], "target"].unique().tolist() == ["mean"]


def test_masks_of_other_references_and_tolerances_are_refused():
    rng = np.random.default_rng(0)
    a = masks(rng, 20)
    hit = a["case_id"] == "c003"
    other = a.assign(
        outcome=np.where(hit, "spurious", "found"), value=np.where(hit, 0.0, a["value"])
    )
    with pytest.raises(ValueError, match="y_true differs between a and b in 1 of 20 cases"):
        compare_segmentation(a, other, mask_plan())
    with pytest.raises(ValueError, match=r"'liver': tolerance_mm is 2.0 in a, 3.0 in b"):
        compare_segmentation(
            a, a, mask_plan(tolerance_mm={"liver": 2.0, "spleen": 2.0}),
            plan_b=mask_plan(tolerance_mm={"liver": 3.0, "spleen": 2.0}),
        )  # fmt: skip


def test_masks_scored_by_other_rules_are_refused():
    a = masks(np.random.default_rng(0), 20)
    with pytest.raises(ValueError, match=r"'liver': lesions is 0\.5 in a, None in b"):
        compare_segmentation(a, a, mask_plan(lesions={"liver": 0.5}), plan_b=mask_plan())


def test_a_small_difference_is_said_with_the_decimals_it_takes():
    row = {"outcome": "worse", "difference": -0.00021, "low": -0.0004, "high": -0.00002}
    assert comparison_sentence(row) == "worse by 0.00021; could be −0.00040 to −0.00002"
    same = {"outcome": "alike", "difference": 0.0, "low": 0.0, "high": 0.0}
    assert comparison_sentence(same) == "the two gave the same answer in every case"


def test_a_failed_mask_costs_the_one_that_failed():
    a = masks(np.random.default_rng(0), 40)
    hit = (a["case_id"] == "c005").to_numpy()
    b = a.assign(outcome=np.where(hit, "failed", "found"), value=np.where(hit, 0.0, a["value"]))
    found = compare_segmentation(a, b, mask_plan())
    missed = found.table[(found.table["target"] == "liver") & (found.table["metric"] == "missed")]
    assert missed.iloc[0]["difference"] == pytest.approx(-1 / 40)
    assert missed.iloc[0]["n_failed_b"] == 1
    assert any("b: liver: failed in 1 of 40 cases" in note for note in found.notes)


def test_a_difference_that_is_the_same_in_every_patient_has_no_interval():
    a = masks(np.random.default_rng(0), 40, structures=("liver", "spleen")).assign(value=0.8)
    a.loc[::3, "value"] = 0.7
    found = compare_segmentation(a, a.assign(value=a["value"] + 0.125), mask_plan()).table
    dice = found[(found["metric"] == "dice") & (found["target"] == "liver")].iloc[0]
    assert dice["difference"] == pytest.approx(0.125)
    assert np.isnan(dice["low"])
    assert "the same in every patient" in dice["reason"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("metric", "n", "films", "correlation"),
    [
        ("sensitivity", 60, 1, 0.6),
        ("sensitivity", 30, 1, 0.0),
        ("sensitivity", 60, 3, 0.6),
        ("roc_auc", 120, 1, 0.7),
        ("roc_auc", 50, 1, 0.3),
        ("roc_auc", 20, 1, 0.9),
        ("roc_auc", 120, 3, 0.7),
    ],
)
def test_case_38_paired_intervals_hold_their_level(metric, n, films, correlation):
    rng = np.random.default_rng(38)
    first, second = 1.3, 1.7
    truth = stats.norm.cdf(second) - stats.norm.cdf(first)
    if metric == "roc_auc":
        truth = stats.norm.cdf(second / np.sqrt(2)) - stats.norm.cdf(first / np.sqrt(2))
    covariance = np.array([[1, correlation], [correlation, 1]])
    who = np.repeat(np.arange(n), films)
    ill = np.arange(n) < n // 2 if metric == "roc_auc" else np.ones(n, bool)
    held, rounds = 0, 1000
    for _ in range(rounds):
        # Half of what makes a film hard is the patient's, the same in each of his films.
        patient = rng.multivariate_normal([0, 0], covariance, size=n)[who]
        film = rng.multivariate_normal([0, 0], covariance, size=who.size)
        scores = (patient + film) / np.sqrt(2) + np.outer(ill[who], [first, second])
        a, b = (Sample.of_patients(who, y_true=ill[who], y_score=s, y_pred=s > 0) for s in scores.T)
        low, high = pair_of(METRICS[metric], a, b).limits(Z)
        held += low <= truth <= high
    assert 0.93 <= held / rounds <= 0.985


def test_no_rows_and_one_class_only_are_answered_with_reasons():
    a, b = cohort(n=40)
    none = compare_classification(a.iloc[:0], b.iloc[:0], plan()).table
    assert set(none["state"]) == {"not_estimable"}
    assert none["reason"].str.startswith("not estimable: ").all()
    assert none[["difference", "low", "high", "p"]].isna().all(axis=None)
    ill = [t[t["y_true"] == 1] for t in (a, b)]
    found = row(compare_classification(*ill, plan()), "roc_auc")
    assert found["reason"] == "not estimable: 0 negatives in a"
    assert np.isfinite(row(compare_classification(*ill, plan()), "sensitivity")["low"])
