"""Stamps: the pages of runs say how each run stands by the ledger, and go on saying it.

A run's report is made before the decision on it. Each decision, each closed condition and each
``aiops run`` brings the stamps at the head of its pages to what the ledger says today.
"""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aiops import home
from aiops.board import Client, runs_of
from aiops.errors import AiopsError
from aiops.files import read_json, write_json, write_text
from aiops.governance.run_standing import RunStanding, run_standing
from aiops.governance.usecase import UseCase
from aiops.provenance import content_hash, json_hash
from aiops.report.stamp import INTERNAL, SHAREABLE, SHEET, stamp, stamped, words

PAGES = (SHAREABLE, INTERNAL, SHEET)
SHOWN = (SHAREABLE, SHEET)
"""Pages that go to MLflow."""
STANDING, PAGES_SHA256 = "aiops.standing", "aiops.pages_sha256"

_log = logging.getLogger(__name__)


def stamp_of(run_dir: Path, use_case: str | UseCase) -> str:
    """Return the stamp of a run, by the ledger as it stands today."""
    return _block(run_standing(use_case, run_dir.name))


def stamp_run(run_dir: Path, use_case: UseCase | None = None) -> bool:
    """Bring the pages of a run to what the ledger says of it.

    A page whose bytes are not those that the report stage noted was changed by hand: it is left
    as it is, and told. A PDF beside a page that changes is taken away: it would contradict it.
    The noted sums follow, so that the stage counts as done.

    Parameters
    ----------
    run_dir : Path
        The run's folder.
    use_case : UseCase, optional
        Its case as it stands; looked up where it is not given.

    Returns
    -------
    bool
        Whether a page changed in words; the day alone changes nothing.
    """
    run = read_json(run_dir / "run.json")
    block = stamp_of(run_dir, use_case or str(run["use_case"]))
    written: dict[str, str | None] = {}
    for name in PAGES:
        path = run_dir / name
        if not path.is_file():
            continue
        if not _is_ours(path, run):
            _log.warning(
                "%s is not as `aiops report` wrote it, so how the run stands is not told in it; "
                "write it again: aiops report CONFIG",
                path,
            )
            continue
        html = path.read_text(encoding="utf-8")
        if words(html) in (None, words(block)):
            continue
        write_text(path, stamped(html, block))
        written[name] = content_hash(path)
        pdf = path.with_suffix(".pdf")
        pdf.unlink(missing_ok=True)
        written[pdf.name] = None
    if written:
        _note(run_dir, written)
    return bool(written)


def stamp_runs(cases: Iterable[UseCase]) -> list[Path]:
    """Bring the pages of every run of some cases to what the ledger says of it.

    A folder that cannot be read or written is told and passed over: a decision is shown all the
    same.

    Returns
    -------
    list of Path
        Folders of which a page changed in words.
    """
    changed = []
    for case in cases:
        for folder in _run_folders(case):
            try:
                if stamp_run(folder, case):
                    changed.append(folder)
            except (AiopsError, OSError) as fault:
                _log.warning("how run %s stands is not told in its pages: %s", folder, fault)
    return changed


def show_stamps(client: Client, experiment_id: str, case: UseCase) -> None:
    """Show how each run of a case stands in its MLflow run: a tag, and the pages as they are now.

    A run that this store does not have is passed over. A page that was changed by hand is not
    logged.
    """
    there = {
        run.info.run_id: run.data.tags
        for run in runs_of(client, experiment_id)
        if run.info.lifecycle_stage == "active"
    }
    for folder in _run_folders(case):
        run = read_json(folder / "run.json")
        run_id = run.get("mlflow_run_id")
        if run_id not in there:
            continue
        paths = [folder / name for name in SHOWN if (folder / name).is_file()]
        edited = [path.name for path in paths if not _is_ours(path, run)]
        pages = [path for path in paths if path.name not in edited]
        said = run_standing(case, folder.name).headline
        if edited:
            said += f" · changed by hand, so it does not say so: {', '.join(edited)}"
        tags = {STANDING: said, PAGES_SHA256: json_hash([content_hash(path) for path in pages])}
        if tags.items() <= there[run_id].items():
            continue
        for path in pages:
            client.log_artifact(run_id, str(path))
        for key, value in tags.items():
            client.set_tag(run_id, key, value)


def _block(standing: RunStanding) -> str:
    return stamp(standing.tone, standing.headline, standing.lines, standing.as_of)


def _run_folders(case: UseCase) -> list[Path]:
    folder = home.runs_dir(case.slug)
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in found if (path / "run.json").is_file()]


def _is_ours(path: Path, run: dict[str, Any]) -> bool:
    """Return whether a page has the bytes that the report stage noted."""
    return bool(_outputs(run).get(path.name) == content_hash(path))


def _outputs(run: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = run.get("stages", {}).get("report", {}).get("outputs", {})
    return found


def _note(run_dir: Path, written: dict[str, str | None]) -> None:
    """Note the sums of the pages anew; what has none was taken away."""
    run = read_json(run_dir / "run.json")  # again: another stage may have noted something
    outputs = {**_outputs(run), **written}
    report = {**run["stages"]["report"], "outputs": {k: v for k, v in outputs.items() if v}}
    write_json(run_dir / "run.json", {**run, "stages": {**run["stages"], "report": report}})
