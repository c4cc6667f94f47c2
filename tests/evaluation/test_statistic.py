"""What a figure says about its patients, and why it has no interval."""

import numpy as np
import pytest

from evaluation.metrics import METRICS
from evaluation.samples import Sample
from evaluation.statistic import NO_SPREAD, estimate_of, share_of, share_of_error


@pytest.mark.parametrize(("n", "reason"), [(40, NO_SPREAD), (4, "4 patients; 10 are needed")])
def test_a_figure_that_is_alike_in_all_says_why_it_has_no_interval(n, reason):
    sample = Sample.of_patients(
        np.arange(n), values={"hd95_mm": np.full(n, 3.0), "present": np.ones(n)}
    )
    metric = METRICS["hd95_mm"]
    found = estimate_of(metric.function(sample), sample, level=0.95, definition=metric.definition,
                        bounds=(metric.low, metric.high))  # fmt: skip
    assert found.value == 3
    assert np.isnan([found.low, found.high]).all()
    assert found.reason == reason


def test_what_patients_add_to_an_error_is_all_of_it():
    rng = np.random.default_rng(0)
    who, hit = rng.integers(0, 20, 100), (rng.random(100) < 0.7).astype(float)
    sample = Sample.of_patients(who)
    share = share_of(sample, hit, np.ones(100), none="")
    added = share_of_error(share, 0.6, sample.n_patients)
    assert added.sum() == pytest.approx(hit.mean() - 0.6)
    codes = np.unique(who, return_inverse=True)[1]
    assert added == pytest.approx(np.bincount(codes, hit - 0.6) / 100)


def test_the_error_of_other_figures_is_shared_out_evenly():
    rng = np.random.default_rng(1)
    y = np.arange(60) < 20
    sample = Sample.of_patients(np.arange(60), y_true=y, y_score=rng.normal(size=60) + y)
    auc = METRICS["roc_auc"].function(sample)
    added = share_of_error(auc, 0.5, 60)
    assert added.sum() == pytest.approx(auc.value - 0.5 + auc.influence.sum())
    assert (added - auc.influence) == pytest.approx(np.full(60, (auc.value - 0.5) / 60))
