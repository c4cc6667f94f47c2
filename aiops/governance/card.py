"""The model card: one inner model, shown as HTML and as Hugging Face Markdown.

What a run knows is filled in and says from which file; what only people know stands as a blank
until they write it into ``card.yaml`` beside the config. Nothing is made up, and the card says how
many blanks are left.
"""

import html
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from aiops.config import Experiment
from aiops.errors import ConfigError
from aiops.files import write_json, write_text
from aiops.governance.usecase import registered
from aiops.lookup import nearest
from aiops.provenance import json_hash
from aiops.report.files import RunFiles, read_run, shareable

FOLDER = "card"


@dataclass(frozen=True)
class Field:
    """One line of a card.

    Parameters
    ----------
    id, label : str
        Its key in ``card.yaml``, and what a reader sees.
    value : str
        Empty: nobody has said it.
    source : str
        The file of the run, or ``card.yaml``, that it was read from.
    """

    id: str
    label: str
    value: str = ""
    source: str = ""


@dataclass(frozen=True)
class Section:
    """Lines that belong together."""

    title: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Figure:
    """One figure of a card with its interval and its n."""

    target: str
    metric: str
    group: str
    text: str
    value: float


@dataclass(frozen=True)
class Card:
    """All that a card says."""

    name: str
    task: str
    sections: tuple[Section, ...]
    figures: tuple[Figure, ...]
    is_demo: bool

    @property
    def blanks(self) -> tuple[Field, ...]:
        """The lines that nobody has filled."""
        return tuple(f for s in self.sections for f in s.fields if not f.value)

    @property
    def sha256(self) -> str:
        """Digest of all the card says."""
        told = [[f.id, f.value] for s in self.sections for f in s.fields]
        return json_hash([self.name, told, [[*vars(f).values()] for f in self.figures]])


PEOPLE: dict[str, tuple[tuple[str, str], ...]] = {
    "Accountability": (
        ("developer", "Developed by"),
        ("contact", "Contact"),
        ("senior_owner", "Senior responsible owner"),
        ("safety_officer", "Clinical safety officer"),
        ("funding", "Funding"),
    ),
    "Use": (
        ("users", "Who uses it"),
        ("workflow", "Where it stands in the pathway"),
        ("out_of_scope", "Not for"),
        ("human_oversight", "Who checks its answer, and how"),
        ("training", "Training its users need"),
        ("alternatives", "Alternatives that were considered"),
    ),
    "Warnings": (
        ("known_risks", "Known risks"),
        ("limitations", "Limitations"),
    ),
    "Data": (
        ("data_source", "Where the data come from"),
        ("reference_standard", "Who set the reference standard, and how"),
        ("data_licence", "Licence or approval of the data"),
    ),
    "Maintenance": (
        ("monitoring", "How it is watched"),
        ("change_control", "How it is changed"),
        ("security", "How it is kept safe"),
    ),
    "Impact": (
        ("dpia", "Data protection impact assessment"),
        ("equality", "Equality impact assessment"),
    ),
    "Release": (("licence", "Licence"), ("release_stage", "Stage of release")),
}
"""What only people can say, by section."""


def write_card(run_dir: Path, experiment: Experiment, said: Path | None = None) -> Card:
    """Write ``card/card.html``, ``card/README.md`` (Hugging Face) and ``card/card.json``.

    Parameters
    ----------
    run_dir : Path
        An evaluated run.
    experiment : Experiment
        Its config.
    said : Path, optional
        YAML with what people say, by the ids of `PEOPLE`.

    Raises
    ------
    ConfigError
        If `said` names a field that no card has.
    StageError
        If the run has not been evaluated.
    """
    card = make_card(shareable(read_run(run_dir)), experiment, _said(said))
    folder = run_dir / FOLDER
    write_text(folder / "card.html", as_html(card))
    write_text(folder / "README.md", as_markdown(card))
    write_json(
        folder / "card.json",
        {
            "sha256": card.sha256,
            "sections": {s.title: {f.id: f.value or None for f in s.fields} for s in card.sections},
            "figures": [vars(f) for f in card.figures],
            "blanks": [f.id for f in card.blanks],
        },
    )
    return card


