"""What a decision says: every field of the record, and the conditions hung on it."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from pydantic import Field, field_validator, model_validator

from aiops.config import Config
from aiops.errors import ConfigError
from aiops.governance.lifecycle import Grade, OutcomeName, State

BY_PROGRAM = "made by a program, not a board"
BY_GRADE: dict[Grade, str] = {
    "recorded": "recorded for those named in it; not signed",
    "attested": "attested by a secretary from signed minutes",
    "signed": "signed by those named in it, each with a key of their own",
}
"""What a record says of itself, by its grade."""

NOT_SIGNED = ("id", "prev_sha256", "created_at", "signed_by", "signed_dissent", "grade",
              "statement", "heads")  # fmt: skip
"""Fields that are known only when a decision is recorded; all others are what people sign."""


class Reason(Config):
    """One reason code of a decision."""

    code: str
    name: str
    primary: bool
    severity: str
    fixable_by: str
    basis: Literal["computed", "stated"] = Field(
        default="stated", description="Whether figures support it, or people say so."
    )
    evidence: dict[str, Any] | None = Field(default=None, description="The figures.")


class NotCited(Config):
    """A reason that figures support and nobody gave."""

    code: str
    name: str
    sentence: str


class Lesson(Config):
    """What the next team should know."""

    text: str
    audience: str = ""
    do_next_time: str = ""


class Condition(Config):
    """What somebody must bring, and by when."""

    id: str = ""
    item: str = Field(description="Item of the gate that it would decide, or `general`.")
    text: str = Field(min_length=3)
    owner: str = Field(min_length=2)
    due: date
    evidence_kind: str = ""
    waived_by: str = Field(default="", description="Who lets an undecided item stand open.")
    status: Literal["open", "met", "lapsed"] = "open"


class Scope(Config):
    """On whom, where and by whom it may be used; empty means that nothing was said."""

    sites: tuple[str, ...] = ()
    population: str = ""
    users: str = ""
    max_cases: int | None = Field(default=None, ge=1)


class EvidenceItem(Config):
    """One answer of the gate, and the bytes it was read from."""

    item_id: str
    kind: Literal["computed", "document", "stated"] = "computed"
    run_id: str | None
    artifact: str
    sha256: str
    value: str
    ci: tuple[float, float] | None
    threshold: str
    passed: bool | None = Field(description="None: undecided.")
    reason: str = ""
    waived_by: str | None = None


class Subject(Config):
    """The bytes a decision is about."""

    model_uri: str
    digest: str | None
    dataset_digests: tuple[str, ...]
    digests: dict[str, str] = Field(
        default={}, description="SHA-256 of weights, plan, config, data, evaluation, predictions."
    )
    product: str = Field(default="", description="A vendor's tool: product and version.")


class Effort(Config):
    """What went into it."""

    staff_days: float | None = Field(default=None, ge=0)
    compute_hours: float | None = Field(default=None, ge=0)


class SignedBy(Config):
    """Somebody who signed, and the role in which it counts."""

    person: str
    role: str
    key_id: str


class SignedDissent(Config):
    """Somebody who signed that they do not agree, and why."""

    person: str
    key_id: str
    text: str


class Document(Config):
    """A document that was on the table, by its bytes."""

    kind: str
    name: str
    sha256: str


class DecisionRecord(Config):
    """One decision, whole: what the ledger keeps and MLflow shows."""

    schema_version: Literal[1, 2] = 2
    id: str = Field(pattern=r"^DEC-\d{4}-\d{4,}$")
    case_id: str
    use_case: str
    follows: str = Field(default="", description="The decision on the case before this one.")
    gate: str
    gate_outcome: Literal["pass", "fail", "undecided", "not asked"]
    gate_step: str = Field(default="", pattern=r"^(G[0-6])?$", description="Step of the lifecycle.")
    gates_skipped: tuple[str, ...] = Field(
        default=(), description="Steps before it that nobody approved."
    )
    from_state: State | Literal["approved"] = Field(description="approved: of version 1.")
    to_state: State | Literal["approved"]
    effect: str = Field(default="", description="What it does beside moving the case.")
    outcome: OutcomeName
    reasons: tuple[Reason, ...]
    rationale: str
    lessons: tuple[Lesson, ...]
    revisit_if: tuple[str, ...]
    review_by: date | None
    conditions: tuple[Condition, ...]
    scope: Scope
    evidence: tuple[EvidenceItem, ...]
    policy_version: str
    policy_sha256: str
    subject: tuple[Subject, ...]
    hazards_open_by_level: dict[str, int] | None = Field(
        description="None: no hazard log was on the table."
    )
    hazards_sha256: str = ""
    documents: tuple[Document, ...] = ()
    signatures_required: tuple[str, ...]
    attendees: tuple[str, ...]
    dissent: tuple[str, ...]
    conflicts_of_interest: tuple[str, ...]
    expires_at: date | None
    effort: Effort
    prev_sha256: str = ""
    created_at: str
    made_by: str
    made_by_program: bool
    statement: str
    proposal_id: str = Field(default="", description="Made with the proposal; recorded once.")
    author: str = Field(default="", description="Who wrote the proposal.")
    grade: Grade = "recorded"
    signed_by: tuple[SignedBy, ...] = ()
    signed_dissent: tuple[SignedDissent, ...] = ()
    attested_by: str = ""
    minutes_sha256: str = ""
    lifecycle_version: str = Field(default="", description="Of the rules it was made under.")
    lifecycle_sha256: str = Field(default="", description="Their bytes are kept in the ledger.")
    grade_required: Grade = Field(default="recorded", description="What the rules asked for.")
    report_sha256: str = Field(default="", description="The run's report that was on the table.")
    conditions_head: str = Field(
        default="", description="Last line of the book of conditions that the proposal knew of."
    )
    not_cited: tuple[NotCited, ...] = Field(
        default=(), description="Reasons that figures support and nobody gave."
    )
    heads: dict[str, str] = Field(
        default={}, description="Last line of each other book when it was recorded."
    )

    @model_validator(mode="after")
    def _says_who_made_it(self) -> "DecisionRecord":
        wanted = BY_PROGRAM if self.made_by_program else BY_GRADE[self.grade]
        if self.statement != wanted:
            raise ValueError("statement does not fit made_by_program and grade")
        return self

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON values: every field that its version has."""
        return self.model_dump(mode="json", exclude_unset=self.schema_version == 1)


