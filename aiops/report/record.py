"""Sections on how the figures came about: population, training, audit, gate, limits, provenance."""

from typing import Any

import numpy as np
import pandas as pd

from aiops.config import Experiment
from aiops.provenance import code_version, environment
from aiops.report import figures, wording
from aiops.report.blocks import (
    Block,
    Bullets,
    Cell,
    Chip,
    Code,
    Details,
    Figure,
    Prose,
    Section,
    Table,
)
from aiops.report.curves import FloatArray
from aiops.report.disclosure import HIDDEN, is_telling
from aiops.report.files import Json, RunFiles
from aiops.report.findings import seal_sentence
from aiops.report.verdict import verdict_chip
from aiops.report.wording import count, gloss, is_number, readable

MAX_FINDINGS = 200
"""Findings listed one by one in the internal report; all of them stand in audit.json."""

FINDING_CHIPS = {
    "stop": Chip("stops the run", "bad"),
    "note": Chip("note", "quiet"),
    "accepted": Chip("accepted", "open"),
    "excluded": Chip("cases left out", "good"),
}


def population(files: RunFiles, experiment: Experiment) -> Section:
    """Return how many cases there were at first, which were left out and why, and what was left."""
    flow: list[Json] = files.evaluation.get("population_flow") or []
    blocks: list[Block] = []
    if flow:
        rows = tuple(
            (
                str(step.get("step", "")),
                count(step.get("n_patients")),
                count(step.get("n_cases")),
                wording.text_of(step.get("reason")) or wording.DASH,
            )
            for step in flow
        )
        blocks.append(
            Table(
                caption="From the table to the figures",
                columns=("Step", "Patients", "Cases", "Reason"),
                rows=rows,
                numbers=frozenset({1, 2}),
            )
        )
    else:
        blocks.append(Prose("The run does not say how its cases were chosen."))
    blocks += [Prose(text) for text in _failures(files, experiment)]
    if experiment.is_vendor:
        blocks.append(Prose("Nothing was trained here, so there are no training cases."))
    elif files.split.get("counts"):
        blocks.append(_split_table(files.split))
    return Section("population", "Which cases were used", "Population flow", tuple(blocks))


def training(files: RunFiles, experiment: Experiment) -> Section:
    """Return how the model was trained: budget, seeds, curve, best step."""
    title = "How it was trained"
    if experiment.is_vendor:
        text = (
            "The tool came ready made; nothing was trained here. What it was trained on is for "
            "its maker to say."
        )
        return Section("training", title, "Training", (Prose(text),))
    blocks: list[Block] = []
    facts = _training_facts(files, experiment)
    if facts:
        blocks.append(Table(caption="Training", columns=("What", "Value"), rows=tuple(facts)))
    members: Json = files.training.get("members") or {}
    if any(told.get("cut_by_clock") for told in members.values()):
        blocks.append(Prose("The clock cut the training short; it cannot be repeated exactly."))
    elif members:
        blocks.append(Prose("Training ran to its planned end; the clock did not cut it short."))
    blocks.append(_learning(files.history))
    return Section("training", title, "Training", tuple(blocks))


def _how_often(code: str, n: object, *, is_shareable: bool) -> Cell:
    if is_shareable and isinstance(n, int) and is_telling(code, n):
        return HIDDEN
    return count(n)


def audit(files: RunFiles, experiment: Experiment) -> Section:
    """Return what the audit of the data found and what was done about it."""
    title, codes = "What was wrong with the data", files.audit.get("codes") or {}
    if not files.audit:
        text = "There is no audit in this run, so faults in the data may have gone unseen."
        return Section("audit", title, "Data audit", (Prose(text),))
    if not codes:
        text = "The audit looked at every case and found nothing to report."
        return Section("audit", title, "Data audit", (Prose(text),))
    rows = tuple(
        (
            name,
            str(code.get("meaning", "")),
            _how_often(name, code.get("n"), is_shareable=files.is_shareable),
            FINDING_CHIPS.get(str(code.get("state")), Chip(str(code.get("state", "")))),
            wording.text_of(code.get("reason")) or wording.DASH,
        )
        for name, code in codes.items()
    )
    blocks: list[Block] = [
        Table(
            caption="Findings by kind",
            columns=("Code", "Meaning", "Findings", "What was done", "Reason given"),
            rows=rows,
            numbers=frozenset({2}),
        )
    ]
    if not files.is_shareable and files.audit.get("findings"):
        blocks.append(_findings(files.audit["findings"]))
    return Section("audit", title, "Data audit", tuple(blocks))


