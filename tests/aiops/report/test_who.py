import pandas as pd
import pytest

from aiops.report.who import representation, standing, who
from evaluation.disclosure import Disclosure

WOMEN = {"attribute": "sex", "group": "female", "n_patients": 30, "share": 0.3, "low": 0.22,
         "high": 0.39, "population_share": 0.52, "ratio": 0.58, "ratio_low": 0.42,
         "ratio_high": 0.75, "source": "register 2024"}  # fmt: skip
MEN = {**WOMEN, "group": "male", "n_patients": 70, "share": 0.7, "population_share": 0.48,
       "ratio": 1.46, "ratio_low": 1.27, "ratio_high": 1.63}  # fmt: skip
HIDDEN = {"attribute": "sex", "group": "other", "population_share": 0.01, "state": "suppressed",
          "reason": "hidden (<8)", "source": "register 2024"}  # fmt: skip


def test_the_groups_stand_beside_the_people_served(run, table, shown):
    html = shown(representation(run(representation=table("representation", WOMEN, MEN, HIDDEN))))
    assert "30% (22% to 39%)" in html
    assert "0.58 (0.42 to 0.75)" in html
    assert "under-represented" in html
    assert "“female” is 30 of every 100 patients here, but 52 of every 100 people served." in html
    assert "hidden (&lt;8)" in html
    assert "register 2024" in html


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [(0.4, 0.79, "under-represented"), (0.8, 1.1, "represented"), (0.7, 0.9, "cannot be said"),
     (float("nan"), float("nan"), "cannot be said")],
)  # fmt: skip
def test_a_wide_interval_is_no_representation(low, high, word):
    assert standing({"ratio": 0.8, "ratio_low": low, "ratio_high": high}).word == word


def test_without_a_population_nobody_can_say_who_is_missing(run, table, shown):
    unknown = {k: WOMEN[k] for k in ("attribute", "group", "n_patients", "share")}
    for files in (run(), run(representation=table("representation", unknown))):
        html = shown(representation(files))
        assert "Not recorded: the people you serve." in html
        assert "<table" not in html


def test_shares_are_told_of_every_hundred(run, chest, shown):
    rows = [("all", "all", 200), ("sex", "female", 90), ("sex", "male", 110)]
    metrics = pd.DataFrame(
        [{"target": "effusion", "metric": "roc_auc", "attribute": a, "group": g, "state": "ok",
          "reason": "", "n_patients": n, "n_cases": n, "n_positive": n // 4, "n_failed": 0}
         for a, g, n in rows]
    )  # fmt: skip
    html = shown(who(run(metrics=metrics), chest()).blocks)
    assert "Of every 100 patients tested, 45 are “female” and 55 are “male”." in html


def counts(*rows) -> pd.DataFrame:
    base = {"target": "effusion", "metric": "roc_auc", "reason": "", "state": "ok"}
    return pd.DataFrame([{**base, **row} for row in rows])


ALL = {"attribute": "all", "group": "all", "n_patients": 200, "n_cases": 210, "n_positive": 50,
       "n_failed": 0}  # fmt: skip
HIDES = {**ALL, "attribute": "sex", "group": "female", "n_patients": 95, "n_failed": None,
         "rounded_to": 5.0}  # fmt: skip


def test_no_failure_over_all_is_not_hidden_by_group(run, chest, shown):
    html = shown(who(run(metrics=counts(ALL, HIDES)), chest()).blocks)
    assert ">Failed<" not in html
    html = shown(who(run(metrics=counts({**ALL, "n_failed": 3}, HIDES)), chest()).blocks)
    assert ">Failed<" in html


def test_rounded_counts_are_marked_and_the_key_follows_the_policy(run, chest, shown):
    policy = Disclosure(suppress_below=5, round_to=10)
    html = shown(who(run(metrics=counts(ALL, HIDES), disclosure=policy), chest()).blocks)
    assert ">≈95<" in html
    assert "“Hidden (<5)” stands for a group with 1 to 4 patients".replace("<", "&lt;") in html
    assert "rounded to a multiple of 10" in html


def test_where_and_when_is_said_not_to_be_recorded(run, chest, shown):
    html = shown(who(run(metrics=counts(ALL)), chest()).blocks)
    assert "Not recorded: which hospitals the patients come from, and from when to when." in html


def test_patients_without_the_entry_stand_beside_the_people_served(run, table, shown):
    unknown = {"attribute": "sex", "group": "not recorded", "n_patients": 40, "share": 0.29,
               "reason": "of all patients"}  # fmt: skip
    html = shown(representation(run(representation=table("representation", WOMEN, unknown))))
    assert "not recorded</th>" in html
    assert ">40<" in html
