"""Use cases: put in, shown, listed, edited; and the conditions hung on their approvals."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from aiops.commands.shared import emit, json_option

if TYPE_CHECKING:
    from aiops.governance.usecase import UseCase

F = TypeVar("F", bound=Callable[..., Any])

FIELDS = {
    "problem": "What is wrong today, for whom.",
    "pathway": "Where in the pathway of care it would act.",
    "population": "PICO: on which patients.",
    "intervention": "PICO: what it would do.",
    "comparator": "PICO: what is done today.",
    "outcome": "PICO: what would be better, and how that is measured.",
    "users": "Who would work with it.",
    "specialty": "E.g. radiology.",
    "modality": "E.g. xray.",
    "task": "segmentation, classification, or in words.",
    "owner": "Service that would own it.",
    "clinical-lead": "Clinician who leads it.",
    "data-sources": "Systems the data would come from.",
    "labels-planned": "How many cases shall be labelled.",
    "labels-done": "How many are labelled.",
    "last-clinical-sign-in": "Day a clinician last worked on it, YYYY-MM-DD.",
    "alternatives": "What else would mend the problem.",
    "market-scan": "Products on the market that do it, or that none was found.",
    "market-scan-on": "Day of that scan, YYYY-MM-DD.",
    "epr-scan": "What the record system here does or will do.",
    "epr-scan-on": "Day of that scan, YYYY-MM-DD.",
    "expected-benefit": "What is gained, in figures.",
    "downstream-services": "Services whose work it changes.",
}
"""What is asked at intake, and what each answer is."""

SCANS = ("market_scan", "market_scan_on", "epr_scan", "epr_scan_on")


def intake_options(function: F) -> F:
    """Add an option for each field of the intake."""
    for name in reversed(FIELDS):
        function = click.option(f"--{name}", help=FIELDS[name])(function)
    return function


@click.group("usecase", epilog="Example: aiops usecase list")
def usecase_command() -> None:
    """Put an idea into the register, and see or add to what is said of it."""


@usecase_command.command(
    "submit",
    epilog="Example: aiops usecase submit wrist-fracture --title 'Scaphoid fracture' "
    "--owner 'A. Lead' --market-scan 'none found' --market-scan-on 2026-11-01",
)
@click.argument("slug")
@click.option("--title", required=True, help="What it is, in a line.")
@intake_options
@click.option("--revisits", default="", help="Number of the closed case that this tries again.")
@click.option("--submitted-by", default="", help="Who puts it in.")
@json_option
def submit_command(slug: str, as_json: bool, **fields: str | None) -> None:
    """Take a use case into the register: it gets its number, and can be decided on."""
    from aiops.governance.usecase import submit
    from aiops.tracking import check_connection, log_use_case

    check_connection()  # before the number is given, so that a retry finds the slug free
    case = submit(slug, **_said(fields))
    log_use_case(case)
    tried = _tried(case)
    lines = [f"{case.id} {case.slug}", *_blank_lines(case), *tried[1]]
    emit(
        {**case.model_dump(mode="json"), "blank": case.blank, "tried_before": tried[0]},
        lines,
        as_json=as_json,
    )


@usecase_command.command("show", epilog="Example: aiops usecase show wrist-fracture")
@click.argument("slug")
@json_option
def show_command(slug: str, as_json: bool) -> None:
    """Show where SLUG (or its number) stands, what is blank or due, and what is like it."""
    from aiops.governance.lifecycle import read_lifecycle
    from aiops.governance.standing import SET_ASIDE
    from aiops.governance.usecase import find

    case = find(slug)
    tried = _tried(case)
    allowed = read_lifecycle().allowed_from(case.state)
    lines = [f"{case.id} {case.slug}: {case.title}"]
    lines += [f"state: {case.state} for {case.days_in_state()} days, since {case.since[:10]}"]
    lines += [f"  {warning}" for warning in case.warnings]
    lines += [f"  why: {', '.join(case.reasons)}"] if case.reasons else []
    lines += [f"  can be decided: {', '.join(allowed) or 'nothing; a retry is a new case'}"]
    lines += [f"decisions: {', '.join(case.decisions) or 'none'}"]
    if case.expires_at:
        stands = not case.is_closed and case.state not in SET_ASIDE and not case.is_lapsed
        word = "approved" if stands else "was approved"
        lines += [f"  {word} by {case.approved_by}, until {case.expires_at}"]
    lines += _what_is_kept(case)
    lines += [f"  to be reviewed by {case.review_by}"] if case.review_by else []
    lines += [
        f"condition {c.id} [{c.word}] {c.item}: {c.text} ({c.owner}, by {c.due})"
        for c in case.conditions
    ]
    lines += [f"{name.replace('-', ' ')}: {_value(case, name)}" for name in FIELDS
              if _value(case, name)]  # fmt: skip
    lines += [f"edited {told}" for told in case.edited]
    lines += [*_blank_lines(case), *tried[1]]
    told = {
        **case.model_dump(mode="json"),
        "days_in_state": case.days_in_state(),
        "warnings": case.warnings,
        "allowed": allowed,
        "blank": case.blank,
        "tried_before": tried[0],
    }
    emit(told, lines, as_json=as_json)


@usecase_command.command("list", epilog="Example: aiops usecase list --state live")
@click.option("--state", help="Only those that stand here.")
@json_option
def list_command(state: str | None, as_json: bool) -> None:
    """List every use case with its state, for how long, and what is overdue."""
    from aiops.governance.lifecycle import read_lifecycle
    from aiops.governance.usecase import list_use_cases
    from aiops.lookup import pick

    if state:
        pick(dict.fromkeys(map(str, read_lifecycle().states)), state, where="--state")
    cases = [case for case in list_use_cases() if state in (None, case.state)]
    lines = []
    for case in cases:
        days = f"{case.days_in_state()} d"
        lines.append(
            f"{case.id}  {case.slug:<28} {case.state:<18} {days:>6}  {case.owner}".rstrip()
        )
        lines += [f"         {warning}" for warning in case.warnings]
    told = [
        {**c.model_dump(mode="json"), "days_in_state": c.days_in_state(), "warnings": c.warnings}
        for c in cases
    ]
    emit({"use_cases": told}, lines or ["no use case is registered"], as_json=as_json)


@usecase_command.command(
    "edit", epilog="Example: aiops usecase edit wrist-fracture --labels-done 120 --by 'A. Lead'"
)
@click.argument("slug")
@click.option("--title", help="What it is, in a line.")
@intake_options
@click.option("--by", required=True, help="Who says so.")
@json_option
def edit_command(slug: str, by: str, as_json: bool, **fields: str | None) -> None:
    """Add a later word to what was said of SLUG; what was said before stays in the ledger."""
    from aiops.governance.usecase import edit
    from aiops.tracking import check_connection, log_use_case

    changes = _said(fields)
    if not changes:
        raise click.UsageError("name what changes, e.g. --labels-done 120")
    check_connection()
    case = edit(slug, by=by, **changes)
    log_use_case(case)
    lines = [f"{case.id} {case.slug}: {', '.join(sorted(changes))} by {by}", *_blank_lines(case)]
    emit({**case.model_dump(mode="json"), "blank": case.blank}, lines, as_json=as_json)


@usecase_command.command("diagram", epilog="Example: aiops usecase diagram > states.mmd")
@json_option
def diagram_command(as_json: bool) -> None:
    """Draw the lifecycle as a Mermaid diagram."""
    from aiops.governance.lifecycle import read_lifecycle

    cycle = read_lifecycle()
    told = cycle.model_dump(mode="json", by_alias=True)
    emit({**told, "mermaid": cycle.mermaid()}, [cycle.mermaid()], as_json=as_json)


@click.group("condition", epilog="Example: aiops condition met wrist-fracture C1 …")
def condition_command() -> None:
    """Close a condition of an approval: it was met, or it was given up."""


_case = click.argument("use_case", metavar="CASE")
_condition = click.argument("condition", metavar="CONDITION")
_by = click.option("--by", default="", help="Who says so; with --key, its owner.")
_evidence = click.Path(exists=True, dir_okay=False, path_type=Path)
_signer = click.option("--key", type=_evidence, help="Private key of who says so.")


@condition_command.command(
    "met",
    epilog="Example: aiops condition met wrist-fracture C1 --evidence audit.pdf --key lee.key.pem",
)
@_case
@_condition
@click.option("--evidence", required=True, type=_evidence, help="What was brought.")
@_by
@_signer
@json_option
def met_command(
    use_case: str, condition: str, evidence: Path, by: str, key: Path | None, as_json: bool
) -> None:
    """Record that CONDITION (C1) of CASE was met, and keep what was brought.

    Where the gate has a check of the item, it is asked again, and a check that does not pass
    refuses. A condition of a signed approval is met when somebody who fills a role of it signs so,
    and not the one who owed it. What was met or given up stays so: a new approval asks anew.
    """
    from aiops.commands.decide import opened
    from aiops.governance.conditions import close

    [pair] = opened((key,)) if key is not None else [None]
    case = close("met", use_case, condition, by=by, evidence=evidence, key=pair)
    _show(case, as_json=as_json)


@condition_command.command(
    "lapse", epilog="Example: aiops condition lapse wrist-fracture C1 --by 'Dr Okafor'"
)
@_case
@_condition
@click.option("--evidence", type=_evidence, help="Why, if it is written down.")
@_by
@_signer
@json_option
def lapse_command(
    use_case: str,
    condition: str,
    evidence: Path | None,
    by: str,
    key: Path | None,
    as_json: bool,
) -> None:
    """Record that CONDITION of CASE will not be met: nothing is released then.

    This is final, until a later approval, of no weaker grade, that knew of it. Of a signed
    approval, somebody in the ring signs it.
    """
    from aiops.commands.decide import opened
    from aiops.governance.conditions import close

    [pair] = opened((key,)) if key is not None else [None]
    case = close("lapse", use_case, condition, by=by, evidence=evidence, key=pair)
    _show(case, as_json=as_json)


def _show(case: "UseCase", *, as_json: bool) -> None:
    from aiops.tracking import TrackingError, log_use_case

    lines = [f"{c.id} [{c.word}] {c.item}: {c.text}" for c in case.conditions]
    try:
        log_use_case(case)
    except TrackingError as fault:  # the event stands; the page follows with the next decision
        lines.append(f"recorded in the ledger; MLflow does not show it yet: {fault.what}")
    lines += case.warnings
    emit(case.model_dump(mode="json"), lines, as_json=as_json)


def _said(fields: dict[str, str | None]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _value(case: "UseCase", name: str) -> str:
    value = getattr(case, name.replace("-", "_"))
    return "" if value is None else str(value)


def _blank_lines(case: "UseCase") -> list[str]:
    """Say what is blank; the search for what is sold or here already is asked for by name."""
    lines = []
    if any(name in case.blank for name in SCANS):
        lines.append(
            "does a product or the record system here do it already? not said: "
            "--market-scan, --epr-scan, each with its day (…-on)"
        )
    others = [name.replace("_", " ") for name in case.blank if name not in SCANS]
    return lines + ([f"blank: {', '.join(others)}"] if others else [])


def _what_is_kept(case: "UseCase") -> list[str]:
    """Return what was learnt, what would reopen the case, its aliases and its papers."""
    from aiops.governance import ledger
    from aiops.governance.documents import documents_of
    from aiops.governance.effects import aliases_after
    from aiops.governance.revisit_words import in_words

    mine = [record for record in ledger.read_all() if record["case_id"] == case.id]
    last = mine[-1] if mine else {"lessons": [], "revisit_if": []}
    lines = [f"  learnt: {lesson['text']}" for lesson in last["lessons"]]
    lines += [f"  look again if {in_words(text)}" for text in last["revisit_if"]]
    lines += [f"alias {alias}: {digest[:12]}" for alias, digest in aliases_after(mine).items()]
    lines += [f"paper {document.line()}" for document in documents_of(case.id)]
    return lines + ([f"tries again: {case.revisits}"] if case.revisits else [])


def _tried(case: "UseCase") -> tuple[list[dict[str, Any]], list[str]]:
    from aiops.governance.lessons import tried_before

    told = f"{case.title} {case.problem} {case.specialty} {case.modality}"
    tried = tried_before(told, without=case.id, most=3)
    lines = [line for found in tried for line in found.lines()]
    head = ["has this been tried? like it are:"] if tried else []
    return [found.to_dict() for found in tried], head + lines


COMMANDS = {"usecase": usecase_command, "condition": condition_command}
