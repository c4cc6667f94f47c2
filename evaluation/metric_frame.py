"""A fairlearn `MetricFrame` of our predictions, in which undefined is nan."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evaluation.metrics import METRICS, Metric
from evaluation.plan import EvaluationPlan
from evaluation.samples import Sample
from evaluation.units import target_cases, units_of

if TYPE_CHECKING:
    from fairlearn.metrics import MetricFrame

METRIC_NAMES = ("sensitivity", "specificity", "ppv", "npv", "selection_rate", "roc_auc", "brier")
"""What a frame shows if nothing else is asked for."""


def to_metric_frame(
    predictions: pd.DataFrame,
    plan: EvaluationPlan,
    *,
    target: str | None = None,
    attributes: tuple[str, ...] | None = None,
    metrics: tuple[str, ...] = METRIC_NAMES,
) -> "MetricFrame":
    """Return predictions as a `fairlearn.metrics.MetricFrame`.

    fairlearn's own rates are 0 where a group has no case to be counted, so that a group without
    disease looks like one in which all disease is missed. Here such a figure is nan, failed cases
    count as wrong, and who is not recorded is a group: the figures are those of
    `evaluate_classification`. A frame has no intervals, and says nothing of chance.

    Parameters
    ----------
    predictions : DataFrame
        As `evaluate_classification` takes them.
    plan : EvaluationPlan
        The same plan.
    target : str, optional
        Which finding; the first primary target if not said.
    attributes : tuple of str, optional
        By which the frame is broken down; those of the plan if not said. Several make
        intersections, as always in fairlearn.
    metrics : tuple of str
        Names from `METRICS`; those without a decision or a probability to look at are left out.

    Returns
    -------
    MetricFrame
        With a column ``count`` besides.

    Raises
    ------
    ValueError
        If target, attributes or metrics are not known, or no attribute is left.

    Examples
    --------
    >>> table = pd.DataFrame({
    ...     "case_id": range(4), "patient_id": range(4), "split": "test", "target": "a",
    ...     "y_true": [1, 0, 0, 0], "y_score": [0.9, 0.2, 0.1, 0.8], "y_pred": [1, 0, 0, 1],
    ...     "status": "ok", "sex": ["F", "F", "M", "M"]})
    >>> plan = EvaluationPlan("classification", ("a",), ("a",), "roc_auc", ("sex",))
    >>> to_metric_frame(table, plan, metrics=("sensitivity", "specificity")).by_group
         sensitivity  specificity  count
    sex
    F            1.0          1.0    2.0
    M            NaN          0.5    2.0
    """
    from fairlearn.metrics import MetricFrame, count

    target = plan.primary_targets[0] if target is None else target
    attributes = plan.attributes if attributes is None else attributes
    _among("target", (target,), plan.targets)
    _among("attributes", attributes, plan.attributes)
    _among("metrics", metrics, tuple(METRICS))
    if not attributes:
        raise ValueError("attributes () must name one column at least")
    case = target_cases(units_of(predictions, plan), target, plan)
    sample = case.sample
    shown = [METRICS[name] for name in metrics if name not in case.blocked]
    # Every case by its place: a metric looks up there what a frame has no column for.
    place = np.arange(sample.patient.size)
    functions: dict[str, Callable[..., float]] = {m.name: _figure_of(m, sample) for m in shown}
    labels = pd.DataFrame({name: case.groups[name] for name in attributes})
    called = sample.worst_decisions if sample.y_pred.size else sample.y_true
    return MetricFrame(
        metrics={**functions, "count": count},
        y_true=sample.y_true.astype(int),
        y_pred=called.astype(int),
        sensitive_features=labels,
        sample_params={m.name: {"place": place} for m in shown},
    )


def _figure_of(metric: Metric, sample: Sample) -> Callable[..., float]:
    def figure(y_true: NDArray[Any], y_pred: NDArray[Any], *, place: NDArray[np.int64]) -> float:
        inside = np.zeros(sample.patient.size, bool)
        inside[np.asarray(place, int)] = True
        codes = np.arange(sample.n_patients)
        return metric.function(sample.take(inside, codes, sample.n_patients)).value

    figure.__name__ = metric.name
    return figure


def _among(name: str, given: tuple[str, ...], known: tuple[str, ...]) -> None:
    odd = [g for g in given if g not in known]
    if odd:
        raise ValueError(f"{name} {odd} are none of {sorted(known)}")
