"""What would reopen a case, in words: a condition is written for a machine and read by a board."""

import re

from aiops.errors import ConfigError
from aiops.governance.facts import Value
from aiops.governance.revisit import Condition, parse

FACTS = {
    "today": "the day",
    "problem": "the problem",
    "specialty": "the specialty",
    "modality": "the modality",
    "task": "the task",
    "owner": "the owner",
    "clinical_lead": "the clinical lead",
    "labels_planned": "the labels planned",
    "labels_done": "the labels done",
    "last_clinical_sign_in": "the last clinical sign-in",
    "verdict": "the fairness verdict",
    "n_patients": "the patients in the test",
    "n_cases": "the cases in the test",
    "n_positive": "the cases with the finding",
    "primary_value": "the primary figure",
    "primary_low": "the lower bound of the primary figure",
    "primary_high": "the upper bound of the primary figure",
    "patients": "the patients in the table",
    "patients_with_finding": "the patients with the finding",
    "images_missing": "the share of images that are missing",
    "blanks_told_apart": "a blank that means one thing",
    "kappa": "the agreement of readers (kappa)",
    "readers_agree": "the agreement of readers",
    "vendor_contract_ends": "the end of the vendor's contract",
    "vendor_feature": "the vendor's own product doing it",
}
"""Facts that a condition names most, in words; another is told by its name."""

_OPS = {
    "==": "{fact} is {value}",
    "!=": "{fact} is other than {value}",
    ">=": "{fact}: at least {value}",
    "<=": "{fact}: at most {value}",
    ">": "{fact}: more than {value}",
    "<": "{fact}: less than {value}",
}
_DAYS = {">=": "on or after", "<=": "on or before", ">": "after", "<": "before"}


def in_words(text: str, *, with_code: bool = True) -> str:
    """Return a condition as a person reads it, with what the machine reads in brackets.

    Parameters
    ----------
    text : str
        As `parse` takes it; what it does not take is returned as it is.
    with_code : bool, default=True
        Whether what the machine reads stands behind it.

    Examples
    --------
    >>> in_words("patients_with_finding>=100")
    'the patients with the finding: at least 100 (patients_with_finding>=100)'
    >>> in_words("clinical_lead!=null")
    'the clinical lead is named (clinical_lead!=null)'
    >>> in_words("vendor_contract_ends<2027-04")
    "the end of the vendor's contract: before 2027-04 (vendor_contract_ends<2027-04)"
    """
    try:
        wanted = parse(text)
    except ConfigError:
        return text
    return f"{_said(wanted)} ({wanted.text})" if with_code else _said(wanted)


def _said(wanted: Condition) -> str:
    fact = FACTS.get(wanted.fact, wanted.fact.replace("_", " "))
    is_plain = wanted.op in ("==", "!=")
    if wanted.value is None and is_plain:
        return f"{fact} is {'not named' if wanted.op == '==' else 'named'}"
    if isinstance(wanted.value, bool) and is_plain:
        holds = wanted.value is (wanted.op == "==")
        return f"{fact}: {'yes' if holds else 'no'}"
    if isinstance(wanted.value, str) and re.match(r"\d{4}-", wanted.value) and not is_plain:
        return f"{fact}: {_DAYS[wanted.op]} {wanted.value}"
    return _OPS[wanted.op].format(fact=fact, value=_value(wanted.value))


def _value(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
