"""Networks by name, from MONAI, built to the size and spacing of the images."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from models.recipe import Recipe

Shape = tuple[int, ...]


def topology(
    patch_vox: Shape, spacing_mm: tuple[float, ...] | None = None, *, max_poolings: int = 5
) -> tuple[list[Shape], list[Shape]]:
    """Return kernels and strides, one per level, by the rule of nnU-Net [1]_.

    An axis is halved while it keeps at least 4 voxels and is not already twice as coarse as
    the finest; an axis twice as coarse as the finest is not convolved along.

    References
    ----------
    .. [1] Isensee F et al. Nat Methods 2021;18:203-211. doi:10.1038/s41592-020-01008-z

    Examples
    --------
    >>> topology((40, 56, 40))[1]
    [(1, 1, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2)]
    >>> topology((64, 64, 16), (1, 1, 4), max_poolings=2)
    ([(3, 3, 1), (3, 3, 1), (3, 3, 3)], [(1, 1, 1), (2, 2, 1), (2, 2, 1)])
    """
    size = list(patch_vox)
    spacing = list(spacing_mm or (1.0,) * len(size))
    strides: list[Shape] = [(1,) * len(size)]
    kernels: list[Shape] = [tuple(1 if mm >= 2 * min(spacing) else 3 for mm in spacing)]
    for _ in range(max_poolings):
        can_halve = [n % 2 == 0 and n >= 8 for n in size]
        reachable = [mm for mm, can in zip(spacing, can_halve, strict=True) if can]
        if not reachable:
            break
        finest = min(reachable)
        step = tuple(
            2 if can and mm < 2 * finest else 1 for mm, can in zip(spacing, can_halve, strict=True)
        )
        size = [n // s for n, s in zip(size, step, strict=True)]
        spacing = [mm * s for mm, s in zip(spacing, step, strict=True)]
        strides.append(step)
        kernels.append(tuple(1 if mm >= 2 * min(spacing) else 3 for mm in spacing))
    return kernels, strides


def patch_multiple(recipe: Recipe) -> Shape:
    """Return the numbers of voxels that the sides of an input must be multiples of."""
    if recipe.task == "classification":
        return (1,) * recipe.n_dims
    if recipe.architecture == "dynunet":
        levels = int(recipe.options.get("max_poolings", 3))
        _, strides = topology(recipe.patch_vox, recipe.spacing_mm, max_poolings=levels)
    else:
        strides = [(2,) * recipe.n_dims] * 3
    factors = [1] * recipe.n_dims
    for stride in strides:
        factors = [f * s for f, s in zip(factors, stride, strict=True)]
    return tuple(factors)


def _dynunet(
    recipe: Recipe, width: int = 16, max_poolings: int = 3, residual: bool = False
) -> nn.Module:
    """Plain or residual U-Net with strided convolutions and instance norm (nnU-Net's)."""
    from monai.networks.nets import DynUNet

    kernels, strides = topology(recipe.patch_vox, recipe.spacing_mm, max_poolings=max_poolings)
    if len(strides) < 3:
        raise ValueError(f"patch_vox {recipe.patch_vox} can be halved less than twice")
    return DynUNet(  # type: ignore[no-any-return]
        spatial_dims=recipe.n_dims,
        in_channels=recipe.n_channels,
        out_channels=recipe.n_outputs,
        kernel_size=kernels,
        strides=strides,
        upsample_kernel_size=strides[1:],
        filters=[min(width * 2**i, 320) for i in range(len(strides))],
        norm_name=("instance", {"affine": True}),
        res_block=residual,
    )


def _unet(recipe: Recipe, width: int = 16, norm: str = "instance") -> nn.Module:
    """Residual U-Net that works at half resolution: less exact at borders, several times faster."""
    from monai.networks.nets import UNet

    return UNet(  # type: ignore[no-any-return]
        spatial_dims=recipe.n_dims,
        in_channels=recipe.n_channels,
        out_channels=recipe.n_outputs,
        channels=tuple(width * 2**i for i in range(4)),
        strides=(2, 2, 2),
        num_res_units=2,
        norm=norm,
    )


def _segresnet(recipe: Recipe, width: int = 8, dropout: float | None = None) -> nn.Module:
    """SegResNet, the network of Auto3DSeg."""
    from monai.networks.nets import SegResNet

    return SegResNet(  # type: ignore[no-any-return]
        spatial_dims=recipe.n_dims,
        init_filters=width,
        in_channels=recipe.n_channels,
        out_channels=recipe.n_outputs,
        dropout_prob=dropout,
    )


def _resnet(recipe: Recipe, layers: list[int], widths: list[int], stem: int | None) -> nn.Module:
    from monai.networks.nets import ResNet

    # Small images keep their resolution in the stem; on 28 pixels a usual stem leaves 1 x 1.
    side = max(recipe.patch_vox)
    reduction = stem or (1 if side < 48 else 2 if side < 128 else 4)
    return ResNet(  # type: ignore[no-any-return]
        block="basic",
        layers=layers,
        block_inplanes=widths,
        spatial_dims=recipe.n_dims,
        n_input_channels=recipe.n_channels,
        conv1_t_size=3 if reduction == 1 else 7,
        conv1_t_stride=1 if reduction == 1 else 2,
        no_max_pool=reduction < 4,
        num_classes=recipe.n_outputs,
        bias_downsample=False,
    )


def _resnet_small(recipe: Recipe, width: int = 24, stem: int | None = None) -> nn.Module:
    """One residual block a level, narrow: minutes on a CPU."""
    return _resnet(recipe, [1, 1, 1, 1], [width, 2 * width, 4 * width, 8 * width], stem)


def _resnet18(recipe: Recipe, width: int = 64, stem: int | None = None) -> nn.Module:
    """ResNet-18."""
    return _resnet(recipe, [2, 2, 2, 2], [width, 2 * width, 4 * width, 8 * width], stem)


def _densenet121(recipe: Recipe, dropout: float = 0.0) -> nn.Module:
    """DenseNet-121."""
    from monai.networks.nets import DenseNet121

    return DenseNet121(  # type: ignore[no-any-return]
        spatial_dims=recipe.n_dims,
        in_channels=recipe.n_channels,
        out_channels=recipe.n_outputs,
        dropout_prob=dropout,
    )


def _efficientnet_b0(recipe: Recipe) -> nn.Module:
    """EfficientNet-B0, from random weights: nothing is downloaded."""
    from monai.networks.nets import EfficientNetBN

    return EfficientNetBN(  # type: ignore[no-any-return]
        "efficientnet-b0",
        pretrained=False,
        spatial_dims=recipe.n_dims,
        in_channels=recipe.n_channels,
        num_classes=recipe.n_outputs,
    )


ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    "dynunet": _dynunet,
    "unet": _unet,
    "segresnet": _segresnet,
    "resnet_small": _resnet_small,
    "resnet18": _resnet18,
    "densenet121": _densenet121,
    "efficientnet_b0": _efficientnet_b0,
}
"""Every network by its name: builders that take the recipe and the recipe's options."""

