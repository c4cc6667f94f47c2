"""One row per case and class."""

import numpy as np
import pandas as pd
import pytest

from evaluation import class_scores, macro_roc_auc

KINDS = np.array(["ct", "mr", "us"])


def scored(n, n_patients=None):
    """Return classes, one score a class, and whose case it is."""
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, n)
    score = rng.random((n, 3)) + np.eye(3)[kind] / 2
    who = np.arange(n) if n_patients is None else rng.integers(0, n_patients, n)
    return KINDS[kind], score, who


def rows_of(kind, score, who):
    """Return a predictions table with one row per case and class."""
    n = kind.size
    return pd.DataFrame({
        "case_id": np.repeat([f"c{i:03}" for i in range(n)], 3), "patient_id": np.repeat(who, 3),
        "target": np.tile(KINDS, n), "y_true": (kind[:, None] == KINDS).ravel().astype(float),
        "y_score": score.ravel(), "status": "ok",
    })  # fmt: skip


def test_a_table_of_one_row_per_class_is_read_in_any_order():
    kind, score, who = scored(60, n_patients=30)
    table = rows_of(kind, score, who)
    for rows in (table, table.sample(frac=1, random_state=0)):
        found = class_scores(rows)
        assert found.y_true.tolist() == kind.tolist()
        assert found.y_score == pytest.approx(score)
        assert found.y_pred.tolist() == KINDS[score.argmax(axis=1)].tolist()
        macro = macro_roc_auc(
            found.y_true, found.y_score, classes=found.classes, patient_id=found.patient_id
        )
        plain = macro_roc_auc(kind, score, classes=KINDS, patient_id=who)
        assert (macro.value, macro.low) == pytest.approx((plain.value, plain.low))


def test_a_case_the_tool_failed_on_in_one_class_failed():
    kind, score, who = scored(20)
    table = rows_of(kind, score, who)
    table.loc[4, "status"] = "failed"
    found = class_scores(table)
    assert np.isnan(found.y_score[1]).all()
    assert found.y_pred[1] == "failed"
    assert (found.y_pred[2:] != "failed").all()


def test_a_table_that_is_not_of_one_class_each_is_named():
    table = rows_of(*scored(10))
    for changed, words in (
        (pd.concat([table, table.iloc[:2]]), "2 rows repeat a case_id and target"),
        (table.iloc[1:], "1 rows are missing: each of 10 cases has one per class"),
        (table.assign(y_true=0.0), "10 of 10 cases are not of exactly one class"),
        (table.assign(y_true=np.nan), "10 of 10 cases are not of exactly one class"),
    ):
        with pytest.raises(ValueError, match=words):
            class_scores(changed)
