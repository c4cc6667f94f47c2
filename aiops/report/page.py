"""Report: from the files of a run to HTML pages that a board can read and print.

``report.html`` may leave the team: it holds aggregate figures, with small counts hidden. So may
``sheet.html``, one page for clinicians, and the tables under ``export``.
``report_internal.html`` shows single cases with their ids and pictures, and stays.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2

from aiops.config import Experiment
from aiops.files import write_json, write_text
from aiops.report.annex import annex
from aiops.report.blocks import Section
from aiops.report.cases import worst_cases
from aiops.report.export import FOLDER, write_export
from aiops.report.files import RunFiles, read_run, shareable
from aiops.report.groups import groups
from aiops.report.intersections import intersections
from aiops.report.limits import limits
from aiops.report.performance import performance
from aiops.report.population import population
from aiops.report.practice import next_steps, safety, workflow
from aiops.report.question import question, reference
from aiops.report.sheet import clinician_sheet
from aiops.report.stamp import INTERNAL, SHAREABLE, SHEET, no_stamp
from aiops.report.verdict import verdict_page
from aiops.report.who import who
from aiops.report.why import mitigation, why

_TEMPLATES = Path(__file__).resolve().parent.parent / "templates"


@dataclass(frozen=True)
class Written:
    """Where the pages of a run stand."""

    report: Path
    internal: Path
    sheet: Path
    export: Path


def write_report(run_dir: Path, experiment: Experiment, stamp: str = "") -> Written:
    """Write the reports of a run, the clinicians' sheet, and the shareable tables.

    Parameters
    ----------
    run_dir : Path
        Folder of a run that has been evaluated. Nothing outside it is read but the images of the
        worst cases, which only the internal report shows.
    experiment : Experiment
        The config of the run.
    stamp : str
        How the run stands by the ledger, as `stamp.stamp` returns it; without it the place for
        it stays empty.

    Returns
    -------
    Written
        ``report.html``, ``sheet.html`` and the folder ``export``, which may be shared, and
        ``report_internal.html``, which may not.

    Raises
    ------
    StageError
        If the run has not been evaluated.
    """
    files = read_run(run_dir)
    to_share = shareable(files)
    written = Written(run_dir / SHAREABLE, run_dir / INTERNAL, run_dir / SHEET, run_dir / FOLDER)
    write_text(written.report, render(to_share, experiment, stamp))
    write_text(written.internal, render(files, experiment, stamp))
    write_text(written.sheet, render_sheet(to_share, experiment, stamp))
    write_export(to_share, written.export)
    write_json(run_dir / "disclosure_log.json", to_share.disclosure_log)
    return written


def render(files: RunFiles, experiment: Experiment, stamp: str = "") -> str:
    """Return the report of a run as one HTML page that asks for nothing from elsewhere."""
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            use_case=experiment.use_case,
            intended_use=experiment.intended_use,
            task=experiment.task,
            run=files.name,
            is_shareable=files.is_shareable,
            page=verdict_page(files, experiment),
            sections=_sections(files, experiment),
            css=_css(),
            stamp=stamp or no_stamp(),
        )
    )


def render_sheet(files: RunFiles, experiment: Experiment, stamp: str = "") -> str:
    """Return the one page for clinicians; from the files as they may leave the team."""
    return (
        _environment()
        .get_template("sheet.html.j2")
        .render(
            use_case=experiment.use_case,
            intended_use=experiment.intended_use,
            run=files.name,
            s=clinician_sheet(files, experiment),
            css=_css(),
            stamp=stamp or no_stamp(),
        )
    )


VERBS = (
    question,
    population,
    who,
    reference,
    performance,
    groups,
    intersections,
    why,
    mitigation,
    workflow,
    safety,
    next_steps,
    limits,
    annex,
)
"""The sections after the verdict, in the order in which a board asks."""


def _sections(files: RunFiles, experiment: Experiment) -> tuple[Section, ...]:
    found = [verb(files, experiment) for verb in VERBS]
    if not files.is_shareable:
        found.insert(VERBS.index(why) + 1, worst_cases(files, experiment))
    return tuple(found)


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _css() -> str:
    return (_TEMPLATES / "report.css").read_text(encoding="utf-8")
