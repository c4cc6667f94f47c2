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
from evaluation.detection import (
    PAIRING,
    false_lesions_of,
    lesion_f1_of,
    lesion_precision_of,
    lesion_sensitivity_of,
)
from evaluation.discrimination import average_precision_of, roc_auc_of
from evaluation.missing import MissingStructure
from evaluation.multiclass import balanced_accuracy_of
from evaluation.samples import Sample
from evaluation.statistic import Statistic, mean_of, share_of, undefined
from evaluation.surface import (
    ASSD_DEFINITION,
    HD95_DEFINITION,
    HD_DEFINITION,
    MASD_DEFINITION,
    NSD_DEFINITION,
)

INF = float("inf")
WRONG = "; failed and refused cases count as wrong"


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


def _mean_metric(
    name: str, *, is_unit: bool, among: str = "present"
) -> Callable[[Sample], Statistic]:
    def function(sample: Sample) -> Statistic:
        values = sample.values[name]
        there = sample.values[among] > 0
        if (there & np.isnan(values)).any():
            n = int((there & np.isnan(values)).sum())
            return undefined(f"{n} of {int(there.sum())} cases have no figure")
        return mean_of(
            sample, np.where(there, values, np.nan),
            none="the structure is in no " + ("case" if among == "present" else "reference"),
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


def mask_definitions(missing: MissingStructure) -> dict[str, str]:
    """Return what each segmentation metric is, with what stands for a missing structure.

    Examples
    --------
    >>> mask_definitions(MissingStructure(penalty_mm=50.0))["hd_mm"].split("; ")[-1]
    'missed, invented and failed structures are 50 mm'
    """
    overlap, distance = (f", mean over cases; {missing.words(k)}" for k in ("overlap", "distance"))
    return {
        "dice": "twice the overlap over the sum of volumes" + overlap,
        "nsd": NSD_DEFINITION + overlap,
        "hd95_mm": HD95_DEFINITION + distance,
        "assd_mm": ASSD_DEFINITION + distance,
        "iou": "overlap over union" + overlap,
        "hd_mm": HD_DEFINITION + distance,
        "masd_mm": MASD_DEFINITION + distance,
        "volume_error_ml": "predicted minus reference volume, mean over cases; a structure not "
        "returned has volume 0",
        "relative_volume_error": "predicted minus reference volume as a share of the reference, "
        "mean over the cases whose reference has the structure (missed and failed are -1); an "
        "invented structure is a share of nothing and counts in volume_error_ml alone",
        "missed": "share of structures in the reference of which nothing was found, failed cases "
        "among them",
        "lesion_sensitivity": f"share of the lesions of the reference that were found, {PAIRING}; "
        "in a failed case none was",
        "lesion_precision": f"share of the predicted lesions that are one, {PAIRING}",
        "lesion_f1": f"twice the pairs over the lesions of reference and prediction, {PAIRING}; "
        "in a failed case none was found",
        "false_lesions": f"predicted lesions that are none, mean over answered cases, {PAIRING}",
    }


def _segmentation() -> list[Metric]:
    says = mask_definitions(MissingStructure())

    def mask(
        name: str, label: str, unit: str, higher: bool | None, high: float,
        function: Callable[[Sample], Statistic], **more: float,
    ) -> Metric:  # fmt: skip
        low = more.pop("low", 0)
        return Metric(name, label, "segmentation", unit, higher, "mask", low, high, says[name],
                      function, **more)  # fmt: skip

    return [
        mask("dice", "Dice", "", True, 1, _mean_metric("dice", is_unit=True)),
        mask("nsd", "NSD", "", True, 1, _mean_metric("nsd", is_unit=True)),
        mask("hd95_mm", "HD95", "mm", False, INF, _mean_metric("hd95_mm", is_unit=False)),
        mask("assd_mm", "ASSD", "mm", False, INF, _mean_metric("assd_mm", is_unit=False)),
        mask("iou", "IoU", "", True, 1, _mean_metric("iou", is_unit=True)),
        mask("hd_mm", "HD", "mm", False, INF, _mean_metric("hd_mm", is_unit=False)),
        mask("masd_mm", "MASD", "mm", False, INF, _mean_metric("masd_mm", is_unit=False)),
        mask("volume_error_ml", "Volume error", "ml", None, INF,
             _mean_metric("volume_error_ml", is_unit=False), low=-INF, ideal=0.0),
        mask("relative_volume_error", "Relative volume error", "", None, INF,
             _mean_metric("relative_volume_error", is_unit=False, among="expected"), low=-1,
             ideal=0.0),
        mask("missed", "Missed structures", "", False, 1, _missed),
        mask("lesion_sensitivity", "Lesion sensitivity", "", True, 1, lesion_sensitivity_of),
        mask("lesion_precision", "Lesion precision", "", True, 1, lesion_precision_of),
        mask("lesion_f1", "Lesion F1", "", True, 1, lesion_f1_of),
        mask("false_lesions", "False lesions per case", "per case", False, INF, false_lesions_of),
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
