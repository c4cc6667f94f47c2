"""Releasing a model: the bytes that a decision names, and no others, leave as one folder.

An approval names the digests of weights, plan, config, data, evaluation and report. They are
computed anew here, of the run and of what was copied; what differs, has lapsed, is overdue, was
stopped or is signed by fewer than its rules ask is refused, and nothing is written then. What may
go into a bundle is a list: no prediction, no table of cases and no picture is on it.
"""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiops import home
from aiops.errors import DataError, GateError, LedgerError, StageError
from aiops.files import read_json, write_json, write_text
from aiops.governance import ledger
from aiops.governance.bundle import (
    BOUND,
    DECISION,
    IN_BUNDLE,
    KEYRING,
    LIFECYCLE,
    PREDICTIONS,
    RELEASES,
    REPORT,
    WEIGHTS,
    digests_of,
    line_of,
    write_manifest,
)
from aiops.governance.bundle_check import facts_of
from aiops.governance.documents import bytes_path
from aiops.governance.effects import usable_states
from aiops.governance.held import recorded_faults
from aiops.governance.in_use import use_faults
from aiops.governance.keyring import book_of
from aiops.governance.lawful import rules_of
from aiops.governance.lifecycle import APPROVALS, Lifecycle, read_lifecycle
from aiops.governance.members import changed_members
from aiops.governance.usecase import UseCase, find
from aiops.provenance import content_hash

MODEL_FILES = (".safetensors", ".skops", ".json")
"""What weights are kept in: reading these runs no code."""

FROZEN = ("plan.json", "resolved.yaml")
COPIED = (*FROZEN, "sheet.html")
"""What goes with bytes that were frozen, and with those that were evaluated too."""

FIX_BYTES = "put the approved files back, or have the run as it is now decided on"


