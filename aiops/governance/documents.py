"""Papers of a case: kept by the hash of their bytes, named in the ledger, never judged.

The bytes lie under ``AIOPS_HOME/documents/<sha256>``; who brought them, what they are and which
day they bear is a line of the ledger's book `documents`. A file that is gone or differs from its
hash is told as such: a gate does not pass on it. A line is never changed: one that says another day
of the same bytes takes the place of the earlier one.
"""

import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError, field_validator

from aiops import home
from aiops.config import Config
from aiops.errors import ConfigError, DataError, LedgerError
from aiops.files import atomic
from aiops.governance import ledger, usecase
from aiops.governance.hazards import read_hazards
from aiops.lookup import pick
from aiops.provenance import content_hash

BOOK = "documents"
HAZARD_LOG = "hazard_log"
BLANK = b" \t\r\n\v\f\0\xef\xbb\xbf\xff\xfe"
"""Bytes that say nothing: white space, and the marks of UTF-8 and UTF-16."""

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
    supersedes: str = Field(default="", description="The line whose place it takes.")

    def line(self) -> str:
        """Return it as a person reads it."""
        state = file_state(self.sha256)
        told = f"{self.id} {self.kind} {self.dated} {self.name} (by {self.by}, {self.sha256[:12]})"
        return told + ("" if state == "there" else f": its file is {state}")


class Added(Document):
    """A paper as it was added just now."""

    restored: bool = Field(default=False, description="Its lost bytes are there again.")
    also: tuple[str, ...] = Field(default=(), description="Other papers that are the same bytes.")

    def line(self) -> str:
        """Return it as a person reads it."""
        told = ("restored: " if self.restored else "") + super().line()
        told += f", in place of {self.supersedes}" if self.supersedes and not self.restored else ""
        return told + (f"; the same bytes are also: {', '.join(self.also)}" if self.also else "")


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


def is_blank(file: Path) -> bool:
    """Return whether a file says nothing: no bytes, or white space only."""
    with file.open("rb") as content:
        return not any(part.strip(BLANK) for part in iter(lambda: content.read(1 << 20), b""))


def keep_bytes(file: Path) -> str:
    """Keep a copy of a file by its SHA-256, which is returned.

    Raises
    ------
    DataError
        If the file is not there, says nothing, or changes while it is read.
    """
    if not file.is_file() or is_blank(file):
        raise DataError(
            "there is no paper in this file", where=str(file), fix="name a file that says something"
        )
    sha256 = content_hash(file)
    if file_state(sha256) != "there":
        with atomic(bytes_path(sha256)) as temporary:
            shutil.copyfile(file, temporary)
            if content_hash(temporary) != sha256:
                raise DataError(
                    "the file changed while it was read", where=str(file), fix="add it again"
                )
    return sha256


def add_document(
    use_case: str, kind: str, file: Path, *, dated: date, by: str, name: str = ""
) -> Added:
    """Keep a paper of a case: its bytes by their hash, its name in the ledger.

    The same bytes with another day are a new line in place of the earlier one. The same bytes and
    day again bring back bytes that were lost.

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
        If the case or kind is not known, the day is to come, the case has the same paper already,
        or a hazard log cannot be read as one.
    DataError
        If the file is not there or says nothing.
    """
    pick(read_kinds().kinds, kind, where="--kind")
    case = usecase.find(use_case)
    if dated > date.today():
        raise ConfigError(
            f"{dated} is still to come", where="--date", fix="give the day that the paper bears"
        )
    if len(by.strip()) < 2:
        raise ConfigError("nobody is named", where="--by", fix="name who brings the paper")
    if kind == HAZARD_LOG and file.is_file() and not is_blank(file):
        read_hazards(file)
    lost = file.is_file() and file_state(content_hash(file)) != "there"
    # The bytes first: the ledger never names a paper that nobody kept.
    sha256 = keep_bytes(file)
    mine = [one for one in documents_of(case.id) if one.sha256 == sha256]
    also = tuple(f"{one.id} {one.kind}" for one in mine if one.kind != kind)
    before = next((one for one in mine if one.kind == kind), None)
    if before is not None and before.dated == dated and lost:
        return Added(**before.model_dump(), restored=True, also=also)

    def next_entry(entries: list[ledger.Record]) -> ledger.Record:
        same = [one for one in _standing(entries, case.id) if (one.kind, one.sha256)
                == (kind, sha256)]  # fmt: skip
        if any(one.dated == dated for one in same):
            raise ConfigError(
                f"{case.id} has this paper already, as {same[0].id}",
                where=str(file),
                fix="nothing is to do; a new edition has other bytes, and a wrong day is put right "
                "by the same file with another --date",
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
            supersedes=same[0].id if same else "",
        ).model_dump(mode="json")

    added = _document(ledger.append(next_entry, BOOK))
    return Added(**added.model_dump(), also=also)


def documents_of(case_id: str | None, *, superseded: bool = False) -> list[Document]:
    """Return the papers of a case, or of every case, the oldest line first.

    Parameters
    ----------
    case_id : str or None
        Number of the case; None for every case.
    superseded : bool, default=False
        Whether lines that another one took the place of are among them.
    """
    entries = ledger.read_all(BOOK)
    if not superseded:
        return _standing(entries, case_id)
    return [one for one in map(_document, entries) if case_id in (None, one.case_id)]


def _standing(entries: list[ledger.Record], case_id: str | None) -> list[Document]:
    """Return the papers of a case that no other line took the place of."""
    papers = [_document(entry) for entry in entries]
    gone = {paper.supersedes for paper in papers}
    return [one for one in papers if case_id in (None, one.case_id) and one.id not in gone]


def _document(entry: ledger.Record) -> Document:
    told = {name: entry[name] for name in Document.model_fields if name in entry}
    try:
        return Document.model_validate(told)
    except ValidationError as fault:
        raise LedgerError(
            "a line is no paper; the ledger cannot be read",
            where=str(ledger.book_path(BOOK)),
            fix="`aiops ledger verify` says all that is wrong; restore the file from a backup",
        ) from fault
