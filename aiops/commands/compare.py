"""Which run is better, and how many patients a question takes."""

from typing import Any

import click

from aiops.commands.shared import emit, json_option, say


@click.command(
    "compare",
    epilog="Example: aiops compare configs/old.yaml configs/new.yaml --margin 0.02 --by-group",
)
@click.argument("run_a")
@click.argument("run_b")
@click.option(
    "--margin",
    type=float,
    help="A loss in the primary metric that would matter: is RUN_B non-inferior?",
)
@click.option("--by-group", is_flag=True, help="Show the primary figures of each group too.")
@click.option("--no-tracking", is_flag=True, help="Do not write to MLflow.")
@json_option
def compare_command(
    run_a: str, run_b: str, margin: float | None, by_group: bool, no_tracking: bool, as_json: bool
) -> None:
    """Compare RUN_B with RUN_A on the sealed test list of both: case by case, by group too.

    A run is named by its folder, by its config, or by its name in AIOPS_HOME.
    """
    from aiops.errors import AiopsError
    from aiops.pipeline.compare import compare_runs
    from aiops.pipeline.comparison_view import (
        comparison_lines,
        project_comparison,
        shared_tables,
    )

    result, table = compare_runs(run_a, run_b, margin=margin)
    run_id = None
    if not no_tracking:
        from aiops.tracking import log_comparison

        try:
            shown = project_comparison(result, table)
            run_id = log_comparison(shown, shared_tables(result, table))
        except AiopsError as fault:
            say(f"the comparison is written, but MLflow has not got it:\n{fault}")
    lines = comparison_lines(result, by_group=by_group)
    emit({**result, "mlflow_run_id": run_id}, lines, as_json=as_json)


METRICS = ("sensitivity", "specificity", "accuracy", "roc_auc", "dice")


@click.command(
    "sample-size",
    epilog="Example: aiops sample-size --metric sensitivity --value 0.9 --difference 0.1 "
    "--prevalence 0.05 --group women=0.5 --group black=0.05",
)
@click.option(
    "--metric",
    type=click.Choice(METRICS),
    default="sensitivity",
    show_default=True,
    help="What it is about; dice stands for the mean of any paired figure.",
)
@click.option("--value", type=float, help="What it is expected to be, e.g. 0.9.")
@click.option("--difference", type=float, help="How much less would matter, e.g. 0.1.")
@click.option("--half-width", type=float, help="Half the width wanted of its interval, e.g. 0.05.")
@click.option("--margin", type=float, help="dice: a loss that would matter (non-inferiority).")
@click.option("--sd", type=float, help="dice: standard deviation of the paired differences.")
@click.option(
    "--correlation", type=float, default=0.0, show_default=True, help="roc_auc: of two tools."
)
@click.option("--prevalence", type=float, help="Share of cases with the finding.")
@click.option(
    "--group",
    "groups",
    multiple=True,
    help="NAME=SHARE of the patients, or NAME=SHARE:PREVALENCE; once for each group.",
)
@click.option("--cases-per-patient", type=float, default=1.0, show_default=True)
@click.option("--icc", type=float, default=0.0, show_default=True, help="Likeness of those cases.")
@click.option("--patients", type=float, help="Patients at hand: what power do they have?")
@click.option("--alpha", type=float, default=0.05, show_default=True, help="Two-sided level.")
@click.option("--power", type=float, default=0.8, show_default=True)
@json_option
def sample_size_command(groups: tuple[str, ...], as_json: bool, **asked: Any) -> None:
    """Say how many patients each group needs, and how large the whole cohort must then be."""
    from aiops.pipeline.planned_size import planned_size, size_lines

    result = planned_size(groups, asked)
    emit(result, size_lines(result), as_json=as_json)


COMMANDS = {"compare": compare_command, "sample-size": sample_size_command}
