"""Names of persons from the words around them, in both languages."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from components.scrubbing.detectors.names_en import DETECTOR, find_english_names
from components.scrubbing.detectors.names_zh import find_chinese_names
from components.scrubbing.spans import Span

_HAN = re.compile("[\u4e00-\u9fff]")


class NameDetector:
    """Person names by context rules; ``languages`` are those whose rules run.

    Scripts mix in one text, so the text and not ``lang`` decides which of these rules are tried.
    """

    name = DETECTOR
    labels = frozenset({"PERSON"})

    def __init__(self, languages: Collection[str]) -> None:
        """Rules of other languages stay off, so that a caller sees what is not covered."""
        self._languages = frozenset(languages)

    def detect(self, text: str, lang: str) -> Iterator[Span]:  # noqa: ARG002 - see the class
        """Spans of PERSON, titles and field names not included."""
        return self._find(text, near_holes=False)

    def detect_again(self, text: str, lang: str) -> Iterator[Span]:  # noqa: ARG002 - see the class
        """What may be new in a text that was looked at before some of its characters became U+FFFC."""
        return self._find(text, near_holes=True)

    def _find(self, text: str, *, near_holes: bool) -> Iterator[Span]:
        if "en" in self._languages:
            yield from find_english_names(text, near_holes=near_holes)
        if "zh" in self._languages and _HAN.search(text):
            yield from find_chinese_names(text)
