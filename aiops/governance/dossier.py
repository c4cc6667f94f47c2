"""What the register says of a case on a day, kept with a gate's answer to be asked again from.

The register goes on changing; a gate that was asked from it must not. So its fields, what people
state, its papers by hash and the decisions so far are written beside the answer.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from aiops import home
from aiops.errors import ConfigError
from aiops.files import plain, read_json
from aiops.governance import documents, ledger, usecase
from aiops.governance.blanks import is_blank
from aiops.governance.facts import read_facts
from aiops.governance.hazards import read_hazards, read_log, read_matrix
from aiops.provenance import content_hash, json_hash

REGISTER = "register"
"""Name under which a gate binds what the register said."""

HAZARD_LOG = documents.HAZARD_LOG
EVALUATION = "evaluation.json"
PAPERS = "documents"
"""Folder name under which a gate binds the bytes of papers."""


@dataclass(frozen=True)
class Dossier:
    """A case as the register had it.

    Parameters
    ----------
    asked_on : date
        The day from which ages are counted.
    register : mapping
        Fields of the use case.
    stated : mapping
        What people state of it in ``facts.yaml``.
    documents : tuple of mapping
        Its papers, each with ``file``: there, missing or changed.
    decisions : tuple of mapping
        What was decided on it, the oldest first.
    like : tuple of mapping, optional
        Earlier or ended cases that are like it; None where nobody looked.
    searched : mapping, optional
        Among how many such cases was looked, and which words none of them has.
    hazards : mapping, optional
        The newest hazard log as the matrix of that day rates it; None without one.
    feasibility : mapping, optional
        What the newest `aiops feasibility` found for each reason; None where nobody asked it.
    """

    asked_on: date
    register: Mapping[str, Any]
    stated: Mapping[str, Any] = field(default_factory=dict)
    documents: tuple[Mapping[str, Any], ...] = ()
    decisions: tuple[Mapping[str, Any], ...] = ()
    like: tuple[Mapping[str, Any], ...] | None = None
    searched: Mapping[str, Any] = field(default_factory=dict)
    hazards: Mapping[str, Any] | None = None
    feasibility: Mapping[str, Any] | None = None

    def fact(self, name: str) -> Any:
        """Return what is known under a name; None where nobody is named and nothing is said."""
        value = self.stated.get(name, self.register.get(name))
        return None if isinstance(value, str) and is_blank(value) else value

    def paper(self, kind: str) -> Mapping[str, Any] | None:
        """Return the newest paper of a kind: of the latest day, and of those the last brought."""
        return newest(self.documents, kind)

    def snapshot(self) -> dict[str, Any]:
        """Return it as plain values, to be written beside an answer."""
        told: dict[str, Any] = plain({**vars(self), "asked_on": self.asked_on.isoformat()})
        return told

    def hashes(self) -> dict[str, str]:
        """Return what a gate binds of it: the register's words, and each paper that is there."""
        papers = {
            f"{PAPERS}/{paper['sha256']}": str(paper["sha256"])
            for paper in self.documents
            if paper["file"] == "there"
        }
        return {REGISTER: json_hash(self.snapshot()), **dict(sorted(papers.items()))}


def hashes_now(dossier: Dossier) -> dict[str, str]:
    """Return what a gate binds of a dossier, the papers hashed as they lie there now."""
    told = dossier.hashes()
    for name, sha256 in told.items():
        if name.startswith(f"{PAPERS}/") and documents.file_state(sha256) != "there":
            told[name] = documents.file_state(sha256)
    return told


def dossier_from(snapshot: Mapping[str, Any]) -> Dossier:
    """Return the dossier that was written beside an answer."""
    like = snapshot["like"]
    return Dossier(
        asked_on=date.fromisoformat(snapshot["asked_on"]),
        register=snapshot["register"],
        stated=snapshot["stated"],
        documents=tuple(snapshot["documents"]),
        decisions=tuple(snapshot["decisions"]),
        like=None if like is None else tuple(like),
        searched=snapshot.get("searched", {}),
        hazards=snapshot["hazards"],
        feasibility=snapshot["feasibility"],
    )


