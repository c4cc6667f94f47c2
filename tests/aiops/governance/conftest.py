"""People with keys in every role, and cases that stand where a test needs them."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner

from aiops.files import write_json, write_text
from aiops.governance import ledger, redraft, usecase
from aiops.governance.decision import propose, record_decision
from aiops.governance.keyring import DEMO_KEYS, KEYS, found
from aiops.governance.keys import KeyPair, PublicKey
from aiops.governance.lifecycle import read_lifecycle
from aiops.governance.policy import evaluate_gate, read_policy


def key_of(person: str, *, is_demo: bool = False) -> KeyPair:
    signer = CryptoSigner(Ed25519PrivateKey.generate())
    public = signer.public_key
    return KeyPair(PublicKey(public.keyid, person, public.keyval["public"], is_demo), signer)


@pytest.fixture(scope="session")
def people() -> dict[str, KeyPair]:
    """A person for each role of the lifecycle."""
    return {role: key_of(f"Dr {role.title()}") for role in read_lifecycle().roles}


@pytest.fixture
def ring(home, people) -> dict[str, KeyPair]:
    """The ring with a person in each role."""
    found([(pair, [role]) for role, pair in people.items()], KEYS)
    return people


@pytest.fixture
def demo_ring(home) -> dict[str, KeyPair]:
    """The demo's ring with a person in each role."""
    pairs = {r: key_of(f"Demo {r}", is_demo=True) for r in read_lifecycle().roles}
    found([(pair, [role]) for role, pair in pairs.items()], DEMO_KEYS)
    return pairs


@pytest.fixture
def gated_run(make_run):
    """A run of a registered case with weights and a report, whose gate was answered."""
    usecase.submit("chest-effusion", "Effusion on chest films")

    def make(name: str = "2026-11-22-0a1b2c3d", **changes: Any) -> Path:
        folder = make_run(name, **changes)
        (folder / "model" / "model").mkdir(parents=True)
        (folder / "model" / "model" / "weights.safetensors").write_bytes(name.encode())
        write_json(folder / "plan.json", {"recipe": {"steps": 10}})
        write_text(folder / "report.html", "<html>report</html>")
        write_json(folder / "gates.json", evaluate_gate(read_policy("gate_basic"), folder))
        return folder

    return make


@pytest.fixture
def open_gates(monkeypatch, answer_gates, made_up):
    """Every step's gate passes, whatever its items ask."""

    answer_gates()
    answers_gone = redraft._answers_gone
    monkeypatch.setattr(
        redraft,
        "_answers_gone",
        lambda statement, run: (
            [] if made_up(statement["evidence"]) else answers_gone(statement, run)
        ),
    )


@pytest.fixture
def stand(home):
    """Register a case and write the decisions that bring it to a state."""

    def make(state: str, *before: str, slug: str = "ct-triage") -> usecase.UseCase:
        usecase.submit(slug, f"Case {slug}")
        for to_state in (*before, state):
            if to_state != usecase.find(slug).state:
                move(slug, to_state)
        return usecase.find(slug)

    return make


def move(slug: str, to_state: str, **changes: Any) -> None:
    """Write a decision that a rule might have refused, to stand in a state."""
    case = usecase.find(slug)
    if case.state == "submitted" and not case.decisions:
        record_decision(propose("re-review", slug, rationale="Look again.", by="Board"))
        if to_state == "triage":
            return
    record = dict(ledger.read_all()[-1])
    follows = [r["id"] for r in ledger.read_all() if r["case_id"] == case.id][-1]
    number = 1 + len(ledger.read_all())
    record |= {
        "id": f"{record['id'][:9]}{number:04d}",
        "proposal_id": f"made-{number}",
        "follows": follows,
        "from_state": usecase.find(slug).state,
        "to_state": to_state,
        "case_id": case.id,
        "use_case": slug,
        **changes,
    }
    ledger.append(lambda earlier: record)


@pytest.fixture
def new_key():
    """Make a key for a person, in memory."""
    return key_of


@pytest.fixture
def moved():
    """Write a decision that a rule might have refused."""
    return move
