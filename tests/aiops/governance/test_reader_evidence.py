"""Agreement of readers and linkage of tables against their closed forms."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from aiops.errors import ConfigError, DataError
from aiops.governance.reader_evidence import reader_agreement


def written(tmp_path, frame):
    path = tmp_path / "readers.csv"
    pd.DataFrame(frame).to_csv(path, index=False)
    return path


def test_categories_are_answered_by_kappa(tmp_path):
    rng = np.random.default_rng(0)
    a = rng.choice(["yes", "no"], 400)
    b = np.where(rng.random(400) < 0.3, rng.choice(["yes", "no"], 400), a)
    found = reader_agreement(written(tmp_path, {"a": a, "b": b}), "a", "b")
    assert found["value"] == pytest.approx(cohen_kappa_score(a, b))
    assert found["supports"] is (False if found["low"] >= 0.6 else None)
    assert found["low"] < found["value"] < found["high"]
    assert found["threshold"] == 0.6


def test_readers_who_guess_support_the_reason(tmp_path):
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 2, (2, 300))
    found = reader_agreement(written(tmp_path, {"a": a, "b": b}), "a", "b")
    assert found["supports"] is True
    assert found["code"] == "R04"
    assert "0.6 is asked." in found["sentence"]


def test_measures_are_answered_by_the_intraclass_correlation(tmp_path):
    rng = np.random.default_rng(0)
    true = rng.normal(50, 10, 80)
    a, b = (true + rng.normal(0, 1, 80)).round(3), (true + rng.normal(0, 1, 80)).round(3)
    found = reader_agreement(written(tmp_path, {"a": a, "b": b}), "a", "b")
    assert found["value"] == pytest.approx(100 / 101, abs=0.01)
    assert "agree by ICC 0.99" in found["sentence"]
    assert found["supports"] is False


def test_masks_are_answered_by_dice(tmp_path):
    from PIL import Image

    for i in range(12):
        square = np.zeros((16, 16), np.uint8)
        square[:8] = 1
        Image.fromarray(square).save(tmp_path / f"a{i}.png")
        Image.fromarray(np.roll(square, 2 if i % 2 else 4, axis=0)).save(tmp_path / f"b{i}.png")
    names = {side: [f"{side}{i}.png" for i in range(12)] for side in "ab"}
    found = reader_agreement(written(tmp_path, names), "a", "b")
    assert found["value"] == pytest.approx((0.75 + 0.5) / 2)
    assert found["sentence"].startswith("Two readers drew 12 cases with a mean Dice of 0.62 (")
    assert found["supports"] is True


def test_a_column_that_is_not_there_is_named(tmp_path):
    path = written(tmp_path, {"a": ["y"], "b": ["n"]})
    with pytest.raises(DataError, match=r"a column is not in the table: 'c' \(--readers\)"):
        reader_agreement(path, "a", "c")


def test_readers_without_a_common_case_are_refused(tmp_path):
    path = written(tmp_path, {"a": ["y", ""], "b": ["", "n"]})
    with pytest.raises(ConfigError, match="no case was read by both 'a' and 'b'"):
        reader_agreement(path, "a", "b")
