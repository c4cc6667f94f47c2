"""Every check a gate policy can name, with what it asks for and what it reads."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from aiops.config import Config
from aiops.governance import (
    case_checks,
    document_checks,
    figure_checks,
    lineage_checks,
    run_checks,
)
from aiops.governance.dossier import REGISTER, Dossier
from aiops.governance.evidence import Answer, Evidence

Kind = Literal["computed", "document", "stated"]


@dataclass(frozen=True)
class RunCheck:
    """A check of a run's files.

    Parameters
    ----------
    answer : callable
        Given the evidence and what is asked, returns the answer.
    asks : type
        Form of what can be asked.
    files : tuple of str
        Files it reads beside those that every gate binds.
    reads_case : bool
        Whether it reads the register too.
    """

    answer: Callable[[Evidence, Any], Answer]
    asks: type[Config] = run_checks.Nothing
    files: tuple[str, ...] = ()
    reads_case: bool = False
    kind: Kind = "computed"


@dataclass(frozen=True)
class CaseCheck:
    """A check of what the register says of a case.

    Parameters
    ----------
    answer : callable
        Given the dossier and what is asked, returns the answer.
    asks : type
        Form of what can be asked.
    kind : {"computed", "document", "stated"}
        Whether the answer is computed, a paper that people bring, or what people say.
    """

    answer: Callable[[Dossier, Any], Answer]
    asks: type[Config] = run_checks.Nothing
    kind: Kind = "computed"


Check = RunCheck | CaseCheck

_CARD, _CASES = (lineage_checks.CARD,), (lineage_checks.CASES,)

CHECKS: dict[str, Check] = {
    "primary_bound": RunCheck(run_checks.primary_bound),
    "no_concern": RunCheck(run_checks.no_concern, run_checks.Which),
    "audit_clean": RunCheck(run_checks.audit_clean),
    "seal_read_once": RunCheck(run_checks.seal_read_once),
    "metric_bound": RunCheck(figure_checks.metric_bound, figure_checks.Bound),
    "crossings_bound": RunCheck(figure_checks.crossings_bound, figure_checks.Bound),
    "calibration_slope": RunCheck(figure_checks.calibration_slope, figure_checks.Slope),
    "net_benefit": RunCheck(figure_checks.net_benefit, figure_checks.Threshold),
    "group_size": RunCheck(figure_checks.group_size, figure_checks.Enough),
    "failed_cases": RunCheck(figure_checks.failed_cases, figure_checks.Share),
    "digests_present": RunCheck(lineage_checks.digests_present),
    "digest_frozen": RunCheck(lineage_checks.digest_frozen, lineage_checks.Frozen, reads_case=True),
    "holds_promise": RunCheck(
        lineage_checks.holds_promise, lineage_checks.Promise, reads_case=True
    ),
    "seeds_recorded": RunCheck(lineage_checks.seeds_recorded),
    "split_independent": RunCheck(lineage_checks.split_independent, files=_CASES),
    "external_test": RunCheck(lineage_checks.external_test),
    "card_blanks": RunCheck(lineage_checks.card_blanks, lineage_checks.Blanks, _CARD),
    "role_named": CaseCheck(case_checks.role_named, case_checks.Fields, "stated"),
    "field_filled": CaseCheck(case_checks.field_filled, case_checks.Fields, "stated"),
    "date_fresh": CaseCheck(case_checks.date_fresh, case_checks.Fresh, "stated"),
    "fact_holds": CaseCheck(case_checks.fact_holds, case_checks.Fact, "stated"),
    "feasible": CaseCheck(case_checks.feasible, case_checks.Feasible),
    "labels_done": CaseCheck(case_checks.labels_done, case_checks.Labelled),
    "prior_search": CaseCheck(case_checks.prior_search),
    "step_approved": CaseCheck(case_checks.step_approved, case_checks.Step),
    "conditions_kept": CaseCheck(case_checks.conditions_kept),
    "document": CaseCheck(document_checks.document, document_checks.Paper, "document"),
    "hazards_held": CaseCheck(document_checks.hazards_held, document_checks.Risk),
}
"""Checks by the name that a gate policy gives them."""


def answer(
    name: str, asks: dict[str, Any], evidence: Evidence | None, dossier: Dossier | None
) -> Answer:
    """Answer one item of a policy; what is not there to be read leaves it undecided.

    Parameters
    ----------
    name : str
        The check.
    asks : dict
        What the policy asks of it.
    evidence : Evidence or None
        The run's files; None where no run was named.
    dossier : Dossier or None
        The case; None where it is not registered.
    """
    check = CHECKS[name]
    asked = check.asks.model_validate(asks)
    if isinstance(check, CaseCheck):
        if dossier is None:
            reason, settles = "the case is not in the register", "`aiops usecase submit`"
            return Answer("undecided", "not registered", "", reason, settles, REGISTER)
        return check.answer(dossier, asked)
    if evidence is None:
        reason, settles = "no evaluated run was named", "a run: `--run DIR`"
        return Answer("undecided", "no run", "", reason, settles)
    return check.answer(evidence, asked)
