"""How many patients a study takes, from what a person typed to what they read."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aiops.errors import ConfigError

if TYPE_CHECKING:
    from evaluation import SampleSize

COUNTED = {"sensitivity": "positive", "specificity": "negative", "accuracy": "case"}
"""Metrics that are a share, and the cases they are a share of."""

METRICS = (*COUNTED, "roc_auc", "dice")
NEEDED = {"dice": ("sd",)}
_WORDS = {"positive": "diseased cases", "negative": "healthy cases", "case": "cases"}


def planned_size(groups: Sequence[str], asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return how many patients each group needs, and how large the cohort must then be.

    Parameters
    ----------
    groups : sequence of str
        ``name=share`` or ``name=share:prevalence``; without any, two halves for a share, and
        everyone for the others.
    asked : mapping
        The options of `aiops sample-size` by name: ``metric``, ``value``, ``difference``,
        ``half_width``, ``margin``, ``sd``, ``correlation``, ``prevalence``, ``patients``,
        ``cases_per_patient``, ``icc``, ``alpha``, ``power``.

    Raises
    ------
    ConfigError
        If a group is not written so, an option is missing, or a number lies outside its range.
    """
    metric = str(asked["metric"])
    needed = NEEDED.get(metric, ("value", "prevalence"))
    missing = [f"--{name}" for name in needed if asked.get(name) is None]
    if missing:
        raise ConfigError(
            f"{metric} needs {', '.join(missing)}", where="`aiops sample-size`", fix="see `--help`"
        )
    shares, rates = _read_groups(groups)
    try:
        rows = _rows_of_shares(shares, rates, asked) if metric in COUNTED else [
            _row_of_size(name, share, rates.get(name, asked["prevalence"]), asked)
            for name, share in (shares or {"all": 1.0}).items()
        ]  # fmt: skip
    except ValueError as fault:
        raise ConfigError(
            f"{fault}", where="the options of `aiops sample-size`", fix="see `--help`"
        ) from fault
    whole = [row["n_patients_all"] for row in rows if not row["reason"]]
    return {**asked, "groups": rows, "n_patients_all": max(whole) if whole else None}


