"""What is known of a case: computed where it can be, said at intake, or stated by people.

What people state stands in ``AIOPS_HOME/facts.yaml`` under the slug of the case, and is told as
stated; ``null`` there is a fact that nobody knows yet.
"""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from aiops import home
from aiops.errors import ConfigError
from aiops.files import read_json
from aiops.governance.blanks import is_blank, names_nobody
from aiops.governance.usecase import UseCase

Value = float | str | bool | None

_ROLES = ("owner", "clinical_lead")
_WORDS = ("problem", "specialty", "modality", "task", *_ROLES)
_COUNTS = ("labels_planned", "labels_done")
_FIGURES = {
    "n_patients": "n_patients",
    "n_cases": "n_cases",
    "n_positive": "n_positive",
    "primary_value": "value",
    "primary_low": "low",
    "primary_high": "high",
}
"""Facts of the latest run, and the names they have in its evaluation."""


def facts_of(case: UseCase, stated: Mapping[str, Any], today: date) -> dict[str, tuple[Value, str]]:
    """Return what is known of a case; what people state stands above what intake said."""
    from aiops.governance.feasibility import facts_of_feasibility

    facts: dict[str, tuple[Value, str]] = {"today": (today.isoformat(), "the calendar")}
    for name in _WORDS:
        facts[name] = (_said(name, str(getattr(case, name))), "said at intake")
    for name in _COUNTS:
        count = getattr(case, name)
        facts[name] = (None if count is None else float(count), "said in the register")
    signed_in = case.last_clinical_sign_in
    facts["last_clinical_sign_in"] = (
        signed_in.isoformat() if signed_in else None, "said in the register",
    )  # fmt: skip
    facts |= facts_of_feasibility(case.slug)
    facts |= _of_latest_run(home.runs_dir(case.slug))
    for name, value in stated.items():
        known = str(name).lower()
        facts[known] = (_said(known, value), "stated in facts.yaml")
    return facts


def kinds_of_facts() -> dict[str, str]:
    """Return the facts that the program computes, and what each is: number, date, word or yes/no.

    Examples
    --------
    >>> kinds_of_facts()["n_positive"], kinds_of_facts()["today"]
    ('number', 'date')
    """
    from aiops.governance.feasibility import FACTS

    words = dict.fromkeys((*_WORDS, "verdict", "feasibility"), "word")
    numbers = dict.fromkeys((*_COUNTS, *_FIGURES, *FACTS), "number")
    days = dict.fromkeys(("today", "last_clinical_sign_in"), "date")
    return {**words, **numbers, **days, "blanks_told_apart": "yes or no"}


def read_facts() -> dict[str, dict[str, Any]]:
    """Return what people state, by slug of the use case.

    Raises
    ------
    ConfigError
        If the file is not a mapping of slugs to mappings of facts.
    """
    path = home.facts_file()
    if not path.exists():
        return {}
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as fault:
        raise ConfigError("this is no YAML", where=str(path), fix=str(fault)) from fault
    is_sound = isinstance(found, dict) and all(isinstance(v, dict) for v in found.values())
    if not is_sound:
        raise ConfigError(
            "facts stand under the slug of their use case",
            where=str(path),
            fix="write: SLUG: {kappa: 0.72, vendor_contract_ends: 2027-03}",
        )
    return found


def _said(name: str, value: Any) -> Value:
    """Return what is said of a fact as a value that can be compared; None where nothing is."""
    if isinstance(value, str):
        says_nothing = names_nobody if name in _ROLES else is_blank
        return None if says_nothing(value) else value.strip()
    if isinstance(value, date):
        return value.isoformat()
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else value


def _of_latest_run(folder: Path) -> dict[str, tuple[Value, str]]:
    runs = [path.parent for path in folder.glob("*/evaluation.json")] if folder.is_dir() else []
    last = max(runs, key=lambda run: (_made(run), run.name), default=None)
    if last is None:
        return {}
    told, source = read_json(last / "evaluation.json"), f"computed by run {last.name}"
    first = told["primary"][0]
    found: dict[str, tuple[Value, str]] = {"verdict": (str(told["verdict"]["overall"]), source)}
    for fact, key in _FIGURES.items():
        if isinstance(first.get(key), int | float):
            found[fact] = (float(first[key]), source)
    return found


def _made(run: Path) -> str:
    """Return when a run was made; the name of its folder tells the day alone."""
    path = run / "run.json"
    return str(read_json(path).get("created", "")) if path.exists() else ""
