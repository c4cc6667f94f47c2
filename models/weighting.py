"""What each case counts in training: so that group and outcome, or groups, are evened out."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

UNKNOWN = -1
"""The code of a case whose group is not known: it counts, and is drawn, as it stands."""


@dataclass(frozen=True)
class Emphasis:
    """What each training case counts; the default counts all alike.

    Parameters
    ----------
    groups : ndarray of int, shape (n_cases,), optional
        Group of each case: each is drawn equally often. `UNKNOWN` is drawn as it stands.
    weights : ndarray of float, shape (n_cases, n_outputs), optional
        What each case and finding counts in the loss, at least 0.

    Raises
    ------
    ValueError
        If a code is below `UNKNOWN`, all are, or a weight is below 0 or no number.

    Examples
    --------
    >>> Emphasis(groups=np.array([0, 1, 1])).digest == Emphasis().digest
    False
    """

    groups: IntArray | None = None
    weights: FloatArray | None = None

    def __post_init__(self) -> None:
        if self.groups is not None:
            _checked_groups(self.groups)
        if self.weights is not None:
            given = np.asarray(self.weights)
            if given.ndim != 2 or not np.isfinite(given).all() or (given < 0).any():
                raise ValueError(f"weights {given.shape} must be (cases, outputs) of numbers >= 0")

    def of(self, n_cases: int, n_outputs: int) -> "Emphasis":
        """Return itself where it fits so many cases and outputs, else say what does not."""
        if self.groups is not None and self.groups.shape != (n_cases,):
            raise ValueError(f"groups {self.groups.shape} must have one entry per case, {n_cases}")
        if self.weights is not None and self.weights.shape != (n_cases, n_outputs):
            raise ValueError(f"weights {self.weights.shape} must be {(n_cases, n_outputs)}")
        return self

    @property
    def digest(self) -> str:
        """SHA-256, by which a checkpoint knows what its cases counted; empty when all alike."""
        digest = hashlib.sha256()
        given: dict[str, Any] = {"groups": self.groups, "weights": self.weights}
        for name, array in given.items():
            if array is not None:
                digest.update(f"{name} {array.shape} {array.dtype}".encode())
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest() if any(a is not None for a in given.values()) else ""


def _checked_groups(groups: IntArray) -> IntArray:
    codes = np.asarray(groups)
    if codes.ndim != 1 or not np.issubdtype(codes.dtype, np.integer):
        raise ValueError(f"groups {codes.shape} of {codes.dtype} must be whole numbers, one a case")
    if codes.size == 0 or codes.min() < UNKNOWN or codes.max() == UNKNOWN:
        raise ValueError(f"groups of {codes.size} cases must hold codes from 0; {UNKNOWN}: unknown")
    return codes


def reweighing(group: NDArray[Any], y: NDArray[Any]) -> FloatArray:
    """Return the weights that make group and outcome independent (Kamiran and Calders [1]_).

    Parameters
    ----------
    group : ndarray, shape (n_cases,)
        Group of each case; a case whose group is not known belongs to a group of its own.
    y : ndarray of bool or of 0 and 1, shape (n_cases,)
        Reference standard.

    Returns
    -------
    ndarray of float, shape (n_cases,)
        ``P(group) P(y) / P(group, y)``: above 0, mean 1 where each group has both outcomes. The
        weighted rate of the outcome is then the same in all groups. A group with one outcome
        alone keeps its rate, for no weight makes the other appear.

    Raises
    ------
    ValueError
        If the arrays differ in length, are empty, or `y` holds other than 0 and 1.

    References
    ----------
    .. [1] Kamiran F, Calders T. Knowl Inf Syst 2012;33:1-33. doi:10.1007/s10115-011-0463-8

    Examples
    --------
    >>> reweighing(np.array(["f", "f", "f", "m"]), np.array([1, 0, 0, 1])).round(3)
    array([1.5 , 0.75, 0.75, 0.5 ])
    """
    names, outcome = np.asarray(group), np.asarray(y)
    if names.shape != outcome.shape or names.ndim != 1 or names.size == 0:
        raise ValueError(f"group {names.shape} and y {outcome.shape} must match, and not be empty")
    if not np.isin(outcome, (0, 1)).all():
        raise ValueError(f"y must hold 0 and 1 alone, found {np.unique(outcome)[:5].tolist()}")
    codes = np.unique(names.astype(str), return_inverse=True)[1]
    found = outcome.astype(np.int64)
    table = np.zeros((codes.max() + 1, 2))
    np.add.at(table, (codes, found), 1.0)
    wanted = np.outer(table.sum(1), table.sum(0)) / table.sum()
    weights: FloatArray = (wanted / np.where(table > 0, table, 1.0))[codes, found]
    return weights


def balancing(groups: NDArray[Any]) -> FloatArray:
    """Return the weights under which each known group counts the same.

    Parameters
    ----------
    groups : ndarray of int, shape (n_cases,)
        Group of each case, codes from 0; `UNKNOWN` keeps weight 1.

    Returns
    -------
    ndarray of float, shape (n_cases,)
        Above 0, mean 1.

    Examples
    --------
    >>> balancing(np.array([0, 0, 0, 1, -1])).round(3)
    array([0.667, 0.667, 0.667, 2.   , 1.   ])
    """
    codes = _checked_groups(groups)
    known = codes != UNKNOWN
    names, counts = np.unique(codes[known], return_counts=True)
    share = dict(zip(names.tolist(), (known.sum() / (names.size * counts)).tolist(), strict=True))
    return np.array([share.get(int(code), 1.0) for code in codes])


def balanced_order(groups: NDArray[Any], batch: int, step: int, seed: int) -> list[int]:
    """Return the cases of a step: each known group equally often, its cases one after another.

    A function of seed and step alone, so that a run which was killed goes on in the same bits. In
    a turn of as many draws as there are cases, the groups differ by one draw at most; within a
    group every case comes once before any comes again.

    Parameters
    ----------
    groups : ndarray of int, shape (n_cases,)
        Group of each case, codes from 0; `UNKNOWN` is drawn as often as it stands in the data.
    batch, step, seed : int
        Cases a step, the step, and the seed.

    Examples
    --------
    >>> drawn = [balanced_order(np.array([0, 0, 0, 1]), 2, step, seed=1) for step in range(2)]
    >>> sum(case == 3 for cases in drawn for case in cases)
    2
    """
    codes = _checked_groups(groups)
    members = {int(code): np.flatnonzero(codes == code) for code in np.unique(codes)}
    chosen: list[int] = []
    position = step * batch
    while len(chosen) < batch:
        turn, offset = divmod(position + len(chosen), codes.size)
        cases = _turn(members, codes.size, turn, seed)
        chosen += cases[offset : offset + batch - len(chosen)]
    return chosen


def _turn(members: dict[int, IntArray], n_cases: int, turn: int, seed: int) -> list[int]:
    """Return the draws of a turn, as many as there are cases, in a shuffled order."""
    n_unknown = len(members.get(UNKNOWN, ()))
    known = [code for code in members if code != UNKNOWN]
    n_known, n_groups = n_cases - n_unknown, len(known)
    drawn: list[int] = []
    for code, cases in members.items():
        if code == UNKNOWN:
            first, last = turn * n_unknown, (turn + 1) * n_unknown
        else:
            # By Hermite's identity these add up to whole turns over the groups.
            place = known.index(code)
            first, last = (((turn + t) * n_known + place) // n_groups for t in (0, 1))
        drawn += _members(cases, first, last, (seed, code))
    order = np.random.default_rng([seed, 8, turn]).permutation(n_cases)
    return [drawn[i] for i in order]


def _members(cases: IntArray, first: int, last: int, key: tuple[int, int]) -> list[int]:
    """Return the draws `first` to `last` of a group: round after round, each round shuffled."""
    seed, code = key
    drawn: list[int] = []
    while first < last:
        around, offset = divmod(first, cases.size)
        rng = np.random.default_rng([seed, 9, code + 1, around])
        some = cases[rng.permutation(cases.size)][offset : offset + last - first]
        drawn += some.tolist()
        first += some.size
    return drawn
