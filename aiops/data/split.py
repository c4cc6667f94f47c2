"""Split: patients, never images, are shared out into train, tune and a sealed test list.

Patients are put in an order in which alike ones are neighbours (outcome, then attributes, then
number of cases, then a hash of seed and patient), and the test list takes every so-many-th of
them. That is systematic sampling: each stratum, however rare, gets its share to within one patient,
with no merging of rare levels to be chosen. It depends on neither the order of the rows nor the
version of a random generator.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from aiops.config import Experiment
from aiops.data.cases import Cases
from aiops.data.images import file_of
from aiops.data.parts import PARTITIONS, PARTS, folds_of, rule_of
from aiops.data.strata import n_strata_of, patients_in_order, variables_of
from aiops.data.survey import CaseFacts
from aiops.errors import DataError
from aiops.provenance import content_hashes, json_hash


@dataclass(frozen=True, eq=False)
class Split:
    """Who is in train, tune and test.

    Parameters
    ----------
    assignments : dict
        By case id: ``{"split": "train" | "tune" | "test", "fold": int | None}``.
    balance : tuple of dict
        variable, level, and for train, tune and test the share of cases (``train``, …) and their
        number (``n_train``, …).
    seal : str
        SHA-256 of the test cases and their reference standard.
    counts : dict
        Patients and cases of each part.
    by, seed, strata, notes
        How it was made.
    """

    assignments: dict[str, dict[str, Any]]
    balance: tuple[dict[str, Any], ...]
    seal: str
    counts: dict[str, dict[str, int]]
    by: str
    seed: int
    strata: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def cases_in(self, part: str, *, fold: int | None = None) -> list[str]:
        """Return the cases of a part; of a fold, those held out by it (``tune``) or not."""
        if fold is None or part == "test":
            return [c for c, a in self.assignments.items() if a["split"] == part]
        held = {c for c, a in self.assignments.items() if a["fold"] == fold}
        rest = [c for c, a in self.assignments.items() if a["fold"] is not None and c not in held]
        return sorted(held) if part == "tune" else rest

    def to_dict(self) -> dict[str, Any]:
        """Return the split as it stands in split.json."""
        found = asdict(self)
        shares = {p: self.counts[p]["patients"] for p in PARTS}
        total = max(sum(shares.values()), 1)
        return {**found, "test_share": shares["test"] / total, "tune_share": shares["tune"] / total}


def make_split(
    cases: Cases,
    *,
    excluded: Collection[str] = (),
    facts: Mapping[str, CaseFacts] | None = None,
) -> Split:
    """Share the patients out as the config says.

    Parameters
    ----------
    cases : Cases
        The cases and their config.
    excluded : collection of str
        Case ids that the audit leaves out.
    facts : mapping, optional
        Of `audit`; without it, labels are read again where structures are to be balanced.

    Returns
    -------
    Split
        The same for the same cases and seed, in whatever order the rows stand.

    Raises
    ------
    LeakageError
        If a ready-made split puts one patient on both sides.
    DataError
        If a part would be empty, or the column of site or time is missing in rows.
    ConfigError
        If the config's shares and lists do not fit its ``by``.
    """
    experiment = cases.experiment
    left = cases.without(excluded)
    if not len(left):
        raise DataError("no case is left to be split", where="audit.exclude", fix="exclude less")
    variables = variables_of(left, facts)
    patients = patients_in_order(left, variables, experiment.split.seed)
    part, notes = PARTITIONS[rule_of(experiment)](left, patients)
    by_patient = pd.Series(part, index=patients.index)
    fold = folds_of(cases, patients, by_patient)
    frame = left.frame.sort_values("case_id")
    part_of_case = frame["patient_id"].map(by_patient)
    _require_parts(part_of_case, experiment)
    assignments = {
        str(c): {"split": str(p), "fold": None if np.isnan(f) else int(f)}
        for c, p, f in zip(
            frame["case_id"], part_of_case, frame["patient_id"].map(fold), strict=True
        )
    }
    return Split(
        assignments=assignments,
        balance=tuple(_balance(frame, part_of_case, variables.loc[frame.index])),
        seal=_seal(frame[(part_of_case == "test").to_numpy()]),
        counts={
            p: {
                "patients": int((by_patient == p).sum()),
                "cases": int((part_of_case == p).sum()),
            }
            for p in PARTS
        },
        by=experiment.split.by,
        seed=experiment.split.seed,
        strata=tuple(variables.columns[: n_strata_of(experiment)]),
        notes=tuple(notes),
    )


def _require_parts(part: "pd.Series[Any]", experiment: Experiment) -> None:
    rule = experiment.split
    only_test = experiment.is_vendor or rule.leave_one_out
    needed = ["test"] if only_test else ["test", "train"]
    if not only_test and (isinstance(rule.tune, list) or rule.tune > 0):
        needed.append("tune")
    for name in needed:
        if not (part == name).any():
            raise DataError(
                f"no case is left for {name}",
                where=f"split: by {rule.by}, {part.size} cases",
                fix="raise its share, or bring more patients",
            )


def _balance(
    frame: pd.DataFrame, part: "pd.Series[Any]", variables: pd.DataFrame
) -> Iterator[dict[str, Any]]:
    """Yield each level of each variable with its share in train, tune and test."""
    total = part.value_counts()
    for variable in variables.columns:
        n = pd.crosstab(variables[variable], part)
        order: Iterable[Any] = n.sum(axis=1).sort_values(ascending=False, kind="stable").index
        for level in order:
            row: dict[str, Any] = {"variable": variable, "level": str(level)}
            for name in PARTS:
                count = int(n.loc[level, name]) if name in n.columns else 0
                row[name] = count / int(total[name]) if name in total.index else None
                row[f"n_{name}"] = count
            yield row


def _seal(test: pd.DataFrame) -> str:
    """Return one hash of the test cases and their reference standard."""
    standard: list[Any]
    if "label" in test.columns:
        refs = ["" if pd.isna(ref) else str(ref) for ref in test["label"]]
        hashes = content_hashes(sorted({file_of(ref) for ref in refs if ref}))
        standard = [[hashes.get(file_of(ref), ""), ref.partition("#")[2]] for ref in refs]
    else:
        standard = test[[c for c in test.columns if c.startswith("y:")]].to_numpy().tolist()
    rows = zip(test["case_id"].astype(str), standard, strict=True)
    return json_hash(sorted((list(row) for row in rows), key=lambda row: row[0]))
