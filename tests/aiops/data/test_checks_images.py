from zlib import crc32

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image as Picture

from aiops.data.audit import audit

RNG = np.random.default_rng(0)


def of(report, code):
    return [f for f in report.findings if f.code == code]


def codes(report):
    return sorted({f.code for f in report.findings})


def volume(seed=0, shape=(8, 9, 10), dtype=np.float32):
    return np.random.default_rng(seed).normal(100, 20, shape).astype(dtype)


def labels(shape=(8, 9, 10)):
    array = np.zeros(shape, np.uint8)
    array[2:4, 2:5, 2:5], array[5:7, 2:5, 2:5] = 1, 2
    return array


@pytest.fixture
def pair(make):
    """Write image and label of a case; what is not said is sound."""

    def write(name, image=None, label=None, *, affine=None, label_affine=None, codes=(1, 1)):
        image = volume(crc32(name.encode())) if image is None else image
        make.volume(f"images/{name}.nii.gz", image, affine=affine, codes=codes)
        label = labels(image.shape[:3]) if label is None else label
        where = label_affine if label_affine is not None else affine
        make.volume(f"labels/{name}.nii.gz", label, affine=where)
        return name

    return write


def test_sound_cases_give_no_finding(pair, segmentation):
    report = audit(segmentation([pair("a"), pair("b"), pair("c")]))
    assert codes(report) == []
    assert report.clean


def test_geometry_that_differs_is_named_with_what_differs(pair, segmentation):
    shifted = np.eye(4)
    shifted[2, 3] = 5
    ids = [
        pair("whole"),
        pair("moved", label_affine=shifted),
        pair("short", label=labels((8, 9, 9))),
        pair("flipped", label_affine=np.diag([-1.0, 1, 1, 1])),
    ]
    found = of(audit(segmentation(ids)), "GEOMETRY_MISMATCH")
    said = {f.case_id: f.detail for f in found}
    assert said["moved"] == "image and moved.nii.gz: up to 5 mm apart"
    assert said["short"] == "image and short.nii.gz: 8×9×10 against 8×9×9 voxels"
    assert "mm apart" in said["flipped"]
    assert set(said) == {"moved", "short", "flipped"}
    assert all(f.severity == "stop" and f.file.endswith(".nii.gz") for f in found)


def test_faulty_labels_are_named(pair, segmentation):
    other = labels()
    other[0, 0, :3] = 7
    half = labels().astype(np.float32)
    half[0, 0, 0] = 0.5
    ids = [pair(f"ok{i}") for i in range(10)]
    ids += [
        pair("empty", label=np.zeros((8, 9, 10), np.uint8)),
        pair("other", label=other),
        pair("half", label=half),
        pair("float", label=labels().astype(np.float32)),
        pair("absent", label=(labels() == 1).astype(np.uint8)),
    ]
    report = audit(segmentation(ids))
    assert [f.case_id for f in of(report, "LABEL_EMPTY")] == ["empty"]
    (unknown,) = of(report, "LABEL_VALUE_UNKNOWN")
    assert (unknown.case_id, unknown.detail) == ("other", "value 7 (3 voxels)")
    assert [f.case_id for f in of(report, "LABEL_FRACTIONAL")] == ["half"]
    (stored,) = of(report, "LABEL_NOT_INTEGER")
    assert (stored.case_id, stored.severity) == ("float", "note")
    # 12 of 14 labels hold `back`: under nine in ten, so its absence is no news.
    assert of(report, "STRUCTURE_ABSENT") == []


def test_a_structure_that_nearly_all_have_is_missed(pair, segmentation):
    ids = [pair(f"ok{i}") for i in range(11)]
    ids.append(pair("absent", label=(labels() == 1).astype(np.uint8)))
    (found,) = of(audit(segmentation(ids)), "STRUCTURE_ABSENT")
    assert (found.case_id, found.detail) == (
        "absent",
        "back is not marked; 92% of the cases have it",
    )


def test_faulty_images_are_named(pair, segmentation):
    hole = volume(1)
    hole[:, :, 3] = np.nan
    endless = volume(2)
    endless[0, 0, 0] = np.inf
    ids = [
        pair("ok"), pair("ok2"), pair("hole", hole), pair("endless", endless),
        pair("flat", np.full((8, 9, 10), 3.0, np.float32)),
        pair("two", volume(3, (8, 9, 10, 2))),
    ]  # fmt: skip
    report = audit(segmentation(ids))
    said = {f.case_id: f.detail for f in of(report, "IMAGE_NAN")}
    assert said == {
        "hole": "72 of 720 values are nan or infinite",
        "endless": "1 of 720 values are nan or infinite",
    }
    (flat,) = of(report, "IMAGE_CONSTANT")
    assert (flat.case_id, flat.detail) == ("flat", "every value is 3")
    (two,) = of(report, "CHANNELS_DIFFER")
    assert (two.case_id, two.detail) == ("two", "2 channels, the others have 1")


