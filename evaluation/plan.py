"""What is to be evaluated, said before it is: targets, groups, margin, operating points."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from evaluation.detection import LESION_METRICS
from evaluation.groups import ALL
from evaluation.metrics import METRICS
from evaluation.missing import MissingStructure
from evaluation.segmentation import MEAN

METRIC_COLUMNS = [
    "task", "target", "metric", "split", "attribute", "group", "operating_point", "params", "unit",
    "n_patients", "n_cases", "n_positive", "n_failed", "value", "low", "high", "low_linearised",
    "high_linearised", "method", "state", "definition", "reason",
]  # fmt: skip


OWN_COLUMNS = frozenset(
    (
        ALL, "case_id", "study_id", "patient_id", "patient", "split", "target", "failed", "y_true",
        "y_score", "score_kind", "y_pred", "status", "structure", "metric", "value", "unit",
        "outcome",
    )
)  # fmt: skip
"""Columns of our own tables, and the name of all cases: no attribute may be called so."""


@dataclass(frozen=True)
class EvaluationPlan:
    """What is to be evaluated.

    Parameters
    ----------
    task : {"classification", "segmentation"}
        Which entry it is for.
    targets : tuple of str
        Findings, or structures.
    primary_targets : tuple of str
        Those the verdict is about; ``mean`` stands for the mean over structures.
    primary_metric : str
        The metric the verdict is about.
    attributes : tuple of str
        Columns by which figures are broken down.
    prespecified : tuple of str
        Those of them named in advance: they carry the verdict.
    per_case : tuple of str
        Attributes that may differ between the cases of a patient.
    margin : float or None
        The gap in the primary metric that would matter; None gives no verdict.
    operating_points : mapping of str to float or None
        Threshold of each target.
    operating_point_notes : mapping of str to str
        How each threshold was come by.
    tolerance_mm : mapping of str to float
        Tolerance of NSD of each structure.
    missing : MissingStructure
        What stands for a structure that one mask or both lack.
    lesions : mapping of str to float
        Structures that consist of lesions, and the overlap over union at which one is found.
    unit : {"case", "study"}
        What is judged.
    combine : {"mean", "max"}
        How the scores of a study's cases become one.
    score_kind : mapping of str to str
        Probability or score, by target; the column of the table where it is not said.
    n_boot, level, seed : int, float, int
        Replicates, confidence level and seed.
    family : {"claim", "target"}
        Which verdicts hold together at the level: all of the claim, or those of each primary
        target, which is narrower and leaves the number of targets to the reader.
    split : str
        The part of the table that is evaluated.
    patients_known : bool
        False: the table does not say whose case it is, and intervals are by case.
    reasons : mapping of str to str
        Why an attribute was named in advance.
    intersections : tuple of tuple of str, or None
        Attributes whose combinations are looked at; None takes every pair of those named in
        advance.
    adjust_for : tuple of str
        Attributes (scanner, site) whose part in the gaps of the others is taken out.
    population : mapping of str to (mapping of str to float)
        Share of each group among those who are served, by attribute.
    population_source : str
        Where these shares come from.
    prevalence : mapping of str to float
        How common each finding is where the tool is to be used.
    prevalence_source : str
        Where that comes from.
    expected_cases : frozenset of str, or None
        Ids of the cases that must have been predicted; None where nobody knows.
    chosen_on : frozenset of str
        Ids of the cases the operating points were chosen on: none may be scored.
    """

    task: str
    targets: tuple[str, ...]
    primary_targets: tuple[str, ...]
    primary_metric: str
    attributes: tuple[str, ...] = ()
    prespecified: tuple[str, ...] = ()
    per_case: tuple[str, ...] = ()
    margin: float | None = None
    operating_points: Mapping[str, float | None] = field(default_factory=dict)
    operating_point_notes: Mapping[str, str] = field(default_factory=dict)
    tolerance_mm: Mapping[str, float] = field(default_factory=dict)
    missing: MissingStructure = field(default_factory=MissingStructure)
    lesions: Mapping[str, float] = field(default_factory=dict)
    unit: str = "case"
    combine: str = "mean"
    score_kind: Mapping[str, str] = field(default_factory=dict)
    n_boot: int = 1000
    level: float = 0.95
    seed: int = 0
    family: str = "claim"
    split: str = "test"
    patients_known: bool = True
    reasons: Mapping[str, str] = field(default_factory=dict)
    intersections: tuple[tuple[str, ...], ...] | None = None
    adjust_for: tuple[str, ...] = ()
    population: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    population_source: str = ""
    prevalence: Mapping[str, float] = field(default_factory=dict)
    prevalence_source: str = ""
    expected_cases: frozenset[str] | None = None
    chosen_on: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        metric = METRICS.get(self.primary_metric)
        if metric is None or metric.task != self.task:
            known = [m.name for m in METRICS.values() if m.task == self.task]
            raise ValueError(
                f"primary_metric '{self.primary_metric}' is no metric of task '{self.task}': "
                f"{', '.join(known)}"
            )
        if metric.is_directionless:
            raise ValueError(
                f"primary_metric '{self.primary_metric}' has no better or worse, so no verdict can "
                "rest on it"
            )
        known_targets = {*self.targets, MEAN} if self.task == "segmentation" else {*self.targets}
        _among("primary_targets", self.primary_targets, known_targets)
        own = sorted(OWN_COLUMNS & set(self.attributes))
        if own:
            raise ValueError(f"attributes {own} are called like columns of our own tables")
        _among("prespecified", self.prespecified, set(self.attributes))
        _among("per_case", self.per_case, set(self.attributes))
        _among("reasons", tuple(self.reasons), set(self.prespecified))
        _among("adjust_for", self.adjust_for, set(self.attributes))
        _check_intersections(self.intersections or (), set(self.attributes))
        _check_population(self.population, set(self.attributes))
        _among("prevalence", tuple(self.prevalence), known_targets)
        for target, share in self.prevalence.items():
            if not 0 < share < 1:
                raise ValueError(f"prevalence of {target} {share} must lie between 0 and 1")
        _among("lesions", tuple(self.lesions), set(self.targets))
        for target, iou in self.lesions.items():
            if not 0 <= iou <= 1:
                raise ValueError(f"lesions: the iou of {target} {iou} must lie in [0, 1]")
        if self.primary_metric in LESION_METRICS:
            _among("primary_targets", self.primary_targets, set(self.lesions))
        _among("unit", (self.unit,), {"case", "study"})
        _among("family", (self.family,), {"claim", "target"})
        _among("combine", (self.combine,), {"mean", "max"})
        if self.margin is not None and not self.margin > 0:
            raise ValueError(f"margin {self.margin} must be above 0")
        if not 0 < self.level < 1 or self.n_boot < 100:
            raise ValueError(f"level {self.level} in (0, 1) and n_boot {self.n_boot} >= 100 wanted")


def _among(name: str, given: tuple[str, ...], known: set[str]) -> None:
    odd = [g for g in given if g not in known]
    if odd:
        raise ValueError(f"{name} {odd} are none of {sorted(known)}")


def _check_intersections(given: tuple[tuple[str, ...], ...], known: set[str]) -> None:
    for names in given:
        _among("intersections", names, known)
        if len(set(names)) < 2 or len(set(names)) < len(names):
            raise ValueError(f"intersections {names} must name two attributes or more, each once")


def _check_population(given: Mapping[str, Mapping[str, float]], known: set[str]) -> None:
    _among("population", tuple(given), known)
    for attribute, shares in given.items():
        odd = {g: s for g, s in shares.items() if not 0 <= s <= 1}
        if odd:
            raise ValueError(f"population of {attribute} {odd} must be shares from 0 to 1")
        if sum(shares.values()) > 1.005:
            raise ValueError(f"population of {attribute} adds up to {sum(shares.values()):g}")


@dataclass(frozen=True)
class Evaluation:
    """What was found: tables a report prints and a gate reads.

    Parameters
    ----------
    metrics : DataFrame
        One row per target, metric and group; overall rows have attribute and group ``all``.
    gaps : DataFrame
        One row per target, metric and group: the group against the rest.
    case_metrics : DataFrame
        One row per case, target or structure, and metric.
    notes : tuple of str
        What a reader must know: cases without reference, failures, unknown patients.
    tables : mapping of str to DataFrame
        The further tables by the names of ``evaluation.further.TABLES``.
    """

    metrics: pd.DataFrame
    gaps: pd.DataFrame
    case_metrics: pd.DataFrame
    notes: tuple[str, ...]
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
