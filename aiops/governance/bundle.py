"""A bundle: the bytes that a decision names, with all that somebody needs to check them.

``MANIFEST.json`` names every file with its SHA-256 and size. Of these the decision itself names
weights, plan, config and evaluation; the ring of keys that vouches for its signatures lies beside
it. Who can write the whole folder can write another whole folder: what proves a bundle is a ledger
that holds the decision, or keys that the reader knows from elsewhere.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from aiops.errors import DataError, LedgerError
from aiops.files import read_json, write_json
from aiops.governance import ledger
from aiops.governance.keyring import Keyring, book_of, fold
from aiops.governance.lifecycle import APPROVALS
from aiops.governance.record import statement_of
from aiops.governance.signing import DECISION_TYPE, check
from aiops.provenance import content_hash, json_hash

MANIFEST, DECISION, KEYRING = "MANIFEST.json", "decision.json", "keyring.jsonl"
RELEASES = "releases"
"""Book of the ledger in which each release is one line."""

WEIGHTS = "model"
"""Folder of the weights, in a run as in a bundle."""

BOUND = {"plan": "plan.json", "config": "resolved.yaml", "data": "cases.parquet",
         "evaluation": "evaluation.json"}  # fmt: skip
"""Files of a run that a decision names by their digest, beside weights or predictions."""

IN_BUNDLE = {"weights": "the weights are not those", "plan": "plan.json is not the one",
             "config": "resolved.yaml is not the one"}  # fmt: skip
"""Of these, what a bundle holds itself; data, and an evaluation with small counts, stay."""

PREDICTIONS = ("predictions.parquet", "masks.parquet")


@dataclass(frozen=True)
class BundleCheck:
    """What a look at a bundle found: faults, and words on what it rests on."""

    manifest: Mapping[str, Any]
    faults: tuple[str, ...]
    notes: tuple[str, ...]


def digests_of(folder: Path) -> dict[str, str]:
    """Return the digests that name a run's bytes: weights, plan, config, data, evaluation.

    Parameters
    ----------
    folder : Path
        A run, or a bundle (which holds no data). A vendor's tool has no weights here: its
        predictions stand for it.
    """
    found = {
        name: content_hash(folder / file)
        for name, file in BOUND.items()
        if (folder / file).exists()
    }
    weights = {
        path.relative_to(folder).as_posix(): content_hash(path)
        for path in sorted((folder / WEIGHTS).rglob("*"))
        if path.is_file()
    }
    if weights:
        return {"weights": json_hash(weights), **found}
    for name in PREDICTIONS:
        if (folder / name).exists():
            return {"predictions": content_hash(folder / name), **found}
    return found


def product_of(run_dir: Path) -> str:
    """Return product and version of the vendor's tool a run evaluated; empty for our own model."""
    import yaml

    path = run_dir / "resolved.yaml"
    told = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
    vendor = told.get("vendor") or {}
    return " ".join(str(vendor[k]) for k in ("supplier", "product", "version") if vendor.get(k))


