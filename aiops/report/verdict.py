"""The first page: what was asked, what was found, and what is not known."""

from dataclasses import dataclass

from aiops.config import Experiment
from aiops.report import figures, wording
from aiops.report.blocks import Chip
from aiops.report.drawing import Axis, Words
from aiops.report.files import Json, RunFiles
from aiops.report.findings import (
    FEW,
    attribute_sentence,
    bar_verdict,
    found,
    seal_sentence,
    unit_word,
    unknowns,
    verdict_chip,
    verdicts,
)
from aiops.report.glance import Question, at_a_glance
from aiops.report.sentences import sentence
from aiops.report.wording import count, gloss, is_number, readable, target_name

DEMO = (
    "Made by a program, not a board. The patients are made up; nothing here is about real people."
)


@dataclass(frozen=True)
class Answer:
    """One primary figure against the value it should reach."""

    metric: str
    target: str
    plain: str
    value: str
    spread: str
    n: str
    chip: Chip
    bar: str
    sentence: str
    strip: str


@dataclass(frozen=True)
class GroupVerdict:
    """The verdict of one attribute named in advance."""

    attribute: str
    chip: Chip
    sentence: str


@dataclass(frozen=True)
class VerdictPage:
    """All that stands on the first page."""

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
    overall = (evaluation.get("verdict") or {}).get("overall")
    return VerdictPage(
        glance=at_a_glance(files, experiment),
        answers=tuple(_answer(row, files) for row in shown),
        overall=verdict_chip(overall or "not assessed"),
        groups=tuple(
            GroupVerdict(readable(name), verdict_chip(word), attribute_sentence(files, name, word))
            for name, word in verdicts(files).items()
        ),
        groups_note=_groups_note(evaluation, experiment),
        found=found(files, experiment),
        unknown=unknowns(files, experiment),
        seal=seal_sentence(evaluation),
        standing=_standing(files),
        demo=DEMO if is_demo(evaluation) else "",
    )


def _standing(files: RunFiles) -> tuple[tuple[str, str], ...]:
    """Return what is asked of the board, and what a decision would add to this page."""
    months = files.gates.get("valid_months")
    return (
        ("Asked of the board", "to approve, with or without conditions, to reject or to defer"),
        ("Version tested", f"run {files.name}"),
        ("Signed by", "nobody here; see the record of the decision"),
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
        plain=f"{told.label}: {told.plain}." if told.plain else "",
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
    margin = wording.margin_words(evaluation.get("margin") or experiment.fairness.margin, metric)
    return (
        f"Each group is compared with everyone else in {gloss(metric).label}. Before the test, a "
        f"gap of {margin} was said to matter. The intervals hold for all groups at once."
    )
