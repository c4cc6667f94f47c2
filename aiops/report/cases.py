"""Section on the worst single cases, with pictures. For the internal report only."""

import numpy as np
import pandas as pd

from aiops.config import Experiment
from aiops.errors import AiopsError
from aiops.report import pictures, wording
from aiops.report.blocks import (
    Block,
    Heading,
    Picture,
    Pictures,
    Prose,
    Section,
    Table,
)
from aiops.report.curves import rows_of_target
from aiops.report.files import Json, RunFiles
from aiops.report.findings import table_rows
from aiops.report.wording import gloss, is_number, target_name

N_WORST = 6
"""Cases shown of each kind."""


def worst_cases(files: RunFiles, experiment: Experiment) -> Section:
    """Return the cases in which the tool did worst, by their ids."""
    if experiment.task == "segmentation":
        blocks = _worst_masks(files, experiment)
    else:
        blocks = _worst_decisions(files, experiment)
    return Section("worst", "Where it went wrong most", "Worst cases", tuple(blocks))


def _worst_masks(files: RunFiles, experiment: Experiment) -> list[Block]:
    if files.case_metrics.empty:
        return [Prose("There is no table of single cases in this run.")]
    metric = experiment.primary.metric
    table = files.case_metrics
    if not (table["metric"] == metric).any():
        metric = "dice"
    rows = table[
        (table["metric"] == metric) & table["structure"].isin(experiment.primary_targets)
    ].dropna(subset=["value"])
    if rows.empty:
        return [Prose(f"No single case has {gloss(metric).label}.")]
    signed = rows["value"].abs() if metric == "volume_error_ml" else rows["value"]
    rows = rows.assign(_worst=signed).sort_values(
        ["_worst", "case_id"], ascending=[gloss(metric).higher_is_better, True]
    )
    worst = table_rows(rows.head(N_WORST))
    listing = Table(
        caption=f"Worst cases by {gloss(metric).label}",
        columns=("Case", "Structure", gloss(metric).label, "Outcome"),
        rows=tuple(
            (
                str(r["case_id"]),
                target_name(r["structure"]),
                wording.figure(r["value"], metric),
                str(r["outcome"]),
            )
            for r in worst
        ),
        numbers=frozenset({2}),
    )
    shown: list[Picture] = []
    missing = 0
    for row in worst:
        picture = _mask_picture(files, experiment, row, metric)
        if picture is None:
            missing += 1
        else:
            shown.append(picture)
    blocks: list[Block] = [listing]
    if shown:
        blocks.append(
            Prose(
                "Full blue line: the reference. Dashed orange line: what the tool drew. From left "
                "to right the slices (sagittal, coronal, axial) in which they differ most, the "
                "patient’s right on the left.",
                "note",
            )
        )
        blocks.append(Pictures(tuple(shown), wide=True))
    return blocks + _without(missing)


def _mask_picture(
    files: RunFiles, experiment: Experiment, row: Json, metric: str
) -> Picture | None:
    from aiops.data.images import read_image, read_label

    case_id, structure = str(row["case_id"]), str(row["structure"])
    masks = files.masks
    paths = masks[masks["case_id"] == case_id] if len(masks) else masks
    image = _image_of(files, case_id)
    if paths.empty or image is None:
        return None
    # The mean of the structures is shown as all of them together.
    known = experiment.structures
    values = [known[structure]] if structure in known else list(known.values())
    try:
        opened = read_image(image)
        outlines = []
        for column in ("reference", "predicted"):
            ref = paths[column].iloc[0]
            if isinstance(ref, str) and ref:
                path = ref if ref.startswith("/") else str(files.folder / ref)
                outlines.append(np.isin(read_label(path).array, values))
            else:
                outlines.append(np.zeros(opened.array.shape[1:], dtype=bool))
        source = pictures.slices_png(opened.array[0], (outlines[0], outlines[1]), opened.spacing_mm)
    except (AiopsError, ValueError, OSError):
        # A picture is a help; a file that moved since must not cost the whole report.
        return None
    figure = f"{gloss(metric).label} {wording.figure(row['value'], metric)}"
    return Picture(
        source,
        alt=f"Case {case_id}: slices with the outlines of {target_name(structure)}, {figure}",
        title=case_id,
        lines=(target_name(structure), figure, str(row["outcome"])),
    )


