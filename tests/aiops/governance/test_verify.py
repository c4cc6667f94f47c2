"""The tamper matrix: what somebody did to the record, and the words in which it is told."""

import json
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import rfc8785
from click.testing import CliRunner

from aiops import tracking
from aiops.commands.ledger import ledger_command
from aiops.governance import ledger
from aiops.governance.decision import propose, record_decision
from aiops.governance.keyring import KEYS, enrol, revoke
from aiops.governance.record import statement_of
from aiops.governance.signing import DECISION_TYPE, seal
from aiops.governance.verify import verify_ledger
from aiops.shown import read_ledger

SAID = {"rationale": "As the figures say.", "by": "Imaging AI board", "author": "Ana"}
G0 = ("ai lead", "clinical lead")
G1 = (*G0, "information governance")


@pytest.fixture
def signed(ring, stand, open_gates):
    """Three decisions on a case, the last two signed."""
    stand("triage")
    record_decision(propose("approve", "ct-triage", gate="G0", **SAID), [ring[r] for r in G0])
    record_decision(propose("approve", "ct-triage", gate="G1", **SAID), [ring[r] for r in G1])
    return ring


def told(**how):
    return [one.line() for one in verify_ledger(projection=False, **how).found]


def entries():
    return [json.loads(line) for line in ledger.book_path().read_bytes().splitlines()]


def rewritten(changed):
    """Write the book anew as somebody would who knows how sums and heads are made."""
    before, lines = ledger.GENESIS, []
    for entry in changed:
        record = {**entry["record"], "prev_sha256": before}
        more = {k: v for k, v in entry.items() if k not in ("record", "sha256")}
        before = ledger.record_sha256({"record": record, **more} if more else record)
        lines.append(rfc8785.dumps({"record": record, **more, "sha256": before}) + b"\n")
    ledger.book_path().write_bytes(b"".join(lines))
    head = {"lines": len(lines), "sha256": before}
    ledger.book_path().with_suffix(".head.json").write_text(json.dumps(head))


def test_a_sound_ledger_says_so(signed):
    found = verify_ledger(projection=False)
    assert found.found == ()
    assert found.lines["decisions"] == 3
    assert found.grades == {"recorded": 1, "signed": 2}
    assert found.head == ledger.head()


def edit_payload(all_, ring):
    all_[1]["record"]["rationale"] = "Because."
    return all_


def edit_signers(all_, ring):
    all_[1]["record"]["signed_by"][0]["person"] = "Dr Other"
    return all_


def edit_grade(all_, ring):
    all_[0]["record"] |= {
        "grade": "signed",
        "statement": "signed by those named in it, each with a key of their own",
    }
    return all_


def lower_grade(all_, ring):
    all_[2]["record"] |= {
        "grade": "recorded",
        "statement": "recorded for those named in it; not signed",
    }
    return all_


def swap_envelopes(all_, ring):
    all_[1]["envelope"], all_[2]["envelope"] = all_[2]["envelope"], all_[1]["envelope"]
    return all_


def drop_envelope(all_, ring):
    del all_[2]["envelope"]
    return all_


def drop_signature(all_, ring):
    all_[2]["envelope"]["signatures"].pop()
    return all_


def spoil_signature(all_, ring):
    all_[2]["envelope"]["signatures"][0]["sig"] = all_[1]["envelope"]["signatures"][0]["sig"]
    return all_


def take_out(all_, ring):
    return [all_[0], all_[2]]


def reorder(all_, ring):
    return [all_[0], all_[2], all_[1]]


def repeat(all_, ring):
    return [all_[0], all_[1], all_[1], all_[2]]


def shorten(all_, ring):
    all_[2]["record"]["rationale"] = all_[2]["record"]["rationale"][:5]
    return all_


def sign_as_author(all_, ring):
    record = all_[2]["record"]
    record["author"] = "Dr Ai Lead"
    all_[2]["envelope"] = seal(statement_of(record), DECISION_TYPE, [ring[r] for r in G1])
    return all_


def drop_field(all_, ring):
    del all_[2]["record"]["outcome"]
    return all_


def reopen(all_, ring):
    all_[0]["record"]["to_state"] = "rejected"
    all_[1]["record"]["from_state"] = "rejected"
    return all_


