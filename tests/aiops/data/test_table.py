import gzip
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.data import table
from aiops.data.image_sets import npz_rows
from aiops.errors import DataError

TEXT = "case_id,glucose,age\n007,None,61\nb,?,NA\nc,,1e1\n"


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.tsv"])
def test_cells_stay_as_they_were_written(tmp_path, name):
    text = TEXT.replace(",", "\t") if name.endswith("tsv") else TEXT
    raw = text.encode("utf-8-sig")  # with the mark that Excel writes
    (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)
    frame = table.read_frame(tmp_path / name)
    assert frame["case_id"].tolist() == ["007", "b", "c"]
    assert frame["glucose"].tolist() == ["None", "?", None]
    assert frame["age"].tolist() == ["61", "NA", "1e1"]


def test_a_typed_table_reads_as_a_person_would_write_it(tmp_path):
    typed = pd.DataFrame(
        {
            "whole": [1.0, np.nan, 3.0],
            "part": [0.5, 2.0, 1e-9],
            "yes": [True, False, True],
            "when": pd.to_datetime(["2024-01-31", None, "2024-02-01"]),
            "text": ["a", None, " "],
        }
    )
    typed.to_parquet(tmp_path / "t.parquet")
    frame = table.read_frame(tmp_path / "t.parquet")
    assert frame["whole"].tolist() == ["1", None, "3"]
    assert frame["part"].tolist() == ["0.5", "2", "1e-09"]
    assert frame["yes"].tolist() == ["True", "False", "True"]
    assert frame["when"].tolist() == ["2024-01-31T00:00:00", None, "2024-02-01T00:00:00"]
    assert frame["text"].tolist() == ["a", None, None]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.xlsx", b"", r"a table of the kind '.xlsx' is not read\n.*\n  fix:   save it as one of"),
        ("t.csv", b"a;b\n1;2\n", "separated by ';', not by ','"),
        ("t.csv", b"a,a\n1,2\n", "the header names a column twice: 'a'"),
        ("t.csv", b"a,b\n", "the table has no rows"),
        ("t.csv", b"", "the table cannot be read"),
        ("t.csv", b"a,b\n1,2\n1,2,3\n", r"cannot be read: .*Expected 2 fields in line 3, saw 3"),
        ("t.csv", b"a\n\xff\xfe\n", "is not UTF-8 text"),
        ("t.csv.gz", b"a,b\n1,2\n", "the table cannot be read"),
        ("t.parquet", b"no", "not a readable parquet file"),
        ("t.npz", b"no", "the .npz set cannot be read"),
    ],
)
def test_a_table_that_is_wrong_says_how(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=words):
        table.read_frame(tmp_path / name)


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="the table is not there"):
        table.read_frame(tmp_path / "t.csv")


def test_all_missing_columns_are_named_at_once_with_the_nearest_name():
    frame = pd.DataFrame({"gender": ["f"], "age": ["1"]})
    with pytest.raises(DataError) as caught:
        table.require_columns(
            frame, {"gendr": "data.attributes.sex.column", "site": "split.column"}, where="t.csv"
        )
    said = str(caught.value)
    assert "2 columns are not in the table" in said
    assert "'gendr' (data.attributes.sex.column; did you mean 'gender'?)" in said
    assert "'site' (split.column)" in said
    assert "the table has: gender, age" in said


@pytest.mark.parametrize(
    ("text", "value", "is_same"),
    [
        ("1", 1, True),
        ("1.0", 1, True),
        ("1.0", "1", True),
        ("F", "F", True),
        ("f", "F", False),
        ("NO", False, True),  # YAML reads NO as false
        ("yes", True, True),
        ("0", False, True),
        ("?", "?", True),
        ("-9.0", -9, True),
        ("<30", "<30", True),
        ("nan", "nan", True),
        ("nan", float("nan"), False),
        ("1_000", 1000, False),
    ],
)
def test_a_cell_is_compared_as_text_and_as_number(text, value, is_same):
    assert table.same(text, value) is is_same


@given(st.lists(st.text(max_size=6) | st.none(), min_size=1))
def test_numbers_are_finite_or_nan(cells):
    values = table.numbers(pd.Series(cells, dtype=object))
    assert values.shape == (len(cells),)
    assert not np.isinf(values).any()


def test_an_npz_set_becomes_rows(tmp_path):
    np.savez_compressed(
        tmp_path / "set.npz",
        train_images=np.zeros((3, 4, 4), np.uint8),
        train_labels=np.array([[0], [1], [1]]),
        train_age=np.array([5, 6, 7]),
        val_images=np.zeros((2, 4, 4), np.uint8),
        val_labels=np.array([1, 0]),
    )
    rows = table.read_frame(tmp_path / "set.npz")
    assert rows["case_id"].tolist() == [
        "train-00000", "train-00001", "train-00002", "val-00000", "val-00001"
    ]  # fmt: skip
    assert rows["label"].tolist() == ["0", "1", "1", "1", "0"]
    assert rows["age"].tolist() == ["5", "6", "7", None, None]
    assert rows["image"].iloc[3] == f"{tmp_path / 'set.npz'}#val_images[0]"


def test_an_npz_set_without_subsets_and_with_several_labels(tmp_path):
    np.savez(tmp_path / "s.npz", images=np.zeros((2, 4, 4)), labels=np.array([[1, 0], [0, 1]]))
    rows = npz_rows(tmp_path / "s.npz")
    assert rows["subset"].tolist() == ["all", "all"]
    assert rows[["label_0", "label_1"]].to_numpy().tolist() == [["1", "0"], ["0", "1"]]


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": np.zeros(3)}, "no array of images among: x"),
        ({"images": np.zeros((2, 4, 4)), "labels": np.zeros(3)}, "labels has 3 rows, images has 2"),
        ({"images": np.array([{}, {}])}, "cannot be read: Object arrays cannot be loaded"),
    ],
)
def test_an_npz_set_that_is_wrong_says_how(tmp_path, arrays, words):
    np.savez(tmp_path / "s.npz", **arrays)
    with pytest.raises(DataError, match=words):
        table.read_frame(tmp_path / "s.npz")


def test_an_exported_cell_cannot_be_a_formula(tmp_path):
    frame = pd.DataFrame(
        {"note": ["=cmd|' /C calc'!A0", "@SUM(A1)", "+1", "-2.5e3", "-1+1", "\t=1", None, "ok"]}
    )
    table.write_csv(tmp_path / "t.csv", frame)
    back = pd.read_csv(tmp_path / "t.csv", dtype=str, keep_default_na=False)["note"].tolist()
    assert back == ["'=cmd|' /C calc'!A0", "'@SUM(A1)", "+1", "-2.5e3", "'-1+1", "'\t=1", "", "ok"]


@given(st.text(max_size=8))
def test_no_text_survives_as_a_formula(text):
    cell = table.escape_formulas(pd.DataFrame({"a": [text]}))["a"].iloc[0] or ""
    assert not re.match(r"[=@\t\r]", cell)
    assert not re.match(r"[+-]", cell) or re.match(r"[+-][\d.,]", cell)


def test_columns_of_a_config_are_checked_by_reading_one_row(make):
    make.rows().to_csv(make.folder / "cases.csv", index=False)
    experiment = make.experiment()
    found = table.check_columns(experiment, config_path=make.folder / "c.yaml")
    assert found == make.folder / "cases.csv"
    wrong = make.experiment(data={"patient": "patients"})
    with pytest.raises(DataError, match="did you mean 'patient'"):
        table.check_columns(wrong, config_path=make.folder / "c.yaml")
