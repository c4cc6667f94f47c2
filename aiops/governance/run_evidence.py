"""What an evaluated run shows of a reason: bounds, gaps between groups and sites, net benefit.

Runs are read, never run: no model is fitted but the simple one, on patients that are not sealed.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiops.config import Experiment
from aiops.files import read_json, read_table
from aiops.governance.evidence import clears
from aiops.governance.figure_checks import gains_of
from aiops.governance.reason_evidence import (
    Evidence,
    count,
    evidence,
    share,
    threshold_of,
    worst,
)
from aiops.governance.run_checks import not_compared
from aiops.governance.transfer_evidence import (
    config_of,
    evaluated,
    external_drop,
    figure_of,
    signed,
    site_drop,
    unusable,
)

if TYPE_CHECKING:
    import pandas as pd

LEAST, MOST = 0.05, 0.5
"""Threshold probabilities between which net benefit is looked at."""


def below_target(*, run_dir: Path | None, **_: Any) -> Evidence | None:
    """Return the primary figure against the value set before the test (R11)."""
    told = evaluated(run_dir)
    if told is None:
        return None
    from evaluation import METRICS

    found = []
    for row in told["primary"]:
        asked, metric = row.get("acceptable"), METRICS[row["metric"]]
        if asked is None and run_dir is not None:
            asked = config_of(run_dir).primary.acceptable
        said = (
            f"{metric.label} of {row['target']} is {figure_of(row)}, n={count(row['n_patients'])}"
        )
        if asked is None:
            found.append(_of_run("R11", f"{said}; no value was set before the test.", row, run_dir))
            continue
        outcome, why = clears("", row, asked, metric.higher_is_better)
        supports = {"fail": True, "pass": False, "undecided": None}[outcome]
        word = {"fail": "the whole interval misses it", "pass": "the interval clears it"}.get(
            outcome, f"it cannot be told ({why.removeprefix(': ')})"
        )
        said += f"; {asked:g} was set before the test: {word}"
        found.append(_of_run("R11", f"{said}.", row, run_dir, threshold=asked, supports=supports))
    return worst(found)


def interval_width(*, run_dir: Path | None, **_: Any) -> Evidence | None:
    """Return how well the test patients let the primary figure be known (R01)."""
    told = evaluated(run_dir)
    if told is None:
        return None
    found = []
    for row in told["primary"]:
        name, bound = f"{row['metric']} of {row['target']}", _width_wanted(row["metric"])
        if why := unusable(row):
            said = f"How well {name} is known cannot be told: {why}."
            found.append(_of_run("R01", said, row, run_dir, threshold=bound))
            continue
        half = (row["high"] - row["low"]) / 2
        said = f"{count(row['n_patients'])} test patients let {name} be known to ±{half:.3f}; "
        said += f"±{bound:g} is wanted." if bound is not None else "no width was set for it."
        supports = None if bound is None else half > bound
        one = _of_run("R01", said, row, run_dir, threshold=bound, supports=supports)
        found.append({**one, "value": half, "low": None, "high": None})
    return worst(found)


def group_gaps(*, run_dir: Path | None, **_: Any) -> Evidence | None:
    """Return the gap of the group that is served worst, among those named in advance (R13)."""
    if evaluated(run_dir) is None or run_dir is None:
        return None
    from aiops.report.disclosure import disclosed, is_hidden

    experiment = config_of(run_dir)
    fairness = experiment.fairness
    if fairness is None:
        return evidence("R13", "No group was named in advance.", source=run_dir.name)
    margin = fairness.margin
    family, shown = (
        table[table["prespecified"].astype(bool) & (table["verdict"] != "")]
        for table in (read_table(run_dir / "gaps.parquet"), disclosed(run_dir, experiment).gaps)
    )
    missing = not_compared(family, fairness.attributes, experiment.primary_targets)
    n_worse = int((family["verdict"] == "concern").sum())
    n_fine = int((family["verdict"] == "adequate").sum())
    proven = n_fine == len(family) > 0 and not missing
    supports = True if n_worse else False if proven else None
    hidden = shown["reason"].map(is_hidden)
    n_hidden = len(family) - len(shown) + int(hidden.sum())
    said = f"{len(family)} groups were compared, the margin is {margin:g}: {n_worse} surely worse "
    said += f"off than the rest with the margin not ruled out, {n_fine} surely not worse off by it"
    said += f", figures hidden for {n_hidden}" if n_hidden else ""
    said += f"; not compared: {', '.join(missing)}" if missing else ""
    rows = shown[~hidden & shown["high_simultaneous"].notna()].sort_values("high_simultaneous")
    if rows.empty:
        return evidence("R13", f"{said}.", supports=supports, source=run_dir.name, threshold=margin)
    first = rows.iloc[0]
    value, low, high = first["value"], first["low_simultaneous"], first["high_simultaneous"]
    n = int(first["n_patients"]) if math.isfinite(first["n_patients"]) else None
    said += f". Lowest: {first['attribute']} {first['group']}, {signed(value, low, high)} "
    said += f"in {first['metric']} of {first['target']}" + (f", n={count(n)}" if n else "")
    return evidence(
        "R13", f"{said}.", supports=supports, value=value, low=low, high=high, n=n,
        threshold=margin, source=f"{run_dir.name}/gaps.parquet",
    )  # fmt: skip


def simple_model(*, run_dir: Path | None, **_: Any) -> Evidence | None:
    """Return whether a logistic regression does as well as the table model of a run (R10).

    It learns from the run's own training patients and is compared on those the run was tuned on:
    the sealed test list stays sealed. The model was tuned there, which speaks for the model.
    """
    if run_dir is None or not (run_dir / "predictions.parquet").exists():
        return None
    experiment = config_of(run_dir)
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
    said = signed(held.difference, held.lower, held.upper)
    return evidence(
        "R10",
        f"A logistic regression has an AUC of {found.b.value:.3f}, the model {found.a.value:.3f}, "
        f"on {count(held.n_patients)} patients set aside: {said}, {held.outcome} at a margin of "
        f"{margin:g}.",
        supports=supports, value=held.difference, low=held.lower, high=held.upper,
        n=held.n_patients, threshold=margin, source=run_dir.name,
    )  # fmt: skip


def net_benefit(*, run_dir: Path | None, **_: Any) -> Evidence | None:
    """Return at how many thresholds acting on the tool is surely better than all or none (R15).

    Supported where it is surely no better than one of the two at every threshold that can be
    judged, and at least half of them can; refuted where it is surely better at the share asked for.
    """
    path = run_dir / "tables" / "decision_curve.parquet" if run_dir else None
    if run_dir is None or path is None or not path.exists():
        return None
    curve = read_table(path)
    if "over_all" not in curve:
        return None
    found = []
    between = (curve["threshold"] >= LEAST) & (curve["threshold"] <= MOST + 1e-9)
    for target in config_of(run_dir).primary_targets:
        rows = curve[between & (curve["target"] == target)].to_dict("records")
        if rows:
            found.append(_benefit_of(target, rows, run_dir))
    return worst(found)


def _benefit_of(target: str, rows: Sequence[Mapping[Any, Any]], run_dir: Path) -> Evidence:
    bound = threshold_of("R15", "share_of_thresholds")
    gains = [list(gains_of(row).values()) for row in rows]
    known = [[gain for gain in both if not unusable(gain)] for both in gains]
    better = [len(both) == 2 and all(gain["low"] > 0 for gain in both) for both in known]
    no_better = [any(gain["high"] <= 0 for gain in both) for both in known]
    judged = [len(both) == 2 or no for both, no in zip(known, no_better, strict=True)]
    useful = sum(better) / len(rows)
    hopeless = sum(judged) >= len(rows) / 2 and sum(no_better) == sum(judged)
    supports = True if hopeless else False if useful >= bound else None
    said = f"{target}: acting on the tool is surely better than treating all or none at "
    said += f"{share(useful)} of the thresholds from {LEAST:g} to {MOST:g}, surely no better at "
    said += f"{share(sum(no_better) / len(rows))}"
    # What it gains is what it gains over the better of the two.
    least = [min(both, key=lambda gain: gain["value"]) for both in known if len(both) == 2]
    at = [row["threshold"] for row, both in zip(rows, known, strict=True) if len(both) == 2]
    if least:
        best = max(range(len(least)), key=lambda i: float(least[i]["value"]))
        figures = (100 * least[best][name] for name in ("value", "low", "high"))
        told = "{:.1f} ({:.1f} to {:.1f})".format(*figures).replace("-", "−")
        said += f"; the most it gains over them is {told} true positives in 100 cases, "
        said += f"at {at[best]:g}"
    n = int(max(row["n_patients"] for row in rows))
    return evidence(
        "R15", f"{said}; n={count(n)} patients.", supports=supports, value=useful, n=n,
        threshold=bound, source=f"{run_dir.name}/tables/decision_curve.parquet",
    )  # fmt: skip


RUNS: Mapping[str, Callable[..., Evidence | None]] = {
    "R01": interval_width,
    "R02": site_drop,
    "R10": simple_model,
    "R11": below_target,
    "R12": external_drop,
    "R13": group_gaps,
    "R15": net_benefit,
}


def _width_wanted(metric: str) -> float | None:
    """Return the half width that is wanted: the metric's own, else of a share; None if unset."""
    from aiops.governance.policy import read_reasons
    from evaluation import METRICS

    own = read_reasons().codes["R01"].thresholds.get(f"half_width_{metric}")
    if own is not None:
        return float(own)
    is_share = (METRICS[metric].low, METRICS[metric].high) == (0, 1) and not METRICS[metric].unit
    return threshold_of("R01", "half_width") if is_share else None


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
