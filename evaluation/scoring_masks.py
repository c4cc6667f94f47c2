"""The entry for segmentation: a table of figures per case in, tables out."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from evaluation.cells import TargetCases, evaluate_targets, interval_notes
from evaluation.detection import LESION_COUNTS, LESION_METRICS
from evaluation.further import Evaluated, further_tables
from evaluation.groups import CONFLICTING, group_labels
from evaluation.metrics import mask_definitions, metrics_of
from evaluation.missing import ABSENT, FAILED, FOUND, MISSED, SPURIOUS
from evaluation.plan import Evaluation, EvaluationPlan
from evaluation.samples import Sample, require_columns
from evaluation.segmentation import (
    CASE_METRICS,
    DISTANCES,
    MEAN,
    OVER_STRUCTURES,
    OVERLAPS,
    with_mean_rows,
)
from evaluation.units import patient_ids, require_expected

SEGMENTATION_COLUMNS = (
    "case_id", "patient_id", "split", "structure", "metric", "value", "unit", "outcome",
)  # fmt: skip

OUTCOMES = (FOUND, MISSED, SPURIOUS, ABSENT, FAILED)

ROUNDING = 1e-9
"""An overlap may be above 1 by this much."""

_NOT_BELOW_0 = (*DISTANCES, "volume_reference_ml", "volume_predicted_ml", *LESION_COUNTS)

_NEEDS = dict.fromkeys(LESION_METRICS, LESION_COUNTS) | {"missed": ()}
"""Case metrics a metric is made from, where it is not the one of its own name."""


def evaluate_segmentation(case_metrics: pd.DataFrame, plan: EvaluationPlan) -> Evaluation:
    """Average the figures of cases overall and by group, and judge the gaps.

    Parameters
    ----------
    case_metrics : DataFrame
        One row per case, structure and metric, as `case_rows` makes them, failed cases among
        them, and a column per attribute with group names.
    plan : EvaluationPlan
        What was said in advance.

    Returns
    -------
    Evaluation
        With two structures or more also their ``mean``. What stands for missed, invented, failed
        and absent structures is said by ``plan.missing``, which must be what the rows were made
        with; all of them are counted in the notes.

    Raises
    ------
    ValueError
        If columns are missing, rows repeat, a value cannot be or contradicts
        its outcome, or a case is unknown or has no row (where the plan names the cases).

    Examples
    --------
    >>> rows = [{"case_id": f"c{i}", "patient_id": f"p{i}", "split": "test", "structure": "liver",
    ...          "metric": "dice", "value": 0.9 + 0.001 * i, "unit": "", "outcome": "found"}
    ...         for i in range(12)]
    >>> plan = EvaluationPlan("segmentation", ("liver",), ("liver",), "dice")
    >>> found = evaluate_segmentation(pd.DataFrame(rows), plan).metrics
    >>> round(float(found.loc[0, "value"]), 4)
    0.9055
    """
    if plan.task != "segmentation":
        raise ValueError(f"plan.task is '{plan.task}', not segmentation")
    table = checked_case_metrics(case_metrics, plan)
    cases, notes = case_frame(table, plan)
    structures = [t for t in plan.targets if t != MEAN]
    targets = [
        structure_cases(table, cases, s, plan)
        for s in (*structures, *([MEAN] if len(structures) > 1 else []))
    ]
    n_patients = int(cases["patient"].nunique())
    metrics, gaps = evaluate_targets(targets, n_patients, plan)
    metrics, gaps = _asked(metrics, plan), _asked(gaps, plan)
    words = mask_definitions(plan.missing)
    metrics["definition"] = metrics["metric"].map(words)
    tables = further_tables(Evaluated(tuple(targets), n_patients, metrics, gaps, plan))
    return Evaluation(metrics, gaps, table, (*notes, *interval_notes(metrics)), tables)


def _asked(table: pd.DataFrame, plan: EvaluationPlan) -> pd.DataFrame:
    """Return the rows without lesions of structures that nobody said consist of lesions."""
    is_lesion = table["metric"].isin(LESION_METRICS)
    return table[~is_lesion | table["target"].isin(plan.lesions)].reset_index(drop=True)


def checked_case_metrics(case_metrics: pd.DataFrame, plan: EvaluationPlan) -> pd.DataFrame:
    """Return the rows of the plan's split with those of the mean; odd tables are an error."""
    require_columns(case_metrics, (*SEGMENTATION_COLUMNS, *plan.attributes), "case_metrics")
    odd = sorted(set(case_metrics["outcome"]) - set(OUTCOMES), key=str)
    if odd:
        raise ValueError(f"outcome {odd} is none of {OUTCOMES}")
    number = pd.to_numeric(case_metrics["value"], errors="coerce").astype(float)
    n_odd = int((number.isna() & case_metrics["value"].notna()).sum())
    if n_odd:
        raise ValueError(f"value is no number in {n_odd} of {len(number)} rows")
    table = case_metrics.assign(value=number)
    if np.isinf(number).any():
        raise ValueError(
            f"value is infinite in {int(np.isinf(number).sum())} of {len(number)} rows; a "
            "structure that was not found has the penalty distance, which is finite"
        )
    for column in ("case_id", "patient_id"):
        if table[column].isna().any():
            raise ValueError(f"{column} is missing in {int(table[column].isna().sum())} rows")
    table["case_id"] = table["case_id"].astype(str)
    n_twice = int(table.duplicated(["case_id", "structure", "metric"]).sum())
    if n_twice:
        raise ValueError(f"{n_twice} rows repeat a case_id, structure and metric")
    table["patient_id"] = patient_ids(table)
    for attribute in plan.attributes:
        table[attribute] = group_labels(
            table[attribute], table["patient_id"], per_case=attribute in plan.per_case
        )
    table = table[(table["split"] == plan.split) & table["structure"].isin([*plan.targets, MEAN])]
    require_expected(table, plan, "structure", "outcome 'failed'")
    _possible(table, plan)
    table = table.sort_values(["case_id", "structure", "metric"], ignore_index=True)
    return with_mean_rows(table, plan.missing)


