"""What the intake and the hazard log show of a reason: clinical time, names, risk that is left."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiops.governance.blanks import names_nobody
from aiops.governance.reason_evidence import Evidence, evidence, threshold_of

if TYPE_CHECKING:
    from aiops.governance.usecase import UseCase

ROLES = {"clinical_lead": "clinical lead", "owner": "service that owns it"}
INTAKE = "register of use cases"
LEAST_WEEKS = 4
"""Weeks of labelling before its pace says anything."""


def clinical_time(
    *, case: "UseCase | None", today: date | None = None, **_: Any
) -> Evidence | None:
    """Return the pace of labelling and the days since a clinician signed in (R05).

    The pace is held to its bound: labels done are taken as a Poisson count [1]_. Before
    `LEAST_WEEKS` weeks it shows nothing, and a day to come or more labels than planned is a slip
    of the pen that decides nothing.

    Parameters
    ----------
    case : UseCase, optional
        With ``labels_planned``, ``labels_done`` and ``last_clinical_sign_in``.
    today : date, optional
        The day it is asked.

    References
    ----------
    .. [1] Garwood F. Biometrika 1936;28:437-442. doi:10.1093/biomet/28.3-4.437
    """
    if case is None:
        return None
    now = today or datetime.now(UTC).date()
    found = [
        part for part in (_pace_of_labels(case, now), _last_sign_in(case, now)) if part is not None
    ]
    if not found:
        return None
    signs = [sign for sign, _, _ in found]
    figures = next((figures for _, _, figures in found if figures), {})
    return evidence(
        "R05",
        "; ".join(said for _, said, _ in found).capitalize() + ".",
        supports=True if True in signs else None if None in signs else False,
        threshold=threshold_of("R05", "labels_per_week"),
        source=INTAKE,
        **figures,
    )


Part = tuple[bool | None, str, dict[str, Any]]


def _pace_of_labels(case: "UseCase", now: date) -> Part | None:
    """Return whether labelling is surely too slow, in words, and the pace with its interval."""
    planned, done = case.labels_planned, case.labels_done
    if not planned or done is None:
        return None
    if done > planned:
        return None, f"{done:,} labels are said to be done of {planned:,} planned", {}
    if done == planned:
        return False, f"all {planned:,} labels are done", {}
    slow, most = threshold_of("R05", "labels_per_week"), threshold_of("R05", "weeks_left")
    days = (now - _day(case.submitted_at)).days
    told = f"{done:,} of {planned:,} labels are done, {count_of(days // 7, 'week')} after intake"
    if days < 7 * LEAST_WEEKS:
        return None, f"{told}: a pace shows after {LEAST_WEEKS} weeks", {}
    low, high = (limit / (days / 7) for limit in _poisson_limits(done))
    pace, left = done / (days / 7), planned - done
    slowest = f"{left / low:,.0f}" if low else "no end of"
    weeks = f"{left / high:,.0f} to {slowest} weeks to the last"
    told += f": {pace:.1f} a week ({low:.1f} to {high:.1f}), {weeks}"
    sign = None
    if high < slow and left / high > most:
        sign = True
    elif low >= slow or (low and left / low <= most):
        sign = False
    figures = {"value": pace, "low": low, "high": high, "n": done}
    return sign, f"{told} (asked: {slow:g} a week, or {most:g} weeks)", figures


def _last_sign_in(case: "UseCase", now: date) -> Part | None:
    """Return whether it is too long ago that a clinician worked on it, and that in words."""
    if case.last_clinical_sign_in is None:
        return None
    patience = threshold_of("R05", "days_since_sign_in")
    days = (now - case.last_clinical_sign_in).days
    if days < 0:
        day = case.last_clinical_sign_in.isoformat()
        return None, f"the last sign-in of a clinician, {day}, is still to come", {}
    told = f"a clinician last worked on it {count_of(days, 'day')} ago (asked: {patience:g})"
    return days > patience, told, {}


def count_of(n: int, unit: str) -> str:
    """Return a count with its unit.

    Examples
    --------
    >>> count_of(1, "week"), count_of(20, "day")
    ('1 week', '20 days')
    """
    return f"{n:,} {unit}{'' if n == 1 else 's'}"


def _poisson_limits(n: int) -> tuple[float, float]:
    from scipy.stats import chi2

    low = float(chi2.ppf(0.025, 2 * n)) / 2 if n else 0.0
    return low, float(chi2.ppf(0.975, 2 * n + 2)) / 2


def named_people(*, case: "UseCase | None", today: date | None = None, **_: Any) -> Evidence | None:
    """Return the roles that name nobody, and for how long (R06)."""
    if case is None:
        return None
    now = today or datetime.now(UTC).date()
    patience = threshold_of("R06", "days_empty")
    days = (now - _day(case.submitted_at)).days
    empty = [said for name, said in ROLES.items() if names_nobody(getattr(case, name))]
    if not empty:
        names = " and ".join(ROLES.values())
        return evidence(
            "R06", f"Both are named: {names}.", supports=False, value=0.0, threshold=patience,
            source=INTAKE,
        )  # fmt: skip
    return evidence(
        "R06",
        f"Nobody is named as {' or '.join(empty)}, {count_of(days, 'day')} after intake "
        f"(asked: no longer than {patience:g}).",
        supports=True if days > patience else None,
        value=float(days),
        threshold=patience,
        source=INTAKE,
    )


def residual_risk(
    *, case: "UseCase | None", hazards: Path | None = None, **_: Any
) -> Evidence | None:
    """Return the worst risk that the hazard log leaves (R14)."""
    if hazards is None:
        return None
    from aiops.governance.hazards import open_by_level, read_hazards, read_matrix
    from aiops.provenance import content_hash

    rated = read_hazards(Path(hazards))
    bound = threshold_of("R14", "residual_risk")
    worst = max(one.residual for one in rated)
    left = [one.hazard.id for one in rated if one.residual >= bound]
    named = f" ({', '.join(left)})" if left else ""
    waiting = [one.hazard.id for one in rated if not one.is_controlled]
    more = f"; not rated after controls: {', '.join(waiting)}" if waiting else ""
    return evidence(
        "R14",
        f"{len(left)} of {len(rated)} hazards are left at risk {bound:g} or more of 5{named}; the "
        f"worst is {worst}, {read_matrix().meaning[worst]}{more}.",
        supports=True if left else None if waiting else False,
        value=float(worst),
        threshold=bound,
        source=f"{Path(hazards).name} sha256 {content_hash(Path(hazards))[:16]}",
        details=[{"open_by_level": open_by_level(rated)}],
    )


PEOPLE: Mapping[str, Callable[..., Evidence | None]] = {
    "R05": clinical_time,
    "R06": named_people,
    "R14": residual_risk,
}


def _day(written: str) -> date:
    return datetime.fromisoformat(written).date()
