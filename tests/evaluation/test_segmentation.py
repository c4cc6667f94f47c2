import numpy as np
import pandas as pd
import pytest

from evaluation import case_metrics_of, case_rows, failed_case_metrics, with_mean_rows

SPACING = (1.0, 1.0, 1.0)
NONE = np.zeros((64, 64, 64), bool)
CUBE = NONE.copy()
CUBE[10:20, 10:20, 10:20] = True
PENALTY = 64 * np.sqrt(3)


def of(reference, predicted):
    return case_metrics_of(reference, predicted, spacing_mm=SPACING, tolerance_mm=1.0)


def test_case_11_absent():
    got = of(NONE, NONE)
    assert got.pop("outcome") == "absent"
    assert got.pop("volume_reference_ml") == got.pop("volume_predicted_ml") == 0
    assert np.isnan(list(got.values())).all()


@pytest.mark.parametrize(
    ("pair", "outcome", "error"), [((CUBE, NONE), "missed", -1.0), ((NONE, CUBE), "spurious", 1.0)]
)
def test_case_11_missed_and_spurious_are_never_nan(pair, outcome, error):
    got = of(*pair)
    assert got["outcome"] == outcome
    assert (got["dice"], got["nsd"]) == (0, 0)
    assert got["hd95_mm"] == got["assd_mm"] == pytest.approx(PENALTY)
    assert got["volume_error_ml"] == pytest.approx(error)


def test_failed_costs_what_missed_costs():
    failed = failed_case_metrics(CUBE, spacing_mm=SPACING, tolerance_mm=1.0)
    assert failed == of(CUBE, NONE) | {"outcome": "failed"}


def test_found():
    got = of(CUBE, CUBE)
    assert (got["dice"], got["nsd"], got["hd95_mm"], got["outcome"]) == (1, 1, 0, "found")


def test_without_a_tolerance_there_is_no_nsd():
    for predicted in (CUBE, NONE):
        got = case_metrics_of(CUBE, predicted, spacing_mm=SPACING, tolerance_mm=None)
        assert np.isnan(got["nsd"])
    failed = failed_case_metrics(CUBE, spacing_mm=SPACING, tolerance_mm=None)
    assert np.isnan(failed["nsd"])


def test_labels_are_not_masks():
    with pytest.raises(ValueError, match="masks are bool, one structure at a time"):
        case_metrics_of(CUBE.astype(int), CUBE, spacing_mm=SPACING, tolerance_mm=1.0)


def long(*cases):
    """Return rows for cases given as {structure: (dice, outcome)}."""
    rows = []
    for i, structures in enumerate(cases):
        for name, (value, outcome) in structures.items():
            rows += case_rows(
                {"case_id": f"c{i}", "patient_id": f"p{i}", "split": "test"},
                name,
                {"dice": value, "volume_error_ml": 0.0, "outcome": outcome},
            )
    return pd.DataFrame(rows)


def test_mean_over_structures_leaves_out_the_absent_alone():
    table = with_mean_rows(
        long(
            {"a": (0.8, "found"), "b": (0.6, "found")},
            {"a": (0.8, "found"), "b": (np.nan, "absent")},
            {"a": (0.8, "found"), "b": (0.0, "missed")},
            {"a": (np.nan, "absent"), "b": (np.nan, "absent")},
        )
    )
    mean = table[table["structure"] == "mean"].set_index("case_id")
    assert mean["value"].tolist()[:3] == pytest.approx([0.7, 0.8, 0.4])
    assert np.isnan(mean.loc["c3", "value"])
    assert mean["outcome"].tolist() == ["found", "found", "missed", "absent"]
    assert set(mean["metric"]) == {"dice"}
    assert len(with_mean_rows(table)) == len(table)


def test_a_figure_that_is_missing_without_reason_is_not_averaged_away():
    table = with_mean_rows(long({"a": (np.nan, "found"), "b": (0.6, "found")}))
    assert np.isnan(table.loc[table["structure"] == "mean", "value"]).all()


def test_one_structure_has_no_mean():
    table = long({"a": (0.8, "found")})
    assert with_mean_rows(table) is table


def test_an_unknown_outcome_is_named():
    with pytest.raises(ValueError, match=r"outcome \['lost'\]"):
        with_mean_rows(long({"a": (0.8, "lost"), "b": (0.6, "found")}))
