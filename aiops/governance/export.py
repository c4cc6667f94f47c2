"""The ledger as files for those who ask: JSON lines, a table for a spreadsheet, a bundle to check.

What leaves is what was recorded: names of those who decided, and nothing of a patient.
"""

import csv
import io
import re
import shutil
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiops.errors import ConfigError, DataError, GateError, LedgerError
from aiops.files import read_json, write_json, write_text
from aiops.governance import ledger
from aiops.governance.keyring import DEMO_KEYS, KEYS, Keyring, read_keyring
from aiops.governance.keys import KeyPair
from aiops.governance.signing import check, seal
from aiops.governance.verify import verify_ledger
from aiops.provenance import content_hash

EXPORT_TYPE = "application/vnd.aiops.ledger-export+json"
MANIFEST = "MANIFEST.json"
SIGNED = "MANIFEST.dsse.json"

FORMULA = ("=", "+", "-", "@")
"""Signs that begin a formula in a spreadsheet."""

COLUMNS = (
    "id", "created_at", "case_id", "use_case", "outcome", "gate_step", "gate", "gate_outcome",
    "from_state", "to_state", "reasons", "rationale", "lessons", "revisit_if", "conditions",
    "review_by", "expires_at", "grade", "made_by", "author", "signed_by", "signed_dissent",
    "dissent", "attested_by", "minutes_sha256", "policy_version", "policy_sha256", "subject",
    "sha256",
)  # fmt: skip
"""Columns of the table, a row for each decision."""


@dataclass(frozen=True)
class Exported:
    """The files of an export, and what was wrong with the ledger when they were written."""

    files: tuple[Path, ...]
    faults: tuple[str, ...]


@dataclass(frozen=True)
class ExportCheck:
    """What a look at an export found.

    Parameters
    ----------
    faults : tuple of str
        What is wrong with it.
    signed_by : tuple of str
        Who signed it, by keys that are known here.
    told : tuple of str
        What the export says was wrong with the ledger.
    """

    faults: tuple[str, ...]
    signed_by: tuple[str, ...]
    told: tuple[str, ...]


def export_ledger(out: Path, keys: Sequence[KeyPair] = ()) -> Exported:
    """Write every book, a table of decisions, the keys and heads, and a manifest of all of it.

    A ledger that does not hold is written too, as evidence; the manifest then says what is wrong.

    Parameters
    ----------
    out : Path
        Folder; made if need be, and empty.
    keys : sequence of KeyPair
        Those who sign the manifest; each is in force in the ring.

    Raises
    ------
    ConfigError
        If the folder holds something, or the ledger is empty.
    GateError
        If somebody signs whose key is not in force.
    """
    if out.exists() and any(out.iterdir()):
        raise ConfigError("the folder is not empty", where=str(out), fix="name a new folder")
    books = ledger.books()
    if not books:
        raise ConfigError(
            "there is nothing to export", where=str(ledger.book_path()), fix="nothing to do"
        )
    now = datetime.now(UTC)
    _require_enrolled(keys, now.isoformat(timespec="microseconds"))
    faults = tuple(one.line() for one in verify_ledger(projection=False).found)
    out.mkdir(parents=True, exist_ok=True)
    for book in books:
        shutil.copyfile(ledger.book_path(book), out / f"{book}.jsonl")
    write_text(out / "decisions.csv", decisions_csv())
    write_json(out / "keys.json", {book: _keys(book) for book in (KEYS, DEMO_KEYS)})
    write_json(out / "head.json", heads())
    files = sorted(path for path in out.iterdir() if path.is_file())
    manifest = {
        "kind": "ledger_export",
        "made": now.isoformat(timespec="microseconds"),
        "the_ledger": "does not hold" if faults else "holds",
        "faults": list(faults),
        "files": {path.name: content_hash(path) for path in files},
    }
    write_json(out / MANIFEST, manifest)
    if keys:
        write_json(out / SIGNED, seal(manifest, EXPORT_TYPE, keys))
    return Exported(tuple(sorted(path for path in out.iterdir() if path.is_file())), faults)


def check_export(folder: Path, ring: Keyring | None = None) -> ExportCheck:
    """Look at every file of an export, and at the signatures on its manifest.

    Parameters
    ----------
    folder : Path
        The export.
    ring : Keyring, optional
        Keys its signatures are checked by; the ring of the ledger here when not given. The keys
        in the export itself prove nothing of it.

    Raises
    ------
    DataError
        If the folder is no export.
    """
    manifest = read_json(folder / MANIFEST)
    files = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(files, dict) or manifest.get("kind") != "ledger_export":
        raise DataError(
            f"this {MANIFEST} is not that of an export",
            where=str(folder / MANIFEST),
            fix="name the folder that `aiops ledger export` wrote",
        )
    there = {path.name: path for path in folder.iterdir() if path.name not in (MANIFEST, SIGNED)}
    faults = [
        f"{name} is extra: {MANIFEST} does not name it" for name in there if name not in files
    ]
    for name, sha256 in files.items():
        if name not in there or not there[name].is_file() or there[name].is_symlink():
            faults.append(f"{name} is missing")
        elif content_hash(there[name]) != sha256:
            faults.append(f"{name} was changed: its SHA-256 is another")
    people: tuple[str, ...] = ()
    if (folder / SIGNED).is_file():
        more, people = _signers(folder, manifest, ring or read_keyring(KEYS))
        faults += more
    told = manifest.get("faults")
    return ExportCheck(
        tuple(faults), people, tuple(map(str, told if isinstance(told, list) else ()))
    )


