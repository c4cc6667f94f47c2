import numpy as np
import pytest

from evaluation import dice, relative_volume_error, volume_error_ml, volume_ml


def test_volumes_are_signed():
    a, b = np.zeros((10, 10, 10), bool), np.zeros((10, 10, 10), bool)
    a[:5], b[:4] = True, True
    spacing = (2.0, 1.0, 1.0)
    assert volume_ml(a, spacing) == pytest.approx(1.0)
    assert volume_error_ml(a, b, spacing) == pytest.approx(-0.2)
    assert relative_volume_error(a, b) == pytest.approx(-0.2)


def test_case_11_dice_of_empty_masks():
    none, some = np.zeros((4, 4), bool), np.eye(4, dtype=bool)
    assert np.isnan(dice(none, none))
    assert dice(some, none) == dice(none, some) == 0
    assert np.isnan(relative_volume_error(none, some))


def test_large_masks_do_not_overflow():
    whole = np.ones((3000, 1000), bool)
    assert dice(whole, whole) == 1


def test_odd_masks_are_named():
    with pytest.raises(ValueError, match=r"reference \(2,\) and predicted \(3,\)"):
        dice(np.ones(2, bool), np.ones(3, bool))
    with pytest.raises(ValueError, match="reference is uint8"):
        dice(np.ones(2, np.uint8), np.ones(2, bool))
    with pytest.raises(ValueError, match="must have 2 lengths above 0"):
        volume_ml(np.ones((2, 2), bool), (1.0,))
