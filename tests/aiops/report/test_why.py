import pytest

from aiops.report.why import entangled, explained, mitigation, why

ROW = {"target": "effusion", "metric": "roc_auc", "attribute": "ethnicity", "group": "black",
       "adjusted_for": "scanner", "crude": -0.19, "crude_low": -0.28, "crude_high": -0.12,
       "adjusted": -0.02, "adjusted_low": -0.08, "adjusted_high": 0.04, "explained": 0.89,
       "n_patients": 201, "n_cases": 212, "n_dropped": 9,
       "method": "direct standardisation over 3 strata, weights of the diseased"}  # fmt: skip


def named(chest, attribute: str = "ethnicity"):
    attributes = {name: {"column": name} for name in ("sex", "ethnicity", "scanner")}
    data = {"table": "t.csv", "patient": "p", "modality": "xray", "image": "i",
            "attributes": attributes}  # fmt: skip
    return chest(data=data, fairness={"attributes": [attribute], "margin": 0.05})


def test_a_gap_that_the_scanner_explains_is_told_before_and_after(run, chest, table, shown):
    other = {**ROW, "metric": "sensitivity", "crude": -0.17, "explained": 1.2}
    turned = {**ROW, "attribute": "scanner", "adjusted_for": "ethnicity", "explained": -0.1}
    files = run(adjusted=table("adjusted", ROW, other, turned))
    html = shown(why(files, named(chest)).blocks)
    first, behind = html.split("<details>")
    assert "gap in AUC to the rest, as it is and with scanner alike" in first
    assert "gap in Sensitivity" in behind
    assert ">all<" in behind
    assert "with ethnicity alike" in behind
    assert ">none<" in behind
    assert "−0.190" in first
    assert "−0.020" in html
    assert "89%" in html
    assert "“black” is 0.190 behind the rest in AUC; with scanner alike, it would be 0.020 behind" \
        in html  # fmt: skip
    assert "Scanner explains about 89% of the gap." in html
    assert "Method: direct standardisation over 3 strata." in html
    assert "weights of the diseased" not in html


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"adjusted": None, "reason": "one scanner only", "explained": None},
         "what scanner explains cannot be said (one scanner only)."),
        ({"crude": None, "state": "suppressed"}, "“black”: the gap cannot be shown."),
        ({"crude": 0.03, "explained": 0.5}, "“black” is 0.030 ahead of the rest in AUC"),
        ({"adjusted": 0.0002}, "it would be level with the rest"),
    ],
)  # fmt: skip
def test_what_adjustment_does_not_tell(changes, said):
    assert said in explained({**ROW, **changes})


def test_a_hidden_group_shows_no_adjusted_figure(run, chest, table, shown):
    row = {"target": "effusion", "metric": "roc_auc", "attribute": "sex", "group": "other",
           "adjusted_for": "scanner", "state": "suppressed", "reason": "hidden (<8)"}  # fmt: skip
    html = shown(why(run(adjusted=table("adjusted", row)), named(chest, "sex")).blocks)
    assert html.count("hidden (&lt;8)") >= 3
    assert "No gap can be shown here." in html


def test_without_adjustment_a_gap_may_have_any_cause(run, chest, table, shown):
    for files in (run(), run(adjusted=table("adjusted"))):
        html = shown(why(files, chest()).blocks)
        assert "so a gap above may have any cause" in html
        assert "<table" not in html


BEFORE = {"target": "effusion", "metric": "sensitivity", "attribute": "sex", "n_patients": 100,
          "before": 0.7, "before_low": 0.6, "before_high": 0.8}  # fmt: skip
GAIN = {**BEFORE, "group": "female", "after": 0.85, "change": 0.15, "change_low": 0.05,
        "change_high": 0.25, "levelled_down": False}  # fmt: skip
LOSS = {**BEFORE, "group": "male", "after": 0.6, "change": -0.1, "change_low": -0.2,
        "change_high": -0.02, "levelled_down": True}  # fmt: skip


def test_mitigation_tells_the_cost_of_each_group(run, chest, table, shown):
    html = shown(mitigation(run(mitigation=table("mitigation", GAIN, LOSS)), chest()).blocks)
    assert "+15 points" in html
    assert "worse than before" in html
    assert "Paid for it: “male”. Gained: “female”." in html
    assert "No group is shown to be worse off" not in html


def test_mitigation_that_costs_nobody_says_that_none_is_shown(run, chest, table, shown):
    same = {**LOSS, "change_low": -0.2, "change_high": 0.1, "levelled_down": False}
    html = shown(mitigation(run(mitigation=table("mitigation", GAIN, same)), chest()).blocks)
    assert "No group is shown to be worse off than before. Gained: “female”." in html
    assert "No change is shown for: “male”." in html


def test_no_mitigation_is_said(run, chest, shown):
    assert "Nothing was tried against gaps" in shown(mitigation(run(), chest()).blocks)


@pytest.mark.parametrize(
    ("metric", "low", "high", "word"),
    [
        ("false_negative_rate", 0.02, 0.1, "better"),  # fewer misses: the change is above 0
        ("false_negative_rate", -0.1, -0.02, "worse than before"),
        ("sensitivity", 0.02, 0.1, "better"),
        ("selection_rate", 0.02, 0.1, "changed"),
        ("brier", -0.1, 0.1, "no change shown"),
    ],
)
def test_a_change_above_zero_is_better_whatever_way_a_figure_runs(
    run, chest, table, shown, metric, low, high, word
):
    row = {**GAIN, "metric": metric, "change_low": low, "change_high": high}
    html = shown(mitigation(run(mitigation=table("mitigation", row)), chest()).blocks)
    assert f">{word}<" in html.replace("</svg>", ">")


def test_what_the_run_says_of_its_mitigation_is_printed_but_for_hidden_groups(
    run, chest, table, shown
):
    gone = {**BEFORE, "group": "other", "state": "suppressed", "reason": "hidden (<8)"}
    told = {"sentences": ["female gained 0.15", "other lost 0.2"], "notes": ["read once"]}
    files = run(mitigation=table("mitigation", GAIN, gone), evaluation={"mitigation": told})
    html = shown(mitigation(files, chest()).blocks)
    assert "female gained 0.15" in html
    assert "read once" in html
    assert "lost 0.2" not in html
    assert "Sentences that name a hidden group are left out" in html


def test_page_one_says_what_explains_a_gap(run, table):
    gap = {k: ROW[k] for k in ("target", "metric", "attribute", "group")}
    assert entangled(run(adjusted=table("adjusted", ROW)), gap) == (
        " Scanner explains about 89% of it; those patients are served worse all the same."
    )
    little = {**ROW, "explained": 0.2}
    assert entangled(run(adjusted=table("adjusted", little)), gap) == ""
