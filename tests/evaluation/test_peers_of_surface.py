"""Definitions that differ from ours, written out, so that the difference is known and not feared.

Surface-distance (google-deepmind) weighs distances by the area of the surface elements that a
2 x 2 (x 2) neighbourhood stands for; MONAI's surface Dice of several classes is taken class by
class. Their published values stand beside ours.
"""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluation import (
    assd,
    case_metrics_of,
    dice,
    hd,
    hd95,
    iou,
    label_map_metrics,
    masd,
    nsd,
    surface_distances,
)

DATA = Path(os.environ.get("AIOPS_DATA", "../shared/data"))
WRONG_IN_PEERS = ("both_empty_3d", "empty_pred_3d", "empty_ref_3d", "both_empty_2d")


def boxed(shape, boxes):
    out = np.zeros(shape, bool)
    for start, stop in boxes:
        out[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = True
    return out


def test_case_8_two_points_of_surface_distance():
    a, b = np.zeros((128, 128), bool), np.zeros((128, 128), bool)
    a[50, 70] = b[50, 72] = True
    d = surface_distances(a, b, (2.0, 1.0))
    # Theirs: mean distance (1.5, 1.5), HD 2.0, NSD(1) 0.5: a pixel has corners, which are nearer.
    # Ours measures from centre to centre, and the pixels are 2 mm apart.
    assert (d[0].tolist(), d[1].tolist()) == ([2.0], [2.0])
    assert hd(*d) == 2.0
    assert nsd(*d, 1.0) == 0.0
    assert nsd(*d, 2.0) == 1.0


def test_case_9_half_a_volume_of_surface_distance():
    a, b = np.zeros((100,) * 3, bool), np.zeros((100,) * 3, bool)
    a[:50] = b[:51] = True
    d = surface_distances(a, b, (2.0, 1.0, 1.0))
    # Theirs: means (0.322, 0.339), HD95 2.0, NSD(1) 0.836, on areas in mm² and a surface that
    # runs on outside the image. Ours counts voxels, those at the edge of the image among them:
    # the reference has 2 faces of 100 x 100 and 48 rings of 396 voxels, the other one ring more.
    n = [2 * 100 * 100 + rings * 396 for rings in (48, 49)]
    assert [part.size for part in d] == n
    # The reference's inner face lies within the other, whose rings are at its rim: what is one
    # voxel from the rim is within 1 mm, what is further in is not, nor is the other's whole face.
    assert hd(*d) == hd95(*d) == 2.0
    apart = [96 * 96, 100 * 100]
    assert [int((part > 1).sum()) for part in d] == apart
    assert nsd(*d, 1.0) == pytest.approx(1 - sum(apart) / sum(n))


def test_case_10_surface_dice_of_monai_class_by_class():
    reference = np.zeros((480, 640), int)
    reference[0:240, 0:320], reference[240:, 0:320] = 1, 2
    reference[0:240, 320:] = 2
    predicted = np.zeros_like(reference)
    predicted[0:250, 0:330], predicted[250:, 0:330] = 1, 2
    predicted[0:250, 330:] = 2
    found = label_map_metrics(
        reference, predicted, {"one": 1, "two": 2}, spacing_mm=(1.0, 1.0), tolerance_mm=0.0
    )
    # MONAI counts a border as the mask minus its erosion, as here: the figures must agree to the
    # pixel. Class 1 is a rectangle at the image's corner that has grown by 10 both ways.
    one = reference == 1, predicted == 1
    d = surface_distances(*one, (1.0, 1.0))
    ring = [2 * (240 + 320) - 4, 2 * (250 + 330) - 4]
    assert [part.size for part in d] == ring
    # Shared: the two sides at the image's edge, of 240 and 320, and where the outlines cross.
    shared = 2 * (240 + 320 - 1)
    assert found["one"]["nsd"] == pytest.approx(shared / sum(ring))
    assert found["two"]["nsd"] == nsd(
        *surface_distances(reference == 2, predicted == 2, (1.0, 1.0)), 0.0
    )


def test_case_10_the_published_value():
    # 480 x 640, a cross of classes moved by 10 pixels, no tolerance:
    # MONAI's test expects 1 - (478 + 480 + 18) / (480 * 4 + 588 * 2 + 578 * 2) of class 1.
    reference, predicted = np.zeros((480, 640), bool), np.zeros((480, 640), bool)
    reference[:, 50:640], predicted[:, 60:640] = True, True
    d = surface_distances(reference, predicted, (1.0, 1.0))
    assert [part.size for part in d] == [480 * 2 + 588 * 2, 480 * 2 + 578 * 2]
    peer = 1 - (478 + 480 + 18) / (480 * 4 + 588 * 2 + 578 * 2)
    assert nsd(*d, 0.0) == pytest.approx(peer, abs=1e-12)


def edge_cases():
    folder = DATA / "metric_references"
    if not (folder / "edge_cases.json").exists():
        pytest.skip("no real data: metric_references under AIOPS_DATA")
    cases = json.loads((folder / "edge_cases.json").read_text(encoding="utf-8"))["cases"]
    expected = pd.read_csv(folder / "edge_cases_expected.csv").set_index("case")
    for case in cases:
        masks = [boxed(case["shape"], case[f"{k}_boxes"]) for k in ("ref", "pred")]
        yield case["name"], masks, tuple(map(float, case["spacing_mm"])), expected.loc[case["name"]]


def test_every_figure_of_the_edge_cases_agrees_with_metrics_reloaded():
    n = 0
    for name, (a, b), spacing, row in edge_cases():
        if name in WRONG_IN_PEERS:
            continue
        d = surface_distances(a, b, spacing)
        ours = {"hd": hd(*d), "hd95": hd95(*d), "assd": assd(*d), "masd": masd(*d)}
        ours |= {"dsc": dice(a, b), "iou": iou(a, b)}
        for metric, value in ours.items():
            peer = float(row[f"metrics_reloaded.{metric}"])
            assert value == pytest.approx(peer, abs=2e-6), (name, metric)
        volume = case_metrics_of(a, b, spacing_mm=spacing, tolerance_mm=None)
        peer = float(row["metrics_reloaded.abs_vol_diff_ratio"])
        assert abs(volume["relative_volume_error"]) == pytest.approx(peer, abs=1e-6), name
        assert hd(*d) == pytest.approx(float(row["simpleitk.hausdorff_voxel_sets"]), abs=1e-5)
        n += 1
    assert n == 13


def test_empty_masks_of_the_edge_cases_where_peers_have_nan_or_stop():
    seen = {}
    for name, (a, b), spacing, row in edge_cases():
        if name in WRONG_IN_PEERS:
            seen[name] = case_metrics_of(a, b, spacing_mm=spacing, tolerance_mm=1.0), row
    assert set(seen) == set(WRONG_IN_PEERS)
    diagonal = 16 * np.sqrt(9 + 4 + 1)
    for name in ("empty_pred_3d", "empty_ref_3d"):
        ours, row = seen[name]
        # Where we have a penalty that stays in the mean, peers have nothing to average.
        assert (ours["dice"], ours["nsd"]) == (0, 0)
        assert ours["hd95_mm"] == pytest.approx(diagonal)
        assert np.isnan(float(row["metrics_reloaded.hd95"]))
        assert np.isinf(float(row["surface_distance.hd95"]))
        assert str(row["medpy.hd95"]).startswith("error")
    for name in ("both_empty_3d", "both_empty_2d"):
        ours, row = seen[name]
        assert np.isnan([ours["dice"], ours["hd95_mm"]]).all()
        # One says perfect, one nothing: ours is either, by `MissingStructure.both_empty`.
        assert float(row["metrics_reloaded.dsc"]) == 1
        assert np.isnan(float(row["surface_distance.dice"]))


def test_real_spines_agree_with_metrics_reloaded():
    nibabel = pytest.importorskip("nibabel")
    folder = DATA / "metric_references"
    if not folder.exists():
        pytest.skip("no real data: metric_references under AIOPS_DATA")
    table = pd.read_csv(folder / "segmentation_pairs_expected.csv")
    rows = table[table["pair"] == "spine_semantic"].set_index("label")
    images = [
        nibabel.load(folder / "pairs" / f"spine_semantic_{k}.nii.gz") for k in ("ref", "pred")
    ]
    spacing = tuple(float(z) for z in images[0].header.get_zooms()[:3])
    maps = [np.asarray(i.dataobj).astype(np.int32) for i in images]
    found = label_map_metrics(
        *maps, {str(v): int(v) for v in rows.index}, spacing_mm=spacing, tolerance_mm=1.0
    )
    names = {"dice": "dsc", "iou": "iou", "hd_mm": "hd", "hd95_mm": "hd95", "assd_mm": "assd",
             "masd_mm": "masd", "nsd": "nsd_1mm"}  # fmt: skip
    n = 0
    for value, row in rows.iterrows():
        ours = found[str(value)]
        if ours["outcome"] != "found":
            continue
        for name, peer in names.items():
            want = float(row[f"metrics_reloaded.{peer}"])
            assert ours[name] == pytest.approx(want, abs=2e-4), (value, name)
        n += 1
    assert n >= 10
