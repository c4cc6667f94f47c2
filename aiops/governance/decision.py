"""Deciding: the rules that a decision must keep, and the order in which it is recorded.

The ledger is the truth and MLflow shows it. So the store is asked first whether it answers, then
the record is written to the ledger, then it is shown; a showing that fails can be repeated.
"""

import calendar
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from aiops.errors import ConfigError, GateError
from aiops.files import read_json
from aiops.governance import ledger, usecase
from aiops.governance.policy import (
    GATES_FILE,
    ReasonCode,
    check_gates,
    policy_sha256,
    read_reasons,
    require_policy_of_config,
)
from aiops.governance.record import (
    BY_PEOPLE,
    BY_PROGRAM,
    OUTCOMES,
    Condition,
    DecisionRecord,
    Effort,
    EvidenceItem,
    Proposal,
    Reason,
    Subject,
)
from aiops.governance.revisit import parse as parse_revisit
from aiops.governance.usecase import UseCase
from aiops.lookup import pick
from aiops.provenance import json_hash

APPROVALS = ("approve", "approve-with-conditions")
GENERAL = "general"
"""A condition that belongs to no item of the gate."""

Gates = dict[str, Any]


def decide(outcome: str, use_case: str, **said: Any) -> DecisionRecord:
    """Record a decision in the ledger and show it in MLflow.

    Parameters
    ----------
    outcome : str
        approve, approve-with-conditions, reject, discontinue or defer.
    use_case : str
        Slug or number.
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
    from aiops import tracking

    proposal = propose(outcome, use_case, **said)
    tracking.check_connection()
    record = record_decision(proposal)
    try:
        tracking.project_all()
    except tracking.TrackingError as fault:
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
        told = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in fault.errors())
        raise ConfigError(
            told,
            where=f"decide {outcome} {use_case}",
            fix=f"fields are: {', '.join(Proposal.model_fields)}",
        ) from fault


def record_decision(proposal: Proposal) -> DecisionRecord:
    """Hold a proposal to the rules and append it to the ledger, under the next number."""

    def next_record(earlier: list[ledger.Record]) -> ledger.Record:
        # Under the lock: the state it starts from is the state nobody can change meanwhile.
        now = datetime.now(UTC)
        number = 1 + sum(record["id"].startswith(f"DEC-{now.year}-") for record in earlier)
        return draft(proposal, f"DEC-{now.year}-{number:04d}", now).to_json()

    return DecisionRecord.model_validate(ledger.append(next_record))


def draft(proposal: Proposal, decision_id: str, now: datetime) -> DecisionRecord:
    """Return the record a proposal would become, or say which rule forbids it."""
    pick(OUTCOMES, proposal.outcome, where="outcome")
    case = _case(proposal)
    reasons = _reasons(proposal)
    for text in proposal.revisit_if:
        parse_revisit(text)
    run_dir = proposal.run_dir
    gates = _gates(proposal, case, run_dir)
    conditions = _conditions(proposal, gates)
    policy = _policy_facts(gates)
    return DecisionRecord(
        id=decision_id,
        case_id=case.id,
        use_case=case.slug,
        gate=policy["name"],
        gate_outcome=gates["outcome"] if gates else "not asked",
        from_state=case.state,
        to_state=OUTCOMES[proposal.outcome],
        outcome=proposal.outcome,
        reasons=reasons,
        rationale=proposal.rationale.strip(),
        lessons=proposal.lessons,
        revisit_if=proposal.revisit_if,
        review_by=proposal.review_by,
        conditions=conditions,
        scope=proposal.scope,
        evidence=_evidence(gates, conditions, proposal),
        policy_version=policy["version"],
        policy_sha256=policy["sha256"],
        subject=_subject(run_dir, gates),
        hazards_open_by_level=None,
        signatures_required=(),
        attendees=proposal.attendees,
        dissent=proposal.dissent,
        conflicts_of_interest=proposal.conflicts_of_interest,
        expires_at=_expiry(proposal.outcome, now.date(), policy["valid_months"]),
        effort=Effort(staff_days=proposal.staff_days, compute_hours=_compute_hours(run_dir)),
        created_at=now.isoformat(timespec="milliseconds"),
        made_by=proposal.by.strip(),
        made_by_program=proposal.by_program,
        statement=BY_PROGRAM if proposal.by_program else BY_PEOPLE,
    )


def _case(proposal: Proposal) -> UseCase:
    approves = proposal.outcome in APPROVALS
    case = usecase.registered(proposal.use_case)
    if case is None and approves:
        raise GateError(
            f"'{proposal.use_case}' is not in the register of use cases, so nobody can approve it",
            where="--use-case",
            fix=f"register it first: aiops usecase {proposal.use_case} --title TITLE",
        )
    case = case or usecase.find(proposal.use_case)
    if case.is_closed:
        raise GateError(
            f"{case.id} {case.slug} is {case.state}, and a closed case does not reopen",
            where=f"use case {case.id}: decisions {', '.join(case.decisions)}",
            fix=f"register a new case: aiops usecase SLUG --title TITLE --revisits {case.id}",
        )
    for name in ("by", "rationale"):
        if not getattr(proposal, name).strip():
            raise ConfigError(
                f"a decision needs --{name}",
                where=f"decide {proposal.outcome}: --{name}",
                fix={"by": "name who decides", "rationale": "say why, in a sentence"}[name],
            )
    return case


def _reasons(proposal: Proposal) -> tuple[Reason, ...]:
    codes = read_reasons().codes
    if not proposal.reasons and proposal.outcome not in APPROVALS:
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
    return tuple(
        Reason(
            code=code,
            name=told.name,
            primary=position == 0,
            severity=told.severity,
            fixable_by=told.fixable_by,
        )
        for position, (code, told) in enumerate(once.items())
    )


def _gates(proposal: Proposal, case: UseCase, run_dir: Path | None) -> Gates | None:
    """Return the run's gate, answered again just now; None where there is nothing to answer."""
    approves = proposal.outcome in APPROVALS
    if run_dir is None:
        if approves:
            raise GateError(
                f"{proposal.outcome} needs the run it is about",
                where="--run",
                fix="name the run's folder",
            )
        return None
    told = read_json(run_dir / "run.json")
    if told["use_case"] != case.slug:
        raise ConfigError(
            f"this run belongs to '{told['use_case']}', the decision is about '{case.slug}'",
            where=f"--run {run_dir.name}",
            fix="name a run of the use case",
        )
    if not approves and not (run_dir / GATES_FILE).exists():
        return None
    gates = check_gates(run_dir)
    if approves:
        require_policy_of_config(gates, run_dir)
    failing = [item for item in gates["items"] if item["outcome"] == "fail"]
    if approves and failing:
        raise GateError(
            f"the gate failed, so {proposal.outcome} is refused: "
            + "; ".join(f"{item['id']} ({item['reason']})" for item in failing),
            where=str(run_dir / GATES_FILE),
            fix="reject, discontinue or defer with a reason; or mend it and evaluate again",
        )
    undecided = [item for item in gates["items"] if item["outcome"] == "undecided"]
    if proposal.outcome == "approve" and undecided:
        raise GateError(
            "the gate is undecided, so approve is refused: "
            + "; ".join(f"{item['id']} ({item['reason']})" for item in undecided),
            where=str(run_dir / GATES_FILE),
            fix="approve-with-conditions, with a --condition for each of these items; or bring: "
            + "; ".join(item["would_decide"] for item in undecided),
        )
    return gates


