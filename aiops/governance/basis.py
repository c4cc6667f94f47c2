"""What a decision rests on: the gate's answers, conditions, bytes, hazards and documents."""

import calendar
import shutil
from datetime import date
from pathlib import Path
from typing import Any

from aiops.errors import ConfigError, GateError
from aiops.files import atomic, read_json
from aiops.governance import ledger
from aiops.governance.bundle import digests_of, product_of
from aiops.governance.conditions import GENERAL
from aiops.governance.documents import bytes_path
from aiops.governance.hazards import open_by_level, read_hazards, unacceptable
from aiops.governance.lifecycle import APPROVALS, GateStep, read_lifecycle
from aiops.governance.policy import (
    GATES_FILE,
    check_gates,
    policy_sha256,
    read_reasons,
    require_policy_of_config,
)
from aiops.governance.record import Condition, Document, EvidenceItem, Proposal, Subject
from aiops.governance.usecase import UseCase
from aiops.home import runs_dir
from aiops.lookup import pick
from aiops.provenance import content_hash, json_hash

DOCUMENTS = "documents"

Gates = dict[str, Any]


def gates_of(proposal: Proposal, case: UseCase) -> Gates | None:
    """Return the gate that is asked, answered again just now; None where none is asked.

    Raises
    ------
    GateError
        If an approval names neither run nor step, or the answers forbid it.
    """
    approves = proposal.outcome in APPROVALS
    run_dir = proposal.run_dir
    if run_dir is None and not proposal.gate:
        if approves:
            raise GateError(
                f"{proposal.outcome} needs the run it is about",
                where="--run",
                fix="name the run's folder, or the step of a case without a run: --gate G0",
            )
        return None
    if run_dir is not None:
        told = read_json(run_dir / "run.json")
        if told["use_case"] != case.slug:
            raise ConfigError(
                f"this run belongs to '{told['use_case']}', the decision is about '{case.slug}'",
                where=f"--run {run_dir.name}",
                fix="name a run of the use case",
            )
        _require_here(run_dir, case)
    if proposal.gate:
        gates = answered(read_lifecycle().step(proposal.gate), case, run_dir)
    elif run_dir is None or (not approves and not (run_dir / GATES_FILE).exists()):
        return None
    else:
        gates = check_gates(run_dir)
        if approves:
            require_policy_of_config(gates, run_dir)
    if approves:
        _hold(proposal.outcome, gates, where=str(run_dir / GATES_FILE) if run_dir else case.slug)
    return gates


def _require_here(run_dir: Path, case: UseCase) -> None:
    """Refuse a run that lies elsewhere: a record names its folder, and could not be held to it."""
    if run_dir.resolve().parent != runs_dir(case.slug).resolve():
        raise ConfigError(
            "this run does not lie where the runs of its case lie",
            where=f"--run {run_dir.name}",
            fix=f"name a folder of {runs_dir(case.slug)}",
        )


def answered(step: GateStep, case: UseCase, run_dir: Path | None) -> Gates:
    """Return the answers of a step of the lifecycle for a case, asked just now and kept."""
    from aiops.governance.gates import ask, keep

    gates: Gates = ask(step.policy, case.slug, run_dir)
    keep(gates)
    return gates


def with_run(proposal: Proposal, gates: Gates | None) -> Proposal:
    """Return the proposal with the run that a step was answered from, where it names none."""
    if proposal.run_dir is not None or gates is None or not gates.get("run"):
        return proposal
    return proposal.model_copy(update={"run_dir": runs_dir(gates["use_case"]) / gates["run"]})


def _hold(outcome: str, gates: Gates, *, where: str) -> None:
    """Refuse an approval that the gate's answers forbid."""
    failing = [item for item in gates["items"] if item["outcome"] == "fail"]
    if failing:
        raise GateError(
            f"the gate failed, so {outcome} is refused: "
            + "; ".join(f"{item['id']} ({item['reason']})" for item in failing),
            where=where,
            fix="reject, discontinue or defer with a reason; or mend it and evaluate again",
        )
    undecided = [item for item in gates["items"] if item["outcome"] == "undecided"]
    if outcome == "approve" and undecided:
        raise GateError(
            "the gate is undecided, so approve is refused: "
            + "; ".join(f"{item['id']} ({item['reason']})" for item in undecided),
            where=where,
            fix="approve-with-conditions, with a --condition for each of these items; or bring: "
            + "; ".join(item["would_decide"] for item in undecided),
        )


def conditions_of(proposal: Proposal, gates: Gates | None) -> tuple[Condition, ...]:
    """Return the conditions, each with its number; every undecided item needs one.

    Raises
    ------
    GateError
        If an undecided item has none.
    ConfigError
        If one names no item of the gate, or the outcome carries none.
    """
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
                "waived_by": proposal.by.strip() if condition.item != GENERAL else "",
            }
        )
        for number, condition in enumerate(proposal.conditions, start=1)
    )


