from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from aiops.config import EvaluationConfig
from aiops.config_rules import tolerances_are_structures
from aiops.pipeline.structures import case_metrics_of_masks
from evaluation import case_metrics_of, failed_case_metrics

SPACING = (1.0, 1.5, 3.0)
LABELS = {"left": 1, "right": 3}


def experiment(**evaluation):
    return SimpleNamespace(structures=LABELS, evaluation=EvaluationConfig(**evaluation))


def saved(path, array):
    image = nib.Nifti1Image(array.astype(np.uint8), np.diag([*SPACING, 1.0]))
    nib.save(image, path)
    return str(path)


@pytest.fixture
def masks(tmp_path):
    """Five cases: found, one structure missed, failed, a broken file, another grid."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(5):
        truth = np.zeros((20, 16, 10), int)
        truth[2:9, 3:12, 2:8], truth[11:18, 4:12, 1:7] = 1, 3
        tool = np.where(rng.random(truth.shape) < 0.03, 0, np.roll(truth, i % 2, axis=0))
        if i == 1:
            tool[tool == 3] = 0
        reference = saved(tmp_path / f"ref{i}.nii.gz", truth)
        predicted = saved(tmp_path / f"pred{i}.nii.gz", tool[:, :, :9] if i == 4 else tool)
        if i == 3:
            (tmp_path / "pred3.nii.gz").write_bytes(b"no image")
        rows += [
            {
                "case_id": f"c{i}", "patient_id": f"p{i}", "split": "test", "structure": name,
                "reference": reference, "predicted": predicted, "sex": "FM"[i % 2],
                "status": "failed" if i == 2 else "ok", "reason": "timed out" if i == 2 else "",
            }
            for name in LABELS
        ]  # fmt: skip
    return pd.DataFrame(rows)


def arrays(masks, case):
    row = masks[masks["case_id"] == case].iloc[0]
    return [np.asarray(nib.load(row[k]).dataobj) for k in ("reference", "predicted")]


def figures(table, case, structure):
    part = table[(table["case_id"] == case) & (table["structure"] == structure)]
    return part.set_index("metric")["value"].to_dict(), part["outcome"].iloc[0], part.iloc[0]


def test_figures_are_those_of_each_structure_by_itself(masks):
    table = case_metrics_of_masks(
        masks, experiment(tolerance_mm={"left": 1.0}), lambda done, total: None
    )
    for case in ("c0", "c1"):
        truth, tool = arrays(masks, case)
        for name, value in LABELS.items():
            alone = case_metrics_of(
                truth == value, tool == value, spacing_mm=SPACING,
                tolerance_mm=1.0 if name == "left" else None,
            )  # fmt: skip
            got, outcome, _ = figures(table, case, name)
            assert outcome == alone.pop("outcome")
            assert got == pytest.approx(alone, nan_ok=True)
    assert figures(table, "c1", "right")[1] == "missed"


@pytest.mark.parametrize(
    ("case", "why"),
    [("c2", "timed out"), ("c3", "cannot be read"), ("c4", "not on the reference's grid")],
)
def test_a_case_without_a_prediction_costs_a_miss_and_says_why(masks, case, why):
    table = case_metrics_of_masks(masks, experiment(), lambda done, total: None)
    truth = arrays(masks[masks["case_id"] == "c2"], "c2")[0]
    got, outcome, row = figures(table, case, "left")
    want = failed_case_metrics(truth == 1, spacing_mm=SPACING, tolerance_mm=None)
    assert outcome == want.pop("outcome") == "failed"
    assert got == pytest.approx(want, nan_ok=True)
    if case != "c3":
        assert why in row["reason"]
    assert row["reason"]


def test_rows_do_not_depend_on_how_many_work(masks):
    done = []
    one = case_metrics_of_masks(masks, experiment(), lambda *at: done.append(at), n_jobs=1)
    many = case_metrics_of_masks(
        masks.sample(frac=1, random_state=1), experiment(), lambda *at: None, n_jobs=4
    )
    keys = ["case_id", "structure", "metric"]
    pd.testing.assert_frame_equal(
        one.sort_values(keys, ignore_index=True), many.sort_values(keys, ignore_index=True)
    )
    assert one["case_id"].is_monotonic_increasing
    assert many["case_id"].is_monotonic_increasing
    assert done == [(i, 5) for i in range(1, 6)]


def test_config_says_penalty_and_lesions(masks):
    said = experiment(missing={"penalty_mm": 77.0}, lesions={"right": 0.1})
    table = case_metrics_of_masks(masks, said, lambda done, total: None)
    got, _, _ = figures(table, "c1", "right")
    assert got["hd95_mm"] == 77.0
    assert (got["n_lesions_reference"], got["n_lesions_found"]) == (1, 0)
    assert "n_lesions_found" not in figures(table, "c1", "left")[0]
    assert figures(table, "c2", "right")[0]["n_lesions_reference"] == 1


@pytest.mark.parametrize(
    ("lesions", "metric", "what"),
    [
        ({"lift": 0.1}, "dice", "'lift' is not a structure"),
        ({"left": 1.5}, "dice", "an overlap over union of 1.5 is none"),
        ({}, "lesion_f1", "'left' is not said to consist of lesions"),
    ],
)
def test_what_is_said_of_lesions_must_fit(lesions, metric, what):
    data = {
        "task": "segmentation", "targets": LABELS, "evaluation": {"lesions": lesions},
        "primary": {"metric": metric, "target": "left"},
    }  # fmt: skip
    assert what in [found[1] for found in tolerances_are_structures(data)]
    fine = data | {"evaluation": {"lesions": {"left": 0.1}}}
    assert list(tolerances_are_structures(fine)) == []