def test_missing_and_broken_files_are_named(pair, segmentation, make):
    ids = [pair("ok"), pair("gone"), pair("cut"), pair("nolabel")]
    (make.folder / "images/gone.nii.gz").unlink()
    (make.folder / "labels/nolabel.nii.gz").unlink()
    whole = (make.folder / "images/cut.nii.gz").read_bytes()
    (make.folder / "images/cut.nii.gz").write_bytes(whole[:500])
    report = audit(segmentation(ids))
    assert [(f.case_id, f.file) for f in of(report, "FILE_MISSING")] == [
        ("gone", "gone.nii.gz"),
        ("nolabel", "nolabel.nii.gz"),
    ]
    (cut,) = of(report, "FILE_UNREADABLE")
    assert (cut.case_id, cut.file) == ("cut", "cut.nii.gz")
    assert "cannot be read" in cut.detail
    assert not report.clean


def test_rows_without_image_or_label_are_unpaired(pair, make):
    pair("a")
    pair("b")
    rows = pd.DataFrame(
        {
            "case_id": ["a", "b", "c"],
            "patient": ["a", "b", "c"],
            "scan": ["images/a.nii.gz", "images/b.nii.gz", ""],
            "mask": ["labels/a.nii.gz", "", "labels/a.nii.gz"],
        }
    )
    cases = make.cases(
        rows,
        task="segmentation",
        targets={"front": 1, "back": 2},
        primary={"target": "mean", "metric": "dice"},
        data={"image": "scan", "label": "mask", "modality": "mri"},
    )
    report = audit(cases)
    assert [f.case_id for f in of(report, "UNPAIRED_IMAGE")] == ["b"]
    (label,) = of(report, "UNPAIRED_LABEL")
    assert (label.case_id, label.detail) == ("c", "the column image is empty")


def test_the_same_voxels_are_found_whatever_the_file(pair, segmentation):
    array = volume(5).astype(np.int16)
    turned = np.diag([-1.0, 1, 1, 1])
    turned[0, 3] = array.shape[0] - 1
    ids = [
        pair("a", array),
        pair("b", array.astype(np.float32), label=labels() * 2 % 3),
        pair("c", array[::-1], label=labels()[::-1], affine=turned),
        pair("d"),
    ]
    found = of(audit(segmentation(ids)), "DUPLICATE_IMAGE")
    assert [(f.case_id, f.other) for f in found] == [("b", "a"), ("c", "a")]
    assert found[0].detail == "the same pixels as a, under another patient, with another label"
    assert found[1].detail == "the same pixels as a, under another patient"


def test_orientations_and_headers(pair, segmentation, make):
    ids = [pair("a"), pair("b"), pair("c", affine=np.diag([-1.0, -1, 1, 1]))]
    ids.append(pair("nowhere", codes=(0, 0), affine=np.eye(4)))
    ids.append(pair("torn"))
    path = make.folder / "images/torn.nii.gz"
    image = nib.Nifti1Image(volume(9), np.eye(4))
    image.set_qform(np.diag([-1.0, -1, 1, 1]), 1)
    image.set_sform(np.eye(4), 1)
    nib.save(image, path)
    report = audit(segmentation(ids))
    stored = {f.case_id: f.detail for f in of(report, "ORIENTATION")}
    assert stored["c"].startswith("stored as LPS; in the set: RAS (3), ")
    assert [f.case_id for f in of(report, "ORIENTATION_UNKNOWN")] == ["nowhere"]
    assert [f.case_id for f in of(report, "FORMS_DIFFER")] == ["torn"]


def test_another_organ_stands_out_by_its_size(pair, segmentation):
    ids = [pair(f"c{i}", volume(i, (8 + i % 3, 9, 10))) for i in range(6)]
    ids.append(pair("body", volume(7, (12, 12, 12)), affine=np.diag([4.0, 4, 4, 1])))
    (found,) = of(audit(segmentation(ids)), "GEOMETRY_OUTLIER")
    assert found.case_id == "body"
    assert found.detail.startswith("12×12×12 voxels of 4×4×4 mm = 48×48×48 mm, the others about 9×")


def hounsfield(seed=0):
    rng = np.random.default_rng(seed)
    array = rng.normal(40, 15, (12, 12, 12))
    array[:4] = rng.normal(-1000, 15, (4, 12, 12))
    array[8, 4:7] = 700
    return array.astype(np.int16)


