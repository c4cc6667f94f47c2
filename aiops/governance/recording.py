"""Recording a decision: under the lock, held to the rules, and numbered."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from aiops.errors import GateError
from aiops.governance import dissents, ledger, usecase
from aiops.governance.documents import file_state
from aiops.governance.kept_policy import policy_faults
from aiops.governance.keyring import book_of, read_keyring
from aiops.governance.lawful import needed_by, rule_faults, rules_of
from aiops.governance.lifecycle import read_lifecycle
from aiops.governance.record import BY_GRADE, BY_PROGRAM, DecisionRecord, Subject
from aiops.governance.rules import require_usable
from aiops.governance.signatures import Vouched, vouch
from aiops.governance.signing import Envelope


@dataclass(frozen=True)
class Drafted:
    """A decision that nobody has recorded yet.

    Parameters
    ----------
    statement : dict
        What people sign: the record without what is known only when it is recorded.
    envelope : dict, optional
        The statement with the signatures on it.
    dissents : list of dict
        Envelopes of those who signed that they do not agree.
    """

    statement: dict[str, Any]
    envelope: Envelope | None = None
    dissents: list[Envelope] = field(default_factory=list)


def record_draft(drafted: Drafted) -> DecisionRecord:
    """Append a draft to the ledger, if its signatures suffice and nobody was quicker.

    Raises
    ------
    GateError
        If it was recorded before, the case has moved on since, or a signature is missing or does
        not count. Nothing is recorded then.
    """

    def next_line(earlier: list[ledger.Record]) -> ledger.Line:
        # Under the lock: the state it starts from is the state nobody can change meanwhile.
        now = datetime.now(UTC)
        statement = drafted.statement
        _require_fresh(statement, earlier)
        _require_lawful(statement, earlier, now)
        against = [*drafted.dissents]
        against += [one for one in dissents.of_statement(statement) if one not in against]
        vouched = _vouched(Drafted(statement, drafted.envelope, against), now)
        _require_not_revoked(statement, vouched, len(earlier))
        number = 1 + sum(record["id"].startswith(f"DEC-{now.year}-") for record in earlier)
        record = DecisionRecord.model_validate(
            {
                **statement,
                "id": f"DEC-{now.year}-{number:04d}",
                "created_at": now.isoformat(timespec="microseconds"),
                "grade": vouched.grade,
                "signed_by": vouched.signed_by,
                "signed_dissent": vouched.dissent,
                "statement": BY_PROGRAM
                if statement["made_by_program"]
                else BY_GRADE[vouched.grade],
                "heads": _heads(),
            }
        ).to_json()
        attached = {"envelope": drafted.envelope, "dissents": against}
        attached = {name: value for name, value in attached.items() if value}
        return ledger.Line(record, attached)

    return DecisionRecord.model_validate(ledger.append(next_line))


def _heads() -> dict[str, str]:
    """Return the last line of each other book: what stood there cannot be cut or changed after."""
    return {
        book: ledger.head(book)
        for book in ledger.books()
        if book != ledger.DECISIONS and ledger.read_all(book)
    }


def _require_not_revoked(statement: dict[str, Any], vouched: Vouched, position: int) -> None:
    """Refuse a key that had been revoked, whatever this clock says beside the one that did it."""
    ring = read_keyring(book_of(str(statement["use_case"])))
    gone = {m.key.key_id for m in ring.members
            if m.decisions is not None and position >= m.decisions}  # fmt: skip
    if late := [s.person for s in vouched.signed_by if s.key_id in gone]:
        raise GateError(
            f"the key of {', '.join(late)} is not in force: it was revoked",
            where=f"decide {statement['outcome']} {statement['use_case']}",
            fix="let somebody sign whose key is: aiops keys list",
        )


def _require_fresh(statement: dict[str, Any], earlier: list[ledger.Record]) -> None:
    where = f"decide {statement['outcome']} {statement['use_case']}"
    for record in earlier:
        if record.get("proposal_id") == statement["proposal_id"]:
            raise GateError(
                f"this proposal was recorded already, as {record['id']}",
                where=where,
                fix="nothing to do; another decision is another proposal",
            )
    mine = [record for record in earlier if record["case_id"] == statement["case_id"]]
    last = mine[-1] if mine else None
    if (last["id"] if last else "") != statement["follows"]:
        told = f"{last['id']} ({last['outcome']}, {last['made_by']})" if last else "nothing"
        raise GateError(
            f"somebody was quicker: {told} was recorded on this case since this was proposed",
            where=where,
            fix="look at it, and propose again if it still stands",
        )
    state = usecase.find(statement["case_id"]).state
    if state != statement["from_state"]:
        raise GateError(
            f"the case was in {statement['from_state']} when this was proposed, and is in {state}",
            where=where,
            fix="draft it again",
        )


def _require_lawful(statement: dict[str, Any], earlier: list[ledger.Record], now: datetime) -> None:
    """Hold a statement to the lifecycle that it names: what it says of itself proves nothing."""
    dissents.require_same_words(statement)
    subject = tuple(Subject.model_validate(told) for told in statement["subject"])
    where = f"decide {statement['outcome']} {statement['use_case']}"
    cycle = rules_of(statement)
    slug = usecase.find(statement["case_id"]).slug
    mine = [record for record in earlier if record["case_id"] == statement["case_id"]]
    faults = ["the lifecycle that it names is not kept"] if cycle is None else []
    faults += [f"{statement['case_id']} is {slug}"] if slug != statement["use_case"] else []
    faults += list(rule_faults(statement, mine, cycle)) if cycle is not None else []
    faults += policy_faults(statement, date.today() + timedelta(days=1))  # drafted further east
    if earlier and earlier[-1]["created_at"] > now.isoformat(timespec="microseconds"):
        last = earlier[-1]
        faults.append(
            f"{last['id']} bears a later time, {last['created_at'][:16]}, than this clock, "
            f"{now:%Y-%m-%dT%H:%M}: set the clock right, or see aiops ledger verify"
        )
    told = {"minutes": "minutes_sha256", "hazard log": "hazards_sha256"}
    kept = {name: str(statement[field]) for name, field in told.items() if statement[field]}
    lost = {name: file_state(sha256) for name, sha256 in kept.items()}
    faults += [f"the {name} is {state}" for name, state in lost.items() if state != "there"]
    if not faults:
        case = usecase.find(statement["case_id"])
        require_usable(case, statement["outcome"], statement["effect"], subject, mine)
        return
    raise GateError(
        f"this is no decision by the rules: {'; '.join(faults)}",
        where=where,
        fix="draft it again: aiops decide … --draft FILE",
    )


def _vouched(drafted: Drafted, now: datetime) -> Vouched:
    statement = drafted.statement
    cycle = rules_of(statement) or read_lifecycle()
    return vouch(
        statement,
        drafted.envelope,
        drafted.dissents,
        needed_by(statement, cycle),
        at=now.isoformat(timespec="microseconds"),
    )
