"""What the tables of a run say in sentences: what was found, and what is not known."""

from typing import Any

import pandas as pd

from aiops.report import wording
from aiops.report.blocks import Chip, Tone
from aiops.report.disclosure import WITHHELD, is_hidden
from aiops.report.files import Json, RunFiles
from aiops.report.wording import gloss, is_number, listed, readable, size, target_name

FEW = 3
"""Up to so many primary targets are told one by one; more are summed up."""

NAMED = 4
"""Groups named in one sentence; the others stand in the tables."""

INSUFFICIENT = "insufficient evidence"


TONES: dict[str, Tone] = {
    "adequate": "good",
    "concern": "bad",
    "insufficient evidence": "open",
    "not assessed": "quiet",
    "pass": "good",
    "fail": "bad",
    "undecided": "open",
}
"""How each answer looks, of verdicts and of gates."""


def verdict_chip(word: str) -> Chip:
    """Return the chip of a verdict or of a gate's outcome.

    Examples
    --------
    >>> verdict_chip("concern").tone
    'bad'
    """
    return Chip(str(word), TONES.get(str(word), "quiet"))


def table_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as mappings."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def unit_word(files: RunFiles) -> str:
    """Return whether cases or whole examinations are counted."""
    return str(files.evaluation.get("unit") or "case")


def units(unit: str) -> str:
    """Return what the rows of a table count beside patients.

    Examples
    --------
    >>> units("study"), units("case")
    ('examinations', 'cases')
    """
    return "examinations" if unit == "study" else "cases"


def overall_row(files: RunFiles, target: str, metric: str) -> Json | None:
    """Return the row of the whole test set for a target and metric, or None."""
    table = files.metrics
    rows = table[
        (table["attribute"] == "all") & (table["target"] == target) & (table["metric"] == metric)
    ]
    return None if rows.empty else table_rows(rows)[0]


def family(files: RunFiles, attribute: str) -> pd.DataFrame:
    """Return the gaps of an attribute that carry a verdict."""
    gaps = files.gaps
    if gaps.empty:
        return gaps
    named = gaps["prespecified"].fillna(value=False).astype(bool)
    return gaps[(gaps["attribute"] == attribute) & named & (gaps["verdict"].fillna("") != "")]


def verdicts(files: RunFiles) -> dict[str, str]:
    """Return the verdict of each attribute named in advance."""
    return dict((files.evaluation.get("verdict") or {}).get("by_attribute") or {})


def bar_verdict(row: Json) -> Chip:
    """Return how a primary figure stands to the value set for it before the test.

    Examples
    --------
    >>> bar_verdict({"metric": "dice", "low": 0.8, "high": 0.9, "acceptable": 0.85}).word
    'not shown'
    """
    bar, low, high = row.get("acceptable"), row.get("low"), row.get("high")
    if not is_number(bar):
        return Chip("no value was set", "open")
    if not (is_number(low) and is_number(high)):
        return Chip("cannot be said", "open")
    if not gloss(row["metric"]).higher_is_better:
        bar, low, high = -bar, -high, -low
    if low >= bar:
        return Chip("reached", "good")
    return Chip("not reached", "bad") if high < bar else Chip("not shown", "open")


def seal_sentence(evaluation: Json) -> str:
    """Return how often the sealed test list has been read.

    Examples
    --------
    >>> seal_sentence({"seal": {"hash": "ab12", "reading": 3}})[:44]
    'This sealed test list has been read 3 times.'
    """
    reading = (evaluation.get("seal") or {}).get("reading")
    if not is_number(reading):
        return "The test list was not sealed, so nobody counted how often it was read."
    if reading <= 1:
        said = "This sealed test list has been read 1 time: this is its first reading."
        if not (evaluation["seal"].get("shared") or {}).get("known"):
            return said
        return f"{said} But patients of it were tested before in this use case, on another list."
    return (
        f"This sealed test list has been read {int(reading)} times. "
        "A list that is read again and again stops being a test: models get chosen by it."
    )


