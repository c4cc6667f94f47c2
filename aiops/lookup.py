"""A name in a config becomes a function here, and in one way only."""

import difflib
from collections.abc import Mapping
from typing import TypeVar

from aiops.errors import ConfigError

T = TypeVar("T")


def nearest(name: str, known: Mapping[str, object] | list[str]) -> str | None:
    """Return the known name that `name` most looks like, or None when none comes close.

    Examples
    --------
    >>> nearest("dise", ["dice", "hd95"])
    'dice'
    """
    found = difflib.get_close_matches(name.lower(), [str(k) for k in known], n=1, cutoff=0.6)
    return found[0] if found else None


def pick(table: Mapping[str, T], name: str, *, where: str) -> T:
    """Return ``table[name]``; a name that is not there is answered with the nearest and the list.

    Parameters
    ----------
    table : mapping of str to T
        A dictionary written by hand beside its functions, such as ``METRICS``.
    name : str
        The name a person wrote.
    where : str
        The file and key the name was read from.

    Raises
    ------
    ConfigError
        If `table` has no such name.

    Examples
    --------
    >>> pick({"dice": 1, "hd95": 2}, "dice", where="example.yaml: metric")
    1
    """
    if name in table:
        return table[name]
    guess = nearest(name, table)
    hint = f"did you mean '{guess}'? " if guess else ""
    raise ConfigError(
        f"'{name}' is not known", where=where, fix=f"{hint}one of: {', '.join(sorted(table))}"
    )
