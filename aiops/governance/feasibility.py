"""Can it be done with the data there are? Asked of a table, before anything is built or trained.

No run folder is made: asking does not move a use case along. The answer is a file under
``AIOPS_HOME/feasibility``, bound to the hashes of config and table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiops import home
from aiops.errors import ConfigError
from aiops.files import plain, read_json, write_json
from aiops.governance.policy import read_reasons
from aiops.governance.reader_evidence import linkage, reader_agreement
from aiops.governance.reason_evidence import Evidence, worst
from aiops.governance.table_evidence import CHECKS
from aiops.provenance import content_hash, json_hash
from aiops.reading import read_config

if TYPE_CHECKING:
    from aiops.data.cases import Cases

SCHEMA_VERSION = 1
_OUTCOME = {True: "fail", False: "pass", None: "undecided"}
READERS = "Do two readers agree on the finding?"
LINKED = "Can the tables be joined?"


@dataclass(frozen=True)
class Asked:
    """What is said besides the config.

    Parameters
    ----------
    per_year : float, optional
        New patients with the finding a year.
    readers : str
        ``TABLE:COLUMN_A:COLUMN_B`` or ``TABLE:COLUMN_A:COLUMN_B:PATIENT``; empty for none.
    links : tuple of str
        ``TABLE:COLUMN``, each a table that patients are looked up in.
    """

    per_year: float | None = None
    readers: str = ""
    links: tuple[str, ...] = ()


def assess(
    config_path: Path, overrides: Sequence[str] = (), asked: Asked | None = None
) -> dict[str, Any]:
    """Answer the feasibility of a config and write it down; see `latest_feasibility` for the file.

    Parameters
    ----------
    config_path : Path
        The YAML file of an experiment; nothing of it is run.
    overrides : sequence of str
        ``key=value`` pairs.
    asked : Asked, optional
        What is known besides.

    Raises
    ------
    ConfigError
        If it is no classification, a table is not named as asked for, or no patients come in a
        year.
    DataError
        If a table cannot be read.
    """
    from aiops.data.cases import read_cases

    config = read_config(config_path, overrides)
    experiment, told = config.experiment, asked or Asked()
    if told.per_year is not None and not 0 < told.per_year < float("inf"):
        raise ConfigError(
            f"{told.per_year:g} new patients a year is no number to count with",
            where="--per-year",
            fix="say how many patients with the finding come in a year, or leave it out",
        )
    if experiment.task != "classification":
        raise ConfigError(
            "feasibility is asked of a table with findings, this is a segmentation",
            where=f"{config_path}: task",
            fix="use `aiops audit`, which looks at images and masks",
        )
    cases = read_cases(experiment, config_path=config_path)
    checks = _checks_of(cases, told)
    result = {
        "schema_version": SCHEMA_VERSION,
        "use_case": experiment.use_case,
        "config_sha256": json_hash(config.written),
        "table_sha256": content_hash(cases.table_path),
        "policy_version": read_reasons().version,
        "n_cases": len(cases),
        "n_patients": cases.n_patients if cases.patients_known else None,
        "outcome": next(o for o in ("fail", "undecided", "pass") if _has(checks, o)),
        "checks": checks,
        "reasons": _by_code(checks),
    }
    return write_answer(result, "feasibility")


def _checks_of(cases: "Cases", told: Asked) -> list[dict[str, Any]]:
    """Return what each check of the table, of two readers and of each link answers."""
    checks = []
    for name, (question, check) in CHECKS.items():
        extra = {"per_year": told.per_year} if name == "patients" else {}
        found = check(cases, **extra)
        if found is not None:
            checks.append(_check(name, question, found))
    if told.readers:
        table, *columns = _named(told.readers, "--readers", (3, 4))
        found = reader_agreement(Path(table), columns[0], columns[1], patient=_third(columns))
        checks.append(_check("readers", READERS, found))
    for i, link in enumerate(told.links, start=1):
        table, column = _named(link, "--link", (2,))
        checks.append(_check(f"link-{i}", LINKED, linkage(cases, Path(table), column)))
    return checks


def latest_feasibility(use_case: str) -> dict[str, Any] | None:
    """Return the newest answer of a use case and its ``file``; None if it was never asked."""
    return latest(use_case, "feasibility")


FACTS = {
    "patients_with_finding": ("patients", "value"),
    "images_missing": ("images", "high"),
    "labels_missing": ("labels", "high"),
    "readers_agree": ("readers", "low"),
}
"""Facts that a `revisit_if` can name: the check, and its figure, the limit that hopes least."""


def facts_of_feasibility(use_case: str) -> dict[str, tuple[float | str | bool, str]]:
    """Return what the newest answer says, as facts for ``revisit_if``, each with its source.

    A figure with an interval stands by the limit that hopes least: most missing, least agreement.
    ``blanks_told_apart`` is true where no label column holds one value alone, and ``feasibility``
    is the outcome.
    """
    found = latest_feasibility(use_case)
    if found is None:
        return {}
    source = f"computed by {Path(found['file']).name}"
    checks = {check["id"]: check for check in found["checks"]}
    facts: dict[str, tuple[float | str | bool, str]] = {
        "feasibility": (str(found["outcome"]), source),
        "blanks_told_apart": (checks.get("blanks", {}).get("outcome", "pass") == "pass", source),
    }
    for fact, (name, figure) in FACTS.items():
        value = checks.get(name, {}).get(figure)
        if value is not None:
            limit = {"low": ", lower limit", "high": ", upper limit"}.get(figure, "")
            facts[fact] = (float(value), f"{source}{limit}")
    return facts


def latest(use_case: str, kind: str) -> dict[str, Any] | None:
    """Return the newest answer of a kind, ``feasibility`` or ``learning-curve``."""
    folder = folder_of(use_case)
    paths = folder.glob(f"*-{kind}-*.json") if folder.is_dir() else []
    told = [{**read_json(path), "file": str(path)} for path in paths]
    return max(told, key=lambda one: one["created_at"], default=None)


def folder_of(use_case: str) -> Path:
    """Return the folder of a use case's answers."""
    return home.home() / "feasibility" / use_case


