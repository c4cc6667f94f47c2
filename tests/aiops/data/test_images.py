import gzip

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Picture

from aiops.data.images import (
    FileMissingError,
    FractionalLabelError,
    file_of,
    grid_difference,
    read_channels,
    read_image,
    read_label,
    write_mask_like,
)
from aiops.errors import DataError

RNG = np.random.default_rng(0)
AXES = ["RAS", "LPS", "LAS", "PIR", "ASL", "SRA"]


def affine_of(axes: str, spacing: tuple[float, float, float], tilt: float = 0.0) -> np.ndarray:
    """Return an affine whose stored axes point as named, tilted by some degrees."""
    turn = nib.orientations.inv_ornt_aff(nib.orientations.axcodes2ornt(axes), (4, 5, 6))
    angle = np.deg2rad(tilt)
    rotation = np.eye(4)
    rotation[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    affine = rotation @ turn @ np.diag([*spacing, 1.0])
    affine[:3, 3] = [10, -20, 30]
    return affine


def nifti(path, array, affine, codes=(1, 1)):
    image = nib.Nifti1Image(array, affine)
    image.set_sform(affine, codes[0])
    image.set_qform(affine, codes[1])
    nib.save(image, path)
    return path


@settings(max_examples=30, deadline=None)
@given(
    axes=st.sampled_from(AXES),
    spacing=st.tuples(*[st.sampled_from([0.7, 1.0, 3.0])] * 3),
    tilt=st.sampled_from([0.0, 12.0]),
    codes=st.sampled_from([(1, 1), (2, 0), (0, 1)]),
)
def test_each_voxel_stays_where_it_is_in_the_patient(tmp_path_factory, axes, spacing, tilt, codes):
    folder = tmp_path_factory.mktemp("turned")
    stored = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    affine = affine_of(axes, spacing, tilt)
    path = nifti(folder / "a.nii.gz", stored, affine, codes)
    image = read_image(str(path))
    assert image.array.dtype == np.float32
    assert image.array.flags.c_contiguous
    assert "".join(nib.orientations.aff2axcodes(image.affine)) == "RAS"
    there = np.argwhere(stored == 77)[0]
    here = np.argwhere(image.array[0] == 77)[0]
    assert image.affine[:3] @ [*here, 1] == pytest.approx(affine[:3] @ [*there, 1], abs=1e-4)
    assert np.prod(image.spacing_mm) == pytest.approx(np.prod(spacing), rel=1e-4)
    # A mask goes back to the very grid the image was stored on.
    write_mask_like(image.array[0] > 60, image.original, folder / "mask.nii.gz")
    mask = nib.load(folder / "mask.nii.gz")
    assert np.array_equal(np.asanyarray(mask.dataobj), stored > 60)
    assert mask.affine == pytest.approx(affine, abs=1e-4)
    assert (int(mask.header["sform_code"]), int(mask.header["qform_code"])) == codes
    assert np.array_equal(read_label(str(folder / "mask.nii.gz")).array, image.array[0] > 60)


def test_a_scaled_volume_with_channels_last(tmp_path):
    array = RNG.integers(0, 100, (3, 4, 5, 2)).astype(np.int16)
    image = nib.Nifti1Image(array, np.eye(4))
    image.header.set_slope_inter(2.0, -1024.0)
    nib.save(image, tmp_path / "a.nii")
    stored = nib.load(tmp_path / "a.nii").get_fdata()
    got = read_image(str(tmp_path / "a.nii"))
    assert got.array.shape == (2, 3, 4, 5)
    assert got.array == pytest.approx(np.moveaxis(stored, -1, 0))


def test_a_flat_volume_and_a_fourth_axis_of_one(tmp_path):
    nifti(tmp_path / "flat.nii", np.ones((3, 4), np.float32), np.eye(4))
    nifti(tmp_path / "four.nii", np.ones((3, 4, 5, 1), np.float32), np.eye(4))
    assert read_image(str(tmp_path / "flat.nii")).array.shape == (1, 3, 4, 1)
    assert read_image(str(tmp_path / "four.nii")).array.shape == (1, 3, 4, 5)


def test_a_header_without_a_position_gives_the_mask_none_either(tmp_path):
    nifti(tmp_path / "a.nii.gz", np.ones((3, 4, 5), np.uint8), np.eye(4), codes=(0, 0))
    image = read_image(str(tmp_path / "a.nii.gz"))
    assert image.original.forms == (0, 0)
    write_mask_like(np.ones((3, 4, 5), bool), image.original, tmp_path / "m.nii.gz")
    mask, before = nib.load(tmp_path / "m.nii.gz"), nib.load(tmp_path / "a.nii.gz")
    assert int(mask.header["sform_code"]) == 0
    assert mask.affine == pytest.approx(before.affine)


def test_masks_are_written_the_same_each_time(tmp_path):
    path = nifti(tmp_path / "a.nii.gz", np.ones((3, 4, 5), np.uint8), np.eye(4))
    original = read_image(str(path)).original
    for name in ("one.nii.gz", "two.nii.gz"):
        write_mask_like(np.ones((3, 4, 5), np.uint8), original, tmp_path / name)
    assert (tmp_path / "one.nii.gz").read_bytes() == (tmp_path / "two.nii.gz").read_bytes()
    with pytest.raises(ValueError, match=r"mask \(5, 4, 3\) and image \(3, 4, 5\) must match"):
        write_mask_like(np.ones((5, 4, 3)), original, tmp_path / "m.nii.gz")


def test_pictures_become_grey_by_luminance_and_transparency_is_ignored(tmp_path):
    colour = RNG.integers(0, 256, (5, 6, 4), dtype=np.uint8)
    Picture.fromarray(colour).save(tmp_path / "rgba.png")
    Picture.fromarray(colour[..., :3]).save(tmp_path / "rgb.png")
    Picture.fromarray(colour[..., :2]).save(tmp_path / "la.png")
    expected = colour[..., :3].astype(np.float32) @ [0.299, 0.587, 0.114]
    assert read_image(str(tmp_path / "rgba.png")).array[0] == pytest.approx(expected, abs=1e-3)
    assert read_image(str(tmp_path / "rgb.png")).array[0] == pytest.approx(expected, abs=1e-3)
    assert np.array_equal(read_image(str(tmp_path / "la.png")).array[0], colour[..., 0])
    kept = read_image(str(tmp_path / "rgba.png"), colour=True).array
    assert np.array_equal(kept, np.moveaxis(colour[..., :3], -1, 0))


def test_sixteen_bits_and_one_bit_are_kept(tmp_path):
    deep = RNG.integers(0, 65536, (5, 6), dtype=np.uint16)
    Picture.fromarray(deep).save(tmp_path / "deep.png")
    Picture.fromarray(deep > 30000).save(tmp_path / "bit.png")
    image = read_image(str(tmp_path / "deep.png"))
    assert np.array_equal(image.array[0], deep)
    assert image.spacing_mm == (1.0, 1.0)
    assert np.array_equal(read_image(str(tmp_path / "bit.png")).array[0] > 0, deep > 30000)


def test_a_palette_picture_is_read_by_its_colours(tmp_path):
    grey = RNG.integers(0, 8, (5, 6), dtype=np.uint8) * 30
    Picture.fromarray(grey).convert("P").save(tmp_path / "p.png")
    assert read_image(str(tmp_path / "p.png")).array[0] == pytest.approx(grey, abs=1)


def test_a_mask_of_a_picture_is_a_picture(tmp_path):
    Picture.fromarray(np.zeros((5, 6), np.uint8)).save(tmp_path / "a.png")
    original = read_image(str(tmp_path / "a.png")).original
    mask = np.eye(5, 6, dtype=bool)
    write_mask_like(mask, original, tmp_path / "m.png")
    assert np.array_equal(read_label(str(tmp_path / "m.png")).array, mask)
    with pytest.raises(ValueError, match="must match"):
        write_mask_like(mask.T, original, tmp_path / "m.png")


def test_images_of_a_set(tmp_path):
    flat = RNG.integers(0, 256, (3, 5, 6), dtype=np.uint8)
    colour = RNG.integers(0, 256, (3, 5, 6, 3), dtype=np.uint8)
    solid = RNG.integers(0, 2, (3, 4, 5, 6), dtype=np.uint8)
    path = tmp_path / "s.npz"
    np.savez(path, flat_images=flat, colour_images=colour, solid_images=solid)
    assert np.array_equal(read_image(f"{path}#flat_images[2]").array[0], flat[2])
    assert read_image(f"{path}#colour_images[1]").array.shape == (1, 5, 6)
    assert read_image(f"{path}#colour_images[1]", colour=True).array.shape == (3, 5, 6)
    assert np.array_equal(read_image(f"{path}#solid_images[0]").array[0], solid[0])
    assert file_of(f"{path}#flat_images[2]") == path
    for ref in (f"{path}#flat_images[3]", f"{path}#no_images[0]", str(path)):
        with pytest.raises(DataError, match="the file cannot be read"):
            read_image(ref)


def test_a_label_stored_as_floating_point_is_whole(tmp_path):
    path = nifti(tmp_path / "a.nii.gz", np.array([[[0, 1, 2.0]]], np.float32), np.eye(4))
    label = read_label(str(path))
    assert label.array.dtype == np.uint8
    assert not label.is_stored_whole
    nifti(tmp_path / "b.nii.gz", np.array([[[0, 300, -1]]], np.int16), np.eye(4))
    wide = read_label(str(tmp_path / "b.nii.gz"))
    assert wide.array.dtype == np.int32
    assert wide.is_stored_whole


@pytest.mark.parametrize("value", [0.5, np.nan])
def test_a_label_with_fractions_is_refused(tmp_path, value):
    path = nifti(tmp_path / "a.nii.gz", np.array([[[0, 1, value]]], np.float32), np.eye(4))
    with pytest.raises(FractionalLabelError, match="values that are no whole numbers"):
        read_label(str(path), case_id="c1")


def test_a_label_of_several_channels_is_refused(tmp_path):
    nifti(tmp_path / "a.nii.gz", np.ones((3, 4, 5, 2), np.uint8), np.eye(4))
    with pytest.raises(DataError, match="a label has 2 channels"):
        read_label(str(tmp_path / "a.nii.gz"))
    grey = np.repeat(np.eye(4, dtype=np.uint8)[..., None], 3, axis=2)
    Picture.fromarray(grey).save(tmp_path / "a.png")
    assert np.array_equal(read_label(str(tmp_path / "a.png")).array, np.eye(4))


def damaged(folder, kind):
    noise = RNG.integers(0, 255, (20, 20, 20), dtype=np.uint8)
    path = nifti(folder / "a.nii.gz", noise, np.eye(4))
    raw = path.read_bytes()
    if kind == "cut.nii.gz":
        content = raw[: len(raw) // 2]
    elif kind == "checksum.nii.gz":
        content = raw[:-8] + bytes(4) + raw[-4:]
    elif kind == "cut.nii":
        content = gzip.decompress(raw)[:-100]
    elif kind == "noposition.nii":
        image = nib.load(path)
        image.header["srow_x"][:] = 0
        image.header["sform_code"] = 1
        plain = bytearray(gzip.decompress(raw))
        plain[280:296] = bytes(16)  # the first row of the affine
        content = bytes(plain)
    elif kind in {"cut.png", "cut.jpg"}:
        Picture.fromarray(noise[0].repeat(20, 0).repeat(20, 1)).save(folder / f"whole{kind[-4:]}")
        content = (folder / f"whole{kind[-4:]}").read_bytes()
        content = content[: len(content) // 2]
    else:
        content = b"not an image" if "empty" not in kind else b""
    (folder / kind).write_bytes(content)
    return folder / kind


@pytest.mark.parametrize(
    "kind",
    ["cut.nii.gz", "checksum.nii.gz", "cut.nii", "noposition.nii", "cut.png", "cut.jpg",
     "wrong.nii.gz", "wrong.nii", "wrong.png", "wrong.npz", "empty.nii.gz", "empty.png"],
)  # fmt: skip
def test_a_broken_file_is_named_with_its_case(tmp_path, kind):
    path = damaged(tmp_path, kind)
    ref = f"{path}#images[0]" if kind.endswith("npz") else str(path)
    with pytest.raises(DataError, match="the file cannot be read") as caught:
        read_image(ref, case_id="c17")
    assert kind in str(caught.value)
    assert "(case c17)" in str(caught.value)


def test_a_file_that_is_not_there_or_of_another_kind(tmp_path):
    with pytest.raises(FileMissingError, match="the file is not there"):
        read_image(str(tmp_path / "a.nii.gz"), case_id="c1")
    (tmp_path / "a.dcm").write_bytes(b"")
    with pytest.raises(DataError, match=r"a file of the kind '\.dcm' is not read"):
        read_image(str(tmp_path / "a.dcm"))


def test_channels_must_lie_on_one_grid(tmp_path):
    shifted = np.eye(4)
    shifted[0, 3] = 3
    array = np.ones((3, 4, 5), np.float32)
    one = str(nifti(tmp_path / "t1.nii", array, np.eye(4)))
    two = str(nifti(tmp_path / "t2.nii", array * 2, np.eye(4)))
    off = str(nifti(tmp_path / "off.nii", array, shifted))
    assert read_channels([one, two]).array[:, 0, 0, 0].tolist() == [1, 2]
    with pytest.raises(DataError, match="do not lie on one grid: up to 3 mm apart"):
        read_channels([one, off], case_id="c1")


def test_grids_differ_by_shape_or_by_more_than_a_tenth_of_a_voxel():
    shape, affine = (10, 10, 10), np.diag([1.0, 1, 3, 1])
    assert grid_difference(shape, affine, shape, affine) == ""
    near, far, turned = affine.copy(), affine.copy(), affine.copy()
    near[0, 3], far[0, 3] = 0.05, 0.5
    turned[0, 1] = 0.05
    assert grid_difference(shape, affine, shape, near) == ""
    assert grid_difference(shape, affine, shape, far) == "up to 0.5 mm apart"
    assert "mm apart" in grid_difference(shape, affine, shape, turned)
    assert "10×10×9" in grid_difference(shape, affine, (10, 10, 9), affine)
