"""What a split keeps even: outcome and attributes, and patients in an order that does it.

Alike patients are put beside each other (outcome, then attributes, then number of cases, then a
hash of seed and patient). Who takes every so-many-th of them takes of each stratum, however rare,
its share to within one patient: no rare levels need be merged by hand.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import pandas as pd

from aiops.config import NOT_RECORDED, Experiment
from aiops.data.cases import Cases
from aiops.data.survey import CaseFacts, survey
from aiops.errors import ConfigError

MAX_VARIABLES = 3
"""Outcome and attributes by which patients are stratified, in all."""

MISSING = NOT_RECORDED.replace("_", " ")


def stratified_attributes(experiment: Experiment) -> list[str]:
    """Return the attributes balanced besides the outcome."""
    named = list(experiment.split.stratify)
    if len(named) >= MAX_VARIABLES:
        raise ConfigError(
            f"{len(named)} attributes and the outcome are more than {MAX_VARIABLES} variables",
            where="split.stratify",
            fix=f"name at most {MAX_VARIABLES - 1} attributes; the others stand in the balance "
            "table all the same",
        )
    fairness = experiment.fairness.attributes if experiment.fairness else []
    return named or list(fairness[: MAX_VARIABLES - 1])


def n_strata_of(experiment: Experiment) -> int:
    """Return how many variables are stratified: the outcome and some attributes."""
    return 1 + len(stratified_attributes(experiment))


def variables_of(cases: Cases, facts: Mapping[str, CaseFacts] | None) -> pd.DataFrame:
    """Return outcomes and attributes of each case as text, those that are stratified first."""
    frame, experiment = cases.frame, cases.experiment
    outcomes = {f"outcome: {n}": _yes_no(frame[f"y:{n}"]) for n in experiment.findings}
    if not outcomes:
        outcomes = {"outcome: structures": _structures(cases, facts)}
    headline = f"outcome: {experiment.primary_targets[0]}"
    first = stratified_attributes(experiment)
    attributes = {
        name: frame[name].astype(object).where(frame[name].notna(), MISSING)
        for name in [*first, *(n for n in cases.attributes if n not in first)]
    }
    order = [headline if headline in outcomes else next(iter(outcomes)), *attributes, *outcomes]
    found: dict[str, Any] = {**outcomes, **attributes}
    return pd.DataFrame({name: found[name] for name in order}, index=frame.index)


def _structures(cases: Cases, facts: Mapping[str, CaseFacts] | None) -> "pd.Series[Any]":
    """Return the structures that each case's label marks, as text."""
    known = facts if facts is not None else survey(cases, labels_only=True)

    def present(case_id: str) -> str:
        case = known.get(case_id)
        if case is None or case.label is None:
            return MISSING
        structures = cases.experiment.structures
        seen = [name for name, value in structures.items() if value in case.label.n_voxels]
        return " + ".join(seen) or "none"

    return cases.frame["case_id"].map(present)


def _yes_no(y: "pd.Series[Any]") -> "pd.Series[Any]":
    return y.map({1.0: "present", 0.0: "absent"}).astype(object).where(y.notna(), MISSING)


def patients_in_order(cases: Cases, variables: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return one row per patient, alike ones beside each other, in an order the seed decides.

    A patient with the finding in any case has it. Of an attribute that differs between cases the
    commonest level counts. Within a stratum patients with many cases stand first, so that cases
    are shared out as evenly as patients.
    """
    patient = cases.frame["patient_id"]
    rows = pd.DataFrame({"n_cases": patient.value_counts()})
    keys: list[str] = []
    for k, column in enumerate(variables.columns[: n_strata_of(cases.experiment)]):
        level = variables[column]
        if k == 0 and cases.experiment.findings:
            rank = level.map({"present": 0, "absent": 1, MISSING: 2})
        else:
            rank = -level.groupby([patient, level]).transform("size")
        order = pd.DataFrame({"patient": patient, "rank": rank, "level": level})
        first = order.sort_values(["patient", "rank", "level"]).groupby("patient")["level"].first()
        rows[f"level {k}"] = first
        # Rare levels stand last, so that they are neighbours and share a place in the sample.
        rows[f"rarity {k}"] = -rows[f"level {k}"].map(first.value_counts())
        keys += [f"rarity {k}", f"level {k}"]
    rows["dice"] = [dice(seed, str(name)) for name in rows.index]
    ascending = [True] * len(keys) + [False, True]
    return rows.sort_values([*keys, "n_cases", "dice"], ascending=ascending)


def dice(seed: int, name: str) -> int:
    """Return a number that looks thrown, and is the same on every machine."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:8], "big") >> 1
