"""Drafts: a decision in one JSON file that goes from hand to hand until enough have signed it."""

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from aiops.errors import ConfigError, GateError
from aiops.files import write_json
from aiops.governance import dissents, ledger
from aiops.governance.decision import check_store, draft, show
from aiops.governance.keyring import DEMO_KEYS, book_of, read_keyring
from aiops.governance.keys import KeyPair
from aiops.governance.lawful import needed_by
from aiops.governance.lifecycle import read_lifecycle
from aiops.governance.people import is_same
from aiops.governance.record import BY_GRADE, BY_PROGRAM, DecisionRecord, Proposal
from aiops.governance.recording import Drafted, record_draft
from aiops.governance.redraft import proposal_of, require_same, require_unchanged
from aiops.governance.signatures import DISSENT_TYPE, assign, dissent_statement
from aiops.governance.signing import DECISION_TYPE, add_signature, check, seal

KIND = "decision_draft"
HOW = (
    "Read `statement`: it is what the envelope holds and people sign. Sign it with "
    "`aiops sign FILE --key KEY`; record it with `aiops decide --signed FILE`."
)


def write_draft(proposal: Proposal, path: Path, keys: Sequence[KeyPair] = ()) -> Drafted:
    """Write what shall be decided to a file for people to sign.

    Parameters
    ----------
    proposal : Proposal
        What shall be decided; held to every rule now, and again when it is recorded.
    path : Path
        The file; it must not be there.
    keys : sequence of KeyPair
        Those who sign at once.

    Raises
    ------
    ConfigError
        If the file is there.
    GateError
        If a rule forbids the decision.
    """
    if path.exists():
        raise ConfigError(
            "there is a file of this name already", where=str(path), fix="choose another name"
        )
    statement = draft(proposal)
    for pair in keys:
        _require_may_sign(statement, pair, path)
    drafted = Drafted(statement, seal(statement, DECISION_TYPE, keys))
    _write(path, drafted)
    return drafted


def read_draft(path: Path) -> Drafted:
    """Read a draft.

    Raises
    ------
    ConfigError
        If it is none, or what people read in it is not what they sign.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_once)
        if told["kind"] != KIND:
            raise KeyError("kind")
        statement, envelope = told["statement"], told["envelope"]
        payload = json.loads(base64.b64decode(envelope["payload"]), object_pairs_hook=_once)
        against = list(told["dissents"])
        made = BY_PROGRAM if statement["made_by_program"] else BY_GRADE["recorded"]
        DecisionRecord.model_validate({**statement, **_LATER, "statement": made})
        is_whole = payload == statement and told["sha256"] == ledger.record_sha256(statement)
    except (KeyError, TypeError, ValueError, OSError, RecursionError) as fault:
        raise ConfigError(
            "this is no draft of a decision", where=str(path), fix="write one: decide … --draft"
        ) from fault
    if not is_whole:
        raise ConfigError(
            "the text of the draft is not what its envelope holds: it was edited",
            where=str(path),
            fix="draft it again, and let each sign what it says now",
        )
    return Drafted(statement, envelope, against)


_LATER = {"id": "DEC-0000-0000", "created_at": "", "grade": "recorded"}
"""What stands in a record and not yet in a draft."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Read an object of JSON in which no name stands twice: a reader would see one of the two."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found


def sign_draft(path: Path, pair: KeyPair, *, dissent: str = "") -> Drafted:
    """Add a signature to a draft, or a signed dissent.

    Parameters
    ----------
    path : Path
        The draft.
    pair : KeyPair
        Who signs.
    dissent : str
        Why not; blank is a signature for it.

    Raises
    ------
    GateError
        If the signature would not count: the author's, of a key not in force, or a second one.
    """
    with FileLock(f"{path}.lock"):
        drafted = read_draft(path)
        _require_may_sign(drafted.statement, pair, path, is_dissent=bool(dissent.strip()))
        agreed, no = signers_of(drafted)
        is_on_it = pair.public.key_id in _key_ids(drafted)
        if is_on_it or any(is_same(pair.public.person, person) for person in (*agreed, *no)):
            raise GateError(
                f"{pair.public.person} has signed this draft already",
                where=str(path),
                fix="let another person sign",
            )
        envelope, against = drafted.envelope, drafted.dissents
        if dissent.strip():
            said = dissent_statement(drafted.statement, dissent)
            against = [*against, seal(said, DISSENT_TYPE, [pair])]
            # In the ledger at once: a draft can be lost, and so could somebody's no.
            if _has_ring(drafted.statement):
                dissents.keep(drafted.statement, against[-1])
        elif envelope is not None:
            envelope = add_signature(envelope, pair)
        signed = Drafted(drafted.statement, envelope, against)
        _write(path, signed)
    Path(f"{path}.lock").unlink(missing_ok=True)
    return signed


