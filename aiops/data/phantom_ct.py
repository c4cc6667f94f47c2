"""CT of an invented abdomen, in Hounsfield units: painted finely, then seen through a scanner.

Organs are ellipsoids painted on a grid twice as fine as the scan, later ones over earlier ones.
Averaging it gives voxels that hold two tissues (partial volume); the scanner then blurs them by its
kernel and adds noise by its dose and the patient's girth.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

KIDNEY, TUMOUR = 1, 2
PHASES = ("venous", "nephrographic")

_FINE = 2
_AIR, _FAT, _MUSCLE, _GAS = -1000, -105, 52, -850


@dataclass(frozen=True)
class CtScanner:
    """How a scanner sees.

    Parameters
    ----------
    blur_mm : float
        Standard deviation of its kernel.
    noise_hu : float
        Standard deviation of its noise in a slim patient on 5 mm slices.
    spacing_mm : tuple of float
        Usual spacing within a slice and between slices.
    """

    blur_mm: float
    noise_hu: float
    spacing_mm: tuple[float, float]


@dataclass(frozen=True)
class Scan:
    """A CT and its labels: (X, Y, Z) in RAS+, with the affine to mm."""

    image_hu: np.ndarray
    label: np.ndarray
    affine: np.ndarray


@dataclass(frozen=True)
class Patient:
    """What of a patient is seen on the scan.

    Parameters
    ----------
    girth : float
        1 is a usual body.
    has_tumour : bool
        Whether one of the kidneys bears a tumour.
    phase : str
        One of `PHASES`.
    """

    girth: float
    has_tumour: bool
    phase: str


def scan_abdomen(patient: Patient, scanner: CtScanner, rng: np.random.Generator) -> Scan:
    """Return a CT of the kidneys' part of an abdomen.

    Examples
    --------
    >>> scanner = CtScanner(blur_mm=2.0, noise_hu=15, spacing_mm=(5.0, 8.0))
    >>> scan = scan_abdomen(Patient(1.0, True, "venous"), scanner, np.random.default_rng(0))
    >>> sorted(np.unique(scan.label).tolist())
    [0, 1, 2]
    """
    canvas = _Canvas.lay(patient, scanner, rng)
    _paint_wall(canvas, patient, rng)
    _paint_organs(canvas, patient, rng)
    _paint_bowel(canvas, rng)
    _paint_kidneys(canvas, patient, rng)
    return _see(canvas, patient, scanner, rng)


class _Canvas:
    """A fine grid of Hounsfield units and labels, centred on the patient."""

    def __init__(self, shape: tuple[int, int, int], spacing_mm: tuple[float, ...]) -> None:
        self.shape, self.spacing_mm = shape, spacing_mm
        fine = [n * _FINE for n in shape]
        self.hu = np.full(fine, _AIR, dtype=np.float32)
        self.label = np.zeros(fine, dtype=np.uint8)
        self.cavity = np.zeros(fine[:2], dtype=bool)
        self.half_mm = (0.0, 0.0)
        self.places = [
            ((np.arange(n) + 0.5 - n / 2) * mm / _FINE).astype(np.float32)
            for n, mm in zip(fine, spacing_mm, strict=True)
        ]

    @classmethod
    def lay(cls, patient: Patient, scanner: CtScanner, rng: np.random.Generator) -> "_Canvas":
        """Choose body and field of view."""
        half = (
            165 * patient.girth * rng.normal(1, 0.03),
            112 * patient.girth * rng.normal(1, 0.03),
        )
        within = scanner.spacing_mm[0] * rng.uniform(0.93, 1.07)
        between = scanner.spacing_mm[1] * rng.choice([0.8, 1.0, 1.0, 1.2])
        extent = (2 * half[0] + 24, 2 * half[1] + 30, rng.uniform(140, 170))
        spacing = (within, within, between)
        shape = tuple(round(mm / step) for mm, step in zip(extent, spacing, strict=True))
        canvas = cls((shape[0], shape[1], shape[2]), spacing)
        canvas.half_mm = half
        return canvas

    def paint(
        self,
        centre: tuple[float, ...],
        semi_mm: tuple[float, ...],
        hu: float,
        *,
        tilt: tuple[float, float] = (0.0, 0.0),
        label: int | None = None,
        inside: bool = False,
    ) -> None:
        """Fill an ellipsoid; `tilt` is its drift in x and y per mm towards the head."""
        windows, places = [], []
        for axis, (at, half) in enumerate(zip(centre, semi_mm, strict=True)):
            reach = half + (abs(tilt[axis]) * semi_mm[2] if axis < 2 else 0)
            place = self.places[axis]
            first, last = np.searchsorted(place, [at - reach, at + reach])
            windows.append(slice(int(first), int(last)))
            places.append(place[first:last] - np.float32(at))
        x, y, z = places[0][:, None, None], places[1][None, :, None], places[2][None, None, :]
        across = ((x - tilt[0] * z) / semi_mm[0]) ** 2
        along = ((y - tilt[1] * z) / semi_mm[1]) ** 2 + (z / semi_mm[2]) ** 2
        mask = across + along <= 1
        window = tuple(windows)
        if inside:
            mask &= self.cavity[window[0], window[1], None]
        self.hu[window][mask] = hu
        if label is not None:
            self.label[window][mask] = label


_LONG = 5000.0  # semi-axis of what runs through the whole scan


def _paint_wall(canvas: _Canvas, patient: Patient, rng: np.random.Generator) -> None:
    """Skin, fat, muscle and the fat of the belly; the spine; the table."""
    a, b = canvas.half_mm
    fat = rng.uniform(7, 13) * patient.girth**4
    canvas.paint((0, -b - 62, 0), (230, 58, _LONG), -650)
    canvas.paint((0, -b - 66, 0), (226, 56, _LONG), _AIR)
    canvas.paint((0, 0, 0), (a, b, _LONG), 20)
    canvas.paint((0, 0, 0), (a - 2.5, b - 2.5, _LONG), _FAT)
    canvas.paint((0, 0, 0), (a - fat, b - fat, _LONG), _MUSCLE)
    x, y = canvas.places[0][:, None], canvas.places[1][None, :]
    inner = (a - fat - 13, b - fat - 14)
    canvas.cavity |= (x / inner[0]) ** 2 + ((y - 5) / inner[1]) ** 2 <= 1
    canvas.hu[canvas.cavity] = _FAT + 8
    spine = -0.47 * b
    for side in (-1, 1):
        canvas.paint((side * 32, spine - 27, 0), (28, 21, _LONG), _MUSCLE - 4)
        canvas.paint((side * 37, spine + 3, 0), (15, 18, _LONG), _MUSCLE, tilt=(-0.12 * side, 0))
        for height in np.arange(-80, 90, 27):
            rib = (side * (a - fat - 8), rng.uniform(-0.45, 0.1) * b, float(height))
            canvas.paint(rib, (4.5, 13, 6), 380, tilt=(0.3 * side, 0.5))
    for height in np.arange(-100, 110, 34) + rng.uniform(-8, 8):
        canvas.paint((0, spine, height), (24, 19, 17), 330)
        canvas.paint((0, spine, height), (21, 16, 14), rng.normal(125, 12))
        canvas.paint((0, spine, height + 17), (22, 17, 4.5), 80)
        canvas.paint((0, spine - 44, height), (4, 16, 9), 300)
        for side in (-1, 1):
            canvas.paint((side * 25, spine - 24, height), (18, 5, 6), 300)
    canvas.paint((0, spine - 26, 0), (13, 11, _LONG), 280)
    canvas.paint((0, spine - 25, 0), (9.5, 8.5, _LONG), 30)


def _paint_organs(canvas: _Canvas, patient: Patient, rng: np.random.Generator) -> None:
    """Liver on the right, spleen and stomach on the left, the great vessels before the spine."""
    a, b = canvas.half_mm
    venous = patient.phase == "venous"
    drop = rng.normal(0, 12)
    liver, spleen = rng.normal(108, 6), rng.normal(115, 6)
    size = tuple(np.array([78, 66, 82]) * rng.normal(1, 0.05, 3))
    canvas.paint((0.55 * a, 0.15 * b, 62 + drop), size, liver, tilt=(0.15, 0), inside=True)
    canvas.paint((0.12 * a, 0.42 * b, 78 + drop), (60, 36, 42), liver, inside=True)
    canvas.paint((0.40 * a, 0.52 * b, 14 + drop), (14, 17, 25), 8, inside=True)
    canvas.paint((-0.72 * a, -0.12 * b, 72 + drop), (31, 44, 48), spleen, inside=True)
    canvas.paint((-0.42 * a, 0.42 * b, 74 + drop), (44, 34, 40), 40, inside=True)
    canvas.paint((-0.42 * a, 0.48 * b, 76 + drop), (35, 25, 34), 15, inside=True)
    canvas.paint((-0.42 * a, 0.64 * b, 78 + drop), (24, 9, 24), _GAS, inside=True)
    blood = rng.normal(140 if venous else 120, 6)
    canvas.paint((-9, -0.47 * b + 31, 0), (9.5, 9.5, _LONG), blood)
    canvas.paint((17, -0.47 * b + 30, 0), (12, 9.5, _LONG), blood - 8)


def _paint_bowel(canvas: _Canvas, rng: np.random.Generator) -> None:
    """Loops in the front of the belly, with gas in some."""
    a, b = canvas.half_mm
    for _ in range(26):
        at = (rng.uniform(-0.6, 0.6) * a, rng.uniform(0.12, 0.62) * b, rng.uniform(-105, 25))
        wide = rng.uniform(9, 15)
        size = (wide * rng.uniform(1, 1.9), wide, wide * rng.uniform(1, 1.8))
        canvas.paint(at, size, 45, inside=True)
        within = tuple(mm - 2.5 for mm in size)
        canvas.paint(at, within, rng.choice([18, 25, 30]), inside=True)
        if rng.random() < 0.4:
            level = (at[0], at[1] + 0.35 * wide, at[2])
            canvas.paint(level, tuple(0.62 * mm for mm in within), _GAS, inside=True)
    for side in (-1, 1):  # the colon runs up on the right and down on the left
        at = (side * 0.68 * a, 0.05 * b, -70.0)
        canvas.paint(at, (19, 21, 75), 45, tilt=(0.02, 0.1), inside=True)
        canvas.paint(at, (16, 18, 72), rng.choice([-300, 25, 60]), tilt=(0.02, 0.1), inside=True)
        canvas.paint((at[0], at[1] + 8, at[2]), (11, 8, 60), _GAS, tilt=(0.02, 0.1), inside=True)


def _paint_kidneys(canvas: _Canvas, patient: Patient, rng: np.random.Generator) -> None:
    """Two kidneys in their fat, each with its sinus; a tumour in one, a cyst in some."""
    b = canvas.half_mm[1]
    venous = patient.phase == "venous"
    parenchyma = rng.normal(180 if venous else 196, 7)
    bearer = int(rng.integers(2)) if patient.has_tumour else -1
    for i, side in enumerate((1, -1)):
        size = np.array([26, 23, 53]) * rng.normal(1, 0.06) * rng.normal(1, 0.04, 3)
        lower = -10 if side == 1 else 2  # the liver pushes the right one down
        centre = np.array([side * 64, -0.47 * b + 10, lower]) + rng.normal(0, [4, 4, 9])
        tilt = (-side * rng.normal(0.20, 0.05), rng.normal(-0.12, 0.05))
        canvas.paint(tuple(centre), tuple(size + 11), _FAT, tilt=tilt, inside=True)
        canvas.paint(tuple(centre), tuple(size), parenchyma, tilt=tilt, label=KIDNEY)
        if venous:  # the pyramids take up the contrast after the cortex
            for height in np.linspace(-0.6, 0.6, 6):
                along = height * size[2]
                pyramid = centre + np.array([side * 3 + tilt[0] * along, 0, along])
                canvas.paint(tuple(pyramid), (8, 8, 5.5), parenchyma - 38)
        hilum = centre - [side * 0.62 * size[0], 0, 0]
        canvas.paint(tuple(hilum), tuple(size * [0.55, 0.42, 0.5]), -85, tilt=tilt, label=0)
        canvas.paint(tuple(hilum), (9, 5, 11), 60 if venous else 90, label=0)
        if rng.random() < 0.25:
            at, _ = _on_surface(centre, size, tilt, side, rng)
            canvas.paint(tuple(at), (rng.uniform(6, 11),) * 3, 5, label=0)
        if i == bearer:
            radius = float(np.clip(rng.lognormal(np.log(17), 0.35), 10, 32))
            at, outward = _on_surface(centre, size, tilt, side, rng)
            at = at + outward * radius * rng.uniform(-0.3, 0.45)
            hu = parenchyma - rng.uniform(65, 95)
            shape = tuple(radius * rng.normal(1, 0.06, 3))
            canvas.paint(tuple(at), shape, hu, label=TUMOUR)
            if radius > 20:  # large ones die off in the middle
                canvas.paint(tuple(at), (0.4 * radius,) * 3, 18, label=TUMOUR)


def _on_surface(
    centre: np.ndarray,
    size: np.ndarray,
    tilt: tuple[float, float],
    side: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return a point on a kidney's outer half and the direction away from the kidney there."""
    direction = rng.normal(0, 1, 3) * [1, 1, 0.8]
    direction[0] = side * (abs(direction[0]) + 0.3)
    direction /= np.linalg.norm(direction)
    at = centre + direction * size
    at[:2] += np.array(tilt) * (at[2] - centre[2])
    return at, direction


