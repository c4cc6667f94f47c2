"""Checks of a run's figures: bounds overall and by group, calibration, net benefit, group sizes."""

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from aiops.config import Config
from aiops.files import plain
from aiops.governance.evidence import (
    Answer,
    Evidence,
    Outcome,
    clears,
    is_number,
    listed,
    with_interval,
    worst,
)

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[str, Any]
PRIMARY = "primary"
EACH = "each"
METRICS_FILE = "metrics.parquet"
MORE_PATIENTS = "more test patients, so that the interval lies on one side of the value"
BETTER_MODEL = "a better model, tested on patients that were not used here"
FEW = "too few patients"


class OfTarget(Config):
    """Of which target."""

    target: str = Field(default=PRIMARY, description="A target; `primary`: those of the verdict.")


class Bound(OfTarget):
    """What the whole interval of a metric must clear."""

    metric: str = Field(default=PRIMARY, description="A metric; `primary`: that of the verdict.")
    group: str = Field(
        default="all", description="`all` patients, ATTRIBUTE=GROUP, or `each` group named before."
    )
    at_least: float | Literal["acceptable"] | None = Field(
        default=None, description="`acceptable`: the value set in the config before the test."
    )
    at_most: float | None = None
    less_margin: bool = Field(
        default=False, description="Whether a group may fall short by the margin of the config."
    )

    @model_validator(mode="after")
    def _one_side(self) -> "Bound":
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("say at_least or at_most, one of the two")
        if self.group not in ("all", EACH) and "=" not in self.group:
            raise ValueError("group is all, each, or ATTRIBUTE=GROUP")
        return self


class Slope(OfTarget):
    """How near to 1 a calibration slope must be shown to be."""

    within: tuple[float, float] = Field(
        default=(0.8, 1.25), description="Limits between which the whole interval must lie."
    )


class Threshold(OfTarget):
    """Threshold of the risk from which one would act."""

    threshold: float = Field(gt=0, lt=1)


class Enough(Config):
    """How many patients each group named in advance must have."""

    at_least: int = Field(ge=1)


class Share(Config):
    """Share that may not be exceeded."""

    at_most: float = Field(ge=0, le=1)


def metric_bound(evidence: Evidence, asked: Bound) -> Answer:
    """Answer whether the whole interval of a metric clears a value, overall or in each group."""
    from evaluation.metrics import METRICS

    primary = evidence.experiment.primary
    name = primary.metric if asked.metric == PRIMARY else asked.metric
    metric = METRICS.get(name)
    value, better, threshold = _asked_for(evidence, asked, name)
    if value is None or better is None:
        set_it = "`primary: {acceptable: …}` in the config, and a test on a list not yet read"
        return Answer("undecided", "not asked", threshold, threshold, set_it, METRICS_FILE)
    label = metric.label if metric else name
    found: list[tuple[Outcome, str]] = []
    told, figures = [], []
    for title, row in _rows_asked(evidence, asked, name):
        few = row is not None and row["attribute"] != "all" and row["state"] == "small_n"
        why = _hidden(evidence, row)
        if few or (why is not None and row is not None and row["state"] != "ok"):
            found.append(("undecided", f"{title}: {FEW}"))
        else:
            found.append(clears(title, row, value, better))
        if row is not None and why is None and not few:
            told.append(with_interval(f"{title} {label}", row))
            names = ("target", "attribute", "group", "value", "low", "high")
            figures.append(plain({key: row[key] for key in names}))
    return _judged(found, told, threshold, METRICS_FILE, tuple(figures))


def calibration_slope(evidence: Evidence, asked: Slope) -> Answer:
    """Answer whether the calibration slope surely lies near 1: its interval between the limits."""
    low, high = asked.within
    threshold = f"interval lies between {low:g} and {high:g}"
    found: list[tuple[Outcome, str]] = []
    told = []
    for target in _targets(evidence, asked):
        row = _one(evidence.metrics, target=target, metric="calibration_slope", attribute="all")
        outcome, reason = clears(target, row, low, True)
        if row is not None and is_number(row["low"]) and is_number(row["high"]):
            outcome, reason = _slope_lies(target, row, low, high)
            told.append(with_interval(target, row))
        found.append((outcome, reason))
    return _judged(found, told, threshold, METRICS_FILE)


