"""What a structure costs that was missed, invented, never returned, or is in neither mask.

A tool that finds nothing must not look perfect because its failures have no distance. So a missed
structure always has a figure: overlap 0, and a declared distance. What may be chosen is how large
that distance is, and whether a structure that is rightly nowhere counts as perfect or not at all.
"""

import math
from dataclasses import dataclass

from evaluation.overlap import check_spacing

FOUND, MISSED, SPURIOUS, ABSENT, FAILED = "found", "missed", "spurious", "absent", "failed"


@dataclass(frozen=True)
class MissingStructure:
    """What stands for a structure that one mask or both lack.

    Parameters
    ----------
    both_empty : {"exclude", "perfect"}
        A structure in neither mask: no figure and left out of means, or overlap 1 and distance 0.
    missed, spurious : {"penalty"}
        A structure in the reference alone (failed cases too), or in the prediction alone: overlap
        0 and the penalty distance. There is no other choice: left out, a tool that finds nothing
        would have no fault.
    penalty_mm : float or "diagonal"
        The penalty distance: a length above 0, or the diagonal of the image.

    Raises
    ------
    ValueError
        If a choice is none of these.

    Examples
    --------
    >>> MissingStructure(penalty_mm=50.0).distance_mm((64, 64, 64), (1.0, 1.0, 1.0))
    50.0
    >>> MissingStructure().words("distance")
    'missed, invented and failed structures are the image diagonal'
    """

    both_empty: str = "exclude"
    missed: str = "penalty"
    spurious: str = "penalty"
    penalty_mm: float | str = "diagonal"

    def __post_init__(self) -> None:
        if self.both_empty not in ("exclude", "perfect"):
            raise ValueError(f"both_empty '{self.both_empty}' is none of exclude, perfect")
        for name in ("missed", "spurious"):
            if getattr(self, name) != "penalty":
                raise ValueError(
                    f"{name} '{getattr(self, name)}' is not penalty: a structure that is left out "
                    "of the mean hides a fault"
                )
        given = self.penalty_mm
        if isinstance(given, str):
            if given != "diagonal":
                raise ValueError(f"penalty_mm '{given}' is neither 'diagonal' nor a length")
        elif not (math.isfinite(given) and given > 0):
            raise ValueError(f"penalty_mm {given} must be a finite length above 0")

    @property
    def counts_absent(self) -> bool:
        """Whether a structure in neither mask counts, as perfect."""
        return self.both_empty == "perfect"

    def distance_mm(self, shape: tuple[int, ...], spacing_mm: tuple[float, ...]) -> float:
        """Return the distance of a structure that was missed, invented or not returned."""
        if isinstance(self.penalty_mm, str):
            return diagonal_mm(shape, spacing_mm)
        return float(self.penalty_mm)

    def words(self, kind: str) -> str:
        """Say what counts in the mean of an ``overlap`` or of a ``distance``, for definitions."""
        penalty, best = "0", "1"
        if kind == "distance":
            is_diagonal = isinstance(self.penalty_mm, str)
            penalty = "the image diagonal" if is_diagonal else f"{self.penalty_mm:g} mm"
            best = "0"
        absent = f", those in neither mask {best}" if self.counts_absent else ""
        return f"missed, invented and failed structures are {penalty}{absent}"


def diagonal_mm(shape: tuple[int, ...], spacing_mm: tuple[float, ...]) -> float:
    """Diagonal of an image: the declared distance of a structure that was not found.

    Parameters
    ----------
    shape : tuple of int
        Voxels along each axis.
    spacing_mm : tuple of float
        Distance between voxels along each axis.

    Examples
    --------
    >>> round(diagonal_mm((64, 64, 64), (1.0, 1.0, 1.0)), 3)
    110.851
    """
    check_spacing(spacing_mm, len(shape))
    return math.hypot(*(n * step for n, step in zip(shape, spacing_mm, strict=True)))
