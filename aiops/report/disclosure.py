"""What of a run may leave the team, by the policy in its config; ``evaluation.disclosure`` decides.

Hidden: small counts in the tables of groups, in the steps of the population flow, and in findings
of the audit on patients. The internal report and the run folder stay whole.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from aiops.config import DisclosureConfig, Experiment
from aiops.files import read_json, read_table
from evaluation.disclosure import Disclosed, Disclosure, suppress
from evaluation.publication import WITHHELD, hidden_word

BELOW = Disclosure().suppress_below
"""Counts from 1 up to, not including, this one are hidden unless a config says otherwise."""

HIDDEN = hidden_word(BELOW)
"""What stands where a group has a small count, unless a config says otherwise."""

BY_CONFIG = "left out by the config"
"""The step of a population flow for cases that the config excludes by a value."""

__all__ = [
    "BELOW",
    "HIDDEN",
    "WITHHELD",
    "disclosed",
    "disclosure_log",
    "is_hidden",
    "is_telling",
    "policy_in",
    "policy_of",
    "rules_of",
    "shared_tables",
    "shown_audit",
    "shown_evaluation",
    "shown_flow",
]


def policy_of(experiment: Experiment) -> Disclosure:
    """Return the policy of a config."""
    return Disclosure(**experiment.disclosure.model_dump())


def policy_in(resolved: str) -> Disclosure:
    """Return the policy in the text of a ``resolved.yaml``; the default where it says nothing.

    Examples
    --------
    >>> policy_in("disclosure: {suppress_below: 5}").hidden_word
    'hidden (<5)'
    """
    written = yaml.safe_load(resolved) if resolved else None
    block = (written or {}).get("disclosure") or {}
    return Disclosure(**DisclosureConfig.model_validate(block).model_dump())


def rules_of(policy: Disclosure) -> tuple[str, ...]:
    """Return the rules of a policy in sentences; what weakens the protection is said.

    Examples
    --------
    >>> rules_of(Disclosure(suppress_below=1))[0][:41]
    'Small counts are not hidden: the config s'
    """
    if not policy.is_on:
        return (
            "Small counts are not hidden: the config switches it off (disclosure.suppress_below: "
            "1), so people could be told from the tables of groups.",
        )
    below = policy.suppress_below
    words = [
        f"Counts of 1 to {below - 1} patients, cases, positives or negatives of a group are hidden "
        "with their figures, so that nobody can be told from them."
        if below > 2
        else "A count of 1 patient, case, positive or negative is hidden with its group's figures."
    ]
    if below < 5:
        words.append(f"That bound is low: groups of {below} people are shown.")
    words.append(
        "Further groups are hidden where a small count could be computed from what is shown."
        if policy.complementary
        else "No further group is hidden (disclosure.complementary: false), so a hidden count can "
        "be computed where a total is shown."
    )
    words.append(
        "How many files were missing, broken or copies is shown as it is: that tells of no group "
        "of people."
    )
    if policy.round_to > 1:
        words.append(
            f"Counts of groups are rounded to multiples of {policy.round_to}; those of the whole "
            "test set are exact."
        )
    return tuple(words)


def is_hidden(reason: object) -> bool:
    """Return whether a reason says that a row is hidden.

    Examples
    --------
    >>> is_hidden("hidden (<5)"), is_hidden("hidden"), is_hidden("0 positives"), is_hidden(None)
    (True, True, False, False)
    """
    return isinstance(reason, str) and (reason == WITHHELD or reason.startswith(f"{WITHHELD} (<"))


def is_telling(code: str, n: int, below: int = BELOW) -> bool:
    """Return whether a count of audit findings could name the size of a hidden group.

    Examples
    --------
    >>> is_telling("ATTRIBUTE_OUT_OF_RANGE", 7), is_telling("FILE_MISSING", 2)
    (True, False)
    """
    of_people = code.startswith(("ATTRIBUTE_", "MISSING_", "OUTCOME_", "PATIENT_"))
    return of_people and 0 < n < below


def shown_audit(codes: Mapping[str, Mapping[str, Any]], policy: Disclosure) -> dict[str, Any]:
    """Return the kinds of findings of an audit, counts that tell of few people as None.

    Examples
    --------
    >>> shown_audit({"ATTRIBUTE_CONFLICT": {"n": 2}, "FILE_MISSING": {"n": 2}}, Disclosure())
    {'ATTRIBUTE_CONFLICT': {'n': None}, 'FILE_MISSING': {'n': 2}}
    """
    below = policy.suppress_below
    return {
        code: {**told, "n": None if is_telling(code, told["n"], below) else told["n"]}
        for code, told in codes.items()
    }


def shown_flow(flow: Iterable[Mapping[str, Any]], policy: Disclosure) -> list[dict[str, Any]]:
    """Return the steps of a population flow, small numbers of people left out as None.

    Hidden are those left out by an attribute or outcome, in the config or after the audit; a file
    that cannot be read tells of nobody. With them goes the number at the start, from which one
    could count down to them. ``suppressed`` of a step names what is hidden.

    Examples
    --------
    >>> flow = [{"step": "in the table", "n_cases": 50},
    ...     {"step": "left out by the config", "n_cases": 2}, {"step": "test", "n_cases": 48}]
    >>> [row["n_cases"] for row in shown_flow(flow, Disclosure())]
    [None, None, 48]
    """
    rows = [dict(row) for row in flow]
    for row in rows:
        step, code = str(row.get("step", "")), str(row.get("reason", "")).partition(":")[0]
        if step.startswith("left out"):
            code = "ATTRIBUTE_" if step == BY_CONFIG else code
            lost = [c for c in ("n_cases", "n_patients") if row.get(c) is not None
                    and is_telling(code, row[c], policy.suppress_below)]  # fmt: skip
            row.update({**dict.fromkeys(lost), "suppressed": lost})
    if rows and any("n_cases" in row.get("suppressed", ()) for row in rows):
        rows[0].update({"n_cases": None, "suppressed": ["n_cases"]})
    return rows


def shown_evaluation(
    evaluation: Mapping[str, Any], gaps: pd.DataFrame, policy: Disclosure
) -> dict[str, Any]:
    """Return ``evaluation.json`` without the figures of hidden groups.

    Parameters
    ----------
    evaluation : mapping
        As the run has it.
    gaps : DataFrame
        The table of gaps as it is shown.
    policy : Disclosure
        What is hidden.
    """
    told = dict(evaluation)
    told["population_flow"] = shown_flow(evaluation.get("population_flow") or [], policy)
    verdict = dict(evaluation.get("verdict") or {})
    if not policy.is_on or not verdict.get("groups"):
        return told
    shown = {
        (row["target"], row["attribute"], row["group"]): row
        for row in (gaps[gaps["verdict"].fillna("") != ""] if len(gaps) else gaps).to_dict(
            "records"
        )
    }
    figures = {"value": "value", "low": "low_simultaneous", "high": "high_simultaneous"}
    figures |= {name: name for name in ("n_patients", "n_needed", "reason")}
    groups = []
    for group in verdict["groups"]:
        row = shown.get((group["target"], group["attribute"], group["group"]), {})
        groups.append({**group, **{name: row.get(column) for name, column in figures.items()}})
    return {**told, "verdict": {**verdict, "groups": groups}}


def disclosed(run_dir: Path, experiment: Experiment) -> Disclosed:
    """Return the tables of a run's evaluation as they may leave."""
    return suppress(
        read_table(run_dir / "metrics.parquet"),
        read_table(run_dir / "gaps.parquet"),
        {p.stem: read_table(p) for p in sorted((run_dir / "tables").glob("*.parquet"))},
        policy_of(experiment),
    )


