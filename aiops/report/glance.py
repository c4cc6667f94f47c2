"""The questions of a board at a glance, each with one of three answers, never green for no data."""

from dataclasses import dataclass

from aiops.config import Experiment
from aiops.report.afterwards import overall_word
from aiops.report.blocks import Chip, Tone
from aiops.report.files import RunFiles
from aiops.report.findings import bar_verdict, table_rows, verdict_chip
from aiops.report.utility import is_better, is_worse
from aiops.report.who import compared, standing
from aiops.report.wording import is_number

ADEQUATE, CONCERN, OPEN = "adequate", "concern", "insufficient evidence"
TONES: dict[str, Tone] = {ADEQUATE: "good", CONCERN: "bad", OPEN: "open"}


@dataclass(frozen=True)
class Question:
    """A question, its answer in a word, and the section that answers it in full."""

    text: str
    chip: Chip
    anchor: str


def at_a_glance(files: RunFiles, experiment: Experiment) -> tuple[Question, ...]:
    """Return the status of each question of the first page."""
    groups = overall_word(files, experiment)
    asked = [
        ("Good enough over all?", _over_all(files), "performance"),
        ("As good for each group?", groups if groups in TONES else OPEN, "groups"),
        ("Are your patients in the data?", _represented(files), "who"),
        ("Was the test list read only once?", _read_once(files), "limits"),
    ]
    if experiment.task == "classification":
        asked.insert(3, ("Is acting on it better than not?", _useful(files, experiment), "useful"))
    gate = files.gates.get("outcome")
    return (
        *(Question(text, Chip(word, TONES[word]), anchor) for text, word, anchor in asked),
        Question(
            "What does the gate say?",
            verdict_chip(str(gate)) if gate else Chip("not asked yet", "open"),
            "next",
        ),
    )


def _over_all(files: RunFiles) -> str:
    words = {bar_verdict(row).word for row in files.evaluation.get("primary") or []}
    if "not reached" in words:
        return CONCERN
    return ADEQUATE if words == {"reached"} else OPEN


def _represented(files: RunFiles) -> str:
    table = compared(files)
    tones = {standing(row).tone for row in table_rows(table)}
    if "bad" in tones:
        return CONCERN
    return ADEQUATE if tones == {"good"} else OPEN


def _read_once(files: RunFiles) -> str:
    seal = files.evaluation.get("seal") or {}
    reading, shared = seal.get("reading"), seal.get("shared") or {}
    if not is_number(reading):
        return OPEN
    return CONCERN if reading > 1 or shared.get("known") else ADEQUATE


def _useful(files: RunFiles, experiment: Experiment) -> str:
    """Return whether acting at the threshold in use is better, for every primary target.

    Adequate only where it is also stated how common the disease is among those served, for net
    benefit hangs on it, and where a threshold was fixed before the test.
    """
    served = files.table("at_prevalence")
    stated = set() if served.empty else set(served.loc[served["value"].notna(), "target"])
    table, points = files.table("decision_curve"), files.evaluation.get("operating_points") or {}
    answers = set()
    for target in experiment.primary_targets:
        threshold = (points.get(target) or {}).get("threshold")
        rows = [] if table.empty else table_rows(table[table["target"] == target])
        known = [r for r in rows if is_number(r["net_benefit"])]
        if not known or not is_number(threshold):
            return OPEN
        row = min(known, key=lambda r: abs(r["threshold"] - threshold))
        shown = is_better(row) and target in stated and experiment.operating_point is not None
        answers.add(ADEQUATE if shown else CONCERN if is_worse(row) else OPEN)
    if CONCERN in answers:
        return CONCERN
    return ADEQUATE if answers == {ADEQUATE} else OPEN
