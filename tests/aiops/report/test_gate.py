from aiops.report.gate import gate_blocks, gate_words, in_words
from aiops.report.sheet import clinician_sheet
from aiops.report.verdict import verdict_page

ITEM = {"question": "Is every group served as well?", "outcome": "fail", "value": "5 groups: 1 bad",
        "threshold": "lower bound > −0.1", "would_decide": "a better model",
        "reason": "ethnicity=black, fracture: worse than the rest by 0.194 in roc_auc (0.124 to "
        "0.282)"}  # fmt: skip
GATES = {"outcome": "fail", "policy": "gate_basic", "policy_version": "1",
         "items": [ITEM, {"question": "Is the list new?", "outcome": "pass"}]}  # fmt: skip


def test_page_one_and_the_sheet_say_which_item_failed_and_what_that_means(run, chest):
    files = run(gates=GATES)
    said = (
        "fails on “Is every group served as well?”. While an item fails, the program refuses to "
        "approve."
    )
    assert gate_words(files) == said
    assert dict(verdict_page(files, chest()).standing)["What the gate says"] == said
    assert clinician_sheet(files, chest()).gate == f"The gate {said}"


def test_a_gate_that_passed_or_was_not_asked_puts_no_warning_on_the_sheet(run, chest):
    assert clinician_sheet(run(gates={"outcome": "pass"}), chest()).gate == ""
    assert clinician_sheet(run(), chest()).gate == ""
    assert gate_words(run()) == "not asked yet"


def test_an_undecided_gate_needs_conditions(run):
    words = gate_words(run(gates={"outcome": "undecided", "items": []}))
    assert words.startswith("cannot be told yet.")
    assert "only with a condition" in words


def test_the_items_are_told_without_code_and_without_a_second_rounding(run, shown):
    html = shown(gate_blocks(run(gates=GATES)))
    assert "Why: ethnicity “black”, fracture: worse than the rest. To settle it: a better model." \
        in html  # fmt: skip
    assert "0.124" not in html
    assert "roc_auc" not in html
    assert "5 comparisons: 1 bad" in html


def test_long_lists_are_cut_and_say_so():
    assert in_words("; ".join(f"x{i}" for i in range(14))) == "x0; x1; x2; x3; x4; x5; and 8 more"
