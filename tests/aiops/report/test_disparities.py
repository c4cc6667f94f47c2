import pytest

from aiops.report.disparities import disparities, told

NASTY = "<script>alert(1)</script>"
AUC = {"target": "effusion", "metric": "roc_auc", "attribute": "sex", "worst_group": "female",
       "worst": 0.80, "worst_low": 0.75, "worst_high": 0.85, "best_group": "male", "best": 0.9,
       "gap": 0.1, "chance_gap": 0.02, "chance_gap_high": 0.05, "p_homogeneity": 0.0004,
       "ratio": 0.889, "equity_scaled": 0.77, "prespecified": True}  # fmt: skip
ODDS = {"target": "effusion", "metric": "equalized_odds", "attribute": "sex",
        "worst_group": "female", "gap": 0.12, "chance_gap": 0.05, "p_homogeneity": 0.3}  # fmt: skip


def test_the_gap_stands_beside_the_one_chance_makes(run, chest, table, shown):
    files = run(disparities=table("disparities", AUC, ODDS))
    html = shown(disparities(files, chest(), "sex"))
    assert "0.800 (0.750 to 0.850)" in html
    assert "0.020 (0.050)" in html
    assert "&lt;0.001" in html
    assert "AUC: “female” lies 0.100 behind “male”; equal groups would differ by about 0.020 by " \
        "chance, so this is more than chance." in html  # fmt: skip
    assert "Equalized odds: the larger of the gaps in missed cases and in false alarms." in html
    assert "12 points" in html
    assert "0.89" in html
    assert "0.770" in html


def test_a_gap_that_cannot_be_told_says_why_and_shows_no_number(run, chest, table, shown):
    row = {**{k: AUC[k] for k in ("target", "metric", "attribute")}, "state": "not_estimable",
           "reason": "not estimable: female: 0 positives"}  # fmt: skip
    html = shown(disparities(run(disparities=table("disparities", row)), chest(), "sex"))
    assert "No gap in AUC: not estimable: female: 0 positives." in html
    assert "<table" not in html
    with_other = table("disparities", row, {**AUC, "metric": "sensitivity"})
    html = shown(disparities(run(disparities=with_other), chest(), "sex"))
    assert "No gap in AUC: not estimable: female: 0 positives." in html


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "so this is more than chance."),
        ({"p_homogeneity": 0.4}, "so this may be chance."),
        ({"chance_gap_high": 0.2}, "so the gap may be chance, though not all groups are equal."),
        ({"p_homogeneity": None}, "so this is more than chance."),
        ({"chance_gap_high": None, "p_homogeneity": 0.2}, "so this may be chance."),
        ({"p_homogeneity": None, "chance_gap_high": None}, "whether this is chance cannot be"),
    ],
)
def test_a_gap_is_called_more_than_chance_only_where_test_and_size_say_so(changes, said):
    assert said in told({**AUC, **changes})


def test_a_hidden_gap_is_said_to_be_hidden(run, chest, table, shown):
    row = {"target": "effusion", "metric": "roc_auc", "attribute": "sex", "state": "suppressed",
           "reason": "hidden (<8)"}  # fmt: skip
    html = shown(disparities(run(disparities=table("disparities", row)), chest(), "sex"))
    assert "hidden (&lt;8)" in html
    assert "nan" not in html
    assert "no gap can be told (hidden (&lt;8))" in html


def test_names_of_groups_are_text(run, chest, table, shown):
    files = run(disparities=table("disparities", {**AUC, "worst_group": NASTY}))
    html = shown(disparities(files, chest(), "sex"))
    assert NASTY not in html
    assert "&lt;script&gt;" in html


def test_no_table_gives_no_block(run, chest, table):
    assert disparities(run(), chest(), "sex") == []
    assert disparities(run(disparities=table("disparities")), chest(), "sex") == []
    assert disparities(run(disparities=table("disparities", AUC)), chest(), "age") == []


def test_no_group_is_worst_where_neither_more_nor_less_is_better(run, chest, table, shown):
    called = {"target": "effusion", "metric": "demographic_parity", "attribute": "sex",
              "worst_group": "asian", "worst": 0.39, "best_group": "black", "best": 0.53,
              "gap": 0.14, "chance_gap": 0.05, "p_homogeneity": 0.01}  # fmt: skip
    slope = {**called, "metric": "calibration_slope", "worst": 1.6, "best": 1.1}
    html = shown(disparities(run(disparities=table("disparities", called, slope)), chest(), "sex"))
    assert "asian (fewest called)" in html
    assert "black (most called)" in html
    assert "asian (furthest from 1)" in html
    assert "“black” is called positive 14 percentage points more often than “asian”" in told(called)


def test_the_distance_between_groups_is_not_called_the_gap_to_the_rest(run, chest, table, shown):
    html = shown(disparities(run(disparities=table("disparities", AUC)), chest(), "sex"))
    assert "Worst to best" in html
    assert ">Gap<" not in html
