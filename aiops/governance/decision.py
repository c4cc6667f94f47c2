"""Deciding: the rules that a decision must keep, and the order in which it is recorded.

The ledger is the truth and MLflow shows it. So the store is asked first whether it answers, then
the record is written to the ledger, then it is shown; a showing that fails can be repeated.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

from pydantic import ValidationError

from aiops.errors import ConfigError, GateError, LedgerError
from aiops.files import plain
from aiops.governance import ledger, usecase
from aiops.governance.basis import (
    compute_hours,
    conditions_of,
    documents_of,
    evidence_of,
    expiry_of,
    gates_of,
    hazards_of,
    keep_paper,
    keep_report,
    policy_facts,
    subject_of,
    with_run,
)
from aiops.governance.kept_policy import keep_policy
from aiops.governance.kept_rules import keep_lifecycle
from aiops.governance.keys import KeyPair
from aiops.governance.lawful import roles_words, steps_skipped
from aiops.governance.lifecycle import APPROVALS, read_lifecycle
from aiops.governance.policy import ReasonCode, read_reasons
from aiops.governance.reason_evidence import evidence_of_reasons
from aiops.governance.record import (
    BY_GRADE,
    BY_PROGRAM,
    DecisionRecord,
    Effort,
    NotCited,
    Proposal,
    Reason,
    statement_of,
)
from aiops.governance.recording import Drafted, record_draft
from aiops.governance.rules import (
    require_days,
    require_said,
    require_scope,
    require_trained,
    require_usable,
)
from aiops.governance.signing import DECISION_TYPE, seal
from aiops.governance.usecase import UseCase
from aiops.lookup import pick


def decide(
    outcome: str, use_case: str, *, keys: Sequence[KeyPair] = (), **said: Any
) -> DecisionRecord:
    """Record a decision in the ledger and show it in MLflow.

    Parameters
    ----------
    outcome : str
        One of the lifecycle's: approve, approve-with-conditions, re-review, defer, reject,
        discontinue, suspend, resume, retire.
    use_case : str
        Slug or number.
    keys : sequence of KeyPair
        Keys of those who sign it at once; none leaves it recorded or attested.
    **said : Any
        Further fields of `Proposal`: rationale, by, reasons, run_dir, conditions (as objects or
        as ``"ITEM: text; owner; due"``), lessons, revisit_if, review_by, scope, by_program, ….

    Raises
    ------
    GateError
        If a rule forbids it. Nothing is recorded then.
    ConfigError
        If something it needs is missing or not known. Nothing is recorded then.
    TrackingError
        If MLflow does not answer: nothing is recorded then. If it stops answering after the
        decision was recorded, the error says so, and that it can be shown later.
    """
    proposal = propose(outcome, use_case, **said)
    check_store(proposal.outcome)
    return show(record_decision(proposal, keys))


def check_store(outcome: str) -> None:
    """Ask MLflow for an answer, before anything is recorded.

    A suspension does not wait for it: the ledger alone takes a tool out of use, and `show` says
    that MLflow does not show it yet.

    Raises
    ------
    TrackingError
        If there is none.
    """
    from aiops import tracking

    if outcome != "suspend":
        tracking.check_connection()


def show(record: DecisionRecord) -> DecisionRecord:
    """Show a decision that is in the ledger in MLflow, and return it.

    Raises
    ------
    TrackingError
        If MLflow does not answer: the decision stands, and can be shown later.
    """
    from aiops import tracking

    try:
        tracking.project_all()
    except (tracking.TrackingError, LedgerError) as fault:
        raise tracking.TrackingError(
            f"{record.id} is recorded in the ledger and stands, but MLflow does not show it yet: "
            f"{fault.what}",
            where=fault.where,
            fix="do not decide again; `aiops decide --project`, or the next decision, shows it",
        ) from fault
    return record


def propose(outcome: str, use_case: str, **said: Any) -> Proposal:
    """Return what shall be decided, after a look at the form of each field.

    Raises
    ------
    ConfigError
        If a field is missing, not known or of the wrong form.
    """
    try:
        return Proposal.model_validate({"outcome": outcome, "use_case": use_case, **said})
    except ValidationError as fault:
        told = [(".".join(map(str, e["loc"])), str(e["msg"])) for e in fault.errors()]
        known = {name.partition(".")[0] for name, _ in told} <= set(Proposal.model_fields)
        raise ConfigError(
            "; ".join(f"{name}: {what.removeprefix('Value error, ')}" for name, what in told),
            where=f"decide {outcome} {use_case}",
            fix="write these again; see: aiops decide --help"
            if known
            else f"fields are: {', '.join(Proposal.model_fields)}",
        ) from fault


def record_decision(proposal: Proposal, keys: Sequence[KeyPair] = ()) -> DecisionRecord:
    """Hold a proposal to the rules and append it to the ledger, under the next number."""
    statement = draft(proposal)
    envelope = seal(statement, DECISION_TYPE, keys) if keys else None
    return record_draft(Drafted(statement, envelope))


def draft(proposal: Proposal) -> dict[str, Any]:
    """Return the statement a proposal would put on record, or say which rule forbids it."""
    cycle = read_lifecycle()
    outcome = cycle.outcome(proposal.outcome)
    case = _case(proposal)
    _require_way(proposal, case)
    reasons = _reasons(proposal, case)
    require_said(proposal, case)
    gates = gates_of(proposal, case)
    proposal = with_run(proposal, gates)
    policy = policy_facts(gates)
    if gates is not None:
        keep_policy(gates["policy_text"])
    step = cycle.step(proposal.gate or policy["name"]) if outcome.gated else None
    gate = step.policy if step else None
    to_state = cycle.next_state(case.state, proposal.outcome, gate, case.came_from)
    needed = cycle.needed(case.state, proposal.outcome, gate)
    subject = subject_of(proposal.run_dir, gates)
    effect = cycle.effect(proposal.outcome, gate, case.state)
    expires_at = expiry_of(proposal.outcome, date.today(), policy["valid_months"])
    earlier = [record for record in ledger.read_all() if record["case_id"] == case.id]
    require_usable(case, proposal.outcome, effect, subject, earlier)
    require_trained(proposal)
    require_scope(proposal, step)
    require_days(proposal, expires_at)
    conditions = conditions_of(proposal, gates)
    hazards, hazards_sha256 = hazards_of(proposal)
    record = DecisionRecord(
        **_as_said(proposal),
        id="DEC-0000-0000",
        created_at="",
        case_id=case.id,
        use_case=case.slug,
        follows=case.decisions[-1] if case.decisions else "",
        gate=policy["name"],
        gate_step=step.name if step else "",
        gates_skipped=steps_skipped(earlier, step.name) if step else (),
        gate_outcome=gates["outcome"] if gates else "not asked",
        from_state=case.state,
        to_state=to_state,
        effect=effect,
        reasons=reasons,
        not_cited=_not_cited(proposal, case, reasons),
        conditions=conditions,
        evidence=evidence_of(gates, conditions, proposal.run_dir, proposal.by),
        policy_version=policy["version"],
        policy_sha256=policy["sha256"],
        subject=subject,
        hazards_open_by_level=hazards,
        hazards_sha256=hazards_sha256,
        documents=documents_of(case),
        signatures_required=roles_words(needed),
        expires_at=expires_at,
        lifecycle_version=cycle.version,
        lifecycle_sha256=keep_lifecycle(cycle),
        grade_required=needed.grade,
        report_sha256=keep_report(proposal.run_dir),
        conditions_head=ledger.head(ledger.CONDITIONS),
    )
    return statement_of(record.to_json())


def _require_way(proposal: Proposal, case: UseCase) -> None:
    """Ask first whether the outcome is possible from where the case stands."""
    cycle = read_lifecycle()
    if proposal.gate or not cycle.outcome(proposal.outcome).gated:
        gate = proposal.gate if cycle.outcome(proposal.outcome).gated else None
        cycle.next_state(case.state, proposal.outcome, gate, case.came_from)


def _as_said(proposal: Proposal) -> dict[str, Any]:
    """Return the fields of a record that stand as somebody said them."""
    same = ("outcome", "lessons", "revisit_if", "review_by", "scope", "attendees", "dissent",
            "conflicts_of_interest", "proposal_id")  # fmt: skip
    return {
        **{name: getattr(proposal, name) for name in same},
        "rationale": proposal.rationale.strip(),
        "effort": Effort(
            staff_days=proposal.staff_days, compute_hours=compute_hours(proposal.run_dir)
        ),
        "made_by": proposal.by.strip(),
        "made_by_program": proposal.by_program,
        "author": proposal.author.strip(),
        "attested_by": proposal.attested_by.strip(),
        "minutes_sha256": keep_paper(proposal.minutes, where="--minutes"),
        "statement": BY_PROGRAM if proposal.by_program else BY_GRADE["recorded"],
    }


def _case(proposal: Proposal) -> UseCase:
    approves = proposal.outcome in APPROVALS
    case = usecase.registered(proposal.use_case)
    if case is None and approves:
        raise GateError(
            f"'{proposal.use_case}' is not in the register of use cases, so nobody can approve it",
            where="--use-case",
            fix=f"register it first: aiops usecase submit {proposal.use_case} --title TITLE",
        )
    case = case or usecase.find(proposal.use_case)
    if case.is_closed:
        raise GateError(
            f"{case.id} {case.slug} is {case.state}, and a closed case does not reopen",
            where=f"use case {case.id}: decisions {', '.join(case.decisions)}",
            fix=f"register another: aiops usecase submit SLUG --title TITLE --revisits {case.id}",
        )
    for name in ("by", "rationale"):
        if not getattr(proposal, name).strip():
            raise ConfigError(
                f"a decision needs --{name}",
                where=f"decide {proposal.outcome}: --{name}",
                fix={"by": "name who decides", "rationale": "say why, in a sentence"}[name],
            )
    return case


def _reasons(proposal: Proposal, case: UseCase) -> tuple[Reason, ...]:
    codes = read_reasons().codes
    if not proposal.reasons and read_lifecycle().outcome(proposal.outcome).reasons:
        raise ConfigError(
            f"{proposal.outcome} needs at least one reason code",
            where=f"decide {proposal.outcome}: --reason",
            fix="one of: " + ", ".join(f"{code} {told.name}" for code, told in codes.items()),
        )
    known: dict[str, tuple[str, ReasonCode]] = {}
    for code, told in codes.items():
        known[code] = known[told.name] = (code, told)
    found = [pick(known, text.strip().upper(), where="--reason") for text in proposal.reasons]
    once = dict(found)
    hazards = {"hazards": proposal.hazards} if proposal.hazards else {}
    evidence = evidence_of_reasons(list(once), case, proposal.run_dir, **hazards)
    evidence |= {code: told for code, told in proposal.reason_evidence.items() if code in once}
    return tuple(
        Reason(
            code=code,
            name=told.name,
            primary=position == 0,
            severity=told.severity,
            fixable_by=told.fixable_by,
            basis="computed" if evidence[code].get("kind") == "computed" else "stated",
            evidence=plain(evidence[code]),
        )
        for position, (code, told) in enumerate(once.items())
    )


def _not_cited(
    proposal: Proposal, case: UseCase, reasons: tuple[Reason, ...]
) -> tuple[NotCited, ...]:
    """Return the reasons that figures support and nobody gave, where an outcome needs reasons."""
    if not read_lifecycle().outcome(proposal.outcome).reasons:
        return ()
    codes, given = read_reasons().codes, {reason.code for reason in reasons}
    asked = [c for c, told in codes.items() if told.evidence == "computed" and c not in given]
    hazards = {"hazards": proposal.hazards} if proposal.hazards else {}
    found = evidence_of_reasons(asked, case, proposal.run_dir, **hazards)
    return tuple(
        NotCited(code=code, name=codes[code].name, sentence=str(told["sentence"]))
        for code, told in found.items()
        if told["supports"]
    )
