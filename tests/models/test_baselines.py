import numpy as np
import pandas as pd
import pytest

from models.baselines import TABLE_MODELS, features, fit_table, load_table, save_table


@pytest.fixture(scope="module")
def cohort():
    rng = np.random.default_rng(0)
    n = 1500
    frame = pd.DataFrame(
        {
            "age": rng.uniform(20, 90, n),
            "lactate": np.where(rng.random(n) < 0.2, np.nan, rng.gamma(2, 1, n)),
            "ward": rng.choice(["a", "b", None], n),
            "code": rng.choice([1.0, 2.0, np.nan], n),
            "patient": np.arange(n),
        }
    )
    risk = 0.05 * (frame.age - 55) + 1.5 * (frame.ward == "a") - 0.5
    return frame, rng.random(n) < 1 / (1 + np.exp(-risk))


COLUMNS = {"numeric": ["age", "lactate"], "categorical": ["ward", "code"]}


@pytest.mark.parametrize("name", sorted(TABLE_MODELS))
def test_it_ranks_repeats_and_survives_its_file(cohort, tmp_path, name):
    from sklearn.metrics import roc_auc_score

    frame, y = cohort
    model = fit_table(frame[:1000], y[:1000], name=name, rounds=60, **COLUMNS)
    p = model.predict_proba(frame[1000:])
    assert roc_auc_score(y[1000:], p) > 0.75
    again = fit_table(frame[:1000], y[:1000], name=name, rounds=60, **COLUMNS)
    assert np.array_equal(p, again.predict_proba(frame[1000:]))
    save_table(tmp_path / "model.skops", model)
    loaded = load_table(tmp_path / "model.skops")
    assert (loaded.name, loaded.numeric, loaded.categorical) == (
        name,
        ("age", "lactate"),
        ("ward", "code"),
    )
    assert np.array_equal(p, loaded.predict_proba(frame[1000:]))


@pytest.mark.parametrize("name", sorted(TABLE_MODELS))
def test_unseen_categories_and_gaps_are_scored(cohort, name):
    frame, y = cohort
    model = fit_table(frame, y, name=name, rounds=20, **COLUMNS)
    odd = frame[:3].assign(ward="new", code=99.0, lactate=np.nan)
    assert np.isfinite(model.predict_proba(odd)).all()


def test_only_the_named_columns_are_looked_at(cohort):
    frame, y = cohort
    model = fit_table(frame, y, numeric=["age"], name="logistic")
    shuffled = frame.assign(lactate=0.0, patient=0)
    assert np.array_equal(model.predict_proba(frame), model.predict_proba(shuffled))


@pytest.mark.parametrize("name", sorted(TABLE_MODELS))
def test_weights_reach_the_model_of_scikit_learn(cohort, name):
    """Peer: the same pipeline, fitted by scikit-learn itself with its own sample_weight."""
    frame, y = cohort
    weights = np.where(frame.ward == "a", 3.0, 0.5)
    model = fit_table(frame, y, name=name, rounds=20, weights=weights, **COLUMNS)
    peer = TABLE_MODELS[name](["age", "lactate"], ["ward", "code"], 0, 20)
    table = features(frame, COLUMNS["numeric"], COLUMNS["categorical"])
    peer.fit(table, y.astype(int), model__sample_weight=weights)
    assert np.array_equal(model.predict_proba(frame), peer.predict_proba(table)[:, 1])
    plain = fit_table(frame, y, name=name, rounds=20, **COLUMNS)
    assert not np.array_equal(model.predict_proba(frame), plain.predict_proba(frame))


def test_weights_that_do_not_fit_are_named(cohort):
    frame, y = cohort
    for weights in (np.ones(3), np.zeros(len(frame)), np.full(len(frame), np.nan)):
        with pytest.raises(ValueError, match="must be above 0 and one a row, 1500"):
            fit_table(frame, y, weights=weights, **COLUMNS)


def test_a_category_reads_alike_as_integer_and_beside_a_gap():
    whole = features(pd.DataFrame({"c": [1, 2]}), [], ["c"])
    gap = features(pd.DataFrame({"c": [1, 2, None]}), [], ["c"])
    assert whole.c.tolist() == gap.c.tolist()[:2] == ["1", "2"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "boost"}, "name 'boost' must be one of"),
        ({"numeric": [], "categorical": []}, "name the columns to look at"),
        ({"numeric": ["agee"]}, r"frame lacks the columns \['agee'\]"),
        ({"numeric": ["ward"]}, "column 'ward' is not numeric: list it as categorical"),
    ],
)
def test_what_cannot_be_fitted_is_named(cohort, change, words):
    frame, y = cohort
    with pytest.raises(ValueError, match=words):
        fit_table(frame, y, **(COLUMNS | change))


def test_one_class_only_is_refused(cohort):
    frame, _ = cohort
    with pytest.raises(ValueError, match="must have a 0 or 1 per row of 1500, and both"):
        fit_table(frame, np.zeros(len(frame)), **COLUMNS)


def test_a_file_with_other_types_is_refused(tmp_path):
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    foreign = {"name": "x", "pipeline": FunctionTransformer(np.linalg.cond)}
    skops.io.dump(foreign, tmp_path / "model.skops")
    with pytest.raises(ValueError, match="holds types that a table model has no use for"):
        load_table(tmp_path / "model.skops")
