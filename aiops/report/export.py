"""The shareable tables of a run as files: JSON and CSV to open, parquet to compute with."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from aiops.files import atomic, write_json, write_table
from aiops.report.files import RunFiles

FOLDER = "export"
KINDS = (".json", ".csv", ".parquet")

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""With one of these at its beginning, a spreadsheet takes a text for a formula and runs it."""


def write_export(files: RunFiles, folder: Path) -> list[Path]:
    """Write each shareable table as JSON, CSV and parquet, and drop those of an earlier run.

    Parameters
    ----------
    files : RunFiles
        As `shareable` made them: small counts are hidden already.
    folder : Path
        Where to; made if it is not there.

    Raises
    ------
    ValueError
        If `files` are those that stay with the team.
    """
    if not files.is_shareable:
        raise ValueError("files of single cases and small counts are not to be exported")
    written: list[Path] = []
    for name, frame in _tables(files):
        paths = [folder / f"{name}{kind}" for kind in KINDS]
        write_json(paths[0], frame.to_dict("records"))
        with atomic(paths[1]) as temporary:
            disarmed(frame).to_csv(temporary, index=False, lineterminator="\n")
        write_table(paths[2], frame)
        written += paths
    for old in folder.glob("*") if folder.is_dir() else ():
        if old.suffix in KINDS and old not in written:
            old.unlink()
    return written


def disarmed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table in which no text can be taken for a formula; numbers stay numbers.

    Examples
    --------
    >>> disarmed(pd.DataFrame({"group": ["=1+1", "women"], "value": [-0.5, 1.0]}))["group"].tolist()
    ["'=1+1", 'women']
    """
    columns = {
        name: frame[name].map(_disarmed_text)
        for name in frame.columns
        if not pd.api.types.is_numeric_dtype(frame[name])
        and not pd.api.types.is_bool_dtype(frame[name])
    }
    names = {name: _disarmed_text(name) for name in frame.columns}
    return frame.assign(**columns).rename(columns=names)


def _disarmed_text(value: object) -> object:
    # A leading blank does not help: some programs trim it before they look.
    if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA):
        return f"'{value}"
    return value


def _tables(files: RunFiles) -> Iterator[tuple[str, pd.DataFrame]]:
    everything = {"metrics": files.metrics, "gaps": files.gaps, **files.tables}
    for name, frame in everything.items():
        if not frame.empty:
            yield name, frame
