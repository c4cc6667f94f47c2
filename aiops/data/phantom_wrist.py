"""Radiographs of an invented wrist: bones are ellipsoids, a film is the ray's way through them.

Each bone is a shell of dense cortex around spongy bone. A ray's path through an ellipsoid has a
closed form, and so has its path through the gap of a fracture, a slab across the scaphoid: the
line is thin and dark where the beam runs in the slab and faint where it crosses it, so some views
show it better than others, as they do in life.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

SIZE = 64
"""Pixels along a side of a film."""

PIXEL_MM = 0.92
AIM_MM = (3.0, -1.0)
"""Where the middle of the wrist falls; the beam is aimed at the scaphoid."""

VIEWS = {"pa": 0.0, "oblique": 50.0, "lateral": 90.0}
"""Views and the angle in degrees by which the wrist is turned for each."""

_FINE = 2
_SOFT, _SPONGY, _CORTEX = 0.17, 0.42, 1.0
_SCAPHOID = "scaphoid"
# Centre in mm, semi-axes in mm, direction of the first axis. x runs from the thumb's side to the
# little finger's, y towards the fingers, z towards the palm.
_BONES: dict[str, tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]] = {
    "radius shaft": ((-9, -62, 0), (60, 7.5, 7), (0, 1, 0)),
    "radius neck": ((-9.5, -25, 0), (15, 10.5, 8.5), (0.06, 1, 0)),
    "radius end": ((-10, -16, 0), (14, 7.5, 9), (1, -0.14, 0)),
    "radius styloid": ((-19, -12.5, 0), (7, 5, 6), (-0.25, 1, 0)),
    "ulna shaft": ((13, -60, -2), (50, 5.4, 5.2), (0, 1, 0)),
    "ulna head": ((13, -18, -2), (7.2, 6, 6.5), (1, 0.1, 0)),
    "ulna styloid": ((18, -13, -3), (4, 2, 2), (0.1, 1, 0)),
    "lunate": ((0, -2.5, 0), (7, 5.5, 7.5), (1, 0, 0)),
    "triquetrum": ((11, 0, -3), (6.5, 5, 6), (0.6, 0.8, 0)),
    "pisiform": ((14.5, 1.5, 9), (4.5, 4, 4), (0, 1, 0)),
    "trapezium": ((-19, 16, 5), (6.5, 5.5, 5.5), (1, 0.5, 0)),
    "trapezoid": ((-9.5, 16.5, 0), (5.5, 4.8, 6), (0, 1, 0)),
    "capitate": ((-0.5, 11.5, 0), (10, 6, 7), (0.05, 1, 0)),
    "hamate": ((9.5, 11, 0), (8.5, 5.8, 7), (-0.3, 1, 0)),
    "metacarpal 1": ((-28, 32, 9), (17, 4.8, 4.8), (-0.45, 1, 0.1)),
    "metacarpal 2": ((-13, 44, 0), (23, 4.6, 4.8), (-0.14, 1, 0)),
    "metacarpal 3": ((-2.5, 45, 0), (23, 4.6, 4.8), (-0.02, 1, 0)),
    "metacarpal 4": ((7, 42, 0), (22, 4.2, 4.5), (0.08, 1, 0)),
    "metacarpal 5": ((15.5, 39, 0), (21, 4.2, 4.5), (0.2, 1, 0)),
    _SCAPHOID: ((-12.5, 3, 2), (12, 5.6, 6.5), (-0.55, 0.8, 0.12)),
}
_FLESH = ((0, 0, 0), (190, 29, 20), (0, 1, 0))


@dataclass(frozen=True)
class Quality:
    """How well a scanner draws.

    Parameters
    ----------
    blur_px : float
        Standard deviation of the detector's blur.
    noise : float
        Standard deviation of the noise, as a share of the film's whole range of grey.
    grain_px : float
        Standard deviation of the blur that gives the noise its grain; 0 is as fine as the pixels.
    contrast : float
        Share of that range which the film makes use of.
    """

    blur_px: float
    noise: float
    grain_px: float
    contrast: float


SHARP = Quality(blur_px=0.35, noise=0.012, grain_px=0.0, contrast=0.92)
WORN = Quality(blur_px=2.2, noise=0.085, grain_px=1.3, contrast=0.60)


@dataclass(frozen=True)
class Bone:
    """An ellipsoid: its centre in mm and the matrix of its quadratic form."""

    name: str
    centre: np.ndarray
    form: np.ndarray


@dataclass(frozen=True)
class Fracture:
    """A gap across the scaphoid: the normal of its plane, its width and its offset in mm."""

    normal: np.ndarray
    width_mm: float
    offset_mm: float


@dataclass(frozen=True)
class Wrist:
    """One person's right wrist; a left one is hung mirrored, as many readers do."""

    bones: tuple[Bone, ...]
    flesh: Bone
    density: float
    fracture: Fracture | None


