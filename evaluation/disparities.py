"""The worst and the best group of each attribute, and how much of the gap chance explains.

Names used in the field [1]_: equal opportunity is the gap in sensitivity, equalized odds the
larger of the gaps in sensitivity and in false positive rate, demographic parity the gap in how
many are called positive.

References
----------
.. [1] Hardt M et al. NeurIPS 2016. arXiv:1610.02413
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from evaluation.cells import TargetCases
from evaluation.estimates import NOT_ESTIMABLE, OK, SMALL_N
from evaluation.groups import UNSURE, group_order
from evaluation.homogeneity import UNKNOWN, Homogeneity, homogeneity, merit
from evaluation.metrics import Metric, metrics_of
from evaluation.statistic import Statistic
from evaluation.subsets import Subset, is_measured, statistic_in, subset_of

if TYPE_CHECKING:
    from evaluation.further import Evaluated

COLUMNS = [
    "target", "metric", "attribute", "n_groups", "n_measured", "worst_group", "worst",
    "worst_low", "worst_high", "best_group", "best", "gap", "chance_gap", "chance_gap_high",
    "p_homogeneity", "ratio", "equity_scaled", "prespecified", "state", "reason",
]  # fmt: skip

EQUAL_OPPORTUNITY = "equal_opportunity"
EQUALIZED_ODDS = "equalized_odds"
DEMOGRAPHIC_PARITY = "demographic_parity"
_STREAM = 20_001
_NAN = float("nan")


@dataclass(frozen=True)
class Disparity:
    """One metric over the groups of one attribute."""

    metric: str
    n_groups: int
    n_measured: int
    worst_group: str = ""
    worst: float = _NAN
    best_group: str = ""
    best: float = _NAN
    gap: float = _NAN
    ratio: float = _NAN
    equity_scaled: float = _NAN
    chance: Homogeneity = UNKNOWN
    state: str = NOT_ESTIMABLE
    reason: str = ""


def equity_scaled(overall: float, groups: list[float]) -> float:
    """Return a score divided by one plus the groups' distances from it [1]_.

    Parameters
    ----------
    overall : float
        Score of all cases, in [0, 1]; higher is better.
    groups : list of float
        Scores of the groups.

    Returns
    -------
    float
        `overall` where all groups are equal; nan where fewer than two are measured.

    References
    ----------
    .. [1] Luo Y et al. IEEE Trans Med Imaging 2024;43:2623-2633. doi:10.1109/TMI.2024.3377552

    Examples
    --------
    >>> round(equity_scaled(0.80, [0.85, 0.70]), 5)
    0.69565
    """
    known = [g for g in groups if np.isfinite(g)]
    if len(known) < 2 or not np.isfinite(overall):
        return _NAN
    return overall / (1 + sum(abs(overall - g) for g in known))


def disparities_table(evaluated: "Evaluated") -> pd.DataFrame:
    """Return one row per target, metric and attribute: worst, best, gap, and chance's share.

    Groups about which nothing is known (``not recorded``, ``conflicting``) are never worst or
    best; they stay in the figures of all cases. A group without a figure is left out and named
    in ``reason``; with fewer than two measured groups there is no gap. Small groups take part,
    then ``state`` is ``small_n``, and the chance gap says what they are worth.
    """
    plan = evaluated.plan
    rows = []
    shown, overall = _limits(evaluated.metrics), _overall(evaluated.metrics)
    for case in evaluated.targets:
        of_target = {m: value for (t, m), value in overall.items() if t == case.target}
        for attribute in plan.attributes:
            found = disparities_of(
                case, attribute, evaluated.n_patients, plan.task, of_target, plan.seed
            )
            for disparity, metric in found:
                low, high = shown.get(
                    (case.target, metric, attribute, disparity.worst_group), (_NAN, _NAN)
                )
                rows.append(
                    {
                        "target": case.target,
                        "attribute": attribute,
                        "worst_low": low,
                        "worst_high": high,
                        "chance_gap": disparity.chance.mean,
                        "chance_gap_high": disparity.chance.high,
                        "p_homogeneity": disparity.chance.p,
                        "prespecified": attribute in plan.prespecified,
                        **{k: v for k, v in vars(disparity).items() if k != "chance"},
                    }
                )
    return pd.DataFrame(rows, columns=COLUMNS)


def _limits(metrics: pd.DataFrame) -> dict[tuple[str, str, str, str], tuple[float, float]]:
    keys = zip(*(metrics[c] for c in ("target", "metric", "attribute", "group")), strict=True)
    return dict(zip(keys, zip(metrics["low"], metrics["high"], strict=True), strict=True))


def _overall(metrics: pd.DataFrame) -> dict[tuple[str, str], float]:
    of_all = metrics[metrics["attribute"] == "all"]
    keys = zip(of_all["target"], of_all["metric"], strict=True)
    return dict(zip(keys, of_all["value"].astype(float), strict=True))


def disparities_of(
    case: TargetCases,
    attribute: str,
    n_patients: int,
    task: str,
    overall: dict[str, float],
    seed: int,
) -> list[tuple[Disparity, str]]:
    """Return the disparities of one target and attribute, each with the metric of its figures.

    Parameters
    ----------
    case : TargetCases
        The target's cases.
    attribute : str
        Column by which they are grouped.
    n_patients : int
        Patients of the whole evaluation.
    task : str
        Whose metrics.
    overall : dict of str to float
        Figure of all cases, by metric; for equity-scaled scores.
    seed : int
        Seed of the null distribution.
    """
    labels = case.groups[attribute]
    names = [n for n in group_order(pd.unique(labels)) if n not in UNSURE]
    subsets = [subset_of(case, labels == name, n_patients) for name in names]
    found: dict[str, Disparity] = {}
    for i, metric in enumerate(metrics_of(task)):
        statistics = [statistic_in(case, metric, s) for s in subsets]
        # The same numbers for a row wherever it stands: chance belongs to the question asked.
        found[metric.name] = _disparity(
            metric, names, statistics, subsets, overall.get(metric.name, _NAN),
            n_patients, (seed, _STREAM, i),
        )  # fmt: skip
    out = [(d, name) for name, d in found.items()]
    if task == "classification":
        for word, name in ((DEMOGRAPHIC_PARITY, "selection_rate"),
                           (EQUAL_OPPORTUNITY, "sensitivity")):  # fmt: skip
            if name in found:
                out.append((replace(found[name], metric=word, equity_scaled=_NAN), name))
        out.append(_equalized_odds(found["sensitivity"], found["specificity"]))
    return out


def _disparity(
    metric: Metric,
    names: list[str],
    statistics: list[Statistic],
    subsets: list[Subset],
    overall: float,
    n_patients: int,
    seed: tuple[int, ...],
) -> Disparity:
    measured = [i for i, s in enumerate(statistics) if is_measured(s)]
    left_out = _left_out(names, statistics)
    empty = Disparity(metric.name, len(names), len(measured))
    if len(measured) < 2:
        what = "one group only" if len(names) < 2 else "a gap needs two measured groups"
        return replace(empty, reason=f"not estimable: {left_out or what}")
    value = np.array([statistics[i].value for i in measured])
    turned = merit(value, metric)
    worst, best = int(np.argmin(turned)), int(np.argmax(turned))
    chance = homogeneity(
        [statistics[i] for i in measured], [subsets[i] for i in measured], metric,
        n_patients=n_patients, seed=seed,
    )  # fmt: skip
    small = {names[measured[k]]: statistics[measured[k]] for k in (worst, best)}
    reasons = [f"too few in {n}: {s.why}" for n, s in small.items() if s.state == SMALL_N]
    state = SMALL_N if reasons else OK
    if left_out:
        reasons.append(f"without {left_out}")
    if not chance.ranges.size:
        reasons.append("no spread between patients, so nothing is known of chance")
    is_score = metric.higher_is_better is True and metric.low == 0 and metric.high == 1
    top = float(value.max())
    return replace(
        empty,
        worst_group=names[measured[worst]],
        worst=float(value[worst]),
        best_group=names[measured[best]],
        best=float(value[best]),
        gap=float(turned[best] - turned[worst]),
        ratio=float(value.min()) / top if metric.low == 0 and top > 0 else _NAN,
        equity_scaled=equity_scaled(overall, value.tolist()) if is_score else _NAN,
        chance=chance,
        state=state,
        reason="; ".join(reasons),
    )


def _left_out(names: list[str], statistics: list[Statistic]) -> str:
    """Return who has no figure and why, each reason once."""
    by_reason: dict[str, list[str]] = {}
    for name, statistic in zip(names, statistics, strict=True):
        if not is_measured(statistic):
            by_reason.setdefault(statistic.why, []).append(name)
    return "; ".join(
        reason if len(who) == len(names) > 1 else f"{', '.join(who)}: {reason}"
        for reason, who in by_reason.items()
    )


def _equalized_odds(of_ill: Disparity, of_well: Disparity) -> tuple[Disparity, str]:
    """Return the larger of two gaps; where one of them is unknown so is the larger."""
    parts = {"sensitivity": of_ill, "specificity": of_well}
    unknown = {n: d for n, d in parts.items() if d.state == NOT_ESTIMABLE}
    if unknown:
        reason = "; ".join(dict.fromkeys(d.reason for d in unknown.values()))
        known = [f"the gap in {n} alone is {d.gap:.3g}" for n, d in parts.items()
                 if n not in unknown]  # fmt: skip
        return replace(
            Disparity(EQUALIZED_ODDS, of_ill.n_groups, min(d.n_measured for d in parts.values())),
            reason="; ".join([reason, *known]),
        ), "sensitivity"
    driver = "sensitivity" if of_ill.gap >= of_well.gap else "specificity"
    drawn = UNKNOWN.ranges
    if of_ill.chance.ranges.size and of_well.chance.ranges.size:
        drawn = np.maximum(of_ill.chance.ranges, of_well.chance.ranges)
    rate_high, rate_low = 1 - of_well.worst, 1 - of_well.best
    of_rate = rate_low / rate_high if rate_high > 0 else _NAN
    states = {of_ill.state, of_well.state}
    words = [f"driven by {driver}", *dict.fromkeys(d.reason for d in parts.values() if d.reason)]
    return replace(
        parts[driver],
        metric=EQUALIZED_ODDS,
        n_measured=min(d.n_measured for d in parts.values()),
        ratio=float(np.fmin(of_ill.ratio, of_rate)),
        equity_scaled=_NAN,
        # Two tests, so that the smaller p is doubled.
        chance=Homogeneity(drawn, min(1.0, 2 * float(np.fmin(of_ill.chance.p, of_well.chance.p)))),
        state=SMALL_N if SMALL_N in states else OK,
        reason="; ".join(words),
    ), driver