def attribute_sentence(files: RunFiles, attribute: str, word: str) -> str:
    """Return what the verdict of an attribute rests on, in a few sentences."""
    rows = family(files, attribute)
    if rows.empty:
        return "No gap between groups could be computed."
    several, metric = rows["target"].nunique() > 1, str(rows["metric"].iloc[0])
    open_rows, fine = with_verdict(rows, INSUFFICIENT), with_verdict(rows, "adequate")
    parts = _concerns(with_verdict(rows, "concern"), several)
    if rows["target"].nunique() > FEW:
        return " ".join([*parts, tally(rows)])
    if open_rows:
        parts.append(f"Too little is known about {names_of(open_rows, several)}.")
    if word == "adequate":
        margin = wording.margin_words(float(rows["margin"].iloc[0]), metric)
        parts.append(
            f"In {gloss(metric).label}, each group is shown to be less than {margin} worse than "
            "the rest."
        )
    elif fine:
        parts.append(f"Shown to be within the margin: {names_of(fine, several)}.")
    return " ".join(parts)


def _concerns(rows: list[Json], several: bool, attribute: str = "") -> list[str]:
    by_group: dict[str, list[Json]] = {}
    for row in rows:
        by_group.setdefault(str(row["group"]), []).append(row)
    sentences = []
    for name, some in by_group.items():
        group = f"“{readable(name)}”" + (f" ({readable(attribute)})" if attribute else "")
        sentences.append(_concern(group, some[0], several) if len(some) == 1 else
                         _concern_many(group, some))  # fmt: skip
    return sentences


def _concern(group: str, row: Json, several: bool) -> str:
    metric, where = str(row["metric"]), f" for {target_name(row['target'])}" if several else ""
    if not is_number(row.get("value")):
        return f"In {group} it does worse than in the rest{where}; the figures are hidden."
    nearest, furthest = abs(row["high_simultaneous"]), abs(row["low_simultaneous"])
    return (
        f"In {group}, {gloss(metric).label}{where} is worse than in the rest by "
        f"{size(row['value'], metric)} (it could be {size(nearest, metric)} to "
        f"{size(furthest, metric)}). Chance alone does not explain that."
    )


def _concern_many(group: str, rows: list[Json]) -> str:
    rows = sorted(rows, key=lambda r: r["value"] if is_number(r["value"]) else 0.0)
    named = [
        f"{target_name(r['target'])}"
        + (f" (by {size(r['value'], r['metric'])})" if is_number(r["value"]) else "")
        for r in rows[:NAMED]
    ]
    if len(rows) > NAMED:
        named.append(f"{len(rows) - NAMED} more")
    label = gloss(str(rows[0]["metric"])).label
    return f"In {group}, {label} is worse than in the rest for {listed(named)}."


def tally(rows: pd.DataFrame) -> str:
    """Return how many comparisons of a group with the rest came out how."""
    n = rows["verdict"].value_counts()
    return (
        f"Of {len(rows)} comparisons ({rows['target'].nunique()} targets, "
        f"{rows['group'].nunique()} groups), {n.get('adequate', 0)} are shown to be within the "
        f"margin, {n.get('concern', 0)} raise a concern, and {n.get(INSUFFICIENT, 0)} cannot be "
        "told."
    )


def names_of(rows: list[Json], several: bool) -> str:
    """Return the groups of comparisons, those without a figure with the reason."""
    # A reason that several groups share is told once.
    by_reason: dict[str, list[str]] = {}
    for row in rows[:NAMED]:
        name = f"“{readable(row['group'])}”"
        if several:
            name += f" in {target_name(row['target'])}"
        by_reason.setdefault(_aside(row), []).append(name)
    words = [listed(names) + (f" ({aside})" if aside else "") for aside, names in by_reason.items()]
    if len(rows) > NAMED:
        words.append(f"{len(rows) - NAMED} more, all in the section on groups")
    return "; ".join(words)


def _aside(row: Json) -> str:
    if row["verdict"] != INSUFFICIENT:
        return ""
    needed, there = row.get("n_needed"), row.get("n_patients")
    reason = wording.text_of(row.get("reason"))
    if is_number(needed) and is_number(there):
        return f"{wording.patients(there)}; about {_about(needed)} needed"
    if is_hidden(reason):
        return "figures hidden" if reason == WITHHELD else "too few to show"
    return reason


def _about(number: float) -> str:
    """Return a planned number of patients, rounded up: a plan is no measurement.

    Examples
    --------
    >>> _about(1234.2), _about(38)
    ('1,300', '38')
    """
    step = 10 ** max(0, len(str(int(number))) - 2)
    return f"{-int(-number // step) * step:,}"


def with_verdict(rows: pd.DataFrame, verdict: str) -> list[Json]:
    """Return the comparisons that came out so."""
    return [] if rows.empty else table_rows(rows[rows["verdict"] == verdict])
