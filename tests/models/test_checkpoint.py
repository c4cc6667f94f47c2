import json
import os

import pytest
import torch
from torch import nn

from models import checkpoint


def test_what_is_written_is_read(tmp_path):
    tensors = {"a": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)}
    best = {"b": torch.arange(3)}
    checkpoint.write_checkpoint(tmp_path, 4, tensors, {"step": 4}, best_step=2, best=best)
    saved = checkpoint.read_checkpoint(tmp_path)
    assert torch.equal(saved.tensors["a"], tensors["a"])
    assert torch.equal(saved.best["b"], best["b"])
    assert saved.facts == checkpoint.read_facts(tmp_path) == {"step": 4}


def test_an_empty_folder_holds_no_checkpoint(tmp_path):
    assert checkpoint.read_checkpoint(tmp_path) is None
    assert checkpoint.read_facts(tmp_path) is None
    assert checkpoint.read_history(tmp_path, 10) == []


def test_older_files_go(tmp_path):
    for step in (2, 4, 6):
        best = {"w": torch.full((1,), float(step))} if step < 6 else {"w": torch.tensor([4.0])}
        checkpoint.write_checkpoint(
            tmp_path, step, {"x": torch.zeros(1)}, {}, best_step=min(step, 4), best=best
        )
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "checkpoint.json",
        "state-00000006.safetensors",
        "best-00000004.safetensors",
    }


class PowerCut(BaseException):
    pass


@pytest.mark.parametrize("survives", range(3))
def test_a_death_at_any_rename_leaves_the_older_state(tmp_path, monkeypatch, survives):
    checkpoint.write_checkpoint(
        tmp_path, 1, {"x": torch.ones(1)}, {"step": 1}, best_step=1, best={"w": torch.ones(1)}
    )
    left = [survives]
    real = type(tmp_path).replace

    def dies(self, target):
        if left[0] == 0:
            raise PowerCut
        left[0] -= 1
        return real(self, target)

    monkeypatch.setattr(type(tmp_path), "replace", dies)
    with pytest.raises(PowerCut):
        checkpoint.write_checkpoint(
            tmp_path, 2, {"x": torch.zeros(1)}, {"step": 2}, best_step=2, best={"w": torch.zeros(1)}
        )
    saved = checkpoint.read_checkpoint(tmp_path)
    assert saved.facts == {"step": 1}
    assert saved.tensors["x"].item() == saved.best["w"].item() == 1


def test_history_is_cut_at_the_state_and_at_a_torn_line(tmp_path):
    checkpoint.append_history(tmp_path, [{"step": i} for i in (1, 2, 3)])
    with (tmp_path / checkpoint.HISTORY).open("a") as file:
        file.write('{"step": 4, "lo')
    assert checkpoint.read_history(tmp_path, 9) == [{"step": 1}, {"step": 2}, {"step": 3}]
    assert checkpoint.read_history(tmp_path, 2) == [{"step": 1}, {"step": 2}]
    lines = (tmp_path / checkpoint.HISTORY).read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2]


def test_nan_is_not_json(tmp_path):
    with pytest.raises(ValueError, match="nan"):
        checkpoint.write_json(tmp_path / "x.json", {"a": float("nan")})
    assert not (tmp_path / "x.json").exists()


def test_clear_leaves_strangers_alone(tmp_path):
    checkpoint.write_checkpoint(tmp_path, 1, {"x": torch.ones(1)}, {})
    checkpoint.append_history(tmp_path, [{"step": 1}])
    (tmp_path / "notes.txt").write_text("mine")
    checkpoint.clear(tmp_path)
    assert os.listdir(tmp_path) == ["notes.txt"]  # noqa: PTH208


def test_weights_of_another_network_are_refused():
    network = nn.Linear(2, 1)
    with pytest.raises(ValueError, match=r"weights do not fit the network: 1 names, \['bias'\]"):
        checkpoint.restore_network(network, {"weight": torch.zeros(1, 2)})
    with pytest.raises(ValueError, match=r"weight 'weight' has shape \(2, 2\)"):
        checkpoint.restore_network(network, {"weight": torch.zeros(2, 2), "bias": torch.zeros(1)})


def test_optimiser_state_keeps_the_layout_of_its_weights():
    def made():
        torch.manual_seed(0)
        network = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
        return network, torch.optim.AdamW(network.parameters(), lr=0.1, fused=True)

    def advance(network, optimiser, seed):
        torch.manual_seed(seed)
        network(torch.randn(2, 3, 8, 8)).square().sum().backward()
        optimiser.step()
        optimiser.zero_grad()

    network, optimiser = made()
    advance(network, optimiser, 1)
    weights = {k: v.contiguous().clone() for k, v in checkpoint.network_tensors(network).items()}
    state = {
        k: v.contiguous().clone()
        for k, v in checkpoint.optimiser_tensors(optimiser, network).items()
    }
    advance(network, optimiser, 2)
    other, again = made()
    checkpoint.restore_network(other, weights)
    checkpoint.restore_optimiser(again, other, state)
    assert again.state[other.weight]["exp_avg"].stride() == other.weight.stride()
    advance(other, again, 2)
    for a, b in zip(network.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
