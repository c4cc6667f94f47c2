import numpy as np
import pytest

from evaluation.intraclass import icc

# Shrout PE, Fleiss JL. Psychol Bull 1979;86:420-428, table 2: six targets, four judges.
SHROUT = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)


def test_icc_of_shrout_and_fleiss():
    agreement, consistency = icc(SHROUT), icc(SHROUT, kind="consistency")
    assert agreement.value == pytest.approx(0.29, abs=0.005)
    assert consistency.value == pytest.approx(0.71, abs=0.005)
    # McGraw and Wong's limits of this table, as printed by the R packages psych and irr.
    assert (agreement.low, agreement.high) == pytest.approx((0.019, 0.761), abs=5e-4)
    assert (consistency.low, consistency.high) == pytest.approx((0.342, 0.946), abs=5e-4)
    assert (agreement.state, agreement.reason) == ("small_n", "6 patients; 10 are needed")


def test_a_reader_who_always_measures_more_costs_agreement_alone():
    rng = np.random.default_rng(3)
    size = rng.normal(50, 10, 60)
    both = np.column_stack([size + rng.normal(0, 2, 60), size + rng.normal(0, 2, 60)])
    shifted = both + np.array([0, 15])
    assert icc(shifted, kind="consistency").value == pytest.approx(
        icc(both, kind="consistency").value
    )
    assert icc(shifted).value < icc(both).value - 0.2


def test_an_icc_without_variance_or_patients_is_not_estimable():
    flat = icc(np.full((20, 2), 3.0))
    assert (flat.state, flat.reason) == ("not_estimable", "no two measurements differ")
    assert np.isnan(flat.value)
    assert icc(np.ones((1, 2))).reason == "fewer than 2 patients"
    perfect = icc(np.column_stack([np.arange(12.0)] * 2))
    assert perfect.value == pytest.approx(1)
    assert np.isnan(perfect.low)
    assert perfect.reason == "no interval: no difference between readers"


@pytest.mark.parametrize("kind", ["agreement", "consistency"])
@pytest.mark.parametrize("readings", [[1.0, 2, 3], [0.1, 0.3, 0.7]])
def test_readers_who_give_all_patients_the_same_measure_nothing(kind, readings):
    found = icc(np.tile(readings, (12, 1)), kind=kind)
    assert (found.state, np.isnan(found.value)) == ("not_estimable", True)
    assert found.reason == "each reader measured the same in all patients"


def test_intervals_of_icc_hold_their_level():
    rng = np.random.default_rng(4)
    held = {"agreement": 0, "consistency": 0}
    truth = {"agreement": 4 / (4 + 0.25 + 1), "consistency": 4 / 5}
    for _ in range(600):
        readers_off = rng.normal(0, 0.5, 5)
        table = rng.normal(0, 2, 25)[:, None] + readers_off + rng.normal(0, 1, (25, 5))
        for kind, true in truth.items():
            found = icc(table, kind=kind)
            held[kind] += found.low <= true <= found.high
    assert min(held.values()) / 600 >= 0.93
    assert held["consistency"] / 600 <= 0.975


def test_bad_ratings_are_errors_that_count():
    with pytest.raises(ValueError, match="ratings lack 1 of 4 ratings"):
        icc(np.array([[1, np.nan], [2, 3]]))
    with pytest.raises(ValueError, match="1 rows are of a patient who is there already"):
        icc(np.ones((3, 2)), patient_id=np.array(["a", "a", "b"]))
    with pytest.raises(ValueError, match="kind 'mean' is none of"):
        icc(SHROUT, kind="mean")
    with pytest.raises(ValueError, match="must be patients × 2 readers or more"):
        icc(np.ones(4))
