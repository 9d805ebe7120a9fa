"""Shares that tell broken, spun or encoded text from prose, in either language.

Symbols, repeated n-grams and repeated lines follow Gopher's rules (Rae et al. 2021, table A1), counted in characters
and with n-grams that mean the same in Chinese.
"""

from __future__ import annotations

import re

MIN_NGRAMS_FOR_REPETITION = 20

_SYMBOL = re.compile(r"""[^\w\s.,;:!?'"()\[\]\-–—%&/$€£¥°…·“”‘’«»。，；：！？（）《》〈〉、「」『』【】〔〕～￥％]|_""")


def symbol_share(text: str) -> float:
    """Characters that are no letter, digit or punctuation, among those that are not white space; 1 for a blank text."""
    visible = len(text) - sum(map(text.count, " \n\t"))
    return len(_SYMBOL.findall(text)) / visible if visible else 1.0


def repetition_share(ngrams: int, distinct: int) -> float:
    """Share of a document's n-grams that occurred before in it; 0 where there are too few to tell."""
    return 1 - distinct / ngrams if ngrams >= MIN_NGRAMS_FOR_REPETITION else 0.0


def repeated_line_share(text: str) -> float:
    """Share of the visible characters that stand on a line that stood before in the document."""
    lines = [stripped for line in text.split("\n") if (stripped := line.strip())]
    total = sum(map(len, lines))
    return 1 - sum(map(len, set(lines))) / total if total else 0.0


def broken_share(text: str) -> float:
    """Share of the visible characters that stand for bytes that could not be decoded."""
    visible = len(text) - sum(map(text.count, " \n\t"))
    return text.count("\ufffd") / visible if visible else 0.0


def mean_word_characters(tokens: list[str]) -> float:
    """Mean length of the tokens that are words, not Chinese characters; 0 without any."""
    lengths = [len(token) for token in tokens if len(token) > 1 or token.isascii()]
    return sum(lengths) / len(lengths) if lengths else 0.0
