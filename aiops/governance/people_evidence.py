"""What the intake and the hazard log show of a reason: clinical time, names, risk that is left."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiops.governance.reason_evidence import Evidence, evidence, threshold_of
from aiops.governance.revisit import NOBODY

if TYPE_CHECKING:
    from aiops.governance.usecase import UseCase

ROLES = {"clinical_lead": "clinical lead", "owner": "service that owns it"}
INTAKE = "register of use cases"


def clinical_time(
    *, case: "UseCase | None", today: date | None = None, **_: Any
) -> Evidence | None:
    """Return the pace of labelling and the days since a clinician signed in (R05).

    Parameters
    ----------
    case : UseCase, optional
        With ``labels_planned``, ``labels_done`` and ``last_clinical_sign_in``.
    today : date, optional
        The day it is asked.
    """
    if case is None:
        return None
    now = today or datetime.now(UTC).date()
    slow = threshold_of("R05", "labels_per_week")
    patience = threshold_of("R05", "days_since_sign_in")
    most = threshold_of("R05", "weeks_left")
    weeks = max((now - _day(case.submitted_at)).days / 7, 1.0)
    planned, done = case.labels_planned, case.labels_done
    said, signs = [], []
    pace = None
    if planned and done is not None and done < planned:
        pace = done / weeks
        left = (planned - done) / pace if pace else float("inf")
        told = f"{left:,.0f} weeks" if pace else "no end"
        said.append(
            f"{done:,} of {planned:,} labels were done in {weeks:.0f} weeks, {pace:.1f} a week: "
            f"{told} to the last (asked: {slow:g} a week, {most:g} weeks)"
        )
        signs.append(pace < slow and left > most)
    elif planned and done is not None:
        said.append(f"all {planned:,} labels are done")
        signs.append(False)
    if case.last_clinical_sign_in is not None:
        days = (now - case.last_clinical_sign_in).days
        said.append(f"a clinician last worked on it {days} days ago (asked: {patience:g})")
        signs.append(days > patience)
    if not said:
        return None
    return evidence(
        "R05",
        f"{'; '.join(said)}.".capitalize(),
        supports=any(signs),
        value=pace,
        threshold=slow,
        source=INTAKE,
    )


def named_people(*, case: "UseCase | None", today: date | None = None, **_: Any) -> Evidence | None:
    """Return the roles that name nobody, and for how long (R06)."""
    if case is None:
        return None
    now = today or datetime.now(UTC).date()
    patience = threshold_of("R06", "days_empty")
    days = (now - _day(case.submitted_at)).days
    empty = [said for name, said in ROLES.items() if _is_nobody(getattr(case, name))]
    if not empty:
        names = " and ".join(ROLES.values())
        return evidence(
            "R06", f"Both are named: {names}.", supports=False, value=0.0, threshold=patience,
            source=INTAKE,
        )  # fmt: skip
    return evidence(
        "R06",
        f"Nobody is named as {' or '.join(empty)}, {days} days after intake "
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
    return evidence(
        "R14",
        f"{len(left)} of {len(rated)} hazards are left at risk {bound:g} or more of 5{named}; the "
        f"worst is {worst}, {read_matrix().meaning[worst]}.",
        supports=bool(left),
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


def _is_nobody(name: str) -> bool:
    return name.strip().lower() in NOBODY


def _day(written: str) -> date:
    return datetime.fromisoformat(written).date()
