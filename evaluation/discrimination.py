"""AUC and average precision: do diseased cases score above healthy ones, at every threshold."""

from functools import cached_property
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from evaluation.estimates import FEW, BoolArray, Estimate, FloatArray, IntArray
from evaluation.resampling import Float32Array, Weights
from evaluation.samples import Sample
from evaluation.statistic import Statistic, effective_count, estimate_of, few_correction, undefined

if TYPE_CHECKING:
    from scipy.sparse import csr_array

IdArray = NDArray[np.generic]


class Ranked:
    """Scores in order: sorted once, read by AUC, average precision and their bootstraps.

    Parameters
    ----------
    y_true : ndarray of bool, shape (n_cases,)
        Reference standard, both kinds present.
    y_score : ndarray of float, shape (n_cases,)
        Score; infinite for cases that count as wrong.
    patient : ndarray of int, shape (n_cases,)
        Patient codes.
    n_patients : int
        How many codes there are.
    """

    def __init__(
        self, y_true: BoolArray, y_score: FloatArray, patient: IntArray, n_patients: int
    ) -> None:
        self.y_true, self.y_score = y_true, y_score
        self.patient, self.n_patients = patient, n_patients
        positive, negative = y_score[y_true], y_score[~y_true]
        self.n_positive, self.n_negative = positive.size, negative.size
        # In order, so that each is searched for beside the last: several times as fast.
        self.order = np.argsort(negative)
        negative = negative[self.order]
        # Only the scores of positives are steps of either curve: negatives are counted between.
        self.steps, self.step_of, self.counts = np.unique(
            positive, return_inverse=True, return_counts=True
        )
        self.below = np.searchsorted(negative, self.steps, "left")
        self.up_to = self.below
        if (negative[np.minimum(self.below, negative.size - 1)] == self.steps).any():
            self.up_to = np.searchsorted(negative, self.steps, "right")
        self._last: tuple[Weights, FloatArray, FloatArray] | None = None

    @property
    def auc(self) -> float:
        """Share of pairs in the right order, ties as half."""
        pairs = float((self.counts * (self.below + self.up_to)).sum()) / 2
        return pairs / (self.n_positive * self.n_negative)

    @property
    def is_flat(self) -> bool:
        """Whether every case has the same score: an AUC of 0.5 that nobody measured."""
        n_tied = int((self.up_to - self.below)[0])
        return self.steps.size == 1 and n_tied == self.n_negative

    def placements(self) -> tuple[FloatArray, FloatArray]:
        """Return for positives the share of negatives below, for negatives of positives above."""
        of_positive = ((self.below + self.up_to) / (2 * self.n_negative))[self.step_of]
        total = np.concatenate([[0], np.cumsum(self.counts)])
        under = total[self.first] + total[self.after]
        of_negative = np.empty(self.n_negative)
        of_negative[self.order] = 1 - under / (2 * self.n_positive)
        return of_positive, of_negative

    @cached_property
    def first(self) -> NDArray[np.intp]:
        """Number of steps below each negative, the negatives in order."""
        return np.cumsum(np.bincount(self.up_to, minlength=self.n_negative + 1))[:-1]

    @cached_property
    def after(self) -> NDArray[np.intp]:
        """Number of steps below or at each negative, the negatives in order."""
        return np.cumsum(np.bincount(self.below, minlength=self.n_negative + 1))[:-1]

    def precision(self) -> tuple[FloatArray, FloatArray]:
        """Return precision, and cases called, at the threshold of each step."""
        hits = np.cumsum(self.counts[::-1])[::-1]
        called = hits + self.n_negative - self.below
        return hits / called, called.astype(float)

    def replicates(self, weights: Weights) -> tuple[FloatArray, FloatArray]:
        """Return AUC and average precision of each bootstrap replicate."""
        if self._last is None or self._last[0] is not weights:
            parts = [self._block(block) for block in weights.blocks]
            auc, precision = (np.concatenate(p) for p in zip(*parts, strict=True))
            self._last = (weights, auc, precision)
        return self._last[1], self._last[2]

    def _block(self, block: Float32Array) -> tuple[FloatArray, FloatArray]:
        between, positive = self._tables
        segments = cast(Float32Array, between @ block)
        cumulated = np.cumsum(segments, axis=0, out=segments)
        weight = cast(Float32Array, positive @ block)
        below, up_to = cumulated[0:-1:2], cumulated[1::2]
        all_negative = cumulated[-1]
        hits = np.cumsum(weight[::-1], axis=0)[::-1]
        all_positive = hits[0]
        with np.errstate(invalid="ignore", divide="ignore"):
            pairs = np.einsum("ij,ij->j", weight, below + up_to) / 2
            auc = pairs.astype(float) / (all_positive * all_negative)
            called = hits + (all_negative - below)
            share = np.where(called > 0, weight * hits / called, 0)
            precision = share.sum(axis=0).astype(float) / all_positive
        return auc, precision

    @cached_property
    def _tables(self) -> "tuple[csr_array, csr_array]":
        """Count of negatives per segment and patient, and of positives per step and patient."""
        from scipy.sparse import csr_array

        # Segment 2j lies below step j, segment 2j + 1 ties with it.
        segment = self.first + self.after
        ones = np.ones(max(self.n_positive, self.n_negative), np.float32)
        k = self.steps.size
        return (
            csr_array(
                (ones[: self.n_negative], (segment, self.patient[~self.y_true][self.order])),
                shape=(2 * k + 1, self.n_patients),
            ),
            csr_array(
                (ones[: self.n_positive], (self.step_of, self.patient[self.y_true])),
                shape=(k, self.n_patients),
            ),
        )


