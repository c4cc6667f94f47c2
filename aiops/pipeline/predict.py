"""Prediction: scores of tune and test cases, masks of test cases; a failure is a row.

Members of a cross-validated run vote on the test part by their mean probability; each case they
learnt from is predicted by the member that has not seen it.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from aiops.config import Experiment
from aiops.data.cases import Cases
from aiops.data.images import write_mask_like
from aiops.errors import DataError
from aiops.files import read_json, write_table
from aiops.pipeline.arrays import fitted, image_of, member_parts
from aiops.pipeline.mitigation import UNMITIGATED
from aiops.pipeline.operating import decisions_by_group
from aiops.pipeline.prepare import audited, part_of
from aiops.pipeline.workspace import Workspace
from aiops.provenance import json_hash

if TYPE_CHECKING:
    from models.inference import Model

Progress = Callable[[int, int], None]
BATCH = 64


def predict_cases(workspace: Workspace, progress: Progress) -> dict[str, Any]:
    """Write predictions.parquet, or masks.parquet and the masks.

    Where something is done against unfairness, what the model without it says stands beside them
    in predictions_unmitigated.parquet or masks_unmitigated.parquet, for comparison alone.
    """
    cases = audited(workspace)
    parts = part_of(workspace)
    experiment = workspace.experiment
    mitigation = experiment.train.mitigation if experiment.train else None
    rows, name = (
        (_mask_rows, "masks") if experiment.task == "segmentation" else (_score_rows, "predictions")
    )
    table = rows(workspace, cases, parts, progress)
    if mitigation:
        other = table if not mitigation.is_learnt else rows(
            workspace, cases, parts, progress, UNMITIGATED
        )  # fmt: skip
        write_table(workspace.path(f"{name}_unmitigated.parquet"), other)
    if mitigation and not mitigation.is_learnt:
        table = table.assign(y_pred=decisions_by_group(table, experiment, cases.patients_known))
    write_table(workspace.path(f"{name}.parquet"), table)
    failed = table[table["status"] != "ok"]
    return {
        "n_rows": len(table),
        "n_failed": len(failed),
        "failures": failed["reason"].value_counts().to_dict(),
    }


def trained_members(workspace: Workspace, room: str = "") -> dict[str, Any]:
    """Return what training.json says of each member: of the released ones, or of a room's."""
    told: dict[str, Any] = read_json(workspace.need("training.json", "train"))
    found: dict[str, Any] = told["unmitigated" if room == UNMITIGATED else "members"]
    return found


def load_members(workspace: Workspace, room: str = "") -> "dict[str, Model]":
    """Return the trained networks by member, refusing bytes that are not those trained."""
    from models.inference import load_model

    trained = trained_members(workspace, room)
    device = read_json(workspace.path("plan.json"))["device"]
    found = {}
    for name in workspace.members:
        model = load_model(workspace.path(f"{room}model") / name, device)
        if model.digest != trained[name]["digest"]:
            raise DataError(
                f"the saved model '{name}' is not the one that was trained",
                where=str(workspace.path(f"{room}model") / name),
                fix=f"aiops train {workspace.config.path} --fresh",
            )
        found[name] = model
    return found


