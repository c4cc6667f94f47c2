"""Cases: the table of a config, read with the meaning the config gives its columns."""

import itertools
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aiops.config import NOT_RECORDED, AttributeConfig, DataConfig, Experiment, TargetConfig
from aiops.data import table
from aiops.data.images import file_of
from aiops.errors import DataError

CONFLICTING = "conflicting"
"""Group of a patient whose attribute differs between the rows, where it may not."""

PLAUSIBLE_AGE = (0.0, 120.0)
"""Range of an attribute called age or age_years, unless the config gives one."""


@dataclass(frozen=True, eq=False)
class Cases:
    """The cases of an experiment, one row each.

    Parameters
    ----------
    frame : DataFrame
        Columns case_id, patient_id, study_id; image (or ``image:<channel>``) and label, as
        references to files; ``y:<target>`` (1, 0, nan) and ``score:<target>``; each attribute by
        its name (group, or missing) and as written in ``raw:<attribute>``; ``x:<column>`` for the
        features of a table model; ``split_column`` as written.
    experiment : Experiment
        The config they were read with.
    table_path : Path
        The table.
    excluded : tuple of dict
        For each column of data.exclude: column, values, n_rows, n_patients (with such a row) and
        n_patients_lost (with no row left).
    n_rows_table, n_patients_table : int
        Rows and patients before anything was left out.
    patients_known : bool
        False where the table does not say whose case it is; then each case is its own patient.
    notes : tuple of str
        What a reader must know about the reading.
    outcome_values : dict
        For each target, the texts of its label column and their rows.
    not_numbers : dict
        For each numeric feature and score, the texts in it that are no numbers and their rows.
    """

    frame: pd.DataFrame
    experiment: Experiment
    table_path: Path
    excluded: tuple[dict[str, Any], ...] = ()
    n_rows_table: int = 0
    n_patients_table: int = 0
    patients_known: bool = True
    notes: tuple[str, ...] = ()
    outcome_values: dict[str, dict[str, int]] = field(default_factory=dict)
    not_numbers: dict[str, dict[str, int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def image_columns(self) -> tuple[str, ...]:
        """Columns of the frame that name image files, one per channel file."""
        return tuple(c for c in self.frame.columns if c == "image" or c.startswith("image:"))

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of the attributes."""
        return tuple(self.experiment.data.attributes)

    @property
    def n_patients(self) -> int:
        """Patients among the cases."""
        return int(self.frame["patient_id"].nunique())

    def features(self) -> pd.DataFrame:
        """Return the features of a table model, named as in the table: numbers, and text."""
        columns = [c for c in self.frame.columns if c.startswith("x:")]
        return self.frame[columns].rename(columns=lambda name: name.removeprefix("x:"))

    def files(self) -> list[Path]:
        """Return the table and every file it names, each once, in order."""
        columns = [*self.image_columns, *(["label"] if "label" in self.frame.columns else [])]
        cells = self.frame[columns].to_numpy(dtype=object).ravel()
        refs = [ref for ref in cells if isinstance(ref, str)]
        return list(dict.fromkeys([self.table_path, *map(file_of, refs)]))

    def without(self, case_ids: Collection[str]) -> "Cases":
        """Return the cases that are not among `case_ids`."""
        kept = ~self.frame["case_id"].isin(set(case_ids))
        return replace(self, frame=self.frame[kept].reset_index(drop=True))


def read_cases(experiment: Experiment, *, config_path: Path | None = None) -> Cases:
    """Read the table that a config names, with the meaning it gives the columns.

    Parameters
    ----------
    experiment : Experiment
        The config.
    config_path : Path, optional
        Its file: a relative ``data.table`` starts at its folder.

    Returns
    -------
    Cases
        One row per case, in the order of the table.

    Raises
    ------
    DataError
        If the table cannot be read, lacks columns (all are named at once), or names a case twice.
    """
    data = experiment.data
    path = table.table_path(experiment, config_path=config_path)
    whole = table.read_frame(path)
    wanted = table.columns_of(experiment)
    table.require_columns(whole, wanted, where=str(path))
    if path.suffix.lower() == ".npz" and data.image is None:
        data = data.model_copy(update={"image": "image"})
        wanted["image"] = "data.image"
    written = whole[list(wanted)]
    text = _without_missing(written, data)
    _require_case_ids(text[data.case], experiment, path)
    patient, unknown = _patient_ids(text, data)
    kept, excluded = _exclude(written, patient, data)
    n_patients_table = int(patient.nunique())
    text, patient, unknown = text[kept], patient[kept], unknown[kept]
    study, notes = _study_ids(text, patient, data)
    columns: dict[str, Any] = {
        "case_id": text[data.case],
        "patient_id": patient,
        "study_id": study,
        **_references(text, data, experiment.task, path.parent),
        **_outcomes(text, experiment.findings),
        **_attributes(text, patient, data.attributes),
        **_features(text, data),
    }
    if experiment.split.column is not None:
        columns["split_column"] = text[experiment.split.column]
    if unknown.any():
        columns["patient_missing"] = unknown
    return Cases(
        frame=pd.DataFrame(columns, index=text.index).reset_index(drop=True),
        experiment=experiment,
        table_path=path,
        excluded=tuple(excluded),
        n_rows_table=len(whole),
        n_patients_table=n_patients_table,
        patients_known=data.patient != NOT_RECORDED,
        notes=tuple(notes),
        outcome_values={n: _counts(text[t.label]) for n, t in experiment.findings.items()},
        not_numbers=_not_numbers(text, experiment),
    )


def _without_missing(written: pd.DataFrame, data: DataConfig) -> pd.DataFrame:
    """Return the table in which the values of data.missing and missing_in are missing."""
    if not data.missing and not data.missing_in:
        return written
    columns: dict[str, Any] = {}
    for name, column in written.items():
        values = [*data.missing, *data.missing_in.get(str(name), [])]
        is_case = name == data.case
        columns[str(name)] = column if is_case else column.mask(table.among(column, values), None)
    return pd.DataFrame(columns, index=written.index)


def _patient_ids(
    text: pd.DataFrame, data: DataConfig
) -> tuple["pd.Series[Any]", "pd.Series[bool]"]:
    """Return the patient of each row, and whether it is not known though others are."""
    if data.patient == NOT_RECORDED:
        return text[data.case], pd.Series(False, index=text.index)
    patient = text[data.patient]
    unknown = patient.isna()
    return patient.where(~unknown, "case:" + text[data.case]), unknown


def _require_case_ids(case_id: "pd.Series[Any]", experiment: Experiment, path: Path) -> None:
    where = f"{path}: column {case_id.name}"
    if case_id.isna().any():
        row = int(np.flatnonzero(case_id.isna())[0])
        raise DataError(
            f"{int(case_id.isna().sum())} rows have no case id, the first is row {row + 1}",
            where=where,
            fix="give each row its own case id, or name another column in data.case",
        )
    twice = case_id[case_id.duplicated()].unique()
    if len(twice):
        raise DataError(
            f"{len(twice)} case ids stand in more than one row: {', '.join(map(str, twice[:5]))}",
            where=where,
            fix="give each row its own case id, or name another column in data.case",
        )
    if experiment.task == "segmentation":
        odd = [
            c for c in case_id if "/" in c or "\\" in c or c in {".", ".."} or not c.isprintable()
        ]
        if odd:
            raise DataError(
                f"{len(odd)} case ids cannot be a file's name: {', '.join(map(repr, odd[:5]))}",
                where=where,
                fix="masks are named by case: use letters, digits, '-', '_' and '.'",
            )


def _exclude(
    written: pd.DataFrame, patient: "pd.Series[Any]", data: DataConfig
) -> tuple["pd.Series[bool]", list[dict[str, Any]]]:
    """Return the rows that data.exclude leaves, and what each of its columns took away."""
    kept = pd.Series(True, index=written.index)
    counts: list[dict[str, Any]] = []
    for column, values in data.exclude.items():
        out = kept & table.among(written[column], values)
        before = patient[kept].nunique()
        kept &= ~out
        counts.append(
            {
                "column": column,
                "values": list(values),
                "n_rows": int(out.sum()),
                "n_patients": int(patient[out].nunique()),
                "n_patients_lost": int(before - patient[kept].nunique()),
            }
        )
    if not kept.any():
        raise DataError(
            "data.exclude leaves no row",
            where=f"data.exclude: {', '.join(data.exclude)}",
            fix="look at the values; they are compared as text and as numbers",
        )
    return kept, counts


def _study_ids(
    text: pd.DataFrame, patient: "pd.Series[Any]", data: DataConfig
) -> tuple["pd.Series[Any]", list[str]]:
    """Return the examination of each row; numbered by patient where names repeat over patients."""
    if data.study is None:
        return text[data.case], []
    study = text[data.study.column]
    study = study.where(study.notna(), "case:" + text[data.case])
    if (patient.groupby(study).nunique() <= 1).all():
        return study, []
    said = f"{data.study.column} repeats over patients: a study is patient and {data.study.column}"
    return patient + "/" + study, [said]


def _references(text: pd.DataFrame, data: DataConfig, task: str, folder: Path) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    if isinstance(data.image, dict):
        for channel, source in data.image.items():
            columns[f"image:{channel}"] = _refs(text, source, data.case, folder)
    elif data.image is not None:
        columns["image"] = _refs(text, data.image, data.case, folder)
    if data.label is not None and task == "segmentation":
        columns["label"] = _refs(text, data.label, data.case, folder)
    return columns


def _refs(text: pd.DataFrame, source: str, case: str, folder: Path) -> "pd.Series[Any]":
    if "{" in source:
        names = [
            name for name in table.columns_in(source) if name != "case_id" or case == "case_id"
        ]
        cells = {name: text[name] for name in names} | {"case_id": text[case]}
        rows = zip(*cells.values(), strict=True)
        keys = list(cells)
        written = [
            source.format(**dict(zip(keys, row, strict=True)))
            if all(isinstance(cell, str) for cell in row)
            else None
            for row in rows
        ]
        cell = pd.Series(written, index=text.index, dtype=object)
    else:
        cell = text[source].astype(object)
    return cell.map(lambda ref: str(folder / ref) if isinstance(ref, str) else None)


def _outcomes(text: pd.DataFrame, targets: dict[str, TargetConfig]) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for name, target in targets.items():
        label = text[target.label]
        hidden = {t for t in label.dropna().unique() if table.is_disguise(t)}
        known = label.notna() & (~label.isin(hidden) | table.among(label, target.positive))
        y = table.among(label, target.positive).astype(float)
        columns[f"y:{name}"] = y.where(known, np.nan)
        if target.score is not None:
            columns[f"score:{name}"] = table.numbers(text[target.score])
    return columns


def _attributes(
    text: pd.DataFrame, patient: "pd.Series[Any]", attributes: dict[str, AttributeConfig]
) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for name, attribute in attributes.items():
        raw = text[attribute.column]
        group = group_of(raw, attribute, name=name)
        if attribute.per == "patient":
            n_groups = group.groupby(patient).transform("nunique")
            group = group.mask(n_groups > 1, CONFLICTING)
        columns[name] = group
        columns[f"raw:{name}"] = raw
    return columns


def group_of(
    raw: "pd.Series[Any]", attribute: AttributeConfig, *, name: str = ""
) -> "pd.Series[Any]":
    """Return the group of each value of an attribute; what fits no group is missing.

    Examples
    --------
    >>> age = AttributeConfig(column="age", bands=[0, 18, 80])
    >>> group_of(pd.Series(["7", "18", "99", "-1", None]), age).tolist()
    ['0-17', '18-79', '80+', None, None]
    """
    if attribute.values:
        return table.recode(raw, attribute.values)
    if attribute.bands:
        values = table.numbers(raw)
        low, high = plausible_range(attribute, name=name)
        place = np.searchsorted(np.asarray(attribute.bands), values, side="right") - 1
        names = np.asarray(band_names(attribute.bands), dtype=object)
        fits = np.isfinite(values) & (place >= 0) & (values >= low) & (values <= high)
        group = pd.Series(names[np.clip(place, 0, None)], index=raw.index, dtype=object)
        return group.where(fits, None)
    hidden = {text for text in raw.dropna().unique() if table.is_disguise(text)}
    return raw.astype(object).mask(raw.isin(hidden), None)


def plausible_range(attribute: AttributeConfig, *, name: str) -> tuple[float, float]:
    """Return the range outside which a number is not believed."""
    if attribute.range is not None:
        return attribute.range
    if name.lower() in {"age", "age_years"}:
        return PLAUSIBLE_AGE
    return (-np.inf, np.inf)


def band_names(edges: list[float]) -> list[str]:
    """Return the names of bands from their lower edges; the last band is open.

    Examples
    --------
    >>> band_names([0, 18, 80]), band_names([0, 2.5])
    (['0-17', '18-79', '80+'], ['0 to <2.5', '2.5+'])
    """
    whole = all(float(edge).is_integer() for edge in edges)
    names = []
    for low, high in itertools.pairwise(edges):
        if whole and high - low == 1:
            names.append(f"{low:g}")
        else:
            names.append(f"{low:g}-{high - 1:g}" if whole else f"{low:g} to <{high:g}")
    return [*names, f"{edges[-1]:g}+"]


def _features(text: pd.DataFrame, data: DataConfig) -> dict[str, Any]:
    if data.features is None:
        return {}
    columns: dict[str, Any] = {f"x:{c}": table.numbers(text[c]) for c in data.features.numeric}
    columns.update({f"x:{c}": table.codes(text[c]) for c in data.features.categorical})
    return columns


def _not_numbers(text: pd.DataFrame, experiment: Experiment) -> dict[str, dict[str, int]]:
    features = experiment.data.features
    found = {
        c: _counts(text[c][np.isnan(table.numbers(text[c]))])
        for c in (features.numeric if features else [])
    }
    for score in [t.score for t in experiment.findings.values() if t.score is not None]:
        told = _counts(text[score][np.isnan(table.numbers(text[score]))])
        found[score] = {t: n for t, n in told.items() if not table.is_disguise(t)}
    return {column: counts for column, counts in found.items() if counts}


def _counts(column: "pd.Series[Any]") -> dict[str, int]:
    return {str(value): int(n) for value, n in column.value_counts().items()}
