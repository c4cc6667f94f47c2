import json
from types import SimpleNamespace

import pytest

from aiops.governance.evidence import read_experiment
from aiops.governance.policy import check_gates
from aiops.governance.usecase import submit
from aiops.pipeline.judge import judge_run


@pytest.fixture
def judge(make_run):
    def answered(gate=""):
        folder = make_run()
        if gate:
            text = (folder / "resolved.yaml").read_text()
            (folder / "resolved.yaml").write_text(f"{text}gate: {gate}\n")
        workspace = SimpleNamespace(
            experiment=read_experiment(folder), folder=folder, path=lambda name: folder / name
        )
        answer = judge_run(workspace, lambda done, total: None)
        assert json.loads((folder / "gates.json").read_text()) == answer == check_gates(folder)
        return answer

    return answered


def test_the_basic_gate_asks_nothing_of_the_register(judge):
    submit("chest-effusion", "Effusion on chest films")
    answer = judge()
    assert (answer["policy"], answer["case"]) == ("gate_basic", None)
    assert "register" not in answer["evaluated"]


def test_a_config_that_names_a_step_is_held_to_it(judge):
    submit("chest-effusion", "Effusion on chest films")
    answer = judge("gate_G4")
    items = {item["id"]: item for item in answer["items"]}
    assert items["primary"]["outcome"] == "pass"
    assert items["hazards"]["reason"] == "hazard log: nobody has brought it"
    assert answer["case"]["register"]["slug"] == "chest-effusion"


def test_a_case_that_nobody_registered_leaves_those_items_undecided(judge):
    items = {item["id"]: item for item in judge("gate_G4")["items"]}
    assert items["primary"]["outcome"] == "pass"
    assert items["hazards"]["reason"] == "the case is not in the register"