def make_card(files: RunFiles, experiment: Experiment, said: Mapping[str, str]) -> Card:
    """Return the card of a run; `files` with small counts hidden, for a card travels."""
    known = {
        "Identity": tuple(_identity(files, experiment)),
        "Use": (Field("intended_use", "Intended use", experiment.intended_use.strip(), "config"),),
        "Model": tuple(_model(files)),
        "Data": tuple(_data(files, experiment)),
        "Warnings": tuple(_warnings(files)),
        "Accountability": tuple(_accountability(experiment)),
        "Integrity": tuple(_integrity(files)),
    }
    order = ("Identity", "Release", "Accountability", "Use", "Warnings", "Model", "Data",
             "Impact", "Maintenance", "Integrity")  # fmt: skip
    blank = {
        title: tuple(Field(i, label, said.get(i, ""), "card.yaml") for i, label in fields)
        for title, fields in PEOPLE.items()
    }
    sections = tuple(
        Section(title, (*known.get(title, ()), *blank.get(title, ()))) for title in order
    )
    return Card(
        name=experiment.use_case,
        task=experiment.task,
        sections=sections,
        figures=tuple(_figures(files, experiment)),
        is_demo=experiment.use_case.startswith("demo-"),
    )


def as_markdown(card: Card) -> str:
    """Return the card as Hugging Face reads it: YAML first, then Markdown."""
    head = {
        "library_name": "clinical-aiops",
        "pipeline_tag": f"image-{card.task}" if card.task == "segmentation" else card.task,
        "tags": ["medical", card.task],
        "model-index": [{"name": card.name, "results": [_result(card, f) for f in card.figures]}],
    }
    licence = next((f.value for s in card.sections for f in s.fields if f.id == "licence"), "")
    if licence:
        head["license"] = licence
    lines = ["---", yaml.safe_dump(head, sort_keys=False, allow_unicode=True).rstrip(), "---", ""]
    lines += [f"# {card.name}", "", _opening(card), ""]
    for section in card.sections:
        lines += [f"## {section.title}", ""]
        lines += [f"- **{f.label}**: {_md(f.value) or '*not said*'}" for f in section.fields]
        lines.append("")
    lines += ["## Figures", "", "| target | metric | group | value (95 % interval), n |",
              "| --- | --- | --- | --- |"]  # fmt: skip
    lines += [f"| {_md(f.target)} | {f.metric} | {_md(f.group)} | {f.text} |" for f in card.figures]
    return "\n".join([*lines, "", f"Card {card.sha256[:16]}.", ""])


