from pathlib import Path

import pytest
from click.testing import CliRunner

from aiops.cli import cli
from aiops.config import Experiment
from aiops.data.population import read_population
from aiops.errors import DataError
from aiops.pipeline.evaluate import evaluation_plan

SERVED = "attribute,group,share\nsex,female,0.51\nsex,male,0.49\nage,0-17,0.2\nage,65+,0.2\n"
CONFIG = """\
kind: experiment
use_case: a-test
task: classification
data:
  table: cases.csv
  patient: patient
  modality: table
  attributes:
    sex: {column: sex, values: {F: female, M: male}}
    age: {column: age, bands: [0, 18, 65]}
    site: {column: site}
targets: {ill: {label: ill, positive: [1], score: p}}
primary: {target: ill, metric: roc_auc}
fairness:
  attributes: [sex, age]
  margin: 0.05
  adjust_for: [site]
  reasons: {sex: smaller vessels}
  intersections: []
  population: {file: served.csv, source: census 2021}
"""


def experiment_in(folder: Path, served: str) -> tuple[Experiment, Path]:
    from aiops.reading import read_config

    (folder / "served.csv").write_text(served)
    path = folder / "c.yaml"
    path.write_text(CONFIG)
    return read_config(path).experiment, path


def test_shares_are_read_by_attribute(tmp_path):
    experiment, path = experiment_in(tmp_path, SERVED)
    assert read_population(experiment, config_path=path) == {
        "sex": {"female": 0.51, "male": 0.49},
        "age": {"0-17": 0.2, "65+": 0.2},
    }


def test_what_is_said_of_fairness_reaches_the_plan(tmp_path):
    experiment, path = experiment_in(tmp_path, SERVED)
    population = read_population(experiment, config_path=path)
    plan = evaluation_plan(experiment, True, {}, population)
    assert plan.population["sex"]["female"] == 0.51
    assert plan.population_source == "census 2021"
    assert plan.adjust_for == ("site",)
    assert plan.reasons == {"sex": "smaller vessels"}
    assert plan.intersections == ()
    assert plan.prespecified == ("sex", "age")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("sex,male", "sexe,male", r"'sexe' is not an attribute \(did you mean 'sex'\?\)"),
        ("sex,female", "sex,femal", r"'femal' is not a group of sex \(did you mean 'female'\?\)"),
        ("age,65+", "age,65 and over", "'65 and over' is not a group of age"),
        ("0.49", "49", r"1 shares lie outside 0 to 1 \(write 0.12 for 12 %\)"),
        ("0.49", "0.6", "the shares of sex add up to 1.11"),
        ("0.49", "half", "1 rows lack attribute, group or a share"),
        ("sex,male", "sex,female", "sex 'female' stands twice"),
    ],
)
def test_a_mistake_is_named(tmp_path, old, new, words):
    experiment, path = experiment_in(tmp_path, SERVED.replace(old, new))
    with pytest.raises(DataError, match=words):
        read_population(experiment, config_path=path)


def test_a_group_of_an_attribute_without_named_groups_may_be_any(tmp_path):
    experiment, path = experiment_in(tmp_path, "attribute,group,share\nsite,elsewhere,0.4\n")
    assert read_population(experiment, config_path=path) == {"site": {"elsewhere": 0.4}}


def test_all_mistakes_come_at_once_and_a_missing_file_too(tmp_path):
    wrong = SERVED.replace("sex,male", "sexe,male").replace("age,65+", "age,66+")
    experiment, path = experiment_in(tmp_path, wrong)
    with pytest.raises(DataError, match="has 2 mistakes"):
        read_population(experiment, config_path=path)
    (tmp_path / "served.csv").unlink()
    with pytest.raises(DataError, match="not there"):
        read_population(experiment, config_path=path)
    (tmp_path / "served.csv").write_text("attribute,group\nsex,male\n")
    with pytest.raises(DataError, match=r"'share' \(fairness.population\)"):
        read_population(experiment, config_path=path)


def test_validate_reads_the_population_before_anything_is_run(tmp_path):
    _, path = experiment_in(tmp_path, SERVED.replace("sex,male", "sex,men"))
    (tmp_path / "cases.csv").write_text("case_id,patient,sex,age,site,ill,p\n1,1,F,50,n,1,0.5\n")
    done = CliRunner().invoke(cli, ["validate", str(path)])
    assert done.exit_code != 0
    (tmp_path / "served.csv").write_text(SERVED)
    assert CliRunner().invoke(cli, ["validate", str(path)]).exit_code == 0