def grow_wrist(
    *, size: float, density: float, gap_mm: float | None, rng: np.random.Generator
) -> Wrist:
    """Return a wrist, no two alike.

    Parameters
    ----------
    size : float
        1 is a usual wrist.
    density : float
        Bone's density; 1 is usual.
    gap_mm : float or None
        Width of a fracture's gap across the scaphoid; None is no fracture.
    rng : Generator
        Draws the shape.
    """
    bones = tuple(
        _bone(name, *_BONES[name], size * rng.normal(1, 0.025), rng.normal(0, 0.5, 3), rng)
        for name in _BONES
    )
    flesh = _bone("flesh", *_FLESH, size * rng.normal(1, 0.05), np.zeros(3), rng)
    fracture = None
    if gap_mm is not None:
        normal = _unit(np.array(_BONES[_SCAPHOID][2]) + rng.normal(0, 0.12, 3))
        fracture = Fracture(normal, gap_mm, float(rng.normal(0, 1.5)))
    return Wrist(bones, flesh, density, fracture)


def film(wrist: Wrist, view: str, quality: Quality, rng: np.random.Generator) -> np.ndarray:
    """Return a radiograph of a wrist, uint8 of shape (SIZE, SIZE), bone bright.

    Parameters
    ----------
    wrist : Wrist
        Whose film it is.
    view : str
        A key of `VIEWS`.
    quality : Quality
        How well the scanner draws.
    rng : Generator
        Draws position, exposure and noise.
    """
    turn = _turn(np.deg2rad(VIEWS[view] + rng.normal(0, 4)), np.deg2rad(rng.normal(0, 4)))
    shift = np.array([AIM_MM[0], AIM_MM[1]]) + rng.normal(0, 1.2, 2)
    way = _way(wrist, turn, shift)
    way = way.reshape(SIZE, _FINE, SIZE, _FINE).mean(axis=(1, 3))
    way = gaussian_filter(way, quality.blur_px)
    # The technician aims at the same blackening; the hand is not always steady.
    aim = float(np.quantile(way, 0.985)) * rng.normal(1.05, 0.05)
    grey = quality.contrast * way / aim + rng.uniform(0, (1 - quality.contrast) / 2)
    grey = np.clip(grey, 0, 1) ** rng.normal(1, 0.06)
    noise = gaussian_filter(rng.standard_normal(grey.shape), quality.grain_px)
    grey += quality.noise * rng.uniform(0.8, 1.25) * noise / noise.std()
    return np.round(np.clip(grey, 0, 1) * 255).astype(np.uint8)


def _bone(
    name: str,
    centre: tuple[float, ...],
    semi_mm: tuple[float, ...],
    direction: tuple[float, ...],
    size: float,
    shift_mm: np.ndarray,
    rng: np.random.Generator,
) -> Bone:
    first = _unit(np.array(direction) + rng.normal(0, 0.03, 3))
    third = _unit(np.cross(first, [0.0, 1.0, 0.3] if abs(first[0]) > 0.9 else [1.0, 0.0, 0.0]))
    axes = np.stack([first, np.cross(third, first), third], axis=1)
    semi = np.array(semi_mm) * size * (1 + rng.normal(0, 0.03, 3))
    return Bone(name, np.array(centre) * size + shift_mm, (axes / semi**2) @ axes.T)


def _unit(vector: np.ndarray) -> np.ndarray:
    unit: np.ndarray = vector / np.linalg.norm(vector)
    return unit


