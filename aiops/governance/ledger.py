"""The ledger: what was registered and decided, in files that only grow.

A book is one JSONL file under ``AIOPS_HOME/ledger``. Each line holds a record in canonical JSON
(RFC 8785) and its SHA-256; each record holds the SHA-256 of the one before it. A small head file
beside it says how many lines there are and how the last one reads, so that a cut tail shows too.
Whoever may write the folder can still forge all of it: signatures come with a later version.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rfc8785
from filelock import FileLock, Timeout

from aiops import home
from aiops.errors import LedgerError
from aiops.files import plain, write_json

DECISIONS = "decisions"
USE_CASES = "use_cases"
GENESIS = "0" * 64
"""What the first record names as the one before it."""

LOCK_SECONDS = 30.0

Record = dict[str, Any]


@dataclass(frozen=True)
class Fault:
    """One place at which a book does not hold together.

    Parameters
    ----------
    line : int
        Line of the file, from 1; 0 for the head file.
    what : str
        What is wrong there.
    """

    line: int
    what: str


@dataclass(frozen=True)
class _Book:
    """What a file holds: the records that can be read, their sums, and what is wrong."""

    records: list[Record]
    sums: list[str]
    faults: list[Fault]
    torn: bytes


def book_path(book: str = DECISIONS) -> Path:
    """Return the file of a book."""
    return home.ledger_dir() / f"{book}.jsonl"


def record_sha256(record: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a record in canonical JSON, as 64 hexadecimal digits.

    Examples
    --------
    >>> record_sha256({"b": 1, "a": 2}) == record_sha256({"a": 2, "b": 1})
    True
    """
    return hashlib.sha256(_canonical(record)).hexdigest()


def read_all(book: str = DECISIONS) -> list[Record]:
    """Return the records of a book, the oldest first; a book nobody wrote to is empty."""
    return _read(book).records


def verify(book: str = DECISIONS) -> list[Fault]:
    """Return every place at which a book does not hold together; an empty list is a sound book.

    Found are: a line edited, put in, taken out or moved; a last line that was cut short; a tail
    cut off after the head file was written.
    """
    return _read(book).faults


def head(book: str = DECISIONS) -> str:
    """Return the SHA-256 of the last record; noted elsewhere, it dates the whole book."""
    sums = _read(book).sums
    return sums[-1] if sums else GENESIS


def append(make: Callable[[list[Record]], Mapping[str, Any]], book: str = DECISIONS) -> Record:
    """Add one record to a book and return it with its ``prev_sha256``.

    Parameters
    ----------
    make : callable
        Given the records so far, returns the new one. It runs under the lock, so a number it
        draws is drawn once. What it raises leaves the book as it was.
    book : str, default="decisions"
        Which file.

    Raises
    ------
    LedgerError
        If another program holds the book, if the book does not hold together, or if it cannot
        be written.
    """
    path = book_path(book)
    with _locked(path):
        known = _read(book)
        # Half a last line is a crash, not an edit: nobody was told that it had been recorded.
        fatal = [f for f in known.faults if not (known.torn and f.line == len(known.records) + 1)]
        if fatal:
            raise LedgerError(
                f"line {fatal[0].line}: {fatal[0].what}; nothing is added to a broken ledger",
                where=str(path),
                fix="restore the file from a backup, or move it aside and keep it as evidence",
            )
        record = dict(plain(make(known.records)))
        record["prev_sha256"] = known.sums[-1] if known.sums else GENESIS
        sha256 = record_sha256(record)
        _write_line(path, _canonical({"record": record, "sha256": sha256}), torn=known.torn)
        write_json(_head_path(path), {"lines": len(known.records) + 1, "sha256": sha256})
    return record


def _canonical(value: Mapping[str, Any]) -> bytes:
    return rfc8785.dumps(dict(value))


def _head_path(path: Path) -> Path:
    return path.with_suffix(".head.json")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path.with_suffix(".lock"), timeout=LOCK_SECONDS):
            yield
    except Timeout as fault:
        raise LedgerError(
            f"another program has held the ledger for {LOCK_SECONDS:.0f} s",
            where=str(path),
            fix="wait until it has finished, then try again; nothing was written",
        ) from fault


def _write_line(path: Path, line: bytes, *, torn: bytes) -> None:
    """Write one line to the disk itself; half a line of a crash is first set aside."""
    if torn:
        aside = path.with_suffix(".torn.txt")
        with aside.open("ab") as file:
            file.write(torn + b"\n")
        os.truncate(path, path.stat().st_size - len(torn))
    try:
        with path.open("ab") as file:
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as fault:
        raise LedgerError(
            f"the ledger could not be written: {fault.strerror}",
            where=str(path),
            fix="make room or give write permission, then decide again",
        ) from fault


def _read(book: str) -> _Book:
    path = book_path(book)
    *lines, torn = path.read_bytes().split(b"\n") if path.exists() else [b""]
    records: list[Record] = []
    sums: list[str] = []
    faults: list[Fault] = []
    before = GENESIS
    for number, line in enumerate(lines, start=1):
        record, what = _read_line(line, before)
        if what:
            faults.append(Fault(number, what))
        records.append(record)
        before = record_sha256(record)
        sums.append(before)
    if torn:
        faults.append(Fault(len(lines) + 1, "the line is cut short"))
    faults.extend(_head_faults(path, sums))
    return _Book(records, sums, faults, torn)


def _read_line(line: bytes, before: str) -> tuple[Record, str]:
    """Return the record of a line, and what is wrong with it."""
    try:
        entry = json.loads(line)
        record, sha256 = entry["record"], entry["sha256"]
        true_sha256 = record_sha256(record)
    except (ValueError, KeyError, TypeError):
        return {}, "the line is not a record"
    if sha256 != true_sha256 or _canonical(entry) != line:
        return record, "the line was edited: it does not match its own SHA-256"
    if record.get("prev_sha256") != before:
        return record, "the line does not follow the one before it: taken out, put in or moved"
    return record, ""


def _head_faults(path: Path, sums: list[str]) -> list[Fault]:
    head_path = _head_path(path)
    if not head_path.exists():
        # A program that died between the first line and its head leaves one line and no head.
        return [] if len(sums) <= 1 else [Fault(0, f"{head_path.name} is not there")]
    try:
        noted = json.loads(head_path.read_text(encoding="utf-8"))
        count, sha256 = int(noted["lines"]), str(noted["sha256"])
    except (ValueError, KeyError, TypeError):
        return [Fault(0, f"{head_path.name} is not a head")]
    if count > len(sums):
        return [Fault(0, f"the head names {count} lines, the file has {len(sums)}: a tail was cut")]
    # One line more than the head says: a program died after the line and before the head.
    if count < len(sums) - 1 or sums[count - 1] != sha256:
        return [Fault(0, f"the head does not fit line {count} of {len(sums)}")]
    return []
