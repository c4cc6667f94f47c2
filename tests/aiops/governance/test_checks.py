"""What holds of every check at once: no evidence is no pass; words carry no small count."""

from datetime import date

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.governance.checks import CHECKS, CaseCheck, RunCheck, answer
from aiops.governance.dossier import Dossier
from aiops.governance.evidence import clears, read_evidence, worst

ASKS = {
    "metric_bound": {"at_least": 0.8, "group": "each"},
    "crossings_bound": {"at_least": 0.8},
    "net_benefit": {"threshold": 0.1},
    "group_size": {"at_least": 500},
    "failed_cases": {"at_most": 0.001},
    "card_blanks": {"at_most": 0},
    "role_named": {"fields": ["clinical_lead"]},
    "field_filled": {"fields": ["problem"]},
    "date_fresh": {"field": "market_scan_on", "at_most_months": 12},
    "fact_holds": {"holds": "kappa>=0.6"},
    "labels_done": {"at_least": 0.5},
    "feasible": {"against": ["R01"]},
    "step_approved": {"step": "G3"},
    "document": {"document": "dpia"},
    "holds_promise": {"margin": 0.05},
}
SETTLED_BY_NOTHING = {"conditions_kept", "audit_clean"}
"""A case without decisions has kept its conditions; the audit of the run below is clean."""


@pytest.fixture
def nothing(make_run):
    """Return the evidence of a run that measured nothing, and a case of which nothing is said."""
    folder = make_run(state="small_n", value=None, low=None, high=None, reading=2,
                      verdicts=("insufficient evidence",) * 2, n_patients=(6, 7))  # fmt: skip
    dossier = Dossier(date(2026, 11, 22), {})
    return read_evidence(folder, dossier=dossier), dossier


@pytest.mark.parametrize("name", sorted(set(CHECKS) - SETTLED_BY_NOTHING))
def test_no_evidence_never_passes(nothing, name):
    found = answer(name, ASKS.get(name, {}), *nothing)
    assert found.outcome != "pass"
    assert found.reason
    assert found.would_decide


@pytest.mark.parametrize("name", sorted(n for n, c in CHECKS.items() if isinstance(c, RunCheck)))
def test_no_word_carries_the_count_of_a_small_group(nothing, name):
    found = answer(name, ASKS.get(name, {}), *nothing)
    said = f"{found.value} {found.reason} {found.would_decide} {found.figures}"
    assert not {"6", "7"} & set(said.replace("=", " ").replace(";", " ").split())


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_what_is_not_there_to_be_read_is_undecided(name):
    found = answer(name, ASKS.get(name, {}), None, None)
    told = "the case is not in the register"
    if not isinstance(CHECKS[name], CaseCheck):
        told = "no evaluated run was named"
    assert (found.outcome, found.reason) == ("undecided", told)


@given(
    st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.booleans(),
    st.sampled_from(["ok", "small_n", "not_estimable", "suppressed"]),
)  # fmt: skip
def test_a_bound_is_cleared_by_the_whole_interval_or_not_at_all(a, b, value, better, state):
    low, high = sorted((a, b))
    outcome, words = clears("x", {"state": state, "low": low, "high": high}, value, better)
    inside = [p for p in (low, high) if (p >= value if better else p <= value)]
    if state != "ok":
        assert outcome == "undecided"
    elif outcome == "pass":
        assert len(inside) == 2
    elif outcome == "fail":
        assert not inside
    else:
        assert len(inside) == 1
    assert words.startswith("x: ")


@given(st.lists(st.sampled_from(["pass", "fail", "undecided"]), min_size=1))
def test_the_worst_counts(outcomes):
    assert worst(outcomes) == min(outcomes, key=["fail", "undecided", "pass"].index)


def test_tables_that_are_there_are_all_bound(make_run):
    folder = make_run()
    (folder / "tables").mkdir()
    pd.DataFrame({"a": [1]}).to_parquet(folder / "tables" / "anything.parquet")
    assert "tables/anything.parquet" in read_evidence(folder).sha256
    assert read_evidence(folder).table("anything")["a"].tolist() == [1]
    assert read_evidence(folder).table("nothing") is None
