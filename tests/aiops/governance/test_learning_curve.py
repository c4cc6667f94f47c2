"""Learning curves: on whom they are scored, what they say of R01, and against scikit-learn."""

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from sklearn.metrics import roc_auc_score

from aiops.cli import cli
from aiops.errors import AiopsError, ConfigError, DataError
from aiops.governance.curve_words import Measured, curve_lines, evidence_of_curve
from aiops.governance.learning_curve import (
    Aim,
    latest_curve,
    learning_curve,
    replicates_of,
    weighted_auc,
)
from aiops.governance.power_law import fit_power_law
from aiops.governance.reason_evidence import evidence_for

CONFIG = {
    "kind": "experiment",
    "use_case": "made-table",
    "task": "classification",
    "data": {
        "table": "rows.csv",
        "case": "row",
        "patient": "patient",
        "modality": "table",
        "features": {"numeric": ["a", "b", "c", "d"]},
    },
    "targets": {"ill": {"label": "ill", "positive": [1]}},
    "primary": {"target": "ill", "metric": "roc_auc", "acceptable": 0.9},
    "split": {"by": "patient", "test": 0.2, "tune": 0.3, "seed": 0},
    "train": {"budget_minutes": 1, "architecture": "logistic"},
}


def rows(n=900, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4))
    ill = rng.random(n) < 1 / (1 + np.exp(-(x @ [1.2, 0.8, 0.4, 0.0] - 0.5)))
    frame = pd.DataFrame(x, columns=list("abcd"))
    return frame.assign(row=np.arange(n), patient=np.arange(n) // 2, ill=ill.astype(int))


@pytest.fixture
def config(tmp_path, home):
    def make(frame=None, **blocks):
        (rows() if frame is None else frame).to_csv(tmp_path / "rows.csv", index=False)
        path = tmp_path / "table.yaml"
        path.write_text(yaml.safe_dump({**CONFIG, **blocks}))
        return path

    return make


def test_the_curve_rises_and_is_kept(config, home):
    result = learning_curve(config(), aim=Aim(seeds=3, per_year=50))
    sizes = [p["n_patients"] for p in result["points"]]
    assert sizes == sorted(sizes)
    assert sizes[-1] == result["n_train"] == 225  # half of 450 patients
    assert all(p["low"] <= p["score"] <= p["high"] for p in result["points"])
    assert result["evidence"]["code"] == "R01"
    assert result["scored_on"] == "135 patients set aside to tune on"
    assert latest_curve("made-table") == {k: v for k, v in result.items() if k != "picture"}
    drawn = ElementTree.fromstring(Path(result["picture"]).read_text())
    assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
    assert "wanted 0.9" in "".join(drawn.itertext())
    assert not (home / "runs").exists()
    assert not (home / "seals").exists()


def test_a_sealed_case_moves_nothing(config):
    """What the test list holds must not be seen in the curve."""
    from aiops.data.cases import read_cases
    from aiops.data.split import make_split
    from aiops.reading import read_config

    path, frame = config(), rows()
    before = learning_curve(path, aim=Aim(seeds=3))
    split = make_split(read_cases(read_config(path).experiment, config_path=path))
    sealed = frame["row"].astype(str).isin(split.cases_in("test"))
    frame.loc[sealed, list("abcd")] *= -50.0
    after = learning_curve(config(frame), aim=Aim(seeds=3))
    assert sealed.sum() > 100
    assert after["points"] == before["points"]


def test_weighted_auc_is_that_of_repeated_cases():
    rng = np.random.default_rng(0)
    y, score = rng.random(80) < 0.4, rng.integers(0, 12, 80) / 12.0
    weights = rng.integers(0, 4, (5, 80))
    got = weighted_auc(y, score, weights.astype(np.float32))
    want = [roc_auc_score(np.repeat(y, w), np.repeat(score, w)) for w in weights]
    assert got == pytest.approx(want)


def measured(score, spread=0.001):
    n = np.array([50.0, 100, 200, 400, 800])
    rng = np.random.default_rng(0)
    replicates = score(n) + rng.normal(0, spread, (100, 5))
    return Measured(n, score(n), replicates, 1600, 800, "patients set aside")


@pytest.mark.parametrize(
    ("target", "per_year", "supports", "words"),
    [
        (0.80, None, False, "0.8 is wanted. It is reached."),
        (0.95, 100, True, "no number of patients reaches it."),
        (0.88, 10, True, "training patients reach it"),
        (0.88, 4000, False, "At 4000 patients a year that is 0.7 years (0."),
        # How many there will be is not known: that there are not enough was claimed before.
        (0.88, None, None, "How many come in a year was not said."),
        (0.95, None, True, "no number of patients reaches it."),
        # Beyond 20 times the largest size no curve is believed, however many come in.
        (0.8995, 1e6, None, "farther than a curve can be read"),
    ],
)
def test_what_a_curve_says_of_the_reason(target, per_year, supports, words):
    points = measured(lambda n: 0.9 - 2 * n**-0.6)
    law = fit_power_law(points.n, points.score, points.replicates)
    found = evidence_of_curve(law, points, target, per_year)
    assert words in found["sentence"]
    assert found["supports"] is supports
    assert found["n"] == 800


def test_a_flat_curve_settles_nothing():
    points = measured(lambda n: np.full(n.size, 0.7))
    law = fit_power_law(points.n, points.score, points.replicates)
    found = evidence_of_curve(law, points, 0.8, None)
    assert found["supports"] is None
    assert found["value"] is None
    assert (
        "How many more it takes is not told: the score does not surely get better"
        in found["sentence"]
    )


def test_where_the_best_fit_never_reaches_it_no_number_is_named():
    points = measured(lambda n: 0.9 - 2 * n**-0.6, spread=0.006)
    law = fit_power_law(points.n, points.score, points.replicates)
    found = evidence_of_curve(law, points, law.a + 1e-4, 100)
    assert "by the best fit no number of patients reaches it; it takes " in found["sentence"]
    assert "years at the least." in found["sentence"]
    assert found["supports"] is not False


def written(path, score, *, times):
    rng = np.random.default_rng(0)
    n = np.repeat([50.0, 100, 200, 400, 800], times)
    frame = pd.DataFrame({"n_patients": n, "score": score(n) + rng.normal(0, 0.002, n.size)})
    frame.to_csv(path, index=False)
    return path


def test_fits_made_elsewhere_are_read(config, tmp_path):
    fits = written(tmp_path / "fits.csv", lambda n: 0.9 - 2 * n**-0.6, times=5)
    result = learning_curve(config(), aim=Aim(target=0.88), points=fits)
    assert result["fit"]["state"] == "ok"
    assert result["fit"]["a"] == pytest.approx(0.9, abs=0.02)
    assert result["needed"]["low"] < 2154 < result["needed"]["high"]
    assert result["scored_on"] == "the fits in fits.csv"
    assert "not that in the patients they were scored on" in result["evidence"]["sentence"]


def test_fewer_than_five_fits_of_a_size_settle_nothing(config, tmp_path):
    fits = written(tmp_path / "fits.csv", lambda n: 0.9 - 2 * n**-0.6, times=4)
    result = learning_curve(config(), aim=Aim(target=0.7, per_year=10), points=fits)
    assert result["evidence"]["supports"] is None
    assert "fewer than 5 fits with 50, 100, 200, 400, 800" in result["evidence"]["sentence"]


@pytest.mark.parametrize(("target", "supports"), [(0.15, None), (0.25, False), (0.05, True)])
def test_where_lower_is_better_a_higher_score_is_not_there_yet(config, tmp_path, target, supports):
    fits = written(tmp_path / "fits.csv", lambda n: 0.1 + n**-0.4, times=6)
    primary = {"target": "ill", "metric": "brier", "acceptable": target}
    result = learning_curve(config(primary=primary), points=fits)
    assert result["evidence"]["supports"] is supports
    assert ("It is reached" in result["evidence"]["sentence"]) is (supports is False)
    assert result["fit"]["b"] < 0
    assert any(" + " in line for line in curve_lines(result) if "fit:" in line)


def test_intervals_of_few_fits_hold_the_mean_as_often_as_they_say():
    rng, held = np.random.default_rng(0), []
    for _ in range(300):
        fits = [rng.normal(0.7, sd, 5) for sd in (0.02, 0.02, 0.02, 0.02)]
        low, high = np.quantile(replicates_of(fits, 400, rng), [0.025, 0.975], axis=0)
        held.append((low <= 0.7) & (high >= 0.7))
    assert np.mean(held) > 0.93


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("n_patients,score\n50,0.7\n60,0.71\n", "each size was fitted once"),
        ("n_patients,score\n0,0.7\n0,0.71\n", "n_patients must be a number above 0 in each row"),
        ("n_patients,score\n50,x\n", "n_patients must be a number above 0 in each row"),
        ("n_patients,score\n50,4.1\n50,4.2\n", "n_patients must be a number above 0 in each"),
        ("n_patients,auc\n50,0.7\n", "a column is not in the table: 'score'"),
    ],
)
def test_wrong_fits_are_refused(config, tmp_path, text, what):
    (tmp_path / "fits.csv").write_text(text)
    with pytest.raises(DataError) as fault:
        learning_curve(config(), points=tmp_path / "fits.csv")
    assert fault.value.what.startswith(what)


