"""From a predictions table to what is judged: cases, or studies of several cases."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from evaluation.cells import TargetCases
from evaluation.estimates import BoolArray, FloatArray
from evaluation.groups import CONFLICTING, MIXED, group_labels
from evaluation.metrics import metrics_of
from evaluation.plan import EvaluationPlan
from evaluation.samples import Sample, require_columns
from evaluation.segmentation import MEAN
from evaluation.thresholds import require_apart

NEEDED = ("case_id", "patient_id", "split", "target", "y_true", "y_score", "status")
STATUSES = ("ok", "failed", "refused")


@dataclass(frozen=True)
class Units:
    """What is judged: a table per target, and what a reader must know about it.

    ``unread`` are the targets that have cases, none of them with a reference.
    """

    tables: dict[str, pd.DataFrame]
    n_patients: int
    notes: tuple[str, ...]
    unread: frozenset[str] = frozenset()


def units_of(predictions: pd.DataFrame, plan: EvaluationPlan) -> Units:
    """Return the units of the evaluated split: sorted, grouped, failures marked.

    Parameters
    ----------
    predictions : DataFrame
        One row per case and target.
    plan : EvaluationPlan
        What was said in advance.

    Returns
    -------
    Units
        Per target the columns ``case_id, study_id, patient_id, patient, y_true, y_score, y_pred,
        failed, score_kind`` and the attributes.

    Raises
    ------
    ValueError
        If columns are missing, rows repeat, a value is impossible, a case is unknown or was not
        predicted (where the plan names the cases), or a threshold was chosen on a scored case.
    """
    table = _checked(predictions, plan)
    for attribute in plan.attributes:
        table[attribute] = group_labels(
            table[attribute], table["patient_id"], per_case=attribute in plan.per_case
        )
    table = table[(table["split"] == plan.split) & table["target"].isin(plan.targets)]
    require_expected(table, plan, "target", "status 'failed'")
    require_apart(plan.chosen_on, table["case_id"].unique())
    told = (*_conflicts(table, plan), *_unpredicted(table, plan))
    failed = table["status"] != "ok"
    n_lost = int((table["y_score"].isna() & ~failed).sum())
    table = table.assign(failed=failed | table["y_score"].isna())
    if plan.unit == "study":
        told = (*told, *_half_answered(table))
        table = _studies(table, plan)
    notes = (*_notes(table, plan, n_lost), *told, *_overruled(table, plan))
    unread = set(table["target"])
    table = table[table["y_true"].notna()]
    unread -= set(table["target"])
    codes, names = pd.factorize(table["patient_id"], sort=True)
    # By case, so that neither figure nor bootstrap depends on the order of the rows.
    by_case = table.assign(patient=codes).sort_values("case_id", kind="stable")
    parts = dict(iter(by_case.groupby("target", sort=False)))
    empty = by_case.iloc[:0]
    tables = {t: parts.get(t, empty) for t in plan.targets}
    return Units(tables, len(names), notes, frozenset(unread))


def _checked(predictions: pd.DataFrame, plan: EvaluationPlan) -> pd.DataFrame:
    needed = [*NEEDED, *plan.attributes, *(["study_id"] if plan.unit == "study" else [])]
    require_columns(predictions, needed, "predictions")
    table = predictions.copy()
    for column in ("case_id", "patient_id", "split", "target"):
        if table[column].isna().any():
            raise ValueError(f"{column} is missing in {int(table[column].isna().sum())} rows")
    table["case_id"] = table["case_id"].astype(str)
    n_twice = int(table.duplicated(["case_id", "target"]).sum())
    if n_twice:
        raise ValueError(f"{n_twice} rows repeat a case_id and target; each must stand once")
    table["patient_id"] = patient_ids(table)
    odd = sorted(set(table["status"].unique()) - set(STATUSES), key=str)
    if odd:
        raise ValueError(f"status {odd} is none of {STATUSES}")
    for column in ("y_true", "y_score"):
        table[column] = _numbers(table[column], column)
    if np.isinf(table["y_score"]).any():
        n = int(np.isinf(table["y_score"]).sum())
        raise ValueError(f"y_score is infinite in {n} rows; a case without a score is 'failed'")
    if not table["y_true"].dropna().isin([0.0, 1.0]).all():
        raise ValueError("y_true must hold 0, 1 or nan alone")
    pred = table.get("y_pred", np.nan)
    table["y_pred"] = _numbers(pd.Series(pred, index=table.index), "y_pred")
    if "score_kind" not in table:
        table["score_kind"] = "probability"
    if "study_id" not in table:
        table["study_id"] = table["case_id"]
    table["study_id"] = table["study_id"].astype(object).where(
        table["study_id"].notna(), table["case_id"]
    ).astype(str)  # fmt: skip
    return table


def patient_ids(table: pd.DataFrame) -> "pd.Series[str]":
    """Return whose case each row is, spaces around the id ignored.

    Parameters
    ----------
    table : DataFrame
        With ``case_id`` and ``patient_id``, neither missing.

    Raises
    ------
    ValueError
        If a case belongs to two patients: its rows under two targets say so.

    Examples
    --------
    >>> patient_ids(pd.DataFrame({"case_id": ["a", "b"], "patient_id": ["p1", "p1 "]})).tolist()
    ['p1', 'p1']
    """
    found = table["patient_id"].astype(str).str.strip()
    of_two = found.groupby(table["case_id"]).nunique() > 1
    if of_two.any():
        raise ValueError(f"{int(of_two.sum())} case_id belong to more than one patient_id")
    return found


def _numbers(values: "pd.Series[float]", name: str) -> "pd.Series[float]":
    number = pd.to_numeric(values, errors="coerce").astype(float)
    n_odd = int((number.isna() & values.notna()).sum())
    if n_odd:
        raise ValueError(f"{name} is no number in {n_odd} of {len(values)} rows")
    return number


def require_expected(table: pd.DataFrame, plan: EvaluationPlan, column: str, failed: str) -> None:
    """Hold the rows to the cases that had to be predicted: a lost row is a case less, not scored.

    A case the tool failed on is a row that says so; one that is nowhere was left out by somebody.

    Parameters
    ----------
    table : DataFrame
        Rows of the evaluated split.
    plan : EvaluationPlan
        Its ``expected_cases`` are held to each of its targets, the mean over them apart.
    column : {"target", "structure"}
        Where the target of a row stands.
    failed : str
        How a row says that the tool failed.

    Raises
    ------
    ValueError
        If a case is not among the expected ones, or one of these has no row under a target.
    """
    if plan.expected_cases is None:
        return
    unknown = set(table["case_id"]) - plan.expected_cases
    if unknown:
        raise ValueError(
            f"{len(unknown)} of {table['case_id'].nunique()} predicted cases of split "
            f"'{plan.split}' are none of the {len(plan.expected_cases)} expected ones"
        )
    for target in (t for t in plan.targets if column == "target" or t != MEAN):
        missing = plan.expected_cases - set(table.loc[table[column] == target, "case_id"])
        if missing:
            raise ValueError(
                f"{column} '{target}': {len(missing)} of {len(plan.expected_cases)} expected "
                f"cases have no row; a case the tool failed on is a row with {failed}"
            )


def _conflicts(table: pd.DataFrame, plan: EvaluationPlan) -> list[str]:
    """Return a note for each attribute that contradicts itself in some patients."""
    notes = []
    for attribute in plan.attributes:
        n = table.loc[table[attribute] == CONFLICTING, "patient_id"].nunique()
        if n:
            # How many they are stands in the table alone, where a small number can be hidden.
            notes.append(f"{attribute}: patients with more than one value are the group "
                         f"'{CONFLICTING}'.")  # fmt: skip
    return notes


def _unpredicted(table: pd.DataFrame, plan: EvaluationPlan) -> list[str]:
    """Return a note for each target that lacks cases which another target has."""
    n_all = table["case_id"].nunique()
    notes = []
    for target, n in table.groupby("target")["case_id"].nunique().items():
        if n < n_all:
            notes.append(f"{target}: {n_all - n} of {n_all} cases stand under another target "
                         "alone and are not counted here.")  # fmt: skip
    return notes


def _studies(table: pd.DataFrame, plan: EvaluationPlan) -> pd.DataFrame:
    """Return one row per study and target; a study failed when all of its cases did.

    Its reference and its decision are 1 where one case has it, 0 where all cases have none, and
    unknown otherwise; its score is that of the cases that were answered.
    """
    keys = ["study_id", "target"]
    of_two = table.groupby("study_id")["patient_id"].nunique() > 1
    if of_two.any():
        raise ValueError(f"{int(of_two.sum())} study_id belong to more than one patient_id")
    scored = table.assign(
        y_score=table["y_score"].where(~table["failed"]),
        y_pred=table["y_pred"].where(~table["failed"]),
    )
    grouped = scored.groupby(keys, sort=False)
    how = {
        "patient_id": "first", "split": "first", "score_kind": "first", "y_true": "max",
        "y_score": plan.combine, "y_pred": "max", "failed": "all",
    }  # fmt: skip
    out = grouped.agg(how)
    # A film that nobody read may be the one with the finding: one ill film is enough, one healthy
    # film is not.
    for column, gap in (
        ("y_true", scored["y_true"].isna()),
        ("y_pred", scored["y_pred"].isna() & ~scored["failed"]),
    ):
        is_open = gap.groupby([scored[k] for k in keys], sort=False).any()
        out[column] = out[column].where(~is_open | (out[column] == 1))
    for attribute in plan.attributes:
        one = grouped[attribute]
        out[attribute] = one.first().where(one.nunique() == 1, MIXED)
    out = out.reset_index()
    return out.assign(case_id=out["study_id"])


def _half_answered(table: pd.DataFrame) -> list[str]:
    """Return a note for each target with studies that are judged by a part of their cases."""
    notes = []
    for target, part in table.groupby("target"):
        failed = part.groupby("study_id")["failed"]
        n_failed = failed.sum()[failed.any() & ~failed.all()]
        if len(n_failed):
            notes.append(f"{target}: in {len(n_failed)} of {len(failed)} studies, "
                         f"{int(n_failed.sum())} cases failed or were refused; these studies are "
                         "judged by their other cases and do not count as failed.")  # fmt: skip
    return notes


def _notes(table: pd.DataFrame, plan: EvaluationPlan, n_lost: int) -> tuple[str, ...]:
    notes = []
    if not plan.patients_known:
        notes.append("The table does not say whose case it is: intervals are by case and may be "
                     "too narrow.")  # fmt: skip
    if n_lost:
        notes.append(f"{n_lost} rows without a score were not marked as failed; they count as "
                     "failed.")  # fmt: skip
    for target, part in table.groupby("target"):
        n_unknown, n_failed = int(part["y_true"].isna().sum()), int(part["failed"].sum())
        if n_unknown:
            notes.append(f"{target}: {n_unknown} of {len(part)} {_plural(plan)} have no reference "
                         "and are not scored.")  # fmt: skip
        if n_failed:
            notes.append(f"{target}: {n_failed} of {len(part)} {_plural(plan)} failed or were "
                         "refused; they count as wrong.")  # fmt: skip
    seen = set(table["target"].unique())
    absent = [t for t in plan.targets if t not in seen]
    if absent:
        notes.append(f"No row of split '{plan.split}' for: {', '.join(absent)}.")
    return tuple(notes)


def _plural(plan: EvaluationPlan) -> str:
    return "studies" if plan.unit == "study" else "cases"


def target_cases(units: Units, target: str, plan: EvaluationPlan) -> TargetCases:
    """Return the cases of one target, with the metrics that cannot be computed and why."""
    part = units.tables[target]
    kinds = sorted(part["score_kind"].unique()) if target not in plan.score_kind else []
    if len(kinds) > 1:
        raise ValueError(f"target '{target}' has the score_kind {kinds}; it must have one")
    kind = plan.score_kind.get(target, kinds[0] if kinds else "probability")
    if kind not in ("probability", "score"):
        raise ValueError(f"target '{target}': score_kind '{kind}' is none of probability, score")
    score = part["y_score"].to_numpy(dtype=float)
    failed = part["failed"].to_numpy(dtype=bool)
    outside = int(((score < 0) | (score > 1)).sum()) if kind == "probability" else 0
    if outside:
        raise ValueError(
            f"target '{target}': y_score is outside 0 to 1 in {outside} of {score.size} rows; a "
            "probability lies in [0, 1], anything else is score_kind 'score'"
        )
    decided, said = _decisions(part, score, failed, target, plan)
    blocked = {}
    for metric in metrics_of("classification"):
        if metric.needs == "decision" and decided is None:
            blocked[metric.name] = said
        if metric.needs == "probability" and kind != "probability":
            blocked[metric.name] = "the score is not a probability"
        if target in units.unread:
            blocked[metric.name] = "no case has a reference"
    sample = Sample(
        patient=part["patient"].to_numpy(dtype=np.int64),
        n_patients=units.n_patients,
        failed=failed,
        y_true=part["y_true"].to_numpy(dtype=float) == 1,
        y_score=score,
        y_pred=np.zeros(0, bool) if decided is None else decided,
        score_kind=kind,
    )
    groups = {a: part[a].to_numpy(dtype=object) for a in plan.attributes}
    return TargetCases(target, sample, groups, blocked, "" if decided is None else said)


def _decisions(
    part: pd.DataFrame, score: FloatArray, failed: BoolArray, target: str, plan: EvaluationPlan
) -> tuple[BoolArray | None, str]:
    """Return the decision per case and how it came about, or None and why there is none."""
    note = plan.operating_point_notes.get(target, "")
    threshold = _threshold(target, plan)
    if threshold is not None:
        text = f"score >= {threshold:.6g}"
        return score >= threshold, f"{text} ({note})" if note else text
    given = part["y_pred"].to_numpy(dtype=float)[~failed]
    n_open = int(np.isnan(given).sum())
    if not part.size or (n_open and n_open == given.size):
        return None, "no operating point"
    if n_open:
        what = _plural(plan) if n_open > 1 else plan.unit
        return None, f"{n_open} {what} without a decision"
    if not np.isin(given, (0, 1)).all():
        raise ValueError(f"target '{target}': y_pred must hold 0 and 1 alone")
    return part["y_pred"].to_numpy(dtype=float) == 1, note or "decision as supplied"


def _threshold(target: str, plan: EvaluationPlan) -> float | None:
    """Return the threshold of a target, None where there is none."""
    given = plan.operating_points.get(target)
    return None if given is None or np.isnan(given) else given


def _overruled(table: pd.DataFrame, plan: EvaluationPlan) -> list[str]:
    """Return a note for each target whose supplied decisions are not those of its threshold."""
    notes = []
    for target in plan.targets:
        threshold = _threshold(target, plan)
        part = table[(table["target"] == target) & ~table["failed"] & table["y_pred"].notna()]
        if threshold is None or part.empty:
            continue
        n = int(((part["y_score"] >= threshold) != (part["y_pred"] == 1)).sum())
        if n:
            notes.append(f"{target}: y_pred differs from score >= {threshold:.6g} in {n} of "
                         f"{len(part)} {_plural(plan)}; the threshold counts, y_pred does "
                         "not.")  # fmt: skip
    return notes
