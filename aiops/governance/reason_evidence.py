"""What the data, a run or the intake show of a reason code; what they cannot is marked as stated.

Every figure is held to the thresholds of ``configs/policy/reasons.yaml`` by the bound of its
interval. Evidence supports a reason, speaks against it, or cannot tell; it decides nothing.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiops.errors import AiopsError

if TYPE_CHECKING:
    from aiops.governance.policy import Reasons
    from aiops.governance.usecase import UseCase

Evidence = dict[str, Any]
Source = Callable[..., Evidence | None]

BELOW = 8
"""Counts from 1 up to, not including, this one are neither told nor kept."""


def evidence_for(
    code: str, case: "UseCase | None" = None, run_dir: Path | None = None, **inputs: Any
) -> Evidence:
    """Return what is known of a reason: computed where it can be, stated otherwise.

    Every source is asked, and what speaks loudest for the reason stands first, the others under
    its details: a learning curve that is satisfied does not silence data that are too few.

    Parameters
    ----------
    code : str
        R01 to R24.
    case : UseCase, optional
        The use case as registered.
    run_dir : Path, optional
        An evaluated run of it.
    **inputs : Any
        What a source reads besides: ``hazards`` (path of a hazard log), ``simple`` (run folder of
        a simple model), ``external`` (run folder of the same model on other patients).

    Returns
    -------
    dict
        ``code, kind, value, low, high, n, threshold, supports`` (True, False or None),
        ``sentence, source, details``.

    Raises
    ------
    ConfigError
        If there is no such code.

    Examples
    --------
    >>> evidence_for("R17")["kind"]
    'stated'
    """
    from aiops.governance.policy import read_reasons
    from aiops.lookup import pick

    known = pick(read_reasons().codes, code, where="reason code")
    told, faults = [], []
    for source in SOURCES.get(code, ()):
        try:
            told.append(source(code, case=case, run_dir=run_dir, **inputs))
        except AiopsError as fault:
            faults.append(fault)
    found = [one for one in told if one is not None]
    if faults and not found:
        raise faults[0]
    # What one source could not tell is not refuted by another.
    found += [evidence(code, f"One source could not be read: {f.what}.") for f in faults]
    if loudest := worst(found):
        return loudest
    why = "nothing was there to compute it from" if known.evidence == "computed" else (
        "no program can compute it"
    )  # fmt: skip
    return evidence(code, f"Stated by those who decided; {why}.", kind="stated")


def evidence_of_reasons(
    codes: Sequence[str], case: "UseCase | None", run_dir: Path | None = None, **inputs: Any
) -> dict[str, Evidence]:
    """Return the evidence of each reason of a decision; a source that breaks is told, not raised.

    Parameters
    ----------
    codes : sequence of str
        Reason codes.
    case, run_dir, inputs
        As `evidence_for` takes them.
    """
    found = {}
    for code in codes:
        try:
            found[code] = evidence_for(code, case, run_dir, **inputs)
        except AiopsError as fault:
            told = f"Stated by those who decided; it could not be computed: {fault.what}."
            found[code] = evidence(code, told, kind="stated")
    return found


def evidence(
    code: str,
    sentence: str,
    *,
    supports: bool | None = None,
    value: float | None = None,
    low: float | None = None,
    high: float | None = None,
    n: int | None = None,
    threshold: float | None = None,
    source: str = "",
    kind: str = "computed",
    details: Sequence[Mapping[str, Any]] = (),
) -> Evidence:
    """Return evidence in its one form; what is no number, and a small count of people, is None."""
    return {
        "code": code,
        "kind": kind,
        "value": _number(value),
        "low": _number(low),
        "high": _number(high),
        "n": None if n is None or 0 < n < BELOW else int(n),
        "threshold": _number(threshold),
        "supports": supports,
        "sentence": sentence,
        "source": source,
        "details": [dict(detail) for detail in details],
    }


def threshold_of(code: str, name: str, reasons: "Reasons | None" = None) -> float:
    """Return a threshold of ``configs/policy/reasons.yaml``.

    Examples
    --------
    >>> threshold_of("R14", "residual_risk")
    4.0
    """
    from aiops.governance.policy import read_reasons
    from aiops.lookup import pick

    codes = (reasons or read_reasons()).codes
    return float(pick(codes[code].thresholds, name, where=f"reasons.yaml: {code}.thresholds"))


def above(low: float | None, high: float | None, bound: float) -> bool | None:
    """Say whether a figure lies above a bound: by its interval, and None where that is open.

    Examples
    --------
    >>> above(0.3, 0.4, 0.2), above(0.1, 0.15, 0.2), above(0.1, 0.3, 0.2), above(None, None, 0.2)
    (True, False, None, None)
    """
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return None
    if low > bound:
        return True
    return False if high <= bound else None


def below(low: float | None, high: float | None, bound: float) -> bool | None:
    """Say whether a figure lies below a bound: by its interval, and None where that is open."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return None
    if high < bound:
        return True
    return False if low >= bound else None


