"""Sections on how good it is over all: figures of every target, and curves of the primary ones."""

import numpy as np
import pandas as pd

from aiops.config import Experiment
from aiops.report import curves, figures, wording
from aiops.report.blocks import (
    Block,
    Cell,
    Chip,
    Details,
    Figure,
    FigureRow,
    Heading,
    Prose,
    Section,
    Table,
    numbers,
)
from aiops.report.files import Json, RunFiles
from aiops.report.findings import FEW, overall_row, unit_word
from aiops.report.sentences import sentence
from aiops.report.wording import count, gloss, is_number, readable, target_name

MAX_CURVES = 4
"""Primary targets that get curves of their own; a report is not an atlas."""

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
    blocks += [_target_table(overall, t, files) for t in first]
    if points := _operating_points(files.evaluation):
        blocks.append(points)
    if others:
        blocks.append(Heading("All targets"))
        blocks.append(_matrix(overall, targets, experiment))
        blocks.append(
            Details(
                f"All figures of the other {len(others)} targets",
                tuple(_target_table(overall, t, files) for t in others),
            )
        )
    return Section("performance", "How good it is over all", "All figures", tuple(blocks))


def curves_section(files: RunFiles, experiment: Experiment) -> Section:
    """Return ROC and calibration curves, or agreement of volumes."""
    if experiment.task == "segmentation":
        blocks = _volumes(files, experiment)
        return Section("curves", "Do the volumes agree", "Measured against reference", blocks)
    blocks = _classification_curves(files, experiment)
    return Section("curves", "Ranking and probabilities", "ROC and calibration", blocks)


def metric_order(metric: str) -> tuple[int, str]:
    """Return where a metric stands in a table: the known ones first, in their usual order."""
    known = wording.COUNT_ORDER
    return (known.index(metric) if metric in known else len(known), metric)


def _target_table(overall: pd.DataFrame, target: str, files: RunFiles) -> Table:
    rows = overall[overall["target"] == target]
    rows = rows.sort_values("metric", key=lambda names: names.map(metric_order), kind="stable")
    unit = unit_word(files)
    has_positives = rows["n_positive"].notna().any()
    columns = ["Metric", "Value", "95% interval", "Patients", "Cases"]
    columns += ["Positive"] if has_positives else []
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


def _matrix(overall: pd.DataFrame, targets: list[str], experiment: Experiment) -> Table:
    wanted = [experiment.primary.metric, "roc_auc", "sensitivity", "specificity"]
    there = set(overall["metric"])
    if experiment.task == "segmentation":
        wanted = [experiment.primary.metric, "dice", "nsd", "hd95_mm", "missed"]
    estimable = set(overall.loc[overall["value"].notna(), "metric"])
    metrics = [m for m in dict.fromkeys(wanted) if m in estimable]
    absent = [m for m in dict.fromkeys(wanted) if m in there - estimable]
    has_positives = overall["n_positive"].notna().any()
    columns = ["Target", "Patients", *(["Positive"] if has_positives else []), "Failed"]
    body = []
    for target in targets:
        rows = overall[overall["target"] == target].set_index("metric")
        if rows.empty:
            continue
        first = rows.iloc[0]
        cells = [target_name(target), count(first["n_patients"])]
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
        note=_why_absent(overall, absent),
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
                str(point.get("criterion") or wording.DASH),
                str(point.get("chosen_on") or wording.DASH),
                count(point.get("n")),
                f"{reached:.3f}" if is_number(reached) else wording.DASH,
            )
        )
    if not rows:
        return None
    return Table(
        caption="Operating points: the score from which the tool calls a case positive",
        columns=("Target", "Threshold", "Aim", "Chosen on", "Cases there", "Reached there"),
        rows=tuple(rows),
        numbers=frozenset({1, 4, 5}),
    )


def _classification_curves(files: RunFiles, experiment: Experiment) -> tuple[Block, ...]:
    if files.predictions.empty:
        return (Prose("There is no predictions table in this run, so no curve can be drawn."),)
    blocks: list[Block] = []
    for target in experiment.primary_targets[:MAX_CURVES]:
        scored = curves.scored_cases(files.predictions, target, files.evaluation, experiment)
        name = target_name(target)
        if scored.n_positive == 0 or scored.n_positive == len(scored.y_true):
            blocks.append(Prose(f"{name}: no curve, because only one class is there."))
            continue
        drawn = [_roc(files, target, scored), _calibration(files, target, scored)]
        shown: tuple[Block, ...] = (
            FigureRow(tuple(d for d in drawn if isinstance(d, Figure))),
            *(d for d in drawn if isinstance(d, Prose)),
        )
        if len(experiment.primary_targets) > FEW and blocks:
            blocks.append(Details(f"Curves of {name}", shown))
        else:
            blocks += [Heading(name), *shown]
    rest = len(experiment.primary_targets) - MAX_CURVES
    if rest > 0:
        blocks.append(Prose(f"The other {rest} primary targets have no curve here, only figures."))
    return tuple(blocks)


