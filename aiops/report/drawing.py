"""The paper of a drawing: size, style, and SVG text that can stand inside an HTML page.

Colours are those of Okabe and Ito, and nothing is told by colour alone: shapes, dashes and words
say it too. Each drawing has a title and a description for readers who cannot see it.
"""

import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Drawing

BLUE, VERMILLION, GREEN, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9"
INK, GREY, PALE, LINE = "#1b2733", "#5b6875", "#e6ebf0", "#c9d1d9"


@dataclass(frozen=True)
class Words:
    """What a drawing is called, and what it shows, for readers who cannot see it."""

    title: str
    description: str


@dataclass(frozen=True)
class Axis:
    """What an axis is called, and how a number on it is printed."""

    label: str
    percent: bool = False


def bare(axes: Any, keep: tuple[str, ...] = ("left", "bottom")) -> None:
    """Take from a drawing all lines that tell nothing."""
    for side, spine in axes.spines.items():
        spine.set_visible(side in keep)
        spine.set_color(LINE)
    axes.tick_params(length=0 if "left" not in keep else 3, color=LINE)
    axes.tick_params(axis="x", length=3)


_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "aiops",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.labelcolor": GREY,
    "axes.labelsize": 8.5,
    "text.color": INK,
    "xtick.labelcolor": GREY,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "axes.formatter.use_mathtext": False,
}


@contextmanager
def paper(width_in: float, height_in: float, words: Words) -> Iterator[tuple[Drawing, list[str]]]:
    """Give a drawing, and a list that holds its SVG text when the block has ended."""
    out: list[str] = []
    with mpl.rc_context(_STYLE):
        drawing = Drawing(figsize=(width_in, height_in))
        FigureCanvasSVG(drawing)
        drawing.patch.set_alpha(0)
        yield drawing, out
        buffer = io.StringIO()
        drawing.savefig(
            buffer,
            format="svg",
            transparent=True,
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    out.append(_inline(buffer.getvalue(), words))


def _inline(svg: str, words: Words) -> str:
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'\s(?:xmlns(?::\w+)?)="[^"]*"', "", body)
    # Several drawings stand in one page: their ids must not meet.
    name = f"d{abs(_hash_of(words.title + words.description + body)):x}"
    body = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', body)
    body = re.sub(r"url\(#", f"url(#{name}-", body)
    body = re.sub(r'href="#', f'href="#{name}-', body)
    told = f'<title id="{name}-t">{escape(words.title)}</title>'
    told += f'<desc id="{name}-d">{escape(words.description)}</desc>'
    head, rest = body.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', head)
    return (
        f'<svg {box.group(0) if box else ""} role="img" '
        f'aria-labelledby="{name}-t {name}-d">{told}{rest.strip()}'
    )


def _hash_of(text: str) -> int:
    # Not hash(): it differs from run to run, and reports of one run shall be equal.
    return zlib.crc32(text.encode("utf-8"))
