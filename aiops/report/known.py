"""What the first page says was found, and what it says is not known."""

from aiops.config import Experiment
from aiops.report import wording
from aiops.report.afterwards import hidden_words, seen_afterwards, without_verdict
from aiops.report.files import Json, RunFiles
from aiops.report.findings import (
    FEW,
    INSUFFICIENT,
    NAMED,
    bar_verdict,
    family,
    names_of,
    overall_row,
    table_rows,
    unit_word,
    verdicts,
    with_verdict,
)
from aiops.report.sentences import sentence
from aiops.report.trust import probabilities
from aiops.report.wording import count, gloss, is_number, listed, readable, target_name


def found(files: RunFiles, experiment: Experiment) -> tuple[str, ...]:
    """Return what this evaluation found beside the primary figures and the groups' verdicts."""
    primary: list[Json] = files.evaluation.get("primary") or []
    unit, items = unit_word(files), []
    if len(primary) > FEW:
        items.append(_range(primary))
    headline = experiment.primary_targets[0]
    for metric in ("sensitivity", "specificity", "missed"):
        row = overall_row(files, headline, metric)
        if row and is_number(row.get("value")) and metric != experiment.primary.metric:
            items.append(sentence(row, unit=unit))
    worse = "concern" in verdicts(files).values() or bool(seen_afterwards(files, experiment))
    if items and worse:
        items.append("These are means over all patients; they do not hold for the groups above.")
    if told := probabilities(files, experiment):
        items.append(told)
    failed = [row["n_failed"] for row in primary if is_number(row.get("n_failed"))]
    if failed and max(failed):
        items.append(
            f"The tool gave no answer for {count(max(failed))} cases; they count as wrong."
        )
    return tuple(items)


def unknowns(files: RunFiles, experiment: Experiment) -> tuple[str, ...]:
    """Return what this evaluation does not tell, the weightiest first."""
    items = _bars_unsettled(files.evaluation.get("primary") or [])
    items += _open_groups(files, experiment)
    if hidden := hidden_words(files, experiment):
        items.append(f"How it does for {hidden}: hidden, to protect small groups.")
    if looked_at := without_verdict(files, experiment):
        items.append(f"By {listed(looked_at)}: no verdict, for not named in advance.")
    items += _not_estimable(files, experiment)
    if not files.evaluation.get("patients_known", True):
        items.append(
            "Which cases belong to one patient. Intervals are by case and may be too narrow."
        )
    if not verdicts(files):
        items.append("Whether it works equally well for all groups: none was named in advance.")
    if experiment.is_vendor:
        items.append("What the tool was trained on, and whether it had seen these patients before.")
    items.append(
        "Whether it helps patients, or works at another hospital or later. Stored cases were read; "
        "nobody was treated by it."
    )
    items.append(f"Not recorded: {'; '.join(_not_recorded(files, experiment))}.")
    return tuple(items)


def _not_recorded(files: RunFiles, experiment: Experiment) -> list[str]:
    """Return what a board has to ask elsewhere, for the run has no place or entry for it."""
    columns = set(files.predictions.columns) | set(files.masks.columns)
    items = [] if "reader" in columns else ["who read the reference, and how well"]
    items.append("the dates of the cases" if "site" in experiment.data.attributes
                 else "hospital and dates of the cases")  # fmt: skip
    served = files.table("representation")
    if served.empty or not served["population_share"].notna().any():
        items.append("who the people you serve are")
    if experiment.task == "classification" and files.table("at_prevalence").empty:
        items.append("how common the disease is among them")
    return [*items, "the harm of a miss or a false alarm", "a hazard log"]


def _open_groups(files: RunFiles, experiment: Experiment) -> list[str]:
    """Return for which groups too little is known; of many targets, in how many comparisons."""
    items, counted = [], []
    for attribute in verdicts(files):
        everyone = family(files, attribute)
        rows = with_verdict(everyone, INSUFFICIENT)
        if not rows:
            continue
        if len(experiment.primary_targets) > FEW:
            counted.append(f"{readable(attribute)} ({len(rows)} of {len(everyone)} comparisons)")
        else:
            names = names_of(rows, len(experiment.primary_targets) > 1)
            items.append(f"Whether it works as well by {readable(attribute)} for {names}.")
    if counted:
        items.append(
            f"Whether it works as well by {listed(counted)}: too few patients to tell in these."
        )
    return items


def _range(primary: list[Json]) -> str:
    metric = str(primary[0]["metric"])
    rows = sorted((r for r in primary if is_number(r.get("value"))), key=lambda r: r["value"])
    if not rows:
        return f"{gloss(metric).label} could not be estimated for any target."
    ends = [
        f"{wording.with_interval(row, metric)} for {target_name(row['target'])}"
        for row in (rows[0], rows[-1])
    ]
    return f"{gloss(metric).label} runs from {ends[0]} to {ends[1]}, over {len(rows)} targets."


def _bars_unsettled(primary: list[Json]) -> list[str]:
    by_word: dict[str, list[str]] = {}
    for row in primary:
        by_word.setdefault(bar_verdict(row).word, []).append(target_name(row["target"]))
    items = []
    label = gloss(str(primary[0]["metric"])).label if primary else ""
    for word, targets in by_word.items():
        names = listed(targets) if len(targets) <= FEW else f"{len(targets)} targets"
        if word == "no value was set":
            items.append(
                f"Whether {label} for {names} is good enough: nobody set an acceptable value "
                "before the test."
            )
        elif word in ("not shown", "cannot be said"):
            items.append(
                f"Whether {label} for {names} reaches the acceptable value: too uncertain."
            )
    return items


def _not_estimable(files: RunFiles, experiment: Experiment) -> list[str]:
    table = files.metrics
    rows = table[
        (table["attribute"] == "all")
        & table["target"].isin(experiment.primary_targets)
        & (table["state"] == "not_estimable")
    ]
    by_reason: dict[str, list[str]] = {}
    for row in table_rows(rows):
        names = by_reason.setdefault(wording.text_of(row.get("reason")), [])
        if gloss(row["metric"]).label not in names:
            names.append(gloss(row["metric"]).label)
    return [
        f"{_first(names)}: not estimable{f' ({reason})' if reason else ''}."
        for reason, names in by_reason.items()
    ]


def _first(names: list[str]) -> str:
    more = len(names) - NAMED
    return listed(names if more <= 1 else [*names[:NAMED], f"{more} more"])
