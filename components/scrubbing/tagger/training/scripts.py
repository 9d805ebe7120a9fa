"""Traditional characters read as simplified ones, from OpenCC's table of single characters."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

_BMP = 0x10000


@functools.cache
def _pairs() -> dict[str, str]:
    from opencc import OpenCC

    converter = OpenCC("t2s")
    characters = [chr(code) for code in range(0x3400, 0xA000)]
    return {
        char: small
        for char in characters
        if (small := converter.convert(char)) != char and len(small) == 1 and ord(small) < _BMP
    }


def to_simplified(text: str) -> str:
    """Character by character, as the tagger reads it."""
    return "".join(_pairs().get(char, char) for char in text)


def fold_table() -> NDArray[np.uint16]:
    """For every code point of the basic plane the one that it is read as; full-width forms become plain ones."""
    table = np.arange(_BMP, dtype=np.uint16)
    for char, small in _pairs().items():
        table[ord(char)] = ord(small)
    table[0xFF01:0xFF5F] = np.arange(0x21, 0x7F, dtype=np.uint16)
    return table
