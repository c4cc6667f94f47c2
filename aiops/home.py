"""Where things live: the folder of runs, records and keys.

`AIOPS_HOME` names it; without it, it is ``aiops-home`` in the folder one works in.
"""

import os
from pathlib import Path


def home() -> Path:
    """Return the home folder as an absolute path; it need not exist yet.

    Examples
    --------
    >>> home().is_absolute()
    True
    """
    return Path(os.environ.get("AIOPS_HOME") or "aiops-home").expanduser().resolve()


def runs_dir(use_case: str) -> Path:
    """Return the folder of a use case's runs."""
    return home() / "runs" / use_case


def ledger_dir() -> Path:
    """Return the folder of the ledger of decisions."""
    return home() / "ledger"


def seals_dir() -> Path:
    """Return the folder in which readings of sealed test lists are counted."""
    return home() / "seals"


def facts_file() -> Path:
    """Return the file in which people state what no run can compute."""
    return home() / "facts.yaml"


def keys_dir() -> Path:
    """Return the folder of keys; files in it are readable by their owner alone."""
    return home() / "keys"


def configs_dir() -> Path:
    """Return the folder of the configs that came with the program.

    In a wheel they lie inside the package, in a clone beside it.
    """
    package = Path(__file__).resolve().parent
    inside = package / "_configs"
    return inside if inside.is_dir() else package.parent / "configs"
