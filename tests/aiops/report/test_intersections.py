from aiops.report.intersections import MOST_ROWS, intersections

CELL = {"target": "effusion", "metric": "roc_auc", "attributes": "sex × age",
        "prespecified": True}  # fmt: skip
OLD = {**CELL, "group": "female, 60+", "n_patients": 12, "n_positive": 9, "value": 0.6, "low": 0.3,
       "high": 0.9, "pooled": 0.72, "pooled_low": 0.61, "pooled_high": 0.83,
       "n_cases": 20, "shrinkage": 0.4}  # fmt: skip
YOUNG = {**OLD, "group": "male, 18-39", "n_patients": 90, "pooled": 0.9, "pooled_low": 0.85,
         "pooled_high": 0.95}  # fmt: skip
EMPTY = {**CELL, "group": "male, 60+", "n_patients": 0, "state": "not_estimable",
         "reason": "0 patients"}  # fmt: skip
HIDDEN = {**CELL, "group": "female, 0-17", "state": "suppressed", "reason": "hidden (<8)"}


def test_crossings_are_pooled_the_worst_first_and_counted(run, chest, table, shown):
    files = run(intersections=table("intersections", YOUNG, HIDDEN, EMPTY, OLD))
    html = shown(intersections(files, chest()).blocks)
    assert html.index("female, 60+") < html.index("male, 18-39") < html.index("female, 0-17")
    assert "0.720 (0.610 to 0.830)" in html
    assert "0.600 (0.300 to 0.900)" in html
    assert "40%" in html
    assert "Of 4 crossings, 2 have a figure, 1 is empty and 1 is hidden." in html
    assert "The lowest pooled figure is that of “female, 60+”: 0.720 (0.610 to 0.830)." in html
    assert "male, 60+" not in html.replace("female, 60+", "")
    assert "hidden (&lt;8)" in html
    assert "Named in advance, without a verdict." in html


def test_a_pooled_figure_is_no_evidence_where_the_crossing_has_too_few(run, chest, table, shown):
    few = {**OLD, "group": "female, 80+", "state": "small_n", "pooled": 0.5, "shrinkage": 0.97}
    html = shown(intersections(run(intersections=table("intersections", YOUNG, few, OLD)),
                               chest()).blocks)  # fmt: skip
    row = html[html.index("female, 80+</th>") :]
    row = row[: row.index("</tr>")]
    assert "insufficient" in row
    assert "97%; not evidence" in row
    assert "read that one" not in html
    # The lowest pooled figure is not that of a crossing about which too little is known.
    assert "The lowest pooled figure is that of “female, 60+”" in html
    assert "Of 1 crossing too little is known by themselves" in html
    # Patients and cases stand side by side.
    assert "Diseased cases" in html
    assert html.index(">Patients<") < html.index(">Cases<") < html.index(">Diseased cases<")


def test_many_crossings_stand_behind_a_line(run, chest, table, kinds):
    rows = [{**OLD, "group": f"g{i}"} for i in range(MOST_ROWS + 3)]
    section = intersections(run(intersections=table("intersections", *rows)), chest())
    assert kinds(section.blocks).count("details") == 1
    assert section.blocks[-1].summary == "The other 3 crossings"


def test_without_a_table_the_report_says_that_nobody_looked(run, chest, table, shown):
    for files in (run(), run(intersections=table("intersections"))):
        html = shown(intersections(files, chest()).blocks)
        assert "Not computed: no crossing of groups" in html
        assert "<table" not in html


def test_crossings_that_were_left_out_are_said(run, chest, table, shown):
    why = "rows of hidden groups left out"
    log = {"suppressed": [{"table": "intersections", "why": why}]}
    tables = table("intersections", OLD)
    assert "are left out altogether" in shown(
        intersections(run(intersections=tables, disclosure_log=log), chest()).blocks
    )
    assert "left out" not in shown(intersections(run(intersections=tables), chest()).blocks)
