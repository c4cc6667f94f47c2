import pytest

from aiops.data.pairing import pair_files
from aiops.errors import DataError


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def test_pairs_by_folder(tmp_path):
    touch(tmp_path, "images/a.nii.gz", "images/b.nii.gz", "labels/a.nii.gz", "labels/c.nii")
    touch(tmp_path, "images/.hidden.nii.gz", "images/notes.txt")
    pairing = pair_files(tmp_path)
    assert pairing.names == ["a", "b", "c"]
    assert pairing.images_alone == ["b"]
    assert pairing.labels_alone == ["c"]


def test_pairs_as_nnunet_names_them(tmp_path):
    touch(tmp_path, "imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz")
    pairing = pair_files(tmp_path)
    assert (pairing.names, pairing.images_alone, pairing.labels_alone) == (["a"], [], [])


def test_pairs_by_ending(tmp_path):
    touch(tmp_path, "a_image.nii.gz", "a_label.nii.gz", "b.png", "b_mask.png", "c_seg.nii")
    pairing = pair_files(tmp_path)
    assert pairing.names == ["a", "b", "c"]
    assert pairing.labels_alone == ["c"]


def test_images_alone_are_no_fault_where_there_are_no_labels(tmp_path):
    touch(tmp_path, "a.png", "b.jpg")
    assert pair_files(tmp_path).images_alone == []


def test_what_cannot_be_paired_says_so(tmp_path):
    with pytest.raises(DataError, match="the folder holds no image that is read"):
        pair_files(tmp_path)
    with pytest.raises(DataError, match="the folder is not there"):
        pair_files(tmp_path / "no")
    touch(tmp_path, "a.png", "a_image.png")
    with pytest.raises(DataError, match=r"two files would both be 'a': a\.png and a_image\.png"):
        pair_files(tmp_path)
