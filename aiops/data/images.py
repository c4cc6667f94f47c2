"""Pixels and voxels, and where they lie: files in, arrays in one orientation out.

A volume is (C, X, Y, Z) in RAS+ (x to the patient's right, y to the front, z to the head); a
picture is (C, rows, columns). A mask goes back to the orientation its image was stored in.
"""

import gzip
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiops.data.stored import (
    Original,
    Stored,
    file_of,
    grid_difference,
    read_array,
    read_nifti,
    read_picture,
)
from aiops.data.table import suffix_of
from aiops.errors import DataError
from aiops.files import atomic

__all__ = [
    "FileMissingError",
    "FractionalLabelError",
    "Image",
    "Label",
    "Original",
    "file_of",
    "grid_difference",
    "read_channels",
    "read_image",
    "read_label",
    "write_mask_like",
]

VOLUMES = (".nii", ".nii.gz")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
READABLE = (*VOLUMES, *PICTURES, ".npz")

LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Weights of red, green and blue in grey, as in ITU-R BT.601."""

_BROKEN = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    IndexError,
    SyntaxError,  # pillow, for a PNG that is cut short
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)


class FileMissingError(DataError):
    """A file that a table names is not there."""


class FractionalLabelError(DataError):
    """A label file holds values that are no whole numbers."""


@dataclass(frozen=True)
class Image:
    """An image in memory: (C, X, Y, Z) in RAS+, or (C, rows, columns)."""

    array: NDArray[np.float32]
    affine: NDArray[np.float64]
    spacing_mm: tuple[float, ...]
    """Of a picture: (1, 1), for pictures do not say."""
    original: Original


@dataclass(frozen=True)
class Label:
    """A label map in memory: (X, Y, Z) in RAS+, or (rows, columns), of whole numbers."""

    array: NDArray[np.integer[Any]]
    affine: NDArray[np.float64]
    spacing_mm: tuple[float, ...]
    original: Original
    is_stored_whole: bool
    """False where the file stores the whole numbers as floating point."""


def read_image(ref: str, *, case_id: str = "", colour: bool = False) -> Image:
    """Read an image.

    Parameters
    ----------
    ref : str
        A path, or an image of a set: ``set.npz#train_images[12]``.
    case_id : str
        Named in errors.
    colour : bool, default=False
        Keep red, green and blue as three channels. Otherwise pictures become grey by luminance;
        transparency is ignored either way, and 16 bits are kept.

    Returns
    -------
    Image
        float32, channels first.

    Raises
    ------
    FileMissingError
        If the file is not there.
    DataError
        If it is broken, cut short, or of a kind that is not read.
    """
    stored = _read(ref, case_id=case_id)
    spatial = len(stored.spacing_mm)
    values = np.asarray(stored.values, dtype=np.float32)
    if values.ndim == spatial:
        array = values[None]
    elif spatial == 2 and not colour:
        array = (
            (values[..., :3] @ LUMINANCE)[None] if values.shape[2] >= 3 else values[None, ..., 0]
        )
    else:
        kept = values[..., :3] if spatial == 2 and values.shape[2] == 4 else values
        array = np.moveaxis(kept, -1, 0)
    return Image(np.ascontiguousarray(array), stored.affine, stored.spacing_mm, stored.original)


def read_channels(refs: Sequence[str], *, case_id: str = "", colour: bool = False) -> Image:
    """Read several images of one case as the channels of one.

    Raises
    ------
    DataError
        If they do not lie on one grid, or one of them cannot be read.
    """
    images = [read_image(ref, case_id=case_id, colour=colour) for ref in refs]
    first = images[0]
    for ref, image in zip(refs[1:], images[1:], strict=True):
        said = grid_difference(
            first.array.shape[1:], first.affine, image.array.shape[1:], image.affine
        )
        if said:
            raise DataError(
                f"the channels of a case do not lie on one grid: {said}",
                where=_place(ref, case_id),
                fix="resample the channels on the grid of the first one",
            )
    array = first.array if len(images) == 1 else np.concatenate([i.array for i in images])
    return Image(array, first.affine, first.spacing_mm, first.original)


def read_label(ref: str, *, case_id: str = "") -> Label:
    """Read a label map.

    Raises
    ------
    FileMissingError
        If the file is not there.
    DataError
        If it is broken, has several channels, or holds values that are no whole numbers.
    """
    stored = _read(ref, case_id=case_id)
    values = stored.values
    if values.ndim > len(stored.spacing_mm):
        if stored.original.kind != "picture" or not _is_grey(values):
            raise DataError(
                f"a label has {values.shape[-1]} channels",
                where=_place(ref, case_id),
                fix="save it as one channel of whole numbers, one per structure",
            )
        values = values[..., 0]
    is_stored_whole = bool(np.issubdtype(values.dtype, np.integer) or values.dtype == bool)
    if not is_stored_whole:
        whole = np.rint(np.nan_to_num(values, nan=0.5, posinf=0.5, neginf=0.5))
        if not np.allclose(whole, values, rtol=0, atol=1e-3):
            raise FractionalLabelError(
                "a label holds values that are no whole numbers",
                where=_place(ref, case_id),
                fix="it was resampled with interpolation: make it again with nearest neighbour",
            )
        values = whole
    small = values.size == 0 or (values.min() >= 0 and values.max() <= 255)
    kind = np.dtype(np.uint8 if small else np.int32)
    array: NDArray[np.integer[Any]] = np.ascontiguousarray(values, dtype=kind)
    return Label(array, stored.affine, stored.spacing_mm, stored.original, is_stored_whole)


def write_mask_like(mask: NDArray[Any], original: Original, path: Path) -> None:
    """Write a mask in the orientation, shape and position its image was stored in.

    Parameters
    ----------
    mask : ndarray of whole numbers or bool, shape (X, Y, Z) or (rows, columns)
        In RAS+, as `read_image` gives images.
    original : Original
        Of the image the mask belongs to.
    path : Path
        ``.nii.gz`` for volumes, ``.png`` for pictures; written whole or not at all.

    Raises
    ------
    ValueError
        If `mask` has not the shape of the image.
    """
    import nibabel as nib
    from PIL import Image as Picture

    whole = np.asarray(mask)
    kind = np.uint8 if whole.size == 0 or whole.max() <= 255 else np.int16
    if len(original.shape) == 2:
        if whole.shape != original.shape:
            raise ValueError(f"mask {whole.shape} and image {original.shape} must match")
        with atomic(path) as temporary:
            Picture.fromarray(whole.astype(np.uint8)).save(temporary, format="PNG")
        return
    back = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt("RAS"), nib.orientations.io_orientation(original.affine)
    )
    turned = nib.orientations.apply_orientation(whole, back)
    if turned.shape != original.shape[:3]:
        raise ValueError(f"mask {turned.shape} and image {original.shape[:3]} must match")
    nifti = nib.Nifti1Image(turned.astype(kind), original.affine)
    nifti.set_sform(original.affine, original.forms[0])
    nifti.set_qform(original.affine, original.forms[1])
    nifti.header.set_xyzt_units("mm")
    with atomic(path) as temporary:
        raw = nifti.to_bytes()
        temporary.write_bytes(gzip.compress(raw, 6, mtime=0) if path.name.endswith(".gz") else raw)


def _is_grey(values: NDArray[Any]) -> bool:
    grey = values[..., :1]
    return bool((values[..., : min(3, values.shape[-1])] == grey).all())


def _place(ref: str, case_id: str) -> str:
    return f"{ref}{f' (case {case_id})' if case_id else ''}"


def _read(ref: str, *, case_id: str) -> Stored:
    path = file_of(ref)
    kind = suffix_of(path)
    if kind not in READABLE:
        raise DataError(
            f"a file of the kind '{kind or path.name}' is not read",
            where=_place(ref, case_id),
            fix=f"convert it to one of: {', '.join(READABLE)}",
        )
    if not path.is_file():
        raise FileMissingError(
            "the file is not there",
            where=_place(ref, case_id),
            fix="copy it, or correct its name in the table",
        )
    try:
        if kind in VOLUMES:
            return read_nifti(path)
        return read_picture(path) if kind in PICTURES else read_array(ref)
    except _BROKEN as fault:
        raise DataError(
            f"the file cannot be read: {(str(fault).splitlines() or [type(fault).__name__])[0]}",
            where=_place(ref, case_id),
            fix="export or copy it again; it may have been cut short",
        ) from fault
