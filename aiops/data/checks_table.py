"""What an audit looks for in the table: patients, attributes, outcomes, scores and features."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aiops.config import AttributeConfig, TargetConfig
from aiops.data import table
from aiops.data.cases import CONFLICTING, Cases, group_of, plausible_range
from aiops.data.checks_images import SUBSET_RANK, subset_of
from aiops.data.findings import Finding, finding

SENTINELS = (-9.0, -99.0, -999.0, -9999.0, 99.0, 999.0, 9999.0, 99999.0)
"""Numbers by which tables say: not recorded."""

COMMON_TO = 3
"""Patients (or rows) from which on a value is a category, and not somebody's own."""

FEW = 10
"""Values needed before a column is judged by its spread."""


def check_patients(cases: Cases) -> Iterator[Finding]:
    """Yield rows without a patient, and patients who stand in two subsets."""
    frame = cases.frame
    if "patient_missing" in frame.columns:
        for case_id in frame.loc[frame["patient_missing"], "case_id"]:
            yield finding(
                "PATIENT_MISSING",
                case_id=case_id,
                file=cases.experiment.data.patient,
                detail="the cell is empty; the case was made its own patient",
            )
    subsets = subset_of(cases)
    if not subsets or not cases.patients_known:
        return
    subset = frame["case_id"].map(subsets)
    rank = subset.map(SUBSET_RANK)
    best = rank.groupby(frame["patient_id"]).transform("min")
    kept = frame["case_id"].where(rank == best).groupby(frame["patient_id"]).transform("first")
    for i in np.flatnonzero((rank > best).to_numpy()):
        other = str(kept.iloc[i])
        yield finding(
            "PATIENT_ACROSS_SUBSETS",
            case_id=str(frame["case_id"].iloc[i]),
            other=other,
            file=str(cases.experiment.split.column),
            detail=f"in {subset.iloc[i]}; {other} of the same patient in {subsets[other]}",
        )


def check_attributes(cases: Cases) -> Iterator[Finding]:
    """Yield values without a group, numbers out of range, and patients in conflict."""
    frame = cases.frame
    for name, attribute in cases.experiment.data.attributes.items():
        raw = frame[f"raw:{name}"]
        group = group_of(raw, attribute, name=name)
        values = table.numbers(raw)
        told = frame["patient_id"].groupby(raw).nunique().to_dict()
        for i in np.flatnonzero((raw.notna() & group.isna()).to_numpy()):
            text = str(raw.iloc[i])
            code, said = _why_no_group(text, told[text], values[i], (name, attribute))
            yield finding(
                code, case_id=str(frame["case_id"].iloc[i]), file=attribute.column, detail=said
            )
        yield from _out_of_range(cases, name, attribute, group, values)
        conflict = frame[frame[name].eq(CONFLICTING)]
        if attribute.per == "patient" and len(conflict):
            for _, rows in conflict.groupby("patient_id", sort=False):
                groups = group.loc[rows.index].dropna()
                differs = groups[groups != groups.iloc[0]].index[0]
                yield finding(
                    "ATTRIBUTE_CONFLICT",
                    case_id=str(rows["case_id"].iloc[0]),
                    other=str(frame["case_id"].loc[differs]),
                    file=attribute.column,
                    detail=f"{name} has {groups.nunique()} groups in {len(rows)} rows of a patient",
                )


def shown(text: str, n: int) -> str:
    """Return a value as it may be shown: a text that few have could be a name or a date.

    Examples
    --------
    >>> shown("X", 1), shown("divers", 7), shown("Ada Lovelace", 1)
    ("'X'", "'divers'", 'a text of 12 characters')
    """
    is_common = n >= COMMON_TO and len(text) <= 30
    if is_common or len(text) <= 4 or table.is_disguise(text):
        return repr(text)
    return f"a text of {len(text)} characters"


def _why_no_group(
    text: str, n: int, value: float, of: tuple[str, AttributeConfig]
) -> tuple[str, str]:
    """Return the code and the detail of a value, which `n` patients have, without a group."""
    name, attribute = of
    if table.is_disguise(text):
        return "MISSING_DISGUISED", f"{name} is {text!r}"
    if attribute.bands and np.isfinite(value):
        low, high = plausible_range(attribute, name=name)
        low = max(low, attribute.bands[0])
        return "ATTRIBUTE_OUT_OF_RANGE", f"{name} is {value:g}, outside {low:g} to {high:g}"
    return "ATTRIBUTE_VALUE_UNKNOWN", f"{name} is {shown(text, n)}"


