import json

import pandas as pd
import pytest
import yaml

from aiops import home as homes
from aiops.config import Experiment
from aiops.errors import ConfigError, GateError, StageError
from aiops.files import write_json
from aiops.governance.lifecycle import read_lifecycle
from aiops.governance.policy import (
    check_gates,
    evaluate_gate,
    read_policy,
    read_reasons,
)

POLICY = read_policy("gate_basic")


def gate(folder):
    return evaluate_gate(POLICY, folder)


def item(folder, name):
    return next(i for i in gate(folder)["items"] if i["id"] == name)


def test_a_good_run_passes_and_says_from_which_bytes(make_run):
    gates = gate(make_run())
    assert gates["outcome"] == "pass"
    assert [i["outcome"] for i in gates["items"]] == ["pass"] * 4
    assert {"evaluation.json", "gaps.parquet", "metrics.parquet", "audit.json"} <= set(
        gates["evaluated"]
    )
    assert all(i["would_decide"] == "" for i in gates["items"])
    json.dumps(gates, allow_nan=False)


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [(0.80, 0.9, "pass"), (0.79, 0.9, "undecided"), (0.7, 0.80, "undecided"), (0.7, 0.79, "fail")],
)
def test_the_bound_counts_and_not_the_point(make_run, low, high, outcome):
    assert item(make_run(low=low, high=high), "primary")["outcome"] == outcome


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [(0.05, 0.10, "pass"), (0.05, 0.11, "undecided"), (0.11, 0.2, "fail")],
)
def test_where_lower_is_better_the_bound_is_mirrored(make_run, low, high, outcome):
    primary = {"target": "effusion", "metric": "brier", "acceptable": 0.1}
    found = item(make_run(low=low, high=high, primary=primary), "primary")
    assert found["outcome"] == outcome
    assert found["threshold"] == "upper bound ≤ 0.1"


def test_without_a_value_set_before_the_test_it_is_undecided(make_run):
    primary = {"target": "effusion", "metric": "roc_auc"}
    found = item(make_run(primary=primary), "primary")
    assert found["outcome"] == "undecided"
    assert found["reason"] == "no acceptance value was set before the test"


def test_a_metric_without_better_and_worse_is_undecided(make_run):
    primary = {"target": "effusion", "metric": "calibration_slope", "acceptable": 0.9}
    found = item(make_run(primary=primary, low=0.95, high=1.1), "primary")
    assert found["outcome"] == "undecided"


def test_what_is_not_estimable_is_undecided(make_run):
    found = item(make_run(state="not_estimable", value=None, low=None, high=None), "primary")
    assert (found["outcome"], found["reason"]) == ("undecided", "effusion: not estimable")


def test_the_worst_of_several_primary_targets_counts(make_run):
    primary = {"target": ["effusion", "hernia"], "metric": "roc_auc", "acceptable": 0.8}
    targets = {n: {"label": n, "positive": [1]} for n in ("effusion", "hernia")}
    folder = make_run()
    config = yaml.safe_load((folder / "resolved.yaml").read_text())
    (folder / "resolved.yaml").write_text(
        yaml.safe_dump({**config, "primary": primary, "targets": targets})
    )
    evaluation = json.loads((folder / "evaluation.json").read_text())
    evaluation["primary"][0]["target"] = "effusion"
    write_json(folder / "evaluation.json", evaluation)
    found = item(folder, "primary")
    assert (found["outcome"], found["reason"]) == ("undecided", "hernia: not in the evaluation")


@pytest.mark.requirement("REQ-001")
def test_a_concern_fails_and_names_the_group(make_run):
    found = item(make_run(verdicts=("concern", "insufficient evidence")), "fairness")
    assert found["outcome"] == "fail"
    assert found["reason"].startswith("sex=female, effusion: worse than the rest by 0.075")
    assert "male, effusion" not in found["reason"].replace("female", "")


def test_insufficient_evidence_is_undecided_and_says_how_many_more(make_run):
    found = item(
        make_run(verdicts=("adequate", "insufficient evidence"), n_needed=213.2), "fairness"
    )
    assert found["outcome"] == "undecided"
    assert found["would_decide"] == "about 34 more patients of group sex=male"


