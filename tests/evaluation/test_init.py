import subprocess
import sys

import pytest

import evaluation


def test_every_public_name_is_there():
    assert set(evaluation.__all__) == set(evaluation._MODULE_OF)
    for name in evaluation.__all__:
        assert getattr(evaluation, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'auroc'"):
        evaluation.auroc  # noqa: B018


def test_the_import_is_light():
    code = (
        "import sys, evaluation, evaluation.metrics; "
        "print([m for m in ('torch', 'sklearn', 'scipy.stats', 'pandas', 'mlflow')"
        " if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
