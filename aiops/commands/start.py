"""Where a new user starts: the demo, a first config, and everything in one command."""

from pathlib import Path

import click

from aiops.commands.shared import config_arguments, emit, json_option, progress, say


@click.command("demo", epilog="Example: aiops demo   (at most 7 minutes on two cores)")
@click.option("--seed", default=0, show_default=True, help="Seed of the made cohorts.")
@json_option
def demo_command(seed: int, as_json: bool) -> None:
    """Make two cohorts, train two models, find the planted harm, and record three decisions."""
    from aiops.demo import demo, demo_lines

    result = demo(seed=seed, say=say, bar=progress)
    emit(result, demo_lines(result), as_json=as_json)


@click.command("init", epilog="Example: aiops init cohort/cases.csv --out configs/mine.yaml")
@click.argument("table", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the config; default: on the screen.",
)
@json_option
def init_command(table: Path, out: Path | None, as_json: bool) -> None:
    """Look at TABLE and write a commented config to begin with."""
    from aiops.errors import ConfigError
    from aiops.files import write_text
    from aiops.first_config import first_config

    if out is not None and out.exists():
        raise ConfigError("the file is there already", where=str(out), fix="name another --out")
    guess = first_config(table, beside=out.parent if out else Path())
    if out is None:
        emit({"config": guess.text, "to_do": guess.to_do}, [guess.text], as_json=as_json)
        return
    write_text(out, guess.text)
    lines = [f"written: {out}", *(f"to do: {item}" for item in guess.to_do)]
    lines.append(f"then: aiops validate {out}")
    emit({"written": str(out), "to_do": guess.to_do}, lines, as_json=as_json)


@click.command("validate", epilog="Example: aiops validate configs/chest_xray.yaml")
@config_arguments
def validate_command(config: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Check CONFIG and the columns of its table, all mistakes at once; nothing is run."""
    from aiops.data.population import read_population
    from aiops.data.table import check_columns
    from aiops.reading import read_config

    read = read_config(config, overrides)
    table = check_columns(read.experiment, config_path=config)
    read_population(read.experiment, config_path=config)
    experiment = read.experiment
    result = {
        "config": str(config),
        "use_case": experiment.use_case,
        "task": experiment.task,
        "targets": list(experiment.targets),
        "attributes": list(experiment.data.attributes),
        "table": str(table),
        "valid": True,
    }
    named = ", ".join(experiment.fairness.attributes) if experiment.fairness else "none"
    lines = [
        f"{config} is sound",
        f"  {experiment.task} of {', '.join(experiment.targets)}",
        f"  groups named in advance: {named}",
        f"then: aiops run {config}",
    ]
    emit(result, lines, as_json=as_json)


@click.command("run", epilog="Example: aiops run configs/demo_wrist.yaml")
@config_arguments
@click.option("--no-tracking", is_flag=True, help="Do not write to MLflow.")
def run_command(config: Path, overrides: tuple[str, ...], as_json: bool, no_tracking: bool) -> None:
    """Take CONFIG through all stages; what is done and unchanged is skipped.

    Ends with 0 when all stages are done, whatever the gate answered; `aiops gate` tells by its
    exit code.
    """
    from aiops.pipeline.run import run
    from aiops.pipeline.summary import run_lines

    result = run(config, overrides, say=say, bar=progress, tracked=not no_tracking)
    emit(result, run_lines(result), as_json=as_json)


COMMANDS = {
    "demo": demo_command,
    "init": init_command,
    "validate": validate_command,
    "run": run_command,
}
