"""Papers of a case: kept by the hash of their bytes, named in the ledger, never judged.

The bytes lie under ``AIOPS_HOME/documents/<sha256>``; who brought them, what they are and which
day they bear is a line of the ledger's book `documents`. A file that is gone or differs from its
hash is told as such: a gate does not pass on it.
"""

import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError, field_validator

from aiops import home
from aiops.config import Config
from aiops.errors import ConfigError
from aiops.files import atomic
from aiops.governance import ledger, usecase
from aiops.lookup import pick
from aiops.provenance import content_hash

BOOK = "documents"
FileState = Literal["there", "missing", "changed"]


class DocumentKind(Config):
    """A kind of paper."""

    title: str
    speaks_to: tuple[str, ...] = Field(description="Standards, with the edition's date.")


class DocumentKinds(Config):
    """The kinds of papers, in which version."""

    kind: Literal["document_kinds"]
    version: str
    date: str
    kinds: dict[str, DocumentKind]

    @field_validator("date", mode="before")
    @classmethod
    def _date_as_text(cls, value: object) -> str:
        return str(value)


class Document(Config):
    """A paper as the ledger names it."""

    id: str = Field(pattern=r"^DOC-\d{4,}$")
    case_id: str
    use_case: str
    kind: str
    name: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    dated: date = Field(description="The day the paper bears.")
    by: str = Field(min_length=2, description="Who brought it.")
    added_at: str

    def line(self) -> str:
        """Return it as a person reads it."""
        state = file_state(self.sha256)
        told = f"{self.id} {self.kind} {self.dated} {self.name} (by {self.by}, {self.sha256[:12]})"
        return told + ("" if state == "there" else f": its file is {state}")


def read_kinds() -> DocumentKinds:
    """Read the kinds of ``configs/policy/documents.yaml``.

    Examples
    --------
    >>> read_kinds().kinds["dpia"].title
    'Data protection impact assessment'
    """
    path = home.configs_dir() / "policy" / "documents.yaml"
    try:
        return DocumentKinds.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (ValidationError, yaml.YAMLError) as fault:
        raise ConfigError(str(fault), where=str(path), fix="mend the file") from fault


def bytes_path(sha256: str) -> Path:
    """Return where the bytes of a paper lie."""
    return home.home() / "documents" / sha256


def file_state(sha256: str) -> FileState:
    """Return whether the bytes of a paper are there as they were hashed."""
    path = bytes_path(sha256)
    if not path.is_file():
        return "missing"
    return "there" if content_hash(path) == sha256 else "changed"


def add_document(
    use_case: str, kind: str, file: Path, *, dated: date, by: str, name: str = ""
) -> Document:
    """Keep a paper of a case: its bytes by their hash, its name in the ledger.

    Parameters
    ----------
    use_case : str
        Slug or number.
    kind : str
        One of ``configs/policy/documents.yaml``.
    file : Path
        The paper.
    dated : date
        The day it bears; a gate asks how old it is.
    by : str
        Who brings it.
    name : str, optional
        What to call it; the file's own name if not said.

    Raises
    ------
    ConfigError
        If the case or kind is not known, the file is empty, the day is to come, or the case has
        the same paper already.
    """
    pick(read_kinds().kinds, kind, where="--kind")
    case = usecase.find(use_case)
    if not file.is_file() or file.stat().st_size == 0:
        raise ConfigError(
            "there is no paper in this file", where=str(file), fix="name a file with content"
        )
    if dated > date.today():
        raise ConfigError(
            f"{dated} is still to come", where="--date", fix="give the day that the paper bears"
        )
    if len(by.strip()) < 2:
        raise ConfigError("nobody is named", where="--by", fix="name who brings the paper")
    sha256 = content_hash(file)

    def next_entry(entries: list[ledger.Record]) -> ledger.Record:
        same = [
            entry["id"]
            for entry in entries
            if (entry["case_id"], entry["kind"], entry["sha256"]) == (case.id, kind, sha256)
        ]
        if same:
            raise ConfigError(
                f"{case.id} has this paper already, as {same[0]}",
                where=str(file),
                fix="nothing is to do; a new edition has other bytes",
            )
        return Document(
            id=f"DOC-{len(entries) + 1:04d}",
            case_id=case.id,
            use_case=case.slug,
            kind=kind,
            name=name.strip() or file.name,
            sha256=sha256,
            dated=dated,
            by=by.strip(),
            added_at=datetime.now(UTC).isoformat(timespec="seconds"),
        ).model_dump(mode="json")

    # The bytes first: the ledger never names a paper that nobody kept.
    if file_state(sha256) != "there":
        with atomic(bytes_path(sha256)) as temporary:
            shutil.copyfile(file, temporary)
            if content_hash(temporary) != sha256:
                raise ConfigError(
                    "the file changed while it was read", where=str(file), fix="add it again"
                )
    return _document(ledger.append(next_entry, BOOK))


def documents_of(case_id: str | None) -> list[Document]:
    """Return the papers of a case, or of every case, the oldest line first."""
    entries = ledger.read_all(BOOK)
    return [_document(e) for e in entries if case_id is None or e["case_id"] == case_id]


def _document(entry: ledger.Record) -> Document:
    return Document.model_validate({name: entry[name] for name in Document.model_fields})