def feasibility_lines(result: dict[str, Any]) -> list[str]:
    """Say what was found, check by check, and which reasons it supports."""
    people = f", {result['n_patients']:,} patients" if result["n_patients"] else ""
    lines = [f"{result['use_case']}: {result['n_cases']:,} cases{people}"]
    for check in result["checks"]:
        lines.append(f"  {check['outcome']:<9} {check['id']}: {check['sentence']}")
        more = [d for d in check["details"] if "sentence" in d and d["supports"] is not False]
        lines += [f"            {one['sentence']}" for one in more]
    names = read_reasons().codes
    backed = [c for c, e in result["reasons"].items() if e["supports"]]
    lines.append(f"feasibility: {result['outcome']}")
    if backed:
        lines.append("the data support: " + ", ".join(f"{c} {names[c].name}" for c in backed))
    return [*lines, f"written: {result['file']}"]


def write_answer(result: dict[str, Any], kind: str) -> dict[str, Any]:
    """Write an answer under its day and hash, and return it with the time and its ``file``."""
    told: dict[str, Any] = plain(result)
    whole = {**told, "created_at": datetime.now(UTC).isoformat(timespec="milliseconds")}
    name = f"{whole['created_at'][:10]}-{kind}-{json_hash(told)[:8]}.json"
    path = folder_of(whole["use_case"]) / name
    write_json(path, whole)
    return {**whole, "file": str(path)}


def _check(name: str, question: str, found: Evidence) -> dict[str, Any]:
    return {"id": name, "question": question, "outcome": _OUTCOME[found["supports"]], **found}


def _by_code(checks: list[dict[str, Any]]) -> dict[str, Evidence]:
    """Return the evidence of each reason; a check may have some on a second reason in details."""
    found: dict[str, list[Evidence]] = {}
    for check in checks:
        alone = {k: v for k, v in check.items() if k not in ("id", "question", "outcome")}
        apart = [d for d in alone["details"] if d.get("code", check["code"]) != check["code"]]
        alone["details"] = [d for d in alone["details"] if d not in apart]
        for one in [alone, *apart]:
            found.setdefault(one["code"], []).append(one)
    return {code: told for code in sorted(found) if (told := worst(found[code]))}


def _has(checks: list[dict[str, Any]], outcome: str) -> bool:
    return any(check["outcome"] == outcome for check in checks)


def _named(given: str, option: str, parts: tuple[int, ...]) -> list[str]:
    found = [part.strip() for part in given.split(":")]
    if len(found) not in parts or not all(found):
        form = "TABLE:COLUMN_A:COLUMN_B[:PATIENT]" if option == "--readers" else "TABLE:COLUMN"
        raise ConfigError(
            f"'{given}' names no table and columns", where=option, fix=f"write {form}"
        )
    return found


def _third(columns: list[str]) -> str:
    return columns[2] if len(columns) > 2 else ""
