"""Feasibility counts patients and not films, and judges by the bound and not by the point."""

import numpy as np
import pandas as pd
import pytest
import yaml

from aiops.governance.feasibility import assess

CONFIG = {
    "kind": "experiment",
    "use_case": "made-wrist",
    "task": "classification",
    "data": {
        "table": "films.csv", "case": "film", "patient": "patient", "modality": "xray",
        "image": "films/{film}.png",
        "attributes": {"sex": {"column": "sex"}, "scanner": {"column": "scanner", "per": "case"}},
    },
    "targets": {"scaphoid": {"label": "code", "positive": ["72B"]}},
    "primary": {"target": "scaphoid", "metric": "roc_auc"},
    "train": {"budget_minutes": 1},
    "fairness": {"attributes": ["sex"], "margin": 0.05},
}  # fmt: skip


def films(n=400):
    """Return four films a patient; every second patient has the finding on all of them."""
    patient = np.arange(n) // 4
    return pd.DataFrame({
        "film": [f"f{i}" for i in range(n)],
        "patient": [f"p{i}" for i in patient],
        "sex": np.where(patient // 2 % 2, "F", "M"),
        "scanner": np.where(np.arange(n) % 2, "S", "A"),
        "code": np.where(patient % 2, "72B", "23r"),
    })  # fmt: skip


@pytest.fixture
def check(tmp_path, home):
    def make(name, frame, **blocks):
        frame.to_csv(tmp_path / "films.csv", index=False)
        (tmp_path / "made.yaml").write_text(yaml.safe_dump({**CONFIG, **blocks}))
        found = assess(tmp_path / "made.yaml")
        return next((c for c in found["checks"] if c["id"] == name), None)

    return make


def test_patients_are_counted_and_not_their_films(check):
    found = check("patients", films())  # 200 films of 50 patients, and 100 patients are asked for
    assert (found["value"], found["n"], found["outcome"]) == (50, 100, "fail")
    assert found["sentence"].startswith("50 patients have scaphoid; 100 are asked for")
    assert check("patients", films(800))["outcome"] != "fail"  # 100 are enough


def test_of_two_images_both_must_be_there(check, tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    frame = films().assign(other="films/nothing.png")
    for name in frame["film"]:
        (folder / f"{name}.png").touch()
    data = {**CONFIG["data"], "image": {"front": "films/{film}.png", "side": "{other}"}}
    assert check("images", frame)["outcome"] == "pass"
    assert check("images", frame, data=data)["outcome"] == "fail"


@pytest.mark.parametrize(("blank", "outcome"), [(0.05, "pass"), (0.24, "undecided"), (0.6, "fail")])
def test_missing_labels_are_judged_by_the_bound_over_patients(check, blank, outcome):
    frame = films()
    frame.loc[frame.index < blank * len(frame), "code"] = ""
    found = check("labels", frame)
    assert found["outcome"] == outcome
    if outcome == "undecided":  # by film the interval would be half as wide, and settle it
        assert found["high"] - found["low"] > 0.15


@pytest.mark.parametrize(("there", "outcome"), [(1.0, "pass"), (0.93, "undecided"), (0.5, "fail")])
def test_missing_images_are_judged_by_the_bound(check, tmp_path, there, outcome):
    folder = tmp_path / "films"
    folder.mkdir()
    frame = films(800)
    for name in frame["film"][: int(there * len(frame))]:
        (folder / f"{name}.png").touch()
    assert check("images", frame)["outcome"] == outcome


def test_cases_that_lack_some_field_count_though_no_field_lacks_much(check):
    frame = films(800)
    names = [f"f_{i}" for i in range(6)]
    for i, name in enumerate(names):  # each blank in an eighth of the patients, never the same
        frame[name] = np.where(np.arange(len(frame)) // 4 % 8 == i, np.nan, 1.0)
    data = {**CONFIG["data"], "features": {"numeric": names}, "modality": "table"}
    data.pop("image")
    found = check("missingness", frame, data=data)
    assert found["value"] < found["threshold"]
    assert found["outcome"] == "fail"


def test_a_group_of_which_nobody_came_is_not_known(check):
    sexes = {"column": "sex", "values": {"F": "F", "M": "M", "X": "X"}}
    data = {**CONFIG["data"], "attributes": {**CONFIG["data"]["attributes"], "sex": sexes}}
    found = check("groups", films(1600), data=data)
    assert found["details"] == [{"few": [], "nobody": ["sex X"]}]
    assert found["outcome"] == "undecided"
