"""Hashes that are the same on every machine: of words (CRC-32) and, with numpy, of neighbouring tokens."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint32]
_MULTIPLIERS = (np.uint32(0x9E3779B1), np.uint32(0x85EBCA6B), np.uint32(0xC2B2AE35), np.uint32(0x27D4EB2F))


def hash_word(word: str) -> int:
    """32 bits of a string; lone surrogates are allowed."""
    return zlib.crc32(word.encode("utf-8", "surrogatepass"))


def hash_words(words: Iterable[str]) -> Hashes:
    """``hash_word`` of each."""
    return np.array([hash_word(word) for word in words], dtype=np.uint32)


def mix(*columns: Hashes) -> Hashes:
    """One hash of up to four arrays of the same length, element by element; the order of the columns counts."""
    mixed = columns[0] * _MULTIPLIERS[0]
    for column, multiplier in zip(columns[1:], _MULTIPLIERS[1:], strict=False):
        mixed = (mixed ^ (mixed >> np.uint32(15))) * multiplier + column * _MULTIPLIERS[0]
    mixed ^= mixed >> np.uint32(16)
    mixed *= np.uint32(0x7FEB352D)
    mixed ^= mixed >> np.uint32(15)
    return np.asarray(mixed, dtype=np.uint32)


def hash_ideographs(word: str) -> int:
    """The hash under which a word of 2 to 4 ideographs stands in the lexicon: ``mix`` of its characters."""
    return int(mix(*(np.array([ord(char)], dtype=np.uint32) for char in word))[0])
