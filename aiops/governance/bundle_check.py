"""Checking a bundle: is it whole, may it be used, and what proves that somebody approved it.

Who can write the whole folder can write another whole folder, with a decision and keys of its own.
So a bundle proves nothing by itself. What proves it is a ledger that holds the decision, or a ring
of keys that the reader knows from elsewhere; without either it is unproven, which is no fault and
no proof.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiops.errors import AiopsError, ConfigError, DataError
from aiops.files import read_json
from aiops.governance import ledger
from aiops.governance.bundle import (
    DECISION,
    IN_BUNDLE,
    KEYRING,
    LIFECYCLE,
    MANIFEST,
    RELEASES,
    REPORT,
    WEIGHTS,
    digests_of,
    names_in,
)
from aiops.governance.held import approval_faults, recorded_faults
from aiops.governance.in_use import purpose_of, use_faults
from aiops.governance.kept_rules import lifecycle_sha256
from aiops.governance.keyring import KEYS, Keyring, book_of, fold
from aiops.governance.lawful import rules_of
from aiops.governance.lifecycle import APPROVALS, Lifecycle, parse_lifecycle
from aiops.governance.usecase import registered
from aiops.provenance import content_hash, json_hash

BOUND_FILES = (DECISION, LIFECYCLE, "plan.json", "resolved.yaml")
"""Files that the decision names by their bytes, beside weights and report."""


@dataclass(frozen=True)
class BundleCheck:
    """What a look at a bundle found.

    Parameters
    ----------
    manifest : mapping
        Its ``MANIFEST.json``.
    faults : tuple of str
        What is wrong.
    proof : tuple of str
        What proves that the decision was made; empty when nothing does.
    unproven : tuple of str
        Why nothing proves it, and what would.
    notes : tuple of str
        What it rests on, and what nobody vouches for.
    """

    manifest: Mapping[str, Any]
    faults: tuple[str, ...]
    proof: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def result(self) -> str:
        """``fault``, ``unproven`` or ``proven``."""
        if self.faults:
            return "fault"
        return "unproven" if self.unproven or not self.proof else "proven"


@dataclass
class _Bundle:
    """A bundle as it is looked at, and what was found so far."""

    folder: Path
    manifest: Mapping[str, Any]
    line: Mapping[str, Any]
    cycle: Lifecycle | None
    faults: list[str] = field(default_factory=list)
    proof: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def record(self) -> Mapping[str, Any]:
        told: Mapping[str, Any] = self.line["record"]
        return told

    @property
    def attached(self) -> dict[str, Any]:
        return {key: told for key, told in self.line.items() if key not in ("record", "sha256")}


def check_bundle(
    folder: Path, ring: Path | None = None, lifecycle: Path | None = None
) -> BundleCheck:
    """Look at every byte of a bundle, at the decision that it names, and at what proves it.

    Parameters
    ----------
    folder : Path
        The bundle.
    ring : Path, optional
        A keyring.jsonl that came another way than the bundle.
    lifecycle : Path, optional
        A lifecycle.yaml or lifecycle.json that came another way than the bundle.

    Raises
    ------
    DataError
        If the folder is no bundle.
    ConfigError
        If `ring` or `lifecycle` cannot be read.
    """
    manifest = _manifest(folder)
    keys = _events_of(ring) if ring is not None else None
    known = _read_rules(lifecycle) if lifecycle is not None else None
    faults = list(_file_faults(folder, manifest))
    if not _is_plain(folder / DECISION):
        return BundleCheck(manifest, tuple(faults))
    try:
        line = json.loads((folder / DECISION).read_text(encoding="utf-8"))
        found = _Bundle(folder, manifest, line, _rules_in(folder, line["record"]), faults)
        found.faults += _decision_faults(found)
        found.faults += _manifest_faults(found)
        _look_for_proof(found, keys, known)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as fault:
        faults.append(f"{DECISION} does not read as a decision: {type(fault).__name__}")
        return BundleCheck(manifest, tuple(faults))
    told = (tuple(getattr(found, n)) for n in ("faults", "proof", "unproven", "notes"))
    return BundleCheck(manifest, *told)


def _look_for_proof(
    found: _Bundle, keys: list[dict[str, Any]] | None, known: Lifecycle | None
) -> None:
    record, number = found.record, found.record["id"]
    mine = [one for one in ledger.read_lines() if one.record.get("use_case") == record["use_case"]]
    same = [one for one in mine if one.record.get("id") == number]
    book = book_of(str(record["use_case"]))
    if keys is not None:
        _prove_by_ring(found, fold(keys, book), known)
    if same and same[0].sha256 == found.line["sha256"]:
        _prove_by_ledger(found, [one.record for one in mine])
    elif same:
        found.faults.append(f"the ledger here holds another {number}")
    elif keys is not None:
        found.notes.append(
            f"no ledger here holds {number}: whether it was stopped since, only the one that "
            "released it can tell"
        )
    elif ledger.read_lines():
        found.faults.append(
            f"the ledger here does not know {number}; if it came from elsewhere, "
            "name keys that you know from there: --ring FILE"
        )
    else:
        try:
            keyring = fold(_events_of(found.folder / KEYRING), book)
            found.faults += approval_faults(record, found.attached, found.cycle, keyring)
        except ConfigError as fault:
            found.faults.append(f"{KEYRING}: {fault.what}")
        found.unproven.append(
            f"no ledger is here, and the keys in a bundle prove nothing of the bundle: whether "
            f"{number} was ever made is not known; --ring FILE names keys that came another way"
        )


def _prove_by_ledger(found: _Bundle, decisions: list[Mapping[str, Any]]) -> None:
    """Hold the decision to the ledger here: its signatures, its release, what came after it."""
    record = found.record
    found.faults += [str(fault.what) for fault in ledger.verify()]
    found.faults += recorded_faults(str(record["id"]))
    released = {event.get("manifest_sha256") for event in ledger.read_all(RELEASES)}
    if found.manifest["sha256"] not in released:
        found.faults.append(f"the ledger here knows of no release with this {MANIFEST}")
    case = registered(str(record["case_id"]))
    if case is None:
        found.faults.append(f"{record['case_id']} is not in the register here")
    else:
        stops = use_faults(case, record, decisions)
        found.faults += [f"not to be used: {told}" for told in stops]
    if not found.faults:
        found.proof.append(f"the ledger here holds {record['id']}, and its release of these files")


def _prove_by_ring(found: _Bundle, ring: Keyring, known: Lifecycle | None) -> None:
    """Hold the decision to keys that are known from elsewhere."""
    record, number = found.record, found.record["id"]
    if faults := approval_faults(record, found.attached, found.cycle, ring):
        found.faults += faults
    elif not record["signed_by"]:
        found.unproven.append(
            f"{number} is {record['grade']}, and nobody signed it: only the ledger that released "
            "it can prove it"
        )
    elif rules_of(record) is None and known != found.cycle:
        found.unproven.append(
            f"the rules in {LIFECYCLE} that say who had to sign {number} are not known here: "
            "--lifecycle FILE names those that came another way"
        )
    else:
        found.proof += [
            f"signed by {s['person']} as {s['role']}, key {s['key_id'][:16]} of the ring you named"
            for s in record["signed_by"]
        ]
        loose = [name for name in names_in(found.folder) if not _is_bound(name, record)]
        if loose:
            found.notes.append(f"not named by {number}, so these keys do not vouch for it: "
                               f"{', '.join(loose)}")  # fmt: skip


def _is_bound(name: str, record: Mapping[str, Any]) -> bool:
    if name == REPORT:
        return bool(record.get("report_sha256"))
    return name in BOUND_FILES or name.startswith(f"{WEIGHTS}/")


def _rules_in(folder: Path, record: Mapping[str, Any]) -> Lifecycle | None:
    """Return the rules in a bundle, if they are those that the decision names."""
    path = folder / LIFECYCLE
    if not _is_plain(path):
        return None
    try:
        cycle = parse_lifecycle(read_json(path), where=str(path))
    except AiopsError:
        return None
    return cycle if lifecycle_sha256(cycle) == record.get("lifecycle_sha256") else None


def _read_rules(path: Path) -> Lifecycle:
    import yaml

    try:
        return parse_lifecycle(yaml.safe_load(path.read_text(encoding="utf-8")), where=str(path))
    except (yaml.YAMLError, UnicodeDecodeError) as fault:
        raise ConfigError(
            "this is no lifecycle", where=str(path), fix="name a lifecycle.yaml or lifecycle.json"
        ) from fault


def read_ring(path: Path, book: str = KEYS) -> Keyring:
    """Read a ring of keys from a file.

    Raises
    ------
    ConfigError
        If it is none.
    """
    return fold(_events_of(path), book)


def _events_of(path: Path) -> list[dict[str, Any]]:
    """Return the events of a ring that lies in a file."""
    if not _is_plain(path):
        return []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        events = [dict(json.loads(line)["record"]) for line in lines]
        if all("at" in event and "payload" in event["envelope"] for event in events):
            return events
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise ConfigError(
        "this is no ring of keys",
        where=str(path),
        fix=f"name the {KEYRING} of the ledger that released it, as its people handed it to you",
    )


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        told = read_json(path) if _is_plain(path) or not path.exists() else None
    except UnicodeDecodeError:
        told = None
    manifest = dict(told) if isinstance(told, dict) and told.get("kind") == "bundle" else {}
    files = manifest.get("files")
    if not isinstance(files, list) or not all(
        isinstance(f, dict) and {"path", "sha256", "bytes"} <= f.keys() for f in files
    ):
        raise DataError(
            f"this {MANIFEST} is not that of a bundle",
            where=str(path),
            fix="name the folder that `aiops release` wrote, or ask for it again",
        )
    return manifest


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _file_faults(folder: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    told = {key: value for key, value in manifest.items() if key != "sha256"}
    written = (folder / MANIFEST).read_text(encoding="utf-8")
    is_as_written = written == json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    if json_hash(told) != manifest.get("sha256") or not is_as_written:  # a key may stand twice
        yield f"{MANIFEST} was edited: it does not match its own SHA-256"
    named = {str(file["path"]): file for file in manifest["files"]}
    there = set(names_in(folder))
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            yield f"{name} is a link, not a file"
        elif path.is_dir() and not any(path.iterdir()):
            yield f"{name} is an empty folder: {MANIFEST} names nothing in it"
        elif not path.is_dir() and not path.is_file():
            yield f"{name} is no plain file: a pipe, a device or a socket"
    for name in sorted(there - named.keys()):
        yield f"{name} is extra: {MANIFEST} does not name it"
    for name, file in named.items():
        if name not in there:
            yield f"{name} is missing"
        elif (size := (folder / name).stat().st_size) != file["bytes"]:
            yield f"{name} was changed: {size} bytes, not {file['bytes']}"
        elif content_hash(folder / name) != file["sha256"]:
            yield f"{name} was changed: its SHA-256 is another"
    for name in (DECISION, LIFECYCLE):
        if name not in named:
            yield f"{name} is not in it: {MANIFEST} names none"


def _decision_faults(found: _Bundle) -> list[str]:
    """Say where the decision in a bundle is not the one it names, or names other bytes."""
    record, line, manifest = found.record, found.line, found.manifest
    number = record["id"]
    faults = []
    if line["sha256"] != _line_sha256(line):
        faults.append(f"{DECISION} was edited: it does not match its own SHA-256")
    if [number, line["sha256"]] != [manifest.get("decision"), manifest.get("decision_sha256")]:
        faults.append(f"{MANIFEST} names another decision than {DECISION} holds")
    if record["outcome"] not in APPROVALS:
        faults.append(f"{number} is no approval: {record['outcome']}")
    if _is_plain(found.folder / LIFECYCLE) and found.cycle is None:
        faults.append(f"{LIFECYCLE} is not the one that {number} was made under")
    named: dict[str, str] = next((s.get("digests", {}) for s in record["subject"]), {})
    there = digests_of(found.folder)
    for name, says in IN_BUNDLE.items():
        if there.get(name) != named.get(name):
            faults.append(f"{says} that {number} names")
    report = found.folder / REPORT
    if _is_plain(report) and record.get("report_sha256"):
        if content_hash(report) != record["report_sha256"]:
            faults.append(f"{REPORT} is not the one that was on the table for {number}")
    elif _is_plain(report):
        found.notes.append(f"{number} names no report: {REPORT} is not bound to it")
    return faults


def _manifest_faults(found: _Bundle) -> list[str]:
    """Say where the manifest tells of the decision what the decision does not say."""
    return [
        f"{MANIFEST}: '{name}' is not as {found.record['id']} has it"
        for name, says in facts_of(found.record, found.cycle).items()
        if found.manifest.get(name) != says
    ]


def facts_of(record: Mapping[str, Any], cycle: Lifecycle | None) -> dict[str, Any]:
    """Return what a manifest tells of the decision that it names."""
    subject = record["subject"][0]
    same = ("case_id", "use_case", "outcome", "gate_step", "grade", "expires_at")
    return {
        **{name: record[name] for name in same},
        "for": purpose_of(record, cycle),
        "product": subject["product"],
        "digests": subject["digests"],
    }


def _line_sha256(line: Mapping[str, Any]) -> str:
    """Return the sum of a ledger line: of its record, or of all it holds beside its sum."""
    told = {key: value for key, value in line.items() if key != "sha256"}
    return ledger.record_sha256(told if len(told) > 1 else told["record"])
