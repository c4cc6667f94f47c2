import numpy as np
import pandas as pd
import pytest

from models.baselines import fit_table, load_table, save_table
from models.reductions import CONSTRAINTS, fit_grid


@pytest.fixture(scope="module")
def cohort():
    """A finding that shows in women by another sign, which the men's sign drowns."""
    rng = np.random.default_rng(0)
    n = 1200
    sex = rng.choice(["f", "m", "not recorded"], n, p=[0.25, 0.65, 0.1])
    frame = pd.DataFrame({
        "x": np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)),
        "ward": rng.choice(["a", "b", None], n),
    })  # fmt: skip
    risk = np.nan_to_num(frame.x) * np.where(sex == "f", -1, 1) + 0.4 * rng.normal(size=n)
    return frame, risk > 0.7, sex


COLUMNS = {"numeric": ["x"], "categorical": ["ward"], "rounds": 20}


@pytest.mark.parametrize("name", ["hist_gradient_boosting", "logistic"])
def test_the_first_is_the_model_without_pressure(cohort, name):
    frame, y, sex = cohort
    found = fit_grid(frame, y, sex, name=name, grid_size=7, **COLUMNS)
    plain = fit_table(frame, y, name=name, **COLUMNS)
    first = found[0]
    assert (first.group, first.strength) == ("", 0.0)
    assert np.allclose(first.model.predict_proba(frame), plain.predict_proba(frame), atol=1e-12)


@pytest.mark.parametrize("constraint", sorted(CONSTRAINTS))
def test_pressure_is_fairlearns_weights_and_relabels_nobody(cohort, constraint, monkeypatch):
    """The weights handed to the model are those of the formula in Agarwal et al., section 3.2."""
    import models.reductions as module

    frame, y, sex = cohort
    seen = []

    class Noting(module_model()):
        def fit(self, X, y, model__sample_weight=None):
            seen.append((np.asarray(y), np.asarray(model__sample_weight)))
            return self

    monkeypatch.setitem(module.TABLE_MODELS, "noting", lambda *args: Noting())
    found = fit_grid(frame, y, sex, name="noting", constraint=constraint, grid_size=20,
                     pressed=["f", "m"], **COLUMNS)  # fmt: skip
    assert len(found) == len(seen)
    for one, (label, weight) in zip(found, seen, strict=True):
        assert np.array_equal(label, y.astype(int)), "a case was relabelled"
        assert weight == pytest.approx(by_hand(one, y, sex))


def module_model():
    class Model:
        def fit(self, X, y, **kwargs):
            return self

        def predict(self, X):
            return np.zeros(len(X))

    return Model


def by_hand(one, y, sex):
    """An error costs 1; pressure adds strength × (1 - share) to the group, and takes it off all."""
    ill = np.asarray(y, bool)
    event = {"": ill, "all": np.ones(ill.size, bool), "label=1": ill, "label=0": ~ill}[one.event]
    mine = event & (sex == one.group)
    sign = np.where(ill, 1.0, -1.0)
    if not one.group:
        return np.ones(ill.size)
    share = mine.sum() / event.sum()
    pull = np.where(mine, 1 - share, np.where(event, -share, 0.0))
    return np.abs(sign + one.strength * pull)


def test_pressure_on_a_group_raises_its_scores(cohort):
    frame, y, sex = cohort
    by_strength = {
        one.strength: one.model.predict_proba(frame)[sex == "f"].mean()
        for one in fit_grid(frame, y, sex, pressed=["f"], grid_size=5, **COLUMNS)
    }
    assert list(by_strength) == [0.0, 0.5, -0.5, 1.0, -1.0]
    assert by_strength[-1] < by_strength[-0.5] < by_strength[0] < by_strength[0.5] < by_strength[1]


def test_it_repeats_needs_no_group_to_predict_and_survives_its_file(cohort, tmp_path):
    frame, y, sex = cohort
    one, two = (fit_grid(frame, y, sex, grid_size=7, **COLUMNS) for _ in range(2))
    for a, b in zip(one, two, strict=True):
        assert np.array_equal(a.model.predict_proba(frame), b.model.predict_proba(frame))
    save_table(tmp_path / "model.skops", one[1].model)
    loaded = load_table(tmp_path / "model.skops")
    assert np.array_equal(loaded.predict_proba(frame), one[1].model.predict_proba(frame))
    assert "sex" not in frame


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"constraint": "parity"}, "constraint 'parity' must be one of"),
        ({"name": "boost"}, "name 'boost' must be one of"),
        ({"pressed": ["x"]}, r"no group of \[\] has cases of \['label=1'\] to press"),
        ({"group": np.array(["f"])}, r"group \(1,\) must have an entry per row of 1200"),
    ],
)
def test_what_cannot_be_fitted_is_named(cohort, change, words):
    frame, y, sex = cohort
    with pytest.raises(ValueError, match=words):
        fit_grid(frame, y, **({"group": sex} | COLUMNS | change))
