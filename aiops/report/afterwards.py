"""What was seen without being asked for: groups far worse than the rest, and groups hidden.

A verdict is for groups named in advance. A group that was not, and that fares far worse beyond
chance, is told all the same wherever a verdict is: it is not proven, but it is not to be missed.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from aiops.config import Experiment
from aiops.report import wording
from aiops.report.files import Json, RunFiles
from aiops.report.findings import table_rows
from aiops.report.wording import gloss, is_number, listed, readable, target_name

DECISIONS = ("sensitivity", "specificity")
"""Looked at beside the primary figure: a group may rank well and still be missed more often."""

NOT_PROVEN = "Seen afterwards, so not proven: look into it before any use."


@dataclass(frozen=True)
class Seen:
    """A group without a concern of the plan that fares far worse than the rest."""

    target: str
    attribute: str
    group: str
    named: str
    sentence: str


def seen_afterwards(files: RunFiles, experiment: Experiment) -> tuple[Seen, ...]:
    """Return the groups that are far worse without a verdict that says so, the worst first.

    Far worse: the gap reaches the margin set for the primary figure, and its whole 95% interval
    lies beyond the gap that chance alone would show.
    """
    gaps = files.gaps
    if gaps.empty:
        return ()
    verdict = gaps["verdict"].fillna("")
    concerns = {_key(r) for r in table_rows(gaps[verdict == "concern"])}
    there = table_rows(
        gaps[(verdict == "") & gaps["target"].isin(experiment.primary_targets)
             & gaps["metric"].isin(_metrics(experiment))]
    )  # fmt: skip
    margin = files.evaluation.get("margin") or (
        experiment.fairness.margin if experiment.fairness else None
    )
    bad = [r for r in there if _key(r) not in concerns and is_far_worse(r, margin)]
    keys = list(dict.fromkeys(_key(r) for r in sorted(bad, key=_how_bad)))
    # One group under two names, such as a site and its only scanner, is told once.
    alike: dict[tuple[Any, ...], list[tuple[str, str, str]]] = {}
    for key in keys:
        mine = sorted((r["metric"], r["value"], r["n_patients"]) for r in bad if _key(r) == key)
        alike.setdefault((key[0], *mine), []).append(key)
    return tuple(_seen(same, files, experiment) for same in alike.values())


def is_far_worse(row: Json, margin: float | None) -> bool:
    """Return whether a gap to the rest reaches the margin, with an interval beyond chance.

    Without a margin, the whole interval has to lie beyond twice the gap of chance.

    Examples
    --------
    >>> row = {"metric": "roc_auc", "value": -0.3, "low": -0.4, "high": -0.2, "chance_gap": 0.03}
    >>> is_far_worse(row, 0.1), is_far_worse({**row, "high": -0.01}, 0.1)
    (True, False)
    """
    value, low, high = (row.get(k) for k in ("value", "low", "high"))
    chance = row.get("chance_gap")
    if not (is_number(value) and is_number(low) and is_number(high) and is_number(chance)):
        return False
    if not gloss(str(row["metric"])).higher_is_better:
        value, high = -value, -low
    if margin is None:
        return bool(high < -2 * chance)
    return bool(value <= -margin and high < -chance)


def overall_word(files: RunFiles, experiment: Experiment) -> str:
    """Return the verdict on groups; never better than what was seen afterwards."""
    word = str((files.evaluation.get("verdict") or {}).get("overall") or "not assessed")
    return "concern" if seen_afterwards(files, experiment) else word


def hidden_groups(files: RunFiles, experiment: Experiment) -> dict[str, list[str]]:
    """Return, for each attribute, the groups whose figures are hidden in what is shared."""
    table = files.metrics
    mine = (table["target"] == experiment.primary_targets[0]) & (table["attribute"] != "all")
    mine &= (table["metric"] == experiment.primary.metric) & (table["state"] == "suppressed")
    found: dict[str, list[str]] = {}
    for row in table_rows(table[mine]):
        found.setdefault(str(row["attribute"]), []).append(str(row["group"]))
    return found


def hidden_words(files: RunFiles, experiment: Experiment) -> str:
    """Return the hidden groups by attribute, in words; empty where none is hidden."""
    return "; ".join(
        f"{readable(attribute)} {listed([f'“{readable(g)}”' for g in groups])}"
        for attribute, groups in hidden_groups(files, experiment).items()
    )


def without_verdict(files: RunFiles, experiment: Experiment) -> list[str]:
    """Return the attributes that were looked at but not named in advance."""
    named = experiment.fairness.attributes if experiment.fairness else []
    return [readable(a) for a in files.metrics["attribute"].unique() if a not in (*named, "all")]


def two_sides(files: RunFiles, target: str, attribute: str, group: str, metric: str) -> str:
    """Return misses and false alarms of a group beside those of the rest; else its figure."""
    parts: list[str] = []
    for name, words in (("sensitivity", "with {0}, {1} missed"),
                        ("specificity", "without {0}, {1} a false alarm")):  # fmt: skip
        row, rest = _figure(files, target, attribute, group, name)
        if row is not None and is_number(row.get("value")):
            parts.append(_of_every_100(row, rest, words, files, first=not parts))
    if parts:
        return "; ".join(parts)
    row, rest = _figure(files, target, attribute, group, metric)
    if row is None or not is_number(row.get("value")):
        return "its figures are hidden or cannot be told"
    told = f"{gloss(metric).label} is {wording.with_interval(row, metric)}"
    return told + (f", in the rest {wording.figure(rest, metric)}" if is_number(rest) else "")


def _metrics(experiment: Experiment) -> tuple[str, ...]:
    more = DECISIONS if experiment.task == "classification" else ()
    return (experiment.primary.metric, *more)


def _key(row: Json) -> tuple[str, str, str]:
    return str(row["target"]), str(row["attribute"]), str(row["group"])


def _how_bad(row: Json) -> float:
    value = float(row["value"])
    return value if gloss(str(row["metric"])).higher_is_better else -value


def _seen(same: list[tuple[str, str, str]], files: RunFiles, experiment: Experiment) -> Seen:
    target, attribute, group = same[0]
    named = " = ".join(f"“{readable(g)}” ({readable(a)})" for _, a, g in same)
    where = f" for {target_name(target)}" if len(experiment.primary_targets) > 1 else ""
    words = two_sides(files, target, attribute, group, experiment.primary.metric)
    people = _people(files, target, attribute, group, experiment.primary.metric)
    return Seen(target, attribute, group, named, f"In {named}{people}{where}: {words}.")


def _people(files: RunFiles, target: str, attribute: str, group: str, metric: str) -> str:
    row = whole = None
    for name in (metric, *DECISIONS):
        row = row or _figure(files, target, attribute, group, name)[0]
        whole = whole or _figure(files, target, "all", "all", name)[0]
    if row is None or whole is None or not is_number(row.get("n_patients")):
        return ""
    n = wording.counted(row, "n_patients").replace("≈", "about ")
    return f", {n} of {wording.count(whole.get('n_patients'))} patients"


def _figure(
    files: RunFiles, target: str, attribute: str, group: str, metric: str
) -> tuple[Json | None, float]:
    """Return the row of a group's figure, and the figure of the rest (nan if not known)."""
    found = [_one(t, target, attribute, group, metric) for t in (files.metrics, files.gaps)]
    row, gap = found
    known = row is not None and gap is not None and is_number(row.get("value")) and (
        is_number(gap.get("value")))  # fmt: skip
    return row, float(row["value"] - gap["value"]) if known and row and gap else float(np.nan)


