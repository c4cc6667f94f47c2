import pandas as pd

from aiops.report.question import question, reference


def metrics() -> pd.DataFrame:
    return pd.DataFrame({"attribute": ["all", "sex", "site"], "state": "ok"})


def test_what_was_fixed_beforehand_is_told_and_the_rest_is_exploratory(run, chest, shown):
    point = {"effusion": {"threshold": 0.412, "criterion": "sensitivity 0.9", "chosen_on": "tune"}}
    files = run(
        metrics=metrics(),
        run={"hash": "ab12cd34", "created": "2026-03-04T05:06:07+00:00"},
        evaluation={"operating_points": point},
    )
    html = shown(question(files, chest(intended_use="Triage of adults.")).blocks)
    for words in (
        "Triage of adults.",
        "at least 0.800",
        "0.05 in AUC",
        "called positive from a score of 0.412 (aim: sensitivity 90%; chosen on cases set aside "
        "for choosing)",
        "hash ab12cd34, first read on 2026-03-04",
        "The tool passes if AUC is surely at least 0.800.",
        "It is fair if no group by sex is worse than the rest by 0.05.",
        "1 way of grouping patients carry a verdict; for 1 of them nobody wrote down why.",
    ):
        assert words in html
    site = html[html.index(">site</th>") :]
    assert "exploratory" in site[:120]


def test_reasons_crossings_and_adjustment_are_told(run, chest, shown):
    fairness = {"attributes": ["sex"], "margin": 0.05, "adjust_for": ["site"],
                "reasons": {"sex": "women were missed before"},
                "intersections": [["sex", "site"]]}  # fmt: skip
    html = shown(question(run(metrics=metrics()), chest(fairness=fairness)).blocks)
    assert "women were missed before" in html
    assert "sex × site" in html
    assert "Adjusted for" in html
    assert "nobody wrote down why" not in html


def test_what_nobody_fixed_is_said(run, chest, shown):
    experiment = chest(fairness=None, operating_point=None,
                       primary={"target": "effusion", "metric": "roc_auc"})  # fmt: skip
    html = shown(question(run(metrics=metrics()), experiment).blocks)
    assert "Nobody said beforehand how good is good enough." in html
    assert "Nobody said beforehand which groups to look at." in html
    assert "none was set, so nothing can be said on what is missed in use" in html


def test_the_reference_standard_tells_what_was_not_recorded(run, chest, shown):
    html = shown(reference(run(), chest()).blocks)
    assert "effusion: diseased where its column says “1”." in html
    assert "Not recorded: the reference standard’s readers" in html
    cases = pd.DataFrame({"case_id": list("abc"), "y_true": [1.0, None, 0.0], "reader": "r",
                          "verified": True})  # fmt: skip
    html = shown(reference(run(predictions=cases), chest()).blocks)
    assert "Not recorded" not in html
    assert "Fewer than 8 cases lack a reference value" in html
    inside = shown(reference(run(predictions=cases, is_shareable=False), chest()).blocks)
    assert "1 cases lack a reference value" in inside


def test_crossings_that_the_program_takes_by_itself_are_listed_too(run, chest, shown):
    attributes = {n: {"column": n} for n in ("sex", "age")}
    data = {"table": "t.csv", "patient": "p", "modality": "xray", "image": "i",
            "attributes": attributes}  # fmt: skip
    named = chest(data=data, fairness={"attributes": ["sex", "age"], "margin": 0.05})
    html = shown(question(run(metrics=metrics()), named).blocks)
    assert "sex × age; figures only, without a verdict" in html
    assert "false alarm" not in html