@pytest.mark.parametrize(
    ("tamper", "what"),
    [
        (edit_payload, "0002: what was signed is not what shall be recorded"),
        (edit_signers, "0002: it names others than those who signed it"),
        (edit_grade, "0001: it says that it is signed, and nobody's signature is with it"),
        (lower_grade, "0003: it says that it is recorded, and is signed"),
        (swap_envelopes, "0002: what was signed is not what shall be recorded"),
        (drop_envelope, "0003: it says that it is signed, and nobody's signature is with it"),
        (drop_signature, "0003: approve is not signed by: "),
        (spoil_signature, "0003: the signature of Dr "),
        (take_out, "was taken out, put in or moved"),
        (reorder, "was taken out, put in or moved"),
        (repeat, "0002: its proposal was recorded twice"),
        (repeat, "0002: its number stands twice"),
        (shorten, "0003: what was signed is not what shall be recorded"),
        (sign_as_author, "0003: Dr Ai Lead wrote this proposal and cannot sign it"),
        (drop_field, "0003: is no decision: outcome: Field required"),
        (reopen, "0002: it reopens a case that is rejected"),
    ],
)
def test_who_writes_the_book_anew_is_found_by_signatures_and_rules(signed, tamper, what):
    head = ledger.head()
    rewritten(tamper(entries(), signed))
    assert ledger.verify() == []  # the chain itself was made to hold
    assert any(what in line for line in told()), told()
    # And whoever noted the head elsewhere sees it at once.
    assert any("it was cut, or written anew" in line for line in told(heads=[head]))


def test_a_log_cut_together_with_its_head_is_found_by_a_head_noted_elsewhere(signed):
    head = ledger.head()
    rewritten(entries()[:2])
    assert told() == []
    what = f"ledger: no line has the head {head[:16]}…: it was cut, or written anew"
    assert told(heads=[ledger.head(), head]) == [what]


def lines():
    return ledger.book_path().read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize(
    ("tamper", "what"),
    [
        (lambda a, b, c: [a, b.replace(b"As the", b"Ad the"), c], "line 2: the line was edited"),
        (lambda a, b, c: [a, b], "line 0: the head names 3 lines, the file has 2"),
        (lambda a, b, c: [a, b, c[:-40]], "line 3: the line is cut short"),
        (lambda a, b, c: [b, a, c], "line 1: the line does not follow the one before it"),
        (lambda a, b, c: [a, c], "line 2: the line does not follow the one before it"),
    ],
)
def test_who_edits_the_file_without_such_pains_is_found_by_the_chain(signed, tamper, what):
    ledger.book_path().write_bytes(b"".join(tamper(*lines())))
    assert any(f"decisions.jsonl, {what}" in line for line in told()), told()


def test_an_envelope_that_was_edited_breaks_the_sum_of_its_line(signed):
    path = ledger.book_path()
    one = entries()[1]["envelope"]["signatures"][0]["sig"].encode()
    path.write_bytes(path.read_bytes().replace(one, one[::-1]))
    assert (
        "decisions.jsonl, line 2: the line was edited: it does not match its own SHA-256" in told()
    )


def test_a_key_out_of_force_when_it_signed_is_found(signed):
    revoke(signed["ai lead"].public.key_id, "lost", [signed["cso"], signed["chair"]])
    assert told() == []  # what it signed before stands
    changed = entries()
    for entry in changed[1:]:
        entry["record"]["created_at"] = "2999-01-01T00:00:00.000000+00:00"
    rewritten(changed)
    assert any("0002: the key of Dr Ai Lead is not in force" in line for line in told())


def test_one_person_with_two_keys_is_found(signed, new_key):
    second = new_key("Dr Ai Lead")
    enrol(second.public, ["information governance"], [signed["cso"], signed["chair"]])
    changed = entries()
    record = changed[2]["record"]
    record["created_at"] = "2999-01-01T00:00:00.000000+00:00"
    pairs = [signed["ai lead"], signed["clinical lead"], second]
    changed[2]["envelope"] = seal(statement_of(record), DECISION_TYPE, pairs)
    rewritten(changed)
    assert any("0003: Dr Ai Lead signed twice" in line for line in told())


def test_a_ring_that_was_tampered_with_is_told(signed):
    path = ledger.book_path(KEYS)
    path.write_bytes(path.read_bytes().replace(b'"payload"', b'"payloae"', 1))
    found = told()
    assert any("keys.jsonl, line 1: the line was edited" in line for line in found)
    assert "keys.jsonl: event 1: this is no signed envelope" in found


