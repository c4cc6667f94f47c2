"""Sections on why groups differ, and on what was done about it at what cost."""

import pandas as pd

from aiops.config import Experiment
from aiops.report import wording
from aiops.report.blocks import Block, Bullets, Cell, Chip, Details, Prose, Section, Table
from aiops.report.disparities import is_directionless
from aiops.report.files import Json, RunFiles
from aiops.report.findings import table_rows
from aiops.report.wording import (
    counted,
    gap_cell,
    gloss,
    hidden_as,
    is_number,
    listed,
    readable,
    size,
    target_name,
)

ALL = 0.995
"""From here on a gap is said to be explained in full; shares above 1 tell no more."""

HALF = 0.5
"""From here on the first page says what explains a gap."""


def why(files: RunFiles, experiment: Experiment) -> Section:
    """Return gaps before and after what else differs between the groups is made alike."""
    title, table = "Why groups differ", files.table("adjusted")
    if table.empty:
        text = (
            "Not computed: no gap was adjusted for what else differs between groups, such as the "
            "scanner or the stage of disease, so a gap above may have any cause, and two gaps "
            "above may be one and the same."
        )
        return Section("why", title, "Case mix", (Prose(text),))
    blocks: list[Block] = [
        Prose(
            "Groups differ in more than their name: in scanner, site, or how ill they are. The "
            "adjusted gap is the one that would be left if both were alike in that. What is "
            "explained is no excuse: the patients of that scanner are still served worse.",
            "note",
        )
    ]
    named = set(experiment.fairness.attributes) if experiment.fairness else set()
    shown = (table["target"] == experiment.primary_targets[0]) & (
        table["metric"] == experiment.primary.metric
    )
    for key in table.loc[shown, ["attribute", "adjusted_for"]].drop_duplicates().itertuples():
        same = (table["attribute"] == key.attribute) & (table["adjusted_for"] == key.adjusted_for)
        if key.attribute in named:
            blocks.append(_adjusted(table[shown & same]))
    # The other way round, the other figures and the other targets: for those who want to know.
    rest = table[~(shown & table["attribute"].isin(named))]
    keys = ["target", "metric", "attribute", "adjusted_for"]
    more = tuple(_adjusted(rows) for _, rows in rest.groupby(keys, sort=False))
    if more:
        title_of = f"Other figures and targets, and the other way round ({len(more)} tables)"
        blocks.append(Details(title_of, more))
    return Section("why", title, "Case mix", tuple(blocks))


def explained(row: Json) -> str:
    """Return what adjustment makes of a gap, in a sentence.

    Examples
    --------
    >>> row = {"group": "B", "adjusted_for": "scanner", "metric": "roc_auc", "crude": -0.1,
    ...        "adjusted": -0.02, "adjusted_low": -0.06, "adjusted_high": 0.02, "explained": 0.8}
    >>> explained(row)
    '“B” is 0.100 behind the rest in AUC; with scanner alike, it would be 0.020 behind the rest \
(it could be −0.060 to +0.020). Scanner explains about 80% of the gap.'
    """
    metric, group = str(row["metric"]), readable(row["group"])
    mixed = readable(str(row["adjusted_for"]))
    if not is_number(row.get("crude")):
        return f"“{group}”: the gap cannot be shown."
    first = f"“{group}” is {_behind(row['crude'], metric)} the rest in {gloss(metric).label}"
    if not is_number(row.get("adjusted")):
        reason = wording.text_of(row.get("reason"))
        return f"{first}; what {mixed} explains cannot be said{f' ({reason})' if reason else ''}."
    spread = wording.gap_interval(row.get("adjusted_low"), row.get("adjusted_high"), metric)
    could = "" if spread == wording.DASH else f" (it could be {spread})"
    after = _behind(row["adjusted"], metric)
    words = f"{first}; with {mixed} alike, it would be {after} the rest{could}."
    if is_number(row.get("explained")) and row["crude"] < 0 and row["explained"] > 0:
        words += f" {mixed.capitalize()} explains {_about(row['explained'])} of the gap."
    return words


def entangled(files: RunFiles, row: Json) -> str:
    """Return, for the first page, what else explains the gap of a group, and by how much."""
    table = files.table("adjusted")
    if table.empty:
        return ""
    keys = ("target", "metric", "attribute", "group")
    parts = [
        f"{readable(str(r['adjusted_for']))} explains {_about(r['explained'])} of it"
        for r in table_rows(table)
        if all(str(r[k]) == str(row[k]) for k in keys)
        and is_number(r.get("explained"))
        and r["explained"] >= HALF
    ]
    if not parts:
        return ""
    words = listed(parts)
    return f" {words[0].upper()}{words[1:]}; those patients are served worse all the same."


def _about(share: float) -> str:
    return "all" if share >= ALL else f"about {wording.percent(share)}"


def mitigation(files: RunFiles, experiment: Experiment) -> Section:
    """Return the figures of each group before and after what was done against a gap."""
    title, table = "What was done about it", files.table("mitigation")
    if table.empty:
        text = (
            "Nothing was tried against gaps between groups in this run."
            if not experiment.is_vendor
            else "Nothing was tried against gaps between groups: the tool came ready made."
        )
        return Section("mitigation", title, "Mitigation", (Prose(text),))
    blocks: list[Block] = [
        Prose(
            "A gap can also be closed by making it worse for the better group. So each group’s "
            "figure stands here before and after.",
            "note",
        ),
    ]
    if told := _summed_up(files):
        blocks.append(Bullets(told))
    for key in table[["attribute", "target", "metric"]].drop_duplicates().itertuples(index=False):
        rows = table[
            (table["attribute"] == key.attribute)
            & (table["target"] == key.target)
            & (table["metric"] == key.metric)
        ]
        blocks.append(_mitigated(rows, str(key.attribute), str(key.target), str(key.metric)))
    return Section("mitigation", title, "Mitigation", tuple(blocks))


