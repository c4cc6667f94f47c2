"""Resampling by patient: bootstrap weights, exact draws of counts, simultaneous critical values."""

from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy import special

Float32Array = NDArray[np.float32]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
ByteArray = NDArray[np.uint8]

BLOCK = 250
"""Replicates kept together: small enough for a processor's cache, large enough for its speed."""

BLOCK_WEIGHTS = 2_500_000
"""Weights of one block at most: with many patients a block has fewer replicates."""

KEPT_AS_FLOATS = 8_000_000
"""Weights up to this number are kept as floats for the next reader, more are made anew."""

KEPT_AS_BYTES = 200_000_000
"""Weights up to this number are kept once drawn, more are drawn again from the same seeds."""

ROW_COST = 200
"""Drawing how often one row of counts comes takes as long as weighting so many patients."""


def patient_weights(n_patients: int, n_boot: int, rng: np.random.Generator) -> Float32Array:
    """Return how often each patient is drawn in each bootstrap replicate.

    Parameters
    ----------
    n_patients : int
        Patients to draw from, with replacement, as many as there are.
    n_boot : int
        Replicates.
    rng : numpy.random.Generator
        The only source of chance.

    Returns
    -------
    ndarray of float32, shape (n_boot, n_patients)
        Rows add up to `n_patients`.

    Examples
    --------
    >>> patient_weights(5, 3, np.random.default_rng(0)).sum(axis=1)
    array([5., 5., 5.], dtype=float32)
    """
    _check_size(n_patients, n_boot)
    return _drawn(n_patients, n_boot, rng).astype(np.float32)


def _check_size(n_patients: int, n_boot: int) -> None:
    if n_patients < 0 or n_boot < 1:
        raise ValueError(f"n_patients {n_patients} and n_boot {n_boot} must not be negative or 0")


def _drawn(n_patients: int, n_boot: int, rng: np.random.Generator) -> ByteArray:
    weights = np.zeros((n_boot, n_patients), np.uint8)
    if n_patients:
        for row in weights:
            times = np.bincount(rng.integers(0, n_patients, n_patients), minlength=n_patients)
            # One patient more than 255 times: a chance below 1e-500, not a case to plan for.
            row[:] = np.minimum(times, 255)
    return weights


