"""Do readers agree on categories, beyond what chance would give: kappa, percent agreement."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from evaluation.estimates import Estimate, FloatArray, IntArray, two_sided_z, wilson_limits
from evaluation.samples import Sample
from evaluation.statistic import (
    Statistic,
    effective_count,
    estimate_of,
    few_correction,
    share_of,
    undefined,
)

IdArray = NDArray[np.generic]

WEIGHTS = ("none", "linear", "quadratic")
ONE_CATEGORY = "one category only: chance would agree as often"
ONE_SIDED = "one reader gave one category only, so that kappa is 0 whatever the other says"


def percent_agreement(
    first: NDArray[np.generic],
    second: NDArray[np.generic],
    *,
    patient_id: IdArray,
    level: float = 0.95,
) -> Estimate:
    """Share of cases on which two readers say the same.

    Parameters
    ----------
    first, second : ndarray, shape (n_cases,)
        Categories; nan is an error, for a case nobody read says nothing of agreement.
    patient_id : ndarray, shape (n_cases,)
        Whose case it is.
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    Estimate
        In [0, 1], with Wilson's interval on the effective number of cases; not estimable
        without a case. High agreement on a rare finding may be chance: see `cohen_kappa`.

    Raises
    ------
    ValueError
        If the arrays differ in shape, or a rating is missing.

    Examples
    --------
    >>> a, b = np.array([1, 1, 0, 0]), np.array([1, 0, 0, 0])
    >>> percent_agreement(a, b, patient_id=np.arange(4)).value
    0.75
    """
    one, two, _ = _coded(first, second, patient_id, None)
    sample = Sample.of_patients(np.asarray(patient_id))
    same = (one == two).astype(float)
    statistic = share_of(sample, same, np.ones(same.size), none="no case")
    return estimate_of(statistic, sample, level=level, definition="share of cases rated the same")


def cohen_kappa(
    first: NDArray[np.generic],
    second: NDArray[np.generic],
    *,
    patient_id: IdArray,
    weights: str = "none",
    categories: Sequence[object] | None = None,
    level: float = 0.95,
) -> Estimate:
    """Agreement of two readers beyond chance (Cohen's kappa) [1]_ [2]_.

    Parameters
    ----------
    first, second : ndarray, shape (n_cases,)
        Categories as each reader gave them.
    patient_id : ndarray, shape (n_cases,)
        Whose case it is: the variance is Fleiss, Cohen and Everitt's, clustered by patient.
    weights : {"none", "linear", "quadratic"}, default="none"
        How much a disagreement between ordered categories counts by its distance.
    categories : sequence, optional
        All categories in their order; those that occur, sorted, when not given. Needed for
        weights where one that nobody gave lies between two others.
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    Estimate
        At most 1, 0 is chance, below 0 worse than chance. Not estimable when a reader gave one
        category throughout: kappa is 0 then, or has no value, whatever the other reader said.
        Perfect agreement keeps an interval; where patients do not differ otherwise there is none,
        and the reason says so.

    Raises
    ------
    ValueError
        If the arrays differ in shape, a rating is missing or not among `categories`, or the
        weights are unknown.

    References
    ----------
    .. [1] Cohen J. Psychol Bull 1968;70:213-220. doi:10.1037/h0026256
    .. [2] Fleiss JL, Cohen J, Everitt BS. Psychol Bull 1969;72:323-327. doi:10.1037/h0028106

    Examples
    --------
    >>> a, b = np.array([1, 1, 0, 0, 1, 0]), np.array([1, 0, 0, 0, 1, 0])
    >>> round(cohen_kappa(a, b, patient_id=np.arange(6)).value, 4)
    0.6667
    """
    if weights not in WEIGHTS:
        raise ValueError(f"weights '{weights}' are none of {WEIGHTS}")
    one, two, n_categories = _coded(first, second, patient_id, categories)
    sample = Sample.of_patients(np.asarray(patient_id))
    definition = "Cohen's kappa" + ("" if weights == "none" else f", {weights} weights")
    if one.size == 0:
        return _estimate(undefined("no case"), sample, level, definition)
    kinds = np.unique(one).size, np.unique(two).size
    if min(kinds) == 1 < max(kinds):
        return _estimate(undefined(ONE_SIDED), sample, level, definition)
    statistic, chance = _kappa_of(sample, one, two, _distances(n_categories, weights))
    return _kept_wide(_estimate(statistic, sample, level, definition), statistic, chance, level)


def _kappa_of(
    sample: Sample, one: IntArray, two: IntArray, distance: FloatArray
) -> tuple[Statistic, float]:
    """Return kappa as a `Statistic`, and the disagreement that chance would give."""
    n, k = one.size, distance.shape[0]
    by_first, by_second = (np.bincount(x, minlength=k) / n for x in (one, two))
    per_case = distance[one, two]
    seen = float(per_case.mean())
    chance = float(by_first @ distance @ by_second)
    if chance == 0:
        return undefined(ONE_CATEGORY), 0.0
    d_chance = (distance @ by_second)[one] + (by_first @ distance)[two] - 2 * chance
    influence = -((per_case - seen) * chance - seen * d_chance) / chance**2
    return _clustered(sample, 1 - seen / chance, influence), chance


def fleiss_kappa(
    ratings: NDArray[np.generic], *, patient_id: IdArray, level: float = 0.95
) -> Estimate:
    """Agreement of several readers beyond chance (Fleiss' kappa) [1]_.

    Parameters
    ----------
    ratings : ndarray, shape (n_cases, n_readers)
        Categories; each case read by as many readers, not always the same ones.
    patient_id : ndarray, shape (n_cases,)
        Whose case it is; the variance is linearised and clustered by patient.
    level : float, default=0.95
        Confidence level, in (0, 1).

    Returns
    -------
    Estimate
        At most 1; 0 is chance. Not estimable when only one category was given. Perfect agreement
        keeps an interval.

    Raises
    ------
    ValueError
        If there are fewer than 2 readers, the shapes differ, or a rating is missing.

    References
    ----------
    .. [1] Fleiss JL. Psychol Bull 1971;76:378-382. doi:10.1037/h0031619

    Examples
    --------
    >>> three = np.array([[1, 1, 1], [0, 0, 1], [0, 0, 0], [1, 1, 1]])
    >>> round(fleiss_kappa(three, patient_id=np.arange(4)).value, 4)
    0.6571
    """
    given = np.asarray(ratings)
    if given.ndim != 2 or given.shape[1] < 2 or given.shape[:1] != np.shape(patient_id):
        raise ValueError(
            f"ratings {given.shape} must be cases × 2 readers or more, patient_id "
            f"{np.shape(patient_id)} one per case"
        )
    none_missing(given, "ratings")
    sample = Sample.of_patients(np.asarray(patient_id))
    definition = f"Fleiss' kappa of {given.shape[1]} readers"
    if given.shape[0] == 0:
        return _estimate(undefined("no case"), sample, level, definition)
    names, codes = np.unique(given, return_inverse=True)
    codes = codes.reshape(given.shape)
    m = given.shape[1]
    counts = np.stack([(codes == c).sum(axis=1) for c in range(names.size)], axis=1).astype(float)
    per_case = (np.square(counts).sum(axis=1) - m) / (m * (m - 1))
    share = counts.mean(axis=0) / m
    seen, chance = float(per_case.mean()), float(np.square(share).sum())
    if names.size == 1:
        return _estimate(undefined(ONE_CATEGORY), sample, level, definition)
    d_chance = 2 * (counts / m - share) @ share
    influence = ((per_case - seen) * (1 - chance) - (1 - seen) * d_chance) / (1 - chance) ** 2
    statistic = _clustered(sample, (seen - chance) / (1 - chance), influence)
    found = _estimate(statistic, sample, level, definition)
    return _kept_wide(found, statistic, 1 - chance, level)


def _coded(
    first: NDArray[np.generic],
    second: NDArray[np.generic],
    patient_id: IdArray,
    categories: Sequence[object] | None,
) -> tuple[IntArray, IntArray, int]:
    """Return both readers' categories as codes, and how many categories there are."""
    one, two = np.asarray(first), np.asarray(second)
    if not (one.shape == two.shape == np.shape(patient_id)) or one.ndim != 1:
        raise ValueError(
            f"first {one.shape}, second {two.shape}, patient_id {np.shape(patient_id)} must match "
            "and have one axis"
        )
    for name, given in (("first", one), ("second", two)):
        none_missing(given, name)
    names = np.unique(np.concatenate([one, two])) if categories is None else np.array(categories)
    place = {name: i for i, name in enumerate(names.tolist())}
    odd = sorted({str(v) for v in (*one.tolist(), *two.tolist()) if v not in place})
    if odd:
        raise ValueError(f"ratings {odd} are none of the categories {names.tolist()}")
    codes = [np.array([place[v] for v in given.tolist()], np.int64) for given in (one, two)]
    return codes[0], codes[1], len(place)


def none_missing(given: NDArray[np.generic], name: str) -> None:
    """Refuse ratings that are missing, with their count."""
    if given.dtype == object:
        lost = np.array([v is None or v != v for v in given.ravel()], bool)
    else:
        lost = np.isnan(given) if given.dtype.kind == "f" else np.zeros(0, bool)
    if lost.any():
        raise ValueError(f"{name} lack {int(lost.sum())} of {given.size} ratings")


def _distances(k: int, weights: str) -> FloatArray:
    """Return how much each pair of categories disagrees, from 0 to 1."""
    apart = np.abs(np.subtract.outer(np.arange(k), np.arange(k))).astype(float)
    if weights == "none":
        return (apart > 0).astype(float)
    scaled: FloatArray = apart / max(k - 1, 1)
    return scaled if weights == "linear" else scaled**2


def _clustered(sample: Sample, value: float, influence: FloatArray) -> Statistic:
    counts = sample.by_patient(np.ones(influence.size))
    n = int((counts > 0).sum())
    worth = effective_count(counts)
    return Statistic(
        value=value,
        influence=sample.by_patient(influence) / influence.size * np.sqrt(few_correction(n)),
        df=max(worth - 1, 1.0),
        n_least=n,
        method="t, linearised by patient",
    )


def _estimate(statistic: Statistic, sample: Sample, level: float, definition: str) -> Estimate:
    return estimate_of(statistic, sample, level=level, bounds=(-1.0, 1.0), definition=definition)


def _kept_wide(found: Estimate, statistic: Statistic, chance: float, level: float) -> Estimate:
    """Return perfect agreement with the limit it has where agreement is a share of patients."""
    if not found.value >= 1 - 1e-12:
        return found
    low, _ = wilson_limits(1.0, statistic.df + 1, two_sided_z(level))
    limit = max(1 - (1 - float(low)) / chance, -1.0)
    return replace(
        found, low=limit, high=1.0, method="Wilson on patients, all agree", reason=statistic.why
    )
