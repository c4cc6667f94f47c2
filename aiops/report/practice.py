"""Sections on use: workflow, safety, and what follows from this report."""

from aiops.config import Experiment
from aiops.report.afterwards import NOT_PROVEN, seen_afterwards, two_sides
from aiops.report.blocks import Block, Bullets, Heading, Prose, Section
from aiops.report.files import RunFiles
from aiops.report.findings import (
    FEW,
    family,
    overall_row,
    unit_word,
    verdicts,
    with_verdict,
)
from aiops.report.gate import gate_blocks
from aiops.report.population import rows_word
from aiops.report.sentences import sentence
from aiops.report.wording import count, is_number, readable, target_name


def workflow(files: RunFiles, experiment: Experiment) -> Section:
    """Return what is known of the tool at work: of a test on stored cases, nothing."""
    items = (
        "Not recorded: how long a report takes with and without the tool.",
        "Not recorded: how often clinicians overrule it, or follow it when it is wrong.",
        "Not recorded: what happens to patients it does not flag, such as a longer wait, by group.",
    )
    blocks: tuple[Block, ...] = (
        Prose("Stored cases were read; nobody worked with the tool."),
        Bullets(items),
    )
    return Section("workflow", "What it does to the work", "Workflow", blocks)


def safety(files: RunFiles, experiment: Experiment) -> Section:
    """Return what was missed, how often the tool failed, and what nobody wrote down."""
    unit, items = unit_word(files), []
    metrics = ("sensitivity", "specificity") if experiment.task == "classification" else ("missed",)
    for target in experiment.primary_targets[:FEW]:
        for metric in metrics:
            row = overall_row(files, target, metric)
            if row is not None and is_number(row.get("value")):
                items.append(sentence(row, unit=unit))
    if not items:
        items.append("What would be missed in use cannot be said: no operating point was set.")
    items += failure_modes(files)
    blocks: list[Block] = [Bullets(tuple(items))]
    if worse := worse_groups(files, experiment):
        blocks += [Heading("For whom it is worse"), Bullets(worse)]
    blocks += [
        Heading("What nobody wrote down"),
        Bullets(
            (
                "Not recorded: how much harm each miss and each false alarm does.",
                "Not recorded: a hazard log; nobody has linked one to this run.",
            )
        ),
    ]
    return Section("safety", "What can go wrong", "Safety", tuple(blocks))


def worse_groups(files: RunFiles, experiment: Experiment) -> tuple[str, ...]:
    """Return misses and false alarms of each group with a concern, and of those seen afterwards."""
    several = len(experiment.primary_targets) > 1
    items = []
    for attribute in verdicts(files):
        for row in with_verdict(family(files, attribute), "concern"):
            target, group = str(row["target"]), str(row["group"])
            words = two_sides(files, target, attribute, group, str(row["metric"]))
            where = f" for {target_name(target)}" if several else ""
            items.append(
                f"Named in advance: in “{readable(group)}” ({readable(attribute)}){where}: {words}."
            )
    items += [
        f"Not named in advance: {s.sentence[0].lower()}{s.sentence[1:]} {NOT_PROVEN}"
        for s in seen_afterwards(files, experiment)
    ]
    return tuple(items)


def failure_modes(files: RunFiles) -> list[str]:
    """Return how many cases the tool failed on, and how, in sentences."""
    for table in (files.predictions, files.masks):
        if table.empty or "status" not in table:
            continue
        if "split" in table:
            table = table[table["split"] == (files.evaluation.get("split") or "test")]
        bad = table.loc[table["status"] != "ok"].drop_duplicates("case_id")
        unit = rows_word(files)
        everyone = f"{count(table['case_id'].nunique())} {unit}"
        if bad.empty:
            told = f"The tool gave an answer for all {everyone}"
            return [f"{told} (one without would count as wrong)."]
        items = [f"No usable answer: {_few(len(bad), files)} of {everyone}; counted as wrong."]
        reasons = bad["reason"].replace("", None) if "reason" in bad else bad["status"]
        by_reason = reasons.fillna("no reason given").astype(str).value_counts()
        if files.is_shareable:  # a reason may quote a case, and a rare one may point at a person
            least = files.disclosure.suppress_below
            common = int((by_reason >= least).sum())
            kinds = f"{len(by_reason)} kind{'s' if len(by_reason) != 1 else ''} of failure"
            return [*items, f"{kinds}, {common} of them in {least} {unit} or more."]
        return [*items, *(f"{reason}: {n}" for reason, n in by_reason.items())]
    return ["Not recorded: how often the tool fails, for there is no table of its answers."]


def next_steps(files: RunFiles, experiment: Experiment) -> Section:
    """Return the gate's answer, who decides, and what is watched afterwards."""
    blocks: list[Block] = [Heading("What the gate says"), *gate_blocks(files)]
    months = files.gates.get("valid_months")
    review = (
        f"An approval lapses after {int(months)} months; it has to be reviewed before that."
        if is_number(months)
        else "Not recorded: when it has to be reviewed; a decision sets that date."
    )
    blocks += [
        Heading("Who decides, and what comes then"),
        Bullets(
            (
                "People decide; this report and the gate prepare it. "
                "Names and signatures stand in the record of the decision, not here.",
                review,
                "Review at once if the tool, the scanners, the patients or the use change.",
                "Not recorded: what is watched in use, within what limits, by whom, and how fast "
                "a fault would show.",
            )
        ),
    ]
    return Section("next", "Gate, decision and monitoring", "What comes next", tuple(blocks))


def _few(n: int, files: RunFiles) -> str:
    below = files.disclosure.suppress_below
    return f"1 to {below - 1}" if files.is_shareable and 0 < n < below else count(n)
