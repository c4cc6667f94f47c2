"""The checks of the basic gate: primary metric, groups, audit and test list of one run."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from aiops.config import Config
from aiops.files import plain
from aiops.governance.evidence import (
    SMALL,
    Answer,
    Evidence,
    Group,
    Outcome,
    clears,
    is_number,
    listed,
    with_interval,
    worst,
)

if TYPE_CHECKING:
    import pandas as pd


class Nothing(Config):
    """A check that is asked for as it is."""


class Which(Config):
    """Which groups are asked about."""

    target: str = Field(default="", description="Of one target; all of them if not said.")
    attribute: str = Field(default="", description="Of one attribute; all named if not said.")


def primary_bound(evidence: Evidence, asked: Nothing) -> Answer:
    """Answer whether each primary target's interval clears the value set before the test."""
    from evaluation.metrics import METRICS

    primary = evidence.experiment.primary
    metric = METRICS[primary.metric]
    rows = [row for row in evidence.evaluation["primary"] if row["metric"] == primary.metric]
    told = {row["target"]: row for row in rows}
    better = metric.higher_is_better
    findings = [
        _bound(target, told.get(target), primary.acceptable, better)
        for target in evidence.experiment.primary_targets
    ]
    outcomes = [outcome for outcome, _ in findings]
    outcome = worst(outcomes)
    reasons = list(dict.fromkeys(reason for one, reason in findings if one == outcome))
    if not evidence.evaluation.get("patients_known", True):
        reasons.append("intervals are by case, because patients are not recorded")
    if primary.acceptable is None:
        threshold = "none was set"
    else:
        threshold = f"{'lower' if better else 'upper'} bound {'≥' if better else '≤'} " + (
            f"{primary.acceptable:g}"
        )
    return Answer(
        outcome=outcome,
        value=listed([_told(row, metric.label) for row in rows]) or "none",
        threshold=threshold,
        reason=listed(reasons),
        would_decide=_primary_settles(outcome, primary.acceptable),
        figures=tuple(plain({**row, "acceptable": primary.acceptable}) for row in rows),
    )


def no_concern(evidence: Evidence, asked: Which) -> Answer:
    """Answer whether every group named in advance is shown not to be worse off by the margin.

    The verdicts of the evaluation are read. It fails where a group is surely worse off than the
    rest and a gap of the margin is not ruled out; whatever else is not shown leaves it undecided.
    """
    fairness = evidence.experiment.fairness
    if fairness is None:
        return Answer(
            "undecided",
            "not assessed",
            "no margin was set",
            "no group was named in advance (the config has no `fairness` block)",
            "name the attributes and the margin in the config, and evaluate again",
            "gaps.parquet",
        )
    gaps = evidence.gaps
    family = gaps[gaps["prespecified"].astype(bool) & (gaps["verdict"] != "")]
    if asked.target:
        family = family[family["target"] == asked.target]
    if asked.attribute:
        family = family[family["attribute"] == asked.attribute]
    attributes = [asked.attribute] if asked.attribute else fairness.attributes
    targets = (asked.target,) if asked.target else evidence.experiment.primary_targets
    missing = not_compared(family, attributes, targets)
    rows = [_as_shown(row, evidence.hidden) for row in family.to_dict("records")]
    concern = [row for row in rows if row["verdict"] == "concern"]
    short = [row for row in rows if row["verdict"] not in {"concern", "adequate"}]
    threshold = f"lower bound of every group's gap > −{fairness.margin:g}"
    value = f"{len(rows)} groups: {len(rows) - len(concern) - len(short)} adequate, "
    value += f"{len(concern)} concern, {len(short)} insufficient evidence"
    if concern:
        reason = listed([_worse_off(row, fairness.margin) for row in concern])
        settles = "a model that serves these groups as well as the rest, tested on new patients"
        return Answer("fail", value, threshold, reason, settles, "gaps.parquet")
    if short or missing:
        reasons = [_not_shown(row) for row in short]
        reasons += [f"{name}: no group could be compared" for name in missing]
        wanted = [_more_patients(row) for row in short]
        wanted += [f"{name} recorded for the test patients" for name in missing]
        return Answer(
            "undecided",
            value,
            threshold,
            listed(reasons),
            listed(list(dict.fromkeys(wanted))),
            "gaps.parquet",
        )
    reason = f"no group of {', '.join(attributes)} is worse off by {fairness.margin:g}"
    return Answer("pass", value, threshold, reason, "", "gaps.parquet")


