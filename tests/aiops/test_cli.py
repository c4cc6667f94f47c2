import json
import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from aiops.cli import SECTIONS, cli, main
from aiops.governance import ledger, usecase

COMMANDS = [name for names in SECTIONS.values() for name in names]


def aiops(*arguments, home, **environment):
    return subprocess.run(
        [sys.executable, "-m", "aiops", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "AIOPS_HOME": str(home), **environment},
    )


def test_help_is_grouped_with_start_here_first():
    shown = CliRunner().invoke(cli, ["--help"]).output
    places = [shown.index(f"{section}:") for section in SECTIONS]
    assert places == sorted(places)
    assert shown.index("Start here") < shown.index("  demo ") < shown.index("Stages, in order")
    assert "Exit codes: 0 done, 1 failed, 2 config or data wrong, 3 a gate said no." in shown


def verbs():
    """Yield each command, those of a group by two words."""
    for name in COMMANDS:
        command = cli.get_command(None, name)
        if isinstance(command, click.Group):
            yield from (f"{name} {verb}" for verb in command.commands)
        else:
            yield name


@pytest.mark.parametrize("name", list(verbs()))
def test_each_command_has_help_an_example_and_json(name):
    shown = CliRunner().invoke(cli, [*name.split(), "--help"])
    assert shown.exit_code == 0
    assert f"Example: aiops {name}" in shown.output
    assert "--json" in shown.output


def test_an_unknown_command_is_answered_with_the_nearest():
    shown = CliRunner().invoke(cli, ["evalute"])
    assert shown.exit_code == 2
    assert "Did you mean 'evaluate'?" in shown.output