def statement_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what people sign of a record: all but what is known only when it is recorded."""
    return {key: value for key, value in record.items() if key not in NOT_SIGNED}


class Proposal(Config):
    """What somebody wants decided, before the rules are asked."""

    outcome: str
    use_case: str = Field(description="Slug or number.")
    rationale: str
    by: str
    reasons: tuple[str, ...] = Field(default=(), description="Codes, the main one first.")
    reason_evidence: dict[str, dict[str, Any]] = Field(
        default={}, description="Figures by code, as the feasibility functions return them."
    )
    gate: str = Field(default="", description="Step (G0 to G6); the run's own gate if not said.")
    run_dir: Path | None = None
    hazards: Path | None = Field(default=None, description="Hazard log.")
    conditions: tuple[Condition, ...] = ()
    lessons: tuple[Lesson, ...] = ()
    revisit_if: tuple[str, ...] = ()
    review_by: date | None = None
    scope: Scope = Scope()
    attendees: tuple[str, ...] = ()
    dissent: tuple[str, ...] = ()
    conflicts_of_interest: tuple[str, ...] = ()
    staff_days: float | None = Field(default=None, ge=0)
    by_program: bool = False
    author: str = Field(default="", description="Who wrote it; does not sign.")
    attested_by: str = Field(default="", description="Secretary who records signed minutes.")
    minutes: Path | None = Field(default=None, description="File of the signed minutes.")
    proposal_id: str = Field(default_factory=lambda: uuid4().hex, min_length=8)

    @field_validator("conditions", mode="before")
    @classmethod
    def _read_conditions(cls, written: Any) -> Any:
        return tuple(parse_condition(c) if isinstance(c, str) else c for c in written)

    @field_validator("lessons", mode="before")
    @classmethod
    def _read_lessons(cls, written: Any) -> Any:
        return tuple({"text": lesson} if isinstance(lesson, str) else lesson for lesson in written)


def parse_condition(text: str) -> Condition:
    """Read a condition as it is written on the command line.

    Parameters
    ----------
    text : str
        ``ITEM: text; owner; due``: the gate's item, what shall be brought, who brings it and the
        day as YYYY-MM-DD.

    Raises
    ------
    ConfigError
        If it does not have this form, or the day has gone by.

    Examples
    --------
    >>> parse_condition("fairness: 34 more patients of scanner C; Dr Okafor; 2999-03-01").owner
    'Dr Okafor'
    """
    form = '"ITEM: what shall be brought; who; YYYY-MM-DD"'
    item, colon, rest = text.partition(":")
    parts = [part.strip() for part in rest.rsplit(";", 2)]
    if not colon or len(parts) != 3 or not all([item.strip(), *parts]):
        raise ConfigError(
            f"'{text}' is not a condition", where="--condition", fix=f"write it as {form}"
        )
    try:
        due = date.fromisoformat(parts[2])
    except ValueError as fault:
        raise ConfigError(
            f"'{parts[2]}' is not a day", where="--condition", fix=f"write it as {form}"
        ) from fault
    if due < date.today():
        raise ConfigError(
            f"{due} has gone by", where="--condition", fix="name a day that is still to come"
        )
    return Condition(item=item.strip(), text=parts[0], owner=parts[1], due=due)
