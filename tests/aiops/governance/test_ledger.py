import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from filelock import FileLock

from aiops.errors import LedgerError
from aiops.governance import ledger

pytestmark = pytest.mark.usefixtures("home")


def write(n: int) -> None:
    for i in range(n):
        ledger.append(lambda earlier, i=i: {"id": i, "text": f"line\u2028 {i}", "n": len(earlier)})


def lines() -> list[bytes]:
    return ledger.book_path().read_bytes().splitlines(keepends=True)


def put(new: list[bytes]) -> None:
    ledger.book_path().write_bytes(b"".join(new))


def told() -> list[str]:
    return [f"{fault.line}: {fault.what}" for fault in ledger.verify()]


def test_a_book_nobody_wrote_to_is_empty_and_sound():
    assert ledger.read_all() == []
    assert ledger.verify() == []
    assert ledger.head() == ledger.GENESIS


def test_each_record_names_the_one_before_it():
    write(3)
    records = ledger.read_all()
    assert [r["n"] for r in records] == [0, 1, 2]
    assert records[0]["prev_sha256"] == ledger.GENESIS
    assert records[2]["prev_sha256"] == ledger.record_sha256(records[1])
    assert ledger.head() == ledger.record_sha256(records[2])
    assert ledger.verify() == []


def edited(line: bytes) -> bytes:
    return line.replace(b'"id":1', b'"id":7')


def forged(line: bytes) -> bytes:
    entry = json.loads(line)
    entry["record"]["id"] = 7
    entry["sha256"] = ledger.record_sha256(entry["record"])
    return (
        json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        + b"\n"
    )


@pytest.mark.parametrize(
    ("tamper", "what"),
    [
        (lambda a, b, c, d: [a, edited(b), c, d], "2: the line was edited"),
        (lambda a, b, c, d: [a, forged(b), c, d], "3: the line does not follow"),
        (lambda a, b, c, d: [a, b.replace(b":", b": ", 1), c, d], "2: the line was edited"),
        (lambda a, b, c, d: [a, c, b, d], "2: the line does not follow"),
        (lambda a, b, c, d: [a, c, d], "2: the line does not follow"),
        (lambda a, b, c, d: [a, b, b, c, d], "3: the line does not follow"),
        (lambda a, b, c, d: [a, b, c], "0: the head names 4 lines, the file has 3"),
        (lambda a, b, c, d: [a, b, c, forged(d)], "0: the head does not fit"),
        (lambda a, b, c, d: [a, b, c, d[:20]], "4: the line is cut short"),
        (lambda a, b, c, d: [a, b"hello\n", c, d], "2: the line is not a record"),
        (lambda a, b, c, d: [], "0: the head names 4 lines, the file has 0"),
    ],
)
def test_what_was_done_to_the_file_is_found(tamper, what):
    write(4)
    put(tamper(*lines()))
    assert any(fault.startswith(what) for fault in told()), told()


def test_nothing_is_added_to_a_ledger_that_does_not_hold_together():
    write(3)
    first, second, third = lines()
    put([first, edited(second), third])
    before = ledger.book_path().read_bytes()
    with pytest.raises(LedgerError, match="line 2: the line was edited") as caught:
        write(1)
    assert "nothing is added to a broken ledger" in str(caught.value)
    assert "restore the file from a backup" in caught.value.fix
    assert ledger.book_path().read_bytes() == before


def test_half_a_line_of_a_crash_is_set_aside_and_kept():
    write(2)
    first, second = lines()
    put([first, second, b'{"record":{"id"'])
    write(1)
    assert ledger.verify() == []
    assert len(ledger.read_all()) == 3
    assert b'{"record":{"id"' in ledger.book_path().with_suffix(".torn.txt").read_bytes()


def test_a_head_that_is_behind_is_no_fault_and_comes_along_with_the_next_line():
    write(1)
    head = ledger.book_path().with_suffix(".head.json")
    kept = head.read_text()
    write(3)
    head.write_text(kept)
    assert ledger.verify() == []
    write(1)
    assert ledger.verify() == []
    assert json.loads(head.read_text()) == {"lines": 5, "sha256": ledger.head()}