def record_signed(path: Path, *, may_be_unsigned: bool = True) -> DecisionRecord:
    """Record a signed draft in the ledger and show it in MLflow.

    Parameters
    ----------
    path : Path
        The draft.
    may_be_unsigned : bool
        Whether a draft that nobody signed is recorded by a name alone, where that suffices.

    Raises
    ------
    GateError
        If a signature is missing or does not count, the case has moved on since it was drafted,
        or what it rests on was changed. Nothing is recorded then.
    TrackingError
        If MLflow does not answer.
    """
    drafted = read_draft(path)
    against = [*drafted.dissents, *dissents.of_statement(drafted.statement)]
    signed = drafted.envelope is not None and drafted.envelope["signatures"]
    if not (signed or may_be_unsigned or drafted.statement["attested_by"]):
        raise GateError(
            "nobody has signed this draft",
            where=str(path),
            fix=f"let them sign: aiops sign {path} --key KEY; or record it by a name alone: "
            f"aiops decide --signed {path} --unsigned",
        )
    if signed:
        require_unchanged(drafted.statement)
    if not signed or missing_roles(drafted):
        # Too few signatures to fix its words, so they are worked out anew.
        again = draft(proposal_of(drafted.statement))
        if signed or against:
            require_same(drafted.statement, again)
        drafted = (
            Drafted(drafted.statement, drafted.envelope if signed else None, drafted.dissents)
            if signed or against
            else Drafted(again)
        )
    check_store(str(drafted.statement["outcome"]))
    return show(record_draft(drafted))


def signers_of(drafted: Drafted) -> tuple[list[str], list[str]]:
    """Return who signed a draft so far: those who agree, and those who do not."""
    keys = read_keyring(book_of(str(drafted.statement["use_case"]))).public_keys()
    agreed: list[str] = []
    if drafted.envelope is not None:
        agreed = [key.person for key in check(drafted.envelope, DECISION_TYPE, keys).signed_by]
    against = [
        key.person
        for envelope in drafted.dissents
        for key in check(envelope, DISSENT_TYPE, keys).signed_by
    ]
    return agreed, against


def missing_roles(drafted: Drafted) -> str:
    """Return the roles that nobody has signed for yet, in words; empty when enough have signed."""
    needed = needed_by(drafted.statement, read_lifecycle())
    ring = read_keyring(book_of(str(drafted.statement["use_case"])))
    agreed, _ = signers_of(drafted)
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    held = [m.roles for m in ring.in_force(now) if m.key.person in agreed]
    filled = [role for role in assign(held, needed.roles) if role]
    count, lacking = needed.signatures - len(filled), [r for r in needed.roles if r not in filled]
    if count <= 0:
        return ""
    told = ", ".join(lacking)
    return told if count == len(lacking) else f"{count} of {told}"


def lines_of(statement: dict[str, Any]) -> list[str]:
    """Return what a signature on a statement means, in a few lines to read before signing."""
    answers = [item["passed"] for item in statement["evidence"]]
    gate = f"{statement['gate_step'] or statement['gate']}: {statement['gate_outcome']}"
    asked = [f"  gate {gate}, {answers.count(True)} of {len(answers)} items passed"]
    lines = [
        f"{statement['outcome']} {statement['case_id']} {statement['use_case']}",
        f"  {statement['from_state']} -> {statement['to_state']}"
        + (f", {statement['effect'].replace('_', ' ')}" if statement["effect"] else ""),
        *(asked if answers else []),
        f"  {statement['rationale']}",
    ]
    lines += [f"  present: {who}" for who in statement["attendees"]]
    lines += [f"  does not agree, by word: {who}" for who in statement["dissent"]]
    lines += [f"  interest: {who}" for who in statement["conflicts_of_interest"]]
    lines += [f"  reason: {r['code']} {r['name']}" for r in statement["reasons"]]
    lines += [
        f"  condition: {c['text']} ({c['owner']}, {c['due']})" for c in statement["conditions"]
    ]
    lines += [f"  about: {s['digest']}" for s in statement["subject"]]
    lines += [f"  until {statement['expires_at']}"] if statement["expires_at"] else []
    return lines


def _key_ids(drafted: Drafted) -> set[str]:
    """Return the ids of the keys that are on a draft, known here or not."""
    envelopes = [*([drafted.envelope] if drafted.envelope else []), *drafted.dissents]
    return {str(one["keyid"]) for envelope in envelopes for one in envelope["signatures"]}


def _has_ring(statement: dict[str, Any]) -> bool:
    """Return whether the ring is here: on a signer's own machine there is none.

    Whether a signature counts is then told when the draft is recorded, where the ledger is.
    """
    return bool(read_keyring(book_of(str(statement["use_case"]))).members)


def _require_may_sign(
    statement: dict[str, Any], pair: KeyPair, path: Path, *, is_dissent: bool = False
) -> None:
    book = book_of(str(statement["use_case"]))
    dissents.require_unrecorded(statement)
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    force = {m.key.key_id for m in read_keyring(book).in_force(now)}
    person = pair.public.person
    if pair.public.key_id not in force and _has_ring(statement):
        said = f"the key of {person} is not in force in the book '{book}'"
        fix = "see who may sign: aiops keys list"
        if pair.public.is_demo:
            said += ": a demo's key signs nothing but the demo's use cases"
        elif book == DEMO_KEYS:
            said += ": the demo's use cases take the demo's keys alone"
            fix = "practise on a case of your own: aiops usecase submit SLUG --title TITLE"
        raise GateError(said, where=str(path), fix=fix)
    needed = read_lifecycle().needed(
        statement["from_state"], statement["outcome"], statement["gate"] or None
    )
    is_own = is_same(person, str(statement["author"]))
    if is_own and not needed.author_may_sign and not is_dissent:
        raise GateError(
            f"{person} wrote this proposal and cannot sign it",
            where=str(path),
            fix="let somebody else sign, or somebody else write it",
        )


def _write(path: Path, drafted: Drafted) -> None:
    write_json(
        path,
        {
            "kind": KIND,
            "version": 1,
            "how": HOW,
            "sha256": ledger.record_sha256(drafted.statement),
            "statement": drafted.statement,
            "envelope": drafted.envelope,
            "dissents": drafted.dissents,
        },
    )
