import pandas as pd

from aiops.report.page import render_sheet
from aiops.report.sheet import clinician_sheet

GAP = {"target": "effusion", "metric": "roc_auc", "attribute": "sex", "prespecified": True}
METRIC = {"target": "effusion", "attribute": "all", "group": "all", "state": "ok", "reason": "",
          "n_patients": 300, "n_cases": 300, "n_positive": 90, "n_failed": 0}  # fmt: skip


def files_of(run, **more):
    gaps = pd.DataFrame(
        [{**GAP, "group": "male", "verdict": "adequate"},
         {**GAP, "group": "female", "verdict": "concern"},
         {**GAP, "group": "<i>other</i>", "verdict": "insufficient evidence"}]
    )  # fmt: skip
    metrics = pd.DataFrame(
        [{**METRIC, "metric": "sensitivity", "value": 0.9, "low": 0.85, "high": 0.94},
         {**METRIC, "metric": "specificity", "value": 0.8, "low": 0.75, "high": 0.85},
         {**METRIC, "metric": "sensitivity", "attribute": "sex", "group": "female", "value": 0.7,
          "low": 0.6, "high": 0.79}]
    )  # fmt: skip
    primary = {**METRIC, "metric": "roc_auc", "value": 0.9, "low": 0.85, "high": 0.93}
    evaluation = {"primary": [primary], "verdict": {"by_attribute": {"sex": "concern"}},
                  "operating_points": {"effusion": {"threshold": 0.4}}}  # fmt: skip
    return run(gaps=gaps, metrics=metrics, evaluation=evaluation, **more)


def test_it_says_for_whom_it_works_for_whom_not_and_what_to_do_then(run, chest):
    sheet = clinician_sheet(files_of(run), chest())
    assert sheet.works == ("Sex: male",)
    assert sheet.worse == (
        "Sex: female",
        "In “female”: of every 100 patients with effusion, 30 are missed (it could be 21 to 40).",
    )
    assert sheet.unknown[0] == "Sex: <i>other</i>"
    assert "not recorded" in sheet.unknown[1]
    assert any("do not let an all-clear" in line for line in sheet.then)
    assert any("decide as you would without" in line for line in sheet.then)
    assert "Of every 100 patients with effusion, 10 are missed (it could be 6 to 15)." in (
        sheet.point
    )
    assert any("20 give a false alarm" in line for line in sheet.point)


def test_alarms_per_hundred_are_those_of_the_people_served(run, chest, table):
    row = {"target": "effusion", "prevalence": 0.05, "source": "our films", "value": 24.0,
           "low": 20.0, "high": 28.0, "metric": "alerts_per_100"}  # fmt: skip
    sheet = clinician_sheet(files_of(run, at_prevalence=table("at_prevalence", row)), chest())
    assert "Of every 100 patients you see, 24 set off an alarm (it could be 20 to 28); our films." \
        in sheet.point  # fmt: skip


def test_groups_that_lack_are_named(run, chest, table):
    row = {"attribute": "sex", "group": "female", "population_share": 0.5, "ratio": 0.5,
           "ratio_low": 0.4, "ratio_high": 0.6}  # fmt: skip
    sheet = clinician_sheet(files_of(run, representation=table("representation", row)), chest())
    assert sheet.unknown[-1] == "Fewer in the test than among those you serve: female"


def test_the_page_is_escaped_and_asks_for_nothing_from_elsewhere(run, chest):
    html = render_sheet(files_of(run), chest())
    assert "<i>other" not in html
    assert "&lt;i&gt;other&lt;/i&gt;" in html
    assert "default-src 'none'" in html
    assert "<script" not in html
    assert 'href="report.html"' in html


def test_a_vendor_sheet_does_not_say_that_the_tool_never_saw_these_patients(run, chest):
    vendor = chest(train=None, operating_point=None,
                   targets={"effusion": {"label": "y", "positive": [1], "score": "s"}})  # fmt: skip
    told = clinician_sheet(files_of(run), vendor).tested
    assert "Tested on 300 patients. Whether it had learnt from any of them is not known." in told
    assert "had not learnt" not in told


def test_findings_of_a_group_are_named_in_each_column(run, chest):
    names = [f"f{i}" for i in range(6)]
    targets = {n: {"label": n, "positive": [1]} for n in names}
    several = chest(targets=targets, primary={"target": names, "metric": "roc_auc"})
    words = ["concern", "concern", "adequate", *["insufficient evidence"] * 4]
    gaps = [{**GAP, "group": "AP", "target": n, "verdict": w, "value": None, "reason": ""}
            for n, w in zip(names, words, strict=False)]  # fmt: skip
    files = files_of(run)
    sheet = clinician_sheet(
        run(gaps=pd.DataFrame(gaps), metrics=files.metrics, evaluation=files.evaluation), several
    )
    assert "Sex: AP (f0 and f1)" in sheet.worse
    assert sheet.works == ("Sex: AP (f2)",)
    assert "Sex: AP (f3, f4 and f5)" in sheet.unknown
