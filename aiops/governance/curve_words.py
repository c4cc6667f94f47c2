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
    """

    n: NDArray[np.float64]
    score: NDArray[np.float64]
    replicates: NDArray[np.float64]
    n_all: int
    n_train: int
    scored_on: str


def evidence_of_curve(
    law: PowerLaw, measured: Measured, target: float, per_year: float | None
) -> Evidence:
    """Return what a curve says of R01: the patients needed against those there will be."""
    years = threshold_of("R01", "years")
    there = float(measured.n[-1])
    limit = there + (per_year or 0.0) * years * measured.n_train / measured.n_all
    low_now, high_now = np.quantile(measured.replicates[:, -1], [0.025, 0.975])
    said = (
        f"With {count(int(there))} training patients the score is {measured.score[-1]:.3f} "
        f"({low_now:.3f} to {high_now:.3f}); {target:g} is wanted. "
    )
    value, low, high = law.needed(target)
    if low_now >= target:
        said, supports = f"{said}It is reached.", False
    elif law.state != "ok":
        said, supports = f"{said}How many more it takes is not told: {law.reason}.", None
    else:
        supports = True if low > limit else False if high <= limit else None
        said += f"The curve levels out at {law.a:.3f} ({law.a_low:.3f} to {law.a_high:.3f}): "
        said += _needed_words(value, low, high, FARTHEST * law.n_most)
        said += _years_words(value, low, there, per_year, measured)
    return evidence(
        "R01", said, supports=supports, value=value, low=low, high=high, n=int(there),
        threshold=limit, source=measured.scored_on,
    )  # fmt: skip


def _needed_words(value: float, low: float, high: float, far: float) -> str:
    if math.isinf(low):
        return "no number of patients reaches it."
    if low > far:
        return f"it takes more than {far:,.0f} training patients, farther than a curve can be read."
    most = f"{high:,.0f}" if high <= far else f"more than {far:,.0f}, or none is enough"
    best = f"{value:,.0f}" if value <= far else f"more than {far:,.0f}"
    return f"{best} training patients reach it ({low:,.0f} to {most})."


def _years_words(
    value: float, low: float, there: float, per_year: float | None, measured: Measured
) -> str:
    if per_year is None:
        return " How many come in a year was not said."
    a_year = per_year * measured.n_train / measured.n_all
    if math.isinf(low):
        return ""
    first = max(low - there, 0) / a_year
    best = max(value - there, 0) / a_year
    told = f"{best:.1f} years" if math.isfinite(best) else "years without end"
    return f" At {per_year:g} patients a year that is {told}, {first:.1f} at best."


def curve_lines(result: dict[str, Any]) -> list[str]:
    """Say each measured point, the fit, and what it means."""
    lines = [f"{result['use_case']}: {result['metric']} on {result['scored_on']}"]
    lines += [
        f"  {p['n_patients']:>8,.0f} patients  {p['score']:.3f} ({p['low']:.3f} to {p['high']:.3f})"
        for p in result["points"]
    ]
    fit = result["fit"]
    if fit["state"] == "ok":
        lines.append(f"  fit: {fit['a']:.3f} − {fit['b']:.3g}·n^(−{fit['c']:.2f})")
    else:
        lines.append(f"  no fit: {fit['reason']}")
    supports = {True: "supports R01", False: "speaks against R01", None: "does not settle R01"}
    word = supports[result["evidence"]["supports"]]
    return [
        *lines,
        f"{result['evidence']['sentence']} ({word})",
        f"written: {result['file']}",
    ]
