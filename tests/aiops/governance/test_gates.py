import json
import re
from datetime import date, timedelta

import pandas as pd
import pytest
import yaml

from aiops import home as homes
from aiops.errors import ConfigError, GateError
from aiops.files import write_json
from aiops.governance import gates
from aiops.governance.checks import CHECKS
from aiops.governance.conditions import close
from aiops.governance.decision import propose, record_decision
from aiops.governance.documents import add_document, bytes_path
from aiops.governance.dossier import read_dossier
from aiops.governance.lifecycle import read_lifecycle
from aiops.governance.policy import check_answer, check_gates, evaluate_gate, read_policy
from aiops.governance.usecase import submit
from aiops.provenance import content_hash

SLUG = "chest-effusion"
SOON = date.today() + timedelta(days=30)
STEPS = [f"G{i}" for i in range(7)]


@pytest.fixture
def case(home):
    return submit(SLUG, "Effusion on chest films", clinical_lead="Dr Okafor", owner="Radiology",
                  market_scan_on=date.today() - timedelta(days=30))  # fmt: skip


@pytest.fixture
def paper(tmp_path):
    path = tmp_path / "review.pdf"
    path.write_bytes(b"looked at")
    return path


def item(answer, name):
    return next(one for one in answer["items"] if one["id"] == name)


@pytest.mark.parametrize("step", STEPS)
def test_every_step_has_a_policy_that_asks_in_words_and_claims_nothing(step):
    policy = read_policy(read_lifecycle().step(step).policy)
    assert (policy.name, policy.date) == (f"gate_{step}", "2026-11-22")
    assert policy.title == read_lifecycle().step(step).title
    assert all(item.question.endswith("?") for item in policy.items)
    text = (homes.configs_dir() / "policy" / f"gate_{step}.yaml").read_text()
    assert "it claims no conformity" in text
    assert not re.search(r"\b(complies|compliant|conforms|certified)\b", text)
    # Each standard is named with its edition: a year, a day or a version.
    named = [standard for item in policy.items for standard in item.standards]
    assert all(re.search(r"\d{4}|v\d", standard) for standard in named)


@pytest.mark.parametrize("step", STEPS)
def test_a_case_with_nothing_passes_no_step(home, step):
    submit(SLUG, "Effusion on chest films")
    answer = gates.ask(step, SLUG)
    assert answer["outcome"] in ("fail", "undecided")
    assert all(i["would_decide"] for i in answer["items"] if i["outcome"] != "pass")
    json.dumps(answer, allow_nan=False)


def test_every_check_is_asked_by_a_policy_or_named_here():
    asked = {i.check for s in STEPS for i in read_policy(f"gate_{s}").items}
    assert set(CHECKS) - asked == {"fact_holds"}  # for a team's own policies


def test_a_step_is_answered_from_run_register_and_papers(case, make_run, paper):
    folder = make_run()
    add_document(SLUG, "failure_review", paper, dated=date.today(), by="A. Lead")
    answer = gates.ask("G4", SLUG)
    assert (answer["step"], answer["run"], answer["use_case"]) == ("G4", folder.name, SLUG)
    assert [item(answer, name)["outcome"] for name in ("primary", "fairness", "each-group")] == [
        "pass"] * 3  # fmt: skip
    failures = item(answer, "failures")
    assert (failures["outcome"], failures["kind"]) == ("pass", "document")
    assert answer["evaluated"][failures["file"]] == failures["file"].removeprefix("documents/")
    assert answer["outcome"] == "undecided"
    lines = gates.step_lines(answer, read_lifecycle().step("G4"))
    assert lines[0] == "G4 Is it good and fair enough to run beside the service, unseen?"
    assert lines[-1] == "to approve it sign: cso, clinical lead, fairness reviewer (attested)"
    assert any(line.startswith("undecided  robustness") for line in lines)