def test_a_group_too_small_is_named_and_not_counted(make_run):
    folder = make_run(verdicts=("adequate", "insufficient evidence"), n_patients=(200, 6))
    found = item(folder, "fairness")
    assert "sex=male, effusion: insufficient evidence (too few patients)" in found["reason"]
    assert "how many cannot be said yet" in found["would_decide"]


def test_a_concern_on_a_hidden_group_is_told_without_its_figures(make_run):
    folder = make_run(verdicts=("concern", "concern"), n_patients=(200, 6))
    found = item(folder, "fairness")
    assert found["outcome"] == "fail"
    assert "sex=male, effusion: worse than the rest; its figures are hidden" in found["reason"]
    # The other group is hidden too: with the total it would give this one away.
    assert found["reason"].count("its figures are hidden") == 2


def test_findings_on_few_patients_are_not_counted_in_the_answer(make_run):
    folder = make_run(verdicts=("adequate", "adequate"))
    told = {"severity": "stop", "meaning": "x", "n": 3, "state": "stop", "reason": ""}
    codes = {"ATTRIBUTE_CONFLICT": told, "FILE_MISSING": told}
    (folder / "audit.json").write_text(json.dumps({"codes": codes}), encoding="utf-8")
    found = item(folder, "audit")
    assert "ATTRIBUTE_CONFLICT × few: stops; FILE_MISSING × 3: stops" in found["value"]
    assert [figure["n"] for figure in found["figures"]] == [None, 3]


def test_a_small_count_in_the_reason_of_a_gap_stays_in_the_table(make_run):
    folder = make_run(verdicts=("adequate", "insufficient evidence"))
    gaps = pd.read_parquet(folder / "gaps.parquet")
    gaps["reason"] = "too few in male: 3 patients with the finding; 10 are needed"
    gaps.to_parquet(folder / "gaps.parquet")
    reason = item(folder, "fairness")["reason"]
    assert "insufficient evidence (too few patients)" in reason
    assert "3 patients" not in reason


def test_a_long_list_names_the_first_and_counts_the_rest(make_run):
    folder = make_run()
    gaps = pd.read_parquet(folder / "gaps.parquet")
    many = [gaps.assign(group=f"g{i}", verdict="concern") for i in range(4)]
    pd.concat(many).to_parquet(folder / "gaps.parquet")
    assert item(folder, "fairness")["reason"].endswith("; and 2 more")


def test_no_group_named_in_advance_is_undecided(make_run):
    found = item(make_run(fairness=None), "fairness")
    assert found["outcome"] == "undecided"
    assert "no group was named in advance" in found["reason"]


def test_an_attribute_without_any_group_is_undecided(make_run):
    found = item(make_run(attributes=False), "fairness")
    assert found["outcome"] == "undecided"
    assert "sex: no group could be compared" in found["reason"]


@pytest.mark.parametrize(
    ("state", "reason", "outcome"),
    [
        ("note", "", "pass"),
        ("stop", "", "fail"),
        ("accepted", "the films are blank on purpose", "pass"),
        ("excluded", "blank films", "pass"),
        ("accepted", " ", "fail"),
    ],
)
def test_a_fault_may_stand_only_for_a_reason(make_run, state, reason, outcome):
    found = item(make_run(audit_state=state, audit_reason=reason), "audit")
    assert found["outcome"] == outcome


def test_without_an_audit_it_is_undecided(make_run):
    folder = make_run()
    (folder / "audit.json").unlink()
    assert item(folder, "audit")["outcome"] == "undecided"


def test_a_test_list_read_twice_does_not_pass_silently(make_run):
    found = item(make_run(reading=3), "test-list")
    assert (found["outcome"], found["value"]) == ("undecided", "read 3 times")
    assert "reading 3 of the same test list" in found["reason"]


def test_fail_is_worse_than_undecided(make_run):
    assert gate(make_run(reading=2, low=0.6, high=0.7))["outcome"] == "fail"
    assert gate(make_run("2026-11-22-ffffffff", reading=2))["outcome"] == "undecided"


def test_a_run_without_evaluation_has_no_gate(make_run):
    folder = make_run()
    (folder / "metrics.parquet").unlink()
    with pytest.raises(
        StageError, match=r"metrics.parquet is not there: this run was not evaluated"
    ):
        gate(folder)


