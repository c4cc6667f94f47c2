import numpy as np
import pytest

from evaluation.samples import Sample, as_flags


def of(**more):
    given = {"patient": np.array([0, 0, 1]), "n_patients": 2, "failed": np.zeros(3, bool)}
    return Sample(**(given | more))


def test_failed_cases_are_on_the_wrong_end():
    sample = of(
        y_true=np.array([True, False, True]),
        y_score=np.array([0.2, 0.3, 0.4]),
        y_pred=np.array([True, False, True]),
        failed=np.array([True, True, False]),
    )
    assert sample.worst_scores.tolist() == [-np.inf, np.inf, 0.4]
    assert sample.worst_decisions.tolist() == [False, True, True]


def test_a_score_that_is_missing_is_an_error():
    with pytest.raises(ValueError, match="y_score is nan in 1 of 3 cases"):
        of(y_true=np.ones(3, bool), y_score=np.array([0.1, np.nan, 0.2]))


def test_a_failed_case_needs_no_score():
    failed = np.array([False, True, False])
    assert of(y_true=np.ones(3, bool), y_score=np.array([0.1, np.nan, 0.2]), failed=failed)


def test_a_probability_above_one_is_an_error():
    with pytest.raises(ValueError, match=r"y_score runs from 0.1 to 7"):
        of(y_true=np.ones(3, bool), y_score=np.array([0.1, 7.0, 0.2]))


def test_shapes_must_match():
    with pytest.raises(ValueError, match=r"y_true \(2,\) and patient \(3,\)"):
        of(y_true=np.ones(2, bool))
    with pytest.raises(ValueError, match=r"y_true \(2,\), patient_id \(3,\)"):
        Sample.of_patients(np.arange(3), y_true=np.ones(2, bool))


@pytest.mark.parametrize("values", [[0, 2], [0.0, np.nan]])
def test_flags_are_zero_or_one(values):
    with pytest.raises(ValueError, match="y_true must hold 0 and 1 alone"):
        as_flags(np.array(values), "y_true")
