"""A made-up corpus of short documents with planted near duplicates, for measuring deduplication.

Half English-like, half Chinese-like: words of a made-up vocabulary, drawn by Zipf's law. A planted document names its
original in its id (``b000017`` and ``c000017-edited``). Kinds of copies:

- ``edited``: up to 5 % of the words, but at least one, replaced, deleted or doubled;
- ``framed``: up to 8 % more words before or behind;
- ``restyled``: capitals or none, other punctuation, other white space.

``half`` documents share less than half of their words with an original and must stay.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from components.core.corpus import write_lines
from components.core.seeds import derive_seed

COPY_KINDS = ("edited", "framed", "restyled")
COPY_SHARE = 0.2
HALF_SHARE = 0.05

_WORDS = 50_000
_MAX_EDITED_SHARE = 0.05
_MAX_FRAME_SHARE = 0.08
_SHARED_SHARE = 0.4
_SYLLABLES = [consonant + vowel for consonant in "bcdfghklmnprstvwz" for vowel in "aeiou"]
_FIRST_HAN = 0x4E00
_HAN = 3_000


class PlantedCorpus:
    """Documents by number; the same seed and number give the same document."""

    def __init__(self, documents: int, *, seed: int) -> None:
        """``documents`` in all, originals, copies and half copies in a shuffled order."""
        copies, halves = int(documents * COPY_SHARE), int(documents * HALF_SHARE)
        self.originals = documents - copies - halves
        self.copies = copies
        self._seed = derive_seed(seed, "planted")
        rng = np.random.default_rng(self._seed)
        self._order = rng.permutation(documents)
        # Every copy has an original of its own, so that each stands or falls alone.
        self._sources = rng.permutation(self.originals)[: copies + halves]
        self._cumulative = np.cumsum(1 / np.arange(1, _WORDS + 1))
        self._cumulative /= self._cumulative[-1]
        letters = rng.integers(0, len(_SYLLABLES), (_WORDS, 4)).tolist()
        self._english = ["".join(_SYLLABLES[part] for part in row[: 1 + row[0] % 4]) for row in letters]
        pairs = (_FIRST_HAN + rng.integers(0, _HAN, (_WORDS, 2))).tolist()
        self._chinese = [chr(left) + chr(right) for left, right in pairs]

    def write(self, folder: Path) -> int:
        """Write the corpus as shards; returns the number of characters."""
        characters = 0

        def lines() -> Iterator[bytes]:
            nonlocal characters
            for number in self._order.tolist():
                identifier, text, lang = self._document(number)
                characters += len(text)
                record = {"id": identifier, "lang": lang, "text": text}
                yield (json.dumps(record, ensure_ascii=False, sort_keys=True) + "\n").encode()

        write_lines(lines(), folder)
        return characters

    def kinds(self) -> dict[str, int]:
        """Number of planted copies of each kind."""
        numbers = range(self.originals, self.originals + self.copies)
        return {kind: sum(1 for n in numbers if n % len(COPY_KINDS) == place) for place, kind in enumerate(COPY_KINDS)}

    def _document(self, number: int) -> tuple[str, str, str]:
        if number < self.originals:
            words, chinese = self._original(number)
            return f"b{number:07d}", self._text(words, chinese=chinese), "zh" if chinese else "en"
        source = int(self._sources[number - self.originals])
        words, chinese = self._original(source)
        rng = np.random.default_rng([self._seed, 1, number])
        if number >= self.originals + self.copies:
            kept = int(len(words) * _SHARED_SHARE)
            text = self._text(words[:kept] + self._draw(rng, len(words) - kept), chinese=chinese)
            return f"h{source:07d}", text, "zh" if chinese else "en"
        kind = COPY_KINDS[number % len(COPY_KINDS)]
        text = self._copy(words, kind, rng, chinese=chinese)
        return f"c{source:07d}-{kind}", text, "zh" if chinese else "en"

    def _original(self, number: int) -> tuple[list[int], bool]:
        rng = np.random.default_rng([self._seed, 0, number])
        chinese = bool(number % 2)
        return self._draw(rng, int(rng.integers(20, 50) if chinese else rng.integers(30, 80))), chinese

    def _draw(self, rng: np.random.Generator, count: int) -> list[int]:
        return [int(word) for word in np.searchsorted(self._cumulative, rng.random(count))]

    def _copy(self, words: list[int], kind: str, rng: np.random.Generator, *, chinese: bool) -> str:
        if kind == "edited":
            words = list(words)
            for _ in range(int(rng.integers(1, max(1, int(len(words) * _MAX_EDITED_SHARE)) + 1))):
                place, other = int(rng.integers(len(words))), self._draw(rng, 1)
                words[place : place + 1] = [other, [], [words[place], words[place]]][int(rng.integers(3))]
        if kind == "framed":
            frame = self._draw(rng, max(1, int(len(words) * _MAX_FRAME_SHARE)))
            words = frame + words if rng.random() < 0.5 else words + frame
        if kind != "restyled":
            return self._text(words, chinese=chinese)
        text = self._text(words, chinese=chinese, sentence=5)
        return f"“{text}”" if chinese else f"  {text.upper()} ..."

    def _text(self, words: list[int], *, chinese: bool, sentence: int = 11) -> str:
        stock, gap, end = (self._chinese, "", "。") if chinese else (self._english, " ", ". ")
        parts = [words[start : start + sentence] for start in range(0, len(words), sentence)]
        return end.join(gap.join(stock[word] for word in part) for part in parts) + end.strip()