def gate(files: RunFiles, experiment: Experiment) -> Section:
    """Return what the gate asked and how the run answered."""
    title = "What the gate says"
    if not files.gates:
        text = (
            "The gate has not been asked yet: run `aiops gate` and make the report again. "
            "The figures above are no decision."
        )
        return Section("gate", title, "Gate items", (Prose(text),))
    rows = []
    for item in files.gates.get("items", []):
        settle = wording.text_of(item.get("would_decide"))
        reason = wording.text_of(item.get("reason"))
        rows.append(
            (
                str(item.get("question") or item.get("id")),
                verdict_chip(str(item.get("outcome"))),
                _plain(item.get("value")),
                _plain(item.get("threshold")),
                f"{reason} To settle it: {settle}" if settle else reason or wording.DASH,
            )
        )
    policy = f"{files.gates.get('policy', '')} {files.gates.get('policy_version', '')}".strip()
    return Section(
        "gate",
        title,
        "Gate items",
        (
            Prose(f"Policy {policy}. A gate prepares a decision; people make it."),
            Table(
                caption="Gate items",
                columns=("Question", "Answer", "Found", "Asked for", "Reason"),
                rows=tuple(rows),
            ),
        ),
    )


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
    if files.is_shareable:
        items.append(
            "Counts of 1 to 7 patients, cases, positives or negatives of a group are hidden with "
            "their figures, and so are further groups from which they could be computed."
        )
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
    items.append("Groups are taken one attribute at a time; crossings (older women) are not shown.")
    if experiment.intended_use == "":
        items.append("The config does not state an intended use, so fitness for it is not judged.")
    items += [str(note) for note in evaluation.get("notes", [])]
    return Section("limits", "Limits", "What to keep in mind", (Bullets(tuple(items)),))


def provenance(files: RunFiles, experiment: Experiment) -> Section:
    """Return what the figures were made from, and how each metric is defined."""
    run, evaluation = files.run, files.evaluation
    seal = evaluation.get("seal") or {}
    facts = [
        ("Run", files.name),
        ("Config and data (hash)", run.get("hash")),
        ("MLflow run", run.get("mlflow_run_id")),
        ("Sealed test list (SHA-256)", seal.get("hash")),
        ("Predictions (SHA-256)", evaluation.get("predictions_sha256")),
        ("Data (content hash)", files.fingerprint.get("content_hash")),
        ("Gate policy (SHA-256)", files.gates.get("policy_sha256")),
        ("Program (commit)", _code(run)),
    ]
    versions = run.get("environment") or environment()
    blocks: list[Block] = [
        Table(
            caption="Where the figures come from",
            columns=("What", "Value"),
            rows=tuple((name, str(value)) for name, value in facts if value),
        ),
        _definitions(files.metrics),
        Details(
            "Versions",
            (
                Table(
                    caption="Packages",
                    columns=("Package", "Version"),
                    rows=tuple((str(k), str(v)) for k, v in versions.items()),
                ),
            ),
        ),
    ]
    if files.resolved:
        blocks.append(Details("The config of this run (resolved.yaml)", (Code(files.resolved),)))
    return Section("provenance", "Provenance", "Sources and definitions", tuple(blocks))


def _code(run: Json) -> str:
    stage = (run.get("stages") or {}).get("evaluate") or {}
    return str(stage.get("code") or code_version())


def _failures(files: RunFiles, experiment: Experiment) -> list[str]:
    for table in (files.predictions, files.masks):
        if table.empty or "status" not in table:
            continue
        keys = ["case_id", "status", *(["reason"] if "reason" in table else [])]
        bad = table.loc[table["status"] != "ok", keys].drop_duplicates("case_id")
        if bad.empty:
            return ["The tool gave an answer for every case."]
        words = [f"The tool failed on {count(len(bad))} cases. They count as wrong, never as gone."]
        if "reason" in bad and not files.is_shareable:
            reasons = bad["reason"].fillna("no reason given").value_counts()
            words.append("Reasons: " + "; ".join(f"{r} ({n})" for r, n in reasons.items()) + ".")
        return words
    return []


