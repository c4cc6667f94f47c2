"""Files that are whole or not there: written under a temporary name, then renamed."""

import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiops import home
from aiops.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it into place when the block ends well.

    Parameters
    ----------
    path : Path
        Where the file shall be. Its folder is made if need be.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def plain(value: Any) -> Any:
    """Return `value` as JSON can hold it: what is missing, a nan or an infinity becomes null.

    Examples
    --------
    >>> plain({"value": float("nan"), "n": (1, 2)})
    {'value': None, 'n': [1, 2]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if type(value).__name__ in ("NAType", "NaTType"):  # pandas' own, without importing it
        return None
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        return plain(value.item())
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Path):
        return value.as_posix()
    return value


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON that a person can read."""
    write_text(path, json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write `text` in UTF-8."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_table(path: Path, frame: "pd.DataFrame") -> None:
    """Write a table as parquet."""
    with atomic(path) as temporary:
        frame.to_parquet(temporary, index=False)


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    DataError
        If the file is not there, is not UTF-8 text or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as fault:
        raise _missing(path) from fault
    except UnicodeDecodeError as fault:
        raise DataError(
            f"{path.name} is not UTF-8 text", where=str(path), fix=_mend(path, "JSON")
        ) from fault
    except json.JSONDecodeError as fault:
        raise DataError(
            f"{path.name} is not JSON: {fault.msg}",
            where=f"{path}:{fault.lineno}",
            fix=_mend(path, "JSON"),
        ) from fault
    except RecursionError as fault:
        raise DataError(
            f"{path.name} is not JSON that can be read: it is nested too deeply",
            where=str(path),
            fix=_mend(path, "JSON"),
        ) from fault


def read_table(path: Path) -> "pd.DataFrame":
    """Read a parquet table.

    Raises
    ------
    DataError
        If the file is not there, or is no table.
    """
    import pandas as pd

    if not path.exists():
        raise _missing(path)
    try:
        return pd.read_parquet(path)
    except (ValueError, OSError) as fault:  # pyarrow's ArrowInvalid is a ValueError
        raise DataError(
            f"{path.name} is not a readable table", where=str(path), fix=_mend(path, "parquet")
        ) from fault


def _missing(path: Path) -> DataError:
    fix = "run the stage that writes it first" if _is_ours(path) else "name a file that is there"
    return DataError(f"{path.name} is not there", where=str(path), fix=fix)


def _mend(path: Path, form: str) -> str:
    """Say what to do about a file that cannot be read: one of a person's own is never touched."""
    if _is_ours(path):
        return "move it aside and run the stage that writes it again, or restore it from a backup"
    return f"name the {form} file that is meant; this one stays as it is"


def _is_ours(path: Path) -> bool:
    """Return whether a file lies where the program writes."""
    return path.resolve().is_relative_to(home.home())
