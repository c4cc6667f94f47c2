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
    """Write JSON lines, a table, keys, heads and a manifest with digests, for audit and FOI.

    A ledger that does not hold is written too; the manifest says what is wrong, and it exits 1.
    """
    from aiops.commands.decide import opened
    from aiops.governance.export import export_ledger

    done = export_ledger(out, opened(keys))
    lines = [str(path) for path in done.files]
    lines += [f"the ledger does not hold: {fault}" for fault in done.faults]
    emit({"files": done.files, "faults": done.faults}, lines, as_json=as_json)
    if done.faults:
        raise SystemExit(1)


@ledger_command.command("check-export", epilog="Example: aiops ledger check-export for-audit")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--ring", type=_key, help="keys.jsonl that came another way than the export.")
@json_option
def check_export_command(folder: Path, ring: Path | None, as_json: bool) -> None:
    """Check the files and the signed manifest of an export; exit 1 on a fault, 3 if unsigned."""
    from aiops.governance.bundle_check import read_ring
    from aiops.governance.export import check_export

    found = check_export(folder, read_ring(ring) if ring is not None else None)
    lines = [f"fault: {fault}" for fault in found.faults]
    lines += [f"it says the ledger did not hold: {told}" for told in found.told]
    lines += [f"signed by {person}" for person in found.signed_by]
    if not found.signed_by:
        lines.append("unproven: nobody whose key is known here signed it")
    emit(vars(found), lines, as_json=as_json)
    if found.faults or not found.signed_by:
        raise SystemExit(1 if found.faults else 3)


COMMANDS = {"ledger": ledger_command}
