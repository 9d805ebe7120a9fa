"""Rules beside a tagger: they speak where it has found no person."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence

from components.scrubbing.detectors.names import NameDetector
from components.scrubbing.detectors.tagger import TaggerDetector
from components.scrubbing.spans import Span


class TaggerWithRules:
    """The tagger's spans, and those of the rules that touch no person of the tagger's.

    Both see the same name with other borders (a title, a middle name); side by side the surer one would win and cut
    the other. Spans keep the name of the detector that found them.
    """

    name = "names"

    def __init__(self, tagger: TaggerDetector, rules: NameDetector) -> None:
        """Both as they were configured."""
        self._tagger, self._rules = tagger, rules
        self.labels = tagger.labels | rules.labels

    def detect(self, text: str, lang: str) -> Iterable[Span]:
        """Spans of one text."""
        return self.detect_many([text], [lang])[0]

    def detect_many(self, texts: Sequence[str], langs: Sequence[str]) -> list[Sequence[Span]]:
        """Spans of each text, in order."""
        return _beside(texts, langs, self._tagger.detect_many(texts, langs), self._rules.detect)

    def detect_again(self, texts: Sequence[str], langs: Sequence[str]) -> list[Sequence[Span]]:
        """What is new in texts that were looked at before, see ``TaggerDetector.detect_again``."""
        return _beside(texts, langs, self._tagger.detect_again(texts, langs), self._rules.detect_again)


def _beside(
    texts: Sequence[str],
    langs: Sequence[str],
    found: Sequence[Sequence[Span]],
    detect: Callable[[str, str], Iterable[Span]],
) -> list[Sequence[Span]]:
    """What was found in each text, and what the rules add."""
    return [
        [*spans, *_apart(detect(text, lang), [span for span in spans if span.label == "PERSON"])]
        for text, lang, spans in zip(texts, langs, found, strict=True)
    ]


def _apart(spans: Iterable[Span], persons: Sequence[Span]) -> list[Span]:
    """Those that share no character with ``persons``, which are sorted and do not overlap."""
    starts = [person.start for person in persons]
    kept: list[Span] = []
    for span in spans:
        at = bisect_right(starts, span.start)
        before, behind = persons[at - 1 : at], persons[at : at + 1]
        if not any(person.overlaps(span) for person in (*before, *behind)):
            kept.append(span)
    return kept
