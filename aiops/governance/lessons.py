"""Has this been tried? A search of every former use case, its reasons and its lessons.

Words are weighed by how rare they are over all cases (TF-IDF of words, word pairs and pieces of
words), synonyms count as one, and no model is asked: a person can see why a case was found.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import yaml

from aiops import home
from aiops.errors import ConfigError
from aiops.governance import ledger
from aiops.governance.policy import read_reasons
from aiops.governance.usecase import UseCase, list_use_cases

ENOUGH = 0.04
"""Likeness below which a case is not shown: below it, in trials, lay chance alone."""

WEAK = 0.12
"""Likeness below which a case may share no more than a common word: it is shown as weak."""

_WORD = re.compile(r"[a-z0-9][a-z0-9-]+")


@dataclass(frozen=True)
class Tried:
    """A former case that is like the one asked about.

    Parameters
    ----------
    id, slug, title, state : str
        The case and where it stands.
    likeness : float
        From 0 to 1: cosine of the weighed words; 1 are the same words.
    shared : tuple of str
        Words that both have, the rarest first.
    reasons, lessons, revisit_if : tuple of str
        Why it ended, what was learnt, and what would make it worth another try.
    """

    id: str
    slug: str
    title: str
    state: str
    likeness: float
    shared: tuple[str, ...]
    reasons: tuple[str, ...]
    lessons: tuple[str, ...]
    revisit_if: tuple[str, ...]

    @property
    def is_weak(self) -> bool:
        """Whether no more than a common word may be shared."""
        return self.likeness < WEAK

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {**asdict(self), "is_weak": self.is_weak}

    def lines(self) -> list[str]:
        """Return it as a person reads it."""
        told = [f"{self.id} {self.slug}: {self.title} [{self.state}]"]
        told += [f"    why: {', '.join(self.reasons)}"] if self.reasons else []
        told += [f"    learnt: {lesson}" for lesson in self.lessons]
        told += [f"    try again if: {text}" for text in self.revisit_if]
        weak = ", weak" if self.is_weak else ""
        return [
            *told, f"    found by: {', '.join(self.shared)} (likeness {self.likeness:.2f}{weak})"
        ]  # fmt: skip


def tried_before(
    text: str, *, without: str = "", among: Collection[str] | None = None, most: int = 5
) -> list[Tried]:
    """Return the former cases that are like a text, the likest first.

    Parameters
    ----------
    text : str
        What is planned, in words.
    without : str
        Number of the case that asks.
    among : collection of str, optional
        Numbers of the cases that are looked at; all when not given.
    most : int, default=5
        How many at most.

    Raises
    ------
    ConfigError
        If the text has no word in it.
    """
    if not _words(text):
        raise ConfigError(
            "there is no word to look for", where="lessons search TEXT", fix="name the problem"
        )
    cases = [case for case in _cases(among) if case.id != without]
    if not cases:
        return []
    records = ledger.read_all()
    return _ranked(text, cases, [_told(case, records) for case in cases], records, most)


def unknown_words(text: str, among: Collection[str] | None = None) -> tuple[str, ...]:
    """Return the words of a text that no former case has, in their order.

    A search by words is silent on what it has no word for: its silence is worth no more than the
    words it knows.

    Parameters
    ----------
    text : str
        What is planned, in words.
    among : collection of str, optional
        Numbers of the cases that are looked at; all when not given.
    """
    records = ledger.read_all()
    known = {word for case in _cases(among) for word in _words(_told(case, records))}
    return tuple(dict.fromkeys(word for word, meant in _pairs(text) if meant not in known))


def _cases(among: Collection[str] | None) -> list[UseCase]:
    return [case for case in list_use_cases() if among is None or case.id in among]


def _ranked(
    text: str, cases: list[UseCase], told: list[str], records: list[ledger.Record], most: int
) -> list[Tried]:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import FeatureUnion

    weigh = FeatureUnion(
        [
            ("words", TfidfVectorizer(analyzer=_words_and_pairs, sublinear_tf=True)),
            ("pieces", TfidfVectorizer(analyzer=_pieces, sublinear_tf=True)),
        ],
        transformer_weights={"words": 0.8, "pieces": 0.2},
    )
    matrix = weigh.fit_transform([*told, text])
    likeness = np.asarray((matrix[:-1] @ matrix[-1].T).todense()).ravel() / (0.8**2 + 0.2**2)
    asked = set(_words(text))
    often = {word: sum(word in set(_words(t)) for t in told) for word in asked}
    found = []
    for i in np.argsort(-likeness, kind="stable")[:most]:
        shared = sorted(asked & set(_words(told[i])), key=lambda word: (often[word], word))
        if likeness[i] >= ENOUGH and shared:
            found.append(_tried(cases[i], records, float(likeness[i]), shared))
    return found


def _tried(
    case: UseCase, records: list[ledger.Record], likeness: float, shared: list[str]
) -> Tried:
    mine = [record for record in records if record["case_id"] == case.id]
    return Tried(
        id=case.id,
        slug=case.slug,
        title=case.title,
        state=case.state,
        likeness=round(likeness, 4),
        shared=tuple(shared[:6]),
        reasons=case.reasons,
        lessons=tuple(lesson["text"] for record in mine for lesson in record["lessons"]),
        revisit_if=tuple(mine[-1]["revisit_if"]) if mine else (),
    )


def _told(case: UseCase, records: list[ledger.Record]) -> str:
    """Return all that was said of a case: intake, decisions, lessons, what its reasons mean."""
    codes = read_reasons().codes
    # The facets say in one word what the prose says in many: they count more.
    facets = [case.specialty, case.modality, case.task, case.title]
    parts = [*facets, *facets, case.slug.replace("-", " "), case.problem]
    for record in (r for r in records if r["case_id"] == case.id):
        parts += [record["rationale"], *(lesson["text"] for lesson in record["lessons"])]
        parts += [codes[r["code"]].definition for r in record["reasons"] if r["code"] in codes]
    return "\n".join(part for part in parts if part)


def _words(text: str) -> list[str]:
    """Return the words of a text that say something, each synonym under its group's first word."""
    return [meant for _, meant in _pairs(text)]


def _pairs(text: str) -> list[tuple[str, str]]:
    """Return each word of a text that says something, as written, and what it is counted as."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    known = _synonyms()
    words = (word.strip("-") for word in _WORD.findall(text.lower()))
    told = (w for w in words if w not in ENGLISH_STOP_WORDS and len(w) > 1)
    return [(w, known.get(w, _singular(w))) for w in told]


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _words_and_pairs(text: str) -> list[str]:
    words = _words(text)
    return [*words, *(f"{a} {b}" for a, b in pairwise(words))]


def _pieces(text: str) -> list[str]:
    """Return pieces of four letters, by which kidney finds kidneys and nephrectomy nephron."""
    padded = (f" {word} " for word in _words(text))
    return [word[i : i + 4] for word in padded for i in range(max(1, len(word) - 3))]


@cache
def _synonyms() -> dict[str, str]:
    path = home.configs_dir() / "policy" / "synonyms.yaml"
    groups: Iterable[list[str]] = yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    return {str(word): str(group[0]) for group in groups for word in group}
