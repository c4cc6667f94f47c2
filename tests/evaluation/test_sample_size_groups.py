import math

import numpy as np
import pytest
from scipy import stats

from evaluation.sample_size import size_half_width, size_two_proportions
from evaluation.sample_size_groups import SIZE_COLUMNS, design_effect, sizes_by_group


def test_case_35_half_of_the_patients_need_199_diseased_and_all_4_times_1000_more():
    found = sizes_by_group({"women": 0.5}, value=0.9, difference=0.1, prevalence=0.05).iloc[0]
    assert found["n_counted"] == 199
    assert found["n_patients"] == 199 / 0.05
    assert found["n_patients_all"] == 199 / 0.05 / 0.5


def test_a_small_group_sets_the_size_of_the_cohort_and_stands_first():
    found = sizes_by_group(
        {"women": 0.5, "black": 0.05}, value=0.9, difference=0.1, prevalence=0.05
    )
    assert found["group"].tolist() == ["black", "women"]
    assert list(found) == SIZE_COLUMNS
    n = size_two_proportions(0.8, 0.9, ratio=19).n
    assert found.loc[0, "n_counted"] == n
    assert found.loc[0, "n_patients_all"] == n / 0.05 / 0.05


def test_a_half_width_asks_for_as_many_in_every_group():
    found = sizes_by_group({"a": 0.5, "b": 0.1}, value=0.9, half_width=0.05, prevalence=0.2)
    assert set(found["n_counted"]) == {size_half_width(0.9, 0.05).n}
    both = sizes_by_group(
        {"b": 0.1}, value=0.9, half_width=0.05, difference=0.3, prevalence=0.2
    ).iloc[0]
    assert both["n_counted"] == 139


def test_specificity_counts_the_healthy():
    found = sizes_by_group(
        {"women": 0.5}, value=0.9, difference=0.1, prevalence=0.2, counted="negative"
    ).iloc[0]
    assert found["n_patients"] == math.ceil(199 / 0.8)


def test_a_group_may_have_a_prevalence_of_its_own():
    found = sizes_by_group(
        {"young": 0.5}, value=0.9, difference=0.1, prevalence={"young": 0.02, "all": 0.06}
    ).iloc[0]
    # The rest then has .10, five diseased for each of the group.
    n = size_two_proportions(0.8, 0.9, ratio=5).n
    assert found["n_counted"] == n
    assert found["n_patients"] == n / 0.02
    with pytest.raises(ValueError, match=r"of all cannot be: with 0\.2 in young the rest"):
        sizes_by_group(
            {"young": 0.5}, value=0.9, difference=0.1, prevalence={"young": 0.2, "all": 0.06}
        )


def test_repeated_films_inflate_the_cases_and_not_the_patients_by_as_much():
    assert design_effect(4, 0) == 1
    assert design_effect(4, 1) == 4
    once = sizes_by_group({"a": 0.5}, value=0.9, difference=0.1, prevalence=0.1).iloc[0]
    copies = sizes_by_group(
        {"a": 0.5}, value=0.9, difference=0.1, prevalence=0.1, cases_per_patient=4, icc=1
    ).iloc[0]
    assert copies["n_counted"] == 4 * once["n_counted"]
    assert copies["n_patients"] == once["n_patients"]


def test_a_cohort_at_hand_gets_its_power_and_half_width():
    found = sizes_by_group(
        {"women": 0.5}, value=0.9, difference=0.1, prevalence=0.05, n_patients=199 / 0.025
    ).iloc[0]
    assert found["power_at_hand"] == pytest.approx(0.8, abs=0.001)
    assert found["n_at_hand"] == 3980
    assert found["half_width_at_hand"] == pytest.approx(1.959964 * math.sqrt(0.09 / 199))


@pytest.mark.slow
def test_a_tenth_of_the_patients_have_the_power_that_was_asked_for():
    found = sizes_by_group({"few": 0.1}, value=0.9, difference=0.1, prevalence=0.2).iloc[0]
    n = int(found["n_counted"])
    rng = np.random.default_rng(7)
    few, rest = rng.binomial(n, 0.8, 20_000) / n, rng.binomial(9 * n, 0.9, 20_000) / (9 * n)
    pooled = (few + 9 * rest) / 10
    z = (rest - few) / np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / (9 * n)))
    assert (z > stats.norm.ppf(0.975)).mean() == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"difference": None}, "at least one aim must be given"),
        ({"difference": 0.95}, "value less difference"),
        ({"counted": "ill"}, "counted 'ill' is none of"),
        ({"groups": {"all": 1.0}}, "share of all 1.0 must lie between 0 and 1"),
        ({"prevalence": {"men": 0.1}}, "prevalence names neither women nor 'all'"),
        ({"icc": 2.0}, "icc 2.0 must lie in"),
        ({"cases_per_patient": 0.5}, "cases_per_patient 0.5 must be 1 or more"),
    ],
)
def test_numbers_out_of_range_are_named(change, words):
    usual = {"groups": {"women": 0.5}, "value": 0.9, "difference": 0.1, "prevalence": 0.05}
    given = usual | change
    with pytest.raises(ValueError, match=words):
        sizes_by_group(given.pop("groups"), **given)
