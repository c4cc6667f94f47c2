"""From logits to probabilities, and between label values and channels."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from models.recipe import Task


def probabilities_of(logits: Tensor, task: Task) -> Tensor:
    """Return probabilities along axis 1: softmax over structures, or a sigmoid per finding.

    Examples
    --------
    >>> probabilities_of(torch.zeros(1, 2), "segmentation")
    tensor([[0.5000, 0.5000]])
    """
    logits = logits.float()
    return logits.softmax(1) if task == "segmentation" else logits.sigmoid()


def channel_order(structures: Mapping[str, int]) -> list[str]:
    """Return the names of structures in the order of their channels: by label value.

    Channel 0 is background, so the first name is channel 1.

    Examples
    --------
    >>> channel_order({"tumour": 4, "kidney": 1})
    ['kidney', 'tumour']
    """
    values = list(structures.values())
    if len(set(values)) < len(values) or min(values, default=0) < 1:
        raise ValueError(f"structures {dict(structures)} must have label values >= 1, each once")
    return sorted(structures, key=lambda name: structures[name])


def channels_from_labels(label: np.ndarray, structures: Mapping[str, int]) -> Tensor:
    """Return a label image as channel numbers (uint8); values of no structure are background.

    Examples
    --------
    >>> channels_from_labels(np.array([0, 1, 4.0, 9]), {"tumour": 4, "kidney": 1})
    tensor([0, 1, 2, 0], dtype=torch.uint8)
    """
    whole = np.rint(label)
    if not np.array_equal(whole, label):
        raise ValueError("label has values that are not whole numbers")
    channels = np.zeros(label.shape, np.uint8)
    for channel, name in enumerate(channel_order(structures), start=1):
        channels[whole == structures[name]] = channel
    return torch.from_numpy(channels)


def labels_from_channels(channels: np.ndarray, structures: Mapping[str, int]) -> np.ndarray:
    """Return channel numbers as the label values of the structures.

    Examples
    --------
    >>> labels_from_channels(np.array([0, 1, 2]), {"tumour": 4, "kidney": 1})
    array([0, 1, 4], dtype=uint8)
    """
    values = [0, *sorted(structures.values())]
    table = np.array(values, np.uint8 if max(values) < 256 else np.uint16)
    labels: np.ndarray = table[channels]
    return labels
