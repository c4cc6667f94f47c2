"""From hazard to requirement to test: which tests hold a control up, read from pytest markers.

A test says which requirement it shows by ``@pytest.mark.requirement("REQ-001")``. The files are
read, not run: whether the tests pass is the suite's to say.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aiops.errors import ConfigError
from aiops.governance.hazards import Rated

MARK = "requirement"


@dataclass(frozen=True)
class Link:
    """A hazard, one of its requirements (or none), and the tests that show it."""

    hazard: str
    requirement: str
    tests: tuple[str, ...]

    @property
    def gap(self) -> str:
        """What is missing in the chain; empty where it is whole."""
        if not self.requirement:
            return "no requirement carries a control"
        return "" if self.tests else "no test shows the requirement"


def tests_by_requirement(folder: Path) -> dict[str, list[str]]:
    """Return the tests under a folder that name a requirement, as pytest would call them.

    Raises
    ------
    ConfigError
        If a file cannot be read as Python.
    """
    found: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("test_*.py")):
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError) as fault:
            raise ConfigError(
                "this test file is not Python that can be read",
                where=str(path),
                fix="mend it, or name another folder",
            ) from fault
        name = path.relative_to(folder).as_posix()
        for test, requirement in _marked(tree):
            found.setdefault(requirement, []).append(f"{name}::{test}")
    return found


def trace(rated: list[Rated], tests: dict[str, list[str]]) -> list[Link]:
    """Return each hazard's links, one a requirement; a hazard without any is a link with a gap."""
    links = []
    for one in rated:
        for requirement in one.hazard.requirements or [""]:
            links.append(Link(one.hazard.id, requirement, tuple(tests.get(requirement, ()))))
    return links


def _marked(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            yield from ((node.name, requirement) for requirement in _requirements(node))
        if isinstance(node, ast.ClassDef):
            of_class = list(_requirements(node))
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef) and inner.name.startswith("test"):
                    own = [*of_class, *_requirements(inner)]
                    yield from ((f"{node.name}::{inner.name}", name) for name in own)


def _requirements(node: ast.FunctionDef | ast.ClassDef) -> Iterator[str]:
    for mark in node.decorator_list:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == f"pytest.mark.{MARK}":
            for argument in mark.args:
                if isinstance(argument, ast.Constant):
                    yield str(argument.value)
