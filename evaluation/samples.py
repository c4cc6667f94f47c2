"""The cases of one target and one group, as a metric sees them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evaluation.estimates import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd

NO_NUMBERS: FloatArray = np.zeros(0)
NO_FLAGS: BoolArray = np.zeros(0, bool)


@dataclass(frozen=True)
class Sample:
    """The cases of one target and one group.

    Parameters
    ----------
    patient : ndarray of int, shape (n_cases,)
        Patient of each case, as a code from 0 to ``n_patients - 1``.
    n_patients : int
        How many codes there are; some may have no case here.
    failed : ndarray of bool, shape (n_cases,)
        The tool failed or refused: counted as wrong.
    y_true, y_score, y_pred : ndarray, shape (n_cases,)
        Classification: reference standard, score, decision. Empty where there is none.
    score_kind : {"probability", "score"}
        Whether the score is a probability.
    values : mapping of str to ndarray
        Segmentation: a figure per case under each metric's name; nan where a structure is absent.
    """

    patient: IntArray
    n_patients: int
    failed: BoolArray
    y_true: BoolArray = field(default_factory=lambda: NO_FLAGS)
    y_score: FloatArray = field(default_factory=lambda: NO_NUMBERS)
    y_pred: BoolArray = field(default_factory=lambda: NO_FLAGS)
    score_kind: str = "probability"
    values: Mapping[str, FloatArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = self.patient.size
        parts = {"failed": self.failed} | dict(self.values)
        parts |= {k: getattr(self, k) for k in ("y_true", "y_score", "y_pred")}
        for name, part in parts.items():
            if part.shape != (n,) and part.size:
                raise ValueError(f"{name} {part.shape} and patient ({n},) must match")
        if self.y_score.size and np.isnan(self.y_score[~self.failed]).any():
            n_nan = int(np.isnan(self.y_score[~self.failed]).sum())
            raise ValueError(
                f"y_score is nan in {n_nan} of {n} cases; a case without a score must be marked "
                "as failed, or its error would be hidden"
            )
        if self.score_kind == "probability" and self.y_score.size:
            scored = self.y_score[~self.failed]
            if scored.size and (scored.min() < 0 or scored.max() > 1):
                raise ValueError(
                    f"y_score runs from {scored.min():g} to {scored.max():g}; a probability lies "
                    "in [0, 1], anything else is score_kind='score'"
                )

    @classmethod
    def of_patients(
        cls,
        patient_id: NDArray[np.generic],
        *,
        y_true: NDArray[np.generic] | None = None,
        y_score: NDArray[np.generic] | None = None,
        y_pred: NDArray[np.generic] | None = None,
        score_kind: str = "score",
        values: Mapping[str, FloatArray] | None = None,
    ) -> "Sample":
        """Return a sample from arrays and the ids of patients, none of the cases failed."""
        given = {"y_true": y_true, "y_score": y_score, "y_pred": y_pred}
        shapes = {k: np.shape(v) for k, v in given.items() if v is not None}
        shapes["patient_id"] = np.shape(patient_id)
        if len(set(shapes.values())) > 1 or len(shapes["patient_id"]) != 1:
            text = ", ".join(f"{k} {v}" for k, v in shapes.items())
            raise ValueError(f"{text} must match and have one axis")
        names, codes = np.unique(np.asarray(patient_id), return_inverse=True)
        return cls(
            patient=codes.astype(np.int64),
            n_patients=names.size,
            failed=np.zeros(codes.size, bool),
            y_true=NO_FLAGS if y_true is None else as_flags(y_true, "y_true"),
            y_score=NO_NUMBERS if y_score is None else np.asarray(y_score, float),
            y_pred=NO_FLAGS if y_pred is None else as_flags(y_pred, "y_pred"),
            score_kind=score_kind,
            values=values or {},
        )

    @cached_property
    def worst_scores(self) -> FloatArray:
        """Scores with failed cases on the wrong end: a missed disease, a false alarm."""
        return np.where(self.failed, np.where(self.y_true, -np.inf, np.inf), self.y_score)

    @cached_property
    def worst_decisions(self) -> BoolArray:
        """Decisions with failed cases decided wrongly."""
        out: BoolArray = np.where(self.failed, ~self.y_true, self.y_pred)
        return out

    @cached_property
    def n_seen(self) -> int:
        """Number of patients with a case."""
        return int((np.bincount(self.patient, minlength=1) > 0).sum())

    def take(self, rows: BoolArray, codes: IntArray, n_patients: int) -> "Sample":
        """Return the cases `rows`, their patients renumbered by ``codes[patient]``."""
        return replace(
            self,
            patient=codes[self.patient[rows]],
            n_patients=n_patients,
            failed=self.failed[rows],
            y_true=self.y_true[rows] if self.y_true.size else self.y_true,
            y_score=self.y_score[rows] if self.y_score.size else self.y_score,
            y_pred=self.y_pred[rows] if self.y_pred.size else self.y_pred,
            values={name: v[rows] for name, v in self.values.items()},
        )

    def by_patient(self, per_case: FloatArray) -> FloatArray:
        """Return the sum of a figure per case over the cases of each patient."""
        return np.bincount(self.patient, per_case, minlength=self.n_patients).astype(float)


def require_columns(table: "pd.DataFrame", needed: Iterable[str], name: str) -> None:
    """Raise ValueError where columns are missing, or stand twice so that one would be a guess."""
    missing = [c for c in needed if c not in table]
    if missing:
        raise ValueError(f"{name} lack the columns {missing}")
    twice = sorted({str(c) for c in table.columns[table.columns.duplicated()]})
    if twice:
        raise ValueError(f"{name} have columns that stand twice: {twice}")


def as_flags(values: NDArray[np.generic], name: str) -> BoolArray:
    """Return 0/1 or bool values as bool; anything else, nan among it, is an error."""
    given = np.asarray(values)
    if given.dtype == np.bool_:
        return given
    number = given.astype(float)
    if not np.isin(number, (0.0, 1.0)).all():
        raise ValueError(f"{name} must hold 0 and 1 alone, found {np.unique(number)[:5].tolist()}")
    flags: BoolArray = number == 1
    return flags
