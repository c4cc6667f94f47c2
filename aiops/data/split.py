"""Split: patients, never images, are shared out into train, tune and a sealed test list.

Patients are put in an order in which alike ones are neighbours (outcome, then attributes, then
number of cases, then a hash of seed and patient), and the test list takes every so-many-th of
them. That is systematic sampling: each stratum, however rare, gets its share to within one patient,
with no merging of rare levels to be chosen. It depends on neither the order of the rows nor the
version of a random generator.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aiops.config import NOT_RECORDED, Experiment
from aiops.data import table
from aiops.data.cases import Cases
from aiops.data.images import file_of
from aiops.data.survey import CaseFacts, survey
from aiops.errors import ConfigError, DataError, LeakageError
from aiops.provenance import content_hashes, json_hash

PARTS = ("train", "tune", "test")
MAX_VARIABLES = 3
"""Outcome and attributes by which patients are stratified, in all."""

MISSING = NOT_RECORDED.replace("_", " ")


@dataclass(frozen=True, eq=False)
class Split:
    """Who is in train, tune and test.

    Parameters
    ----------
    assignments : dict
        By case id: ``{"split": "train" | "tune" | "test", "fold": int | None}``.
    balance : tuple of dict
        variable, level, and for train, tune and test the share of cases (``train``, …) and their
        number (``n_train``, …).
    seal : str
        SHA-256 of the test cases and their reference standard.
    counts : dict
        Patients and cases of each part.
    by, seed, strata, notes
        How it was made.
    """

    assignments: dict[str, dict[str, Any]]
    balance: tuple[dict[str, Any], ...]
    seal: str
    counts: dict[str, dict[str, int]]
    by: str
    seed: int
    strata: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def cases_in(self, part: str, *, fold: int | None = None) -> list[str]:
        """Return the cases of a part; of a fold, those held out by it (``tune``) or not."""
        if fold is None or part == "test":
            return [c for c, a in self.assignments.items() if a["split"] == part]
        held = {c for c, a in self.assignments.items() if a["fold"] == fold}
        rest = [c for c, a in self.assignments.items() if a["fold"] is not None and c not in held]
        return sorted(held) if part == "tune" else rest

    def to_dict(self) -> dict[str, Any]:
        """Return the split as it stands in split.json."""
        found = asdict(self)
        shares = {p: self.counts[p]["patients"] for p in PARTS}
        total = max(sum(shares.values()), 1)
        return {**found, "test_share": shares["test"] / total, "tune_share": shares["tune"] / total}


def make_split(
    cases: Cases,
    *,
    excluded: Collection[str] = (),
    facts: Mapping[str, CaseFacts] | None = None,
) -> Split:
    """Share the patients out as the config says.

    Parameters
    ----------
    cases : Cases
        The cases and their config.
    excluded : collection of str
        Case ids that the audit leaves out.
    facts : mapping, optional
        Of `audit`; without it, labels are read again where structures are to be balanced.

    Returns
    -------
    Split
        The same for the same cases and seed, in whatever order the rows stand.

    Raises
    ------
    LeakageError
        If a ready-made split puts one patient on both sides.
    DataError
        If a part would be empty, or the column of site or time is missing in rows.
    ConfigError
        If the config's shares and lists do not fit its ``by``.
    """
    experiment = cases.experiment
    left = cases.without(excluded)
    if not len(left):
        raise DataError("no case is left to be split", where="audit.exclude", fix="exclude less")
    variables = _variables(left, facts)
    patients = _patients(left, variables, experiment.split.seed)
    part, notes = _PARTITIONS[_rule_of(experiment)](left, patients)
    by_patient = pd.Series(part, index=patients.index)
    fold = _folds(experiment, patients, by_patient)
    frame = left.frame.sort_values("case_id")
    part_of_case = frame["patient_id"].map(by_patient)
    _require_parts(part_of_case, experiment)
    assignments = {
        str(c): {"split": str(p), "fold": None if np.isnan(f) else int(f)}
        for c, p, f in zip(
            frame["case_id"], part_of_case, frame["patient_id"].map(fold), strict=True
        )
    }
    return Split(
        assignments=assignments,
        balance=tuple(_balance(frame, part_of_case, variables.loc[frame.index])),
        seal=_seal(frame[(part_of_case == "test").to_numpy()]),
        counts={
            p: {
                "patients": int((by_patient == p).sum()),
                "cases": int((part_of_case == p).sum()),
            }
            for p in PARTS
        },
        by=experiment.split.by,
        seed=experiment.split.seed,
        strata=tuple(variables.columns[: _n_strata(experiment)]),
        notes=tuple(notes),
    )


# What is balanced


def _stratified_attributes(experiment: Experiment) -> list[str]:
    """Return the attributes balanced besides the outcome."""
    named = list(experiment.split.stratify)
    if len(named) >= MAX_VARIABLES:
        raise ConfigError(
            f"{len(named)} attributes and the outcome are more than {MAX_VARIABLES} variables",
            where="split.stratify",
            fix=f"name at most {MAX_VARIABLES - 1} attributes; the others stand in the balance "
            "table all the same",
        )
    fairness = experiment.fairness.attributes if experiment.fairness else []
    return named or list(fairness[: MAX_VARIABLES - 1])


def _n_strata(experiment: Experiment) -> int:
    return 1 + len(_stratified_attributes(experiment))


def _variables(cases: Cases, facts: Mapping[str, CaseFacts] | None) -> pd.DataFrame:
    """Return outcome and attributes of each case as text, those that are stratified first."""
    frame, experiment = cases.frame, cases.experiment
    columns: dict[str, Any] = {"outcome": _outcome(cases, facts)}
    first = _stratified_attributes(experiment)
    for name in [*first, *(n for n in cases.attributes if n not in first)]:
        columns[name] = frame[name].astype(object).where(frame[name].notna(), MISSING)
    for name in experiment.findings if len(experiment.findings) > 1 else []:
        columns[f"outcome {name}"] = _yes_no(frame[f"y:{name}"])
    return pd.DataFrame(columns, index=frame.index)


def _outcome(cases: Cases, facts: Mapping[str, CaseFacts] | None) -> "pd.Series[Any]":
    """Return what is to be learnt of a case, as text: the finding, or the structures present."""
    frame, experiment = cases.frame, cases.experiment
    if experiment.findings:
        headline = next(
            (t for t in experiment.primary_targets if t in experiment.findings),
            next(iter(experiment.findings)),
        )
        return _yes_no(frame[f"y:{headline}"])
    known = facts if facts is not None else survey(cases, labels_only=True)

    def present(case_id: str) -> str:
        case = known.get(case_id)
        if case is None or case.label is None:
            return MISSING
        seen = [n for n, value in experiment.structures.items() if value in case.label.n_voxels]
        return " + ".join(seen) or "none"

    return frame["case_id"].map(present)


def _yes_no(y: "pd.Series[Any]") -> "pd.Series[Any]":
    return y.map({1.0: "present", 0.0: "absent"}).astype(object).where(y.notna(), MISSING)


def _patients(cases: Cases, variables: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return one row per patient, alike ones beside each other, in an order the seed decides.

    A patient with the finding in any case has it. Of an attribute that differs between cases the
    commonest level counts. Within a stratum patients with many cases stand first, so that cases
    are shared out as evenly as patients.
    """
    patient = cases.frame["patient_id"]
    n_strata = _n_strata(cases.experiment)
    rows = pd.DataFrame({"n_cases": patient.value_counts()})
    for column in variables.columns[:n_strata]:
        level = variables[column]
        if column == "outcome":
            rank = level.map({"present": 0}).fillna(1)
            order = pd.DataFrame({"p": patient, "rank": rank, "level": level})
        else:
            n = level.groupby([patient, level]).transform("size")
            order = pd.DataFrame({"p": patient, "rank": -n, "level": level})
        rows[column] = order.sort_values(["p", "rank", "level"]).groupby("p")["level"].first()
        # Rare levels last, so that they are neighbours and share a place in the sample.
        frequency = rows[column].map(rows[column].value_counts())
        rows[f"{column} n"] = -frequency
    rows["dice"] = [_dice(seed, str(name)) for name in rows.index]
    keys = [k for c in variables.columns[:n_strata] for k in (f"{c} n", c)]
    return rows.sort_values(
        [*keys, "n_cases", "dice"], ascending=[True] * len(keys) + [False, True]
    )