def audit_clean(evidence: Evidence, asked: Nothing) -> Answer:
    """Answer whether each stopping fault is absent, or accepted or left out with a reason."""
    from aiops.report.disclosure import policy_of, shown_audit

    threshold = "no fault that stops, unless accepted or left out for a stated reason"
    if evidence.audit is None:
        return Answer(
            "undecided", "no audit", threshold, "the data were not audited", "`aiops audit`"
        )
    codes = evidence.audit["codes"]
    dealt = {c: f for c, f in codes.items() if f["state"] in {"accepted", "excluded"}}
    stops = [code for code, found in codes.items() if found["state"] == "stop" and found["n"]]
    silent = [code for code, found in dealt.items() if not str(found.get("reason") or "").strip()]
    shown = shown_audit(codes, policy_of(evidence.experiment))
    value = "; ".join(
        [f"{code} × {shown[code]['n'] or 'few'}: stops" for code in stops]
        + [f"{code} {f['state']}: {f.get('reason') or '?'}" for code, f in dealt.items()]
    )
    figures = tuple({"code": code, "n": f["n"], "state": f["state"]} for code, f in shown.items())
    if stops or silent:
        reason = "; ".join(
            [f"{code} was found and not dealt with" for code in stops]
            + [f"{code} was let through without a reason" for code in silent]
        )
        settles = "mend the data, or accept or exclude the code with a reason in the config"
        return Answer("fail", value, threshold, reason, settles, "audit.json", figures)
    reason = f"{len(dealt)} kinds of fault were dealt with, each for a stated reason"
    if not dealt:
        reason = "the audit found no fault that stops"
    return Answer("pass", value or "clean", threshold, reason, "", "audit.json", figures)


def seal_read_once(evidence: Evidence, asked: Nothing) -> Answer:
    """Answer whether the sealed test list, and each patient of it, was read once.

    Whoever reads it again and keeps the better result has tuned on the test list. That is not a
    fault of the model, so it does not fail; but the figures no longer prove what they say. A list
    that shares patients with one that this use case read before was read in part.
    """
    threshold = "read once, and none of its patients before"
    seal = evidence.evaluation.get("seal") or {}
    readings, shared = seal.get("reading"), seal.get("shared")
    new_list = "a test on patients that no earlier version was tested on"
    if not seal.get("hash") or not readings:
        reason = "no seal of the test list stands in the evaluation"
        return Answer("undecided", "not sealed", threshold, reason, new_list)
    figures = ({"seal": seal["hash"], "reading": int(readings)},)
    if int(readings) > 1:
        value = f"read {readings} times"
        reason = (
            f"this is reading {readings} of the same test list: "
            "the version may have been chosen by its result"
        )
        return Answer("undecided", value, threshold, reason, new_list, figures=figures)
    if shared is None:
        reason = "whether its patients were tested before was not counted"
        return Answer("undecided", "not counted", threshold, reason, "`aiops evaluate`")
    if shared["known"]:
        value = f"{_share_known(shared)} tested before"
        reason = (
            f"{_share_known(shared)} of its patients were tested before in this use case, on "
            "another list: the version may have been chosen by their results"
        )
        return Answer("undecided", value, threshold, reason, new_list, figures=figures)
    if shared["untold"]:
        reason = (
            "earlier test lists of this use case were hashed with another key: "
            "whether they share patients with this one cannot be told"
        )
        return Answer("undecided", "cannot be told", threshold, reason, new_list, figures=figures)
    reason = "these figures are the first that anybody saw on these patients in this use case"
    return Answer("pass", "read once", threshold, reason, figures=figures)


