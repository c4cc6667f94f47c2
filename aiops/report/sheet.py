"""One page for those who work with the tool: for whom it works, for whom not, what to do then."""

from dataclasses import dataclass

from aiops.config import Experiment
from aiops.report.files import Json, RunFiles
from aiops.report.findings import INSUFFICIENT, family, overall_row, table_rows, unit_word, verdicts
from aiops.report.practice import failure_modes
from aiops.report.question import operating_words
from aiops.report.sentences import among, sentence
from aiops.report.verdict import DEMO, is_demo
from aiops.report.who import compared, standing
from aiops.report.wording import gloss, is_number, listed, readable, target_name, text_of

FEW_NAMES = 8
"""Groups named on the page; the others are counted, for it is one page."""


@dataclass(frozen=True)
class Sheet:
    """What stands on the page."""

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
    several = len(experiment.primary_targets) > 1
    concerns = [r for r in rows if r["verdict"] == "concern"]
    worse = _named(concerns, several) + _missed(files, concerns)
    unknown = _named([r for r in rows if r["verdict"] == INSUFFICIENT], several)
    return Sheet(
        works=_named([r for r in rows if r["verdict"] == "adequate"], several),
        worse=worse,
        unknown=unknown + _not_there(files),
        then=_then(bool(worse), bool(unknown)),
        point=_point(files, experiment),
        failures=tuple(failure_modes(files)),
        tested=_tested(files, experiment),
        demo=DEMO if is_demo(files.evaluation) else "",
    )


def _named(rows: list[Json], several: bool) -> tuple[str, ...]:
    """Return one line for each attribute and group; a group of several targets names them."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        key = (str(row["attribute"]), readable(str(row["group"])))
        found.setdefault(key, []).append(target_name(str(row["target"])))
    lines = [
        f"{readable(attribute).capitalize()}: {group}"
        + (f" ({listed(targets)})" if several and len(targets) <= 3 else
           f" ({len(targets)} findings)" if several else "")
        for (attribute, group), targets in found.items()
    ]  # fmt: skip
    more = len(lines) - FEW_NAMES
    return (*lines[:FEW_NAMES], *([f"and {more} more groups, in the report"] if more > 0 else []))


def _missed(files: RunFiles, concerns: list[Json]) -> tuple[str, ...]:
    """Return what is missed in the groups the tool is worse for, where that is known."""
    table, lines = files.metrics, []
    for row in concerns[:2]:
        same = [table[c] == row[c] for c in ("target", "attribute", "group")]
        there = table[same[0] & same[1] & same[2] & table["metric"].isin(["sensitivity", "missed"])]
        known = [r for r in table_rows(there) if is_number(r["value"])]
        lines += [among(r, unit=unit_word(files)) for r in known]
    return tuple(lines)


def _not_there(files: RunFiles) -> tuple[str, ...]:
    table = compared(files)
    lacking = [readable(str(r["group"])) for r in table_rows(table) if standing(r).tone == "bad"]
    if table.empty:
        return ("Whether all the people you serve were in the test: not recorded",)
    return (f"Fewer in the test than among those you serve: {listed(lacking)}",) if lacking else ()


def _then(worse: bool, unknown: bool) -> tuple[str, ...]:
    items = ["Read each case yourself; the tool never decides alone."]
    if worse:
        items.append("For a group it is worse for: do not let an all-clear of the tool reassure.")
    if unknown:
        items.append("For a group it was not shown for: decide as you would without the tool.")
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
    return f"Tested on {named} it had not learnt from. {gloss(metric).label}: " + sentence(
        row, unit=unit
    )
