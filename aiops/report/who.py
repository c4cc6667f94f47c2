"""Section on who is in the data, and how that compares with the people who are served."""

import math

import pandas as pd

from aiops.config import Experiment
from aiops.report import wording
from aiops.report.blocks import Block, Cell, Chip, Details, Prose, Section, Table, numbers
from aiops.report.disclosure import WITHHELD
from aiops.report.files import Json, RunFiles
from aiops.report.findings import table_rows, unit_word, units
from aiops.report.groups import SPECIAL, attributes_of, how_hidden, ordered
from aiops.report.wording import (
    count,
    counted,
    hidden_as,
    is_number,
    listed,
    readable,
    target_name,
)

FOUR_FIFTHS = 0.8
"""Below this ratio of shares a group counts as under-represented; a convention, not a law."""


def who(files: RunFiles, experiment: Experiment) -> Section:
    """Return how many patients, cases and positives each group has in the test set."""
    table = files.metrics
    headline, metric = experiment.primary_targets[0], experiment.primary.metric
    rows = table[(table["target"] == headline) & (table["metric"] == metric)]
    total = rows[rows["attribute"] == "all"]
    blocks: list[Block] = [Prose(_whence(experiment))]
    attributes = attributes_of(files, experiment)
    if not attributes:
        blocks.append(
            Prose("No attribute of patients was recorded, so nothing is known on groups.")
        )
    for attribute in attributes:
        groups = rows[rows["attribute"] == attribute]
        if groups.empty:
            continue
        blocks.append(_who_table(groups, attribute, total, files))
    if balance := _balance(files):
        blocks.append(balance)
    if files.is_shareable:
        blocks.append(Prose(how_hidden(files.disclosure), "note"))
    blocks.append(
        Prose(
            "“Not recorded” holds patients without the entry, “conflicting” those whose entries "
            "contradict each other.",
            "note",
        )
    )
    blocks += representation(files)
    return Section("who", "Who is in the data", "Groups of the test set", tuple(blocks))


def _who_table(rows: pd.DataFrame, attribute: str, total: pd.DataFrame, files: RunFiles) -> Table:
    headline, unit = str(rows["target"].iloc[0]), units(unit_word(files))
    everyone = int(total["n_patients"].iloc[0]) if len(total) else 0
    has_positives = rows["n_positive"].notna().any()
    # None failed over all, so none in a group: a hidden 0 would look like a few.
    has_failures = bool(total["n_failed"].fillna(1).gt(0).any())
    columns = [readable(attribute).capitalize(), "Patients", "Share", unit.capitalize()]
    columns += [f"{unit.capitalize()} with {target_name(headline)}"] if has_positives else []
    columns += ["Failed"] if has_failures else []
    body = []
    for row in table_rows(ordered(rows)):
        instead, n_patients = hidden_as(row), row["n_patients"]
        share = n_patients / everyone if everyone and math.isfinite(n_patients) else math.nan
        cells: list[Cell] = [
            readable(row["group"]),
            counted(row, "n_patients", instead),
            wording.DASH if math.isnan(share) else wording.percent(share),
            counted(row, "n_cases", instead),
        ]
        cells += [counted(row, "n_positive", instead)] if has_positives else []
        cells += [count(row["n_failed"], WITHHELD)] if has_failures else []
        body.append(tuple(cells))
    return Table(
        caption=f"Test set by {readable(attribute)}",
        columns=tuple(columns),
        rows=tuple(body),
        numbers=numbers(1, len(columns) - 1),
        plain=_who_words(rows, everyone),
    )


def _whence(experiment: Experiment) -> str:
    """Return where and when the patients come from, as far as it was recorded."""
    site = "site" in experiment.data.attributes
    where = "The site of each case is in the table below. " if site else ""
    lacking = "from when to when they came" if site else (
        "which hospitals the patients come from, and from when to when")  # fmt: skip
    return f"{where}Not recorded: {lacking}."


def _balance(files: RunFiles) -> Details | None:
    rows = files.split.get("balance") or []
    # Shares to three digits of parts of a known size give small counts away.
    if not rows or files.is_shareable:
        return None
    parts = [p for p in ("train", "tune", "test") if any(p in row for row in rows)]
    body = tuple(
        (
            readable(row.get("variable", "")),
            readable(row.get("level", "")),
            *(_balance_cell(row.get(part)) for part in parts),
        )
        for row in rows
    )
    table = Table(
        caption="How the cases were shared out",
        columns=("Variable", "Level", *(p.capitalize() for p in parts)),
        rows=body,
        numbers=numbers(2, len(parts) + 1),
    )
    return Details("Training, tuning and test sets compared", (table,))


def _balance_cell(value: object) -> str:
    if not is_number(value):
        return wording.DASH
    return wording.percent(value) if value <= 1 else count(value)


def _who_words(rows: pd.DataFrame, everyone: int) -> str:
    shown = [r for r in table_rows(ordered(rows)) if is_number(r["n_patients"])]
    n_hidden = len(rows) - len(shown)
    words = ""
    if shown and everyone:
        parts = [
            f"{wording.of_100(r['n_patients'] / everyone)} are “{readable(r['group'])}”"
            for r in shown[:4]
        ]
        more = f" ({len(shown) - 4} more in the table)" if len(shown) > 4 else ""
        words = f"Of every 100 patients tested, {listed(parts)}{more}."
    if sum(r["n_patients"] for r in shown) > 1.02 * everyone:
        words += " One patient can stand in several."
    if n_hidden:
        verb = "group is" if n_hidden == 1 else "groups are"
        words += f" {n_hidden} {verb} hidden; that is not the same as none."
    return words.strip()