def _one(table: pd.DataFrame, target: str, attribute: str, group: str, metric: str) -> Json | None:
    if table.empty:
        return None
    same = (table["target"] == target) & (table["attribute"] == attribute)
    if attribute != "all":
        same &= table["group"] == group
    rows = table_rows(table[same & (table["metric"] == metric)])
    return rows[0] if rows else None


def _of_every_100(row: Json, rest: float, words: str, files: RunFiles, *, first: bool) -> str:
    value, low, high = (row.get(k) for k in ("value", "low", "high"))
    n = wording.of_100(1 - float(value or 0.0))
    verb = "is" if n in ("1", "none") else "are"
    verb = verb if "missed" in words else ("gives" if n in ("1", "none") else "give")
    unit = wording.unit_of(row.get("n_cases"), row.get("n_patients"),
                           str(files.evaluation.get("unit") or "case"))  # fmt: skip
    told = words.format(target_name(str(row["target"])) if first else "it", f"{n} {verb}")
    start = f"of every 100 {unit} " if first else "of every 100 "
    beside = []
    if is_number(low) and is_number(high):
        beside.append(f"it could be {wording.of_100(1 - high)} to {wording.of_100(1 - low)}")
    if is_number(rest):
        beside.append(f"{wording.of_100(max(0.0, 1 - rest))} in the rest")
    return start + told + (f" ({'; '.join(beside)})" if beside else "")
