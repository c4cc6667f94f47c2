"""Two runs on one sealed test list, compared in pairs: read from their folders, written beside.

Nothing of either run is changed. What is found stands under ``comparisons`` in AIOPS_HOME.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiops.config import Experiment
from aiops.errors import ConfigError, DataError, StageError
from aiops.files import read_json, read_table, write_json, write_table
from aiops.home import home
from aiops.pipeline.seal import record_comparison

if TYPE_CHECKING:
    import pandas as pd

    from evaluation import Comparison, EvaluationPlan


@dataclass(frozen=True)
class Compared:
    """One side: a run's folder, its config and what it was evaluated with."""

    folder: Path
    experiment: Experiment
    evaluation: dict[str, Any]
    seal: str

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.folder.name

    def plan(self) -> "EvaluationPlan":
        """Return how the run was evaluated, its operating points among it."""
        from aiops.pipeline.evaluate import evaluation_plan

        known = bool(self.evaluation.get("patients_known", True))
        return evaluation_plan(self.experiment, known, self.evaluation.get("operating_points", {}))

    def table(self) -> "pd.DataFrame":
        """Return what is compared: predictions, or the figures of cases."""
        masks = self.experiment.task == "segmentation"
        return read_table(self.folder / f"{'case_metrics' if masks else 'predictions'}.parquet")


def comparisons_dir() -> Path:
    """Return the folder of comparisons of runs."""
    return home() / "comparisons"


def find_run(given: str) -> Path:
    """Return a run's folder, named by its path, by its config, or by its name in AIOPS_HOME.

    Parameters
    ----------
    given : str
        Folder of a run, a YAML file, or a run's name or the eight digits at its end.

    Raises
    ------
    StageError
        If there is no such run, or more than one.
    """
    path = Path(given)
    if (path / "run.json").is_file():
        return path.resolve()
    if path.suffix in (".yaml", ".yml") and path.is_file():
        from aiops.pipeline.workspace import open_workspace

        return open_workspace(path).folder
    folders = sorted((home() / "runs").glob("*/*/run.json"))
    found = [f.parent for f in folders if f.parent.name == given or f.parent.name[-8:] == given]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(str(f) for f in found)
        raise StageError(f"'{given}' is the name of {len(found)} runs", where=listed,
                         fix="name its folder")  # fmt: skip
    raise StageError(
        f"there is no run '{given}'",
        where=str(home() / "runs"),
        fix="name a run's folder, its name in AIOPS_HOME (`aiops list`), or its config",
    )


def open_run(given: str) -> Compared:
    """Read one side of a comparison.

    Raises
    ------
    StageError
        If the run is not there or was not evaluated.
    """
    from aiops.reading import read_config

    folder = find_run(given)
    for name in ("resolved.yaml", "split.json", "evaluation.json"):
        if not (folder / name).exists():
            raise StageError(
                "this run has not been evaluated",
                where=str(folder),
                fix="`aiops run` with its config, then compare again",
            )
    return Compared(
        folder=folder,
        experiment=read_config(folder / "resolved.yaml").experiment,
        evaluation=dict(read_json(folder / "evaluation.json")),
        seal=str(read_json(folder / "split.json")["seal"]),
    )


def compare_runs(
    given_a: str, given_b: str, *, margin: float | None = None
) -> tuple[dict[str, Any], "pd.DataFrame"]:
    """Compare run b with run a on the test list that both were evaluated on, and write it down.

    Parameters
    ----------
    given_a, given_b : str
        As `find_run` takes them; above 0 is better for b.
    margin : float, optional
        A loss in the primary metric that would matter: is b non-inferior?

    Returns
    -------
    dict
        What was found: both runs, the test list, primary figures, groups that lost, notes, files.
    DataFrame
        Every row of the comparison.

    Raises
    ------
    ConfigError, DataError
        If the two are one run, were sealed on different test lists, or do different things.
    """
    a, b = open_run(given_a), open_run(given_b)
    _check(a, b)
    found, notes = _compared(a, b)
    name = f"comparison-{a.name[-8:]}-{b.name[-8:]}"
    path = comparisons_dir() / a.experiment.use_case / name
    times = record_comparison(a.seal, a=a.name, b=b.name)
    result = {
        "name": name,
        "task": a.experiment.task,
        "a": _told(a),
        "b": _told(b),
        "seal": {
            "hash": a.seal,
            "readings": max(_readings(a), _readings(b)),
            "comparisons": len(times),
        },
        "primary": _records(found, found["primary"] & (found["attribute"] == "all")),
        "overall": _records(found, found["attribute"] == "all"),
        "groups": _records(found, found["attribute"] != "all"),
        "levelled_down": _records(found, found["levelled_down"]),
        "non_inferiority": _non_inferiority(found, margin, a.experiment.evaluation.level),
        "notes": [*notes, _warning(len(times))],
        "files": {"json": str(path) + ".json", "table": str(path) + ".parquet"},
    }
    write_table(path.with_name(f"{name}.parquet"), found)
    write_json(path.with_name(f"{name}.json"), result)
    return result, found


