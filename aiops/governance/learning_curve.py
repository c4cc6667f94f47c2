"""How many patients would it take? A model fitted at growing shares of the training patients.

Each fit is scored on the part that the experiment tunes on. The sealed test list is neither learnt
from nor looked at, and no run folder is made.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aiops.config import Experiment
from aiops.errors import ConfigError, DataError
from aiops.files import write_text
from aiops.governance.curve_words import Measured, evidence_of_curve
from aiops.governance.feasibility import SCHEMA_VERSION, latest, write_answer
from aiops.governance.power_law import fit_power_law
from aiops.governance.reason_evidence import count

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[int, int], None]

SHARES = (0.05, 0.1, 0.2, 0.35, 0.6, 1.0)
LEAST_PATIENTS = 20
"""A smaller part teaches a model nothing that a curve could be drawn through."""

FEWEST_FITS = 5
"""Fits of a size, made elsewhere, below which nothing is concluded from them."""
OWN_LIMITS = (
    "The limits hold chance in the patients scored on and in the draws, not that other training "
    "patients would have taught another model."
)
POINTS_LIMITS = (
    "The limits hold chance between the fits, not that in the patients they were scored on."
)


@dataclass(frozen=True)
class Aim:
    """What the curve is asked.

    Parameters
    ----------
    target : float, optional
        Score to be reached; ``primary.acceptable`` of the config when not given.
    per_year : float, optional
        New patients a year, for the whole cohort.
    seeds : int, default=5
        How often each share is drawn.
    n_boot : int, default=400
        Bootstrap replicates, over patients and draws.
    seed : int, default=0
        Of the draws.
    """

    target: float | None = None
    per_year: float | None = None
    seeds: int = 5
    n_boot: int = 400
    seed: int = 0


def learning_curve(
    config_path: Path,
    overrides: Sequence[str] = (),
    aim: Aim | None = None,
    *,
    points: Path | None = None,
    progress: Progress = lambda done, total: None,
) -> dict[str, Any]:
    """Measure or read the learning curve of a config, fit it, and write down what it says of R01.

    Parameters
    ----------
    config_path : Path
        The YAML file of a table model; of any model, where `points` is given.
    overrides : sequence of str
        ``key=value`` pairs.
    aim : Aim, optional
        What is asked.
    points : Path, optional
        Table with the columns n_patients and score, one row a fit that was made elsewhere: nothing
        is trained then.
    progress : callable
        Takes fits done and their number.

    Raises
    ------
    ConfigError
        If there is no target, the metric is no share, or the model cannot be fitted here.
    DataError
        If the cases leave nothing to tune on, or a table cannot be read.
    """
    from aiops.governance.curve_picture import draw_curve
    from aiops.reading import read_config

    config = read_config(config_path, overrides)
    experiment, asked = config.experiment, aim or Aim()
    target = asked.target if asked.target is not None else experiment.primary.acceptable
    if target is None:
        raise ConfigError(
            "no target is set", where=f"{config_path}: primary", fix="add `acceptable`, or --target"
        )
    falls = _require_share(experiment, target, config_path)
    if points is not None:
        measured = _read(points, asked, falls=falls)
    else:
        _require_table_model(experiment, config_path)
        measured = _measure(experiment, config_path, asked, progress)
    law = fit_power_law(measured.n, measured.score, measured.replicates, falls=falls)
    bounds = np.quantile(measured.replicates, [0.025, 0.975], axis=0)
    sizes = zip(measured.n, measured.score, *bounds, strict=True)
    rows = [dict(zip(("n_patients", "score", "low", "high"), s, strict=True)) for s in sizes]
    needed = law.needed(target)
    result = {
        "schema_version": SCHEMA_VERSION,
        "use_case": experiment.use_case,
        "metric": experiment.primary.metric,
        "target": target,
        "per_year": asked.per_year,
        "scored_on": measured.scored_on,
        "n_patients": measured.n_all,
        "n_train": measured.n_train,
        "points": rows,
        "fit": {
            "form": "a − b·n^(−c)", "a": law.a, "b": law.b, "c": law.c, "a_low": law.a_low,
            "a_high": law.a_high, "state": law.state, "reason": law.reason, "n_lost": law.n_lost,
        },
        "needed": dict(zip(("value", "low", "high"), needed, strict=True)),
        "evidence": evidence_of_curve(law, measured, target, asked.per_year),
    }  # fmt: skip
    answer = write_answer(result, "learning-curve")
    picture = Path(answer["file"]).with_suffix(".svg")
    write_text(picture, draw_curve(law, rows, target))
    return {**answer, "picture": str(picture)}


def latest_curve(use_case: str) -> dict[str, Any] | None:
    """Return the newest learning curve of a use case; None if none was drawn."""
    return latest(use_case, "learning-curve")


def _require_share(experiment: Experiment, target: float, config_path: Path) -> bool:
    """Return whether lower is better; refuse a metric that does not run from 0 to 1."""
    from evaluation import METRICS

    metric = METRICS[experiment.primary.metric]
    if metric.higher_is_better is None or (metric.low, metric.high) != (0, 1):
        raise ConfigError(
            f"no curve is drawn of {metric.name}: it is no share with a better end, from 0 to 1",
            where=f"{config_path}: primary.metric",
            fix="name such a metric: primary.metric=dice, say",
        )
    if not 0 <= target <= 1:
        raise ConfigError(
            f"a target of {target:g} cannot be reached: {metric.name} lies between 0 and 1",
            where=f"--target, or {config_path}: primary.acceptable",
            fix="set a target between 0 and 1",
        )
    return not metric.higher_is_better


def _require_table_model(experiment: Experiment, config_path: Path) -> None:
    faults = []
    if experiment.data.features is None or experiment.train is None:
        faults.append(
            "it is no table model, and fits of others take too long to be made in passing"
        )
    if experiment.primary.metric != "roc_auc":
        faults.append(f"its primary metric is {experiment.primary.metric}, not roc_auc")
    if experiment.split.leave_one_out:
        faults.append("every patient is tested, so that nobody is left to score on")
    if faults:
        raise ConfigError(
            "; ".join(faults),
            where=f"{config_path}",
            fix="give scores that were measured elsewhere: --points FILE with the columns "
            "n_patients and score; or override, e.g. split='{by: patient}'",
        )


def _measure(experiment: Experiment, config_path: Path, asked: Aim, progress: Progress) -> Measured:
    learn, tune, n_all = _parts(experiment, config_path)
    people = learn["patient_id"].drop_duplicates().to_numpy(str)
    wanted = sorted({max(LEAST_PATIENTS, round(s * len(people))) for s in SHARES})
    sizes = [n for n in wanted if n <= len(people)]
    scores: dict[int, list[NDArray[np.float64]]] = {n: [] for n in sizes}
    rng = np.random.default_rng(asked.seed)
    total = asked.seeds * (len(sizes) - 1) + 1
    done = 0
    for draw in range(asked.seeds):
        order = rng.permutation(people)
        for n in sizes:
            if n == len(people) and draw:  # all patients: there is one way to draw them
                continue
            part = learn[learn["patient_id"].isin(set(order[:n]))]
            if part["y"].nunique() == 2:
                scores[n].append(_scored(experiment, part, tune, seed=draw))
            progress(done := done + 1, total)
    usable = [n for n in sizes if scores[n]]
    mean, replicates = _aucs([scores[n] for n in usable], tune, asked, rng)
    n_tune = int(tune["patient_id"].nunique())
    return Measured(
        np.array(usable, float), mean, replicates, n_all, len(people),
        f"{count(n_tune)} patients set aside to tune on", limits_hold=OWN_LIMITS,
    )  # fmt: skip


def _parts(experiment: Experiment, config_path: Path) -> tuple["pd.DataFrame", "pd.DataFrame", int]:
    """Return the cases to learn from and to score on, and the patients of the cohort."""
    from aiops.data.audit import audit
    from aiops.data.cases import read_cases
    from aiops.data.split import make_split
    from aiops.pipeline.arrays import member_parts
    from aiops.pipeline.prepare import stop_unless_clean

    cases = read_cases(experiment, config_path=config_path)
    found = audit(cases).to_dict()
    stop_unless_clean(found, str(config_path))
    split = make_split(cases, excluded=found["excluded_cases"])
    cases = cases.without(found["excluded_cases"])
    member = "fold0" if experiment.split.folds else "model"
    parts = member_parts(split.assignments, member, cases.frame)
    frame = cases.features().assign(
        case_id=cases.frame["case_id"],
        patient_id=cases.frame["patient_id"],
        y=cases.frame[f"y:{experiment.primary_targets[0]}"],
    )
    learn, tune = (
        frame[frame["case_id"].isin(set(ids)) & frame["y"].notna()].reset_index(drop=True)
        for ids in parts
    )
    if tune["y"].nunique() < 2 or learn["y"].nunique() < 2:
        raise DataError(
            "the part to tune on, or to learn from, has no patient with the finding, or none "
            "without",
            where=f"{config_path}: split",
            fix="set a larger share aside: split.tune=0.3",
        )
    return learn, tune, cases.n_patients


def _scored(
    experiment: Experiment, part: "pd.DataFrame", tune: "pd.DataFrame", *, seed: int
) -> NDArray[np.float64]:
    from aiops.pipeline.plan import TABLE_ROUNDS
    from models.baselines import fit_table

    features, train = experiment.data.features, experiment.train
    assert features is not None  # asked before
    assert train is not None
    model = fit_table(
        part, part["y"].to_numpy(bool), numeric=features.numeric, categorical=features.categorical,
        name=train.architecture or "hist_gradient_boosting", seed=train.seed + seed,
        rounds=train.steps or TABLE_ROUNDS,
    )  # fmt: skip
    return model.predict_proba(tune)


def _aucs(
    scores: list[list[NDArray[np.float64]]],
    tune: "pd.DataFrame",
    asked: Aim,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean AUC of each size, and of each replicate over patients and draws."""
    from evaluation import patient_weights

    y = tune["y"].to_numpy(bool)
    patient = np.unique(tune["patient_id"].to_numpy(str), return_inverse=True)[1]
    weights = patient_weights(int(patient.max()) + 1, asked.n_boot, rng)[:, patient]
    once = np.ones((1, y.size), np.float32)
    mean, replicates = [], []
    for fits in scores:
        mean.append(np.mean([weighted_auc(y, s, once)[0] for s in fits]))
        by_fit = np.array([weighted_auc(y, s, weights) for s in fits])
        drawn = rng.integers(0, len(fits), (len(fits), asked.n_boot))
        replicates.append(np.take_along_axis(by_fit, drawn, axis=0).mean(axis=0))
    found = np.array(replicates).T
    return np.array(mean), found[np.isfinite(found).all(axis=1)]


