"""All detectors over one text, repeated until nothing more is found.

Finding one value may uncover another that touched it (``13812345678a@b.com``), and a scrubbed text must hold none.
So the engine replaces what it found by one U+FFFC and looks again, and placeholders that an earlier scrubbing left
are read as U+FFFC too: the last look of the first scrubbing and the first look of the second see the same text,
which is why scrubbing twice equals scrubbing once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from components.scrubbing.config import ScrubbingConfig
from components.scrubbing.detectors import Detector
from components.scrubbing.detectors.make import make_detectors
from components.scrubbing.detectors.patterns import PatternDetector
from components.scrubbing.detectors.phones import PhoneDetector
from components.scrubbing.policy import PLACEHOLDER
from components.scrubbing.spans import Span, resolve_spans

_HOLE = "\ufffc"
_HAN = re.compile("[\u4e00-\u9fff]")


class DenyDetector:
    """The values that the config always replaces."""

    name = "deny"

    def __init__(self, config: ScrubbingConfig) -> None:
        """Matching ignores case and does not cut a Latin word."""
        self.labels: frozenset[str] = frozenset(config.deny)
        self._patterns = [
            (
                label,
                re.compile("|".join(_whole(value) for value in sorted(values, key=len, reverse=True)), re.IGNORECASE),
            )
            for label, values in config.deny.items()
            if values
        ]

    def detect(self, text: str, lang: str) -> Iterable[Span]:  # noqa: ARG002 - values, not words of a language
        """Every occurrence, with score 1."""
        return [
            Span(match.start(), match.end(), label, 1.0, self.name)
            for label, pattern in self._patterns
            for match in pattern.finditer(text)
        ]


def _whole(value: str) -> str:
    before = r"(?<![A-Za-z0-9])" if value[0].isascii() and value[0].isalnum() else ""
    after = r"(?![A-Za-z0-9])" if value[-1].isascii() and value[-1].isalnum() else ""
    return before + re.escape(value) + after


def guess_lang(text: str) -> str:
    """``zh`` if any Chinese character stands in the text, else ``en``: a hint for detectors, no language id."""
    return "zh" if _HAN.search(text) else "en"


class Engine:
    """The configured detectors. Make one a process; it has no state between texts."""

    def __init__(self, config: ScrubbingConfig, detectors: Sequence[Detector] = ()) -> None:
        """``detectors`` come on top of the built-in ones (a name tagger, for instance)."""
        self._config = config
        self._labels = frozenset(config.labels)
        self._allow = frozenset(value.casefold() for value in config.allow)
        built_in: list[Detector] = [PatternDetector(), PhoneDetector()]
        built_in += make_detectors(config.detectors, config.languages)
        if config.deny:
            built_in.append(DenyDetector(config))
        self._detectors = [detector for detector in (*built_in, *detectors) if detector.labels & self._labels]

    def detect(self, text: str, lang: str | None = None) -> list[Span]:
        """Spans into ``text``: sorted, not overlapping, at least ``min_score``, no allowed value."""
        lang = lang or guess_lang(text)
        found: list[Span] = []
        work, origin = _dig(text, [match.span() for match in PLACEHOLDER.finditer(text)], None)
        while spans := self._find(work, lang):
            found += [span if origin is None else _moved(span, origin) for span in spans]
            work, origin = _dig(work, [(span.start, span.end) for span in spans], origin)
        return sorted(found, key=lambda span: span.start)

    def _find(self, text: str, lang: str) -> list[Span]:
        """One look: resolved spans that are to be replaced."""
        config = self._config
        spans = [
            span
            for detector in self._detectors
            for span in detector.detect(text, lang)
            if span.score >= config.min_score
            and span.label in self._labels
            and _HOLE not in text[span.start : span.end]
        ]
        if not spans:
            return []
        kept = resolve_spans(spans)
        if self._allow:
            kept = [span for span in kept if text[span.start : span.end].casefold() not in self._allow]
        return kept


def _dig(text: str, holes: Sequence[tuple[int, int]], origin: list[int] | None) -> tuple[str, list[int] | None]:
    """``text`` with every range as U+FFFC, neighbours as one, and each character's offset in the input.

    ``origin`` None stands for the identity.
    """
    if not holes:
        return text, origin
    characters: list[str] = []
    positions: list[int] = []
    at = 0
    for start, end in [*holes, (len(text), len(text))]:
        characters += text[at:start]
        positions += origin[at:start] if origin is not None else range(at, start)
        if start < end and characters[-1:] != [_HOLE] and text[end : end + 1] != _HOLE:
            characters.append(_HOLE)
            positions.append(start if origin is None else origin[start])
        at = end
    return "".join(characters), positions


def _moved(span: Span, origin: list[int]) -> Span:
    """The span in the offsets of the input. Spans hold no hole, so their characters are neighbours there too."""
    return Span(origin[span.start], origin[span.end - 1] + 1, span.label, span.score, span.detector)