@dataclass(frozen=True)
class Released:
    """A bundle that was written, and the decision it rests on."""

    folder: Path
    manifest: Mapping[str, Any]
    record: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def release(use_case: str, out: Path, run_dir: Path | None = None) -> Released:
    """Write the bundle of an approved run, whole or not at all.

    Parameters
    ----------
    use_case : str
        Slug or number.
    out : Path
        Folder that shall hold the bundle; it must not be there yet.
    run_dir : Path, optional
        The run; that of the last approval which binds bytes, when not given.

    Raises
    ------
    GateError
        If no decision names these bytes, or what names them lapsed, was stopped, or waits for
        something that is overdue.
    LedgerError
        If the ledger or the signatures on the decision do not hold.
    DataError
        If `out` is there, or the run holds a kind of file that no bundle takes.
    StageError
        If a file of the run is missing.
    """
    if out.exists():
        raise DataError(
            f"{out.name} is there already, and a bundle is never written over",
            where=str(out),
            fix="name a folder that is not there",
        )
    case = find(use_case)
    line = approval_for(case, run_dir)
    run = run_dir or run_of(line.record)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as temporary:
        folder = Path(temporary) / "bundle"
        cycle = _rules(line)
        _require_trained(run, line)
        _fill(folder, run, line, cycle)
        manifest = write_manifest(folder, _facts(case, run, line, cycle))
        _require_copied(folder, run, line)
        event = {
            "event": "release",
            "case_id": case.id,
            "use_case": case.slug,
            "run": run.name,
            "decision": line.record["id"],
            "decision_sha256": line.sha256,
            "manifest_sha256": manifest["sha256"],
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        ledger.append(lambda earlier: event, RELEASES)
        folder.rename(out)
    still = [f"{c.id} {c.text} ({c.owner}, {c.due})" for c in case.conditions if c.status == "open"]
    return Released(out, manifest, line.record, tuple(f"still open: {text}" for text in still))


def approval_for(case: UseCase, run_dir: Path | None = None) -> ledger.Line:
    """Return the decision that names a run's bytes and is in force, as a line of the ledger.

    Raises
    ------
    GateError
        If there is none.
    LedgerError
        If the ledger or its signatures do not hold.
    """
    if faults := ledger.verify():
        raise LedgerError(
            f"line {faults[0].line}: {faults[0].what}; nothing is released from a broken ledger",
            where=str(ledger.book_path()),
            fix="aiops ledger verify says all that is wrong",
        )
    _require_usable(case)
    lines = [
        line
        for line in ledger.read_lines()
        if line.record["case_id"] == case.id and _binds_bytes(line.record)
    ]
    if not lines:
        raise GateError(
            f"no decision approves any bytes of {case.id} {case.slug}",
            where=f"use case {case.id}: {case.state}",
            fix=f"aiops decide approve --use-case {case.slug} --run DIR",
        )
    run = run_dir or run_of(lines[-1].record)
    line = _naming(lines, run)
    _require_in_force(case, line)
    return line


def run_of(record: Mapping[str, Any]) -> Path:
    """Return the folder of the run that a decision is about."""
    uri = str(record["subject"][0]["model_uri"]).partition("#")[0]
    folder = home.runs_dir(str(record["use_case"])) / Path(uri).name
    if not folder.is_dir():
        raise StageError(
            f"the run {folder.name} that {record['id']} names is not here",
            where=str(folder),
            fix="bring its folder back, or name where it is: --run DIR",
        )
    return folder


def _require_usable(case: UseCase) -> None:
    usable = usable_states()
    if case.state not in usable:
        raise GateError(
            f"{case.id} {case.slug} is {case.state}, so nothing of it is released",
            where=f"use case {case.id}: decisions {', '.join(case.decisions) or 'none'}",
            fix=f"released is what is {', '.join(usable)}",
        )


def _binds_bytes(record: Mapping[str, Any]) -> bool:
    """Return whether a decision approves bytes: at a step that has an effect on them."""
    cycle = read_lifecycle()
    by_policy = {name: told.step for name, told in cycle.policies.items()}
    step = record.get("gate_step") or by_policy.get(record["gate"], "")
    return record["outcome"] in APPROVALS and bool(step) and bool(cycle.step(step).effect)


def _naming(lines: list[ledger.Line], run: Path) -> ledger.Line:
    """Return the last decision that names exactly the bytes of a run."""
    there = digests_of(run)
    named = [(line, dict(line.record["subject"][0].get("digests", {}))) for line in lines]
    for line, digests in reversed(named):
        if digests and digests == _asked(digests, there):
            return line
    about = [pair for pair in named if f"/{run.name}" in pair[0].record["subject"][0]["model_uri"]]
    if not about:
        told = ", ".join(f"{line.record['id']} names {run_name(line)}" for line, _ in named)
        raise GateError(
            f"no decision names the bytes of the run {run.name}: {told}",
            where=str(run),
            fix="have this run decided on, or release the one that was",
        )
    line, digests = about[-1]
    if not digests:
        raise GateError(
            f"{line.record['id']} names no bytes: it was made before decisions did",
            where=str(run),
            fix="decide on the run again",
        )
    now = _asked(digests, there)
    changed = sorted(k for k in digests.keys() | now.keys() if digests.get(k) != now.get(k))
    raise GateError(
        f"changed after {line.record['id']} was made: {', '.join(changed)} of the run {run.name}",
        where=str(run),
        fix=FIX_BYTES,
    )


def _asked(named: Mapping[str, str], there: Mapping[str, str]) -> dict[str, str]:
    """Leave out what came after a decision that froze bytes before they were evaluated."""
    later = {"evaluation", "predictions"} - named.keys()
    return {name: digest for name, digest in there.items() if name not in later}


def run_name(line: ledger.Line) -> str:
    """Return the name of the run that a decision is about."""
    return Path(str(line.record["subject"][0]["model_uri"]).partition("#")[0]).name


def _require_in_force(case: UseCase, line: ledger.Line) -> None:
    """Refuse an approval that ended, waits for what is late, or is not what its rules ask."""
    mine = [record for record in ledger.read_all() if record["case_id"] == case.id]
    if told := use_faults(case, line.record, mine):
        raise GateError(
            f"not to be used: {'; '.join(told)}",
            where=f"use case {case.id} {case.slug}: {line.record['id']}",
            fix="have these bytes decided on again, or bring what is owed, then release them",
        )
    if faults := recorded_faults(str(line.record["id"])):
        raise LedgerError(
            "; ".join(faults),
            where=str(line.record["id"]),
            fix="aiops ledger verify says all that is wrong; nothing is released",
        )


def _rules(line: ledger.Line) -> Lifecycle:
    cycle = rules_of(line.record)
    if cycle is None:
        raise LedgerError(
            f"nobody kept the rules that {line.record['id']} was made under",
            where=str(home.ledger_dir() / "lifecycles"),
            fix="bring that folder back from a backup, or have the run decided on again",
        )
    return cycle


def _require_trained(run: Path, line: ledger.Line) -> None:
    """Refuse weights that were put in after training: the figures are of others."""
    if changed := changed_members(run):
        raise GateError(
            f"not the weights that were trained and evaluated: {', '.join(changed)} of {run.name}, "
            f"though {line.record['id']} names them",
            where=str(run / WEIGHTS),
            fix="train and evaluate again, and have that run decided on",
        )


def _require_copied(folder: Path, run: Path, line: ledger.Line) -> None:
    """Compare what was copied, and the run as it is after that, with what the decision names."""
    record = line.record
    named: dict[str, str] = record["subject"][0]["digests"]
    copied = digests_of(folder)
    changed = [name for name in IN_BUNDLE if copied.get(name) != named.get(name)]
    now = _asked(named, digests_of(run))
    changed += [name for name in named if now.get(name) != named[name] and name not in changed]
    report = folder / REPORT
    asked = record.get("report_sha256")
    if report.exists() and asked and content_hash(report) != asked:
        changed.append("report")
    if changed:
        raise GateError(
            f"changed while it was copied: {', '.join(changed)} of the run {run.name}",
            where=str(run),
            fix="see that nothing writes to the run, then release it again",
        )


def _fill(folder: Path, run: Path, line: ledger.Line, cycle: Lifecycle) -> None:
    from aiops.governance.evidence import read_experiment
    from aiops.governance.soup import soup

    experiment = read_experiment(run)
    single = {experiment.data.case, experiment.data.patient} & set(experiment.data.exclude)
    if single:
        raise DataError(
            f"data.exclude names single {', '.join(sorted(single))}, and the config would travel",
            where=str(run / "resolved.yaml"),
            fix="leave those rows out of the cases table instead, and have the new run decided on",
        )
    is_vendor = not (run / WEIGHTS).is_dir()
    if is_vendor and not line.record["subject"][0].get("product"):
        raise GateError(
            f"{line.record['id']} names no product, and there are no weights here",
            where=str(run / "resolved.yaml"),
            fix="write vendor: {product: NAME, version: VERSION} into the config, and decide again",
        )
    folder.mkdir()
    _copy_weights(run, folder)
    evaluated = "evaluation" in line.record["subject"][0]["digests"]
    for name in COPIED if evaluated else FROZEN:
        if (run / name).exists():
            shutil.copyfile(run / name, folder / name)
        elif name == "resolved.yaml":
            raise StageError(f"{name} is not there", where=str(run), fix="aiops report CONFIG")
    if evaluated:
        _copy_report(run, folder, line)
        _write_thresholds(run, folder)
        _write_card(run, folder)
    write_json(folder / DECISION, line_of(line))
    write_json(folder / LIFECYCLE, cycle.model_dump(mode="json", by_alias=True))
    ring = ledger.book_path(book_of(str(line.record["use_case"])))
    if ring.exists():
        shutil.copyfile(ring, folder / KEYRING)
    write_json(folder / "soup.json", soup())


def _copy_report(run: Path, folder: Path, line: ledger.Line) -> None:
    """Copy the report that was on the table: the run's own page changes with each decision."""
    sha256 = str(line.record.get("report_sha256") or "")
    report = bytes_path(sha256) if sha256 else run / REPORT
    if not report.is_file():
        told = f"the {REPORT} that {line.record['id']} names" if sha256 else REPORT
        raise StageError(
            f"{told} is not there",
            where=str(report),
            fix="bring it back from a backup" if sha256 else "aiops report CONFIG",
        )
    shutil.copyfile(report, folder / REPORT)


def _copy_weights(run: Path, folder: Path) -> None:
    for path in sorted((run / WEIGHTS).rglob("*")):
        if not path.is_file():
            continue
        if path.suffix not in MODEL_FILES or path.is_symlink():
            raise DataError(
                f"{path.name} is no kind of file that a bundle takes",
                where=str(path),
                fix=f"weights are {', '.join(MODEL_FILES)}: a model file must not run code",
            )
        to = folder / path.relative_to(run)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, to)


