"""Whether a probability means what it says, and whether volumes agree: one table each."""

import pandas as pd

from aiops.config import Experiment
from aiops.report import wording
from aiops.report.blocks import Block, Cell, Chip, Details, Heading, Prose, Table, numbers
from aiops.report.files import Json, RunFiles
from aiops.report.findings import FEW, overall_row, table_rows, unit_word, units
from aiops.report.wording import (
    counted,
    gap_cell,
    hidden_as,
    is_number,
    readable,
    target_name,
)

VOLUME = "volume_error_ml"
"""The metric by whose unit volumes are printed."""


def calibration(files: RunFiles, experiment: Experiment) -> list[Block]:
    """Return how far probabilities are off, for all and by group, beside what chance would show."""
    table = files.table("calibration")
    targets = [] if table.empty else [
        t for t in experiment.primary_targets if (table["target"] == t).any()
    ]  # fmt: skip
    if not targets:
        return []
    blocks: list[Block] = [
        Heading("Does a probability mean what it says?"),
        Prose(
            "The calibration error (ECE) is how far the share of diseased lies from the "
            "probability the tool gave, on average. Even a perfect tool shows some error with few "
            "cases: that stands beside it.",
            "note",
        ),
    ]
    opened = targets if len(targets) <= FEW else targets[:1]
    unit = units(unit_word(files))
    bins = files.table("calibration_bins")
    shut: list[Block] = []
    for target in targets:
        found = _calibration_table(table[table["target"] == target], target, unit)
        if target in opened:
            blocks += [found, *_bins(bins, target, unit)]
        else:
            shut.append(found)
    if shut:
        blocks.append(Details(f"Calibration of the other {len(shut)} targets", tuple(shut)))
    return blocks


def probabilities(files: RunFiles, experiment: Experiment) -> str:
    """Return in one sentence whether probabilities are right: level, spread and error together.

    A level that is right says little: too high here and too low there cancel out.
    """
    target = experiment.primary_targets[0]
    parts = []
    for metric, below, ideal, above, right in (
        ("calibration_intercept", "too high over all", 0.0, "too low over all",
         "right over all, as far as one can tell"),
        ("calibration_slope", "too extreme", 1.0, "too timid", ""),
    ):  # fmt: skip
        row = overall_row(files, target, metric) or {}
        low, high = row.get("low"), row.get("high")
        if is_number(low) and is_number(high):
            parts.append(below if high < ideal else above if low > ideal else right)
    table = files.table("calibration")
    whole = [] if table.empty else table_rows(table[table["attribute"] == "all"])
    mine = next((r for r in whole if r["target"] == target and is_number(r["ece"])), None)
    if mine is not None:
        beyond = "more than chance" if _is_off(mine) else "not shown to be more than chance"
        parts.append(f"off by {100 * mine['ece']:.1f} points of 100 on average, {beyond}")
    parts = [p for p in parts if p]
    if not parts:
        return ""
    told = f"Its probabilities of {target_name(target)} are {'; '.join(parts)}."
    primary = [
        r for r in whole if r["target"] in experiment.primary_targets and is_number(r["ece"])
    ]
    if len(experiment.primary_targets) > 1 and primary:
        off = sum(_is_off(r) for r in primary)
        told += f" Off more than chance: {off} of {len(primary)} targets."
    return told


def _is_off(row: Json) -> bool:
    return is_number(row.get("expected_high")) and bool(row["ece"] > row["expected_high"])


def agreement(files: RunFiles) -> list[Block]:
    """Return bias and limits of agreement of the volumes with their intervals."""
    table = files.table("agreement")
    if table.empty:
        return []
    body: list[tuple[Cell, ...]] = []
    for row in table_rows(table):
        hidden = hidden_as(row)
        body.append(
            (
                readable(row["structure"]),
                counted(row, "n_patients", hidden),
                counted(row, "n_cases", hidden),
                gap_cell(row, VOLUME, "bias"),
                gap_cell(row, VOLUME, "lower"),
                gap_cell(row, VOLUME, "upper"),
            )
        )
    widest = max(
        (r for r in table_rows(table) if is_number(r["upper"]) and is_number(r["lower"])),
        key=lambda r: r["upper"] - r["lower"],
        default=None,
    )
    return [
        Table(
            caption="Agreement of volumes: measured minus reference, in ml",
            columns=(
                "Structure",
                "Patients",
                "Cases",
                "Mean error (95% interval)",
                "Lower limit (95% interval)",
                "Upper limit (95% interval)",
            ),
            rows=tuple(body),
            numbers=numbers(1, 5),
            plain=_agreement_words(widest),
            note="About 95 of 100 cases lie between the limits (Bland–Altman).",
        )
    ]


def _agreement_words(row: Json | None) -> str:
    if row is None:
        return "Too few cases have both volumes, so their agreement cannot be told."
    lower, upper = (wording.gap_figure(row[k], VOLUME) for k in ("lower", "upper"))
    return (
        f"They agree least for {readable(row['structure'])}: in about 95 of 100 cases the measured "
        f"volume is off by {lower} to {upper}."
    )


