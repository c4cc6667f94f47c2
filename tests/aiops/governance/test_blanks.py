import pytest

from aiops.governance.blanks import is_blank, names_nobody

PROMISES = [
    "", "  ", "-", "?", "???", ".", "x", "tbc.", "TBC", "TBC (Dr S)", "TBC (awaiting rota)", "tbd",
    "To be confirmed", "n/a", "None", "unknown", "nobody", None,
]  # fmt: skip


@pytest.mark.parametrize("text", PROMISES)
def test_a_mark_or_a_promise_says_nothing_and_names_nobody(text):
    assert is_blank(text)
    assert names_nobody(text)


@pytest.mark.parametrize("text", ["vacant", "to be", "awaiting rota", "7", "not yet appointed"])
def test_a_place_without_a_person_names_nobody(text):
    assert names_nobody(text)
    assert not is_blank(text)


@pytest.mark.parametrize("text", ["Dr Okafor", "Emergency care", "TB clinic", "ED"])
def test_a_name_is_a_name(text):
    assert not is_blank(text)
    assert not names_nobody(text)


@pytest.mark.parametrize(
    "text", ["None of the films is read at night", "To be seen takes ten days", "CT", "3 T"]
)
def test_a_sentence_that_begins_like_a_promise_says_something(text):
    assert not is_blank(text)
