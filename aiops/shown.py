"""What the ledger leads to in MLflow: names, tags and files. Nothing is read or written there."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from aiops import home
from aiops.errors import LedgerError
from aiops.files import write_text
from aiops.governance import documents, ledger, usecase
from aiops.governance.letter import decision_html, evidence_table
from aiops.governance.record import DecisionRecord
from aiops.governance.standing import DecisionStanding, case_on, decision_standing
from aiops.governance.usecase import UseCase
from aiops.governance.views import LEDGER, SHOWN_ON, decision_tags, use_case_tags
from aiops.provenance import content_hash

LONGEST_TAG = 5000
STATUS = {
    "approve": "FINISHED",
    "approve-with-conditions": "FINISHED",
    "resume": "FINISHED",
    "reject": "KILLED",
    "discontinue": "KILLED",
    "suspend": "KILLED",
    "retire": "KILLED",
    "defer": "SCHEDULED",
    "re-review": "SCHEDULED",
}
"""How a decision's run looks in the list: a green tick, a red cross, a clock."""

RECORD = "aiops.record_sha256"
REPORT = "report.html"


@dataclass(frozen=True)
class Told:
    """A decision as the ledger has it, and its case as it stands."""

    line: ledger.Line
    record: DecisionRecord
    case: UseCase

    @property
    def name(self) -> str:
        """Name of its run: the list cuts it, so what a board looks for comes first."""
        return f"{self.case.slug}: {self.record.outcome} · {self.record.id} {self.case.id}"

    @property
    def status(self) -> str:
        """Status of its run."""
        return STATUS[self.record.outcome]

    @property
    def start_ms(self) -> int:
        """When it was recorded, as MLflow writes the start of a run."""
        return milliseconds(self.record.created_at)

    def files(self, standing: DecisionStanding) -> dict[str, str]:
        """Return the dossier: the page, the record, the evidence as a table, the signatures."""
        written = {
            "decision.json": self.record.to_json(),
            "evidence.json": evidence_table(self.record),
        }
        if self.line.attached:
            written["signatures.json"] = dict(self.line.attached)
        told = {name: json.dumps(value, indent=2) + "\n" for name, value in written.items()}
        return {"decision.html": decision_html(self.record, self.case, standing), **told}

    def tags(self, standing: DecisionStanding, folder: Path | None = None) -> dict[str, str]:
        """Return the tags of its run; what is too long for MLflow goes to `folder`."""
        tags = decision_tags(self.record, self.case, standing=standing)
        tags[RECORD] = self.line.sha256
        tags["aiops.files_sha256"] = _sha256(
            "".join(self.files(standing).values()) + self.record.report_sha256
        )
        tags[LEDGER] = ledger_id()
        return fitted(tags, LONGEST_TAG, folder)

    def write(self, folder: Path, day: date) -> dict[str, str]:
        """Write what its run holds as it is shown on a day, and return the tags.

        The report is the copy that was kept when it was decided on; the run's own changes later.
        """
        now = decision_standing(self.record, self.case, day)
        for name, text in self.files(now).items():
            write_text(folder / name, text)
        if documents.file_state(self.record.report_sha256) == "there":
            shutil.copyfile(documents.bytes_path(self.record.report_sha256), folder / REPORT)
        return {**self.tags(now, folder), SHOWN_ON: day.isoformat()}

    def sums(self, folder: Path) -> dict[str, str]:
        """Return the SHA-256 of each file of its run, of those that were written to a folder.

        The report is held to the decision: its copy in AIOPS_HOME may be gone.
        """
        files = [path for path in folder.rglob("*") if path.is_file()]
        sums = {path.relative_to(folder).as_posix(): content_hash(path) for path in files}
        return sums | ({REPORT: self.record.report_sha256} if self.record.report_sha256 else {})


def read_ledger() -> list[Told]:
    """Return every decision with its case, the oldest first.

    Raises
    ------
    LedgerError
        If a line does not read as a decision on a case of the register.
    """
    try:
        cases = {case.id: case for case in usecase.list_use_cases()}
        lines = ledger.read_lines()
        records = [DecisionRecord.model_validate(line.record) for line in lines]
        return [Told(*pair, cases[pair[1].case_id]) for pair in zip(lines, records, strict=True)]
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise LedgerError(
            "a line of the ledger does not read as a decision on a registered use case",
            where=str(home.ledger_dir()),
            fix="see which: aiops ledger verify",
        ) from fault


def require_sound() -> None:
    """Refuse to show anybody a ledger whose lines do not hold together.

    Raises
    ------
    LedgerError
        With the first fault of the first such book.
    """
    for book in ledger.books():
        if faults := ledger.broken(book):
            raise LedgerError(
                f"line {faults[0].line}: {faults[0].what}; a ledger that does not hold is not "
                "shown in MLflow",
                where=str(ledger.book_path(book)),
                fix="see all that is wrong: aiops ledger verify; then restore it from a backup",
            )


def ledger_id() -> str:
    """Return what tells this ledger from another: the sum of the first line of its register."""
    lines = ledger.read_lines(ledger.USE_CASES)
    return lines[0].sha256 if lines else ""


def is_foreign(tags: Mapping[str, str]) -> bool:
    """Return whether tags say that something is shown for another ledger."""
    return tags.get(LEDGER, "") not in ("", ledger_id())


def foreign_words(name: str) -> str:
    """Return that something belongs to another ledger, and what to do about it."""
    return (
        f"{name} is shown in MLflow for another ledger and was left as it is: give each AIOPS_HOME "
        f"an MLflow of its own; if nobody else writes there, take its tag {LEDGER} off"
    )


def tags_of_case(case: UseCase, day: date | None = None) -> dict[str, str]:
    """Return the tags of a use case on a day, none longer than MLflow holds."""
    tags = use_case_tags(case_on(case, day or date.today()))
    return fitted({**tags, LEDGER: ledger_id()}, LONGEST_TAG, None)


def milliseconds(moment: str) -> int:
    """Return a moment as MLflow writes the start of a run."""
    return int(datetime.fromisoformat(moment).timestamp() * 1000)


def fitted(values: Mapping[str, str], longest: int, folder: Path | None) -> dict[str, str]:
    """Return values that MLflow can hold whole; a longer one goes to a file and names its hash."""
    short = {}
    for key, value in values.items():
        if len(value) > longest:
            if folder is not None:
                write_text(folder / "settings" / "long" / f"{key}.txt", value)
            sha256 = _sha256(value)
            short[key] = f"{value[: longest - 150]} … cut here; SHA-256 of the whole {sha256}"
        else:
            short[key] = value
    return short


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
