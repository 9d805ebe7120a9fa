"""What each token of a tokenizer adds to the text, in bytes.

Read from the tokenizer's own decoder: byte-level, Metaspace (with byte fallback or without), WordPiece, BPE with an end
of word. Another decoder, or one whose output our reading does not reproduce on random tokens, is refused: a ban that
reads another text than the user does would not hold.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from components.core.errors import ConfigError
from components.safety.normaliser import make_views

_BYTE_TOKEN = re.compile(r"<0x([0-9A-F]{2})>")
_CHECKED_SEQUENCES, _CHECKED_TOKENS = 32, 24


@dataclass(frozen=True)
class Vocabulary:
    """Bytes by token id; tokens that are not shown have none. ``joined_bytes``: ids of byte fallback's byte tokens."""

    pieces: tuple[bytes, ...]
    joined_bytes: tuple[int, ...]


def read_vocabulary(tokenizer: Any) -> Vocabulary:
    """Vocabulary of a fast ``transformers`` tokenizer. Raises ConfigError if its decoding cannot be reproduced."""
    document = json.loads(tokenizer.backend_tokenizer.to_str())
    decoders = _flat(document.get("decoder"))
    kinds = {decoder["type"] for decoder in decoders}
    tokens = {index: token for token, index in tokenizer.get_vocab().items()}
    hidden = set(tokenizer.all_special_ids)
    hidden |= {added["id"] for added in document.get("added_tokens", ()) if added["special"]}
    pieces = [b""] * (max(tokens) + 1)
    joined = []
    for index, token in tokens.items():
        if index in hidden:
            continue
        if "ByteFallback" in kinds and (byte := _BYTE_TOKEN.fullmatch(token)):
            pieces[index] = bytes([int(byte[1], 16)])
            joined.append(index)
        else:
            pieces[index] = _piece(token, kinds, decoders)
    vocabulary = Vocabulary(tuple(pieces), tuple(sorted(joined)))
    _check(vocabulary, tokenizer)
    return vocabulary


def _flat(decoder: dict[str, Any] | None) -> list[dict[str, Any]]:
    if decoder is None:
        return []
    if decoder["type"] == "Sequence":
        return [inner for part in decoder["decoders"] for inner in _flat(part)]
    return [decoder]


def _piece(token: str, kinds: set[str], decoders: list[dict[str, Any]]) -> bytes:
    if "ByteLevel" in kinds:
        table = _byte_level()
        return bytes(table[c] for c in token) if all(c in table for c in token) else token.encode()
    if "WordPiece" in kinds:
        prefix = next(decoder["prefix"] for decoder in decoders if decoder["type"] == "WordPiece")
        return (token[len(prefix) :] if token.startswith(prefix) else f" {token}").encode()
    if "BPEDecoder" in kinds:
        suffix = next(decoder["suffix"] for decoder in decoders if decoder["type"] == "BPEDecoder")
        return token.replace(suffix, " ").encode()
    if kinds & {"Metaspace", "Replace"}:
        return token.replace("▁", " ").encode()
    raise ConfigError(f"tokenizer: no ban of phrases for its decoder {', '.join(sorted(kinds)) or '(none)'}")


@cache
def _byte_level() -> dict[str, int]:
    """GPT-2's printable stand-ins for bytes (openai/gpt-2 ``encoder.py``, ``bytes_to_unicode``)."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + index): byte for index, byte in enumerate(rest)}


def _check(vocabulary: Vocabulary, tokenizer: Any) -> None:
    """Random tokens decoded by the tokenizer and by us read the same, letter by letter."""
    generator = np.random.default_rng(0)
    shown = [index for index, piece in enumerate(vocabulary.pieces) if piece and index not in vocabulary.joined_bytes]
    for _ in range(_CHECKED_SEQUENCES):
        ids = generator.choice(shown, size=_CHECKED_TOKENS).tolist()
        ours = b"".join(vocabulary.pieces[index] for index in ids).decode("utf-8", "replace")
        theirs = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        if make_views(ours).plain_text.split() != make_views(theirs).plain_text.split():
            raise ConfigError("tokenizer: its decoding of single tokens does not make up its decoding of texts")
