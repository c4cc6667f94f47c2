"""The ledger: what was registered and decided, in files that only grow.

A book is one JSONL file under ``AIOPS_HOME/ledger``. Each line holds a record in canonical JSON
(RFC 8785) and a SHA-256; each record holds the SHA-256 of the line before it. A line may hold more
than its record, such as an envelope with signatures: its SHA-256 is then that of all of it. A small
head file beside it says how many lines there are and how the last one reads, so that a cut tail
shows too. Whoever may write the folder can still forge what nobody signed: a head that was noted
elsewhere (`aiops ledger head`) shows that as well.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
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
CONDITIONS = "conditions"
GENESIS = "0" * 64
"""What the first record names as the one before it."""

HEAD = ".head.json"
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
class Line:
    """A line of a book.

    Parameters
    ----------
    record : dict
        What was written.
    attached : dict
        What stands beside it: ``envelope`` and ``dissents``, or nothing.
    sha256 : str
        Sum of the line, which the next record names.
    """

    record: Record
    attached: Record
    sha256: str = ""


UNREAD = Line({}, {}, GENESIS)
"""Stands for a line that is not a record."""


@dataclass(frozen=True)
class _Book:
    """What a file holds: the lines that can be read, and what is wrong."""

    lines: list[Line]
    faults: list[Fault]
    torn: bytes
    unread: Fault | None = None
    """What keeps the book, or a line of it, from being read at all."""


@dataclass
class _Known:
    """The whole lines of a file as they were last read, and what was found in them."""

    content: bytes
    lines: list[Line]
    faults: list[Fault]


_KNOWN: dict[Path, _Known] = {}
"""A book only grows: lines whose bytes were read before are not taken apart again."""


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
    """Return the records of a book, the oldest first; a book nobody wrote to is empty.

    Raises
    ------
    LedgerError
        If the book, or a line of it, cannot be read at all. A line that was edited is returned:
        `verify` tells it.
    """
    return [line.record for line in _whole(book)]


def read_lines(book: str = DECISIONS) -> list[Line]:
    """Return the lines of a book with what is attached to them, the oldest first.

    Raises
    ------
    LedgerError
        As `read_all`.
    """
    return list(_whole(book))


def look(book: str = DECISIONS) -> tuple[list[Line], list[Fault]]:
    """Return what can be read of a book, and what is wrong with it; `UNREAD` is no record."""
    known = _read(book)
    return list(known.lines), list(known.faults)


def books() -> list[str]:
    """Return the names of the books that are there."""
    folder = home.ledger_dir()
    return sorted(path.stem for path in folder.glob("*.jsonl")) if folder.is_dir() else []


def headed() -> list[str]:
    """Return the names of the books that have a head file, the book itself there or not."""
    found = home.ledger_dir().glob(f"*{HEAD}")
    return sorted(path.name.removesuffix(HEAD) for path in found)


def verify(book: str = DECISIONS) -> list[Fault]:
    """Return every place at which a book does not hold together; an empty list is a sound book.

    Found are: a line edited, put in, taken out or moved; a last line that was cut short; a tail
    cut off after the head file was written. A head that is behind is no fault where it fits an
    earlier line: a program died after a line and before its head. The next line brings it along.
    """
    return _read(book).faults


def broken(book: str = DECISIONS) -> list[Fault]:
    """Return what is wrong with a book but for half a last line: that is a crash, not an edit.

    Nobody was told that such a line had been recorded; the next one sets it aside.
    """
    known = _read(book)
    return [f for f in known.faults if not (known.torn and f.line == len(known.lines) + 1)]


def set_aside_torn(book: str) -> bool:
    """Set half a last line aside, and return whether there was one."""
    path = book_path(book)
    with _locked(path):
        torn = _read(book).torn
        if torn:
            _set_aside(path, torn)
    return bool(torn)


def head(book: str = DECISIONS) -> str:
    """Return the SHA-256 of the last line; noted elsewhere, it dates the whole book."""
    lines = _read(book).lines
    return lines[-1].sha256 if lines else GENESIS


def append(
    make: Callable[[list[Record]], Mapping[str, Any] | Line], book: str = DECISIONS
) -> Record:
    """Add one record to a book and return it with its ``prev_sha256``.

    Parameters
    ----------
    make : callable
        Given the records so far, returns the new one, or a `Line` with what is attached to it. It
        runs under the lock, so a number it draws is drawn once. What it raises leaves the book as
        it was.
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
        if fatal := broken(book):
            raise LedgerError(
                f"line {fatal[0].line}: {fatal[0].what}; nothing is added to a broken ledger",
                where=str(path),
                fix="restore the file from a backup, or move it aside and keep it as evidence",
            )
        made = make([line.record for line in known.lines])
        line = made if isinstance(made, Line) else Line(dict(made), {})
        record = dict(plain(line.record))
        record["prev_sha256"] = known.lines[-1].sha256 if known.lines else GENESIS
        sha256 = _line_sha256(record, line.attached)
        entry = {"record": record, **line.attached, "sha256": sha256}
        _write_line(path, _canonical(entry), torn=known.torn)
        _write_head(path, {"lines": len(known.lines) + 1, "sha256": sha256})
    return record


