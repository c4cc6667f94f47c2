import pandas as pd
import pytest

from aiops.report.afterwards import hidden_words, overall_word, seen_afterwards, without_verdict
from aiops.report.glance import at_a_glance
from aiops.report.known import found, unknowns
from aiops.report.practice import safety
from aiops.report.sheet import clinician_sheet
from aiops.report.verdict import verdict_page

METRIC = {"target": "effusion", "attribute": "all", "group": "all", "state": "ok", "reason": "",
          "n_patients": 700, "n_cases": 700, "n_positive": 300, "n_failed": 0}  # fmt: skip
GAP = {"target": "effusion", "group": "south", "prespecified": False, "verdict": "",
       "n_patients": 195, "chance_gap": 0.04, "reason": ""}  # fmt: skip
SOUTH = {**METRIC, "attribute": "site", "group": "south", "n_patients": 195, "n_cases": 195,
         "rounded_to": 5.0}  # fmt: skip
FIGURES = ((0.70, 0.60, 0.79, -0.27, -0.38, -0.18), (0.53, 0.44, 0.62, -0.47, -0.56, -0.38))


def files_of(run, attributes=("site",), **changes):
    """A tool that is fine over all and by sex, and misses 30 of 100 at one site."""
    rows = [{**METRIC, "metric": m, "value": v, "low": v - 0.03, "high": v + 0.03}
            for m, v in (("roc_auc", 0.96), ("sensitivity", 0.9), ("specificity", 0.87))
            ]  # fmt: skip
    gaps = [{**GAP, "attribute": "sex", "group": "male", "prespecified": True, "metric": "roc_auc",
             "verdict": "adequate", "margin": 0.1, "value": 0.0, "low": -0.02, "high": 0.02}
            ]  # fmt: skip
    for attribute in attributes:
        for metric, told in zip(("sensitivity", "specificity"), FIGURES, strict=True):
            value, low, high, gap, gap_low, gap_high = told
            rows.append({**SOUTH, "attribute": attribute, "metric": metric, "value": value,
                         "low": low, "high": high})  # fmt: skip
            gaps.append({**GAP, "attribute": attribute, "metric": metric, "value": gap,
                         "low": gap_low, "high": gap_high, **changes})  # fmt: skip
    evaluation = {"margin": 0.1, "primary": [rows[0]],
                  "verdict": {"overall": "adequate", "by_attribute": {"sex": "adequate"}},
                 }  # fmt: skip
    return run(metrics=pd.DataFrame(rows), gaps=pd.DataFrame(gaps), evaluation=evaluation)


SAID = (
    "of every 100 patients with effusion, 30 are missed (it could be 21 to 40; 3 in the rest); of "
    "every 100 without it, 47 give a false alarm (it could be 38 to 56; none in the rest)."
)


def test_a_site_far_worse_is_told_on_page_one_with_misses_and_false_alarms(run, chest):
    files = files_of(run)
    page = verdict_page(files, chest())
    last = page.groups[-1]
    assert (last.title, last.chip.word) == ("Not named in advance", "far worse, not proven")
    assert "In “south” (site), about 195 of 700 patients: " + SAID in last.sentence
    assert "look into it" in last.sentence
    # The plan's verdict is adequate; the page is no greener than what was seen.
    assert page.overall.word == "concern"
    assert at_a_glance(files, chest())[1].chip.word == "concern"
    assert any("means over all patients" in line for line in found(files, chest()))


def test_it_stands_under_safety_and_on_the_sheet_too(run, chest, shown):
    files = files_of(run)
    assert SAID in shown(safety(files, chest()).blocks)
    sheet = clinician_sheet(files, chest())
    assert any("Seen afterwards, not proven" in w and SAID in w for w in sheet.worse)
    assert "for some groups it is worse" in sheet.tested
    assert any("do not take an alarm as right" in line for line in sheet.then)


def test_one_group_under_two_names_is_told_once(run, chest):
    seen = seen_afterwards(files_of(run, attributes=("site", "scanner")), chest())
    assert [s.named for s in seen] == ["“south” (site) = “south” (scanner)"]


@pytest.mark.parametrize(
    "changes",
    [
        {"value": -0.08},  # within the margin
        {"high": -0.03},  # within what chance would show
        {"value": None, "low": None, "high": None},  # hidden
        {"target": "other"},  # not a primary target
    ],
)
def test_what_is_small_chance_or_hidden_is_not_told_as_far_worse(run, chest, changes):
    files = files_of(run, **changes)
    assert seen_afterwards(files, chest()) == ()
    assert overall_word(files, chest()) == "adequate"


def test_a_named_group_that_ranks_well_but_is_missed_more_is_seen(run, chest):
    files = files_of(run, attributes=("sex",), prespecified=True)
    assert [s.group for s in seen_afterwards(files, chest())] == ["south"]


def test_hidden_and_unnamed_groups_are_listed_among_the_unknown(run, chest):
    old = {**METRIC, "metric": "roc_auc", "attribute": "age", "group": "60+", "reason": "hidden",
           "state": "suppressed", "n_patients": None, "value": None}  # fmt: skip
    files = files_of(run)
    files.metrics.loc[len(files.metrics)] = old
    assert hidden_words(files, chest()) == "age “60+”"
    assert without_verdict(files, chest()) == ["site", "age"]
    told = " ".join(unknowns(files, chest()))
    assert "How it does for age “60+”: hidden" in told
    assert "By site and age: no verdict" in told
    for words in ("who read the reference", "people you serve", "how common the disease",
                  "harm of a miss", "hazard log", "another hospital", "dates"):  # fmt: skip
        assert words in told
    sheet = " ".join(clinician_sheet(files, chest()).unknown)
    assert "age “60+”" in sheet
    assert "No verdict, for not named in advance: site and age" in sheet
