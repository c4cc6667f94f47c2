"""Keys: made by their owners, taken into the ring and out of it by two others."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from aiops.commands.shared import emit, json_option

PASSPHRASE = "AIOPS_PASSPHRASE"

_key = click.option(
    "--key",
    "keys",
    multiple=True,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Private key of somebody who signs; once for each.",
)


@click.group("keys", epilog="Example: aiops keys list")
def keys_command() -> None:
    """Make a key, and say who may sign; each change is an event signed by two."""


@keys_command.command("new", epilog='Example: aiops keys new --person "Dr Lee" --out my-keys')
@click.option("--person", required=True, help="Name as it shall stand under decisions.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder; best on a stick of one's own. Default: keys under AIOPS_HOME.",
)
@json_option
def new_command(person: str, out: Path | None, as_json: bool) -> None:
    """Make an encrypted key for a person; the passphrase is asked for, or AIOPS_PASSPHRASE."""
    from aiops.governance.keys import new_key, read_public
    from aiops.home import keys_dir

    passphrase = os.environ.get(PASSPHRASE) or click.prompt(
        "passphrase", hide_input=True, confirmation_prompt=True
    )
    private, public = new_key(person, out or keys_dir(), passphrase)
    told = {"key_id": read_public(public).key_id, "private": private, "public": public}
    emit(told, [f"{name}: {value}" for name, value in told.items()], as_json=as_json)


@keys_command.command(
    "found",
    epilog="Example: aiops keys found --key lee.key.pem --role chair --key cho.key.pem --role cso",
)
@_key
@click.option(
    "--role", "roles", multiple=True, required=True, help="Of each key in turn; commas for several."
)
@json_option
def found_command(keys: tuple[Path, ...], roles: tuple[str, ...], as_json: bool) -> None:
    """Found the ring: two people or more, who all sign."""
    from aiops.governance.keyring import found

    if len(keys) != len(roles):
        raise click.UsageError(f"{len(keys)} keys and {len(roles)} roles: one --role a --key")
    people = [(pair, _roles(role)) for pair, role in zip(_opened(keys), roles, strict=True)]
    _show(found(people), as_json=as_json)


@keys_command.command(
    "enrol",
    epilog="Example: aiops keys enrol ana.pub.json --role 'ai lead' --key lee.key.pem "
    "--key cho.key.pem",
)
@click.argument("public", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--role", required=True, help="What the person does; commas for several.")
@_key
@json_option
def enrol_command(public: Path, role: str, keys: tuple[Path, ...], as_json: bool) -> None:
    """Take the key PUBLIC into the ring; two others sign."""
    from aiops.governance.keyring import enrol
    from aiops.governance.keys import read_public

    _show(enrol(read_public(public), _roles(role), _opened(keys)), as_json=as_json)


@keys_command.command(
    "revoke",
    epilog="Example: aiops keys revoke 5cccab275608 --reason lost --key lee.key.pem "
    "--key cho.key.pem",
)
@click.argument("key_id")
@click.option("--reason", required=True, help="Why.")
@_key
@json_option
def revoke_command(key_id: str, reason: str, keys: tuple[Path, ...], as_json: bool) -> None:
    """Take the key KEY_ID (its first digits will do) out of force; two sign."""
    from aiops.governance.keyring import read_keyring, revoke
    from aiops.lookup import pick

    known = {m.key.key_id: m.key.key_id for m in read_keyring().members}
    known |= {i[: len(key_id)]: i for i in known if len(key_id) >= 8 and i.startswith(key_id)}
    whole = pick(known, key_id, where="keys revoke KEY_ID")
    _show(revoke(whole, reason, _opened(keys)), as_json=as_json)


@keys_command.command("list", epilog="Example: aiops keys list")
@json_option
def list_command(as_json: bool) -> None:
    """List who may sign, in which roles, since when; exit 1 when an event does not hold."""
    from aiops.governance.keyring import read_keyring

    ring = read_keyring()
    _show(ring, as_json=as_json)
    if ring.faults:
        raise SystemExit(1)


def _opened(paths: tuple[Path, ...]) -> list[Any]:
    from aiops.governance.keys import open_key

    return [open_key(path, passphrase_for(path)) for path in paths]


def passphrase_for(path: Path, ask: Callable[..., str] = click.prompt) -> str:
    """Return the passphrase of a key: AIOPS_PASSPHRASE, or what the person types."""
    return os.environ.get(PASSPHRASE) or str(
        ask(f"passphrase of {path.name}", hide_input=True, err=True)
    )


def _roles(text: str) -> list[str]:
    return [role.strip() for role in text.split(",")]


def _show(ring: Any, *, as_json: bool) -> None:
    rows = [
        {
            "key_id": m.key.key_id,
            "person": m.key.person,
            "roles": list(m.roles),
            "since": m.since,
            "until": m.until,
        }
        for m in ring.members
    ]
    lines = [
        f"{m.key.key_id[:16]} {m.key.person} ({', '.join(m.roles)}) since {m.since[:10]}"
        + (f", revoked {m.until[:10]}" if m.until else "")
        for m in ring.members
    ]
    lines += [f"does not hold: {fault}" for fault in ring.faults]
    warnings = ring.warnings(datetime.now(UTC).isoformat(timespec="microseconds"))
    lines += [f"take care: {text}" for text in warnings]
    told = {"members": rows, "faults": list(ring.faults), "warnings": warnings}
    emit(told, lines or ["nobody may sign yet"], as_json=as_json)


COMMANDS = {"keys": keys_command}
