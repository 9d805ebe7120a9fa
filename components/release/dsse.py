"""DSSE envelopes: a payload with its type, signed with Ed25519.

On disk: JSON ``{"payload": base64, "payloadType", "signatures": [{"keyid", "sig": base64}]}``. What is signed is the
pre-authentication encoding, so that the type cannot be swapped.
Source: https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components.core.errors import IntegrityError
from components.core.hashing import canonical_json
from components.core.payload import json_text

STATEMENT_TYPE = "application/vnd.in-toto+json"


class Signature(BaseModel):
    """One signature and a hint whose it is."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    keyid: str
    sig: str


class Envelope(BaseModel):
    """A signed payload; base64 is standard with padding."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    payload: str
    payloadType: str  # the published field name
    signatures: tuple[Signature, ...] = Field(min_length=1)

    def body(self) -> bytes:
        """The payload's bytes, not yet to be trusted. Raises IntegrityError if they are not strict base64."""
        return decode(self.payload)


def pre_authentication_encoding(payload_type: str, body: bytes) -> bytes:
    """What is signed: ``DSSEv1 <length> <type> <length> <body>``."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body)


def sign(body: bytes, *, payload_type: str, keyid: str, signer: Callable[[bytes], bytes]) -> Envelope:
    """An envelope with one signature."""
    signature = signer(pre_authentication_encoding(payload_type, body))
    return Envelope(
        payload=_encode(body), payloadType=payload_type, signatures=(Signature(keyid=keyid, sig=_encode(signature)),)
    )


def verify(envelope: Envelope, public_key: Ed25519PublicKey, *, keyid: str, payload_type: str) -> bytes:
    """The payload's bytes, if the key signed them under this type. Raises IntegrityError otherwise."""
    if envelope.payloadType != payload_type:
        raise IntegrityError(f"payload type {envelope.payloadType!r}, expected {payload_type!r}; sign it again")
    body = envelope.body()
    signed = pre_authentication_encoding(payload_type, body)
    for signature in envelope.signatures:
        if signature.keyid == keyid:
            try:
                public_key.verify(decode(signature.sig), signed)
            except InvalidSignature as error:
                raise IntegrityError(f"the signature by {keyid[:12]} does not fit the content; distrust it") from error
            return body
    raise IntegrityError(f"no signature by {keyid[:12]}; distrust it")


def write_envelope(envelope: Envelope, path: Path) -> None:
    """Write an envelope the one way it is written."""
    path.write_text(json_text(envelope.model_dump(mode="json")), encoding="utf-8")


def read_envelope(path: Path) -> Envelope:
    """Read an envelope. Raises IntegrityError if it is malformed or written another way than ours."""
    try:
        raw = path.read_bytes()
        envelope = Envelope.model_validate(json.loads(raw))
    except (OSError, ValueError, ValidationError) as error:
        raise IntegrityError(f"{path.name}: not a readable signed statement; distrust it") from error
    if json_text(envelope.model_dump(mode="json")).encode("utf-8") != raw:
        raise IntegrityError(f"{path.name}: bytes differ from how a signed statement is written; distrust it")
    return envelope


def encode_statement(value: object) -> bytes:
    """Canonical bytes of a JSON-able statement."""
    return canonical_json(value).encode("utf-8")


def _encode(data: bytes) -> str:
    return base64.standard_b64encode(data).decode("ascii")


def decode(text: str) -> bytes:
    """Strict base64: one text for each value. Raises IntegrityError otherwise."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise IntegrityError("not valid base64 in a signed statement; distrust it") from error
    if _encode(data) != text:
        raise IntegrityError("base64 with stray bits in a signed statement; distrust it")
    return data
