"""Audit: faults in the data are named before anything is learnt from them."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from aiops.data import checks_images, checks_table
from aiops.data.cases import Cases
from aiops.data.findings import CODES, Finding, finding
from aiops.data.pairing import pair_files
from aiops.data.survey import CaseFacts, Progress, survey, survey_files
from aiops.lookup import pick

LISTED = 200
"""Notes of one code that are written out; stops are written out one and all."""


@dataclass(frozen=True, eq=False)
class AuditReport:
    """What an audit found, and what the config says about it.

    Parameters
    ----------
    findings : tuple of Finding
        In the order of the codes, then of the cases.
    accepted, excluded : dict
        Codes the config accepts or excludes, with the reason, as far as they found something.
    excluded_cases : dict
        Case ids left out by `excluded`, with the code.
    n_cases, n_patients : int
        What was audited.
    flow : tuple of dict
        Steps from the table to the cases that remain: step, n_cases and n_patients that remain,
        n_cases_out, n_patients_out, reason.
    facts : dict
        `CaseFacts` by case id, for fingerprint and split.
    """

    findings: tuple[Finding, ...]
    accepted: dict[str, str]
    excluded: dict[str, str]
    excluded_cases: dict[str, str]
    n_cases: int
    n_patients: int
    flow: tuple[dict[str, Any], ...] = ()
    facts: dict[str, CaseFacts] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Whether one may go on: no stop that is neither accepted nor excluded."""
        return not self.stops

    @property
    def stops(self) -> tuple[Finding, ...]:
        """Findings that stop the run."""
        return tuple(
            f
            for f in self.findings
            if f.severity == "stop"
            and f.code not in self.accepted
            and not (f.code in self.excluded and f.case_id in self.excluded_cases)
        )

    def state_of(self, code: str) -> str:
        """Return stop, note, accepted or excluded for a code that found something."""
        if any(f.code == code for f in self.stops):
            return "stop"
        if code in self.accepted:
            return "accepted"
        return "excluded" if code in self.excluded else "note"

    def to_dict(self) -> dict[str, Any]:
        """Return the report as it stands in audit.json."""
        by_code = _by_code(self.findings)
        reasons = {**self.accepted, **self.excluded}
        listed: list[Finding] = []
        for found in by_code.values():
            stops = [f for f in found if f.severity == "stop"]
            listed += stops or found[:LISTED]
        return {
            "codes": {
                code: {
                    "severity": _gravest(found),
                    "meaning": CODES[code].meaning,
                    "n": len(found),
                    "state": self.state_of(code),
                    "reason": reasons.get(code, ""),
                }
                for code, found in by_code.items()
            },
            "findings": [asdict(f) for f in listed],
            "n_cases": self.n_cases,
            "n_patients": self.n_patients,
            "excluded_cases": dict(self.excluded_cases),
            "flow": [dict(step) for step in self.flow],
            "clean": self.clean,
        }


def audit(cases: Cases, *, progress: Progress | None = None, n_jobs: int = 2) -> AuditReport:
    """Look for faults in the table and in every file it names.

    Parameters
    ----------
    cases : Cases
        The cases; `audit.accept` and `audit.exclude` of their config are applied.
    progress : callable, optional
        Called with the cases read and their number.
    n_jobs : int, default=2
        Threads that read files.

    Returns
    -------
    AuditReport
        ``clean`` is False where a stop is neither accepted nor excluded.

    Raises
    ------
    ConfigError
        If the config accepts or excludes a code that does not exist.
    """
    rules = cases.experiment.audit
    for way in ("accept", "exclude"):
        for code in getattr(rules, way):
            pick(CODES, code, where=f"audit.{way}")
    has_files = bool(cases.image_columns) or "label" in cases.frame.columns
    facts = survey(cases, progress=progress, n_jobs=n_jobs) if has_files else {}
    found = [*_check_table(cases), *_check_files(cases, facts)]
    by_code = _by_code(found)
    unused = [
        finding("AUDIT_RULE_UNUSED", file=f"audit.{way}.{code}", detail=f"{code} finds nothing")
        for way in ("accept", "exclude")
        for code in getattr(rules, way)
        if code not in by_code
    ]
    excluded = {code: why for code, why in rules.exclude.items() if code in by_code}
    excluded_cases: dict[str, str] = {}
    for code in excluded:
        for fault in by_code[code]:
            if fault.case_id:
                excluded_cases.setdefault(fault.case_id, code)
    return AuditReport(
        findings=_in_order([*found, *unused]),
        accepted={code: why for code, why in rules.accept.items() if code in by_code},
        excluded=excluded,
        excluded_cases=excluded_cases,
        n_cases=len(cases),
        n_patients=cases.n_patients,
        flow=tuple(_flow(cases, excluded, excluded_cases)),
        facts=facts,
    )