def policy_facts(gates: Gates | None) -> dict[str, Any]:
    """Return name, version, digest and months of the policy that was applied."""
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


def evidence_of(
    gates: Gates | None, conditions: tuple[Condition, ...], run: Path | None, by: str
) -> tuple[EvidenceItem, ...]:
    """Return the gate's answers as a record keeps them, each with the bytes it was read from."""
    if gates is None:
        return ()
    run_id = read_json(run / "run.json").get("mlflow_run_id") if run else None
    waived = {condition.item for condition in conditions}
    passed = {"pass": True, "fail": False, "undecided": None}
    return tuple(
        EvidenceItem(
            item_id=item["id"],
            kind=item.get("kind", "computed"),
            run_id=run_id,
            artifact=item["file"],
            sha256=gates["evaluated"].get(item["file"], ""),
            value=item["value"],
            ci=_interval(item["figures"]),
            threshold=item["threshold"],
            passed=passed[item["outcome"]],
            reason=item["reason"],
            waived_by=by if item["outcome"] == "undecided" and item["id"] in waived else None,
        )
        for item in gates["items"]
    )


def _interval(figures: list[dict[str, Any]]) -> tuple[float, float] | None:
    if len(figures) != 1 or figures[0].get("low") is None or figures[0].get("high") is None:
        return None
    return figures[0]["low"], figures[0]["high"]


def subject_of(run_dir: Path | None, gates: Gates | None) -> tuple[Subject, ...]:
    """Return the bytes that a decision is about: a model's, or what a vendor's tool predicted."""
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
    return (
        Subject(
            model_uri=uri,
            digest=digest,
            dataset_digests=tuple(d for d in datasets if d),
            digests=digests_of(run_dir),
            product=product_of(run_dir),
        ),
    )


def compute_hours(run_dir: Path | None) -> float | None:
    """Return how long the stages of a run took."""
    if run_dir is None:
        return None
    stages = read_json(run_dir / "run.json").get("stages", {})
    seconds = sum(float(stage.get("seconds") or 0) for stage in stages.values())
    return round(seconds / 3600, 4)


def hazards_of(proposal: Proposal) -> tuple[dict[str, int] | None, str]:
    """Return how many hazards are left at each risk, and the SHA-256 of the log.

    Raises
    ------
    GateError
        If an approval would leave a risk that nobody may leave.
    """
    if proposal.hazards is None:
        return None, ""
    rated = read_hazards(proposal.hazards)
    left = unacceptable(rated)
    if left and proposal.outcome in APPROVALS:
        told = ", ".join(f"{r.hazard.id} at {r.residual}" for r in left)
        raise GateError(
            f"a risk is left that may not be left, so {proposal.outcome} is refused: {told}",
            where=f"--hazards {proposal.hazards.name}",
            fix="control it and rate it again, or reject with reason R14",
        )
    return open_by_level(rated), keep_paper(proposal.hazards, where="--hazards")


def documents_of(case: UseCase) -> tuple[Document, ...]:
    """Return the documents that lie with a case, the last of each kind and name."""
    mine = [entry for entry in ledger.read_all(DOCUMENTS) if entry["case_id"] == case.id]
    last = {(e["kind"], e["name"]): e["sha256"] for e in mine}
    return tuple(Document(kind=k, name=n, sha256=s) for (k, n), s in sorted(last.items()))


def keep_report(run_dir: Path | None) -> str:
    """Keep a copy of a run's report as it is on the table now, and return its SHA-256.

    Its page in the run folder changes with each later decision; the one decided on stays.
    """
    report = run_dir / "report.html" if run_dir is not None else None
    return _keep(report) if report is not None and report.is_file() else ""


def keep_paper(path: Path | None, *, where: str) -> str:
    """Keep a copy of a paper that a decision rests on, and return its SHA-256.

    Raises
    ------
    ConfigError
        If there is nothing in it.
    """
    if path is None:
        return ""
    if not path.is_file() or not path.read_bytes().strip():
        raise ConfigError(
            "there is nothing in this file", where=f"{where} {path}", fix="name a file with content"
        )
    return _keep(path)


def _keep(path: Path) -> str:
    sha256 = content_hash(path)
    kept = bytes_path(sha256)
    if not kept.exists():
        with atomic(kept) as temporary:
            shutil.copyfile(path, temporary)
    return sha256


def expiry_of(outcome: str, today: date, months: int) -> date | None:
    """Return the day from which an approval has lapsed."""
    if outcome not in APPROVALS or not months:
        return None
    years, month = divmod(today.month - 1 + months, 12)
    year, month = today.year + years, month + 1
    return date(year, month, min(today.day, calendar.monthrange(year, month)[1]))
