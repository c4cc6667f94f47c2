"""Whether a run holds elsewhere: at each site that was left out (R02), on other patients (R12)."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from aiops.config import Experiment
from aiops.files import read_json, read_table
from aiops.governance.reason_evidence import (
    Evidence,
    above,
    count,
    evidence,
    threshold_of,
    worst,
)

if TYPE_CHECKING:
    import pandas as pd

    from evaluation import Estimate

Row = Mapping[str, Any]
Limits = tuple[float, float]
LEVEL = 0.95


def site_drop(*, run_dir: Path | None, **_: Any) -> Evidence | None:
    """Return how far sites fall behind when each is tested unseen (R02).

    The limits hold for all sites at once (Bonferroni). The reason is supported where one site
    surely falls behind by more than the bound, and refuted only where none does: a site of too few
    patients leaves it open.
    """
    if evaluated(run_dir) is None or run_dir is None:
        return None
    experiment = config_of(run_dir)
    if not experiment.split.leave_one_out:
        return None
    from aiops.report.disclosure import disclosed

    column, primary = experiment.split.column, experiment.primary
    site = [n for n, a in experiment.data.attributes.items() if a.column == column]
    gaps = disclosed(run_dir, experiment).gaps
    rows = gaps[
        gaps["attribute"].isin(site)
        & (gaps["metric"] == primary.metric)
        & gaps["target"].isin(experiment.primary_targets)
    ]
    if rows.empty:
        return None
    bound = threshold_of("R02", "drop")
    told = [(row, _drop_of(row, len(rows))) for row in rows.to_dict("records")]
    known = [(row, limits) for row, limits in told if limits is not None]
    verdicts = [above(*limits, bound) for _, limits in known]
    supports = True if True in verdicts else None
    if len(known) == len(told) and set(verdicts) == {False}:
        supports = False
    said = f"Each of {rows['group'].nunique()} sites was tested by a model that never saw it"
    short = len(told) - len(known)
    said += f"; of {short} too little is known" if short else ""
    source = f"{run_dir.name}/gaps.parquet"
    if not known:
        return evidence("R02", f"{said}.", threshold=bound, source=source)
    first, (low, high) = max(known, key=lambda one: one[1][0 if supports else 1])
    n = int(first["n_patients"])
    said += (
        f". {first['group']}, with the least to say for it, is "
        f"{signed(first['value'], -high, -low)} in {primary.metric} of {first['target']} against "
        f"the rest, n={count(n)}, limits for all sites at once; a drop of {bound:g} matters."
    )
    return evidence(
        "R02", said, supports=supports, value=-first["value"], low=low, high=high, n=n,
        threshold=bound, source=source,
    )  # fmt: skip


def _drop_of(row: Mapping[Any, Any], n_sites: int) -> Limits | None:
    """Return the limits of the drop at a site, for all sites at once; None where none are known."""
    from scipy.special import ndtri

    from aiops.report.disclosure import is_hidden

    numbers = [row["value"], row["low"], row["high"], row["n_patients"]]
    short = str(row["reason"]).startswith(("too few", "not estimable"))
    if short or is_hidden(row["reason"]) or not all(map(_is_finite, numbers)):
        return None
    tail = (1 - LEVEL) / 2
    wider = float(ndtri(tail / n_sites) / ndtri(tail))
    low = row["value"] - wider * (row["value"] - row["low"])
    high = row["value"] + wider * (row["high"] - row["value"])
    return -high, -low


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
    inside = evaluated(run_dir)
    if inside is None or run_dir is None:
        return None
    experiment = config_of(run_dir)
    outside = evaluated(Path(external)) if external else None
    if external is not None and outside is not None:
        there = {(row["target"], row["metric"]): row for row in outside["primary"]}
        pairs = [
            (row, there[row["target"], row["metric"]])
            for row in inside["primary"]
            if (row["target"], row["metric"]) in there
        ]
        doubt = _not_comparable(run_dir, Path(external))
        where = f"run {Path(external).name}"
        return worst([_lost(*pair, where=where, run_dir=run_dir, doubt=doubt) for pair in pairs])
    if experiment.split.by not in ("time", "site") or experiment.primary.metric != "roc_auc":
        return None
    where = "later patients" if experiment.split.by == "time" else "sites it had not seen"
    found = []
    for row in inside["primary"]:
        tuned = _tune_figure(run_dir, row["target"])
        if tuned is not None:
            here = {name: getattr(tuned, name) for name in ("value", "low", "high", "state")}
            here["n_patients"] = tuned.n_patients
            found.append(_lost(here, row, where=where, run_dir=run_dir))
    return worst(found)


def _lost(here: Row, there: Row, *, where: str, run_dir: Path, doubt: str = "") -> Evidence:
    """Return what is lost from one figure to another, turned so that above 0 is lost."""
    from evaluation import METRICS

    metric, bound = METRICS[there["metric"]], threshold_of("R12", "drop")
    said = f"{there['metric']} of {there['target']}: {figure_of(here)} in development, "
    said += f"{figure_of(there)} on {where}, n={count(int(there['n_patients']))}"
    least = threshold_of("R12", "patients")
    directionless = "the metric has no better and worse" if metric.higher_is_better is None else ""
    if why := unusable(here) or unusable(there) or directionless:
        said = f"{said}. What is lost cannot be told: {why}."
        return evidence("R12", said, threshold=bound, source=run_dir.name)
    if not doubt and min(here["n_patients"], there["n_patients"]) < least:
        doubt = f"{least:g} patients are asked for on both sides"
    sign = 1.0 if metric.higher_is_better else -1.0
    drop = sign * (here["value"] - there["value"])
    a, b = _turned(here, sign), _turned(there, sign)
    # Two sets of patients: the limits of a difference from those of both sides (MOVER).
    low, high = drop - math.hypot(a[0], b[1]), drop + math.hypot(a[1], b[0])
    said = f"{said}; lost {drop:.3f} ({low:.3f} to {high:.3f}), and {bound:g} matters"
    return evidence(
        "R12", f"{said}; that settles nothing: {doubt}." if doubt else f"{said}.",
        supports=None if doubt else above(low, high, bound), value=drop, low=low, high=high,
        n=there["n_patients"], threshold=bound, source=run_dir.name,
    )  # fmt: skip


def _turned(row: Row, sign: float) -> Limits:
    """Return how far the limits lie below and above the figure, on a scale where more is better."""
    below, above_ = row["value"] - row["low"], row["high"] - row["value"]
    return (below, above_) if sign > 0 else (above_, below)


def _not_comparable(run_dir: Path, external: Path) -> str:
    """Return why an external run does not tell of this model on other patients, if so."""
    from aiops.governance.bundle import digests_of, product_of

    products = [product_of(folder) for folder in (run_dir, external)]
    weights = [digests_of(folder).get("weights", "") for folder in (run_dir, external)]
    if not (products[0] and products[0] == products[1]) and not (
        weights[0] and weights[0] == weights[1]
    ):
        return "it is not known to be a run of the same model"
    tested = [_tested(folder) for folder in (run_dir, external)]
    if not (tested[0] and tested[1]):
        return "which patients were tested is not in the runs"
    return "the two share patients" if tested[0] & tested[1] else ""


def _tested(run_dir: Path) -> set[str]:
    for name in ("predictions.parquet", "masks.parquet"):
        if (run_dir / name).exists():
            rows = read_table(run_dir / name)
            return set(rows.loc[rows["split"] == "test", "patient_id"].astype(str))
    return set()


def evaluated(run_dir: Path | None) -> dict[str, Any] | None:
    """Return what the evaluation of a run says; None where it was not evaluated."""
    path = run_dir / "evaluation.json" if run_dir else None
    return read_json(path) if path is not None and path.exists() else None


def config_of(run_dir: Path) -> Experiment:
    """Return the config of a run."""
    text = (run_dir / "resolved.yaml").read_text(encoding="utf-8")
    return Experiment.model_validate(yaml.safe_load(text))


def unusable(row: Row) -> str:
    """Return why a figure cannot be held to anything; empty where it can.

    Examples
    --------
    >>> unusable({"value": 0.8, "low": 0.7, "high": 0.9, "state": "small_n"})
    'small n'
    """
    if row["state"] != "ok":
        return str(row.get("reason") or row["state"]).replace("_", " ")
    if not all(_is_finite(row[name]) for name in ("value", "low", "high")):
        return str(row.get("reason") or "it has no interval")
    return ""


def figure_of(row: Row) -> str:
    """Return a figure with its interval, in three decimals."""
    if not _is_finite(row["value"]):
        return "not estimable"
    if not (_is_finite(row["low"]) and _is_finite(row["high"])):
        return f"{row['value']:.3f} (no interval)"
    return f"{row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f})"


def signed(value: float, low: float, high: float) -> str:
    """Return a difference with its interval.

    Examples
    --------
    >>> signed(-0.1, -0.15, 0.02)
    '−0.100 (−0.150 to +0.020)'
    """
    return f"{value:+.3f} ({low:+.3f} to {high:+.3f})".replace("-", "−")


def _is_finite(value: Any) -> bool:
    return value is not None and math.isfinite(value)


def _tune_figure(run_dir: Path, target: str) -> "Estimate | None":
    from evaluation import roc_auc

    rows: pd.DataFrame = read_table(run_dir / "predictions.parquet")
    rows = rows[(rows["split"] == "tune") & (rows["target"] == target)]
    rows = rows[rows["y_true"].notna() & rows["y_score"].notna()]
    if rows["y_true"].nunique() < 2:
        return None
    return roc_auc(
        rows["y_true"].to_numpy(float) == 1,
        rows["y_score"].to_numpy(float),
        patient_id=rows["patient_id"].to_numpy(str),
    )