def test_of_several_runs_the_newest_that_was_evaluated_is_asked(case, make_run):
    for name, created in (("a", "2026-11-20"), ("b", "2026-11-22"), ("c", "2026-11-21")):
        run = make_run(name) / "run.json"
        write_json(run, {**json.loads(run.read_text()), "created": created})
    (homes.runs_dir(SLUG) / "z").mkdir()
    assert gates.ask("G4", SLUG)["run"] == "b"
    assert gates.ask("G4", SLUG, homes.runs_dir(SLUG) / "a")["run"] == "a"
    assert gates.ask("G0", SLUG)["run"] == ""


def test_a_run_of_another_case_is_refused(case, make_run, tmp_path):
    other = make_run(use_case="other-case")
    with pytest.raises(ConfigError, match="no run of 'chest-effusion': it belongs to 'other-case'"):
        gates.ask("G4", SLUG, other)
    with pytest.raises(ConfigError, match=r"this is no run of 'chest-effusion'\n"):
        gates.ask("G4", SLUG, tmp_path)


def test_an_answer_is_kept_and_asked_again_gives_the_same(case, make_run, paper):
    make_run()
    add_document(SLUG, "failure_review", paper, dated=date.today(), by="A. Lead")
    answer = gates.ask("G4", SLUG)
    last = gates.keep(answer)
    assert json.loads(last.read_text()) == answer == gates.kept("G4", SLUG)
    assert len(list(last.parent.glob("gate_G4*.json"))) == 2


def test_years_later_the_register_has_gone_on_and_the_answer_has_not(
    case, make_run, paper, monkeypatch
):
    make_run()
    add_document(SLUG, "failure_review", paper, dated=date.today(), by="A. Lead")
    before = gates.ask("G4", SLUG)
    gates.keep(before)
    newer = paper.with_name("newer.pdf")
    newer.write_bytes(b"looked at again")
    add_document(SLUG, "failure_review", newer, dated=date.today(), by="A. Lead")
    homes.facts_file().write_text(yaml.safe_dump({SLUG: {"clinical_lead": "TBC"}}))
    monkeypatch.setattr("aiops.home.configs_dir", lambda: paper.parent / "nowhere")
    path = gates.gates_dir(SLUG) / "gate_G4.json"
    assert check_answer(path, homes.runs_dir(SLUG) / before["run"]) == before


def test_a_paper_that_changed_since_is_refused(case, make_run, paper):
    make_run()
    added = add_document(SLUG, "failure_review", paper, dated=date.today(), by="A. Lead")
    gates.keep(gates.ask("G4", SLUG))
    bytes_path(added.sha256).write_bytes(b"forged")
    with pytest.raises(GateError, match=f"changed after the gate: documents/{added.sha256}"):
        gates.kept("G4", SLUG)
    answer = gates.ask("G4", SLUG)
    assert item(answer, "failures")["outcome"] == "undecided"
    assert "differs from the one that was hashed" in item(answer, "failures")["reason"]


def test_a_table_that_changed_or_came_since_is_refused(case, make_run):
    folder = make_run()
    (folder / "tables").mkdir()
    curve = pd.DataFrame({"target": ["effusion"], "threshold": [0.1], "low": [0.1], "high": [0.2]})
    curve.to_parquet(folder / "tables" / "agreement.parquet")
    gates.keep(gates.ask("G3", SLUG))
    curve.assign(low=0.0).to_parquet(folder / "tables" / "agreement.parquet")
    with pytest.raises(GateError, match=r"changed after the gate: tables/agreement\.parquet"):
        gates.kept("G3", SLUG)
    gates.keep(gates.ask("G3", SLUG))
    curve.to_parquet(folder / "tables" / "decision_curve.parquet")
    with pytest.raises(GateError, match=r"changed after the gate: tables/decision_curve\.parquet"):
        gates.kept("G3", SLUG)


