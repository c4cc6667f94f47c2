"""What a number was made from: content hashes and package versions."""

import hashlib
import json
import platform
import sqlite3
import subprocess
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from aiops import home
from aiops.files import plain

PACKAGES = (
    "clinical-aiops",
    "torch",
    "monai",
    "scikit-learn",
    "mlflow",
    "fairlearn",
    "numpy",
    "pandas",
    "scipy",
    "nibabel",
)


def content_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, as 64 hexadecimal digits.

    Examples
    --------
    >>> content_hash(Path(__file__)) == content_hash(Path(__file__))
    True
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_hashes(paths: Iterable[Path]) -> dict[Path, str]:
    """Return the SHA-256 of each file that can be read; what was read before is remembered.

    A file is read again when its size or its time of change differs from what was remembered in
    ``AIOPS_HOME/cache/hashes.db``. A file that is not there is left out.
    """
    store = home.home() / "cache" / "hashes.db"
    store.parent.mkdir(parents=True, exist_ok=True)
    hashes: dict[Path, str] = {}
    connection = sqlite3.connect(store, timeout=60)
    try:
        connection.execute(
            "create table if not exists hashes (path text primary key, stamp text, sha256 text)"
        )
        for path in paths:
            try:
                stat = path.stat()
            except OSError:
                continue
            stamp = f"{stat.st_size} {stat.st_mtime_ns}"
            row = connection.execute(
                "select sha256 from hashes where path = ? and stamp = ?", (str(path), stamp)
            ).fetchone()
            hashes[path] = row[0] if row else content_hash(path)
            if not row:
                connection.execute(
                    "insert or replace into hashes values (?, ?, ?)",
                    (str(path), stamp, hashes[path]),
                )
        connection.commit()
    finally:
        connection.close()
    return hashes


def json_hash(value: Any) -> str:
    """Return the SHA-256 of `value` as JSON with sorted keys.

    Examples
    --------
    >>> json_hash({"a": 1, "b": 2}) == json_hash({"b": 2, "a": 1})
    True
    """
    text = json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def environment() -> dict[str, str]:
    """Return the versions of Python, the system and the packages; nothing of the process."""
    versions = {"python": platform.python_version(), "system": platform.system()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def code_version() -> str:
    """Return the commit of the program, with `+changed` where its files differ from it."""
    folder = Path(__file__).resolve().parent
    try:
        commit = _git(folder, "rev-parse", "--short=12", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return f"version {metadata.version('clinical-aiops')}"
    return f"{commit}{'+changed' if changed else ''}"


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
