"""Chinese words by jieba's dictionary."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from functools import cache
from typing import Any


@cache
def chinese_segmenter() -> Any:
    """A jieba segmenter over its own dictionary, for everybody: do not add words to it.

    Its ``initialize`` would read and write a marshalled cache in the shared temporary folder, where anybody may put a
    file, and log about it; reading the dictionary takes a second and needs neither.
    """
    segmenter = _jieba().Tokenizer()
    segmenter.FREQ, segmenter.total = segmenter.gen_pfdict(segmenter.get_dict_file())
    segmenter.initialized = True
    return segmenter


def segmenter_with(words: Iterable[str]) -> Any:
    """A segmenter of one's own that knows these words too."""
    known = chinese_segmenter()
    segmenter = _jieba().Tokenizer()
    segmenter.FREQ, segmenter.total = dict(known.FREQ), known.total
    segmenter.initialized = True
    for word in words:
        segmenter.add_word(word)
    return segmenter


def _jieba() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # jieba 0.42 has invalid escapes and imports pkg_resources
        import jieba
    return jieba
