"""The only door to MLflow: runs, models, use cases and decisions as people see them.

The run folder and the ledger are the truth. What stands in MLflow is a projection of them: every
function here may be called again, and brings the store to what the files say. The store is
``AIOPS_HOME/mlflow.db`` unless ``MLFLOW_TRACKING_URI`` names another.
"""

import json
import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from aiops import board, compared, home, register, registry, stamps, strangers
from aiops.config import Experiment
from aiops.errors import AiopsError
from aiops.files import read_json, write_json
from aiops.governance import usecase
from aiops.governance.usecase import UseCase
from aiops.projection import Curve, Dataset, Member, Projection, project_run, write_artifacts
from aiops.shown import LONGEST_TAG, fitted, read_ledger, require_sound

if TYPE_CHECKING:
    from mlflow import MlflowClient

DECISIONS = board.DECISIONS
PORTFOLIO = "governance/portfolio"
_WAIT_SECONDS = 120
LONGEST_PARAM = 6000


class TrackingError(AiopsError):
    """MLflow does not answer, or does not do what was asked."""


def tracking_uri() -> str:
    """Return the store: what MLFLOW_TRACKING_URI names, else the file in AIOPS_HOME."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home.home() / 'mlflow.db'}"


def check_connection() -> None:
    """Ask the store for an answer.

    Raises
    ------
    TrackingError
        If there is none.
    """
    with _store() as client:
        client.search_experiments(max_results=1)


def log_run(run_dir: Path, experiment: Experiment) -> str:
    """Show a run in MLflow, as far as its stages have come, and return its MLflow id.

    One run folder is one MLflow run, whose id is kept in ``run.json``. Called again after a stage,
    it adds what is new. Where a parameter has changed, which MLflow does not allow, a new run
    takes over and the old one names it.

    Parameters
    ----------
    run_dir : Path
        The run's folder.
    experiment : Experiment
        Its config.

    Raises
    ------
    TrackingError
        If MLflow does not answer. The run folder is whole without it.
    """
    shown = project_run(run_dir, experiment)
    told = read_json(run_dir / "run.json")
    with tempfile.TemporaryDirectory() as folder, _store() as client:
        files = Path(folder)
        tables = _logged_tables(write_artifacts(run_dir, experiment, files))
        tags = fitted({**shown.tags, "mlflow.loggedArtifacts": tables}, LONGEST_TAG, files)
        params = fitted(shown.params, LONGEST_PARAM, files)
        experiment_id = _use_case_experiment(client, experiment.use_case)
        run_id, old = _run_for(client, told.get("mlflow_run_id"), params)
        if run_id is None:
            run_id = board.create_run(
                client, experiment_id, shown.run_name, tags, told.get("created")
            )
        if old:
            client.set_tag(old, "aiops.superseded_by", run_id)
            client.set_terminated(old, "KILLED")
        write_json(run_dir / "run.json", {**told, "mlflow_run_id": run_id})
        _update(client, run_id, shown, tags, params)
        client.log_artifacts(run_id, str(files))
        _log_models(client, experiment_id, run_id, shown)
        _count_seal(client, experiment_id, tags.get("aiops.seal"))
        done = (run_dir / "evaluation.json").exists()
        board.end_run(client, run_id, "FINISHED" if done else "RUNNING")
    return run_id


def log_comparison(shown: Projection, tables: Mapping[str, Any]) -> str:
    """Show a comparison of two runs as a run of its own, kind ``compare``; return its id.

    Parameters
    ----------
    shown : Projection
        Its tags, ``aiops.use_case`` and ``aiops.comparison`` among them, params and metrics.
    tables : mapping
        What is shown as a table, by file name, in the form MLflow shows as one.
    """
    name = shown.tags["aiops.comparison"]
    with tempfile.TemporaryDirectory() as folder, _store() as client:
        experiment_id = _use_case_experiment(client, shown.tags["aiops.use_case"])
        query = f"tags.`aiops.comparison` = '{name}'"
        known = client.search_runs([experiment_id], query, max_results=1)
        tags = {**shown.tags, "mlflow.loggedArtifacts": _logged_tables(sorted(tables))}
        tags = fitted(tags, LONGEST_TAG, Path(folder))
        run_id = known[0].info.run_id if known else None
        run_id = run_id or board.create_run(client, experiment_id, shown.run_name, tags, None)
        for file, content in tables.items():
            write_json(Path(folder) / file, content)
        _update(client, run_id, shown, tags, shown.params)
        client.log_artifacts(run_id, folder)
        board.end_run(client, run_id, "FINISHED")
    return str(run_id)


def log_use_case(use_case: UseCase) -> str:
    """Show a use case, and the decisions on it, with its state in tags; return its experiment.

    Raises
    ------
    TrackingError
        If MLflow does not answer, or holds another record than the ledger: that is left as it is.
    """
    stamps.stamp_runs([use_case])  # first, for it needs no server
    with _alone(), _store() as client:
        experiment_id = board.show_use_case(client, use_case)
        refused = register.show_register(client, [use_case])
        mine = [one for one in read_ledger() if one.case.id == use_case.id]
        if mine:
            refused += board.show_decisions(client, mine).refused
        stamps.show_stamps(client, experiment_id, use_case)
        board.refuse(refused)
        return experiment_id


def project_all(*, repair: bool = False) -> list[str]:
    """Show every use case, decision and alias of the ledger; return the decisions' run ids.

    Parameters
    ----------
    repair : bool
        Also read every file that is there, overwrite other records of a decision, and mark runs
        that no decision of the ledger made.

    Raises
    ------
    TrackingError
        If MLflow does not answer. If it holds another record of a decision than the ledger, or
        another ledger's: that is left as it is, all else is shown, and the error says so.
    LedgerError
        If a book does not hold together: only aliases were brought up to date then.
    """
    told, cases = read_ledger(), usecase.list_use_cases()
    stamps.stamp_runs(cases)  # first, for it needs no server
    with _alone(), _store() as client:
        told, cases = read_ledger(), usecase.list_use_cases()
        refused = registry.show_aliases(client, cases)  # what may no longer be used goes first
        require_sound()
        if repair:
            strangers.clear_decisions(client, told)
            register.mark_strange_rows(client, cases)
        shown = board.show_decisions(client, told, repair=repair)
        refused += shown.refused
        refused += board.show_use_cases(client, cases)
        refused += register.show_register(client, cases, repair=repair)
        for case in cases:
            if found := client.get_experiment_by_name(f"usecase/{case.id} {case.slug}"):
                stamps.show_stamps(client, str(found.experiment_id), case)
        board.refuse(refused)
    return shown.run_ids


def projection_faults() -> list[str]:
    """Tell in what MLflow differs from the ledger, a sentence for each place; change nothing.

    Found are: an edited or added tag, description, name, status, date or file of a decision, a
    decision without a run, one whose run was deleted, a run too many, the same of the use cases,
    and an alias that points elsewhere. `compared` says what is not looked at.
    """
    told, cases, today = read_ledger(), usecase.list_use_cases(), date.today()
    with _store() as client:
        return [
            *compared.use_case_faults(client, cases, today),
            *compared.decisions_faults(client, told, today),
            *register.register_faults(client, cases, today),
            *registry.alias_faults(client, cases, today),
        ]


def set_alias(use_case: str, alias: str, digest: str) -> None:
    """Point an alias of a use case (silent, limited, live) to the bytes with a digest.

    Parameters
    ----------
    use_case : str
        Slug or number.
    alias : str
        Which alias.
    digest : str
        Digest of the approved bytes, as a decision names it.
    """
    with _store() as client:
        registry.point(client, usecase.find(use_case), alias, digest)


def drop_alias(use_case: str, alias: str) -> None:
    """Take an alias of a use case away; one that is not set is no fault."""
    with _store() as client:
        registry.drop(client, usecase.find(use_case).slug, alias)


def log_portfolio(page: Path, head: str) -> str:
    """Show the portfolio as a run of ``governance/portfolio``, one a day and state of the ledger.

    All else that is shown is brought to the same day.

    Parameters
    ----------
    page : Path
        The page.
    head : str
        Head of the ledger that it was made from.
    """
    with _store() as client:
        experiment_id = board.experiment(client, PORTFOLIO)
        name = f"portfolio {date.today()} {head[:8]}"
        known = client.search_runs([experiment_id], f"attributes.run_name = '{name}'")
        tags = {
            "aiops.kind": "portfolio",
            "aiops.ledger_head": head,
            "mlflow.source.name": "aiops portfolio",
            "mlflow.note.content": "Every project on one page: open *Artifacts*, portfolio.html.",
        }
        run_id = known[0].info.run_id if known else None
        run_id = run_id or board.create_run(client, experiment_id, name, tags, None)
        client.log_text(run_id, page.read_text(encoding="utf-8"), "portfolio.html")
        board.end_run(client, run_id, "FINISHED")
        board.set_experiment_tags(client, experiment_id, register.front_door(client))
    project_all()  # what only the calendar changed: a page that is red beside tags that are green
    return str(run_id)


def list_runs() -> list[dict[str, Any]]:
    """Return the runs of all use cases, the newest first, with verdict and gate."""
    with _store() as client:
        experiments = client.search_experiments(filter_string="name LIKE 'usecase/%'")
        names = {e.experiment_id: e.name.removeprefix("usecase/") for e in experiments}
        found = client.search_runs(
            list(names),
            filter_string="tags.`aiops.kind` != 'fold' and tags.`aiops.kind` != 'compare'",
            order_by=["attributes.start_time DESC"],
        )
        return [
            {
                "use_case": names[run.info.experiment_id],
                "run": run.info.run_name,
                "run_id": run.info.run_id,
                "status": run.info.status,
                **{
                    key: run.data.tags.get(f"aiops.{key}", "")
                    for key in ("kind", "verdict", "gate", "worst_group")
                },
                "primary": run.data.params.get("primary", ""),
            }
            for run in found
            if "aiops.superseded_by" not in run.data.tags
        ]


def board_address() -> dict[str, str]:
    """Return where a board begins, by its title, after the address of the UI."""
    with _store() as client:
        return register.addresses(client)


def ui_command(port: int = 5000) -> tuple[list[str], dict[str, str]]:
    """Return the command that opens the MLflow UI on this machine only, and its environment."""
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", tracking_uri()]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--default-artifact-root", str(board.artifacts_dir())]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    return command, {**os.environ, **quiet}


def load_model(model_uri: str) -> Any:
    """Return a model that a run logged (``models:/m-…``) as an MLflow pyfunc, ready to predict."""
    with _store() as client:
        import mlflow

        # By its address in the store: MLflow would look `models:/…` up in a registry of its own.
        model = client.get_logged_model(model_uri.removeprefix("models:/"))
        folder = mlflow.artifacts.download_artifacts(
            model.artifact_location, tracking_uri=tracking_uri()
        )
        return mlflow.pyfunc.load_model(folder)


def serve(load: Any, predict: Any) -> None:
    """Hand two functions to MLflow as the model that it is loading from code.

    Parameters
    ----------
    load : callable
        Takes the model's folder, returns what `predict` takes first.
    predict : callable
        Takes that and the input.
    """
    import mlflow
    import pandas as pd

    class Served(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
        def load_context(self, context: Any) -> None:
            self.model = load(Path(context.artifacts["model"]))

        # MLflow makes a schema of most hints, and warns where there is none. A DataFrame is one
        # of the few that it lets be: files and arrays pass too.
        def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
            return predict(self.model, model_input)

    mlflow.models.set_model(Served())


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other program shows the ledger: two at once would each make a run for it."""
    folder = home.ledger_dir()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "shown.lock", timeout=_WAIT_SECONDS):
            yield
    except Timeout as fault:
        raise TrackingError(
            f"another program has been writing decisions to MLflow for {_WAIT_SECONDS} s",
            where=str(folder / "shown.lock"),
            fix="wait until it has finished, then: aiops decide --project",
        ) from fault