def _worst_decisions(files: RunFiles, experiment: Experiment) -> list[Block]:
    if files.predictions.empty:
        return [Prose("There is no predictions table in this run.")]
    blocks: list[Block] = []
    for target in experiment.primary_targets[:3]:
        rows = rows_of_target(files.predictions, target, files.evaluation)
        rows = rows[(rows["status"] == "ok") & rows["y_score"].notna()]
        ill, name = rows["y_true"] == 1, target_name(target)
        called = rows["y_pred"] if "y_pred" in rows else pd.Series(np.nan, index=rows.index)
        missed = rows[ill & ~(called == 1)].sort_values(["y_score", "case_id"])
        alarms = rows[(rows["y_true"] == 0) & ~(called == 0)].sort_values(
            ["y_score", "case_id"], ascending=[False, True]
        )
        blocks += _kind(files, missed, f"{name}: diseased, with the lowest scores")
        blocks += _kind(files, alarms, f"{name}: healthy, with the highest scores")
        failed = rows_of_target(files.predictions, target, files.evaluation)
        failed = failed[failed["status"] != "ok"]
        if len(failed):
            ids = ", ".join(map(str, failed["case_id"].head(20)))
            blocks.append(Prose(f"{name}: failed cases: {ids}."))
    return blocks


def _kind(files: RunFiles, rows: pd.DataFrame, title: str) -> list[Block]:
    if rows.empty:
        return [Heading(title), Prose("There is none.")]
    worst = table_rows(rows.head(N_WORST))
    shown = [p for p in (_decision_picture(files, row) for row in worst) if p is not None]
    if shown:
        blocks: list[Block] = [Heading(title), Pictures(tuple(shown))]
        return blocks + _without(len(worst) - len(shown))
    table = Table(
        caption=title,
        columns=("Case", "Patient", "Score", "Called"),
        rows=tuple(
            (
                str(r["case_id"]),
                str(r.get("patient_id") or wording.DASH),
                f"{r['y_score']:.3f}",
                _called(r),
            )
            for r in worst
        ),
        numbers=frozenset({2}),
    )
    return [table, *_without(len(worst))]


def _called(row: Json) -> str:
    called = row.get("y_pred")
    if not is_number(called):
        return "not decided"
    return "positive" if called == 1 else "negative"


def _decision_picture(files: RunFiles, row: Json) -> Picture | None:
    from aiops.data.images import read_image

    case_id = str(row["case_id"])
    image = _image_of(files, case_id)
    if image is None:
        return None
    try:
        array = read_image(image).array[0]
    except (AiopsError, ValueError, OSError):
        return None
    if array.ndim == 3:
        array = array[:, :, array.shape[2] // 2].T[::-1]
    score = f"score {row['y_score']:.3f}" if is_number(row["y_score"]) else "no score"
    return Picture(
        pictures.picture_png(array),
        alt=f"Image of case {case_id}, {score}",
        title=case_id,
        lines=(score, f"called {_called(row)}"),
    )


def _image_of(files: RunFiles, case_id: str) -> str | None:
    if files.cases.empty:
        return None
    columns = [c for c in files.cases if c == "image" or str(c).startswith("image:")]
    rows = files.cases[files.cases["case_id"].astype(str) == case_id]
    if rows.empty or not columns:
        return None
    ref = rows[columns[0]].iloc[0]
    return ref if isinstance(ref, str) and ref else None


def _without(missing: int) -> list[Block]:
    if not missing:
        return []
    return [Prose(f"{missing} of these cases have no picture: the run has no image that opens.")]