def _bins(bins: pd.DataFrame, target: str, unit: str) -> list[Block]:
    """Return the bins of everyone and of each group, behind one line."""
    if bins.empty:
        return []
    some = bins[bins["target"] == target]
    keys = dict.fromkeys(zip(some["attribute"], some["group"], strict=True))
    inside: list[Block] = []
    hidden = []
    for a, g in keys:
        rows = some[(some["attribute"] == a) & (some["group"] == g)]
        if (rows["state"] == "suppressed").all():
            hidden.append(_group({"attribute": str(a), "group": g}))
        else:
            inside.append(_bins_table(rows, (target, str(a), g), unit))
    if hidden:
        inside.append(Prose(f"The bins are hidden for {wording.listed(hidden)}."))
    title = f"Probability bins of {target_name(target)}, by group"
    return [Details(title, tuple(inside))] if inside else []


def _calibration_table(rows: pd.DataFrame, target: str, unit: str) -> Table:
    body: list[tuple[Cell, ...]] = []
    for row in table_rows(rows):
        hidden = hidden_as(row)
        body.append(
            (
                _group(row),
                counted(row, "n_patients", hidden),
                counted(row, "n_cases", hidden),
                counted(row, "n_positive", hidden),
                _points(row, "ece"),
                _expected(row),
                _judged(row),
            )
        )
    return Table(
        caption=f"{target_name(target)}: calibration error in percentage points",
        columns=(
            "Group",
            "Patients",
            unit.capitalize(),
            f"Diseased {unit}",
            "Error (95% interval)",
            "A perfect tool (up to)",
            "More than chance",
        ),
        rows=tuple(body),
        numbers=numbers(1, 5),
        plain=_calibration_words(table_rows(rows), target),
    )


def _calibration_words(rows: list[Json], target: str) -> str:
    whole = next((r for r in rows if r["attribute"] == "all"), None)
    parts = []
    if whole is not None and is_number(whole["ece"]):
        parts.append(
            f"A probability for {target_name(target)} is off by "
            f"{100 * whole['ece']:.1f} points of 100 on average; a perfect tool would show about "
            f"{100 * whole['expected']:.1f}."
            if is_number(whole["expected"])
            else f"A probability for {target_name(target)} is off by {100 * whole['ece']:.1f} "
            "points of 100 on average."
        )
    groups = [r for r in rows if r["attribute"] != "all" and is_number(r["ece"])]
    off = [r for r in groups if _is_off(r)]
    if off:
        worst = max(off, key=lambda r: r["ece"] - (r["expected"] or 0.0))
        parts.append(
            f"Of the groups shown to be off by more than chance, “{readable(worst['group'])}” is "
            f"off most: by {100 * worst['ece']:.1f} points."
        )
    elif groups:
        parts.append("For no group is it shown to be off by more than chance would.")
    hidden = sum(r.get("state") == "suppressed" for r in rows)
    if hidden:
        parts.append(f"{hidden} {'group is' if hidden == 1 else 'groups are'} hidden.")
    return " ".join(parts) or "The calibration error cannot be told."


def _group(row: Json) -> str:
    if row["attribute"] == "all":
        return "everyone"
    return f"{readable(row['group'])} ({readable(row['attribute'])})"


def _points(row: Json, name: str) -> str:
    if row.get("state") == "suppressed" or not is_number(row.get(name)):
        return wording.cell({**row, "value": None}, "dice")
    told = f"{100 * row[name]:.1f}"
    if is_number(row.get("low")) and is_number(row.get("high")):
        told += f" ({100 * row['low']:.1f} to {100 * row['high']:.1f})"
    return told


def _expected(row: Json) -> str:
    if not is_number(row.get("expected")):
        return wording.DASH
    told = f"{100 * row['expected']:.1f}"
    return told + (f" ({100 * row['expected_high']:.1f})" if is_number(row.get("expected_high"))
                   else "")  # fmt: skip


def _judged(row: Json) -> Cell:
    if not (is_number(row.get("ece")) and is_number(row.get("expected_high"))):
        return Chip("hidden", "quiet") if row.get("state") == "suppressed" else (
            Chip("cannot be said", "open"))  # fmt: skip
    return Chip("yes", "bad") if _is_off(row) else Chip("not shown", "open")


def _bins_table(rows: pd.DataFrame, of: tuple[str, str, str], unit: str) -> Table:
    target, attribute, group = of
    body: list[tuple[Cell, ...]] = []
    for row in table_rows(rows):
        hidden = hidden_as(row)
        body.append(
            (
                f"{wording.percent(row['edge_low'])} to {wording.percent(row['edge_high'])}",
                counted(row, "n_cases", hidden),
                counted(row, "n_positive", hidden),
                wording.percent(row["predicted"]) if is_number(row["predicted"]) else wording.DASH,
                wording.cell({**row, "value": row["observed"]}, "sensitivity")
                if is_number(row["observed"])
                else hidden,
            )
        )
    who = _group({"attribute": attribute, "group": group})
    return Table(
        caption=f"{target_name(target)}, {who}: said and seen",
        columns=(
            "Probability said",
            unit.capitalize(),
            f"Diseased {unit}",
            "Mean said",
            "Share seen (95% interval)",
        ),
        rows=tuple(body),
        numbers=numbers(1, 4),
    )
