"""Performance and fairness of clinical AI: tables and masks in, numbers with intervals out."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evaluation.agreement import BlandAltman, bland_altman
    from evaluation.calibration import brier, calibration_intercept, calibration_slope
    from evaluation.calibration_error import (
        CalibrationError,
        calibration_bins,
        expected_calibration_error,
    )
    from evaluation.classes import ClassScores, class_scores
    from evaluation.compare import (
        Comparison,
        compare_classification,
        compare_segmentation,
        comparison_sentence,
    )
    from evaluation.confusion import (
        accuracy,
        false_negative_rate,
        false_positive_rate,
        npv,
        ppv,
        selection_rate,
        sensitivity,
        specificity,
    )
    from evaluation.delong import PairedAuc, paired_roc_auc
    from evaluation.detection import (
        LesionMatch,
        lesion_f1,
        lesion_precision,
        lesion_sensitivity,
        match_lesions,
    )
    from evaluation.disclosure import Disclosed, Disclosure, suppress, suppress_counts
    from evaluation.discrimination import average_precision, roc_auc
    from evaluation.disparities import equity_scaled
    from evaluation.estimates import Estimate, clopper_pearson, clustered_proportion, wilson
    from evaluation.fairness import combined_verdict, holm, verdict
    from evaluation.free_response import Froc, froc
    from evaluation.groups import group_labels, group_order
    from evaluation.intraclass import icc
    from evaluation.labelmaps import label_map_metrics
    from evaluation.metric_frame import to_metric_frame
    from evaluation.metrics import METRICS, Metric, metrics_of
    from evaluation.missing import MissingStructure, diagonal_mm
    from evaluation.mitigation import mitigation_sentences, mitigation_table
    from evaluation.multiclass import (
        balanced_accuracy,
        macro_roc_auc,
        multiclass_confusion,
        multilabel_roc_auc,
    )
    from evaluation.noninferiority import NonInferiority, non_inferiority
    from evaluation.overlap import dice, iou, relative_volume_error, volume_error_ml, volume_ml
    from evaluation.plan import Evaluation, EvaluationPlan
    from evaluation.prevalence import AtPrevalence, at_prevalence
    from evaluation.rates import group_rates
    from evaluation.reliability import cohen_kappa, fleiss_kappa, percent_agreement
    from evaluation.resampling import patient_weights, simultaneous_critical
    from evaluation.sample_size import (
        SampleSize,
        power_of,
        size_auc_half_width,
        size_half_width,
        size_two_aucs,
        size_two_proportions,
    )
    from evaluation.sample_size_groups import design_effect, sizes_by_group
    from evaluation.sample_size_paired import (
        size_non_inferiority,
        size_paired_mean,
        size_paired_proportions,
    )
    from evaluation.scoring import evaluate_classification
    from evaluation.scoring_masks import evaluate_segmentation
    from evaluation.segmentation import (
        case_metrics_of,
        case_rows,
        failed_case_metrics,
        with_mean_rows,
    )
    from evaluation.surface import assd, hd, hd95, masd, nsd, surface_distances
    from evaluation.thresholds import OperatingPoint, choose_threshold, require_apart
    from evaluation.utility import decision_curve, net_benefit

_WHERE = {
    "agreement": ("BlandAltman", "bland_altman"),
    "calibration": ("brier", "calibration_intercept", "calibration_slope"),
    "calibration_error": ("CalibrationError", "calibration_bins", "expected_calibration_error"),
    "classes": ("ClassScores", "class_scores"),
    "compare": (
        "Comparison",
        "compare_classification",
        "compare_segmentation",
        "comparison_sentence",
    ),
    "confusion": (
        "accuracy",
        "false_negative_rate",
        "false_positive_rate",
        "npv",
        "ppv",
        "selection_rate",
        "sensitivity",
        "specificity",
    ),
    "delong": ("PairedAuc", "paired_roc_auc"),
    "disclosure": ("Disclosed", "Disclosure", "suppress", "suppress_counts"),
    "detection": (
        "LesionMatch",
        "lesion_f1",
        "lesion_precision",
        "lesion_sensitivity",
        "match_lesions",
    ),
    "discrimination": ("average_precision", "roc_auc"),
    "disparities": ("equity_scaled",),
    "estimates": ("Estimate", "clopper_pearson", "clustered_proportion", "wilson"),
    "fairness": ("combined_verdict", "holm", "verdict"),
    "free_response": ("Froc", "froc"),
    "groups": ("group_labels", "group_order"),
    "labelmaps": ("label_map_metrics",),
    "intraclass": ("icc",),
    "metric_frame": ("to_metric_frame",),
    "metrics": ("METRICS", "Metric", "metrics_of"),
    "mitigation": ("mitigation_sentences", "mitigation_table"),
    "multiclass": (
        "balanced_accuracy",
        "macro_roc_auc",
        "multiclass_confusion",
        "multilabel_roc_auc",
    ),
    "noninferiority": (
        "NonInferiority",
        "non_inferiority",
    ),
    "missing": ("MissingStructure", "diagonal_mm"),
    "overlap": ("dice", "iou", "relative_volume_error", "volume_error_ml", "volume_ml"),
    "plan": ("Evaluation", "EvaluationPlan"),
    "rates": ("group_rates",),
    "prevalence": ("AtPrevalence", "at_prevalence"),
    "reliability": (
        "cohen_kappa",
        "fleiss_kappa",
        "percent_agreement",
    ),
    "resampling": ("patient_weights", "simultaneous_critical"),
    "sample_size": (
        "SampleSize",
        "power_of",
        "size_auc_half_width",
        "size_half_width",
        "size_two_aucs",
        "size_two_proportions",
    ),
    "sample_size_groups": (
        "design_effect",
        "sizes_by_group",
    ),
    "sample_size_paired": (
        "size_non_inferiority",
        "size_paired_mean",
        "size_paired_proportions",
    ),
    "scoring": ("evaluate_classification",),
    "scoring_masks": ("evaluate_segmentation",),
    "segmentation": (
        "case_metrics_of",
        "case_rows",
        "failed_case_metrics",
        "with_mean_rows",
    ),
    "surface": ("assd", "hd", "hd95", "masd", "nsd", "surface_distances"),
    "thresholds": ("OperatingPoint", "choose_threshold", "require_apart"),
    "utility": ("decision_curve", "net_benefit"),
}
_MODULE_OF = {name: module for module, names in _WHERE.items() for name in names}

__all__ = [
    "METRICS",
    "AtPrevalence",
    "BlandAltman",
    "CalibrationError",
    "ClassScores",
    "Comparison",
    "Disclosed",
    "Disclosure",
    "Estimate",
    "Evaluation",
    "EvaluationPlan",
    "Froc",
    "LesionMatch",
    "Metric",
    "MissingStructure",
    "NonInferiority",
    "OperatingPoint",
    "PairedAuc",
    "SampleSize",
    "accuracy",
    "assd",
    "at_prevalence",
    "average_precision",
    "balanced_accuracy",
    "bland_altman",
    "brier",
    "calibration_bins",
    "calibration_intercept",
    "calibration_slope",
    "case_metrics_of",
    "case_rows",
    "choose_threshold",
    "class_scores",
    "clopper_pearson",
    "clustered_proportion",
    "cohen_kappa",
    "combined_verdict",
    "compare_classification",
    "compare_segmentation",
    "comparison_sentence",
    "decision_curve",
    "design_effect",
    "diagonal_mm",
    "dice",
    "equity_scaled",
    "evaluate_classification",
    "evaluate_segmentation",
    "expected_calibration_error",
    "failed_case_metrics",
    "false_negative_rate",
    "false_positive_rate",
    "fleiss_kappa",
    "froc",
    "group_labels",
    "group_order",
    "group_rates",
    "hd",
    "hd95",
    "holm",
    "icc",
    "iou",
    "label_map_metrics",
    "lesion_f1",
    "lesion_precision",
    "lesion_sensitivity",
    "macro_roc_auc",
    "masd",
    "match_lesions",
    "metrics_of",
    "mitigation_sentences",
    "mitigation_table",
    "multiclass_confusion",
    "multilabel_roc_auc",
    "net_benefit",
    "non_inferiority",
    "npv",
    "nsd",
    "paired_roc_auc",
    "patient_weights",
    "percent_agreement",
    "power_of",
    "ppv",
    "relative_volume_error",
    "require_apart",
    "roc_auc",
    "selection_rate",
    "sensitivity",
    "simultaneous_critical",
    "size_auc_half_width",
    "size_half_width",
    "size_non_inferiority",
    "size_paired_mean",
    "size_paired_proportions",
    "size_two_aucs",
    "size_two_proportions",
    "sizes_by_group",
    "specificity",
    "suppress",
    "suppress_counts",
    "surface_distances",
    "to_metric_frame",
    "verdict",
    "volume_error_ml",
    "volume_ml",
    "wilson",
    "with_mean_rows",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for: pandas takes longer than `import` may."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'evaluation' has no attribute '{name}'")
    return getattr(importlib.import_module(f"evaluation.{_MODULE_OF[name]}"), name)
