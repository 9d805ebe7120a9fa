"""The sequence tagger as a detector: names, places, addresses, dates and the like, in both languages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from components.scrubbing.spans import Span
from components.scrubbing.tagger.artifact import default_tagger, load
from components.scrubbing.tagger.labels import TAGGER_LABELS

if TYPE_CHECKING:
    from components.scrubbing.tagger.model import TaggedSpan, Tagger

_HOLE = "\ufffc"
_EDGES = " \t\n\r,.;:!?\"'“”‘’()[]{}<>|*>-–—_/\\，。；：！？、（）《》「」【】\u3000"
# Closing characters that belong to a value when what they close is inside it, and the dot of an abbreviation.
_KEPT_AT_END = frozenset(").")


class TaggerDetector:
    """Spans of the shipped tagger, or of weights that ``train-tagger`` wrote elsewhere."""

    name = "tagger"
    labels = frozenset(TAGGER_LABELS)

    def __init__(self, *, recall_bias: float = 0.0, weights: Path | None = None) -> None:
        """``recall_bias`` is in log-odds: above 0 more is found, and more of it wrongly."""
        self._recall_bias = recall_bias
        self._weights = weights
        self._tagger: Tagger | None = None

    @classmethod
    def of(cls, tagger: Tagger, *, recall_bias: float = 0.0) -> TaggerDetector:
        """A detector of a tagger that is loaded already."""
        detector = cls(recall_bias=recall_bias)
        detector._tagger = tagger
        return detector

    def detect(self, text: str, lang: str) -> Iterable[Span]:
        """Spans of one text; ``lang`` is not needed, scripts may mix."""
        return self.detect_many([text], [lang])[0]

    def detect_many(self, texts: Sequence[str], langs: Sequence[str]) -> list[Sequence[Span]]:  # noqa: ARG002
        """Spans of each text, neighbours of one label joined; the same as one text at a time."""
        if self._tagger is None:
            self._tagger = load_tagger(self._weights)
        found = self._tagger.tag(texts, recall_bias=self._recall_bias)
        return [
            [Span(start, end, label, score, self.name) for start, end, label, score in _tidied(text, spans)]
            if spans
            else ()
            for text, spans in zip(texts, found, strict=True)
        ]


def load_tagger(weights: Path | None) -> Tagger:
    """The shipped tagger, shared by all detectors of the process, or one of a folder."""
    if weights is None:
        return default_tagger()
    from components.scrubbing.tagger.model import Tagger

    return Tagger(load(weights))


def _tidied(text: str, spans: Sequence[TaggedSpan]) -> list[TaggedSpan]:
    """Without blanks and punctuation at the ends, without holes, and with neighbours of one label as one."""
    tidy: list[TaggedSpan] = []
    for start, end, label, score in spans:
        while start < end and text[start] in _EDGES and text[start] != "(":
            start += 1  # noqa: PLW2901 - the loop narrows the span
        while start < end and text[end - 1] in _EDGES and not _belongs(text, start, end):
            end -= 1  # noqa: PLW2901
        if start == end or _HOLE in text[start:end]:
            continue
        if tidy and tidy[-1][2] == label and not text[tidy[-1][1] : start].strip():
            last = tidy.pop()
            start, score = last[0], max(last[3], score)  # noqa: PLW2901
        tidy.append((start, end, label, score))
    return tidy


def _belongs(text: str, start: int, end: int) -> bool:
    """Whether the punctuation at the end is part of the value: ``Mr.``, ``Cyprus (Greek)``."""
    last = text[end - 1]
    if last not in _KEPT_AT_END:
        return False
    return "(" in text[start:end] if last == ")" else end - start <= 5 and text[end - 2].isalpha()
