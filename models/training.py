"""The training loop: plain, one for maps and findings, its whole state on disk.

All randomness of a step is a function of the recipe's seed and the step's number. A run killed at
any moment and started again therefore ends in the same bits as one that was left alone (same
machine, threads, plan).
"""

import copy
import hashlib
import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from models import architectures, augment, checkpoint, losses
from models.inference import predictor
from models.patches import Images, ImageSource, PatchSource, make_source, order_of, seed_of
from models.recipe import Recipe
from models.weighting import Emphasis, balanced_order

__all__ = ["Predict", "Recipe", "Trained", "learning_rate_at", "time_steps", "train"]

Predict = Callable[[Tensor], Tensor]

WARM_UP = 0.1  # share of the steps in which the learning rate rises
CLIP_NORM = 5.0  # longest gradient
NEIGHBOURS = 3  # validations whose mean is compared: on few tune cases one alone is luck
HISTORY_EVERY = 50  # rows of history held back between checkpoints, at most


@dataclass(frozen=True)
class Trained:
    """What came of a run.

    `weights` are those of `best_step`: where the mean of three tune scores running was highest.
    `best_score` is the tune score of that very step.
    """

    weights: dict[str, Tensor]
    history: list[dict[str, Any]]
    best_step: int
    best_score: float
    cut_by_clock: bool
    seconds: float
    steps_done: int


def learning_rate_at(step: int, recipe: Recipe) -> float:
    """Return the learning rate of a step: up in a line, down along a cosine, 0 at the end.

    Examples
    --------
    >>> recipe = Recipe("classification", "resnet18", 2, 1, 1, (32, 32), 8, steps=100)
    >>> learning_rate_at(10, recipe) == recipe.learning_rate
    True
    """
    rise = max(1, round(WARM_UP * recipe.steps))
    if step < rise:
        return recipe.learning_rate * (step + 1) / (rise + 1)
    phase = (step - rise) / max(1, recipe.steps - rise)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * phase))