def _summed_up(files: RunFiles) -> tuple[str, ...]:
    """Return what the run itself says of the mitigation, without sentences on hidden groups."""
    told = files.evaluation.get("mitigation") or {}
    if not isinstance(told, dict):
        return ()
    table = files.table("mitigation")
    hidden = {str(g) for g in table.loc[table["state"] == "suppressed", "group"]}
    sentences = [str(s) for s in told.get("sentences") or []]
    shown = [s for s in sentences if not any(g in s for g in hidden)]
    notes = [str(note) for note in told.get("notes") or []]
    if len(shown) < len(sentences):
        notes.append("Sentences that name a hidden group are left out; the tables below stand.")
    return (*shown, *notes)


def _behind(gap: float, metric: str) -> str:
    if abs(gap) < 5e-4:
        return "level with"
    return f"{size(gap, metric)} {'behind' if gap < 0 else 'ahead of'}"


def _adjusted(rows: pd.DataFrame) -> Table:
    """Return the gaps of one target, figure, attribute and what they were adjusted for."""
    first = table_rows(rows)[0]
    metric, attribute = str(first["metric"]), readable(first["attribute"])
    mixed = readable(first["adjusted_for"])
    body: list[tuple[Cell, ...]] = []
    for row in table_rows(rows):
        hidden = hidden_as(row)
        body.append(
            (
                readable(row["group"]),
                counted(row, "n_patients", hidden),
                gap_cell(row, metric, "crude"),
                gap_cell(row, metric, "adjusted"),
                _share(row.get("explained")),
                counted(row, "n_dropped", hidden),
            )
        )
    named = [r for r in table_rows(rows) if is_number(r.get("crude"))]
    worst = min(named, key=lambda r: r["crude"], default=None)
    # How strata are weighted is for the table under export.
    methods = [wording.text_of(m).partition(", ")[0] for m in rows["method"]]
    method = "; ".join(dict.fromkeys(m for m in methods if m))
    return Table(
        caption=f"{target_name(first['target'])} by {attribute}: gap in {gloss(metric).label} to "
        f"the rest, as it is and with {mixed} alike",
        columns=(
            attribute.capitalize(),
            "Patients",
            "Gap as it is (95% interval)",
            "Gap adjusted (95% interval)",
            "Explained",
            "Cases left out",
        ),
        rows=tuple(body),
        numbers=frozenset(range(1, 6)),
        plain=explained(worst) if worst else "No gap can be shown here.",
        note=f"Method: {method}. Cases are left out where one of the two has nobody to compare "
        "them with." if method else "",
    )  # fmt: skip


def _share(value: object) -> str:
    if not is_number(value):
        return wording.DASH
    return "all" if value >= ALL else "none" if value <= 0 else wording.percent(value)


def _mitigated(rows: pd.DataFrame, attribute: str, target: str, metric: str) -> Table:
    body: list[tuple[Cell, ...]] = []
    for row in table_rows(rows):
        down = row.get("levelled_down")
        body.append(
            (
                readable(row["group"]),
                counted(row, "n_patients", hidden_as(row)),
                wording.cell(row, metric, "before"),
                wording.cell(row, metric, "after"),
                gap_cell(row, metric, "change"),
                Chip("worse than before", "bad") if _is_true(down) else _change(row, metric),
            )
        )
    return Table(
        caption=f"{gloss(metric).label} of {target_name(target)} by {readable(attribute)}, before "
        "and after",
        columns=(
            readable(attribute).capitalize(),
            "Patients",
            "Before (95% interval)",
            "After (95% interval)",
            "Change (95% interval)",
            "Cost",
        ),
        rows=tuple(body),
        numbers=frozenset({1, 2, 3, 4}),
        plain=_cost(table_rows(rows), metric),
    )


def _change(row: Json, metric: str) -> Cell:
    """Return what became of a group; a change above 0 is better for every figure with a better."""
    low, high = row.get("change_low"), row.get("change_high")
    if row.get("state") == "suppressed":
        return Chip("hidden", "quiet")
    if not (is_number(low) and is_number(high)):
        return Chip("cannot be said", "open")
    if low <= 0 <= high:
        return Chip("no change shown", "open")
    if is_directionless(metric):
        return Chip("changed", "open")
    return Chip("better", "good") if low > 0 else Chip("worse than before", "bad")


def _cost(rows: list[Json], metric: str) -> str:
    names: dict[str, list[str]] = {}
    for row in rows:
        chip = Chip("worse than before") if _is_true(row.get("levelled_down")) else (
            _change(row, metric))  # fmt: skip
        word = chip.word if isinstance(chip, Chip) else ""
        names.setdefault(word, []).append(f"“{readable(row['group'])}”")
    parts = []
    for word, start in (
        ("worse than before", "Paid for it"),
        ("better", "Gained"),
        ("changed", "Changed, neither better nor worse"),
        ("no change shown", "No change is shown for"),
        ("hidden", "Hidden"),
        ("cannot be said", "Nothing can be said of"),
    ):
        if word in names:
            parts.append(f"{start}: {listed(names[word])}.")
    if "worse than before" not in names:
        parts.insert(0, "No group is shown to be worse off than before.")
    return " ".join(parts)


def _is_true(value: object) -> bool:
    return value is not None and str(value) in ("True", "1", "1.0")
