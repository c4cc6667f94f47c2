"""A first config, guessed from a table, with what could not be guessed left open and said."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

CASE = ("case_id", "case", "image_id", "accession", "encounter_id", "study_id", "image", "row_id")
PATIENT = ("patient_id", "patient", "subject_id", "subject", "patient_nbr", "subject_group", "mrn")
IMAGE = ("image", "file", "path", "image_path", "filename", "scan")
MASK = ("label_file", "mask", "segmentation", "label_path", "seg")
ATTRIBUTES = ("sex", "gender", "age", "ethnicity", "race", "site", "hospital", "scanner",
              "manufacturer", "view", "projection")  # fmt: skip
MOST_CODES = 10
"""A column of so few different numbers has each named; of more, they stay as they are."""
_FILE = re.compile(r"\.(nii|nii\.gz|png|jpe?g|dcm|npz)$", re.IGNORECASE)


@dataclass
class FirstConfig:
    """The text of a config and what a person has to fill in."""

    text: str
    to_do: list[str] = field(default_factory=list)


def first_config(table: Path, *, beside: Path) -> FirstConfig:
    """Look at a table and write a commented config.

    Parameters
    ----------
    table : Path
        Cases table.
    beside : Path
        Folder the config will stand in; the table is named relative to it where it can be.

    Returns
    -------
    FirstConfig
        Text with ``?`` wherever a person has to decide, each listed in `to_do`.
    """
    from aiops.data.table import read_frame

    frame = read_frame(table)
    columns = {str(c).lower(): str(c) for c in frame.columns}
    to_do: list[str] = []

    def find(names: tuple[str, ...], what: str) -> str | None:
        found = next((columns[n] for n in names if n in columns), None)
        if found is None:
            to_do.append(what)
        return found

    patient = find(PATIENT, "data.patient: the column that names the patient, or not_recorded")
    case = _unique(frame, [columns[n] for n in CASE if n in columns])
    image = next((columns[n] for n in IMAGE if n in columns and _is_file(frame[columns[n]])), None)
    mask = next((columns[n] for n in MASK if n in columns), None)
    task = "segmentation" if mask else "classification"
    if case is None:
        to_do.append("data.case: a column with a different value in each row")
    to_do.append("data.modality: ct, mri, xray, photo or table")
    to_do.append("targets and primary: what is learnt, and the one figure the verdict is about")
    to_do.append("fairness.margin: the gap that would matter; agree on it before the test")
    attributes = [columns[n] for n in ATTRIBUTES if n in columns]
    lines = [
        f"# First config for {table.name} ({len(frame)} rows). Fill in each ?, then:",
        "#   aiops validate THIS_FILE",
        "kind: experiment",
        "use_case: my-use-case                # slug in the register",
        "intended_use: '?'                    # on whom, for what, read by whom",
        f"task: {task}",
        "data:",
        f"  table: {_quoted(_relative(table, beside))}",
        f"  case: {_quoted(case or '?')}",
        f"  patient: {_quoted(patient or '?')}                    # or not_recorded",
        *(
            [f"  image: {_quoted(image)}"]
            if image
            else ["  # image: COLUMN or images/{case_id}.nii.gz"]
        ),
        *([f"  label: {_quoted(mask)}"] if mask else []),
        "  modality: '?'                      # ct | mri | xray | photo | table: no default",
        "  attributes:" if attributes else "  attributes: {}",
        *(f"    {_attribute(frame, c)}" for c in attributes),
        *_targets(frame, task, taken={case, patient, image, mask, *attributes}),
        "split: {by: patient, test: 0.2, tune: 0.1, seed: 0}",
        "train: {budget_minutes: 10}",
        "fairness:",
        f"  attributes: [{', '.join(a.lower() for a in attributes)}]   # named in advance",
        "  margin: '?'                        # the gap in the primary metric that would matter",
    ]
    return FirstConfig("\n".join(lines) + "\n", to_do)


def _unique(frame: pd.DataFrame, names: list[str]) -> str | None:
    return next((name for name in names if frame[name].is_unique), None)


def _is_file(column: pd.Series) -> bool:
    return bool(column.dropna().astype(str).head(50).str.contains(_FILE).mean() > 0.9)


def _attribute(frame: pd.DataFrame, column: str) -> str:
    name, values = column.lower(), frame[column].dropna()
    numbers = pd.to_numeric(values, errors="coerce")
    is_number = len(values) > 0 and numbers.notna().mean() > 0.9
    if is_number and name == "age":
        return f"{name}: {{column: {_quoted(column)}, bands: [0, 18, 40, 60, 80], range: [0, 110]}}"
    codes = sorted({int(n) if float(n).is_integer() else float(n) for n in numbers.dropna()})
    if is_number and len(codes) <= MOST_CODES:
        # 0 and 1 for a sex, or numbers for sites: which is which nobody can guess.
        names = ", ".join(f"{code}: '?'" for code in codes)
        return f"{name}: {{column: {_quoted(column)}, values: {{{names}}}}}"
    found = " ".join(", ".join(sorted(values.astype(str).unique())[:6]).split())
    return f"{name}: {{column: {_quoted(column)}}}    # found: {found}"


def _targets(frame: pd.DataFrame, task: str, taken: set[str | None]) -> list[str]:
    if task == "segmentation":
        return [
            "targets: {structure: 1}              # name: label value",
            "primary: {target: structure, metric: dice}   # acceptable: 0.85",
        ]
    binary = [
        str(c) for c in frame.columns if str(c) not in taken and frame[c].dropna().nunique() == 2
    ]
    if not binary:
        return [
            "targets:",
            "  finding: {label: '?', positive: [1]}",
            "primary: {target: finding, metric: roc_auc}   # acceptable: 0.85",
        ]
    column = binary[0]
    name = _quoted(re.sub(r"\W+", "_", column.lower()).strip("_") or "finding")
    values = sorted(frame[column].dropna().unique().tolist(), key=str)
    return [
        f"targets:                             # two-valued columns: {', '.join(binary[:8])}",
        f"  {name}: {{label: {_quoted(column)}, positive: [{_quoted(values[-1])}]}}",
        f"primary: {{target: {name}, metric: roc_auc}}   # acceptable: 0.85",
        "operating_point: {sensitivity: 0.9}  # chosen on the tune part",
    ]


def _quoted(text: str) -> str:
    """Return a text as YAML reads it back, in quotes where it could be read otherwise.

    Examples
    --------
    >>> _quoted("label_Effusion"), _quoted("patient: id"), _quoted("1"), _quoted("null")
    ('label_Effusion', '"patient: id"', '1', '"null"')
    """
    is_plain = re.fullmatch(r"[A-Za-z_/.][\w/.-]*( [\w/.()-]+)*|\d{1,9}", text)
    is_word = text.lower() in {"null", "true", "false"}
    return text if is_plain and not is_word else json.dumps(text, ensure_ascii=False)


def _relative(table: Path, beside: Path) -> str:
    try:
        return table.resolve().relative_to(beside.resolve()).as_posix()
    except ValueError:
        return table.resolve().as_posix()
