"""Gates: a policy asks, the run's files answer, the worst answer counts.

A gate can be answered again from the run folder alone, years later: ``gates.json`` holds the
policy's own text and the SHA-256 of every file it was answered from.
"""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from aiops import home
from aiops.config import Config, Experiment
from aiops.errors import ConfigError, GateError
from aiops.files import plain, read_json
from aiops.governance.checks import CHECKS, CaseCheck, Kind, RunCheck, answer
from aiops.governance.documents import read_kinds
from aiops.governance.dossier import Dossier, dossier_from, hashes_now
from aiops.governance.evidence import (
    TABLES,
    WORST_FIRST,
    Answer,
    evidence_hashes,
    read_evidence,
    read_experiment,
)
from aiops.lookup import nearest, pick
from aiops.provenance import json_hash

GATES_FILE = "gates.json"
GATES_KEYS = {"evaluated", "policy_text", "policy_sha256", "outcome", "items"}
SCHEMA = 2
"""Of what is written: since 2, further tables, the register and papers are bound too."""
FIRST_CHECKS = {"primary_bound", "no_concern", "audit_clean", "seal_read_once"}
"""Those of the first version, which read no further table and bound none."""


class GateItem(Config):
    """One thing a gate asks."""

    id: str = Field(pattern=r"^[a-z][a-z0-9-]*$", description="Name, as in `--condition`.")
    check: str = Field(description="Name of the check that answers it.")
    question: str = Field(min_length=10, description="What it asks, in plain words.")
    kind: Kind = Field(default="computed", description="Computed, a document, or stated.")
    asks: dict[str, Any] = Field(default={}, description="What it asks of the check.")
    standards: tuple[str, ...] = Field(
        default=(), description="Standards it speaks to, with the edition's date; no claim."
    )

    @field_validator("check")
    @classmethod
    def _known(cls, check: str) -> str:
        pick(CHECKS, check, where="gate policy: check")
        return check

    @model_validator(mode="after")
    def _fits_its_check(self) -> "GateItem":
        check = CHECKS[self.check]
        if check.kind != self.kind:
            raise ValueError(f"{self.id}: {self.check} is {check.kind}, not {self.kind}")
        check.asks.model_validate(self.asks)
        return self

    @model_serializer(mode="wrap")
    def _as_said(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # What was not said is not written: a policy keeps its SHA-256 when a field is new.
        told: dict[str, Any] = write(self)
        defaults = {"kind": "computed", "asks": {}, "standards": []}
        return {k: v for k, v in told.items() if k not in defaults or plain(v) != defaults[k]}


class GatePolicy(Config):
    """What a gate asks, in which version."""

    kind: Literal["gate_policy"]
    name: str
    version: str
    date: str
    title: str
    valid_months: int = Field(default=12, ge=1, description="How long an approval stands.")
    items: tuple[GateItem, ...] = Field(min_length=1)
    former: dict[str, str] = Field(
        default={},
        exclude=True,
        description="SHA-256 of this policy as it was in force before, and until when.",
    )

    @field_validator("date", mode="before")
    @classmethod
    def _date_as_text(cls, value: object) -> str:
        return str(value)

    @field_validator("former", mode="before")
    @classmethod
    def _days_as_text(cls, value: object) -> object:
        return {k: str(day) for k, day in value.items()} if isinstance(value, dict) else value

    @field_validator("items")
    @classmethod
    def _named_once(cls, items: tuple[GateItem, ...]) -> tuple[GateItem, ...]:
        names = [item.id for item in items]
        if len(set(names)) < len(names):
            raise ValueError(f"two items have one id: {', '.join(names)}")
        return items

    @property
    def asks_case(self) -> bool:
        """Whether an item is answered from the register."""
        checks = [CHECKS[item.check] for item in self.items]
        return any(isinstance(check, CaseCheck) or check.reads_case for check in checks)

    @property
    def checks(self) -> frozenset[str]:
        """Names of the checks that answer it."""
        return frozenset(item.check for item in self.items)

    @property
    def files(self) -> tuple[str, ...]:
        """Files of the run that its checks read beside those every gate binds."""
        checks = [CHECKS[item.check] for item in self.items]
        return tuple(sorted({f for c in checks if isinstance(c, RunCheck) for f in c.files}))


class ReasonCode(Config):
    """Why a project is turned down, put off or stopped."""

    name: str
    phase: Literal["intake", "feasibility", "development", "evaluation", "deployment", "live"]
    severity: Literal["blocking", "serious", "minor"]
    fixable_by: Literal[
        "data", "labelling", "people", "method", "integration", "legal", "funds", "nobody"
    ]
    definition: str
    evidence: Literal["computed", "stated"] = "stated"
    thresholds: dict[str, float] = Field(default_factory=dict)


class Reasons(Config):
    """The list of reason codes, in which version."""

    kind: Literal["reasons"]
    version: str
    date: str
    codes: dict[str, ReasonCode]

    @field_validator("date", mode="before")
    @classmethod
    def _date_as_text(cls, value: object) -> str:
        return str(value)


def policy_path(name: str) -> Path:
    """Return the file of a policy: a name under ``configs/policy``, or a path.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if Path(name).suffix in {".yaml", ".yml"}:
        path = Path(name)
    else:
        path = home.configs_dir() / "policy" / f"{name}.yaml"
    if path.is_file():
        return path
    known = sorted(p.stem for p in (home.configs_dir() / "policy").glob("gate_*.yaml"))
    guess = nearest(name, known)
    raise ConfigError(
        f"there is no gate policy '{name}'",
        where=str(path),
        fix=f"{f'did you mean {guess}? ' if guess else ''}one of: {', '.join(known)}",
    )


def read_policy(name: str) -> GatePolicy:
    """Read a gate policy by its name under ``configs/policy``, or by its path.

    Examples
    --------
    >>> [item.id for item in read_policy("gate_basic").items]
    ['primary', 'fairness', 'audit', 'test-list']
    """
    path = policy_path(name)
    policy = parse_policy(_read_yaml(path), where=str(path))
    for item in policy.items:
        if item.check == "document":
            pick(read_kinds().kinds, item.asks["document"], where=f"{path}: {item.id}: document")
    return policy


def read_reasons() -> Reasons:
    """Read the reason codes of ``configs/policy/reasons.yaml``.

    Examples
    --------
    >>> read_reasons().codes["R13"].name
    'UNFAIR'
    """
    path = home.configs_dir() / "policy" / "reasons.yaml"
    try:
        return Reasons.model_validate(_read_yaml(path))
    except ValidationError as fault:
        raise _policy_error(fault, str(path)) from fault


def evaluate_gate(
    policy: GatePolicy,
    run_dir: Path | None,
    experiment: Experiment | None = None,
    dossier: Dossier | None = None,
) -> dict[str, Any]:
    """Answer a gate from a run's files and the register; what ``gates.json`` holds.

    Parameters
    ----------
    policy : GatePolicy
        What is asked.
    run_dir : Path or None
        The run's folder; None where there is no run yet.
    experiment : Experiment, optional
        The config; read from ``resolved.yaml`` of the run when not given.
    dossier : Dossier, optional
        What the register says of the case.

    Returns
    -------
    dict
        ``outcome`` (pass, fail or undecided), ``items``, the policy with its version and SHA-256,
        what the register said, and under ``evaluated`` the SHA-256 of all that was read.
    """
    dossier = dossier if policy.asks_case else None
    evidence = None
    if run_dir is not None:
        evidence = read_evidence(run_dir, experiment, dossier=dossier, more=policy.files)
    items = [_item(item, answer(item.check, item.asks, evidence, dossier)) for item in policy.items]
    found = {item["outcome"] for item in items}
    told: dict[str, Any] = plain(
        {
            "schema": SCHEMA,
            "policy": policy.name,
            "policy_version": policy.version,
            "policy_sha256": policy_sha256(policy),
            "policy_text": policy.model_dump(mode="json"),
            "title": policy.title,
            "valid_months": policy.valid_months,
            "outcome": next(outcome for outcome in WORST_FIRST if outcome in found),
            "items": items,
            "run_id": evidence.run_id if evidence else None,
            "run_name": evidence.run_name if evidence else "",
            "case": dossier.snapshot() if dossier else None,
            "evaluated": {
                **(evidence.sha256 if evidence else {}),
                **(dossier.hashes() if dossier else {}),
            },
        }
    )
    return told


def policy_sha256(policy: Config) -> str:
    """Return the SHA-256 of what a policy says; its comments and layout do not count."""
    return json_hash(policy.model_dump(mode="json"))


def check_gates(run_dir: Path) -> dict[str, Any]:
    """Return the gate of a run, after answering it again from the files as they are now.

    Raises
    ------
    GateError
        If no gate was answered, a file changed since, or the same files answer otherwise.
    """
    path = run_dir / GATES_FILE
    if not path.exists():
        raise GateError(
            "no gate was answered for this run", where=str(run_dir), fix="run `aiops gate` first"
        )
    return check_answer(path, run_dir)


def check_answer(path: Path, run_dir: Path | None) -> dict[str, Any]:
    """Return the answer of a gate in a file, after answering it again from what it was read from.

    What the register said is taken as it stands in the answer, held to its hash: the register has
    gone on since. Papers and files of the run are hashed anew.

    Parameters
    ----------
    path : Path
        What a gate wrote.
    run_dir : Path or None
        The run it was asked of, if any.

    Raises
    ------
    GateError
        If it is no answer, a file changed since, or the same files answer otherwise.
    """
    gates: dict[str, Any] = read_json(path)
    if not isinstance(gates, dict) or not gates.keys() >= GATES_KEYS:
        raise GateError(
            f"{path.name} is not what a gate writes", where=str(path), fix="run `aiops gate` again"
        )
    policy = parse_policy(gates["policy_text"], where=str(path))
    dossier = dossier_from(gates["case"]) if gates.get("case") else None
    noted = dict(gates["evaluated"])
    there = evidence_hashes(run_dir, policy.files) if run_dir is not None else {}
    if gates.get("schema", 1) < SCHEMA and policy.checks <= FIRST_CHECKS:
        there = {name: sum_ for name, sum_ in there.items() if not name.startswith(f"{TABLES}/")}
    there |= hashes_now(dossier) if dossier else {}
    changed = sorted(n for n in noted.keys() | there.keys() if noted.get(n) != there.get(n))
    if changed:
        raise GateError(
            f"the evaluation changed after the gate: {', '.join(changed)}",
            where=str(path),
            fix="run `aiops gate` again, and look at what it says now",
        )
    again = evaluate_gate(policy, run_dir, dossier=dossier)
    if any(again[key] != gates[key] for key in ("outcome", "items", "policy_sha256")):
        raise GateError(
            f"the same files answer the gate otherwise: {again['outcome']}, "
            f"where {path.name} says {gates['outcome']}",
            where=str(path),
            fix="run `aiops gate` again; if nobody ran another version of the program, ask who "
            "edited the file",
        )
    return gates


def require_policy_of_config(gates: dict[str, Any], run_dir: Path) -> None:
    """Hold the policy that was asked to the one that the run's config names, as it is today.

    Raises
    ------
    GateError
        If it is another: an old answer stands, but nobody may approve by it.
    """
    named = read_policy(read_experiment(run_dir).gate)
    if gates["policy_sha256"] != policy_sha256(named):
        raise GateError(
            f"the gate was asked by another policy than {named.name} {named.version}, "
            "which the run's config names",
            where=str(run_dir / GATES_FILE),
            fix="run `aiops gate` again, and look at what it says now",
        )


def _read_yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as fault:
        raise ConfigError(f"not YAML: {fault}", where=str(path), fix="mend the file") from fault


def _item(item: GateItem, answer: Answer) -> dict[str, Any]:
    told = {
        "id": item.id,
        "check": item.check,
        "question": item.question,
        "outcome": answer.outcome,
        "value": answer.value,
        "threshold": answer.threshold,
        "reason": answer.reason,
        "would_decide": answer.would_decide,
        "file": answer.file,
        "figures": [dict(figure) for figure in answer.figures],
    }
    more = {"kind": item.kind, "standards": list(item.standards)}
    return told | (more if item.kind != "computed" or item.standards else {})


def parse_policy(content: Any, *, where: str) -> GatePolicy:
    """Read a gate policy from plain values, such as those that an answer holds.

    Raises
    ------
    ConfigError
        If it is none; with every fault.
    """
    try:
        return GatePolicy.model_validate(content)
    except ValidationError as fault:
        raise _policy_error(fault, where) from fault


def _policy_error(fault: ValidationError, where: str) -> ConfigError:
    told = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in fault.errors()]
    return ConfigError("; ".join(told), where=where, fix="mend each of these keys")
