import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.data.survey import count_values, survey, survey_files


@given(st.lists(st.integers(0, 300), max_size=50))
def test_values_are_counted_whatever_the_type(values):
    expected = {v: values.count(v) for v in set(values) if v}
    assert count_values(np.array(values, np.int32)) == expected
    if max(values, default=0) < 256:
        assert count_values(np.array(values, np.uint8)) == expected


def test_samples_are_spread_and_repeat(make):
    array = np.arange(20**3, dtype=np.float32).reshape(20, 20, 20)
    path = str(make.volume("a.nii.gz", array))
    job = {"case_id": "a", "image": path, "label": None}
    facts = survey_files([job], n_sample=100)["a"].images["image"]
    assert facts.sample.shape == (1, 100)
    assert facts.sample.mean() == pytest.approx(array.mean(), rel=0.02)
    again = survey_files([job], n_sample=100)["a"].images["image"]
    assert np.array_equal(facts.sample, again.sample)
    assert facts.content == again.content


def test_nothing_to_read_is_no_fault():
    assert survey_files([]) == {}


def test_labels_alone_can_be_read(make, segmentation):
    make.volume("labels/a.nii.gz", np.ones((3, 3, 3), np.uint8))
    facts = survey(segmentation(["a"]), labels_only=True)["a"]
    assert facts.images == {}
    assert facts.faults == ()
    assert facts.label is not None
    assert facts.label.n_voxels == {1: 27}
