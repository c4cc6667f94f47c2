"""Section on crossings of groups, such as older women: pooled where a group is small."""

import pandas as pd

from aiops.config import Experiment
from aiops.report import wording
from aiops.report.blocks import Block, Cell, Chip, Details, Heading, Prose, Section, Table
from aiops.report.files import Json, RunFiles
from aiops.report.findings import table_rows, unit_word, units
from aiops.report.wording import (
    counted,
    gloss,
    hidden_as,
    is_number,
    readable,
    target_name,
)

MOST_ROWS = 12
"""Crossings shown openly; the others stand behind a line."""


def intersections(files: RunFiles, experiment: Experiment) -> Section:
    """Return the primary figure of each crossing of groups, the worst first."""
    title, table = "Where groups cross", files.table("intersections")
    if not table.empty:
        metric = experiment.primary.metric
        table = table[
            (table["target"] == experiment.primary_targets[0]) & (table["metric"] == metric)
        ]
    if table.empty:
        text = "Not computed: no crossing of groups (older women, say) was looked at in this run."
        return Section("intersections", title, "Intersections", (Prose(text),))
    blocks: list[Block] = [
        Prose(
            "A crossing holds few patients, so its own figure swings by chance. The pooled figure "
            "is drawn towards what the two groups show by themselves, the more so the fewer "
            "patients there are. “Borrowed” says how much of it comes from the others: 0% is all "
            "its own, 100% all theirs. Where the crossing’s own figure is insufficient, the pooled "
            "one is mostly the others’: it must not be read as evidence on these patients.",
            "note",
        )
    ]
    if _left_out(files):
        text = "Crossings of groups that are hidden, or too small to show, are left out altogether."
        blocks.append(Prose(text))
    unit = units(unit_word(files))
    for attributes in table["attributes"].unique():
        blocks += _crossing(
            table[table["attributes"] == attributes], str(attributes), experiment, unit
        )
    return Section("intersections", title, "Intersections", tuple(blocks))


def _left_out(files: RunFiles) -> bool:
    log = files.disclosure_log.get("suppressed") or []
    return any(r["table"] == "intersections" and "left out" in r["why"] for r in log)


def tally(rows: list[Json]) -> str:
    """Return how many crossings have a figure, and what became of the others.

    Examples
    --------
    >>> row = {"n_patients": 0, "state": "not_estimable", "pooled": None, "value": None}
    >>> shown = {"n_patients": 9, "state": "ok", "pooled": 0.8, "value": 0.7}
    >>> tally([row, shown, {"n_patients": None, "state": "suppressed"}])
    'Of 3 crossings, 1 has a figure, 1 is empty and 1 is hidden.'
    """
    hidden = sum(1 for r in rows if r.get("state") == "suppressed")
    empty = sum(1 for r in rows if is_number(r.get("n_patients")) and r["n_patients"] == 0)
    shown = sum(1 for r in rows if _has_figure(r))
    rest = len(rows) - hidden - empty - shown
    words = [f"{shown} {'has' if shown == 1 else 'have'} a figure"]
    words += [
        f"{n} {'is' if n == 1 else 'are'} {word}"
        for n, word in ((empty, "empty"), (hidden, "hidden"), (rest, "not estimable"))
        if n
    ]
    return f"Of {len(rows)} crossings, {wording.listed(words)}."


def _crossing(
    rows: pd.DataFrame, attributes: str, experiment: Experiment, unit: str
) -> list[Block]:
    metric = experiment.primary.metric
    sign = 1 if gloss(metric).higher_is_better else -1
    # The empty ones are counted, not listed; the hidden are listed last.
    there = [r for r in table_rows(rows) if not _is_empty(r)]
    there.sort(key=lambda r: (not _has_figure(r), sign * _best_guess(r)))
    worst = next((r for r in there if _has_figure(r) and is_own(r)), None)
    too_few = sum(_has_figure(r) and not is_own(r) for r in there)
    named = rows["prespecified"].fillna(value=False).astype(bool).any()
    words = [tally(table_rows(rows))]
    if worst is not None:
        words.append(
            f"The lowest pooled figure is that of “{readable(worst['group'])}”: "
            f"{wording.cell(worst, metric, _shown(worst))}."
            if sign > 0
            else f"The highest pooled figure is that of “{readable(worst['group'])}”: "
            f"{wording.cell(worst, metric, _shown(worst))}."
        )
    if too_few:
        words.append(
            f"Of {too_few} {'crossing' if too_few == 1 else 'crossings'} too little is known by "
            "themselves; the pooled figure there says little about those patients."
        )
    opened, more = there[:MOST_ROWS], there[MOST_ROWS:]
    blocks: list[Block] = [
        Heading(readable(attributes).capitalize()),
        Prose(
            "Named in advance, without a verdict."
            if named
            else "Exploratory: not named in advance."
        ),
        _table(opened, attributes, experiment, unit, plain=" ".join(words)),
    ]
    if more:
        table = _table(more, attributes, experiment, unit, plain="")
        blocks.append(Details(f"The other {len(more)} crossings", (table,)))
    return blocks


def is_own(row: Json) -> bool:
    """Return whether a crossing has patients enough for a figure of its own.

    Examples
    --------
    >>> is_own({"state": "ok", "value": 0.8}), is_own({"state": "small_n", "value": 0.8})
    (True, False)
    """
    return row.get("state") == "ok" and is_number(row.get("value"))


def _own(row: Json, metric: str) -> Cell:
    told = wording.cell(row, metric)
    if row.get("state") == "small_n":
        return Chip("insufficient", "open", beside=told)
    return told


def _borrowed(row: Json) -> str:
    if not is_number(row["shrinkage"]):
        return wording.DASH
    told = wording.percent(row["shrinkage"])
    return told if is_own(row) else f"{told}; not evidence"


def _table(
    rows: list[Json], attributes: str, experiment: Experiment, unit: str, *, plain: str
) -> Table:
    metric = experiment.primary.metric
    has_positives = any(is_number(r.get("n_positive")) for r in rows)
    body: list[tuple[Cell, ...]] = []
    for row in rows:
        hidden = hidden_as(row)
        cells: list[Cell] = [
            readable(row["group"]),
            counted(row, "n_patients", hidden),
            counted(row, "n_cases", hidden),
        ]
        cells += [counted(row, "n_positive", hidden)] if has_positives else []
        cells += [_own(row, metric), wording.cell(row, metric, "pooled"), _borrowed(row)]
        body.append(tuple(cells))
    return Table(
        caption=f"{gloss(metric).label} of {target_name(experiment.primary_targets[0])} by "
        f"{readable(attributes)}",
        columns=(
            "Crossing",
            "Patients",
            unit.capitalize(),
            *([f"Diseased {unit}"] if has_positives else []),
            "By itself (95% interval)",
            "Pooled (95% interval)",
            "Borrowed",
        ),
        rows=tuple(body),
        numbers=frozenset({1, 2, 4 + has_positives, *((3,) if has_positives else ())}),
        plain=plain,
    )


def _has_figure(row: Json) -> bool:
    return is_number(row.get("pooled")) or is_number(row.get("value"))


def _is_empty(row: Json) -> bool:
    return is_number(row.get("n_patients")) and row["n_patients"] == 0


def _shown(row: Json) -> str:
    return "pooled" if is_number(row.get("pooled")) else "value"


def _best_guess(row: Json) -> float:
    value = row.get(_shown(row))
    return float(value) if is_number(value) else 0.0
