"""Section on how good it is over all: figures, curves, calibration, use at the prevalence."""

import pandas as pd

from aiops.config import Experiment
from aiops.report import wording
from aiops.report.blocks import Block, Cell, Chip, Details, Heading, Prose, Section, Table, numbers
from aiops.report.drawn import ranking, volumes
from aiops.report.files import Json, RunFiles
from aiops.report.findings import FEW, bar_verdict, unit_word, units
from aiops.report.question import aim_words
from aiops.report.sentences import sentence
from aiops.report.trust import agreement, calibration
from aiops.report.utility import utility
from aiops.report.wording import count, gloss, is_number, readable, target_name

COMPLEMENTS = ("false_negative_rate", "false_positive_rate", "iou", "masd_mm")
"""Said by another figure already (sensitivity, specificity, Dice); they stand under export."""

STATES: dict[str, Cell] = {
    "ok": "ok",
    "small_n": Chip("few patients", "open"),
    "not_estimable": Chip("not estimable", "open"),
    "suppressed": Chip("hidden", "quiet"),
}


def performance(files: RunFiles, experiment: Experiment) -> Section:
    """Return the figures of the whole test set, for all targets and metrics."""
    overall = files.metrics[files.metrics["attribute"] == "all"]
    targets = list(dict.fromkeys([*experiment.primary_targets, *overall["target"]]))
    primary = [t for t in targets if t in experiment.primary_targets]
    others = [t for t in targets if t not in primary]
    blocks: list[Block] = [
        Prose(
            "Each figure comes with an interval: with other patients of the same kind, the true "
            "value would lie in 95 of 100 such intervals.",
            "note",
        )
    ]
    first = [t for t in primary if (overall["target"] == t).any()]
    # A report of many primary targets opens with the headline; the others stand behind a line.
    first, others = (first, others) if len(first) <= FEW else (first[:1], first[1:] + others)
    primary_rows: list[Json] = files.evaluation.get("primary") or []
    if len(primary_rows) > FEW and any(is_number(r.get("acceptable")) for r in primary_rows):
        blocks.append(_primary(primary_rows))
    blocks += [_target_table(overall, t, files) for t in first]
    if points := _operating_points(files.evaluation):
        blocks.append(points)
        blocks += _by_group(files.evaluation)
    if others:
        blocks.append(Heading("All targets"))
        blocks.append(_matrix(overall, targets, experiment, unit_word(files)))
        blocks.append(
            Details(
                f"All figures of the other {len(others)} targets",
                tuple(_target_table(overall, t, files) for t in others),
            )
        )
    if experiment.task == "segmentation":
        blocks += [
            Heading("Do the volumes agree?"),
            *volumes(files, experiment),
            *agreement(files),
        ]
    else:
        blocks += [Heading("Ranking and probabilities"), *ranking(files, experiment)]
        blocks += [*calibration(files, experiment), *utility(files, experiment)]
    return Section("performance", "How good it is over all", "All figures", tuple(blocks))


def metric_order(metric: str) -> tuple[int, str]:
    """Return where a metric stands in a table: the known ones first, in their usual order."""
    known = wording.COUNT_ORDER
    return (known.index(metric) if metric in known else len(known), metric)


def _primary(rows: list[Json]) -> Table:
    """Return the primary figure of each target beside the value it should reach."""
    metric = str(rows[0]["metric"])
    return Table(
        caption=f"{gloss(metric).label} of each primary target, and the value it should reach",
        columns=("Target", "Value (95% interval)", "Acceptable", "Reached"),
        rows=tuple(
            (
                target_name(row["target"]),
                wording.with_interval(row, metric),
                wording.figure(row.get("acceptable"), metric),
                bar_verdict(row),
            )
            for row in rows
        ),
        numbers=frozenset({1, 2}),
        plain=_bars(rows),
    )


def _bars(rows: list[Json]) -> str:
    words = [bar_verdict(row).word for row in rows]
    told = {"reached": "reach it", "not reached": "do not", "not shown": "are too uncertain to say"}
    parts = [f"{words.count(w)} {said}" for w, said in told.items() if w in words]
    return f"Of {len(rows)} targets with an acceptable value set before, {wording.listed(parts)}."


def _target_table(overall: pd.DataFrame, target: str, files: RunFiles) -> Table:
    rows = overall[(overall["target"] == target) & ~overall["metric"].isin(COMPLEMENTS)]
    rows = rows.sort_values("metric", key=lambda names: names.map(metric_order), kind="stable")
    unit = unit_word(files)
    has_positives = rows["n_positive"].notna().any()
    columns = ["Metric", "Value", "95% interval", "Patients", units(unit).capitalize()]
    columns += [f"Diseased {units(unit)}"] if has_positives else []
    columns += ["Failed", "State", "In plain words"]
    body = []
    for _, series in rows.iterrows():
        row = dict(series)
        metric, state = str(row["metric"]), str(row["state"])
        cells: list[Cell] = [
            gloss(metric).label + _where(row),
            wording.figure(row["value"], metric),
            wording.interval(row["low"], row["high"], metric),
            count(row["n_patients"]),
            count(row["n_cases"]),
        ]
        cells += [count(row["n_positive"])] if has_positives else []
        cells += [
            count(row["n_failed"]),
            STATES.get(state, Chip(state)),
            sentence(row, unit=unit),
        ]
        body.append(tuple(cells))
    return Table(
        caption=f"{target_name(target)}: all figures on the test set",
        columns=tuple(columns),
        rows=tuple(body),
        numbers=numbers(1, 6 if has_positives else 5),
    )