def net_benefit(evidence: Evidence, asked: Threshold) -> Answer:
    """Answer whether acting on the score beats acting on everybody and on nobody.

    Held to 0 is the interval of each difference in net benefit, in the same patients: both must
    lie above it. To act on nobody has a net benefit of 0.
    """
    file = "tables/decision_curve.parquet"
    threshold = f"surely more net benefit than from all and none, at a risk of {asked.threshold:g}"
    table = evidence.table("decision_curve")
    if table is None or "over_all" not in table:
        return _no_table(threshold, file)
    found: list[tuple[Outcome, str]] = []
    told = []
    for target in _targets(evidence, asked):
        near = table[(table["target"] == target) & _near(table["threshold"], asked.threshold)]
        row = near.to_dict("records")[0] if len(near) else None
        if row is None:
            found.append(("undecided", f"{target}: net benefit cannot be told at this threshold"))
            continue
        gains = gains_of(row)
        told += [with_interval(f"{target} over {name}", gain) for name, gain in gains.items()]
        found.append(_beats(target, gains))
    return _judged(found, told, threshold, file)


def group_size(evidence: Evidence, asked: Enough) -> Answer:
    """Answer whether each group named in advance has patients enough to be judged.

    A group that is too small is nobody's fault: it is not known, so it does not fail.
    """
    threshold = f"at least {asked.at_least} patients in each group named in advance"
    file = METRICS_FILE
    attributes = _attributes(evidence)
    if not attributes:
        return _nothing_named(threshold, file)
    from evaluation.groups import UNSURE

    metric = evidence.experiment.primary.metric
    table = evidence.metrics[evidence.metrics["metric"] == metric]
    short, missing = [], []
    for attribute in attributes:
        rows = table[table["attribute"] == attribute]
        counts = rows[~rows["group"].isin(UNSURE)].groupby("group")["n_patients"].max()
        missing += [] if len(counts) else [f"{attribute}: no group in the evaluation"]
        # A group that the config names and nobody belongs to was not tested either.
        named = evidence.experiment.data.attributes[attribute].values.values()
        absent = dict.fromkeys((g for g in named if g not in counts.index), 0)
        sizes = {**{str(g): n for g, n in counts.items()}, **(absent if len(counts) else {})}
        short += [f"{attribute}={g}" for g, n in sizes.items() if n < asked.at_least]
    if short or missing:
        reasons = [f"{name}: fewer patients than asked for" for name in short] + missing
        settles = "more test patients of " + listed(short or attributes)
        return Answer("undecided", "too few", threshold, listed(reasons), settles, file)
    reason = f"each group of {', '.join(attributes)} has as many"
    return Answer("pass", "enough", threshold, reason, "", file)


def crossings_bound(evidence: Evidence, asked: Bound) -> Answer:
    """Answer whether a metric clears a value where attributes cross, as in older women.

    Held to it is the interval that borrows from the other crossings: alone, most are too small.
    """
    from aiops.report.disclosure import disclosed

    file = "tables/intersections.parquet"
    name = evidence.experiment.primary.metric if asked.metric == PRIMARY else asked.metric
    value, better, threshold = _asked_for(evidence, asked, name)
    table = evidence.table("intersections")
    if table is None:
        return _no_table(threshold, file)
    if value is None or better is None:
        settles = "`primary: {acceptable: …}` in the config"
        return Answer("undecided", "not asked", threshold, threshold, settles, file)
    mine = table[(table["metric"] == name) & table["target"].isin(_targets(evidence, asked))]
    if not len(mine):
        reason = "no two attributes were crossed"
        settles = "name two attributes in `fairness`, and evaluate again"
        return Answer("undecided", "none", threshold, reason, settles, file)
    shown = disclosed(evidence.run_dir, evidence.experiment)
    keys = ["target", "attributes", "group"]
    rows = shown.tables["intersections"].query("state != 'suppressed'")
    open_keys = set(rows[keys].itertuples(index=False, name=None))
    found: list[tuple[Outcome, str]] = []
    told = []
    for row in mine.to_dict("records"):
        title = f"{row['attributes']} {row['group']}, {row['target']}"
        bounds = {"state": "ok", "low": row["pooled_low"], "high": row["pooled_high"]}
        if row["state"] != "ok" or not is_number(row["pooled_low"]):
            found.append(("undecided", f"{title}: {FEW}"))
            continue
        found.append(clears(title, bounds, value, better))
        if tuple(row[key] for key in keys) in open_keys:
            told.append(with_interval(title, {**bounds, "value": row["pooled"]}))
    return _judged(found, told, threshold, file)


