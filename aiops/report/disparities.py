"""How far groups lie apart: the gap beside the one chance would show, and the words for both."""

from dataclasses import dataclass

from aiops.config import Experiment
from aiops.report import wording
from aiops.report.blocks import Block, Cell, Details, Heading, Prose, Table, numbers
from aiops.report.files import Json, RunFiles
from aiops.report.findings import table_rows
from aiops.report.wording import gloss, hidden_as, is_number, listed, readable, size, target_name
from evaluation.metrics import METRICS

BY_CHANCE = 0.05
"""Below this p-value groups are said to differ; the p-value itself stands beside."""


@dataclass(frozen=True)
class Fairness:
    """A difference between groups that has a name of its own."""

    label: str
    plain: str
    scale_as: str = "sensitivity"


FAIRNESS = {
    "equalized_odds": Fairness(
        "Equalized odds", "the larger of the gaps in missed cases and in false alarms"
    ),
    "equal_opportunity": Fairness("Equal opportunity", "the gap in the share of diseased found"),
    "demographic_parity": Fairness(
        "Demographic parity",
        "the gap in the share that is called positive; neither more nor fewer is better by "
        "itself, for where disease is not equally common, a fair tool has such a gap, and being "
        "called more often is no gain where the alarms are false",
    ),
}


SHOWN = ("sensitivity", "specificity", "ppv", "dice", "nsd", "hd95_mm", "missed", *FAIRNESS)
"""Figures shown openly beside the primary one; the others stand behind a line."""

HOW_TO_READ = (
    "In the tables headed “How far the groups lie apart”, the figure is the distance from the "
    "worst to the best group; it is not the gap to the rest above. Two equal groups of this size "
    "also differ by chance: that distance, and how large it gets in one of 20 such tests, stand "
    "beside it. The p-value asks whether all groups could be equal; small (below 0.05) speaks "
    "against it."
)


def disparities(files: RunFiles, experiment: Experiment, attribute: str) -> list[Block]:
    """Return the gaps between the groups of an attribute, the headline target's first."""
    table, first = files.table("disparities"), experiment.primary_targets[0]
    if table.empty:
        return []
    rows = table_rows(table[table["attribute"] == attribute])
    headline = [r for r in rows if r["target"] == first]
    others = [r for r in rows if r["target"] != first and r["metric"] == experiment.primary.metric]
    wanted = (experiment.primary.metric, *SHOWN)
    known = [r for r in headline if is_number(r.get("gap")) or r.get("state") == "suppressed"]
    opened = [r for r in known if r["metric"] in wanted]
    more = [r for r in known if r["metric"] not in wanted]
    by = readable(attribute)
    if not headline and not others:
        return []
    blocks: list[Block] = [Heading(f"How far the groups by {by} lie apart")]
    name = f"{target_name(first)} by {by}"
    if opened:
        blocks.append(_table(opened, name, experiment, note=_fairness_note(opened)))
    if absent := _absent(headline):
        blocks.append(Prose(absent, "note"))
    inside: list[Block] = [_table(more, f"{name}, other figures", experiment)] if more else []
    if scored := _equity(known, attribute):
        inside.append(scored)
    if inside:
        blocks.append(Details(f"More figures, ratios and equity-scaled scores by {by}",
                              tuple(inside)))  # fmt: skip
    if others:
        title = f"Gaps of the other {len(others)} targets by {by}"
        blocks.append(Details(title, (_table(others, title, experiment, by_target=True),)))
    return blocks


def _absent(rows: list[Json]) -> str:
    """Return which gaps cannot be told, one sentence a reason."""
    by_reason: dict[str, list[str]] = {}
    for row in rows:
        if not is_number(row.get("gap")) and row.get("state") != "suppressed":
            reason = wording.text_of(row.get("reason")) or "not estimable"
            by_reason.setdefault(reason, []).append(_names(str(row["metric"]))[0])
    return " ".join(f"No gap in {listed(names)}: {r}." for r, names in by_reason.items())


def told(row: Json) -> str:
    """Return what a row of the disparities says, in a sentence.

    Examples
    --------
    >>> row = {"metric": "dice", "worst_group": "south", "best_group": "north", "gap": 0.04,
    ...        "chance_gap": 0.05, "chance_gap_high": 0.09, "p_homogeneity": 0.4, "state": "ok"}
    >>> told(row)
    'Dice: “south” lies 0.040 behind “north”; equal groups would differ by about 0.050 by chance, \
so this may be chance.'
    """
    label, scale = _names(str(row["metric"]))
    if not is_number(row.get("gap")):
        reason = wording.text_of(row.get("reason"))
        return f"{label}: no gap can be told{f' ({reason})' if reason else ''}."
    gap = size(row["gap"], scale)
    worst, best = readable(row["worst_group"]), wording.text_of(row.get("best_group"))
    if is_directionless(str(row["metric"])) and best:
        most, fewest = (worst, readable(best)) if _is_more(row) else (readable(best), worst)
        words = f"{label}: “{most}” is called positive {gap} more often than “{fewest}”"
    elif row["metric"] in FAIRNESS or not best:
        words = f"{label}: the groups lie {gap} apart; “{worst}” stands out"
    else:
        words = f"{label}: “{worst}” lies {gap} behind “{readable(best)}”"
    if is_number(row.get("chance_gap")):
        chance = size(row["chance_gap"], scale)
        words += f"; equal groups would differ by about {chance} by chance"
    return f"{words}, {_beyond(row)}."