def _possible(table: pd.DataFrame, plan: EvaluationPlan) -> None:
    """Refuse figures that cannot be, or that say something else than the outcome beside them."""
    own = table[table["structure"] != MEAN]
    value, outcome = own["value"], own["outcome"]
    overlap, distance = own["metric"].isin(OVERLAPS), own["metric"].isin(DISTANCES)
    lost, absent = outcome.isin((MISSED, SPURIOUS, FAILED)), outcome == ABSENT
    if plan.missing.counts_absent:
        # Without a tolerance there is no NSD.
        odd = (value != overlap.astype(float)) & ((own["metric"] != "nsd") | value.notna())
        words = "counts as overlap 1 and distance 0"
    else:
        odd, words = value.notna(), "has no overlap and no distance: nan"
    faults = (
        (overlap & ((value < 0) | (value > 1 + ROUNDING)), "an overlap lies in [0, 1]"),
        (own["metric"].isin(_NOT_BELOW_0) & (value < 0), "it is 0 or more"),
        (lost & overlap & (value > 0), "what was missed, invented or failed overlaps by 0"),
        (lost & distance & (value == 0), "what was missed, invented or failed has the penalty"),
        (absent & (overlap | distance) & odd, f"a structure in neither mask {words}"),
    )
    for wrong, rule in faults:
        if wrong.any():
            first = own[wrong].iloc[0]
            raise ValueError(
                f"{first['metric']} of '{first['structure']}' is {first['value']:g} with outcome "
                f"'{first['outcome']}' (one of {int(wrong.sum())} such rows); {rule}"
            )


