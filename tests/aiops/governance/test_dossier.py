from datetime import date

import yaml

from aiops import home as homes
from aiops.governance.dossier import Dossier, dossier_from, hashes_now, read_dossier
from aiops.governance.usecase import submit
from aiops.provenance import json_hash

DAY = date(2026, 11, 22)


def test_a_case_that_nobody_registered_has_no_dossier(home):
    assert read_dossier("wrist") is None


def test_what_people_state_stands_above_the_register_and_days_become_text(home):
    submit("wrist", "Wrist fractures", clinical_lead="Dr Okafor")
    homes.facts_file().write_text(
        yaml.safe_dump({"wrist": {"Clinical_Lead": "Dr Amin", "market_scan_on": DAY}})
    )
    dossier = read_dossier("wrist", today=DAY)
    assert dossier.fact("clinical_lead") == "Dr Amin"
    assert dossier.fact("market_scan_on") == "2026-11-22"
    assert dossier.fact("nobody_said_this") is None


def test_former_cases_are_looked_for_only_where_they_are_asked_for(home):
    submit("wrist-old", "Scaphoid fracture on wrist films", modality="xray")
    submit("wrist", "Scaphoid fractures on films of the wrist", modality="xray")
    assert read_dossier("wrist").like is None
    found = read_dossier("wrist", asked={"prior_search"}).like
    assert [one["id"] for one in found] == ["UC-0001"]
    assert not found[0]["is_weak"]


def test_a_case_put_in_later_is_no_former_one_until_it_ended(home, moved):
    submit("wrist", "Scaphoid fractures on films of the wrist", modality="xray")
    submit("wrist-new", "Scaphoid fracture on wrist films", modality="xray")
    asked = {"prior_search"}
    first = read_dossier("wrist", asked=asked)
    assert (first.like, first.searched["n_cases"]) == ((), 0)
    moved("wrist-new", "rejected")
    assert [one["id"] for one in read_dossier("wrist", asked=asked).like] == ["UC-0002"]


def test_the_words_that_no_former_case_has_are_kept(home):
    submit("sepsis", "Early warning of sepsis on wards")
    submit("bone", "Navicular bone injury on wards")
    told = read_dossier("bone", asked={"prior_search"}).searched
    assert told["n_cases"] == 1
    assert "bone" in told["unknown"]
    assert "ward" not in told["unknown"]


def test_a_snapshot_is_the_dossier_again_and_its_hash_binds_every_word(home):
    submit("wrist", "Wrist fractures")
    dossier = read_dossier("wrist", today=DAY, asked={"prior_search", "feasible"})
    again = dossier_from(dossier.snapshot())
    assert again == dossier
    assert again.hashes() == {"register": json_hash(dossier.snapshot())}
    other = Dossier(**{**vars(dossier), "stated": {"kappa": 0.9}})
    assert other.hashes() != dossier.hashes()


def test_a_paper_is_bound_while_it_is_there_and_hashed_anew_later(home):
    told = {"kind": "dpia", "dated": "2026-01-01", "sha256": "d" * 64, "file": "there"}
    papers = (told, {**told, "sha256": "e" * 64, "file": "missing"})
    dossier = Dossier(DAY, {}, documents=papers)
    name = f"documents/{'d' * 64}"
    assert set(dossier.hashes()) == {"register", name}
    assert hashes_now(dossier)[name] == "missing"  # nobody kept these bytes