def _roc(files: RunFiles, target: str, scored: "curves.Scored") -> Figure:
    x, y = curves.roc_curve(scored)
    if files.is_shareable:
        x, y = curves.thinned(x, y)
    auc = overall_row(files, target, "roc_auc") or {}
    se, sp = (overall_row(files, target, m) or {} for m in ("sensitivity", "specificity"))
    point, told = None, ""
    if is_number(se.get("value")) and is_number(sp.get("value")):
        point = (1 - float(sp["value"]), float(se["value"]))
        told = (
            " The diamond is the threshold in use; there, failed cases count as wrong, while the "
            "curve leaves them out."
        )
    shown = wording.with_interval(auc, "roc_auc") if auc else "not computed"
    return Figure(
        figures.roc(
            x,
            y,
            point=point,
            words=figures.Words(
                f"ROC curve of {target_name(target)}",
                f"Share found against share of false alarms. AUC {shown}.",
            ),
        ),
        f"ROC curve: what share of the diseased is found for what share of false alarms among the "
        f"healthy. AUC {shown}.{told}",
        "half",
    )


def _calibration(files: RunFiles, target: str, scored: "curves.Scored") -> Figure | Prose:
    name = target_name(target)
    if not scored.is_probability:
        return Prose(f"{name}: the scores are no probabilities, so calibration cannot be judged.")
    bins = curves.calibration_bins(scored)
    if bins is None:
        return Prose(f"{name}: too few cases for a calibration plot.")
    slope, intercept = (
        wording.with_interval(overall_row(files, target, m) or {}, m)
        for m in ("calibration_slope", "calibration_intercept")
    )
    pairs = "; ".join(
        f"{wording.percent(p)} said, {wording.percent(o)} seen"
        for p, o in zip(bins.predicted, bins.observed, strict=True)
    )
    return Figure(
        figures.calibration(
            bins.predicted,
            bins.observed,
            bins.low,
            bins.high,
            words=figures.Words(
                f"Calibration of {name}", f"Share diseased by probability given: {pairs}."
            ),
        ),
        f"Calibration: cases in {len(bins.predicted)} groups by the probability that the tool "
        f"gave; dots on the dotted line are right. Bars are 95% (Wilson) intervals. "
        f"Slope {slope}; intercept {intercept}.",
        "half",
    )


def _volumes(files: RunFiles, experiment: Experiment) -> tuple[Block, ...]:
    if files.case_metrics.empty:
        return (Prose("There is no table of single cases in this run, so no volume is compared."),)
    drawn = []
    for structure in list(experiment.structures)[:MAX_CURVES]:
        pairs = curves.volume_pairs(files.case_metrics, structure)
        if len(pairs) < 3:
            continue
        mean = np.asarray((pairs["reference"] + pairs["predicted"]) / 2, dtype=np.float64)
        gap = np.asarray(pairs["predicted"] - pairs["reference"], dtype=np.float64)
        drawn.append(_bland_altman(files, structure, mean, gap))
    if not drawn:
        return (Prose("Fewer than three cases have both volumes, so they are not compared."),)
    grouped = " Each dot stands for a group of at least 8 cases." if files.is_shareable else ""
    note = (
        "Bland–Altman plots: the error of the volume against its size. The full line is the mean "
        "error (bias); 95 of 100 cases lie between the dashed lines. Missed structures count with "
        f"a volume of 0.{grouped}"
    )
    return (Prose(note, "note"), FigureRow(tuple(drawn)))


def _bland_altman(
    files: RunFiles, structure: str, mean: curves.FloatArray, gap: curves.FloatArray
) -> Figure:
    bias, sd = float(gap.mean()), float(gap.std(ddof=1))
    agreement = figures.Agreement(bias, bias - 1.96 * sd, bias + 1.96 * sd, "ml")
    spread = None
    if files.is_shareable:
        mean, gap, spread = curves.grouped(mean, gap)
    name = readable(structure)
    words = (
        f"{name}: bias {agreement.bias:+.2g} ml, 95% of errors from {agreement.low:+.2g} to "
        f"{agreement.high:+.2g} ml"
    ).replace("-", "−")
    return Figure(
        figures.bland_altman(
            mean,
            gap,
            agreement,
            spread=spread,
            words=figures.Words(f"Agreement of volumes: {name}", f"{words}."),
        ),
        f"{words}.",
        "half",
    )
