import numpy as np
from sklearn.metrics import auc, roc_auc_score

from aiops.report.curves import Scored, calibration_bins, grouped, roc_curve, thinned

RNG = np.random.default_rng(0)
Y = (RNG.random(300) < 0.4).astype(float)
S = np.round(np.clip(0.3 * Y + 0.7 * RNG.random(300), 0, 1), 2)  # with ties
SCORED = Scored(Y, S, is_probability=True)


def test_the_area_under_the_curve_is_the_auc():
    x, y = roc_curve(SCORED)
    assert np.isclose(auc(x, y), roc_auc_score(Y, S))
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)


def test_a_thinned_curve_has_no_step_of_a_single_case():
    x, y = thinned(*roc_curve(SCORED))
    assert len(x) == len(y) == 101
    assert np.all(np.diff(y) >= 0)


def test_calibration_groups_hold_at_least_eight_cases():
    bins = calibration_bins(SCORED)
    assert bins is not None
    assert len(bins.predicted) == 10
    assert np.all((bins.low <= bins.observed) & (bins.observed <= bins.high))
    few = calibration_bins(Scored(Y[:20], S[:20], is_probability=True))
    assert few is not None
    assert len(few.predicted) == 2
    assert calibration_bins(Scored(Y[:15], S[:15], is_probability=True)) is None


def test_grouped_points_lie_within_their_spread():
    middle, mean, (down, up) = grouped(S, Y - 0.5)
    assert len(middle) == len(mean) == 12
    assert np.all(down >= 0)
    assert np.all(up >= 0)