def failed_cases(evidence: Evidence, asked: Share) -> Answer:
    """Answer whether the share of cases without a prediction is surely small."""
    from evaluation.estimates import wilson_limits

    threshold = f"upper bound of the share of failed cases ≤ {asked.at_most:g}"
    rows = [row for row in evidence.evaluation["primary"] if row.get("n_cases")]
    if not rows:
        return Answer("undecided", "none", threshold, "no case was evaluated", "`aiops evaluate`")
    # Cases of one patient fail together, so the interval counts patients.
    share = max(float(row["n_failed"]) / float(row["n_cases"]) for row in rows)
    n = min(float(row["n_patients"]) for row in rows)
    low, high = (float(limit) for limit in wilson_limits(share, n, 1.959964))
    told = clears("failed cases", {"state": "ok", "low": low, "high": high}, asked.at_most, False)
    return _judged([told], [f"upper bound {high:.3g}"], threshold, "evaluation.json")


def gains_of(row: Mapping[Any, Any]) -> dict[str, dict[str, Any]]:
    """Return what acting on the tool gains over all and over none, as figures with a state."""
    over_all = {"value": row["over_all"], "low": row["over_all_low"], "high": row["over_all_high"],
                "state": row["over_all_state"]}  # fmt: skip
    over_none = {key: row[key] for key in ("low", "high", "state")}
    return {"all": over_all, "none": {**over_none, "value": row["net_benefit"]}}


def _beats(target: str, gains: Mapping[str, Mapping[str, Any]]) -> tuple[Outcome, str]:
    """Hold the gain over all and over none to 0."""
    known = {
        name: gain
        for name, gain in gains.items()
        if gain["state"] == "ok" and is_number(gain["low"]) and is_number(gain["high"])
    }
    lost = [name for name, gain in known.items() if gain["high"] <= 0]
    if lost:
        return "fail", f"{target}: surely no more net benefit than from acting on {lost[0]}"
    if len(known) < len(gains):
        name = next(name for name in gains if name not in known)
        return "undecided", f"{target}: the gain over acting on {name} rests on too few patients"
    open_ones = [name for name, gain in known.items() if gain["low"] <= 0]
    if open_ones:
        return "undecided", f"{target}: the gain over acting on {open_ones[0]} may be 0 or less"
    return "pass", f"{target}: surely more net benefit than from acting on all or none"


def _judged(
    found: list[tuple[Outcome, str]],
    told: list[str],
    threshold: str,
    file: str,
    figures: tuple[Mapping[str, Any], ...] = (),
) -> Answer:
    outcome = worst(one for one, _ in found)
    reasons = list(dict.fromkeys(reason for one, reason in found if one == outcome))
    settles = {"pass": "", "fail": BETTER_MODEL, "undecided": MORE_PATIENTS}[outcome]
    return Answer(outcome, listed(told) or "none", threshold, listed(reasons), settles, file,
                  figures)  # fmt: skip