def read_dossier(
    slug_or_id: str, *, today: date | None = None, asked: Collection[str] = ()
) -> Dossier | None:
    """Read what the register says of a case today; None where it is not registered.

    Parameters
    ----------
    slug_or_id : str
        The case.
    today : date, optional
        The day that is asked from.
    asked : collection of str
        Checks that will ask; what only some of them want is looked for only then.
    """
    case = usecase.registered(slug_or_id)
    if case is None:
        return None
    papers = tuple(
        {**paper.model_dump(mode="json"), "file": documents.file_state(paper.sha256)}
        for paper in documents.documents_of(case.id)
    )
    like, searched = _like(case) if "prior_search" in asked else (None, {})
    return Dossier(
        asked_on=today or date.today(),
        register=plain(case.model_dump(mode="json")),
        stated=_plain_facts(read_facts().get(case.slug, {})),
        documents=papers,
        decisions=tuple(_told(r) for r in ledger.read_all() if r["case_id"] == case.id),
        like=like,
        searched=searched,
        hazards=_rated(newest(papers, HAZARD_LOG)),
        feasibility=_feasibility(case.slug) if "feasible" in asked else None,
    )


def newest(papers: tuple[Mapping[str, Any], ...], kind: str) -> Mapping[str, Any] | None:
    """Return the newest paper of a kind: of the latest day, and of those the last brought."""
    mine = [paper for paper in papers if paper["kind"] == kind]
    return max(reversed(mine), key=lambda paper: str(paper["dated"]), default=None)


def _rated(log: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return a hazard log as it is rated today: the matrix may have another version later."""
    if log is None or log["file"] != "there":
        return None
    try:
        path = documents.bytes_path(log["sha256"])
        rated, written = read_hazards(path), read_log(path)
    except ConfigError:
        return {"matrix": read_matrix().version}
    told = [
        {"id": one.hazard.id, "residual": one.residual, "is_controlled": one.is_controlled}
        for one in rated
    ]
    return {
        "matrix": read_matrix().version,
        "use_case": written.use_case,
        "safety_officer": written.safety_officer,
        "rated": told,
    }


def _plain_facts(stated: Mapping[str, Any]) -> dict[str, Any]:
    return {
        str(name).lower(): value.isoformat() if isinstance(value, date) else value
        for name, value in stated.items()
    }


def _like(case: usecase.UseCase) -> tuple[tuple[Mapping[str, Any], ...], dict[str, Any]]:
    """Look for a case among those put in before it, and those that ended since."""
    from aiops.governance.lessons import tried_before, unknown_words

    told = f"{case.title} {case.problem} {case.specialty} {case.modality}"
    cases = usecase.list_use_cases()
    place = [one.id for one in cases].index(case.id)
    among = [one.id for i, one in enumerate(cases) if i < place or (one.is_closed and i > place)]
    found = tried_before(told, among=among, most=3)
    like = tuple(
        {"id": one.id, "slug": one.slug, "state": one.state, "is_weak": one.is_weak}
        for one in found
    )
    return like, {"n_cases": len(among), "unknown": list(unknown_words(told, among))}


def _feasibility(slug: str) -> dict[str, Any] | None:
    from aiops.governance.feasibility import latest_feasibility

    found = latest_feasibility(slug)
    if found is None:
        return None
    reasons = {
        code: {name: told[name] for name in ("supports", "sentence")}
        for code, told in found["reasons"].items()
    }
    return {
        "file": Path(found["file"]).name,
        "sha256": content_hash(Path(found["file"])),
        "created_at": found["created_at"],
        "reasons": reasons,
    }


def _told(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return of a decision what a later gate asks for."""
    subjects = record["subject"]
    return {
        **{name: record[name] for name in ("id", "outcome", "to_state", "expires_at")},
        "gate_step": record.get("gate_step", ""),
        "digests": [subject["digest"] for subject in subjects],
        "weights": [subject.get("digests", {}).get("weights", "") for subject in subjects],
        "products": [subject.get("product", "") for subject in subjects],
        "predictions": [d for subject in subjects for d in subject["dataset_digests"]],
        "promised": [row for subject in subjects for row in _promised(record, subject)],
    }


def _promised(record: Mapping[str, Any], subject: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the primary figures a decision was made on; none where the bytes are not the same."""
    run = str(subject["model_uri"]).partition("#")[0].rpartition("/")[2]
    path = home.runs_dir(str(record["use_case"])) / run / EVALUATION
    bound = {e["sha256"] for e in record["evidence"] if e["artifact"] == EVALUATION}
    if not path.exists() or content_hash(path) not in bound:
        return []
    names = ("target", "metric", "value")
    return [{name: row[name] for name in names} for row in read_json(path)["primary"]]
