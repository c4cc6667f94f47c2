"""Blanks the tables of crossings of two attributes, and of the bins of calibration curves."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evaluation.crossed import Cells, hidden_cells, hidden_kinds
from evaluation.protection import BoolArray, IntArray, Part, hidden_groups
from evaluation.publication import (
    ALL,
    SIZES,
    WITHHELD,
    Secrets,
    blank,
    counts_of,
    figures_of,
    marked,
    words_without_counts,
)

CROSS, COMMA = " × ", ", "


def without_small_crossings(table: str, frame: pd.DataFrame, secrets: Secrets) -> pd.DataFrame:
    """Return a table of crossings with cells hidden that are small or give small ones away.

    Rows of groups that are hidden themselves are left out: that a crossing has no row would tell
    that it has no case.
    """
    kept = []
    for names, rows in frame.groupby("attributes", sort=False):
        # A line on the crossings without a patient is no cell.
        is_empty = (rows[[c for c in SIZES if c in rows]] == 0).all(axis=1)
        nobody = rows[is_empty]
        rows = rows[~is_empty].reset_index(drop=True)
        cross = _cross(str(names), rows, secrets)
        found = None if cross is None else _hidden(cross, rows, secrets)
        if cross is None or found is None:
            secrets.note(table, {"attribute": str(names)}, _all(rows), "complementary")
            continue
        kept.append(_published(table, cross, rows, found, secrets))
        if cross.inside.all():
            kept.append(nobody)
    return pd.concat(kept, ignore_index=True) if kept else frame.iloc[:0]


@dataclass(frozen=True)
class Cross:
    """Where each row of a pair of attributes stands in the table of its cells.

    The last place along either side is taken by all hidden groups of the attribute together.
    """

    pair: tuple[str, str]
    groups: tuple[list[str], list[str]]
    row: IntArray
    column: IntArray

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of shown groups, with one place for the hidden."""
        return len(self.groups[0]) + 1, len(self.groups[1]) + 1

    @property
    def inside(self) -> BoolArray:
        """Rows of which both groups are shown."""
        return np.asarray((self.row < self.shape[0] - 1) & (self.column < self.shape[1] - 1))

    def spread(self, counts: Sequence[float], chosen: BoolArray) -> IntArray:
        """Return the counts of the chosen rows as a table of cells."""
        out = np.zeros(self.shape, np.int64)
        numbers = np.nan_to_num(np.asarray(counts, dtype=float)).astype(np.int64)
        np.add.at(out, (self.row[chosen], self.column[chosen]), numbers[chosen])
        return out


@dataclass(frozen=True)
class Found:
    """Rows of which nothing is shown, and rows whose positives and figures are not."""

    sizes: BoolArray
    figures: BoolArray


def _all(rows: pd.DataFrame) -> list[str]:
    return [*counts_of(rows), *figures_of(rows)]


def _cross(names: str, rows: pd.DataFrame, secrets: Secrets) -> Cross | None:
    pair = tuple(names.split(CROSS))
    if len(pair) != 2 or any(a in secrets.dropped or a not in secrets.groups for a in pair):
        return None
    shown = tuple([g for g in secrets.groups[a] if (a, g) not in secrets.sizes] for a in pair)
    where = []
    for text in rows["group"].astype(str):
        parts = text.split(COMMA)
        ways = [(COMMA.join(parts[:i]), COMMA.join(parts[i:])) for i in range(1, len(parts))]
        fits = [
            w for w in ways if all(g in secrets.groups[a] for a, g in zip(pair, w, strict=True))
        ]
        if len(fits) != 1:
            return None
        where.append(
            [s.index(g) if g in s else len(s) for s, g in zip(shown, fits[0], strict=True)]
        )
    at = np.array(where, dtype=np.int64).reshape(-1, 2)
    return Cross((pair[0], pair[1]), (shown[0], shown[1]), at[:, 0], at[:, 1])


def _hidden(cross: Cross, rows: pd.DataFrame, secrets: Secrets) -> Found | None:
    release = secrets.release
    target = rows["target"].astype(str).to_numpy() if "target" in rows else np.full(len(rows), "")
    keys = pd.Series(target) + "\n"
    if "metric" in rows:
        keys += rows["metric"].astype(str)
    parts, of_key = _parts(cross, rows, keys)
    merged = np.zeros(cross.shape, bool)
    merged[-1] = any(a == cross.pair[0] for a, _ in secrets.sizes)
    merged[:, -1] |= any(a == cross.pair[1] for a, _ in secrets.sizes)
    there = merged.copy()
    there[cross.row, cross.column] = True
    cells = Cells(merged, there)
    small = np.any([release.guard.is_small(c) for p in parts for c in p.sizes], axis=0)
    sizes: BoolArray | None = merged | small
    if release.complementary:
        sizes = hidden_cells(parts, cells, release.guard)
    if sizes is None:
        return None
    figures = sizes[cross.row, cross.column].copy()
    for key, at in of_key.items():
        part, name = parts[at], key.partition("\n")[0]
        if part.kinds:
            hidden = _kinds(cross, name, at, parts, Cells(sizes, there), secrets)
            mine = (keys == key).to_numpy()
            figures[mine] |= hidden[cross.row[mine], cross.column[mine]]
    return Found(sizes[cross.row, cross.column], figures)