def test_a_head_that_is_behind_and_fits_no_line_is_a_fault():
    write(3)
    head = ledger.book_path().with_suffix(".head.json")
    head.write_text(json.dumps({"lines": 1, "sha256": ledger.head()}))
    assert told() == ["0: the head does not fit line 1 of 3"]


@pytest.mark.parametrize(
    "noted",
    [
        '{"lines":0,"sha256":"0"}',
        '{"lines":-1,"sha256":"0"}',
        '{"lines":null,"sha256":"0"}',
        "[]",
        "x",
        "[" * 200_000,
    ],
)
def test_what_is_no_head_is_told(noted):
    write(2)
    ledger.book_path().with_suffix(".head.json").write_text(noted)
    assert told() == ["0: decisions.head.json is not a head"]


def test_a_head_that_was_taken_away_is_told():
    write(2)
    ledger.book_path().with_suffix(".head.json").unlink()
    assert told() == ["0: decisions.head.json is not there"]


def test_an_empty_book_with_a_head_and_a_folder_in_place_of_either_are_told():
    write(2)
    path, head = ledger.book_path(), ledger.book_path().with_suffix(".head.json")
    path.write_bytes(b"")
    head.write_text('{"lines":0,"sha256":"' + "0" * 64 + '"}')
    assert told() == ["0: decisions.head.json is not a head"]
    head.unlink()
    head.mkdir()
    assert told() == ["0: decisions.head.json is not a head"]
    path.unlink()
    path.mkdir()
    assert told() == ["0: the book cannot be read: Is a directory"]
    with pytest.raises(LedgerError, match="the book cannot be read"):
        ledger.read_all()


@pytest.mark.parametrize(
    "line",
    [
        b"hello",
        b"",
        b"[]",
        b'{"record":[],"sha256":"0"}',
        b'{"record":{"n":NaN},"sha256":"0"}',
        b'{"record":{"n":' + b"9" * 400 + b'},"sha256":"0"}',
        b'{"record":{"n":' + b"9" * 5000 + b'},"sha256":"0"}',
        b'{"record":{"n":"\\ud800"},"sha256":"0"}',
        b'{"record":' + b"[" * 200_000,
        b"\xff\xfe",
    ],
)
def test_a_line_that_cannot_be_read_is_told_and_nothing_is_read_past_it(line):
    write(1)
    put([*lines(), line + b"\n"])
    assert "2: the line is not a record" in told()
    with pytest.raises(LedgerError, match="line 2: the line is not a record") as caught:
        ledger.read_all()
    assert "aiops ledger verify" in caught.value.fix


def test_a_line_whose_head_could_not_be_written_is_recorded_and_says_so(monkeypatch):
    write(1)

    def full(path, value):
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as disk:
        disk.setattr(ledger, "write_json", full)
        for number in (2, 3):
            with pytest.raises(LedgerError, match=f"it is recorded, as line {number}") as caught:
                write(1)
            assert caught.value.fix.startswith("do not record it again")
    assert ledger.verify() == []
    write(1)
    assert len(ledger.read_all()) == 4


def test_what_a_full_disk_took_of_a_line_is_taken_back(monkeypatch):
    write(1)
    before = ledger.book_path().read_bytes()

    def full(number):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("os.fsync", full)
        with pytest.raises(LedgerError, match="nothing was recorded"):
            write(1)
    assert ledger.book_path().read_bytes() == before
    assert ledger.verify() == []


def test_what_the_maker_raises_leaves_the_book_as_it_was():
    write(1)
    with pytest.raises(ZeroDivisionError):
        ledger.append(lambda earlier: {"id": 1 / 0})
    assert len(ledger.read_all()) == 1


def test_two_who_write_at_once_lose_nothing():
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: write(10), range(4)))
    assert ledger.verify() == []
    assert [r["n"] for r in ledger.read_all()] == list(range(40))


def test_a_ledger_that_another_holds_is_said(monkeypatch):
    monkeypatch.setattr(ledger, "LOCK_SECONDS", 0.1)
    write(1)
    with (
        FileLock(ledger.book_path().with_suffix(".lock")),
        pytest.raises(LedgerError, match="another program has held the ledger"),
    ):
        write(1)