SEGMENTATION: tuple[str, ...] = ("dynunet", "unet", "segresnet")
"""Architectures that answer with a map; the others answer with a score per finding."""


def build(recipe: Recipe) -> nn.Module:
    """Return the network of a recipe, with weights that depend on its seed alone.

    Parameters
    ----------
    recipe : Recipe
        Names the architecture and its options.

    Raises
    ------
    ValueError
        If the architecture is not known, does not fit the task, or refuses an option.

    Examples
    --------
    >>> recipe = Recipe("classification", "resnet_small", 2, 1, 1, (28, 28), 8, loss="bce")
    >>> build(recipe)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 1])
    """
    name = recipe.architecture
    if name not in ARCHITECTURES:
        raise ValueError(f"architecture {name!r} must be one of {sorted(ARCHITECTURES)}")
    if (name in SEGMENTATION) != (recipe.task == "segmentation"):
        raise ValueError(f"architecture {name!r} does not fit task {recipe.task!r}")
    options: dict[str, Any] = recipe.options
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # MONAI's import and builders warn about parts that are not used here.
        warnings.simplefilter("ignore")
        torch.default_generator.manual_seed(recipe.seed)
        try:
            return ARCHITECTURES[name](recipe, **options)
        except TypeError as error:
            raise ValueError(f"options {options} do not fit architecture {name!r}") from error


def memory_format(recipe: Recipe) -> torch.memory_format:
    """Return the layout in which the recipe's images and weights lie in memory."""
    if not recipe.channels_last:
        return torch.contiguous_format
    return torch.channels_last_3d if recipe.n_dims == 3 else torch.channels_last


def build_on(recipe: Recipe, device: torch.device | str) -> nn.Module:
    """Return the network of a recipe on a device, laid out as the recipe says."""
    network = build(recipe).to(device)
    return network.to(memory_format=memory_format(recipe))  # type: ignore[call-overload,no-any-return]


def count_parameters(network: nn.Module) -> int:
    """Return the number of trained weights.

    Examples
    --------
    >>> count_parameters(nn.Linear(3, 2))
    8
    """
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
