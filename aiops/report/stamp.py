"""The stamp at the head of a page: how the run stands by the ledger, and on which day.

The page of a run is made before anybody decides on it. So the stamp stands between two fixed
comments, and can be replaced without making the page anew. What it says comes in as plain values.
"""

import re
from collections.abc import Sequence
from datetime import date
from functools import cache
from pathlib import Path

import jinja2

from aiops.report.blocks import Tone

SHAREABLE, INTERNAL, SHEET = "report.html", "report_internal.html", "sheet.html"
"""The pages of a run; each has a place for the stamp."""
BEGIN, END = "<!-- standing by the ledger -->", "<!-- end of the standing -->"
"""Text from outside is escaped, so neither can stand anywhere else in a page."""

_DAY = re.compile(r"<time[^>]*>[^<]*</time>")
_TEMPLATES = Path(__file__).resolve().parent.parent / "templates"


def stamp(tone: Tone, headline: str, lines: Sequence[str], as_of: date) -> str:
    """Return the stamp as HTML, with the two comments around it; all text is escaped.

    Parameters
    ----------
    tone : str
        ``good``, ``bad`` or ``open``: an icon and a colour, never a colour alone.
    headline : str
        The one thing to know.
    lines : sequence of str
        What stands behind it.
    as_of : date
        The day on which the ledger said so.
    """
    told = _template().render(tone=tone, headline=headline, lines=lines, as_of=as_of.isoformat())
    return f"{BEGIN}\n{told.strip()}\n{END}"


def no_stamp() -> str:
    """Return the place for a stamp, with nothing in it."""
    return f"{BEGIN}\n{END}"


def stamped(html: str, block: str) -> str:
    """Return a page with another stamp.

    Parameters
    ----------
    html : str
        A page that has a place for a stamp.
    block : str
        As `stamp` returns it.

    Raises
    ------
    ValueError
        If the page has no place for it.

    Examples
    --------
    >>> stamped(f"<p>{no_stamp()}</p>", f"{BEGIN}approved{END}") == f"<p>{BEGIN}approved{END}</p>"
    True
    """
    before, old, after = _parts(html)
    if not old:
        raise ValueError("the page has no place for a stamp")
    return f"{before}{block}{after}"


def words(html: str) -> str | None:
    """Return the stamp of a page without its day; None where the page has no place for one."""
    _, block, _ = _parts(html)
    return _DAY.sub("", block) if block else None


def _parts(html: str) -> tuple[str, str, str]:
    before, begin, rest = html.partition(BEGIN)
    told, end, after = rest.partition(END)
    return (before, f"{begin}{told}{end}", after) if begin and end else (html, "", "")


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("stamp.html.j2")
