"""The whole state of a training run on disk, whole or not there.

Tensors go into safetensors files named by step; ``checkpoint.json`` names the files that belong
together. Renaming that one file is the moment a checkpoint comes to be: a process killed before
it leaves the older checkpoint, one killed after it the newer.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

INDEX = "checkpoint.json"
HISTORY = "history.jsonl"


@dataclass(frozen=True)
class Checkpoint:
    """What was read back: tensors of the run, weights of its best moment, and plain facts."""

    tensors: dict[str, Tensor]
    best: dict[str, Tensor] | None
    facts: dict[str, Any]


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the system can open folders."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors: whole or not at all.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_tensors(Path(folder) / "w.safetensors", {"a": torch.ones(2)})
    ...     read_tensors(Path(folder) / "w.safetensors")
    {'a': tensor([1., 1.])}
    """
    partial = path.with_name(path.name + ".partial")
    # safetensors keeps neither layout nor sharing, so each tensor gets memory of its own.
    save_file({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, partial)
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
    partial.replace(path)
    _sync_folder(path.parent)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, on the CPU."""
    return load_file(path)  # type: ignore[no-any-return]


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write JSON: whole or not at all. nan is refused: it is not JSON."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8") as file:
        json.dump(data, file, indent=1, allow_nan=False)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    _sync_folder(path.parent)


def write_checkpoint(
    folder: Path,
    step: int,
    tensors: Mapping[str, Tensor],
    facts: Mapping[str, Any],
    *,
    best_step: int | None = None,
    best: Mapping[str, Tensor] | None = None,
) -> None:
    """Write the state of `step`; files of older states go once the new one stands.

    The best weights are written once: their file is named by the step they are of.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = f"state-{step:08d}.safetensors"
    write_tensors(folder / state, tensors)
    best_name = None
    if best is not None and best_step is not None:
        best_name = f"best-{best_step:08d}.safetensors"
        # One that is there may come from before a kill and another way here: write it anew
        # unless the standing checkpoint vouches for it.
        if best_name != _index(folder).get("best"):
            write_tensors(folder / best_name, best)
    write_json(folder / INDEX, {"state": state, "best": best_name, "facts": dict(facts)})
    for path in [*folder.glob("state-*"), *folder.glob("best-*")]:
        if path.name not in (state, best_name):
            path.unlink(missing_ok=True)


def _index(folder: Path) -> dict[str, Any]:
    path = folder / INDEX
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def read_facts(folder: Path) -> dict[str, Any] | None:
    """Return the plain facts of a folder's checkpoint, or None: how far a run is, say."""
    index = _index(folder)
    return index["facts"] if index else None


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """Return what stands in the folder, or None where no checkpoint was finished."""
    index = _index(folder)
    if not index:
        return None
    best = read_tensors(folder / index["best"]) if index["best"] else None
    return Checkpoint(read_tensors(folder / index["state"]), best, index["facts"])


def clear(folder: Path) -> None:
    """Remove a run's checkpoint and history, the index first."""
    for pattern in (INDEX, HISTORY, "state-*", "best-*", "*.partial"):
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)


def append_history(folder: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add rows to the history and see them to disk."""
    with (folder / HISTORY).open("a", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, allow_nan=False) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_history(folder: Path, upto_step: int) -> list[dict[str, Any]]:
    """Return the history up to a step and cut the file there: what follows is done again."""
    path = folder / HISTORY
    if not path.exists():
        return []
    rows = []
    with path.open(encoding="utf-8") as file:
        for line in file:
            if not line.endswith("\n"):
                break  # the process died while it wrote this line
            row = json.loads(line)
            if row["step"] > upto_step:
                break
            rows.append(row)
    partial = path.with_name(path.name + ".partial")
    partial.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    partial.replace(path)
    return rows


def network_tensors(network: nn.Module) -> dict[str, Tensor]:
    """Return weights and buffers, each once.

    ``state_dict`` names a weight once per place it is registered at, and DynUNet registers most
    of its blocks twice: what walks over such a list does its work twice.

    Examples
    --------
    >>> layer = nn.Linear(2, 1)
    >>> sorted(network_tensors(nn.Sequential(layer, layer)))
    ['0.bias', '0.weight']
    """
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


@torch.no_grad()
def restore_network(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copy saved weights and buffers into a network; its memory layout stays.

    Raises
    ------
    ValueError
        If names or shapes are not the network's.
    """
    own = network_tensors(network)
    if own.keys() != tensors.keys():
        differing = sorted(own.keys() ^ tensors.keys())
        raise ValueError(f"weights do not fit the network: {len(differing)} names, {differing[:3]}")
    for name, tensor in own.items():
        if tensor.shape != tensors[name].shape:
            raise ValueError(
                f"weight {name!r} has shape {tuple(tensors[name].shape)}, the network's has "
                f"{tuple(tensor.shape)}"
            )
        tensor.copy_(tensors[name])


def optimiser_tensors(optimiser: Optimizer, network: nn.Module) -> dict[str, Tensor]:
    """Return the optimiser's state under the names of the weights it belongs to."""
    return {
        f"optimiser/{name}/{key}": value
        for name, weight in network.named_parameters()
        for key, value in optimiser.state[weight].items()
    }


@torch.no_grad()
def restore_optimiser(
    optimiser: Optimizer, network: nn.Module, tensors: Mapping[str, Tensor]
) -> None:
    """Put a saved state back, in the memory layout of the weights."""
    weights = dict(network.named_parameters())
    for key, value in tensors.items():
        kind, _, rest = key.partition("/")
        if kind != "optimiser":
            continue
        name, _, entry = rest.rpartition("/")
        weight = weights[name]
        # Fused kernels walk raw memory: a state laid out otherwise than its weight is scrambled.
        like = weight if value.shape == weight.shape else value.to(weight.device)
        optimiser.state[weight][entry] = torch.zeros_like(like).copy_(value)