@pytest.mark.parametrize(
    "name",
    ["resolved.yaml", "evaluation.json", "audit.json", "split.json", "training.json",
     "metrics.parquet", "predictions.parquet", "cases.parquet", "card/card.json"],
)  # fmt: skip
def test_each_file_that_was_read_is_bound(case, make_run, name):
    folder = make_run()
    (folder / "card").mkdir()
    write_json(folder / "card" / "card.json", {"blanks": []})
    write_json(folder / "split.json", {"assignments": {"c": {"split": "test"}}, "seed": 0})
    write_json(folder / "training.json", {"members": {"model": {"digest": "a" * 64}}})
    pd.DataFrame({"case_id": ["c"], "patient_id": ["p"]}).to_parquet(folder / "cases.parquet")
    pd.DataFrame({"y_score": [0.5]}).to_parquet(folder / "predictions.parquet")
    gates.keep(gates.ask("G3", SLUG))
    assert gates.kept("G3", SLUG)["evaluated"][name] == content_hash(folder / name)
    with (folder / name).open("ab") as file:
        file.write(b"\n")
    with pytest.raises(GateError, match=f"changed after the gate: {name}"):
        gates.kept("G3", SLUG)
    (folder / name).unlink()
    with pytest.raises(GateError, match=f"changed after the gate: {name}"):
        gates.kept("G3", SLUG)


def test_what_the_register_said_cannot_be_edited_in_the_answer(case):
    path = gates.keep(gates.ask("G0", SLUG))
    told = json.loads(path.read_text())
    told["case"]["register"]["problem"] = "a problem nobody stated"
    write_json(path, told)
    with pytest.raises(GateError, match="changed after the gate: register"):
        gates.kept("G0", SLUG)


def test_an_outcome_that_was_edited_is_found(case):
    path = gates.keep(gates.ask("G0", SLUG))
    told = json.loads(path.read_text())
    write_json(path, {**told, "outcome": "pass"})
    with pytest.raises(
        GateError, match=r"answer the gate otherwise: undecided, where gate_G0.json"
    ):
        gates.kept("G0", SLUG)


def test_a_step_that_was_not_asked_says_how(case):
    with pytest.raises(GateError, match="G4 was not asked for chest-effusion") as caught:
        gates.kept("G4", SLUG)
    assert caught.value.fix == "aiops gate G4 --use-case chest-effusion"


def test_the_hazard_log_is_rated_as_it_was_that_day(case, tmp_path, monkeypatch):
    hazard = {"id": "HZ-001", "hazard": "A film is missed", "causes": ["rotation"],
              "effect": "late read", "harm": "late treatment", "severity": "major",
              "likelihood": "high", "controls": ["second read"],
              "residual_likelihood": "low"}  # fmt: skip
    log = tmp_path / "log.yaml"
    head = {"kind": "hazard_log", "use_case": SLUG, "safety_officer": "C. Safety"}
    log.write_text(yaml.safe_dump({**head, "hazards": [hazard]}))
    add_document(SLUG, "hazard_log", log, dated=date.today(), by="C. Safety")
    answer = gates.ask("G2", SLUG)
    assert item(answer, "hazards")["outcome"] == "pass"
    gates.keep(answer)
    monkeypatch.setattr("aiops.governance.dossier.read_hazards", None)  # another matrix, say
    assert gates.kept("G2", SLUG) == answer


def approved(step="G0", **said):
    said = {"rationale": "Worth a look.", "by": "Imaging AI board", "gate": step, **said}
    return record_decision(propose("approve-with-conditions", SLUG, **said))


def conditions(step):
    open_ones = [i["id"] for i in gates.ask(step, SLUG)["items"] if i["outcome"] == "undecided"]
    return [f"{name}: what is open; Dr Okafor; {SOON}" for name in open_ones]


def test_what_a_decision_rests_on_is_asked_again_after_later_answers(case):
    record = approved(conditions=conditions("G0"))
    before = gates.of_decision(record.id)
    homes.facts_file().write_text(yaml.safe_dump({SLUG: {"problem": "late reads"}}))
    gates.keep(gates.ask("G0", SLUG))
    assert gates.of_decision(record.id) == before
    assert item(before, "problem")["outcome"] == "undecided"
    with pytest.raises(ConfigError, match="'DEC-2000-0001' is not known"):
        gates.of_decision("DEC-2000-0001")


