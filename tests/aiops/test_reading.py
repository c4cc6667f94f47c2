from pathlib import Path

import pytest

from aiops.errors import ConfigError
from aiops.reading import ConfigProblems, read_config

GOOD = """\
kind: experiment
use_case: wrist-fracture
task: classification
data:
  table: cases.csv
  patient: patient_id
  image: file
  modality: xray
  attributes:
    sex: {column: sex, values: {F: female, M: male}}
    age: {column: age, bands: [0, 18, 65]}
targets:
  fracture: {label: fracture, positive: [1]}
primary: {target: fracture, metric: roc_auc, acceptable: 0.9}
operating_point: {sensitivity: 0.9}
train: {budget_minutes: 1}
fairness: {attributes: [sex], margin: 0.05}
"""


def problems(tmp_path: Path, text: str, *overrides: str) -> dict[str, str]:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigProblems) as caught:
        read_config(path, overrides)
    return {
        p.key: f"{p.where.rsplit('/', 1)[-1]}: {p.what} | {p.fix}" for p in caught.value.problems
    }


def test_a_sound_config_is_read_and_keeps_what_was_written(tmp_path, monkeypatch):
    monkeypatch.setenv("AIOPS_DATA", "/data")
    path = tmp_path / "c.yaml"
    path.write_text(GOOD.replace("table: cases.csv", "table: ${AIOPS_DATA}/cases.csv"))
    config = read_config(path)
    assert config.experiment.data.table == "/data/cases.csv"
    assert config.written["data"]["table"] == "${AIOPS_DATA}/cases.csv"


