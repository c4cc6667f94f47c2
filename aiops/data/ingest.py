"""Ingest: a folder or a set of images, and a table of attributes, become a cases table."""

import hashlib
import hmac
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from aiops import home
from aiops.data.findings import Finding, finding
from aiops.data.pairing import pair_files
from aiops.data.table import read_frame, require_columns, write_csv
from aiops.errors import DataError


@dataclass(frozen=True)
class IngestReport:
    """What an ingest wrote, and what found no partner.

    Parameters
    ----------
    table : Path
        The cases table.
    n_cases, n_patients : int
        Rows, and patients; None where no patient is known.
    findings : tuple of Finding
        Images without a label, labels without an image.
    without_attributes, without_files : tuple of str
        Cases that the attributes table lacks, and rows of it that have no file.
    key : Path or None
        File of the key of the pseudonyms.
    """

    table: Path
    n_cases: int
    n_patients: int | None
    findings: tuple[Finding, ...]
    without_attributes: tuple[str, ...]
    without_files: tuple[str, ...]
    key: Path | None

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON can hold it."""
        return {
            **asdict(self),
            "table": str(self.table),
            "key": str(self.key) if self.key else None,
        }

    def lines(self) -> list[str]:
        """Return the report as a person reads it."""
        patients = "" if self.n_patients is None else f", {self.n_patients} patients"
        said = [f"{self.table}: {self.n_cases} cases{patients}"]
        if self.key:
            said.append(f"ids are pseudonyms; the key that makes them is {self.key}: keep it safe")
        said += [f"left out: {f.file}: {f.detail}. {f.remedy}" for f in self.findings]
        if self.without_attributes:
            names = ", ".join(self.without_attributes[:5])
            said.append(f"{len(self.without_attributes)} cases have no row of attributes: {names}")
        if self.without_files:
            names = ", ".join(self.without_files[:5])
            said.append(f"{len(self.without_files)} rows of attributes have no file: {names}")
        return said


def ingest(
    source: Path,
    *,
    out: Path,
    attributes: Path | None = None,
    case_column: str = "case_id",
    patient_column: str | None = None,
    pseudonyms: bool = True,
) -> IngestReport:
    """Write a cases table for a folder of images (and labels), or for an `.npz` set.

    Files are neither copied nor changed; the table names them relative to its own folder.

    Parameters
    ----------
    source : Path
        Folder, read by `pair_files`, or `.npz` set.
    out : Path
        The cases table (csv), written whole or not at all.
    attributes : Path, optional
        Table with one row per case.
    case_column, patient_column : str
        Its columns that name the case and the patient.
    pseudonyms : bool, default=True
        Replace case and patient ids by keyed pseudonyms (HMAC-SHA256). The key is made once, in
        ``AIOPS_HOME/keys``, readable by its owner alone; with it the ids can be found again.

    Returns
    -------
    IngestReport
        With what found no partner.

    Raises
    ------
    DataError
        If there is nothing to read, or the attributes table lacks a column or repeats a case.
    """
    frame, unpaired = _rows_of(source, out)
    without_attributes: list[str] = []
    without_files: list[str] = []
    if attributes is not None:
        told = _read_attributes(attributes, case_column, patient_column)
        without_attributes = sorted(set(frame["case_id"]) - set(told["case_id"]))
        without_files = sorted(set(told["case_id"]) - set(frame["case_id"]))
        new = [c for c in told.columns if c == "case_id" or c not in frame.columns]
        frame = frame.merge(told[new], on="case_id", how="left", validate="one_to_one")
    key = None
    if pseudonyms:
        key = key_file()
        secret = key.read_bytes()
        frame = _under_pseudonyms(frame, secret)
        without_attributes = [pseudonym(c, secret, prefix="c") for c in without_attributes]
        without_files = [pseudonym(c, secret, prefix="c") for c in without_files]
    write_csv(out, frame)
    return IngestReport(
        table=out,
        n_cases=len(frame),
        n_patients=int(frame["patient_id"].nunique()) if "patient_id" in frame.columns else None,
        findings=tuple(unpaired),
        without_attributes=tuple(without_attributes),
        without_files=tuple(without_files),
        key=key,
    )


def _rows_of(source: Path, out: Path) -> tuple[pd.DataFrame, list[Finding]]:
    """Return case_id, image and label of each case, and what has no partner."""
    start = out.resolve().parent
    if source.suffix.lower() == ".npz":
        frame = read_frame(source)
        frame["image"] = frame["image"].map(lambda ref: _relative(Path(ref), start))
        return frame, []
    pairing = pair_files(source)
    unpaired = [
        *(
            finding(
                "UNPAIRED_IMAGE",
                case_id=name,
                file=pairing.images[name].name,
                detail="an image without a label",
            )
            for name in pairing.images_alone
        ),
        *(
            finding(
                "UNPAIRED_LABEL",
                case_id=name,
                file=pairing.labels[name].name,
                detail="a label without an image",
            )
            for name in pairing.labels_alone
        ),
    ]
    alone = {*pairing.images_alone, *pairing.labels_alone}
    names = [name for name in pairing.names if name not in alone]
    if not names:
        raise DataError(
            "no image has a label of the same name",
            where=str(source),
            fix="name the files alike: images/a.nii.gz and labels/a.nii.gz",
        )
    columns = {"case_id": names, "image": [_relative(pairing.images[n], start) for n in names]}
    if pairing.labels:
        columns["label"] = [_relative(pairing.labels[n], start) for n in names]
    return pd.DataFrame(columns, dtype=object), unpaired


def _relative(file: Path, start: Path) -> str:
    return Path(os.path.relpath(file.resolve(), start)).as_posix()


def _read_attributes(path: Path, case_column: str, patient_column: str | None) -> pd.DataFrame:
    told = read_frame(path)
    wanted = {case_column: "--case"}
    if patient_column:
        wanted[patient_column] = "--patient"
    require_columns(told, wanted, where=str(path))
    twice = told[case_column][told[case_column].duplicated()].dropna().unique()
    if len(twice):
        raise DataError(
            f"{len(twice)} cases stand in more than one row: {', '.join(map(str, twice[:5]))}",
            where=f"{path}: column {case_column}",
            fix="give each case one row",
        )
    names = {case_column: "case_id"}
    if patient_column:
        names[patient_column] = "patient_id"
    return told.dropna(subset=[case_column]).rename(columns=names)


def _under_pseudonyms(frame: pd.DataFrame, secret: bytes) -> pd.DataFrame:
    hidden = frame.copy()
    for column, prefix in (("case_id", "c"), ("patient_id", "p")):
        if column in hidden.columns:
            hidden[column] = [
                None if pd.isna(value) else pseudonym(str(value), secret, prefix=prefix)
                for value in frame[column]
            ]
    return hidden.sort_values("case_id").reset_index(drop=True)


def pseudonym(value: str, secret: bytes | None = None, *, prefix: str = "") -> str:
    """Return the pseudonym of an id under a key: the same id gives the same one.

    Without `secret` the key of ``AIOPS_HOME/keys`` is used. `prefix` says what the id is of.

    Examples
    --------
    >>> pseudonym("HN-1234", b"an example key of 32 bytes......", prefix="p")[:2]
    'p-'
    """
    key = key_file().read_bytes() if secret is None else secret
    digest = hmac.new(key, f"{prefix}:{value}".encode(), hashlib.sha256).hexdigest()[:16]
    return f"{prefix}-{digest}" if prefix else digest


def key_file() -> Path:
    """Return the file of the key of the pseudonyms; it is made when it is not there."""
    path = home.keys_dir() / "pseudonym.key"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path
    with os.fdopen(handle, "wb") as file:
        file.write(secrets.token_bytes(32))
    return path
