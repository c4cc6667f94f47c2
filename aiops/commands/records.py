"""Use cases, decisions and the record people see."""

from pathlib import Path
from typing import Any

import click

from aiops.commands.shared import config_arguments, emit, json_option, say

OUTCOMES = ("approve", "approve-with-conditions", "reject", "discontinue", "defer")


@click.command(
    "usecase",
    epilog="Example: aiops usecase wrist-fracture --title 'Scaphoid fracture' --owner 'A. Lead'",
)
@click.argument("slug")
@click.option("--title", required=True, help="What it is, in a line.")
@click.option("--specialty", default="", help="E.g. radiology.")
@click.option("--modality", default="", help="E.g. xray.")
@click.option("--task", default="", help="segmentation or classification.")
@click.option("--owner", default="", help="Who answers for it.")
@click.option("--problem", default="", help="The clinical problem, in a few sentences.")
@click.option("--revisits", default="", help="Number of the closed case that this tries again.")
@json_option
def usecase_command(slug: str, as_json: bool, **fields: str) -> None:
    """Take a use case into the register: it gets its number, and can be decided on."""
    from aiops.governance.lessons import tried_before
    from aiops.governance.usecase import submit
    from aiops.tracking import check_connection, log_use_case

    check_connection()  # before the number is given, so that a retry finds the slug free
    use_case = submit(slug, **fields)
    log_use_case(use_case)
    told = f"{use_case.title} {use_case.problem} {use_case.specialty} {use_case.modality}"
    tried = tried_before(told, without=use_case.id, most=3)
    lines = [f"{use_case.id} {use_case.slug}"]
    if tried:
        lines += ["has this been tried? like it are:", *(x for case in tried for x in case.lines())]
    found = {"tried_before": [case.to_dict() for case in tried]}
    emit({**use_case.model_dump(mode="json"), **found}, lines, as_json=as_json)


@click.command(
    "decide",
    epilog="Example: aiops decide reject --use-case wrist-fracture --reason R13 "
    "--rationale 'Misses fractures on one scanner' --by 'Imaging AI board'",
)
@click.argument("outcome", required=False, type=click.Choice(OUTCOMES))
@click.option("--use-case", "use_case", help="Its number or slug.")
@click.option("--reason", "reasons", multiple=True, help="Code R01-R24; the first is primary.")
@click.option("--rationale", help="Why, in words.")
@click.option("--by", "by", help="Who decided.")
@click.option(
    "--run",
    "run_dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The run's folder; none for an idea rejected at intake.",
)
@click.option(
    "--condition",
    "conditions",
    multiple=True,
    help="'ITEM: what will be done; owner; due date', once for each undecided gate item.",
)
@click.option("--lesson", "lessons", multiple=True, help="What others should know.")
@click.option("--revisit-if", "revisit_if", multiple=True, help="E.g. 'n_positive>=480'.")
@click.option("--review-by", "review_by", help="Date of the next look, YYYY-MM-DD.")
@click.option("--project", is_flag=True, help="Decide nothing; show the ledger in MLflow again.")
@json_option
def decide_command(outcome: str | None, project: bool, as_json: bool, **fields: Any) -> None:
    """Record OUTCOME for a use case: in the ledger, and as a run in MLflow."""
    if project:
        from aiops.tracking import project_all

        shown = project_all()
        emit({"decisions": shown}, [f"{len(shown)} decisions stand in MLflow"], as_json=as_json)
        return
    missing = [name for name in ("use_case", "rationale", "by") if not fields[name]]
    if outcome is None or missing:
        wanted = ["OUTCOME", *(f"--{name.replace('_', '-')}" for name in missing)]
        raise click.UsageError(f"a decision needs {', '.join(wanted[outcome is not None :])}")
    from aiops.governance.decision import decide

    record = decide(outcome, fields.pop("use_case"), **fields)
    lines = [f"{record.id}: {outcome} {record.case_id}", "recorded in the ledger, shown in MLflow"]
    emit(record.to_json(), lines, as_json=as_json)


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
@click.option("--port", default=5000, show_default=True, help="Port on 127.0.0.1.")
@json_option
def ui_command(port: int, as_json: bool) -> None:
    """Open the MLflow UI on this machine only (127.0.0.1)."""
    import subprocess

    from aiops.tracking import ui_command as command_of

    command, environment = command_of(port)
    address = f"http://127.0.0.1:{port}"
    if as_json:
        emit({"address": address, "command": command}, [], as_json=True)
        return
    say(f"MLflow at {address}   (Ctrl-C ends it)")
    raise SystemExit(subprocess.run(command, env=environment, check=False).returncode)


COMMANDS = {
    "usecase": usecase_command,
    "decide": decide_command,
    "revisit": revisit_command,
    "card": card_command,
    "list": list_command,
    "ui": ui_command,
}