def weighted_auc(
    y: NDArray[np.bool_], score: NDArray[np.float64], weights: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the AUC under each row of weights; nan where one kind of case has none.

    Examples
    --------
    >>> y, score = np.array([True, False, False]), np.array([0.5, 0.1, 0.5])
    >>> weighted_auc(y, score, np.ones((1, 3), np.float32)).tolist()
    [0.75]
    """
    order = np.argsort(score, kind="stable")
    ranked = score[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    held = weights[:, order].astype(float)
    ill = np.add.reduceat(held * y[order], starts, axis=1)
    well = np.add.reduceat(held * ~y[order], starts, axis=1)
    pairs = (ill * (np.cumsum(well, axis=1) - well / 2)).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        out: NDArray[np.float64] = pairs / (ill.sum(axis=1) * well.sum(axis=1))
    return out


def _read(points: Path, asked: Aim, *, falls: bool) -> Measured:
    """Read fits that were made elsewhere; replicates are drawn from the spread between them."""
    from aiops.data.table import numbers, read_frame, require_columns

    frame = read_frame(points)
    require_columns(frame, dict.fromkeys(("n_patients", "score"), "--points"), where=str(points))
    n, score = numbers(frame["n_patients"]), numbers(frame["score"])
    if not (np.isfinite(n).all() and (n > 0).all() and ((score >= 0) & (score <= 1)).all()):
        raise DataError(
            "n_patients must be a number above 0 in each row, and score one from 0 to 1",
            where=str(points),
            fix="fill these columns",
        )
    sizes = np.unique(n)
    fits = [score[n == size] for size in sizes]
    few = [f"{s:g}" for s, f in zip(sizes, fits, strict=True) if len(f) < FEWEST_FITS]
    if max(map(len, fits)) < 2:
        raise DataError(
            "each size was fitted once: no spread can be told",
            where=str(points),
            fix=f"fit each size with {FEWEST_FITS} seeds or more",
        )
    doubt = f"fewer than {FEWEST_FITS} fits with {', '.join(few)} patients" if few else ""
    most, mean = int(sizes[-1]), np.array([f.mean() for f in fits])
    replicates = replicates_of(fits, asked.n_boot, np.random.default_rng(asked.seed))
    return Measured(
        sizes, mean, replicates, most, most, f"the fits in {points.name}", falls=falls,
        doubt=doubt, limits_hold=POINTS_LIMITS,
    )  # fmt: skip


def replicates_of(
    fits: Sequence[NDArray[np.float64]], n_boot: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw means of a few fits at each size, with the spread of all sizes pooled.

    Three to ten fits are too few to be drawn from themselves: such a bootstrap is too narrow by
    the square root of (k − 1) / k and knows no t. So means are drawn from a t distribution with
    the pooled degrees of freedom and the pooled spread; where the fits of a size spread more than
    that, with their own.

    Parameters
    ----------
    fits : sequence of ndarray
        Scores at each size, two or more at one of them.
    n_boot : int
        Replicates.
    rng : numpy.random.Generator
        The only source of chance.

    Returns
    -------
    ndarray, shape (n_boot, n_sizes)
        Between 0 and 1.
    """
    counts = np.array([f.size for f in fits])
    squares = np.array([np.square(f - f.mean()).sum() for f in fits])
    df = int((counts - 1).sum())
    own = np.sqrt(squares / np.maximum(counts - 1, 1))
    spread = np.maximum(own, np.sqrt(squares.sum() / df)) / np.sqrt(counts)
    drawn = rng.standard_t(df, (n_boot, len(fits))) * spread
    found: NDArray[np.float64] = np.clip(np.array([f.mean() for f in fits]) + drawn, 0.0, 1.0)
    return found
