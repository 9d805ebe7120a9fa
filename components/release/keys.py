"""Ed25519 keys with a registered name and role.

On disk, a folder with mode 0700: ``<name>.pem`` (PKCS 8, owner only; absent for keys held elsewhere) and
``<name>.json``, the public record. Who signs is the record that a key belongs to, never a typed name. The key id is
the SHA-256 of the raw public key.

A development key is made on first use, without ceremony; it and everything it signs say so, and a policy decides
whether that counts.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from components.core.errors import ConfigError, IntegrityError
from components.core.jsonfiles import write_json
from components.release.config import ROLE_PATTERN
from components.release.dsse import STATEMENT_TYPE, Envelope, encode_statement, sign

NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,62}$"

_LOG = logging.getLogger(__name__)


class KeyRecord(BaseModel):
    """The public half of a key and what it stands for."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=NAME_PATTERN)
    role: str = Field(pattern=ROLE_PATTERN)
    keyid: str = Field(pattern=r"^[0-9a-f]{64}$")
    public_key: str = Field(description="Raw 32 bytes, base64.")
    created: AwareDatetime
    development: bool
    revoked: AwareDatetime | None = None
    revoked_reason: str = ""

    def public(self) -> Ed25519PublicKey:
        """The key that verifies. Raises IntegrityError if the record's id is not this key's."""
        raw = base64.b64decode(self.public_key, validate=True)
        if key_id(raw) != self.keyid:
            raise IntegrityError(f"key {self.name}: its id is not that of its public key; register it again")
        return Ed25519PublicKey.from_public_bytes(raw)


class SigningKey:
    """A private key with its record."""

    def __init__(self, record: KeyRecord, private: Ed25519PrivateKey) -> None:
        """``private`` must be the record's key."""
        self.record = record
        self._private = private

    def sign_statement(self, statement: object) -> Envelope:
        """A signed envelope over a JSON-able statement."""
        body = encode_statement(statement)
        return sign(body, payload_type=STATEMENT_TYPE, keyid=self.record.keyid, signer=self._private.sign)


class KeyRing:
    """The keys of a folder, read anew at every call so that a revocation counts at once."""

    def __init__(self, folder: Path) -> None:
        """The folder is made when the first key is."""
        self.folder = folder

    def create(self, name: str, role: str, *, now: datetime, development: bool = False) -> KeyRecord:
        """Make a key pair. Raises ConfigError if the name is taken or malformed."""
        private = Ed25519PrivateKey.generate()
        raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        try:
            record = KeyRecord(
                name=name,
                role=role,
                keyid=key_id(raw),
                public_key=base64.standard_b64encode(raw).decode("ascii"),
                created=now.astimezone(UTC),
                development=development,
            )
        except ValidationError as error:
            raise ConfigError(f"key {name!r} with role {role!r}: use small letters, digits, - and _") from error
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        try:
            descriptor = os.open(self._pem(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise ConfigError(f"key {name!r} exists in {self.folder}; choose another name") from error
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
        write_json(record, self._record(name))
        return record

    def records(self) -> list[KeyRecord]:
        """All records, by name. Raises IntegrityError naming an unreadable one."""
        return [self._read(path) for path in sorted(self.folder.glob("*.json"))]

    def get(self, name: str) -> KeyRecord:
        """One record. Raises ConfigError listing the known names."""
        for record in self.records():
            if record.name == name:
                return record
        known = ", ".join(record.name for record in self.records()) or "none"
        raise ConfigError(f"no key {name!r} in {self.folder}; known: {known}; make one with: touchstone keys new")

    def find(self, keyid: str) -> KeyRecord | None:
        """The record with a key id; None for a stranger's key."""
        return next((record for record in self.records() if record.keyid == keyid), None)

    def revoke(self, name: str, *, reason: str, now: datetime) -> KeyRecord:
        """Mark a key as no longer trusted, whatever it has signed. Revoking twice keeps the first time."""
        record = self.get(name)
        if record.revoked is None:
            record = record.model_copy(update={"revoked": now.astimezone(UTC), "revoked_reason": reason})
            write_json(record, self._record(name))
        return record

    def signer(self, name: str) -> SigningKey:
        """The private key of a registered name."""
        return self._open(self._pem(name), self.get(name))

    def signer_from_file(self, path: Path) -> SigningKey:
        """A private key from a file; its name and role are those it is registered under."""
        raw = _read_private(path).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        record = self.find(key_id(raw))
        if record is None:
            raise ConfigError(f"{path}: not a key registered in {self.folder}; make one: touchstone keys new")
        return self._open(path, record)

    def development_key(self, role: str, *, now: datetime) -> SigningKey:
        """The development key of a role, made on first use."""
        name = f"development-{role}"
        if not self._record(name).exists():
            self.create(name, role, now=now, development=True)
            _LOG.warning("made the development key %s; what it signs is marked as development, make a real one", name)
        return self.signer(name)

    def _open(self, path: Path, record: KeyRecord) -> SigningKey:
        if record.revoked is not None:
            raise ConfigError(f"key {record.name} was revoked on {record.revoked.date()}; sign with another")
        private = _read_private(path)
        raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        if key_id(raw) != record.keyid:
            raise IntegrityError(f"{path}: not the private half of the registered key {record.name}; distrust both")
        return SigningKey(record, private)

    def _read(self, path: Path) -> KeyRecord:
        try:
            record = KeyRecord.model_validate(json.loads(path.read_bytes()))
        except (OSError, ValueError, ValidationError) as error:
            raise IntegrityError(f"{path}: not a readable key record; remove it or register the key again") from error
        if record.name != path.stem:
            raise IntegrityError(f"{path}: holds the record of {record.name}; a record's file bears its name")
        return record

    def _pem(self, name: str) -> Path:
        return self.folder / f"{name}.pem"

    def _record(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def key_id(raw_public_key: bytes) -> str:
    """SHA-256 of the raw public key, hex."""
    return hashlib.sha256(raw_public_key).hexdigest()


def _read_private(path: Path) -> Ed25519PrivateKey:
    try:
        mode = path.stat().st_mode
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: no readable private key; give --key FILE or run touchstone keys new") from error
    if stat.S_IMODE(mode) & 0o077:
        raise IntegrityError(f"{path}: others may read this private key; chmod 600 it, or revoke it if it leaked")
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{path}: not an unencrypted PEM private key; make one with: touchstone keys new") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path}: not an Ed25519 key; make one with: touchstone keys new")
    return key