def _split_table(split: Json) -> Table:
    rows = tuple(
        (readable(part).capitalize(), count(n.get("patients")), count(n.get("cases")))
        for part, n in split["counts"].items()
        if n.get("cases")
    )
    return Table(
        caption=f"Shared out by {readable(str(split.get('by', 'patient')))}: nobody stands in two "
        "parts",
        columns=("Part", "Patients", "Cases"),
        rows=rows,
        numbers=frozenset({1, 2}),
    )


def _training_facts(files: RunFiles, experiment: Experiment) -> list[tuple[Cell, ...]]:
    train, plan = experiment.train, files.plan
    recipe: Json = plan.get("recipe") or {}
    members: list[Json] = list((files.training.get("members") or {}).values())
    seconds = sum(float(told.get("seconds") or 0) for told in members)
    best = [str(told["best_step"]) for told in members if told.get("best_step") is not None]
    facts: list[tuple[str, Any]] = [
        ("Kind of model", plan.get("kind")),
        ("Network", recipe.get("architecture")),
        ("Steps planned", recipe.get("steps")),
        ("Batch", recipe.get("batch")),
        ("Patch (voxels)", recipe.get("patch_vox")),
        ("Learning rate", recipe.get("learning_rate")),
        ("Loss", recipe.get("loss")),
        ("Seed of training", train.seed if train else None),
        ("Seed of the split", experiment.split.seed),
        ("Budget", f"{train.budget_minutes:g} min" if train else None),
        ("Time taken", f"{seconds / 60:.1f} min" if seconds else None),
        ("Best step", ", ".join(best)),
        ("Models", f"{len(members)}, one per fold" if len(members) > 1 else None),
    ]
    return [(name, _plain(value)) for name, value in facts if value not in (None, "")]


def _learning(history: tuple[Json, ...]) -> Block:
    first = history[0].get("member") if history else None
    history = tuple(row for row in history if row.get("member") == first)
    steps, loss = _series(history, "loss")
    tune_steps, tune = _series(history, "tune_score")
    if len(steps) < 2:
        return Prose("There is no record of the training steps, so no learning curve.")
    best = float(tune_steps[int(np.argmax(tune))]) if len(tune) else None
    words = f"Loss went from {loss[0]:.3g} to {loss[-1]:.3g} in {steps[-1]:,.0f} steps."
    if best is not None:
        words += f" Best score on the tuning cases: {tune.max():.3f}, at step {best:,.0f}."
    return Figure(
        figures.learning(
            steps,
            loss,
            tune_steps,
            tune,
            best_step=best,
            words=figures.Words("Learning curve", words),
        ),
        f"{words} The model used is the one of the best step.",
    )


def _series(history: tuple[Json, ...], key: str) -> tuple[FloatArray, FloatArray]:
    pairs = [(r["step"], r[key]) for r in history if is_number(r.get(key)) and "step" in r]
    stride = max(1, len(pairs) // 600) if key == "loss" else 1
    both = np.array(pairs[::stride], dtype=np.float64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _findings(findings: list[Json]) -> Details:
    rows = tuple(
        (
            str(f.get("case_id") or wording.DASH),
            str(f.get("code", "")),
            str(f.get("other") or wording.DASH),
            str(f.get("detail") or ""),
            str(f.get("remedy") or ""),
        )
        for f in findings[:MAX_FINDINGS]
    )
    more = len(findings) - len(rows)
    return Details(
        f"Every finding ({len(findings):,})",
        (
            Table(
                caption="Findings one by one",
                columns=("Case", "Code", "Other case", "Detail", "Remedy"),
                rows=rows,
                note=f"{more:,} more stand in audit.json." if more > 0 else "",
            ),
        ),
    )


def _definitions(metrics: pd.DataFrame) -> Table:
    rows = metrics.drop_duplicates("metric")
    body = []
    for _, row in rows.iterrows():
        told = gloss(str(row["metric"]))
        body.append(
            (
                told.label,
                told.plain or wording.DASH,
                wording.text_of(row.get("definition")) or wording.DASH,
                wording.text_of(row.get("method")) or wording.DASH,
            )
        )
    return Table(
        caption="How each metric is defined",
        columns=("Metric", "In plain words", "Definition", "Interval by"),
        rows=tuple(body),
    )


def _plain(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: wording.DASH}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if is_number(value):
        return f"{value:.4g}".replace("-", "−")
    if isinstance(value, list | tuple):
        return " × ".join(_plain(item) for item in value)
    return str(value)
