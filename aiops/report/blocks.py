"""What a report is made of: a few kinds of block, each a plain value.

Sections are lists of blocks; one template knows how each kind looks. Text in a block is text: the
template escapes it. The one exception is `Figure.svg`, which `aiops.report.figures` makes and
escapes itself.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

Tone = Literal["good", "bad", "open", "quiet"]


@dataclass(frozen=True)
class Chip:
    """A verdict in a word; the tone gives it an icon and a colour, never a colour alone."""

    kind: ClassVar[str] = "chip"
    word: str
    tone: Tone = "quiet"
    beside: str = ""


Cell: TypeAlias = str | Chip


@dataclass(frozen=True)
class Prose:
    """A paragraph. `role` is ``lead``, ``note`` or ``plain``."""

    kind: ClassVar[str] = "prose"
    text: str
    role: str = "plain"


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    kind: ClassVar[str] = "bullets"
    items: tuple[str, ...]


@dataclass(frozen=True)
class Heading:
    """A heading inside a section, with a chip where there is a verdict; `anchor` can be linked."""

    kind: ClassVar[str] = "heading"
    text: str
    chip: Chip | None = None
    anchor: str = ""


@dataclass(frozen=True)
class Table:
    """A table; the first column names the row. `numbers` are the columns aligned as numbers.

    `plain` says in a sentence what the table shows, `note` how it is to be read.
    """

    kind: ClassVar[str] = "table"
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numbers: frozenset[int] = frozenset()
    note: str = ""
    plain: str = ""

    @property
    def is_narrow(self) -> bool:
        """Whether it would look lost when stretched over the page."""
        cells = (cell for row in self.rows for cell in row)
        return len(self.columns) <= 6 and all(not isinstance(c, str) or len(c) < 34 for c in cells)


@dataclass(frozen=True)
class Figure:
    """A drawing: SVG with title and description of its own, and a caption."""

    kind: ClassVar[str] = "figure"
    svg: str
    caption: str
    width: str = "wide"


@dataclass(frozen=True)
class FigureRow:
    """Figures side by side."""

    kind: ClassVar[str] = "row"
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Picture:
    """A picture of a case, as a data URI. Internal report only."""

    kind: ClassVar[str] = "picture"
    source: str
    alt: str
    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Pictures:
    """Pictures of cases, side by side where they fit."""

    kind: ClassVar[str] = "pictures"
    items: tuple[Picture, ...]
    wide: bool = False


@dataclass(frozen=True)
class Code:
    """A file as it stands."""

    kind: ClassVar[str] = "code"
    text: str


@dataclass(frozen=True)
class Details:
    """Blocks behind a line that one opens."""

    kind: ClassVar[str] = "details"
    summary: str
    blocks: "tuple[Block, ...]"


Block: TypeAlias = (
    Prose | Bullets | Heading | Table | Figure | FigureRow | Pictures | Code | Details
)


@dataclass(frozen=True)
class Section:
    """A numbered section of the report."""

    anchor: str
    title: str
    question: str
    blocks: tuple[Block, ...]


def numbers(first: int, last: int) -> frozenset[int]:
    """Return the columns from `first` to `last`, both included.

    Examples
    --------
    >>> sorted(numbers(1, 3))
    [1, 2, 3]
    """
    return frozenset(range(first, last + 1))