def _out_of_range(
    cases: Cases,
    name: str,
    attribute: AttributeConfig,
    group: "pd.Series[Any]",
    values: NDArray[np.float64],
) -> Iterator[Finding]:
    """Yield numbers outside a range that was given for an attribute without bands."""
    if attribute.bands or attribute.range is None:
        return
    low, high = attribute.range
    outside = np.isfinite(values) & ((values < low) | (values > high)) & group.notna().to_numpy()
    for i in np.flatnonzero(outside):
        yield finding(
            "ATTRIBUTE_OUT_OF_RANGE",
            case_id=str(cases.frame["case_id"].iloc[i]),
            file=attribute.column,
            detail=f"{name} is {values[i]:g}, outside {low:g} to {high:g}",
        )


def check_numbers(cases: Cases) -> Iterator[Finding]:
    """Yield numeric columns in which a code for missing, or a zero, stands among measurements."""
    experiment = cases.experiment
    columns = {
        a.column: cases.frame[f"raw:{n}"] for n, a in experiment.data.attributes.items() if a.bands
    }
    values = {column: table.numbers(raw) for column, raw in columns.items()}
    numeric = experiment.data.features.numeric if experiment.data.features else []
    values.update({c: cases.frame[f"x:{c}"].to_numpy(dtype=np.float64) for c in numeric})
    for column, column_values in values.items():
        for code in certain_sentinels(column_values):
            n = int((column_values == code).sum())
            yield finding(
                "MISSING_DISGUISED",
                file=column,
                detail=f"{code:g} in {n} rows, far outside all other values",
            )
        if has_ambiguous_zero(column_values):
            n = int((column_values == 0).sum())
            least = column_values[column_values > 0].min()
            yield finding(
                "AMBIGUOUS_ZERO", file=column, detail=f"0 in {n} rows; the next value is {least:g}"
            )


def certain_sentinels(values: NDArray[np.float64]) -> list[float]:
    """Return codes for missing that lie further from all other values than these are wide.

    Examples
    --------
    >>> certain_sentinels(np.array([*range(20, 80), -999.0]))
    [-999.0]
    >>> certain_sentinels(np.array([*range(20, 99), 99.0]))
    []
    """
    seen = values[np.isfinite(values)]
    rest = seen[~np.isin(seen, SENTINELS)]
    if len(np.unique(rest)) < FEW:
        return []
    low, high = float(rest.min()), float(rest.max())
    width = max(high - low, 1.0)
    return [s for s in SENTINELS if (s < low - width or s > high + width) and (seen == s).any()]


def has_ambiguous_zero(values: NDArray[np.float64]) -> bool:
    """Say whether zeros stand apart from what was measured.

    Examples
    --------
    >>> has_ambiguous_zero(np.array([0.0, *range(90, 200)]))
    True
    >>> has_ambiguous_zero(np.arange(30.0))  # a count
    False
    """
    seen = values[np.isfinite(values) & ~np.isin(values, SENTINELS)]
    rest = np.unique(seen[seen != 0])
    if len(rest) < FEW or not (seen == 0).any() or rest[0] < 0:
        return False
    step = float(np.median(np.diff(rest)))
    return bool(rest[0] > 0.2 * np.median(rest) and rest[0] > 5 * step)


def check_outcomes(cases: Cases) -> Iterator[Finding]:
    """Yield outcomes that are missing, of one class, or merge several values into absent."""
    experiment = cases.experiment
    subsets = subset_of(cases)
    # A ready-made test part says which cases will be scored; one that is drawn may hold any.
    is_made = "test" in subsets.values()
    part = [not is_made or subsets[n] == "test" for n in cases.frame["case_id"]]
    scored = np.array(part, bool)
    for name, target in experiment.findings.items():
        yield from _check_outcome_values(name, target, cases.outcome_values.get(name, {}))
        y = cases.frame[f"y:{name}"]
        for case_id in cases.frame.loc[y.isna(), "case_id"]:
            yield finding(
                "OUTCOME_MISSING",
                case_id=case_id,
                file=target.label,
                detail=f"{name} is not recorded",
            )
        if scored.any() and y[scored].isna().all():
            where = f"in none of the {int(scored.sum())} cases"
            yield finding(
                "OUTCOME_NEVER_KNOWN",
                file=target.label,
                detail=f"{name} is recorded {where}{' of the test part' if is_made else ''}",
            )
        if y.notna().any() and y.dropna().nunique() == 1:
            every = "present" if y.dropna().iloc[0] == 1 else "absent"
            is_primary = name in experiment.primary_targets
            yield finding(
                "OUTCOME_ONE_CLASS",
                severity="stop" if is_primary else "note",
                file=target.label,
                detail=f"{name} is {every} in all {y.notna().sum()} cases",
            )


