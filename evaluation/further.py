"""What an evaluation says beyond figures and gaps: one table a question, made in its module."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from evaluation.agreement import agreement_table
from evaluation.calibration_error import calibration_bins_table, calibration_table
from evaluation.casemix import adjusted_table
from evaluation.cells import TargetCases
from evaluation.disparities import disparities_table
from evaluation.intersections import intersections_table
from evaluation.plan import EvaluationPlan
from evaluation.prevalence import at_prevalence_table
from evaluation.representation import representation_table
from evaluation.utility import decision_curve_table


@dataclass(frozen=True)
class Evaluated:
    """What the further tables are made from.

    Parameters
    ----------
    targets : tuple of TargetCases
        The cases of each target, with the groups of each attribute.
    n_patients : int
        Number of patient codes.
    metrics, gaps : DataFrame
        The tables of figures and of gaps.
    plan : EvaluationPlan
        What was said in advance.
    """

    targets: tuple[TargetCases, ...]
    n_patients: int
    metrics: pd.DataFrame
    gaps: pd.DataFrame
    plan: EvaluationPlan


TABLES: dict[str, Callable[[Evaluated], pd.DataFrame]] = {
    "agreement": agreement_table,
    "calibration": calibration_table,
    "calibration_bins": calibration_bins_table,
    "decision_curve": decision_curve_table,
    "at_prevalence": at_prevalence_table,
    "adjusted": adjusted_table,
    "disparities": disparities_table,
    "intersections": intersections_table,
    "representation": representation_table,
}
"""Every further table by its name. A new one is a function, an entry here, a test and its words."""


def further_tables(evaluated: Evaluated) -> dict[str, pd.DataFrame]:
    """Return every further table; what the data do not answer is a row that says why, or no row."""
    return {name: make(evaluated) for name, make in TABLES.items()}
