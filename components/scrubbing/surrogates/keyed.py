"""Keyed numbers: the only source of chance in a surrogate, so that equal values get equal surrogates.

``Keyed.number`` is a pseudorandom function (BLAKE2b in its keyed mode, RFC 7693): without the key nobody can tell
which surrogate belongs to which value, nor which strings are surrogates at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

_NUMBER_BYTES = 16


class Keyed:
    """Draws that depend on a secret key and on what they are for, never on order."""

    def __init__(self, key: bytes) -> None:
        """Any length of key; longer than BLAKE2b takes, it is hashed first."""
        self._key = key if len(key) <= hashlib.blake2b.MAX_KEY_SIZE else hashlib.sha512(key).digest()

    def number(self, *purpose: str | int) -> int:
        """An integer in [0, 2**128) for a purpose."""
        text = "\0".join(map(str, purpose)).encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.blake2b(text, key=self._key, digest_size=_NUMBER_BYTES).digest(), "big")

    def choose(self, options: Sequence[T], *purpose: str | int) -> T:
        """One of the options."""
        return options[self.number(*purpose) % len(options)]

    def digits(self, count: int, *purpose: str | int) -> str:
        """That many decimal digits, at most 38 of them independent."""
        return str(self.number(*purpose) % 10**count).zfill(count)

    def symbols(self, alphabets: Sequence[str], *purpose: str | int) -> str:
        """A string with one symbol of each alphabet in turn."""
        drawn: list[str] = []
        rest, block = 0, 0
        for position, alphabet in enumerate(alphabets):
            if position % 16 == 0:  # 16 draws of up to 2**8 symbols from 128 bits, then a new block
                rest, block = self.number(*purpose, block), block + 1
            rest, index = divmod(rest, len(alphabet))
            drawn.append(alphabet[index])
        return "".join(drawn)