def autocast(recipe: Recipe, device: torch.device) -> AbstractContextManager[Any]:
    """Return the context in which the network computes."""
    if recipe.precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def _data_digest(images: Images, targets: Images) -> str:
    """Return a SHA-256 of shapes and voxels, by which a checkpoint knows its data."""
    digest = hashlib.sha256()
    for tensors in (images, targets):
        for tensor in tensors:
            digest.update(str((tuple(tensor.shape), tensor.dtype)).encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


class _Run:
    """Everything that changes from step to step."""

    def __init__(
        self,
        recipe: Recipe,
        source: PatchSource | ImageSource,
        device: torch.device,
        emphasis: Emphasis,
    ) -> None:
        self.recipe, self.source, self.device = recipe, source, device
        self.n_cases = len(source.targets)
        self.emphasis = emphasis.of(self.n_cases, recipe.n_outputs)
        self.network = architectures.build_on(recipe, device)
        self.mean = copy.deepcopy(self.network).eval()
        decayed = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim <= 1]
        groups = [
            {"params": decayed, "weight_decay": recipe.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)
        self.loss = losses.build(recipe.loss)
        self.step, self.seconds = 0, 0.0
        self.best: dict[str, Tensor] | None = None
        self.best_step, self.best_score, self.best_mean = 0, -math.inf, -math.inf
        self.recent: list[float] = []

    def advance(self) -> dict[str, Any]:
        """Do one step and return its row of history."""
        recipe, step = self.recipe, self.step
        draws = torch.Generator().manual_seed(seed_of(recipe.seed, 1, step))
        noise = torch.Generator(self.device).manual_seed(seed_of(recipe.seed, 2, step))
        torch.manual_seed(seed_of(recipe.seed, 4, step))  # dropout; train() gives the state back
        cases = self._cases()
        images, targets = self.source.batch(cases, draws)
        images = augment.intensity(images, self.source.augment, noise)
        images = images.contiguous(memory_format=architectures.memory_format(recipe))
        rate = learning_rate_at(step, recipe)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.network.train()
        with autocast(recipe, self.device):
            logits = self.network(images)
        loss = self.loss(logits.float(), targets, self._weight(cases))
        value = float(loss.detach())
        if not math.isfinite(value):
            raise ValueError(
                f"loss is {value} at step {step}; lower learning_rate ({recipe.learning_rate})"
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), CLIP_NORM)
        self.optimiser.step()
        self._follow()
        self.step += 1
        return {"step": self.step, "loss": round(value, 6), "lr": rate, "tune_score": None}

    def _cases(self) -> list[int]:
        """Return the cases of this step."""
        groups, recipe = self.emphasis.groups, self.recipe
        if groups is None:
            return order_of(self.n_cases, recipe.batch, self.step, recipe.seed)
        return balanced_order(groups, recipe.batch, self.step, recipe.seed)

    def _weight(self, cases: list[int]) -> Tensor | None:
        """Return what the cases of a step count in the loss, (B, K), or None when all alike."""
        weights = self.emphasis.weights
        if weights is None:
            return None
        return torch.from_numpy(weights[cases]).float().to(self.device)

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the running mean of the weights towards the weights."""
        # Early on the mean would remember random weights, so it starts short.
        keep = min(self.recipe.ema, (1 + self.step) / (10 + self.step)) if self.recipe.ema else 0.0
        now = checkpoint.network_tensors(self.network)
        mean = checkpoint.network_tensors(self.mean)
        floats = [name for name, value in now.items() if value.is_floating_point()]
        torch._foreach_lerp_(
            [mean[name] for name in floats], [now[name] for name in floats], weight=1 - keep
        )
        for name in now.keys() - set(floats):
            mean[name].copy_(now[name])

    def judge(self, validate: Callable[[Predict], float]) -> float:
        """Validate the mean weights and keep them where they are the best so far.

        What is compared is the mean of the last few tune scores. On 46 films with 6 effusions the
        single best score picked weights of test AUC .52; the mean of three picked .69.
        """
        score = float(validate(predictor(self.mean, self.recipe, self.device)))
        if not math.isfinite(score):
            raise ValueError(f"validate returned {score} at step {self.step}; a number is needed")
        self.recent = [*self.recent, score][-NEIGHBOURS:]
        mean = sum(self.recent) / len(self.recent)
        # The first few are only compared once there are enough; of equals the later is kept.
        if len(self.recent) < NEIGHBOURS or mean >= self.best_mean:
            weights = checkpoint.network_tensors(self.mean)
            self.best = {name: t.detach().cpu().clone() for name, t in weights.items()}
            self.best_step, self.best_score = self.step, score
            self.best_mean = mean if len(self.recent) == NEIGHBOURS else -math.inf
        return score

    def save(self, folder: Path, facts: dict[str, Any]) -> None:
        """Write the whole state."""
        weights = {f"network/{n}": t for n, t in checkpoint.network_tensors(self.network).items()}
        weights |= {f"mean/{n}": t for n, t in checkpoint.network_tensors(self.mean).items()}
        weights |= checkpoint.optimiser_tensors(self.optimiser, self.network)
        scored = self.best is not None
        facts = facts | {
            "step": self.step,
            "seconds": self.seconds,
            "best_step": self.best_step,
            "best_score": self.best_score if scored else None,
            "best_mean": self.best_mean if math.isfinite(self.best_mean) else None,
            "recent": self.recent,
        }
        checkpoint.write_checkpoint(
            folder, self.step, weights, facts, best_step=self.best_step, best=self.best
        )

    def restore(self, saved: checkpoint.Checkpoint) -> None:
        """Go back to a saved state."""
        for prefix, network in (("network/", self.network), ("mean/", self.mean)):
            state = {
                name.removeprefix(prefix): tensor
                for name, tensor in saved.tensors.items()
                if name.startswith(prefix)
            }
            checkpoint.restore_network(network, state)
        checkpoint.restore_optimiser(self.optimiser, self.network, saved.tensors)
        self.step, self.seconds = saved.facts["step"], saved.facts["seconds"]
        if saved.best is not None:
            self.best = saved.best
            self.best_step, self.best_score = saved.facts["best_step"], saved.facts["best_score"]
            best_mean = saved.facts["best_mean"]
            self.best_mean = -math.inf if best_mean is None else best_mean
            self.recent = list(saved.facts["recent"])


@contextmanager
def _sandbox(device: torch.device) -> Iterator[None]:
    """Seed what a run needs without a trace in the caller's generators, and repeatably on a GPU."""
    gpus = [device] if device.type == "cuda" else []
    repeatable = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)
    with torch.random.fork_rng(gpus), repeatable:
        yield


def _same_run(folder: Path, saved: dict[str, Any], facts: dict[str, Any]) -> None:
    """Refuse to go on with another recipe or other data."""
    then, now = saved["recipe"], facts["recipe"]
    changed = [
        f"{key} {then.get(key)!r} -> {now[key]!r}" for key in now if then.get(key) != now[key]
    ]
    if saved["data"] != facts["data"]:
        changed.append("images or targets")
    if saved.get("emphasis", "") != facts["emphasis"]:
        changed.append("groups or weights of the cases")
    if changed:
        raise ValueError(
            f"folder {folder.name!r} holds a checkpoint of another run: {', '.join(changed)}; "
            f"use fresh=True to start again"
        )


