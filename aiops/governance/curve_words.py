"""What a learning curve says of R01: the patients needed against those there will be."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiops.governance.power_law import FARTHEST, PowerLaw
from aiops.governance.reason_evidence import Evidence, count, evidence, threshold_of


@dataclass(frozen=True)
class Measured:
    """Scores at growing numbers of patients.

    Parameters
    ----------
    n : ndarray, shape (n_sizes,)
        Patients learnt from.
    score : ndarray, shape (n_sizes,)
        Mean over the draws.
    replicates : ndarray, shape (n_boot, n_sizes)
        The same in each bootstrap replicate.
    n_all, n_train : int
        Patients of the whole cohort and of its training part.
    scored_on : str
        On whom.
    falls : bool, default=False
        Whether lower scores are better.
    doubt : str, default=""
        Why nothing may be concluded from these scores, if so.
    limits_hold : str, default=""
        What chance the limits hold, and what they do not.
    """

    n: NDArray[np.float64]
    score: NDArray[np.float64]
    replicates: NDArray[np.float64]
    n_all: int
    n_train: int
    scored_on: str
    falls: bool = False
    doubt: str = ""
    limits_hold: str = ""


def evidence_of_curve(
    law: PowerLaw, measured: Measured, target: float, per_year: float | None
) -> Evidence:
    """Return what a curve says of R01: the patients needed against those there will be.

    Not supported is the reason only where the upper limit of the patients needed lies among those
    there will be and within what a curve can be read for; supported only where the lower limit
    lies beyond those there will be. How many there will be is unknown where nobody said it.
    """
    there, far = float(measured.n[-1]), FARTHEST * law.n_most
    limit = None
    if per_year is not None:
        years = threshold_of("R01", "years")
        limit = there + per_year * years * measured.n_train / measured.n_all
    low_now, high_now = np.quantile(measured.replicates[:, -1], [0.025, 0.975])
    said = (
        f"With {count(int(there))} training patients the score is {measured.score[-1]:.3f} "
        f"({low_now:.3f} to {high_now:.3f}); {target:g} is wanted. "
    )
    value, low, high = law.needed(target)
    supports: bool | None = None
    if high_now <= target if measured.falls else low_now >= target:
        said, supports = f"{said}It is reached.", False
    elif law.state != "ok":
        said = f"{said}How many more it takes is not told: {law.reason}."
    else:
        if math.isinf(low) or (limit is not None and limit < low and limit <= far):
            supports = True
        elif limit is not None and high <= min(limit, far):
            supports = False
        said += f"The curve levels out at {law.a:.3f} ({law.a_low:.3f} to {law.a_high:.3f}): "
        said += _needed_words(value, low, high, far)
        said += _years_words((value, low, high), there, per_year, measured)
        said += f" {law.n_lost} replicates could not be fitted." if law.n_lost else ""
    said += f" {measured.limits_hold}" if measured.limits_hold else ""
    if measured.doubt:
        said, supports = f"{said} That settles nothing: {measured.doubt}.", None
    return evidence(
        "R01", said, supports=supports, value=value, low=low, high=high, n=int(there),
        threshold=limit, source=measured.scored_on,
    )  # fmt: skip


def _needed_words(value: float, low: float, high: float, far: float) -> str:
    if math.isinf(low):
        return "no number of patients reaches it."
    if low > far:
        return f"it takes more than {far:,.0f} training patients, farther than a curve can be read."
    if math.isinf(value):
        return (
            f"by the best fit no number of patients reaches it; it takes {low:,.0f} at the least."
        )
    if value > far:
        return (
            f"by the best fit it takes more than {far:,.0f} training patients, farther than a "
            f"curve can be read; it takes {low:,.0f} at the least."
        )
    most = f"{high:,.0f}" if high <= far else f"more than {far:,.0f}, or none may be enough"
    return f"{value:,.0f} training patients reach it ({low:,.0f} to {most})."


def _years_words(
    needed: tuple[float, float, float], there: float, per_year: float | None, measured: Measured
) -> str:
    if per_year is None:
        return " How many come in a year was not said."
    if needed[1] > FARTHEST * there:
        return ""
    a_year = per_year * measured.n_train / measured.n_all
    best, first, last = (max(n - there, 0) / a_year if a_year else math.inf for n in needed)
    if math.isinf(best):
        return f" At {per_year:g} patients a year that is {first:.1f} years at the least."
    end = f"{last:.1f}" if math.isfinite(last) else "without end"
    return f" At {per_year:g} patients a year that is {best:.1f} years ({first:.1f} to {end})."


def curve_lines(result: dict[str, Any]) -> list[str]:
    """Say each measured point, the fit, and what it means."""
    lines = [f"{result['use_case']}: {result['metric']} on {result['scored_on']}"]
    lines += [
        f"  {p['n_patients']:>8,.0f} patients  {p['score']:.3f} ({p['low']:.3f} to {p['high']:.3f})"
        for p in result["points"]
    ]
    fit = result["fit"]
    if fit["state"] == "ok":
        sign = "−" if fit["b"] >= 0 else "+"
        lines.append(f"  fit: {fit['a']:.3f} {sign} {abs(fit['b']):.3g}·n^(−{fit['c']:.2f})")
    else:
        lines.append(f"  no fit: {fit['reason']}")
    supports = {True: "supports R01", False: "speaks against R01", None: "does not settle R01"}
    word = supports[result["evidence"]["supports"]]
    return [
        *lines,
        f"{result['evidence']['sentence']} ({word})",
        f"written: {result['file']}",
    ]
