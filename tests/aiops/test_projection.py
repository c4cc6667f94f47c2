"""What of a run leaves for MLflow: no name, no folder, no group by which another is found."""

import json

import pandas as pd
import pytest
import yaml

from aiops.config import Experiment
from aiops.projection import flat_config, project_run, write_artifacts


def experiment_of(folder):
    return Experiment.model_validate(yaml.safe_load((folder / "resolved.yaml").read_text()))


def shown(folder):
    return project_run(folder, experiment_of(folder))


def edit(folder, name, change):
    table = pd.read_parquet(folder / name).reset_index(drop=True)
    change(table).to_parquet(folder / name)


def groups(folder, **sizes):
    """Put groups of another attribute beside men and women, all named in advance."""
    config = yaml.safe_load((folder / "resolved.yaml").read_text())
    config["data"]["attributes"]["age"] = {"column": "age"}
    config["fairness"]["attributes"].append("age")
    (folder / "resolved.yaml").write_text(yaml.safe_dump(config))
    for name, row in (("metrics.parquet", 2), ("gaps.parquet", 0)):
        edit(folder, name, lambda table, row=row: pd.concat([table, *(
            table.iloc[[row]].assign(attribute="age", group=group, n_patients=n, n_cases=n,
                                     n_positive=min(n, 30), value=table["value"][row] + i / 100)
            for i, (group, n) in enumerate(sizes.items()))]))  # fmt: skip


def test_the_worst_group_is_not_told_where_it_may_be_a_hidden_one(make_run):
    folder = make_run()
    groups(folder, young=120, middle=150, old=110)
    assert "aiops.worst_group" in shown(folder).tags
    folder = make_run("2026-11-23-ffffffff")
    groups(folder, young=120, middle=150, old=5)
    told = shown(folder)
    assert "aiops.worst_group" not in told.tags
    assert not {"test/worst_gap", "test/worst_group"} & told.metrics.keys()


def test_the_worst_group_is_the_one_that_fares_worst_of_those_named_in_advance(make_run):
    folder = make_run(verdicts=("adequate", "concern"))
    far = {"value": -0.5, "attribute": "ward", "group": "a", "prespecified": False}
    edit(folder, "gaps.parquet", lambda t: pd.concat([t, t.iloc[[0]].assign(**far)]))
    told = shown(folder)
    assert told.tags["aiops.worst_group"] == "sex=male (effusion)"
    assert told.metrics["test/worst_gap"] == pytest.approx(-0.075)


def test_a_figure_of_too_few_or_of_another_part_is_none_of_the_test(make_run):
    few = shown(make_run(state="small_n"))
    assert not [name for name in few.metrics if name.startswith("test/effusion/roc_auc")]
    folder = make_run("2026-11-23-ffffffff")
    tune = {"split": "tune", "value": 0.99}
    edit(folder, "metrics.parquet", lambda t: pd.concat([t.iloc[[0]].assign(**tune), t]))
    assert shown(folder).metrics["test/effusion/roc_auc"] == 0.9


@pytest.mark.parametrize(("n_left_out", "n_cases"), [(3, None), (30, 400)])
def test_the_size_of_a_dataset_does_not_tell_of_few_who_were_left_out(
    make_run, n_left_out, n_cases
):
    folder = make_run()
    told = json.loads((folder / "evaluation.json").read_text())
    flow = [{"step": "in the table", "n_cases": 400},
            {"step": "left out by the config", "n_cases": n_left_out}]  # fmt: skip
    (folder / "evaluation.json").write_text(json.dumps({**told, "population_flow": flow}))
    assert shown(folder).dataset.n_cases == n_cases


def test_rows_of_cases_leave_without_a_name_and_without_a_file(make_run, tmp_path):
    folder = make_run(tracking={"share": "cases"})
    rows = {"case_id": ["case-7"], "study_id": ["A1"], "patient_id": ["NHS 943 476"],
            "reference": ["lee_ana_1.nii"], "predicted": ["p.nii"], "y_score": [0.5]}  # fmt: skip
    pd.DataFrame(rows).to_parquet(folder / "masks.parquet")
    write_artifacts(folder, experiment_of(folder), tmp_path / "out")
    left = pd.read_parquet(tmp_path / "out" / "cases" / "masks.parquet")
    assert set(left.columns) == {"case_id", "study_id", "patient_id", "y_score"}
    for column in ("case_id", "study_id", "patient_id"):
        assert left[column].str.fullmatch(rf"{column[0]}-[0-9a-f]{{16}}").all(), column


def test_a_folder_that_may_name_somebody_is_not_shown():
    told = flat_config({"data": {"table": "/home/ana.lee/chest/cases.csv"}})
    assert told == {"data.table": "cases.csv"}
    assert flat_config({"data": {"table": "chest/cases.csv"}}) == {"data.table": "chest/cases.csv"}
