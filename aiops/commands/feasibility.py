"""Before anything is built: whether the data suffice, and how many patients it would take."""

from pathlib import Path

import click

from aiops.commands.shared import config_arguments, emit, progress


@click.command(
    "feasibility",
    epilog="Example: aiops feasibility configs/wrist_feasibility.yaml --per-year 12",
)
@config_arguments
@click.option("--per-year", type=float, help="New patients with the finding a year.")
@click.option(
    "--readers",
    default="",
    help="TABLE:COLUMN_A:COLUMN_B[:PATIENT], two readers of the same cases: do they agree?",
)
@click.option(
    "--link",
    "links",
    multiple=True,
    help="TABLE:COLUMN: how many of the patients are found in that table?",
)
def feasibility_command(
    config: Path,
    overrides: tuple[str, ...],
    as_json: bool,
    per_year: float | None,
    readers: str,
    links: tuple[str, ...],
) -> None:
    """Ask of CONFIG's table alone what gate G1 asks; exit 3 unless every answer is a pass.

    Nothing is trained and no run is made: patients with the finding, images that are there, labels
    and blanks, missing fields, groups, sources. The answer is kept for the gate and the decision.
    """
    from aiops.governance.feasibility import Asked, assess, feasibility_lines

    result = assess(config, overrides, Asked(per_year, readers, links))
    emit(result, feasibility_lines(result), as_json=as_json)
    if result["outcome"] != "pass":
        raise SystemExit(3)


@click.command(
    "learning-curve",
    epilog="Example: aiops learning-curve configs/diabetes_readmission.yaml --per-year 4000",
)
@config_arguments
@click.option("--target", type=float, help="Score to reach; primary.acceptable if not said.")
@click.option(
    "--per-year",
    type=click.FloatRange(min=0, min_open=True),
    help="New patients a year, with the finding or without, for the whole cohort.",
)
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(3), help="Draws each.")
@click.option(
    "--points",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Fits made elsewhere, of any model: a table with columns n_patients and score, five fits "
    "or more of each size.",
)
def learning_curve_command(
    config: Path,
    overrides: tuple[str, ...],
    as_json: bool,
    target: float | None,
    per_year: float | None,
    seeds: int,
    points: Path | None,
) -> None:
    """Fit CONFIG's table model at growing shares of its patients, to tell how many it takes.

    Scored on the part that is tuned on; the sealed test list is not touched.
    """
    from aiops.governance.curve_words import curve_lines
    from aiops.governance.learning_curve import Aim, learning_curve

    aim = Aim(target=target, per_year=per_year, seeds=seeds)
    with progress("fits") as moved:
        result = learning_curve(config, overrides, aim, points=points, progress=moved)
    emit(result, curve_lines(result), as_json=as_json)


COMMANDS = {"feasibility": feasibility_command, "learning-curve": learning_curve_command}
