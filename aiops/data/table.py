"""Tables as text: every cell is read as it was written, and what is missing is said, not guessed.

pandas reads the text ``None`` as missing and ``007`` as seven. Both have changed results in
hospitals, so cells stay text until a config says what they mean.
"""

import math
import re
import string
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aiops.config import NOT_RECORDED, Experiment, Scalar
from aiops.data.image_sets import npz_rows
from aiops.errors import DataError
from aiops.files import atomic
from aiops.lookup import nearest

SEPARATORS = {".csv": ",", ".csv.gz": ",", ".tsv": "\t", ".tsv.gz": "\t"}
KINDS = (*SEPARATORS, ".parquet", ".npz")

DISGUISES = frozenset(
    {"?", "n/a", "#n/a", "nan", "null", "unknown", "missing", "not recorded", "not available"}
)
"""Texts that can mean nothing but: not recorded. ``None`` and ``NA`` are names in some tables."""

_WORDS = {True: {"true", "yes", "on"}, False: {"false", "no", "off"}}
_FORMULA = re.compile(r"^\s*[=+\-@\t\r]")
_NUMBER = re.compile(r"^[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?$")


def suffix_of(path: Path) -> str:
    """Return the ending that says what a file is, ``.nii.gz`` and ``.csv.gz`` in one piece.

    Examples
    --------
    >>> suffix_of(Path("images/hippocampus_001.NII.gz"))
    '.nii.gz'
    """
    endings = [ending.lower() for ending in path.suffixes]
    if endings[-1:] == [".gz"]:
        return "".join(endings[-2:])
    return endings[-1] if endings else ""


def read_frame(path: Path, *, n_rows: int | None = None) -> pd.DataFrame:
    """Read a table with every cell as text; an empty cell is missing, nothing else is.

    Parameters
    ----------
    path : Path
        csv, csv.gz, tsv, tsv.gz or parquet; or an `.npz` set, whose images become rows.
    n_rows : int, optional
        Read no more than these.

    Returns
    -------
    DataFrame
        Columns of text.

    Raises
    ------
    DataError
        If the file is not there, cannot be read, is empty, or is of another kind.
    """
    kind = suffix_of(path)
    if kind not in KINDS:
        raise DataError(
            f"a table of the kind '{kind or path.name}' is not read",
            where=str(path),
            fix=f"save it as one of: {', '.join(KINDS)}",
        )
    if not path.is_file():
        raise DataError(
            "the table is not there",
            where=str(path),
            fix="look at data.table; a relative path starts at the config's folder",
        )
    if kind == ".npz":
        frame = npz_rows(path)
        return _each(frame, as_text)
    if kind == ".parquet":
        frame = _read_parquet(path, n_rows)
    else:
        frame = _read_delimited(path, SEPARATORS[kind], n_rows)
    repeated = frame.columns[frame.columns.duplicated()].unique()
    if len(repeated):
        raise DataError(
            f"the header names a column twice: {', '.join(map(repr, repeated))}",
            where=str(path),
            fix="give each column its own name",
        )
    if frame.empty:
        raise DataError("the table has no rows", where=str(path), fix="export it again")
    return frame


def _read_delimited(path: Path, separator: str, n_rows: int | None) -> pd.DataFrame:
    try:
        raw = pd.read_csv(
            path,
            sep=separator,
            dtype=str,
            header=None,
            na_filter=False,
            encoding="utf-8-sig",
            nrows=None if n_rows is None else n_rows + 1,
        )
    except UnicodeDecodeError as fault:
        raise DataError(
            "the table is not UTF-8 text", where=str(path), fix="save it again as UTF-8"
        ) from fault
    except (
        ValueError,
        OSError,
        EOFError,
    ) as fault:  # ParserError and EmptyDataError are ValueErrors
        raise DataError(
            f"the table cannot be read: {_first_line(fault)}",
            where=str(path),
            fix="open it in an editor at that place, or export it again",
        ) from fault
    header = [str(name).strip() for name in raw.iloc[0]]
    if len(header) == 1 and ";" in header[0] and separator == ",":
        raise DataError(
            "the columns are separated by ';', not by ','",
            where=str(path),
            fix="export it with commas, or as .tsv with tabs",
        )
    frame = raw.iloc[1:].reset_index(drop=True)
    frame.columns = pd.Index(header)
    return _each(frame, _stripped)


def _first_line(fault: BaseException) -> str:
    return (str(fault).splitlines() or [type(fault).__name__])[0]