def _rows_of_shares(
    shares: Mapping[str, float], rates: Mapping[str, float], asked: Mapping[str, Any]
) -> list[dict[str, Any]]:
    from evaluation import sizes_by_group

    names = ("value", "difference", "half_width", "cases_per_patient", "icc", "alpha", "power")
    table = sizes_by_group(
        shares or {"half of the patients": 0.5},
        prevalence={**rates, "all": asked["prevalence"]},
        counted=COUNTED[asked["metric"]],
        n_patients=asked.get("patients"),
        **{name: asked[name] for name in names},
    )
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def _row_of_size(
    group: str, share: float, prevalence: float | None, asked: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a group needs for a figure that is no share of cases: an AUC, a paired mean."""
    from evaluation import design_effect, power_of

    if not 0 < share <= 1:
        raise ValueError(f"share of {group} {share} must lie between 0 and 1")
    size, values, named = _question(prevalence, asked)
    alone = {} if asked["half_width"] is not None else {"power": asked["power"]}
    found = size(*values, **named, **alone)
    inflation = design_effect(asked["cases_per_patient"], asked["icc"])
    in_group = found.exact * inflation / asked["cases_per_patient"]
    row = {
        "group": group, "share": share, "prevalence": prevalence, "n_counted": found.n,
        "counts": found.counts, "n_patients": math.ceil(round(in_group, 6)),
        "n_patients_all": math.ceil(round(in_group / share, 6)), "reason": "",
    }  # fmt: skip
    if asked.get("patients") and alone:
        worth = asked["patients"] * share * asked["cases_per_patient"] / inflation
        row["power_at_hand"] = power_of(size, worth, *values, **named)
    return row


def _question(
    prevalence: float | None, asked: Mapping[str, Any]
) -> tuple[Callable[..., "SampleSize"], tuple[float, ...], dict[str, float]]:
    """Return which size is asked for, and with what."""
    from evaluation import (
        size_auc_half_width,
        size_non_inferiority,
        size_paired_mean,
        size_two_aucs,
    )

    value, difference, alpha = asked.get("value"), asked.get("difference"), asked["alpha"]
    if asked["metric"] == "dice":
        if asked.get("margin") is not None:
            named = {"difference": difference or 0.0, "level": 1 - alpha / 2}
            return size_non_inferiority, (asked["margin"], asked["sd"]), named
        if difference is None:
            raise ValueError("dice needs --difference or --margin")
        return size_paired_mean, (difference, asked["sd"]), {"alpha": alpha}
    if prevalence is None or value is None:
        raise ValueError("an AUC needs --value and --prevalence")
    if asked["half_width"] is not None:
        named = {"prevalence": prevalence, "level": 1 - alpha}
        return size_auc_half_width, (value, asked["half_width"]), named
    if difference is None:
        raise ValueError("roc_auc needs --difference or --half-width")
    named = {"prevalence": prevalence, "correlation": asked["correlation"], "alpha": alpha}
    return size_two_aucs, (value - difference, value), named


def _read_groups(groups: Sequence[str]) -> tuple[dict[str, float], dict[str, float]]:
    """Return the share of each group, and the prevalence of those that have their own."""
    shares: dict[str, float] = {}
    rates: dict[str, float] = {}
    for given in groups:
        name, sign, numbers = given.rpartition("=")
        share, colon, rate = numbers.partition(":")
        try:
            shares[name.strip()] = float(share)
            if colon:
                rates[name.strip()] = float(rate)
        except ValueError:
            sign = ""
        if not (sign and name.strip()):
            raise ConfigError(
                f"'{given}' names no share of a group",
                where="--group",
                fix="write NAME=SHARE, e.g. women=0.5, or NAME=SHARE:PREVALENCE",
            )
    return shares, rates


def size_lines(result: Mapping[str, Any]) -> list[str]:
    """Say what each group needs, the most demanding first, and what the whole cohort needs."""
    lines = [_aim(result)]
    at_hand = result.get("patients")
    for row in result["groups"]:
        name = f"  {row['group']} ({row['share']:.3g} of the patients)"
        if row["reason"]:
            lines.append(f"{name}: not estimable, {row['reason']}")
            continue
        counted = row.get("counts") or _WORDS[COUNTED[result["metric"]]]
        lines.append(
            f"{name}: {row['n_counted']:.0f} {counted}, that is {row['n_patients']:.0f} patients "
            f"of the group, in a cohort of {row['n_patients_all']:.0f}"
        )
        parts = [
            said.format(row[key])
            for key, said in (("half_width_at_hand", "±{:.3f}"), ("power_at_hand", "power {:.0%}"))
            if row.get(key) is not None and row[key] == row[key]
        ]
        if at_hand is not None and parts:
            lines.append(f"    with {at_hand:.0f} patients: {', '.join(parts)}")
    if result["n_patients_all"] is not None:
        lines.append(f"the cohort needs {result['n_patients_all']:.0f} patients, for every group")
    return lines


def _aim(result: Mapping[str, Any]) -> str:
    """Say what the size is for."""
    aims = []
    often = f"{result['power']:.0%} of the time"
    if result.get("margin") is not None and result["metric"] == "dice":
        aims.append(f"that it is not {result['margin']:g} worse is shown {often}")
    elif result["difference"] is not None:
        where = "in a group" if result["metric"] in COUNTED else "of one against the other"
        aims.append(f"{result['difference']:g} less {where} is found {often}")
    if result["half_width"] is not None:
        aims.append(f"each group's figure is known to ±{result['half_width']:g}")
    expected = f" {result['value']:g}" if result.get("value") is not None else ""
    return f"{result['metric']}{expected}: {', and '.join(aims)}"
