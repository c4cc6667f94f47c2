"""How many patients a study takes, from what a person typed to what they read."""

from collections.abc import Mapping, Sequence
from typing import Any

from aiops.errors import ConfigError


def planned_size(
    groups: Sequence[str],
    *,
    metric: str,
    counted: str,
    value: float,
    difference: float | None,
    half_width: float | None,
    prevalence: float,
    cases_per_patient: float,
    icc: float,
    patients: float | None,
    alpha: float,
    power: float,
) -> dict[str, Any]:
    """Return how many patients each group needs, and how large the cohort must then be.

    Parameters
    ----------
    groups : sequence of str
        ``name=share`` or ``name=share:prevalence``; none asks about two halves.
    metric, counted : str
        The share it is about, and which cases it is a share of.
    value, difference, half_width, prevalence, cases_per_patient, icc, alpha, power : float
        As `sizes_by_group` takes them.
    patients : float, optional
        Patients at hand.

    Raises
    ------
    ConfigError
        If a group is not written so, or a number lies outside its range.
    """
    from evaluation import sizes_by_group

    shares, rates = _read_groups(groups or ("half of the patients=0.5",))
    asked: dict[str, Any] = {
        "value": value, "difference": difference, "half_width": half_width, "counted": counted,
        "cases_per_patient": cases_per_patient, "icc": icc, "alpha": alpha, "power": power,
    }  # fmt: skip
    try:
        table = sizes_by_group(
            shares, prevalence={**rates, "all": prevalence}, n_patients=patients, **asked
        )
    except ValueError as fault:
        raise ConfigError(
            f"{fault}", where="the options of `aiops sample-size`", fix="see `--help`"
        ) from fault
    rows = table.to_dict("records")
    needed = table["n_patients_all"].max()
    return {
        "metric": metric,
        "prevalence": prevalence,
        "patients_at_hand": patients,
        **asked,
        "groups": rows,
        "n_patients_all": float(needed) if needed == needed else None,
    }


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
    aims = []
    if result["difference"] is not None:
        aims.append(f"{result['difference']:g} less in a group is found "
                    f"{result['power']:.0%} of the time")  # fmt: skip
    if result["half_width"] is not None:
        aims.append(f"each group's figure is known to ±{result['half_width']:g}")
    lines = [f"{result['metric']} {result['value']:g}: {', and '.join(aims)}"]
    counted = {"positive": "diseased cases", "negative": "healthy cases", "case": "cases"}
    for row in result["groups"]:
        name = f"  {row['group']} ({row['share']:.3g} of the patients)"
        if row["reason"]:
            lines.append(f"{name}: not estimable, {row['reason']}")
            continue
        lines.append(
            f"{name}: {row['n_counted']:.0f} {counted[result['counted']]}, that is "
            f"{row['n_patients']:.0f} patients of the group, in a cohort of "
            f"{row['n_patients_all']:.0f}"
        )
        if result["patients_at_hand"] is not None:
            had = f"    with {result['patients_at_hand']:.0f} patients: "
            parts = [f"±{row['half_width_at_hand']:.3f}"]
            if result["difference"] is not None:
                parts.append(f"power {row['power_at_hand']:.0%}")
            lines.append(had + ", ".join(parts))
    if result["n_patients_all"] is not None:
        lines.append(f"the cohort needs {result['n_patients_all']:.0f} patients, for every group")
    return lines