def _asked_for(
    evidence: Evidence, asked: Bound, metric: str
) -> tuple[float | None, bool | None, str]:
    """Return the value to clear, whether higher is better, and both in words."""
    from evaluation.metrics import METRICS

    if asked.at_most is not None:
        return asked.at_most, False, f"upper bound ≤ {asked.at_most:g}"
    value: float | str | None = asked.at_least
    better: bool | None = True
    if value == "acceptable":
        primary = evidence.experiment.primary
        value = primary.acceptable if primary.metric == metric else None
        known = METRICS.get(metric)
        better = known.higher_is_better if known else True
    if better is None:
        return None, None, f"{metric} has no better and worse to set a bound for"
    if not isinstance(value, float | int):
        return None, None, "no acceptance value was set before the test"
    fairness = evidence.experiment.fairness
    if asked.less_margin and fairness is not None:
        value = value - fairness.margin if better else value + fairness.margin
    side = "lower bound ≥" if better else "upper bound ≤"
    return float(value), better, f"{side} {value:g}"


def _rows_asked(evidence: Evidence, asked: Bound, metric: str) -> Iterator[tuple[str, Row | None]]:
    from evaluation.groups import UNSURE

    table = evidence.metrics[evidence.metrics["metric"] == metric]
    for target in _targets(evidence, asked):
        mine = table[table["target"] == target]
        if asked.group == EACH:
            for attribute in _attributes(evidence):
                of_it = mine[(mine["attribute"] == attribute) & ~mine["group"].isin(UNSURE)]
                rows = _records(of_it)
                yield from ((f"{attribute}={row['group']}, {target}", row) for row in rows)
                if not rows:
                    yield f"{attribute}, {target}", None
            if not _attributes(evidence):
                yield "groups named in advance", None
            continue
        attribute, _, group = asked.group.partition("=")
        here = mine[(mine["attribute"] == attribute) & (mine["group"] == (group or attribute))]
        title = target if attribute == "all" else f"{asked.group}, {target}"
        rows = _records(here)
        yield from ((title, row) for row in rows)
        if not rows:
            yield title, None


def _slope_lies(target: str, row: Row, low: float, high: float) -> tuple[Outcome, str]:
    if row["state"] != "ok":
        return "undecided", f"{target}: {str(row['state']).replace('_', ' ')}"
    if row["high"] < low or row["low"] > high:
        side = "too bold" if row["high"] < low else "too timid"
        return "fail", f"{target}: the whole interval lies outside, the predictions are {side}"
    if row["low"] < low or row["high"] > high:
        return "undecided", f"{target}: a limit lies inside the interval"
    return "pass", f"{target}: the whole interval lies between the limits"


def _targets(evidence: Evidence, asked: OfTarget) -> tuple[str, ...]:
    own = evidence.experiment.primary_targets
    return own if asked.target == PRIMARY else (asked.target,)


def _attributes(evidence: Evidence) -> list[str]:
    fairness = evidence.experiment.fairness
    return list(fairness.attributes) if fairness is not None else []


def _hidden(evidence: Evidence, row: Row | None) -> str | None:
    if row is None:
        return None
    return evidence.hidden_figures.get((row["target"], row["attribute"], row["group"]))


def _one(table: "pd.DataFrame", **wanted: str) -> Row | None:
    for name, value in wanted.items():
        table = table[table[name] == value]
    rows = _records(table)
    return rows[0] if rows else None


def _records(table: "pd.DataFrame") -> list[Row]:
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def _near(column: "pd.Series[float]", value: float) -> "pd.Series[bool]":
    return column.map(lambda one: math.isclose(one, value, abs_tol=1e-9))


def _no_table(threshold: str, file: str) -> Answer:
    settles = "`aiops evaluate` with this version of the program"
    return Answer("undecided", "no table", threshold, f"the run has no {file}", settles, file)


def _nothing_named(threshold: str, file: str) -> Answer:
    reason = "no group was named in advance (the config has no `fairness` block)"
    settles = "name the attributes and the margin in the config, and evaluate again"
    return Answer("undecided", "not assessed", threshold, reason, settles, file)
