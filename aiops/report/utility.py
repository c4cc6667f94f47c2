"""Whether acting on the tool helps: alarms at the prevalence of those served, and net benefit."""

import numpy as np
import pandas as pd

from aiops.config import Experiment
from aiops.report import figures, wording
from aiops.report.blocks import Block, Cell, Details, Figure, Heading, Prose, Table, numbers
from aiops.report.drawing import Words
from aiops.report.files import Json, RunFiles
from aiops.report.findings import FEW, table_rows, unit_word, units
from aiops.report.wording import (
    count,
    counted,
    hidden_as,
    is_number,
    listed,
    target_name,
)

ROWS = {
    "ppv": ("Right alarms (PPV)", "share of alarms that are right"),
    "npv": ("Right all-clears (NPV)", "share of all-clears that are right"),
    "alerts_per_100": ("Alarms per 100 patients", "true and false together"),
    "flags_per_true": ("Alarms per true case", "how many are looked at for one that is right"),
}
"""What is told at a stated prevalence, and how it is called."""

SHOWN_AT = (0.05, 0.1, 0.2, 0.3, 0.5)
"""Thresholds of the decision curve that are printed as numbers."""

WHAT_IT_IS = (
    "Net benefit counts the diseased who are found, per 100 {unit}, and takes off the false "
    "alarms, each weighed by how much it is minded: at a threshold of 10%, nine false alarms cost "
    "as much as one found case gains. Above both other lines, acting on the tool is better than "
    "treating everybody or nobody. Whether it surely is, the difference in the same patients says: "
    "the band may cross a line all the same."
)


def utility(files: RunFiles, experiment: Experiment) -> list[Block]:
    """Return alarms at the stated prevalence, and the decision curve, of each primary target."""
    if experiment.task != "classification":
        return []
    blocks: list[Block] = [
        Heading("Alarms among the people you serve"),
        *_prevalence(files, experiment),
    ]
    curve = files.table("decision_curve")
    blocks.append(Heading("Is acting on it better than not?", anchor="useful"))
    if curve.empty:
        blocks.append(Prose("Not computed: the net benefit of acting on the tool."))
        return blocks
    unit = units(unit_word(files))
    blocks.append(Prose(WHAT_IT_IS.format(unit=unit), "note"))
    targets = [t for t in experiment.primary_targets if (curve["target"] == t).any()]
    opened = targets if len(targets) <= FEW else targets[:1]
    shut: list[Block] = []
    for target in targets:
        rows = curve[curve["target"] == target]
        if target in opened:
            blocks += _curve(rows, target, unit, caveat=_caveat(files, experiment, target))
        else:
            shut += _curve(
                rows, target, unit, caveat=_caveat(files, experiment, target), drawn=False
            )
    if shut:
        others = len(targets) - len(opened)
        blocks.append(Details(f"Net benefit of the other {others} targets", tuple(shut)))
    if not targets:
        blocks.append(Prose("Not computed for the primary targets."))
    return blocks


def useful_range(rows: list[Json]) -> tuple[float, float] | None:
    """Return the thresholds from and to which acting on the tool is surely better, or None.

    Examples
    --------
    >>> row = {"low": 0.1, "over_all_low": 0.02}
    >>> useful_range([{**row, "threshold": 0.1}, {**row, "threshold": 0.2, "low": 0}])
    (0.1, 0.1)
    """
    better = [r["threshold"] for r in rows if is_better(r)]
    return (min(better), max(better)) if better else None


def is_better(row: Json) -> bool:
    """Return whether acting on the tool is surely better than treating everybody and nobody.

    Both are held by the lower limit of the difference in the same patients.

    Examples
    --------
    >>> is_better({"low": 0.1, "over_all_low": 0.02}), is_better({"low": 0.1})
    (True, False)
    """
    if any(row.get(state, "ok") != "ok" for state in ("state", "over_all_state")):
        return False
    gains = [row.get("low"), row.get("over_all_low")]
    return all(is_number(gain) and gain > 0 for gain in gains)


def is_worse(row: Json) -> bool:
    """Return whether treating everybody, or nobody, is surely better than acting on the tool.

    Examples
    --------
    >>> is_worse({"high": 0.01, "over_all_high": -0.02})
    True
    """
    gains = [row.get("high"), row.get("over_all_high")]
    return any(is_number(gain) and gain < 0 for gain in gains)


def _prevalence(files: RunFiles, experiment: Experiment) -> list[Block]:
    table = files.table("at_prevalence")
    targets = [] if table.empty else [
        t for t in experiment.primary_targets if (table["target"] == t).any()
    ]  # fmt: skip
    if not targets:
        return [
            Prose(
                "Not recorded: how common the disease is among the people you serve. "
                "Without it nobody can say how many alarms a day brings, "
                "or how many of them are right."
            )
        ]
    opened = targets if len(targets) <= FEW else targets[:1]
    blocks: list[Block] = []
    shut: list[Block] = []
    for target in targets:
        some = _prevalence_table(table[table["target"] == target], target)
        if target in opened:
            blocks.append(some)
        else:
            shut.append(some)
    if shut:
        blocks.append(Details(f"Alarms for the other {len(shut)} targets", tuple(shut)))
    return blocks


