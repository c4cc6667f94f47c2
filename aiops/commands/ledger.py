"""The ledger: does it hold, its head, and copies of it for those who ask."""

from pathlib import Path

import click

from aiops.commands.shared import emit, json_option

_key = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("ledger", epilog="Example: aiops ledger verify")
def ledger_command() -> None:
    """Check the record of decisions, note its head, or hand it to those who ask."""


@ledger_command.command("verify", epilog="Example: aiops ledger verify --repair")
@click.option(
    "--head",
    "heads",
    multiple=True,
    help="A head noted elsewhere, of any book: it must still be there. May be given again.",
)
@click.option("--repair", is_flag=True, help="Bring MLflow back to what the ledger says.")
@click.option("--ledger-only", is_flag=True, help="Do not compare what MLflow shows.")
@json_option
def verify_command(heads: tuple[str, ...], repair: bool, ledger_only: bool, as_json: bool) -> None:
    """Look through chain, signatures, rules and what MLflow shows; exit 1 when one fails.

    Exit 1 too where MLflow does not answer: it was not compared then. Exit 2 where there is no
    ledger.
    """
    from aiops.governance.verify import verify_ledger

    if repair and ledger_only:
        raise click.UsageError("--repair compares MLflow, and --ledger-only does not")
    told = verify_ledger(heads=heads, repair=repair, projection=not ledger_only)
    counted = ", ".join(f"{n} {book}" for book, n in told.lines.items()) or "nothing"
    grades = ", ".join(f"{n} {grade}" for grade, n in told.grades.items())
    lines = [f"does not hold: {one.line()}" for one in told.found]
    lines += ["the ledger holds" if not told.found else _counted(len(told.found))]
    lines += [f"lines: {counted}", f"decisions: {grades or 'none'}"]
    lines += [f"head: {told.head}", f"MLflow: {told.projection}"]
    emit(told.to_dict(), lines, as_json=as_json)
    if told.found or not told.is_compared:
        raise SystemExit(1)


def _counted(n: int) -> str:
    return f"{n} {'fault' if n == 1 else 'faults'}"


@ledger_command.command("head", epilog="Example: aiops ledger head")
@json_option
def head_command(as_json: bool) -> None:
    """Print lines and head of each book: noted elsewhere, they show a log that was cut."""
    from aiops.governance.export import heads

    told = heads()
    lines = [f"{head['sha256']}  {book}, {head['lines']} lines" for book, head in told.items()]
    emit(told, lines or ["the ledger is empty"], as_json=as_json)


@ledger_command.command("export", epilog="Example: aiops ledger export --out for-audit")
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="New folder."
)
@click.option("--key", "keys", multiple=True, type=_key, help="Private key of who signs it.")
@json_option
def export_command(out: Path, keys: tuple[Path, ...], as_json: bool) -> None:
    """Write JSON lines, a table, keys, heads and a manifest with digests, for audit and FOI."""
    from aiops.commands.decide import opened
    from aiops.governance.export import export_ledger

    written = export_ledger(out, opened(keys))
    emit({"files": written}, [str(path) for path in written], as_json=as_json)


COMMANDS = {"ledger": ledger_command}