def count(n: int) -> str:
    """Return a count as it may be told: one of few people is not.

    Examples
    --------
    >>> count(0), count(3), count(18298)
    ('0', 'fewer than 8', '18,298')
    """
    return f"fewer than {BELOW}" if 0 < n < BELOW else f"{n:,}"


def share(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """Return a share in percent, with its interval where there is one.

    Examples
    --------
    >>> share(0.301, 0.29, 0.31)
    '30.1 % (29.0 to 31.0)'
    >>> share(math.nan, 0.0, 0.02)
    'at most 2.0 %'
    """
    if value is None or not math.isfinite(value):
        # A share of few cases is told by its bound alone: with n it would be their number.
        if low is None or high is None or not math.isfinite(low + high):
            return "not estimable"
        return f"at most {100 * high:.1f} %" if low <= 0 else f"at least {100 * low:.1f} %"
    spread = "" if low is None or high is None else f" ({100 * low:.1f} to {100 * high:.1f})"
    return f"{100 * value:.1f} %{spread}"


def worst(found: Sequence[Evidence]) -> Evidence | None:
    """Return the evidence that speaks loudest for a reason, the others under its details."""
    if not found:
        return None
    order = {True: 0, None: 1, False: 2}
    first, *rest = sorted(found, key=lambda one: order[one["supports"]])
    return {**first, "details": [*first["details"], *rest]}


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _kept(code: str, *, case: "UseCase | None", **_: Any) -> Evidence | None:
    """Return what the last look at the data of a case found."""
    from aiops.governance.feasibility import latest_feasibility

    found = latest_feasibility(case.slug) if case else None
    if found is None or code not in found["reasons"]:
        return None
    told: Evidence = found["reasons"][code]
    table = f"table sha256 {found['table_sha256'][:16]}"
    return {**told, "source": f"{told['source']}; {Path(found['file']).name}, {table}"}


def _people(code: str, **inputs: Any) -> Evidence | None:
    from aiops.governance.people_evidence import PEOPLE

    return PEOPLE[code](**inputs)


def _run(code: str, **inputs: Any) -> Evidence | None:
    from aiops.governance.run_evidence import RUNS

    return RUNS[code](**inputs)


def _curve(code: str, *, case: "UseCase | None", **_: Any) -> Evidence | None:
    from aiops.governance.learning_curve import latest_curve

    found = latest_curve(case.slug) if case else None
    if found is None:
        return None
    told: Evidence = found["evidence"]
    return {**told, "source": f"{told['source']}; {Path(found['file']).name}"}


SOURCES: dict[str, tuple[Source, ...]] = {
    "R01": (_curve, _run, _kept),
    "R02": (_run, _kept),
    "R03": (_kept,),
    "R04": (_kept,),
    "R05": (_people,),
    "R06": (_people,),
    "R10": (_run,),
    "R11": (_run,),
    "R12": (_run, _kept),
    "R13": (_run, _kept),
    "R14": (_people,),
    "R15": (_run,),
}
"""Where the evidence of a code comes from; all sources are asked. All other codes are stated."""
