import dataclasses
import importlib.util
import json
import math
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from models import checkpoint
from models.recipe import Recipe
from models.training import learning_rate_at, time_steps, train
from models.weighting import Emphasis

SCRIPT = Path(__file__).parent / "killed_run.py"
spec = importlib.util.spec_from_file_location("killed_run", SCRIPT)
killed_run = importlib.util.module_from_spec(spec)
spec.loader.exec_module(killed_run)
RECIPE, run = killed_run.RECIPE, killed_run.run


@pytest.fixture(autouse=True, scope="module")
def _one_thread_and_a_tiny_network():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    killed_run.architectures.ARCHITECTURES["tiny"] = killed_run.tiny
    yield
    del killed_run.architectures.ARCHITECTURES["tiny"]
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    return folder, run(folder)


class PowerCut(BaseException):
    pass


def end_of(folder):
    """Return all tensors a run ended with, and its scores."""
    saved = checkpoint.read_checkpoint(folder)
    facts = {key: saved.facts[key] for key in ("step", "best_step", "best_score")}
    rows = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    curve = [(row["step"], row["loss"], row["lr"], row["tune_score"]) for row in rows]
    return saved.tensors | {f"best/{n}": t for n, t in saved.best.items()}, facts, curve


def assert_same_end(one, two):
    (tensors, facts, curve), (others, other_facts, other_curve) = end_of(one), end_of(two)
    assert facts == other_facts
    assert curve == other_curve
    assert tensors.keys() == others.keys()
    for name, tensor in tensors.items():
        assert torch.equal(tensor, others[name]), name


def test_it_learns_and_tells_what_happened(unbroken):
    _, trained = unbroken
    assert trained.steps_done == RECIPE.steps == len(trained.history)
    assert not trained.cut_by_clock
    losses = [row["loss"] for row in trained.history]
    assert sum(losses[-10:]) < sum(losses[:10])
    scores = {row["step"]: row["tune_score"] for row in trained.history if row["tune_score"]}
    assert sorted(scores) == list(range(5, 61, 5))
    assert trained.best_score == scores[trained.best_step]
    assert (
        trained.weights.keys()
        == checkpoint.network_tensors(killed_run.architectures.build(RECIPE)).keys()
    )


def test_the_same_recipe_ends_in_the_same_bits_and_another_seed_does_not(unbroken, tmp_path):
    folder, _ = unbroken
    torch.manual_seed(77)
    torch.rand(5)
    state = torch.get_rng_state()
    again = run(tmp_path / "again")
    assert torch.equal(torch.get_rng_state(), state), "the caller's generator must be left alone"
    assert_same_end(folder, tmp_path / "again")
    other = run(tmp_path / "other", dataclasses.replace(RECIPE, seed=1, steps=5))
    assert not torch.equal(other.weights["0.weight"], again.weights["0.weight"])


def test_a_finished_run_is_returned_as_it_is(unbroken):
    folder, trained = unbroken
    steps = []
    again = run(folder, on_step=lambda step, row: steps.append(step))
    assert steps == []
    assert again.best_step == trained.best_step
    assert again.history == trained.history
    assert all(torch.equal(again.weights[n], t) for n, t in trained.weights.items())


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([0.9, 0.1, 0.2, 0.5, 0.6, 0.7, 0.4], 6),  # a lucky first is not kept
        ([0.9, 0.9, 0.9, 0.1, 0.2, 0.3, 0.4], 3),
        ([0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5], 7),
        ([0.9, 0.1], 2),
        ([0.1, 0.2, 0.9, 0.7, 0.8, 0.2, 0.1], 5),
    ],
)
def test_the_mean_of_three_validations_decides(tmp_path, scores, best):
    recipe = dataclasses.replace(
        RECIPE, steps=len(scores), validate_every=1, checkpoint_every=1, ema=0.0
    )
    images, targets = killed_run.make_data()
    told = iter(scores)
    trained = train(
        recipe, images, targets, validate=lambda predict: next(told), folder=tmp_path / "a"
    )
    assert (trained.best_step, trained.best_score) == (best, scores[best - 1])
    seen = iter(range(len(scores)))

    def dies(step, row):
        if step == 4:
            raise PowerCut

    def again(**more):
        return train(
            recipe,
            images,
            targets,
            validate=lambda predict: scores[next(seen)],
            folder=tmp_path / "b",
            **more,
        )

    if len(scores) > 4:
        with pytest.raises(PowerCut):
            again(on_step=dies)
    assert again().best_step == best
    assert_same_end(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize("survives", [0, 1, 2, 7, 20, 41])
def test_a_death_at_any_write_changes_nothing(unbroken, tmp_path, monkeypatch, survives):
    folder, _ = unbroken
    real, left = checkpoint.os.fsync, [survives]

    def dies(handle):
        if left[0] == 0:
            raise PowerCut
        left[0] -= 1
        real(handle)

    monkeypatch.setattr(checkpoint.os, "fsync", dies)
    with pytest.raises(PowerCut):
        run(tmp_path)
    monkeypatch.undo()
    run(tmp_path)
    assert_same_end(folder, tmp_path)


def kill_at(folder, step, delay=0.0):
    """Start the run in a process of its own and kill it after it printed `step`."""
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(folder)], stdout=subprocess.PIPE, text=True
    )
    try:
        for line in process.stdout:
            if int(line) >= step:
                break
        time.sleep(delay)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    return process.returncode


