"""Errors that say what was wrong, where, and what to do."""


class AiopsError(Exception):
    """An error a person can act on.

    Parameters
    ----------
    what : str
        What was wrong, without anything of a patient in it.
    where : str
        File, line, key, column or case.
    fix : str
        What to do about it.

    Examples
    --------
    >>> print(AiopsError("the table is empty", where="cases.csv", fix="export it again"))
    the table is empty
      where: cases.csv
      fix:   export it again
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str, fix: str) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.what}\n  where: {self.where}\n  fix:   {self.fix}"


class ConfigError(AiopsError):
    """The config is wrong."""

    exit_code = 2


class DataError(AiopsError):
    """The data are wrong, or not what the config says."""

    exit_code = 2


class LeakageError(DataError):
    """One patient, or one image, would stand on both sides of a split."""


class AuditStop(DataError):
    """The audit found a fault of severity ``stop`` that nobody accepted or excluded."""


class StageError(AiopsError):
    """A stage was asked for before the one it reads from."""

    exit_code = 2


class GateError(AiopsError):
    """A gate said no."""

    exit_code = 3


class LedgerError(AiopsError):
    """The record of decisions does not hold together, or could not be written."""
