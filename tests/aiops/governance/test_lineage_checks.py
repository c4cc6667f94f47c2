import json
from datetime import date

import pandas as pd
import pytest

from aiops.files import write_json
from aiops.governance.bundle import digests_of
from aiops.governance.checks import answer
from aiops.governance.dossier import Dossier
from aiops.governance.evidence import read_evidence

DAY = date(2026, 11, 22)
TRAINED = {"members": {"model": {"digest": "a" * 64}}, "kind": "image"}
VENDOR = {"effusion": {"label": "label_Effusion", "positive": [1], "score": "prob"}}


def asked(folder, check, dossier=None, **asks):
    return answer(check, asks, read_evidence(folder, dossier=dossier), dossier)


def vendor_run(make_run, name="v"):
    return make_run(name, train=None, targets=VENDOR)


def add_split(folder, cases):
    """Write the split and the cases: rows of case, patient and part."""
    assignments = {case: {"split": part, "fold": None} for case, _, part in cases}
    write_json(folder / "split.json", {"assignments": assignments, "seed": 0, "by": "patient"})
    frame = pd.DataFrame(cases, columns=["case_id", "patient_id", "part"])
    frame.drop(columns="part").to_parquet(folder / "cases.parquet")


def test_digests_of_model_config_list_and_predictions(make_run):
    folder = make_run()
    found = asked(folder, "digests_present")
    assert (found.outcome, found.reason) == ("undecided", "no digest of: model")
    write_json(folder / "training.json", TRAINED)
    found = asked(folder, "digests_present")
    assert (found.outcome, found.value) == ("pass", "a" * 12)


def test_a_vendors_tool_is_product_version_and_what_it_predicted(make_run):
    found = asked(vendor_run(make_run), "digests_present")
    assert found.outcome == "undecided"
    assert found.reason == "product and version of the vendor's tool are not said"
    folder = vendor_run(make_run, "w")
    text = (folder / "resolved.yaml").read_text()
    (folder / "resolved.yaml").write_text(text + "vendor: {product: Chest 14, version: '2.1'}\n")
    found = asked(folder, "digests_present")
    assert (found.outcome, found.value) == ("pass", "9" * 12)
    assert found.reason == "Chest 14 2.1, by the digest of its predictions"


def test_seeds_of_split_and_training(make_run):
    folder = make_run()
    assert asked(folder, "seeds_recorded").reason == "no seed is recorded of: split, training"
    write_json(folder / "split.json", {"seed": 0})
    write_json(folder / "plan.json", {"seed": 0})
    assert asked(folder, "seeds_recorded").outcome == "pass"


@pytest.mark.parametrize(
    ("cases", "outcome", "words"),
    [
        ([("c1", "p1", "train"), ("c2", "p2", "test")], "pass", "no patient of the test list was"),
        ([("c1", "p1", "train"), ("c2", "p1", "test")], "fail", "patients of the test list were"),
        ([("c1", "p1", "tune"), ("c2", "p1", "test")], "fail", "patients of the test list were"),
    ],
)
def test_patients_on_both_sides_are_counted_again(make_run, cases, outcome, words):
    folder = make_run()
    add_split(folder, cases)
    found = asked(folder, "split_independent")
    assert found.outcome == outcome
    assert words in found.reason
    assert "p1" not in found.reason + found.value


def test_what_cannot_be_counted_is_undecided(make_run):
    folder = make_run()
    assert asked(folder, "split_independent").reason == "the split or the cases are not in the run"
    add_split(folder, [("c1", "p1", "train"), ("c2", "p2", "test")])
    told = json.loads((folder / "evaluation.json").read_text())
    write_json(folder / "evaluation.json", {**told, "patients_known": False})
    found = asked(folder, "split_independent")
    assert found.outcome == "undecided"
    assert "patients are not recorded" in found.reason


