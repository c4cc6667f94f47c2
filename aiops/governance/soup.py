"""SOUP: the software of unknown provenance that a model runs on, from what is installed.

The list says which packages there are, in which version and under which licence, and whether the
version is the one that the lock file pins. What each is for, and which risk it carries, is said by
people in ``configs/policy/soup.yaml``; where nobody has said it, it stands blank. The list claims
nothing: an assessor reads it.
"""

import re
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError

from aiops import home
from aiops.config import Config
from aiops.errors import ConfigError

OURS = "clinical-aiops"
LONGEST_LICENCE = 100
"""Characters; some packages write the whole text of their licence where its name belongs."""


class Said(Config):
    """What people say of a package."""

    purpose: str = Field(min_length=3, description="What it does here.")
    requirement: str = Field(default="", description="What it must do for us to be safe.")
    risk: str = Field(default="", description="Level of risk; for people to fill.")
    known_anomalies: str = Field(default="", description="Faults that were looked up, and when.")


class SoupPolicy(Config):
    """What people say of the packages that are depended on directly."""

    kind: Literal["soup"]
    version: str
    date: str
    packages: dict[str, Said]


def read_soup_policy(path: Path | None = None) -> SoupPolicy:
    """Read ``configs/policy/soup.yaml``.

    Raises
    ------
    ConfigError
        If it is not one.
    """
    file = path or home.configs_dir() / "policy" / "soup.yaml"
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        return SoupPolicy.model_validate({**content, "date": str(content["date"])})
    except (ValidationError, yaml.YAMLError, TypeError, KeyError) as fault:
        told = str(fault).splitlines()[0]
        raise ConfigError(
            f"this is no list of packages: {told}", where=str(file), fix="mend it"
        ) from fault


def soup(lock: Path | None = None) -> dict[str, Any]:
    """Return the list: every installed package that the program needs, itself left out.

    Parameters
    ----------
    lock : Path, optional
        Constraints file; that of the clone when not given. In an install without one, whether a
        version is pinned is not known.

    Raises
    ------
    ConfigError
        If `lock` is named and not there.
    """
    file = lock or home.configs_dir().parent / "constraints.txt"
    if lock is not None and not lock.is_file():
        raise ConfigError(
            "there is no such lock file", where=str(lock), fix="name one: --lock FILE"
        )
    pins = pinned(file.read_text(encoding="utf-8")) if file.is_file() else None
    policy = read_soup_policy()
    said = {canonical(name): told for name, told in policy.packages.items()}
    direct = needs(OURS)
    rows = [_row(name, name in direct, pins, said) for name in sorted(closure(direct))]
    return {
        "kind": "soup",
        "policy_version": policy.version,
        "policy_date": policy.date,
        "lock": file.name if pins is not None else None,
        "packages": rows,
        "differ": [row["package"] for row in rows if row["lock"] == "differs"],
        "not_pinned": [row["package"] for row in rows if row["lock"] == "not pinned"],
        "no_purpose": [row["package"] for row in rows if row["direct"] and not row["purpose"]],
        "no_licence": [row["package"] for row in rows if not row["licence"]],
    }


def lines_of(listed: Mapping[str, Any]) -> list[str]:
    """Return the list in words, one package a line."""
    rows = listed["packages"]
    lines = [
        f"{row['package']} {row['version']} · {row['licence'] or 'licence not said'}"
        + (f" · {row['purpose']}" if row["purpose"] else "")
        + (f" · {row['lock']}" if row["lock"] in ("differs", "not pinned") else "")
        for row in rows
    ]
    against = f"against {listed['lock']}" if listed["lock"] else "no lock file at hand"
    blank = sum(1 for row in rows if row["direct"] and not row["risk"])
    return [
        *lines,
        f"{len(rows)} packages, {sum(row['direct'] for row in rows)} of them depended on directly; "
        f"{against}: {len(listed['differ'])} differ, {len(listed['not_pinned'])} are not pinned",
        f"{blank} have no level of risk: that is for people to say",
    ]


def canonical(name: str) -> str:
    """Return a package's name as indexes compare it.

    Examples
    --------
    >>> canonical("Flask_WTF")
    'flask-wtf'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(text: str) -> dict[str, str]:
    """Return the versions that a constraints file pins.

    Examples
    --------
    >>> pinned("Flask_WTF==1.3.0  # for the server")
    {'flask-wtf': '1.3.0'}
    """
    found = re.findall(r"^\s*([A-Za-z0-9._-]+)\s*==\s*([^\s;#]+)", text, re.MULTILINE)
    return {canonical(name): version for name, version in found}


def needs(name: str, extras: Iterable[str] = ()) -> dict[str, frozenset[str]]:
    """Return what an installed package needs at run time on this machine, with their extras."""
    from packaging.requirements import Requirement

    try:
        told = [Requirement(text) for text in metadata.requires(name) or []]
    except metadata.PackageNotFoundError:
        return {}
    asked = ["", *extras]
    return {
        canonical(r.name): frozenset(r.extras)
        for r in told
        if r.marker is None or any(r.marker.evaluate({"extra": extra}) for extra in asked)
    }


def closure(names: Mapping[str, frozenset[str]]) -> set[str]:
    """Return the packages and all that they need in turn, as far as they are installed."""
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = list(names.items())
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) not in seen and _version(name):
            seen.add((name, extras))
            waiting += needs(name, extras).items()
    return {name for name, _ in seen}


def licence_of(told: Any) -> str:
    """Return the name of a licence from a package's metadata; empty where it says none."""
    if name := str(told.get("License-Expression") or "").strip():
        return name
    classified = [c for c in told.get_all("Classifier") or [] if c.startswith("License ::")]
    if names := [c.split(" :: ")[-1] for c in classified if c.count(" :: ") > 1]:
        return "; ".join(names)
    free = str(told.get("License") or "").strip()
    return free.splitlines()[0].strip()[:LONGEST_LICENCE] if free else ""


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _row(
    name: str, is_direct: bool, pins: Mapping[str, str] | None, said: Mapping[str, Said]
) -> dict[str, Any]:
    version = _version(name)
    wanted = None if pins is None else pins.get(name)
    # A build is named after a plus (2.13.0+cpu); the lock pins the version.
    same = wanted is not None and version.partition("+")[0] == wanted.partition("+")[0]
    lock = "not known" if pins is None else "not pinned" if wanted is None else "as pinned"
    told = said.get(name)
    return {
        "package": name,
        "version": version,
        "licence": licence_of(metadata.metadata(name)),
        "direct": is_direct,
        "lock": "differs" if wanted is not None and not same else lock,
        "lock_version": wanted,
        "purpose": told.purpose if told else "",
        "requirement": told.requirement if told else "",
        "risk": told.risk if told else "",
        "known_anomalies": told.known_anomalies if told else "",
    }
