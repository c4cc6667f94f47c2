"""Readings of test lists: whom they tested is kept hashed, and shared patients are seen."""

import json

import pytest

from aiops.pipeline.seal import record_patients, record_reading


@pytest.fixture
def read(tmp_path, monkeypatch):
    monkeypatch.setenv("AIOPS_HOME", str(tmp_path))

    def once(patients, seal="a", predictions="1", use_case="a-tool"):
        return record_patients(
            patients, seal=seal, predictions_sha256=predictions, use_case=use_case, run_name="r"
        )

    return once


PEOPLE = [f"patient-{i}" for i in range(100)]


def test_a_list_that_leaves_one_patient_out_is_seen_to_share_the_others(read):
    assert read(PEOPLE)["known"] == 0
    found = read(PEOPLE[1:], seal="b", predictions="2")
    assert found == {"patients": 99, "known": 99, "share": 1.0, "readings": 1, "untold": 0}
    half = read([*PEOPLE[50:], *[f"new-{i}" for i in range(50)]], seal="c", predictions="3")
    assert (half["known"], half["share"], half["readings"]) == (50, 0.5, 2)


def test_the_same_reading_again_is_none_and_later_ones_do_not_count(read):
    assert read(PEOPLE)["known"] == 0
    read(PEOPLE[:40], seal="b", predictions="2")
    assert read(PEOPLE)["known"] == 0


def test_another_use_case_asks_another_question(read):
    read(PEOPLE)
    assert read(PEOPLE, use_case="other-tool")["known"] == 0


def test_no_id_is_kept_and_no_hash_tells_it_without_the_key(read, tmp_path):
    read(PEOPLE)
    kept = (tmp_path / "seals" / "patients" / "a-tool.jsonl").read_text()
    assert "patient-" not in kept
    (tmp_path / "keys" / "pseudonym.key").unlink()
    found = read(PEOPLE[1:], seal="b", predictions="2")
    assert (found["known"], found["untold"]) == (0, 1)
    book = tmp_path / "seals" / "patients" / "a-tool.jsonl"
    first, second = (json.loads(line)["patients"] for line in book.read_text().splitlines())
    assert not set(first) & set(second)


def test_a_reading_is_counted_once(read):
    told = {"predictions_sha256": "1", "use_case": "a-tool", "run_name": "r"}
    assert len(record_reading("a", **told)) == len(record_reading("a", **told)) == 1
    assert len(record_reading("a", **{**told, "predictions_sha256": "2"})) == 2
