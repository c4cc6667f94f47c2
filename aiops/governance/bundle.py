"""A bundle: the bytes that a decision names, with all that somebody needs to check them.

``MANIFEST.json`` names every file with its SHA-256 and size. Of these the decision itself names
weights, plan, config, report and the rules it was made under; the ring of keys that its signatures
are checked by lies beside it. `bundle_check` says what that proves, and what it does not.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiops.files import write_json
from aiops.governance import ledger
from aiops.provenance import content_hash, json_hash

MANIFEST, DECISION, KEYRING = "MANIFEST.json", "decision.json", "keyring.jsonl"
LIFECYCLE, REPORT = "lifecycle.json", "report.html"
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
    names = names_in(folder)
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


def line_of(line: ledger.Line) -> dict[str, Any]:
    """Return a line of the ledger as it stands in the file."""
    return {"record": line.record, **line.attached, "sha256": line.sha256}


def names_in(folder: Path) -> list[str]:
    """Return the files of a bundle but for its manifest, in the order of their names."""
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in paths if name != MANIFEST)
