"""Table models under pressure towards parity: fairlearn's grid search over group weights.

Each candidate is the same model, learnt with the cases of one group counting more, or less, where
the constraint looks. All candidates are kept: which is best is for cases to say that none of them
has learnt from. The group is needed to learn, not to predict.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.baselines import TABLE_MODELS, TableModel, as_fitted, features

if TYPE_CHECKING:
    from fairlearn.reductions import UtilityParity

CONSTRAINTS: dict[str, tuple[str, ...]] = {
    "demographic_parity": ("all",),
    "equalized_odds": ("label=0", "label=1"),
    "true_positive_rate_parity": ("label=1",),
}
"""Every constraint by its name, and the cases it looks at: all, the healthy, the diseased."""


@dataclass(frozen=True)
class Candidate:
    """One model of the grid.

    Parameters
    ----------
    model : TableModel
        The fitted model; it looks at the same columns as without a constraint.
    group : str
        The group that was pressed; empty for the model without pressure.
    event : str
        The cases of it: ``all``, ``label=0`` or ``label=1``.
    strength : float
        How much more they count, in [-1, 1]: at 1 up to twice, at -1 down to nothing.
    """

    model: TableModel
    group: str = ""
    event: str = ""
    strength: float = 0.0


def fit_grid(
    frame: pd.DataFrame,
    y: NDArray[Any],
    group: NDArray[Any],
    *,
    numeric: Sequence[str] = (),
    categorical: Sequence[str] = (),
    name: str = "hist_gradient_boosting",
    constraint: str = "true_positive_rate_parity",
    pressed: Sequence[str] | None = None,
    grid_size: int = 11,
    seed: int = 0,
    rounds: int = 200,
) -> list[Candidate]:
    """Fit a table model without pressure and with pressure on each group, either way [1]_.

    Parameters
    ----------
    frame : DataFrame
        One row a case; the named columns are looked at and nothing else.
    y : ndarray of bool or of 0 and 1, shape (n,)
        Reference standard.
    group : ndarray of str, shape (n,)
        Group of each case.
    numeric, categorical, name, seed, rounds
        As in `fit_table`.
    constraint : str, default="true_positive_rate_parity"
        Name in `CONSTRAINTS`.
    pressed : sequence of str, optional
        Groups that are pressed; all of them where it is not said.
    grid_size : int, default=11
        Models at most, but never fewer than two for each group and event and the one without
        pressure.

    Returns
    -------
    list of Candidate
        The model without pressure first. Strengths are evenly spaced in (0, 1] and [-1, 0): no
        case is ever relabelled, which a stronger pressure would do.

    Raises
    ------
    ValueError
        If `constraint` or `name` is not known, the arrays do not fit, `y` has one class only, or
        there is no pressed group with cases that the constraint looks at.

    References
    ----------
    .. [1] Agarwal A, Beygelzimer A, Dudik M, Langford J, Wallach H. Proc ICML 2018;80:60-69.
       arXiv:1803.02453

    Examples
    --------
    >>> frame = pd.DataFrame({"age": np.arange(100.0)})
    >>> sex = np.where(np.arange(100) % 2, "f", "m")
    >>> found = fit_grid(frame, frame.age > 50, sex, numeric=["age"], name="logistic", grid_size=5)
    >>> [(one.group, one.strength) for one in found]
    [('', 0.0), ('f', 1.0), ('f', -1.0), ('m', 1.0), ('m', -1.0)]
    """
    from fairlearn.reductions import GridSearch

    if constraint not in CONSTRAINTS:
        raise ValueError(f"constraint {constraint!r} must be one of {sorted(CONSTRAINTS)}")
    if name not in TABLE_MODELS:
        raise ValueError(f"name {name!r} must be one of {sorted(TABLE_MODELS)}")
    truth, groups = np.asarray(y).astype(float), np.asarray(group).astype(str)
    if truth.shape != (len(frame),) or groups.shape != truth.shape or set(truth) != {0.0, 1.0}:
        raise ValueError(
            f"y {truth.shape} and group {groups.shape} must have an entry per row of {len(frame)}, "
            "and y both 0 and 1"
        )
    table, outcome = features(frame, numeric, categorical), truth.astype(int)
    moment = _moment(constraint)
    with as_fitted():
        moment.load_data(table, outcome, sensitive_features=groups)
    grid, told = _grid(moment, groups, CONSTRAINTS[constraint], pressed, grid_size)
    search = GridSearch(
        TABLE_MODELS[name](list(numeric), list(categorical), seed, rounds),
        constraints=_moment(constraint),
        grid=grid,
        sample_weight_name="model__sample_weight",
    )
    with as_fitted():
        search.fit(table, outcome, sensitive_features=groups)
    columns = tuple(numeric), tuple(categorical)
    return [
        Candidate(TableModel(name, pipeline, *columns), *where)
        for pipeline, where in zip(search.predictors_, told, strict=True)
    ]


def _moment(constraint: str) -> "UtilityParity":
    from fairlearn import reductions

    kinds = {
        "demographic_parity": reductions.DemographicParity,
        "equalized_odds": reductions.EqualizedOdds,
        "true_positive_rate_parity": reductions.TruePositiveRateParity,
    }
    return kinds[constraint]()


def _grid(
    moment: "UtilityParity",
    groups: NDArray[np.str_],
    events: tuple[str, ...],
    pressed: Sequence[str] | None,
    grid_size: int,
) -> tuple[pd.DataFrame, list[tuple[str, str, float]]]:
    """Return the multipliers of each candidate, a column each, and what they press.

    A multiplier is the strength times the group's share among the cases of the event, or a group
    of few would be pressed harder than one of many.
    """
    names = {str(name) for name in groups}
    wanted = sorted(names if pressed is None else names & set(pressed))
    share = moment.prob_group_event
    arms = [(g, e) for g in wanted for e in events if float(share.get((e, g), 0.0)) > 0]
    if not arms:
        raise ValueError(f"no group of {wanted} has cases of {list(events)} to press")
    levels = max(1, (grid_size - 1) // (2 * len(arms)))
    told: list[tuple[str, str, float]] = [("", "", 0.0)]
    columns = [pd.Series(0.0, index=moment.index)]
    for group, event in arms:
        for strength in (sign * (i + 1) / levels for i in range(levels) for sign in (1.0, -1.0)):
            column = pd.Series(0.0, index=moment.index)
            # fairlearn's "-" says that the group's rate is too low: its cases then count more.
            side = "-" if strength > 0 else "+"
            column[(side, event, group)] = abs(strength) * float(share[(event, group)])
            columns.append(column)
            told.append((group, event, strength))
    return pd.concat(columns, axis=1, keys=range(len(columns))), told
