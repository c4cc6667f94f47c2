"""What a figure says, in a sentence a lay reader can repeat.

One function per metric. A metric without one is told by its name, value and interval.
"""

import math
from collections.abc import Callable

from aiops.report.wording import (
    DASH,
    Row,
    figure,
    gloss,
    interval,
    is_number,
    of_100,
    percent,
    readable,
    target_name,
    text_of,
    unit_of,
    with_interval,
)


def sentence(row: Row, *, unit: str = "case") -> str:
    """Return what a row of the metrics table says, in a sentence or two.

    Parameters
    ----------
    row : mapping
        A row of the metrics table.
    unit : {"case", "study"}
        What one row of the predictions stands for.

    Examples
    --------
    >>> row = {"metric": "sensitivity", "target": "effusion", "value": 0.88, "low": 0.74,
    ...        "high": 0.95, "state": "ok", "n_cases": 90, "n_patients": 90}
    >>> sentence(row)
    'Of every 100 patients with effusion, 12 are missed (it could be 5 to 26).'
    """
    if not is_number(row.get("value")):
        reason = text_of(row.get("reason"))
        return f"This cannot be said{f': {reason}' if reason else ''}."
    tell = SENTENCES.get(str(row["metric"]))
    if tell is None:
        return f"{gloss(str(row['metric'])).label}: {with_interval(row, str(row['metric']))}."
    return tell(row, unit_of(row.get("n_cases"), row.get("n_patients"), unit))


def among(row: Row, *, unit: str = "case") -> str:
    """Return what a row of a group says, with the group named.

    Examples
    --------
    >>> row = {"metric": "sensitivity", "target": "effusion", "group": "female", "value": 0.88,
    ...        "low": 0.74, "high": 0.95, "n_cases": 90, "n_patients": 90}
    >>> among(row)
    'In “female”: of every 100 patients with effusion, 12 are missed (it could be 5 to 26).'
    """
    said = sentence(row, unit=unit)
    # "Of every" becomes "of every"; a name in capitals stays as it is.
    first = said[0] + said[1:] if said[:2].isupper() else said[0].lower() + said[1:]
    return f"In “{readable(str(row['group']))}”: {first}"


def _of_100(row: Row, *, complement: bool) -> tuple[str, str]:
    shares = [
        float(row[key]) if is_number(row.get(key)) else math.nan for key in ("value", "low", "high")
    ]
    if complement:
        value, low, high = 1 - shares[0], 1 - shares[2], 1 - shares[1]
    else:
        value, low, high = shares
    if math.isnan(low) or math.isnan(high):
        return of_100(value), ""
    return of_100(value), f" (it could be {of_100(low)} to {of_100(high)})"


def _could_be(row: Row) -> str:
    spread = interval(row.get("low"), row.get("high"), str(row["metric"]))
    return "" if spread == DASH else f" (it could be {spread})"


def _sensitivity(row: Row, unit: str) -> str:
    return _overlooked(row, unit, complement=True)


def _false_negatives(row: Row, unit: str) -> str:
    return _overlooked(row, unit, complement=False)


def _overlooked(row: Row, unit: str, *, complement: bool) -> str:
    missed, spread = _of_100(row, complement=complement)
    verb = "is" if missed in ("1", "none") else "are"
    return f"Of every 100 {unit} with {target_name(row['target'])}, {missed} {verb} missed{spread}."


def _specificity(row: Row, unit: str) -> str:
    return _false_alarms(row, unit, complement=True)


def _false_positives(row: Row, unit: str) -> str:
    return _false_alarms(row, unit, complement=False)


def _false_alarms(row: Row, unit: str, *, complement: bool) -> str:
    alarms, spread = _of_100(row, complement=complement)
    verb = "gives" if alarms in ("1", "none") else "give"
    return (
        f"Of every 100 {unit} without {target_name(row['target'])}, {alarms} {verb} a false alarm"
        f"{spread}."
    )


def _ppv(row: Row, unit: str) -> str:
    right, spread = _of_100(row, complement=False)
    return f"Of every 100 alarms, {right} are right{spread}, where disease is as common as here."


def _npv(row: Row, unit: str) -> str:
    wrong, spread = _of_100(row, complement=True)
    return (
        f"Of every 100 all-clears, {wrong} are wrong{spread}, where disease is as common as here."
    )


def _accuracy(row: Row, unit: str) -> str:
    right, spread = _of_100(row, complement=False)
    return f"Of every 100 {unit}, {right} are decided rightly{spread}."


def _balanced(row: Row, unit: str) -> str:
    right, spread = _of_100(row, complement=False)
    return (
        f"Were half of the {unit} diseased, {right} of 100 would be decided rightly{spread}; "
        "guessing would be 50."
    )


def _selection(row: Row, unit: str) -> str:
    called, spread = _of_100(row, complement=False)
    verb = "gives" if called in ("1", "none") else "give"
    return f"Of every 100 {unit}, {called} {verb} an alarm{spread}."


def _auc(row: Row, unit: str) -> str:
    right, spread = _of_100(row, complement=False)
    one = unit.removesuffix("s")
    return (
        f"Shown one {one} with {target_name(row['target'])} and one without, the tool tells which "
        f"is which {right} times in 100{spread}; guessing would be 50."
    )