@pytest.mark.parametrize(
    ("blocks", "what"),
    [
        ({"primary": {"target": "ill", "metric": "brier", "acceptable": 0.2}},
         "its primary metric is brier, not roc_auc"),
        ({"primary": {"target": "ill", "metric": "roc_auc"}}, "no target is set"),
        ({"primary": {"target": "ill", "metric": "calibration_slope", "acceptable": 0.9}},
         "no curve is drawn of calibration_slope: it is no share with a better end, from 0 to 1"),
        ({"split": {"by": "site", "column": "patient", "leave_one_out": True}},
         "every patient is tested, so that nobody is left to score on"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_said(config, blocks, what):
    with pytest.raises(ConfigError) as fault:
        learning_curve(config(**blocks))
    assert fault.value.what == what


def test_a_target_that_no_share_reaches_is_refused(config):
    with pytest.raises(ConfigError) as fault:
        learning_curve(config(), aim=Aim(target=1.2))
    assert fault.value.what == "a target of 1.2 cannot be reached: roc_auc lies between 0 and 1"


def test_the_command_prints_the_sentence_and_the_reason_shows_it(config):
    from aiops.governance.usecase import submit

    done = CliRunner().invoke(cli, ["learning-curve", str(config()), "--seeds", "3", "--json"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.output)
    assert curve_lines(result)[-2].startswith("With 225 training patients the score is 0.")
    case = submit("made-table", "A table")
    assert evidence_for("R01", case)["sentence"] == result["evidence"]["sentence"]


def test_data_with_a_fault_that_stops_draw_no_curve(config, home):
    frame = rows().assign(b=lambda told: told["ill"] * 3.0)
    with pytest.raises(AiopsError, match="FEATURE_LEAKS"):
        learning_curve(config(frame), aim=Aim(seeds=1, n_boot=20))
    assert not (home / "feasibility").exists()


def test_the_limits_of_a_point_hold_nineteen_replicates_of_twenty(config, tmp_path):
    rng = np.random.default_rng(0)
    n = np.repeat([50.0, 100, 200, 400, 800], 20)
    score = 0.9 - 2 * n**-0.6 + rng.normal(0, 0.02, n.size)
    fits = tmp_path / "fits.csv"
    pd.DataFrame({"n_patients": n, "score": score}).to_csv(fits, index=False)
    result = learning_curve(config(), points=fits)
    widths = [p["high"] - p["low"] for p in result["points"]]
    # Means of 20 fits: 2 × 1.96 × 0.02 / √20
    assert np.mean(widths) == pytest.approx(0.0175, rel=0.2)
