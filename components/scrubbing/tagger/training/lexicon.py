"""The lexicon: what libraries and plain text say about a word, a byte each.

Latin words: bits 0-3 first name, last name, part of a place name, people; bits 4-5 how often the word occurs in plain
text, bits 6-7 how often it is capitalised there. Ideographs: a class from jieba's dictionary and frequency.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from components.scrubbing.tagger.features import Lexicon
from components.scrubbing.tagger.hashing import hash_ideographs, hash_word, mix
from components.scrubbing.tagger.training.values import DEMONYMS, LATIN_LOCALES, EnglishValues

_FIRST, _LAST, _PLACE, _PEOPLE = 1, 2, 4, 8
_WORD = re.compile(r"[^\W\d_]+")
_HAN = re.compile("[\u4e00-\u9fff]{2,4}")
_ENDS = frozenset(".!?:;\"'”’\n )")
PERSON_FLAGS = _FIRST | _LAST
_MIN_COUNT = 6
_MAX_CITIES = 12_000
# Classes of words in ideographs; 0 is unknown.
_PART_OF_SPEECH = {"nr": 1, "nrfg": 1, "nrt": 2, "ns": 3, "nt": 4, "nz": 5, "t": 6, "m": 7}
_RARE, _COMMON, _FREQUENT, GIVEN_NAME = 8, 9, 10, 11
_HIDDEN_IN_PART = frozenset({1, 2, 3, 4, GIVEN_NAME})


def count_cases(texts: Iterable[str]) -> dict[str, int]:
    """Bits 4-7 of each frequent word: how often it occurs and how often with a capital, sentence starts aside."""
    total: Counter[str] = Counter()
    large: Counter[str] = Counter()
    for text in texts:
        for match in _WORD.finditer(text):
            word = match.group()
            before = text[max(0, match.start() - 2) : match.start()]
            if before[-1:] == " " and before[:1] not in _ENDS:
                small = word.lower()
                total[small] += 1
                large[small] += word != small
    bits: dict[str, int] = {}
    for word, count in total.items():
        if count >= _MIN_COUNT and len(word) > 1:
            share = large[word] / count
            ratio = 0 if share < 0.05 else 1 if share < 0.4 else 2 if share < 0.9 else 3
            often = 1 if count < 50 else 2 if count < 500 else 3
            bits[word] = often << 4 | ratio << 6
    return bits


def latin_names(values: EnglishValues) -> dict[str, int]:
    """Bits 0-3 of the words in names of people and places."""
    flags: dict[str, int] = {}
    for locale in LATIN_LOCALES:
        for method, flag in (("first_name", _FIRST), ("last_name", _LAST)):
            for name in values.pool(locale, method):
                for word in _WORD.findall(name):
                    if len(word) > 1:
                        flags[word.casefold()] = flags.get(word.casefold(), 0) | flag
    for place in (*values.cities[:_MAX_CITIES], *values.countries, *values.states):
        for word in _WORD.findall(place):
            if len(word) > 2:
                flags[word.casefold()] = flags.get(word.casefold(), 0) | _PLACE
    for pair in DEMONYMS:
        for people in pair:
            flags[people.casefold()] = flags.get(people.casefold(), 0) | _PEOPLE
    return flags


def parts_of_speech() -> dict[str, str]:
    """Part of speech of each word of jieba's dictionary."""
    import jieba

    lines = (Path(jieba.__file__).parent / "dict.txt").read_text(encoding="utf-8").splitlines()
    return {word: part for word, _, part in (line.split() for line in lines)}


def ideograph_words(given_names: Iterable[str], *, min_count: int = 3) -> dict[str, int]:
    """Class of each dictionary word of 2 to 4 ideographs."""
    import jieba

    classes: dict[str, int] = {}
    dictionary = Path(jieba.__file__).parent / "dict.txt"
    for line in dictionary.read_text(encoding="utf-8").splitlines():
        word, count, part = line.split()
        if int(count) >= min_count and _HAN.fullmatch(word):
            plain = _RARE if int(count) < 20 else _COMMON if int(count) < 500 else _FREQUENT
            classes[word] = _PART_OF_SPEECH.get(part, plain)
    for name in given_names:
        if len(name) == 2:
            classes.setdefault(name, GIVEN_NAME)
    return classes


def build_lexicon(
    cases: dict[str, int], names: dict[str, int], words: dict[str, int], *, share: float, seed: int
) -> Lexicon:
    """One table of all; only ``share`` of the names take part.

    Training sees a part of them, so that it learns what names look like that no list holds; what ships has all.
    """
    rng = random.Random(seed)
    kept = {word: flag for word, flag in sorted(names.items()) if rng.random() < share}
    latin = {word: cases.get(word, 0) | kept.get(word, 0) for word in sorted(cases.keys() | kept.keys())}
    by_hash = {hash_word(word): value for word, value in latin.items() if value}
    for length in (2, 3, 4):
        group = [
            word
            for word in sorted(words)
            if len(word) == length and (words[word] not in _HIDDEN_IN_PART or rng.random() < share)
        ]
        columns = [np.array([ord(word[at]) for word in group], dtype=np.uint32) for at in range(length)]
        by_hash |= dict(zip(mix(*columns).tolist(), (words[word] for word in group), strict=True))
    hashes = np.array(sorted(by_hash), dtype=np.uint32)
    return Lexicon(hashes, np.array([by_hash[key] for key in hashes.tolist()], dtype=np.uint8))


__all__ = ["build_lexicon", "count_cases", "hash_ideographs", "ideograph_words", "latin_names"]