def _write_thresholds(run: Path, folder: Path) -> None:
    """Write at which score each finding is called: without it the figures are of another test."""
    points = read_json(run / BOUND["evaluation"]).get("operating_points") or {}
    told = {
        target: {key: point.get(key) for key in ("criterion", "threshold")}
        for target, point in points.items()
    }
    if told:
        write_json(folder / "thresholds.json", told)


def _write_card(run: Path, folder: Path) -> None:
    """Write the card as it reads today, with what people said in the run's own."""
    from aiops.governance.card import FOLDER, PEOPLE, as_html, as_markdown, make_card
    from aiops.governance.evidence import read_experiment
    from aiops.report.files import read_run, shareable

    written = run / FOLDER / "card.json"
    sections = read_json(written)["sections"].values() if written.exists() else []
    asked = {name for fields in PEOPLE.values() for name, _ in fields}
    said = {k: v for fields in sections for k, v in fields.items() if k in asked and v}
    card = make_card(shareable(read_run(run)), read_experiment(run), said)
    write_text(folder / FOLDER / "card.html", as_html(card))
    write_text(folder / FOLDER / "README.md", as_markdown(card))


def _facts(case: UseCase, run: Path, line: ledger.Line, cycle: Lifecycle) -> dict[str, Any]:
    told = read_json(run / "run.json")
    return {
        **facts_of(line.record, cycle),
        "title": case.title,
        "run": run.name,
        "decision": line.record["id"],
        "decision_sha256": line.sha256,
        "made_with": told.get("environment", {}),
        "not_in_it": ["cases", *PREDICTIONS],
    }