def _conditions(proposal: Proposal, gates: Gates | None) -> tuple[Condition, ...]:
    if proposal.conditions and proposal.outcome != "approve-with-conditions":
        raise ConfigError(
            f"{proposal.outcome} carries no conditions",
            where="--condition",
            fix="use approve-with-conditions, or leave them out",
        )
    if proposal.outcome != "approve-with-conditions" or gates is None:
        return ()
    items = {item["id"]: item for item in gates["items"]} | {GENERAL: {"check": "by hand"}}
    named = {condition.item for condition in proposal.conditions}
    for name in named:
        pick(items, name, where="--condition ITEM")
    open_items = [
        item
        for item in gates["items"]
        if item["outcome"] == "undecided" and item["id"] not in named
    ]
    if open_items or not named:
        told = [f"{item['id']}: bring {item['would_decide']}" for item in open_items]
        raise GateError(
            "no condition names " + (", ".join(i["id"] for i in open_items) or "anything"),
            where="--condition",
            fix='add --condition "ITEM: what; who; YYYY-MM-DD" for '
            + ("; ".join(told) or "what must be brought; without one, use approve"),
        )
    return tuple(
        condition.model_copy(
            update={
                "id": f"C{number}",
                "evidence_kind": condition.evidence_kind
                or f"the check `{items[condition.item]['check']}` answered again",
            }
        )
        for number, condition in enumerate(proposal.conditions, start=1)
    )


