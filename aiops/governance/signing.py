"""Signatures: a DSSE envelope [1]_ around canonical JSON, one signature a key.

References
----------
.. [1] Dead Simple Signing Envelope, v1.0. https://github.com/secure-systems-lab/dsse
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import rfc8785

from aiops.errors import LedgerError
from aiops.governance.keys import KeyPair, PublicKey

DECISION_TYPE = "application/vnd.aiops.decision+json"
KEYRING_TYPE = "application/vnd.aiops.keyring+json"

Envelope = dict[str, Any]


@dataclass(frozen=True)
class Checked:
    """What an envelope says, and whose signatures on it hold."""

    statement: dict[str, Any]
    signed_by: tuple[PublicKey, ...]
    faults: tuple[str, ...]


def seal(statement: Mapping[str, Any], payload_type: str, pairs: Iterable[KeyPair]) -> Envelope:
    """Put a statement into an envelope and sign it.

    Parameters
    ----------
    statement : mapping
        Plain JSON values.
    payload_type : str
        What it is: a signature on one kind is none on another.
    pairs : iterable of KeyPair
        Who signs.
    """
    from securesystemslib.dsse import Envelope as Dsse

    envelope = Dsse(rfc8785.dumps(dict(statement)), payload_type, {})
    for pair in pairs:
        envelope.sign(pair.signer)
    return dict(envelope.to_dict())


def add_signature(envelope: Envelope, pair: KeyPair) -> Envelope:
    """Return the envelope with one signature more; a second one of a key replaces its first."""
    from securesystemslib.dsse import Envelope as Dsse

    opened = Dsse.from_dict(json.loads(json.dumps(envelope)))
    opened.sign(pair.signer)
    return dict(opened.to_dict())


def check(envelope: Envelope, payload_type: str, keys: Iterable[PublicKey]) -> Checked:
    """Return what an envelope says and which of `keys` signed it.

    Parameters
    ----------
    envelope : dict
        As `seal` made it.
    payload_type : str
        What it must be.
    keys : iterable of PublicKey
        Keys that are known; a signature by any other is a fault, as is one that does not hold.

    Raises
    ------
    LedgerError
        If it is no envelope, of another type, or not canonical: two texts of one meaning would
        have two digests.
    """
    from securesystemslib.dsse import Envelope as Dsse
    from securesystemslib.exceptions import UnverifiedSignatureError

    try:
        opened = Dsse.from_dict(json.loads(json.dumps(envelope)))
        statement = json.loads(opened.payload)
    except (KeyError, ValueError, TypeError, AttributeError) as fault:
        raise _broken("this is no signed envelope") from fault
    if opened.payload_type != payload_type:
        raise _broken(f"the envelope holds {opened.payload_type}, not {payload_type}")
    if not isinstance(statement, dict) or rfc8785.dumps(statement) != opened.payload:
        raise _broken("the statement is not canonical JSON")
    known = {key.key_id: key for key in keys}
    held, faults = [], []
    for key_id, signature in opened.signatures.items():
        if key_id not in known:
            faults.append(f"signed by a key that nobody enrolled: {key_id[:16]}")
            continue
        try:
            known[key_id].verifier().verify_signature(signature, opened.pae())
            held.append(known[key_id])
        except UnverifiedSignatureError:
            faults.append(f"the signature of {known[key_id].person} does not hold")
    return Checked(statement, tuple(held), tuple(faults))


def _broken(what: str) -> LedgerError:
    return LedgerError(what, where="signed envelope", fix="ask for the file again, unchanged")