def _share_known(shared: Mapping[str, Any]) -> str:
    """Return the share in percent, rounded so that neither few nor almost all can be counted."""
    known, total = int(shared["known"]), int(shared["patients"])
    if known == total:
        return "100 %"
    if min(known, total - known) < SMALL:
        return "a few" if known < SMALL else "all but a few"
    return f"{100 * known / total:.0f} %"


def _primary_settles(outcome: Outcome, acceptable: float | None) -> str:
    if outcome == "pass":
        return ""
    if acceptable is None:
        return "`primary: {acceptable: …}` in the config, and a test on a list not yet read"
    if outcome == "fail":
        return "a better model, tested on patients that were not used here"
    return "more test patients, so that the interval lies on one side of the value"


def _bound(
    target: str, row: Mapping[str, Any] | None, acceptable: float | None, better: bool | None
) -> tuple[Outcome, str]:
    if acceptable is None:
        return "undecided", "no acceptance value was set before the test"
    return clears(target, row, acceptable, better)


def _told(row: Mapping[str, Any], label: str) -> str:
    name = f"{row['target']} {label}"
    if not is_number(row["value"]):
        return with_interval(name, row)
    return f"{with_interval(name, row)}, n={row['n_patients']} patients"


def _as_shown(row: Mapping[Any, Any], hidden: Mapping[Group, str]) -> dict[str, Any]:
    told = {str(k): v for k, v in row.items()}
    why = hidden.get((told["target"], told["attribute"], told["group"]))
    if why is None:
        return told
    lost = ("value", "low_simultaneous", "high_simultaneous", "n_patients", "n_needed")
    return {**told, **dict.fromkeys(lost), "reason": why}


def _group(row: Mapping[str, Any]) -> str:
    return f"{row['attribute']}={row['group']}, {row['target']}"


def not_compared(
    family: "pd.DataFrame", attributes: Iterable[str], targets: Sequence[str]
) -> list[str]:
    """Return the attributes named in advance that no gap was computed for, of any or one target."""
    there = set(zip(family["target"], family["attribute"], strict=True))
    found = []
    for attribute in attributes:
        lacking = [target for target in targets if (target, attribute) not in there]
        whole = len(lacking) == len(targets)
        found += [attribute] if whole else [f"{attribute}, {target}" for target in lacking]
    return sorted(found)


def _worse_off(row: Mapping[str, Any], margin: float) -> str:
    if not is_number(row["value"]):
        return f"{_group(row)}: worse than the rest; its figures are hidden"
    # Gap and limits are below 0 here: by how much less they say is how much worse.
    beyond = row["high_simultaneous"] <= -margin
    said = "surely by the margin" if beyond else "by the margin is not ruled out"
    return (
        f"{_group(row)}: worse than the rest by {abs(row['value']):.3g} in {row['metric']} "
        f"({abs(row['high_simultaneous']):.3g} to {abs(row['low_simultaneous']):.3g}); {said}"
    )


def _not_shown(row: Mapping[str, Any]) -> str:
    # The answer is shared more widely than the table: no count of a small group stands in it.
    why = row.get("reason")
    few = is_number(row.get("n_patients")) and row["n_patients"] < SMALL
    if few or "too few" in str(why):
        why = "too few patients"
    said = f" ({why})" if isinstance(why, str) and why else ""
    return f"{_group(row)}: insufficient evidence{said}"


def _more_patients(row: Mapping[str, Any]) -> str:
    needed, there = row.get("n_needed"), row.get("n_patients")
    if is_number(needed) and is_number(there) and needed > there:  # type: ignore[operator]
        more = math.ceil(float(needed) - float(there))  # type: ignore[arg-type]
        return f"about {more} more patients of group {row['attribute']}={row['group']}"
    return f"more patients of group {row['attribute']}={row['group']}; how many cannot be said yet"