def _about(cases: Cases, parts: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Return who each predicted case is: ids, part, fold and attributes, by case id."""
    frame = cases.frame[cases.frame["case_id"].isin(parts)]
    about = frame[["case_id", "study_id", "patient_id", *cases.attributes]].copy()
    about["split"] = [parts[c]["split"] for c in about["case_id"]]
    about["fold"] = [parts[c]["fold"] for c in about["case_id"]]
    return about.set_index("case_id", drop=False)


def _score_rows(
    workspace: Workspace,
    cases: Cases,
    parts: dict[str, dict[str, Any]],
    progress: Progress,
    room: str = "",
) -> pd.DataFrame:
    experiment = workspace.experiment
    truth = cases.frame.set_index("case_id")
    about = _about(cases, parts)
    if experiment.is_vendor:
        found = _vendor_scores(truth, list(about["case_id"]), experiment)
        digest = json_hash({name: t.score for name, t in experiment.findings.items()})
    else:
        predicts = _table_scores if experiment.data.modality == "table" else _network_scores
        found = list(predicts(workspace, cases, parts, progress, room))
        trained = trained_members(workspace, room)
        digest = json_hash({name: m["digest"] for name, m in trained.items()})
    tables = []
    columns = {case_id: scores for case_id, scores, _ in found}
    reasons = {case_id: reason for case_id, _, reason in found}
    who = about.loc[list(columns)]
    scores = np.array([columns[c] for c in who["case_id"]], dtype=float)
    for k, (name, target) in enumerate(experiment.findings.items()):
        y_score = scores[:, k]
        ok = np.isfinite(y_score)
        why = [reasons[c] or "no score was given" for c in who["case_id"]]
        table = who.assign(
            target=name,
            y_true=truth.loc[who["case_id"], f"y:{name}"].to_numpy(float),
            y_score=y_score,
            score_kind=target.score_kind if experiment.is_vendor else "probability",
            y_pred=np.nan,
            status=np.where(ok, "ok", "failed"),
            reason=np.where(ok, "", why),
            model_digest=digest,
        )
        tables.append(table.reset_index(drop=True))
    return pd.concat(tables, ignore_index=True)


def _vendor_scores(
    truth: pd.DataFrame, case_ids: list[str], experiment: Experiment
) -> list[tuple[str, list[float], str]]:
    columns = [f"score:{name}" for name in experiment.findings]
    scores = truth.loc[case_ids, columns].to_numpy(float).tolist()
    return [(c, s, "") for c, s in zip(case_ids, scores, strict=True)]


Scored = Iterator[tuple[str, list[float], str]]


def _asked(
    workspace: Workspace, cases: Cases, parts: dict[str, dict[str, Any]]
) -> Iterator[tuple[str, list[str]]]:
    """Return for each member the cases it is asked for: its tune part, and the test part."""
    test = [c for c in cases.frame["case_id"] if parts.get(c, {}).get("split") == "test"]
    for i, member in enumerate(workspace.members):
        _, tune = member_parts(parts, member, cases.frame)
        unseen = [c for c in test if parts[c]["fold"] in (None, i)]
        yield member, [*tune, *unseen]


def _pooled(by_member: list[dict[str, tuple[list[float], str]]]) -> Scored:
    """Return one score per case: the mean over the members that were asked; a failure stays one."""
    ids = dict.fromkeys(case_id for scores in by_member for case_id in scores)
    for case_id in ids:
        said = [scores[case_id] for scores in by_member if case_id in scores]
        reason = next((r for _, r in said if r), "")
        yield case_id, list(np.mean([s for s, _ in said], axis=0)), reason


def _network_scores(
    workspace: Workspace,
    cases: Cases,
    parts: dict[str, dict[str, Any]],
    progress: Progress,
    room: str,
) -> Scored:
    models = load_members(workspace, room)
    rows = cases.frame.set_index("case_id", drop=False)
    by_member = []
    for member, asked in _asked(workspace, cases, parts):
        model = models[member]
        told: dict[str, tuple[list[float], str]] = {}
        for first in range(0, len(asked), BATCH):
            some: Any = rows.loc[asked[first : first + BATCH]].to_dict("records")
            told.update(_score_some(model, some, cases))
            progress(min(first + BATCH, len(asked)), len(asked))
        by_member.append(told)
    yield from _pooled(by_member)


def _score_some(
    model: "Model", rows: list[dict[str, Any]], cases: Cases
) -> dict[str, tuple[list[float], str]]:
    """Score a batch; what cannot be read or prepared is told with its reason."""
    import torch

    from models.inference import predictor

    ready: dict[str, Any] = {}
    told: dict[str, tuple[list[float], str]] = {}
    for row in rows:
        try:
            image = image_of(row, cases.image_columns, cases.experiment.data.modality)
            array = fitted(image, model.preprocessing)
            spacing = image.spacing_mm[: model.preprocessing.n_dims]
            ready[row["case_id"]] = model.preprocessing.apply(array, spacing)
        except (DataError, ValueError) as fault:
            none = [float("nan")] * len(cases.experiment.findings)
            told[row["case_id"]] = none, _first_line(fault)
    if ready:
        predict = predictor(model.network, model.recipe, model.device)
        scores = predict(torch.stack(list(ready.values()))).numpy()
        told.update({c: (list(map(float, s)), "") for c, s in zip(ready, scores, strict=True)})
    return told


def _first_line(fault: Exception) -> str:
    what = fault.what if isinstance(fault, DataError) else str(fault)
    return what.splitlines()[0][:200]


def _table_scores(
    workspace: Workspace,
    cases: Cases,
    parts: dict[str, dict[str, Any]],
    progress: Progress,
    room: str,
) -> Scored:
    from models.baselines import load_table

    frame = cases.features().set_axis(cases.frame["case_id"])
    by_member = []
    for member, asked in _asked(workspace, cases, parts):
        folder = workspace.path(f"{room}model") / member
        columns = [
            load_table(folder / f"{name}.skops").predict_proba(frame.loc[asked])
            for name in workspace.experiment.findings
        ]
        scores = np.stack(columns, axis=1)
        by_member.append({c: (list(map(float, s)), "") for c, s in zip(asked, scores, strict=True)})
    yield from _pooled(by_member)


def _mask_rows(
    workspace: Workspace,
    cases: Cases,
    parts: dict[str, dict[str, Any]],
    progress: Progress,
    room: str = "",
) -> pd.DataFrame:
    experiment = workspace.experiment
    about = _about(cases, parts)
    test = about[about["split"] == "test"]
    rows = cases.frame.set_index("case_id", drop=False)
    models = {} if experiment.is_vendor else load_members(workspace, room)
    done = []
    for i, case_id in enumerate(test["case_id"], start=1):
        row = rows.loc[case_id].to_dict()
        path = workspace.path(f"{room}masks") / f"{_file_name(case_id)}.nii.gz"
        if experiment.is_vendor:
            predicted, reason = str(row["predicted"]), ""
        else:
            predicted, reason = str(path), _write_mask(list(models.values()), row, cases, path)
        for structure in experiment.structures:
            done.append(
                {
                    **test.loc[case_id].drop(labels=["study_id", "fold"]).to_dict(),
                    "structure": structure,
                    "reference": row["label"],
                    "predicted": predicted,
                    "status": "failed" if reason else "ok",
                    "reason": reason,
                }
            )
        progress(i, len(test))
    return pd.DataFrame(done)


def _file_name(case_id: str) -> str:
    """Return a case id as a file's name; what a file system may not like becomes ``_``."""
    import re

    return re.sub(r"[^\w.-]", "_", case_id)


def _write_mask(models: "list[Model]", row: dict[str, Any], cases: Cases, path: Any) -> str:
    """Predict a case and write its mask on the image's own grid; return why it failed, if so."""
    import torch

    from models.inference import predictor
    from models.probabilities import labels_from_channels
    from models.resample import labels_on_grid

    try:
        image = image_of(row, cases.image_columns, cases.experiment.data.modality)
        votes = []
        for model in models:
            array = fitted(image, model.preprocessing)
            spacing = image.spacing_mm[: model.preprocessing.n_dims]
            tensor = model.preprocessing.apply(array, spacing)
            votes.append(predictor(model.network, model.recipe, model.device)(tensor))
        mean = torch.stack(votes).mean(0) if len(votes) > 1 else votes[0]
        channels = labels_on_grid(mean, tuple(array.shape[1:])).numpy()
        labels = labels_from_channels(channels, cases.experiment.structures)
        write_mask_like(labels.reshape(image.array.shape[1:]), image.original, path)
    except (DataError, ValueError) as fault:
        return _first_line(fault)
    return ""
