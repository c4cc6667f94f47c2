"""What an evaluated run shows of a reason: bounds, gaps between groups and sites, net benefit.

Runs are read, never run: no model is fitted but the simple one, on patients that are not sealed.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from aiops.config import Experiment
from aiops.files import read_json, read_table
from aiops.governance.reason_evidence import (
    Evidence,
    above,
    below,
    count,
    evidence,
    share,
    threshold_of,
    worst,
)

if TYPE_CHECKING:
    import pandas as pd

    from evaluation import Estimate

LEAST, MOST = 0.05, 0.5
"""Threshold probabilities between which net benefit is looked at."""


def below_target(*, run_dir: Path | None, **_: Any) -> Evidence | None:
    """Return the primary figure against the value set before the test (R11)."""
    told = _evaluated(run_dir)
    if told is None:
        return None
    from evaluation import METRICS

    found = []
    for row in told["primary"]:
        asked, metric = row.get("acceptable"), METRICS[row["metric"]]
        if asked is None and run_dir is not None:
            asked = _config(run_dir).primary.acceptable
        said = f"{metric.label} of {row['target']} is {_figure(row)}, n={count(row['n_patients'])}"
        if asked is None:
            found.append(_of_run("R11", f"{said}; no value was set before the test.", row, run_dir))
            continue
        is_worse = above if metric.higher_is_better is False else below
        supports = is_worse(row["low"], row["high"], asked)
        word = {True: "the whole interval misses it", False: "the interval clears it"}
        said += f"; {asked:g} was set before the test: {word.get(supports, 'it lies inside')}"  # type: ignore[arg-type]
        found.append(_of_run("R11", f"{said}.", row, run_dir, threshold=asked, supports=supports))
    return worst(found)


def interval_width(*, run_dir: Path | None, **_: Any) -> Evidence | None:
    """Return how well the test patients let the primary figure be known (R01)."""
    told = _evaluated(run_dir)
    if told is None:
        return None
    bound, found = threshold_of("R01", "half_width"), []
    for row in told["primary"]:
        if row["low"] is None or row["high"] is None or not math.isfinite(row["high"] - row["low"]):
            why = row.get("reason") or str(row["state"]).replace("_", " ")
            said = f"{row['metric']} of {row['target']} has no interval: {why}."
            found.append(_of_run("R01", said, row, run_dir, threshold=bound))
            continue
        half = (row["high"] - row["low"]) / 2
        said = (
            f"{count(row['n_patients'])} test patients let {row['metric']} of {row['target']} be "
        )
        said += f"known to ±{half:.3f}; ±{bound:g} is wanted."
        one = _of_run("R01", said, row, run_dir, threshold=bound, supports=half > bound)
        found.append({**one, "value": half, "low": None, "high": None})
    return worst(found)


def group_gaps(*, run_dir: Path | None, **_: Any) -> Evidence | None:
    """Return the gap of the group that is served worst, among those named in advance (R13)."""
    if _evaluated(run_dir) is None or run_dir is None:
        return None
    from aiops.report.disclosure import disclosed, is_hidden

    experiment = _config(run_dir)
    if experiment.fairness is None:
        return evidence("R13", "No group was named in advance.", source=run_dir.name)
    margin = experiment.fairness.margin
    shown = disclosed(run_dir, experiment).gaps
    family = shown[shown["prespecified"].astype(bool) & (shown["verdict"] != "")]
    hidden = family["reason"].map(is_hidden)
    rows = family[~hidden & family["high_simultaneous"].notna()].sort_values("high_simultaneous")
    concern = rows[rows["verdict"] == "concern"]
    proven = len(rows) == len(family) and (rows["verdict"] == "adequate").all() and len(rows) > 0
    supports = True if len(concern) else False if proven else None
    said = f"{len(family)} groups were named in advance, the margin is {margin:g}: "
    said += f"worse off {len(concern)}, surely not {int((rows['verdict'] == 'adequate').sum())}"
    said += f", figures hidden for {int(hidden.sum())}" if hidden.any() else ""
    if rows.empty:
        return evidence("R13", f"{said}.", source=run_dir.name, threshold=margin)
    first = rows.iloc[0]
    value, low, high = first["value"], first["low_simultaneous"], first["high_simultaneous"]
    said += f". Worst: {first['attribute']} {first['group']}, {_signed(value, low, high)} "
    said += f"in {first['metric']} of {first['target']}"
    return evidence(
        "R13", f"{said}.", supports=supports, value=value, low=low, high=high,
        n=int(first["n_patients"]) if math.isfinite(first["n_patients"]) else None,
        threshold=margin, source=f"{run_dir.name}/gaps.parquet",
    )  # fmt: skip


def site_drop(*, run_dir: Path | None, **_: Any) -> Evidence | None:
    """Return how far the worst site falls behind when each is tested unseen (R02)."""
    if _evaluated(run_dir) is None or run_dir is None:
        return None
    experiment = _config(run_dir)
    if not experiment.split.leave_one_out:
        return None
    from aiops.report.disclosure import disclosed

    column = experiment.split.column
    site = [n for n, a in experiment.data.attributes.items() if a.column == column]
    gaps = disclosed(run_dir, experiment).gaps
    primary = experiment.primary
    rows = gaps[
        gaps["attribute"].isin(site)
        & (gaps["metric"] == primary.metric)
        & gaps["target"].isin(experiment.primary_targets)
        & gaps["value"].notna()
    ].sort_values("value")
    if rows.empty:
        return None
    bound, first = threshold_of("R02", "drop"), rows.iloc[0]
    drop, low, high = -first["value"], -first["high"], -first["low"]
    return evidence(
        "R02",
        f"Each of {len(rows)} sites was tested by a model that never saw it. The worst, "
        f"{first['group']}, is {_signed(-drop, -high, -low)} in {primary.metric} of "
        f"{first['target']} against the rest; a drop of {bound:g} matters.",
        supports=above(low, high, bound), value=drop, low=low, high=high, threshold=bound,
        source=f"{run_dir.name}/gaps.parquet",
    )  # fmt: skip


def external_drop(
    *, run_dir: Path | None, external: Path | None = None, **_: Any
) -> Evidence | None:
    """Return how much is lost on other patients: an external run, a later time, a new site (R12).

    Parameters
    ----------
    run_dir : Path, optional
        The run.
    external : Path, optional
        A run of the same model on patients from elsewhere. Without it a split by time or site
        tells: development is the part it was tuned on.
    """
    inside = _evaluated(run_dir)
    if inside is None or run_dir is None:
        return None
    experiment = _config(run_dir)
    outside = _evaluated(Path(external)) if external else None
    if outside is not None:
        here, there = inside["primary"][0], outside["primary"][0]
        where = f"run {Path(external).name}" if external else ""
        if (here["target"], here["metric"]) != (there["target"], there["metric"]):
            return None
    else:
        if experiment.split.by not in ("time", "site") or experiment.primary.metric != "roc_auc":
            return None
        found = _tune_figure(run_dir, experiment)
        if found is None:
            return None
        here = {"value": found.value, "low": found.low, "high": found.high}
        there = inside["primary"][0]
        where = "later patients" if experiment.split.by == "time" else "sites it had not seen"
    drop = here["value"] - there["value"]
    # Two sets of patients: the limits of a difference from those of both sides (MOVER).
    low = drop - math.hypot(here["value"] - here["low"], there["high"] - there["value"])
    high = drop + math.hypot(here["high"] - here["value"], there["value"] - there["low"])
    bound = threshold_of("R12", "drop")
    return evidence(
        "R12",
        f"{there['metric']} of {there['target']}: {_figure(here)} in development, "
        f"{_figure(there)} on {where}; lost {drop:.3f} ({low:.3f} to {high:.3f}), and {bound:g} "
        "matters.",
        supports=above(low, high, bound), value=drop, low=low, high=high, n=there["n_patients"],
        threshold=bound, source=run_dir.name,
    )  # fmt: skip


def simple_model(*, run_dir: Path | None, **_: Any) -> Evidence | None:
    """Return whether a logistic regression does as well as the table model of a run (R10).

    It learns from the run's own training patients and is compared on those the run was tuned on:
    the sealed test list stays sealed. The model was tuned there, which speaks for the model.
    """
    if run_dir is None or not (run_dir / "predictions.parquet").exists():
        return None
    experiment = _config(run_dir)
    features, model = experiment.data.features, experiment.train
    if features is None or model is None or experiment.primary.metric != "roc_auc":
        return None
    if model.architecture == "logistic":
        return evidence("R10", "The model is the simple one already.", source=run_dir.name)
    scored = _parts(run_dir, experiment)
    tune = scored[scored["split"] == "tune"]
    learn = scored[scored["split"] == "train"]
    if tune["y"].nunique() < 2 or learn["y"].nunique() < 2:
        return None
    from evaluation import non_inferiority, paired_roc_auc
    from models.baselines import fit_table

    columns = [*features.numeric, *features.categorical]
    simple = fit_table(
        learn[columns], learn["y"].to_numpy(bool), numeric=features.numeric,
        categorical=features.categorical, name="logistic",
    )  # fmt: skip
    found = paired_roc_auc(
        tune["y"].to_numpy(bool),
        tune["y_score"].to_numpy(float),
        simple.predict_proba(tune[columns]),
        patient_id=tune["patient_id"].to_numpy(str),
    )
    margin = threshold_of("R10", "margin")
    held = non_inferiority(found.difference, margin)
    supports = {"non-inferior": True, "superior": True, "inferior": False}.get(held.outcome)
    said = _signed(held.difference, held.lower, held.upper)
    return evidence(
        "R10",
        f"A logistic regression has an AUC of {found.b.value:.3f}, the model {found.a.value:.3f}, "
        f"on {count(held.n_patients)} patients set aside: {said}, {held.outcome} at a margin of "
        f"{margin:g}.",
        supports=supports, value=held.difference, low=held.lower, high=held.upper,
        n=held.n_patients, threshold=margin, source=run_dir.name,
    )  # fmt: skip


def net_benefit(*, run_dir: Path | None, **_: Any) -> Evidence | None:
    """Return at how many thresholds acting on the tool is surely better than all or none (R15)."""
    path = run_dir / "tables" / "decision_curve.parquet" if run_dir else None
    if run_dir is None or path is None or not path.exists():
        return None
    bound = threshold_of("R15", "share_of_thresholds")
    curve, found = read_table(path), []
    between = (curve["threshold"] >= LEAST) & (curve["threshold"] <= MOST + 1e-9)
    for target in _config(run_dir).primary_targets:
        rows = curve[between & (curve["target"] == target) & (curve["state"] == "ok")]
        if rows.empty:
            continue
        default = rows[["treat_all", "treat_none"]].max(axis=1)
        useful = float((rows["low"] > default).mean())
        hopeless = bool((rows["high"] <= default).all() or (rows["net_benefit"] <= default).all())
        supports = True if hopeless else False if useful >= bound else None
        gains = (rows["net_benefit"] - default).to_numpy(float)
        best = float(rows["threshold"].iloc[int(gains.argmax())])
        found.append(
            evidence(
                "R15",
                f"{target}: acting on the tool is surely better than treating all or none at "
                f"{share(useful)} of the thresholds from {LEAST:g} to {MOST:g}; the most it gains "
                f"is {100 * gains.max():.1f} true positives in 100 cases, at {best:g}.",
                supports=supports, value=useful, n=int(rows["n_patients"].max()), threshold=bound,
                source=f"{run_dir.name}/tables/decision_curve.parquet",
            )
        )  # fmt: skip
    return worst(found)


RUNS: Mapping[str, Callable[..., Evidence | None]] = {
    "R01": interval_width,
    "R02": site_drop,
    "R10": simple_model,
    "R11": below_target,
    "R12": external_drop,
    "R13": group_gaps,
    "R15": net_benefit,
}


def _evaluated(run_dir: Path | None) -> dict[str, Any] | None:
    path = run_dir / "evaluation.json" if run_dir else None
    return read_json(path) if path is not None and path.exists() else None


def _config(run_dir: Path) -> Experiment:
    text = (run_dir / "resolved.yaml").read_text(encoding="utf-8")
    return Experiment.model_validate(yaml.safe_load(text))


def _parts(run_dir: Path, experiment: Experiment) -> "pd.DataFrame":
    """Return features, outcome, part and score of the cases that are not sealed."""
    target = experiment.primary_targets[0]
    cases = read_table(run_dir / "cases.parquet").set_index("case_id")
    told = read_json(run_dir / "split.json")["assignments"]
    scored = read_table(run_dir / "predictions.parquet")
    scored = scored[scored["target"] == target].drop_duplicates("case_id").set_index("case_id")
    frame = cases[[c for c in cases.columns if c.startswith("x:")]]
    frame = frame.rename(columns=lambda name: str(name).removeprefix("x:"))
    frame["patient_id"] = cases["patient_id"]
    frame["split"] = [told.get(case, {}).get("split", "") for case in frame.index]
    frame["y"] = cases[f"y:{target}"]
    frame["y_score"] = scored["y_score"].reindex(frame.index)
    is_scored = frame["y_score"].notna() | (frame["split"] == "train")
    return frame[frame["split"].isin(["train", "tune"]) & frame["y"].notna() & is_scored]


def _tune_figure(run_dir: Path, experiment: Experiment) -> "Estimate | None":
    from evaluation import roc_auc

    rows = read_table(run_dir / "predictions.parquet")
    rows = rows[(rows["split"] == "tune") & (rows["target"] == experiment.primary_targets[0])]
    rows = rows[rows["y_true"].notna() & rows["y_score"].notna()]
    if rows["y_true"].nunique() < 2:
        return None
    return roc_auc(
        rows["y_true"].to_numpy(float) == 1,
        rows["y_score"].to_numpy(float),
        patient_id=rows["patient_id"].to_numpy(str),
    )


def _of_run(
    code: str,
    sentence: str,
    row: Mapping[str, Any],
    run_dir: Path | None,
    *,
    threshold: float | None = None,
    supports: bool | None = None,
) -> Evidence:
    return evidence(
        code, sentence, value=row["value"], low=row["low"], high=row["high"], n=row["n_patients"],
        threshold=threshold, supports=supports, source=run_dir.name if run_dir else "",
    )  # fmt: skip


def _figure(row: Mapping[str, Any]) -> str:
    if row["value"] is None or not math.isfinite(row["value"]):
        return "not estimable"
    if row["low"] is None or not math.isfinite(row["low"]):
        return f"{row['value']:.3f} (no interval)"
    return f"{row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f})"


def _signed(value: float, low: float, high: float) -> str:
    return f"{value:+.3f} ({low:+.3f} to {high:+.3f})".replace("-", "−")
