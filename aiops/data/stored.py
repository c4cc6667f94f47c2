"""Files as they are stored: their values turned to RAS+, and what it takes to turn them back."""

import gzip
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NPZ_REF = re.compile(r"^(?P<file>.+\.npz)#(?P<array>\w+)\[(?P<index>\d+)\]$")


@dataclass(frozen=True)
class Original:
    """How an image was stored, so that a mask can be written the same way."""

    kind: str
    """``nifti``, ``picture`` or ``array``."""
    shape: tuple[int, ...]
    affine: NDArray[np.float64]
    orientation: str
    """Where the stored axes point, such as ``LPS``; empty for pictures."""
    dtype: str
    forms: tuple[int, int] = (0, 0)
    """NIfTI codes of sform and qform."""
    forms_agree: bool = True
    header: Any = None


@dataclass(frozen=True)
class Stored:
    """Values turned to RAS+, with channels last if any."""

    values: NDArray[Any]
    affine: NDArray[np.float64]
    spacing_mm: tuple[float, ...]
    original: Original


def file_of(ref: str) -> Path:
    """Return the file of a reference such as ``set.npz#train_images[12]``.

    Examples
    --------
    >>> file_of("set.npz#train_images[12]").name
    'set.npz'
    """
    found = _NPZ_REF.match(ref)
    return Path(found["file"] if found else ref)


def grid_difference(
    shape: tuple[int, ...],
    affine: NDArray[np.float64],
    other_shape: tuple[int, ...],
    other_affine: NDArray[np.float64],
) -> str:
    """Say how two grids differ; nothing when they are one, to a tenth of a voxel at each corner.

    Examples
    --------
    >>> grid_difference((4, 4, 4), np.eye(4), (4, 4, 3), np.eye(4))
    '4×4×4 against 4×4×3 voxels'
    """
    if tuple(shape) != tuple(other_shape):
        return f"{_times(shape)} against {_times(other_shape)} voxels"
    ends = [(0.0, float(max(n - 1, 0))) for n in shape] + [(0.0, 0.0)] * (3 - len(shape))
    corners = np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1).reshape(-1, 3)
    step = affine[:3, :3] - other_affine[:3, :3]
    moved = corners @ step.T + (affine[:3, 3] - other_affine[:3, 3])
    furthest = float(np.linalg.norm(moved, axis=1).max())
    voxel = float(np.linalg.norm(affine[:3, : len(shape)], axis=0).min())
    return f"up to {furthest:.3g} mm apart" if furthest > 0.1 * voxel else ""


def _times(shape: Sequence[int]) -> str:
    return "×".join(str(n) for n in shape)


def read_nifti(path: Path) -> Stored:
    """Read a NIfTI file to its end, so that a checksum that fails is noticed."""
    import nibabel as nib
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    raw = path.read_bytes()
    if raw[:2] == b"\x1f\x8b":
        raw = gzip.decompress(raw)
    try:
        nifti = (nib.Nifti2Image if raw[:4] in _NIFTI2 else nib.Nifti1Image).from_bytes(raw)
    except (HeaderDataError, WrapStructError) as fault:
        raise ValueError(f"not a NIfTI header: {fault}") from fault
    except ImageFileError as fault:
        raise ValueError(str(fault)) from fault
    values = np.asanyarray(nifti.dataobj)
    while values.ndim > 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim not in (3, 4):
        raise ValueError(f"an image of {values.ndim} dimensions")
    affine = np.asarray(nifti.affine, dtype=np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
        raise ValueError("the header says no position: its affine has no inverse")
    turn = nib.orientations.io_orientation(affine)
    header = nifti.header
    sform, qform = int(header["sform_code"]), int(header["qform_code"])
    agree = not (sform and qform) or not grid_difference(
        values.shape[:3], header.get_sform(), values.shape[:3], header.get_qform()
    )
    original = Original(
        kind="nifti",
        shape=tuple(int(n) for n in values.shape),
        affine=affine,
        orientation="".join(nib.orientations.aff2axcodes(affine)),
        dtype=str(nifti.get_data_dtype()),
        forms=(sform, qform),
        forms_agree=agree,
        header=header,
    )
    canonical = affine @ nib.orientations.inv_ornt_aff(turn, values.shape[:3])
    spacing = tuple(float(mm) for mm in np.linalg.norm(canonical[:3, :3], axis=0))
    return Stored(nib.orientations.apply_orientation(values, turn), canonical, spacing, original)


_NIFTI2 = (struct.pack("<i", 540), struct.pack(">i", 540))


def read_picture(path: Path) -> Stored:
    """Read a picture, turned as a viewer would show it."""
    from PIL import Image as Picture
    from PIL import ImageOps

    with Picture.open(path) as opened:
        opened.load()
        picture = ImageOps.exif_transpose(opened)
    mode = picture.mode
    if mode in {"P", "PA", "CMYK", "YCbCr", "HSV", "LAB"}:
        picture = picture.convert("RGB")
    elif mode == "1":
        picture = picture.convert("L")
    values = np.asarray(picture)
    if mode == "LA":
        values = values[..., 0]
    return _plain(values, "picture")


def read_array(ref: str) -> Stored:
    """Read one image of an `.npz` set."""
    found = _NPZ_REF.match(ref)
    if found is None:
        raise ValueError("name the array and the image: set.npz#images[12]")
    path = Path(found["file"])
    array = _npz_array(str(path), path.stat().st_mtime_ns, found["array"])
    return _plain(array[int(found["index"])], "array")


@lru_cache(maxsize=8)
def _npz_array(path: str, stamp: int, name: str) -> NDArray[Any]:
    with np.load(path, allow_pickle=False) as arrays:
        values: NDArray[Any] = arrays[name]
    return values


def _plain(values: NDArray[Any], kind: str) -> Stored:
    """Give pixels without a position: spacing 1, axes as they are."""
    is_colour = values.ndim == 3 and values.shape[2] in (3, 4) and values.dtype == np.uint8
    spatial = 2 if values.ndim == 2 or is_colour else 3
    if values.ndim not in (2, 3, 4):
        raise ValueError(f"an image of {values.ndim} dimensions")
    original = Original(
        kind=kind,
        shape=tuple(int(n) for n in values.shape[:spatial]),
        affine=np.eye(4),
        orientation="",
        dtype=str(values.dtype),
    )
    return Stored(values, np.eye(4), (1.0,) * spatial, original)