def write_manifest(folder: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write ``MANIFEST.json``: every file with its digest and size, and the sum of all that."""
    names = _names(folder)
    sizes = {name: (folder / name).stat().st_size for name in names}
    told = {
        "kind": "bundle",
        "schema": 1,
        **facts,
        "files": [
            {"path": name, "sha256": content_hash(folder / name), "bytes": sizes[name]}
            for name in names
        ],
        "bytes": sum(sizes.values()),
    }
    manifest = {**told, "sha256": json_hash(told)}
    write_json(folder / MANIFEST, manifest)
    return manifest


def check_bundle(folder: Path) -> BundleCheck:
    """Look at every byte of a bundle, and at the decision that it names.

    Raises
    ------
    DataError
        If the folder is no bundle.
    """
    manifest = _manifest(folder)
    faults, notes = [*_file_faults(folder, manifest)], list[str]()
    if (folder / DECISION).is_file():
        try:
            line = json.loads((folder / DECISION).read_text(encoding="utf-8"))
            faults += _decision_faults(folder, manifest, line)
            more, notes = _vouching(folder, manifest, line)
            faults += more
        except (ValueError, KeyError, TypeError, AttributeError) as fault:
            faults.append(f"{DECISION} does not read as a decision: {type(fault).__name__}")
    return BundleCheck(manifest, tuple(faults), tuple(notes))


def line_of(line: ledger.Line) -> dict[str, Any]:
    """Return a line of the ledger as it stands in the file."""
    return {"record": line.record, **line.attached, "sha256": line.sha256}


def signature_faults(
    record: Mapping[str, Any], attached: Mapping[str, Any], ring: Keyring
) -> list[str]:
    """Return what is wrong with the signatures that a decision says it carries.

    Parameters
    ----------
    record, attached : mapping
        The record, and what stands beside it: its envelope.
    ring : Keyring
        Keys it is checked by.
    """
    said = record.get("signed_by", [])
    if not said and record.get("grade") == "signed":
        return [f"{record['id']} says that it is signed, and names nobody"]
    if not said:
        return [f"{record['id']} is not signed: {record.get('grade', 'recorded')}"]
    if "envelope" not in attached:
        return [f"{record['id']} says that it is signed, and has no envelope"]
    told = check(attached["envelope"], DECISION_TYPE, ring.public_keys())
    faults = [*ring.faults, *told.faults]
    if told.statement != statement_of(record):
        faults.append(f"what was signed is not what {record['id']} says")
    held = {key.key_id for key in told.signed_by}
    members = {m.key.key_id: m for m in ring.in_force(record["created_at"])}
    for signer in said:
        member = members.get(signer["key_id"])
        if member is None or signer["key_id"] not in held:
            faults.append(f"the signature of {signer['person']} does not hold")
        elif signer["role"] not in member.roles or signer["person"] != member.key.person:
            faults.append(f"{signer['person']} did not hold the role {signer['role']}")
    roles, count = _required(record["signatures_required"])
    lacking = [role for role in roles if role not in {signer["role"] for signer in said}]
    if record["grade"] == "signed" and len(roles) - len(lacking) < count:
        faults.append(f"{record['id']} is not signed by: {', '.join(lacking)}")
    if len({signer["person"] for signer in said}) < len(said):
        faults.append("one person signed twice")
    return faults


def _required(told: Sequence[str]) -> tuple[list[str], int]:
    """Return the roles that a decision names, and how many of them; all, or ``2 of: a, b``."""
    if len(told) == 1 and " of: " in told[0]:
        count, _, roles = told[0].partition(" of: ")
        return roles.split(", "), int(count)
    return list(told), len(told)


def _vouching(
    folder: Path, manifest: Mapping[str, Any], line: Mapping[str, Any]
) -> tuple[list[str], list[str]]:
    """Return what is wrong with what vouches for the decision, and who does."""
    record = line["record"]
    faults, notes = _in_ledger(manifest, line)
    is_known = bool(notes)
    attached = {key: value for key, value in line.items() if key not in ("record", "sha256")}
    try:
        unsigned = signature_faults(record, attached, _ring(folder, record["use_case"]))
    except LedgerError as fault:
        unsigned = [fault.what]
    if not unsigned:
        notes += [
            f"signed by {s['person']} as {s['role']}, key {s['key_id'][:16]} of the ring in here"
            for s in record["signed_by"]
        ]
    elif record.get("signed_by") or record.get("grade") == "signed":
        faults += unsigned
    if unsigned and not is_known:
        faults.append(f"no ledger here holds {record['id']}, and no signature vouches for it")
    return faults, notes


def _in_ledger(manifest: Mapping[str, Any], line: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Look the decision and the release up in the ledger at hand, if there is one."""
    record = line["record"]
    mine = [one for one in ledger.read_lines() if one.record.get("use_case") == record["use_case"]]
    same = [one for one in mine if one.record["id"] == record["id"]]
    if not same:
        return [], []
    if same[0].sha256 != line["sha256"]:
        return [f"the ledger here holds another {record['id']}"], []
    released = {event["manifest_sha256"] for event in ledger.read_all(RELEASES)}
    faults = [str(fault.what) for fault in ledger.verify()]
    if manifest["sha256"] not in released:
        faults.append(f"the ledger here knows of no release with this {MANIFEST}")
    later = [one.record for one in mine[mine.index(same[0]) + 1 :]]
    stopped = [r for r in later if r["outcome"] not in (*APPROVALS, "re-review", "resume")]
    if stopped and later[-1]["outcome"] not in (*APPROVALS, "resume"):
        faults.append(f"not to be used: {stopped[-1]['id']} {stopped[-1]['outcome']} came after it")
    ends = record.get("expires_at")
    if ends and ends <= date.today().isoformat():
        faults.append(f"not to be used: {record['id']} lapsed on {ends}")
    return faults, [f"the ledger here holds {record['id']}"]


def _ring(folder: Path, use_case: str) -> Keyring:
    path = folder / KEYRING
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return fold([json.loads(line)["record"] for line in lines], book_of(use_case))


def _names(folder: Path) -> list[str]:
    """Return the files of a bundle but for its manifest, in the order of their names."""
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in paths if name != MANIFEST)


