"""Sections on what was asked, what was fixed before the test, and how the truth was found."""

import re
from itertools import combinations

from aiops.config import Experiment, FairnessConfig
from aiops.report import wording
from aiops.report.blocks import Block, Bullets, Cell, Prose, Section, Table
from aiops.report.files import Json, RunFiles
from aiops.report.findings import FEW
from aiops.report.wording import count, gloss, listed, readable, target_name

NOT_RECORDED = "not recorded"


def question(files: RunFiles, experiment: Experiment) -> Section:
    """Return what was fixed before the test: figure, groups with reasons, margin, threshold."""
    blocks: list[Block] = [
        Prose(
            "What is fixed beforehand can be tested; what is looked at afterwards can only raise "
            "a question. All that does not stand in this section is exploratory.",
            "note",
        ),
        Table(
            caption="Fixed before the test",
            columns=("What", "As it was set"),
            rows=tuple(_facts(files, experiment)),
            plain=_plain(experiment),
        ),
    ]
    if experiment.fairness is not None:
        blocks.append(_groups(files, experiment, experiment.fairness))
    return Section("question", "What was asked", "Question and plan", tuple(blocks))


def reference(files: RunFiles, experiment: Experiment) -> Section:
    """Return how the truth was found, as far as it was recorded."""
    blocks: list[Block] = [Prose(_source(experiment))]
    if missing := _without_truth(files):
        blocks.append(Prose(missing))
    columns = set(files.predictions.columns) | set(files.masks.columns)
    lacking = []
    if "reader" not in columns:
        lacking.append("Not recorded: the reference standard’s readers, how many and how expert.")
        lacking.append("Not recorded: how often readers disagreed, and who decided then.")
    if "verified" not in columns:
        lacking.append(
            "Not recorded: whether cases the tool called negative were checked as well as those "
            "it called positive; if not, too few misses are counted."
        )
    if lacking:
        blocks.append(Bullets(tuple(lacking)))
    return Section(
        "reference", "How the truth was established", "Reference standard", tuple(blocks)
    )


def operating_words(files: RunFiles, target: str) -> str:
    """Return the threshold of a target and how it was come by, in words.

    Examples
    --------
    >>> from types import SimpleNamespace as Run
    >>> operating_words(Run(evaluation={}), "effusion")
    'none was set, so nothing can be said on what is missed in use'
    """
    point = (files.evaluation.get("operating_points") or {}).get(target)
    if not isinstance(point, dict) or not wording.is_number(point.get("threshold")):
        return "none was set, so nothing can be said on what is missed in use"
    words = f"called positive from a score of {wording.significant(point['threshold'])}"
    known = aim_words(point)
    return f"{words} ({known})" if known else words


def aim_words(point: Json) -> str:
    """Return what a threshold aims at and on which cases it was chosen, without code.

    Examples
    --------
    >>> aim_words({"criterion": "sensitivity 0.9 on tune", "chosen_on": "tune"})
    'aim: sensitivity 90%; chosen on cases set aside for choosing'
    >>> aim_words({"criterion": "fixed by the maker"})
    'aim: fixed by the maker'
    """
    parts = {"tune": "cases set aside for choosing", "train": "cases it learnt from",
             "test": "the test cases themselves"}  # fmt: skip
    aim = wording.text_of(point.get("criterion"))
    chosen = wording.text_of(point.get("chosen_on"))
    if chosen:
        aim = aim.replace(f" on {chosen}", "")
    aim = re.sub(r"\b(sensitivity|specificity) (0\.\d+)",
                 lambda m: f"{m[1]} {wording.percent(float(m[2]))}", aim)  # fmt: skip
    known = [
        f"aim: {aim}" if aim else "",
        f"chosen on {parts.get(chosen, chosen)}" if chosen else "",
    ]
    return "; ".join(k for k in known if k)


def _facts(files: RunFiles, experiment: Experiment) -> list[tuple[Cell, ...]]:
    metric, targets = experiment.primary.metric, experiment.primary_targets
    told = gloss(metric)
    names = [target_name(t) for t in targets]
    of = listed(names) if len(names) <= FEW else f"{len(names)} targets: {listed(names)}"
    bar = experiment.primary.acceptable
    better = "at least" if told.higher_is_better else "at most"
    fairness = experiment.fairness
    facts: list[tuple[str, str]] = [
        ("Intended use", experiment.intended_use or NOT_RECORDED),
        ("Primary figure", f"{told.label} of {of}" + (f" ({told.plain})" if told.plain else "")),
        (
            "Acceptable value",
            "none was set" if bar is None else f"{better} {wording.figure(bar, metric)}",
        ),
        ("Gap between groups that matters", "none was set" if fairness is None
         else f"{wording.margin_words(fairness.margin, metric)} in {told.label}"),
    ]  # fmt: skip
    if experiment.task == "classification":
        facts.append(("Operating point", operating_words(files, targets[0])))
    if fairness is not None:
        facts += _plan_of_groups(fairness, len(targets))
    run: Json = files.run
    made = str(run.get("created") or "")[:10]
    stamp = f"hash {run['hash']}" if run.get("hash") else "no hash"
    facts.append(("Config and data", f"{stamp}, first read on {made or 'a day not recorded'}"))
    return [(name, value) for name, value in facts]


