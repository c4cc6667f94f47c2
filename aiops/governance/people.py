"""Whether two names are of one person, and whether a text is a person's name at all.

Who may sign, who wrote a proposal and who was there are told apart by name. So a name is compared
by how it reads, not by its bytes: case, spaces, marks and letters of another script that look the
same make no second person.
"""

import unicodedata
from collections.abc import Iterable

from aiops.errors import ConfigError

_LOOKS_LIKE = str.maketrans(
    "аеорсухіјѕԁһԛԝмткнвαορνικτυχε",  # Cyrillic and Greek letters that look like these:
    "aeopcyxijsdhqwmtkhbaopviktuxe",
)


_TITLES = {"dr", "prof", "professor", "mr", "mrs", "ms", "miss", "mx", "sir", "dame", "the"}
_FILLERS = "\u115f\u1160\u3164\uffa0"


def same_person_key(name: str) -> str:
    """Return a name as it is compared: two that read alike have one key.

    Examples
    --------
    >>> same_person_key("Dr.  Ana LEE ") == same_person_key("dr ana lee")
    True
    >>> same_person_key("Аnа") == same_person_key("Ana")  # Cyrillic А and а
    True
    """
    folded = unicodedata.normalize("NFKD", name).casefold()
    shown = "".join(c for c in folded if not _is_unseen(c) and unicodedata.combining(c) < 200)
    is_sign = [c.isalnum() or unicodedata.category(c).startswith("M") for c in shown]
    words = "".join(c if keep else " " for c, keep in zip(shown, is_sign, strict=True)).split()
    return " ".join(words).translate(_LOOKS_LIKE)


def _is_unseen(sign: str) -> bool:
    """Return whether a sign shows nothing: a mark of format or control, a filler of Hangul."""
    return unicodedata.category(sign) in ("Cf", "Cc") or sign in _FILLERS


def is_same(one: str, other: str) -> bool:
    """Return whether two names are of one person; a blank name is of nobody.

    Examples
    --------
    >>> is_same("Dr Lee", "dr  lee."), is_same("", "")
    (True, False)
    """
    key = same_person_key(one)
    return bool(key) and key == same_person_key(other)


def may_be_named(person: str, text: str) -> bool:
    """Return whether a text may name a person: whatever else stands in it, titles aside.

    Where either has all the words of the other it may: in doubt it is the same person.

    Examples
    --------
    >>> may_be_named("Dr Lee", "Lee, A. (radiology)"), may_be_named("Dr Ana Lee", "Ana Lee")
    (True, True)
    >>> may_be_named("Dr Ana Lee", "A. Lee"), may_be_named("Dr Lee", "Dr Cho")
    (True, False)
    """
    one, other = (set(same_person_key(name).split()) - _TITLES for name in (person, text))
    return bool(one and other) and (_are_among(one, other) or _are_among(other, one))


def _are_among(words: set[str], others: set[str]) -> bool:
    """Return whether each word stands among others, an initial for the word that it begins."""
    return all(
        any(word == o or (1 in (len(word), len(o)) and word[0] == o[0]) for o in others)
        for word in words
    )


def named_twice(names: Iterable[str]) -> list[str]:
    """Return the names that stand more than once, each as it was first written.

    Examples
    --------
    >>> named_twice(["Ana", "Lee", "ana "])
    ['Ana']
    """
    first: dict[str, str] = {}
    twice: dict[str, str] = {}
    for name in names:
        key = same_person_key(name)
        if key in first:
            twice.setdefault(key, first[key])
        first.setdefault(key, name)
    return list(twice.values())


def require_name(name: str, *, where: str) -> str:
    """Return a name without spaces at its ends, or say why it is none.

    Raises
    ------
    ConfigError
        If no letter is in it, or a sign that cannot be seen.
    """
    clean = " ".join(name.split(" ")).strip()
    hidden = [c for c in clean if _is_unseen(c) or unicodedata.category(c) in ("Zl", "Zp")]
    if hidden or not same_person_key(clean):
        what = "holds a sign that cannot be seen" if hidden else "names nobody"
        raise ConfigError(f"the name {what}", where=where, fix="write the person's name in letters")
    return clean
