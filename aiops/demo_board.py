"""The demo's board: people who do not exist, with keys that protect nothing.

Their passphrase stands below for everybody to read. The keys lie in a book of their own, and sign
nothing but use cases of the demo.
"""

from aiops.governance.keyring import DEMO_KEYS, found, read_keyring
from aiops.governance.keys import KeyPair, new_key, open_key
from aiops.governance.lifecycle import APPROVALS, read_lifecycle
from aiops.home import keys_dir

PASSPHRASE = "this protects nothing"
ROLES = ("ai lead", "chair", "clinical lead", "cso", "fairness reviewer")


def board() -> dict[str, KeyPair]:
    """Return the demo's board by role; at the first call its keys are made and its ring founded."""
    folder = keys_dir() / "demo"
    pairs = {}
    for role in ROLES:
        private = folder / f"demo-{role.replace(' ', '-')}.key.pem"
        if not private.exists():
            private, _ = new_key(f"Demo {role}", folder, PASSPHRASE, is_demo=True)
        pairs[role] = open_key(private, PASSPHRASE)
    if not read_keyring(DEMO_KEYS).members:
        found([(pair, [role]) for role, pair in pairs.items()], DEMO_KEYS)
    return pairs


def signers(outcome: str) -> list[KeyPair]:
    """Return those of the board whose signatures the demo's decision needs.

    Parameters
    ----------
    outcome : str
        What is decided: an approval by the basic gate, or a rejection.
    """
    cycle = read_lifecycle()
    if outcome in APPROVALS:
        roles = cycle.step("gate_basic").roles
    else:
        needed = cycle.needed("retrospective_eval", outcome)
        roles = needed.roles[: needed.signatures]
    pairs = board()
    return [pairs[role] for role in roles]