def _turn(about_y: float, about_z: float) -> np.ndarray:
    """Return the rotation that brings the wrist into the beam, which runs along z."""
    c, s = np.cos(about_y), np.sin(about_y)
    view = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    c, s = np.cos(about_z), np.sin(about_z)
    turn: np.ndarray = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ view
    return turn


def _way(wrist: Wrist, turn: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Return what each ray loses on its way through the wrist, on the fine grid."""
    fine = SIZE * _FINE
    layers: dict[str, np.ndarray] = {}
    for bone in (wrist.flesh, *wrist.bones):
        whole = bone.name if bone.name.startswith("metacarpal") else bone.name.split()[0]
        layer = layers.setdefault(whole, np.zeros((fine, fine), dtype=np.float32))
        rows, columns, loss = _loss(bone, wrist, turn, shift)
        # Parts of one bone are one piece: where they overlap the ray meets bone once.
        layer[rows, columns] = np.maximum(layer[rows, columns], loss)
    total: np.ndarray = np.sum(list(layers.values()), axis=0)
    return total


def _loss(
    bone: Bone, wrist: Wrist, turn: np.ndarray, shift: np.ndarray
) -> tuple[slice, slice, np.ndarray]:
    """Return the window a bone's shadow falls in, and what each ray loses in the bone."""
    centre, form = turn @ bone.centre, turn @ bone.form @ turn.T
    depth = form[2, 2]
    shadow = form[:2, :2] - np.outer(form[:2, 2], form[:2, 2]) / depth
    half = np.sqrt(np.diag(np.linalg.inv(shadow)))
    columns = _reach(centre[0] + shift[0], half[0])
    rows = _reach(-centre[1] - shift[1], half[1])
    u = (_place(columns) - centre[0] - shift[0])[None, :]
    v = (-_place(rows) - centre[1] - shift[1])[:, None]
    inside = 1 - (shadow[0, 0] * u * u + 2 * shadow[0, 1] * u * v + shadow[1, 1] * v * v)
    chord = 2 * np.sqrt(np.maximum(inside, 0) / depth)
    if bone.name == "flesh":
        return rows, columns, _SOFT * chord
    share = 0.80  # of the semi-axes: what lies deeper is spongy
    spongy = 2 * np.sqrt(np.maximum(inside - (1 - share**2), 0) / depth)
    dense = wrist.density * (_CORTEX * (chord - spongy) + _SPONGY * spongy)
    if bone.name == _SCAPHOID and wrist.fracture is not None:
        middle = -(form[0, 2] * u + form[1, 2] * v) / depth
        gap = _gap(wrist.fracture, turn, (u, v, middle), chord)
        dense *= 1 - gap / np.maximum(chord, 1e-6)
    return rows, columns, dense


def _gap(
    fracture: Fracture,
    turn: np.ndarray,
    at: tuple[np.ndarray, np.ndarray, np.ndarray],
    chord: np.ndarray,
) -> np.ndarray:
    """Return the length of each ray's chord that lies in the fracture's gap, in mm."""
    u, v, middle = at
    normal = turn @ fracture.normal
    steep = normal[2] if abs(normal[2]) > 1e-3 else 1e-3
    level = fracture.offset_mm - normal[0] * u - normal[1] * v
    one = (level - fracture.width_mm / 2) / steep
    two = (level + fracture.width_mm / 2) / steep
    low = np.maximum(np.minimum(one, two), middle - chord / 2)
    high = np.minimum(np.maximum(one, two), middle + chord / 2)
    length: np.ndarray = np.clip(high - low, 0, chord)
    return length


def _reach(centre_mm: float, half_mm: float) -> slice:
    step = PIXEL_MM / _FINE
    fine = SIZE * _FINE
    first = np.floor((centre_mm - half_mm) / step + fine / 2)
    last = np.ceil((centre_mm + half_mm) / step + fine / 2)
    return slice(int(np.clip(first, 0, fine)), int(np.clip(last, 0, fine)))


def _place(window: slice) -> np.ndarray:
    step = PIXEL_MM / _FINE
    indices = np.arange(window.start, window.stop, dtype=np.float32)
    return (indices + 0.5 - SIZE * _FINE / 2) * np.float32(step)
