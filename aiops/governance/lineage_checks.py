"""Checks of where a run's figures come from: bytes, seeds, split, test patients, model card."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from aiops.config import Config
from aiops.files import read_table
from aiops.governance.bundle import digests_of, product_of
from aiops.governance.evidence import (
    Answer,
    Evidence,
    clears,
    listed,
    subject_digest,
    with_interval,
    worst,
)
from aiops.governance.run_checks import Nothing

CARD = "card/card.json"
CASES = "cases.parquet"
AGAIN = "`aiops run` with this version of the program"


class Blanks(Config):
    """How many fields of the model card may be blank."""

    at_most: int = Field(ge=0)


class Frozen(Config):
    """The step whose approval froze the digest."""

    step: str = Field(default="G3", pattern=r"^G[0-6]$")


class Promise(Config):
    """The step whose approval was given on figures, and how far a later run may fall short."""

    step: str = Field(default="G4", pattern=r"^G[0-6]$")
    margin: float = Field(ge=0)


def digests_present(evidence: Evidence, asked: Nothing) -> Answer:
    """Answer whether model, config, data and predictions are each named by a digest."""
    threshold = "a digest each of model, config, test list and predictions"
    evaluation = evidence.evaluation
    training = evidence.told("training.json")
    members = (training or {}).get("members", {})
    vendor = evidence.experiment.is_vendor
    wanted = {
        "model": vendor or (bool(members) and all(m.get("digest") for m in members.values())),
        "config": "resolved.yaml" in evidence.sha256,
        "test list": bool((evaluation.get("seal") or {}).get("hash")),
        "predictions": bool(evaluation.get("predictions_sha256")),
    }
    missing = [name for name, there in wanted.items() if not there]
    if missing:
        reason = f"no digest of: {', '.join(missing)}"
        return Answer("undecided", "incomplete", threshold, reason, AGAIN)
    digest = subject_digest(evaluation, training)
    if not vendor:
        return Answer("pass", digest[:12], threshold, "each is named by a digest")
    tool = evidence.experiment.vendor
    if tool is None:
        reason = "product and version of the vendor's tool are not said"
        settles = "`vendor: {product: …, version: …}` in the config"
        return Answer("undecided", digest[:12], threshold, reason, settles, "resolved.yaml")
    reason = f"{tool.product} {tool.version}, by the digest of its predictions"
    return Answer("pass", digest[:12], threshold, reason)


def seeds_recorded(evidence: Evidence, asked: Nothing) -> Answer:
    """Answer whether what was drawn by chance can be drawn again."""
    threshold = "seeds of split and training"
    split, plan = evidence.told("split.json"), evidence.told("plan.json")
    missing = ["split"] if split is None or split.get("seed") is None else []
    if not evidence.experiment.is_vendor and (plan is None or plan.get("seed") is None):
        missing.append("training")
    if missing:
        reason = f"no seed is recorded of: {', '.join(missing)}"
        return Answer("undecided", "incomplete", threshold, reason, AGAIN, "split.json")
    return Answer("pass", "recorded", threshold, "each seed stands in the run", "", "split.json")


def split_independent(evidence: Evidence, asked: Nothing) -> Answer:
    """Answer whether no patient of the test list was learnt from or chosen on.

    It is counted again from the cases and the split, not taken from what the split said.
    """
    threshold = "no patient on both sides"
    split = evidence.told("split.json")
    if split is None or not (evidence.run_dir / CASES).exists():
        reason = "the split or the cases are not in the run"
        return Answer("undecided", "unknown", threshold, reason, AGAIN, "split.json")
    if not evidence.evaluation.get("patients_known", True):
        reason = "patients are not recorded, so nobody can tell whether one is on both sides"
        settles = "a column that names the patient"
        return Answer("undecided", "unknown", threshold, reason, settles, "split.json")
    parts = {case: told["split"] for case, told in split["assignments"].items()}
    cases = read_table(evidence.run_dir / CASES)
    part = cases["case_id"].astype(str).map(parts)
    tested = set(cases.loc[part == "test", "patient_id"])
    seen = set(cases.loc[part.isin(["train", "tune"]), "patient_id"])
    if tested & seen:
        reason = "patients of the test list were learnt from or chosen on"
        settles = "split by patient, and test on patients nobody has seen"
        return Answer("fail", "patients on both sides", threshold, reason, settles, "split.json")
    if evidence.experiment.is_vendor:
        reason = "whether the supplier learnt from these patients is not known here"
        settles = "the supplier's word on its training data, as a condition or a document"
        return Answer("undecided", "not known", threshold, reason, settles, "split.json")
    reason = "no patient of the test list was learnt from or chosen on"
    return Answer("pass", "independent", threshold, reason, "", "split.json")


def external_test(evidence: Evidence, asked: Nothing) -> Answer:
    """Answer whether it was tested on other places or a later time than it was built on."""
    by = evidence.experiment.split.by
    threshold = "tested on another site or a later time"
    if evidence.experiment.is_vendor:
        reason = "where the supplier's patients came from is not known here"
        settles = "the supplier's word on its training data, as a condition or a document"
        return Answer("undecided", "not known", threshold, reason, settles, "resolved.yaml")
    if by in ("site", "time"):
        reason = f"the test list is split by {by}"
        return Answer("pass", f"split by {by}", threshold, reason, "", "resolved.yaml")
    reason = "the test patients come from the same places and years as those learnt from"
    settles = "`split: {by: site}` or `{by: time}`, or a run on another hospital's patients"
    return Answer("undecided", f"split by {by}", threshold, reason, settles, "resolved.yaml")


def card_blanks(evidence: Evidence, asked: Blanks) -> Answer:
    """Answer whether the model card is filled in."""
    threshold = f"at most {asked.at_most} blank fields"
    card = evidence.told(CARD)
    if card is None:
        reason = "no model card was written for this run"
        return Answer("undecided", "no card", threshold, reason, "`aiops card CONFIG`", CARD)
    blanks = [str(name) for name in card["blanks"]]
    value = f"{len(blanks)} blank"
    if len(blanks) > asked.at_most:
        reason = f"blank: {listed(blanks)}"
        settles = "`aiops card CONFIG --said FILE` with what people know"
        return Answer("undecided", value, threshold, reason, settles, CARD)
    return Answer("pass", value, threshold, "the card says what it has to", "", CARD)


def digest_frozen(evidence: Evidence, asked: Frozen) -> Answer:
    """Answer whether these are the bytes that an earlier step froze."""
    threshold = f"the digest that {asked.step} froze"
    dossier = evidence.dossier
    frozen = _frozen(dossier.decisions, asked.step) if dossier is not None else None
    if frozen is None:
        reason = f"nobody approved {asked.step}, so no bytes are frozen"
        return Answer("undecided", "none", threshold, reason, f"an approval at {asked.step}")
    if evidence.experiment.is_vendor:
        return _same_product(evidence, frozen, threshold)
    mine = subject_digest(evidence.evaluation, evidence.told("training.json"))
    weights = digests_of(evidence.run_dir).get("weights", "")
    if mine not in frozen["digests"] or weights not in frozen["weights"]:
        reason = f"{frozen['id']} froze other bytes than these"
        settles = f"the frozen model evaluated again, or {asked.step} for these bytes"
        return Answer("fail", mine[:12], threshold, reason, settles)
    return Answer("pass", mine[:12], threshold, f"as {frozen['id']} froze them")


def holds_promise(evidence: Evidence, asked: Promise) -> Answer:
    """Answer whether a later run, a silent one say, holds what an approval was given on.

    The whole interval of this run must clear the figure of the approved run, less the margin.
    """
    from evaluation.metrics import METRICS

    threshold = f"as good as {asked.step} was approved on, but for {asked.margin:g}"
    dossier = evidence.dossier
    approved = _frozen(dossier.decisions, asked.step) if dossier is not None else None
    if approved is None or not approved["promised"]:
        reason = f"no figures are known that {asked.step} was approved on"
        return Answer("undecided", "none", threshold, reason, f"an approval at {asked.step}")
    if subject_digest(evidence.evaluation, None) in approved["predictions"]:
        reason = f"these are the figures that {approved['id']} was given on, and no later ones"
        settles = "a run on the cases of the silent phase: `--run DIR`"
        return Answer("undecided", "none", threshold, reason, settles)
    rows = {(row["target"], row["metric"]): row for row in evidence.evaluation["primary"]}
    found, told = [], []
    for one in approved["promised"]:
        row = rows.get((one["target"], one["metric"]))
        better = METRICS[one["metric"]].higher_is_better
        if one["value"] is None:
            found.append(clears(one["target"], None, 0.0, better))
            continue
        least = one["value"] - asked.margin if better else one["value"] + asked.margin
        found.append(clears(one["target"], row, round(least, 4), better))
        told += [with_interval(one["target"], row)] if row is not None else []
    outcome = worst(one for one, _ in found)
    reasons = listed([reason for one, reason in found if one == outcome])
    settles = {"pass": "", "fail": "ask why it is worse in use before anybody relies on it"}.get(
        outcome, "more cases in the silent phase"
    )
    return Answer(outcome, listed(told) or "none", threshold, reasons, settles)


def _same_product(evidence: Evidence, frozen: Mapping[str, Any], threshold: str) -> Answer:
    """Answer for a vendor's tool: on other cases it predicts other things, so its name counts."""
    mine = product_of(evidence.run_dir)
    if not mine or not any(frozen["products"]):
        reason = "product and version of the vendor's tool are not said"
        settles = "`vendor: {product: …, version: …}` in the config of both runs"
        return Answer("undecided", "not said", threshold, reason, settles, "resolved.yaml")
    if mine not in frozen["products"]:
        reason = f"{frozen['id']} was about {listed(frozen['products'])}"
        settles = "the product and version that were approved, or an approval of this one"
        return Answer("fail", mine, threshold, reason, settles, "resolved.yaml")
    reason = f"the product and version of {frozen['id']}, as the config says"
    return Answer("pass", mine, threshold, reason, "", "resolved.yaml")


def _frozen(decisions: tuple[Mapping[str, Any], ...], step: str) -> Mapping[str, Any] | None:
    approvals = ("approve", "approve-with-conditions")
    mine = [d for d in decisions if d["gate_step"] == step and d["outcome"] in approvals]
    return mine[-1] if mine else None