def _check(a: Compared, b: Compared) -> None:
    """Refuse two runs that cannot be compared in pairs."""
    both = f"{a.folder} and {b.folder}"
    if a.folder == b.folder:
        raise ConfigError("a run was to be compared with itself", where=str(a.folder),
                          fix="name two runs")  # fmt: skip
    if a.experiment.task != b.experiment.task:
        raise DataError(
            f"the runs do different things: {a.experiment.task} and {b.experiment.task}",
            where=both,
            fix="compare runs of one task",
        )
    if a.seal != b.seal:
        raise DataError(
            f"the runs were sealed on different test lists: {a.seal[:12]} and {b.seal[:12]}",
            where=f"split.json of {both}",
            fix="evaluate both on the same cases with the same reference: same table, `split` and "
            "targets; figures of different patients cannot be paired",
        )


def _compared(a: Compared, b: Compared) -> tuple["pd.DataFrame", list[str]]:
    """Return the table of what both answer, and what a reader must know."""
    from evaluation import compare_classification, compare_segmentation

    shared = tuple(t for t in a.experiment.targets if t in b.experiment.targets)
    if not shared:
        raise DataError(
            "the runs have no target in common",
            where=f"targets of {a.folder} and {b.folder}",
            fix="compare runs that answer the same question",
        )
    notes = _differences(a, b, shared)
    plans = [_narrowed(side.plan(), shared) for side in (a, b)]
    tables = [_without_means(side.table(), a, b) for side in (a, b)]
    compare = (
        compare_segmentation if a.experiment.task == "segmentation" else compare_classification
    )
    try:
        found: Comparison = compare(tables[0], tables[1], plans[0], plan_b=plans[1])
    except ValueError as fault:
        raise DataError(
            f"the runs cannot be paired: {fault}",
            where=f"{a.folder} (a) and {b.folder} (b)",
            fix="predict and evaluate both on the same cases, `aiops run`",
        ) from fault
    return found.table, [*notes, *found.notes]


def _narrowed(plan: "EvaluationPlan", shared: Sequence[str]) -> "EvaluationPlan":
    """Return a plan for the targets that both runs have."""
    from evaluation.segmentation import MEAN

    known = {*shared, *([MEAN] if len(shared) > 1 else [])}
    first = tuple(t for t in plan.primary_targets if t in known) or tuple(shared[:1])
    return replace(plan, targets=tuple(shared), primary_targets=first)


def _without_means(table: "pd.DataFrame", a: Compared, b: Compared) -> "pd.DataFrame":
    """Drop means over structures that the other run does not have; they are made anew."""
    if "structure" not in table or set(a.experiment.targets) == set(b.experiment.targets):
        return table
    from evaluation.segmentation import MEAN

    return table[table["structure"] != MEAN]


def _differences(a: Compared, b: Compared, shared: Sequence[str]) -> list[str]:
    notes = []
    for name, one, other in (("a", a, b), ("b", b, a)):
        alone = [t for t in one.experiment.targets if t not in other.experiment.targets]
        if alone:
            notes.append(f"Only in {name}, not compared: {', '.join(alone)}.")
    first = set(a.experiment.primary_targets) & {*shared, "mean"}
    if not first:
        notes.append(f"The primary target of a is not in b; {shared[0]} stands in for it.")
    metrics = [side.experiment.primary.metric for side in (a, b)]
    if metrics[0] != metrics[1]:
        notes.append(f"The primary metric is that of a, {metrics[0]}; b has {metrics[1]}.")
    return notes


def _told(side: Compared) -> dict[str, Any]:
    return {
        "run": side.name,
        "use_case": side.experiment.use_case,
        "folder": str(side.folder),
        "predictions_sha256": side.evaluation.get("predictions_sha256"),
    }


def _readings(side: Compared) -> int:
    return int((side.evaluation.get("seal") or {}).get("reading") or 0)


def _warning(times: int) -> str:
    pairs = "pair of runs has" if times == 1 else "pairs of runs have"
    return (
        f"{times} {pairs} been compared on this sealed test list; the figure of a run that was "
        "chosen on it is too good."
    )


def _records(table: "pd.DataFrame", rows: Any) -> list[dict[str, Any]]:
    from evaluation import comparison_sentence

    found = table[rows].to_dict("records")
    return [{**row, "sentence": comparison_sentence(row)} for row in found]


def _non_inferiority(
    table: "pd.DataFrame", margin: float | None, level: float
) -> list[dict[str, Any]]:
    """Hold the primary differences to the margin."""
    if margin is None:
        return []
    from evaluation import Estimate, non_inferiority

    if not margin > 0:
        raise ConfigError(f"the margin is {margin:g}", where="--margin", fix="a number above 0")
    answers = []
    for row in table[table["primary"] & (table["attribute"] == "all")].to_dict("records"):
        difference = Estimate(
            value=row["difference"],
            low=row["low"],
            high=row["high"],
            n_cases=row["n_cases"],
            n_patients=row["n_patients"],
            n_positive=None,
            n_failed=max(row["n_failed_a"], row["n_failed_b"]),
            method=row["method"],
            state=row["state"],
            definition="paired difference",
            reason=row["reason"],
        )
        found = non_inferiority(difference, margin, level=0.5 + level / 2)
        answers.append(
            {"target": row["target"], "metric": row["metric"], **vars(found),
             "sentence": found.sentence}
        )  # fmt: skip
    return answers
