import json

import numpy as np
import pandas as pd
import pytest

from aiops.report.export import disarmed, write_export


def test_a_text_that_looks_like_a_formula_is_text_and_a_number_is_a_number(tmp_path, run, table):
    evil = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", " =1", "60-79"]
    rows = [{"attribute": "sex", "group": g, "share": -0.5} for g in evil]
    write_export(run(representation=table("representation", *rows)), tmp_path)
    back = pd.read_csv(tmp_path / "representation.csv")
    assert list(back["group"]) == [f"'{g}" for g in evil[:-1]] + ["60-79"]
    assert back["share"].tolist() == [-0.5] * len(evil)
    stored = pd.read_parquet(tmp_path / "representation.parquet")
    assert list(stored["group"]) == evil  # what is computed with is not changed
    told = json.loads((tmp_path / "representation.json").read_text())
    assert told[0]["share"] == -0.5
    assert told[0]["low"] is None


def test_names_of_columns_are_disarmed_too():
    assert list(disarmed(pd.DataFrame({"=a": [1], "b": [np.nan]})).columns) == ["'=a", "b"]


def test_only_what_may_be_shared_is_exported(tmp_path, run):
    with pytest.raises(ValueError, match="not to be exported"):
        write_export(run(is_shareable=False), tmp_path)


def test_a_table_that_is_gone_leaves_no_file(tmp_path, run, table):
    row = {"attribute": "sex", "group": "female"}
    write_export(run(representation=table("representation", row)), tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
    (tmp_path / "notes.txt").write_text("mine")
    write_export(run(), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]
