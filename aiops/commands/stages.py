"""The stages, one command each, in the order in which `run` takes them."""

import re
from pathlib import Path
from typing import Any

import click

from aiops.commands.shared import config_arguments, emit, json_option, progress, say


def _run_stage(name: str, config: Path, overrides: tuple[str, ...], **options: Any) -> Any:
    from aiops.pipeline.run import run_stage
    from aiops.pipeline.workspace import open_workspace

    workspace = open_workspace(config, overrides)
    say(f"run folder: {workspace.folder}")
    with progress(name) as moved:
        return run_stage(name, workspace, moved, **options)


@click.command(
    "ingest",
    epilog="Example: aiops ingest scans/ --attributes patients.csv --out cases.csv",
)
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--attributes",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Table with a row per case: patient, sex, age, site and so on.",
)
@click.option("--case", "case_column", default="case_id", help="Its column that names the case.")
@click.option("--patient", "patient_column", help="Its column that names the patient.")
@click.option("--keep-ids", is_flag=True, help="Keep patient ids; default: keyed pseudonyms.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("cases.csv"),
    show_default=True,
    help="The cases table to write.",
)
@json_option
def ingest_command(
    source: Path,
    attributes: Path | None,
    case_column: str,
    patient_column: str | None,
    keep_ids: bool,
    out: Path,
    as_json: bool,
) -> None:
    """Pair the images and labels of SOURCE (a folder, or an .npz set) into a cases table."""
    from aiops.data.ingest import ingest

    report = ingest(
        source,
        out=out,
        attributes=attributes,
        case_column=case_column,
        patient_column=patient_column,
        pseudonyms=not keep_ids,
    )
    emit(report.to_dict(), report.lines(), as_json=as_json)


@click.command(
    "audit",
    epilog="Example: aiops audit configs/demo_wrist.yaml   or   aiops audit --folder scans/",
)
@click.argument("config", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Look at a folder of images and labels without a config.",
)
@json_option
def audit_command(
    config: Path | None, overrides: tuple[str, ...], folder: Path | None, as_json: bool
) -> None:
    """Look for faults in the data of CONFIG; each finding names case, file and remedy."""
    from aiops.data.audit import audit_folder
    from aiops.pipeline.summary import audit_lines

    if folder is not None:
        with progress("audit") as moved:
            result = audit_folder(folder, progress=moved).to_dict()
    elif config is not None:
        result = _run_stage("audit", config, overrides)
    else:
        raise click.UsageError("name a CONFIG, or a folder with --folder")
    emit(result, audit_lines(result), as_json=as_json)
    if not result["clean"]:
        raise SystemExit(2)