def _manifest(folder: Path) -> dict[str, Any]:
    told = read_json(folder / MANIFEST)
    is_whole = isinstance(told, dict) and told.get("kind") == "bundle"
    files = told.get("files") if is_whole else None
    if not isinstance(files, list) or not all(
        isinstance(f, dict) and {"path", "sha256", "bytes"} <= f.keys() for f in files
    ):
        raise DataError(
            f"this {MANIFEST} is not that of a bundle",
            where=str(folder / MANIFEST),
            fix="name the folder that `aiops release` wrote, or ask for it again",
        )
    return dict(told)


def _file_faults(folder: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    told = {key: value for key, value in manifest.items() if key != "sha256"}
    if json_hash(told) != manifest.get("sha256"):
        yield f"{MANIFEST} was edited: it does not match its own SHA-256"
    named = {str(file["path"]): file for file in manifest["files"]}
    there = set(_names(folder))
    for name in sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")):
        if (folder / name).is_symlink():
            yield f"{name} is a link, not a file"
    for name in sorted(there - named.keys()):
        yield f"{name} is extra: {MANIFEST} does not name it"
    for name, file in named.items():
        if name not in there:
            yield f"{name} is missing"
        elif (size := (folder / name).stat().st_size) != file["bytes"]:
            yield f"{name} was changed: {size} bytes, not {file['bytes']}"
        elif content_hash(folder / name) != file["sha256"]:
            yield f"{name} was changed: its SHA-256 is another"
    if DECISION not in named:
        yield f"no decision: {MANIFEST} names no {DECISION}"


def _decision_faults(
    folder: Path, manifest: Mapping[str, Any], line: Mapping[str, Any]
) -> list[str]:
    record = line["record"]
    faults = []
    if line["sha256"] != _line_sha256(line):
        faults.append(f"{DECISION} was edited: it does not match its own SHA-256")
    if [record["id"], line["sha256"]] != [
        manifest.get("decision"),
        manifest.get("decision_sha256"),
    ]:
        faults.append(f"{MANIFEST} names another decision than {DECISION} holds")
    if record["outcome"] not in APPROVALS:
        faults.append(f"{record['id']} is no approval: {record['outcome']}")
    named: dict[str, str] = next((s.get("digests", {}) for s in record["subject"]), {})
    there = digests_of(folder)
    for name, says in IN_BUNDLE.items():
        if there.get(name) != named.get(name):
            faults.append(f"{says} that {record['id']} names")
    return faults


def _line_sha256(line: Mapping[str, Any]) -> str:
    """Return the sum of a ledger line: of its record, or of all it holds beside its sum."""
    told = {key: value for key, value in line.items() if key != "sha256"}
    return ledger.record_sha256(told if len(told) > 1 else told["record"])