def test_a_relative_data_folder_is_meant_from_where_one_works(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "configs").mkdir()
    path = tmp_path / "configs" / "c.yaml"
    path.write_text(GOOD.replace("table: cases.csv", "table: ${AIOPS_DATA}/cases.csv"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIOPS_DATA", "data")
    assert read_config(path).experiment.data.table == str(tmp_path / "data" / "cases.csv")


def test_all_mistakes_come_at_once_with_line_and_nearest_name(tmp_path):
    text = (
        GOOD.replace("modality: xray", "modality: xry")
        .replace("patient: patient_id", "patient_id: patient_id")
        .replace("metric: roc_auc", "metric: roc_acu")
        .replace("attributes: [sex]", "attributes: [sexx]")
        .replace("sensitivity: 0.9", "sensitivity: 1.5")
    )
    found = problems(tmp_path, text)
    assert found["data.modality"].startswith(
        "c.yaml:8: 'xry' is not allowed | did you mean 'xray'?"
    )
    assert "c.yaml:6: not a known key | did you mean 'patient'?" in found["data.patient_id"]
    assert "is missing | add it: Column that names the patient" in found["data.patient"]
    assert "did you mean 'roc_auc'?" in found["primary.metric"]
    assert "did you mean 'sex'?" in found["fairness.attributes"]
    assert (
        "c.yaml:15: '1.5' is not right | input should be less than 1"
        in found["operating_point.sensitivity"]
    )
    assert len(found) == 6


@pytest.mark.parametrize(
    ("old", "new", "key", "words"),
    [
        ("modality: xray", "modality: table", "data", "a table model needs data.features"),
        ("  image: file\n", "", "data", "a model of images needs data.image"),
        ("train: {budget_minutes: 1}\n", "", "targets.fracture", "has no score and nothing is"),
        ("positive: [1]", "positive: [1], score: p", "targets.fracture", "a model is trained"),
        (
            "positive: [1]",
            "positive: [1], implied_by: {fractur: positive}",
            "targets.fracture.implied_by",
            "'fractur' is not another finding",
        ),
        ("metric: roc_auc", "metric: dice", "primary.metric", "'dice' is not a metric of class"),
        ("target: fracture,", "target: fractur,", "primary.target", "did you mean 'fracture'?"),
        ("{sensitivity: 0.9}", "{}", "operating_point", "0 ways to choose a threshold"),
        ("bands: [0, 18, 65]", "bands: [0, 65, 18]", "data.attributes.age.bands", "do not ascend"),
        ("    sex: {", "    status: {", "data.attributes.status", "a column of our own tables"),
        ("margin: 0.05", "margin: 0", "fairness.margin", "greater than 0"),
        (", margin: 0.05", "", "fairness.margin", "is missing"),
        ("train:", "split: {by: site}\ntrain:", "split", "by site needs the column"),
        ("train:", "split: {test: 0.6, tune: 0.5}\ntrain:", "split", "leave nothing to train on"),
        ("train:", "split: {test: [a]}\ntrain:", "split.test", "a list of values, but"),
        (
            "train:",
            "split: {by: time, column: t, leave_one_out: true}\ntrain:",
            "split.leave_one_out",
            "the split is not by site",
        ),
        (
            "train:",
            "split: {by: site, column: t, leave_one_out: true, test: 0.3}\ntrain:",
            "split.test",
            "every site is tested",
        ),
        (
            "train:",
            "split: {by: site, column: t, leave_one_out: true}\ntrain:",
            "operating_point",
            "nobody to choose it on",
        ),
        ("train:", "gate: gate_basik\ntrain:", "gate", "did you mean 'gate_basic'?"),
        (
            "train:",
            "audit: {accept: {MIXED_UNIT: x}}\ntrain:",
            "audit.accept.MIXED_UNIT",
            "did you mean 'MIXED_UNITS'?",
        ),
        (
            "train:",
            "audit: {exclude: {LABEL_EMPTY: ''}}\ntrain:",
            "audit.exclude.LABEL_EMPTY",
            "has no reason",
        ),
        (
            "fracture: {label: fracture, positive: [1]}",
            "fracture: 1",
            "targets.fracture",
            "is not a finding",
        ),
        ("acceptable: 0.9", "acceptable: 85", "primary.acceptable", "roc_auc is never 85"),
        ("margin: 0.05", "margin: 5", "fairness.margin", "every group would be adequate"),
        (
            "image: file",
            "features: {numeric: [age, bmi], categorical: [age]}\n  image: file",
            "data.features",
            "named twice: age",
        ),
        (
            "positive: [1]",
            "positive: [1], score: fracture",
            "targets.fracture",
            "score and label are one column",
        ),
        ("train: {budget_minutes: 1}", "train: {steps: many}", "train.steps", "valid integer"),
        ("[sex], ", "[sex], reasons: {sexx: x}, ", "fairness.reasons.sexx", "did you mean 'sex'?"),
        (
            "[sex], ",
            "[sex], reasons: {age: x}, ",
            "fairness.reasons.age",
            "is not named in advance",
        ),
        ("[sex], ", "[sex], reasons: {sex: ''}, ", "fairness.reasons.sex", "is empty"),
        (
            "[sex], ",
            "[sex], intersections: [[sex, agee]], ",
            "fairness.intersections",
            "did you mean 'age'?",
        ),
        (
            "[sex], ",
            "[sex], intersections: [[sex]], ",
            "fairness.intersections",
            "fewer than two attributes",
        ),
        (
            "[sex], ",
            "[sex], intersections: [[sex, sex]], ",
            "fairness.intersections",
            "fewer than two attributes",
        ),
        (
            "[sex], ",
            "[sex], adjust_for: [scaner], ",
            "fairness.adjust_for",
            "'scaner' is not an attribute under data.attributes",
        ),
        ("[sex], ", "[sex], adjust_for: [sex], ", "fairness.adjust_for", "leaves no attribute"),
        (
            "[sex], ",
            "[sex], population: {file: served.csv}, ",
            "fairness.population.source",
            "is missing",
        ),
    ],
)
def test_a_mistake_is_named(tmp_path, old, new, key, words):
    assert old in GOOD
    assert words in problems(tmp_path, GOOD.replace(old, new))[key]


def test_no_ct_without_its_modality_stated(tmp_path):
    found = problems(tmp_path, GOOD.replace("  modality: xray\n", ""))
    assert (
        "is missing | add it: No default: a CT scaled as MR fails silently."
        in found["data.modality"]
    )


def test_a_segmentation_says_what_it_lacks(tmp_path):
    text = (
        GOOD.replace("classification", "segmentation")
        .replace("  image: file\n", "")
        .replace("{label: fracture, positive: [1]}", "0")
        .replace("roc_auc", "nsd")
    )
    found = problems(tmp_path, text)
    assert "a segmentation needs data." in found["data"]
    assert "label value 0 is background" in found["targets.fracture"]
    assert "nsd needs a tolerance in mm" in found["primary.metric"]
    assert "a segmentation has none" in found["operating_point"]


def test_a_prevalence_is_a_share_and_says_where_it_is_from(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(GOOD)
    told = ["evaluation.prevalence=0.05", "evaluation.prevalence_source=reports of 2025"]
    assert read_config(path, told).experiment.evaluation.prevalence == 0.05
    found = problems(tmp_path, GOOD, "evaluation.prevalence=5")
    assert "5 is not a share" in found["evaluation.prevalence"]
    assert "where the prevalence is from" in found["evaluation.prevalence_source"]
    found = problems(tmp_path, GOOD, "evaluation.prevalence={fractur: 0.05}", told[1])
    assert "did you mean 'fracture'?" in found["evaluation.prevalence.fractur"]


def test_overrides_are_checked_as_if_written(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(GOOD)
    assert read_config(path, ["split.seed=7"]).experiment.split.seed == 7
    found = problems(tmp_path, GOOD, "split.sede=7", "nonsense", "targets.fracture.positive=[")
    assert found["targets.fracture.positive"].startswith("command line: '[' is not YAML")
    assert found["split.sede"].startswith("command line: not a known key | did you mean 'seed'?")
    assert found["nonsense"].startswith("command line: not of the form key=value")


def test_only_our_own_variables_are_read(tmp_path, monkeypatch):
    monkeypatch.delenv("AIOPS_NOWHERE", raising=False)
    found = problems(tmp_path, GOOD.replace("cases.csv", "${HOME}/cases.csv"))
    assert "${HOME} is not read | only names that begin with AIOPS_ are" in found["data.table"]
    found = problems(tmp_path, GOOD.replace("cases.csv", "${AIOPS_NOWHERE}/cases.csv"))
    assert "the variable AIOPS_NOWHERE is not set" in found["data.table"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1\nb: 2", "not YAML"),
        ("a: &a [*a]\n", "not YAML: it holds itself"),
        ("- 1\n- 2\n", "a config is a mapping"),
        (GOOD + "task: segmentation\n", "the key 'task' is written twice"),
    ],
)
def test_what_is_no_config_says_so(tmp_path, text, words):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_config(path)


def test_yes_and_no_stay_words(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(GOOD.replace("positive: [1]", "positive: [NO, yes]"))
    assert read_config(path).experiment.findings["fracture"].positive == ["NO", "yes"]


def test_what_is_told_of_fairness_is_read(tmp_path):
    path = tmp_path / "c.yaml"
    told = (
        "[sex], reasons: {sex: smaller vessels}, intersections: [[sex, age]], adjust_for: [age], "
        "population: {file: served.csv, source: census 2021}, "
    )
    path.write_text(GOOD.replace("[sex], ", told))
    fairness = read_config(path).experiment.fairness
    assert fairness.reasons == {"sex": "smaller vessels"}
    assert fairness.intersections == [["sex", "age"]]
    assert fairness.population.source == "census 2021"
    path.write_text(GOOD)
    assert read_config(path).experiment.fairness.intersections is None


TABLE = """\
kind: experiment
use_case: readmission
task: classification
data:
  table: stays.csv
  patient: who
  modality: table
  features: {numeric: [age]}
  attributes:
    race: {column: race}
    sex: {column: sex}
targets:
  back: {label: back, positive: [1]}
primary: {target: back, metric: roc_auc}
operating_point: {sensitivity: 0.7}
train: {steps: 10}
"""


def mitigated(**keys: object) -> list[str]:
    told = {"method": "reweigh", "attribute": "race"} | keys
    return [f"train.mitigation.{key}={value}" for key, value in told.items()]


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"method": "balanced_sampling", "attribute": "[race, sex]"},
        {"method": "grid_search", "constraint": "equalized_odds", "grid_size": 21},
        {"method": "group_thresholds", "least": 50},
    ],
)
def test_a_mitigation_is_read(tmp_path, keys):
    path = tmp_path / "c.yaml"
    path.write_text(TABLE)
    train = read_config(path, mitigated(**keys)).experiment.train
    assert train.mitigation.method == keys.get("method", "reweigh")
    assert (train.remedy is None) == (train.mitigation.method == "group_thresholds")
    assert read_config(path).experiment.train.mitigation is None


GRID, THRESHOLDS = {"method": "grid_search"}, {"method": "group_thresholds"}
NO_POINT = TABLE.replace("operating_point: {sensitivity: 0.7}\n", "")
SUPPLIED = TABLE.replace("{sensitivity: 0.7}", "{threshold: 0.7}")


@pytest.mark.parametrize(
    ("text", "keys", "key", "words"),
    [
        (TABLE, {"method": "reweight"}, "method", "not allowed | did you mean 'reweigh'?"),
        (TABLE, {"attribute": "rase"}, "attribute", "data.attributes | did you mean 'race'?"),
        (TABLE, {"attribute": "[race, race]"}, "attribute", "names an attribute twice | keep one"),
        (TABLE, {"grid_size": 21}, "grid_size", "by grid_search alone, not by reweigh | delete it"),
        (TABLE, {**GRID, "least": 50}, "least", "by group_thresholds alone, not by grid_search"),
        (TABLE, {**GRID, "constraint": "parity"}, "constraint", "'parity' is not allowed"),
        (NO_POINT, GRID, "method", "needs an operating point | e.g. `operating_point: {sens"),
        (NO_POINT, THRESHOLDS, "method", "needs an operating point to reach in each group"),
        (SUPPLIED, THRESHOLDS, "method", "chooses thresholds, but operating_point gives one"),
        (GOOD, {**GRID, "attribute": "sex"}, "method", "for tables alone | `method: reweigh` or"),
    ],
)
def test_a_mitigation_that_does_not_fit_is_told_with_its_remedy(tmp_path, text, keys, key, words):
    found = problems(tmp_path, text, *mitigated(**keys))
    assert set(found) == {f"train.mitigation.{key}"}
    assert words in found[f"train.mitigation.{key}"]


def test_a_segmentation_has_no_outcome_to_reweigh(tmp_path):
    text = """\
kind: experiment
use_case: liver
task: segmentation
data:
  {table: c.csv, patient: p, image: i, label: l, modality: ct, attributes: {sex: {column: sex}}}
targets: {liver: 1}
primary: {target: liver, metric: dice}
train: {steps: 10}
"""
    found = problems(tmp_path, text, *mitigated(attribute="sex"))
    assert (
        "a segmentation has none | `method: balanced_sampling`" in found["train.mitigation.method"]
    )
