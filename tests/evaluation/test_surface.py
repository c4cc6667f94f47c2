import json
import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import evaluation.surface
from evaluation import assd, diagonal_mm, dice, hd95, nsd, surface_distances
from evaluation.surface import border

DATA = Path(os.environ.get("AIOPS_DATA", "../shared/data"))


def mask(shape, *boxes):
    out = np.zeros(shape, bool)
    for box in boxes:
        out[tuple(slice(*part) for part in box)] = True
    return out


def points(shape, *where):
    out = np.zeros(shape, bool)
    for at in where:
        out[at] = True
    return out


def hd(d_reference, d_predicted):
    return max(d_reference.max(), d_predicted.max())


def test_case_1_an_outlier_pixel():
    a = mask((40, 40), ((5, 6), (10, 20)))
    b = a | points((40, 40), (25, 10))
    d = surface_distances(a, b, (1.0, 1.0))
    assert hd(*d) == 20
    assert hd95(*d) == pytest.approx(10.0)
    assert assd(*d) == pytest.approx(20 / 21)
    assert nsd(*d, 1.0) == pytest.approx(20 / 21)
    assert dice(a, b) == pytest.approx(20 / 21)


def test_case_2_three_points():
    a = points((12, 12), (2, 2))
    b = points((12, 12), (2, 2), (2, 5), (6, 2))
    d = surface_distances(a, b, (1.0, 1.0))
    assert sorted(d[1]) == [0, 3, 4]
    assert hd95(*d) == pytest.approx(3.9)
    assert assd(*d) == 1.75
    assert nsd(*d, 3.0) == 0.75
    assert dice(a, b) == 0.5


@pytest.mark.parametrize(("spacing", "mm"), [((2.0, 0.5), 1.5), ((0.5, 2.0), 6.0)])
def test_case_3_spacing_belongs_to_its_axis(spacing, mm):
    d = surface_distances(points((12, 12), (2, 2)), points((12, 12), (2, 5)), spacing)
    assert hd95(*d) == assd(*d) == mm
    assert nsd(*d, mm) == 1


def test_case_4_thick_slices():
    a, b = points((12,) * 3, (2, 5, 5)), points((12,) * 3, (4, 5, 5))
    d = surface_distances(a, b, (5.0, 1.0, 1.0))
    assert hd95(*d) == assd(*d) == 10
    assert nsd(*d, 9.9) == 0


def test_case_5_shifted_cubes():
    rest = ((4, 14), (4, 14))
    a, b = mask((20,) * 3, ((4, 14), *rest)), mask((20,) * 3, ((5, 15), *rest))
    d = surface_distances(a, b, (3.0, 1.0, 1.0))
    assert dice(a, b) == pytest.approx(0.9)
    assert hd(*d) == hd95(*d) == 3.0
    assert assd(*d) == pytest.approx(0.852459, abs=1e-6)
    assert nsd(*d, 1.0) == pytest.approx(0.721311, abs=1e-6)


def test_case_6_concentric_cubes():
    a, b = mask((20,) * 3, *[((5, 15),) * 3]), mask((20,) * 3, *[((4, 16),) * 3])
    d = surface_distances(a, b, (1.0, 1.0, 1.0))
    assert dice(a, b) == pytest.approx(2000 / 2728)
    assert hd(*d) == pytest.approx(np.sqrt(3))
    assert hd95(*d) == pytest.approx(np.sqrt(2))
    assert assd(*d) == pytest.approx(1.045692, abs=1e-6)
    assert nsd(*d, 1.0) == pytest.approx(0.894737, abs=1e-6)


def test_case_7_shifted_squares():
    a, b = mask((32, 32), ((8, 18), (8, 18))), mask((32, 32), ((8, 18), (10, 20)))
    d = surface_distances(a, b, (1.0, 1.0))
    assert dice(a, b) == pytest.approx(0.8)
    assert hd(*d) == hd95(*d) == 2
    assert assd(*d) == pytest.approx(1.0)
    assert nsd(*d, 1.0) == pytest.approx(20 / 36)
    d = surface_distances(a, b, (1.0, 3.0))
    assert hd(*d) == 6
    assert assd(*d) == pytest.approx(2.388889, abs=1e-6)
    assert nsd(*d, 1.0) == pytest.approx(0.5)


def test_case_13_masks_that_fill_the_image():
    a, b = np.ones((10, 10), bool), mask((10, 10), ((1, 10), (0, 10)))
    d = surface_distances(a, b, (1.0, 1.0))
    assert hd(*d) == 1
    assert assd(*d) == pytest.approx(9 / 35)
    assert dice(a, b) == pytest.approx(0.947368, abs=1e-6)


def test_case_11_the_diagonal():
    assert diagonal_mm((64, 64, 64), (1.0, 1.0, 1.0)) == pytest.approx(110.851, abs=1e-3)


def test_an_empty_mask_has_no_distance():
    some, none = np.ones((4, 4), bool), np.zeros((4, 4), bool)
    for d in (surface_distances(some, none, (1.0, 1.0)), surface_distances(none, some, (1.0, 1.0))):
        assert np.isnan([hd95(*d), assd(*d), nsd(*d, 1.0)]).all()


def test_border_is_the_mask_without_its_erosion():
    from scipy.ndimage import binary_erosion

    rng = np.random.default_rng(0)
    for shape in ((17, 13), (9, 8, 7)):
        m = rng.random(shape) < 0.8
        assert (border(m) == (m ^ binary_erosion(m))).all()


