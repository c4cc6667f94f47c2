import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from aiops.report.disclosure import HIDDEN, WITHHELD, hidden_groups, is_small, suppress


def metrics(rows) -> pd.DataFrame:
    """Rows of (target, group, patients, positives)."""
    table = pd.DataFrame(rows, columns=["target", "group", "n_patients", "n_positive"])
    return table.assign(
        attribute=np.where(table["group"] == "all", "all", "sex"),
        metric="roc_auc",
        n_cases=table["n_patients"],
        n_failed=0,
        value=0.8,
        low=0.7,
        high=0.9,
        state="ok",
        reason="",
    )


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 60), min_size=1))
def test_no_small_count_is_shown_nor_had_by_subtraction(counts):
    table = pd.DataFrame({"n": pd.Series(counts)})
    hidden = hidden_groups(table)
    shown = {group: n for group, n in counts.items() if group not in hidden}
    assert not any(1 <= n <= 7 for n in shown.values())
    rest = sum(counts.values()) - sum(shown.values())
    if shown and hidden:
        assert len(hidden) >= 2
        assert not is_small(pd.Series([rest])).any()


def test_nothing_is_hidden_where_nothing_is_small():
    table = metrics([("t", "all", 100, 40), ("t", "f", 60, 22), ("t", "m", 40, 18)])
    hidden, _ = suppress(table, pd.DataFrame())
    assert list(hidden["state"]) == ["ok"] * 3


def test_a_small_group_takes_the_next_smallest_with_it_and_says_which_is_which():
    table = metrics(
        [("t", "all", 150, 60), ("t", "f", 80, 30), ("t", "m", 65, 28), ("t", "x", 5, 2)]
    )
    hidden = suppress(table, pd.DataFrame())[0].set_index("group")
    assert hidden.loc["x", "reason"] == HIDDEN
    assert hidden.loc["m", "reason"] == WITHHELD
    assert (
        hidden.loc[["x", "m"], ["n_patients", "n_positive", "value", "low"]].isna().all(axis=None)
    )
    assert hidden.loc["f", "n_patients"] == 80
    assert hidden.loc["all", "n_patients"] == 150


def test_a_group_of_few_is_hidden_with_the_same_others_in_every_target():
    groups = [("f", 80), ("m", 65), ("w", 90), ("x", 5)]
    rows = [(t, g, n, 20) for t in ("a", "b") for g, n in groups]
    rows[2] = ("a", "w", 90, 3)  # few positives in one target only
    table, _ = suppress(metrics(rows), pd.DataFrame())
    for target in ("a", "b"):
        lost = table[(table["target"] == target) & table["n_patients"].isna()]
        assert set(lost["group"]) == {"m", "x"}


def test_few_healthy_are_as_telling_as_few_diseased():
    table = metrics([("t", "f", 80, 76), ("t", "m", 60, 30), ("t", "w", 70, 40)])
    hidden = suppress(table, pd.DataFrame())[0].set_index("group")
    assert hidden.loc["f", "state"] == "suppressed"
    assert hidden.loc["f", "n_patients"] == 80
    assert np.isnan(hidden.loc["f", "n_positive"])


def test_gaps_lose_their_figures_but_keep_their_verdict():
    table = metrics([("t", "f", 80, 30), ("t", "m", 65, 28), ("t", "x", 5, 2)])
    gaps = table[["target", "attribute", "group", "n_patients", "value", "reason"]].assign(
        low_simultaneous=-0.2, verdict="insufficient evidence", n_needed=300
    )
    gaps.loc[gaps["group"] == "x", "reason"] = "only 2 positives"
    hidden = suppress(table, gaps)[1].set_index("group")
    assert hidden.loc[["m", "x"], ["value", "low_simultaneous", "n_needed"]].isna().all(axis=None)
    assert hidden.loc["x", "reason"] == HIDDEN
    assert list(hidden["verdict"]) == ["insufficient evidence"] * 3
    assert hidden.loc["f", "value"] == 0.8


def test_the_tables_given_are_left_as_they_are():
    table = metrics([("t", "f", 80, 30), ("t", "x", 5, 2)])
    before = table.copy()
    suppress(table, pd.DataFrame())
    pd.testing.assert_frame_equal(table, before)
