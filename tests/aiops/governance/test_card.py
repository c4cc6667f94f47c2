import json

import pytest
import yaml

from aiops.errors import ConfigError, StageError
from aiops.governance import usecase
from aiops.governance.card import PEOPLE, write_card
from aiops.reading import read_config

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def run(make_run):
    folder = make_run()
    return folder, read_config(folder / "resolved.yaml").experiment


def test_what_the_run_knows_is_filled_and_the_rest_is_a_blank(run):
    folder, experiment = run
    usecase.submit(experiment.use_case, "Effusion on chest films", owner="Radiology")
    card = write_card(folder, experiment)
    said = {f.id: f.value for s in card.sections for f in s.fields}
    assert said["case_id"] == "UC-0001 Effusion on chest films"
    assert said["owner"] == "Radiology"
    assert said["version"] == folder.name
    assert said["fairness"].startswith(("adequate", "concern", "insufficient evidence"))
    blanks = {f.id for f in card.blanks}
    assert {i for fields in PEOPLE.values() for i, _ in fields} <= blanks
    assert "clinical_lead" in blanks
    told = json.loads((folder / "card" / "card.json").read_text())
    assert set(told["blanks"]) == blanks
    assert told["sections"]["Use"]["users"] is None
    page = (folder / "card" / "card.html").read_text()
    assert f"{len(blanks)} lines are blank" in page
    assert page.count('class="blank">not said') == len(blanks)


def test_what_people_say_is_taken_and_escaped(run, tmp_path):
    folder, experiment = run
    said = tmp_path / "card.yaml"
    said.write_text("users: <b>Radiologists</b> | *all*\nlicence: apache-2.0\n")
    card = write_card(folder, experiment, said)
    assert "users" not in {f.id for f in card.blanks}
    page = (folder / "card" / "card.html").read_text()
    assert "&lt;b&gt;Radiologists" in page
    assert "<b>Radiologists" not in page
    markdown = (folder / "card" / "README.md").read_text()
    assert r"&lt;b&gt;Radiologists&lt;/b&gt; \| \*all\*" in markdown
    head = yaml.safe_load(markdown.split("---\n")[1])
    assert head["license"] == "apache-2.0"
    assert head["model-index"][0]["name"] == experiment.use_case


def test_each_figure_has_its_interval_and_its_n(run):
    folder, experiment = run
    card = write_card(folder, experiment)
    assert card.figures
    for figure in card.figures:
        assert " to " in figure.text
        assert figure.metric == experiment.primary.metric
    head = yaml.safe_load((folder / "card" / "README.md").read_text().split("---\n")[1])
    results = head["model-index"][0]["results"]
    assert len(results) == len(card.figures)


def test_the_digest_moves_with_what_is_said(run, tmp_path):
    folder, experiment = run
    said = tmp_path / "card.yaml"
    said.write_text("users: Radiologists\n")
    plain = write_card(folder, experiment).sha256
    assert write_card(folder, experiment).sha256 == plain
    assert write_card(folder, experiment, said).sha256 != plain


def test_a_field_no_card_has_is_named_with_the_nearest(run, tmp_path):
    folder, experiment = run
    said = tmp_path / "card.yaml"
    said.write_text("licens: x\n")
    with pytest.raises(ConfigError, match="did you mean 'licence'"):
        write_card(folder, experiment, said)


def test_no_card_before_there_are_figures(run):
    folder, experiment = run
    (folder / "evaluation.json").unlink()
    with pytest.raises(StageError, match="has not been evaluated"):
        write_card(folder, experiment)
