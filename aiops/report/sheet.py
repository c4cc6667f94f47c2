"""One page for those who work with the tool: for whom it works, for whom not, what to do then."""

from dataclasses import dataclass

from aiops.config import Experiment
from aiops.report.afterwards import (
    hidden_words,
    seen_afterwards,
    two_sides,
    without_verdict,
)
from aiops.report.files import Json, RunFiles
from aiops.report.findings import (
    FEW,
    INSUFFICIENT,
    family,
    overall_row,
    table_rows,
    unit_word,
    verdicts,
)
from aiops.report.gate import gate_words
from aiops.report.practice import failure_modes
from aiops.report.question import operating_words
from aiops.report.sentences import sentence
from aiops.report.verdict import DEMO, is_demo
from aiops.report.who import compared, standing
from aiops.report.wording import gloss, is_number, listed, readable, target_name, text_of

FEW_NAMES = 12
"""Groups named on the page; the others are counted, for it is one page."""


MOST_SIDES = 3
"""Groups whose misses and false alarms are told on the page."""


@dataclass(frozen=True)
class Sheet:
    """What stands on the page."""

    gate: str
    works: tuple[str, ...]
    worse: tuple[str, ...]
    unknown: tuple[str, ...]
    then: tuple[str, ...]
    point: tuple[str, ...]
    failures: tuple[str, ...]
    tested: str
    demo: str


def clinician_sheet(files: RunFiles, experiment: Experiment) -> Sheet:
    """Return what a clinician has to know, from the shareable files of a run."""
    rows = [r for attribute in verdicts(files) for r in table_rows(family(files, attribute))]
    concerns = [r for r in rows if r["verdict"] == "concern"]
    seen = seen_afterwards(files, experiment)
    open_rows = [r for r in rows if r["verdict"] == INSUFFICIENT]
    worse = (
        *_named(concerns, experiment),
        *_both_sides(files, concerns, experiment),
        *(f"Seen afterwards, not proven: {_small(s.sentence)}" for s in seen[:MOST_SIDES]),
    )
    hidden = hidden_words(files, experiment)
    free = listed(without_verdict(files, experiment))
    unknown = (
        *_named(open_rows, experiment, settled=False),
        *((f"Figures hidden, to protect small groups: {hidden}",) if hidden else ()),
        *((f"No verdict, for not named in advance: {free}",) if free else ()),
    )
    return Sheet(
        gate=_gate(files),
        works=_named([r for r in rows if r["verdict"] == "adequate"], experiment),
        worse=worse,
        unknown=(*unknown, *_not_there(files)),
        then=_then(bool(worse), bool(unknown)),
        point=_point(files, experiment),
        failures=tuple(failure_modes(files)),
        tested=_tested(files, experiment),
        demo=DEMO if is_demo(files.evaluation) else "",
    )


def _gate(files: RunFiles) -> str:
    outcome = files.gates.get("outcome")
    return "" if outcome in (None, "pass") else f"The gate {gate_words(files)}"


def _named(rows: list[Json], experiment: Experiment, *, settled: bool = True) -> tuple[str, ...]:
    """Return one line for each attribute and group; of several targets, which ones.

    One group can stand in each column, for other targets; those that cannot be told are counted.
    """
    n_all = len(experiment.primary_targets)
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        key = (str(row["attribute"]), readable(str(row["group"])))
        found.setdefault(key, []).append(target_name(str(row["target"])))
    lines = []
    for (attribute, group), targets in found.items():
        line = f"{readable(attribute).capitalize()}: {group}"
        if n_all > 1 and len(targets) == n_all:
            line += f" (all {n_all} findings)"
        elif n_all > 1 and (settled or len(targets) <= FEW):
            line += f" ({listed(targets)})"
        elif n_all > 1:
            line += f" (the other {len(targets)} findings)"
        lines.append(line)
    more = len(lines) - FEW_NAMES
    tail = f"and {more} more {'group' if more == 1 else 'groups'}, in the report"
    return (*lines[:FEW_NAMES], *([tail] if more > 0 else []))


