"""Drawings of a report as SVG text, to stand inside an HTML page."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Drawing
from numpy.typing import NDArray

from aiops.report.drawing import (
    BLUE,
    GREEN,
    GREY,
    INK,
    LINE,
    PALE,
    SKY,
    VERMILLION,
    Axis,
    Words,
    bare,
    paper,
)

MARKERS = {"adequate": ("o", BLUE, BLUE), "concern": ("v", VERMILLION, VERMILLION)}
OPEN_MARKER = ("s", "white", INK)

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ForestRow:
    """A group in a forest plot; nan where there is no figure."""

    label: str
    value: float
    low: float
    high: float
    chance_gap: float
    verdict: str
    shown: str


@lru_cache(maxsize=128)  # both reports of a run show the same one, unless groups are hidden
def forest(rows: tuple[ForestRow, ...], *, margin: float | None, axis: Axis, words: Words) -> str:
    """Return a forest plot of the gaps of groups, with the margin line and the chance band.

    Examples
    --------
    >>> row = ForestRow("women (120)", -0.02, -0.04, 0.0, 0.01, "adequate", "−0.020")
    >>> forest((row,), margin=0.05, axis=Axis("gap"), words=Words("t", "d"))[:4]
    '<svg'
    """
    with paper(7.2, 0.75 + 0.34 * max(len(rows), 1), words) as (drawing, out):
        axes = drawing.add_axes((0.27, 0.55 / (0.75 + 0.34 * len(rows)), 0.55, 0.0))
        height = 0.75 + 0.34 * len(rows)
        axes.set_position((0.27, 0.5 / height, 0.55, (height - 0.68) / height))
        limit = _limit(rows, margin)
        axes.set_xlim(-limit, limit)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.axvline(0, color=GREY, linewidth=0.9, zorder=1)
        if margin is not None:
            axes.axvline(-margin, color=VERMILLION, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
            axes.text(-margin, -0.62, f"margin −{margin:g}", ha="center", color=VERMILLION, size=8)
        for place, row in enumerate(rows):
            _forest_row(axes, place, row, limit)
        axes.set_yticks(range(len(rows)), [row.label for row in rows])
        axes.set_xlabel(f"worse than the rest  ←  {axis.label}  →  better")
        bare(axes, keep=("bottom",))
    return out[0]


@dataclass(frozen=True)
class Interval:
    """A value and its interval."""

    value: float
    low: float
    high: float


def strip(
    shown: Interval,
    *,
    acceptable: float | None,
    axis: Axis,
    span: tuple[float, float],
    words: Words,
) -> str:
    """Return one figure with its interval on a line, and the acceptable value if there is one."""
    with paper(5.2, 0.8, words) as (drawing, out):
        axes = drawing.add_axes((0.03, 0.42, 0.94, 0.3))
        axes.set_xlim(*span)
        axes.set_ylim(-1, 1)
        axes.axhline(0, color=LINE, linewidth=1, zorder=0)
        ends = [shown.low, shown.high]
        axes.plot(ends, [0, 0], color=BLUE, linewidth=6, solid_capstyle="butt", alpha=0.45)
        axes.plot([shown.value], [0], "o", color=BLUE, markersize=8)
        if acceptable is not None:
            axes.axvline(acceptable, color=INK, linewidth=1.4, linestyle=(0, (4, 3)))
            axes.text(
                acceptable, 1.25, f"acceptable {_tick(acceptable, axis)}", ha="center", size=8
            )
        _number_ticks(axes, axis)
        bare(axes, keep=("bottom",))
        axes.set_yticks([])
    return out[0]


def roc(
    false_alarms: FloatArray, found: FloatArray, *, point: tuple[float, float] | None, words: Words
) -> str:
    """Return a ROC curve; `point` is (share of false alarms, share found) at the threshold."""
    with paper(4.3, 4.1, words) as (drawing, out):
        axes = _square(drawing)
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.9, linestyle=(0, (2, 3)))
        axes.text(0.66, 0.58, "guessing", rotation=45, color=GREY, size=8, rotation_mode="anchor")
        axes.plot(false_alarms, found, color=BLUE, linewidth=1.8)
        if point is not None:
            axes.plot(*point, marker="D", color=VERMILLION, markersize=7, linestyle="none")
            axes.annotate(
                "at the threshold", point, xytext=(9, -11), textcoords="offset points", size=8
            )
        axes.set_xlabel("false alarms among the healthy")
        axes.set_ylabel("found among the diseased")
        _unit_square(axes)
    return out[0]


def calibration(
    predicted: FloatArray, observed: FloatArray, low: FloatArray, high: FloatArray, *, words: Words
) -> str:
    """Return observed shares of disease against predicted probabilities, in groups of cases."""
    with paper(4.3, 4.1, words) as (drawing, out):
        axes = _square(drawing)
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.9, linestyle=(0, (2, 3)))
        spread = np.clip(np.vstack([observed - low, high - observed]), 0, None)
        axes.errorbar(
            predicted,
            observed,
            yerr=spread,
            fmt="o",
            color=BLUE,
            ecolor=SKY,
            markersize=5,
            elinewidth=1.4,
        )
        top = float(min(1.0, 1.15 * max(predicted.max(), high.max())))
        axes.text(
            1.0,
            1.01,
            "on the dotted line: right",
            color=GREY,
            size=8,
            ha="right",
            transform=axes.transAxes,
        )
        axes.set_xlabel("probability the tool gave")
        axes.set_ylabel("share that was diseased")
        _unit_square(axes, top=top)
    return out[0]


def decision_curve(
    threshold: FloatArray,
    benefit: FloatArray,
    band: tuple[FloatArray, FloatArray],
    treat_all: FloatArray,
    *,
    words: Words,
) -> str:
    """Return net benefit per 100 cases against the threshold, beside treating all or none."""
    with paper(4.6, 3.4, words) as (drawing, out):
        axes = drawing.add_axes((0.13, 0.15, 0.84, 0.8))
        axes.fill_between(threshold, 100 * band[0], 100 * band[1], color=SKY, alpha=0.35, lw=0)
        axes.plot(threshold, 100 * benefit, color=BLUE, linewidth=1.9)
        axes.plot(threshold, 100 * treat_all, color=VERMILLION, lw=1.4, linestyle=(0, (5, 3)))
        axes.axhline(0, color=INK, linewidth=1.1, linestyle=(0, (1, 2)))
        top = float(np.nanmax(100 * np.r_[benefit, band[1], treat_all, 0.01]))
        # Treating everybody falls without end; below the axis it has nothing more to say.
        axes.set_ylim(-0.35 * top, 1.12 * top)
        axes.set_xlim(0, float(threshold.max()))
        axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}%")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "−"))
        axes.set_xlabel("threshold: probability from which one acts")
        axes.set_ylabel("net benefit per 100")
        inside: dict[str, Any] = {"size": 8, "ha": "right", "transform": axes.transAxes}
        axes.text(0.99, 0.95, "full: the tool", color=BLUE, **inside)
        axes.text(0.99, 0.89, "dashed: everybody", color=VERMILLION, **inside)
        axes.text(0.99, 0.83, "dotted: nobody", color=INK, **inside)
        bare(axes)
    return out[0]


@dataclass(frozen=True)
class Agreement:
    """Bias and limits of agreement, in the unit of the axis."""

    bias: float
    low: float
    high: float
    unit: str


def bland_altman(
    mean: FloatArray,
    difference: FloatArray,
    agreement: Agreement,
    *,
    spread: tuple[FloatArray, FloatArray] | None,
    words: Words,
) -> str:
    """Return differences against means; with `spread`, each dot stands for a group of cases."""
    with paper(4.6, 3.2, words) as (drawing, out):
        axes = drawing.add_axes((0.15, 0.16, 0.64, 0.78))
        if spread is None:
            axes.plot(mean, difference, "o", color=BLUE, markersize=3.4, alpha=0.65, mew=0)
        else:
            axes.errorbar(
                mean,
                difference,
                yerr=np.vstack(spread),
                fmt="o",
                color=BLUE,
                ecolor=SKY,
                markersize=5,
                elinewidth=1.4,
            )
        axes.axhline(0, color=GREY, linewidth=0.8)
        lines = (
            ("bias", agreement.bias, "-"),
            ("lower", agreement.low, "--"),
            ("upper", agreement.high, "--"),
        )
        for word, level, dash in lines:
            axes.axhline(level, color=VERMILLION, linewidth=1.2, linestyle=dash)
            axes.text(
                1.015,
                level,
                f"{word} {level:+.2g}".replace("-", "−"),
                size=8,
                va="center",
                transform=axes.get_yaxis_transform(),
            )
        axes.set_xlabel(f"mean of the two volumes ({agreement.unit})")
        axes.set_ylabel(f"measured − reference ({agreement.unit})")
        bare(axes)
    return out[0]


def learning(
    steps: FloatArray,
    loss: FloatArray,
    tune_steps: FloatArray,
    tune: FloatArray,
    *,
    best_step: float | None,
    words: Words,
) -> str:
    """Return the loss on the training cases and the score on the tuning cases, step by step."""
    with paper(7.2, 2.5, words) as (drawing, out):
        left = drawing.add_axes((0.07, 0.19, 0.4, 0.72))
        right = drawing.add_axes((0.57, 0.19, 0.4, 0.72))
        left.plot(steps, loss, color=SKY, linewidth=0.7)
        left.plot(steps, _smooth(loss), color=BLUE, linewidth=1.6)
        left.set_ylabel("loss on training cases")
        right.plot(tune_steps, tune, "-o", color=GREEN, linewidth=1.4, markersize=3)
        right.set_ylabel("score on tuning cases")
        if best_step is not None:
            right.axvline(best_step, color=INK, linewidth=1, linestyle=(0, (4, 3)))
            right.text(
                best_step,
                1.02,
                f"best: step {best_step:,.0f}",
                ha="right" if best_step > tune_steps.mean() else "left",
                size=8,
                transform=right.get_xaxis_transform(),
            )
        for axes in (left, right):
            axes.set_xlabel("step")
            bare(axes)
    return out[0]


def _forest_row(axes: Any, place: int, row: ForestRow, limit: float) -> None:
    if np.isfinite(row.chance_gap):
        axes.barh(
            place, 2 * row.chance_gap, left=-row.chance_gap, height=0.62, color=PALE, zorder=0
        )
    marker, face, edge = MARKERS.get(row.verdict, OPEN_MARKER)
    if np.isfinite(row.low) and np.isfinite(row.high):
        ends = np.clip([row.low, row.high], -limit, limit)
        axes.plot(ends, [place, place], color=edge, linewidth=1.5, zorder=2, solid_capstyle="butt")
        if row.low < -limit:
            axes.plot([-limit], [place], marker="<", color=edge, markersize=5, clip_on=False)
        if row.high > limit:
            axes.plot([limit], [place], marker=">", color=edge, markersize=5, clip_on=False)
    if np.isfinite(row.value):
        axes.plot(
            [np.clip(row.value, -limit, limit)],
            [place],
            marker=marker,
            color=edge,
            markerfacecolor=face,
            markersize=7,
            zorder=3,
            linestyle="none",
        )
    axes.text(1.03, place, row.shown, va="center", size=8.5, transform=axes.get_yaxis_transform())


def _limit(rows: Sequence[ForestRow], margin: float | None) -> float:
    ends = [abs(x) for row in rows for x in (row.low, row.high, row.value) if np.isfinite(x)]
    floor = 1.6 * margin if margin else 0.0
    # One group of a few patients would otherwise press all others into a line.
    ceiling = 5 * margin if margin else np.inf
    return float(min(max([*ends, floor, 1e-6]) * 1.05, max(ceiling, floor)))


def _smooth(values: FloatArray) -> FloatArray:
    width = max(1, len(values) // 25)
    padded = np.concatenate([np.full(width, values[0]), values]) if len(values) else values
    total = np.cumsum(padded)
    return np.asarray((total[width:] - total[:-width]) / width, dtype=np.float64)


def _tick(value: float, axis: Axis) -> str:
    return f"{100 * value:.0f}%" if axis.percent else f"{value:g}".replace("-", "−")


def _number_ticks(axes: Any, axis: Axis) -> None:
    axes.xaxis.set_major_formatter(lambda value, _: _tick(round(value, 6), axis))


def _square(drawing: Drawing) -> Any:
    return drawing.add_axes((0.15, 0.12, 0.82, 0.85))


def _unit_square(axes: Any, top: float = 1.0) -> None:
    axes.set_xlim(-0.02 * top, 1.02 * top)
    axes.set_ylim(-0.02 * top, 1.02 * top)
    axes.set_aspect("equal")
    for side in (axes.xaxis, axes.yaxis):
        side.set_major_formatter(lambda value, _: f"{100 * value:.0f}%")
    axes.set_yticks(axes.get_xticks())
    axes.set_xlim(-0.02 * top, 1.02 * top)
    axes.set_ylim(-0.02 * top, 1.02 * top)
    bare(axes)
