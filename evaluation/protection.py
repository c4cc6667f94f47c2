"""Which groups and cells to hide, so that no small count can be computed from what is shown.

A set of hidden groups is held to be safe when other cohorts exist that would be published in the
same way: cases are moved, in thought, from one hidden group to another (in a table of two
attributes: around a rectangle of four hidden cells, so that both margins stay), and each cohort
that comes out is one that a reader cannot rule out. Counts that are shown are taken to be known
exactly, for an interval can be turned back into the count it was made from; rounding is not
relied on. A hidden small count is safe when

1. a reader who is told which hidden counts are small still has `Guard.needed` values for it, and
2. a reader of the figures alone cannot tell that it is small, unless all groups are hidden.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

POSSIBLE = 3
"""Values that at least must be possible for a hidden count, where its total allows as many."""


@dataclass(frozen=True)
class Part:
    """Counts of the groups of one attribute, for one target.

    Parameters
    ----------
    patients, cases : ndarray of int, shape (n_groups,)
        Of each group.
    positive : ndarray of int or None
        Positive cases; None where cases are not of two kinds.
    """

    patients: IntArray
    cases: IntArray
    positive: IntArray | None = None

    @property
    def kinds(self) -> tuple[IntArray, ...]:
        """Positive and negative cases, or nothing."""
        if self.positive is None:
            return ()
        return self.positive, np.maximum(self.cases - self.positive, 0)

    @property
    def sizes(self) -> tuple[IntArray, ...]:
        """Patients and cases."""
        return self.patients, self.cases


@dataclass(frozen=True)
class Guard:
    """What is small, and what a reader is taken to know.

    Parameters
    ----------
    below : int
        Counts from 1 up to, not including, this one are small.
    is_told : bool
        Whether a reader is told which hidden counts are small.
    """

    below: int
    is_told: bool = True

    @property
    def needed(self) -> int:
        """Values that must be possible for a hidden small count."""
        return min(POSSIBLE, self.below - 1) if self.is_told else POSSIBLE

    @property
    def steps(self) -> tuple[int, ...]:
        """By how much a count is changed in thought."""
        up = range(1, self.needed)
        return (*up, *(-d for d in up))

    def is_small(self, counts: IntArray) -> BoolArray:
        """Return which counts are small; a zero is not."""
        return np.asarray((counts >= 1) & (counts < self.below))

    def allows(self, old: int, new: int, floor: int) -> bool:
        """Return whether a reader cannot rule out `new` in the place of `old`."""
        if self.is_told:
            return new >= 0 and self._class(old) == self._class(new)
        return new >= floor

    def _class(self, n: int) -> int:
        return 0 if n == 0 else 1 if n < self.below else 2


@dataclass(frozen=True)
class Hidden:
    """Groups of one attribute that are hidden, by their positions.

    Parameters
    ----------
    sizes : frozenset of int
        Groups of which nothing is shown.
    figures : mapping of str to frozenset of int
        Of each target, groups whose figures and positives are hidden; `sizes` among them.
    untold : frozenset of str
        Targets of which it is not told which of the hidden groups are small.
    is_dropped : bool
        Nothing helps but to leave the attribute out.
    """

    sizes: frozenset[int] = frozenset()
    figures: Mapping[str, frozenset[int]] = field(default_factory=dict)
    untold: frozenset[str] = frozenset()
    is_dropped: bool = False


def hidden_groups(parts: Mapping[str, Part], guard: Guard, *, complementary: bool = True) -> Hidden:
    """Return the groups of an attribute that must be hidden.

    Parameters
    ----------
    parts : mapping of str to Part
        The counts for each target, over the same groups, which add up to a known total.
    guard : Guard
        What is small.
    complementary : bool, default=True
        Whether further groups are hidden to protect the small ones.

    Returns
    -------
    Hidden
        Groups by their positions.

    Examples
    --------
    >>> counts = np.array([100, 40, 3])
    >>> sorted(hidden_groups({"": Part(counts, counts)}, Guard(8)).sizes)
    [1, 2]
    """
    known = list(parts.values())
    small = np.any([guard.is_small(c) for p in known for c in p.sizes], axis=0)
    sizes, untold = _positions(small), set[str]()
    if complementary:
        order_by = np.max([p.cases for p in known], axis=0)
        sizes, is_safe = _widened(sizes, order_by, partial(_sizes_safe, known, guard))
        if not is_safe:
            untold = set(parts)
            guard = replace(guard, is_told=False)
            if not _sizes_safe(known, guard, sizes):
                return Hidden(sizes, dict.fromkeys(parts, sizes), frozenset(untold), True)
    figures = {}
    for target, part in parts.items():
        small = np.any([guard.is_small(c) for c in (*part.kinds, *part.sizes)], axis=0)
        figures[target] = sizes | _positions(small)
        if complementary and part.kinds:
            moved = _moved(part, known, guard, sizes)
            is_fine = partial(_kinds_safe, part, moved, guard)
            figures[target], is_safe = _widened(figures[target], part.kinds[0], is_fine)
            untold |= set() if is_safe else {target}
    return Hidden(sizes, figures, frozenset(untold))


def _positions(mask: BoolArray) -> frozenset[int]:
    return frozenset(int(i) for i in np.flatnonzero(mask))


def _widened(
    hidden: frozenset[int], order_by: IntArray, is_safe: Callable[[frozenset[int]], bool]
) -> tuple[frozenset[int], bool]:
    """Return `hidden` with as many further groups as it takes, the smallest first."""
    # A zero protects nothing, so groups that count come first.
    for i in sorted(range(order_by.size), key=lambda i: (order_by[i] == 0, order_by[i], i)):
        if not hidden or is_safe(hidden):
            return hidden, True
        hidden |= {i}
    return hidden, not hidden or is_safe(hidden)


def _sizes_safe(parts: Sequence[Part], guard: Guard, hidden: frozenset[int]) -> bool:
    """Return whether patients and cases of the hidden groups stay unknown."""
    for cohort in _cohorts(parts):
        sizes = cohort[0].sizes
        small = np.any([guard.is_small(c) for c in sizes], axis=0)
        inside = sorted(hidden)
        if len(inside) < small.size and any(
            guard.is_small(c[inside]).any() and c[inside].sum() < guard.below + len(inside) - 1
            for c in sizes
        ):
            return False
        steps = (_size_steps(cohort, x, hidden, guard)[0] for x in inside if small[x])
        if any(len(s) < guard.needed for s in steps):
            return False
    return True


def _cohorts(parts: Sequence[Part]) -> list[list[Part]]:
    """Return the parts by their sizes: targets of the same cases change together."""
    found: dict[bytes, list[Part]] = {}
    for part in parts:
        found.setdefault(np.concatenate(part.sizes).tobytes(), []).append(part)
    return list(found.values())


Steps = set[tuple[int, int]]
"""Changes of the positive and the negative cases of a group."""


def _size_steps(
    cohort: Sequence[Part], x: int, hidden: frozenset[int], guard: Guard
) -> tuple[set[int], list[Steps]]:
    """Return by how much the size of `x` may differ, and its cases of both kinds in each part."""
    sizes, kinds = {0}, [{(0, 0)} for _ in cohort]
    for y in sorted(hidden - {x}, key=lambda y: -int(cohort[0].cases[y])):
        for d in guard.steps:
            ways = [_ways(part, x, y, d, guard) for part in cohort]
            if all(ways):
                sizes.add(d)
                for so_far, more in zip(kinds, ways, strict=True):
                    so_far |= more
        if len(sizes) > guard.needed:
            break
    return sizes, kinds


def _ways(part: Part, x: int, y: int, d: int, guard: Guard) -> Steps:
    """Return how `d` cases of so many patients can go from `y` to `x`."""
    for counts in part.sizes:
        if not (guard.allows(counts[x], counts[x] + d, 1) and
                guard.allows(counts[y], counts[y] - d, 1)):  # fmt: skip
            return set()
    if not part.kinds:
        return {(d, 0)}
    sign = 1 if d > 0 else -1
    split = ((sign * n, d - sign * n) for n in range(abs(d) + 1))
    return {step for step in split if _kinds_allow(part, x, y, step, guard)}


def _kinds_allow(part: Part, x: int, y: int, step: tuple[int, int], guard: Guard) -> bool:
    return all(
        guard.allows(c[x], c[x] + d, 0) and guard.allows(c[y], c[y] - d, 0)
        for c, d in zip(part.kinds, step, strict=True)
    )


def _moved(
    part: Part, known: Sequence[Part], guard: Guard, sizes: frozenset[int]
) -> dict[int, Steps]:
    """Return what the kinds of each group of hidden size may be changed by."""
    cohort = next(c for c in _cohorts(known) if any(p is part for p in c))
    at = next(i for i, p in enumerate(cohort) if p is part)
    return {x: _size_steps(cohort, x, sizes, guard)[1][at] for x in sizes}


def _kinds_safe(
    part: Part, moved: Mapping[int, Steps], guard: Guard, hidden: frozenset[int]
) -> bool:
    """Return whether positives and negatives of the hidden groups stay unknown."""
    inside = sorted(hidden)
    for kind, counts in enumerate(part.kinds):
        small = guard.is_small(counts)
        some, is_part = small[inside].any(), len(inside) < small.size
        if some and is_part and counts[inside].sum() < guard.below:
            return False
        for x in inside:
            if small[x] and len(_kind_steps(part, x, kind, moved, hidden, guard)) < guard.needed:
                return False
    return True


def _kind_steps(
    part: Part,
    x: int,
    kind: int,
    moved: Mapping[int, Steps],
    hidden: frozenset[int],
    guard: Guard,
) -> set[int]:
    """Return by how much the cases of one kind of `x` may differ; sizes may be shown."""
    found = {step[kind] for step in moved.get(x, {(0, 0)})}
    for y in sorted(hidden - {x}, key=lambda y: -int(part.cases[y])):
        if len(found) >= guard.needed:
            break
        found |= {(d, -d)[kind] for d in guard.steps if _kinds_allow(part, x, y, (d, -d), guard)}
    return found