def _each(frame: pd.DataFrame, meaning: Callable[[Any], Any]) -> pd.DataFrame:
    """Apply `meaning` once to each different cell of each column: tables repeat themselves."""
    columns = []
    for k in range(frame.shape[1]):
        column = frame.iloc[:, k].astype(object)
        mapped = column.map({cell: meaning(cell) for cell in column.dropna().unique()})
        columns.append(mapped.astype(object).where(mapped.notna(), None))
    return pd.concat(columns, axis=1)


def _stripped(cell: str) -> str | None:
    return cell.strip() or None


def _read_parquet(path: Path, n_rows: int | None) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(path)
    except (ValueError, OSError) as fault:  # pyarrow's ArrowInvalid is a ValueError
        raise DataError(
            "the table is not a readable parquet file", where=str(path), fix="export it again"
        ) from fault
    frame = frame.head(n_rows) if n_rows is not None else frame
    frame.columns = frame.columns.astype(str)
    return _each(_each(frame, as_text), _stripped)


def as_text(cell: Any) -> str | None:
    """Return a typed cell as the text a person would have written; missing is None.

    Examples
    --------
    >>> as_text(75.0), as_text(True), as_text(float("nan"))
    ('75', 'True', None)
    """
    if cell is None or cell is pd.NaT or cell is pd.NA:
        return None
    if isinstance(cell, float | np.floating):
        if math.isnan(cell):
            return None
        value = float(cell)
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else str(value)
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace")
    if isinstance(cell, pd.Timestamp):
        return cell.isoformat()
    return str(cell)


def number_of(text: str) -> float:
    """Return a cell's number, or nan when it is none.

    Examples
    --------
    >>> number_of("1e3"), number_of("12 mm")
    (1000.0, nan)
    """
    try:
        return float(text) if "_" not in text else math.nan
    except ValueError:
        return math.nan


def numbers(column: "pd.Series[Any]") -> NDArray[np.float64]:
    """Return a text column as numbers; what is missing or is no number is nan."""
    found = {text: number_of(text) for text in column.dropna().unique()}
    values = column.map(found).to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isfinite(values), values, np.nan)


def same(text: str, value: Scalar) -> bool:
    """Say whether a cell is the value a config names: as text, as a number, or as yes and no.

    YAML turns ``yes`` and ``NO`` into true and false, so these are compared as words again.

    Examples
    --------
    >>> same("1.0", 1), same("1", "1"), same("NO", False), same("None", "none")
    (True, True, True, False)
    """
    if isinstance(value, bool):
        return text.lower() in _WORDS[value] or number_of(text) == float(value)
    if isinstance(value, str):
        return text == value.strip() or (
            number_of(text) == number_of(value) and text.lower() != "nan"
        )
    return number_of(text) == value


