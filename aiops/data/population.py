"""The people who are served: a small table of groups and their shares, beside the cases."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from aiops.config import Experiment
from aiops.data.cases import band_names
from aiops.data.table import numbers, read_frame, require_columns
from aiops.errors import DataError
from aiops.lookup import nearest

COLUMNS = ("attribute", "group", "share")
SLACK = 0.005
"""Shares are rounded when they are published; their sum may be off by this."""

Shares = dict[str, dict[str, float]]


def population_path(experiment: Experiment, *, config_path: Path | None) -> Path | None:
    """Return the path of the population table, or None where the config names none."""
    fairness = experiment.fairness
    if fairness is None or fairness.population is None:
        return None
    start = config_path.resolve().parent if config_path else Path.cwd()
    return (start / Path(fairness.population.file).expanduser()).resolve()


def read_population(experiment: Experiment, *, config_path: Path | None = None) -> Shares:
    """Return the share of each group among those who are served, by attribute.

    Parameters
    ----------
    experiment : Experiment
        The config.
    config_path : Path, optional
        Its file: a relative ``fairness.population.file`` starts at its folder.

    Returns
    -------
    dict
        Empty where the config names no population.

    Raises
    ------
    DataError
        If the table is not there or lacks a column, names an attribute or a group that the config
        does not know, names one twice, or its shares are none; all mistakes are named at once.
    """
    path = population_path(experiment, config_path=config_path)
    if path is None:
        return {}
    table = read_frame(path)
    require_columns(table, dict.fromkeys(COLUMNS, "fairness.population"), where=str(path))
    table = table.assign(share=numbers(table["share"]))
    mistakes = list(_mistakes(table, experiment))
    if mistakes:
        raise DataError(
            f"the population table has {len(mistakes)} mistake{'s' * (len(mistakes) > 1)}: "
            + "; ".join(mistakes[:8]),
            where=str(path),
            fix="one row a group: its attribute and name as under data.attributes, and its share "
            "of those served, from 0 to 1",
        )
    return {
        str(attribute): dict(zip(rows["group"].astype(str), rows["share"], strict=True))
        for attribute, rows in table.groupby("attribute", sort=False)
    }


def _mistakes(table: pd.DataFrame, experiment: Experiment) -> Iterator[str]:
    attributes = experiment.data.attributes
    incomplete = int(table[list(COLUMNS)].isna().any(axis=1).sum())
    if incomplete:
        yield f"{incomplete} rows lack attribute, group or a share that is a number"
    outside = table[(table["share"] < 0) | (table["share"] > 1)]
    if len(outside):
        yield f"{len(outside)} shares lie outside 0 to 1 (write 0.12 for 12 %)"
    twice = table[table.duplicated(["attribute", "group"])]
    for attribute, group in zip(twice["attribute"], twice["group"], strict=True):
        yield f"{attribute} '{group}' stands twice"
    for attribute, rows in table.groupby("attribute", sort=False):
        name = str(attribute)
        if name not in attributes:
            yield f"'{name}' is not an attribute{_meant(name, list(attributes))}"
            continue
        known = _groups_of(experiment, name)
        for group in rows["group"].dropna():
            if known and group not in known:
                yield f"'{group}' is not a group of {name}{_meant(str(group), known)}"
        total = float(rows["share"].sum())
        if outside.empty and total > 1 + SLACK:
            yield f"the shares of {name} add up to {total:.3g}"


def _groups_of(experiment: Experiment, attribute: str) -> list[str]:
    """Return the groups an attribute can have; none where any value is a group."""
    told = experiment.data.attributes[attribute]
    if told.values:
        return list(dict.fromkeys(told.values.values()))
    return band_names(told.bands) if told.bands else []


def _meant(name: str, known: list[str]) -> str:
    guess = nearest(name, known)
    return f" (did you mean '{guess}'?)" if guess else f" ({', '.join(known) or 'none are named'})"
