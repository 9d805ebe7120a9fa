from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from components.core.errors import IntegrityError
from components.release.dsse import (
    STATEMENT_TYPE,
    Envelope,
    pre_authentication_encoding,
    read_envelope,
    sign,
    verify,
    write_envelope,
)

# RFC 8032, section 7.1, test 1: the secret key and its public key.
RFC_SECRET = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
RFC_PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
KEY = Ed25519PrivateKey.from_private_bytes(RFC_SECRET)


def _signed(body: bytes = b"hello world") -> Envelope:
    return sign(body, payload_type=STATEMENT_TYPE, keyid="k1", signer=KEY.sign)


def test_the_encoding_is_the_published_vector() -> None:
    # https://github.com/secure-systems-lab/dsse/blob/master/protocol.md, "Test Vectors"
    encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_lengths_count_bytes_not_characters() -> None:
    assert (
        pre_authentication_encoding("类型", "正文".encode())
        == b"DSSEv1 6 " + "类型".encode() + b" 6 " + "正文".encode()
    )


def test_the_signature_is_over_the_hand_written_encoding() -> None:
    assert KEY.public_key().public_bytes_raw() == RFC_PUBLIC
    envelope = _signed()
    by_hand = b"DSSEv1 28 application/vnd.in-toto+json 11 hello world"
    assert base64.b64decode(envelope.signatures[0].sig) == KEY.sign(by_hand)
    assert envelope.payload == "aGVsbG8gd29ybGQ="


def test_a_good_envelope_gives_its_body() -> None:
    assert verify(_signed(), KEY.public_key(), keyid="k1", payload_type=STATEMENT_TYPE) == b"hello world"


def test_another_type_body_key_or_id_is_refused() -> None:
    good = _signed()
    other_body = good.model_copy(update={"payload": base64.b64encode(b"hello worle").decode()})
    other_type = good.model_copy(update={"payloadType": "text/plain"})
    stranger = Ed25519PrivateKey.generate().public_key()
    for envelope, key, keyid, kind in (
        (other_body, KEY.public_key(), "k1", STATEMENT_TYPE),
        (other_type, KEY.public_key(), "k1", STATEMENT_TYPE),
        (other_type, KEY.public_key(), "k1", "text/plain"),
        (good, stranger, "k1", STATEMENT_TYPE),
        (good, KEY.public_key(), "k2", STATEMENT_TYPE),
    ):
        with pytest.raises(IntegrityError):
            verify(envelope, key, keyid=keyid, payload_type=kind)


def test_stray_bits_in_base64_are_refused() -> None:
    # "aGVsbG8gd29ybGR=" decodes to the same bytes as "...GQ=" in a lenient reader.
    envelope = _signed().model_copy(update={"payload": "aGVsbG8gd29ybGR="})
    with pytest.raises(IntegrityError, match="stray bits"):
        verify(envelope, KEY.public_key(), keyid="k1", payload_type=STATEMENT_TYPE)


def test_a_file_written_otherwise_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "statement.json"
    write_envelope(_signed(), path)
    assert read_envelope(path) == _signed()
    path.write_text(json.dumps(json.loads(path.read_text()), indent=4))
    with pytest.raises(IntegrityError, match="bytes differ"):
        read_envelope(path)
