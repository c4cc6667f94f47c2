"""A decision and a use case in words: for the MLflow UI, and as a page a board can print."""

from typing import Any

from aiops.governance.record import DecisionRecord
from aiops.governance.usecase import UseCase

_WORD = {
    "approve": "APPROVED",
    "approve-with-conditions": "APPROVED WITH CONDITIONS",
    "reject": "REJECTED",
    "discontinue": "DISCONTINUED",
    "defer": "DEFERRED",
}
_PASSED = {True: "pass", False: "fail", None: "undecided"}


def headline(record: DecisionRecord) -> str:
    """Return a decision in one line: outcome, gate, reason."""
    reasons = ", ".join(f"{reason.code} {reason.name}" for reason in record.reasons)
    gate = f"gate {record.gate}: {record.gate_outcome}"
    return (
        f"{_WORD[record.outcome]} · {gate} · {f'reason {reasons}' if reasons else 'no reason code'}"
    )


def decision_markdown(record: DecisionRecord, use_case: UseCase) -> str:
    """Return a decision as Markdown; the first line holds outcome, gate and reason."""
    lines = [
        f"**{_plain(headline(record))}**",
        "",
        f"{record.id} on {use_case.id} {_plain(use_case.title)} ({use_case.slug}), "
        f"{record.created_at[:10]}, by {_plain(record.made_by)}; *{record.statement}*.",
        "",
        _plain(record.rationale),
    ]
    lines += _list("Conditions", [
        f"{c.id} {_plain(c.item)}: {_plain(c.text)} ({_plain(c.owner)}, by {c.due}; {c.status})"
        for c in record.conditions
    ])  # fmt: skip
    lines += _list("Evidence", [
        f"{e.item_id}: **{_PASSED[e.passed]}**, {_plain(e.value)}; asked for {_plain(e.threshold)}"
        for e in record.evidence
    ])  # fmt: skip
    lines += _list("Lessons", [_plain(lesson.text) for lesson in record.lessons])
    lines += _list("Look at it again if", [_plain(text) for text in record.revisit_if])
    dates = [("Lapses", record.expires_at), ("To be reviewed by", record.review_by)]
    lines += _list("Dates", [f"{name}: {day}" for name, day in dates if day])
    return "\n".join(lines)


def decision_html(record: DecisionRecord, use_case: UseCase) -> str:
    """Return a decision as one self-contained page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("aiops"), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template("decision.html")
    return page.render(r=record, case=use_case, headline=headline(record), passed=_PASSED)


def use_case_markdown(use_case: UseCase) -> str:
    """Return a use case as a card of one page, rewritten whenever its state changes."""
    # Without marks: the list of experiments shows the first line as it is written.
    state = f"State: {use_case.state}"
    if use_case.reasons:
        state += f" · reason {', '.join(use_case.reasons)}"
    if use_case.conditions_open:
        state += f" · {use_case.conditions_open} conditions open"
    facts: list[tuple[str, Any]] = [
        ("Problem", use_case.problem),
        ("Specialty", use_case.specialty),
        ("Modality", use_case.modality),
        ("Task", use_case.task),
        ("Owner", use_case.owner),
        ("Clinical lead", use_case.clinical_lead),
        ("Tries again", use_case.revisits),
        ("Put in", f"{use_case.submitted_at[:10]} {use_case.submitted_by}".strip()),
        ("Review by", use_case.review_by),
        ("Decisions", ", ".join(use_case.decisions)),
    ]
    lines = [state, "", f"{use_case.id} {_plain(use_case.title)}", ""]
    lines += [f"- {name}: {_plain(str(value))}" for name, value in facts if value]
    blank = [name for name, value in facts[:6] if not value]
    if blank:
        lines += ["", f"Not said at intake: {', '.join(blank)}."]
    return "\n".join(lines)


def _list(title: str, entries: list[str]) -> list[str]:
    return ["", f"**{title}**", "", *(f"- {entry}" for entry in entries)] if entries else []


def _plain(text: str) -> str:
    """Return text on one line, with nothing in it that Markdown or HTML would act on."""
    for sign in "\\`*_[]<>|":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())