def test_other_books_are_looked_through_too(signed):
    ledger.append(lambda earlier: {"id": 1}, "notes")
    path = ledger.book_path("notes")
    path.write_bytes(path.read_bytes().replace(b'"id":1', b'"id":2'))
    assert any(line.startswith("notes.jsonl, line 1: the line was edited") for line in told())


def test_what_belongs_to_nothing_that_is_there_is_told(signed):
    event = {"event": "lapse", "case_id": "UC-0001", "decision": "DEC-2026-0099",
             "condition": "C1", "evidence": "", "evidence_sha256": "", "by": "Ana",
             "proposal_id": "made", "at": datetime.now(UTC).isoformat()}  # fmt: skip
    ledger.append(lambda earlier: event, ledger.CONDITIONS)
    assert told() == ["conditions.jsonl, line 1: DEC-2026-0099 is not in the ledger"]
    for name in ("use_cases.jsonl", "use_cases.head.json"):
        (ledger.book_path().parent / name).unlink()
    assert any(line.endswith("0001: UC-0001 is not in the register") for line in told())


def test_mlflow_is_compared_and_put_right(home, stand):
    stand("submitted")
    learnt = {"lessons": ["Ask."], "revisit_if": ["clinical_lead!=null"], "reasons": ["R06"]}
    record_decision(propose("reject", "ct-triage", rationale="No lead.", by="Board", **learnt))
    tracking.project_all()
    assert verify_ledger().projection == "as the ledger says"
    [run] = tracking.project_all()
    with tracking._store() as client:
        client.set_tag(run, "aiops.outcome", "approve")
    found = verify_ledger()
    assert found.projection == "differs"
    assert "MLflow: DEC-" in found.found[0].line()
    assert "aiops.outcome" in found.found[0].what
    assert verify_ledger(repair=True).projection == "repaired"
    with tracking._store() as client:
        client.delete_run(run)
    assert "its run was deleted" in verify_ledger().found[0].what
    assert verify_ledger(repair=True).found == ()
    with tracking._store() as client:
        [again] = tracking.project_all()
        note = client.get_run(again).data.tags["mlflow.note.content"]
        client.set_tag(again, "mlflow.note.content", note[:40])
    assert any("mlflow.note.content" in one.what for one in verify_ledger().found)


def test_a_repair_shows_what_only_the_calendar_changed(home, stand):
    stand("submitted")
    learnt = {"lessons": ["Ask."], "revisit_if": ["clinical_lead!=null"], "reasons": ["R19"]}
    said = {"rationale": "No hands.", "by": "Board", "review_by": date.today()}
    record_decision(propose("defer", "ct-triage", **said, **learnt))
    [run] = tracking.project_all()
    [told] = read_ledger()
    with tracking._store() as client, tempfile.TemporaryDirectory() as folder:
        for key, value in told.write(Path(folder), date(2026, 1, 1)).items():
            client.set_tag(run, key, value)
        client.log_artifacts(run, folder)
        assert verify_ledger(repair=False).projection == "as the ledger says"
        assert client.get_run(run).data.tags["aiops.review"] == ""
        assert verify_ledger(repair=True).projection == "as the ledger says"
        assert client.get_run(run).data.tags["aiops.review"] == "DUE"


def test_what_a_repair_leaves_as_it_is_is_told(signed, monkeypatch):
    def refuses(**_):
        raise tracking.TrackingError("another ledger's", where="MLflow", fix="look")

    monkeypatch.setattr(tracking, "projection_faults", lambda: ["DEC-1: another ledger's"])
    monkeypatch.setattr(tracking, "project_all", refuses)
    found = verify_ledger(repair=True)
    assert found.projection == "differs"
    assert found.found[0].what == "DEC-1: another ledger's"


def test_a_broken_ledger_repairs_nothing(signed, monkeypatch):
    monkeypatch.setattr(tracking, "projection_faults", lambda: ["DEC-1: a tag differs"])
    monkeypatch.setattr(tracking, "project_all", lambda **_: pytest.fail("it repaired"))
    rewritten(edit_payload(entries(), signed))
    assert verify_ledger(repair=True).projection == "differs"


