"""Several classes, or several findings: mean AUC, mean sensitivity, and who is taken for what."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evaluation.confusion import sensitivity_of, specificity_of
from evaluation.discrimination import roc_auc_of
from evaluation.estimates import FEW, Estimate, FloatArray, two_sided_z
from evaluation.samples import Sample, as_flags
from evaluation.statistic import (
    Statistic,
    estimate_of,
    limits_of,
    share_of,
    undefined,
)

if TYPE_CHECKING:
    import pandas as pd

IdArray = NDArray[np.generic]

FAILED = "failed"
"""What stands for a case without an answer: it is none of the classes, and wrong."""


def balanced_accuracy_of(sample: Sample) -> Statistic:
    """Return the mean of sensitivity and specificity, as a `Statistic`."""
    return mean_of_shares([sensitivity_of(sample), specificity_of(sample)])


def mean_of_shares(parts: list[Statistic]) -> Statistic:
    """Return the mean of shares of the same patients; undefined where one of them is.

    Influences add, so that what the shares have in common stays in the variance. Where a share
    rests on few, its variance is held up to that of a share of the mean's size: one that is 1 in
    five cases does not look certain.
    """
    for part in parts:
        if not np.isfinite(part.value):
            return undefined(part.reason)
    k = len(parts)
    value = float(np.mean([p.value for p in parts]))
    influence = np.mean([p.influence for p in parts], axis=0)
    smallest = min(parts, key=lambda p: p.n_least)
    few = any(p.n_effective < FEW for p in parts) or smallest.few
    worth = k**2 / sum(1 / p.n_effective for p in parts)
    variance = float(np.square(influence).sum())
    bound = value * (1 - value)
    n_effective = worth
    if bound > 0 and variance > 0:
        n_effective = min(bound / variance, worth) if few else bound / variance
    sums = [p.sums for p in parts if p.sums is not None]

    def from_sums(totals: FloatArray) -> FloatArray:
        with np.errstate(invalid="ignore", divide="ignore"):
            out: FloatArray = (totals[:, ::2] / totals[:, 1::2]).mean(axis=1)
        return out

    return Statistic(
        value=value,
        influence=influence,
        n_effective=n_effective,
        df=min(p.df for p in parts),
        n_least=smallest.n_least,
        least=smallest.least,
        few=few,
        method="linearised by patient, Wilson form",
        sums=np.column_stack(sums),
        from_sums=from_sums,
    )


def macro_roc_auc(
    y_true: NDArray[np.generic],
    y_score: FloatArray,
    *,
    classes: NDArray[np.generic],
    patient_id: IdArray,
    level: float = 0.95,
) -> Estimate:
    """Mean over classes of the AUC of each class against all others (macro, one versus rest).

    Parameters
    ----------
    y_true : ndarray, shape (n_cases,)
        Class of each case.
    y_score : ndarray of float, shape (n_cases, n_classes)
        Score of each class; a row of nan is a case the tool failed on and is ranked wrongly.
    classes : ndarray, shape (n_classes,)
        The class of each column.
    patient_id : ndarray, shape (n_cases,)
        Whose case it is: the classes share patients, and the interval knows it.
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    Estimate
        In [0, 1]; every class counts alike, however rare. Not estimable when a class has no case,
        and the reason names it: a mean over the other classes would be another figure.

    Raises
    ------
    ValueError
        If shapes do not match, a class is not among the columns, or a score alone is nan.

    References
    ----------
    .. [1] Hand DJ, Till RJ. Mach Learn 2001;45:171-186. doi:10.1023/A:1010920819831

    Examples
    --------
    >>> kind = np.array(["ct", "mr", "us", "ct", "mr", "us"])
    >>> score = np.eye(3)[[0, 1, 2, 0, 2, 2]]
    >>> got = macro_roc_auc(kind, score, classes=np.array(["ct", "mr", "us"]),
    ...                     patient_id=np.arange(6))
    >>> round(got.value, 3)
    0.875
    """
    truth, names = np.asarray(y_true), np.asarray(classes)
    _known(truth, names, "y_true")
    return _mean_auc(
        truth[:, None] == names[None, :], y_score, [str(n) for n in names], patient_id, level,
        "mean over classes of the AUC of each against the rest",
    )  # fmt: skip


def multilabel_roc_auc(
    y_true: FloatArray,
    y_score: FloatArray,
    *,
    patient_id: IdArray,
    findings: tuple[str, ...] = (),
    level: float = 0.95,
) -> Estimate:
    """Mean AUC over findings of which a case may have several, with one interval for the mean.

    Parameters
    ----------
    y_true : ndarray, shape (n_cases, n_findings)
        0 or 1; nan where a case has no reference for a finding, which then leaves it out there.
    y_score : ndarray of float, shape (n_cases, n_findings)
        Score of each finding; a row of nan is a case the tool failed on and is ranked wrongly.
    patient_id : ndarray, shape (n_cases,)
        Whose case it is: the findings share patients, and the interval knows it.
    findings : tuple of str
        What the columns are called in a reason.
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    Estimate
        In [0, 1]. Not estimable when a finding is never or always there.

    Examples
    --------
    >>> ill = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])
    >>> score = np.array([[0.9, 0.2], [0.1, 0.8], [0.7, 0.6], [0.3, 0.7]])
    >>> multilabel_roc_auc(ill, score, patient_id=np.arange(4)).value
    0.875
    """
    truth = np.asarray(y_true, float)
    if truth.ndim != 2:
        raise ValueError(f"y_true {truth.shape} must have two axes: cases and findings")
    names = list(findings) or [f"finding {i}" for i in range(truth.shape[1])]
    if len(names) != truth.shape[1]:
        raise ValueError(f"findings {findings} do not name {truth.shape[1]} columns")
    return _mean_auc(truth, y_score, names, patient_id, level, "mean over findings of the AUC")


def _mean_auc(
    truth: NDArray[np.generic],
    y_score: FloatArray,
    names: list[str],
    patient_id: IdArray,
    level: float,
    definition: str,
) -> Estimate:
    """Return the mean AUC over columns, the influence of each patient added up."""
    scores = np.asarray(y_score, float)
    if truth.shape != scores.shape or len(scores) != np.size(patient_id):
        raise ValueError(
            f"y_true {truth.shape}, y_score {scores.shape}, patient_id {np.shape(patient_id)} "
            "must match"
        )
    failed = np.isnan(scores).all(axis=1) if scores.size else np.zeros(len(scores), bool)
    codes = np.unique(np.asarray(patient_id), return_inverse=True)[1].astype(np.int64)
    n_patients = int(codes.max()) + 1 if codes.size else 0
    whole = Sample(patient=codes, n_patients=n_patients, failed=failed)
    parts = []
    for j, name in enumerate(names):
        known = np.ones(len(scores), bool)
        if truth.dtype != np.bool_:
            known = ~np.isnan(truth[:, j].astype(float))
        y = as_flags(truth[known, j], "y_true")
        sample = Sample(
            patient=codes[known], n_patients=n_patients, failed=failed[known], y_true=y,
            y_score=scores[known, j], score_kind="score",
        )  # fmt: skip
        part = roc_auc_of(sample)
        if not np.isfinite(part.value):
            return estimate_of(
                undefined(f"{part.reason} of {name}"), whole, level=level, definition=definition
            )
        parts.append(part)
    if not parts:
        return estimate_of(undefined("no class"), whole, level=level, definition=definition)
    return estimate_of(_mean_of_aucs(parts), whole, level=level, definition=definition)


def _mean_of_aucs(parts: list[Statistic]) -> Statistic:
    value = float(np.mean([p.value for p in parts]))
    influence = np.mean([p.influence for p in parts], axis=0)
    smallest = min(parts, key=lambda p: p.n_least)
    variance, bound = float(np.square(influence).sum()), value * (1 - value)
    few = any(p.few for p in parts)
    if bound > 0:
        # Findings of few cases: no less spread than each would have by the model for few.
        model = sum(p.value * (1 - p.value) / p.n_effective for p in parts) / len(parts) ** 2
        variance = max(variance, model) if few else variance
    n_effective = bound / variance if bound > 0 and variance > 0 else min(
        p.n_effective for p in parts
    )  # fmt: skip
    return Statistic(
        value=value,
        influence=influence,
        n_effective=n_effective,
        df=min(p.df for p in parts),
        n_least=smallest.n_least,
        least=smallest.least,
        few=few,
        method="clustered DeLong, influences of the parts added, Wilson form",
    )


def balanced_accuracy(
    y_true: NDArray[np.generic],
    y_pred: NDArray[np.generic],
    *,
    patient_id: IdArray,
    level: float = 0.95,
) -> Estimate:
    """Mean over classes of the share of their cases that are called so; two classes or more.

    Parameters
    ----------
    y_true : ndarray, shape (n_cases,)
        Class of each case; True and False, numbers or names.
    y_pred : ndarray, shape (n_cases,)
        Class the test gives; what is none of the classes, None or "failed" say, is wrong.
    patient_id : ndarray, shape (n_cases,)
        Whose case it is.
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    Estimate
        In [0, 1]; 1 / n_classes is what guessing reaches. Of two classes it is the mean of
        sensitivity and specificity. Not estimable when there are fewer than two classes.

    Examples
    --------
    >>> ill = np.array([True, True, False, False])
    >>> balanced_accuracy(ill, np.array([True, False, False, False]), patient_id=np.arange(4)).value
    0.75
    """
    truth, called = _labels(y_true, y_pred, patient_id)
    sample = Sample.of_patients(patient_id)
    names = np.unique(truth)
    definition = "mean over classes of the share of their cases called so"
    if names.size < 2:
        why = f"{names.size} classes; 2 are needed"
        return estimate_of(undefined(why), sample, level=level, definition=definition)
    parts = [
        share_of(
            sample, ((truth == n) & (called == n)).astype(float), (truth == n).astype(float),
            none="", least=f"patients of class {n}",
        )
        for n in names
    ]  # fmt: skip
    return estimate_of(mean_of_shares(parts), sample, level=level, definition=definition)


def multiclass_confusion(
    y_true: NDArray[np.generic],
    y_pred: NDArray[np.generic],
    *,
    patient_id: IdArray,
    level: float = 0.95,
) -> "pd.DataFrame":
    """Who is taken for what: one row for each class and each answer, with its interval.

    Parameters
    ----------
    y_true, y_pred : ndarray, shape (n_cases,)
        Class of each case, and the class the test gives; an answer that is no class of
        `y_true`, "failed" say, has rows of its own.
    patient_id : ndarray, shape (n_cases,)
        Whose case it is.
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    DataFrame
        ``truth, called, n_cases, n_truth, n_called`` and ``of_truth, of_truth_low,
        of_truth_high`` (share of the class that is called so: on the diagonal its sensitivity),
        ``of_called, …`` (share of those called so that are of the class: on the diagonal its
        PPV); nan where nobody is called so.

    Examples
    --------
    >>> kind = np.array(["a", "a", "b", "b"])
    >>> found = multiclass_confusion(kind, np.array(["a", "b", "b", "b"]), patient_id=np.arange(4))
    >>> found[["truth", "called", "n_cases", "of_truth"]].values.tolist()
    [['a', 'a', 1, 0.5], ['a', 'b', 1, 0.5], ['b', 'a', 0, 0.0], ['b', 'b', 2, 1.0]]
    """
    import pandas as pd

    truth, called = _labels(y_true, y_pred, patient_id)
    sample = Sample.of_patients(patient_id)
    z = two_sided_z(level)
    names = np.unique(truth)
    answers = [*names, *np.setdiff1d(called, names)]
    rows = []
    for name in names:
        for answer in answers:
            of, so = truth == name, called == answer
            row = {
                "truth": name, "called": answer, "n_cases": int((of & so).sum()),
                "n_truth": int(of.sum()), "n_called": int(so.sum()),
            }  # fmt: skip
            for label, among in (("of_truth", of), ("of_called", so)):
                hit = (of & so).astype(float)
                part = share_of(sample, hit, among.astype(float), none="no case")
                low = high = np.array([np.nan])
                if np.isfinite(part.value):
                    low, high = limits_of([part], (0.0, 1.0), z)
                row |= {label: part.value, f"{label}_low": low[0], f"{label}_high": high[0]}
            rows.append(row)
    shares = [f"of_{k}{end}" for k in ("truth", "called") for end in ("", "_low", "_high")]
    return pd.DataFrame(
        rows, columns=["truth", "called", "n_cases", "n_truth", "n_called", *shares]
    )


def _labels(
    y_true: NDArray[np.generic], y_pred: NDArray[np.generic], patient_id: IdArray
) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    """Return both as text, so that True, 1 and a name are compared as what they say."""
    if not (np.shape(y_true) == np.shape(y_pred) == np.shape(patient_id)):
        raise ValueError(
            f"y_true {np.shape(y_true)}, y_pred {np.shape(y_pred)}, patient_id "
            f"{np.shape(patient_id)} must match"
        )

    def text(values: NDArray[np.generic], name: str) -> NDArray[np.str_]:
        given = np.asarray(values, dtype=object)
        lost = np.array([v is None or v != v for v in given], bool)
        if lost.any() and name == "y_true":
            raise ValueError(f"y_true is missing in {int(lost.sum())} of {lost.size} cases")
        whole = [int(v) if isinstance(v, float) and v.is_integer() else v for v in given]
        return np.array([FAILED if no else str(v) for v, no in zip(whole, lost, strict=True)], str)

    return text(y_true, "y_true"), text(y_pred, "y_pred")


def _known(values: NDArray[np.generic], classes: NDArray[np.generic], name: str) -> None:
    if np.unique(classes).size != classes.size:
        raise ValueError(f"classes {classes.tolist()} name a class twice")
    odd = np.setdiff1d(values, classes)
    if odd.size:
        raise ValueError(f"{name} holds {odd[:5].tolist()}, none of classes {classes.tolist()}")
