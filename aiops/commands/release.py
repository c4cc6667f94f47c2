"""Releasing approved bytes, checking a bundle, the list of software, accounts on a server."""

import os
from pathlib import Path

import click

from aiops.commands.shared import emit, json_option

_folder = click.Path(exists=True, file_okay=False, path_type=Path)
_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("release", epilog="Example: aiops release --use-case wrist-fracture --out wrist-1.0")
@click.option("--use-case", "use_case", required=True, help="Its number or slug.")
@click.option("--run", "run_dir", type=_folder, help="The run; of the last approval if not given.")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of the bundle; it must not be there yet.",
)
@json_option
def release_command(use_case: str, run_dir: Path | None, out: Path, as_json: bool) -> None:
    """Write the bundle of an approved run; bytes that no decision names are refused (exit 3)."""
    from aiops.governance.release import release

    done = release(use_case, out, run_dir)
    told = done.manifest
    lines = [
        f"{done.folder}: {len(told['files'])} files, {told['bytes']} bytes",
        f"{told['decision']} {told['outcome']} ({told['grade']}), for {told['for']}",
        *done.notes,
        f"manifest {told['sha256']}",
    ]
    emit({"folder": done.folder, **told, "notes": list(done.notes)}, lines, as_json=as_json)


@click.group("bundle", epilog="Example: aiops bundle verify wrist-1.0")
def bundle_command() -> None:
    """Check a bundle that was released."""


@bundle_command.command(
    "verify", epilog="Example: aiops bundle verify wrist-1.0 --ring their-keyring.jsonl"
)
@click.argument("folder", type=_folder)
@click.option("--ring", type=_file, help="keyring.jsonl that came another way than the bundle.")
@click.option("--lifecycle", type=_file, help="Rules that came another way than the bundle.")
@json_option
def verify_command(folder: Path, ring: Path | None, lifecycle: Path | None, as_json: bool) -> None:
    """Check every byte of FOLDER, whether it may be used, and what proves its decision.

    Exit 0 proven, by a ledger here that holds the decision or by --ring; 1 a fault; 3 unproven:
    nothing here proves the decision, and the keys in a bundle prove nothing of it.
    """
    from aiops.governance.bundle_check import check_bundle

    found = check_bundle(folder, ring, lifecycle)
    told = {"decision": found.manifest.get("decision"), "sha256": found.manifest.get("sha256")}
    lines = [f"fault: {fault}" for fault in found.faults]
    lines += [f"unproven: {why}" for why in found.unproven]
    lines += [f"proven: {what}" for what in found.proof]
    lines += found.notes
    if not found.faults:
        lines.append(f"{len(found.manifest['files'])} files, for {found.manifest['for']}")
    lines.append(f"{told['decision']}: {found.result}")
    parts = {name: getattr(found, name) for name in ("faults", "unproven", "proof", "notes")}
    emit({**told, "result": found.result, **parts}, lines, as_json=as_json)
    if found.result != "proven":
        raise SystemExit(1 if found.faults else 3)


@click.command("soup", epilog="Example: aiops soup --out soup.json")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="JSON file to write.")
@click.option(
    "--lock",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Constraints file that pins the versions; that of the clone if not given.",
)
@json_option
def soup_command(out: Path | None, lock: Path | None, as_json: bool) -> None:
    """List the software it runs on: version, licence, purpose, and whether it is pinned."""
    from aiops.files import write_json
    from aiops.governance.soup import lines_of, soup

    listed = soup(lock)
    if out is not None:
        write_json(out, listed)
    emit(listed, lines_of(listed), as_json=as_json)


@click.group("server", epilog="Example: aiops server -h")
def server_command() -> None:
    """Set up a shared MLflow server."""


@server_command.command(
    "roles",
    epilog="Example: aiops server roles --uri https://mlflow.example.org --signer a.lead "
    "--registrar registrar",
)
@click.option("--uri", required=True, help="Address of the MLflow server, with basic-auth.")
@click.option("--signer", "signers", multiple=True, help="Account that may add decisions.")
@click.option("--registrar", help="Account that attaches files and ends runs.")
@json_option
def roles_command(uri: str, signers: tuple[str, ...], registrar: str | None, as_json: bool) -> None:
    """Make the append-only role and the registrar; what is there already stays.

    The administrator is MLFLOW_TRACKING_USERNAME with MLFLOW_TRACKING_PASSWORD. The first password
    of a new account is asked for, or AIOPS_NEW_PASSWORD.
    """
    from aiops.governance.server_roles import Admin, set_roles

    admin = Admin(
        uri,
        os.environ.get("MLFLOW_TRACKING_USERNAME") or click.prompt("administrator", err=True),
        os.environ.get("MLFLOW_TRACKING_PASSWORD")
        or click.prompt("password", hide_input=True, err=True),
    )

    def first_password(name: str) -> str:
        given = os.environ.get("AIOPS_NEW_PASSWORD")
        ask = f"first password of {name}"
        return given or str(click.prompt(ask, hide_input=True, confirmation_prompt=True, err=True))

    done = set_roles(admin, signers=signers, registrar=registrar, password=first_password)
    lines = done.made or ("nothing to do: all of it is there",)
    emit({"experiment_id": done.experiment_id, "made": done.made}, list(lines), as_json=as_json)


COMMANDS = {
    "release": release_command,
    "bundle": bundle_command,
    "soup": soup_command,
    "server": server_command,
}
