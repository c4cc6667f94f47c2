import numpy as np

from aiops.report.utility import useful_range, utility

BASE = {"target": "effusion", "prevalence": 0.05, "source": "our films of 2025", "n_cases": 400,
        "n_patients": 300}  # fmt: skip
AT = (
    {**BASE, "metric": "ppv", "value": 0.25, "low": 0.2, "high": 0.3},
    {**BASE, "metric": "npv", "value": 0.99, "low": 0.98, "high": 0.995},
    {**BASE, "metric": "alerts_per_100", "value": 18.0, "low": 15.0, "high": 21.0},
    {**BASE, "metric": "flags_per_true", "value": 4.0, "low": 3.3, "high": 5.0},
)


def curve(n: int = 20) -> list[dict]:
    rows = []
    for t in np.linspace(0.01, 0.6, n):
        everybody = 0.3 - 0.7 * t / (1 - t)
        benefit = 0.27 - 0.1 * t
        rows.append({"target": "effusion", "threshold": t, "net_benefit": benefit,
                     "low": benefit - 0.02, "high": benefit + 0.02, "treat_all": everybody,
                     "over_all": benefit - everybody, "over_all_low": benefit - everybody - 0.02,
                     "over_all_high": benefit - everybody + 0.02,
                     "treat_none": 0.0, "n_cases": 400, "n_patients": 300})  # fmt: skip
    return rows


def test_alarms_are_told_at_the_prevalence_of_those_served(run, chest, table, shown):
    html = shown(utility(run(at_prevalence=table("at_prevalence", *AT)), chest()))
    assert "Of every 100 patients, 18 set off an alarm (it could be 15 to 21); " in html
    assert "for each true case, 4.0 alarms are looked at (it could be 3.3 to 5.0)." in html
    assert "5 of the 100 have effusion." in html
    assert "our films of 2025" in html
    assert "25% (20% to 30%)" in html
    assert html.index("Right alarms") < html.index("Alarms per true case")


def test_without_a_prevalence_the_report_says_what_is_missing(run, chest, shown):
    html = shown(utility(run(), chest()))
    assert "Not recorded: how common the disease is among the people you serve" in html
    assert "Not computed: the net benefit" in html
    assert "<table" not in html


def test_alarms_that_cannot_be_told_say_why(run, chest, table, shown):
    row = {**BASE, "metric": "alerts_per_100", "state": "not_estimable",
           "reason": "no operating point"}  # fmt: skip
    html = shown(utility(run(at_prevalence=table("at_prevalence", row)), chest()))
    assert "How many alarms there would be cannot be said: no operating point." in html


def test_the_decision_curve_says_where_acting_is_better(run, chest, table, shown):
    rows = curve()
    html = shown(utility(run(decision_curve=table("decision_curve", *rows)), chest()))
    first, last = useful_range(rows)
    assert f"for thresholds from {100 * first:.0f}% to {100 * last:.0f}%." in html
    assert "Net benefit of effusion</title>" in html
    assert "acting on the tool is surely better" in html
    # The table is per 100 patients: 0.27 − 0.1 t at the threshold nearest to 10%.
    near = min(rows, key=lambda r: abs(r["threshold"] - 0.1))
    assert f"{100 * near['net_benefit']:.1f}" in html


def test_a_curve_below_the_others_is_not_called_useful(run, chest, table, shown):
    rows = [{**r, "low": -0.5} for r in curve()]
    assert useful_range(rows) is None
    html = shown(utility(run(decision_curve=table("decision_curve", *rows)), chest()))
    assert "It is not shown that acting on the tool" in html


def test_scores_that_are_no_probabilities_have_no_curve(run, chest, table, shown):
    row = {"target": "effusion", "state": "not_estimable", "reason": "scores are no probabilities"}
    html = shown(utility(run(decision_curve=table("decision_curve", row)), chest()))
    assert "no net benefit can be told (scores are no probabilities)" in html
    assert "<svg" not in html


def test_a_useful_range_is_no_evidence_without_prevalence_and_threshold(run, chest, table, shown):
    rows = table("decision_curve", *curve())
    html = shown(utility(run(decision_curve=rows), chest(operating_point=None)))
    assert "no threshold was fixed beforehand and it is not recorded how common" in html
    assert "so it is no evidence of use" in html
    full = run(decision_curve=rows, at_prevalence=table("at_prevalence", *AT))
    assert "no evidence of use" not in shown(utility(full, chest()))


def test_net_benefit_is_per_hundred_of_what_is_counted(run, chest, table, shown):
    files = run(decision_curve=table("decision_curve", *curve()), evaluation={"unit": "study"})
    html = shown(utility(files, chest()))
    assert "Net benefit of effusion per 100 examinations" in html
    assert "per 100 patients" not in html
    assert "300 patients and 400 examinations" in html
