"""From a YAML file to an `Experiment`, or to all its mistakes at once with file and line."""

import os
import re
import types
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from aiops import home
from aiops.config import Experiment
from aiops.config_rules import RULES
from aiops.errors import ConfigError
from aiops.lookup import nearest
from aiops.yaml_marks import Document, parse, parse_value

KeyPath = tuple[str | int, ...]
BLANK = "?"
"""What `aiops init` writes where a person has to decide."""
FILL = "write what is so for these data; see configs/README.md"
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


@dataclass(frozen=True)
class Problem:
    """One mistake in a config."""

    where: str
    key: str
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.where}: {self.key}: {self.what}\n      fix: {self.fix}"


class ConfigProblems(ConfigError):
    """All mistakes of a config at once."""

    def __init__(self, path: Path, problems: Sequence[Problem]) -> None:
        n = len(problems)
        super().__init__(
            f"{n} mistake{'s' if n > 1 else ''} in {path}",
            where=str(path),
            fix="see each line; `aiops validate` checks again",
        )
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join([self.what, *(f"  {problem}" for problem in self.problems)])


@dataclass(frozen=True)
class ConfigFile:
    """A config as written (``${…}`` unexpanded) and as understood."""

    path: Path
    written: dict[str, Any]
    experiment: Experiment


def read_config(path: Path, overrides: Sequence[str] = ()) -> ConfigFile:
    """Read a config and check it whole.

    Parameters
    ----------
    path : Path
        The YAML file.
    overrides : sequence of str
        ``key.path=value``, checked as if written in the file.

    Raises
    ------
    ConfigProblems
        With every mistake: file, line, key, value, what is allowed, the nearest known name.
    """
    document = _load(path)
    problems = list(_override(document, overrides, path))
    expanded, unset = _expand(document.data)
    problems += [_problem(path, document, *item) for item in unset]
    blank = [key for key, value in _leaves(document.data) if value == BLANK]
    for key in blank:
        problems.append(_problem(path, document, key, f"'{BLANK}' is still to be filled in", FILL))
    experiment = None
    try:
        experiment = Experiment.model_validate(expanded)
    except ValidationError as fault:
        for key, what, fix in _schema_problems(fault, expanded):
            if key not in blank:
                problems.append(_problem(path, document, key, what, fix))
    told = {problem.key for problem in problems}
    for rule in RULES:
        for key, what, fix in rule(expanded):
            problem = _problem(path, document, key, what, fix)
            if problem.key not in told:
                problems.append(problem)
    if problems or experiment is None:
        raise ConfigProblems(path, problems)
    return ConfigFile(path, document.data, experiment)


