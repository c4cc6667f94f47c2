import csv
import io
import json

import pytest
from click.testing import CliRunner

from aiops.commands.ledger import COMMANDS
from aiops.errors import ConfigError, GateError
from aiops.files import read_json, write_json
from aiops.governance import ledger, usecase
from aiops.governance.decision import propose, record_decision
from aiops.governance.export import (
    EXPORT_TYPE,
    ExportCheck,
    check_export,
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
    done = export_ledger(out, [pair])
    written = done.files
    assert done.faults == ()
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


def test_an_export_can_be_checked(decided, tmp_path, monkeypatch):
    out = tmp_path / "export"
    export_ledger(out, [decided["secretary"]])
    assert check_export(out) == ExportCheck((), ("Dr Secretary",), ())
    told = CliRunner().invoke(COMMANDS["ledger"], ["check-export", str(out)])
    assert (told.exit_code, told.stdout) == (0, "signed by Dr Secretary\n")
    with (out / "decisions.jsonl").open("a") as file:
        file.write(" ")
    (out / "more.txt").write_text("x")
    (out / "head.json").unlink()
    assert check_export(out).faults == (
        "more.txt is extra: MANIFEST.json does not name it",
        "decisions.jsonl was changed: its SHA-256 is another",
        "head.json is missing",
    )
    told = CliRunner().invoke(COMMANDS["ledger"], ["check-export", str(out)])
    assert told.exit_code == 1
    manifest = read_json(out / "MANIFEST.json")
    write_json(out / "MANIFEST.json", {**manifest, "made": "2020-01-01T00:00:00+00:00"})
    found = check_export(out)
    assert "what was signed is not what MANIFEST.json says" in found.faults
    assert "the key of Dr Secretary was not in force when it was made" in found.faults


def test_an_export_is_unproven_without_a_key_that_is_known(decided, tmp_path, monkeypatch):
    out, keys = tmp_path / "export", ledger.book_path("keys")
    export_ledger(out)
    assert CliRunner().invoke(COMMANDS["ledger"], ["check-export", str(out)]).exit_code == 3
    export_ledger(tmp_path / "signed", [decided["secretary"]])
    monkeypatch.setenv("AIOPS_HOME", str(tmp_path / "elsewhere"))
    asked = ["check-export", str(tmp_path / "signed")]
    assert CliRunner().invoke(COMMANDS["ledger"], asked).exit_code == 1
    assert CliRunner().invoke(COMMANDS["ledger"], [*asked, "--ring", str(keys)]).exit_code == 0


def test_a_broken_ledger_is_exported_and_said_to_be_broken(decided, tmp_path):
    with ledger.book_path().open("ab") as file:
        file.write(b"xx\n")
    asked = ["export", "--out", str(tmp_path / "export")]
    told = CliRunner().invoke(COMMANDS["ledger"], asked)
    assert told.exit_code == 1
    assert "the ledger does not hold: decisions.jsonl, line 3: the line is not a record" in (
        told.stdout
    )
    manifest = read_json(tmp_path / "export" / "MANIFEST.json")
    assert manifest["the_ledger"] == "does not hold"
    assert check_export(tmp_path / "export").told == tuple(manifest["faults"])


def test_nobody_signs_an_export_whose_key_is_not_in_the_ring(decided, tmp_path, new_key):
    with pytest.raises(GateError, match="the key of Nobody is not in force"):
        export_ledger(tmp_path / "export", [new_key("Nobody")])
    assert not (tmp_path / "export").exists()


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
    assert escaped(text)[0] == "'"
    assert escaped(text).replace("'", "") == text


@pytest.mark.parametrize("hidden", ["\u00a0", "\ufeff", "\u200b", "\u3000", "\x00", "\x0b", '"'])
@pytest.mark.parametrize("sign", ["=", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_what_cannot_be_seen_hides_no_formula(hidden, sign):
    assert escaped(f"{hidden}{sign}1+1").startswith("'")


def test_a_semicolon_opens_no_cell_that_is_a_formula(home, stand):
    stand("triage")
    text = 'fine;=HYPERLINK("http://x";"y")\n=2+2; \u200b@x'
    record_decision(propose("re-review", "ct-triage", rationale=text, by="Board"))
    for line in csv.reader(io.StringIO(decisions_csv()), delimiter=";"):
        assert not [cell for cell in line if cell.strip(' "\u200b')[:1] in ("=", "+", "-", "@")]


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


def test_conditions_stand_whole_in_the_table(stand, moved):
    late = {"id": "C1", "item": "fairness", "text": "34 more men", "owner": "Dr Okafor",
            "due": "2999-01-01", "evidence_kind": "", "waived_by": "", "status": "open",
            }  # fmt: skip
    stand("live")
    moved("ct-triage", "live", outcome="approve-with-conditions", conditions=[late])
    *_, row = csv.DictReader(io.StringIO(decisions_csv()))
    assert row["conditions"] == "C1 fairness: 34 more men (Dr Okafor, 2999-01-01)"
    assert usecase.find("ct-triage").conditions_open == 1