def _check_outcome_values(
    name: str, target: TargetConfig, seen: dict[str, int]
) -> Iterator[Finding]:
    absent = {t: n for t, n in seen.items() if not any(table.same(t, v) for v in target.positive)}
    for text in [t for t in absent if table.is_disguise(t)]:
        yield finding(
            "MISSING_DISGUISED",
            file=target.label,
            detail=f"{name} is {text!r} in {absent.pop(text)} rows",
        )
    if len(absent) > 1:
        most = sorted(absent, key=lambda t: -absent[t])
        said = ", ".join(shown(t, absent[t]) for t in most[:5]) + (" …" if len(most) > 5 else "")
        yield finding(
            "OUTCOME_OTHER_VALUES",
            file=target.label,
            detail=f"{name} is read as absent where the column says {said}",
        )


def check_scores(cases: Cases) -> Iterator[Finding]:
    """Yield a vendor's scores that are missing, or that cannot be probabilities."""
    for name, target in cases.experiment.findings.items():
        if target.score is None:
            continue
        score = cases.frame[f"score:{name}"]
        if said := cases.not_numbers.get(target.score):
            texts = ", ".join(shown(t, n) for t, n in list(said.items())[:3])
            yield finding(
                "SCORE_NOT_NUMERIC",
                file=target.score,
                detail=f"{sum(said.values())} rows hold text such as {texts}",
            )
        elif score.isna().all():
            yield finding(
                "SCORE_MISSING",
                severity="stop",
                file=target.score,
                detail=f"no case has a score for {name}",
            )
            continue
        for case_id in cases.frame.loc[score.isna(), "case_id"]:
            yield finding(
                "SCORE_MISSING", case_id=case_id, file=target.score, detail=f"no score for {name}"
            )
        outside = (score < 0) | (score > 1)
        if target.score_kind == "probability" and outside.any():
            for case_id in cases.frame.loc[outside, "case_id"]:
                yield finding(
                    "SCORE_OUT_OF_RANGE",
                    case_id=case_id,
                    file=target.score,
                    detail=f"the score for {name} is not between 0 and 1",
                )


def check_features(cases: Cases) -> Iterator[Finding]:
    """Yield features that are no numbers, or that give the outcome or the patient away."""
    experiment = cases.experiment
    features = experiment.data.features
    if features is None:
        return
    outcomes = {t.label: f"the outcome of {n}" for n, t in experiment.findings.items()}
    keys = {experiment.data.case: "the case id", experiment.data.patient: "the patient id"}
    for column, texts in cases.not_numbers.items():
        if column not in features.numeric:
            continue
        said = ", ".join(shown(t, n) for t, n in list(texts.items())[:3])
        yield finding(
            "FEATURE_NOT_NUMERIC",
            file=column,
            detail=f"{sum(texts.values())} rows hold text such as {said}",
        )
    for column in [*features.numeric, *features.categorical]:
        named = outcomes.get(column) or keys.get(column)
        told = [
            n
            for n in experiment.findings
            if _tells(cases.frame[f"x:{column}"], cases.frame[f"y:{n}"])
        ]
        if named:
            yield finding("FEATURE_LEAKS", file=column, detail=f"the column is {named}")
        elif told:
            yield finding(
                "FEATURE_LEAKS",
                file=column,
                detail=f"its values alone tell {told[0]} in every case",
            )


def _tells(feature: "pd.Series[Any]", y: "pd.Series[Any]") -> bool:
    """Say whether each of a few values of a feature goes with one outcome only."""
    known = y.notna() & feature.notna()
    if known.sum() < 2 * FEW or y[known].nunique() < 2 or feature[known].nunique() > 20:
        return False
    return bool((y[known].groupby(feature[known]).nunique() == 1).all())


def check_rows(cases: Cases) -> Iterator[Finding]:
    """Yield rows of one patient that are equal in everything but their case id."""
    frame = cases.frame
    told = [c for c in frame.columns if c.startswith(("x:", "y:", "raw:"))]
    if cases.image_columns or not cases.patients_known or not any(c[:2] == "x:" for c in told):
        return
    columns = ["patient_id", *told]
    again = frame.duplicated(columns, keep="first")
    first = frame.groupby(columns, dropna=False, sort=False)["case_id"].transform("first")
    for i in np.flatnonzero(again.to_numpy()):
        yield finding(
            "DUPLICATE_ROW",
            case_id=str(frame["case_id"].iloc[i]),
            other=str(first.iloc[i]),
            detail="equal in all but the case id",
        )
