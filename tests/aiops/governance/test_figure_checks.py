import json

import pandas as pd
import pytest
import yaml
from pydantic import ValidationError

from aiops.governance.checks import answer
from aiops.governance.evidence import read_evidence

NOT_SET = "no acceptance value was set before the test"


def asked(folder, check, **asks):
    return answer(check, asks, read_evidence(folder), None)


def edit(folder, name, **changes):
    """Change rows of a table: each value is (mask, column, value) by a function of the table."""
    path = folder / name
    table = pd.read_parquet(path)
    for column, change in changes.items():
        table[column] = change(table)
    table.to_parquet(path)


def table(folder, name, rows):
    (folder / "tables").mkdir(exist_ok=True)
    pd.DataFrame(rows).to_parquet(folder / "tables" / f"{name}.parquet")


@pytest.mark.parametrize(
    ("low", "high", "outcome", "words"),
    [
        (0.80, 0.9, "pass", "the whole interval clears 0.8"),
        (0.79, 0.9, "undecided", "0.8 lies inside the interval"),
        (0.70, 0.79, "fail", "the whole interval misses 0.8"),
    ],
)
def test_the_bound_counts_overall(make_run, low, high, outcome, words):
    found = asked(make_run(low=low, high=high), "metric_bound", at_least=0.8)
    assert (found.outcome, found.reason) == (outcome, f"effusion: {words}")
    assert found.threshold == "lower bound ≥ 0.8"
    assert found.file == "metrics.parquet"


@pytest.mark.parametrize(
    ("at_most", "outcome"), [(0.12, "pass"), (0.1, "undecided"), (0.07, "fail")]
)
def test_where_lower_is_better_the_upper_bound_counts(make_run, at_most, outcome):
    found = asked(make_run(), "metric_bound", metric="brier", at_most=at_most)
    assert found.outcome == outcome
    assert found.value == "effusion Brier score 0.1 (0.08 to 0.12)"


def test_one_group_is_asked_by_its_name(make_run):
    folder = make_run()
    edit(folder, "metrics.parquet", high=lambda t: t["high"].where(t["group"] != "male", 0.78))
    edit(folder, "metrics.parquet", low=lambda t: t["low"].where(t["group"] != "male", 0.70))
    female = asked(folder, "metric_bound", at_least=0.8, group="sex=female")
    male = asked(folder, "metric_bound", at_least=0.8, group="sex=male")
    assert (female.outcome, male.outcome) == ("pass", "fail")
    assert male.reason == "sex=male, effusion: the whole interval misses 0.8"
    each = asked(folder, "metric_bound", at_least=0.8, group="each")
    assert (each.outcome, each.reason) == ("fail", male.reason)


def test_a_group_that_is_not_there_is_undecided(make_run):
    found = asked(make_run(), "metric_bound", at_least=0.8, group="sex=other")
    assert found.reason == "sex=other, effusion: not in the evaluation"
    found = asked(make_run("b", attributes=False), "metric_bound", at_least=0.8, group="each")
    assert (found.outcome, found.reason) == ("undecided", "sex, effusion: not in the evaluation")
    found = asked(make_run("c", fairness=None), "metric_bound", at_least=0.8, group="each")
    assert found.reason == "groups named in advance: not in the evaluation"


def test_a_group_of_too_few_is_undecided_without_its_count(make_run):
    folder = make_run(n_patients=(200, 7))
    edit(folder, "metrics.parquet",
         state=lambda t: t["state"].where(t["group"] != "male", "small_n"))  # fmt: skip
    found = asked(folder, "metric_bound", at_least=0.8, group="each")
    assert found.outcome == "undecided"
    assert found.reason == "sex=male, effusion: too few patients"
    told = json.dumps([found.reason, found.value, found.would_decide, list(found.figures)])
    assert "7" not in told.replace("0.7", "")
    # With the total, the other group would give the count away: its figures are hidden too.
    assert "female" not in found.value


def test_a_hidden_group_that_misses_fails_without_its_figures(make_run):
    folder = make_run(n_patients=(200, 7), low=0.6, high=0.7)
    found = asked(folder, "metric_bound", at_least=0.8, group="each")
    assert found.outcome == "fail"
    assert "sex=male, effusion: the whole interval misses 0.8" in found.reason
    assert (found.value, found.figures) == ("none", ())


