import json
from datetime import date

import pytest

from aiops.errors import ConfigError
from aiops.governance import usecase
from aiops.governance.facts import facts_of
from aiops.governance.revisit import FAILS, HOLDS, answer, revisit

pytestmark = pytest.mark.usefixtures("home")


def test_a_facts_file_of_another_form_is_named(home):
    home.mkdir(exist_ok=True)
    for text, words in (("kappa: 0.7\n", "under the slug"), ("a: [", "no YAML")):
        (home / "facts.yaml").write_text(text)
        with pytest.raises(ConfigError, match=words):
            revisit()


def test_what_the_register_counts_can_be_asked_for(home):
    case = usecase.submit(
        "ct-triage", "CT triage", labels_done=120, last_clinical_sign_in="2026-11-20"
    )
    known = facts_of(case, {}, date(2026, 11, 22))
    assert answer("labels_done>=100", known).answer == HOLDS
    assert answer("labels_done>=500", known).because == "labels_done is 120, said in the register"
    assert answer("last_clinical_sign_in>=2026-11", known).answer == HOLDS
    assert answer("labels_planned!=null", known).answer == FAILS
    assert facts_of(case, {"labels_done": 700}, date(2026, 11, 22))["labels_done"][0] == 700.0


def test_the_latest_run_is_the_one_made_last_not_the_last_by_name(home, make_run):
    runs = [make_run("2026-11-22-ffffffff", value=0.91), make_run("2026-11-22-00000000", value=0.8)]
    for run, hour in zip(runs, ("09", "17"), strict=True):
        path = run / "run.json"
        told = json.loads(path.read_text()) if path.exists() else {"use_case": "chest-effusion"}
        path.write_text(json.dumps({**told, "created": f"2026-11-22T{hour}:00:00"}))
    case = usecase.submit("chest-effusion", "Effusion")
    facts = facts_of(case, {}, date(2026, 11, 22))
    assert facts["primary_value"] == (0.8, "computed by run 2026-11-22-00000000")


def test_a_name_that_names_nobody_is_none_wherever_it_is_said(home):
    case = usecase.submit("ct-triage", "CT triage", clinical_lead="TBC (awaiting rota)")
    known = facts_of(case, {"owner": "vacant"}, date(2026, 11, 22))
    assert (known["clinical_lead"][0], known["owner"][0]) == (None, None)
