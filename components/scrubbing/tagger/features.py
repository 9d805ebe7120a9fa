"""What the network sees of a token: rows of one hashed embedding table, summed.

A *type* is a distinct spelling. The rows of a type depend on nothing around it and are therefore summed once and
kept; per token come the gap before it, the pair it makes with its left neighbour and, for ideographs, the lexicon
words that begin and end there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.scrubbing.tagger.hashing import Hashes, hash_word, mix
from components.scrubbing.tagger.tokens import IDEOGRAPH, Tokens

Rows = NDArray[np.int32]

# Rows of the table: [0] nothing, then a few direct ones, then the hashed rest.
NO_ROW = 0
GAP_ROW = 1  # 3 rows
WORD_START_ROW = 16  # lexicon words that begin here, by length and class
WORD_END_ROW = 64
HASHED_ROW = 128
MAX_TYPE_ROWS = 14
SHAPE_ROWS = 5
CONTEXT_ROWS = 8
LEXICON_CLASSES = 16
_LEXICON_LENGTHS = (2, 3, 4)
_MAX_AFFIX = 4
_MAX_WORD = 24
_MAX_PROBES = 64


@dataclass(frozen=True)
class Lexicon:
    """Hashes of known words, sorted, and a byte about each (classes for ideographs, flags for the rest)."""

    hashes: Hashes
    values: NDArray[np.uint8]

    def look_up(self, wanted: Hashes) -> NDArray[np.uint8]:
        """The byte of each wanted hash, 0 where it is unknown."""
        if not len(self.hashes):
            return np.zeros(len(wanted), dtype=np.uint8)
        at = np.minimum(np.searchsorted(self.hashes, wanted), len(self.hashes) - 1)
        return np.where(self.hashes[at] == wanted, self.values[at], 0).astype(np.uint8)


class HashedLexicon:
    """The same answers as ``Lexicon`` from an open-addressed table: a gather or two instead of a binary search."""

    def __init__(self, lexicon: Lexicon) -> None:
        """Hashes are unique; the table is at most half full."""
        bits = max(8, int(2 * len(lexicon.hashes)).bit_length())
        self._shift = np.uint32(32 - bits)
        self._keys = np.zeros((1 << bits) + _MAX_PROBES, dtype=np.uint32)
        self._values = np.zeros(len(self._keys), dtype=np.uint8)
        left = np.flatnonzero(lexicon.values)
        for probe in range(_MAX_PROBES):
            slots = (lexicon.hashes[left] >> self._shift).astype(np.int64) + probe
            free = self._values[slots] == 0
            # Where several want one slot the last one written has it.
            self._keys[slots[free]] = lexicon.hashes[left[free]]
            self._values[slots[free]] = lexicon.values[left[free]]
            self._probes = probe + 1
            left = left[(self._keys[slots] != lexicon.hashes[left]) | (self._values[slots] != lexicon.values[left])]
            if not len(left):
                break
        else:
            raise ValueError("the lexicon's hashes are too uneven for its table")

    def look_up(self, wanted: Hashes) -> NDArray[np.uint8]:
        """The byte of each wanted hash, 0 where it is unknown."""
        slots = (wanted >> self._shift).astype(np.int64)
        found = np.where(self._keys[slots] == wanted, self._values[slots], 0).astype(np.uint8)
        left = np.flatnonzero((found == 0) & (self._values[slots] != 0))
        for probe in range(1, self._probes):
            if not len(left):
                break
            at = slots[left] + probe
            hit = self._keys[at] == wanted[left]
            found[left[hit]] = self._values[at[hit]]
            left = left[~hit & (self._values[at] != 0)]
        return found


def shape_of(word: str) -> str:
    """The pattern of letters: ``X`` large, ``x`` small, ``d`` digit; at most two of the same in a row."""
    kinds = ["d" if char.isdigit() else "X" if char.isupper() else "x" if char.isalpha() else char for char in word]
    return "".join(kind for index, kind in enumerate(kinds) if kinds[index - 2 : index] != [kind, kind] or index < 2)


def type_features(word: str, flags: int) -> list[str]:
    """Names of the features of one spelling that is no ideograph. ``flags`` is its byte in the lexicon.

    The first SHAPE_ROWS say what kind of word it is, the rest which one. Training drops the rest at random, so that
    the first must speak for words never seen.
    """
    word = word[:_MAX_WORD]
    small = word.casefold()
    if word.isdecimal():
        number = int(word) if len(word) <= 4 else 0
        year = "y" if len(word) == 4 and 1800 <= number <= 2099 else ""
        range_ = "m" if 1 <= number <= 12 else "d" if number <= 31 else "a" if number <= 120 else ""
        return [f"n={len(word)}", f"n={len(word)}{year}", f"r={range_}", f"w={small}" if len(word) <= 2 else "w=#"]
    large = "X" if word[0].isupper() else "x"
    shape = shape_of(word)
    features = [f"s={shape}", f"l={min(len(word), 10)}", f"g={large}{flags & 0x0F}", f"c={large}{flags >> 4}"]
    features += [f"cs={shape}{flags >> 4}", f"w={small}", f"W={word}"]
    features += [f"p={small[:size]}" for size in (2, 3)] if len(word) > 2 else []
    return features + [f"e={small[-size:]}" for size in range(2, _MAX_AFFIX + 1) if len(small) > size]


def rows_of(features: Sequence[str], table_size: int) -> list[int]:
    """The table row of each feature."""
    return [HASHED_ROW + hash_word(feature) % (table_size - HASHED_ROW) for feature in features]


def context_rows(
    tokens: Tokens, identities_T: Hashes, lexicon: Lexicon | HashedLexicon, table_size: int, at_N: NDArray[np.int64]
) -> Rows:
    """Rows that depend on neighbours, (N, CONTEXT_ROWS), for the tokens at the positions ``at_N``."""
    rows_NC = np.zeros((len(at_N), CONTEXT_ROWS), dtype=np.int32)
    rows_NC[:, 0] = GAP_ROW + tokens.gaps_T[at_N]
    left_N = np.maximum(at_N - 1, 0)
    pair_N = mix(identities_T[left_N], identities_T[at_N])
    rows_NC[:, 1] = HASHED_ROW + (pair_N % np.uint32(table_size - HASHED_ROW)).astype(np.int32)
    if (tokens.classes_T[at_N] == IDEOGRAPH).any():
        _add_words(rows_NC, tokens.classes_T == IDEOGRAPH, identities_T, lexicon, at_N)
    return rows_NC


def _add_words(
    rows_NC: Rows,
    ideograph_T: NDArray[np.bool_],
    identities_T: Hashes,
    lexicon: Lexicon | HashedLexicon,
    at_N: NDArray[np.int64],
) -> None:
    """Lexicon words of 2 to 4 ideographs that begin (columns 2-4) and end (5-7) at each position."""
    run_T = ideograph_T
    for column, length in enumerate(_LEXICON_LENGTHS):
        # Words lie within a run of ideographs: run_T says that ``length`` of them follow each other from here.
        run_T = run_T & np.append(ideograph_T[length - 1 :], np.zeros(length - 1, dtype=bool))
        begin = np.flatnonzero(run_T)
        if not len(begin):
            return
        found = lexicon.look_up(mix(*(identities_T[begin + index] for index in range(length))))
        classes_T = np.zeros(len(ideograph_T), dtype=np.int32)
        classes_T[begin] = found % LEXICON_CLASSES
        for base, into, shift in ((WORD_START_ROW, column + 2, 0), (WORD_END_ROW, column + 5, length - 1)):
            classes_N = classes_T[np.maximum(at_N - shift, 0)]
            rows_NC[:, into] = np.where(classes_N, base + column * LEXICON_CLASSES + classes_N, NO_ROW)
