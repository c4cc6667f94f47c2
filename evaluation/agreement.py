"""Agreement of two measurements of one thing: Bland and Altman's bias and limits."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from evaluation.estimates import Estimate, FloatArray, critical, two_sided_z
from evaluation.samples import Sample
from evaluation.statistic import estimate_of, mean_of

if TYPE_CHECKING:
    from evaluation.further import Evaluated

SPREAD = 1.96

AGREEMENT_COLUMNS = [
    "structure", "quantity", "n_cases", "n_patients", "bias", "bias_low", "bias_high", "sd",
    "lower", "lower_low", "lower_high", "upper", "upper_low", "upper_high", "state", "reason",
]  # fmt: skip


@dataclass(frozen=True)
class BlandAltman:
    """Bias and limits of agreement of a measurement with its reference.

    Parameters
    ----------
    bias : Estimate
        Mean of measured minus reference.
    sd : float
        Standard deviation of the differences.
    lower, upper : Estimate
        Limits between which 95 % of the differences lie: bias ± 1.96 sd.
    """

    bias: Estimate
    sd: float
    lower: Estimate
    upper: Estimate


def bland_altman(
    reference: FloatArray,
    measured: FloatArray,
    patient_id: NDArray[np.generic],
    *,
    level: float = 0.95,
) -> BlandAltman:
    """Return bias and limits of agreement [1]_, their intervals on patients, not on cases.

    Parameters
    ----------
    reference, measured : ndarray of float, shape (n_cases,)
        What was to be measured, and what was.
    patient_id : ndarray, shape (n_cases,)
        Whose case it is.
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    BlandAltman

    Raises
    ------
    ValueError
        If the arrays differ in shape, or hold a nan or an infinite number.

    References
    ----------
    .. [1] Bland JM, Altman DG. Lancet 1986;327:307-310. doi:10.1016/S0140-6736(86)90837-8

    Examples
    --------
    >>> a, b = np.array([10.0, 12, 14, 16, 18]), np.array([11.0, 12, 13, 17, 17])
    >>> found = bland_altman(a, b, np.arange(5))
    >>> found.bias.value, found.sd, found.upper.value
    (0.0, 1.0, 1.96)
    """
    if not (np.shape(reference) == np.shape(measured) == np.shape(patient_id)):
        raise ValueError(
            f"reference {np.shape(reference)}, measured {np.shape(measured)}, patient_id "
            f"{np.shape(patient_id)} must match"
        )
    given = {"reference": np.asarray(reference, float), "measured": np.asarray(measured, float)}
    for name, values in given.items():
        if np.isinf(values).any():
            raise ValueError(f"{name} is infinite in {int(np.isinf(values).sum())} cases")
    difference = given["measured"] - given["reference"]
    if np.isnan(difference).any():
        raise ValueError(f"{int(np.isnan(difference).sum())} differences are nan")
    sample = Sample.of_patients(patient_id, values={"difference": difference})
    statistic = mean_of(sample, difference, none="no case", is_unit=False)
    everywhere = (-np.inf, np.inf)
    bias = estimate_of(
        statistic, sample, level=level, bounds=everywhere, definition="mean of measured − reference"
    )
    sd = float(difference.std(ddof=1)) if difference.size > 1 else float("nan")
    quantile = float(critical(two_sided_z(level), statistic.df))
    # The limit's variance is the bias' and that of 1.96 sd, on as many patients as they are worth.
    se = float(np.hypot(statistic.se, SPREAD * sd / np.sqrt(2 * max(statistic.df, 1.0))))
    lower, upper = (_limit(bias, sign * SPREAD * sd, quantile * se) for sign in (-1, 1))
    return BlandAltman(bias=bias, sd=sd, lower=lower, upper=upper)


def _limit(bias: Estimate, shift: float, half: float) -> Estimate:
    value = bias.value + shift
    known = bool(np.isfinite(value))
    share = special.ndtr(SPREAD) - special.ndtr(-SPREAD)
    return Estimate(
        value=value,
        low=value - half,
        high=value + half,
        n_cases=bias.n_cases,
        n_patients=bias.n_patients,
        n_positive=None,
        n_failed=0,
        method="t, clustered by patient",
        state=bias.state if known else "not_estimable",
        definition=f"limit of agreement, {share:.0%} of differences",
        reason=bias.reason if known else bias.reason or "fewer than 2 cases",
    )


def agreement_table(evaluated: "Evaluated") -> pd.DataFrame:
    """Return bias and limits of agreement of the volumes of each structure.

    Parameters
    ----------
    evaluated : Evaluated
        Targets with ``volume_reference_ml`` and ``volume_predicted_ml`` among their values.

    Returns
    -------
    DataFrame
        One row per structure, in ml; none for classification. A structure that was missed, or
        never returned because the tool failed, was measured as 0; one that is in neither mask is
        left out unless the plan counts it. The state is ``small_n`` below 10 patients.
    """
    rows = []
    for case in evaluated.targets:
        values = case.sample.values
        if not {"volume_reference_ml", "volume_predicted_ml"} <= set(values):
            continue
        pair = (values["volume_reference_ml"], values["volume_predicted_ml"])
        there = (values["present"] > 0) & np.isfinite(pair[0] + pair[1])
        found = bland_altman(
            pair[0][there], pair[1][there], case.sample.patient[there], level=evaluated.plan.level
        )
        row: dict[str, object] = {"structure": case.target, "quantity": "volume_ml"}
        row |= {"n_cases": found.bias.n_cases, "n_patients": found.bias.n_patients}
        row |= {"sd": found.sd, "state": found.upper.state, "reason": found.upper.reason}
        for name in ("bias", "lower", "upper"):
            part: Estimate = getattr(found, name)
            row |= {name: part.value, f"{name}_low": part.low, f"{name}_high": part.high}
        if not found.bias.n_patients:
            row["n_patients"] = 0
        rows.append(row)
    return pd.DataFrame(rows, columns=AGREEMENT_COLUMNS)