def _both_sides(files: RunFiles, concerns: list[Json], experiment: Experiment) -> tuple[str, ...]:
    """Return misses and false alarms in the groups the tool is worse for."""
    several, lines = len(experiment.primary_targets) > 1, []
    for row in concerns[:MOST_SIDES]:
        key = (str(row["target"]), str(row["attribute"]), str(row["group"]))
        where = f", {target_name(key[0])}" if several else ""
        words = two_sides(files, *key, str(row["metric"]))
        lines.append(f"In “{readable(key[2])}”{where}: {words}.")
    return tuple(lines)


def _small(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def _not_there(files: RunFiles) -> tuple[str, ...]:
    table = compared(files)
    lacking = [readable(str(r["group"])) for r in table_rows(table) if standing(r).tone == "bad"]
    if table.empty:
        return ("Whether all the people you serve were in the test: not recorded",)
    return (f"Fewer in the test than among those you serve: {listed(lacking)}",) if lacking else ()


def _then(worse: bool, unknown: bool) -> tuple[str, ...]:
    items = ["Read each case yourself; the tool never decides alone."]
    if worse:
        items.append(
            "For a group it is worse for: do not let an all-clear of the tool reassure, and do not "
            "take an alarm as right."
        )
    if unknown:
        items.append(
            "For a group it was not shown for, or that is not named here: decide as you would "
            "without the tool."
        )
    items.append("No answer from the tool: read the case as usual. It is not an all-clear.")
    items.append("Tell those who own the tool of each miss you find.")
    return tuple(items)


def _point(files: RunFiles, experiment: Experiment) -> tuple[str, ...]:
    unit, target = unit_word(files), experiment.primary_targets[0]
    if experiment.task == "segmentation":
        found = [overall_row(files, target, m) for m in ("missed", experiment.primary.metric)]
        return tuple(sentence(r, unit=unit) for r in found if r and is_number(r.get("value")))
    lines = [f"{target_name(target).capitalize()}: {operating_words(files, target)}."]
    for metric in ("sensitivity", "specificity"):
        row = overall_row(files, target, metric)
        if row is not None and is_number(row.get("value")):
            lines.append(sentence(row, unit=unit))
    lines += _alerts(files, target)
    if len(experiment.primary_targets) > 1:
        lines.append(f"The other {len(experiment.primary_targets) - 1} findings: see the report.")
    return tuple(lines)


def _alerts(files: RunFiles, target: str) -> list[str]:
    table = files.table("at_prevalence")
    rows = [] if table.empty else table_rows(table[table["target"] == target])
    for row in rows:
        if row["metric"] == "alerts_per_100" and is_number(row["value"]):
            source = text_of(row["source"])
            return [
                f"Of every 100 patients you see, {row['value']:.0f} set off an alarm (it could be "
                f"{row['low']:.0f} to {row['high']:.0f})" + (f"; {source}." if source else ".")
            ]
    return ["Alarms per 100 patients you see: not recorded how common the disease is with you."]


def _tested(files: RunFiles, experiment: Experiment) -> str:
    primary: list[Json] = files.evaluation.get("primary") or []
    if not primary:
        return "Not recorded: on whom it was tested."
    row = primary[0]
    metric = str(row["metric"])
    named = f"{int(row['n_patients']):,} patients" if is_number(row.get("n_patients")) else "–"
    unit = unit_word(files)
    known = (
        f"Tested on {named}. Whether it had learnt from any of them is not known."
        if experiment.is_vendor
        else f"Tested on {named} it had not learnt from."
    )
    told = f"{known} {gloss(metric).label}: {sentence(row, unit=unit)}"
    worse = "concern" in verdicts(files).values() or bool(seen_afterwards(files, experiment))
    return f"{told} That is a mean; for some groups it is worse." if worse else told