def _prevalence_table(rows: pd.DataFrame, target: str) -> Table:
    by_metric = {str(r["metric"]): r for r in table_rows(rows)}
    body: list[tuple[Cell, ...]] = []
    for metric, (label, plain) in ROWS.items():
        row = by_metric.get(metric)
        if row is None:
            continue
        hidden = hidden_as(row)
        body.append((label, _shown(row), plain, counted(row, "n_patients", hidden)))
    first = table_rows(rows)[0]
    source = wording.text_of(first.get("source")) or "source not recorded"
    share = first.get("prevalence")
    common = wording.of_100(share) if is_number(share) else "an unknown number"
    return Table(
        caption=f"{target_name(target)}: alarms where {common} of every 100 have it",
        columns=("Figure", "Value (95% interval)", "What it is", "Patients it rests on"),
        rows=tuple(body),
        numbers=frozenset({1, 3}),
        plain=_alarms(by_metric, target, common),
        note=f"How common it is: {source}. Sensitivity and specificity are those measured here.",
    )


def _alarms(rows: dict[str, Json], target: str, common: str) -> str:
    alerts, flags = rows.get("alerts_per_100", {}), rows.get("flags_per_true", {})
    if not is_number(alerts.get("value")):
        reason = wording.text_of(alerts.get("reason"))
        return f"How many alarms there would be cannot be said{f': {reason}' if reason else ''}."
    words = f"Of every 100 patients, {alerts['value']:.0f} set off an alarm{_could(alerts)}"
    if is_number(flags.get("value")):
        words += f"; for each true case, {flags['value']:.1f} alarms are looked at{_could(flags)}"
    return f"{words}. {common.capitalize()} of the 100 have {target_name(target)}."


def _could(row: Json) -> str:
    if not (is_number(row.get("low")) and is_number(row.get("high"))):
        return ""
    places = 0 if row["metric"] == "alerts_per_100" else 1
    return f" (it could be {row['low']:.{places}f} to {row['high']:.{places}f})"


def _shown(row: Json) -> str:
    metric = str(row["metric"])
    if metric in ("ppv", "npv") or not is_number(row.get("value")):
        return wording.cell(row, "ppv")
    told = f"{row['value']:.1f}"
    if is_number(row.get("low")) and is_number(row.get("high")):
        told += f" ({row['low']:.1f} to {row['high']:.1f})"
    return told


def _curve(
    rows: pd.DataFrame, target: str, unit: str, *, caveat: str = "", drawn: bool = True
) -> list[Block]:
    known = rows[rows["net_benefit"].notna()].sort_values("threshold")
    name = target_name(target)
    if len(known) < 2:
        reasons = [r for r in rows["reason"].map(wording.text_of).unique() if r]
        return [Prose(f"{name}: no net benefit can be told ({'; '.join(reasons) or 'no rows'}).")]
    told = f"{_range_words(table_rows(known), name)} {caveat}".strip()
    if not drawn:
        return [_curve_table(known, name, told, unit)]
    columns = ("threshold", "net_benefit", "low", "high", "treat_all")
    lines = {c: known[c].to_numpy(dtype=np.float64) for c in columns}
    return [
        Figure(
            figures.decision_curve(
                lines["threshold"],
                lines["net_benefit"],
                (lines["low"], lines["high"]),
                lines["treat_all"],
                words=Words(f"Net benefit of {name}", told),
            ),
            f"Decision curve of {name}. Full line: acting on the tool, with its 95% band. Dashed: "
            "treating everybody. Dotted: treating nobody.",
            "half",
        ),
        _curve_table(known, name, told, unit),
    ]


def _caveat(files: RunFiles, experiment: Experiment, target: str) -> str:
    """Return why a useful range on the test cases is not yet an answer for those served."""
    lacking = []
    if experiment.operating_point is None:
        lacking.append("no threshold was fixed beforehand")
    table = files.table("at_prevalence")
    if table.empty or not (table["target"] == target).any():
        lacking.append("it is not recorded how common the disease is among those you serve")
    if not lacking:
        return ""
    return f"That holds for the test cases only: {listed(lacking)}, so it is no evidence of use."


def _range_words(rows: list[Json], name: str) -> str:
    reach = useful_range(rows)
    if reach is None:
        return f"It is not shown that acting on the tool for {name} beats the better of treating "\
            "everybody and nobody at any threshold looked at."  # fmt: skip
    return (
        f"For {name}, acting on the tool is surely better than treating everybody or nobody for "
        f"thresholds from {wording.percent(reach[0])} to {wording.percent(reach[1])}."
    )


def _curve_table(rows: pd.DataFrame, name: str, told: str, unit: str) -> Table:
    nearest = [int((rows["threshold"] - t).abs().to_numpy().argmin()) for t in SHOWN_AT]
    shown = rows.iloc[sorted(set(nearest))]
    body: list[tuple[Cell, ...]] = []
    for row in table_rows(shown):
        body.append(
            (
                wording.percent(row["threshold"]),
                _per_100(row, "net_benefit"),
                _hundred(row["treat_all"]),
                _hundred(row["treat_none"]),
                "yes" if is_better(row) else "not shown",
            )
        )
    first = table_rows(rows)[0]
    people = listed([f"{count(first['n_patients'])} patients", f"{count(first['n_cases'])} {unit}"])
    return Table(
        caption=f"Net benefit of {name} per 100 {unit}",
        columns=(
            "Threshold",
            "Acting on the tool (95% interval)",
            "Treating everybody",
            "Treating nobody",
            "Surely best",
        ),
        rows=tuple(body),
        numbers=numbers(1, 3),
        plain=told,
        note=f"From {people}. Only probabilities have a net benefit.",
    )


def _per_100(row: Json, name: str) -> str:
    told = _hundred(row[name])
    if is_number(row.get("low")) and is_number(row.get("high")):
        told += f" ({_hundred(row['low'])} to {_hundred(row['high'])})"
    return told


def _hundred(value: object) -> str:
    return f"{100 * value:.1f}".replace("-", "−") if is_number(value) else wording.DASH
