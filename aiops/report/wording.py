"""Numbers and names as a report prints them.

The reader is a board member who has two minutes. Short sentences, figures rounded to what they
can carry, each term explained where it is first used, and no figure without its uncertainty.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeGuard

Row = Mapping[str, Any]

DASH = "–"


@dataclass(frozen=True)
class Gloss:
    """How a metric is called, scaled and explained to a lay reader."""

    label: str
    plain: str
    scale: str = "index"
    higher_is_better: bool = True


GLOSSES: dict[str, Gloss] = {
    "roc_auc": Gloss("AUC", "how often a diseased case scores above a healthy one; guessing 0.5"),
    "average_precision": Gloss("Average precision", "share of alarms that are right, averaged"),
    "sensitivity": Gloss("Sensitivity", "share of diseased cases that are found", "percent"),
    "specificity": Gloss("Specificity", "share of healthy cases left in peace", "percent"),
    "ppv": Gloss("PPV", "share of alarms that are right", "percent"),
    "npv": Gloss("NPV", "share of all-clears that are right", "percent"),
    "accuracy": Gloss("Accuracy", "share of cases decided rightly", "percent"),
    "balanced_accuracy": Gloss(
        "Balanced accuracy", "mean of sensitivity and specificity; guessing 50%", "percent"
    ),
    "false_negative_rate": Gloss(
        "Missed (underdiagnosis)", "share of diseased cases that are missed", "percent", False
    ),
    "false_positive_rate": Gloss(
        "False alarms", "share of healthy cases that give an alarm", "percent", False
    ),
    "selection_rate": Gloss(
        "Called positive",
        "share of cases that give an alarm; neither high nor low is better",
        "percent",
    ),
    "brier": Gloss(
        "Brier score", "mean squared error of the probability; 0 is best", "index", False
    ),
    "calibration_slope": Gloss("Calibration slope", "1 is right; below 1, too extreme"),
    "calibration_intercept": Gloss("Calibration intercept", "0 is right; below 0, too high"),
    "dice": Gloss("Dice", "overlap of the two outlines; 0 none, 1 the same"),
    "nsd": Gloss("Surface Dice", "share of the surface within the tolerance"),
    "hd95_mm": Gloss("HD95", "distance of the outlines, worst 5% aside", "mm", False),
    "assd_mm": Gloss("Mean surface distance", "average distance of the outlines", "mm", False),
    "iou": Gloss("IoU", "overlap of the two outlines as a share of their union; 1 the same"),
    "hd_mm": Gloss("HD", "largest distance of the outlines", "mm", False),
    "masd_mm": Gloss(
        "Mean surface distance, both ways", "average of the two mean distances", "mm", False
    ),
    "relative_volume_error": Gloss(
        "Relative volume error", "measured minus reference, as a share of it", "percent", False
    ),
    "lesion_sensitivity": Gloss("Lesions found", "share of the lesions that are found", "percent"),
    "lesion_precision": Gloss(
        "Right lesions", "share of the found lesions that are real", "percent"
    ),
    "lesion_f1": Gloss("Lesion F1", "balance of lesions found and lesions real; 1 is best"),
    "false_lesions": Gloss("False lesions", "found lesions per case that are none", "index", False),
    "volume_error_ml": Gloss("Volume error", "measured minus reference volume", "ml", False),
    "missed": Gloss("Missed structures", "share of structures not found at all", "percent", False),
}

COUNT_ORDER = tuple(GLOSSES)


def gloss(metric: str) -> Gloss:
    """Return how `metric` is called and explained; an unknown one goes by its own name.

    Examples
    --------
    >>> gloss("ppv").label, gloss("new_metric").label
    ('PPV', 'new metric')
    """
    return GLOSSES.get(metric, Gloss(metric.replace("_", " "), ""))


def hidden_as(row: Row) -> str:
    """Return what stands for the counts of a row that are not there.

    Examples
    --------
    >>> hidden_as({"state": "suppressed", "reason": "hidden (<8)"}), hidden_as({"state": "ok"})
    ('hidden (<8)', '–')
    """
    return (text_of(row.get("reason")) or "hidden") if row.get("state") == "suppressed" else DASH


def is_number(value: Any) -> TypeGuard[float]:
    """Return whether `value` is a number one can print."""
    return isinstance(value, Real) and math.isfinite(value)


def readable(name: str) -> str:
    """Return a name of a config as a person would write it.

    Examples
    --------
    >>> readable("pleural_effusion")
    'pleural effusion'
    """
    return str(name).replace("_", " ")


def target_name(name: str) -> str:
    """Return a target as a sentence names it.

    Examples
    --------
    >>> target_name("pleural_effusion"), target_name("mean")
    ('pleural effusion', 'the mean of the structures')
    """
    return "the mean of the structures" if name == "mean" else readable(name)


def count(value: Any, instead: str = DASH) -> str:
    """Return a count with thousands set apart; one that is missing or hidden, as `instead`.

    Examples
    --------
    >>> count(15621), count(None), count(float("nan"), "hidden")
    ('15,621', '–', 'hidden')
    """
    if not is_number(value):
        return instead
    return f"{int(value):,}"


def counted(row: Row, name: str, instead: str = DASH) -> str:
    """Return a count of a row; one that was rounded before it left the team is marked so.

    Examples
    --------
    >>> counted({"n_patients": 195, "rounded_to": 5.0}, "n_patients")
    '≈195'
    >>> counted({"n_patients": 195, "rounded_to": 0.0}, "n_patients")
    '195'
    """
    told, step = count(row.get(name), instead), row.get("rounded_to")
    rounded = is_number(row.get(name)) and is_number(step) and step > 1 and row[name] > 0
    return f"≈{told}" if rounded else told


def patients(number: float) -> str:
    """Return a number of patients in words.

    Examples
    --------
    >>> patients(1), patients(1200)
    ('1 patient', '1,200 patients')
    """
    return f"{count(number)} patient{'' if number == 1 else 's'}"


def significant(value: float, digits: int = 3) -> str:
    """Return `value` to so many significant digits, never in powers of ten.

    Examples
    --------
    >>> significant(12.3456), significant(0.004561, 2), significant(15621.0)
    ('12.3', '0.0046', '15,621')
    """
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else DASH
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return _minus(f"{value:,.{min(places, 6)}f}")


def figure(value: Any, metric: str) -> str:
    """Return a value of `metric` as it is printed: percent, mm, ml, or three decimals.

    Examples
    --------
    >>> figure(0.87123, "roc_auc"), figure(0.883, "sensitivity"), figure(2.345, "hd95_mm")
    ('0.871', '88%', '2.3 mm')
    """
    if not is_number(value):
        return DASH
    scale = gloss(metric).scale
    if scale == "percent":
        return percent(float(value))
    if scale in ("mm", "ml"):
        return f"{_decimals(float(value))} {scale}"
    return _minus(f"{float(value):.3f}")


def percent(share: float) -> str:
    """Return a share in percent, with a decimal only near the ends.

    Examples
    --------
    >>> percent(0.876), percent(0.9964), percent(0.004)
    ('88%', '99.6%', '0.4%')
    """
    value = 100 * share
    near_an_end = 0 < abs(value) < 1 or 99 < value < 100
    return _minus(f"{value:.1f}%" if near_an_end else f"{value:.0f}%")


def of_100(share: float) -> str:
    """Return a share as a number of 100, for a sentence.

    Examples
    --------
    >>> of_100(0.123), of_100(0.004), of_100(0.0001), of_100(0.0)
    ('12', '0.4', 'fewer than 1', 'none')
    """
    value = 100 * share
    if value < 0.05:
        return "none" if value <= 0 else "fewer than 1"
    return f"{value:.1f}" if value < 1 else f"{value:.0f}"


def interval(low: Any, high: Any, metric: str) -> str:
    """Return an interval as two figures with "to" between; a unit is said once.

    Examples
    --------
    >>> interval(0.74, 0.95, "sensitivity"), interval(-1.2, 0.4, "volume_error_ml")
    ('74% to 95%', '−1.2 to 0.40 ml')
    """
    if not (is_number(low) and is_number(high)):
        return DASH
    first, last = figure(low, metric), figure(high, metric)
    scale = gloss(metric).scale
    return f"{first.removesuffix(f' {scale}')} to {last}"


def with_interval(row: Row, metric: str) -> str:
    """Return value and interval of a row, or why there is none.

    Examples
    --------
    >>> with_interval({"value": 0.8, "low": 0.7, "high": 0.9, "state": "ok"}, "dice")
    '0.800 (0.700 to 0.900)'
    >>> with_interval({"value": None, "state": "not_estimable", "reason": "0 positives"}, "ppv")
    'not estimable: 0 positives'
    """
    state = row.get("state") or ""
    if state == "suppressed":
        return text_of(row.get("reason"))
    if not is_number(row.get("value")):
        reason = text_of(row.get("reason"))
        return "not estimable" + (f": {reason}" if reason else "")
    spread = interval(row.get("low"), row.get("high"), metric)
    value = figure(row["value"], metric)
    return value if spread == DASH else f"{value} ({spread})"


def cell(row: Row, metric: str, name: str = "value") -> str:
    """Return the figure of a column with its interval, from the columns that go with it.

    Examples
    --------
    >>> row = {"pooled": 0.8, "pooled_low": 0.7, "pooled_high": 0.9, "state": "ok"}
    >>> cell(row, "dice", "pooled")
    '0.800 (0.700 to 0.900)'
    >>> cell({"state": "suppressed", "reason": "hidden (<8)"}, "dice", "pooled")
    'hidden (<8)'
    """
    low, high = ("low", "high") if name == "value" else (f"{name}_low", f"{name}_high")
    part = {"value": row.get(name), "low": row.get(low), "high": row.get(high)}
    return with_interval({**row, **part}, metric)


def gap_cell(row: Row, metric: str, name: str = "value") -> str:
    """Return a signed gap with its interval, or why there is none.

    Examples
    --------
    >>> gap_cell({"crude": -0.05, "crude_low": -0.08, "crude_high": -0.02}, "dice", "crude")
    '−0.050 (−0.080 to −0.020)'
    """
    if row.get("state") == "suppressed" or not is_number(row.get(name)):
        return with_interval({**row, "value": None}, metric)
    low, high = ("low", "high") if name == "value" else (f"{name}_low", f"{name}_high")
    spread = gap_interval(row.get(low), row.get(high), metric)
    gap = gap_figure(row[name], metric)
    return gap if spread == DASH else f"{gap} ({spread})"


def gap_figure(value: Any, metric: str) -> str:
    """Return a signed gap; shares in percentage points.

    Examples
    --------
    >>> gap_figure(-0.0912, "roc_auc"), gap_figure(0.031, "sensitivity")
    ('−0.091', '+3 points')
    """
    if not is_number(value):
        return DASH
    scale = gloss(metric).scale
    if scale == "percent":
        return _minus(f"{100 * value:+.0f} points")
    if scale in ("mm", "ml"):
        return _minus(f"{'-' if value < 0 else '+'}{significant(abs(value), 2)} {scale}")
    return _minus(f"{value:+.3f}")


def gap_interval(low: Any, high: Any, metric: str) -> str:
    """Return the interval of a gap."""
    if not (is_number(low) and is_number(high)):
        return DASH
    unit = gap_figure(0.0, metric).partition(" ")[2]
    first = gap_figure(low, metric)
    return f"{first.removesuffix(f' {unit}') if unit else first} to {gap_figure(high, metric)}"


def size(value: float, metric: str) -> str:
    """Return the size of a gap without its sign, in words a sentence can use.

    Examples
    --------
    >>> size(-0.0912, "roc_auc"), size(0.031, "sensitivity")
    ('0.091', '3 percentage points')
    """
    bare = gap_figure(abs(value), metric).lstrip("+")
    return bare.replace(" points", " percentage point" + ("" if bare == "1 points" else "s"))


def margin_words(margin: float, metric: str) -> str:
    """Return a margin as it was set, without digits that nobody wrote.

    Examples
    --------
    >>> margin_words(0.05, "roc_auc"), margin_words(0.05, "sensitivity"), margin_words(2, "hd95_mm")
    ('0.05', '5 percentage points', '2 mm')
    """
    scale = gloss(metric).scale
    if scale == "percent":
        return size(margin, metric)
    return f"{margin:g}" + (f" {scale}" if scale in ("mm", "ml") else "")


def text_of(value: Any) -> str:
    """Return a text of a table cell; a missing one is empty.

    Examples
    --------
    >>> text_of(float("nan")), text_of("0 positives")
    ('', '0 positives')
    """
    return value if isinstance(value, str) else ""


def listed(words: list[str] | tuple[str, ...], *, last: str = "and") -> str:
    """Return words as a list in a sentence.

    Examples
    --------
    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def unit_of(n_cases: Any, n_patients: Any, unit: str = "case") -> str:
    """Return what is counted: patients where each has one case, else cases or examinations.

    Examples
    --------
    >>> unit_of(50, 50), unit_of(80, 50), unit_of(80, 50, "study")
    ('patients', 'cases', 'examinations')
    """
    if is_number(n_cases) and n_cases == n_patients:
        return "patients"
    return "examinations" if unit == "study" else "cases"


def _minus(text: str) -> str:
    # A true minus sign; and no "-0.000", which reads as a loss where there is none.
    bare = text.lstrip("-+")
    if text[:1] in "-+" and not any(digit in bare for digit in "123456789"):
        return bare
    return text.replace("-", "−")


def _decimals(value: float) -> str:
    return _minus(
        f"{value:.2f}"
        if abs(value) < 1
        else f"{value:.1f}"
        if abs(value) < 100
        else f"{value:,.0f}"
    )
