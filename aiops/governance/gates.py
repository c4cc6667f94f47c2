"""Asking a step of the lifecycle for a case: which policy, which run, and where the answer is kept.

An answer is kept under ``AIOPS_HOME/gates/<use case>/``: the last of each step by its name, and
each one ever given by its hash, so that a decision's evidence can be looked up years later.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiops import home
from aiops.errors import ConfigError, GateError
from aiops.files import read_json, write_json
from aiops.governance import ledger, usecase
from aiops.governance.checks import CHECKS, RunCheck
from aiops.governance.dossier import Dossier, read_dossier
from aiops.governance.lifecycle import GateStep, read_lifecycle
from aiops.governance.policy import (
    GATES_FILE,
    GatePolicy,
    check_answer,
    evaluate_gate,
    read_policy,
)
from aiops.lookup import pick
from aiops.provenance import json_hash

Gates = dict[str, Any]


def ask(step: str, use_case: str, run_dir: Path | None = None) -> Gates:
    """Answer a step of the lifecycle for a case, from the register and its runs as they are now.

    Parameters
    ----------
    step : str
        G0 to G6, or the policy that answers one.
    use_case : str
        Slug or number.
    run_dir : Path, optional
        The run it is asked of. Where the policy asks of a run and none is named, it is the newest
        evaluated run of the case.

    Returns
    -------
    dict
        As `evaluate_gate` returns it, with ``step``, ``use_case`` and ``run``.

    Raises
    ------
    ConfigError
        If step or case is not known, or the run belongs to another case.
    """
    told = read_lifecycle().step(step)
    case = usecase.find(use_case)
    policy = read_policy(told.policy)
    if run_dir is not None:
        _require_own(run_dir, case.slug)
    elif any(isinstance(CHECKS[item.check], RunCheck) for item in policy.items):
        run_dir = newest_run(case.slug)
    gates = evaluate_gate(policy, run_dir, dossier=_dossier(policy, case.slug))
    run = run_dir.name if run_dir is not None else ""
    return {**gates, "step": told.name, "use_case": case.slug, "run": run}


def keep(gates: Gates) -> Path:
    """Write the answer of a step, and return the file that always holds the last one."""
    folder = gates_dir(gates["use_case"])
    last = folder / f"{gates['policy']}.json"
    write_json(folder / f"{gates['policy']}-{json_hash(gates)[:16]}.json", gates)
    write_json(last, gates)
    return last


def kept(step: str, use_case: str) -> Gates:
    """Return the last answer of a step, after answering it again from the same bytes.

    Raises
    ------
    GateError
        If the step was not asked, something it was read from changed since, or the same bytes
        answer otherwise.
    """
    case = usecase.find(use_case)
    path = gates_dir(case.slug) / f"{read_lifecycle().step(step).policy}.json"
    if not path.exists():
        raise GateError(
            f"{step} was not asked for {case.slug}",
            where=str(path),
            fix=f"aiops gate {step} --use-case {case.slug}",
        )
    run = str(read_json(path).get("run") or "")
    return check_answer(path, home.runs_dir(case.slug) / run if run else None)


def of_decision(decision: str) -> Gates:
    """Return the answer that a decision rests on, after answering it again from the same bytes.

    Parameters
    ----------
    decision : str
        Its number in the ledger.

    Raises
    ------
    ConfigError
        If the ledger has no such decision.
    GateError
        If no gate was asked for it, its answer is not kept, something it was read from changed
        since, or the same bytes answer otherwise.
    """
    records = {str(record["id"]): record for record in ledger.read_all()}
    return answer_for(pick(records, decision, where="ledger of decisions"))


def answer_for(record: Mapping[str, Any]) -> Gates:
    """Return the kept answer that a decision, or a draft of one, rests on; answered again.

    Raises
    ------
    GateError
        As in `of_decision`.
    """
    slug, runs = str(record["use_case"]), home.runs_dir(str(record["use_case"]))
    uris = [str(subject["model_uri"]).partition("#")[0] for subject in record["subject"]]
    files = [runs / uri.rpartition("/")[2] / GATES_FILE for uri in uris]
    files += sorted(gates_dir(slug).glob(f"{record['gate']}-*.json"))
    for path in files:
        if path.exists() and _rests_on(record, told := read_json(path)):
            run = told.get("run") or told.get("run_name")
            answer = check_answer(path, runs / run if run else None)
            return {"step": record.get("gate_step", ""), "use_case": slug, "run": run, **answer}
    raise GateError(
        f"no answer is kept that {record.get('id') or 'this'} rests on",
        where=str(gates_dir(slug)),
        fix="restore the folder from a backup"
        if record["evidence"]
        else "nothing: no gate was asked for it",
    )


def gates_dir(use_case: str) -> Path:
    """Return the folder in which the answers of a case are kept."""
    return home.home() / "gates" / use_case


def newest_run(use_case: str) -> Path | None:
    """Return the evaluated run of a case that was made last; None where there is none."""
    runs = [path.parent for path in home.runs_dir(use_case).glob("*/evaluation.json")]
    return max(runs, key=_made, default=None)


def step_lines(gates: Gates, step: GateStep) -> list[str]:
    """Return the answer of a step as a table: outcome, item, kind, what was found and asked for."""
    run = f", run {gates['run']}" if gates["run"] else ", no run"
    lines = [
        f"{gates['step']} {step.title}",
        f"{gates['use_case']}{run}, policy {gates['policy']} {gates['policy_version']}",
        "",
    ]
    wide = max(len(item["id"]) for item in gates["items"])
    for item in gates["items"]:
        kind = item.get("kind", "computed")
        lines.append(f"{item['outcome']:<9}  {item['id']:<{wide}}  {kind:<8}  {item['reason']}")
        lines += _asked(item, " " * (wide + 23))
    counts = {o: sum(i["outcome"] == o for i in gates["items"]) for o in ("fail", "undecided")}
    lines += ["", f"{gates['step']}: {gates['outcome']} ({_counted(counts, len(gates['items']))})"]
    lines.append(f"to approve it sign: {', '.join(step.roles)} ({step.grade})")
    return lines


def _asked(item: dict[str, Any], indent: str) -> list[str]:
    if item["outcome"] == "pass":
        return []
    told = [f"{indent}found: {item['value']}"]
    told += [f"{indent}asked: {item['threshold']}"] if item["threshold"] else []
    return [*told, f"{indent}would decide: {item['would_decide']}"]


def _counted(counts: dict[str, int], n: int) -> str:
    told = [f"{count} {outcome}" for outcome, count in counts.items() if count]
    return ", ".join([*told, f"{n - sum(counts.values())} pass"])


def _rests_on(record: Mapping[str, Any], told: Gates) -> bool:
    """Return whether an answer is the one whose items a decision names, bytes and all."""
    if not isinstance(told, dict) or told.get("policy_sha256") != record["policy_sha256"]:
        return False
    passed = {"pass": True, "fail": False, "undecided": None}
    bound = told["evaluated"]
    mine = {i["id"]: (passed[i["outcome"]], bound.get(i["file"], "")) for i in told["items"]}
    return mine == {e["item_id"]: (e["passed"], e["sha256"]) for e in record["evidence"]}


def _dossier(policy: GatePolicy, slug: str) -> Dossier | None:
    return read_dossier(slug, asked=policy.checks) if policy.asks_case else None


def _require_own(run_dir: Path, slug: str) -> None:
    run = run_dir / "run.json"
    owner = read_json(run)["use_case"] if run.exists() else None
    if owner != slug or run_dir.resolve().parent != home.runs_dir(slug).resolve():
        raise ConfigError(
            f"this is no run of '{slug}'"
            + (f": it belongs to '{owner}'" if owner and owner != slug else ""),
            where=f"--run {run_dir.name}",
            fix=f"name a folder of {home.runs_dir(slug)}",
        )


def _made(run_dir: Path) -> str:
    path = run_dir / "run.json"
    return str(read_json(path).get("created", "")) if path.exists() else ""
