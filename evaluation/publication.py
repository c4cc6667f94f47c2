"""Blanks and rounds the tables of an evaluation by the groups that must be hidden.

Tables are known by their columns: ``attribute`` and ``group`` (with ``target``) name a group,
``attributes`` a crossing of two, ``worst_group`` and ``best_group`` a group that a figure is of,
``bin`` a bin of a group. ``n_*`` are counts of people, other numbers are figures.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from evaluation.groups import UNSURE
from evaluation.protection import BoolArray, Guard, Hidden, Part, hidden_groups

ALL = "all"
WITHHELD = "hidden"
"""What stands where a group is hidden to protect another."""

STATE = "suppressed"
LOG_COLUMNS = ["table", "attribute", "group", "target", "columns", "why"]
DIGITS = 3
"""Significant digits of a figure of a group."""

SIZES = ("n_patients", "n_cases")
NOT_PEOPLE = {"n_groups", "n_measured", "n_boot", "n_bins"}
PLANNED = {"n_needed"}
NOT_FIGURES = {
    "margin", "threshold", "edge_low", "edge_high", "prevalence", "population_share", "bin",
    "level", "rounded_to",
}  # fmt: skip
SUBSETS = {"bin", "adjusted_for", "before"}
"""Columns of tables whose counts are of parts of a group: cases in a bin, or complete cases."""

VERSUS_REST = {"gaps", "adjusted"}
"""Tables whose figures compare a group with all other recorded groups."""

AMONG_RECORDED = {"representation"}
"""Tables whose shares are of those recorded, so that they tell how many are not."""

SUMMARY = "("
"""Begins the name of a row that sums up the groups of an attribute, as its worst group."""

_FEW = re.compile(
    r"(?<!than )(?<![\d.,\-–])\b(\d+)(?= (?:\w+ ){0,2}"
    r"(?:patient|case|positive|negative|stud|diseased|healthy|fail|without|with)\w*)"
)

Key = tuple[str, str, str]
"""Attribute, target and group."""


def hidden_word(below: int) -> str:
    """Return what stands where a group has a small count.

    Examples
    --------
    >>> hidden_word(8)
    'hidden (<8)'
    """
    return f"hidden (<{below})"


def words_without_counts(text: str, below: int) -> str:
    """Return a text with its small counts of people as a word.

    Examples
    --------
    >>> words_without_counts("too few in 0-17: 3 of 31 cases are positive", 8)
    'too few in 0-17: few of 31 cases are positive'
    >>> words_without_counts("fewer than 2 cases; 0 positives", 8)
    'fewer than 2 cases; 0 positives'
    """
    return _FEW.sub(lambda m: "few" if 0 < int(m[1]) < below else m[1], text)


@dataclass(frozen=True)
class Release:
    """What is small, whether small counts are protected by others, and how counts are rounded."""

    below: int
    complementary: bool
    rounded: Callable[[ArrayLike], NDArray[np.float64]]

    @property
    def guard(self) -> Guard:
        """The guard of small counts."""
        return Guard(self.below)


@dataclass
class Secrets:
    """What must not be shown, by attribute, target and group, and what was hidden so far."""

    release: Release
    groups: dict[str, list[str]] = field(default_factory=dict)
    small: set[Key] = field(default_factory=set)
    sizes: set[tuple[str, str]] = field(default_factory=set)
    figures: set[Key] = field(default_factory=set)
    failed: set[Key] = field(default_factory=set)
    dropped: set[str] = field(default_factory=set)
    untold: set[tuple[str, str]] = field(default_factory=set)
    noted: dict[tuple[str, ...], dict[str, None]] = field(default_factory=dict)

    def hidden_in(self, attribute: str, target: str) -> set[str]:
        """Return the groups whose figures are hidden; without a target, for any target."""
        hidden = {g for a, g in self.sizes if a == attribute}
        return hidden | {
            g for a, t, g in self.figures if a == attribute and (t == target or not target)
        }

    def why(self, attribute: str, target: str, group: str) -> str:
        """Return why a group is hidden, as far as it is told."""
        if (attribute, target) in self.untold:
            return "small count or complementary"
        return "primary" if (attribute, target, group) in self.small else "complementary"

    def note(self, table: str, row: Mapping[str, object], columns: list[str], why: str) -> None:
        """Put columns of a row into the log."""
        told = (str(row.get(c, "")) for c in ("attribute", "group", "target"))
        if columns:
            self.noted.setdefault((table, *told, why), {}).update(dict.fromkeys(columns))

    def log(self) -> pd.DataFrame:
        """Return what was hidden, one line for each table, group, target and reason."""
        lines = [(*key[:4], ", ".join(columns), key[4]) for key, columns in self.noted.items()]
        return pd.DataFrame(lines, columns=LOG_COLUMNS)


def suppressed_tables(
    tables: Mapping[str, pd.DataFrame], release: Release
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Return the tables with what must be hidden blanked, and the log of it."""
    from evaluation.publication_crossed import without_small_bins, without_small_crossings

    secrets = find_secrets(tables, release)
    shown = {}
    for name, given in tables.items():
        frame = _as_numbers(given)
        if "attributes" in frame:
            frame = without_small_crossings(name, frame, secrets)
        elif "worst_group" in frame:
            frame = _without_named(name, frame, secrets)
        elif "attribute" in frame and "group" in frame:
            frame = _without_groups(name, frame, secrets)
        if "bin" in frame:
            frame = without_small_bins(name, frame, secrets)
        shown[name] = _rounded(name, frame, secrets)
    return shown, secrets.log()


