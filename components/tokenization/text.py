"""Languages, sentences and Chinese words of a text."""

from __future__ import annotations

import re
from typing import Any

from components.core.chinese import chinese_segmenter

# The blocks that BERT's normaliser isolates, character by character.
CJK = re.compile(
    "[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002ceaf\U0002f800-\U0002fa1f]"
)

# After .!? (with closing quotes or brackets) before white space; after 。！？… at once; at line ends.
_SENTENCE_END = re.compile(r"(?:[.!?]+[\"'”’)\]]*(?=\s)|[。！？…]+[”’」』）\"']*|[\r\n]+)")


def language_of(record: dict[str, Any]) -> str:
    """The record's ``lang``, else ``zh`` if its text holds an ideograph, else ``en``."""
    return str(record.get("lang") or ("zh" if CJK.search(record["text"]) else "en"))


def split_sentences(text: str) -> list[str]:
    """Sentences without surrounding white space; joined, they hold every other character of the text, in order.

    A plain rule: "Mr. Smith" is cut after "Mr.", which next-sentence pairs do not mind.
    """
    sentences, start = [], 0
    for match in _SENTENCE_END.finditer(text):
        sentences.append(text[start : match.end()].strip())
        start = match.end()
    sentences.append(text[start:].strip())
    return [sentence for sentence in sentences if sentence]


def chinese_words(text: str) -> list[str]:
    """Words of a text by jieba's dictionary, which together are the text.

    Without the hidden Markov model for unknown words: that doubles the time, and a name cut into characters is still
    masked a character at a time, as BERT does.
    """
    return list(chinese_segmenter().cut(text, HMM=False))
