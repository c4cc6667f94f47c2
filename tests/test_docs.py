"""The pages say what is now true: tables come from the code, commands in them run."""

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from aiops.cli import SECTIONS, cli
from aiops.reference import FILES, TABLES, keys_table, written

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("name", FILES)
def test_the_tables_of_a_page_are_those_of_the_code(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert written(text) == text, "run: python -m aiops.reference"


def test_every_table_stands_on_a_page():
    pages = "".join((ROOT / name).read_text(encoding="utf-8") for name in FILES)
    assert all(f"<!-- begin {table} -->" in pages for table in TABLES)


def test_a_key_of_the_schema_is_in_the_table():
    shown = keys_table()
    for key in ("data.modality", "targets.NAME.score", "split.by", "fairness.margin", "gate"):
        assert f"| `{key}` |" in shown


def test_every_aiops_command_on_the_readme_exists_with_its_options():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    calls = re.findall(r"`?(?:\.venv/bin/)?\baiops ([a-z]+)([^`\n|]*)", text)
    known = {name for names in SECTIONS.values() for name in names}
    said = {name for name, _ in calls} & known
    assert said >= {"demo", "ui", "ingest", "init", "validate", "run"}
    for name, rest in calls:
        if name in known:
            command = cli.get_command(None, name)
            verb = rest.split()[:1] if isinstance(command, click.Group) and rest.split() else []
            verb = verb if verb and verb[0] in getattr(command, "commands", {}) else []
            shown = CliRunner().invoke(cli, [name, *verb, "--help"]).output
            for option in re.findall(r"--[a-z-]+", rest):
                assert option in shown


def test_the_readme_names_make_targets_that_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z-]+)", text, re.MULTILINE)) <= targets


def test_every_example_of_a_command_parses():
    for name in (n for names in SECTIONS.values() for n in names):
        command = cli.get_command(None, name)
        known = [([name], command)]
        if isinstance(command, click.Group):
            known += [([name, verb], inner) for verb, inner in command.commands.items()]
        for path, one in known:
            example = one.epilog.removeprefix("Example: ").split("   ")[0]
            words = shlex.split(example)
            assert words[: 1 + len(path)] == ["aiops", *path]
            options = {o for p in one.params for o in (*p.opts, *p.secondary_opts)}
            assert {w for w in words if w.startswith("--")} <= options


def test_the_changelog_has_the_version():
    from aiops import __version__

    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_map_of_the_evaluation_names_every_module():
    text = (ROOT / "evaluation" / "README.md").read_text(encoding="utf-8")
    table = text.partition("## Where things are")[2].partition("\n## ")[0]
    named = re.findall(r"`(\w+)`", table)
    there = {path.stem for path in (ROOT / "evaluation").glob("*.py")} - {"__init__"}
    assert sorted(named) == sorted(there)
