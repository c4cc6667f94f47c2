import re
from datetime import date, timedelta

import pytest

from aiops.errors import ConfigError
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
    assert documents_of(case.id) == [added]
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
    empty = tmp_path / "empty.pdf"
    empty.touch()
    with pytest.raises(ConfigError, match="there is no paper in this file"):
        add(empty)
    with pytest.raises(ConfigError, match="'wirst' is not known"):
        add_document("wirst", "dpia", paper, dated=DAY, by="I. Governance")
    add(paper)
    with pytest.raises(ConfigError, match="UC-0001 has this paper already, as DOC-0001"):
        add(paper)
    assert add(paper, "cyber").id == "DOC-0002"


def test_a_file_that_changes_while_it_is_read_is_not_kept(case, paper, monkeypatch):
    monkeypatch.setattr("shutil.copyfile", lambda source, copy: copy.write_bytes(b"half a pa"))
    with pytest.raises(ConfigError, match="the file changed while it was read"):
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
