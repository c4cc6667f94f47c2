"""The record people see: what could be reopened, a model's card, the list, the UI."""

from pathlib import Path

import click

from aiops.commands.shared import config_arguments, emit, json_option, say


@click.command("revisit", epilog="Example: aiops revisit")
@json_option
def revisit_command(as_json: bool) -> None:
    """Ask again what would reopen each rejected, discontinued or deferred use case."""
    from aiops.governance.revisit import revisit

    found = revisit()
    lines = [line for case in found for line in case.lines()]
    emit(
        {"cases": [case.to_dict() for case in found]},
        lines or ["no use case was rejected, discontinued or put off"],
        as_json=as_json,
    )


@click.command("card", epilog="Example: aiops card configs/demo_wrist.yaml --said card.yaml")
@config_arguments
@click.option(
    "--said",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML with what only people know; what stays blank is listed.",
)
def card_command(
    config: Path, overrides: tuple[str, ...], as_json: bool, said: Path | None
) -> None:
    """Write the model card of CONFIG's run: what a run knows is filled in, blanks are listed."""
    from aiops.governance.card import FOLDER, PEOPLE, write_card
    from aiops.pipeline.workspace import open_workspace

    workspace = open_workspace(config, overrides)
    card = write_card(workspace.folder, workspace.experiment, said)
    asked = {i for fields in PEOPLE.values() for i, _ in fields}
    blanks = [field.id for field in card.blanks]
    lines = [str(workspace.folder / FOLDER / name) for name in ("card.html", "README.md")]
    lines += [f"blank, for people to fill: {', '.join(i for i in blanks if i in asked)}"]
    emit({"sha256": card.sha256, "blanks": blanks}, lines, as_json=as_json)


@click.command("list", epilog="Example: aiops list")
@json_option
def list_command(as_json: bool) -> None:
    """List use cases with their state, runs and decisions."""
    from aiops.pipeline.summary import list_lines, list_records

    records = list_records()
    emit(records, list_lines(records), as_json=as_json)


@click.command("ui", epilog="Example: aiops ui --port 5001")
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True,
              help="Port on 127.0.0.1.")  # fmt: skip
@json_option
def ui_command(port: int, as_json: bool) -> None:
    """Open the MLflow UI on this machine only (127.0.0.1)."""
    import subprocess

    from aiops.errors import AiopsError
    from aiops.tracking import board_address, project_all
    from aiops.tracking import ui_command as command_of

    command, environment = command_of(port)
    address = f"http://127.0.0.1:{port}"
    if as_json:
        emit({"address": address, "command": command}, [], as_json=True)
        return
    _require_free(port)
    say(f"MLflow at {address}   (Ctrl-C ends it)")
    try:
        project_all()  # a day has gone by since the last decision: something may have lapsed
        for title, view in board_address().items():
            say(f"{title}: {address}/{view}")
    except AiopsError as fault:
        say(f"MLflow may show an earlier day than today:\n{fault}")
    raise SystemExit(subprocess.run(command, env=environment, check=False).returncode)


def _require_free(port: int) -> None:
    """Refuse a port on which something answers: its pages would be taken for this record."""
    import socket

    from aiops.errors import ConfigError

    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
        except OSError as fault:
            raise ConfigError(
                f"the port {port} cannot be used: {fault.strerror}",
                where=f"--port {port}",
                fix=f"choose another: aiops ui --port {port + 1 if 1024 <= port < 65535 else 5001}",
            ) from fault


COMMANDS = {
    "revisit": revisit_command,
    "card": card_command,
    "list": list_command,
    "ui": ui_command,
}
