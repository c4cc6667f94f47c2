"""Section on the population flow: who was left out, on whom the tool failed, who was analysed."""

import pandas as pd

from aiops.config import Experiment
from aiops.report import wording
from aiops.report.blocks import Block, Cell, Prose, Section, Table, numbers
from aiops.report.disclosure import WITHHELD
from aiops.report.files import Json, RunFiles
from aiops.report.findings import table_rows, unit_word, units
from aiops.report.wording import count, counted, hidden_as, is_number, readable


def population(files: RunFiles, experiment: Experiment) -> Section:
    """Return how many cases there were at first, which were left out and why, and what was left."""
    flow: list[Json] = files.evaluation.get("population_flow") or []
    blocks: list[Block] = []
    if flow:
        rows = tuple(
            (
                str(step.get("step", "")),
                *(
                    count(
                        step.get(n), WITHHELD if n in step.get("suppressed", ()) else "not counted"
                    )
                    for n in ("n_patients", "n_cases")
                ),
                wording.text_of(step.get("reason")) or wording.DASH,
            )
            for step in flow
        )
        blocks.append(
            Table(
                caption="From the table to the figures",
                columns=("Step", "Patients", rows_word(files).capitalize(), "Reason"),
                rows=rows,
                numbers=frozenset({1, 2}),
                plain=_flow_words(flow, files),
            )
        )
    else:
        blocks.append(Prose("The run does not say how its cases were chosen."))
    blocks += [Prose(text) for text in _failures(files)]
    blocks += failures_by_group(files, experiment)
    if experiment.is_vendor:
        blocks.append(Prose("Nothing was trained here, so there are no training cases."))
    elif files.split.get("counts"):
        blocks.append(_split_table(files.split, rows_word(files)))
    return Section("population", "Which cases were used", "Population flow", tuple(blocks))


def _flow_words(flow: list[Json], files: RunFiles) -> str:
    """Return how many were left out, and on how many the figures of this report rest."""
    out = [s for s in flow if str(s.get("step", "")).startswith("left out")]
    known = [s["n_cases"] for s in out if is_number(s.get("n_cases"))]
    hidden = len(out) - len(known)
    unit = rows_word(files)
    words = f"{count(sum(known))} {unit} were left out" if known else f"{unit} were left out"
    words = words[0].upper() + words[1:]
    words = words + (
        f", and in {hidden} step{'' if hidden == 1 else 's'} a number too small to show"
        if hidden
        else ""
    )
    parts = [f"{words}." if out else "No case was left out."]
    primary: list[Json] = files.evaluation.get("primary") or []
    if primary and is_number(primary[0].get("n_patients")):
        people = wording.patients(primary[0]["n_patients"])
        if unit_word(files) == "study" and is_number(primary[0].get("n_cases")):
            people += f" with {count(primary[0]['n_cases'])} examinations; the images of one "\
                "examination count as one from here on"  # fmt: skip
        parts.append(f"The figures rest on {people}.")
    if files.is_shareable and any(s.get("n_cases") for s in out):
        parts.append("Numbers of faulty files tell of no group of people and are not hidden.")
    return " ".join(parts)


def rows_word(files: RunFiles) -> str:
    """Return what a row of the cases table is: an image, where several make an examination."""
    return "images" if unit_word(files) == "study" else "cases"


def failures_by_group(files: RunFiles, experiment: Experiment) -> list[Block]:
    """Return, for each attribute, on how many cases of each group the tool failed, if on any."""
    table, headline = files.metrics, experiment.primary_targets[0]
    rows = table[(table["target"] == headline) & (table["metric"] == experiment.primary.metric)]
    failed = rows.loc[rows["attribute"] == "all", "n_failed"]
    if failed.empty or not failed.iloc[0] > 0:
        return []
    blocks: list[Block] = []
    for attribute in [a for a in rows["attribute"].unique() if a != "all"]:
        some = rows[rows["attribute"] == attribute]
        blocks.append(_failure_table(some, readable(attribute), units(unit_word(files))))
    return blocks


def _failure_table(rows: pd.DataFrame, attribute: str, unit: str) -> Table:
    body: list[tuple[Cell, ...]] = []
    shares: dict[str, float] = {}
    for row in table_rows(rows):
        name, instead = readable(row["group"]), hidden_as(row)
        known = wording.is_number(row["n_failed"]) and wording.is_number(row["n_cases"])
        share = row["n_failed"] / row["n_cases"] if known and row["n_cases"] else None
        if share is not None:
            shares[name] = float(share)
        body.append(
            (
                name,
                counted(row, "n_cases", instead),
                count(row["n_failed"], WITHHELD),
                wording.DASH if share is None else wording.percent(share),
            )
        )
    return Table(
        caption=f"{unit.capitalize()} the tool failed on, by {attribute}",
        columns=(attribute.capitalize(), unit.capitalize(), "Failed", "Share"),
        rows=tuple(body),
        numbers=numbers(1, 3),
        plain=_worst_share(shares),
    )


def _worst_share(shares: dict[str, float]) -> str:
    if len(shares) < 2:
        return "The shares of the groups are hidden or unknown, so they cannot be compared."
    worst, best = max(shares, key=lambda g: shares[g]), min(shares, key=lambda g: shares[g])
    return (
        f"Of every 100 cases in “{worst}”, {wording.of_100(shares[worst])} got no usable answer; "
        f"in “{best}”, {wording.of_100(shares[best])}."
    )


def _failures(files: RunFiles) -> list[str]:
    for table in (files.predictions, files.masks):
        if table.empty or "status" not in table:
            continue
        keys = ["case_id", "status", *(["reason"] if "reason" in table else [])]
        bad = table.loc[table["status"] != "ok", keys].drop_duplicates("case_id")
        if bad.empty:
            return [
                "The tool gave an answer for every case; a case without one would count as wrong."
            ]
        words = [f"The tool failed on {count(len(bad))} cases. They count as wrong, never as gone."]
        if "reason" in bad and not files.is_shareable:
            reasons = bad["reason"].fillna("no reason given").value_counts()
            words.append("Reasons: " + "; ".join(f"{r} ({n})" for r, n in reasons.items()) + ".")
        return words
    return []


def _split_table(split: Json, unit: str) -> Table:
    rows = tuple(
        (readable(part).capitalize(), count(n.get("patients")), count(n.get("cases")))
        for part, n in split["counts"].items()
        if n.get("cases")
    )
    return Table(
        caption=f"Shared out by {readable(str(split.get('by', 'patient')))}: nobody stands in two "
        "parts",
        columns=("Part", "Patients", unit.capitalize()),
        rows=rows,
        numbers=frozenset({1, 2}),
        plain="What was tested on was kept apart from what was learnt from.",
    )
