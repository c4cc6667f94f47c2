"""Checks of a case's papers: there, whole, recent; and of the hazard log, what it leaves."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from pydantic import Field

from aiops.config import Config
from aiops.governance.blanks import names_nobody
from aiops.governance.case_checks import months_after
from aiops.governance.dossier import HAZARD_LOG, PAPERS, REGISTER, Dossier
from aiops.governance.evidence import Answer, listed
from aiops.governance.hazards import LEVELS


class Paper(Config):
    """A paper that must be there."""

    document: str = Field(description="Kind, of ``configs/policy/documents.yaml``.")
    at_most_months: int | None = Field(default=None, ge=1, description="How old it may be.")


class Risk(Config):
    """The risk that may be left, 1 to 5."""

    at_most: int = Field(default=3, ge=1, le=max(LEVELS))
    at_most_months: int | None = Field(default=None, ge=1, description="How old the log may be.")


def document(dossier: Dossier, asked: Paper) -> Answer:
    """Answer whether a paper was brought, is the one that was hashed, and is recent enough.

    Nobody reads it here: it is there or it is not. A paper that is gone, changed or old is no
    evidence, and no fault of the model: undecided.
    """
    threshold = f"{_words(asked.document)}, hashed"
    if asked.at_most_months is not None:
        threshold += f", not older than {asked.at_most_months} months"
    paper = dossier.paper(asked.document)
    wrong = _wrong_with(paper, asked.document, asked.at_most_months, dossier.asked_on)
    settles = f"`aiops document add --kind {asked.document}`"
    if paper is None:
        return Answer("undecided", "none", threshold, wrong, settles, REGISTER)
    value = f"{paper['id']} of {paper['dated']}, {paper['sha256'][:12]}"
    if wrong:
        return Answer("undecided", value, threshold, wrong, settles, REGISTER)
    reason = f"{paper['id']} is there, as {paper['by']} brought it"
    if same := _same_bytes(dossier, paper):
        reason += f"; one file for several papers, also: {listed(same)}"
    return Answer("pass", value, threshold, reason, "", f"{PAPERS}/{paper['sha256']}")


def hazards_held(dossier: Dossier, asked: Risk) -> Answer:
    """Answer whether the newest hazard log leaves no risk above what may be left.

    A log of another use case, or one that nobody rated, is no evidence: undecided.
    """
    threshold = f"no hazard left above {asked.at_most}, each rated after its controls"
    paper = dossier.paper(HAZARD_LOG)
    wrong = _wrong_with(paper, HAZARD_LOG, asked.at_most_months, dossier.asked_on)
    settles = f"`aiops document add --kind {HAZARD_LOG}`"
    if paper is None or wrong:
        return Answer("undecided", "no log", threshold, wrong, settles, REGISTER)
    file = f"{PAPERS}/{paper['sha256']}"
    told = dossier.hazards
    if told is None or "rated" not in told:
        reason = f"{paper['id']} cannot be read as a hazard log"
        settles = "`aiops hazards check FILE` says what is wrong with it"
        return Answer("undecided", "not read", threshold, reason, settles, file)
    if unnamed := _unnamed(told, dossier):
        settles = "a log that names this use case and the safety officer who rated it"
        return Answer("undecided", "not this case's", threshold, unnamed, settles, file)
    rated = told["rated"]
    left = [f"{one['id']} at {one['residual']}" for one in rated if one["residual"] > asked.at_most]
    open_ones = [one["id"] for one in rated if not one["is_controlled"]]
    value = f"{len(rated)} hazards by matrix {told['matrix']}, {len(left)} above {asked.at_most}"
    if left:
        settles = "controls that lower these risks, rated again by the safety officer"
        return Answer("fail", value, threshold, f"left: {listed(left)}", settles, file)
    if open_ones:
        reason = f"not rated after controls: {listed(open_ones)}"
        settles = "a rating after controls by the safety officer"
        return Answer("undecided", value, threshold, reason, settles, file)
    return Answer("pass", value, threshold, "every hazard is held", "", file)


def _same_bytes(dossier: Dossier, paper: Mapping[str, Any]) -> list[str]:
    """Return the papers of other kinds that are the same file."""
    return [
        f"{one['id']} ({_words(one['kind'])})"
        for one in dossier.documents
        if one["sha256"] == paper["sha256"] and one["kind"] != paper["kind"]
    ]


def _unnamed(told: Mapping[str, Any], dossier: Dossier) -> str:
    """Return why a log is not this case's own, rated by somebody; nothing where it is."""
    named = str(told.get("use_case", ""))
    if named not in (dossier.register.get("slug"), dossier.register.get("id")):
        return f"the log is of the use case '{named}', not of {dossier.register.get('slug')}"
    if names_nobody(str(told.get("safety_officer", ""))):
        return "the log names no safety officer"
    return ""


def _wrong_with(paper: Mapping[str, Any] | None, kind: str, months: int | None, today: date) -> str:
    if paper is None:
        return f"{_words(kind)}: nobody has brought it"
    if paper["file"] == "missing":
        return f"{paper['id']}: its file is gone, only its hash is left"
    if paper["file"] == "changed":
        return f"{paper['id']}: its file differs from the one that was hashed"
    if months is not None and months_after(date.fromisoformat(paper["dated"]), months) < today:
        return f"{paper['id']} of {paper['dated']} is older than {months} months"
    return ""


def _words(kind: str) -> str:
    return kind.replace("_", " ")