def test_the_config_given_and_the_config_in_the_run_answer_alike(make_run):
    folder = make_run()
    experiment = Experiment.model_validate(yaml.safe_load((folder / "resolved.yaml").read_text()))
    assert evaluate_gate(POLICY, folder, experiment) == gate(folder)


def test_a_gate_is_answered_again_from_the_folder_alone(make_run):
    folder = make_run(reading=2)
    write_json(folder / "gates.json", gate(folder))
    assert check_gates(folder)["outcome"] == "undecided"


def test_a_policy_changed_since_does_not_change_an_old_answer(make_run, monkeypatch):
    folder = make_run()
    write_json(folder / "gates.json", gate(folder))
    monkeypatch.setattr("aiops.home.configs_dir", lambda: folder / "nowhere")
    assert check_gates(folder)["policy_version"] == POLICY.version


def test_what_changed_after_the_gate_is_named(make_run):
    folder = make_run()
    write_json(folder / "gates.json", gate(folder))
    gaps = pd.read_parquet(folder / "gaps.parquet")
    gaps.assign(value=0.0).to_parquet(folder / "gaps.parquet")
    with pytest.raises(GateError, match=r"the evaluation changed after the gate: gaps.parquet"):
        check_gates(folder)


def test_a_gate_that_was_edited_is_found(make_run):
    folder = make_run(verdicts=("concern", "adequate"))
    gates = gate(folder)
    write_json(folder / "gates.json", {**gates, "outcome": "pass"})
    with pytest.raises(
        GateError, match=r"answer the gate otherwise: fail, where gates.json says pass"
    ):
        check_gates(folder)


def test_a_run_without_a_gate_says_so(make_run):
    with pytest.raises(GateError, match="no gate was answered for this run"):
        check_gates(make_run())


def test_a_policy_that_is_not_there_is_answered_with_the_list():
    with pytest.raises(ConfigError, match="no gate policy 'gate_bsaic'") as caught:
        read_policy("gate_bsaic")
    assert "did you mean gate_basic?" in caught.value.fix


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (
            {"items": [{"id": "a", "check": "no_concren", "question": "Is it all fine?"}]},
            "no_concren",
        ),
        (
            {"items": [{"id": "a", "check": "no_concern", "question": "Is it all fine?"}] * 2},
            "one id",
        ),
        ({"kind": "experiment"}, "kind"),
        ({"treshold": 1}, "treshold"),
    ],
)
def test_a_policy_that_is_wrong_says_where(tmp_path, change, what):
    path = tmp_path / "gate_mine.yaml"
    path.write_text(yaml.safe_dump({**POLICY.model_dump(mode="json"), **change}))
    with pytest.raises(ConfigError, match=what):
        read_policy(str(path))


def test_every_step_has_its_policy_and_each_policy_in_the_house_reads():
    names = sorted(path.stem for path in (homes.configs_dir() / "policy").glob("gate_*.yaml"))
    steps = {step.policy for step in read_lifecycle().gates.values()}
    assert names == sorted(steps | {"gate_basic"})
    assert [read_policy(name).name for name in names] == names


def test_the_24_reason_codes_are_there():
    codes = read_reasons().codes
    assert list(codes) == [f"R{i:02d}" for i in range(1, 25)]
    assert len({code.name for code in codes.values()}) == 24
    assert all(code.definition.endswith(".") for code in codes.values())


def edit_reason(gates):
    gates["items"][0]["reason"] = "effusion: the whole interval clears 0.95"


def edit_interval(gates):
    gates["items"][0]["figures"][0]["low"] = 0.99


def edit_policy_sha256(gates):
    gates["policy_sha256"] = "0" * 64


@pytest.mark.parametrize("change", [edit_reason, edit_interval, edit_policy_sha256])
def test_each_word_of_an_answer_is_held_to_the_files(make_run, change):
    folder = make_run()
    gates = evaluate_gate(POLICY, folder)
    change(gates)
    write_json(folder / "gates.json", gates)
    with pytest.raises(GateError, match="the same files answer the gate otherwise: pass"):
        check_gates(folder)