def _parts(
    cross: Cross, rows: pd.DataFrame, keys: "pd.Series[str]"
) -> tuple[list[Part], dict[str, int]]:
    """Return the distinct tables of cells, and which of them each target and metric has."""
    parts: list[Part] = []
    seen: dict[tuple[str, bytes], int] = {}
    of_key = {}
    for key in dict.fromkeys(keys):
        mine = (keys == key).to_numpy()
        sizes = [
            cross.spread(rows[c].to_list(), mine) for c in ("n_patients", "n_cases") if c in rows
        ]
        positive = None
        if "n_positive" in rows and rows.loc[mine, "n_positive"].notna().any():
            positive = cross.spread(rows["n_positive"].to_list(), mine)
        part = Part(sizes[0], sizes[-1], positive)
        told = (key.partition("\n")[0], np.array([*part.sizes, *part.kinds]).tobytes())
        if told not in seen:
            seen[told] = len(parts)
            parts.append(part)
        of_key[key] = seen[told]
    return parts, of_key


def _kinds(
    cross: Cross, target: str, at: int, parts: list[Part], cells: Cells, secrets: Secrets
) -> BoolArray:
    """Return the cells of a target whose positives and figures are hidden."""
    release, part = secrets.release, parts[at]
    small = np.any([release.guard.is_small(c) for c in part.kinds], axis=0)
    if not release.complementary:
        return np.asarray(cells.hidden | small)
    for name in cross.pair:
        # A group whose size is shown but not its positives: the cells would give them away.
        size = {g for a, g in secrets.sizes if a == name}
        if secrets.hidden_in(name, target) != size:
            return np.ones(cross.shape, bool)
    same = [p for p in parts if all(map(np.array_equal, p.sizes, part.sizes))]
    found = hidden_kinds(part, same, cells.hidden, cells, release.guard)
    return np.ones(cross.shape, bool) if found is None else found


def _published(
    table: str, cross: Cross, rows: pd.DataFrame, found: Found, secrets: Secrets
) -> pd.DataFrame:
    inside = cross.inside
    named = {"attribute": CROSS.join(cross.pair)}
    if not inside.all():
        secrets.note(table, named, _all(rows), "rows of hidden groups left out")
    rows = rows[inside].reset_index(drop=True)
    sizes, figures = found.sizes[inside], found.figures[inside] | found.sizes[inside]
    frame = rows.assign(attribute=named["attribute"])
    why = "small count or complementary"
    blank(table, frame, figures, [*figures_of(frame), "n_positive"], secrets, why)
    blank(table, frame, sizes, counts_of(frame), secrets, why)
    marked(frame, figures, np.full(len(frame), WITHHELD, dtype=object))
    if "reason" in frame:
        plain = [words_without_counts(str(r), secrets.release.below) for r in frame["reason"]]
        frame["reason"] = plain
    return frame.drop(columns="attribute")


def without_small_bins(table: str, frame: pd.DataFrame, secrets: Secrets) -> pd.DataFrame:
    """Return a table of bins, small ones hidden; of groups, only where no bin is small."""
    frame = frame.copy()
    hidden = np.zeros(len(frame), bool)
    guard = secrets.release.guard
    keys = [c for c in ("target", "attribute") if c in frame]
    for _, rows in frame.groupby(keys, sort=False):
        n = rows["n_cases"].fillna(0).to_numpy(np.int64)
        ill = rows["n_positive"].fillna(0).to_numpy(np.int64)
        small = guard.is_small(n) | guard.is_small(ill) | guard.is_small(n - ill)
        lost = rows["state"].eq("suppressed").to_numpy() if "state" in rows else small
        if "attribute" in rows and (rows["attribute"] != ALL).any():
            # Bins of groups add up to those of all, and to each group's own.
            hidden[rows.index] = (small | lost).any()
            continue
        found = hidden_groups({"": Part(n, n, ill)}, guard,
                              complementary=secrets.release.complementary)  # fmt: skip
        chosen = np.zeros(len(rows), bool)
        chosen[list(found.figures[""])] = True
        hidden[rows.index] = chosen
    why = "small count or complementary"
    blank(table, frame, hidden, [*figures_of(frame), *counts_of(frame)], secrets, why)
    marked(frame, hidden, np.full(len(frame), WITHHELD, dtype=object))
    return frame
