import numpy as np
import pandas as pd
import pytest

from evaluation import (
    METRICS,
    EvaluationPlan,
    MissingStructure,
    case_metrics_of,
    case_rows,
    evaluate_segmentation,
    failed_case_metrics,
)

NONE, CUBE = np.zeros((64, 64, 64), bool), np.zeros((64, 64, 64), bool)
CUBE[10:20, 10:20, 10:20] = True
MORE = {"spacing_mm": (1.0, 1.0, 1.0), "tolerance_mm": 1.0}
DISTANCES = ("hd95_mm", "hd_mm", "assd_mm", "masd_mm")


@pytest.mark.parametrize(("penalty", "mm"), [("diagonal", 64 * 3**0.5), (50.0, 50.0)])
@pytest.mark.parametrize("both_empty", ["exclude", "perfect"])
def test_case_11_a_miss_has_every_figure_under_every_policy(penalty, mm, both_empty):
    missing = MissingStructure(both_empty=both_empty, penalty_mm=penalty)
    found = {
        "missed": case_metrics_of(CUBE, NONE, missing=missing, **MORE),
        "spurious": case_metrics_of(NONE, CUBE, missing=missing, **MORE),
        "failed": failed_case_metrics(CUBE, missing=missing, **MORE),
    }
    for outcome, got in found.items():
        assert got["outcome"] == outcome
        assert (got["dice"], got["iou"], got["nsd"]) == (0, 0, 0)
        assert [got[d] for d in DISTANCES] == pytest.approx([mm] * 4)
    assert found["missed"]["relative_volume_error"] == -1
    # A share of nothing is no number; what was invented stands in millilitres.
    assert np.isnan(found["spurious"]["relative_volume_error"])
    assert found["spurious"]["volume_error_ml"] == 1


def test_case_11_absent_is_perfect_or_nothing():
    perfect = case_metrics_of(NONE, NONE, missing=MissingStructure("perfect"), **MORE)
    assert (perfect["dice"], perfect["iou"], perfect["nsd"]) == (1, 1, 1)
    assert [perfect[d] for d in DISTANCES] == [0] * 4
    assert perfect["outcome"] == "absent"
    left_out = case_metrics_of(NONE, NONE, **MORE)
    assert np.isnan([left_out[d] for d in (*DISTANCES, "dice", "iou", "nsd")]).all()


def table(missing):
    """Return the rows of six patients with two structures: found, missed, absent."""
    rows = []
    pairs = [(CUBE, CUBE), (CUBE, NONE), (NONE, NONE)]
    for i in range(6):
        who = {"case_id": f"c{i}", "patient_id": f"p{i}", "split": "test"}
        for name, (reference, predicted) in (("a", pairs[i % 3]), ("b", pairs[0])):
            figures = case_metrics_of(reference, predicted, missing=missing, **MORE)
            rows += case_rows(who, name, figures)
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("missing", "dice", "hd", "mean", "words", "note"),
    [
        (MissingStructure(), 1 / 2, 64 * 3**0.5 / 2, (1 + 0.5 + 1) / 3,
         "missed, invented and failed structures are the image diagonal",
         "a: absent in 2 of 6 cases, left out."),
        (MissingStructure("perfect", penalty_mm=30.0), 2 / 3, 10.0, (1 + 0.5 + 1) / 3,
         "missed, invented and failed structures are 30 mm, those in neither mask 0",
         "a: absent in 2 of 6 cases, counted as perfect."),
    ],
)  # fmt: skip
def test_the_policy_counts_and_stands_with_the_number(missing, dice, hd, mean, words, note):
    plan = EvaluationPlan(
        "segmentation", ("a", "b"), ("mean",), "dice", tolerance_mm={"a": 1.0, "b": 1.0},
        missing=missing, n_boot=100,
    )  # fmt: skip
    found = evaluate_segmentation(table(missing), plan)
    rows = found.metrics.set_index(["target", "metric"])
    assert rows.loc[("a", "dice"), "value"] == pytest.approx(dice)
    assert rows.loc[("a", "hd_mm"), "value"] == pytest.approx(hd)
    assert rows.loc[("mean", "dice"), "value"] == pytest.approx(mean)
    assert words in rows.loc[("a", "hd95_mm"), "definition"]
    assert note in found.notes
    # Absent in 2, missed in 2: the share of volume is of the 4 that have one.
    assert rows.loc[("a", "relative_volume_error"), "value"] == pytest.approx(-0.5)
    assert (rows.loc["a", "definition"] != "").all()


def test_definitions_of_the_default_are_those_of_the_metrics():
    plan = EvaluationPlan("segmentation", ("a", "b"), ("mean",), "dice", n_boot=100)
    for _, row in evaluate_segmentation(table(MissingStructure()), plan).metrics.iterrows():
        assert row["definition"] == METRICS[row["metric"]].definition


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"both_empty": "zero"}, "both_empty 'zero' is none of exclude, perfect"),
        ({"missed": "exclude"}, "missed 'exclude' is not penalty"),
        ({"spurious": "exclude"}, "spurious 'exclude' is not penalty"),
        ({"penalty_mm": "none"}, "penalty_mm 'none' is neither"),
        ({"penalty_mm": 0.0}, "penalty_mm 0.0 must be a finite length above 0"),
        ({"penalty_mm": float("nan")}, "penalty_mm nan"),
    ],
)
def test_odd_policies_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        MissingStructure(**change)
