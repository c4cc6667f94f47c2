import json
import stat

import pytest

from aiops.errors import ConfigError
from aiops.governance.keys import new_key, open_key, read_public

PASSPHRASE = "three odd herons"


def test_a_key_is_encrypted_and_its_owners_alone(tmp_path):
    private, public = new_key("Dr Ana Lee", tmp_path / "keys", PASSPHRASE)
    assert (private.name, public.name) == ("dr-ana-lee.key.pem", "dr-ana-lee.pub.json")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert b"ENCRYPTED PRIVATE KEY" in private.read_bytes()
    pair = open_key(private, PASSPHRASE)
    assert pair.public == read_public(public)
    assert pair.public.person == "Dr Ana Lee"
    assert len(pair.public.key_id) == 64


def test_a_key_is_never_written_over(tmp_path):
    private, _ = new_key("Dr Lee", tmp_path, PASSPHRASE)
    before = private.read_bytes()
    with pytest.raises(ConfigError, match="a key of this name already"):
        new_key("dr  lee", tmp_path, PASSPHRASE)
    assert private.read_bytes() == before


@pytest.mark.parametrize(
    ("person", "passphrase", "words"),
    [("Dr Lee", "short", "the passphrase has 5 characters"), (" - ", PASSPHRASE, "names nobody")],
)
def test_a_key_without_name_or_lock_is_not_made(tmp_path, person, passphrase, words):
    with pytest.raises(ConfigError, match=words):
        new_key(person, tmp_path, passphrase)
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_is_not_sound_does_not_open(tmp_path):
    private, public = new_key("Dr Lee", tmp_path, PASSPHRASE)
    with pytest.raises(ConfigError, match="does not open with this passphrase"):
        open_key(private, "another passphrase")
    private.chmod(0o640)
    with pytest.raises(ConfigError, match=r"others may read this key \(mode 640\)"):
        open_key(private, PASSPHRASE)
    private.chmod(0o600)
    other = json.loads(new_key("Dr Cho", tmp_path, PASSPHRASE)[1].read_text())
    public.write_text(json.dumps(other))
    with pytest.raises(ConfigError, match="not of one key"):
        open_key(private, PASSPHRASE)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"public": "00"}, "this is no public key"),
        ({"key_id": "ab"}, "the file was edited"),
        ({"person": None, "key_id": None}, "the file was edited"),
    ],
)
def test_a_public_file_that_was_edited_is_refused(tmp_path, change, words):
    _, public = new_key("Dr Lee", tmp_path, PASSPHRASE)
    public.write_text(json.dumps({**json.loads(public.read_text()), **change}))
    with pytest.raises(ConfigError, match=words):
        read_public(public)


def test_a_passphrase_of_eleven_characters_is_too_short(tmp_path):
    with pytest.raises(ConfigError, match="the passphrase has 11 characters"):
        new_key("Dr Lee", tmp_path, "elevenchars")
    assert new_key("Dr Lee", tmp_path, "twelve chars")[0].exists()
