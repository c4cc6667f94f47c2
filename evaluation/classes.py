"""A predictions table with one row per case and class, read as the classes of cases."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evaluation.estimates import FloatArray
from evaluation.multiclass import FAILED


@dataclass(frozen=True)
class ClassScores:
    """Classes and scores of cases, as `macro_roc_auc` and `multiclass_confusion` read them.

    Parameters
    ----------
    case_id, patient_id, y_true : ndarray of str, shape (n_cases,)
        Cases in order, whose they are, and their class.
    y_score : ndarray of float, shape (n_cases, n_classes)
        Score of each class; a row of nan is a case the tool failed on.
    classes : ndarray of str, shape (n_classes,)
        The class of each column.
    """

    case_id: NDArray[np.str_]
    patient_id: NDArray[np.str_]
    y_true: NDArray[np.str_]
    y_score: FloatArray
    classes: NDArray[np.str_]

    @property
    def y_pred(self) -> NDArray[np.str_]:
        """The class with the highest score, "failed" where there is none."""
        failed = np.asarray(np.isnan(self.y_score).any(axis=1))
        best = np.argmax(np.where(failed[:, None], 0.0, self.y_score), axis=1)
        return np.where(failed, FAILED, self.classes[best])


def class_scores(predictions: pd.DataFrame) -> ClassScores:
    """Return a predictions table with one row per case and class as arrays.

    Parameters
    ----------
    predictions : DataFrame
        ``case_id, patient_id, target`` (the class), ``y_true`` (1 in the row of the case's class,
        else 0), ``y_score, status``.

    Raises
    ------
    ValueError
        If a case lacks a class, has one twice, or is of none or several classes.

    Examples
    --------
    >>> found = class_scores(pd.DataFrame({
    ...     "case_id": ["a", "a", "b", "b"], "patient_id": "p", "target": ["ct", "mr"] * 2,
    ...     "y_true": [1, 0, 0, 1], "y_score": [0.9, 0.1, 0.6, 0.4], "status": "ok"}))
    >>> found.y_true.tolist(), found.y_pred.tolist()
    (['ct', 'mr'], ['ct', 'ct'])
    """
    table = predictions.astype({"case_id": str, "patient_id": str, "target": str})
    n_twice = int(table.duplicated(["case_id", "target"]).sum())
    if n_twice:
        raise ValueError(f"{n_twice} rows repeat a case_id and target; each must stand once")
    classes = np.unique(table["target"].to_numpy(dtype=str))
    n_cases = table["case_id"].nunique()
    if len(table) != n_cases * classes.size:
        n = n_cases * classes.size - len(table)
        raise ValueError(f"{n} rows are missing: each of {n_cases} cases has one per class")
    table = table.sort_values(["case_id", "target"])
    shape = (n_cases, classes.size)
    truth = table["y_true"].to_numpy(dtype=float).reshape(shape)
    odd = ~((truth == 0) | (truth == 1)).all(axis=1) | (truth.sum(axis=1) != 1)
    if odd.any():
        raise ValueError(f"{int(odd.sum())} of {n_cases} cases are not of exactly one class")
    score = table["y_score"].to_numpy(dtype=float).reshape(shape)
    failed = np.asarray((table["status"] != "ok").to_numpy().reshape(shape).any(axis=1))
    once = table.drop_duplicates("case_id")
    return ClassScores(
        case_id=once["case_id"].to_numpy(dtype=str),
        patient_id=once["patient_id"].to_numpy(dtype=str),
        y_true=classes[truth.argmax(axis=1)],
        y_score=np.where(failed[:, None], np.nan, score),
        classes=classes,
    )