def _signers(
    folder: Path, manifest: dict[str, Any], ring: Keyring
) -> tuple[list[str], tuple[str, ...]]:
    """Return what is wrong with the signatures on a manifest, and whose hold."""
    try:
        told = check(read_json(folder / SIGNED), EXPORT_TYPE, ring.public_keys())
    except LedgerError as fault:
        return [f"{SIGNED}: {fault.what}"], ()
    faults = [f"{SIGNED}: {what}" for what in (*ring.faults, *told.faults)]
    if told.statement != manifest:
        faults.append(f"what was signed is not what {MANIFEST} says")
    force = {member.key.key_id for member in ring.in_force(str(manifest.get("made")))}
    late = [key.person for key in told.signed_by if key.key_id not in force]
    faults += [f"the key of {person} was not in force when it was made" for person in late]
    return faults, tuple(key.person for key in told.signed_by if key.key_id in force)


def _require_enrolled(keys: Sequence[KeyPair], at: str) -> None:
    force = {member.key.key_id for member in read_keyring(KEYS).in_force(at)}
    strangers = [pair.public.person for pair in keys if pair.public.key_id not in force]
    if strangers:
        raise GateError(
            f"the key of {', '.join(strangers)} is not in force",
            where="ledger export: --key",
            fix="sign with a key that is: aiops keys list",
        )


def heads() -> dict[str, dict[str, Any]]:
    """Return lines and head of each book; noted elsewhere, they date the whole ledger."""
    return {
        book: {"lines": len(ledger.look(book)[0]), "sha256": ledger.head(book)}
        for book in ledger.books()
    }


def decisions_csv() -> str:
    """Return a table of all decisions; what a spreadsheet would run as a formula is text."""
    written = io.StringIO()
    table = csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    table.writerow(COLUMNS)
    for line in ledger.look()[0]:  # of a broken ledger, what can be read
        told = {**line.record, "sha256": line.sha256}
        table.writerow([escaped(_cell(name, told.get(name))) for name in COLUMNS])
    return written.getvalue()


def escaped(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula, whichever sign parts its cells.

    Examples
    --------
    >>> escaped("=HYPERLINK(1)"), escaped("-2 points"), escaped("fine")
    ("'=HYPERLINK(1)", "'-2 points", 'fine')
    >>> escaped("fine;=1+1")
    "fine;'=1+1"
    """
    parts = re.split(r"([;\t\r\n])", text)
    told = "".join(f"'{part}" if _opens_formula(part) else part for part in parts)
    return f"'{told}" if text and unicodedata.category(text[0]) == "Cc" else told


def _opens_formula(text: str) -> bool:
    """Return whether the first sign that can be seen, but for quotes, is one of a formula."""
    seen = (
        c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c)[0] not in "CZ"
    )
    return next((c for c in seen if c != '"'), "") in FORMULA


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, list):
        return str(value)
    texts: dict[str, Callable[[Any], str]] = {
        "reasons": lambda r: f"{r['code']} {r['name']}",
        "lessons": lambda r: r["text"],
        "conditions": lambda c: f"{c['id']} {c['item']}: {c['text']} ({c['owner']}, {c['due']})",
        "signed_by": lambda s: f"{s['person']} ({s['role']}, {s['key_id'][:16]})",
        "signed_dissent": lambda s: f"{s['person']}: {s['text']}",
        "subject": lambda s: f"{s['model_uri']} {s['digest'] or ''}".strip(),
    }
    try:
        return "; ".join(texts.get(name, str)(entry) for entry in value)
    except (KeyError, TypeError):  # a line that does not read as a decision is exported as it is
        return "; ".join(map(str, value))


def _keys(book: str) -> list[dict[str, Any]]:
    try:
        members = read_keyring(book).members
    except (LedgerError, KeyError, TypeError, ValueError):  # told among the faults
        members = ()
    return [
        {
            "key_id": m.key.key_id,
            "person": m.key.person,
            "public": m.key.public,
            "roles": list(m.roles),
            "since": m.since,
            "until": m.until,
        }
        for m in members
    ]