def is_directionless(metric: str) -> bool:
    """Return whether neither more nor less of a figure is better, so no group is the worst.

    Examples
    --------
    >>> is_directionless("demographic_parity"), is_directionless("sensitivity")
    (True, False)
    """
    return metric == "demographic_parity" or (
        metric in METRICS and METRICS[metric].is_directionless
    )


def _is_more(row: Json) -> bool:
    return is_number(row.get("worst")) and is_number(row.get("best")) and row["worst"] > row["best"]


def _end(row: Json, end: str) -> str:
    """Return the group at one end; where none is worse, which is called positive most."""
    name, metric = readable(wording.text_of(row[f"{end}_group"])), str(row["metric"])
    if not name:
        return wording.DASH
    if is_directionless(metric):
        return f"{name} ({'most' if _is_more(row) == (end == 'worst') else 'fewest'} called)"
    if metric in METRICS and is_number(ideal := METRICS[metric].ideal):
        return f"{name} ({'furthest from' if end == 'worst' else 'nearest to'} {ideal:g})"
    return name


def _beyond(row: Json) -> str:
    p, high = row.get("p_homogeneity"), row.get("chance_gap_high")
    if not (is_number(p) or is_number(high)):
        return "and whether this is chance cannot be said"
    differ = not is_number(p) or p < BY_CHANCE
    large = not is_number(high) or row["gap"] > high
    if differ and large:
        return "so this is more than chance"
    if differ:
        # A small group stretches the gap; that the larger ones differ is another matter.
        return "so the gap may be chance, though not all groups are equal"
    return "so this may be chance"


def _table(
    rows: list[Json],
    of: str,
    experiment: Experiment,
    *,
    by_target: bool = False,
    note: str = "",
) -> Table:
    body: list[tuple[Cell, ...]] = []
    for row in rows:
        label, scale = _names(str(row["metric"]))
        is_gap = row["metric"] in FAIRNESS
        hidden = hidden_as(row)
        worst = wording.cell(row, scale, "worst")
        body.append(
            (
                target_name(row["target"]) if by_target else label,
                hidden if hidden != wording.DASH else _end(row, "worst"),
                wording.DASH if is_gap else worst,
                hidden if hidden != wording.DASH else _end(row, "best"),
                wording.DASH if is_gap else wording.figure(row["best"], scale),
                _gap(row, scale),
                _chance(row, scale),
                _p(row.get("p_homogeneity")),
            )
        )  # fmt: skip
    first = next((r for r in rows if r["metric"] == experiment.primary.metric), rows[0])
    plain = told(first)
    if by_target:
        beyond = [r for r in rows if is_number(r.get("gap")) and "more than" in _beyond(r)]
        names = listed([target_name(r["target"]) for r in beyond])
        plain = (
            f"More than chance explains: {names}." if beyond
            else "None of these gaps is more than chance explains."
        )  # fmt: skip
    return Table(
        caption=f"Best and worst group, {of}",
        columns=(
            "Target" if by_target else "Figure",
            "Worst group",
            "Its value (95% interval)",
            "Best group",
            "Its value",
            "Worst to best",
            "By chance (up to)",
            "p: all equal",
        ),
        rows=tuple(body),
        numbers=frozenset({2, 4, 5, 6, 7}),
        plain=plain,
        note=note,
    )


def _equity(rows: list[Json], attribute: str) -> Table | None:
    body = tuple(
        (
            gloss(str(r["metric"])).label,
            f"{r['ratio']:.2f}" if is_number(r.get("ratio")) else wording.DASH,
            wording.figure(r.get("equity_scaled"), str(r["metric"])),
        )
        for r in rows
        if r["metric"] not in FAIRNESS
        and (is_number(r.get("ratio")) or is_number(r.get("equity_scaled")))
    )
    if not body:
        return None
    return Table(
        caption=f"Ratios and equity-scaled figures by {readable(attribute)}",
        columns=("Figure", "Worst over best", "Equity-scaled"),
        rows=body,
        numbers=numbers(1, 2),
        note="Equity-scaled: the overall figure, lowered by how far the groups stray from it.",
    )


def _names(metric: str) -> tuple[str, str]:
    if metric in FAIRNESS:
        return FAIRNESS[metric].label, FAIRNESS[metric].scale_as
    return gloss(metric).label, metric


def _gap(row: Json, scale: str) -> str:
    if not is_number(row.get("gap")):
        return wording.cell({**row, "value": None}, scale)
    return wording.gap_figure(row["gap"], scale).lstrip("+")


def _chance(row: Json, scale: str) -> str:
    if not is_number(row.get("chance_gap")):
        return wording.DASH
    words = wording.gap_figure(row["chance_gap"], scale).lstrip("+")
    if is_number(row.get("chance_gap_high")):
        words += f" ({wording.gap_figure(row['chance_gap_high'], scale).lstrip('+')})"
    return words


def _p(value: object) -> str:
    if not is_number(value):
        return wording.DASH
    return "<0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def _fairness_note(rows: list[Json]) -> str:
    there = [FAIRNESS[r["metric"]] for r in rows if r["metric"] in FAIRNESS]
    return " ".join(f"{f.label}: {f.plain}." for f in dict.fromkeys(there))
