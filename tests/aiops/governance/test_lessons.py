import pytest

from aiops.errors import ConfigError
from aiops.governance import ledger, usecase
from aiops.governance.lessons import WEAK, tried_before, unknown_words

pytestmark = pytest.mark.usefixtures("home")

PROJECTS = {
    "rectal-cancer-mri": ("Staging of rectal cancer on MRI", "Outline tumours before surgery."),
    "wrist-fracture": ("Scaphoid fracture on wrist X-ray", "Missed breaks come back weeks later."),
    "kidney-models": ("3D models of kidney tumours from CT", "Surgeons plan which part to spare."),
    "iped-vendor": ("Vendor's flag for incidental pulmonary embolism", "Clots seen by nobody."),
    "barrett-text": ("Reading of Barrett's surveillance from reports", "Intervals set by hand."),
    "readmission": ("Readmission within 30 days", "A call list for the discharge team."),
    "cardiac-mri": ("Left ventricle volumes on cardiac MRI", "Contours drawn by hand."),
    "cxr-queue": ("Order of the chest film worklist", "Urgent films wait behind others."),
    "head-neck-oar": ("Organs at risk for radiotherapy, head and neck", "Hours of outlining."),
    "prostate-mri": ("Prostate lesions on MRI", "Too few readers for the scans."),
}


def submitted():
    return {s: usecase.submit(s, title, problem=p) for s, (title, p) in PROJECTS.items()}


@pytest.mark.parametrize(
    ("asked", "slug"),
    [
        ("bowel polyps seen at colonoscopy", "rectal-cancer-mri"),
        ("broken carpal bone on a radiograph", "wrist-fracture"),
        ("surgical planning for renal cancer", "kidney-models"),
        ("PE found by chance on CT", "iped-vendor"),
        ("when is the next endoscopy, from the letter", "barrett-text"),
        ("which patients are readmitted", "readmission"),
        ("heart segmentation", "cardiac-mri"),
        ("prioritise thoracic radiographs in the queue", "cxr-queue"),
        ("auto-contouring before radiation", "head-neck-oar"),
        ("OAR autocontouring", "head-neck-oar"),
        ("navicular bone injury missed in casualty", "wrist-fracture"),
        ("30-day return to hospital", "readmission"),
    ],
)
def test_other_words_for_one_thing_find_the_case_first(asked, slug):
    submitted()
    found = tried_before(asked)
    assert found[0].slug == slug
    assert found[0].shared


MOVED = {
    "outcome": "reject",
    "from_state": "submitted",
    "to_state": "rejected",
    "created_at": "2026-11-22T10:00:00.000+00:00",
}


def test_a_rejected_case_comes_with_why_and_what_was_learnt():
    case = submitted()["wrist-fracture"]
    record = {
        "id": "DEC-2026-0001", "case_id": case.id, "to_state": "rejected", "review_by": None,
        "rationale": "Blank means no or not recorded alike.",
        "reasons": [{"code": "R03", "name": "DATA_FRAGMENTED"}],
        "lessons": [{"text": "Ask how a blank is written before counting fractures."}],
        "revisit_if": ["n_positive>=480"], "conditions": [],
    }  # fmt: skip
    ledger.append(lambda earlier: {**record, **MOVED})
    (first, *_) = tried_before("scaphoid")
    assert (first.state, first.reasons) == ("rejected", ("R03 DATA_FRAGMENTED",))
    lines = "\n".join(first.lines())
    assert "learnt: Ask how a blank is written" in lines
    assert "try again if: n_positive>=480" in lines
    # A lesson is found by its own words, too.
    assert tried_before("how is a blank written")[0].id == case.id


def test_the_case_that_asks_is_not_its_own_forerunner():
    cases = submitted()
    found = tried_before("Scaphoid fracture on wrist X-ray", without=cases["wrist-fracture"].id)
    assert "wrist-fracture" not in {case.slug for case in found}


def test_nothing_like_it_is_an_empty_answer():
    assert tried_before("zebra crossings") == []
    submitted()
    assert tried_before("zebra crossings") == []


def test_a_text_without_a_word_is_refused():
    with pytest.raises(ConfigError, match="no word to look for"):
        tried_before("? the of")


def test_what_shares_a_common_word_only_is_marked_weak():
    submitted()
    near, *_, far = tried_before("Missed scaphoid fractures on plain films, seen by nobody")
    assert (near.slug, near.is_weak) == ("wrist-fracture", False)
    assert (far.slug, far.is_weak) == ("iped-vendor", True)
    assert far.likeness < WEAK <= near.likeness
    assert far.lines()[-1].endswith(", weak)")
    assert far.to_dict()["is_weak"]


def test_the_words_that_no_case_has_are_told_as_they_were_written():
    usecase.submit("wrist", "Scaphoid fracture on wrist films")
    assert unknown_words("Navicular breaks and pancreatic cysts in CXR") == ("pancreatic", "cysts")
    assert unknown_words("navicular", among=[]) == ("navicular",)
