"""What counts as nothing said, and as nobody named: one rule for every field of the register."""

import re

NOTHING = frozenset(
    {
        "n/a", "na", "nil", "none", "null", "nobody", "unknown", "not known", "not said",
        "not recorded", "pending", "todo", "x", "xx", "xxx",
    }
)  # fmt: skip
"""Words that stand in a field, alone, and say nothing."""

_PROMISE = re.compile(
    r"(tbc|tbd|tba|to be (confirmed|decided|determined|defined|agreed|announced|named|appointed|"
    r"added|said))\b"
)
_NOBODY = re.compile(
    r"(n/a|none|nobody|no one|unknown|unnamed|vacan(t|cy)|awaiting|awaited|pending|to be|"
    r"to follow|not (yet )?(known|named|appointed|assigned|agreed|confirmed|decided|said))\b"
)


def is_blank(text: str | None) -> bool:
    """Return whether a text says nothing: no letter or digit, a word for nothing, or a promise.

    Parameters
    ----------
    text : str or None
        What stands in a field.

    Examples
    --------
    >>> is_blank("?"), is_blank("TBC (awaiting rota)"), is_blank("n/a"), is_blank("Late reads")
    (True, True, True, False)
    """
    said = _plain(text)
    return not any(c.isalnum() for c in said) or said in NOTHING or bool(_PROMISE.match(said))


def names_nobody(text: str | None) -> bool:
    """Return whether a text names no person and no service: blank, without a letter, or vacant.

    Parameters
    ----------
    text : str or None
        What stands in the field of a role.

    Examples
    --------
    >>> names_nobody("vacant"), names_nobody("to be confirmed"), names_nobody("Dr Okafor")
    (True, True, False)
    """
    said = _plain(text)
    return is_blank(said) or not any(c.isalpha() for c in said) or bool(_NOBODY.match(said))


def _plain(text: str | None) -> str:
    """Return a text in small letters, without the marks and spaces around it."""
    return " ".join((text or "").casefold().split()).strip(" .,;:!?-–—_/()[]'\"")