@contextmanager
def _store() -> Iterator["MlflowClient"]:
    """Open the store: no telemetry, nothing cut silently, no noise; its faults in our words."""
    settings = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_TRUNCATE_LONG_VALUES": "false",
        "MLFLOW_LOGGING_LEVEL": "ERROR",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # stdout is for results
        "GIT_PYTHON_REFRESH": "quiet",
    }
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # our error says it
    uri = tracking_uri()
    with warnings.catch_warnings():
        # Peers of MLflow deprecate what it uses; nobody here can act on that.
        warnings.filterwarnings("ignore", module=r"(mlflow|sqlalchemy|alembic|pydantic)(\.|$)")
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        logging.getLogger("mlflow").setLevel(logging.ERROR)  # MONAI may have imported it before
        try:
            if uri.startswith("sqlite:///"):
                Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
            yield MlflowClient(tracking_uri=uri)
        except board.Refused as fault:
            where = _without_password(uri)
            raise TrackingError(fault.what, where=where, fix=fault.fix) from fault
        except (MlflowException, SQLAlchemyError, ImportError, OSError) as fault:
            where = _without_password(uri)
            said = str(fault).splitlines()[0].replace(uri, where)[:300]
            raise TrackingError(
                f"MLflow did not do what was asked: {said}",
                where=where,
                fix="start the server, or unset MLFLOW_TRACKING_URI to use the file in AIOPS_HOME; "
                "then run the command again",
            ) from fault


