"""A decision and a use case in words: for the MLflow UI, and as a page a board can print."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from aiops.governance import ledger
from aiops.governance.lifecycle import APPROVALS
from aiops.governance.policy import read_reasons
from aiops.governance.record import DecisionRecord, EvidenceItem, Reason
from aiops.governance.revisit_words import in_words
from aiops.governance.standing import LAPSED, DecisionStanding
from aiops.governance.usecase import UseCase

WORD = {
    "approve": "APPROVED",
    "approve-with-conditions": "APPROVED WITH CONDITIONS",
    "re-review": "TO BE REVIEWED AGAIN",
    "defer": "DEFERRED",
    "reject": "REJECTED",
    "discontinue": "DISCONTINUED",
    "suspend": "SUSPENDED",
    "resume": "RESUMED",
    "retire": "RETIRED",
}
GRADE = {
    "recorded": "recorded, nobody signed",
    "attested": "attested, minutes on file",
    "signed": "signed",
}
DEMO = "demo-"
"""How the name of a use case of the demo begins."""
LONGEST_FIGURE = 120
"""Characters of a figure that stands in a first line."""
_NOT_FIGURES = ("code", "source", "supports", "kind")
PASSED = {True: "pass", False: "fail", None: "undecided"}


def gate_words(record: DecisionRecord) -> str:
    """Return the step that was decided at, and what its gate answered.

    Examples
    --------
    >>> gate_words(DecisionRecord.model_construct(gate_step="G1", gate="gate_G1",
    ...     gate_outcome="fail", outcome="reject"))
    'G1 (fail)'
    """
    step = record.gate_step or ("no gate" if record.gate in ("", "intake") else record.gate)
    return step if record.gate_outcome == "not asked" else f"{step} ({record.gate_outcome})"


def reason_words(reason: str) -> str:
    """Return a reason as a person says it, its code last.

    Examples
    --------
    >>> reason_words("R01 INSUFFICIENT_DATA")
    'insufficient data (R01)'
    """
    code, _, name = reason.partition(" ")
    return f"{name.replace('_', ' ').lower()} ({code})"


def force_words(record: DecisionRecord) -> str:
    """Return whether the grade of a decision is enough for it to hold.

    Examples
    --------
    >>> force_words(DecisionRecord.model_construct(grade_required="recorded",
    ...     made_by_program=False))
    'It is in force: for this outcome a written name suffices, and no signature is asked for.'
    """
    if record.made_by_program:
        return "A program made it, no board."
    asked = {
        "recorded": "a written name suffices, and no signature is asked for",
        "attested": "signed minutes suffice",
        "signed": "each signs with a key of their own",
    }
    return f"It is in force: for this outcome {asked[record.grade_required]}."


def grade_words(record: DecisionRecord) -> str:
    """Return how a decision is vouched for; a program's is never a board's."""
    made = "made by a program, " if record.made_by_program else ""
    return made + GRADE[record.grade]


def headline(record: DecisionRecord, standing: DecisionStanding | None = None) -> str:
    """Return a decision in one line: outcome, gate step, reason, grade; what is red comes first."""
    now = standing or DecisionStanding()
    reasons = ", ".join(reason_words(f"{r.code} {r.name}") for r in record.reasons)
    parts = [WORD[record.outcome]]
    if now.approval == LAPSED:
        parts[0] = f"LAPSED on {record.expires_at} · {parts[0]}"
    if "OVERDUE" in now.conditions:
        parts.append(f"conditions {now.conditions}")
    parts += [gate_words(record), *([f"reason {reasons}"] if reasons else [])]
    return " · ".join([*parts, grade_words(record)])


def decision_markdown(
    record: DecisionRecord, use_case: UseCase, standing: DecisionStanding | None = None
) -> str:
    """Return a decision as Markdown; the first line holds outcome, gate, grade and reason."""
    now = standing or DecisionStanding()
    lines = [
        f"**{_plain(headline(record, now))}**",
        "",
        f"{record.id} on {use_case.id} {_plain(use_case.title)} ({use_case.slug}), "
        f"{record.created_at[:10]}, by {_plain(record.made_by)}; *{record.statement}*. "
        f"{force_words(record)}",
        "",
        _plain(record.rationale),
    ]
    lines += _list("To act on", [_plain(text) for text in now.warnings])
    lines += _list("Why", [_reason_line(reason) for reason in record.reasons])
    lines += _list("Signed by", [
        f"{_plain(s.person)}, {_plain(s.role)} (key {s.key_id[:16]})" for s in record.signed_by
    ])  # fmt: skip
    lines += _list("Does not agree", [
        *(f"{_plain(d.person)} (signed): {_plain(d.text)}" for d in record.signed_dissent),
        *map(_plain, record.dissent),
    ])  # fmt: skip
    lines += _list("Conditions", [
        f"{c.id} {_plain(c.item)}: {_plain(c.text)} ({_plain(c.owner)}, by {c.due}"
        + (f"; left open by {_plain(c.waived_by)})" if c.waived_by else ")")
        for c in record.conditions
    ])  # fmt: skip
    lines += _list("Evidence", [
        f"{e.item_id}: **{_answer(e)}**, {_plain(e.value)}; asked for {_plain(e.threshold)}"
        for e in record.evidence
    ])  # fmt: skip
    lines += _list("Lessons", [_plain(lesson.text) for lesson in record.lessons])
    wanted = [_plain(in_words(text, with_code=False)) for text in record.revisit_if]
    lines += _list("Worth another try if all of these hold", wanted)
    lines += _list("Computed too, and not given as a reason", [
        f"{f.code} {_plain(f.name)}: {_plain(f.sentence)}" for f in record.not_cited
    ])  # fmt: skip
    skipped = ", ".join(record.gates_skipped)
    facts = [
        ("Nobody approved before it", skipped),
        ("It also does", record.effect.replace("_", " ")),
        ("Lapses", record.expires_at),
        ("To be reviewed by", record.review_by),
    ]
    lines += _list("Facts", [f"{name}: {told}" for name, told in facts if told])
    return "\n".join(lines)


def decision_html(
    record: DecisionRecord, use_case: UseCase, standing: DecisionStanding | None = None
) -> str:
    """Return a decision as one self-contained page."""
    now = standing or DecisionStanding()
    return render(
        "decision.html",
        r=record,
        case=use_case,
        headline=headline(record, now),
        now=now,
        grade=grade_words(record),
        gate=gate_words(record),
        answer=_answer,
        reason_words=_evidence_words,
        basis_words=basis_words,
        force=force_words(record),
        in_words=in_words,
        tone=tone(record.outcome, now),
    )


def evidence_table(record: DecisionRecord) -> dict[str, Any]:
    """Return the evidence as a table that the MLflow UI shows as one: reasons, then gate items."""
    columns = ["what", "about", "answer", "found", "asked for", "why", "file", "sha256"]
    rows: list[list[str]] = [
        ["reason", f"{r.code} {r.name}", basis_words(r), _evidence_words(r), _asked(r.evidence), "",
         str((r.evidence or {}).get("source", "")), ""]
        for r in record.reasons
    ]  # fmt: skip
    rows += [
        ["gate item", e.item_id, _answer(e), e.value, e.threshold, e.reason, e.artifact, e.sha256]
        for e in record.evidence
    ]
    rows += [["document", d.kind, "on the table", d.name, "", "", d.name, d.sha256]
             for d in record.documents]  # fmt: skip
    return {"columns": columns, "data": rows}


def use_case_markdown(use_case: UseCase) -> str:
    """Return a use case as a card of one page, rewritten whenever its state changes."""
    # Short and without marks: the list of experiments shows the first line as it is written.
    first = [use_case.state.upper().replace("_", " ")]
    if use_case.is_lapsed:
        first.append(f"approval LAPSED on {use_case.expires_at}")
    if use_case.overdue:
        first.append(f"conditions OVERDUE: {len(use_case.overdue)}")
    elif use_case.conditions_open:
        first.append(f"conditions open: {use_case.conditions_open}")
    if use_case.reasons:
        main, *more = map(reason_words, use_case.reasons)
        first += [f"{main}{_figure_behind(use_case)}", *([", ".join(more)] if more else [])]
    first += ["made data, a demo"] if use_case.slug.startswith(DEMO) else []
    first.append(_plain(use_case.owner or "no owner named"))
    facts: list[tuple[str, Any]] = [
        ("Problem", use_case.problem),
        ("Specialty", use_case.specialty),
        ("Modality", use_case.modality),
        ("Task", use_case.task),
        ("Owner", use_case.owner),
        ("Clinical lead", use_case.clinical_lead),
        ("Patients", use_case.population),
        ("Benefit expected", use_case.expected_benefit),
        ("Tries again", use_case.revisits),
        ("Put in", f"{use_case.submitted_at[:10]} {use_case.submitted_by}".strip()),
        ("In this state since", use_case.since[:10]),
        ("Review by", use_case.review_by),
        ("Decisions", ", ".join(use_case.decisions)),
        ("Changed", "; ".join(use_case.edited)),
    ]
    lines = [" · ".join(first), "", f"{use_case.id} {_plain(use_case.title)}", ""]
    lines += _last_decision(use_case)
    lines += [f"- {name}: {_plain(str(value))}" for name, value in facts if value]
    blank = [name.replace("_", " ") for name in use_case.blank]
    if blank:
        lines += ["", f"Not said at intake: {', '.join(blank)}."]
    return "\n".join(lines)


def _figure_behind(use_case: UseCase) -> str:
    """Return the figure behind the main reason, where one was computed and speaks for it."""
    record = _decided_last(use_case)
    main = next((r for r in record.reasons if r.primary), None) if record else None
    evidence = (main.evidence if main else None) or {}
    if main is None or main.basis != "computed" or not evidence.get("supports"):
        return ""
    told = str(evidence.get("sentence", "")).partition(". ")[0].rstrip(".")
    return f": {_plain(told)}" if 0 < len(told) <= LONGEST_FIGURE else ""


def _decided_last(use_case: UseCase) -> DecisionRecord | None:
    name = use_case.decisions[-1] if use_case.decisions else ""
    found = next((r for r in ledger.read_all() if r["id"] == name), None)
    return None if found is None else DecisionRecord.model_validate(found)


def _last_decision(use_case: UseCase) -> list[str]:
    """Return why a case stands where it stands, in words, so that nobody has to look further."""
    record = _decided_last(use_case)
    if record is None:
        return []
    meaning = read_reasons().codes
    lines = [
        f"**{WORD[record.outcome].capitalize()} by {_plain(record.made_by)} on "
        f"{record.created_at[:10]}**, {grade_words(record)}. {force_words(record)} "
        f"{_plain(record.rationale)}",
        "",
    ]
    for reason in record.reasons:
        told = meaning[reason.code].definition if reason.code in meaning else ""
        words = _evidence_words(reason)
        shown = f" *{basis_words(reason).capitalize()}*" + (f": {_plain(words)}" if words else ".")
        why = reason_words(f"{reason.code} {reason.name}")
        lines.append(f"- Why: {_plain(why)}. {_plain(told)}{shown}")
    lines += [f"- Learnt: {_plain(lesson.text)}" for lesson in record.lessons]
    if record.revisit_if:
        wanted = [_plain(in_words(text, with_code=False)) for text in record.revisit_if]
        lines.append(f"- Worth another try if all of these hold: {'; '.join(wanted)}")
    about = "experiment governance/decisions, run that begins with the project's name"
    return [*lines, f"- The whole decision: {record.id}, {about}", ""]


def tone(outcome: str, standing: DecisionStanding) -> str:
    """Return the colour of a decision: bad where it is red today, else by its outcome.

    Examples
    --------
    >>> tone("approve", DecisionStanding()), tone("approve", DecisionStanding("LAPSED"))
    ('good', 'bad')
    """
    if standing.is_red or outcome in ("reject", "discontinue", "suspend", "retire"):
        return "bad"
    return "good" if outcome in (*APPROVALS, "resume") else "wait"


def render(template: str, **told: Any) -> str:
    """Fill a template of this package; everything in it is escaped."""
    return str(_templates().get_template(template).render(**told))


@cache
def _templates() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("aiops"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _answer(item: EvidenceItem) -> str:
    word = PASSED[item.passed]
    return f"{word}, left open by {item.waived_by}" if item.waived_by else word


def _reason_line(reason: Reason) -> str:
    main = " (main reason)" if reason.primary else ""
    told = _evidence_words(reason)
    return f"{reason.code} {reason.name}{main}: *{basis_words(reason)}*" + (
        f", {_plain(told)}" if told else " by people, no figure"
    )


def basis_words(reason: Reason) -> str:
    """Return whether people say a reason, or figures do, and which way the figures point.

    Examples
    --------
    >>> basis_words(Reason(code="R06", name="NO_CHAMPION_OR_OWNER", primary=True, severity="stop",
    ...     fixable_by="the service", basis="computed", evidence={"supports": False}))
    'computed, and it speaks against this'
    """
    if reason.basis != "computed":
        return reason.basis
    supports = (reason.evidence or {}).get("supports")
    way = (
        "cannot tell"
        if supports is None
        else ("supports this" if supports else "speaks against this")
    )
    return f"computed, and it {way}"


def _evidence_words(reason: Reason) -> str:
    """Return the figures behind a reason as its own sentences, or as names and values."""
    found = reason.evidence or {}
    way = found.get("supports")
    if found.get("sentence"):
        more = [
            d
            for d in found.get("details") or []
            # What points the other way is no part of why; all of it stays in the record.
            if isinstance(d, Mapping) and d.get("supports", way) in (way, None)
        ]
        told = [found["sentence"], *(d["sentence"] for d in more if d.get("sentence"))]
        return " ".join(dict.fromkeys(map(str, told)))
    return ", ".join(
        f"{name} {_number(value)}" for name, value in found.items()
        if name not in _NOT_FIGURES and isinstance(value, int | float | str)
    )  # fmt: skip


def _asked(found: Mapping[str, Any] | None) -> str:
    return _number(found["threshold"]) if found and found.get("threshold") is not None else ""


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _list(title: str, entries: list[str]) -> list[str]:
    return ["", f"**{title}**", "", *(f"- {entry}" for entry in entries)] if entries else []


def _plain(text: str) -> str:
    """Return text on one line, with nothing in it that Markdown or HTML would act on."""
    for sign in "\\`*_[]<>|":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())