def find_secrets(tables: Mapping[str, pd.DataFrame], release: Release) -> Secrets:
    """Return the groups of each attribute that must be hidden, by the counts of all tables."""
    secrets = Secrets(release)
    vectors: dict[str, dict[tuple[str, str], pd.DataFrame]] = {}
    for name, frame in tables.items():
        if {"attribute", "group"} <= set(frame) and not SUBSETS & set(frame):
            for attribute, rows in frame[frame["attribute"] != ALL].groupby("attribute"):
                for key, counts in _vectors(name, rows).items():
                    vectors.setdefault(str(attribute), {})[key] = counts
    for attribute, found in vectors.items():
        groups = list(dict.fromkeys(str(g) for counts in found.values() for g in counts.index))
        secrets.groups[attribute] = groups
        parts = {key: _part(counts.reindex(groups)) for key, counts in found.items()}
        _note_hidden(secrets, attribute, groups, parts)
        for (target, _), counts in found.items():
            if "n_failed" in counts:
                failed = counts["n_failed"].reindex(groups).fillna(0).to_numpy(np.int64)
                _note_failed(secrets, (attribute, target), groups, failed)
    return secrets


def _vectors(table: str, rows: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    """Return the distinct counts of the groups: by target and, where they differ, by metric."""
    counts = [c for c in (*SIZES, "n_positive", "n_failed") if c in rows]
    if not set(counts) & set(SIZES):
        return {}
    of_whom = [c for c in ("target", "structure") if c in rows]
    keys = [c for c in (*of_whom, "metric", "adjusted_for") if c in rows]
    numbers = rows.astype(dict.fromkeys(counts, "float64"))[[*keys, "group", *counts]]
    same = numbers.drop_duplicates([*of_whom, "group", *counts])
    if not same.duplicated([*of_whom, "group"]).any():
        numbers, keys = same, of_whom
    parts = numbers.groupby(keys, sort=False) if keys else [((), numbers)]
    found: dict[tuple[str, str], pd.DataFrame] = {}
    seen: set[tuple[str, str]] = set()
    for key, part in parts:
        target = str(key[0] if isinstance(key, tuple) and key else key) if of_whom else ""
        by_group = part.groupby("group", sort=False)[counts].max()
        if (target, by_group.to_json()) not in seen:
            seen.add((target, by_group.to_json()))
            found[target, f"{table} {len(found)}"] = by_group
    return found


def _part(counts: pd.DataFrame) -> Part:
    there = counts.fillna(0.0).astype(np.int64)
    one = there[[c for c in SIZES if c in there]]
    positive = None
    if "n_positive" in counts and "n_cases" in counts and counts["n_positive"].notna().any():
        positive = there["n_positive"].to_numpy()
    first, last = one.iloc[:, 0].to_numpy(), one.iloc[:, -1].to_numpy()
    return Part(first, last, positive)


def _note_hidden(
    secrets: Secrets, attribute: str, groups: list[str], parts: Mapping[tuple[str, str], Part]
) -> None:
    release = secrets.release
    by_name = {"\n".join(key): part for key, part in parts.items()}
    hidden: Hidden = hidden_groups(by_name, release.guard, complementary=release.complementary)
    if hidden.is_dropped:
        secrets.dropped.add(attribute)
    secrets.sizes |= {(attribute, groups[i]) for i in hidden.sizes}
    for name, positions in hidden.figures.items():
        target = name.partition("\n")[0]
        secrets.figures |= {(attribute, target, groups[i]) for i in positions}
        if name in hidden.untold:
            secrets.untold.add((attribute, target))
    for (target, _), part in parts.items():
        few = np.any([release.guard.is_small(c) for c in (*part.sizes, *part.kinds)], axis=0)
        secrets.small |= {
            (attribute, target, g) for g, is_few in zip(groups, few, strict=True) if is_few
        }


def _note_failed(
    secrets: Secrets, where: tuple[str, str], groups: list[str], failed: NDArray[np.int64]
) -> None:
    """Note the groups whose failures are hidden; their sum must not be small either."""
    attribute = where[0]
    gone = np.array([(attribute, g) in secrets.sizes for g in groups])
    hidden = gone | secrets.release.guard.is_small(failed)
    if not hidden.any():
        return
    for i in sorted(range(len(groups)), key=lambda i: (failed[i] == 0, failed[i], i)):
        inside = failed[hidden]
        if not secrets.release.complementary or (
            inside.size > 1 and not secrets.release.guard.is_small(inside.sum())
        ):
            break
        hidden[i] = True
    secrets.failed |= {
        (*where, g) for g, is_hidden in zip(groups, hidden, strict=True) if is_hidden
    }


def _without_groups(table: str, frame: pd.DataFrame, secrets: Secrets) -> pd.DataFrame:
    """Return a table of groups without what is hidden of them."""
    target = frame["target"] if "target" in frame else frame.get("structure", "")
    frame = frame.assign(_target=target)
    frame = frame[~frame["attribute"].isin(secrets.dropped)].reset_index(drop=True)
    columns = (frame["attribute"], frame["_target"].astype(str), frame["group"])
    keys = list(zip(*columns, strict=True))
    sizes = np.array([(a, g) in secrets.sizes for a, _, g in keys], dtype=bool)
    figures = sizes
    if "target" in frame or "structure" in frame:
        pairs = {(a, t): secrets.hidden_in(a, t) for a, t in {key[:2] for key in keys}}
        figures = np.array(
            [g in pairs[a, t] or (g.startswith(SUMMARY) and bool(pairs[a, t])) for a, t, g in keys],
            dtype=bool,
        )
    failed = np.array([(a, t, g) in secrets.failed for a, t, g in keys], dtype=bool)
    frame = frame.drop(columns="_target")
    whys = np.array([secrets.why(*key) for key in keys], dtype=object)
    people = [c for c in counts_of(frame) if c not in PLANNED]
    blank(table, frame, figures, [*figures_of(frame), "n_positive", *PLANNED], secrets, whys)
    blank(table, frame, figures if SUBSETS & set(frame) else sizes, people, secrets, whys)
    # Elsewhere than in the metrics the difference of two counts could be the failures.
    of_failed = ["n_failed"] if "n_failed" in frame or table in ("metrics", "gaps") else people
    blank(table, frame, failed & ~sizes, of_failed, secrets, "complementary or small count")
    if SUBSETS & set(frame) and "bin" not in frame:
        few = np.any([_is_small(frame[c], secrets) for c in people], axis=0)
        blank(table, frame, few & ~sizes, people, secrets, "primary")
    told_by_rest = _told_by_rest(table, keys, secrets) & ~figures
    blank(table, frame, told_by_rest, figures_of(frame), secrets, "complementary")
    word = hidden_word(secrets.release.below)
    marked(frame, figures, np.where(whys == "primary", word, WITHHELD))
    marked(frame, told_by_rest, np.full(len(frame), WITHHELD, dtype=object))
    return _plain_reasons(frame, secrets.release.below)


def _told_by_rest(table: str, keys: list[Key], secrets: Secrets) -> BoolArray:
    """Return the rows whose figures would tell of a hidden group, though they are of another.

    A gap is taken to all other recorded groups: where one of them is hidden, the gap and the shown
    figures give its figures. A share among those recorded gives the number of the others.
    """
    out = np.zeros(len(keys), dtype=bool)
    if table not in VERSUS_REST and table not in AMONG_RECORDED:
        return out
    hidden = {(a, t): secrets.hidden_in(a, t) for a, t in {key[:2] for key in keys}}
    for i, (attribute, target, group) in enumerate(keys):
        others = hidden[attribute, target] - {group}
        tells = others - set(UNSURE) if table in VERSUS_REST else others & set(UNSURE)
        out[i] = bool(tells)
    return out


def _is_small(counts: "pd.Series[float]", secrets: Secrets) -> BoolArray:
    return secrets.release.guard.is_small(np.asarray(counts.fillna(0), dtype=np.int64))


def _without_named(table: str, frame: pd.DataFrame, secrets: Secrets) -> pd.DataFrame:
    """Return a table whose figures are of the worst and best group, without hidden ones."""
    frame = frame[~frame["attribute"].isin(secrets.dropped)].reset_index(drop=True)
    lost = np.zeros(len(frame), bool)
    some = np.zeros(len(frame), bool)
    names_hidden = np.zeros(len(frame), bool)
    for i, row in enumerate(frame.to_dict("records")):
        hidden = secrets.hidden_in(str(row["attribute"]), str(row.get("target", "")))
        some[i] = bool(hidden)
        lost[i] = row["worst_group"] in hidden or row.get("best_group") in hidden
        names_hidden[i] = any(
            re.search(rf"(?<!\w){re.escape(name)}(?!\w)", str(row.get("reason"))) for name in hidden
        )
    whys = np.full(len(frame), "complementary", dtype=object)
    blank(table, frame, lost, [*figures_of(frame), *counts_of(frame)], secrets, whys)
    # A sum over all groups gives the figure of the one that is hidden.
    blank(table, frame, some & ~lost, ["equity_scaled"], secrets, whys)
    for name in ("worst_group", "best_group"):
        if name in frame:
            frame[name] = frame[name].astype(object).mask(lost, "")
    marked(frame, lost, np.full(len(frame), WITHHELD, dtype=object))
    if "reason" in frame:
        frame.loc[names_hidden, "reason"] = WITHHELD
    return _plain_reasons(frame, secrets.release.below)


def counts_of(frame: pd.DataFrame) -> list[str]:
    """Return the columns that are counts of people."""
    return [c for c in map(str, frame) if c.startswith("n_") and c not in NOT_PEOPLE]


def figures_of(frame: pd.DataFrame) -> list[str]:
    """Return the columns that are figures."""
    numeric = [c for c in map(str, frame) if pd.api.types.is_float_dtype(frame[c])]
    return [c for c in numeric if not c.startswith("n_") and c not in NOT_FIGURES]


def blank(
    table: str,
    frame: pd.DataFrame,
    rows: BoolArray,
    columns: list[str],
    secrets: Secrets,
    why: object,
) -> None:
    """Blank columns of some rows, in place, and note it in the log."""
    columns = [c for c in dict.fromkeys(columns) if c in frame]
    whys = np.broadcast_to(np.asarray(why, dtype=object), rows.shape)
    keys = [c for c in ("attribute", "group", "target", "structure") if c in frame]
    told = frame.loc[rows, [*keys, *columns]].to_dict("records")
    for row, said in zip(told, whys[rows], strict=True):
        there = [c for c in columns if pd.notna(row[c])]
        names = {str(c): v for c, v in row.items()}
        names.setdefault("target", names.get("structure", ""))
        secrets.note(table, names, there, str(said))
    frame.loc[rows, columns] = np.nan


def marked(frame: pd.DataFrame, rows: BoolArray, words: NDArray[np.object_]) -> None:
    """Write the state and the reason of hidden rows, in place."""
    if "state" in frame:
        frame.loc[rows, "state"] = STATE
    if "reason" in frame:
        frame.loc[rows, "reason"] = words[rows]


def _plain_reasons(frame: pd.DataFrame, below: int) -> pd.DataFrame:
    if "reason" not in frame:
        return frame
    pairs = zip(frame["attribute"], frame["reason"], strict=True)
    plain = [
        words_without_counts(text, below) if isinstance(text, str) and name != ALL else text
        for name, text in pairs
    ]
    return frame.assign(reason=pd.Series(plain, index=frame.index, dtype=object))


def _rounded(table: str, frame: pd.DataFrame, secrets: Secrets) -> pd.DataFrame:
    """Return a table with the counts and figures of groups rounded."""
    if frame.empty or not ({"attribute", "attributes", "bin"} & set(frame)):
        return frame
    of_group = np.ones(len(frame), bool)
    if "attribute" in frame and "bin" not in frame:
        of_group = (frame["attribute"] != ALL).to_numpy()
    counts = [c for c in counts_of(frame) if c not in PLANNED]
    step = secrets.release.rounded([1])[0]
    for name in counts:
        frame.loc[of_group, name] = secrets.release.rounded(frame.loc[of_group, name])
    for name in figures_of(frame):
        frame.loc[of_group, name] = _significant(frame.loc[of_group, name].to_numpy(float))
    if counts and of_group.any() and step > 1:
        frame["rounded_to"] = np.where(of_group, step, 0.0)
        secrets.note(table, {}, counts, f"rounding to {step:g}")
    return frame


def _significant(values: NDArray[np.float64]) -> NDArray[np.float64]:
    known = np.isfinite(values) & (values != 0)
    power = np.floor(np.log10(np.abs(values, where=known, out=np.ones_like(values))))
    scale = 10.0 ** (DIGITS - 1 - power)
    return np.where(known, np.round(values * scale) / scale, values)


def _as_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a copy with counts and figures that can be nan, and texts that can be replaced."""
    frame = frame.assign(**{c: frame[c].astype("float64") for c in counts_of(frame)})
    texts = [c for c in ("state", "reason", "worst_group", "best_group") if c in frame]
    return frame.astype(dict.fromkeys(texts, "object"))
