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
_MIN_FOREIGN_SHARE = 0.2
# (distinct English-only words, share of frequent words of both kinds) from which a text is English without more ado.
_ENGLISH_ENOUGH = ((2, 0.12), (1, 0.3))
_MIN_FREQUENT_WORDS = 2
_SURE_LETTERS = 40
# Frequent English words: those that other languages in Latin script do not have, and those that some have too.
_ONLY = """about after and because been before being between both but could did each every from has have how into it's
    its much not only our should than that the their them there these they this those through very were what when where
    which while who why with would you your"""
_ALSO = "a an are as at be by for had he her his i in is it me my of on or she so to was we"
_ENGLISH_ONLY = frozenset(_ONLY.split())
_ALSO_ENGLISH = frozenset(_ALSO.split())
# Varieties that the model keeps apart and this product does not.
_ENGLISH_VARIETIES = frozenset({"en", "pcm", "sco"})


def detect_language(text: str) -> tuple[DetectedLanguage, float]:
    """The language and how sure that is, in [0, 1]. A text without letters is ``other`` with 0."""
    sample = _sample(text)
    if sample.isascii():
        return _detect_latin(sample)
    han, latin = len(_HAN.findall(sample)), len(_LATIN.findall(sample))
    foreign, other = len(_KANA_OR_HANGUL.findall(sample)), len(_OTHER_SCRIPT.findall(sample))
    asian = han + foreign
    if foreign and foreign >= _MIN_FOREIGN_SHARE * asian and _HAN_WEIGHT * asian > latin:
        return "other", 1.0
    if han and _HAN_WEIGHT * han >= _HAN_WEIGHT * foreign + latin + other:
        return "zh", _HAN_WEIGHT * han / (_HAN_WEIGHT * asian + latin + other)
    if other > latin:
        return "other", other / (other + latin + asian)
    return _detect_latin(sample)


def _sample(text: str) -> str:
    """The start and the middle of a long text, so that one language's preface does not decide."""
    if len(text) <= _SAMPLE_CHARACTERS:
        return text
    half, middle = _SAMPLE_CHARACTERS // 2, len(text) // 2
    return text[:half] + " " + text[middle : middle + half]


def _detect_latin(sample: str) -> tuple[DetectedLanguage, float]:
    words = _WORD.findall(sample.lower())
    if not words:
        return "other", 0.0
    certain = [word for word in words if word in _ENGLISH_ONLY]
    frequent = len(certain) + sum(1 for word in words if word in _ALSO_ENGLISH)
    distinct = len(set(certain))
    for min_distinct, min_share in _ENGLISH_ENOUGH:
        if distinct >= min_distinct and frequent >= max(_MIN_FREQUENT_WORDS, min_share * len(words)):
            return "en", 0.99
    return _ask_model(sample, sum(map(len, words)))


def _ask_model(sample: str, letters: int) -> tuple[DetectedLanguage, float]:
    """English or not: the scores of all other languages count together, and few letters make any answer unsure."""
    english = sum(float(score) for label, score in _identifier().rank(sample) if label in _ENGLISH_VARIETIES)
    trust = min(1.0, letters / _SURE_LETTERS)
    return ("en", english * trust) if english >= 0.5 else ("other", (1 - english) * trust)


@cache
def _identifier() -> Any:
    """The model that ships inside py3langid, with scores as probabilities; loaded once, on first need."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