def audit_folder(folder: Path, *, progress: Progress | None = None, n_jobs: int = 2) -> AuditReport:
    """Look for faults in a folder of images and labels, without a config.

    Pairs are made by name: ``images/a.nii.gz`` with ``labels/a.nii.gz``, or ``a_image.nii.gz``
    with ``a_label.nii.gz``.

    Returns
    -------
    AuditReport
        With a finding for each file that has no partner or does not fit the others.
    """
    pairing = pair_files(folder)
    jobs: list[dict[str, str | None]] = [
        {
            "case_id": name,
            "image": str(pairing.images[name]) if name in pairing.images else None,
            "label": str(pairing.labels[name]) if name in pairing.labels else None,
        }
        for name in pairing.names
    ]
    facts = survey_files(jobs, progress=progress, n_jobs=n_jobs)
    found = [
        *(
            finding(
                "UNPAIRED_IMAGE",
                case_id=name,
                file=pairing.images[name].name,
                detail="an image without a label",
            )
            for name in pairing.images_alone
        ),
        *(
            finding(
                "UNPAIRED_LABEL",
                case_id=name,
                file=pairing.labels[name].name,
                detail="a label without an image",
            )
            for name in pairing.labels_alone
        ),
        *checks_images.check_files(facts),
        *checks_images.check_values(facts),
        *checks_images.check_geometry(facts),
        *checks_images.check_labels(facts, {}),
        *checks_images.check_duplicates(facts),
    ]
    return AuditReport(
        findings=_in_order(found),
        accepted={},
        excluded={},
        excluded_cases={},
        n_cases=len(pairing.names),
        n_patients=len(pairing.names),
        facts=facts,
    )


def _check_table(cases: Cases) -> Iterator[Finding]:
    yield from checks_table.check_patients(cases)
    yield from checks_table.check_attributes(cases)
    yield from checks_table.check_numbers(cases)
    yield from checks_table.check_outcomes(cases)
    yield from checks_table.check_scores(cases)
    yield from checks_table.check_features(cases)
    yield from checks_table.check_rows(cases)


def _check_files(cases: Cases, facts: dict[str, CaseFacts]) -> Iterator[Finding]:
    if not facts:
        return
    yield from checks_images.check_pairs(cases)
    yield from checks_images.check_files(facts)
    yield from checks_images.check_values(facts)
    yield from checks_images.check_geometry(facts)
    yield from checks_images.check_labels(facts, cases.experiment.structures)
    yield from checks_images.check_units(facts, cases.experiment.data.modality)
    yield from checks_images.check_greys(facts, cases.experiment.data.modality)
    yield from checks_images.check_duplicates(facts, cases)


def _by_code(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    """Return the findings of each code, in the order of `CODES`."""
    by_code: dict[str, list[Finding]] = {code: [] for code in CODES}
    for found in findings:
        by_code[found.code].append(found)
    return {code: found for code, found in by_code.items() if found}


def _in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    by_code = _by_code(findings)
    return tuple(f for found in by_code.values() for f in sorted(found, key=lambda f: f.case_id))


def _gravest(findings: Iterable[Finding]) -> str:
    return "stop" if any(f.severity == "stop" for f in findings) else "note"


def _flow(
    cases: Cases, excluded: dict[str, str], excluded_cases: dict[str, str]
) -> Iterator[dict[str, Any]]:
    """Yield the steps from the table to the cases that remain."""
    n_cases, n_patients = cases.n_rows_table, cases.n_patients_table
    yield _step("in the table", n_cases, n_patients, 0, 0, "")
    for rule in cases.excluded:
        n_cases -= rule["n_rows"]
        n_patients -= rule["n_patients_lost"]
        values = ", ".join(str(value) for value in rule["values"])
        yield _step(
            f"{rule['column']} is none of: {values}",
            n_cases,
            n_patients,
            rule["n_rows"],
            rule["n_patients_lost"],
            "data.exclude",
        )
    left = cases.frame[["case_id", "patient_id"]]
    for code, why in excluded.items():
        out = left["case_id"].map(excluded_cases).eq(code)
        kept = left[~out]
        yield _step(
            f"not {code}",
            len(kept),
            kept["patient_id"].nunique(),
            int(out.sum()),
            left["patient_id"].nunique() - kept["patient_id"].nunique(),
            why,
        )
        left = kept


def _step(
    step: str, n_cases: int, n_patients: int, cases_out: int, patients_out: int, reason: str
) -> dict[str, Any]:
    return {
        "step": step,
        "n_cases": int(n_cases),
        "n_patients": int(n_patients),
        "n_cases_out": int(cases_out),
        "n_patients_out": int(patients_out),
        "reason": reason,
    }
