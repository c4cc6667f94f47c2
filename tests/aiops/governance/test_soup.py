import tomllib
from email.message import Message
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from aiops.commands.release import COMMANDS
from aiops.errors import ConfigError
from aiops.files import read_json
from aiops.governance.soup import (
    canonical,
    closure,
    licence_of,
    lines_of,
    needs,
    read_soup_policy,
    soup,
)

ROOT = Path(__file__).resolve().parents[3]


def row(listed, name):
    return next(row for row in listed["packages"] if row["package"] == name)


def test_every_package_depended_on_has_a_purpose_and_no_risk_is_made_up():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    wanted = {
        canonical(name.partition(">")[0].partition("=")[0].partition("[")[0])
        for name in tomllib.loads(text)["project"]["dependencies"]
    }
    said = read_soup_policy().packages
    assert wanted <= {canonical(name) for name in said}
    assert all(told.purpose for told in said.values())
    assert not any(told.risk or told.known_anomalies for told in said.values())


def test_the_list_walks_to_what_the_packages_need_in_turn():
    listed = soup()
    assert row(listed, "torch")["direct"]
    assert row(listed, "torch")["purpose"]
    assert not row(listed, "werkzeug")["direct"]  # MLflow needs Flask, Flask needs it
    assert row(listed, "werkzeug")["purpose"] == ""
    assert "clinical-aiops" not in {row["package"] for row in listed["packages"]}
    assert "pytest" not in {row["package"] for row in listed["packages"]}


def test_an_extra_is_followed_where_it_is_asked_for():
    assert "cryptography" not in needs("securesystemslib")
    assert "cryptography" in needs("securesystemslib", {"crypto"})
    assert "cryptography" in closure({"securesystemslib": frozenset({"crypto"})})
    assert needs("no-such-package") == {}


def test_what_differs_from_the_lock_or_is_not_in_it_is_told(tmp_path):
    lock = tmp_path / "lock.txt"
    here = row(soup(), "numpy")["version"]
    lock.write_text(f"# all\nNumPy=={here}\nclick==0.0.1  # old\n")
    listed = soup(lock)
    assert row(listed, "numpy")["lock"] == "as pinned"
    assert row(listed, "click")["lock"] == "differs"
    assert row(listed, "click")["lock_version"] == "0.0.1"
    assert row(listed, "pandas")["lock"] == "not pinned"
    assert listed["differ"] == ["click"]
    assert "against lock.txt: 1 differ" in lines_of(listed)[-2]


def test_a_build_of_a_version_is_that_version(tmp_path, monkeypatch):
    from aiops.governance import soup as module

    monkeypatch.setattr(module, "_version", lambda name: "2.13.0+cpu")
    lock = tmp_path / "lock.txt"
    lock.write_text("torch==2.13.0\n")
    assert module._row("torch", True, {"torch": "2.13.0"}, {})["lock"] == "as pinned"
    assert module._row("torch", True, {"torch": "2.12.0"}, {})["lock"] == "differs"
    assert module._row("torch", True, None, {})["lock"] == "not known"


@pytest.mark.parametrize(
    ("heads", "licence"),
    [
        ([("License-Expression", "BSD-3-Clause"), ("License", "long")], "BSD-3-Clause"),
        ([("Classifier", "License :: OSI Approved :: MIT License")], "MIT License"),
        ([("Classifier", "License :: OSI Approved"), ("License", "Apache 2.0\nAll")], "Apache 2.0"),
        ([("License", "x" * 500)], "x" * 100),
        ([], ""),
    ],
)
def test_the_licence_is_what_the_package_says_of_itself(heads, licence):
    told = Message()
    for name, value in heads:
        told[name] = value
    assert licence_of(told) == licence


def test_the_command_writes_and_prints(tmp_path):
    out = tmp_path / "soup.json"
    done = CliRunner().invoke(COMMANDS["soup"], ["--out", str(out)])
    assert done.exit_code == 0
    assert "that is for people to say" in done.stdout
    assert read_json(out)["kind"] == "soup"
    assert {"mlflow", "numpy"} <= {row["package"] for row in read_json(out)["packages"]}


def test_a_lock_that_is_not_there_and_a_broken_policy_are_named(tmp_path):
    with pytest.raises(ConfigError, match="no such lock file"):
        soup(tmp_path / "none.txt")
    broken = tmp_path / "soup.yaml"
    broken.write_text(yaml.safe_dump({"kind": "soup", "version": "1", "date": "x", "packages": 3}))
    with pytest.raises(ConfigError, match="this is no list of packages"):
        read_soup_policy(broken)
