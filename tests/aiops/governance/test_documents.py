import re
from datetime import date, timedelta

import pytest
import yaml
from click.testing import CliRunner

from aiops.commands.documents import document_command
from aiops.errors import ConfigError, DataError, LedgerError
from aiops.governance import ledger
from aiops.governance.documents import (
    BOOK,
    add_document,
    bytes_path,
    documents_of,
    file_state,
    read_kinds,
)
from aiops.governance.usecase import submit

DAY = date(2026, 11, 1)


@pytest.fixture
def case(home):
    return submit("wrist", "Wrist fractures")


@pytest.fixture
def paper(tmp_path):
    path = tmp_path / "dpia.pdf"
    path.write_bytes(b"assessed")
    return path


def add(paper, kind="dpia", **changes):
    said = {"dated": DAY, "by": "I. Governance", **changes}
    return add_document("wrist", kind, paper, **said)


def test_a_paper_is_kept_by_its_hash_and_named_in_the_ledger(case, paper):
    added = add(paper)
    assert (added.id, added.case_id, added.kind, added.name) == (
        "DOC-0001", case.id, "dpia", "dpia.pdf")  # fmt: skip
    assert bytes_path(added.sha256).read_bytes() == b"assessed"
    assert [one.id for one in documents_of(case.id)] == [added.id]
    assert ledger.verify(BOOK) == []
    paper.unlink()
    assert file_state(added.sha256) == "there"


def test_a_paper_that_is_gone_or_changed_is_told(case, paper):
    sha256 = add(paper).sha256
    bytes_path(sha256).write_bytes(b"other words")
    assert file_state(sha256) == "changed"
    assert documents_of(case.id)[0].line().endswith("its file is changed")
    bytes_path(sha256).unlink()
    assert file_state(sha256) == "missing"
    add(paper, "other")  # the same bytes, brought again, are whole again
    assert file_state(sha256) == "there"


@pytest.mark.parametrize(
    ("kind", "changes", "what"),
    [
        ("dipa", {}, "'dipa' is not known"),
        ("dpia", {"dated": date.today() + timedelta(days=1)}, "is still to come"),
        ("dpia", {"by": " "}, "nobody is named"),
    ],
)
def test_what_is_wrong_is_refused_and_nothing_is_kept(case, paper, kind, changes, what):
    with pytest.raises(ConfigError, match=what):
        add(paper, kind, **changes)
    assert ledger.read_all(BOOK) == []
    assert not bytes_path("").exists()


def test_an_empty_file_an_unknown_case_and_a_second_time_are_refused(case, paper, tmp_path):
    blank = tmp_path / "blank.pdf"
    for content in (b"", b"\n", b"\xef\xbb\xbf \t\r\n\n"):
        blank.write_bytes(content)
        with pytest.raises(DataError, match="there is no paper in this file"):
            add(blank)
    with pytest.raises(ConfigError, match="'wirst' is not known"):
        add_document("wirst", "dpia", paper, dated=DAY, by="I. Governance")
    add(paper)
    with pytest.raises(ConfigError, match="UC-0001 has this paper already, as DOC-0001"):
        add(paper)
    assert add(paper, "cyber").id == "DOC-0002"


def test_a_wrong_day_is_put_right_by_a_line_that_takes_the_place_of_the_first(case, paper):
    first = add(paper, dated=date(2026, 11, 2))
    right = add(paper, dated=date(2025, 1, 1))
    assert (right.id, right.supersedes) == ("DOC-0002", "DOC-0001")
    assert [one.id for one in documents_of(case.id)] == ["DOC-0002"]
    assert [one.id for one in documents_of(None, superseded=True)] == ["DOC-0001", "DOC-0002"]
    assert add(paper, dated=first.dated).supersedes == "DOC-0002"
    told = CliRunner().invoke(document_command, ["list"]).output
    assert "(by I. Governance" in told
    assert told.splitlines()[0].endswith("; DOC-0002 took its place")


def test_lost_bytes_are_brought_back_without_a_new_line(case, paper):
    first = add(paper)
    bytes_path(first.sha256).write_bytes(b"other words")
    words = ["add", "--use-case", "wrist", "--kind", "dpia", "--date", str(DAY), "--by", "Ana"]
    done = CliRunner().invoke(document_command, [*words, str(paper)])
    assert (done.exit_code, done.output.split(" dpia")[0]) == (0, "restored: DOC-0001")
    assert file_state(first.sha256) == "there"
    assert len(ledger.read_all(BOOK)) == 1


def test_one_file_for_several_papers_is_told(case, paper):
    add(paper)
    assert add(paper, "cyber").line().endswith("; the same bytes are also: DOC-0001 dpia")


def test_a_hazard_log_that_cannot_be_read_is_refused(case, paper, tmp_path):
    with pytest.raises(ConfigError, match="valid dictionary or instance of HazardLog"):
        add(paper, "hazard_log")
    paper.write_bytes(b"\xff\xfe\x00h")
    with pytest.raises(ConfigError, match=r"dpia\.pdf is not UTF-8 text"):
        add(paper, "hazard_log")
    assert ledger.read_all(BOOK) == []
    hazard = {"id": "HZ-001", "hazard": "A film is missed", "causes": ["rotation"],
              "effect": "late read", "harm": "late treatment", "severity": "major",
              "likelihood": "high"}  # fmt: skip
    log = {"kind": "hazard_log", "use_case": "wrist", "hazards": [hazard]}
    paper.write_text(yaml.safe_dump(log))
    assert add(paper, "hazard_log").id == "DOC-0001"


def test_a_line_that_is_no_paper_is_told_and_not_read(case):
    ledger.append(lambda earlier: {"id": "DOC-0001"}, BOOK)
    with pytest.raises(LedgerError, match="a line is no paper"):
        documents_of(None)


def test_a_file_that_changes_while_it_is_read_is_not_kept(case, paper, monkeypatch):
    monkeypatch.setattr("shutil.copyfile", lambda source, copy: copy.write_bytes(b"half a pa"))
    with pytest.raises(DataError, match="the file changed while it was read"):
        add(paper)
    assert ledger.read_all(BOOK) == []
    assert list(bytes_path("").iterdir()) == []


def test_the_kinds_name_what_they_speak_to_and_claim_nothing():
    kinds = read_kinds()
    assert {"dpia", "safety_case", "cscr", "intended_use", "ifu", "training_log", "cyber",
            "rollback_test", "monitoring_plan", "minutes", "protocol", "usability", "market_scan",
            "hazard_log"} <= set(kinds.kinds)  # fmt: skip
    assert (kinds.version, kinds.date) == ("1.0.0", "2026-11-22")
    named = [standard for kind in kinds.kinds.values() for standard in kind.speaks_to]
    assert all(re.search(r"\d{4}|v\d", standard) for standard in named)
