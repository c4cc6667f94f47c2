"""Gates on real figures: a published model's scores for 15,621 chest films, as a vendor's tool."""

import json
import os
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from aiops import home as homes
from aiops.files import write_json
from aiops.governance import gates
from aiops.governance.feasibility import assess
from aiops.governance.policy import check_gates, evaluate_gate, read_policy
from aiops.governance.usecase import submit
from aiops.pipeline.run import run

DATA = Path(os.environ.get("AIOPS_DATA") or "../shared/data").resolve()
SLUG = "chest-xray-vendor"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(not DATA.is_dir(), reason="no real data: set AIOPS_DATA to their folder"),
]

ITEMS = {
    "effusion-sex": {"target": "effusion", "attribute": "sex"},
    "effusion-view": {"target": "effusion", "attribute": "view"},
    "hernia-sex": {"target": "hernia", "attribute": "sex"},
}


@contextmanager
def no_bar(title):
    yield lambda done, total: None


@pytest.fixture(scope="module")
def vendor(tmp_path_factory):
    """Evaluate the vendor's scores once, in a home of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIOPS_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("AIOPS_DATA", str(DATA))
        submit(SLUG, "A ready model for chest films", clinical_lead="Dr Okafor", owner="Radiology")
        config = homes.configs_dir() / "chest_xray_vendor.yaml"
        done = run(config, (), say=lambda line: None, bar=no_bar, tracked=False)
        yield Path(done["folder"])


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    asked = [{"id": name, "check": "no_concern", "asks": asks, "question": f"Is {name} shown fair?"}
             for name, asks in ITEMS.items()]  # fmt: skip
    bounds = [{"id": f"{target}-auc", "check": "metric_bound", "question": "Is it good enough?",
               "asks": {"target": target, "metric": "roc_auc", "at_least": 0.85, "group": group}}
              for target, group in (("effusion", "all"), ("infiltration", "all"),
                                    ("hernia", "sex=female"))]  # fmt: skip
    told = {"kind": "gate_policy", "name": "gate_vendor", "version": "1", "date": "2026-11-22",
            "title": "The vendor's claims", "items": [*asked, *bounds]}  # fmt: skip
    path = tmp_path_factory.mktemp("policy") / "gate_vendor.yaml"
    path.write_text(yaml.safe_dump(told))
    return read_policy(str(path))


def items(answer):
    return {item["id"]: item for item in answer["items"]}


def test_effusion_is_fair_by_sex_and_not_by_view_and_hernia_cannot_be_told(vendor, policy):
    told = items(evaluate_gate(policy, vendor))
    assert told["effusion-sex"]["outcome"] == "pass"
    assert told["effusion-sex"]["reason"] == "no group of sex is worse off by 0.05"
    assert told["effusion-view"]["outcome"] == "fail"
    assert told["effusion-view"]["reason"].startswith("view=AP, effusion: worse than the rest by ")
    assert told["hernia-sex"]["outcome"] == "undecided"
    assert "hernia: insufficient evidence" in told["hernia-sex"]["reason"]
    assert "more patients" in told["hernia-sex"]["would_decide"]


def test_bounds_are_held_overall_and_by_group(vendor, policy):
    told = items(evaluate_gate(policy, vendor))
    assert told["effusion-auc"]["outcome"] == "pass"
    assert told["infiltration-auc"]["outcome"] == "fail"
    assert told["hernia-auc"]["outcome"] == "undecided"


def test_asked_again_from_the_folder_it_answers_the_same(vendor, policy):
    before = evaluate_gate(policy, vendor)
    kept = json.loads((vendor / "gates.json").read_text())
    try:
        write_json(vendor / "gates.json", before)
        assert check_gates(vendor) == before
    finally:
        write_json(vendor / "gates.json", kept)


def test_the_step_before_silent_use_fails_and_says_for_whom(vendor):
    answer = gates.ask("G4", SLUG)
    told = items(answer)
    assert (answer["outcome"], answer["run"]) == ("fail", vendor.name)
    assert "view=AP, effusion" in told["fairness"]["reason"]
    assert told["calibration"]["outcome"] == "fail"
    assert told["net-benefit"]["outcome"] == "undecided"
    assert told["elsewhere"]["outcome"] == "undecided"
    assert told["primary"]["reason"] == "no acceptance value was set before the test"
    gates.keep(answer)
    assert gates.kept("G4", SLUG) == answer


def test_the_wrist_films_do_not_pass_feasibility(tmp_path, monkeypatch):
    monkeypatch.setenv("AIOPS_HOME", str(tmp_path))
    monkeypatch.setenv("AIOPS_DATA", str(DATA))
    submit("wrist-scaphoid", "Scaphoid fracture on wrist films", clinical_lead="Dr Okafor",
           owner="Emergency department")  # fmt: skip
    before = items(gates.ask("G1", "wrist-scaphoid"))
    assert before["patients"]["reason"] == "nobody asked `aiops feasibility` for this case"
    assess(homes.configs_dir() / "wrist_feasibility.yaml")
    answer = gates.ask("G1", "wrist-scaphoid")
    told = items(answer)
    assert answer["outcome"] == "fail"
    assert told["patients"]["outcome"] == "fail"
    assert told["patients"]["reason"].startswith("R01: 43 patients have scaphoid")
    assert told["reference"]["outcome"] == "fail"
    assert told["groups"]["outcome"] == "undecided"
    gates.keep(answer)
    assert gates.kept("G1", "wrist-scaphoid") == answer
