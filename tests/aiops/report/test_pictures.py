import base64
import io

import numpy as np
import pytest
from PIL import Image

from aiops.report.pictures import picture_png, slices_png

START = "data:image/png;base64,"


def opened(source: str) -> Image.Image:
    assert source.startswith(START)
    return Image.open(io.BytesIO(base64.b64decode(source.removeprefix(START))))


def box(low: int, high: int) -> np.ndarray:
    mask = np.zeros((20, 24, 12), dtype=bool)
    mask[low:high, low:high, 3:9] = True
    return mask


@pytest.mark.parametrize("found", [box(6, 12), box(0, 0)], ids=["found", "missed"])
def test_slices_show_both_outlines(found):
    volume = np.random.default_rng(0).normal(size=(20, 24, 12)).astype(np.float32)
    pixels = np.asarray(opened(slices_png(volume, (box(5, 11), found), (1, 1, 2))).convert("RGB"))
    assert pixels.shape[1] == 3 * pixels.shape[0]
    coloured = np.ptp(pixels.astype(int), axis=2) > 60
    assert coloured.any()


def test_masks_of_another_shape_are_refused():
    volume = np.zeros((20, 24, 12), dtype=np.float32)
    with pytest.raises(ValueError, match="must match"):
        slices_png(volume, (box(5, 11), box(5, 11)[1:]), (1, 1, 2))


def test_a_picture_is_grey_and_small():
    image = opened(picture_png(np.arange(640_000, dtype=np.float32).reshape(800, 800), side=120))
    assert image.size == (120, 120)
    assert image.mode == "L"
