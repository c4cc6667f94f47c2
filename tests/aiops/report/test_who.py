import pandas as pd
import pytest

from aiops.report.who import representation, standing, who

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
