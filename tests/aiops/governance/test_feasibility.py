"""Feasibility of a made table with the traps of a real one: blanks, one scanner, no films."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

from aiops.cli import cli
from aiops.errors import ConfigError, DataError
from aiops.governance.feasibility import Asked, assess, feasibility_lines, latest_feasibility
from aiops.governance.reason_evidence import evidence_for
from evaluation import clustered_proportion

CONFIG = {
    "kind": "experiment",
    "use_case": "made-wrist",
    "task": "classification",
    "data": {
        "table": "films.csv",
        "case": "film",
        "patient": "patient",
        "image": "films/{film}.png",
        "modality": "xray",
        "attributes": {
            "sex": {"column": "sex"},
            "age": {"column": "age", "per": "case", "bands": [0, 6, 18, 65]},
            "scanner": {"column": "scanner", "per": "case"},
        },
    },
    "targets": {
        "scaphoid": {"label": "code", "positive": ["72B"]},
        "fracture": {"label": "fracture", "positive": [1], "implied_by": {"scaphoid": "written"}},
    },
    "primary": {"target": "scaphoid", "metric": "roc_auc", "acceptable": 0.85},
    "train": {"budget_minutes": 1},
    "fairness": {"attributes": ["sex", "age", "scanner"], "margin": 0.05},
}


def films(n=600, ill=20):
    rng = np.random.default_rng(0)
    code = np.where(rng.random(n) < 0.6, "23r", "")
    code[: 2 * ill : 2] = "72B"
    fracture = np.where(code != "", "1", "")
    fracture[np.flatnonzero(code != "")[-40:]] = ""  # a code, yet nobody ticked the box
    return pd.DataFrame({
        "film": [f"f{i}" for i in range(n)],
        "patient": [f"p{i // 2}" for i in range(n)],
        "sex": np.where(np.arange(n) // 2 % 2, "F", "M"),
        "age": np.where(np.arange(n) < 580, 12, 3),
        "scanner": np.where(np.arange(n) < 590, "S", "A"),
        "code": code,
        "fracture": fracture,
        "other": "",
    })  # fmt: skip


@pytest.fixture
def config(tmp_path, home):
    def make(frame=None, **blocks):
        (films() if frame is None else frame).to_csv(tmp_path / "films.csv", index=False)
        path = tmp_path / "made.yaml"
        path.write_text(yaml.safe_dump({**CONFIG, **blocks}))
        return path

    return make


def check(result, name):
    return next(c for c in result["checks"] if c["id"] == name)


def test_the_traps_are_found_and_support_their_reasons(config):
    result = assess(config())
    assert result["outcome"] == "fail"
    assert [c["id"] for c in result["checks"]] == [
        "patients", "images", "labels", "blanks", "missingness", "groups", "sources",
    ]  # fmt: skip
    assert check(result, "patients")["value"] == 20
    assert check(result, "patients")["sentence"].startswith(
        "20 patients have scaphoid; 100 are asked for. An AUC of 0.85 known to ±0.05 takes "
    )
    assert check(result, "images")["sentence"] == "The images of 0 of 600 cases are there."
    blanks = check(result, "blanks")
    assert "In 'fracture' only '1' is ever written: a blank, " in blanks["sentence"]
    frame = films()
    empty = frame["fracture"] == ""
    assert blanks["value"] == pytest.approx((frame.loc[empty, "code"] != "").mean())
    assert blanks["low"] > blanks["threshold"]
    groups = check(result, "groups")
    assert groups["outcome"] == "undecided"
    assert groups["details"] == [{"few": ["age 0-5", "scanner A"],
                                  "nobody": ["age 18-64", "age 65+"]}]  # fmt: skip
    assert check(result, "sources")["code"] == "R12"
    assert check(result, "sources")["sentence"].endswith(
        "all others together are 10 cases of fewer than 8 patients, 0 of them with scaphoid. "
        "Whether it holds elsewhere cannot be asked (100 patients are wanted)."
    )
    backed = [code for code, told in result["reasons"].items() if told["supports"]]
    assert backed == ["R01", "R03", "R04"]


def test_a_label_that_does_not_imply_the_finding_contradicts_no_blank(config):
    frame = films(ill=150)
    frame["other"] = np.arange(600) % 2  # complete, and of something else
    targets = {
        "scaphoid": CONFIG["targets"]["scaphoid"],
        "fracture": {"label": "fracture", "positive": [1]},
        "other": {"label": "other", "positive": [1]},
    }
    found = check(assess(config(frame, targets=targets)), "blanks")
    assert found["supports"] is None
    assert (
        "no finding is named that would imply it (targets.fracture.implied_by)"
        in (found["sentence"])
    )
    # One that does counts where it is positive, not where it says no.
    targets["fracture"]["implied_by"] = {"other": "positive"}
    found = check(assess(config(frame, targets=targets)), "blanks")
    blank = frame["fracture"] == ""
    assert found["value"] == pytest.approx(frame.loc[blank, "other"].mean())
    assert found["supports"] is True


def test_a_blank_that_may_mean_no_is_no_missing_label(config):
    targets = {"fracture": {"label": "fracture", "positive": [1]}}
    primary = {"target": "fracture", "metric": "roc_auc"}
    result = assess(config(films(ill=150), targets=targets, primary=primary))
    patients = check(result, "patients")
    assert patients["supports"] is None
    assert "Who is without it cannot be told: a blank may mean 'no'" in patients["sentence"]
    found = check(result, "labels")
    assert found["low"] > found["threshold"]
    assert found["supports"] is None
    assert "where a blank may mean 'no'" in found["sentence"]


def test_a_test_is_of_patients_with_a_label(config):
    frame = films(4000, ill=300)
    frame["code"] = np.where(frame.index < 800, np.where(frame.index % 4 < 2, "72B", "23r"), "")
    found = check(assess(config(frame)), "patients")  # 400 of 2,000 patients have a label
    assert found["supports"] is None
    assert found["sentence"].endswith("; the split would give 80 with a label.")


def test_patients_without_the_finding_are_asked_for_too(config):
    frame = films(ill=300)
    frame["code"] = np.where(frame.index < 560, "72B", "23r")
    found = check(assess(config(frame)), "patients")
    assert found["supports"] is True
    assert "20 have cases without it; as many are asked for" in found["sentence"]


def test_a_table_of_few_patients_is_answered(config):
    result = assess(config(films(50, ill=5)))
    assert check(result, "missingness")["outcome"] in ("pass", "undecided")
    assert result["outcome"] == "fail"


def test_what_is_missing_by_chance_is_not_called_uneven(config):
    rng = np.random.default_rng(0)
    n = 2000
    said = 0
    for _ in range(5):
        frame = films(n, ill=300)
        frame["scanner"] = np.char.add("w", (np.arange(n) // 2 % 10).astype(str))
        frame["sex"] = np.where(rng.random(n) < 0.2, "", "F")
        said += "Missing unevenly" in check(assess(config(frame)), "missingness")["sentence"]
    assert said == 0
    frame["sex"] = np.where(rng.random(n) < np.where(frame["scanner"] == "w0", 0.6, 0.1), "", "F")
    found = check(assess(config(frame)), "missingness")["sentence"]
    assert re.search(
        r"Missing unevenly: 'sex' in scanner w0 more often than in w\d, by \d+ % at least "
        r"\(of 100 and 100 patients\)", found
    )  # fmt: skip


@pytest.mark.parametrize("n_sites", [2, 3, 60])
def test_a_spread_of_cases_speaks_against_no_reason(config, n_sites):
    frame = films(ill=150)
    frame["scanner"] = (np.arange(600) // 2 % n_sites).astype(str)
    told = assess(config(frame))["reasons"]
    assert told["R02"]["supports"] is None
    assert told["R02"]["sentence"].endswith("Whether a model holds steady over them takes a run.")
    assert told["R12"]["supports"] is None


def test_a_patient_at_two_sites_is_no_further_site(config):
    frame = films(ill=150)
    frame["scanner"] = np.where(np.arange(600) // 2 % 2, "A", "B")
    frame.loc[0, "scanner"] = "A"
    data = {**CONFIG["data"], "attributes": {"scanner": {"column": "scanner"}}}
    blocks = {"data": data, "fairness": {"attributes": ["scanner"], "margin": 0.05}}
    found = check(assess(config(frame, **blocks)), "sources")
    assert "scanner: 2 sources" in found["sentence"]


def test_no_run_is_made_and_the_answer_is_found_again(config, home):
    path = config()
    result = assess(path)
    assert not (home / "runs").exists()
    kept = latest_feasibility("made-wrist")
    assert kept == result
    assert Path(kept["file"]).parent == home / "feasibility" / "made-wrist"
    assert str(home) not in Path(kept["file"]).read_text()
    assert latest_feasibility("never-asked") is None
    again = assess(path)
    assert again["file"] == result["file"]  # the same question has one answer
    assert len(list((home / "feasibility" / "made-wrist").iterdir())) == 1


def test_a_sound_table_passes(config):
    rng = np.random.default_rng(1)
    n = 4000
    frame = films(n)
    frame["code"] = np.where(rng.random(n) < 0.3, "72B", "23r")
    frame["fracture"] = np.where(rng.random(n) < 0.3, "1", "0")
    frame["scanner"] = np.where(rng.random(n) < 0.4, "A", "S")
    frame["age"] = np.where(rng.random(n) < 0.5, 12, 30)
    data = {**CONFIG["data"], "modality": "table", "features": {"numeric": ["age"]}}
    data.pop("image")
    bands = {"column": "age", "per": "case", "bands": [0, 18]}
    data["attributes"] = {**data["attributes"], "age": bands}
    result = assess(config(frame, data=data))
    assert {c["id"]: c["outcome"] for c in result["checks"]} == dict.fromkeys(
        ["patients", "labels", "missingness", "groups"], "pass"
    ) | {"sources": "undecided"}
    # How cases are spread over two scanners never says that a model holds steady on them.
    assert check(result, "sources")["outcome"] == "undecided"
    assert result["outcome"] == "undecided"
    assert [c for c, told in result["reasons"].items() if told["supports"]] == []


def test_a_test_too_small_to_settle_the_claim_is_undecided(config):
    frame = films(ill=300)  # 300 of 300 patients: enough, but for the test
    frame.loc[frame.index % 4 > 1, "code"] = "23r"
    found = check(assess(config(frame)), "patients")
    assert found["value"] == 150
    assert found["outcome"] == "undecided"
    assert found["sentence"].endswith("test patients; the split would give 60 with a label.")
    every = check(assess(config(frame), ["split.test=0.9", "split.tune=0.05"]), "patients")
    assert every["outcome"] == "pass"


def test_a_patient_of_two_groups_is_no_group(config):
    frame = films()
    frame.loc[0, "sex"] = "M"
    frame.loc[1, "sex"] = "F"
    assert "conflicting" not in check(assess(config(frame)), "groups")["sentence"]


def test_years_are_told_when_the_yearly_number_is_known(config):
    result = assess(config(), asked=Asked(per_year=16))
    assert "At 16 with it a year the rest takes 5.0 years." in check(result, "patients")["sentence"]


@pytest.mark.parametrize("per_year", [-4, 0, float("nan"), float("inf")])
def test_a_yearly_number_that_cannot_be_is_refused(config, per_year):
    with pytest.raises(ConfigError, match="is no number to count with"):
        assess(config(), asked=Asked(per_year=per_year))


@pytest.mark.parametrize("ill", [1, 5, 7])
def test_no_small_count_of_patients_is_told_or_kept(config, ill):
    frame = films(ill=ill)
    frame.loc[5:7, "sex"] = ""
    result = assess(config(frame), asked=Asked(per_year=3))
    by_patient = (np.arange(600) // 2).astype(str)

    def first(k):
        return np.arange(600) < k

    patients = check(result, "patients")
    assert patients["sentence"] == "fewer than 8 patients have scaphoid; 100 are asked for."
    assert patients["value"] is None
    assert patients["supports"] is True
    sex = next(d for d in check(result, "missingness")["details"] if d["field"] == "sex")
    assert sex["missing"] is None
    bounds = [clustered_proportion(first(k), by_patient).high for k in range(8)]
    assert (sex["low"], sex["high"]) == (0.0, pytest.approx(max(bounds)))
    told = [c["sentence"] for c in result["checks"]]
    counts = re.findall(r"\b([1-7]) (?:patients|cases|of them)", " ".join(told))
    assert counts == []


def test_a_small_count_of_patients_without_the_finding_is_not_told_either(config):
    frame = films()
    frame["code"] = np.where(frame.index < 594, "72B", "23r")  # all but three of 300 patients
    found = check(assess(config(frame)), "patients")
    assert found["sentence"].startswith("All but fewer than 8 of 300 patients have scaphoid;")
    assert found["value"] is None
    assert "297" not in found["sentence"]


def test_a_reason_shows_what_was_found_of_it(config):
    from aiops.governance.usecase import submit

    assess(config())
    case = submit("made-wrist", "Scaphoid fractures")
    told = evidence_for("R04", case)
    assert told["kind"] == "computed"
    assert told["supports"] is True
    assert told["sentence"].startswith("In 'fracture' only '1' is ever written")
    assert told["source"].startswith("the table of the cases; ")
    assert "feasibility-" in told["source"]
    assert json.loads(json.dumps(told)) == told


def test_a_better_table_reopens_what_was_turned_down(config):
    from aiops.governance.decision import propose, record_decision
    from aiops.governance.revisit import revisit
    from aiops.governance.usecase import submit

    conditions = ["patients_with_finding>=100", "blanks_told_apart==true", "images_missing<=0.05"]
    submit("made-wrist", "Scaphoid fractures")
    record_decision(
        propose(
            "reject", "made-wrist", by="A board", rationale="Too few", reasons=["R01"],
            lessons=["Look at the blanks"], revisit_if=conditions,
        )
    )  # fmt: skip
    assert [a.answer for a in revisit()[0].answers] == ["cannot tell"] * 3
    path = config()
    file = Path(assess(path)["file"]).name
    (before,) = revisit()
    assert not before.could_be_reopened
    assert [a.answer for a in before.answers] == ["does not hold"] * 3
    assert before.answers[0].because == f"patients_with_finding is 20, computed by {file}"
    assert before.answers[2].because.startswith("images_missing is 1, ")
    frame = films(ill=250)
    frame["fracture"] = np.where(frame["code"] == "", "0", "1")
    folder = path.parent / "films"
    folder.mkdir()
    for name in frame["film"]:
        (folder / f"{name}.png").touch()
    assess(config(frame))
    (after,) = revisit()
    assert after.could_be_reopened


def test_the_command_prints_each_check_and_ends_with_3(config):
    done = CliRunner().invoke(cli, ["feasibility", str(config())])
    assert done.exit_code == 3, done.output
    assert "fail      blanks: In 'fracture' only '1' is ever written" in done.output
    assert "the data support: R01 INSUFFICIENT_DATA, R03 DATA_FRAGMENTED, R04" in done.output
    as_json = CliRunner().invoke(cli, ["feasibility", str(config()), "--json"])
    assert json.loads(as_json.output)["outcome"] == "fail"


def test_a_segmentation_and_a_wrong_option_are_refused(config):
    masks = {**CONFIG["data"], "label": "masks/{film}.png"}
    bone = {"targets": {"bone": 1}, "primary": {"target": "bone", "metric": "dice"}}
    made = config(task="segmentation", data=masks, **bone)
    with pytest.raises(ConfigError, match="this is a segmentation"):
        assess(made)
    with pytest.raises(ConfigError) as fault:
        assess(config(), asked=Asked(readers="readers.csv:a"))
    assert fault.value.what == "'readers.csv:a' names no table and columns"
    assert fault.value.fix == "write TABLE:COLUMN_A:COLUMN_B[:PATIENT]"
    with pytest.raises(DataError, match="the table is not there"):
        assess(config(), asked=Asked(links=("nowhere.csv:id",)))


def test_readers_and_links_are_further_checks(config, tmp_path):
    pd.DataFrame({"a": list("yyny" * 10), "b": list("ynny" * 10)}).to_csv(
        tmp_path / "read.csv", index=False
    )
    pd.DataFrame({"id": [f"p{i}" for i in range(150)]}).to_csv(tmp_path / "l.csv", index=False)
    asked = Asked(readers=f"{tmp_path}/read.csv:a:b", links=(f"{tmp_path}/l.csv:id",))
    result = assess(config(), asked=asked)
    assert check(result, "link-1")["value"] == pytest.approx(0.5)
    assert check(result, "link-1")["outcome"] == "fail"
    assert check(result, "readers")["sentence"].startswith("Two readers of 40 cases agree by kappa")
    assert "link-1" in "\n".join(feasibility_lines(result))
