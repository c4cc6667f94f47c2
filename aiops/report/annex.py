"""Annex: what the audit found, how the model was trained, where the figures come from."""

from typing import Any

import numpy as np
import pandas as pd

from aiops.config import Experiment
from aiops.provenance import code_version, environment
from aiops.report import figures, wording
from aiops.report.blocks import (
    Block,
    Cell,
    Chip,
    Code,
    Details,
    Figure,
    Heading,
    Prose,
    Section,
    Table,
)
from aiops.report.curves import FloatArray
from aiops.report.disclosure import is_telling
from aiops.report.drawing import Words
from aiops.report.files import Json, RunFiles
from aiops.report.wording import count, gloss, is_number

MAX_FINDINGS = 200
"""Findings listed one by one in the internal report; all of them stand in audit.json."""

FINDING_CHIPS = {
    "stop": Chip("stops the run", "bad"),
    "note": Chip("note", "quiet"),
    "accepted": Chip("accepted", "open"),
    "excluded": Chip("cases left out", "good"),
}


def annex(files: RunFiles, experiment: Experiment) -> Section:
    """Return audit, training, sources and definitions."""
    blocks: tuple[Block, ...] = (
        Heading("What was wrong with the data"),
        *_audit(files),
        Heading("How it was trained"),
        *_training(files, experiment),
        Heading("Where the figures come from"),
        *_provenance(files),
    )
    return Section("annex", "Annex", "Audit, training, sources, definitions", blocks)


def _audit(files: RunFiles) -> tuple[Block, ...]:
    codes = files.audit.get("codes") or {}
    if not files.audit:
        return (
            Prose("There is no audit in this run, so faults in the data may have gone unseen."),
        )
    if not codes:
        return (Prose("The audit looked at every case and found nothing to report."),)
    rows = tuple(
        (
            name,
            str(code.get("meaning", "")),
            _how_often(name, code.get("n"), files),
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
    return tuple(blocks)


def _training(files: RunFiles, experiment: Experiment) -> tuple[Block, ...]:
    if experiment.is_vendor:
        text = (
            "The tool came ready made; nothing was trained here. What it was trained on is for "
            "its maker to say."
        )
        return (Prose(text),)
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
    return tuple(blocks)


def _provenance(files: RunFiles) -> tuple[Block, ...]:
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
    return tuple(blocks)


def _how_often(code: str, n: object, files: RunFiles) -> Cell:
    policy = files.disclosure
    if files.is_shareable and isinstance(n, int) and is_telling(code, n, policy.suppress_below):
        return policy.hidden_word
    return count(n)


def _code(run: Json) -> str:
    stage = (run.get("stages") or {}).get("evaluate") or {}
    return str(stage.get("code") or code_version())


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
    return [(name, plain_value(value)) for name, value in facts if value not in (None, "")]


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
            words=Words("Learning curve", words),
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


def plain_value(value: Any) -> str:
    """Return a value of a config or a gate as a person would write it.

    Examples
    --------
    >>> plain_value([96, 96, 64]), plain_value(True), plain_value(0.003)
    ('96 × 96 × 64', 'yes', '0.003')
    """
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: wording.DASH}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if is_number(value):
        return f"{value:.4g}".replace("-", "−")
    if isinstance(value, list | tuple):
        return " × ".join(plain_value(item) for item in value)
    return str(value)