def test_a_store_that_does_not_answer_is_no_fault_and_is_said(signed, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    found = verify_ledger()
    assert found.found == ()
    assert found.projection.startswith("not compared: MLflow did not do what was asked")


def verified(*words, code=1):
    done = CliRunner().invoke(ledger_command, ["verify", *words])
    assert done.exit_code == code, (done.output, done.exception)
    return done.output


def at(name):
    return ledger.book_path().parent / name


def added_line(book, text):
    with at(f"{book}.jsonl").open("ab") as file:
        file.write(text + b"\n")


def changed(**said):
    def tamper():
        all_ = entries()
        all_[1]["record"] |= said
        rewritten(all_)

    return tamper


def folder(name):
    at(name).unlink()
    at(name).mkdir()


@pytest.mark.parametrize(
    ("tamper", "what"),
    [
        (lambda: added_line("decisions", b"x"), "decisions.jsonl, line 4: the line is not a rec"),
        (lambda: added_line("use_cases", b"{}"), "use_cases.jsonl, line 2: the line is not a rec"),
        (lambda: added_line("keys", b"[" * 200_000), "keys.jsonl, line 2: the line is not a rec"),
        (lambda: added_line("documents", b"[]"), "documents.jsonl, line 1: the line is not a rec"),
        (lambda: added_line("foo", b"x"), "foo.jsonl, line 1: the line is not a record"),
        (changed(id=[1]), "[1]: is no decision: id: Input should be a valid str"),
        (changed(case_id=["x"]), "is no decision: case_id: Input should be a"),
        (changed(case_id="UC-0099"), "UC-0099 is not in the register"),
        (changed(outcome="bless"), "is no decision: outcome: Input should be "),
        (changed(to_state="heaven"), "is no decision: to_state"),
        (lambda: folder("decisions.jsonl"), "decisions.jsonl, line 0: the book cannot be read"),
        (lambda: folder("decisions.head.json"), "line 0: decisions.head.json is not a head"),
        (lambda: at("decisions.jsonl").write_bytes(b""), "names 3 lines, the file has 0"),
        (lambda: at("decisions.jsonl").unlink(), "names 3 lines, the file has 0"),
        (lambda: at("use_cases.jsonl").unlink(), "names 1 lines, the file has 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told_and_mlflow_is_not_compared(signed, tamper, what, monkeypatch):
    monkeypatch.setattr(tracking, "projection_faults", lambda: pytest.fail("it compared"))
    tamper()
    said = verified("--repair")
    assert what in said
    assert "MLflow: not compared: the ledger itself cannot be read whole" in said


@pytest.mark.parametrize(
    "envelope", ["x", {"payload": "e30="}, {"payload": 5, "payloadType": 5, "signatures": 5}]
)
def test_an_envelope_of_another_form_is_told(signed, envelope):
    all_ = entries()
    all_[1]["envelope"] = envelope
    rewritten(all_)
    assert any(line.startswith(f"{all_[1]['record']['id']}: ") for line in told())


@pytest.mark.parametrize("record", [{"x": 1}, {"at": "x", "envelope": []}])
def test_a_ring_whose_event_is_none_is_told(signed, record):
    record["prev_sha256"] = ledger.head(KEYS)
    sha256 = ledger.record_sha256(record)
    added_line("keys", rfc8785.dumps({"record": record, "sha256": sha256}))
    assert "keys.jsonl, line 2: is no line of this book" in verified("--ledger-only")


def test_a_home_without_a_ledger_is_no_sound_ledger(home):
    done = CliRunner().invoke(ledger_command, ["verify"])
    assert (type(done.exception).__name__, done.exception.exit_code) == ("ConfigError", 2)
    assert str(home / "ledger") in done.exception.where
    assert not home.exists()


def test_what_mlflow_was_not_asked_about_does_not_pass_unless_that_is_wanted(signed, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert "MLflow: not compared: MLflow did not do what was asked" in verified()
    said = verified("--ledger-only", "--head", ledger.head(), "--head", ledger.head(KEYS), code=0)
    assert "the ledger holds\n" in said
    assert "MLflow: not asked" in said
    assert "1 fault\n" in verified("--ledger-only", "--head", ledger.head(), "--head", "f" * 64)
    assert "--repair compares MLflow" in CliRunner().invoke(
        ledger_command, ["verify", "--ledger-only", "--repair"]
    ).output  # fmt: skip
