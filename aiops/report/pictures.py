"""Pictures of single cases for the internal report, as PNG data URIs.

The reference is a full blue line, what the tool drew a dashed orange one: told apart without
colour too.
"""

import base64
import io
from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Drawing
from numpy.typing import NDArray

from aiops.report.drawing import ORANGE, SKY

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float32]

PLANES = ((0, "sagittal"), (1, "coronal"), (2, "axial"))


def slices_png(
    volume: FloatArray, outlines: tuple[BoolArray, BoolArray], spacing_mm: Sequence[float]
) -> str:
    """Return the slice of most disagreement in each plane, with both outlines, as a data URI.

    Parameters
    ----------
    volume : ndarray, shape (X, Y, Z) or (rows, columns)
    outlines : pair of ndarray of bool, same shape
        The reference and what the tool drew.
    spacing_mm : sequence of float
        So that anisotropic voxels are drawn in proportion.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    reference, predicted = outlines
    if not volume.shape == reference.shape == predicted.shape:
        raise ValueError(
            f"volume {volume.shape}, reference {reference.shape}, predicted {predicted.shape} "
            "must match"
        )
    flat = volume.ndim == 2
    planes = [(-1, "picture")] if flat else list(PLANES)
    drawing = Drawing(figsize=(2.3 * len(planes), 2.3), facecolor="black")
    FigureCanvasAgg(drawing)
    low, high = np.percentile(volume, [0.5, 99.5])
    for place, (axis, _) in enumerate(planes):
        axes = drawing.add_axes((place / len(planes) + 0.004, 0, 1 / len(planes) - 0.008, 1))
        axes.set_axis_off()
        image, masks, aspect = _cut(volume, outlines, spacing_mm, axis)
        axes.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), aspect=aspect)
        for mask, colour, dash in zip(masks, (SKY, ORANGE), ("solid", "dashed"), strict=True):
            if mask.any() and not mask.all():
                axes.contour(mask, levels=[0.5], colors=colour, linewidths=1.3, linestyles=dash)
    buffer = io.BytesIO()
    drawing.savefig(buffer, format="png", dpi=110, facecolor="black", metadata={"Software": None})
    return _uri(buffer.getvalue())


def picture_png(image: FloatArray, side: int = 300) -> str:
    """Return a picture (rows, columns) as a grey PNG no larger than `side`, as a data URI."""
    from PIL import Image as Picture

    low, high = np.percentile(image, [0.5, 99.5])
    grey = np.clip((image - low) / max(high - low, 1e-6), 0, 1) * 255
    picture = Picture.fromarray(grey.astype(np.uint8))
    picture.thumbnail((side, side))
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return _uri(buffer.getvalue())


def _cut(
    volume: FloatArray, masks: tuple[BoolArray, BoolArray], spacing_mm: Sequence[float], axis: int
) -> tuple[FloatArray, list[BoolArray], float]:
    if axis < 0:
        return volume, list(masks), 1.0
    others = tuple(a for a in range(3) if a != axis)
    wrong = (masks[0] ^ masks[1]).sum(axis=others)
    there = (masks[0] | masks[1]).sum(axis=others)
    # Most disagreement; of equals, most structure; of an empty pair, the middle.
    place = int(np.lexsort((there, wrong))[-1]) if there.any() else volume.shape[axis] // 2
    box = _box(masks[0] | masks[1], axis)
    # From RAS+ to how radiologists look: head or front up, the patient's right on the left.
    turned = [np.take(array, place, axis=axis)[box][::-1, ::-1].T for array in (volume, *masks)]
    aspect = spacing_mm[others[1]] / spacing_mm[others[0]]
    return turned[0], [turned[1], turned[2]], float(aspect)


def _box(mask: BoolArray, axis: int) -> tuple[slice, slice]:
    # The structure and as much around it again, so that one sees what it is.
    shown = []
    for other in (a for a in range(3) if a != axis):
        along = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != other)))
        if not len(along):
            shown.append(slice(None))
            continue
        room = max(12, int(0.6 * (along[-1] - along[0] + 1)))
        shown.append(slice(max(0, along[0] - room), along[-1] + room + 1))
    return shown[0], shown[1]


def _uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
