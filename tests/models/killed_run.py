"""Train a little network; what it prints says how far it is. Started and killed by tests."""

import sys
from pathlib import Path

import torch
from torch import nn

from models import architectures
from models.recipe import Recipe
from models.training import Trained, train


def tiny(recipe: Recipe) -> nn.Module:
    """Return a network that holds all that has state: weights, running means, dropout."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 1),
    )


RECIPE = Recipe(
    "classification",
    "tiny",
    n_dims=2,
    n_channels=1,
    n_outputs=1,
    patch_vox=(12, 12),
    batch=4,
    steps=60,
    learning_rate=1e-2,
    loss="bce",
    augment="xray",
    channels_last=True,
    validate_every=5,
    checkpoint_every=2,
)


def make_data() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    targets = (torch.arange(30) % 2).float()[:, None]
    images = torch.randn(30, 1, 12, 12, generator=generator)
    images[:, :, 3:9, 3:9] += targets[:, :, None, None]
    return images, targets


def run(folder: Path, recipe: Recipe = RECIPE, **arguments: object) -> Trained:
    images, targets = make_data()

    def validate(predict: object) -> float:
        return -float((predict(images) - targets).square().mean())

    return train(recipe, images, targets, validate=validate, folder=folder, **arguments)


if __name__ == "__main__":
    torch.set_num_threads(1)
    architectures.ARCHITECTURES["tiny"] = tiny
    run(Path(sys.argv[1]), on_step=lambda step, row: print(step, flush=True))