def test_the_value_set_in_the_config_is_asked_less_the_margin(make_run):
    folder = make_run(low=0.76, high=0.9)
    strict = asked(folder, "metric_bound", at_least="acceptable", group="each")
    kind = asked(folder, "metric_bound", at_least="acceptable", group="each", less_margin=True)
    assert (strict.outcome, kind.outcome) == ("undecided", "pass")
    assert kind.threshold == "lower bound ≥ 0.75"
    unset = make_run("b", primary={"target": "effusion", "metric": "roc_auc"})
    found = asked(unset, "metric_bound", at_least="acceptable")
    assert (found.outcome, found.reason) == ("undecided", NOT_SET)


@pytest.mark.parametrize(
    "asks", [{}, {"at_least": 1, "at_most": 2}, {"at_least": 0.8, "group": "men"}]
)
def test_a_bound_that_says_nothing_sound_is_refused(make_run, asks):
    with pytest.raises(ValidationError, match=r"one of the two|all, each, or ATTRIBUTE=GROUP"):
        asked(make_run(), "metric_bound", **asks)


@pytest.mark.parametrize(
    ("low", "high", "outcome", "words"),
    [
        (0.9, 1.1, "pass", "the whole interval lies between the limits"),
        # A precise slope near 1 is good though 1 lies outside: the more patients, the surer.
        (0.95, 0.99, "pass", "the whole interval lies between the limits"),
        (0.7, 1.1, "undecided", "a limit lies inside the interval"),
        (0.7, 0.9, "undecided", "a limit lies inside the interval"),
        (0.6, 0.79, "fail", "the whole interval lies outside, the predictions are too bold"),
        (1.3, 1.5, "fail", "the whole interval lies outside, the predictions are too timid"),
        (float("nan"), float("nan"), "undecided", "no interval"),
    ],
)
def test_a_calibration_slope_must_be_shown_to_be_one(make_run, low, high, outcome, words):
    folder = make_run()
    edit(folder, "metrics.parquet",
         metric=lambda t: t["metric"].replace("brier", "calibration_slope"))  # fmt: skip
    is_slope = lambda t: t["metric"] == "calibration_slope"  # noqa: E731
    edit(folder, "metrics.parquet", low=lambda t: t["low"].mask(is_slope(t), low))
    edit(folder, "metrics.parquet", high=lambda t: t["high"].mask(is_slope(t), high))
    found = asked(folder, "calibration_slope")
    assert (found.outcome, found.reason) == (outcome, f"effusion: {words}")


def test_without_a_slope_calibration_is_undecided(make_run):
    found = asked(make_run(), "calibration_slope")
    assert (found.outcome, found.reason) == ("undecided", "effusion: not in the evaluation")


CURVE = {"target": "effusion", "threshold": 0.1, "net_benefit": 0.06, "low": 0.05, "high": 0.07,
         "state": "ok", "over_all": 0.02, "over_all_low": 0.01, "over_all_high": 0.03,
         "over_all_state": "ok"}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "outcome", "words"),
    [
        ({}, "pass", "surely more net benefit than from acting on all or none"),
        ({"over_all_low": -0.01}, "undecided", "the gain over acting on all may be 0 or less"),
        ({"low": -0.01}, "undecided", "the gain over acting on none may be 0 or less"),
        ({"over_all_low": -0.03, "over_all_high": -0.01}, "fail", "than from acting on all"),
        ({"low": -0.02, "high": -0.01}, "fail", "no more net benefit than from acting on none"),
        ({"over_all_state": "small_n"}, "undecided", "over acting on all rests on too few"),
        ({"state": "small_n"}, "undecided", "over acting on none rests on too few patients"),
        ({"threshold": 0.2}, "undecided", "net benefit cannot be told at this threshold"),
        ({"low": None}, "undecided", "over acting on none rests on too few patients"),
    ],
)
def test_net_benefit_must_beat_both_plain_rules(make_run, change, outcome, words):
    folder = make_run()
    table(folder, "decision_curve", [{**CURVE, **change}])
    found = asked(folder, "net_benefit", threshold=0.1)
    assert found.outcome == outcome
    assert words in found.reason


@pytest.mark.parametrize(
    ("check", "asks", "file"),
    [
        ("net_benefit", {"threshold": 0.1}, "tables/decision_curve.parquet"),
        ("crossings_bound", {"at_least": 0.7}, "tables/intersections.parquet"),
    ],
)
def test_a_check_that_lacks_its_table_is_undecided(make_run, check, asks, file):
    found = asked(make_run(), check, **asks)
    assert (found.outcome, found.reason) == ("undecided", f"the run has no {file}")
    assert "`aiops evaluate`" in found.would_decide


