"""Case-mix adjustment: the group's part in a gap, and that of the scanner it is examined on.

A group's figure and the rest's are both taken scanner by scanner and then averaged with the same
weights (direct standardisation [1]_). What is left of the gap is not the scanner's doing; the same
the other way round says how much of the scanner's gap is the group's. An AUC is averaged within
strata over the diseased, which is the covariate-adjusted AUC [2]_.

References
----------
.. [1] Keiding N, Clayton D. Stat Sci 2014;29:529-558. doi:10.1214/13-STS453
.. [2] Janes H, Pepe MS. Biometrika 2009;96:371-382. doi:10.1093/biomet/asp002
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from evaluation.cells import TargetCases
from evaluation.estimates import (
    NOT_ESTIMABLE,
    OK,
    SMALL,
    SMALL_N,
    BoolArray,
    FloatArray,
    critical,
    two_sided_z,
)
from evaluation.groups import UNSURE, GroupArray, group_order
from evaluation.metrics import Metric
from evaluation.plan import EvaluationPlan
from evaluation.statistic import Statistic
from evaluation.subsets import (
    Subset,
    is_measured,
    looked_at,
    statistic_in,
    subset_of,
    variances,
)

if TYPE_CHECKING:
    from evaluation.further import Evaluated

COLUMNS = [
    "target", "metric", "attribute", "group", "adjusted_for", "crude", "crude_low", "crude_high",
    "adjusted", "adjusted_low", "adjusted_high", "explained", "n_patients", "n_cases", "n_dropped",
    "method", "state", "reason",
]  # fmt: skip

ABOUT_ILL = ("sensitivity", "false_negative_rate", "roc_auc")
ABOUT_WELL = ("specificity", "false_positive_rate")
_NAN = float("nan")


Sides = tuple[BoolArray, BoolArray]
"""Which cases of a stratum are of the group, and which of the rest."""


@dataclass(frozen=True)
class Question:
    """One group against the rest, and what is held alike between them."""

    attribute: str
    group: str
    adjusted_for: tuple[str, ...]

    @property
    def held(self) -> str:
        """What is held alike, in words."""
        return " × ".join(self.adjusted_for)


@dataclass(frozen=True)
class Adjusted:
    """A standardised gap; below 0 is worse for the group."""

    value: float = _NAN
    low: float = _NAN
    high: float = _NAN
    n_patients: int = 0
    n_cases: int = 0
    n_dropped: int = 0
    explained: float = _NAN
    method: str = ""
    state: str = NOT_ESTIMABLE
    reason: str = ""


@dataclass(frozen=True)
class _Stratum:
    """One stratum in which both sides were measured, and how many cases the metric is about."""

    sides: tuple[Subset, Subset]
    statistics: tuple[Statistic, Statistic]
    weight: float
    inside: Sides


def adjusted_table(evaluated: "Evaluated") -> pd.DataFrame:
    """Return gaps of groups before and after both sides have the same case mix.

    One row per primary target, looked-at metric with a better direction, group and attribute of
    ``plan.adjust_for``: the attributes named in advance adjusted for it, and it adjusted for each
    of them. Strata that only one side has say nothing of the gap, nor do cases of which the
    adjusted attribute is not recorded: they are counted in ``n_dropped``. ``explained`` is the
    share of the crude gap of the cases left that goes with the case mix. It is nan where that gap
    or the crude one of all cases may be 0 or they point different ways, and where more than half
    of the cases of the group or of the rest were left out, which the reason then says.
    """
    rows: list[dict[str, object]] = []
    gaps = evaluated.gaps
    keys = zip(*(gaps[c] for c in ("target", "metric", "attribute", "group")), strict=True)
    numbers = gaps[["value", "low", "high"]].to_numpy(dtype=float)
    crude = dict(zip(keys, numbers, strict=True))
    for case in evaluated.targets:
        if case.target not in evaluated.plan.primary_targets:
            continue
        metrics = [
            m
            for m in looked_at(evaluated.plan)
            if m.name not in case.blocked and m.higher_is_better is not None
        ]
        for question in _questions(case, evaluated.plan):
            strata = [
                (inside, _subsets(case, inside, evaluated.n_patients))
                for inside in _strata(case, question)
            ]
            for metric in metrics:
                key = (case.target, metric.name, question.attribute, question.group)
                before = crude.get(key, np.full(3, _NAN))
                found = _adjusted(case, metric, question, strata, evaluated, before)
                rows.append(_row(key, question, found, before))
    return pd.DataFrame(rows, columns=COLUMNS)


def _questions(case: TargetCases, plan: EvaluationPlan) -> Iterator[Question]:
    """Yield who is compared, and what for: groups given the scanner, scanners given the group."""
    pairs: list[tuple[str, tuple[str, ...]]] = []
    named = [a for a in plan.prespecified if a not in plan.adjust_for]
    for attribute in named:
        pairs += [(attribute, (a,)) for a in plan.adjust_for]
        if len(plan.adjust_for) > 1:
            pairs.append((attribute, plan.adjust_for))
    pairs += [(a, (attribute,)) for a in plan.adjust_for for attribute in named]
    for attribute, held in pairs:
        for group in group_order(pd.unique(case.groups[attribute])):
            if group not in UNSURE:
                yield Question(attribute, group, held)


def _strata(case: TargetCases, question: Question) -> list[Sides]:
    """Return group and rest in each stratum; either may be empty."""
    labels = case.groups[question.attribute]
    known = ~np.isin(labels, UNSURE)
    held = [case.groups[name] for name in question.adjusted_for]
    told = known & ~np.logical_or.reduce([np.isin(part, UNSURE) for part in held])
    out = []
    for name in sorted(set(zip(*(part[told] for part in held), strict=True))):
        inside = told & _all_equal(held, name)
        own = inside & (labels == question.group)
        out.append((own, inside & ~own))
    return out


def _subsets(case: TargetCases, inside: Sides, n_patients: int) -> tuple[Subset, Subset]:
    return subset_of(case, inside[0], n_patients), subset_of(case, inside[1], n_patients)


def _all_equal(held: list[GroupArray], name: tuple[str, ...]) -> BoolArray:
    parts = [part == value for part, value in zip(held, name, strict=True)]
    out: BoolArray = np.logical_and.reduce(parts)
    return out


def _adjusted(
    case: TargetCases,
    metric: Metric,
    question: Question,
    strata: list[tuple[Sides, tuple[Subset, Subset]]],
    evaluated: "Evaluated",
    crude: FloatArray,
) -> Adjusted:
    labels = case.groups[question.attribute]
    n_known = int((~np.isin(labels, UNSURE)).sum())
    n_own = int((labels == question.group).sum())
    both = [s for s in (_stratum(case, metric, *part) for part in strata) if s is not None]
    if not both:
        empty = not any(own.patients.size for _, (own, _) in strata)
        return Adjusted(
            n_dropped=n_known,
            reason=f"not estimable: {question.held} was not recorded" if empty
            else f"not estimable: no {question.held} with figures of both sides",
        )  # fmt: skip
    kept_own, kept_rest = (sum(kept.sides[i].sample.patient.size for kept in both) for i in (0, 1))
    n_kept = kept_own + kept_rest
    value, variance, df = _gap(both, metric, evaluated.n_patients)
    if not np.isfinite(variance):
        return Adjusted(
            n_dropped=n_known - n_kept, reason="not estimable: no spread between patients"
        )
    half = float(critical(two_sided_z(evaluated.plan.level), df)) * np.sqrt(variance)
    least = [sum(kept.statistics[i].n_least for kept in both) for i in (0, 1)]
    small = [n for n in ("the group", "the rest") if least[n == "the rest"] < SMALL]
    reasons = []
    if small:
        reasons.append(f"fewer than {SMALL} patients of {' and of '.join(small)} in these strata")
    most = [
        name
        for name, n, all_of in (
            ("the group", kept_own, n_own), ("the rest", kept_rest, n_known - n_own),
        )
        if n < all_of / 2
    ]  # fmt: skip
    if most:
        reasons.append(
            f"{n_known - n_kept} of {n_known} cases left out, more than half of "
            f"{' and of '.join(most)}: not told how much {question.held} explains"
        )
    share = _NAN if most else _explained(case, metric, both, value, crude, evaluated)
    own = np.unique(np.concatenate([kept.sides[0].patients for kept in both]))
    return Adjusted(
        value=value,
        low=value - half,
        high=value + half,
        n_patients=own.size,
        n_cases=kept_own,
        n_dropped=n_known - n_kept,
        explained=share,
        method=f"direct standardisation over {len(both)} of {len(strata)} strata of "
        f"{question.held}, weights of {_about(metric)}, linearised by patient",
        state=SMALL_N if small else OK,
        reason="; ".join(reasons),
    )


def _explained(
    case: TargetCases,
    metric: Metric,
    strata: list[_Stratum],
    adjusted: float,
    crude: FloatArray,
    evaluated: "Evaluated",
) -> float:
    """Return how much of the crude gap of the same cases goes with the case mix.

    Of a gap that may be none there is nothing to explain; nor is one explained by leaving out the
    cases that made it.
    """
    own, rest = (np.logical_or.reduce([s.inside[i] for s in strata]) for i in (0, 1))
    sides = _subsets(case, (own, rest), evaluated.n_patients)
    pooled = _stratum(case, metric, (own, rest), sides)
    if pooled is None:
        return _NAN
    value, variance, df = _gap([pooled], metric, evaluated.n_patients)
    half = float(critical(two_sided_z(evaluated.plan.level), df)) * np.sqrt(variance)
    _, low, high = crude
    lasts = (value + half < 0 and high < 0) or (value - half > 0 and low > 0)
    return 1 - adjusted / value if lasts else _NAN


def _stratum(
    case: TargetCases, metric: Metric, inside: Sides, sides: tuple[Subset, Subset]
) -> _Stratum | None:
    """Return a stratum in which both sides have a figure, else None."""
    own, rest = (statistic_in(case, metric, side) for side in sides)
    if not (is_measured(own) and is_measured(rest)):
        return None
    return _Stratum(sides, (own, rest), sum(_counted(metric, s) for s in sides), inside)


def _about(metric: Metric) -> str:
    if metric.name in ABOUT_ILL:
        return "the cases with the finding"
    return "the cases without the finding" if metric.name in ABOUT_WELL else "all cases"


def _counted(metric: Metric, side: Subset) -> float:
    y_true = side.sample.y_true
    if metric.name in ABOUT_ILL:
        return float(y_true.sum())
    if metric.name in ABOUT_WELL:
        return float((~y_true).sum())
    present = side.sample.values.get("present")
    return float(side.sample.patient.size if present is None else present.sum())


def _gap(strata: list[_Stratum], metric: Metric, n_patients: int) -> tuple[float, float, float]:
    """Return the standardised gap, its variance by patient and its degrees of freedom."""
    weight = np.array([s.weight for s in strata])
    weight = weight / weight.sum()
    sign = 1.0 if metric.higher_is_better else -1.0
    value = 0.0
    variance: list[float] = []
    df: list[float] = []
    influence: FloatArray = np.zeros(n_patients)
    unmeasured = 0.0
    for side, turn in ((0, sign), (1, -sign)):
        statistics = [s.statistics[side] for s in strata]
        steady = variances(statistics, alike=False)
        least = sum(s.n_least for s in statistics)
        for stratum, statistic, w, v in zip(strata, statistics, weight, steady, strict=True):
            value += turn * w * statistic.value
            # The few borrow their spread; where it has no direction it goes its own way.
            if statistic.se > 0:
                scale = np.sqrt(v) / statistic.se
                influence[stratum.sides[side].patients] += turn * w * scale * statistic.influence
            else:
                unmeasured += w**2 * v
            variance.append(w**2 * v)
            lent = statistic.n_least if statistic.n_least >= SMALL else least
            df.append(max(float(lent - 1), 1.0))
    total = float(np.square(influence).sum()) + unmeasured
    parts = np.array(variance)
    spread = float((parts**2 / np.array(df)).sum())
    freedom = float(parts.sum()) ** 2 / spread if spread > 0 else float("inf")
    return value, total, freedom


def _row(
    key: tuple[str, str, str, str],
    question: Question,
    found: Adjusted,
    crude: FloatArray,
) -> dict[str, object]:
    before, low, high = crude
    return {
        "target": key[0],
        "metric": key[1],
        "attribute": question.attribute,
        "group": question.group,
        "adjusted_for": question.held,
        "crude": before,
        "crude_low": low,
        "crude_high": high,
        "adjusted": found.value,
        "adjusted_low": found.low,
        "adjusted_high": found.high,
        **{k: v for k, v in vars(found).items() if k not in ("value", "low", "high")},
    }