def _without_password(uri: str) -> str:
    scheme, sign, rest = uri.partition("://")
    return f"{scheme}{sign}{rest.rpartition('@')[2]}"


def _use_case_experiment(client: "MlflowClient", slug: str) -> str:
    """Return the experiment of a use case; registering a case gives it its number in the name."""
    case = usecase.registered(slug)
    if case is None:
        return board.experiment(client, f"usecase/{slug}")
    return board.show_use_case(client, case)


def _run_for(
    client: "MlflowClient", run_id: str | None, params: Mapping[str, str]
) -> tuple[str | None, str | None]:
    """Return the run to go on with, and the run that a new one must take over from."""
    from mlflow.exceptions import MlflowException

    if not run_id:
        return None, None
    try:
        run = client.get_run(run_id)
    except MlflowException as fault:
        if fault.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None, None  # another store, or a store begun anew
    if run.info.lifecycle_stage == "deleted":
        return None, None
    changed = [key for key, value in run.data.params.items() if params.get(key, value) != value]
    return (None, run_id) if changed else (run_id, None)


def _update(
    client: "MlflowClient",
    run_id: str,
    shown: Projection,
    tags: Mapping[str, str],
    params: Mapping[str, str],
) -> None:
    """Bring a run to what the files say, writing only what is new."""
    from mlflow.entities import Metric, Param, RunTag

    data = client.get_run(run_id).data
    now = int(time.time() * 1000)
    metrics = [
        Metric(key, value, now, 0)
        for key, value in shown.metrics.items()
        if data.metrics.get(key) != value
    ]
    metrics += _new_points(client, run_id, shown.curves, set(data.metrics))
    new_params = [Param(key, value) for key, value in params.items() if key not in data.params]
    new_tags = [RunTag(key, value) for key, value in tags.items() if data.tags.get(key) != value]
    for first in range(0, max(len(metrics), len(new_params), len(new_tags)), 100):
        some = slice(first, first + 100)
        client.log_batch(run_id, metrics[some], new_params[some], new_tags[some])
    there = client.get_run(run_id).inputs
    if not there.dataset_inputs:
        client.log_inputs(run_id, [_dataset_input(shown.dataset)])


