"""The command line: read, call one verb, write, print. Nothing is decided here."""

import sys
from importlib import import_module

import click

SECTIONS: dict[str, tuple[str, ...]] = {
    "Start here": ("demo", "init", "validate", "run"),
    "Stages, in order": (
        "ingest",
        "audit",
        "split",
        "plan",
        "train",
        "predict",
        "evaluate",
        "gate",
        "report",
    ),
    "Comparing and planning": ("feasibility", "learning-curve", "compare", "sample-size"),
    "Governance and records": (
        "usecase",
        "decide",
        "sign",
        "condition",
        "ledger",
        "lessons",
        "revisit",
        "hazards",
        "document",
        "card",
        "release",
        "bundle",
        "soup",
        "keys",
        "server",
        "portfolio",
        "list",
        "ui",
        "sync",
    ),
}

_HOME = {
    "demo": "start",
    "init": "start",
    "validate": "start",
    "run": "start",
    "ingest": "stages",
    "audit": "stages",
    "split": "stages",
    "plan": "stages",
    "train": "stages",
    "predict": "stages",
    "evaluate": "stages",
    "gate": "stages",
    "report": "stages",
    "feasibility": "feasibility",
    "learning-curve": "feasibility",
    "compare": "compare",
    "sample-size": "compare",
    "usecase": "usecase",
    "condition": "usecase",
    "decide": "decide",
    "sign": "decide",
    "ledger": "ledger",
    "lessons": "lessons",
    "hazards": "hazards",
    "document": "documents",
    "card": "records",
    "release": "release",
    "bundle": "release",
    "soup": "release",
    "server": "release",
    "keys": "keys",
    "revisit": "records",
    "portfolio": "board",
    "sync": "board",
    "list": "records",
    "ui": "records",
}


class Commands(click.Group):
    """Commands by section, each imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the sections."""
        return [name for names in SECTIONS.values() for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, or say which name comes nearest."""
        if cmd_name not in _HOME:
            from aiops.lookup import nearest

            guess = nearest(cmd_name, list(_HOME))
            hint = f" Did you mean '{guess}'?" if guess else ""
            raise click.UsageError(f"There is no command '{cmd_name}'.{hint}", ctx)
        module = import_module(f"aiops.commands.{_HOME[cmd_name]}")
        command: click.Command = module.COMMANDS[cmd_name]
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands under their sections."""
        for section, names in SECTIONS.items():
            rows = []
            for name in names:
                command = self.get_command(ctx, name)
                rows.append((name, command.get_short_help_str(70) if command else ""))
            with formatter.section(section):
                formatter.write_dl(rows)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 failed, 2 config or data wrong, 3 a gate said no.",
)
@click.version_option(package_name="clinical-aiops")
def cli() -> None:
    """Take a clinical AI idea from data to a governed model, or to a kept rejection.

    A new user runs `aiops demo`, then `aiops ui`.
    """


def check_packages() -> None:
    """Say which package stands in the way when `models` or `evaluation` is not ours.

    Raises
    ------
    AiopsError
        If another package of that name comes first.
    """
    from importlib.util import find_spec
    from pathlib import Path

    from aiops.errors import AiopsError

    ours = Path(__file__).resolve().parent.parent
    for name in ("models", "evaluation"):
        spec = find_spec(name)
        found = Path(spec.origin).resolve().parent.parent if spec and spec.origin else None
        if found != ours:
            raise AiopsError(
                f"the package '{name}' that Python finds is not the one of clinical-aiops",
                where=str(found / name) if found else f"no package '{name}' on the path",
                fix=f"rename that folder, or run aiops outside it; ours is {ours / name}",
            )


def main() -> None:
    """Run the command line, and end with the exit code that says how it went."""
    from aiops.errors import AiopsError

    try:
        check_packages()
        code = cli.main(standalone_mode=False)
    except AiopsError as error:
        click.echo(f"{type(error).__name__}: {error}", err=True)
        code = error.exit_code
    except BrokenPipeError:  # who reads the screen has gone: `aiops list | head`
        raise
    except OSError as error:
        if error.filename is None or not error.strerror:
            raise  # not about a file of the person's: the whole story is wanted
        fault = AiopsError(
            f"{error.strerror}",
            where=str(error.filename),
            fix="see that the folder is there, may be written to and has room; then run it again",
        )
        click.echo(f"{type(error).__name__}: {fault}", err=True)
        code = fault.exit_code
    except (AttributeError, LookupError, RecursionError, StopIteration, TypeError, ValueError) as e:
        from aiops.governance.verify import unreadable

        broken = unreadable()  # a line that somebody wrote by hand is no fault of the program
        if broken is None:
            raise
        click.echo(f"{type(broken).__name__}: {broken}\n  met by: {type(e).__name__}", err=True)
        code = broken.exit_code
    except click.exceptions.Abort:
        click.echo("stopped; what was finished is kept, run the command again to go on", err=True)
        code = 1
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    sys.exit(code if isinstance(code, int) else 0)
