"""Each book written anew, sums and head, by somebody who may write the folder."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest
import rfc8785

from aiops.governance import ledger, usecase
from aiops.governance.conditions import close
from aiops.governance.decision import propose, record_decision
from aiops.governance.documents import add_document, bytes_path
from aiops.governance.verify import verify_ledger

SOON = date.today() + timedelta(days=30)
LATER = (datetime.now(UTC) + timedelta(minutes=30)).isoformat()


@pytest.fixture
def written(stand, open_gates, tmp_path):
    """A case with an edit, a paper, a condition that was met, and a decision after all of them."""
    stand("triage")
    usecase.edit("ct-triage", by="Ana", owner="Imaging")
    paper = tmp_path / "paper.txt"
    paper.write_text("assessed")
    add_document("ct-triage", "dpia", paper, dated=date(2026, 11, 1), by="Ana")
    asked = [f"general: bring it; Ana; {SOON}", f"general: train; Ana; {SOON}"]
    said = {"rationale": "Go on.", "by": "Board", "conditions": asked}
    record = record_decision(propose("approve-with-conditions", "ct-triage", gate="G0", **said))
    close("met", "ct-triage", "C1", by="Ana", evidence=paper)
    event = {
        "event": "release", "case_id": "UC-0001", "use_case": "ct-triage", "run": "r",
        "decision": record.id, "decision_sha256": ledger.head(), "manifest_sha256": "a" * 64,
        "at": LATER,
    }  # fmt: skip
    ledger.append(lambda earlier: event, "releases")
    record_decision(propose("re-review", "ct-triage", rationale="Look again.", by="Board"))
    return record


def told():
    return [one.line() for one in verify_ledger(projection=False).found]


def entries(book):
    return [json.loads(line) for line in ledger.book_path(book).read_bytes().splitlines()]


def rewrite(changed, book):
    """Write a book anew, with sums and head as the program would."""
    before, lines = ledger.GENESIS, []
    for entry in changed:
        record = {**entry["record"], "prev_sha256": before}
        more = {k: v for k, v in entry.items() if k not in ("record", "sha256")}
        before = ledger.record_sha256({"record": record, **more} if more else record)
        lines.append(rfc8785.dumps({"record": record, **more, "sha256": before}) + b"\n")
    ledger.book_path(book).write_bytes(b"".join(lines))
    head = {"lines": len(lines), "sha256": before}
    ledger.book_path(book).with_suffix(".head.json").write_text(json.dumps(head))


def added(book, **record):
    """Add a line to a book: after the last decision, where no head holds it."""
    rewrite([*entries(book), {"record": record}], book)


def again(book, **changes):
    added(book, **{**entries(book)[-1]["record"], **changes})


def test_books_that_fit_together_hold(written):
    assert told() == []


@pytest.mark.parametrize(
    ("tamper", "what"),
    [
        (lambda: added("conditions", decision="DEC-1", at=LATER), "line 2: is no line of this"),
        (lambda: again("conditions"), "conditions.jsonl, line 2: C1 of DEC-"),
        (lambda: again("conditions", condition="C9"), "has no condition C9"),
        (lambda: again("conditions", case_id="UC-0009"), "is of UC-0001, not of UC-0009"),
        (lambda: again("conditions", at="1999-01-01T00:00:00+00:00"), "line 2: it is dated 1999"),
        (lambda: again("conditions", at="1999-01-01T00:00:00+00:00"), "it is dated before DEC-"),
        (lambda: again("conditions", condition="C2", evidence_sha256=""), "names nothing that was"),
        (lambda: again("conditions", at="soon"), "line 2: it does not say when it was written"),
        (lambda: again("use_cases", by=""), "line 3: is no line of this book: by: String should"),
        (lambda: again("use_cases", case_id="UC-0009"), "line 3: UC-0009 is not in the register"),
        (lambda: again("use_cases", changes={"slug": "x-y"}), "changes what no edit changes: slug"),
        (lambda: again("use_cases", changes={"labels_done": "x"}), "line 3: it does not fit the"),
        (lambda: again("use_cases", changes={"lead": "x"}), "line 3: it does not fit the register"),
        (lambda: again("documents"), "documents.jsonl, line 2: DOC-0001 is not the number of"),
        (lambda: again("documents", id="DOC-0002", use_case="mr"), "UC-0001 mr is not in the reg"),
        (lambda: again("documents", id="DOC-0002", supersedes="DOC-0009"), "place of DOC-0009, wh"),
        (lambda: again("documents", id="DOC-0002", sha256="x"), "line 2: is no line of this book"),
        (lambda: again("documents", id="DOC-0002", sha256="0" * 64), "file of DOC-0002 is missing"),
        (lambda: again("releases", decision="DEC-2026-0077"), "line 2: the DEC-2026-0077 that it"),
        (lambda: again("releases", decision_sha256="b" * 64), "line 2: the DEC-"),
        (lambda: again("releases", use_case="mr"), "is of another case than UC-0001"),
    ],
)  # fmt: skip
def test_a_line_that_does_not_fit_its_book_or_the_others_is_told(written, tamper, what):
    tamper()
    assert any(what in line for line in told()), told()


def test_a_number_or_name_that_stands_twice_is_told(written):
    first = entries("use_cases")[0]["record"]
    added("use_cases", **{**first, "slug": "other", "submitted_at": LATER})
    assert "use_cases.jsonl, line 3: the number UC-0001 stands twice" in told()
    rewrite(entries("use_cases")[:2], "use_cases")
    added("use_cases", **{**first, "id": "UC-0002", "submitted_at": LATER})
    assert told() == ["use_cases.jsonl, line 3: the name ct-triage stands twice"]


@pytest.mark.parametrize("book", ["use_cases", "documents", "conditions", "releases"])
def test_a_book_cut_or_written_anew_is_told_by_the_decision_after_it(written, book):
    last = ledger.read_all()[-1]["id"]
    what = f"{last}: {book}.jsonl has not the line that was its last when this was recorded"
    kept = entries(book)
    changed = [{"record": {**kept[-1]["record"], "note": "other"}}]
    rewrite([*kept[:-1], *changed], book)
    assert any(line.startswith(what) for line in told()), told()
    rewrite(kept, book)
    assert told() == []
    ledger.book_path(book).unlink()
    ledger.book_path(book).with_suffix(".head.json").unlink()
    assert any(line.startswith(what) for line in told()), told()


def test_a_decision_that_saw_less_than_one_before_it_is_told(written):
    one, two, three = entries(ledger.DECISIONS)
    first = entries("use_cases")[0]["sha256"]
    three["record"]["heads"] |= {"use_cases": first}
    rewrite([one, two, three], ledger.DECISIONS)
    name = three["record"]["id"]
    assert f"{name}: it names an earlier line of use_cases.jsonl than one before" in told()
    three["record"]["heads"] = {}
    rewrite([one, two, three], ledger.DECISIONS)
    assert f"{name}: it names no line of documents.jsonl, and one before it did" in told()


def test_a_decision_that_names_another_case_is_told(written):
    one, two, three = entries(ledger.DECISIONS)
    three["record"]["use_case"] = "demo-ct-triage"
    rewrite([one, two, three], ledger.DECISIONS)
    assert f"{three['record']['id']}: UC-0001 is ct-triage, and it names demo-ct-triage" in told()


def test_lost_and_changed_bytes_are_told(written):
    [paper] = entries("documents")
    kept = bytes_path(paper["record"]["sha256"])
    kept.write_bytes(b"other words")
    assert told() == [
        "documents.jsonl, line 1: the file of DOC-0001 is changed",
        "conditions.jsonl, line 1: what was brought is changed",
    ]
    kept.unlink()
    assert told()[0] == "documents.jsonl, line 1: the file of DOC-0001 is missing"


def test_the_report_that_was_on_the_table_is_looked_for(written):
    one, two, three = entries(ledger.DECISIONS)
    three["record"]["report_sha256"] = "d" * 64
    rewrite([one, two, three], ledger.DECISIONS)
    assert f"{three['record']['id']}: the report on the table is missing" in told()


def test_a_day_that_is_still_to_come_is_told(written):
    added("releases", at=(datetime.now(UTC) + timedelta(hours=2)).isoformat())
    assert any("releases.jsonl, line 2: it is dated" in line for line in told())
    assert any(line.endswith("which is still to come") for line in told())