def _policy_facts(gates: Gates | None) -> dict[str, Any]:
    if gates is not None:
        return {
            "name": gates["policy"],
            "version": gates["policy_version"],
            "sha256": gates["policy_sha256"],
            "valid_months": gates["valid_months"],
        }
    # Without a run no gate is asked: what was applied is the list of reasons.
    reasons = read_reasons()
    return {
        "name": "intake",
        "version": reasons.version,
        "sha256": policy_sha256(reasons),
        "valid_months": 0,
    }


def _evidence(
    gates: Gates | None, conditions: tuple[Condition, ...], proposal: Proposal
) -> tuple[EvidenceItem, ...]:
    if gates is None or proposal.run_dir is None:
        return ()
    run_id = read_json(proposal.run_dir / "run.json").get("mlflow_run_id")
    waived = {condition.item for condition in conditions}
    passed = {"pass": True, "fail": False, "undecided": None}
    return tuple(
        EvidenceItem(
            item_id=item["id"],
            run_id=run_id,
            artifact=item["file"],
            sha256=gates["evaluated"].get(item["file"], ""),
            value=item["value"],
            ci=_interval(item["figures"]),
            threshold=item["threshold"],
            passed=passed[item["outcome"]],
            reason=item["reason"],
            waived_by=proposal.by
            if item["outcome"] == "undecided" and item["id"] in waived
            else None,
        )
        for item in gates["items"]
    )


def _interval(figures: list[dict[str, Any]]) -> tuple[float, float] | None:
    if len(figures) != 1 or figures[0].get("low") is None or figures[0].get("high") is None:
        return None
    return figures[0]["low"], figures[0]["high"]


def _subject(run_dir: Path | None, gates: Gates | None) -> tuple[Subject, ...]:
    if run_dir is None:
        return ()
    evaluation, training = run_dir / "evaluation.json", run_dir / "training.json"
    told = read_json(evaluation) if evaluation.exists() else {}
    members = read_json(training)["members"] if training.exists() else {}
    predictions = told.get("predictions_sha256")
    # A vendor's tool has no bytes here: what it predicted stands for it.
    digest = "+".join(str(m["digest"]) for m in members.values()) or predictions
    datasets = [(told.get("seal") or {}).get("hash"), predictions]
    uri = f"runs/{run_dir.parent.name}/{run_dir.name}"
    if gates is not None:
        uri += f"#gates={json_hash(gates['evaluated'])[:16]}"
    return (Subject(model_uri=uri, digest=digest, dataset_digests=tuple(d for d in datasets if d)),)


def _compute_hours(run_dir: Path | None) -> float | None:
    if run_dir is None:
        return None
    stages = read_json(run_dir / "run.json").get("stages", {})
    seconds = sum(float(stage.get("seconds") or 0) for stage in stages.values())
    return round(seconds / 3600, 4)


def _expiry(outcome: str, today: date, months: int) -> date | None:
    if outcome not in APPROVALS:
        return None
    years, month = divmod(today.month - 1 + months, 12)
    year, month = today.year + years, month + 1
    return date(year, month, min(today.day, calendar.monthrange(year, month)[1]))