def train(
    recipe: Recipe,
    images: Images,
    targets: Images,
    *,
    validate: Callable[[Predict], float],
    folder: Path,
    device: str | torch.device = "cpu",
    emphasis: Emphasis | None = None,
    time_limit_s: float | None = None,
    on_step: Callable[[int, dict[str, Any]], None] | None = None,
    fresh: bool = False,
) -> Trained:
    """Train to the recipe's steps and return the weights that did best on tune.

    Parameters
    ----------
    recipe : Recipe
        What to build and how long to train.
    images, targets : sequence of Tensor, or Tensor
        Segmentation: images (C, X, Y[, Z]), preprocessed, and label maps (X, Y[, Z]) of channel
        numbers. Classification: images (N, C, X, Y[, Z]) and findings (N, K), nan for unknown.
    validate : callable
        Given a ``Predict``, returns a score, higher is better. Segmentation: ``Predict`` takes one
        image (C, X, Y[, Z]) to probabilities (K, X, Y[, Z]), background first. Classification:
        images (N, C, X, Y[, Z]) to probabilities (N, K).
    folder : Path
        Checkpoint folder. A run found there is gone on with; a finished one is returned.
    emphasis : Emphasis, optional
        What each case counts: groups drawn equally often, weights in the loss. None: all alike.
    time_limit_s : float, optional
        Training stops after so many seconds, all restarts added up, and says ``cut_by_clock``.
    on_step : callable, optional
        Called after each step with its number and its row of history.
    fresh : bool, default=False
        Remove what stands in the folder and start again.

    Raises
    ------
    ValueError
        If the folder holds another recipe's or other data's checkpoint, arrays or `emphasis` do
        not fit the recipe, or the loss stops being a number.
    """
    if recipe.steps < 1:
        raise ValueError(f"steps {recipe.steps} must be at least 1: fit the recipe to a budget")
    place = torch.device(device)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if fresh:
        checkpoint.clear(folder)
    facts = {
        "recipe": recipe.to_json(),
        "data": _data_digest(images, targets),
        "emphasis": emphasis.digest if emphasis else "",
        # Other threads or another torch add up in another order: the bits then differ.
        "made_with": {"torch": str(torch.__version__), "threads": torch.get_num_threads()},
    }
    with _sandbox(place):
        source = make_source(recipe, images, targets, place)
        run = _Run(recipe, source, place, emphasis or Emphasis())
        saved = checkpoint.read_checkpoint(folder)
        if saved is not None:
            _same_run(folder, saved.facts, facts)
            run.restore(saved)
        history = checkpoint.read_history(folder, run.step)
        cut = _loop(run, history, validate, folder, facts, time_limit_s, on_step)
    if run.best is None:
        raise ValueError(f"time_limit_s {time_limit_s} left no time for a step")
    return Trained(
        weights=run.best,
        history=history,
        best_step=run.best_step,
        best_score=run.best_score,
        cut_by_clock=cut,
        seconds=run.seconds,
        steps_done=run.step,
    )


def _loop(
    run: _Run,
    history: list[dict[str, Any]],
    validate: Callable[[Predict], float],
    folder: Path,
    facts: dict[str, Any],
    time_limit_s: float | None,
    on_step: Callable[[int, dict[str, Any]], None] | None,
) -> bool:
    """Step, validate and save until the steps or the clock are at their end; return which."""
    recipe, written = run.recipe, len(history)
    started, before = time.monotonic(), run.seconds
    # A run that was cut stays cut unless it is given more time.
    cut = time_limit_s is not None and run.best is not None and before >= time_limit_s
    while run.step < recipe.steps and not cut:
        row = run.advance()
        run.seconds = before + time.monotonic() - started
        cut = time_limit_s is not None and run.seconds >= time_limit_s and run.step < recipe.steps
        last = cut or run.step == recipe.steps
        if last or (recipe.validate_every and run.step % recipe.validate_every == 0):
            row["tune_score"] = run.judge(validate)
            run.seconds = before + time.monotonic() - started
        row["seconds"] = round(run.seconds, 3)
        history.append(row)
        if last or run.step % recipe.checkpoint_every == 0:
            checkpoint.append_history(folder, history[written:])
            written = len(history)
            run.save(folder, facts | {"cut_by_clock": cut})
        elif len(history) - written >= HISTORY_EVERY:
            checkpoint.append_history(folder, history[written:])
            written = len(history)
        if on_step is not None:
            on_step(run.step, row)
    return run.step < recipe.steps


def time_steps(
    recipe: Recipe,
    images: Images,
    targets: Images,
    *,
    device: str | torch.device = "cpu",
    n_steps: int = 7,
) -> float:
    """Return the seconds a step takes here: the median of a few, after two to warm up.

    The plan calls it once and freezes ``steps``: a schedule by the clock cannot be repeated.
    """
    place = torch.device(device)
    with _sandbox(place):
        source = make_source(recipe, images, targets, place)
        run = _Run(recipe, source, place, Emphasis())
        taken = []
        for i in range(2 + n_steps):
            started = time.monotonic()
            run.advance()
            if place.type == "cuda":
                torch.cuda.synchronize(place)
            if i >= 2:
                taken.append(time.monotonic() - started)
    return median(taken)
