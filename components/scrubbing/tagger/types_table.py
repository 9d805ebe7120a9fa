"""Types: distinct spellings, numbered as they are met, with what is computed once for each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.scrubbing.tagger.features import (
    MAX_TYPE_ROWS,
    NO_ROW,
    Lexicon,
    rows_of,
    type_features,
)
from components.scrubbing.tagger.hashing import hash_word, hash_words
from components.scrubbing.tagger.tokens import DIGITS, IDEOGRAPH, LETTERS, Tokens

_BMP = 0x10000
# Beyond this many, the spellings seen so far are forgotten: memory stays bounded on any input.
MAX_TYPES = 120_000


class TypeTable:
    """Numbers for spellings; grows with the texts, forgets everything when full."""

    def __init__(self, lexicon: Lexicon, folds: NDArray[np.uint16], table_size: int) -> None:
        """``folds`` maps a code point of the basic plane to the one it is read as (traditional to simplified)."""
        self._lexicon = lexicon
        self._folds = folds
        self._table_size = table_size
        self.generation = 0
        self.clear()

    def clear(self) -> None:
        """Forget all spellings; numbers given before mean nothing from now on."""
        self.generation += 1
        self._numbers: dict[str, int] = {}
        self._of_character = np.full(_BMP, -1, dtype=np.int32)
        self.rows: list[list[int]] = []
        self.identities: list[int] = []

    def __len__(self) -> int:
        return len(self.rows)

    def number(self, tokens: Tokens) -> NDArray[np.int32]:
        """The type of each token, (T,); new spellings are appended to ``rows`` and ``identities``."""
        if len(self) > MAX_TYPES:
            self.clear()
        numbers_T = np.empty(len(tokens), dtype=np.int32)
        is_run_T = (tokens.classes_T == LETTERS) | (tokens.classes_T == DIGITS)
        single_T = np.flatnonzero(~is_run_T)
        codes = self._folds[np.minimum(tokens.code_points[tokens.starts_T[single_T]], _BMP - 1)]
        found = self._of_character[codes]
        if (found < 0).any():
            kinds = tokens.classes_T[single_T]
            new, first = np.unique(codes[found < 0], return_index=True)
            for code, kind in zip(new.tolist(), kinds[found < 0][first].tolist(), strict=True):
                self._of_character[code] = self._append(chr(code), kind)
            found = self._of_character[codes]
        numbers_T[single_T] = found
        run_T = np.flatnonzero(is_run_T)
        joined, known = tokens.joined, self._numbers
        words = [
            joined[start:end]
            for start, end in zip(tokens.starts_T[run_T].tolist(), tokens.ends_T[run_T].tolist(), strict=True)
        ]
        try:
            numbers_T[run_T] = [known[word] for word in words]
        except KeyError:
            self._learn(words)
            numbers_T[run_T] = [known[word] for word in words]
        return numbers_T

    def _learn(self, words: list[str]) -> None:
        new = [word for word in dict.fromkeys(words) if word not in self._numbers]
        flags = self._lexicon.look_up(hash_words(word.casefold() for word in new))
        for word, flag in zip(new, flags.tolist(), strict=True):
            self._numbers[word] = len(self.rows)
            self.rows.append(rows_of(type_features(word, flag), self._table_size))
            self.identities.append(hash_word(word.casefold()))

    def _append(self, char: str, kind: int) -> int:
        self.rows.append(rows_of([f"{'h' if kind == IDEOGRAPH else 'o'}={char}"], self._table_size))
        # An ideograph is its own hash, so that pairs and lexicon words are mixed from code points.
        self.identities.append(ord(char))
        return len(self.rows) - 1


def padded(rows: list[list[int]]) -> NDArray[np.int32]:
    """Rows of types as a rectangle (types, MAX_TYPE_ROWS), filled up with the row of nothing."""
    table = np.full((len(rows), MAX_TYPE_ROWS), NO_ROW, dtype=np.int32)
    for index, row in enumerate(rows):
        table[index, : len(row)] = row
    return table
