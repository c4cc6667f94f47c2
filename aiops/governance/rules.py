"""What a decision must say and name before it may stand, whatever its gate answers."""

from collections.abc import Sequence
from datetime import date

from aiops.errors import ConfigError, GateError
from aiops.governance import ledger
from aiops.governance.blanks import names_nobody
from aiops.governance.lawful import now_called
from aiops.governance.lifecycle import APPROVALS, GateStep, read_lifecycle
from aiops.governance.members import changed_members
from aiops.governance.record import Proposal, Subject
from aiops.governance.revisit import parse, problem_with
from aiops.governance.usecase import UseCase

IN_USE = ("silent_prospective", "live_limited", "live")
"""States in which an alias points to approved bytes."""

ONCE_IN_USE = ("live_limited", "live")


def require_usable(
    case: UseCase,
    outcome: str,
    effect: str,
    subject: tuple[Subject, ...],
    earlier: Sequence[ledger.Record],
) -> None:
    """Refuse to fix or use bytes that nobody names, and to go on with what has lapsed."""
    is_about_bytes = outcome in APPROVALS and bool(effect)
    if is_about_bytes and not any(told.digest for told in subject):
        raise GateError(
            f"{outcome} fixes or uses bytes ({effect}), and names none",
            where=f"decide {outcome} {case.slug}: --run",
            fix="name the run's folder: --run DIR",
        )
    was_used = {now_called(r["to_state"]) for r in earlier} & set(ONCE_IN_USE)
    if outcome in ("reject", "discontinue") and was_used:
        raise GateError(
            f"{case.id} was in use, and what was in use is retired",
            where=f"decide {outcome} {case.slug}",
            fix=f"aiops decide retire --use-case {case.slug}",
        )
    if outcome == "resume" and case.came_from in IN_USE and case.warnings:
        raise GateError(
            f"resume is refused: {'; '.join(case.warnings)}",
            where=f"use case {case.id}",
            fix="close the conditions (aiops condition met); what has lapsed or was given up is "
            "approved anew: aiops decide re-review",
        )


def require_trained(proposal: Proposal) -> None:
    """Refuse to approve weights that are not those training left: the figures are of others."""
    if proposal.outcome not in APPROVALS or proposal.run_dir is None:
        return
    if changed := changed_members(proposal.run_dir):
        raise GateError(
            f"the weights of {', '.join(changed)} are not those that training left",
            where=f"decide {proposal.outcome} {proposal.use_case}: --run {proposal.run_dir.name}",
            fix="put the trained files back, or train and evaluate anew",
        )


def require_scope(proposal: Proposal, step: GateStep | None) -> None:
    """Refuse an approval for use that does not say where and on whom."""
    if step is None:
        return
    lacking = [name for name in step.scope if not getattr(proposal.scope, name)]
    if lacking:
        options = {"sites": "--site", "max_cases": "--max-cases"}
        raise ConfigError(
            f"{proposal.outcome} at {step.name} does not say: {', '.join(lacking)}",
            where=f"decide {proposal.outcome} {proposal.use_case}",
            fix="add " + ", ".join(options.get(name, f"--{name}") for name in lacking),
        )


def require_days(proposal: Proposal, expires_at: date | None) -> None:
    """Refuse days that have gone by, and conditions that outlive their approval."""
    where = f"decide {proposal.outcome} {proposal.use_case}"
    if proposal.review_by is not None and proposal.review_by < date.today():
        raise ConfigError(
            f"the day of review, {proposal.review_by}, has gone by",
            where=f"{where}: --review-by",
            fix="name a day that is still to come",
        )
    for condition in proposal.conditions:
        if condition.due < date.today():
            raise ConfigError(
                f"{condition.due} has gone by", where=f"{where}: --condition {condition.item}",
                fix="name a day that is still to come",
            )  # fmt: skip
        if expires_at is not None and condition.due > expires_at:
            raise ConfigError(
                f"{condition.due} is after the approval's own end, {expires_at}",
                where=f"{where}: --condition {condition.item}",
                fix=f"name a day up to {expires_at}",
            )
        if names_nobody(condition.owner):
            raise ConfigError(
                "nobody is named to bring it",
                where=f"{where}: --condition {condition.item}",
                fix='write it as "ITEM: what shall be brought; who; YYYY-MM-DD"',
            )


def require_said(proposal: Proposal, case: UseCase) -> None:
    """Refuse a decision that keeps to itself what was learnt, or what would change it."""
    outcome = read_lifecycle().outcome(proposal.outcome)
    for text in proposal.revisit_if:
        parse(text)
        if problem := problem_with(text, case):
            raise ConfigError(
                problem,
                where=f"decide {proposal.outcome}: --revisit-if",
                fix="write what is not so yet and can be looked up: FACT OP VALUE, a fact that is "
                "computed, said at intake, or stated in facts.yaml",
            )
    if outcome.lessons and not any(lesson.text.strip() for lesson in proposal.lessons):
        raise ConfigError(
            f"{proposal.outcome} needs a lesson: what the next team should know",
            where=f"decide {proposal.outcome}: --lesson",
            fix="write it in a sentence; others will find it when they ask what was tried before",
        )
    if outcome.revisit_if and not proposal.revisit_if:
        raise ConfigError(
            f"{proposal.outcome} needs what would make it worth another look",
            where=f"decide {proposal.outcome}: --revisit-if",
            fix="write FACT OP VALUE: n_positive>=480, clinical_lead!=null, "
            "vendor_contract_ends<2027-04",
        )
