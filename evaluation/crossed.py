"""Which cells of a table of two attributes to hide, so that none can be had from its margins.

A cell is safe when cases can be moved, in thought, around a rectangle of four hidden cells: each
row and each column keeps its sum, so what is published stays the same (see ``protection``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.protection import POSSIBLE, BoolArray, Guard, IntArray, Part

Room = tuple[IntArray, IntArray]
"""By how much a cell can rise and fall, for each opposite corner of a rectangle."""


@dataclass(frozen=True)
class Cells:
    """Which cells may be hidden, and which are.

    Parameters
    ----------
    hidden : ndarray of bool, shape (n_rows, n_columns)
        Cells that are hidden.
    may_hide : ndarray of bool, shape (n_rows, n_columns)
        Cells that can be; one that is known to be empty cannot.
    """

    hidden: BoolArray
    may_hide: BoolArray


def hidden_cells(parts: Sequence[Part], cells: Cells, guard: Guard) -> BoolArray | None:
    """Return the cells of which nothing may be shown, or None where that is all of them.

    Parameters
    ----------
    parts : sequence of Part
        Counts of two dimensions: the cells of each target.
    cells : Cells
        What is hidden in any case.
    guard : Guard
        What is small; which of the hidden cells are small is not told.

    Examples
    --------
    >>> counts = np.array([[3, 20, 30], [40, 50, 60], [70, 80, 90]])
    >>> cells = Cells(np.zeros((3, 3), bool), np.ones((3, 3), bool))
    >>> hidden_cells([Part(counts, counts)], cells, Guard(8)).astype(int).tolist()
    [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    """
    sizes = [c for part in parts for c in part.sizes]
    small = np.any([guard.is_small(c) for c in sizes], axis=0)
    least = np.min([np.where(guard.is_small(c), c, guard.below) for c in sizes], axis=0)

    def rooms(at: tuple[int, int], _: int) -> list[Room]:
        return [_size_room(parts, at)]

    return _widened(cells, small, (least,), rooms, guard)


def hidden_kinds(
    part: Part, parts: Sequence[Part], sizes: BoolArray, cells: Cells, guard: Guard
) -> BoolArray | None:
    """Return the cells whose positives and figures may not be shown, or None where it is all.

    Parameters
    ----------
    part : Part
        Counts of one target.
    parts : sequence of Part
        Counts of all targets.
    sizes : ndarray of bool
        Cells of which nothing is shown.
    cells, guard : Cells, Guard
        As in `hidden_cells`.
    """
    small = np.any([guard.is_small(c) for c in part.kinds], axis=0)
    least = tuple(np.where(guard.is_small(c), c, guard.below) for c in part.kinds)

    def rooms(at: tuple[int, int], kind: int) -> list[Room]:
        own, other = part.kinds[kind], part.kinds[1 - kind]
        moved, held = _room(own, at), _room(other, at)
        # The size of each cell may stay: then the other kind moves against this one.
        found = [(np.minimum(moved[0], held[1]), np.minimum(moved[1], held[0]))]
        if sizes[at]:
            whole = _size_room(parts, at)
            four = _corners(sizes, at)
            found.append(
                (
                    np.where(four, np.minimum(moved[0], whole[0]), 0),
                    np.where(four, np.minimum(moved[1], whole[1]), 0),
                )
            )
        return found

    return _widened(cells, small, least, rooms, guard)


def _widened(
    cells: Cells,
    small: BoolArray,
    least: Sequence[IntArray],
    rooms: Callable[[tuple[int, int], int], list[Room]],
    guard: Guard,
) -> BoolArray | None:
    """Return the hidden cells with as many further ones as it takes."""
    hidden = cells.hidden | small
    if not hidden.any():
        return hidden
    weight = np.sum(least, axis=0)
    is_changed = True
    while is_changed:
        is_changed = False
        for row, column in np.argwhere(hidden & small):
            at = (int(row), int(column))
            for kind, counts in enumerate(least):
                if counts[at] >= guard.below or counts[at] == 0:
                    continue
                fits = np.zeros(hidden.shape, bool)
                for up, down in rooms(at, kind):
                    fits |= (counts[at] + up >= guard.below) & (up + down >= POSSIBLE - 1)
                if (fits & _corners(hidden, at)).any():
                    continue
                fits &= _corners(cells.may_hide | hidden, at)
                if not fits.any():
                    return None
                hidden = hidden | _cheapest(fits, hidden, weight, at)
                is_changed = True
    return hidden


def _room(counts: IntArray, at: tuple[int, int]) -> Room:
    """Return how far a cell can rise and fall around each rectangle it is a corner of."""
    up = np.minimum(counts[at[0]][None, :], counts[:, at[1]][:, None])
    return up, np.minimum(counts[at], counts)


def _size_room(parts: Sequence[Part], at: tuple[int, int]) -> Room:
    """Return the room of a cell's size in all parts at once; each part's kinds go along."""
    ups, downs = [], []
    for part in parts:
        some = [_room(c, at) for c in part.sizes]
        if part.kinds:
            kinds = [_room(c, at) for c in part.kinds]
            some.append((kinds[0][0] + kinds[1][0], kinds[0][1] + kinds[1][1]))
        ups += [up for up, _ in some]
        downs += [down for _, down in some]
    return np.min(ups, axis=0), np.min(downs, axis=0)


def _corners(mask: BoolArray, at: tuple[int, int]) -> BoolArray:
    """Return for which opposite corners the three other corners are all in the mask."""
    found = mask & mask[at[0]][None, :] & mask[:, at[1]][:, None]
    found[at[0]] = False
    found[:, at[1]] = False
    return np.asarray(found)


def _cheapest(
    fits: BoolArray, hidden: BoolArray, weight: IntArray, at: tuple[int, int]
) -> BoolArray:
    """Return the three further corners that hide least."""
    best, cost = None, (0, 0)
    for row, column in np.argwhere(fits):
        chosen = np.zeros(hidden.shape, bool)
        chosen[[at[0], row, row], [column, at[1], column]] = True
        new = chosen & ~hidden
        this = (int(new.sum()), int(weight[new].sum()))
        if best is None or this < cost:
            best, cost = chosen, this
    assert best is not None
    return best
