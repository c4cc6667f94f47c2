"""The hazard log of a use case, rated and traced."""

from pathlib import Path

import click

from aiops.commands.shared import emit, json_option


@click.group("hazards", epilog="Example: aiops hazards check configs/hazards/demo_wrist.yaml")
def hazards_command() -> None:
    """Rate a hazard log by the 5×5 matrix, and trace its controls to tests."""


@hazards_command.command(
    "check", epilog="Example: aiops hazards check configs/hazards/demo_wrist.yaml --tests tests"
)
@click.argument("log", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--tests",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of tests marked with pytest.mark.requirement.",
)
@json_option
def check_command(log: Path, tests: Path | None, as_json: bool) -> None:
    """Rate LOG and list what is left; exit 3 while a risk is left that may not be."""
    from aiops.governance.hazards import open_by_level, read_hazards, read_matrix, unacceptable
    from aiops.governance.trace import tests_by_requirement, trace

    rated, matrix = read_hazards(log), read_matrix()
    links = trace(rated, tests_by_requirement(tests)) if tests else []
    left = unacceptable(rated)
    lines = [
        f"{r.hazard.id} risk {r.initial} → {r.residual} ({matrix.meaning[r.residual]}): "
        f"{r.hazard.hazard}{'' if r.is_controlled else ' — not rated after controls'}"
        for r in rated
    ]
    lines += [f"{link.hazard} {link.requirement}: {link.gap}" for link in links if link.gap]
    lines += [f"{len(left)} hazards are left at a risk that may not be"] if left else []
    result = {
        "matrix_version": matrix.version,
        "hazards": [
            {**r.hazard.model_dump(), "initial": r.initial, "residual": r.residual} for r in rated
        ],
        "open_by_level": open_by_level(rated),
        "trace": [
            {"hazard": x.hazard, "requirement": x.requirement, "tests": x.tests, "gap": x.gap}
            for x in links
        ],
    }
    emit(result, lines, as_json=as_json)
    if left:
        raise SystemExit(3)


COMMANDS = {"hazards": hazards_command}