def _new_points(
    client: "MlflowClient", run_id: str, curves: tuple[Curve, ...], known: set[str]
) -> list[Any]:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    points = []
    for curve in curves:
        logged = client.get_metric_history(run_id, curve.name) if curve.name in known else []
        there = {(point.step, point.value) for point in logged}
        points += [Metric(curve.name, v, now, s) for s, v in curve.points if (s, v) not in there]
    return points


def _dataset_input(dataset: Dataset) -> Any:
    from mlflow.entities import Dataset as MlflowDataset
    from mlflow.entities import DatasetInput, InputTag

    told = MlflowDataset(
        name=dataset.name,
        digest=dataset.digest,
        source_type="local",
        source=json.dumps({"uri": dataset.source}),
        profile=json.dumps({"num_rows": dataset.n_cases}),
    )
    return DatasetInput(told, tags=[InputTag("mlflow.data.context", dataset.context)])


def _log_models(client: "MlflowClient", experiment_id: str, run_id: str, shown: Projection) -> None:
    """Show each fold as a run below its run; and the model of the run, or of each fold."""
    for member in shown.members:
        member_id = run_id
        if member.name != "model":
            member_id = _fold_run(client, experiment_id, run_id, member)
        if member.folder is None:
            continue
        tags = client.get_run(member_id).data.tags
        if tags.get("aiops.model_digest") != member.digest:
            uri = _log_model(client, experiment_id, member_id, member)
            client.set_tag(member_id, "aiops.model_uri", uri)
            client.set_tag(member_id, "aiops.model_digest", member.digest)


