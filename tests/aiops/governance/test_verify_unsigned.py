"""What somebody did to decisions that nobody signed, to a dissent, and to the demo's ring."""

import json

import pytest
import rfc8785

from aiops.governance import ledger
from aiops.governance.decision import draft, propose, record_decision
from aiops.governance.keyring import DEMO_KEYS
from aiops.governance.recording import Drafted, record_draft
from aiops.governance.signatures import DISSENT_TYPE, dissent_statement
from aiops.governance.signing import KEYRING_TYPE, seal
from aiops.governance.verify import verify_ledger

SAID = {"rationale": "As the figures say.", "by": "Imaging AI board", "author": "Ana"}


def told():
    return [one.line() for one in verify_ledger(projection=False).found]


def rewritten(change):
    """Write the book anew as somebody would who knows how sums and heads are made."""
    entries = [json.loads(line) for line in ledger.book_path().read_bytes().splitlines()]
    change(entries)
    before, lines = ledger.GENESIS, []
    for entry in entries:
        record = {**entry["record"], "prev_sha256": before}
        more = {k: v for k, v in entry.items() if k not in ("record", "sha256")}
        before = ledger.record_sha256({"record": record, **more} if more else record)
        lines.append(rfc8785.dumps({"record": record, **more, "sha256": before}) + b"\n")
    ledger.book_path().write_bytes(b"".join(lines))
    head = {"lines": len(lines), "sha256": before}
    ledger.book_path().with_suffix(".head.json").write_text(json.dumps(head))


@pytest.mark.usefixtures("open_gates")
def test_a_step_that_was_left_out_between_two_decisions_is_told(home, stand):
    stand("triage")
    record_decision(propose("approve", "ct-triage", gate="G0", **SAID))
    assert told() == []

    def leap(entries):
        entries[1]["record"]["from_state"] = "live_limited"

    rewritten(leap)
    [line] = [line for line in told() if "0002: it starts from live_limited, and" in line]
    assert line.endswith("0001 leads to triage")


@pytest.mark.usefixtures("open_gates")
@pytest.mark.parametrize("kept", [[], ["Dr Other"]])
def test_a_dissent_that_was_dropped_or_given_to_another_is_told(ring, stand, kept):
    stand("submitted")
    statement = draft(propose("approve", "ct-triage", gate="G0", **SAID))
    said = dissent_statement(statement, "Too few women were read.")
    record_draft(Drafted(statement, None, [seal(said, DISSENT_TYPE, [ring["chair"]])]))
    assert told() == []

    def silence(entries):
        record = entries[-1]["record"]
        [one] = record["signed_dissent"]
        record["signed_dissent"] = [{**one, "person": name} for name in kept]

    rewritten(silence)
    assert any("it names others than those who signed a dissent" in line for line in told())


def test_a_suspension_that_its_author_signed_holds(ring, stand):
    stand("live")
    said = {**SAID, "author": "Dr Cso", "reasons": ["R24"]}
    before = told()
    record_decision(propose("suspend", "ct-triage", **said), [ring["cso"]])
    assert told() == before


def test_an_event_of_the_demo_s_ring_that_does_not_hold_is_told(demo_ring):
    event = {"event": "revoke", "key_id": "0" * 64, "reason": "lost", "nonce": "1"}
    forged = seal(event, KEYRING_TYPE, [demo_ring["chair"]])
    at = "2999-01-01T00:00:00.000000+00:00"
    ledger.append(lambda earlier: {"at": at, "envelope": forged}, DEMO_KEYS)
    assert "demo_keys.jsonl: event 2: no key in force has this id" in told()
