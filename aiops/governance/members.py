"""Whether the weights of a run are those that were trained, and so those that were evaluated.

``training.json`` names the digest of each member as training left it. A decision names the bytes
it found: only when both agree are its figures those of these weights.
"""

from pathlib import Path

from aiops.files import read_json
from aiops.governance.bundle import WEIGHTS
from aiops.provenance import content_hash, json_hash


def changed_members(run_dir: Path) -> list[str]:
    """Return the members of a run whose saved model is not the one that was trained.

    A run without ``training.json``, such as that of a vendor's tool, has no members.
    """
    path = run_dir / "training.json"
    trained = read_json(path)["members"] if path.exists() else {}
    return [
        name
        for name, told in trained.items()
        if member_digest(run_dir / WEIGHTS / name) != told["digest"]
    ]


def member_digest(folder: Path) -> str:
    """Return the digest of a member as training computes it; empty where nothing is saved."""
    from models.inference import CARD, saved_digest

    if (folder / CARD).is_file():
        try:
            return saved_digest(folder)
        except (OSError, ValueError, KeyError):
            return ""
    tables = {path.stem: content_hash(path) for path in folder.glob("*.skops")}
    return json_hash(tables) if tables else ""