def case_frame(table: pd.DataFrame, plan: EvaluationPlan) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return one row per case, and what a reader must know about the structures."""
    cases = table.drop_duplicates("case_id").set_index("case_id").sort_index()
    codes = np.unique(cases["patient_id"].to_numpy(dtype=str), return_inverse=True)[1]
    notes = []
    if not plan.patients_known:
        notes.append("The table does not say whose case it is: intervals are by case and may be "
                     "too narrow.")  # fmt: skip
    for attribute in plan.attributes:
        n = cases.loc[cases[attribute] == CONFLICTING, "patient_id"].nunique()
        if n:
            # How many they are stands in the table alone, where a small number can be hidden.
            notes.append(f"{attribute}: patients with more than one value are the group "
                         f"'{CONFLICTING}'.")  # fmt: skip
    once = table.drop_duplicates(["case_id", "structure"])
    for structure in plan.targets:
        outcomes = once.loc[once["structure"] == structure, "outcome"].value_counts()
        for outcome in (FAILED, MISSED, SPURIOUS, ABSENT):
            n = int(outcomes.get(outcome, 0))
            tail = "counted with the penalty of a miss"
            if outcome == ABSENT:
                tail = "counted as perfect" if plan.missing.counts_absent else "left out"
            if n:
                notes.append(f"{structure}: {outcome} in {n} of {outcomes.sum()} cases, {tail}.")
        if not outcomes.size:
            notes.append(f"No case of split '{plan.split}' for: {structure}.")
        elif outcomes.sum() < len(cases):
            notes.append(f"{structure}: {len(cases) - outcomes.sum()} of {len(cases)} cases have "
                         "no row for it and are not counted here.")  # fmt: skip
    return cases.assign(patient=codes), (*notes, *_rewarded_misses(table, plan))


def _rewarded_misses(table: pd.DataFrame, plan: EvaluationPlan) -> list[str]:
    """Return a note for each structure that was found further off than a miss would have cost.

    The declared penalty stays as declared: raised after the fact it would depend on the tool.
    """
    penalty = plan.missing.penalty_mm
    if isinstance(penalty, str):
        return []  # nothing in an image lies further off than its diagonal
    far = table[
        (table["outcome"] == FOUND) & table["metric"].isin(DISTANCES) & (table["value"] > penalty)
    ]
    notes = []
    for structure in (s for s in plan.targets if s != MEAN):
        part = far[far["structure"] == structure]
        if len(part):
            n_found = table[(table["structure"] == structure) & (table["outcome"] == FOUND)]
            names = ", ".join(n for n in DISTANCES if n in set(part["metric"]))
            notes.append(f"{structure}: in {part['case_id'].nunique()} of "
                         f"{n_found['case_id'].nunique()} cases what was found lies further off "
                         f"({names}, {part['value'].max():.3g} mm at most) than the penalty of "
                         f"{penalty:g} mm for a miss: finding nothing would have cost less. "
                         "Declare a larger penalty.")  # fmt: skip
    return notes


def structure_cases(
    table: pd.DataFrame, cases: pd.DataFrame, structure: str, plan: EvaluationPlan
) -> TargetCases:
    """Return the cases of one structure, or of the mean over structures."""
    part = table[table["structure"] == structure]
    wide = part.pivot(index="case_id", columns="metric", values="value").sort_index()
    mine = cases.loc[wide.index]
    outcome = part.drop_duplicates("case_id").set_index("case_id")["outcome"].reindex(wide.index)
    counts = _counts(table if structure == MEAN else part, structure)
    present = np.ones(len(wide), bool) if plan.missing.counts_absent else outcome != ABSENT
    values = {n: wide[n].to_numpy(dtype=float) for n in CASE_METRICS if n in wide}
    values |= {
        "present": np.asarray(present, dtype=float),
        "missed": counts["missed"].reindex(wide.index).to_numpy(dtype=float),
        "expected": counts["expected"].reindex(wide.index).to_numpy(dtype=float),
    }
    sample = Sample(
        patient=mine["patient"].to_numpy(dtype=np.int64),
        n_patients=int(cases["patient"].nunique()),
        failed=(outcome == FAILED).to_numpy(dtype=bool),
        values=values,
    )
    groups = {a: mine[a].to_numpy(dtype=object) for a in plan.attributes}
    blocked = _blocked(structure, wide, plan)
    return TargetCases(structure, sample, groups, blocked, params=_params(structure, plan))


def _blocked(structure: str, wide: pd.DataFrame, plan: EvaluationPlan) -> dict[str, str]:
    """Return the metrics that cannot be computed, and why."""
    blocked = {}
    for name in (m.name for m in metrics_of(plan.task)):
        needs = _NEEDS.get(name, (name,))
        if structure == MEAN and not set(needs) <= set(OVER_STRUCTURES):
            blocked[name] = "volumes and lesions of several structures have no mean"
        elif name in LESION_METRICS and structure not in plan.lesions:
            blocked[name] = "the structure was not said to consist of lesions"
        elif not set(needs) <= set(wide):
            blocked[name] = "not among the case metrics"
    untold = set(plan.targets if structure == MEAN else (structure,)) - set(plan.tolerance_mm)
    if untold and "nsd" in wide and wide["nsd"].isna().all():
        blocked["nsd"] = "no tolerance_mm was given"
    return blocked


def _counts(part: pd.DataFrame, structure: str) -> pd.DataFrame:
    """Return for each case how many structures were to be found and how many were missed."""
    once = part[part["structure"] != MEAN].drop_duplicates(["case_id", "structure"])
    volume = part[part["metric"] == "volume_reference_ml"].set_index(["case_id", "structure"])
    keys = pd.MultiIndex.from_frame(once[["case_id", "structure"]])
    # A case the tool failed on expects the structure only where the reference has it.
    empty = (volume["value"].reindex(keys) == 0).to_numpy()
    failed = (once["outcome"] == FAILED).to_numpy() & ~empty
    missed = (once["outcome"] == MISSED).to_numpy() | failed
    expected = missed | (once["outcome"] == FOUND).to_numpy()
    counts = once.assign(missed=missed.astype(float), expected=expected.astype(float))
    return counts.groupby("case_id")[["missed", "expected"]].sum()


def _params(structure: str, plan: EvaluationPlan) -> Mapping[str, str]:
    params = {}
    if structure in plan.lesions:
        params = dict.fromkeys(LESION_METRICS, f"iou={plan.lesions[structure]:g}")
    if structure in plan.tolerance_mm:
        params["nsd"] = f"tolerance_mm={plan.tolerance_mm[structure]:g}"
    elif structure == MEAN and plan.tolerance_mm:
        each = ", ".join(f"{s} {t:g}" for s, t in sorted(plan.tolerance_mm.items()))
        params["nsd"] = f"tolerance_mm={each}"
    return params
