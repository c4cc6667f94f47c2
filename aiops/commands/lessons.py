"""What was learnt: the search of former projects."""

import click

from aiops.commands.shared import emit, json_option


@click.group("lessons", epilog='Example: aiops lessons search "bowel polyps on colonoscopy"')
def lessons_command() -> None:
    """Search every former use case: has this been tried, why did it end, what was learnt."""


@lessons_command.command("search", epilog='Example: aiops lessons search "wrist fracture"')
@click.argument("text")
@click.option("--most", default=5, show_default=True, help="How many at most.")
@json_option
def search_command(text: str, most: int, as_json: bool) -> None:
    """Find the former use cases that are like TEXT, rejected ones included."""
    from aiops.governance.lessons import tried_before

    found = tried_before(text, most=most)
    lines = [line for case in found for line in case.lines()]
    emit(
        {"found": [case.to_dict() for case in found]},
        lines or ["nothing like it is in the register"],
        as_json=as_json,
    )


COMMANDS = {"lessons": lessons_command}
