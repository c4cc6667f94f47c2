"""The metrics by name: what each is, which way is better, and the function that computes it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from evaluation.calibration import brier_of, calibration_intercept_of, calibration_slope_of
from evaluation.confusion import (
    accuracy_of,
    false_negative_rate_of,
    false_positive_rate_of,
    npv_of,
    ppv_of,
    selection_rate_of,
    sensitivity_of,
    specificity_of,
)
from evaluation.discrimination import average_precision_of, roc_auc_of
from evaluation.multiclass import balanced_accuracy_of
from evaluation.samples import Sample
from evaluation.statistic import Statistic, mean_of, share_of, undefined
from evaluation.surface import ASSD_DEFINITION, HD95_DEFINITION, NSD_DEFINITION

INF = float("inf")
WRONG = "; failed and refused cases count as wrong"
PENALTY = "; missed, invented and failed structures "


@dataclass(frozen=True)
class Metric:
    """One metric.

    Parameters
    ----------
    name, label : str
        Its key in ``METRICS``, and what a report calls it.
    task : {"classification", "segmentation"}
        Where it applies.
    unit : str
        Unit of the figure, empty for a share.
    higher_is_better : bool or None
        None: nearest to ``ideal`` is best; without an ideal no value is better than another.
    needs : {"score", "probability", "decision", "mask"}
        What must be there to compute it.
    low, high : float
        Range of the figure.
    definition : str
        What is computed, in one sentence.
    function : callable
        From a `Sample` to a `Statistic`.
    ideal : float
        The best value of a metric that has its best inside its range.

    Examples
    --------
    >>> METRICS["selection_rate"].is_directionless, METRICS["brier"].is_directionless
    (True, False)
    """

    name: str
    label: str
    task: str
    unit: str
    higher_is_better: bool | None
    needs: str
    low: float
    high: float
    definition: str
    function: Callable[[Sample], Statistic]
    ideal: float = float("nan")

    @property
    def is_directionless(self) -> bool:
        """Whether no value is better than another: its gaps are differences, and no verdict."""
        return self.higher_is_better is None and not np.isfinite(self.ideal)


def _mean_metric(name: str, *, is_unit: bool) -> Callable[[Sample], Statistic]:
    def function(sample: Sample) -> Statistic:
        values = sample.values[name]
        there = sample.values["present"] > 0
        if (there & np.isnan(values)).any():
            n = int((there & np.isnan(values)).sum())
            return undefined(f"{n} of {int(there.sum())} cases have no figure")
        return mean_of(
            sample, np.where(there, values, np.nan), none="the structure is in no case",
            is_unit=is_unit,
        )  # fmt: skip

    return function


def _missed(sample: Sample) -> Statistic:
    return share_of(
        sample, sample.values["missed"], sample.values["expected"],
        none="the structure is in no reference",
    )  # fmt: skip


def _classification() -> list[Metric]:
    task = "classification"
    return [
        Metric("roc_auc", "AUC", task, "", True, "score", 0, 1,
               "area under the ROC curve, ties as half" + WRONG, roc_auc_of),
        Metric("average_precision", "Average precision", task, "", True, "score", 0, 1,
               "precision averaged over the recall gained at each threshold" + WRONG,
               average_precision_of),
        Metric("sensitivity", "Sensitivity", task, "", True, "decision", 0, 1,
               "share of diseased cases called positive" + WRONG, sensitivity_of),
        Metric("specificity", "Specificity", task, "", True, "decision", 0, 1,
               "share of healthy cases called negative" + WRONG, specificity_of),
        Metric("ppv", "PPV", task, "", True, "decision", 0, 1,
               "share of positive calls that are diseased, at the prevalence here" + WRONG, ppv_of),
        Metric("npv", "NPV", task, "", True, "decision", 0, 1,
               "share of negative calls that are healthy, at the prevalence here" + WRONG, npv_of),
        Metric("accuracy", "Accuracy", task, "", True, "decision", 0, 1,
               "share of cases decided rightly" + WRONG, accuracy_of),
        Metric("balanced_accuracy", "Balanced accuracy", task, "", True, "decision", 0, 1,
               "mean of sensitivity and specificity" + WRONG, balanced_accuracy_of),
        Metric("false_negative_rate", "Missed (underdiagnosis)", task, "", False, "decision", 0, 1,
               "share of diseased cases not called" + WRONG, false_negative_rate_of),
        Metric("false_positive_rate", "False alarms", task, "", False, "decision", 0, 1,
               "share of healthy cases called positive" + WRONG, false_positive_rate_of),
        Metric("selection_rate", "Called positive", task, "", None, "decision", 0, 1,
               "share of cases called positive; no value is better" + WRONG, selection_rate_of),
        Metric("brier", "Brier score", task, "", False, "probability", 0, 1,
               "mean squared difference of probability and outcome; failed cases count as 1",
               brier_of),
        Metric("calibration_slope", "Calibration slope", task, "", None, "probability", -INF, INF,
               "slope of the outcome on the logit (clipped at 1e-6); scored cases only",
               calibration_slope_of, 1.0),
        Metric("calibration_intercept", "Calibration intercept", task, "", None, "probability",
               -INF, INF, "intercept of the outcome with the logit as offset (clipped at 1e-6); "
               "scored cases only", calibration_intercept_of, 0.0),
    ]  # fmt: skip


def _segmentation() -> list[Metric]:
    task = "segmentation"
    return [
        Metric("dice", "Dice", task, "", True, "mask", 0, 1,
               "twice the overlap over the sum of volumes, mean over cases" + PENALTY + "are 0",
               _mean_metric("dice", is_unit=True)),
        Metric("nsd", "NSD", task, "", True, "mask", 0, 1,
               NSD_DEFINITION + ", mean over cases" + PENALTY + "are 0",
               _mean_metric("nsd", is_unit=True)),
        Metric("hd95_mm", "HD95", task, "mm", False, "mask", 0, INF,
               HD95_DEFINITION + ", mean over cases" + PENALTY + "are the image diagonal",
               _mean_metric("hd95_mm", is_unit=False)),
        Metric("assd_mm", "ASSD", task, "mm", False, "mask", 0, INF,
               ASSD_DEFINITION + ", mean over cases" + PENALTY + "are the image diagonal",
               _mean_metric("assd_mm", is_unit=False)),
        Metric("volume_error_ml", "Volume error", task, "ml", None, "mask", -INF, INF,
               "predicted minus reference volume, mean over cases; a structure not returned has "
               "volume 0", _mean_metric("volume_error_ml", is_unit=False), 0.0),
        Metric("missed", "Missed structures", task, "", False, "mask", 0, 1,
               "share of structures in the reference of which nothing was found, failed cases "
               "among them", _missed),
    ]  # fmt: skip


METRICS: dict[str, Metric] = {m.name: m for m in (*_classification(), *_segmentation())}
"""Every metric by its name. A new one is a function, an entry here, a test and a line of docs."""


def metrics_of(task: str) -> list[Metric]:
    """Return the metrics of a task.

    Examples
    --------
    >>> [m.name for m in metrics_of("segmentation")][:2]
    ['dice', 'nsd']
    """
    found = [m for m in METRICS.values() if m.task == task]
    if not found:
        raise ValueError(f"task '{task}' is none of classification, segmentation")
    return found
