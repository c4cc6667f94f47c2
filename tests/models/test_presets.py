import math

import pytest

from models.architectures import build, patch_multiple
from models.augment import AUGMENTS
from models.presets import fit, image_size, patch_size, suggest

SHAPES = [
    ("segmentation", (35, 51, 35), "mri", (1.0, 1.0, 1.0)),
    ("segmentation", (64, 64, 40), "ct", (1.5, 1.5, 3.0)),
    ("segmentation", (512, 512, 90), "ct", (0.8, 0.8, 5.0)),
    ("segmentation", (512, 400), "xray", None),
    ("classification", (28, 28), "xray", None),
    ("classification", (64, 64), "xray", None),
    ("classification", (224, 224), "photo", None),
    ("classification", (48, 48, 48), "mri", None),
]


@pytest.mark.parametrize(("task", "shape", "modality", "spacing"), SHAPES)
def test_each_suggestion_can_be_built(task, shape, modality, spacing):
    recipe = suggest(
        task,
        n_dims=len(shape),
        n_channels=1,
        n_outputs=3,
        median_shape=shape,
        n_cases=100,
        modality=modality,
        spacing_mm=spacing,
    )
    assert recipe.steps == 0
    assert recipe.augment in AUGMENTS
    assert math.prod(recipe.patch_vox) <= 512 * 512
    assert all(p % m == 0 for p, m in zip(recipe.patch_vox, patch_multiple(recipe), strict=True))
    build(recipe)


def test_a_device_with_more_memory_sees_more():
    small, large = (patch_size((300, 300, 300), None, device) for device in ("cpu", "cuda"))
    assert math.prod(small) <= 110_000 < math.prod(large) <= 128**3


def test_thick_slices_make_a_flat_patch():
    patch = patch_size((512, 512, 100), (0.8, 0.8, 5.0))
    assert patch[2] < patch[0] / 3


def test_small_images_keep_their_size():
    assert image_size((64, 48)) == (64, 64)
    assert image_size((512, 512)) == (224, 224)
    assert image_size((200, 200, 50)) == (96, 96, 96)


def recipe():
    return suggest(
        "classification",
        n_dims=2,
        n_channels=1,
        n_outputs=1,
        median_shape=(64, 64),
        n_cases=3000,
        modality="xray",
    )


@pytest.mark.parametrize("predict_s", [0.0, 0.01, 0.5])
@pytest.mark.parametrize("n_tune", [3, 100])
def test_training_and_validation_fit_the_budget(predict_s, n_tune):
    fitted = fit(recipe(), budget_s=300, step_s=0.1, predict_s=predict_s, n_tune=n_tune)
    validations = math.ceil(fitted.steps / fitted.validate_every)
    spent = validations * predict_s * n_tune
    assert fitted.steps * 0.1 + spent <= 310
    if predict_s * n_tune < 30:
        assert spent < 0.15 * 300
    assert fitted.checkpoint_every * 0.1 <= 30


def test_fixed_steps_are_kept():
    fitted = fit(recipe(), budget_s=10, step_s=0.1, predict_s=0.0, n_tune=10, steps=7)
    assert fitted.steps == 7
    assert fitted.validate_every == 1


def test_what_cannot_be_planned_is_refused():
    with pytest.raises(ValueError, match="budget_s 0"):
        fit(recipe(), budget_s=0, step_s=0.1, predict_s=0.0, n_tune=1)
    with pytest.raises(ValueError, match="modality 'table' must be one of"):
        suggest(
            "classification",
            n_dims=2,
            n_channels=1,
            n_outputs=1,
            median_shape=(8, 8),
            n_cases=5,
            modality="table",
        )
