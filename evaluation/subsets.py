"""Some of the cases of a target: their statistics, and how far these would differ by chance."""

from dataclasses import dataclass

import numpy as np

from evaluation.cells import TargetCases
from evaluation.estimates import NOT_ESTIMABLE, SMALL, BoolArray, FloatArray, IntArray
from evaluation.metrics import METRICS, Metric
from evaluation.plan import EvaluationPlan
from evaluation.samples import Sample
from evaluation.statistic import Statistic, undefined

HEADLINES = {
    "classification": ("roc_auc", "sensitivity", "specificity"),
    "segmentation": ("dice", "hd95_mm", "missed"),
}
"""Metrics that intersections and case-mix adjustment look at besides the primary one."""


@dataclass(frozen=True)
class Subset:
    """Some cases of a target, and the patients of the whole evaluation whose cases they are."""

    sample: Sample
    patients: IntArray

    @property
    def all_failed(self) -> bool:
        """Whether the tool answered none of the cases."""
        return bool(self.sample.failed.size and self.sample.failed.all())


def subset_of(case: TargetCases, inside: BoolArray, n_patients: int) -> Subset:
    """Return the cases that are `inside`, their patients renumbered."""
    patients = np.unique(case.sample.patient[inside])
    codes = np.zeros(n_patients, np.int64)
    codes[patients] = np.arange(patients.size)
    return Subset(case.sample.take(inside, codes, patients.size), patients)


def statistic_in(case: TargetCases, metric: Metric, subset: Subset) -> Statistic:
    """Return a metric's statistic of a subset; of cases that all failed nothing is known."""
    if metric.name in case.blocked:
        return undefined(case.blocked[metric.name])
    if subset.all_failed:
        return undefined("no case was answered")
    return metric.function(subset.sample)


def looked_at(plan: EvaluationPlan) -> list[Metric]:
    """Return the metrics of intersections and of case-mix adjustment, the primary one first.

    Examples
    --------
    >>> plan = EvaluationPlan("segmentation", ("liver",), ("liver",), "nsd")
    >>> [m.name for m in looked_at(plan)]
    ['nsd', 'dice', 'hd95_mm', 'missed']
    """
    names = dict.fromkeys((plan.primary_metric, *HEADLINES[plan.task]))
    return [METRICS[name] for name in names if name in METRICS]


def is_measured(statistic: Statistic) -> bool:
    """Return whether there is a figure at all, of however few."""
    return statistic.state != NOT_ESTIMABLE


def variances(statistics: list[Statistic], *, alike: bool) -> FloatArray:
    """Return the variance of each figure; the few borrow the spread of the many.

    A group of three has three values, and their spread says nothing: at worst it is 0. So the
    figures of fewer than ten patients take the spread per patient of the larger groups, and a
    share takes that of a common share.

    Parameters
    ----------
    statistics : list of Statistic
        Figures of one metric in several groups, all of them measured.
    alike : bool
        Variance under homogeneity: every share takes the common one, not only those of the few.

    Returns
    -------
    ndarray
        nan where no group has any spread.

    Examples
    --------
    >>> perfect = Statistic(value=1.0, n_effective=4.0, n_least=4)
    >>> common = Statistic(value=0.8, influence=np.full(96, 0.04), n_effective=96.0, n_least=96)
    >>> variances([perfect, common], alike=True).round(5)
    array([0.03878, 0.00162])
    """
    own = np.array([s.se**2 for s in statistics])
    n = np.array([float(s.n_least) for s in statistics])
    worth = np.array([s.n_effective for s in statistics])
    few = n < SMALL
    if np.isfinite(worth).all():
        share = common_share(statistics)
        out: FloatArray = share * (1 - share) / worth
        return out if alike else np.where(few | (own <= 0), out, own)
    lender = (own > 0) & ~few
    if not lender.any():
        lender = own > 0
    if not lender.any():
        return np.full(len(statistics), np.nan)
    per_patient = float((own * n**2)[lender].sum() / n[lender].sum())
    return np.where(few | (own <= 0), per_patient / np.maximum(n, 1), own)


def common_share(statistics: list[Statistic]) -> float:
    """Return the share of all groups together, off 0 and 1, where nothing would ever vary."""
    worth = np.array([s.n_effective for s in statistics])
    hits = float(worth @ np.array([s.value for s in statistics]))
    total = float(worth.sum())
    if 0 < hits < total:
        return hits / total
    return (hits + 0.5) / (total + 1)


def covariance(
    statistics: list[Statistic], subsets: list[Subset], variance: FloatArray, n_patients: int
) -> FloatArray:
    """Return the covariance of figures whose groups may share patients.

    Parameters
    ----------
    statistics : list of Statistic
        Figures of one metric, all of them measured.
    subsets : list of Subset
        Whose figures they are.
    variance : ndarray
        Variance of each; the influence of the patients gives the correlation.
    n_patients : int
        Patients of the whole evaluation.
    """
    if not subsets or np.bincount(np.concatenate([s.patients for s in subsets])).max() < 2:
        return np.diag(variance)
    influence = np.zeros((n_patients, len(statistics)))
    for i, (statistic, subset) in enumerate(zip(statistics, subsets, strict=True)):
        if statistic.influence.size:
            influence[subset.patients, i] = statistic.influence
    scale = np.sqrt(np.square(influence).sum(axis=0))
    unit = influence / np.where(scale > 0, scale, 1.0)
    correlation = unit.T @ unit
    np.fill_diagonal(correlation, 1.0)
    sd = np.sqrt(variance)
    out: FloatArray = correlation * np.outer(sd, sd)
    return out
