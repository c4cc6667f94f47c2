"""How many patients each group needs, and how large the whole cohort must then be."""

import math
from collections.abc import Mapping

import pandas as pd

from evaluation.estimates import two_sided_z
from evaluation.sample_size import (
    above_0,
    power_of,
    share_between,
    size_half_width,
    size_two_proportions,
)

COUNTED = ("positive", "negative", "case")

SIZE_COLUMNS = [
    "group", "share", "prevalence", "n_counted", "n_patients", "n_patients_all", "n_at_hand",
    "power_at_hand", "half_width_at_hand", "reason",
]  # fmt: skip


def design_effect(cases_per_patient: float, icc: float) -> float:
    """Return by how much several cases of a patient inflate the number of cases needed.

    Parameters
    ----------
    cases_per_patient : float
        Mean number of cases a patient has, 1 or more.
    icc : float
        Correlation of the cases of a patient, in [0, 1].

    Raises
    ------
    ValueError
        If a number lies outside its range.

    Examples
    --------
    >>> design_effect(4, 0.5)
    2.5
    """
    if not cases_per_patient >= 1:
        raise ValueError(f"cases_per_patient {cases_per_patient} must be 1 or more")
    if not 0 <= icc <= 1:
        raise ValueError(f"icc {icc} must lie in [0, 1]")
    return 1 + (cases_per_patient - 1) * icc


def sizes_by_group(
    groups: Mapping[str, float],
    *,
    value: float,
    prevalence: float | Mapping[str, float],
    difference: float | None = None,
    half_width: float | None = None,
    counted: str = "positive",
    cases_per_patient: float = 1.0,
    icc: float = 0.0,
    n_patients: float | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
) -> pd.DataFrame:
    """Return how many patients each group needs, and how many the whole cohort must then have.

    Give `difference` to find a group that is that much below the rest, `half_width` to know the
    group's own figure so well, or both: then the larger number counts.

    Parameters
    ----------
    groups : mapping of str to float
        Share of each group among the patients, in (0, 1); they need not add up to 1, for groups
        of several attributes may stand side by side.
    value : float
        The expected share (sensitivity, specificity) in the rest, in (0, 1).
    prevalence : float or mapping of str to float
        Share of cases with the finding; by group, and under ``all`` for everyone.
    difference : float, optional
        How much lower the group's share would have to be to matter.
    half_width : float, optional
        Half the width wanted of the interval of the group's own share.
    counted : {"positive", "negative", "case"}, default="positive"
        Which cases the figure is a share of: a sensitivity counts positive, a specificity
        negative ones.
    cases_per_patient, icc : float
        Mean cases of a patient, and how alike they are: see `design_effect`.
    n_patients : float, optional
        Patients of a cohort at hand, for its power and half width.
    alpha, power : float
        Two-sided level, and chance to find the difference if it is there.

    Returns
    -------
    DataFrame
        ``group, share, prevalence``; ``n_counted`` cases that count and ``n_patients`` patients
        the group needs; ``n_patients_all``, the cohort in which it has as many; of a cohort at
        hand ``n_at_hand`` patients of the group, ``power_at_hand``, ``half_width_at_hand``; nan
        with a ``reason`` where it cannot be said. First the group that needs the largest cohort.

    Raises
    ------
    ValueError
        If a number lies outside its range, no aim is given, or a group is the whole.

    Examples
    --------
    >>> found = sizes_by_group({"women": 0.5, "black": 0.05}, value=0.9, difference=0.1,
    ...                        prevalence=0.05)
    >>> found[["group", "n_counted", "n_patients_all"]].values.tolist()
    [['black', 92.0, 36800.0], ['women', 199.0, 7960.0]]
    """
    if difference is None and half_width is None:
        raise ValueError("difference None and half_width None: at least one aim must be given")
    if counted not in COUNTED:
        raise ValueError(f"counted '{counted}' is none of {COUNTED}")
    inflation = design_effect(cases_per_patient, icc)
    rows = []
    for group, share in groups.items():
        own, rest = _rates(group, share_between(f"share of {group}", share), prevalence, counted)
        ratio = rest * (1 - share) / (own * share) if own > 0 else math.inf
        needed = []
        reason = "" if own > 0 and rest > 0 else f"no {counted} case is expected on one side"
        if not reason and difference is not None:
            low = share_between("value less difference", value - above_0("difference", difference))
            needed.append(size_two_proportions(low, value, alpha=alpha, power=power, ratio=ratio).n)
        if not reason and half_width is not None:
            needed.append(size_half_width(value, half_width, level=1 - alpha).n)
        n_counted = max(needed) * inflation if needed else math.nan
        per_patient = own * cases_per_patient
        of_group = _rounded(n_counted / per_patient) if needed else math.nan
        row: dict[str, object] = {
            "group": group,
            "share": share,
            "prevalence": _prevalence_of(group, prevalence),
            "n_counted": _rounded(n_counted),
            "n_patients": of_group,
            "n_patients_all": _rounded(of_group / share),
            "reason": reason,
        }
        if n_patients is not None and not reason:
            at_hand = above_0("n_patients", n_patients) * share
            n_worth = at_hand * per_patient / inflation
            row["n_at_hand"] = math.floor(at_hand)
            row["half_width_at_hand"] = two_sided_z(1 - alpha) * math.sqrt(
                value * (1 - value) / n_worth
            )
            if difference is not None:
                row["power_at_hand"] = power_of(
                    size_two_proportions, n_worth, value - difference, value, alpha=alpha,
                    ratio=ratio,
                )  # fmt: skip
        rows.append(row)
    table = pd.DataFrame(rows, columns=SIZE_COLUMNS)
    numbers = [c for c in SIZE_COLUMNS if c not in ("group", "reason")]
    table = table.astype(dict.fromkeys(numbers, float))
    return table.sort_values("n_patients_all", ascending=False, kind="stable", ignore_index=True)


def _rounded(number: float) -> float:
    return float(math.ceil(round(number, 6))) if math.isfinite(number) else math.nan


def _prevalence_of(group: str, prevalence: float | Mapping[str, float]) -> float:
    if not isinstance(prevalence, Mapping):
        return share_between("prevalence", prevalence)
    found = prevalence.get(group, prevalence.get("all"))
    if found is None:
        raise ValueError(f"prevalence names neither {group} nor 'all': {sorted(prevalence)}")
    return share_between(f"prevalence of {group}", found)


def _rates(
    group: str, share: float, prevalence: float | Mapping[str, float], counted: str
) -> tuple[float, float]:
    """Return which share of the cases of the group, and of its rest, counts."""
    own = _prevalence_of(group, prevalence)
    rest = own
    if isinstance(prevalence, Mapping) and "all" in prevalence:
        rest = (prevalence["all"] - share * own) / (1 - share)
        if not 0 < rest < 1:
            raise ValueError(
                f"prevalence {prevalence['all']:g} of all cannot be: with {own:g} in {group} the "
                f"rest would have {rest:g}"
            )
    if counted == "case":
        return 1.0, 1.0
    return (own, rest) if counted == "positive" else (1 - own, 1 - rest)
