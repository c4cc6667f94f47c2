"""What a decision must say and name before it may stand, whatever its gate answers."""

from aiops.errors import ConfigError, GateError
from aiops.governance import ledger
from aiops.governance.lifecycle import APPROVALS, read_lifecycle
from aiops.governance.record import Proposal, Subject
from aiops.governance.revisit import parse as parse_revisit
from aiops.governance.usecase import UseCase

IN_USE = ("silent_prospective", "live_limited", "live")
"""States in which an alias points to approved bytes."""

STEPS = ("G0", "G1", "G2", "G3", "G4", "G5", "G6")


def steps_skipped(case: UseCase, step: str) -> tuple[str, ...]:
    """Return the steps before one that nobody approved."""
    mine = [record for record in ledger.read_all() if record["case_id"] == case.id]
    passed = {record.get("gate_step", "G4") for record in mine if record["outcome"] in APPROVALS}
    return tuple(name for name in STEPS[: STEPS.index(step)] if name not in passed)


def require_usable(case: UseCase, outcome: str, effect: str, subject: tuple[Subject, ...]) -> None:
    """Refuse to fix or use bytes that nobody names, and to go on with what has lapsed."""
    is_about_bytes = outcome in APPROVALS and bool(effect)
    if is_about_bytes and not any(told.digest for told in subject):
        raise GateError(
            f"{outcome} fixes or uses bytes ({effect}), and names none",
            where=f"decide {outcome} {case.slug}: --run",
            fix="name the run's folder: --run DIR",
        )
    if outcome == "resume" and case.came_from in IN_USE and case.warnings:
        raise GateError(
            f"resume is refused: {'; '.join(case.warnings)}",
            where=f"use case {case.id}",
            fix="close the conditions (aiops condition met); what has lapsed is approved anew: "
            "aiops decide re-review",
        )


def require_said(proposal: Proposal) -> None:
    """Refuse a decision that keeps to itself what was learnt, or what would change it."""
    outcome = read_lifecycle().outcome(proposal.outcome)
    for text in proposal.revisit_if:
        parse_revisit(text)
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