def test_a_wrong_config_ends_with_2_and_no_traceback(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("kind: experiment\nuse_case: x-ray\n")
    done = aiops("validate", path, home=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "task: is missing" in done.stderr
    assert done.stdout == ""


def test_a_stage_before_its_time_says_what_to_run(tmp_path):
    table = tmp_path / "cases.csv"
    table.write_text("case_id,patient_id,y,p\n1,a,1,0.9\n2,b,0,0.1\n")
    config = tmp_path / "c.yaml"
    config.write_text(
        "kind: experiment\nuse_case: tiny-vendor\ntask: classification\n"
        "data: {table: cases.csv, patient: patient_id, modality: xray}\n"
        "targets: {ill: {label: y, positive: [1], score: p}}\n"
        "primary: {target: ill, metric: roc_auc}\n"
    )
    done = aiops("evaluate", config, home=tmp_path / "home")
    assert done.returncode == 2
    assert "StageError: split.json is not there yet" in done.stderr
    assert "aiops split" in done.stderr
    checked = aiops("validate", config, "--json", home=tmp_path / "home")
    assert json.loads(checked.stdout)["valid"] is True


def test_a_missing_column_is_named_by_validate(tmp_path):
    (tmp_path / "cases.csv").write_text("case_id,patientid,y\n1,a,1\n")
    config = tmp_path / "c.yaml"
    config.write_text(
        "kind: experiment\nuse_case: tiny-vendor\ntask: classification\n"
        "data: {table: cases.csv, patient: patient_id, modality: xray}\n"
        "targets: {ill: {label: y, positive: [1], score: p}}\n"
        "primary: {target: ill, metric: roc_auc}\n"
    )
    done = aiops("validate", config, home=tmp_path / "home")
    assert done.returncode == 2
    assert "'patient_id' (data.patient; did you mean 'patientid'?)" in done.stderr


def test_init_writes_a_config_that_says_what_is_left_to_do(tmp_path):
    table = tmp_path / "cases.csv"
    table.write_text(
        "case_id,patient_id,sex,age,fracture,file\n1,a,F,41,1,a.png\n2,b,M,7,0,b.png\n"
    )
    done = aiops("init", table, "--out", tmp_path / "c.yaml", home=tmp_path)
    assert done.returncode == 0
    text = (tmp_path / "c.yaml").read_text()
    for line in ("table: cases.csv", "patient: patient_id", "image: file", "sex: {column: sex}"):
        assert line in text
    assert "data.modality" in done.stdout
    assert "fairness.margin" in done.stdout
    again = aiops("init", table, "--out", tmp_path / "c.yaml", home=tmp_path)
    assert again.returncode == 2
    assert "the file is there already" in again.stderr
    unfinished = aiops("validate", tmp_path / "c.yaml", home=tmp_path)
    assert unfinished.returncode == 2
    assert "data.modality: '?' is still to be filled in" in unfinished.stderr


def test_a_decision_without_its_parts_says_which(tmp_path):
    done = aiops("decide", "reject", "--use-case", "x", home=tmp_path)
    assert done.returncode == 2
    assert "a decision needs --rationale, --by" in done.stderr


def test_a_home_that_is_no_folder_is_said_without_a_traceback(tmp_path):
    (tmp_path / "home").write_text("")
    table = tmp_path / "cases.csv"
    table.write_text("case_id,ill,p\n" + "".join(f"c{i},{i % 2},0.{i}\n" for i in range(10)))
    config = tmp_path / "c.yaml"
    config.write_text(
        "kind: experiment\nuse_case: none\ntask: classification\n"
        "data: {table: cases.csv, patient: not_recorded, modality: table}\n"
        "targets: {ill: {label: ill, positive: [1], score: p}}\n"
        "primary: {target: ill, metric: roc_auc}\n"
    )
    told = aiops("audit", config, home=tmp_path / "home")
    assert told.returncode == 1
    assert "Traceback" not in told.stderr
    assert f"where: {tmp_path / 'home'}" in told.stderr


def test_list_shows_the_ledger_without_mlflow_and_says_what_is_not_sound(tmp_path):
    home = tmp_path / "home"
    down = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    (home / "ledger").mkdir(parents=True)
    (home / "ledger" / "decisions.jsonl").write_text('{"half')
    told = json.loads(aiops("list", "--json", home=home, **down).stdout)
    assert told["decisions"] == []
    assert told["faults"][0] == "decisions.jsonl, line 1: the line is cut short"
    assert told["faults"][1].startswith("the runs are not shown: MLflow did not do what was asked")


def test_init_quotes_names_that_yaml_would_read_otherwise(tmp_path):
    (tmp_path / "cases.csv").write_text('id: x,Sex,"# ill, [x]"\na,F,1\nb,M,0\nc,M,0\n')
    config = tmp_path / "c.yaml"
    assert aiops("init", tmp_path / "cases.csv", "--out", config, home=tmp_path).returncode == 0
    assert '{label: "# ill, [x]", positive: [1]}' in config.read_text()
    told = aiops("validate", config, home=tmp_path)  # names what to fill in, not a broken line
    assert told.returncode == 2
    assert "data.modality: '?' is still to be filled in" in told.stderr


def test_a_stage_too_early_is_answered_with_the_command_of_this_very_run(tmp_path):
    (tmp_path / "cases.csv").write_text("case_id,ill,p\na,1,0.9\nb,0,0.1\n")
    config = tmp_path / "c.yaml"
    config.write_text(
        "kind: experiment\nuse_case: none\ntask: classification\n"
        "data: {table: cases.csv, patient: not_recorded, modality: table}\n"
        "targets: {ill: {label: ill, positive: [1], score: p}}\n"
        "primary: {target: ill, metric: roc_auc}\n"
    )
    told = aiops("gate", config, "split.seed=5", home=tmp_path / "home")
    assert told.returncode == 2
    assert f"fix:   aiops evaluate {config} split.seed=5 " in told.stderr


@pytest.mark.parametrize("words", [("usecase", "list"), ("usecase", "show", "ct"), ("revisit",)])
@pytest.mark.parametrize("book", ["use_cases", "decisions", "conditions"])
def test_a_line_that_somebody_wrote_by_hand_is_named(home, monkeypatch, capsys, book, words):
    usecase.submit("ct", "CT of the head")
    ledger.append(lambda earlier: {"slug": "by-hand", "at": "today"}, book)
    monkeypatch.setattr(sys, "argv", ["aiops", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr().err
    assert ended.value.code == 1
    assert told.startswith("LedgerError: is no ")
    assert f"where: {book}.jsonl, line {2 if book == 'use_cases' else 1}" in told
    assert "fix:   see all that is wrong: aiops ledger verify" in told


def test_a_fault_of_the_program_itself_is_told_whole(home, monkeypatch):
    usecase.submit("ct", "CT of the head")
    monkeypatch.setattr(sys, "argv", ["aiops", "usecase", "list"])
    monkeypatch.setattr(usecase, "list_use_cases", lambda: {}["no such key"])
    with pytest.raises(KeyError):
        main()


def test_an_edit_that_does_not_fit_the_register_is_named(home, monkeypatch, capsys):
    usecase.submit("ct", "CT of the head")
    event = {"event": "edit", "case_id": "UC-0001", "by": "Ana", "at": "2026-12-01T10:00:00+00:00",
             "changes": {"labels_planned": "many"}}  # fmt: skip
    ledger.append(lambda earlier: event, "use_cases")
    monkeypatch.setattr(sys, "argv", ["aiops", "usecase", "show", "ct"])
    with pytest.raises(SystemExit):
        main()
    told = capsys.readouterr().err
    assert told.startswith(
        "LedgerError: it does not fit the register: labels_planned: Input should"
    )
    assert "many" not in told


def test_init_takes_a_column_of_few_numbers_for_codes(tmp_path):
    table = tmp_path / "cases.csv"
    rows = "".join(f"c{n},p{n},{n % 2},{20 + n % 4},{n % 3 == 0:d},{100 * n}\n" for n in range(30))
    table.write_text("row_id,patient_id,sex,age,ill,site\n" + rows)
    out = tmp_path / "c.yaml"
    assert CliRunner().invoke(cli, ["init", str(table), "--out", str(out)]).exit_code == 0
    text = out.read_text()
    assert "  case: row_id\n" in text
    assert "sex: {column: sex, values: {0: '?', 1: '?'}}" in text
    assert "age: {column: age, bands: [0, 18, 40, 60, 80], range: [0, 110]}" in text
    assert "site: {column: site}" in text
    told = CliRunner().invoke(cli, ["validate", str(out)]).exception
    assert "data.attributes.sex.values.0: '?' is still to be filled in" in str(told)
    assert "intended_use: '?' is still to be filled in" in str(told)
    assert "not a valid" not in str(told)
