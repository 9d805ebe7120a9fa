"""Texts into one stream of tokens, with numpy and without a loop over characters.

In: texts. Out: ``Tokens``, the tokens of all texts one after another, padding between two texts. A token is a run of
letters, a run of digits, or any other single character; Chinese characters, kana and hangul are single. White space
is no token: it is kept as the gap before the next token. Offsets are code points.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PAD_CHARACTER = "\x00"
# One more than the network looks to one side, since each token is also paired with the one before it: no text sees its
# neighbour.
PAD_COUNT = 7

SPACE, NEWLINE, LETTERS, DIGITS, IDEOGRAPH, OTHER, PAD = range(7)
GAP_NONE, GAP_SPACE, GAP_NEWLINE = range(3)
_BMP = 0x10000
_SINGLE = np.array([False, False, False, False, True, True, True])
_IDEOGRAPHS = ((0x3040, 0x3100), (0x3400, 0xA000), (0xAC00, 0xD7B0), (0xF900, 0xFB00))


@dataclass(frozen=True)
class Tokens:
    """Parallel arrays over the T tokens of all texts, and the joined text that the offsets point into."""

    joined: str
    starts_T: NDArray[np.int64]
    ends_T: NDArray[np.int64]
    classes_T: NDArray[np.uint8]
    gaps_T: NDArray[np.uint8]
    code_points: NDArray[np.uint32]
    text_starts: NDArray[np.int64]
    """Offset in ``joined`` at which each text begins."""

    def __len__(self) -> int:
        return len(self.starts_T)


@functools.cache
def character_classes() -> NDArray[np.uint8]:
    """The class of every code point of the basic plane; what lies beyond counts as its last one."""
    table = np.full(_BMP, OTHER, dtype=np.uint8)
    for code in range(_BMP):
        char = chr(code)
        if char.isspace():
            table[code] = SPACE
        elif char.isdecimal():
            table[code] = DIGITS
        elif char.isalpha() or unicodedata.category(char) in {"Mn", "Mc"}:
            table[code] = LETTERS
    for first, last in _IDEOGRAPHS:
        table[first:last] = IDEOGRAPH
    table[[0x0A, 0x0D, 0x85, 0x2028, 0x2029]] = NEWLINE
    table[0] = PAD
    # Ideographs beyond the basic plane are rare characters of names; emoji land here too and are learnt as such.
    table[_BMP - 1] = IDEOGRAPH
    return table


def tokenise(texts: Sequence[str]) -> Tokens:
    """All tokens of ``texts``; padding stands before the first, between two and behind the last."""
    pad = PAD_CHARACTER * PAD_COUNT
    joined = pad + "".join(text + pad for text in texts)
    code_points = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    classes = character_classes()[np.minimum(code_points, _BMP - 1)]
    first = np.ones(len(classes), dtype=bool)
    first[1:] = (classes[1:] != classes[:-1]) | _SINGLE[classes[1:]]
    runs = np.flatnonzero(first)
    ends = np.append(runs[1:], len(classes))
    kinds = classes[runs]
    is_token = kinds > NEWLINE
    # A gap with a line break in it is a line break, whatever blanks stand around.
    before = np.full(len(kinds), GAP_NONE, dtype=np.uint8)
    before[1:][kinds[:-1] == SPACE] = GAP_SPACE
    before[1:][kinds[:-1] == NEWLINE] = GAP_NEWLINE
    before[2:][(kinds[:-2] == NEWLINE) & (kinds[1:-1] == SPACE)] = GAP_NEWLINE
    lengths = np.fromiter((len(text) for text in texts), dtype=np.int64, count=len(texts))
    text_starts = PAD_COUNT + np.concatenate(([0], np.cumsum(lengths + PAD_COUNT)[:-1])) if len(texts) else lengths
    return Tokens(
        joined=joined,
        starts_T=runs[is_token],
        ends_T=ends[is_token],
        classes_T=kinds[is_token],
        gaps_T=before[is_token],
        code_points=code_points,
        text_starts=text_starts,
    )
