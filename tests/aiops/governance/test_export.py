import csv
import io
import json

import pytest

from aiops.errors import ConfigError
from aiops.files import read_json
from aiops.governance import ledger
from aiops.governance.decision import propose, record_decision
from aiops.governance.export import (
    EXPORT_TYPE,
    decisions_csv,
    escaped,
    export_ledger,
    heads,
)
from aiops.governance.signing import check
from aiops.provenance import content_hash


@pytest.fixture
def decided(ring, stand, open_gates):
    stand("triage")
    said = {"rationale": '=HYPERLINK("http://x")', "by": "@board", "author": "Ana"}
    keys = [ring["ai lead"], ring["clinical lead"]]
    record_decision(propose("approve", "ct-triage", gate="G0", **said), keys)
    return ring


def test_what_is_exported_is_whole_and_signed(decided, tmp_path):
    out = tmp_path / "export"
    pair = decided["secretary"]
    written = export_ledger(out, [pair])
    assert [path.name for path in written] == [
        "MANIFEST.dsse.json", "MANIFEST.json", "decisions.csv", "decisions.jsonl", "head.json",
        "keys.json", "keys.jsonl", "use_cases.jsonl",
    ]  # fmt: skip
    manifest = read_json(out / "MANIFEST.json")
    assert set(manifest["files"]) == {p.name for p in written if "MANIFEST" not in p.name}
    for name, sha256 in manifest["files"].items():
        assert content_hash(out / name) == sha256
    told = check(read_json(out / "MANIFEST.dsse.json"), EXPORT_TYPE, [pair.public])
    assert told.statement == manifest
    assert [key.person for key in told.signed_by] == ["Dr Secretary"]
    assert (out / "decisions.jsonl").read_bytes() == ledger.book_path().read_bytes()
    assert read_json(out / "head.json")["decisions"] == {"lines": 2, "sha256": ledger.head()}
    assert len(read_json(out / "keys.json")["keys"]) == len(decided)
    text = json.dumps(read_json(out / "keys.json"))
    assert "PRIVATE" not in text


def test_an_export_nobody_signs_says_so_by_having_no_envelope(decided, tmp_path):
    export_ledger(tmp_path / "export")
    assert not (tmp_path / "export" / "MANIFEST.dsse.json").exists()


def test_a_formula_is_text_in_the_table(decided):
    rows = list(csv.DictReader(io.StringIO(decisions_csv())))
    assert [row["outcome"] for row in rows] == ["re-review", "approve"]
    assert rows[1]["rationale"] == '\'=HYPERLINK("http://x")'
    assert rows[1]["made_by"] == "'@board"
    assert rows[1]["signed_by"].startswith("Dr Ai Lead (ai lead, ")
    assert rows[1]["sha256"] == ledger.head()
    cells = [cell for row in rows for cell in row.values()]
    assert not any(cell[:1] in "=+-@\t\r" for cell in cells if cell)


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r=1", "\n@x", "  -2"]
)
def test_what_a_spreadsheet_would_run_is_quoted(text):
    assert escaped(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "fine", "a=b", "2 - 1", "R06 NO_CHAMPION"])
def test_plain_text_stays_as_it_is(text):
    assert escaped(text) == text


def test_a_folder_that_holds_something_is_left_alone(decided, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="the folder is not empty"):
        export_ledger(tmp_path)


def test_an_empty_ledger_is_said(home, tmp_path):
    assert heads() == {}
    with pytest.raises(ConfigError, match="there is nothing to export"):
        export_ledger(tmp_path / "export")
