from datetime import date

import pytest

from aiops.report.stamp import BEGIN, END, no_stamp, stamp, stamped, words

DAY = date(2026, 11, 30)


def test_a_stamp_says_its_tone_in_a_picture_too_and_escapes_what_it_is_told():
    told = stamp("bad", "<script>alert(1)</script>", ["by <b>Dr</b> Lee", END], DAY)
    assert told.startswith(BEGIN)
    assert told.endswith(END)
    assert told.count(END) == 1
    assert "<script>" not in told
    assert "by &lt;b&gt;Dr&lt;/b&gt; Lee" in told
    assert 'class="stamp bad"' in told
    assert "<svg" in told


def test_one_stamp_takes_the_place_of_another_and_leaves_the_rest():
    first, second = (stamp("good", head, [], DAY) for head in ("APPROVED", "LAPSED"))
    page = f"<html>before{first}after</html>"
    again = stamped(page, second)
    assert again == f"<html>before{second}after</html>"
    assert stamped(again, first) == page
    with pytest.raises(ValueError, match="no place for a stamp"):
        stamped("<html></html>", first)


def test_the_day_is_not_among_the_words():
    one, other = (stamp("good", "APPROVED", ["until 2027"], date(2026, 11, d)) for d in (29, 30))
    assert one != other
    assert words(one) == words(other)
    assert words(one) != words(stamp("bad", "APPROVED", ["until 2027"], DAY))
    assert words(f"<p>{no_stamp()}</p>") == no_stamp()
    assert words("<p></p>") is None