def compared(files: RunFiles) -> pd.DataFrame:
    """Return the groups for which the people served are known, or an empty table."""
    table = files.table("representation")
    return table if table.empty else table[table["population_share"].notna()]


def representation(files: RunFiles) -> list[Block]:
    """Return how the shares of the groups compare with those of the people who are served."""
    table = compared(files)
    if table.empty:
        return [
            Prose(
                "Not recorded: the people you serve. Without a table of them nobody can say who is "
                "missing from these data."
            )
        ]
    return [
        _representation_table(
            _with_unrecorded(files, table[table["attribute"] == attribute]), str(attribute)
        )
        for attribute in table["attribute"].unique()
    ]


def _with_unrecorded(files: RunFiles, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the groups compared, and after them those whose entry nobody wrote down."""
    table = files.table("representation")
    lacking = table[
        (table["attribute"] == rows["attribute"].iloc[0]) & table["group"].isin(SPECIAL)
    ]
    lacking = lacking[~lacking["group"].isin(rows["group"])]
    there = lacking["n_patients"].fillna(1) > 0
    return pd.concat([rows, lacking[there]]) if there.any() else rows


def _representation_table(rows: pd.DataFrame, attribute: str) -> Table:
    body: list[tuple[Cell, ...]] = []
    for row in table_rows(rows):
        hidden = hidden_as(row)
        share = _share(row, "share") if hidden == wording.DASH else hidden
        body.append(
            (
                readable(row["group"]),
                counted(row, "n_patients", hidden),
                share,
                _percent(row["population_share"]),
                _ratio(row),
                standing(row),
            )
        )
    sources = [s for s in rows["source"].map(wording.text_of).unique() if s]
    return Table(
        caption=f"By {readable(attribute)}: the test set against the people served",
        columns=(
            readable(attribute).capitalize(),
            "Patients",
            "Share here (95% interval)",
            "Share of people served",
            "Ratio (95% interval)",
            "Standing",
        ),
        rows=tuple(body),
        numbers=numbers(1, 4),
        plain=_representation_words(rows),
        note=f"Ratio: share here over share of people served; 1 is as many as among those served. "
        f"Below {FOUR_FIFTHS:g}, a group counts as under-represented (a convention). "
        f"People served: {'; '.join(sources) or 'source not recorded'}.",
    )


def standing(row: Json) -> Chip:
    """Return whether a group is shown to be there in its share, shown to lack, or neither.

    Examples
    --------
    >>> standing({"ratio": 0.5, "ratio_low": 0.4, "ratio_high": 0.6, "state": "ok"}).word
    'under-represented'
    >>> standing({"ratio": 1.0, "ratio_low": 0.7, "ratio_high": 1.4, "state": "ok"}).word
    'cannot be said'
    """
    if row.get("state") == "suppressed":
        return Chip("hidden", "quiet")
    low, high = row.get("ratio_low"), row.get("ratio_high")
    if not (is_number(low) and is_number(high)):
        return Chip("cannot be said", "open")
    if high < FOUR_FIFTHS:
        return Chip("under-represented", "bad")
    return Chip("represented", "good") if low >= FOUR_FIFTHS else Chip("cannot be said", "open")


def _representation_words(rows: pd.DataFrame) -> str:
    lacking = [r for r in table_rows(rows) if standing(r).tone == "bad"]
    unsure = [r for r in table_rows(rows) if standing(r).tone == "open"]
    words = [
        f"“{readable(r['group'])}” is {wording.of_100(r['share'])} of every 100 patients here, "
        f"but {wording.of_100(r['population_share'])} of every 100 people served."
        for r in lacking
    ]
    if not lacking and not unsure:
        words.append("Every group that is shown is here about as often as among the people served.")
    if unsure:
        names = listed([f"“{readable(r['group'])}”" for r in unsure])
        words.append(f"It cannot be said whether {names} {'is' if len(unsure) == 1 else 'are'} "
                     "here often enough.")  # fmt: skip
    return " ".join(words)


def _share(row: Json, name: str) -> str:
    spread = [row.get("low"), row.get("high")]
    if not is_number(row.get(name)):
        return wording.cell({**row, "value": None}, "sensitivity")
    told = _percent(row[name])
    both = f" ({_percent(spread[0])} to {_percent(spread[1])})"
    return told + both if all(is_number(s) for s in spread) else told


def _percent(share: object) -> str:
    return wording.percent(share) if is_number(share) else wording.DASH


def _ratio(row: Json) -> str:
    hidden = hidden_as(row)
    if not is_number(row.get("ratio")):
        reason = wording.text_of(row.get("reason"))
        return hidden if hidden != wording.DASH else reason or wording.DASH
    told = f"{row['ratio']:.2f}"
    if is_number(row.get("ratio_low")) and is_number(row.get("ratio_high")):
        told += f" ({row['ratio_low']:.2f} to {row['ratio_high']:.2f})"
    return told
