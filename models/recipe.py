"""What a training run is made of: one frozen record, written into the run and the saved model."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

Task = Literal["segmentation", "classification"]
Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class Recipe:
    """How a network is built and trained. The same recipe and data end in the same weights.

    Parameters
    ----------
    task : {"segmentation", "classification"}
        What is learnt.
    architecture : str
        Name in ``architectures.ARCHITECTURES``.
    n_dims : int
        2 or 3.
    n_channels : int
        Channels of an image.
    n_outputs : int
        Classification: number of findings, each with its own sigmoid. Segmentation: number of
        structures and one for background, which is channel 0, under one softmax.
    patch_vox : tuple of int
        Segmentation: patch that the network sees. Classification: size of the image.
    batch : int
        Patches or images a step.
    steps : int, default=0
        Steps of the optimiser; 0 says that the plan has not fitted them to the budget yet.
    learning_rate : float, default=1e-3
        Peak of the one-cycle schedule.
    weight_decay : float, default=1e-2
        AdamW's, on weights of more than one dimension.
    loss : str, default="dice_ce"
        Name in ``losses.LOSSES``.
    augment : str, default="none"
        Name in ``augment.AUGMENTS``.
    foreground_share : float, default=0.5
        Segmentation: share of patches centred on a structure.
    precision : {"fp32", "bf16"}, default="fp32"
        bf16 is autocast: weights and optimiser stay in fp32.
    channels_last : bool, default=False
        Memory layout that CPUs with AMX and recent GPUs convolve faster in.
    seed : int, default=0
        Seed of weights, patches and augmentation.
    validate_every : int, default=0
        Steps between validations; 0 validates once, at the end.
    checkpoint_every : int, default=50
        Steps between checkpoints.
    options : dict, default={}
        Further arguments of the architecture.
    ema : float, default=0.99
        Decay of the running mean of the weights, which is what is validated and kept; 0 is off.
    spacing_mm : tuple of float, optional
        Spacing of the images, so that rotations are rigid in mm and pooling spares thick slices.

    Examples
    --------
    >>> recipe = Recipe("classification", "resnet_small", 2, 1, 1, (64, 64), 32, loss="bce")
    >>> Recipe.from_json(recipe.to_json()) == recipe
    True
    """

    task: Task
    architecture: str
    n_dims: int
    n_channels: int
    n_outputs: int
    patch_vox: tuple[int, ...]
    batch: int
    steps: int = 0
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    loss: str = "dice_ce"
    augment: str = "none"
    foreground_share: float = 0.5
    precision: Precision = "fp32"
    channels_last: bool = False
    seed: int = 0
    validate_every: int = 0
    checkpoint_every: int = 50
    options: dict[str, Any] = field(default_factory=dict)
    ema: float = 0.99
    spacing_mm: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse a recipe that cannot be trained."""
        object.__setattr__(self, "patch_vox", tuple(int(n) for n in self.patch_vox))
        if self.spacing_mm is not None:
            object.__setattr__(self, "spacing_mm", tuple(float(mm) for mm in self.spacing_mm))
            if len(self.spacing_mm) != self.n_dims or min(self.spacing_mm) <= 0:
                raise ValueError(f"spacing_mm {self.spacing_mm} must be {self.n_dims} lengths > 0")
        if self.task not in ("segmentation", "classification"):
            raise ValueError(f"task {self.task!r} must be 'segmentation' or 'classification'")
        if self.n_dims not in (2, 3) or len(self.patch_vox) != self.n_dims:
            raise ValueError(
                f"n_dims {self.n_dims}, patch_vox {self.patch_vox} must agree (2 or 3)"
            )
        if self.precision not in ("fp32", "bf16"):
            raise ValueError(f"precision {self.precision!r} must be 'fp32' or 'bf16'")
        counts = {name: getattr(self, name) for name in ("n_channels", "n_outputs", "batch")}
        if min(counts.values(), default=1) < 1 or min(self.patch_vox) < 1:
            raise ValueError(f"{counts}, patch_vox {self.patch_vox} must be at least 1")
        if self.task == "segmentation" and self.n_outputs < 2:
            raise ValueError(f"n_outputs {self.n_outputs}: background and one structure at least")
        if min(self.steps, self.validate_every) < 0 or self.checkpoint_every < 1:
            raise ValueError(
                f"steps {self.steps}, validate_every {self.validate_every} must be at least 0, "
                f"checkpoint_every {self.checkpoint_every} at least 1"
            )
        if not self.learning_rate > 0 or self.weight_decay < 0 or not 0 <= self.ema < 1:
            raise ValueError(
                f"learning_rate {self.learning_rate} must be > 0, weight_decay "
                f"{self.weight_decay} >= 0, ema {self.ema} in [0, 1)"
            )
        if not 0 <= self.foreground_share <= 1:
            raise ValueError(f"foreground_share {self.foreground_share} must be in [0, 1]")

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as plain data."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Recipe":
        """Return the recipe that `data` describes; a key that is not known is an error."""
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(data) - known):
            raise ValueError(f"recipe has unknown keys {unknown}; known are {sorted(known)}")
        return cls(**data)

    @property
    def digest(self) -> str:
        """SHA-256 of the recipe."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