def test_an_answer_that_was_edited_or_lost_is_not_what_a_decision_rests_on(case):
    record = approved(conditions=conditions("G0"))
    for path in gates.gates_dir(SLUG).glob("gate_G0-*.json"):
        told = json.loads(path.read_text())
        told["case"]["register"]["owner"] = "nobody"
        write_json(path, told)
    with pytest.raises(GateError, match="changed after the gate: register"):
        gates.of_decision(record.id)
    for path in gates.gates_dir(SLUG).glob("gate_G0-*.json"):
        path.unlink()
    with pytest.raises(GateError, match=f"no answer is kept that {record.id} rests on") as caught:
        gates.of_decision(record.id)
    assert caught.value.fix == "restore the folder from a backup"


def test_a_decision_on_a_run_by_its_own_gate_is_asked_again_too(case, make_run, attested):
    folder = make_run()
    write_json(folder / "gates.json", evaluate_gate(read_policy("gate_basic"), folder))
    said = {"rationale": "As the figures say.", "by": "Imaging AI board"}
    record = record_decision(propose("approve", SLUG, run_dir=folder, **said, **attested))
    answer = gates.of_decision(record.id)
    assert (answer["policy"], answer["run"], answer["step"]) == ("gate_basic", folder.name, "G4")
    gaps = pd.read_parquet(folder / "gaps.parquet")
    gaps.assign(value=0.0).to_parquet(folder / "gaps.parquet")
    with pytest.raises(GateError, match=r"changed after the gate: gaps\.parquet"):
        gates.of_decision(record.id)


def test_a_later_run_is_held_to_the_figures_that_were_approved(case, make_run, attested):
    folder = make_run()
    write_json(folder / "gates.json", evaluate_gate(read_policy("gate_basic"), folder))
    said = {"rationale": "As the figures say.", "by": "Imaging AI board"}
    record_decision(propose("approve", SLUG, run_dir=folder, **said, **attested))
    found = item(gates.ask("G5", SLUG, folder), "silent-results")
    assert (found["outcome"], found["value"]) == ("undecided", "none")
    silent = make_run("2026-12-22-ffffffff", value=0.84, low=0.80, high=0.849)
    told = json.loads((silent / "evaluation.json").read_text())
    write_json(silent / "evaluation.json", {**told, "predictions_sha256": "8" * 64})
    found = item(gates.ask("G5", SLUG, silent), "silent-results")
    assert found["reason"] == "effusion: the whole interval misses 0.85"
    # Figures that changed after the approval promise nothing.
    told = json.loads((folder / "evaluation.json").read_text())
    write_json(folder / "evaluation.json", {**told, "unit": "patient"})
    found = item(gates.ask("G5", SLUG, silent), "silent-results")
    assert found["reason"] == "no figures are known that G4 was approved on"


def test_conditions_of_an_earlier_step_are_open_then_met(case, paper, monkeypatch):
    record = approved(conditions=conditions("G0"))
    found = item(gates.ask("G1", SLUG), "conditions")
    assert found["outcome"] == "undecided"
    assert found["reason"].startswith(f"open: {record.id} C1 (problem), Dr Okafor, due {SOON}")
    with pytest.raises(GateError, match="C1 is not met: G0 problem answers undecided"):
        close("met", SLUG, "C1", by="A. Lead", evidence=paper)
    answer = gates.ask("G0", SLUG)
    passed = [{**one, "outcome": "pass"} for one in answer["items"]]
    with monkeypatch.context() as brought:
        brought.setattr(gates, "ask", lambda step, slug, run=None: {**answer, "items": passed})
        for one in record.conditions:
            close("met", SLUG, one.id, by="A. Lead", evidence=paper)
    assert item(gates.ask("G1", SLUG), "conditions")["outcome"] == "pass"
    assert item(gates.ask("G2", SLUG), "feasible")["reason"] == "nobody approved G1"


