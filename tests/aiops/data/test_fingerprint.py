import json

import numpy as np
import pytest

from aiops.data.audit import audit
from aiops.data.fingerprint import fingerprint
from aiops.files import plain


@pytest.fixture
def two(make, segmentation):
    """Two CT volumes whose figures are known."""
    for i, name in enumerate(["a", "b"]):
        image = np.full((10, 10, 4 + i), -1000, np.int16)
        image[2:8, 2:8, 1:3] = np.arange(72).reshape(6, 6, 2) + 10 * i
        label = np.zeros(image.shape, np.uint8)
        label[2:8, 2:8, 1:3] = 1
        label[2, 2, 1] = 2 - i
        affine = np.diag([-0.5, -0.5, 2.0 + i, 1])
        make.volume(f"images/{name}.nii.gz", image, affine=affine)
        make.volume(f"labels/{name}.nii.gz", label, affine=affine)
    return lambda **changes: segmentation(["a", "b"], modality="ct", **changes)


def test_a_fingerprint_of_volumes(two):
    found = fingerprint(two())
    assert (found["n_cases"], found["n_patients"]) == (2, 2)
    images = found["images"]
    assert (images["n_dims"], images["channels"], images["n_channels"]) == (3, ["image"], 1)
    assert images["shape_vox"]["z"]["p0"] == 4
    assert images["shape_vox"]["z"]["p100"] == 5
    assert images["spacing_mm"]["x"]["p50"] == pytest.approx(0.5)
    assert images["spacing_mm"]["z"]["p50"] == pytest.approx(2.5)
    assert images["orientation"] == {"LPS": 2}
    foreground = found["intensities"]["image"]["foreground"]
    values = np.concatenate([np.arange(72), np.arange(72) + 10])
    assert foreground["mean"] == pytest.approx(values.mean())
    assert foreground["sd"] == pytest.approx(values.std())
    assert foreground["p99.5"] == pytest.approx(np.percentile(values, 99.5))
    assert foreground["n_sampled"] == 144
    assert found["intensities"]["image"]["overall"]["p0.5"] == -1000
    front, back = (found["labels"]["structures"][n] for n in ("front", "back"))
    assert front["volume_ml"]["p0"] == pytest.approx(71 * 0.5 * 0.5 * 2 / 1000)
    assert front["volume_ml"]["p100"] == pytest.approx(72 * 0.5 * 0.5 * 3 / 1000)
    assert (back["n_present"], back["n_absent"]) == (1, 1)
    json.dumps(plain(found), allow_nan=False)


def test_facts_of_the_audit_save_reading_again(two):
    cases = two()
    report = audit(cases)
    assert fingerprint(cases, facts=report.facts) == fingerprint(cases)
    less = fingerprint(cases, facts=report.facts, excluded=["a"])
    assert (less["n_cases"], less["n_excluded"], less["images"]["n"]) == (1, 1, 1)


def test_the_content_hash_is_of_the_content(two, make):
    first = fingerprint(two())["content_hash"]
    path = make.folder / "images/a.nii.gz"
    array = np.full((10, 10, 4), -1000, np.int16)
    array[2:8, 2:8, 1:3] = np.arange(72).reshape(6, 6, 2)
    affine = np.diag([-0.5, -0.5, 2.0, 1])
    make.volume("images/a.nii.gz", array.astype(np.float32), affine=affine)
    assert fingerprint(two())["content_hash"] == first, path
    array[0, 0, 0] = 7
    make.volume("images/a.nii.gz", array, affine=affine)
    assert fingerprint(two())["content_hash"] != first


def test_a_fingerprint_of_a_table(make):
    rows = make.rows(60).astype(object)
    rows.loc[:5, "sex"] = ""
    rows.loc[0, "ill"] = ""
    cases = make.cases(
        rows,
        data={
            "attributes": {"sex": {"column": "sex", "values": {"F": "female", "M": "male"}}},
            "features": {"numeric": ["age"], "categorical": ["sex"]},
        },
    )
    found = fingerprint(cases)
    assert found["images"] is None
    assert found["labels"] is None
    assert found["targets"]["ill"]["n_missing"] == 1
    assert found["targets"]["ill"]["prevalence"] == pytest.approx(19 / 59)
    assert found["attributes"]["sex"]["missing_share"] == pytest.approx(0.1)
    assert set(found["attributes"]["sex"]["groups"]) == {"female", "male"}
    assert found["features"]["age"]["kind"] == "numeric"
    assert found["features"]["sex"]["n_levels"] == 2
    assert found["cases_per_patient"]["p50"] == 2
    json.dumps(plain(found), allow_nan=False)


def test_pictures_have_no_spacing(make):
    rows = make.rows(3)
    for i, name in enumerate(rows["case_id"]):
        make.film(f"{name}.png", np.random.default_rng(i).integers(0, 255, (8, 9), dtype=np.uint8))
    cases = make.cases(rows, data={"image": "{case_id}.png", "modality": "xray"})
    found = fingerprint(cases)
    assert found["images"]["spacing_mm"] is None
    assert found["images"]["shape_vox"]["rows"]["p50"] == 8
    assert found["intensities"]["image"]["foreground"] is None