def test_a_ct_that_kept_its_offset_stops(pair, segmentation):
    ids = [pair("a", hounsfield(1)), pair("b", hounsfield(2)), pair("off", hounsfield(3) + 1024)]
    ids += [
        pair("unit", ((hounsfield(4) + 1000) / 2000).astype(np.float32)),
        pair("window", np.clip(hounsfield(5) / 4 + 100, 0, 255).astype(np.uint8)),
        # A crop of soft tissue has neither air nor fat and is sound all the same.
        pair("crop", np.random.default_rng(6).normal(40, 15, (12, 12, 12)).astype(np.int16)),
    ]
    report = audit(segmentation(ids, modality="ct"))
    found = {f.case_id: f for f in of(report, "MIXED_UNITS")}
    assert set(found) == {"off", "unit", "window"}
    assert "an offset of about 1000 was kept" in found["off"].detail
    assert "scaled to a unit range" in found["unit"].detail
    assert "windowed" in found["window"].detail
    assert all(f.severity == "stop" for f in found.values())


def test_a_ct_set_without_hounsfield_units_stops(pair, segmentation):
    ids = [pair("a", hounsfield(1) + 1024), pair("b", hounsfield(2) + 1024)]
    report = audit(segmentation(ids, modality="ct"))
    assert [f.case_id for f in of(report, "CT_NOT_HU")] == ["a", "b"]
    assert of(report, "MIXED_UNITS") == []


def test_scales_of_mri_that_differ_are_a_note(pair, segmentation):
    ids = [pair(f"a{i}", volume(i)) for i in range(4)]
    ids += [pair(f"b{i}", volume(10 + i) * 1000) for i in range(3)]
    (found,) = of(audit(segmentation(ids)), "MIXED_UNITS")
    assert found.severity == "note"
    assert found.detail.startswith("2 scales: 4 cases with a range of ")
    same = [f"a{i}" for i in range(4)]
    assert of(audit(segmentation(same)), "MIXED_UNITS") == []


def film(seed):
    rows, columns = np.mgrid[:40, :40] / 40
    shape = 120 * np.exp(-(((columns - 0.5) / 0.15) ** 2)) + 60 * rows
    return (shape + np.random.default_rng(seed).normal(30, 12, (40, 40))).clip(0, 255)


def films(make, n=25, **changes):
    for i in range(n):
        make.film(f"films/c{i:04d}.png", film(i).astype(np.uint8))
    data = {"image": "films/{case_id}.png", "modality": "xray"}
    rows = changes.pop("rows", make.rows(n))
    return lambda: make.cases(rows, data=data, **changes)


def test_a_negative_is_found_among_films(make):
    read = films(make)
    assert codes(audit(read())) == []
    make.film("films/c0007.png", (255 - film(7)).astype(np.uint8))
    (found,) = of(audit(read()), "GREYS_INVERTED")
    assert (found.case_id, found.severity) == ("c0007", "note")
    assert "its correlation with the usual film is -0." in found.detail


def test_copies_across_subsets_name_the_training_copy(make):
    rows = make.rows(25)
    rows["patient"] = rows["case_id"]
    rows["part"] = ["test" if i < 5 else "train" for i in range(25)]
    rows.loc[[3, 20, 21], "ill"] = [1, 0, 1]
    read = films(make, rows=rows, split={"by": "column", "column": "part", "test": ["test"]})
    for copy in ("c0020", "c0021"):
        Picture.open(make.folder / "films/c0003.png").save(make.folder / f"films/{copy}.png")
    Picture.open(make.folder / "films/c0010.png").save(make.folder / "films/c0011.png")
    report = audit(read())
    across = of(report, "DUPLICATE_ACROSS_SUBSETS")
    assert [(f.case_id, f.other) for f in across] == [("c0020", "c0003")]
    assert across[0].detail == (
        "the same pixels as c0003 (train and test), under another patient, with another outcome"
    )
    inside = of(report, "DUPLICATE_IMAGE")
    assert [(f.case_id, f.other) for f in inside] == [("c0011", "c0010"), ("c0021", "c0020")]


def test_one_channel_of_another_case_is_a_copy_too(make):
    rows = make.rows(3)
    for name in rows["case_id"]:
        make.volume(f"{name}_t1.nii", volume(crc32(name.encode())))
        make.volume(f"{name}_t2.nii", volume(7 if name != "c0001" else 8))
    data = {"image": {"t1": "{case_id}_t1.nii", "t2": "{case_id}_t2.nii"}, "modality": "mri"}
    (found,) = of(audit(make.cases(rows, data=data)), "DUPLICATE_IMAGE")
    assert (found.case_id, found.other, found.file) == ("c0002", "c0000", "c0002_t2.nii")