@contextmanager
def held(book: str = DECISIONS) -> Iterator[None]:
    """Keep others from adding to a book, so that what is said of it stays true meanwhile.

    Raises
    ------
    LedgerError
        If another program holds the book.
    """
    with _locked(book_path(book)):
        yield


def _whole(book: str) -> list[Line]:
    """Return the lines of a book that can be read whole."""
    known = _read(book)
    fault = known.unread
    if fault is not None:
        raise LedgerError(
            f"line {fault.line}: {fault.what}; the ledger cannot be read",
            where=str(book_path(book)),
            fix="`aiops ledger verify` says all that is wrong; restore the file from a backup",
        )
    return known.lines


def _line_sha256(record: Record, attached: Record) -> str:
    """Return the sum of a line: of its record alone where nothing else stands in it."""
    return record_sha256({"record": record, **attached} if attached else record)


def _canonical(value: Mapping[str, Any]) -> bytes:
    return rfc8785.dumps(dict(value))


def _head_path(path: Path) -> Path:
    return path.with_suffix(HEAD)


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
    """Write one line to the disk itself, whole or not at all.

    Half a line of a crash is first set aside. What a full disk took of a line is taken back.
    """
    if torn:
        _set_aside(path, torn)
    size = path.stat().st_size if path.exists() else 0
    try:
        with path.open("ab") as file:
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as fault:
        with suppress(OSError):
            os.truncate(path, size)
        raise LedgerError(
            f"the ledger could not be written: {fault.strerror}; nothing was recorded",
            where=str(path),
            fix="make room or give write permission, then do it again",
        ) from fault


def _set_aside(path: Path, torn: bytes) -> None:
    with path.with_suffix(".torn.txt").open("ab") as file:
        file.write(torn + b"\n")
    os.truncate(path, path.stat().st_size - len(torn))


def _write_head(path: Path, head: Mapping[str, Any]) -> None:
    try:
        write_json(_head_path(path), head)
    except OSError as fault:
        raise LedgerError(
            f"it is recorded, as line {head['lines']}, but the head file could not be written: "
            f"{fault.strerror}",
            where=str(_head_path(path)),
            fix="do not record it again; make room or give write permission: the next line that "
            "is recorded brings the head along",
        ) from fault


def _read(book: str) -> _Book:
    path = book_path(book)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        content = b""
    except OSError as fault:
        unread = Fault(0, f"the book cannot be read: {fault.strerror}")
        return _Book([], [unread], b"", unread)
    whole, newline, torn = content.rpartition(b"\n")
    known = _KNOWN.get(path)
    if known is None or not (whole + newline).startswith(known.content):
        known = _Known(b"", [], [])
    new = (whole + newline)[len(known.content) :].split(b"\n")[:-1]
    lines, faults = list(known.lines), list(known.faults)
    before = lines[-1].sha256 if lines else GENESIS
    for written in new:
        line, what = _read_line(written, before)
        lines.append(line)
        before = line.sha256
        if what:
            faults.append(Fault(len(lines), what))
    _KNOWN[path] = _Known(whole + newline, lines, faults)
    found = list(faults)
    if torn:
        found.append(Fault(len(lines) + 1, "the line is cut short"))
    found.extend(_head_faults(path, [line.sha256 for line in lines]))
    lost = [n for n, line in enumerate(lines, start=1) if line is UNREAD]
    return _Book(lines, found, torn, next((f for f in faults if f.line in lost[:1]), None))


def _read_line(written: bytes, before: str) -> tuple[Line, str]:
    """Return a line with its true sum, and what is wrong with it."""
    try:
        entry = json.loads(written)
        record, sha256 = entry["record"], entry["sha256"]
        if not isinstance(record, dict):
            return UNREAD, "the line is not a record"
        attached = {key: entry[key] for key in entry if key not in ("record", "sha256")}
        line = Line(record, attached, _line_sha256(record, attached))
        is_whole = sha256 == line.sha256 and _canonical(entry) == written
    except (ValueError, KeyError, TypeError, RecursionError):
        return UNREAD, "the line is not a record"
    if not is_whole:
        return line, "the line was edited: it does not match its own SHA-256"
    if record.get("prev_sha256") != before:
        return line, "the line does not follow the one before it: taken out, put in or moved"
    return line, ""


def _head_faults(path: Path, sums: list[str]) -> list[Fault]:
    head_path = _head_path(path)
    try:
        noted = json.loads(head_path.read_bytes())
        count, sha256 = noted["lines"], noted["sha256"]
    except FileNotFoundError:
        # A program that died between the first line and its head leaves one line and no head.
        return [] if len(sums) <= 1 else [Fault(0, f"{head_path.name} is not there")]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return [Fault(0, f"{head_path.name} is not a head")]
    if type(count) is not int or count < 1:
        return [Fault(0, f"{head_path.name} is not a head")]
    if count > len(sums):
        return [Fault(0, f"the head names {count} lines, the file has {len(sums)}: a tail was cut")]
    # Fewer lines than there are: programs died after a line and before its head.
    if sums[count - 1] != sha256:
        return [Fault(0, f"the head does not fit line {count} of {len(sums)}")]
    return []
