"""Agreement of readers and linkage of tables against their closed forms."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from aiops.errors import ConfigError, DataError
from aiops.governance.reader_evidence import linkage, mean_by_patient, reader_agreement


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
    assert 0.6 < found["low"] < found["value"] < found["high"]
    assert found["supports"] is False
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


def test_one_reader_with_one_category_is_undecided_whatever_the_rounding(tmp_path):
    for n, n_same in ((20, 19), (3, 2), (50, 25)):
        frame = {"a": ["1"] * n, "b": ["1"] * n_same + ["0"] * (n - n_same)}
        found = reader_agreement(written(tmp_path, frame), "a", "b")
        assert (found["supports"], found["value"]) == (None, None)
        assert "kappa not estimable (one reader gave one category only" in found["sentence"]


def test_few_patients_decide_nothing(tmp_path):
    guess = {"a": list("ynyny" * 40), "b": list("nynyn" * 40), "p": [i // 25 for i in range(200)]}
    found = reader_agreement(written(tmp_path, guess), "a", "b", patient="p")
    assert found["supports"] is None
    assert "of 200 cases of 8 patients" in found["sentence"]
    assert "it takes 10 patients to decide" in found["sentence"]
    assert found["n"] == 8


def test_a_blank_that_makes_whole_numbers_decimal_is_no_disagreement(tmp_path):
    one = [1, 0] * 25
    frame = {"a": one, "b": [*one[:-1], np.nan]}  # written 1.0 and 0.0
    found = reader_agreement(written(tmp_path, frame), "a", "b")
    assert found["value"] == 1
    assert found["supports"] is False
    assert found["sentence"].endswith("; fewer than 8 not read by both.")


def test_measures_of_many_films_of_few_patients_know_as_little_as_the_patients(tmp_path):
    rng = np.random.default_rng(0)
    patients, films = 40, 10
    true = np.repeat(rng.normal(0, 10, patients), films)
    apart = np.repeat(rng.normal(0, 6, patients), films)  # of a patient, not of a film
    noise = rng.normal(0, 1, (2, true.size))
    frame = {"a": true + noise[0], "b": true + apart + noise[1],
             "p": np.repeat(np.arange(patients), films)}  # fmt: skip
    named = reader_agreement(written(tmp_path, frame), "a", "b", patient="p")
    each_its_own = reader_agreement(written(tmp_path, frame), "a", "b")
    assert named["value"] == each_its_own["value"]
    wide = named["high"] - named["low"]
    assert wide > 2 * (each_its_own["high"] - each_its_own["low"])
    mean = pd.DataFrame(frame).groupby("p").mean()
    alone = reader_agreement(written(tmp_path, mean), "a", "b")
    assert wide == pytest.approx(alone["high"] - alone["low"], rel=0.35)
    assert named["n"] == patients


def drawn(tmp_path, n):
    for i in range(n):
        square = np.zeros((16, 16), np.uint8)
        square[:8] = 1
        Image.fromarray(square).save(tmp_path / f"a{i}.png")
        Image.fromarray(np.roll(square, 2 if i % 2 else 4, axis=0)).save(tmp_path / f"b{i}.png")
    return {side: [f"{side}{i}.png" for i in range(n)] for side in "ab"}


def test_masks_are_answered_by_dice(tmp_path):
    found = reader_agreement(written(tmp_path, drawn(tmp_path, 32)), "a", "b")
    assert found["value"] == pytest.approx((0.75 + 0.5) / 2)
    half = stats.t.ppf(0.975, 31) * 0.125 / np.sqrt(31)
    assert found["high"] - found["value"] == pytest.approx(half)
    assert found["sentence"].startswith("Two readers drew 32 cases with a mean Dice of 0.62 (")
    assert found["supports"] is True


def test_masks_that_never_meet_have_an_interval_all_the_same():
    value, low, high = mean_by_patient(np.zeros(30), np.arange(30))
    assert (value, low) == (0, 0)
    assert high == pytest.approx(stats.binomtest(0, 30).proportion_ci().high)


def test_masks_of_few_patients_decide_nothing_and_empty_ones_are_counted(tmp_path):
    names = drawn(tmp_path, 32)
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(tmp_path / "e.png")
    frame = {side: [*files, *["e.png"] * 20] for side, files in names.items()}
    frame["p"] = [*(i % 4 for i in range(32)), *[9] * 19, ""]
    found = reader_agreement(written(tmp_path, frame), "a", "b", patient="p")
    assert found["supports"] is None
    assert found["value"] == pytest.approx(0.625)
    assert "32 cases of fewer than 8 patients" in found["sentence"]
    assert "it takes 30 patients to decide; in 19 more both drew nothing" in found["sentence"]
    assert found["sentence"].endswith("; fewer than 8 without a patient.")


class Table:
    def __init__(self, patients):
        self.frame = pd.DataFrame({"patient_id": [str(p) for p in patients]})
        self.patients_known = True


def linked(tmp_path, patients, other):
    path = tmp_path / "other.csv"
    pd.DataFrame({"id": other}).to_csv(path, index=False)
    return linkage(Table(patients), path, "id")


def test_patients_are_linked_not_films(tmp_path):
    found = linked(tmp_path, [1] * 193 + list(range(2, 9)), [1])
    assert found["supports"] is None  # one patient of eight, too few to tell
    assert found["n"] == 8


def test_a_blank_in_the_other_table_breaks_no_link(tmp_path):
    found = linked(tmp_path, range(1, 201), [*range(1, 200), None])  # written 1.0, 2.0, ...
    assert found["supports"] is False
    assert found["sentence"].startswith("at least 9")


def test_tables_that_share_no_patient_may_write_them_differently(tmp_path):
    found = linked(tmp_path, range(200), [f"H-{i}" for i in range(200)])
    assert found["supports"] is None
    assert found["sentence"] == (
        "None of the patients is found in other.csv by 'id': are they written alike?"
    )


def test_a_column_that_is_not_there_is_named(tmp_path):
    path = written(tmp_path, {"a": ["y"], "b": ["n"]})
    with pytest.raises(DataError, match=r"a column is not in the table: 'c' \(--readers\)"):
        reader_agreement(path, "a", "c")


def test_readers_without_a_common_case_are_refused(tmp_path):
    path = written(tmp_path, {"a": ["y", ""], "b": ["", "n"]})
    with pytest.raises(ConfigError, match="no case was read by both 'a' and 'b'"):
        reader_agreement(path, "a", "b")


def agreed(tmp_path, frame, **more):
    return reader_agreement(written(tmp_path, frame), "a", "b", **more)


def readers(n, same):
    """Return two readers of n cases, half of them ill, who agree on a share of the cases."""
    a = np.tile(["yes", "no"], n // 2)
    b = np.where(np.arange(n) < same * n, a, np.roll(a, 1))
    return a, b


def test_kappa_is_judged_by_its_interval_and_not_by_its_point(tmp_path):
    a, b = readers(40, 0.775)  # kappa 0.55, and 0.6 inside its interval
    found = agreed(tmp_path, {"a": a, "b": b})
    assert found["value"] < 0.6 < found["high"]
    assert found["supports"] is None


def test_cases_of_one_patient_are_not_so_many_readings(tmp_path):
    a, b = readers(400, 0.75)
    frame = {"a": a, "b": b, "p": np.arange(400) // 40}
    alone, together = agreed(tmp_path, frame), agreed(tmp_path, frame, patient="p")
    assert together["value"] == pytest.approx(alone["value"])
    assert (alone["n"], together["n"]) == (400, 10)
    assert together["high"] - together["low"] > 2 * (alone["high"] - alone["low"])
    assert (alone["supports"], together["supports"]) == (True, None)


@pytest.mark.parametrize(("n_there", "supports"), [(150, True), (265, None), (300, False)])
def test_a_link_is_judged_by_its_interval(tmp_path, n_there, supports):
    found = linked(tmp_path, range(300), range(n_there))
    assert found["supports"] is supports