def test_what_a_supplier_learnt_from_is_not_known(make_run):
    folder = vendor_run(make_run)
    add_split(folder, [("c1", "p1", "test")])
    found = asked(folder, "split_independent")
    assert (found.outcome, found.value) == ("undecided", "not known")
    assert asked(folder, "external_test").outcome == "undecided"


@pytest.mark.parametrize(
    ("by", "outcome"), [("patient", "undecided"), ("site", "pass"), ("time", "pass")]
)
def test_elsewhere_or_later(make_run, by, outcome):
    folder = make_run()
    text = (folder / "resolved.yaml").read_text()
    extra = f"split: {{by: {by}, column: place}}\n" if by != "patient" else ""
    (folder / "resolved.yaml").write_text(text + extra)
    found = asked(folder, "external_test")
    assert (found.outcome, found.value) == (outcome, f"split by {by}")


def test_blanks_of_the_card_are_counted_and_named(make_run):
    folder = make_run()
    found = asked(folder, "card_blanks", at_most=1)
    assert (found.outcome, found.reason) == ("undecided", "no model card was written for this run")
    (folder / "card").mkdir()
    write_json(folder / "card" / "card.json", {"blanks": ["licence", "dpia"]})
    found = asked(folder, "card_blanks", at_most=1)
    assert (found.outcome, found.reason) == ("undecided", "blank: licence; dpia")
    assert asked(folder, "card_blanks", at_most=2).outcome == "pass"


def decision(**changes):
    return {"id": "DEC-2026-0001", "outcome": "approve", "gate_step": "G3", "digests": ["9" * 64],
            "weights": [""], "products": [""], "predictions": ["9" * 64], "promised": [],
            "to_state": "retrospective_eval", "expires_at": None, **changes}  # fmt: skip


@pytest.mark.parametrize(
    ("decisions", "outcome", "words"),
    [
        ([], "undecided", "nobody approved G3, so no bytes are frozen"),
        ([decision()], "pass", "as DEC-2026-0001 froze them"),
        ([decision(digests=["8" * 64])], "fail", "DEC-2026-0001 froze other bytes than these"),
        ([decision(outcome="defer")], "undecided", "nobody approved G3"),
        ([decision(digests=["8" * 64]), decision(id="DEC-2026-0009")], "pass", "DEC-2026-0009"),
    ],
)
def test_the_bytes_are_those_that_were_frozen(make_run, decisions, outcome, words):
    dossier = Dossier(DAY, {}, decisions=tuple(decisions))
    found = asked(make_run(), "digest_frozen", dossier)
    assert found.outcome == outcome
    assert words in found.reason


def test_weights_that_were_swapped_are_not_the_frozen_ones(make_run):
    folder = make_run()
    (folder / "model").mkdir()
    (folder / "model" / "weights.bin").write_bytes(b"learnt")
    weights = digests_of(folder)["weights"]
    dossier = Dossier(DAY, {}, decisions=(decision(weights=[weights]),))
    assert asked(folder, "digest_frozen", dossier).outcome == "pass"
    (folder / "model" / "weights.bin").write_bytes(b"others")
    assert asked(folder, "digest_frozen", dossier).outcome == "fail"


@pytest.mark.parametrize(
    ("mine", "approved", "outcome", "words"),
    [
        ("Chest 14", "Chest 14 2.1", "pass", "the product and version of DEC-2026-0001"),
        ("Chest 15", "Chest 14 2.1", "fail", "DEC-2026-0001 was about Chest 14 2.1"),
        ("Chest 14", "", "undecided", "product and version of the vendor's tool are not said"),
        ("", "Chest 14 2.1", "undecided", "product and version of the vendor's tool are not said"),
    ],
)
def test_a_vendors_tool_is_the_same_by_product_and_version(
    make_run, mine, approved, outcome, words
):
    folder = vendor_run(make_run)
    if mine:
        text = (folder / "resolved.yaml").read_text()
        (folder / "resolved.yaml").write_text(
            f"{text}vendor: {{product: {mine}, version: '2.1'}}\n"
        )
    dossier = Dossier(DAY, {}, decisions=(decision(products=[approved], digests=["8" * 64]),))
    found = asked(folder, "digest_frozen", dossier)
    assert found.outcome == outcome
    assert words in found.reason


