"""The hazard log: what can harm a patient, what holds it back, and the risk that is left.

A log is one YAML file a team keeps beside its config. The risk is read from the matrix of
``configs/policy/hazard_matrix.yaml``, never written by hand, so that a log and its scale cannot
drift apart.
"""

from collections import Counter
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Literal, TypeVar

import yaml
from pydantic import Field, ValidationError, model_validator

from aiops import home
from aiops.config import Config
from aiops.errors import ConfigError
from aiops.governance.blanks import is_blank

F = TypeVar("F", bound=Config)

LEVELS = (1, 2, 3, 4, 5)
UNACCEPTABLE = 4
"""A risk from here on may not be left."""


class HazardMatrix(Config):
    """Severity by likelihood, and the risk of each cell."""

    kind: Literal["hazard_matrix"]
    version: str
    date: date
    severity: tuple[str, ...]
    likelihood: tuple[str, ...]
    risk: dict[str, tuple[int, ...]]
    meaning: dict[int, str]

    @model_validator(mode="after")
    def _is_whole(self) -> "HazardMatrix":
        if set(self.risk) != set(self.likelihood):
            raise ValueError(f"risk needs a row for each of: {', '.join(self.likelihood)}")
        for name, row in self.risk.items():
            if len(row) != len(self.severity) or not set(row) <= set(LEVELS):
                raise ValueError(f"risk of '{name}': one of 1 to 5 for each severity")
        rows = [self.risk[name] for name in self.likelihood]
        falls = any(a > b for row in rows for a, b in pairwise(row))
        falls |= any(a > b for low, high in pairwise(rows) for a, b in zip(low, high, strict=True))
        if falls:
            raise ValueError("risk falls where severity or likelihood rises")
        return self

    def risk_of(self, severity: str, likelihood: str) -> int:
        """Return the risk of a cell, 1 to 5.

        Examples
        --------
        >>> read_matrix().risk_of("major", "high")
        4
        """
        return self.risk[likelihood][self.severity.index(severity)]


class Hazard(Config):
    """One thing that can harm a patient."""

    id: str = Field(pattern=r"^HZ-\d{3,}$", description="Its number in the log.")
    hazard: str = Field(min_length=5, description="What may go wrong.")
    causes: list[str] = Field(min_length=1, description="By what.")
    effect: str = Field(min_length=3, description="What happens then.")
    harm: str = Field(min_length=3, description="What the patient suffers.")
    severity: str
    likelihood: str = Field(description="Before controls.")
    controls: list[str] = Field(default=[], description="What holds it back.")
    residual_severity: str | None = Field(default=None, description="As before, if not said.")
    residual_likelihood: str | None = Field(
        default=None, description="After controls; without it the hazard is open as it was."
    )
    requirements: list[str] = Field(default=[], description="Requirements that carry a control.")
    comment: str = ""


class HazardLog(Config):
    """The hazards of a use case, rated by a dated matrix."""

    kind: Literal["hazard_log"]
    use_case: str
    safety_officer: str = Field(default="", description="Who rates; blank is said in the record.")
    hazards: list[Hazard] = Field(min_length=1)


class Rated(Config):
    """A hazard with its risk before and after controls."""

    hazard: Hazard
    initial: int
    residual: int

    @property
    def is_controlled(self) -> bool:
        """Whether somebody rated it again after controls."""
        return bool(self.hazard.controls) and self.hazard.residual_likelihood is not None


def read_matrix() -> HazardMatrix:
    """Read the matrix of ``configs/policy``."""
    path = home.configs_dir() / "policy" / "hazard_matrix.yaml"
    return _parsed(HazardMatrix, path)


def read_hazards(path: Path) -> list[Rated]:
    """Read a hazard log and rate it.

    Raises
    ------
    ConfigError
        If the file is not a log, a level is not of the matrix, a number stands twice, a residual
        risk is above the initial one, or rated without a control, or a control is blank.
    """
    matrix, log = read_matrix(), _parsed(HazardLog, path)
    faults, rated = [], []
    for hazard in log.hazards:
        wrong = [
            f"{hazard.id} {name} '{value}' is none of {', '.join(known)}"
            for name, value, known in _levels(hazard, matrix)
            if value is not None and value not in known
        ]
        faults += wrong
        if not wrong:
            rated.append(_rated(hazard, matrix))
    ids = Counter(hazard.id for hazard in log.hazards)
    faults += [f"{name} stands {n} times" for name, n in ids.items() if n > 1]
    faults += [
        f"{r.hazard.id}: residual risk {r.residual} is above the initial {r.initial}"
        for r in rated
        if r.residual > r.initial
    ]
    faults += [
        f"{r.hazard.id}: a residual likelihood without a control that lowers it"
        for r in rated
        if r.hazard.residual_likelihood and not r.hazard.controls
    ]
    # The harm of a hazard is as grave as before until somebody rates it again after a control.
    faults += [
        f"{r.hazard.id}: a residual severity without a control and a residual likelihood"
        for r in rated
        if r.hazard.residual_severity and not r.is_controlled
    ]
    faults += [
        f"{r.hazard.id}: a control that says nothing"
        for r in rated
        if any(map(is_blank, r.hazard.controls))
    ]
    if faults:
        raise ConfigError("; ".join(faults), where=str(path), fix="correct these entries")
    return rated


def read_log(path: Path) -> HazardLog:
    """Read whose hazard log a file is, and what it lists.

    Raises
    ------
    ConfigError
        If the file is not a log.
    """
    return _parsed(HazardLog, path)


def open_by_level(rated: list[Rated]) -> dict[str, int]:
    """Return how many hazards are left at each risk, as a decision records them.

    Examples
    --------
    >>> open_by_level([])
    {'1': 0, '2': 0, '3': 0, '4': 0, '5': 0}
    """
    counts = Counter(r.residual for r in rated)
    return {str(level): counts[level] for level in LEVELS}


def unacceptable(rated: list[Rated]) -> list[Rated]:
    """Return the hazards whose residual risk may not be left."""
    return [r for r in rated if r.residual >= UNACCEPTABLE]


def _levels(hazard: Hazard, matrix: HazardMatrix) -> list[tuple[str, str | None, tuple[str, ...]]]:
    return [
        ("severity", hazard.severity, matrix.severity),
        ("likelihood", hazard.likelihood, matrix.likelihood),
        ("residual_severity", hazard.residual_severity, matrix.severity),
        ("residual_likelihood", hazard.residual_likelihood, matrix.likelihood),
    ]


def _rated(hazard: Hazard, matrix: HazardMatrix) -> Rated:
    initial = matrix.risk_of(hazard.severity, hazard.likelihood)
    # Nobody rated it after controls: it stands as it stood, not at nothing.
    severity = hazard.residual_severity or hazard.severity
    likelihood = hazard.residual_likelihood or hazard.likelihood
    return Rated(hazard=hazard, initial=initial, residual=matrix.risk_of(severity, likelihood))


def _parsed(form: type[F], path: Path) -> F:
    try:
        return form.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except UnicodeDecodeError as fault:
        raise ConfigError(
            f"{path.name} is not UTF-8 text", where=str(path), fix="name a YAML file in UTF-8"
        ) from fault
    except (ValidationError, yaml.YAMLError) as fault:
        errors = (
            fault.errors()
            if isinstance(fault, ValidationError)
            else [{"loc": (), "msg": str(fault)}]
        )
        told = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}".strip(": ") for e in errors)
        raise ConfigError(
            told, where=str(path), fix=f"fields are: {', '.join(form.model_fields)}"
        ) from fault