def test_feasibility_answers_the_step_after_intake(case):
    told = {"supports": False, "sentence": "480 patients are there."}
    answer = {"use_case": SLUG, "created_at": date.today().isoformat(), "reasons": {"R01": told}}
    folder = homes.home() / "feasibility" / SLUG
    write_json(folder / "2026-11-22-feasibility-0a1b2c3d.json", answer)
    found = gates.ask("G1", SLUG)
    assert item(found, "patients")["reason"] == "R01: 480 patients are there."
    assert item(found, "patients")["outcome"] == "pass"
    assert item(found, "groups")["reason"] == "R13: no figures"


def test_a_decision_that_asked_no_gate_says_so(case):
    said = {"rationale": "Nobody leads it.", "by": "Imaging AI board", "reasons": ["R06"],
            "lessons": ["Name a lead."], "revisit_if": ["n_positive>=480"]}  # fmt: skip
    record = record_decision(propose("reject", SLUG, **said))
    with pytest.raises(GateError) as caught:
        gates.of_decision(record.id)
    assert caught.value.fix == "nothing: no gate was asked for it"


def test_a_config_may_name_a_step_as_its_gate(case, make_run):
    folder = make_run()
    text = (folder / "resolved.yaml").read_text()
    (folder / "resolved.yaml").write_text(text + "gate: gate_G4\n")
    policy = read_policy("gate_G4")
    dossier = read_dossier(SLUG, asked=policy.checks)
    write_json(folder / "gates.json", evaluate_gate(policy, folder, None, dossier))
    assert check_gates(folder)["policy"] == "gate_G4"


def test_an_answer_of_the_first_version_still_stands(make_run):
    folder = make_run()
    (folder / "tables").mkdir()
    pd.DataFrame({"a": [1]}).to_parquet(folder / "tables" / "agreement.parquet")
    now = evaluate_gate(read_policy("gate_basic"), folder)
    bound = {n: s for n, s in now["evaluated"].items() if not n.startswith("tables/")}
    old = {k: v for k, v in now.items() if k not in ("schema", "case")}
    write_json(folder / "gates.json", {**old, "evaluated": bound})
    assert check_gates(folder)["outcome"] == "pass"
    # The policy's digest is that of the version that knew no further fields.
    assert now["policy_sha256"].startswith("1cb72ff2619d7ae1")


def test_an_answer_cannot_say_it_is_old_to_bind_fewer_tables(case, make_run):
    folder = make_run()
    (folder / "tables").mkdir()
    curve = pd.DataFrame({"target": ["effusion"], "threshold": [0.1], "low": [0.1], "high": [0.2]})
    curve.to_parquet(folder / "tables" / "agreement.parquet")
    path = gates.keep(gates.ask("G3", SLUG))
    told = json.loads(path.read_text())
    bound = {n: s for n, s in told["evaluated"].items() if not n.startswith("tables/")}
    write_json(path, {**told, "schema": 1, "evaluated": bound})
    with pytest.raises(GateError, match=r"changed after the gate: tables/agreement\.parquet"):
        gates.kept("G3", SLUG)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"kind": "stated"}, "document is document, not stated"),
        ({"kind": "document", "asks": {}}, "document"),
        ({"kind": "document", "asks": {"document": "dipa"}}, "'dipa' is not known"),
        ({"kind": "document", "asks": {"document": "dpia", "months": 3}}, "months"),
    ],
)
def test_an_item_that_does_not_fit_its_check_is_refused(tmp_path, change, what):
    entry = {"id": "a", "check": "document", "question": "Is the paper there?", **change}
    told = {"kind": "gate_policy", "name": "mine", "version": "1", "date": "2026-11-22",
            "title": "Mine", "items": [entry]}  # fmt: skip
    path = tmp_path / "gate_mine.yaml"
    path.write_text(yaml.safe_dump(told))
    with pytest.raises(ConfigError, match=what):
        read_policy(str(path))
