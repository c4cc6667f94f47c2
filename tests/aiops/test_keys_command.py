import json

import pytest
from click.testing import CliRunner

from aiops.cli import cli
from aiops.errors import AiopsError


@pytest.fixture
def aiops(tmp_path, monkeypatch):
    monkeypatch.setenv("AIOPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AIOPS_PASSPHRASE", "three odd herons")

    def run(*words):
        done = CliRunner().invoke(cli, ["keys", *map(str, words), "--json"])
        if isinstance(done.exception, AiopsError):
            raise done.exception
        assert done.exit_code == 0, done.output
        return json.loads(done.output)

    return run


def test_keys_are_made_founded_enrolled_and_revoked(aiops, tmp_path):
    made = {n: aiops("new", "--person", n, "--out", tmp_path / "k") for n in ("Lee", "Cho", "Ana")}
    lee, cho = (made[n]["private"] for n in ("Lee", "Cho"))
    both = ("--key", lee, "--key", cho)
    aiops("found", "--key", lee, "--role", "chair", "--key", cho, "--role", "cso, quality manager")
    assert aiops("list")["warnings"][0].endswith("enrol a third")
    aiops("enrol", made["Ana"]["public"], "--role", "ai lead", *both)
    shown = aiops("list")
    assert [(m["person"], m["roles"]) for m in shown["members"]] == [
        ("Lee", ["chair"]), ("Cho", ["cso", "quality manager"]), ("Ana", ["ai lead"])
    ]  # fmt: skip
    shown = aiops("revoke", made["Ana"]["key_id"][:12], "--reason", "left", *both)
    assert [bool(m["until"]) for m in shown["members"]] == [False, False, True]


def test_a_passphrase_that_is_wrong_opens_nothing(aiops, tmp_path, monkeypatch):
    key = aiops("new", "--person", "Lee", "--out", tmp_path)["private"]
    monkeypatch.setenv("AIOPS_PASSPHRASE", "not that one at all")
    with pytest.raises(AiopsError, match="does not open"):
        aiops("found", "--key", key, "--role", "chair")
