"""Keys of people: an Ed25519 pair each, the private half encrypted and readable by its owner alone.

A signature is evidence that somebody with the key signed, no more: a key that lies on a shared
machine proves little, and a person's own stick proves more.
"""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiops.errors import ConfigError
from aiops.files import read_json, write_json
from aiops.governance.people import require_name

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner, SSlibKey

SHORTEST = 12
"""Characters of the shortest passphrase that is taken."""


@dataclass(frozen=True)
class PublicKey:
    """The half of a key that everybody may see.

    Parameters
    ----------
    key_id : str
        SHA-256 that names the key.
    person : str
        Whose it is.
    public : str
        The key itself, in hexadecimal digits.
    is_demo : bool
        Made by the demo: refused outside a demo's home.
    """

    key_id: str
    person: str
    public: str
    is_demo: bool = False

    def verifier(self) -> "SSlibKey":
        """Return the key as the signing library reads it."""
        from securesystemslib.signer import SSlibKey

        return SSlibKey(self.key_id, "ed25519", "ed25519", {"public": self.public})


@dataclass(frozen=True)
class KeyPair:
    """A key that can sign."""

    public: PublicKey
    signer: "CryptoSigner"


def new_key(
    person: str, folder: Path, passphrase: str, *, is_demo: bool = False
) -> tuple[Path, Path]:
    """Make a key for a person; return the private file and the public one.

    Parameters
    ----------
    person : str
        Name as it shall stand under decisions.
    folder : Path
        Where the two files go; the private one is made with mode 0600.
    passphrase : str
        Encrypts the private half; at least 12 characters.
    is_demo : bool
        Whether the demo makes it.

    Raises
    ------
    ConfigError
        If the name is blank, the passphrase too short, or such a key is there already.
    """
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from securesystemslib.signer import CryptoSigner

    person = require_name(person, where="--person")
    if len(passphrase) < SHORTEST:
        raise ConfigError(
            f"the passphrase has {len(passphrase)} characters",
            where="passphrase",
            fix=f"use {SHORTEST} or more; three words that nobody would put together will do",
        )
    stem = re.sub(r"[^\w]+", "-", person.lower()).strip("-")
    private_file, public_file = folder / f"{stem}.key.pem", folder / f"{stem}.pub.json"
    if private_file.exists() or public_file.exists():
        raise ConfigError(
            "there is a key of this name already",
            where=str(private_file if private_file.exists() else public_file),
            fix="use it, or revoke it and choose another folder",
        )
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        form.Encoding.PEM,
        form.PrivateFormat.PKCS8,
        form.BestAvailableEncryption(passphrase.encode()),
    )
    folder.mkdir(parents=True, exist_ok=True)
    _write_private(private_file, pem)
    key = CryptoSigner(private).public_key
    write_json(
        public_file,
        {
            "kind": "public_key",
            "key_id": key.keyid,
            "person": person,
            "public": key.keyval["public"],
            "is_demo": is_demo,
        },
    )
    return private_file, public_file


def read_public(path: Path) -> PublicKey:
    """Read the public half of a key.

    Raises
    ------
    ConfigError
        If the file is not one, or its id is not that of the key in it.
    """
    told: dict[str, Any] = read_json(path)
    try:
        found = PublicKey(
            str(told["key_id"]), str(told["person"]), str(told["public"]), bool(told["is_demo"])
        )
        true_id = key_id_of(found.public)
    except (KeyError, TypeError, ValueError) as fault:
        raise ConfigError(
            "this is no public key", where=str(path), fix="name the NAME.pub.json of `keys new`"
        ) from fault
    if true_id != found.key_id:
        raise ConfigError(
            "the file was edited: its id is not that of its key",
            where=str(path),
            fix="ask the person for the file again",
        )
    return found


def key_id_of(public: str) -> str:
    """Return the id of a public key given in hexadecimal digits."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from securesystemslib.signer import SSlibKey

    key = SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)))
    return str(key.keyid)


def open_key(private_file: Path, passphrase: str) -> KeyPair:
    """Open a private key; its public half must lie beside it.

    Raises
    ------
    ConfigError
        If others may read the file, the passphrase is wrong, or the halves do not fit.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.signer import CryptoSigner

    if private_file.name.endswith(".pub.json"):
        raise ConfigError(
            "this is the public half of a key, and signing takes the private one",
            where=str(private_file),
            fix=f"name {private_file.name.removesuffix('.pub.json')}.key.pem",
        )
    mode = stat.S_IMODE(private_file.stat().st_mode)
    if mode & 0o077:
        raise ConfigError(
            f"others may read this key (mode {mode:o})",
            where=str(private_file),
            fix=f"chmod 600 {private_file.name}; if others had access, revoke it",
        )
    name = private_file.name.removesuffix(".key.pem")
    public = read_public(private_file.with_name(f"{name}.pub.json"))
    try:
        private = load_pem_private_key(private_file.read_bytes(), passphrase.encode())
    except (ValueError, TypeError) as fault:
        raise ConfigError(
            "the key does not open with this passphrase",
            where=str(private_file),
            fix="try again; a forgotten passphrase means a new key",
        ) from fault
    is_ours = isinstance(private, Ed25519PrivateKey)
    signer = CryptoSigner(private) if isinstance(private, Ed25519PrivateKey) else None
    if not is_ours or signer is None or signer.public_key.keyid != public.key_id:
        raise ConfigError(
            "the two halves are not of one key",
            where=str(private_file),
            fix="put the NAME.pub.json that was made with it beside it",
        )
    return KeyPair(public, signer)


def _write_private(path: Path, content: bytes) -> None:
    """Write a file that nobody else could read at any moment, and that stood nowhere before."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink()  # half a key is none
        raise