class DrawnBlocks:
    """Weights in blocks of replicates, patients first: drawn when asked for, kept a byte each.

    Parameters
    ----------
    n_patients, n_boot : int
        Patients and replicates.
    rng : numpy.random.Generator
        Each block has a generator of its own, so that it is the same whenever it is drawn.
    """

    def __init__(self, n_patients: int, n_boot: int, rng: np.random.Generator) -> None:
        _check_size(n_patients, n_boot)
        size = int(np.clip(BLOCK_WEIGHTS // max(n_patients, 1), 10, BLOCK))
        self.n_patients, self.n_boot = n_patients, n_boot
        self.sizes = [min(size, n_boot - start) for start in range(0, n_boot, size)]
        self._rngs = rng.spawn(len(self.sizes))
        self._starts = [r.bit_generator.state for r in self._rngs]
        self._kept: dict[int, ByteArray] = {}

    def block(self, i: int) -> ByteArray:
        """Return one block, shape (n_patients, n_replicates)."""
        found = self._kept.get(i)
        if found is None:
            rng = self._rngs[i]
            rng.bit_generator.state = self._starts[i]
            found = np.ascontiguousarray(_drawn(self.n_patients, self.sizes[i], rng).T)
            if self.n_patients * self.n_boot <= KEPT_AS_BYTES:
                self._kept[i] = found
        return found


class Blocks:
    """The blocks of all patients, or of some of them, as floats."""

    def __init__(self, drawn: DrawnBlocks, patients: IntArray | None = None) -> None:
        self._drawn, self._patients = drawn, patients
        n_patients = drawn.n_patients if patients is None else patients.size
        self._is_kept = n_patients * drawn.n_boot <= KEPT_AS_FLOATS
        self._kept: dict[int, Float32Array] = {}

    def __len__(self) -> int:
        return len(self._drawn.sizes)

    def __iter__(self) -> Iterator[Float32Array]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, i: int) -> Float32Array:
        i = range(len(self))[i]
        found = self._kept.get(i)
        if found is None:
            block = self._drawn.block(i)
            found = (block if self._patients is None else block[self._patients]).astype(np.float32)
            if self._is_kept:
                self._kept[i] = found
        return found

    def take(self, patients: IntArray) -> "Blocks":
        """Return the blocks of some of these patients."""
        return Blocks(self._drawn, patients if self._patients is None else self._patients[patients])


@dataclass(frozen=True)
class Weights:
    """Bootstrap weights of patients, patients first, in blocks of replicates.

    Parameters
    ----------
    blocks : Blocks or tuple of ndarray of float32, each of shape (n_patients, n_replicates)
        The weights.
    """

    blocks: Blocks | tuple[Float32Array, ...]

    @classmethod
    def draw(cls, n_patients: int, n_boot: int, rng: np.random.Generator) -> "Weights":
        """Return the weights of `n_boot` replicates, each block drawn when it is first read.

        Examples
        --------
        >>> Weights.draw(4, 300, np.random.default_rng(0)).n_boot
        300
        """
        return cls(Blocks(DrawnBlocks(n_patients, n_boot, rng)))

    @property
    def n_boot(self) -> int:
        """Number of replicates."""
        return sum(block.shape[1] for block in self.blocks)

    def take(self, patients: IntArray) -> "Weights":
        """Return the weights of some patients."""
        if isinstance(self.blocks, Blocks):
            return Weights(self.blocks.take(patients))
        return Weights(tuple(block[patients] for block in self.blocks))

    def totals(self, sums: FloatArray) -> FloatArray:
        """Return weighted totals of sums per patient, shape (n_boot, k)."""
        # Rates share their counts: the diseased are counted once for all who ask for them.
        place: dict[bytes, int] = {}
        which = [place.setdefault(column.tobytes(), len(place)) for column in sums.T]
        first = [which.index(i) for i in range(len(place))]
        columns = sums[:, first].astype(np.float32)
        totals = np.concatenate([block.T @ columns for block in self.blocks]).astype(float)
        return totals[:, which]


def group_rng(seed: int, attribute: str, group: str) -> np.random.Generator:
    """Return the source of chance of one group: the same whatever else is evaluated.

    Examples
    --------
    >>> group_rng(0, "sex", "F").random() == group_rng(0, "sex", "F").random()
    True
    """
    key = (crc32(attribute.encode()), crc32(group.encode()))
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def count_totals(
    counts: FloatArray,
    n_boot: int,
    rng: np.random.Generator,
    *,
    times: FloatArray | None = None,
    row_cost: int = ROW_COST,
) -> FloatArray | None:
    """Return bootstrap totals of counts per patient, drawn by distinct rows.

    Patients with the same counts are exchangeable: how often each distinct row of counts comes is
    multinomial, which is the bootstrap by patient exactly, for a handful of rows instead of many
    patients.

    Parameters
    ----------
    counts : ndarray, shape (n_rows, k)
        Counts per patient.
    n_boot : int
        Replicates.
    rng : numpy.random.Generator
        The only source of chance.
    times : ndarray, shape (n_rows,), optional
        How many patients have each row; one each where it is not given.
    row_cost : int, default=200
        With more distinct rows than patients / `row_cost` weights are quicker.

    Returns
    -------
    ndarray, shape (n_boot, k), or None
        None where the figures are no counts or the distinct rows are many.

    Examples
    --------
    >>> one_of_four = np.repeat([[1.0, 1.0], [0.0, 1.0]], [100, 300], axis=0)
    >>> totals = count_totals(one_of_four, 1000, np.random.default_rng(0))
    >>> float(totals[:, 0].mean().round()), set(totals[:, 1].tolist())
    (100.0, {400.0})
    """
    if not counts.size or not (counts >= 0).all() or not (counts == np.floor(counts)).all():
        return None
    if float(np.prod(counts.max(axis=0) + 1)) > 2**53:
        return None
    first, share, n_patients = distinct_rows(counts, times)
    if share.size * row_cost > n_patients:
        return None
    drawn = rng.multinomial(n_patients, share, size=n_boot)
    totals: FloatArray = drawn @ counts[first]
    return totals


def distinct_rows(
    counts: FloatArray, times: FloatArray | None = None
) -> tuple[IntArray, FloatArray, int]:
    """Return where each distinct row of whole numbers stands first, its share, and how many rows.

    Examples
    --------
    >>> first, share, n = distinct_rows(np.array([[1, 1], [0, 1], [1, 1], [1, 1]]))
    >>> first.tolist(), share.tolist(), n
    ([1, 0], [0.25, 0.75], 4)
    """
    code = np.zeros(len(counts), np.int64)
    for column in counts.T.astype(np.int64):
        code = code * (int(column.max(initial=0)) + 1) + column
    _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    number = np.bincount(inverse, times, minlength=first.size)
    n_patients = int(number.sum())
    return first, number / max(n_patients, 1), n_patients


def percentile_interval(draws: FloatArray, level: float) -> tuple[float, float]:
    """Return the percentile limits of bootstrap replicates; nan when a twentieth is undefined.

    Examples
    --------
    >>> percentile_interval(np.arange(101.0), 0.5)
    (25.0, 75.0)
    """
    known = draws[np.isfinite(draws)]
    if known.size < 0.95 * draws.size or known.size < 2:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def simultaneous_critical(
    influence: FloatArray, *, level: float, rng: np.random.Generator, n_draws: int = 20_000
) -> float:
    """Return the normal quantile that covers several estimates at once (max-|t|) [1]_.

    The estimates share patients, so that their errors go together; Gaussian multipliers on the
    patients' influence carry exactly that correlation, and the quantile is smaller than
    Bonferroni's by what it saves.

    Parameters
    ----------
    influence : ndarray, shape (n_patients, n_estimates)
        Share of each patient in the error of each estimate.
    level : float
        Confidence level that holds for all together.
    rng : numpy.random.Generator
        The only source of chance.
    n_draws : int, default=20000
        Draws of the maximum.

    Returns
    -------
    float
        Between the quantile of one estimate and Bonferroni's.

    References
    ----------
    .. [1] Chernozhukov V et al. Ann Stat 2013;41:2786-2819. doi:10.1214/13-AOS1161

    Examples
    --------
    >>> same = np.random.default_rng(0).normal(size=(50, 1)).repeat(8, axis=1)
    >>> abs(simultaneous_critical(same, level=0.95, rng=np.random.default_rng(1)) - 1.96) < 0.03
    True
    """
    one = float(special.ndtri(0.5 + level / 2))
    n_estimates = influence.shape[1]
    if n_estimates < 2:
        return one
    scale = np.sqrt(np.square(influence).sum(axis=0))
    # An estimate without measured spread (a perfect group) goes its own way: correlation 0.
    scaled = influence / np.where(scale > 0, scale, 1.0)
    correlation = scaled.T @ scaled
    np.fill_diagonal(correlation, 1.0)
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.maximum(values, 0))
    largest = np.abs(rng.standard_normal((n_draws, n_estimates)) @ root.T).max(axis=1)
    bonferroni = float(special.ndtri(1 - (1 - level) / (2 * n_estimates)))
    return float(np.clip(np.quantile(largest, level), one, bonferroni))