@click.command("split", epilog="Example: aiops split configs/demo_wrist.yaml split.seed=1")
@config_arguments
def split_command(config: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Share the patients of CONFIG out into train, tune and a sealed test list."""
    result = _run_stage("split", config, overrides)
    lines = [
        f"{part}: {n['patients']} patients, {n['cases']} cases"
        for part, n in result["counts"].items()
    ]
    emit(result, [*lines, f"seal of the test list: {result['seal'][:12]}"], as_json=as_json)


@click.command("plan", epilog="Example: aiops plan configs/demo_kidney_ct.yaml")
@config_arguments
def plan_command(config: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Plan spacing, patch, network and steps from the training data, and freeze them."""
    result = _run_stage("plan", config, overrides)
    emit(result, [f"{key}: {value}" for key, value in result["summary"].items()], as_json=as_json)


@click.command("train", epilog="Example: aiops train configs/demo_kidney_ct.yaml")
@config_arguments
@click.option("--fresh", is_flag=True, help="Begin again; default: go on where it stopped.")
def train_command(config: Path, overrides: tuple[str, ...], as_json: bool, fresh: bool) -> None:
    """Train as planned. Stopped at any moment, it goes on from its last checkpoint."""
    result = _run_stage("train", config, overrides, fresh=fresh)
    lines = [_trained(name, member) for name, member in result["members"].items()]
    emit(result, lines, as_json=as_json)


def _trained(name: str, member: dict[str, Any]) -> str:
    if member["best_score"] is None:  # each site left out once: nothing is chosen
        return f"{name}: {member['steps']} steps, {member['seconds']:.0f} s"
    return (
        f"{name}: best tune score {member['best_score']:.4f} at step {member['best_step']} "
        f"of {member['steps']}, {member['seconds']:.0f} s"
    )


@click.command("predict", epilog="Example: aiops predict configs/demo_kidney_ct.yaml")
@config_arguments
def predict_command(config: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Predict tune and test cases; a case that fails is a row with its reason."""
    result = _run_stage("predict", config, overrides)
    lines = [f"{result['n_rows']} rows, {result['n_failed']} failed"]
    emit(result, lines, as_json=as_json)


@click.command("evaluate", epilog="Example: aiops evaluate configs/chest_xray_vendor.yaml")
@config_arguments
def evaluate_command(config: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Score the predictions, by group, with intervals; each reading of a test list is counted."""
    from aiops.pipeline.summary import evaluation_lines

    result = _run_stage("evaluate", config, overrides)
    emit(result, evaluation_lines(result), as_json=as_json)


@click.command(
    "gate",
    epilog="Example: aiops gate configs/demo_wrist.yaml   or   aiops gate G4 --use-case SLUG",
)
@click.argument("asked", metavar="CONFIG|STEP|DECISION")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--use-case", "use_case", help="Number or slug, for a STEP (G0 to G6).")
@click.option(
    "--run",
    "run_dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The run's folder, for a STEP; default: the newest evaluated run of the case.",
)
@json_option
def gate_command(
    asked: str,
    overrides: tuple[str, ...],
    use_case: str | None,
    run_dir: Path | None,
    as_json: bool,
) -> None:
    """Ask the gate of CONFIG's run, or a STEP of a case: pass, fail, undecided; exit 3 unless pass.

    STEP is G0 to G6: a step of the lifecycle, answered from the register, the papers and the runs
    of a use case. CONFIG is an experiment: its run is held to the policy that it names. DECISION,
    such as DEC-2026-0001, asks again what it rests on: the same bytes, the same answer.
    """
    if re.fullmatch(r"DEC-\d{4}-\d+", asked):
        _asked_again(asked, as_json=as_json)
        return
    if re.fullmatch(r"[Gg]\d+", asked):
        result, lines = _asked_step(asked.upper(), use_case, run_dir, overrides)
    else:
        from aiops.pipeline.summary import gate_lines

        if use_case or run_dir:
            raise click.UsageError("--use-case and --run go with a STEP, such as G4")
        if not Path(asked).is_file():
            raise click.UsageError(f"'{asked}' is no config file and no step from G0 to G6")
        result = _run_stage("gate", Path(asked), overrides)
        lines = gate_lines(result)
    emit(result, lines, as_json=as_json)
    if result["outcome"] != "pass":
        raise SystemExit(3)


def _asked_again(decision: str, *, as_json: bool) -> None:
    from aiops.governance.gates import of_decision
    from aiops.pipeline.summary import gate_lines

    result = of_decision(decision)
    told = [*gate_lines(result), f"{decision} rests on this: the same bytes answer the same"]
    emit(result, told, as_json=as_json)


def _asked_step(
    step: str, use_case: str | None, run_dir: Path | None, overrides: tuple[str, ...]
) -> tuple[dict[str, Any], list[str]]:
    from aiops.governance.gates import ask, keep, step_lines
    from aiops.governance.lifecycle import read_lifecycle

    if use_case is None or overrides:
        raise click.UsageError(f"ask a step of a case: aiops gate {step} --use-case SLUG")
    result = ask(step, use_case, run_dir)
    say(f"kept: {keep(result)}")
    return result, step_lines(result, read_lifecycle().step(step))


@click.command("report", epilog="Example: aiops report configs/demo_wrist.yaml")
@config_arguments
@click.option("--pdf", is_flag=True, help="Also as PDF: pip install 'clinical-aiops[pdf]'.")
def report_command(config: Path, overrides: tuple[str, ...], as_json: bool, pdf: bool) -> None:
    """Write report.html, sheet.html and export/, to share; report_internal.html stays."""
    result = _run_stage("report", config, overrides, pdf=pdf)
    emit(result, [str(path) for path in result.values()], as_json=as_json)


COMMANDS = {
    "ingest": ingest_command,
    "audit": audit_command,
    "split": split_command,
    "plan": plan_command,
    "train": train_command,
    "predict": predict_command,
    "evaluate": evaluate_command,
    "gate": gate_command,
    "report": report_command,
}
