"""The papers of a use case: kept by their hash, listed."""

from datetime import datetime
from pathlib import Path

import click

from aiops.commands.shared import emit, json_option


@click.group("document", epilog="Example: aiops document list")
def document_command() -> None:
    """Keep the papers of a use case by their hash, for gates to ask for."""


@document_command.command(
    "add",
    epilog="Example: aiops document add --use-case wrist-fracture --kind dpia --date 2026-11-01 "
    "--by 'A. Lead' dpia.pdf",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--use-case", "use_case", required=True, help="Its number or slug.")
@click.option("--kind", required=True, help="As in configs/policy/documents.yaml.")
@click.option(
    "--date",
    "dated",
    required=True,
    type=click.DateTime(["%Y-%m-%d"]),
    help="The day that the paper bears.",
)
@click.option("--by", required=True, help="Who brings it.")
@click.option("--name", default="", help="What to call it; default: the file's name.")
@json_option
def add_command(
    file: Path, use_case: str, kind: str, dated: datetime, by: str, name: str, as_json: bool
) -> None:
    """Keep FILE for a use case: its bytes by their SHA-256, who brought it in the ledger.

    The same file with another --date puts a wrong day right; the same file with the same day
    brings back bytes that were lost.
    """
    from aiops.governance.documents import add_document

    added = add_document(use_case, kind, file, dated=dated.date(), by=by, name=name)
    emit(added.model_dump(mode="json"), [added.line()], as_json=as_json)


@document_command.command("list", epilog="Example: aiops document list --use-case wrist-fracture")
@click.option("--use-case", "use_case", help="Of one case: its number or slug.")
@json_option
def list_command(use_case: str | None, as_json: bool) -> None:
    """List the papers of every use case, or of one, and say which files are gone or changed."""
    from aiops.governance.documents import documents_of, file_state
    from aiops.governance.usecase import find

    papers = documents_of(find(use_case).id if use_case else None, superseded=True)
    later = {paper.supersedes: paper.id for paper in papers}
    told = [
        {
            **paper.model_dump(mode="json"),
            "file": file_state(paper.sha256),
            "superseded_by": later.get(paper.id, ""),
        }
        for paper in papers
    ]
    lines = [
        f"{paper.use_case} {paper.line()}"
        + (f"; {later[paper.id]} took its place" if paper.id in later else "")
        for paper in papers
    ]
    emit({"documents": told}, lines or ["no paper was brought"], as_json=as_json)


COMMANDS = {"document": document_command}