def _fold_run(client: "MlflowClient", experiment_id: str, run_id: str, member: Member) -> str:
    query = f"tags.`mlflow.parentRunId` = '{run_id}' and attributes.run_name = '{member.name}'"
    known = client.search_runs([experiment_id], query, max_results=1)
    tags = {"mlflow.parentRunId": run_id, "aiops.kind": "fold"}
    fold_id = known[0].info.run_id if known else None
    fold_id = fold_id or board.create_run(client, experiment_id, member.name, tags, None)
    points = _new_points(client, fold_id, member.curves, set(client.get_run(fold_id).data.metrics))
    for first in range(0, len(points), 1000):
        client.log_batch(fold_id, points[first : first + 1000])
    board.end_run(client, fold_id, "FINISHED")
    return str(fold_id)


def _log_model(client: "MlflowClient", experiment_id: str, run_id: str, member: Member) -> str:
    """Store a model with the code that serves it, and return its address."""
    import mlflow
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus
    from mlflow.models import Model

    made = client.create_logged_model(
        experiment_id,
        name=member.name,
        source_run_id=run_id,
        tags={"aiops.digest": member.digest},
        model_type="pyfunc",
    )
    wanted = ("clinical-aiops", "torch", "monai", "scikit-learn", "skops", "numpy", "pandas")
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "model"
        mlflow.pyfunc.save_model(
            str(folder),
            python_model=str(Path(__file__).with_name("served_model.py")),
            artifacts={"model": str(member.folder)},
            pip_requirements=[f"{name}=={metadata.version(name)}" for name in wanted],
            mlflow_model=Model(
                artifact_path=made.artifact_location, run_id=run_id, model_id=made.model_id
            ),
        )
        client.log_model_artifacts(made.model_id, str(folder))
    client.log_outputs(run_id, [LoggedModelOutput(made.model_id, step=0)])
    client.finalize_logged_model(made.model_id, LoggedModelStatus.READY)
    return f"models:/{made.model_id}"


def _count_seal(client: "MlflowClient", experiment_id: str, seal: str | None) -> None:
    """Keep the highest count of readings of the test list on the experiment."""
    if seal is None:
        return
    there = client.get_experiment(experiment_id).tags.get("aiops.seal", "")
    count = [int(text.rpartition(" ")[2]) for text in (there, seal) if text]
    if count[-1] == max(count) or there.partition(",")[0] != seal.partition(",")[0]:
        client.set_experiment_tag(experiment_id, "aiops.seal", seal)


def _logged_tables(tables: list[str]) -> str:
    return json.dumps([{"path": name, "type": "table"} for name in tables])
