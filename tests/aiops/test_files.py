"""Files that cannot be read: what is said of one of the program's, and of a person's own."""

import pytest

from aiops.errors import DataError
from aiops.files import read_json, read_table


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\xff\xfe", r"a\.json is not UTF-8 text"),
        (b"kind: x", r"a\.json is not JSON: Expecting value"),
        (b"[" * 200_000, "nested too deeply"),
    ],
)
def test_a_file_that_is_no_json_is_told_and_a_persons_own_is_left_alone(
    home, tmp_path, content, what
):
    home.mkdir()
    for folder, fix in ((home, "move it aside and run the stage"), (tmp_path, "stays as it is")):
        path = folder / "a.json"
        path.write_bytes(content)
        with pytest.raises(DataError, match=what) as caught:
            read_json(path)
        assert fix in caught.value.fix
        assert "delete" not in caught.value.fix


def test_a_table_that_is_none_and_files_that_are_not_there(home, tmp_path):
    path = tmp_path / "a.parquet"
    path.write_bytes(b"a,b")
    with pytest.raises(DataError, match="is not a readable table") as caught:
        read_table(path)
    assert caught.value.fix == "name the parquet file that is meant; this one stays as it is"
    for read in (read_json, read_table):
        with pytest.raises(DataError, match="is not there") as caught:
            read(tmp_path / "none")
        assert caught.value.fix == "name a file that is there"
        with pytest.raises(DataError, match="is not there") as caught:
            read(home / "none")
        assert caught.value.fix == "run the stage that writes it first"
