"""Two shares that tell broken or spun text from prose, in either language."""

from __future__ import annotations

import re

import numpy as np

from components.cleaning.shingles import Hashes

MIN_NGRAMS_FOR_REPETITION = 20

_SYMBOL = re.compile(r"""[^\w\s.,;:!?'"()\[\]\-–—%&/$€£¥°…·“”‘’«»。，；：！？（）《》〈〉、「」『』【】〔〕～￥％]|_""")


def symbol_share(text: str) -> float:
    """Characters that are no letter, digit or punctuation, among those that are not white space; 1 for a blank text."""
    visible = len(text) - sum(map(text.count, " \n\t"))
    return len(_SYMBOL.findall(text)) / visible if visible else 1.0


def repetition_share(ngrams: Hashes) -> float:
    """Share of a document's n-grams that occurred before in it; 0 where there are too few to tell."""
    if ngrams.size < MIN_NGRAMS_FOR_REPETITION:
        return 0.0
    return 1 - np.unique(ngrams).size / ngrams.size
