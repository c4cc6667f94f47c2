import numpy as np
import pandas as pd
import pytest

from evaluation import EvaluationPlan, evaluate_classification, evaluate_segmentation
from evaluation.casemix import COLUMNS

GROUPS, SCANNERS = np.array(["a", "b", "w"]), np.array(["new", "mid", "worn"])
WHERE = {"a": [0.5, 0.4, 0.1], "b": [0.12, 0.08, 0.8], "w": [0.5, 0.42, 0.08]}


def cohort(rng, n=900, *, of_scanner=(1.9, 1.9, 0.3), of_group=(0.0, 0.0, 0.0), each=1):
    """Return predictions whose separation depends on scanner and group; `b` goes to `worn`."""
    who = np.repeat(np.arange(n), each)
    group = rng.choice(GROUPS, n, p=[0.3, 0.3, 0.4])
    scanner = np.array([rng.choice(SCANNERS, p=WHERE[g]) for g in group])
    of = dict(zip(SCANNERS, of_scanner, strict=True)), dict(zip(GROUPS, of_group, strict=True))
    shift = np.array([of[0][s] + of[1][g] for s, g in zip(scanner, group, strict=True)])
    y = rng.random(n * each) < 0.4
    score = rng.normal(size=n * each) + 0.5 * rng.normal(size=n)[who] + y * shift[who]
    return pd.DataFrame({
        "case_id": [f"c{i:05}" for i in range(n * each)], "patient_id": who.astype(str),
        "split": "test", "target": "fracture", "y_true": y.astype(float), "y_score": score,
        "score_kind": "score", "y_pred": (score > 0.8).astype(float), "status": "ok",
        "ethnicity": group[who], "scanner": scanner[who],
    })  # fmt: skip


def plan_of(**given):
    given = {
        "attributes": ("ethnicity", "scanner"), "prespecified": ("ethnicity",),
        "adjust_for": ("scanner",), "margin": 0.1, **given,
    }  # fmt: skip
    return EvaluationPlan("classification", ("fracture",), ("fracture",), "roc_auc", n_boot=100,
                          **given)  # fmt: skip


def adjusted(table, **plan):
    found = evaluate_classification(table, plan_of(**plan)).tables["adjusted"]
    return found.set_index(["metric", "attribute", "group"])


@pytest.mark.parametrize("metric", ["roc_auc", "sensitivity"])
def test_the_scanners_doing_is_told_from_the_groups(metric):
    found = adjusted(cohort(np.random.default_rng(0), 1500))
    group, scanner = found.loc[(metric, "ethnicity", "b")], found.loc[(metric, "scanner", "worn")]
    assert group["crude_high"] < -0.05
    assert group["adjusted_low"] < 0 < group["adjusted_high"]
    assert group["explained"] > 0.7
    assert scanner["adjusted_high"] < -0.1
    assert abs(scanner["explained"]) < 0.3
    assert (group["adjusted_for"], scanner["adjusted_for"]) == ("scanner", "ethnicity")


def test_the_groups_doing_is_not_laid_on_the_scanner():
    found = adjusted(
        cohort(np.random.default_rng(0), 1500, of_scanner=(1.9, 1.9, 1.9), of_group=(0, -1.4, 0))
    )
    group, scanner = (
        found.loc[("roc_auc", "ethnicity", "b")], found.loc[("roc_auc", "scanner", "worn")],
    )  # fmt: skip
    assert group["adjusted_high"] < -0.05
    assert group["explained"] < 0.4
    assert scanner["crude_high"] < 0
    assert scanner["adjusted_low"] < 0 < scanner["adjusted_high"]


def test_a_rate_is_standardised_as_on_paper():
    table = cohort(np.random.default_rng(3), 4000)
    row = adjusted(table).loc[("sensitivity", "ethnicity", "b")]
    ill = table[table["y_true"] == 1].assign(own=lambda t: t["ethnicity"] == "b")
    rates = ill.groupby(["scanner", "own"])["y_pred"].mean().unstack()
    weight = ill["scanner"].value_counts(normalize=True)
    assert row["adjusted"] == pytest.approx(((rates[True] - rates[False]) * weight).sum())
    n = ill.groupby(["scanner", "own"]).size().unstack()
    variance = (rates * (1 - rates) / n).sum(axis=1) * weight**2
    half = (row["adjusted_high"] - row["adjusted_low"]) / 2
    assert half == pytest.approx(1.96 * np.sqrt(variance.sum()), rel=0.03)
    assert row["crude"] == pytest.approx(
        ill.query("own")["y_pred"].mean() - ill.query("not own")["y_pred"].mean()
    )


