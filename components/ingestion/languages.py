"""Which language a text is in: English, Chinese or something else.

Scripts decide first (kana and hangul are not Chinese, Han is), common English words second, and ``py3langid``
only for Latin text that neither settles, since it is fifty times slower. Same text, same answer.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Literal

DetectedLanguage = Literal["en", "zh", "other"]

_SAMPLE_CHARACTERS = 800
_HAN = re.compile(r"[㐀-䶿一-鿿豈-﫿\U00020000-\U0003134f]")
_KANA_OR_HANGUL = re.compile(r"[぀-ヿㇰ-ㇿᄀ-ᇿ㄰-㆏가-힯]")
_LATIN = re.compile(r"[A-Za-zÀ-ɏ]")
_OTHER_SCRIPT = re.compile(r"[Ͱ-῿Ⰰ-ⷿꀀ-ꟿ]")
_WORD = re.compile(r"[a-zà-ɏ]+(?:'[a-z]+)?")
# A Han character says about as much as three Latin letters: "我用iPhone拍的照片" is Chinese.
_HAN_WEIGHT = 3
_MIN_FOREIGN_SHARE = 0.1
_MIN_ENGLISH_SHARE = 0.12
_MIN_ENGLISH_WORDS = 2
# Frequent English words that are no frequent word of another language in Latin script.
_ENGLISH_WORDS = frozenset(
    [
        "the",
        "and",
        "of",
        "that",
        "with",
        "you",
        "it's",
        "this",
        "have",
        "from",
        "they",
        "would",
        "there",
        "their",
        "what",
        "about",
        "which",
        "when",
        "your",
        "were",
        "been",
        "has",
        "more",
        "who",
        "could",
        "than",
        "how",
        "its",
        "should",
        "because",
        "those",
        "did",
        "before",
        "through",
        "where",
        "much",
        "these",
        "too",
        "such",
        "only",
        "our",
        "why",
        "after",
        "while",
        "every",
        "other",
        "both",
        "does",
        "being",
        "some",
        "them",
        "his",
        "her",
        "she",
        "very",
        "just",
        "any",
        "into",
        "not",
        "was",
        "but",
        "are",
    ]
) - {"her", "his", "does", "of", "are", "was", "just", "some", "any"}
# Varieties that the model keeps apart and this product does not.
_ENGLISH_VARIETIES = frozenset({"en", "pcm", "sco"})


def detect_language(text: str) -> tuple[DetectedLanguage, float]:
    """The language and how sure that is, in [0, 1]. A text without letters is ``other`` with 0."""
    sample = _sample(text)
    han = len(_HAN.findall(sample))
    latin = len(_LATIN.findall(sample))
    foreign = 0 if sample.isascii() else len(_KANA_OR_HANGUL.findall(sample))
    other = 0 if sample.isascii() else len(_OTHER_SCRIPT.findall(sample))
    total = han + latin + foreign + other
    if total == 0:
        return "other", 0.0
    asian = han + foreign
    if foreign and foreign >= _MIN_FOREIGN_SHARE * asian and _HAN_WEIGHT * asian > latin:
        return "other", foreign / asian if foreign < asian / 2 else 1.0
    weighted = _HAN_WEIGHT * han / (_HAN_WEIGHT * asian + latin + other)
    if weighted >= 0.5:
        return "zh", weighted
    if other > latin:
        return "other", other / total
    return _detect_latin(sample)


def _sample(text: str) -> str:
    """The start and the middle of a long text, so that one language's preface does not decide."""
    if len(text) <= _SAMPLE_CHARACTERS:
        return text
    half, middle = _SAMPLE_CHARACTERS // 2, len(text) // 2
    return text[:half] + " " + text[middle : middle + half]


def _detect_latin(sample: str) -> tuple[DetectedLanguage, float]:
    words = _WORD.findall(sample.lower())
    hits = [word for word in words if word in _ENGLISH_WORDS]
    if len(set(hits)) >= _MIN_ENGLISH_WORDS and len(hits) >= _MIN_ENGLISH_SHARE * len(words):
        return "en", 0.99
    label, score = _identifier().classify(sample)
    return ("en" if label in _ENGLISH_VARIETIES else "other"), float(score)


@cache
def _identifier() -> Any:
    """The model that ships inside py3langid, with scores as probabilities; loaded once, on first need."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