def as_html(card: Card) -> str:
    """Return the card as one page that asks for nothing from elsewhere."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("aiops"), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("card.html.j2").render(card=card, opening=_opening(card))


def _opening(card: Card) -> str:
    demo = "Demonstration: the patients do not exist. " if card.is_demo else ""
    n = len(card.blanks)
    left = "Every line is filled." if not n else f"{n} lines are blank: nobody has said them."
    return f"{demo}Not a medical device; no claim of conformity is made. {left}"


def _result(card: Card, figure: Figure) -> dict[str, Any]:
    return {
        "task": {"type": card.task},
        "dataset": {"name": f"sealed test list, {figure.group}", "type": "private"},
        "metrics": [
            {"type": figure.metric, "name": f"{figure.target}: {figure.text}",
             "value": round(figure.value, 4)}
        ],
    }  # fmt: skip


def _identity(files: RunFiles, experiment: Experiment) -> Iterator[Field]:
    case = registered(experiment.use_case)
    yield Field("name", "Name", experiment.use_case, "config")
    yield Field("case_id", "Use case", f"{case.id} {case.title}" if case else "", "register")
    yield Field("version", "Version", files.name, "run.json")
    yield Field("date", "Made", str(files.run.get("created", ""))[:10], "run.json")
    yield Field("task", "Task", f"{experiment.task}, {experiment.data.modality}", "config")
    yield Field("outputs", "Answers", ", ".join(experiment.targets), "config")


def _accountability(experiment: Experiment) -> Iterator[Field]:
    case = registered(experiment.use_case)
    yield Field("clinical_lead", "Clinical lead", case.clinical_lead if case else "", "register")
    yield Field("owner", "Service that owns it", case.owner if case else "", "register")
    decisions = ", ".join(case.decisions) if case else ""
    yield Field("decisions", "Decisions", decisions or "none yet", "ledger")
    yield Field("state", "State", case.state if case else "not registered", "ledger")


def _model(files: RunFiles) -> Iterator[Field]:
    plan = files.plan
    recipe = plan.get("recipe", {})
    kind = recipe.get("architecture") or plan.get("model") or ("a supplier's" if not plan else "")
    yield Field("architecture", "Kind of model", str(kind), "plan.json")
    members = files.training.get("members", {})
    seconds = sum(float(m["seconds"]) for m in members.values())
    steps = {str(m["steps_done"]) for m in members.values()}
    trained = f"{', '.join(sorted(steps))} steps, {seconds / 60:.1f} minutes" if members else ""
    yield Field("training_run", "Trained for", trained or "not trained here", "training.json")
    environment = files.run.get("environment", {})
    names = ("clinical-aiops", "torch", "monai", "scikit-learn")
    versions = ", ".join(f"{n} {environment[n]}" for n in names if n in environment)
    yield Field("software", "Made with", versions, "run.json")


def _data(files: RunFiles, experiment: Experiment) -> Iterator[Field]:
    counts = files.split.get("counts", {})
    parts = [
        f"{part} {n['patients']} patients, {n['cases']} cases"
        for part, n in counts.items()
        if n.get("cases")
    ]
    yield Field("splits", "Patients and cases", "; ".join(parts), "split.json")
    yield Field("split_by", "Shared out", f"by {experiment.split.by}", "config")
    groups = experiment.fairness.attributes if experiment.fairness else []
    named = ", ".join(groups) or "no group was named in advance"
    yield Field("groups", "Groups tested", named, "config")


def _warnings(files: RunFiles) -> Iterator[Field]:
    verdict = files.evaluation.get("verdict") or {}
    text = f"{verdict.get('overall', 'not assessed')}. {verdict.get('sentence', '')}".strip()
    yield Field("fairness", "As good for each group?", text, "evaluation.json")
    gate = files.gates.get("outcome", "not asked")
    yield Field("gate", "Gate", str(gate), "gates.json")
    notes = " ".join(files.evaluation.get("notes", []))
    yield Field("notes", "To know", notes or "nothing was noted", "evaluation.json")


def _integrity(files: RunFiles) -> Iterator[Field]:
    members = files.training.get("members", {})
    digest = "+".join(str(m["digest"]) for m in members.values())
    seal = (files.evaluation.get("seal") or {}).get("hash", "")
    told = digest or files.evaluation.get("predictions_sha256") or ""
    yield Field("model_digest", "Digest of the model, or of a supplier's predictions", told,
                "training.json")  # fmt: skip
    yield Field("test_seal", "Seal of the test list", str(seal), "evaluation.json")


def _figures(files: RunFiles, experiment: Experiment) -> Iterator[Figure]:
    """Yield the primary figures, over all and by the groups named in advance."""
    named = ["all", *(experiment.fairness.attributes if experiment.fairness else [])]
    rows = files.metrics[
        files.metrics["target"].isin(experiment.primary_targets)
        & (files.metrics["metric"] == experiment.primary.metric)
        & files.metrics["attribute"].isin(named)
        & (files.metrics["state"] == "ok")
    ]
    for row in rows.to_dict("records"):
        n = row["n_patients"]
        people = f", {n:.0f} patients" if math.isfinite(n) else ""
        whom = "all" if row["attribute"] == "all" else f"{row['attribute']} {row['group']}"
        text = f"{row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f}){people}"
        yield Figure(row["target"], row["metric"], whom, text, float(row["value"]))


def _said(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    known = [i for fields in PEOPLE.values() for i, _ in fields]
    odd = [name for name in found if name not in known]
    if odd:
        guess = nearest(odd[0], known)
        raise ConfigError(
            f"a card has no field '{odd[0]}'" + (f"; did you mean '{guess}'?" if guess else ""),
            where=str(path),
            fix=f"fields that people fill: {', '.join(known)}",
        )
    return {name: str(text).strip() for name, text in found.items()}


def _md(text: str) -> str:
    """Return text on one line that Markdown and HTML leave alone."""
    plain = html.escape(" ".join(text.split()), quote=False)
    for sign in "\\`*_[]|":
        plain = plain.replace(sign, f"\\{sign}")
    return plain