def shared_tables(run_dir: Path, experiment: Experiment) -> Iterator[tuple[str, pd.DataFrame]]:
    """Return every table of a run that may leave, by the name it has in MLflow."""
    policy = policy_of(experiment)
    if (run_dir / "metrics.parquet").exists():
        shown = disclosed(run_dir, experiment)
        yield "tables/metrics.json", shown.metrics
        yield "tables/gaps.json", shown.gaps
        for name, frame in shown.tables.items():
            if len(frame):
                yield f"tables/{name}.json", frame
        yield "tables/disclosure_log.json", shown.log
    codes = _optional(run_dir / "audit.json").get("codes", {})
    if codes:
        rows = [{"code": code, **told} for code, told in shown_audit(codes, policy).items()]
        yield "tables/audit.json", pd.DataFrame(rows)
    flow = _optional(run_dir / "evaluation.json").get("population_flow")
    if flow:
        columns = ["step", "n_cases", "n_patients", "reason"]
        yield "tables/population_flow.json", pd.DataFrame(shown_flow(flow, policy))[columns]
    parts = _optional(run_dir / "split.json").get("counts")
    if parts:
        counts = [{"part": part, **told} for part, told in parts.items()]
        yield "tables/split.json", pd.DataFrame(counts)


def _optional(path: Path) -> Any:
    return read_json(path) if path.exists() else {}


def disclosure_log(disclosed: Disclosed, policy: Disclosure) -> dict[str, Any]:
    """Return what ``disclosure_log.json`` holds: the policy, and each thing that was hidden."""
    return {
        "policy": {
            "suppress_below": policy.suppress_below,
            "round_to": policy.round_to,
            "complementary": policy.complementary,
        },
        "suppressed": disclosed.log.to_dict("records"),
    }
