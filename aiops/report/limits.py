"""Section on limits: what the figures do not carry, what was not recorded, what is hidden."""

import re

import pandas as pd

from aiops.config import Experiment
from aiops.report import wording
from aiops.report.blocks import Block, Bullets, Heading, Section
from aiops.report.disclosure import rules_of
from aiops.report.files import RunFiles
from aiops.report.findings import seal_sentence
from aiops.report.wording import gloss, readable


def limits(files: RunFiles, experiment: Experiment) -> Section:
    """Return the limits that follow from the states of the figures."""
    evaluation, table = files.evaluation, files.metrics
    items = [seal_sentence(evaluation)]
    states = table["state"].value_counts()
    for state, words in (
        ("not_estimable", "figures cannot be estimated; each says why in its row."),
        ("small_n", "figures rest on few patients; their intervals are wide and rough."),
    ):
        if states.get(state, 0):
            items.append(f"{int(states[state]):,} of {len(table):,} {words}")
    if not evaluation.get("patients_known", True):
        items.append("Patients are unknown: each case was taken for a patient of its own.")
    if experiment.operating_point is None and experiment.task == "classification":
        items.append("No operating point was set, so nothing is said on sensitivity in use.")
    site = experiment.data.attributes.get("site")
    if site is None:
        items.append("Sites were not recorded: this may be one hospital, and speaks for no other.")
    elif table.loc[table["attribute"] == "site", "group"].nunique() == 1:
        items.append("All cases come from a single site.")
    named = experiment.fairness.attributes if experiment.fairness else []
    free = [readable(a) for a in table["attribute"].unique() if a not in (*named, "all")]
    if free:
        items.append(f"Not named in advance, so exploratory only: {wording.listed(free)}.")
    if files.table("intersections").empty:
        items.append("Groups are taken one attribute at a time; crossings are not shown.")
    if experiment.intended_use == "":
        items.append("The config does not state an intended use, so fitness for it is not judged.")
    items += [_plain(str(note)) for note in evaluation.get("notes", [])]
    blocks: list[Block] = [Bullets(tuple(items))]
    if files.is_shareable:
        blocks += [Heading("What is hidden, and by which rule"), Bullets(_rules(files))]
    return Section("limits", "Limits", "What to keep in mind", tuple(blocks))


def _plain(note: str) -> str:
    """Return a note of the evaluation; those on methods in a lay reader's words."""
    if not note.startswith("Bootstrap and linearised interval"):
        return note
    n, names = re.search(r"in (\d+ of \d+) figures \(([^)]*)\)", note), ""
    if n is None:
        return note
    names = wording.listed([gloss(m).label for m in n[2].split(", ")])
    return (
        f"For {n[1]} figures ({names}), two ways to compute the interval differ much, so lean "
        "little on either. Both stand in the tables under export."
    )


def _which(hidden: pd.DataFrame) -> str:
    names: dict[str, list[str]] = {}
    for attribute, group in (
        hidden[["attribute", "group"]].drop_duplicates().itertuples(index=False)
    ):
        names.setdefault(readable(str(attribute)), []).append(f"“{readable(str(group))}”")
    return "; ".join(f"{attribute} {wording.listed(some)}" for attribute, some in names.items())


def _rules(files: RunFiles) -> tuple[str, ...]:
    """Return the rules of disclosure in words, and how much they hid."""
    table = files.metrics
    groups = table[(table["attribute"] != "all") & (table["state"] == "suppressed")]
    hidden = len(groups.drop_duplicates(["attribute", "group"]))
    return (
        *rules_of(files.disclosure),
        f"Hidden here: figures of {hidden} groups: {_which(groups)}. Hidden is not zero and not "
        "good news."
        if hidden
        else "No group had to be hidden here.",
    )
