"""The ledger as files for those who ask: JSON lines, a table for a spreadsheet, a bundle to check.

What leaves is what was recorded: names of those who decided, and nothing of a patient.
"""

import csv
import io
import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiops.errors import ConfigError
from aiops.files import write_json, write_text
from aiops.governance import ledger
from aiops.governance.keyring import DEMO_KEYS, KEYS, read_keyring
from aiops.governance.keys import KeyPair
from aiops.governance.signing import seal
from aiops.provenance import content_hash

EXPORT_TYPE = "application/vnd.aiops.ledger-export+json"
MANIFEST = "MANIFEST.json"
SIGNED = "MANIFEST.dsse.json"

COLUMNS = (
    "id", "created_at", "case_id", "use_case", "outcome", "gate_step", "gate", "gate_outcome",
    "from_state", "to_state", "reasons", "rationale", "lessons", "revisit_if", "conditions",
    "review_by", "expires_at", "grade", "made_by", "author", "signed_by", "signed_dissent",
    "dissent", "attested_by", "minutes_sha256", "policy_version", "policy_sha256", "subject",
    "sha256",
)  # fmt: skip
"""Columns of the table, a row for each decision."""


def export_ledger(out: Path, keys: Sequence[KeyPair] = ()) -> list[Path]:
    """Write every book, a table of decisions, the keys and heads, and a manifest of all of it.

    Parameters
    ----------
    out : Path
        Folder; made if need be, and empty.
    keys : sequence of KeyPair
        Those who sign the manifest.

    Raises
    ------
    ConfigError
        If the folder holds something, or the ledger is empty.
    """
    if out.exists() and any(out.iterdir()):
        raise ConfigError("the folder is not empty", where=str(out), fix="name a new folder")
    books = ledger.books()
    if not books:
        raise ConfigError(
            "there is nothing to export", where=str(ledger.book_path()), fix="nothing to do"
        )
    out.mkdir(parents=True, exist_ok=True)
    for book in books:
        shutil.copyfile(ledger.book_path(book), out / f"{book}.jsonl")
    write_text(out / "decisions.csv", decisions_csv())
    write_json(out / "keys.json", {book: _keys(book) for book in (KEYS, DEMO_KEYS)})
    write_json(out / "head.json", heads())
    files = sorted(path for path in out.iterdir() if path.is_file())
    manifest = {
        "kind": "ledger_export",
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": {path.name: content_hash(path) for path in files},
    }
    write_json(out / MANIFEST, manifest)
    if keys:
        write_json(out / SIGNED, seal(manifest, EXPORT_TYPE, keys))
    return sorted(path for path in out.iterdir() if path.is_file())


def heads() -> dict[str, dict[str, Any]]:
    """Return lines and head of each book; noted elsewhere, they date the whole ledger."""
    return {
        book: {"lines": len(ledger.read_lines(book)), "sha256": ledger.head(book)}
        for book in ledger.books()
    }


def decisions_csv() -> str:
    """Return a table of all decisions; what a spreadsheet would run as a formula is text."""
    written = io.StringIO()
    table = csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    table.writerow(COLUMNS)
    for line in ledger.read_lines():
        told = {**line.record, "sha256": line.sha256}
        table.writerow([escaped(_cell(name, told.get(name))) for name in COLUMNS])
    return written.getvalue()


def escaped(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula.

    Examples
    --------
    >>> escaped("=HYPERLINK(1)"), escaped("-2 points"), escaped("fine")
    ("'=HYPERLINK(1)", "'-2 points", 'fine')
    """
    starts = text.lstrip(" \t\r\n")
    risky = starts[:1] in ("=", "+", "-", "@") or text[:1] in ("\t", "\r", "\n")
    return f"'{text}" if risky else text


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
    return "; ".join(texts.get(name, str)(entry) for entry in value)


def _keys(book: str) -> list[dict[str, Any]]:
    return [
        {
            "key_id": m.key.key_id,
            "person": m.key.person,
            "public": m.key.public,
            "roles": list(m.roles),
            "since": m.since,
            "until": m.until,
        }
        for m in read_keyring(book).members
    ]
