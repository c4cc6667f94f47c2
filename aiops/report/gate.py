"""What the gate answered, in a board's words: which item failed, why, and what follows."""

import re

from aiops.report import wording
from aiops.report.annex import plain_value
from aiops.report.blocks import Block, Prose, Table
from aiops.report.files import Json, RunFiles
from aiops.report.findings import FEW, verdict_chip
from aiops.report.wording import GLOSSES, listed, readable

MOST = 6
"""Parts of an answer that are told; of more, how many."""

FOLLOWS = {
    "fail": "While an item fails, the program refuses to approve.",
    "undecided": "While an item cannot be told, the program approves only with a condition for it.",
    "pass": "Nothing in it forbids an approval; people decide.",
}
"""What each outcome of the gate means for the board."""

_FIGURES = re.compile(r" by [\d.,−-]+(?: \w+)? in \w+ \([^)]*\)")
_GROUP = re.compile(r"\b(\w+)=([^,;]+)")
_CODE = {"`primary: {acceptable: …}` in the config": "an acceptable value, set in the config"}


def gate_words(files: RunFiles) -> str:
    """Return the gate's answer for the first page: which items failed, and what that means."""
    outcome = str(files.gates.get("outcome") or "")
    if not outcome:
        return "not asked yet"
    items = [i for i in files.gates.get("items") or [] if i.get("outcome") == outcome]
    named = listed([f"“{item.get('question') or item.get('id')}”" for item in items[:FEW]])
    word = {"fail": "fails", "undecided": "cannot be told yet", "pass": "passes"}.get(outcome)
    asked = f" on {named}" if named and outcome != "pass" else ""
    return f"{word or outcome}{asked}. {FOLLOWS.get(outcome, '')}".strip()


def gate_blocks(files: RunFiles) -> list[Block]:
    """Return the items of the gate with their answers, or that it was not asked."""
    if not files.gates:
        return [
            Prose(
                "The gate has not been asked yet; once it is, the report has to be made again. "
                "The figures above are no decision."
            )
        ]
    items: list[Json] = files.gates.get("items") or []
    outcomes = [str(item.get("outcome")) for item in items]
    rows = tuple(
        (str(item.get("question") or item.get("id")), verdict_chip(str(item.get("outcome"))),
         _answer(item))
        for item in items
    )  # fmt: skip
    policy = f"{files.gates.get('policy', '')} {files.gates.get('policy_version', '')}".strip()
    tally = [f"{outcomes.count(w)} {words}" for w, words in
             (("pass", "passed"), ("fail", "failed"), ("undecided", "cannot be told yet"))
             if w in outcomes]  # fmt: skip
    follows = FOLLOWS.get(str(files.gates.get("outcome")), "")
    plain = f"Of {len(rows)} questions, {listed(tally)}. {follows}".strip() if rows else ""
    return [
        Prose(f"Policy {readable(policy)}. A gate prepares a decision; people make it."),
        Table(
            caption="Gate items",
            columns=("Question", "Answer", "Found, asked for, and why"),
            rows=rows,
            plain=plain,
        ),
    ]


def in_words(text: str) -> str:
    """Return a text of the gate without code and repetition; long lists are cut, and say so.

    Figures of groups stand in the section on groups, rounded one way, and are not repeated.

    Examples
    --------
    >>> in_words("age=60-79, effusion: worse than the rest by 0.194 in roc_auc (0.124 to 0.282)")
    'age “60-79”, effusion: worse than the rest'
    >>> in_words("none was set; none was set")
    'none was set'
    >>> in_words("126 groups: 19 adequate, 5 concern")
    '126 comparisons: 19 adequate, 5 concern'
    """
    for code, words in _CODE.items():
        text = text.replace(code, words)
    text = _FIGURES.sub("", text).replace("`", "")
    text = _GROUP.sub(lambda m: m[0] if m[1] == "n" else f"{readable(m[1])} “{readable(m[2])}”",
                      text)  # fmt: skip
    text = re.sub(r"^(\d+) groups:", r"\1 comparisons:", text)
    for name, told in GLOSSES.items():
        text = re.sub(rf"\b{name}\b", told.label, text) if "_" in name else text
    parts = list(dict.fromkeys(p.strip() for p in text.split("; ") if p.strip()))
    more = len(parts) - MOST
    return "; ".join(parts[:MOST]) + (f"; and {more} more" if more > 0 else "")


def _answer(item: Json) -> str:
    told = [
        ("Found", plain_value(item.get("value"))),
        ("Asked for", plain_value(item.get("threshold"))),
        ("Why", wording.text_of(item.get("reason"))),
        ("To settle it", wording.text_of(item.get("would_decide"))),
    ]
    parts = [
        f"{name}: {in_words(text).rstrip('.')}."
        for name, text in told
        if text and text not in (wording.DASH, "None")
    ]
    return " ".join(parts) or wording.DASH