def test_killed_twice_it_ends_in_the_bits_of_the_unbroken_run(unbroken, tmp_path):
    folder, _ = unbroken
    for step in sorted(random.Random().sample(range(3, 45), 2)):
        assert kill_at(tmp_path, step) == -signal.SIGKILL
        facts = checkpoint.read_facts(tmp_path)
        assert 0 < facts["step"] < RECIPE.steps
    run(tmp_path)
    assert_same_end(folder, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("trial", range(20))
def test_killed_at_any_moment_it_ends_in_the_bits_of_the_unbroken_run(unbroken, tmp_path, trial):
    folder, _ = unbroken
    rng = random.Random()
    for start in (1, 20):
        kill_at(tmp_path, start + rng.randrange(20), delay=rng.uniform(0, 0.02))
    run(tmp_path)
    assert_same_end(folder, tmp_path)


def test_another_recipe_or_other_data_do_not_go_on_from_a_checkpoint(tmp_path):
    short = dataclasses.replace(RECIPE, steps=2, checkpoint_every=1)
    run(tmp_path, short)
    with pytest.raises(ValueError, match=r"another run: learning_rate 0.01 -> 0.5; use fresh=True"):
        run(tmp_path, dataclasses.replace(short, learning_rate=0.5))
    images, targets = killed_run.make_data()
    with pytest.raises(ValueError, match="another run: images or targets"):
        train(short, images + 1, targets, validate=lambda predict: 0.0, folder=tmp_path)
    fresh = run(tmp_path, dataclasses.replace(short, learning_rate=0.5), fresh=True)
    assert [row["step"] for row in fresh.history] == [1, 2]


SIDES = np.array([0, 1, 1, 1, 1] * 6)
EMPHASES = {
    "groups": Emphasis(groups=SIDES),
    "weights": Emphasis(weights=np.where(SIDES == 0, 3.0, 0.5)[:, None]),
}


@pytest.mark.parametrize("kind", sorted(EMPHASES))
def test_a_run_with_emphasis_that_was_cut_ends_in_the_same_bits(unbroken, tmp_path, kind):
    recipe = dataclasses.replace(RECIPE, steps=20)

    def dies(step, row):
        if step in (3, 11):
            raise PowerCut

    emphasis = EMPHASES[kind]
    whole = run(tmp_path / "whole", recipe, emphasis=emphasis)
    for _ in range(2):
        with pytest.raises(PowerCut):
            run(tmp_path / "cut", recipe, emphasis=emphasis, on_step=dies)
    run(tmp_path / "cut", recipe, emphasis=emphasis)
    assert_same_end(tmp_path / "whole", tmp_path / "cut")
    plain = run(tmp_path / "plain", recipe)
    assert not torch.equal(whole.weights["0.weight"], plain.weights["0.weight"])


def test_weights_of_one_change_no_bit(tmp_path):
    recipe = dataclasses.replace(RECIPE, steps=5)
    run(tmp_path / "plain", recipe)
    run(tmp_path / "ones", recipe, emphasis=Emphasis(weights=np.ones((30, 1))))
    assert_same_end(tmp_path / "plain", tmp_path / "ones")


def test_another_emphasis_does_not_go_on_from_a_checkpoint(tmp_path):
    short = dataclasses.replace(RECIPE, steps=2, checkpoint_every=1)
    run(tmp_path, short, emphasis=EMPHASES["groups"])
    for other in (None, EMPHASES["weights"]):
        with pytest.raises(ValueError, match="another run: groups or weights of the cases; use"):
            run(tmp_path, short, emphasis=other)


def test_an_emphasis_of_other_cases_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"groups \(4,\) must have one entry per case, 30"):
        run(tmp_path, emphasis=Emphasis(groups=np.zeros(4, int)))