def promise(value=0.9, **changes):
    row = {"target": "effusion", "metric": "roc_auc", "value": value}
    told = {"gate_step": "G4", "promised": [row], "predictions": ["8" * 64], **changes}
    return Dossier(DAY, {}, decisions=(decision(**told),))


@pytest.mark.parametrize(
    ("dossier", "outcome", "words"),
    [
        (promise(0.90), "pass", "effusion: the whole interval clears 0.85"),
        (promise(0.95), "undecided", "effusion: 0.9 lies inside the interval"),
        (promise(0.995), "fail", "effusion: the whole interval misses 0.945"),
        (promise(None), "undecided", "effusion: not in the evaluation"),
        (promise(predictions=["9" * 64]), "undecided", "and no later ones"),
        (promise(promised=[]), "undecided", "no figures are known that G4 was approved on"),
        (promise(gate_step="G3"), "undecided", "no figures are known that G4 was approved on"),
    ],
)
def test_a_silent_phase_holds_what_was_promised(make_run, dossier, outcome, words):
    found = asked(make_run(), "holds_promise", dossier, margin=0.05)
    assert found.outcome == outcome
    assert words in found.reason


MEMBERS = {"fold0": {"digest": "a" * 64}, "fold1": {"digest": "b" * 64}}


def edit(folder, **changes):
    told = json.loads((folder / "evaluation.json").read_text())
    write_json(folder / "evaluation.json", {**told, **changes})


@pytest.mark.parametrize(
    ("members", "evaluation", "missing"),
    [
        ({**MEMBERS, "fold1": {}}, {}, "model"),
        ({}, {}, "model"),
        (MEMBERS, {"seal": {"reading": 1}}, "test list"),
        (MEMBERS, {"predictions_sha256": None}, "predictions"),
        (MEMBERS, {"seal": None, "predictions_sha256": ""}, "test list, predictions"),
    ],
)
def test_each_digest_that_is_missing_is_named(make_run, members, evaluation, missing):
    folder = make_run()
    write_json(folder / "training.json", {"members": members})
    edit(folder, **evaluation)
    found = asked(folder, "digests_present")
    assert (found.outcome, found.reason) == ("undecided", f"no digest of: {missing}")


def test_a_seed_that_is_blank_is_not_recorded(make_run):
    folder = make_run()
    write_json(folder / "split.json", {"seed": None})
    write_json(folder / "plan.json", {"seed": 0})
    assert asked(folder, "seeds_recorded").reason == "no seed is recorded of: split"


def test_an_approval_with_conditions_freezes_bytes_too(make_run):
    other = ["8" * 64]
    frozen = decision(outcome="approve-with-conditions", digests=other, predictions=other)
    dossier = Dossier(DAY, {}, decisions=(frozen,))
    assert asked(make_run(), "digest_frozen", dossier).outcome == "fail"


@pytest.mark.parametrize(
    ("value", "outcome"), [(0.08, "pass"), (0.06, "undecided"), (0.02, "fail")]
)
def test_where_lower_is_better_a_promise_is_an_upper_bound(make_run, value, outcome):
    brier = {"target": "effusion", "metric": "brier", "acceptable": 0.2}
    row = {"target": "effusion", "metric": "brier", "value": value}
    told = decision(gate_step="G4", promised=[row], predictions=["8" * 64])
    folder = make_run(primary=brier, value=0.1, low=0.09, high=0.12)
    found = asked(folder, "holds_promise", Dossier(DAY, {}, decisions=(told,)), margin=0.05)
    assert found.outcome == outcome
