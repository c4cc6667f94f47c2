"""Brier score, calibration slope and intercept: does 20 % mean one in five."""

import numpy as np
from numpy.typing import NDArray

from evaluation.estimates import FEW, BoolArray, Estimate, FloatArray
from evaluation.samples import Sample
from evaluation.statistic import (
    Statistic,
    effective_count,
    estimate_of,
    few_correction,
    mean_of,
    undefined,
)

IdArray = NDArray[np.generic]

CLIP = 1e-6
"""Probabilities are kept this far from 0 and 1 before their logit is taken."""

MAX_STEPS = 50


def brier_of(sample: Sample) -> Statistic:
    """Return the mean squared error of the probability, as a `Statistic`; failed cases are 1."""
    score = np.where(sample.failed, 0.0, sample.y_score)
    error = np.where(sample.failed, 1.0, np.square(score - sample.y_true))
    return mean_of(sample, error, none="no case", is_unit=True)


def calibration_slope_of(sample: Sample) -> Statistic:
    """Return the slope of outcome on logit, as a `Statistic`; failed cases have no logit."""
    return _logistic(sample, with_slope=True)


def calibration_intercept_of(sample: Sample) -> Statistic:
    """Return the intercept of outcome with the logit as offset, as a `Statistic`."""
    return _logistic(sample, with_slope=False)


def _logistic(sample: Sample, *, with_slope: bool) -> Statistic:
    scored = ~sample.failed
    y, p = sample.y_true[scored], np.clip(sample.y_score[scored], CLIP, 1 - CLIP)
    if not y.any():
        return undefined("0 positives")
    if y.all():
        return undefined("0 negatives")
    logit = np.log(p / (1 - p))
    if with_slope and np.ptp(logit) < 1e-9:
        return undefined("all scores are the same")
    if with_slope and (logit[y].min() >= logit[~y].max() or logit[y].max() <= logit[~y].min()):
        return undefined("the scores part the cases completely, the slope has no end")
    design = np.column_stack([np.ones_like(logit), logit])
    if not with_slope:
        design = design[:, :1]
    fitted = _newton(design, y.astype(float), np.zeros_like(logit) if with_slope else logit)
    if fitted is None:
        return undefined("the fit did not settle")
    beta, gradient, hessian = fitted
    return _logistic_statistic(sample, scored, beta, gradient, hessian)


def _newton(
    design: FloatArray, y: FloatArray, offset: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray] | None:
    """Return coefficients, gradient per case and hessian per case of a logistic fit."""
    k = design.shape[1]
    beta, step = np.array([0.0, 1.0])[:k], np.zeros(k)
    best = -np.inf
    for _ in range(MAX_STEPS):
        linear = np.clip(offset + design @ beta, -700, 700)
        away = np.exp(-np.abs(linear))
        fit = np.where(linear >= 0, 1.0, away) / (1 + away)
        # log(1 + exp(linear)), without the overflow of exp and quicker than logaddexp.
        likelihood = float(y @ linear - (np.maximum(linear, 0) + np.log(1 + away)).sum())
        if likelihood < best - 1e-9 * (1 + abs(best)):
            # A full step went past the top: halve it.
            step = step / 2
            beta = beta - step
            continue
        best = likelihood
        residual, spread = y - fit, fit * (1 - fit)
        total = (design * spread[:, None]).T @ design
        if not np.isfinite(total).all() or np.linalg.cond(total) > 1e12:
            return None
        step = np.linalg.solve(total, design.T @ residual)
        if np.abs(step).max() < 1e-10:
            outer = (design[:, :, None] * design[:, None, :]).reshape(len(y), -1)
            return beta, design * residual[:, None], outer * spread[:, None]
        beta = beta + step
    return None


