"""What of a run is shown in MLflow: decided here, and nowhere else, by ``tracking.share``.

Nothing here talks to a store. Under ``aggregate`` only figures of groups large enough to be shown
leave the run folder; under ``cases`` the rows of cases follow, under keyed pseudonyms.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from aiops.config import Experiment
from aiops.files import plain, read_json, read_table, write_json, write_table, write_text
from aiops.provenance import json_hash

if TYPE_CHECKING:
    import pandas as pd

MOST_METRICS = 40
MOST_POINTS = 500
"""Points of a curve; a longer one is thinned evenly."""

HEADLINE = {
    "classification": ("roc_auc", "average_precision", "sensitivity", "specificity", "brier"),
    "segmentation": ("dice", "nsd", "hd95_mm", "assd_mm", "volume_error_ml", "missed"),
}
"""Metrics shown beside the primary one."""

CURVES = {"loss": "train/loss", "tune_score": "tune/score"}

_RECIPE = {
    "architecture": "arch",
    "steps": "steps",
    "learning_rate": "lr",
    "batch": "batch",
    "loss": "loss",
    "augment": "augment",
    "patch_vox": "patch",
    "precision": "precision",
    "weight_decay": "weight_decay",
    "seed": "seed",
}
_CASE_TABLES = ("predictions", "case_metrics", "masks")
_PSEUDONYM = re.compile(r"^[cps]-[0-9a-f]{16}$")
_PATH_COLUMNS = ("reference", "predicted", "image", "label")


@dataclass(frozen=True)
class Curve:
    """Values of one quantity over the steps of training."""

    name: str
    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Member:
    """The model of a run, or of one of its folds.

    `folder` is None until it is trained. A run without folds has one member, named ``model``.
    """

    name: str
    folder: Path | None
    digest: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class Dataset:
    """What the run saw, by name and digest."""

    name: str
    digest: str
    context: str
    source: str
    n_cases: int | None


@dataclass(frozen=True)
class Projection:
    """A run as MLflow shows it."""

    run_name: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    curves: tuple[Curve, ...]
    dataset: Dataset
    members: tuple[Member, ...]


def project_run(run_dir: Path, experiment: Experiment) -> Projection:
    """Return what MLflow shows of a run, as far as its stages have come.

    Parameters
    ----------
    run_dir : Path
        The run's folder.
    experiment : Experiment
        Its config.
    """
    run = read_json(run_dir / "run.json")
    metrics, tags = _figures(run_dir, experiment)
    members = _members(run_dir)
    return Projection(
        run_name=run["run_name"],
        tags=_tags(run_dir, experiment, run) | tags,
        params=_params(run_dir, experiment),
        metrics=metrics,
        curves=next((member.curves for member in members if member.name == "model"), ()),
        dataset=_dataset(run_dir, experiment, run),
        members=members,
    )


def write_artifacts(run_dir: Path, experiment: Experiment, folder: Path) -> list[str]:
    """Write the files that MLflow shows into `folder`; return the names of those that are tables.

    Under ``aggregate`` no row of a case, no picture and no small count is among them.
    """
    from aiops.report.disclosure import shared_tables

    for page in (run_dir / "report.html", run_dir / "sheet.html"):
        if page.exists():
            write_text(folder / page.name, page.read_text(encoding="utf-8"))
    settings = folder / "settings"
    write_text(settings / "resolved.yaml", (run_dir / "resolved.yaml").read_text(encoding="utf-8"))
    run = read_json(run_dir / "run.json")
    write_json(settings / "environment.json", run.get("environment", {}))
    for name in ("plan.json", "gates.json"):
        if (run_dir / name).exists():
            write_json(settings / name, read_json(run_dir / name))
    tables = dict(shared_tables(run_dir, experiment))
    for name, frame in tables.items():
        write_json(folder / name, _table(frame))
    if experiment.tracking.share == "cases":
        _write_case_files(run_dir, folder / "cases")
    return sorted(tables)


def flat_config(written: Mapping[str, Any]) -> dict[str, str]:
    """Return a config as written, as one level of short texts.

    Examples
    --------
    >>> flat_config({"task": "segmentation", "split": {"by": "patient", "test": 0.2}})
    {'task': 'segmentation', 'split.by': 'patient', 'split.test': '0.2'}
    """
    flat: dict[str, str] = {}
    for block, content in written.items():
        if block in {"kind", "intended_use"}:
            continue
        if block == "targets" or not isinstance(content, Mapping):
            flat[block] = _text(list(content) if isinstance(content, Mapping) else content)
        else:
            flat |= {f"{block}.{key}": _text(value) for key, value in content.items()}
    if Path(flat.get("data.table", "")).is_absolute():
        flat["data.table"] = Path(flat["data.table"]).name  # folders can name people
    return flat


def _text(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False)


def _read_optional(path: Path) -> Any:
    return read_json(path) if path.exists() else {}


def _params(run_dir: Path, experiment: Experiment) -> dict[str, str]:
    written = yaml.safe_load((run_dir / "resolved.yaml").read_text(encoding="utf-8"))
    plan = _read_optional(run_dir / "plan.json")
    recipe = plan.get("recipe", {})
    short = {key: _text(recipe[name]) for name, key in _RECIPE.items() if name in recipe}
    if plan.get("kind") == "table":
        short = {"arch": plan["model"], "steps": str(plan["rounds"]), "seed": str(plan["seed"])}
    spacing = plan.get("preprocessing", {}).get("spacing_mm")
    if spacing:
        short["spacing_mm"] = _text(spacing)
    primary = experiment.primary
    short["primary"] = f"{primary.metric} of {', '.join(experiment.primary_targets)}"
    return flat_config(written) | short


def _tags(run_dir: Path, experiment: Experiment, run: Mapping[str, Any]) -> dict[str, str]:
    evaluation = _read_optional(run_dir / "evaluation.json")
    gates = _read_optional(run_dir / "gates.json")
    verdict = evaluation.get("verdict") or {}
    seal = evaluation.get("seal") or {}
    tags = {
        "aiops.kind": "evaluate" if experiment.is_vendor else "train",
        "aiops.use_case": experiment.use_case,
        "aiops.share": experiment.tracking.share,
        "aiops.run_hash": str(run.get("hash", "")),
        "aiops.verdict": str(verdict.get("overall") or "not evaluated"),
        "aiops.gate": str(gates.get("outcome") or "not asked"),
        "aiops.demo": str(experiment.use_case.startswith("demo-")).lower(),
        "mlflow.source.name": "aiops",
        "mlflow.note.content": _note(verdict, gates),
    }
    if seal.get("hash"):
        tags["aiops.seal"] = f"{seal['hash'][:12]}, reading {seal.get('reading')}"
    return tags


def _note(verdict: Mapping[str, Any], gates: Mapping[str, Any]) -> str:
    """Return the description of a run: the verdict and the gate in its first lines."""
    lines = [f"**Fairness verdict: {verdict.get('overall', 'not evaluated')}**"]
    lines[0] += f" · gate: {gates.get('outcome', 'not asked')}"
    if verdict.get("sentence"):
        lines.append(str(verdict["sentence"]))
    lines += [f"- {i['id']}: **{i['outcome']}**, {i['reason']}" for i in gates.get("items", [])]
    return "\n\n".join(lines[:2]) + "\n\n" + "\n".join(lines[2:])


def _figures(run_dir: Path, experiment: Experiment) -> tuple[dict[str, float], dict[str, str]]:
    """Return the metrics of a run, at most 40, and the tag that names the worst group."""
    if not (run_dir / "metrics.parquet").exists():
        return {}, {}
    from aiops.report.disclosure import disclosed

    shown = disclosed(run_dir, experiment)
    metrics, gaps = shown.metrics, shown.gaps
    test = metrics[(metrics["split"] == "test") & (metrics["state"] == "ok")]
    primary = experiment.primary.metric
    first, *more = experiment.primary_targets
    found = _one(test, first, primary)
    tags: dict[str, str] = {}
    worst = _worst(test, gaps, experiment)
    if worst:
        # Under one name whichever target it is, so that two runs compare.
        found |= {"test/worst_group": worst["group_value"], "test/worst_gap": worst["gap"]}
        tags["aiops.worst_group"] = f"{worst['attribute']}={worst['group']} ({worst['target']})"
    wanted = [(target, primary) for target in more]
    wanted += [(first, metric) for metric in HEADLINE[experiment.task] if metric != primary]
    wanted += [(target, primary) for target in experiment.targets if target != first]
    others = [_one(test, *pair) for pair in dict.fromkeys(wanted)]
    # Every figure before any interval: a run of 14 findings has no room for both.
    for keys in (("",), (".low", ".high")):
        for figures in others:
            some = {name: v for name, v in figures.items() if _ending(name) in keys}
            if len(found) + len(some) <= MOST_METRICS:
                found |= some
    return found, tags


def _one(test: "pd.DataFrame", target: str, metric: str) -> dict[str, float]:
    """Return a figure of the whole test set with its interval and its patients."""
    rows = test[
        (test["attribute"] == "all") & (test["target"] == target) & (test["metric"] == metric)
    ]
    if rows.empty:
        return {}
    row = rows.iloc[0]
    name = _name(target, metric)
    figures = {
        name: row["value"],
        f"{name}.low": row["low"],
        f"{name}.high": row["high"],
        f"{name}.n": row["n_patients"],
    }
    return {key: float(value) for key, value in figures.items() if _is_finite(value)}


def _ending(name: str) -> str:
    return next((end for end in (".low", ".high", ".n") if name.endswith(end)), "")


def _worst(
    test: "pd.DataFrame", gaps: "pd.DataFrame", experiment: Experiment
) -> dict[str, Any] | None:
    """Return the named group that fares worst in the primary metric; a gap below 0 is worse."""
    if gaps.empty:
        return None
    from aiops.report.disclosure import is_hidden

    family = gaps[
        gaps["prespecified"].astype(bool)
        & gaps["target"].isin(experiment.primary_targets)
        & (gaps["metric"] == experiment.primary.metric)
    ]
    if family["reason"].map(is_hidden).any():
        return None  # the worst may be among the hidden: the best of the shown is not the worst
    family = family[family["value"].notna()]
    if family.empty:
        return None
    row = family.sort_values("value").iloc[0]
    same = [test[c] == row[c] for c in ("target", "metric", "attribute", "group")]
    value = test[same[0] & same[1] & same[2] & same[3]]["value"]
    if value.empty:
        return None
    told = {name: str(row[name]) for name in ("target", "attribute", "group")}
    return {**told, "gap": float(row["value"]), "group_value": float(value.iloc[0])}


def _name(target: str, metric: str) -> str:
    return re.sub(r"[^\w.\-/ ]", "_", f"test/{target}/{metric}")


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def _members(run_dir: Path) -> tuple[Member, ...]:
    history = run_dir / "history.jsonl"
    lines = history.read_text(encoding="utf-8").splitlines() if history.exists() else []
    rows = [json.loads(line) for line in lines]
    trained = _read_optional(run_dir / "training.json").get("members", {})
    names = dict.fromkeys([*trained, *(str(row["member"]) for row in rows)])
    return tuple(
        Member(
            name=name,
            folder=run_dir / "model" / name if (run_dir / "model" / name).is_dir() else None,
            digest=str(trained.get(name, {}).get("digest", "")),
            curves=_curves([row for row in rows if row["member"] == name]),
        )
        for name in names
    )


def _curves(rows: list[dict[str, Any]]) -> tuple[Curve, ...]:
    curves = []
    for column, name in CURVES.items():
        points = [(int(r["step"]), float(r[column])) for r in rows if _is_finite(r.get(column))]
        every = max(1, math.ceil(len(points) / MOST_POINTS))
        if points:
            curves.append(Curve(name, tuple(points[every - 1 :: every])))
    return tuple(curves)


def _dataset(run_dir: Path, experiment: Experiment, run: Mapping[str, Any]) -> Dataset:
    from aiops.report.disclosure import policy_of, shown_flow

    fingerprint = _read_optional(run_dir / "fingerprint.json")
    audit = _read_optional(run_dir / "audit.json")
    flow = _read_optional(run_dir / "evaluation.json").get("population_flow") or []
    n_cases = audit.get("n_cases")
    if any(row.get("n_cases") is None for row in shown_flow(flow, policy_of(experiment))):
        n_cases = None  # one could count down from it to few people who were left out
    digest = fingerprint.get("content_hash") or json_hash(
        [run.get("hash"), audit.get("n_cases"), audit.get("n_patients")]
    )
    return Dataset(
        name=f"{experiment.use_case} ({experiment.data.modality})",
        digest=str(digest)[:36],
        context="evaluation" if experiment.is_vendor else "training",
        source=Path(experiment.data.table).name,
        n_cases=n_cases,
    )


def _table(frame: "pd.DataFrame") -> dict[str, Any]:
    """Return a table in the form that the MLflow UI shows as one."""
    rows = [[None if _is_missing(v) else plain(v) for v in row] for row in frame.to_numpy(object)]
    return {"columns": [str(column) for column in frame.columns], "data": rows}


def _is_missing(value: Any) -> bool:
    import pandas as pd

    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def _write_case_files(run_dir: Path, folder: Path) -> None:
    """Write the rows of cases under keyed pseudonyms, without the names of files.

    The internal report names cases as the config's table does, so it goes along only where those
    names are pseudonyms already, as `aiops ingest` makes them.
    """
    from aiops.data.ingest import key_file, pseudonym

    secret = key_file().read_bytes()
    named: set[str] = set()
    for name in _CASE_TABLES:
        path = run_dir / f"{name}.parquet"
        if not path.exists():
            continue
        frame = read_table(path)
        frame = frame.drop(columns=[c for c in _PATH_COLUMNS if c in frame])
        for column in ("case_id", "study_id", "patient_id"):
            if column in frame:
                ids = set(frame[column].dropna().astype(str))
                named |= ids
                known = {
                    i: i if _PSEUDONYM.match(i) else pseudonym(i, secret, prefix=column[0])
                    for i in ids
                }
                frame[column] = frame[column].astype("string").map(known)
        write_table(folder / f"{name}.parquet", frame)
    internal = run_dir / "report_internal.html"
    if internal.exists() and all(_PSEUDONYM.match(name) for name in named):
        write_text(folder / internal.name, internal.read_text(encoding="utf-8"))