def test_with_one_stratum_nothing_is_adjusted():
    table = cohort(np.random.default_rng(1)).assign(scanner="only")
    found = adjusted(table).xs("ethnicity", level="attribute")
    assert found["adjusted"].to_numpy() == pytest.approx(found["crude"].to_numpy(), abs=1e-12)
    half = (found["adjusted_high"] - found["adjusted_low"]) / 2
    assert half.to_numpy() == pytest.approx(
        ((found["crude_high"] - found["crude_low"]) / 2).to_numpy(), rel=0.08
    )


def test_a_stratum_of_one_side_is_dropped_and_counted():
    table = cohort(np.random.default_rng(2))
    table = table[~((table["scanner"] == "new") & (table["ethnicity"] == "b"))]
    row = adjusted(table).loc[("sensitivity", "ethnicity", "b")]
    assert row["n_dropped"] == (table["scanner"] == "new").sum()
    assert row["method"].startswith("direct standardisation over 2 of 3 strata of scanner")
    assert row["n_cases"] == (table["ethnicity"] == "b").sum()


def test_a_gap_is_not_explained_by_leaving_its_cases_out():
    # Nine in ten were examined where only their own sex was; where both were, they are alike.
    i = np.arange(4000)
    sex = np.where(i % 2 == 1, "b", "a")
    scanner = np.where(i % 20 < 2, "both", np.where(sex == "b", "worn", "new"))
    ill = (i // 20) % 2 == 0
    hit = np.where(scanner == "worn", (i // 40) % 2 == 0, (i // 40) % 10 != 0)
    table = pd.DataFrame({
        "case_id": [f"c{k:05}" for k in i], "patient_id": i.astype(str), "split": "test",
        "target": "fracture", "y_true": ill.astype(float), "y_score": 0.5, "score_kind": "score",
        "y_pred": np.where(ill, hit, False).astype(float), "status": "ok", "ethnicity": sex,
        "scanner": scanner,
    })  # fmt: skip
    row = adjusted(table).loc[("sensitivity", "ethnicity", "b")]
    assert row["crude_high"] < -0.3
    assert row["adjusted"] == pytest.approx(0, abs=1e-9)
    assert row["n_dropped"] == 3600
    assert np.isnan(row["explained"])
    assert row["reason"] == (
        "3600 of 4000 cases left out, more than half of the group and of the rest: "
        "not told how much scanner explains"
    )


def test_what_is_explained_is_of_the_cases_left():
    table = cohort(np.random.default_rng(6), 3000)
    lost = (table["scanner"] == "new") & (table["ethnicity"] == "b")
    table = table[~lost]
    row = adjusted(table).loc[("sensitivity", "ethnicity", "b")]
    kept = table[(table["scanner"] != "new") & (table["y_true"] == 1)]
    rates = kept.groupby(kept["ethnicity"] == "b")["y_pred"].mean()
    assert row["n_dropped"] > 0
    assert row["crude"] != pytest.approx(rates[True] - rates[False], abs=0.01)
    assert row["explained"] == pytest.approx(1 - row["adjusted"] / (rates[True] - rates[False]))
    assert row["reason"] == ""


def test_without_overlap_nothing_can_be_told_apart():
    table = cohort(np.random.default_rng(2)).query("(ethnicity == 'b') == (scanner == 'worn')")
    row = adjusted(table).loc[("sensitivity", "ethnicity", "b")]
    assert np.isnan([row["adjusted"], row["adjusted_low"], row["explained"]]).all()
    assert row["reason"] == "not estimable: no scanner with figures of both sides"
    assert row["n_dropped"] == len(table)


def test_where_the_scanner_was_not_recorded_the_case_is_counted_as_dropped():
    table = cohort(np.random.default_rng(2))
    table.loc[:99, "scanner"] = None
    assert adjusted(table).loc[("sensitivity", "ethnicity", "b"), "n_dropped"] == 100
    nowhere = adjusted(table.assign(scanner=None)).xs("ethnicity", level="attribute")
    assert set(nowhere["reason"]) == {"not estimable: scanner was not recorded"}


def test_an_even_mix_explains_nothing():
    rng = np.random.default_rng(4)
    table = cohort(rng, 2000, of_scanner=(1.9, 1.9, 1.9), of_group=(0, -1.4, 0))
    table["scanner"] = rng.choice(SCANNERS, 2000)
    row = adjusted(table).loc[("roc_auc", "ethnicity", "b")]
    assert row["explained"] == pytest.approx(0, abs=0.1)


def test_segmentation_and_a_lower_is_better_metric():
    rng = np.random.default_rng(0)
    n = 400
    site = rng.choice(["n", "s"], n)
    sex = np.where(rng.random(n) < np.where(site == "s", 0.8, 0.2), "F", "M")
    dice = np.clip(0.9 - 0.1 * (site == "s") + 0.03 * rng.normal(size=n), 0, 1)
    rows = [
        {"case_id": i, "patient_id": i, "split": "test", "structure": "liver", "metric": m,
         "value": v, "unit": "", "outcome": "found", "site": site[i], "sex": sex[i]}
        for i in range(n) for m, v in (("dice", dice[i]), ("hd95_mm", 40 * (1 - dice[i])))
    ]  # fmt: skip
    plan = EvaluationPlan(
        "segmentation", ("liver",), ("liver",), "dice", ("sex", "site"), ("sex",),
        adjust_for=("site",), n_boot=100,
    )  # fmt: skip
    found = evaluate_segmentation(pd.DataFrame(rows), plan).tables["adjusted"]
    found = found.set_index(["metric", "attribute", "group"])
    for metric in ("dice", "hd95_mm"):
        row = found.loc[(metric, "sex", "F")]
        assert row["crude_high"] < 0
        assert row["adjusted_low"] < 0 < row["adjusted_high"]
        assert found.loc[(metric, "site", "s"), "adjusted_high"] < 0


def test_without_spread_there_is_no_adjusted_gap():
    rows = [
        {"case_id": i, "patient_id": i, "split": "test", "structure": "liver", "metric": m,
         "value": v, "unit": "", "outcome": "found", "site": "ns"[i % 2], "sex": "FM"[i // 2 % 2]}
        for i in range(80) for m, v in (("dice", 1.0), ("hd95_mm", 0.0))
    ]  # fmt: skip
    plan = EvaluationPlan(
        "segmentation", ("liver",), ("liver",), "dice", ("sex", "site"), ("sex",),
        adjust_for=("site",), n_boot=100,
    )  # fmt: skip
    found = evaluate_segmentation(pd.DataFrame(rows), plan).tables
    row = found["adjusted"].set_index(["metric", "attribute", "group"]).loc[("hd95_mm", "sex", "F")]
    assert np.isnan(row["adjusted"])
    assert row["reason"] == "not estimable: no spread between patients"
    chance = found["disparities"].set_index(["metric", "attribute"]).loc[("hd95_mm", "sex")]
    assert (chance["gap"], chance["state"]) == (0, "ok")
    assert "no spread between patients" in chance["reason"]
    assert np.isnan(chance["chance_gap"])


def test_adjusting_for_several_at_once():
    table = cohort(np.random.default_rng(0)).assign(site=lambda t: t["scanner"].str[0])
    table["site"] = np.random.default_rng(1).choice(["n", "s"], len(table))
    plan = {"attributes": ("ethnicity", "scanner", "site"), "adjust_for": ("scanner", "site")}
    found = adjusted(table, **plan).loc[("roc_auc", "ethnicity", "b")]
    assert found["adjusted_for"].tolist() == ["scanner", "site", "scanner × site"]


def test_nothing_to_adjust_for_is_no_row_and_the_verdicts_stay():
    table = cohort(np.random.default_rng(0))
    without = evaluate_classification(table, plan_of(adjust_for=()))
    with_it = evaluate_classification(table, plan_of())
    assert list(without.tables["adjusted"].columns) == COLUMNS
    assert without.tables["adjusted"].empty
    pd.testing.assert_frame_equal(without.gaps, with_it.gaps)


def test_the_order_of_rows_does_not_matter():
    table = cohort(np.random.default_rng(0), each=2)
    pd.testing.assert_frame_equal(adjusted(table), adjusted(table.sample(frac=1, random_state=1)))


@pytest.mark.slow
@pytest.mark.parametrize("each", [1, 3])
def test_the_adjusted_interval_holds_zero_as_often_as_it_says(each):
    rng = np.random.default_rng(7)
    held: dict[str, list[bool]] = {"roc_auc": [], "sensitivity": []}
    for _ in range(200):
        found = adjusted(cohort(rng, 600, each=each)).xs("ethnicity", level="attribute")
        for metric, seen in held.items():
            row = found.loc[(metric, "b")]
            seen.append(row["adjusted_low"] <= 0 <= row["adjusted_high"])
    shares = {metric: float(np.mean(seen)) for metric, seen in held.items()}
    assert all(0.92 <= share <= 0.99 for share in shares.values()), shares