def _ranked(sample: Sample) -> Ranked | str:
    """Return the sample's scores in order, or why there is no order."""
    n_positive = int(sample.y_true.sum())
    if n_positive == 0:
        return "0 positives"
    if n_positive == sample.y_true.size:
        return "0 negatives"
    kept = sample.__dict__.get("_ranked")
    if kept is None:
        kept = Ranked(sample.y_true, sample.worst_scores, sample.patient, sample.n_patients)
        # AUC and average precision of one sample share the sorting and the bootstrap.
        sample.__dict__["_ranked"] = kept
    return cast(Ranked, kept)


def _least(sample: Sample) -> tuple[int, str, FloatArray, FloatArray]:
    ill, well = (
        np.bincount(sample.patient[kind], minlength=sample.n_patients).astype(float)
        for kind in (sample.y_true, ~sample.y_true)
    )
    n_ill, n_well = int((ill > 0).sum()), int((well > 0).sum())
    if n_ill <= n_well:
        return n_ill, "patients with the finding", ill, well
    return n_well, "patients without the finding", ill, well


def _model_variance(auc: float, n_ill: float, n_well: float) -> float:
    """Return the variance an AUC has when scores follow Hanley and McNeil's model.

    Newcombe's form, which treats both kinds alike; the refuge where the measured variance rests
    on a handful of misplaced cases or on none.
    """
    half = (n_ill + n_well) / 2
    spread = 1 + (half - 1) * ((1 - auc) / (2 - auc) + auc / (1 + auc))
    return auc * (1 - auc) * spread / (n_ill * n_well)


def roc_auc_of(sample: Sample) -> Statistic:
    """Return the AUC as a `Statistic`, with DeLong's variance clustered by patient [1]_.

    References
    ----------
    .. [1] Obuchowski NA. Biometrics 1997;53:567-578. doi:10.2307/2533958
    """
    ranked = _ranked(sample)
    if isinstance(ranked, str):
        return undefined(ranked)
    auc = ranked.auc
    n_least, least, ill, well = _least(sample)
    n_ill, n_well = int((ill > 0).sum()), int((well > 0).sum())
    of_positive, of_negative = ranked.placements()
    part_ill = _part(sample, sample.y_true, of_positive - auc, few_correction(n_ill))
    part_well = _part(sample, ~sample.y_true, of_negative - auc, few_correction(n_well))
    influence = part_ill + part_well
    variance = float(influence @ influence)
    few = n_least < FEW or n_least * min(auc, 1 - auc) < 5
    worth_ill, worth_well = effective_count(ill), effective_count(well)
    n_effective = _effective_pairs(auc, variance, worth_ill, worth_well, few)
    return Statistic(
        value=auc,
        influence=influence,
        n_effective=n_effective,
        df=_satterthwaite(part_ill, part_well, worth_ill - 1, worth_well - 1),
        n_least=n_least,
        least=least,
        few=few,
        method="clustered DeLong, Wilson form",
        replicates=lambda weights: ranked.replicates(weights)[0],
        reason="degenerate: every case has the same score" if ranked.is_flat else "",
    )


def _part(sample: Sample, rows: BoolArray, deviation: FloatArray, correction: float) -> FloatArray:
    share = np.bincount(sample.patient[rows], deviation, minlength=sample.n_patients)
    out: FloatArray = share * (np.sqrt(correction) / deviation.size)
    return out


def _effective_pairs(auc: float, variance: float, n_ill: float, n_well: float, few: bool) -> float:
    """Return the n for which a share of this size has this variance.

    The variance is measured on the misplaced cases; the fewer they are, the more it leans on the
    model's, which is the wider.
    """
    bound = auc * (1 - auc)
    if bound == 0:
        # Perfect, or perfectly wrong: the model's variance is 0 too, its effective n is not.
        return 2 * n_ill * n_well / ((n_ill + n_well) / 2 + 1)
    if few:
        misplaced = 2 * min(n_ill, n_well) * min(auc, 1 - auc)
        widest = max(variance, _model_variance(auc, n_ill, n_well))
        variance = (misplaced * variance + widest) / (misplaced + 1)
    return bound / variance if variance > 0 else min(n_ill, n_well)