def test_tree_and_map_agree(monkeypatch):
    rng = np.random.default_rng(0)
    a, b = rng.random((20, 18, 9)) < 0.1, rng.random((20, 18, 9)) < 0.2
    tree = surface_distances(a, b, (0.7, 0.7, 2.5))
    monkeypatch.setattr(evaluation.surface, "MAP_S", 0.0)
    by_map = surface_distances(a, b, (0.7, 0.7, 2.5))
    for one, other in zip(tree, by_map, strict=True):
        assert np.sort(one) == pytest.approx(np.sort(other), abs=1e-12)


def test_three_steps_of_a_tenth_are_within_three_tenths():
    d = surface_distances(points((9, 9), (2, 2)), points((9, 9), (2, 5)), (0.1, 0.1))
    assert nsd(*d, 0.3) == 1


def test_distances_agree_with_monai():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch = pytest.importorskip("torch")
        metrics = pytest.importorskip("monai.metrics")
        rng = np.random.default_rng(3)
        for _ in range(3):
            pair = [np.zeros((24, 20, 12), bool) for _ in range(2)]
            for m in pair:
                lo = rng.integers(2, 8, 3)
                m[lo[0] : lo[0] + 9, lo[1] : lo[1] + 8, lo[2] : lo[2] + 4] = True
                m[tuple(rng.integers(2, 10, 3))] = True
            spacing = (0.8, 1.5, 3.0)
            one, two = (torch.from_numpy(m[None, None].astype(np.float32)) for m in pair)
            d = surface_distances(pair[0], pair[1], spacing)
            peer = metrics.compute_hausdorff_distance(
                two, one, include_background=True, percentile=95, spacing=spacing
            )
            assert hd95(*d) == pytest.approx(float(peer), abs=1e-4)
            peer = metrics.compute_surface_dice(
                two, one, [1.0], include_background=True, spacing=spacing
            )
            assert nsd(*d, 1.0) == pytest.approx(float(peer), abs=1e-5)


def reference(name):
    file = DATA / "metric_references" / name
    if not file.exists():
        pytest.skip(f"no real data: {file.name} under AIOPS_DATA")
    return file


def test_edge_cases_agree_with_other_tools():
    cases = json.loads(reference("edge_cases.json").read_text())["cases"]
    expected = pd.read_csv(reference("edge_cases_expected.csv")).set_index("case")
    n = 0
    for case in cases:
        row = expected.loc[case["name"]]
        a, b = (
            mask(case["shape"], *[tuple(zip(*box, strict=True)) for box in case[k]])
            for k in ("ref_boxes", "pred_boxes")
        )
        if not (a.any() and b.any()):
            continue
        d = surface_distances(a, b, tuple(case["spacing_mm"]))
        assert dice(a, b) == pytest.approx(float(row["metrics_reloaded.dsc"]), abs=1e-6)
        assert hd95(*d) == pytest.approx(float(row["metrics_reloaded.hd95"]), abs=1e-5)
        assert assd(*d) == pytest.approx(float(row["medpy.assd"]), abs=2e-3)
        assert assd(*d) == pytest.approx(float(row["metrics_reloaded.assd"]), abs=1e-5)
        for mm in (1, 2, 3):
            peer = float(row[f"metrics_reloaded.nsd_{mm}mm"])
            assert nsd(*d, mm) == pytest.approx(peer, abs=1e-6)
        n += 1
    assert n >= 12


def test_real_pairs_agree_with_other_tools():
    nibabel = pytest.importorskip("nibabel")
    expected = pd.read_csv(reference("segmentation_pairs_expected.csv"))
    rows = expected[expected["pair"] == "totalseg_full_vs_fast"].head(12)
    folder = DATA / "ct_totalsegmentator"
    files = [next(iter(folder.rglob(f"example_seg{s}.nii.gz")), None) for s in ("", "_fast")]
    if None in files:
        pytest.skip("no real data: ct_totalsegmentator under AIOPS_DATA")
    images = [nibabel.load(f) for f in files]
    spacing = tuple(float(z) for z in images[0].header.get_zooms()[:3])
    labels = [np.asarray(i.dataobj).astype(int) for i in images]
    for _, row in rows.iterrows():
        a, b = (values == row["label"] for values in labels)
        assert (a.sum(), b.sum()) == (row["n_ref"], row["n_pred"])
        d = surface_distances(a, b, spacing)
        if not (a.any() and b.any()):
            continue
        for ours, name in ((hd95(*d), "hd95"), (assd(*d), "assd"), (nsd(*d, 1), "nsd_1mm")):
            peer = float(row[f"metrics_reloaded.{name}"])
            assert ours == pytest.approx(peer, abs=2e-5), (row["name"], name)


@pytest.mark.parametrize("spacing", [(1.0,), (1.0, 0.0), (1.0, -1.0)])
def test_odd_spacing_is_named(spacing):
    with pytest.raises(ValueError, match="spacing_mm"):
        surface_distances(np.ones((3, 3), bool), np.ones((3, 3), bool), spacing)


def test_odd_masks_and_tolerances_are_named():
    with pytest.raises(ValueError, match="masks have 1 axes"):
        surface_distances(np.ones(3, bool), np.ones(3, bool), (1.0,))
    with pytest.raises(ValueError, match="tolerance_mm -1"):
        nsd(np.zeros(1), np.zeros(1), -1.0)