def test_the_clock_cuts_says_so_and_more_time_goes_on(unbroken, tmp_path):
    folder, _ = unbroken
    cut = run(tmp_path, time_limit_s=0.0)
    assert cut.cut_by_clock
    assert cut.steps_done == 1
    assert math.isfinite(cut.best_score)
    assert run(tmp_path, time_limit_s=0.0).steps_done == 1
    on = run(tmp_path, time_limit_s=1e6)
    assert not on.cut_by_clock
    # The unplanned validation at the cut may have kept weights; the weights trained on agree.
    tensors, others = end_of(folder)[0], end_of(tmp_path)[0]
    assert all(torch.equal(t, others[n]) for n, t in tensors.items() if n.startswith("network/"))


def test_the_learning_rate_rises_and_falls_to_0():
    rates = [learning_rate_at(step, dataclasses.replace(RECIPE, steps=200)) for step in range(200)]
    peak = rates.index(max(rates))
    assert peak == 20
    assert rates[peak] == RECIPE.learning_rate
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert 0 < rates[0] < 0.1 * rates[peak]
    assert rates[-1] < 1e-3 * rates[peak]


def test_a_step_takes_time_and_leaves_no_trace():
    images, targets = killed_run.make_data()
    state = torch.get_rng_state()
    assert 0 < time_steps(dataclasses.replace(RECIPE, steps=0), images, targets) < 5
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": 0}, "steps 0 must be at least 1"),
        ({"n_channels": 3}, r"images\[0\] has shape \(1, 12, 12\); the recipe has 3 channels"),
        ({"n_outputs": 2}, r"targets \(30, 1\) must be \(30, 2\)"),
        ({"augment": "xrays"}, "augment 'xrays' must be one of"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, change, words):
    with pytest.raises(ValueError, match=words):
        run(tmp_path, dataclasses.replace(RECIPE, **change))


def test_a_loss_that_is_no_number_stops_the_run(tmp_path):
    images, targets = killed_run.make_data()
    images[:] = float("inf")
    with pytest.raises(ValueError, match=r"loss is nan at step 0; lower learning_rate"):
        train(RECIPE, images, targets, validate=lambda predict: 0.0, folder=tmp_path)


def test_a_score_that_is_no_number_stops_the_run(tmp_path):
    images, targets = killed_run.make_data()
    recipe = dataclasses.replace(RECIPE, steps=1)
    with pytest.raises(ValueError, match="validate returned nan at step 1"):
        train(recipe, images, targets, validate=lambda predict: math.nan, folder=tmp_path)


def squares(n, size):
    generator = torch.Generator().manual_seed(3)
    images, targets = [], []
    for i in range(n):
        target = torch.zeros(size, dtype=torch.uint8)
        window = tuple(slice(3 + i % 3, side - 4) for side in size)
        target[window] = 1
        images.append(target[None] + 0.3 * torch.randn(1, *size, generator=generator))
        targets.append(target)
    return images, targets


@pytest.mark.parametrize("n_dims", [2, 3])
def test_a_network_learns_a_map_and_goes_on_after_a_cut(tmp_path, n_dims):
    images, targets = squares(4, (20, 18, 16)[:n_dims])
    recipe = Recipe(
        "segmentation",
        "dynunet",
        n_dims=n_dims,
        n_channels=1,
        n_outputs=2,
        patch_vox=(16,) * n_dims,
        batch=2,
        steps=14,
        learning_rate=1e-2,
        augment="mri",
        precision="bf16",
        channels_last=True,
        validate_every=7,
        checkpoint_every=3,
        options={"width": 4, "max_poolings": 2},
        ema=0.5,
    )

    def validate(predict):
        found = predict(images[0]).argmax(0) == 1
        assert found.shape == targets[0].shape
        truth = targets[0] == 1
        return float(2 * (found & truth).sum() / (found.sum() + truth.sum()))

    def go(folder, **arguments):
        return train(recipe, images, targets, validate=validate, folder=folder, **arguments)

    whole = go(tmp_path / "whole")
    assert whole.best_score > 0.6

    def dies(step, row):
        if step == 8:
            raise PowerCut

    with pytest.raises(PowerCut):
        go(tmp_path / "cut", on_step=dies)
    go(tmp_path / "cut")
    assert_same_end(tmp_path / "whole", tmp_path / "cut")


def test_labels_beyond_the_outputs_are_named(tmp_path):
    images, targets = squares(2, (16, 16))
    recipe = Recipe("segmentation", "dynunet", 2, 1, 2, (16, 16), 2, steps=1)
    with pytest.raises(ValueError, match=r"targets\[1\] .* values up to 5 must fit"):
        train(recipe, images, [targets[0], targets[1] * 5], validate=lambda p: 0.0, folder=tmp_path)
    with pytest.raises(ValueError, match=r"images \(2\) and targets \(1\) must match"):
        train(recipe, images, targets[:1], validate=lambda p: 0.0, folder=tmp_path)
