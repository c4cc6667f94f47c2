import pandas as pd

from aiops.report.trust import agreement, calibration, probabilities

ALL = {"target": "effusion", "attribute": "all", "group": "all", "n_cases": 400, "n_positive": 90,
       "n_patients": 300, "ece": 0.08, "low": 0.05, "high": 0.11, "expected": 0.03,
       "expected_high": 0.05}  # fmt: skip
WOMEN = {**ALL, "attribute": "sex", "group": "female", "ece": 0.04, "low": 0.0, "high": 0.09}
HIDDEN = {"target": "effusion", "attribute": "sex", "group": "other", "state": "suppressed",
          "reason": "hidden (<8)"}  # fmt: skip
BIN = {"target": "effusion", "attribute": "all", "group": "all", "bin": 0, "edge_low": 0.0,
       "edge_high": 0.1, "n_cases": 100, "n_positive": 4, "predicted": 0.05, "observed": 0.04,
       "low": 0.01, "high": 0.1}  # fmt: skip


def test_the_calibration_error_stands_beside_that_of_a_perfect_tool(run, chest, table, shown):
    files = run(
        calibration=table("calibration", ALL, WOMEN, HIDDEN),
        calibration_bins=table("calibration_bins", BIN),
    )
    html = shown(calibration(files, chest()))
    assert "8.0 (5.0 to 11.0)" in html
    assert "3.0 (5.0)" in html
    assert "off by 8.0 points of 100 on average; a perfect tool would show about 3.0." in html
    assert (
        "For no group is it shown to be off by more than chance would. 1 group is hidden." in html
    )
    assert "hidden (&lt;8)" in html
    assert "0% to 10%" in html
    # The error of everyone is more than chance, that of women is not.
    everyone, women = html.index("everyone"), html.index("female (sex)")
    assert ">yes<" in html[everyone:women]
    assert ">not shown<" in html[women:]


def test_no_calibration_table_gives_no_block(run, chest, table):
    assert calibration(run(), chest()) == []
    assert calibration(run(calibration=table("calibration")), chest()) == []


def test_limits_of_agreement_have_intervals_and_a_sentence(run, table, shown):
    row = {"structure": "kidney_left", "quantity": "volume_ml", "n_cases": 40, "n_patients": 40,
           "bias": -1.5, "bias_low": -2.5, "bias_high": -0.5, "lower": -8.0, "lower_low": -9.5,
           "lower_high": -6.5, "upper": 5.0, "upper_low": 3.5, "upper_high": 6.5}  # fmt: skip
    small = {**row, "structure": "cyst", "lower": -1.0, "upper": 1.0}
    html = shown(agreement(run(agreement=table("agreement", small, row))))
    assert "−1.5 ml (−2.5 to −0.50 ml)" in html
    said = "They agree least for kidney left: in about 95 of 100 cases the measured volume is off "
    assert f"{said}by −8.0 ml to +5.0 ml." in html
    assert agreement(run()) == []


def test_page_one_takes_level_spread_and_error_of_the_probabilities_together(run, chest, table):
    rows = [{"target": "effusion", "attribute": "all", "group": "all", "metric": m, "value": v,
             "low": v - 0.1, "high": v + 0.1}
            for m, v in (("calibration_intercept", 0.05), ("calibration_slope", 1.6))]  # fmt: skip
    files = run(metrics=pd.DataFrame(rows), calibration=table("calibration", ALL, WOMEN))
    assert probabilities(files, chest()) == (
        "Its probabilities of effusion are right over all, as far as one can tell; too timid; off "
        "by 8.0 points of 100 on average, more than chance."
    )
    assert probabilities(run(metrics=pd.DataFrame(rows).head(0)), chest()) == ""


def test_of_many_targets_page_one_counts_those_whose_probabilities_are_off(run, chest, table):
    names = ("effusion", "mass")
    several = chest(targets={n: {"label": n, "positive": [1]} for n in names},
                    primary={"target": list(names), "metric": "roc_auc"})  # fmt: skip
    fine = {**ALL, "target": "mass", "ece": 0.01}
    told = probabilities(run(calibration=table("calibration", ALL, fine)), several)
    assert "probabilities of effusion" in told
    assert told.endswith("Off more than chance: 1 of 2 targets.")


def test_bins_that_are_all_hidden_are_one_line(run, chest, table, shown):
    gone = {k: BIN[k] for k in ("target", "bin", "edge_low", "edge_high")}
    gone |= {"attribute": "sex", "group": "female", "state": "suppressed"}
    files = run(
        calibration=table("calibration", ALL), calibration_bins=table("calibration_bins", BIN, gone)
    )
    assert "The bins are hidden for female (sex)." in shown(calibration(files, chest()))


def test_examinations_are_not_called_patients_or_cases(run, chest, table, shown):
    files = run(calibration=table("calibration", ALL), evaluation={"unit": "study"})
    html = shown(calibration(files, chest()))
    assert html.index(">Patients<") < html.index(">Examinations<")
    assert ">Diseased examinations<" in html
