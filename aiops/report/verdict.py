"""The first page: what was asked, what was found, and what is not known."""

from dataclasses import dataclass

from aiops.config import Experiment
from aiops.report import figures, wording
from aiops.report.afterwards import (
    NOT_PROVEN,
    overall_word,
    seen_afterwards,
    two_sides,
)
from aiops.report.blocks import Chip
from aiops.report.drawing import Axis, Words
from aiops.report.files import Json, RunFiles
from aiops.report.findings import (
    FEW,
    attribute_sentence,
    bar_verdict,
    family,
    seal_sentence,
    table_rows,
    unit_word,
    verdict_chip,
    verdicts,
)
from aiops.report.gate import gate_words
from aiops.report.glance import Question, at_a_glance
from aiops.report.known import found, unknowns
from aiops.report.sentences import sentence
from aiops.report.why import entangled
from aiops.report.wording import count, gloss, is_number, readable, target_name

DEMO = (
    "Made by a program, not a board. The patients are made up; nothing here is about real people."
)


MOST_SEEN = 2
"""Groups seen afterwards that stand on the first page; the others in the section on safety."""


@dataclass(frozen=True)
class Answer:
    """One primary figure against the value it should reach."""

    metric: str
    target: str
    value: str
    spread: str
    n: str
    chip: Chip
    bar: str
    sentence: str
    strip: str


@dataclass(frozen=True)
class GroupVerdict:
    """The verdict of one attribute named in advance, or what was seen without one."""

    title: str
    chip: Chip
    sentence: str


@dataclass(frozen=True)
class VerdictPage:
    """All that stands on the first page."""

    whom: str
    glance: tuple[Question, ...]
    answers: tuple[Answer, ...]
    overall: Chip
    groups: tuple[GroupVerdict, ...]
    groups_note: str
    found: tuple[str, ...]
    unknown: tuple[str, ...]
    seal: str
    standing: tuple[tuple[str, str], ...]
    demo: str


def verdict_page(files: RunFiles, experiment: Experiment) -> VerdictPage:
    """Return the first page of a run's report."""
    evaluation = files.evaluation
    primary: list[Json] = evaluation.get("primary") or []
    shown = primary if len(primary) <= FEW else primary[:1]
    return VerdictPage(
        whom=belongs(files, experiment),
        glance=at_a_glance(files, experiment),
        answers=tuple(_answer(row, files) for row in shown),
        overall=verdict_chip(overall_word(files, experiment)),
        groups=(*_by_attribute(files, experiment), *_afterwards(files, experiment)),
        groups_note=_groups_note(evaluation, experiment),
        found=found(files, experiment),
        unknown=unknowns(files, experiment),
        seal=seal_sentence(evaluation),
        standing=_standing(files),
        demo=DEMO if is_demo(evaluation) else "",
    )


def belongs(files: RunFiles, experiment: Experiment) -> str:
    """Return that the headline figures hold everybody tested, by age where it is known.

    Who belongs to the intended use is written in prose: people have to compare.
    """
    table = files.metrics
    ages = [str(g) for g in table.loc[table["attribute"] == "age", "group"].unique()]
    by_age = f" (by age: {', '.join(readable(a) for a in ages)})" if ages else ""
    return (
        f"The headline figures hold all who were tested{by_age}. Whether all of them belong to "
        "this use is for you to check."
    )


def _by_attribute(files: RunFiles, experiment: Experiment) -> tuple[GroupVerdict, ...]:
    told = []
    for name, word in verdicts(files).items():
        words = attribute_sentence(files, name, word)
        if len(experiment.primary_targets) == 1 and experiment.task == "classification":
            for row in table_rows(family(files, name)):
                if row["verdict"] == "concern":
                    target, metric = str(row["target"]), str(row["metric"])
                    both = two_sides(files, target, name, str(row["group"]), metric)
                    words += f" In “{readable(row['group'])}”: {both}."
                    words += entangled(files, row)
        told.append(GroupVerdict(f"By {readable(name)}", verdict_chip(word), words))
    return tuple(told)


