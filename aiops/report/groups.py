"""Section on how good it is for each group."""

import pandas as pd

from aiops.config import Experiment
from aiops.report import figures, wording
from aiops.report.afterwards import DECISIONS
from aiops.report.blocks import (
    Block,
    Cell,
    Chip,
    Details,
    Figure,
    Heading,
    Prose,
    Section,
    Table,
    numbers,
)
from aiops.report.disclosure import WITHHELD, is_hidden
from aiops.report.disparities import HOW_TO_READ, disparities
from aiops.report.drawing import Axis, Words
from aiops.report.files import Json, RunFiles
from aiops.report.findings import (
    FEW,
    attribute_sentence,
    family,
    table_rows,
    tally,
    unit_word,
    units,
    verdict_chip,
)
from aiops.report.sentences import among, sentence
from aiops.report.wording import (
    count,
    counted,
    gap_figure,
    gap_interval,
    gloss,
    hidden_as,
    is_number,
    readable,
    size,
    target_name,
)
from evaluation.disclosure import Disclosure

SHORT = {"insufficient evidence": "insufficient"}
"""Verdicts as they are put in a narrow column."""

HOW_TO_SETTLE = (
    "Chance gap: what two equal groups of this size would show. Gap it can show: the smallest gap "
    "that so few patients can reveal. Patients needed: about how many it takes to settle the "
    "question."
)


def how_hidden(policy: Disclosure) -> str:
    """Return what the words for a hidden or rounded count stand for, by the run's policy.

    Examples
    --------
    >>> how_hidden(Disclosure(suppress_below=5, round_to=1))[:63]
    '“Hidden (<5)” stands for a group with 1 to 4 patients, cases, p'
    """
    if not policy.is_on:
        return "Nothing is hidden here: the config switches that off."
    most = policy.suppress_below - 1
    few = f"1 to {most}" if most > 1 else "1"
    words = (
        f"“Hidden (<{policy.suppress_below})” stands for a group with {few} patients, cases, "
        "positives or negatives; “hidden” for a count that would let one compute such a number, "
        f"and for {few} failures. Hidden is neither zero nor good news."
    )
    if policy.round_to > 1:
        words += f" “≈” marks a count rounded to a multiple of {policy.round_to}."
    return words


SPECIAL = ("not recorded", "conflicting", "mixed")
"""Groups of cases whose attribute is not one plain value; they stand last."""


def groups(files: RunFiles, experiment: Experiment) -> Section:
    """Return the figures of each group, with verdicts for the attributes named in advance."""
    named = list(experiment.fairness.attributes) if experiment.fairness else []
    others = [a for a in attributes_of(files, experiment) if a not in named]
    blocks: list[Block] = []
    if named:
        blocks.append(Prose(_how_to_read(experiment), "note"))
        if not files.table("disparities").empty:
            blocks.append(Prose(HOW_TO_READ, "note"))
    else:
        blocks.append(Prose("No group was named in advance, so no group has a verdict."))
    for attribute in named:
        blocks += _named(files, experiment, attribute)
    if others:
        blocks.append(Heading("Exploratory"))
        blocks.append(
            Prose(
                "Not named in advance. Some gap will show by chance among many; these tables may "
                "raise a question but cannot answer it, so they carry no verdict.",
                "note",
            )
        )
        for attribute in others:
            first = experiment.primary_targets[0]
            blocks.append(_figures_table(files, experiment, attribute, first))
            apart = tuple(disparities(files, experiment, attribute))
            if apart:
                title = f"How far the groups by {readable(attribute)} lie apart (exploratory)"
                blocks.append(Details(title, apart[1:]))
    rest = _rest(files, experiment, [*named, *others])
    if rest:
        blocks.append(Details("Groups in all other targets (exploratory)", rest))
    return Section("groups", "Is it as good for each group", "Subgroups", tuple(blocks))