def test_each_named_group_needs_patients_enough(make_run):
    assert asked(make_run(), "group_size", at_least=180).outcome == "pass"
    found = asked(make_run("b"), "group_size", at_least=181)
    assert (found.outcome, found.reason) == ("undecided", "sex=male: fewer patients than asked for")
    assert "180" not in found.value + found.reason + found.would_decide
    found = asked(make_run("c", attributes=False), "group_size", at_least=10)
    assert found.reason == "sex: no group in the evaluation"
    found = asked(make_run("d", fairness=None), "group_size", at_least=10)
    assert "no group was named in advance" in found.reason


def test_a_group_that_is_not_recorded_need_not_be_large(make_run):
    folder = make_run()
    metrics = pd.read_parquet(folder / "metrics.parquet")
    few = metrics[metrics["group"] == "male"].assign(group="not recorded", n_patients=12)
    pd.concat([metrics, few]).to_parquet(folder / "metrics.parquet")
    assert asked(folder, "group_size", at_least=50).outcome == "pass"


def test_an_attribute_of_which_no_group_is_known_has_none_of_the_size(make_run):
    folder = make_run()
    edit(folder, "metrics.parquet",
         group=lambda t: t["group"].where(t["attribute"] == "all", "not recorded"))  # fmt: skip
    found = asked(folder, "group_size", at_least=10)
    assert (found.outcome, found.reason) == ("undecided", "sex: no group in the evaluation")


def test_a_group_that_the_config_names_and_nobody_belongs_to_is_too_small(make_run):
    folder = make_run()
    config = yaml.safe_load((folder / "resolved.yaml").read_text())
    config["data"]["attributes"]["sex"]["values"] = {"F": "female", "M": "male", "X": "other"}
    (folder / "resolved.yaml").write_text(yaml.safe_dump(config))
    found = asked(folder, "group_size", at_least=10)
    assert (found.outcome, found.reason) == (
        "undecided",
        "sex=other: fewer patients than asked for",
    )


def test_a_value_set_for_a_metric_without_better_and_worse_is_not_asked(make_run):
    primary = {"target": "effusion", "metric": "calibration_slope", "acceptable": 0.9}
    found = asked(make_run(primary=primary), "metric_bound", at_least="acceptable")
    assert found.outcome == "undecided"
    assert found.threshold == "calibration_slope has no better and worse to set a bound for"


def crossing(**changes):
    return {"target": "effusion", "metric": "roc_auc", "attributes": "sex × age",
            "group": "female, 60+", "n_patients": 90, "n_cases": 95, "n_positive": 30, "value": 0.9,
            "low": 0.8, "high": 0.95, "pooled": 0.88, "pooled_low": 0.82, "pooled_high": 0.93,
            "state": "ok", "reason": "", **changes}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "outcome", "words"),
    [
        ({}, "pass", "the whole interval clears 0.8"),
        ({"pooled_low": 0.75}, "undecided", "0.8 lies inside the interval"),
        ({"pooled_low": 0.7, "pooled_high": 0.79}, "fail", "the whole interval misses 0.8"),
        ({"state": "small_n", "n_patients": 4}, "undecided", "too few patients"),
    ],
)
def test_crossings_are_held_to_the_interval_that_borrows(make_run, change, outcome, words):
    folder = make_run()
    table(folder, "intersections", [crossing(**change), crossing(group="male, 60+")])
    found = asked(folder, "crossings_bound", at_least="acceptable")
    assert found.outcome == outcome
    assert f"sex × age female, 60+, effusion: {words}" in found.reason


def test_no_crossing_is_undecided(make_run):
    folder = make_run()
    table(folder, "intersections", [crossing(target="hernia")])
    found = asked(folder, "crossings_bound", at_least=0.8)
    assert (found.outcome, found.reason) == ("undecided", "no two attributes were crossed")


@pytest.mark.parametrize(("n_failed", "outcome"), [(0, "pass"), (20, "undecided"), (80, "fail")])
def test_failed_cases_are_held_by_the_upper_bound(make_run, n_failed, outcome):
    folder = make_run()
    told = json.loads((folder / "evaluation.json").read_text())
    told["primary"][0]["n_failed"] = n_failed
    (folder / "evaluation.json").write_text(json.dumps(told))
    assert asked(folder, "failed_cases", at_most=0.05).outcome == outcome


def test_without_a_run_and_without_a_case_it_is_undecided():
    found = answer("metric_bound", {"at_least": 0.8}, None, None)
    assert (found.outcome, found.reason) == ("undecided", "no evaluated run was named")
    found = answer("role_named", {"fields": ["owner"]}, None, None)
    assert (found.outcome, found.reason) == ("undecided", "the case is not in the register")