def _afterwards(files: RunFiles, experiment: Experiment) -> tuple[GroupVerdict, ...]:
    seen = seen_afterwards(files, experiment)
    if not seen:
        return ()
    words = " ".join(s.sentence for s in seen[:MOST_SEEN])
    if len(seen) > MOST_SEEN:
        words += f" {len(seen) - MOST_SEEN} more stand in the section on safety."
    if "concern" in verdicts(files).values() and files.table("adjusted").empty:
        words += " Whether that and the concern above are one and the same was not computed."
    chip = Chip("far worse, not proven", "bad")
    return (GroupVerdict("Not named in advance", chip, f"{words} {NOT_PROVEN}"),)


def _standing(files: RunFiles) -> tuple[tuple[str, str], ...]:
    """Return what is asked of the board, and what a decision would add to this page."""
    months = files.gates.get("valid_months")
    return (
        ("What the gate says", gate_words(files)),
        ("Asked of the board", "to approve, with or without conditions, to reject or to defer"),
        ("Version; signed by", f"run {files.name}; nobody here, see the record of the decision"),
        (
            "Next review",
            f"within {int(months)} months of an approval"
            if is_number(months)
            else "not recorded; a decision sets it",
        ),
    )


def is_demo(evaluation: Json) -> bool:
    """Return whether the evaluation says that it was made by the demo.

    Examples
    --------
    >>> is_demo({"notes": ["Demo: made by a program, not a board."]})
    True
    """
    notes = [str(note).lower() for note in evaluation.get("notes") or []]
    return any(note.startswith("demo") or "made by a program" in note for note in notes)


def _answer(row: Json, files: RunFiles) -> Answer:
    metric, target = str(row["metric"]), target_name(row["target"])
    told = gloss(metric)
    n_patients, n_cases = row.get("n_patients"), row.get("n_cases")
    parts = [f"{count(n_patients)} patients"]
    if n_cases != n_patients:
        parts.append(f"{count(n_cases)} {wording.unit_of(n_cases, n_patients, unit_word(files))}")
    if is_number(row.get("n_positive")):
        parts.append(f"{count(row['n_positive'])} with {target}")
    if is_number(row.get("n_failed")) and row["n_failed"]:
        parts.append(f"{count(row['n_failed'])} failed, counted as wrong")
    bar = row.get("acceptable")
    better = "at least" if told.higher_is_better else "at most"
    spread = wording.interval(row.get("low"), row.get("high"), metric)
    return Answer(
        metric=told.label,
        target=target,
        value=wording.figure(row.get("value"), metric),
        spread=f"could be {spread}" if spread != wording.DASH else "no interval",
        n=" · ".join(parts),
        chip=bar_verdict(row),
        bar=(
            f"Set before the test: {better} {wording.figure(bar, metric)}."
            if is_number(bar)
            else "No acceptable value was set before the test."
        ),
        sentence=sentence(row, unit=unit_word(files)),
        strip=_strip(row),
    )


def _strip(row: Json) -> str:
    value, low, high = (row.get(key) for key in ("value", "low", "high"))
    if not (is_number(value) and is_number(low) and is_number(high)):
        return ""
    metric = str(row["metric"])
    bar = row["acceptable"] if is_number(row.get("acceptable")) else None
    ends = [low, high, *([bar] if bar is not None else [])]
    pad = max(0.35 * (max(ends) - min(ends)), 1e-6)
    shown = f"{wording.figure(value, metric)}, {wording.interval(low, high, metric)}"
    return figures.strip(
        figures.Interval(value, low, high),
        acceptable=bar,
        axis=Axis(gloss(metric).label, percent=gloss(metric).scale == "percent"),
        span=(min(ends) - pad, max(ends) + pad),
        words=Words(
            f"{gloss(metric).label} of {target_name(row['target'])} with its interval",
            f"{shown}; acceptable: {wording.figure(bar, metric)}.",
        ),
    )


def _groups_note(evaluation: Json, experiment: Experiment) -> str:
    if experiment.fairness is None:
        return "No group was named in advance, so there is no verdict on groups."
    metric = experiment.primary.metric
    several = len(experiment.primary_targets) > 1
    hold = (
        "The intervals hold for all groups of one target at once, not for all targets."
        if several and experiment.fairness.family == "target"
        else "The intervals hold for all groups at once."
    )
    margin = wording.margin_words(evaluation.get("margin") or experiment.fairness.margin, metric)
    return (
        f"Each group is compared with everyone else in {gloss(metric).label}. Before the test, a "
        f"gap of {margin} was said to matter. {hold}"
    )