def _average_precision(row: Row, unit: str) -> str:
    chance = ""
    if is_number(row.get("n_positive")) and is_number(row.get("n_cases")) and row["n_cases"]:
        chance = f"; guessing would be {figure(row['n_positive'] / row['n_cases'], 'dice')}"
    return (
        "Averaged over every threshold, not at the one in use, "
        f"{figure(row['value'], 'dice')} of alarms are right{chance}."
    )


def _brier(row: Row, unit: str) -> str:
    off = figure(float(row["value"]) ** 0.5, "brier")
    return f"The probabilities are off by {off} on average (root mean square)."


def _slope(row: Row, unit: str) -> str:
    return _against(row, 1.0, "too extreme", "too timid", "too extreme or too timid")


def _intercept(row: Row, unit: str) -> str:
    return _against(row, 0.0, "too high overall", "too low overall", "too high or too low over all")


def _against(row: Row, ideal: float, below: str, above: str, neither: str) -> str:
    low, high = row.get("low"), row.get("high")
    if is_number(high) and float(high) < ideal:
        return f"The probabilities are {below}."
    if is_number(low) and float(low) > ideal:
        return f"The probabilities are {above}."
    return f"There is no sign that the probabilities are {neither}."


def _dice(row: Row, unit: str) -> str:
    overlap = figure(row["value"], "dice")
    return (
        f"The outline agrees with the reference by {overlap} on average{_could_be(row)}; 1 would "
        "be the same outline."
    )


def _nsd(row: Row, unit: str) -> str:
    share = percent(float(row["value"]))
    return f"On average {share} of the surface lies within the tolerance of the reference."


def _hd95(row: Row, unit: str) -> str:
    apart = figure(row["value"], "hd95_mm")
    return (
        f"Leaving out the worst 5%, the outlines part by at most {apart} on average"
        f"{_could_be(row)}."
    )


def _assd(row: Row, unit: str) -> str:
    return f"The outlines lie {figure(row['value'], 'assd_mm')} apart on average{_could_be(row)}."


def _volume(row: Row, unit: str) -> str:
    value, low, high = float(row["value"]), row.get("low"), row.get("high")
    error = figure(abs(value), "volume_error_ml")
    if is_number(low) and is_number(high) and low <= 0 <= high:
        error = figure(value, "volume_error_ml")
        return f"Volumes are right on average: the mean error is {error}{_could_be(row)}."
    way = "small" if value < 0 else "large"
    return f"Volumes come out {error} too {way} on average{_could_be(row)}."


def _hd(row: Row, unit: str) -> str:
    apart = figure(row["value"], "hd_mm")
    return f"At their worst point the outlines part by {apart} on average{_could_be(row)}."


def _relative(row: Row, unit: str) -> str:
    value, low, high = float(row["value"]), row.get("low"), row.get("high")
    if is_number(low) and is_number(high) and low <= 0 <= high:
        return f"Volumes are right on average: off by {percent(value)}{_could_be(row)}."
    way = "small" if value < 0 else "large"
    return f"Volumes come out {percent(abs(value))} too {way} on average{_could_be(row)}."


def _lesions_found(row: Row, unit: str) -> str:
    missed, spread = _of_100(row, complement=True)
    verb = "is" if missed in ("1", "none") else "are"
    return f"Of every 100 lesions, {missed} {verb} missed{spread}."


def _lesions_right(row: Row, unit: str) -> str:
    wrong, spread = _of_100(row, complement=True)
    verb = "is" if wrong in ("1", "none") else "are"
    return f"Of every 100 lesions the tool marks, {wrong} {verb} none{spread}."


def _false_lesions(row: Row, unit: str) -> str:
    return (
        f"The tool marks {figure(row['value'], 'false_lesions')} false lesions in a case on "
        f"average{_could_be(row)}."
    )


def _lesion_f1(row: Row, unit: str) -> str:
    return (
        f"Lesions found and lesions real, taken together: {figure(row['value'], 'lesion_f1')}"
        f"{_could_be(row)}; 1 would be every lesion and no other."
    )


def _iou(row: Row, unit: str) -> str:
    overlap = figure(row["value"], "iou")
    return f"Of the area that either outline covers, both cover {overlap}{_could_be(row)}."


def _missed(row: Row, unit: str) -> str:
    missed, spread = _of_100(row, complement=False)
    verb = "is" if missed in ("1", "none") else "are"
    return f"Of every 100 structures, {missed} {verb} missed altogether{spread}."


SENTENCES: dict[str, Callable[[Row, str], str]] = {
    "roc_auc": _auc,
    "average_precision": _average_precision,
    "sensitivity": _sensitivity,
    "specificity": _specificity,
    "ppv": _ppv,
    "npv": _npv,
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced,
    "false_negative_rate": _false_negatives,
    "false_positive_rate": _false_positives,
    "selection_rate": _selection,
    "brier": _brier,
    "calibration_slope": _slope,
    "calibration_intercept": _intercept,
    "dice": _dice,
    "nsd": _nsd,
    "hd95_mm": _hd95,
    "assd_mm": _assd,
    "iou": _iou,
    "hd_mm": _hd,
    "masd_mm": _assd,
    "relative_volume_error": _relative,
    "lesion_sensitivity": _lesions_found,
    "lesion_precision": _lesions_right,
    "lesion_f1": _lesion_f1,
    "false_lesions": _false_lesions,
    "volume_error_ml": _volume,
    "missed": _missed,
}
