"""What commands share: the config argument, printing, progress."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
Progress = Callable[[int, int], None]

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


def config_arguments(function: F) -> F:
    """Add CONFIG, key=value overrides and --json to a command."""
    function = json_option(function)
    function = click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")(function)
    path = click.Path(exists=True, dir_okay=False, path_type=Path)
    return click.argument("config", type=path)(function)


def emit(result: Mapping[str, Any], lines: list[str], *, as_json: bool) -> None:
    """Print a result on stdout: as JSON, or in words."""
    from aiops.files import plain

    if as_json:
        click.echo(json.dumps(plain(result), indent=2, ensure_ascii=False))
    else:
        for line in lines:
            click.echo(line)


def say(line: str) -> None:
    """Print a word to the person on stderr."""
    click.echo(line, err=True)


@contextmanager
def progress(title: str) -> Iterator[Progress]:
    """Give a function (done, total) that moves a bar on stderr; no bar where none can be seen."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(title, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