def _satterthwaite(a: FloatArray, b: FloatArray, df_a: float, df_b: float) -> float:
    """Return the degrees of freedom of the sum of two variances."""
    v_a, v_b = float(a @ a), float(b @ b)
    if v_a + v_b == 0:
        return float("inf")
    return (v_a + v_b) ** 2 / (v_a**2 / max(df_a, 1.0) + v_b**2 / max(df_b, 1.0))


def average_precision_of(sample: Sample) -> Statistic:
    """Return the average precision as a `Statistic`, linearised by patient."""
    ranked = _ranked(sample)
    if isinstance(ranked, str):
        return undefined(ranked)
    precision, called = ranked.precision()
    weight = ranked.counts / ranked.n_positive
    value = float((weight * precision).sum())
    n_least, least, ill, _ = _least(sample)
    influence = sample.by_patient(_precision_influence(ranked, precision, called, value))
    influence *= np.sqrt(few_correction(int((ill > 0).sum())))
    variance = float(np.square(influence).sum())
    worth = effective_count(ill)
    bound = value * (1 - value)
    n_effective = min(bound / variance, 4 * worth) if bound > 0 and variance > 0 else worth
    return Statistic(
        value=value,
        influence=influence,
        n_effective=n_effective,
        df=max(worth - 1, 1.0),
        n_least=n_least,
        least=least,
        few=n_least < FEW or n_least * min(value, 1 - value) < 5,
        method="linearised by patient, Wilson form",
        replicates=lambda weights: ranked.replicates(weights)[1],
    )


def _precision_influence(
    ranked: Ranked, precision: FloatArray, called: FloatArray, value: float
) -> FloatArray:
    """Return the derivative of average precision by the weight of each case."""
    ill = ranked.y_true.astype(float)
    weight = ranked.counts / ranked.n_positive
    upper = np.concatenate([[0.0], np.cumsum(weight / called)])
    lost = np.concatenate([[0.0], np.cumsum(weight * precision / called)])
    at = np.searchsorted(ranked.steps, ranked.y_score, "right")
    out = ill * upper[at] - lost[at]
    out[ranked.y_true] += (precision[ranked.step_of] - value) / ranked.n_positive
    return np.asarray(out, dtype=float)


def roc_auc(
    y_true: BoolArray, y_score: FloatArray, *, patient_id: IdArray, level: float = 0.95
) -> Estimate:
    """Chance that a diseased case scores above a healthy one, ties as half.

    Parameters
    ----------
    y_true : ndarray of bool, shape (n_cases,)
        Reference standard; True is diseased.
    y_score : ndarray of float, shape (n_cases,)
        Score; higher is more suspicious.
    patient_id : ndarray, shape (n_cases,)
        Whose case it is: the variance is DeLong's, clustered by patient [1]_.
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    Estimate
        In [0, 1]; not estimable when one kind of case is missing. A perfect AUC keeps an
        interval.

    References
    ----------
    .. [1] Obuchowski NA. Biometrics 1997;53:567-578. doi:10.2307/2533958

    Examples
    --------
    >>> ill = np.array([True, True, True, False, False, False])
    >>> score = np.array([0.9, 0.8, 0.35, 0.7, 0.3, 0.2])
    >>> round(roc_auc(ill, score, patient_id=np.arange(6)).value, 4)
    0.8889
    """
    sample = Sample.of_patients(patient_id, y_true=y_true, y_score=y_score)
    return estimate_of(
        roc_auc_of(sample), sample, level=level, definition="area under the ROC curve"
    )


def average_precision(
    y_true: BoolArray, y_score: FloatArray, *, patient_id: IdArray, level: float = 0.95
) -> Estimate:
    """Precision averaged over the recall gained at each threshold; no interpolation.

    Parameters
    ----------
    y_true : ndarray of bool, shape (n_cases,)
        Reference standard; True is diseased.
    y_score : ndarray of float, shape (n_cases,)
        Score; higher is more suspicious.
    patient_id : ndarray, shape (n_cases,)
        Whose case it is.
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    Estimate
        In (0, 1]; the prevalence is what chance would reach. Not estimable when one kind of
        case is missing.

    Examples
    --------
    >>> ill = np.array([True, False, True, False])
    >>> score = np.array([0.9, 0.8, 0.7, 0.1])
    >>> round(average_precision(ill, score, patient_id=np.arange(4)).value, 4)
    0.8333
    """
    sample = Sample.of_patients(patient_id, y_true=y_true, y_score=y_score)
    return estimate_of(
        average_precision_of(sample), sample, level=level, definition="average precision"
    )
