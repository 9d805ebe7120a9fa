from __future__ import annotations

import base64
import hashlib
import logging
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from components.core.errors import ConfigError, IntegrityError
from components.core.jsonfiles import read_json, write_json
from components.release.keys import KeyRing

NOW = datetime(2030, 5, 1, 12, 0, tzinfo=UTC)


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_key_is_private_to_its_owner_and_registered(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys")
    record = ring.create("ella", "ethics", now=NOW)
    assert _mode(tmp_path / "keys") == 0o700
    assert _mode(tmp_path / "keys" / "ella.pem") == 0o600
    assert record.keyid == hashlib.sha256(base64.b64decode(record.public_key)).hexdigest()
    assert [(r.name, r.role, r.development, r.revoked) for r in ring.records()] == [("ella", "ethics", False, None)]
    assert "PRIVATE" not in (tmp_path / "keys" / "ella.json").read_text()


def test_a_name_is_taken_once_and_must_be_plain(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    ring.create("ella", "ethics", now=NOW)
    for name, role in (("ella", "ethics"), ("../ella", "ethics"), ("Ella", "ethics"), ("eva", "Ethics Board")):
        with pytest.raises(ConfigError):
            ring.create(name, role, now=NOW)


def test_a_private_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    ring.create("ella", "ethics", now=NOW)
    (tmp_path / "ella.pem").chmod(0o640)
    with pytest.raises(IntegrityError, match="chmod 600"):
        ring.signer("ella")


def test_a_key_file_signs_under_the_name_it_is_registered_with(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys")
    ring.create("ella", "ethics", now=NOW)
    shutil.copy2(tmp_path / "keys" / "ella.pem", tmp_path / "anything.pem")
    assert ring.signer_from_file(tmp_path / "anything.pem").record.name == "ella"


def test_a_key_nobody_registered_cannot_sign(tmp_path: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = tmp_path / "stranger.pem"
    path.touch(0o600)
    path.write_bytes(pem)
    with pytest.raises(ConfigError, match="not a key registered"):
        KeyRing(tmp_path / "keys").signer_from_file(path)


def test_swapped_private_and_public_halves_are_noticed(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    ring.create("ella", "ethics", now=NOW)
    ring.create("petra", "privacy", now=NOW)
    shutil.copy2(tmp_path / "petra.pem", tmp_path / "ella.pem")
    with pytest.raises(IntegrityError, match="not the private half"):
        ring.signer("ella")


def test_a_record_whose_id_is_not_its_keys_is_noticed(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    record = ring.create("ella", "ethics", now=NOW)
    other = ring.create("petra", "privacy", now=NOW)
    write_json(record.model_dump(mode="json") | {"public_key": other.public_key}, tmp_path / "ella.json")
    with pytest.raises(IntegrityError, match="its id is not that"):
        ring.get("ella").public()


def test_a_revoked_key_signs_no_more_and_keeps_its_first_date(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    ring.create("ella", "ethics", now=NOW)
    ring.revoke("ella", reason="laptop lost", now=NOW)
    ring.revoke("ella", reason="again", now=NOW + timedelta(days=3))
    assert read_json(tmp_path / "ella.json")["revoked_reason"] == "laptop lost"
    with pytest.raises(ConfigError, match="revoked on 2030-05-01"):
        ring.signer("ella")


def test_a_development_key_is_made_once_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ring = KeyRing(tmp_path)
    with caplog.at_level(logging.WARNING):
        first = ring.development_key("release", now=NOW)
        second = ring.development_key("release", now=NOW)
    assert first.record == second.record
    assert first.record.development
    assert caplog.text.count("made the development key") == 1


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    ring.create("ella", "ethics", now=NOW)
    with pytest.raises(ConfigError, match="known: ella"):
        ring.signer("stella")