def _plan_of_groups(fairness: FairnessConfig, n_targets: int) -> list[tuple[str, str]]:
    together = {
        "claim": "the intervals of all groups and all primary targets hold together",
        "target": f"the intervals hold for each of the {n_targets} targets by itself, so about "
        "one in 20 targets may show a gap that is chance",
    }
    words = together[fairness.family] if n_targets > 1 or fairness.family == "claim" else (
        "the intervals of all groups hold together"
    )  # fmt: skip
    facts = [("Many comparisons", words)]
    crossed = fairness.intersections
    if crossed is None:
        crossed = [list(pair) for pair in combinations(fairness.attributes, 2)]
    pairs = [" × ".join(readable(a) for a in pair) for pair in crossed]
    told = f"{listed(pairs)}; figures only, without a verdict" if pairs else "none"
    facts.append(("Crossings named in advance", told))
    adjusted = fairness.adjust_for
    if adjusted:
        facts.append(("Adjusted for", listed([readable(a) for a in adjusted])))
    return facts


def _plain(experiment: Experiment) -> str:
    metric = experiment.primary.metric
    parts = []
    if experiment.primary.acceptable is None:
        parts.append("Nobody said beforehand how good is good enough.")
    else:
        word = "at least" if gloss(metric).higher_is_better else "at most"
        parts.append(
            f"The tool passes if {gloss(metric).label} is surely {word} "
            f"{wording.figure(experiment.primary.acceptable, metric)}."
        )
    if experiment.fairness is None:
        parts.append("Nobody said beforehand which groups to look at.")
    else:
        margin = wording.margin_words(experiment.fairness.margin, metric)
        names = listed([readable(a) for a in experiment.fairness.attributes])
        parts.append(f"It is fair if no group by {names} is worse than the rest by {margin}.")
    return " ".join(parts)


def _groups(files: RunFiles, experiment: Experiment, fairness: FairnessConfig) -> Table:
    reasons = fairness.reasons
    named = [(readable(a), "named in advance", str(reasons.get(a) or NOT_RECORDED))
             for a in fairness.attributes]  # fmt: skip
    there = files.metrics["attribute"].unique()
    free = [a for a in there if a not in (*fairness.attributes, "all")]
    rows = [*named, *((readable(a), "exploratory", wording.DASH) for a in free)]
    without = sum(1 for a in fairness.attributes if not reasons.get(a))
    told = (
        f"{len(named)} {'way' if len(named) == 1 else 'ways'} of grouping patients carry a "
        "verdict" + (f"; for {without} of them nobody wrote down why" if without else "")
    )
    return Table(
        caption="Groups of patients",
        columns=("Attribute", "Standing", "Why it was named"),
        rows=tuple(rows),
        plain=f"{told}.",
    )


def _source(experiment: Experiment) -> str:
    if experiment.task == "segmentation":
        label = experiment.data.label or NOT_RECORDED
        return f"The reference outlines come from “{label}” of the cases table, taken as true."
    shown = list(experiment.findings.items())[:FEW]
    told = "; ".join(
        f"{target_name(name)}: diseased where its column says "
        f"{listed([f'“{v}”' for v in t.positive], last='or')}"
        for name, t in shown
    )
    more = len(experiment.findings) - len(shown)
    more_words = f"; and {more} more, named in the config below" if more else ""
    return f"The truth is what the cases table says, taken as it stands. {told}{more_words}."


def _without_truth(files: RunFiles) -> str:
    table = files.predictions
    if table.empty or "y_true" not in table:
        return ""
    n = int(table.loc[table["y_true"].isna(), "case_id"].nunique())
    if n == 0:
        return "Every case of the predictions has a reference value."
    below = files.disclosure.suppress_below
    if files.is_shareable and n < below:
        return (
            f"Fewer than {below} cases lack a reference value for some target; there they are left "
            "out."
        )
    return f"{count(n)} cases lack a reference value for some target and are left out there."
