"""Decisions: made at once, or drafted, signed by one after the other, and recorded."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aiops.commands.shared import emit, json_option, say

if TYPE_CHECKING:
    from aiops.governance.keys import KeyPair
    from aiops.governance.record import DecisionRecord

OUTCOMES = (
    "approve",
    "approve-with-conditions",
    "re-review",
    "defer",
    "reject",
    "discontinue",
    "suspend",
    "resume",
    "retire",
)
SCOPE = ("sites", "population", "users", "max_cases")
_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    "decide",
    epilog="Example: aiops decide reject --use-case wrist-fracture --reason R13 "
    "--rationale 'Misses fractures on one scanner' --by 'Imaging AI board' "
    "--lesson 'Look by scanner first' --revisit-if 'verdict==adequate'",
)
@click.argument("outcome", required=False, type=click.Choice(OUTCOMES))
@click.option("--use-case", "use_case", help="Its number or slug.")
@click.option("--gate", default="", help="Step G0-G6; without it the run's own gate.")
@click.option("--reason", "reasons", multiple=True, help="Code R01-R24; the first is primary.")
@click.option("--rationale", help="Why, in words.")
@click.option("--by", "by", help="Who decided.")
@click.option("--author", default="", help="Who wrote the proposal; does not sign it.")
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
    help="'ITEM: what will be done; owner; YYYY-MM-DD', once for each item that `aiops gate` "
    "leaves undecided; general: of none.",
)
@click.option("--lesson", "lessons", multiple=True, help="What others should know.")
@click.option("--revisit-if", "revisit_if", multiple=True, help="E.g. 'n_positive>=480'.")
@click.option("--review-by", "review_by", help="Date of the next look, YYYY-MM-DD.")
@click.option("--hazards", type=_file, help="Hazard log; a residual risk of 4 or 5 refuses.")
@click.option("--present", "attendees", multiple=True, help="'NAME: ROLE' of who was there.")
@click.option("--dissent", "dissent", multiple=True, help="Who did not agree, and why.")
@click.option("--conflict", "conflicts_of_interest", multiple=True, help="Who has which interest.")
@click.option("--site", "sites", multiple=True, help="Where it may be used.")
@click.option("--population", default="", help="On whom it may be used.")
@click.option("--users", default="", help="By whom it may be used.")
@click.option("--max-cases", type=int, help="On how many cases at most.")
@click.option("--staff-days", type=float, help="Days of work that went into it.")
@click.option("--attested-by", default="", help="Secretary who records what a meeting decided.")
@click.option("--minutes", type=_file, help="Its signed minutes; their SHA-256 is kept.")
@click.option("--key", "keys", multiple=True, type=_file, help="Private key of who signs at once.")
@click.option("--draft", type=click.Path(path_type=Path), help="Write a draft; record nothing.")
@click.option("--signed", type=_file, help="Record this draft.")
@click.option("--unsigned", is_flag=True, help="With --signed: though nobody signed the draft.")
@click.option("--project", is_flag=True, help="Decide nothing; show the ledger in MLflow again.")
@json_option
def decide_command(
    outcome: str | None,
    keys: tuple[Path, ...],
    draft: Path | None,
    signed: Path | None,
    unsigned: bool,
    project: bool,
    as_json: bool,
    **fields: Any,
) -> None:
    """Record OUTCOME for a use case: in the ledger, and as a run in MLflow."""
    if project:
        from aiops.tracking import project_all

        shown = project_all()
        emit({"decisions": shown}, [f"{len(shown)} decisions stand in MLflow"], as_json=as_json)
        return
    if signed is not None:
        from aiops.governance.draft import record_signed

        more = sorted(f"--{name.replace('_', '-')}" for name, value in fields.items() if value)
        more += ["--key"] * bool(keys) + ["--draft"] * (draft is not None)
        if outcome is not None or more:
            told = ", ".join([*([outcome] if outcome else []), *more])
            raise click.UsageError(
                f"--signed records what the draft says, so leave out: {told}; "
                "a changed decision is a new draft"
            )
        _emit(record_signed(signed, may_be_unsigned=unsigned), as_json=as_json)
        return
    if unsigned:
        raise click.UsageError("--unsigned goes with --signed FILE: nothing else waits for names")
    missing = [name for name in ("use_case", "rationale", "by") if not fields[name]]
    if outcome is None or missing:
        wanted = ["OUTCOME", *(f"--{name.replace('_', '-')}" for name in missing)]
        raise click.UsageError(f"a decision needs {', '.join(wanted[outcome is not None :])}")
    from aiops.governance.decision import decide, propose
    from aiops.governance.draft import write_draft

    fields["scope"] = {name: fields.pop(name) for name in SCOPE}
    pairs = opened(keys)
    if draft is not None:
        drafted = write_draft(propose(outcome, fields.pop("use_case"), **fields), draft, pairs)
        needed = "; ".join(drafted.statement["signatures_required"]) or "nobody by rule"
        lines = [str(draft), f"to be signed by: {needed}", f"then: aiops decide --signed {draft}"]
        emit({"draft": draft, "statement": drafted.statement}, lines, as_json=as_json)
        return
    _emit(decide(outcome, fields.pop("use_case"), keys=pairs, **fields), as_json=as_json)


@click.command("sign", epilog="Example: aiops sign wrist-G5.json --key lee.key.pem")
@click.argument("draft", type=_file)
@click.option("--key", required=True, type=_file, help="Private key of who signs.")
@click.option("--dissent", default="", help="Sign that one does not agree, and why.")
@json_option
def sign_command(draft: Path, key: Path, dissent: str, as_json: bool) -> None:
    """Add a signature to DRAFT, or a signed dissent."""
    from aiops.governance.draft import lines_of, missing_roles, read_draft, sign_draft, signers_of

    for line in lines_of(read_draft(draft).statement):  # read it, then open the key
        say(line)
    [pair] = opened((key,))
    drafted = sign_draft(draft, pair, dissent=dissent)
    agreed, against = signers_of(drafted)
    missing = missing_roles(drafted)
    lines = [f"{pair.public.person} {'does not agree' if dissent else 'signed'}"]
    lines += [f"signed so far: {', '.join(agreed)}"] if agreed else []
    lines += [f"does not agree: {', '.join(against)}"] if against else []
    lines += [f"still to sign: {missing}" if missing else f"then: aiops decide --signed {draft}"]
    emit({"draft": draft, "signed_by": agreed, "against": against, "missing": missing}, lines,
         as_json=as_json)  # fmt: skip


def opened(paths: tuple[Path, ...]) -> "list[KeyPair]":
    """Open private keys; each passphrase is asked for, or AIOPS_PASSPHRASE."""
    from aiops.commands.keys import passphrase_for
    from aiops.governance.keys import open_key

    return [open_key(path, passphrase_for(path)) for path in paths]


def _emit(record: "DecisionRecord", *, as_json: bool) -> None:
    lines = [
        f"{record.id}: {record.outcome} {record.case_id} ({record.grade})",
        f"{record.from_state} -> {record.to_state}",
    ]
    lines += [f"signed: {s.person} ({s.role})" for s in record.signed_by]
    lines += [f"does not agree: {d.person}: {d.text}" for d in record.signed_dissent]
    if record.gates_skipped:
        lines += [f"left out before it: {', '.join(record.gates_skipped)}"]
    lines += ["recorded in the ledger, shown in MLflow"]
    emit(record.to_json(), lines, as_json=as_json)


COMMANDS = {"decide": decide_command, "sign": sign_command}