def _logistic_statistic(
    sample: Sample, scored: BoolArray, beta: FloatArray, gradient: FloatArray, hessian: FloatArray
) -> Statistic:
    k = beta.size
    patient = sample.patient[scored]
    n = sample.n_patients

    def by_patient(columns: FloatArray) -> FloatArray:
        return np.column_stack([np.bincount(patient, c, minlength=n) for c in columns.T])

    pull, curve = by_patient(gradient), by_patient(hessian)
    inverse = np.linalg.inv(curve.sum(axis=0).reshape(k, k))
    y = sample.y_true[scored]
    ill = np.bincount(patient[y], minlength=n).astype(float)
    well = np.bincount(patient[~y], minlength=n).astype(float)
    n_ill, n_well = int((ill > 0).sum()), int((well > 0).sum())
    n_least = min(n_ill, n_well)
    kind = "with" if n_ill <= n_well else "without"

    def one_step(totals: FloatArray) -> FloatArray:
        """Return replicates one Newton step from the fit: as good as refitting, and linear."""
        g, h = totals[:, :k], totals[:, k:].reshape(-1, k, k)
        singular = np.abs(np.linalg.det(h)) < 1e-12
        h = np.where(singular[:, None, None], np.eye(k), h)
        steps = np.linalg.solve(h, g[:, :, None])[:, -1, 0]
        return np.where(singular, np.nan, beta[-1] + steps)

    n_patients = int(((ill + well) > 0).sum())
    return Statistic(
        value=float(beta[-1]),
        influence=(pull @ inverse)[:, -1] * np.sqrt(few_correction(n_patients)),
        df=max(min(effective_count(ill), effective_count(well)) - 1, 1.0),
        n_least=n_least,
        least=f"patients {kind} the finding",
        few=n_least < FEW,
        method="sandwich by patient, t",
        sums=np.column_stack([pull, curve]),
        from_sums=one_step,
    )


def brier(
    y_true: BoolArray, y_score: FloatArray, *, patient_id: IdArray, level: float = 0.95
) -> Estimate:
    """Mean squared difference of probability and outcome; 0 is perfect.

    Parameters
    ----------
    y_true : ndarray of bool, shape (n_cases,)
        Reference standard; True is diseased.
    y_score : ndarray of float, shape (n_cases,)
        Probability of disease.
    patient_id : ndarray, shape (n_cases,)
        Whose case it is.
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    Estimate
        In [0, 1], lower is better.

    Raises
    ------
    ValueError
        If a score lies outside [0, 1].

    Examples
    --------
    >>> p = np.array([0.9, 0.1])
    >>> round(brier(np.array([True, False]), p, patient_id=np.arange(2)).value, 6)
    0.01
    """
    sample = Sample.of_patients(
        patient_id, y_true=y_true, y_score=y_score, score_kind="probability"
    )
    return estimate_of(
        brier_of(sample), sample, level=level, definition="mean squared error of the probability"
    )


def calibration_slope(
    y_true: BoolArray, y_score: FloatArray, *, patient_id: IdArray, level: float = 0.95
) -> Estimate:
    """Slope of the outcome on the logit of the probability; 1 is ideal, below 1 too extreme.

    Parameters
    ----------
    y_true : ndarray of bool, shape (n_cases,)
        Reference standard; True is diseased.
    y_score : ndarray of float, shape (n_cases,)
        Probability of disease, kept within 1e-6 of 0 and 1.
    patient_id : ndarray, shape (n_cases,)
        Whose case it is.
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    Estimate
        Not estimable when one kind of case is missing, or no score is on the wrong side.

    Examples
    --------
    >>> p = np.repeat([0.2, 0.8], 10)
    >>> ill = np.concatenate([np.arange(10) < 2, np.arange(10) < 8])
    >>> round(calibration_slope(ill, p, patient_id=np.arange(20)).value, 6)
    1.0
    """
    sample = Sample.of_patients(
        patient_id, y_true=y_true, y_score=y_score, score_kind="probability"
    )
    return estimate_of(
        calibration_slope_of(sample), sample, level=level, definition="logistic calibration slope",
        bounds=(-np.inf, np.inf),
    )  # fmt: skip


def calibration_intercept(
    y_true: BoolArray, y_score: FloatArray, *, patient_id: IdArray, level: float = 0.95
) -> Estimate:
    """Intercept of the outcome with the logit as offset; 0 is ideal, below 0 overestimates.

    Parameters
    ----------
    y_true : ndarray of bool, shape (n_cases,)
        Reference standard; True is diseased.
    y_score : ndarray of float, shape (n_cases,)
        Probability of disease, kept within 1e-6 of 0 and 1.
    patient_id : ndarray, shape (n_cases,)
        Whose case it is.
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    Estimate
        Not estimable when one kind of case is missing.

    Examples
    --------
    >>> p = np.full(10, 0.5)
    >>> abs(calibration_intercept(np.arange(10) < 5, p, patient_id=np.arange(10)).value) < 1e-9
    True
    """
    sample = Sample.of_patients(
        patient_id, y_true=y_true, y_score=y_score, score_kind="probability"
    )
    return estimate_of(
        calibration_intercept_of(sample), sample, level=level,
        definition="calibration in the large: logistic intercept, slope fixed at 1",
        bounds=(-np.inf, np.inf),
    )  # fmt: skip