def ordered(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows in their order, with groups such as "not recorded" last."""
    return rows.sort_values("group", key=lambda names: names.isin(SPECIAL), kind="stable")


def attributes_of(files: RunFiles, experiment: Experiment) -> list[str]:
    """Return the attributes that have figures, those named in advance first."""
    named = list(experiment.fairness.attributes) if experiment.fairness else []
    there = [a for a in files.metrics["attribute"].unique() if a != "all"]
    return [a for a in named if a in there] + sorted(a for a in there if a not in named)


def _how_to_read(experiment: Experiment) -> str:
    label = gloss(experiment.primary.metric).label
    fairness = experiment.fairness
    each = fairness and fairness.family == "target" and len(experiment.primary_targets) > 1
    hold = "for all groups of one target" if each else "for all groups"
    return (
        f"How to read this. The gap is {label} of the group minus {label} of everyone else; below "
        f"zero is worse for the group. Its interval holds {hold} at once. Adequate: the "
        "whole interval lies above the margin line. Concern: the whole interval lies below zero "
        "and reaches the margin. Insufficient evidence: anything else, so a wide interval is "
        "never good news. The chance gap is what two equal groups of that size would show."
    )


def _named(files: RunFiles, experiment: Experiment, attribute: str) -> list[Block]:
    verdict = (files.evaluation.get("verdict") or {}).get("by_attribute") or {}
    word = str(verdict.get(attribute) or "not assessed")
    blocks: list[Block] = [
        Heading(readable(attribute).capitalize(), verdict_chip(word)),
        Prose(attribute_sentence(files, attribute, word)),
    ]
    rows = family(files, attribute)
    targets = [t for t in experiment.primary_targets if len(rows) and (rows["target"] == t).any()]
    opened = targets if len(targets) <= FEW else targets[:1]
    for target in opened:
        of_target = ordered(rows[rows["target"] == target])
        blocks.append(_gap_table(files, of_target, attribute, target))
        blocks.append(_forest(of_target, experiment, attribute, target))
        more = _figures_table(files, experiment, attribute, target)
        title = f"More figures of {target_name(target)} by {readable(attribute)}"
        blocks.append(Details(title, (more,)))
    if len(opened) < len(targets):
        blocks.append(_verdict_matrix(rows, targets, attribute))
        tables = tuple(
            _gap_table(files, ordered(rows[rows["target"] == t]), attribute, t) for t in targets[1:]
        )
        blocks.append(Details(f"By {readable(attribute)}: the other targets in full", tables))
    return blocks + disparities(files, experiment, attribute)


def _verdict_matrix(rows: pd.DataFrame, targets: list[str], attribute: str) -> Table:
    names = list(ordered(rows.drop_duplicates("group"))["group"])
    by_key = {(r["target"], r["group"]): r for r in table_rows(rows)}
    metric = str(rows["metric"].iloc[0])
    body: list[tuple[Cell, ...]] = []
    for target in targets:
        cells: list[Cell] = [target_name(target)]
        for name in names:
            row = by_key.get((target, name))
            if row is None:
                cells.append(wording.DASH)
                continue
            chip = verdict_chip(str(row["verdict"]))
            gap = gap_figure(row["value"], metric)
            if not is_number(row["value"]):
                gap = WITHHELD if is_hidden(row["reason"]) else "no figure"
            cells.append(Chip(SHORT.get(chip.word, chip.word), chip.tone, beside=gap))
        body.append(tuple(cells))
    return Table(
        caption=f"Verdict of every primary target by {readable(attribute)}, with the gap to the "
        "rest",
        columns=("Target", *(readable(n) for n in names)),
        rows=tuple(body),
        plain=tally(rows),
    )


def _gap_table(files: RunFiles, rows: pd.DataFrame, attribute: str, target: str) -> Table:
    metric = str(rows["metric"].iloc[0])
    table = files.metrics
    values = table[
        (table["target"] == target)
        & (table["metric"] == metric)
        & (table["attribute"] == attribute)
    ].set_index("group")
    has_positives, unit = rows["n_positive"].notna().any(), units(unit_word(files))
    columns = [
        readable(attribute).capitalize(),
        "Patients",
        unit.capitalize(),
        *([f"Diseased {unit}"] if has_positives else []),
    ]
    columns += [
        f"{gloss(metric).label} (95% interval)",
        "Gap to the rest (interval)",
        "Verdict",
        "Chance gap",
        "Gap it can show",
        "Patients needed",
    ]
    body = []
    for row in table_rows(rows):
        value = dict(values.loc[row["group"]]) if row["group"] in values.index else {}
        instead = hidden_as(value)
        seen = {**row, "rounded_to": value.get("rounded_to")}
        cells: list[Cell] = [
            readable(row["group"]),
            counted(seen, "n_patients", instead),
            counted(seen, "n_cases", instead),
        ]
        cells += [counted(seen, "n_positive", instead)] if has_positives else []
        cells += [
            wording.with_interval(value, metric) if value else wording.DASH,
            instead if instead != wording.DASH else _gap_cell(row, metric),
            verdict_chip(row["verdict"]),
            gap_figure(row["chance_gap"], metric).lstrip("+"),
            gap_figure(row["minimum_detectable"], metric).lstrip("+"),
            count(row.get("n_needed")),
        ]
        body.append(tuple(cells))
    return Table(
        caption=f"{target_name(target)} by {readable(attribute)}: {gloss(metric).label}, gap to "
        "the rest, and verdict",
        columns=tuple(columns),
        rows=tuple(body),
        numbers=numbers(1, len(columns) - 1) - {len(columns) - 4},
        plain=_worst_words(table_rows(rows), values, files),
        note=HOW_TO_SETTLE,
    )


def _worst_words(gaps: list[Json], values: pd.DataFrame, files: RunFiles) -> str:
    known = [r for r in gaps if is_number(r["value"]) and r["group"] in values.index]
    if not known:
        return "No gap can be told here: the groups are hidden, or have no figure."
    worst = min(known, key=lambda r: r["value"])
    metric, group = str(worst["metric"]), {**dict(values.loc[worst["group"]])}
    unit, table = unit_word(files), files.metrics
    same = [table[c] == worst[c] for c in ("target", "attribute", "group")]
    # Both kinds of error: a group can be missed as often and still be alarmed far more.
    decided = table[same[0] & same[1] & same[2] & table["metric"].isin(DECISIONS)]
    known = [r for r in table_rows(decided) if is_number(r["value"]) and metric != r["metric"]]
    missed = "".join(f" {sentence(r, unit=unit)}" for r in known)
    words = among({**group, "group": worst["group"]}, unit=unit) + missed
    if worst["verdict"] == "concern":
        return f"{words} That is worse than in the rest by {size(worst['value'], metric)}; chance "\
            "alone does not explain it."  # fmt: skip
    if worst["verdict"] == "adequate":
        return f"{words} That is shown to be close enough to the rest."
    chance = worst["chance_gap"]
    beside = f" Two equal groups would differ by {size(chance, metric)} by chance." if (
        is_number(chance)) else ""  # fmt: skip
    return f"{words} We cannot tell this from the rest.{beside}"


def _gap_cell(row: Json, metric: str) -> str:
    spread = gap_interval(row["low_simultaneous"], row["high_simultaneous"], metric)
    gap = gap_figure(row["value"], metric)
    return gap if spread == wording.DASH else f"{gap} ({spread})"


def _forest(rows: pd.DataFrame, experiment: Experiment, attribute: str, target: str) -> Figure:
    metric = str(rows["metric"].iloc[0])
    margin = experiment.fairness.margin if experiment.fairness else None
    drawn = []
    for row in table_rows(rows):
        hides = is_hidden(row["reason"])
        people = count(row["n_patients"], WITHHELD if hides else wording.DASH)
        shown = gap_figure(row["value"], metric)
        if shown == wording.DASH:
            shown = WITHHELD if hides else "not estimable"
        drawn.append(
            figures.ForestRow(
                f"{_short(readable(row['group']))} ({people})",
                row["value"],
                row["low_simultaneous"],
                row["high_simultaneous"],
                row["chance_gap"],
                str(row["verdict"]),
                shown,
            )
        )
    words = "; ".join(f"{row.label}: {row.shown}, {row.verdict}" for row in drawn)
    name = f"{target_name(target)} by {readable(attribute)}"
    return Figure(
        figures.forest(
            tuple(drawn),
            margin=margin,
            axis=Axis(f"gap in {gloss(metric).label}", gloss(metric).scale == "percent"),
            words=Words(f"Gaps to the rest, {name}", f"{words}."),
        ),
        f"{name.capitalize()}: gap of each group (patients) to the rest. Line: simultaneous "
        "interval. Dot: adequate; triangle: concern; open square: insufficient evidence. Grey "
        "band: the gap that chance alone would show. Dashed: the margin. An arrow: the interval "
        "goes on beyond the drawing.",
    )


def _short(name: str, most: int = 26) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _figures_table(files: RunFiles, experiment: Experiment, attribute: str, target: str) -> Table:
    table = files.metrics
    rows = table[(table["attribute"] == attribute) & (table["target"] == target)]
    compact = {"roc_auc", "sensitivity", "specificity", "ppv", "dice", "nsd", "hd95_mm", "missed"}
    metrics = [experiment.primary.metric]
    metrics += [m for m in wording.GLOSSES if m in set(rows["metric"]) and m in compact]
    metrics = list(dict.fromkeys(metrics))
    by_key = {(r["group"], r["metric"]): r for r in table_rows(rows)}
    order = ordered(rows.drop_duplicates("group"))["group"]
    body = []
    for group in order:
        first = next(r for (g, _), r in by_key.items() if g == group)
        cells = [readable(group), counted(first, "n_patients", hidden_as(first))]
        cells += [
            wording.with_interval(by_key[group, m], m) if (group, m) in by_key else wording.DASH
            for m in metrics
        ]
        body.append(tuple(cells))
    return Table(
        caption=f"{target_name(target)} by {readable(attribute)}: value (95% interval)",
        columns=(
            readable(attribute).capitalize(),
            "Patients",
            *(gloss(m).label for m in metrics),
        ),
        rows=tuple(body),
        numbers=numbers(1, len(metrics) + 1),
        plain=_lowest(by_key, metrics, unit_word(files)),
    )


def _lowest(rows: dict[tuple[str, str], Json], metrics: list[str], unit: str) -> str:
    """Return the group that fares worst in the figure a lay reader grasps best."""
    for metric in ("sensitivity", "missed", *metrics):
        known = [r for (_, m), r in rows.items() if m == metric and is_number(r["value"])]
        if len(known) >= 2:
            sign = 1 if gloss(metric).higher_is_better else -1
            worst = min(known, key=lambda r: sign * r["value"])
            other = rows.get((str(worst["group"]), "specificity"))
            told = metric == "sensitivity" and other and is_number(other["value"])
            more = f" {sentence(other, unit=unit)}" if told and other else ""
            return f"Worst figure seen. {among(worst, unit=unit)}{more}"
    return "Fewer than two groups have a figure, so they cannot be compared."


def _rest(files: RunFiles, experiment: Experiment, attributes: list[str]) -> tuple[Block, ...]:
    table = files.metrics[files.metrics["metric"] == experiment.primary.metric]
    targets = [t for t in table["target"].unique() if t != experiment.primary_targets[0]]
    blocks: list[Block] = []
    for attribute in attributes:
        rows = table[(table["attribute"] == attribute) & table["target"].isin(targets)]
        if rows.empty:
            continue
        names = list(ordered(rows.drop_duplicates("group"))["group"])
        by_key = {(r["target"], r["group"]): r for r in table_rows(rows)}
        metric = experiment.primary.metric
        body = tuple(
            (
                target_name(t),
                *(
                    wording.with_interval(by_key[t, g], metric)
                    if (t, g) in by_key
                    else wording.DASH
                    for g in names
                ),
            )
            for t in targets
        )
        blocks.append(
            Table(
                caption=f"{gloss(metric).label} by {readable(attribute)}: value (95% interval)",
                columns=("Target", *(readable(n) for n in names)),
                rows=body,
                numbers=numbers(1, len(names)),
            )
        )
    return tuple(blocks)