def _dice(seed: int, name: str) -> int:
    """Return a number that looks thrown, and is the same on every machine."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:8], "big") >> 1


# Who goes where


def _take(n: int, share: float, start: float) -> NDArray[np.bool_]:
    """Choose a share of `n` neighbours, evenly spread, beginning at `start` in [0, 1)."""
    steps = np.floor(np.arange(n + 1) * share + start)
    return np.asarray(np.diff(steps) > 0)


def _share_out(patients: pd.DataFrame, seed: int, test: float, tune: float) -> NDArray[Any]:
    """Return train, tune or test for patients in order."""
    part = np.full(len(patients), "train", dtype=object)
    chosen = (
        _take(len(patients), test, _dice(seed, "test") / 2**63)
        if test
        else (np.zeros(len(patients), dtype=bool))
    )
    part[chosen] = "test"
    rest = np.flatnonzero(~chosen)
    if tune and len(rest):
        share = min(tune / (1 - test), 1.0) if test < 1 else 0.0
        part[rest[_take(len(rest), share, _dice(seed, "tune") / 2**63)]] = "tune"
    return part


def _by_patient(cases: Cases, patients: pd.DataFrame) -> tuple[NDArray[Any], list[str]]:
    rule = cases.experiment.split
    test, tune = _share(rule.test, "split.test"), _share(rule.tune, "split.tune")
    if test + tune >= 1:
        raise ConfigError(
            f"test {test:g} and tune {tune:g} leave nothing to learn from",
            where="split",
            fix="let test and tune add up to less than 1",
        )
    return _share_out(patients, rule.seed, test, tune), []


def _for_vendor(cases: Cases, patients: pd.DataFrame) -> tuple[NDArray[Any], list[str]]:
    """Test all, but the patients set aside to choose an operating point on."""
    point = cases.experiment.operating_point
    aside = point.tune_share if point and point.tune_share else 0.0
    note = "nothing is trained: every patient is tested"
    if aside:
        note += f", but {aside:.0%} set aside to choose the operating point on"
    part = _share_out(patients, cases.experiment.split.seed, 0.0, aside)
    return np.where(part == "train", "test", part), [note]


def _by_column(cases: Cases, patients: pd.DataFrame) -> tuple[NDArray[Any], list[str]]:
    """Follow the subsets of a column: lists are its values, a share of tune is of the rest."""
    rule = cases.experiment.split
    if not isinstance(rule.test, list):
        raise ConfigError(
            f"by: {rule.by} needs the values that are test, not a share of {rule.test:g}",
            where="split.test",
            fix=f"write test: [VALUE]; column '{rule.column}' holds: {_values_of(cases)}",
        )
    return _by_values(cases, patients)


def _by_values(cases: Cases, patients: pd.DataFrame) -> tuple[NDArray[Any], list[str]]:
    rule = cases.experiment.split
    column = _split_column(cases)
    subset = pd.Series("train", index=column.index, dtype=object)
    for name, values in (("tune", rule.tune), ("test", rule.test)):
        if isinstance(values, list):
            hit = table.among(column, values)
            unmet = [v for v in values if not table.among(column, [v]).any()]
            if unmet:
                raise DataError(
                    f"no case has {', '.join(repr(v) for v in unmet)}",
                    where=f"split.{name}, column {rule.column}",
                    fix=f"the column holds: {_values_of(cases)}",
                )
            subset = subset.mask(hit, name)
    part = _one_side(subset, cases, patients)
    if not isinstance(rule.tune, list):
        rest = patients[part == "train"]
        part[part == "train"] = _share_out(rest, rule.seed, 0.0, rule.tune)
    return part, []


def _by_site(cases: Cases, patients: pd.DataFrame) -> tuple[NDArray[Any], list[str]]:
    """Hold whole sites out: those named, or as many as come nearest to the share."""
    rule = cases.experiment.split
    if isinstance(rule.test, list):
        return _by_values(cases, patients)
    site = _split_column(cases)
    subset_sites = _sites_near(site, rule.test, rule.seed)
    subset = pd.Series(np.where(site.isin(subset_sites), "test", "train"), index=site.index)
    part = _one_side(subset, cases, patients)
    rest = patients[part == "train"]
    tune = _share(rule.tune, "split.tune")
    part[part == "train"] = _share_out(rest, rule.seed, 0.0, min(tune / (1 - rule.test), 0.9))
    return part, [f"test sites: {', '.join(sorted(subset_sites))}"]


def _sites_near(site: "pd.Series[Any]", share: float, seed: int) -> list[str]:
    """Choose sites, in an order the seed decides, until the next would lead away from the share."""
    n = site.value_counts()
    if len(n) < 2:
        raise DataError(
            "there is one site only",
            where=f"column {site.name}",
            fix="use split: {by: patient}; a site that was not seen cannot be tested",
        )
    chosen: list[str] = []
    wanted, taken = share * len(site), 0
    for name in sorted(n.index, key=lambda s: _dice(seed, str(s))):
        nearer = abs(taken + n[name] - wanted) < abs(taken - wanted)
        if nearer and len(chosen) < len(n) - 1:
            chosen.append(name)
            taken += int(n[name])
    return chosen or [str(n.index[-1])]


def _by_time(cases: Cases, patients: pd.DataFrame) -> tuple[NDArray[Any], list[str]]:
    """Test the latest patients. Who was seen again after the cut is test with all cases."""
    rule = cases.experiment.split
    when = _times(_split_column(cases))
    last = when.groupby(cases.frame["patient_id"]).max().reindex(patients.index)
    order = np.argsort(last.to_numpy(), kind="stable")
    part = np.full(len(patients), "train", dtype=object)
    if isinstance(rule.test, list):
        cut = _times(pd.Series([str(rule.test[0])], name=rule.column)).iloc[0]
    else:
        cut = last.iloc[order[round(len(order) * (1 - rule.test))]]
    part[(last >= cut).to_numpy()] = "test"
    rest = part == "train"
    tune = _share(rule.tune, "split.tune")
    test_share = 1 - rest.mean()
    part[rest] = _share_out(
        patients[rest], rule.seed, 0.0, min(tune / max(1 - test_share, 1e-9), 0.9)
    )
    early = int(
        (
            (when < cut)
            & (
                cases.frame["patient_id"].map(dict(zip(patients.index, part, strict=True)))
                == "test"
            )
        ).sum()
    )
    note = "test patients are those seen last"
    return part, [note + (f"; {early} of their cases are from before the cut" if early else "")]


def _times(column: "pd.Series[Any]") -> "pd.Series[Any]":
    values = pd.Series(table.numbers(column), index=column.index)
    if values.notna().all():
        return values
    try:
        return pd.to_datetime(column, format="ISO8601", utc=True)
    except (ValueError, TypeError) as fault:
        raise DataError(
            "the times are neither numbers nor dates such as 2024-01-31",
            where=f"column {column.name}",
            fix="write dates as YYYY-MM-DD",
        ) from fault


def _split_column(cases: Cases) -> "pd.Series[Any]":
    rule = cases.experiment.split
    if "split_column" not in cases.frame.columns:
        raise ConfigError(
            f"by: {rule.by} needs a column", where="split.column", fix="name the column"
        )
    column = cases.frame["split_column"].rename(rule.column)
    if column.isna().any():
        first = cases.frame.loc[column.isna(), "case_id"].iloc[0]
        raise DataError(
            f"{int(column.isna().sum())} cases have no value, the first is {first}",
            where=f"column {rule.column} (split.column)",
            fix="fill the column, or leave those rows out with data.exclude",
        )
    return column


def _values_of(cases: Cases) -> str:
    values = sorted(_split_column(cases).unique())
    return ", ".join(values[:10]) + (" …" if len(values) > 10 else "")


def _one_side(subset: "pd.Series[Any]", cases: Cases, patients: pd.DataFrame) -> NDArray[Any]:
    """Return the part of each patient, who must not be in two.

    Raises
    ------
    LeakageError
        If a patient is.
    """
    patient = cases.frame["patient_id"]
    n_parts = subset.groupby(patient).nunique()
    both = n_parts.index[n_parts > 1]
    if len(both):
        rows = patient.isin(both)
        n = int((rows & (subset == "train")).sum())
        pair = " and ".join(f"'{p}'" for p in PARTS if (subset[rows] == p).any())
        rule = cases.experiment.split
        one = len(both) == 1
        raise LeakageError(
            f"{len(both)} patient{' is' if one else 's are'} in {pair}",
            where=f"{cases.table_path.name}: column {rule.column}, patients in column "
            f"{cases.experiment.data.patient}",
            fix="use split: {by: patient}; or give each patient one value of the column; or leave "
            f"their {n} cases in train out with audit: {{exclude: {{PATIENT_ACROSS_SUBSETS: …}}}}",
        )
    part: NDArray[Any] = subset.groupby(patient).first().reindex(patients.index).to_numpy(copy=True)
    return part


_PARTITIONS = {
    "patient": _by_patient,
    "vendor": _for_vendor,
    "column": _by_column,
    "site": _by_site,
    "time": _by_time,
}


def _rule_of(experiment: Experiment) -> str:
    by = experiment.split.by
    return "vendor" if experiment.is_vendor and by == "patient" else by


def _share(value: float | list[Any], where: str) -> float:
    if isinstance(value, list):
        raise ConfigError(
            "a list of values needs a column",
            where=where,
            fix="use split: {by: column, column: NAME}, or a share such as 0.2",
        )
    if not 0 <= value < 1:
        raise ConfigError(f"{value:g} is not a share", where=where, fix="write 0 to below 1")
    return value


def _folds(
    experiment: Experiment, patients: pd.DataFrame, part: "pd.Series[Any]"
) -> "pd.Series[Any]":
    """Deal the patients outside the test list out to the folds, alike ones to different folds."""
    k = experiment.split.folds
    if k is None:
        return pd.Series(np.nan, index=patients.index)
    rest = np.flatnonzero((part != "test").to_numpy())
    if len(rest) < k:
        raise DataError(
            f"{len(rest)} patients cannot make {k} folds", where="split.folds", fix="ask for fewer"
        )
    start = _dice(experiment.split.seed, "fold") % k
    dealt = np.full(len(patients), np.nan)
    dealt[rest] = (np.arange(len(rest)) + start) % k
    return pd.Series(dealt, index=patients.index)


def _require_parts(part: "pd.Series[Any]", experiment: Experiment) -> None:
    rule = experiment.split
    needed = ["test"] if experiment.is_vendor else ["test", "train"]
    if not experiment.is_vendor and (isinstance(rule.tune, list) or rule.tune > 0):
        needed.append("tune")
    for name in needed:
        if not (part == name).any():
            raise DataError(
                f"no case is left for {name}",
                where=f"split: by {rule.by}, {part.size} cases",
                fix="raise its share, or bring more patients",
            )


# What is kept of it


def _balance(
    frame: pd.DataFrame, part: "pd.Series[Any]", variables: pd.DataFrame
) -> Iterator[dict[str, Any]]:
    """Yield each level of each variable with its share in train, tune and test."""
    total = part.value_counts()
    for variable in variables.columns:
        n = pd.crosstab(variables[variable], part)
        order: Iterable[Any] = n.sum(axis=1).sort_values(ascending=False, kind="stable").index
        for level in order:
            row: dict[str, Any] = {"variable": variable, "level": str(level)}
            for name in PARTS:
                count = int(n.loc[level, name]) if name in n.columns else 0
                row[name] = count / int(total[name]) if name in total.index else None
                row[f"n_{name}"] = count
            yield row


def _seal(test: pd.DataFrame) -> str:
    """Return one hash of the test cases and their reference standard."""
    standard: list[Any]
    if "label" in test.columns:
        refs = ["" if pd.isna(ref) else str(ref) for ref in test["label"]]
        hashes = content_hashes(sorted({file_of(ref) for ref in refs if ref}))
        standard = [[hashes.get(file_of(ref), ""), ref.partition("#")[2]] for ref in refs]
    else:
        standard = test[[c for c in test.columns if c.startswith("y:")]].to_numpy().tolist()
    rows = zip(test["case_id"].astype(str), standard, strict=True)
    return json_hash(sorted((list(row) for row in rows), key=lambda row: row[0]))