def _where(row: Json) -> str:
    params = wording.text_of(row.get("params"))
    told = params.replace("tolerance_mm=", "tolerance in mm: ")
    return f" ({told})" if told and told not in ("{}", "null") else ""


def _matrix(overall: pd.DataFrame, targets: list[str], experiment: Experiment, unit: str) -> Table:
    wanted = [experiment.primary.metric, "roc_auc", "sensitivity", "specificity"]
    there = set(overall["metric"])
    if experiment.task == "segmentation":
        wanted = [experiment.primary.metric, "dice", "nsd", "hd95_mm", "missed"]
    estimable = set(overall.loc[overall["value"].notna(), "metric"])
    metrics = [m for m in dict.fromkeys(wanted) if m in estimable]
    absent = [m for m in dict.fromkeys(wanted) if m in there - estimable]
    has_positives = overall["n_positive"].notna().any()
    columns = ["Target", "Patients", units(unit).capitalize()]
    columns += [*([f"Diseased {units(unit)}"] if has_positives else []), "Failed"]
    body = []
    for target in targets:
        rows = overall[overall["target"] == target].set_index("metric")
        if rows.empty:
            continue
        first = rows.iloc[0]
        cells = [target_name(target), count(first["n_patients"]), count(first["n_cases"])]
        cells += [count(first["n_positive"])] if has_positives else []
        cells.append(count(first["n_failed"]))
        cells += [
            wording.with_interval(dict(rows.loc[m]), m) if m in rows.index else wording.DASH
            for m in metrics
        ]
        body.append(tuple(cells))
    return Table(
        caption="Every target at a glance: value and 95% interval",
        columns=(*columns, *(gloss(m).label for m in metrics)),
        rows=tuple(body),
        numbers=numbers(1, len(columns) + len(metrics) - 1),
        plain=_ends(overall, experiment.primary.metric, unit),
        note=_why_absent(overall, absent),
    )


def _ends(overall: pd.DataFrame, metric: str, unit: str) -> str:
    rows = overall[(overall["metric"] == metric) & overall["value"].notna()]
    if rows.empty:
        return f"{gloss(metric).label} could not be estimated for any target."
    rows = rows.sort_values("value", ascending=gloss(metric).higher_is_better)
    worst, best = dict(rows.iloc[0]), dict(rows.iloc[-1])
    return (
        f"Weakest for {target_name(worst['target'])}: {sentence(worst, unit=unit)} "
        f"Strongest for {target_name(best['target'])}: {sentence(best, unit=unit)}"
    )


def _why_absent(overall: pd.DataFrame, metrics: list[str]) -> str:
    if not metrics:
        return ""
    reasons = overall.loc[overall["metric"].isin(metrics), "reason"].map(wording.text_of)
    names = wording.listed([gloss(m).label for m in metrics])
    return f"Not estimable for any target: {names} ({'; '.join(reasons[reasons != ''].unique())})."


def _operating_points(evaluation: Json) -> Table | None:
    points: Json = evaluation.get("operating_points") or {}
    rows = []
    for target, point in points.items():
        if not isinstance(point, dict):
            continue
        threshold = point.get("threshold")
        reached = point.get("reached")
        if isinstance(reached, dict):
            reached = reached.get("value")
        rows.append(
            (
                target_name(target),
                wording.significant(threshold) if is_number(threshold) else "none",
                aim_words(point).removeprefix("aim: ") or wording.DASH,
                count(point.get("n")),
                f"{reached:.3f}" if is_number(reached) else wording.DASH,
            )
        )
    if not rows:
        return None
    return Table(
        caption="Operating points: the score from which the tool calls a case positive",
        columns=("Target", "Threshold", "Aim", "Cases there", "Reached there"),
        rows=tuple(rows),
        numbers=frozenset({1, 3, 4}),
        plain="Below its threshold a case counts as clear, at or above it as an alarm. A threshold "
        "chosen on the test cases themselves would flatter the tool; here it is not.",
    )


def _by_group(evaluation: Json) -> list[Block]:
    """Return the thresholds of each group where groups have their own; no counts of few people."""
    blocks: list[Block] = []
    for target, point in (evaluation.get("operating_points") or {}).items():
        groups = point.get("groups") if isinstance(point, dict) else None
        if not groups:
            continue
        by = wording.listed([readable(str(a)) for a in point.get("attributes") or []])
        own = sum(bool(told.get("own")) for told in groups.values())
        rows = tuple(
            (
                readable(str(name)),
                wording.significant(told["threshold"])
                if is_number(told.get("threshold"))
                else "none",
                "its own"
                if told.get("own")
                else "that of everyone: too few patients to choose one",
            )
            for name, told in groups.items()
        )
        blocks.append(
            Table(
                caption=f"{target_name(target)}: thresholds by {by or 'group'}",
                columns=("Group", "Threshold", "Which"),
                rows=rows,
                numbers=frozenset({1}),
                plain=f"{own} of {len(groups)} groups have a threshold of their own: the same "
                "score can be an alarm in one group and an all-clear in another.",
            )
        )
    return blocks
