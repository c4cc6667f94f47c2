"""Resampling by patient: bootstrap weights, percentile limits, simultaneous critical values."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Float32Array = NDArray[np.float32]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

BLOCK = 250
"""Replicates kept together: small enough for a processor's cache, large enough for its speed."""


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
    if n_patients < 0 or n_boot < 1:
        raise ValueError(f"n_patients {n_patients} and n_boot {n_boot} must not be negative or 0")
    weights = np.zeros((n_boot, n_patients), np.float32)
    if n_patients:
        for row in weights:
            row[:] = np.bincount(rng.integers(0, n_patients, n_patients), minlength=n_patients)
    return weights


@dataclass(frozen=True)
class Weights:
    """Bootstrap weights of patients, patients first, in blocks of replicates.

    Parameters
    ----------
    blocks : tuple of ndarray of float32, each of shape (n_patients, n_replicates)
        The weights.
    """

    blocks: tuple[Float32Array, ...]

    @classmethod
    def draw(cls, n_patients: int, n_boot: int, rng: np.random.Generator) -> "Weights":
        """Draw the weights of `n_boot` replicates.

        Examples
        --------
        >>> Weights.draw(4, 300, np.random.default_rng(0)).n_boot
        300
        """
        sizes = [min(BLOCK, n_boot - start) for start in range(0, n_boot, BLOCK)]
        return cls(
            tuple(np.ascontiguousarray(patient_weights(n_patients, s, rng).T) for s in sizes)
        )

    @property
    def n_boot(self) -> int:
        """Number of replicates."""
        return sum(block.shape[1] for block in self.blocks)

    def take(self, patients: IntArray) -> "Weights":
        """Return the weights of some patients."""
        return Weights(tuple(block[patients] for block in self.blocks))

    def totals(self, sums: FloatArray) -> FloatArray:
        """Return weighted totals of sums per patient, shape (n_boot, k)."""
        columns = sums.astype(np.float32)
        return np.concatenate([block.T @ columns for block in self.blocks]).astype(float)


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