BRIER = {"target": "effusion", "metric": "brier", "acceptable": 0.1}


def metrics(folder, **rows):
    """Add rows to the metrics: each the overall row of the primary metric with changes."""
    table = pd.read_parquet(folder / "metrics.parquet")
    more = [table.iloc[[0]].assign(**changes) for changes in rows.values()]
    pd.concat([table, *more]).to_parquet(folder / "metrics.parquet")


def config(folder, **blocks):
    path = folder / "resolved.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **blocks}))


def test_a_value_set_for_one_metric_is_none_for_another(make_run):
    found = asked(make_run(), "metric_bound", metric="brier", at_least="acceptable")
    assert (found.outcome, found.value) == ("undecided", "not asked")


@pytest.mark.parametrize(
    ("low", "high", "less_margin", "outcome", "threshold"),
    [
        (0.05, 0.10, False, "pass", "upper bound ≤ 0.1"),
        (0.05, 0.12, False, "undecided", "upper bound ≤ 0.1"),
        (0.11, 0.20, False, "fail", "upper bound ≤ 0.1"),
        (0.05, 0.15, True, "pass", "upper bound ≤ 0.15"),
        (0.05, 0.16, True, "undecided", "upper bound ≤ 0.15"),
    ],
)
def test_where_lower_is_better_the_value_of_the_config_is_an_upper_bound(
    make_run, low, high, less_margin, outcome, threshold
):
    folder = make_run(primary=BRIER, low=low, high=high)
    table = pd.read_parquet(folder / "metrics.parquet")
    table.iloc[[0, 2, 3]].to_parquet(folder / "metrics.parquet")  # the made table has two of all
    found = asked(folder, "metric_bound", at_least="acceptable", less_margin=less_margin)
    assert (found.outcome, found.threshold) == (outcome, threshold)


def test_each_primary_target_is_asked(make_run):
    folder = make_run()
    targets = {n: {"label": n, "positive": [1]} for n in ("effusion", "hernia")}
    primary = {"target": ["effusion", "hernia"], "metric": "roc_auc", "acceptable": 0.8}
    config(folder, targets=targets, primary=primary)
    metrics(folder, hernia={"target": "hernia", "value": 0.65, "low": 0.6, "high": 0.7})
    found = asked(folder, "metric_bound", at_least=0.8)
    assert (found.outcome, found.reason) == ("fail", "hernia: the whole interval misses 0.8")


def test_each_attribute_named_in_advance_is_asked_and_the_unrecorded_are_no_group(make_run):
    folder = make_run()
    low = {"value": 0.65, "low": 0.6, "high": 0.7}
    metrics(folder, none={"attribute": "sex", "group": "not recorded", **low})
    assert asked(folder, "metric_bound", at_least=0.8, group="each").outcome == "pass"
    data = yaml.safe_load((folder / "resolved.yaml").read_text())["data"]
    data["attributes"]["age"] = {"column": "age"}
    config(folder, data=data, fairness={"attributes": ["sex", "age"], "margin": 0.05})
    metrics(folder, old={"attribute": "age", "group": "60+", "n_patients": 90, **low},
            young={"attribute": "age", "group": "0-59", "n_patients": 290})  # fmt: skip
    found = asked(folder, "metric_bound", at_least=0.8, group="each")
    assert (found.outcome, found.reason) == (
        "fail", "age=60+, effusion: the whole interval misses 0.8",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "low", "high", "words"),
    [
        ("ok", 0.9, 1.3, "a limit lies inside the interval"),
        ("small_n", 0.9, 1.1, "small n"),
    ],
)
def test_a_slope_that_is_not_shown_to_be_one_is_undecided(make_run, state, low, high, words):
    folder = make_run()
    slope = {"metric": "calibration_slope", "value": 1.0, "low": low, "high": high, "state": state}
    metrics(folder, slope=slope)
    found = asked(folder, "calibration_slope")
    assert (found.outcome, found.reason) == ("undecided", f"effusion: {words}")


def failed(folder, *rows):
    path = folder / "evaluation.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "primary": [{**told["primary"][0], **r} for r in rows]}))


def test_failed_cases_are_those_of_the_worst_target_and_counted_by_patients(make_run):
    folder = make_run()
    failed(folder, {"n_failed": 0}, {"target": "hernia", "n_failed": 80})
    assert asked(folder, "failed_cases", at_most=0.05).outcome == "fail"
    failed(folder, {"n_failed": 0, "n_cases": 4000, "n_patients": 40})
    assert asked(folder, "failed_cases", at_most=0.05).outcome == "undecided"
