"""Curves and plots of the whole test set: ranking, probabilities, volumes."""

import numpy as np

from aiops.config import Experiment
from aiops.report import curves, figures, wording
from aiops.report.blocks import Block, Details, Figure, FigureRow, Heading, Prose
from aiops.report.disclosure import BELOW
from aiops.report.drawing import Words
from aiops.report.files import RunFiles
from aiops.report.findings import FEW, overall_row
from aiops.report.wording import is_number, readable, target_name

MAX_CURVES = 4
"""Primary targets that get curves of their own; a report is not an atlas."""


def ranking(files: RunFiles, experiment: Experiment) -> tuple[Block, ...]:
    """Return ROC and calibration curves of the primary targets."""
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


def volumes(files: RunFiles, experiment: Experiment) -> tuple[Block, ...]:
    """Return plots of the error of the volumes against their size."""
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
    grouped = (
        f" Each dot stands for a group of at least {_least(files)} cases."
        if files.is_shareable
        else ""
    )
    note = (
        "Bland–Altman plots: the error of the volume against its size. The full line is the mean "
        "error (bias); 95 of 100 cases lie between the dashed lines. Missed structures count with "
        f"a volume of 0.{grouped}"
    )
    return (Prose(note, "note"), FigureRow(tuple(drawn)))


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
            words=Words(
                f"ROC curve of {target_name(target)}",
                f"Share found against share of false alarms. AUC {shown}.",
            ),
        ),
        f"ROC curve: what share of the diseased is found for what share of false alarms among the "
        f"healthy. AUC {shown}.{told}",
        "half",
    )


def _least(files: RunFiles) -> int:
    """Return how many cases a dot stands for at least: never fewer than a policy hides."""
    return max(BELOW, files.disclosure.suppress_below)


def _calibration(files: RunFiles, target: str, scored: "curves.Scored") -> Figure | Prose:
    name = target_name(target)
    if not scored.is_probability:
        return Prose(f"{name}: the scores are no probabilities, so calibration cannot be judged.")
    bins = curves.calibration_bins(scored, least=_least(files))
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
            words=Words(f"Calibration of {name}", f"Share diseased by probability given: {pairs}."),
        ),
        f"Calibration: cases in {len(bins.predicted)} groups by the probability that the tool "
        f"gave; dots on the dotted line are right. Bars are 95% intervals. "
        f"Slope {slope}; intercept {intercept}.",
        "half",
    )


def _bland_altman(
    files: RunFiles, structure: str, mean: curves.FloatArray, gap: curves.FloatArray
) -> Figure:
    bias, sd = float(gap.mean()), float(gap.std(ddof=1))
    agreement = figures.Agreement(bias, bias - 1.96 * sd, bias + 1.96 * sd, "ml")
    spread = None
    if files.is_shareable:
        mean, gap, spread = curves.grouped(mean, gap, _least(files))
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
            words=Words(f"Agreement of volumes: {name}", f"{words}."),
        ),
        f"{words}.",
        "half",
    )
