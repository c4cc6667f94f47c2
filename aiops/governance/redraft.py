"""Recording a draft: what nobody signed is worked out anew, what was signed must still be true.

A draft is a file that anybody can edit. Unsigned, it is no more than what was proposed: every rule,
gate and digest is asked again. Signed, its words are fixed, so each is held to what is so today.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from aiops.errors import GateError
from aiops.governance.basis import evidence_of, expiry_of, subject_of
from aiops.governance.bundle import BOUND
from aiops.governance.documents import bytes_path
from aiops.governance.gates import answer_for, ask
from aiops.governance.kept_rules import lifecycle_sha256
from aiops.governance.lifecycle import APPROVALS, read_lifecycle
from aiops.governance.policy import policy_sha256, read_policy
from aiops.governance.record import Condition, Proposal
from aiops.home import runs_dir
from aiops.provenance import content_hash

Statement = Mapping[str, Any]

_SAID = ("outcome", "use_case", "rationale", "lessons", "revisit_if", "review_by", "scope",
         "attendees", "dissent", "conflicts_of_interest", "author", "attested_by",
         "proposal_id")  # fmt: skip
AGAIN = "draft it again, and let each sign what it says now"


def proposal_of(statement: Statement) -> Proposal:
    """Return what was proposed, from a draft of it; what was worked out is left behind."""
    given = {r["code"]: r["evidence"] for r in statement["reasons"] if r["evidence"]}
    conditions = [
        {key: c[key] for key in ("item", "text", "owner", "due")} for c in statement["conditions"]
    ]
    cycle = read_lifecycle()
    asked = statement["gate"] not in ("", "intake")
    step = cycle.step(statement["gate"]) if asked else None
    own = step is not None and step.policy == cycle.gates[step.name].policy
    return Proposal.model_validate(
        {
            **{name: statement[name] for name in _SAID},
            "by": statement["made_by"],
            "by_program": statement["made_by_program"],
            "reasons": [r["code"] for r in statement["reasons"]],
            "reason_evidence": {c: e for c, e in given.items() if e.get("kind") != "computed"},
            "gate": step.name if step is not None and own else "",
            "run_dir": run_of(statement),
            "conditions": conditions,
            "staff_days": statement["effort"]["staff_days"],
            "minutes": _paper(statement["minutes_sha256"]),
            "hazards": _paper(statement["hazards_sha256"]),
        }
    )


def run_of(statement: Statement) -> Path | None:
    """Return the folder of the run that a decision is about, inside the folder of its case."""
    for subject in statement["subject"]:
        name = str(subject["model_uri"]).partition("#")[0].rpartition("/")[2]
        return runs_dir(str(statement["use_case"])) / Path(name).name
    return None


def require_unchanged(statement: Statement) -> None:
    """Hold a signed draft to what is so today: people signed it some time ago.

    Raises
    ------
    GateError
        If the rules, the gate's policy, a run, its bytes, or the gate's answer are not what they
        were, or a day that it names has gone by.
    """
    where = f"draft of {statement['outcome']} {statement['use_case']}"
    gone = [*_rules_gone(statement), *_days_gone(statement)]
    run = run_of(statement)
    if run is not None and not (run / "run.json").exists():
        gone.append(f"the run {run.name} is not there any more")
    elif run is not None:
        gone += _bytes_gone(statement, run)
    if not gone and (statement["evidence"] or statement["outcome"] in APPROVALS):
        gone += _answers_gone(statement, run)
    if gone:
        raise GateError(
            f"changed since this was drafted: {'; '.join(gone)}", where=where, fix=AGAIN
        )


def require_same(statement: Statement, again: Statement) -> None:
    """Hold words that somebody dissented from to what the same proposal would say today.

    Parameters
    ----------
    statement : mapping
        What the draft says.
    again : mapping
        The proposal, worked out anew.

    Raises
    ------
    GateError
        If anything differs but what moves on by itself: the day counted from today, the effort,
        the report's page, papers, and the last line of the book of conditions.
    """
    loose = ("expires_at", "effort", "report_sha256", "documents", "conditions_head")
    changed = [name for name in again if name not in loose and statement.get(name) != again[name]]
    if changed:
        raise GateError(
            f"not what the proposal says when it is worked out anew: {', '.join(sorted(changed))}",
            where=f"draft of {statement['outcome']} {statement['use_case']}",
            fix=AGAIN,
        )


def _paper(sha256: str) -> Path | None:
    return bytes_path(sha256) if sha256 else None


def _rules_gone(statement: Statement) -> list[str]:
    if statement["lifecycle_sha256"] != lifecycle_sha256(read_lifecycle()):
        return ["the lifecycle"]
    if statement["gate"] in ("", "intake"):
        return []
    policy = read_policy(statement["gate"])
    if policy_sha256(policy) != statement["policy_sha256"]:
        return [f"the policy {statement['gate']}"]
    tomorrow = date.today() + timedelta(days=1)  # it may have been drafted further east
    latest, ends = expiry_of(statement["outcome"], tomorrow, policy.valid_months), None
    if statement["expires_at"]:
        ends = date.fromisoformat(statement["expires_at"])
    if latest is not None and (ends is None or ends > latest):
        return [f"the approval would last longer than {policy.valid_months} months"]
    return []


def _days_gone(statement: Statement) -> list[str]:
    today, ends = date.today().isoformat(), statement["expires_at"]
    told = [f"the approval would have ended on {ends}"] if ends and ends <= today else []
    told += [
        f"{condition['id']} was due on {condition['due']}"
        for condition in statement["conditions"]
        if condition["due"] < today
    ]
    review = statement["review_by"]
    return told + ([f"the review was to be on {review}"] if review and review < today else [])


def _bytes_gone(statement: Statement, run: Path) -> list[str]:
    noted = {e["artifact"]: e["sha256"] for e in statement["evidence"] if e["sha256"]}
    changed = [
        name
        for name, sha256 in noted.items()
        if Path(name).suffix in (".json", ".parquet")  # the others are of the register
        and not ((run / name).is_file() and content_hash(run / name) == sha256)
    ]
    [now], then = subject_of(run, None), statement["subject"][0]
    names = [name for name in then["digests"] if now.digests.get(name) != then["digests"][name]]
    changed += [f"the {name}" for name in names if BOUND.get(name) not in changed]
    return changed or ([] if now.digest == then["digest"] else ["the model"])


def _answers_gone(statement: Statement, run: Path | None) -> list[str]:
    """Hold the evidence to the kept answer, word for word, and an approval to today's answer."""
    kept = answer_for(statement)
    conditions = tuple(Condition.model_validate(c) for c in statement["conditions"])
    told = evidence_of(kept, conditions, run, str(statement["made_by"]))
    said = statement["evidence"]
    if [item.model_dump(mode="json") for item in told] != list(said):
        return ["the evidence is not the answer that was kept"]
    if statement["outcome"] not in APPROVALS:
        return []
    now = {item["id"]: item for item in ask(statement["gate"], statement["use_case"], run)["items"]}
    return [
        f"{item['item_id']} passed, and is {now[item['item_id']]['outcome']} now: "
        f"{now[item['item_id']]['reason']}"
        for item in said
        if item["passed"] and now[item["item_id"]]["outcome"] != "pass"
    ]
