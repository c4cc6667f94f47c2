"""The tables in the READMEs, made from the code: commands, config keys, findings, metrics.

``python -m aiops.reference`` writes them anew; a test compares them.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

ROOT = Path(__file__).resolve().parent.parent
FILES = ("README.md", "configs/README.md", "evaluation/README.md")
_BLOCK = re.compile(r"(<!-- begin (\w+) -->\n).*?(<!-- end \2 -->)", re.DOTALL)


def commands_table() -> str:
    """Return the commands with what they do, by section."""
    import click

    from aiops.cli import SECTIONS, cli

    rows = []
    context = click.Context(cli)
    for section, names in SECTIONS.items():
        for name in names:
            command = cli.get_command(context, name)
            says = command.get_short_help_str(200) if command else ""
            rows.append((section, f"`aiops {name}`", says))
    return _table(("", "command", "what it does"), rows, once=True)


def keys_table() -> str:
    """Return the config keys, with what they take, their default and what they mean."""
    from aiops.config import Experiment

    rows = [(f"`{k}`", takes, default, says) for k, takes, default, says in _keys(Experiment)]
    return _table(("key", "takes", "default", "meaning"), rows)


def findings_table() -> str:
    """Return the codes of the audit."""
    from aiops.data.findings import CODES

    rows = [(f"`{c.code}`", c.severity, c.meaning, c.remedy) for c in CODES.values()]
    return _table(("code", "severity", "meaning", "remedy"), rows)


def reasons_table() -> str:
    """Return the reasons for which a project is dropped."""
    from aiops.governance.policy import read_reasons

    rows = [(code, r.name, r.phase, r.definition) for code, r in read_reasons().codes.items()]
    return _table(("code", "name", "phase", "definition"), rows)


def metrics_table() -> str:
    """Return the metrics with unit, direction and definition."""
    from evaluation import METRICS

    rows = [
        (
            f"`{m.name}`",
            m.task,
            m.unit or "",
            "neither"
            if m.is_directionless
            else {True: "higher", False: "lower", None: f"nearer {m.ideal:g}"}[m.higher_is_better],
            m.definition,
        )
        for m in METRICS.values()
    ]
    return _table(("metric", "task", "unit", "better is", "definition"), rows)


TABLES = {
    "commands": commands_table,
    "keys": keys_table,
    "findings": findings_table,
    "reasons": reasons_table,
    "metrics": metrics_table,
}


def written(text: str) -> str:
    """Return a page with the tables between its marks made anew."""
    return _BLOCK.sub(lambda m: f"{m[1]}{TABLES[m[2]]()}\n{m[3]}", text)


def _keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Walk the schema: a row for each key that takes a value."""
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        inner, placed = _inner(field.annotation)
        if inner is not None:
            if field.description:
                yield key, "block", _default(field), field.description
            yield from _keys(inner, f"{key}.{placed}")
        else:
            yield key, _takes(field.annotation), _default(field), field.description or ""


def _inner(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """Return the block inside an annotation, and the placeholder of its name if it is a mapping."""
    import typing

    for member in [annotation, *typing.get_args(annotation)]:
        if isinstance(member, type) and issubclass(member, BaseModel):
            return member, "NAME." if typing.get_origin(annotation) is dict else ""
        if typing.get_origin(annotation) is dict:
            for deeper in typing.get_args(member):
                if isinstance(deeper, type) and issubclass(deeper, BaseModel):
                    return deeper, "NAME."
    return None, ""


def _default(field: Any) -> str:
    if field.is_required():
        return "**required**"
    value = field.default
    if value is None:
        return ""
    return "" if isinstance(value, BaseModel) or value in ([], {}, "") else f"`{value}`"


def _takes(annotation: Any) -> str:
    text = str(annotation) if not isinstance(annotation, type) else annotation.__name__
    text = re.sub(r"typing\.|aiops\.config\.|NoneType| \| None", "", text)
    text = text.replace("str | int | float | bool", "value")
    return re.sub(r"Literal\[(.*?)\]", lambda m: m[1].replace("'", "").replace(", ", ", "), text)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, once: bool = False) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    last = ""
    for row in rows:
        first = "" if once and row[0] == last else row[0]
        last = row[0]
        cells = [" ".join(cell.split()).replace("|", "\\|") for cell in (first, *row[1:])]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Write every table anew."""
    for name in FILES:
        path = ROOT / name
        path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
