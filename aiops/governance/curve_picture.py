"""A learning curve drawn: what was measured, where it leads, and the score that is wanted."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aiops.governance.power_law import PowerLaw
from aiops.report.drawing import BLUE, GREY, VERMILLION, Words, bare, paper

AHEAD = 4.0
"""Times the largest size measured, as far as the curve is drawn."""


def draw_curve(law: PowerLaw, points: Sequence[Mapping[str, Any]], target: float) -> str:
    """Return an SVG file's text: points with intervals, the fit with its band, the target.

    Parameters
    ----------
    law : PowerLaw
        The fit; where it does not hold, the points stand alone.
    points : sequence of mapping
        n_patients, score, low, high.
    target : float
        The score that is wanted.
    """
    n, score, low, high = (
        np.array([p[name] for p in points], float)
        for name in ("n_patients", "score", "low", "high")
    )
    told = "; ".join(f"{a:,.0f} patients {b:.3f}" for a, b in zip(n, score, strict=True))
    words = Words("Learning curve", f"Score by patients learnt from: {told}. Wanted: {target:g}.")
    with paper(5.6, 3.2, words) as (drawing, out):
        axes = drawing.add_axes((0.12, 0.16, 0.84, 0.76))
        axes.set_xscale("log")
        if law.state == "ok":
            ahead = np.geomspace(n.min(), AHEAD * n.max(), 60)
            band = np.array([law.band(x) for x in ahead])
            axes.fill_between(ahead, band[:, 0], band[:, 1], color=BLUE, alpha=0.15, linewidth=0)
            axes.plot(ahead, [law.score(x) for x in ahead], color=BLUE, linewidth=1.4)
        axes.vlines(n, low, high, color=GREY, linewidth=1)
        axes.plot(n, score, "o", color=BLUE, markersize=5)
        axes.axhline(target, color=VERMILLION, linewidth=1.2, linestyle=(0, (4, 3)))
        axes.text(n.min(), target, f"wanted {target:g}", va="bottom", color=VERMILLION, size=8)
        axes.set_xlabel("patients learnt from")
        axes.set_ylabel("score")
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
        axes.minorticks_off()
        bare(axes)
    # Within a page a drawing needs no namespace; as a file of its own it does.
    space = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return out[0].replace("<svg ", f"<svg {space} ", 1) + "\n"