def _see(canvas: _Canvas, patient: Patient, scanner: CtScanner, rng: np.random.Generator) -> Scan:
    """Average to voxels, blur, add noise, and give the majority label of each voxel."""
    image = _average(canvas.hu)
    spacing = np.array(canvas.spacing_mm)
    image = gaussian_filter(image, scanner.blur_mm / spacing)
    thin = np.sqrt(5.0 / spacing[2])
    noise = gaussian_filter(rng.standard_normal(image.shape, dtype=np.float32), [0.6, 0.6, 0])
    noise *= scanner.noise_hu * patient.girth**2 * thin / noise.std()
    image = np.clip(np.round(image + noise), -1024, 3071).astype(np.int16)
    kidney = _average((canvas.label == KIDNEY).astype(np.float32))
    tumour = _average((canvas.label == TUMOUR).astype(np.float32))
    label = np.zeros(image.shape, dtype=np.uint8)
    label[kidney + tumour >= 0.5] = KIDNEY
    label[(kidney + tumour >= 0.5) & (tumour > kidney)] = TUMOUR
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -spacing * (np.array(image.shape) - 1) / 2 + np.round(rng.normal(0, 30, 3), 1)
    return Scan(image, label, affine)


def _average(fine: np.ndarray) -> np.ndarray:
    nx, ny, nz = (n // _FINE for n in fine.shape)
    blocks: np.ndarray = fine.reshape(nx, _FINE, ny, _FINE, nz, _FINE).mean(axis=(1, 3, 5))
    return blocks
