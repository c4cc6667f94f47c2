"""Who goes where: the ways of a config to choose train, tune and test."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aiops.config import Experiment
from aiops.data import table
from aiops.data.cases import Cases
from aiops.data.strata import dice
from aiops.errors import ConfigError, DataError, LeakageError

PARTS = ("train", "tune", "test")


def _take(n: int, share: float, start: float) -> NDArray[np.bool_]:
    """Choose a share of `n` neighbours, evenly spread, beginning at `start` in [0, 1)."""
    steps = np.floor(np.arange(n + 1) * share + start)
    return np.asarray(np.diff(steps) > 0)


def _share_out(patients: pd.DataFrame, seed: int, test: float, tune: float) -> NDArray[Any]:
    """Return train, tune or test for patients in order."""
    part = np.full(len(patients), "train", dtype=object)
    part[_take(len(patients), test, dice(seed, "test") / 2**63)] = "test"
    rest = np.flatnonzero(part == "train")
    part[rest[_take(len(rest), tune / (1 - test), dice(seed, "tune") / 2**63)]] = "tune"
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
        part[part == "train"] = _share_out(rest, rule.seed, 0.0, _share(rule.tune, "split.tune"))
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
    for name in sorted(n.index, key=lambda s: dice(seed, str(s))):
        nearer = abs(taken + n[name] - wanted) < abs(taken - wanted)
        if nearer and len(chosen) < len(n) - 1:
            chosen.append(name)
            taken += int(n[name])
    return chosen or [str(n.index[-1])]


def _leave_one_out(cases: Cases, patients: pd.DataFrame) -> tuple[NDArray[Any], list[str]]:
    """Test every patient: each by the member that has not seen the patient's site."""
    site = _split_column(cases)
    names = sites_of(site)
    if len(names) < 2:
        _sites_near(site, 0.5, 0)  # says that there is one site only
    n_sites = site.groupby(cases.frame["patient_id"]).nunique()
    if (n_sites > 1).any():
        raise LeakageError(
            f"{int((n_sites > 1).sum())} patients were seen at two sites or more",
            where=f"{cases.table_path.name}: column {site.name}",
            fix="give each patient one site, or leave them out with data.exclude",
        )
    each = "; ".join(f"fold{i} without {name}" for i, name in enumerate(names))
    return np.full(len(patients), "test", dtype=object), [f"each site is tested unseen: {each}"]


def sites_of(site: "pd.Series[Any]") -> list[str]:
    """Return the sites in the order of their folds."""
    return sorted(str(name) for name in site.unique())


def _by_time(cases: Cases, patients: pd.DataFrame) -> tuple[NDArray[Any], list[str]]:
    """Test the latest patients. Who was seen again after the cut is test with all cases."""
    rule = cases.experiment.split
    column = _split_column(cases)
    if isinstance(rule.test, list):
        if len(rule.test) != 1:
            raise ConfigError(
                f"{len(rule.test)} cuts in time",
                where="split.test",
                fix="write one, test: ['2024-01-01'], or a share such as 0.2",
            )
        when = _times(pd.concat([column, pd.Series([str(rule.test[0])])]).rename(column.name))
        when, cut = when.iloc[:-1], when.iloc[-1]
    else:
        when = _times(column)
    patient = cases.frame["patient_id"]
    last = when.groupby(patient).max().reindex(patients.index)
    if not isinstance(rule.test, list):
        place = min(round(len(last) * (1 - rule.test)), len(last) - 1)
        cut = last.sort_values(kind="stable").iloc[place]
    part = np.where((last >= cut).to_numpy(), "test", "train").astype(object)
    rest = part == "train"
    tune = _share(rule.tune, "split.tune") / max(float(rest.mean()), 1e-9)
    part[rest] = _share_out(patients[rest], rule.seed, 0.0, min(tune, 0.9))
    tested = patient.isin(patients.index[part == "test"])
    early = int(((when < cut) & tested).sum())
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
    return ", ".join(values) if len(values) <= 10 else f"{len(values)} different values"


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


PARTITIONS = {
    "patient": _by_patient,
    "vendor": _for_vendor,
    "column": _by_column,
    "site": _by_site,
    "leave_one_out": _leave_one_out,
    "time": _by_time,
}


def rule_of(experiment: Experiment) -> str:
    """Return the way a config's split is made: that of `split.by`, or a vendor's."""
    if experiment.split.leave_one_out:
        return "leave_one_out"
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


def folds_of(cases: Cases, patients: pd.DataFrame, part: "pd.Series[Any]") -> "pd.Series[Any]":
    """Deal the patients outside the test list out to the folds, alike ones to different folds.

    Where each site is left out once, a site is a fold.
    """
    experiment = cases.experiment
    k = experiment.split.folds
    if experiment.split.leave_one_out:
        site = cases.frame["split_column"].groupby(cases.frame["patient_id"]).first()
        fold = {name: i for i, name in enumerate(sites_of(site))}
        return site.map(fold).reindex(patients.index).astype(float)
    if k is None:
        return pd.Series(np.nan, index=patients.index)
    rest = np.flatnonzero((part != "test").to_numpy())
    if len(rest) < k:
        raise DataError(
            f"{len(rest)} patients cannot make {k} folds", where="split.folds", fix="ask for fewer"
        )
    start = dice(experiment.split.seed, "fold") % k
    dealt = np.full(len(patients), np.nan)
    dealt[rest] = (np.arange(len(rest)) + start) % k
    return pd.Series(dealt, index=patients.index)
