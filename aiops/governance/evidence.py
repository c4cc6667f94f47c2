"""What a run's files say to a gate: one check for each kind of question.

A check reads files and answers; it decides nothing. Insufficient evidence never passes.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml

from aiops.config import Experiment
from aiops.errors import StageError
from aiops.files import plain, read_json, read_table
from aiops.provenance import content_hash

if TYPE_CHECKING:
    import pandas as pd

Outcome = Literal["pass", "fail", "undecided"]

REQUIRED = ("resolved.yaml", "evaluation.json", "gaps.parquet", "metrics.parquet")
"""Files without which no gate can be answered."""

OPTIONAL = ("audit.json", "split.json", "plan.json", "training.json")
BYTES_ONLY = ("predictions.parquet", "masks.parquet", "case_metrics.parquet")
"""Files the figures were computed from: bound by their hash, so that no other can be put in."""

MOST_NAMED = 6
"""Entries of a list that an answer names; the tables hold them all."""

SMALL = 10
"""Groups of fewer patients are named, not counted."""


@dataclass(frozen=True)
class Answer:
    """What a check found.

    Parameters
    ----------
    outcome : {"pass", "fail", "undecided"}
        The answer.
    value, threshold : str
        What was found and what was asked for, in words and figures.
    reason : str
        Why the answer is what it is.
    would_decide : str
        What would settle it; empty where it is settled.
    file : str
        The file of the run it was read from.
    figures : tuple of mapping
        The numbers, for those who compute with them.
    """

    outcome: Outcome
    value: str
    threshold: str
    reason: str
    would_decide: str = ""
    file: str = "evaluation.json"
    figures: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Evidence:
    """The files of a run, read once, with their hashes.

    `hidden` holds target, attribute and group of each gap whose figures may not leave the team, and
    why: an answer is shared more widely than the tables it is read from.
    """

    experiment: Experiment
    evaluation: Mapping[str, Any]
    audit: Mapping[str, Any] | None
    gaps: "pd.DataFrame"
    run_id: str | None = None
    run_name: str = ""
    sha256: Mapping[str, str] = field(default_factory=dict)
    hidden: Mapping[tuple[str, str, str], str] = field(default_factory=dict)


def read_evidence(run_dir: Path, experiment: Experiment | None = None) -> Evidence:
    """Read what a gate is answered from.

    Parameters
    ----------
    run_dir : Path
        The run's folder.
    experiment : Experiment, optional
        The config; read from ``resolved.yaml`` when not given.

    Raises
    ------
    StageError
        If the run was not evaluated.
    """
    for name in REQUIRED:
        if not (run_dir / name).exists():
            raise StageError(
                f"{name} is not there: this run was not evaluated",
                where=str(run_dir),
                fix="run `aiops evaluate` first",
            )
    if experiment is None:
        experiment = read_experiment(run_dir)
    gaps = read_table(run_dir / "gaps.parquet")
    audit = run_dir / "audit.json"
    run = run_dir / "run.json"
    told = read_json(run) if run.exists() else {}
    return Evidence(
        experiment=experiment,
        evaluation=read_json(run_dir / "evaluation.json"),
        audit=read_json(audit) if audit.exists() else None,
        gaps=gaps,
        hidden=_hidden_groups(run_dir, gaps, experiment),
        run_id=told.get("mlflow_run_id"),
        run_name=told.get("run_name", run_dir.name),
        sha256=evidence_hashes(run_dir),
    )


def read_experiment(run_dir: Path) -> Experiment:
    """Read the config that a run was made with."""
    text = (run_dir / "resolved.yaml").read_text(encoding="utf-8")
    return Experiment.model_validate(yaml.safe_load(text))


def evidence_hashes(run_dir: Path) -> dict[str, str]:
    """Return the SHA-256 of each file that a gate binds, of those that are there."""
    there = [n for n in (*REQUIRED, *OPTIONAL, *BYTES_ONLY) if (run_dir / n).exists()]
    return {name: content_hash(run_dir / name) for name in sorted(there)}


def primary_bound(evidence: Evidence) -> Answer:
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
    outcome = _worst(outcomes)
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
        value=_listed([_with_interval(row, metric.label) for row in rows]) or "none",
        threshold=threshold,
        reason=_listed(reasons),
        would_decide=_primary_settles(outcome, primary.acceptable),
        figures=tuple(plain({**row, "acceptable": primary.acceptable}) for row in rows),
    )


def no_concern(evidence: Evidence) -> Answer:
    """Answer whether every group named in advance is shown not to be worse off by the margin."""
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
    missing = sorted(set(fairness.attributes) - set(family["attribute"]))
    rows = [_as_shown(row, evidence.hidden) for row in family.to_dict("records")]
    concern = [row for row in rows if row["verdict"] == "concern"]
    short = [row for row in rows if row["verdict"] not in {"concern", "adequate"}]
    threshold = f"lower bound of every group's gap > −{fairness.margin:g}"
    value = f"{len(rows)} groups: {len(rows) - len(concern) - len(short)} adequate, "
    value += f"{len(concern)} concern, {len(short)} insufficient evidence"
    if concern:
        reason = _listed([_worse_off(row) for row in concern])
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
            _listed(reasons),
            _listed(list(dict.fromkeys(wanted))),
            "gaps.parquet",
        )
    reason = f"no group of {', '.join(fairness.attributes)} is worse off by {fairness.margin:g}"
    return Answer("pass", value, threshold, reason, "", "gaps.parquet")


def audit_clean(evidence: Evidence) -> Answer:
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


def seal_read_once(evidence: Evidence) -> Answer:
    """Answer whether the sealed test list was read once.

    Whoever reads it again and keeps the better result has tuned on the test list. That is not a
    fault of the model, so it does not fail; but the figures no longer prove what they say.
    """
    threshold = "read once"
    seal = evidence.evaluation.get("seal") or {}
    readings = seal.get("reading")
    new_list = "a test on patients that no earlier version was tested on"
    if not seal.get("hash") or readings is None:
        reason = "no seal of the test list stands in the evaluation"
        return Answer("undecided", "not sealed", threshold, reason, new_list)
    figures = ({"seal": seal["hash"], "reading": int(readings)},)
    if int(readings) > 1:
        reason = (
            f"this is reading {readings} of the same test list: "
            "the version may have been chosen by its result"
        )
        return Answer(
            "undecided", f"read {readings} times", threshold, reason, new_list, figures=figures
        )
    reason = "these figures are the first that anybody saw on this test list"
    return Answer("pass", "read once", threshold, reason, figures=figures)


CHECKS: dict[str, Callable[[Evidence], Answer]] = {
    "primary_bound": primary_bound,
    "no_concern": no_concern,
    "audit_clean": audit_clean,
    "seal_read_once": seal_read_once,
}
"""Checks by the name that a gate policy gives them."""


def _listed(entries: Sequence[str]) -> str:
    """Return a list in one line; a long one names the first and counts the rest."""
    more = len(entries) - MOST_NAMED
    return "; ".join(entries[:MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")


def _worst(outcomes: Sequence[Outcome]) -> Outcome:
    order: tuple[Outcome, ...] = ("fail", "undecided", "pass")
    return next(outcome for outcome in order if outcome in outcomes)


def _bound(
    target: str,
    row: Mapping[str, Any] | None,
    acceptable: float | None,
    higher_is_better: bool | None,
) -> tuple[Outcome, str]:
    if acceptable is None:
        return "undecided", "no acceptance value was set before the test"
    if row is None:
        return "undecided", f"{target}: not in the evaluation"
    if row["state"] != "ok" or not (_is_number(row["low"]) and _is_number(row["high"])):
        state = str(row["state"]).replace("_", " ")
        return "undecided", f"{target}: {state if row['state'] != 'ok' else 'no interval'}"
    if higher_is_better is None:
        return "undecided", f"{target}: the metric has no better and worse to set a bound for"
    low, high = float(row["low"]), float(row["high"])
    if (low >= acceptable) if higher_is_better else (high <= acceptable):
        return "pass", f"{target}: the whole interval clears {acceptable:g}"
    if (high < acceptable) if higher_is_better else (low > acceptable):
        return "fail", f"{target}: the whole interval misses {acceptable:g}"
    return "undecided", f"{target}: {acceptable:g} lies inside the interval"


def _primary_settles(outcome: Outcome, acceptable: float | None) -> str:
    if outcome == "pass":
        return ""
    if acceptable is None:
        return "`primary: {acceptable: …}` in the config, and a test on a list not yet read"
    if outcome == "fail":
        return "a better model, tested on patients that were not used here"
    return "more test patients, so that the interval lies on one side of the value"


def _with_interval(row: Mapping[str, Any], label: str) -> str:
    if not _is_number(row["value"]):
        return f"{row['target']} {label} not estimable"
    interval = ""
    if _is_number(row["low"]) and _is_number(row["high"]):
        interval = f" ({row['low']:.3g} to {row['high']:.3g})"
    return f"{row['target']} {label} {row['value']:.3g}{interval}, n={row['n_patients']} patients"


def _hidden_groups(
    run_dir: Path, gaps: "pd.DataFrame", experiment: Experiment
) -> dict[tuple[str, str, str], str]:
    """Return target, attribute and group of the gaps that may not be shown, and why."""
    from aiops.report.disclosure import disclosed, is_hidden, policy_of

    if gaps.empty:
        return {}
    names = ["target", "attribute", "group"]
    policy = policy_of(experiment)
    shown = disclosed(run_dir, experiment).gaps
    said = {tuple(row[n] for n in names): row["reason"] for row in shown.to_dict("records")}
    hidden = {}
    for target, attribute, group in gaps[names].drop_duplicates().itertuples(index=False):
        # What had to be left out altogether is hidden too.
        reason = said.get((target, attribute, group), policy.hidden_word)
        if is_hidden(reason):
            is_few = reason == policy.hidden_word
            hidden[target, attribute, group] = "too few patients" if is_few else "figures hidden"
    return hidden


def _as_shown(row: Mapping[Any, Any], hidden: Mapping[tuple[str, str, str], str]) -> dict[str, Any]:
    told = {str(k): v for k, v in row.items()}
    why = hidden.get((told["target"], told["attribute"], told["group"]))
    if why is None:
        return told
    lost = ("value", "low_simultaneous", "high_simultaneous", "n_patients", "n_needed")
    return {**told, **dict.fromkeys(lost), "reason": why}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _group(row: Mapping[str, Any]) -> str:
    return f"{row['attribute']}={row['group']}, {row['target']}"


def _worse_off(row: Mapping[str, Any]) -> str:
    if not _is_number(row["value"]):
        return f"{_group(row)}: worse than the rest; its figures are hidden"
    return (
        f"{_group(row)}: worse than the rest by {abs(row['value']):.3g} in {row['metric']} "
        f"({abs(row['high_simultaneous']):.3g} to {abs(row['low_simultaneous']):.3g})"
    )


def _not_shown(row: Mapping[str, Any]) -> str:
    # The answer is shared more widely than the table: no count of a small group stands in it.
    why = row.get("reason")
    few = _is_number(row.get("n_patients")) and row["n_patients"] < SMALL
    if few or "too few" in str(why):
        why = "too few patients"
    said = f" ({why})" if isinstance(why, str) and why else ""
    return f"{_group(row)}: insufficient evidence{said}"


def _more_patients(row: Mapping[str, Any]) -> str:
    needed, there = row.get("n_needed"), row.get("n_patients")
    if _is_number(needed) and _is_number(there) and needed > there:  # type: ignore[operator]
        more = math.ceil(float(needed) - float(there))  # type: ignore[arg-type]
        return f"about {more} more patients of group {row['attribute']}={row['group']}"
    return f"more patients of group {row['attribute']}={row['group']}; how many cannot be said yet"