def _load(path: Path) -> Document:
    try:
        document = parse(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as fault:
        mark = getattr(fault, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise ConfigError(
            f"not YAML: {getattr(fault, 'problem', None) or 'cannot be read'}",
            where=f"{path}:{line}",
            fix="check indentation, colons and quotes near this line",
        ) from fault
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError(
            "the config cannot be read", where=str(path), fix="check the path and the encoding"
        ) from fault
    if not isinstance(document.data, dict):
        raise ConfigError(
            "a config is a mapping of keys to values",
            where=f"{path}:1",
            fix="start with `kind: experiment`; `aiops init TABLE` writes one",
        )
    if document.duplicates:
        first = document.duplicates[0]
        raise ConfigError(
            f"the key '{_dotted(first)}' is written twice",
            where=f"{path}:{document.line(first)}",
            fix="keep one of them",
        )
    return document


def _override(document: Document, overrides: Sequence[str], path: Path) -> Iterator[Problem]:
    for text in overrides:
        name, equals, value = text.partition("=")
        if not equals or not name:
            yield Problem("command line", text, "not of the form key=value", "e.g. split.seed=1")
            continue
        keys = name.split(".")
        block = document.data
        for key in keys[:-1]:
            block = block.setdefault(key, {}) if isinstance(block, dict) else None
        if not isinstance(block, dict):
            yield Problem("command line", name, "goes into a value that has no keys", str(path))
            continue
        try:
            block[keys[-1]] = parse_value(value)
        except yaml.YAMLError:
            yield Problem("command line", name, f"'{value}' is not YAML", "quote it, or close it")
            continue
        document.lines[tuple(keys)] = 0


def _leaves(data: Any, key: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Yield each single value of a document, with the way to it; lists hold what is in the data."""
    if isinstance(data, dict):
        for name, item in data.items():
            yield from _leaves(item, (*key, name))
    elif not isinstance(data, list):
        yield key, data


def _expand(data: Any, key: KeyPath = ()) -> tuple[Any, list[tuple[KeyPath, str, str]]]:
    """Put in the values of ``${AIOPS_…}``; say which are not allowed or not set."""
    if isinstance(data, dict):
        done = {name: _expand(item, (*key, name)) for name, item in data.items()}
        return {n: v for n, (v, _) in done.items()}, [p for _, ps in done.values() for p in ps]
    if isinstance(data, list):
        items = [_expand(item, (*key, i)) for i, item in enumerate(data)]
        return [v for v, _ in items], [p for _, ps in items for p in ps]
    if not isinstance(data, str):
        return data, []
    problems: list[tuple[KeyPath, str, str]] = []

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if not name.startswith("AIOPS_"):
            problems.append(
                (key, f"${{{name}}} is not read", "only names that begin with AIOPS_ are")
            )
            return match.group(0)
        if name == "AIOPS_HOME":
            return str(home.home())
        if name not in os.environ:
            problems.append(
                (key, f"the variable {name} is not set", f"export {name}=/path/to/the/data")
            )
            return match.group(0)
        found = os.environ[name]
        # A relative folder is meant from where one works, not from where the config stands.
        return str(Path(found).resolve()) if Path(found).exists() else found

    return _VARIABLE.sub(value, data), problems


def _problem(path: Path, document: Document, key: KeyPath, what: str, fix: str) -> Problem:
    line = document.line(key)
    return Problem(f"{path}:{line}" if line else "command line", _dotted(key), what, fix)


def _dotted(key: KeyPath) -> str:
    return ".".join(str(part) for part in key) or "(the whole file)"


def _schema_problems(fault: ValidationError, data: Any) -> Iterator[tuple[KeyPath, str, str]]:
    """Say each pydantic error in our words, one for each place."""
    told: dict[KeyPath, tuple[str, list[str]]] = {}
    for error in fault.errors(include_url=False):
        key, fits = _locate(error["loc"], data)
        if not fits:
            continue
        what, fix = _say(error, key)
        known = told.setdefault(key, (what, []))
        if fix not in known[1]:
            known[1].append(fix)
    for key, (what, fixes) in told.items():
        yield key, what, "; or ".join(fixes)


_TAGS: dict[str, tuple[type, ...]] = {
    "int": (int, float, str),
    "float": (int, float, str),
    "str": (str, int, float),
    "bool": (bool,),
}


def _locate(loc: tuple[str | int, ...], data: Any) -> tuple[KeyPath, bool]:
    """Drop from pydantic's location the names of union members; say if the member fits."""
    key: list[str | int] = []
    here = data
    for i, part in enumerate(loc):
        if isinstance(here, dict) and (part in here or i == len(loc) - 1):
            key.append(part)
            here = here.get(part)
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            key.append(part)
            here = here[part]
        elif isinstance(part, str):
            wants_mapping = part[:1].isupper() or part.startswith("dict")
            if wants_mapping != isinstance(here, dict):
                return tuple(key), False
            if part.startswith(("list", "tuple")) != isinstance(here, list) and not wants_mapping:
                return tuple(key), not isinstance(here, dict | list) and part in _TAGS
    return tuple(key), True


def _say(error: Any, key: KeyPath) -> tuple[str, str]:
    """Return what is wrong and what is allowed."""
    context = error.get("ctx", {})
    value = error.get("input")
    kind = error["type"]
    if kind == "extra_forbidden":
        known = sorted(_fields(key[:-1]))
        guess = nearest(str(key[-1]), known)
        hint = f"did you mean '{guess}'? " if guess else ""
        return "not a known key", f"{hint}known here: {', '.join(known)}"
    if kind == "missing":
        described = _fields(key[:-1]).get(str(key[-1]))
        return "is missing", f"add it: {described}" if described else "add it"
    if kind == "literal_error":
        allowed = str(context["expected"])
        guess = nearest(str(value), re.findall(r"'([^']*)'", allowed))
        hint = f"did you mean '{guess}'? " if guess else ""
        return f"'{value}' is not allowed", f"{hint}allowed: {allowed}"
    shown = value if isinstance(value, str | int | float | bool) else type(value).__name__
    message = error["msg"]
    return f"'{shown}' is not right", message[0].lower() + message[1:]


def _fields(key: KeyPath) -> dict[str, str]:
    """Return the known keys, with their descriptions, of the block at `key`."""
    found: type[BaseModel] | None = Experiment
    annotation: Any = Experiment
    for part in key:
        if found is not None and str(part) in found.model_fields:
            annotation = found.model_fields[str(part)].annotation
        else:
            annotation = _inside(annotation)
        found = next((m for m in _members(annotation) if _is_model(m)), None)
    if found is None:
        return {}
    return {name: field.description or "" for name, field in found.model_fields.items()}


def _members(annotation: Any) -> list[Any]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return list(typing.get_args(annotation))
    return [annotation]


def _inside(annotation: Any) -> Any:
    for member in _members(annotation):
        if typing.get_origin(member) in (dict, list):
            return typing.get_args(member)[-1]
    return None


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