def codes(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return a column of categories in which 1 and 1.0 are one, where all of its values are whole.

    Hospitals write one code in two ways. A column with a 250.01 in it holds codes of another kind,
    in which 250 and 250.0 may differ: it stays as written.

    Examples
    --------
    >>> codes(pd.Series(["1", "2.0", None])).tolist()
    ['1', '2', None]
    >>> codes(pd.Series(["250.0", "250.01"])).tolist()
    ['250.0', '250.01']
    """
    written = column.dropna().unique()
    if not all(re.fullmatch(r"[+-]?\d+(\.0*)?", str(text).strip()) for text in written):
        return column
    short = {text: str(text).strip().partition(".")[0] for text in written}
    return column.map(short).astype(object).where(column.notna(), None)


def among(column: "pd.Series[Any]", values: Iterable[Scalar]) -> "pd.Series[bool]":
    """Say for each cell whether it is one of `values`; a missing cell is none of them."""
    wanted = list(values)
    hits = {text for text in column.dropna().unique() if any(same(text, v) for v in wanted)}
    return column.isin(hits)


def recode(column: "pd.Series[Any]", names: Mapping[Scalar, str]) -> "pd.Series[Any]":
    """Return the names of a column's values; a value that is not in `names` becomes missing."""
    found = {
        text: next((name for value, name in names.items() if same(text, value)), None)
        for text in column.dropna().unique()
    }
    return column.map(found).astype(object).where(column.notna(), None)


def is_disguise(text: str) -> bool:
    """Say whether a text can mean nothing but: not recorded.

    Examples
    --------
    >>> is_disguise("N/A"), is_disguise("None")
    (True, False)
    """
    return text.strip().lower() in DISGUISES


def require_columns(frame: pd.DataFrame, wanted: Mapping[str, str], *, where: str) -> None:
    """Raise one error that names every column which is not there.

    Parameters
    ----------
    frame : DataFrame
        The table.
    wanted : mapping of str to str
        Column, and the key of the config that names it.
    where : str
        The table, for the error.

    Raises
    ------
    DataError
        If a column is not in the table.
    """
    absent = {column: key for column, key in wanted.items() if column not in frame.columns}
    if not absent:
        return
    columns = [str(column) for column in frame.columns]
    said = []
    for column, key in absent.items():
        guess = nearest(column, columns)
        said.append(f"'{column}' ({key}{f'; did you mean {guess!r}?' if guess else ''})")
    count = "a column is" if len(said) == 1 else f"{len(said)} columns are"
    raise DataError(
        f"{count} not in the table: {', '.join(said)}",
        where=where,
        fix=f"the table has: {', '.join(columns[:60])}{' …' if len(columns) > 60 else ''}",
    )


def table_path(experiment: Experiment, *, config_path: Path | None) -> Path:
    """Return the path of a config's table; a relative one starts at the config's folder."""
    start = config_path.resolve().parent if config_path else Path.cwd()
    return (start / Path(experiment.data.table).expanduser()).resolve()


def check_columns(experiment: Experiment, *, config_path: Path | None = None) -> Path:
    """Check that a config's table is there and has every column the config names.

    Returns
    -------
    Path
        The table.

    Raises
    ------
    DataError
        If the table cannot be read, or lacks columns: all are named at once.
    """
    path = table_path(experiment, config_path=config_path)
    require_columns(read_frame(path, n_rows=1), columns_of(experiment), where=str(path))
    return path


def columns_of(experiment: Experiment) -> dict[str, str]:
    """Return every column a config needs, with the key that names it."""
    data = experiment.data
    named: list[tuple[str | None, str]] = [(data.case, "data.case")]
    if data.patient != NOT_RECORDED:
        named.append((data.patient, "data.patient"))
    if data.study:
        named.append((data.study.column, "data.study.column"))
    sources = data.image if isinstance(data.image, dict) else {"": data.image}
    for channel, source in sources.items():
        key = f"data.image.{channel}" if channel else "data.image"
        named += [(column, key) for column in columns_in(source)]
    named += [(column, "data.label") for column in columns_in(data.label)]
    named += [(column, f"data.exclude.{column}") for column in data.exclude]
    named += [(column, f"data.missing_in.{column}") for column in data.missing_in]
    named += [(a.column, f"data.attributes.{n}.column") for n, a in data.attributes.items()]
    for name, target in experiment.findings.items():
        named += [(target.label, f"targets.{name}.label"), (target.score, f"targets.{name}.score")]
    if data.features:
        named += [(column, "data.features.numeric") for column in data.features.numeric]
        named += [(column, "data.features.categorical") for column in data.features.categorical]
    named.append((experiment.split.column, "split.column"))
    wanted: dict[str, str] = {}
    for column, key in named:
        # {case_id} in a pattern is the case, whatever its column is called.
        is_case = column == "case_id" and key.startswith(("data.image", "data.label"))
        if column is not None and not (is_case and data.case != "case_id"):
            wanted.setdefault(column, key)
    return wanted


def columns_in(source: str | None) -> list[str]:
    """Return the columns that a column's name or a pattern refers to.

    Examples
    --------
    >>> columns_in("images/{case_id}.nii.gz"), columns_in("file")
    (['case_id'], ['file'])
    """
    if source is None:
        return []
    if "{" not in source:
        return [source]
    return [name for _, name, _, _ in string.Formatter().parse(source) if name]


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write a table as CSV in which no cell can act as a formula in a spreadsheet.

    A text that begins with ``=``, ``+``, ``-``, ``@`` or a tab, and is no number, gets a leading
    apostrophe.
    """
    with atomic(path) as temporary:
        escape_formulas(frame).to_csv(temporary, index=False, lineterminator="\n")


def escape_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table with an apostrophe before each text that a spreadsheet would run.

    Examples
    --------
    >>> escape_formulas(pd.DataFrame({"note": ["=1+1", "-3.5", "fine"]}))["note"].tolist()
    ["'=1+1", '-3.5', 'fine']
    """
    return _each(frame, _escape).rename(columns=_escape)


def _escape(cell: Any) -> Any:
    if isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.match(cell.strip()):
        return f"'{cell}"
    return cell
