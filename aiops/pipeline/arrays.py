"""Cases as the arrays that networks take: read, put on the planned grid, kept in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from aiops.data.cases import Cases
from aiops.data.images import Image, read_channels, read_label
from aiops.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

    from models.preprocessing import Preprocessing

N_JOBS = 2
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Arrays:
    """Images and targets in the order of `case_ids`."""

    case_ids: tuple[str, ...]
    images: "list[Tensor]"
    targets: "list[Tensor]"

    def of(self, wanted: Sequence[str]) -> "Arrays":
        """Return the arrays of some cases, in the order asked for."""
        place = {case_id: i for i, case_id in enumerate(self.case_ids)}
        rows = [place[case_id] for case_id in wanted]
        return Arrays(
            tuple(wanted), [self.images[i] for i in rows], [self.targets[i] for i in rows]
        )


def image_of(row: dict[str, Any], columns: Sequence[str], modality: str) -> Image:
    """Read the image of a case, with all its channels on one grid."""
    refs = [str(row[column]) for column in columns]
    return read_channels(refs, case_id=row["case_id"], colour=modality == "photo")


def fitted(image: Image, preprocessing: "Preprocessing") -> np.ndarray:
    """Return the voxels with as many axes as the network has: a flat volume is a picture."""
    array: np.ndarray = image.array
    if array.ndim == preprocessing.n_dims + 2 and array.shape[-1] == 1:
        array = array[..., 0]
    return array


def load_arrays(
    cases: Cases, case_ids: Sequence[str], preprocessing: "Preprocessing", progress: Progress
) -> Arrays:
    """Read cases and put them on the planned grid.

    Parameters
    ----------
    cases : Cases
        The audited cases.
    case_ids : sequence of str
        Which of them, and in which order.

    Raises
    ------
    DataError
        If a case cannot be read: a case to train on is never dropped in silence.
    """
    rows = cases.frame.set_index("case_id", drop=False).loc[list(case_ids)].to_dict("records")
    jobs = (delayed(_load)(row, cases, preprocessing) for row in rows)
    images, targets = [], []
    done = Parallel(n_jobs=N_JOBS, prefer="threads", return_as="generator")(jobs)
    for i, (image, target) in enumerate(done, start=1):
        images.append(image)
        targets.append(target)
        progress(i, len(rows))
    return Arrays(tuple(case_ids), images, targets)


def _load(
    row: dict[str, Any], cases: Cases, preprocessing: "Preprocessing"
) -> "tuple[Tensor, Tensor]":
    import torch

    from models.probabilities import channels_from_labels

    experiment = cases.experiment
    image = image_of(row, cases.image_columns, experiment.data.modality)
    array = fitted(image, preprocessing)
    spacing = image.spacing_mm[: preprocessing.n_dims]
    try:
        tensor = preprocessing.apply(array, spacing)
    except ValueError as fault:
        raise DataError(
            f"a case cannot be put on the planned grid: {fault}",
            where=f"case {row['case_id']}",
            fix="see what the audit says of it; correct it or leave it out",
        ) from fault
    if experiment.task == "classification":
        values = [row[f"y:{name}"] for name in experiment.findings]
        return tensor, torch.tensor(values, dtype=torch.float32)
    label = read_label(str(row["label"]), case_id=row["case_id"]).array
    channels = channels_from_labels(label.reshape(array.shape[1:]), experiment.structures)
    return tensor, preprocessing.apply_labels(channels, spacing)


def member_parts(
    assignments: dict[str, dict[str, Any]], member: str, frame: pd.DataFrame
) -> tuple[list[str], list[str]]:
    """Return the case ids a member learns from and those it is chosen on, in the table's order.

    Parameters
    ----------
    assignments : dict
        Of split.json: the part and the fold of each case.
    member : str
        ``model``, or ``fold3`` for the member that is chosen on fold 3. Where every case is test
        (each site left out once) a fold is tested by the member that learnt from all others, and
        nothing is chosen.
    """
    order = [c for c in frame["case_id"] if c in assignments]
    if not member.startswith("fold"):
        parts = {
            part: [c for c in order if assignments[c]["split"] == part]
            for part in ("train", "tune")
        }
        return parts["train"], parts["tune"]
    fold = int(member.removeprefix("fold"))
    rest = [c for c in order if assignments[c]["split"] != "test"]
    if not rest:
        return [c for c in order if assignments[c]["fold"] != fold], []
    chosen_on = [c for c in rest if assignments[c]["fold"] == fold]
    return [c for c in rest if assignments[c]["fold"] != fold], chosen_on
